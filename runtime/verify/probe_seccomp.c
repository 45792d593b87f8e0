/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_seccomp - system calls that the filter must stop.
 *
 * Most of these calls would be refused to a process without capabilities by the kernel itself, so
 * "it failed" says nothing about the filter.  Each is therefore made with arguments that the kernel
 * rejects for another reason before it looks at privileges (a bad pointer, an unknown flag, a bad
 * descriptor): EPERM or ENOSYS is then the voice of the filter, and EFAULT, EINVAL or EBADF means
 * that the call reached the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/verify/probe.h"

#define BAD 1UL /* an address that is never mapped */

/* The high half of a 64-bit register that carries a 32-bit argument: a filter that compares 64 bits
 * is blind to it. */
#define HIGH (UINT64_C(1) << 32)

/* What the filter says, against what the kernel says. */
static void answer(struct oc_probe_out *out, long r)
{
	if (r >= 0)
		oc_probe_say(out, "allowed", "%ld", r);
	else if (errno == EPERM || errno == ENOSYS || errno == EAFNOSUPPORT || errno == EACCES)
		oc_probe_say(out, "denied", "%s", oc_probe_errname(errno));
	else
		oc_probe_say(out, "allowed", "reached the kernel: %s", oc_probe_errname(errno));
}

#define CALL(id, ...)                                                                              \
	static void sys_##id(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)             \
	{                                                                                          \
		(void)ctx;                                                                         \
		answer(out, syscall(__VA_ARGS__));                                                 \
	}

CALL(mount, SYS_mount, BAD, BAD, BAD, 0UL, 0UL)
CALL(umount2, SYS_umount2, BAD, 0x40000000UL)
CALL(chroot, SYS_chroot, BAD)
CALL(open_tree, SYS_open_tree, -1L, BAD, 0x40000000UL)
CALL(fsconfig, SYS_fsconfig, -1L, 0UL, 0UL, 0UL, 0UL)
CALL(mount_setattr, SYS_mount_setattr, -1L, BAD, 0x40000000UL, BAD, 0UL)
CALL(unshare, SYS_unshare, (unsigned long)CLONE_NEWUSER)
CALL(setns, SYS_setns, -1L, 0UL)
CALL(clone3, SYS_clone3, 0UL, 0UL)
CALL(keyctl, SYS_keyctl, 0UL, -3L, 0UL, 0UL, 0UL) /* GET_KEYRING_ID of the session keyring */
CALL(add_key, SYS_add_key, BAD, BAD, 0UL, 0UL, 0UL)
CALL(request_key, SYS_request_key, BAD, BAD, 0UL, 0UL)
CALL(bpf, SYS_bpf, 0UL, BAD, 1UL << 20) /* E2BIG comes first since 5.12 */
CALL(io_uring_setup, SYS_io_uring_setup, 1UL, BAD)
CALL(io_uring_enter, SYS_io_uring_enter, -1L, 0UL, 0UL, 0x40000000UL, 0UL, 0UL)
CALL(io_uring_register, SYS_io_uring_register, -1L, 0UL, 0UL, 0UL)
CALL(userfaultfd, SYS_userfaultfd,
     3UL) /* USER_MODE_ONLY, which needs no privilege, and an unknown flag */
CALL(perf_event_open, SYS_perf_event_open, BAD, 0L, -1L, -1L, ~0UL)
CALL(ptrace, SYS_ptrace, (unsigned long)PTRACE_TRACEME, 0UL, 0UL, 0UL)
CALL(process_vm_readv, SYS_process_vm_readv, (long)getpid(), 0UL, 0UL, 0UL, 0UL, 1UL)
CALL(process_vm_writev, SYS_process_vm_writev, (long)getpid(), 0UL, 0UL, 0UL, 0UL, 1UL)
CALL(pidfd_getfd, SYS_pidfd_getfd, -1L, 0UL, 1UL)
CALL(kcmp, SYS_kcmp, (long)getpid(), (long)getpid(), 99UL, 0UL, 0UL)
CALL(name_to_handle_at, SYS_name_to_handle_at, -1L, BAD, BAD, BAD, 0x40000000UL)
CALL(fanotify_init, SYS_fanotify_init, 0x200UL,
     ~0UL) /* FAN_REPORT_FID needs no privilege since 5.13 */
