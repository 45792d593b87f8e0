/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - a sandbox on its monitor's side: made, watched, taken away.
 *
 * Both monitors stand on it: that of one command (run.c) and that of a sandbox that is kept
 * (runtime/session/keep.c).  It knows nothing of streams, clients or time limits.
 *
 * Must not: leave anything behind, whichever step failed and whoever was killed.
 */
#ifndef OC_RUNTIME_LAUNCH_SANDBOX_H
#define OC_RUNTIME_LAUNCH_SANDBOX_H

#include "runtime/launch/cgroup.h"
#include "runtime/launch/child.h"
#include "runtime/launch/disk.h"
#include "runtime/launch/egress.h"
#include "runtime/launch/janitor.h"

struct oc_sandbox {
	const struct oc_plan *plan;
	const struct oc_launch_options *opt;
	struct oc_child child; /* state[] and detail[] say what is enforced */
	struct oc_cgroup cg;
	struct oc_janitor janitor;
	struct oc_egress egress;
	pid_t init; /* pid 1, as the host counts; 0: none */
	int sock;   /* to pid 1, or -1 */
	int oom_fd; /* v1: readable when the memory limit was hit, or -1 */
	bool ready;
	unsigned missing; /* OC_CG_BIT of the controllers that something else stands in for */
	struct oc_disk disk; /* the loop calls oc_disk_run when oc_disk_due says so */
	bool over_memory;
	uint64_t sampled_memory, sampled_pids;
	struct oc_err noexec; /* oc_sandbox_up returned 1: the program could not be executed */
};

/* Zero it, and start what takes long (the broker).  report must live as long. */
int oc_sandbox_begin(struct oc_sandbox *s, const struct oc_plan *plan,
		     const struct oc_launch_options *opt, struct oc_egress_report *report,
		     struct oc_err *err);
/* Start the janitor, if it is not there: before anything that would stay behind after `kill -9`. */
int oc_sandbox_watch_over(struct oc_sandbox *s, struct oc_err *err);
/*
 * Make it.  Returns 0 when pid 1 says that all layers are up (and, without opt->keep, that the command
 * runs): *pty is then the master of its terminal or -1; 1 if the program could not be executed
 * (s->noexec); -1 if the sandbox could not be made.
 */
int oc_sandbox_up(struct oc_sandbox *s, int *pty, struct oc_err *err);
/* Look once how much memory and how many tasks there are, where a stand-in needs that; gone: tasks that
 * were there a moment ago.  Kills all if the memory limit is passed. */
void oc_sandbox_sample(struct oc_sandbox *s, unsigned gone);
#define OC_CG_SAMPLED (OC_CG_BIT(OC_CG_MEMORY) | OC_CG_BIT(OC_CG_PIDS))
/* oom_fd was readable. */
void oc_sandbox_oom(struct oc_sandbox *s);
void oc_sandbox_kill(const struct oc_sandbox *s);
/* Kill and reap pid 1 and with it everything inside; the broker is told to leave. */
void oc_sandbox_down(struct oc_sandbox *s);
/* After oc_sandbox_down: remove what is on the host.  The caller has taken the usage of s->cg. */
void oc_sandbox_remove(struct oc_sandbox *s);

/* --- only with opt->keep --- */

/*
 * Have pid 1 start one more runner (call.h), which serves the socket end sock.  tasks: v1, what it
 * joins.  number is the caller's name for it, below OC_RUNNERS and free; pid 1 says OC_MSG_GONE with
 * it when the runner and whatever it left are dead.
 */
#define OC_RUNNERS 256
int oc_sandbox_runner(struct oc_sandbox *s, unsigned number, int sock, const int *tasks, size_t count,
		      struct oc_err *err);
/* Have pid 1 kill the runner, its command and all that descends from them: OC_MSG_GONE follows. */
void oc_sandbox_end_runner(struct oc_sandbox *s, unsigned number);

#endif
