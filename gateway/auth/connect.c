/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - applies what decide.c decided: counters, pairing, tokens; and the texts of a request to pair.
 */
#include <string.h>

#include "gateway/auth/internal.h"

const char *oc_auth_method_name(enum oc_auth_method m)
{
	static const char *const names[] = {"none", "token", "password", "device-token",
					    "trusted-proxy"};
	return names[m];
}

static struct oc_scopes keep(struct oc_arena *a, const struct oc_scopes *s)
{
	struct oc_scopes out = {.list = oc_arena_array(a, s->count, sizeof(*out.list))};

	for (size_t i = 0; i < s->count; i++)
		if (!oc_scopes_has(&out, s->list[i]))
			out.list[out.count++] = oc_arena_strdup(a, s->list[i]);
	return out;
}

static void member(struct oc_json_writer *w, const char *key, const char *s)
{
	if (!s || !*s)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

static const char *take(struct oc_arena *a, const struct oc_buf *b)
{
	return oc_arena_strndup(a, b->data, b->len);
}

const char *oc_pending_text(struct oc_arena *a, const struct oc_pending *p)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 0);
	oc_pending_write(&w, p);
	return take(a, &b);
}

void oc_pending_write(struct oc_json_writer *w, const struct oc_pending *p)
{
	const char *role = p->role;
	struct oc_scopes roles = {.list = &role, .count = 1};

	oc_jw_object(w);
	member(w, "requestId", p->id);
	member(w, "deviceId", p->device);
	member(w, "publicKey", p->key);
	member(w, "displayName", p->name);
	member(w, "platform", p->platform);
	member(w, "deviceFamily", p->family);
	member(w, "clientId", p->client_id);
	member(w, "clientMode", p->client_mode);
	member(w, "role", p->role);
	oc_jw_key(w, "roles");
	oc_scopes_write(w, &roles);
	oc_jw_key(w, "scopes");
	oc_scopes_write(w, &p->scopes);
	member(w, "remoteIp", p->ip);
	member(w, "reason", p->reason);
	if (p->repair) {
		oc_jw_key(w, "isRepair");
		oc_jw_bool(w, true);
	}
	oc_jw_key(w, "ts");
	oc_jw_int(w, p->created_ms);
	oc_jw_object_end(w);
}

const char *oc_resolved_text(struct oc_arena *a, const char *request, const char *device,
			     const char *decision, int64_t now_ms)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	member(&w, "requestId", request);
	member(&w, "deviceId", device);
	member(&w, "decision", decision);
	oc_jw_key(&w, "ts");
	oc_jw_int(&w, now_ms);
	oc_jw_object_end(&w);
	return take(a, &b);
}

static const char *why_text(const char *reason)
{
	if (strcmp(reason, "role-upgrade") == 0)
		return "the device asks for a role that it does not have";
	if (strcmp(reason, "scope-upgrade") == 0)
		return "the device asks for more scopes than it has";
	if (strcmp(reason, "metadata-upgrade") == 0)
		return "the device says that it is of another platform";
	return "device is not approved yet";
}

static void ask(struct oc_auth *a, const struct oc_pending *like, const char *reason,
		int64_t now_ms, struct oc_arena *arena, struct oc_auth_verdict *v)
{
	const struct oc_device *d = oc_store_find(a, like->device);
	static const struct oc_scopes nothing;
	char replaced[37];
	struct oc_pending *p = oc_pending_put(a, like, now_ms, replaced);
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (replaced[0])
		v->pair_resolved =
			oc_resolved_text(arena, replaced, p->device, "superseded", now_ms);
	if (p->created_ms == now_ms && p->seen_ms == now_ms)
		v->pair_requested = oc_pending_text(arena, p);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	member(&w, "code", "PAIRING_REQUIRED");
	member(&w, "reason", reason);
	member(&w, "requestId", p->id);
	member(&w, "remediationHint",
	       oc_arena_printf(arena, "on the gateway's host: openclaw devices approve %s", p->id));
	member(&w, "deviceId", p->device);
	member(&w, "requestedRole", p->role);
	oc_jw_key(&w, "requestedScopes");
	oc_scopes_write(&w, &p->scopes);
	oc_jw_key(&w, "approvedRoles");
	oc_scopes_write(&w, d ? &d->roles : &nothing);
	oc_jw_key(&w, "approvedScopes");
	oc_scopes_write(&w, d ? &d->scopes : &nothing);
	oc_jw_object_end(&w);
	v->details = take(arena, &b);
	v->message = oc_arena_printf(arena, "pairing required: %s", why_text(reason));
	v->close_reason = oc_arena_printf(arena, "pairing required (requestId: %s)", p->id);
	v->log = oc_arena_printf(arena, "device %.16s asks to be paired (%s): openclaw devices approve %s",
				 p->device, reason, p->id);
}

