/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_net - tries on the network of a sandbox that has one.
 *
 * What is refused must be refused at once: a try that takes longer is no refusal but a silence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/verify/probe.h"

#define PORT	443
#define AT_ONCE 1000 /* ms */
#define WAIT	5000
#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void answer(struct oc_probe_out *out, long r, int e, long began)
{
	errno = e;
	if (now_ms() - began > AT_ONCE)
		oc_probe_say(out, "error", "%s, but only after %ld ms",
			     r < 0 ? oc_probe_errname(e) : "allowed", now_ms() - began);
	else
		oc_probe_result(out, r);
}

/* "192.0.2.7" or "2001:db8::7". */
static socklen_t parse(const char *text, struct sockaddr_storage *a)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(PORT);
		return sizeof *in4;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(PORT);
		return sizeof *in6;
	}
	return 0;
}

/* Ask a name server that is none of ours for the address of a name. */
static void name(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	unsigned char q[512] = {0x6f, 0x63, 1, 0, 0, 1}, a[512];
	struct sockaddr_storage to;
	socklen_t size = parse("192.0.2.53", &to);
	size_t len = 12;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = s, .events = POLLIN};

	((struct sockaddr_in *)&to)->sin_port = htons(53);
	for (const char *label = ctx->arg; *label;) {
		size_t n = strcspn(label, ".");
		if (n == 0 || n > 63 || len + n + 6 > sizeof q)
			break;
		q[len++] = (unsigned char)n;
		memcpy(q + len, label, n);
		len += n;
		label += n + (label[n] == '.');
	}
	memcpy(q + len, "\0\0\1\0\1", 5); /* the root, A, IN */
	len += 5;
	if (s < 0 || connect(s, (struct sockaddr *)&to, size) < 0 ||
	    send(s, q, len, 0) != (ssize_t)len) {
		oc_probe_result(out, -1);
		return;
	}
	ssize_t n = poll(&p, 1, WAIT) == 1 ? recv(s, a, sizeof a, 0) : 0;
	if (n < 12)
		oc_probe_say(out, "error", "no answer");
	else if ((a[3] & 15) == 3)
		oc_probe_say(out, "denied", "NXDOMAIN");
	else if ((a[3] & 15) == 0)
		oc_probe_say(out, "allowed", "%u answers", (unsigned)a[6] << 8 | a[7]);
	else
		oc_probe_say(out, "denied", "RCODE %u", (unsigned)a[3] & 15);
}

/* The broker takes every connection and resets those that no rule allows. */
static void address(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct sockaddr_storage to;
	socklen_t size = parse(ctx->arg, &to), len = sizeof(int);
	int s = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;
	struct pollfd p = {.fd = s, .events = POLLOUT};
	long began = now_ms(), r = -1;
	char byte;

	if (connect(s, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS) {
		e = errno;
	} else if (poll(&p, 1, WAIT) != 1) {
		e = ETIMEDOUT;
	} else if (getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e == 0) {
		p.events = POLLIN;
		r = poll(&p, 1, WAIT) == 1 ? recv(s, &byte, 1, 0) : 0;
		e = errno;
		if (r == 0) /* an orderly end is no refusal */
			r = 1;
	}
	answer(out, r, e, began);
}

static void send_one(struct oc_probe_out *out, const char *arg, int type, int protocol)
{
	struct sockaddr_storage to;
	socklen_t size = parse(arg, &to);
	long began = now_ms();
	int s = socket(to.ss_family, type | SOCK_CLOEXEC, protocol);
	long r = s < 0 ? -1
		       : sendto(s, "\10\0\0\0\0\0\0\0", 8, MSG_DONTWAIT, (struct sockaddr *)&to,
				size);

	answer(out, r, errno, began);
}

static void datagram(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	send_one(out, ctx->arg, SOCK_DGRAM, 0);
}

static void ping(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	send_one(out, ctx->arg, SOCK_DGRAM, IPPROTO_ICMP);
}

static void raw(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	send_one(out, "192.0.2.7", SOCK_RAW, IPPROTO_RAW);
}

static void packet(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	oc_probe_result(out, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void sctp(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct sockaddr_storage to;
	socklen_t size = parse(ctx->arg, &to);
	long began = now_ms();
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_SCTP);

	answer(out, s < 0 ? -1 : connect(s, (struct sockaddr *)&to, size), errno, began);
}

static void rules(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	oc_probe_result(out, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
}

const struct oc_probe oc_probe_net[] = {
	{"net.name", name}, {"net.address", address}, {"net.datagram", datagram},
	{"net.ping", ping}, {"net.raw", raw},	      {"net.packet", packet},
	{"net.sctp", sctp}, {"net.rules", rules},     {NULL, NULL},
};
