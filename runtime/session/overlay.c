/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - see overlay.h.  Begin and end, names, texts, selection.
 */
#include "runtime/session/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/overlay_priv.h"

const char *oc_change_name(enum oc_change c)
{
	static const char *const names[] = {"unchanged", "added", "modified",
					    "mode",	 "type",  "deleted"};

	return names[c];
}

char oc_change_letter(enum oc_change c)
{
	return " AMmTD"[c];
}

void oc_overlay_end(struct oc_overlay *o)
{
	if (o->root) {
		oc_ways_close(&o->upper);
		oc_ways_close(&o->lower);
	}
	oc_closep(&o->upper_fd);
	oc_closep(&o->lower_fd);
	oc_overlay_close(&o->store);
	o->upper_fd = o->lower_fd = -1;
}

static int open_roots(struct oc_overlay *o, const char *workspace, struct oc_err *err)
{
	struct stat st;

	o->upper_fd = oc_overlay_upper(&o->store);
	if (o->upper_fd < 0)
		return oc_fail(err, errno, "%s/data/upper", o->store.path);
	o->lower_fd = oc_openat2(AT_FDCWD, workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				 RESOLVE_NO_MAGICLINKS);
	if (o->lower_fd < 0 || fstat(o->lower_fd, &st) < 0) {
		int cause = errno == ENOENT ? ENOTDIR : errno;
		return oc_fail(err, cause, "cannot open the workspace %s", workspace);
	}
	if (st.st_ino != o->store.ino) {
		oc_fail(err, 0, "%s is not the directory any more that the changes were made on",
			workspace);
		return oc_err_hint(err, "`oc-sandbox discard` removes them");
	}
	return 0;
}

int oc_overlay_begin(struct oc_overlay *o, struct oc_arena *a, const char *dir,
		     const char *workspace, bool lock, struct oc_err *err)
{
	*o = (struct oc_overlay){.a = a, .upper_fd = -1, .lower_fd = -1};
	if (oc_overlay_open(&o->store, dir, false, err) < 0)
		return -1;
	int busy = lock ? oc_overlay_lock(&o->store, OC_OVERLAY_WAIT_MS, err) : 0;
	if (busy != 0)
		return busy;
	if (oc_overlay_meta_read(&o->store, a, err) < 0 || open_roots(o, workspace, err) < 0)
		return -1;
	o->store.workspace = workspace; /* the bytes; its file has UTF-8 */
	snprintf(o->temporary, sizeof o->temporary, ".oc-%s.tmp", o->store.id);
	return 0;
}

bool oc_overlay_empty(const struct oc_overlay *o)
{
	int copy = oc_openat2(o->upper_fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	bool empty = d != NULL;

	if (!d) {
		oc_closep(&copy);
		return false;
	}
	for (struct dirent *e; empty && (e = readdir(d));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return empty;
}

void oc_overlay_path(const struct oc_overlay_node *n, struct oc_buf *out)
{
	oc_way_path(&n->way, NULL, out);
}

struct oc_overlay_node *oc_overlay_next(const struct oc_overlay_node *n)
{
	if (n->child)
		return n->child;
	while (n && !n->next)
		n = n->parent;
	return n ? n->next : NULL;
}

int oc_overlay_text(struct oc_overlay *o, const struct oc_overlay_node *n, bool old, size_t max,
		    struct oc_buf *out, struct oc_err *err)
{
	struct stat st;
	mode_t mode = old ? n->old_mode : n->mode;

	if (S_ISLNK(mode)) {
		const char *t = old ? n->old_target : n->target;
		oc_buf_puts(out, t ? t : "");
		return 0;
	}
	if (!S_ISREG(mode))
		return 1;
	oc_auto_close dir = oc_beneath_node(old ? &o->lower : &o->upper, n, true,
					    O_PATH | O_DIRECTORY | O_NOFOLLOW);
	oc_auto_close fd =
		dir < 0 ? -1
			: oc_openat2(dir, n->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				     OC_OVERLAY_BENEATH);
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot read %s", n->name);
	if (!S_ISREG(st.st_mode))
		return 1;
	if (st.st_size > (off_t)max || (oc_read_all(fd, out, max) < 0 && errno == EFBIG))
		return 1;
	return 0;
}

/* --- selection --- */

/* What is left of path below dir; NULL if it is not there. */
static const char *below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]) ? path + n : NULL;
}

/* What a user writes: relative, or below the workspace, or as it is called inside. */
static char *clean(struct oc_overlay *o, const char *given, struct oc_err *err)
{
	const char *path = given;

	if (path[0] == '/' && !(path = below(given, o->store.workspace)) &&
	    !(path = below(given, "/workspace"))) {
		oc_fail(err, 0, "%s is not in the workspace", given);
		return NULL;
	}
	char *out = oc_arena_alloc(o->a, strlen(path) + 2), *p = out;
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			oc_fail(err, 0, "%s: a path of the workspace has no \"..\" in it", given);
			return NULL;
		}
		if (n && !(n == 1 && path[0] == '.')) {
			if (p != out)
				*p++ = '/';
			memcpy(p, path, n);
			p += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	*p = '\0';
	return out;
}

static void select_below(struct oc_overlay_node *top)
{
	const struct oc_overlay_node *end = top;

	while (end && !end->next)
		end = end->parent;
	end = end ? end->next : NULL;
	for (struct oc_overlay_node *n = top; n && n != end; n = oc_overlay_next(n))
		n->selected = true;
}

static int select_one(struct oc_overlay *o, const char *path, bool ways, struct oc_err *err)
{
	struct oc_overlay_node *n = o->root;

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (n->opaque || n->change == OC_CHANGE_TYPE) {
			oc_auto_buf whole = {0};
			oc_overlay_path(n, &whole);
			oc_fail(err, 0, "%s is part of a directory that was replaced as a whole",
				path);
			return oc_err_hint(err, "name the directory: %s", whole.data);
		}
		struct oc_overlay_node *c = n->child;
		while (c && (strlen(c->name) != len || memcmp(c->name, p, len) != 0))
			c = c->next;
		if (!c)
			return oc_fail(err, ENOENT, "there is no change of %s", path);
		n = c;
		p += len;
		p += *p == '/';
	}
	select_below(n);
	/* Without its new directories it has no place. */
	for (n = n->parent; ways && n; n = n->parent)
		n->selected |= n->change == OC_CHANGE_ADDED;
	return 0;
}

int oc_overlay_select(struct oc_overlay *o, const char *const *paths, size_t count, bool ways,
		      struct oc_err *err)
{
	if (count == 0)
		select_below(o->root);
	for (size_t i = 0; i < count; i++) {
		const char *path = clean(o, paths[i], err);
		if (!path || select_one(o, path, ways, err) < 0)
			return -1;
	}
	return 0;
}
