/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit - one text in a file is replaced by another, and the answer shows the lines that changed.
 *
 * The text must be there exactly once, byte by byte, or replaceAll be said.  In a file with CR LF a
 * text that has LF only stands for the same lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/fileop/fileop.h"

#define LOCK_TRIES 200 /* of 10 ms */
#define PLACES_MAX 20
#define COUNT_MAX  100 /* overlapping ones: each costs the length of the text */
#define SHOWN_MAX  60  /* lines */
#define SHOWN_LINE 300

/*
 * Two edits at once must both be there afterwards.  The lock is on the file that has the name: when
 * it was replaced meanwhile, on the new one.  Nobody else has to know of it, so whoever holds it
 * for long is not waited for.
 */
static int open_locked(const char *path, struct oc_place *p, struct oc_err *err)
{
	struct stat st;

	for (int tries = 0;; tries++) {
		if (oc_place_find(path, false, p, err) < 0)
			return -1;
		if (!p->exists)
			return oc_fail(err, ENOENT, "%s", path);
		oc_auto_close fd = oc_file_open(p->dir, p->name, path, &p->st, err);
		if (fd < 0)
			return -1;
		while (tries < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
		       errno == EWOULDBLOCK) {
			nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
			tries++;
		}
		if (fstat(fd, &p->st) < 0)
			return oc_fail(err, errno, "%s", path);
		if (tries >= LOCK_TRIES ||
		    (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		     st.st_dev == p->st.st_dev && st.st_ino == p->st.st_ino))
			return oc_steal_fd(&fd);
	}
}

struct places {
	size_t count;
	size_t at[PLACES_MAX]; /* the first ones */
};

/* apart: they must not overlap, as when they are replaced. */
static struct places find_all(struct oc_file_text in, struct oc_file_text what, bool apart)
{
	struct places r = {0};
	const char *p = in.data, *end = in.data + in.len;

	while ((p = memmem(p, (size_t)(end - p), what.data, what.len)) != NULL) {
		if (r.count < PLACES_MAX)
			r.at[r.count] = (size_t)(p - in.data);
		if (++r.count == COUNT_MAX && !apart)
			break;
		p += apart ? what.len : 1;
	}
	return r;
}

static struct oc_file_text with_cr(struct oc_file_text t, struct oc_buf *out)
{
	for (size_t i = 0; i < t.len; i++) {
		if (t.data[i] == '\n' && (i == 0 || t.data[i - 1] != '\r'))
			oc_buf_puts(out, "\r");
		oc_buf_add(out, t.data + i, 1);
	}
	return (struct oc_file_text){out->data ? out->data : "", out->len};
}

static size_t line_of(struct oc_file_text t, size_t at)
{
	size_t n = 1;

	for (size_t i = 0; i < at; i++)
		n += t.data[i] == '\n';
	return n;
}

static void show(struct oc_buf *out, char sign, const char *from, const char *to)
{
	size_t shown = 0, total = oc_file_lines(from, (size_t)(to - from));

	for (const char *p = from; p < to; shown++) {
		const char *nl = memchr(p, '\n', (size_t)(to - p)), *end = nl ? nl : to;
		size_t len = (size_t)(end - p);
		if (shown == SHOWN_MAX) {
			oc_buf_printf(out, "%c... %zu lines more\n", sign, total - shown);
			return;
		}
		oc_buf_add(out, &sign, 1);
		oc_buf_add(out, p, len < SHOWN_LINE ? len : SHOWN_LINE);
		oc_buf_puts(out, len < SHOWN_LINE ? "\n" : "...\n");
		p = nl ? nl + 1 : to;
	}
}

/* The lines that hold the one place, before and after. */
static void show_change(struct oc_buf *out, struct oc_file_text old, struct oc_file_text now,
			size_t at, size_t was, size_t is)
{
	size_t from = at;
	const char *end;

	while (from > 0 && old.data[from - 1] != '\n')
		from--;
	/* Up to the end of the line, unless the place ends with one. */
	size_t old_end = at + was, now_end = at + is;
	bool whole = was > 0 && old.data[old_end - 1] == '\n' &&
		     (is == 0 ? from == at : now.data[now_end - 1] == '\n');
	if (!whole) {
		end = memchr(old.data + old_end, '\n', old.len - old_end);
		size_t more = end ? (size_t)(end - old.data) + 1 - old_end : old.len - old_end;
		old_end += more;
		now_end += more;
	}
	oc_buf_printf(out, "@@ line %zu @@\n", line_of(old, at));
	show(out, '-', old.data + from, old.data + old_end);
	show(out, '+', now.data + from, now.data + now_end);
}