static void unavailable(struct oc_auth_verdict *v, struct oc_arena *arena, const struct oc_err *err)
{
	v->ok = false;
	v->code = "UNAVAILABLE";
	v->message = v->close_reason = "the device store cannot be written";
	v->retryable = true;
	v->close_code = 1013;
	v->http_status = 503;
	v->device_token = v->pair_resolved = NULL;
	v->log = oc_arena_printf(arena, "%s", err->msg);
}

/* The store has the device now (or had it): its token for this role. */
static void issue(struct oc_auth *a, const struct oc_auth_connect *p, struct oc_arena *arena,
		  bool changed, struct oc_auth_verdict *v)
{
	struct oc_device *d = oc_store_find(a, v->device_id);
	struct oc_err err = {0};
	bool made = false;

	struct oc_token *t = oc_store_issue(d, v->role, &v->scopes, p->now_ms, &made);
	t->used_ms = p->now_ms;
	a->dirty = true;
	if ((made || changed) && oc_store_save(a, &err) < 0) {
		unavailable(v, arena, &err);
		return;
	}
	if (oc_store_token_text(a, d, t, arena, &v->device_token) == 0)
		v->device_token_issued_ms = t->rotated_ms ? t->rotated_ms : t->created_ms;
}

void oc_auth_connect(struct oc_auth *a, const struct oc_config *c, const struct oc_auth_peer *peer,
		     const struct oc_auth_connect *p, struct oc_arena *arena,
		     struct oc_auth_verdict *v)
{
	struct oc_auth_effects fx;
	struct oc_pending like = {0};

	oc_auth_decide(a, c, peer, p, arena, v, &fx);
	v->scopes = keep(arena, &v->scopes);
	if (fx.failed >= 0)
		v->delay_ms = oc_limit_failed(a->limit, c, (enum oc_limit_class)fx.failed, fx.key,
					      fx.exempt, p->mono_ms);
	if (fx.passed >= 0)
		oc_limit_passed(a->limit, (enum oc_limit_class)fx.passed, fx.key);
	if (fx.pair != OC_PAIR_NONE) {
		const struct oc_scopes none = {0}, *asked = fx.pair == OC_PAIR_APPROVE ? &v->scopes
										      : &p->scopes;
		const char *role = p->role ? p->role : "operator";
		bool node = strcmp(role, "operator") != 0;
		like = (struct oc_pending){
			.device = (char *)p->device->id,
			.key = (char *)p->device->public_key,
			.name = (char *)p->display_name,
			.platform = (char *)p->platform,
			.family = (char *)p->device_family,
			.client_id = (char *)p->client_id,
			.client_mode = (char *)p->client_mode,
			.ip = peer->text[0] ? (char *)peer->text : NULL,
			.role = (char *)role,
			.reason = fx.reason,
			.scopes = node ? none : keep(arena, asked),
			.repair = oc_store_find(a, p->device->id) != NULL,
		};
	}
	if (fx.pair == OC_PAIR_ASK) {
		ask(a, &like, fx.reason, p->now_ms, arena, v);
		return;
	}
	if (!v->ok) {
		v->log = oc_arena_printf(arena, "refused %s/%s from %s: %s", p->client_id, p->client_mode,
					 peer->text[0] ? peer->text : "an unknown address",
					 v->message);
		return;
	}
	if (fx.pair == OC_PAIR_APPROVE) {
		struct oc_pending *old = oc_pending_of(a, like.device);
		if (old) {
			v->pair_resolved = oc_resolved_text(arena, old->id, old->device, "approved",
							    p->now_ms);
			oc_pending_drop(a, old);
		}
		oc_store_approve(a, &like, p->now_ms);
		v->log = oc_arena_printf(arena, "paired device %.16s (%s, local)", like.device,
					 fx.reason);
	}
	if (fx.issue)
		issue(a, p, arena, fx.pair == OC_PAIR_APPROVE, v);
}
