/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws - a WebSocket as a client (RFC 6455), one message at a time, over TCP or TLS.
 *
 * Everything has a deadline.  Nothing that the other side sends is trusted: frames and messages are bounded, a masked frame,
 * a reserved bit or a wrong opcode ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "gateway/cli/cli.h"

enum { message_max = 32 << 20, head_max = 16384 };

struct oc_ws {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	struct oc_buf in, message;
	size_t used; /* of in: read already */
	bool closed;
};

int oc_ws_url(const char *url, struct oc_ws_target *out, struct oc_err *err)
{
	const char *p = url, *end;

	*out = (struct oc_ws_target){.port = 80, .path = "/"};
	if (strncasecmp(p, "wss://", 6) == 0) {
		out->tls = true;
		out->port = 443;
		p += 6;
	} else if (strncasecmp(p, "ws://", 5) == 0) {
		p += 5;
	} else {
		oc_fail(err, 0, "\"%.200s\" is no ws:// or wss:// URL", url);
		return oc_err_hint(err, "for example ws://127.0.0.1:18789");
	}
	if (*p == '[') {
		end = strchr(p, ']');
		if (!end)
			return oc_fail(err, 0, "\"%.200s\": a bracket is not closed", url);
		p++;
	} else {
		end = p + strcspn(p, ":/?#");
	}
	size_t n = (size_t)(end - p);
	if (n == 0 || n >= sizeof(out->host) || memchr(p, '@', n))
		return oc_fail(err, 0, "\"%.200s\" has no host name", url);
	memcpy(out->host, p, n);
	out->host[n] = 0;
	p = end + (*end == ']');
	if (*p == ':') {
		char *stop;
		unsigned long port = strtoul(p + 1, &stop, 10);
		if (stop == p + 1 || port == 0 || port > 65535)
			return oc_fail(err, 0, "\"%.200s\" has no port number behind ':'", url);
		out->port = (uint16_t)port;
		p = stop;
	}
	if (*p && *p != '/')
		return oc_fail(err, 0, "\"%.200s\" is no URL of a gateway", url);
	if (*p) {
		if (strlen(p) >= sizeof(out->path) || strpbrk(p, " \r\n\t"))
			return oc_fail(err, 0, "\"%.200s\" has a bad path", url);
		snprintf(out->path, sizeof(out->path), "%s", p);
	}
	return 0;
}

static int wait_for(int fd, short events, int64_t deadline, struct oc_err *err)
{
	for (;;) {
		int64_t left = deadline - oc_cli_mono_ms();
		struct pollfd p = {.fd = fd, .events = events};
		if (left <= 0)
			return oc_fail(err, ETIMEDOUT, "the gateway does not answer");
		int r = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return oc_fail(err, errno, "poll");
	}
}

static int connect_to(const struct oc_ws_target *t, int64_t deadline, struct oc_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all;
	char port[8];
	int last = 0, one = 1;

	snprintf(port, sizeof(port), "%u", t->port);
	int r = getaddrinfo(t->host, port, &hints, &all);
	if (r != 0)
		return oc_fail(err, 0, "cannot find %s: %s", t->host, gai_strerror(r));
	for (struct addrinfo *i = all; i; i = i->ai_next) {
		socklen_t len = sizeof(last);
		int fd = socket(i->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		if (connect(fd, i->ai_addr, i->ai_addrlen) < 0 && errno != EINPROGRESS) {
			last = errno;
		} else if (wait_for(fd, POLLOUT, deadline, NULL) < 0) {
			last = ETIMEDOUT;
		} else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &last, &len) == 0 && last == 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			freeaddrinfo(all);
			return fd;
		}
		close(fd);
	}
	freeaddrinfo(all);
	oc_fail(err, last, "cannot connect to %s port %u", t->host, t->port);
	return oc_err_hint(err, "is the gateway running? `openclaw gateway status` says");
}

/* --- bytes --- */

