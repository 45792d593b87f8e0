/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir - the run directory: one directory for each live sandbox of this user (see control.h).
 *
 * Places, in this order: /run/oc-sandbox for root, $XDG_RUNTIME_DIR/oc-sandbox for anyone else if
 * that is a directory of his own which nobody else can write (where the variable is not set, as in a
 * service, /run/user/UID, so that his shell and his services have one registry); then run/ in the
 * state directory.  A new sandbox takes the first that can be had; who looks for one looks into all
 * of them.
 *
 * A sandbox holds a lock (flock(2), shared) on its directory for as long as its monitor or janitor
 * lives.  Unlike a pid and its start time, which are in info.json for people and programs to read,
 * it means the same in every pid namespace that can see the directory, and nothing has to be parsed
 * to find out.  Whoever gets the lock exclusively has found what a `kill -9` of both left behind,
 * and removes it.
 *
 * Must never: follow a link, use a directory that others own or can write, wait.
 */
#ifndef OC_RUNTIME_LAUNCH_RUNDIR_H
#define OC_RUNTIME_LAUNCH_RUNDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define OC_RUNDIR_ID_LEN 12 /* hexadecimal digits */
#define OC_RUNDIR_PLACES 2

/* The first place that can be had, made if it is missing.  state_dir may be NULL.  Returns a
 * descriptor. */
int oc_rundir_make(const char *state_dir, struct oc_err *err);
/* Place 0 or 1 as it is; -1 with err->errnum ENOENT if it is not there. */
int oc_rundir_open(const char *state_dir, unsigned place, struct oc_err *err);

/* Twelve hexadecimal digits, lower case. */
bool oc_rundir_is_id(const char *name);
/* Make a new, locked directory in it; id is filled.  Returns its descriptor. */
int oc_rundir_new(int run_fd, char id[OC_RUNDIR_ID_LEN + 1], struct oc_err *err);
/*
 * Open the directory of a sandbox.  -1 with ENOENT if there is none, or if its sandbox is dead: it
 * is removed then; ENOTEMPTY if there is something in it that is not ours, which stays.  EPERM: it
 * belongs to somebody else.
 */
int oc_rundir_entry(int run_fd, const char *id);
/*
 * Read a regular file of ours in a directory of ours, without waiting: -1 with ELOOP for a link, EINVAL
 * for anything else that is no file, EPERM if others own it or can write it, EFBIG.
 */
ssize_t oc_rundir_read(int dir_fd, const char *name, char *buf, size_t size);
/* Remove what a dead sandbox left; looks at no more than a few, so that a launch beside hundreds of
 * live ones takes no longer. */
void oc_rundir_sweep(int run_fd);
/* System calls only. */
void oc_rundir_remove(int run_fd, int dir_fd, const char *id);

/* Start time of a process in clock ticks since boot: with the pid it names one process.  0: there
 * is none. */
unsigned long long oc_rundir_start_time(pid_t pid);

#endif
