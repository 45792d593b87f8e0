/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - system call numbers, and how wide the arguments are that profiles compare.
 * Pure tables; numbers come from libseccomp and, for calls younger than it, from the list below.
 */
#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "profiles/gen/seccomp.h"

#if defined(__x86_64__)
#define NATIVE_AUDIT  AUDIT_ARCH_X86_64
#define NATIVE_SCMP   SCMP_ARCH_X86_64
#define NATIVE_OCI    "SCMP_ARCH_X86_64"
#define NATIVE_DOCKER "amd64"
#elif defined(__aarch64__)
#define NATIVE_AUDIT  AUDIT_ARCH_AARCH64
#define NATIVE_SCMP   SCMP_ARCH_AARCH64
#define NATIVE_OCI    "SCMP_ARCH_AARCH64"
#define NATIVE_DOCKER "arm64"
#else
#error "no seccomp filter for this architecture yet"
#endif

uint32_t oc_seccomp_audit_arch(void)
{
	return NATIVE_AUDIT;
}

const char *oc_seccomp_arch_oci(void)
{
	return NATIVE_OCI;
}

const char *oc_seccomp_arch_docker(void)
{
	return NATIVE_DOCKER;
}

/*
 * Calls that libseccomp 2.5 does not know.  Since Linux 5.1 a new call has the same number on every
 * architecture, so the list holds for all of ours.
 */
static const struct {
	const char *name;
	int nr;
} newer[] = {
	{"set_mempolicy_home_node", 450},
	{"cachestat", 451},
	{"fchmodat2", 452},
	{"map_shadow_stack", 453},
	{"futex_wake", 454},
	{"futex_wait", 455},
	{"futex_requeue", 456},
	{"statmount", 457},
	{"listmount", 458},
	{"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460},
	{"lsm_list_modules", 461},
	{"mseal", 462},
	{"setxattrat", 463},
	{"getxattrat", 464},
	{"listxattrat", 465},
	{"removexattrat", 466},
	{"open_tree_attr", 467},
	{"file_getattr", 468},
	{"file_setattr", 469},
	{"listns", 470},
};

int oc_seccomp_number(const char *name)
{
	for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
		if (strcmp(newer[i].name, name) == 0)
			return newer[i].nr;
	int nr = seccomp_syscall_resolve_name_arch(NATIVE_SCMP, name);
	if (nr == __NR_SCMP_ERROR)
		return -1;
	if (nr < 0 || (unsigned)nr >= OC_SECCOMP_MAX_NR)
		return -2;
	return nr;
}

/*
 * One letter per argument: i: 32 bits (int, unsigned, fd), m: umode_t, 16 bits, l: 64 bits (long,
 * pointer, size_t).  After the kernel's SYSCALL_DEFINE lines.  clone is declared unsigned long but
 * reads lower_32_bits(clone_flags).  Sorted, for bsearch.
 */
static const struct width {
	const char *name, *args;
} widths[] = {
	{"accept4", "illi"},
	{"access", "li"},
	{"arch_prctl", "il"},
	{"bind", "ili"},
	{"bpf", "ili"},
	{"chmod", "lm"},
	{"clock_adjtime", "il"},
	{"clock_settime", "il"},
	{"clone", "illll"},
	{"close_range", "iii"},
	{"connect", "ili"},
	{"copy_file_range", "ililli"},
	{"creat", "lm"},
	{"dup3", "iii"},
	{"epoll_create1", "i"},
	{"eventfd2", "ii"},
	{"execveat", "illli"},
	{"faccessat", "ili"},
	{"faccessat2", "ilii"},
	{"fallocate", "iill"},
	{"fchmod", "im"},
	{"fchmodat", "ilm"},
	{"fchmodat2", "ilmi"},
	{"fcntl", "iil"},
	{"getpriority", "ii"},
	{"getrandom", "lli"},
	{"getsockopt", "iiill"},
	{"inotify_init1", "i"},
	{"ioctl", "iil"},
	{"ioprio_set", "iii"},
	{"kcmp", "iiill"},
	{"keyctl", "illll"},
	{"kill", "ii"},
	{"listen", "ii"},
	{"madvise", "lli"},
	{"membarrier", "iii"},
	{"memfd_create", "li"},
	{"mkdir", "lm"},
	{"mkdirat", "ilm"},
	{"mknod", "lmi"},
	{"mknodat", "ilmi"},
	{"mlock2", "lli"},
	{"mlockall", "i"},
	{"mmap", "llllll"},
	{"mprotect", "lll"},
	{"mremap", "lllll"},
	{"open", "lim"},
	{"openat", "ilim"},
	{"perf_event_open", "liiil"},
	{"personality", "i"},
	{"pidfd_getfd", "iii"},
	{"pidfd_open", "ii"},
	{"pidfd_send_signal", "iili"},
	{"pipe2", "li"},
	{"prctl", "illll"},
	{"prlimit64", "iill"},
	{"process_vm_readv", "illlll"},
	{"process_vm_writev", "illlll"},
	{"ptrace", "llll"},
	{"quotactl", "ilil"},
	{"renameat2", "ilili"},
	{"sched_setscheduler", "iil"},
	{"seccomp", "iil"},
	{"semget", "iii"},
	{"sendto", "ilill"},
	{"setgid", "i"},
	{"setns", "ii"},
	{"setpriority", "iii"},
	{"setrlimit", "il"},
	{"setsockopt", "iiili"},
	{"setuid", "i"},
	{"shmget", "ili"},
	{"shutdown", "ii"},
	{"socket", "iii"},
	{"socketpair", "iiil"},
	{"splice", "ililli"},
	{"tgkill", "iii"},
	{"timerfd_create", "ii"},
	{"tkill", "ii"},
	{"umask", "i"},
	{"umount2", "li"},
	{"unlinkat", "ili"},
	{"unshare", "l"},
	{"userfaultfd", "i"},
	{"wait4", "ilil"},
	{"waitid", "iilil"},
};

static int width_compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct width *)row)->name);
}

uint64_t oc_seccomp_arg_mask(const char *name, unsigned arg)
{
	const struct width *w = bsearch(name, widths, sizeof(widths) / sizeof(widths[0]),
					sizeof(widths[0]), width_compare);
	if (!w || arg >= strlen(w->args))
		return 0;
	switch (w->args[arg]) {
	case 'i':
		return UINT32_MAX;
	case 'm':
		return UINT16_MAX;
	default:
		return UINT64_MAX;
	}
}
