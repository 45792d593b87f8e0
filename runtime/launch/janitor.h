/* SPDX-License-Identifier: Apache-2.0 */
/*
 * janitor - cleans up after a monitor that was killed.
 *
 * A process that shares the monitor's memory and descriptors (no copy, no exec: about 30 us) and waits for its death.  Then it kills pid 1
 * of the sandbox, waits until it is gone, and does on the host what the monitor would have done.
 *
 * While the monitor lives it does nothing but wait in one system call: they share errno.
 */
#ifndef OC_RUNTIME_LAUNCH_JANITOR_H
#define OC_RUNTIME_LAUNCH_JANITOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/launch/cgroup.h"

struct oc_janitor {
	pid_t pid; /* 0: none */
	int monitor_pidfd;
	struct oc_cgroup *cgroup;
	bool released; /* nothing is left to do */
	int hold_fd;   /* mount namespace of the sandbox, or -1 */
	int init_pidfd; /* -1: no sandbox yet; written by clone3 itself, so that there is no moment without it */
	/* Called when pid 1 is dead, before the cgroup is removed; as `after`. */
	void (*first)(void *ctx);
	void *first_ctx;
	/* Called when everything of the sandbox is dead; must not use the heap (the monitor may have died in malloc). NULL: nothing. */
	void (*after)(void *ctx);
	void *ctx;
};

void oc_janitor_init(struct oc_janitor *j);
int oc_janitor_start(struct oc_janitor *j, struct oc_err *err);
/* The monitor has cleaned up itself: end it, now. */
void oc_janitor_dismiss(struct oc_janitor *j);
/*
 * The same for a monitor that is about to exit: the janitor ends right after it and takes with it what is left of the shared descriptors, in
 * particular hold_fd, so that nobody waits for the kernel to take the mounts apart.
 */
void oc_janitor_release(struct oc_janitor *j);

#endif
