/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_files - the root file system, mounts, hidden paths, devices, and what only Landlock
 * forbids.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/verify/probe.h"

static void failed(struct oc_probe_out *out, const char *what)
{
	oc_probe_say(out, "error", "%s: %s", what, oc_probe_errname(errno));
}

/* Entries but "." and ".."; -1 with errno.  Stops counting at 1000. */
static int entries(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	long n;

	if (fd < 0)
		return -1;
	while (count < 1000 && (n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + at);

			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
				count++;
			at += d->d_reclen;
		}
	close(fd);
	return count;
}

/* Argument: "DEV INO PATH", what PATH is on the host. */
static void rootfs_object(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	unsigned long long dev, ino;
	int at = 0, n;
	struct stat st;

	if (sscanf(ctx->arg, "%llu %llu %n", &dev, &ino, &at) < 2 || at == 0) {
		oc_probe_say(out, "error", "needs an argument");
		return;
	}
	if (stat(ctx->arg + at, &st) < 0) {
		oc_probe_say(out, errno == ENOENT ? "absent" : "denied", "%s",
			     oc_probe_errname(errno));
		return;
	}
	if (st.st_dev == dev && st.st_ino == ino) {
		oc_probe_say(out, "host", "the host's own");
		return;
	}
	n = S_ISDIR(st.st_mode) ? entries(ctx->arg + at) : 1;
	if (n < 0)
		oc_probe_say(out, "denied", "%s", oc_probe_errname(errno));
	else if (n == 0)
		oc_probe_say(out, "empty", "%s", "");
	else
		oc_probe_say(out, "other", "%d entries", n);
}

/*
 * Argument: "MAJOR:MINOR" of the host's root file system.  Also says how many mounts still have a
 * peer or a master: events of the host would come in through those.
 */
static void mount_table(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static char buf[1 << 20];
	char *line, *save = NULL, dev[64], root[8];
	unsigned mounts = 0, shared = 0, host_root = 0;

	if (oc_probe_slurp("/proc/self/mountinfo", buf, sizeof(buf)) < 0) {
		failed(out, "mountinfo");
		return;
	}
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *opt = strstr(line, " - ");

		mounts++;
		if (opt)
			*opt = '\0';
		if (strstr(line, " shared:") || strstr(line, " master:"))
			shared++;
		if (sscanf(line, "%*u %*u %63s %7s", dev, root) == 2 && !strcmp(dev, ctx->arg) &&
		    !strcmp(root, "/"))
			host_root++;
	}
	oc_probe_say(out, "value", "mounts=%u shared=%u host-root=%u", mounts, shared, host_root);
}

/* Argument: path.  Flags of the mount that it lies on. */
static void mount_flags(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct statvfs v;
	struct statfs f;

	if (statvfs(ctx->arg, &v) < 0 || statfs(ctx->arg, &f) < 0) {
		oc_probe_say(out, errno == ENOENT ? "absent" : "error", "%s",
			     oc_probe_errname(errno));
		return;
	}
	oc_probe_say(out, "value", "%s%s%s%s", v.f_flag & ST_RDONLY ? "ro" : "rw",
		     v.f_flag & ST_NOSUID ? ",nosuid" : "", v.f_flag & ST_NODEV ? ",nodev" : "",
		     v.f_flag & ST_NOEXEC ? ",noexec" : "");
	if (f.f_type == PROC_SUPER_MAGIC)
		oc_probe_add(out, ",proc");
	else if (f.f_type == SYSFS_MAGIC)
		oc_probe_add(out, ",sysfs");
	else if (f.f_type == TMPFS_MAGIC)
		oc_probe_add(out, ",tmpfs");
}

/* Argument: path.  A directory: a file is made in it, without a name where that is possible. A
 * file: opened for writing. */
static void mount_write(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char name[4200];
	struct stat st;
	int fd;

	if (lstat(ctx->arg, &st) < 0) {
		oc_probe_say(out, errno == ENOENT ? "absent" : "error", "%s",
			     oc_probe_errname(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		/* Not truncated, not appended: being able to open it is the answer. */
		oc_probe_result(out, open(ctx->arg, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
							    O_NONBLOCK));
		return;
	}
	fd = open(ctx->arg, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		snprintf(name, sizeof(name), "%s/.oc-probe-%d", ctx->arg, getpid());
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 && unlink(name) < 0) {
			oc_probe_say(out, "allowed", "and %s could not be removed", name);
			return;
		}
	}
	oc_probe_result(out, fd);
}

/* Argument: path.  A mount point can be neither renamed nor removed from inside. */
static void mount_point(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct statx sx;

	if (statx(AT_FDCWD, ctx->arg, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) < 0)
		oc_probe_say(out, errno == ENOENT ? "absent" : "error", "%s",
			     oc_probe_errname(errno));
	else
		oc_probe_say(out, "value", "%s",
			     sx.stx_attributes & STATX_ATTR_MOUNT_ROOT ? "yes" : "no");
}

/* A /proc of another pid namespace has another idea of who we are, or none. */
static void proc_own(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[32];
	ssize_t n = readlink("/proc/self", buf, sizeof(buf) - 1);

	(void)ctx;
	if (n < 0) {
		failed(out, "/proc/self");
		return;
	}
	buf[n] = '\0';
	oc_probe_say(out, "value", "%s", strtol(buf, NULL, 10) == getpid() ? "own" : "foreign");
}

/* Argument: path.  Is it hidden: gone, an empty directory that is not /proc's or /sys's, the null
 * device, an empty file? */
static void masked(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct stat st;
	struct statfs f;
	bool kernel;

	if (stat(ctx->arg, &st) < 0 || statfs(ctx->arg, &f) < 0) {
		oc_probe_say(out, errno == ENOENT ? "absent" : "error", "%s",
			     oc_probe_errname(errno));
		return;
	}
	kernel = f.f_type == PROC_SUPER_MAGIC || f.f_type == SYSFS_MAGIC;
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		oc_probe_say(out, "masked", "null device");
	else if (S_ISDIR(st.st_mode) && !kernel && entries(ctx->arg) == 0)
		oc_probe_say(out, "masked", "empty directory");
	else if (S_ISREG(st.st_mode) && !kernel && st.st_size == 0)
		oc_probe_say(out, "masked", "empty file");
	else
		oc_probe_say(out, "present", "%s", S_ISDIR(st.st_mode) ? "directory" : "file");
}

struct names {
	char name[128][32];
	unsigned count;
};

static int list(const char *path, struct names *l)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	l->count = 0;
	if (fd < 0)
		return -1;
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + at);

			at += d->d_reclen;
			if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
				continue;
			if (l->count == 128) {
				close(fd);
				errno = EOVERFLOW;
				return -1;
			}
			snprintf(l->name[l->count++], sizeof(l->name[0]), "%.31s", d->d_name);
		}
	close(fd);
	qsort(l->name, l->count, sizeof(l->name[0]), (int (*)(const void *, const void *))strcmp);
	return 0;
}

