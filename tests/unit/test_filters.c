/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled-in filters on the running kernel: every attempt is made by a child under the filter
 * and by one without, so that an attempt that the kernel refuses anyway does not count as a proof.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/launch/filters.h"

extern long syscall(long number, ...);

#define I386   (-2) /* getpid through int 0x80 */
#define HIGH   (UINT64_C(1) << 32)
#define BADFD  UINT32_MAX
#define CLONED 0x12345

struct outcome {
	int signal; /* that killed it, 0: none */
	long ret;
	int err;
};

static long attempt(long nr, const uint64_t *a)
{
#if defined(__x86_64__)
	if (nr == I386) {
		long r;
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"(20L)
				 : "r8", "r9", "r10", "r11", "memory");
		return r;
	}
#endif
	long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (nr == SYS_clone && r == 0)
		_exit(0);
	return nr == SYS_clone && r > 0 ? CLONED : r;
}

static struct outcome try(const char *filter, long nr, const uint64_t *a)
{
	struct outcome o = {0};
	const struct oc_filter *f = filter ? oc_filter_find(filter) : NULL;
	int p[2], status;
	assert_true(!filter || f);
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sock_fprog prog = {0};
		if (f) {
			prog.len = f->count;
			prog.filter = (struct sock_filter *)(uintptr_t)f->insns;
		}
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			_exit(99);
		if (f && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
			_exit(98);
		errno = 0;
		o.ret = attempt(nr, a);
		o.err = errno;
		_exit(write(p[1], &o, sizeof(o)) != sizeof(o));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(p[1]);
	if (WIFSIGNALED(status))
		o.signal = WTERMSIG(status);
	else {
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(read(p[0], &o, sizeof(o)), sizeof(o));
	}
	close(p[0]);
	return o;
}

enum { D = 1, S = 2, B = 4, ALL = D | S | B };
static const char *const filter_names[] = {"default", "strict", "build"};

struct row {
	const char *title;
	long nr;
	uint64_t a[6];
	int err;	   /* what the filters in `in` answer */
	unsigned in;	   /* the others let it through */
	bool same_without; /* the kernel of this machine answers the same by itself */
};

/* Paths are set in main; a row names them by these. */
static char dir[] = "/tmp/oc-filters-XXXXXX", file[64], fresh[64];
#define FILE_ 0xf11e
#define FRESH 0xf4e5

static const struct row rows[] = {
	{"chmod 4755", SYS_chmod, {FILE_, 04755}, EPERM, ALL, false},
	{"chmod 2755", SYS_chmod, {FILE_, 02755}, EPERM, ALL, false},
	{"chmod 4755, bit 16", SYS_chmod, {FILE_, 0x10000 | 04755}, EPERM, ALL, false},
	{"chmod 4755, bit 32", SYS_chmod, {FILE_, HIGH | 04755}, EPERM, ALL, false},
	{"chmod 1755", SYS_chmod, {FILE_, 01755}, 0, 0, false},
	{"fchmod 6755", SYS_fchmod, {BADFD, 06755}, EPERM, ALL, false},
	{"fchmodat 4755", SYS_fchmodat, {(uint32_t)AT_FDCWD, FILE_, 04755}, EPERM, ALL, false},
	{"fchmodat2 4755", 452, {(uint32_t)AT_FDCWD, FILE_, 04755, 0}, EPERM, ALL, false},
	{"fchmodat2 755", 452, {(uint32_t)AT_FDCWD, FILE_, 0755, 0}, 0, 0, false},
	{"open O_CREAT 4755", SYS_open, {FRESH, O_CREAT | O_RDWR, 04755}, EPERM, ALL, false},
	{"open O_CREAT 755", SYS_open, {FRESH, O_CREAT | O_RDWR, 0755}, 0, 0, false},
	{"open, no O_CREAT, garbage mode", SYS_open, {FILE_, O_RDONLY, 07777}, 0, 0, false},
	{"openat O_CREAT 2755",
	 SYS_openat,
	 {(uint32_t)AT_FDCWD, FRESH, O_CREAT | O_RDWR, 02755},
	 EPERM,
	 ALL,
	 false},
	{"openat O_CREAT 4755, high flags",
	 SYS_openat,
	 {(uint32_t)AT_FDCWD, FRESH, HIGH | O_CREAT | O_RDWR, 04755},
	 EPERM,
	 ALL,
	 false},
	{"openat O_TMPFILE 4755",
	 SYS_openat,
	 {(uint32_t)AT_FDCWD, FILE_, 020200000 | O_RDWR, 04755},
	 EPERM,
	 ALL,
	 false},
	{"openat, no O_CREAT, garbage mode",
	 SYS_openat,
	 {(uint32_t)AT_FDCWD, FILE_, O_RDONLY, 07777},
	 0,
	 0,
	 false},
	{"creat 4755", SYS_creat, {FRESH, 04755}, EPERM, ALL, false},
	{"mkdir 2755", SYS_mkdir, {FILE_, 02755}, EPERM, ALL, false},
	{"mkdirat 2755", SYS_mkdirat, {(uint32_t)AT_FDCWD, FILE_, 02755}, EPERM, ALL, false},
	{"mknod block device", SYS_mknod, {FILE_, S_IFBLK | 0600, 0}, EPERM, ALL, false},
	{"mknod character device", SYS_mknod, {FILE_, S_IFCHR | 0600, 0x103}, EPERM, ALL, false},
	{"mknod character device, bit 16",
	 SYS_mknod,
	 {FILE_, 0x10000 | S_IFCHR | 0600, 0x103},
	 EPERM,
	 ALL,
	 false},
	{"mknodat file 4755",
	 SYS_mknodat,
	 {(uint32_t)AT_FDCWD, FILE_, S_IFREG | 04755, 0},
	 EPERM,
	 ALL,
	 false},
	{"mknodat fifo", SYS_mknodat, {(uint32_t)AT_FDCWD, FILE_, S_IFIFO | 0600, 0}, 0, 0, false},
	{"openat2", SYS_openat2, {BADFD, 0, 0, 0}, ENOSYS, ALL, false},
	{"TIOCSTI", SYS_ioctl, {BADFD, 0x5412}, EPERM, ALL, false},
	{"TIOCSTI, bit 32", SYS_ioctl, {BADFD, HIGH | 0x5412}, EPERM, ALL, false},
	{"TIOCSTI, high half", SYS_ioctl, {BADFD, UINT64_C(0xffffffff00005412)}, EPERM, ALL, false},
	{"TIOCLINUX", SYS_ioctl, {BADFD, HIGH | 0x541c}, EPERM, ALL, false},
	{"TIOCCONS", SYS_ioctl, {BADFD, 0x541d}, EPERM, ALL, false},
	{"TIOCSETD", SYS_ioctl, {BADFD, 0x5423}, EPERM, ALL, false},
	{"KDSKBENT", SYS_ioctl, {BADFD, 0x4b47}, EPERM, ALL, false},
	{"KDSKBSENT, bit 32", SYS_ioctl, {BADFD, HIGH | 0x4b49}, EPERM, ALL, false},
	{"VT_ACTIVATE", SYS_ioctl, {BADFD, 0x5606}, EPERM, ALL, false},
	{"TIOCGWINSZ", SYS_ioctl, {BADFD, 0x5413}, 0, 0, false},
	{"FIOQSIZE", SYS_ioctl, {BADFD, 0x5460}, 0, 0, false},
	{"personality query", SYS_personality, {0xffffffff}, 0, 0, false},
	{"personality UNAME26", SYS_personality, {0x20000}, EPERM, S, false},
	{"personality ADDR_NO_RANDOMIZE", SYS_personality, {0x40000}, EPERM, D | S, false},
	{"personality READ_IMPLIES_EXEC", SYS_personality, {0x400000}, EPERM, ALL, false},
	{"personality READ_IMPLIES_EXEC, bit 32",
	 SYS_personality,
	 {HIGH | 0x400000},
	 EPERM,
	 ALL,
	 false},
	{"clone", SYS_clone, {SIGCHLD}, 0, 0, false},
	{"clone NEWUSER", SYS_clone, {0x10000000 | SIGCHLD}, EPERM, ALL, false},
	{"clone NEWUSER, bit 32", SYS_clone, {HIGH | 0x10000000 | SIGCHLD}, EPERM, ALL, false},
	{"clone NEWNS and NEWUSER", SYS_clone, {0x10020000 | SIGCHLD}, EPERM, ALL, false},
	{"clone NEWCGROUP, NEWUSER", SYS_clone, {0x12000000 | SIGCHLD}, EPERM, ALL, false},
	{"clone3", SYS_clone3, {0, 0}, ENOSYS, ALL, false},
	{"unshare nothing", SYS_unshare, {0}, EPERM, ALL, false},
	{"unshare NEWUSER", SYS_unshare, {0x10000000}, EPERM, ALL, false},
	{"unshare NEWTIME, NEWUSER", SYS_unshare, {0x10000080}, EPERM, ALL, false},
	{"setns", SYS_setns, {BADFD, 0}, EPERM, ALL, false},
	{"unix stream", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}, 0, 0, false},
	{"inet stream", SYS_socket, {AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 6}, 0, 0, false},
	{"inet dgram", SYS_socket, {AF_INET, SOCK_DGRAM, 0}, 0, 0, false},
	{"inet6 stream", SYS_socket, {AF_INET6, SOCK_STREAM, 0}, 0, 0, false},
	{"inet raw", SYS_socket, {AF_INET, SOCK_RAW, 255}, EAFNOSUPPORT, ALL, false},
	{"inet raw, bit 32 of the type",
	 SYS_socket,
	 {AF_INET, HIGH | SOCK_RAW | SOCK_CLOEXEC, 255},
	 EAFNOSUPPORT,
	 ALL,
	 false},
	{"inet SOCK_PACKET", SYS_socket, {AF_INET, SOCK_PACKET, 0x300}, EAFNOSUPPORT, ALL, false},
	{"inet mptcp", SYS_socket, {AF_INET, SOCK_STREAM, 262}, EAFNOSUPPORT, ALL, false},
	{"inet6 sctp", SYS_socket, {AF_INET6, SOCK_STREAM, 132}, EAFNOSUPPORT, ALL, false},
	{"netlink route",
	 SYS_socket,
	 {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0},
	 EAFNOSUPPORT,
	 S,
	 false},
	{"netlink audit", SYS_socket, {AF_NETLINK, SOCK_RAW, 9}, EAFNOSUPPORT, ALL, false},
	{"netlink netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, 12}, EAFNOSUPPORT, ALL, false},
	{"packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, EAFNOSUPPORT, ALL, false},
	{"packet, bit 32", SYS_socket, {HIGH | AF_PACKET, SOCK_DGRAM, 0}, EAFNOSUPPORT, ALL, false},
	{"vsock", SYS_socket, {40, SOCK_STREAM, 0}, EAFNOSUPPORT, ALL, true},
	{"alg", SYS_socket, {38, SOCK_SEQPACKET, 0}, EAFNOSUPPORT, ALL, true},
	{"key", SYS_socket, {15, SOCK_RAW, 2}, EAFNOSUPPORT, ALL, true},
	{"rds", SYS_socket, {21, SOCK_SEQPACKET, 0}, EAFNOSUPPORT, ALL, true},
	{"tipc", SYS_socket, {30, SOCK_SEQPACKET, 0}, EAFNOSUPPORT, ALL, true},
	{"bluetooth", SYS_socket, {31, SOCK_SEQPACKET, 0}, EAFNOSUPPORT, ALL, true},
	{"xdp", SYS_socket, {44, SOCK_RAW, 0}, EAFNOSUPPORT, ALL, true},
	{"socketpair inet", SYS_socketpair, {AF_INET, SOCK_STREAM, 0, 0}, EAFNOSUPPORT, ALL, false},
	{"PR_SET_MM", SYS_prctl, {35, 15, 0, 0, 0}, EPERM, ALL, true},
	{"PR_SET_MM, bit 32", SYS_prctl, {HIGH | 35, 15, 0, 0, 0}, EPERM, ALL, true},
	{"PR_SET_TSC", SYS_prctl, {26, 99}, EPERM, D | B, false},
	{"PR_SET_TSC, bit 32", SYS_prctl, {HIGH | 26, 99}, EPERM, D | B, false},
	{"PR_GET_NAME to nowhere", SYS_prctl, {16, 0}, 0, 0, false},
	{"PR_SET_SECCOMP without a program", SYS_prctl, {22, 2, 0}, 0, 0, false},
	{"seccomp without a program", SYS_seccomp, {1, 0, 0}, 0, 0, false},
	{"seccomp NEW_LISTENER", SYS_seccomp, {1, 8, 0}, EINVAL, ALL, false},
	{"seccomp NEW_LISTENER, bit 32", SYS_seccomp, {HIGH | 1, HIGH | 24, 0}, EINVAL, ALL, false},
	{"io_uring_setup", SYS_io_uring_setup, {1, 0}, ENOSYS, ALL, false},
	{"io_uring_enter", SYS_io_uring_enter, {BADFD}, ENOSYS, ALL, false},
	{"io_uring_register", SYS_io_uring_register, {BADFD}, ENOSYS, ALL, false},
	{"keyctl", SYS_keyctl, {0, 0xfffffffd, 0}, ENOSYS, ALL, false},
	{"add_key", SYS_add_key, {0}, ENOSYS, ALL, false},
	{"request_key", SYS_request_key, {0}, ENOSYS, ALL, false},
	{"mount", SYS_mount, {0, 0, 0, 0, 0}, EPERM, ALL, false},
	{"umount2", SYS_umount2, {0, UINT32_MAX}, EPERM, ALL, false},
	{"fsopen", SYS_fsopen, {0, 0}, EPERM, ALL, false},
	{"open_tree", SYS_open_tree, {BADFD, 0, 0}, EPERM, ALL, false},
	{"open_tree_attr", 467, {BADFD, 0, 0, 0, 0}, EPERM, ALL, false},
	{"move_mount", SYS_move_mount, {BADFD, 0, BADFD, 0, 0}, EPERM, ALL, false},
	{"mount_setattr", SYS_mount_setattr, {BADFD, 0, 0, 0, 0}, EPERM, ALL, false},
	{"chroot", SYS_chroot, {0}, EPERM, ALL, false},
	{"pivot_root", SYS_pivot_root, {0, 0}, EPERM, ALL, false},
	{"bpf", SYS_bpf, {9999, 0, 0}, EPERM, ALL, false},
	{"userfaultfd", SYS_userfaultfd, {0x10}, EPERM, ALL, true},
	{"perf_event_open", SYS_perf_event_open, {0, 0, 0, 0, 0}, EPERM, ALL, false},
	{"open_by_handle_at", SYS_open_by_handle_at, {BADFD, 0, 0}, EPERM, ALL, false},
	{"name_to_handle_at", SYS_name_to_handle_at, {BADFD, 0, 0, 0, 0}, EPERM, ALL, false},
	{"init_module", SYS_init_module, {0, 0, 0}, EPERM, ALL, false},
	{"reboot", SYS_reboot, {0, 0, 0, 0}, EPERM, ALL, false},
	{"syslog", SYS_syslog, {3, 0, UINT32_MAX}, EPERM, ALL, false},
	{"ptrace", SYS_ptrace, {99999, 0x7fffffff, 0, 0}, EPERM, D | S, false},
	{"process_vm_readv",
	 SYS_process_vm_readv,
	 {0x7fffffff, 0, 0, 0, 0, 0},
	 EPERM,
	 D | S,
	 false},
	{"process_vm_writev", SYS_process_vm_writev, {1, 0, 0, 0, 0, 1}, EPERM, ALL, false},
	{"pidfd_getfd", SYS_pidfd_getfd, {BADFD, 0, 0}, EPERM, ALL, false},
	{"kcmp", SYS_kcmp, {0x7fffffff, 0x7fffffff, 0, 0, 0}, EPERM, D | S, false},
	{"memfd_create", SYS_memfd_create, {FILE_, 0}, EACCES, S, false},
	{"memfd_create MFD_EXEC", SYS_memfd_create, {FILE_, 0x10}, EACCES, S, false},
	{"memfd_create MFD_NOEXEC_SEAL", SYS_memfd_create, {FILE_, 8}, 0, 0, false},
	{"shmget", SYS_shmget, {0, 0, 0}, ENOSYS, S, false},
	{"sethostname", SYS_sethostname, {0, UINT32_MAX}, EPERM, ALL, false},
};

static void prepare(void)
{
	unlink(file);
	rmdir(file);
	unlink(fresh);
}

static struct outcome try_row(const char *filter, const struct row *r)
{
	uint64_t a[6];
	prepare();
	for (int i = 0; i < 6; i++) {
		uint64_t v = r->a[i];
		a[i] = v == FILE_ ? (uintptr_t)file : v == FRESH ? (uintptr_t)fresh : v;
	}
	/* What makes a new object under this name must not find one. */
	bool makes = r->nr == SYS_mkdir || r->nr == SYS_mkdirat || r->nr == SYS_mknod ||
		     r->nr == SYS_mknodat;
	if (!makes) {
		int fd = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	return try(filter, r->nr, a);
}

static void test_rows(void **state)
{
	(void)state;
	unsigned wrong = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct outcome bare = try_row(NULL, r);
		for (unsigned n = 0; n < 3; n++) {
			struct outcome o = try_row(filter_names[n], r);
			bool denied = r->in & (1u << n);
			bool as_bare = o.signal == bare.signal &&
				       (o.ret == -1) == (bare.ret == -1) &&
				       (o.ret != -1 || o.err == bare.err);
			bool good = denied ? !o.signal && o.ret == -1 && o.err == r->err &&
						     (r->same_without || !as_bare ||
						      (geteuid() != 0 && bare.err == EPERM))
					   : as_bare;
			if (good)
				continue;
			wrong++;
			print_error("%s, filter %s: signal %d ret %ld errno %d; without: signal %d "
				    "ret %ld errno %d; wanted %s %d\n",
				    r->title, filter_names[n], o.signal, o.ret, o.err, bare.signal,
				    bare.ret, bare.err, denied ? "errno" : "the same", r->err);
		}
	}
	prepare();
	assert_int_equal(wrong, 0);
}

static void test_setuid_bit_is_real(void **state)
{
	(void)state;
	struct stat st;
	struct row r = {.nr = SYS_chmod, .a = {FILE_, 04755}};
	assert_int_equal(try_row(NULL, &r).ret, 0);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_mode & S_ISUID);
	assert_int_equal(try_row("default", &r).ret, -1);
	assert_int_equal(stat(file, &st), 0);
	assert_false(st.st_mode & S_ISUID);
	prepare();
}

static const char *const every_filter[] = {"default", "strict", "build", "init"};

static void test_foreign_entries_kill(void **state)
{
	(void)state;
#if defined(__x86_64__)
	const uint64_t none[6] = {0};
	const long numbers[] = {0x40000000 + SYS_getpid, 0x40000000 + 512, 0x40000000, 0x7fffffff,
				0x40000000 + SYS_io_uring_setup};
	for (size_t f = 0; f < 4; f++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
			assert_int_equal(try(NULL, numbers[i], none).signal, 0);
			assert_int_equal(try(every_filter[f], numbers[i], none).signal, SIGSYS);
		}
		struct outcome bare = try(NULL, I386, none);
		if (bare.signal || bare.ret <= 0) {
			print_message("# int 0x80 is off in this kernel\n");
			continue;
		}
		assert_int_equal(try(every_filter[f], I386, none).signal, SIGSYS);
	}
#else
	skip();
#endif
}

