/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_try - one function a layer: do what launch would do, in a child that ends afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/sys.h"
#include "runtime/verify/host.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3 */
#endif
#define LANDLOCK_VERSION_FLAG (1U << 0)
#define LANDLOCK_ERRATA_FLAG  (1U << 1) /* 6.15 */
#define SECUREBITS	      0xef	/* all of them but KEEP_CAPS, and all locks */

static bool write_file(const char *path, const char *text)
{
	return oc_host_write(AT_FDCWD, path, text) >= 0;
}

/* A user namespace with one id, as every other try needs it too. */
static bool enter_user(struct oc_host_row *r)
{
	char line[64];
	const unsigned uid = geteuid(), gid = getegid();

	if (unshare(CLONE_NEWUSER) < 0) {
		int e = errno;
		oc_host_failed(r, e, "cannot make a user namespace");
		oc_host_why_user(r, e);
		return false;
	}
	snprintf(line, sizeof(line), "1000 %u 1\n", uid);
	bool ok = write_file("/proc/self/setgroups", "deny") &&
		  write_file("/proc/self/uid_map", line);
	snprintf(line, sizeof(line), "1000 %u 1\n", gid);
	if (!ok || !write_file("/proc/self/gid_map", line)) {
		int e = errno;
		oc_host_failed(r, e, "cannot map an id into a user namespace");
		oc_host_why_user(r, e);
		return false;
	}
	return true;
}

bool oc_host_enter(struct oc_host_row *r, int flags, const char *what)
{
	char text[96];

	if (!enter_user(r))
		return false;
	if (unshare(flags) == 0)
		return true;
	int e = errno;
	snprintf(text, sizeof(text), "cannot make a %s namespace", what);
	oc_host_failed(r, e, text);
	if (e == EINVAL) {
		oc_host_cause(r, "the kernel was built without it");
		oc_host_cure(r, "a kernel with CONFIG_NAMESPACES and all that is below it");
	} else {
		/* A user namespace that carries no capabilities: that is how AppArmor's restriction
		 * shows. */
		oc_host_why_user(r, e);
	}
	return false;
}

static void try_user(struct oc_host_row *r)
{
	/* Ubuntu lets anybody make one and takes the capabilities away in it: use one. */
	if (!oc_host_enter(r, CLONE_NEWUTS, "uts"))
		return;
	if (sethostname("x", 1) < 0) {
		int e = errno;
		oc_host_failed(r, e, "a user namespace without its capabilities");
		oc_host_why_user(r, e);
	} else if (syscall(SYS_setresgid, 1000, 1000, 1000) < 0 ||
		   syscall(SYS_setresuid, 1000, 1000, 1000) < 0) {
		oc_host_failed(r, errno, "cannot take an id in a user namespace");
	}
}

static bool new_mount_api(struct oc_host_row *r)
{
	struct mount_attr priv = {.propagation = MS_PRIVATE};
	struct mount_attr ro = {.attr_set =
					MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};

	if (!oc_host_enter(r, CLONE_NEWNS, "mount"))
		return false;
	if (oc_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &priv) < 0) {
		oc_host_failed(r, errno, "mount_setattr");
		oc_host_cause(
			r,
			errno == ENOSYS
				? "the kernel is older than 5.12, or a filter hides the new mount "
				  "calls"
				: "a security module or the surrounding container refuses mounts");
		oc_host_cure(
			r,
			"kernel 5.12 or newer; in a container, a filter that knows mount_setattr");
		return false;
	}
	oc_auto_close tree = oc_sys_open_tree(AT_FDCWD, "/usr",
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 || oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro) < 0) {
		oc_host_failed(r, errno, "cannot clone /usr read-only");
		oc_host_cause(r,
			      "the kernel is older than 5.12, or a security module refuses mounts");
		oc_host_cure(r, "kernel 5.12 or newer; see the kernel log for a refusal");
		return false;
	}
	return true;
}

static void try_mount(struct oc_host_row *r)
{
	(void)new_mount_api(r);
}

