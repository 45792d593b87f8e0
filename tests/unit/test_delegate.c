/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_delegate - the one D-Bus call: its bytes against the specification, its answers, and a
 * manager that behaves badly.
 */
#include "tests/unit/cm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime/launch/delegate.h"

#define UNIT	"oc-sandbox-7-1.scope" /* 20 bytes */
#define AUTH_OK "OK 0123456789abcdef0123456789abcdef\r\n"

static int big_endian(void)
{
	return __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;
}

/* Written down from the specification; every group starts at a multiple of 8. */
/* clang-format off */
static const char request[] =
	"l\1\0\1" "\270\0\0\0" "\1\0\0\0" "\266\0\0\0"
	"\1\1o\0" "\31\0\0\0" "/org/freedesktop/systemd1\0" "\0\0\0\0\0\0"
	"\2\1s\0" "\40\0\0\0" "org.freedesktop.systemd1.Manager\0" "\0\0\0\0\0\0\0"
	"\3\1s\0" "\22\0\0\0" "StartTransientUnit\0" "\0\0\0\0\0"
	"\6\1s\0" "\30\0\0\0" "org.freedesktop.systemd1\0" "\0\0\0\0\0\0\0"
	"\10\1g\0" "\20ssa(sv)a(sa(sv))\0" "\0\0"
	/* body */
	"\24\0\0\0" UNIT "\0" "\0\0\0"
	"\4\0\0\0" "fail\0" "\0\0\0" /* ends at 40 */
	"\203\0\0\0" "\0\0\0\0"
	"\13\0\0\0" "Description\0" "\1s\0" "\0" "\12\0\0\0" "oc-sandbox\0" "\0\0\0\0\0"
	"\4\0\0\0" "PIDs\0" "\2au\0" "\0\0\0" "\4\0\0\0" "\0\0\0\0"
	"\10\0\0\0" "Delegate\0" "\1b\0" "\1\0\0\0" "\0\0\0\0"
	"\13\0\0\0" "CollectMode\0" "\1s\0" "\0" "\22\0\0\0" "inactive-or-failed\0"
	"\0" "\0\0\0\0";
/* clang-format on */

static void request_bytes(void **state)
{
	(void)state;
	unsigned char out[512];

	if (big_endian())
		skip();
	size_t n = oc_delegate_request(out, sizeof out, UNIT);
	for (size_t i = 0; i < n && i < sizeof request - 1; i++)
		if (out[i] != (unsigned char)request[i])
			fail_msg("byte %zu is %#x, not %#x", i, out[i], (unsigned char)request[i]);
	assert_int_equal(n, sizeof request - 1);
	assert_int_equal(oc_delegate_size(out), n);
	for (size_t size = 0; size < n; size++)
		assert_int_equal(oc_delegate_request(out, size, UNIT), 0);
}

/* --- messages of the manager, written by a second hand --- */

struct message {
	unsigned char b[8192];
	size_t n;
};

static void pad(struct message *m, size_t to)
{
	while (m->n % to)
		m->b[m->n++] = 0;
}

static void u32(struct message *m, uint32_t v)
{
	pad(m, 4);
	memcpy(m->b + m->n, &v, 4);
	m->n += 4;
}

static void str(struct message *m, const char *s)
{
	u32(m, (uint32_t)strlen(s));
	memcpy(m->b + m->n, s, strlen(s) + 1);
	m->n += strlen(s) + 1;
}

static void field(struct message *m, unsigned char code, char type, const char *s, uint32_t v)
{
	pad(m, 8);
	m->b[m->n++] = code;
	m->b[m->n++] = 1;
	m->b[m->n++] = (unsigned char)type;
	m->b[m->n++] = 0;
	if (type == 'u') {
		u32(m, v);
	} else if (type == 'g') {
		m->b[m->n++] = (unsigned char)strlen(s);
		memcpy(m->b + m->n, s, strlen(s) + 1);
		m->n += strlen(s) + 1;
	} else {
		str(m, s);
	}
}

static void head(struct message *m, unsigned char type)
{
	memset(m, 0, sizeof *m);
	m->b[0] = big_endian() ? 'B' : 'l';
	m->b[1] = type;
	m->b[3] = 1;
	m->n = 16;
}

