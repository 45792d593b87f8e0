/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - the commands of a sandbox that is kept: begun, watched, reported.
 *
 * A call that was begun gets exactly one exit event, when every process of it is dead; one that is
 * refused gets it at once (status 125).
 *
 * Must never: hand a directory or a bare reference to a path to the payload as a stream: openat(0,
 * "..") would lead out of its root (CVE-2024-21626).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/session/call_result.h"
#include "runtime/session/keep_internal.h"

#define MAX_TIME_MS (UINT64_C(366) * 24 * 3600 * 1000)

/* --- the list --- */

static bool taken(void *ctx, const char *slug)
{
	const struct oc_keep *k = ctx;

	for (const struct oc_call *c = k->first; c; c = c->next)
		if (strcmp(c->id, slug) == 0)
			return true;
	return false;
}

static struct oc_call *new_call(struct oc_keep *k, unsigned client, const struct oc_wire_exec *h)
{
	struct oc_call *c = calloc(1, sizeof *c);

	if (!c)
		oc_oom();
	oc_slug_make(&k->slugs, taken, k, c->id);
	c->client = (int)client;
	c->tag = h->tag;
	c->flags = h->flags;
	c->started_us = k->now_us;
	c->started_ns = oc_keep_time_ns();
	c->limits = (struct oc_call_limits){h->memory_bytes, h->pids, h->cpu_millis};
	for (int i = 0; i < OC_CALL_FDS; i++)
		c->fds[i] = -1;
	c->previous = k->last;
	if (k->last)
		k->last->next = c;
	else
		k->first = c;
	k->last = c;
	/* What was sampled before was others'. */
	if (k->running++ == 0)
		k->s.sampled_pids = k->s.sampled_memory = 0;
	k->foreground += !(c->flags & OC_WIRE_BACKGROUND);
	oc_keep_used(k);
	return c;
}

static void drop_message(struct oc_keep *k, struct oc_call *c)
{
	for (unsigned i = 0; i < c->fd_count; i++)
		oc_closep(&c->fds[i]);
	c->fd_count = 0;
	/* One of the usual size serves the next call. */
	if (!k->spare.data && c->run.cap && c->run.cap <= 16384)
		k->spare = (struct oc_buf){.data = c->run.data, .cap = c->run.cap};
	else
		oc_buf_free(&c->run);
	c->run = (struct oc_buf){0};
}

/* Somebody further up may hold it still: it is freed in the next turn. */
static void unlist(struct oc_keep *k, struct oc_call *c)
{
	drop_message(k, c);
	if (c->previous)
		c->previous->next = c->next;
	else
		k->first = c->next;
	if (c->next)
		c->next->previous = c->previous;
	else
		k->last = c->previous;
	c->next = k->dead;
	k->dead = c;
}

void oc_call_reap(struct oc_keep *k)
{
	while (k->dead) {
		struct oc_call *c = k->dead;
		k->dead = c->next;
		oc_background_free(c);
		oc_buf_free(&c->result);
		free(c->error);
		free(c);
	}
}

void oc_call_forget(struct oc_keep *k, struct oc_call *c)
{
	k->finished--;
	k->finished_bytes -= oc_background_held(c);
	unlist(k, c);
}

/* Those that ended first go. */
static void bound_finished(struct oc_keep *k)
{
	while (k->finished > OC_KEEP_FINISHED || k->finished_bytes > OC_KEEP_FINISHED_BYTES) {
		struct oc_call *oldest = NULL;
		for (struct oc_call *c = k->first; c; c = c->next)
			if (!oc_call_runs(c) && (!oldest || c->ended_us < oldest->ended_us))
				oldest = c;
		if (!oldest)
			return;
		oc_call_forget(k, oldest);
	}
}

/* --- events --- */

