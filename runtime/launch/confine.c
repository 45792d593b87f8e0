/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine - the layers that are not mounts: ids, names, keys, capabilities, privileges, descriptors, limits, filter.
 *
 * Every function runs on the far side of clone3 and only makes system calls.  None of them may be skipped, reordered or
 * allowed to fail here: see oc_child_main for the order and its reasons.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <grp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

#ifndef SECBIT_NO_CAP_AMBIENT_RAISE
#define SECBIT_NO_CAP_AMBIENT_RAISE (1 << 6)
#define SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED (1 << 7)
#endif

/* "<inside> <outside> 1\n" */
static size_t map_line(char *buf, unsigned long inside, unsigned long outside)
{
	char in[24], out[24];
	char *p = stpcpy(buf, oc_digits(in, inside));

	p = stpcpy(p, " ");
	p = stpcpy(p, oc_digits(out, outside));
	p = stpcpy(p, " 1\n");
	return (size_t)(p - buf);
}

static int write_map(const char *path, const char *data, size_t len, struct oc_err *err)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_WRONLY, 0, 0);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		return oc_fail(err, errno, "cannot write %s", path);
	return 0;
}

/*
 * Without privilege a process may map its own ids into its new user namespace by itself.  With privilege the monitor
 * has written the maps: the payload's host id is one that nobody has, so it is not ours to map.
 */
int oc_step_ids(struct oc_child *c, struct oc_err *err)
{
	const struct oc_plan *p = c->plan;
	char line[64];

	if (!(c->clone_flags & CLONE_NEWUSER)) {
		if (setgroups(0, NULL) < 0)
			return oc_fail(err, errno, "cannot drop supplementary groups");
	} else if (c->privileged) {
		struct oc_msg m;
		int fd;
		if (oc_msg_recv(c->status_fd, &m, &fd) <= 0 || m.type != OC_MSG_GO)
			_exit(125); /* the monitor failed or died, it has the reason */
		if (setgroups(0, NULL) < 0)
			return oc_fail(err, errno, "cannot drop supplementary groups");
	} else {
		if (write_map("/proc/self/setgroups", "deny", 4, err) < 0 ||
		    write_map("/proc/self/uid_map", line, map_line(line, p->uid, p->host_uid), err) < 0 ||
		    write_map("/proc/self/gid_map", line, map_line(line, p->gid, p->host_gid), err) < 0)
			return oc_err_hint(err, "see `oc-sandbox doctor` for user namespaces");
	}
	uid_t uid = p->uid;
	gid_t gid = p->gid;
	if (!(c->clone_flags & CLONE_NEWUSER)) {
		/* Without a user namespace the id outside is the id inside; capabilities must outlive the change. */
		uid = p->host_uid;
		gid = p->host_gid;
		if (prctl(PR_SET_KEEPCAPS, 1) < 0)
			return oc_fail(err, errno, "PR_SET_KEEPCAPS");
	}
	/* System calls, not the C library's wrappers: those signal other threads, of which there are none. */
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return oc_fail(err, errno, "cannot become group %u", (unsigned)gid);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return oc_fail(err, errno, "cannot become user %u", (unsigned)uid);
	uid_t r, e, s;
	gid_t rg, eg, sg;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != uid || e != uid ||
	    s != uid || rg != gid || eg != gid || sg != gid)
		return oc_fail(err, 0, "the ids are not %u:%u after the change", (unsigned)uid,
			       (unsigned)gid);
	if (!(c->clone_flags & CLONE_NEWUSER)) {
		struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
		struct __user_cap_data_struct d[2];
		if (syscall(SYS_capget, &h, d) < 0)
			return oc_fail(err, errno, "capget");
		d[0].effective = d[0].permitted;
		d[1].effective = d[1].permitted;
		if (syscall(SYS_capset, &h, d) < 0)
			return oc_fail(err, errno, "cannot keep capabilities for the set-up");
	}
	/*
	 * The credential change cleared the parent-death signal.  And nobody with our id may look into this process: it holds
	 * descriptors of the host (CVE-2016-9962).
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return oc_fail(err, errno, "prctl");
	return 0;
}

int oc_step_hostname(struct oc_child *c, struct oc_err *err)
{
	if (sethostname(c->plan->hostname, strlen(c->plan->hostname)) < 0)
		return oc_fail(err, errno, "sethostname");
	if (setdomainname("", 0) < 0)
		return oc_fail(err, errno, "setdomainname");
	return 0;
}

/*
 * No user namespace below ours, for anybody in it, whatever the filter says: other namespaces need capabilities that only a
 * new user namespace could give.
 */
