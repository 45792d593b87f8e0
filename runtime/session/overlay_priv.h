/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_priv - what the files of overlay share, and nobody else includes.
 *
 * overlay.c: begin, end, names, selection.   overlay_scan.c: the two trees side by side.
 * overlay_apply.c: into the real tree.   overlay_drop.c: out of the upper one.   overlay_tree.c:
 * paths and whole trees, by descriptors.
 */
#ifndef OC_RUNTIME_SESSION_OVERLAY_PRIV_H
#define OC_RUNTIME_SESSION_OVERLAY_PRIV_H

#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/session/overlay.h"

#define OC_OPAQUE "user.overlay.opaque"
#define OC_ORIGIN "user.overlay.origin"
/* No link, no "..", no other mount. */
#define OC_OVERLAY_BENEATH                                                                         \
	(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

/* --- overlay_tree.c --- */

/* Open path beneath root, however long; "" is root.  -1 with errno. */
int oc_beneath(int root, const char *path, uint64_t flags);
void oc_ways_init(struct oc_ways *w, int root);
void oc_ways_close(struct oc_ways *w);
/* Open the directory that way leads to. */
int oc_ways_open(struct oc_ways *w, const struct oc_way *way, uint64_t flags);
/* The directory that node is (or, parent, is in) in one of the trees. */
int oc_beneath_node(struct oc_ways *w, const struct oc_overlay_node *n, bool parent,
		    uint64_t flags);
/* Append the names from below `from` (NULL: the root) to way. */
void oc_way_path(const struct oc_way *way, const struct oc_way *from, struct oc_buf *out);
/*
 * Every object below the directory dirfd/name, a directory before what is in it; not dirfd/name
 * itself.  Stops when fn returns other than 0, and returns that; -1 with errno.
 */
typedef int (*oc_tree_fn)(void *ctx, int dir, const char *name, const struct stat *st);
int oc_tree_walk(int dirfd, const char *name, oc_tree_fn fn, void *ctx);
/* Remove dirfd/name with all below it, also where its owner took his own rights away; 0 if it is
 * not there. */
int oc_tree_remove(int dirfd, const char *name);
/* unlinkat, also in a directory that its owner may not write. */
int oc_unlink(int dirfd, const char *name, int flags);

struct oc_times {
	struct timespec birth, change;
	bool has_birth;
};
/* Of dirfd/name, no link followed; fd itself with "".  -1 with errno. */
int oc_times(int dirfd, const char *name, struct oc_times *t);
bool oc_later(struct timespec a, struct timespec b);

static inline bool oc_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

#endif
