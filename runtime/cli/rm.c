/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rm - ends sandboxes and removes what they have stored: scratch directories, and changes of an
 * overlay.
 *
 * What is removed is named before, in full, and nothing is without a yes or --force.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/net.h"
#include "runtime/cli/sessions.h"
#include "runtime/session/remove.h"
#include "runtime/session/scope.h"

#define DIRS 8 /* of one word */

static const char help[] = "oc-sandbox rm [--force] SANDBOX...\n\n"
			   "Ends them and removes what they have stored: the scratch directory, "
			   "and the changes of an overlay, applied or\n"
			   "not.  SANDBOX: id, the beginning of an id, agent, scope key, or the "
			   "name of what `ps --all` shows as stored.\n\n"
			   "  -f, --force                           do not ask";

struct doomed {
	const char *word;
	bool live;
	struct oc_door door;
	const char *scope_key;	/* whose lock is held meanwhile; NULL: none */
	const char *dirs[DIRS]; /* more than that: another rm */
	size_t count;
};

static bool is_overlay(const char *name)
{
	size_t len = strlen(name);

	return len > 8 && strcmp(name + len - 8, ".overlay") == 0;
}

static void add_dir(struct doomed *d, const char *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->dirs[i], path) == 0)
			return;
	if (d->count < DIRS)
		d->dirs[d->count++] = path;
}

/* NAME itself; and with all also NAME.overlay and NAME.XXXXXXXX.overlay. */
static void add_stored(struct oc_arena *a, const char *top, const char *name, bool all,
		       struct doomed *d)
{
	size_t len = strlen(name);
	int fd = oc_openat2(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0,
			    RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list) {
		oc_closep(&fd);
		return;
	}
	for (struct dirent *e; (e = readdir(list));) {
		const char *found = e->d_name;
		struct stat st;
		if (found[0] == '.' || strncmp(found, name, len) != 0 ||
		    (found[len] && !(all && found[len] == '.' && is_overlay(found))))
			continue;
		if (fstatat(fd, found, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			add_dir(d, oc_arena_printf(a, "%s/%s", top, found));
	}
	closedir(list);
}

/* A word that names nobody who lives: the name of a directory, a scope key, or an agent. */
static void find_stored(struct oc_arena *a, const char *state_dir, struct doomed *d)
{
	if (!state_dir)
		return;
	const char *agent = oc_arena_printf(a, "agent:%s", oc_agent_id(a, d->word));
	const char *top = oc_arena_printf(a, "%s/sandboxes", state_dir);
	add_stored(a, top, d->word, false, d);
	if (d->count)
		return;
	add_stored(a, top, oc_scope_slug(a, d->word), true, d);
	d->scope_key = d->word;
	if (d->count)
		return;
	add_stored(a, top, oc_scope_slug(a, agent), true, d);
	d->scope_key = agent;
}

/* The name of a directory that one who lives works in. */
static int check_unused(const struct oc_seen_all *s, const struct doomed *d, struct oc_err *err)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct oc_door *l = &s->all[i].door;
		for (size_t k = 0; k < d->count; k++)
			if ((l->scratch_dir && strcmp(l->scratch_dir, d->dirs[k]) == 0) ||
			    (l->overlay_dir && strcmp(l->overlay_dir, d->dirs[k]) == 0)) {
				oc_fail(err, 0, "%s is in use by the sandbox %s", d->dirs[k],
					l->id);
				return oc_err_hint(err, "oc-sandbox rm %s", l->id);
			}
	}
	return 0;
}

static int find(struct oc_arena *a, const struct oc_seen_all *s, const char *word, struct doomed *d,
		struct oc_err *err)
{
	*d = (struct doomed){.word = word};
	if (oc_door_find(a, s->state_dir, word, &d->door, err) == 0) {
		oc_door_close(&d->door);
		d->live = true;
		d->scope_key = d->door.scope_key;
		add_dir(d, d->door.scratch_dir);
		add_dir(d, d->door.overlay_dir);
		if (d->door.keep)
			return 0;
		oc_fail(err, 0,
			"the sandbox %s ends with its command, and has nothing stored of its own",
			d->door.id);
		return oc_err_hint(err, "oc-sandbox stop %s", d->door.id);
	}
	/* That a word means too many things is no reason to take it for something else. */
	if (strstr(err->msg, "there is no live sandbox")) {
		find_stored(a, s->state_dir, d);
		if (d->count)
			return check_unused(s, d, err);
		oc_fail(err, 0, "there is no sandbox %s, live or stored", word);
		oc_err_hint(err, "`oc-sandbox ps --all` lists them");
	}
	return -1;
}

