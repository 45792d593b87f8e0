/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep - see keep.h.
 */
#include "runtime/session/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/sampler.h"
#include "runtime/launch/sys.h"
#include "runtime/session/keep_internal.h"
#include "runtime/session/scope.h"

#define DESCRIPTORS 8192 /* that it may have open: 200 commands in the background, 128 clients */

/* What the monitor tells whoever started it. */
struct word {
	int ok;
	char id[OC_RUNDIR_ID_LEN + 1];
	struct oc_err err;
};

uint64_t oc_keep_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int64_t oc_keep_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void make_room(struct oc_polls *s, size_t count)
{
	if (s->count + count <= s->cap)
		return;
	s->cap = (s->count + count) * 2;
	s->p = realloc(s->p, s->cap * sizeof *s->p);
	if (!s->p)
		oc_oom();
}

size_t oc_polls_add(struct oc_polls *s, int fd, short events)
{
	make_room(s, 1);
	s->p[s->count] = (struct pollfd){.fd = fd, .events = events};
	return s->count++;
}

void oc_keep_end(struct oc_keep *k, const char *why)
{
	if (!k->ending)
		k->ending = why;
}

void oc_keep_used(struct oc_keep *k)
{
	k->used_us = k->now_us;
	oc_activity_note(k->activity, OC_ACTIVITY_READY, k->running);
}

void oc_keep_tell(struct oc_keep *k, int client, const int *fds, size_t count)
{
	oc_control_tell(k->door, (unsigned)client, &k->out, fds, count);
}

/* --- one turn of the loop --- */

enum { INIT, SOCK, SIGNALS, MEMORY, BROKER, FIXED = BROKER + OC_EGRESS_BROKER_POLL };

