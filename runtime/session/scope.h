/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope - which live sandbox serves a scope key, with one lock so that two callers at once get one.
 *
 * In the run directory (runtime/launch/rundir.h) a file "scope-" and 16 hexadecimal digits (SHA-256
 * of the state directory, a NUL and the scope key) holds the id of the sandbox and a newline.
 * Whoever joins or makes one holds its lock (flock, exclusive) from looking to the end of making; a
 * dead sandbox's id counts as none.  Another's file, a link or a text that is no id: an error that
 * names the file, never followed. The file is removed only by who holds its lock, and who gets the
 * lock looks whether the name still means the file that he has locked: so nobody can lock one that
 * is gone while another makes a new one.
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
	bool served; /* its sandbox lives: the file stays */
};
/* Lock it.  *live says whether door is a live sandbox of it: it is open then.  state_dir must live
 * as long as s. */
int oc_scope_lock(struct oc_scope *s, struct oc_arena *a, const char *state_dir,
		  const char *scope_key, struct oc_door *door, bool *live, struct oc_err *err);
/* It was live, and is not any more. */
void oc_scope_ended(struct oc_scope *s);
/* Without waiting and without a lock: is there one?  For `run`, whose common case is that there is
 * none. */
bool oc_scope_peek(const char *state_dir, const char *scope_key);
/* Write who serves it now. */
int oc_scope_set(struct oc_scope *s, const char *id, struct oc_err *err);
/* Let go; the file goes too if nobody serves it. */
void oc_scope_unlock(struct oc_scope *s);
/* The sandbox id ends: remove its file if it still names id. */
void oc_scope_forget(const char *state_dir, const char *scope_key, const char *id);
/* Remove the files of those that are dead; returns how many. */
size_t oc_scope_sweep(const char *state_dir);

#endif
