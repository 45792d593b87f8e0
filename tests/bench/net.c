/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - measures networks beside each other: gives the same orders to a load generator in each of them, in turn.
 *
 *   net compare ROUNDS MS NAME[=PROGRAM] COMMAND... [--- NAME[=PROGRAM] COMMAND...]...
 *   net serve PORT...             the far side (net-serve.c)
 *   net work HOST PORT WEBHOST WEBPORT   the near side (net-load.c); what each COMMAND ends in
 *   net launch ROUNDS ...         (net-launch.c)
 *
 * Each round gives every order to every network once, for MS milliseconds, in an order that turns by one each round: what the
 * machine does meanwhile hits all of them alike.  The first network is the one that the others are measured by; ratios and
 * differences are taken round by round, and their median is printed.  PROGRAM: what process below COMMAND carries the bytes;
 * its private memory is read before the first order and after the last one.
 *
 * Must never: pass an opinion on the figures.  It says what the issue that asked for them wants to reach.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define NETS 8
#define STUCK_MOST 3

struct order {
	const char *title, *what, *unit, *reach;
	double scale;
	unsigned count, fields, field; /* fields: figures of a sample in the answer; field: which of them */
	bool added;		       /* what is added counts, not a ratio */
};

/* Rows that share an order ask once; the row with field 0 comes first. */
static const struct order orders[] = {
	{ "throughput down, 1 connection", "down", "MB/s", "0.6 of direct, ahead of the others", 1e-6, 1, 1, 0, false },
	{ "throughput up, 1 connection", "up", "MB/s", "0.6 of direct, ahead of the others", 1e-6, 1, 1, 0, false },
	{ "throughput down, 100 connections", "down", "MB/s", "0.6 of direct, ahead of the others", 1e-6, 100, 1, 0, false },
	{ "throughput up, 100 connections", "up", "MB/s", "0.6 of direct, ahead of the others", 1e-6, 100, 1, 0, false },
	{ "connections with an answer, 16 at once", "rate", "1/s", NULL, 1, 16, 2, 0, false },
	{ "to connect, by address", "first", "us", "at most 300 added at the median", 1, 40, 2, 0, true },
	{ "to the first byte, by address", "first", "us", NULL, 1, 40, 2, 1, true },
	{ "to connect, by name, first bytes checked", "web", "us", "at most 300 added at the median", 1, 40, 2, 0, true },
	{ "to the first byte, by name, first bytes checked", "web", "us", NULL, 1, 40, 2, 1, true },
};
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

struct network {
	char *name, *program;
	char **argv;
	FILE *to, *from;
	struct net_samples all[ORDERS], beside[ORDERS]; /* all figures; one for each round beside the first network's */
	double round[ORDERS];			       /* median of this round */
	double failed;
	long memory[2]; /* KiB, -1: not known */
	pid_t pid;
	unsigned stuck; /* orders that came to no end */
};

