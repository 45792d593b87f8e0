/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_walk - every directory of a hostile tree, in bounded time, memory and descriptors.
 *
 * Depth first, without recursion: a heap of names that wait and a ring of the last directories of
 * the current path.  A level that fell out of the ring is opened again from the start, in pieces
 * shorter than PATH_MAX.  No stat per file: d_type tells. Links and other mounts are not entered.
 * Must never change anything but, in a sweep, the owner's own right to read a directory.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/plan/guard_priv.h"

#define RING	   32
#define PIECE	   3500
#define BUFFER	   65536
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)

struct pending {
	size_t name; /* offset in names */
	uint32_t depth;
	unsigned flags;
	unsigned char prefix;
	const char *why;
};

struct walk {
	struct oc_guard_ctx *c;
	const struct oc_guard_walk_ops *ops;
	int base; /* the start */
	int ring[RING];
	uint32_t ring_depth[RING];
	struct oc_buf path;  /* of the current directory, relative to the workspace */
	struct oc_buf ends;  /* size_t: length of path at each depth */
	struct oc_buf stack; /* struct pending */
	struct oc_buf names; /* of pending */
	struct oc_buf hits;  /* struct raw_hit */
	struct oc_buf hit_names;
	struct oc_buf out; /* struct oc_guard_hit */
	char *buffer;
	unsigned checks;
};

struct raw_hit {
	size_t name;
	size_t pending; /* SIZE_MAX: not a directory */
	unsigned char type;
	struct oc_name_class cls;
};

struct dirent64_raw { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static size_t end_at(const struct walk *w, uint32_t depth)
{
	return ((const size_t *)(const void *)w->ends.data)[depth];
}

static int late(struct walk *w)
{
	struct timespec now;
	struct oc_guard_ctx *c = w->c;

	if (++w->checks & 63)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec * 1000 + now.tv_nsec / 1000000 < c->deadline_ms)
		return 0;
	if (c->sweep) {
		oc_guard_incomplete(c, "the time limit was reached");
		return 1;
	}
	oc_fail(c->err, 0, "workspace: it cannot be searched for guarded files in %d s",
		OC_GUARD_SCAN_MS / 1000);
	return oc_err_hint(c->err, "give a smaller directory as workspace");
}

static void forget_levels(struct walk *w, uint32_t from)
{
	for (size_t i = 0; i < RING; i++)
		if (w->ring[i] >= 0 && w->ring_depth[i] >= from) {
			close(w->ring[i]);
			w->ring[i] = -1;
		}
}

static void remember(struct walk *w, uint32_t depth, int fd)
{
	size_t slot = depth % RING;

	if (w->ring[slot] >= 0)
		close(w->ring[slot]);
	w->ring[slot] = fd;
	w->ring_depth[slot] = depth;
}

/* Component (or components) [from, to) of the current path below fd. */
static int open_piece(const struct walk *w, int fd, size_t from, size_t to, uint64_t flags)
{
	char name[PATH_MAX];

	if (from < to && w->path.data[from] == '/')
		from++;
	memcpy(name, w->path.data + from, to - from);
	name[to - from] = '\0';
	return oc_openat2(fd, name, flags, 0, OC_BENEATH);
}

/* The level at depth from the start, not put into the ring. */
static int open_from_start(const struct walk *w, uint32_t depth)
{
	int fd = -1;
	uint32_t at = 0;

	while (at < depth) {
		uint32_t to = at + 1;
		while (to < depth && end_at(w, to + 1) - end_at(w, at) < PIECE)
			to++;
		int next = open_piece(w, fd < 0 ? w->base : fd, end_at(w, at), end_at(w, to),
				      O_PATH | O_DIRECTORY);
		if (fd >= 0) {
			int saved = errno;
			close(fd);
			errno = saved;
		}
		if (next < 0)
			return -1;
		fd = next;
		at = to;
	}
	return fd;
}

/* Descriptor of the current path's directory at depth; owned by the ring (or base). */
static int level(struct walk *w, uint32_t depth)
{
	if (depth == 0)
		return w->base;
	size_t slot = depth % RING;
	if (w->ring[slot] >= 0 && w->ring_depth[slot] == depth)
		return w->ring[slot];
	/* Several levels at once: who comes back to this one will want the ones above it next. */
	uint32_t start = depth > RING / 2 ? depth - RING / 2 : 0;
	if (start > 0) {
		int fd = open_from_start(w, start);
		if (fd < 0)
			return -1;
		remember(w, start, fd);
	}
	for (uint32_t d = start + 1; d <= depth; d++) {
		int above = d == 1 ? w->base : w->ring[(d - 1) % RING];
		int fd = open_piece(w, above, end_at(w, d - 1), end_at(w, d), O_PATH | O_DIRECTORY);
		if (fd < 0)
			return -1;
		remember(w, d, fd);
	}
	return w->ring[slot];
}

