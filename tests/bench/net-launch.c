/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-launch - what the second of two commands costs more than the first, start to end, in pairs one after the other.
 *
 *   net launch ROUNDS NAME COMMAND... --- NAME COMMAND...
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define WARM 5

static double run_once(char **argv, const posix_spawn_file_actions_t *quiet)
{
	int status;
	pid_t pid;
	double begin = net_now_us();

	/* Without a copy of this program's memory: the cost of a start must not depend on its size. */
	errno = posix_spawn(&pid, argv[0], quiet, NULL, argv, environ);
	if (errno || waitpid(pid, &status, 0) != pid)
		net_die("%s: %s", argv[0], strerror(errno));
	if (status)
		net_die("%s: status %#x", argv[0], (unsigned)status);
	return net_now_us() - begin;
}

int net_launch(int argc, char **argv)
{
	struct net_samples took[2] = { 0 }, more = { 0 };
	int second = 1, rounds = argc ? atoi(argv[0]) : 0;
	posix_spawn_file_actions_t quiet;

	while (second < argc && strcmp(argv[second], "---") != 0)
		second++;
	if (rounds < 1 || second < 3 || second + 2 >= argc)
		net_die("net launch ROUNDS NAME COMMAND... --- NAME COMMAND...");
	argv[second] = NULL;
	if (posix_spawn_file_actions_init(&quiet) || posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDWR, 0) ||
	    posix_spawn_file_actions_adddup2(&quiet, 0, 1))
		net_die("out of memory");
	char **command[2] = { argv + 2, argv + second + 2 };
	const char *name[2] = { argv[1], argv[second + 1] };
	for (int r = -WARM; r < rounds; r++) {
		double us[2];
		for (int k = 0; k < 2; k++) {
			/* The one that is first takes turns, too. */
			int which = (k + r) & 1;
			us[which] = run_once(command[which], &quiet);
		}
		if (r < 0)
			continue;
		net_sample(&took[0], us[0]);
		net_sample(&took[1], us[1]);
		net_sample(&more, us[1] - us[0]);
	}
	printf("%-30s %10s %10s %10s\n", "", "median us", "p10", "p90");
	for (int k = 0; k < 2; k++)
		printf("%-30s %10.0f %10.0f %10.0f\n", name[k], net_quantile(&took[k], 0.5),
		       net_quantile(&took[k], 0.1), net_quantile(&took[k], 0.9));
	printf("%-30s %10.0f %10.0f %10.0f   reach: at most 1000 added\n", "added, pair by pair", net_quantile(&more, 0.5),
	       net_quantile(&more, 0.1), net_quantile(&more, 0.9));
	posix_spawn_file_actions_destroy(&quiet);
	free(took[0].at);
	free(took[1].at);
	free(more.at);
	return 0;
}
