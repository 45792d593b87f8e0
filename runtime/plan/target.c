/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target - where things are mounted: which places are taken, and in which order the rows are made.
 *
 * Mount points are made only in file systems of our own.  A row below a bind needs its mount point to
 * exist in the host's directory, because making it there would leave it behind.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define MAX_DEPTH 64

int oc_target_check(const char *target, bool allow_reserved, struct oc_err *err)
{
	static const char *const kernel[] = { "/proc", "/sys", "/dev" };
	static const char *const reserved[] = { "/workspace", "/agent" };
	if (strcmp(target, "/") == 0) {
		oc_fail(err, 0, "nothing can be mounted over /");
		return oc_err_hint(err, "use --rootfs DIR for another root file system");
	}
	for (size_t i = 0; i < sizeof(kernel) / sizeof(*kernel); i++)
		if (oc_path_below(target, kernel[i]))
			return oc_fail(err, 0, "%.300s: nothing can be mounted in %s", target, kernel[i]);
	for (size_t i = 0; !allow_reserved && i < sizeof(reserved) / sizeof(*reserved); i++) {
		if (!oc_path_below(target, reserved[i]))
			continue;
		oc_fail(err, 0, "%.300s: %s is reserved for the workspace", target, reserved[i]);
		return oc_err_hint(err, "choose another target, or set dangerouslyAllowReservedContainerTargets");
	}
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;
	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Stable sort by depth: whatever is above a path is made before it. */
static int sort_by_depth(struct oc_builder *b, struct oc_err *err)
{
	size_t start[MAX_DEPTH + 2] = { 0 };
	size_t n = b->mounts.count;
	struct oc_mount *out = oc_arena_array(b->a, n ? n : 1, sizeof(*out));
	unsigned char *level = oc_arena_alloc(b->a, n);
	for (size_t i = 0; i < n; i++) {
		size_t d = depth(b->mounts.items[i].target);
		if (d > MAX_DEPTH)
			return oc_fail(err, 0, "%.300s is deeper than %d directories", b->mounts.items[i].target,
				       MAX_DEPTH);
		level[i] = (unsigned char)d;
		start[d + 1]++;
	}
	for (size_t d = 1; d <= MAX_DEPTH; d++)
		start[d] += start[d - 1];
	for (size_t i = 0; i < n; i++)
		out[start[level[i]]++] = b->mounts.items[i];
	b->mounts.items = out;
	b->mounts.cap = n;
	return 0;
}

/* Byte order, but '/' before everything: then all that is below a path follows it directly. */
static int compare_path(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	int x = *a == '/' ? 1 : (unsigned char)*a, y = *b == '/' ? 1 : (unsigned char)*b;
	return x - y;
}

static int compare_target(const void *a, const void *b)
{
	return compare_path((*(struct oc_mount *const *)a)->target, (*(struct oc_mount *const *)b)->target);
}

/* m is to be mounted below bind: look whether the place is there and of the right type. */
static int check_mount_point(const struct oc_mount *m, const struct oc_mount *bind, struct oc_err *err)
{
	bool want_dir = m->kind == OC_MOUNT_BIND ? m->is_dir : m->kind != OC_MOUNT_FILE;
	const char *rest = m->target + strlen(bind->target) + 1;
	if (bind->fd < 0) {
		oc_fail(err, 0, "%s: %.300s cannot be mounted in %s, which is made when the sandbox starts", m->origin,
			m->target, bind->target);
		return oc_err_hint(err, "choose a target outside it");
	}
	if (!bind->is_dir)
		return oc_fail(err, 0, "%s: %.300s is below the file %s", m->origin, m->target, bind->target);
	oc_auto_close fd = oc_openat2(bind->fd, rest, O_PATH | O_NOFOLLOW, 0,
					  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int e = errno;
		oc_fail(err, e, "%s: there is no mount point %.300s in %.200s", m->origin, m->target, bind->source);
		return oc_err_hint(err, "make it on the host, or choose a target outside %.100s", bind->target);
	}
	if (S_ISDIR(st.st_mode) != want_dir || (!want_dir && !S_ISREG(st.st_mode)))
		return oc_fail(err, 0, "%s: %.300s is a %s on the host, but a %s is to be mounted there", m->origin,
			       m->target, S_ISDIR(st.st_mode) ? "directory" : "file", want_dir ? "directory" : "file");
	return 0;
}

static int check_below(const struct oc_mount *m, const struct oc_mount *above, struct oc_err *err)
{
	switch (above->kind) {
	case OC_MOUNT_BIND:
		return check_mount_point(m, above, err);
	case OC_MOUNT_SYMLINK:
		oc_fail(err, 0, "%s: %.300s is below %s, which is a link to %s", m->origin, m->target, above->target,
			above->source);
		return oc_err_hint(err, "use the path that the link leads to");
	case OC_MOUNT_FILE:
		return oc_fail(err, 0, "%s: %.300s is below the file %s", m->origin, m->target, above->target);
	case OC_MOUNT_PROC:
	case OC_MOUNT_DEV:
	case OC_MOUNT_SYSFS:
		return oc_fail(err, 0, "%s: nothing can be mounted in %s", m->origin, above->target);
	case OC_MOUNT_TMPFS:
	case OC_MOUNT_DIR:
		return 0;
	}
	return 0;
}

static int check_overlap(struct oc_builder *b, struct oc_err *err)
{
	size_t n = b->mounts.count, top = 0;
	struct oc_mount **sorted = oc_arena_array(b->a, n ? n : 1, sizeof(*sorted));
	const struct oc_mount *above[MAX_DEPTH + 2];
	for (size_t i = 0; i < n; i++)
		sorted[i] = &b->mounts.items[i];
	qsort(sorted, n, sizeof(*sorted), compare_target);
	for (size_t i = 0; i < n; i++) {
		const struct oc_mount *m = sorted[i];
		while (top > 0 && !oc_path_below(m->target, above[top - 1]->target))
			top--;
		if (top > 0 && strcmp(m->target, above[top - 1]->target) == 0) {
			oc_fail(err, 0, "%.300s is mounted twice: %s and %s", m->target, above[top - 1]->origin,
				m->origin);
			return oc_err_hint(err, "give each target once");
		}
		if (top > 0 && check_below(m, above[top - 1], err) < 0)
			return -1;
		above[top++] = m;
	}
	return 0;
}

int oc_targets_arrange(struct oc_builder *b, struct oc_err *err)
{
	if (sort_by_depth(b, err) < 0)
		return -1;
	/* our own rows do not overlap: an own test holds that, not each launch */
	bool user_rows = b->s.binds.count || b->s.tmpfs.count || b->s.tmpfs_set || b->plan->rootfs == OC_ROOTFS_DIR;
	return user_rows ? check_overlap(b, err) : 0;
}
