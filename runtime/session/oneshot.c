/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneshot - see oneshot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/sys.h"
#include "runtime/session/oneshot.h"
#include "runtime/session/quarantine.h"

/* Everything for the execve of the janitor, ready before anything runs. */
struct recovery {
	int program;
	char *argv[7];
	char *envp[1];
};

/* The monitor was killed: its heap is not to be trusted, so a fresh program does the sweep. */
static void recover_after_death(void *ctx)
{
	struct recovery *r = ctx;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	oc_sys_execveat(r->program, "", r->argv, r->envp, AT_EMPTY_PATH);
}

int oc_oneshot_run(const struct oc_plan *plan, const struct oc_launch_options *opt, struct oc_result *res,
		   struct oc_err *err)
{
	struct oc_launch_options with = *opt;
	struct oc_quarantine q;
	struct oc_sweep swept = {0};
	struct recovery rec = {.program = -1};

	memset(res, 0, sizeof *res);
	/* What an earlier run could not finish comes first: this one would take it for the state before. */
	if ((plan->state_dir && oc_quarantine_recover(plan->arena, plan->state_dir, NULL, &swept, err) < 0) ||
	    oc_quarantine_begin(&q, plan, err) < 0) {
		oc_err_step(err, "quarantine");
		res->status = 125;
		res->cause = OC_CAUSE_SETUP;
		res->exit_code = -1;
		res->error = *err;
		return -1;
	}
	oc_auto_close program = -1;
	if (q.pending_fd >= 0) {
		program = open("/proc/self/exe", O_PATH | O_CLOEXEC);
		rec = (struct recovery){
			.program = program,
			.argv = {"oc-sandbox", "recover", "--state-dir", (char *)(uintptr_t)plan->state_dir,
				 "--entry", (char *)(uintptr_t)q.name, NULL},
		};
		with.after_death = recover_after_death;
		with.ctx = &rec;
	}
	int rc = oc_launch_run(plan, &with, res, err);
	oc_quarantine_end(&q, &swept);
	res->sweep = swept;
	return rc;
}
