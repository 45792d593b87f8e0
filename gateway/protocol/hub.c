/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub - the connections, their life, and what is told to all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gateway/protocol/internal.h"

#define HEALTH_MS   60000
#define PRESENCE_MS 1000

static void random_bytes(void *to, size_t n)
{
	/* At most 256 bytes, once the pool is ready: never short. */
	while (getrandom(to, n, 0) != (ssize_t)n)
		;
}

void oc_gw_uuid(char out[OC_UUID_SIZE])
{
	unsigned char b[16];

	random_bytes(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	snprintf(out, OC_UUID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

struct oc_gw *oc_gw_new(const struct oc_gw_options *opt)
{
	struct oc_gw *g = calloc(1, sizeof *g);
	struct utsname u;

	if (!g)
		oc_oom();
	g->opt = *opt;
	g->config = oc_config_ref(opt->config);
	g->started_mono = opt->mono_ms();
	g->next_tick = g->started_mono + g->config->tick_ms;
	g->next_health = g->started_mono + HEALTH_MS;
	g->presence_version = g->health_version = 1;
	random_bytes(g->hash_key, sizeof g->hash_key);
	oc_gw_uuid(g->boot_id);
	if (gethostname(g->host, sizeof g->host - 1) < 0)
		snprintf(g->host, sizeof g->host, "localhost");
	snprintf(g->platform, sizeof g->platform, "linux %s", uname(&u) == 0 ? u.release : "");
	return g;
}

void oc_gw_free(struct oc_gw *g)
{
	if (!g)
		return;
	oc_config_unref(g->config);
	free(g->left);
	free(g);
}

void oc_gw_set_ready(struct oc_gw *g, bool ready)
{
	g->ready = ready;
}

static bool differs(const char *a, const char *b)
{
	return a != b && (!a || !b || strcmp(a, b) != 0);
}

/* Who came in by what is no longer the secret, or the mode, has to come in again. */
static void ask_again(struct oc_gw *g, const struct oc_config_auth *was,
		      const struct oc_config_auth *is)
{
	bool mode = was->mode != is->mode;

	if (!mode && !differs(was->token, is->token) && !differs(was->password, is->password))
		return;
	for (struct oc_gw_conn *c = g->conns; c; c = c->next)
		if (c->who && (mode || c->who->method != OC_AUTH_BY_DEVICE_TOKEN))
			oc_gw_close(c, OC_GW_CLOSE_RESTART, "service restart");
}

void oc_gw_set_config(struct oc_gw *g, struct oc_config *config)
{
	oc_auto_buf b = {0};
	oc_auto_arena a = {0};
	struct oc_json_writer w;
	struct oc_config *old = g->config;

	g->config = oc_config_ref(config);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_member(&w, "path", config->path);
	oc_jw_member(&w, "hash", oc_gw_config_hash(g, &a, config->hash));
	oc_jw_key(&w, "ts");
	oc_jw_int(&w, g->opt.now_ms());
	oc_jw_object_end(&w);
	oc_gw_broadcast(g, "config.changed", b.data, false);
	ask_again(g, &old->auth, &config->auth);
	oc_config_unref(old);
}

void oc_gw_counts(const struct oc_gw *g, struct oc_gw_counts *out)
{
	*out = g->counts;
	out->uptime_ms = g->opt.mono_ms() - g->started_mono;
}

bool oc_gw_authenticated(const struct oc_gw_conn *c)
{
	return c->state == OC_CONN_OPEN;
}

/* --- one connection --- */

bool oc_gw_send(struct oc_gw_conn *c, const struct oc_buf *b)
{
	const struct oc_gw_transport *t = c->gw->opt.transport;

	if (c->state == OC_CONN_CLOSING)
		return false;
	/* Answers are never dropped: who does not read them is closed. */
	if (t->queued(c->socket) + b->len > OC_GW_MAX_BUFFERED + OC_GW_MAX_PAYLOAD ||
	    !t->send(c->socket, b->data, b->len)) {
		oc_gw_close(c, OC_GW_CLOSE_POLICY, "slow consumer");
		return false;
	}
	return true;
}

void oc_gw_close(struct oc_gw_conn *c, unsigned code, const char *reason)
{
	char cut[124];
	size_t n;

	if (c->state == OC_CONN_CLOSING)
		return;
	c->state = OC_CONN_CLOSING;
	/* 123 bytes is what a control frame holds; no character is cut in two. */
	n = reason ? strlen(reason) : 0;
	if (n > 123) {
		n = 123;
		while (n > 0 && ((unsigned char)reason[n] & 0xC0) == 0x80)
			n--;
	}
	if (n)
		memcpy(cut, reason, n);
	cut[n] = '\0';
	if (code != OC_GW_CLOSE_NORMAL)
		oc_log(c->gw->opt.log, OC_LOG_INFO, "gateway/ws",
		       "closed conn=%s code=%u reason=%s", c->id, code, cut);
	c->gw->opt.transport->close(c->socket, code, cut);
}

struct oc_gw_conn *oc_gw_open(struct oc_gw *g, void *socket, const struct oc_auth_peer *facts)
{
	struct oc_gw_conn *c = calloc(1, sizeof *c);
	struct oc_json_writer w;
	oc_auto_buf b = {0};

	if (!c || !(c->challenge = calloc(1, sizeof *c->challenge))) {
		free(c);
		return NULL;
	}
	c->gw = g;
	c->socket = socket;
	c->challenge->peer = *facts;
	oc_gw_uuid(c->id);
	oc_gw_uuid(c->challenge->nonce);
	c->next = g->conns;
	if (c->next)
		c->next->prev = c;
	g->conns = c;
	g->counts.connections++;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_member(&w, "type", "event");
	oc_jw_member(&w, "event", "connect.challenge");
	oc_jw_key(&w, "payload");
	oc_jw_object(&w);
	oc_jw_member(&w, "nonce", c->challenge->nonce);
	oc_jw_key(&w, "ts");
	oc_jw_int(&w, g->opt.now_ms());
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	oc_gw_send(c, &b);
	if (g->stopping)
		oc_gw_close(c, OC_GW_CLOSE_RESTART, "service restart");
	return c;
}

void oc_gw_closed(struct oc_gw_conn *c)
{
	struct oc_gw *g = c->gw;

	if (c->prev)
		c->prev->next = c->next;
	else
		g->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	g->counts.connections--;
	if (c->who) {
		g->counts.authenticated--;
		oc_gw_remember_left(g, c);
		free(c->who);
	}
	if (c->challenge)
		free(c->challenge->held);
	free(c->challenge);
	free(c);
}

/* The first frame. */
static void handshake(struct oc_gw_conn *c, const struct oc_frame *f, bool parsed,
		      struct oc_arena *a)
{
	static const char first[] = "invalid handshake: first request must be connect";
	oc_auto_buf b = {0};

	if (!parsed || !f->is_request) {
		oc_gw_close(c, OC_GW_CLOSE_POLICY, "invalid request frame");
		return;
	}
	if (strcmp(f->method, "connect") == 0) {
		oc_gw_connect(c, f, a);
		return;
	}
	oc_frame_error(&b, f->id, "INVALID_REQUEST", first, NULL, false, 0);
	oc_gw_send(c, &b);
	oc_gw_close(c, OC_GW_CLOSE_POLICY, first);
}

void oc_gw_message(struct oc_gw_conn *c, const char *text, size_t len)
{
	oc_auto_arena a = {0};
	struct oc_frame f;

	if (c->state == OC_CONN_CLOSING || c->state == OC_CONN_HELD)
		return;
	bool parsed = oc_frame_parse(&a, text, len, OC_GW_MAX_PAYLOAD, &f);
	if (c->state == OC_CONN_CHALLENGED) {
		handshake(c, &f, parsed, &a);
		return;
	}
	if (parsed && f.is_request) {
		c->gw->counts.requests++;
		oc_gw_dispatch(c, &f, &a);
		return;
	}
	/* Other types of frames come from newer clients; a request that is wrong is answered if it
	 * has an id. */
	if (parsed && f.id && f.type && strcmp(f.type, "req") == 0) {
		oc_auto_buf b = {0};
		oc_frame_error(&b, f.id, "INVALID_REQUEST",
			       oc_arena_printf(&a, "invalid request frame: %s", f.wrong), NULL,
			       false, 0);
		oc_gw_send(c, &b);
	}
}

/* --- events --- */

bool oc_gw_event_allowed(const char *event, const char *role, const struct oc_scopes *scopes)
{
	static const struct {
		const char *prefix, *scope; /* NULL: everybody who is authenticated */
	} gates[] = {
		{"tick", NULL},
		{"health", NULL},
		{"presence", NULL},
		{"heartbeat", NULL},
		{"shutdown", NULL},
		{"voicewake.changed", NULL},
		{"config.changed", "operator.read"},
		{"device.pair.", "operator.pairing"},
	};

	for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
		size_t n = strlen(gates[i].prefix);
		bool prefix = gates[i].prefix[n - 1] == '.';
		if (strncmp(event, gates[i].prefix, n) != 0 || (!prefix && event[n]))
			continue;
		if (!gates[i].scope)
			return true;
		return strcmp(role, "operator") == 0 && oc_scopes_allow(scopes, gates[i].scope);
	}
	return strcmp(role, "operator") == 0 && oc_scopes_allow(scopes, "operator.admin");
}

/* A part of the list that is the same for all, seq apart. */
static void send_event(struct oc_gw_conn *c, const char *event, const char *payload, bool version)
{
	struct oc_gw *g = c->gw;
	oc_auto_buf b = {0};

	if (c->state != OC_CONN_OPEN || !oc_gw_event_allowed(event, c->who->role, &c->who->scopes))
		return;
	/* All events of this floor may be missed: the gap in seq tells the client. */
	c->seq++;
	if (g->opt.transport->queued(c->socket) > OC_GW_MAX_BUFFERED) {
		g->counts.dropped++;
		return;
	}
	oc_buf_printf(&b, "{\"type\":\"event\",\"event\":\"%s\",\"payload\":", event);
	oc_buf_puts(&b, payload);
	oc_buf_printf(&b, ",\"seq\":%llu", (unsigned long long)c->seq);
	if (version)
		oc_buf_printf(&b, ",\"stateVersion\":{\"presence\":%llu,\"health\":%llu}",
			      (unsigned long long)g->presence_version,
			      (unsigned long long)g->health_version);
	oc_buf_puts(&b, "}");
	g->counts.events++;
	oc_gw_send(c, &b);
}

void oc_gw_broadcast(struct oc_gw *g, const char *event, const char *payload, bool version)
{
	for (struct oc_gw_conn *c = g->conns; c; c = c->next)
		send_event(c, event, payload, version);
}

static void tell_presence(struct oc_gw *g)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	g->presence_version++;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "presence");
	oc_gw_write_presence(g, &w);
	oc_jw_object_end(&w);
	oc_gw_broadcast(g, "presence", b.data, true);
}

