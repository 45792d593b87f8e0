/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench - runs several commands in turn, many times, and prints how long they took beside each other.
 *
 *   bench [-n ROUNDS] [-w WARMUP] [-i IDLE_MS] [-j JOBS] [-b BATCH] [-m] NAME COMMAND... [--- NAME COMMAND...]...
 *
 *   default   each round runs every command once, in an order that turns by one each round: what the machine does
 *             meanwhile hits all of them alike.  Time: vfork to wait, wall clock.
 *   -i MS     sleep so long before each run
 *   -j N      rates in place of times: each round runs BATCH of every command, N at once
 *   -m        memory in place of times: VmHWM of the process that was started (not of its children), read while its
 *             command sleeps: the command must run for half a second
 *
 * "@N@" in an argument becomes a number that no other run has.  A NAME of the form name@FILE runs its command in the mount
 * namespace that FILE is.  The last command of -n is not special; ratios are to the first one.  A command that does not
 * exit with 0 ends everything: it would be measured failing.
 *
 * Must never: use a shell, or pass an opinion on the figures.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct command {
	const char *name;
	int mntns; /* -1: ours */
	char **argv;
	double *sample; /* one for each round */
	unsigned long long hwm_kib;
};

struct bench {
	struct command *commands;
	size_t count;
	unsigned long rounds, warmup, idle_ms, jobs, batch;
	bool memory;
	unsigned long serial;
	int null;
};

