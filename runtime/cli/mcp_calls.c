/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_calls - see mcp_calls.h.  Never waits: a call begins here, and its output and end come by the
 * loop.
 */
#include "runtime/cli/mcp_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "runtime/fileop/fileop.h"

#define CHUNK	     (64u << 10)
#define KEPT_BYTES   (OC_MCP_OUTPUT_MAX * 4) /* a character has four bytes at most */
#define FILE_TIME_MS 30000
#define DRAIN_MAX    (1u << 20) /* what a pipe can hold */
#define STOP_MS	     3000

struct oc_mcp_call {
	struct oc_mcp_call *next;
	struct oc_mcp_job *job; /* NULL: nobody waits for it */
	enum oc_mcp_tool tool;
	uint32_t tag;
	uint64_t limit_ms;
	int pipe; /* its output, -1 at the end */
	struct oc_buf out;
	uint64_t dropped; /* bytes before that */
	bool too_long;	  /* an answer of oc-fileop that is none */
};

/* --- results --- */

size_t oc_mcp_tail(const char *text, size_t len, size_t max)
{
	size_t count = 0, skip;

	for (size_t i = 0; i < len; count++) {
		size_t n = oc_utf8_decode(text + i, len - i, NULL);
		i += n ? n : 1;
	}
	size_t at = 0;
	for (skip = count > max ? count - max : 0; skip; skip--) {
		size_t n = oc_utf8_decode(text + at, len - at, NULL);
		at += n ? n : 1;
	}
	return at;
}

/* "Exit code 3 after 0.120 s." */
static void say_end(struct oc_buf *out, const struct oc_mcp_call *c, const struct ocs_result *r)
{
	double seconds = (double)r->wall_us / 1e6;

	if (r->error)
		oc_buf_printf(out, "%s%s%s", r->error, r->hint && *r->hint ? "\nHint: " : "",
			      r->hint ? r->hint : "");
	else if (strcmp(r->cause, "timeout") == 0)
		oc_buf_printf(out, "Ended after %.3f s: the time limit of %.3g s was reached.",
			      seconds, (double)c->limit_ms / 1000);
	else if (strcmp(r->cause, "oom") == 0)
		oc_buf_printf(out,
			      "Ended after %.3f s: the memory limit of the sandbox was reached.",
			      seconds);
	else if (r->exit_code >= 0)
		oc_buf_printf(out, "Exit code %d after %.3f s.", r->exit_code, seconds);
	else if (r->signal)
		oc_buf_printf(out, "Ended by signal %d (%s) after %.3f s.", r->signal,
			      strsignal(r->signal), seconds);
	else
		oc_buf_printf(out, "Ended with status %d after %.3f s.", r->status, seconds);
	if (!r->error && strcmp(r->cause, "pids") == 0)
		oc_buf_puts(out, " The limit of processes of the sandbox was reached.");
	if (!r->error && strcmp(r->cause, "disk") == 0)
		oc_buf_puts(out, " The workspace is full.");
}