static int not_once(const struct oc_file_request *req, struct oc_file_text file,
		    const struct places *found, struct oc_err *err)
{
	if (found->count == 0) {
		oc_fail(err, 0, "oldText is not in %s", req->path);
		return oc_err_hint(
			err, "it must be the same byte by byte, blanks too: read the file again");
	}
	char lines[PLACES_MAX * 12];
	size_t len = 0;
	for (size_t i = 0; i < found->count && i < PLACES_MAX && len < sizeof lines - 24; i++)
		len += (size_t)snprintf(lines + len, sizeof lines - len, "%s%zu", i ? ", " : "",
					line_of(file, found->at[i]));
	oc_fail(err, 0, "oldText is %zu times%s in %s (lines %s%s): it must be there once",
		found->count, found->count == COUNT_MAX ? " or more" : "", req->path, lines,
		found->count > PLACES_MAX ? ", ..." : "");
	return oc_err_hint(err, "give more of the lines around it, or replaceAll");
}

static void replace_all(struct oc_file_text in, struct oc_file_text what, struct oc_file_text by,
			struct oc_buf *out)
{
	const char *p = in.data, *end = in.data + in.len, *hit;

	while ((hit = memmem(p, (size_t)(end - p), what.data, what.len)) != NULL) {
		oc_buf_add(out, p, (size_t)(hit - p));
		oc_buf_add(out, by.data, by.len);
		p = hit + what.len;
	}
	oc_buf_add(out, p, (size_t)(end - p));
}

static void answer(const struct oc_file_request *req, struct oc_file_text old,
		   struct oc_file_text now, const struct places *found, size_t was, size_t is,
		   bool in_place, struct oc_json_writer *w)
{
	oc_auto_buf text = {0};

	oc_buf_printf(&text, "Replaced %zu %s in %s%s", found->count,
		      found->count == 1 ? "occurrence" : "occurrences", req->path,
		      in_place ? " (written over, for no file can be made beside it)" : "");
	if (found->count == 1) {
		oc_buf_puts(&text, ":\n");
		show_change(&text, old, now, found->at[0], was, is);
	} else {
		oc_buf_puts(&text, ", in lines ");
		for (size_t i = 0; i < found->count && i < PLACES_MAX; i++)
			oc_buf_printf(&text, "%s%zu", i ? ", " : "", line_of(old, found->at[i]));
		oc_buf_puts(&text, found->count > PLACES_MAX ? ", ...\n" : "\n");
	}
	oc_jw_key(w, "text");
	oc_jw_bytes(w, text.data, text.len);
}

int oc_file_edit(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err)
{
	struct oc_file_text what = req->before, by = req->after;
	oc_auto_place p = OC_PLACE_INIT;
	oc_auto_buf data = {0};
	oc_auto_buf what_cr = {0};
	oc_auto_buf by_cr = {0};
	oc_auto_buf changed = {0};
	bool in_place;

	if (what.len == 0)
		return oc_fail(err, 0, "oldText is empty");
	if (what.len == by.len && memcmp(what.data, by.data, by.len) == 0)
		return oc_fail(err, 0, "oldText and newText are the same: nothing would change");
	oc_auto_close fd = open_locked(req->path, &p, err);
	if (fd < 0)
		return -1;
	if (oc_read_all(fd, &data, OC_FILE_EDIT_MAX) < 0) {
		if (errno == EFBIG)
			return oc_fail(err, 0, "%s is larger than %u bytes", req->path,
				       OC_FILE_EDIT_MAX);
		return oc_fail(err, errno, "cannot read %s", req->path);
	}
	struct oc_file_text file = {data.data ? data.data : "", data.len};
	struct places found = find_all(file, what, req->replace_all);
	if (found.count == 0 && memmem(file.data, file.len, "\r\n", 2) &&
	    memchr(what.data, '\n', what.len)) {
		what = with_cr(what, &what_cr);
		by = with_cr(by, &by_cr);
		found = find_all(file, what, req->replace_all);
	}
	if (found.count == 0 || (found.count > 1 && !req->replace_all))
		return not_once(req, file, &found, err);
	/* Of many short places many long ones. */
	if (by.len > what.len &&
	    (by.len - what.len) > (OC_FILE_EDIT_MAX * 2 - file.len) / found.count)
		return oc_fail(err, 0, "%s would become larger than %u bytes", req->path,
			       OC_FILE_EDIT_MAX * 2);
	replace_all(file, what, by, &changed);
	struct oc_file_text now = {changed.data ? changed.data : "", changed.len};
	if (oc_place_put(&p, req->path, now, &in_place, err) < 0)
		return -1;
	answer(req, file, now, &found, what.len, by.len, in_place, w);
	return 0;
}