__attribute__((format(printf, 1, 2))) _Noreturn static void die(const char *fmt, ...)
{
	va_list ap;
	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void sleep_ms(unsigned long ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* argv with @N@ replaced, in memory that lives until the next call. */
static char **numbered(struct bench *b, const struct command *c)
{
	static char *argv[256], text[8192];
	size_t used = 0, n = 0;
	b->serial++;
	for (; c->argv[n] && n < 255; n++) {
		char *mark = strstr(c->argv[n], "@N@");
		argv[n] = c->argv[n];
		if (!mark)
			continue;
		argv[n] = text + used;
		int len = snprintf(text + used, sizeof(text) - used, "%.*s%lu%s", (int)(mark - c->argv[n]), c->argv[n],
				   b->serial, mark + 3);
		used += (size_t)len + 1;
		if (used >= sizeof(text))
			die("%s: arguments are too long", c->name);
	}
	argv[n] = NULL;
	return argv;
}

static pid_t start(struct bench *b, const struct command *c)
{
	char **argv = numbered(b, c);
	/* vfork: the cost of the start must not depend on the size of this program */
	pid_t pid = vfork();
	if (pid == 0) {
		if (c->mntns >= 0 && setns(c->mntns, CLONE_NEWNS) < 0)
			_exit(122);
		if (dup2(b->null, 0) < 0 || dup2(b->null, 1) < 0)
			_exit(123);
		execv(argv[0], argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0)
		die("vfork: %s", strerror(errno));
	return pid;
}

static void check(const struct command *c, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	die("%s (%s): %s %d", c->name, c->argv[0], WIFEXITED(status) ? "exit status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static double run_once(struct bench *b, const struct command *c)
{
	int status;
	if (b->idle_ms)
		sleep_ms(b->idle_ms);
	double begin = now_us();
	pid_t pid = start(b, c);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	double end = now_us();
	check(c, status);
	return end - begin;
}

/* Runs for each second. */
static double run_batch(struct bench *b, const struct command *c)
{
	unsigned long started = 0, done = 0;
	double begin = now_us();
	while (done < b->batch) {
		while (started < b->batch && started - done < b->jobs) {
			start(b, c);
			started++;
		}
		int status;
		if (wait(&status) < 0) {
			if (errno == EINTR)
				continue;
			die("wait: %s", strerror(errno));
		}
		check(c, status);
		done++;
	}
	return (double)b->batch * 1e6 / (now_us() - begin);
}

static unsigned long long run_memory(struct bench *b, const struct command *c)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	int status;
	pid_t pid = start(b, c);
	sleep_ms(250);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
			break;
	fclose(f);
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid: %s", strerror(errno));
	check(c, status);
	return kib;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(const double *sorted, unsigned long n, double q)
{
	double at = q * (double)(n - 1);
	unsigned long i = (unsigned long)at;
	double part = at - (double)i;
	return i + 1 < n ? sorted[i] * (1 - part) + sorted[i + 1] * part : sorted[i];
}

static void report(struct bench *b)
{
	double reference = 0;
	if (b->jobs)
		printf("%-28s %12s %12s %12s %8s\n", "", "median /s", "lowest", "highest", "ratio");
	else
		printf("%-28s %12s %12s %12s %8s\n", "", "median us", "p10", "p90", "ratio");
	for (size_t i = 0; i < b->count; i++) {
		struct command *c = &b->commands[i];
		qsort(c->sample, b->rounds, sizeof(*c->sample), by_value);
		double median = quantile(c->sample, b->rounds, 0.5);
		if (i == 0)
			reference = median;
		printf("%-28s %12.0f %12.0f %12.0f %8.3f\n", c->name, median,
		       quantile(c->sample, b->rounds, b->jobs ? 0 : 0.1), quantile(c->sample, b->rounds, b->jobs ? 1 : 0.9),
		       median / reference);
	}
}

static void measure_memory(struct bench *b)
{
	printf("%-28s %12s\n", "", "VmHWM KiB");
	for (size_t i = 0; i < b->count; i++) {
		for (unsigned long r = 0; r < b->rounds; r++) {
			unsigned long long kib = run_memory(b, &b->commands[i]);
			if (kib > b->commands[i].hwm_kib)
				b->commands[i].hwm_kib = kib;
		}
		printf("%-28s %12llu\n", b->commands[i].name, b->commands[i].hwm_kib);
	}
}

static void measure(struct bench *b)
{
	for (unsigned long r = 0; r < b->warmup + b->rounds; r++) {
		for (size_t k = 0; k < b->count; k++) {
			struct command *c = &b->commands[(k + r) % b->count];
			double value = b->jobs ? run_batch(b, c) : run_once(b, c);
			if (r >= b->warmup)
				c->sample[r - b->warmup] = value;
		}
	}
	report(b);
}

static unsigned long number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);
	if (*end || end == s || n > 1000000)
		die("'%s' is not a number", s);
	return n;
}

static void add_command(struct bench *b, char **words, int count)
{
	if (count < 2)
		die("each command is NAME COMMAND...");
	b->commands = must(realloc(b->commands, (b->count + 1) * sizeof(*b->commands)));
	struct command *c = &b->commands[b->count++];
	*c = (struct command){ .name = words[0], .mntns = -1, .argv = words + 1 };
	c->sample = must(calloc(b->rounds, sizeof(*c->sample)));
	char *at = strchr(words[0], '@');
	if (at) {
		*at = '\0';
		c->mntns = open(at + 1, O_RDONLY | O_CLOEXEC);
		if (c->mntns < 0)
			die("%s: %s", at + 1, strerror(errno));
	}
	words[count] = NULL;
}

int main(int argc, char **argv)
{
	struct bench b = { .rounds = 100, .warmup = 5, .batch = 64 };
	int opt;
	while ((opt = getopt(argc, argv, "+n:w:i:j:b:m")) != -1) {
		switch (opt) {
		case 'n': b.rounds = number(optarg); break;
		case 'w': b.warmup = number(optarg); break;
		case 'i': b.idle_ms = number(optarg); break;
		case 'j': b.jobs = number(optarg); break;
		case 'b': b.batch = number(optarg); break;
		case 'm': b.memory = true; break;
		default: return 2;
		}
	}
	if (b.rounds == 0 || b.batch == 0)
		die("nothing to do");
	b.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (b.null < 0)
		die("/dev/null: %s", strerror(errno));
	int from = optind;
	for (int i = optind; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "---") != 0)
			continue;
		add_command(&b, argv + from, i - from);
		from = i + 1;
	}
	if (b.memory)
		measure_memory(&b);
	else
		measure(&b);
	for (size_t i = 0; i < b.count; i++)
		free(b.commands[i].sample);
	free(b.commands);
	return 0;
}
