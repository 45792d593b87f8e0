/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide - the decision on one `connect`.  Pure: reads the store and the counters, changes neither.
 *
 * Order: role, browser origin, shared secret or proxy identity with its limit, proof of the device, device token with its
 * limit, pairing.  Each step either refuses or goes on; the verdict is a refusal until the last line.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/auth/internal.h"

struct work {
	const struct oc_auth *a;
	const struct oc_config *c;
	const struct oc_auth_peer *peer;
	const struct oc_auth_connect *p;
	struct oc_arena *arena;
	struct oc_auth_verdict *v;
	struct oc_auth_effects *fx;
	const char *role;
	bool shared; /* the shared secret, a proxy's word, or mode none let it in */
	bool locked; /* the shared secret was not even looked at */
	const char *miss; /* why the shared secret did not: "token_mismatch", ... */
};

static bool refuse(struct work *w, const char *code, const char *message, const char *details)
{
	struct oc_auth_verdict *v = w->v;
	size_t n = strlen(message);

	v->ok = false;
	v->code = code;
	v->message = message;
	v->details = details;
	v->close_code = 1008;
	if (n > 123) {
		n = 123;
		while (n > 0 && ((unsigned char)message[n] & 0xC0) == 0x80)
			n--;
	}
	v->close_reason = oc_arena_strndup(w->arena, message, n);
	return false;
}

static const char *details(struct oc_arena *a, const char *code, const char *name, const char *reason,
			   const char *next)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "code");
	oc_jw_string(&w, code);
	oc_jw_key(&w, name);
	oc_jw_string(&w, reason);
	if (next) {
		bool retry = strcmp(next, "retry_with_device_token") == 0;
		oc_jw_key(&w, "canRetryWithDeviceToken");
		oc_jw_bool(&w, retry);
		oc_jw_key(&w, "recommendedNextStep");
		oc_jw_string(&w, next);
	}
	oc_jw_object_end(&w);
	return oc_arena_strndup(a, b.data, b.len);
}

