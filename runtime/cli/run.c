/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - one command in one sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/session/oneshot.h"
#include "runtime/verify/verify.h"

/*
 * FILE or fd:N; opened before anything runs, so that a result that cannot be written is known first.  No link is followed
 * and no second name accepted: FILE may lie in a directory that the command of an earlier run could write.
 */
static int open_result(const char *spec, struct oc_err *err)
{
	struct stat st;

	if (!spec)
		return -1;
	if (strncmp(spec, "fd:", 3) == 0) {
		char *end;
		errno = 0;
		long n = strtol(spec + 3, &end, 10);
		if (errno || end == spec + 3 || *end || n < 0 || n > 65535 || fcntl((int)n, F_GETFD) < 0)
			return oc_fail(err, EBADF, "--result %s", spec);
		int fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
		return fd >= 0 ? fd : oc_fail(err, errno, "--result %s", spec);
	}
	oc_auto_close fd = oc_openat2(AT_FDCWD, spec, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600,
				      RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0 || fstat(fd, &st) < 0) {
		oc_fail(err, errno, "--result %s", spec);
		if (err->errnum == ELOOP)
			oc_err_hint(err, "symbolic links are not followed there; give the real path");
		return -1;
	}
	if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		return oc_fail(err, 0, "--result %s has another name (%u hard links)", spec,
			       (unsigned)st.st_nlink);
	return oc_steal_fd(&fd);
}

static int write_result(int fd, const struct oc_plan *plan, const struct oc_result *res)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;
	struct oc_err err = {0};

	if (fd < 0)
		return 0;
	oc_jw_init(&w, &out, 0);
	oc_cli_result_json(plan, res, &w);
	oc_buf_puts(&out, "\n");
	/* Not before now: whatever the command wrote into the file in the meantime goes. */
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0 && ftruncate(fd, 0) < 0) {
		oc_fail(&err, errno, "cannot empty the file of the result");
		oc_err_print(&err, "oc-sandbox", 2);
		return -1;
	}
	if (oc_write_all(fd, out.data, out.len) < 0) {
		oc_fail(&err, errno, "cannot write the result");
		oc_err_print(&err, "oc-sandbox", 2);
		return -1;
	}
	return 0;
}

static void say(const char *text, const char *hint)
{
	struct oc_err e = {0};

	oc_fail(&e, 0, "%s", text);
	if (hint)
		oc_err_hint(&e, "%s", hint);
	oc_err_print(&e, "oc-sandbox", 2);
}

/* The decisions themselves are in the result and in `oc-sandbox net log`: here only that there was something. */
static void explain_egress(const struct oc_egress_report *r)
{
	char text[256];

	if (r->ended) {
		snprintf(text, sizeof text, "the network of the sandbox was cut: oc-egress ended (%s)", r->how);
		say(text, "the command went on without a network; see the kernel log for what ended oc-egress");
	}
	if (r->records_lost) {
		snprintf(text, sizeof text, "%llu records of the network could not be written to egress.jsonl",
			 (unsigned long long)r->records_lost);
		say(text, NULL);
	}
	if (r->no_door[0])
		say(r->no_door, "the command ran all the same; `oc-sandbox net` could not look at its network or change it");
}