/* Lengths: of the fields now, of the body by end(). */
static size_t end_fields(struct message *m)
{
	uint32_t n = (uint32_t)m->n - 16;

	memcpy(m->b + 12, &n, 4);
	pad(m, 8);
	return m->n;
}

static void end(struct message *m, size_t body)
{
	uint32_t n = (uint32_t)(m->n - body);

	memcpy(m->b + 4, &n, 4);
}

static struct message reply(uint32_t serial)
{
	struct message m;

	head(&m, 2);
	field(&m, 5, 'u', NULL, serial);
	field(&m, 8, 'g', "o", 0);
	size_t body = end_fields(&m);
	str(&m, "/org/freedesktop/systemd1/job/12");
	end(&m, body);
	return m;
}

static struct message refusal(uint32_t serial, const char *name, const char *text)
{
	struct message m;

	head(&m, 3);
	field(&m, 4, 's', name, 0);
	field(&m, 5, 'u', NULL, serial);
	if (text)
		field(&m, 8, 'g', "s", 0);
	size_t body = end_fields(&m);
	if (text)
		str(&m, text);
	end(&m, body);
	return m;
}

static struct message signal_named(const char *member, const char *unit, const char *result)
{
	struct message m;

	head(&m, 4);
	field(&m, 1, 'o', "/org/freedesktop/systemd1", 0);
	field(&m, 2, 's', "org.freedesktop.systemd1.Manager", 0);
	field(&m, 3, 's', member, 0);
	field(&m, 8, 'g', "uoss", 0);
	size_t body = end_fields(&m);
	u32(&m, 12);
	str(&m, "/org/freedesktop/systemd1/job/12");
	str(&m, unit);
	str(&m, result);
	end(&m, body);
	return m;
}

static enum oc_delegate_answer parse(const struct message *m, char text[256])
{
	return oc_delegate_parse(m->b, m->n, UNIT, text, 256);
}

static void answers(void **state)
{
	(void)state;
	char text[256];
	struct message m = reply(1);

	assert_int_equal(parse(&m, text), OC_DELEGATE_ACCEPTED);
	m = reply(2);
	assert_int_equal(parse(&m, text), OC_DELEGATE_OTHER);
	m = refusal(1, "org.example.No", "because");
	assert_int_equal(parse(&m, text), OC_DELEGATE_REFUSED);
	assert_string_equal(text, "org.example.No: because");
	m = refusal(1, "org.example.No", NULL);
	assert_int_equal(parse(&m, text), OC_DELEGATE_REFUSED);
	assert_string_equal(text, "org.example.No");
	m = refusal(3, "org.example.No", "because");
	assert_int_equal(parse(&m, text), OC_DELEGATE_OTHER);
	m = signal_named("JobRemoved", UNIT, "done");
	assert_int_equal(parse(&m, text), OC_DELEGATE_DONE);
	m = signal_named("JobRemoved", UNIT, "failed");
	assert_int_equal(parse(&m, text), OC_DELEGATE_REFUSED);
	assert_non_null(strstr(text, "failed"));
	m = signal_named("JobRemoved", "oc-sandbox-7-2.scope", "done");
	assert_int_equal(parse(&m, text), OC_DELEGATE_OTHER);
	m = signal_named("UnitRemoved", UNIT, "done");
	assert_int_equal(parse(&m, text), OC_DELEGATE_OTHER);
	m = signal_named("JobRemoved", UNIT, "done");
	m.b[0] = 'x';
	assert_int_equal(parse(&m, text), OC_DELEGATE_BROKEN);
}

/* Every byte cut off or changed: an answer, never a read outside (the sanitizers look), never
 * "done" for a cut one. */
