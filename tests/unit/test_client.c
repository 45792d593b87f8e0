/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libocsandbox against a monitor that speaks the protocol and runs commands without a sandbox, and
 * against one that misbehaves.  The real one: tests/lib/library.c.
 */
#include "tests/unit/cm.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "runtime/client/ocsandbox.h"
#include "tests/unit/client_server.h"

#define ID "0123456789ab"

static char top[64], program[96];
static pid_t server;

static void script(const char *text)
{
	int fd = open(program, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "#!/bin/sh\n%s\n", text) > 0, 1);
	close(fd);
}

static int begin(void **state)
{
	char text[256];

	(void)state;
	strcpy(top, "/tmp/oc-client-XXXXXX");
	if (!mkdtemp(top) || pipe2(server_log, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	snprintf(program, sizeof program, "%s/start", top);
	snprintf(text, sizeof text,
		 "echo '{\"ok\":true,\"id\":\"" ID "\",\"dir\":\"%s\",\"joined\":false}' >&3", top);
	script(text);
	server = server_start(top);
	return 0;
}

static int end(void **state)
{
	char path[128];

	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(path, sizeof path, "%s/control", top);
	unlink(path);
	unlink(program);
	close(server_log[0]);
	close(server_log[1]);
	server_log[0] = server_log[1] = -1;
	return rmdir(top);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static ocs_sandbox *open_it(void)
{
	const char *const options[] = {"--agent", "main", NULL};
	const struct ocs_open how = {.size = sizeof how, .program = program, .options = options};
	struct ocs_error err = {0};
	ocs_sandbox *s = NULL;

	if (ocs_open(&how, &s, &err) < 0)
		fail_msg("%s", err.message);
	return s;
}

/* The next one, of that type. */
static struct ocs_event expect(ocs_sandbox *s, enum ocs_event_type type)
{
	struct ocs_event ev;

	assert_int_equal(ocs_wait(s, 10000, &ev), 1);
	if (ev.type == OCS_EVENT_CLOSED && type != OCS_EVENT_CLOSED)
		fail_msg("closed: %s", ev.error.message);
	assert_int_equal(ev.type, type);
	return ev;
}

static uint32_t start(ocs_sandbox *s, const char *const *argv, struct ocs_exec e)
{
	struct ocs_error err = {0};
	uint32_t tag = 0;

	e.argv = argv;
	if (ocs_exec(s, &e, &tag, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_not_equal(tag, 0);
	return tag;
}

#define EXEC(s, ...)                                                                               \
	start(s, (const char *const[]){__VA_ARGS__, NULL}, (struct ocs_exec)OCS_EXEC_INIT)

static void test_run(void **state)
{
	(void)state;
	int before = open_fds();
	ocs_sandbox *s = open_it();
	struct ocs_event ev = expect(s, OCS_EVENT_OPEN);
	assert_string_equal(ev.id, ID);
	assert_false(ev.joined);
	uint32_t tag = EXEC(s, "sh", "-c", "exit 7");
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag, tag);
	assert_string_equal(ev.call, "c1");
	assert_int_equal(ev.result.status, 7);
	assert_int_equal(ev.result.exit_code, 7);
	assert_int_equal(ev.result.signal, 0);
	assert_string_equal(ev.result.cause, "exit");
	assert_int_equal(ev.result.wall_us, 1234);
	assert_int_equal(ev.result.memory_peak_bytes, 0);
	assert_int_equal(ev.result.pids_peak, 3);
	assert_null(ev.result.error);
	assert_non_null(strstr(ev.result.json, "\"wallUs\":1234"));
	assert_int_equal(ocs_next(s, &ev), 0);
	assert_int_equal(ev.type, OCS_EVENT_NONE);
	EXEC(s, "@noexec");
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.result.status, 127);
	assert_string_equal(ev.result.error, "no such program");
	assert_string_equal(ev.result.hint, "look");
	ocs_close(s);
	assert_int_equal(open_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the server; nothing else is left */
}

/* Commands that are given before it is open wait, with descriptors of their own. */
static void test_before_open(void **state)
{
	int p[2];
	char buf[16] = "";
	struct ocs_exec e = OCS_EXEC_INIT;

	(void)state;
	ocs_sandbox *s = open_it();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	e.out = p[1];
	uint32_t one = start(s, (const char *const[]){"echo", "hello", NULL}, e);
	close(p[1]);
	uint32_t two = EXEC(s, "sleep", "60");
	assert_int_equal(ocs_signal(s, two, SIGTERM, NULL), 0);
	expect(s, OCS_EVENT_OPEN);
	struct ocs_event ev = expect(s, OCS_EVENT_EXIT);
	struct ocs_event other = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag + other.tag, one + two);
	assert_int_equal(read(p[0], buf, sizeof buf), 6);
	assert_string_equal(buf, "hello\n");
	close(p[0]);
	ocs_close(s);
}

static void test_descriptors(void **state)
{
	int in[2], out[2], err[2];
	char buf[64] = "";
	struct ocs_exec e = OCS_EXEC_INIT;
	const char *const env[] = {"A=1", "PATH=/usr/bin:/bin", NULL};

	(void)state;
	ocs_sandbox *s = open_it();
	expect(s, OCS_EVENT_OPEN);
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	e.in = in[0];
	e.out = out[1];
	e.err = err[1];
	e.env = env;
	e.cwd = "/proc";
	uint32_t tag =
		start(s, (const char *const[]){"sh", "-c", "read x; echo $A$x; pwd >&2", NULL}, e);
	assert_int_equal(write(in[1], "word\n", 5), 5);
	struct ocs_event ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag, tag);
	assert_int_equal(read(out[0], buf, sizeof buf), 6);
	assert_memory_equal(buf, "1word\n", 6);
	assert_int_equal(read(err[0], buf, sizeof buf), 6);
	assert_memory_equal(buf, "/proc\n", 6);
	/* A program of our own, and none of the streams. */
	e = (struct ocs_exec)OCS_EXEC_INIT;
	e.program = open("/bin/true", O_RDONLY | O_CLOEXEC);
	start(s, (const char *const[]){"whatever", NULL}, e);
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.result.status, 0);
	close(e.program);
	/* What would be a way out of a sandbox is refused. */
	struct ocs_error why;
	const char *const argv[] = {"true", NULL};
	e = (struct ocs_exec)OCS_EXEC_INIT;
	e.argv = argv;
	e.in = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(ocs_exec(s, &e, &tag, &why), -1);
	assert_non_null(strstr(why.message, "directory"));
	close(e.in);
	e.in = open("/etc/passwd", O_PATH | O_CLOEXEC);
	assert_int_equal(ocs_exec(s, &e, &tag, &why), -1);
	close(e.in);
	e.in = 9999;
	assert_int_equal(ocs_exec(s, &e, &tag, &why), -1);
	assert_int_equal(why.errnum, EBADF);
	EXEC(s, "true");
	expect(s, OCS_EVENT_EXIT);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
		close(err[i]);
	}
	ocs_close(s);
}

