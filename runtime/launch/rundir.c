/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir - see rundir.h.
 */
#include "runtime/launch/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define NAME	   "oc-sandbox"
#define STATE_NAME "run"
#define SWEEP_MAX  16u
#define BENEATH	   (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* --- the places --- */

/* Nobody else may put a directory of our name there, or take ours away. */
static bool suits(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022);
}

/* The directory itself: all in it is trusted. */
static int check(int fd, const char *parent, const char *name, struct oc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return oc_fail(err, errno, "%s/%s", parent, name);
	if (st.st_uid != geteuid()) {
		oc_fail(err, EPERM, "%s/%s belongs to user %u", parent, name, (unsigned)st.st_uid);
		return oc_err_hint(err, "find out who made it, and remove it");
	}
	if (st.st_mode & 077) {
		oc_fail(err, EPERM, "%s/%s is open to other users (mode %o)", parent, name,
			(unsigned)(st.st_mode & 07777));
		return oc_err_hint(err, "look at what is in it, then: chmod 700 %s/%s", parent,
				   name);
	}
	return 0;
}

static int open_below(int parent_fd, const char *parent, const char *name, bool make,
		      struct oc_err *err)
{
	if (make && mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
		return oc_fail(err, errno, "cannot make the directory %s/%s", parent, name);
	oc_auto_close fd =
		oc_openat2(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BENEATH);
	if (fd < 0)
		return oc_fail(err, errno, "%s/%s", parent, name);
	if (check(fd, parent, name, err) < 0)
		return -1;
	return oc_steal_fd(&fd);
}

/* *usable: an error is one of the directory, not that there is no such place here. */
static int open_runtime(bool make, bool *usable, struct oc_err *err)
{
	const char *parent = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	char usual[32];

	*usable = false;
	if (!parent) {
		snprintf(usual, sizeof usual, "/run/user/%u", (unsigned)geteuid());
		parent = usual;
	}
	if (parent[0] != '/')
		return oc_fail(err, ENOENT, "XDG_RUNTIME_DIR");
	oc_auto_close fd = oc_openat2(AT_FDCWD, parent, O_PATH | O_DIRECTORY, 0,
				      RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0 || !suits(fd))
		return oc_fail(err, ENOENT, "%s", parent);
	int r = open_below(fd, parent, NAME, make, err);
	/* A container's /run may be read-only. */
	*usable = r >= 0 || !err || (err->errnum != EROFS && err->errnum != EACCES);
	return r;
}

static int open_state(const char *state_dir, bool make, struct oc_err *err)
{
	if (!state_dir) {
		oc_fail(err, ENOENT, "there is no directory for running sandboxes");
		return oc_err_hint(err, "set XDG_RUNTIME_DIR to a directory of your own, or HOME, "
					"or OPENCLAW_STATE_DIR");
	}
	oc_auto_close fd = make ? oc_mkdir_path(state_dir, 0700, err)
				: oc_openat2(AT_FDCWD, state_dir, O_PATH | O_DIRECTORY, 0,
					     RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return make ? -1 : oc_fail(err, errno, "%s", state_dir);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return oc_fail(err, errno, "%s", state_dir);
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		oc_fail(err, EPERM,
			"the state directory %s belongs to somebody else, or can be "
			"written by others",
			state_dir);
		return oc_err_hint(err, "set XDG_RUNTIME_DIR to a directory of your own, or "
					"correct that");
	}
	return open_below(fd, state_dir, STATE_NAME, make, err);
}

int oc_rundir_make(const char *state_dir, struct oc_err *err)
{
	bool usable;
	int fd = open_runtime(true, &usable, err);

	return fd >= 0 || usable ? fd : open_state(state_dir, true, err);
}

int oc_rundir_open(const char *state_dir, unsigned place, struct oc_err *err)
{
	bool usable;

	if (place == 0)
		return open_runtime(false, &usable, err);
	return open_state(state_dir, false, err);
}

/* --- what is in it --- */

bool oc_rundir_is_id(const char *name)
{
	return strlen(name) == OC_RUNDIR_ID_LEN &&
	       strspn(name, "0123456789abcdef") == OC_RUNDIR_ID_LEN;
}

static int open_entry(int run_fd, const char *id)
{
	struct stat st;
	int fd = oc_openat2(run_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BENEATH);

	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid())) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* True if it was dead, and is removed. */
