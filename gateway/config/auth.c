/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth - the section gateway.auth: which credential lets somebody in.
 *
 * Flag before environment before configuration.  What contradicts itself is an error, never a choice.
 */
#include <string.h>
#include <strings.h>

#include "gateway/config/internal.h"

static const char *const mode_names[] = {"token", "password", "none", "trusted-proxy"};
#define MODES (sizeof(mode_names) / sizeof(mode_names[0]))

const char *oc_config_auth_mode_name(enum oc_config_auth_mode m)
{
	return mode_names[m];
}

/* The text at path, or what its SecretRef stood for. */
static const char *secret(const struct oc_config_build *b, const char *path)
{
	const struct oc_json *v = oc_config_find(b->s->root, path);

	if (!v)
		return NULL;
	if (v->type == OC_JSON_STRING)
		return *v->string ? v->string : NULL;
	for (size_t i = 0; i < b->s->secret_count; i++)
		if (strcmp(b->s->secrets[i].path, path) == 0)
			return b->s->secrets[i].value;
	return NULL;
}

static void credential(const struct oc_config_build *b, const char *flag, const char *env,
		       const char *path, const char **value, enum oc_config_from *from)
{
	if ((*value = flag))
		*from = OC_FROM_FLAG;
	else if ((*value = env))
		*from = OC_FROM_ENV;
	else if ((*value = secret(b, path)))
		*from = OC_FROM_CONFIG;
}

static int mode(struct oc_config_build *b, struct oc_err *err)
{
	struct oc_config_auth *auth = &b->c->auth;
	const struct oc_json *v = oc_config_find(b->s->root, "gateway.auth.mode");
	unsigned m = OC_AUTH_TOKEN;

	if (b->s->flags.auth) {
		auth->mode_from = OC_FROM_FLAG;
		if (oc_config_word("--auth", b->s->flags.auth, mode_names, MODES, &m, err) < 0)
			return -1;
	} else if (v) {
		auth->mode_from = OC_FROM_CONFIG;
		if (oc_config_enum(b, "gateway.auth.mode", mode_names, MODES, &m, err) < 0)
			return -1;
	} else if (auth->token && auth->password && !b->s->client) {
		oc_fail(err, 0, "there is a gateway token (%s) and a password (%s), and no "
				"gateway.auth.mode",
			oc_config_from_name(auth->token_from),
			oc_config_from_name(auth->password_from));
		return oc_err_hint(err, "set gateway.auth.mode to token or to password");
	} else if (auth->password && !auth->token) {
		m = OC_AUTH_PASSWORD;
	}
	auth->mode = (enum oc_config_auth_mode)m;
	return 0;
}

static int grants(struct oc_config_build *b, struct oc_err *err)
{
	static const char path[] = "gateway.auth.trustedProxy.identityScopes";
	const struct oc_json *v = oc_config_find(b->s->root, path);
	struct oc_config_auth *auth = &b->c->auth;

	if (!v)
		return 0;
	auth->proxy.grants = oc_arena_array(b->a, v->count, sizeof(*auth->proxy.grants));
	for (const struct oc_json *m = v->child; m; m = m->next) {
		struct oc_config_grant *g = &auth->proxy.grants[auth->proxy.grant_count++];
		g->user = m->key;
		g->scopes.list = oc_arena_array(b->a, m->count, sizeof(*g->scopes.list));
		for (const struct oc_json *e = m->child; e; e = e->next) {
			if (e->unset_env)
				continue;
			if (e->type != OC_JSON_STRING || !*e->string)
				return oc_json_fail(b->a, e, err, "must be the name of a scope");
			g->scopes.list[g->scopes.count++] = e->string;
		}
	}
	return 0;
}

static int header_name(struct oc_config_build *b, const struct oc_json *v, const char **out,
		       struct oc_err *err)
{
	char *name = oc_arena_strdup(b->a, v->string);

	/* RFC 9110 5.1: a token; looked up in lower case. */
	for (char *p = name; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
		      *p == '_'))
			return oc_json_fail(b->a, v, err, "\"%.60s\" is no header name", v->string);
	}
	if (strncmp(name, "tailscale-", 10) == 0)
		return oc_json_fail(b->a, v, err, "Tailscale's headers never count on this port");
	*out = name;
	return 0;
}

