/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_files - attempts on files: the root, /proc, /dev, set-user-id files, links, descriptors.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/attack/payload.h"

static const char *under(const char *dir, const char *name)
{
	static char path[2][4096];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static void try_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		held("write %s: %s", path, strerrorname_np(errno));
		return;
	}
	/* Opened only; what is written is what is there, or nothing. */
	broke("write %s: opened for writing", path);
	close(fd);
}

/* Only 0, 1 and 2 are open (CVE-2024-21626). */
static void fds(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int fd = 3; fd < 4096; fd++) {
		char link[64], to[256] = "?";
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, to, sizeof to - 1);
		to[n > 0 ? n : 0] = '\0';
		broke("descriptor %d is open: %s", fd, to);
	}
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			broke("descriptor %d is a directory", fd);
	}
	held("descriptors looked at");
}

/* From every directory descriptor that can be had, upwards: the top is our own root, and the canary is not in it. */
static void climb(int argc, char **argv)
{
	const char *canary = argument(argc, argv, 1, NULL);
	static const char *const from[] = {".", "/", "/proc/self/cwd", "/proc/self/root", "/proc/1/root",
					   "/proc/1/cwd", "/proc/self/fd/0", "/proc/thread-self/cwd",
					   "/usr", "/tmp", "/dev/fd/0", "/proc/self/fd/1"};
	char path[4096];
	struct stat root;

	if (stat("/", &root) < 0)
		cannot("stat /");
	must_fail("canary by its name", access(canary, F_OK));
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
		int fd = open(from[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			held("open %s: %s", from[i], strerrorname_np(errno));
			continue;
		}
		for (int up = 0; up < 64; up++) {
			int next = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				break;
			close(fd);
			fd = next;
		}
		struct stat top;
		snprintf(path, sizeof path, "%s", canary + 1);
		if (fstat(fd, &top) < 0 || top.st_dev != root.st_dev || top.st_ino != root.st_ino)
			broke("above %s there is another root", from[i]);
		else if (faccessat(fd, path, F_OK, 0) == 0)
			broke("the canary can be reached from %s", from[i]);
		else
			held("above %s is our own root", from[i]);
		close(fd);
	}
	char cwd[4096];
	long n = syscall(SYS_getcwd, cwd, sizeof cwd);
	if (n < 0 || cwd[0] != '/')
		broke("the working directory is outside: %s", n < 0 ? "?" : cwd);
	else
		held("working directory %s", cwd);
	must_fail("chroot", chroot("/tmp"));
	must_fail("fchdir to a descriptor of nobody", fchdir(100));
}

/* The launcher's program file, by every process that can be seen (CVE-2019-5736). */
static void exes(int argc, char **argv)
{
	unsigned rounds = (unsigned)atoi(argument(argc, argv, 1, "200"));
	char path[64];

	for (unsigned i = 0; i < rounds; i++)
		for (int pid = 1; pid < 32; pid++) {
			struct stat mine, st;
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
			int fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd < 0 && errno == ETXTBSY && pid != getpid()) {
				broke("%s may be written when it ends", path);
				return;
			}
			if (fd >= 0) {
				broke("%s opened for writing", path);
				return;
			}
			fd = open(path, O_PATH | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (stat("/proc/self/exe", &mine) == 0 && fstat(fd, &st) == 0 &&
			    (mine.st_ino != st.st_ino || mine.st_dev != st.st_dev)) {
				broke("%s can be held", path);
				return;
			}
			close(fd);
		}
	held("no program file of another process in %u rounds", rounds);
	for (int pid = 1; pid < 8; pid++) {
		static const char *const what[] = {"mem", "environ", "maps", "root", "cwd", "fd", "auxv", "ns/mnt"};
		if (pid == getpid())
			continue;
		for (size_t w = 0; w < sizeof what / sizeof what[0]; w++) {
			snprintf(path, sizeof path, "/proc/%d/%s", pid, what[w]);
			int fd = open(path, w >= 3 && w <= 5 ? O_PATH | O_DIRECTORY : O_RDONLY);
			if (fd >= 0)
				broke("%s opened", path);
		}
	}
	held("nothing of another process in /proc");
}

