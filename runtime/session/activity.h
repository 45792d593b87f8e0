/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activity - what a kept sandbox is doing, for `ps`, `prune` and whoever wants to join it.
 *
 * One small file in the sandbox's directory of the registry (runtime/launch/rundir.h).  The monitor
 * has it mapped, so that telling costs two stores and no system call; a reader needs no answer of
 * the monitor.  CLOCK_BOOTTIME: a clock that is set does not make a sandbox look idle, a machine
 * that slept does.
 *
 * Must never: block, or trust what it reads for more than a table or a first guess.
 */
#ifndef OC_RUNTIME_SESSION_ACTIVITY_H
#define OC_RUNTIME_SESSION_ACTIVITY_H

#include <stdint.h>

#include "base/err.h"

#define OC_ACTIVITY_FILE  "activity"
#define OC_ACTIVITY_MAGIC 0x3141434fu /* "OCA1" */

enum oc_activity_state { OC_ACTIVITY_STARTING, OC_ACTIVITY_READY, OC_ACTIVITY_STOPPING };

struct oc_activity {
	uint32_t magic;
	uint32_t state;
	uint32_t calls; /* running */
	uint32_t reserved;
	uint64_t used_ns; /* when it was last used; while calls run it is in use */
};

/* The monitor's side: make the file and map it.  It stays mapped until the process ends.  NULL:
 * *err. */
struct oc_activity *oc_activity_make(int dir_fd, struct oc_err *err);
/* It is used now. */
void oc_activity_note(struct oc_activity *p, enum oc_activity_state state, unsigned calls);
/* -1: there is none, or none that we know. */
int oc_activity_read(int dir_fd, struct oc_activity *out);

uint64_t oc_activity_clock(void);
/* Since it was last used; 0 while calls run. */
uint64_t oc_activity_idle_ms(const struct oc_activity *p);

#endif
