/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello - the answer to a connect that succeeded.
 */
#include <string.h>

#include "gateway/protocol/internal.h"

/* Only those that this gateway sends. */
static const char *const events[] = {"connect.challenge",
				     "tick",
				     "presence",
				     "health",
				     "shutdown",
				     "config.changed",
				     "device.pair.requested",
				     "device.pair.resolved",
				     NULL};

static void write_features(struct oc_gw_conn *c, struct oc_json_writer *w)
{
	bool is_operator = strcmp(c->who->role, "operator") == 0;

	oc_jw_key(w, "features");
	oc_jw_object(w);
	oc_jw_key(w, "methods");
	oc_jw_array(w);
	for (const struct oc_gw_method *m = oc_gw_method_table; is_operator && m->name; m++)
		oc_jw_string(w, m->name);
	oc_jw_array_end(w);
	oc_jw_key(w, "events");
	oc_jw_array(w);
	for (const char *const *e = events; *e; e++)
		oc_jw_string(w, *e);
	oc_jw_array_end(w);
	oc_jw_key(w, "capabilities");
	oc_jw_array(w);
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}

static void write_snapshot(struct oc_gw_conn *c, struct oc_json_writer *w, struct oc_arena *a)
{
	struct oc_gw *g = c->gw;
	const struct oc_config *cf = g->config;
	bool reads = oc_scopes_allow(&c->who->scopes, "operator.read");

	oc_jw_key(w, "snapshot");
	oc_jw_object(w);
	oc_jw_key(w, "presence");
	if (reads) {
		oc_gw_write_presence(g, w);
	} else {
		oc_jw_array(w);
		oc_jw_array_end(w);
	}
	oc_jw_key(w, "health");
	oc_gw_write_health(g, w);
	oc_jw_key(w, "stateVersion");
	oc_jw_object(w);
	oc_jw_key(w, "presence");
	oc_jw_uint(w, g->presence_version);
	oc_jw_key(w, "health");
	oc_jw_uint(w, g->health_version);
	oc_jw_object_end(w);
	oc_jw_key(w, "uptimeMs");
	oc_jw_int(w, g->opt.mono_ms() - g->started_mono);
	oc_jw_member(w, "appliedConfigHash", oc_gw_config_hash(g, a, cf->applied_hash));
	oc_jw_key(w, "sessionDefaults");
	oc_jw_object(w);
	oc_jw_member(w, "defaultAgentId", cf->default_agent->id);
	oc_jw_member(w, "mainKey", cf->main_key);
	oc_jw_member(w, "mainSessionKey",
		     oc_arena_printf(a, "agent:%s:%s", cf->default_agent->id, cf->main_key));
	oc_jw_member(w, "scope", cf->session_scope);
	oc_jw_object_end(w);
	if (oc_scopes_allow(&c->who->scopes, "operator.admin")) {
		oc_jw_member(w, "authMode", oc_config_auth_mode_name(cf->auth.mode));
		oc_jw_member(w, "configPath", cf->path);
		oc_jw_member(w, "stateDir", cf->state_dir);
	}
	oc_jw_object_end(w);
}

static void write_auth(struct oc_gw_conn *c, const struct oc_auth_verdict *v,
		       struct oc_json_writer *w)
{
	oc_jw_key(w, "auth");
	oc_jw_object(w);
	oc_jw_member(w, "role", c->who->role);
	oc_jw_key(w, "scopes");
	oc_jw_array(w);
	for (size_t i = 0; i < c->who->scopes.count; i++)
		oc_jw_string(w, c->who->scopes.list[i]);
	oc_jw_array_end(w);
	oc_jw_member(w, "method", oc_auth_method_name(c->who->method));
	if (v->device_token) {
		oc_jw_member(w, "deviceToken", v->device_token);
		oc_jw_key(w, "issuedAtMs");
		oc_jw_int(w, v->device_token_issued_ms);
	}
	oc_jw_object_end(w);
}

static void write_policy(struct oc_gw *g, struct oc_json_writer *w)
{
	oc_jw_key(w, "policy");
	oc_jw_object(w);
	oc_jw_key(w, "maxPayload");
	oc_jw_uint(w, OC_GW_MAX_PAYLOAD);
	oc_jw_key(w, "maxBufferedBytes");
	oc_jw_uint(w, OC_GW_MAX_BUFFERED);
	oc_jw_key(w, "tickIntervalMs");
	oc_jw_uint(w, g->config->tick_ms);
	oc_jw_key(w, "attachments");
	oc_jw_object(w);
	oc_jw_key(w, "maxBytes");
	oc_jw_uint(w, 19464192);
	oc_jw_key(w, "maxImageBytes");
	oc_jw_uint(w, 6291456);
	oc_jw_object_end(w);
	oc_jw_object_end(w);
}

void oc_gw_hello(struct oc_gw_conn *c, const char *id, const struct oc_auth_verdict *v,
		 struct oc_buf *b)
{
	struct oc_gw *g = c->gw;
	struct oc_json_writer w;
	oc_auto_arena a = {0};

	oc_frame_result(&w, b, id);
	oc_jw_object(&w);
	oc_jw_member(&w, "type", "hello-ok");
	oc_jw_key(&w, "protocol");
	oc_jw_uint(&w, c->protocol);
	oc_jw_key(&w, "server");
	oc_jw_object(&w);
	oc_jw_member(&w, "version", g->opt.version);
	oc_jw_member(&w, "bootId", g->boot_id);
	oc_jw_member(&w, "connId", c->id);
	oc_jw_object_end(&w);
	write_features(c, &w);
	write_snapshot(c, &w, &a);
	write_auth(c, v, &w);
	write_policy(g, &w);
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
}
