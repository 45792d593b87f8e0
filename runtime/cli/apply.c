/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply - changes of an overlay workspace into the real tree.
 *
 * Nothing is applied as long as something is to be decided: a conflict, or a risky change without a
 * word about it.  Exit code 0: done; 1: that; 125: it failed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cli/overlay.h"

enum group { APPLIED, CONFLICT, RISKY, REFUSED };

struct report {
	const struct oc_ov_cli *c;
	struct oc_buf out; /* text: what was applied */
	size_t applied;
};

/* What is to be done with one of the selected changes. */
static enum group group_of(const struct oc_ov_cli *c, const struct oc_overlay_node *n)
{
	if (n->refused)
		return REFUSED;
	if (n->risk && !c->accept_risky)
		return RISKY;
	return n->conflict ? CONFLICT : APPLIED;
}

static size_t count(const struct oc_ov_cli *c, enum group g)
{
	size_t k = 0;

	for (const struct oc_overlay_node *n = c->overlay.root; n; n = oc_overlay_next(n))
		k += n->selected && n->change != OC_CHANGE_NONE && group_of(c, n) == g;
	return k;
}

static void list_text(const struct oc_ov_cli *c, enum group g, struct oc_buf *out)
{
	for (const struct oc_overlay_node *n = c->overlay.root; n; n = oc_overlay_next(n))
		if (n->selected && n->change != OC_CHANGE_NONE && group_of(c, n) == g)
			oc_ov_line(n, out);
}

static void list_json(const struct oc_ov_cli *c, const char *key, enum group g,
		      struct oc_json_writer *w)
{
	oc_jw_key(w, key);
	oc_jw_array(w);
	for (const struct oc_overlay_node *n = c->overlay.root; n; n = oc_overlay_next(n))
		if (n->selected && n->change != OC_CHANGE_NONE && group_of(c, n) == g) {
			oc_jw_object(w);
			oc_ov_members(n, w);
			oc_jw_object_end(w);
		}
	oc_jw_array_end(w);
}

static int json_report(const struct oc_ov_cli *c, bool done, const struct oc_err *err)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &out, 2);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, done && !err);
	oc_jw_key(&w, "dryRun");
	oc_jw_bool(&w, c->dry_run);
	oc_jw_key(&w, "workspace");
	oc_jw_string(&w, c->plan.workspace);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err ? err->msg : NULL);
	if (c->overlay.root) {
		/* If it was stopped or failed this is what was to be. */
		list_json(c, done && !c->dry_run && !err ? "applied" : "toApply", APPLIED, &w);
		list_json(c, "conflicts", CONFLICT, &w);
		list_json(c, "risky", RISKY, &w);
		list_json(c, "refused", REFUSED, &w);
	}
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	return oc_cli_output(&out);
}

static void say(const char *text)
{
	struct oc_err e = {0};

	oc_fail(&e, 0, "%s", text);
	oc_err_print(&e, "oc-sandbox", 2);
}

/* A change that the operator has to decide about: nothing is done. */
static bool stopped(const struct oc_ov_cli *c, struct oc_buf *out)
{
	char text[160];
	size_t conflicts = count(c, CONFLICT), risky = c->skip_risky ? 0 : count(c, RISKY);

	if (!conflicts && !risky)
		return false;
	if (conflicts) {
		list_text(c, CONFLICT, out);
		snprintf(text, sizeof text,
			 "nothing is applied: the real tree changed below %zu of the changes",
			 conflicts);
		say(text);
	}
	if (risky) {
		list_text(c, RISKY, out);
		snprintf(text, sizeof text,
			 "nothing is applied: %zu of the changes would be run or trusted on this "
			 "host "
			 "(--accept-risky, or --skip-risky)",
			 risky);
		say(text);
	}
	return true;
}

static void on_done(void *ctx, const struct oc_overlay_node *n)
{
	struct report *r = ctx;

	r->applied++;
	oc_ov_line(n, &r->out);
}

static int apply(struct oc_ov_cli *c)
{
	struct report r = {.c = c};
	struct oc_err err = {0};
	oc_auto_buf text = {0};
	int rc = 0;

	if (stopped(c, &text)) {
		if (c->json)
			json_report(c, false, NULL);
		else
			oc_cli_output(&text);
		return OC_EXIT_STOPPED;
	}
	if (c->dry_run) {
		list_text(c, APPLIED, &r.out);
	} else if (oc_overlay_apply(&c->overlay, c->accept_risky, on_done, &r, &err) < 0) {
		rc = OC_EXIT_SETUP;
	} else if (oc_overlay_empty(&c->overlay)) {
		struct oc_err ignored;
		oc_overlay_remove(&c->overlay, &ignored);
	}
	if (c->json)
		json_report(c, true, rc ? &err : NULL);
	else
		oc_cli_output(&r.out);
	oc_buf_free(&r.out);
	size_t left = count(c, REFUSED) + (c->skip_risky ? count(c, RISKY) : 0);
	if (rc)
		return oc_cli_fail(&err);
	if (left && !c->json) {
		char line[96];
		snprintf(line, sizeof line,
			 "%zu of the changes are left out; see `oc-sandbox diff`", left);
		say(line);
	}
	return 0;
}

int oc_cmd_apply(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_ov_cli c;
	struct oc_err err = {0};
	int rc;

	if (oc_ov_parse(argc, argv, OC_OV_APPLY, &a, &c, &err) < 0)
		return oc_cli_fail(&err);
	if (c.help)
		return 0;
	if (oc_ov_load(&c, &a, true, &err) == 0) {
		rc = apply(&c);
	} else if (err.errnum == ENOENT && !c.overlay.root && c.path_count == 0) {
		rc = c.json ? json_report(&c, true, NULL) : 0;
	} else {
		rc = oc_cli_fail(&err);
	}
	oc_ov_close(&c);
	return rc;
}
