/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_scan - the upper tree beside the real one: what changed, what of it is risky, what is a
 * conflict.
 *
 * Reads only.  Directories wait in a list, none is open while another is read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "runtime/session/overlay_priv.h"

#define DEPTH_MAX   20000
#define PACKAGE_MAX (1u << 20)
/*
 * Birth of a change and beginning of a sandbox come from two clocks of the kernel, one of which
 * lags behind by up to a tick.
 */
#define SLACK_NS 10000000

struct scan {
	struct oc_overlay *o;
	struct oc_overlay_node **todo;
	size_t todo_count, todo_cap;
	/* the directory that is looked at */
	struct oc_overlay_node *dir;
	int upper, lower; /* lower -1: there is none */
	dev_t lower_dev;
	bool git_dir;
	bool makes_git; /* it is one only by what is above */
	struct oc_overlay_node **items;
	size_t item_count, item_cap;
};

static void push(struct oc_overlay_node ***list, size_t *count, size_t *cap,
		 struct oc_overlay_node *n)
{
	if (*count == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		struct oc_overlay_node **bigger = realloc(*list, *cap * sizeof **list);
		if (!bigger)
			oc_oom();
		*list = bigger;
	}
	(*list)[(*count)++] = n;
}

static struct oc_overlay_node *add(struct scan *s, const char *name)
{
	struct oc_overlay *o = s->o;
	size_t len = strlen(name);

	if (o->node_count >= OC_OVERLAY_NODES_MAX || o->name_bytes + len > OC_OVERLAY_NAMES_MAX) {
		o->incomplete = "there are too many changes";
		return NULL;
	}
	struct oc_overlay_node *n = oc_arena_alloc(o->a, sizeof *n);
	n->name = oc_arena_strndup(o->a, name, len);
	n->way = (struct oc_way){s->dir ? &s->dir->way : NULL, n->name};
	n->parent = s->dir;
	n->depth = s->dir ? s->dir->depth + 1 : 0;
	o->node_count++;
	o->name_bytes += len;
	push(&s->items, &s->item_count, &s->item_cap, n);
	return n;
}

static const char *read_link(struct scan *s, int dir, const char *name)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir, name, text, sizeof text);

	return n < 0 ? NULL : oc_arena_strndup(s->o->a, text, (size_t)n);
}

static int open_file(int dir, const char *name)
{
	struct stat st;
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				      OC_OVERLAY_BENEATH);

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		errno = EINVAL;
		return -1;
	}
	return oc_steal_fd(&fd);
}

