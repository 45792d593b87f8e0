/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneshot - see oneshot.h.
 */
#include "runtime/session/oneshot.h"

#include <string.h>

#include "runtime/session/quarantine.h"
#include "runtime/session/recovery.h"

int oc_oneshot_run(const struct oc_plan *plan, const struct oc_launch_options *opt, struct oc_result *res,
		   struct oc_err *err)
{
	struct oc_launch_options with = *opt;
	struct oc_quarantine q;
	struct oc_sweep swept = {0};
	struct oc_recovery recovery;

	memset(res, 0, sizeof *res);
	/* What an earlier run could not finish comes first: this one would take it for the state before. */
	if ((plan->state_dir && oc_quarantine_recover(plan->arena, plan->state_dir, NULL, &swept, err) < 0) ||
	    oc_quarantine_begin(&q, plan, err) < 0) {
		oc_err_step(err, "quarantine");
		res->status = 125;
		res->cause = OC_CAUSE_SETUP;
		res->exit_code = -1;
		res->error = *err;
		return -1;
	}
	oc_recovery_begin(&recovery, &q, &with);
	int rc = oc_launch_run(plan, &with, res, err);
	oc_quarantine_end(&q, &swept);
	oc_recovery_end(&recovery);
	res->sweep = swept;
	return rc;
}