static void begin_event(struct oc_keep *k, struct oc_json_writer *w, const char *event,
			const struct oc_call *c)
{
	k->out.len = 0;
	oc_jw_init(w, &k->out, 0);
	oc_jw_object(w);
	oc_jw_key(w, "event");
	oc_jw_string(w, event);
	oc_jw_key(w, "tag");
	oc_jw_uint(w, c->tag);
	oc_jw_key(w, "call");
	oc_jw_string(w, c->id);
}

static void tell_started(struct oc_keep *k, const struct oc_call *c, int pty)
{
	struct oc_json_writer w;

	if (c->client < 0)
		return;
	begin_event(k, &w, "started", c);
	oc_jw_key(&w, "pid");
	oc_jw_int(&w, c->pid);
	oc_jw_object_end(&w);
	oc_keep_tell(k, c->client, &pty, pty >= 0 ? 1 : 0);
}

/* --- the end --- */

void oc_call_finish(struct oc_keep *k, struct oc_call *c)
{
	struct oc_json_writer w;
	struct oc_sweep found = {0};
	oc_auto_arena a = {0};

	c->ended_us = oc_keep_now_us();
	if (c->background)
		oc_background_end(c);
	if (k->ending)
		found = k->last_sweep;
	else
		oc_quarantine_sweep(&k->q, &a, &found);
	begin_event(k, &w, "exit", c);
	oc_jw_key(&w, "result");
	size_t at = k->out.len;
	oc_call_result_write(k, c, &found, &w);
	size_t end = k->out.len;
	oc_jw_object_end(&w);
	if (c->runner)
		c->runner->call = NULL;
	c->runner = NULL;
	c->state = OC_CALL_FINISHED;
	/* Who does not read is dropped here, and with him his other calls. */
	if (c->client >= 0)
		oc_keep_tell(k, c->client, NULL, 0);
	k->running--;
	k->foreground -= !(c->flags & OC_WIRE_BACKGROUND);
	oc_keep_used(k);
	if (!(c->flags & OC_WIRE_BACKGROUND)) {
		unlist(k, c);
		return;
	}
	drop_message(k, c);
	c->ended_ns = oc_keep_time_ns();
	oc_buf_add(&c->result, k->out.data + at, end - at);
	k->finished++;
	k->finished_bytes += oc_background_held(c);
	bound_finished(k);
}

void oc_call_failed(struct oc_keep *k, struct oc_call *c, int status, const struct oc_err *why)
{
	c->error = malloc(sizeof *c->error);
	if (!c->error)
		oc_oom();
	*c->error = *why;
	c->error_status = status;
	oc_call_finish(k, c);
}

void oc_call_exited(struct oc_keep *k, struct oc_call *c, const struct oc_call_reply *m)
{
	/* What it has left is still there to be counted, all but itself. */
	if (m->value != 0 && (k->s.missing & OC_CG_SAMPLED))
		oc_sandbox_sample(&k->s, 1);
	c->reported = true;
	c->wait_status = m->value;
	c->usage = m->usage;
	c->state = OC_CALL_LEAVING;
	/* What is left of it is killed by pid 1. */
	c->deadline_us = c->kill_us = 0;
}

void oc_call_started(struct oc_keep *k, struct oc_call *c, pid_t pid, int pty)
{
	oc_auto_close master = pty;

	c->state = c->state == OC_CALL_LEAVING ? OC_CALL_LEAVING : OC_CALL_RUNNING;
	c->pid = pid;
	drop_message(k, c);
	if (c->timeout_us)
		c->deadline_us = c->started_us + c->timeout_us;
	if (c->background && master >= 0) {
		oc_background_terminal(c, oc_steal_fd(&master));
		tell_started(k, c, -1);
	} else if (c->flags & (OC_WIRE_STARTED | OC_WIRE_BACKGROUND | OC_WIRE_PTY)) {
		tell_started(k, c, master);
	}
	for (int sig = 1; c->signals; c->signals >>= 1, sig++)
		if (c->signals & 1)
			oc_runner_signal(k, c->runner, sig);
}

