/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_process - attempts on other processes, namespaces, privileges, sockets and terminals.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/attack/payload.h"

/* pid 1, and every other number up to PIDS that is not ours: of the host, of a second sandbox. */
static void others(int argc, char **argv)
{
	int max = atoi(argument(argc, argv, 1, "64")), alive = 0;
	char byte;
	struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};

	for (int pid = 1; pid <= max; pid++) {
		if (pid == getpid() || (pid != 1 && kill(pid, 0) < 0 && errno == ESRCH))
			continue;
		alive++;
		char what[64];
#define WHAT(x) (snprintf(what, sizeof what, x " %d", pid), what)
		must_fail(WHAT("ptrace attach"), ptrace(PTRACE_ATTACH, pid, 0, 0));
		must_fail(WHAT("ptrace seize"), ptrace(PTRACE_SEIZE, pid, 0, 0));
		must_fail(WHAT("process_vm_readv"), process_vm_readv(pid, &local, 1, &remote, 1, 0));
		must_fail(WHAT("process_vm_writev"), process_vm_writev(pid, &local, 1, &remote, 1, 0));
		must_fail(WHAT("kcmp"), syscall(SYS_kcmp, pid, getpid(), 0, 0, 0));
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd >= 0) {
			for (int n = 0; n < 16; n++)
				if (syscall(SYS_pidfd_getfd, fd, n, 0) >= 0)
					broke("descriptor %d of process %d", n, pid);
			must_fail(WHAT("pidfd_getfd"), syscall(SYS_pidfd_getfd, fd, 0, 0));
			must_fail(WHAT("setns"), setns(fd, CLONE_NEWNS));
			close(fd);
		}
		snprintf(what, sizeof what, "/proc/%d/mem", pid);
		must_fail(what, open(what, O_RDWR));
		must_fail(WHAT("sched_setaffinity"), sched_setaffinity(pid, sizeof(cpu_set_t), &(cpu_set_t){0}));
	}
	if (alive != 1)
		broke("%d other processes can be seen", alive);
	/* A signal that pid 1 does not handle is dropped by the kernel, even SIGKILL: what counts is that it lives. */
	for (int s = 1; s < 65; s++)
		if (s != SIGCHLD)
			kill(1, s);
	usleep(20000);
	if (kill(1, 0) < 0 && errno == ESRCH)
		broke("pid 1 is dead");
	else
		held("pid 1 lives");
	must_fail("signal to pid 1 (Landlock)", kill(1, SIGTERM));
}

static void flood_init(int argc, char **argv)
{
	/* Orphans without end: pid 1 has to reap them all. */
	int n = atoi(argument(argc, argv, 1, "2000"));

	for (int i = 0; i < n; i++) {
		pid_t p = fork();
		if (p < 0)
			break;
		if (p == 0) {
			if (fork() >= 0)
				_exit(0);
			_exit(1);
		}
		waitpid(p, NULL, 0);
	}
	held("%d orphans", n);
}

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static long try_clone3(uint64_t flags)
{
	struct clone3_args a = {.flags = flags, .exit_signal = SIGCHLD};
	long r = syscall(SYS_clone3, &a, sizeof a);
	if (r == 0)
		_exit(0);
	if (r > 0)
		waitpid((pid_t)r, NULL, 0);
	return r;
}

static long try_clone(unsigned long flags)
{
	long r = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (r == 0)
		_exit(0);
	if (r > 0)
		waitpid((pid_t)r, NULL, 0);
	return r;
}

