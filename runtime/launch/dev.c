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

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

static const struct {
	const char *path, *name;
	unsigned major, minor;
} devices[] = {
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

/* One host device; a node that is something else than its name says is refused (CVE-2025-31133). */
static int open_device(size_t i, struct oc_err *err)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, devices[i].path, O_PATH | O_NOFOLLOW, 0,
				      RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open the host's %s", devices[i].path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(devices[i].major, devices[i].minor))
		return oc_fail(err, 0, "the host's %s is not device %u:%u", devices[i].path,
			       devices[i].major, devices[i].minor);
	return oc_steal_fd(&fd);
}

/* Detached clone of it, nosuid and noexec. */
static int clone_device(int fd, const char *path, struct oc_err *err)
{
	oc_auto_close tree =
		oc_sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};

	if (tree < 0 || oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return oc_fail(err, errno, "cannot clone the host's %s", path);
	return oc_steal_fd(&tree);
}

int oc_dev_clone_null(struct oc_child *c, struct oc_err *err)
{
	if (c->null_fd < 0)
		c->null_fd = open_device(0, err);
	return c->null_fd < 0 ? -1 : clone_device(c->null_fd, devices[0].path, err);
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
	for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		oc_auto_close host = open_device(i, err);
		oc_auto_close tree = host < 0 ? -1 : clone_device(host, devices[i].path, err);
		if (tree < 0)
			return -1;
		if (mknodat(dev_fd, devices[i].name, S_IFREG | 0444, 0) < 0 ||
		    oc_sys_move_mount(tree, "", dev_fd, devices[i].name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return oc_fail(err, errno, "cannot mount %s", devices[i].path);
		if (i == 0 && c->null_fd < 0)
			c->null_fd = oc_steal_fd(&host);
	}
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
		struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
		if (oc_sys_mount_setattr(own, "", AT_EMPTY_PATH, &ro) < 0)
			return oc_fail(err, errno, "cannot make /dev read-only");
	}
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
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	if (oc_sys_mount_setattr(c->proc_fd, "", AT_EMPTY_PATH, &ro) < 0)
		return oc_fail(err, errno, "cannot make /proc read-only");
	if (oc_sys_move_mount(c->proc_fd, "", c->point_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /proc");
	return 0;
}

int oc_mount_sysfs(int point_fd, struct oc_err *err)
{
	oc_auto_close fs = oc_sys_fsopen("sysfs");

	if (fs < 0 || oc_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return oc_fail(err, errno, "cannot make a /sys");
	oc_auto_close mnt = oc_sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						       MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
	if (mnt < 0 || oc_sys_move_mount(mnt, "", point_fd, "",
					 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return oc_fail(err, errno, "cannot mount /sys");
	return 0;
}

/*
 * What an unprivileged reader could still learn from them: the names of keys, the timing of interrupts (a side channel on
 * keystrokes), the hardware of the host; and kcore and timer_list, which only the modes of the files keep from it.
 */
static const char *const masked[] = {
	"proc/acpi",	      "proc/asound",	    "proc/bus",		"proc/interrupts",
	"proc/kcore",	      "proc/keys",	    "proc/latency_stats", "proc/sched_debug",
	"proc/scsi",	      "proc/timer_list",    "proc/timer_stats", "sys/firmware",
	"sys/kernel/debug",   "sys/kernel/tracing", "sys/fs/cgroup",	"sys/fs/bpf",
	"sys/kernel/security", "sys/devices/virtual/powercap", "sys/devices/virtual/dmi",
};

int oc_step_masks(struct oc_child *c, struct oc_err *err)
{
	bool has_sys = false;

	for (size_t i = 0; i < c->plan->mount_count; i++)
		has_sys = has_sys || c->plan->mounts[i].kind == OC_MOUNT_SYSFS;
	for (size_t i = 0; i < sizeof masked / sizeof masked[0]; i++) {
		if (!has_sys && masked[i][0] == 's')
			continue;
		oc_auto_close at = oc_openat2(
			c->root_fd, masked[i], O_PATH | O_NOFOLLOW, 0,
			RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
		if (at < 0) {
			if (errno == ENOENT)
				continue;
			return oc_fail(err, errno, "cannot look at /%s", masked[i]);
		}
		struct stat st;
		if (fstat(at, &st) < 0)
			return oc_fail(err, errno, "cannot look at /%s", masked[i]);
		if (S_ISDIR(st.st_mode) && c->empty_dir_fd < 0) {
			c->empty_dir_fd = oc_mount_tmpfs(4096, 2, 0555,
							 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
								 MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
							 err);
			if (c->empty_dir_fd < 0)
				return oc_err_context(err, "mask of /%s", masked[i]);
			if (oc_sys_move_mount(c->empty_dir_fd, "", at, "",
					      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
				return oc_fail(err, errno, "cannot mask /%s", masked[i]);
			continue;
		}
		oc_auto_close tree =
			S_ISDIR(st.st_mode)
				? oc_sys_open_tree(c->empty_dir_fd, "",
						   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)
				: oc_dev_clone_null(c, err);
		if (tree < 0 || oc_sys_move_mount(tree, "", at, "",
						  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return oc_fail(err, errno, "cannot mask /%s", masked[i]);
	}
	return 0;
}