/* Every name in /dev and what it is: "full=c1:7 null=c1:3 pts=d ptmx=l". */
static void dev_nodes(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static struct names l;
	char path[64];
	struct stat st;

	(void)ctx;
	if (list("/dev", &l) < 0) {
		failed(out, "/dev");
		return;
	}
	oc_probe_say(out, "value", "%s", "");
	for (unsigned i = 0; i < l.count; i++) {
		snprintf(path, sizeof(path), "/dev/%s", l.name[i]);
		oc_probe_add(out, "%s%s=", i ? " " : "", l.name[i]);
		if (lstat(path, &st) < 0)
			oc_probe_add(out, "?");
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			oc_probe_add(out, "%c%u:%u", S_ISCHR(st.st_mode) ? 'c' : 'b',
				     major(st.st_rdev), minor(st.st_rdev));
		else
			oc_probe_add(out, "%c",
				     S_ISDIR(st.st_mode)   ? 'd'
				     : S_ISLNK(st.st_mode) ? 'l'
							   : 'f');
	}
}

/* Terminals of others in our devpts. */
static void dev_terminals(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static struct names l;
	unsigned count = 0;

	(void)ctx;
	if (list("/dev/pts", &l) < 0) {
		failed(out, "/dev/pts");
		return;
	}
	for (unsigned i = 0; i < l.count; i++)
		if (l.name[i][0] >= '0' && l.name[i][0] <= '9')
			count++;
	oc_probe_say(out, "value", "%u", count);
}

/* --- what only Landlock forbids --- */

/*
 * A process can be in 16 Landlock domains, one in another; how many more fit says in how many it
 * is.  The rulesets made here forbid nothing but making a socket file.
 */
static void landlock_domains(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	uint64_t attr = UINT64_C(1) << 9;
	long set = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0UL);
	int more = 0;

	(void)ctx;
	if (set < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		failed(out, "landlock_create_ruleset");
		return;
	}
	while (more < 64 && syscall(SYS_landlock_restrict_self, set, 0UL) == 0)
		more++;
	if (errno != E2BIG)
		failed(out, "landlock_restrict_self");
	else
		oc_probe_say(out, "value", "%d", 16 - more);
}

/* A directory of the host that leaked in as a descriptor (CVE-2024-21626): mounts and namespaces do
 * not stop openat. */
static void landlock_leak(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	int fd = ctx->fd[OC_PROBE_FD_ROOT];

	if (fd < 0)
		oc_probe_say(out, "error", "no directory was handed over");
	else
		oc_probe_result(out, openat(fd, "etc/passwd", O_RDONLY | O_CLOEXEC));
}

/*
 * Argument: a writable directory.  Device 0:0 is the one node that needs no capability (5.8): the
 * filter refuses it, and behind it Landlock, none of whose rules grants making device nodes
 * anywhere.
 */
static void dev_make(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char name[4200];
	const char *dir = *ctx->arg ? ctx->arg : "/tmp";
	int r;

	snprintf(name, sizeof(name), "%s/.oc-probe-%d", dir, getpid());
	r = mknod(name, S_IFCHR | 0600, 0);
	if (r == 0 && unlink(name) < 0)
		oc_probe_say(out, "allowed", "and %s could not be removed", name);
	else
		oc_probe_result(out, r);
}

const struct oc_probe oc_probe_files[] = {
	{"rootfs.object", rootfs_object},
	{"rootfs.flags", mount_flags},
	{"rootfs.write", mount_write},
	{"mount.table", mount_table},
	{"mount.flags", mount_flags},
	{"mount.write", mount_write},
	{"mount.point", mount_point},
	{"proc.own", proc_own},
	{"proc.flags", mount_flags},
	{"masks.object", masked},
	{"dev.nodes", dev_nodes},
	{"dev.flags", mount_flags},
	{"dev.write", mount_write},
	{"dev.terminals", dev_terminals},
	{"dev.make-node", dev_make},
	{"landlock.domains", landlock_domains},
	{"landlock.leaked-directory", landlock_leak},
	{NULL, NULL},
};
