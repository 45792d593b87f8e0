/* SPDX-License-Identifier: Apache-2.0 */
/* guard_util - a workspace of one's own, real commands in it, scan and sweep of it. */
#ifndef OC_TESTS_GUARD_UTIL_H
#define OC_TESTS_GUARD_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/plan/guard.h"
#include "tests/unit/cm.h"

static char top[128], quarantine[192];

/* Run by sh in the workspace, with nothing of the caller's git configuration.  Exit status. */
__attribute__((format(printf, 1, 2), unused)) static int sh(const char *fmt, ...)
{
	va_list ap;
	char *script, *line;

	va_start(ap, fmt);
	assert_true(vasprintf(&script, fmt, ap) > 0);
	va_end(ap);
	setenv("SCRIPT", script, 1);
	assert_true(asprintf(&line,
			     "cd '%s/ws' && exec sh -c \"$SCRIPT\" >>'%s/log' 2>&1 </dev/null", top,
			     top) > 0);
	int status = system(line);
	free(line);
	free(script);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

__attribute__((format(printf, 1, 2), unused)) static bool there(const char *fmt, ...)
{
	char path[4096];
	struct stat st;
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", top);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return lstat(path, &st) == 0;
}

static void fresh(void)
{
	const char *tmp = getenv("OC_TEST_TMP");
	char line[512];

	snprintf(top, sizeof(top), "%s/guard.XXXXXX", tmp && strlen(tmp) < 100 ? tmp : "/tmp");
	assert_non_null(mkdtemp(top));
	snprintf(quarantine, sizeof(quarantine), "%s/state/quarantine", top);
	snprintf(line, sizeof(line), "mkdir %s/ws %s/home %s/state", top, top, top);
	assert_int_equal(system(line), 0);
	setenv("TOP", top, 1);
	snprintf(line, sizeof(line), "%s/home", top);
	setenv("HOME", line, 1);
	unsetenv("XDG_CONFIG_HOME");
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	static const char *const who[] = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL",
					  "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"};
	for (size_t i = 0; i < 4; i++)
		setenv(who[i], "t@example.org", 1);
	/* What a vector that works does. */
	snprintf(line, sizeof(line), "%s/home/pwn", top);
	FILE *f = fopen(line, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\ntouch %s/PWNED\n", top);
	fclose(f);
	chmod(line, 0755);
}

static void drop(void)
{
	char line[512];

	snprintf(line, sizeof(line), "chmod -R u+rwX %s 2>/dev/null; rm -rf %s", top, top);
	assert_true(system(line) >= 0);
}

struct world {
	struct oc_arena a;
	int fd;
	struct oc_guard *guards;
	size_t count;
	struct oc_guard_baseline *base;
	struct oc_sweep sweep;
	struct oc_err err;
};

__attribute__((unused)) static int world_scan(struct world *w)
{
	char path[160];

	memset(w, 0, sizeof(*w));
	snprintf(path, sizeof(path), "%s/ws", top);
	w->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->fd >= 0);
	/* What comes later shall have a later time stamp; what was there, an earlier one. */
	nanosleep(&(struct timespec){.tv_nsec = 12000000}, NULL);
	return oc_guard_scan(&w->a, w->fd, &w->guards, &w->count, &w->base, &w->err);
}

__attribute__((unused)) static int world_sweep(struct world *w)
{
	return oc_guard_sweep(&w->a, w->fd, w->base, quarantine, &w->sweep, &w->err);
}

__attribute__((unused)) static void world_free(struct world *w)
{
	oc_arena_free(&w->a);
	close(w->fd);
}

__attribute__((unused)) static void world_print(const struct world *w)
{
	for (size_t i = 0; i < w->sweep.count; i++)
		print_message("# moved %.100s -> %.150s: %.200s\n", w->sweep.items[i].path,
			      w->sweep.items[i].moved ? w->sweep.items[i].moved : "-",
			      w->sweep.items[i].why);
	if (w->sweep.incomplete)
		print_message("# incomplete: %s\n", w->sweep.incomplete_why);
}

__attribute__((unused)) static const struct oc_guard *find_guard(const struct world *w,
								 const char *path)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->guards[i].path, path) == 0)
			return &w->guards[i];
	return NULL;
}

__attribute__((unused)) static const struct oc_quarantined *find_item(const struct world *w,
								      const char *path)
{
	for (size_t i = 0; i < w->sweep.count; i++)
		if (strcmp(w->sweep.items[i].path, path) == 0)
			return &w->sweep.items[i];
	return NULL;
}

#endif