static void tell_health(struct oc_gw *g)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	g->health_version++;
	oc_jw_init(&w, &b, 0);
	oc_gw_write_health(g, &w);
	oc_gw_broadcast(g, "health", b.data, true);
}

void oc_gw_second(struct oc_gw *g)
{
	int64_t mono = g->opt.mono_ms(), now = g->opt.now_ms();

	oc_auth_tick(g->opt.auth, now, mono);
	if (mono >= g->next_tick) {
		char payload[48];
		snprintf(payload, sizeof payload, "{\"ts\":%lld}", (long long)now);
		oc_gw_broadcast(g, "tick", payload, false);
		g->next_tick = mono + g->config->tick_ms;
	}
	/* Who comes and goes is told at most once a second, and less often to many: each telling
	 * goes to all. */
	if (g->presence_changed && mono >= g->next_presence) {
		g->presence_changed = false;
		g->next_presence = mono + PRESENCE_MS + (int64_t)g->counts.authenticated;
		tell_presence(g);
	}
	if (mono >= g->next_health) {
		g->next_health = mono + HEALTH_MS;
		tell_health(g);
	}
}

void oc_gw_drop_device(struct oc_gw *g, const char *device, const char *role)
{
	for (struct oc_gw_conn *c = g->conns; c; c = c->next)
		if (c->who && c->who->device_id && strcmp(c->who->device_id, device) == 0 &&
		    (!role || strcmp(c->who->role, role) == 0))
			oc_gw_close(c, OC_GW_CLOSE_POLICY, "device access was withdrawn");
}

void oc_gw_shutdown(struct oc_gw *g, const char *reason, int64_t restart_ms)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	g->stopping = true;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_member(&w, "reason", reason);
	if (restart_ms >= 0) {
		oc_jw_key(&w, "restartExpectedMs");
		oc_jw_int(&w, restart_ms);
	}
	oc_jw_object_end(&w);
	oc_gw_broadcast(g, "shutdown", b.data, false);
	for (struct oc_gw_conn *c = g->conns; c; c = c->next)
		oc_gw_close(c, OC_GW_CLOSE_RESTART, "service restart");
}
