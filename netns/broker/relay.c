/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - bytes both ways, without looking at them but for what watch.h wants to see.
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

#define PIPE_SIZE   (512 << 10)
#define PIPE_LEAST  (128 << 10)
#define PIPES_LARGE 32
#define TURN	    (512u << 10) /* bytes after which others come first */
#define COPY	    (32u << 10)

enum result { WAIT, MORE, PASS, BROKEN, BUDGET, FULL, CLOSED };

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
	/* Larger is faster, as far as the user's share of pipe memory goes (pipe(7)). */
	int size = g->pipes_open < PIPES_LARGE ? PIPE_SIZE : PIPE_SIZE / 2;
	while (size >= PIPE_LEAST && fcntl(p->fd[1], F_SETPIPE_SZ, size) < 0)
		size /= 2;
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

/* Without a look: as many as the watch lets pass. */
static void moved(struct oc_conn *c, const struct oc_flow *f, size_t n)
{
	if (f == &c->flow[0] && c->first)
		c->first->watch.skip -= n;
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
	moved(c, f, (size_t)m);
	count(g, c, f, (size_t)m);
	return MORE;
}

/* Nothing may be sent now; the end may. */
static enum result held(struct oc_flow *f, struct oc_side *near, enum result otherwise)
{
	char one;
	ssize_t n = recv(near->event.fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return near_failed(near);
	f->eof = n == 0;
	return n == 0 ? MORE : otherwise;
}

/* --- as long as the client is looked into --- */

static enum result send_cleared(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_first_bytes *b = c->first;
	uint64_t left = oc_budget_upload_left(&g->budgets, c->use);
	size_t want = b->cleared - b->sent;

	if (!left)
		return BUDGET;
	ssize_t n = send(c->peer.event.fd, b->data + b->sent, want < left ? want : (size_t)left,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return far_failed(&c->peer);
	b->sent += (size_t)n;
	c->flow[0].bytes += (uint64_t)n;
	count(g, c, &c->flow[0], (size_t)n);
	return MORE;
}

static enum result read_watched(struct oc_eg *g, struct oc_conn *c)
{
	struct oc_first_bytes *b = c->first;

	if (!c->client.readable)
		return WAIT;
	if (b->sent) {
		memmove(b->data, b->data + b->sent, b->len - b->sent);
		b->len -= b->sent;
		b->cleared = b->sent = 0;
	}
	uint8_t *to = oc_conn_room(g, b);
	if (!to)
		return FULL;
	ssize_t n = recv(c->client.event.fd, to, b->cap - b->len, MSG_DONTWAIT);
	if (n < 0)
		return near_failed(&c->client);
	/* What was not let pass by now never will be. */
	c->flow[0].eof = n == 0;
	b->len += (size_t)n;
	return MORE;
}

/* PASS: at most *most bytes may be moved without a look, or the watch is over. */
static enum result watched(struct oc_eg *g, struct oc_conn *c, size_t *most)
{
	struct oc_first_bytes *b = c->first;
	struct oc_watch *w = &b->watch;
	enum oc_egress_reason reason = OC_EGRESS_LIMIT;

	if (b->sent < b->cleared)
		return send_cleared(g, c);
	size_t rest = b->len - b->cleared;
	if (w->skip || w->state == OC_WATCH_OVER) {
		uint64_t pass = w->state == OC_WATCH_OVER ? UINT64_MAX : w->skip;
		if (rest) {
			size_t n = pass < rest ? (size_t)pass : rest;
			b->cleared += n;
			w->skip -= n < w->skip ? n : w->skip;
			return MORE;
		}
		*most = pass < *most ? (size_t)pass : *most;
		if (w->state == OC_WATCH_OVER) {
			g->first_bytes -= b->cap;
			free(b->data);
			free(b);
			c->first = NULL;
		}
		return PASS;
	}
	enum oc_first v = oc_watch_client(w, &c->answer, c->name, &c->dst, b->data + b->cleared,
					  rest, &reason);
	if (v == OC_FIRST_OK)
		return MORE;
	if (v != OC_FIRST_MORE) {
		memcpy(b->check.seen, w->check.seen, sizeof b->check.seen);
		oc_conn_close(g, c, reason, w->check.detail);
		return CLOSED;
	}
	if (!oc_watch_waits(w))
		return read_watched(g, c);
	return rest || !c->client.readable ? WAIT : held(&c->flow[0], &c->client, WAIT);
}

/* The server's first bytes decide how it goes on.  PASS: they may. */
static enum result first_answer(struct oc_conn *c)
{
	uint8_t p[OC_WATCH_SERVER_BYTES];

	ssize_t n = recv(c->peer.event.fd, p, sizeof p, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return near_failed(&c->peer);
	if (!oc_watch_server(&c->first->watch, p, (size_t)n)) {
		c->peer.readable = false;
		return WAIT;
	}
	return PASS;
}

/* One step in one direction. */
static enum result step(struct oc_eg *g, struct oc_conn *c, struct oc_flow *f, struct oc_side *near,
			struct oc_side *far)
{
	const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	bool up = f == &c->flow[0];
	size_t most = PIPE_SIZE;

	if (f->shut || !far->writable)
		return WAIT;
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
	if (up && c->first && !f->eof) {
		enum result r = watched(g, c, &most);
		if (r != PASS)
			return r;
	}
	if (f->eof) {
		f->shut = true;
		/* Fails when the far side is gone already; its own direction says so. */
		(void)shutdown(far->event.fd, SHUT_WR);
		return WAIT;
	}
	if (!near->readable)
		return WAIT;
	if (!up && c->first && oc_watch_waits(&c->first->watch)) {
		enum result r = first_answer(c);
		if (r != PASS)
			return r;
	}
	if (up) {
		uint64_t left = oc_budget_upload_left(&g->budgets, c->use);
		if (!left)
			return held(f, near, BUDGET);
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
	moved(c, f, (size_t)n);
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
			bool waits = c->first && oc_watch_waits(&c->first->watch);
			r[d] = step(g, c, &c->flow[d], d ? &c->peer : &c->client,
				    d ? &c->client : &c->peer);
			if (r[d] == CLOSED)
				return;
			if (r[d] == FULL) {
				oc_conn_close(g, c, OC_EGRESS_LIMIT, "memory for first bytes");
				return;
			}
			if (r[d] == BUDGET) {
				oc_conn_close(g, c, OC_EGRESS_BUDGET_BYTES, NULL);
				return;
			}
			if (r[d] == BROKEN) {
				oc_conn_close(g, c, OC_EGRESS_ALLOWED, strerrordesc_np(errno));
				return;
			}
			/* The client's bytes were held until the server had spoken. */
			if (waits && c->first && !oc_watch_waits(&c->first->watch))
				r[0] = MORE;
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