static int proxy(struct oc_config_build *b, struct oc_err *err)
{
	static const char root[] = "gateway.auth.trustedProxy";
	const struct oc_json *p = oc_config_find(b->s->root, root), *v;
	struct oc_config_auth *auth = &b->c->auth;

	if (p) {
		if ((v = oc_config_find(p, "userHeader")) &&
		    (!*v->string || header_name(b, v, &auth->proxy.user_header, err) < 0))
			return *v->string ? -1 : oc_json_fail(b->a, v, err, "must not be empty");
		if ((v = oc_config_find(p, "requiredHeaders"))) {
			struct oc_config_strings *h = &auth->proxy.required_headers;
			h->list = oc_arena_array(b->a, v->count, sizeof(*h->list));
			for (const struct oc_json *e = v->child; e; e = e->next)
				if (e->unset_env || !*e->string ||
				    header_name(b, e, &h->list[h->count++], err) < 0)
					return e->unset_env || !*e->string
						       ? oc_json_fail(b->a, e, err,
								      "must be a header's name")
						       : -1;
		}
		if (oc_config_strings_at(b, "gateway.auth.trustedProxy.allowUsers",
					 &auth->proxy.allow_users, err) < 0)
			return -1;
		/* An entry whose variable is unset must not turn "these users" into "all". */
		if ((v = oc_config_find(p, "allowUsers")) && v->count && !auth->proxy.allow_users.count)
			return oc_json_fail(b->a, v, err, "names nobody: its variables are unset");
		if (grants(b, err) < 0 ||
		    oc_config_strings_at(b, "gateway.auth.trustedProxy.deviceAutoApprove.scopes",
					 &auth->proxy.auto_approve_scopes, err) < 0)
			return -1;
		auth->proxy.allow_loopback = oc_config_bool(p, "allowLoopback", false);
		auth->proxy.auto_approve = oc_config_bool(p, "deviceAutoApprove.enabled", false);
	}
	if (auth->mode != OC_AUTH_TRUSTED_PROXY || b->s->client)
		return 0;
	if (auth->token) {
		oc_fail(err, 0, "gateway.auth.mode is trusted-proxy, and there is a token (%s) too",
			oc_config_from_name(auth->token_from));
		return oc_err_hint(err, "a token would be a way around the proxy: unset it");
	}
	if (!auth->proxy.user_header)
		return oc_fail(err, 0, "gateway.auth.mode is trusted-proxy, and there is no "
				       "gateway.auth.trustedProxy.userHeader");
	if (!b->c->trusted_proxy_count)
		return oc_fail(err, 0, "gateway.auth.mode is trusted-proxy, and "
				       "gateway.trustedProxies is empty");
	return 0;
}

static int rate_limit(struct oc_config_build *b, struct oc_err *err)
{
	uint64_t attempts = 10, window = 60000, lockout = 300000;

	if (oc_config_uint(b, "gateway.auth.rateLimit.maxAttempts", 1, 100000, &attempts, err) < 0 ||
	    oc_config_uint(b, "gateway.auth.rateLimit.windowMs", 1000, 86400000, &window, err) < 0 ||
	    oc_config_uint(b, "gateway.auth.rateLimit.lockoutMs", 1000, 86400000, &lockout, err) < 0)
		return -1;
	b->c->auth.limit.max_attempts = (unsigned)attempts;
	b->c->auth.limit.window_ms = (unsigned)window;
	b->c->auth.limit.lockout_ms = (unsigned)lockout;
	b->c->auth.limit.exempt_loopback =
		oc_config_bool(b->s->root, "gateway.auth.rateLimit.exemptLoopback", true);
	return 0;
}

int oc_config_build_auth(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_config_source *s = b->s;
	struct oc_config_auth *auth = &b->c->auth;

	credential(b, s->flags.token, s->env_token, "gateway.auth.token", &auth->token,
		   &auth->token_from);
	credential(b, s->flags.password, s->env_password, "gateway.auth.password", &auth->password,
		   &auth->password_from);
	if (mode(b, err) < 0 || proxy(b, err) < 0 || rate_limit(b, err) < 0)
		return -1;
	if (auth->mode == OC_AUTH_TOKEN && !auth->token) {
		auth->token = s->stored_token;
		auth->token_from = OC_FROM_STORE;
		auth->needs_token = !auth->token;
	}
	if (s->client)
		return 0;
	if (auth->mode == OC_AUTH_PASSWORD && !auth->password) {
		oc_fail(err, 0, "gateway.auth.mode is password, and there is no password");
		return oc_err_hint(err, "set OPENCLAW_GATEWAY_PASSWORD or gateway.auth.password");
	}
	if (auth->mode == OC_AUTH_NONE)
		oc_config_warn(b, NULL,
			       "gateway.auth.mode is none (%s): every program and every user of "
			       "this machine may use the gateway with all its rights",
			       oc_config_from_name(auth->mode_from));
	if (auth->mode == OC_AUTH_TOKEN && auth->token && strlen(auth->token) < 24)
		oc_config_warn(b, oc_config_find(s->root, "gateway.auth.token"),
			       "the gateway token (%s) has less than 24 characters",
			       oc_config_from_name(auth->token_from));
	return 0;
}