static bool browser_ui(const struct oc_auth_connect *p)
{
	static const char *const ids[] = {"webchat-ui", "openclaw-control-ui",
					  "openclaw-browser-copilot", "webchat"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (strcmp(p->client_id, ids[i]) == 0)
			return true;
	return strcmp(p->client_mode, "webchat") == 0;
}

/* --- role, origin --- */

static bool check_role(struct work *w)
{
	w->role = w->p->role ? w->p->role : "operator";
	if (strcmp(w->role, "operator") == 0 || strcmp(w->role, "node") == 0)
		return true;
	return refuse(w, "INVALID_REQUEST", "invalid role", NULL);
}

static bool check_origin(struct work *w)
{
	const char *why = w->peer->origin_why;

	if (w->peer->has_origin ? w->peer->origin_ok : !browser_ui(w->p))
		return true;
	if (!why)
		why = "origin missing or invalid";
	return refuse(w, "INVALID_REQUEST", oc_arena_printf(w->arena, "%s", why),
		      details(w->arena, "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason", why, NULL));
}

/* --- the shared secret --- */

void oc_auth_limit_key(const struct oc_config *c, const struct oc_auth_peer *peer,
		       struct oc_auth_effects *fx)
{
	/* A page in a local browser is not the operator's program: it has a counter of its own and no exemption. */
	if (peer->has_origin && peer->loopback)
		snprintf(fx->key, sizeof(fx->key), "browser-origin:%s", peer->origin);
	else
		snprintf(fx->key, sizeof(fx->key), "%s", peer->text[0] ? peer->text : "unknown");
	fx->exempt = c->auth.limit.exempt_loopback && peer->loopback && !peer->has_origin;
}

static void try_secret(struct work *w, const char *given, const char *ours, enum oc_auth_method by,
		       const char *missing, const char *mismatch, const char *unset)
{
	if (!ours) {
		w->miss = unset;
	} else if (!given) {
		w->miss = missing;
	} else if (!w->fx->exempt && oc_limit_locked(w->a->limit, OC_LIMIT_SHARED, w->fx->key,
						     w->p->mono_ms)) {
		w->locked = true;
		w->miss = "rate_limited";
	} else if (oc_secret_equal(given, ours)) {
		w->shared = true;
		w->v->method = by;
		w->fx->passed = OC_LIMIT_SHARED;
	} else {
		w->miss = mismatch;
	}
}

static void check_shared(struct work *w)
{
	const struct oc_config_auth *auth = &w->c->auth;
	const struct oc_auth_connect *p = w->p;

	switch (auth->mode) {
	case OC_AUTH_NONE:
		w->shared = true;
		w->v->method = OC_AUTH_BY_NOTHING;
		break;
	case OC_AUTH_TOKEN:
		try_secret(w, p->token, auth->token, OC_AUTH_BY_TOKEN, "token_missing",
			   "token_mismatch", "token_missing_config");
		break;
	case OC_AUTH_PASSWORD:
		try_secret(w, p->password, auth->password, OC_AUTH_BY_PASSWORD, "password_missing",
			   "password_mismatch", "password_missing_config");
		break;
	case OC_AUTH_TRUSTED_PROXY:
		if (w->peer->user[0] && !w->peer->proxy_why[0]) {
			w->shared = true;
			w->v->method = OC_AUTH_BY_PROXY;
			w->v->user = oc_arena_strdup(w->arena, w->peer->user);
		} else if (w->peer->local_direct && auth->password && p->password) {
			try_secret(w, p->password, auth->password, OC_AUTH_BY_PASSWORD,
				   "password_missing", "password_mismatch", "password_missing_config");
		} else {
			w->miss = w->peer->proxy_why[0] ? w->peer->proxy_why
							: "trusted_proxy_user_missing";
		}
		break;
	}
}

static bool refuse_rate(struct work *w, enum oc_limit_class class)
{
	refuse(w, "INVALID_REQUEST",
	       "unauthorized: too many failed authentication attempts (retry later)",
	       details(w->arena, "AUTH_RATE_LIMITED", "authReason", "rate_limited",
		       "wait_then_retry"));
	w->v->retryable = true;
	w->v->retry_after_ms = oc_limit_locked(w->a->limit, class, w->fx->key, w->p->mono_ms);
	w->v->http_status = 429;
	return false;
}

static bool refuse_shared(struct work *w)
{
	static const struct {
		const char *reason, *code, *text, *next;
		bool counts;
	} rows[] = {
		{"token_missing", "AUTH_TOKEN_MISSING", "gateway token missing",
		 "update_auth_configuration", false},
		{"token_mismatch", "AUTH_TOKEN_MISMATCH", "gateway token mismatch",
		 "update_auth_credentials", true},
		{"token_missing_config", "AUTH_TOKEN_NOT_CONFIGURED",
		 "gateway token not configured on gateway", "update_auth_configuration", false},
		{"password_missing", "AUTH_PASSWORD_MISSING", "gateway password missing",
		 "update_auth_configuration", false},
		{"password_mismatch", "AUTH_PASSWORD_MISMATCH", "gateway password mismatch",
		 "update_auth_credentials", true},
		{"password_missing_config", "AUTH_PASSWORD_NOT_CONFIGURED",
		 "gateway password not configured on gateway", "update_auth_configuration", false},
		{"bootstrap_token_invalid", "AUTH_BOOTSTRAP_TOKEN_INVALID",
		 "bootstrap token invalid or expired", "review_auth_configuration", false},
		{"device_token_mismatch", "AUTH_DEVICE_TOKEN_MISMATCH", "device token mismatch",
		 "update_auth_credentials", true},
	};
	const char *next;

	if (w->locked)
		return refuse_rate(w, OC_LIMIT_SHARED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].reason, w->miss) != 0)
			continue;
		next = rows[i].next;
		/* A client that has a device may hold a token of it that it did not send. */
		if (strcmp(w->miss, "token_mismatch") == 0 && w->p->device && !w->p->device_token)
			next = "retry_with_device_token";
		if (rows[i].counts)
			w->fx->failed = strcmp(w->miss, "device_token_mismatch") == 0
						? OC_LIMIT_DEVICE
						: OC_LIMIT_SHARED;
		return refuse(w, "INVALID_REQUEST",
			      oc_arena_printf(w->arena, "unauthorized: %s", rows[i].text),
			      details(w->arena, rows[i].code, "authReason", rows[i].reason, next));
	}
	return refuse(w, "INVALID_REQUEST",
		      oc_arena_printf(w->arena, "unauthorized: %s", w->miss),
		      details(w->arena, "AUTH_UNAUTHORIZED", "authReason", w->miss,
			      "review_auth_configuration"));
}

/* --- the device --- */

