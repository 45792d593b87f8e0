/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - the device.* methods: list, approve, reject, remove, rename, rotate, revoke.
 *
 * Who approves gives no more than he has.  A caller that came in by a device token and is no admin sees and changes his own
 * device only.  Parameters are strict here: an unknown key is an error.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "gateway/auth/internal.h"

struct call {
	struct oc_auth *a;
	const struct oc_auth_caller *caller;
	const struct oc_json *params;
	int64_t now_ms;
	struct oc_arena *arena;
	struct oc_auth_answer *out;
};

static bool admin(const struct call *c)
{
	return oc_scopes_has(&c->caller->scopes, "operator.admin");
}

/* A caller that may only see to his own device. */
static bool confined(const struct call *c)
{
	return c->caller->by_device_token && !admin(c);
}

static bool own(const struct call *c, const char *device)
{
	return c->caller->device_id && strcmp(c->caller->device_id, device) == 0;
}

__attribute__((format(printf, 3, 4))) static void fail(struct call *c, const char *code, const char *fmt,
							...)
{
	va_list ap;

	va_start(ap, fmt);
	c->out->ok = false;
	c->out->code = code;
	c->out->message = oc_arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
}

static void missing_scope(struct call *c, const char *scope)
{
	fail(c, "FORBIDDEN", "missing scope: %s", scope);
	c->out->details = oc_arena_printf(c->arena,
					  "{\"code\":\"MISSING_SCOPE\",\"missingScope\":\"%s\","
					  "\"requiredScopes\":[\"%s\"]}",
					  scope, scope);
}

/* Only these keys, and the texts among them; returns false after a failure. */
static bool params(struct call *c, const char *method, const char *const *keys, const char **values,
		   size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = NULL;
	if (c->params && c->params->type != OC_JSON_OBJECT) {
		fail(c, "INVALID_REQUEST", "invalid %s params: must be object", method);
		return false;
	}
	for (const struct oc_json *m = c->params ? c->params->child : NULL; m; m = m->next) {
		size_t i = 0;
		while (i < count && strcmp(keys[i], m->key) != 0)
			i++;
		if (i == count) {
			fail(c, "INVALID_REQUEST", "invalid %s params: unexpected property '%.40s'",
			     method, m->key);
			return false;
		}
		if (strcmp(m->key, "scopes") == 0)
			continue;
		if (m->type != OC_JSON_STRING || !*m->string || strlen(m->string) != m->length) {
			fail(c, "INVALID_REQUEST", "invalid %s params: %s must be a text", method,
			     m->key);
			return false;
		}
		values[i] = m->string;
	}
	for (size_t i = 0; i < count; i++)
		if (!values[i] && strcmp(keys[i], "scopes") != 0) {
			fail(c, "INVALID_REQUEST", "invalid %s params: %s is missing", method, keys[i]);
			return false;
		}
	return true;
}

static bool save(struct call *c)
{
	struct oc_err err = {0};

	if (oc_store_save(c->a, &err) == 0)
		return true;
	fail(c, "UNAVAILABLE", "the device store cannot be written");
	return false;
}

static void put(struct oc_json_writer *w, const char *key, const char *s)
{
	if (!s || !*s)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

static void put_time(struct oc_json_writer *w, const char *key, int64_t ms)
{
	if (!ms)
		return;
	oc_jw_key(w, key);
	oc_jw_int(w, ms);
}

static void write_token(struct oc_json_writer *w, const struct oc_token *t)
{
	oc_jw_object(w);
	put(w, "role", t->role);
	oc_jw_key(w, "scopes");
	oc_scopes_write(w, &t->scopes);
	put_time(w, "createdAtMs", t->created_ms);
	put_time(w, "rotatedAtMs", t->rotated_ms);
	put_time(w, "lastUsedAtMs", t->used_ms);
	put_time(w, "revokedAtMs", t->revoked_ms);
	oc_jw_object_end(w);
}

static void write_device(struct oc_json_writer *w, const struct oc_device *d)
{
	oc_jw_object(w);
	put(w, "deviceId", d->id);
	put(w, "displayName", d->name);
	put(w, "operatorLabel", d->label);
	put(w, "platform", d->platform);
	put(w, "deviceFamily", d->family);
	put(w, "clientId", d->client_id);
	put(w, "clientMode", d->client_mode);
	put(w, "remoteIp", d->ip);
	oc_jw_key(w, "roles");
	oc_scopes_write(w, &d->roles);
	oc_jw_key(w, "scopes");
	oc_scopes_write(w, &d->scopes);
	put_time(w, "approvedAtMs", d->approved_ms);
	put_time(w, "createdAtMs", d->created_ms);
	oc_jw_key(w, "tokens");
	oc_jw_array(w);
	for (const struct oc_token *t = d->tokens; t; t = t->next)
		write_token(w, t);
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}

static void finish(struct call *c, const struct oc_buf *b)
{
	c->out->ok = true;
	c->out->payload = oc_arena_strndup(c->arena, b->data, b->len);
}

static void list(struct call *c, const char *method)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, NULL, NULL, 0))
		return;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "pending");
	oc_jw_array(&w);
	for (const struct oc_pending *p = c->a->pending; p; p = p->next)
		if (!confined(c) || own(c, p->device))
			oc_pending_write(&w, p);
	oc_jw_array_end(&w);
	oc_jw_key(&w, "paired");
	oc_jw_array(&w);
	for (const struct oc_device *d = c->a->devices; d; d = d->next)
		if (!confined(c) || own(c, d->id))
			write_device(&w, d);
	oc_jw_array_end(&w);
	oc_jw_object_end(&w);
	finish(c, &b);
}

