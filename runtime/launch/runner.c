/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner - runs one command after another for the monitor of a sandbox that is kept (call.h).
 *
 * A process between pid 1 and the command, with its own memory.  Everything that it is told comes from the monitor.
 *
 * Must never: go on to the next command while something of the last one lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/call.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

enum { SOCK = 3, SIGNALS, KEPT };
#define FEW 510 /* pointers that need no memory of their own */

struct runner {
	struct oc_child *c;
	uint64_t data_limit; /* of the sandbox */
	pid_t pid;	     /* the command, 0: none */
	/* Of one call: */
	struct oc_call_run head;
	char *strings; /* in message, or mapped */
	char **pointers;
	size_t mapped, pointers_mapped;
	char message[sizeof(struct oc_call_run) + OC_CALL_INLINE_MAX];
	char *few[FEW + 2];
};

static void say(uint32_t type, int32_t value, const struct oc_err *err, int fd)
{
	struct oc_call_reply m = {.type = type, .value = value};
	struct iovec iov = {.iov_base = &m, .iov_len = OC_CALL_REPLY_SHORT};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (err) {
		m.err = *err;
		iov.iov_len = sizeof m;
	}
	if (fd >= 0) {
		h.msg_control = control.buf;
		h.msg_controllen = sizeof control.buf;
		struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof fd);
	}
	if (sendmsg(SOCK, &h, MSG_NOSIGNAL) < 0)
		_exit(125); /* the monitor is gone, or does not listen: our end is the call's */
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void forget(struct runner *r)
{
	if (r->mapped)
		munmap(r->strings, r->mapped);
	if (r->pointers_mapped)
		munmap(r->pointers, r->pointers_mapped);
	r->mapped = r->pointers_mapped = 0;
}

/* The strings of a large call, out of its memfd: copied, for a mapping could lose its end under us. */
static int fetch(struct runner *r, int fd, struct oc_err *err)
{
	size_t have = 0, want = r->head.strings;

	r->strings = map(want);
	if (!r->strings)
		return oc_fail(err, errno, "no memory for the command line");
	r->mapped = want;
	while (have < want) {
		ssize_t n = pread(fd, r->strings + have, want - have, (off_t)have);
		if (n <= 0)
			return oc_fail(err, n < 0 ? errno : 0, "cannot read the command line");
		have += (size_t)n;
	}
	return 0;
}

