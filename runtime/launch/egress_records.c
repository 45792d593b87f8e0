/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_records - the decisions of the broker: from its pipe into files and into the result.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/egress_internal.h"

#define FILE_MAX (8u << 20)
#define NAME	 "egress.jsonl"
#define OLD	 "egress.jsonl.1"

/* --- files --- */

static int open_kept(int dir)
{
	return oc_openat2(dir, NAME, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600,
			  RESOLVE_BENEATH);
}

/* Not below sandboxes/: that directory is what the sandbox sees as its workspace. */
void oc_egress_keep(struct oc_egress *e)
{
	const struct oc_plan *p = e->plan;
	struct oc_err why = {0};
	struct stat st;

	if (!p->agent || !p->state_dir)
		return;
	e->kept.dir = oc_mkdir_path(
		oc_arena_printf(p->arena, "%s/egress/%s", p->state_dir, p->slug), 0700, &why);
	if (e->kept.dir >= 0)
		e->kept.fd = open_kept(e->kept.dir);
	if (e->kept.fd >= 0 && fstat(e->kept.fd, &st) == 0)
		e->kept.size = (uint64_t)st.st_size;
	else
		oc_err_context(&why, "records of the agent");
}

/*
 * Sandboxes of one agent write one file: whoever holds the lock and still finds the large one under
 * the name moves it away, the others only open what is there now.
 */
static void rotate_kept(struct oc_egress_file *f)
{
	oc_auto_close lock = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat ours, named;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fstat(f->fd, &ours) == 0 && fstatat(f->dir, NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_size >= (off_t)FILE_MAX)
		(void)renameat(f->dir, NAME, f->dir, OLD);
	int fd = open_kept(f->dir);
	if (fd < 0)
		return;
	oc_closep(&f->fd);
	f->fd = fd;
	f->size = fstat(fd, &ours) == 0 ? (uint64_t)ours.st_size : 0;
}

static void rotate_live(struct oc_egress *e)
{
	struct oc_err why = {0};

	if (renameat(e->live.dir, NAME, e->live.dir, OLD) < 0)
		return;
	oc_closep(&e->live.fd);
	e->live.fd = oc_control_log(&e->door, &why);
	e->live.size = 0;
}

static void append(struct oc_egress *e, struct oc_egress_file *f, const char *line, size_t len)
{
	struct stat st;

	if (f->fd < 0) {
		e->report->records_lost += f == &e->kept && e->plan->agent;
		return;
	}
	if (f->size >= FILE_MAX) {
		/* Others write to it, too: how large it is now is not known without asking. */
		if (f == &e->live)
			rotate_live(e);
		else if (fstat(f->fd, &st) == 0)
			rotate_kept(f);
	}
	/* Still: a disk that is full, a directory that is gone.  The bound stands. */
	if (f->fd < 0 || f->size >= FILE_MAX + (1u << 20) ||
	    write(f->fd, line, len) != (ssize_t)len)
		e->report->records_lost++;
	else
		f->size += len;
}

/* --- records --- */

/*
 * Read and written anew: whatever the broker has become, what stands in the files is JSON, one
 * object a line, without a byte that a terminal would act on.
 */
static void take_record(struct oc_egress *e, const char *text, size_t len)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_err why = {0};
	struct oc_json_writer w;
	struct oc_json *v;
	int64_t dropped;

	if (oc_json_parse(&a, text, len, "record", &v, &why) < 0 || v->type != OC_JSON_OBJECT)
		return;
	const struct oc_json *d = oc_json_get(v, "dropped");
	if (d && oc_json_int(&a, d, 0, INT64_MAX / 2048, &dropped, &why) == 0)
		e->report->records_dropped += (uint64_t)dropped;
	oc_jw_init(&w, &out, 0);
	oc_jw_value(&w, v);
	char **place = &e->last[e->report->record_count++ % OC_EGRESS_RECORDS];
	free(*place);
	*place = strndup(out.data, out.len);
	if (!*place)
		oc_oom();
	oc_buf_puts(&out, "\n");
	append(e, &e->live, out.data, out.len);
	append(e, &e->kept, out.data, out.len);
}

static void take_bytes(struct oc_egress *e, const char *p, size_t n)
{
	while (n > 0) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;
		if (e->line.len + part > OC_EGRESS_LINE)
			e->skip = true;
		if (!e->skip)
			oc_buf_add(&e->line, p, part);
		if (!end)
			return;
		if (!e->skip && e->line.len)
			take_record(e, e->line.data, e->line.len);
		e->skip = false;
		e->line.len = 0;
		p += part + 1;
		n -= part + 1;
	}
}

/* Not more than so many bytes: a broker that writes without end must not hold the monitor up. */
void oc_egress_read(struct oc_egress *e, size_t most)
{
	char buf[16384];

	while (e->records >= 0 && most > 0) {
		ssize_t n = read(e->records, buf, sizeof buf < most ? sizeof buf : most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			oc_closep(&e->records);
			e->records = -1;
			return;
		}
		take_bytes(e, buf, (size_t)n);
		most -= (size_t)n;
	}
}

void oc_egress_list(struct oc_egress *e)
{
	struct oc_egress_report *r = e->report;
	size_t n = r->record_count < OC_EGRESS_RECORDS ? r->record_count : OC_EGRESS_RECORDS;
	const char **list = oc_arena_array(e->plan->arena, n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = oc_arena_strdup(e->plan->arena,
					  e->last[(r->record_count - n + i) % OC_EGRESS_RECORDS]);
	r->records = list;
	r->records_kept = n;
	for (size_t i = 0; i < OC_EGRESS_RECORDS; i++)
		free(e->last[i]);
}
