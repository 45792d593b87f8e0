/* SPDX-License-Identifier: Apache-2.0 */
/*
 * with-filter - run a program under one filter of the launcher and nothing else of the sandbox.
 *
 *   with-filter NAME PROGRAM ARG...    NAME "none": no_new_privs only
 *   with-filter --time NAME COUNT      load it COUNT times, print the median in microseconds
 */
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/launch/filters.h"

extern long syscall(long number, ...);

static int load(const struct oc_filter *f)
{
	struct sock_fprog prog = {.len = f->count,
				  .filter = (struct sock_filter *)(uintptr_t)f->insns};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			    &prog);
}

static double micros(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Each load in a child of its own: filters stack. */
static int measure(const struct oc_filter *f, size_t count)
{
	double *took = calloc(count, sizeof(*took));
	if (!took)
		return 125;
	for (size_t i = 0; i < count; i++) {
		int p[2], status;
		if (pipe(p) < 0)
			return 125;
		pid_t pid = fork();
		if (pid == 0) {
			double start = micros();
			int r = load(f);
			double d = micros() - start;
			_exit(r < 0 || write(p[1], &d, sizeof(d)) != sizeof(d));
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status ||
		    read(p[0], &took[i], sizeof(took[i])) != sizeof(took[i]))
			return 125;
		close(p[0]);
		close(p[1]);
	}
	qsort(took, count, sizeof(*took), compare);
	printf("%s: %u instructions, load median %.1f us, p90 %.1f us\n", f->name, f->count,
	       took[count / 2], took[count * 9 / 10]);
	free(took);
	return 0;
}

int main(int argc, char **argv)
{
	int timing = argc == 4 && strcmp(argv[1], "--time") == 0;
	if (argc < 3)
		return 125;
	const char *name = argv[timing ? 2 : 1];
	const struct oc_filter *f = oc_filter_find(name);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || (!f && strcmp(name, "none") != 0))
		return 125;
	if (timing)
		return f ? measure(f, strtoul(argv[3], NULL, 10)) : 125;
	if (f && load(f) < 0)
		return 125;
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