static void damaged(void **state)
{
	(void)state;
	const struct message all[] = {reply(1), refusal(1, "a.b", "text"),
				      signal_named("JobRemoved", UNIT, "done")};

	for (size_t k = 0; k < 3; k++) {
		for (size_t cut = 0; cut < all[k].n; cut++) {
			unsigned char *p = malloc(cut ? cut : 1);
			char text[16];
			memcpy(p, all[k].b, cut);
			assert_int_equal(oc_delegate_parse(p, cut, UNIT, text, sizeof text),
					 OC_DELEGATE_BROKEN);
			free(p);
		}
		for (size_t i = 0; i < all[k].n; i++)
			for (int v = 0; v < 256; v += 17) {
				unsigned char *p = malloc(all[k].n);
				char text[16];
				memcpy(p, all[k].b, all[k].n);
				p[i] = (unsigned char)v;
				oc_delegate_parse(p, all[k].n, UNIT, text, sizeof text);
				assert_non_null(memchr(text, 0, sizeof text));
				free(p);
			}
	}
}

/* --- a manager behind a socket --- */

enum manner {
	POLITE,
	DRIBBLES,
	FLOODS,
	NO_SIGNAL,
	REFUSES_LOGIN,
	REFUSES,
	HANGS_UP,
	GARBAGE,
	ENDLESS_LINE,
	ENDLESS_TALK,
	SILENT
};

static void say(int fd, const void *data, size_t n, enum manner how)
{
	for (const char *p = data; n > 0;) {
		ssize_t r = send(fd, p, how == DRIBBLES ? 1 : n, MSG_NOSIGNAL);
		if (r <= 0)
			_exit(3);
		p += r;
		n -= (size_t)r;
		if (how == DRIBBLES)
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
}

static void say_message(int fd, const struct message *m, enum manner how)
{
	say(fd, m->b, m->n, how);
}

/* Read up to and with text, byte by byte. */
static void hear(int fd, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c;
		if (read(fd, &c, 1) != 1 || c != text[i])
			_exit(4);
	}
}

static void hear_request(int fd)
{
	unsigned char want[512];
	size_t n = oc_delegate_request(want, sizeof want, UNIT);

	hear(fd, (const char *)want, n);
}

/* Larger than any buffer of the other side. */
static void say_large_signal(int fd)
{
	static const char zero[4096];
	struct message m;
	uint32_t n = 100000;

	head(&m, 4);
	field(&m, 3, 's', "PropertiesChanged", 0);
	end_fields(&m);
	memcpy(m.b + 4, &n, 4);
	say_message(fd, &m, POLITE);
	for (; n > sizeof zero; n -= (uint32_t)sizeof zero)
		say(fd, zero, sizeof zero, POLITE);
	say(fd, zero, n, POLITE);
}

static void manager(int listener, enum manner how)
{
	char login[64] = "", uid[16];
	struct message m;
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		_exit(2);
	alarm(20);
	strcpy(login, "_AUTH EXTERNAL ");
	snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
	for (const char *p = uid; *p; p++)
		snprintf(login + strlen(login), 12, "%02x", (unsigned)*p);
	strcat(login, "\r\n");
	size_t n = strlen(login);
	login[0] = '\0';
	hear(fd, login, n);
	if (how == REFUSES_LOGIN)
		say(fd, "REJECTED EXTERNAL\r\n", 19, how);
	if (how == ENDLESS_LINE)
		for (int i = 0; i < 1000; i++)
			say(fd, "OK 0123456789", 13, how);
	if (how == GARBAGE)
		say(fd, AUTH_OK "HTTP/1.1 400 Bad Request\r\n\r\n", strlen(AUTH_OK) + 28, how);
	if (how == REFUSES_LOGIN || how == ENDLESS_LINE || how == GARBAGE || how == SILENT) {
		char c;
		while (read(fd, &c, 1) > 0)
			;
		_exit(0);
	}
	say(fd, AUTH_OK, strlen(AUTH_OK), how);
	hear(fd, "BEGIN\r\n", 7);
	hear_request(fd);
	if (how == HANGS_UP)
		_exit(0);
	if (how == REFUSES) {
		m = refusal(1, "org.freedesktop.DBus.Error.AccessDenied", "no");
		say_message(fd, &m, how);
		_exit(0);
	}
	if (how == FLOODS)
		for (int i = 0; i < 20; i++) {
			m = signal_named("JobRemoved", "some-other.service", "done");
			say_message(fd, &m, how);
			say_large_signal(fd);
		}
	if (how == ENDLESS_TALK)
		for (;;) {
			m = signal_named("JobNew", "some-other.service", "");
			say_message(fd, &m, how);
		}
	m = reply(1);
	say_message(fd, &m, how);
	m = signal_named("JobRemoved", UNIT, "done");
	if (how != NO_SIGNAL)
		say_message(fd, &m, how);
	char c;
	while (read(fd, &c, 1) > 0)
		;
	_exit(0);
}

