/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_git - the indirections of git: .git files, commondir, included files, and every program or
 * directory that a configuration names.
 *
 * A configuration that is inert (guard_config.h) names nothing.  One that the owner had before is
 * trusted, and what it names inside the workspace is guarded with it.  git itself is never run.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plan/guard_config.h"
#include "runtime/plan/guard_priv.h"

#define MAX_INCLUDES 10 /* as git */
#define MAX_POINTER  8192

char *oc_guard_join(struct oc_arena *a, const char *dir, const char *name)
{
	return *dir ? oc_arena_printf(a, "%s/%s", dir, name) : oc_arena_strdup(a, name);
}

/* Lexical, in place: "." and ".." go.  True if the path left its start; *rest is then what is left
 * to do above. */
static bool normalise(char *path)
{
	char *out = path;
	bool left = false;

	for (const char *p = path; *p;) {
		while (*p == '/')
			p++;
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (out == path)
				left = true;
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	*out = '\0';
	return left;
}

static const char *below_host(const struct oc_guard_ctx *c, const char *path)
{
	size_t len = c->host_path ? strlen(c->host_path) : 0;

	if (len == 0 || strncmp(path, c->host_path, len) != 0)
		return NULL;
	if (len == 1) /* the workspace is "/" */
		return path + 1;
	return path[len] == '/' || path[len] == '\0' ? path + len : NULL;
}

char *oc_guard_resolve(struct oc_guard_ctx *c, const char *base, const char *value, char **outside)
{
	char *path;

	*outside = NULL;
	if (value[0] != '/') {
		path = oc_guard_join(c->s, base, value);
		if (!normalise(path))
			return path;
		if (!c->host_path)
			return NULL;
		value = oc_arena_printf(c->s, "%s/%s/%s", c->host_path, base, value);
	}
	path = oc_arena_strdup(c->s, value);
	normalise(path);
	path = oc_arena_printf(c->s, "/%s", path);
	const char *below = below_host(c, path);
	if (!below) {
		/* The workspace may have other names: a link or a bind mount on the way to it. */
		oc_auto_close fd = oc_openat2(AT_FDCWD, value, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
		char *real = fd >= 0 ? oc_fd_path(c->s, fd) : NULL;
		below = real ? below_host(c, real) : NULL;
		if (!below) {
			*outside = path;
			return NULL;
		}
	}
	path = oc_arena_strdup(c->s, below);
	normalise(path);
	return path;
}

/* --- reading --- */

/* A regular file of the workspace, whole.  0; -1: there is none that can be read. */
static int slurp(int dirfd, const char *path, uint64_t resolve, struct oc_buf *out,
		 struct oc_guard_row *row)
{
	struct stat st;
	oc_auto_close fd = oc_openat2(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, resolve);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	if (row)
		oc_guard_row_fill(row, &st);
	oc_buf_add(out, "", 0);
	return oc_read_all(fd, out, OC_GITCONF_MAX);
}

/* Parent descriptor and last component of a path in the workspace. */
static int open_parent(const struct oc_guard_ctx *c, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return oc_openat2(c->root, ".", O_PATH | O_DIRECTORY, 0, OC_BENEATH);
	dir = oc_arena_strndup(c->s, path, (size_t)(slash - path));
	return oc_openat2(c->root, dir, O_PATH | O_DIRECTORY, 0, OC_BENEATH);
}

/* --- .git files --- */

char *oc_guard_git_pointer(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			   char **outside)
{
	oc_auto_buf text = {0};

	*outside = NULL;
	if (slurp(dirfd, name, OC_BENEATH, &text, NULL) < 0 || text.len < 9 ||
	    text.len > MAX_POINTER || memcmp(text.data, "gitdir: ", 8) != 0 ||
	    memchr(text.data, 0, text.len))
		return NULL;
	while (text.len > 8 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.data[--text.len] = '\0';
	return oc_guard_resolve(c, dir, text.data + 8, outside);
}

/* The payload sees the workspace elsewhere: a pointer into a place that the host does not have at
 * all leads nowhere. */
static bool nowhere(const char *absolute)
{
	struct stat st;
	char top[OC_GUARD_NAME_MAX + 2];
	size_t n = 1 + strcspn(absolute + 1, "/");

	if (n >= sizeof(top))
		return false;
	memcpy(top, absolute, n);
	top[n] = '\0';
	return lstat(top, &st) < 0 && errno == ENOENT;
}

bool oc_guard_git_pointer_ok(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			     const char **why)
{
	struct stat st;
	char *outside, *path = oc_guard_git_pointer(c, dirfd, name, dir, &outside);

	if (!path && outside) {
		*why = "git link that leads out of the workspace";
		return nowhere(outside);
	}
	if (!path) {
		/* git dies on it; but an empty file is what many tools leave */
		*why = "git link that cannot be read";
		return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		       st.st_size == 0;
	}
	*why = "git link that passes a symbolic link or a mount";
	oc_auto_close fd =
		oc_openat2(c->root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, OC_BENEATH);
	/* What it leads to is judged where it is: every directory that git would take for a
	 * repository is. */
	return fd >= 0 || errno == ENOENT || errno == ENOTDIR;
}

struct worktree_ctx {
	struct oc_guard_ctx *c;
	const char *dir;
};

static bool worktree_ok(void *ctx, const char *value)
{
	const struct worktree_ctx *w = ctx;
	char *outside;

	if (value[0] == '\0')
		return false;
	char *path = oc_guard_resolve(w->c, w->dir, value, &outside);
	if (!path)
		return outside && value[0] == '/' && nowhere(outside);
	oc_auto_close fd =
		oc_openat2(w->c->root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, OC_BENEATH);
	return fd >= 0 || errno == ENOENT;
}

bool oc_guard_git_config_ok(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			    const char **why)
{
	oc_auto_buf text = {0};
	struct oc_guard_row row;
	struct worktree_ctx w = {.c = c, .dir = dir};

	*why = "it cannot be read, or it is too big";
	if (slurp(dirfd, name, OC_BENEATH, &text, &row) < 0)
		return false;
	*why = "it has a second name (hard link)";
	if (row.nlink > 1)
		return false;
	return oc_gitconf_inert(c->s, text.data ? text.data : "", text.len, worktree_ok, &w, why);
}

/* What `git worktree add` writes: the repository two levels up. */
bool oc_guard_git_commondir_ok(int dirfd, const char *name, const char *dir)
{
	oc_auto_buf text = {0};
	const char *slash = strrchr(dir, '/');

	if (!slash || slash - dir < 9 || memcmp(slash - 9, "worktrees", 9) != 0 ||
	    (slash - dir > 9 && slash[-10] != '/'))
		return false;
	if (slurp(dirfd, name, OC_BENEATH, &text, NULL) < 0)
		return false;
	return text.len == 6 && memcmp(text.data, "../..\n", 6) == 0;
}

bool oc_guard_git_todo_ok(int dirfd, const char *name)
{
	oc_auto_buf text = {0};

	return slurp(dirfd, name, OC_BENEATH, &text, NULL) == 0 &&
	       oc_gittodo_inert(text.data ? text.data : "", text.len);
}

/* --- what a trusted configuration names --- */

struct names_ctx {
	struct oc_guard_ctx *c;
	const char *work; /* directory that commands run in */
	const char *dir;  /* of the file that is read; NULL: outside of the workspace */
	const char *dir_outside;
	const char *label;
	unsigned depth;
	int rc;
};

static int read_names(struct names_ctx *n, const char *text, size_t len);
static int read_config(struct oc_guard_ctx *c, const char *work, const char *path, unsigned depth);
static int read_config_outside(struct oc_guard_ctx *c, const char *work, const char *path,
			       unsigned depth);

/* "~/x" is below $HOME, for git too. */
static const char *expand_home(struct oc_guard_ctx *c, const char *value)
{
	const char *home = value[0] == '~' && value[1] == '/' ? getenv("HOME") : NULL;

	return home && home[0] == '/' ? oc_arena_printf(c->s, "%s%s", home, value + 1) : value;
}

/* Is dir the workspace or above the worktree, so that it cannot be read-only as a whole? */
static bool holds_work(const char *dir, const char *work)
{
	size_t n = strlen(dir);

	return n == 0 || (strncmp(dir, work, n) == 0 && (work[n] == '/' || work[n] == '\0'));
}

static int hooks_path(struct names_ctx *n, const char *value)
{
	char *outside, *path = oc_guard_resolve(n->c, n->work, expand_home(n->c, value), &outside);
	const char *why = oc_arena_printf(n->c->s, "core.hooksPath of %s", n->label);

	if (!path)
		return 0;
	if (!holds_work(path, n->work))
		return oc_guard_target(n->c, path, true, why);
	for (const char *const *hook = oc_git_hook_names; *hook; hook++)
		if (oc_guard_target(n->c, oc_guard_join(n->c->s, path, *hook), false, why) < 0)
			return -1;
	return 0;
}

static int include(struct names_ctx *n, const char *value)
{
	char *outside, *path;

	value = expand_home(n->c, value);
	if (n->depth >= MAX_INCLUDES)
		return 0;
	if (!n->dir && value[0] != '/') {
		value = oc_arena_printf(n->c->s, "%s/%s", n->dir_outside, value);
	}
	path = oc_guard_resolve(n->c, n->dir ? n->dir : "", value, &outside);
	if (path) {
		const char *why = oc_arena_printf(n->c->s, "file included by %s", n->label);
		if (oc_guard_target(n->c, path, false, why) < 0)
			return -1;
		return read_config(n->c, n->work, path, n->depth + 1);
	}
	return outside ? read_config_outside(n->c, n->work, outside, n->depth + 1) : 0;
}

/* Each word of a command line that is the path of a file. */
static int command(struct names_ctx *n, const char *what, const char *value)
{
	static const char stops[] = " \t\n;|&()<>\"'`$=!,";
	const char *why = NULL;

	for (const char *p = value; *p;) {
		p += strspn(p, stops);
		size_t len = strcspn(p, stops);
		if (len == 0)
			break;
		char *outside, *word = oc_arena_strndup(n->c->s, p, len);
		p += len;
		if (word[0] == '-')
			continue;
		char *path = oc_guard_resolve(n->c, n->work, expand_home(n->c, word), &outside);
		if (!path || *path == '\0')
			continue;
		if (!why)
			why = oc_arena_printf(n->c->s, "%s of %s", what, n->label);
		if (oc_guard_target(n->c, path, false, why) < 0)
			return -1;
	}
	return 0;
}

static bool any_path(void *ctx, const char *value)
{
	(void)ctx;
	(void)value;
	return true;
}

static int take_entry(void *ctx, const struct oc_gitconf_entry *e)
{
	struct names_ctx *n = ctx;

	if (!e->value || oc_gitconf_entry_inert(e, any_path, NULL))
		return 0;
	if (strncmp(e->section, "include", 7) == 0 && strcmp(e->key, "path") == 0)
		n->rc = include(n, e->value);
	else if (strcmp(e->section, "core") == 0 && strcmp(e->key, "hookspath") == 0)
		n->rc = hooks_path(n, e->value);
	else if (strcmp(e->section, "alias") != 0 || e->value[0] == '!')
		n->rc = command(n, oc_arena_printf(n->c->s, "%s.%s", e->section, e->key), e->value);
	return n->rc < 0 ? 1 : 0;
}

static int read_names(struct names_ctx *n, const char *text, size_t len)
{
	oc_gitconf_parse(text, len, take_entry, n);
	return n->rc;
}

static int read_config(struct oc_guard_ctx *c, const char *work, const char *path, unsigned depth)
{
	oc_auto_buf text = {0};
	const char *name;
	char *outside;

	/* The same file through a link that the owner made. */
	oc_auto_close parent = open_parent(c, path, &name);
	if (parent < 0)
		return 0;
	/* In a sweep only what the owner had is believed; the rest is judged by content where it
	 * is. */
	if (c->sweep && !oc_guard_known(c->base, parent, name, path, NULL))
		return 0;
	if (slurp(parent, name, OC_BENEATH, &text, NULL) < 0) {
		char link[PATH_MAX];
		ssize_t n = readlinkat(parent, name, link, sizeof(link) - 1);
		if (n <= 0 || depth >= MAX_INCLUDES)
			return 0;
		link[n] = '\0';
		char *dir = oc_arena_strndup(c->s, path, (size_t)(name - path) - (name > path));
		char *to = oc_guard_resolve(c, dir, link, &outside);
		return to	 ? read_config(c, work, to, depth + 1)
		       : outside ? read_config_outside(c, work, outside, depth + 1)
				 : 0;
	}
	struct names_ctx n = {
		.c = c,
		.work = work,
		.dir = oc_arena_strndup(c->s, path, (size_t)(name - path) - (name > path)),
		.label = path,
		.depth = depth,
	};
	return read_names(&n, text.data ? text.data : "", text.len);
}

static int read_config_outside(struct oc_guard_ctx *c, const char *work, const char *path,
			       unsigned depth)
{
	oc_auto_buf text = {0};
	const char *slash = strrchr(path, '/');

	/* Not the payload's: links are the owner's. */
	if (!slash || slurp(AT_FDCWD, path, RESOLVE_NO_MAGICLINKS, &text, NULL) < 0)
		return 0;
	struct names_ctx n = {
		.c = c,
		.work = work,
		.dir_outside = oc_arena_strndup(c->s, path, (size_t)(slash - path)),
		.label = path,
		.depth = depth,
	};
	return read_names(&n, text.data ? text.data : "", text.len);
}

/* The configuration of the user and the machine can name a path that each worktree fills in
 * ("core.hooksPath = .githooks"). */
static int read_global(struct oc_guard_ctx *c, const char *work)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	const char *paths[3] = {"/etc/gitconfig"};

	if (home && home[0] == '/') {
		paths[1] = oc_arena_printf(c->s, "%s/.gitconfig", home);
		paths[2] = oc_arena_printf(c->s, "%s/.config/git/config", home);
	}
	if (xdg && xdg[0] == '/')
		paths[2] = oc_arena_printf(c->s, "%s/git/config", xdg);
	for (size_t i = 0; i < 3; i++) {
		char *outside = NULL;
		char *path = paths[i] ? oc_guard_resolve(c, "", paths[i], &outside) : NULL;
		if (path ? read_config(c, work, path, 1) < 0
			 : outside && read_config_outside(c, work, outside, 1) < 0)
			return -1;
	}
	return 0;
}

static int read_gitdir(struct oc_guard_ctx *c, const char *work, const char *dir, bool is_outside)
{
	static const char *const files[] = {"config", "config.worktree"};

	for (size_t i = 0; i < 2; i++) {
		char *path = oc_guard_join(c->s, dir, files[i]);
		if ((is_outside ? read_config_outside(c, work, path, 1)
				: read_config(c, work, path, 1)) < 0)
			return -1;
	}
	return 0;
}

int oc_guard_git_targets(struct oc_guard_ctx *c, const char *work, const char *gitdir)
{
	const char *name;
	char *outside = NULL, *dir = oc_arena_strdup(c->s, gitdir);
	struct stat st;
	oc_auto_buf common = {0};

	if (!work)
		work = gitdir;
	if (read_global(c, work) < 0)
		return -1;
	oc_auto_close parent = open_parent(c, gitdir, &name);
	if (parent < 0)
		return 0;
	if (*name && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISREG(st.st_mode)) {
			dir = oc_guard_git_pointer(c, parent, name, work, &outside);
		} else if (S_ISLNK(st.st_mode)) {
			char link[PATH_MAX];
			ssize_t n = readlinkat(parent, name, link, sizeof(link) - 1);
			if (n <= 0)
				return 0;
			link[n] = '\0';
			dir = oc_guard_resolve(c, work, link, &outside);
		}
	}
	if (!dir && !outside)
		return 0;
	if (read_gitdir(c, work, dir ? dir : outside, !dir) < 0)
		return -1;
	char *file = oc_guard_join(c->s, dir ? dir : outside, "commondir");
	if (slurp(dir ? c->root : AT_FDCWD, file, dir ? OC_BENEATH : RESOLVE_NO_MAGICLINKS, &common,
		  NULL) < 0 ||
	    common.len == 0 || common.len > MAX_POINTER)
		return 0;
	common.data[strcspn(common.data, "\r\n")] = '\0';
	if (common.data[0] != '/' && !dir)
		dir = oc_guard_resolve(c, "", oc_arena_printf(c->s, "%s/%s", outside, common.data),
				       &outside);
	else
		dir = oc_guard_resolve(c, dir ? dir : "", common.data, &outside);
	return dir || outside ? read_gitdir(c, work, dir ? dir : outside, !dir) : 0;
}

/* --- guard or compare --- */

static int scan_target(struct oc_guard_ctx *c, int parent, const char *name, const char *path,
		       bool tree, const char *why)
{
	struct oc_guard_row row;

	if (oc_guard_identify(parent, name, true, &row) < 0 || (row.kind == OC_ROW_DIR && !tree))
		return 0;
	if (oc_guard_one_link(c, &row, path, why) < 0 || oc_guard_add_row(c, &row, path) < 0)
		return -1;
	if (row.kind == OC_ROW_DIR)
		oc_guard_add_extra(c, path, F_TREE | F_HOOKS, why);
	if (row.kind == OC_ROW_DIR || row.kind == OC_ROW_FILE)
		return oc_guard_add_guard(c, OC_GUARD_RO, path, why);
	return 0;
}

static void sweep_target(struct oc_guard_ctx *c, int parent, const char *name, const char *path,
			 bool tree, const char *why)
{
	struct oc_guard_row row = {0};

	if (oc_guard_known(c->base, parent, name, path, &row)) {
		if (row.kind == OC_ROW_DIR && tree)
			oc_guard_add_extra(c, path, F_TREE | F_HOOKS, why);
		return;
	}
	if (fstatat(parent, name, &(struct stat){0}, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (row.kind == OC_ROW_DIR &&
	    (!tree || oc_guard_tree_known(c->base, parent, name, path, true)))
		return;
	oc_guard_out(c, parent, name, path, oc_arena_printf(c->s, "%s: new or changed", why));
}

int oc_guard_target(struct oc_guard_ctx *c, const char *path, bool tree, const char *why)
{
	const char *name;
	char *real = NULL;

	if (*path == '\0' || strlen(path) >= PATH_MAX)
		return 0;
	/* Through links: what they lead to counts, and a link in the last place counts itself. */
	oc_auto_close fd =
		oc_openat2(c->root, path, O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	char *where = fd >= 0 ? oc_fd_path(c->s, fd) : NULL;
	const char *below = where ? below_host(c, where) : NULL;
	if (below && *below)
		real = oc_arena_strdup(c->s, below + (*below == '/'));
	const char *tries[2] = {path, real && strcmp(real, path) != 0 ? real : NULL};
	for (size_t i = 0; i < 2; i++) {
		if (!tries[i])
			continue;
		oc_auto_close parent = open_parent(c, tries[i], &name);
		if (parent < 0 || *name == '\0')
			continue;
		if (c->sweep)
			sweep_target(c, parent, name, tries[i], tree, why);
		else if (scan_target(c, parent, name, tries[i], tree, why) < 0)
			return -1;
	}
	return 0;
}
