/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - who is at the other end: the address behind proxies, the browser's origin, the proxy's user.  Pure.
 *
 * A header counts only if the socket's peer is a proxy that the operator named.  What cannot be told is "unknown", which has
 * no rights of its own: never the proxy's own address, never loopback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/auth/internal.h"

static const char *const forwarding[] = {
	"forwarded",	     "x-forwarded-for",	   "x-forwarded-proto",	 "x-forwarded-host",
	"x-forwarded-port",  "x-forwarded-server", "x-forwarded-prefix", "x-forwarded-scheme",
	"x-forwarded-by",    "x-forwarded-ssl",	   "x-forwarded-user",	 "x-forwarded-email",
	"x-forwarded-path",  "x-forwarded-uri",	   "x-forwarded-method", "x-forwarded-client-cert",
	"x-original-forwarded-for", "x-real-ip",   "x-client-ip",	 "cf-connecting-ip",
	"true-client-ip",    "via",		   "tailscale-user-login",
};

static const char *header(const struct oc_auth_request *r, const char *name)
{
	return r->header ? r->header(r->ctx, name) : NULL;
}

static bool trusted(const struct oc_config *c, const struct oc_addr *addr)
{
	for (size_t i = 0; i < c->trusted_proxy_count; i++)
		if (oc_addr_in(addr, &c->trusted_proxies[i].addr, c->trusted_proxies[i].bits))
			return true;
	return false;
}

static bool loopback(const struct oc_addr *addr)
{
	return addr->family && oc_addr_classify(addr) == OC_ADDR_LOOPBACK;
}

/* "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80", with quotes around: an address, -1. */
static int hop(const char *s, size_t n, struct oc_addr *out)
{
	while (n && (*s == ' ' || *s == '\t' || *s == '"')) {
		s++;
		n--;
	}
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '"'))
		n--;
	if (n && *s == '[') {
		const char *end = memchr(s, ']', n);
		if (!end)
			return -1;
		n = (size_t)(end - s) - 1;
		s++;
	} else {
		const char *colon = memchr(s, ':', n);
		if (colon && !memchr(colon + 1, ':', n - (size_t)(colon + 1 - s)))
			n = (size_t)(colon - s);
	}
	if (oc_addr_parse(s, n, out) < 0)
		return -1;
	*out = oc_addr_unmap(out);
	return 0;
}

/* Right to left; the first that is no proxy of ours. */
static void walk(const struct oc_config *c, const char *list, struct oc_addr *out)
{
	size_t end = strlen(list);

	while (end > 0) {
		size_t from = end;
		struct oc_addr addr;
		while (from > 0 && list[from - 1] != ',')
			from--;
		if (hop(list + from, end - from, &addr) == 0 && !trusted(c, &addr)) {
			*out = addr;
			return;
		}
		end = from > 0 ? from - 1 : 0;
	}
}

static void client_address(const struct oc_config *c, const struct oc_auth_request *r,
			   struct oc_auth_peer *out)
{
	struct oc_addr peer = oc_addr_unmap(&r->peer);

	out->from_proxy = trusted(c, &peer);
	if (!out->from_proxy) {
		out->ip = peer;
	} else {
		const char *list = header(r, "x-forwarded-for"), *real = header(r, "x-real-ip");
		if (list)
			walk(c, list, &out->ip);
		else if (real && c->allow_real_ip &&
			 hop(real, strlen(real), &out->ip) < 0)
			out->ip = (struct oc_addr){0};
	}
	if (out->ip.family)
		oc_addr_text(&out->ip, out->text);
	out->loopback = loopback(&out->ip);
}

/* --- Host and Origin --- */

static bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n > m && strcasecmp(s + n - m, tail) == 0;
}

/* host[:port] -> name without brackets and port, lower case; -1 if it is none. */
static int host_of(const char *s, char *name, size_t size, uint16_t *port)
{
	const char *end = s + strlen(s), *colon;

	*port = 0;
	if (*s == '[') {
		const char *close = strchr(s, ']');
		if (!close || (close[1] && close[1] != ':'))
			return -1;
		colon = close[1] ? close + 1 : NULL;
		s++;
		end = close;
	} else {
		colon = strchr(s, ':');
		if (colon)
			end = colon;
	}
	if (colon) {
		size_t digits = strspn(colon + 1, "0123456789");
		if (digits == 0 || digits > 5 || colon[1 + digits])
			return -1;
		unsigned long p = strtoul(colon + 1, NULL, 10);
		if (p > 65535)
			return -1;
		*port = (uint16_t)p;
	}
	size_t n = (size_t)(end - s);
	if (n == 0 || n >= size)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char ch = s[i];
		if (ch <= ' ' || ch == 0x7f || strchr("/\\@?#,;\"'<>", ch))
			return -1;
		name[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : ch);
	}
	name[n] = 0;
	return 0;
}

