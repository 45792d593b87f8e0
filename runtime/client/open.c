/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open - a sandbox comes to be, and goes; see client.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/client/client.h"

#define LINE_MAX_BYTES 16384
#define RETRY_MS       5
#define READY_FD       3 /* in the program that is started */

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int64_t oc_client_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void oc_client_error(struct ocs_error *out, const struct oc_err *in, int status)
{
	if (!out)
		return;
	*out = (struct ocs_error){.errnum = in->errnum, .status = status};
	snprintf(out->step, sizeof out->step, "%s", in->step);
	snprintf(out->message, sizeof out->message, "%s", in->msg);
	snprintf(out->hint, sizeof out->hint, "%s", in->hint);
}

int oc_client_fail(struct ocs_error *err, int errnum, const char *fmt, ...)
{
	struct oc_err e;
	va_list ap;

	va_start(ap, fmt);
	oc_vfail(&e, errnum, fmt, ap);
	va_end(ap);
	oc_client_error(err, &e, 125);
	return -1;
}

int oc_client_hint(struct ocs_error *err, const char *hint)
{
	if (err)
		snprintf(err->hint, sizeof err->hint, "%s", hint);
	return -1;
}

/* --- life of the object --- */

static int watch(struct ocs_sandbox *s, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static ocs_sandbox *make(struct ocs_error *err)
{
	struct ocs_sandbox *s = calloc(1, sizeof *s);

	if (!s)
		oc_oom();
	s->door.dir_fd = s->pid_fd = s->ready_fd = s->said_fd = s->timer_fd = s->sock = s->null_fd =
		-1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->wake_fd < 0 || watch(s, s->wake_fd) < 0) {
		oc_client_fail(err, errno, "cannot make a descriptor to wait for");
		ocs_close(s);
		return NULL;
	}
	return s;
}

static void drop(int *fd)
{
	oc_closep(fd);
	*fd = -1;
}

/* A process that the caller has forked may hold it, too: closing it would not be enough. */
static void unwatch(struct ocs_sandbox *s, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	drop(fd);
}

void oc_client_wake(struct ocs_sandbox *s)
{
	bool want = s->in.first || s->open_due || s->state == OC_CLIENT_ENDED;
	uint64_t n = 1;

	if (want == s->awake)
		return;
	s->awake = want;
	ssize_t r = want ? write(s->wake_fd, &n, sizeof n) : read(s->wake_fd, &n, sizeof n);
	(void)r; /* a counter between 0 and 1 can always be written and read */
}

void oc_client_end(struct ocs_sandbox *s)
{
	s->state = OC_CLIENT_ENDED;
	unwatch(s, &s->sock);
	unwatch(s, &s->timer_fd);
	unwatch(s, &s->ready_fd);
	drop(&s->said_fd);
	oc_door_close(&s->door);
	s->want_out = false;
	oc_client_queue_clear(&s->out);
	oc_client_wake(s);
}

/* What is left of the program that was started; kill: it is not waited for otherwise. */
static void reap(struct ocs_sandbox *s, bool kill_it)
{
	siginfo_t si = {0};

	if (s->pid_fd < 0)
		return;
	if (kill_it)
		syscall(SYS_pidfd_send_signal, s->pid_fd, SIGKILL, NULL, 0);
	int r = waitid((idtype_t)P_PIDFD, (id_t)s->pid_fd, &si, WEXITED | (kill_it ? 0 : WNOHANG));
	/* ECHILD: the caller's program has reaped it, or ignores SIGCHLD. */
	if (kill_it || (r < 0 && errno != EINTR) || si.si_pid) {
		s->pid = 0;
		unwatch(s, &s->pid_fd);
	}
}

void ocs_close(ocs_sandbox *s)
{
	if (!s)
		return;
	oc_client_end(s);
	reap(s, true);
	drop(&s->null_fd);
	drop(&s->wake_fd);
	drop(&s->epoll_fd);
	oc_client_queue_clear(&s->in);
	oc_arena_free(&s->event_arena);
	oc_buf_free(&s->line);
	oc_buf_free(&s->result);
	oc_buf_free(&s->answer);
	free(s->reason);
	free(s->calls);
	free(s->in_buf);
	free(s->out_buf);
	free(s);
}

int ocs_fd(const ocs_sandbox *s)
{
	return s->epoll_fd;
}

/* --- the connection --- */

static void never(struct ocs_sandbox *s, const struct oc_err *err, int status)
{
	oc_client_error(&s->why, err, status);
	oc_client_end(s);
}

static void try_connect(struct ocs_sandbox *s)
{
	struct oc_err err = {0};
	int fd = oc_door_dial(&s->door, &err);

	if (fd < 0) {
		if (err.errnum == EAGAIN && oc_client_now_ms() < s->give_up)
			return;
		never(s, &err, 125);
		return;
	}
	s->sock = fd;
	unwatch(s, &s->timer_fd);
	oc_door_close(&s->door);
	if (watch(s, fd) < 0) {
		oc_fail(&err, errno, "epoll_ctl");
		never(s, &err, 125);
		return;
	}
	s->state = OC_CLIENT_LIVE;
	s->opened = s->open_due = true;
	oc_client_flush(s);
}

