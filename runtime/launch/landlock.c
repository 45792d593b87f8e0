/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock - the second file-system layer, and the only one for IPC across the same user id.
 *
 * It repeats what the mounts say, in other words: everything in the new root may be read and executed, writing is allowed only
 * beneath the rows that are writable.  What it adds: a descriptor of a host file that the caller passed as standard
 * input cannot be opened again for writing through /proc/self/fd, because that file lies beneath no rule; and the payload
 * can neither trace nor signal pid 1, which stays outside of the domain.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

#define READ_RIGHTS (OC_LL_FS_EXECUTE | OC_LL_FS_READ_FILE | OC_LL_FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
	(OC_LL_FS_WRITE_FILE | OC_LL_FS_REMOVE_DIR | OC_LL_FS_REMOVE_FILE | OC_LL_FS_MAKE_DIR |    \
	 OC_LL_FS_MAKE_REG | OC_LL_FS_MAKE_SOCK | OC_LL_FS_MAKE_FIFO | OC_LL_FS_MAKE_SYM |         \
	 OC_LL_FS_REFER | OC_LL_FS_TRUNCATE)
#define FILE_RIGHTS                                                                                \
	(OC_LL_FS_EXECUTE | OC_LL_FS_WRITE_FILE | OC_LL_FS_READ_FILE | OC_LL_FS_TRUNCATE |         \
	 OC_LL_FS_IOCTL_DEV)

/* Highest rights of an ABI; index is the version. */
static uint64_t handled_fs(int abi)
{
	uint64_t all = (OC_LL_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		all |= OC_LL_FS_REFER;
	if (abi >= 3)
		all |= OC_LL_FS_TRUNCATE;
	if (abi >= 5)
		all |= OC_LL_FS_IOCTL_DEV;
	return all;
}

/* For what lies beneath fd. */
static int add_rule(int ruleset, int fd, const char *path, uint64_t rights, uint64_t handled, struct oc_err *err)
{
	struct oc_ll_path_attr attr = {.allowed_access = rights & handled, .parent_fd = fd};

	if (oc_sys_landlock_add_path(ruleset, &attr) < 0)
		return oc_fail(err, errno, "cannot add a rule for %s", path);
	return 0;
}

/* A row that is writable: what was mounted there, or what is there now. */
static int add_row(struct oc_child *c, size_t i, int ruleset, uint64_t rights, uint64_t handled, struct oc_err *err)
{
	const struct oc_mount *m = &c->plan->mounts[i];
	oc_auto_close now = -1;
	int fd = c->mounts[i].at_fd;
	bool is_dir = m->kind == OC_MOUNT_TMPFS || m->is_dir;

	if (fd < 0) {
		struct stat st;
		now = oc_openat2(AT_FDCWD, m->target, O_PATH | O_NOFOLLOW, 0,
				 RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
		if (now < 0 || fstat(now, &st) < 0)
			return oc_fail(err, errno, "cannot open %s for a rule", m->target);
		fd = now;
		is_dir = S_ISDIR(st.st_mode);
	}
	return add_rule(ruleset, fd, m->target, is_dir ? rights : rights & FILE_RIGHTS, handled, err);
}

int oc_step_ruleset(struct oc_child *c, struct oc_err *err)
{
	int abi = oc_sys_landlock_create(NULL, 0, OC_LL_CREATE_VERSION);

	if (abi < 0) {
		oc_fail(err, errno, "Landlock is not available");
		return oc_err_hint(err, "it needs kernel 5.13 with CONFIG_SECURITY_LANDLOCK and "
					"`landlock` in the lsm= list of the boot command line");
	}
	struct oc_ll_ruleset_attr attr = {.handled_access_fs = handled_fs(abi)};
	if (abi >= 6)
		attr.scoped = OC_LL_SCOPE_ABSTRACT_UNIX | OC_LL_SCOPE_SIGNAL;
	/* Older kernels take the part of the struct that they know. */
	size_t size = abi >= 6 ? sizeof attr : sizeof attr.handled_access_fs;
	oc_auto_close set = oc_sys_landlock_create(&attr, size, 0);
	if (set < 0)
		return oc_fail(err, errno, "cannot make a Landlock ruleset (ABI %d)", abi);

	uint64_t h = attr.handled_access_fs;
	const uint64_t rw = READ_RIGHTS | WRITE_RIGHTS;
	bool root_writable = !c->plan->read_only_root;
	if (add_rule(set, c->root_fd, "/", root_writable ? rw : READ_RIGHTS, h, err) < 0)
		return -1;
	for (size_t i = 0; i < c->plan->mount_count; i++) {
		const struct oc_mount *m = &c->plan->mounts[i];
		if (m->kind == OC_MOUNT_DEV && c->state[OC_LAYER_DEV] != OC_STATE_MISSING) {
			/* The nodes, the terminals and their ioctls; nothing can be made here but in shm. */
			if (add_rule(set, c->dev_fd, "/dev",
				     READ_RIGHTS | OC_LL_FS_WRITE_FILE | OC_LL_FS_TRUNCATE |
					     OC_LL_FS_IOCTL_DEV,
				     h, err) < 0 ||
			    add_rule(set, c->shm_fd, "/dev/shm", rw, h, err) < 0)
				return -1;
		} else if ((m->kind == OC_MOUNT_BIND || m->kind == OC_MOUNT_TMPFS) && !m->read_only) {
			if (m->optional && m->fd < 0 && m->kind == OC_MOUNT_BIND)
				continue;
			if (add_row(c, i, set, rw, h, err) < 0)
				return -1;
		}
	}
	c->ruleset_fd = oc_steal_fd(&set);
	char text[] = "ABI  ";
	text[4] = (char)('0' + abi % 10);
	if (abi > 9) {
		text[3] = (char)('0' + abi / 10);
	}
	oc_child_detail(c, OC_LAYER_LANDLOCK, text);
	return 0;
}

int oc_step_landlock(struct oc_child *c, struct oc_err *err)
{
	if (oc_sys_landlock_restrict(c->ruleset_fd) < 0)
		return oc_fail(err, errno, "cannot enter the Landlock domain");
	return 0;
}
