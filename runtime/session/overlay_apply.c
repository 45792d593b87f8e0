/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_apply - changes into the real tree.
 *
 * Every step is one rename in one directory of the real tree, of something that is complete:
 * whoever is killed leaves the old or the new.  Its temporary name is one that nobody else uses; a
 * next apply removes what has it.  What a step replaces is looked at after it was moved away
 * (RENAME_EXCHANGE, 3.15), and moved back if it is not what the scan saw.
 *
 * A change leaves the upper tree only after it is on the disk below: one syncfs(2) for some
 * thousands of them.  Killed in between, both sides are the same, which is no change and no
 * conflict.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "runtime/launch/sys.h"
#include "runtime/session/overlay_priv.h"

#define BATCH	   4096
#define XATTRS_MAX 65536
#define COPY	   (256u << 10)
#define NOREPLACE  1u /* RENAME_NOREPLACE, RENAME_EXCHANGE of <linux/fs.h> */
#define EXCHANGE   2u

struct apply {
	struct oc_overlay *o;
	bool risky, privileged;
	void (*done)(void *ctx, const struct oc_overlay_node *n);
	void *ctx;
	struct oc_overlay_node *pending[BATCH];
	size_t pending_count;
	/* the directory of the real tree that the last step was in */
	const struct oc_overlay_node *at;
	int at_fd;
	char *buf; /* COPY bytes */
};

static int rename2(int dir, const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, dir, from, dir, to, flags);
}

/* Named in messages. */
static int failed(const struct oc_overlay_node *n, int errnum, const char *what, struct oc_err *err)
{
	oc_auto_buf path = {0};

	oc_overlay_path(n, &path);
	return oc_fail(err, errnum, "%s: %s", path.data ? path.data : ".", what);
}

static int changed(const struct oc_overlay_node *n, struct oc_err *err)
{
	failed(n, 0, "it changed in the real tree just now", err);
	return oc_err_hint(
		err,
		"what came before it is applied; look at `oc-sandbox diff` and apply the rest");
}

static int lower_dir(struct apply *p, const struct oc_overlay_node *n, struct oc_err *err)
{
	if (p->at == n->parent && p->at_fd >= 0)
		return p->at_fd;
	oc_closep(&p->at_fd);
	p->at = n->parent;
	p->at_fd = oc_beneath_node(&p->o->lower, n, true, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (p->at_fd < 0)
		return failed(n, errno, "cannot open its directory in the real tree", err);
	return p->at_fd;
}

/* The directory itself goes or comes: no descriptor of before. */
static void forget(struct apply *p)
{
	oc_closep(&p->at_fd);
	p->at_fd = -1;
	p->at = NULL;
}

static bool takes_part(const struct apply *p, const struct oc_overlay_node *n)
{
	return n->selected && !n->refused && !n->conflict && (!n->risk || p->risky);
}

/* --- making --- */

static int copy_data(struct apply *p, int from, int to)
{
	struct stat st;

	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size;) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		at = data < 0 ? at : data;
		ssize_t n = pread(from, p->buf, COPY, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(to, p->buf + done, (size_t)(n - done), at + done);
			if (w < 0 && errno != EINTR)
				return -1;
			done += w > 0 ? w : 0;
		}
		at += n;
	}
	return 0;
}

/* What the operator gave the file that is replaced: access lists and attributes; marks of overlayfs
 * are none. */
static void copy_xattrs(int from, int to)
{
	char names[4096], value[XATTRS_MAX];
	ssize_t len = from < 0 ? -1 : flistxattr(from, names, sizeof names);

	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		if ((strncmp(name, "user.", 5) != 0 &&
		     strcmp(name, "system.posix_acl_access") != 0) ||
		    strncmp(name, "user.overlay.", 13) == 0)
			continue;
		ssize_t n = fgetxattr(from, name, value, sizeof value);
		if (n >= 0)
			fsetxattr(to, name, value, (size_t)n, 0);
	}
}