static void test_large(void **state)
{
	static char word[100000];
	const char *argv[1003] = {"sh", "-c", "echo $# ${#1} ${#999}", "sh"};
	char buf[64] = "";
	int p[2];
	struct ocs_exec e = OCS_EXEC_INIT;

	(void)state;
	ocs_sandbox *s = open_it();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	memset(word, 'w', sizeof word - 1);
	for (int i = 4; i < 1002; i++)
		argv[i] = "x";
	argv[4] = word;
	e.out = p[1];
	start(s, argv, e);
	expect(s, OCS_EVENT_OPEN);
	expect(s, OCS_EVENT_EXIT);
	assert_true(read(p[0], buf, sizeof buf) > 0);
	assert_string_equal(buf, "998 99999 0\n");
	/* Beyond what a command can have at all. */
	static char huge[3 << 20];
	const char *const too[] = {"true", huge, NULL};
	struct ocs_error why;
	memset(huge, 'h', sizeof huge - 1);
	e.argv = too;
	assert_int_equal(ocs_exec(s, &e, NULL, &why), -1);
	assert_int_equal(why.errnum, E2BIG);
	close(p[0]);
	close(p[1]);
	ocs_close(s);
}

static void test_terminal(void **state)
{
	char buf[256];
	size_t n = 0;
	struct ocs_exec e = OCS_EXEC_INIT;

	(void)state;
	ocs_sandbox *s = open_it();
	e.flags = OCS_PTY;
	e.rows = 33;
	e.cols = 77;
	uint32_t tag = start(
		s, (const char *const[]){"sh", "-c", "stty size; read x; stty size", NULL}, e);
	expect(s, OCS_EVENT_OPEN);
	struct ocs_event ev = expect(s, OCS_EVENT_STARTED);
	assert_int_equal(ev.tag, tag);
	assert_true(ev.pid > 0);
	int master = ev.fd;
	assert_true(master >= 0 && (fcntl(master, F_GETFD) & FD_CLOEXEC));
	while (n < 7 && read(master, buf + n, 1) == 1)
		n++;
	assert_memory_equal(buf, "33 77\r\n", 7);
	assert_int_equal(ocs_resize(master, 40, 100, NULL), 0);
	assert_int_equal(write(master, "\n", 1), 1);
	expect(s, OCS_EVENT_EXIT);
	/* The echo of the line comes first, and may come alone. */
	ssize_t r;
	n = 0;
	while (n < sizeof buf - 1 && (r = read(master, buf + n, sizeof buf - 1 - n)) > 0)
		n += (size_t)r;
	buf[n] = 0;
	assert_non_null(strstr(buf, "40 100"));
	close(master);
	struct ocs_error why;
	assert_int_equal(ocs_resize(ocs_fd(s), 1, 1, &why), -1);
	ocs_close(s);
}