/* door.id and door.dir_fd are known. */
static void begin_connect(struct ocs_sandbox *s)
{
	const struct itimerspec every = {
		.it_value.tv_nsec = RETRY_MS * 1000000,
		.it_interval.tv_nsec = RETRY_MS * 1000000,
	};
	struct oc_err err = {0};

	s->state = OC_CLIENT_CONNECTING;
	s->give_up = oc_client_now_ms() + OC_DOOR_MS;
	try_connect(s);
	if (s->state != OC_CLIENT_CONNECTING)
		return;
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer_fd < 0 || timerfd_settime(s->timer_fd, 0, &every, NULL) < 0 ||
	    watch(s, s->timer_fd) < 0) {
		oc_fail(&err, errno, "cannot make a timer");
		never(s, &err, 125);
	}
}

/* --- oc-sandbox start --- */

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

static bool true_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_BOOL && m->boolean;
}

/* The last line of text, which loses it; NULL: there is none. */
static char *last_line(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = 0;
	if (!n)
		return NULL;
	char *nl = strrchr(text, '\n');
	if (!nl)
		return text;
	*nl = 0;
	return nl + 1;
}

/* It ended without a word: what it printed last may say more. */
static void no_word(struct ocs_sandbox *s, const char *what)
{
	static const char own[] = "oc-sandbox: ", hint[] = "oc-sandbox: hint: ";
	char said[2048];
	struct oc_err err;
	const off_t most = (off_t)sizeof said - 1;
	off_t size = s->said_fd >= 0 ? lseek(s->said_fd, 0, SEEK_END) : -1;
	ssize_t n =
		size > 0 ? pread(s->said_fd, said, (size_t)most, size > most ? size - most : 0) : 0;

	said[n > 0 ? n : 0] = 0;
	char *line = last_line(said), *before = NULL;
	if (line && strncmp(line, hint, sizeof hint - 1) == 0)
		before = line == said ? NULL : last_line(said);
	const char *says = before ? before : line;
	if (!says)
		oc_fail(&err, 0, "%s", what);
	else if (strncmp(says, own, sizeof own - 1) == 0)
		oc_fail(&err, 0, "%s", says + sizeof own - 1);
	else
		oc_fail(&err, 0, "%s: %s", what, says);
	if (before)
		oc_err_hint(&err, "%s", line + sizeof hint - 1);
	never(s, &err, 125);
}

static void on_line(struct ocs_sandbox *s)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err = {0};

	unwatch(s, &s->ready_fd);
	if (oc_json_parse(&a, s->line.data, s->line.len, "oc-sandbox start", &v, &err) < 0) {
		never(s, &err, 125);
		return;
	}
	if (!true_of(v, "ok")) {
		const char *error = text_of(v, "error"), *hint = text_of(v, "hint"),
			   *step = text_of(v, "step");
		int64_t status = 125;
		struct oc_err ignored;
		oc_fail(&err, 0, "%s", error ? error : "oc-sandbox could not make the sandbox");
		if (hint && hint[0])
			oc_err_hint(&err, "%s", hint);
		if (step && step[0])
			oc_err_step(&err, step);
		if (oc_json_get(v, "status"))
			oc_json_int(&a, oc_json_get(v, "status"), 1, 255, &status, &ignored);
		never(s, &err, (int)status);
		return;
	}
	const char *id = text_of(v, "id"), *dir = text_of(v, "dir");
	if (!id || !dir || !oc_rundir_is_id(id)) {
		no_word(s, "oc-sandbox start did not say which sandbox it made");
		return;
	}
	memcpy(s->door.id, id, sizeof s->door.id);
	s->joined = true_of(v, "joined");
	s->door.dir_fd = oc_openat2(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, 0);
	if (s->door.dir_fd < 0) {
		oc_fail(&err, errno, "cannot open %s", dir);
		never(s, &err, 125);
		return;
	}
	begin_connect(s);
}

/* True when there is a line, or never will be. */
static bool read_line(struct ocs_sandbox *s, bool *whole)
{
	char buf[4096];

	*whole = false;
	for (;;) {
		ssize_t n = read(s->ready_fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0 || s->line.len + (size_t)n > LINE_MAX_BYTES)
			return true;
		oc_buf_add(&s->line, buf, (size_t)n);
		const char *nl = memchr(s->line.data, '\n', s->line.len);
		if (nl) {
			s->line.len = (size_t)(nl - s->line.data);
			*whole = true;
			return true;
		}
	}
}

void oc_client_advance(struct ocs_sandbox *s)
{
	bool whole;
	uint64_t n;

	/* First whether it has ended: what it said before that is in the pipe then. */
	if (s->pid)
		reap(s, false);
	if (s->state == OC_CLIENT_CONNECTING) {
		if (s->timer_fd < 0 || read(s->timer_fd, &n, sizeof n) == (ssize_t)sizeof n)
			try_connect(s);
		return;
	}
	if (s->state != OC_CLIENT_STARTING)
		return;
	if (read_line(s, &whole)) {
		if (whole)
			on_line(s);
		else
			no_word(s, "oc-sandbox start ended without a word");
	} else if (s->pid == 0) {
		no_word(s, "oc-sandbox start ended without a word");
	}
}

