/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - the monitor of a one-shot sandbox.
 *
 * oc_launch_run is the story: prepare, spawn, wait for "ready", watch, clean up.  Whatever goes wrong on the way, the end is the
 * same: pid 1 dead, its cgroup gone, the terminal as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/pipes.h"
#include "runtime/launch/relay.h"
#include "runtime/launch/sampler.h"
#include "runtime/launch/sandbox.h"
#include "runtime/launch/sys.h"

/* From SIGTERM to SIGKILL when the time is up. */
#define GRACE_MS 2000

struct run {
	const struct oc_plan *plan;
	const struct oc_launch_options *opt;
	struct oc_result *res;
	struct oc_sandbox s;
	struct oc_relay relay;
	struct oc_pipes pipes;
	int signal_fd;
	int caller_fd; /* pidfd of the process that started us, or -1 */
	sigset_t old_mask;
	uint64_t started_us, deadline_us, kill_us; /* monotonic; 0: none */
	bool reported, timed_out;
	int wait_status;
	bool has_usage;
	struct oc_cgroup_usage usage;
};

const char *oc_cause_name(enum oc_cause c)
{
	static const char *const name[] = {"exit", "signal", "timeout", "oom", "pids", "disk", "setup"};

	return name[c];
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * A process, not a thread: PR_SET_PDEATHSIG would fire when the thread that started us ends, which in a Java or Go program
 * means nothing.
 */
static void watch_caller(struct run *r)
{
	pid_t parent = getppid();

	if (!r->opt->die_with_caller || parent <= 1)
		return;
	r->caller_fd = (int)syscall(SYS_pidfd_open, parent, 0);
	/* It may have died, and its number be somebody else's, before it was opened. */
	if (r->caller_fd >= 0 && getppid() != parent) {
		close(r->caller_fd);
		r->caller_fd = -1;
	}
}

static int block_signals(struct run *r, struct oc_err *err)
{
	static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGCHLD);
	/* Writing to a pipe that the payload closed is its affair, not our death. */
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, &r->old_mask) < 0)
		return oc_fail(err, errno, "sigprocmask");
	sigdelset(&set, SIGCHLD);
	sigdelset(&set, SIGPIPE);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return oc_fail(err, errno, "signalfd");
	return 0;
}

static void tell_signal(const struct run *r, int sig)
{
	struct oc_msg m = {.type = OC_MSG_SIGNAL, .value = sig};

	oc_msg_send(r->s.sock, &m, -1);
}

static void on_signals(struct run *r)
{
	struct signalfd_siginfo si;

	while (read(r->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGWINCH)
			oc_relay_resize(&r->relay);
		else if (r->opt->forward_signals)
			tell_signal(r, (int)si.ssi_signo);
	}
}

/* pid 1 waits for it: what the payload has left is still there to be counted, all but itself. */
static void last_sample(struct run *r)
{
	struct oc_msg go = {.type = OC_MSG_GO};

	oc_sandbox_sample(&r->s, 1);
	oc_msg_send(r->s.sock, &go, -1);
}

static void on_message(struct run *r)
{
	struct oc_msg m;
	int fd;
	ssize_t n = oc_msg_recv(r->s.sock, &m, &fd);

	if (n <= 0) {
		close(r->s.sock);
		r->s.sock = -1;
	} else if (m.type == OC_MSG_ERROR) {
		r->res->error = m.err;
	} else if (m.type == OC_MSG_EXIT) {
		r->reported = true;
		r->wait_status = m.value;
		/* While pid 1 takes the rest down: what is still there is killed by the same signal as the namespace. */
		oc_cgroup_usage(&r->s.cg, &r->usage);
		r->has_usage = true;
		r->res->user_us = (uint64_t)m.usage.ru_utime.tv_sec * 1000000 +
				  (uint64_t)m.usage.ru_utime.tv_usec;
		r->res->system_us = (uint64_t)m.usage.ru_stime.tv_sec * 1000000 +
				    (uint64_t)m.usage.ru_stime.tv_usec;
		if ((r->s.missing & OC_CG_BIT(OC_CG_MEMORY)) &&
		    (uint64_t)m.usage.ru_maxrss * 1024 > r->s.sampled_memory)
			r->s.sampled_memory = (uint64_t)m.usage.ru_maxrss * 1024;
		if (r->s.missing & OC_CG_SAMPLED)
			last_sample(r);
	}
}

