/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_facts - what the model is told of the sandbox, from its plan.  Pure.
 */
#include <string.h>

#include "runtime/cli/mcp.h"
#include "runtime/plan/plan.h"

#define RULES_MAX 40

static void workspace(const struct oc_plan *plan, struct oc_buf *out)
{
	bool shown = false;

	oc_buf_printf(out, "- Relative paths are from %s.\n", plan->workdir);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct oc_mount *m = &plan->mounts[i];
		bool real = m->source && plan->workspace && strcmp(m->source, plan->workspace) == 0;
		if (!m->workspace && !real)
			continue;
		shown = true;
		if (!real)
			oc_buf_printf(out, "- %s is a private directory of this sandbox%s.\n",
				      m->target,
				      plan->scratch_dir ? " that stays when the sandbox ends"
							: "; it ends with the sandbox");
		else if (plan->access == OC_ACCESS_OVERLAY)
			oc_buf_printf(out,
				      "- %s is %s of the host. Changes are kept apart: the user "
				      "looks at them "
				      "(oc-sandbox diff) and applies or discards them.\n",
				      m->target, m->source);
		else
			oc_buf_printf(out, "- %s is %s of the host, %s.\n", m->target, m->source,
				      m->read_only ? "read-only"
						   : "where changes are made at once");
	}
	if (!shown)
		oc_buf_printf(out, "- It is a directory of this sandbox alone%s.\n",
			      plan->scratch_dir ? " that stays when the sandbox ends" : "");
	oc_buf_puts(out, "- Writable are");
	const char *comma = " ";
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct oc_mount *m = &plan->mounts[i];
		if (m->read_only || (m->kind != OC_MOUNT_BIND && m->kind != OC_MOUNT_TMPFS) ||
		    (m->optional && m->fd < 0))
			continue;
		oc_buf_printf(out, "%s%s", comma, m->target);
		comma = ", ";
	}
	oc_buf_puts(out, ", as far as permissions go. The rest is read-only. Some files that the "
			 "host would run or trust "
			 "(git hooks, start-up files, editor settings) may be read-only, too.\n");
}

static void rules(const char *what, const struct oc_egress_list_row *row, size_t count,
		  struct oc_buf *out)
{
	if (count == 0)
		return;
	oc_buf_puts(out, what);
	for (size_t i = 0; i < count && i < RULES_MAX; i++)
		oc_buf_printf(out, "%s%s", i ? ", " : " ", row[i].text);
	if (count > RULES_MAX)
		oc_buf_printf(out, " and %zu more", count - RULES_MAX);
	oc_buf_puts(out, ".");
}

static void network(const struct oc_plan *plan, struct oc_buf *out)
{
	const struct oc_plan_egress *e = &plan->egress;

	if (e->mode == OC_EGRESS_NONE) {
		oc_buf_puts(out, "- There is no network: no connection can be made, no name be "
				 "looked up.\n");
		return;
	}
	if (e->mode == OC_EGRESS_OPEN)
		oc_buf_puts(out, "- Network: what is public can be reached.");
	else
		rules("- Network: nothing can be reached but", e->allow, e->allow_count, out);
	rules(" Never", e->deny, e->deny_count, out);
	oc_buf_puts(out, "\n");
}

static void layers(const struct oc_plan *plan, struct oc_buf *out)
{
	const char *comma = " ";

	oc_buf_puts(out, "- Enforced by the kernel:");
	for (unsigned l = 0; l < OC_LAYER_COUNT; l++)
		if (plan->required & OC_LAYER_BIT(l)) {
			oc_buf_printf(out, "%s%s", comma, oc_layer_info((enum oc_layer)l)->name);
			comma = ", ";
		}
	oc_buf_puts(out, ".\n");
}

void oc_mcp_facts(const struct oc_plan *plan, uint64_t limit_ms, struct oc_buf *out)
{
	oc_buf_puts(out, "These tools work inside a sandbox (oc-sandbox), not on the host itself. "
			 "Commands and file tools see "
			 "the same files.\n");
	workspace(plan, out);
	network(plan, out);
	oc_buf_printf(out,
		      "- Limits: %llu MiB of memory, %llu processes, %.3g processors, %.0f s for a "
		      "command.\n",
		      (unsigned long long)(plan->memory_bytes >> 20),
		      (unsigned long long)plan->pids, (double)plan->cpu_millis / 1000,
		      (double)limit_ms / 1000);
	layers(plan, out);
	oc_buf_puts(out, "- Files stay between calls; processes do not: each ends with the call "
			 "that started it.\n");
}
