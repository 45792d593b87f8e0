/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send - what goes out; see client.h.
 *
 * A command is one message, sent from a buffer that is kept; only what the socket does not take
 * now, or what comes before there is one, is copied and waits, with descriptors of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/client/client.h"
#include "runtime/session/wire.h"

/* As the monitor takes them (OC_CALL_STRINGS_MAX of runtime/launch/call.h). */
#define STRINGS_MAX (2u << 20)

void oc_client_queue_add(struct oc_client_queue *q, const void *data, size_t len, const int *fds,
			 size_t count)
{
	struct oc_client_message *m = malloc(sizeof *m + len);

	if (!m)
		oc_oom();
	m->next = NULL;
	m->len = len;
	memcpy(m->data, data, len);
	m->fd_count = count;
	if (count)
		memcpy(m->fds, fds, count * sizeof *fds);
	if (q->last)
		q->last->next = m;
	else
		q->first = m;
	q->last = m;
}

struct oc_client_message *oc_client_queue_take(struct oc_client_queue *q)
{
	struct oc_client_message *m = q->first;

	if (m) {
		q->first = m->next;
		if (!q->first)
			q->last = NULL;
	}
	return m;
}

void oc_client_close_fds(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		oc_closep(&fds[i]);
		fds[i] = -1;
	}
}

void oc_client_message_free(struct oc_client_message *m)
{
	oc_client_close_fds(m->fds, m->fd_count);
	free(m);
}

void oc_client_queue_clear(struct oc_client_queue *q)
{
	struct oc_client_message *m;

	while ((m = oc_client_queue_take(q)))
		oc_client_message_free(m);
}

struct oc_client_call *oc_client_call(struct ocs_sandbox *s, uint32_t tag)
{
	for (size_t i = 0; i < s->call_count; i++)
		if (s->calls[i].tag == tag)
			return &s->calls[i];
	return NULL;
}

void oc_client_forget(struct ocs_sandbox *s, struct oc_client_call *c)
{
	*c = s->calls[--s->call_count];
}

/* Its tag. */
static uint32_t add_call(struct ocs_sandbox *s, bool pty)
{
	if (s->call_count == s->call_cap) {
		size_t cap = s->call_cap ? s->call_cap * 2 : 16;
		struct oc_client_call *all = realloc(s->calls, cap * sizeof *all);
		if (!all)
			oc_oom();
		s->calls = all;
		s->call_cap = cap;
	}
	do
		s->last_tag++;
	while (!s->last_tag || oc_client_call(s, s->last_tag));
	s->calls[s->call_count++] = (struct oc_client_call){.tag = s->last_tag, .pty = pty};
	return s->last_tag;
}

