/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_call - one group per runner, below the leaf of a sandbox that is kept.
 *
 * It gives a call limits of its own within those of the sandbox, says what the call used, and has
 * the kernel end that call, not pid 1, where memory runs out.  The monitor makes it with the
 * runner; the runner takes one command after another, so limits and counts can be set anew for
 * each.
 *
 * On v1 the runner joins by itself, "0" to each of own.tasks (oc_step_cgroup_join says why); on v2
 * the monitor moves it, oc_cgroup_call_join.  A sandbox without a cgroup has no groups of calls
 * either: everything here does nothing then, own.kind is OC_CGROUP_NONE, and memory is limited by
 * data_limit.
 *
 * Must never: widen a limit of the sandbox, wait longer than OC_CGROUP_CALL_WAIT_MS.
 */
#ifndef OC_RUNTIME_LAUNCH_CGROUP_CALL_H
#define OC_RUNTIME_LAUNCH_CGROUP_CALL_H

#include "runtime/launch/cgroup.h"

#define OC_CGROUP_CALL_WAIT_MS 20

struct oc_call_limits {
	uint64_t memory_bytes, pids,
		cpu_millis; /* 0: as the sandbox has it; and so is what is above that */
};

struct oc_cgroup_call {
	const struct oc_plan *plan;
	const struct oc_cgroup *in; /* NULL: not made */
	struct oc_cgroup own; /* kind, name, leaf[] and, on v1, tasks[] (OC_CG_COUNT of them) */
	uint64_t data_limit;  /* for oc_call_run: no group limits the memory of this call; 0: not
				 needed */
	int peak; /* v2: memory.peak counts anew for this descriptor, where the kernel can do that
		   */
	bool peak_is_new;
	struct oc_cgroup_usage mark; /* when the call began */
};

void oc_cgroup_call_init(struct oc_cgroup_call *c);
/*
 * Make the group below in, whose nested was set.  number tells it from the others of the sandbox.
 * Then as oc_cgroup_call_limit.  On error nothing is left behind.
 */
int oc_cgroup_call_create(struct oc_cgroup_call *c, const struct oc_cgroup *in,
			  const struct oc_plan *plan, unsigned number,
			  const struct oc_call_limits *limits, struct oc_err *err);
/*
 * A new call begins: its limits in place of the last one's, and its counts from zero.  Only pids is
 * not counted anew: see oc_cgroup_call_usage.  A limit that nothing can hold is an error, and the
 * limits that were are not touched then.
 */
int oc_cgroup_call_limit(struct oc_cgroup_call *c, const struct oc_call_limits *limits,
			 struct oc_err *err);
/* v2: pid as the host counts.  A grace period of the kernel (some ms): once for each runner.  v1:
 * nothing. */
int oc_cgroup_call_join(const struct oc_cgroup_call *c, pid_t pid, struct oc_err *err);
/*
 * Since the call began, without the runner.  0 is unknown: memory_peak, where no kernel counts it
 * anew (v2 before 6.12) and an earlier call of this runner had more; pids_peak likewise, on each
 * kernel; cpu on v1.
 */
void oc_cgroup_call_usage(const struct oc_cgroup_call *c, struct oc_cgroup_usage *u);
/*
 * v1: readable when its own limit or the sandbox's was hit; or -1.  The kernel has killed one
 * process, if it is in this group oc_cgroup_call_usage counts it in oom_kills; the caller ends the
 * rest of that call.  On v2 the kernel does.
 */
int oc_cgroup_call_oom_event(const struct oc_cgroup_call *c);
/*
 * Its processes are dead.  Returns -1 with EBUSY if the last one is still leaving after
 * OC_CGROUP_CALL_WAIT_MS: then it can be called again; the end of the sandbox removes it too.
 */
int oc_cgroup_call_remove(struct oc_cgroup_call *c);

#endif
