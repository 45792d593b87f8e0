/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - one connection of the sandbox, from accept to close; see "theory of operation" in
 * internal.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define ACCEPT_BATCH 64
#define DNS_PORT     53
#define PAUSE_US     100000u
#define BUFFERS_FREE 32 /* connections */
#define BUFFERS_SOME 128
#define BUFFERS_MANY 256
/* linux/netfilter_ipv6/ip6_tables.h, which does not compile together with netinet/in.h. */
#define IP6T_ORIGINAL_DST 80

static void proceed(struct oc_eg *g, struct oc_conn *c);

void oc_conn_reset(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

static void side_reset(struct oc_event *e)
{
	if (e->fd >= 0)
		oc_conn_reset(e->fd);
	e->fd = -1;
}

/* --- records --- */

static void record(struct oc_eg *g, const struct oc_conn *c, const char *event,
		   enum oc_egress_reason reason, const char *detail)
{
	struct oc_record r = {
		.event = event,
		.allowed = reason == OC_EGRESS_ALLOWED,
		.reason = reason,
		.name = c->name[0] ? c->name : NULL,
		.addr = c->addr.family ? &c->addr : &c->dst,
		.port = c->port,
		.protocol = c->protocol,
		.rule = c->use		 ? c->use->text
			: c->answer.rule ? c->answer.rule->text
					 : NULL,
		.seen = c->first && c->first->check.seen[0] ? c->first->check.seen : NULL,
		.detail = detail,
		.addr_class = c->answer.addr_class,
		.has_traffic = c->relaying,
		.sent = c->flow[0].bytes,
		.received = c->flow[1].bytes,
		.duration_us = g->now - c->began,
	};

	oc_eglog_write(g, &r);
}

void oc_conn_close(struct oc_eg *g, struct oc_conn *c, enum oc_egress_reason reason,
		   const char *detail)
{
	/* At the end nobody is left to whom the peer's bytes could go. */
	bool orderly =
		reason == OC_EGRESS_ALLOWED && c->flow[0].shut && (c->flow[1].shut || g->end.fn);

	if (!c->relaying && reason != OC_EGRESS_ALLOWED)
		g->stats.refused++;
	record(g, c, c->relaying ? "close" : "connect", reason, detail);
	oc_relay_end(g, c);
	oc_dial_end(g, c);
	oc_resolve_cancel(&c->waiter);
	oc_timer_clear(g, &c->timer);
	if (c->held)
		oc_synth_release(g->synth, &c->dst, g->now / 1000000);
	if (c->first) {
		g->first_bytes -= c->first->cap;
		free(c->first->data);
		free(c->first);
		c->first = NULL;
	}
	if (orderly) {
		oc_loop_close(&c->client.event);
		oc_loop_close(&c->peer.event);
	} else {
		side_reset(&c->client.event);
		side_reset(&c->peer.event);
	}
	oc_list_remove(&c->all);
	g->conn_count--;
	oc_loop_bury(g, c);
}

/* --- limits on time --- */

static void late(struct oc_eg *g, struct oc_timer *t)
{
	struct oc_conn *c = OC_CONTAINER(t, struct oc_conn, timer);

	if (c->relaying) {
		if (g->now - c->active >= g->idle_us)
			oc_conn_close(g, c, OC_EGRESS_LIMIT, "idle");
		else if (oc_timer_set(g, t, g->idle_us - (g->now - c->active)) < 0)
			oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory");
	} else if (!c->dialled && g->now - c->began >= g->connect_us) {
		oc_conn_close(g, c, OC_EGRESS_CONNECT_TIMEOUT,
			      c->waiter.link.next ? "no answer from the name servers" : NULL);
	} else {
		oc_conn_close(g, c, OC_EGRESS_FIRST_BYTES_TIMEOUT,
			      c->first && c->first->len
				      ? NULL
				      : "where the server speaks first a tcp: rule is needed");
	}
}

static int arm(struct oc_eg *g, struct oc_conn *c)
{
	uint64_t limit = g->idle_us, passed = g->now - c->began;

	if (c->relaying)
		return oc_timer_set(g, &c->timer, limit);
	limit = UINT64_MAX;
	if (!c->dialled)
		limit = g->connect_us;
	if (!c->checked && g->first_bytes_us < limit)
		limit = g->first_bytes_us;
	return oc_timer_set(g, &c->timer, limit > passed ? limit - passed : 0);
}

/* --- first bytes --- */

uint8_t *oc_conn_room(struct oc_eg *g, struct oc_first_bytes *b)
{
	if (b->len == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 2048;
		if (cap > 2 * OC_CHECK_STREAM_MAX ||
		    g->first_bytes + cap - b->cap > OC_FIRST_BYTES_MAX)
			return NULL;
		uint8_t *p = realloc(b->data, cap);
		if (!p)
			return NULL;
		g->first_bytes += cap - b->cap;
		b->data = p;
		b->cap = cap;
	}
	return b->data + b->len;
}

static void read_first(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_first_bytes *b = c->first;
	enum oc_egress_reason reason = OC_EGRESS_LIMIT;

	while (!c->checked && c->client.readable) {
		uint8_t *to = oc_conn_room(g, b);
		if (!to) {
			oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory for first bytes");
			return;
		}
		ssize_t n = recv(c->client.event.fd, to, b->cap - b->len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			c->client.readable = false;
			return;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			oc_conn_close(g, c, OC_EGRESS_FIRST_BYTES_TIMEOUT, "closed by the client");
			return;
		}
		b->len += (size_t)n;
		enum oc_first v = oc_check_read(&b->check, &c->answer, c->name, &c->dst, b->data,
						b->len, &reason);
		if (b->check.protocol != OC_CHECK_UNKNOWN)
			c->protocol = b->check.protocol == OC_CHECK_TLS ? "tls" : "http";
		if (v == OC_FIRST_OK) {
			c->checked = true;
			oc_watch_begin(&b->watch, &b->check, &c->answer);
		} else if (v != OC_FIRST_MORE) {
			oc_conn_close(g, c, reason, b->check.detail);
			return;
		}
	}
}

/* --- events --- */

static void take(struct oc_side *s, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		s->readable = true;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		s->writable = true;
}

/* An error that no read or write was in the way of. */
static void look_for_error(struct oc_eg *g, struct oc_conn *c, struct oc_event *e)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (e->fd < 0 || getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || !error)
		return;
	oc_conn_close(g, c, c->relaying ? OC_EGRESS_ALLOWED : OC_EGRESS_CONNECT_FAILED,
		      strerrordesc_np(error));
}