static bool bury(int run_fd, int dir_fd, const char *id)
{
	if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	oc_rundir_remove(run_fd, dir_fd, id);
	return true;
}

int oc_rundir_new(int run_fd, char id[OC_RUNDIR_ID_LEN + 1], struct oc_err *err)
{
	uint64_t r;

	for (int tries = 0; tries < 16; tries++) {
		struct stat st;
		if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
			return oc_fail(err, errno, "getrandom");
		snprintf(id, OC_RUNDIR_ID_LEN + 1, "%012llx", (unsigned long long)(r >> 16));
		if (mkdirat(run_fd, id, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return oc_fail(err, errno, "cannot make a directory in the run directory");
		}
		oc_auto_close fd = open_entry(run_fd, id);
		if (fd < 0 && errno != ENOENT)
			return oc_fail(err, errno, "cannot open %s in the run directory", id);
		int e = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 ? errno : 0;
		if (e && e != EWOULDBLOCK) {
			unlinkat(run_fd, id, AT_REMOVEDIR);
			oc_fail(err, e, "cannot lock a directory in the run directory");
			return oc_err_hint(err,
					   "set XDG_RUNTIME_DIR to a directory of a local file "
					   "system");
		}
		/* Until it was locked, somebody could take it for a dead one's and remove it. */
		if (fd >= 0 && !e && fstat(fd, &st) == 0 && st.st_nlink > 0)
			return oc_steal_fd(&fd);
	}
	return oc_fail(err, EBUSY, "cannot make a directory in the run directory");
}

int oc_rundir_entry(int run_fd, const char *id)
{
	oc_auto_close fd = open_entry(run_fd, id);

	if (fd >= 0 && bury(run_fd, fd, id)) {
		struct stat st;
		errno = fstat(fd, &st) == 0 && st.st_nlink > 0 ? ENOTEMPTY : ENOENT;
		return -1;
	}
	return oc_steal_fd(&fd);
}

ssize_t oc_rundir_read(int dir_fd, const char *name, char *buf, size_t size)
{
	struct stat st;
	oc_auto_close fd = oc_openat2(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				      BENEATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		errno = EPERM;
		return -1;
	}
	ssize_t n = read(fd, buf, size);
	if (n == (ssize_t)size) {
		errno = EFBIG;
		return -1;
	}
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

void oc_rundir_sweep(int run_fd)
{
	int copy = oc_openat2(run_fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	unsigned count = 0, first = 0, i = 0;

	if (!d) {
		oc_closep(&copy);
		return;
	}
	while (readdir(d))
		count++;
	/* Another part each time: who is looked at first would always be the same. */
	if (count > SWEEP_MAX && getrandom(&first, sizeof first, 0) == (ssize_t)sizeof first)
		first %= count;
	rewinddir(d);
	for (struct dirent *e; i < first + SWEEP_MAX && (e = readdir(d)); i++) {
		if (i < first || !oc_rundir_is_id(e->d_name))
			continue;
		oc_auto_close fd = open_entry(run_fd, e->d_name);
		if (fd >= 0)
			bury(run_fd, fd, e->d_name);
	}
	closedir(d);
}

void oc_rundir_remove(int run_fd, int dir_fd, const char *id)
{
	static const char *const names[] = {"control",	    "info.json",      "info.json.tmp",
					    "egress.jsonl", "egress.jsonl.1", "activity"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlinkat(dir_fd, names[i], 0);
	unlinkat(run_fd, id, AT_REMOVEDIR);
}

unsigned long long oc_rundir_start_time(pid_t pid)
{
	char path[64], text[1024];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (oc_read_file_at(AT_FDCWD, path, text, sizeof text) < 0)
		return 0;
	/* The name in parentheses may hold anything; field 22 is the 20th after it. */
	char *p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}
