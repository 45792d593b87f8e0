/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - what an overlay workspace holds: read, applied to the real tree, dropped.
 *
 * The upper tree was written by the payload and is hostile, and so may be whoever else writes the
 * real tree: everything is reached by descriptors beneath the two roots (openat2: no link is
 * followed, no other mount entered), contents and lists are bounded, names are any bytes.
 *
 * What overlayfs keeps in upper: a character device 0:0 is the removal of a name; a directory with
 * user.overlay.opaque "y" replaces the one below.  Nothing else has a meaning here: marks that the
 * payload sets itself are kept by the kernel under another name (user.overlay.overlay.*), whiteouts
 * by attribute count in lower layers only, redirects and metadata copies are off (overlay_mount.c).
 *
 * A conflict is a path that changed below after the sandbox began that changed it above
 * (runtime/launch/overlay.h: epochs); the time of a change above is the birth of its inode, which
 * the payload cannot set.  Where both sides came to be the same it is none: so does an apply that
 * was killed go on.
 */
#ifndef OC_RUNTIME_SESSION_OVERLAY_H
#define OC_RUNTIME_SESSION_OVERLAY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "runtime/launch/overlay.h"
#include "runtime/session/overlay_risk.h"

#define OC_OVERLAY_NODES_MAX 1000000u
#define OC_OVERLAY_NAMES_MAX (128u << 20) /* bytes */

enum oc_change {
	OC_CHANGE_NONE, /* a directory on the way, or a copy that is still the same */
	OC_CHANGE_ADDED,
	OC_CHANGE_MODIFIED,
	OC_CHANGE_MODE, /* nothing but */
	OC_CHANGE_TYPE, /* file, directory or link in place of another of these */
	OC_CHANGE_DELETED,
};

/* A name in a directory in a directory. */
struct oc_way {
	const struct oc_way *up; /* NULL: the root, whose name is "" */
	const char *name;
};
/* Directories that were opened last: in a deep tree the next one is near them. */
#define OC_WAYS 32
struct oc_ways {
	int root;
	unsigned next;
	struct {
		const struct oc_way *way;
		int fd;
	} seen[OC_WAYS];
};

struct oc_overlay_node {
	struct oc_way way; /* for the two trees alike */
	struct oc_overlay_node *parent, *child,
		*next;	  /* children in order of their names, as bytes */
	const char *name; /* "" is the root */
	enum oc_change change;
	mode_t mode, old_mode; /* st_mode; 0: it does not exist */
	uint64_t size, old_size;
	/* What is below now: it must still be that when it is replaced. */
	uint64_t old_dev, old_ino;
	struct timespec old_ctime;
	const char *target, *old_target; /* of links */
	const char *refused;		 /* why it is never applied; NULL */
	const char *risk;		 /* what the host would do with it; NULL */
	const char *conflict;		 /* NULL */
	bool in_upper;			 /* else: hidden by a directory that was replaced */
	bool opaque;			 /* such a directory */
	bool selected;
	unsigned depth;
	struct oc_risk_dir ways; /* of a directory: for what is in it */
};

struct oc_overlay {
	struct oc_arena *a;
	struct oc_overlay_store store;
	int upper_fd, lower_fd;
	struct oc_ways upper, lower;
	struct oc_overlay_node *root;
	size_t node_count, name_bytes, change_count;
	const char *incomplete; /* a bound was reached, or a directory could not be read: nothing is
				   applied then */
	char temporary[32];	/* name in directories of the real tree that only an apply uses */
};

/*
 * dir: plan.overlay_dir; workspace: plan.workspace.  errnum ENOENT: there are no changes.  lock: 1
 * if somebody is at work on it.
 */
int oc_overlay_begin(struct oc_overlay *o, struct oc_arena *a, const char *dir,
		     const char *workspace, bool lock, struct oc_err *err);
/* Fill root. */
int oc_overlay_scan(struct oc_overlay *o, struct oc_err *err);
void oc_overlay_end(struct oc_overlay *o);

/* Path of a node, appended. */
void oc_overlay_path(const struct oc_overlay_node *n, struct oc_buf *out);
/* The next in the order of a listing (a directory before what is in it); NULL at the end. */
struct oc_overlay_node *oc_overlay_next(const struct oc_overlay_node *n);
/* "added", ...; its letter */
const char *oc_change_name(enum oc_change c);
char oc_change_letter(enum oc_change c);

/* Of a changed regular file or link: the text of one side, at most max bytes.  1: there is no such
 * side, or it is longer. */
int oc_overlay_text(struct oc_overlay *o, const struct oc_overlay_node *n, bool old, size_t max,
		    struct oc_buf *out, struct oc_err *err);

/*
 * Select what paths name, each with all below it (and, with ways, the new directories on the way to
 * it); none: everything.  For a part of a directory that was replaced as a whole there is no
 * selection but the whole of it.
 */
int oc_overlay_select(struct oc_overlay *o, const char *const *paths, size_t count, bool ways,
		      struct oc_err *err);

/*
 * Locked: carry out the selected changes but those that are refused, conflicts or, without risky,
 * risky (who wants none applied then looks first).  done is called for each (NULL: nobody).  Stops at
 * the first that cannot be carried out; what was done until then is done, and a next apply goes on.
 */
int oc_overlay_apply(struct oc_overlay *o, bool risky,
		     void (*done)(void *ctx, const struct oc_overlay_node *n), void *ctx,
		     struct oc_err *err);
/* Locked: drop the selected changes. */
int oc_overlay_discard(struct oc_overlay *o,
		       void (*done)(void *ctx, const struct oc_overlay_node *n), void *ctx,
		       struct oc_err *err);
/* Locked: remove the store with all that is in it. */
int oc_overlay_remove(struct oc_overlay *o, struct oc_err *err);
/* True if nothing is left in upper. */
bool oc_overlay_empty(const struct oc_overlay *o);

#endif