/*
 * A directory that its owner cannot read.  Scan: remembered.  Sweep: one that the payload made so
 * is made readable again, for who knows a name can enter it (mode 0111) and find what is there.
 */
static int unreadable(struct walk *w, int parent, const char *name)
{
	struct oc_guard_ctx *c = w->c;
	struct oc_guard_row row;
	struct stat st;
	char proc[32];
	oc_auto_close fd =
		oc_openat2(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, OC_BENEATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	oc_guard_row_fill(&row, &st);
	if (!c->sweep) {
		row.kind = OC_ROW_UNREADABLE;
		oc_guard_add_row(c, &row, w->path.data);
		errno = EACCES;
		return -1;
	}
	const struct oc_guard_row *was = oc_guard_base_find(c->base, w->path.data);
	errno = EACCES;
	if (was && was->kind == OC_ROW_UNREADABLE && was->ino == row.ino &&
	    was->ctime_sec == row.ctime_sec && was->ctime_nsec == row.ctime_nsec) {
		errno = ENOENT;
		return -1;
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (st.st_uid != geteuid() || chmod(proc, (st.st_mode & 01777) | 0700) < 0) {
		errno = EACCES;
		return -1;
	}
	return oc_openat2(parent, name, OPEN_FLAGS, 0, OC_BENEATH);
}

/* 1: skip it. */
static int cannot_open(struct walk *w)
{
	struct oc_guard_ctx *c = w->c;
	int e = errno;

	if (e == EMFILE || e == ENFILE || e == ENOMEM) {
		if (!c->sweep)
			return oc_fail(c->err, e, "workspace: cannot open directory %s",
				       w->path.data);
		oc_guard_incomplete(c, "too few descriptors or too little memory");
	} else if (c->sweep && e == EXDEV) {
		oc_guard_incomplete(
			c, oc_arena_printf(c->s, "%.200s is another mount and was not searched",
					   w->path.data));
	} else if (c->sweep && e != ENOENT && e != ENOTDIR && e != ELOOP) {
		oc_guard_incomplete(c, oc_arena_printf(c->s, "%.200s cannot be read: %s",
						       w->path.data, strerror(e)));
	}
	return 1;
}

static int push(struct walk *w, const char *name, uint32_t depth, unsigned flags,
		unsigned char prefix, const char *why)
{
	struct pending p = {
		.name = w->names.len, .depth = depth, .flags = flags, .prefix = prefix, .why = why};

	if (w->names.len > OC_GUARD_MAX_NAMES) {
		if (!w->c->sweep)
			return oc_fail(w->c->err, 0, "workspace: too many directories in %s",
				       w->path.data);
		oc_guard_incomplete(w->c, "too many directories");
		return 0;
	}
	oc_buf_add(&w->names, name, strlen(name) + 1);
	oc_buf_add(&w->stack, &p, sizeof(p));
	return 0;
}

static unsigned char entry_type(int fd, const struct dirent64_raw *e)
{
	struct stat st;

	if (e->type != DT_UNKNOWN)
		return e->type;
	if (fstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return (unsigned char)IFTODT(st.st_mode);
}

static int take_entry(struct walk *w, int fd, const struct pending *dir,
		      const struct dirent64_raw *e)
{
	struct oc_guard_ctx *c = w->c;
	unsigned char type = entry_type(fd, e);
	struct oc_name_class cls = oc_guard_classify(
		e->name, dir->prefix, dir->depth == 0 && w->path.len == 0, dir->flags & F_DEPS);
	struct raw_hit hit = {.pending = SIZE_MAX, .type = type, .cls = cls};

	/* Names of branches are free: refs/heads/release/mise.toml is one. */
	if ((dir->flags & F_PLAIN) && e->name[0] != '.')
		hit.cls.row = NULL;
	if (type == DT_DIR) {
		hit.pending = w->stack.len / sizeof(struct pending);
		unsigned flags = dir->flags & (F_PLAIN | F_DEPS | F_TREE);
		if (push(w, e->name, dir->depth + 1, flags | (cls.deps ? F_DEPS : 0), cls.prefix,
			 flags & F_TREE ? dir->why : NULL) < 0)
			return -1;
		if (hit.pending == w->stack.len / sizeof(struct pending))
			hit.pending = SIZE_MAX; /* the limit */
	} else if (w->ops->entry && w->ops->entry(c, fd, w->path.data, e->name, type) < 0) {
		return -1;
	}
	bool tree = (dir->flags & F_TREE) &&
		    !((dir->flags & F_HOOKS) && type == DT_REG && oc_guard_is_sample(e->name));
	if (!tree && !hit.cls.row && hit.cls.part == OC_GIT_NONE)
		return 0;
	hit.name = w->hit_names.len;
	oc_buf_add(&w->hit_names, e->name, strlen(e->name) + 1);
	oc_buf_add(&w->hits, &hit, sizeof(hit));
	return 0;
}

static int read_entries(struct walk *w, int fd, const struct pending *dir, size_t *entries)
{
	w->hits.len = w->hit_names.len = 0;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, w->buffer, BUFFER);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cannot_open(w);
			return 0;
		}
		if (n == 0)
			return 0;
		for (long at = 0; at < n;) {
			const struct dirent64_raw *e = (const void *)(w->buffer + at);
			at += e->reclen;
			if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
				continue;
			++*entries;
			if (take_entry(w, fd, dir, e) < 0)
				return -1;
		}
		int rc = late(w);
		if (rc != 0)
			return rc;
	}
}

