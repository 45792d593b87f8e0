/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - a path becomes a directory and a name in it; a file there is replaced as a whole.
 *
 * Whoever shares the sandbox can change the tree at any moment.  That gives nobody more than he
 * has: it is his tree.  So what is held against it here is only that a file is lost or halved by
 * accident.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/fileop/fileop.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif
#define LINKS_MAX 40 /* as the kernel has it */

void oc_place_close(struct oc_place *p)
{
	oc_closep(&p->dir);
}

int oc_file_refuse(mode_t mode, const char *path, struct oc_err *err)
{
	const char *what = "no regular file";

	if (S_ISDIR(mode)) {
		oc_fail(err, 0, "%s is a directory", path);
		return oc_err_hint(err, "ls, run with the tool exec, lists it");
	}
	if (S_ISFIFO(mode))
		what = "a FIFO";
	else if (S_ISSOCK(mode))
		what = "a socket";
	else if (S_ISCHR(mode) || S_ISBLK(mode))
		what = "a device";
	return oc_fail(err, 0, "%s is %s: only regular files are read and written", path, what);
}

int oc_file_open(int dir, const char *name, const char *path, struct stat *st, struct oc_err *err)
{
	/* First without opening it: a FIFO's writer would see a reader come, a terminal be made. */
	oc_auto_close look = openat(dir, name, O_PATH | O_CLOEXEC);

	if (look < 0 || fstat(look, st) < 0)
		return oc_fail(err, errno, "%s", path);
	if (!S_ISREG(st->st_mode))
		return oc_file_refuse(st->st_mode, path, err);
	oc_auto_close fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) < 0)
		return oc_fail(err, errno, "%s", path);
	if (!S_ISREG(st->st_mode))
		return oc_file_refuse(st->st_mode, path, err);
	return oc_steal_fd(&fd);
}

/* Make what is missing of the directory text[0..len), below dir or the root. */
static int make_directories(int dir, const char *text, size_t len, const char *path,
			    struct oc_err *err)
{
	oc_auto_close at =
		openat(dir, len && text[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];

	for (size_t i = 0; at >= 0 && i < len;) {
		size_t n = 0;
		while (i + n < len && text[i + n] != '/')
			n++;
		if (n > NAME_MAX)
			return oc_fail(err, ENAMETOOLONG, "%s", path);
		if (n > 0) {
			memcpy(name, text + i, n);
			name[n] = '\0';
			/* EROFS and EACCES do not say whether it is there: the next step does. */
			bool made = mkdirat(at, name, 0777) == 0;
			int why = errno;
			int next = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				return oc_fail(err, !made && errno == ENOENT ? why : errno,
					       "%s: cannot make its directory %.*s", path,
					       (int)(i + n), text);
			close(at);
			at = next;
		}
		i += n + 1;
	}
	return at < 0 ? oc_fail(err, errno, "%s", path) : 0;
}

/* dir and what is before the last '/' of text -> a new dir; the rest is the name. */
static int step_into(struct oc_place *p, const char *text, const char *path, bool make,
		     struct oc_err *err)
{
	const char *slash = strrchr(text, '/'), *name = slash ? slash + 1 : text;
	char head[PATH_MAX];
	size_t len = slash ? (size_t)(slash - text) + 1 : 0, name_len = strlen(name);
	int from = p->dir >= 0 ? p->dir : AT_FDCWD, fd;

