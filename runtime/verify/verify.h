/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - builds the sandbox of a plan, tries inside it what the plan forbids, compares claimed
 * with verified.
 *
 * The claims come from the plan alone, the facts from oc-probe (the payload) and from a look at it
 * from outside. What could not be tried counts as a difference: an unanswered question is no proof.
 * May: start the sandbox twice (tries; limits by effect, on a smaller copy of a large limit).
 * Must not: run plan->argv, or leave anything behind.
 */
#ifndef OC_RUNTIME_VERIFY_VERIFY_H
#define OC_RUNTIME_VERIFY_VERIFY_H

#include "base/json.h"
#include "runtime/launch/launch.h"

enum oc_verdict {
	OC_VERDICT_OK,
	OC_VERDICT_DIFFERS, /* observed something else than claimed */
	OC_VERDICT_UNTRIED, /* claimed, and the try gave no answer */
	OC_VERDICT_MISSING, /* the plan allows the layer to be missing, and it is */
};
const char *oc_verdict_name(enum oc_verdict v);

struct oc_verify_row {
	enum oc_layer layer;
	const char *probe;    /* "seccomp.keyctl" */
	const char *object;   /* path, limit, ...; "" if none */
	const char *claimed;  /* in words */
	const char *observed; /* as oc-probe said it: "denied", "value", ...; "none" */
	const char *detail;
	enum oc_verdict verdict;
};

/* Lives in the arena of the plan. */
struct oc_verify_report {
	struct oc_verify_row *rows;
	size_t count;
	size_t differs; /* DIFFERS and UNTRIED */
	size_t missing;
	char plan_hash[65];
	struct oc_result result; /* of the first sandbox */
};

/* keep: as a command of a sandbox that is kept sees it.  Returns 0 with the report (rep->differs is the answer), or <0 if the sandbox could not be made or
 * there is no probe. */
int oc_verify_plan(const struct oc_plan *plan, bool keep, struct oc_verify_report *rep,
		   struct oc_err *err);

/* Table for people; only what is not OK, if brief.  And the same as JSON. */
void oc_verify_text(const struct oc_verify_report *rep, bool brief, struct oc_buf *out);
void oc_verify_json(const struct oc_verify_report *rep, struct oc_json_writer *w);

/* --- the parts, for tests --- */

/* Same signature as oc_launch_run, which is what oc_verify_plan uses. probe_path NULL: where it is
 * installed or built. */
typedef int (*oc_verify_run_fn)(const struct oc_plan *plan, const struct oc_launch_options *opt,
				struct oc_result *res, struct oc_err *err);
int oc_verify_with(const struct oc_plan *plan, const char *probe_path, oc_verify_run_fn run,
		   struct oc_verify_report *rep, struct oc_err *err);

#endif
