/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - the decision on an HTTP request: the same credentials as a Bearer.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/auth/internal.h"

static void refuse(struct oc_auth_verdict *v, int status, const char *code, const char *message)
{
	v->ok = false;
	v->http_status = status;
	v->code = code;
	v->message = message;
}

static void accept(struct oc_auth_verdict *v, enum oc_auth_method by, const struct oc_scopes *scopes,
		   bool owner)
{
	v->ok = true;
	v->http_status = 200;
	v->code = v->message = NULL;
	v->method = by;
	v->role = "operator";
	v->scopes = *scopes;
	v->owner = owner;
}

/* "Bearer x" -> x; NULL. */
static const char *bearer(struct oc_arena *a, const char *header)
{
	if (!header || strncasecmp(header, "bearer ", 7) != 0)
		return NULL;
	header += 7 + strspn(header + 7, " ");
	size_t n = strlen(header);
	while (n > 0 && (header[n - 1] == ' ' || header[n - 1] == '\t'))
		n--;
	return n > 0 ? oc_arena_strndup(a, header, n) : NULL;
}

/* All are compared, whichever fits: the time tells nothing. */
static struct oc_token *device_token(const struct oc_auth *a, const char *given,
				     struct oc_arena *arena, const char **id)
{
	struct oc_token *found = NULL;
	const char *ours;

	for (struct oc_device *d = a->devices; d; d = d->next) {
		struct oc_token *t = oc_store_token(d, "operator");
		if (!t || t->revoked_ms || oc_store_token_text(a, d, t, arena, &ours) < 0)
			continue;
		if (oc_secret_equal(given, ours)) {
			found = t;
			*id = d->id;
		}
	}
	return found;
}

static void limited(struct oc_auth_verdict *v, unsigned ms)
{
	refuse(v, 429, "RATE_LIMITED", "too many failed authentication attempts (retry later)");
	v->retryable = true;
	v->retry_after_ms = ms;
}

struct secrets {
	struct oc_auth *a;
	const struct oc_config *c;
	struct oc_auth_effects fx;
	int64_t now_ms, mono_ms;
	struct oc_arena *arena;
};

static void by_secret(struct secrets *s, const char *given, const char *ours, enum oc_auth_method by,
		      bool devices, struct oc_auth_verdict *v)
{
	struct oc_limit *l = s->a->limit;
	unsigned shared = s->fx.exempt
				  ? 0
				  : oc_limit_locked(l, OC_LIMIT_SHARED, s->fx.key, s->mono_ms);
	unsigned device = s->fx.exempt
				  ? 0
				  : oc_limit_locked(l, OC_LIMIT_DEVICE, s->fx.key, s->mono_ms);
	const char *id = NULL;

	if (!given) {
		refuse(v, 401, "UNAUTHORIZED", "Unauthorized");
		return;
	}
	if (!shared && oc_secret_equal(given, ours)) {
		oc_limit_passed(l, OC_LIMIT_SHARED, s->fx.key);
		accept(v, by, &oc_scopes_full, true);
		return;
	}
	struct oc_token *t = devices && !device ? device_token(s->a, given, s->arena, &id) : NULL;
	if (t) {
		oc_limit_passed(l, OC_LIMIT_DEVICE, s->fx.key);
		t->used_ms = s->now_ms;
		s->a->dirty = true;
		accept(v, OC_AUTH_BY_DEVICE_TOKEN, &t->scopes, false);
		v->scopes = oc_scopes_within(s->arena, &t->scopes, &t->scopes);
		for (size_t i = 0; i < v->scopes.count; i++)
			v->scopes.list[i] = oc_arena_strdup(s->arena, v->scopes.list[i]);
		v->device_id = oc_arena_strdup(s->arena, id);
		return;
	}
	if (shared) {
		if (devices && !device)
			oc_limit_failed(l, s->c, OC_LIMIT_DEVICE, s->fx.key, s->fx.exempt,
					s->mono_ms);
		limited(v, shared);
		return;
	}
	v->delay_ms = oc_limit_failed(l, s->c, OC_LIMIT_SHARED, s->fx.key, s->fx.exempt, s->mono_ms);
	refuse(v, 401, "UNAUTHORIZED", "Unauthorized");
}

void oc_auth_http(struct oc_auth *a, const struct oc_config *c, const struct oc_auth_peer *peer,
		  const char *authorization, int64_t now_ms, int64_t mono_ms, struct oc_arena *arena,
		  struct oc_auth_verdict *v)
{
	struct secrets s = {.a = a, .c = c, .now_ms = now_ms, .mono_ms = mono_ms, .arena = arena};
	const char *given = bearer(arena, authorization);
	struct oc_scopes capped;

	*v = (struct oc_auth_verdict){.http_status = 401, .code = "UNAUTHORIZED",
				      .message = "Unauthorized"};
	oc_auth_limit_key(c, peer, &s.fx);
	if (peer->reject) {
		refuse(v, 403, "FORBIDDEN", peer->reject);
		return;
	}
	if (peer->has_origin && !peer->origin_ok) {
		refuse(v, 403, "FORBIDDEN", "origin not allowed");
		return;
	}
	switch (c->auth.mode) {
	case OC_AUTH_NONE:
		capped = oc_scopes_capped(arena, &oc_scopes_full, peer);
		accept(v, OC_AUTH_BY_NOTHING, &capped, peer->local_direct);
		break;
	case OC_AUTH_TRUSTED_PROXY:
		if (peer->user[0] && !peer->proxy_why[0]) {
			capped = oc_scopes_capped(arena, &oc_scopes_full, peer);
			accept(v, OC_AUTH_BY_PROXY, &capped, false);
			v->user = oc_arena_strdup(arena, peer->user);
		} else if (peer->local_direct && c->auth.password) {
			by_secret(&s, given, c->auth.password, OC_AUTH_BY_PASSWORD, false, v);
		}
		break;
	case OC_AUTH_TOKEN:
		by_secret(&s, given, c->auth.token, OC_AUTH_BY_TOKEN, true, v);
		break;
	case OC_AUTH_PASSWORD:
		by_secret(&s, given, c->auth.password, OC_AUTH_BY_PASSWORD, true, v);
		break;
	}
}
