/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept - has the probe run as a command of a sandbox that is kept: by a runner below pid 1 (runtime/launch/call.h), which
 * wears its layers in another way than the command of a one-shot sandbox.
 */
#ifndef OC_RUNTIME_VERIFY_KEPT_H
#define OC_RUNTIME_VERIFY_KEPT_H

#include "runtime/launch/launch.h"

/* An oc_verify_run_fn: a sandbox that is kept for as long as plan->argv runs in it. */
int oc_verify_run_kept(const struct oc_plan *plan, const struct oc_launch_options *opt,
		       struct oc_result *res, struct oc_err *err);

#endif
