/* SPDX-License-Identifier: Apache-2.0 */
/*
 * params - the parameters of connect.  Pure.
 *
 * Unknown members are ignored at the top and in client, so that a newer client gets in; auth and
 * device, which carry secrets and proofs, are closed.
 */
#include <string.h>

#include "gateway/protocol/internal.h"

#define TEXT_MAX   512u /* of any text but these: */
#define SECRET_MAX 4096u
#define LIST_MAX   256u
#define NODE_MAX   4096u /* commands of a node */

static const char *const client_ids[] = {"webchat-ui",
					 "openclaw-control-ui",
					 "openclaw-browser-copilot",
					 "openclaw-tui",
					 "webchat",
					 "cli",
					 "gateway-client",
					 "openclaw-macos",
					 "openclaw-linux",
					 "openclaw-ios",
					 "openclaw-watchos",
					 "openclaw-android",
					 "node-host",
					 "openclaw-worker",
					 "test",
					 "fingerprint",
					 "openclaw-probe",
					 NULL};
static const char *const client_modes[] = {"webchat", "cli",   "ui",   "backend", "node",
					   "worker",  "probe", "test", NULL};

struct reader {
	struct oc_arena *arena;
	const char *why; /* the first thing that is wrong */
};

static void wrong(struct reader *r, const char *parent, const char *key, const char *what)
{
	if (!r->why)
		r->why = oc_arena_printf(r->arena, "at /%s%s%s: %s", parent, *parent ? "/" : "",
					 key, what);
}

/* A text that is not empty; NULL if it is not there. */
static const char *text(struct reader *r, const struct oc_json *o, const char *parent,
			const char *key, bool required, size_t max)
{
	const struct oc_json *v = oc_json_get(o, key);

	if (!v) {
		if (required)
			wrong(r, parent, key, "is required");
		return NULL;
	}
	if (v->type != OC_JSON_STRING || v->length == 0 || strlen(v->string) != v->length ||
	    v->length > max) {
		wrong(r, parent, key, "must be a text that is not empty or too long");
		return NULL;
	}
	return v->string;
}

static int64_t number(struct reader *r, const struct oc_json *o, const char *parent,
		      const char *key, int64_t min)
{
	const struct oc_json *v = oc_json_get(o, key);
	int64_t n = 0;

	if (!v || v->type != OC_JSON_NUMBER ||
	    oc_json_int(r->arena, v, min, INT64_C(1) << 53, &n, NULL) < 0)
		wrong(r, parent, key, v ? "must be a whole number" : "is required");
	return n;
}

static bool one_of(const char *s, const char *const *set)
{
	for (; *set; set++)
		if (strcmp(s, *set) == 0)
			return true;
	return false;
}

static const struct oc_json *object(struct reader *r, const struct oc_json *o, const char *key,
				    bool required)
{
	const struct oc_json *v = oc_json_get(o, key);

	if (v && v->type != OC_JSON_OBJECT) {
		wrong(r, "", key, "must be an object");
		return NULL;
	}
	if (!v && required)
		wrong(r, "", key, "is required");
	return v;
}

static void closed(struct reader *r, const struct oc_json *o, const char *parent,
		   const char *const *keys)
{
	for (const struct oc_json *m = o->child; m; m = m->next)
		if (!one_of(m->key, keys))
			wrong(r, parent, "", "has a member that is not known");
}

/* An array of texts: checked, and returned if wanted. */
static void texts(struct reader *r, const struct oc_json *o, const char *key, size_t max,
		  struct oc_scopes *out)
{
	const struct oc_json *v = oc_json_get(o, key);
	const char **list;
	size_t n = 0;

	if (!v)
		return;
	if (v->type != OC_JSON_ARRAY || v->count > max) {
		wrong(r, "", key, "must be an array that is not too long");
		return;
	}
	list = oc_arena_array(r->arena, v->count + 1, sizeof *list);
	for (const struct oc_json *e = v->child; e; e = e->next) {
		if (e->type != OC_JSON_STRING || e->length == 0 || strlen(e->string) != e->length ||
		    e->length > TEXT_MAX) {
			wrong(r, "", key, "must hold texts that are not empty");
			return;
		}
		list[n++] = e->string;
	}
	if (out)
		*out = (struct oc_scopes){list, n};
}

