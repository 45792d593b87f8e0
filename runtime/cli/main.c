/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oc-sandbox - runs a command that it does not trust in a workspace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/fd.h"
#include "config.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/exec.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", oc_cmd_run, "run a command in a sandbox"},
	{"exec", oc_cmd_exec, "run a command in a live sandbox"},
	{"attach", oc_cmd_attach, "see and feed a command in the background; Ctrl-P Ctrl-Q leaves it"},
	{"logs", oc_cmd_logs, "print the output that is kept of a command in the background"},
	{"kill", oc_cmd_kill, "end a command in the background, or send it a signal"},
	{"start", oc_cmd_start, "make a sandbox that stays, or join the one that is there"},
	{"ps", oc_cmd_ps, "list the sandboxes that live"},
	{"inspect", oc_cmd_inspect, "print all that is known of one, as JSON"},
	{"stop", oc_cmd_stop, "end sandboxes"},
	{"rm", oc_cmd_rm, "end sandboxes and remove what they have stored"},
	{"prune", oc_cmd_prune, "end sandboxes that are idle for too long or too old"},
	{"recreate", oc_cmd_recreate, "end sandboxes, so that the next command makes them anew"},
	{"diff", oc_cmd_diff, "show what an overlay workspace holds"},
	{"apply", oc_cmd_apply, "apply its changes to the real directory"},
	{"discard", oc_cmd_discard, "drop its changes"},
	{"mcp", oc_cmd_mcp, "serve exec, read, write and edit to an agent program (Model Context Protocol)"},
	{"explain", oc_cmd_explain, "print what a sandbox would be, and where each value comes from"},
	{"verify", oc_cmd_verify, "try from inside what the plan forbids; claimed against verified"},
	{"doctor", oc_cmd_doctor, "say for every layer whether this host can give it"},
	{"net", oc_cmd_net, "test egress rules; watch and change the network of live sandboxes"},
	{"recover", oc_cmd_recover, "finish what a run that was killed left behind"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

int oc_cli_fail(const struct oc_err *err)
{
	oc_err_print(err, "oc-sandbox", 2);
	return OC_EXIT_SETUP;
}

int oc_cli_output(const struct oc_buf *b)
{
	struct oc_err err = {0};

	if (oc_write_all(1, b->data, b->len) < 0) {
		oc_fail(&err, errno, "cannot write to standard output");
		return oc_cli_fail(&err);
	}
	return 0;
}

static int usage(int status)
{
	FILE *f = status ? stderr : stdout;

	fputs("usage: oc-sandbox COMMAND [OPTION...] [--] [PROGRAM [ARGUMENT...]]\n\n", f);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-8s  %s\n", commands[i].name, commands[i].help);
	fputs("\n`oc-sandbox COMMAND --help` lists its options; oc-sandbox(1) says the rest.\n", f);
	return status;
}

int main(int argc, char **argv)
{
	/* Or the first descriptor that is opened becomes a standard stream of the command. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0) {
			struct oc_err err = {0};
			static const char *const name[] = {"input", "output", "error"};
			oc_fail(&err, errno, "standard %s is closed", name[fd]);
			oc_err_hint(&err, "redirect it, for example from or to /dev/null");
			return oc_cli_fail(&err);
		}
	/* Never built to be set-user-id; somebody who makes it so gets nothing (CVE-2016-8659, CVE-2026-41163). */
	if (getauxval(AT_SECURE)) {
		struct oc_err err = {0};
		oc_fail(&err, EPERM, "oc-sandbox must not be set-user-id or carry file capabilities");
		return oc_cli_fail(&err);
	}
	if (argc < 2)
		return usage(OC_EXIT_SETUP);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("oc-sandbox " PACKAGE_VERSION);
		return 0;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return usage(0);
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	struct oc_err err = {0};
	oc_fail(&err, 0, "unknown command %s", argv[1]);
	/* Anything that is not near one of ours may be a program. */
	const char *names[COMMANDS];
	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *near = oc_cli_near(argv[1], strlen(argv[1]), names, COMMANDS);
	for (size_t i = 0; i < COMMANDS && !near; i++)
		if (strncmp(argv[1], commands[i].name, 2) == 0)
			near = commands[i].name;
	if (near)
		oc_err_hint(&err, "did you mean `oc-sandbox %s`?", near);
	oc_err_hint(&err, "to run a program: oc-sandbox run -- %s", argv[1]);
	return oc_cli_fail(&err);
}
