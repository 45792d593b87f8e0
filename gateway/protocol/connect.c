/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - what follows from the verdict about a connect: the refusal and its close, or hello.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/protocol/internal.h"

static void refuse(struct oc_gw_conn *c, const char *id, unsigned close_code, const char *code,
		   const char *message, const char *details)
{
	oc_auto_buf b = {0};

	oc_frame_error(&b, id, code, message, details, false, 0);
	oc_gw_send(c, &b);
	oc_gw_close(c, close_code, message);
}

static void refuse_protocol(struct oc_gw_conn *c, const char *id, const struct oc_connect *p,
			    struct oc_arena *a)
{
	const char *details = oc_arena_printf(
		a,
		"{\"code\":\"PROTOCOL_MISMATCH\",\"clientMinProtocol\":%lld,\"clientMaxProtocol\":%"
		"lld,"
		"\"expectedProtocol\":%u,\"minimumProbeProtocol\":%u}",
		(long long)p->min, (long long)p->max, OC_GW_PROTOCOL, OC_GW_PROTOCOL_MIN);

	refuse(c, id, OC_GW_CLOSE_PROTOCOL, "INVALID_REQUEST", "protocol mismatch", details);
}

/* Hold the answer back: guessing from loopback, which no lock-out stops, is to be slow. */
static void hold(struct oc_gw_conn *c, const struct oc_buf *b, const struct oc_auth_verdict *v)
{
	struct oc_challenge *ch = c->challenge;

	ch->held = malloc(b->len + 1);
	if (!ch->held)
		oc_oom();
	memcpy(ch->held, b->data, b->len + 1);
	ch->held_code = v->close_code;
	snprintf(ch->held_reason, sizeof ch->held_reason, "%s",
		 v->close_reason ? v->close_reason : "");
	c->state = OC_CONN_HELD;
	c->gw->opt.transport->later(c->socket, v->delay_ms);
}

void oc_gw_later(struct oc_gw_conn *c)
{
	struct oc_challenge *ch = c->challenge;

	if (c->state != OC_CONN_HELD || !ch || !ch->held)
		return;
	c->state = OC_CONN_CHALLENGED;
	oc_gw_send(c, &(struct oc_buf){.data = ch->held, .len = strlen(ch->held)});
	oc_gw_close(c, ch->held_code, ch->held_reason);
}

/* Copy s to *end, which moves on; with end NULL: only count into *size. */
static const char *pack(char **end, size_t *size, const char *s)
{
	if (!s)
		return NULL;
	size_t n = strlen(s) + 1;
	*size += n;
	if (!*end)
		return NULL;
	char *at = *end;
	memcpy(at, s, n);
	*end += n;
	return at;
}

static void pack_identity(struct oc_identity *who, char **end, size_t *size,
			  const struct oc_connect *p, const struct oc_auth_verdict *v,
			  const struct oc_auth_peer *peer)
{
	who->role = pack(end, size, v->role);
	who->device_id = pack(end, size, v->device_id);
	who->user = pack(end, size, v->user);
	who->client_id = pack(end, size, p->auth.client_id);
	who->mode = pack(end, size, p->auth.client_mode);
	who->version = pack(end, size, p->auth.client_version);
	who->platform = pack(end, size, p->auth.platform);
	who->device_family = pack(end, size, p->auth.device_family);
	who->display_name = pack(end, size, p->auth.display_name);
	who->instance_id = pack(end, size, p->instance_id);
	who->ip = pack(end, size, !peer->loopback && peer->text[0] ? peer->text : NULL);
	for (size_t i = 0; i < v->scopes.count; i++) {
		const char *s = pack(end, size, v->scopes.list[i]);
		if (s)
			who->scopes.list[i] = s;
	}
}

