/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock - one client's socket: bytes in, bytes out, TLS, deadlines, the end.
 *
 * An idle one has no buffers.  Nothing is read of a client while more than OC_SOCK_PAUSE bytes wait
 * for it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/server/internal.h"

#define HEAD_MS	     10000 /* for a head, and for a TLS handshake before it */
#define LINGER_MS    1000
#define HEADS_OF_ONE 256u /* sockets of one address that are not yet upgraded and authenticated */
#define OUT_KEEP     4096u

static void on_poll(uv_poll_t *h, int status, int events);
static void unmark(struct oc_sock *s);

static void watch(struct oc_sock *s)
{
	int want = 0;

	if (s->state == OC_SOCK_DEAD)
		return;
	if (!s->paused && !s->eof)
		want |= UV_READABLE;
	if (oc_sock_queued(s) > 0 || s->tls_wants_write)
		want |= UV_WRITABLE;
	if (want == s->events)
		return;
	s->events = want;
	if (want)
		uv_poll_start(&s->poll, want, on_poll);
	else
		uv_poll_stop(&s->poll);
}

static void freed(uv_handle_t *h)
{
	struct oc_sock *s = h->data;

	free(s);
}

static void close_fd(struct oc_sock *s)
{
	if (s->tls) {
		SSL_free(s->tls);
		s->tls = NULL;
	}
	close(s->fd);
	s->fd = -1;
}

void oc_sock_close(struct oc_sock *s)
{
	struct oc_server *srv = s->srv;

	if (s->state == OC_SOCK_DEAD)
		return;
	s->state = OC_SOCK_DEAD;
	if (s->ws)
		oc_ws_gone(s);
	oc_count_drop(&srv->heads, &s->heads);
	oc_count_drop(&srv->preauth, &s->preauth);
	if (s->prev)
		s->prev->next = s->next;
	else
		srv->socks = s->next;
	if (s->next)
		s->next->prev = s->prev;
	srv->sock_count--;
	unmark(s);
	free(s->reader);
	oc_buf_free(&s->in);
	oc_buf_free(&s->out);
	/* Before the number of the descriptor can be somebody else's. */
	uv_close((uv_handle_t *)&s->poll, freed);
	close_fd(s);
}

size_t oc_sock_queued(const struct oc_sock *s)
{
	return s->out.len - s->out_at;
}

void oc_sock_queue(struct oc_sock *s, const void *data, size_t len)
{
	if (s->state == OC_SOCK_DEAD)
		return;
	oc_buf_add(&s->out, data, len);
	oc_sock_mark(s);
}

void oc_sock_mark(struct oc_sock *s)
{
	struct oc_server *srv = s->srv;

	if (s->dirty)
		return;
	s->dirty = true;
	s->dirty_prev = NULL;
	s->dirty_next = srv->dirty;
	if (srv->dirty)
		srv->dirty->dirty_prev = s;
	srv->dirty = s;
}

static void unmark(struct oc_sock *s)
{
	if (!s->dirty)
		return;
	s->dirty = false;
	if (s->dirty_prev)
		s->dirty_prev->dirty_next = s->dirty_next;
	else
		s->srv->dirty = s->dirty_next;
	if (s->dirty_next)
		s->dirty_next->dirty_prev = s->dirty_prev;
}