CALL(settimeofday, SYS_settimeofday, BAD, 0UL)
CALL(clock_settime, SYS_clock_settime, 0UL, BAD)
CALL(prctl_set_mm, SYS_prctl, (unsigned long)PR_SET_MM, 1UL, 0UL, 0UL, 1UL)
CALL(personality_aslr, SYS_personality, 0x0040000UL)
CALL(personality_rie, SYS_personality, 0x0400000UL)
CALL(personality_high, SYS_personality, HIGH | 0x0040000UL)
#ifdef SYS_iopl
CALL(iopl, SYS_iopl, 99UL)
CALL(ioperm, SYS_ioperm, ~0UL, 2UL, 1UL)
CALL(modify_ldt, SYS_modify_ldt, 0UL, 0UL, 0UL)
#endif

/* SIGHAND without VM is EINVAL before anything else: no process is ever made. */
#define CLONE_FLAG(id, flag)                                                                       \
	static void clone_##id(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)           \
	{                                                                                          \
		(void)ctx;                                                                         \
		answer(out, syscall(SYS_clone, (unsigned long)(flag) | CLONE_SIGHAND, 0UL, 0UL,    \
				    0UL, 0UL));                                                    \
	}
CLONE_FLAG(user, CLONE_NEWUSER)
CLONE_FLAG(mnt, CLONE_NEWNS)
CLONE_FLAG(pid, CLONE_NEWPID)
CLONE_FLAG(net, CLONE_NEWNET)
CLONE_FLAG(ipc, CLONE_NEWIPC)
CLONE_FLAG(uts, CLONE_NEWUTS)
CLONE_FLAG(cgroup, CLONE_NEWCGROUP)

/* Type 13 does not exist: EINVAL before the family is looked at, known to this kernel or not. */
#define FAMILY(id, family, protocol)                                                               \
	static void family_##id(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)          \
	{                                                                                          \
		(void)ctx;                                                                         \
		answer(out,                                                                        \
		       syscall(SYS_socket, (uint64_t)(family), 13UL, (unsigned long)(protocol)));  \
	}
FAMILY(packet, AF_PACKET, 0)
FAMILY(packet_high, HIGH | AF_PACKET, 0)
FAMILY(vsock, AF_VSOCK, 0)
FAMILY(alg, AF_ALG, 0)
FAMILY(key, AF_KEY, 2)
FAMILY(rds, AF_RDS, 0)
FAMILY(tipc, AF_TIPC, 0)
FAMILY(xdp, AF_XDP, 0)
FAMILY(bluetooth, AF_BLUETOOTH, 0)
FAMILY(can, AF_CAN, 0)
FAMILY(x25, AF_X25, 0)
FAMILY(nfc, AF_NFC, 0)
FAMILY(netlink_audit, AF_NETLINK, 9)
FAMILY(netlink_netfilter, AF_NETLINK, 12)

/*
 * The caller's terminal is reached by an ioctl on the controlling terminal, and that is what is
 * tried here, on a terminal of our own.  Where there is none to be had, a bad descriptor still
 * shows the filter (EBADF is the kernel).
 */
static int own_terminal(void)
{
	int unlock = 0, master, slave;

	setsid();
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -1;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave >= 0)
		(void)ioctl(slave, TIOCSCTTY, 0);
	return slave;
}

static void terminal(struct oc_probe_out *out, uint64_t command, char *arg)
{
	long fd = own_terminal();

	answer(out, syscall(SYS_ioctl, fd, command, arg));
}

/* The process that tries leads its process group and so cannot make a session; its child can. */
static void in_session(struct oc_probe_out *out, uint64_t command, char *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		terminal(out, command, arg);
		_exit(0);
	}
	if (pid < 0)
		oc_probe_say(out, "error", "fork: %s", oc_probe_errname(errno));
	else if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		oc_probe_say(out, "killed", "SIG%s", sigabbrev_np(WTERMSIG(status)));
}

static void tiocsti(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char c = 'x';

	(void)ctx;
	in_session(out, TIOCSTI, &c);
}

static void tiocsti_high(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char c = 'x';

	(void)ctx;
	in_session(out, HIGH | TIOCSTI, &c);
}

static void tioclinux(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char c = 2; /* set selection */

	(void)ctx;
	in_session(out, TIOCLINUX, &c);
}

static void tioccons(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	/* Never on a real terminal: with privilege it would redirect the console. */
	answer(out, syscall(SYS_ioctl, -1L, (unsigned long)TIOCCONS, 0UL));
}

