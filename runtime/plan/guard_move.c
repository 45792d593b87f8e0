/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_move - one object out of the workspace, into the quarantine.
 *
 * By rename where that works.  On another file system: a bounded copy of directories, regular files
 * (never their set-id bits, holes stay holes) and the text of links, then removal; devices, fifos
 * and sockets are only removed.  What is too big to copy, or if there is no room, is renamed in its
 * own directory to a name that nothing looks at.  Never follows a link, never overwrites
 * (RENAME_NOREPLACE, O_EXCL: CVE-2026-46406).
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/plan/guard_priv.h"

#ifndef RENAME_NOREPLACE /* musl has neither the constant nor the function */
#define RENAME_NOREPLACE 1
#endif

static int rename_noreplace(int from, const char *name, int to, const char *new)
{
	return (int)syscall(SYS_renameat2, from, name, to, new, RENAME_NOREPLACE);
}

#define COPY_MAX_BYTES	 (256u << 20)
#define COPY_MAX_ENTRIES 20000
#define COPY_MAX_DEPTH	 64

struct copy {
	uint64_t bytes;
	unsigned entries;
	uint64_t dev; /* of the workspace: a mount below is not entered */
};

static int quarantine_fd(struct oc_guard_mover *m)
{
	if (m->fd < 0 && !m->failed) {
		struct oc_err ignored;
		int at = oc_mkdir_path(m->path, 0700, &ignored);
		if (at >= 0) {
			m->fd = oc_openat2(at, ".", O_RDONLY | O_DIRECTORY, 0, OC_BENEATH);
			close(at);
		}
		m->failed = m->fd < 0;
	}
	return m->fd;
}

/* "<sequence>-<escaped name>": ASCII, no leading dot, at most 120 bytes. */
static void new_name(struct oc_guard_mover *m, const char *path, char out[128])
{
	static const char digits[] = "0123456789abcdef";
	int len = snprintf(out, 32, "%04lu-", ++m->seq);
	size_t n = len > 0 ? (size_t)len : 0, plen = strlen(path);

	/* The end of a path says more than its beginning. */
	if (plen > 90)
		path += plen - 90;
	for (const unsigned char *p = (const unsigned char *)path; *p && n < 117; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || *p == '.' || *p == '-' || *p == '_';
		if (plain) {
			out[n++] = (char)*p;
		} else {
			out[n++] = '%';
			out[n++] = digits[*p >> 4];
			out[n++] = digits[*p & 15];
		}
	}
	out[n] = '\0';
}

/*
 * The payload had the owner's ids: it can take away the owner's right to write into a directory.
 * Give it back. fd may be O_PATH, thus through /proc.
 */
static bool make_writable(int fd)
{
	struct stat st;
	char path[32];

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_mode & 0700) == 0700)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, (st.st_mode & 01777) | 0700) == 0;
}

static int move_once(int dirfd, const char *name, int to, const char *new)
{
	if (rename_noreplace(dirfd, name, to, new) == 0)
		return 0;
	if (errno != EACCES)
		return -1;
	bool changed = make_writable(dirfd);
	/* A directory that gets another parent must be writable itself. */
	oc_auto_close fd =
		oc_openat2(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, OC_BENEATH);
	if (fd >= 0 && make_writable(fd))
		changed = true;
	if (!changed) {
		errno = EACCES;
		return -1;
	}
	return rename_noreplace(dirfd, name, to, new);
}

/* --- copy --- */

static int copy_range(int in, int out, off_t at, off_t end)
{
	char chunk[65536];

	while (at < end) {
		size_t want = end - at < (off_t)sizeof(chunk) ? (size_t)(end - at) : sizeof(chunk);
		ssize_t n = pread(in, chunk, want, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(out, chunk + done, (size_t)(n - done), at + done);
			if (w < 0 && errno == EINTR)
				continue;
			if (w < 0)
				return -1;
			done += w;
		}
		at += n;
	}
	return 0;
}