static int tls_wait(struct oc_ws *w, int r, int64_t deadline, struct oc_err *err)
{
	int why = SSL_get_error(w->ssl, r);

	if (why == SSL_ERROR_WANT_READ)
		return wait_for(w->fd, POLLIN, deadline, err);
	if (why == SSL_ERROR_WANT_WRITE)
		return wait_for(w->fd, POLLOUT, deadline, err);
	if (why == SSL_ERROR_ZERO_RETURN)
		return oc_fail(err, 0, "the gateway closed the connection");
	unsigned long code = ERR_get_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;
	long verify = SSL_get_verify_result(w->ssl);
	if (verify != X509_V_OK)
		return oc_fail(err, 0, "TLS: %s", X509_verify_cert_error_string(verify));
	return oc_fail(err, 0, "TLS: %s", text ? text : "the connection ended");
}

static int put(struct oc_ws *w, const char *data, size_t len, int64_t deadline, struct oc_err *err)
{
	while (len > 0) {
		ssize_t n;
		if (w->ssl) {
			int r = SSL_write(w->ssl, data, len > 1 << 20 ? 1 << 20 : (int)len);
			if (r <= 0) {
				if (tls_wait(w, r, deadline, err) < 0)
					return -1;
				continue;
			}
			n = r;
		} else {
			n = send(w->fd, data, len, MSG_NOSIGNAL);
			if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
				if (wait_for(w->fd, POLLOUT, deadline, err) < 0)
					return -1;
				continue;
			}
			if (n < 0)
				return oc_fail(err, errno, "cannot write to the gateway");
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* At least need bytes that were not used yet. */
static int fill(struct oc_ws *w, size_t need, int64_t deadline, struct oc_err *err)
{
	char chunk[16384];

	if (w->used > 0 && w->used == w->in.len)
		w->in.len = w->used = 0;
	while (w->in.len - w->used < need) {
		ssize_t n;
		if (w->ssl) {
			int r = SSL_read(w->ssl, chunk, sizeof(chunk));
			if (r <= 0) {
				if (tls_wait(w, r, deadline, err) < 0)
					return -1;
				continue;
			}
			n = r;
		} else {
			n = recv(w->fd, chunk, sizeof(chunk), 0);
			if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
				if (wait_for(w->fd, POLLIN, deadline, err) < 0)
					return -1;
				continue;
			}
			if (n < 0)
				return oc_fail(err, errno, "cannot read from the gateway");
			if (n == 0)
				return oc_fail(err, 0, "the gateway closed the connection");
		}
		oc_buf_add(&w->in, chunk, (size_t)n);
	}
	return 0;
}

/* --- TLS --- */

static int start_tls(struct oc_ws *w, const struct oc_ws_target *t, const char *ca,
		     int64_t deadline, struct oc_err *err)
{
	w->ctx = SSL_CTX_new(TLS_client_method());
	if (!w->ctx || SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION) != 1)
		return oc_fail(err, 0, "TLS: cannot start");
	SSL_CTX_set_default_verify_paths(w->ctx);
	if (ca && SSL_CTX_load_verify_locations(w->ctx, ca, NULL) != 1)
		return oc_fail(err, 0, "TLS: cannot read the certificate '%s'", ca);
	SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER, NULL);
	w->ssl = SSL_new(w->ctx);
	if (!w->ssl || SSL_set_fd(w->ssl, w->fd) != 1)
		return oc_fail(err, 0, "TLS: cannot start");
	SSL_set_tlsext_host_name(w->ssl, t->host);
	/* Our own gateway's certificate file is trusted as it is, whatever name is in it. */
	if (!ca && SSL_set1_host(w->ssl, t->host) != 1)
		return oc_fail(err, 0, "TLS: cannot check the name %s", t->host);
	X509_VERIFY_PARAM_set_flags(SSL_get0_param(w->ssl), X509_V_FLAG_PARTIAL_CHAIN);
	for (;;) {
		int r = SSL_connect(w->ssl);
		if (r == 1)
			return 0;
		if (tls_wait(w, r, deadline, err) < 0)
			return -1;
	}
}

