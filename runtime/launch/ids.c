/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids - the side of the id maps that needs privilege.
 *
 * Run by root, the payload gets a host id that nobody has.  A directory that it is meant to use is then mounted with an id
 * map of its own: its owner on disk appears as the payload, and what the payload makes belongs to that owner on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/sys.h"

static int write_map(pid_t pid, const char *file, unsigned inside, unsigned outside, struct oc_err *err)
{
	char path[64], line[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	int n = snprintf(line, sizeof line, "%u %u 1\n", inside, outside);
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_WRONLY, 0, 0);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		return oc_fail(err, errno, "cannot write the %s of the sandbox", file);
	return 0;
}

int oc_ids_write_maps(pid_t pid, const struct oc_plan *plan, struct oc_err *err)
{
	if (write_map(pid, "uid_map", plan->uid, plan->host_uid, err) < 0 ||
	    write_map(pid, "gid_map", plan->gid, plan->host_gid, err) < 0)
		return -1;
	return 0;
}

static int holder(void *arg)
{
	/* Killed with the monitor, whatever kills that. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != *(pid_t *)arg)
		return 1;
	for (;;)
		pause();
	return 0;
}

int oc_ids_map_namespace(uid_t from_uid, uid_t to_uid, gid_t from_gid, gid_t to_gid, struct oc_err *err)
{
	/* Shares our memory: it only has to exist while its namespace is opened. */
	static _Alignas(16) char stack[4096];
	char path[64];
	pid_t self = getpid();
	sigset_t all, old;
	int fd = -1;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid_t pid = clone(holder, stack + sizeof stack, CLONE_VM | CLONE_NEWUSER, &self);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return oc_fail(err, errno, "cannot make a user namespace for an id map");
	if (write_map(pid, "uid_map", from_uid, to_uid, err) == 0 &&
	    write_map(pid, "gid_map", from_gid, to_gid, err) == 0) {
		snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			oc_fail(err, errno, "cannot open the id map's namespace");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	return fd;
}