static void on_signals(struct oc_keep *k)
{
	struct signalfd_siginfo si;

	while (read(k->signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			oc_keep_end(k, "signal");
}

static void on_init(struct oc_keep *k)
{
	struct oc_msg m;
	int fds[OC_MSG_FDS];
	ssize_t n = oc_msg_recv_fds(k->s.sock, &m, fds);

	for (int i = 0; i < OC_MSG_FDS; i++)
		oc_closep(&fds[i]);
	if (n <= 0) {
		oc_keep_end(k, k->s.over_memory ? "memory" : "the end of pid 1");
	} else if (m.type == OC_MSG_GONE) {
		m.err.msg[sizeof m.err.msg - 1] = m.err.hint[sizeof m.err.hint - 1] = '\0';
		m.err.step[sizeof m.err.step - 1] = '\0';
		oc_runner_gone(k, (unsigned)m.value,
			       (size_t)n >= offsetof(struct oc_msg, state) ? &m.err : NULL);
	}
}

/* It is readable again with the next event. */
static void on_memory(struct oc_keep *k, int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof count);
	oc_runner_oom(k);
}

/* Runners and their commands: entries are made and read in the same order. */
static void poll_runners(const struct oc_keep *k, struct oc_polls *s)
{
	for (unsigned i = 0; i < k->runner_top; i++) {
		const struct oc_runner *r = k->runner[i];
		if (!r)
			continue;
		oc_polls_add(s, r->sock, POLLIN);
		if (r->oom_fd >= 0)
			oc_polls_add(s, r->oom_fd, POLLIN);
	}
}

static void run_runners(struct oc_keep *k, const struct oc_polls *s, size_t from)
{
	unsigned top = k->runner_top;

	/* One that came in this turn has no entry: its descriptor is no entry's. */
	for (unsigned i = 0; i < top && from < s->count; i++) {
		struct oc_runner *r = k->runner[i];
		if (!r || (s->p[from].fd != r->sock && s->p[from].fd >= 0))
			continue;
		const struct pollfd *p = &s->p[from++];
		int oom = r->oom_fd;
		if (p->fd >= 0 && p->fd == r->sock && p->revents)
			oc_runner_read(k, r);
		if (oom >= 0 && from < s->count && s->p[from].fd == oom && s->p[from++].revents)
			on_memory(k, oom);
	}
}

static void run_calls(struct oc_keep *k, const struct oc_polls *s, size_t from)
{
	for (struct oc_call *c = k->first; c && from < s->count; c = c->next)
		if (c->background)
			from += oc_background_run(c, s->p + from);
}

static int wait_ms(uint64_t now, uint64_t next)
{
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	uint64_t ms = (next - now + 999) / 1000;
	return ms > 3600000 ? 3600000 : (int)ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The workspace is full: what runs ends, the sandbox stays, so that somebody can come and tidy up.
 */
static void on_disk(struct oc_keep *k)
{
	for (struct oc_call *c = k->first; c; c = c->next)
		if (oc_call_runs(c) && c->runner) {
			c->disk = true;
			oc_runner_end(k, c->runner);
		}
	memcpy(k->disk_why, k->s.disk.why, sizeof k->disk_why);
	oc_disk_again(&k->s.disk);
}

/* What is due; returns when the next thing is. */
static uint64_t on_time(struct oc_keep *k)
{
	const struct oc_plan *p = k->plan;
	uint64_t next = earlier(oc_runner_time(k), oc_call_time(k));

	if (k->running && (k->s.missing & OC_CG_SAMPLED)) {
		if (k->now_us >= k->sample_us) {
			oc_sandbox_sample(&k->s, 0);
			k->sample_us = k->now_us + OC_SAMPLE_MS * 1000;
		}
		next = earlier(next, k->sample_us);
	}
	if (k->running) {
		if (k->now_us >= oc_disk_due(&k->s.disk) && oc_disk_run(&k->s.disk, k->now_us))
			on_disk(k);
		next = earlier(next, oc_disk_due(&k->s.disk));
	}
	if (p->idle_ms && !k->running) {
		uint64_t at = k->used_us + p->idle_ms * 1000;
		if (k->now_us >= at)
			oc_keep_end(k, "idle");
		next = earlier(next, at);
	}
	/* Whoever waits for his command gets it to its end; what nobody waits for does not hold it.
	 */
	if (p->max_age_ms && !k->foreground) {
		uint64_t at = k->born_us + p->max_age_ms * 1000;
		if (k->now_us >= at)
			oc_keep_end(k, "age");
		next = earlier(next, at);
	}
	return next;
}

static void turn(struct oc_keep *k, struct oc_polls *s)
{
	uint64_t next = on_time(k);

	if (k->ending)
		return;
	s->count = 0;
	make_room(s, FIXED + 1 + k->door->count);
	oc_polls_add(s, k->s.janitor.init_pidfd, POLLIN);
	oc_polls_add(s, k->s.sock, POLLIN);
	oc_polls_add(s, k->signal_fd, POLLIN);
	oc_polls_add(s, k->s.oom_fd, POLLIN);
	s->count = FIXED;
	oc_egress_broker_poll(&k->s.egress, s->p + BROKER);
	nfds_t clients = oc_control_poll(k->door, s->p + FIXED);
	s->count += clients;
	size_t runners = s->count;
	poll_runners(k, s);
	size_t calls = s->count;
	for (const struct oc_call *c = k->first; c; c = c->next)
		if (c->background)
			oc_background_poll(c, s);

	if (poll(s->p, s->count, wait_ms(k->now_us, next)) < 0) {
		if (errno != EINTR)
			oc_keep_end(k, "an error of poll");
		return;
	}
	k->now_us = oc_keep_now_us();
	/* First what ends things, and what was there when the entries were made. */
	if (s->p[SIGNALS].revents)
		on_signals(k);
	run_calls(k, s, calls);
	run_runners(k, s, runners);
	if (s->p[SOCK].revents)
		on_init(k);
	if (s->p[MEMORY].revents)
		on_memory(k, k->s.oom_fd);
	if (s->p[INIT].revents)
		oc_keep_end(k, k->s.over_memory ? "memory" : "the end of pid 1");
	oc_egress_broker_run(&k->s.egress, s->p + BROKER);
	oc_control_serve(k->door, s->p + FIXED, clients);
	oc_call_reap(k);
}

/* --- the end --- */

static void tell_stopping(struct oc_keep *k)
{
	struct oc_json_writer w;

	k->out.len = 0;
	oc_jw_init(&w, &k->out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "event");
	oc_jw_string(&w, "stopping");
	oc_jw_key(&w, "reason");
	oc_jw_string(&w, k->ending);
	oc_jw_object_end(&w);
	for (unsigned i = 0; i < k->door->room; i++)
		oc_keep_tell(k, (int)i, NULL, 0);
}

/* What runners have said before they were killed. */
static void last_words(struct oc_keep *k)
{
	for (unsigned i = 0; i < OC_RUNNERS; i++)
		for (int n = 0; n < 4 && k->runner[i] && k->runner[i]->sock >= 0; n++)
			oc_runner_read(k, k->runner[i]);
}

/*
 * The directory of the sandbox goes last of all: until then it counts as alive, so that nobody
 * makes another one on a workspace that is not swept yet.
 */
static void take_down(struct oc_keep *k)
{
	oc_activity_note(k->activity, OC_ACTIVITY_STOPPING, k->running);
	tell_stopping(k);
	oc_control_shut(k->door);
	oc_sandbox_down(&k->s);
	oc_quarantine_end(&k->q, &k->last_sweep);
	last_words(k);
	/* From the beginning each time: one that finishes may push others out. */
	for (struct oc_call *c = k->first; c;) {
		if (!oc_call_runs(c)) {
			c = c->next;
			continue;
		}
		if (c->state == OC_CALL_WAITING) {
			struct oc_err why = {0};
			oc_fail(&why, 0, "the sandbox ended (%s) before the command began",
				k->ending);
			oc_call_failed(k, c, 125, &why);
		} else {
			oc_call_finish(k, c);
		}
		c = k->first;
	}
	oc_control_dismiss(k->door);
	if (k->plan->scope_key)
		oc_scope_forget(k->plan->state_dir, k->plan->scope_key, k->door->id);
}

/* --- the beginning --- */

static int compare_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* All but the streams, the pipe and what the plan has open. */
static void close_foreign(const struct oc_plan *plan, int pipe_fd)
{
	size_t n = 0;
	int *keep = oc_arena_array(plan->arena, plan->mount_count + 1, sizeof *keep);
	unsigned from = 3;

	keep[n++] = pipe_fd;
	for (size_t i = 0; i < plan->mount_count; i++)
		if (plan->mounts[i].kind == OC_MOUNT_BIND && plan->mounts[i].fd >= 0)
			keep[n++] = plan->mounts[i].fd;
	qsort(keep, n, sizeof *keep, compare_int);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			oc_sys_close_range(from, (unsigned)keep[i] - 1, 0);
		if ((unsigned)keep[i] >= from)
			from = (unsigned)keep[i] + 1;
	}
	oc_sys_close_range(from, ~0U, 0);
}

/* A process of its own, that holds nothing of anybody's. */
static int settle(struct oc_keep *k, int pipe_fd, struct oc_err *err)
{
	sigset_t set;

	prctl(PR_SET_NAME, "oc-monitor");
	k->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (k->null_fd < 0)
		return oc_fail(err, errno, "cannot open /dev/null");
	for (int i = 0; i < 3; i++)
		if (dup2(k->null_fd, i) < 0)
			return oc_fail(err, errno, "cannot give up the standard streams");
	close_foreign(k->plan, pipe_fd);
	k->null_fd = 0;
	if (chdir("/") < 0)
		return oc_fail(err, errno, "cannot change to /");
	sigemptyset(&set);
	for (int s = 1; s <= SIGRTMAX; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGSEGV && s != SIGBUS && s != SIGILL &&
		    s != SIGFPE && s != SIGABRT)
			sigaddset(&set, s);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return oc_fail(err, errno, "sigprocmask");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd < 0 ? oc_fail(err, errno, "signalfd") : 0;
}

static int guard(struct oc_keep *k, struct oc_err *err)
{
	const struct oc_plan *p = k->plan;

	if ((p->state_dir &&
	     oc_quarantine_recover(p->arena, p->state_dir, NULL, &k->early, err) < 0) ||
	    oc_quarantine_begin(&k->q, p, err) < 0)
		return oc_err_step(err, "quarantine");
	oc_recovery_begin(&k->recovery, &k->q, &k->opt);
	return 0;
}

static int bring_up(struct oc_keep *k, struct oc_err *err)
{
	int pty;

	if (oc_sandbox_begin(&k->s, k->plan, &k->opt, &k->report, err) < 0)
		return -1;
	k->door = &k->s.egress.door;
	k->service = (struct oc_control_service){
		.ctx = k,
		.request = oc_keep_request,
		.message = oc_call_message,
		.gone = oc_call_client_gone,
	};
	/* Before the door: it would stay behind. */
	if (oc_sandbox_watch_over(&k->s, err) < 0 ||
	    oc_egress_keep_door(&k->s.egress, &k->service, err) < 0)
		return -1;
	k->activity = oc_activity_make(k->door->dir_fd, err);
	if (!k->activity)
		return oc_err_step(err, "door");
	return oc_sandbox_up(&k->s, &pty, err) == 0 ? 0 : -1;
}

/* The sandbox is up: only now, for what is inside inherits it. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= DESCRIPTORS)
		return;
	l.rlim_cur = l.rlim_max < DESCRIPTORS ? l.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static void say(int fd, const struct word *w)
{
	/* Whoever waited may have gone: then the sandbox is there for the next one. */
	(void)oc_write_all(fd, w, sizeof *w);
	close(fd);
}

