/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - the calls that wait for the monitor's answer, a moment; see ocsandbox.h.
 *
 * Events that come meanwhile are kept for ocs_next.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/fd.h"
#include "config.h"
#include "runtime/client/client.h"
#include "runtime/session/wire.h"

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

/* 1: the answer that was asked for; 0: something else. */
static int sort(struct ocs_sandbox *s, struct oc_client_received *r, uint64_t wanted)
{
	if (r->event) {
		oc_client_queue_add(&s->in, r->data, r->len, r->fds, r->fd_count);
		return 0;
	}
	if (s->answered == wanted)
		return 1;
	oc_client_close_fds(r->fds, r->fd_count);
	return 0;
}

static int wait_answer(struct ocs_sandbox *s, uint64_t wanted, struct oc_arena *a,
		       struct oc_client_received *r, struct ocs_error *err)
{
	int64_t end = 0;

	for (;;) {
		if (s->state <= OC_CLIENT_CONNECTING)
			oc_client_advance(s);
		if (s->state >= OC_CLIENT_ENDED) {
			if (err)
				*err = s->why;
			return -1;
		}
		/* Until it is open it takes as long as it takes: opening has limits of its own. */
		if (s->state == OC_CLIENT_LIVE) {
			if (!end)
				end = oc_client_now_ms() + OC_CLIENT_WAIT_MS;
			if (s->want_out)
				oc_client_flush(s);
			int n = oc_client_receive(s, a, r);
			if (n < 0 || (n > 0 && !sort(s, r, wanted)))
				continue;
			if (n > 0)
				return 0;
		}
		int64_t left = end ? end - oc_client_now_ms() : 1000;
		struct pollfd p = {.fd = s->epoll_fd, .events = POLLIN};
		/* wake_fd would make it readable at once, for events that are for later. */
		if (s->state == OC_CLIENT_LIVE)
			p = (struct pollfd){.fd = s->sock,
					    .events =
						    (short)(POLLIN | (s->want_out ? POLLOUT : 0))};
		if (left <= 0)
			return oc_client_fail(err, ETIMEDOUT,
					      "the monitor of the sandbox %s does not answer",
					      s->door.id);
		poll(&p, 1, (int)left);
	}
}

static int judge(const struct oc_json *v, struct ocs_error *err)
{
	const struct oc_json *ok = oc_json_get(v, "ok");

	if (ok && ok->type == OC_JSON_BOOL && ok->boolean)
		return 0;
	const char *error = text_of(v, "error"), *hint = text_of(v, "hint");
	oc_client_fail(err, 0, "%s", error ? error : "no answer that we know");
	return oc_client_hint(err, hint ? hint : "");
}

int oc_client_ask(struct ocs_sandbox *s, const char *json, size_t len, int *fds, size_t max,
		  size_t *count, struct ocs_error *err)
{
	oc_auto_arena a = {0};
	struct oc_client_received r;

	if (count)
		*count = 0;
	if (len == 0 || json[0] != '{')
		return oc_client_fail(err, EINVAL, "a request is a JSON object");
	if (len > OC_WIRE_MESSAGE_MAX)
		return oc_client_fail(err, EMSGSIZE, "the request is longer than %u bytes",
				      OC_WIRE_MESSAGE_MAX);
	if (oc_client_send(s, json, len, NULL, 0, err) < 0)
		return -1;
	int n = wait_answer(s, ++s->asked, &a, &r, err);
	oc_client_wake(s);
	if (n < 0)
		return -1;
	s->answer.len = 0;
	oc_buf_add(&s->answer, r.data, r.len);
	for (size_t i = 0; i < r.fd_count && i < max; i++) {
		fds[i] = oc_steal_fd(&r.fds[i]);
		(*count)++;
	}
	oc_client_close_fds(r.fds, r.fd_count);
	n = judge(r.json, err);
	if (n < 0 && count) {
		oc_client_close_fds(fds, *count);
		*count = 0;
	}
	return n;
}

int ocs_request(ocs_sandbox *s, const char *json, const char **answer, struct ocs_error *err)
{
	if (answer)
		*answer = NULL;
	s->answer.len = 0;
	int n = oc_client_ask(s, json, strlen(json), NULL, 0, NULL, err);
	if (answer && s->answer.len)
		*answer = s->answer.data;
	return n;
}

static int ask_call(struct ocs_sandbox *s, const char *op, const char *call, bool input, int *fds,
		    size_t max, size_t *count, uint64_t *dropped, struct ocs_error *err)
{
	oc_auto_buf text = {0};
	oc_auto_arena a = {0};
	struct oc_json_writer w;
	struct oc_json *v;
	struct oc_err ignored;
	int64_t n;

	oc_jw_init(&w, &text, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, op);
	oc_jw_key(&w, "call");
	oc_jw_string(&w, call);
	if (input) {
		oc_jw_key(&w, "input");
		oc_jw_bool(&w, true);
	}
	oc_jw_object_end(&w);
	if (oc_client_ask(s, text.data, text.len, fds, max, count, err) < 0)
		return -1;
	if (dropped) {
		*dropped = 0;
		if (oc_json_parse(&a, s->answer.data, s->answer.len, "answer", &v, &ignored) == 0 &&
		    oc_json_get(v, "dropped") &&
		    oc_json_int(&a, oc_json_get(v, "dropped"), 0, INT64_C(1) << 53, &n, &ignored) ==
			    0)
			*dropped = (uint64_t)n;
	}
	if (*count == max)
		return 0;
	oc_client_close_fds(fds, *count);
	return oc_client_fail(err, EPROTO,
			      "the monitor of the sandbox %s sent %zu descriptors, not %zu",
			      s->door.id, *count, max);
}

int ocs_attach(ocs_sandbox *s, const char *call, bool input, struct ocs_streams *out,
	       struct ocs_error *err)
{
	int fds[3] = {-1, -1, -1};
	size_t count;

	*out = (struct ocs_streams){.in = -1, .out = -1, .err = -1};
	if (ask_call(s, "attach", call, input, fds, input ? 3 : 2, &count, &out->dropped, err) < 0)
		return -1;
	out->out = fds[0];
	out->err = fds[1];
	out->in = fds[2];
	return 0;
}

int ocs_logs(ocs_sandbox *s, const char *call, uint64_t *dropped, struct ocs_error *err)
{
	int fd = -1;
	size_t count;

	if (ask_call(s, "logs", call, false, &fd, 1, &count, dropped, err) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

int ocs_eof(ocs_sandbox *s, const char *call, struct ocs_error *err)
{
	int fd;
	size_t count;

	return ask_call(s, "eof", call, false, &fd, 0, &count, NULL, err);
}

int ocs_resize(int master, uint16_t rows, uint16_t cols, struct ocs_error *err)
{
	struct winsize ws = {.ws_row = rows, .ws_col = cols};

	if (ioctl(master, TIOCSWINSZ, &ws) < 0)
		return oc_client_fail(err, errno, "descriptor %d is no terminal's", master);
	return 0;
}

const char *ocs_version(void)
{
	return PACKAGE_VERSION;
}