void oc_call_kill(struct oc_keep *k, struct oc_call *c)
{
	if (!oc_call_runs(c))
		return;
	c->killed = true;
	/* One that waits for its runner: that is about to come, and then it is over. */
	if (c->runner)
		oc_runner_end(k, c->runner);
}

void oc_call_client_gone(void *ctx, unsigned client)
{
	struct oc_keep *k = ctx;

	for (struct oc_call *c = k->first; c; c = c->next) {
		if (c->client != (int)client)
			continue;
		c->client = -1;
		if (oc_call_runs(c) && !(c->flags & OC_WIRE_BACKGROUND) && !c->detached)
			oc_call_kill(k, c);
	}
}

/* --- time --- */

static void on_time(struct oc_keep *k, struct oc_call *c)
{
	if (c->deadline_us && k->now_us >= c->deadline_us) {
		c->timed_out = true;
		c->deadline_us = 0;
		c->kill_us = k->now_us + OC_KEEP_GRACE_US;
		if (c->runner) {
			oc_runner_signal(k, c->runner, SIGTERM);
			oc_runner_signal(k, c->runner, SIGCONT);
		}
	}
	if (c->kill_us && k->now_us >= c->kill_us) {
		c->kill_us = 0;
		if (c->runner)
			oc_runner_end(k, c->runner);
	}
}

uint64_t oc_call_time(struct oc_keep *k)
{
	uint64_t next = UINT64_MAX;

	for (struct oc_call *c = k->first, *after; c; c = after) {
		after = c->next;
		uint64_t t = UINT64_MAX;
		if (oc_call_runs(c)) {
			on_time(k, c);
			t = c->deadline_us ? c->deadline_us : c->kill_us ? c->kill_us : t;
		} else if (c->ended_us + OC_KEEP_FINISHED_US <= k->now_us) {
			oc_call_forget(k, c);
		} else {
			t = c->ended_us + OC_KEEP_FINISHED_US;
		}
		next = t < next ? t : next;
	}
	return next;
}

/* --- the beginning --- */

static int check_stream(int fd, const char *name, struct oc_err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		oc_fail(err, errno, "standard %s cannot be used", name);
	else if (S_ISDIR(st.st_mode) || (flags & O_PATH))
		oc_fail(err, 0, "standard %s is a directory or a path reference", name);
	else
		return 0;
	return oc_err_step(err, "streams");
}

/* Whoever has its file open for writing, or it inside, could change what a later call executes. */
static int check_program(int fd, struct oc_err *err)
{
	const int want = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals >= 0 && (seals & want) == want)
		return 0;
	oc_fail(err, 0, "the program is not a sealed memfd");
	oc_err_hint(err, "memfd_create with MFD_ALLOW_SEALING, then F_SEAL_WRITE|SHRINK|GROW");
	return oc_err_step(err, "program");
}

static int take_fds(struct oc_keep *k, struct oc_call *c, int *fds, size_t count,
		    struct oc_err *err)
{
	static const char *const name[] = {"input", "output", "error"};

	if (c->flags & OC_WIRE_PROGRAM) {
		if (check_program(fds[0], err) < 0)
			return -1;
		c->fds[c->fd_count++] = oc_steal_fd(&fds[0]);
		fds++;
		count--;
	}
	for (size_t i = 0; i < 3 && i < count; i++) {
		if (check_stream(fds[i], name[i], err) < 0)
			return -1;
		c->fds[c->fd_count++] = oc_steal_fd(&fds[i]);
	}
	return c->flags & OC_WIRE_BACKGROUND ? oc_background_begin(k, c, err) : 0;
}

