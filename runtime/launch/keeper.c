/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper - pid 1 of a sandbox that is kept (call.h).
 *
 * It puts on the payload's Landlock domain and its filter, starts runners when the monitor says so, reaps, and kills every child
 * that is not a runner: such a child came to it because the runner above it ended, so its call has ended.
 *
 * It has what a payload has and no more; it is not dumpable, and no signal from inside reaches pid 1.  It must never
 * talk to anything but the monitor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sandbox.h"
#include "runtime/launch/sys.h"

/* 0 to 2 are /dev/null: what a runner is sent must not land there. */
enum { SOCK = 3, SIGNALS, CHILDREN, KEPT };

struct keeper {
	struct oc_child *c;
	pid_t runner[OC_RUNNERS]; /* 0: none */
	bool gone[OC_RUNNERS];	  /* dead, and not yet said so */
	bool any_gone;
	uint64_t since_us; /* any_gone is true; 0: it is not */
};

/* Orphans that are there for longer than this fork faster than they are killed one by one. */
#define PATIENCE_US 20000
/* How long everything may be stopped at a time. */
#define FROZEN_US 500000

static _Noreturn void give_up(const struct oc_child *c, const struct oc_err *err)
{
	struct oc_msg m = {.type = OC_MSG_ERROR, .err = *err};

	oc_msg_send(c->status_fd, &m, -1);
	_exit(125);
}

/*
 * Profiles that let a runner do its work are loaded here, once, for everything that will ever run: compiling one takes the
 * kernel longer than an execve.  One of the user's own may forbid what a runner needs; then the floor is loaded here and the rest in each
 * command.
 */
static int filter(struct oc_child *c, struct oc_err *err)
{
	if (c->floor || strcmp(c->plan->seccomp, "strict") == 0) {
		const struct oc_filter *floor = oc_filter_find("floor");
		return floor ? oc_filter_load(floor->insns, floor->count, err) : -1;
	}
	if (oc_step_seccomp(c, err) < 0)
		return -1;
	c->filtered = true;
	return 0;
}

static void confine(struct oc_child *c)
{
	if (oc_child_step(c, OC_LAYER_RLIMITS, oc_step_affinity) < 0 ||
	    oc_child_step(c, OC_LAYER_LANDLOCK, oc_step_landlock) < 0 ||
	    oc_child_step(c, OC_LAYER_SECCOMP, filter) < 0)
		give_up(c, &c->err);
	c->confined = true;
}

/* What is kept: the socket, the signals, the list of our children. */
static void settle(struct keeper *k, int signal_fd)
{
	struct oc_child *c = k->c;
	struct oc_err err = {0};
	const int from[KEPT] = {
		c->stdio[0], c->stdio[1], c->stdio[2],
		[SOCK] = c->status_fd, [SIGNALS] = signal_fd,
		[CHILDREN] = open("/proc/1/task/1/children", O_RDONLY | O_CLOEXEC)};
	int high[KEPT];

	if (from[CHILDREN] < 0) {
		oc_fail(&err, errno, "cannot open the list of our children in /proc");
		oc_err_hint(&err, "it needs a kernel with CONFIG_PROC_CHILDREN and a /proc inside");
		oc_err_step(&err, "pid");
		give_up(c, &err);
	}
	for (int i = 0; i < KEPT; i++)
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 64);
	for (int i = 0; i < KEPT; i++)
		if (high[i] < 0 || dup3(high[i], i, i < SOCK ? 0 : O_CLOEXEC) < 0) {
			oc_fail(&err, errno, "cannot place the descriptors of pid 1");
			oc_err_step(&err, "pid");
			give_up(c, &err);
		}
	c->status_fd = SOCK;
}

static void say_gone(unsigned number, const struct oc_err *err)
{
	struct oc_msg m = {.type = OC_MSG_GONE, .value = (int32_t)number};

	if (err)
		m.err = *err;
	oc_msg_send(SOCK, &m, -1);
}

static bool is_runner(const struct keeper *k, pid_t pid)
{
	for (unsigned i = 0; i < OC_RUNNERS; i++)
		if (k->runner[i] == pid)
			return true;
	return false;
}

static void reap(struct keeper *k)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0)
		for (unsigned i = 0; i < OC_RUNNERS; i++) {
			if (k->runner[i] != pid)
				continue;
			if (WIFSTOPPED(status)) {
				/* A command has stopped its runner, or everything that it could: nobody would say how it ended. */
				kill(pid, SIGCONT);
				continue;
			}
			k->runner[i] = 0;
			k->gone[i] = k->any_gone = true;
		}
}

