/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - what the network process gives up before it reads the first byte of a client.
 *
 * It parses what strangers send, with the uid of the operator.  So a mistake in it must find no
 * program to start, no file but those of the state directory, no other process, no new socket and
 * no privilege.  The filter and no_new_privs are not optional; Landlock is missing on some kernels,
 * and then the log and doctor say so.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

#define FDS 65536u

/* Landlock up to ABI 6; the headers of Debian 12 stop at ABI 2. */
#define LL_FS_ABI1	 0x1fffull
#define LL_FS_REFER	 (1ull << 13)
#define LL_FS_TRUNCATE	 (1ull << 14)
#define LL_FS_IOCTL_DEV	 (1ull << 15)
#define LL_NET_BIND_CONN 3ull
#define LL_SCOPE_ALL	 3ull /* abstract sockets, signals */
#define LL_QUERY_VERSION 1u
#define LL_STATE                                                                                   \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                              \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR)

static const struct sock_filter filter[] = {
#include "gateway/server/filter.inc"
};

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LL_QUERY_VERSION);
}

const char *oc_server_jail_missing(void)
{
	int abi = landlock_abi();

	if (abi < 1)
		return "Landlock is not available: the gateway's network process can open every "
		       "file of its user (kernel 5.13 with "
		       "`landlock` in lsm= has it)";
	if (abi < 4)
		return "Landlock of this kernel has no rules for ports (6.7 has them); the system "
		       "call filter forbids new sockets";
	return NULL;
}

static int landlock(const int *dirs, size_t count, struct oc_gw_jail *j, struct oc_err *err)
{
	struct {
		uint64_t fs, net, scoped;
	} attr = {.fs = LL_FS_ABI1};
	size_t size = sizeof attr.fs;
	int abi = landlock_abi();

	j->landlock = abi < 1 ? 0 : abi;
	if (abi < 1)
		return 0;
	if (abi >= 2)
		attr.fs |= LL_FS_REFER;
	if (abi >= 3)
		attr.fs |= LL_FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= LL_FS_IOCTL_DEV;
	if (abi >= 4) {
		attr.net = LL_NET_BIND_CONN;
		size = offsetof(__typeof__(attr), scoped);
		j->net = true;
	}
	if (abi >= 6) {
		attr.scoped = LL_SCOPE_ALL;
		size = sizeof attr;
		j->scopes = true;
	}
	oc_auto_close set = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (set < 0)
		return oc_fail(err, errno, "cannot make a Landlock ruleset (ABI %d)", abi);
	for (size_t i = 0; i < count; i++) {
		const struct landlock_path_beneath_attr rule = {
			.allowed_access = LL_STATE | (attr.fs & LL_FS_TRUNCATE),
			.parent_fd = dirs[i]};
		if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return oc_fail(err, errno, "cannot add a Landlock rule");
	}
	if (syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return oc_fail(err, errno, "cannot enter a Landlock domain (ABI %d)", abi);
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

static int limit(int resource, rlim_t n, const char *what, struct oc_err *err)
{
	const struct rlimit rl = {.rlim_cur = n, .rlim_max = n};

	if (setrlimit(OC_RLIMIT(resource), &rl) < 0)
		return oc_fail(err, errno, "cannot limit %s", what);
	return 0;
}

static int limits(struct oc_gw_jail *j, struct oc_err *err)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return oc_fail(err, errno, "cannot read the limit of descriptors");
	j->fds = rl.rlim_max < FDS ? (unsigned long)rl.rlim_max : FDS;
	if (limit(RLIMIT_NOFILE, j->fds, "descriptors", err) < 0 ||
	    limit(RLIMIT_CORE, 0, "core files", err) < 0 ||
	    limit(RLIMIT_NPROC, 0, "processes", err) < 0)
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

int oc_gw_jail_enter(const int *dirs, size_t count, struct oc_gw_jail *out, struct oc_err *err)
{
	*out = (struct oc_gw_jail){0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		oc_fail(err, errno, "cannot set no_new_privs");
	else if (landlock(dirs, count, out, err) == 0 && limits(out, err) == 0 &&
		 capabilities(err) == 0 && seccomp(err) == 0)
		return 0;
	return oc_err_step(err, "jail");
}
