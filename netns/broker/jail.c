/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - what oc-egress gives up before it reads the first message.
 *
 * It reads the sandbox's bytes and those of the peers, with the uid of the user: so a mistake in it
 * must find no file, no program, no other process and no privilege.  Namespaces may be missing on
 * the host; Landlock, the filter and the limits may not.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/internal.h"

#define NOBODY 65534u
#define MEMORY (512u << 20)
#define DATA   (256u << 20)
#define FDS    16384u /* more are not needed for the most connections that can be asked for */

/* Landlock up to ABI 6; the headers of Debian 12 stop at ABI 2. */
#define LL_FS_ABI1	 0x1fffull
#define LL_FS_REFER	 (1ull << 13)
#define LL_FS_TRUNCATE	 (1ull << 14)
#define LL_FS_IOCTL_DEV	 (1ull << 15)
#define LL_NET_BIND	 (1ull << 0)
#define LL_SCOPE_ALL	 3ull /* abstract sockets, signals */
#define LL_QUERY_VERSION 1u

static const struct sock_filter filter[] = {
#include "netns/broker/filter.inc"
};

/* An empty, read-only root.  Best effort: what is behind it is out of reach by Landlock too. */
static bool empty_root(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		     "size=4k,nr_inodes=2,mode=0555") == 0 &&
	       chdir("/proc") == 0 && chroot(".") == 0;
}

/* 1: done; 0: there is no such user here (the root of a user namespace with few ids). */
static int drop_root(struct oc_err *err)
{
	/* EPERM: a user namespace that forbids it; then groups cannot be had in it either. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return oc_fail(err, errno, "cannot drop groups");
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return errno == EINVAL ? 0 : oc_fail(err, errno, "cannot become uid %u", NOBODY);
	return 1;
}

static int namespaces(struct oc_jail *j, struct oc_err *err)
{
	const int others = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (geteuid() == 0) {
		j->mount = unshare(others) == 0 && empty_root();
		int r = drop_root(err);
		if (r)
			return r < 0 ? -1 : 0;
		/* Not in a chroot (Linux 3.9), which we may be in by now: then it stays at that. */
		j->user = unshare(CLONE_NEWUSER) == 0;
		return 0;
	}
	j->user = unshare(CLONE_NEWUSER | others) == 0;
	j->mount = j->user && empty_root();
	return 0;
}

static int capabilities(struct oc_err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {0};

	if (syscall(SYS_capset, &header, none) < 0)
		return oc_fail(err, errno, "cannot drop capabilities");
	return 0;
}

/* No right on any file, no port to bind, no signal and no abstract socket outside. */
static int landlock(struct oc_jail *j, struct oc_err *err)
{
	struct {
		uint64_t fs, net, scoped;
	} attr = {.fs = LL_FS_ABI1};
	size_t size = sizeof attr.fs;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LL_QUERY_VERSION);

	if (abi < 1) {
		oc_fail(err, errno, "Landlock is not available");
		return oc_err_hint(err, "it needs kernel 5.13 with CONFIG_SECURITY_LANDLOCK and "
					"`landlock` in the lsm= list of the boot command line");
	}
	if (abi >= 2)
		attr.fs |= LL_FS_REFER;
	if (abi >= 3)
		attr.fs |= LL_FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= LL_FS_IOCTL_DEV;
	if (abi >= 4) {
		attr.net = LL_NET_BIND;
		size = offsetof(__typeof__(attr), scoped);
	}
	if (abi >= 6) {
		attr.scoped = LL_SCOPE_ALL;
		size = sizeof attr;
	}
	oc_auto_close set = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (set < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return oc_fail(err, errno, "cannot enter a Landlock domain (ABI %d)", abi);
	j->landlock = abi;
	return 0;
}

static int limit(int resource, rlim_t n, const char *what, struct oc_err *err)
{
	const struct rlimit rl = {.rlim_cur = n, .rlim_max = n};

	if (setrlimit((__rlimit_resource_t)resource, &rl) < 0)
		return oc_fail(err, errno, "cannot limit %s", what);
	return 0;
}

static int limits(struct oc_jail *j, struct oc_err *err)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return oc_fail(err, errno, "cannot read the limit of descriptors");
	j->fds = rl.rlim_max < FDS ? rl.rlim_max : FDS;
	if (limit(RLIMIT_NOFILE, j->fds, "descriptors", err) < 0 ||
	    limit(RLIMIT_CORE, 0, "core files", err) < 0 ||
	    limit(RLIMIT_NPROC, 0, "processes", err) < 0 ||
	    limit(RLIMIT_MEMLOCK, 0, "locked memory", err) < 0 ||
	    limit(RLIMIT_AS, MEMORY, "memory", err) < 0 ||
	    limit(RLIMIT_DATA, DATA, "data", err) < 0)
		return -1;
	return 0;
}

static int seccomp(struct oc_err *err)
{
	const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0],
					   .filter = (struct sock_filter *)(uintptr_t)filter};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return oc_fail(err, errno, "cannot load the system call filter");
	return 0;
}

int oc_jail_enter(struct oc_jail *j, struct oc_err *err)
{
	pid_t parent = getppid();

#ifdef OC_TEST_WEAKEN
	j->fds = FDS;
	return 0;
#endif
	if (namespaces(j, err) < 0)
		return oc_err_step(err, "user");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return oc_fail(err, errno, "cannot set no_new_privs");
	/* After the last change of credentials, which takes it away. */
	if (landlock(j, err) < 0 || capabilities(err) < 0 || limits(j, err) < 0)
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return oc_fail(err, errno, "cannot follow the monitor into death");
	/* It may have gone before that; the control socket says so too. */
	if (getppid() != parent)
		return oc_fail(err, 0, "the monitor is gone");
	return seccomp(err);
}
