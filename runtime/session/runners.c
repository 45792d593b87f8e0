/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runners - the processes inside that run commands (runtime/launch/call.h), on the monitor's side.
 *
 * What they say is looked at as if a payload had said it: it may stop or kill one, and is no more
 * than one kernel bug away from more.
 *
 * Must never: wait for one; give a second command to one that had limits of its own, or that left
 * something behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/session/keep_internal.h"

#define OOM_WINDOW_US 1000000u
#define OOM_STEP_US   20000u

/* --- making one --- */

static struct oc_runner *add(struct oc_keep *k)
{
	unsigned i = 0;

	while (i < OC_RUNNERS && k->runner[i])
		i++;
	if (i == OC_RUNNERS)
		return NULL;
	struct oc_runner *r = calloc(1, sizeof *r);
	if (!r)
		oc_oom();
	r->number = i;
	r->sock = r->oom_fd = -1;
	r->since_us = k->now_us;
	oc_cgroup_call_init(&r->leaf);
	k->runner[i] = r;
	if (i >= k->runner_top)
		k->runner_top = i + 1;
	return r;
}

static void remove_runner(struct oc_keep *k, struct oc_runner *r)
{
	k->runner[r->number] = NULL;
	while (k->runner_top && !k->runner[k->runner_top - 1])
		k->runner_top--;
	oc_closep(&r->sock);
	oc_closep(&r->oom_fd);
	free(r);
}

static bool is_limited(const struct oc_call *c)
{
	return c && (c->limits.memory_bytes || c->limits.pids || c->limits.cpu_millis);
}

int oc_runner_new(struct oc_keep *k, struct oc_call *c, struct oc_err *err)
{
	static const struct oc_call_limits none;
	const int on = 1;
	int pair[2];
	struct oc_runner *r = add(k);

	if (!r) {
		oc_fail(err, 0, "%d commands run in the sandbox already", OC_RUNNERS);
		return oc_err_hint(err, "wait until one of them has ended");
	}
	if (oc_cgroup_call_create(&r->leaf, &k->s.cg, k->plan, r->number, c ? &c->limits : &none,
				  err) < 0) {
		remove_runner(k, r);
		return -1;
	}
	r->limited = is_limited(c);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		oc_fail(err, errno, "socketpair");
		oc_cgroup_call_remove(&r->leaf);
		remove_runner(k, r);
		return -1;
	}
	r->sock = pair[0];
	(void)setsockopt(r->sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	bool v1 = r->leaf.own.kind == OC_CGROUP_V1;
	int rc = oc_sandbox_runner(&k->s, r->number, pair[1], r->leaf.own.tasks,
				   v1 ? OC_CG_COUNT : 0, err);
	close(pair[1]);
	if (rc < 0) {
		oc_cgroup_call_remove(&r->leaf);
		remove_runner(k, r);
		return -1;
	}
	if (v1 && c && c->limits.memory_bytes)
		r->oom_fd = oc_cgroup_call_oom_event(&r->leaf);
	r->call = c;
	if (c)
		c->runner = r;
	return 0;
}

/* --- giving it a command --- */

