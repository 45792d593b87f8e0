/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard - drop changes of an overlay workspace.
 */
#include <errno.h>
#include <string.h>

#include "runtime/cli/overlay.h"

static void on_done(void *ctx, const struct oc_overlay_node *n)
{
	oc_ov_line(n, ctx);
}

static int report(const struct oc_ov_cli *c, struct oc_buf *lines, bool all)
{
	if (!c->json)
		return oc_cli_output(lines);
	oc_auto_buf out = {0};
	struct oc_json_writer w;
	oc_jw_init(&w, &out, 2);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, true);
	oc_jw_key(&w, "all");
	oc_jw_bool(&w, all);
	oc_jw_key(&w, "workspace");
	oc_jw_string(&w, c->plan.workspace);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	return oc_cli_output(&out);
}

/* All of it, whatever it is: an overlay that nobody can read or that belongs to a directory of
 * before, too. */
static int discard_all(struct oc_ov_cli *c, struct oc_err *err)
{
	struct oc_overlay_store *s = &c->overlay.store;

	if (oc_overlay_open(s, c->plan.overlay_dir, false, err) < 0)
		return err->errnum == ENOENT ? 0 : -1;
	int busy = c->force ? 0 : oc_overlay_lock(s, OC_OVERLAY_WAIT_MS, err);
	if (busy < 0)
		return -1;
	if (busy) {
		oc_fail(err, 0, "a sandbox is at work on the overlay of %s", c->plan.workspace);
		return oc_err_hint(
			err, "stop it first, or --force: what it sees then is nobody's promise");
	}
	return oc_overlay_remove(&c->overlay, err);
}

static int discard_some(struct oc_ov_cli *c, struct oc_arena *a, struct oc_buf *lines,
			struct oc_err *err)
{
	if (c->force) {
		if (oc_ov_open(c, a, false, err) < 0 || oc_overlay_scan(&c->overlay, err) < 0 ||
		    oc_overlay_select(&c->overlay, c->paths, c->path_count, false, err) < 0)
			return -1;
	} else if (oc_ov_load(c, a, false, err) < 0) {
		return -1;
	}
	if (oc_overlay_discard(&c->overlay, on_done, lines, err) < 0)
		return -1;
	return !c->force && oc_overlay_empty(&c->overlay) ? oc_overlay_remove(&c->overlay, err) : 0;
}

int oc_cmd_discard(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf lines = {0};
	struct oc_ov_cli c;
	struct oc_err err = {0};
	int r;

	if (oc_ov_parse(argc, argv, OC_OV_DISCARD, &a, &c, &err) < 0)
		return oc_cli_fail(&err);
	if (c.help)
		return 0;
	if (c.path_count) {
		r = discard_some(&c, &a, &lines, &err);
	} else {
		r = oc_plan_build(&c.plan, &a, &c.opt, &err);
		if (r == 0) {
			oc_plan_close(&c.plan);
			r = discard_all(&c, &err);
		}
	}
	oc_ov_close(&c);
	return r < 0 ? oc_cli_fail(&err) : report(&c, &lines, !c.path_count);
}
