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
#include "runtime/cli/exec.h"
#include "runtime/session/obtain.h"
#include "runtime/session/oneshot.h"
#include "runtime/session/scope.h"
#include "runtime/verify/verify.h"

static void write_result(int fd, const struct oc_plan *plan, const struct oc_result *res)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	if (fd < 0)
		return;
	oc_jw_init(&w, &out, 0);
	oc_cli_result_json(plan, res, &w);
	oc_cli_write_result(fd, out.data, out.len);
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

static int check_command(const struct oc_plan_options *opt, const struct oc_cli_extra *extra, struct oc_err *err)
{
	if (!extra->keep && (opt->idle || opt->max_age)) {
		oc_fail(err, 0, "--%s is of a sandbox that stays", opt->idle ? "idle" : "max-age");
		return oc_err_hint(err, "add --keep");
	}
	if (!opt->argv[0]) {
		oc_fail(err, 0, "no command given");
		return oc_err_hint(err, "oc-sandbox run [OPTION...] -- PROGRAM [ARGUMENT...]");
	}
	if (!opt->argv[0][0])
		return oc_fail(err, 0, "the command is an empty word");
	return 0;
}

/* --verify: any difference between what is claimed and what was seen means that the command does not run. */
static int verify_first(const struct oc_plan *plan, bool keep, struct oc_err *err)
{
	struct oc_verify_report rep;
	oc_auto_buf text = {0};

	if (oc_verify_plan(plan, keep, &rep, err) < 0)
		return -1;
	if (rep.differs == 0)
		return 0;
	oc_verify_text(&rep, true, &text);
	oc_write_all(2, text.data, text.len);
	oc_fail(err, 0, "%zu claims of the plan do not hold, the command was not run", rep.differs);
	return oc_err_step(err, "verify");
}

/* What this command line adds is laid over what the sandbox was made with; the configuration's variables are part of the sandbox's plan. */
static int run_in(const struct oc_plan *plan, const struct oc_door *door, const struct oc_cli_extra *extra, int result)
{
	const char **env = oc_arena_array(plan->arena, plan->env_count + 1, sizeof *env);
	size_t n = 0;

	for (size_t i = 0; i < plan->env_count; i++)
		if (strncmp(plan->env[i].origin, "--env", 5) == 0 || strcmp(plan->env[i].name, "TERM") == 0)
			env[n++] = oc_arena_printf(plan->arena, "%s=%s", plan->env[i].name, plan->env[i].value);
	return oc_cli_exec(&(struct oc_cli_exec){
		.sandbox = door->id,
		.state_dir = plan->state_dir,
		.argv = plan->argv,
		.env = env,
		.workdir = plan->workdir,
		.timeout_ms = plan->timeout_ms,
		.tty = plan->tty,
		.outlive_caller = extra->outlive_caller,
		.quiet = extra->quiet,
		.result_fd = result,
	});
}

/*
 * What the sandbox is made from if it is not there: without what this command line says of its command alone, so that it makes no
 * difference to the next command who was first.
 */
static void only_sandbox(const struct oc_plan *plan, struct oc_plan *out)
{
	*out = *plan;
	out->env = oc_arena_array(plan->arena, plan->env_count, sizeof *out->env);
	out->env_count = 0;
	for (size_t i = 0; i < plan->env_count; i++)
		if (strncmp(plan->env[i].origin, "--env", 5) != 0 && strcmp(plan->env[i].name, "TERM") != 0)
			out->env[out->env_count++] = plan->env[i];
	if (strcmp(plan->origin[OC_V_TIMEOUT], "--timeout") == 0)
		out->timeout_ms = 0;
	if (strcmp(plan->origin[OC_V_WORKDIR], "--workdir") == 0)
		out->workdir = "/workspace";
}

/*
 * With --keep, and for an agent whose sandbox is there.  False: there is none, the command gets one of its own.
 */
static bool run_kept(struct oc_plan *plan, const struct oc_cli_extra *extra, int result, int *status)
{
	struct oc_door door = {.dir_fd = -1};
	struct oc_err err = {0};
	bool joined;

	if (!extra->keep && (!plan->scope_key || !oc_scope_peek(plan->state_dir, plan->scope_key)))
		return false;
	struct oc_plan base;
	only_sandbox(plan, &base);
	int r = oc_keep_obtain(&base, extra->keep ? 0 : OC_OBTAIN_IF_LIVE, &door, &joined, &err);
	if (r > 0)
		return false;
	if (r < 0) {
		*status = setup_failed(result, plan, &err);
		return true;
	}
	oc_door_close(&door);
	if (!plan->scope_key && !extra->quiet) {
		struct oc_err note = {0};
		oc_fail(&note, 0, "the sandbox %s stays; `oc-sandbox stop %s` ends it", door.id, door.id);
		oc_err_print(&note, "oc-sandbox", 2);
	}
	*status = run_in(plan, &door, extra, result);
	return true;
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
	oc_auto_close result = oc_cli_open_result(extra.result, &err);
	if (err.msg[0])
		return oc_cli_fail(&err);
	if (check_command(&opt, &extra, &err) < 0 || oc_plan_build(&plan, &a, &opt, &err) < 0)
		return setup_failed(result, NULL, &err);
	for (size_t i = 0; plan.warnings && plan.warnings[i] && !extra.quiet; i++)
		say(plan.warnings[i], NULL);
	if (extra.verify && verify_first(&plan, extra.keep, &err) < 0) {
		int r = setup_failed(result, &plan, &err);
		oc_plan_close(&plan);
		return r;
	}
	int status;
	if (run_kept(&plan, &extra, result, &status)) {
		oc_plan_close(&plan);
		return status;
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
