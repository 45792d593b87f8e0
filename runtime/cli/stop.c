/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop - ends sandboxes and everything in them.  What they have stored stays.
 */
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/cli/sessions.h"

static const char help[] =
	"oc-sandbox stop SANDBOX... | --all | --agent ID | --session KEY\n\n"
	"Ends them: id, the beginning of an id, agent, or scope key.  Scratch directories and the "
	"changes of an overlay\n"
	"stay.  One that does not end within 10 s is killed.\n\n"
	"  --all                                 all that stay between their commands\n"
	"  --agent ID                            those of this agent and of its sessions\n"
	"  --session KEY                         that of exactly this scope key";

/* One selector, or words. */
static int check(const struct oc_session_args *args, struct oc_err *err)
{
	unsigned by = args->given & (OC_ARG_ALL | OC_ARG_AGENT | OC_ARG_SESSION);
	int n = !!(by & OC_ARG_ALL) + !!(by & OC_ARG_AGENT) + !!(by & OC_ARG_SESSION) +
		(args->count > 0);

	if (n == 1)
		return 0;
	oc_fail(err, 0, n ? "sandboxes are named in more than one way" : "no sandbox is named");
	return oc_err_hint(err, "%.*s", (int)strcspn(help, "\n"), help);
}

int oc_cmd_stop(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_session_args args;
	struct oc_seen_all s;
	struct oc_err err = {0};
	size_t n = 0, failed = 0;
	int status;

	if (!oc_session_args(argc, argv, OC_ARG_ALL | OC_ARG_AGENT | OC_ARG_SESSION | OC_ARG_WORDS,
			     help, &args, &status))
		return status;
	if (check(&args, &err) < 0 || oc_seen_all(&a, &s, &err) < 0)
		return oc_cli_fail(&err);
	struct oc_ending *e = oc_arena_array(&a, s.count + args.count, sizeof *e);
	for (size_t i = 0; i < args.count; i++) {
		struct oc_door d;
		if (oc_door_find(&a, s.state_dir, args.words[i], &d, &err) < 0) {
			oc_cli_fail(&err);
			failed++;
			continue;
		}
		oc_door_close(&d);
		e[n++].door = d;
	}
	for (size_t i = 0; i < s.count && !args.count; i++)
		if (oc_seen_selected(&a, &s.all[i], &args))
			e[n++].door = s.all[i].door;
	if (!n && !failed) {
		if (args.given & OC_ARG_ALL)
			return 0;
		oc_fail(&err, 0, "there is no live sandbox of %s",
			args.agent ? args.agent : args.session);
		oc_err_hint(&err, "`oc-sandbox ps` lists them");
		return oc_cli_fail(&err);
	}
	failed += oc_end_and_tell(e, n, "stopped");
	return failed ? OC_EXIT_SETUP : 0;
}
