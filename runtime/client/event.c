/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - one event after another for the caller; see ocsandbox.h.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/client/client.h"

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

/* otherwise: what it is when it is not there, or no number of that range. */
static int64_t number_of(struct oc_arena *a, const struct oc_json *v, const char *key, int64_t max,
			 int64_t otherwise)
{
	const struct oc_json *m = oc_json_get(v, key);
	struct oc_err ignored;
	int64_t n;

	if (!m || m->type != OC_JSON_NUMBER || oc_json_int(a, m, 0, max, &n, &ignored) < 0)
		return otherwise;
	return n;
}

#define COUNT_MAX (INT64_C(1) << 53)

/* False: a result without a status is none. */
static bool read_result(struct ocs_sandbox *s, const struct oc_json *v, struct ocs_result *r)
{
	struct oc_arena *a = &s->event_arena;
	const struct oc_json *usage = oc_json_get(v, "usage"), *error = oc_json_get(v, "error");
	struct oc_json_writer w;

	r->status = (int)number_of(a, v, "status", 255, -1);
	r->cause = text_of(v, "cause");
	if (r->status < 0 || !r->cause)
		return false;
	r->exit_code = (int)number_of(a, v, "exit", 255, -1);
	r->signal = (int)number_of(a, v, "signal", 127, 0);
	r->wall_us = (uint64_t)number_of(a, usage, "wallUs", COUNT_MAX, 0);
	r->user_us = (uint64_t)number_of(a, usage, "userUs", COUNT_MAX, 0);
	r->system_us = (uint64_t)number_of(a, usage, "systemUs", COUNT_MAX, 0);
	r->memory_peak_bytes = (uint64_t)number_of(a, usage, "memoryPeakBytes", COUNT_MAX, 0);
	r->pids_peak = (uint64_t)number_of(a, usage, "pidsPeak", COUNT_MAX, 0);
	r->error = text_of(error, "message");
	if (r->error && !r->error[0])
		r->error = NULL;
	r->hint = text_of(error, "hint");
	if (r->hint && !r->hint[0])
		r->hint = NULL;
	s->result.len = 0;
	oc_jw_init(&w, &s->result, 0);
	oc_jw_value(&w, v);
	r->json = s->result.data;
	return true;
}

static int broken(struct ocs_sandbox *s, const char *what)
{
	oc_client_fail(&s->why, EPROTO, "the monitor of the sandbox %s said %s", s->door.id, what);
	oc_client_end(s);
	return 0;
}

/* 1: it is for the caller; 0: it is not, or the connection is over. */
static int translate(struct ocs_sandbox *s, struct oc_client_received *r, struct ocs_event *ev)
{
	if (strcmp(r->event, "stopping") == 0) {
		const char *reason = text_of(r->json, "reason");
		free(s->reason);
		s->reason = reason ? strdup(reason) : NULL;
		return 0;
	}
	bool exit = strcmp(r->event, "exit") == 0;
	if (!exit && strcmp(r->event, "started") != 0)
		return 0; /* of a later version */
	uint32_t tag = (uint32_t)number_of(&s->event_arena, r->json, "tag", UINT32_MAX, 0);
	struct oc_client_call *c = tag ? oc_client_call(s, tag) : NULL;
	if (!c)
		return 0;
	ev->tag = tag;
	ev->call = text_of(r->json, "call");
	if (!exit) {
		ev->type = OCS_EVENT_STARTED;
		ev->pid = (pid_t)number_of(&s->event_arena, r->json, "pid", INT_MAX, 0);
		if (c->pty && r->fd_count != 1)
			return broken(s, "that a command has a terminal, and did not send it");
		if (c->pty) {
			ev->fd = r->fds[0];
			r->fds[0] = -1;
			c->pty = false;
		}
		return 1;
	}
	if (!read_result(s, oc_json_get(r->json, "result"), &ev->result))
		return broken(s, "that a command has ended, and not how");
	ev->type = OCS_EVENT_EXIT;
	oc_client_forget(s, c);
	return 1;
}

static void clear(struct ocs_sandbox *s, struct ocs_event *ev)
{
	oc_arena_free(&s->event_arena);
	s->event_arena = (struct oc_arena){0};
	*ev = (struct ocs_event){.fd = -1};
}

static int event_of(struct ocs_sandbox *s, struct oc_client_received *r, struct ocs_event *ev)
{
	int n = r->event ? translate(s, r, ev) : 0;

	oc_client_close_fds(r->fds, r->fd_count);
	if (n == 0)
		clear(s, ev);
	return n;
}

