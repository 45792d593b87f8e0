/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover - finish what a run that was killed left behind.
 *
 * The janitor of such a run calls it; so may an operator, and so does the next `run`.
 */
#include <stdio.h>
#include <string.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/session/quarantine.h"

int oc_cmd_recover(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_err err = {0};
	struct oc_sweep found = {0};
	struct oc_conf_options conf = {0};
	const char *state = NULL, *entry = NULL;

	for (int i = 1; i < argc; i++) {
		const char **to = strcmp(argv[i], "--state-dir") == 0 ? &state
				  : strcmp(argv[i], "--entry") == 0   ? &entry
								      : NULL;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			puts("usage: oc-sandbox recover [--state-dir DIR] [--entry NAME]\n\n"
			     "Checks the workspaces of runs that were killed for what the host would run.");
			return 0;
		}
		if (!to || i + 1 >= argc || *to) {
			oc_fail(&err, 0, "unexpected word %s", argv[i]);
			oc_err_hint(&err, "oc-sandbox recover [--state-dir DIR] [--entry NAME]");
			return oc_cli_fail(&err);
		}
		*to = argv[++i];
	}
	if (entry && (strchr(entry, '/') || entry[0] == '.')) {
		oc_fail(&err, 0, "--entry is the name of a file in quarantine/pending, not a path");
		return oc_cli_fail(&err);
	}
	if (!state && oc_conf_state_dir(&a, &conf, &state, &err) < 0)
		return oc_cli_fail(&err);
	if (oc_quarantine_recover(&a, state, entry, &found, &err) < 0)
		return oc_cli_fail(&err);
	for (size_t i = 0; i < found.count; i++) {
		const struct oc_quarantined *q = &found.items[i];
		struct oc_err e = {0};
		oc_fail(&e, 0, "quarantined %s: %s%s%s", q->path, q->why, q->moved ? "; now " : "",
			q->moved ? q->moved : "");
		oc_err_print(&e, "oc-sandbox", 1);
	}
	if (found.incomplete) {
		oc_fail(&err, 0, "not everything could be checked: %s", found.incomplete_why);
		return oc_cli_fail(&err);
	}
	return 0;
}