/* Kernel switches and masked paths (CVE-2025-31133, CVE-2025-52881). */
static void procfs(int argc, char **argv)
{
	static const char *const writes[] = {
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
		"/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/ns_last_pid",
		"/proc/sys/user/max_user_namespaces", "/proc/sys/net/ipv4/ip_forward", "/proc/self/oom_score_adj",
		"/proc/self/attr/current", "/proc/self/attr/apparmor/exec", "/proc/self/uid_map", "/proc/self/setgroups",
		"/proc/self/clear_refs", "/proc/self/timerslack_ns", "/proc/self/mem", "/proc/pressure/cpu",
		"/proc/sys/fs/binfmt_misc/register", "/proc/self/sched", "/proc/self/coredump_filter", "/proc/irq/0/smp_affinity",
	};
	static const char *const empty[] = {"/proc/keys", "/proc/kcore", "/proc/interrupts",
					    "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats"};
	static const char *const dirs[] = {"/proc/acpi", "/proc/asound", "/proc/bus", "/proc/scsi"};
	struct statfs fs;
	char buf[64];

	(void)argc, (void)argv;
	if (statfs("/proc", &fs) < 0 || fs.f_type != 0x9fa0)
		cannot("/proc is no procfs");
	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++)
		try_write(writes[i]);
	for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
		int fd = open(empty[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf);
		if (n > 0)
			broke("%s can be read", empty[i]);
		else
			held("%s is empty or closed", empty[i]);
		close(fd);
	}
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		DIR *d = opendir(dirs[i]);
		int entries = 0;
		while (d && readdir(d))
			entries++;
		if (d)
			closedir(d);
		if (entries > 2)
			broke("%s has %d entries", dirs[i], entries - 2);
		else
			held("%s is empty or closed", dirs[i]);
		/* A mask that can be written is a hiding place, and more (P8). */
		int fd = open(under(dirs[i], "new"), O_WRONLY | O_CREAT, 0600);
		if (fd >= 0)
			broke("a file can be made in %s", dirs[i]);
	}
	must_fail("/sys", access("/sys/kernel", F_OK));
	must_fail("cgroup.procs", open("/sys/fs/cgroup/cgroup.procs", O_WRONLY));
}

/* Device nodes: none made, none but the six opened. */
static void devices(int argc, char **argv)
{
	const char *dir = argument(argc, argv, 1, "/workspace");
	static const struct {
		const char *name;
		mode_t type;
		unsigned major, minor;
	} nodes[] = {{"mem", S_IFCHR, 1, 1}, {"kmsg", S_IFCHR, 1, 11},	{"disk", S_IFBLK, 254, 0},
		     {"sda", S_IFBLK, 8, 0}, {"whiteout", S_IFCHR, 0, 0}, {"fuse", S_IFCHR, 10, 229},
		     {"null", S_IFCHR, 1, 3}};
	static const char *const there[] = {"/dev/mem", "/dev/kmsg", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/vda",
					    "/dev/sda", "/dev/loop0", "/dev/loop-control", "/dev/console", "/dev/tty0",
					    "/dev/net/tun", "/dev/vsock", "/dev/vhost-net", "/dev/userfaultfd", "/dev/mapper/control"};

	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
		char what[64];
		snprintf(what, sizeof what, "mknod %s", nodes[i].name);
		must_fail(what, mknod(under(dir, nodes[i].name), nodes[i].type | 0666,
				      makedev(nodes[i].major, nodes[i].minor)));
		must_fail(what, mknod(under("/tmp", nodes[i].name), nodes[i].type | 0666,
				      makedev(nodes[i].major, nodes[i].minor)));
	}
	for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
		must_fail(there[i], open(there[i], O_RDONLY | O_NONBLOCK));
	static const struct {
		const char *path;
		unsigned major, minor;
	} ours[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},
		    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		struct stat st;
		if (lstat(ours[i].path, &st) < 0 || !S_ISCHR(st.st_mode) ||
		    st.st_rdev != makedev(ours[i].major, ours[i].minor))
			broke("%s is not what it should be", ours[i].path);
		else
			held("%s is %u:%u", ours[i].path, ours[i].major, ours[i].minor);
		must_fail("chmod of a device", chmod(ours[i].path, 0777));
		must_fail("chown of a device", chown(ours[i].path, getuid(), getgid()));
	}
	must_fail("a file in /dev", open("/dev/new", O_WRONLY | O_CREAT, 0600));
	must_fail("unlink /dev/null", unlink("/dev/null"));
	must_fail("rename over /dev/null", rename("/dev/zero", "/dev/null"));
	struct statfs fs;
	if (statfs("/dev/pts", &fs) < 0 || fs.f_type != 0x1cd1)
		broke("/dev/pts is no devpts");
	/* A new instance: the host's terminals are not in it. */
	DIR *d = opendir("/dev/pts");
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' && strcmp(e->d_name, "0") != 0)
			broke("/dev/pts/%s", e->d_name);
	if (d)
		closedir(d);
}

