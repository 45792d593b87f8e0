/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - see overlay.h.
 */
#include "runtime/cli/overlay.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "runtime/session/textdiff.h"

#define ALL (OC_OV_DIFF | OC_OV_APPLY | OC_OV_DISCARD)

enum kind { TEXT, FLAG, HELP };
static const struct option {
	const char *name;
	char letter;
	enum kind kind;
	size_t offset;
	int commands;
	const char *argument, *help;
} options[] = {
	{"agent", 0, TEXT, offsetof(struct oc_ov_cli, opt.agent), ALL, "ID",
	 "the overlay of this agent"},
	{"session", 0, TEXT, offsetof(struct oc_ov_cli, opt.session), ALL, "KEY",
	 "session key, for scope session"},
	{"scope", 0, TEXT, offsetof(struct oc_ov_cli, opt.scope), ALL, "session|agent|shared",
	 "as it was run"},
	{"workspace", 'w', TEXT, offsetof(struct oc_ov_cli, opt.workspace), ALL, "DIR",
	 "the workspace; without an agent the current directory"},
	{"config", 0, TEXT, offsetof(struct oc_ov_cli, opt.config), ALL, "FILE",
	 "openclaw.json to read in place of the usual one"},
	{"no-config", 0, FLAG, offsetof(struct oc_ov_cli, opt.no_config), ALL, NULL,
	 "read no openclaw.json"},
	{"names", 0, FLAG, offsetof(struct oc_ov_cli, names), OC_OV_DIFF, NULL,
	 "only what changed, one line each"},
	{"accept-risky", 0, FLAG, offsetof(struct oc_ov_cli, accept_risky), OC_OV_APPLY, NULL,
	 "apply what this host would run or trust, too"},
	{"skip-risky", 0, FLAG, offsetof(struct oc_ov_cli, skip_risky), OC_OV_APPLY, NULL,
	 "leave those out, apply the rest"},
	{"dry-run", 0, FLAG, offsetof(struct oc_ov_cli, dry_run), OC_OV_APPLY, NULL,
	 "say what would be applied"},
	{"force", 0, FLAG, offsetof(struct oc_ov_cli, force), OC_OV_DISCARD, NULL,
	 "even while a sandbox is at work on it"},
	{"json", 0, FLAG, offsetof(struct oc_ov_cli, json), ALL, NULL, "print JSON"},
	{"help", 'h', HELP, offsetof(struct oc_ov_cli, help), ALL, NULL, "this list"},
};
#define OPTIONS (sizeof options / sizeof options[0])

static void print_help(int which)
{
	const char *name = which == OC_OV_DIFF	  ? "diff"
			   : which == OC_OV_APPLY ? "apply"
						  : "discard";

	printf("usage: oc-sandbox %s [OPTION...] [--] [PATH...]\n\n", name);
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];
		char left[64];
		if (!(o->commands & which))
			continue;
		snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ",
			 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			 o->argument ? " " : "", o->argument ? o->argument : "");
		printf("  %-36s  %s\n", left, o->help);
	}
}

static const struct option *find(const char *word, size_t len, int which)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];
		bool hit = word[1] == '-' ? strlen(o->name) == len - 2 &&
						    memcmp(o->name, word + 2, len - 2) == 0
					  : o->letter && o->letter == word[1];
		if (hit && (o->commands & which))
			return o;
	}
	return NULL;
}

static int one_option(int argc, char **argv, int *i, int which, struct oc_ov_cli *c,
		      struct oc_err *err)
{
	const char *word = argv[*i], *eq = word[1] == '-' ? strchr(word, '=') : NULL;
	size_t len = eq ? (size_t)(eq - word) : strlen(word);
	const char *value = eq ? eq + 1 : word[1] != '-' && word[2] ? word + 2 : NULL;
	const struct option *o = find(word, len, which);

	if (!o) {
		oc_fail(err, 0, "unknown option %.*s", (int)len, word);
		return oc_err_hint(err, "see --help; a path that begins with - comes after --");
	}
	if (o->kind != TEXT) {
		if (value)
			return oc_fail(err, 0, "--%s takes no value", o->name);
		*(bool *)((char *)c + o->offset) = true;
		return 0;
	}
	if (!value && *i + 1 >= argc)
		return oc_fail(err, 0, "--%s needs %s", o->name, o->argument);
	const char **to = (const char **)(void *)((char *)c + o->offset);
	if (*to)
		return oc_fail(err, 0, "--%s is given twice", o->name);
	*to = value ? value : argv[++*i];
	return 0;
}

int oc_ov_parse(int argc, char **argv, int which, struct oc_arena *a, struct oc_ov_cli *c,
		struct oc_err *err)
{
	bool words = false;

	*c = (struct oc_ov_cli){.overlay = {.upper_fd = -1,
					    .lower_fd = -1,
					    .store = {.dir_fd = -1, .lock_fd = -1}}};
	c->paths = oc_arena_array(a, (size_t)argc + 1, sizeof *c->paths);
	for (int i = 1; i < argc; i++) {
		if (!words && strcmp(argv[i], "--") == 0)
			words = true;
		else if (words || argv[i][0] != '-' || !argv[i][1])
			c->paths[c->path_count++] = argv[i];
		else if (one_option(argc, argv, &i, which, c, err) < 0)
			return -1;
	}
	if (c->accept_risky && c->skip_risky)
		return oc_fail(err, 0, "--accept-risky and --skip-risky: only one of them");
	if (!c->opt.agent && !c->opt.workspace)
		c->opt.workspace = ".";
	c->opt.access = "overlay";
	if (c->help)
		print_help(which);
	return 0;
}

