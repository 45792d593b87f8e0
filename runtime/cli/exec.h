/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec - one command in a live sandbox, with the caller's streams: `exec`, `attach`, and `run` when
 * it joins or keeps.
 *
 * The caller's terminal, its pipes and its regular input files are never handed to the command:
 * this process copies (runtime/launch/relay.h, pipes.h).  When it ends, so does the call, unless it
 * was given to the background or detached.
 */
#ifndef OC_RUNTIME_CLI_EXEC_H
#define OC_RUNTIME_CLI_EXEC_H

#include "runtime/cli/cli.h"
#include "runtime/client/ocsandbox.h"

struct oc_cli_exec {
	const char *sandbox;	/* id, its beginning, or an agent's id */
	const char *state_dir;	/* NULL: the usual one */
	char *const *argv;	/* ended by NULL; at least one */
	const char *const *env; /* "NAME=VALUE", ended by NULL; or NULL */
	bool clear_env;		/* env is all of it, not laid over the sandbox's */
	const char *workdir;	/* inside; NULL: the sandbox's */
	uint64_t timeout_ms, memory_bytes, pids, cpu_millis; /* 0: as the sandbox has it */
	enum oc_tty_mode tty;
	bool background;     /* print the call's id and return */
	bool no_input;	     /* in the background: its input is /dev/null */
	bool outlive_caller; /* go on when the process that started this one ends */
	bool quiet;	     /* say nothing of limits that were reached */
	int result_fd;	     /* for the result, one JSON object; or -1 */
};
#define OC_CLI_EXEC_INIT                                                                           \
	{                                                                                          \
		.result_fd = -1                                                                    \
	}

/*
 * Run it to its end.  Returns what oc-sandbox exits with; whatever there is to say has been said on
 * standard error.
 */
int oc_cli_exec(const struct oc_cli_exec *e);
/* "FILE" or "fd:N" of --result, opened safely; -1 with *err filled, or with spec NULL. */
int oc_cli_open_result(const char *spec, struct oc_err *err);

/* text is one JSON object.  What the command wrote into the file meanwhile goes.  -1: said on
 * standard error. */
int oc_cli_write_result(int fd, const char *text, size_t len);
/* What can be answered to oc-sandbox's own options and the connection: printed; returns status. */
int oc_cli_client_fail(const struct ocs_error *e);

int oc_cmd_exec(int argc, char **argv);
int oc_cmd_attach(int argc, char **argv);
int oc_cmd_logs(int argc, char **argv);
int oc_cmd_kill(int argc, char **argv);

#endif
