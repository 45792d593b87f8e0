/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - clone3 with all namespaces, and the diagnosis when it fails.
 */
#ifndef OC_RUNTIME_LAUNCH_SPAWN_H
#define OC_RUNTIME_LAUNCH_SPAWN_H

#include "runtime/launch/cgroup.h"
#include "runtime/launch/child.h"

/*
 * Start the far side.  *pidfd is written before the child runs.  Returns its pid.  When a namespace cannot be had, the error names the
 * layer; one that may be missing is marked so in c->state and left out.
 */
pid_t oc_spawn(struct oc_child *c, const struct oc_cgroup *cg, int *pidfd, struct oc_err *err);

#endif