/* A set-user-id file in a shared directory outlives the sandbox. The file here has no name.
 * Argument: a writable directory. */
static void chmod_suid(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	const char *dir = *ctx->arg ? ctx->arg : "/tmp";
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		oc_probe_say(out, "error", "%s: %s", dir, oc_probe_errname(errno));
	else
		answer(out, syscall(SYS_fchmod, (long)fd, 04755UL));
}

static void mode(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[4096], *p;

	(void)ctx;
	if (oc_probe_slurp("/proc/self/status", buf, sizeof(buf)) < 0) {
		oc_probe_say(out, "error", "/proc/self/status: %s", oc_probe_errname(errno));
		return;
	}
	p = strstr(buf, "\nSeccomp:\t");
	oc_probe_say(out, "value", "%d", p ? atoi(p + 10) : -1);
}

#ifdef __x86_64__
static void foreign_arch(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	long r;

	(void)ctx;
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(20L) /* getpid of i386 */
			 : "memory", "r8", "r9", "r10", "r11");
	oc_probe_say(out, "allowed", "%ld", r);
}

static void x32(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	long r;

	(void)ctx;
	r = syscall(0x40000000L | SYS_getpid);
	if (r < 0)
		oc_probe_say(out, "allowed", "not killed: %s", oc_probe_errname(errno));
	else
		oc_probe_say(out, "allowed", "%ld", r);
}
#endif

#define ROW(id)                                                                                    \
	{                                                                                          \
		"seccomp." #id, sys_##id                                                           \
	}

const struct oc_probe oc_probe_seccomp[] = {
	{"seccomp.mode", mode},
	ROW(mount),
	ROW(umount2),
	ROW(chroot),
	ROW(open_tree),
	ROW(fsconfig),
	ROW(mount_setattr),
	ROW(unshare),
	ROW(setns),
	ROW(clone3),
	{"seccomp.clone-user", clone_user},
	{"seccomp.clone-mnt", clone_mnt},
	{"seccomp.clone-pid", clone_pid},
	{"seccomp.clone-net", clone_net},
	{"seccomp.clone-ipc", clone_ipc},
	{"seccomp.clone-uts", clone_uts},
	{"seccomp.clone-cgroup", clone_cgroup},
	ROW(keyctl),
	ROW(add_key),
	ROW(request_key),
	ROW(bpf),
	ROW(io_uring_setup),
	ROW(io_uring_enter),
	ROW(io_uring_register),
	ROW(userfaultfd),
	ROW(perf_event_open),
	ROW(ptrace),
	ROW(process_vm_readv),
	ROW(process_vm_writev),
	ROW(pidfd_getfd),
	ROW(kcmp),
	ROW(name_to_handle_at),
	ROW(fanotify_init),
	ROW(settimeofday),
	ROW(clock_settime),
	{"seccomp.prctl-set-mm", sys_prctl_set_mm},
	{"seccomp.personality-aslr", sys_personality_aslr},
	{"seccomp.personality-read-implies-exec", sys_personality_rie},
	{"seccomp.personality-high", sys_personality_high},
#ifdef SYS_iopl
	ROW(iopl),
	ROW(ioperm),
	ROW(modify_ldt),
#endif
	{"seccomp.socket-packet", family_packet},
	{"seccomp.socket-packet-high", family_packet_high},
	{"seccomp.socket-vsock", family_vsock},
	{"seccomp.socket-alg", family_alg},
	{"seccomp.socket-key", family_key},
	{"seccomp.socket-rds", family_rds},
	{"seccomp.socket-tipc", family_tipc},
	{"seccomp.socket-xdp", family_xdp},
	{"seccomp.socket-bluetooth", family_bluetooth},
	{"seccomp.socket-can", family_can},
	{"seccomp.socket-x25", family_x25},
	{"seccomp.socket-nfc", family_nfc},
	{"seccomp.socket-netlink-audit", family_netlink_audit},
	{"seccomp.socket-netlink-netfilter", family_netlink_netfilter},
	{"seccomp.tiocsti", tiocsti},
	{"seccomp.tiocsti-high", tiocsti_high},
	{"seccomp.tioclinux", tioclinux},
	{"seccomp.tioccons", tioccons},
	{"seccomp.chmod-suid", chmod_suid},
#ifdef __x86_64__
	{"seccomp.foreign-arch", foreign_arch},
	{"seccomp.x32", x32},
#endif
	{NULL, NULL},
};
