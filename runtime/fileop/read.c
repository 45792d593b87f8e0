/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - a window of lines of a text, or an image.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "runtime/fileop/fileop.h"

#define CHUNK (64u << 10)
#define LOOK  8000 /* a NUL in so many bytes: no text */

/* What models can look at. */
static const char *image_type(const char *d, size_t n)
{
	if (n >= 8 && memcmp(d, "\x89PNG\r\n\x1A\n", 8) == 0)
		return "image/png";
	if (n >= 3 && memcmp(d, "\xFF\xD8\xFF", 3) == 0)
		return "image/jpeg";
	if (n >= 6 && (memcmp(d, "GIF87a", 6) == 0 || memcmp(d, "GIF89a", 6) == 0))
		return "image/gif";
	if (n >= 12 && memcmp(d, "RIFF", 4) == 0 && memcmp(d + 8, "WEBP", 4) == 0)
		return "image/webp";
	return NULL;
}

static void base64(const unsigned char *d, size_t n, struct oc_buf *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned v = (unsigned)d[i] << 16 | (have > 1 ? (unsigned)d[i + 1] << 8 : 0) |
			     (have > 2 ? d[i + 2] : 0);
		char q[4] = {digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63],
			     digit[v & 63]};
		if (have < 3)
			q[3] = '=';
		if (have < 2)
			q[2] = '=';
		oc_buf_add(out, q, 4);
	}
}

static int read_image(int fd, const char *type, const struct oc_file_request *req,
		      struct oc_json_writer *w, struct oc_err *err)
{
	oc_auto_buf data = {0};
	oc_auto_buf text = {0};

	if (lseek(fd, 0, SEEK_SET) < 0 || oc_read_all(fd, &data, OC_FILE_IMAGE_MAX) < 0) {
		if (errno == EFBIG)
			return oc_fail(err, 0, "%s is an image of more than %u bytes", req->path,
				       OC_FILE_IMAGE_MAX);
		return oc_fail(err, errno, "cannot read %s", req->path);
	}
	base64((const unsigned char *)data.data, data.len, &text);
	oc_jw_key(w, "mimeType");
	oc_jw_string(w, type);
	oc_jw_key(w, "data");
	oc_jw_bytes(w, text.data, text.len);
	return 0;
}

struct window {
	struct oc_buf text;
	int64_t first, end; /* lines that are wanted: first <= n < end */
	int64_t line;	    /* that the next byte belongs to */
	int64_t last;	    /* that is in text as a whole, 0: none */
	size_t whole;	    /* bytes of text up to its end */
	bool full;	    /* OC_FILE_READ_BYTES is used up */
	bool open;	    /* the last line has had no newline so far */
	bool complete;	    /* the end of the file was seen */
	uint64_t scanned;
};

static void take(struct window *v, const char *d, size_t n)
{
	for (const char *end = d + n; d < end;) {
		const char *nl = memchr(d, '\n', (size_t)(end - d));
		size_t len = nl ? (size_t)(nl - d) + 1 : (size_t)(end - d);
		if (v->line >= v->first && v->line < v->end && !v->full) {
			size_t room = OC_FILE_READ_BYTES - v->text.len;
			oc_buf_add(&v->text, d, len < room ? len : room);
			v->full = len > room;
		}
		v->open = !nl;
		if (nl) {
			if (v->line >= v->first && v->line < v->end && !v->full) {
				v->last = v->line;
				v->whole = v->text.len;
			}
			v->line++;
		}
		d += len;
	}
}

