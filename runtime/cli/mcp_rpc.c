/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_rpc - see mcp.h.  No system call: bytes come in by oc_mcp_feed and go out by m->out.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "runtime/cli/mcp.h"

enum {
	PARSE_ERROR = -32700,
	INVALID_REQUEST = -32600,
	METHOD_NOT_FOUND = -32601,
	INVALID_PARAMS = -32602,
};

/* Those that the official client knows, newest first. */
static const struct {
	const char *name;
	bool batches, annotations;
	bool arguments_are_results; /* bad arguments are a result that the model sees, not an error
				       of the protocol */
} versions[] = {
	{"2025-11-25", false, true, true},   {"2025-06-18", false, true, false},
	{"2025-03-26", true, true, false},   {"2024-11-05", false, false, false},
	{"2024-10-07", false, false, false},
};
#define VERSIONS (sizeof versions / sizeof versions[0])

struct oc_mcp_batch {
	unsigned waiting; /* jobs, and one while it is read */
	struct oc_buf out;
};

/* --- out --- */

static void emit(struct oc_mcp *m, struct oc_mcp_batch *b, const struct oc_buf *message)
{
	if (b) {
		oc_buf_puts(&b->out, b->out.len ? "," : "[");
		oc_buf_add(&b->out, message->data, message->len);
	} else {
		oc_buf_add(&m->out, message->data, message->len);
		oc_buf_puts(&m->out, "\n");
	}
}

/* One of those that it waits for is done; with the last one it goes out, if there is anything in
 * it. */
static void batch_done(struct oc_mcp *m, struct oc_mcp_batch *b)
{
	if (!b || --b->waiting)
		return;
	if (b->out.len) {
		oc_buf_add(&m->out, b->out.data, b->out.len);
		oc_buf_puts(&m->out, "]\n");
	}
	oc_buf_free(&b->out);
	free(b);
}

static void reply(struct oc_mcp *m, struct oc_mcp_batch *b, const char *id, const char *result,
		  size_t len)
{
	oc_auto_buf out = {0};

	oc_buf_printf(&out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", id);
	oc_buf_add(&out, result, len);
	oc_buf_puts(&out, "}");
	emit(m, b, &out);
}

static void reply_error(struct oc_mcp *m, struct oc_mcp_batch *b, const char *id, int code,
			const char *text)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	oc_buf_printf(&out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":", id);
	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "code");
	oc_jw_int(&w, code);
	oc_jw_key(&w, "message");
	oc_jw_string(&w, text);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "}");
	emit(m, b, &out);
}

void oc_mcp_text(struct oc_json_writer *w, const char *text, size_t len)
{
	oc_jw_object(w);
	oc_jw_key(w, "type");
	oc_jw_string(w, "text");
	oc_jw_key(w, "text");
	oc_jw_bytes(w, text, len);
	oc_jw_object_end(w);
}

static void error_result(struct oc_buf *out, const char *text)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "content");
	oc_jw_array(&w);
	oc_mcp_text(&w, text, strlen(text));
	oc_jw_array_end(&w);
	oc_jw_key(&w, "isError");
	oc_jw_bool(&w, true);
	oc_jw_object_end(&w);
}

/* --- jobs --- */

void oc_mcp_finish(struct oc_mcp *m, struct oc_mcp_job *job, const struct oc_buf *result)
{
	struct oc_mcp_job **p = &m->jobs;

	while (*p && *p != job)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = job->next;
	m->job_count--;
	if (result)
		reply(m, job->batch, job->id, result->data, result->len);
	batch_done(m, job->batch);
	free(job);
}

void oc_mcp_finish_error(struct oc_mcp *m, struct oc_mcp_job *job, const char *text)
{
	oc_auto_buf out = {0};

	error_result(&out, text);
	oc_mcp_finish(m, job, &out);
}

static struct oc_mcp_job *find_job(const struct oc_mcp *m, const char *id)
{
	struct oc_mcp_job *j = m->jobs;

	while (j && strcmp(j->id, id) != 0)
		j = j->next;
	return j;
}

/* --- methods --- */

struct request {
	struct oc_mcp *m;
	struct oc_mcp_batch *batch;
	char id[OC_MCP_ID_MAX];
	const struct oc_json *params; /* an object, or NULL */
};

static void refuse(const struct request *r, int code, const char *text)
{
	reply_error(r->m, r->batch, r->id, code, text);
}

static const char *text_of(const struct oc_json *v)
{
	return v && v->type == OC_JSON_STRING && strlen(v->string) == v->length ? v->string : NULL;
}

