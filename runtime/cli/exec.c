/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec - `oc-sandbox exec [OPTION...] SANDBOX [--] PROGRAM [ARGUMENT...]`: its words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/cli/exec.h"
#include "runtime/plan/internal.h"

static int refused(const char *flag, const char *name, const char *why, struct oc_err *err)
{
	return oc_fail(err, 0, "%s %.200s is refused: %s", flag, name, why);
}

static int pass(struct oc_arena *a, const char *name, const char **out, struct oc_err *err)
{
	const char *why, *value = getenv(name);

	if (!oc_env_allowed(name, &why))
		return refused("--env-pass", name, why, err);
	if (oc_env_secret(name))
		return refused("--env-pass", name, "the name says that it holds a credential", err);
	if (!value)
		return 0; /* not set here, so it is not set inside */
	if (oc_env_value_check(name, value, err) < 0)
		return oc_err_context(err, "--env-pass");
	*out = oc_arena_printf(a, "%s=%s", name, value);
	return 0;
}

static int set(struct oc_arena *a, const char *text, struct oc_err *err)
{
	const char *why, *eq = strchr(text, '=');

	if (!eq) {
		oc_fail(err, 0, "--env \"%.200s\" is not NAME=VALUE", text);
		return oc_err_hint(
			err, "to hand on a variable of your own environment use --env-pass NAME");
	}
	const char *name = oc_arena_strndup(a, text, (size_t)(eq - text));
	if (!oc_env_allowed(name, &why))
		return refused("--env", name, why, err);
	if (oc_env_value_check(name, eq + 1, err) < 0)
		return oc_err_context(err, "--env");
	return 0;
}

static int environment(struct oc_arena *a, const struct oc_plan_options *opt, struct oc_cli_exec *e,
		       struct oc_err *err)
{
	const char **env = oc_arena_array(a, opt->env_count + opt->env_pass_count + 1, sizeof *env);
	size_t n = 0;

	for (size_t i = 0; i < opt->env_pass_count; i++) {
		if (pass(a, opt->env_pass[i], &env[n], err) < 0)
			return -1;
		if (env[n])
			n++;
	}
	for (size_t i = 0; i < opt->env_count; i++) {
		if (set(a, opt->env[i], err) < 0)
			return -1;
		env[n++] = opt->env[i];
	}
	e->env = env;
	return 0;
}

static int limits(const struct oc_plan_options *opt, struct oc_cli_exec *e, struct oc_err *err)
{
	if (opt->timeout && oc_parse_duration(opt->timeout, &e->timeout_ms, err) < 0)
		return oc_err_context(err, "--timeout");
	if (opt->memory && oc_parse_size(opt->memory, &e->memory_bytes, err) < 0)
		return oc_err_context(err, "--memory");
	if (opt->pids && oc_parse_uint("--pids", opt->pids, 1, UINT32_MAX, &e->pids, err) < 0)
		return -1;
	if (opt->cpus && oc_parse_cpus(opt->cpus, &e->cpu_millis, err) < 0)
		return oc_err_context(err, "--cpus");
	return 0;
}

/* Words behind the options: SANDBOX [--] PROGRAM [ARGUMENT...] */
static int words(const struct oc_plan_options *opt, struct oc_cli_exec *e, struct oc_err *err)
{
	char *const *w = opt->argv;

	if (!w[0] || !w[0][0]) {
		oc_fail(err, 0, "no sandbox given");
		return oc_err_hint(
			err, "oc-sandbox exec [OPTION...] SANDBOX [--] PROGRAM [ARGUMENT...]; "
			     "`oc-sandbox ps` lists them");
	}
	e->sandbox = *w++;
	if (*w && strcmp(*w, "--") == 0)
		w++;
	if (!*w) {
		oc_fail(err, 0, "no command given");
		return oc_err_hint(
			err, "oc-sandbox exec [OPTION...] SANDBOX [--] PROGRAM [ARGUMENT...]");
	}
	if (!**w)
		return oc_fail(err, 0, "the command is an empty word");
	e->argv = w;
	return 0;
}

static int read_options(struct oc_arena *a, const struct oc_plan_options *opt,
			const struct oc_cli_extra *extra, struct oc_cli_exec *e, struct oc_err *err)
{
	if (words(opt, e, err) < 0 || limits(opt, e, err) < 0 || environment(a, opt, e, err) < 0)
		return -1;
	if (opt->workdir && oc_parse_path(a, "--workdir", opt->workdir, &e->workdir, err) < 0)
		return -1;
	if (extra->no_input && !extra->background) {
		oc_fail(err, 0, "--no-input is for --background");
		return oc_err_hint(err, "redirect it: </dev/null");
	}
	e->tty = opt->tty;
	e->background = extra->background;
	e->no_input = extra->no_input;
	e->outlive_caller = extra->outlive_caller;
	e->quiet = extra->quiet;
	if (extra->background && extra->result) {
		oc_fail(err, 0, "--result with --background: nobody waits for it");
		return oc_err_hint(err,
				   "`oc-sandbox attach SANDBOX CALL` ends with its exit status");
	}
	return 0;
}

int oc_cmd_exec(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_cli_exec e = OC_CLI_EXEC_INIT;
	struct oc_err err = {0};

	if (oc_cli_parse(argc, argv, OC_CLI_EXEC, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox exec [OPTION...] SANDBOX [--] PROGRAM [ARGUMENT...]\n");
		oc_cli_print_options(OC_CLI_EXEC);
		return 0;
	}
	if (read_options(&a, &opt, &extra, &e, &err) < 0)
		return oc_cli_fail(&err);
	oc_auto_close result = oc_cli_open_result(extra.result, &err);
	if (err.msg[0])
		return oc_cli_fail(&err);
	e.result_fd = result;
	return oc_cli_exec(&e);
}