static void test_signals(void **state)
{
	struct ocs_error err;
	struct ocs_exec e = OCS_EXEC_INIT;

	(void)state;
	ocs_sandbox *s = open_it();
	expect(s, OCS_EVENT_OPEN);
	uint32_t tag = EXEC(s, "sleep", "60");
	assert_int_equal(ocs_signal(s, tag, SIGUSR1, NULL), 0);
	struct ocs_event ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.result.signal, SIGUSR1);
	assert_int_equal(ev.result.status, 128 + SIGUSR1);
	assert_string_equal(ev.result.cause, "signal");
	/* It is known no more. */
	assert_int_equal(ocs_signal(s, tag, SIGTERM, &err), -1);
	assert_int_equal(err.errnum, ESRCH);
	assert_int_equal(ocs_signal(s, tag, 0, &err), -1);
	assert_int_equal(ocs_kill(s, 0, &err), -1);
	e.flags = OCS_STARTED;
	tag = start(s, (const char *const[]){"sleep", "60", NULL}, e);
	expect(s, OCS_EVENT_STARTED);
	assert_int_equal(ocs_detach(s, tag, NULL), 0);
	assert_int_equal(ocs_kill(s, tag, NULL), 0);
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.result.status, 137);
	ocs_close(s);
}

/* Fifty at once, from a poll loop that only looks at ocs_fd. */
static void test_many(void **state)
{
	bool seen[64] = {false};
	int done = 0;

	(void)state;
	ocs_sandbox *s = open_it();
	uint32_t first = 0;
	for (int i = 0; i < 50; i++) {
		uint32_t tag = EXEC(s, "sh", "-c", i % 2 ? "exit 1" : "sleep 0.05; exit 2");
		first = first ? first : tag;
	}
	while (done < 50) {
		struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
		struct ocs_event ev;
		assert_int_equal(poll(&p, 1, 10000), 1);
		while (ocs_next(s, &ev) > 0) {
			if (ev.type == OCS_EVENT_OPEN)
				continue;
			assert_int_equal(ev.type, OCS_EVENT_EXIT);
			assert_true(ev.tag - first < 50);
			assert_false(seen[ev.tag - first]);
			seen[ev.tag - first] = true;
			assert_int_equal(ev.result.status, (ev.tag - first) % 2 ? 1 : 2);
			done++;
		}
	}
	struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 50), 0);
	ocs_close(s);
}

