/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps - the live sandboxes of this user, and with --all what dead ones have stored.
 *
 * Asks no monitor: there may be hundreds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/net.h"
#include "runtime/cli/sessions.h"

static const char help[] = "oc-sandbox ps [--all] [--json]\n\n"
			   "The sandboxes that live: those that stay between their commands, and "
			   "those of one command that have a\n"
			   "network.  --all: also directories that sandboxes without a live one "
			   "have left: scratch, and changes of an\n"
			   "overlay that were neither applied nor discarded.\n\n"
			   "  --all                                 also what is stored\n"
			   "  --json                                print JSON";

struct stored {
	const char *name, *path;
	bool overlay;
	uint64_t age_ms; /* since something changed in it */
};

/* The directory of a live sandbox is not listed a second time. */
static bool is_live(const struct oc_seen_all *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct oc_door *d = &s->all[i].door;
		if ((d->scratch_dir && strcmp(d->scratch_dir, path) == 0) ||
		    (d->overlay_dir && strcmp(d->overlay_dir, path) == 0))
			return true;
	}
	return false;
}

static struct stored *find_stored(struct oc_arena *a, const struct oc_seen_all *s, size_t *count)
{
	const char *top = s->state_dir ? oc_arena_printf(a, "%s/sandboxes", s->state_dir) : NULL;
	struct stored *all = NULL;
	size_t cap = 0;
	int fd = top ? oc_openat2(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0,
				  RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
		     : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	*count = 0;
	if (!d) {
		oc_closep(&fd);
		return NULL;
	}
	for (struct dirent *e; (e = readdir(d));) {
		struct stat st;
		size_t len = strlen(e->d_name);
		const char *path = oc_arena_printf(a, "%s/%s", top, e->d_name);
		if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode) || is_live(s, path))
			continue;
		if (*count == cap) {
			struct stored *more =
				oc_arena_array(a, cap = cap ? cap * 2 : 16, sizeof *more);
			if (all)
				memcpy(more, all, *count * sizeof *more);
			all = more;
		}
		time_t now = time(NULL);
		all[(*count)++] = (struct stored){
			.name = oc_arena_strdup(a, e->d_name),
			.path = path,
			.overlay = len > 8 && strcmp(e->d_name + len - 8, ".overlay") == 0,
			.age_ms = now > st.st_mtime ? (uint64_t)(now - st.st_mtime) * 1000 : 0,
		};
	}
	closedir(d);
	return all;
}

static void text(struct oc_arena *a, const struct oc_seen_all *s, const struct stored *st, size_t n,
		 struct oc_buf *out)
{
	const struct oc_seen **rows = oc_arena_array(a, s->count, sizeof *rows);
	char age[32];

	for (size_t i = 0; i < s->count; i++)
		rows[i] = &s->all[i];
	if (s->count)
		oc_seen_table(out, rows, s->count);
	if (n)
		oc_buf_printf(out, "%sSTORED   CHANGED  DIRECTORY\n", s->count ? "\n" : "");
	for (size_t i = 0; i < n; i++) {
		oc_buf_printf(out, "%-8s %7s  ", st[i].overlay ? "overlay" : "scratch",
			      oc_age_text(age, st[i].age_ms));
		oc_net_text(out, st[i].path);
		oc_buf_puts(out, "\n");
	}
}

static void json(const struct oc_seen_all *s, const struct stored *st, size_t n, struct oc_buf *out)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 2);
	oc_jw_array(&w);
	for (size_t i = 0; i < s->count; i++)
		oc_seen_json(&w, &s->all[i]);
	for (size_t i = 0; i < s->scan.trouble_count; i++) {
		const struct oc_door_trouble *t = &s->scan.trouble[i];
		oc_jw_object(&w);
		oc_jw_key(&w, "id");
		oc_jw_string(&w, t->id);
		oc_jw_key(&w, "state");
		oc_jw_string(&w, "error");
		oc_jw_key(&w, "error");
		oc_jw_string(&w, t->err.msg);
		oc_jw_key(&w, "hint");
		oc_jw_string(&w, t->err.hint);
		oc_jw_object_end(&w);
	}
	for (size_t i = 0; i < n; i++) {
		oc_jw_object(&w);
		oc_jw_key(&w, "id");
		oc_jw_null(&w);
		oc_jw_key(&w, "state");
		oc_jw_string(&w, "stored");
		oc_jw_key(&w, "kind");
		oc_jw_string(&w, st[i].overlay ? "overlay" : "scratch");
		oc_jw_key(&w, "name");
		oc_jw_string(&w, st[i].name);
		oc_jw_key(&w, "path");
		oc_jw_string(&w, st[i].path);
		oc_jw_key(&w, "changedMs");
		oc_jw_uint(&w, st[i].age_ms);
		oc_jw_object_end(&w);
	}
	oc_jw_array_end(&w);
	oc_buf_puts(out, "\n");
}

int oc_cmd_ps(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_session_args args;
	struct oc_seen_all s;
	struct oc_err err = {0};
	struct stored *stored = NULL;
	size_t n = 0;
	int status;

	if (!oc_session_args(argc, argv, OC_ARG_ALL | OC_ARG_JSON, help, &args, &status))
		return status;
	if (oc_seen_all(&a, &s, &err) < 0)
		return oc_cli_fail(&err);
	if (args.given & OC_ARG_ALL)
		stored = find_stored(&a, &s, &n);
	if (args.given & OC_ARG_JSON)
		json(&s, stored, n, &out);
	else
		text(&a, &s, stored, n, &out);
	oc_seen_troubles(&s);
	return out.len ? oc_cli_output(&out) : 0;
}