/*
 * Kill the orphans.  Returns whether there was one: it is reaped before we look again, and what it leaves comes to us in turn.
 * The kernel's list may miss one when another ends meanwhile, which is when SIGCHLD makes us look again.
 */
static bool sweep(const struct keeper *k)
{
	char buf[4096];
	ssize_t n;
	pid_t pid = 0;
	bool found = false;

	if (lseek(CHILDREN, 0, SEEK_SET) < 0)
		_exit(125);
	while ((n = read(CHILDREN, buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 1 && !is_runner(k, pid)) {
				kill(pid, SIGKILL);
				found = true;
			}
			pid = 0;
		}
	if (n < 0)
		_exit(125); /* the kernel ends them all with us */
	return found;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * Chains of processes, each of which forks its successor and ends before we have read its number: everything inside is stopped by one
 * signal, which no fork escapes (the kernel holds its list of tasks, and a fork that is on its way starts again or hands the
 * signal on), then the orphans are killed one after another, and the rest goes on.
 */
static void freeze_and_sweep(struct keeper *k)
{
	const struct timespec moment = {.tv_nsec = 200000};
	const uint64_t until = now_us() + FROZEN_US;

	kill(-1, SIGSTOP);
	while (sweep(k) && now_us() < until) {
		nanosleep(&moment, NULL);
		reap(k);
	}
	kill(-1, SIGCONT);
}

static void start_runner(struct keeper *k, unsigned number, const int fds[OC_MSG_FDS])
{
	struct oc_err err = {0};
	int tasks = 0;

	if (number >= OC_RUNNERS || k->runner[number] || k->gone[number] || fds[0] < 0) {
		oc_fail(&err, EINVAL, "no such runner");
		say_gone(number, &err);
		return;
	}
	while (tasks < OC_MSG_FDS - 1 && fds[1 + tasks] >= 0)
		tasks++;
	pid_t pid = fork();
	if (pid == 0)
		oc_runner_main(k->c, fds[0], fds + 1, tasks);
	if (pid < 0) {
		oc_fail(&err, errno, "cannot start a process in the sandbox");
		oc_err_step(&err, "pid");
		oc_err_hint(&err, errno == EAGAIN ? "its limit of processes is reached (--pids)"
						  : "its memory may be used up");
		say_gone(number, &err);
		return;
	}
	k->runner[number] = pid;
}

static void on_message(struct keeper *k)
{
	struct oc_msg m;
	int fds[OC_MSG_FDS];
	ssize_t n = oc_msg_recv_fds(SOCK, &m, fds);

	if (n == 0)
		_exit(125); /* the monitor is gone */
	if (n < 0)
		return;
	unsigned number = (unsigned)m.value;
	if (m.type == OC_MSG_RUNNER)
		start_runner(k, number, fds);
	else if (m.type == OC_MSG_END && number < OC_RUNNERS && k->runner[number])
		kill(k->runner[number], SIGKILL);
	for (int i = 0; i < OC_MSG_FDS && fds[i] >= 0; i++)
		close(fds[i]);
}

static void on_children(struct keeper *k)
{
	reap(k);
	if (!k->any_gone)
		return;
	if (!k->since_us)
		k->since_us = now_us();
	if (sweep(k)) {
		if (now_us() - k->since_us < PATIENCE_US)
			return;
		freeze_and_sweep(k);
		reap(k);
		if (sweep(k))
			return;
	}
	k->any_gone = false;
	k->since_us = 0;
	for (unsigned i = 0; i < OC_RUNNERS; i++)
		if (k->gone[i]) {
			k->gone[i] = false;
			say_gone(i, NULL);
		}
}

_Noreturn void oc_keeper_main(struct oc_child *c, int signal_fd)
{
	static struct keeper keeper;
	struct keeper *k = &keeper;

	k->c = c;
	settle(k, signal_fd);
	confine(c);
	oc_closep(&c->ruleset_fd);
	c->ruleset_fd = -1;
	oc_sys_close_range(KEPT, ~0U, 0);
	oc_child_say_ready(c);

	struct pollfd p[2] = {{.fd = SOCK, .events = POLLIN}, {.fd = SIGNALS, .events = POLLIN}};
	for (;;) {
		/* While orphans are there we look again, whether or not one of them has ended. */
		if (poll(p, 2, k->any_gone ? 5 : -1) < 0 && errno != EINTR)
			_exit(125);
		if (p[1].revents) {
			struct signalfd_siginfo si;
			while (read(SIGNALS, &si, sizeof si) == (ssize_t)sizeof si)
				;
		}
		on_children(k);
		if (p[0].revents)
			on_message(k);
	}
}
