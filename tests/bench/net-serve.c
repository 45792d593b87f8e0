/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-serve - the far side of `make bench-net`: one thread, epoll, three kinds of connection (net.h).
 *
 * Must never: be the slow one; it does nothing but what the socket asks of it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define PEERS 65536
#define TURN  8 /* blocks, after which the others come first */

struct peer {
	int fd;
	bool listens;
	char kind; /* 0: not said yet */
	uint64_t bytes;
	size_t tail; /* bytes of the head's end that have been seen */
};

static struct peer peers[PEERS]; /* by descriptor */
static char block[NET_BLOCK];
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void watch(int set, struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	if (epoll_ctl(set, op, p->fd, &ev) < 0)
		net_die("epoll_ctl: %s", strerror(errno));
}

static void add(int set, int fd, bool listens)
{
	struct peer *p = &peers[fd];

	if (fd >= PEERS)
		net_die("too many connections");
	*p = (struct peer){ .fd = fd, .listens = listens };
	watch(set, p, EPOLL_CTL_ADD, EPOLLIN);
}

static void end(struct peer *p)
{
	close(p->fd);
}

/* Whether the head is complete; it has no body. */
static bool head_ends(struct peer *p, const char *data, size_t len)
{
	static const char mark[] = "\r\n\r\n";

	for (size_t i = 0; i < len; i++) {
		p->tail = data[i] == mark[p->tail] ? p->tail + 1 : data[i] == mark[0];
		if (p->tail == 4) {
			p->tail = 0;
			return true;
		}
	}
	return false;
}

static void send_blocks(struct peer *p)
{
	for (int i = 0; i < TURN; i++) {
		ssize_t n = send(p->fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			end(p);
			return;
		}
		if (n < (ssize_t)sizeof(block))
			return;
	}
}

static void receive(int set, struct peer *p)
{
	for (int i = 0; i < TURN; i++) {
		ssize_t n = recv(p->fd, block, sizeof(block), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			if (n == 0 && p->kind == NET_UP)
				(void)!send(p->fd, &p->bytes, sizeof(p->bytes), MSG_NOSIGNAL);
			end(p);
			return;
		}
		if (!p->kind)
			p->kind = block[0];
		p->bytes += (uint64_t)n;
		if (p->kind == NET_DOWN) {
			watch(set, p, EPOLL_CTL_MOD, EPOLLOUT);
			return;
		}
		if (p->kind == 'G' && head_ends(p, block, (size_t)n))
			(void)!send(p->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
		/* Short: there is no more; asking costs a call in each answer's time. */
		if (n < (ssize_t)sizeof(block))
			return;
	}
}

static void take(int set, const struct peer *p)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		add(set, fd, false);
	}
}

static int listener(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		net_die("port %s: %s", port, strerror(errno));
	return fd;
}

int net_serve(int argc, char **argv)
{
	struct epoll_event ev[256];
	struct peer in = { .fd = STDIN_FILENO };
	int set = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < argc; i++)
		add(set, listener(argv[i]), true);
	watch(set, &in, EPOLL_CTL_ADD, EPOLLIN | EPOLLHUP);
	close(STDOUT_FILENO);
	for (;;) {
		int n = epoll_wait(set, ev, 256, -1);
		for (int i = 0; i < n; i++) {
			struct peer *p = ev[i].data.ptr;
			if (p == &in)
				return 0;
			if (p->listens)
				take(set, p);
			else if (p->kind == NET_DOWN)
				send_blocks(p);
			else
				receive(set, p);
		}
	}
}
