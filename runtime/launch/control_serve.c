/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_serve - the clients of the door: who may come in, what they ask, what waits for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/control.h"

#define OP_MAX 4096u /* of a request that is echoed */

struct oc_control_waiting {
	struct oc_control_waiting *next;
	size_t len;
	unsigned fd_count;
	int fds[OC_CONTROL_FDS]; /* duplicates of the sender's */
	char data[];
};

/*
 * A payload lives in a pid namespace below ours: there /proc/PID/status has more than one number in
 * NSpid (Linux 4.1).  It is the one thing about a process in another user namespace that we may
 * read.
 */
static bool in_our_pid_namespace(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (pid <= 0 || oc_read_file_at(AT_FDCWD, path, text, sizeof text) < 0)
		return false;
	const char *p = strstr(text, "\nNSpid:");
	if (!p)
		return false;
	p += sizeof "\nNSpid:" - 1;
	p += strspn(p, "\t ");
	p += strspn(p, "0123456789");
	return *p == '\n';
}

static bool welcome(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof peer)
		return false;
	return peer.uid == 0 || (peer.uid == geteuid() && in_our_pid_namespace(peer.pid));
}

static void begin(struct oc_json_writer *w, struct oc_buf *out, const char *op, bool ok)
{
	oc_jw_init(w, out, 0);
	oc_jw_object(w);
	oc_jw_key(w, "op");
	oc_jw_string(w, op);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, ok);
}

static void answer_error(struct oc_buf *out, const char *op, const struct oc_err *err)
{
	struct oc_json_writer w;

	out->len = 0;
	begin(&w, out, op, false);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err->msg);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, err->hint);
	oc_jw_object_end(&w);
}

/* --- to the clients --- */