static int visit(struct walk *w, const struct pending *dir, int fd)
{
	struct oc_guard_dir d = {
		.fd = fd, .path = w->path.data, .flags = dir->flags, .why = dir->why};
	int rc = read_entries(w, fd, dir, &d.entries);

	if (rc < 0)
		return rc;
	size_t n = w->hits.len / sizeof(struct raw_hit);
	w->out.len = 0;
	for (size_t i = 0; i < n; i++) {
		const struct raw_hit *raw =
			&((const struct raw_hit *)(const void *)w->hits.data)[i];
		struct pending *p =
			raw->pending == SIZE_MAX
				? NULL
				: &((struct pending *)(void *)w->stack.data)[raw->pending];
		struct oc_guard_hit hit = {
			.name = w->hit_names.data + raw->name,
			.type = raw->type,
			.cls = raw->cls,
			.flags = p ? &p->flags : NULL,
			.why = p ? &p->why : NULL,
		};
		oc_buf_add(&w->out, &hit, sizeof(hit));
	}
	int vrc = w->ops->visit(w->c, &d, (struct oc_guard_hit *)(void *)w->out.data, n);
	return vrc < 0 ? vrc : rc;
}

/* Enter the directory on top of the stack. */
static int next(struct walk *w)
{
	struct oc_guard_ctx *c = w->c;
	struct pending dir;
	int fd;

	w->stack.len -= sizeof(dir);
	memcpy(&dir, w->stack.data + w->stack.len, sizeof(dir));
	w->names.len = dir.name;
	if (dir.flags & F_DEAD)
		return 0;
	const char *name = w->names.data + dir.name;
	if (dir.depth == 0) {
		fd = oc_openat2(w->base, ".", OPEN_FLAGS, 0, OC_BENEATH);
		if (fd < 0)
			return oc_fail(c->err, errno, "workspace: cannot read the directory");
	} else {
		w->path.len = end_at(w, dir.depth - 1);
		forget_levels(w, dir.depth);
		if (w->path.len > 0)
			oc_buf_add(&w->path, "/", 1);
		oc_buf_puts(&w->path, name);
		w->ends.len = dir.depth * sizeof(size_t);
		oc_buf_add(&w->ends, &w->path.len, sizeof(size_t));
		if (c->skip && strcmp(c->skip, w->path.data) == 0)
			return 0;
		int parent = level(w, dir.depth - 1);
		fd = parent < 0 ? -1 : oc_openat2(parent, name, OPEN_FLAGS, 0, OC_BENEATH);
		if (fd < 0 && parent >= 0 && errno == EACCES)
			fd = unreadable(w, parent, name);
		if (fd < 0)
			return cannot_open(w) < 0 ? -1 : 0;
		remember(w, dir.depth, fd);
	}
	int rc = visit(w, &dir, fd);
	if (dir.depth == 0)
		close(fd);
	return rc;
}

int oc_guard_walk(struct oc_guard_ctx *c, const char *start, unsigned flags, const char *why,
		  const struct oc_guard_walk_ops *ops)
{
	struct walk w = {.c = c, .ops = ops};
	oc_auto_close base = oc_openat2(c->root, *start ? start : ".",
					O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, OC_BENEATH);
	int rc = 0;

	if (base < 0)
		return *start ? 0 : oc_fail(c->err, errno, "workspace: cannot open the directory");
	w.base = base;
	for (size_t i = 0; i < RING; i++)
		w.ring[i] = -1;
	char buffer[BUFFER] __attribute__((aligned(8)));
	w.buffer = buffer;
	oc_buf_puts(&w.path, start);
	oc_buf_add(&w.ends, &w.path.len, sizeof(size_t));
	push(&w, "", 0, flags, 0, why);
	while (w.stack.len > 0 && rc == 0) {
		rc = next(&w);
		oc_arena_free(c->s);
		if (rc == 0)
			rc = late(&w);
	}
	forget_levels(&w, 0);
	oc_buf_free(&w.path);
	oc_buf_free(&w.ends);
	oc_buf_free(&w.stack);
	oc_buf_free(&w.names);
	oc_buf_free(&w.hits);
	oc_buf_free(&w.hit_names);
	oc_buf_free(&w.out);
	return rc < 0 ? -1 : 0;
}