static void on_time(struct run *r, uint64_t now)
{
	if (r->deadline_us && now >= r->deadline_us) {
		r->timed_out = true;
		r->deadline_us = 0;
		r->kill_us = now + GRACE_MS * 1000;
		tell_signal(r, SIGTERM);
		tell_signal(r, SIGCONT);
	}
	if (r->kill_us && now >= r->kill_us) {
		r->kill_us = 0;
		oc_sandbox_kill(&r->s);
	}
	oc_sandbox_sample(&r->s, 0);
	if (oc_disk_run(&r->s.disk, now))
		oc_sandbox_kill(&r->s);
}

static int poll_timeout(const struct run *r, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (r->deadline_us)
		next = r->deadline_us;
	if (r->kill_us && r->kill_us < next)
		next = r->kill_us;
	if ((r->s.missing & OC_CG_SAMPLED) && now + OC_SAMPLE_MS * 1000 < next)
		next = now + OC_SAMPLE_MS * 1000;
	if (oc_disk_due(&r->s.disk) < next)
		next = oc_disk_due(&r->s.disk);
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	uint64_t ms = (next - now + 999) / 1000;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/* Until pid 1 is dead. */
static void watch(struct run *r)
{
	for (;;) {
		struct pollfd p[5 + OC_PIPES_POLL + OC_RELAY_POLL + OC_EGRESS_POLL] = {
			{.fd = r->s.janitor.init_pidfd, .events = POLLIN},
			{.fd = r->s.sock, .events = POLLIN},
			{.fd = r->signal_fd, .events = POLLIN},
			{.fd = r->caller_fd, .events = POLLIN},
			{.fd = r->s.oom_fd, .events = POLLIN},
		};
		oc_pipes_poll(&r->pipes, p + 5);
		oc_relay_poll(&r->relay, p + 5 + OC_PIPES_POLL);
		/* Without a network these are not even looked at by the kernel. */
		oc_egress_poll(&r->s.egress, p + 5 + OC_PIPES_POLL + OC_RELAY_POLL);
		nfds_t n = r->s.egress.on ? sizeof p / sizeof p[0] : 5 + OC_PIPES_POLL + OC_RELAY_POLL;
		uint64_t now = now_us();
		if (poll(p, n, poll_timeout(r, now)) < 0 && errno != EINTR) {
			oc_sandbox_kill(&r->s);
			return;
		}
		if (p[1].revents)
			on_message(r);
		if (p[2].revents)
			on_signals(r);
		if (p[4].revents)
			oc_sandbox_oom(&r->s);
		if (p[3].revents) {
			close(r->caller_fd);
			r->caller_fd = -1;
			oc_sandbox_kill(&r->s);
		}
		oc_pipes_run(&r->pipes, p + 5);
		oc_relay_run(&r->relay, p + 5 + OC_PIPES_POLL);
		oc_egress_run(&r->s.egress, p + 5 + OC_PIPES_POLL + OC_RELAY_POLL);
		on_time(r, now_us());
		if (p[0].revents)
			return;
	}
}

static void judge(struct run *r, const struct oc_cgroup_usage *u)
{
	struct oc_result *res = r->res;

	res->cause = OC_CAUSE_EXIT;
	res->exit_code = -1;
	if (r->reported && WIFEXITED(r->wait_status)) {
		res->exit_code = WEXITSTATUS(r->wait_status);
		res->status = res->exit_code;
	} else {
		/* Without a report pid 1 was killed, and the payload with it. */
		res->signal = r->reported ? WTERMSIG(r->wait_status) : SIGKILL;
		res->status = 128 + res->signal;
		res->cause = OC_CAUSE_SIGNAL;
	}
	if (r->timed_out) {
		res->cause = OC_CAUSE_TIMEOUT;
		res->status = 124;
	} else if (res->status != 0 && (u->oom_kills > 0 || r->s.over_memory)) {
		res->cause = OC_CAUSE_OOM;
	} else if (res->status != 0 &&
		   (u->pids_refused > 0 || (r->s.child.nproc_limit > 0 &&
					    r->s.sampled_pids >= (uint64_t)r->s.child.nproc_limit))) {
		res->cause = OC_CAUSE_PIDS;
	}
	/* What is passed on the host's disk ends the command; a full workspace in memory is why it failed. */
	if (res->status != 0 && r->s.disk.over && !r->timed_out) {
		res->cause = OC_CAUSE_DISK;
		oc_fail(&res->error, 0, "%s", r->s.disk.why);
		oc_err_step(&res->error, "disk");
	}
	res->disk_peak_bytes = r->s.disk.peak;
	res->memory_peak_bytes = r->s.missing & OC_CG_BIT(OC_CG_MEMORY) ? r->s.sampled_memory : u->memory_peak;
	res->pids_peak = r->s.missing & OC_CG_BIT(OC_CG_PIDS) ? r->s.sampled_pids : u->pids_peak;
	if (u->cpu_user_us || u->cpu_system_us) {
		res->user_us = u->cpu_user_us;
		res->system_us = u->cpu_system_us;
	}
}

/* Where the caller's own must not be had, something else takes its place. */
static int prepare_streams(struct run *r, struct oc_err *err)
{
	struct oc_child *c = &r->s.child;
	struct oc_streams s = {.privileged = c->privileged};

	memcpy(s.fd, c->stdio, sizeof s.fd);
	if (oc_relay_prepare(&r->relay, &s, r->plan->arena, r->plan->tty, err) < 0 ||
	    oc_pipes_prepare(&r->pipes, &s, r->relay.inner, err) < 0)
		return -1;
	memcpy(c->stdio, s.fd, sizeof s.fd);
	c->want_pty = s.want_pty;
	c->copy_termios = s.copy_termios;
	c->termios = s.termios;
	c->winsize = s.winsize;
	return 0;
}

static int run(struct run *r, struct oc_err *err)
{
	int pty;

	if (prepare_streams(r, err) < 0)
		return oc_err_step(err, "streams");
	if (block_signals(r, err) < 0)
		return -1;
	watch_caller(r);
	int rc = oc_sandbox_up(&r->s, &pty, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		r->res->error = r->s.noexec;
		r->res->status =
			r->s.noexec.errnum == ENOENT || r->s.noexec.errnum == ENOTDIR ? 127 : 126;
		return 0;
	}
	oc_relay_start(&r->relay, pty);
	oc_pipes_start(&r->pipes);
	/* For other commands, so not before this one runs. */
	oc_egress_open(&r->s.egress);
	if (r->plan->timeout_ms)
		r->deadline_us = r->started_us + r->plan->timeout_ms * 1000;
	watch(r);
	return 0;
}

static void clean_up(struct run *r)
{
	oc_sandbox_down(&r->s);
	/* Its last words may still be in the socket. */
	while (r->s.ready && !r->reported && r->s.sock >= 0)
		on_message(r);
	oc_relay_finish(&r->relay);
	oc_pipes_finish(&r->pipes, !r->timed_out);
	if (!r->has_usage)
		oc_cgroup_usage(&r->s.cg, &r->usage);
	oc_disk_look(&r->s.disk);
	if (r->s.ready)
		judge(r, &r->usage);
	oc_sandbox_remove(&r->s);
	oc_closep(&r->caller_fd);
	if (r->signal_fd >= 0) {
		/* One that came meanwhile must not be delivered now. */
		sigset_t pipe_only;
		sigemptyset(&pipe_only);
		sigaddset(&pipe_only, SIGPIPE);
		while (sigtimedwait(&pipe_only, NULL, &(struct timespec){0}) == SIGPIPE)
			;
		close(r->signal_fd);
		sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
	}
}

int oc_launch_run(const struct oc_plan *plan, const struct oc_launch_options *opt, struct oc_result *res,
		  struct oc_err *err)
{
	struct run *r = oc_arena_alloc(plan->arena, sizeof *r);

	memset(res, 0, sizeof *res);
	res->exit_code = -1;
	r->plan = plan;
	r->opt = opt;
	r->res = res;
	r->signal_fd = r->caller_fd = -1;
	oc_relay_init(&r->relay);
	oc_pipes_init(&r->pipes);
	r->started_us = now_us();

	int rc = oc_sandbox_begin(&r->s, plan, opt, &res->egress, err);
	if (rc == 0)
		rc = run(r, err);
	clean_up(r);
	res->wall_us = now_us() - r->started_us;
	memcpy(res->layer, r->s.child.state, sizeof res->layer);
	memcpy(res->layer_detail, r->s.child.detail, sizeof res->layer_detail);
	if (rc < 0 || !r->s.ready)
		res->cause = OC_CAUSE_SETUP;
	if (rc < 0) {
		res->status = 125;
		res->error = *err;
	}
	return rc < 0 ? -1 : 0;
}
