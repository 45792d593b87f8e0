/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - libocsandbox as a program that embeds it would use it, against real sandboxes.
 *
 *     library NAME PROGRAM        one of the tests below; PROGRAM: oc-sandbox
 *
 * Built by tests/integration/library.bats with what pkg-config says of an installed library.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ocsandbox.h>

static const char *program;

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #what);                          \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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

static ocs_sandbox *open_with(const char *const *options, unsigned flags)
{
	struct ocs_open how = OCS_OPEN_INIT;
	struct ocs_error err;
	ocs_sandbox *s;

	how.program = program;
	how.options = options;
	how.flags = flags;
	int64_t before = now_ms();
	if (ocs_open(&how, &s, &err) < 0) {
		printf("ocs_open: %s\n", err.message);
		exit(1);
	}
	CHECK(now_ms() - before < 1000);
	return s;
}

static ocs_sandbox *open_one(void)
{
	static const char *const options[] = {"--no-config", NULL};

	return open_with(options, 0);
}

static ocs_sandbox *join(const char *id)
{
	struct ocs_open how = OCS_OPEN_INIT;
	struct ocs_error err;
	ocs_sandbox *s;

	how.sandbox = id;
	if (ocs_open(&how, &s, &err) < 0) {
		printf("ocs_open: %s\n", err.message);
		exit(1);
	}
	return s;
}

static struct ocs_event expect(ocs_sandbox *s, enum ocs_event_type type)
{
	struct ocs_event ev;

	int n = ocs_wait(s, 20000, &ev);
	if (n != 1 || ev.type != type) {
		printf("event %d (%d) in place of %d: %s%s\n", n == 1 ? (int)ev.type : -1, n,
		       (int)type, n == 1 && ev.type == OCS_EVENT_CLOSED ? ev.error.message : "",
		       n == 1 && ev.type == OCS_EVENT_EXIT ? ev.result.json : "");
		exit(1);
	}
	return ev;
}

static uint32_t run_with(ocs_sandbox *s, struct ocs_exec e, const char *const *argv)
{
	struct ocs_error err;
	uint32_t tag;

	e.argv = argv;
	if (ocs_exec(s, &e, &tag, &err) < 0) {
		printf("ocs_exec: %s\n", err.message);
		exit(1);
	}
	return tag;
}
#define NONE	       ((struct ocs_exec)OCS_EXEC_INIT)
#define SH(s, e, text) run_with(s, e, (const char *const[]){"sh", "-c", text, NULL})

static void stop(ocs_sandbox *s)
{
	CHECK(ocs_stop(s, NULL) == 0);
	expect(s, OCS_EVENT_CLOSED);
	ocs_close(s);
}

/* What comes until text does. */
static void read_until(int fd, const char *text)
{
	static char buf[65536];
	size_t len = 0;
	int64_t end = now_ms() + 10000;

	while (now_ms() < end && len < sizeof buf - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 100) <= 0)
			continue;
		ssize_t n = read(fd, buf + len, sizeof buf - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		buf[len] = 0;
		if (strstr(buf, text))
			return;
	}
	printf("no \"%s\" in \"%s\"\n", text, buf);
	exit(1);
}

/* --- the tests --- */