static void client_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	struct oc_conn *c = OC_CONTAINER(e, struct oc_conn, client.event);

	take(&c->client, events);
	proceed(g, c);
	if (events & EPOLLERR)
		look_for_error(g, c, e);
}

static void peer_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	struct oc_conn *c = OC_CONTAINER(e, struct oc_conn, peer.event);

	take(&c->peer, events);
	proceed(g, c);
	if (events & EPOLLERR)
		look_for_error(g, c, e);
}

/* Whatever has become possible. */
static void proceed(struct oc_eg *g, struct oc_conn *c)
{
	if (c->relaying) {
		oc_relay_pump(g, c);
		return;
	}
	if (!c->checked)
		read_first(g, c);
	if (c->client.event.fd < 0)
		return;
	if (!c->checked || !c->dialled) {
		if (arm(g, c) < 0)
			oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory");
		return;
	}
	g->stats.allowed++;
	record(g, c, "connect", OC_EGRESS_ALLOWED, NULL);
	c->relaying = true;
	c->active = g->now;
	if (arm(g, c) < 0)
		oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory");
	else
		oc_relay_pump(g, c);
}

void oc_conn_dialled(struct oc_eg *g, struct oc_conn *c, int fd, const struct oc_addr *addr)
{
	c->addr = *addr;
	c->dialled = true;
	c->peer.event.fn = peer_event;
	/* It is in the set already, for its attempt. */
	if (oc_loop_change(g, &c->peer.event, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0) {
		close(fd);
		oc_conn_close(g, c, OC_EGRESS_LIMIT, "cannot watch the connection");
		return;
	}
	c->peer.writable = true;
	proceed(g, c);
}

/* --- resolved --- */

/* IPv6 and IPv4 in turns, as they came (RFC 8305 section 4). */
static void interleave(struct oc_addr *to, const struct oc_addr *from, size_t count)
{
	size_t i[2] = {0, 0}, n = 0;

	for (unsigned turn = 0; n < count; turn = !turn) {
		uint8_t family = turn ? 4 : 6;
		while (i[turn] < count && from[i[turn]].family != family)
			i[turn]++;
		if (i[turn] < count)
			to[n++] = from[i[turn]++];
	}
}

static void resolved(struct oc_eg *g, struct oc_waiter *w, enum oc_egress_reason status,
		     const struct oc_addr *addr, size_t count)
{
	struct oc_conn *c = OC_CONTAINER(w, struct oc_conn, waiter);
	struct oc_addr good[OC_RESOLVE_ADDRS], sorted[OC_RESOLVE_ADDRS];
	struct oc_egress_answer refusal = {.reason = status};
	size_t n = 0;

	if (status != OC_EGRESS_ALLOWED) {
		oc_conn_close(g, c, status, NULL);
		return;
	}
	for (size_t i = 0; i < count && n < OC_RESOLVE_ADDRS; i++) {
		struct oc_egress_answer a;
		oc_egress_decide_resolved(&g->rules, &c->answer, &addr[i], c->port, &a);
		if (a.allowed) {
			good[n++] = addr[i];
			continue;
		}
		refusal = a;
		c->addr = addr[i];
	}
	if (!n) {
		c->answer.addr_class = refusal.addr_class;
		oc_conn_close(g, c,
			      refusal.reason == OC_EGRESS_ALLOWED ? OC_EGRESS_RESOLVE_FAILED
								  : refusal.reason,
			      NULL);
		return;
	}
	c->addr = (struct oc_addr){0};
	interleave(sorted, good, n);
	oc_dial_start(g, c, sorted, n);
}

/* --- accept --- */

static int original_destination(int fd, struct oc_addr *addr, uint16_t *port)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -1;
	len = sizeof ss;
	if (ss.ss_family == AF_INET) {
		struct sockaddr_in in4;
		socklen_t len4 = sizeof in4;
		if (getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, &in4, &len4) < 0)
			return -1;
		const uint8_t *b = (const uint8_t *)&in4.sin_addr;
		*addr = oc_addr_v4(b[0], b[1], b[2], b[3]);
		*port = ntohs(in4.sin_port);
		return 0;
	}
	struct sockaddr_in6 in6;
	socklen_t len6 = sizeof in6;
	if (getsockopt(fd, IPPROTO_IPV6, IP6T_ORIGINAL_DST, &in6, &len6) < 0)
		return -1;
	*addr = oc_addr_v6(in6.sin6_addr.s6_addr);
	*port = ntohs(in6.sin6_port);
	return 0;
}