static ssize_t read_some(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Where the next data is: a hole of an exabyte is passed over in one step. */
static off_t next_data(int fd, off_t at, off_t size)
{
	off_t to = lseek(fd, at, SEEK_DATA);

	if (to < 0)
		return errno == ENXIO ? size : at;
	return to;
}

/* Same content; both of one size. */
static bool same_content(int a, int b, off_t size)
{
	static char x[65536], y[65536];

	for (off_t at = 0; at < size;) {
		off_t da = next_data(a, at, size), db = next_data(b, at, size);
		at = da < db ? da : db;
		if (at >= size)
			return true;
		if (lseek(a, at, SEEK_SET) < 0 || lseek(b, at, SEEK_SET) < 0)
			return false;
		ssize_t n = read_some(a, x, sizeof x), m = read_some(b, y, sizeof y);
		if (n <= 0 || n != m || memcmp(x, y, (size_t)n) != 0)
			return false;
		at += n;
	}
	return true;
}

/* --- conflicts --- */

static struct timespec stamp(struct oc_overlay_stamp s)
{
	return (struct timespec){.tv_sec = s.sec, .tv_nsec = s.nsec};
}

/* When the sandbox began that made the change which was born then. */
static struct timespec epoch_of(const struct oc_overlay *o, const struct oc_times *upper)
{
	struct timespec born = upper->birth;
	size_t i = o->store.epoch_count - 1;

	born.tv_nsec += SLACK_NS;
	if (born.tv_nsec >= 1000000000) {
		born.tv_nsec -= 1000000000;
		born.tv_sec++;
	}
	if (!upper->has_birth)
		i = 0;
	while (i > 0 && oc_later(stamp(o->store.epochs[i]), born))
		i--;
	return stamp(o->store.epochs[i]);
}

static int newer_below(void *ctx, int dir, const char *name, const struct stat *st)
{
	const struct timespec *epoch = ctx;
	struct oc_times t;

	/* Directories change with what is taken out of them, by us too. */
	if (!S_ISDIR(st->st_mode))
		return oc_later(st->st_ctim, *epoch);
	return oc_times(dir, name, &t) == 0 && t.has_birth && oc_later(t.birth, *epoch);
}

/* at: the directory in upper whose entry, or whose mark as replaced, made the change. */
static void find_conflict(struct scan *s, struct oc_overlay_node *n, const struct stat *low)
{
	struct oc_times up = {0};

	if (n->change == OC_CHANGE_NONE || n->refused ||
	    oc_times(s->upper, n->in_upper ? n->name : "", &up) < 0)
		return;
	struct timespec epoch = epoch_of(s->o, &up);
	if (!low) {
		struct oc_times at;
		/*
		 * A copy of something that is not below any more: it was renamed above, or removed
		 * below since.  In the second case its directory changed, by somebody else than us.
		 */
		oc_auto_close fd =
			S_ISREG(n->mode) && s->lower >= 0 ? open_file(s->upper, n->name) : -1;
		if (fd >= 0 && fgetxattr(fd, OC_ORIGIN, NULL, 0) >= 0 && !s->o->store.applying &&
		    oc_times(s->lower, "", &at) == 0 && oc_later(at.change, epoch) &&
		    oc_later(at.change, stamp(s->o->store.applied)))
			n->conflict = "may have been deleted in the real tree since";
		return;
	}
	if (!S_ISDIR(low->st_mode)) {
		if (oc_later(low->st_ctim, epoch))
			n->conflict = "changed in the real tree since";
		return;
	}
	if (n->change == OC_CHANGE_MODE)
		return;
	int r = oc_tree_walk(s->lower, n->name, newer_below, &epoch);
	if (r < 0)
		n->conflict = "cannot be read in the real tree";
	else if (r > 0)
		n->conflict = "something in it changed in the real tree since";
}

/* --- one entry --- */

static const char *odd(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "a fifo";
	if (S_ISSOCK(mode))
		return "a socket";
	return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : NULL;
}

static void compare_files(struct scan *s, struct oc_overlay_node *n, const struct stat *up,
			  const struct stat *low)
{
	bool same = false;

	if (up->st_size == low->st_size) {
		oc_auto_close a = open_file(s->upper, n->name), b = open_file(s->lower, n->name);
		same = a >= 0 && b >= 0 && same_content(a, b, up->st_size);
	}
	n->change = !same				   ? OC_CHANGE_MODIFIED
		    : (up->st_mode ^ low->st_mode) & 07777 ? OC_CHANGE_MODE
							   : OC_CHANGE_NONE;
}

static void compare(struct scan *s, struct oc_overlay_node *n, const struct stat *up,
		    const struct stat *low)
{
	if (!low) {
		n->change = OC_CHANGE_ADDED;
	} else if ((up->st_mode & S_IFMT) != (low->st_mode & S_IFMT)) {
		n->change = OC_CHANGE_TYPE;
	} else if (S_ISREG(up->st_mode)) {
		compare_files(s, n, up, low);
	} else if (S_ISLNK(up->st_mode)) {
		bool same = n->target && n->old_target && strcmp(n->target, n->old_target) == 0;
		n->change = same ? OC_CHANGE_NONE : OC_CHANGE_MODIFIED;
	} else {
		n->change = (up->st_mode ^ low->st_mode) & 0777 ? OC_CHANGE_MODE : OC_CHANGE_NONE;
	}
}

static void note_lower(struct scan *s, struct oc_overlay_node *n, const struct stat *low)
{
	n->old_mode = low->st_mode;
	n->old_size = S_ISREG(low->st_mode) ? (uint64_t)low->st_size : 0;
	n->old_dev = low->st_dev;
	n->old_ino = low->st_ino;
	n->old_ctime = low->st_ctim;
	if (S_ISLNK(low->st_mode))
		n->old_target = read_link(s, s->lower, n->name);
	if (low->st_dev != s->lower_dev)
		n->refused = "another file system is mounted there";
}

static const char *package_risk(struct scan *s, const struct oc_overlay_node *n)
{
	oc_auto_buf was = {0}, is = {0};
	struct oc_err ignored;
	bool old = S_ISREG(n->old_mode);

	if (!S_ISREG(n->mode) || oc_overlay_text(s->o, n, false, PACKAGE_MAX, &is, &ignored) != 0 ||
	    (old && oc_overlay_text(s->o, n, true, PACKAGE_MAX, &was, &ignored) != 0))
		return "package file";
	return oc_risk_package(old ? was.data ? was.data : "" : NULL, was.len,
			       is.data ? is.data : "", is.len);
}

static bool leads_outside(struct scan *s, const struct oc_overlay_node *n)
{
	oc_auto_buf path = {0};

	oc_overlay_path(n->parent, &path);
	oc_buf_printf(&path, "/%s", n->target);
	if (path.len >= PATH_MAX)
		return true;
	const char *p = path.data + strspn(path.data, "/");
	/* Through a link of the real tree that leads out: EXDEV.  What does not exist yet leads
	 * nowhere. */
	oc_auto_close fd = oc_openat2(s->o->lower_fd, *p ? p : ".", O_PATH, 0,
				      RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	return fd < 0 && errno == EXDEV;
}

/*
 * Configuration and hooks of a git directory may have been there before it became one, when they were nothing
 * to git: what makes it one is what has to be looked at.
 */
static bool makes_git_dir(const struct scan *s, const struct oc_overlay_node *n)
{
	char fold[OC_RISK_NAME_MAX];

	if (!s->makes_git || !n->in_upper)
		return false;
	oc_risk_fold(n->name, fold);
	return strcmp(fold, "head") == 0 || strcmp(fold, "objects") == 0 ||
	       strcmp(fold, "refs") == 0 || strcmp(fold, "commondir") == 0;
}

static void find_risk(struct scan *s, struct oc_overlay_node *n)
{
	const char *name_why = oc_risk_name(&s->dir->ways, n->name, s->git_dir, &n->ways),
		   *why = NULL;
	char fold[OC_RISK_NAME_MAX];

	if (S_ISDIR(n->mode))
		name_why = n->change == OC_CHANGE_TYPE ? name_why : n->ways.why;
	if (!name_why && makes_git_dir(s, n))
		name_why = "makes its directory one of git";
	if (n->change == OC_CHANGE_NONE || n->refused)
		return;
	if (strcmp(oc_risk_fold(n->name, fold), "package.json") == 0 && !s->dir->ways.deps &&
	    !name_why)
		name_why = package_risk(s, n);
	if (S_ISLNK(n->mode) && n->target) {
		why = oc_risk_link(n->target, n->depth - 1);
		if (!why && leads_outside(s, n))
			why = "link that leads outside of the workspace";
	} else if (S_ISREG(n->mode) &&
		   (n->change != OC_CHANGE_MODE || (n->mode & 0111 & ~n->old_mode) != 0)) {
		char head[2];
		oc_auto_close fd = open_file(s->upper, n->name);
		ssize_t len = fd < 0 ? -1 : read_some(fd, head, sizeof head);
		if (len < 0)
			n->refused = "it cannot be read";
		else
			why = oc_risk_program(n->mode, head, (size_t)len);
	}
	n->risk = name_why && why ? oc_arena_printf(s->o->a, "%s, %s", name_why, why)
		  : name_why	  ? name_why
				  : why;
}

/* NULL: there is no such side. */
static void judge(struct scan *s, struct oc_overlay_node *n, const struct stat *up,
		  const struct stat *low)
{
	if (low)
		note_lower(s, n, low);
	if (!up) {
		n->change = low ? OC_CHANGE_DELETED : OC_CHANGE_NONE;
	} else {
		const char *what = odd(up->st_mode);
		n->mode = up->st_mode;
		n->size = S_ISREG(up->st_mode) ? (uint64_t)up->st_size : 0;
		if (S_ISLNK(up->st_mode) && !(n->target = read_link(s, s->upper, n->name)))
			n->refused = "it cannot be read";
		compare(s, n, up, low);
		if (what && n->change != OC_CHANGE_NONE)
			n->refused = what;
		else if (S_ISREG(up->st_mode) && (up->st_mode & (S_ISUID | S_ISGID)) &&
			 n->change != OC_CHANGE_NONE)
			n->refused = "it is set-user-id or set-group-id";
	}
	if (strcmp(n->name, s->o->temporary) == 0)
		n->refused = "its name is one that apply uses";
	find_risk(s, n);
	find_conflict(s, n, low);
	if (n->change != OC_CHANGE_NONE)
		s->o->change_count++;
}

/* --- one directory --- */

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static DIR *list(int fd)
{
	int copy = oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;

	if (!d)
		oc_closep(&copy);
	return d;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct oc_overlay_node *const *)a)->name,
		      (*(struct oc_overlay_node *const *)b)->name);
}

