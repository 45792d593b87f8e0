/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneshot - a sandbox for one command, with what belongs before and after it on the host.
 */
#ifndef OC_RUNTIME_SESSION_ONESHOT_H
#define OC_RUNTIME_SESSION_ONESHOT_H

#include "runtime/launch/launch.h"

/* As oc_launch_run, between the journal of the quarantine and its sweep; res->sweep says what was found. */
int oc_oneshot_run(const struct oc_plan *plan, const struct oc_launch_options *opt, struct oc_result *res,
		   struct oc_err *err);

#endif
