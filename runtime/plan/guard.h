/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - what in a writable workspace the host would later run or trust.
 *
 * oc_guard_scan (plan time, read-only) lists what exists: launch binds it read-only on itself, or pins it.
 * oc_guard_sweep (host side, after every process of the sandbox is dead) finds what came to life or changed, moves it out
 * of the workspace into the quarantine directory and reports it.
 *
 * The workspace is hostile: every step is by descriptor beneath it, no link is followed, file contents are bounded,
 * names are any bytes.  Neither function runs git or anything else.
 */
#ifndef OC_RUNTIME_PLAN_GUARD_H
#define OC_RUNTIME_PLAN_GUARD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "runtime/plan/plan.h"

/* What the workspace looked like before: one row per guarded thing, found by the scan. */
struct oc_guard_baseline;

/*
 * workspace_fd: O_PATH or readable directory.  The list goes to *guards (arena), shallow first, and a baseline for the sweep to *base.
 * A guarded file with more than one hard link is an error: it could be changed through its other name.
 */
int oc_guard_scan(struct oc_arena *a, int workspace_fd, struct oc_guard **guards, size_t *count,
		  struct oc_guard_baseline **base, struct oc_err *err);

/* Only the sockets (GUARD_HIDE), for a directory that is shown read-only. */
int oc_guard_sockets(struct oc_arena *a, int dir_fd, struct oc_guard **guards, size_t *count,
		     struct oc_err *err);

struct oc_quarantined {
	const char *path;  /* where it was, relative to the workspace */
	const char *moved; /* where it is now (absolute), or NULL if it could only be neutralised in place */
	const char *why;
};
struct oc_sweep {
	struct oc_quarantined *items;
	size_t count;
	bool incomplete; /* a bound was reached or an object could not be read: say so */
	const char *incomplete_why;
};
/*
 * quarantine_path: absolute; made (0700) only when there is something to move.  out lives in the arena.
 * Returns <0 only if the workspace cannot be read at all.
 */
int oc_guard_sweep(struct oc_arena *a, int workspace_fd, const struct oc_guard_baseline *base, const char *quarantine_path,
		   struct oc_sweep *out, struct oc_err *err);

/* Baseline as JSON (the journal that a sweep after `kill -9` starts from), and back. */
void oc_guard_baseline_write(const struct oc_guard_baseline *base, struct oc_json_writer *w);
int oc_guard_baseline_read(struct oc_arena *a, const struct oc_json *v, struct oc_guard_baseline **base, struct oc_err *err);

#endif