static bool loopback_name(const char *name)
{
	struct oc_addr addr;

	if (strcmp(name, "localhost") == 0 || ends(name, ".localhost"))
		return true;
	return oc_addr_parse(name, strlen(name), &addr) == 0 && loopback(&addr);
}

/* A host of a private network, by its address or by a name that no public DNS has. */
static bool private_name(const char *name)
{
	struct oc_addr addr;

	if (ends(name, ".local") || ends(name, ".ts.net"))
		return true;
	if (oc_addr_parse(name, strlen(name), &addr) < 0)
		return false;
	enum oc_addr_class class = oc_addr_classify(&addr);
	return class == OC_ADDR_PRIVATE || class == OC_ADDR_LINK_LOCAL || class == OC_ADDR_CGNAT ||
	       class == OC_ADDR_UNIQUE_LOCAL;
}

struct origin {
	char scheme[20], name[120];
	uint16_t port; /* 0: the scheme's */
};

static int parse_origin(const char *s, struct origin *out)
{
	const char *sep = strstr(s, "://");
	size_t n = sep ? (size_t)(sep - s) : 0;

	if (n == 0 || n >= sizeof(out->scheme))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char ch = s[i];
		ch = (char)(ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : ch);
		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '+' ||
		      ch == '-' || ch == '.'))
			return -1;
		out->scheme[i] = ch;
	}
	out->scheme[n] = 0;
	if (host_of(sep + 3, out->name, sizeof(out->name), &out->port) < 0)
		return -1;
	if ((out->port == 80 && strcmp(out->scheme, "http") == 0) ||
	    (out->port == 443 && strcmp(out->scheme, "https") == 0))
		out->port = 0;
	return 0;
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
	return a->port == b->port && strcmp(a->scheme, b->scheme) == 0 &&
	       strcmp(a->name, b->name) == 0;
}

static bool in_allow_list(const struct oc_config *c, const struct origin *o)
{
	const struct oc_config_strings *list = &c->ui.allowed_origins;
	struct origin one;

	for (size_t i = 0; i < list->count; i++) {
		char text[192];
		size_t n = strlen(list->list[i]);
		if (strcmp(list->list[i], "*") == 0)
			return true;
		if (n == 0 || n >= sizeof(text))
			continue;
		memcpy(text, list->list[i], n + 1);
		if (text[n - 1] == '/')
			text[n - 1] = 0;
		if (parse_origin(text, &one) == 0 && same_origin(&one, o))
			return true;
	}
	/* What a forwarded port looks like in the browser of who forwards it. */
	return c->exposed && list->count == 0 && strcmp(o->scheme, "http") == 0 &&
	       o->port == c->port &&
	       (strcmp(o->name, "localhost") == 0 || strcmp(o->name, "127.0.0.1") == 0);
}

static void check_origin(const struct oc_config *c, const char *origin, const char *host,
			 struct oc_auth_peer *out)
{
	struct origin o;
	char name[128];
	uint16_t port;

	out->origin_ok = true;
	if (!origin)
		return;
	out->has_origin = true;
	out->origin_ok = false;
	out->origin_foreign = true;
	out->origin_why = "origin missing or invalid";
	if (strcmp(origin, "null") == 0 || parse_origin(origin, &o) < 0)
		return;
	const char *open = strchr(o.name, ':') ? "[" : "", *close = *open ? "]" : "";
	if (o.port)
		snprintf(out->origin, sizeof(out->origin), "%s://%s%s%s:%hu", o.scheme, open, o.name,
			 close, o.port);
	else
		snprintf(out->origin, sizeof(out->origin), "%s://%s%s%s", o.scheme, open, o.name,
			 close);
	out->origin_foreign = !loopback_name(o.name);
	out->origin_why = "origin not allowed";
	bool web = strcmp(o.scheme, "http") == 0 || strcmp(o.scheme, "https") == 0;
	bool same = host && web && host_of(host, name, sizeof(name), &port) == 0 &&
		    strcmp(name, o.name) == 0;
	if (same) {
		unsigned usual = strcmp(o.scheme, "https") == 0 ? 443 : 80;
		same = (port ? port : usual) == (o.port ? o.port : usual);
	}
	out->origin_ok = in_allow_list(c, &o) || (same && c->ui.host_header_fallback) ||
			 (out->local_direct && loopback_name(o.name)) ||
			 (same && private_name(o.name));
	if (out->origin_ok)
		out->origin_why = NULL;
}