static void on_initialize(const struct request *r)
{
	const char *wanted = text_of(oc_json_get(r->params, "protocolVersion"));
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	if (!wanted) {
		refuse(r, INVALID_PARAMS, "protocolVersion is missing");
		return;
	}
	if (r->m->initialized) {
		refuse(r, INVALID_REQUEST, "initialize was called already");
		return;
	}
	r->m->initialized = true;
	r->m->version = 0;
	/* Of another one, it is for the client to say whether it can do with ours. */
	for (unsigned i = 0; i < VERSIONS; i++)
		if (strcmp(versions[i].name, wanted) == 0)
			r->m->version = i;
	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "protocolVersion");
	oc_jw_string(&w, versions[r->m->version].name);
	oc_jw_key(&w, "capabilities");
	oc_jw_object(&w);
	oc_jw_key(&w, "tools");
	oc_jw_object(&w);
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	oc_jw_key(&w, "serverInfo");
	oc_jw_object(&w);
	oc_jw_key(&w, "name");
	oc_jw_string(&w, "oc-sandbox");
	oc_jw_key(&w, "version");
	oc_jw_string(&w, PACKAGE_VERSION);
	oc_jw_object_end(&w);
	oc_jw_key(&w, "instructions");
	oc_jw_string(&w, r->m->instructions);
	oc_jw_object_end(&w);
	reply(r->m, r->batch, r->id, out.data, out.len);
}

static void on_ping(const struct request *r)
{
	reply(r->m, r->batch, r->id, "{}", 2);
}

static void on_list(const struct request *r)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	/* All of them are on the first page. */
	if (text_of(oc_json_get(r->params, "cursor"))) {
		refuse(r, INVALID_PARAMS, "there is no page with this cursor");
		return;
	}
	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_mcp_tools_write(&w, versions[r->m->version].annotations);
	oc_jw_object_end(&w);
	reply(r->m, r->batch, r->id, out.data, out.len);
}

static void on_call(const struct request *r)
{
	const char *name = text_of(oc_json_get(r->params, "name"));
	const struct oc_json *args = oc_json_get(r->params, "arguments");
	struct oc_err err = {0};
	oc_auto_buf text = {0};

	if (!name) {
		refuse(r, INVALID_PARAMS, "name is missing");
		return;
	}
	enum oc_mcp_tool t = oc_mcp_tool_find(name);
	if (t == OC_MCP_TOOLS) {
		oc_buf_printf(&text, "Unknown tool: %.100s", name);
		refuse(r, INVALID_PARAMS, text.data);
		return;
	}
	if (args && args->type != OC_JSON_OBJECT) {
		refuse(r, INVALID_PARAMS, "arguments must be an object");
		return;
	}
	if (oc_mcp_tool_check(t, args, &err) < 0) {
		oc_err_context(&err, "%s", name);
		if (versions[r->m->version].arguments_are_results) {
			error_result(&text, err.msg);
			reply(r->m, r->batch, r->id, text.data, text.len);
		} else {
			refuse(r, INVALID_PARAMS, err.msg);
		}
		return;
	}
	if (r->m->job_count == OC_MCP_CALLS_MAX) {
		error_result(&text,
			     "too many calls run at once: try again when one of them has ended");
		reply(r->m, r->batch, r->id, text.data, text.len);
		return;
	}
	struct oc_mcp_job *job = calloc(1, sizeof *job);
	if (!job)
		oc_oom();
	memcpy(job->id, r->id, sizeof job->id);
	job->batch = r->batch;
	if (job->batch)
		job->batch->waiting++;
	job->next = r->m->jobs;
	r->m->jobs = job;
	r->m->job_count++;
	r->m->ops->call(r->m->ctx, job, t, args);
}

static const struct {
	const char *name;
	void (*run)(const struct request *r);
} methods[] = {
	{"initialize", on_initialize},
	{"ping", on_ping},
	{"tools/list", on_list},
	{"tools/call", on_call},
};

/* --- messages --- */

/* As it is repeated in the answer; false: no id of MCP. */
static bool read_id(const struct oc_json *v, char out[OC_MCP_ID_MAX])
{
	oc_auto_buf text = {0};
	struct oc_json_writer w;

	if (v->type == OC_JSON_STRING) {
		oc_jw_init(&w, &text, 0);
		oc_jw_bytes(&w, v->string, v->length);
	} else if (v->type == OC_JSON_NUMBER) {
		oc_buf_puts(&text, v->string);
	}
	if (text.len == 0 || text.len >= OC_MCP_ID_MAX)
		return false;
	memcpy(out, text.data, text.len + 1);
	return true;
}

