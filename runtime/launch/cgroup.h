/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup - one leaf per sandbox, below the caller's own cgroup, on v2, v1 and hybrid hosts.
 *
 * May: make and remove directories below cgroups that the caller may write; on v2, switch controllers on along the way, ask the systemd
 * user manager for a scope, and move the caller into a sub-group of a delegated group in which nobody else is.
 * Must not: move a process of anybody else, change a limit of an existing cgroup, leave a leaf behind.
 */
#ifndef OC_RUNTIME_LAUNCH_CGROUP_H
#define OC_RUNTIME_LAUNCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/plan/plan.h"

enum oc_cgroup_kind { OC_CGROUP_NONE, OC_CGROUP_V1, OC_CGROUP_V2 };
enum { OC_CG_PIDS, OC_CG_MEMORY, OC_CG_CPU, OC_CG_COUNT }; /* leaves are made in this order */
#define OC_CG_BIT(i) (1u << (unsigned)(i))
#define OC_CG_ALL (OC_CG_BIT(OC_CG_COUNT) - 1)

struct oc_cgroup {
	enum oc_cgroup_kind kind;
	unsigned missing; /* v2: OC_CG_BIT of the controllers that nobody hands to us, so that their limits are not set */
	bool delegated;	  /* v2: parent[0] is a group that systemd has handed to us alone */
	bool settled;	  /* v2: we sit in a sub-group of parent[0] that we made, and go back when the leaf is removed */
	bool nested;	  /* to be set before oc_cgroup_create: the leaf gets groups below it (cgroup_call.h) */
	char name[64];		 /* of the leaf */
	/*
	 * The directory that holds the leaf; -1: none.  v2: the first only, or where it is not delegated the second, and the
	 * first is a group in it of the leaf's name.
	 */
	int parent[OC_CG_COUNT];
	int leaf[OC_CG_COUNT];
	int tasks[OC_CG_COUNT]; /* v1: opened for writing, to be used by the child */
	int init; /* v2 with nested: a group in the leaf for pid 1, for the leaf itself must be empty then; else -1 */
	char detail[96];
};

struct oc_cgroup_usage {
	uint64_t memory_peak, memory_now, pids_peak, cpu_user_us, cpu_system_us;
	uint64_t oom_kills, pids_refused; /* events since the leaf was made */
};

void oc_cgroup_init(struct oc_cgroup *cg);
const char *oc_cgroup_controller(int i);
/* Whether the host is all v2. */
bool oc_cgroup_unified(void);
/* Make the leaf with the plan's limits, but for those of cg->missing.  On error nothing is left behind and cg->kind is OC_CGROUP_NONE. */
int oc_cgroup_create(struct oc_cgroup *cg, const struct oc_plan *plan, struct oc_err *err);
/* v2: the group in which pid 1 is born. */
static inline int oc_cgroup_birth(const struct oc_cgroup *cg)
{
	return cg->init >= 0 ? cg->init : cg->leaf[0];
}
void oc_cgroup_usage(const struct oc_cgroup *cg, struct oc_cgroup_usage *u);
/* v1: a descriptor that becomes readable when the memory limit is hit, or -1 where the kernel has none. v2 kills the group by itself. */
int oc_cgroup_oom_event(const struct oc_cgroup *cg);
/*
 * Remove the leaf and the groups in it, whose processes are dead.  Returns -1 with errno if it could not be removed.  System
 * calls only: the janitor does it too.
 */
int oc_cgroup_remove(struct oc_cgroup *cg);

#endif