static int make_tmpfs(void)
{
	oc_auto_close fs = oc_sys_fsopen("tmpfs");

	if (fs < 0 || oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return -1;
	return oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static void try_rootfs(struct oc_host_row *r)
{
	if (!new_mount_api(r))
		return;
	oc_auto_close fd = make_tmpfs();
	if (fd < 0 || oc_sys_move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		oc_host_failed(r, errno, "cannot mount a tmpfs");
		oc_host_why(r, errno, "kernel 5.2 or newer (fsopen)");
	} else if (fchdir(fd) < 0 || oc_sys_pivot_root(".", ".") < 0) {
		oc_host_failed(r, errno, "pivot_root");
		if (errno == EINVAL) {
			oc_host_cause(
				r,
				"the root of this system is an initramfs, which cannot be pivoted");
			oc_host_cure(r, "boot from a real root file system (switch_root out of the "
					"initramfs)");
		} else {
			oc_host_why(r, errno, "pivot_root");
		}
	} else if (umount2(".", MNT_DETACH) < 0) {
		oc_host_failed(r, errno, "cannot detach the old root");
	}
}

/* Run fn as pid 1 of a new pid namespace. */
static void as_init(struct oc_host_row *r, void (*fn)(struct oc_host_row *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(r);
		_exit(0);
	}
	if (pid < 0)
		oc_host_failed(r, errno, "cannot start pid 1");
	else if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		raise(WTERMSIG(status));
}

static void is_pid_1(struct oc_host_row *r)
{
	if (getpid() != 1) {
		r->state = OC_HOST_MISSING;
		oc_host_detail(r, "the first process of a pid namespace has number %d",
			       (int)getpid());
	}
}

static void try_pid(struct oc_host_row *r)
{
	if (oc_host_enter(r, CLONE_NEWPID, "pid"))
		as_init(r, is_pid_1);
}

static void try_ipc(struct oc_host_row *r)
{
	(void)oc_host_enter(r, CLONE_NEWIPC, "ipc");
}

static void try_uts(struct oc_host_row *r)
{
	if (oc_host_enter(r, CLONE_NEWUTS, "uts") && sethostname("sandbox", 7) < 0)
		oc_host_failed(r, errno, "sethostname");
}

static void try_cgroup_ns(struct oc_host_row *r)
{
	(void)oc_host_enter(r, CLONE_NEWCGROUP, "cgroup");
}

static void try_net(struct oc_host_row *r)
{
	struct ifreq ifr = {.ifr_name = "lo"};

	if (!oc_host_enter(r, CLONE_NEWNET, "network"))
		return;
	oc_auto_close s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_flags = IFF_UP;
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		oc_host_failed(r, errno, "cannot bring the loopback interface up");
}

/* What lies on /proc: the kernel grants no new /proc while parts of the old one are covered ("too
 * revealing"). */
static void covered_proc(char *out, size_t size)
{
	oc_auto_buf text = {0};
	oc_auto_close fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	*out = '\0';
	if (fd < 0 || oc_read_all(fd, &text, 4u << 20) < 0 || !text.data)
		return;
	for (const char *line = text.data; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		char point[256];

		if (sscanf(line, "%*u %*u %*s %*s %255s", point) == 1 &&
		    strncmp(point, "/proc/", 6) == 0 && len + strlen(point) + 2 < size && len < 120)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " " : "",
						point);
	}
}

/* A new /proc for our own pid namespace; -1 with the reason in r. */
static int new_proc(struct oc_host_row *r)
{
	char covered[256];
	oc_auto_close fs = oc_sys_fsopen("proc");
	int fd = -1;

	if (fs >= 0 && oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, "hidepid", "invisible") == 0 &&
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
		fd = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd >= 0)
		return fd;
	const int e = errno;
	oc_host_failed(r, e, "cannot make a new /proc");
	covered_proc(covered, sizeof(covered));
	if (e == EPERM && *covered) {
		oc_host_cause(r,
			      "this runs in a container whose /proc is partly covered (%s): the "
			      "kernel gives no new one",
			      covered);
		oc_host_cure(r,
			     "start the container with an uncovered /proc (docker: --security-opt "
			     "systempaths=unconfined, "
			     "podman: --security-opt unmask=ALL, Kubernetes: procMount: Unmasked)");
	} else if (e == EINVAL) {
		oc_host_cause(
			r,
			"the kernel is older than 5.8: its /proc does not know hidepid=invisible");
		oc_host_cure(r, "kernel 5.12 or newer");
	} else if (e == ENOSYS) {
		oc_host_why(r, e, "kernel 5.2 or newer (fsopen)");
	} else {
		oc_host_cause(r, "a security module or the surrounding container refuses it, or "
				 "/proc is not mounted");
		oc_host_cure(r, "mount a full /proc here, or see the kernel log for the refusal");
	}
	return -1;
}

static void proc_as_init(struct oc_host_row *r)
{
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	oc_auto_close fd = new_proc(r);

	if (fd >= 0 && (oc_sys_mount_setattr(fd, "", AT_EMPTY_PATH, &ro) < 0 ||
			oc_sys_move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0))
		oc_host_failed(r, errno, "cannot mount a read-only /proc");
}

