/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - bytes both ways, without looking at them.
 *
 * splice through a pipe: the bytes stay in the kernel.  A pipe is borrowed only while bytes are in
 * it, so idle connections hold none; when too many slow readers hold one, the others copy with a
 * look ahead (MSG_PEEK): what the far side does not take is never taken from the near side, and
 * nothing is kept here.  Half-closes are passed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define PIPE_SIZE (256 << 10)
#define TURN	  (4u << 20) /* bytes after which others come first */
#define COPY	  (32u << 10)

enum result { WAIT, MORE, BROKEN, BUDGET };

static struct oc_pipe *pipe_get(struct oc_eg *g)
{
	struct oc_pipe *p = g->pipes;

	if (p) {
		g->pipes = p->next;
		g->pipes_idle--;
		return p;
	}
	if (g->pipes_open >= OC_PIPES_MAX)
		return NULL;
	p = malloc(sizeof *p);
	if (!p)
		return NULL;
	if (pipe2(p->fd, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	/* Larger is faster, as far as the user's share of pipe memory goes. */
	(void)fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_SIZE);
	g->pipes_open++;
	return p;
}

static void pipe_close(struct oc_eg *g, struct oc_pipe *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
	g->pipes_open--;
}

/* Only an empty one may be used again: another connection's bytes must never be in it. */
static void pipe_put(struct oc_eg *g, struct oc_flow *f)
{
	struct oc_pipe *p = f->pipe;

	f->pipe = NULL;
	if (!p)
		return;
	if (f->in_pipe || g->pipes_idle >= OC_PIPES_IDLE) {
		pipe_close(g, p);
		return;
	}
	p->next = g->pipes;
	g->pipes = p;
	g->pipes_idle++;
}

static void count(struct oc_eg *g, struct oc_conn *c, const struct oc_flow *f, size_t n)
{
	if (f == &c->flow[0]) {
		oc_budget_upload(&g->budgets, c->use, n);
		g->stats.sent += n;
	} else {
		g->stats.received += n;
	}
}

/* An error of recv or splice on the near side. */
static enum result near_failed(struct oc_side *near)
{
	if (errno == EAGAIN) {
		near->readable = false;
		return WAIT;
	}
	return errno == EINTR ? MORE : BROKEN;
}

static enum result far_failed(struct oc_side *far)
{
	if (errno == EAGAIN) {
		far->writable = false;
		return WAIT;
	}
	return errno == EINTR ? MORE : BROKEN;
}

/* Without a pipe. */
static enum result copy(struct oc_eg *g, struct oc_conn *c, struct oc_flow *f, struct oc_side *near,
			struct oc_side *far, size_t most)
{
	char buf[COPY];

	ssize_t n = recv(near->event.fd, buf, most < sizeof buf ? most : sizeof buf,
			 MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return near_failed(near);
	if (n == 0) {
		f->eof = true;
		return MORE;
	}
	ssize_t m = send(far->event.fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (m < 0)
		return far_failed(far);
	/* Thrown away in the kernel (tcp(7): MSG_TRUNC). */
	if (recv(near->event.fd, NULL, (size_t)m, MSG_TRUNC | MSG_DONTWAIT) != m)
		return BROKEN;
	f->bytes += (uint64_t)m;
	count(g, c, f, (size_t)m);
	return MORE;
}

/* The bytes that were checked go first. */
static enum result send_first(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_first_bytes *b = c->first;
	struct oc_flow *f = &c->flow[0];

	while (b->sent < b->len) {
		uint64_t left = oc_budget_upload_left(&g->budgets, c->use);
		size_t want = b->len - b->sent;
		if (!left)
			return BUDGET;
		ssize_t n = send(c->peer.event.fd, b->data + b->sent,
				 want < left ? want : (size_t)left, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return far_failed(&c->peer);
		b->sent += (size_t)n;
		f->bytes += (uint64_t)n;
		count(g, c, f, (size_t)n);
	}
	g->first_bytes -= b->cap;
	free(b->data);
	free(b);
	c->first = NULL;
	return MORE;
}

/* One step in one direction. */
static enum result step(struct oc_eg *g, struct oc_conn *c, struct oc_flow *f, struct oc_side *near,
			struct oc_side *far)
{
	const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	char one;

	if (f->shut || !far->writable)
		return WAIT;
	if (f == &c->flow[0] && c->first)
		return send_first(g, c);
	if (f->in_pipe) {
		ssize_t n = splice(f->pipe->fd[0], NULL, far->event.fd, NULL, f->in_pipe, flags);
		if (n < 0)
			return far_failed(far);
		if (n == 0)
			return BROKEN;
		f->in_pipe -= (size_t)n;
		f->bytes += (uint64_t)n;
		return MORE;
	}
	if (f->eof) {
		f->shut = true;
		/* Fails when the far side is gone already; its own direction says so. */
		(void)shutdown(far->event.fd, SHUT_WR);
		return WAIT;
	}
	if (!near->readable)
		return WAIT;
	size_t most = PIPE_SIZE;
	if (f == &c->flow[0]) {
		uint64_t left = oc_budget_upload_left(&g->budgets, c->use);
		if (!left) {
			ssize_t n = recv(near->event.fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
			if (n < 0)
				return near_failed(near);
			f->eof = n == 0;
			return n == 0 ? MORE : BUDGET;
		}
		most = left < most ? (size_t)left : most;
	}
	if (!f->pipe)
		f->pipe = pipe_get(g);
	if (!f->pipe)
		return copy(g, c, f, near, far, most);
	ssize_t n = splice(near->event.fd, NULL, f->pipe->fd[1], NULL, most, flags);
	if (n < 0)
		return near_failed(near);
	if (n == 0) {
		f->eof = true;
		return MORE;
	}
	f->in_pipe = (size_t)n;
	/* Counted when it is taken: two connections must not both use what is left. */
	count(g, c, f, (size_t)n);
	return MORE;
}

void oc_relay_pump(struct oc_eg *g, struct oc_conn *c)
{
	enum result r[2] = {MORE, MORE};
	uint64_t before = c->flow[0].bytes + c->flow[1].bytes;

	oc_list_remove(&c->ready);
	while (r[0] == MORE || r[1] == MORE) {
		for (int d = 0; d < 2; d++) {
			if (r[d] != MORE)
				continue;
			r[d] = step(g, c, &c->flow[d], d ? &c->peer : &c->client,
				    d ? &c->client : &c->peer);
			if (r[d] == BUDGET) {
				oc_conn_close(g, c, OC_EGRESS_BUDGET_BYTES, NULL);
				return;
			}
			if (r[d] == BROKEN) {
				oc_conn_close(g, c, OC_EGRESS_ALLOWED, strerrordesc_np(errno));
				return;
			}
		}
		if (c->flow[0].bytes + c->flow[1].bytes - before > TURN) {
			oc_list_append(&g->loop.ready, &c->ready);
			break;
		}
	}
	if (c->flow[0].bytes + c->flow[1].bytes != before)
		c->active = g->now;
	for (int d = 0; d < 2; d++)
		if (c->flow[d].pipe && !c->flow[d].in_pipe)
			pipe_put(g, &c->flow[d]);
	if (c->flow[0].shut && c->flow[1].shut)
		oc_conn_close(g, c, OC_EGRESS_ALLOWED, NULL);
}

void oc_relay_end(struct oc_eg *g, struct oc_conn *c)
{
	oc_list_remove(&c->ready);
	for (int d = 0; d < 2; d++)
		pipe_put(g, &c->flow[d]);
}
