/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - prints the plan.  Builds it as `run` would, and does nothing else.
 */
#include <stdio.h>

#include "runtime/cli/cli.h"

int oc_cmd_explain(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_err err = {0};

	if (oc_cli_parse(argc, argv, OC_CLI_EXPLAIN, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox explain [OPTION...] [--] [PROGRAM [ARGUMENT...]]\n");
		oc_cli_print_options(OC_CLI_EXPLAIN);
		return 0;
	}
	if (oc_plan_build(&plan, &a, &opt, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 2);
		oc_plan_json(&plan, &w);
		oc_buf_puts(&out, "\n");
	} else {
		oc_plan_text(&plan, &out);
	}
	oc_plan_close(&plan);
	return oc_cli_output(&out);
}