/* Set-user-id and set-group-id files in a directory that the host sees: every way to make one. */
static void suid(int argc, char **argv)
{
	const char *dir = argument(argc, argv, 1, "/workspace");
	static const mode_t bits[] = {04755, 02755, 06755, 04000, 02000};
	char name[64];

	umask(0);
	if (chdir(dir) < 0)
		cannot("chdir %s", dir);
	for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
		mode_t m = bits[i];
		int n = snprintf(name, sizeof name, "s%zu-", i);
#define NAME(x) (strcpy(name + n, x), name)
		close(open(NAME("chmod"), O_WRONLY | O_CREAT, 0755));
		must_fail("chmod", chmod(name, m));
		must_fail("fchmodat", syscall(SYS_fchmodat, AT_FDCWD, name, m));
		must_fail("fchmodat2", syscall(452, AT_FDCWD, name, m, 0));
		must_fail("chmod with high bits", syscall(SYS_chmod, name, (unsigned long)m | 0xffff0000UL));
		int fd = open(name, O_RDONLY);
		must_fail("fchmod", fchmod(fd, m));
		close(fd);
		/* open with such a mode is refused altogether. */
		must_fail("creat", syscall(SYS_creat, NAME("creat"), m));
		must_fail("open", syscall(SYS_open, NAME("open"), O_WRONLY | O_CREAT, m));
		must_fail("openat", syscall(SYS_openat, AT_FDCWD, NAME("openat"), O_RDWR | O_CREAT | O_EXCL, m));
		must_fail("openat with high bits",
			  syscall(SYS_openat, AT_FDCWD, NAME("openat-high"),
				  0x100000000UL | O_RDWR | O_CREAT, (unsigned long)m | 0x100000000UL));
		struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = m & 07777};
		must_fail("openat2", syscall(SYS_openat2, AT_FDCWD, NAME("openat2"), &how, sizeof how));
		fd = (int)syscall(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_RDWR, m);
		if (fd >= 0) {
			char proc[64];
			snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
			bool linked = linkat(AT_FDCWD, proc, AT_FDCWD, NAME("tmpfile"), AT_SYMLINK_FOLLOW) == 0;
			broke("O_TMPFILE with mode %o%s", m, linked ? ", and linked" : "");
		} else {
			held("O_TMPFILE: %s", strerrorname_np(errno));
		}
		must_fail("mknod", syscall(SYS_mknod, NAME("mknod"), S_IFREG | m, 0));
		must_fail("mknod without type", syscall(SYS_mknod, NAME("mknod0"), m, 0));
		must_fail("mknodat", syscall(SYS_mknodat, AT_FDCWD, NAME("mknodat"), S_IFREG | m, 0));
		must_fail("mknodat fifo", syscall(SYS_mknodat, AT_FDCWD, NAME("fifo"), S_IFIFO | m, 0));
		must_fail("mkdir", mkdir(NAME("mkdir"), m) < 0 ? -1 : (chmod(name, m), 0));
		must_fail("mkdirat", syscall(SYS_mkdirat, AT_FDCWD, NAME("mkdirat"), m));
