/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts - the root file system of the sandbox, row by row.
 *
 * Theory of operation.  The new root is a tmpfs of our own, attached before it is filled (moving a mount onto a detached
 * tree fails with EINVAL on kernels such as 6.12).  Every row of the plan becomes a detached mount whose flags are complete
 * before anyone can see it (open_tree, mount_setattr, move_mount), and is attached to a descriptor that openat2 resolved
 * beneath the new root without following a link.  No path is resolved twice and mountinfo is never parsed, so a bind
 * costs the same whatever else is mounted.
 *
 * Must not: create a mount point in a file system that is not ours (it would stay behind on the host); follow a link of
 * the root file system or of a workspace (CVE-2021-30465, CVE-2026-41579).
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/overlay.h"
#include "runtime/launch/sys.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

int oc_step_propagation(struct oc_child *c, struct oc_err *err)
{
	(void)c;
	/* Slave, not private: an unmount on the host must reach our copy, or we would pin the file system until the pivot. */
	struct mount_attr attr = {.propagation = MS_SLAVE};
	if (oc_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr) < 0) {
		oc_fail(err, errno, "cannot make the copied mounts slaves of the host's");
		return oc_err_hint(err, "mount_setattr(2) needs kernel 5.12 or newer");
	}
	return 0;
}

static int fs_config(int fs, const char *key, const char *value)
{
	return oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value);
}

static const char *octal(char buf[24], mode_t n)
{
	char *p = buf + 23;
	*p = '\0';
	do
		*--p = (char)('0' + (n & 7));
	while ((n >>= 3) != 0);
	return p;
}

int oc_mount_tmpfs(uint64_t size, uint64_t inodes, mode_t mode, unsigned attrs, struct oc_err *err)
{
	char buf[24];
	oc_auto_close fs = oc_sys_fsopen("tmpfs");

	if (fs < 0)
		return oc_fail(err, errno, "cannot open a tmpfs");
	if ((size && fs_config(fs, "size", oc_digits(buf, size)) < 0) ||
	    (inodes && fs_config(fs, "nr_inodes", oc_digits(buf, inodes)) < 0) ||
	    fs_config(fs, "mode", octal(buf, mode)) < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return oc_fail(err, errno, "cannot configure a tmpfs");
	int fd = oc_sys_fsmount(fs, attrs);
	if (fd < 0)
		return oc_fail(err, errno, "cannot make a tmpfs");
	return fd;
}

int oc_mount_read_only(int fd)
{
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int tries = 0; oc_sys_mount_setattr(fd, "", AT_EMPTY_PATH, &ro) < 0; tries++) {
		if (errno != EBUSY || tries == 200)
			return -1;
		nanosleep(&moment, NULL);
	}
	return 0;
}

static int remember_own(struct oc_child *c, int fd, struct oc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot look at a new tmpfs");
	/* More tmpfs rows than slots: mount points below the later ones must exist already. */
	if (c->own_dev_count < sizeof c->own_dev / sizeof c->own_dev[0])
		c->own_dev[c->own_dev_count++] = st.st_dev;
	return 0;
}

static bool is_own(const struct oc_child *c, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	for (unsigned i = 0; i < c->own_dev_count; i++)
		if (c->own_dev[i] == st.st_dev)
			return true;
	return false;
}

