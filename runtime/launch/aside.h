/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside - the two steps of the far side that mostly wait for the kernel, in a thread of pid 1 beside the others:
 * the network namespace (making one takes longer than half of the mounts) and the unmounting of the host's root (it waits
 * for a grace period of RCU).
 *
 * The thread is started before the ids change, has ended before the capabilities go, and pid 1 is a single thread again before
 * the command starts.  It shares the descriptors and the root directory of pid 1 and touches nothing of struct oc_child but
 * its own part.  What failed in it is reported by the steps that wait for it, like any other failure.
 */
#ifndef OC_RUNTIME_LAUNCH_ASIDE_H
#define OC_RUNTIME_LAUNCH_ASIDE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct oc_child;

struct oc_aside {
	bool started;
	pthread_t thread;
	bool want_net;	  /* make a network namespace; set before the start */
	bool net_in_line; /* by pid 1 itself, before anything else: a new sysfs shows the devices of the namespace that we are in */
	int pivoted; /* futex: 1 when the host's root may go */
	/* filled by the thread */
	int net_fd; /* the namespace, or -1 */
	struct oc_err net_err, umount_err;
};

/* Start it.  Where no thread is to be had, the same is done in line. */
void oc_aside_start(struct oc_child *c);
/* The new root is "/", the host's lies on top of it. */
void oc_aside_pivoted(struct oc_child *c);
/* Wait for its end.  A launch that fails before oc_aside_pivoted does not: the end of pid 1 is the end of the thread. */
int oc_step_old_root(struct oc_child *c, struct oc_err *err);
/* Enter the network namespace that it made. */
int oc_step_net_enter(struct oc_child *c, struct oc_err *err);

#endif
