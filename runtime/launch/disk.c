/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - see disk.h.
 *
 * One count is a walk by descriptors, a directory at a time, cut into slices.  A hard link counts
 * as its part of the file: all links of a file are below the root, because link(2) does not leave a
 * mount.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/disk.h"
#include "runtime/launch/sampler.h"

#define LEAST 4096 /* what anything counts */
#define SLACK (UINT64_C(1) << 20)
/* Between two counts: some rest, and never more than a ninth of the time at work. */
#define REST_US	   200000
#define REST_TIMES 8
#define FIRST_US   50000 /* before the command starts */
#define BENEATH	   (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void size_text(char out[24], uint64_t n)
{
	static const char *const unit[] = {"bytes", "KB", "MB", "GB", "TB"};
	unsigned u = 0;
	double v = (double)n;

	while (v >= 1000 && u < 4) {
		v /= 1024;
		u++;
	}
	snprintf(out, 24, v == (double)(uint64_t)v ? "%.0f %s" : "%.2f %s", v, unit[u]);
}

static void passed(struct oc_disk *d, uint64_t bytes)
{
	char limit[24], text[24];

	size_text(limit, d->plan->disk_bytes);
	size_text(text, bytes);
	snprintf(d->why, sizeof d->why, "the disk limit of %s was reached (%s)", limit, text);
	d->over = true;
}

static void leave(struct oc_disk *d)
{
	while (d->depth > 0)
		close(d->level[--d->depth].fd);
}

static void enter(struct oc_disk *d, int *fd)
{
	d->level[d->depth++] = (struct oc_disk_level){.fd = oc_steal_fd(fd)};
}

static bool start_count(struct oc_disk *d)
{
	oc_auto_close fd = oc_openat2(d->root, ".", O_RDONLY | O_DIRECTORY, 0, BENEATH);

	d->sum = d->old = 0;
	d->unread = 0;
	d->processes = d->next = d->deleted_count = 0;
	d->deep = false;
	d->work_us = 0;
	if (fd < 0)
		return false;
	enter(d, &fd);
	return true;
}

static void add(struct oc_disk *d, const struct stat *st)
{
	uint64_t n = (uint64_t)st->st_blocks * 512;

	if (n < LEAST)
		n = LEAST;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		n = (n + st->st_nlink - 1) / st->st_nlink;
	d->sum += n;
	if (st->st_ctim.tv_sec < d->began.tv_sec ||
	    (st->st_ctim.tv_sec == d->began.tv_sec && st->st_ctim.tv_nsec < d->began.tv_nsec))
		d->old += n;
}

/* Returns 1 if it went down into a directory. */
static int visit(struct oc_disk *d, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return 0; /* gone meanwhile */
	add(d, &st);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (d->depth == OC_DISK_DEPTH) {
		d->deep = true;
		return 0;
	}
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BENEATH);
	if (fd < 0) {
		if (errno == EACCES)
			d->unread++;
		return 0;
	}
	enter(d, &fd);
	return 1;
}

/* Until `until`; true: the count is complete. */
static bool walk(struct oc_disk *d, uint64_t until)
{
	_Alignas(struct dirent64) char buf[4096];

	while (d->depth > 0) {
		struct oc_disk_level *l = &d->level[d->depth - 1];
		ssize_t n = -1, off = 0;

		if (lseek(l->fd, l->next, SEEK_SET) >= 0)
			n = getdents64(l->fd, (void *)buf, sizeof buf);
		if (n <= 0) {
			close(l->fd);
			d->depth--;
			continue;
		}
		while (off < n) {
			struct dirent64 *e = (struct dirent64 *)(void *)(buf + off);
			off += e->d_reclen;
			l->next = e->d_off;
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			    visit(d, l->fd, e->d_name))
				break;
		}
		if (now_us() >= until)
			return d->depth == 0;
	}
	return true;
}

/* --- files that are deleted but open --- */

/* It has no name below the root any more.  A file of an overlay is of another device than its
 * layers. */
static void add_deleted(struct oc_disk *d, const fsid_t *fsid, int fds, const char *name)
{
	static const char mark[] = " (deleted)";
	char link[4200];
	struct stat st;
	struct statfs fs;
	ssize_t n = readlinkat(fds, name, link, sizeof link);

	if (n < (ssize_t)sizeof mark ||
	    memcmp(link + n - (sizeof mark - 1), mark, sizeof mark - 1) != 0 ||
	    memcmp(link, "/memfd:", 7) == 0)
		return;
	oc_auto_close fd = openat(fds, name, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 0 ||
	    fstatfs(fd, &fs) < 0 ||
	    (fs.f_type != OVERLAYFS_SUPER_MAGIC && memcmp(&fs.f_fsid, fsid, sizeof *fsid) != 0))
		return;
	for (size_t i = 0; i < d->deleted_count; i++)
		if (d->deleted[i] == st.st_ino)
			return;
	if (d->deleted_count < OC_DISK_DELETED)
		d->deleted[d->deleted_count++] = st.st_ino;
	add(d, &st);
}

static void look_at_process(struct oc_disk *d, const fsid_t *fsid, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *fds = opendir(path);
	if (!fds)
		return;
	for (struct dirent *e; (e = readdir(fds));)
		if (e->d_name[0] != '.')
			add_deleted(d, fsid, dirfd(fds), e->d_name);
	closedir(fds);
}