/* Owner of what is replaced, or of the directory. */
static int give(const struct apply *p, const struct oc_overlay_node *n, int dir, int fd)
{
	struct stat st;
	bool old = n->old_mode && fstatat(dir, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (p->privileged) {
		if (!old && fstat(dir, &st) < 0)
			return -1;
		return fchownat(fd, "", st.st_uid, st.st_gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
	}
	/* An ordinary user can keep the group if it is one of his. */
	if (old && fchownat(fd, "", (uid_t)-1, st.st_gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return 0;
}

static int make_file(struct apply *p, const struct oc_overlay_node *n, int dir)
{
	oc_auto_close up =
		oc_beneath_node(&p->o->upper, n, true, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	oc_auto_close from =
		up < 0 ? -1
		       : oc_openat2(up, n->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				    OC_OVERLAY_BENEATH);
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_ISUID | S_ISGID))) {
		errno = EINVAL;
		return -1;
	}
	oc_auto_close to =
		oc_openat2(dir, p->o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			   OC_OVERLAY_BENEATH);
	if (to < 0 || copy_data(p, from, to) < 0 || give(p, n, dir, to) < 0)
		return -1;
	if (S_ISREG(n->old_mode)) {
		oc_auto_close old =
			oc_openat2(dir, n->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				   OC_OVERLAY_BENEATH);
		copy_xattrs(old, to);
	}
	/* The mode last: until then nobody else can read it.  On the disk before it stands for the
	 * old one. */
	if (fchmod(to, n->mode & 0777) < 0 || (n->old_mode && fsync(to) < 0))
		return -1;
	return 0;
}

/* Opened again by its name: somebody who may write the directory may have put another thing there
 * to be given away. */
static bool still_ours(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	    (S_ISDIR(type) || st.st_nlink == 1))
		return true;
	errno = EBUSY;
	return false;
}

static int make_link(const struct apply *p, const struct oc_overlay_node *n, int dir)
{
	if (symlinkat(n->target, dir, p->o->temporary) < 0)
		return -1;
	oc_auto_close fd =
		oc_openat2(dir, p->o->temporary, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	return fd < 0 || !still_ours(fd, S_IFLNK) ? -1 : give(p, n, dir, fd);
}

static int make_dir(const struct apply *p, const struct oc_overlay_node *n, int dir)
{
	if (mkdirat(dir, p->o->temporary, 0700) < 0)
		return -1;
	oc_auto_close fd = oc_openat2(dir, p->o->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				      OC_OVERLAY_BENEATH);
	/* Its own mode when all is in it. */
	return fd < 0 || !still_ours(fd, S_IFDIR) ? -1 : give(p, n, dir, fd);
}

/* --- replacing --- */

static bool as_seen(const struct oc_overlay_node *n, int dir, const char *name, bool moved)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != n->old_dev ||
	    st.st_ino != n->old_ino || (st.st_mode & S_IFMT) != (n->old_mode & S_IFMT))
		return false;
	if (S_ISDIR(st.st_mode))
		return true;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size != n->old_size)
		return false;
	/* A rename changes the time of change. */
	return moved || (st.st_ctim.tv_sec == n->old_ctime.tv_sec &&
			 st.st_ctim.tv_nsec == n->old_ctime.tv_nsec);
}

/* The temporary takes the place of what was there, which goes. */
static int exchange(struct apply *p, const struct oc_overlay_node *n, int dir, struct oc_err *err)
{
	const char *tmp = p->o->temporary;

	if (!as_seen(n, dir, n->name, false))
		return changed(n, err);
	if (rename2(dir, tmp, n->name, EXCHANGE) < 0) {
		/* A file system without it: a plain rename is as whole, only without the second
		 * look. */
		if (errno != EINVAL || S_ISDIR(n->old_mode) || S_ISDIR(n->mode))
			return failed(n, errno, "cannot put it in its place", err);
		return renameat(dir, tmp, dir, n->name) < 0
			       ? failed(n, errno, "cannot put it in its place", err)
			       : 0;
	}
	if (!as_seen(n, dir, tmp, true)) {
		rename2(dir, tmp, n->name, EXCHANGE);
		return changed(n, err);
	}
	if (oc_tree_remove(dir, tmp) < 0)
		return failed(n, errno, "cannot remove what was there before", err);
	return 0;
}

