/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail - the end of a log, for logs.tail.
 *
 * The file grows and is rotated while it is read: its size is looked at once, and what lies behind
 * that is the next call's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/log/log.h"

/* Whole lines of b[0..n) become NUL-terminated ones; what is behind the last newline is not looked
 * at.  Number of lines. */
static size_t cut_lines(char *b, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++) {
		if (b[i] == '\0')
			b[i] = ' ';
		if (b[i] == '\n') {
			b[i] = '\0';
			lines++;
		}
	}
	return lines;
}

static size_t read_range(int fd, char *to, size_t n, uint64_t from)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, to + got, n - got, (off_t)(from + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

int oc_log_read(const char *path, bool have_cursor, uint64_t cursor, size_t limit, size_t max_bytes,
		struct oc_log_tail *out, struct oc_err *err)
{
	struct stat st;
	oc_auto_close fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*out = (struct oc_log_tail){0};
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot read the log %s", path);
	if (!S_ISREG(st.st_mode))
		return oc_fail(err, 0, "the log %s is not a regular file", path);
	out->size = (uint64_t)st.st_size;
	if (have_cursor && cursor > out->size) {
		out->reset = true;
		have_cursor = false;
	}
	uint64_t from = have_cursor ? cursor : 0;
	bool cut = out->size - from > max_bytes;
	if (cut)
		from = out->size - max_bytes;
	size_t n = (size_t)(out->size - from);
	char *b = calloc(1, n + 1);
	if (!b)
		oc_oom();
	n = read_range(fd, b, n, from);
	/* A line that is being written stays for the next call. */
	while (n > 0 && b[n - 1] != '\n')
		n--;
	out->cursor = from + n;
	char *start = b, *end = b + n;
	if (cut && start < end) {
		/* The first may be half a line. */
		char *nl = memchr(start, '\n', n);
		start = nl ? nl + 1 : end;
		out->truncated = have_cursor;
	}
	out->count = cut_lines(start, (size_t)(end - start));
	while (out->count > limit) {
		start += strlen(start) + 1;
		out->count--;
		out->truncated = have_cursor;
	}
	memmove(b, start, (size_t)(end - start));
	out->data = b;
	return 0;
}