/* Until `until`, a process at least; true: all of them. */
static bool walk_processes(struct oc_disk *d, uint64_t until)
{
	struct statfs fs;

	if (!d->init || fstatfs(d->root, &fs) < 0)
		return true;
	if (d->processes == 0)
		d->processes = oc_sampler_list(d->init, d->process, OC_DISK_PROCESSES);
	do {
		if (d->next == d->processes)
			return true;
		look_at_process(d, &fs.f_fsid, d->process[d->next++]);
	} while (now_us() < until);
	return d->next == d->processes;
}

/* --- judgement --- */

static void first_count(struct oc_disk *d)
{
	d->counted = true;
	/* More than the limit was there before: it may not grow, but somebody must be able to come
	 * and tidy up. */
	if (d->old > d->allowed)
		d->allowed = d->old + SLACK;
}

static void finish(struct oc_disk *d, uint64_t now)
{
	uint64_t rest = d->work_us * REST_TIMES;

	if (!d->counted)
		first_count(d);
	if (d->sum > d->peak)
		d->peak = d->sum;
	d->processes = 0;
	/* What was allowed because it was there is not allowed again once it is gone. */
	if (d->allowed > d->plan->disk_bytes && d->sum + SLACK < d->allowed)
		d->allowed =
			d->sum + SLACK > d->plan->disk_bytes ? d->sum + SLACK : d->plan->disk_bytes;
	bool hidden = d->deep || (d->unread && d->was_unread);
	d->was_unread = d->unread;
	d->due_us = now + (rest > REST_US ? rest : REST_US);
	if (d->sum <= d->allowed && !hidden) {
		d->suspect = false;
	} else if (!d->suspect) {
		d->suspect = true;
		d->due_us = now;
	} else if (!d->over) {
		passed(d, d->sum);
		if (hidden && d->sum <= d->allowed)
			snprintf(d->why, sizeof d->why, "the disk limit cannot be watched: %s",
				 d->deep ? "directories are nested too deeply"
					 : "a directory in the workspace may not be read by its "
					   "owner");
	}
}

static void look_at_memory(struct oc_disk *d)
{
	struct statfs fs;

	if (d->root < 0 || fstatfs(d->root, &fs) < 0)
		return;
	uint64_t used = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
	if (used > d->peak)
		d->peak = used;
	/* A page is the least that fails. */
	if (!d->over && (fs.f_bfree == 0 || fs.f_ffree == 0))
		passed(d, used);
}

bool oc_disk_run(struct oc_disk *d, uint64_t now)
{
	bool was = d->over;

	if (now < oc_disk_due(d))
		return false;
	if (d->bound == OC_DISK_HARD) {
		look_at_memory(d);
		d->due_us = now + REST_US;
		return false; /* the command has had ENOSPC, which is between it and the file system
			       */
	}
	/* The processes come behind the files. */
	if (d->depth == 0 && d->processes == 0 && !start_count(d)) {
		d->due_us = now + REST_US;
		return false;
	}
	bool done = walk(d, now + OC_DISK_SLICE_US) && walk_processes(d, now + OC_DISK_SLICE_US);
	uint64_t then = now_us();
	d->work_us += then - now;
	/* The count of a large tree is cut short when it is long over. */
	if (!done && d->counted && d->sum > d->allowed + d->allowed / 4) {
		leave(d);
		done = true;
	}
	if (done)
		finish(d, then);
	else
		d->due_us = then + (d->suspect || !d->counted ? 0 : OC_DISK_SLICE_US);
	return d->over && !was;
}

int oc_disk_begin(struct oc_disk *d, const struct oc_plan *plan, struct oc_err *err)
{
	/* Not the overlay's work directory, which belongs to the kernel. */
	const char *path =
		plan->overlay_dir ? oc_arena_printf(plan->arena, "%s/data/upper", plan->overlay_dir)
				  : plan->scratch_dir;

	memset(d, 0, sizeof *d);
	d->plan = plan;
	d->bound = oc_plan_disk_bound(plan);
	d->root = -1;
	d->allowed = plan->disk_bytes;
	if (d->bound != OC_DISK_SAMPLED)
		return 0;
	d->root = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
	if (d->root < 0) {
		oc_fail(err, errno, "cannot open %s, to hold its disk limit", path);
		return oc_err_step(err, "disk");
	}
	/* The clock of file times. */
	clock_gettime(CLOCK_REALTIME_COARSE, &d->began);
	if (start_count(d) && walk(d, now_us() + FIRST_US))
		finish(d, now_us());
	return 0;
}

void oc_disk_ready(struct oc_disk *d, pid_t init, int memory)
{
	d->init = init;
	if (d->bound == OC_DISK_HARD)
		d->root = memory;
	else if (memory >= 0)
		close(memory);
}

void oc_disk_again(struct oc_disk *d)
{
	if (d->peak > d->plan->disk_bytes)
		d->allowed = (d->sum > d->plan->disk_bytes ? d->sum : d->plan->disk_bytes) + SLACK;
	d->over = d->suspect = false;
	d->was_unread = 0;
}

void oc_disk_look(struct oc_disk *d)
{
	if (d->bound == OC_DISK_HARD)
		look_at_memory(d);
}

void oc_disk_end(struct oc_disk *d)
{
	leave(d);
	oc_closep(&d->root);
	d->root = -1;
}
