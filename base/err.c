/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the one error type: filled where something fails, printed once at the edge.
 *
 * Allocates nothing and never fails itself.  A struct oc_err may come from another process, so
 * its texts are read with a bound and are not trusted to be NUL-terminated or printable.
 */
#define _GNU_SOURCE 1 /* mempcpy, strerrordesc_np */
#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

/* Longest prefix of s[0..len) of at most max bytes that does not split a UTF-8 sequence. */
static size_t cut_at(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	size_t n = max;
	while (n > 0 && max - n < 4 && ((unsigned char)s[n] & 0xC0) == 0x80)
		n--;
	return max - n < 4 ? n : max;
}

/*
 * dst = head ++ tail, NUL-terminated.  What does not fit is cut where the two meet, marked with
 * "...": the start says what was tried, the end says why it failed, and a path of 4 KB between
 * them hides neither.  Each side may use half of the room at least.
 */
static void join(char *dst, size_t size, const char *head, size_t head_len, const char *tail,
		 size_t tail_len)
{
	size_t room = size - 1, half = room / 2;
	const char *tail_mark = "", *head_mark = "";

	if (head_len + tail_len > room) {
		size_t tail_room = head_len < half ? room - head_len : half;
		if (tail_len > tail_room) {
			const char *end = tail + tail_len;
			tail = end - (tail_room - 3);
			while (tail < end && ((unsigned char)*tail & 0xC0) == 0x80)
				tail++;
			tail_len = (size_t)(end - tail);
			tail_mark = "...";
		} else {
			tail_room = tail_len;
		}
		if (head_len > room - tail_room) {
			head_len = cut_at(head, head_len, room - tail_room - 3);
			head_mark = "...";
		}
	}
	char *p = mempcpy(dst, head, head_len);
	p = stpcpy(p, head_mark);
	p = stpcpy(p, tail_mark);
	p = mempcpy(p, tail, tail_len);
	*p = 0;
}

/* Format into buf of the given size; returns the length that is in buf. */
__attribute__((format(printf, 3, 0))) static size_t format(char *buf, size_t size, const char *fmt,
							   va_list ap)
{
	int n = vsnprintf(buf, size, fmt, ap);
	if (n < 0) {
		buf[0] = 0;
		return 0;
	}
	return (size_t)n < size ? (size_t)n : size - 1;
}

int oc_vfail(struct oc_err *err, int errnum, const char *fmt, va_list ap)
{
	if (!err)
		return -1;
	/* A size above that of msg: join() then sees that something has to be cut. */
	char text[sizeof(err->msg) + 8], tail[96] = "";
	size_t len = format(text, sizeof(text), fmt, ap), tail_len = 0;

	if (errnum != 0) {
#ifdef __GLIBC__
		/* Not strerror(3): that one looks for a locale's translation. */
		const char *desc = strerrordesc_np(errnum);
#else
		const char *desc = strerror(errnum);
#endif
		int n = desc ? snprintf(tail, sizeof(tail), ": %s", desc)
			     : snprintf(tail, sizeof(tail), ": error %d", errnum);
		tail_len = n < 0 ? 0 : strnlen(tail, sizeof(tail));
	}
	join(err->msg, sizeof(err->msg), text, len, tail, tail_len);
	err->errnum = errnum;
	err->step[0] = 0;
	err->hint[0] = 0;
	return -1;
}

int oc_fail(struct oc_err *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	oc_vfail(err, errnum, fmt, ap);
	va_end(ap);
	return -1;
}

int oc_err_context(struct oc_err *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	char text[sizeof(err->msg) + 8], old[sizeof(err->msg)];
	size_t old_len = strnlen(err->msg, sizeof(err->msg));
	memcpy(old, err->msg, old_len);

	va_list ap;
	va_start(ap, fmt);
	/* Room is left for ": ". */
	size_t len = format(text, sizeof(text) - 2, fmt, ap);
	va_end(ap);
	if (len == sizeof(text) - 3)
		len = cut_at(text, len, len - 1);
	text[len++] = ':';
	text[len++] = ' ';
	join(err->msg, sizeof(err->msg), text, len, old, old_len);
	return -1;
}

int oc_err_hint(struct oc_err *err, const char *fmt, ...)
{
	if (!err || err->hint[0])
		return -1;
	char text[sizeof(err->hint) + 8];
	va_list ap;
	va_start(ap, fmt);
	size_t len = format(text, sizeof(text), fmt, ap);
	va_end(ap);
	join(err->hint, sizeof(err->hint), text, len, "", 0);
	return -1;
}

