/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_kernel - the entry system calls of kernel exploits.
 *
 * Each is called with arguments that a kernel without a filter answers by something other than ENOSYS or
 * EPERM, so that the answer tells whether the call got past the filter.
 */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/payload.h"

/* EFAULT, EINVAL, EBADF and the like come from the kernel's own code: the call was let in. */
static void closed(const char *what, long r)
{
	if (r < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES))
		held("%s: %s", what, strerrorname_np(errno));
	else
		broke("%s: %s", what, r < 0 ? strerrorname_np(errno) : "succeeded");
}

#define CLOSED(name, ...) closed(#name, syscall(SYS_##name, __VA_ARGS__))
#define CLOSED_NUMBER(name, number, ...) closed(name, syscall(number, __VA_ARGS__))

static void entries(int argc, char **argv)
{
	char attr[128] = {0};

	(void)argc, (void)argv;
	CLOSED(bpf, 0, attr, sizeof attr);
	CLOSED(bpf, 5, NULL, 0);
	CLOSED(userfaultfd, 0);
	CLOSED(userfaultfd, 1);
	CLOSED(perf_event_open, attr, 0, -1, -1, 0);
	CLOSED(add_key, "user", "oc", "x", 1, KEY_SPEC_PROCESS_KEYRING);
	CLOSED(request_key, "user", "oc", NULL, KEY_SPEC_PROCESS_KEYRING);
	CLOSED(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);
	CLOSED(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
	CLOSED(keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	CLOSED(io_uring_setup, 1, attr);
	CLOSED(io_uring_enter, 0, 0, 0, 0, NULL, 0);
	CLOSED(io_uring_register, 0, 0, NULL, 0);
	CLOSED(ptrace, 0, 0, 0, 0);
	CLOSED(process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
	CLOSED(process_vm_writev, getpid(), NULL, 0, NULL, 0, 0);
	CLOSED(kcmp, getpid(), getpid(), 0, 0, 0);
	CLOSED(fanotify_init, 0x200, 0);
	CLOSED(name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0);
	CLOSED(open_by_handle_at, -1, NULL, 0);
	CLOSED(init_module, NULL, 0, "");
	CLOSED(finit_module, -1, "", 0);
	CLOSED(delete_module, "x", 0);
	CLOSED(kexec_load, 0, 0, NULL, 0);
	CLOSED(kexec_file_load, -1, -1, 0, "", 0);
	CLOSED(iopl, 3);
	CLOSED(ioperm, 0x80, 1, 1);
	CLOSED(modify_ldt, 1, attr, 16);
	CLOSED(modify_ldt, 0, attr, 16);
	CLOSED(swapon, "/tmp/x", 0);
	CLOSED(acct, "/tmp/x");
	CLOSED(syslog, 3, attr, sizeof attr);
	CLOSED(reboot, 0, 0, 0, NULL);
	CLOSED(settimeofday, NULL, NULL);
	CLOSED(clock_settime, 0, NULL);
	CLOSED(adjtimex, NULL);
	CLOSED(quotactl, 0x80000700, NULL, 0, NULL);
	CLOSED(mbind, 0, 0, 0, NULL, 0, 0);
	CLOSED(set_mempolicy, 0, NULL, 0);
	CLOSED(move_pages, 0, 0, NULL, NULL, NULL, 0);
	CLOSED(migrate_pages, 0, 0, NULL, NULL);
	CLOSED(remap_file_pages, 0, 0, 0, 0, 0);
	CLOSED(setns, -1, 0);
	CLOSED(unshare, 0);
	CLOSED(vhangup, 0);
	CLOSED(mount_setattr, -1, "", 0, NULL, 0);
	CLOSED_NUMBER("memfd_secret", 447, 0);
	CLOSED_NUMBER("process_madvise", 440, -1, NULL, 0, 0, 0);
	CLOSED_NUMBER("pidfd_getfd", 438, -1, 0, 0);
	CLOSED_NUMBER("openat2", 437, AT_FDCWD, "/", NULL, 0);
	CLOSED_NUMBER("clone3", 435, NULL, 0);
	CLOSED_NUMBER("quotactl_fd", 443, -1, 0, 0, NULL);
	CLOSED(personality, 0x0400000 /* READ_IMPLIES_EXEC */);
	CLOSED(personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
	/* Numbers that no kernel has yet look absent. */
	for (long n = 470; n < 520; n++)
		closed("a number from the future", syscall(n, 0, 0, 0, 0, 0, 0));
	closed("number 1000000", syscall(1000000L, 0));
}

static void other_numbers(void *ctx)
{
	/* With bit 30 set the number means x32; above it the kernel cuts to 32 bits. */
	long n = *(long *)ctx;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(0L), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
	_exit(r == -EPERM || r == -ENOSYS ? 0 : 42);
}

/* The same calls by numbers with high bits. */
static void numbers(int argc, char **argv)
{
	static const long calls[] = {SYS_bpf, SYS_userfaultfd, SYS_ptrace, SYS_unshare, SYS_keyctl, SYS_io_uring_setup};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		long with[] = {calls[i] | 0x100000000L, calls[i] | 0x40000000L, calls[i] | 0x80000000L,
			       (long)((unsigned long)calls[i] | 0xffffffff00000000UL)};
		for (size_t k = 0; k < sizeof with / sizeof with[0]; k++) {
			int s = in_child(other_numbers, &with[k]);
			if (WIFSIGNALED(s) || WEXITSTATUS(s) == 0)
				held("call %lx", (unsigned long)with[k]);
			else
				broke("call %lx was answered", (unsigned long)with[k]);
		}
	}
}

const struct attempt attempts_kernel[] = {
	{"entries", entries, "system calls where kernel exploits begin"},
	{"numbers", numbers, "the same under other numbers"},
	{NULL, NULL, NULL},
};
