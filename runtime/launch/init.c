/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init - pid 1 of the sandbox.
 *
 * It reaps, forwards signals, reports the payload's end, and exits, upon which the kernel kills whatever is left.  It has no
 * capabilities, no network of its own, is not dumpable and not in the payload's Landlock domain, so that the payload can
 * neither trace nor signal it, and a filter of its own leaves it a dozen system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

static _Noreturn void report(const struct oc_child *c, int status)
{
	struct oc_msg m = {.type = OC_MSG_EXIT, .value = status};

	getrusage(RUSAGE_CHILDREN, &m.usage);
	oc_msg_send(c->status_fd, &m, -1);
	/* Where the monitor samples, it counts once more what the payload has left: only then does the rest go.  Its end will do, too. */
	if (c->nproc_limit > 0 || c->data_limit > 0) {
		int fd;
		while (oc_msg_recv(c->status_fd, &m, &fd) > 0 && m.type != OC_MSG_GO)
			;
	}
	_exit(0);
}

static void reap(const struct oc_child *c, pid_t payload)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid == payload)
			report(c, status);
}

static void lock_down(struct oc_child *c)
{
	struct sock_fprog prog = {
		.len = c->init_filter->count,
		.filter = (struct sock_filter *)(uintptr_t)c->init_filter->insns,
	};

	/* The payload has one already, so this fails only where the layer is allowed to be missing. */
	if (c->state[OC_LAYER_SECCOMP] == OC_STATE_MISSING)
		return;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) < 0) {
		struct oc_msg m = {.type = OC_MSG_ERROR};
		oc_fail(&m.err, errno, "cannot load the system call filter of pid 1");
		oc_err_step(&m.err, "seccomp");
		oc_msg_send(c->status_fd, &m, -1);
		_exit(125);
	}
}

void oc_child_say_ready(struct oc_child *c)
{
	struct oc_msg ready = {.type = OC_MSG_READY};
	oc_auto_close memory = -1;
	int fds[2];
	size_t n = 0;

	memcpy(ready.state, c->state, sizeof ready.state);
	memcpy(ready.detail, c->detail, sizeof ready.detail);
	if (c->pty_master >= 0)
		fds[n++] = c->pty_master;
	/* Nobody inside can mount over it; its fill is looked at from outside. */
	if (oc_plan_disk_bound(c->plan) == OC_DISK_HARD)
		memory = open("/workspace", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (memory >= 0) {
		fds[n++] = memory;
		ready.value = 1;
	}
	oc_msg_send_fds(c->status_fd, &ready, fds, n);
}

_Noreturn void oc_init_loop(struct oc_child *c, pid_t payload, int signal_fd)
{
	oc_child_say_ready(c);

	/* What only the set-up needed; in particular nothing of the terminal, whose end must reach the monitor. */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (dup2(c->status_fd, 0) < 0 || dup2(signal_fd, 1) < 0)
		_exit(125);
	c->status_fd = 0;
	signal_fd = 1;
	oc_sys_close_range(2, ~0U, 0);
	lock_down(c);

	struct pollfd p[2] = {{.fd = c->status_fd, .events = POLLIN},
			      {.fd = signal_fd, .events = POLLIN}};
	for (;;) {
		/* First: it may have ended before signal_fd was watched. */
		reap(c, payload);
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(125);
		if (p[1].revents) {
			struct signalfd_siginfo si;
			while (read(signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
				;
		}
		if (p[0].revents) {
			struct oc_msg m;
			int fd;
			ssize_t n = oc_msg_recv(c->status_fd, &m, &fd);
			if (n == 0)
				_exit(125); /* the monitor is gone */
			if (n > 0 && m.type == OC_MSG_SIGNAL && m.value > 0 && m.value < 65)
				kill(-payload, m.value);
		}
	}
}