static void test_requests(void **state)
{
	struct ocs_error err;
	const char *answer;
	char text[64], buf[16];
	struct ocs_event ev;
	struct ocs_streams st;
	uint64_t dropped = 0;

	(void)state;
	ocs_sandbox *s = open_it();
	/* Before it is open: it is waited for. */
	assert_int_equal(ocs_request(s, "{\"op\":\"info\"}", &answer, &err), 0);
	assert_string_equal(answer, "{\"op\":\"info\",\"ok\":true}");
	assert_int_equal(ocs_request(s, "{\"op\":\"nonsense\"}", &answer, &err), -1);
	assert_string_equal(err.message, "that is not to be had");
	assert_string_equal(err.hint, "ask for less");
	assert_non_null(answer);
	assert_int_equal(ocs_request(s, "[]", &answer, &err), -1);
	assert_int_equal(err.errnum, EINVAL);
	assert_int_equal(ocs_request(s, "{\"op\":\"large\"}", &answer, &err), 0);
	assert_true(strlen(answer) > 150000);
	/* Events that come meanwhile are not lost, and ocs_fd says so. */
	uint32_t tag = EXEC(s, "sleep", "60");
	snprintf(text, sizeof text, "{\"op\":\"slow\",\"tag\":%u}", tag);
	assert_int_equal(ocs_signal(s, tag, SIGCONT, NULL), 0);
	assert_int_equal(ocs_request(s, text, &answer, &err), 0);
	struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 1);
	expect(s, OCS_EVENT_OPEN);
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag, tag);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(ocs_attach(s, "c\"1", true, &st, &err), 0);
	assert_true(st.dropped == 12345678901);
	assert_int_equal(read(st.out, buf, sizeof buf), 3);
	assert_memory_equal(buf, "out", 3);
	assert_int_equal(read(st.err, buf, sizeof buf), 3);
	assert_memory_equal(buf, "err", 3);
	assert_true(st.in >= 0);
	close(st.in);
	close(st.out);
	close(st.err);
	assert_int_equal(ocs_attach(s, "x", false, &st, &err), 0);
	assert_int_equal(st.in, -1);
	close(st.out);
	close(st.err);
	int before = open_fds();
	assert_int_equal(ocs_attach(s, "few", true, &st, &err), -1);
	assert_int_equal(err.errnum, EPROTO);
	assert_int_equal(open_fds(), before);
	int fd = ocs_logs(s, "the text", &dropped, &err);
	assert_true(fd >= 0);
	assert_int_equal(dropped, 7);
	assert_int_equal(read(fd, buf, sizeof buf), 8);
	assert_memory_equal(buf, "the text", 8);
	close(fd);
	/* It goes while it is asked. */
	assert_int_equal(ocs_request(s, "{\"op\":\"close\"}", &answer, &err), -1);
	assert_non_null(strstr(err.message, "has ended"));
	expect(s, OCS_EVENT_CLOSED);
	ocs_close(s);
}

static void test_stop(void **state)
{
	struct ocs_event ev;

	(void)state;
	ocs_sandbox *s = open_it();
	expect(s, OCS_EVENT_OPEN);
	uint32_t tag = EXEC(s, "sleep", "60");
	assert_int_equal(ocs_stop(s, NULL), 0);
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag, tag);
	assert_int_equal(ev.result.status, 137);
	ev = expect(s, OCS_EVENT_CLOSED);
	assert_non_null(strstr(ev.error.message, "it was told to"));
	assert_int_equal(ocs_next(s, &ev), -1);
	assert_int_equal(ocs_wait(s, -1, &ev), -1);
	const char *const argv[] = {"true", NULL};
	struct ocs_exec e = OCS_EXEC_INIT;
	struct ocs_error err;
	e.argv = argv;
	assert_int_equal(ocs_exec(s, &e, NULL, &err), -1);
	assert_int_equal(ocs_stop(s, &err), -1);
	struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	ocs_close(s);
	ocs_close(NULL);
}

