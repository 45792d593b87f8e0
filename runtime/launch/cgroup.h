/* SPDX-License-Identifier: MIT */
/*
 * cgroup - one leaf per sandbox, below the caller's own cgroup, on v2, v1 and hybrid hosts.
 *
 * May: make and remove directories below cgroups that the caller may write; as root on v2, switch controllers on along the way.
 * Must not: move a process that is not the sandbox's, change a limit of an existing cgroup, leave a leaf behind.
 */
#ifndef OC_RUNTIME_LAUNCH_CGROUP_H
#define OC_RUNTIME_LAUNCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/plan/plan.h"

enum oc_cgroup_kind { OC_CGROUP_NONE, OC_CGROUP_V1, OC_CGROUP_V2 };
enum { OC_CG_MEMORY, OC_CG_PIDS, OC_CG_CPU, OC_CG_COUNT };

struct oc_cgroup {
	enum oc_cgroup_kind kind;
	char name[64];		 /* of the leaf */
	int parent[OC_CG_COUNT]; /* directory that holds the leaf; v2 uses the first only; -1: none */
	int leaf[OC_CG_COUNT];
	int tasks[OC_CG_COUNT]; /* v1: opened for writing, to be used by the child */
	char detail[96];
};

struct oc_cgroup_usage {
	uint64_t memory_peak, memory_now, pids_peak, cpu_user_us, cpu_system_us;
	uint64_t oom_kills, pids_refused; /* events since the leaf was made */
};

void oc_cgroup_init(struct oc_cgroup *cg);
/* Make the leaf with the plan's limits.  On error nothing is left behind and cg->kind is OC_CGROUP_NONE. */
int oc_cgroup_create(struct oc_cgroup *cg, const struct oc_plan *plan, struct oc_err *err);
void oc_cgroup_usage(const struct oc_cgroup *cg, struct oc_cgroup_usage *u);
/* Remove the leaf, whose processes are dead. Returns -1 with errno if it could not be removed. */
int oc_cgroup_remove(struct oc_cgroup *cg);

#endif
