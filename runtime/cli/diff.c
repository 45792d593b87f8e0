/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff - what an overlay workspace holds that the real tree does not.
 *
 * Reads only, also while a sandbox is at work on it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/cli/overlay.h"
#include "runtime/session/textdiff.h"

#define PIECE (256u << 10)

/* Both sides of a file.  false: they are no text, or too much of it. */
static bool texts(struct oc_overlay *o, const struct oc_overlay_node *n, struct oc_buf *was,
		  struct oc_buf *is)
{
	struct oc_err ignored;

	if ((S_ISREG(n->old_mode) &&
	     oc_overlay_text(o, n, true, OC_TEXTDIFF_MAX, was, &ignored) != 0) ||
	    (S_ISREG(n->mode) && oc_overlay_text(o, n, false, OC_TEXTDIFF_MAX, is, &ignored) != 0))
		return false;
	return oc_textdiff_is_text(was->data, was->len) && oc_textdiff_is_text(is->data, is->len);
}

static bool has_text(const struct oc_overlay_node *n)
{
	return n->change != OC_CHANGE_MODE && !n->refused &&
	       (S_ISREG(n->mode) || S_ISREG(n->old_mode));
}

/* "--- a/PATH" and "+++ b/PATH", for people and for patch(1). */
static void put_header(const struct oc_overlay_node *n, struct oc_buf *out)
{
	oc_auto_buf path = {0};

	oc_overlay_path(n, &path);
	for (int side = 0; side < 2; side++) {
		bool there = S_ISREG(side ? n->mode : n->old_mode);
		oc_buf_puts(out, !there ? side ? "+++ /dev/null" : "--- /dev/null"
				 : side ? "+++ b/"
					: "--- a/");
		if (there)
			oc_textdiff_escape(path.data, path.len, out);
		oc_buf_puts(out, "\n");
	}
}

static void diff_text(struct oc_overlay *o, const struct oc_overlay_node *n, struct oc_buf *out)
{
	oc_auto_buf was = {0}, is = {0}, text = {0};

	if (!texts(o, n, &was, &is)) {
		oc_buf_printf(out, "Binary or large: %llu -> %llu bytes\n",
			      (unsigned long long)n->old_size, (unsigned long long)n->size);
		return;
	}
	oc_textdiff(was.data ? was.data : "", was.len, is.data ? is.data : "", is.len, &text);
	if (text.len)
		put_header(n, out);
	oc_buf_add(out, text.data ? text.data : "", text.len);
}

static void one(struct oc_overlay *o, const struct oc_overlay_node *n, bool names,
		struct oc_buf *out)
{
	oc_ov_line(n, out);
	if (names || !has_text(n))
		return;
	diff_text(o, n, out);
}

static void one_json(struct oc_overlay *o, const struct oc_overlay_node *n, bool names,
		     struct oc_json_writer *w)
{
	oc_auto_buf was = {0}, is = {0}, text = {0};

	oc_jw_object(w);
	oc_ov_members(n, w);
	if (!names && has_text(n)) {
		bool is_text = texts(o, n, &was, &is);
		if (is_text)
			oc_textdiff(was.data ? was.data : "", was.len, is.data ? is.data : "",
				    is.len, &text);
		oc_jw_key(w, is_text ? "diff" : "binary");
		if (is_text)
			oc_jw_string(w, text.data ? text.data : "");
		else
			oc_jw_bool(w, true);
	}
	oc_jw_object_end(w);
}

static void json_head(const struct oc_ov_cli *c, bool live, struct oc_json_writer *w)
{
	oc_jw_object(w);
	oc_jw_key(w, "workspace");
	oc_jw_string(w, c->plan.workspace);
	oc_jw_key(w, "overlay");
	oc_jw_string(w, c->plan.overlay_dir);
	oc_jw_key(w, "live");
	oc_jw_bool(w, live);
	oc_jw_key(w, "incomplete");
	oc_jw_string(w, c->overlay.incomplete);
	oc_jw_key(w, "changes");
	oc_jw_array(w);
}

static int print(struct oc_ov_cli *c, bool live)
{
	oc_auto_buf out = {0};
	struct oc_json_writer w;
	struct oc_overlay *o = &c->overlay;

	oc_jw_init(&w, &out, 2);
	if (c->json)
		json_head(c, live, &w);
	for (const struct oc_overlay_node *n = o->root; n; n = oc_overlay_next(n)) {
		if (n->change == OC_CHANGE_NONE || !n->selected)
			continue;
		if (c->json)
			one_json(o, n, c->names, &w);
		else
			one(o, n, c->names, &out);
		if (out.len > PIECE) {
			if (oc_cli_output(&out) != 0)
				return OC_EXIT_SETUP;
			out.len = 0;
		}
	}
	if (c->json) {
		oc_jw_array_end(&w);
		oc_jw_object_end(&w);
		oc_buf_puts(&out, "\n");
	}
	return oc_cli_output(&out);
}

static void say(const char *text)
{
	struct oc_err e = {0};

	oc_fail(&e, 0, "%s", text);
	oc_err_print(&e, "oc-sandbox", 2);
}

static bool is_live(const struct oc_ov_cli *c)
{
	struct oc_overlay_store probe;
	struct oc_err ignored;

	if (oc_overlay_open(&probe, c->plan.overlay_dir, false, &ignored) < 0)
		return false;
	bool live = oc_overlay_lock(&probe, 0, &ignored) == 1;
	oc_overlay_close(&probe);
	return live;
}

int oc_cmd_diff(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_ov_cli c;
	struct oc_err err = {0};
	int r;

	if (oc_ov_parse(argc, argv, OC_OV_DIFF, &a, &c, &err) < 0)
		return oc_cli_fail(&err);
	if (c.help)
		return 0;
	if (oc_ov_open(&c, &a, false, &err) < 0) {
		oc_ov_close(&c);
		if (err.errnum != ENOENT)
			return oc_cli_fail(&err);
		if (!c.json)
			return 0;
		oc_auto_buf out = {0};
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 2);
		json_head(&c, false, &w);
		oc_jw_array_end(&w);
		oc_jw_object_end(&w);
		oc_buf_puts(&out, "\n");
		return oc_cli_output(&out);
	}
	bool live = is_live(&c);
	if (oc_overlay_scan(&c.overlay, &err) < 0 ||
	    oc_overlay_select(&c.overlay, c.paths, c.path_count, false, &err) < 0) {
		oc_ov_close(&c);
		return oc_cli_fail(&err);
	}
	r = print(&c, live);
	if (live && !c.json)
		say("a sandbox is at work on this overlay: the changes may be others by now");
	if (r == 0 && c.overlay.incomplete) {
		oc_fail(&err, 0, "not all changes could be read: %s", c.overlay.incomplete);
		r = oc_cli_fail(&err);
	}
	oc_ov_close(&c);
	return r;
}
