/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quarantine - see quarantine.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/launch/rundir.h"
#include "runtime/session/quarantine.h"

#define VERSION 1
/* A baseline has a row for each guarded thing of a workspace; more than this is no journal of ours. */
#define MAX_ENTRY (64u << 20)

static bool guarded(const struct oc_mount *m)
{
	return m->kind == OC_MOUNT_BIND && !m->read_only && m->guard_baseline;
}

static void write_entry(const struct oc_plan *plan, const char *base, struct oc_buf *out)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "version");
	oc_jw_int(&w, VERSION);
	oc_jw_key(&w, "pid");
	oc_jw_int(&w, getpid());
	oc_jw_key(&w, "startTime");
	oc_jw_uint(&w, oc_rundir_start_time(getpid()));
	oc_jw_key(&w, "quarantine");
	oc_jw_string(&w, base);
	oc_jw_key(&w, "workspaces");
	oc_jw_array(&w);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct oc_mount *m = &plan->mounts[i];
		if (!guarded(m))
			continue;
		oc_jw_object(&w);
		oc_jw_key(&w, "path");
		oc_jw_string(&w, m->source);
		oc_jw_key(&w, "ino");
		oc_jw_uint(&w, m->ino);
		oc_jw_key(&w, "baseline");
		oc_guard_baseline_write(m->guard_baseline, &w);
		oc_jw_object_end(&w);
	}
	oc_jw_array_end(&w);
	oc_jw_object_end(&w);
	oc_buf_puts(out, "\n");
}

int oc_quarantine_begin(struct oc_quarantine *q, const struct oc_plan *plan, struct oc_err *err)
{
	bool any = false;
	char stamp[32];
	struct tm tm;
	time_t now = time(NULL);

	*q = (struct oc_quarantine){.plan = plan, .pending_fd = -1};
	for (size_t i = 0; i < plan->mount_count; i++)
		any = any || guarded(&plan->mounts[i]);
	if (!any)
		return 0;
	if (!plan->state_dir) {
		oc_fail(err, 0, "a writable workspace needs a state directory, and there is no home directory");
		return oc_err_hint(err, "set HOME or OPENCLAW_STATE_DIR");
	}
	oc_auto_close dir = oc_mkdir_path(
		oc_arena_printf(plan->arena, "%s/quarantine/pending", plan->state_dir), 0700, err);
	if (dir < 0)
		return oc_err_context(err, "journal of the quarantine");
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	q->name = oc_arena_printf(plan->arena, "%s-%d.json", stamp, (int)getpid());
	q->base = oc_arena_printf(plan->arena, "%s/quarantine/%s-%d", plan->state_dir, stamp, (int)getpid());

	oc_auto_buf text = {0};
	write_entry(plan, q->base, &text);
	/* No fsync: it has to outlive processes, not the machine; after a crash of that there is no running payload to race with. */
	oc_auto_close fd = oc_openat2(dir, q->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, RESOLVE_BENEATH);
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0) {
		int e = errno;
		if (fd >= 0)
			unlinkat(dir, q->name, 0);
		oc_fail(err, e, "cannot write the journal of the quarantine in %s", plan->state_dir);
		return oc_err_hint(err, "what a writable workspace holds is checked when the command ends; "
					"that needs a writable state directory (OPENCLAW_STATE_DIR)");
	}
	q->pending_fd = oc_steal_fd(&dir);
	return 0;
}

static void append(struct oc_arena *a, struct oc_sweep *to, const struct oc_sweep *from)
{
	struct oc_quarantined *all = oc_arena_array(a, to->count + from->count + 1, sizeof *all);

	if (to->count)
		memcpy(all, to->items, to->count * sizeof *all);
	if (from->count)
		memcpy(all + to->count, from->items, from->count * sizeof *all);
	to->items = all;
	to->count += from->count;
	if (from->incomplete && !to->incomplete) {
		to->incomplete = true;
		to->incomplete_why = from->incomplete_why;
	}
}

static void sweep_one(struct oc_arena *a, int fd, const char *path, const struct oc_guard_baseline *baseline,
		      const char *base, struct oc_sweep *out)
{
	struct oc_sweep one = {0};
	struct oc_err err = {0};

	if (oc_guard_sweep(a, fd, baseline, base, &one, &err) < 0) {
		one.incomplete = true;
		one.incomplete_why = oc_arena_printf(a, "%s: %s", path, err.msg);
	}
	append(a, out, &one);
}

static void sweep_all(struct oc_quarantine *q, struct oc_arena *a, struct oc_sweep *out)
{
	int n = 0;

	for (size_t i = 0; i < q->plan->mount_count; i++) {
		const struct oc_mount *m = &q->plan->mounts[i];
		if (guarded(m))
			sweep_one(a, m->fd, m->source, m->guard_baseline,
				  oc_arena_printf(a, "%s-%d", q->base, ++n), out);
	}
}

void oc_quarantine_sweep(struct oc_quarantine *q, struct oc_arena *a, struct oc_sweep *out)
{
	if (q->pending_fd < 0)
		return;
	sweep_all(q, a, out);
	q->doubtful = q->doubtful || out->incomplete;
}

