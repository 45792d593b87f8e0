/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway - the section gateway.* without its auth: where to listen, proxies, TLS, limits; and what must not be started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "gateway/config/internal.h"

static const char *const bind_names[] = {"loopback", "lan", "tailnet", "custom", "auto"};
static const char *const from_names[] = {"default", "config", "environment", "command line",
					 "state directory"};
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

const char *oc_config_bind_name(enum oc_config_bind b)
{
	return bind_names[b];
}

const char *oc_config_from_name(enum oc_config_from f)
{
	return from_names[f];
}

/* Flag, environment, configuration, default. */
static int port(struct oc_config_build *b, struct oc_err *err)
{
	struct oc_config *c = b->c;
	uint64_t n = 0;

	c->port = b->s->flags.dev ? OC_CONFIG_PORT_DEV : OC_CONFIG_PORT_DEFAULT;
	if (b->s->flags.port_set) {
		c->port = (uint16_t)b->s->flags.port;
		c->port_from = OC_FROM_FLAG;
		return 0;
	}
	if (b->s->env_port) {
		char *end;
		unsigned long p = strtoul(b->s->env_port, &end, 10);
		if (b->s->env_port[0] < '0' || b->s->env_port[0] > '9' || *end || p > 65535) {
			oc_fail(err, 0, "OPENCLAW_GATEWAY_PORT: \"%.40s\" is not a port number",
				b->s->env_port);
			return oc_err_hint(err, "a number from 0 to 65535, 0: any free one");
		}
		c->port = (uint16_t)p;
		c->port_from = OC_FROM_ENV;
		return 0;
	}
	if (!oc_config_find(b->s->root, "gateway.port"))
		return 0;
	if (oc_config_uint(b, "gateway.port", 0, 65535, &n, err) < 0)
		return -1;
	c->port = (uint16_t)n;
	c->port_from = OC_FROM_CONFIG;
	return 0;
}

static void listen_on(struct oc_config *c, const struct oc_addr *addr, bool optional)
{
	c->listen[c->listen_count].addr = *addr;
	c->listen[c->listen_count++].optional = optional;
	if (oc_addr_classify(addr) != OC_ADDR_LOOPBACK)
		c->exposed = true;
}

static int custom_host(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, "gateway.customBindHost");
	struct oc_addr addr, lo = oc_addr_v4(127, 0, 0, 1);

	if (!v) {
		oc_fail(err, 0, "gateway.bind is custom, and there is no gateway.customBindHost");
		return oc_err_hint(err, "set it to the address to listen on");
	}
	if (oc_addr_parse(v->string, strlen(v->string), &addr) < 0)
		return oc_json_fail(b->a, v, err, "\"%.60s\" is not an IP address", v->string);
	addr = oc_addr_unmap(&addr);
	listen_on(b->c, &addr, false);
	/* The wildcard has loopback in it. */
	if (oc_addr_classify(&addr) != OC_ADDR_UNSPECIFIED && !oc_addr_equal(&addr, &lo))
		listen_on(b->c, &lo, false);
	return 0;
}

static int where(struct oc_config_build *b, struct oc_err *err)
{
	static const uint8_t one[16] = {[15] = 1};
	struct oc_config *c = b->c;
	struct oc_addr lo = oc_addr_v4(127, 0, 0, 1), any = oc_addr_v4(0, 0, 0, 0),
		       lo6 = oc_addr_v6(one);
	unsigned mode = OC_BIND_LOOPBACK;

	if (b->s->flags.bind) {
		c->bind_from = OC_FROM_FLAG;
		if (oc_config_word("--bind", b->s->flags.bind, bind_names, COUNT(bind_names), &mode,
				   err) < 0)
			return -1;
	} else {
		if (oc_config_enum(b, "gateway.bind", bind_names, COUNT(bind_names), &mode, err) < 0)
			return oc_err_hint(err, "for an address: gateway.bind custom and "
						"gateway.customBindHost");
		if (oc_config_find(b->s->root, "gateway.bind"))
			c->bind_from = OC_FROM_CONFIG;
	}
	c->bind = (enum oc_config_bind)mode;
	switch (c->bind) {
	case OC_BIND_AUTO:
		if (!b->s->container)
			break;
		listen_on(c, &any, false);
		return 0;
	case OC_BIND_LAN:
		listen_on(c, &any, false);
		return 0;
	case OC_BIND_CUSTOM:
		return custom_host(b, err);
	case OC_BIND_TAILNET:
		if (!b->s->tailnet.family && b->s->client) {
			listen_on(c, &lo, false);
			return 0;
		}
		if (!b->s->tailnet.family) {
			oc_fail(err, 0,
				"gateway.bind is tailnet, and no interface has an address of "
				"100.64.0.0/10");
			return oc_err_hint(err, "start tailscale first, or use another bind mode");
		}
		listen_on(c, &b->s->tailnet, false);
		listen_on(c, &lo, false);
		return 0;
	case OC_BIND_LOOPBACK:
		break;
	}
	listen_on(c, &lo, false);
	listen_on(c, &lo6, true);
	return 0;
}