/* How much of a text that was cut somewhere ends with a whole character. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t back = 0;

	while (back < 4 && back < len && ((unsigned char)s[len - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back >= len || (unsigned char)s[len - 1 - back] < 0xC0)
		return len;
	return oc_utf8_decode(s + len - 1 - back, back + 1, NULL) == back + 1 ? len
									      : len - 1 - back;
}

static bool is_utf8(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = oc_utf8_decode(s + i, len - i, NULL);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static void write_window(struct window *v, struct oc_json_writer *w)
{
	int64_t total = v->line - !v->open;
	oc_auto_buf note = {0};

	if (v->open && !v->full && v->line >= v->first && v->line < v->end) {
		v->last = v->line;
		v->whole = v->text.len;
	}
	if (v->last) {
		v->text.len = v->whole;
	} else {
		v->text.len = whole_characters(v->text.data ? v->text.data : "", v->text.len);
		oc_buf_printf(&note, "Line %lld is longer than %u bytes: this is its beginning. ",
			      (long long)v->first, OC_FILE_READ_BYTES);
		v->last = v->first;
	}
	if (!is_utf8(v->text.data ? v->text.data : "", v->text.len))
		oc_buf_puts(&note, "Bytes that are not UTF-8 are shown as U+FFFD. ");
	if (!v->complete)
		oc_buf_printf(&note,
			      "Lines %lld-%lld; the file is larger than %u MiB, its lines were not "
			      "counted. ",
			      (long long)v->first, (long long)v->last, OC_FILE_SCAN_MAX >> 20);
	else if (v->last < total || v->first > 1)
		oc_buf_printf(&note, "Lines %lld-%lld of %lld. ", (long long)v->first,
			      (long long)v->last, (long long)total);
	if (v->last < total || !v->complete)
		oc_buf_printf(&note, "Go on with offset %lld. ", (long long)v->last + 1);
	oc_jw_key(w, "text");
	oc_jw_bytes(w, v->text.data ? v->text.data : "", v->text.len);
	if (note.len) {
		oc_jw_key(w, "notice");
		oc_jw_bytes(w, note.data, note.len - 1);
	}
}

static ssize_t read_some(int fd, char *d, size_t n)
{
	ssize_t r;

	do
		r = read(fd, d, n);
	while (r < 0 && errno == EINTR);
	return r;
}

/* From the first chunk, which was read already, to the end. */
static int read_window(int fd, char *chunk, size_t have, struct window *v, const char *path,
		       struct oc_err *err)
{
	for (;;) {
		take(v, chunk, have);
		v->scanned += have;
		if (v->scanned >= OC_FILE_SCAN_MAX)
			return 0;
		ssize_t n = read_some(fd, chunk, CHUNK);
		if (n < 0)
			return oc_fail(err, errno, "cannot read %s", path);
		if (n == 0)
			break;
		have = (size_t)n;
	}
	v->complete = true;
	return 0;
}

int oc_file_read(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err)
{
	struct window v = {.first = req->offset, .end = req->offset + req->limit, .line = 1};
	struct stat st;
	oc_auto_close fd = oc_file_open(AT_FDCWD, req->path, req->path, &st, err);
	char chunk[CHUNK];
	int r;

	if (fd < 0)
		return -1;
	ssize_t n = read_some(fd, chunk, CHUNK);
	if (n < 0)
		return oc_fail(err, errno, "cannot read %s", req->path);
	const char *type = image_type(chunk, (size_t)n);
	if (type)
		return read_image(fd, type, req, w, err);
	if (memchr(chunk, 0, (size_t)n < LOOK ? (size_t)n : LOOK)) {
		oc_fail(err, 0, "%s is no text: it has NUL bytes (%lld bytes in all)", req->path,
			(long long)st.st_size);
		return oc_err_hint(err,
				   "od -c, file or strings, run with the tool exec, look into it");
	}
	if (n == 0) {
		oc_jw_key(w, "text");
		oc_jw_string(w, "");
		oc_jw_key(w, "notice");
		oc_jw_string(w, "The file is empty.");
		return 0;
	}
	r = read_window(fd, chunk, (size_t)n, &v, req->path, err);
	if (r == 0 && v.first > v.line - !v.open) {
		r = oc_fail(err, 0, "%s has %lld lines%s: there is no line %lld", req->path,
			    (long long)v.line - !v.open, v.complete ? "" : " in its first part",
			    (long long)v.first);
	} else if (r == 0) {
		write_window(&v, w);
	}
	oc_buf_free(&v.text);
	return r;
}