int oc_ov_open(struct oc_ov_cli *c, struct oc_arena *a, bool lock, struct oc_err *err)
{
	if (oc_plan_build(&c->plan, a, &c->opt, err) < 0) {
		/* Not to be taken for "there are no changes". */
		err->errnum = 0;
		return -1;
	}
	oc_plan_close(&c->plan);
	if (!c->plan.overlay_dir)
		return oc_fail(err, 0, "this agent's workspace is not shown as an overlay");
	return oc_overlay_begin(&c->overlay, a, c->plan.overlay_dir, c->plan.workspace, lock, err);
}

int oc_ov_load(struct oc_ov_cli *c, struct oc_arena *a, bool ways, struct oc_err *err)
{
	int r = oc_ov_open(c, a, true, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		oc_fail(err, 0, "a sandbox is at work on the overlay of %s", c->plan.workspace);
		return oc_err_hint(err, "stop it first: the real tree must not change below it");
	}
	if (oc_overlay_scan(&c->overlay, err) < 0)
		return -1;
	if (c->overlay.incomplete) {
		oc_fail(err, 0, "the changes cannot all be read: %s", c->overlay.incomplete);
		return oc_err_hint(err, "`oc-sandbox discard` drops them");
	}
	return oc_overlay_select(&c->overlay, c->paths, c->path_count, ways, err);
}

void oc_ov_close(struct oc_ov_cli *c)
{
	oc_overlay_end(&c->overlay);
}

void oc_ov_line(const struct oc_overlay_node *n, struct oc_buf *out)
{
	oc_auto_buf path = {0};
	char mode[32];

	oc_overlay_path(n, &path);
	if (n->mode && n->old_mode && ((n->mode ^ n->old_mode) & 07777))
		snprintf(mode, sizeof mode, "%04o->%04o", n->old_mode & 07777u, n->mode & 07777u);
	else
		snprintf(mode, sizeof mode, "%04o", (n->mode ? n->mode : n->old_mode) & 07777u);
	oc_buf_printf(out, "%c %-10s ", oc_change_letter(n->change), mode);
	oc_textdiff_escape(path.data ? path.data : ".", path.data ? path.len : 1, out);
	if (S_ISDIR(n->mode ? n->mode : n->old_mode))
		oc_buf_puts(out, "/");
	if (n->target) {
		oc_buf_puts(out, " -> ");
		oc_textdiff_escape(n->target, strlen(n->target), out);
	}
	if (n->refused)
		oc_buf_printf(out, "  [never applied: %s]", n->refused);
	if (n->risk)
		oc_buf_printf(out, "  [risky: %s]", n->risk);
	if (n->conflict)
		oc_buf_printf(out, "  [conflict: %s]", n->conflict);
	oc_buf_puts(out, "\n");
}

static const char *type_name(mode_t mode)
{
	return S_ISDIR(mode)	? "directory"
	       : S_ISREG(mode)	? "file"
	       : S_ISLNK(mode)	? "symlink"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
				: "device";
}

static bool is_utf8(const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n)
		if ((n = oc_utf8_decode(s + i, len - i, NULL)) == 0)
			return false;
	return true;
}

static void text_member(struct oc_json_writer *w, const char *key, const char *s)
{
	if (!s)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

void oc_ov_path_member(const struct oc_overlay_node *n, struct oc_json_writer *w)
{
	oc_auto_buf path = {0}, hex = {0};

	oc_overlay_path(n, &path);
	text_member(w, "path", path.data ? path.data : ".");
	if (!path.data || is_utf8(path.data, path.len))
		return;
	for (size_t i = 0; i < path.len; i++)
		oc_buf_printf(&hex, "%02x", (unsigned char)path.data[i]);
	text_member(w, "pathHex", hex.data);
}

static void side(struct oc_json_writer *w, const char *key, mode_t mode, uint64_t size,
		 const char *target)
{
	char text[16];

	oc_jw_key(w, key);
	if (!mode) {
		oc_jw_null(w);
		return;
	}
	oc_jw_object(w);
	text_member(w, "type", type_name(mode));
	snprintf(text, sizeof text, "%04o", mode & 07777u);
	text_member(w, "mode", text);
	if (S_ISREG(mode)) {
		oc_jw_key(w, "size");
		oc_jw_uint(w, size);
	}
	text_member(w, "target", target);
	oc_jw_object_end(w);
}

void oc_ov_members(const struct oc_overlay_node *n, struct oc_json_writer *w)
{
	oc_ov_path_member(n, w);
	text_member(w, "status", oc_change_name(n->change));
	side(w, "old", n->old_mode, n->old_size, n->old_target);
	side(w, "new", n->mode, n->size, n->target);
	text_member(w, "risky", n->risk);
	text_member(w, "refused", n->refused);
	text_member(w, "conflict", n->conflict);
}