static void refuse(struct oc_eg *g, int fd, const char *name, const struct oc_addr *addr,
		   uint16_t port, const struct oc_egress_answer *a, const char *detail)
{
	struct oc_record r = {.event = "connect",
			      .reason = a->reason,
			      .name = name,
			      .addr = addr,
			      .port = port,
			      .rule = a->rule ? a->rule->text : NULL,
			      .detail = detail,
			      .addr_class = a->addr_class};

	g->stats.refused++;
	oc_eglog_write(g, &r);
	oc_conn_reset(fd);
}

/* The listeners themselves, dialled without the detour. */
static bool is_inside(const struct oc_addr *a)
{
	struct oc_addr own = oc_addr_v4(192, 0, 0, 8), u = oc_addr_unmap(a);

	return oc_addr_classify(&u) == OC_ADDR_LOOPBACK || oc_addr_equal(&u, &own);
}

void oc_conn_decide(const struct oc_eg *g, const char *name, const struct oc_addr *dst,
		    uint16_t port, struct oc_egress_answer *a)
{
	if (name)
		oc_egress_decide_name(&g->rules, name, port, a);
	else if (is_inside(dst))
		*a = (struct oc_egress_answer){.reason = OC_EGRESS_ADDRESS_CLASS,
					       .addr_class = OC_ADDR_LOOPBACK};
	else
		oc_egress_decide_addr(&g->rules, dst, port, a);
}

void oc_conn_buffers(const struct oc_eg *g, int fd, bool inside)
{
	int from, to;

	/* The kernel doubles them; left alone, it goes up to tcp_rmem and tcp_wmem, some 10 MB. */
	if (g->conn_count < BUFFERS_FREE)
		return;
	if (g->conn_count < BUFFERS_SOME) {
		from = 1 << 20;
		to = 256 << 10;
	} else {
		from = to = g->conn_count < BUFFERS_MANY ? 256 << 10 : 64 << 10;
	}
	if (!inside || g->conn_count >= BUFFERS_SOME)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &from, sizeof from);
	/* The listener's are smaller already. */
	if (!inside || g->conn_count >= BUFFERS_MANY)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &to, sizeof to);
}

