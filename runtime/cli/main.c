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

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", oc_cmd_run, "run a command in a sandbox"},
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
	/* A slip of the finger shares its beginning with the command; anything else may be a program. */
	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(argv[1], commands[i].name, 2) == 0)
			oc_err_hint(&err, "did you mean `oc-sandbox %s`?", commands[i].name);
	oc_err_hint(&err, "to run a program: oc-sandbox run -- %s", argv[1]);
	return oc_cli_fail(&err);
}
