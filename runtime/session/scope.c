/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope - see scope.h.
 */
#include "runtime/session/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"

#define PREFIX	"scope-"
#define DIGITS	16
#define TEXT	(OC_RUNDIR_ID_LEN + 1) /* the id and a newline */
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static void name_of(const char *state_dir, const char *scope_key, char out[32])
{
	oc_auto_buf text = {0};
	char hex[65];

	oc_buf_puts(&text, state_dir ? state_dir : "");
	oc_buf_add(&text, "", 1);
	oc_buf_puts(&text, scope_key);
	oc_sha256_hex(text.data, text.len, hex);
	snprintf(out, 32, PREFIX "%.*s", DIGITS, hex);
}

static bool is_name(const char *s)
{
	return strncmp(s, PREFIX, sizeof PREFIX - 1) == 0 &&
	       strlen(s) == sizeof PREFIX - 1 + DIGITS &&
	       strspn(s + sizeof PREFIX - 1, "0123456789abcdef") == DIGITS;
}

/* What is wrong with the file, in the user's words. */
static int not_ours(int run_fd, const char *name, const char *what, struct oc_err *err)
{
	oc_auto_arena a = {0};
	const char *path = oc_fd_path(&a, run_fd);

	oc_fail(err, 0, "%s/%s %s", path ? path : "the run directory", name, what);
	return oc_err_hint(
		err,
		"oc-sandbox keeps there which sandbox serves this scope: look at the file, and "
		"remove it");
}