/* --- mode trusted-proxy --- */

static bool own_address(const struct oc_config *c, const struct oc_auth_request *r,
			const struct oc_addr *peer)
{
	struct oc_addr local = oc_addr_unmap(&r->local);

	if (oc_addr_equal(peer, &local))
		return true;
	for (size_t i = 0; i < c->own_count; i++)
		if (oc_addr_equal(peer, &c->own[i]))
			return true;
	return false;
}

static bool user_allowed(const struct oc_config *c, const char *user)
{
	const struct oc_config_strings *list = &c->auth.proxy.allow_users;

	if (list->count == 0)
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (strchr(user, '@') ? strcasecmp(list->list[i], user) == 0
				      : strcmp(list->list[i], user) == 0)
			return true;
	return false;
}

static bool blank(const char *s)
{
	return !s || s[strspn(s, " \t")] == 0;
}

static void proxy_user(const struct oc_config *c, const struct oc_auth_request *r,
		       struct oc_auth_peer *out)
{
	struct oc_addr peer = oc_addr_unmap(&r->peer);
	const struct oc_config_strings *need = &c->auth.proxy.required_headers;
	const char *why = NULL, *user;

	if (!c->auth.proxy.user_header)
		why = "trusted_proxy_config_missing";
	else if (!c->trusted_proxy_count)
		why = "trusted_proxy_no_proxies_configured";
	else if (!out->from_proxy || !out->ip.family)
		why = "trusted_proxy_untrusted_source";
	else if (out->loopback || (loopback(&peer) && !c->auth.proxy.allow_loopback))
		why = "trusted_proxy_loopback_source";
	else if (!loopback(&peer) && own_address(c, r, &peer))
		why = "trusted_proxy_local_interface_source";
	if (why) {
		snprintf(out->proxy_why, sizeof(out->proxy_why), "%s", why);
		return;
	}
	for (size_t i = 0; i < need->count; i++)
		if (blank(header(r, need->list[i]))) {
			snprintf(out->proxy_why, sizeof(out->proxy_why),
				 "trusted_proxy_missing_header_%.80s", need->list[i]);
			return;
		}
	user = header(r, c->auth.proxy.user_header);
	if (blank(user)) {
		why = "trusted_proxy_user_missing";
	} else {
		user += strspn(user, " \t");
		size_t n = strlen(user);
		while (n > 0 && (user[n - 1] == ' ' || user[n - 1] == '\t'))
			n--;
		if (n >= sizeof(out->user)) {
			why = "trusted_proxy_user_not_allowed";
		} else {
			memcpy(out->user, user, n);
			out->user[n] = 0;
			if (!user_allowed(c, out->user))
				why = "trusted_proxy_user_not_allowed";
		}
	}
	if (!why)
		return;
	out->user[0] = 0;
	snprintf(out->proxy_why, sizeof(out->proxy_why), "%s", why);
}

void oc_auth_peer_resolve(const struct oc_config *c, const struct oc_auth_request *r,
			  struct oc_auth_peer *out)
{
	const char *host = header(r, "host"), *scopes = header(r, "x-openclaw-scopes");
	struct oc_addr peer = oc_addr_unmap(&r->peer);
	char name[128];
	uint16_t port;

	*out = (struct oc_auth_peer){0};
	for (size_t i = 0; i < sizeof(forwarding) / sizeof(forwarding[0]); i++)
		if (header(r, forwarding[i]))
			out->forwarded = true;
	client_address(c, r, out);
	/* A proxy of ours that sends no header hides who it stands for, and is not the operator. */
	out->local_direct = out->loopback && !out->forwarded && host &&
			    host_of(host, name, sizeof(name), &port) == 0 &&
			    (loopback_name(name) || ends(name, ".ts.net"));
	check_origin(c, header(r, "origin"), host, out);
	if (out->forwarded && !out->from_proxy &&
	    (loopback(&peer) || c->auth.mode == OC_AUTH_NONE))
		out->reject = "proxy_attribution_required";
	if (c->auth.mode == OC_AUTH_TRUSTED_PROXY)
		proxy_user(c, r, out);
	if (scopes) {
		out->scopes_capped = true;
		/* Too long to be kept whole: then it grants nothing. */
		if (strlen(scopes) < sizeof(out->scopes))
			memcpy(out->scopes, scopes, strlen(scopes) + 1);
	}
}
