/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - says for every layer whether this host can give it, and if not, cause and cure.
 *
 * Exit code: 0 all there, 1 something is missing or limited, 125 nothing could be tried.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/verify/host.h"

int oc_cmd_doctor(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_host_row *rows;
	struct oc_err err = {0};
	size_t count;
	bool json = false;
	int bad, r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			puts("usage: oc-sandbox doctor [--json]");
			return 0;
		} else {
			oc_fail(&err, 0, "doctor: unknown argument %s", argv[i]);
			oc_err_hint(&err, "it takes only --json");
			return oc_cli_fail(&err);
		}
	}
	bad = oc_host_check(&a, &rows, &count);
	if (bad < 0) {
		oc_fail(&err, errno, "doctor: cannot try anything");
		return oc_cli_fail(&err);
	}
	if (json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 2);
		oc_host_json(rows, count, &w);
		oc_buf_puts(&out, "\n");
	} else {
		oc_host_text(rows, count, &out);
	}
	r = oc_cli_output(&out);
	return r ? r : bad ? 1 : 0;
}
