/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial - connect to the first address that answers (RFC 8305).
 *
 * Addresses come in the order in which they are tried.  The next one is tried when the one before
 * has failed, or has not answered for 250 ms; the first that answers wins and the others are
 * closed.  The limit on all of it is the connection's timer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define STAGGER_US 250000u

static void try_next(struct oc_eg *g, struct oc_conn *c);

static int start_connect(const struct oc_eg *g, const struct oc_addr *a, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int one = 1, idle = 60, interval = 30, count = 4;
	int fd = socket(a->family == 4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	memcpy(&in4.sin_addr, a->b, sizeof in4.sin_addr);
	memcpy(&in6.sin6_addr, a->b, sizeof in6.sin6_addr);
	/* Latency is the programs' own business, and a dead peer must not hold a connection for
	 * ever. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	/* Before the window is offered. */
	oc_conn_buffers(g, fd, false);
	int r = a->family == 4 ? connect(fd, (struct sockaddr *)&in4, sizeof in4)
			       : connect(fd, (struct sockaddr *)&in6, sizeof in6);
	if (r < 0 && errno != EINPROGRESS) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void attempt_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	struct oc_attempt *t = OC_CONTAINER(e, struct oc_attempt, event);
	struct oc_conn *c = t->conn;
	int error = 0;
	socklen_t len = sizeof error;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error && (events & EPOLLOUT)) {
		struct oc_addr addr = t->addr;
		/* From here on its events are the connection's own. */
		int fd = e->fd;
		e->fd = -1;
		c->dial->open--;
		oc_dial_end(g, c);
		oc_conn_dialled(g, c, fd, &addr);
		return;
	}
	oc_loop_close(e);
	c->dial->open--;
	c->dial->last_errno = error ? error : ECONNREFUSED;
	oc_timer_clear(g, &c->dial->stagger);
	try_next(g, c);
}

static void try_next(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_dial *d = c->dial;

	while (d->next < d->count) {
		struct oc_attempt *t = &d->attempt[d->next];
		t->addr = d->addr[d->next++];
		t->conn = c;
		t->event = (struct oc_event){.fd = -1, .fn = attempt_event};
		int fd = start_connect(g, &t->addr, c->port);
		if (fd < 0) {
			d->last_errno = errno;
			continue;
		}
		c->addr = t->addr;
		if (oc_loop_add(g, &t->event, fd, EPOLLOUT | EPOLLET) < 0) {
			d->last_errno = errno;
			close(fd);
			continue;
		}
		d->open++;
		if (d->next < d->count && oc_timer_set(g, &d->stagger, STAGGER_US) < 0)
			d->next = d->count;
		return;
	}
	if (!d->open)
		oc_conn_close(g, c, OC_EGRESS_CONNECT_FAILED, strerrordesc_np(d->last_errno));
}

static void stagger_late(struct oc_eg *g, struct oc_timer *t)
{
	struct oc_dial *d = OC_CONTAINER(t, struct oc_dial, stagger);

	/* The timer is set only while an attempt is open. */
	for (size_t i = 0; i < d->next; i++)
		if (d->attempt[i].event.fd >= 0) {
			try_next(g, d->attempt[i].conn);
			return;
		}
}

void oc_dial_start(struct oc_eg *g, struct oc_conn *c, const struct oc_addr *addr, size_t count)
{
	struct oc_dial *d = calloc(1, sizeof *d);

	if (!d) {
		oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory");
		return;
	}
	d->count = count < OC_DIAL_ATTEMPTS ? count : OC_DIAL_ATTEMPTS;
	memcpy(d->addr, addr, d->count * sizeof *addr);
	d->stagger.fn = stagger_late;
	for (size_t i = 0; i < OC_DIAL_ATTEMPTS; i++)
		d->attempt[i].event.fd = -1;
	c->dial = d;
	try_next(g, c);
}

/* The attempts lie in memory that events at hand may point at: it is buried, not freed. */
void oc_dial_end(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_dial *d = c->dial;

	if (!d)
		return;
	oc_timer_clear(g, &d->stagger);
	for (size_t i = 0; i < OC_DIAL_ATTEMPTS; i++)
		oc_loop_close(&d->attempt[i].event);
	c->dial = NULL;
	oc_loop_bury(g, d);
}
