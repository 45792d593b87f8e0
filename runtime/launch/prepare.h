/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare - everything that is done before clone3, in the monitor.
 */
#ifndef OC_RUNTIME_LAUNCH_PREPARE_H
#define OC_RUNTIME_LAUNCH_PREPARE_H

#include "runtime/launch/cgroup.h"
#include "runtime/launch/child.h"

/* Fill c from the plan.  Allocates in the plan's arena, opens descriptors; oc_prepare_close closes them. */
int oc_prepare_child(struct oc_child *c, const struct oc_plan *plan, const struct oc_launch_options *opt,
		     struct oc_err *err);
void oc_prepare_close(struct oc_child *c);

/* Root only: clone, flag and id-map the directory fd as row wants it. */
int oc_prepare_tree(const struct oc_child *c, const struct oc_mount *row, int fd, int *out, struct oc_err *err);

/* Root only: a user namespace that maps from -> to (one user, one group), for an id-mapped mount.  Returns its descriptor. */
int oc_ids_map_namespace(uid_t from_uid, uid_t to_uid, gid_t from_gid, gid_t to_gid, struct oc_err *err);
/* Root only: write the maps of the new sandbox's user namespace. */
int oc_ids_write_maps(pid_t pid, const struct oc_plan *plan, struct oc_err *err);

#endif