/* Bytes written, 0: not now, -1: gone. */
static ssize_t write_some(struct oc_sock *s, const void *p, size_t n)
{
	if (!s->tls) {
		ssize_t r = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	size_t done = 0;
	ERR_clear_error();
	int r = SSL_write_ex(s->tls, p, n, &done);
	if (r > 0)
		return (ssize_t)done;
	int e = SSL_get_error(s->tls, r);
	s->tls_wants_write = e == SSL_ERROR_WANT_WRITE;
	return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t read_some(struct oc_sock *s, void *p, size_t n)
{
	if (!s->tls) {
		ssize_t r = recv(s->fd, p, n, MSG_DONTWAIT);
		if (r == 0)
			s->eof = true;
		return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	size_t done = 0;
	ERR_clear_error();
	int r = SSL_read_ex(s->tls, p, n, &done);
	if (r > 0)
		return (ssize_t)done;
	int e = SSL_get_error(s->tls, r);
	if (e == SSL_ERROR_ZERO_RETURN)
		s->eof = true;
	s->tls_wants_write = e == SSL_ERROR_WANT_WRITE;
	return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ || s->eof ? 0 : -1;
}

static void linger(struct oc_sock *s)
{
	s->state = OC_SOCK_LINGER;
	oc_deadline_set(s, LINGER_MS);
	if (s->tls)
		SSL_shutdown(s->tls);
	if (s->eof || shutdown(s->fd, SHUT_WR) < 0)
		oc_sock_close(s);
}

void oc_sock_flush(struct oc_sock *s)
{
	unmark(s);
	while (s->state != OC_SOCK_DEAD && oc_sock_queued(s) > 0) {
		ssize_t r = write_some(s, s->out.data + s->out_at, oc_sock_queued(s));
		if (r < 0) {
			oc_sock_close(s);
			return;
		}
		if (r == 0)
			break;
		s->out_at += (size_t)r;
	}
	if (s->state == OC_SOCK_DEAD)
		return;
	if (oc_sock_queued(s) == 0) {
		if (s->out.cap > OUT_KEEP || s->out.len) {
			oc_buf_free(&s->out);
			s->out = (struct oc_buf){0};
		}
		s->out_at = 0;
		if (s->close_after && s->state != OC_SOCK_LINGER) {
			linger(s);
			if (s->state == OC_SOCK_DEAD)
				return;
		}
	} else if (s->out_at > (1u << 20) && s->out_at > s->out.len / 2) {
		memmove(s->out.data, s->out.data + s->out_at, oc_sock_queued(s));
		s->out.len -= s->out_at;
		s->out_at = 0;
	}
	watch(s);
}

void oc_sock_finish(struct oc_sock *s)
{
	if (s->state == OC_SOCK_DEAD || s->close_after)
		return;
	s->close_after = true;
	oc_deadline_set(s, LINGER_MS);
	oc_sock_mark(s);
}

static void take(struct oc_sock *s, uint8_t *p, size_t n)
{
	switch (s->state) {
	case OC_SOCK_HTTP:
		oc_http_bytes(s, p, n);
		break;
	case OC_SOCK_WS:
		oc_ws_bytes(s, p, n);
		break;
	case OC_SOCK_LINGER:
	case OC_SOCK_TLS:
	case OC_SOCK_DEAD:
		break;
	}
}

/* What waited while the client did not read. */
static void resume(struct oc_sock *s)
{
	struct oc_buf waiting = s->in;

	s->paused = false;
	if (waiting.len == 0 || (s->state == OC_SOCK_HTTP && s->reader))
		return;
	s->in = (struct oc_buf){0};
	take(s, (uint8_t *)waiting.data, waiting.len);
	oc_buf_free(&waiting);
}

static void shake(struct oc_sock *s)
{
	ERR_clear_error();
	int r = SSL_accept(s->tls);
	if (r > 0) {
		s->state = OC_SOCK_HTTP;
		s->tls_wants_write = false;
		return;
	}
	int e = SSL_get_error(s->tls, r);
	s->tls_wants_write = e == SSL_ERROR_WANT_WRITE;
	if (e != SSL_ERROR_WANT_WRITE && e != SSL_ERROR_WANT_READ)
		oc_sock_close(s);
}

static void readable(struct oc_sock *s)
{
	struct oc_server *srv = s->srv;

	if (s->state == OC_SOCK_TLS) {
		shake(s);
		if (s->state != OC_SOCK_HTTP)
			return;
	}
	/* TLS may hold bytes that poll does not tell of. */
	for (unsigned rounds = 0; rounds < 8 && s->state != OC_SOCK_DEAD && !s->paused; rounds++) {
		ssize_t n = read_some(s, srv->input, sizeof srv->input);
		if (n < 0) {
			oc_sock_close(s);
			return;
		}
		if (n == 0)
			break;
		take(s, srv->input, (size_t)n);
		if (!s->tls || SSL_pending(s->tls) == 0)
			break;
	}
	if (s->state == OC_SOCK_DEAD || !s->eof)
		return;
	/* A half-closed client may still want its answers; a WebSocket without a close frame is
	 * gone. */
	if (s->state == OC_SOCK_HTTP && oc_sock_queued(s) > 0)
		oc_sock_finish(s);
	else
		oc_sock_close(s);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct oc_sock *s = h->data;

	if (status < 0) {
		oc_sock_close(s);
		return;
	}
	if (events & UV_WRITABLE && s->state != OC_SOCK_TLS) {
		s->tls_wants_write = false;
		oc_sock_flush(s);
		if (s->state != OC_SOCK_DEAD && s->paused && oc_sock_queued(s) < OC_SOCK_PAUSE / 4)
			resume(s);
	}
	if (s->state != OC_SOCK_DEAD && ((events & UV_READABLE) || s->state == OC_SOCK_TLS))
		readable(s);
	if (s->state != OC_SOCK_DEAD)
		oc_sock_flush(s);
}

void oc_sock_due(struct oc_sock *s, int64_t now)
{
	if (s->ws && s->ws->later && now >= s->ws->later) {
		s->ws->later = 0;
		oc_gw_later(s->ws->conn);
		oc_sock_flush(s);
		return;
	}
	if (!s->deadline || now < s->deadline)
		return;
	s->deadline = 0;
	if (s->state == OC_SOCK_WS && s->ws && !s->close_after && !s->ws->close_sent &&
	    !oc_gw_authenticated(s->ws->conn)) {
		oc_ws_transport.close(s, OC_GW_CLOSE_NORMAL, "handshake timeout");
		oc_sock_flush(s);
		return;
	}
	oc_sock_close(s);
}

static struct oc_addr addr_of(const struct sockaddr_storage *ss)
{
	struct oc_addr a = {0};

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)ss;
		const uint8_t *b = (const uint8_t *)&in->sin_addr;
		return oc_addr_v4(b[0], b[1], b[2], b[3]);
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)ss;
		a = oc_addr_v6(in->sin6_addr.s6_addr);
	}
	return oc_addr_unmap(&a);
}

