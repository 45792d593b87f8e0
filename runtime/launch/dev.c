/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev - /dev, /proc and /sys of the sandbox, and the kernel paths that are hidden.
 *
 * Device nodes are binds of the host's, each checked to be the device it is named after.  /proc is a new instance that is
 * read-only as a whole: programs only lose what writes there could do to others, and no single path can be forgotten.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

static const struct {
	const char *path, *name;
	unsigned major, minor;
} devices[OC_DEVICES] = {
	{"/dev/null", "null", 1, 3},	   {"/dev/zero", "zero", 1, 5},
	{"/dev/full", "full", 1, 7},	   {"/dev/random", "random", 1, 8},
	{"/dev/urandom", "urandom", 1, 9}, {"/dev/tty", "tty", 5, 0},
};

static const struct {
	const char *name, *text;
} links[] = {
	{"fd", "/proc/self/fd"},	     {"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
};

/* Detached clone of a host device, nosuid and noexec; a node that is something else than its name says is refused (CVE-2025-31133). */
static int clone_device(size_t i, struct oc_err *err)
{
	oc_auto_close tree = oc_sys_open_tree(AT_FDCWD, devices[i].path,
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		return oc_fail(err, errno, "cannot clone the host's %s", devices[i].path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(devices[i].major, devices[i].minor))
		return oc_fail(err, 0, "the host's %s is not device %u:%u", devices[i].path,
			       devices[i].major, devices[i].minor);
	if (oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return oc_fail(err, errno, "cannot set the flags of %s", devices[i].path);
	return oc_steal_fd(&tree);
}

int oc_dev_clone_null(struct oc_child *c, struct oc_err *err)
{
	if (c->null_fd < 0)
		return clone_device(0, err);
	/* A clone has the flags of its model, which must be attached (before Linux 6.15). */
	int tree = oc_sys_open_tree(c->null_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return tree < 0 ? oc_fail(err, errno, "cannot clone /dev/null") : tree;
}

int oc_step_devices(struct oc_child *c, struct oc_err *err)
{
	for (size_t i = 0; i < OC_DEVICES; i++)
		if ((c->device_fd[i] = clone_device(i, err)) < 0)
			return -1;
	return 0;
}

static int mount_devpts(int dev_fd, struct oc_err *err)
{
	oc_auto_close fs = oc_sys_fsopen("devpts");

	if (fs < 0 || oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, "ptmxmode", "0666") < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0620") < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return oc_fail(err, errno, "cannot make a devpts");
	oc_auto_close mnt = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (mnt < 0)
		return oc_fail(err, errno, "cannot make a devpts");
	if ((mkdirat(dev_fd, "pts", 0755) < 0 && errno != EEXIST) ||
	    oc_sys_move_mount(mnt, "", dev_fd, "pts", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /dev/pts");
	return 0;
}

int oc_step_dev(struct oc_child *c, struct oc_err *err)
{
	const struct oc_mount *row = c->row;
	int point_fd = c->point_fd;

	/*
	 * On our own root a plain directory will do, it is read-only with the root.  A root file system of the user's
	 * gets a tmpfs over its /dev, which is made read-only when it is complete.
	 */
	oc_auto_close own = -1;
	int dev_fd = point_fd;
	struct stat st;

	if (fstat(point_fd, &st) < 0)
		return oc_fail(err, errno, "cannot look at /dev");
	if (st.st_dev != c->own_dev[0]) {
		own = oc_mount_tmpfs(65536, 64, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
		if (own < 0)
			return oc_err_context(err, "/dev");
		if (oc_sys_move_mount(own, "", point_fd, "",
				      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return oc_fail(err, errno, "cannot mount /dev");
		dev_fd = own;
	}
	for (size_t i = 0; i < OC_DEVICES; i++)
		if (mknodat(dev_fd, devices[i].name, S_IFREG | 0444, 0) < 0 ||
		    oc_sys_move_mount(c->device_fd[i], "", dev_fd, devices[i].name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return oc_fail(err, errno, "cannot mount %s", devices[i].path);
	c->null_fd = c->device_fd[0];
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
		if (symlinkat(links[i].text, dev_fd, links[i].name) < 0)
			return oc_fail(err, errno, "cannot make /dev/%s", links[i].name);
	if (mount_devpts(dev_fd, err) < 0)
		return -1;

	oc_auto_close shm =
		oc_mount_tmpfs(row->size_bytes, row->inodes ? row->inodes : 16384, 01777,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (shm < 0)
		return oc_err_context(err, "/dev/shm");
	if (mkdirat(dev_fd, "shm", 0755) < 0 ||
	    oc_sys_move_mount(shm, "", dev_fd, "shm", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /dev/shm");
	if (own >= 0) {
		if (oc_mount_read_only(own) < 0)
			return oc_fail(err, errno, "cannot make /dev read-only");
	}
	c->dev_fd = own >= 0 ? oc_steal_fd(&own) : fcntl(point_fd, F_DUPFD_CLOEXEC, 3);
	c->shm_fd = oc_steal_fd(&shm);
	if (c->dev_fd < 0)
		return oc_fail(err, errno, "cannot keep /dev");
	return 0;
}

int oc_step_proc_make(struct oc_child *c, struct oc_err *err)
{
	oc_auto_close fs = oc_sys_fsopen("proc");

	if (fs < 0 || oc_sys_fsconfig(fs, FSCONFIG_SET_STRING, "hidepid", "invisible") < 0 ||
	    oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0) {
		oc_fail(err, errno, "cannot make a new /proc");
		return oc_err_hint(err, "inside a container whose /proc has masked paths the kernel "
					"refuses this (the container needs an unmasked /proc)");
	}
	/* Writable while detached: the limit on nested namespaces is written through it. */
	c->proc_fd = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (c->proc_fd < 0) {
		oc_fail(err, errno, "cannot make a new /proc");
		return oc_err_hint(err, "inside a container whose /proc has masked paths the kernel "
					"refuses this (the container needs an unmasked /proc)");
	}
	return 0;
}

int oc_step_proc_attach(struct oc_child *c, struct oc_err *err)
{
	struct stat st;

	/* The directory under it is empty and never seen again, where we made it: what masks are made of. */
	if (fstat(c->point_fd, &st) == 0 && st.st_dev == c->own_dev[0]) {
		c->empty_dir_fd = fcntl(c->point_fd, F_DUPFD_CLOEXEC, 3);
		if (c->empty_dir_fd < 0)
			return oc_fail(err, errno, "cannot keep an empty directory for masks");
	}
	if (oc_mount_read_only(c->proc_fd) < 0)
		return oc_fail(err, errno, "cannot make /proc read-only");
	if (oc_sys_move_mount(c->proc_fd, "", c->point_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /proc");
	return 0;
}

int oc_mount_sysfs(struct oc_child *c, int point_fd, struct oc_err *err)
{
	oc_auto_close fs = oc_sys_fsopen("sysfs");

	if (fs < 0 || oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return oc_fail(err, errno, "cannot make a /sys");
	oc_auto_close mnt = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						       MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
	if (mnt < 0 || oc_sys_move_mount(mnt, "", point_fd, "",
					 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /sys");
	c->sys_fd = oc_steal_fd(&mnt);
	return 0;
}

/*
 * What an unprivileged reader could still learn from them: the names of keys, the timing of interrupts (a side channel on
 * keystrokes), the hardware of the host; and kcore and timer_list, which only the modes of the files keep from it.
 */
struct mask {
	const char *path; /* below proc/ or sys/ */
	bool is_dir;
};
static const struct mask proc_masks[] = {
	{"acpi", true},	   {"asound", true},	     {"bus", true},	    {"interrupts", false},
	{"kcore", false},  {"keys", false},	     {"latency_stats", false}, {"sched_debug", false},
	{"scsi", true},	   {"timer_list", false},    {"timer_stats", false},
};
static const struct mask sys_masks[] = {
	{"firmware", true},	   {"kernel/debug", true},    {"kernel/tracing", true},
	{"fs/cgroup", true},	   {"fs/bpf", true},	      {"kernel/security", true},
	{"devices/virtual/powercap", true}, {"devices/virtual/dmi", true},
};

/* A detached mount of an empty, read-only directory. */
static int make_empty(struct oc_child *c, struct oc_err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};

	if (c->empty_dir_fd < 0)
		return oc_mount_tmpfs(4096, 2, 0555, (unsigned)attr.attr_set, err);
	oc_auto_close tree = oc_sys_open_tree(c->empty_dir_fd, "",
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return oc_fail(err, errno, "cannot clone an empty directory");
	return oc_steal_fd(&tree);
}

/*
 * Cover what is there: a directory with an empty one, a file with /dev/null.  The paths are the kernel's own and have no links in
 * them.  They are asked for first: a detached mount that is closed unused costs the wait for a grace period of RCU.
 */
static int cover(struct oc_child *c, int fs_fd, const char *fs_name, const struct mask *m, size_t count,
		 struct oc_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (faccessat(fs_fd, m[i].path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			continue;
		bool is_dir = m[i].is_dir;
		int tree = -1;
		/* Not what the table says (ENOTDIR): then it is the other. */
		for (int tries = 0; tries < 2; tries++, is_dir = !is_dir) {
			/* Not closed: in use, or in the way for no longer than the rest. */
			tree = is_dir ? make_empty(c, err) : oc_dev_clone_null(c, err);
			if (tree < 0)
				return oc_err_context(err, "mask of /%s/%s", fs_name, m[i].path);
			if (oc_sys_move_mount(tree, "", fs_fd, m[i].path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
				break;
			if (errno != ENOTDIR || tries == 1)
				return oc_fail(err, errno, "cannot mask /%s/%s", fs_name, m[i].path);
		}
	}
	return 0;
}

int oc_step_masks(struct oc_child *c, struct oc_err *err)
{
	if (c->proc_fd >= 0 &&
	    cover(c, c->proc_fd, "proc", proc_masks, sizeof proc_masks / sizeof proc_masks[0], err) < 0)
		return -1;
	if (c->sys_fd >= 0 &&
	    cover(c, c->sys_fd, "sys", sys_masks, sizeof sys_masks / sizeof sys_masks[0], err) < 0)
		return -1;
	return 0;
}