static void test_events(void)
{
	int before = open_fds(), p[2];
	char buf[64] = "";
	struct ocs_exec e = NONE;
	const char *const env[] = {"WORD=given", NULL};
	struct ocs_error err;

	ocs_sandbox *s = open_one();
	CHECK(pipe2(p, O_CLOEXEC) == 0);
	e.out = p[1];
	e.env = env;
	e.cwd = "/tmp";
	/* Before it is open. */
	uint32_t tag = SH(s, e, "echo $WORD $PWD; exit 4");
	close(p[1]);
	struct ocs_event ev = expect(s, OCS_EVENT_OPEN);
	CHECK(strlen(ev.id) == 12 && !ev.joined);
	char *id = strdup(ev.id);
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.tag == tag && ev.result.status == 4 && ev.result.exit_code == 4);
	CHECK(strcmp(ev.result.cause, "exit") == 0 && ev.result.wall_us > 0 && ev.call);
	CHECK(strstr(ev.result.json, "\"wallUs\""));
	CHECK(read(p[0], buf, sizeof buf) > 0 && strcmp(buf, "given /tmp\n") == 0);
	/* A signal that comes at once. */
	tag = SH(s, NONE, "exec sleep 60");
	CHECK(ocs_signal(s, tag, SIGTERM, NULL) == 0);
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.tag == tag && ev.result.status == 143 && ev.result.signal == SIGTERM);
	/* All that came of it. */
	e = NONE;
	e.flags = OCS_STARTED;
	tag = SH(s, e, "(trap '' TERM; setsid sleep 61 & ) ; sleep 62");
	ev = expect(s, OCS_EVENT_STARTED);
	CHECK(ev.pid > 1 && ev.fd == -1);
	CHECK(ocs_kill(s, tag, NULL) == 0);
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 137);
	SH(s, NONE, "! grep -lz '^sleep' /proc/[0-9]*/cmdline");
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	/* Limits, and what cannot be. */
	e = NONE;
	e.timeout_ms = 200;
	SH(s, e, "sleep 60");
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 124 && strcmp(ev.result.cause, "timeout") == 0);
	run_with(s, NONE, (const char *const[]){"no-such-program", NULL});
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 127 && ev.result.error &&
	      strstr(ev.result.error, "no-such-program"));
	run_with(s, NONE, (const char *const[]){"/etc/passwd", NULL});
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 126);
	e = NONE;
	e.env = (const char *const[]){"LD_PRELOAD=/x", NULL};
	SH(s, e, "true");
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 125 && strstr(ev.result.error, "LD_PRELOAD"));
	e = NONE;
	e.in = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	e.argv = (const char *const[]){"true", NULL};
	CHECK(ocs_exec(s, &e, NULL, &err) == -1);
	close(e.in);
	/* Arguments beyond one message, and a program of our own. */
	static char word[120000];
	memset(word, 'w', sizeof word - 1);
	run_with(s, NONE,
		 (const char *const[]){"sh", "-c", "[ ${#1} = 119999 ]", "sh", word, NULL});
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	e = NONE;
	e.program = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int from = open("/bin/true", O_RDONLY | O_CLOEXEC);
	struct stat st;
	CHECK(fstat(from, &st) == 0);
	char *whole = malloc((size_t)st.st_size);
	CHECK(read(from, whole, (size_t)st.st_size) == st.st_size);
	CHECK(write(e.program, whole, (size_t)st.st_size) == st.st_size);
	free(whole);
	close(from);
	CHECK(fcntl(e.program, F_ADD_SEALS,
		    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	run_with(s, e, (const char *const[]){"from-a-memfd", NULL});
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	close(e.program);
	/* One more connection to the same. */
	ocs_sandbox *other = join(id);
	CHECK(expect(other, OCS_EVENT_OPEN).joined);
	SH(other, NONE, "exit 5");
	CHECK(expect(other, OCS_EVENT_EXIT).result.status == 5);
	/* What it runs ends with it; ours does not. */
	SH(other, NONE, "exec sleep 77");
	tag = SH(s, NONE, "sleep 0.3; ! grep -lz '^77' /proc/[0-9]*/cmdline");
	ocs_close(other);
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	stop(s);
	close(p[0]);
	free(id);
	CHECK(open_fds() == before);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void test_many(void)
{
	static const char *const texts[] = {"exit 1", "sleep 0.02; exit 2",
					    "cat >/dev/null; exit 3"};
	bool seen[51] = {false};
	int done = 0;

	ocs_sandbox *s = open_one();
	uint32_t first = 0;
	for (int i = 0; i < 50; i++) {
		uint32_t tag = SH(s, NONE, texts[i % 3]);
		first = first ? first : tag;
	}
	int64_t end = now_ms() + 20000;
	while (done < 50) {
		struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
		struct ocs_event ev;
		CHECK(now_ms() < end);
		poll(&p, 1, 1000);
		while (ocs_next(s, &ev) > 0) {
			if (ev.type == OCS_EVENT_OPEN)
				continue;
			CHECK(ev.type == OCS_EVENT_EXIT && ev.tag - first < 50 &&
			      !seen[ev.tag - first]);
			CHECK(ev.result.status == (int)((ev.tag - first) % 3) + 1);
			seen[ev.tag - first] = true;
			done++;
		}
	}
	struct pollfd p = {.fd = ocs_fd(s), .events = POLLIN};
	CHECK(poll(&p, 1, 50) == 0);
	stop(s);
}

static void test_terminal(void)
{
	struct ocs_exec e = NONE;

	ocs_sandbox *s = open_one();
	expect(s, OCS_EVENT_OPEN);
	e.flags = OCS_PTY;
	e.rows = 33;
	e.cols = 77;
	uint32_t tag = SH(s, e, "stty size; read x; stty size; tty; read y; echo never");
	struct ocs_event ev = expect(s, OCS_EVENT_STARTED);
	CHECK(ev.tag == tag && ev.fd >= 0 && (fcntl(ev.fd, F_GETFD) & FD_CLOEXEC));
	int master = ev.fd;
	read_until(master, "33 77");
	CHECK(ocs_resize(master, 40, 100, NULL) == 0);
	CHECK(write(master, "\n", 1) == 1);
	read_until(master, "40 100");
	/* Ctrl-C. */
	CHECK(write(master, "\003", 1) == 1);
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 130);
	close(master);
	stop(s);
}

static void test_background(void)
{
	struct ocs_exec e = NONE;
	struct ocs_streams st;
	struct ocs_error err;
	struct ocs_event ev;
	const char *answer;
	char buf[64] = "", call[64], id[16];
	uint64_t dropped = 99;

	ocs_sandbox *s = open_one();
	snprintf(id, sizeof id, "%s", expect(s, OCS_EVENT_OPEN).id);
	e.flags = OCS_BACKGROUND;
	SH(s, e,
	   "echo first; echo wrong >&2; while read x; do echo got $x; done; echo last; exit 6");
	ev = expect(s, OCS_EVENT_STARTED);
	CHECK(ev.call && ev.fd == -1);
	snprintf(call, sizeof call, "%s", ev.call);
	/* It is there for the next connection. */
	ocs_close(s);
	s = join(id);
	expect(s, OCS_EVENT_OPEN);
	if (ocs_attach(s, call, true, &st, &err) < 0) {
		printf("ocs_attach: %s\n", err.message);
		exit(1);
	}
	CHECK(st.in >= 0 && st.out >= 0 && st.err >= 0 && st.dropped == 0);
	read_until(st.out, "first\n");
	read_until(st.err, "wrong\n");
	CHECK(write(st.in, "word\n", 5) == 5);
	read_until(st.out, "got word\n");
	struct ocs_streams second;
	CHECK(ocs_attach(s, call, true, &second, &err) == -1);
	CHECK(ocs_attach(s, call, false, &second, &err) == 0 && second.in == -1);
	read_until(second.out, "got word\n");
	close(second.out);
	close(second.err);
	int fd = ocs_logs(s, call, &dropped, &err);
	CHECK(fd >= 0 && dropped == 0);
	read_until(fd, "got word\n");
	close(fd);
	CHECK(ocs_request(s, "{\"op\":\"calls\"}", &answer, &err) == 0);
	CHECK(strstr(answer, call) && strstr(answer, "\"running\""));
	close(st.in);
	CHECK(ocs_eof(s, call, &err) == 0);
	read_until(st.out, "last\n");
	CHECK(read(st.out, buf, sizeof buf) == 0);
	close(st.out);
	close(st.err);
	for (int i = 0; i < 200; i++) {
		CHECK(ocs_request(s, "{\"op\":\"calls\"}", &answer, &err) == 0);
		if (strstr(answer, "\"exited\""))
			break;
		usleep(10000);
	}
	CHECK(strstr(answer, "\"status\":6"));
	/* A foreground one that is let go. */
	e = NONE;
	e.flags = OCS_STARTED;
	uint32_t tag = SH(s, e, "sleep 0.3; touch /tmp/went-on");
	expect(s, OCS_EVENT_STARTED);
	CHECK(ocs_detach(s, tag, NULL) == 0);
	ocs_close(s);
	s = join(id);
	expect(s, OCS_EVENT_OPEN);
	SH(s, NONE,
	   "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e /tmp/went-on ] && "
	   "exit 0; sleep 0.1; done; exit 1");
	CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	CHECK(ocs_logs(s, "no-such-call", NULL, &err) == -1 && strstr(err.message, "no-such-call"));
	stop(s);
}

static void test_agent(void)
{
	const char *const options[] = {"--no-config", "--agent", "lib", NULL};
	const char *const another[] = {"--no-config", "--agent", "lib", "--memory", "300m", NULL};
	struct ocs_event ev;
	char id[16];

	ocs_sandbox *s = open_with(options, OCS_JOIN);
	CHECK(expect(s, OCS_EVENT_CLOSED).error.status == 125);
	ocs_close(s);
	s = open_with(options, 0);
	ev = expect(s, OCS_EVENT_OPEN);
	CHECK(!ev.joined);
	snprintf(id, sizeof id, "%s", ev.id);
	ocs_sandbox *t = open_with(options, OCS_JOIN);
	ev = expect(t, OCS_EVENT_OPEN);
	CHECK(ev.joined && strcmp(ev.id, id) == 0);
	ocs_close(t);
	t = join("lib");
	CHECK(strcmp(expect(t, OCS_EVENT_OPEN).id, id) == 0);
	ocs_close(t);
	/* Another plan. */
	SH(s, NONE, "sleep 60");
	t = open_with(another, 0);
	ev = expect(t, OCS_EVENT_CLOSED);
	CHECK(ev.error.status == 125 && ev.error.message[0]);
	ocs_close(t);
	t = open_with(another, OCS_RECREATE);
	ev = expect(t, OCS_EVENT_OPEN);
	CHECK(!ev.joined && strcmp(ev.id, id) != 0);
	/* The old one went, and said so. */
	ev = expect(s, OCS_EVENT_EXIT);
	CHECK(ev.result.status == 137);
	ev = expect(s, OCS_EVENT_CLOSED);
	CHECK(strstr(ev.error.message, id));
	CHECK(ocs_next(s, &ev) == -1);
	ocs_close(s);
	stop(t);
	const char *const nonsense[] = {"--no-such-option", NULL};
	s = open_with(nonsense, 0);
	ev = expect(s, OCS_EVENT_CLOSED);
	CHECK(ev.error.status == 125 && strstr(ev.error.message, "no-such-option"));
	ocs_close(s);
}

/* The monitor is killed in the middle. */
static void test_killed(void)
{
	struct ocs_error err;
	struct ocs_event ev;
	const char *answer;

	int before = open_fds();
	ocs_sandbox *s = open_one();
	expect(s, OCS_EVENT_OPEN);
	uint32_t a = SH(s, NONE, "sleep 60"), b = SH(s, NONE, "sleep 61");
	CHECK(ocs_request(s, "{\"op\":\"info\"}", &answer, &err) == 0);
	const char *pid = strstr(answer, "\"pid\":");
	CHECK(pid);
	CHECK(kill(atoi(pid + 6), SIGKILL) == 0);
	for (int i = 0; i < 2; i++) {
		ev = expect(s, OCS_EVENT_EXIT);
		CHECK((ev.tag == a || ev.tag == b) && ev.result.status == 137 && ev.result.error);
	}
	expect(s, OCS_EVENT_CLOSED);
	CHECK(ocs_wait(s, 0, &ev) == -1);
	ocs_close(s);
	CHECK(open_fds() == before);
}

/* 2000 warm calls leave nothing with us, and take no time. */
static void test_warm(void)
{
	ocs_sandbox *s = open_one();
	expect(s, OCS_EVENT_OPEN);
	run_with(s, NONE, (const char *const[]){"true", NULL});
	expect(s, OCS_EVENT_EXIT);
	int before = open_fds();
	int64_t begin = now_ms();
	for (int i = 0; i < 2000; i++) {
		run_with(s, NONE, (const char *const[]){"true", NULL});
		CHECK(expect(s, OCS_EVENT_EXIT).result.status == 0);
	}
	printf("%.0f us each\n", (double)(now_ms() - begin) * 1000.0 / 2000.0);
	CHECK(open_fds() == before);
	stop(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {{"events", test_events},	  {"many", test_many},
		     {"terminal", test_terminal}, {"background", test_background},
		     {"agent", test_agent},	  {"killed", test_killed},
		     {"warm", test_warm}};

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc != 3)
		return 2;
	program = argv[2];
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		if (strcmp(argv[1], tests[i].name) == 0) {
			tests[i].run();
			return 0;
		}
	return 2;
}
