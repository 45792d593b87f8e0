/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of a sandbox: the run directory, the socket, and clients that are not what they should
 * be. As root in a mount namespace of its own, with an empty /run.
 */
#include "tests/unit/plan_test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/launch/control.h"

static char top[32], run[48]; /* run: where the directories of sandboxes are expected */
static bool root;
static struct oc_arena arena;
static struct oc_plan plan;

static int begin(void **state)
{
	static char name[] = "true", *argv[] = {name, NULL};
	const struct oc_plan_options opt = {.no_config = true, .argv = argv};
	struct oc_err err = {0};

	(void)state;
	strcpy(top, "/tmp/oc-control-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	root = geteuid() == 0;
	if (root &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)) {
		perror("mount namespace");
		return -1;
	}
	setenv("XDG_RUNTIME_DIR", top, 1);
	setenv("OPENCLAW_STATE_DIR", top, 1);
	snprintf(run, sizeof run, "%s/oc-sandbox", root ? "/run" : top);
	if (oc_plan_build(&plan, &arena, &opt, &err) < 0) {
		oc_err_print(&err, "test", 2);
		return -1;
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	oc_plan_close(&plan);
	oc_arena_free(&arena);
	return nftw(top, pt_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void open_door(struct oc_control *c)
{
	struct oc_err err = {0};

	oc_control_init(c);
	int r = oc_control_open(c, &plan, &err);
	if (r < 0)
		oc_err_print(&err, "test", 2);
	assert_int_equal(r, 0);
}

static bool there(const char *name, const char *file)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof path, "%s/%.64s%s%s", run, name, file ? "/" : "", file ? file : "");
	return lstat(path, &st) == 0;
}

static int connect_to(const struct oc_control *c)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/%s/control", run, c->id);
	return connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ? -1 : fd;
}

static int dial(const struct oc_control *c)
{
	int fd = connect_to(c);

	assert_true(fd >= 0);
	return fd;
}

static int handler(void *ctx, const char *op, const struct oc_json *request,
		   struct oc_json_writer *w, struct oc_err *err)
{
	int *calls = ctx;

	++*calls;
	if (strcmp(op, "large") == 0) {
		oc_jw_key(w, "text");
		char *text = oc_arena_alloc(&arena, 300 << 10);
		memset(text, 'x', (300 << 10) - 1);
		oc_jw_string(w, text);
		return 0;
	}
	if (strcmp(op, "echo") != 0) {
		/* What is half written must not be seen. */
		oc_jw_key(w, "half");
		oc_jw_array(w);
		oc_fail(err, 0, "unknown operation");
		return oc_err_hint(err, "try echo");
	}
	oc_jw_key(w, "value");
	oc_jw_value(w, oc_json_get(request, "value"));
	return 0;
}

/* As the monitor's loop does; true if there was something to do. */
static bool turn(struct oc_control *c, int *calls)
{
	struct pollfd p[OC_CONTROL_POLL];

	oc_control_poll(c, p);
	int n = poll(p, OC_CONTROL_POLL, 0);
	oc_control_run(c, p, handler, calls);
	return n > 0;
}

static const char *ask(struct oc_control *c, int fd, const char *text, size_t len)
{
	static char answer[OC_CONTROL_ANSWER_MAX + 1];
	int calls = 0;

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
	while (turn(c, &calls))
		;
	ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	answer[n] = '\0';
	return answer;
}
static const char *ask_text(struct oc_control *c, int fd, const char *text)
{
	return ask(c, fd, text, strlen(text));
}

