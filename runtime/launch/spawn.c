/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - see spawn.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/spawn.h"
#include "runtime/launch/sys.h"

static const struct {
	enum oc_layer layer;
	uint64_t flag;
	const char *sysctl;
} namespaces[] = {
	{OC_LAYER_USER, CLONE_NEWUSER, "user.max_user_namespaces"},
	{OC_LAYER_MOUNT, CLONE_NEWNS, "user.max_mnt_namespaces"},
	{OC_LAYER_PID, CLONE_NEWPID, "user.max_pid_namespaces"},
	{OC_LAYER_IPC, CLONE_NEWIPC, "user.max_ipc_namespaces"},
	{OC_LAYER_UTS, CLONE_NEWUTS, "user.max_uts_namespaces"},
	{OC_LAYER_CGROUP_NS, CLONE_NEWCGROUP, "user.max_cgroup_namespaces"},
};
#define NAMESPACES (sizeof namespaces / sizeof namespaces[0])

static void hint(struct oc_err *err, size_t i, int errnum)
{
	char text[64];

	if (errnum == ENOSPC)
		oc_err_hint(err, "the limit %s is reached or 0", namespaces[i].sysctl);
	else if (errnum == EINVAL)
		oc_err_hint(err, "the kernel was built without this namespace");
	else if (namespaces[i].layer == OC_LAYER_USER &&
		 oc_read_file_at(AT_FDCWD, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
				 text, sizeof text) > 0 &&
		 text[0] == '1')
		oc_err_hint(err, "AppArmor keeps user namespaces from unknown programs: install the "
				 "profile contrib/apparmor/oc-sandbox, or set "
				 "kernel.apparmor_restrict_unprivileged_userns=0");
	else if (namespaces[i].layer == OC_LAYER_USER &&
		 oc_read_file_at(AT_FDCWD, "/proc/sys/kernel/unprivileged_userns_clone", text,
				 sizeof text) > 0 &&
		 text[0] == '0')
		oc_err_hint(err, "set kernel.unprivileged_userns_clone=1");
	else
		oc_err_hint(err, "a container or a security module forbids it; see `oc-sandbox doctor`");
}

/* clone3 does not say which flag it refused: try them one by one in children that exit at once. */
static int diagnose(struct oc_child *c, const struct oc_cgroup *cg, int errnum, struct oc_err *err)
{
	for (size_t i = 0; i < NAMESPACES; i++) {
		if (!(c->clone_flags & namespaces[i].flag))
			continue;
		/* Without privilege the others are to be had only together with a user namespace. */
		uint64_t with = namespaces[i].flag | (c->clone_flags & CLONE_NEWUSER);
		struct clone_args args = {.flags = with, .exit_signal = SIGCHLD};
		pid_t pid = oc_sys_clone3(&args);
		if (pid == 0)
			_exit(0);
		if (pid > 0) {
			waitpid(pid, NULL, 0);
			continue;
		}
		int e = errno;
		const struct oc_layer_info *info = oc_layer_info(namespaces[i].layer);
		oc_fail(err, e, "cannot make a %s namespace",
			namespaces[i].layer == OC_LAYER_CGROUP_NS ? "cgroup" : info->name);
		if ((c->plan->may_be_missing & OC_LAYER_BIT(namespaces[i].layer)) && !info->essential) {
			c->state[namespaces[i].layer] = OC_STATE_MISSING;
			oc_child_detail(c, namespaces[i].layer, err->msg);
			c->clone_flags &= ~namespaces[i].flag;
			return 0;
		}
		oc_err_step(err, info->name);
		hint(err, i, e);
		return -1;
	}
	if (cg->kind == OC_CGROUP_V2) {
		struct clone_args args = {.flags = (uint64_t)CLONE_INTO_CGROUP,
					  .exit_signal = SIGCHLD,
					  .cgroup = (__u64)(unsigned)oc_cgroup_birth(cg)};
		pid_t pid = oc_sys_clone3(&args);
		if (pid == 0)
			_exit(0);
		if (pid < 0) {
			oc_fail(err, errno, "cannot start a process in the cgroup %s", cg->name);
			oc_err_step(err, oc_layer_info(OC_LAYER_CGROUP)->name);
			return oc_err_hint(err, "see `oc-sandbox doctor`");
		}
		waitpid(pid, NULL, 0);
	}
	oc_fail(err, errnum, "clone3");
	oc_err_step(err, "pid");
	if (errnum == ENOSYS)
		oc_err_hint(err, "it needs kernel 5.3, and a container whose filter lets it through");
	return -1;
}

pid_t oc_spawn(struct oc_child *c, const struct oc_cgroup *cg, int *pidfd, struct oc_err *err)
{
	for (size_t tries = 0; tries <= NAMESPACES; tries++) {
		struct clone_args args = {
			.flags = c->clone_flags | (uint64_t)CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
			.pidfd = (uint64_t)(uintptr_t)pidfd,
			.exit_signal = SIGCHLD,
		};
		/*
		 * On v2 the child is born in its cgroup, and a cgroup namespace made in the same call is rooted there.  On v1 it
		 * joins by itself and makes the namespace afterwards.
		 */
		if (cg->kind == OC_CGROUP_V2) {
			args.flags |= (uint64_t)CLONE_INTO_CGROUP;
			args.cgroup = (__u64)(unsigned)oc_cgroup_birth(cg);
		} else if (args.flags & CLONE_NEWCGROUP) {
			args.flags &= ~(__u64)CLONE_NEWCGROUP;
			c->join_cgroup_ns = true;
		} else {
			c->join_cgroup_ns = false;
		}
		pid_t pid = oc_sys_clone3(&args);
		if (pid >= 0)
			return pid;
		*pidfd = -1;
		if (diagnose(c, cg, errno, err) < 0)
			return -1;
	}
	return -1;
}