static int place_new(struct apply *p, const struct oc_overlay_node *n, int dir, struct oc_err *err)
{
	struct stat st;

	if (rename2(dir, p->o->temporary, n->name, NOREPLACE) == 0)
		return 0;
	if (errno == EINVAL && fstatat(dir, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT && renameat(dir, p->o->temporary, dir, n->name) == 0)
		return 0;
	return errno == EEXIST ? changed(n, err)
			       : failed(n, errno, "cannot put it in its place", err);
}

static int remove_old(struct apply *p, const struct oc_overlay_node *n, int dir, struct oc_err *err)
{
	const char *tmp = p->o->temporary;

	if (!as_seen(n, dir, n->name, false))
		return changed(n, err);
	if (rename2(dir, n->name, tmp, NOREPLACE) < 0 &&
	    (errno != EINVAL || renameat(dir, n->name, dir, tmp) < 0))
		return failed(n, errno, "cannot remove it", err);
	if (!as_seen(n, dir, tmp, true)) {
		rename2(dir, tmp, n->name, NOREPLACE);
		return changed(n, err);
	}
	return oc_tree_remove(dir, tmp) < 0 ? failed(n, errno, "cannot remove it", err) : 0;
}

static int set_mode(const struct oc_overlay_node *n, int dir, struct oc_err *err)
{
	char path[48];
	struct stat st, top;
	oc_auto_close fd = oc_openat2(dir, n->name, O_PATH | O_NOFOLLOW, 0, OC_OVERLAY_BENEATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(n, errno, "cannot open it", err);
	bool new = n->change == OC_CHANGE_ADDED || n->change == OC_CHANGE_TYPE;
	if ((st.st_mode & S_IFMT) != (n->mode & S_IFMT) ||
	    (!new && (st.st_dev != n->old_dev || st.st_ino != n->old_ino)))
		return changed(n, err);
	/* One that we made belongs to whom its directory belongs to. */
	if (new && (fstat(dir, &top) < 0 || st.st_uid != top.st_uid))
		return changed(n, err);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	/* The special bits of a directory are the operator's. */
	mode_t special = S_ISDIR(st.st_mode) ? st.st_mode & 07000 : 0;
	return chmod(path, (n->mode & 0777) | special) < 0
		       ? failed(n, errno, "cannot set its mode", err)
		       : 0;
}

/* --- out of the upper tree --- */

static int drop(struct apply *p, const struct oc_overlay_node *n, struct oc_err *err)
{
	if (!n->in_upper || !n->parent)
		return 0;
	oc_auto_close dir =
		oc_beneath_node(&p->o->upper, n, true, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? 0
				       : failed(n, errno,
						"cannot open its directory among the changes", err);
	if (oc_unlink(dir, n->name, S_ISDIR(n->mode) ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT ||
	    errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	return failed(n, errno, "it is applied, but cannot be removed from the changes", err);
}

static int flush(struct apply *p, struct oc_err *err)
{
	if (p->pending_count && syncfs(p->o->lower_fd) < 0)
		return oc_fail(err, errno, "cannot write the real tree to the disk");
	for (size_t i = 0; i < p->pending_count; i++)
		if (drop(p, p->pending[i], err) < 0)
			return -1;
	p->pending_count = 0;
	return 0;
}

static int finished(struct apply *p, struct oc_overlay_node *n, struct oc_err *err)
{
	if (p->done && n->change != OC_CHANGE_NONE)
		p->done(p->ctx, n);
	p->pending[p->pending_count++] = n;
	return p->pending_count == BATCH ? flush(p, err) : 0;
}

/* --- one change --- */

static int put(struct apply *p, struct oc_overlay_node *n, struct oc_err *err)
{
	int dir = lower_dir(p, n, err);

	if (dir < 0)
		return -1;
	if (n->change == OC_CHANGE_DELETED)
		return remove_old(p, n, dir, err);
	if (n->change == OC_CHANGE_MODE)
		return set_mode(n, dir, err);
	int r = S_ISDIR(n->mode)   ? make_dir(p, n, dir)
		: S_ISLNK(n->mode) ? make_link(p, n, dir)
				   : make_file(p, n, dir);
	if (r < 0) {
		failed(n, errno, "cannot make it in the real tree", err);
	} else {
		r = n->change == OC_CHANGE_ADDED ? place_new(p, n, dir, err)
						 : exchange(p, n, dir, err);
	}
	if (r < 0)
		oc_tree_remove(dir, p->o->temporary);
	return r;
}

/*
 * A directory that was replaced: first what it hides goes, then it is one like any other, or what
 * was applied and left the changes would be hidden again.
 */
static int open_up(struct apply *p, struct oc_overlay_node *n, struct oc_err *err)
{
	for (struct oc_overlay_node *c = n->child; c; c = c->next) {
		if (c->in_upper || c->change != OC_CHANGE_DELETED)
			continue;
		if (!takes_part(p, c))
			return 0;
		if (put(p, c, err) < 0)
			return -1;
		if (p->done)
			p->done(p->ctx, c);
	}
	if (flush(p, err) < 0)
		return -1;
	oc_auto_close fd =
		oc_beneath_node(&p->o->upper, n, false, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || (fremovexattr(fd, OC_OPAQUE) < 0 && errno != ENODATA))
		return failed(n, errno, "cannot unmark it among the changes", err);
	n->opaque = false;
	return 0;
}

static int enter(struct apply *p, struct oc_overlay_node *n, struct oc_err *err)
{
	bool is_dir = S_ISDIR(n->mode);

	if (!takes_part(p, n) && n->change != OC_CHANGE_NONE)
		return 0;
	if (!n->in_upper)
		return 0; /* done with its directory */
	if (n->change != OC_CHANGE_NONE && !(is_dir && n->change == OC_CHANGE_MODE)) {
		if (put(p, n, err) < 0)
			return -1;
		if (is_dir)
			forget(p);
	}
	if (!is_dir)
		return n->change != OC_CHANGE_NONE || n->selected ? finished(p, n, err) : 0;
	if (n->opaque && n->selected && open_up(p, n, err) < 0)
		return -1;
	return 0;
}

static int leave(struct apply *p, struct oc_overlay_node *n, struct oc_err *err)
{
	if (!S_ISDIR(n->mode) || !n->parent || n->opaque)
		return 0;
	if (n->change == OC_CHANGE_NONE)
		return (n->child || n->selected) && !n->refused ? finished(p, n, err) : 0;
	if (!takes_part(p, n))
		return 0;
	int dir = lower_dir(p, n, err);
	if (dir < 0 || set_mode(n, dir, err) < 0)
		return -1;
	return finished(p, n, err);
}

/* Whether anything in a directory that does not take part itself can. */
static bool descend(const struct apply *p, const struct oc_overlay_node *n)
{
	if (n->change == OC_CHANGE_ADDED || n->change == OC_CHANGE_TYPE)
		return takes_part(p, n);
	/* Not opened up: some of what it hides stays. */
	return !n->opaque || !n->selected;
}

/* What an apply that was killed left in this directory of the real tree. */
static int clean_up(struct apply *p, const struct oc_overlay_node *n, struct oc_err *err)
{
	if (!S_ISDIR(n->old_mode) || !S_ISDIR(n->mode))
		return 0;
	oc_auto_close dir =
		oc_beneath_node(&p->o->lower, n, false, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (dir >= 0 && oc_tree_remove(dir, p->o->temporary) < 0)
		return failed(n, errno, "cannot remove what an earlier apply left", err);
	return 0;
}

static int walk(struct apply *p, struct oc_err *err)
{
	for (struct oc_overlay_node *n = p->o->root; n;) {
		if (enter(p, n, err) < 0)
			return -1;
		if (n->child && descend(p, n)) {
			n = n->child;
			continue;
		}
		while (n) {
			if (leave(p, n, err) < 0)
				return -1;
			if (n->next) {
				n = n->next;
				break;
			}
			n = n->parent;
		}
	}
	return flush(p, err);
}

int oc_overlay_apply(struct oc_overlay *o, bool risky,
		     void (*done)(void *ctx, const struct oc_overlay_node *n), void *ctx,
		     struct oc_err *err)
{
	struct apply p = {.o = o,
			  .risky = risky,
			  .privileged = geteuid() == 0,
			  .done = done,
			  .ctx = ctx,
			  .at_fd = -1};
	mode_t umask_was = umask(0);
	bool killed = o->store.applying;

	o->store.applying = true;
	int r = oc_overlay_meta_write(&o->store, err);
	for (struct oc_overlay_node *n = o->root; r == 0 && killed && n; n = oc_overlay_next(n))
		r = clean_up(&p, n, err);
	p.buf = malloc(COPY);
	if (!p.buf)
		oc_oom();
	if (r == 0)
		r = walk(&p, err);
	if (r < 0 && p.pending_count) {
		struct oc_err ignored;
		flush(&p, &ignored);
	}
	free(p.buf);
	oc_closep(&p.at_fd);
	if (r == 0) {
		o->store.applying = false;
		o->store.applied = oc_overlay_now();
		r = oc_overlay_meta_write(&o->store, err);
	}
	umask(umask_was);
	return r;
}