/* Whatever it says: the calls get their ends, and it is told; nothing leaks. */
static void test_hostile(void **state)
{
	static const char *const what[] = {"@truncated", "@binary",   "@close",
					   "@array",	 "@unasked",  "@nothing",
					   "@noresult",	 "@nomaster", "@descriptors"};
	struct ocs_exec e = OCS_EXEC_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
		int before = open_fds();
		ocs_sandbox *s = open_it();
		expect(s, OCS_EVENT_OPEN);
		uint32_t other = EXEC(s, "sleep", "60");
		e.flags = strcmp(what[i], "@nomaster") == 0 ? OCS_PTY : 0;
		uint32_t tag = start(s, (const char *const[]){what[i], NULL}, e);
		struct ocs_event ev = expect(s, OCS_EVENT_EXIT);
		if (ev.result.status != 137)
			fail_msg("%s: %d", what[i], ev.result.status);
		assert_string_equal(ev.result.cause, "signal");
		assert_non_null(ev.result.error);
		struct ocs_event last = expect(
			s, strcmp(what[i], "@noresult") == 0 ? OCS_EVENT_EXIT : OCS_EVENT_EXIT);
		assert_int_equal(ev.tag + last.tag, tag + other);
		ev = expect(s, OCS_EVENT_CLOSED);
		assert_non_null(strstr(ev.error.message, ID));
		assert_int_equal(ocs_next(s, &ev), -1);
		ocs_close(s);
		if (open_fds() != before)
			fail_msg("%s: descriptors are left", what[i]);
	}
	/* Nonsense that is for nobody, or of a later version, is passed over. */
	int before = open_fds();
	ocs_sandbox *s = open_it();
	expect(s, OCS_EVENT_OPEN);
	uint32_t tag = EXEC(s, "@strange");
	struct ocs_event ev = expect(s, OCS_EVENT_STARTED);
	assert_int_equal(ev.tag, tag);
	assert_int_equal(ev.fd, -1);
	assert_int_equal(ev.pid, 0);
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.result.status, 7);
	assert_int_equal(ev.result.exit_code, -1);
	assert_null(ev.call);
	EXEC(s, "true");
	expect(s, OCS_EVENT_EXIT);
	ocs_close(s);
	assert_int_equal(open_fds(), before);
}

static void closed(const char *text, int status, const char *says)
{
	struct ocs_event ev;
	int before = open_fds();

	script(text);
	ocs_sandbox *s = open_it();
	uint32_t tag = EXEC(s, "true");
	ev = expect(s, OCS_EVENT_EXIT);
	assert_int_equal(ev.tag, tag);
	assert_int_equal(ev.result.status, status);
	assert_string_equal(ev.result.cause, "setup");
	ev = expect(s, OCS_EVENT_CLOSED);
	if (!strstr(ev.error.message, says))
		fail_msg("\"%s\" has no \"%s\"", ev.error.message, says);
	assert_int_equal(ev.error.status, status);
	ocs_close(s);
	assert_int_equal(open_fds(), before);
}

static void test_not_made(void **state)
{
	struct ocs_error err;
	ocs_sandbox *s;

	(void)state;
	closed("echo '{\"ok\":false,\"status\":125,\"step\":\"cgroup\",\"error\":\"no cgroup "
	       "here\",\"hint\":\"h\"}' >&3",
	       125, "no cgroup here");
	closed("echo one >&2; echo it broke >&2; exit 1", 125, "it broke");
	closed("echo oc-sandbox: no such option >&2; echo oc-sandbox: hint: another >&2; exit 125",
	       125, "no such option");
	closed("exit 0", 125, "without a word");
	closed("kill -9 $$", 125, "without a word");
	closed("echo '{\"ok\":tr' >&3", 125, "oc-sandbox start");
	closed("echo '{\"ok\":true,\"id\":\"../../etc\",\"dir\":\"/\"}' >&3", 125, "did not say");
	closed("echo '{\"ok\":true,\"id\":\"" ID "\",\"dir\":\"/nonexistent\"}' >&3", 125,
	       "/nonexistent");
	closed("echo '{\"ok\":true,\"id\":\"" ID "\",\"dir\":\"/proc\"}' >&3", 125, "has ended");
	closed("yes | head -c 100000 | tr -d '\\n' >&3", 125, "without a word");
	/* A line that comes in pieces, slowly, by a program that stays. */
	char text[256];
	snprintf(text, sizeof text,
		 "printf '{\"ok\":true,' >&3; sleep 0.1; echo '\"id\":\"" ID
		 "\",\"dir\":\"%s\",\"joined\":true}' >&3; "
		 "exec sleep 60 3>&-",
		 top);
	script(text);
	s = open_it();
	struct ocs_event ev = expect(s, OCS_EVENT_OPEN);
	assert_true(ev.joined);
	ocs_close(s);
	/* Before it is decided. */
	script("sleep 60");
	s = open_it();
	EXEC(s, "true");
	assert_int_equal(ocs_wait(s, 20, &ev), 0);
	ocs_close(s);
	struct ocs_open how = {.size = sizeof how, .program = "/nonexistent/oc-sandbox"};
	assert_int_equal(ocs_open(&how, &s, &err), -1);
	assert_non_null(strstr(err.message, "/nonexistent/oc-sandbox"));
	assert_null(s);
	how.size--;
	assert_int_equal(ocs_open(&how, &s, &err), -1);
	how = (struct ocs_open){.size = sizeof how, .sandbox = "no such agent", .state_dir = top};
	assert_int_equal(ocs_open(&how, &s, &err), -1);
	assert_non_null(strstr(err.message, "no such agent"));
	how.flags = OCS_RECREATE;
	assert_int_equal(ocs_open(&how, &s, &err), -1);
	assert_int_equal(ocs_open(&how, &s, NULL), -1);
}