/* The entry, as a whole or not at all. */
static int write_again(const struct oc_quarantine *q, struct oc_err *err)
{
	oc_auto_buf text = {0};
	char tmp[80];

	write_entry(q->plan, q->base, &text);
	snprintf(tmp, sizeof tmp, "%s.new", q->name);
	oc_auto_close fd = oc_openat2(q->pending_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600,
				      RESOLVE_BENEATH);
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0 ||
	    renameat(q->pending_fd, tmp, q->pending_fd, q->name) < 0)
		return oc_fail(err, errno, "cannot write the journal of the quarantine in %s",
			       q->plan->state_dir);
	return 0;
}

int oc_quarantine_renew(struct oc_quarantine *q, struct oc_err *err)
{
	struct oc_arena *a = &q->look[q->looks & 1];

	if (q->pending_fd < 0 || q->doubtful)
		return 0;
	/* The other one holds what is the state before now. */
	oc_arena_free(a);
	for (size_t i = 0; i < q->plan->mount_count; i++) {
		struct oc_mount *m = &q->plan->mounts[i];
		struct oc_guard_baseline *now;
		struct oc_guard *guards;
		size_t count;
		if (!guarded(m))
			continue;
		if (oc_guard_scan(a, m->fd, &guards, &count, &now, err) < 0)
			return oc_err_context(err, "%s", m->source);
		m->guard_baseline = now;
	}
	q->looks++;
	return write_again(q, err);
}

void oc_quarantine_end(struct oc_quarantine *q, struct oc_sweep *out)
{
	if (q->pending_fd < 0)
		return;
	sweep_all(q, q->plan->arena, out);
	if (!out->incomplete)
		unlinkat(q->pending_fd, q->name, 0);
	close(q->pending_fd);
	q->pending_fd = -1;
	for (int i = 0; i < 2; i++)
		oc_arena_free(&q->look[i]);
}

static int recover_workspace(struct oc_arena *a, const struct oc_json *w, const char *base, int n,
			     struct oc_sweep *out, struct oc_err *err)
{
	const struct oc_json *path = oc_json_get(w, "path"), *ino = oc_json_get(w, "ino");
	struct oc_guard_baseline *baseline;
	struct stat st;

	if (!path || path->type != OC_JSON_STRING || path->string[0] != '/' || !ino)
		return oc_fail(err, EPROTO, "a workspace of the entry has no path");
	if (oc_guard_baseline_read(a, oc_json_get(w, "baseline"), &baseline, err) < 0)
		return -1;
	oc_auto_close fd = oc_openat2(AT_FDCWD, path->string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				      RESOLVE_NO_MAGICLINKS);
	if (fd < 0 && errno == ENOENT)
		return 0; /* the operator removed it: there is nothing to run */
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open the workspace %s", path->string);
	if (st.st_ino != strtoull(ino->string, NULL, 10))
		return 0; /* it is another directory by now */
	sweep_one(a, fd, path->string, baseline, oc_arena_printf(a, "%s-%d", base, n), out);
	return 0;
}

static int recover_entry(struct oc_arena *a, int dir, const char *name, bool force, struct oc_sweep *out,
			 struct oc_err *err)
{
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, RESOLVE_BENEATH);
	oc_auto_buf text = {0};
	struct oc_json *v;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : oc_fail(err, errno, "cannot open the entry");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return oc_fail(err, EPERM, "it is not a file of this user");
	if (oc_read_all(fd, &text, MAX_ENTRY) < 0)
		return oc_fail(err, errno, "cannot read it");
	if (oc_json_parse(a, text.data ? text.data : "", text.len, name, &v, err) < 0)
		return -1;
	const struct oc_json *pid = oc_json_get(v, "pid"), *start = oc_json_get(v, "startTime");
	const struct oc_json *base = oc_json_get(v, "quarantine"), *list = oc_json_get(v, "workspaces");
	int64_t p, version;
	if (!pid || !start || !base || base->type != OC_JSON_STRING || base->string[0] != '/' || !list ||
	    !oc_json_get(v, "version") || start->type != OC_JSON_NUMBER)
		return oc_fail(err, EPROTO, "it is not an entry of the quarantine");
	if (oc_json_int(a, oc_json_get(v, "version"), VERSION, VERSION, &version, err) < 0 ||
	    oc_json_int(a, pid, 1, INT_MAX, &p, err) < 0)
		return -1;
	if (!force && oc_rundir_start_time((pid_t)p) == strtoull(start->string, NULL, 10))
		return 0; /* its monitor lives */
	struct oc_sweep found = {0};
	int n = 0;
	for (const struct oc_json *w = list->child; w; w = w->next)
		if (recover_workspace(a, w, base->string, ++n, &found, err) < 0)
			return -1;
	append(a, out, &found);
	if (!found.incomplete)
		unlinkat(dir, name, 0);
	return 0;
}

int oc_quarantine_recover(struct oc_arena *a, const char *state_dir, const char *name, struct oc_sweep *out,
			  struct oc_err *err)
{
	const char *path = oc_arena_printf(a, "%s/quarantine/pending", state_dir);
	oc_auto_close dir = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, 0);

	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : oc_fail(err, errno, "cannot open %s", path);
	if (name)
		return recover_entry(a, dir, name, true, out, err) < 0 ? oc_err_context(err, "%s/%s", path, name) : 0;
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d)
		return oc_fail(err, errno, "cannot list %s", path);
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		if (len > 5 && strcmp(e->d_name + len - 5, ".json") == 0 &&
		    recover_entry(a, dir, e->d_name, false, out, err) < 0)
			rc = oc_err_context(err, "%s/%s", path, e->d_name);
	}
	closedir(d);
	return rc;
}
