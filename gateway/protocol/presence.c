/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence - who is here: the gateway itself, its clients, and those who left in the last minutes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/protocol/internal.h"

/* Programs that connect for one call are nobody's presence. */
bool oc_gw_shows_presence(const struct oc_gw_conn *c)
{
	return c->who && strcmp(c->who->mode, "cli") != 0 && strcmp(c->who->mode, "backend") != 0 &&
	       strcmp(c->who->mode, "probe") != 0;
}

static const char *key_of(const struct oc_gw_conn *c)
{
	return c->who->device_id     ? c->who->device_id
	       : c->who->instance_id ? c->who->instance_id
				     : c->id;
}

void oc_gw_remember_left(struct oc_gw *g, const struct oc_gw_conn *c)
{
	const struct oc_identity *who = c->who;
	struct oc_left *l = NULL;

	if (!oc_gw_shows_presence(c))
		return;
	g->presence_changed = true;
	if (!g->left && !(g->left = calloc(OC_PRESENCE_MAX, sizeof *g->left)))
		oc_oom();
	for (size_t i = 0; i < g->left_count && !l; i++)
		if (strcasecmp(g->left[i].key, key_of(c)) == 0)
			l = &g->left[i];
	if (!l && g->left_count < OC_PRESENCE_MAX)
		l = &g->left[g->left_count++];
	if (!l) {
		l = &g->left[0];
		for (size_t i = 1; i < g->left_count; i++)
			if (g->left[i].ts < l->ts)
				l = &g->left[i];
	}
	memset(l, 0, sizeof *l);
	snprintf(l->key, sizeof l->key, "%s", key_of(c));
	snprintf(l->host, sizeof l->host, "%s",
		 who->display_name ? who->display_name : who->client_id);
	snprintf(l->version, sizeof l->version, "%s", who->version);
	snprintf(l->platform, sizeof l->platform, "%s", who->platform);
	snprintf(l->family, sizeof l->family, "%s", who->device_family ? who->device_family : "");
	snprintf(l->mode, sizeof l->mode, "%s", who->mode);
	snprintf(l->instance, sizeof l->instance, "%s", who->instance_id ? who->instance_id : "");
	snprintf(l->device, sizeof l->device, "%s", who->device_id ? who->device_id : "");
	l->ts = g->opt.now_ms();
}

static void write_self(struct oc_gw *g, struct oc_json_writer *w)
{
	char text[256];

	snprintf(text, sizeof text, "Gateway: %s · app %s · mode gateway · reason self", g->host,
		 g->opt.version);
	oc_jw_object(w);
	oc_jw_member(w, "host", g->host);
	oc_jw_member(w, "version", g->opt.version);
	oc_jw_member(w, "platform", g->platform);
	oc_jw_member(w, "deviceFamily", "Linux");
	oc_jw_member(w, "mode", "gateway");
	oc_jw_member(w, "reason", "self");
	oc_jw_member(w, "instanceId", g->boot_id);
	oc_jw_member(w, "text", text);
	oc_jw_key(w, "ts");
	oc_jw_int(w, g->opt.now_ms());
	oc_jw_object_end(w);
}

static void write_client(const struct oc_gw_conn *c, struct oc_json_writer *w)
{
	const struct oc_identity *who = c->who;
	const char *host = who->display_name ? who->display_name : who->client_id;
	char text[700];

	snprintf(text, sizeof text, "Node: %.200s · app %.100s · mode %.20s · reason connect", host,
		 who->version, who->mode);
	oc_jw_object(w);
	oc_jw_member(w, "host", host);
	oc_jw_member(w, "ip", who->ip);
	oc_jw_member(w, "version", who->version);
	oc_jw_member(w, "platform", who->platform);
	oc_jw_member(w, "deviceFamily", who->device_family);
	oc_jw_member(w, "mode", who->mode);
	oc_jw_member(w, "reason", "connect");
	oc_jw_member(w, "deviceId", who->device_id);
	oc_jw_member(w, "instanceId", who->instance_id);
	oc_jw_member(w, "user", who->user);
	oc_jw_key(w, "roles");
	oc_jw_array(w);
	oc_jw_string(w, who->role);
	oc_jw_array_end(w);
	oc_jw_key(w, "scopes");
	oc_jw_array(w);
	for (size_t i = 0; i < who->scopes.count; i++)
		oc_jw_string(w, who->scopes.list[i]);
	oc_jw_array_end(w);
	oc_jw_member(w, "text", text);
	oc_jw_key(w, "ts");
	oc_jw_int(w, c->since_ms);
	oc_jw_object_end(w);
}

static void write_left(const struct oc_left *l, struct oc_json_writer *w)
{
	oc_jw_object(w);
	oc_jw_member(w, "host", l->host);
	oc_jw_member(w, "version", l->version);
	oc_jw_member(w, "platform", l->platform);
	oc_jw_member(w, "deviceFamily", l->family[0] ? l->family : NULL);
	oc_jw_member(w, "mode", l->mode);
	oc_jw_member(w, "reason", "disconnect");
	oc_jw_member(w, "deviceId", l->device[0] ? l->device : NULL);
	oc_jw_member(w, "instanceId", l->instance[0] ? l->instance : NULL);
	oc_jw_key(w, "ts");
	oc_jw_int(w, l->ts);
	oc_jw_object_end(w);
}

/* The same device, or the same program, a second time: once is enough.  Newest first, so the first
 * of a key counts. */
static bool seen(const char **keys, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(keys[i], key) == 0)
			return true;
	return false;
}

void oc_gw_write_presence(struct oc_gw *g, struct oc_json_writer *w)
{
	const char *keys[OC_PRESENCE_MAX];
	size_t n = 0;
	int64_t now = g->opt.now_ms();

	oc_jw_array(w);
	write_self(g, w);
	for (const struct oc_gw_conn *c = g->conns; c && n < OC_PRESENCE_MAX - 1; c = c->next) {
		if (c->state != OC_CONN_OPEN || !oc_gw_shows_presence(c) ||
		    seen(keys, n, key_of(c)))
			continue;
		keys[n++] = key_of(c);
		write_client(c, w);
	}
	for (size_t i = 0; i < g->left_count && n < OC_PRESENCE_MAX - 1; i++) {
		const struct oc_left *l = &g->left[i];
		if (now - l->ts > OC_PRESENCE_TTL_MS || seen(keys, n, l->key))
			continue;
		keys[n++] = l->key;
		write_left(l, w);
	}
	oc_jw_array_end(w);
}
