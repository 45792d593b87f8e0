/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_mount - the overlay itself, made on the far side of clone3.
 *
 * It is made inside the sandbox's user namespace by pid 1 before it drops its capabilities: what
 * overlayfs does for the payload in the upper tree it does with the rights of the payload's own id
 * and no others of the host.  Its marks are user attributes (userxattr, 5.11); those that the
 * payload sets itself get another name (6.7) or are refused (before), so that it cannot forge one.
 *
 * Only what is needed to tell what changed is on: a directory is copied and not redirected, a file
 * is copied whole (metacopy and redirects have been ways to read what one may not: CVE-2023-0386
 * was in the copying of a file whose owner had no id here; such a file cannot be changed,
 * EOVERFLOW).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/overlay.h"
#include "runtime/launch/sys.h"

#define LOWER ".lower"
#define DATA  ".data"

static int option(int fs, const char *key, const char *value)
{
	return oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value);
}

/* A directory as an option: a path without a byte that overlayfs would take for its own syntax. */
static int option_dir(int fs, const char *key, int fd)
{
	char path[64], digits[24];

	stpcpy(stpcpy(path, "/proc/self/fd/"), oc_digits(digits, (uint64_t)fd));
	return option(fs, key, path);
}

/* The last thing that the kernel had to say about it. */
static int refused(int fs, int errnum, const struct oc_mount *row, struct oc_err *err)
{
	char log[200] = "";

	for (ssize_t n; (n = read(fs, log, sizeof log - 1)) > 0;)
		log[log[n - 1] == '\n' ? n - 1 : n] = '\0';
	const char *text = log[0] && log[1] == ' ' ? log + 2 : "";
	oc_fail(err, errnum, "cannot make an overlay of %s%s%s%s", row->source, *text ? " (" : "",
		text, *text ? ")" : "");
	if (errnum == EPERM || errnum == EACCES)
		return oc_err_hint(err, "in a user namespace it needs kernel 5.11 or newer");
	if (errnum == EINVAL || errnum == EOPNOTSUPP)
		return oc_err_hint(
			err,
			"the state directory must be on a file system that can be the upper layer "
			"(ext4, xfs, btrfs, tmpfs; not an overlay), set OPENCLAW_STATE_DIR; "
			"from root also the workspace must allow id-mapped mounts");
	return -1;
}

/* A mount that nobody sees yet is no layer before kernel 6.15: it gets a place for a moment. */
static int place(const struct oc_child *c, int tree, const char *name, struct oc_err *err)
{
	if (mkdirat(c->root_fd, name, 0700) < 0 ||
	    oc_sys_move_mount(tree, "", c->root_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot place a layer of the overlay");
	return 0;
}

static int unplace(const struct oc_child *c, const char *name, struct oc_err *err)
{
	if (fchdir(c->root_fd) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ||
	    unlinkat(c->root_fd, name, AT_REMOVEDIR) < 0)
		return oc_fail(err, errno, "cannot take the place of a layer away");
	return 0;
}

/* Our directory, as a mount of this namespace. */
static int data_tree(const struct oc_child *c, struct oc_err *err)
{
	struct stat st;
	oc_auto_close at = oc_openat2(AT_FDCWD, c->overlay.data, O_PATH | O_DIRECTORY, 0,
				      RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (at < 0 || fstat(at, &st) < 0)
		return oc_fail(err, errno, "cannot open %s", c->overlay.data);
	if (st.st_dev != c->overlay.dev || st.st_ino != c->overlay.ino)
		return oc_fail(err, 0, "%s is not the directory that was made any more",
			       c->overlay.data);
	int tree = oc_sys_open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return oc_fail(err, errno, "cannot clone %s", c->overlay.data);
	return tree;
}

static int make(const struct oc_mount *row, int lower, int data, struct oc_err *err)
{
	oc_auto_close upper = openat(data, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	oc_auto_close work = openat(data, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	oc_auto_close fs = oc_sys_fsopen("overlay");

	if (upper < 0 || work < 0)
		return oc_fail(err, errno, "cannot open the layers of the overlay");
	if (fs < 0) {
		oc_fail(err, errno, "cannot open overlayfs");
		return oc_err_hint(err,
				   "the kernel needs CONFIG_OVERLAY_FS; as root: modprobe overlay");
	}
	if (option(fs, "source", "overlay") < 0 || option_dir(fs, "lowerdir", lower) < 0 ||
	    option_dir(fs, "upperdir", upper) < 0 || option_dir(fs, "workdir", work) < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL) < 0 ||
	    option(fs, "index", "off") < 0 || option(fs, "metacopy", "off") < 0 ||
	    option(fs, "redirect_dir", "nofollow") < 0 || option(fs, "xino", "off") < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return refused(fs, errno, row, err);
	int fd = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					    (row->no_exec ? MOUNT_ATTR_NOEXEC : 0));
	return fd < 0 ? refused(fs, errno, row, err) : fd;
}

int oc_overlay_mount(struct oc_child *c, const struct oc_mount *row, int tree, struct oc_err *err)
{
	oc_auto_close own = c->overlay.tree_fd >= 0 ? -1 : data_tree(c, err);
	int data = c->overlay.tree_fd >= 0 ? c->overlay.tree_fd : own;

	if (data < 0 || place(c, tree, LOWER, err) < 0 || place(c, data, DATA, err) < 0)
		return -1;
	oc_auto_close fd = make(row, tree, data, err);
	if (fd < 0 || unplace(c, LOWER, err) < 0 || unplace(c, DATA, err) < 0)
		return -1;
	return oc_steal_fd(&fd);
}