static const struct stat *look(int dir, const char *name, struct stat *st)
{
	return dir >= 0 && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 ? st : NULL;
}

static void read_upper(struct scan *s, DIR *d)
{
	for (struct dirent *e; !s->o->incomplete && (e = readdir(d));) {
		struct stat up, low;
		if (is_dot(e->d_name) || !look(s->upper, e->d_name, &up))
			continue;
		struct oc_overlay_node *n = add(s, e->d_name);
		if (!n)
			return;
		n->in_upper = true;
		judge(s, n, oc_is_whiteout(&up) ? NULL : &up, look(s->lower, e->d_name, &low));
	}
}

/* What the directory above hides. */
static void read_lower(struct scan *s, DIR *d)
{
	size_t above = s->item_count;

	for (struct dirent *e; !s->o->incomplete && (e = readdir(d));) {
		struct oc_overlay_node key = {.name = e->d_name}, *k = &key;
		struct stat low;
		if (is_dot(e->d_name) || strcmp(e->d_name, s->o->temporary) == 0 ||
		    (above && bsearch(&k, s->items, above, sizeof(void *), by_name)) ||
		    !look(s->lower, e->d_name, &low))
			continue;
		struct oc_overlay_node *n = add(s, e->d_name);
		if (!n)
			return;
		judge(s, n, NULL, &low);
	}
}