/* The request that the caller may answer, NULL after a failure.  "latest" is the youngest. */
static struct oc_pending *request(struct call *c, const char *id)
{
	struct oc_pending *p = oc_pending_find(c->a, id);

	if (!p || (confined(c) && !own(c, p->device))) {
		fail(c, "INVALID_REQUEST", "unknown requestId");
		return NULL;
	}
	return p;
}

static void approve(struct call *c, const char *method)
{
	static const char *const keys[] = {"requestId"};
	const char *values[1];
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, keys, values, 1))
		return;
	struct oc_pending *p = request(c, values[0]);
	if (!p)
		return;
	if (strcmp(p->role, "operator") != 0 && !admin(c)) {
		missing_scope(c, "operator.admin");
		return;
	}
	for (size_t i = 0; i < p->scopes.count; i++)
		if (!oc_scopes_allow(&c->caller->scopes, p->scopes.list[i])) {
			/* the name came from the client: only into the message, which is escaped */
			fail(c, "FORBIDDEN", "missing scope: %s", p->scopes.list[i]);
			return;
		}
	struct oc_device *d = oc_store_approve(c->a, p, c->now_ms);
	if (!save(c))
		return;
	c->out->event = "device.pair.resolved";
	c->out->event_payload =
		oc_resolved_text(c->arena, p->id, p->device, "approved", c->now_ms);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "requestId", p->id);
	oc_jw_key(&w, "device");
	write_device(&w, d);
	oc_jw_object_end(&w);
	oc_pending_drop(c->a, p);
	finish(c, &b);
}

static void reject(struct call *c, const char *method)
{
	static const char *const keys[] = {"requestId"};
	const char *values[1];
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, keys, values, 1))
		return;
	struct oc_pending *p = request(c, values[0]);
	if (!p)
		return;
	c->out->event = "device.pair.resolved";
	c->out->event_payload =
		oc_resolved_text(c->arena, p->id, p->device, "rejected", c->now_ms);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "requestId", p->id);
	put(&w, "deviceId", p->device);
	oc_jw_object_end(&w);
	oc_pending_drop(c->a, p);
	finish(c, &b);
}

static struct oc_device *device(struct call *c, const char *id)
{
	struct oc_device *d = oc_store_find(c->a, id);

	if (!d || (confined(c) && !own(c, id))) {
		fail(c, "INVALID_REQUEST", "unknown deviceId");
		return NULL;
	}
	return d;
}

static void remove_device(struct call *c, const char *method)
{
	static const char *const keys[] = {"deviceId"};
	const char *values[1];
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, keys, values, 1))
		return;
	struct oc_device *d = device(c, values[0]);
	if (!d)
		return;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "deviceId", d->id);
	oc_jw_object_end(&w);
	c->out->drop_device = oc_arena_strdup(c->arena, d->id);
	oc_store_remove(c->a, d);
	if (save(c))
		finish(c, &b);
}

static void rename_device(struct call *c, const char *method)
{
	static const char *const keys[] = {"deviceId", "label"};
	const char *values[2];
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, keys, values, 2))
		return;
	struct oc_device *d = device(c, values[0]);
	if (!d)
		return;
	size_t n = strlen(values[1]), letters = 0;
	for (size_t i = 0, len; i < n; i += len, letters++) {
		uint32_t cp = 0;
		len = oc_utf8_decode(values[1] + i, n - i, &cp);
		if (len == 0 || oc_utf8_unprintable(cp) || letters == 64) {
			fail(c, "INVALID_REQUEST",
			     "invalid %s params: label must be at most 64 printable characters",
			     method);
			return;
		}
	}
	oc_store_rename(d, values[1]);
	if (!save(c))
		return;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "deviceId", d->id);
	put(&w, "label", d->label);
	oc_jw_object_end(&w);
	finish(c, &b);
}