static void describe(const struct doomed *d, size_t n, struct oc_buf *out)
{
	oc_buf_puts(out, "To be removed:\n");
	for (size_t i = 0; i < n; i++) {
		if (d[i].live)
			oc_buf_printf(out, "  sandbox  %s%s", d[i].door.id,
				      d[i].door.scope_key ? "  " : "\n");
		if (d[i].live && d[i].door.scope_key) {
			oc_net_text(out, d[i].door.scope_key);
			oc_buf_puts(out, "\n");
		}
		for (size_t k = 0; k < d[i].count; k++) {
			oc_buf_puts(out, is_overlay(d[i].dirs[k]) ? "  changes  " : "  scratch  ");
			oc_net_text(out, d[i].dirs[k]);
			oc_buf_puts(out, "\n");
		}
	}
}

/* The changes of an overlay are in use for as long as somebody holds their lock
 * (runtime/launch/overlay.h). */
static int remove_one(const char *dir, struct oc_err *err)
{
	oc_auto_buf lock = {0};

	oc_buf_printf(&lock, "%s/lock", dir);
	oc_auto_close fd =
		oc_openat2(AT_FDCWD, lock.data, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
			   RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (is_overlay(dir) && fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	    errno == EWOULDBLOCK) {
		oc_fail(err, 0, "%s is in use by another sandbox", dir);
		return oc_err_hint(err, "`oc-sandbox ps` lists them");
	}
	return oc_remove_dir(dir, err);
}

/* Under the scope's lock, so that nobody makes a new one on what is being removed. */
static int remove_all(struct oc_arena *a, const char *state_dir, struct doomed *d)
{
	struct oc_scope scope;
	struct oc_door now = {.dir_fd = -1};
	struct oc_err err = {0};
	bool live = false, held = false;
	int failed = 0;

	if (d->scope_key && state_dir) {
		if (oc_scope_lock(&scope, a, state_dir, d->scope_key, &now, &live, &err) < 0)
			return oc_cli_fail(&err);
		held = true;
	}
	/* Whoever serves the scope by now uses the directory; mostly it is the one that was found.
	 */
	struct oc_ending e[2] = {{.door = d->door}, {.door = now}};
	bool other = live && (!d->live || strcmp(now.id, d->door.id) != 0);
	oc_door_close(&now);
	if (d->live)
		failed += oc_end_and_tell(&e[0], 1, NULL) > 0;
	if (other)
		failed += oc_end_and_tell(&e[1], 1, NULL) > 0;
	for (size_t i = 0; i < d->count && !failed; i++)
		if (remove_one(d->dirs[i], &err) < 0) {
			oc_cli_fail(&err);
			failed++;
		}
	if (held && !failed)
		oc_scope_ended(&scope);
	if (held)
		oc_scope_unlock(&scope);
	return failed;
}

int oc_cmd_rm(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_session_args args;
	struct oc_seen_all s;
	struct oc_err err = {0};
	size_t n = 0, failed = 0;
	int status;

	if (!oc_session_args(argc, argv, OC_ARG_FORCE | OC_ARG_WORDS, help, &args, &status))
		return status;
	if (!args.count) {
		oc_fail(&err, 0, "no sandbox is named");
		oc_err_hint(&err, "oc-sandbox rm [--force] SANDBOX...");
		return oc_cli_fail(&err);
	}
	if (oc_seen_all(&a, &s, &err) < 0)
		return oc_cli_fail(&err);
	struct doomed *d = oc_arena_array(&a, args.count, sizeof *d);
	for (size_t i = 0; i < args.count; i++)
		if (find(&a, &s, args.words[i], &d[n], &err) == 0)
			n++;
		else
			failed += oc_cli_fail(&err) != 0;
	/* All of it, or nothing: a slip in one name may mean that the others are not meant either.
	 */
	if (failed)
		return OC_EXIT_SETUP;
	describe(d, n, &out);
	if (!(args.given & OC_ARG_FORCE)) {
		oc_write_all(2, out.data, out.len);
		int yes = oc_confirm("Remove it?", &err);
		if (yes < 0)
			return oc_cli_fail(&err);
		if (!yes) {
			fputs("Nothing was removed.\n", stderr);
			return 1;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (remove_all(&a, s.state_dir, &d[i]))
			failed++;
		else
			printf("%s removed\n", d[i].live ? d[i].door.id : d[i].word);
	return failed ? OC_EXIT_SETUP : 0;
}
