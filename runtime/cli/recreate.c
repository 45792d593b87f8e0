/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recreate - ends sandboxes whose plan is out of date; the next command that needs one makes it
 * anew.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/cli/sessions.h"

static const char help[] =
	"oc-sandbox recreate --all | --session KEY | --agent ID [--force]\n\n"
	"Ends sandboxes, so that the next command makes them anew, from what the configuration "
	"says then.  Scratch\n"
	"directories and the changes of an overlay stay.\n\n"
	"  --all                                 all that stay between their commands\n"
	"  --session KEY                         that of exactly this scope key\n"
	"  --agent ID                            those of this agent and of its sessions\n"
	"  --force                               do not ask";

static int check(const struct oc_session_args *args, struct oc_err *err)
{
	unsigned by = args->given & (OC_ARG_ALL | OC_ARG_AGENT | OC_ARG_SESSION);

	if (by && !(by & (by - 1)))
		return 0;
	oc_fail(err, 0, by ? "only one of --all, --session and --agent" : "which sandboxes?");
	return oc_err_hint(err, "%.*s", (int)strcspn(help, "\n"), help);
}

int oc_cmd_recreate(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_session_args args;
	struct oc_seen_all s;
	struct oc_err err = {0};
	size_t n = 0;
	char question[64];
	int status;

	if (!oc_session_args(argc, argv, OC_ARG_ALL | OC_ARG_AGENT | OC_ARG_SESSION | OC_ARG_FORCE,
			     help, &args, &status))
		return status;
	if (check(&args, &err) < 0 || oc_seen_all(&a, &s, &err) < 0)
		return oc_cli_fail(&err);
	struct oc_ending *e = oc_arena_array(&a, s.count, sizeof *e);
	const struct oc_seen **rows = oc_arena_array(&a, s.count, sizeof *rows);
	for (size_t i = 0; i < s.count; i++)
		if (oc_seen_selected(&a, &s.all[i], &args)) {
			rows[n] = &s.all[i];
			e[n++].door = s.all[i].door;
		}
	if (!n) {
		puts("No sandboxes match.");
		return 0;
	}
	oc_buf_puts(&out, "Sandboxes to recreate:\n");
	oc_seen_table(&out, rows, n);
	status = oc_cli_output(&out);
	if (status)
		return status;
	snprintf(question, sizeof question, "End %zu sandbox%s?", n, n == 1 ? "" : "es");
	int yes = args.given & OC_ARG_FORCE ? 1 : oc_confirm(question, &err);
	if (yes < 0)
		return oc_cli_fail(&err);
	if (!yes) {
		puts("Nothing was done.");
		return 1;
	}
	size_t failed = oc_end_and_tell(e, n, NULL);
	printf("Done: %zu removed, %zu failed\n", n - failed, failed);
	puts("They come back with the next command that needs them.");
	return failed ? OC_EXIT_SETUP : 0;
}