static int proxies(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, "gateway.trustedProxies");
	struct oc_config *c = b->c;

	if (!v)
		return 0;
	c->trusted_proxies = oc_arena_array(b->a, v->count, sizeof(*c->trusted_proxies));
	for (const struct oc_json *e = v->child; e; e = e->next) {
		struct oc_config_net net;
		if (e->unset_env)
			continue;
		if (e->type != OC_JSON_STRING || oc_config_net_parse(e->string, &net) < 0)
			return oc_json_fail(b->a, e, err, "\"%.60s\" is no IP address or CIDR block",
					    e->type == OC_JSON_STRING ? e->string : "");
		if (net.bits == 0)
			return oc_json_fail(b->a, e, err,
					    "\"%.60s\" trusts every address there is", e->string);
		c->trusted_proxies[c->trusted_proxy_count++] = net;
	}
	return 0;
}

static int control_ui(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *root = b->s->root, *v;
	struct oc_config *c = b->c;

	c->ui.enabled = oc_config_bool(root, "gateway.controlUi.enabled", true);
	c->ui.host_header_fallback = oc_config_bool(
		root, "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback", false);
	c->ui.base_path = "";
	if ((v = oc_config_find(root, "gateway.controlUi.basePath")) && *v->string &&
	    strcmp(v->string, "/") != 0) {
		size_t n = strlen(v->string);
		if (v->string[0] != '/' || strstr(v->string, "//") || strstr(v->string, "..") ||
		    strpbrk(v->string, "?#% \\"))
			return oc_json_fail(b->a, v, err, "must be a path like \"/ui\"");
		c->ui.base_path = oc_arena_strndup(b->a, v->string, n - (v->string[n - 1] == '/'));
	}
	return oc_config_strings_at(b, "gateway.controlUi.allowedOrigins", &c->ui.allowed_origins,
				    err);
}

static int file_path(struct oc_config_build *b, const char *key, const char **out,
		     struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, key);

	if (!v)
		return 0;
	const char *text = v->string;
	if (text[0] == '~' && text[1] == '/' && b->s->home)
		text = oc_arena_printf(b->a, "%s/%s", b->s->home, text + 2);
	*out = oc_path_clean(b->a, text);
	if (*out)
		return 0;
	return oc_json_fail(b->a, v, err, "must be an absolute path without \"..\"");
}

static int tls(struct oc_config_build *b, struct oc_err *err)
{
	struct oc_config *c = b->c;

	c->tls.enabled = oc_config_bool(b->s->root, "gateway.tls.enabled", false);
	if (file_path(b, "gateway.tls.certPath", &c->tls.cert, err) < 0 ||
	    file_path(b, "gateway.tls.keyPath", &c->tls.key, err) < 0 ||
	    file_path(b, "gateway.tls.caPath", &c->tls.ca, err) < 0)
		return -1;
	if (!c->tls.enabled || b->s->client || (c->tls.cert && c->tls.key))
		return 0;
	oc_json_fail(b->a, oc_config_find(b->s->root, "gateway.tls.enabled"), err,
		     "there is no gateway.tls.%s", c->tls.cert ? "keyPath" : "certPath");
	return oc_err_hint(err, "name the files of the certificate and of its key (PEM)");
}

static int limits(struct oc_config_build *b, struct oc_err *err)
{
	static const char *const reload_names[] = {"hybrid", "off", "hot", "restart"};
	const struct oc_json *v;
	struct oc_config *c = b->c;
	uint64_t handshake = 15000;
	unsigned reload = 0;

	if (oc_config_uint(b, "gateway.handshakeTimeoutMs", 100, 600000, &handshake, err) < 0)
		return -1;
	if (b->s->env_handshake) {
		char *end;
		unsigned long n = strtoul(b->s->env_handshake, &end, 10);
		if (b->s->env_handshake[0] < '0' || b->s->env_handshake[0] > '9' || *end ||
		    n < 100 || n > 600000)
			return oc_fail(err, 0,
				       "OPENCLAW_HANDSHAKE_TIMEOUT_MS: \"%.40s\" is not a number "
				       "from 100 to 600000",
				       b->s->env_handshake);
		handshake = n;
	}
	c->handshake_ms = (unsigned)handshake;
	c->tick_ms = 30000;
	if (oc_config_enum(b, "gateway.reload.mode", reload_names, COUNT(reload_names), &reload,
			   err) < 0)
		return -1;
	c->reload = reload != 1;
	v = oc_config_find(b->s->root, "gateway.http.securityHeaders.strictTransportSecurity");
	if (v && v->type == OC_JSON_STRING && *v->string) {
		for (const char *p = v->string; *p; p++)
			if (*p < 0x20 || *p > 0x7e)
				return oc_json_fail(b->a, v, err, "is not a header's value");
		c->hsts = v->string;
	}
	return 0;
}

