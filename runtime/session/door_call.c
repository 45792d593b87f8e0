/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door_call - what is said to a monitor; see door.h.
 */
#include "runtime/session/door.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/control.h"

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int no_answer(const struct oc_door *d, int errnum, struct oc_err *err)
{
	oc_fail(err, 0, "the monitor of the sandbox %s (pid %d) does not answer", d->id,
		(int)d->pid);
	oc_err_hint(err, "it may have been stopped; `oc-sandbox stop %s` ends it", d->id);
	if (err)
		err->errnum = errnum;
	return -1;
}

int oc_door_dial(const struct oc_door *d, struct oc_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const int room = 2 * OC_CONTROL_MESSAGE_MAX;
	/* Non-blocking: a monitor that is stopped has a queue that may be full. */
	oc_auto_close fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return oc_fail(err, errno, "cannot make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control", d->dir_fd);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		if (errno == EAGAIN)
			return no_answer(d, EAGAIN, err);
		return oc_fail(err, errno == ENOENT || errno == ECONNREFUSED ? 0 : errno,
			       errno == ENOENT || errno == ECONNREFUSED
				       ? "the sandbox %s has ended"
				       : "cannot connect to the sandbox %s",
			       d->id);
	}
	return oc_steal_fd(&fd);
}

static int receive(const struct oc_door *d, int fd, struct oc_buf *out, struct oc_err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t end = now_ms() + OC_DOOR_MS;
	char *buf = malloc(OC_CONTROL_ANSWER_MAX);
	ssize_t n = -1;

	if (!buf)
		oc_oom();
	for (int resets = 0; n < 0;) {
		int64_t left = end - now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (r == 0 || (r < 0 && errno != EINTR))
			break;
		if (r < 0 || (n = recv(fd, buf, OC_CONTROL_ANSWER_MAX, MSG_DONTWAIT)) >= 0)
			continue;
		/* Closed with our request unread is told once, before what was said about it. */
		if (errno != EINTR && errno != EAGAIN && (errno != ECONNRESET || resets++))
			n = 0;
	}
	if (n > 0)
		oc_buf_add(out, buf, (size_t)n);
	free(buf);
	if (n < 0)
		return no_answer(d, 0, err);
	return n ? 0 : oc_fail(err, 0, "the sandbox %s has ended", d->id);
}

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

int oc_door_call(struct oc_arena *a, const struct oc_door *d, const struct oc_buf *request,
		 struct oc_json **answer, struct oc_err *err)
{
	oc_auto_buf text = {0};

	if (request->len > OC_CONTROL_MESSAGE_MAX) {
		oc_fail(err, 0, "the request is longer than %u bytes", OC_CONTROL_MESSAGE_MAX);
		return oc_err_hint(err, "give fewer rules at a time");
	}
	oc_auto_close fd = oc_door_dial(d, err);
	if (fd < 0)
		return -1;
	/* EPIPE: it may have said why before it closed. */
	if (send(fd, request->data, request->len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return oc_fail(err, errno, "cannot send to the sandbox %s", d->id);
	/* What happens in the sandbox meanwhile ("event") is not for who only asks one thing. */
	do {
		text.len = 0;
		if (receive(d, fd, &text, err) < 0 ||
		    oc_json_parse(a, text.data, text.len, "answer of the sandbox", answer, err) < 0)
			return -1;
	} while (oc_json_get(*answer, "event"));
	const struct oc_json *ok = oc_json_get(*answer, "ok");
	if (ok && ok->type == OC_JSON_BOOL && ok->boolean)
		return 0;
	const char *error = text_of(*answer, "error"), *hint = text_of(*answer, "hint");
	oc_fail(err, 0, "the sandbox %s: %s", d->id, error ? error : "no answer that we know");
	return hint && hint[0] ? oc_err_hint(err, "%s", hint) : -1;
}

int oc_door_watch(const struct oc_door *d)
{
	int fd = (int)syscall(SYS_pidfd_open, d->pid, 0);

	/* The number may be somebody else's by now, or in another pid namespace.  The descriptor
	 * comes first: if the start time is right afterwards, it was right when it was opened. */
	if (fd >= 0 && oc_rundir_start_time(d->pid) != d->start_time) {
		close(fd);
		return -1;
	}
	return fd;
}