static const char *socket_dir(void)
{
	const char *tmp = getenv("OC_TEST_TMP");

	return tmp ? tmp : "/tmp";
}

static int listen_at(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	assert_true(strlen(path) < sizeof sa.sun_path);
	strcpy(sa.sun_path, path);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
		    chmod(path, 0777) == 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int ask(enum manner how, struct oc_err *err)
{
	char path[100];
	int status;

	snprintf(path, sizeof path, "%s/oc-delegate-%d", socket_dir(), (int)getpid());
	int listener = listen_at(path);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		manager(listener, how);
	close(listener);
	int r = oc_delegate_scope_at(path, UNIT, 700, err);
	unlink(path);
	if (how == ENDLESS_TALK)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* The manager heard what it wanted to hear. */
	if (how != ENDLESS_TALK && how != ENDLESS_LINE &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		fail_msg("the manager ended with %#x", (unsigned)status);
	return r;
}

static void conversations(void **state)
{
	(void)state;
	static const struct {
		enum manner how;
		const char *error; /* NULL: it works */
	} all[] = {
		{POLITE, NULL},
		{DRIBBLES, NULL},
		{FLOODS, NULL},
		{NO_SIGNAL, "did not answer"}, /* we are not really moved */
		{REFUSES_LOGIN, "refused the login"},
		{REFUSES, "AccessDenied: no"},
		{HANGS_UP, "closed the connection"},
		{GARBAGE, "does not speak D-Bus"},
		{ENDLESS_LINE, "does not speak D-Bus"},
		{ENDLESS_TALK, "did not answer"},
		{SILENT, "did not answer"},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct oc_err err = {0};
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		int r = ask(all[i].how, &err);
		clock_gettime(CLOCK_MONOTONIC, &b);
		if ((r == 0) != !all[i].error || (all[i].error && !strstr(err.msg, all[i].error)))
			fail_msg("manner %zu: %d, \"%s\"", i, r, err.msg);
		long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
		if (ms > 3000)
			fail_msg("manner %zu took %ld ms", i, ms);
	}
}

static void no_manager(void **state)
{
	(void)state;
	struct oc_err err = {0};
	char path[200];

	assert_int_equal(oc_delegate_scope_at("/nonexistent/private", UNIT, 700, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	/* A socket file that nobody listens on. */
	snprintf(path, sizeof path, "%s/oc-delegate-%d", socket_dir(), (int)getpid());
	close(listen_at(path));
	assert_int_equal(oc_delegate_scope_at(path, UNIT, 700, &err), -1);
	assert_int_equal(err.errnum, ECONNREFUSED);
	unlink(path);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(oc_delegate_scope_at(path, UNIT, 700, &err), -1);
	assert_int_equal(err.errnum, ENAMETOOLONG);
}

/* A socket of another user is not asked, wherever the environment points. */
static void stranger(void **state)
{
	(void)state;
	struct oc_err err = {0};
	char path[100];

	if (geteuid() != 0) {
		print_message("# skip: needs root, to be two users\n");
		skip();
	}
	snprintf(path, sizeof path, "%s/oc-delegate-%d", socket_dir(), (int)getpid());
	int listener = listen_at(path);
	/* Who listens is who called listen(2); asked by a third one. */
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (seteuid(65533) < 0 || listen(listener, 4) < 0 || seteuid(0) < 0 ||
		    seteuid(65534) < 0)
			_exit(2);
		int r = oc_delegate_scope_at(path, UNIT, 700, &err);
		_exit(r < 0 && err.errnum == EPERM ? 0 : 1);
	}
	int status;
	waitpid(pid, &status, 0);
	close(listener);
	unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		print_message("# skip: this user namespace has no second user\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_bytes), cmocka_unit_test(answers),
		cmocka_unit_test(damaged),	 cmocka_unit_test(conversations),
		cmocka_unit_test(no_manager),	 cmocka_unit_test(stranger),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