int oc_step_nested(struct oc_child *c, struct oc_err *err)
{
	/* The setting is one of the user namespace that we are in: without our own it would be the host's. */
	if (!(c->clone_flags & CLONE_NEWUSER))
		return oc_fail(err, 0, "there is no user namespace of our own to lock");
	if (c->proc_fd < 0)
		return oc_fail(err, 0, "there is no /proc to lock nested namespaces with");
	oc_auto_close fd = oc_openat2(c->proc_fd, "sys/user/max_user_namespaces", O_WRONLY, 0,
				      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (fd < 0 || write(fd, "0", 1) != 1)
		return oc_fail(err, errno, "cannot set user.max_user_namespaces to 0");
	return 0;
}

int oc_step_nested_proof(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	/*
	 * EINVAL: we are not a single thread.  The one beside us has ended, but the kernel takes it off its list a moment after it
	 * has said so; and that moment may be long on a processor with much to do.
	 */
	const struct timespec moment = {.tv_nsec = 100000};
	int r, tries = 0;
	while ((r = unshare(CLONE_NEWUSER)) < 0 && errno == EINVAL && tries++ < 100000) {
		if (tries < 20)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	if (r == 0)
		return oc_fail(err, 0, "a nested user namespace could still be made");
	if (errno != ENOSPC && errno != EPERM)
		return oc_fail(err, errno, "a nested user namespace was refused for another reason");
	return 0;
}

int oc_step_keyring(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0)
		return oc_fail(err, errno, "cannot start a session keyring");
	return 0;
}

int oc_step_securebits(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
		return oc_fail(err, errno, "cannot lock the securebits");
	if ((unsigned long)prctl(PR_GET_SECUREBITS) != bits)
		return oc_fail(err, 0, "the securebits are not what was set");
	return 0;
}

int oc_step_caps(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}}, now[2];

	/* Until EINVAL: the kernel may know more capabilities than these headers. */
	for (int cap = 0;; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL && cap > CAP_AUDIT_READ)
			break;
		return oc_fail(err, errno, "cannot drop capability %d from the bounding set", cap);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return oc_fail(err, errno, "cannot clear the ambient capabilities");
	/* Inheritable too: CVE-2022-29162, CVE-2022-27650. */
	if (syscall(SYS_capset, &h, none) < 0)
		return oc_fail(err, errno, "cannot empty the capability sets");
	if (syscall(SYS_capget, &h, now) < 0 || memcmp(now, none, sizeof now) != 0)
		return oc_fail(err, errno, "the capability sets are not empty");
	return 0;
}

