/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler - what stands in for the memory and pids controllers where no cgroup can be had.
 *
 * It adds up, ten times a second, what the processes of the sandbox hold.  It sees a limit passed, it cannot stop it from being
 * passed: RLIMIT_DATA and RLIMIT_NPROC bound each process and the number of them in between.
 */
#ifndef OC_RUNTIME_LAUNCH_SAMPLER_H
#define OC_RUNTIME_LAUNCH_SAMPLER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OC_SAMPLE_MS 100

struct oc_sample {
	uint64_t memory_bytes; /* anonymous and shared memory of all processes, and the memfds they hold */
	uint64_t tasks;	       /* threads of all processes, pid 1 included: what RLIMIT_NPROC counts */
};

/* pid 1 and all that descend from it: at most max. */
size_t oc_sampler_list(pid_t init, pid_t *seen, size_t max);
/* init: pid 1 of the sandbox as the host sees it. Processes that end meanwhile are left out. */
void oc_sampler_take(pid_t init, struct oc_sample *s);

#endif