static int copy_file(struct copy *c, int dirfd, const char *name, int to, const char *new)
{
	struct stat st;
	oc_auto_close in =
		oc_openat2(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, OC_BENEATH);
	if (in < 0 || fstat(in, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	oc_auto_close out = oc_openat2(to, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				       st.st_mode & 0700, OC_BENEATH);
	if (out < 0 || ftruncate(out, st.st_size) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size;) {
		off_t data = lseek(in, at, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -1;
		off_t hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -1;
		c->bytes += (uint64_t)(hole - data);
		if (c->bytes > COPY_MAX_BYTES) {
			errno = EFBIG;
			return -1;
		}
		if (copy_range(in, out, data, hole) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

static int for_each(int dirfd, const char *name, int (*fn)(void *, int, const char *), void *ctx)
{
	int fd = oc_openat2(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0,
			    OC_BENEATH);
	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -1;
	}
	int rc = 0;
	while (rc == 0) {
		errno = 0;
		const struct dirent *e = readdir(d);
		if (!e) {
			rc = errno ? -1 : 0;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = fn(ctx, fd, e->d_name);
	}
	int saved = errno;
	closedir(d);
	errno = saved;
	return rc;
}

struct level {
	struct copy *c;
	int to;
	unsigned depth;
};
static int copy_object(struct copy *c, int dirfd, const char *name, int to, const char *new,
		       unsigned depth);

static int copy_child(void *ctx, int dirfd, const char *name)
{
	const struct level *l = ctx;

	return copy_object(l->c, dirfd, name, l->to, name, l->depth);
}

static int copy_object(struct copy *c, int dirfd, const char *name, int to, const char *new,
		       unsigned depth)
{
	struct stat st;
	char text[PATH_MAX];

	if (++c->entries > COPY_MAX_ENTRIES || depth > COPY_MAX_DEPTH) {
		errno = EFBIG;
		return -1;
	}
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return copy_file(c, dirfd, name, to, new);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dirfd, name, text, sizeof(text) - 1);
		if (n < 0)
			return -1;
		text[n] = '\0';
		return symlinkat(text, to, new);
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (mkdirat(to, new, 0700) < 0)
		return -1;
	oc_auto_close below =
		oc_openat2(to, new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, OC_BENEATH);
	if (below < 0)
		return -1;
	struct level l = {.c = c, .to = below, .depth = depth + 1};
	return for_each(dirfd, name, copy_child, &l);
}

/* Depth and number were bounded by the copy before. */
static int remove_object(void *ctx, int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	oc_auto_close fd =
		oc_openat2(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, OC_BENEATH);
	if (fd >= 0)
		make_writable(fd);
	/* readdir(3) may miss entries while others are removed: go on until the directory is empty.
	 */
	for (unsigned rounds = 0; rounds < 64; rounds++) {
		if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -1;
		if (for_each(dirfd, name, remove_object, ctx) < 0)
			return -1;
	}
	return -1;
}

static int copy_away(int dirfd, const char *name, int to, const char *new)
{
	struct copy c = {0};

	if (copy_object(&c, dirfd, name, to, new, 0) < 0) {
		remove_object(NULL, to, new);
		return -1;
	}
	return remove_object(NULL, dirfd, name);
}

int oc_guard_move(struct oc_guard_mover *m, int dirfd, const char *name, const char *path,
		  const char **moved, const char **renamed)
{
	char new[128];

	*moved = *renamed = NULL;
	int to = quarantine_fd(m);
	for (unsigned tries = 0; to >= 0 && tries < 100000; tries++) {
		new_name(m, path, new);
		int rc = move_once(dirfd, name, to, new);
		if (rc < 0 && errno == EXDEV) {
			struct stat st;
			if (fstatat(to, new, &st, AT_SYMLINK_NOFOLLOW) == 0)
				continue;
			rc = copy_away(dirfd, name, to, new);
		}
		if (rc == 0) {
			*moved = oc_arena_printf(m->a, "%s/%s", m->path, new);
			return 0;
		}
		if (errno == ENOENT) {
			struct stat st;
			if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
				return 0; /* gone already */
			break;
		}
		if (errno != EEXIST)
			break;
	}
	for (unsigned tries = 0; tries < 100000; tries++) {
		snprintf(new, sizeof(new), "oc-quarantined-%04lu", ++m->seq);
		if (move_once(dirfd, name, dirfd, new) == 0) {
			*renamed = oc_arena_strdup(m->a, new);
			return 0;
		}
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}
