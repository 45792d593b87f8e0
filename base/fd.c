/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd - descriptors: the callers of open-by-path, and reading and writing through descriptors.
 *
 * Every path is resolved once, by openat2(2) (Linux 5.6), with the resolve flags that its function
 * names.  Nothing here ever checks a path and opens it afterwards.
 */
#define _GNU_SOURCE 1 /* mempcpy(3), openat2 flags */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int oc_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};

	/*
	 * EAGAIN: a rename ran while ".." or a link was resolved below a root.  Try again, but not
	 * for ever: whoever can rename could keep us here.
	 */
	for (int tries = 0;;) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || (resolve & RESOLVE_CACHED) || ++tries == 64)
			return -1;
	}
}

int oc_read_all(int fd, struct oc_buf *out, size_t max)
{
	char chunk[16384];
	size_t total = 0;

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (n == 0)
			return 0;
		if ((size_t)n > max - total) {
			errno = EFBIG;
			return -1;
		}
		total += (size_t)n;
		oc_buf_add(out, chunk, (size_t)n);
	}
}

int oc_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Plain links are followed below dirfd (/proc/self, /sys/class), magic links never. */
static uint64_t below(int dirfd)
{
	return RESOLVE_NO_MAGICLINKS | (dirfd == AT_FDCWD ? 0 : (uint64_t)RESOLVE_BENEATH);
}