static bool check_proof(struct work *w)
{
	struct oc_proof proof = oc_device_prove(w->arena, w->p);

	if (proof.code)
		return refuse(w, "INVALID_REQUEST", proof.message,
			      details(w->arena, proof.code, "reason", proof.reason, NULL));
	w->v->device_id = oc_arena_strdup(w->arena, w->p->device->id);
	return true;
}

/* In place of the shared secret: a token that this device got. */
static bool check_device_token(struct work *w)
{
	const char *given = w->p->device_token ? w->p->device_token : w->p->token, *ours;
	const struct oc_device *d = oc_store_find(w->a, w->p->device->id);
	const struct oc_token *t = oc_store_token(d, w->role);

	if (!w->fx->exempt &&
	    oc_limit_locked(w->a->limit, OC_LIMIT_DEVICE, w->fx->key, w->p->mono_ms))
		return refuse_rate(w, OC_LIMIT_DEVICE);
	if (!t || t->revoked_ms || oc_store_token_text(w->a, d, t, w->arena, &ours) < 0 ||
	    !oc_secret_equal(given, ours)) {
		if (w->locked) {
			w->fx->failed = OC_LIMIT_DEVICE;
			return refuse_rate(w, OC_LIMIT_SHARED);
		}
		/* What came in auth.token is reported, and counted, as that. */
		if (w->p->device_token || !w->miss || strcmp(w->miss, "token_mismatch") != 0)
			w->miss = "device_token_mismatch";
		return refuse_shared(w);
	}
	w->v->method = OC_AUTH_BY_DEVICE_TOKEN;
	w->fx->passed = OC_LIMIT_DEVICE;
	/* The device may do more, but this token may not. */
	if (strcmp(w->role, "operator") == 0 && !oc_scopes_cover(&t->scopes, &w->p->scopes) &&
	    oc_scopes_cover(&d->scopes, &w->p->scopes))
		return refuse(w, "INVALID_REQUEST", "unauthorized: device token scope mismatch",
			      details(w->arena, "AUTH_SCOPE_MISMATCH", "authReason",
				      "scope_mismatch", "review_auth_configuration"));
	return true;
}

/* --- without a device --- */

static struct oc_scopes none(void)
{
	return (struct oc_scopes){0};
}

static bool without_device(struct work *w)
{
	const struct oc_auth_connect *p = w->p;
	struct oc_auth_verdict *v = w->v;
	bool oper = strcmp(w->role, "operator") == 0;
	bool secret = v->method == OC_AUTH_BY_TOKEN || v->method == OC_AUTH_BY_PASSWORD;
	/* In mode none a page of any local web server would be the operator. */
	bool trusted = w->peer->local_direct &&
		       (secret || (v->method == OC_AUTH_BY_NOTHING && !w->peer->has_origin));
	bool backend = strcmp(p->client_id, "gateway-client") == 0 &&
		       strcmp(p->client_mode, "backend") == 0;
	bool cli = strcmp(p->client_id, "cli") == 0 && strcmp(p->client_mode, "cli") == 0;

	if (oper && trusted && (backend || cli)) {
		v->scopes = oc_scopes_capped(w->arena, &p->scopes, w->peer);
		if (secret)
			v->scopes = p->scopes;
		v->owner = true;
		return true;
	}
	if (oper && v->method == OC_AUTH_BY_PROXY && browser_ui(p)) {
		struct oc_scopes user = oc_scopes_of_user(w->arena, w->c, w->peer);
		v->scopes = user;
		return true;
	}
	if (oper && browser_ui(p))
		return refuse(w, "INVALID_REQUEST",
			      "control ui requires device identity (use HTTPS or localhost)",
			      details(w->arena, "CONTROL_UI_DEVICE_IDENTITY_REQUIRED", "reason",
				      "device-required", NULL));
	if (oper && secret) {
		v->scopes = none();
		return true;
	}
	return refuse(w, "NOT_PAIRED", "device identity required",
		      details(w->arena, "DEVICE_IDENTITY_REQUIRED", "reason", "device-required", NULL));
}

/* --- pairing --- */

static bool same_plain(struct oc_arena *a, const char *x, const char *y)
{
	return strcmp(oc_device_plain(a, x), oc_device_plain(a, y)) == 0;
}