/* --- the upgrade --- */

static void encode(const unsigned char *raw, int n, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, raw, n);
}

/* Value of a header in head; the name with its colon. */
static bool header_is(const char *head, const char *name, const char *value)
{
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		const char *p = line + 2;
		size_t n = strlen(name);
		if (strncasecmp(p, name, n) != 0)
			continue;
		p += n + strspn(p + n, " \t");
		n = strcspn(p, "\r\n");
		while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
			n--;
		return n == strlen(value) && strncasecmp(p, value, n) == 0;
	}
	return false;
}

static int read_head(struct oc_ws *w, char *head, int64_t deadline, struct oc_err *err)
{
	size_t need = 1;

	for (;;) {
		if (fill(w, need, deadline, err) < 0)
			return -1;
		size_t have = w->in.len - w->used;
		const char *at = w->in.data + w->used;
		const char *end = memmem(at, have, "\r\n\r\n", 4);
		if (end) {
			size_t n = (size_t)(end - at) + 2;
			if (n >= head_max || memchr(at, 0, n))
				break;
			memcpy(head, at, n);
			head[n] = 0;
			w->used += n + 2;
			return 0;
		}
		if (have >= head_max)
			break;
		need = have + 1;
	}
	return oc_fail(err, 0, "what answers there is not a gateway");
}

static int upgrade(struct oc_ws *w, const struct oc_ws_target *t, int64_t deadline,
		   struct oc_err *err)
{
	unsigned char raw[16], md[SHA_DIGEST_LENGTH];
	char key[32], accept[32], text[80], head[head_max];
	oc_auto_buf b = {0};
	bool v6 = strchr(t->host, ':') != NULL;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return oc_fail(err, errno, "no random bytes");
	encode(raw, sizeof(raw), key);
	oc_buf_printf(&b,
		      "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUpgrade: websocket\r\n"
		      "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
		      "Sec-WebSocket-Version: 13\r\n\r\n",
		      t->path, v6 ? "[" : "", t->host, v6 ? "]" : "", t->port, key);
	if (put(w, b.data, b.len, deadline, err) < 0 || read_head(w, head, deadline, err) < 0)
		return -1;
	if (strncmp(head, "HTTP/1.1 ", 9) != 0)
		return oc_fail(err, 0, "what answers there is not a gateway");
	if (strncmp(head + 9, "101", 3) != 0)
		return oc_fail(err, 0, "the gateway refuses the connection: HTTP %.3s", head + 9);
	snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	SHA1((const unsigned char *)text, strlen(text), md);
	encode(md, sizeof(md), accept);
	if (!header_is(head, "Upgrade:", "websocket") ||
	    !header_is(head, "Sec-WebSocket-Accept:", accept))
		return oc_fail(err, 0, "what answers there is not a gateway");
	return 0;
}

int oc_ws_open(struct oc_ws **out, const struct oc_ws_target *t, const char *ca, int64_t deadline,
	       struct oc_err *err)
{
	struct oc_ws *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		oc_oom();
	w->fd = connect_to(t, deadline, err);
	if (w->fd < 0 || (t->tls && start_tls(w, t, ca, deadline, err) < 0) ||
	    upgrade(w, t, deadline, err) < 0) {
		w->closed = true;
		oc_ws_close(w);
		return -1;
	}
	*out = w;
	return 0;
}

/* --- frames --- */

