/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - tries from inside what the plan forbids.  A command on the command line is not run.
 *
 * Exit code: 0 all as claimed, 1 any difference, 125 no sandbox could be made.
 */
#include <stdio.h>

#include "runtime/cli/cli.h"
#include "runtime/verify/verify.h"

int oc_cmd_verify(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_verify_report rep;
	struct oc_err err = {0};
	int r;

	if (oc_cli_parse(argc, argv, OC_CLI_VERIFY, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox verify [OPTION...]\n");
		oc_cli_print_options(OC_CLI_VERIFY);
		return 0;
	}
	if (oc_plan_build(&plan, &a, &opt, &err) < 0)
		return oc_cli_fail(&err);
	r = oc_verify_plan(&plan, extra.keep, &rep, &err);
	oc_plan_close(&plan);
	if (r < 0)
		return oc_cli_fail(&err);
	if (extra.json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 2);
		oc_verify_json(&rep, &w);
		oc_buf_puts(&out, "\n");
	} else {
		oc_verify_text(&rep, false, &out);
	}
	r = oc_cli_output(&out);
	return r ? r : rep.differs ? 1 : 0;
}