static void keep_identity(struct oc_gw_conn *c, const struct oc_connect *p,
			  const struct oc_auth_verdict *v)
{
	struct oc_identity none = {0}, *who;
	char *end = NULL;
	size_t list = v->scopes.count * sizeof *none.scopes.list, size = sizeof *who + list;

	pack_identity(&none, &end, &size, p, v, &c->challenge->peer);
	who = calloc(1, size);
	if (!who)
		oc_oom();
	who->scopes = (struct oc_scopes){(const char **)(void *)(who + 1), v->scopes.count};
	end = (char *)(who + 1) + list;
	pack_identity(who, &end, &size, p, v, &c->challenge->peer);
	who->method = v->method;
	who->owner = v->owner;
	c->who = who;
}

static void refuse_verdict(struct oc_gw_conn *c, const char *id, const struct oc_auth_verdict *v)
{
	oc_auto_buf b = {0};

	oc_frame_error(&b, id, v->code ? v->code : "INVALID_REQUEST",
		       v->message ? v->message : "unauthorized", v->details, v->retryable,
		       v->retry_after_ms);
	if (v->delay_ms) {
		hold(c, &b, v);
		return;
	}
	oc_gw_send(c, &b);
	oc_gw_close(c, v->close_code ? v->close_code : OC_GW_CLOSE_POLICY, v->close_reason);
}

void oc_gw_connect(struct oc_gw_conn *c, const struct oc_frame *f, struct oc_arena *a)
{
	struct oc_gw *g = c->gw;
	struct oc_connect p;
	struct oc_auth_verdict v = {0};
	const char *why;
	oc_auto_buf b = {0};

	if (oc_connect_parse(a, f->params, &p, &why) < 0) {
		refuse(c, f->id, OC_GW_CLOSE_POLICY, "INVALID_REQUEST",
		       oc_arena_printf(a, "invalid connect params: %s", why), NULL);
		return;
	}
	if (!g->ready) {
		oc_frame_error(&b, f->id, "UNAVAILABLE", "gateway starting; retry shortly",
			       "{\"reason\":\"startup-sidecars\"}", true, 500);
		oc_gw_send(c, &b);
		oc_gw_close(c, OC_GW_CLOSE_LATER, "gateway starting");
		return;
	}
	if (p.min > OC_GW_PROTOCOL || p.max < OC_GW_PROTOCOL_MIN || p.min > p.max) {
		refuse_protocol(c, f->id, &p, a);
		return;
	}
	if (p.auth.role && strcmp(p.auth.role, "operator") != 0 &&
	    strcmp(p.auth.role, "node") != 0) {
		refuse(c, f->id, OC_GW_CLOSE_POLICY, "INVALID_REQUEST", "invalid role", NULL);
		return;
	}
	p.auth.challenge = c->challenge->nonce;
	p.auth.now_ms = g->opt.now_ms();
	p.auth.mono_ms = g->opt.mono_ms();
	oc_auth_connect(g->opt.auth, g->config, &c->challenge->peer, &p.auth, a, &v);
	if (v.log)
		oc_log(g->opt.log, v.ok ? OC_LOG_INFO : OC_LOG_WARN, "gateway/auth", "%s", v.log);
	if (v.pair_requested)
		oc_gw_broadcast(g, "device.pair.requested", v.pair_requested, false);
	if (v.pair_resolved)
		oc_gw_broadcast(g, "device.pair.resolved", v.pair_resolved, false);
	if (!v.ok) {
		refuse_verdict(c, f->id, &v);
		return;
	}
	c->protocol = p.max < OC_GW_PROTOCOL ? OC_GW_PROTOCOL_MIN : OC_GW_PROTOCOL;
	keep_identity(c, &p, &v);
	c->state = OC_CONN_OPEN;
	c->since_ms = p.auth.now_ms;
	g->counts.authenticated++;
	/* Before hello: a list that it is in is what hello tells. */
	if (oc_gw_shows_presence(c))
		g->presence_changed = true;
	oc_gw_hello(c, f->id, &v, &b);
	free(c->challenge);
	c->challenge = NULL;
	g->opt.transport->authenticated(c->socket);
	oc_gw_send(c, &b);
}
