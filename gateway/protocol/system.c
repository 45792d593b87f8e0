/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system - health, status, system-presence, last-heartbeat, agents.list, config.get, logs.tail,
 * device.*.
 *
 * What this gateway does not have yet (sessions, channels, heartbeats) is told as none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "gateway/protocol/internal.h"

/* What clients get is not the SHA-256 of a text with secrets in it, which could be searched for. */
const char *oc_gw_config_hash(struct oc_gw *g, struct oc_arena *a, const char *hash)
{
	unsigned char both[sizeof g->hash_key + 64] = {0};
	char hex[65];

	memcpy(both, g->hash_key, sizeof g->hash_key);
	memcpy(both + sizeof g->hash_key, hash, strnlen(hash, 64));
	oc_sha256_hex(both, sizeof both, hex);
	return oc_arena_printf(a, "sha256-keyed:v1:%s", hex);
}

static void write_int(struct oc_json_writer *w, const char *key, int64_t n)
{
	oc_jw_key(w, key);
	oc_jw_int(w, n);
}

static void write_empty(struct oc_json_writer *w, const char *key, bool array)
{
	oc_jw_key(w, key);
	oc_jw_text(w, array ? "[]" : "{}");
}

static void write_sessions(struct oc_json_writer *w, const char *path)
{
	oc_jw_key(w, "sessions");
	oc_jw_object(w);
	oc_jw_member(w, "path", path);
	write_int(w, "count", 0);
	write_empty(w, "recent", true);
	oc_jw_object_end(w);
}

static void write_no_heartbeat(struct oc_json_writer *w)
{
	oc_jw_key(w, "enabled");
	oc_jw_bool(w, false);
	oc_jw_member(w, "every", "disabled");
	oc_jw_key(w, "everyMs");
	oc_jw_null(w);
}

void oc_gw_write_health(struct oc_gw *g, struct oc_json_writer *w)
{
	const struct oc_config *c = g->config;

	oc_jw_object(w);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, true);
	write_int(w, "ts", g->opt.now_ms());
	write_int(w, "durationMs", 0);
	write_empty(w, "channels", false);
	write_empty(w, "channelOrder", true);
	write_empty(w, "channelLabels", false);
	write_int(w, "heartbeatSeconds", 0);
	oc_jw_member(w, "defaultAgentId", c->default_agent->id);
	oc_jw_key(w, "agents");
	oc_jw_array(w);
	for (size_t i = 0; i < c->agent_count; i++) {
		oc_jw_object(w);
		oc_jw_member(w, "agentId", c->agents[i].id);
		oc_jw_member(w, "name", c->agents[i].name);
		oc_jw_key(w, "isDefault");
		oc_jw_bool(w, c->agents[i].is_default);
		oc_jw_key(w, "heartbeat");
		oc_jw_object(w);
		write_no_heartbeat(w);
		oc_jw_object_end(w);
		write_sessions(w, "");
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	write_sessions(w, "");
	oc_jw_key(w, "configReload");
	oc_jw_object(w);
	oc_jw_member(w, "hotReloadStatus", c->reload ? "active" : "disabled");
	oc_jw_object_end(w);
	oc_jw_object_end(w);
}

int oc_m_health(struct oc_gw_call *call)
{
	bool probe;

	if (oc_gw_param_bool(call, "probe", &probe) < 0)
		return -1;
	oc_gw_write_health(call->gw, call->out);
	return 0;
}