/* No namespace of any kind from inside; with the user namespace it is the first step of most kernel exploits. */
static void namespaces(int argc, char **argv)
{
	static const struct {
		const char *name, *file;
		unsigned long flag;
	} ns[] = {{"user", "user", CLONE_NEWUSER}, {"mount", "mnt", CLONE_NEWNS},   {"pid", "pid", CLONE_NEWPID},
		  {"net", "net", CLONE_NEWNET},	   {"ipc", "ipc", CLONE_NEWIPC},    {"uts", "uts", CLONE_NEWUTS},
		  {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"time", "time", 0x80}};
	char what[64], path[64];

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
		snprintf(what, sizeof what, "unshare %s", ns[i].name);
		must_fail(what, unshare((int)ns[i].flag));
		snprintf(what, sizeof what, "unshare user and %s", ns[i].name);
		must_fail(what, unshare((int)(ns[i].flag | CLONE_NEWUSER)));
		if (ns[i].flag != 0x80) {
			snprintf(what, sizeof what, "clone %s", ns[i].name);
			must_fail(what, try_clone(ns[i].flag));
			must_fail(what, try_clone(ns[i].flag | CLONE_NEWUSER | 0x700000000UL));
			snprintf(what, sizeof what, "clone3 %s", ns[i].name);
			must_fail(what, try_clone3(ns[i].flag | CLONE_NEWUSER));
		}
		snprintf(path, sizeof path, "/proc/self/ns/%s", ns[i].file);
		int fd = open(path, O_RDONLY);
		if (fd >= 0) {
			snprintf(what, sizeof what, "setns %s", ns[i].name);
			must_fail(what, setns(fd, 0));
			/* NS_GET_PARENT, NS_GET_USERNS of what lies above ours. */
			int up = ioctl(fd, 0xb702);
			if (up >= 0)
				broke("the parent of the %s namespace", ns[i].name);
			close(fd);
		}
	}
}

static void mounts(int argc, char **argv)
{
	(void)argc, (void)argv;
	must_fail("mount tmpfs", mount("x", "/tmp", "tmpfs", 0, NULL));
	must_fail("mount proc", mount("proc", "/tmp", "proc", 0, NULL));
	must_fail("bind", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
	must_fail("remount /usr", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
	must_fail("remount /", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
	must_fail("remount /proc", mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND, NULL));
	must_fail("make shared", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
	must_fail("umount /proc", umount2("/proc", MNT_DETACH));
	must_fail("umount /proc/keys", umount2("/proc/keys", MNT_DETACH));
	must_fail("umount /", umount2("/", MNT_DETACH));
	must_fail("umount /workspace", umount2("/workspace", MNT_DETACH));
	must_fail("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
	must_fail("chroot", chroot("/tmp"));
	must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 | O_CLOEXEC));
	must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	must_fail("fsopen proc", syscall(SYS_fsopen, "proc", 0));
	must_fail("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
	must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0));
	must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/usr", 0, (uint64_t[4]){0, 1}, 32));
	must_fail("open_tree_attr", syscall(467, AT_FDCWD, "/usr", 0, NULL, 0));
	must_fail("statmount", syscall(457, NULL, NULL, 0, 0));
	must_fail("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
	must_fail("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0));
}

static uint64_t status_value(const char *key, int base)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	uint64_t v = UINT64_MAX;

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			v = strtoull(line + strlen(key) + 1, NULL, base);
	if (f)
		fclose(f);
	return v;
}

/* Every capability set, and every way to get one back (CVE-2022-29162, CVE-2022-27650). */
static void privileges(int argc, char **argv)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	(void)argc, (void)argv;
	for (size_t i = 0; i < 5; i++)
		if (status_value(sets[i], 16) != 0)
			broke("%s is %llx", sets[i], (unsigned long long)status_value(sets[i], 16));
		else
			held("%s is empty", sets[i]);
	if (status_value("NoNewPrivs:", 10) != 1)
		broke("no_new_privs is not set");
	if (status_value("Seccomp:", 10) != 2)
		broke("no filter");
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0)
		broke("uid %u gid %u", getuid(), getgid());
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{~0U, ~0U, ~0U}, {~0U, ~0U, ~0U}};
	must_fail("capset all", syscall(SYS_capset, &h, d));
	must_fail("ambient raise", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
	must_fail("securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
	must_fail("keepcaps", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	must_fail("bounding set", prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 1 ? 0 : (errno = EPERM, -1));
	const int locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
			   SECBIT_KEEP_CAPS_LOCKED;
	if ((prctl(PR_GET_SECUREBITS) & locked) != locked)
		broke("securebits are %x", (unsigned)prctl(PR_GET_SECUREBITS));
	must_fail("setuid 0", setuid(0));
	must_fail("setresuid", setresuid(0, 0, 0));
	must_fail("setgid 0", setgid(0));
	must_fail("setgroups", syscall(SYS_setgroups, 0, NULL));
	must_fail("sethostname", sethostname("pwned", 5));
	must_fail("PR_SET_MM", prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, 0, 0, 0));
	must_fail("nice below 0", setpriority(PRIO_PROCESS, 0, -10) < 0 ? -1 : 0);
	must_fail("real-time", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}));
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_max += 1;
	must_fail("raise a limit", setrlimit(RLIMIT_NOFILE, &l));
	getrlimit(RLIMIT_CORE, &l);
	if (l.rlim_max > 1)
		broke("core files may have %llu bytes", (unsigned long long)l.rlim_max);
}