static void masks_as_init(struct oc_host_row *r)
{
	oc_auto_close fd = new_proc(r);
	oc_auto_close null =
		oc_sys_open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	oc_auto_close tmp = make_tmpfs();

	if (fd < 0)
		return;
	if (oc_sys_move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 || null < 0 ||
	    tmp < 0 ||
	    oc_sys_move_mount(null, "", AT_FDCWD, "/proc/interrupts", MOVE_MOUNT_F_EMPTY_PATH) <
		    0 ||
	    oc_sys_move_mount(tmp, "", AT_FDCWD, "/proc/bus", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		oc_host_failed(r, errno, "cannot cover a path of /proc");
}

static void nested_as_init(struct oc_host_row *r)
{
	oc_auto_close fd = new_proc(r);

	if (fd < 0)
		return;
	if (oc_host_write(fd, "sys/user/max_user_namespaces", "0") < 0) {
		oc_host_failed(r, errno,
			       "cannot set user.max_user_namespaces of a new user namespace");
	} else if (unshare(CLONE_NEWUSER) == 0) {
		r->state = OC_HOST_MISSING;
		oc_host_detail(r,
			       "user.max_user_namespaces=0 does not stop a nested user namespace");
	} else if (errno != ENOSPC && errno != EPERM) {
		oc_host_failed(r, errno, "a nested user namespace was refused for another reason");
	}
}

static void try_proc(struct oc_host_row *r)
{
	if (oc_host_enter(r, CLONE_NEWNS | CLONE_NEWPID, "mount and pid"))
		as_init(r, proc_as_init);
}

static void try_masks(struct oc_host_row *r)
{
	if (oc_host_enter(r, CLONE_NEWNS | CLONE_NEWPID, "mount and pid"))
		as_init(r, masks_as_init);
}

static void try_nested(struct oc_host_row *r)
{
	if (oc_host_enter(r, CLONE_NEWNS | CLONE_NEWPID, "mount and pid"))
		as_init(r, nested_as_init);
}

static void try_dev(struct oc_host_row *r)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} node[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},	   {"/dev/full", 1, 7},
		    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	struct stat st;

	for (size_t i = 0; i < sizeof(node) / sizeof(node[0]); i++) {
		if (lstat(node[i].path, &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_rdev == makedev(node[i].major, node[i].minor))
			continue;
		r->state = OC_HOST_MISSING;
		oc_host_detail(r, "%s is not the device %u:%u", node[i].path, node[i].major,
			       node[i].minor);
		oc_host_cause(r, "the host's or container's /dev is incomplete");
		oc_host_cure(r, "mknod -m 666 %s c %u %u, or give the container a full /dev",
			     node[i].path, node[i].major, node[i].minor);
		return;
	}
	if (!oc_host_enter(r, CLONE_NEWNS, "mount"))
		return;
	oc_auto_close fs = oc_sys_fsopen("devpts");
	int fd = -1;
	if (fs >= 0 && oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, "ptmxmode", "0666") == 0 &&
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
		fd = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (fd < 0) {
		oc_host_failed(r, errno, "cannot make a devpts");
		oc_host_why(r, errno, "a kernel with devpts (CONFIG_UNIX98_PTYS)");
		return;
	}
	oc_auto_close pts = fd;
	oc_auto_close ptmx = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ptmx < 0)
		oc_host_failed(r, errno, "cannot open a pseudo-terminal of a new devpts");
}

static void try_capabilities(struct oc_host_row *r)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (!enter_user(r))
		return;
	for (int cap = 0;; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL && cap > CAP_AUDIT_READ)
				break;
			oc_host_failed(r, errno, "cannot drop a capability from the bounding set");
			return;
		}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &h, none) < 0)
		oc_host_failed(r, errno, "cannot empty the capability sets");
}

static void try_securebits(struct oc_host_row *r)
{
	if (!enter_user(r))
		return;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0 ||
	    prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS) {
		oc_host_failed(r, errno, "cannot lock the securebits");
		oc_host_cause(r,
			      "a filter of the surrounding container, or a kernel older than 4.3");
	}
}

static void try_no_new_privs(struct oc_host_row *r)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		oc_host_failed(r, errno, "PR_SET_NO_NEW_PRIVS");
}

