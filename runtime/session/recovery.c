/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery - see recovery.h.
 */
#include "runtime/session/recovery.h"

#include <fcntl.h>
#include <signal.h>

#include "base/fd.h"
#include "runtime/launch/sys.h"

/* The monitor was killed: its heap is not to be trusted, so a fresh program does the sweep. */
static void recover_after_death(void *ctx)
{
	struct oc_recovery *r = ctx;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	oc_sys_execveat(r->program, "", r->argv, r->envp, AT_EMPTY_PATH);
}

void oc_recovery_begin(struct oc_recovery *r, const struct oc_quarantine *q,
		       struct oc_launch_options *opt)
{
	*r = (struct oc_recovery){.program = -1};
	if (q->pending_fd < 0)
		return;
	*r = (struct oc_recovery){
		.program = open("/proc/self/exe", O_PATH | O_CLOEXEC),
		.argv = {"oc-sandbox", "recover", "--state-dir",
			 (char *)(uintptr_t)q->plan->state_dir, "--entry",
			 (char *)(uintptr_t)q->name, NULL},
	};
	opt->after_death = recover_after_death;
	opt->ctx = r;
}

void oc_recovery_end(struct oc_recovery *r)
{
	oc_closep(&r->program);
	r->program = -1;
}
