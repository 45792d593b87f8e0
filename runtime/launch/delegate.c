/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delegate - see delegate.h.
 *
 * The format is the one of the D-Bus specification: a header of 16 fixed bytes and an array of
 * fields, filled up to 8, then the body.  Peer to peer there is no Hello, and the manager sends its
 * signals unasked.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/delegate.h"

#define SERIAL	1u
#define TICK_MS 20 /* between two looks at /proc/self/cgroup */

enum { TYPE_CALL = 1, TYPE_RETURN, TYPE_ERROR, TYPE_SIGNAL };
enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR_NAME,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SIGNATURE = 8
};

static char byte_order(void)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 'l' : 'B';
}

/* --- the request --- */

struct writer {
	unsigned char *out;
	size_t size, len; /* len > size: it did not fit */
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (w->len <= w->size && n <= w->size - w->len) {
		memcpy(w->out + w->len, data, n);
		w->len += n;
	} else {
		w->len = w->size + 1;
	}
}

static void put_pad(struct writer *w, size_t to)
{
	static const unsigned char zero[8];

	put(w, zero, (to - w->len % to) % to);
}

static void put_u32(struct writer *w, uint32_t n)
{
	put_pad(w, 4);
	put(w, &n, sizeof n);
}

static void put_string(struct writer *w, const char *s)
{
	put_u32(w, (uint32_t)strlen(s));
	put(w, s, strlen(s) + 1);
}

static void put_signature(struct writer *w, const char *s)
{
	unsigned char n = (unsigned char)strlen(s);

	put(w, &n, 1);
	put(w, s, n + 1u);
}

static void put_field(struct writer *w, unsigned char code, const char *type, const char *value)
{
	put_pad(w, 8);
	put(w, &code, 1);
	put_signature(w, type);
	if (*type == 'g')
		put_signature(w, value);
	else
		put_string(w, value);
}

/* Of an array of structures: room for its length, which is counted from the first element. */
static size_t begin_array(struct writer *w, size_t *start)
{
	put_u32(w, 0);
	size_t at = w->len - 4;
	put_pad(w, 8);
	*start = w->len;
	return at;
}

static void set_u32(struct writer *w, size_t at, size_t n)
{
	uint32_t v = (uint32_t)n;

	if (w->len <= w->size)
		memcpy(w->out + at, &v, sizeof v);
}

static void put_property(struct writer *w, const char *name, const char *type)
{
	put_pad(w, 8);
	put_string(w, name);
	put_signature(w, type);
}

size_t oc_delegate_request(unsigned char *out, size_t size, const char *unit)
{
	struct writer w = {.out = out, .size = size};
	unsigned char head[4] = {(unsigned char)byte_order(), TYPE_CALL, 0, 1};
	size_t start, at;

	put(&w, head, sizeof head);
	put_u32(&w, 0); /* length of the body */
	put_u32(&w, SERIAL);
	at = begin_array(&w, &start);
	put_field(&w, FIELD_PATH, "o", "/org/freedesktop/systemd1");
	put_field(&w, FIELD_INTERFACE, "s", "org.freedesktop.systemd1.Manager");
	put_field(&w, FIELD_MEMBER, "s", "StartTransientUnit");
	put_field(&w, FIELD_DESTINATION, "s", "org.freedesktop.systemd1");
	put_field(&w, FIELD_SIGNATURE, "g", "ssa(sv)a(sa(sv))");
	set_u32(&w, at, w.len - start);
	put_pad(&w, 8);

	size_t body = w.len;
	put_string(&w, unit);
	put_string(&w, "fail");
	at = begin_array(&w, &start);
	put_property(&w, "Description", "s");
	put_string(&w, "oc-sandbox");
	/* 0 is the sender, as the kernel names it: our own number means another process to a
	 * manager in another pid namespace. */
	put_property(&w, "PIDs", "au");
	put_u32(&w, sizeof(uint32_t));
	put_u32(&w, 0);
	put_property(&w, "Delegate", "b");
	put_u32(&w, 1);
	/* Failed scopes would stay listed until somebody resets them. */
	put_property(&w, "CollectMode", "s");
	put_string(&w, "inactive-or-failed");
	set_u32(&w, at, w.len - start);
	begin_array(&w, &start); /* no auxiliary units */
	set_u32(&w, 4, w.len - body);
	return w.len <= size ? w.len : 0;
}

