/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - see internal.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define EVENTS 128

int oc_loop_init(struct oc_loop *l, struct oc_err *err)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return oc_fail(err, errno, "cannot make an epoll set");
	oc_list_init(&l->ready);
	return 0;
}

int oc_loop_add(struct oc_eg *g, struct oc_event *e, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = e};

	if (epoll_ctl(g->loop.epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -1;
	e->fd = fd;
	return 0;
}

int oc_loop_change(struct oc_eg *g, struct oc_event *e, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = e};

	if (epoll_ctl(g->loop.epoll, EPOLL_CTL_MOD, fd, &ev) < 0)
		return -1;
	e->fd = fd;
	return 0;
}

void oc_loop_close(struct oc_event *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

static void place(struct oc_loop *l, struct oc_timer *t, size_t i)
{
	l->heap[i] = t;
	t->place = i;
}

static void sift(struct oc_loop *l, struct oc_timer *t, size_t i)
{
	while (i > 1 && l->heap[i / 2]->at > t->at) {
		place(l, l->heap[i / 2], i);
		i /= 2;
	}
	for (;;) {
		size_t child = 2 * i;
		if (child > l->count)
			break;
		if (child < l->count && l->heap[child + 1]->at < l->heap[child]->at)
			child++;
		if (l->heap[child]->at >= t->at)
			break;
		place(l, l->heap[child], i);
		i = child;
	}
	place(l, t, i);
}

int oc_timer_set(struct oc_eg *g, struct oc_timer *t, uint64_t in_us)
{
	struct oc_loop *l = &g->loop;

	t->at = g->now + in_us;
	if (!t->place) {
		if (l->count + 2 > l->cap) {
			size_t cap = l->cap ? l->cap * 2 : 64;
			struct oc_timer **heap = realloc(l->heap, cap * sizeof(struct oc_timer *));
			if (!heap)
				return -1;
			l->heap = heap;
			l->cap = cap;
		}
		t->place = ++l->count;
	}
	sift(l, t, t->place);
	return 0;
}

void oc_timer_clear(struct oc_eg *g, struct oc_timer *t)
{
	struct oc_loop *l = &g->loop;
	size_t i = t->place;

	if (!i)
		return;
	struct oc_timer *last = l->heap[l->count--];
	t->place = 0;
	if (last != t)
		sift(l, last, i);
}

void oc_loop_bury(struct oc_eg *g, void *p)
{
	struct oc_grave *grave = p;

	grave->next = g->loop.graves;
	g->loop.graves = grave;
}

void oc_loop_clock(struct oc_eg *g)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	g->now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int wait_ms(const struct oc_eg *g)
{
	const struct oc_loop *l = &g->loop;

	if (l->ready.next != &l->ready)
		return 0;
	if (!l->count)
		return -1;
	if (l->heap[1]->at <= g->now)
		return 0;
	uint64_t ms = (l->heap[1]->at - g->now + 999) / 1000;
	return ms > 60000 ? 60000 : (int)ms;
}

/* Those that are ready now; each may put itself at the end again, for the next turn. */
static void run_ready(struct oc_eg *g)
{
	struct oc_list now, *ready = &g->loop.ready;

	if (ready->next == ready)
		return;
	now = *ready;
	now.next->prev = now.prev->next = &now;
	oc_list_init(ready);
	while (now.next != &now) {
		struct oc_list *p = now.next;
		oc_list_remove(p);
		oc_relay_pump(g, OC_CONTAINER(p, struct oc_conn, ready));
	}
}

void oc_loop_run(struct oc_eg *g)
{
	struct oc_loop *l = &g->loop;
	struct epoll_event events[EVENTS];

	oc_loop_clock(g);
	while (g->control.fd >= 0) {
		int n = epoll_wait(l->epoll, events, EVENTS, wait_ms(g));
		if (n < 0 && errno != EINTR)
			return;
		oc_loop_clock(g);
		for (int i = 0; i < n; i++) {
			struct oc_event *e = events[i].data.ptr;
			/* Closed by an earlier event of this batch. */
			if (e->fd >= 0)
				e->fn(g, e, events[i].events);
		}
		run_ready(g);
		while (l->count && l->heap[1]->at <= g->now) {
			struct oc_timer *t = l->heap[1];
			oc_timer_clear(g, t);
			t->fn(g, t);
		}
		while (l->graves) {
			struct oc_grave *grave = l->graves;
			l->graves = grave->next;
			free(grave);
		}
	}
}
