/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove - see remove.h.
 */
#include "runtime/session/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define REST   ".removed-" /* no slug begins with a dot */
#define DEPTH  24	   /* below that a directory is moved up first */
#define INSIDE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

bool oc_remove_is_rest(const char *name)
{
	return strncmp(name, REST, sizeof REST - 1) == 0;
}

/* A directory that we can list and empty, whatever its mode says. */
static int open_dir(int parent, const char *name)
{
	const uint64_t flags = O_DIRECTORY | O_NOFOLLOW;
	int fd = oc_openat2(parent, name, O_RDONLY | flags, 0, INSIDE);
	struct stat st;

	if (fd < 0 && errno == EACCES) {
		char proc[48];
		oc_auto_close path = oc_openat2(parent, name, O_PATH | flags, 0, INSIDE);
		if (path < 0)
			return -1;
		/* fchmod(2) refuses O_PATH; fchmodat2(2) is of Linux 6.6. */
		snprintf(proc, sizeof proc, "/proc/self/fd/%d", path);
		if (chmod(proc, 0700) < 0)
			return -1;
		return oc_openat2(parent, name, O_RDONLY | flags, 0, INSIDE);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700);
	return fd;
}

/* One that nobody can have thought of before. */
static int new_name(char out[sizeof REST + 16])
{
	uint64_t r;

	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		return -1;
	snprintf(out, sizeof REST + 16, REST "%012llx", (unsigned long long)(r >> 16));
	return 0;
}

struct walk {
	int top;		 /* what is too deep comes here */
	char name[NAME_MAX + 1]; /* that failed */
	int errnum;
};

static void failed(struct walk *w, const char *name)
{
	if (w->errnum)
		return;
	w->errnum = errno;
	snprintf(w->name, sizeof w->name, "%s", name);
}

static bool remove_entry(struct walk *w, int dir, const char *name, int depth);

/* Remove what is in it.  Removing while reading may hide entries from the reader: again until
 * nothing is left. */
static bool empty(struct walk *w, int fd, int depth)
{
	for (;;) {
		bool any = false, progress = false;
		int copy = oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		if (!d) {
			failed(w, ".");
			oc_closep(&copy);
			return false;
		}
		for (struct dirent *e; (e = readdir(d));) {
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			any = true;
			progress |= remove_entry(w, fd, e->d_name, depth);
		}
		closedir(d);
		if (!any)
			return true;
		if (!progress)
			return false;
	}
}

/* True if something is gone from dir. */
static bool remove_entry(struct walk *w, int dir, const char *name,
			 int depth) // NOLINT(misc-no-recursion): DEPTH
{
	if (unlinkat(dir, name, 0) == 0 || unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST) {
		failed(w, name);
		return false;
	}
	oc_auto_close fd = open_dir(dir, name);
	if (fd < 0) {
		failed(w, name);
		return false;
	}
	if (depth >= DEPTH) {
		char up[sizeof REST + 16];
		if (new_name(up) == 0 && renameat(dir, name, w->top, up) == 0)
			return true;
		failed(w, name);
		return false;
	}
	if (empty(w, fd, depth + 1) && unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return true;
	failed(w, name);
	return false;
}

static int remove_at(int parent, const char *name, struct oc_err *err)
{
	oc_auto_close fd = open_dir(parent, name);
	struct walk w = {.top = fd};

	if (fd < 0)
		return oc_fail(err, errno, "cannot open %s", name);
	if (empty(&w, fd, 0) && unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	if (!w.errnum)
		return oc_fail(err, errno, "cannot remove %s", name);
	oc_fail(err, w.errnum, "cannot remove %s", w.name);
	return oc_err_context(err, "%s", name);
}

int oc_remove_dir(const char *path, struct oc_err *err)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX], gone[sizeof REST + 16];
	struct stat st;

	if (!slash || slash == path || !slash[1] || (size_t)(slash - path) >= sizeof parent)
		return oc_fail(err, 0, "%s is no directory of a sandbox", path);
	snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	oc_auto_close fd = oc_openat2(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0,
				      RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return errno == ENOENT ? 0 : oc_fail(err, errno, "%s", parent);
	if (fstatat(fd, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : oc_fail(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		oc_fail(err, 0, "%s is not a directory", path);
		return oc_err_hint(err, "look at it, and remove it");
	}
	if (new_name(gone) < 0 || renameat(fd, slash + 1, fd, gone) < 0)
		return oc_fail(err, errno, "cannot rename %s", path);
	if (remove_at(fd, gone, err) < 0)
		return oc_err_context(err, "%s", parent);
	return 0;
}

size_t oc_remove_rest(const char *parent)
{
	int fd = oc_openat2(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0,
			    RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t count = 0;

	if (!d) {
		oc_closep(&fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (oc_remove_is_rest(e->d_name) && remove_at(fd, e->d_name, NULL) == 0)
			count++;
	closedir(d);
	return count;
}
