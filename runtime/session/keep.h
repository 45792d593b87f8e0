/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep - the monitor of a sandbox that stays between its commands.
 *
 * A process in the background: no terminal, no descriptor of whoever started it.  It serves the
 * control socket (wire.h) and ends when it is told to, when it was idle for too long, when it is
 * too old, or with pid 1. One poll loop; it never waits for a client.
 */
#ifndef OC_RUNTIME_SESSION_KEEP_H
#define OC_RUNTIME_SESSION_KEEP_H

#include "runtime/plan/plan.h"

/*
 * Fork it, and wait until the sandbox is up (id is filled) or could not be made (*err is why,
 * nothing is left).  The plan belongs to the caller and to the new process alike; the caller goes
 * on with its own copy.
 */
int oc_keep_start(const struct oc_plan *plan, char id[13], struct oc_err *err);

#endif