static void write_status_sessions(struct oc_gw_call *call)
{
	const struct oc_config *c = call->gw->config;
	struct oc_json_writer *w = call->out;

	oc_jw_key(w, "sessions");
	oc_jw_object(w);
	write_empty(w, "paths", true);
	write_int(w, "count", 0);
	oc_jw_key(w, "defaults");
	oc_jw_text(w, "{\"model\":null,\"contextTokens\":null}");
	write_empty(w, "recent", true);
	oc_jw_key(w, "byAgent");
	oc_jw_array(w);
	for (size_t i = 0; i < c->agent_count; i++) {
		oc_jw_object(w);
		oc_jw_member(w, "agentId", c->agents[i].id);
		oc_jw_member(w, "path", "");
		write_int(w, "count", 0);
		write_empty(w, "recent", true);
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}

int oc_m_status(struct oc_gw_call *call)
{
	const struct oc_config *c = call->gw->config;
	struct oc_json_writer *w = call->out;

	oc_jw_object(w);
	oc_jw_member(w, "runtimeVersion", call->gw->opt.version);
	oc_jw_key(w, "heartbeat");
	oc_jw_object(w);
	oc_jw_member(w, "defaultAgentId", c->default_agent->id);
	oc_jw_key(w, "agents");
	oc_jw_array(w);
	for (size_t i = 0; i < c->agent_count; i++) {
		oc_jw_object(w);
		oc_jw_member(w, "agentId", c->agents[i].id);
		write_no_heartbeat(w);
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
	write_empty(w, "channelSummary", true);
	write_empty(w, "queuedSystemEvents", true);
	oc_jw_key(w, "tasks");
	oc_jw_text(w, "{\"total\":0,\"active\":0,\"terminal\":0,\"failures\":0,\"byStatus\":{},"
		      "\"byRuntime\":{}}");
	write_status_sessions(call);
	write_int(w, "pid", call->gw->opt.launcher);
	write_int(w, "uptimeMs", call->gw->opt.mono_ms() - call->gw->started_mono);
	oc_jw_object_end(w);
	return 0;
}

int oc_m_presence(struct oc_gw_call *call)
{
	oc_gw_write_presence(call->gw, call->out);
	return 0;
}

int oc_m_last_heartbeat(struct oc_gw_call *call)
{
	oc_jw_null(call->out);
	return 0;
}

int oc_m_agents_list(struct oc_gw_call *call)
{
	const struct oc_config *c = call->gw->config;
	struct oc_json_writer *w = call->out;

	oc_jw_object(w);
	oc_jw_member(w, "defaultId", c->default_agent->id);
	oc_jw_member(w, "ownership", "sole");
	oc_jw_key(w, "selectionRequired");
	oc_jw_bool(w, false);
	oc_jw_member(w, "mainKey", c->main_key);
	oc_jw_member(w, "scope", c->session_scope);
	oc_jw_key(w, "agents");
	oc_jw_array(w);
	for (size_t i = 0; i < c->agent_count; i++) {
		const struct oc_json *model = oc_json_get(c->agents[i].node, "model");
		oc_jw_object(w);
		oc_jw_member(w, "id", c->agents[i].id);
		oc_jw_member(w, "name", c->agents[i].name);
		oc_jw_member(w, "workspace", c->agents[i].workspace);
		if (model && model->type == OC_JSON_OBJECT)
			model = oc_json_get(model, "primary");
		if (model && model->type == OC_JSON_STRING) {
			oc_jw_key(w, "model");
			oc_jw_object(w);
			oc_jw_member(w, "primary", model->string);
			oc_jw_object_end(w);
		}
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
	return 0;
}

int oc_m_config_get(struct oc_gw_call *call)
{
	static const char *const trees[] = {"parsed", "sourceConfig", "resolved", "runtimeConfig",
					    "config"};
	const struct oc_config *c = call->gw->config;
	struct oc_json_writer *w = call->out;
	const char *hash = oc_gw_config_hash(call->gw, call->arena, c->hash);

	oc_jw_object(w);
	oc_jw_member(w, "path", c->path);
	oc_jw_key(w, "exists");
	oc_jw_bool(w, c->exists);
	oc_jw_key(w, "raw");
	oc_jw_null(w);
	for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
		oc_jw_key(w, trees[i]);
		oc_config_write_masked(w, c->root);
	}
	oc_jw_key(w, "valid");
	oc_jw_bool(w, true);
	write_empty(w, "issues", true);
	oc_jw_key(w, "warnings");
	oc_jw_array(w);
	for (size_t i = 0; i < c->warning_count; i++) {
		oc_jw_object(w);
		oc_jw_member(w, "path", c->warnings[i].path);
		oc_jw_member(w, "message", c->warnings[i].text);
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	write_empty(w, "legacyIssues", true);
	oc_jw_key(w, "includedPaths");
	oc_jw_array(w);
	for (size_t i = 1; i < c->files.count; i++)
		oc_jw_string(w, c->files.list[i]);
	oc_jw_array_end(w);
	oc_jw_member(w, "hash", hash);
	oc_jw_member(w, "configRevisionHash", hash);
	oc_jw_member(w, "appliedConfigHash",
		     oc_gw_config_hash(call->gw, call->arena, c->applied_hash));
	oc_jw_object_end(w);
	return 0;
}

int oc_m_logs_tail(struct oc_gw_call *call)
{
	const char *path = oc_log_path(call->gw->opt.log);
	struct oc_json_writer *w = call->out;
	struct oc_log_tail tail;
	struct oc_err err = {0};
	bool have_cursor, have;
	int64_t cursor = 0, limit = 500, bytes = 250000;

	if (oc_gw_param_int(call, "cursor", 0, INT64_C(1) << 53, &have_cursor, &cursor) < 0 ||
	    oc_gw_param_int(call, "limit", 1, 5000, &have, &limit) < 0 ||
	    oc_gw_param_int(call, "maxBytes", 1, 1000000, &have, &bytes) < 0)
		return -1;
	if (!path)
		return oc_gw_refuse(call, "UNAVAILABLE", "this gateway writes no log");
	if (oc_log_read(path, have_cursor, (uint64_t)cursor, (size_t)limit, (size_t)bytes, &tail,
			&err) < 0)
		return oc_gw_refuse(call, "UNAVAILABLE", "log read failed: %s", err.msg);
	oc_jw_object(w);
	oc_jw_member(w, "file", path);
	oc_jw_key(w, "cursor");
	oc_jw_uint(w, tail.cursor);
	oc_jw_key(w, "size");
	oc_jw_uint(w, tail.size);
	oc_jw_key(w, "lines");
	oc_jw_array(w);
	const char *line = tail.data;
	for (size_t i = 0; i < tail.count; i++, line += strlen(line) + 1)
		oc_jw_string(w, line);
	oc_jw_array_end(w);
	oc_jw_key(w, "truncated");
	oc_jw_bool(w, tail.truncated);
	oc_jw_key(w, "reset");
	oc_jw_bool(w, tail.reset);
	oc_jw_object_end(w);
	free(tail.data);
	return 0;
}

int oc_m_device(struct oc_gw_call *call)
{
	struct oc_gw *g = call->gw;
	const struct oc_identity *who = call->conn->who;
	const struct oc_auth_caller caller = {.scopes = who->scopes,
					      .device_id = who->device_id,
					      .by_device_token =
						      who->method == OC_AUTH_BY_DEVICE_TOKEN};
	struct oc_auth_answer answer = {0};

	if (!oc_auth_call(g->opt.auth, &caller, call->method, call->params, g->opt.now_ms(),
			  call->arena, &answer))
		return oc_gw_refuse(call, "INVALID_REQUEST", "unknown method: %s", call->method);
	if (!answer.ok) {
		call->details = answer.details;
		return oc_gw_refuse(call, answer.code, "%s", answer.message);
	}
	oc_log(g->opt.log, OC_LOG_INFO, "gateway/devices", "%s by conn=%s", call->method,
	       call->conn->id);
	oc_jw_text(call->out, answer.payload);
	if (answer.event)
		oc_gw_broadcast(g, answer.event, answer.event_payload, false);
	call->drop_device = answer.drop_device;
	call->drop_role = answer.drop_role;
	return 0;
}