static void test_directory(void **state)
{
	struct oc_control c, d;
	struct oc_err err = {0};
	struct stat st;
	char text[1024], path[256];
	int64_t pid;

	(void)state;
	open_door(&c);
	assert_true(oc_rundir_is_id(c.id));
	assert_int_equal(stat(run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstat(c.dir_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(there(c.id, "control") && there(c.id, "info.json") &&
		    !there(c.id, "egress.jsonl"));
	int log = oc_control_log(&c, &err);
	assert_true(log >= 0);
	assert_true(fcntl(log, F_GETFL) & O_APPEND);
	close(log);
	/* Nobody can have put a file there before; after a rotation there is none. */
	assert_int_equal(oc_control_log(&c, &err), -1);
	assert_int_equal(renameat(c.dir_fd, "egress.jsonl", c.dir_fd, "egress.jsonl.1"), 0);
	log = oc_control_log(&c, &err);
	assert_true(log >= 0);
	close(log);
	snprintf(path, sizeof path, "%s/%s/info.json", run, c.id);
	assert_true(oc_read_file_at(AT_FDCWD, path, text, sizeof text) > 0);
	struct oc_json *v;
	assert_int_equal(oc_json_parse(&arena, text, strlen(text), "info", &v, &err), 0);
	assert_string_equal(oc_json_get(v, "id")->string, c.id);
	assert_int_equal(oc_json_int(&arena, oc_json_get(v, "pid"), 1, 1 << 30, &pid, &err), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(strtoull(oc_json_get(v, "startTime")->string, NULL, 10),
			 oc_rundir_start_time(getpid()));
	assert_int_equal(oc_json_get(v, "agent")->type, OC_JSON_NULL);
	assert_int_equal(oc_rundir_start_time(0x7ffffff), 0);

	open_door(&d);
	assert_string_not_equal(c.id, d.id);
	oc_control_close(&c);
	assert_false(there(d.id, NULL) && !there(d.id, "control"));
	char id[sizeof d.id];
	strcpy(id, d.id);
	oc_control_close(&d);
	assert_false(there(id, NULL));
	oc_control_close(&d);
}

static void test_messages(void **state)
{
	static char large[OC_CONTROL_MESSAGE_MAX + 2], most[OC_CONTROL_MESSAGE_MAX + 1];
	struct oc_control c;
	char byte;

	(void)state;
	open_door(&c);
	int fd = dial(&c);
	assert_string_equal(ask_text(&c, fd, "{\"op\":\"echo\",\"value\":[1,\"\\u001b\"]}"),
			    "{\"op\":\"echo\",\"ok\":true,\"value\":[1,\"\\u001b\"]}");
	char hash[65];
	oc_plan_hash(&plan, hash);
	assert_non_null(strstr(ask_text(&c, fd, "{\"op\":\"info\"}"), hash));
	/* A request that fails leaves the connection as it is. */
	assert_string_equal(ask_text(&c, fd, "{\"op\":\"other\"}"),
			    "{\"op\":\"other\",\"ok\":false,\"error\":\"unknown "
			    "operation\",\"hint\":\"try echo\"}");
	assert_non_null(strstr(ask_text(&c, fd, "{\"op\":\"large\"}"), "\"ok\":false"));
	memset(most, ' ', sizeof most);
	memcpy(most, "{\"op\":\"echo\",\"value\":2}", 23);
	assert_non_null(strstr(ask(&c, fd, most, OC_CONTROL_MESSAGE_MAX), "\"value\":2"));
	close(fd);

	/* What is no request is answered, and then it is over. */
	static const char *const garbage[] = {
		"", "x", "[]", "{}", "{\"op\":1}", "{\"op\":\"echo\"", "\xff\xfe", "null"};
	memset(large, ' ', sizeof large);
	for (size_t i = 0; i <= sizeof garbage / sizeof garbage[0]; i++) {
		bool last = i == sizeof garbage / sizeof garbage[0];
		size_t len = last ? sizeof large : strlen(garbage[i]);
		int calls = 0;
		fd = dial(&c);
		/* An empty message cannot be told from the end. */
		if (len) {
			const char *answer = ask(&c, fd, last ? large : garbage[i], len);
			assert_non_null(strstr(answer, "\"ok\":false,\"error\":\""));
		} else {
			assert_int_equal(send(fd, "", 0, MSG_NOSIGNAL), 0);
			while (turn(&c, &calls))
				;
		}
		assert_int_equal(calls, 0);
		assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
		close(fd);
	}
	while (turn(&c, &(int){0}))
		;
	for (int i = 0; i < OC_CONTROL_CLIENTS; i++)
		assert_int_equal(c.client[i].fd, -1);
	oc_control_close(&c);
}

static void test_clients(void **state)
{
	struct oc_control c;
	int fd[20], calls = 0;
	char byte;

	(void)state;
	open_door(&c);
	/* Who only sits there has to go when others come; the newest is served. */
	for (int i = 0; i < 20; i++) {
		fd[i] = dial(&c);
		while (turn(&c, &calls))
			;
	}
	assert_non_null(
		strstr(ask_text(&c, fd[19], "{\"op\":\"echo\",\"value\":3}"), "\"value\":3"));
	for (int i = 0; i < 20; i++) {
		ssize_t n = recv(fd[i], &byte, 1, MSG_DONTWAIT);
		assert_int_equal(n, i < 20 - OC_CONTROL_CLIENTS ? 0 : -1);
		close(fd[i]);
	}
	while (turn(&c, &calls))
		;
	/* One who asks and never reads: the monitor does not wait for him, and holds no more than
	 * the socket does. */
	int deaf = dial(&c);
	const char *question = "{\"op\":\"echo\",\"value\":"
			       "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
	alarm(20);
	bool closed = false;
	for (int i = 0; i < 100000 && !closed; i++) {
		closed = send(deaf, question, strlen(question), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			 errno == EPIPE;
		turn(&c, &calls);
	}
	alarm(0);
	assert_true(closed);
	close(deaf);
	/* Descriptors that come along are not kept. */
	fd[0] = dial(&c);
	turn(&c, &calls);
	int before = fcntl(0, F_DUPFD_CLOEXEC, 3);
	close(before);
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)question, .iov_len = strlen(question)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof control.bytes};
	control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.align), &(int){0}, sizeof(int));
	assert_true(sendmsg(fd[0], &m, MSG_NOSIGNAL) > 0);
	turn(&c, &calls);
	int after = fcntl(0, F_DUPFD_CLOEXEC, 3);
	close(after);
	assert_int_equal(before, after);
	close(fd[0]);
	oc_control_close(&c);
}

/* Peers that must not be heard: another user, and (as an ordinary user) one in another user
 * namespace. */
static void test_strangers(void **state)
{
	struct oc_control c;
	int status, calls = 0;

	(void)state;
	open_door(&c);
	if (root) {
		/* Let him come as far as the socket; it is SO_PEERCRED that stops him. */
		assert_int_equal(chmod(run, 0711), 0);
		assert_int_equal(fchmod(c.dir_fd, 0711), 0);
		assert_int_equal(fchmodat(c.dir_fd, "control", 0777, 0), 0);
	}
	pid_t pid = fork();
	if (pid == 0) {
		char answer[256] = "";
		if (root ? setgid(65534) < 0 || setuid(65534) < 0
			 : unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(77);
		/* It is the next child that is in the new pid namespace. */
		pid_t inner = fork();
		if (inner > 0) {
			waitpid(inner, &status, 0);
			_exit(WEXITSTATUS(status));
		}
		int fd = connect_to(&c);
		if (fd < 0)
			_exit(2);
		(void)send(fd, "{\"op\":\"echo\"}", 13, MSG_NOSIGNAL);
		/* It closed with our request unread: that is told once, before what it said. */
		if (recv(fd, answer, sizeof answer - 1, 0) < 0 && errno != ECONNRESET)
			_exit(3);
		if (!answer[0] && recv(fd, answer, sizeof answer - 1, 0) <= 0)
			_exit(5);
		_exit(strstr(answer, "not for this process") ? 0 : 4);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		turn(&c, &calls);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	if (root)
		assert_int_equal(chmod(run, 0700), 0);
	oc_control_close(&c);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(calls, 0);
}

/* kill -9: what is left is found by whoever comes next; what lives is not touched. */
static void test_left_overs(void **state)
{
	struct oc_control live, next;
	char dead[8][OC_RUNDIR_ID_LEN + 1];
	struct oc_err err = {0};
	int out[2], status;

	(void)state;
	open_door(&live);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pipe(out), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct oc_control c;
			oc_control_init(&c);
			if (oc_control_open(&c, &plan, &err) < 0)
				_exit(1);
			close(oc_control_log(&c, &err));
			(void)!write(out[1], c.id, sizeof c.id);
			raise(SIGKILL);
		}
		close(out[1]);
		assert_int_equal(read(out[0], dead[i], sizeof dead[i]), (ssize_t)sizeof dead[i]);
		close(out[0]);
		waitpid(pid, &status, 0);
		if (i == 0) {
			assert_true(there(dead[i], "control"));
			int fd = oc_rundir_open(plan.state_dir, 0, &err);
			assert_true(fd >= 0);
			assert_int_equal(oc_rundir_entry(fd, dead[i]), -1);
			assert_int_equal(errno, ENOENT);
			assert_false(there(dead[i], NULL));
			int entry = oc_rundir_entry(fd, live.id);
			assert_true(entry >= 0);
			close(entry);
			close(fd);
		}
	}
	open_door(&next);
	for (int i = 0; i < 8; i++)
		assert_false(there(dead[i], NULL));
	assert_true(there(live.id, "control") && there(next.id, "control"));
	oc_control_close(&next);
	/* A monitor whose memory somebody else inherited (the janitor) is not dead while that one
	 * lives. */
	int keep = fcntl(live.dir_fd, F_DUPFD_CLOEXEC, 3);
	char id[sizeof live.id];
	strcpy(id, live.id);
	close(live.dir_fd);
	live.dir_fd = -1;
	open_door(&next);
	assert_true(there(id, "control"));
	oc_control_close(&next);
	close(keep);
	open_door(&next);
	assert_false(there(id, NULL));
	oc_control_close(&next);
	oc_control_close(&live);
}

/* Many sandboxes: sweeping looks at some of them only, and finds what is dead in the end. */
static void test_sweep_is_bounded(void **state)
{
	struct oc_control c[60];
	struct oc_err err = {0};

	(void)state;
	for (int i = 0; i < 60; i++)
		open_door(&c[i]);
	int fd = oc_rundir_make(plan.state_dir, &err);
	char id[OC_RUNDIR_ID_LEN + 1];
	close(oc_rundir_new(fd, id, &err));
	int tries = 0;
	while (there(id, NULL) && tries++ < 2000)
		oc_rundir_sweep(fd);
	assert_false(there(id, NULL));
	close(fd);
	for (int i = 0; i < 60; i++) {
		assert_true(there(c[i].id, "control"));
		oc_control_close(&c[i]);
	}
}

static void must_fail(int errnum, const char *what)
{
	struct oc_control c;
	struct oc_err err = {0};

	oc_control_init(&c);
	assert_int_equal(oc_control_open(&c, &plan, &err), -1);
	if (err.errnum != errnum || !strstr(err.msg, what))
		oc_err_print(&err, "test", 2);
	assert_int_equal(err.errnum, errnum);
	assert_non_null(strstr(err.msg, what));
	assert_int_equal(c.run_fd, -1);
	assert_int_equal(c.dir_fd, -1);
	assert_int_equal(c.listen_fd, -1);
}

static void test_bad_places(void **state)
{
	struct oc_control c;
	char other[160];

	(void)state;
	snprintf(other, sizeof other, "%s.away", run);
	assert_true(rename(run, other) == 0 || errno == ENOENT);
	/* A link, a file, a directory that others can look into. */
	assert_int_equal(symlink("/tmp", run), 0);
	must_fail(ENOTDIR, run);
	assert_int_equal(unlink(run), 0);
	int fd = open(run, O_CREAT | O_WRONLY | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	must_fail(ENOTDIR, run);
	assert_int_equal(unlink(run), 0);
	assert_int_equal(mkdir(run, 0700), 0);
	assert_int_equal(chmod(run, 0755), 0);
	must_fail(EPERM, "open to other users");
	if (root) {
		assert_int_equal(chmod(run, 0700), 0);
		assert_int_equal(chown(run, 65534, 65534), 0);
		must_fail(EPERM, "belongs to user 65534");
	}
	assert_int_equal(rmdir(run), 0);

	/* A parent that others can write is no place at all: the state directory is taken. */
	assert_int_equal(chmod(root ? "/run" : top, 0777), 0);
	if (!root)
		must_fail(EPERM, "state directory");
	assert_int_equal(chmod(root ? "/run" : top, 0700), 0);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	if (root)
		assert_int_equal(chmod("/run", 0777), 0);
	open_door(&c);
	char path[256];
	struct stat st;
	snprintf(path, sizeof path, "%s/run/%s/control", top, c.id);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	oc_control_close(&c);
	if (root)
		assert_int_equal(chmod("/run", 0755), 0);
	setenv("XDG_RUNTIME_DIR", top, 1);
	assert_true(rename(other, run) == 0 || errno == ENOENT);
}

/* A path of any length: sockets have 108 bytes. */
static void test_long_path(void **state)
{
	struct oc_plan far = plan;
	struct oc_control c;
	struct oc_err err = {0};
	struct stat st;
	char path[400], sock[512];

	(void)state;
	snprintf(path, sizeof path, "%s/%0150d", top, 1);
	far.state_dir = path;
	setenv("XDG_RUNTIME_DIR", "", 1);
	if (root)
		assert_int_equal(chmod("/run", 0777), 0);
	oc_control_init(&c);
	assert_int_equal(oc_control_open(&c, &far, &err), 0);
	snprintf(sock, sizeof sock, "%s/run/%s/control", path, c.id);
	assert_int_equal(lstat(sock, &st), 0);
	oc_control_close(&c);
	far.state_dir = NULL;
	assert_int_equal(oc_control_open(&c, &far, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	assert_non_null(strstr(err.hint, "XDG_RUNTIME_DIR"));
	if (root)
		assert_int_equal(chmod("/run", 0755), 0);
	setenv("XDG_RUNTIME_DIR", top, 1);
}

/* Foreign things in the run directory are left alone, and nothing breaks. */
static void test_foreign(void **state)
{
	struct oc_control c;
	char path[256];

	(void)state;
	open_door(&c);
	oc_control_close(&c);
	snprintf(path, sizeof path, "%s/0123456789ab", run);
	assert_int_equal(symlink("/etc", path), 0);
	snprintf(path, sizeof path, "%s/notes", run);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/ffffffffffff", run);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	snprintf(path, sizeof path, "%s/eeeeeeeeeeee", run);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/eeeeeeeeeeee/keep", run);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	open_door(&c);
	oc_control_close(&c);
	assert_true(there("0123456789ab", NULL) && there("notes", NULL) &&
		    there("ffffffffffff", NULL) && there("eeeeeeeeeeee", "keep"));
}

/* --- of a sandbox that is kept --- */

struct kept {
	unsigned requests, messages, gone, last;
	size_t fds;
	char data[64];
};

static int kept_request(void *ctx, unsigned client, const char *op, const struct oc_json *request,
			struct oc_json_writer *w, int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	struct kept *k = ctx;

	(void)request;
	(void)w;
	k->requests++;
	k->last = client;
	if (strcmp(op, "file") == 0) {
		fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		fds[1] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	}
	return strcmp(op, "bad") == 0 ? oc_fail(err, 0, "no") : 0;
}

static int kept_message(void *ctx, unsigned client, char *data, size_t len, int fds[OC_CONTROL_FDS],
			size_t count, struct oc_err *err)
{
	struct kept *k = ctx;

	(void)fds;
	k->messages++;
	k->last = client;
	k->fds = count;
	snprintf(k->data, sizeof k->data, "%.*s", (int)len, data);
	return data[0] == 'X' ? oc_fail(err, 0, "not our language") : 0;
}

static void kept_gone(void *ctx, unsigned client)
{
	struct kept *k = ctx;

	(void)client;
	k->gone++;
}

static bool kept_turn(struct oc_control *c)
{
	struct pollfd p[1 + OC_CONTROL_KEPT_CLIENTS];
	nfds_t n = oc_control_poll(c, p);
	int ready = poll(p, n, 0);

	oc_control_serve(c, p, n);
	return ready > 0;
}

static void send_fds(int sock, const char *text, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	char buf[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cm;

	if (count) {
		h.msg_control = buf;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(count * sizeof(int));
		memset(CMSG_DATA(cm), 0, count * sizeof(int)); /* all of them standard input */
	}
	assert_int_equal(sendmsg(sock, &h, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What came; how many descriptors with it (they are closed). */
static size_t receive(int sock, char text[512])
{
	struct iovec iov = {.iov_base = text, .iov_len = 511};
	char buf[CMSG_SPACE(8 * sizeof(int))];
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = buf,
			   .msg_controllen = sizeof buf};
	ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT);
	size_t count = 0;

	text[n > 0 ? n : 0] = '\0';
	for (struct cmsghdr *cm = n > 0 ? CMSG_FIRSTHDR(&h) : NULL; cm; cm = CMSG_NXTHDR(&h, cm)) {
		int fds[8];
		size_t len = cm->cmsg_len - CMSG_LEN(0);
		assert_true(len <= sizeof fds);
		memcpy(fds, CMSG_DATA(cm), len);
		count = len / sizeof(int);
		for (size_t i = 0; i < count; i++)
			close(fds[i]);
	}
	return count;
}

static void open_kept(struct oc_control *c, struct oc_control_service *service, struct kept *k)
{
	struct oc_err err = {0};

	*service = (struct oc_control_service){k, kept_request, kept_message, kept_gone};
	oc_control_init(c);
	oc_control_keep(c, &plan, service);
	assert_int_equal(oc_control_open(c, &plan, &err), 0);
}

static void test_kept(void **state)
{
	struct oc_control_service service;
	struct oc_control c;
	struct kept k = {0};
	char text[512];

	(void)state;
	open_kept(&c, &service, &k);
	int before = count_fds(), fd = dial(&c);
	send_fds(fd, "Mabc", 3);
	send_fds(fd, "{\"op\":\"file\"}", 2);
	send_fds(fd, "{\"op\":\"info\"}", 0);
	send_fds(fd, "{\"op\":\"bad\"}", 0);
	while (kept_turn(&c))
		;
	assert_string_equal(k.data, "Mabc");
	assert_int_equal(k.fds, 3);
	assert_int_equal(k.requests, 3);
	assert_int_equal(receive(fd, text), 2);
	assert_string_equal(text, "{\"op\":\"file\",\"ok\":true}");
	assert_int_equal(receive(fd, text), 0);
	assert_string_equal(text, "{\"op\":\"info\",\"ok\":true}");
	receive(fd, text);
	assert_non_null(strstr(text, "\"ok\":false"));
	/* More descriptors than any message has: an error, and then the end. */
	send_fds(fd, "Mmore", OC_CONTROL_FDS + 1);
	while (kept_turn(&c))
		;
	assert_int_equal(k.messages, 1);
	receive(fd, text);
	assert_non_null(strstr(text, "\"ok\":false"));
	assert_int_equal(recv(fd, text, 1, MSG_DONTWAIT), 0);
	assert_int_equal(k.gone, 1);
	close(fd);
	fd = dial(&c);
	send_fds(fd, "Xyz", 5);
	while (kept_turn(&c))
		;
	receive(fd, text);
	assert_non_null(strstr(text, "not our language"));
	assert_int_equal(k.gone, 2);
	close(fd);
	assert_int_equal(count_fds(), before);
	oc_control_close(&c);
}

static void test_kept_clients(void **state)
{
	struct oc_control_service service;
	struct oc_control c;
	struct kept k = {0};
	int fd[OC_CONTROL_KEPT_CLIENTS + 1];
	char text[512];

	(void)state;
	open_kept(&c, &service, &k);
	for (int i = 0; i <= OC_CONTROL_KEPT_CLIENTS; i++) {
		fd[i] = dial(&c);
		while (kept_turn(&c))
			;
	}
	/* Nobody has to go: they may have commands running. */
	receive(fd[OC_CONTROL_KEPT_CLIENTS], text);
	assert_non_null(strstr(text, "as many clients"));
	assert_int_equal(recv(fd[OC_CONTROL_KEPT_CLIENTS], text, 1, MSG_DONTWAIT), 0);
	send_fds(fd[0], "{\"op\":\"x\"}", 0);
	while (kept_turn(&c))
		;
	receive(fd[0], text);
	assert_non_null(strstr(text, "\"ok\":true"));
	for (int i = 0; i <= OC_CONTROL_KEPT_CLIENTS; i++)
		close(fd[i]);
	while (kept_turn(&c))
		;
	assert_int_equal(k.gone, OC_CONTROL_KEPT_CLIENTS);
	assert_int_equal(c.count, 0);
	oc_control_close(&c);
}

static void test_kept_queue(void **state)
{
	struct oc_control_service service;
	struct oc_control c;
	struct kept k = {0};
	oc_auto_buf event = {0};
	char text[512];
	int sent = 0, got = 0, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	open_kept(&c, &service, &k);
	int before = count_fds(), fd = dial(&c);
	while (kept_turn(&c))
		;
	for (int i = 0; i < 300; i++)
		oc_buf_puts(&event, "x");
	/* More than the socket takes: it waits, descriptors and all, in order. */
	while (!c.client[0].first || c.client[0].queued < 10) {
		event.data[0] = (char)('a' + sent++ % 26);
		oc_control_tell(&c, 0, &event, &null, 1);
		assert_true(sent < 100000);
	}
	for (int idle = 0; idle < 3;) {
		idle = kept_turn(&c) ? 0 : idle + 1;
		while (receive(fd, text) == 1) {
			assert_int_equal(text[0], 'a' + got++ % 26);
			idle = 0;
		}
	}
	assert_int_equal(got, sent);
	assert_int_equal(count_fds(), before + 2);
	/* One who never reads. */
	for (int i = 0; i < 100000 && !k.gone; i++)
		oc_control_tell(&c, 0, &event, &null, 1);
	assert_int_equal(k.gone, 1);
	close(fd);
	assert_int_equal(count_fds(), before);
	close(null);
	oc_control_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory),  cmocka_unit_test(test_messages),
		cmocka_unit_test(test_clients),	   cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_left_overs), cmocka_unit_test(test_sweep_is_bounded),
		cmocka_unit_test(test_bad_places), cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_foreign),	   cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_clients), cmocka_unit_test(test_kept_queue),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, begin, end);
}