/* Why this device needs an approval, NULL: it does not. */
static const char *pair_reason(struct work *w, const struct oc_device *d,
			       const struct oc_scopes *asked)
{
	if (!d)
		return "not-paired";
	if (!oc_scopes_has(&d->roles, w->role))
		return "role-upgrade";
	if (!oc_scopes_cover(&d->scopes, asked))
		return "scope-upgrade";
	if ((d->platform && !same_plain(w->arena, d->platform, w->p->platform)) ||
	    (d->family && !same_plain(w->arena, d->family, w->p->device_family)))
		return "metadata-upgrade";
	return NULL;
}

static bool approve_locally(const struct work *w, const char *reason)
{
	if (!w->c->auto_approve_local || !w->peer->local_direct || w->peer->origin_foreign)
		return false;
	if (strcmp(reason, "metadata-upgrade") == 0)
		return !w->peer->has_origin;
	return w->shared;
}

static bool approve_by_proxy(struct work *w, const char *reason, const struct oc_scopes *asked)
{
	const struct oc_config_strings *s = &w->c->auth.proxy.auto_approve_scopes;
	struct oc_scopes may = {.list = s->list, .count = s->count};

	return w->c->auth.proxy.auto_approve && w->v->method == OC_AUTH_BY_PROXY &&
	       strcmp(reason, "not-paired") == 0 && w->peer->has_origin &&
	       strcmp(w->role, "operator") == 0 && oc_scopes_cover(&may, asked);
}

static bool with_device(struct work *w)
{
	const struct oc_device *d = oc_store_find(w->a, w->p->device->id);
	struct oc_scopes asked = strcmp(w->role, "operator") == 0 ? w->p->scopes : none();
	const char *reason = pair_reason(w, d, &asked);

	if (w->v->method == OC_AUTH_BY_PROXY)
		asked = oc_scopes_capped(w->arena, &asked, w->peer);
	if (reason) {
		w->fx->reason = reason;
		if (!approve_locally(w, reason) && !approve_by_proxy(w, reason, &asked)) {
			w->fx->pair = OC_PAIR_ASK;
			return refuse(w, "NOT_PAIRED", "pairing required", NULL);
		}
		w->fx->pair = OC_PAIR_APPROVE;
	}
	w->fx->issue = true;
	w->v->scopes = asked;
	w->v->owner = w->v->method == OC_AUTH_BY_TOKEN || w->v->method == OC_AUTH_BY_PASSWORD ||
		      (w->v->method == OC_AUTH_BY_NOTHING && w->peer->local_direct);
	return true;
}

static bool enter(struct work *w)
{
	const struct oc_auth_connect *p = w->p;
	bool secret_mode = w->c->auth.mode == OC_AUTH_TOKEN || w->c->auth.mode == OC_AUTH_PASSWORD;

	if (w->peer->reject)
		return refuse(w, "INVALID_REQUEST",
			      oc_arena_printf(w->arena, "unauthorized: %s", w->peer->reject),
			      details(w->arena, "AUTH_UNAUTHORIZED", "authReason", w->peer->reject,
				      "review_auth_configuration"));
	if (!check_role(w) || !check_origin(w))
		return false;
	check_shared(w);
	if (!w->shared) {
		bool other = secret_mode && p->device && (p->device_token || p->token);
		if (!other) {
			if (p->bootstrap_token && !p->token && !p->password)
				w->miss = "bootstrap_token_invalid";
			return refuse_shared(w);
		}
	}
	if (p->device && !check_proof(w))
		return false;
	if (!w->shared && !check_device_token(w))
		return false;
	return p->device ? with_device(w) : without_device(w);
}

void oc_auth_decide(const struct oc_auth *a, const struct oc_config *c,
		    const struct oc_auth_peer *peer, const struct oc_auth_connect *p,
		    struct oc_arena *arena, struct oc_auth_verdict *v, struct oc_auth_effects *fx)
{
	struct work w = {.a = a, .c = c, .peer = peer, .p = p, .arena = arena, .v = v, .fx = fx};

	*v = (struct oc_auth_verdict){.code = "INVALID_REQUEST", .message = "unauthorized: refused",
				      .close_code = 1008, .http_status = 401};
	*fx = (struct oc_auth_effects){.failed = -1, .passed = -1};
	oc_auth_limit_key(c, peer, fx);
	if (!enter(&w))
		return;
	v->ok = true;
	v->role = oc_arena_strdup(arena, w.role);
	v->code = v->message = v->close_reason = NULL;
	v->close_code = 0;
	v->http_status = 200;
}