static void test_unknown_numbers(void **state)
{
	(void)state;
	const uint64_t none[6] = {0};
	for (size_t f = 0; f < 3; f++)
		for (long nr = 471; nr < 1100; nr += 7) {
			struct outcome o = try(every_filter[f], nr, none);
			assert_int_equal(o.signal, 0);
			assert_int_equal(o.ret, -1);
			assert_int_equal(o.err, ENOSYS);
		}
	/* A tracer's "skip this call" must not kill. */
	assert_int_equal(try("default", -1, none).signal, 0);
}

static void test_init(void **state)
{
	(void)state;
	const uint64_t none[6] = {0}, sig[6] = {0x7fffffff, 0};
	const long closed[] = {SYS_execve,
			       SYS_execveat,
			       SYS_openat,
			       SYS_open,
			       SYS_socket,
			       SYS_ptrace,
			       SYS_mmap,
			       SYS_mprotect,
			       SYS_clone,
			       SYS_clone3,
			       SYS_fork,
			       SYS_prctl,
			       SYS_unshare,
			       SYS_setns,
			       SYS_mount,
			       SYS_dup,
			       SYS_ioctl,
			       SYS_fcntl,
			       SYS_seccomp,
			       SYS_pidfd_getfd,
			       SYS_process_vm_writev,
			       SYS_connect,
			       500};
	const long open_[] = {SYS_getpid,  SYS_wait4,	SYS_getrusage, SYS_poll, SYS_read,
			      SYS_recvmsg, SYS_sendmsg, SYS_waitid,    SYS_close};
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		struct outcome o = try("init", closed[i], none);
		if (o.signal != SIGSYS)
			print_error("init lets %ld through\n", closed[i]);
		assert_int_equal(o.signal, SIGSYS);
	}
	const uint64_t bad[6] = {BADFD, 0, 0, 0, 0, 0};
	for (size_t i = 0; i < sizeof(open_) / sizeof(open_[0]); i++)
		assert_int_equal(try("init", open_[i], bad).signal, 0);
	assert_int_equal(try("init", SYS_kill, sig).err, ESRCH);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t f = 0; f < 4; f++) {
		const struct oc_filter *x = oc_filter_find(every_filter[f]);
		assert_non_null(x);
		assert_string_equal(x->name, every_filter[f]);
		assert_in_range(x->count, 10, BPF_MAXINSNS);
		print_message("# %s: %u instructions\n", x->name, x->count);
	}
	assert_null(oc_filter_find("none"));
	assert_null(oc_filter_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_setuid_bit_is_real),
		cmocka_unit_test(test_foreign_entries_kill),
		cmocka_unit_test(test_unknown_numbers),
		cmocka_unit_test(test_init),
	};
	if (!mkdtemp(dir))
		return 1;
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(fresh, sizeof(fresh), "%s/new", dir);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	prepare();
	rmdir(dir);
	return r;
}
