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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define WARM 5

static double run_once(char **argv, int null)
{
	int status;
	double begin = net_now_us();
	/* vfork: the cost of the start must not depend on the size of this program */
	pid_t pid = vfork();

	if (pid == 0) {
		if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
			_exit(123);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		net_die("%s: %s", argv[0], strerror(errno));
	if (status)
		net_die("%s: status %#x", argv[0], (unsigned)status);
	return net_now_us() - begin;
}

int net_launch(int argc, char **argv)
{
	struct net_samples took[2] = { 0 }, more = { 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), second = 1, rounds = argc ? atoi(argv[0]) : 0;

	while (second < argc && strcmp(argv[second], "---") != 0)
		second++;
	if (null < 0 || rounds < 1 || second < 3 || second + 2 >= argc)
		net_die("net launch ROUNDS NAME COMMAND... --- NAME COMMAND...");
	argv[second] = NULL;
	char **command[2] = { argv + 2, argv + second + 2 };
	const char *name[2] = { argv[1], argv[second + 1] };
	for (int r = -WARM; r < rounds; r++) {
		double us[2];
		for (int k = 0; k < 2; k++) {
			/* The one that is first takes turns, too. */
			int which = (k + r) & 1;
			us[which] = run_once(command[which], null);
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
	close(null);
	return 0;
}