int oc_step_no_new_privs(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return oc_fail(err, errno, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return oc_fail(err, 0, "no_new_privs is not set after setting it");
	return 0;
}

/*
 * In the payload: everything but 0, 1, 2 and the program to execute.  Closed, not only marked: nothing that execve could
 * skip.  It runs after the streams were put in place.
 */
int oc_step_descriptors(struct oc_child *c, struct oc_err *err)
{
	int keep = c->exec_fd;

	if (keep >= 0 && keep != 3) {
		if (dup3(keep, 3, O_CLOEXEC) < 0)
			return oc_fail(err, errno, "cannot keep the program's descriptor");
	}
#ifdef OC_TEST_WEAKEN
	if (c->drop && strcmp(c->drop, "descriptors") == 0)
		return 0;
#endif
	if (oc_sys_close_range(keep >= 0 ? 4 : 3, ~0U, 0) < 0) {
		oc_fail(err, errno, "close_range");
		return oc_err_hint(err, "it needs kernel 5.9 or newer");
	}
	return 0;
}

int oc_step_rlimits(struct oc_child *c, struct oc_err *err)
{
	for (size_t i = 0; i < c->plan->ulimit_count; i++) {
		const struct oc_ulimit *u = &c->plan->ulimits[i];
		struct rlimit now, want = {.rlim_cur = u->soft, .rlim_max = u->hard};

		if (getrlimit(OC_RLIMIT(u->resource), &now) < 0)
			return oc_fail(err, errno, "cannot read the limit %s", u->name);
		/* 0 stops core files, but not a handler that core_pattern pipes them to on the host; 1 stops both (core(5)). */
		if (u->resource == RLIMIT_CORE && want.rlim_max == 0)
			want.rlim_cur = want.rlim_max = 1;
		/* A lower limit of the caller's stays: we never raise one. */
		if (want.rlim_max > now.rlim_max)
			want.rlim_max = now.rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		if (setrlimit(OC_RLIMIT(u->resource), &want) < 0)
			return oc_fail(err, errno, "cannot set the limit %s", u->name);
	}
	if (c->nproc_limit > 0) {
		struct rlimit l = {(rlim_t)c->nproc_limit, (rlim_t)c->nproc_limit};
		if (setrlimit(RLIMIT_NPROC, &l) < 0)
			return oc_fail(err, errno, "cannot set the limit nproc");
	}
	if (c->data_limit > 0) {
		struct rlimit l = {c->data_limit, c->data_limit};
		if (setrlimit(RLIMIT_DATA, &l) < 0)
			return oc_fail(err, errno, "cannot set the limit data");
	}
	return 0;
}

int oc_step_affinity(struct oc_child *c, struct oc_err *err)
{
	if (c->cpu_limit > 0) {
		cpu_set_t have, want;
		if (sched_getaffinity(0, sizeof have, &have) < 0)
			return oc_fail(err, errno, "sched_getaffinity");
		CPU_ZERO(&want);
		int left = c->cpu_limit;
		for (size_t i = 0; i < CPU_SETSIZE && left > 0; i++)
			if (CPU_ISSET(i, &have)) {
				CPU_SET(i, &want);
				left--;
			}
		if (sched_setaffinity(0, sizeof want, &want) < 0)
			return oc_fail(err, errno, "sched_setaffinity");
	}
	return 0;
}

int oc_filter_load(const struct sock_filter *insns, size_t count, struct oc_err *err)
{
	struct sock_fprog prog = {.len = (unsigned short)count,
				  .filter = (struct sock_filter *)(uintptr_t)insns};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) < 0)
		return oc_fail(err, errno, "cannot load the system call filter");
	return 0;
}

int oc_step_seccomp(struct oc_child *c, struct oc_err *err)
{
	/*
	 * What stands in for a cgroup must hold.  Processors in place of processor time: the payload may not take more of them.
	 * Memory that is in no process: System V segments of at most 64 KB, of which there can be 4096.
	 */
	static const struct sock_filter stand_ins[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_shmget, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 65536, 2, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
	};
	if (!c->filter)
		return oc_fail(err, 0, "there is no filter %s", c->plan->seccomp);
	if ((c->cpu_limit > 0 || c->data_limit > 0) &&
	    oc_filter_load(stand_ins, sizeof stand_ins / sizeof stand_ins[0], err) < 0)
		return -1;
	/*
	 * A profile of the user's own comes on top of the floor, which keeps what no profile may give away: set-user-id files
	 * in a workspace that is mapped to root, namespaces, the caller's terminal, foreign system call tables.
	 */
	if (c->floor && oc_filter_load(c->floor->insns, c->floor->count, err) < 0)
		return -1;
	return oc_filter_load(c->filter, c->filter_len, err);
}