static int send_frame(struct oc_ws *w, unsigned op, const char *data, size_t len, struct oc_err *err)
{
	unsigned char head[14] = {(unsigned char)(0x80 | op)}, mask[4];
	size_t n = 2;
	oc_auto_buf b = {0};

	if (getrandom(mask, sizeof(mask), 0) != (ssize_t)sizeof(mask))
		return oc_fail(err, errno, "no random bytes");
	if (len < 126) {
		head[1] = (unsigned char)(0x80 | len);
	} else if (len < 65536) {
		head[1] = 0x80 | 126;
		head[n++] = (unsigned char)(len >> 8);
		head[n++] = (unsigned char)len;
	} else {
		head[1] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			head[n++] = (unsigned char)((uint64_t)len >> shift);
	}
	memcpy(head + n, mask, 4);
	oc_buf_add(&b, head, n + 4);
	oc_buf_add(&b, data, len);
	for (size_t i = 0; i < len; i++)
		b.data[n + 4 + i] = (char)(b.data[n + 4 + i] ^ (char)mask[i % 4]);
	return put(w, b.data, b.len, oc_cli_mono_ms() + 30000, err);
}

int oc_ws_send(struct oc_ws *w, const char *text, size_t len, struct oc_err *err)
{
	return send_frame(w, 1, text, len, err);
}

static int closed(struct oc_ws *w, const unsigned char *data, size_t len, struct oc_err *err)
{
	w->closed = true;
	send_frame(w, 8, (const char *)data, len < 2 ? 0 : 2, NULL);
	if (len < 2)
		return oc_fail(err, 0, "the gateway closed the connection");
	return oc_fail(err, 0, "the gateway closed the connection: %u %.*s",
		       (unsigned)data[0] << 8 | data[1], (int)(len - 2), (const char *)data + 2);
}

/* Head of a frame, and its bytes in w->in at w->used. */
static int frame(struct oc_ws *w, int64_t deadline, unsigned *first, size_t *len, struct oc_err *err)
{
	if (fill(w, 2, deadline, err) < 0)
		return -1;
	const unsigned char *p = (const unsigned char *)w->in.data + w->used;
	size_t head = 2;
	uint64_t n = p[1] & 0x7F;
	if ((p[0] & 0x70) || (p[1] & 0x80))
		return oc_fail(err, 0, "the gateway broke the protocol");
	if (n >= 126) {
		head = n == 126 ? 4 : 10;
		if (fill(w, head, deadline, err) < 0)
			return -1;
		p = (const unsigned char *)w->in.data + w->used;
		n = 0;
		for (size_t i = 2; i < head; i++)
			n = n << 8 | p[i];
	}
	*first = p[0];
	if (n > message_max)
		return oc_fail(err, 0, "the gateway sent a message that is too large");
	if (fill(w, head + (size_t)n, deadline, err) < 0)
		return -1;
	w->used += head;
	*len = (size_t)n;
	return 0;
}

int oc_ws_receive(struct oc_ws *w, int64_t deadline, const char **text, size_t *len,
		  struct oc_err *err)
{
	bool inside = false;

	w->message.len = 0;
	for (;;) {
		unsigned first = 0, op;
		size_t n = 0;
		if (frame(w, deadline, &first, &n, err) < 0)
			return -1;
		const char *data = w->in.data + w->used;
		w->used += n;
		op = first & 0x0F;
		if (op == 8)
			return closed(w, (const unsigned char *)data, n, err);
		if (op == 9 && send_frame(w, 10, data, n, err) < 0)
			return -1;
		if (op == 9 || op == 10)
			continue;
		if ((op != 1 && op != 0) || (op == 0) != inside ||
		    w->message.len + n > message_max)
			return oc_fail(err, 0, "the gateway broke the protocol");
		oc_buf_add(&w->message, data, n);
		inside = true;
		if (first & 0x80) {
			*text = w->message.data;
			*len = w->message.len;
			return 0;
		}
	}
}

void oc_ws_close(struct oc_ws *w)
{
	if (!w)
		return;
	if (!w->closed)
		send_frame(w, 8, "\x03\xE8", 2, NULL);
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	if (w->fd >= 0)
		close(w->fd);
	oc_buf_free(&w->in);
	oc_buf_free(&w->message);
	free(w);
}
