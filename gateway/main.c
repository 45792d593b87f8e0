/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openclaw - the gateway and its command line.
 *
 * Only looks at the first words of the command line; everything else is in gateway/cli.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "config.h"
#include "gateway/cli/cli.h"

static const struct oc_command commands[] = {
	{"gateway", oc_cmd_gateway, "run the gateway; its state; call a method of it"},
	{"health", oc_cmd_health, "ask the gateway for its health"},
	{"status", oc_cmd_status, "the gateway, its configuration, what it serves"},
	{"logs", oc_cmd_logs, "its log"},
	{"config", oc_cmd_config, "read and change openclaw.json"},
	{"devices", oc_cmd_devices, "devices that may connect, and those that ask to"},
};

/* --profile X and --dev come before the command, as they choose what it works on. */
static int global_options(int argc, char **argv)
{
	int i = 1;

	for (; i < argc; i++) {
		const char *profile = NULL;
		if (strcmp(argv[i], "--dev") == 0)
			profile = "dev";
		else if (strncmp(argv[i], "--profile=", 10) == 0)
			profile = argv[i] + 10;
		else if (strcmp(argv[i], "--profile") == 0 && i + 1 < argc)
			profile = argv[++i];
		else
			break;
		if (setenv("OPENCLAW_PROFILE", profile, 1) < 0)
			return -1;
	}
	return i;
}

int main(int argc, char **argv)
{
	/* Or the first descriptor that is opened becomes a standard stream. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	if (getauxval(AT_SECURE)) {
		fputs("openclaw: it must not be set-user-id or carry file capabilities\n", stderr);
		return 1;
	}
	int first = global_options(argc, argv);
	if (first < 0) {
		perror("openclaw");
		return 1;
	}
	if (first < argc && (strcmp(argv[first], "--version") == 0 || strcmp(argv[first], "-V") == 0)) {
		puts("openclaw " PACKAGE_VERSION);
		return 0;
	}
	return oc_command_run("openclaw", commands, sizeof(commands) / sizeof(commands[0]),
			      argc - first, argv + first);
}
