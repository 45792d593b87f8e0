/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start - makes a sandbox that stays, or joins the one that is there, and says which.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/session/obtain.h"

/* For a program that waits: a line of its own, whether or not there is something on standard error.
 */
static int open_ready(const char *spec, struct oc_err *err)
{
	char *end;

	if (!spec)
		return -1;
	errno = 0;
	long n = strtol(spec, &end, 10);
	if (errno || end == spec || *end || n < 0 || n > 65535 || fcntl((int)n, F_GETFD) < 0)
		return oc_fail(err, EBADF, "--ready-fd %s", spec);
	/* Nothing that is started from here may hold it open: its other end waits for the end. */
	if (n > 2 && fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return oc_fail(err, errno, "--ready-fd %s", spec);
	return (int)n;
}

static int tell_failed(int ready, const struct oc_err *err)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	if (ready < 0)
		return oc_cli_fail(err);
	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, false);
	oc_jw_key(&w, "status");
	oc_jw_int(&w, OC_EXIT_SETUP);
	oc_jw_key(&w, "step");
	oc_jw_string(&w, err->step);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err->msg);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, err->hint);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	/* Who has gone does not read it; then at least the caller of ours does. */
	return oc_write_all(ready, out.data, out.len) == 0 ? OC_EXIT_SETUP : oc_cli_fail(err);
}

static int tell(int ready, struct oc_arena *a, const struct oc_door *door, bool joined)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	if (ready < 0) {
		oc_buf_printf(&out, "%s\n", door->id);
		return oc_cli_output(&out);
	}
	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, true);
	oc_jw_key(&w, "id");
	oc_jw_string(&w, door->id);
	oc_jw_key(&w, "dir");
	oc_jw_string(&w, oc_fd_path(a, door->dir_fd));
	oc_jw_key(&w, "joined");
	oc_jw_bool(&w, joined);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	if (oc_write_all(ready, out.data, out.len) == 0)
		return 0;
	struct oc_err err = {0};
	oc_fail(&err, errno, "cannot write to descriptor %d (--ready-fd)", ready);
	return oc_cli_fail(&err);
}

static int check(const struct oc_plan_options *opt, const struct oc_cli_extra *extra,
		 struct oc_err *err)
{
	if (opt->argv[0]) {
		oc_fail(err, 0, "`start` runs no command: unexpected word %s", opt->argv[0]);
		return oc_err_hint(err, "`oc-sandbox run --keep` makes a sandbox that stays and "
					"runs a command in it");
	}
	if (extra->join_only && extra->recreate)
		return oc_fail(err, 0, "--join-only and --recreate contradict each other");
	return 0;
}

int oc_cmd_start(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_door door = {.dir_fd = -1};
	struct oc_err err = {0};
	bool joined;

	if (oc_cli_parse(argc, argv, OC_CLI_START, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox start [OPTION...]\n\n"
		     "Makes a sandbox that stays until it is stopped, idle for too long, or too "
		     "old; or joins the one that\n"
		     "serves the agent, and prints its id.  `oc-sandbox exec` runs commands in "
		     "it.\n");
		oc_cli_print_options(OC_CLI_START);
		return 0;
	}
	int ready = open_ready(extra.ready_fd, &err);
	if (err.msg[0])
		return oc_cli_fail(&err);
	if (check(&opt, &extra, &err) < 0 || oc_plan_build(&plan, &a, &opt, &err) < 0)
		return tell_failed(ready, &err);
	for (size_t i = 0; plan.warnings && plan.warnings[i] && !extra.quiet; i++) {
		struct oc_err w = {0};
		oc_fail(&w, 0, "%s", plan.warnings[i]);
		oc_err_print(&w, "oc-sandbox", 2);
	}
	unsigned flags =
		(extra.join_only ? OC_OBTAIN_JOIN : 0) | (extra.recreate ? OC_OBTAIN_RECREATE : 0);
	int r = oc_keep_obtain(&plan, flags, &door, &joined, &err);
	oc_plan_close(&plan);
	if (r < 0)
		return tell_failed(ready, &err);
	r = tell(ready, &a, &door, joined);
	oc_door_close(&door);
	return r;
}
