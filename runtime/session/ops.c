/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops - requests to the monitor of a sandbox that is kept (wire.h).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "netns/policy/record.h"
#include "runtime/session/keep_internal.h"

#define NS_PER_MS 1000000

static void text(struct oc_json_writer *w, const char *key, const char *value)
{
	oc_jw_key(w, key);
	oc_jw_string(w, value);
}

static void number(struct oc_json_writer *w, const char *key, uint64_t n)
{
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

static void flag(struct oc_json_writer *w, const char *key, bool b)
{
	oc_jw_key(w, key);
	oc_jw_bool(w, b);
}

static void when(struct oc_json_writer *w, const char *key, int64_t ns)
{
	char time[25];

	oc_record_time(ns, time);
	text(w, key, time);
}

/* --- which call --- */

static struct oc_call *find(struct oc_keep *k, unsigned client, const struct oc_json *request,
			    struct oc_err *err)
{
	const struct oc_json *tag = oc_json_get(request, "tag"), *id = oc_json_get(request, "call");
	oc_auto_arena a = {0};
	int64_t n = 0;

	if (!id && !tag) {
		oc_fail(err, 0, "the request names no call");
		return NULL;
	}
	if (id && id->type != OC_JSON_STRING) {
		oc_json_fail(&a, id, err, "must be a string");
		return NULL;
	}
	if (!id && oc_json_int(&a, tag, 1, UINT32_MAX, &n, err) < 0)
		return NULL;
	for (struct oc_call *c = k->first; c; c = c->next)
		if (id ? strcmp(c->id, id->string) == 0
		       : c->client == (int)client && c->tag == (uint32_t)n && oc_call_runs(c))
			return c;
	if (id)
		oc_fail(err, ESRCH, "there is no call %.60s in this sandbox", id->string);
	else
		oc_fail(err, ESRCH, "there is no running call with the tag %u", (unsigned)n);
	oc_err_hint(err, "oc-sandbox ps shows what there is");
	return NULL;
}

static struct oc_call *find_background(struct oc_keep *k, unsigned client,
				       const struct oc_json *request, struct oc_err *err)
{
	struct oc_call *c = find(k, client, request, err);

	if (c && !c->background) {
		oc_fail(err, 0,
			"the output of %s is not kept: it was not started in the background",
			c->id);
		return NULL;
	}
	return c;
}

/* --- info, calls --- */

static void write_limits(const struct oc_plan *p, struct oc_json_writer *w)
{
	oc_jw_key(w, "limits");
	oc_jw_object(w);
	number(w, "memoryBytes", p->memory_bytes);
	number(w, "pids", p->pids);
	number(w, "cpuMillis", p->cpu_millis);
	oc_jw_key(w, "timeoutMs");
	if (p->timeout_ms)
		oc_jw_uint(w, p->timeout_ms);
	else
		oc_jw_null(w);
	oc_jw_key(w, "diskBytes");
	if (p->disk_bytes)
		oc_jw_uint(w, p->disk_bytes);
	else
		oc_jw_null(w);
	oc_jw_object_end(w);
}

static void info(struct oc_keep *k, struct oc_json_writer *w)
{
	static const char *const access[] = {
		[OC_ACCESS_NONE] = "none",
		[OC_ACCESS_RO] = "ro",
		[OC_ACCESS_RW] = "rw",
		[OC_ACCESS_OVERLAY] = "overlay",
	};
	const struct oc_plan *p = k->plan;
	uint64_t now = oc_keep_now_us();
	int64_t time = oc_keep_time_ns();
	char hash[65];

	text(w, "id", k->door->id);
	text(w, "version", PACKAGE_VERSION);
	oc_plan_hash(p, hash);
	text(w, "planHash", hash);
	oc_plan_sandbox_hash(p, hash);
	text(w, "sandboxHash", hash);
	text(w, "agent", p->agent);
	text(w, "scopeKey", p->scope_key);
	when(w, "created", time - (int64_t)(now - k->born_us) * 1000);
	when(w, "lastUsed", k->running ? time : time - (int64_t)(now - k->used_us) * 1000);
	number(w, "idleMs", k->running ? 0 : (now - k->used_us) / 1000);
	number(w, "ageMs", (now - k->born_us) / 1000);
	number(w, "pid", (uint64_t)getpid());
	number(w, "calls", k->running);
	flag(w, "keep", true);
	text(w, "access", access[p->access]);
	text(w, "workspace", p->workspace);
	text(w, "egress", oc_egress_mode_name(p->egress.mode));
	write_limits(p, w);
}

static void write_call(const struct oc_call *c, struct oc_json_writer *w)
{
	bool runs = oc_call_runs(c);

	oc_jw_object(w);
	text(w, "call", c->id);
	text(w, "command", c->command);
	text(w, "state", runs ? "running" : "exited");
	flag(w, "background", c->flags & OC_WIRE_BACKGROUND);
	flag(w, "attached", c->background ? oc_background_attached(c) : c->client >= 0);
	number(w, "pid", (uint64_t)c->pid);
	when(w, "startedAt", c->started_ns);
	oc_jw_key(w, "endedAt");
	if (runs) {
		oc_jw_null(w);
	} else {
		char time[25];
		oc_record_time(c->ended_ns, time);
		oc_jw_string(w, time);
	}
	number(w, "output", oc_background_held(c));
	number(w, "dropped", oc_background_dropped(c));
	if (c->result.len) {
		oc_auto_arena a = {0};
		struct oc_err ignored = {0};
		struct oc_json *v;
		if (oc_json_parse(&a, c->result.data, c->result.len, "result", &v, &ignored) == 0) {
			oc_jw_key(w, "result");
			oc_jw_value(w, v);
		}
	}
	oc_jw_object_end(w);
}

/* As many as go into one answer, the newest of them. */
static void calls(const struct oc_keep *k, struct oc_json_writer *w)
{
	const struct oc_call *c = k->last;
	size_t room = OC_CONTROL_ANSWER_MAX / 2;

	for (; c && c->previous; c = c->previous) {
		size_t need = 512 + 2 * sizeof c->command + c->result.len;
		if (need > room)
			break;
		room -= need;
	}
	oc_jw_key(w, "calls");
	oc_jw_array(w);
	for (; c; c = c->next)
		write_call(c, w);
	oc_jw_array_end(w);
}

/* --- one call --- */

static int send_signal(struct oc_keep *k, struct oc_call *c, const struct oc_json *request,
		       struct oc_err *err)
{
	const struct oc_json *v = oc_json_get(request, "signal");
	oc_auto_arena a = {0};
	int64_t sig;

	if (!v)
		return oc_fail(err, 0, "the request names no signal");
	if (oc_json_int(&a, v, 1, 64, &sig, err) < 0)
		return -1;
	if (!oc_call_runs(c))
		return oc_fail(err, ESRCH, "%s has ended", c->id);
	if (c->state == OC_CALL_RUNNING && c->runner)
		oc_runner_signal(k, c->runner, (int)sig);
	else if (c->state != OC_CALL_LEAVING)
		c->signals |= UINT64_C(1) << (sig - 1);
	return 0;
}

static int attach(struct oc_call *c, const struct oc_json *request, struct oc_json_writer *w,
		  int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	const struct oc_json *v = oc_json_get(request, "input");
	uint64_t dropped = oc_background_dropped(c);

	if (v && v->type != OC_JSON_BOOL)
		return oc_fail(err, 0, "\"input\" must be a boolean");
	if (oc_background_attach(c, v && v->boolean, fds, err) < 0)
		return -1;
	number(w, "dropped", dropped);
	return 0;
}

static int logs(const struct oc_call *c, struct oc_json_writer *w, int fds[OC_CONTROL_FDS],
		struct oc_err *err)
{
	fds[0] = oc_background_logs(c, err);
	if (fds[0] < 0)
		return -1;
	number(w, "dropped", oc_background_dropped(c));
	return 0;
}

static int clear(struct oc_keep *k, struct oc_call *c, struct oc_err *err)
{
	if (oc_call_runs(c)) {
		oc_fail(err, EBUSY, "%s is still running", c->id);
		return oc_err_hint(err, "kill it first");
	}
	oc_call_forget(k, c);
	return 0;
}

static int detach(struct oc_call *c)
{
	c->detached = true;
	return 0;
}

/* Requests that name a call; 1: it is none of these. */
static int of_a_call(struct oc_keep *k, unsigned client, const char *op,
		     const struct oc_json *request, struct oc_json_writer *w,
		     int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	static const char *const any[] = {"signal", "kill", "detach"};
	static const char *const kept[] = {"logs", "attach", "eof", "clear"};
	struct oc_call *c;

	for (unsigned i = 0; i < sizeof any / sizeof *any; i++) {
		if (strcmp(op, any[i]) != 0)
			continue;
		c = find(k, client, request, err);
		if (!c)
			return -1;
		oc_keep_used(k);
		if (i == 0)
			return send_signal(k, c, request, err);
		if (i == 2)
			return detach(c);
		oc_call_kill(k, c);
		return 0;
	}
	for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (strcmp(op, kept[i]) != 0)
			continue;
		c = find_background(k, client, request, err);
		if (!c)
			return -1;
		oc_keep_used(k);
		if (i == 0)
			return logs(c, w, fds, err);
		if (i == 1)
			return attach(c, request, w, fds, err);
		if (i == 3)
			return clear(k, c, err);
		oc_background_eof(c);
		return 0;
	}
	return 1;
}

int oc_keep_request(void *ctx, unsigned client, const char *op, const struct oc_json *request,
		    struct oc_json_writer *w, int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	struct oc_keep *k = ctx;

	if (strcmp(op, "info") == 0) {
		info(k, w);
		return 0;
	}
	if (strcmp(op, "calls") == 0) {
		calls(k, w);
		return 0;
	}
	if (k->ending) {
		oc_fail(err, ESHUTDOWN, "the sandbox ends (%s)", k->ending);
		return -1;
	}
	if (strcmp(op, "stop") == 0) {
		oc_keep_end(k, "stop");
		return 0;
	}
	if (strcmp(op, "touch") == 0) {
		oc_keep_used(k);
		return 0;
	}
	if (strncmp(op, "net.", 4) == 0) {
		oc_keep_used(k);
		return oc_egress_handle(&k->s.egress, op, request, w, err);
	}
	int r = of_a_call(k, client, op, request, w, fds, err);
	return r <= 0 ? r : oc_fail(err, 0, "this sandbox knows no operation of that name");
}