static int send_with(int sock, const void *data, size_t len, const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	union {
		char buf[CMSG_SPACE(OC_CALL_FDS * sizeof(int))];
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
	return sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* The strings are too long for a message: into a file of their own, in front of the descriptors. */
static int send_blob(struct oc_runner *r, const struct oc_call *c, struct oc_call_run *run)
{
	oc_auto_close blob = memfd_create("call", MFD_CLOEXEC);
	int fds[OC_CALL_FDS];

	if (blob < 0 || c->fd_count + 1 > OC_CALL_FDS ||
	    oc_write_all(blob, c->run.data + sizeof *run, c->run.len - sizeof *run) < 0)
		return -1;
	run->flags |= OC_CALL_BLOB;
	fds[0] = blob;
	memcpy(fds + 1, c->fds, c->fd_count * sizeof(int));
	return send_with(r->sock, run, sizeof *run, fds, c->fd_count + 1);
}

static int send_call(struct oc_keep *k, struct oc_runner *r, struct oc_call *c)
{
	struct oc_call_run run;

	memcpy(&run, c->run.data, sizeof run);
	run.data_limit = r->leaf.data_limit;
	memcpy(c->run.data, &run, sizeof run);
	int rc = run.strings > OC_CALL_INLINE_MAX
			 ? send_blob(r, c, &run)
			 : send_with(r->sock, c->run.data, c->run.len, c->fds, c->fd_count);
	if (rc < 0)
		return -1;
	r->call = c;
	r->state = OC_RUNNER_BUSY;
	r->since_us = k->now_us;
	c->runner = r;
	c->state = OC_CALL_SENT;
	return 0;
}

void oc_runner_give(struct oc_keep *k, struct oc_call *c)
{
	struct oc_err err = {0};

	for (unsigned i = 0; i < k->runner_top && !is_limited(c); i++) {
		struct oc_runner *r = k->runner[i];
		if (!r || r->state != OC_RUNNER_IDLE || r->limited)
			continue;
		if (send_call(k, r, c) == 0)
			return;
		/* The payload has killed it, or stopped it. */
		oc_runner_end(k, r);
	}
	c->state = OC_CALL_WAITING;
	if (oc_runner_new(k, c, &err) < 0)
		oc_call_failed(k, c, 125, &err);
}

void oc_runner_signal(struct oc_keep *k, struct oc_runner *r, int sig)
{
	const struct oc_call_signal m = {.type = OC_CALL_SIGNAL, .value = sig};

	(void)k;
	if (r->sock >= 0)
		(void)send(r->sock, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void oc_runner_end(struct oc_keep *k, struct oc_runner *r)
{
	if (r->gone)
		return;
	oc_sandbox_end_runner(&k->s, r->number);
	if (r->state != OC_RUNNER_LEAVING)
		r->since_us = k->now_us;
	r->state = OC_RUNNER_LEAVING;
}

/* One that nobody needs: it sees the end of its socket. */
static void let_go(struct oc_keep *k, struct oc_runner *r)
{
	oc_closep(&r->sock);
	r->sock = -1;
	r->state = OC_RUNNER_LEAVING;
	r->since_us = k->now_us;
}

static unsigned count_warm(const struct oc_keep *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->runner_top; i++) {
		const struct oc_runner *r = k->runner[i];
		n += r && !r->limited &&
		     (r->state == OC_RUNNER_IDLE || (r->state == OC_RUNNER_STARTING && !r->call));
	}
	return n;
}

/* Its command is over, nothing is left of it. */
static void rest(struct oc_keep *k, struct oc_runner *r)
{
	r->call = NULL;
	r->used = true;
	if (r->limited || r->state == OC_RUNNER_LEAVING || count_warm(k) >= OC_KEEP_WARM) {
		if (r->state != OC_RUNNER_LEAVING)
			let_go(k, r);
		return;
	}
	r->state = OC_RUNNER_IDLE;
	r->since_us = k->now_us;
}

/* --- what it says --- */

static pid_t sender(struct msghdr *h, int *fd)
{
	pid_t pid = 0;

	*fd = -1;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET)
			continue;
		if (cm->cmsg_type == SCM_RIGHTS) {
			/* One is what we asked for, and as many as the control buffer has room for
			 * may come. */
			for (size_t i = 0; i < (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				oc_closep(fd);
				memcpy(fd, CMSG_DATA(cm) + i * sizeof(int), sizeof *fd);
			}
		} else if (cm->cmsg_type == SCM_CREDENTIALS &&
			   cm->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred u;
			memcpy(&u, CMSG_DATA(cm), sizeof u);
			pid = u.pid;
		}
	}
	return pid;
}

static void on_hello(struct oc_keep *k, struct oc_runner *r, pid_t pid)
{
	const int off = 0;
	struct oc_err err = {0};
	struct oc_call *c = r->call;

	if (r->state != OC_RUNNER_STARTING || k->ending)
		return;
	(void)setsockopt(r->sock, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
	r->state = OC_RUNNER_IDLE;
	r->since_us = k->now_us;
	if (pid <= 0)
		oc_fail(&err, EPROTO, "a runner did not say who it is");
	else if (oc_cgroup_call_join(&r->leaf, pid, &err) == 0) {
		if (!c || c->state != OC_CALL_WAITING || send_call(k, r, c) == 0)
			return;
		oc_fail(&err, errno, "cannot hand the command to its runner");
	}
	oc_runner_end(k, r);
	if (!c)
		return;
	r->call = NULL;
	c->runner = NULL;
	oc_call_failed(k, c, 125, &err);
}

static void on_noexec(struct oc_keep *k, struct oc_runner *r, struct oc_call_reply *m, ssize_t n)
{
	struct oc_call *c = r->call;
	int e = m->err.errnum;

	if ((size_t)n < sizeof *m)
		oc_fail(&m->err, EPROTO, "the command was not executed");
	m->err.step[sizeof m->err.step - 1] = '\0';
	m->err.msg[sizeof m->err.msg - 1] = '\0';
	m->err.hint[sizeof m->err.hint - 1] = '\0';
	rest(k, r);
	c->runner = NULL;
	oc_call_failed(k, c, !m->value ? 125 : e == ENOENT || e == ENOTDIR ? 127 : 126, &m->err);
}

static void on_exited(struct oc_keep *k, struct oc_runner *r, const struct oc_call_reply *m)
{
	struct oc_call *c = r->call;

	oc_call_exited(k, c, m);
	if (m->left || r->state == OC_RUNNER_LEAVING) {
		r->state = OC_RUNNER_LEAVING;
		r->since_us = k->now_us;
		return;
	}
	/* The call looks at the group of its runner. */
	oc_call_finish(k, c);
	rest(k, r);
}

/* Its end of the socket is closed: pid 1 says when all is over. */
static void on_end(struct oc_keep *k, struct oc_runner *r)
{
	oc_closep(&r->sock);
	r->sock = -1;
	if (r->state != OC_RUNNER_LEAVING) {
		r->state = OC_RUNNER_LEAVING;
		r->since_us = k->now_us;
	}
}

void oc_runner_read(struct oc_keep *k, struct oc_runner *r)
{
	struct oc_call_reply m = {0};
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof m};
	union {
		char buf[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	int fd;
	ssize_t n = recvmsg(r->sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno == ECONNRESET) {
		/* It ended with something of ours unread; what it said before that can still be
		 * read. */
		if (r->call && r->call->state == OC_CALL_SENT)
			r->call->unread = true;
		return;
	}
	if (n <= 0) {
		on_end(k, r);
		return;
	}
	pid_t pid = sender(&h, &fd);
	oc_auto_close with = fd;
	if ((size_t)n < OC_CALL_REPLY_SHORT)
		return;
	struct oc_call *c = r->call;
	if (m.type == OC_CALL_HELLO) {
		on_hello(k, r, pid);
	} else if (!c) {
		return;
	} else if (m.type == OC_CALL_STARTED && c->state == OC_CALL_SENT) {
		oc_call_started(k, c, (pid_t)m.value, oc_steal_fd(&with));
	} else if (m.type == OC_CALL_NOEXEC && c->state == OC_CALL_SENT) {
		on_noexec(k, r, &m, n);
	} else if (m.type == OC_CALL_EXIT &&
		   (c->state == OC_CALL_RUNNING || c->state == OC_CALL_LEAVING) && !c->reported) {
		on_exited(k, r, &m);
	}
}

/* --- its end --- */

/* What it said before it ended.  False: r is no more. */
static bool last_words(struct oc_keep *k, unsigned number)
{
	for (int i = 0; i < 8; i++) {
		struct oc_runner *r = k->runner[number];
		if (!r)
			return false;
		if (r->sock < 0)
			return true;
		oc_runner_read(k, r);
	}
	return k->runner[number] != NULL;
}

void oc_runner_gone(struct oc_keep *k, unsigned number, const struct oc_err *why)
{
	struct oc_err err = {0};

	if (number >= OC_RUNNERS || !k->runner[number] || k->runner[number]->gone ||
	    !last_words(k, number))
		return;
	struct oc_runner *r = k->runner[number];
	struct oc_call *c = r->call;
	oc_closep(&r->sock);
	r->sock = -1;
	r->gone = true;
	r->state = OC_RUNNER_LEAVING;
	if (!c && why && why->msg[0])
		k->spare_us = k->now_us + OC_KEEP_COOL_US / 60;
	if (c && (c->state == OC_CALL_WAITING || c->unread) && !c->killed && !c->timed_out) {
		/* It has not begun, so it can be tried once more. */
		r->call = NULL;
		c->runner = NULL;
		c->unread = false;
		if (why && why->msg[0])
			err = *why;
		else
			oc_fail(&err, 0, "the process that should start the command has ended");
		if (c->retried || (why && why->msg[0])) {
			oc_call_failed(k, c, 125, &err);
		} else {
			c->retried = true;
			oc_runner_give(k, c);
		}
	} else if (c && c->stuck) {
		oc_fail(&err, 0, "the process that should start the command did not answer");
		oc_err_hint(&err, "another command in the sandbox may have stopped it");
		oc_call_failed(k, c, 125, &err);
		r->call = NULL;
	} else if (c) {
		oc_call_finish(k, c);
		r->call = NULL;
	}
	if (oc_cgroup_call_remove(&r->leaf) == 0)
		remove_runner(k, r);
	else
		r->since_us = k->now_us;
}

/* --- time --- */

static uint64_t time_of(struct oc_keep *k, struct oc_runner *r, unsigned *warm)
{
	struct oc_call *c = r->call;
	uint64_t until = UINT64_MAX;

	if (r->gone) {
		/* Its group was busy. */
		until = r->since_us + OOM_STEP_US;
	} else if (r->state == OC_RUNNER_STARTING ||
		   (r->state == OC_RUNNER_BUSY && c && c->state == OC_CALL_SENT)) {
		until = r->since_us + OC_KEEP_ANSWER_US;
	} else if (r->state == OC_RUNNER_IDLE && *warm > 1) {
		until = r->since_us + OC_KEEP_COOL_US;
	}
	/* One that is leaving needs nothing but the kernel. */
	if (until > k->now_us)
		return until;
	if (r->gone) {
		r->since_us = k->now_us;
		if (oc_cgroup_call_remove(&r->leaf) == 0) {
			remove_runner(k, r);
			return UINT64_MAX;
		}
		return k->now_us + OOM_STEP_US;
	}
	if (r->state == OC_RUNNER_IDLE) {
		let_go(k, r);
		(*warm)--;
		return UINT64_MAX;
	}
	/* Somebody has stopped it, or there is no processor for it. */
	if (c)
		c->stuck = true;
	oc_runner_end(k, r);
	return UINT64_MAX;
}

/* Nobody is there for the next command, and those that run take their time. */
static uint64_t time_of_spare(struct oc_keep *k)
{
	uint64_t oldest = UINT64_MAX;
	struct oc_err ignored = {0};

	if (count_warm(k))
		return UINT64_MAX;
	for (unsigned i = 0; i < k->runner_top; i++)
		if (k->runner[i] && k->runner[i]->state == OC_RUNNER_BUSY &&
		    k->runner[i]->since_us < oldest)
			oldest = k->runner[i]->since_us;
	if (oldest == UINT64_MAX || k->ending)
		return UINT64_MAX;
	uint64_t at =
		oldest + OC_KEEP_SPARE_US > k->spare_us ? oldest + OC_KEEP_SPARE_US : k->spare_us;
	if (at > k->now_us)
		return at;
	if (oc_runner_new(k, NULL, &ignored) < 0)
		k->spare_us = k->now_us + OC_KEEP_COOL_US;
	return UINT64_MAX;
}

static bool look_for_oom(struct oc_keep *k)
{
	bool found = false;

	for (unsigned i = 0; i < k->runner_top; i++) {
		struct oc_runner *r = k->runner[i];
		struct oc_cgroup_usage u;
		if (!r || r->gone || !r->call || !oc_call_runs(r->call))
			continue;
		oc_cgroup_call_usage(&r->leaf, &u);
		if (u.oom_kills == 0)
			continue;
		found = true;
		if (!r->call->oom) {
			r->call->oom = true;
			oc_runner_end(k, r);
		}
	}
	return found;
}

void oc_runner_oom(struct oc_keep *k)
{
	k->oom_until_us = k->now_us + OOM_WINDOW_US;
	k->oom_next_us = k->now_us;
}

uint64_t oc_runner_time(struct oc_keep *k)
{
	uint64_t next = time_of_spare(k);
	unsigned warm = count_warm(k);

	for (unsigned i = 0; i < k->runner_top; i++) {
		if (!k->runner[i])
			continue;
		uint64_t t = time_of(k, k->runner[i], &warm);
		next = t < next ? t : next;
	}
	/* The kernel says it before it kills. */
	if (k->oom_until_us && k->now_us >= k->oom_next_us) {
		if (look_for_oom(k) || k->now_us >= k->oom_until_us)
			k->oom_until_us = 0;
		k->oom_next_us = k->now_us + OOM_STEP_US;
	}
	if (k->oom_until_us && k->oom_next_us < next)
		next = k->oom_next_us;
	return next;
}
