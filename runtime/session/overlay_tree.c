/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_tree - paths of any length and whole trees, by descriptors.
 *
 * A tree may be deeper than a path may be long and than there are descriptors: directories are
 * named by a chain of nodes and opened from the root each time, in pieces.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "runtime/session/overlay_priv.h"

#define STEP  64   /* levels */
#define PIECE 2048 /* of a path: more than a name, less than PATH_MAX */
#define DIRS  (1u << 22)

int oc_beneath(int root, const char *path, uint64_t flags)
{
	char piece[PIECE];
	oc_auto_close at = -1;
	int dir = root;

	while (strlen(path) >= sizeof piece) {
		size_t n = sizeof piece - 1;
		while (n > 0 && path[n] != '/')
			n--;
		if (n == 0) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(piece, path, n);
		piece[n] = '\0';
		int next = oc_openat2(dir, piece, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
				      OC_OVERLAY_BENEATH);
		if (next < 0)
			return -1;
		oc_closep(&at);
		at = dir = next;
		path += n + 1;
	}
	return oc_openat2(dir, *path ? path : ".", flags, 0, OC_OVERLAY_BENEATH);
}

void oc_way_path(const struct oc_way *way, const struct oc_way *from, struct oc_buf *out)
{
	size_t len = 0;

	for (const struct oc_way *w = way; w != from && w->up; w = w->up)
		len += strlen(w->name) + 1;
	if (!len)
		return;
	char *text = malloc(len + 1), *p = text + len;
	if (!text)
		oc_oom();
	*p = '\0';
	for (const struct oc_way *w = way; w != from && w->up; w = w->up) {
		size_t n = strlen(w->name);
		p -= n + 1;
		memcpy(p, w->name, n);
		p[n] = '/';
	}
	oc_buf_add(out, text, len - 1);
	free(text);
}

void oc_ways_init(struct oc_ways *w, int root)
{
	*w = (struct oc_ways){.root = root};
	for (int i = 0; i < OC_WAYS; i++)
		w->seen[i].fd = -1;
}

void oc_ways_close(struct oc_ways *w)
{
	for (int i = 0; i < OC_WAYS; i++)
		oc_closep(&w->seen[i].fd);
	oc_ways_init(w, -1);
}

static int seen(const struct oc_ways *w, const struct oc_way *way)
{
	if (!way->up)
		return w->root;
	for (int i = 0; i < OC_WAYS; i++)
		if (w->seen[i].way == way && w->seen[i].fd >= 0)
			return w->seen[i].fd;
	return -1;
}

/* Beneath the last on the way that was seen; kept.  Not the caller's to close. */
static int see(struct oc_ways *w, const struct oc_way *way)
{
	const struct oc_way *from = way, *half = NULL;
	oc_auto_buf path = {0};
	int base, steps = 0;

	while ((base = seen(w, from)) < 0) {
		from = from->up;
		if (++steps == STEP)
			half = from;
	}
	if (from == way)
		return base;
	/* Far from all: one in between is kept, too, for whoever goes back up. */
	if (half && half != from) {
		base = see(w, half);
		from = half;
	}
	oc_way_path(way, from, &path);
	int fd = base < 0 ? -1
			  : oc_beneath(base, path.data ? path.data : "",
				       O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	unsigned at = w->next++ % OC_WAYS;
	oc_closep(&w->seen[at].fd);
	w->seen[at].way = way;
	w->seen[at].fd = fd;
	return fd;
}

int oc_ways_open(struct oc_ways *w, const struct oc_way *way, uint64_t flags)
{
	int fd = see(w, way);

	return fd < 0 ? -1 : oc_openat2(fd, ".", flags, 0, OC_OVERLAY_BENEATH);
}

int oc_beneath_node(struct oc_ways *w, const struct oc_overlay_node *n, bool parent, uint64_t flags)
{
	return oc_ways_open(w, parent ? n->way.up : &n->way, flags);
}

/* statx(2), which musl of Debian 12 has not: the start of its buffer, as the kernel lays it out. */
struct statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};
struct statx_buf {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare;
	uint64_t ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	uint64_t rest[16];
};
_Static_assert(sizeof(struct statx_buf) == 256, "struct statx");
#define WANT_CTIME 0x80u
#define WANT_BTIME 0x800u

int oc_times(int dirfd, const char *name, struct oc_times *t)
{
	struct statx_buf x = {0};

	if (syscall(SYS_statx, dirfd, name,
		    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
		    WANT_CTIME | WANT_BTIME, &x) < 0)
		return -1;
	t->has_birth = x.mask & WANT_BTIME;
	t->birth = (struct timespec){.tv_sec = x.btime.sec, .tv_nsec = x.btime.nsec};
	t->change = (struct timespec){.tv_sec = x.ctime.sec, .tv_nsec = x.ctime.nsec};
	return 0;
}

bool oc_later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* --- whole trees --- */

