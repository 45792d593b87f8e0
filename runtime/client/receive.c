/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receive - what comes in; see client.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "runtime/client/client.h"

static int over(struct ocs_sandbox *s)
{
	oc_client_end(s);
	return -1;
}

/* The connection cannot be understood any more, so nothing that it says later can be believed. */
static int broken(struct ocs_sandbox *s, const char *why)
{
	if (!s->why.message[0])
		oc_client_fail(&s->why, EPROTO, "the monitor of the sandbox %s said %s", s->door.id,
			       why);
	return over(s);
}

static int lost(struct ocs_sandbox *s)
{
	if (s->reason)
		oc_client_fail(&s->why, 0, "the sandbox %s has ended: %s", s->door.id, s->reason);
	else
		oc_client_fail(&s->why, 0, "the sandbox %s has ended: its monitor is gone",
			       s->door.id);
	return over(s);
}

static void take_fds(struct msghdr *h, struct oc_client_received *r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (r->fd_count < OC_CLIENT_FDS)
				r->fds[r->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

static int understand(struct ocs_sandbox *s, struct oc_arena *a, struct oc_client_received *r)
{
	struct oc_err ignored = {0};

	if (oc_json_parse(a, r->data, r->len, "message", &r->json, &ignored) < 0 ||
	    r->json->type != OC_JSON_OBJECT) {
		oc_client_close_fds(r->fds, r->fd_count);
		return broken(s, "what is no JSON object");
	}
	r->event = text_of(r->json, "event");
	if (r->event)
		return 1;
	if (!text_of(r->json, "op") || s->answered == s->asked) {
		oc_client_close_fds(r->fds, r->fd_count);
		return broken(s, r->json->child ? "what nobody asked for" : "nothing");
	}
	s->answered++;
	return 1;
}

int oc_client_receive(struct ocs_sandbox *s, struct oc_arena *a, struct oc_client_received *r)
{
	char room[CMSG_SPACE(OC_CLIENT_FDS * sizeof(int))] __attribute__((aligned(8)));
	ssize_t n;

	if (!s->in_buf && !(s->in_buf = malloc(OC_CLIENT_ANSWER_MAX)))
		oc_oom();
	struct iovec iov = {.iov_base = s->in_buf, .iov_len = OC_CLIENT_ANSWER_MAX};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	for (int resets = 0;;) {
		h.msg_control = room;
		h.msg_controllen = sizeof room;
		n = recvmsg(s->sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0)
			break;
		if (errno == EAGAIN)
			return 0;
		/* Closed with something of ours unread is told once, before what was said about it.
		 */
		if (errno != EINTR && (errno != ECONNRESET || resets++))
			return lost(s);
	}
	*r = (struct oc_client_received){.data = s->in_buf, .len = (size_t)n};
	take_fds(&h, r);
	if (n == 0) {
		oc_client_close_fds(r->fds, r->fd_count);
		return lost(s);
	}
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		oc_client_close_fds(r->fds, r->fd_count);
		return broken(s, h.msg_flags & MSG_TRUNC
					 ? "too much at once"
					 : "it with descriptors that could not be had");
	}
	return understand(s, a, r);
}
