/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - see guard.h.  What is done with each name that the walk finds: the scan remembers it and
 * has it mounted read-only, the sweep compares it, judges it and moves it out.
 *
 * Must never follow a link of the workspace, run anything, or move what was there before and did
 * not change.
 */
#define _GNU_SOURCE 1
#include "runtime/plan/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/plan/guard_priv.h"

#define GIT_HOOKS  "git hooks"
#define GIT_CONFIG "git configuration"
#define GIT_LINK   "git link (.git file)"

/* --- lists --- */

int oc_guard_add_row(struct oc_guard_ctx *c, const struct oc_guard_row *row, const char *path)
{
	struct oc_guard_row r = *row;

	c->row_bytes += 140;
	for (const char *p = path; *p; p++)
		c->row_bytes +=
			*p > 0x20 && *p < 0x7f && *p != '%' && *p != '"' && *p != '\\' ? 1 : 3;
	if (c->rows.len / sizeof(r) >= OC_GUARD_MAX_ROWS || c->row_bytes > OC_GUARD_MAX_ROW_BYTES) {
		oc_fail(c->err, 0,
			"workspace: too many guarded files to remember: %zu, the last one is "
			"%.300s",
			c->rows.len / sizeof(r), path);
		return oc_err_hint(c->err, "give a smaller directory as workspace");
	}
	r.path = oc_arena_strdup(c->a, path);
	oc_buf_add(&c->rows, &r, sizeof(r));
	return 0;
}

int oc_guard_add_guard(struct oc_guard_ctx *c, enum oc_guard_kind kind, const char *path,
		       const char *why)
{
	struct oc_guard g = {.kind = kind};

	/* No mount can be made there; the sweep compares it all the same. */
	if (strlen(path) >= PATH_MAX - 64)
		return 0;
	c->guard_bytes += strlen(path) + sizeof(g);
	if (c->guard_bytes > OC_GUARD_MAX_BYTES) {
		oc_fail(c->err, 0, "workspace: too many guarded paths, the last one is %.300s",
			path);
		return oc_err_hint(c->err, "give a smaller directory as workspace");
	}
	g.path = oc_arena_strdup(c->a, path);
	g.why = oc_arena_strdup(c->a, why);
	oc_buf_add(&c->guards, &g, sizeof(g));
	return 0;
}

int oc_guard_add_pins(struct oc_guard_ctx *c, const char *path, const char *why)
{
	const char *last = c->last_pin ? c->last_pin : "";
	size_t len = strlen(path);
	bool shared = true;

	if (len >= PATH_MAX - 64)
		return 0;
	for (size_t i = 0; i < len; i++) {
		/* Repositories come in the order of the tree: what is above the one before has its
		 * pin already. */
		if (path[i] == '/' && !(shared && last[i] == '/') &&
		    oc_guard_add_guard(c, OC_GUARD_PIN, oc_arena_strndup(c->s, path, i),
				       "directory that holds a git repository") < 0)
			return -1;
		shared = shared && last[i] == path[i];
	}
	c->last_pin = oc_arena_strdup(c->a, path);
	return *path && why ? oc_guard_add_guard(c, OC_GUARD_PIN, path, why) : 0;
}

void oc_guard_add_extra(struct oc_guard_ctx *c, const char *path, unsigned flags, const char *why)
{
	struct oc_guard_extra e = {.flags = flags};
	const struct oc_guard_extra *old = (const void *)c->extra.data;

	for (size_t i = 0; i < c->extra.len / sizeof(e); i++)
		if (strcmp(old[i].path, path) == 0)
			return;
	e.path = oc_arena_strdup(c->a, path);
	e.why = oc_arena_strdup(c->a, why);
	oc_buf_add(&c->extra, &e, sizeof(e));
}

void oc_guard_incomplete(struct oc_guard_ctx *c, const char *why)
{
	if (!c->incomplete)
		c->incomplete = oc_arena_strdup(c->a, why);
}