int oc_err_step(struct oc_err *err, const char *step)
{
	if (err && !err->step[0])
		join(err->step, sizeof(err->step), step, strlen(step), "", 0);
	return -1;
}

struct line {
	char buf[4096];
	size_t len;
};

static void line_bytes(struct line *l, const char *s, size_t n)
{
	if (n > sizeof(l->buf) - 1 - l->len) /* one byte is kept for the newline */
		n = sizeof(l->buf) - 1 - l->len;
	memcpy(l->buf + l->len, s, n);
	l->len += n;
}

static void line_text(struct line *l, const char *s, size_t size)
{
	static const char digit[] = "0123456789abcdef";
	size_t len = strnlen(s, size);

	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = oc_utf8_decode(s + i, len - i, &c);
		if (n > 0 && !oc_utf8_unprintable(c)) {
			line_bytes(l, s + i, n);
			i += n;
			continue;
		}
		for (size_t k = n > 0 ? n : 1; k > 0; k--, i++) {
			unsigned char b = (unsigned char)s[i];
			line_bytes(l, (char[]){'\\', 'x', digit[b >> 4], digit[b & 15]}, 4);
		}
	}
}

/* Best effort: this is the last thing that happens, and there is nobody to tell. */
static void line_write(struct line *l, int fd)
{
	l->buf[l->len++] = '\n';
	for (size_t done = 0; done < l->len;) {
		ssize_t n = write(fd, l->buf + done, l->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

void oc_err_print(const struct oc_err *err, const char *program, int fd)
{
	int saved = errno;
	struct line l;

	l.len = 0;
	line_text(&l, program, 64);
	line_bytes(&l, ": ", 2);
	if (err->step[0]) {
		line_text(&l, err->step, sizeof(err->step));
		line_bytes(&l, ": ", 2);
	}
	line_text(&l, err->msg, sizeof(err->msg));
	line_write(&l, fd);
	if (err->hint[0]) {
		l.len = 0;
		line_text(&l, program, 64);
		line_bytes(&l, ": hint: ", 8);
		line_text(&l, err->hint, sizeof(err->hint));
		line_write(&l, fd);
	}
	errno = saved;
}

const char *oc_errno_name(int errnum)
{
#define NAME(e) {e, #e}
	static const struct {
		int number;
		const char *name;
	} names[] = {
		NAME(EPERM),	   NAME(ENOENT),       NAME(ESRCH),	   NAME(EINTR),	       NAME(EIO),
		NAME(ENXIO),	   NAME(E2BIG),	       NAME(ENOEXEC),	   NAME(EBADF),	       NAME(ECHILD),
		NAME(EAGAIN),	   NAME(ENOMEM),       NAME(EACCES),	   NAME(EFAULT),       NAME(ENOTBLK),
		NAME(EBUSY),	   NAME(EEXIST),       NAME(EXDEV),	   NAME(ENODEV),       NAME(ENOTDIR),
		NAME(EISDIR),	   NAME(EINVAL),       NAME(ENFILE),	   NAME(EMFILE),       NAME(ENOTTY),
		NAME(ETXTBSY),	   NAME(EFBIG),	       NAME(ENOSPC),	   NAME(ESPIPE),       NAME(EROFS),
		NAME(EMLINK),	   NAME(EPIPE),	       NAME(ERANGE),	   NAME(EDEADLK),      NAME(ENAMETOOLONG),
		NAME(ENOSYS),	   NAME(ENOTEMPTY),    NAME(ELOOP),	   NAME(ENODATA),      NAME(EPROTO),
		NAME(EOVERFLOW),   NAME(EUSERS),       NAME(ENOTSOCK),	   NAME(EMSGSIZE),     NAME(EPROTONOSUPPORT),
		NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EAFNOSUPPORT), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL),
		NAME(ENETDOWN),	   NAME(ENETUNREACH),  NAME(ECONNABORTED), NAME(ECONNRESET),   NAME(ENOBUFS),
		NAME(EISCONN),	   NAME(ENOTCONN),     NAME(ETIMEDOUT),	   NAME(ECONNREFUSED), NAME(EHOSTUNREACH),
		NAME(EALREADY),	   NAME(EINPROGRESS),  NAME(ESTALE),	   NAME(EDQUOT),       NAME(ECANCELED),
		NAME(ENOKEY),	   NAME(EKEYEXPIRED),  NAME(EKEYREVOKED),
	};
#undef NAME
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].number == errnum)
			return names[i].name;
	return "?";
}
