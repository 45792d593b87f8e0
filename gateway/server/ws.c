/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws - a WebSocket between the socket and the hub: frames become messages, messages become frames,
 * and the closing handshake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/server/internal.h"

static void send_frame(struct oc_sock *s, unsigned opcode, const void *data, size_t len)
{
	uint8_t head[10];

	oc_sock_queue(s, head, oc_ws_head(head, opcode, len));
	oc_sock_queue(s, data, len);
}

static void send_close(struct oc_sock *s, unsigned code, const char *reason)
{
	uint8_t body[125];
	size_t n = 0;

	if (s->ws->close_sent)
		return;
	s->ws->close_sent = true;
	if (code != 1005) {
		size_t len = reason ? strnlen(reason, 123) : 0;
		body[0] = (uint8_t)(code >> 8);
		body[1] = (uint8_t)code;
		if (len)
			memcpy(body + 2, reason, len);
		n = 2 + len;
	}
	send_frame(s, OC_WS_OP_CLOSE, body, n);
	/* The other side has that long to answer, and to read what waits for it. */
	oc_deadline_set(s, OC_GW_CLOSE_GRACE_MS);
}

/* --- what the hub asks of a socket --- */

static bool t_send(void *socket, const char *text, size_t len)
{
	struct oc_sock *s = socket;

	if (s->state != OC_SOCK_WS || s->ws->close_sent)
		return true;
	send_frame(s, OC_WS_TEXT, text, len);
	return true;
}

static size_t t_queued(const void *socket)
{
	return oc_sock_queued(socket);
}

static void t_close(void *socket, unsigned code, const char *reason)
{
	struct oc_sock *s = socket;

	if (s->state == OC_SOCK_WS)
		send_close(s, code, reason);
}

static void t_authenticated(void *socket)
{
	struct oc_sock *s = socket;

	s->ws->in.max = OC_GW_MAX_PAYLOAD;
	s->deadline = 0;
	oc_count_drop(&s->srv->preauth, &s->preauth);
	oc_count_drop(&s->srv->heads, &s->heads);
}

static void t_later(void *socket, unsigned ms)
{
	struct oc_sock *s = socket;

	s->ws->later = oc_mono_ms() + ms;
	oc_deadlines_arm(s->srv, ms);
}

const struct oc_gw_transport oc_ws_transport = {.send = t_send,
						.queued = t_queued,
						.close = t_close,
						.authenticated = t_authenticated,
						.later = t_later};

/* --- life --- */

void oc_ws_start(struct oc_sock *s, const struct oc_auth_peer *peer)
{
	struct oc_ws *w = calloc(1, sizeof *w);

	if (!w)
		oc_oom();
	s->ws = w;
	s->state = OC_SOCK_WS;
	oc_ws_init(&w->in, OC_GW_PREAUTH_BYTES);
	oc_deadline_set(s, s->srv->config->handshake_ms);
	w->conn = oc_gw_open(s->srv->gw, s, peer);
	if (!w->conn)
		oc_oom();
}

void oc_ws_gone(struct oc_sock *s)
{
	oc_gw_closed(s->ws->conn);
	oc_buf_free(&s->ws->message);
	free(s->ws);
	s->ws = NULL;
}

static void message(struct oc_sock *s, const struct oc_ws_out *o)
{
	struct oc_ws *w = s->ws;

	/* The usual one is whole: no copy. */
	if (o->last && w->message.len == 0) {
		oc_gw_message(w->conn, (const char *)o->data, o->len);
		return;
	}
	oc_buf_add(&w->message, o->data, o->len);
	if (!o->last)
		return;
	oc_gw_message(w->conn, w->message.data ? w->message.data : "", w->message.len);
	oc_buf_free(&w->message);
	w->message = (struct oc_buf){0};
}

static void bad(struct oc_sock *s, const struct oc_ws_out *o)
{
	const char *why = o->why;

	if (!why)
		why = oc_gw_authenticated(s->ws->conn) ? "payload too large"
						       : "preauth payload too large";
	oc_log(s->srv->log, OC_LOG_WARN, "gateway/ws", "bad frame: code=%u %s", o->code, why);
	send_close(s, o->code, why);
}

/* The closing handshake is over: who answers last ends the connection. */
static void over(struct oc_sock *s, unsigned code)
{
	if (!s->ws->close_sent)
		send_close(s, code == 1005 ? OC_GW_CLOSE_NORMAL : code, NULL);
	oc_sock_finish(s);
}

void oc_ws_bytes(struct oc_sock *s, uint8_t *p, size_t n)
{
	struct oc_ws *w = s->ws;
	struct oc_ws_out o;
	size_t at = 0;

	for (;;) {
		if (oc_sock_queued(s) > OC_SOCK_PAUSE && at < n && !w->close_sent) {
			oc_sock_flush(s);
			if (s->state == OC_SOCK_DEAD)
				return;
			if (oc_sock_queued(s) > OC_SOCK_PAUSE) {
				s->paused = true;
				oc_buf_add(&s->in, p + at, n - at);
				return;
			}
		}
		oc_ws_next(&w->in, p, n, &at, &o);
		switch (o.event) {
		case OC_WS_MORE:
			return;
		case OC_WS_DATA:
			if (!w->close_sent)
				message(s, &o);
			break;
		case OC_WS_PING:
			if (!w->close_sent)
				send_frame(s, OC_WS_OP_PONG, o.data, o.len);
			break;
		case OC_WS_PONG:
			break;
		case OC_WS_CLOSE:
			over(s, o.code);
			return;
		case OC_WS_BAD:
			bad(s, &o);
			return;
		}
		if (s->state != OC_SOCK_WS)
			return;
	}
}
