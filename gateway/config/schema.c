/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - which keys there are, and of which type.
 *
 * The file is shared with other programs and with newer versions: a key that nobody here knows is kept and named in a
 * warning.  Not so below gateway.auth and hooks: there a slip in a key that restricts ("allowUser") would open a door
 * that its writer believes shut, so it is an error.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/internal.h"

#define B (1u << OC_JSON_BOOL)
#define N (1u << OC_JSON_NUMBER)
#define S (1u << OC_JSON_STRING)
#define A (1u << OC_JSON_ARRAY)
#define O (1u << OC_JSON_OBJECT)
#define ANY (B | N | S | A | O)

enum { known, whole /* not looked into */, later /* known to others and without effect here */ };

/* "*": any key.  An array's elements are "[]". */
static const struct row {
	const char *path;
	unsigned types;
	int how;
} rows[] = {
	{"$schema", S, whole},
	{"acp", O, whole},
	{"agents", O, known},
	{"agents.defaults", O, whole},
	{"agents.entries", O, known},
	{"agents.entries.*", O, whole},
	{"agents.list", A, known},
	{"agents.list.[]", O, whole},
	{"approvals", O, whole},
	{"audio", O, whole},
	{"auth", O, whole},
	{"bindings", A, whole},
	{"broadcast", O, whole},
	{"browser", O, whole},
	{"canvasHost", O, whole},
	{"channels", O, whole},
	{"cli", O, whole},
	{"commands", O, whole},
	{"cron", O, whole},
	{"diagnostics", O, whole},
	{"discovery", O, whole},
	{"env", O, whole},
	{"gateway", O, known},
	{"gateway.allowRealIpFallback", B, known},
	{"gateway.auth", O, known},
	{"gateway.auth.allowTailscale", B, known},
	{"gateway.auth.mode", S, known},
	{"gateway.auth.password", S | O, whole},
	{"gateway.auth.rateLimit", O, known},
	{"gateway.auth.rateLimit.exemptLoopback", B, known},
	{"gateway.auth.rateLimit.lockoutMs", N, known},
	{"gateway.auth.rateLimit.maxAttempts", N, known},
	{"gateway.auth.rateLimit.windowMs", N, known},
	{"gateway.auth.token", S | O, whole},
	{"gateway.auth.trustedProxy", O, known},
	{"gateway.auth.trustedProxy.allowLoopback", B, known},
	{"gateway.auth.trustedProxy.allowUsers", A, known},
	{"gateway.auth.trustedProxy.allowUsers.[]", S, known},
	{"gateway.auth.trustedProxy.deviceAutoApprove", O, known},
	{"gateway.auth.trustedProxy.deviceAutoApprove.enabled", B, known},
	{"gateway.auth.trustedProxy.deviceAutoApprove.scopes", A, known},
	{"gateway.auth.trustedProxy.deviceAutoApprove.scopes.[]", S, known},
	{"gateway.auth.trustedProxy.identityScopes", O, known},
	{"gateway.auth.trustedProxy.identityScopes.*", A, known},
	{"gateway.auth.trustedProxy.identityScopes.*.[]", S, known},
	{"gateway.auth.trustedProxy.requiredHeaders", A, known},
	{"gateway.auth.trustedProxy.requiredHeaders.[]", S, known},
	{"gateway.auth.trustedProxy.userHeader", S, known},
	{"gateway.bind", S, known},
	{"gateway.channelHealthCheckMinutes", N, later},
	{"gateway.channelMaxRestartsPerHour", N, later},
	{"gateway.channelStaleEventThresholdMinutes", N, later},
	{"gateway.controlUi", O, known},
	{"gateway.controlUi.allowInsecureAuth", B, later},
	{"gateway.controlUi.allowedOrigins", A, known},
	{"gateway.controlUi.allowedOrigins.[]", S, known},
	{"gateway.controlUi.basePath", S, known},
	{"gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback", B, known},
	{"gateway.controlUi.dangerouslyDisableDeviceAuth", B, later},
	{"gateway.controlUi.embedSandbox", S, later},
	{"gateway.controlUi.enabled", B, known},
	{"gateway.controlUi.root", S, later},
	{"gateway.customBindHost", S, known},
	{"gateway.handshakeTimeoutMs", N, known},
	{"gateway.http", O, known},
	{"gateway.http.endpoints", O, known},
	{"gateway.http.endpoints.*", O, whole},
	{"gateway.http.endpoints.chatCompletions", O, known},
	{"gateway.http.endpoints.chatCompletions.*", ANY, whole},
	{"gateway.http.endpoints.chatCompletions.enabled", B, known},
	{"gateway.http.endpoints.responses", O, known},
	{"gateway.http.endpoints.responses.*", ANY, whole},
	{"gateway.http.endpoints.responses.enabled", B, known},
	{"gateway.http.securityHeaders", O, known},
	{"gateway.http.securityHeaders.strictTransportSecurity", S | B, known},
	{"gateway.mode", S, known},
	{"gateway.nodes", O, known},
	{"gateway.nodes.*", ANY, whole},
	{"gateway.nodes.pairing", O, known},
	{"gateway.nodes.pairing.*", ANY, whole},
	{"gateway.nodes.pairing.autoApproveLocal", B, known},
	{"gateway.port", N, known},
	{"gateway.push", O, whole},
	{"gateway.reload", O, known},
	{"gateway.reload.*", ANY, whole},
	{"gateway.reload.mode", S, known},
	{"gateway.remote", O, known},
	{"gateway.remote.*", ANY, whole},
	{"gateway.remote.password", S | O, whole},
	{"gateway.remote.token", S | O, whole},
	{"gateway.remote.url", S, known},
	{"gateway.tailscale", O, known},
	{"gateway.tailscale.mode", S, known},
	{"gateway.tailscale.resetOnExit", B, later},
	{"gateway.tls", O, known},
	{"gateway.tls.autoGenerate", B, later},
	{"gateway.tls.caPath", S, known},
	{"gateway.tls.certPath", S, known},
	{"gateway.tls.enabled", B, known},
	{"gateway.tls.keyPath", S, known},
	{"gateway.tools", O, known},
	{"gateway.tools.allow", A, known},
	{"gateway.tools.allow.[]", S, known},
	{"gateway.tools.deny", A, known},
	{"gateway.tools.deny.[]", S, known},
	{"gateway.trustedProxies", A, known},
	{"gateway.trustedProxies.[]", S, known},
	{"hooks", O, known},
	{"hooks.allowRequestSessionKey", B, known},
	{"hooks.allowedAgentIds", A, whole},
	{"hooks.allowedSessionKeyPrefixes", A, whole},
	{"hooks.defaultSessionKey", S, known},
	{"hooks.enabled", B, known},
	{"hooks.gmail", O, whole},
	{"hooks.internal", O, whole},
	{"hooks.mappings", A, whole},
	{"hooks.maxBodyBytes", N, known},
	{"hooks.path", S, known},
	{"hooks.presets", A, whole},
	{"hooks.token", S | O, whole},
	{"hooks.transformsDir", S, known},
	{"logging", O, known},
	{"logging.*", ANY, whole},
	{"logging.consoleLevel", S, known},
	{"logging.consoleStyle", S, known},
	{"logging.file", S, known},
	{"logging.level", S, known},
	{"logging.maxFileBytes", N, known},
	{"mcp", O, whole},
	{"media", O, whole},
	{"memory", O, whole},
	{"messages", O, whole},
	{"meta", O, whole},
	{"models", O, whole},
	{"nodeHost", O, whole},
	{"plugins", O, whole},
	{"sandbox", O, whole},
	{"secrets", O, whole},
	{"security", O, whole},
	{"session", O, known},
	{"session.*", ANY, whole},
	{"session.mainKey", S, known},
	{"session.scope", S, known},
	{"skills", O, whole},
	{"talk", O, whole},
	{"tools", O, whole},
	{"ui", O, whole},
	{"update", O, whole},
	{"web", O, whole},
	{"wizard", O, whole},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *const strict[] = {"gateway.auth", "hooks"};

void oc_config_warn(struct oc_config_build *b, const struct oc_json *v, const char *fmt, ...)
{
	struct oc_config *c = b->c;
	va_list ap;

	if (c->warning_count == b->warning_room) {
		size_t room = b->warning_room ? 2 * b->warning_room : 8;
		struct oc_config_warning *w = oc_arena_array(b->a, room, sizeof(*w));
		if (c->warning_count)
			memcpy(w, c->warnings, c->warning_count * sizeof(*w));
		c->warnings = w;
		b->warning_room = room;
	}
	va_start(ap, fmt);
	const char *text = oc_arena_vprintf(b->a, fmt, ap);
	va_end(ap);
	const char *path = v ? oc_json_path(b->a, v) : "";
	if (v && v->file)
		text = oc_arena_printf(b->a, "%s:%u: %s: %s", v->file, v->line, path, text);
	else if (v)
		text = oc_arena_printf(b->a, "%s: %s", path, text);
	c->warnings[c->warning_count++] = (struct oc_config_warning){.path = path, .text = text};
}

static const struct row *find(const char *prefix, const char *key)
{
	size_t n = strlen(prefix);
	const struct row *any = NULL;

	for (size_t i = 0; i < ROWS; i++) {
		const char *p = rows[i].path;
		if (strncmp(p, prefix, n) != 0)
			continue;
		p += n;
		if (n > 0 && *p++ != '.')
			continue;
		if (strcmp(p, key) == 0)
			return &rows[i];
		if (strcmp(p, "*") == 0 && strcmp(key, "[]") != 0)
			any = &rows[i];
	}
	return any;
}

/* The keys that an object may have, for a hint. */
static const char *near(const char *prefix, const char *key)
{
	const char *names[128];
	size_t count = 0, n = strlen(prefix);

	for (size_t i = 0; i < ROWS && count < 128; i++) {
		const char *p = rows[i].path;
		if (strncmp(p, prefix, n) != 0 || (n > 0 && p[n] != '.'))
			continue;
		p += n + (n > 0);
		if (!strchr(p, '.') && strcmp(p, "*") != 0 && strcmp(p, "[]") != 0)
			names[count++] = p;
	}
	return oc_config_near(key, names, count);
}

static int unknown_key(struct oc_config_build *b, const char *prefix, const struct oc_json *v,
		       struct oc_err *err)
{
	const char *meant = near(prefix, v->key);

	for (size_t i = 0; i < sizeof(strict) / sizeof(strict[0]); i++) {
		size_t n = strlen(strict[i]);
		if (strncmp(prefix, strict[i], n) != 0 || (prefix[n] && prefix[n] != '.'))
			continue;
		oc_json_fail(b->a, v, err, "there is no such key");
		return meant ? oc_err_hint(err, "did you mean \"%s\"?", meant)
			     : oc_err_hint(err, "openclaw.json(5) lists the keys of %s", prefix);
	}
	if (meant)
		oc_config_warn(b, v, "unknown key, without effect; did you mean \"%s\"?", meant);
	else
		oc_config_warn(b, v, "unknown key, without effect");
	return 0;
}

static const char *type_names(struct oc_arena *a, unsigned types)
{
	const char *text = NULL;

	for (unsigned t = OC_JSON_NULL; t <= OC_JSON_OBJECT; t++) {
		if (!(types & 1u << t))
			continue;
		const char *name = oc_json_type_name((enum oc_json_type)t);
		text = text ? oc_arena_printf(a, "%s or %s", text, name) : name;
	}
	return text;
}

static int walk(struct oc_config_build *b, const char *prefix, const struct oc_json *v,
		struct oc_err *err)
{
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *key = v->type == OC_JSON_ARRAY ? "[]" : m->key;
		const struct row *row = find(prefix, key);
		if (!row) {
			if (unknown_key(b, prefix, m, err) < 0)
				return -1;
			continue;
		}
		if (m->type == OC_JSON_NULL)
			continue;
		if (m->unset_env && row->types != ANY) {
			oc_config_warn(b, m,
				       "the environment variable %.64s is unset or empty: "
				       "as if the key were not there",
				       m->unset_env);
			continue;
		}
		if (!(row->types & 1u << m->type))
			return oc_json_fail(b->a, m, err, "must be %s, not %s",
					    type_names(b->a, row->types),
					    oc_json_type_name(m->type));
		if (row->how == later)
			oc_config_warn(b, m, "has no effect in this version");
		if (row->how == known && walk(b, row->path, m, err) < 0)
			return -1;
	}
	return 0;
}

int oc_config_check_keys(struct oc_config_build *b, struct oc_err *err)
{
	return walk(b, "", b->s->root, err);
}
