/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result - how a run ended, as one JSON object.
 */
#include <string.h>

#include "runtime/cli/cli.h"

static const char *state_name(enum oc_layer_state s)
{
	return s == OC_STATE_ENFORCED ? "enforced" : s == OC_STATE_PARTIAL ? "partial" : "missing";
}

static void write_layers(const struct oc_plan *plan, const struct oc_result *res, struct oc_json_writer *w)
{
	oc_jw_key(w, "layers");
	oc_jw_object(w);
	for (int i = 0; i < OC_LAYER_COUNT; i++) {
		oc_jw_key(w, oc_layer_info((enum oc_layer)i)->name);
		oc_jw_object(w);
		oc_jw_key(w, "state");
		/* Nothing is enforced on a command that never ran. */
		oc_jw_string(w, res->status == OC_EXIT_SETUP && res->cause == OC_CAUSE_SETUP
					? "not reached"
					: state_name(res->layer[i]));
		if (res->layer_detail[i][0]) {
			oc_jw_key(w, "detail");
			oc_jw_string(w, res->layer_detail[i]);
		}
		oc_jw_object_end(w);
	}
	oc_jw_object_end(w);
	(void)plan;
}

static void write_number(struct oc_json_writer *w, const char *key, uint64_t n, bool known)
{
	oc_jw_key(w, key);
	if (known)
		oc_jw_uint(w, n);
	else
		oc_jw_null(w);
}

static void write_record(const char *line, struct oc_json_writer *w)
{
	oc_auto_arena a = {0};
	struct oc_err ignored = {0};
	struct oc_json *v;

	if (oc_json_parse(&a, line, strlen(line), "record", &v, &ignored) == 0)
		oc_jw_value(w, v);
}

/* What the network was used for, and what was refused. */
static void write_egress(const struct oc_plan *plan, const struct oc_egress_report *r, struct oc_json_writer *w)
{
	oc_jw_key(w, "egress");
	oc_jw_object(w);
	oc_jw_key(w, "mode");
	oc_jw_string(w, oc_egress_mode_name(plan->egress.mode));
	if (r->started) {
		oc_jw_key(w, "broker");
		oc_jw_string(w, r->ended ? "ended" : "served");
		if (r->ended) {
			oc_jw_key(w, "ended");
			oc_jw_string(w, r->how);
		}
		oc_egress_report_write(r, w);
		oc_jw_key(w, "recordsBefore");
		oc_jw_uint(w, r->record_count - r->records_kept);
		oc_jw_key(w, "recordsDropped");
		oc_jw_uint(w, r->records_dropped);
		oc_jw_key(w, "recordsLost");
		oc_jw_uint(w, r->records_lost);
		oc_jw_key(w, "records");
		oc_jw_array(w);
		for (size_t i = 0; i < r->records_kept; i++)
			write_record(r->records[i], w);
		oc_jw_array_end(w);
	}
	oc_jw_object_end(w);
}

void oc_cli_result_json(const struct oc_plan *plan, const struct oc_result *res, struct oc_json_writer *w)
{
	char hash[65];

	oc_jw_object(w);
	oc_jw_key(w, "status");
	oc_jw_int(w, res->status);
	oc_jw_key(w, "cause");
	oc_jw_string(w, oc_cause_name(res->cause));
	write_number(w, "exit", (uint64_t)res->exit_code, res->exit_code >= 0);
	write_number(w, "signal", (uint64_t)res->signal, res->signal > 0);
	oc_jw_key(w, "usage");
	oc_jw_object(w);
	oc_jw_key(w, "wallUs");
	oc_jw_uint(w, res->wall_us);
	oc_jw_key(w, "userUs");
	oc_jw_uint(w, res->user_us);
	oc_jw_key(w, "systemUs");
	oc_jw_uint(w, res->system_us);
	write_number(w, "memoryPeakBytes", res->memory_peak_bytes, res->memory_peak_bytes > 0);
	write_number(w, "pidsPeak", res->pids_peak, res->pids_peak > 0);
	if (plan && plan->disk_bytes)
		write_number(w, "diskPeakBytes", res->disk_peak_bytes, res->disk_peak_bytes > 0);
	oc_jw_object_end(w);
	if (plan) {
		oc_jw_key(w, "limits");
		oc_jw_object(w);
		oc_jw_key(w, "memoryBytes");
		oc_jw_uint(w, plan->memory_bytes);
		oc_jw_key(w, "pids");
		oc_jw_uint(w, plan->pids);
		oc_jw_key(w, "cpuMillis");
		oc_jw_uint(w, plan->cpu_millis);
		write_number(w, "timeoutMs", plan->timeout_ms, plan->timeout_ms > 0);
		if (plan->disk_bytes) {
			oc_jw_key(w, "diskBytes");
			oc_jw_uint(w, plan->disk_bytes);
			oc_jw_key(w, "diskBound");
			oc_jw_string(w, oc_plan_disk_bound(plan) == OC_DISK_HARD ? "hard" : "sampled");
		}
		oc_jw_object_end(w);
		oc_plan_hash(plan, hash);
		oc_jw_key(w, "planHash");
		oc_jw_string(w, hash);
		write_layers(plan, res, w);
		write_egress(plan, &res->egress, w);
	}
	oc_jw_key(w, "quarantined");
	oc_jw_array(w);
	for (size_t i = 0; i < res->sweep.count; i++) {
		const struct oc_quarantined *q = &res->sweep.items[i];
		oc_jw_object(w);
		oc_jw_key(w, "path");
		oc_jw_string(w, q->path);
		oc_jw_key(w, "moved");
		oc_jw_string(w, q->moved);
		oc_jw_key(w, "why");
		oc_jw_string(w, q->why);
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	if (res->sweep.incomplete) {
		oc_jw_key(w, "quarantineIncomplete");
		oc_jw_string(w, res->sweep.incomplete_why);
	}
	if (res->error.msg[0]) {
		oc_jw_key(w, "error");
		oc_jw_object(w);
		oc_jw_key(w, "step");
		oc_jw_string(w, res->error.step);
		oc_jw_key(w, "message");
		oc_jw_string(w, res->error.msg);
		oc_jw_key(w, "hint");
		oc_jw_string(w, res->error.hint);
		oc_jw_object_end(w);
	}
	oc_jw_object_end(w);
}