#undef NAME
	}
	static const unsigned char cap[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};
	close(open("cap", O_WRONLY | O_CREAT, 0755));
	must_fail("security.capability", setxattr("cap", "security.capability", cap, sizeof cap, 0));
	static const unsigned char cap3[24] = {1, 0, 0, 3, 0xff, 0xff, 0xff, 0xff};
	must_fail("security.capability v3", setxattr("cap", "security.capability", cap3, sizeof cap3, 0));
	must_fail("trusted xattr", setxattr("cap", "trusted.overlay.opaque", "y", 1, 0));
	must_fail("chown to root", chown("cap", 0, 0));
	must_fail("chown to another", chown("cap", 1, 1));
}

/* Everything outside of DIR is read-only. */
static void readonly(int argc, char **argv)
{
	static const char *const dirs[] = {"/", "/usr", "/usr/bin", "/etc", "/lib", "/usr/lib", "/dev", "/proc",
					   "/var", "/usr/local/bin", "/dev/pts"};
	static const char *const files[] = {"/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/etc/group", "/usr/bin/env",
					    "/bin/sh", "/etc/ld.so.cache", "/etc/nsswitch.conf"};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		must_fail(dirs[i], open(under(dirs[i], "oc-attack"), O_WRONLY | O_CREAT, 0600));
		must_fail(dirs[i], mkdir(under(dirs[i], "oc-attack"), 0700));
		must_fail(dirs[i], symlink("/x", under(dirs[i], "oc-attack")));
		must_fail(dirs[i], chmod(dirs[i], 0777));
		must_fail(dirs[i], rename(dirs[i], "/tmp/x"));
	}
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		try_write(files[i]);
		must_fail(files[i], truncate(files[i], 0));
		must_fail(files[i], unlink(files[i]));
		must_fail(files[i], link(files[i], "/tmp/l"));
		must_fail(files[i], rename(files[i], "/tmp/l"));
		must_fail(files[i], chmod(files[i], 0777));
	}
	static const char *const absent[] = {"/home", "/root", "/srv", "/mnt", "/boot", "/media", "/opt", "/sys/kernel",
					     "/run/docker.sock", "/run/systemd", "/run/dbus", "/run/user", "/var/run/docker.sock",
					     "/var/lib/dpkg", "/etc/shadow", "/etc/ssh", "/etc/sudoers", "/tmp/.X11-unix",
					     "/lost+found", "/etc/machine-id", "/var/log", "/var/spool"};
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
		must_fail(absent[i], access(absent[i], F_OK));
}

/* Standard input, a file that the caller opened for reading, opened again for writing. */
static void reopen(int argc, char **argv)
{
	static const char *const names[] = {"/proc/self/fd/0", "/dev/stdin", "/dev/fd/0", "/proc/thread-self/fd/0"};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = open(names[i], O_WRONLY);
		if (fd >= 0) {
			if (write(fd, "PWNED", 5) == 5)
				broke("%s opened for writing, and written", names[i]);
			close(fd);
		} else {
			held("%s for writing: %s", names[i], strerrorname_np(errno));
		}
		fd = open(names[i], O_RDWR);
		if (fd >= 0)
			broke("%s opened for reading and writing", names[i]);
		else
			held("%s for both: %s", names[i], strerrorname_np(errno));
	}
	must_fail("write", write(0, "PWNED", 5));
	must_fail("ftruncate", ftruncate(0, 0));
	must_fail("truncate by name", truncate("/proc/self/fd/0", 0));
	must_fail("shared writable mapping", (long)mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, 0, 0));
	must_fail("link to it", linkat(AT_FDCWD, "/proc/self/fd/0", AT_FDCWD, "/workspace/l", AT_SYMLINK_FOLLOW));
	must_fail("chmod of it", fchmod(0, 0666));
	if (fcntl(0, F_SETFL, O_RDWR) == 0 && (fcntl(0, F_GETFL) & O_ACCMODE) != O_RDONLY)
		broke("access mode changed");
}