/* Pointers into the strings.  The monitor has looked at them; that they end where they should is looked at again. */
static int point(struct runner *r, struct oc_err *err)
{
	struct oc_child *c = r->c;
	size_t count = (size_t)r->head.argc + r->head.envc;
	char *p = r->strings, *end = r->strings + r->head.strings;

	if (r->head.argc == 0 || r->head.strings == 0 || end[-1] != '\0' || count > r->head.strings)
		return oc_fail(err, EINVAL, "the call is malformed");
	r->pointers = r->few;
	if (count > FEW) {
		r->pointers_mapped = (count + 2) * sizeof *r->pointers;
		r->pointers = map(r->pointers_mapped);
		if (!r->pointers) {
			r->pointers_mapped = 0;
			return oc_fail(err, errno, "no memory for the command line");
		}
	}
	c->workdir = p;
	p += strlen(p) + 1;
	char **out = r->pointers;
	for (size_t i = 0; i < count; i++) {
		if (p >= end)
			return oc_fail(err, EINVAL, "the call is malformed");
		if (i == r->head.argc)
			*out++ = NULL;
		*out++ = p;
		p += strlen(p) + 1;
	}
	*out = NULL;
	if (r->head.envc == 0)
		*++out = NULL;
	c->argv = r->pointers;
	c->envp = r->pointers + r->head.argc + 1;
	c->path_env = "/usr/bin:/bin";
	for (char *const *e = c->envp; *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			c->path_env = *e + 5;
	return 0;
}

/* Which descriptor is what: see call.h. */
static int place(struct runner *r, const int fds[OC_CALL_FDS], struct oc_err *err)
{
	struct oc_child *c = r->c;
	int next = r->head.flags & OC_CALL_BLOB ? 1 : 0;

	c->exec_fd = -1;
	c->want_pty = r->head.flags & OC_CALL_PTY;
	if (r->head.flags & OC_CALL_PROGRAM) {
		c->exec_fd = fds[next++];
		if (c->exec_fd < 0)
			return oc_fail(err, EBADF, "the program's descriptor is missing");
	}
	for (int i = 0; i < 3; i++) {
		c->stdio[i] = -1;
		if (c->want_pty)
			continue;
		c->stdio[i] = next < OC_CALL_FDS ? fds[next++] : -1;
		if (c->stdio[i] < 0)
			return oc_fail(err, EBADF, "standard stream %d is missing", i);
	}
	return 0;
}

static int make_terminal(struct runner *r, struct oc_err *err)
{
	struct oc_child *c = r->c;

	c->pty_master = c->pty_slave = -1;
	if (oc_step_tty(c, err) < 0)
		return oc_err_step(err, "tty");
	if (!c->want_pty)
		return 0;
	struct winsize w = {.ws_row = r->head.rows ? r->head.rows : 24,
			    .ws_col = r->head.cols ? r->head.cols : 80};
	if (ioctl(c->pty_slave, TIOCSWINSZ, &w) < 0)
		return oc_fail(err, errno, "cannot set the size of the terminal");
	return 0;
}

static int start(struct runner *r, const int fds[OC_CALL_FDS], struct oc_err *err)
{
	struct oc_child *c = r->c;

	if (r->head.flags & OC_CALL_BLOB) {
		if (fds[0] < 0)
			return oc_fail(err, EBADF, "the command line is missing");
		if (fetch(r, fds[0], err) < 0)
			return -1;
	} else {
		r->strings = r->message + sizeof r->head;
	}
	if (point(r, err) < 0 || place(r, fds, err) < 0 || make_terminal(r, err) < 0)
		return -1;
	c->data_limit = r->head.data_limit && (!r->data_limit || r->head.data_limit < r->data_limit)
				? r->head.data_limit
				: r->data_limit;
	c->exec_failed = false;
	c->err = (struct oc_err){0};
	pid_t pid = oc_payload_start(c);
	if (pid < 0) {
		*err = c->err;
		return -1;
	}
	r->pid = pid;
	say(OC_CALL_STARTED, pid, NULL, c->pty_master);
	return 0;
}

static void on_run(struct runner *r, size_t len, const int fds[OC_CALL_FDS])
{
	struct oc_err err = {0};
	int rc;

	memcpy(&r->head, r->message, sizeof r->head);
	if (r->head.strings > OC_CALL_STRINGS_MAX ||
	    (!(r->head.flags & OC_CALL_BLOB) && len != sizeof r->head + r->head.strings))
		rc = oc_fail(&err, EINVAL, "the call is malformed");
	else
		rc = start(r, fds, &err);
	oc_closep(&r->c->pty_master);
	oc_closep(&r->c->pty_slave);
	r->c->pty_master = r->c->pty_slave = -1;
	forget(r);
	if (rc < 0)
		say(OC_CALL_NOEXEC, r->c->exec_failed, &err, -1);
}

static size_t receive(struct runner *r, int fds[OC_CALL_FDS])
{
	struct iovec iov = {.iov_base = r->message, .iov_len = sizeof r->message};
	union {
		char buf[CMSG_SPACE(OC_CALL_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};

	for (int i = 0; i < OC_CALL_FDS; i++)
		fds[i] = -1;
	ssize_t n = recvmsg(SOCK, &h, MSG_CMSG_CLOEXEC);
	if (n <= 0 || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		_exit(125); /* the monitor is gone */
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm))
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(cm), cm->cmsg_len - CMSG_LEN(0));
	return (size_t)n;
}

static void on_message(struct runner *r)
{
	int fds[OC_CALL_FDS];
	size_t len = receive(r, fds);
	uint32_t type = 0;

	if (len >= sizeof type)
		memcpy(&type, r->message, sizeof type);
	if (type == OC_CALL_RUN && len >= sizeof r->head && !r->pid) {
		on_run(r, len, fds);
	} else if (type == OC_CALL_SIGNAL && len == sizeof(struct oc_call_signal)) {
		struct oc_call_signal s;
		memcpy(&s, r->message, sizeof s);
		if (r->pid && s.value > 0 && s.value < 65)
			kill(-r->pid, s.value);
	}
	for (int i = 0; i < OC_CALL_FDS && fds[i] >= 0; i++)
		close(fds[i]);
}

static void on_children(struct runner *r)
{
	struct oc_call_reply m = {.type = OC_CALL_EXIT};
	bool ended = false;
	int status;
	pid_t pid;
	struct rusage usage;

	while ((pid = wait4(-1, &status, WNOHANG | __WALL, &usage)) > 0)
		if (pid == r->pid) {
			ended = true;
			m.value = status;
			m.usage = usage;
		}
	if (!ended)
		return;
	r->pid = 0;
	m.left = pid == 0;
	if (send(SOCK, &m, OC_CALL_REPLY_SHORT, MSG_NOSIGNAL) < 0 || m.left)
		_exit(0); /* pid 1 kills what is left */
}

static void join(const struct oc_child *c, const int *tasks, int count)
{
	(void)c;
	for (int i = 0; i < count; i++)
		if (write(tasks[i], "0", 1) != 1)
			_exit(125); /* the monitor sees the end of the socket, and that nothing was said */
}

_Noreturn void oc_runner_main(struct oc_child *c, int sock, const int *tasks, int count)
{
	static struct runner runner;
	struct runner *r = &runner;
	sigset_t chld;

	r->c = c;
	r->data_limit = c->data_limit;
	join(c, tasks, count);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	int high = fcntl(sock, F_DUPFD_CLOEXEC, 64);
	if (signals < 0 || high < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		_exit(125);
	int high_signals = fcntl(signals, F_DUPFD_CLOEXEC, 64);
	if (high_signals < 0 || dup3(high, SOCK, O_CLOEXEC) < 0 ||
	    dup3(high_signals, SIGNALS, O_CLOEXEC) < 0)
		_exit(125);
	oc_sys_close_range(KEPT, ~0U, 0);
	say(OC_CALL_HELLO, getpid(), NULL, -1);

	struct pollfd p[2] = {{.fd = SOCK, .events = POLLIN}, {.fd = SIGNALS, .events = POLLIN}};
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(125);
		if (p[1].revents) {
			struct signalfd_siginfo si;
			while (read(SIGNALS, &si, sizeof si) == (ssize_t)sizeof si)
				;
			on_children(r);
		}
		if (p[0].revents)
			on_message(r);
	}
}
