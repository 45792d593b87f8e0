/* SPDX-License-Identifier: Apache-2.0 */
/*
 * methods - the one table of methods, and the way of a request through it: does it exist, role,
 * scope, handler.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/protocol/internal.h"

/* A client that goes on calling what its role cannot use is closed after that many. */
#define WRONG_ROLE_MAX 10u
#define SLOW_MS	       50

const struct oc_gw_method oc_gw_method_table[] = {
	{"agents.list", "operator.read", oc_m_agents_list},
	{"config.get", "operator.read", oc_m_config_get},
	{"device.pair.approve", "operator.pairing", oc_m_device},
	{"device.pair.list", "operator.pairing", oc_m_device},
	{"device.pair.reject", "operator.pairing", oc_m_device},
	{"device.pair.remove", "operator.pairing", oc_m_device},
	{"device.pair.rename", "operator.pairing", oc_m_device},
	{"device.token.revoke", "operator.pairing", oc_m_device},
	{"device.token.rotate", "operator.pairing", oc_m_device},
	/* Answers an operator without any scope too. */
	{"health", NULL, oc_m_health},
	{"last-heartbeat", "operator.read", oc_m_last_heartbeat},
	{"logs.tail", "operator.read", oc_m_logs_tail},
	{"status", "operator.read", oc_m_status},
	{"system-presence", "operator.read", oc_m_presence},
	{NULL, NULL, NULL},
};

static int by_name(const void *name, const void *method)
{
	return strcmp(name, ((const struct oc_gw_method *)method)->name);
}

const struct oc_gw_method *oc_gw_method_find(const char *name)
{
	/* Sorted, tested. */
	return bsearch(name, oc_gw_method_table,
		       sizeof oc_gw_method_table / sizeof oc_gw_method_table[0] - 1,
		       sizeof oc_gw_method_table[0], by_name);
}

int oc_gw_refuse(struct oc_gw_call *call, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call->message = oc_arena_vprintf(call->arena, fmt, ap);
	va_end(ap);
	call->code = code;
	return -1;
}

int oc_gw_bad_param(struct oc_gw_call *call, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *text = oc_arena_vprintf(call->arena, fmt, ap);
	va_end(ap);
	return oc_gw_refuse(call, "INVALID_REQUEST", "invalid %s params: at /%s: %s", call->method,
			    key, text);
}

int oc_gw_param_int(struct oc_gw_call *call, const char *key, int64_t min, int64_t max, bool *have,
		    int64_t *out)
{
	const struct oc_json *v = oc_json_get(call->params, key);

	*have = v != NULL;
	if (v &&
	    (v->type != OC_JSON_NUMBER || oc_json_int(call->arena, v, min, max, out, NULL) < 0))
		return oc_gw_bad_param(call, key, "must be a whole number from %lld to %lld",
				       (long long)min, (long long)max);
	return 0;
}

int oc_gw_param_bool(struct oc_gw_call *call, const char *key, bool *out)
{
	const struct oc_json *v = oc_json_get(call->params, key);

	if (v && v->type != OC_JSON_BOOL)
		return oc_gw_bad_param(call, key, "must be true or false");
	*out = v && v->boolean;
	return 0;
}

static int refuse_scope(struct oc_gw_call *call, const char *scope)
{
	call->details = oc_arena_printf(
		call->arena,
		"{\"code\":\"MISSING_SCOPE\",\"missingScope\":\"%s\",\"requiredScopes\":[\"%s\"]}",
		scope, scope);
	return oc_gw_refuse(call, "FORBIDDEN", "missing scope: %s", scope);
}

static int run(struct oc_gw_call *call)
{
	const struct oc_gw_method *m = oc_gw_method_find(call->method);
	const struct oc_identity *who = call->conn->who;

	if (strcmp(call->method, "connect") == 0)
		return oc_gw_refuse(call, "INVALID_REQUEST",
				    "connect is only valid as the first request");
	if (!m)
		return oc_gw_refuse(call, "INVALID_REQUEST", "unknown method: %.200s",
				    call->method);
	if (strcmp(who->role, "operator") != 0) {
		call->wrong_role = true;
		return oc_gw_refuse(call, "INVALID_REQUEST", "unauthorized role: %s", who->role);
	}
	if (m->scope && !oc_scopes_allow(&who->scopes, m->scope))
		return refuse_scope(call, m->scope);
	if (call->params && call->params->type != OC_JSON_OBJECT)
		return oc_gw_refuse(call, "INVALID_REQUEST",
				    "invalid %s params: at /: must be an object", call->method);
	return m->fn(call);
}

void oc_gw_dispatch(struct oc_gw_conn *c, const struct oc_frame *f, struct oc_arena *a)
{
	struct oc_gw *g = c->gw;
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	int64_t start = g->opt.mono_ms();
	struct oc_gw_call call = {.gw = g,
				  .conn = c,
				  .method = f->method,
				  .id = f->id,
				  .params = f->params,
				  .arena = a,
				  .out = &w};

	if (f->params && f->params->type == OC_JSON_NULL)
		call.params = NULL;
	oc_frame_result(&w, &b, f->id);
	if (run(&call) < 0) {
		b.len = 0;
		oc_frame_error(&b, f->id, call.code, call.message, call.details, call.retryable,
			       call.retry_after_ms);
		oc_log(g->opt.log, OC_LOG_INFO, "gateway/ws",
		       "res error method=%.80s conn=%s code=%s message=%s", f->method, c->id,
		       call.code, call.message);
	} else {
		oc_jw_object_end(&w);
	}
	oc_gw_send(c, &b);
	if (call.drop_device)
		oc_gw_drop_device(g, call.drop_device, call.drop_role);
	c->wrong_role = call.wrong_role ? c->wrong_role + 1 : 0;
	if (c->wrong_role > WRONG_ROLE_MAX)
		oc_gw_close(c, OC_GW_CLOSE_POLICY, "repeated unauthorized calls");
	int64_t took = g->opt.mono_ms() - start;
	if (took >= SLOW_MS)
		oc_log(g->opt.log, OC_LOG_INFO, "gateway/ws",
		       "res slow method=%.80s conn=%s ms=%lld", f->method, c->id, (long long)took);
}
