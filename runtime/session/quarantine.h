/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quarantine - when a sandbox that could write host directories has ended, take away what the host would run or trust.
 *
 * Before the command a journal entry is written: <state>/quarantine/pending/NAME.json holds the workspaces and what they
 * looked like.  Afterwards the workspaces are swept and the entry is removed.  If the monitor was killed, its janitor does it;
 * if that was killed too, the next oc-sandbox does (or `oc-sandbox recover`).
 */
#ifndef OC_RUNTIME_SESSION_QUARANTINE_H
#define OC_RUNTIME_SESSION_QUARANTINE_H

#include "runtime/plan/guard.h"
#include "runtime/plan/plan.h"

struct oc_quarantine {
	const struct oc_plan *plan;
	int pending_fd;	   /* directory of the journal, -1: nothing is guarded */
	const char *name;  /* of the entry */
	const char *base;  /* path below which things are moved; not made yet */
	/* Of a sandbox that is kept: */
	bool doubtful;		  /* a sweep was incomplete: what it did not see must not become the state before */
	struct oc_arena look[2]; /* what the workspaces looked like before the last command, and before that */
	unsigned looks;
};

/* Write the journal entry if the plan has a guarded workspace.  The strings live in the plan's arena. */
int oc_quarantine_begin(struct oc_quarantine *q, const struct oc_plan *plan, struct oc_err *err);
/*
 * Every process of the sandbox is dead: sweep, remove the entry.  A workspace that cannot be read is reported in out as
 * incomplete and keeps its entry.
 */
void oc_quarantine_end(struct oc_quarantine *q, struct oc_sweep *out);

/*
 * The same between two commands of a sandbox that is kept: a command has ended.  Others may run.  The entry stays.  out lives
 * in the arena.
 */
void oc_quarantine_sweep(struct oc_quarantine *q, struct oc_arena *a, struct oc_sweep *out);
/*
 * Nothing runs in it, and the next command is about to: what the workspaces look like now is the state before, for what was
 * changed meanwhile was changed by the host.
 */
int oc_quarantine_renew(struct oc_quarantine *q, struct oc_err *err);

/*
 * Finish the entries whose monitor is dead.  name: only this entry, or NULL for all.  Found things are appended to out.
 * Without a journal this is one system call.
 */
int oc_quarantine_recover(struct oc_arena *a, const char *state_dir, const char *name, struct oc_sweep *out,
			  struct oc_err *err);

#endif