static bool has(const struct scan *s, const char *name)
{
	struct stat st;

	return (look(s->upper, name, &st) && !oc_is_whiteout(&st)) || look(s->lower, name, &st);
}

static void sort(struct scan *s)
{
	if (s->item_count)
		qsort(s->items, s->item_count, sizeof(void *), by_name);
}

static void unreadable(struct scan *s)
{
	s->dir->refused = "it cannot be read";
	if (s->dir->change == OC_CHANGE_NONE) {
		s->dir->change = OC_CHANGE_MODE;
		s->o->change_count++;
	}
}

static void visit(struct scan *s)
{
	char mark[2];
	struct stat st;
	struct oc_overlay_node *dir = s->dir;
	oc_auto_close upper =
		oc_beneath_node(&s->o->upper, dir, false, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	oc_auto_close lower = S_ISDIR(dir->old_mode) && !dir->refused
				      ? oc_beneath_node(&s->o->lower, dir, false,
							O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
				      : -1;
	DIR *d = upper < 0 ? NULL : list(upper);

	if (!d || (S_ISDIR(dir->old_mode) && lower < 0) || (lower >= 0 && fstat(lower, &st) < 0)) {
		if (d)
			closedir(d);
		/* While a sandbox is at work a directory may go. */
		unreadable(s);
		return;
	}
	s->upper = upper;
	s->lower = lower;
	s->lower_dev = lower >= 0 ? st.st_dev : 0;
	s->item_count = 0;
	s->git_dir = has(s, "HEAD") && (has(s, "objects") || has(s, "commondir"));
	s->makes_git = s->git_dir && !(look(lower, "HEAD", &st) &&
				       (look(lower, "objects", &st) || look(lower, "commondir", &st)));
	dir->opaque = fgetxattr(upper, OC_OPAQUE, mark, sizeof mark) == 1 && mark[0] == 'y';
	read_upper(s, d);
	closedir(d);
	sort(s);
	if (dir->opaque && lower >= 0 && (d = list(lower))) {
		read_lower(s, d);
		closedir(d);
		sort(s);
	}
	struct oc_overlay_node **at = &dir->child;
	for (size_t i = 0; i < s->item_count; i++) {
		struct oc_overlay_node *n = s->items[i];
		*at = n;
		at = &n->next;
		if (!S_ISDIR(n->mode) || n->refused)
			continue;
		if (n->depth >= DEPTH_MAX)
			s->o->incomplete = "it is too deep";
		else
			push(&s->todo, &s->todo_count, &s->todo_cap, n);
	}
}

int oc_overlay_scan(struct oc_overlay *o, struct oc_err *err)
{
	struct scan s = {.o = o};
	struct stat st;

	if (fstat(o->lower_fd, &st) < 0)
		return oc_fail(err, errno, "%s", o->store.workspace);
	oc_ways_init(&o->upper, o->upper_fd);
	oc_ways_init(&o->lower, o->lower_fd);
	struct oc_overlay_node *root = add(&s, "");
	if (!root)
		return oc_fail(err, ENOMEM, "%s", o->store.workspace);
	root->in_upper = true;
	root->mode = root->old_mode = st.st_mode;
	o->root = root;
	push(&s.todo, &s.todo_count, &s.todo_cap, root);
	while (s.todo_count && !o->incomplete) {
		s.dir = s.todo[--s.todo_count];
		visit(&s);
	}
	free(s.todo);
	free(s.items);
	if (root->refused)
		return oc_fail(err, EACCES, "cannot read the changes in %s", o->store.path);
	return 0;
}
