/* SPDX-License-Identifier: MIT */
/*
 * msg - typed messages of fixed size between the monitor and the inside.
 *
 * Both ends are one program image, so the struct travels as it is.  Only pid 1 ever holds the inner end; the payload never does.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/launch/child.h"

int oc_msg_send(int sock, const struct oc_msg *m, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof *m};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	/* Everything behind the error is only in OC_MSG_READY: do not make the other messages 2 KB larger. */
	if (m->type == OC_MSG_GO || m->type == OC_MSG_SIGNAL || m->type == OC_MSG_EXIT)
		iov.iov_len = offsetof(struct oc_msg, err);
	if (fd >= 0) {
		h.msg_control = control.buf;
		h.msg_controllen = sizeof control.buf;
		struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof fd);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

ssize_t oc_msg_recv(int sock, struct oc_msg *m, int *fd)
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof *m};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm))
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
		    cm->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(fd, CMSG_DATA(cm), sizeof *fd);
	if ((size_t)n < offsetof(struct oc_msg, err)) {
		errno = EPROTO;
		return -1;
	}
	return n;
}