int oc_guard_one_link(struct oc_guard_ctx *c, const struct oc_guard_row *row, const char *path,
		      const char *why)
{
	if (row->kind != OC_ROW_FILE || row->nlink <= 1)
		return 0;
	oc_fail(c->err, 0,
		"workspace: %s (%s) has %llu names (hard links) and could be changed through "
		"another one",
		path, why, (unsigned long long)row->nlink);
	return oc_err_hint(c->err, "make it a file of its own: cp -p '%.120s' x && mv x '%.120s'",
			   path, path);
}

static void add_item(struct oc_guard_ctx *c, const char *path, const char *moved, const char *why)
{
	struct oc_quarantined q = {.moved = moved};

	c->item_bytes += strlen(path) + strlen(why);
	if (c->items.len / sizeof(q) >= OC_GUARD_MAX_ITEMS || c->item_bytes > OC_GUARD_MAX_BYTES) {
		c->unlisted++;
		return;
	}
	q.path = oc_arena_strdup(c->a, path);
	q.why = oc_arena_strdup(c->a, why);
	oc_buf_add(&c->items, &q, sizeof(q));
}

void oc_guard_out(struct oc_guard_ctx *c, int dirfd, const char *name, const char *path,
		  const char *why)
{
	const char *moved, *renamed;

	/* The workspace itself cannot be moved, and nothing that names it should be believed. */
	if (*path == '\0')
		return;
	if (oc_guard_move(&c->mover, dirfd, name, path, &moved, &renamed) < 0) {
		oc_guard_incomplete(c, oc_arena_printf(c->s, "%.200s could not be moved away: %s",
						       path, strerror(errno)));
		add_item(c, path, NULL,
			 oc_arena_printf(c->s, "%s; STILL THERE: %s", why, strerror(errno)));
	} else if (renamed) {
		add_item(c, path, NULL,
			 oc_arena_printf(c->s, "%s; renamed to %s in its directory", why, renamed));
	} else if (moved) {
		add_item(c, path, moved, why);
	}
}

static char *child(struct oc_guard_ctx *c, const struct oc_guard_dir *d, const char *name)
{
	return oc_guard_join(c->s, d->path, name);
}

/* --- which directories git takes for a repository --- */

/*
 * is_git_directory() of git wants HEAD, and objects and refs in the directory or in the one that
 * commondir names.  Being early is cheap, being late is not: HEAD may be anywhere if a commondir
 * file leads here.
 */
static bool looks_like_gitdir(const struct oc_guard_hit *hits, size_t n)
{
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++)
		seen |= 1u << hits[i].cls.part;
	bool store = (seen & 1u << OC_GIT_OBJECTS) && (seen & 1u << OC_GIT_REFS);
	return store || ((seen & 1u << OC_GIT_HEAD) && (seen & 1u << OC_GIT_COMMONDIR));
}

static bool is_worktree_admin(const struct oc_guard_hit *hits, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (hits[i].cls.part == OC_GIT_COMMONDIR)
			return true;
	return false;
}

/* --- scan --- */

/* Remember it, and have it read-only.  A link: remember its text, and guard what it leads to. */
static int scan_thing(struct oc_guard_ctx *c, const struct oc_guard_dir *d, struct oc_guard_hit *h,
		      unsigned flags, const char *why, bool guard)
{
	struct oc_guard_row row;
	char *path = child(c, d, h->name);

	if (oc_guard_identify(d->fd, h->name, true, &row) < 0) {
		if (errno == ENOENT)
			return 0;
		return oc_fail(c->err, errno, "workspace: cannot read %s (%s)", path, why);
	}
	if (oc_guard_one_link(c, &row, path, why) < 0 || oc_guard_add_row(c, &row, path) < 0)
		return -1;
	if (row.kind == OC_ROW_LINK)
		return oc_guard_target(c, path, flags & F_TREE, why);
	if (row.kind == OC_ROW_DIR && h->flags) {
		*h->flags |= flags;
		*h->why = why;
	}
	if (guard && (row.kind == OC_ROW_DIR || row.kind == OC_ROW_FILE))
		return oc_guard_add_guard(c, OC_GUARD_RO, path, why);
	return 0;
}