static void try_landlock(struct oc_host_row *r)
{
	struct oc_ll_ruleset_attr attr = {.handled_access_fs = OC_LL_FS_READ_DIR};
	int abi = oc_sys_landlock_create(NULL, 0, LANDLOCK_VERSION_FLAG);

	if (abi < 0) {
		int e = errno;
		oc_host_failed(r, e, "Landlock is not available");
		if (e == EOPNOTSUPP) {
			oc_host_cause(r, "it is built in but not switched on at boot");
			oc_host_cure(r, "add landlock to the lsm= list of the boot command line");
		} else {
			oc_host_cause(r, "the kernel is older than 5.13 or was built without "
					 "CONFIG_SECURITY_LANDLOCK, or a "
					 "filter of the surrounding container hides it");
			oc_host_cure(r, "a kernel with Landlock, or --allow-missing landlock");
		}
		return;
	}
	int errata = oc_sys_landlock_create(NULL, 0, LANDLOCK_ERRATA_FLAG);
	oc_auto_close set = oc_sys_landlock_create(&attr, sizeof(attr.handled_access_fs), 0);
	if (set < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    oc_sys_landlock_restrict(set) < 0) {
		oc_host_failed(r, errno, "cannot enter a Landlock domain");
		if (errno == E2BIG) {
			oc_host_cause(r, "this runs inside of 16 Landlock domains already");
			oc_host_cure(r, "run it outside of some of them");
		}
		return;
	}
	if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 || errno != EACCES) {
		r->state = OC_HOST_MISSING;
		oc_host_detail(r, "a Landlock domain (ABI %d) does not restrict anything", abi);
		return;
	}
	if (errata >= 0)
		oc_host_detail(r, "ABI %d, errata 0x%x", abi, (unsigned)errata);
	else
		oc_host_detail(r, "ABI %d", abi);
	if (abi < 6) {
		r->state = OC_HOST_LIMITED;
		oc_host_cause(r, "ABI %d %s%s", abi, abi < 3 ? "does not control truncate, " : "",
			      "has no scope for signals and abstract sockets (6, kernel 6.12)");
		oc_host_cure(r, "a newer kernel; until then the namespaces alone do that part");
	}
}

static void try_seccomp(struct oc_host_row *r)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgrp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(insn) / sizeof(insn[0]), .filter = insn};
	unsigned kill = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill) < 0) {
		oc_host_failed(r, errno, "seccomp cannot kill a process");
		oc_host_cause(r, "the kernel is older than 4.14, was built without "
				 "CONFIG_SECCOMP_FILTER, or a filter of the "
				 "surrounding container forbids more filters");
		oc_host_cure(r, "a newer kernel, or allow seccomp(2) in the container's filter");
		return;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) <
		    0)
		oc_host_failed(r, errno, "cannot load a system call filter");
	else if (syscall(SYS_getpgrp) >= 0 || errno != EXDEV)
		oc_host_failed(r, 0, "a system call filter was loaded and does nothing");
}

static void try_keyring(struct oc_host_row *r)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0) {
		oc_host_failed(r, errno, "cannot start a session keyring");
		oc_host_cause(
			r,
			errno == ENOSYS
				? "the kernel was built without CONFIG_KEYS, or a filter hides it"
			: errno == EDQUOT ? "the quota of keys is used up (kernel.keys.maxkeys)"
					  : "a filter of the surrounding container refuses it");
		oc_host_cure(r,
			     "allow keyctl in the container's filter, or --allow-missing keyring");
	}
}

static void try_descriptors(struct oc_host_row *r)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 20);

	if (oc_sys_close_range(20, ~0U, 0) < 0) {
		oc_host_failed(r, errno, "close_range");
		oc_host_cause(r, "the kernel is older than 5.9, or a filter hides it");
		oc_host_cure(r, "kernel 5.12 or newer");
	} else if (fd >= 0 && fcntl(fd, F_GETFD) >= 0) {
		oc_host_failed(r, 0, "close_range closes nothing");
	}
}

static void try_rlimits(struct oc_host_row *r)
{
	struct rlimit l, core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &l) < 0) {
		oc_host_failed(r, errno, "cannot set a resource limit");
		return;
	}
	if (l.rlim_max < 1024) {
		r->state = OC_HOST_LIMITED;
		oc_host_detail(r, "at most %llu descriptors", (unsigned long long)l.rlim_max);
		oc_host_cause(r, "the hard limit of the caller (ulimit -Hn) is lower than what a "
				 "sandbox gets by default");
		oc_host_cure(r, "raise it in /etc/security/limits.d or in the service");
	}
}

/* --- not layers, but needed --- */