static ssize_t send_message(int fd, const void *data, size_t len, const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	union {
		char buf[CMSG_SPACE(OC_CONTROL_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (count) {
		memset(&control, 0, sizeof control);
		h.msg_control = control.buf;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void unqueue(struct oc_control_client *k)
{
	struct oc_control_waiting *m = k->first;

	k->first = m->next;
	k->queued--;
	k->queued_bytes -= m->len;
	for (unsigned i = 0; i < m->fd_count; i++)
		oc_closep(&m->fds[i]);
	free(m);
}

static void drop(struct oc_control *c, unsigned i)
{
	struct oc_control_client *k = &c->client[i];

	if (k->fd < 0)
		return;
	while (k->first)
		unqueue(k);
	oc_closep(&k->fd);
	k->fd = -1;
	while (c->count && c->client[c->count - 1].fd < 0)
		c->count--;
	if (c->service && c->service->gone)
		c->service->gone(c->service->ctx, i);
}

/* False: the queue is full. */
static bool enqueue(struct oc_control_client *k, const struct oc_buf *m, const int *fds,
		    size_t count)
{
	if (k->queued == OC_CONTROL_QUEUE_MESSAGES ||
	    k->queued_bytes + m->len > OC_CONTROL_QUEUE_BYTES)
		return false;
	struct oc_control_waiting *w = malloc(sizeof *w + m->len);
	if (!w)
		oc_oom();
	*w = (struct oc_control_waiting){.len = m->len};
	memcpy(w->data, m->data, m->len);
	for (size_t i = 0; i < count; i++) {
		w->fds[w->fd_count] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (w->fds[w->fd_count] < 0) {
			while (w->fd_count)
				oc_closep(&w->fds[--w->fd_count]);
			free(w);
			return false;
		}
		w->fd_count++;
	}
	if (k->first)
		k->last->next = w;
	else
		k->first = w;
	k->last = w;
	k->queued++;
	k->queued_bytes += w->len;
	return true;
}

/* What waits, as far as there is room.  False: he is gone. */
static bool flush(struct oc_control_client *k)
{
	while (k->first) {
		const struct oc_control_waiting *m = k->first;
		if (send_message(k->fd, m->data, m->len, m->fds, m->fd_count) < 0)
			return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
		unqueue(k);
	}
	return true;
}

static void send_to(struct oc_control *c, unsigned i, const struct oc_buf *m, const int *fds,
		    size_t count)
{
	struct oc_control_client *k = &c->client[i];

	if (k->fd < 0)
		return;
	if (!k->first) {
		if (send_message(k->fd, m->data, m->len, fds, count) >= 0)
			return;
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			drop(c, i);
			return;
		}
	}
	/* One-shot: who does not read his answers has no room for one more. */
	if (!c->service || !enqueue(k, m, fds, count))
		drop(c, i);
}

void oc_control_tell(struct oc_control *c, unsigned client, const struct oc_buf *m, const int *fds,
		     size_t count)
{
	if (client < c->room)
		send_to(c, client, m, fds, count);
}

void oc_control_dismiss(struct oc_control *c)
{
	for (unsigned i = 0; i < c->room; i++) {
		if (c->client[i].fd < 0)
			continue;
		(void)flush(&c->client[i]);
		drop(c, i);
	}
}

static void refuse(int fd, const char *why)
{
	oc_auto_buf out = {0};
	struct oc_err err = {0};

	oc_fail(&err, 0, "%s", why);
	answer_error(&out, "", &err);
	(void)send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void admit(struct oc_control *c, int fd)
{
	const int room = OC_CONTROL_ANSWER_MAX;
	unsigned i = 0;

	if (!welcome(fd)) {
		refuse(fd, "not for this process");
		return;
	}
	while (i < c->room && c->client[i].fd >= 0)
		i++;
	if (i == c->room && c->service) {
		refuse(fd, "the sandbox has as many clients as it can serve");
		return;
	}
	/* Every request is answered at once, so that all of them only sit there. */
	if (i == c->room) {
		i = c->oldest;
		c->oldest = i + 1 < c->room ? i + 1 : 0;
		drop(c, i);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	c->client[i] = (struct oc_control_client){.fd = fd};
	if (i >= c->count)
		c->count = i + 1;
}

/* --- from the clients --- */

/* The hash is not in info.json: it takes a while, and few ask. */
static void write_plan_hash(const struct oc_plan *plan, struct oc_json_writer *w)
{
	char hash[65];

	oc_plan_hash(plan, hash);
	oc_jw_key(w, "planHash");
	oc_jw_string(w, hash);
}

struct one_shot {
	oc_control_handler handler;
	void *ctx;
};

static int one_shot_request(void *ctx, unsigned client, const char *op,
			    const struct oc_json *request, struct oc_json_writer *w,
			    int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	const struct one_shot *s = ctx;

	(void)client;
	(void)fds;
	return s->handler(s->ctx, op, request, w, err);
}

/* False: no request, the client goes once it is answered. */
static bool answer(const struct oc_control *c, unsigned i, const char *text, size_t len,
		   const struct oc_control_service *service, struct oc_buf *out,
		   int fds[OC_CONTROL_FDS])
{
	oc_auto_arena a = {0};
	struct oc_json_writer w;
	struct oc_err err = {0};
	struct oc_json *m = NULL;

	if (len > OC_CONTROL_MESSAGE_MAX)
		oc_fail(&err, 0, "the message is longer than %u bytes", OC_CONTROL_MESSAGE_MAX);
	else if (oc_json_parse(&a, text, len, "message", &m, &err) < 0)
		m = NULL;
	const struct oc_json *op = oc_json_get(m, "op");
	if (!op || op->type != OC_JSON_STRING || strlen(op->string) > OP_MAX) {
		if (m)
			oc_fail(&err, 0, "the message has no operation");
		answer_error(out, "", &err);
		return false;
	}
	begin(&w, out, op->string, true);
	if (!c->service && strcmp(op->string, "info") == 0) {
		write_plan_hash(c->plan, &w);
	} else if (service->request(service->ctx, i, op->string, m, &w, fds, &err) < 0) {
		answer_error(out, op->string, &err);
		return true;
	}
	oc_jw_object_end(&w);
	if (out->len > OC_CONTROL_ANSWER_MAX) {
		oc_fail(&err, 0, "the answer is longer than %u bytes", OC_CONTROL_ANSWER_MAX);
		answer_error(out, op->string, &err);
	}
	return true;
}

static void none(int fds[OC_CONTROL_FDS])
{
	for (int i = 0; i < OC_CONTROL_FDS; i++)
		fds[i] = -1;
}

static void close_all(int fds[OC_CONTROL_FDS])
{
	for (int i = 0; i < OC_CONTROL_FDS; i++)
		oc_closep(&fds[i]);
}

/* How many descriptors came; -1: more than there is room for, and none is left. */
static int take_fds(struct msghdr *h, int fds[OC_CONTROL_FDS])
{
	int count = 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		count = (int)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (count > OC_CONTROL_FDS)
			count = OC_CONTROL_FDS;
		memcpy(fds, CMSG_DATA(cm), (size_t)count * sizeof(int));
	}
	if (!(h->msg_flags & MSG_CTRUNC))
		return count;
	close_all(fds);
	none(fds);
	return -1;
}

/* False: the client goes. */
static bool serve_message(struct oc_control *c, unsigned i, char *buf, size_t len, int count,
			  int fds[OC_CONTROL_FDS], const struct oc_control_service *service)
{
	oc_auto_buf out = {0};
	struct oc_err err = {0};
	int with[OC_CONTROL_FDS];
	size_t with_count = 0;
	bool keep = true;

	if (service->message && len <= OC_CONTROL_MESSAGE_MAX && buf[0] != '{' && count >= 0) {
		if (service->message(service->ctx, i, buf, len, fds, (size_t)count, &err) == 0)
			return true;
		answer_error(&out, "", &err);
		keep = false;
	}
	none(with);
	if (keep)
		keep = answer(c, i, buf, len, service, &out, with);
	while (with_count < OC_CONTROL_FDS && with[with_count] >= 0)
		with_count++;
	send_to(c, i, &out, with, with_count);
	close_all(with);
	return keep;
}

static void serve(struct oc_control *c, unsigned i, const struct oc_control_service *service)
{
	char *buf = c->buf ? c->buf : malloc(OC_CONTROL_MESSAGE_MAX + 1);
	struct iovec iov = {.iov_base = buf, .iov_len = OC_CONTROL_MESSAGE_MAX};
	union {
		char buf[CMSG_SPACE(OC_CONTROL_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[OC_CONTROL_FDS];

	if (!buf)
		oc_oom();
	none(fds);
	/* One-shot: descriptors that come along are closed by the kernel, there is no room for
	 * them. */
	if (c->service) {
		h.msg_control = control.buf;
		/* Not CMSG_SPACE: the kernel would put one more into the padding. */
		h.msg_controllen = CMSG_LEN(OC_CONTROL_FDS * sizeof(int));
	}
	ssize_t n = recvmsg(c->client[i].fd, &h, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	bool keep = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (n > 0) {
		int count = c->service ? take_fds(&h, fds) : 0;
		if ((size_t)n <= OC_CONTROL_MESSAGE_MAX)
			buf[n] = '\0';
		keep = serve_message(c, i, buf, (size_t)n, count, fds, service);
	}
	close_all(fds);
	if (!c->buf)
		free(buf);
	if (!keep)
		drop(c, i);
}

nfds_t oc_control_poll(const struct oc_control *c, struct pollfd *p)
{
	unsigned n = c->service ? c->count : c->room;

	p[0] = (struct pollfd){.fd = c->deaf ? -1 : c->listen_fd, .events = POLLIN};
	for (unsigned i = 0; i < n; i++)
		p[1 + i] =
			(struct pollfd){.fd = c->client[i].fd,
					.events = c->client[i].first ? POLLIN | POLLOUT : POLLIN};
	return 1 + n;
}

static void run(struct oc_control *c, const struct pollfd *p, unsigned n,
		const struct oc_control_service *service)
{
	c->deaf = false;
	for (unsigned i = 0; i < n; i++) {
		if (c->client[i].fd < 0 || p[1 + i].fd != c->client[i].fd || !p[1 + i].revents)
			continue;
		if ((p[1 + i].revents & POLLOUT) && !flush(&c->client[i]))
			drop(c, i);
		else if (p[1 + i].revents & ~POLLOUT)
			serve(c, i, service);
	}
	if (c->listen_fd < 0 || p[0].fd != c->listen_fd || !(p[0].revents & POLLIN))
		return;
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		admit(c, fd);
	else
		/* Whoever waits there must not keep us awake; something else has to end first. */
		c->deaf = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
}

void oc_control_run(struct oc_control *c, const struct pollfd p[OC_CONTROL_POLL],
		    oc_control_handler handler, void *ctx)
{
	struct one_shot s = {handler, ctx};
	const struct oc_control_service service = {.ctx = &s, .request = one_shot_request};

	run(c, p, OC_CONTROL_CLIENTS, &service);
}

void oc_control_serve(struct oc_control *c, const struct pollfd *p, nfds_t n)
{
	if (c->service && n > 0)
		run(c, p, (unsigned)n - 1, c->service);
}
