/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope - which live sandbox serves a scope key, with one lock so that two callers at once get one.
 *
 * In the run directory (runtime/launch/rundir.h) a file "scope-" and 16 hexadecimal digits (SHA-256 of the
 * state directory, a NUL and the scope key) holds the id of the sandbox and a newline.  Whoever joins or makes one
 * holds its lock (flock, exclusive) from looking to the end of making; a dead sandbox's id counts
 * as none.  Another's file, a link or a text that is no id: an error that names the file, never followed.
 *
 * Must never: wait longer than OC_SCOPE_WAIT_MS for another's launch.
 */
#ifndef OC_RUNTIME_SESSION_SCOPE_H
#define OC_RUNTIME_SESSION_SCOPE_H

#include "runtime/session/door.h"

#define OC_SCOPE_WAIT_MS 15000

struct oc_scope {
	int run_fd, fd; /* fd: the locked file, -1: not held */
	char name[32];
};
/* Lock it.  *live says whether door is a live sandbox of it. */
int oc_scope_lock(struct oc_scope *s, struct oc_arena *a, const char *state_dir, const char *scope_key,
		  struct oc_door *door, bool *live, struct oc_err *err);
/* Without waiting and without a lock: is there one?  For `run`, whose common case is that there is none. */
bool oc_scope_peek(const char *state_dir, const char *scope_key);
/* Write who serves it now. */
int oc_scope_set(struct oc_scope *s, const char *id, struct oc_err *err);
/* Let go; the file goes too if nobody serves it. */
void oc_scope_unlock(struct oc_scope *s);
/* The sandbox id ends: remove its file if it still names id. */
void oc_scope_forget(const char *state_dir, const char *scope_key, const char *id);

#endif
