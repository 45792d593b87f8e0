/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec - what commands in a sandbox that is kept cost (`make bench-exec`).
 *
 *   exec latency OC NOTHING ROUNDS   posix_spawn of NOTHING, the same through libocsandbox in a
 * warm sandbox, and through `OC exec`; in turn, so that what the machine does meanwhile hits all of
 * them alike exec idle OC COUNT               COUNT idle sandboxes: memory of all their processes,
 * the time of `OC ps` exec many OC NOTHING COUNT       COUNT commands in one sandbox: what monitor
 * and pid 1 hold before and after
 *
 * Must never: pass an opinion on the figures.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/client/ocsandbox.h"

#define INSIDE	 "/opt/nothing"
#define WAIT_MS	 30000
#define MAX_PIDS 256

extern char **environ;

__attribute__((format(printf, 1, 2))) _Noreturn static void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("bench-exec: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- sandboxes --- */

static ocs_sandbox *make(const char *oc, const char *nothing)
{
	char bind[4200];
	const char *options[] = {"--no-config", "--no-tty", NULL, NULL, NULL};
	struct ocs_open how = OCS_OPEN_INIT;
	struct ocs_error err = {0};
	ocs_sandbox *s;

	how.program = oc;
	how.options = options;
	if (nothing) {
		snprintf(bind, sizeof bind, "%s:%s", nothing, INSIDE);
		options[2] = "--bind";
		options[3] = bind;
	}
	if (ocs_open(&how, &s, &err) < 0)
		die("%s", err.message);
	return s;
}

static void open_up(ocs_sandbox *s, char *id, size_t size)
{
	struct ocs_event ev;

	while (ocs_wait(s, WAIT_MS, &ev) > 0)
		if (ev.type == OCS_EVENT_OPEN) {
			if (id)
				snprintf(id, size, "%s", ev.id);
			return;
		} else if (ev.type == OCS_EVENT_CLOSED) {
			die("no sandbox: %s", ev.error.message);
		}
	die("no sandbox within %d s", WAIT_MS / 1000);
}

static void run_in(ocs_sandbox *s)
{
	static const char *const argv[] = {INSIDE, NULL};
	struct ocs_exec e = OCS_EXEC_INIT;
	struct ocs_error err = {0};
	struct ocs_event ev;
	uint32_t tag;

	e.argv = argv;
	if (ocs_exec(s, &e, &tag, &err) < 0)
		die("%s", err.message);
	while (ocs_wait(s, WAIT_MS, &ev) > 0)
		if (ev.type == OCS_EVENT_EXIT) {
			if (ev.result.status != 0)
				die("the command ended with %d: %s", ev.result.status,
				    ev.result.error ? ev.result.error : ev.result.cause);
			return;
		} else if (ev.type == OCS_EVENT_CLOSED) {
			die("the sandbox ended: %s", ev.error.message);
		}
	die("the command did not end");
}

static void stop(ocs_sandbox *s)
{
	struct ocs_event ev;

	ocs_stop(s, NULL);
	while (ocs_wait(s, WAIT_MS, &ev) > 0 && ev.type != OCS_EVENT_CLOSED)
		;
	ocs_close(s);
}

static pid_t monitor_of(ocs_sandbox *s)
{
	const char *answer, *p;
	struct ocs_error err = {0};

	if (ocs_request(s, "{\"op\":\"info\"}", &answer, &err) < 0)
		die("info: %s", err.message);
	p = strstr(answer, "\"pid\":");
	if (!p)
		die("no pid in %s", answer);
	return (pid_t)strtol(p + 6, NULL, 10);
}

static void spawn(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	int rc =
		posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		die("%s: %s", argv[0], strerror(rc));
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("%s: status %d", argv[0], status);
}

/* --- latency --- */

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void latency(const char *oc, const char *nothing, size_t rounds)
{
	enum { WAYS = 3 };
	static const char *const name[WAYS] = {"posix_spawn", "libocsandbox", "oc-sandbox exec"};
	char id[64];
	const char *const plain[] = {nothing, NULL};
	const char *const through[] = {oc, "exec", id, "--", INSIDE, NULL};
	ocs_sandbox *s = make(oc, nothing);
	double *sample[WAYS], base = 0;

	open_up(s, id, sizeof id);
	for (int w = 0; w < WAYS; w++)
		if (!(sample[w] = calloc(rounds, sizeof **sample)))
			die("no memory");
	/* The first ones warm up. */
	for (size_t i = 0; i < rounds + 20; i++)
		for (int k = 0; k < WAYS; k++) {
			int w = (int)((size_t)k + i) % WAYS;
			double t = now_us();
			if (w == 0)
				spawn(plain);
			else if (w == 1)
				run_in(s);
			else
				spawn(through);
			if (i >= 20)
				sample[w][i - 20] = now_us() - t;
		}
	printf("%-18s %10s %10s %10s %8s   us, %zu rounds\n", "", "median", "p10", "p90", "ratio",
	       rounds);
	for (int w = 0; w < WAYS; w++) {
		qsort(sample[w], rounds, sizeof **sample, order);
		double m = sample[w][rounds / 2];
		base = w ? base : m;
		printf("%-18s %10.0f %10.0f %10.0f %8.2f\n", name[w], m, sample[w][rounds / 10],
		       sample[w][rounds * 9 / 10], m / base);
		free(sample[w]);
	}
	stop(s);
}

/* --- processes --- */

/* A process and all below it; those that share the memory of one that is there already are left
 * out. */
static size_t tree(pid_t root, pid_t *pid)
{
	size_t n = 1;

	pid[0] = root;
	for (size_t i = 0; i < n; i++) {
		char path[64], text[8192];
		snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid[i], (int)pid[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
		close(fd);
		text[len > 0 ? len : 0] = '\0';
		for (char *p = text, *end; n < MAX_PIDS; p = end) {
			long child = strtol(p, &end, 10);
			if (end == p)
				break;
			if (syscall(SYS_kcmp, pid[i], (pid_t)child, KCMP_VM, 0, 0) != 0)
				pid[n++] = (pid_t)child;
		}
	}
	return n;
}

static unsigned long kib_of(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	unsigned long kib = 0;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtoul(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static unsigned entries(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 2 ? n - 2 : 0;
}

static unsigned groups_below(const char *path, unsigned depth, const char *name)
{
	char sub[4096];
	unsigned n = 0;
	struct dirent *e;
	DIR *d = opendir(path);

	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.') {
			snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
			n += strstr(sub, name) != NULL;
			if (depth > 0)
				n += groups_below(sub, depth - 1, name);
		}
	if (d)
		closedir(d);
	return n;
}

static void idle(const char *oc, size_t count)
{
	const char *const ps[] = {oc, "ps", NULL};
	ocs_sandbox **s = calloc(count, sizeof *s);
	pid_t pid[MAX_PIDS];
	unsigned long pss = 0, processes = 0;

	if (!s)
		die("no memory");
	double t = now_us();
	for (size_t i = 0; i < count; i++) {
		s[i] = make(oc, NULL);
		open_up(s[i], NULL, 0);
	}
	double each = (now_us() - t) / (double)count;
	sleep(2); /* runners that were started ahead settle */
	for (size_t i = 0; i < count; i++) {
		size_t n = tree(monitor_of(s[i]), pid);
		processes += n;
		for (size_t k = 0; k < n; k++)
			pss += kib_of(pid[k], "smaps_rollup", "Pss:");
	}
	printf("%zu idle sandboxes: %.1f KiB PSS each, %.1f address spaces each, started in %.1f "
	       "ms each\n",
	       count, (double)pss / (double)count, (double)processes / (double)count, each / 1e3);
	double took[5];
	for (int i = 0; i < 5; i++) {
		t = now_us();
		spawn(ps);
		took[i] = now_us() - t;
	}
	qsort(took, 5, sizeof *took, order);
	printf("oc-sandbox ps: %.1f ms\n", took[2] / 1e3);
	for (size_t i = 0; i < count; i++)
		ocs_stop(s[i], NULL);
	for (size_t i = 0; i < count; i++)
		stop(s[i]);
	free(s);
}

static void print_state(const char *when, pid_t monitor)
{
	static const char *const who[] = {"monitor", "pid 1", "runner", "runner", "runner"};
	pid_t pid[MAX_PIDS];
	size_t n = tree(monitor, pid);
	char path[64], name[32];

	snprintf(name, sizeof name, "oc-sandbox-%d-", (int)monitor);
	printf("%-10s %zu processes, %u cgroup directories;", when, n,
	       groups_below("/sys/fs/cgroup", 6, name));
	for (size_t i = 0; i < n && i < 5; i++) {
		snprintf(path, sizeof path, "/proc/%d/fd", (int)pid[i]);
		printf(" %s: %u descriptors, %lu KiB;", who[i], entries(path),
		       kib_of(pid[i], "status", "VmRSS:"));
	}
	putchar('\n');
	fflush(stdout);
}

static void many(const char *oc, const char *nothing, size_t count)
{
	ocs_sandbox *s = make(oc, nothing);

	open_up(s, NULL, 0);
	pid_t monitor = monitor_of(s);
	for (int i = 0; i < 100; i++)
		run_in(s);
	print_state("before", monitor);
	double t = now_us();
	for (size_t i = 0; i < count; i++)
		run_in(s);
	double took = now_us() - t;
	print_state("after", monitor);
	printf("%zu commands, one after another: %.0f in a second\n", count,
	       (double)count / took * 1e6);
	stop(s);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "latency") == 0)
		latency(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "idle") == 0)
		idle(argv[2], strtoul(argv[3], NULL, 10));
	else if (argc == 5 && strcmp(argv[1], "many") == 0)
		many(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else
		die("latency OC NOTHING ROUNDS | idle OC COUNT | many OC NOTHING COUNT");
	return 0;
}