static int scan_dotgit(struct oc_guard_ctx *c, const struct oc_guard_dir *d, struct oc_guard_hit *h)
{
	struct oc_guard_row row;
	char *path = child(c, d, h->name);

	if (oc_guard_identify(d->fd, h->name, true, &row) < 0)
		return 0;
	if (oc_guard_one_link(c, &row, path, GIT_LINK) < 0 || oc_guard_add_row(c, &row, path) < 0)
		return -1;
	if (row.kind == OC_ROW_DIR && h->flags)
		*h->flags |= F_GITDIR;
	if (oc_guard_add_pins(c, path, row.kind == OC_ROW_DIR ? "git repository" : NULL) < 0)
		return -1;
	if (row.kind == OC_ROW_FILE && oc_guard_add_guard(c, OC_GUARD_RO, path, GIT_LINK) < 0)
		return -1;
	return oc_guard_git_targets(c, d->path, path);
}

static int scan_git_part(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			 struct oc_guard_hit *h)
{
	switch (h->cls.part) {
	case OC_GIT_CONFIG:
	case OC_GIT_COMMONDIR:
		return scan_thing(c, d, h, 0, GIT_CONFIG, h->type != DT_DIR);
	case OC_GIT_HOOKS:
		return scan_thing(c, d, h, F_TREE | F_HOOKS, GIT_HOOKS, true);
	case OC_GIT_REMOTES:
		/* An empty one is made by every git init: no mount for that. */
		return scan_thing(c, d, h, F_TREE | F_LAZY, "git remotes", false);
	case OC_GIT_REBASE:
		if (h->flags)
			*h->flags |= F_REBASE;
		return 0;
	case OC_GIT_OBJECTS:
		/* Names are hexadecimal there: nothing to find, and much to read. */
		if (h->flags)
			*h->flags |= F_DEAD;
		return 0;
	case OC_GIT_REFS:
	case OC_GIT_LOGS:
		if (h->flags)
			*h->flags |= F_PLAIN;
		return 0;
	case OC_GIT_NONE:
	case OC_GIT_DOTGIT:
	case OC_GIT_HEAD:
	case OC_GIT_TODO:
		break;
	}
	return 0;
}

static int scan_visit(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
		      struct oc_guard_hit *hits, size_t n)
{
	bool gitdir = d->flags & F_GITDIR;

