/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_test - a private home and state directory for tests of plans, and the few things that all of them do.
 */
#ifndef OC_TESTS_PLAN_TEST_H
#define OC_TESTS_PLAN_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/plan/internal.h"
#include "tests/unit/cm.h"

#define UNUSED __attribute__((unused))

static char pt_top[64]; /* temporary directory; home is pt_top/home */

static UNUSED const char *pt_path(const char *name)
{
	static char path[8][PATH_MAX + 256];
	static unsigned next;
	char *out = path[next++ % 8];
	snprintf(out, sizeof(path[0]), "%s/%s", pt_top, name);
	return out;
}

static UNUSED const char *pt_mkdir(const char *name)
{
	const char *path = pt_path(name);
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	return path;
}

static UNUSED const char *pt_write(const char *name, const char *text)
{
	const char *path = pt_path(name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int pt_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static UNUSED int pt_setup(void **state)
{
	static const char *const unset[] = { "OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR", "OPENCLAW_HOME",
					     "OPENCLAW_PROFILE",     "SSH_AUTH_SOCK",	   "XDG_RUNTIME_DIR" };
	(void)state;
	snprintf(pt_top, sizeof(pt_top), "/var/tmp/oc-plan-XXXXXX");
	assert_non_null(mkdtemp(pt_top));
	pt_mkdir("home");
	setenv("HOME", pt_path("home"), 1);
	for (size_t i = 0; i < sizeof(unset) / sizeof(*unset); i++)
		unsetenv(unset[i]);
	return 0;
}

static UNUSED int pt_teardown(void **state)
{
	(void)state;
	return nftw(pt_top, pt_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static UNUSED int pt_open_count(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Build, which must succeed. */
static UNUSED void pt_build(struct oc_plan *plan, struct oc_arena *a, const struct oc_plan_options *o)
{
	struct oc_err err = { 0 };
	if (oc_plan_build(plan, a, o, &err) < 0)
		fail_msg("%s (%s)", err.msg, err.hint);
}

/* Build, which must fail with a message that contains text, and leave no descriptor open. */
static UNUSED void pt_refused(const struct oc_plan_options *o, const char *text)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	struct oc_err err = { 0 };
	int before = pt_open_count();
	if (oc_plan_build(&plan, &a, o, &err) == 0)
		fail_msg("built, but should say: %s", text);
	if (!strstr(err.msg, text))
		fail_msg("says \"%s\", should say: %s", err.msg, text);
	assert_true(err.step[0]);
	assert_int_equal(pt_open_count(), before);
}

static UNUSED const struct oc_mount *pt_mount(const struct oc_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		if (strcmp(plan->mounts[i].target, target) == 0)
			return &plan->mounts[i];
	return NULL;
}

static UNUSED const char *pt_env(const struct oc_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->env_count; i++)
		if (strcmp(plan->env[i].name, name) == 0)
			return plan->env[i].value;
	return NULL;
}

#endif
