/* SPDX-License-Identifier: Apache-2.0 */
/*
 * janitor - see janitor.h.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/janitor.h"
#include "runtime/launch/sys.h"

static int janitor_main(void *arg)
{
	struct oc_janitor *j = arg;
	struct pollfd p = {.fd = j->monitor_pidfd, .events = POLLIN};

	/* Every signal is blocked, so this call cannot fail and errno stays the monitor's. */
	while (poll(&p, 1, -1) != 1)
		;
	/* From here on nobody else uses this memory. */
	if (j->released)
		_exit(0);
	if (j->init_pidfd >= 0) {
		struct pollfd q = {.fd = j->init_pidfd, .events = POLLIN};
		oc_sys_pidfd_send_signal(j->init_pidfd, SIGKILL, 0);
		while (poll(&q, 1, -1) != 1)
			;
	}
	if (j->first)
		j->first(j->first_ctx);
	if (j->cgroup)
		oc_cgroup_remove(j->cgroup);
	if (j->after)
		j->after(j->ctx);
	_exit(0);
}

void oc_janitor_init(struct oc_janitor *j)
{
	*j = (struct oc_janitor){.monitor_pidfd = -1, .init_pidfd = -1, .hold_fd = -1};
}

int oc_janitor_start(struct oc_janitor *j, struct oc_err *err)
{
	static _Alignas(16) char stack[65536];
	sigset_t all, old;

	j->monitor_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (j->monitor_pidfd < 0)
		return oc_fail(err, errno, "pidfd_open");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	/*
	 * No exit signal: its end is nobody's SIGCHLD.  Not in the monitor's thread group: whatever kills the one does not
	 * kill the other.
	 */
	pid_t pid = clone(janitor_main, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS, j);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return oc_fail(err, errno, "cannot start the janitor");
	j->pid = pid;
	return 0;
}

void oc_janitor_dismiss(struct oc_janitor *j)
{
	if (j->pid > 0) {
		kill(j->pid, SIGKILL);
		waitpid(j->pid, NULL, __WALL);
		j->pid = 0;
	}
	oc_closep(&j->monitor_pidfd);
	oc_closep(&j->init_pidfd);
	oc_closep(&j->hold_fd);
	j->monitor_pidfd = j->init_pidfd = j->hold_fd = -1;
}

void oc_janitor_release(struct oc_janitor *j)
{
	if (j->pid > 0)
		j->released = true;
	else
		oc_janitor_dismiss(j);
}