/* scopes of the parameters, or those that the token has; false after a failure. */
static bool rotated_scopes(struct call *c, const char *method, const struct oc_device *d,
			   const struct oc_token *t, struct oc_scopes *out)
{
	const struct oc_json *v = oc_json_get(c->params, "scopes");

	*out = t->scopes;
	if (v) {
		if (v->type != OC_JSON_ARRAY) {
			fail(c, "INVALID_REQUEST", "invalid %s params: scopes must be array", method);
			return false;
		}
		*out = (struct oc_scopes){.list = oc_arena_array(c->arena, v->count, sizeof(*out->list))};
		for (const struct oc_json *e = v->child; e; e = e->next) {
			if (e->type != OC_JSON_STRING || !*e->string) {
				fail(c, "INVALID_REQUEST",
				     "invalid %s params: scopes must be texts", method);
				return false;
			}
			out->list[out->count++] = e->string;
		}
	}
	if (!oc_scopes_cover(&d->scopes, out)) {
		fail(c, "FORBIDDEN", "the device is not approved for these scopes");
		return false;
	}
	if (!oc_scopes_cover(&c->caller->scopes, out)) {
		fail(c, "FORBIDDEN", "you cannot give scopes that you do not have");
		return false;
	}
	return true;
}

static struct oc_token *token(struct call *c, const struct oc_device *d, const char *role)
{
	struct oc_token *t = oc_store_token(d, role);

	if (!t || !oc_scopes_has(&d->roles, role)) {
		fail(c, "INVALID_REQUEST", "the device has no token for this role");
		return NULL;
	}
	if (strcmp(role, "operator") != 0 && !admin(c)) {
		missing_scope(c, "operator.admin");
		return NULL;
	}
	return t;
}

static void rotate(struct call *c, const char *method)
{
	static const char *const keys[] = {"deviceId", "role", "scopes"};
	const char *values[3], *text;
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	struct oc_scopes scopes;

	if (!params(c, method, keys, values, 3))
		return;
	struct oc_device *d = device(c, values[0]);
	struct oc_token *t = d ? token(c, d, values[1]) : NULL;
	if (!t || !rotated_scopes(c, method, d, t, &scopes))
		return;
	struct oc_scopes kept = oc_scopes_copy(&scopes);
	oc_scopes_free(&t->scopes);
	t->scopes = kept;
	oc_store_new_serial(t);
	t->rotated_ms = c->now_ms;
	t->revoked_ms = 0;
	/* In band only to the device itself, and only if its own token brought it here. */
	bool in_band = c->caller->by_device_token && own(c, d->id);
	if (!save(c) || oc_store_token_text(c->a, d, t, c->arena, &text) < 0)
		return;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "deviceId", d->id);
	put(&w, "role", t->role);
	oc_jw_key(&w, "scopes");
	oc_scopes_write(&w, &t->scopes);
	put_time(&w, "rotatedAtMs", t->rotated_ms);
	if (in_band)
		put(&w, "token", text);
	put(&w, "tokenDelivery", in_band ? "in-band" : "withheld-cross-device");
	oc_jw_object_end(&w);
	if (!in_band) {
		c->out->drop_device = oc_arena_strdup(c->arena, d->id);
		c->out->drop_role = oc_arena_strdup(c->arena, t->role);
	}
	finish(c, &b);
}

static void revoke(struct call *c, const char *method)
{
	static const char *const keys[] = {"deviceId", "role"};
	const char *values[2];
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!params(c, method, keys, values, 2))
		return;
	struct oc_device *d = device(c, values[0]);
	struct oc_token *t = d ? token(c, d, values[1]) : NULL;
	if (!t)
		return;
	/* The approval of the role goes as well, or the next connect with the shared secret would bring a new token. */
	oc_store_revoke(d, t, c->now_ms);
	if (!save(c))
		return;
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	put(&w, "deviceId", d->id);
	put(&w, "role", t->role);
	put_time(&w, "revokedAtMs", t->revoked_ms);
	oc_jw_object_end(&w);
	c->out->drop_device = oc_arena_strdup(c->arena, d->id);
	c->out->drop_role = oc_arena_strdup(c->arena, t->role);
	finish(c, &b);
}

static const struct {
	const char *name;
	void (*run)(struct call *c, const char *method);
} methods[] = {
	{"device.pair.list", list},	      {"device.pair.approve", approve},
	{"device.pair.reject", reject},	      {"device.pair.remove", remove_device},
	{"device.pair.rename", rename_device}, {"device.token.rotate", rotate},
	{"device.token.revoke", revoke},
};

const char *const oc_auth_methods[] = {
	"device.pair.list",   "device.pair.approve", "device.pair.reject",  "device.pair.remove",
	"device.pair.rename", "device.token.rotate", "device.token.revoke", NULL,
};

bool oc_auth_call(struct oc_auth *a, const struct oc_auth_caller *caller, const char *method,
		  const struct oc_json *params_in, int64_t now_ms, struct oc_arena *arena,
		  struct oc_auth_answer *out)
{
	struct call c = {.a = a, .caller = caller, .params = params_in, .now_ms = now_ms,
			 .arena = arena, .out = out};

	*out = (struct oc_auth_answer){.code = "INVALID_REQUEST", .message = "refused"};
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, method) != 0)
			continue;
		if (!oc_scopes_allow(&caller->scopes, "operator.pairing"))
			missing_scope(&c, "operator.pairing");
		else
			methods[i].run(&c, method);
		return true;
	}
	return false;
}
