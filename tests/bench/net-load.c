/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-load - the near side of `make bench-net`: runs where the network is measured, one thread, epoll.
 *
 *   net work HOST PORT WEBHOST WEBPORT
 *
 * Orders, one a line on stdin, each answered by one line of figures on stdout:
 *   down N MS    bytes a second that N connections receive
 *   up N MS      bytes a second that N connections send, counted by the server, to the last one
 *   rate N MS    connections a second with N of them under way, each with a question and its answer, ended by a reset (so that
 *                no TIME_WAIT is left behind for the next); and how many failed
 *   first K      for each of K connections to HOST, one after another: microseconds to connect, and to the answer's first byte
 *   web K        the same with WEBHOST
 *
 * Must never: print a figure for what failed: then the line is empty.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define MOST 1024
#define TURN 8
#define SLOW 3000 /* ms; nothing here takes that long */

struct target {
	struct sockaddr_storage addr;
	socklen_t len;
	char head[512];
	size_t head_len;
};

static char block[NET_BLOCK];

static void find(struct target *t, const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int r = getaddrinfo(host, port, &hints, &list);

	if (r)
		net_die("%s: %s", host, gai_strerror(r));
	memcpy(&t->addr, list->ai_addr, list->ai_addrlen);
	t->len = list->ai_addrlen;
	freeaddrinfo(list);
	t->head_len = (size_t)snprintf(t->head, sizeof(t->head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
}

/* -1: refused, or too slow. */
static int dial(const struct target *t, int flags)
{
	const struct timeval slow = { .tv_sec = SLOW / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0)
		net_die("socket: %s", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slow, sizeof(slow));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slow, sizeof(slow));
	if (connect(fd, (const struct sockaddr *)&t->addr, t->len) == 0 || ((flags & SOCK_NONBLOCK) && errno == EINPROGRESS))
		return fd;
	fprintf(stderr, "net work: connect: %s\n", strerror(errno));
	close(fd);
	return -1;
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void watch(int set, int op, int fd, uint32_t events, unsigned which)
{
	struct epoll_event ev = { .events = events, .data.u32 = which };

	if (epoll_ctl(set, op, fd, &ev) < 0)
		net_die("epoll_ctl: %s", strerror(errno));
}

/* Bytes received, or sent, on one that is ready; -1: it has ended. */
static int64_t turn(int fd, bool up)
{
	int64_t sum = 0;

	for (int i = 0; i < TURN; i++) {
		ssize_t n = up ? send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT) :
				 recv(fd, block, sizeof(block), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			fprintf(stderr, "net work: %s: %s\n", up ? "send" : "recv", strerror(errno));
		if (n <= 0)
			return -1;
		sum += n;
		if (n < (ssize_t)sizeof(block))
			break;
	}
	return sum;
}

/* What the server has counted, after all was sent; 0 if it does not say. */
static uint64_t told(const int *fd, unsigned count)
{
	uint64_t sum = 0, bytes;

	for (unsigned i = 0; i < count; i++)
		shutdown(fd[i], SHUT_WR);
	for (unsigned i = 0; i < count; i++) {
		if (recv(fd[i], &bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
			return 0;
		sum += bytes;
	}
	return sum;
}

/* Moves bytes for so long; how many, or 0: one of them ended by itself. */
static uint64_t move(const int *fd, unsigned count, double ms, bool up)
{
	struct epoll_event ev[MOST];
	int set = epoll_create1(EPOLL_CLOEXEC);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		watch(set, EPOLL_CTL_ADD, fd[i], up ? EPOLLOUT : EPOLLIN, i);
	for (double end = net_now_us() + ms * 1e3; net_now_us() < end;) {
		int n = epoll_wait(set, ev, MOST, SLOW);
		for (int i = 0; i < n; i++) {
			int64_t moved = turn(fd[ev[i].data.u32], up);
			if (moved < 0) {
				close(set);
				return 0;
			}
			bytes += (uint64_t)moved;
		}
	}
	close(set);
	return up ? told(fd, count) : bytes;
}

static void bulk(const struct target *t, unsigned count, double ms, bool up)
{
	const char kind = up ? NET_UP : NET_DOWN;
	unsigned open = 0;
	int fd[MOST];

	for (; open < count; open++) {
		fd[open] = dial(t, 0);
		if (fd[open] < 0)
			break;
		if (send(fd[open], &kind, 1, MSG_NOSIGNAL) != 1) {
			close(fd[open]);
			break;
		}
	}
	double begin = net_now_us();
	uint64_t bytes = open == count ? move(fd, count, ms, up) : 0;
	double end = net_now_us();
	for (unsigned i = 0; i < open; i++)
		reset(fd[i]);
	if (bytes)
		printf("%.0f", (double)bytes * 1e6 / (end - begin));
	putchar('\n');
}

struct slot {
	int fd; /* -1: free */
	bool asked;
};

static void next(const struct target *t, int set, struct slot *s, unsigned which)
{
	*s = (struct slot){ .fd = dial(t, SOCK_NONBLOCK) };
	if (s->fd >= 0)
		watch(set, EPOLL_CTL_ADD, s->fd, EPOLLOUT, which);
}

/* 1: it has its answer; 0: not yet; -1: it failed. */
static int answered(const struct target *t, int set, struct slot *s, unsigned which)
{
	ssize_t r = s->asked ? recv(s->fd, block, 256, MSG_DONTWAIT) :
			       send(s->fd, t->head, t->head_len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r < 0 && errno == EAGAIN)
		return 0;
	if (r <= 0)
		return -1;
	if (s->asked)
		return 1;
	s->asked = true;
	watch(set, EPOLL_CTL_MOD, s->fd, EPOLLIN, which);
	return 0;
}

static void rate(const struct target *t, unsigned count, double ms)
{
	struct epoll_event ev[MOST];
	struct slot slot[MOST];
	int set = epoll_create1(EPOLL_CLOEXEC);
	unsigned long done = 0, failed = 0;

	for (unsigned i = 0; i < count; i++)
		next(t, set, &slot[i], i);
	double begin = net_now_us(), end = begin + ms * 1e3;
	while (net_now_us() < end) {
		int n = epoll_wait(set, ev, MOST, SLOW);
		for (int k = 0; k < n; k++) {
			unsigned i = ev[k].data.u32;
			int r = answered(t, set, &slot[i], i);
			if (r == 0)
				continue;
			done += r > 0;
			failed += r < 0;
			reset(slot[i].fd);
			next(t, set, &slot[i], i);
		}
	}
	end = net_now_us();
	for (unsigned i = 0; i < count; i++)
		if (slot[i].fd >= 0)
			reset(slot[i].fd);
		else
			failed++;
	close(set);
	if (done)
		printf("%.0f %lu", (double)done * 1e6 / (end - begin), failed);
	putchar('\n');
}

static void first(const struct target *t, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		double begin = net_now_us();
		int fd = dial(t, 0);
		double connected = net_now_us();
		if (fd < 0)
			break;
		if (send(fd, t->head, t->head_len, MSG_NOSIGNAL) < 0 || recv(fd, block, 256, 0) <= 0) {
			fprintf(stderr, "net work: no answer: %s\n", strerror(errno));
			reset(fd);
			break;
		}
		printf("%.1f %.1f ", connected - begin, net_now_us() - begin);
		reset(fd);
	}
	putchar('\n');
}

int net_work(int argc, char **argv)
{
	struct target t, web;
	char line[128], what[16];
	unsigned n, ms;

	if (argc != 4)
		net_die("net work HOST PORT WEBHOST WEBPORT");
	find(&t, argv[0], argv[1]);
	find(&web, argv[2], argv[3]);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		ms = 0;
		if (sscanf(line, "%15s %u %u", what, &n, &ms) < 2 || n > MOST)
			net_die("bad order: %s", line);
		if (strcmp(what, "down") == 0 || strcmp(what, "up") == 0)
			bulk(&t, n, ms, what[0] == 'u');
		else if (strcmp(what, "rate") == 0)
			rate(&t, n, ms);
		else
			first(what[0] == 'w' ? &web : &t, n);
		fflush(stdout);
	}
	return 0;
}