/* One that came while an answer was waited for. */
static int take_kept(struct ocs_sandbox *s, struct ocs_event *ev)
{
	struct oc_client_message *m = oc_client_queue_take(&s->in);
	struct oc_client_received r = {.len = m->len, .fd_count = m->fd_count};
	struct oc_err ignored;

	memcpy(r.fds, m->fds, sizeof r.fds);
	m->fd_count = 0;
	/* It was parsed once already, so it can be. */
	if (oc_json_parse(&s->event_arena, m->data, m->len, "message", &r.json, &ignored) == 0)
		r.event = text_of(r.json, "event");
	int n = event_of(s, &r, ev);
	oc_client_message_free(m);
	return n;
}

/* The connection is over: what ran was killed with the sandbox, what waited never ran. */
static int ended(struct ocs_sandbox *s, struct ocs_event *ev)
{
	struct oc_json_writer w;

	if (!s->call_count) {
		ev->type = OCS_EVENT_CLOSED;
		ev->error = s->why;
		s->state = OC_CLIENT_DONE;
		return 1;
	}
	ev->type = OCS_EVENT_EXIT;
	ev->tag = s->calls[0].tag;
	oc_client_forget(s, &s->calls[0]);
	ev->result = (struct ocs_result){
		.status = s->opened ? 128 + 9 : s->why.status,
		.cause = s->opened ? "signal" : "setup",
		.exit_code = -1,
		.signal = s->opened ? 9 : 0,
		.error = s->why.message,
		.hint = s->why.hint[0] ? s->why.hint : NULL,
	};
	s->result.len = 0;
	oc_jw_init(&w, &s->result, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "status");
	oc_jw_int(&w, ev->result.status);
	oc_jw_key(&w, "cause");
	oc_jw_string(&w, ev->result.cause);
	oc_jw_key(&w, "exit");
	oc_jw_null(&w);
	oc_jw_key(&w, "signal");
	if (ev->result.signal)
		oc_jw_int(&w, ev->result.signal);
	else
		oc_jw_null(&w);
	oc_jw_key(&w, "error");
	oc_jw_object(&w);
	oc_jw_key(&w, "step");
	oc_jw_string(&w, s->why.step);
	oc_jw_key(&w, "message");
	oc_jw_string(&w, s->why.message);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, s->why.hint);
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	ev->result.json = s->result.data;
	return 1;
}

/* From the socket, if it has one. */
static int live(struct ocs_sandbox *s, struct ocs_event *ev)
{
	struct oc_client_received r;

	if (s->want_out)
		oc_client_flush(s);
	while (s->state == OC_CLIENT_LIVE) {
		int n = oc_client_receive(s, &s->event_arena, &r);
		if (n == 0)
			return 0;
		if (n > 0 && event_of(s, &r, ev))
			return 1;
		clear(s, ev);
	}
	return 0;
}

static int next(struct ocs_sandbox *s, struct ocs_event *ev)
{
	if (s->state <= OC_CLIENT_CONNECTING || s->pid)
		oc_client_advance(s);
	if (s->open_due) {
		s->open_due = false;
		ev->type = OCS_EVENT_OPEN;
		ev->joined = s->joined;
		return 1;
	}
	while (s->in.first)
		if (take_kept(s, ev))
			return 1;
	if (s->state == OC_CLIENT_LIVE && live(s, ev))
		return 1;
	if (s->state == OC_CLIENT_ENDED)
		return ended(s, ev);
	return s->state == OC_CLIENT_DONE ? -1 : 0;
}

int ocs_next(ocs_sandbox *s, struct ocs_event *ev)
{
	clear(s, ev);
	int n = next(s, ev);
	ev->id = s->door.id[0] ? s->door.id : NULL;
	oc_client_wake(s);
	return n;
}

int ocs_wait(ocs_sandbox *s, int timeout_ms, struct ocs_event *ev)
{
	int64_t end = timeout_ms > 0 ? oc_client_now_ms() + timeout_ms : 0;

	/* The usual case has nothing but the socket to look at, and looks at it after it has
	 * waited. */
	bool first = s->state == OC_CLIENT_LIVE && !s->open_due && !s->in.first;
	for (;; first = false) {
		int n = first ? 0 : ocs_next(s, ev);
		if (n)
			return n;
		bool plain = s->state == OC_CLIENT_LIVE && !s->want_out;
		struct pollfd p = {.fd = plain ? s->sock : s->epoll_fd, .events = POLLIN};
		int left = timeout_ms;
		if (timeout_ms > 0) {
			int64_t more = end - oc_client_now_ms();
			left = more > 0 ? (int)more : 0;
		}
		/* A signal handler of the caller's ends the waiting, so that its program can look.
		 */
		if (poll(&p, 1, left) <= 0) {
			clear(s, ev);
			return 0;
		}
	}
}
