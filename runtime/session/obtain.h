/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obtain - a live sandbox for a plan: the one that serves its scope, or a new one.
 *
 * Under the scope's lock (scope.h).  The one that is there is joined if it was made from an equal
 * plan (oc_plan_sandbox_hash).  One of another plan is left alone while it is in use, and for
 * OC_OBTAIN_RECENT_MS after that: somebody is working in it, and he is told how to end it; else it
 * is ended and made anew.
 */
#ifndef OC_RUNTIME_SESSION_OBTAIN_H
#define OC_RUNTIME_SESSION_OBTAIN_H

#include "runtime/plan/plan.h"
#include "runtime/session/door.h"

#define OC_OBTAIN_RECENT_MS (5u * 60 * 1000)

#define OC_OBTAIN_JOIN	   1u /* none is made: that there is none is an error */
#define OC_OBTAIN_RECREATE 2u /* one of another plan is ended, however recently it was used */
#define OC_OBTAIN_IF_LIVE  4u /* that there is none is no error: returns 1 */

/* 0: door is open, *joined says whether it was there before. */
int oc_keep_obtain(const struct oc_plan *plan, unsigned flags, struct oc_door *door, bool *joined,
		   struct oc_err *err);
/* The command that ends the sandbox of this scope, for messages. */
const char *oc_obtain_recreate(struct oc_arena *a, const char *scope_key);

#endif