/* Families that no sandbox needs; each loads a kernel module on the first call. */
static void families(int argc, char **argv)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM, 6 /* DCCP */, 10 /* PACKET */};
	char what[64];

	(void)argc, (void)argv;
	for (int family = 0; family < 64; family++)
		for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
			bool usual = (family == AF_UNIX && (types[t] <= 2 || types[t] == 5)) ||
				     ((family == AF_INET || family == AF_INET6) && types[t] <= 2) ||
				     family == AF_NETLINK;
			if (family == AF_UNIX && types[t] == SOCK_RAW)
				continue; /* is a datagram socket */
			if (usual)
				continue;
			snprintf(what, sizeof what, "family %d type %d", family, types[t]);
			must_fail(what, socket(family, types[t], 0));
			/* Only 32 bits of an int count for the kernel, and must for the filter. */
			must_fail(what, syscall(SYS_socket, 0x100000000UL | (unsigned)family, types[t], 0));
		}
	for (int proto = 1; proto < 32; proto++) {
		snprintf(what, sizeof what, "netlink %d", proto);
		must_fail(what, socket(AF_NETLINK, SOCK_RAW, proto));
	}
	static const int protos[] = {1, 2, 33, 41, 46, 47, 50, 51, 58, 89, 103, 132, 136, 255, 262};
	for (size_t p = 0; p < sizeof protos / sizeof protos[0]; p++) {
		snprintf(what, sizeof what, "protocol %d", protos[p]);
		must_fail(what, socket(AF_INET, SOCK_STREAM, protos[p]));
		must_fail(what, socket(AF_INET, SOCK_DGRAM, protos[p]));
		must_fail(what, socket(AF_INET6, SOCK_DGRAM, protos[p]));
	}
	int pair[2];
	must_fail("socketpair of another family", socketpair(AF_INET, SOCK_STREAM, 0, pair));
	must_fail("socketpair tipc", socketpair(30, SOCK_STREAM, 0, pair));
}

/* Abstract and path sockets of the host.  Arguments: @NAME or PATH. */
static void unix_sockets(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (int type = 1; type <= 2; type++) {
			struct sockaddr_un a = {.sun_family = AF_UNIX};
			size_t n = strlen(argv[i]);
			if (n >= sizeof a.sun_path)
				cannot("%s is too long", argv[i]);
			memcpy(a.sun_path, argv[i], n);
			if (a.sun_path[0] == '@')
				a.sun_path[0] = '\0';
			int s = socket(AF_UNIX, type, 0);
			if (s < 0)
				cannot("socket");
			must_fail(argv[i], connect(s, (struct sockaddr *)&a,
						   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)));
			close(s);
		}
}

