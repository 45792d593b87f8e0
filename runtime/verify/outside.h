/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outside - a look at the running probe from the host side, in a process of its own.
 *
 * Some things cannot be asked from inside: whether the kernel refuses another user namespace when
 * no filter stands in front of it, which limits the cgroup really has, whose session keyring it
 * uses.  The helper also takes the probe's output off its pipe.
 */
#ifndef OC_RUNTIME_VERIFY_OUTSIDE_H
#define OC_RUNTIME_VERIFY_OUTSIDE_H

#include <stddef.h>
#include <sys/types.h>

#include "runtime/verify/claims.h"

/*
 * sock: the verifier's end of the probe's socket, with SO_PASSCRED. pipe: the probe's output.  out:
 * memfd, everything goes there as JSON lines.  Claims that are answered here have `outside`; the
 * number of a claim is its place. started: one byte is written there when the sandbox may be
 * started.  Returns when the output is at its end.
 */
void oc_outside_run(int sock, int pipe, int out, int started, const struct oc_claims *claims,
		    const struct oc_plan *plan);

/* --- inside of the room --- */

/* One line of answer to the claims of that probe. */
void oc_outside_answer(int out, const struct oc_claims *claims, const char *probe,
		       const char *observed, const char *detail);
/* outside_net.c */
void oc_outside_net(int out, const struct oc_claims *claims, pid_t payload);

#endif
