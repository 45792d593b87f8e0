/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - the DNS that the sandbox sees.
 *
 * Every answer is made here from the rules: nothing that the sandbox asks goes anywhere.  A name
 * that may be reached has one synthetic IPv4 address and no other record; all others do not exist.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define BATCH	     64
#define TCP_LIMIT_US 10000000u
#define DNS_IN	     1

static void record_query(struct oc_eg *g, const struct oc_dns_query *q, const char *name,
			 const struct oc_egress_answer *a)
{
	char type[16];
	struct oc_record r = {.event = "query",
			      .allowed = false,
			      .reason = a->reason,
			      .name = name,
			      .protocol = "dns",
			      .type = q->question_len ? oc_dns_type_name(q->type, type) : NULL,
			      .rule = a->rule ? a->rule->text : NULL};

	oc_eglog_write(g, &r);
}

/* Length of the answer, 0: none is given. */
static size_t answer(struct oc_eg *g, const uint8_t *p, size_t n, size_t limit,
		     uint8_t out[OC_DNS_ANSWER_MAX])
{
	struct oc_dns_query q;
	struct oc_egress_answer a = {.reason = OC_EGRESS_BAD_DNS};
	struct oc_addr addr;

	g->stats.queries++;
	enum oc_dns_verdict v = oc_dns_parse(p, n, &q);
	if (v == OC_DNS_DROP) {
		record_query(g, &(struct oc_dns_query){0}, NULL, &a);
		return 0;
	}
	if (!limit)
		limit = q.udp_size;
	if (v == OC_DNS_ERROR || v == OC_DNS_BAD_NAME) {
		a.reason = v == OC_DNS_BAD_NAME ? OC_EGRESS_BAD_NAME : OC_EGRESS_BAD_DNS;
		record_query(g, &q, v == OC_DNS_BAD_NAME ? q.shown : NULL, &a);
		return oc_dns_answer(&q, q.rcode, NULL, 0, limit, out);
	}
	oc_egress_decide_query(&g->rules, q.name, &a);
	if (!a.allowed) {
		record_query(g, &q, q.name, &a);
		return oc_dns_answer(&q, OC_DNS_NXDOMAIN, NULL, 0, limit, out);
	}
	g->stats.answered++;
	if (q.type != OC_DNS_TYPE_A || q.class != DNS_IN)
		return oc_dns_nodata(&q, limit, out);
	if (oc_synth_give(g->synth, q.name, g->now / 1000000, &addr) < 0) {
		a.reason = OC_EGRESS_LIMIT;
		record_query(g, &q, q.name, &a);
		return oc_dns_answer(&q, OC_DNS_SERVFAIL, NULL, 0, limit, out);
	}
	return oc_dns_answer(&q, OC_DNS_NOERROR, addr.b, OC_SYNTH_TTL, limit, out);
}

void oc_names_udp(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	uint8_t in[OC_DNS_QUERY_MAX + 1], out[OC_DNS_ANSWER_MAX];

	(void)events;
	/* The socket is level-triggered: what is left waits for the next turn, so that a flood does
	 * not starve connections. */
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(e->fd, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&from,
				     &len);
		if (n < 0)
			return;
		size_t size = answer(g, in, (size_t)n, 0, out);
		/* What does not fit into the client's buffer is lost, as UDP is. */
		if (size)
			(void)sendto(e->fd, out, size, MSG_DONTWAIT | MSG_NOSIGNAL,
				     (struct sockaddr *)&from, len);
	}
}

/* --- over TCP --- */

struct tcp {
	struct oc_grave grave; /* first */
	struct oc_event event;
	struct oc_timer timer;
	struct oc_dns_tcp feed;
};

static void tcp_close(struct oc_eg *g, struct tcp *t)
{
	oc_timer_clear(g, &t->timer);
	oc_loop_close(&t->event);
	g->dns_tcp_count--;
	oc_loop_bury(g, t);
}

static void tcp_late(struct oc_eg *g, struct oc_timer *timer)
{
	tcp_close(g, OC_CONTAINER(timer, struct tcp, timer));
}

/* Answers all complete questions in p[0..n).  -1: close. */
static int tcp_take(struct oc_eg *g, struct tcp *t, const uint8_t *p, size_t n)
{
	uint8_t out[2 + OC_DNS_ANSWER_MAX];

	while (n) {
		const uint8_t *msg;
		size_t len;
		ssize_t taken = oc_dns_tcp_feed(&t->feed, p, n, &msg, &len);
		if (taken < 0)
			return -1;
		p += taken;
		n -= (size_t)taken;
		if (!msg) {
			if (taken == 0)
				return -1;
			continue;
		}
		size_t size = answer(g, msg, len, 65535, out + 2);
		if (!size)
			return -1;
		out[0] = (uint8_t)(size >> 8);
		out[1] = (uint8_t)size;
		/* Who asks and does not read loses the connection; nothing is kept for it. */
		if (send(t->event.fd, out, size + 2, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)size + 2)
			return -1;
	}
	return 0;
}

static void tcp_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	struct tcp *t = OC_CONTAINER(e, struct tcp, event);
	uint8_t in[2048];

	(void)events;
	for (int i = 0; i < 8; i++) {
		ssize_t n = recv(e->fd, in, sizeof in, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || tcp_take(g, t, in, (size_t)n) < 0) {
			tcp_close(g, t);
			return;
		}
	}
}

void oc_names_tcp(struct oc_eg *g, int fd)
{
	struct tcp *t = g->dns_tcp_count < OC_DNS_TCP_MAX ? calloc(1, sizeof *t) : NULL;

	if (!t) {
		struct oc_record r = {.event = "query",
				      .reason = OC_EGRESS_LIMIT,
				      .protocol = "dns",
				      .detail = "over TCP"};
		oc_eglog_write(g, &r);
		oc_conn_reset(fd);
		return;
	}
	g->dns_tcp_count++;
	t->event = (struct oc_event){.fd = -1, .fn = tcp_event};
	t->timer.fn = tcp_late;
	if (oc_loop_add(g, &t->event, fd, EPOLLIN) < 0)
		close(fd);
	if (t->event.fd < 0 || oc_timer_set(g, &t->timer, TCP_LIMIT_US) < 0)
		tcp_close(g, t);
}
