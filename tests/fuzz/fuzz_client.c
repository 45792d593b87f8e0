/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_client - anything that a monitor could say to libocsandbox, line by line, with and without
 * descriptors: every call gets one end and then the end is told, whatever it is; nothing is left
 * open.
 *
 * fuzz-sources: runtime/client/event.c runtime/client/open.c runtime/client/receive.c
 * runtime/client/request.c runtime/client/send.c runtime/launch/rundir.c runtime/session/door.c
 * runtime/session/door_call.c
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/client/client.h"

#define CALLS 3
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ocs_sandbox *make(int sock)
{
	struct ocs_sandbox *s = calloc(1, sizeof *s);

	s->door.dir_fd = s->pid_fd = s->ready_fd = s->said_fd = s->timer_fd = s->null_fd = -1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->sock = sock;
	s->state = OC_CLIENT_LIVE;
	s->opened = true;
	memcpy(s->door.id, "0123456789ab", 13);
	return s;
}

static void say(int fd, const uint8_t *data, size_t len)
{
	char room[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	const int fds[2] = {fd, fd};

	if (data[0] == '!' || data[0] == '?') {
		size_t n = data[0] == '!' ? 1 : 2;
		iov.iov_base = (void *)(uintptr_t)(data + 1);
		iov.iov_len = len - 1;
		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = (struct cmsghdr *)(void *)room;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	(void)!sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void look(const struct ocs_event *ev, bool ended[CALLS + 1])
{
	switch (ev->type) {
	case OCS_EVENT_STARTED:
		CHECK(ev->tag >= 1 && ev->tag <= CALLS && !ended[ev->tag]);
		CHECK(ev->pid >= 0 && (ev->fd < 0 || fcntl(ev->fd, F_GETFD) == FD_CLOEXEC));
		if (ev->fd >= 0)
			close(ev->fd);
		break;
	case OCS_EVENT_EXIT:
		CHECK(ev->tag >= 1 && ev->tag <= CALLS && !ended[ev->tag]);
		CHECK(ev->result.status >= 0 && ev->result.status <= 255 && ev->result.cause);
		CHECK(ev->result.json && ev->result.json[0] == '{');
		ended[ev->tag] = true;
		break;
	case OCS_EVENT_CLOSED:
		CHECK(ev->error.message[0]);
		for (int i = 1; i <= CALLS; i++)
			CHECK(ended[i]);
		break;
	case OCS_EVENT_OPEN:
	case OCS_EVENT_NONE:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *const argv[] = {"true", NULL};
	struct ocs_exec e = OCS_EXEC_INIT;
	struct ocs_event ev;
	bool ended[CALLS + 1] = {false}, closed = false;
	int pair[2], n;

	int lowest = dup(0);
	close(lowest);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	struct ocs_sandbox *s = make(pair[0]);
	e.argv = argv;
	for (uint32_t i = 1; i <= CALLS; i++) {
		uint32_t tag;
		e.flags = i == 2 ? OCS_PTY : 0;
		CHECK(ocs_exec(s, &e, &tag, NULL) == 0 && tag == i);
	}
	ocs_signal(s, 1, 15, NULL);
	for (size_t at = 0; at < size;) {
		const uint8_t *nl = memchr(data + at, '\n', size - at);
		size_t len = nl ? (size_t)(nl - data) - at : size - at;
		if (len)
			say(pair[1], data + at, len);
		at += len + 1;
		while ((n = ocs_next(s, &ev)) > 0) {
			look(&ev, ended);
			closed = closed || ev.type == OCS_EVENT_CLOSED;
		}
	}
	close(pair[1]);
	while (ocs_next(s, &ev) > 0) {
		look(&ev, ended);
		closed = closed || ev.type == OCS_EVENT_CLOSED;
	}
	CHECK(closed && ocs_next(s, &ev) == -1);
	ocs_close(s);
	n = dup(0);
	CHECK(n == lowest);
	close(n);
	return 0;
}