/* A file that only we can have written. */
static int check(int run_fd, int fd, const char *name, struct oc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return oc_fail(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return not_ours(run_fd, name, "is not a file", err);
	if (st.st_uid != geteuid())
		return not_ours(run_fd, name, "belongs to another user", err);
	if (st.st_mode & 022)
		return not_ours(run_fd, name, "can be written by other users", err);
	if (st.st_nlink > 1)
		return not_ours(run_fd, name, "has another name (a hard link)", err);
	return 0;
}

static int open_file(int run_fd, const char *name, bool make, struct oc_err *err)
{
	uint64_t flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (make ? O_CREAT : 0);
	oc_auto_close fd = oc_openat2(run_fd, name, flags, make ? 0600 : 0, BENEATH);

	if (fd < 0 && errno == ELOOP)
		return not_ours(run_fd, name, "is a link", err);
	if (fd < 0 && (errno == EISDIR || errno == ENXIO))
		return not_ours(run_fd, name, "is not a file", err);
	if (fd < 0)
		return oc_fail(err, errno, "cannot open %s in the run directory", name);
	return check(run_fd, fd, name, err) < 0 ? -1 : oc_steal_fd(&fd);
}

/* The lock is on a file, the name may be another's by now. */
static bool still_named(int run_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(run_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* 1: an id; 0: empty, somebody was killed before he wrote it; -1: something else. */
static int read_id(int fd, char id[OC_RUNDIR_ID_LEN + 1])
{
	char text[TEXT + 1];
	ssize_t n = pread(fd, text, sizeof text, 0);

	if (n == 0)
		return 0;
	if (n != TEXT || text[TEXT - 1] != '\n')
		return -1;
	text[TEXT - 1] = '\0';
	if (!oc_rundir_is_id(text))
		return -1;
	memcpy(id, text, OC_RUNDIR_ID_LEN + 1);
	return 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Lock what the name means.  flock(2) has no time limit, so it is asked again and again. */
static int acquire(int run_fd, const char *name, const char *scope_key, struct oc_err *err)
{
	int64_t end = now_ms() + OC_SCOPE_WAIT_MS;
	long pause_us = 500;
	oc_auto_close fd = -1;

	for (;;) {
		if (fd < 0 && (fd = open_file(run_fd, name, true, err)) < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (still_named(run_fd, name, fd))
				return oc_steal_fd(&fd);
			close(fd);
			fd = -1;
			continue;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return oc_fail(err, errno, "cannot lock %s in the run directory", name);
		if (now_ms() >= end) {
			oc_fail(err, 0,
				"another oc-sandbox has been making the sandbox of %s for %d s",
				scope_key, OC_SCOPE_WAIT_MS / 1000);
			return oc_err_hint(err, "see what that process waits for, or end it");
		}
		nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
		pause_us = pause_us < 10000 ? pause_us * 2 : 20000;
	}
}

int oc_scope_lock(struct oc_scope *s, struct oc_arena *a, const char *state_dir,
		  const char *scope_key, struct oc_door *door, bool *live, struct oc_err *err)
{
	char id[OC_RUNDIR_ID_LEN + 1];

	*s = (struct oc_scope){.run_fd = -1, .fd = -1};
	*live = false;
	name_of(state_dir, scope_key, s->name);
	s->run_fd = oc_rundir_make(state_dir, err);
	if (s->run_fd < 0)
		return -1;
	s->fd = acquire(s->run_fd, s->name, scope_key, err);
	int r = s->fd < 0 ? -2 : read_id(s->fd, id);
	if (r == -1)
		not_ours(s->run_fd, s->name, "does not hold the id of a sandbox", err);
	/* The id of a dead one, or of one that serves another scope by now: nobody serves it. */
	if (r == 1)
		r = oc_door_by_id(a, state_dir, id, door, err);
	else if (r == 0)
		r = 1;
	if (r < 0) {
		/* The file stays: it is not ours, or names one that lives and is not understood. */
		s->served = true;
		oc_scope_unlock(s);
		return -1;
	}
	*live = r == 0;
	if (*live && (!door->scope_key || strcmp(door->scope_key, scope_key) != 0)) {
		oc_door_close(door);
		*live = false;
	}
	s->served = *live;
	return 0;
}

bool oc_scope_peek(const char *state_dir, const char *scope_key)
{
	char name[32], text[TEXT + 1];
	oc_auto_close run = oc_rundir_open(state_dir, 0, NULL);

	if (run < 0)
		run = oc_rundir_open(state_dir, 1, NULL);
	if (run < 0)
		return false;
	name_of(state_dir, scope_key, name);
	if (oc_rundir_read(run, name, text, sizeof text) != TEXT || text[TEXT - 1] != '\n')
		return false;
	text[TEXT - 1] = '\0';
	oc_auto_close entry = oc_rundir_is_id(text) ? oc_rundir_entry(run, text) : -1;
	return entry >= 0;
}

int oc_scope_set(struct oc_scope *s, const char *id, struct oc_err *err)
{
	char text[TEXT + 1];

	snprintf(text, sizeof text, "%.*s\n", OC_RUNDIR_ID_LEN, id);
	if (pwrite(s->fd, text, TEXT, 0) != TEXT)
		return oc_fail(err, errno, "cannot write %s in the run directory", s->name);
	s->served = true;
	return 0;
}

void oc_scope_ended(struct oc_scope *s)
{
	s->served = false;
}

void oc_scope_unlock(struct oc_scope *s)
{
	if (s->fd >= 0) {
		if (!s->served)
			unlinkat(s->run_fd, s->name, 0);
		/* A process that was forked meanwhile may hold a copy of the descriptor. */
		flock(s->fd, LOCK_UN);
		close(s->fd);
	}
	oc_closep(&s->run_fd);
	*s = (struct oc_scope){.run_fd = -1, .fd = -1};
}

/* Remove it if it names id, or with id NULL if it names nobody who lives; not while somebody holds
 * it. */
static bool drop(int run_fd, const char *name, const char *id)
{
	char named[OC_RUNDIR_ID_LEN + 1];
	oc_auto_close fd = open_file(run_fd, name, false, NULL);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !still_named(run_fd, name, fd))
		return false;
	int r = read_id(fd, named);
	bool go = r == 0 && !id;
	if (r == 1 && id)
		go = strcmp(id, named) == 0;
	if (r == 1 && !id) {
		oc_auto_close entry = oc_rundir_entry(run_fd, named);
		go = entry < 0 && errno == ENOENT;
	}
	return go && unlinkat(run_fd, name, 0) == 0;
}

void oc_scope_forget(const char *state_dir, const char *scope_key, const char *id)
{
	char name[32];

	name_of(state_dir, scope_key, name);
	for (unsigned place = 0; place < OC_RUNDIR_PLACES; place++) {
		oc_auto_close run = oc_rundir_open(state_dir, place, NULL);
		if (run >= 0)
			drop(run, name, id);
	}
}

size_t oc_scope_sweep(const char *state_dir)
{
	size_t count = 0;

	for (unsigned place = 0; place < OC_RUNDIR_PLACES; place++) {
		oc_auto_close run = oc_rundir_open(state_dir, place, NULL);
		int copy = run < 0 ? -1 : oc_openat2(run, ".", O_RDONLY | O_DIRECTORY, 0, 0);
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		if (!d) {
			oc_closep(&copy);
			continue;
		}
		for (struct dirent *e; (e = readdir(d));)
			if (is_name(e->d_name) && drop(run, e->d_name, NULL))
				count++;
		closedir(d);
	}
	return count;
}
