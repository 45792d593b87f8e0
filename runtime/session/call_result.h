/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_result - how a call ended, as the object that --result has for a command of its own.
 */
#ifndef OC_RUNTIME_SESSION_CALL_RESULT_H
#define OC_RUNTIME_SESSION_CALL_RESULT_H

#include "runtime/session/keep_internal.h"

/* Its runner, if it has one, is still there: what its group counted is looked at. */
void oc_call_result_write(struct oc_keep *k, const struct oc_call *c, const struct oc_sweep *found,
			  struct oc_json_writer *w);

#endif