static ssize_t send_now(int sock, const void *data, size_t len, const int *fds, size_t count)
{
	char room[CMSG_SPACE(OC_CLIENT_FDS * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (count) {
		memset(room, 0, sizeof room);
		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE(count * sizeof *fds);
		struct cmsghdr *c = (struct cmsghdr *)(void *)room;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof *fds);
		memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
	}
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

static void want_out(struct ocs_sandbox *s, bool want)
{
	struct epoll_event e = {.events = EPOLLIN | (want ? EPOLLOUT : 0u)};

	if (s->want_out == want)
		return;
	s->want_out = want;
	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->sock, &e);
}

/* The caller may close its own as soon as we return. */
static int keep(struct ocs_sandbox *s, const void *data, size_t len, const int *fds, size_t count,
		struct ocs_error *err)
{
	int copies[OC_CLIENT_FDS];

	for (size_t i = 0; i < count; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (copies[i] < 0) {
			int e = errno;
			oc_client_close_fds(copies, i);
			return oc_client_fail(err, e, "cannot keep a descriptor");
		}
	}
	oc_client_queue_add(&s->out, data, len, copies, count);
	return 0;
}

int oc_client_send(struct ocs_sandbox *s, const void *data, size_t len, const int *fds,
		   size_t count, struct ocs_error *err)
{
	if (s->state >= OC_CLIENT_ENDED)
		return oc_client_fail(err, EPIPE, "the sandbox has ended");
	if (s->state != OC_CLIENT_LIVE || s->out.first)
		return keep(s, data, len, fds, count, err);
	if (send_now(s->sock, data, len, fds, count) >= 0)
		return 0;
	if (errno == EAGAIN) {
		if (keep(s, data, len, fds, count, err) < 0)
			return -1;
		want_out(s, true);
		return 0;
	}
	/* EPIPE: what it said before it went is still to be read, so the connection is not given up
	 * here. */
	return oc_client_fail(err, errno, "cannot send to the sandbox %s", s->door.id);
}

void oc_client_flush(struct ocs_sandbox *s)
{
	while (s->out.first) {
		struct oc_client_message *m = s->out.first;
		if (send_now(s->sock, m->data, m->len, m->fds, m->fd_count) < 0) {
			if (errno == EAGAIN || errno == ETOOMANYREFS) {
				want_out(s, true);
				return;
			}
			/* It is gone, which the end of what it sends will tell. */
			oc_client_queue_clear(&s->out);
			break;
		}
		oc_client_message_free(oc_client_queue_take(&s->out));
	}
	want_out(s, false);
}

/* --- commands --- */

struct strings {
	size_t bytes;
	uint32_t argc, envc;
};

/* False: too many of them. */
static bool measure(const char *const *list, uint32_t *count, size_t *bytes)
{
	for (; list && list[*count]; (*count)++) {
		*bytes += strlen(list[*count]) + 1;
		if (*bytes > STRINGS_MAX)
			return false;
	}
	return true;
}

static char *put(char *to, const char *s)
{
	size_t n = strlen(s) + 1;

	memcpy(to, s, n);
	return to + n;
}

static void put_strings(char *to, const struct ocs_exec *e)
{
	to = put(to, e->cwd ? e->cwd : "");
	for (size_t i = 0; e->argv[i]; i++)
		to = put(to, e->argv[i]);
	for (size_t i = 0; e->env && e->env[i]; i++)
		to = put(to, e->env[i]);
}

/* Sealed: what the monitor measured is what the command gets. */
static int make_blob(const struct ocs_exec *e, size_t size, struct ocs_error *err)
{
	oc_auto_close fd = memfd_create("oc-strings", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return oc_client_fail(err, errno, "memfd_create");
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return oc_client_fail(err, errno, "cannot map %zu bytes of arguments", size);
	put_strings(p, e);
	munmap(p, size);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return oc_client_fail(err, errno, "F_ADD_SEALS");
	return oc_steal_fd(&fd);
}

static int null_fd(struct ocs_sandbox *s)
{
	if (s->null_fd < 0)
		s->null_fd = oc_openat2(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, 0, 0);
	return s->null_fd;
}

/* A directory or a path reference would be a way out of the sandbox: openat(0, "..")
 * (CVE-2024-21626). */
static int check_stream(int fd, const char *name, struct ocs_error *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return oc_client_fail(err, errno, "descriptor %d for %s", fd, name);
	if (S_ISDIR(st.st_mode) || (flags & O_PATH))
		return oc_client_fail(err, EINVAL, "%s is a directory or a path reference", name);
	return 0;
}

static int streams(struct ocs_sandbox *s, const struct ocs_exec *e, int *fds, size_t *count,
		   struct ocs_error *err)
{
	const int given[3] = {e->in, e->out, e->err};
	static const char *const name[3] = {"in", "out", "err"};

	if (e->flags & (OCS_PTY | OCS_BACKGROUND))
		return 0;
	for (int i = 0; i < 3; i++) {
		int fd = given[i] >= 0 ? given[i] : null_fd(s);
		if (fd < 0)
			return oc_client_fail(err, errno, "cannot open /dev/null");
		if (given[i] >= 0 && check_stream(fd, name[i], err) < 0)
			return -1;
		fds[(*count)++] = fd;
	}
	return 0;
}

static uint32_t wire_flags(unsigned flags)
{
	uint32_t f = 0;

	if (flags & OCS_PTY)
		f |= OC_WIRE_PTY;
	if (flags & OCS_BACKGROUND)
		f |= OC_WIRE_BACKGROUND;
	if (flags & OCS_STARTED)
		f |= OC_WIRE_STARTED;
	if (flags & OCS_CLEAR_ENV)
		f |= OC_WIRE_CLEAR_ENV;
	if (flags & OCS_NO_INPUT)
		f |= OC_WIRE_NO_INPUT;
	return f;
}

static int check(const struct ocs_exec *e, struct strings *n, struct ocs_error *err)
{
	const unsigned known =
		OCS_PTY | OCS_BACKGROUND | OCS_STARTED | OCS_CLEAR_ENV | OCS_NO_INPUT;

	if (e->flags & ~known)
		return oc_client_fail(err, EINVAL, "unknown flags %#x", e->flags & ~known);
	if (!e->argv || !e->argv[0] || !e->argv[0][0])
		return oc_client_fail(err, EINVAL, "no command given");
	n->bytes = strlen(e->cwd ? e->cwd : "") + 1;
	if (!measure(e->argv, &n->argc, &n->bytes) || !measure(e->env, &n->envc, &n->bytes))
		return oc_client_fail(err, E2BIG, "arguments and environment of more than %u bytes",
				      STRINGS_MAX);
	return 0;
}

static int send_exec(struct ocs_sandbox *s, const struct ocs_exec *e, struct oc_wire_exec *w,
		     struct ocs_error *err)
{
	oc_auto_close blob = -1;
	int fds[OC_CLIENT_FDS];
	size_t count = 0, len = sizeof *w;

	if (!s->out_buf && !(s->out_buf = malloc(OC_WIRE_MESSAGE_MAX)))
		oc_oom();
	if (sizeof *w + w->strings > OC_WIRE_MESSAGE_MAX) {
		blob = make_blob(e, w->strings, err);
		if (blob < 0)
			return -1;
		fds[count++] = blob;
		w->flags |= OC_WIRE_BLOB;
	} else {
		put_strings(s->out_buf + sizeof *w, e);
		len += w->strings;
	}
	if (e->program >= 0) {
		fds[count++] = e->program;
		w->flags |= OC_WIRE_PROGRAM;
	}
	if (streams(s, e, fds, &count, err) < 0)
		return -1;
	memcpy(s->out_buf, w, sizeof *w);
	return oc_client_send(s, s->out_buf, len, fds, count, err);
}

int ocs_exec(ocs_sandbox *s, const struct ocs_exec *e, uint32_t *tag, struct ocs_error *err)
{
	struct ocs_exec mine = OCS_EXEC_INIT;
	struct strings n = {0};

	/* A caller that was built with a header of later days: what we do not know must not be
	 * asked for. */
	if (!e || e->size != sizeof mine)
		return oc_client_fail(err, EINVAL, "struct ocs_exec of a size that is not known");
	if (s->state >= OC_CLIENT_ENDED)
		return oc_client_fail(err, EPIPE, "the sandbox has ended");
	mine = *e;
	if (check(&mine, &n, err) < 0)
		return -1;
	uint32_t number = add_call(s, (mine.flags & OCS_PTY) && !(mine.flags & OCS_BACKGROUND));
	struct oc_wire_exec w = {
		.magic = OC_WIRE_MAGIC,
		.flags = wire_flags(mine.flags),
		.tag = number,
		.argc = n.argc,
		.envc = n.envc,
		.strings = (uint32_t)n.bytes,
		.timeout_ms = mine.timeout_ms,
		.memory_bytes = mine.memory_bytes,
		.pids = mine.pids,
		.cpu_millis = mine.cpu_millis,
		.rows = mine.rows,
		.cols = mine.cols,
	};
	if (send_exec(s, &mine, &w, err) < 0) {
		s->call_count--;
		return -1;
	}
	if (tag)
		*tag = number;
	return 0;
}

/* --- requests whose answer is of no interest --- */

static int tell(struct ocs_sandbox *s, uint32_t tag, const char *text, struct ocs_error *err)
{
	if (tag && !oc_client_call(s, tag))
		return oc_client_fail(err, ESRCH, "there is no call with the tag %u", tag);
	if (oc_client_send(s, text, strlen(text), NULL, 0, err) < 0)
		return -1;
	s->asked++;
	return 0;
}

int ocs_signal(ocs_sandbox *s, uint32_t tag, int sig, struct ocs_error *err)
{
	char text[96];

	if (!tag || sig < 1 || sig > 64)
		return oc_client_fail(err, EINVAL, "no signal %d", sig);
	snprintf(text, sizeof text, "{\"op\":\"signal\",\"tag\":%u,\"signal\":%d}", tag, sig);
	return tell(s, tag, text, err);
}

int ocs_kill(ocs_sandbox *s, uint32_t tag, struct ocs_error *err)
{
	char text[64];

	if (!tag)
		return oc_client_fail(err, EINVAL, "no tag");
	snprintf(text, sizeof text, "{\"op\":\"kill\",\"tag\":%u}", tag);
	return tell(s, tag, text, err);
}

int ocs_detach(ocs_sandbox *s, uint32_t tag, struct ocs_error *err)
{
	char text[64];

	if (!tag)
		return oc_client_fail(err, EINVAL, "no tag");
	snprintf(text, sizeof text, "{\"op\":\"detach\",\"tag\":%u}", tag);
	return tell(s, tag, text, err);
}

int ocs_stop(ocs_sandbox *s, struct ocs_error *err)
{
	return tell(s, 0, "{\"op\":\"stop\"}", err);
}