ssize_t oc_read_file_at(int dirfd, const char *path, char *buf, size_t size)
{
	size_t len = 0;

	if (size == 0) {
		errno = EINVAL;
		return -1;
	}
	oc_auto_close fd = oc_openat2(dirfd, path, O_RDONLY | O_NOCTTY, 0, below(dirfd));
	if (fd < 0)
		return -1;
	for (;;) {
		/* With the buffer full, one more byte tells the end from a file that does not fit.
		 */
		char more;
		bool full = len == size - 1;
		ssize_t n = full ? read(fd, &more, 1) : read(fd, buf + len, size - 1 - len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (n == 0)
			break;
		if (full) {
			errno = EFBIG;
			return -1;
		}
		len += (size_t)n;
	}
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return (ssize_t)len;
}

int oc_write_file_at(int dirfd, const char *path, const char *s)
{
	size_t len = strlen(s);
	oc_auto_close fd = oc_openat2(dirfd, path, O_WRONLY | O_NOCTTY, 0, below(dirfd));
	if (fd < 0)
		return -1;
	/* One write: procfs and cgroupfs take each write as one whole value. */
	ssize_t n;
	do
		n = write(fd, s, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if ((size_t)n != len) {
		errno = EIO;
		return -1;
	}
	return 0;
}

/* A new file with a name nobody can guess: ".oc-<16 hex digits>.tmp". */
static int create_temporary(int dirfd, char name[32])
{
	for (int tries = 0; tries < 16; tries++) {
		uint64_t r;
		if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
			return -1;
		snprintf(name, 32, ".oc-%016llx.tmp", (unsigned long long)r);
		int fd = oc_openat2(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
				    RESOLVE_BENEATH);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static int fill_file(int fd, const void *data, size_t len, mode_t mode)
{
	/* The mode is set last but before the name: nobody sees the file with another one. */
	if (oc_write_all(fd, data, len) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -1;
	return 0;
}

int oc_atomic_write_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		       struct oc_err *err)
{
	char tmp[32];

	if (!name[0] || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return oc_fail(err, EINVAL, "cannot write '%s': not a file name", name);
	/* dirfd may be O_PATH, which fsync(2) refuses. */
	oc_auto_close dir = oc_openat2(dirfd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (dir < 0)
		return oc_fail(err, errno, "cannot write '%s': cannot open its directory", name);
	oc_auto_close fd = create_temporary(dir, tmp);
	if (fd < 0)
		return oc_fail(err, errno,
			       "cannot write '%s': cannot create a temporary file beside it", name);
	if (fill_file(fd, data, len, mode) < 0 || renameat(dir, tmp, dir, name) < 0) {
		int cause = errno;
		unlinkat(dir, tmp, 0);
		return oc_fail(err, cause, "cannot write '%s'", name);
	}
	/* EINVAL: a file system without fsync of directories. */
	if (fsync(dir) < 0 && errno != EINVAL)
		return oc_fail(err, errno,
			       "'%s' is written, but its directory cannot be synchronised", name);
	return 0;
}

/* Give a directory that mkdirat(2) has just made the mode that the umask took away. */
static int restore_mode(int fd, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if ((st.st_mode & 0777) == (mode & 0777))
		return 0;
	oc_auto_close dir = oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (dir < 0)
		return -1;
	/* A set-group-ID bit that came from the parent stays. */
	return fchmod(dir, (mode & 07777) | (st.st_mode & 07000));
}

/* Open the directory name below dir, making it if it is missing. Returns a descriptor or -1 with
 * errno. */
static int enter(int dir, const char *name, mode_t mode)
{
	const uint64_t flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

	int fd = oc_openat2(dir, name, flags, 0, resolve);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	bool made = mkdirat(dir, name, mode) == 0;
	if (!made && errno != EEXIST)
		return -1;
	fd = oc_openat2(dir, name, flags, 0, resolve);
	if (fd >= 0 && made && restore_mode(fd, mode) < 0) {
		int cause = errno;
		close(fd);
		errno = cause;
		return -1;
	}
	return fd;
}

int oc_mkdir_path(const char *path, mode_t mode, struct oc_err *err)
{
	char name[NAME_MAX + 1];

	if (path[0] != '/')
		return oc_fail(err, EINVAL, "cannot make directory '%s': the path is not absolute",
			       path);
	oc_auto_close dir = oc_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);
	if (dir < 0)
		return oc_fail(err, errno, "cannot open '/'");
	for (const char *p = path;;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len == 0)
			break;
		int shown = (int)(p - path) + (int)len;
		if (len > NAME_MAX)
			return oc_fail(err, ENAMETOOLONG, "cannot make directory '%.*s'", shown,
				       path);
		memcpy(name, p, len);
		name[len] = 0;
		p += len;
		if (!strcmp(name, "."))
			continue;
		if (!strcmp(name, ".."))
			return oc_fail(err, EINVAL,
				       "cannot make directory '%s': '..' is not allowed", path);
		int next = enter(dir, name, mode);
		if (next < 0) {
			int cause = errno;
			oc_fail(err, cause, "cannot make directory '%.*s'", shown, path);
			if (cause == ELOOP || cause == ENOTDIR)
				oc_err_hint(err, "every part of this path must be a directory, not "
						 "a link: name the real "
						 "place");
			return -1;
		}
		close(dir);
		dir = next;
	}
	return oc_steal_fd(&dir);
}

char *oc_fd_path(struct oc_arena *a, int fd)
{
	char proc[32], path[PATH_MAX];
	struct stat is, named;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(proc, path, sizeof(path));
	if (n < 0)
		return NULL;
	if ((size_t)n == sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	path[n] = 0;
	/*
	 * The kernel's text alone proves nothing: " (deleted)" can be part of a name, and a
	 * detached mount shows a path that leads elsewhere from our root.  Only a path that names
	 * the same file counts.  Pipes and sockets have no '/' in front.
	 */
	if (path[0] != '/') {
		errno = ENOENT;
		return NULL;
	}
	if (fstat(fd, &is) < 0 ||
	    fstatat(AT_FDCWD, path, &named, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return NULL;
	if (is.st_dev != named.st_dev || is.st_ino != named.st_ino) {
		errno = ENOENT;
		return NULL;
	}
	return oc_arena_strndup(a, path, (size_t)n);
}

char *oc_path_clean(struct oc_arena *a, const char *path)
{
	if (path[0] != '/') {
		errno = EINVAL;
		return NULL;
	}
	char *out = oc_arena_alloc(a, strlen(path) + 1), *o = out;
	for (const char *p = path;;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len == 0)
			break;
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			errno = EINVAL;
			return NULL;
		}
		if (!(len == 1 && p[0] == '.')) {
			*o++ = '/';
			o = mempcpy(o, p, len);
		}
		p += len;
	}
	if (o == out)
		*o++ = '/';
	*o = 0;
	return out;
}

bool oc_path_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len) != 0)
		return false;
	/* "/" is the one clean path with a slash at its end. */
	return path[len] == 0 || path[len] == '/' || len == 1;
}