/* What people see of it. */
static void describe(struct oc_call *c, const struct oc_request *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->argv_len && n + 1 < sizeof c->command; i++) {
		char b = r->argv[i];
		if (b == '\0')
			b = ' ';
		else if ((unsigned char)b < 0x20 || b == 0x7f)
			b = '?';
		c->command[n++] = b;
	}
	while (n && c->command[n - 1] == ' ')
		n--;
	c->command[n] = '\0';
}

/* The strings, wherever they are. */
static const char *strings_of(const struct oc_wire_exec *h, const char *data, int *fds,
			      struct oc_buf *blob, struct oc_err *err)
{
	char piece[4096];

	if (!(h->flags & OC_WIRE_BLOB))
		return data + sizeof *h;
	if (h->strings > OC_CALL_STRINGS_MAX) {
		oc_fail(err, 0, "arguments and environment are longer than %u bytes",
			OC_CALL_STRINGS_MAX);
		return NULL;
	}
	/* Reading anything else could wait. */
	if (fcntl(fds[0], F_GET_SEALS) < 0) {
		oc_fail(err, 0, "the strings of the command are not in a memfd");
		return NULL;
	}
	while (blob->len < h->strings) {
		size_t want = h->strings - blob->len;
		ssize_t n = pread(fds[0], piece, want < sizeof piece ? want : sizeof piece,
				  (off_t)blob->len);
		if (n <= 0) {
			oc_fail(err, n < 0 ? errno : 0, "cannot read the strings of the command");
			return NULL;
		}
		oc_buf_add(blob, piece, (size_t)n);
	}
	oc_closep(&fds[0]);
	fds[0] = -1;
	return blob->data ? blob->data : "";
}

static int begin(struct oc_keep *k, struct oc_call *c, const struct oc_wire_exec *h,
		 const char *data, int *fds, size_t count, struct oc_err *err)
{
	oc_auto_buf blob = {0};
	struct oc_request r;
	const char *strings = strings_of(h, data, fds, &blob, err);

	if (!strings || oc_request_parse(h, strings, &r, err) < 0)
		return -1;
	describe(c, &r);
	if (h->flags & OC_WIRE_BLOB) {
		fds++;
		count--;
	}
	c->run = k->spare;
	c->run.len = 0;
	k->spare = (struct oc_buf){0};
	if (oc_request_build(&r, k->plan, &c->run, err) < 0 || take_fds(k, c, fds, count, err) < 0)
		return -1;
	if (k->running == 1 && oc_quarantine_renew(&k->q, err) < 0)
		return oc_err_step(err, "quarantine");
	uint64_t ms = h->timeout_ms ? h->timeout_ms : k->plan->timeout_ms;
	c->timeout_us = (ms < MAX_TIME_MS ? ms : MAX_TIME_MS) * 1000;
	if (k->running > OC_KEEP_RUNNING) {
		oc_fail(err, 0, "%d commands run in the sandbox already", OC_KEEP_RUNNING);
		return oc_err_hint(err, "wait until one of them has ended");
	}
	return 0;
}

int oc_call_message(void *ctx, unsigned client, char *data, size_t len, int fds[OC_CONTROL_FDS],
		    size_t count, struct oc_err *err)
{
	struct oc_keep *k = ctx;
	struct oc_wire_exec h;
	struct oc_err why = {0};

	if (oc_request_head(data, len, count, &h, err) < 0)
		return -1;
	for (const struct oc_call *c = k->first; c; c = c->next)
		if (c->client == (int)client && c->tag == h.tag && oc_call_runs(c))
			return oc_fail(err, 0, "a command with the tag %u runs already", h.tag);
	struct oc_call *c = new_call(k, client, &h);
	if (begin(k, c, &h, data, fds, count, &why) < 0) {
		/* Its output rings are empty, there is nothing to come back to. */
		k->foreground += !!(c->flags & OC_WIRE_BACKGROUND);
		c->flags &= ~OC_WIRE_BACKGROUND;
		oc_call_failed(k, c, 125, &why);
	} else {
		oc_runner_give(k, c);
	}
	return 0;
}