/* --- the answers --- */

struct reader {
	const unsigned char *p;
	size_t len, at;
	bool bad;
};

static const unsigned char *get(struct reader *r, size_t n)
{
	if (r->bad || n > r->len - r->at) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return r->p + r->at - n;
}

static void get_pad(struct reader *r, size_t to)
{
	get(r, (to - r->at % to) % to);
}

static uint32_t get_u32(struct reader *r)
{
	uint32_t n = 0;

	get_pad(r, 4);
	const unsigned char *p = get(r, 4);
	if (p)
		memcpy(&n, p, 4);
	return n;
}

/* "" if it is not there. */
static const char *get_text(struct reader *r, size_t n)
{
	const unsigned char *p = n < r->len ? get(r, n + 1) : NULL;

	if (!p || memchr(p, '\0', n + 1) != p + n) {
		r->bad = true;
		return "";
	}
	return (const char *)p;
}

static const char *get_string(struct reader *r)
{
	return get_text(r, get_u32(r));
}

static const char *get_signature(struct reader *r)
{
	const unsigned char *n = get(r, 1);

	return n ? get_text(r, *n) : "";
}

size_t oc_delegate_size(const unsigned char *head)
{
	uint32_t body, fields;

	memcpy(&body, head + 4, 4);
	memcpy(&fields, head + 12, 4);
	/* The limits of the specification: 64 MB for an array, 128 MB for a message. */
	if (head[0] != (unsigned char)byte_order() || head[3] != 1 || fields > 1u << 26 ||
	    body > 1u << 27)
		return 0;
	return OC_DELEGATE_HEAD + ((size_t)fields + 7) / 8 * 8 + body;
}

struct fields {
	const char *member, *error, *signature;
	uint32_t reply_serial;
};

/* A field of a type that we do not know ends the reading: what matters to us stands in plain types.
 */
static void read_fields(struct reader *r, struct fields *f)
{
	while (!r->bad && r->at < r->len) {
		get_pad(r, 8);
		if (r->at == r->len)
			return;
		const unsigned char *code = get(r, 1);
		const char *type = get_signature(r), *text = NULL;
		uint32_t number = 0;
		if (!code || type[0] == '\0' || type[1] != '\0')
			return;
		if (*type == 's' || *type == 'o')
			text = get_string(r);
		else if (*type == 'g')
			text = get_signature(r);
		else if (*type == 'u')
			number = get_u32(r);
		else
			return;
		if (*code == FIELD_MEMBER && text)
			f->member = text;
		else if (*code == FIELD_ERROR_NAME && text)
			f->error = text;
		else if (*code == FIELD_SIGNATURE && text)
			f->signature = text;
		else if (*code == FIELD_REPLY_SERIAL && !text)
			f->reply_serial = number;
	}
}

enum oc_delegate_answer oc_delegate_parse(const unsigned char *msg, size_t len, const char *unit,
					  char *text, size_t text_size)
{
	struct fields f = {.member = "", .error = "", .signature = ""};
	uint32_t fields_len;

	*text = '\0';
	if (len < OC_DELEGATE_HEAD || oc_delegate_size(msg) != len)
		return OC_DELEGATE_BROKEN;
	memcpy(&fields_len, msg + 12, 4);
	struct reader r = {.p = msg, .len = OC_DELEGATE_HEAD + fields_len, .at = OC_DELEGATE_HEAD};
	read_fields(&r, &f);
	if (r.bad)
		return OC_DELEGATE_BROKEN;
	/* Alignment counts from the start of the body, which is a multiple of 8. */
	r = (struct reader){
		.p = msg, .len = len, .at = OC_DELEGATE_HEAD + ((size_t)fields_len + 7) / 8 * 8};

	if (msg[1] == TYPE_RETURN && f.reply_serial == SERIAL)
		return OC_DELEGATE_ACCEPTED;
	if (msg[1] == TYPE_ERROR && f.reply_serial == SERIAL) {
		const char *say = f.signature[0] == 's' ? get_string(&r) : "";
		snprintf(text, text_size, "%s%s%s", f.error, *say ? ": " : "", say);
		return OC_DELEGATE_REFUSED;
	}
	if (msg[1] == TYPE_SIGNAL && strcmp(f.member, "JobRemoved") == 0 &&
	    strcmp(f.signature, "uoss") == 0) {
		get_u32(&r);
		get_string(&r);
		const char *name = get_string(&r), *result = get_string(&r);
		if (r.bad)
			return OC_DELEGATE_BROKEN;
		if (strcmp(name, unit) != 0)
			return OC_DELEGATE_OTHER;
		if (strcmp(result, "done") == 0)
			return OC_DELEGATE_DONE;
		snprintf(text, text_size, "the job ended with \"%s\"", result);
		return OC_DELEGATE_REFUSED;
	}
	return OC_DELEGATE_OTHER;
}