static void number(struct oc_json_writer *w, const char *key, uint64_t n)
{
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

/* For programs; models get the text. */
static void write_meta(struct oc_json_writer *w, const struct oc_mcp_call *c,
		       const struct ocs_result *r)
{
	oc_jw_key(w, "_meta");
	oc_jw_object(w);
	oc_jw_key(w, "oc-sandbox/result");
	oc_jw_object(w);
	oc_jw_key(w, "cause");
	oc_jw_string(w, r->cause);
	oc_jw_key(w, "exitCode");
	if (r->exit_code >= 0)
		oc_jw_int(w, r->exit_code);
	else
		oc_jw_null(w);
	oc_jw_key(w, "signal");
	if (r->signal)
		oc_jw_int(w, r->signal);
	else
		oc_jw_null(w);
	number(w, "durationMs", r->wall_us / 1000);
	number(w, "droppedBytes", c->dropped);
	oc_jw_object_end(w);
	oc_jw_object_end(w);
}

static void write_exec(struct oc_json_writer *w, struct oc_mcp_call *c, const struct ocs_result *r)
{
	oc_auto_buf end = {0};
	oc_auto_buf text = {0};
	const char *data = c->out.data ? c->out.data : "";
	size_t from = oc_mcp_tail(data, c->out.len, OC_MCP_OUTPUT_MAX);

	c->dropped += from;
	/* A character that was cut is no character. */
	while (c->dropped && from < c->out.len && ((unsigned char)data[from] & 0xC0) == 0x80)
		from++;
	if (c->dropped)
		oc_buf_printf(&text, "[%llu bytes of earlier output were dropped]\n",
			      (unsigned long long)c->dropped);
	oc_buf_add(&text, data + from, c->out.len - from);
	say_end(&end, c, r);
	oc_jw_key(w, "content");
	oc_jw_array(w);
	if (text.len)
		oc_mcp_text(w, text.data, text.len);
	oc_mcp_text(w, end.data, end.len);
	oc_jw_array_end(w);
	write_meta(w, c, r);
	oc_jw_key(w, "isError");
	oc_jw_bool(w, r->status != 0);
}

static const struct oc_json *text_member(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m : NULL;
}

static bool is_image(const struct oc_json *type, const struct oc_json *data)
{
	static const char *const types[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
	size_t i = 0;

	while (i < 4 && strcmp(types[i], type->string) != 0)
		i++;
	return i < 4 && strspn(data->string, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789+/=") == data->length;
}

/*
 * The answer of oc-fileop.  It ran inside, among programs with its user id: what it says is taken
 * for a text, whoever wrote it.
 */
static bool write_file(struct oc_json_writer *w, const struct oc_mcp_call *c)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err = {0};

	if (c->too_long || c->out.len == 0 ||
	    oc_json_parse_message(&a, c->out.data, c->out.len, "oc-fileop", OC_FILE_ANSWER_MAX, &v,
				  &err) < 0)
		return false;
	const struct oc_json *ok = oc_json_get(v, "ok"), *text = text_member(v, "text"),
			     *notice = text_member(v, "notice"), *error = text_member(v, "error"),
			     *hint = text_member(v, "hint"), *type = text_member(v, "mimeType"),
			     *data = text_member(v, "data");
	bool good = ok && ok->type == OC_JSON_BOOL && ok->boolean;
	bool image = type && data && is_image(type, data);
	if (good ? !text && !image : !error)
		return false;
	oc_jw_key(w, "content");
	oc_jw_array(w);
	if (!good) {
		oc_auto_buf b = {0};
		oc_buf_printf(&b, "%s%s%s", error->string, hint ? "\nHint: " : "",
			      hint ? hint->string : "");
		oc_mcp_text(w, b.data, b.len);
	} else if (image) {
		oc_jw_object(w);
		oc_jw_key(w, "type");
		oc_jw_string(w, "image");
		oc_jw_key(w, "data");
		oc_jw_string(w, data->string);
		oc_jw_key(w, "mimeType");
		oc_jw_string(w, type->string);
		oc_jw_object_end(w);
	} else {
		oc_mcp_text(w, text->string, text->length);
		if (notice)
			oc_mcp_text(w, notice->string, notice->length);
	}
	oc_jw_array_end(w);
	oc_jw_key(w, "isError");
	oc_jw_bool(w, !good);
	return true;
}

static void write_result(struct oc_buf *out, struct oc_mcp_call *c, const struct ocs_result *r)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	if (c->tool == OC_MCP_EXEC) {
		write_exec(&w, c, r);
	} else if (!write_file(&w, c)) {
		oc_auto_buf text = {0};
		oc_buf_printf(&text, "The file operation gave no answer. ");
		say_end(&text, c, r);
		oc_jw_key(&w, "content");
		oc_jw_array(&w);
		oc_mcp_text(&w, text.data, text.len);
		oc_jw_array_end(&w);
		oc_jw_key(&w, "isError");
		oc_jw_bool(&w, true);
	}
	oc_jw_object_end(&w);
}

/* --- output --- */

static void keep(struct oc_mcp_call *c, const char *data, size_t len)
{
	if (!c->job || c->too_long)
		return;
	oc_buf_add(&c->out, data, len);
	if (c->tool != OC_MCP_EXEC) {
		c->too_long = c->out.len > OC_FILE_ANSWER_MAX;
	} else if (c->out.len > 2 * KEPT_BYTES) {
		size_t drop = c->out.len - KEPT_BYTES;
		memmove(c->out.data, c->out.data + drop, KEPT_BYTES);
		c->out.len = KEPT_BYTES;
		c->dropped += drop;
	}
}

/* What is there now; true: the end of it. */
static bool drain(struct oc_mcp_call *c, size_t max)
{
	char chunk[CHUNK];

	for (size_t done = 0; done < max;) {
		ssize_t n = read(c->pipe, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			return true;
		keep(c, chunk, (size_t)n);
		done += (size_t)n;
	}
	return false;
}

size_t oc_mcp_calls_poll(const struct oc_mcp_server *s, struct pollfd *fds, size_t max)
{
	size_t n = 0;

	for (const struct oc_mcp_call *c = s->calls; c && n < max; c = c->next)
		if (c->pipe >= 0)
			fds[n++] = (struct pollfd){.fd = c->pipe, .events = POLLIN};
	return n;
}

void oc_mcp_calls_read(struct oc_mcp_server *s, const struct pollfd *fds, size_t count)
{
	for (struct oc_mcp_call *c = s->calls; c; c = c->next)
		for (size_t i = 0; i < count; i++)
			if (c->pipe >= 0 && fds[i].fd == c->pipe && fds[i].revents &&
			    drain(c, CHUNK)) {
				close(c->pipe);
				c->pipe = -1;
			}
}

/* --- ends --- */

static void forget(struct oc_mcp_server *s, struct oc_mcp_call *c)
{
	struct oc_mcp_call **p = &s->calls;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	oc_closep(&c->pipe);
	oc_buf_free(&c->out);
	free(c);
}

static void say_error(struct oc_buf *out, const char *what, const struct ocs_error *e)
{
	oc_buf_printf(out, "%s: %s%s%s", what, e->step, e->step[0] ? ": " : "", e->message);
	if (e->hint[0])
		oc_buf_printf(out, "\nHint: %s", e->hint);
}

static void fail_call(struct oc_mcp_server *s, struct oc_mcp_job *job, const char *what,
		      const struct ocs_error *e)
{
	oc_auto_buf text = {0};

	say_error(&text, what, e);
	oc_mcp_finish_error(&s->rpc, job, text.data);
}

/* All of its processes are dead: what is in the pipe now is all that there is of their output. */
static void on_exit_event(struct oc_mcp_server *s, uint32_t tag, const struct ocs_result *r)
{
	struct oc_mcp_call *c = s->calls;

	while (c && c->tag != tag)
		c = c->next;
	/* Never made: OCS_EVENT_CLOSED follows, and says more. */
	if (!c || (!s->opened && strcmp(r->cause, "setup") == 0))
		return;
	if (c->pipe >= 0)
		drain(c, DRAIN_MAX);
	if (c->job) {
		oc_auto_buf out = {0};
		write_result(&out, c, r);
		oc_mcp_finish(&s->rpc, c->job, &out);
	}
	forget(s, c);
}

static void on_closed(struct oc_mcp_server *s, const struct ocs_error *e, bool made)
{
	const char *what = made ? "The sandbox has ended" : "The sandbox could not be made";
	struct oc_err err = {0};

	oc_fail(&err, 0, "%s: %s", what, e->message);
	if (e->hint[0])
		oc_err_hint(&err, "%s", e->hint);
	if (e->step[0])
		oc_err_step(&err, e->step);
	oc_err_print(&err, "oc-sandbox mcp", 2);
	while (s->calls) {
		if (s->calls->job)
			fail_call(s, s->calls->job, what, e);
		forget(s, s->calls);
	}
	ocs_close(s->sandbox);
	s->sandbox = NULL; /* the next call makes or joins one */
}

void oc_mcp_calls_events(struct oc_mcp_server *s)
{
	struct ocs_event ev;

	while (s->sandbox && ocs_next(s->sandbox, &ev) > 0) {
		switch (ev.type) {
		case OCS_EVENT_OPEN:
			s->opened = true;
			break;
		case OCS_EVENT_STARTED:
			oc_closep(&ev.fd);
			break;
		case OCS_EVENT_EXIT:
			on_exit_event(s, ev.tag, &ev.result);
			break;
		case OCS_EVENT_CLOSED:
			on_closed(s, &ev.error, s->opened);
			break;
		case OCS_EVENT_NONE:
			break;
		}
	}
}

/* One that is about to be made has to be there before it can be told to go. */
static void stop_sandbox(struct oc_mcp_server *s)
{
	struct ocs_event ev = {.type = OCS_EVENT_NONE};
	bool told = false;

	do {
		if (ev.type == OCS_EVENT_OPEN)
			s->opened = true;
		if (s->opened && !told && ocs_stop(s->sandbox, NULL) < 0)
			return;
		told = s->opened;
	} while (ocs_wait(s->sandbox, STOP_MS, &ev) > 0 && ev.type != OCS_EVENT_CLOSED);
}

void oc_mcp_calls_end(struct oc_mcp_server *s)
{
	while (s->calls) {
		if (s->calls->job)
			oc_mcp_finish(&s->rpc, s->calls->job, NULL);
		forget(s, s->calls);
	}
	if (!s->sandbox)
		return;
	/* Without an agent nobody could find it again. */
	if (!s->lasting)
		stop_sandbox(s);
	ocs_close(s->sandbox);
	s->sandbox = NULL;
}

/* --- beginnings --- */

static int open_sandbox(struct oc_mcp_server *s, struct ocs_error *err)
{
	struct ocs_open how = OCS_OPEN_INIT;

	if (s->sandbox)
		return 0;
	/* This very program, also when another version has been installed in its place. */
	how.program = "/proc/self/exe";
	how.options = s->options;
	s->opened = false;
	return ocs_open(&how, &s->sandbox, err);
}

/* The request on its standard input, where nobody can change it. */
static int request_fd(enum oc_mcp_tool tool, const struct oc_json *args)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;
	oc_auto_close fd = memfd_create("oc-fileop-request", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, oc_mcp_tool_name(tool));
	for (const struct oc_json *m = args->child; m; m = m->next) {
		oc_jw_key(&w, m->key);
		if (m->type == OC_JSON_STRING)
			oc_jw_bytes(&w, m->string, m->length);
		else
			oc_jw_value(&w, m);
	}
	oc_jw_object_end(&w);
	if (fd < 0 || oc_write_all(fd, out.data, out.len) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -1;
	return oc_steal_fd(&fd);
}

static const char *directory(struct oc_arena *a, const struct oc_mcp_server *s,
			     const struct oc_json *v)
{
	if (!v || !*v->string)
		return NULL;
	return v->string[0] == '/' ? v->string : oc_arena_printf(a, "%s/%s", s->workdir, v->string);
}

/* Of exec's arguments. */
static void describe_command(struct oc_arena *a, const struct oc_mcp_server *s,
			     const struct oc_json *args, struct ocs_exec *e)
{
	const struct oc_json *script = oc_json_get(args, "command"),
			     *words = oc_json_get(args, "argv"), *env = oc_json_get(args, "env"),
			     *limit = oc_json_get(args, "timeoutSeconds");
	const char **argv = oc_arena_array(a, words ? words->count + 1 : 4, sizeof *argv);
	const char **vars = oc_arena_array(a, env ? env->count + 1 : 1, sizeof *vars);
	size_t n = 0;

	if (script) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-lc";
		argv[n++] = script->string;
	}
	for (const struct oc_json *m = words ? words->child : NULL; m; m = m->next)
		argv[n++] = m->string;
	n = 0;
	for (const struct oc_json *m = env ? env->child : NULL; m; m = m->next)
		vars[n++] = oc_arena_printf(a, "%s=%s", m->key, m->string);
	e->argv = argv;
	e->env = vars;
	e->cwd = directory(a, s, oc_json_get(args, "workdir"));
	e->timeout_ms = s->limit_ms;
	if (limit && limit->number * 1000 < (double)s->limit_ms)
		e->timeout_ms = (uint64_t)(limit->number * 1000) + 1;
}

/* The command of a call, its streams made; what has to be closed when it was given away is in fds.
 */
static int start_command(struct oc_mcp_server *s, struct oc_mcp_call *c, const struct oc_json *args,
			 struct ocs_error *err)
{
	static const char *const fileop[] = {"oc-fileop", NULL};
	oc_auto_arena a = {0};
	struct ocs_exec e = OCS_EXEC_INIT;
	oc_auto_close in = -1;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0) {
		*err = (struct ocs_error){.errnum = errno};
		snprintf(err->message, sizeof err->message, "pipe: %s", strerror(errno));
		return -1;
	}
	oc_auto_close to = p[1];
	c->pipe = p[0];
	e.out = e.err = to;
	if (c->tool == OC_MCP_EXEC) {
		describe_command(&a, s, args, &e);
	} else {
		in = request_fd(c->tool, args);
		e.argv = fileop;
		e.program = s->fileop;
		e.in = in;
		e.err = -1;
		e.timeout_ms = FILE_TIME_MS;
		if (in < 0) {
			*err = (struct ocs_error){.errnum = errno};
			snprintf(err->message, sizeof err->message, "memfd: %s", strerror(errno));
			return -1;
		}
	}
	c->limit_ms = e.timeout_ms;
	/* Ours alone: the command has the other end, and another open file. */
	if (fcntl(c->pipe, F_SETFL, O_NONBLOCK) < 0 || open_sandbox(s, err) < 0)
		return -1;
	return ocs_exec(s->sandbox, &e, &c->tag, err);
}

void oc_mcp_call_begin(void *ctx, struct oc_mcp_job *job, enum oc_mcp_tool tool,
		       const struct oc_json *args)
{
	struct oc_mcp_server *s = ctx;
	struct ocs_error err = {0};
	struct oc_mcp_call *c = calloc(1, sizeof *c);

	if (!c)
		oc_oom();
	*c = (struct oc_mcp_call){.next = s->calls, .job = job, .tool = tool, .pipe = -1};
	s->calls = c;
	job->own = c;
	if (start_command(s, c, args, &err) == 0)
		return;
	fail_call(s, job,
		  s->sandbox ? "The call could not be made" : "The sandbox could not be made",
		  &err);
	forget(s, c);
}

void oc_mcp_call_cancel(void *ctx, struct oc_mcp_job *job)
{
	struct oc_mcp_server *s = ctx;
	struct oc_mcp_call *c = job->own;

	c->job = NULL;
	oc_mcp_finish(&s->rpc, job, NULL);
	/* A file operation takes a moment, and leaves nothing half done if it is let. */
	if (c->tool == OC_MCP_EXEC)
		ocs_kill(s->sandbox, c->tag, NULL);
}
