/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the command line of oc-sandbox: one sub-command a file, one table of options.
 */
#ifndef OC_RUNTIME_CLI_CLI_H
#define OC_RUNTIME_CLI_CLI_H

#include "runtime/launch/launch.h"
#include "runtime/plan/plan.h"

#define OC_EXIT_SETUP 125

/* Options of a sub-command that are not part of the plan. */
struct oc_cli_extra {
	const char *result; /* --result FILE|fd:N */
	bool json;	    /* --json */
	bool verify;	    /* --verify */
	bool outlive_caller; /* --outlive-caller */
	bool keep;	    /* --keep */
	const char *ready_fd; /* --ready-fd N */
	bool join_only, recreate; /* --join-only, --recreate */
	bool background, no_input; /* --background, --no-input */
	bool quiet;	    /* --quiet: no warnings on stderr */
	bool help;
};

enum { OC_CLI_RUN = 1, OC_CLI_EXPLAIN = 2, OC_CLI_VERIFY = 4, OC_CLI_EXEC = 8, OC_CLI_START = 16, OC_CLI_MCP = 32 };

/*
 * Parse the plan options of a sub-command (argv[0] is its name) and what follows "--" or the first word that is not an
 * option, as the command.  which is one OC_CLI_*; options that it does not take are errors.  Nothing is printed.
 */
int oc_cli_parse(int argc, char **argv, int which, struct oc_arena *a, struct oc_plan_options *opt,
		 struct oc_cli_extra *extra, struct oc_err *err);
/* For sub-commands that only need the plan options. */
int oc_cli_parse_plan(int argc, char **argv, struct oc_arena *a, struct oc_plan_options *opt,
		      struct oc_err *err);
/* The options of a sub-command, one a line, on stdout. */
void oc_cli_print_options(int which);
/* The one of names that shares the most with a word that is none of them, NULL if none is near. */
const char *oc_cli_near(const char *word, size_t len, const char *const *names, size_t count);
/* Print err as "oc-sandbox: ..." and return OC_EXIT_SETUP. */
int oc_cli_fail(const struct oc_err *err);
/* Write b to stdout; returns 0, or OC_EXIT_SETUP with a message. */
int oc_cli_output(const struct oc_buf *b);

/* The result as one JSON object. */
void oc_cli_result_json(const struct oc_plan *plan, const struct oc_result *res, struct oc_json_writer *w);

int oc_cmd_run(int argc, char **argv);
int oc_cmd_explain(int argc, char **argv);
int oc_cmd_verify(int argc, char **argv);
int oc_cmd_doctor(int argc, char **argv);
int oc_cmd_recover(int argc, char **argv);
int oc_cmd_net(int argc, char **argv);
int oc_cmd_mcp(int argc, char **argv);
int oc_cmd_diff(int argc, char **argv);
int oc_cmd_apply(int argc, char **argv);
int oc_cmd_discard(int argc, char **argv);
int oc_cmd_start(int argc, char **argv);
int oc_cmd_ps(int argc, char **argv);
int oc_cmd_inspect(int argc, char **argv);
int oc_cmd_stop(int argc, char **argv);
int oc_cmd_rm(int argc, char **argv);
int oc_cmd_prune(int argc, char **argv);
int oc_cmd_recreate(int argc, char **argv);

#endif
