/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - the ceiling of what a workspace of ours may hold (--disk).
 *
 * In memory the tmpfs gets that size, which nothing inside can pass.  On the host's disk the
 * monitor counts from time to time (runtime/launch/disk.h), and no single file may be longer than
 * all of it.  Pure.
 */
#define _GNU_SOURCE 1 /* memory and path helpers of glibc */
#include <string.h>

#include "runtime/plan/internal.h"

/* Less is not even room for a directory and a lock file. */
#define MIN_DISK (UINT64_C(1) << 20)

enum oc_disk_bound oc_plan_disk_bound(const struct oc_plan *plan)
{
	if (!plan->disk_bytes)
		return OC_DISK_NONE;
	return plan->scratch_dir || plan->overlay_dir ? OC_DISK_SAMPLED : OC_DISK_HARD;
}

static struct oc_mount *workspace_in_memory(const struct oc_builder *b)
{
	for (size_t i = 0; i < b->mounts.count; i++) {
		struct oc_mount *m = &b->mounts.items[i];
		if (m->kind == OC_MOUNT_TMPFS && strcmp(m->target, "/workspace") == 0)
			return m;
	}
	return NULL;
}

static int limit_files(struct oc_builder *b, oc_origin origin, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	struct oc_ulimit u = {0};

	for (size_t i = 0; i < plan->ulimit_count; i++)
		if (plan->ulimits[i].resource == RLIMIT_FSIZE &&
		    plan->ulimits[i].hard <= plan->disk_bytes)
			return 0;
	if (oc_parse_ulimit_value("fsize", "0", &u, err) < 0)
		return -1;
	u.soft = u.hard = plan->disk_bytes;
	u.origin = origin;
	oc_ulimit_put(b->a, &b->s, &u);
	plan->ulimits = b->s.ulimits.items;
	plan->ulimit_count = b->s.ulimits.count;
	return 0;
}

int oc_disk_finish(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *v = &b->s.v[OC_S_DISK];
	const char *why = NULL;

	plan->disk_bytes = v->number;
	plan->origin[OC_V_DISK] = v->origin ? v->origin : "default";
	if (!v->number)
		return 0;
	struct oc_mount *memory = workspace_in_memory(b);
	if (v->number < MIN_DISK)
		return oc_fail(err, 0,
			       "%s: a disk of %llu bytes is below the smallest that works, 1m",
			       v->origin, (unsigned long long)v->number);
	if (plan->access == OC_ACCESS_RW)
		why = "the workspace is a directory of the host, which others fill too";
	else if (plan->access == OC_ACCESS_RO && !plan->scratch_dir)
		why = "the workspace is read-only";
	else if (!memory && !plan->scratch_dir && !plan->overlay_dir)
		why = "a bind or tmpfs takes the place of the workspace";
	if (why) {
		oc_fail(err, 0, "%s: there is nothing that a disk limit could bound: %s", v->origin,
			why);
		return oc_err_hint(
			err, "take the limit out (disk \"none\"), or use --access none or overlay");
	}
	if (memory) {
		memory->size_bytes = v->number;
		return 0;
	}
	return limit_files(b, v->origin, err);
}