static int spawn(struct ocs_sandbox *s, const char *program, char *const *argv, int ready,
		 struct oc_err *err)
{
	extern char **environ;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&fa) != 0)
		oc_oom();
	if (posix_spawnattr_init(&at) != 0)
		oc_oom();
	/* Away from the caller's terminal: its Ctrl-C must not reach a launch that others may join.
	 */
	int e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	if (!e)
		e = posix_spawnattr_setsigmask(&at, &none);
	if (!e)
		e = posix_spawnattr_setsigdefault(&at, &all);
	if (!e)
		e = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	if (!e)
		e = posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	if (!e)
		e = posix_spawn_file_actions_adddup2(&fa, s->said_fd, 2);
	if (!e)
		e = posix_spawn_file_actions_adddup2(&fa, ready, READY_FD);
	if (!e)
		e = posix_spawn(&s->pid, program, &fa, &at, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	if (e) {
		s->pid = 0;
		oc_fail(err, e, "cannot start %s", program);
		return oc_err_hint(err, "is oc-sandbox installed there?");
	}
	return 0;
}

/* Beyond the numbers that the started program uses. */
static int move_up(int fd)
{
	int up = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, READY_FD + 1) : -1;

	oc_closep(&fd);
	return up;
}

static int start(struct ocs_sandbox *s, const struct ocs_open *how, struct oc_err *err)
{
	oc_auto_arena a = {0};
	const char *program = how->program ? how->program : OC_BINDIR "/oc-sandbox";
	size_t n = 0, i = 0;
	int fds[2];

	while (how->options && how->options[n])
		n++;
	const char **argv = oc_arena_array(&a, n + 7, sizeof *argv);
	argv[i++] = program;
	argv[i++] = "start";
	argv[i++] = "--ready-fd";
	argv[i++] = "3";
	if (how->flags & OCS_JOIN)
		argv[i++] = "--join-only";
	if (how->flags & OCS_RECREATE)
		argv[i++] = "--recreate";
	if (n)
		memcpy(argv + i, how->options, n * sizeof *argv);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	s->ready_fd = fds[0];
	oc_auto_close ready = move_up(fds[1]);
	s->said_fd = move_up(memfd_create("oc-start", MFD_CLOEXEC));
	if (ready < 0 || s->said_fd < 0 || fcntl(s->ready_fd, F_SETFL, O_NONBLOCK) < 0)
		return oc_fail(err, errno, "cannot make descriptors");
	if (spawn(s, program, (char *const *)(uintptr_t)argv, ready, err) < 0)
		return -1;
	s->pid_fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (s->pid_fd < 0) {
		oc_fail(err, errno, "pidfd_open");
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		return -1;
	}
	if (watch(s, s->ready_fd) < 0 || watch(s, s->pid_fd) < 0)
		return oc_fail(err, errno, "epoll_ctl");
	return 0;
}

/* A state directory that cannot be had is no reason: sandboxes may be found elsewhere. */
static const char *state_dir(struct oc_arena *a, const struct ocs_open *how)
{
	const struct oc_conf_options conf = {0};
	struct oc_err ignored = {0};
	const char *dir = NULL;

	if (how->state_dir)
		return how->state_dir;
	return oc_conf_state_dir(a, &conf, &dir, &ignored) < 0 ? NULL : dir;
}

static int join(struct ocs_sandbox *s, const struct ocs_open *how, struct oc_err *err)
{
	oc_auto_arena a = {0};
	struct oc_door door;

	if (oc_door_find(&a, state_dir(&a, how), how->sandbox, &door, err) < 0)
		return -1;
	if (!door.keep) {
		oc_door_close(&door);
		oc_fail(err, 0, "the sandbox %s is there for one command only", door.id);
		return oc_err_hint(err, "`oc-sandbox start` and `run --keep` make one that stays");
	}
	memcpy(s->door.id, door.id, sizeof door.id);
	s->door.dir_fd = door.dir_fd;
	s->door.pid = door.pid;
	s->joined = true;
	begin_connect(s);
	return 0;
}

int ocs_open(const struct ocs_open *how, ocs_sandbox **out, struct ocs_error *err)
{
	struct oc_err why = {0};

	*out = NULL;
	if (how->size != sizeof *how)
		return oc_client_fail(err, EINVAL, "struct ocs_open of a size that is not known");
	if (how->flags & ~(OCS_JOIN | OCS_RECREATE))
		return oc_client_fail(err, EINVAL, "unknown flags %#x", how->flags);
	if (how->sandbox && (how->options || how->flags & OCS_RECREATE))
		return oc_client_fail(err, EINVAL,
				      "the name of a sandbox and options: only one of them");
	struct ocs_sandbox *s = make(err);
	if (!s)
		return -1;
	if ((how->sandbox ? join(s, how, &why) : start(s, how, &why)) < 0) {
		oc_client_error(err, &why, 125);
		ocs_close(s);
		return -1;
	}
	oc_client_wake(s);
	*out = s;
	return 0;
}