	if (!gitdir && looks_like_gitdir(hits, n)) {
		gitdir = true;
		if (oc_guard_add_pins(c, d->path, "git repository") < 0)
			return -1;
		if (!is_worktree_admin(hits, n) && oc_guard_git_targets(c, NULL, d->path) < 0)
			return -1;
	}
	if ((d->flags & F_LAZY) && d->entries > 0 &&
	    oc_guard_add_guard(c, OC_GUARD_RO, d->path, d->why) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct oc_guard_hit *h = &hits[i];
		int rc = 0;
		bool sample =
			(d->flags & F_HOOKS) && h->type == DT_REG && oc_guard_is_sample(h->name);
		if ((d->flags & F_TREE) && !sample)
			rc = scan_thing(c, d, h, F_TREE, d->why, false);
		if (rc == 0 && h->cls.row)
			rc = scan_thing(c, d, h, F_TREE, h->cls.row->why, true);
		if (rc == 0 && h->cls.part == OC_GIT_DOTGIT)
			rc = scan_dotgit(c, d, h);
		else if (rc == 0 && gitdir)
			rc = scan_git_part(c, d, h);
		if (rc == 0 && (d->flags & F_REBASE) && h->cls.part == OC_GIT_TODO)
			rc = scan_thing(c, d, h, 0, "git rebase list", false);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static unsigned depth_of(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* "a", "a/b", "a-c": a directory before and next to what is below it. */
static int tree_order(const void *x, const void *y)
{
	const struct oc_guard *a = x, *b = y;
	const unsigned char *p = (const unsigned char *)a->path,
			    *q = (const unsigned char *)b->path;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	if (*p != *q) {
		int l = *p == '/' ? 1
			: *p == 0 ? 0
				  : *p + 1,
		    r = *q == '/' ? 1
			: *q == 0 ? 0
				  : *q + 1;
		return l - r;
	}
	return (int)a->kind - (int)b->kind; /* OC_GUARD_RO first */
}

static int depth_order(const void *x, const void *y)
{
	const struct oc_guard *a = x, *b = y;
	unsigned l = depth_of(a->path), r = depth_of(b->path);

	return l != r ? (l < r ? -1 : 1) : strcmp(a->path, b->path);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Each path once, nothing below a read-only directory, identities filled in. */
static int finish_guards(struct oc_guard_ctx *c, struct oc_guard **guards, size_t *count)
{
	struct oc_guard *all = (void *)c->guards.data;
	size_t n = c->guards.len / sizeof(*all), kept = 0;
	const char *read_only = NULL, *last = NULL;

	if (n > 0)
		qsort(all, n, sizeof(*all), tree_order);
	for (size_t i = 0; i < n; i++) {
		struct stat st;
		if ((last && strcmp(last, all[i].path) == 0) ||
		    (all[i].kind != OC_GUARD_HIDE && read_only && is_below(all[i].path, read_only)))
			continue;
		oc_auto_close fd =
			oc_openat2(c->root, all[i].path, O_PATH | O_NOFOLLOW, 0, OC_BENEATH);
		if (fd < 0 || fstat(fd, &st) < 0) {
			if (errno == ENOENT)
				continue;
			return oc_fail(c->err, errno, "workspace: cannot open %s (%s)", all[i].path,
				       all[i].why);
		}
		struct oc_guard g = all[i];
		g.is_dir = S_ISDIR(st.st_mode);
		g.dev = st.st_dev;
		g.ino = st.st_ino;
		last = g.path;
		if (g.kind == OC_GUARD_RO && g.is_dir)
			read_only = g.path;
		all[kept++] = g;
	}
	if (kept > OC_GUARD_MAX_GUARDS) {
		oc_fail(c->err, 0,
			"workspace: %zu guarded paths are more than the %d that can be mounted",
			kept, OC_GUARD_MAX_GUARDS);
		return oc_err_hint(c->err, "give a smaller directory as workspace");
	}
	*guards = oc_arena_array(c->a, kept, sizeof(**guards));
	if (kept > 0) {
		qsort(all, kept, sizeof(*all), depth_order);
		memcpy(*guards, all, kept * sizeof(*all));
	}
	*count = kept;
	return 0;
}

/* --- both --- */

static int ctx_open(struct oc_guard_ctx *c, int workspace_fd, int64_t limit_ms)
{
	struct timespec now;
	struct stat st;

	c->root = oc_openat2(workspace_fd, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH);
	if (c->root < 0 || fstat(c->root, &st) < 0)
		return oc_fail(c->err, errno, "workspace: cannot open the directory");
	c->host_path = oc_fd_path(c->a, c->root);
	clock_gettime(CLOCK_MONOTONIC, &now);
	c->deadline_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 + limit_ms;
	return 0;
}

static void ctx_close(struct oc_guard_ctx *c)
{
	if (c->root >= 0)
		close(c->root);
	if (c->mover.fd >= 0)
		close(c->mover.fd);
	oc_buf_free(&c->rows);
	oc_buf_free(&c->guards);
	oc_buf_free(&c->extra);
	oc_buf_free(&c->items);
}

/* The workspace, then the directories that a configuration or a link named, and what those name. */
static int walk_all(struct oc_guard_ctx *c, const struct oc_guard_walk_ops *ops)
{
	int rc = oc_guard_walk(c, "", 0, NULL, ops);

	for (size_t i = 0; rc == 0 && i < c->extra.len / sizeof(struct oc_guard_extra); i++) {
		struct oc_guard_extra e =
			((const struct oc_guard_extra *)(const void *)c->extra.data)[i];
		rc = oc_guard_walk(c, e.path, e.flags, e.why, ops);
	}
	return rc;
}

/*
 * A socket of the host that is to be seen inside can be connected to, through a read-only mount too, and its server takes
 * the payload for the caller.  One that the host makes later is not covered.
 */
static int scan_entry(struct oc_guard_ctx *c, int dirfd, const char *dir, const char *name,
		      unsigned char type)
{
	(void)dirfd;
	if (type != DT_SOCK)
		return 0;
	return oc_guard_add_guard(c, OC_GUARD_HIDE, oc_guard_join(c->s, dir, name), "socket of the host");
}

static int no_visit(struct oc_guard_ctx *c, const struct oc_guard_dir *d, struct oc_guard_hit *hits,
		    size_t n)
{
	(void)c;
	(void)d;
	(void)hits;
	(void)n;
	return 0;
}

/* One level, and nothing in it that is a directory or a socket: the usual small bind, for a few system calls. */
static bool plain_files_only(int dir_fd)
{
	oc_auto_close fd = oc_openat2(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH);
	_Alignas(struct dirent) char buf[4096];
	long n = -1;

	for (int calls = 0; fd >= 0 && calls < 16; calls++) {
		n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (long at = 0; at < n;) {
			const struct dirent *e = (const void *)(buf + at);
			bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
			if (!dots && e->d_type != DT_REG && e->d_type != DT_LNK)
				return false;
			at += e->d_reclen;
		}
	}
	return fd >= 0 && n == 0;
}

int oc_guard_sockets(struct oc_arena *a, int dir_fd, struct oc_guard **guards, size_t *count,
		     struct oc_err *err)
{
	static const struct oc_guard_walk_ops ops = {.visit = no_visit, .entry = scan_entry};
	oc_auto_arena scratch = {0};
	struct oc_guard_ctx c = {.a = a, .s = &scratch, .err = err, .root = -1, .mover.fd = -1};

	*guards = NULL;
	*count = 0;
	if (plain_files_only(dir_fd))
		return 0;
	c.base = oc_arena_alloc(a, sizeof(*c.base));
	int rc = ctx_open(&c, dir_fd, OC_GUARD_SCAN_MS);
	if (rc == 0)
		rc = oc_guard_walk(&c, "", 0, NULL, &ops);
	if (rc == 0)
		rc = finish_guards(&c, guards, count);
	ctx_close(&c);
	return rc;
}

int oc_guard_scan(struct oc_arena *a, int workspace_fd, struct oc_guard **guards, size_t *count,
		  struct oc_guard_baseline **base, struct oc_err *err)
{
	static const struct oc_guard_walk_ops ops = {.visit = scan_visit, .entry = scan_entry};
	oc_auto_arena scratch = {0};
	struct oc_guard_ctx c = {.a = a, .s = &scratch, .err = err, .root = -1, .mover.fd = -1};
	struct timespec now;

	*guards = NULL;
	*count = 0;
	c.base = oc_arena_alloc(a, sizeof(*c.base));
	/* The coarse clock is the one that file systems stamp with; a finer stamp of a later change
	 * is not earlier. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	c.base->sec = now.tv_sec;
	c.base->nsec = (uint32_t)now.tv_nsec;
	int rc = ctx_open(&c, workspace_fd, OC_GUARD_SCAN_MS);
	if (rc == 0)
		rc = walk_all(&c, &ops);
	if (rc == 0)
		rc = finish_guards(&c, guards, count);
	if (rc == 0) {
		c.base->count = c.rows.len / sizeof(struct oc_guard_row);
		c.base->rows = oc_arena_array(a, c.base->count, sizeof(struct oc_guard_row));
		if (c.rows.len > 0)
			memcpy(c.base->rows, c.rows.data, c.rows.len);
		oc_guard_base_index(a, c.base);
		*base = c.base;
	}
	ctx_close(&c);
	return rc;
}

/* --- sweep --- */

/* true: it is the owner's, or it is gone or moved away: nothing more to do here with it. */
static bool sweep_thing(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			struct oc_guard_hit *h, unsigned flags, const char *why)
{
	struct oc_guard_row row = {0};
	char *path = child(c, d, h->name);

	if (oc_guard_known(c->base, d->fd, h->name, path, &row)) {
		if (row.kind == OC_ROW_DIR && h->flags) {
			*h->flags |= flags;
			*h->why = why;
		} else if (row.kind == OC_ROW_LINK) {
			oc_guard_target(c, path, flags & F_TREE, why);
		}
		return true;
	}
	if (row.kind == OC_ROW_DIR &&
	    oc_guard_tree_known(c->base, d->fd, h->name, path, flags & F_HOOKS))
		return true;
	const char *was = oc_guard_base_find(c->base, path) ? "changed" : "new";
	oc_guard_out(c, d->fd, h->name, path, oc_arena_printf(c->s, "%s: %s", why, was));
	if (h->flags)
		*h->flags |= F_DEAD;
	return false;
}

static void sweep_judged(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			 struct oc_guard_hit *h, const char *why)
{
	oc_guard_out(c, d->fd, h->name, child(c, d, h->name), why);
	if (h->flags)
		*h->flags |= F_DEAD;
}

static void sweep_dotgit(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			 struct oc_guard_hit *h)
{
	char *path = child(c, d, h->name);
	const char *why;

	if (h->type == DT_DIR) {
		if (h->flags)
			*h->flags |= F_GITDIR;
	} else if (!oc_guard_known(c->base, d->fd, h->name, path, NULL)) {
		if (h->type != DT_REG) {
			sweep_judged(c, d, h, "git link that is no file: new or changed");
			return;
		}
		if (!oc_guard_git_pointer_ok(c, d->fd, h->name, d->path, &why)) {
			sweep_judged(c, d, h, why);
			return;
		}
	}
	oc_guard_git_targets(c, d->path, path);
}

static void sweep_hooks(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			struct oc_guard_hit *h)
{
	/* One that the owner had is cleaned file by file, a new one goes as a whole unless it has
	 * samples only. */
	if (sweep_thing(c, d, h, F_TREE | F_HOOKS, GIT_HOOKS) && h->flags) {
		*h->flags |= F_TREE | F_HOOKS;
		*h->why = GIT_HOOKS;
	}
}

static void sweep_git_part(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
			   struct oc_guard_hit *h)
{
	const char *why = NULL;
	char *path;

	switch (h->cls.part) {
	case OC_GIT_CONFIG:
		path = child(c, d, h->name);
		if (oc_guard_known(c->base, d->fd, h->name, path, NULL))
			break;
		if (h->type != DT_REG)
			sweep_judged(c, d, h, GIT_CONFIG ": not a regular file");
		else if (!oc_guard_git_config_ok(c, d->fd, h->name, d->path, &why))
			sweep_judged(c, d, h, oc_arena_printf(c->s, "%s: %s", GIT_CONFIG, why));
		break;
	case OC_GIT_COMMONDIR:
		path = child(c, d, h->name);
		if (!oc_guard_known(c->base, d->fd, h->name, path, NULL) &&
		    !oc_guard_git_commondir_ok(d->fd, h->name, d->path))
			sweep_judged(c, d, h, "git commondir that leads elsewhere");
		break;
	case OC_GIT_HOOKS:
		sweep_hooks(c, d, h);
		break;
	case OC_GIT_REMOTES:
		sweep_thing(c, d, h, F_TREE, "git remotes");
		break;
	case OC_GIT_REBASE:
		if (h->flags)
			*h->flags |= F_REBASE;
		else
			sweep_judged(c, d, h, "git rebase state that is no directory");
		break;
	case OC_GIT_OBJECTS:
	case OC_GIT_REFS:
	case OC_GIT_LOGS:
		if (h->flags)
			*h->flags |= F_PLAIN;
		break;
	case OC_GIT_NONE:
	case OC_GIT_DOTGIT:
	case OC_GIT_HEAD:
	case OC_GIT_TODO:
		break;
	}
}

static void sweep_hit(struct oc_guard_ctx *c, const struct oc_guard_dir *d, struct oc_guard_hit *h,
		      bool gitdir)
{
	bool sample = (d->flags & F_HOOKS) && h->type == DT_REG && oc_guard_is_sample(h->name);

	if ((d->flags & F_TREE) && !sample && !sweep_thing(c, d, h, F_TREE, d->why))
		return;
	if (h->cls.row && !sweep_thing(c, d, h, F_TREE, h->cls.row->why))
		return;
	if (h->cls.part == OC_GIT_DOTGIT)
		sweep_dotgit(c, d, h);
	else if (gitdir)
		sweep_git_part(c, d, h);
	if ((d->flags & F_REBASE) && h->cls.part == OC_GIT_TODO) {
		char *path = child(c, d, h->name);
		if (!oc_guard_known(c->base, d->fd, h->name, path, NULL) &&
		    !oc_guard_git_todo_ok(d->fd, h->name))
			sweep_judged(c, d, h, "git rebase list that runs commands");
	}
}

static int sweep_visit(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
		       struct oc_guard_hit *hits, size_t n)
{
	bool gitdir = (d->flags & F_GITDIR) || looks_like_gitdir(hits, n);

	for (size_t i = 0; i < n; i++)
		sweep_hit(c, d, &hits[i], gitdir);
	/* A repository without a worktree: after its own configuration was judged. */
	if (gitdir && !(d->flags & F_GITDIR) && !is_worktree_admin(hits, n))
		oc_guard_git_targets(c, NULL, d->path);
	return 0;
}

/*
 * Set-id bits would run as the owner for anybody on the host, and a device node must not be there
 * at all.  What changed last before the baseline was made is the owner's own.
 */
static int sweep_entry(struct oc_guard_ctx *c, int dirfd, const char *dir, const char *name,
		       unsigned char type)
{
	struct stat st, now;
	char proc[32];

	if (type != DT_REG && type != DT_CHR && type != DT_BLK)
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	bool device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	if (!device && (!S_ISREG(st.st_mode) || !(st.st_mode & (S_ISUID | S_ISGID))))
		return 0;
	if (oc_guard_before(c->base, st.st_ctim.tv_sec, (uint32_t)st.st_ctim.tv_nsec))
		return 0;
	char *path = oc_guard_join(c->s, dir, name);
	if (device) {
		oc_guard_out(c, dirfd, name, path, "device node");
		return 0;
	}
	oc_auto_close fd = oc_openat2(dirfd, name, O_PATH | O_NOFOLLOW, 0, OC_BENEATH);
	if (fd < 0 || fstat(fd, &now) < 0 || !S_ISREG(now.st_mode))
		return 0;
	/* Through /proc: the file may not be readable, and fchmod(2) does not take O_PATH. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, now.st_mode & 01777) < 0) {
		oc_guard_incomplete(c, oc_arena_printf(c->s,
						       "%.200s: cannot clear its set-id bits: %s",
						       path, strerror(errno)));
		return 0;
	}
	add_item(c, path, NULL, "set-id bits: cleared");
	return 0;
}

int oc_guard_sweep(struct oc_arena *a, int workspace_fd, const struct oc_guard_baseline *base,
		   const char *quarantine_path, struct oc_sweep *out, struct oc_err *err)
{
	static const struct oc_guard_walk_ops ops = {.visit = sweep_visit, .entry = sweep_entry};
	struct oc_guard_baseline copy = *base;
	oc_auto_arena scratch = {0};
	struct oc_guard_ctx c = {
		.a = a,
		.s = &scratch,
		.err = err,
		.sweep = true,
		.root = -1,
		.base = &copy,
		.mover = {.a = a, .path = quarantine_path, .fd = -1},
	};
	char *outside;

	*out = (struct oc_sweep){0};
	int rc = ctx_open(&c, workspace_fd, OC_GUARD_SWEEP_MS);
	if (rc == 0) {
		c.skip = oc_guard_resolve(&c, "", quarantine_path, &outside);
		c.skip = c.skip ? oc_arena_strdup(a, c.skip) : NULL;
		rc = walk_all(&c, &ops);
	}
	if (c.unlisted > 0)
		oc_guard_incomplete(
			&c, oc_arena_printf(a, "%lu more were moved than are listed", c.unlisted));
	out->count = c.items.len / sizeof(struct oc_quarantined);
	out->items = oc_arena_array(a, out->count, sizeof(struct oc_quarantined));
	if (c.items.len > 0)
		memcpy(out->items, c.items.data, c.items.len);
	out->incomplete = c.incomplete != NULL;
	out->incomplete_why = c.incomplete;
	ctx_close(&c);
	return rc;
}
