/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade - from HTTP to WebSocket (RFC 6455 4.2), and the refusals, which are plain HTTP.
 */
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "gateway/server/internal.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define JSON "application/json; charset=utf-8"
#define TEXT "text/plain; charset=utf-8"

struct lookup {
	const uint8_t *head;
	size_t len;
	struct oc_arena *arena;
};

static const char *header(void *ctx, const char *name)
{
	const struct lookup *l = ctx;

	return oc_http_header(l->head, l->len, l->arena, name);
}

static struct oc_addr local_of(int fd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;
	struct oc_addr a = {0};

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return a;
	if (ss.ss_family == AF_INET) {
		const uint8_t *b =
			(const uint8_t *)&((const struct sockaddr_in *)(const void *)&ss)->sin_addr;
		return oc_addr_v4(b[0], b[1], b[2], b[3]);
	}
	if (ss.ss_family == AF_INET6)
		a = oc_addr_v6(((const struct sockaddr_in6 *)(const void *)&ss)->sin6_addr.s6_addr);
	return oc_addr_unmap(&a);
}

/* A list of tokens has this one. */
static bool has_token(const char *list, const char *token)
{
	size_t n = strlen(token);

	for (const char *p = list; p && *p;) {
		p += strspn(p, ", \t");
		size_t len = strcspn(p, ", \t");
		if (len == n && strncasecmp(p, token, n) == 0)
			return true;
		p += len;
	}
	return false;
}

/* 16 bytes as base64, and nothing else. */
static bool key_valid(const char *key)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return key && strlen(key) == 24 && strspn(key, digits) == 22 && strcmp(key + 22, "==") == 0;
}

static bool well_formed(struct oc_sock *s, struct lookup *l, const struct oc_http_head *h)
{
	const char *version = header(l, "sec-websocket-version");

	if (strcmp(h->method, "GET") != 0 || h->minor != 1 || h->chunked ||
	    (h->has_length && h->body > 0) || !has_token(header(l, "connection"), "upgrade") ||
	    !key_valid(header(l, "sec-websocket-key"))) {
		oc_http_answer(s, 400, TEXT, NULL, "Bad Request", false, true);
		return false;
	}
	if (!version || strcmp(version, "13") != 0) {
		oc_http_answer(s, 426, TEXT, "Sec-WebSocket-Version: 13\r\n", "Upgrade Required",
			       false, true);
		return false;
	}
	return true;
}

static void accept_key(const char *key, char out[32])
{
	char text[24 + sizeof GUID];
	unsigned char digest[SHA_DIGEST_LENGTH];

	snprintf(text, sizeof text, "%.24s%s", key, GUID);
	SHA1((const unsigned char *)text, strlen(text), digest);
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

void oc_ws_upgrade(struct oc_sock *s, const uint8_t *head, const struct oc_http_head *h,
		   const char *path)
{
	struct oc_server *srv = s->srv;
	oc_auto_arena a = {0};
	struct lookup l = {head, h->length, &a};
	struct oc_auth_peer peer;
	char accept[32];

	if (!well_formed(s, &l, h))
		return;
	if (srv->stopping) {
		oc_http_answer(s, 503, JSON, NULL,
			       "{\"error\":{\"code\":\"gateway_unavailable\",\"message\":\"gateway "
			       "is stopping\"}}",
			       false, true);
		return;
	}
	const struct oc_auth_request r = {
		.peer = s->peer, .local = local_of(s->fd), .header = header, .ctx = &l};
	oc_auth_peer_resolve(srv->config, &r, &peer);
	if (peer.reject) {
		oc_log(srv->log, OC_LOG_WARN, "gateway/ws", "upgrade of %.80s refused: %s", path,
		       peer.reject);
		oc_http_answer(s, 403, JSON, NULL,
			       oc_arena_printf(&a,
					       "{\"ok\":false,\"error\":{\"type\":\"%s\","
					       "\"message\":\"Forbidden\"}}",
					       peer.reject),
			       false, true);
		return;
	}
	s->preauth = oc_count_take(&srv->preauth, peer.ip.family ? &peer.ip : &s->peer,
				   OC_GW_PREAUTH_SOCKETS);
	if (!s->preauth) {
		oc_http_answer(s, 503, JSON, "Retry-After: 1\r\n",
			       "{\"error\":{\"code\":\"gateway_unavailable\",\"message\":\"too "
			       "many connections that are not "
			       "authenticated\"}}",
			       false, true);
		return;
	}
	accept_key(header(&l, "sec-websocket-key"), accept);
	const char *answer = oc_arena_printf(
		&a,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n",
		accept);
	oc_sock_queue(s, answer, strlen(answer));
	oc_ws_start(s, &peer);
}