struct dir {
	struct oc_way way;
	struct dir *next; /* in the order in which they were found */
	char name[];
};
struct walk {
	struct oc_way top; /* the directory that all is in */
	struct oc_ways ways;
	struct dir *first, *last;
	size_t count;
};

static int add_dir(struct walk *w, const struct oc_way *up, const char *name)
{
	if (w->count == DIRS) {
		errno = E2BIG;
		return -1;
	}
	size_t len = strlen(name) + 1;
	struct dir *d = malloc(sizeof *d + len);
	if (!d)
		oc_oom();
	memcpy(d->name, name, len);
	d->way = (struct oc_way){up, d->name};
	d->next = NULL;
	if (w->last)
		w->last->next = d;
	else
		w->first = d;
	w->last = d;
	w->count++;
	return 0;
}

static void begin(struct walk *w, int dirfd, const char *name)
{
	*w = (struct walk){.top = {NULL, ""}};
	oc_ways_init(&w->ways, dirfd);
	add_dir(w, &w->top, name);
}

static void free_dirs(struct walk *w)
{
	for (struct dir *d = w->first, *next; d; d = next) {
		next = d->next;
		free(d);
	}
	oc_ways_close(&w->ways);
}

static DIR *list(int fd)
{
	int copy = oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;

	if (!d)
		oc_closep(&copy);
	return d;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* What is in one directory of the walk. */
static int visit(struct walk *w, const struct dir *at, int fd, oc_tree_fn fn, void *ctx)
{
	DIR *d = list(fd);
	int r = d ? 0 : -1;

	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		struct stat st;
		if (is_dot(e->d_name))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = errno == ENOENT ? 0 : -1;
			continue;
		}
		if (fn)
			r = fn(ctx, fd, e->d_name, &st);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = add_dir(w, &at->way, e->d_name);
	}
	if (d) {
		int cause = errno;
		closedir(d);
		errno = cause;
	}
	return r;
}

int oc_tree_walk(int dirfd, const char *name, oc_tree_fn fn, void *ctx)
{
	struct walk w;
	int r = 0;

	begin(&w, dirfd, name);
	for (const struct dir *d = w.first; r == 0 && d; d = d->next) {
		oc_auto_close fd =
			oc_ways_open(&w.ways, &d->way, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		r = fd < 0 ? -1 : visit(&w, d, fd, fn, ctx);
	}
	int cause = errno;
	free_dirs(&w);
	errno = cause;
	return r;
}

/* Give a directory of ours its owner's rights back; through its descriptor, which is no link. */
static int restore_rights(int dirfd, const char *name)
{
	char path[48];
	struct stat st;
	oc_auto_close fd =
		oc_openat2(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, OC_OVERLAY_BENEATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return chmod(path, (st.st_mode & 07777) | 0700);
}

int oc_unlink(int dirfd, const char *name, int flags)
{
	if (unlinkat(dirfd, name, flags) == 0)
		return 0;
	struct stat st;
	if (errno != EACCES || fstat(dirfd, &st) < 0)
		return -1;
	mode_t was = st.st_mode & 07777;
	if (restore_rights(dirfd, ".") < 0)
		return -1;
	int r = unlinkat(dirfd, name, flags), cause = errno;
	oc_auto_close fd = oc_openat2(dirfd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd >= 0)
		fchmod(fd, was);
	errno = cause;
	return r;
}

static int remove_entry(void *ctx, int dir, const char *name, const struct stat *st)
{
	(void)ctx;
	if (S_ISDIR(st->st_mode)) {
		if ((st->st_mode & 0700) != 0700)
			restore_rights(dir, name);
		return 0;
	}
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int oc_tree_remove(int dirfd, const char *name)
{
	struct walk w;
	struct dir *back = NULL;
	int r = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* EPERM: what POSIX says of a directory. */
	if (errno != EISDIR && errno != EPERM)
		return -1;
	restore_rights(dirfd, name);
	begin(&w, dirfd, name);
	for (const struct dir *d = w.first; r == 0 && d; d = d->next) {
		oc_auto_close fd =
			oc_ways_open(&w.ways, &d->way, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		r = fd < 0 ? -1 : visit(&w, d, fd, remove_entry, NULL);
	}
	/* The last that was found first. */
	for (struct dir *d = w.first, *next; d; d = next) {
		next = d->next;
		d->next = back;
		back = d;
	}
	w.first = back;
	for (const struct dir *d = back; r == 0 && d; d = d->next) {
		oc_auto_close up =
			oc_ways_open(&w.ways, d->way.up, O_PATH | O_DIRECTORY | O_NOFOLLOW);
		r = up < 0 || (unlinkat(up, d->name, AT_REMOVEDIR) < 0 && errno != ENOENT) ? -1 : 0;
	}
	int cause = errno;
	free_dirs(&w);
	errno = cause;
	return r;
}
