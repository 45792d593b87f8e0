/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - the listening sockets, in the launcher: the network process gets them and may open none.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

#define BACKLOG	 4096
#define TRIES	 20
#define PAUSE_MS 500

static int bind_one(const struct oc_addr *a, uint16_t port)
{
	struct sockaddr_storage ss = {0};
	socklen_t len;
	const int one = 1;

	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ss;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->b, 4);
		len = sizeof *in;
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&ss;
		in->sin6_family = AF_INET6;
		in->sin6_port = htons(port);
		memcpy(&in->sin6_addr, a->b, 16);
		len = sizeof *in;
	}
	oc_auto_close fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return -1;
	if (a->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return oc_steal_fd(&fd);
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = {0};
	socklen_t len = sizeof a;

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
}

static int fail(const struct oc_addr *a, uint16_t port, int cause, struct oc_err *err)
{
	char text[OC_ADDR_TEXT_MAX];
	bool v6 = a->family == 6;

	oc_addr_text(a, text);
	if (cause == EADDRINUSE) {
		oc_fail(err, 0, "another gateway instance is already listening on ws://%s%s%s:%u",
			v6 ? "[" : "", text, v6 ? "]" : "", (unsigned)port);
		oc_err_hint(err, "give this one another port: --port, OPENCLAW_GATEWAY_PORT or "
				 "gateway.port");
	} else {
		oc_fail(err, cause, "cannot listen on %s port %u", text, (unsigned)port);
	}
	return oc_err_step(err, "listen");
}

int oc_listen(const struct oc_config *c, int fds[OC_LISTEN_MAX], size_t *count, uint16_t *port,
	      struct oc_err *err)
{
	int tries = 0;

	*count = 0;
	*port = c->port;
	for (size_t i = 0; i < c->listen_count && *count < OC_LISTEN_MAX;) {
		int fd = bind_one(&c->listen[i].addr, *port);
		if (fd >= 0) {
			if (*port == 0)
				*port = port_of(fd);
			fds[(*count)++] = fd;
			i++;
			continue;
		}
		int cause = errno;
		/* The one before may be on its way out. */
		if (cause == EADDRINUSE && ++tries < TRIES) {
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000l}, NULL);
			continue;
		}
		if (c->listen[i].optional && cause != EADDRINUSE) {
			i++;
			continue;
		}
		while (*count > 0)
			close(fds[--*count]);
		return fail(&c->listen[i].addr, *port, cause, err);
	}
	return *count ? 0 : oc_fail(err, 0, "there is no address to listen on");
}