/* Standard input, a pipe from the caller: whoever else reads it must not get what we write. */
static void stdin_pipe(int argc, char **argv)
{
	const char *text = argument(argc, argv, 1, "PWNED\n");
	static const char *const names[] = {"/proc/self/fd/0", "/dev/stdin"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = open(names[i], O_WRONLY | O_NONBLOCK);
		if (fd >= 0 && write(fd, text, strlen(text)) > 0)
			broke("%s: wrote into the pipe that we read from", names[i]);
		else
			held("%s: %s", names[i], strerrorname_np(errno));
	}
	must_fail("write", write(0, text, strlen(text)));
}

/* Link, rename, replace: guarded paths of the workspace.  Arguments are paths below the working directory. */
static void tamper(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *p = argv[i];
		char to[4096];
		struct stat st;
		if (lstat(p, &st) < 0)
			cannot("%s is not there", p);
		if (!S_ISDIR(st.st_mode)) {
			try_write(p);
			must_fail("truncate", truncate(p, 0));
			snprintf(to, sizeof to, "%s.hard", p);
			must_fail("hard link of it", link(p, to));
			must_fail("hard link at the top", link(p, "hard"));
		} else {
			snprintf(to, sizeof to, "%s/new", p);
			must_fail("file in it", open(to, O_WRONLY | O_CREAT, 0755));
		}
		must_fail("unlink", S_ISDIR(st.st_mode) ? rmdir(p) : unlink(p));
		snprintf(to, sizeof to, "%s.moved", p);
		must_fail("rename", rename(p, to));
		close(open("evil", O_WRONLY | O_CREAT, 0755));
		mkdir("evil.d", 0755);
		const char *evil = S_ISDIR(st.st_mode) ? "evil.d" : "evil";
		must_fail("rename over it", rename(evil, p));
		must_fail("exchange", syscall(SYS_renameat2, AT_FDCWD, evil, AT_FDCWD, p, 2));
		must_fail("chmod", chmod(p, 0777));
		must_fail("xattr", setxattr(p, "user.x", "y", 1, 0));
		must_fail("umount", umount2(p, MNT_DETACH));
	}
}

/* Put a file with CONTENT at PATH, parents too; "ok" only says that it was tried. */
static void plant(int argc, char **argv)
{
	const char *content = argument(argc, argv, 1, NULL);

	for (int i = 2; i < argc; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s", argv[i]);
		for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
			*p = '\0';
			mkdir(path, 0755);
			*p = '/';
		}
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
		bool done = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);
		held("plant %s: %s", path, done ? "done" : strerrorname_np(errno));
		close(fd);
	}
}

static void stays(int argc, char **argv)
{
	/* Runs for a while: somebody else does something to us meanwhile. */
	double seconds = atof(argument(argc, argv, 1, "1"));

	held("here");
	fflush(stdout);
	usleep((useconds_t)(seconds * 1e6));
}

const struct attempt attempts_files[] = {
	{"fds", fds, "inherited descriptors"},
	{"climb", climb, "CANARY: a directory outside of the root"},
	{"exes", exes, "[ROUNDS]: program files and insides of other processes"},
	{"procfs", procfs, "kernel switches, masked paths"},
	{"devices", devices, "[DIR]: device nodes"},
	{"suid", suid, "[DIR]: set-user-id files, file capabilities"},
	{"readonly", readonly, "system directories"},
	{"reopen", reopen, "standard input opened again for writing"},
	{"stdin-pipe", stdin_pipe, "[TEXT]: write into the pipe that is read"},
	{"tamper", tamper, "PATH...: change guarded paths"},
	{"plant", plant, "CONTENT PATH...: make files"},
	{"stays", stays, "[SECONDS]"},
	{NULL, NULL, NULL},
};
