/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msg - typed messages of fixed size between the monitor and the inside.
 *
 * Both ends are one program image, so the struct travels as it is.  Only pid 1 ever holds the inner end; the payload never does.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/launch/child.h"

int oc_msg_send_fds(int sock, const struct oc_msg *m, const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof *m};
	union {
		char buf[CMSG_SPACE(OC_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	/* Everything behind the error is only in OC_MSG_READY: do not make the other messages 2 KB larger. */
	if (m->type == OC_MSG_NET || m->type == OC_MSG_GO || m->type == OC_MSG_CGROUP ||
	    m->type == OC_MSG_SIGNAL || m->type == OC_MSG_EXIT || m->type == OC_MSG_RUNNER ||
	    m->type == OC_MSG_END)
		iov.iov_len = offsetof(struct oc_msg, err);
	if (count > OC_MSG_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (count > 0) {
		h.msg_control = control.buf;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
		if (!cm) {
			errno = EINVAL;
			return -1;
		}
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, count * sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int oc_msg_send(int sock, const struct oc_msg *m, int fd)
{
	return oc_msg_send_fds(sock, m, &fd, fd >= 0 ? 1 : 0);
}

ssize_t oc_msg_recv_fds(int sock, struct oc_msg *m, int fds[OC_MSG_FDS])
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof *m};
	union {
		char buf[CMSG_SPACE(OC_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	ssize_t n;

	for (int i = 0; i < OC_MSG_FDS; i++)
		fds[i] = -1;
	/*
	 * The other end may have closed with a message of ours unread: then the kernel reports ECONNRESET once, before what it had
	 * sent, which is the reason.
	 */
	for (int tries = 0;; tries++) {
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || tries > 1)))
			break;
	}
	if (n <= 0)
		return n;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm))
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
		    cm->cmsg_len <= CMSG_LEN(OC_MSG_FDS * sizeof(int)))
			memcpy(fds, CMSG_DATA(cm), cm->cmsg_len - CMSG_LEN(0));
	if ((size_t)n < offsetof(struct oc_msg, err)) {
		errno = EPROTO;
		return -1;
	}
	return n;
}

ssize_t oc_msg_recv(int sock, struct oc_msg *m, int *fd)
{
	int fds[OC_MSG_FDS];
	ssize_t n = oc_msg_recv_fds(sock, m, fds);

	*fd = fds[0];
	for (int i = 1; i < OC_MSG_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return n;
}
