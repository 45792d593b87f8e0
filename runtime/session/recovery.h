/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery - what the janitor of a killed monitor runs to sweep the workspaces (quarantine.h).
 */
#ifndef OC_RUNTIME_SESSION_RECOVERY_H
#define OC_RUNTIME_SESSION_RECOVERY_H

#include "runtime/launch/launch.h"
#include "runtime/session/quarantine.h"

/* Everything for the execve of the janitor, ready before anything runs. */
struct oc_recovery {
	int program;
	char *argv[7];
	char *envp[1];
};

/* Fill it and opt->after_death, if q guards something.  r must live as long as the sandbox. */
void oc_recovery_begin(struct oc_recovery *r, const struct oc_quarantine *q,
		       struct oc_launch_options *opt);
void oc_recovery_end(struct oc_recovery *r);

#endif