	if (name_len >= sizeof p->name || len >= sizeof head)
		return oc_fail(err, ENAMETOOLONG, "%s", path);
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return oc_file_refuse(S_IFDIR, path, err);
	snprintf(head, sizeof head, "%.*s", (int)len, text);
	fd = openat(from, len ? head : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && make) {
		if (make_directories(from, text, len, path, err) < 0)
			return -1;
		fd = openat(from, head, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return oc_fail(err, errno, "%s: its directory cannot be opened", path);
	oc_place_close(p);
	p->dir = fd;
	memcpy(p->name, name, name_len + 1);
	return 0;
}

int oc_place_find(const char *path, bool make, struct oc_place *p, struct oc_err *err)
{
	char text[PATH_MAX];

	if (strlen(path) >= sizeof text)
		return oc_fail(err, ENAMETOOLONG, "%.100s...", path);
	snprintf(text, sizeof text, "%s", path);
	for (int links = 0;; links++) {
		if (step_into(p, text, path, make, err) < 0)
			return -1;
		ssize_t n = readlinkat(p->dir, p->name, text, sizeof text - 1);
		if (n < 0)
			break;
		if (links == LINKS_MAX)
			return oc_fail(err, ELOOP, "%s", path);
		text[n] = '\0';
	}
	p->exists = fstatat(p->dir, p->name, &p->st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!p->exists && errno != ENOENT)
		return oc_fail(err, errno, "%s", path);
	if (p->exists && !S_ISREG(p->st.st_mode))
		return oc_file_refuse(p->st.st_mode, path, err);
	return 0;
}

/* The file that was there, for writing; -1 with errno 0 if it must not be opened but can be
 * replaced. */
static int open_old(const struct oc_place *p, const char *path, struct oc_err *err)
{
	struct stat st;
	oc_auto_close fd =
		openat(p->dir, p->name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ETXTBSY) { /* it runs: a new file takes its name */
		errno = 0;
		return -1;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		oc_fail(err, errno, "cannot write to %s", path);
		errno = EACCES;
		return -1;
	}
	if (st.st_dev != p->st.st_dev || st.st_ino != p->st.st_ino) {
		oc_fail(err, 0, "%s was replaced while it was looked at", path);
		errno = EAGAIN;
		return -1;
	}
	return oc_steal_fd(&fd);
}

static int over(int fd, const char *path, struct oc_file_text data, struct oc_err *err)
{
	if (oc_write_all(fd, data.data, data.len) < 0 || ftruncate(fd, (off_t)data.len) < 0) {
		oc_fail(err, errno, "cannot write to %s", path);
		return oc_err_hint(err, "a part of it may have been written");
	}
	return 0;
}

static bool unchanged(const struct oc_place *p)
{
	struct stat st;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return !p->exists && errno == ENOENT;
	return p->exists && st.st_dev == p->st.st_dev && st.st_ino == p->st.st_ino &&
	       st.st_size == p->st.st_size && st.st_mtim.tv_sec == p->st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == p->st.st_mtim.tv_nsec;
}

/* The file "name" takes the place.  Where there was none, nothing may be replaced. */
static int take_place(const struct oc_place *p, const char *name)
{
	if (p->exists)
		return renameat(p->dir, name, p->dir, p->name);
	int r = (int)syscall(SYS_renameat2, p->dir, name, p->dir, p->name, RENAME_NOREPLACE);
	if (r < 0 && (errno == EINVAL || errno == ENOSYS)) /* not of every file system */
		return renameat(p->dir, name, p->dir, p->name);
	return r;
}

int oc_place_put(const struct oc_place *p, const char *path, struct oc_file_text data,
		 bool *in_place, struct oc_err *err)
{
	char name[48];
	uint64_t r = 0;
	oc_auto_close old = -1;

	*in_place = false;
	if (p->exists) {
		old = open_old(p, path, err);
		if (old < 0 && errno)
			return -1;
	}
	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		return oc_fail(err, errno, "getrandom");
	snprintf(name, sizeof name, ".oc-new-%016llx", (unsigned long long)r);
	/* No fsync: it would cost more than all the rest, and what a power cut leaves here can be
	 * made again. */
	oc_auto_close fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				  p->exists ? 0600 : 0666);
	if (fd < 0 && old >= 0 && (errno == EACCES || errno == EPERM || errno == EROFS)) {
		*in_place = true;
		return over(old, path, data, err);
	}
	if (fd < 0)
		return oc_fail(err, errno, "%s: cannot make a file in its directory", path);
	int why = 0;
	if (oc_write_all(fd, data.data, data.len) < 0)
		why = errno;
	/* Set-user-id bits are not for a content that somebody has just made up. */
	if (!why && p->exists && fchmod(fd, p->st.st_mode & 0777) < 0)
		why = errno;
	if (!why && p->exists && p->st.st_gid != getegid())
		(void)!fchown(fd, (uid_t)-1, p->st.st_gid); /* if we are in that group */
	if (why) {
		oc_fail(err, why, "cannot write to %s", path);
	} else if (!unchanged(p)) {
		oc_fail(err, 0, "%s was changed by somebody else meanwhile", path);
		oc_err_hint(err, "nothing was written; read it again");
		why = EAGAIN;
	} else if (take_place(p, name) < 0) {
		why = errno;
		/* A file that is bound on its own cannot be replaced. */
		if (why == EBUSY && old >= 0) {
			unlinkat(p->dir, name, 0);
			*in_place = true;
			return over(old, path, data, err);
		}
		oc_fail(err, why, "cannot replace %s", path);
	}
	if (why)
		unlinkat(p->dir, name, 0);
	return why ? -1 : 0;
}