static void on_notification(struct oc_mcp *m, const char *method, const struct oc_json *params)
{
	const struct oc_json *of = oc_json_get(params, "requestId");
	char id[OC_MCP_ID_MAX];

	if (strcmp(method, "notifications/cancelled") != 0 || !of || !read_id(of, id))
		return;
	struct oc_mcp_job *job = find_job(m, id);
	/* It may have been answered meanwhile. */
	if (job)
		m->ops->cancel(m->ctx, job);
}

static void on_message(struct oc_mcp *m, struct oc_mcp_batch *b, const struct oc_json *v)
{
	const struct oc_json *id = oc_json_get(v, "id"), *params = oc_json_get(v, "params");
	const char *method = text_of(oc_json_get(v, "method")),
		   *protocol = text_of(oc_json_get(v, "jsonrpc"));
	struct request r = {.m = m, .batch = b, .id = "null"};

	if (v->type != OC_JSON_OBJECT) {
		refuse(&r, INVALID_REQUEST, "a message must be an object");
		return;
	}
	if (id && !read_id(id, r.id)) {
		refuse(&r, INVALID_REQUEST, "id must be a string or a number, and not long");
		return;
	}
	/* An answer: we have asked nothing. */
	if (!method && (oc_json_get(v, "result") || oc_json_get(v, "error")))
		return;
	if (!protocol || strcmp(protocol, "2.0") != 0 || !method) {
		refuse(&r, INVALID_REQUEST,
		       method ? "jsonrpc must be \"2.0\"" : "method is missing");
		return;
	}
	if (!id) {
		on_notification(m, method, params);
		return;
	}
	if (find_job(m, r.id)) {
		refuse(&r, INVALID_REQUEST, "a request with this id still runs");
		return;
	}
	if (params && params->type != OC_JSON_OBJECT) {
		refuse(&r, INVALID_PARAMS, "params must be an object");
		return;
	}
	r.params = params;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i].name, method) == 0) {
			methods[i].run(&r);
			return;
		}
	oc_auto_buf text = {0};
	oc_buf_printf(&text, "Method not found: %.100s", method);
	refuse(&r, METHOD_NOT_FOUND, text.data);
}

static void on_batch(struct oc_mcp *m, const struct oc_json *v)
{
	if (!m->initialized || !versions[m->version].batches) {
		reply_error(m, NULL, "null", INVALID_REQUEST,
			    "this version of the protocol has no batches");
		return;
	}
	if (v->count == 0 || v->count > OC_MCP_BATCH_MAX) {
		reply_error(m, NULL, "null", INVALID_REQUEST,
			    v->count ? "a batch of too many messages" : "an empty batch");
		return;
	}
	struct oc_mcp_batch *b = calloc(1, sizeof *b);
	if (!b)
		oc_oom();
	b->waiting = 1;
	for (const struct oc_json *c = v->child; c; c = c->next)
		on_message(m, b, c);
	batch_done(m, b);
}

static void on_line(struct oc_mcp *m, const char *line, size_t len)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err = {0};
	size_t blank = 0;

	while (blank < len && strchr(" \t\r", line[blank]) && line[blank])
		blank++;
	if (blank == len)
		return;
	if (oc_json_parse_message(&a, line, len, "message", OC_MCP_LINE_MAX, &v, &err) < 0)
		reply_error(m, NULL, "null", PARSE_ERROR, err.msg);
	else if (v->type == OC_JSON_ARRAY)
		on_batch(m, v);
	else
		on_message(m, NULL, v);
}

void oc_mcp_feed(struct oc_mcp *m, const char *data, size_t len)
{
	while (len) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl ? (size_t)(nl - data) : len;
		if (!m->skipping && m->in.len + n > OC_MCP_LINE_MAX) {
			reply_error(m, NULL, "null", PARSE_ERROR, "a message of more than 8 MiB");
			oc_buf_free(&m->in);
			m->skipping = true;
		}
		if (!m->skipping && nl && m->in.len == 0) {
			on_line(m, data, n);
		} else if (!m->skipping) {
			oc_buf_add(&m->in, data, n);
			if (nl) {
				/* Its memory may be much: nothing of it is kept for the next one.
				 */
				oc_auto_buf line = m->in;
				m->in = (struct oc_buf){0};
				on_line(m, line.data, line.len);
			}
		}
		if (!nl)
			return;
		m->skipping = false;
		data += n + 1;
		len -= n + 1;
	}
}

void oc_mcp_close(struct oc_mcp *m)
{
	oc_buf_free(&m->in);
	oc_buf_free(&m->out);
}
