/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - what diff, apply and discard have in common: their options, and which overlay they
 * mean.
 */
#ifndef OC_RUNTIME_CLI_OVERLAY_H
#define OC_RUNTIME_CLI_OVERLAY_H

#include "runtime/cli/cli.h"
#include "runtime/session/overlay.h"

enum { OC_OV_DIFF = 1, OC_OV_APPLY = 2, OC_OV_DISCARD = 4 };

/* Something stopped it that the operator decides: conflicts, risky changes. */
#define OC_EXIT_STOPPED 1

struct oc_ov_cli {
	struct oc_plan_options opt;
	bool json, names, accept_risky, skip_risky, dry_run, force, help;
	const char **paths;
	size_t path_count;
	struct oc_plan plan;
	struct oc_overlay overlay;
};

/* Prints the help if it is asked for. */
int oc_ov_parse(int argc, char **argv, int which, struct oc_arena *a, struct oc_ov_cli *c,
		struct oc_err *err);
/* Plan and begin.  1: somebody is at work on it (only with lock); errnum ENOENT: there is none. */
int oc_ov_open(struct oc_ov_cli *c, struct oc_arena *a, bool lock, struct oc_err *err);
/* The same, read and selected; a sandbox that is at work is an error. */
int oc_ov_load(struct oc_ov_cli *c, struct oc_arena *a, bool ways, struct oc_err *err);
void oc_ov_close(struct oc_ov_cli *c);

/* One line of a list: letter, modes, path, what is to be said of it. */
void oc_ov_line(const struct oc_overlay_node *n, struct oc_buf *out);
/* The same as members of an object that is open. */
void oc_ov_members(const struct oc_overlay_node *n, struct oc_json_writer *w);
/* "path": TEXT, and for one that is not UTF-8 "pathHex". */
void oc_ov_path_member(const struct oc_overlay_node *n, struct oc_json_writer *w);

#endif