/* The options arrive; descriptors of ours do not; nothing of our signals is inherited. */
static void test_program(void **state)
{
	char text[512];
	const char *const options[] = {"--agent", "a b", NULL};
	const struct ocs_open how = {
		.size = sizeof how, .program = program, .options = options, .flags = OCS_RECREATE};
	struct ocs_event ev;
	ocs_sandbox *s;

	(void)state;
	snprintf(text, sizeof text,
		 "if [ \"$*\" = 'start --ready-fd 3 --recreate --agent a b' ] && [ $# = 6 ] && "
		 "! ls -l /proc/$$/fd | grep anon_inode "
		 /* its own: the shell blocks signals itself while it waits */
		 "&& grep -q 'SigBlk:.*0000000000000000' /proc/self/status && [ \"$(ps -o sid= -p $$ "
		 "| tr -d ' ')\" = $$ ]; then "
		 "echo '{\"ok\":true,\"id\":\"" ID
		 "\",\"dir\":\"%s\",\"joined\":false}' >&3; else ls -l /proc/$$/fd >&2; echo bad "
		 "$# \"$@\" >&2; fi",
		 top);
	script(text);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ocs_open(&how, &s, NULL), 0);
	assert_int_equal(ocs_wait(s, 10000, &ev), 1);
	if (ev.type != OCS_EVENT_OPEN)
		fail_msg("%s", ev.error.message);
	close(low);
	sigprocmask(SIG_SETMASK, &old, NULL);
	ocs_close(s);
}

/* More than the socket takes at once: what is left waits, in order, and goes out when there is
 * room. */
static void test_backlog(void **state)
{
	static char word[60000];
	const char *const argv[] = {"true", word, NULL};
	const int rounds = 60;
	struct ocs_event ev;
	int done = 0;

	(void)state;
	memset(word, 'w', sizeof word - 1);
	ocs_sandbox *s = open_it();
	expect(s, OCS_EVENT_OPEN);
	kill(server, SIGSTOP);
	uint32_t last = 0;
	for (int i = 0; i < rounds; i++)
		last = start(s, argv, (struct ocs_exec)OCS_EXEC_INIT);
	assert_int_equal(ocs_wait(s, 20, &ev), 0);
	kill(server, SIGCONT);
	while (done < rounds) {
		struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		while (ocs_next(s, &ev) > 0) {
			assert_int_equal(ev.type, OCS_EVENT_EXIT);
			assert_int_equal(ev.result.status, 0);
			assert_true(ev.tag <= last);
			done++;
		}
	}
	ocs_close(s);
}

int main(void)
{
	if (cm_skip_without_openat2())
		return 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_run, begin, end),
		cmocka_unit_test_setup_teardown(test_before_open, begin, end),
		cmocka_unit_test_setup_teardown(test_descriptors, begin, end),
		cmocka_unit_test_setup_teardown(test_large, begin, end),
		cmocka_unit_test_setup_teardown(test_terminal, begin, end),
		cmocka_unit_test_setup_teardown(test_signals, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
		cmocka_unit_test_setup_teardown(test_requests, begin, end),
		cmocka_unit_test_setup_teardown(test_stop, begin, end),
		cmocka_unit_test_setup_teardown(test_hostile, begin, end),
		cmocka_unit_test_setup_teardown(test_not_made, begin, end),
		cmocka_unit_test_setup_teardown(test_program, begin, end),
		cmocka_unit_test_setup_teardown(test_backlog, begin, end),
	};
	/* Whatever of the library asks for it gets SIGPIPE's default, which is our death. */
	signal(SIGPIPE, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
