/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without - run a program on a host that lacks something.
 *
 *   without [--errno EPERM|ENOSYS|EOPNOTSUPP|ENOSPC] [--call NAME[:ARG0]]... [--max KIND]... [--masked-proc] -- PROGRAM ARG...
 *
 *   --call NAME      the system call fails; NAME:N only when its first argument is N
 *   --max KIND       in a user namespace of its own with user.max_KIND_namespaces = 0 (user mnt pid net ipc uts cgroup)
 *   --masked-proc    in user and mount namespaces of its own with something mounted in /proc, as in most containers
 *
 * 126 when the lack itself could not be made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL(name) {#name, SYS_##name}
static const struct {
	const char *name;
	long number;
} calls[] = {
	CALL(capset), CALL(clone), CALL(clone3), CALL(close_range), CALL(execve), CALL(fsconfig), CALL(fsmount), CALL(fsopen),
	CALL(ioctl), CALL(keyctl), CALL(landlock_add_rule), CALL(landlock_create_ruleset), CALL(landlock_restrict_self),
	CALL(mkdirat), CALL(mknodat), CALL(mount_setattr), CALL(move_mount), CALL(open_tree), CALL(openat2), CALL(pidfd_open),
	CALL(pivot_root), CALL(prctl), CALL(prlimit64), CALL(seccomp), CALL(setdomainname), CALL(setgroups), CALL(sethostname),
	CALL(setresgid), CALL(setresuid), CALL(setrlimit), CALL(setsid), CALL(signalfd4), CALL(socket), CALL(socketpair), CALL(symlinkat),
	CALL(umount2), CALL(unshare), CALL(fchdir), CALL(chdir), CALL(dup2),
};

struct lack {
	long number;
	bool has_arg;
	uint32_t arg;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "without: %s: %s\n", what, strerror(errno));
	exit(126);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(path);
	close(fd);
}

/* Root keeps all ids, so that what needs them works on; anybody else has one. */
static void own_namespace(bool with_mounts)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();

	if (unshare(CLONE_NEWUSER | (with_mounts || uid == 0 ? CLONE_NEWNS : 0)) < 0)
		fail("unshare");
	if (uid == 0) {
		/* The parent namespace has to write a map of more than one id: a child of the parent does. */
		return;
	}
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

static void enter(bool with_mounts)
{
	int go[2], done[2];
	char byte = 0;

	if (geteuid() != 0) {
		own_namespace(with_mounts);
		return;
	}
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
		fail("pipe");
	pid_t self = getpid(), pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		char path[64];
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		snprintf(path, sizeof path, "/proc/%d/uid_map", (int)self);
		write_file(path, "0 0 4294967295");
		snprintf(path, sizeof path, "/proc/%d/gid_map", (int)self);
		write_file(path, "0 0 4294967295");
		_exit(write(done[1], &byte, 1) != 1);
	}
	close(done[1]);
	own_namespace(with_mounts);
	if (write(go[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1)
		fail("id maps");
}

static void load(const struct lack *l, size_t n, uint32_t errnum)
{
	struct sock_filter f[512];
	unsigned short k = 0;

	f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n && k < 500; i++) {
		if (l[i].has_arg) {
			f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)l[i].number, 0, 4);
			f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
			f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, l[i].arg, 0, 1);
			f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum);
			f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
		} else {
			f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)l[i].number, 0, 1);
			f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum);
		}
	}
	f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {.len = k, .filter = f};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		fail("seccomp");
}

static void add_call(struct lack *l, const char *spec)
{
	size_t n = strcspn(spec, ":");

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (strlen(calls[i].name) == n && memcmp(calls[i].name, spec, n) == 0) {
			l->number = calls[i].number;
			l->has_arg = spec[n] == ':';
			l->arg = l->has_arg ? (uint32_t)strtoul(spec + n + 1, NULL, 0) : 0;
			return;
		}
	errno = EINVAL;
	fail(spec);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t number;
	} errors[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP}, {"ENOSPC", ENOSPC}, {"EINVAL", EINVAL}};
	struct lack lacks[64];
	const char *limits[8];
	size_t lack_count = 0, limit_count = 0;
	uint32_t errnum = EPERM;
	bool masked_proc = false;
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--masked-proc") == 0) {
			masked_proc = true;
			continue;
		}
		if (i + 1 >= argc)
			return 126;
		const char *value = argv[++i];
		if (strcmp(argv[i - 1], "--call") == 0 && lack_count < 64) {
			add_call(&lacks[lack_count++], value);
		} else if (strcmp(argv[i - 1], "--max") == 0 && limit_count < 8) {
			limits[limit_count++] = value;
		} else if (strcmp(argv[i - 1], "--errno") == 0) {
			errnum = 0;
			for (size_t k = 0; k < sizeof errors / sizeof errors[0]; k++)
				if (strcmp(errors[k].name, value) == 0)
					errnum = errors[k].number;
		} else {
			return 126;
		}
	}
	if (i + 1 >= argc || !errnum)
		return 126;
	if (limit_count || masked_proc)
		enter(masked_proc);
	for (size_t k = 0; k < limit_count; k++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", limits[k]);
		write_file(path, "0");
	}
	if (masked_proc && mount("/dev/null", "/proc/cmdline", NULL, MS_BIND, NULL) < 0)
		fail("mount");
	if (lack_count)
		load(lacks, lack_count, errnum);
	execvp(argv[i + 1], argv + i + 1);
	fail(argv[i + 1]);
}