_Noreturn void net_die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("net: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

double net_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void net_sample(struct net_samples *s, double value)
{
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		double *more = realloc(s->at, s->cap * sizeof(*s->at));
		if (!more)
			net_die("out of memory");
		s->at = more;
	}
	s->at[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double net_quantile(struct net_samples *s, double q)
{
	if (!s->count)
		return 0;
	qsort(s->at, s->count, sizeof(*s->at), by_value);
	double at = q * (double)(s->count - 1);
	size_t i = (size_t)at;
	double part = at - (double)i;
	return i + 1 < s->count ? s->at[i] * (1 - part) + s->at[i + 1] * part : s->at[i];
}

/* --- memory --- */

/* Kibibytes that only this process has, from smaps_rollup. */
static long private_kib(pid_t pid)
{
	char path[64], line[256];
	long sum = 0, n;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	bool any = false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Clean: %ld kB", &n) == 1 || sscanf(line, "Private_Dirty: %ld kB", &n) == 1) {
			sum += n;
			any = true;
		}
	fclose(f);
	return any ? sum : -1;
}

static bool is_named(pid_t pid, const char *program)
{
	char path[64], comm[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool yes = fgets(comm, sizeof(comm), f) && strncmp(comm, program, strlen(program)) == 0;
	fclose(f);
	return yes;
}

/* Of the processes with that name at or below pid, the one with the most. */
static long memory_below(pid_t pid, const char *program)
{
	char path[64];
	long most = is_named(pid, program) ? private_kib(pid) : -1;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1) {
		long n = memory_below(child, program);
		most = n > most ? n : most;
	}
	if (f)
		fclose(f);
	return most;
}

/* --- the generators --- */

static void start(struct network *w)
{
	int to[2], from[2];
	char line[64];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		net_die("pipe: %s", strerror(errno));
	w->pid = fork();
	if (w->pid == 0) {
		/* pasta takes a SIGPIPE that is ignored already for an error. */
		signal(SIGPIPE, SIG_DFL);
		if (dup2(to[0], 0) < 0 || dup2(from[1], 1) < 0)
			_exit(123);
		execvp(w->argv[0], w->argv);
		fprintf(stderr, "%s: %s\n", w->argv[0], strerror(errno));
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	w->to = fdopen(to[1], "w");
	w->from = fdopen(from[0], "r");
	if (w->pid < 0 || !w->to || !w->from || !fgets(line, sizeof(line), w->from) || strcmp(line, "ready\n") != 0)
		net_die("%s: did not start", w->name);
}

/* One order; its figures go to every row that reads this answer. */
static void ask(struct network *w, size_t row, unsigned ms)
{
	char line[8192], *p = line, *next;
	static struct net_samples here[2];
	const struct order *o = &orders[row];

	here[0].count = here[1].count = 0;
	w->round[row] = 0;
	if (o->added)
		w->round[row + 1] = 0;
	/* It has come to a halt, and each further order would wait for it. */
	if (w->stuck >= STUCK_MOST)
		return;
	if (fprintf(w->to, "%s %u %u\n", o->what, o->count, ms) < 0 || fflush(w->to) != 0 || !fgets(line, sizeof(line), w->from))
		net_die("%s: ended", w->name);
	for (unsigned field = 0;; p = next, field = (field + 1) % o->fields) {
		double value = strtod(p, &next);
		if (next == p)
			break;
		if (o->fields == 2 && !o->added && field == 1) {
			w->failed += value;
			continue;
		}
		net_sample(&here[field], value * o->scale);
		net_sample(&w->all[row + field], value * o->scale);
	}
	if (!here[0].count)
		w->stuck++;
	w->round[row] = net_quantile(&here[0], 0.5);
	if (o->added)
		w->round[row + 1] = net_quantile(&here[1], 0.5);
}

static void measure(struct network *w, size_t count, unsigned rounds, unsigned ms)
{
	for (unsigned r = 0; r < rounds; r++)
		for (size_t o = 0; o < ORDERS; o++) {
			if (orders[o].field == 0)
				for (size_t k = 0; k < count; k++)
					ask(&w[(k + r) % count], o, ms);
			for (size_t k = 0; k < count; k++) {
				double here = w[k].round[o], first = w[0].round[o];
				if (here > 0 && first > 0)
					net_sample(&w[k].beside[o], orders[o].added ? here - first : here / first);
			}
		}
}

/* --- the table --- */

static void report(struct network *w, size_t count)
{
	for (size_t o = 0; o < ORDERS; o++) {
		printf("\n%s%s%s\n", orders[o].title, orders[o].reach ? "; reach: " : "",
		       orders[o].reach ? orders[o].reach : "");
		printf("%-30s %10s %10s %10s %10s\n", orders[o].unit, "median", "p10", "p90",
		       orders[o].added ? "added" : "ratio");
		for (size_t k = 0; k < count; k++)
			printf("%-30s %10.0f %10.0f %10.0f %10.*f\n", w[k].name, net_quantile(&w[k].all[o], 0.5),
			       net_quantile(&w[k].all[o], 0.1), net_quantile(&w[k].all[o], 0.9),
			       orders[o].added ? 0 : 3, net_quantile(&w[k].beside[o], 0.5));
	}
	for (size_t k = 0; k < count; k++)
		if (w[k].failed > 0)
			printf("%s: %.0f connections failed\n", w[k].name, w[k].failed);
	for (size_t k = 0; k < count; k++)
		if (w[k].stuck)
			printf("%s: %u orders did not come to an end and are left out%s\n", w[k].name, w[k].stuck,
			       w[k].stuck >= STUCK_MOST ? ", and all that came after" : "");
	printf("\nprivate memory of what carries the bytes, KiB; reach: at most 1536 idle\n");
	printf("%-30s %10s %10s\n", "", "idle", "after load");
	for (size_t k = 0; k < count; k++)
		if (w[k].program && w[k].memory[0] >= 0)
			printf("%-30s %10ld %10ld\n", w[k].name, w[k].memory[0], w[k].memory[1]);
		else if (w[k].program)
			printf("%-30s %10s %10s\n", w[k].name, "not", "shown");
}

static void read_memory(struct network *w, size_t count, int when)
{
	for (size_t k = 0; k < count; k++)
		w[k].memory[when] = w[k].program ? memory_below(w[k].pid, w[k].program) : -1;
}

static int compare(int argc, char **argv)
{
	static struct network w[NETS];
	size_t count = 0;
	int from = 2;

	if (argc < 4 || atoi(argv[0]) < 1 || atoi(argv[1]) < 1)
		net_die("net compare ROUNDS MS NAME[=PROGRAM] COMMAND... [--- ...]");
	for (int i = 2; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "---") != 0)
			continue;
		if (i - from < 2 || count == NETS)
			net_die("each network is NAME COMMAND..., and there are at most %d", NETS);
		argv[i] = NULL;
		w[count].name = argv[from];
		w[count].program = strchr(argv[from], '=');
		if (w[count].program)
			*w[count].program++ = '\0';
		w[count++].argv = argv + from + 1;
		from = i + 1;
	}
	for (size_t k = 0; k < count; k++)
		start(&w[k]);
	read_memory(w, count, 0);
	measure(w, count, (unsigned)atoi(argv[0]), (unsigned)atoi(argv[1]));
	read_memory(w, count, 1);
	report(w, count);
	for (size_t k = 0; k < count; k++) {
		fclose(w[k].to);
		fclose(w[k].from);
		waitpid(w[k].pid, NULL, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "compare") == 0)
		return compare(argc - 2, argv + 2);
	if (strcmp(what, "serve") == 0)
		return net_serve(argc - 2, argv + 2);
	if (strcmp(what, "work") == 0)
		return net_work(argc - 2, argv + 2);
	if (strcmp(what, "launch") == 0)
		return net_launch(argc - 2, argv + 2);
	net_die("net compare, serve, work or launch");
}