int oc_step_new_root(struct oc_child *c, struct oc_err *err)
{
	/* Room for mount points and the few files that we write; nothing of the payload ever lands here. */
	c->root_fd = oc_mount_tmpfs(4 << 20, 4096, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (c->root_fd < 0)
		return oc_err_context(err, "new root");
	if (remember_own(c, c->root_fd, err) < 0)
		return -1;
	if (oc_sys_move_mount(c->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot attach the new root");
	return 0;
}

/* Make the last component of a path whose parent is dir; a file when is_dir is false. */
static int make_point(const struct oc_child *c, int dir, const char *name, bool is_dir, mode_t mode,
		      const char *target, struct oc_err *err)
{
	if (!is_own(c, dir)) {
		oc_fail(err, ENOENT, "no place to mount on at %s", target);
		return oc_err_hint(err, "create it in the directory that is mounted there; oc-sandbox "
					"never creates mount points in host directories");
	}
	int r = is_dir ? mkdirat(dir, name, mode) : mknodat(dir, name, S_IFREG | 0444, 0);
	if (r < 0 && errno != EEXIST)
		return oc_fail(err, errno, "cannot make the mount point %s", target);
	return 0;
}

/* Open the directory path (without the leading '/'), making what is missing where the file system is ours. */
static int walk_parent(const struct oc_child *c, char *path, const char *target, struct oc_err *err)
{
	oc_auto_close dir = fcntl(c->root_fd, F_DUPFD_CLOEXEC, 3);

	for (char *p = path; dir >= 0;) {
		char *end = strchr(p, '/');
		if (end)
			*end = '\0';
		int next = oc_openat2(dir, p, O_PATH | O_DIRECTORY, 0, BENEATH);
		if (next < 0 && errno == ENOENT) {
			if (make_point(c, dir, p, true, 0755, target, err) < 0)
				return -1;
			next = oc_openat2(dir, p, O_PATH | O_DIRECTORY, 0, BENEATH);
		}
		if (next < 0)
			return oc_fail(err, errno, "cannot reach the mount target %s", target);
		close(dir);
		dir = next;
		if (!end)
			return oc_steal_fd(&dir);
		p = end + 1;
	}
	return oc_fail(err, errno, "cannot reach the mount target %s", target);
}

/*
 * Descriptor of the target's parent directory, its missing parts made where the file system is ours; *name is the last
 * component.  It stays ours: the parent of the row before is kept, for neighbours (the files of /etc) come in a row.
 */
static int open_parent(struct oc_child *c, const char *target, const char **name, struct oc_err *err)
{
	const char *rel = target + 1;
	const char *slash = strrchr(rel, '/');
	char path[4096];

	*name = slash ? slash + 1 : rel;
	if (!slash)
		return c->root_fd;
	size_t len = (size_t)(slash - rel);
	if (len >= sizeof path)
		return oc_fail(err, ENAMETOOLONG, "mount target %s", target);
	if (c->parent_fd >= 0 && strncmp(c->parent_of + 1, rel, len + 1) == 0 &&
	    !strchr(c->parent_of + 1 + len + 1, '/'))
		return c->parent_fd;
	memcpy(path, rel, len);
	path[len] = '\0';
	int fd = oc_openat2(c->root_fd, path, O_PATH | O_DIRECTORY, 0, IN_ROOT);
	if (fd < 0 && errno == ENOENT)
		fd = walk_parent(c, path, target, err);
	else if (fd < 0)
		return oc_fail(err, errno, "cannot reach the mount target %s", target);
	if (fd < 0)
		return -1;
	oc_closep(&c->parent_fd);
	c->parent_fd = fd;
	c->parent_of = target;
	c->parent_own = is_own(c, fd);
	return fd;
}

/* Whether what open_parent gave may get new entries. */
static bool parent_is_own(const struct oc_child *c, int dir)
{
	return dir == c->root_fd || (dir == c->parent_fd && c->parent_own);
}

/* Something was mounted on target: a parent that is kept may lie under it now. */
static void forget_parent(struct oc_child *c, const char *target)
{
	size_t n = strlen(target);

	if (c->parent_fd >= 0 && strncmp(c->parent_of, target, n) == 0 && c->parent_of[n] == '/') {
		close(c->parent_fd);
		c->parent_fd = -1;
	}
}

/* Descriptor of a mount point of the wanted kind, made if it is missing and the file system is ours. */
static int open_point(struct oc_child *c, const char *target, bool is_dir, mode_t mode,
		      struct oc_err *err)
{
	const char *name;
	int dir = open_parent(c, target, &name, err);

	if (dir < 0)
		return -1;
	uint64_t flags = O_PATH | O_NOFOLLOW | (is_dir ? (uint64_t)O_DIRECTORY : 0);
	/* The usual case: a new name in a directory of ours. */
	if (parent_is_own(c, dir) && (is_dir ? mkdirat(dir, name, mode)
					     : mknodat(dir, name, S_IFREG | 0444, 0)) == 0)
		return oc_openat2(dir, name, flags, 0, IN_ROOT);
	int fd = oc_openat2(dir, name, flags, 0, IN_ROOT);
	if (fd < 0 && errno == ENOENT) {
		if (make_point(c, dir, name, is_dir, mode, target, err) < 0)
			return -1;
		fd = oc_openat2(dir, name, flags, 0, IN_ROOT);
	}
	if (fd < 0) {
		oc_fail(err, errno, "cannot mount on %s", target);
		if (err->errnum == ELOOP)
			oc_err_hint(err, "it is a symbolic link; links are not followed there");
		return -1;
	}
	struct stat st;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != is_dir) {
		close(fd);
		oc_fail(err, is_dir ? ENOTDIR : EISDIR, "cannot mount on %s", target);
		return oc_err_hint(err, "source and target must both be directories or both be files");
	}
	return fd;
}

/* Attach a detached mount at the target. */
static int attach(struct oc_child *c, int tree, const char *target, bool is_dir, mode_t mode,
		  struct oc_err *err)
{
	const char *name;
	int dir = open_parent(c, target, &name, err);

	if (dir < 0)
		return -1;
	/* The usual case: a new name in a directory of ours, where nobody else can put a link. */
	if (parent_is_own(c, dir)) {
		int r = is_dir ? mkdirat(dir, name, mode) : mknodat(dir, name, S_IFREG | 0444, 0);
		if (r == 0) {
			if (oc_sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
				return oc_fail(err, errno, "cannot mount on %s", target);
			return 0;
		}
		if (errno != EEXIST)
			return oc_fail(err, errno, "cannot make the mount point %s", target);
	}
	oc_auto_close at = open_point(c, target, is_dir, mode, err);
	if (at < 0)
		return -1;
	if (oc_sys_move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount on %s", target);
	forget_parent(c, target);
	return 0;
}

/*
 * Open the source of a bind row again on this side of clone3 (an O_PATH descriptor of the parent's mount
 * namespace cannot be cloned here) and refuse anything but the inode that was validated.
 */
static int clone_source(const struct oc_child *c, const struct oc_mount *row, struct oc_err *err)
{
	(void)c;
	oc_auto_close src = oc_openat2(AT_FDCWD, row->source, O_PATH | O_NOFOLLOW, 0,
				       row->fd >= 0 ? RESOLVE_NO_MAGICLINKS : 0);
	if (src < 0)
		return oc_fail(err, errno, "cannot open %s (for %s)", row->source, row->target);
	if (row->fd >= 0) {
		struct stat st;
		if (fstat(src, &st) < 0 || st.st_dev != (dev_t)row->dev || st.st_ino != row->ino) {
			oc_fail(err, 0, "%s is not the object that was checked any more", row->source);
			return oc_err_hint(err, "something replaced it while the sandbox was made");
		}
	}
	int tree = oc_sys_open_tree(src, "",
				    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return oc_fail(err, errno, "cannot clone %s (for %s)", row->source, row->target);
	return tree;
}

/*
 * Descriptors that are kept: pid 1 closes everything at once.  Those of the first rows only, for an ordinary user's limit of
 * descriptors is as low as 1024.
 */
#define KEPT_ROWS 256

static int bind_row(struct oc_child *c, size_t i, struct oc_err *err)
{
	const struct oc_mount *row = &c->plan->mounts[i];
	int prepared = c->mounts[i].tree_fd;
	oc_auto_close own = prepared >= 0 ? -1 : clone_source(c, row, err);
	int tree = prepared >= 0 ? prepared : own;
	bool is_dir = row->is_dir;

	if (tree < 0)
		return row->optional && err->errnum == ENOENT ? 0 : -1;
	if (prepared < 0) {
		struct mount_attr attr = {
			.attr_set = (uint64_t)MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				    (row->read_only ? MOUNT_ATTR_RDONLY : 0) |
				    (row->no_exec ? MOUNT_ATTR_NOEXEC : 0),
			.propagation = MS_PRIVATE,
		};
		if (oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0)
			return oc_fail(err, errno, "cannot set the flags of %s", row->target);
	}
	oc_auto_close overlay = -1;
	if (row->overlay) {
		overlay = oc_overlay_mount(c, row, tree, err);
		if (overlay < 0)
			return -1;
		tree = overlay;
	}
	if (row->fd < 0) { /* built-in rows were not looked at by the plan */
		struct stat st;
		if (fstat(tree, &st) < 0)
			return oc_fail(err, errno, "cannot look at %s", row->source);
		is_dir = S_ISDIR(st.st_mode);
	}
	if (attach(c, tree, row->target, is_dir, 0755, err) < 0)
		return -1;
	if (row->fd >= 0 && !row->read_only && i < KEPT_ROWS)
		c->mounts[i].at_fd = row->overlay    ? oc_steal_fd(&overlay)
				     : prepared >= 0 ? prepared
						     : oc_steal_fd(&own);
	return 0;
}

static int tmpfs_row(struct oc_child *c, size_t i, struct oc_err *err)
{
	const struct oc_mount *row = &c->plan->mounts[i];
	unsigned attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (row->no_exec ? MOUNT_ATTR_NOEXEC : 0) |
			 (row->read_only ? MOUNT_ATTR_RDONLY : 0);
	oc_auto_close fd = oc_mount_tmpfs(row->size_bytes, row->inodes, row->mode, attrs, err);

	if (fd < 0)
		return oc_err_context(err, "%s", row->target);
	if (remember_own(c, fd, err) < 0)
		return -1;
	if (attach(c, fd, row->target, true, 0755, err) < 0)
		return -1;
	if (!row->read_only && i < KEPT_ROWS)
		c->mounts[i].at_fd = oc_steal_fd(&fd);
	return 0;
}

/*
 * A file of ours.  On our own tmpfs it is simply written; over a root file system of the user's it is a read-only
 * mount, so that nothing is written into the user's tree.
 */
static int file_row(struct oc_child *c, const struct oc_mount *row, struct oc_err *err)
{
	const char *name;
	int dir = open_parent(c, row->target, &name, err);

	if (dir < 0)
		return -1;
	if (parent_is_own(c, dir)) {
		oc_auto_close fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					  row->mode ? row->mode : 0444);
		if (fd < 0)
			return oc_fail(err, errno, "cannot make %s", row->target);
		if (oc_write_all(fd, row->content, row->content_len) < 0)
			return oc_fail(err, errno, "cannot write %s", row->target);
		return 0;
	}
	oc_auto_close fs = oc_mount_tmpfs(row->content_len + 65536, 16, 0755,
					  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (fs < 0)
		return oc_err_context(err, "%s", row->target);
	oc_auto_close fd =
		openat(fs, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, row->mode ? row->mode : 0444);
	if (fd < 0 || oc_write_all(fd, row->content, row->content_len) < 0)
		return oc_fail(err, errno, "cannot write the content of %s", row->target);
	oc_auto_close tree = oc_sys_open_tree(fs, "f", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY,
		.propagation = MS_PRIVATE,
	};
	if (tree < 0 || oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return oc_fail(err, errno, "cannot make %s read-only", row->target);
	if (attach(c, tree, row->target, false, 0444, err) < 0)
		return row->optional && err->errnum == ENOENT ? 0 : -1;
	return 0;
}

static int symlink_row(struct oc_child *c, const struct oc_mount *row, struct oc_err *err)
{
	const char *name;
	int dir = open_parent(c, row->target, &name, err);

	if (dir < 0)
		return -1;
	if (!parent_is_own(c, dir))
		return row->optional ? 0
				     : oc_fail(err, EROFS, "cannot make the link %s", row->target);
	if (symlinkat(row->source, dir, name) < 0)
		return oc_fail(err, errno, "cannot make the link %s", row->target);
	return 0;
}

/*
 * Guarded paths of a writable directory: each is bound on itself, read-only or pinned.  The list comes from a scan of
 * a hostile tree: resolve beneath the workspace without links, and insist on the inode that the scan saw.
 */
static int guard_rows(struct oc_child *c, size_t index, struct oc_err *err)
{
	const struct oc_mount *row = &c->plan->mounts[index];
	oc_auto_close ws = oc_openat2(c->root_fd, row->target + 1, O_PATH | O_DIRECTORY, 0, IN_ROOT);

	if (ws < 0)
		return oc_fail(err, errno, "cannot open %s", row->target);
	for (size_t i = 0; i < c->plan->guard_count; i++) {
		const struct oc_guard *g = &c->plan->guards[i];
		if (g->mount != index)
			continue;
		oc_auto_close at =
			oc_openat2(ws, g->path, O_PATH | O_NOFOLLOW, 0,
				   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
		struct stat st;
		if (at < 0 || fstat(at, &st) < 0)
			return oc_fail(err, errno, "cannot reach the guarded path %s", g->path);
		if (st.st_dev != (dev_t)g->dev || st.st_ino != g->ino) {
			oc_fail(err, 0, "guarded path %s is not the object that was found any more",
				g->path);
			return oc_err_hint(err, "something changed the workspace meanwhile; try again");
		}
		if (g->kind == OC_GUARD_HIDE) {
			oc_auto_close null = oc_dev_clone_null(c, err);
			if (null < 0)
				return -1;
			if (oc_sys_move_mount(null, "", at, "",
					      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
				return oc_fail(err, errno, "cannot hide %s", g->path);
			continue;
		}
		oc_auto_close tree =
			oc_sys_open_tree(at, "",
					 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
						 AT_RECURSIVE);
		struct mount_attr attr = {
			.attr_set = (uint64_t)MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				    (g->kind == OC_GUARD_RO ? MOUNT_ATTR_RDONLY : 0),
			.propagation = MS_PRIVATE,
		};
		if (tree < 0 ||
		    oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
		    oc_sys_move_mount(tree, "", at, "",
				      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return oc_fail(err, errno, "cannot guard %s", g->path);
	}
	return 0;
}

static int one_row(struct oc_child *c, size_t i, struct oc_err *err)
{
	const struct oc_mount *row = &c->plan->mounts[i];

	switch (row->kind) {
	case OC_MOUNT_BIND:
		if (bind_row(c, i, err) < 0)
			return -1;
		return row->guarded ? guard_rows(c, i, err) : 0;
	case OC_MOUNT_TMPFS:
		return tmpfs_row(c, i, err);
	case OC_MOUNT_FILE:
		return file_row(c, row, err);
	case OC_MOUNT_SYMLINK:
		return symlink_row(c, row, err);
	case OC_MOUNT_DIR: {
		oc_auto_close fd = open_point(c, row->target, true, row->mode ? row->mode : 0755, err);
		return fd < 0 ? -1 : 0;
	}
	case OC_MOUNT_PROC:
	case OC_MOUNT_DEV:
	case OC_MOUNT_SYSFS: {
		oc_auto_close fd = open_point(c, row->target, true, 0755, err);
		if (fd < 0)
			return -1;
		if (row->kind == OC_MOUNT_SYSFS)
			return oc_mount_sysfs(c, fd, err);
		c->row = row;
		c->point_fd = fd;
		int r;
		if (row->kind == OC_MOUNT_DEV) {
			r = oc_child_step(c, OC_LAYER_DEV, oc_step_dev);
		} else {
			/* The limit on nested namespaces is set through it while it can still be written: a layer of its own. */
			r = oc_child_step(c, OC_LAYER_PROC, oc_step_proc_make);
			if (r == 0)
				r = oc_child_step(c, OC_LAYER_NESTED, oc_step_nested);
			if (r == 0)
				r = oc_child_step(c, OC_LAYER_PROC, oc_step_proc_attach);
		}
		if (r < 0)
			*err = c->err; /* names its own layer */
		return r;
	}
	}
	return oc_fail(err, EINVAL, "unknown kind of mount for %s", row->target);
}

int oc_step_rows(struct oc_child *c, struct oc_err *err)
{
	for (size_t i = 0; i < c->plan->mount_count; i++)
		if (one_row(c, i, err) < 0)
			return -1;
	return 0;
}

/*
 * A regular file of the caller's as standard input belongs to the payload's id when the caller is an ordinary user: through
 * its descriptor the payload could change the file's mode, times and attributes.  A descriptor that was opened on a
 * read-only mount of the same file cannot (EROFS), and reads the same from the same place.
 */
int oc_step_input(struct oc_child *c, struct oc_err *err)
{
	static const char name[] = ".input";
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	struct stat was, now;

	if (!c->input_path)
		return 0;
#ifdef OC_TEST_WEAKEN
	if (c->drop && strcmp(c->drop, "input") == 0)
		return 0;
#endif
	oc_auto_close tree = oc_sys_open_tree(AT_FDCWD, c->input_path,
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0 || fstat(tree, &now) < 0 || fstat(c->stdio[0], &was) < 0)
		return oc_fail(err, errno, "cannot look at standard input, %s", c->input_path);
	if (now.st_dev != was.st_dev || now.st_ino != was.st_ino)
		return oc_fail(err, 0, "standard input is not %s any more", c->input_path);
	if (oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0 ||
	    mknodat(c->root_fd, name, S_IFREG | 0400, 0) < 0 ||
	    oc_sys_move_mount(tree, "", c->root_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount standard input read-only");
	int fd = oc_openat2(c->root_fd, name, O_RDONLY | O_NOCTTY | O_NOFOLLOW, 0, IN_ROOT);
	off_t at = lseek(c->stdio[0], 0, SEEK_CUR);
	if (fd < 0 || at < 0 || lseek(fd, at, SEEK_SET) != at)
		return oc_fail(err, errno, "cannot open standard input through its read-only mount");
	/* The descriptor keeps the mount; its place goes again. */
	if (fchdir(c->root_fd) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ||
	    unlinkat(c->root_fd, name, 0) < 0)
		return oc_fail(err, errno, "cannot take the place of standard input away");
	c->stdio[0] = fd;
	return 0;
}

int oc_step_pivot(struct oc_child *c, struct oc_err *err)
{
	if (fchdir(c->root_fd) < 0)
		return oc_fail(err, errno, "cannot enter the new root");
	if (oc_sys_pivot_root(".", ".") < 0) {
		oc_fail(err, errno, "pivot_root");
		return oc_err_hint(err, "the host's root must be a real mount, not an initramfs");
	}
	/* The old root now lies on top of the new one.  Private first: the detach must not reach the host. */
	struct mount_attr attr = {.propagation = MS_PRIVATE};
	if (oc_sys_mount_setattr(AT_FDCWD, ".", AT_RECURSIVE, &attr) < 0)
		return oc_fail(err, errno, "cannot make the old root private");
	oc_aside_pivoted(c);
	if (chdir("/") < 0)
		return oc_fail(err, errno, "cannot change to the new root");
	if (c->plan->read_only_root && oc_mount_read_only(c->root_fd) < 0)
		return oc_fail(err, errno, "cannot make the root read-only");
	return 0;
}
