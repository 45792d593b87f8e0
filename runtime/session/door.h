/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - finds the live sandboxes of this user and talks to their monitors
 * (runtime/launch/control.h).
 *
 * What a dead one left behind is removed by whoever finds it.  Must never wait for a monitor longer
 * than OC_DOOR_MS.
 */
#ifndef OC_RUNTIME_SESSION_DOOR_H
#define OC_RUNTIME_SESSION_DOOR_H

#include "base/json.h"
#include "runtime/launch/rundir.h"

#define OC_DOOR_MS 8000

struct oc_door {
	char id[OC_RUNDIR_ID_LEN + 1];
	int dir_fd; /* its directory; open until the process ends */
	pid_t pid;  /* of the monitor, as it wrote it */
	unsigned long long start_time;
	const char *agent, *scope_key; /* NULL: none */
	const char *created;
};

/* All of them, the oldest first.  state_dir may be NULL. */
int oc_door_list(struct oc_arena *a, const char *state_dir, struct oc_door **out, size_t *count,
		 struct oc_err *err);
/*
 * The one that word stands for: an id, an agent's id, or the beginning of an id; NULL: the only one
 * that there is.  An error names those that it could be.
 */
int oc_door_find(struct oc_arena *a, const char *state_dir, const char *word, struct oc_door *out,
		 struct oc_err *err);
/* One request, one answer; "ok":false is an error here. */
int oc_door_call(struct oc_arena *a, const struct oc_door *d, const struct oc_buf *request,
		 struct oc_json **answer, struct oc_err *err);
/* A descriptor that is readable when the monitor has ended; -1 if it cannot be seen from here. */
int oc_door_watch(const struct oc_door *d);

#endif