static struct oc_conn *new_conn(struct oc_eg *g, int fd, const char *name,
				const struct oc_addr *dst, uint16_t port,
				const struct oc_egress_answer *a, struct oc_rule_use *use)
{
	size_t len = name ? strlen(name) + 1 : 1;
	struct oc_conn *c = calloc(1, sizeof *c + len);

	if (!c)
		return NULL;
	if (name)
		memcpy(c->name, name, len);
	c->named = name != NULL;
	c->dst = *dst;
	c->port = port;
	c->answer = *a;
	c->check = a->check;
	c->use = use;
	c->checked = a->check == OC_EGRESS_CHECK_NONE;
	c->protocol = c->checked ? "tcp" : NULL;
	c->began = c->active = g->now;
	c->client.event = (struct oc_event){.fd = -1, .fn = client_event};
	c->peer.event.fd = -1;
	c->client.writable = true;
	c->timer.fn = late;
	c->waiter.fn = resolved;
	if (!c->checked && !(c->first = calloc(1, sizeof *c->first))) {
		free(c);
		return NULL;
	}
	if (oc_loop_add(g, &c->client.event, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0) {
		free(c->first);
		free(c);
		return NULL;
	}
	oc_conn_buffers(g, fd, true);
	oc_list_append(&g->conns, &c->all);
	g->conn_count++;
	if (name)
		c->held = oc_synth_hold(g->synth, dst, g->now / 1000000) == 0;
	return c;
}

static void admit(struct oc_eg *g, int fd)
{
	struct oc_addr dst;
	struct oc_egress_answer a = {.reason = OC_EGRESS_LIMIT};
	struct oc_rule_use *use = NULL;
	const char *name = NULL;
	uint16_t port;

	g->stats.accepted++;
	if (original_destination(fd, &dst, &port) < 0) {
		refuse(g, fd, NULL, NULL, 0, &a, "no original destination");
		return;
	}
	if (port == DNS_PORT) {
		oc_names_tcp(g, fd);
		return;
	}
	if (g->conn_count >= g->max_connections) {
		refuse(g, fd, oc_synth_name(g->synth, &dst), &dst, port, &a, "connections");
		return;
	}
	name = oc_synth_name(g->synth, &dst);
	oc_conn_decide(g, name, &dst, port, &a);
	if (a.allowed) {
		a.reason = oc_budget_connection(&g->budgets, a.rule, name, &use);
		a.allowed = a.reason == OC_EGRESS_ALLOWED;
	}
	if (!a.allowed) {
		refuse(g, fd, name, &dst, port, &a, NULL);
		return;
	}
	struct oc_conn *c = new_conn(g, fd, name, &dst, port, &a, use);
	if (!c) {
		a.reason = OC_EGRESS_LIMIT;
		refuse(g, fd, name, &dst, port, &a, "memory");
		return;
	}
	if (arm(g, c) < 0)
		oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory");
	else if (c->named)
		oc_resolve(g, c->name, &c->waiter);
	else
		oc_dial_start(g, c, &c->dst, 1);
}

static void watch_listeners(struct oc_eg *g, uint32_t events)
{
	for (int i = 0; i < 2; i++) {
		struct epoll_event ev = {.events = events, .data.ptr = &g->listener[i]};
		if (g->listener[i].fd >= 0)
			(void)epoll_ctl(g->loop.epoll, EPOLL_CTL_MOD, g->listener[i].fd, &ev);
	}
}

void oc_conn_listen_again(struct oc_eg *g, struct oc_timer *t)
{
	(void)t;
	watch_listeners(g, EPOLLIN);
}

void oc_conn_listener(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			admit(g, fd);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR && errno != ECONNABORTED) {
			/* The whole system is short of descriptors or memory: not to be asked in a
			 * loop. */
			if (oc_timer_set(g, &g->pause, PAUSE_US) == 0)
				watch_listeners(g, 0);
			return;
		}
	}
}

/* --- the rules have changed --- */

static bool still_allowed(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_egress_answer a;

	if (c->named)
		oc_egress_decide_name(&g->rules, c->name, c->port, &a);
	else
		oc_egress_decide_addr(&g->rules, &c->dst, c->port, &a);
	if (a.allowed && c->named && c->addr.family) {
		struct oc_egress_answer named = a;
		oc_egress_decide_resolved(&g->rules, &named, &c->addr, c->port, &a);
	}
	/* Not looked into so far, or let through with ECH, and now it would be otherwise. */
	if (!a.allowed || (c->check == OC_EGRESS_CHECK_NONE && a.check != OC_EGRESS_CHECK_NONE) ||
	    (c->answer.ech && !a.ech && c->check != OC_EGRESS_CHECK_NONE)) {
		c->answer.rule = a.rule;
		return false;
	}
	/* What it was let in with stays: a check is not skipped half-way. */
	a.check = c->check;
	a.ech = c->answer.ech && a.ech;
	c->answer = a;
	return true;
}

uint64_t oc_conn_recheck(struct oc_eg *g)
{
	uint64_t closed = 0;

	for (struct oc_list *p = g->conns.next, *next; p != &g->conns; p = next) {
		struct oc_conn *c = OC_CONTAINER(p, struct oc_conn, all);
		next = p->next;
		if (!still_allowed(g, c)) {
			oc_conn_close(g, c, OC_EGRESS_RULE_REMOVED, NULL);
			closed++;
		}
	}
	return closed;
}
