/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys - system calls and constants that the C library or its headers lack.
 *
 * Thin and without policy.  Everything that glibc 2.36 or the Linux 6.1 headers of Debian 12 do not have is defined
 * here once, so that no other file needs an #ifdef on a system call number.
 */
#ifndef OC_RUNTIME_LAUNCH_SYS_H
#define OC_RUNTIME_LAUNCH_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2) /* 6.9 */
#endif

/* Landlock, up to ABI 7 (6.15); the headers of Debian 12 stop at ABI 2. */
#define OC_LL_FS_EXECUTE (1ULL << 0)
#define OC_LL_FS_WRITE_FILE (1ULL << 1)
#define OC_LL_FS_READ_FILE (1ULL << 2)
#define OC_LL_FS_READ_DIR (1ULL << 3)
#define OC_LL_FS_REMOVE_DIR (1ULL << 4)
#define OC_LL_FS_REMOVE_FILE (1ULL << 5)
#define OC_LL_FS_MAKE_CHAR (1ULL << 6)
#define OC_LL_FS_MAKE_DIR (1ULL << 7)
#define OC_LL_FS_MAKE_REG (1ULL << 8)
#define OC_LL_FS_MAKE_SOCK (1ULL << 9)
#define OC_LL_FS_MAKE_FIFO (1ULL << 10)
#define OC_LL_FS_MAKE_BLOCK (1ULL << 11)
#define OC_LL_FS_MAKE_SYM (1ULL << 12)
#define OC_LL_FS_REFER (1ULL << 13)	/* ABI 2 */
#define OC_LL_FS_TRUNCATE (1ULL << 14)	/* ABI 3 */
#define OC_LL_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define OC_LL_SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define OC_LL_SCOPE_SIGNAL (1ULL << 1)
#define OC_LL_CREATE_VERSION (1U << 0)
#define OC_LL_RULE_PATH_BENEATH 1

struct oc_ll_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
struct oc_ll_path_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

static inline int oc_sys_landlock_create(const struct oc_ll_ruleset_attr *attr, size_t size,
					 unsigned flags)
{
	return (int)syscall(SYS_landlock_create_ruleset, attr, size, flags);
}
static inline int oc_sys_landlock_add_path(int ruleset, const struct oc_ll_path_attr *attr)
{
	return (int)syscall(SYS_landlock_add_rule, ruleset, OC_LL_RULE_PATH_BENEATH, attr, 0);
}
static inline int oc_sys_landlock_restrict(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

static inline pid_t oc_sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof *args);
}
static inline int oc_sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path, flags);
}
static inline int oc_sys_move_mount(int from, const char *from_path, int to, const char *to_path,
				    unsigned flags)
{
	return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}
static inline int oc_sys_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}
static inline int oc_sys_fsconfig(int fd, unsigned cmd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, 0);
}
static inline int oc_sys_fsmount(int fd, unsigned attrs)
{
	return (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attrs);
}
static inline int oc_sys_mount_setattr(int fd, const char *path, unsigned flags,
				       struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, fd, path, flags, attr, sizeof *attr);
}
static inline int oc_sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}
static inline int oc_sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}
static inline int oc_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, flags);
}
static inline int oc_sys_execveat(int fd, const char *path, char *const *argv, char *const *envp,
				  int flags)
{
	return (int)syscall(SYS_execveat, fd, path, argv, envp, flags);
}

#endif