/* Why the command ended, when the exit code alone does not say it; and what was not as one would think. */
static void explain_end(const struct oc_plan *plan, const struct oc_result *res)
{
	char text[256];
	double mb = 1024.0 * 1024.0;

	if (res->error.msg[0])
		oc_err_print(&res->error, "oc-sandbox", 2);
	if (res->cause == OC_CAUSE_TIMEOUT) {
		snprintf(text, sizeof text, "the time limit of %.3g s was reached",
			 (double)plan->timeout_ms / 1000.0);
		say(text, NULL);
	} else if (res->cause == OC_CAUSE_OOM) {
		snprintf(text, sizeof text, "the memory limit of %.0f MB was reached (peak %.0f MB)",
			 (double)plan->memory_bytes / mb, (double)res->memory_peak_bytes / mb);
		say(text, "--memory SIZE");
	} else if (res->cause == OC_CAUSE_PIDS) {
		snprintf(text, sizeof text, "the limit of %llu processes was reached",
			 (unsigned long long)plan->pids);
		say(text, "--pids N");
	}
	explain_egress(&res->egress);
	for (size_t i = 0; i < res->sweep.count; i++) {
		const struct oc_quarantined *q = &res->sweep.items[i];
		struct oc_err e = {0};
		oc_fail(&e, 0, "quarantined %s: %s%s%s", q->path, q->why, q->moved ? "; now " : "",
			q->moved ? q->moved : "");
		oc_err_print(&e, "oc-sandbox", 2);
	}
	if (res->sweep.incomplete)
		say("the workspace could not be checked completely for what the host would run",
		    res->sweep.incomplete_why);
	for (int i = 0; i < OC_LAYER_COUNT; i++)
		if (res->layer[i] == OC_STATE_MISSING && res->cause != OC_CAUSE_SETUP) {
			struct oc_err e = {0};
			oc_fail(&e, 0, "ran without the layer %s: %s",
				oc_layer_info((enum oc_layer)i)->name, res->layer_detail[i]);
			oc_err_print(&e, "oc-sandbox", 2);
		}
}

static int setup_failed(int result_fd, const struct oc_plan *plan, struct oc_err *err)
{
	struct oc_result res = {.status = OC_EXIT_SETUP, .cause = OC_CAUSE_SETUP, .exit_code = -1};

	res.error = *err;
	write_result(result_fd, plan, &res);
	return oc_cli_fail(err);
}

static int check_command(const struct oc_plan_options *opt, struct oc_err *err)
{
	if (!opt->argv[0]) {
		oc_fail(err, 0, "no command given");
		return oc_err_hint(err, "oc-sandbox run [OPTION...] -- PROGRAM [ARGUMENT...]");
	}
	if (!opt->argv[0][0])
		return oc_fail(err, 0, "the command is an empty word");
	return 0;
}

/* --verify: any difference between what is claimed and what was seen means that the command does not run. */
static int verify_first(const struct oc_plan *plan, struct oc_err *err)
{
	struct oc_verify_report rep;
	oc_auto_buf text = {0};

	if (oc_verify_plan(plan, &rep, err) < 0)
		return -1;
	if (rep.differs == 0)
		return 0;
	oc_verify_text(&rep, true, &text);
	oc_write_all(2, text.data, text.len);
	oc_fail(err, 0, "%zu claims of the plan do not hold, the command was not run", rep.differs);
	return oc_err_step(err, "verify");
}

int oc_cmd_run(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_arena_reserve(&a, 96u << 10);
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_result res;
	struct oc_err err = {0};

	if (oc_cli_parse(argc, argv, OC_CLI_RUN, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox run [OPTION...] [--] PROGRAM [ARGUMENT...]\n");
		oc_cli_print_options(OC_CLI_RUN);
		return 0;
	}
	oc_auto_close result = open_result(extra.result, &err);
	if (err.msg[0])
		return oc_cli_fail(&err);
	if (check_command(&opt, &err) < 0 || oc_plan_build(&plan, &a, &opt, &err) < 0)
		return setup_failed(result, NULL, &err);
	for (size_t i = 0; plan.warnings && plan.warnings[i] && !extra.quiet; i++)
		say(plan.warnings[i], NULL);
	if (extra.verify && verify_first(&plan, &err) < 0) {
		int r = setup_failed(result, &plan, &err);
		oc_plan_close(&plan);
		return r;
	}

	const struct oc_launch_options how = {
		.in = 0, .out = 1, .err = 2, .exec_fd = -1, .forward_signals = true, .exits_next = true, .die_with_caller = !extra.outlive_caller};
	if (oc_oneshot_run(&plan, &how, &res, &err) < 0)
		oc_cli_fail(&err);
	else if (!extra.quiet || res.error.msg[0])
		explain_end(&plan, &res);
	write_result(result, &plan, &res);
	/*
	 * The janitor shares our descriptors and ends a moment after us: whoever reads our output must not wait for that.  Neither the
	 * arena nor the plan's descriptors are given back one by one: the process ends here.
	 */
	/* With the terminal closed its other end may be closed too, and a hang-up must not become our exit status. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	oc_closep(&result);
	_exit(res.status);
}