/* Addresses of the host and of the world.  Arguments: ADDRESS PORT. */
static void internet(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	inet_pton(AF_INET, argument(argc, argv, 1, "127.0.0.1"), &a.sin_addr);
	a.sin_port = htons((uint16_t)atoi(argument(argc, argv, 2, "80")));
	int s = socket(AF_INET, SOCK_STREAM, 0);
	must_fail("connect", connect(s, (struct sockaddr *)&a, sizeof a));
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	if (ntohl(a.sin_addr.s_addr) >> 24 != 127)
		must_fail("datagram", sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
	must_fail("bind to a device", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
	close(s);
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 1};
	s = socket(AF_VSOCK, SOCK_STREAM, 0);
	must_fail("vsock", s < 0 ? -1 : connect(s, (struct sockaddr *)&vm, sizeof vm));
}

/* Characters pushed into the input of the terminal (CVE-2017-5226); high bits of the request are not looked at by the kernel. */
static void tiocsti(int argc, char **argv)
{
	const char *text = argument(argc, argv, 1, "echo PWNED\n");
	char what[64];
	struct {
		char sub;
		char rest[63];
	} lin = {.sub = 3};

	for (int fd = 0; fd < 4; fd++) {
		int f = fd < 3 ? fd : open("/dev/tty", O_RDWR);
		for (const char *p = text; *p; p++) {
			if (syscall(SYS_ioctl, f, 0x5412UL, p) == 0 ||
			    syscall(SYS_ioctl, f, 0x100005412UL, p) == 0 ||
			    syscall(SYS_ioctl, f, 0xffffffff00005412UL, p) == 0) {
				broke("TIOCSTI on %d", fd);
				break;
			}
		}
		snprintf(what, sizeof what, "TIOCSTI on %d", fd);
		must_fail(what, syscall(SYS_ioctl, f, 0x5412UL, "x"));
		must_fail("TIOCLINUX", syscall(SYS_ioctl, f, 0x541cUL, &lin));
		must_fail("TIOCLINUX, high bits", syscall(SYS_ioctl, f, 0x10000541cUL, &lin));
		must_fail("TIOCCONS", syscall(SYS_ioctl, f, 0x541dUL, 0));
		must_fail("TIOCSETD", syscall(SYS_ioctl, f, 0x5423UL, &(int){2}));
		must_fail("KDSETMODE", syscall(SYS_ioctl, f, 0x4b3aUL, 1));
		must_fail("VT_ACTIVATE", syscall(SYS_ioctl, f, 0x5606UL, 1));
	}
}

/* Questions that terminals answer by typing. */
static void ask(int argc, char **argv)
{
	static const char questions[] = "\x1b[c\x1b[>c\x1b[5n\x1b[6n\x05\x1bZ\x1b[21t\x1b]10;?\x1b\\\x1bP$qm\x1b\\\x1b[0x";
	const char *where = argument(argc, argv, 1, "1");

	for (const char *p = where; *p; p++)
		if (*p >= '0' && *p <= '2' && write(*p - '0', questions, sizeof questions - 1) < 0)
			cannot("write: %s", strerror(errno));
	/* To nobody's terminal: said on no stream that is one. */
	if (!isatty(1))
		held("asked");
	else
		_exit(0);
}

static void try_i386(void *unused)
{
	long r;

	(void)unused;
	/* int 0x80 with getpid of i386 */
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	_exit(r > 0 ? 42 : 43);
}

static void try_x32(void *unused)
{
	(void)unused;
	_exit(syscall(0x40000000L | SYS_getpid) > 0 ? 42 : 43);
}

static void arches(int argc, char **argv)
{
	(void)argc, (void)argv;
	int a = in_child(try_i386, NULL), b = in_child(try_x32, NULL);

	if (WIFSIGNALED(a))
		held("i386 entry: signal %d", WTERMSIG(a));
	else
		broke("i386 entry answered (%d)", WEXITSTATUS(a));
	if (WIFSIGNALED(b))
		held("x32 entry: signal %d", WTERMSIG(b));
	else
		broke("x32 entry answered (%d)", WEXITSTATUS(b));
}

/* The stand-in for --cpus: can it be taken off again? Argument: processors that are ours. */
static void affinity(int argc, char **argv)
{
	int allowed = atoi(argument(argc, argv, 1, "1"));
	cpu_set_t all;

	memset(&all, 0xff, sizeof all);
	sched_setaffinity(0, sizeof all, &all);
	sched_getaffinity(0, sizeof all, &all);
	if (CPU_COUNT(&all) > allowed)
		broke("%d processors", CPU_COUNT(&all));
	else
		held("%d processors", CPU_COUNT(&all));
}

const struct attempt attempts_process[] = {
	{"others", others, "[PIDS]: pid 1 and whoever else there is"},
	{"orphans", flood_init, "[N]: work for pid 1"},
	{"namespaces", namespaces, "new namespaces"},
	{"mounts", mounts, "mounts"},
	{"privileges", privileges, "capabilities, ids, limits"},
	{"families", families, "socket families and protocols"},
	{"unix", unix_sockets, "@NAME|PATH...: sockets of the host"},
	{"internet", internet, "ADDRESS PORT"},
	{"tiocsti", tiocsti, "[TEXT]: type on the caller's terminal"},
	{"ask", ask, "[FDS]: questions to the terminal"},
	{"arches", arches, "i386 and x32 system calls"},
	{"affinity", affinity, "[N]: more than N processors"},
	{NULL, NULL, NULL},
};