static _Noreturn void monitor(const struct oc_plan *plan, int pipe_fd)
{
	struct oc_keep *k = oc_arena_alloc(plan->arena, sizeof *k);
	struct word w = {0};
	struct oc_polls polls = {0};

	k->plan = plan;
	k->signal_fd = k->null_fd = -1;
	k->q.pending_fd = -1;
	k->opt = (struct oc_launch_options){
		.in = 0, .out = 1, .err = 2, .exec_fd = -1, .keep = true};
	k->now_us = k->born_us = k->used_us = oc_keep_now_us();
	if (getrandom(&k->slugs, sizeof k->slugs, GRND_NONBLOCK) < 0)
		k->slugs = k->born_us;
	if (settle(k, pipe_fd, &w.err) < 0 || guard(k, &w.err) < 0) {
		oc_quarantine_end(&k->q, &k->last_sweep);
		say(pipe_fd, &w);
		_exit(125);
	}
	if (bring_up(k, &w.err) < 0) {
		oc_sandbox_down(&k->s);
		oc_quarantine_end(&k->q, &k->last_sweep);
		oc_sandbox_remove(&k->s);
		say(pipe_fd, &w);
		_exit(125);
	}
	raise_descriptors();
	k->now_us = oc_keep_now_us();
	oc_keep_used(k);
	w.ok = 1;
	memcpy(w.id, k->door->id, sizeof w.id);
	say(pipe_fd, &w);
	while (!k->ending)
		turn(k, &polls);
	take_down(k);
	oc_sandbox_remove(&k->s);
	_exit(0);
}

int oc_keep_start(const struct oc_plan *plan, char id[13], struct oc_err *err)
{
	struct word w = {0};
	int ends[2], status;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		/* Twice, so that it is nobody's child, and no terminal can become its own. */
		if (setsid() < 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			monitor(plan, ends[1]);
		_exit(pid < 0);
	}
	int failed = errno;
	close(ends[1]);
	oc_auto_close from = ends[0];
	if (pid < 0)
		return oc_fail(err, failed, "cannot start the monitor of the sandbox");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (size_t have = 0; have < sizeof w;) {
		ssize_t n = read(from, (char *)&w + have, sizeof w - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			oc_fail(err, n < 0 ? errno : 0,
				"the monitor of the sandbox ended before the sandbox was up");
			return oc_err_hint(err, "it may have been killed; see the kernel log");
		}
		have += (size_t)n;
	}
	if (!w.ok) {
		*err = w.err;
		return -1;
	}
	memcpy(id, w.id, sizeof w.id);
	return 0;
}