/* --- the conversation --- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True if fd is ready; at most until the deadline and at most max ms. */
static bool wait_for(int fd, short events, int64_t deadline, int64_t max)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = deadline - now_ms();

	if (left > max)
		left = max;
	return poll(&p, 1, left > 0 ? (int)left : 0) > 0;
}

static int late(struct oc_err *err)
{
	return oc_fail(err, ETIMEDOUT, "the systemd user manager did not answer");
}

static int connect_to(const char *path, int64_t deadline, struct oc_err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (strlen(path) >= sizeof sa.sun_path)
		return oc_fail(err, ENAMETOOLONG, "%s", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	oc_auto_close fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return oc_fail(err, errno, "socket");
	/* EAGAIN: its queue is full; there is no event to wait for. */
	while (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return oc_fail(err, errno, "no systemd user manager at %s", path);
		if (now_ms() >= deadline)
			return late(err);
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	/* The name comes from the environment: do not ask a stranger to move us. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    (peer.uid != geteuid() && peer.uid != 0))
		return oc_fail(err, EPERM, "%s belongs to another user", path);
	return oc_steal_fd(&fd);
}

static int send_all(int fd, const void *data, size_t len, int64_t deadline, struct oc_err *err)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline, OC_DELEGATE_MS) &&
			    now_ms() >= deadline)
				return late(err);
		} else if (errno != EINTR) {
			return oc_fail(err, errno, "cannot write to the systemd user manager");
		}
	}
	return 0;
}

/* Like read(2) within the time, and its 0 is an error too.  With ticked: sets it and returns -1
 * when nothing came for max ms. */
static ssize_t receive(int fd, void *buf, size_t size, int64_t deadline, int64_t max, bool *ticked,
		       struct oc_err *err)
{
	for (;;) {
		ssize_t n = recv(fd, buf, size, 0);
		if (n > 0)
			return n;
		if (n == 0)
			return oc_fail(err, 0, "the systemd user manager closed the connection");
		if (errno != EAGAIN && errno != EINTR)
			return oc_fail(err, errno, "cannot read from the systemd user manager");
		if (wait_for(fd, POLLIN, deadline, max))
			continue;
		if (now_ms() >= deadline)
			return late(err);
		if (ticked) {
			*ticked = true;
			return -1;
		}
	}
}

/* SASL, EXTERNAL: the kernel has told the manager who we are, the text must only agree with it. */
static int authenticate(int fd, int64_t deadline, struct oc_err *err)
{
	char uid[16], line[128], hello[64] = "?AUTH EXTERNAL ";
	size_t got = 0, len = strlen(hello);

	hello[0] = '\0'; /* one NUL goes before all text */
	snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
	for (const char *p = uid; *p; p++)
		len += (size_t)snprintf(hello + len, sizeof hello - len, "%02x", (unsigned)*p);
	len += (size_t)snprintf(hello + len, sizeof hello - len, "\r\n");
	if (send_all(fd, hello, len, deadline, err) < 0)
		return -1;
	/* Byte by byte: what follows the line is for somebody else. */
	while (got < 2 || memcmp(line + got - 2, "\r\n", 2) != 0) {
		if (got == sizeof line)
			return oc_fail(err, EPROTO,
				       "the systemd user manager does not speak D-Bus");
		if (receive(fd, line + got, 1, deadline, OC_DELEGATE_MS, NULL, err) < 0)
			return -1;
		got++;
	}
	if (memcmp(line, "OK ", 3) != 0)
		return oc_fail(err, EPERM, "the systemd user manager refused the login");
	return send_all(fd, "BEGIN\r\n", 7, deadline, err);
}

/* A second source for the same fact: a manager that sends no signals has moved us all the same. */
static bool joined(const char *unit)
{
	char self[8192];
	size_t n = strlen(unit);

	if (oc_read_file_at(AT_FDCWD, "/proc/self/cgroup", self, sizeof self) < 0)
		return false;
	for (const char *p = self; (p = strstr(p, unit)); p += n)
		if (p > self && p[-1] == '/' && (p[n] == '\0' || p[n] == '\n'))
			return true;
	return false;
}

/* Read messages until one of them, or the kernel, says how it went. */
static int await(int fd, const char *unit, int64_t deadline, struct oc_err *err)
{
	unsigned char buf[4096];
	char text[256];
	size_t have = 0, skip = 0;

	for (;;) {
		bool ticked = false;
		ssize_t n =
			receive(fd, buf + have, sizeof buf - have, deadline, TICK_MS, &ticked, err);
		if (n < 0 && !ticked)
			return -1;
		have += n > 0 ? (size_t)n : 0;
		for (size_t size = 0; have > 0;) {
			if (skip == 0 && have < OC_DELEGATE_HEAD)
				break;
			if (skip == 0 && !(size = oc_delegate_size(buf)))
				return oc_fail(err, EPROTO,
					       "the systemd user manager does not speak D-Bus");
			/* Signals about other units can be of any size; the answer to us fits. */
			if (skip == 0 && size > sizeof buf)
				skip = size;
			if (skip == 0 && size > have)
				break;
			if (skip == 0) {
				switch (oc_delegate_parse(buf, size, unit, text, sizeof text)) {
				case OC_DELEGATE_DONE:
					return 0;
				case OC_DELEGATE_REFUSED:
					return oc_fail(
						err, 0,
						"the systemd user manager gives no scope: %s",
						text);
				case OC_DELEGATE_BROKEN:
					return oc_fail(
						err, EPROTO,
						"the systemd user manager does not speak D-Bus");
				case OC_DELEGATE_OTHER:
				case OC_DELEGATE_ACCEPTED:
					break;
				}
			}
			size_t used = skip == 0 ? size : skip < have ? skip : have;
			skip -= skip ? used : 0;
			memmove(buf, buf + used, have - used);
			have -= used;
		}
		if (joined(unit))
			return 0;
		if (now_ms() >= deadline) /* it talks, but not of us */
			return late(err);
	}
}

int oc_delegate_scope_at(const char *path, const char *unit, int limit_ms, struct oc_err *err)
{
	unsigned char request[512];
	size_t len = oc_delegate_request(request, sizeof request, unit);
	int64_t deadline = now_ms() + limit_ms;

	if (len == 0)
		return oc_fail(err, ENAMETOOLONG, "unit %s", unit);
	oc_auto_close fd = connect_to(path, deadline, err);
	if (fd < 0 || authenticate(fd, deadline, err) < 0 ||
	    send_all(fd, request, len, deadline, err) < 0)
		return -1;
	return await(fd, unit, deadline, err);
}

int oc_delegate_scope(const char *unit, struct oc_err *err)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char path[108];
	int n;

	if (dir && *dir == '/')
		n = snprintf(path, sizeof path, "%s/systemd/private", dir);
	else /* su and sudo do not set it, and a manager that lingers is there all the same */
		n = snprintf(path, sizeof path, "/run/user/%u/systemd/private",
			     (unsigned)geteuid());
	if (n < 0 || (size_t)n >= sizeof path)
		return oc_fail(err, ENAMETOOLONG, "XDG_RUNTIME_DIR");
	return oc_delegate_scope_at(path, unit, OC_DELEGATE_MS, err);
}