static void read_client(struct reader *r, const struct oc_json *params, struct oc_connect *out)
{
	const struct oc_json *o = object(r, params, "client", true);
	struct oc_auth_connect *a = &out->auth;

	if (!o)
		return;
	a->client_id = text(r, o, "client", "id", true, TEXT_MAX);
	a->client_mode = text(r, o, "client", "mode", true, TEXT_MAX);
	a->client_version = text(r, o, "client", "version", true, TEXT_MAX);
	a->platform = text(r, o, "client", "platform", true, TEXT_MAX);
	a->display_name = text(r, o, "client", "displayName", false, TEXT_MAX);
	a->device_family = text(r, o, "client", "deviceFamily", false, TEXT_MAX);
	out->instance_id = text(r, o, "client", "instanceId", false, TEXT_MAX);
	(void)text(r, o, "client", "modelIdentifier", false, TEXT_MAX);
	(void)text(r, o, "client", "timeZone", false, TEXT_MAX);
	(void)text(r, o, "client", "buildId", false, TEXT_MAX);
	if (a->client_id && !one_of(a->client_id, client_ids))
		wrong(r, "client", "id", "is not one of the known clients");
	if (a->client_mode && !one_of(a->client_mode, client_modes))
		wrong(r, "client", "mode", "is not one of the known modes");
}

/* Secrets may be empty: then they count as absent. */
static const char *secret(struct reader *r, const struct oc_json *o, const char *key)
{
	const struct oc_json *v = oc_json_get(o, key);

	if (!v)
		return NULL;
	if (v->type != OC_JSON_STRING || strlen(v->string) != v->length || v->length > SECRET_MAX) {
		wrong(r, "auth", key, "must be a text that is not too long");
		return NULL;
	}
	return v->length ? v->string : NULL;
}

static void read_auth(struct reader *r, const struct oc_json *params, struct oc_connect *out)
{
	static const char *const keys[] = {"token",
					   "password",
					   "deviceToken",
					   "bootstrapToken",
					   "approvalRuntimeToken",
					   "agentRuntimeIdentityToken",
					   NULL};
	const struct oc_json *o = object(r, params, "auth", false);

	if (!o)
		return;
	closed(r, o, "auth", keys);
	out->auth.token = secret(r, o, "token");
	out->auth.password = secret(r, o, "password");
	out->auth.device_token = secret(r, o, "deviceToken");
	out->auth.bootstrap_token = secret(r, o, "bootstrapToken");
	(void)secret(r, o, "approvalRuntimeToken");
	(void)secret(r, o, "agentRuntimeIdentityToken");
}

static void read_device(struct reader *r, const struct oc_json *params, struct oc_connect *out)
{
	static const char *const keys[] = {"id",       "publicKey", "signature",
					   "signedAt", "nonce",	    NULL};
	const struct oc_json *o = object(r, params, "device", false), *nonce;

	if (!o)
		return;
	closed(r, o, "device", keys);
	out->device.id = text(r, o, "device", "id", true, TEXT_MAX);
	out->device.public_key = text(r, o, "device", "publicKey", true, TEXT_MAX);
	out->device.signature = text(r, o, "device", "signature", true, TEXT_MAX);
	out->device.signed_at = number(r, o, "device", "signedAt", 0);
	/* Blank is for auth to say: it has a code of its own. */
	nonce = oc_json_get(o, "nonce");
	if (!nonce || nonce->type != OC_JSON_STRING || nonce->length > OC_AUTH_NONCE_MAX ||
	    strlen(nonce->string) != nonce->length)
		wrong(r, "device", "nonce", "must be a text that is not too long");
	else
		out->device.nonce = nonce->string;
	out->auth.device = &out->device;
}

static void read_rest(struct reader *r, const struct oc_json *params)
{
	const struct oc_json *permissions = object(r, params, "permissions", false);

	texts(r, params, "caps", LIST_MAX, NULL);
	texts(r, params, "commands", NODE_MAX, NULL);
	for (const struct oc_json *m = permissions ? permissions->child : NULL; m; m = m->next)
		if (m->type != OC_JSON_BOOL)
			wrong(r, "permissions", "", "must hold true and false only");
	(void)text(r, params, "", "locale", false, TEXT_MAX);
	(void)text(r, params, "", "userAgent", false, TEXT_MAX);
	(void)text(r, params, "", "pathEnv", false, SECRET_MAX * 4);
}

int oc_connect_parse(struct oc_arena *a, const struct oc_json *params, struct oc_connect *out,
		     const char **why)
{
	struct reader r = {.arena = a};

	*out = (struct oc_connect){0};
	if (!params || params->type != OC_JSON_OBJECT) {
		*why = "at /: must be an object";
		return -1;
	}
	out->min = number(&r, params, "", "minProtocol", 1);
	out->max = number(&r, params, "", "maxProtocol", 1);
	read_client(&r, params, out);
	out->auth.role = text(&r, params, "", "role", false, TEXT_MAX);
	texts(&r, params, "scopes", LIST_MAX, &out->auth.scopes);
	read_auth(&r, params, out);
	read_device(&r, params, out);
	read_rest(&r, params);
	*why = r.why;
	return r.why ? -1 : 0;
}