static void try_kernel(struct oc_host_row *r)
{
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
				  .exit_signal = SIGCHLD};
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	struct utsname u;
	int pidfd = -1;

	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid_t pid = oc_sys_clone3(&args);
	if (pid == 0)
		_exit(0);
	if (pid < 0) {
		oc_host_failed(r, errno, "clone3");
		oc_host_cause(r, "the kernel is older than 5.5, or a filter of the surrounding "
				 "container hides it");
		oc_host_cure(r, "kernel 5.12 or newer; in a container, a filter that knows clone3");
		return;
	}
	siginfo_t si;
	if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED) < 0) {
		oc_host_failed(r, errno, "waitid of a pidfd");
		oc_host_cause(r, "the kernel is older than 5.4");
		oc_host_cure(r, "kernel 5.12 or newer");
		return;
	}
	long fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));
	if (fd < 0) {
		oc_host_failed(r, errno, "openat2");
		oc_host_cause(r, "the kernel is older than 5.6, or a filter of the surrounding "
				 "container hides it");
		oc_host_cure(r,
			     "kernel 5.12 or newer; in a container, a filter that knows openat2");
		return;
	}
	if (uname(&u) == 0)
		oc_host_detail(r, "%s %s %s", u.sysname, u.release, u.machine);
}

static void try_memfd(struct oc_host_row *r)
{
	oc_auto_close fd = memfd_create("oc-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("oc-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* vm.memfd_noexec=2 answers EACCES. */
	if (fd < 0) {
		oc_host_failed(r, errno, "cannot make an executable memfd");
		oc_host_cause(r, oc_host_sysctl("/proc/sys/vm/memfd_noexec") == 2
					 ? "vm.memfd_noexec is 2"
					 : "a security module refuses it");
		oc_host_cure(r, "sysctl -w vm.memfd_noexec=1; only `verify` needs it");
	}
}

static void try_terminal(struct oc_host_row *r)
{
	int unlock = 0;
	oc_auto_close fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &unlock) < 0) {
		oc_host_failed(r, errno, "/dev/ptmx");
		oc_host_cause(
			r, "no devpts is mounted at /dev/pts, or all pseudo-terminals are in use");
		oc_host_cure(r, "mount devpts at /dev/pts and link /dev/ptmx to pts/ptmx; "
				"sandboxes have their own, so only "
				"programs around them miss it");
	}
}

static void try_tracing(struct oc_host_row *r)
{
	long scope = oc_host_sysctl("/proc/sys/kernel/yama/ptrace_scope");

	if (scope < 0)
		oc_host_detail(r, "no Yama; inside, tracing is stopped by the filter, the "
				  "namespaces and Landlock");
	else
		oc_host_detail(r, "kernel.yama.ptrace_scope is %ld%s", scope,
			       scope >= 2 ? ": debuggers in profile build cannot attach" : "");
}

/* No file system gives everybody a bound for one directory: there is nothing to try, but to say. */
static void try_disk(struct oc_host_row *r)
{
	oc_host_detail(r, "--disk: hard for a workspace in memory; scratch and overlay are counted "
			  "(sampled)");
}

const struct oc_host_try oc_host_tries[] = {
	{"kernel", "the system calls that everything else is built on", try_kernel},
	{"user", "own user namespace", try_user},
	{"mount", "own mount namespace, new mount calls", try_mount},
	{"pid", "own process ids and own pid 1", try_pid},
	{"ipc", "own System V IPC and POSIX message queues", try_ipc},
	{"uts", "own host name", try_uts},
	{"cgroup-namespace", "own view of the cgroup tree", try_cgroup_ns},
	{"net", "own network namespace", try_net},
	{"rootfs", "own root file system, the host's detached", try_rootfs},
	{"proc", "own /proc, read-only", try_proc},
	{"dev", "own /dev, terminals and shared memory", try_dev},
	{"masks", "kernel paths hidden", try_masks},
	{"nested", "no further namespaces inside", try_nested},
	{"capabilities", "all capability sets and the bounding set empty", try_capabilities},
	{"securebits", "securebits set and locked", try_securebits},
	{"no-new-privs", "no privilege gained by execve", try_no_new_privs},
	{"landlock", "second file-system and IPC layer", try_landlock},
	{"seccomp", "system call filter", try_seccomp},
	{"keyring", "own session keyring", try_keyring},
	{"descriptors", "no inherited descriptor", try_descriptors},
	{"rlimits", "resource limits of the process", try_rlimits},
	{"cgroup", "cgroup limits: memory, swap, pids, cpu", oc_host_cgroup},
	{"disk", "a ceiling of what the workspace holds", try_disk},
	{"egress-capture", "connections to the world arrive at the egress broker", oc_host_capture},
	{"egress-broker", "oc-egress, jailed", oc_host_broker},
	{"memfd", "programs without a path, for verify", try_memfd},
	{"terminal", "pseudo-terminals of the host", try_terminal},
	{"tracing", "ptrace restrictions of the host", try_tracing},
	{NULL, NULL, NULL},
};
