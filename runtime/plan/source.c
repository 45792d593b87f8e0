/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - what is mounted: opened once, checked as a descriptor, kept open.
 *
 * The name is checked before it is opened and the path that the kernel has for the descriptor after it: a link
 * in the middle leads to another place, and the second check sees that place (CVE-2026-25724).
 * Nothing is opened for reading, so a device or a fifo behind the name feels nothing.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "runtime/plan/secrets.h"

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif
#define FUSE_CTL_MAGIC	   0x65735543
#define CONFIGFS_SUPER	   0x62656570
#define RPC_PIPEFS_MAGIC   0x67596969
#define NSFS_SUPER	   0x6e736673

/* File systems that are interfaces of the kernel, whatever path they are mounted on. */
static const char *kernel_fs(int fd)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} table[] = {
		{ PROC_SUPER_MAGIC, "proc" },	   { SYSFS_MAGIC, "sysfs" },	    { CGROUP_SUPER_MAGIC, "cgroup" },
		{ CGROUP2_SUPER_MAGIC, "cgroup2" }, { DEVPTS_SUPER_MAGIC, "devpts" }, { DEBUGFS_MAGIC, "debugfs" },
		{ TRACEFS_MAGIC, "tracefs" },	   { SECURITYFS_MAGIC, "securityfs" }, { BPF_FS_MAGIC, "bpf" },
		{ EFIVARFS_MAGIC, "efivarfs" },	   { PSTOREFS_MAGIC, "pstore" },    { SELINUX_MAGIC, "selinuxfs" },
		{ SMACK_MAGIC, "smackfs" },	   { BINFMTFS_MAGIC, "binfmt_misc" }, { NSFS_SUPER, "nsfs" },
		{ MQUEUE_MAGIC, "mqueue" },	   { FUSE_CTL_MAGIC, "fusectl" },   { CONFIGFS_SUPER, "configfs" },
		{ RPC_PIPEFS_MAGIC, "rpc_pipefs" },
	};
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return "unknown";
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if ((unsigned long)fs.f_type == table[i].magic)
			return table[i].name;
	return NULL;
}

static int identify(struct oc_mount *m, mode_t *type, struct oc_err *err)
{
	struct stat st;
	if (fstat(m->fd, &st) < 0)
		return oc_fail(err, errno, "stat %.300s", m->source);
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->owner_uid = st.st_uid;
	m->owner_gid = st.st_gid;
	m->is_dir = S_ISDIR(st.st_mode);
	*type = st.st_mode & S_IFMT;
	return 0;
}

static int wrong_type(const struct oc_mount *m, mode_t type, bool need_dir, struct oc_err *err)
{
	if (S_ISLNK(type)) {
		oc_fail(err, 0, "%.300s is a symbolic link", m->source);
		return oc_err_hint(err, "give the path that it leads to");
	}
	if (need_dir && !S_ISDIR(type))
		return oc_fail(err, 0, "%.300s is not a directory", m->source);
	if (S_ISDIR(type) || S_ISREG(type))
		return 0;
	return oc_fail(err, 0, "%.300s is a %s: only files and directories can be mounted", m->source,
		       S_ISSOCK(type) ? "socket" :
		       S_ISFIFO(type) ? "fifo" :
		       S_ISBLK(type) || S_ISCHR(type) ? "device" :
							"special file");
}

static int allowed_root(struct oc_builder *b, const char *path, struct oc_err *err)
{
	const struct oc_plan *plan = b->plan;
	if ((plan->workspace && oc_path_below(path, plan->workspace)) ||
	    (plan->scratch_dir && oc_path_below(path, plan->scratch_dir)))
		return 0;
	oc_fail(err, 0, "%.300s is outside the workspace and the scratch directory of the sandbox", path);
	return oc_err_hint(err, "set dangerouslyAllowExternalBindSources, or give the bind as --bind");
}

static int open_builtin(struct oc_builder *b, struct oc_mount *m, struct oc_err *err)
{
	mode_t type = 0;
	m->fd = oc_openat2(AT_FDCWD, m->source, O_PATH, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (m->fd < 0 && errno == ELOOP) {
		/* distributions move such places behind links; what is mounted is named by its real path */
		m->fd = oc_openat2(AT_FDCWD, m->source, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
		if (m->fd >= 0 && !(m->source = oc_fd_path(b->a, m->fd)))
			return oc_fail(err, errno, "path of %s", m->target);
	}
	if (m->fd < 0)
		return oc_fail(err, errno, "open %s", m->source);
	return identify(m, &type, err) < 0 ? -1 : wrong_type(m, type, false, err);
}

static int open_checked(struct oc_builder *b, struct oc_mount *m, enum oc_source_rule rule, bool allow_outside,
			struct oc_err *err)
{
	mode_t type = 0;
	if (oc_secrets_check(b, m->source, rule, err) < 0)
		return -1;
	/* without a link on the way the name is the path, and one look at it is enough */
	bool linked = false;
	m->fd = oc_openat2(AT_FDCWD, m->source, O_PATH, 0, RESOLVE_NO_SYMLINKS);
	if (m->fd < 0 && errno == ELOOP) {
		linked = true;
		m->fd = oc_openat2(AT_FDCWD, m->source, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
	}
	if (m->fd < 0) {
		int e = errno;
		oc_fail(err, e, "open %.300s", m->source);
		return e == ENOENT ? oc_err_hint(err, "make it first: the sandbox creates nothing on the host") : -1;
	}
	if (identify(m, &type, err) < 0 || wrong_type(m, type, rule != OC_SOURCE_BIND, err) < 0)
		return -1;
	const char *fs = kernel_fs(m->fd);
	if (fs)
		return oc_fail(err, 0, "%.300s is on a %s file system, which is an interface of the kernel",
			       m->source, fs);
	if (linked) {
		const char *real = oc_fd_path(b->a, m->fd);
		if (!real || *real != '/')
			return oc_fail(err, errno, "%.300s has no path that can be reached from here", m->source);
		if (strcmp(real, m->source) != 0 && oc_secrets_check(b, real, rule, err) < 0)
			return oc_err_context(err, "%.300s leads to another place", m->source);
		m->source = real;
	}
	return allow_outside ? 0 : allowed_root(b, m->source, err);
}

int oc_source_identify(struct oc_mount *m, struct oc_err *err)
{
	mode_t type = 0;
	return identify(m, &type, err) < 0 ? -1 : wrong_type(m, type, false, err);
}

int oc_source_open(struct oc_builder *b, struct oc_mount *m, enum oc_source_rule rule, bool allow_outside,
		   struct oc_err *err)
{
	int r = rule == OC_SOURCE_BUILTIN ? open_builtin(b, m, err) : open_checked(b, m, rule, allow_outside, err);
	if (r < 0) {
		int e = err ? err->errnum : 0;
		oc_closep(&m->fd);
		m->fd = -1;
		errno = e;
	}
	return r;
}
