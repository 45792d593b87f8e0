/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - the store of an overlay workspace: where its changes are kept until they are applied.
 *
 *   <state>/sandboxes/NAME.overlay/   0700, ours
 *       lock          flock(2), exclusive: held by the sandbox for as long as its monitor lives, by
 *                     apply and by discard
 *       meta.json     which tree lies below, when each sandbox on it began, and an id
 *       data/upper    what the payload changed, as overlayfs keeps it; hostile
 *       data/work     overlayfs's own
 *
 * data belongs to the owner of the workspace, who cannot reach it (the directory above is closed):
 * through the id-mapped mount of a sandbox made by root he is the payload.
 *
 * Must not: follow a link, open anything below data by more than one name at a time without
 * RESOLVE_NO_SYMLINKS, let two users of one store be at work at once.
 */
#ifndef OC_RUNTIME_LAUNCH_OVERLAY_H
#define OC_RUNTIME_LAUNCH_OVERLAY_H

#include "base/arena.h"
#include "base/err.h"
#include "runtime/launch/child.h"

#define OC_OVERLAY_EPOCHS  256
#define OC_OVERLAY_ID_LEN  16
#define OC_OVERLAY_WAIT_MS 2000

struct oc_overlay_stamp {
	int64_t sec;
	uint32_t nsec;
};
struct oc_overlay_store {
	int dir_fd, lock_fd; /* -1: none */
	const char *path;
	/* meta.json */
	const char *workspace;
	uint64_t dev, ino;
	char id[OC_OVERLAY_ID_LEN + 1];
	/*
	 * When the sandboxes on it began, the oldest first.  A sandbox sees the tree below as it is
	 * then: what changed below after the beginning of the sandbox that changed the same path
	 * above is a conflict.
	 */
	struct oc_overlay_stamp epochs[OC_OVERLAY_EPOCHS];
	size_t epoch_count;
	struct oc_overlay_stamp applied; /* end of the last apply */
	bool applying;			 /* an apply has begun and not ended */
};

/* make: else ENOENT if there is none.  Not locked, meta not read. */
int oc_overlay_open(struct oc_overlay_store *o, const char *path, bool make, struct oc_err *err);
/* 0; 1 if somebody else holds it for longer than wait_ms; -1: cannot be locked. */
int oc_overlay_lock(struct oc_overlay_store *o, int wait_ms, struct oc_err *err);
/* errnum ENOENT if there is no meta.json. */
int oc_overlay_meta_read(struct oc_overlay_store *o, struct oc_arena *a, struct oc_err *err);
int oc_overlay_meta_write(const struct oc_overlay_store *o, struct oc_err *err);
void oc_overlay_close(struct oc_overlay_store *o);
/* data/upper of a store, readable; -1 with errno. */
int oc_overlay_upper(const struct oc_overlay_store *o);
struct oc_overlay_stamp oc_overlay_now(void);

/* --- launch --- */

/* Before clone3: make or take the store of row, lock it (c->overlay.lock_fd), note the beginning.
 */
int oc_overlay_prepare(struct oc_child *c, const struct oc_mount *row, struct oc_err *err);
/*
 * On the far side: tree is the workspace, detached.  Returns the overlay, detached, with its flags.
 */
int oc_overlay_mount(struct oc_child *c, const struct oc_mount *row, int tree, struct oc_err *err);

#endif