static bool open_sock(struct oc_server *srv, int fd, const struct oc_addr *peer,
		      struct oc_count *heads)
{
	struct oc_sock *s = calloc(1, sizeof *s);
	const int one = 1;

	if (!s)
		oc_oom();
	s->srv = srv;
	s->fd = fd;
	s->peer = *peer;
	s->state = OC_SOCK_HTTP;
	if (srv->tls) {
		s->state = OC_SOCK_TLS;
		s->tls = SSL_new(srv->tls);
		if (!s->tls || SSL_set_fd(s->tls, fd) != 1) {
			SSL_free(s->tls);
			free(s);
			return false;
		}
	}
	if (uv_poll_init(&srv->loop, &s->poll, fd) < 0) {
		SSL_free(s->tls);
		free(s);
		return false;
	}
	s->heads = heads;
	s->poll.data = s;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	s->next = srv->socks;
	if (s->next)
		s->next->prev = s;
	srv->socks = s;
	srv->sock_count++;
	oc_deadline_set(s, HEAD_MS);
	watch(s);
	return true;
}

void oc_sock_accept(struct oc_server *srv, int listen_fd)
{
	for (unsigned i = 0; i < 64; i++) {
		struct sockaddr_storage ss = {0};
		socklen_t len = sizeof ss;
		int fd = accept4(listen_fd, (struct sockaddr *)&ss, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		struct oc_addr peer = addr_of(&ss);
		struct oc_count *heads = oc_count_take(&srv->heads, &peer, HEADS_OF_ONE);
		if (!heads || srv->stopping || srv->sock_count >= srv->sock_max ||
		    !open_sock(srv, fd, &peer, heads)) {
			oc_count_drop(&srv->heads, &heads);
			close(fd);
		}
	}
}