int oc_config_build_gateway(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *root = b->s->root;
	struct oc_config *c = b->c;

	if (port(b, err) < 0 || where(b, err) < 0 || proxies(b, err) < 0 ||
	    control_ui(b, err) < 0 || tls(b, err) < 0 || limits(b, err) < 0)
		return -1;
	c->allow_real_ip = oc_config_bool(root, "gateway.allowRealIpFallback", false);
	c->auto_approve_local = oc_config_bool(root, "gateway.nodes.pairing.autoApproveLocal", true);
	c->http_chat_completions =
		oc_config_bool(root, "gateway.http.endpoints.chatCompletions.enabled", false);
	c->http_responses = oc_config_bool(root, "gateway.http.endpoints.responses.enabled", false);
	if (oc_config_strings_at(b, "gateway.tools.deny", &c->tools_deny, err) < 0 ||
	    oc_config_strings_at(b, "gateway.tools.allow", &c->tools_allow, err) < 0)
		return -1;
	return 0;
}

/* --- what must not be started --- */

static int guard_bind(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_config *c = b->c;
	char text[OC_ADDR_TEXT_MAX];
	bool open = c->auth.mode == OC_AUTH_NONE || c->auth.needs_token ||
		    (c->auth.mode == OC_AUTH_TOKEN && c->auth.token_from == OC_FROM_STORE);

	if (!c->exposed || !open)
		return 0;
	/* A token that nobody chose is for this machine: who opens the port to others says how they come in. */
	oc_fail(err, 0, "refusing to bind gateway to %s (bind %s) without auth",
		oc_addr_text(&c->listen[0].addr, text), oc_config_bind_name(c->bind));
	return oc_err_hint(err, "set gateway.auth.token (or OPENCLAW_GATEWAY_TOKEN), or "
				"gateway.auth.mode password; or keep gateway.bind loopback");
}

static int guard_tailscale(struct oc_config_build *b, struct oc_err *err)
{
	static const char *const modes[] = {"off", "serve", "funnel"};
	const struct oc_json *root = b->s->root, *v;
	unsigned mode = 0;

	if (oc_config_enum(b, "gateway.tailscale.mode", modes, COUNT(modes), &mode, err) < 0)
		return -1;
	if (mode == 2 && b->c->auth.mode != OC_AUTH_PASSWORD)
		return oc_json_fail(b->a, oc_config_find(root, "gateway.tailscale.mode"), err,
				    "funnel is open to the internet: it needs gateway.auth.mode "
				    "password");
	if (mode != 0)
		oc_config_warn(b, oc_config_find(root, "gateway.tailscale.mode"),
			       "is not done by this gateway: run `tailscale %s` yourself and put "
			       "127.0.0.1 into gateway.trustedProxies",
			       modes[mode]);
	if ((v = oc_config_find(root, "gateway.auth.allowTailscale")) && v->boolean)
		oc_config_warn(b, v, "is ignored: Tailscale's headers never count on this port");
	return 0;
}

static int guard_hooks(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_config *c = b->c;
	const struct oc_json *v = oc_config_find(b->s->root, "hooks");

	if (!c->hooks.enabled)
		return 0;
	if (!c->hooks.token) {
		oc_json_fail(b->a, v, err, "hooks.enabled needs hooks.token");
		return oc_err_hint(err, "a token of its own, not the gateway's");
	}
	if ((c->auth.token && strcmp(c->hooks.token, c->auth.token) == 0) ||
	    (c->auth.password && strcmp(c->hooks.token, c->auth.password) == 0)) {
		oc_json_fail(b->a, v, err, "hooks.token is the gateway's own secret");
		return oc_err_hint(err, "give the hooks a token of their own");
	}
	return 0;
}

int oc_config_guard(struct oc_config_build *b, struct oc_err *err)
{
	static const char *const modes[] = {"local", "remote"};
	const struct oc_json *root = b->s->root;
	unsigned mode = 0;

	if (oc_config_enum(b, "gateway.mode", modes, COUNT(modes), &mode, err) < 0)
		return -1;
	if (b->s->client)
		return 0;
	if (mode == 1) {
		oc_json_fail(b->a, oc_config_find(root, "gateway.mode"), err,
			     "Gateway start blocked: set gateway.mode=local");
		return oc_err_hint(err, "\"remote\" says that the gateway is on another machine");
	}
	return guard_bind(b, err) < 0 || guard_tailscale(b, err) < 0 || guard_hooks(b, err) < 0 ? -1
												: 0;
}
