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
#include "runtime/launch/cgroup.h"
#include "runtime/launch/egress.h"
#include "runtime/launch/janitor.h"
#include "runtime/launch/pipes.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/relay.h"
#include "runtime/launch/sampler.h"
#include "runtime/launch/spawn.h"
#include "runtime/launch/sys.h"

/* From SIGTERM to SIGKILL when the time is up. */
#define GRACE_MS 2000
/* Controllers whose stand-in is the sampler. */
#define SAMPLED (OC_CG_BIT(OC_CG_MEMORY) | OC_CG_BIT(OC_CG_PIDS))

struct run {
	const struct oc_plan *plan;
	const struct oc_launch_options *opt;
	struct oc_result *res;
	struct oc_child child;
	struct oc_cgroup cg;
	struct oc_janitor janitor;
	struct oc_relay relay;
	struct oc_pipes pipes;
	struct oc_egress egress;
	pid_t init;
	int sock;	/* to pid 1 */
	int signal_fd;
	int caller_fd;	/* pidfd of the process that started us, or -1 */
	int oom_fd;	/* v1: readable when the memory limit was hit, or -1 */
	sigset_t old_mask;
	uint64_t started_us, deadline_us, kill_us; /* monotonic; 0: none */
	bool ready, reported, timed_out, over_memory;
	int wait_status;
	bool has_usage;
	struct oc_cgroup_usage usage;
	unsigned missing; /* OC_CG_BIT of the controllers that something else stands in for */
	uint64_t sampled_memory, sampled_pids;
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

/* What stands in for the controllers that are not to be had. */
static void stand_in(struct run *r)
{
	static const char *const by[OC_CG_COUNT] = {
		[OC_CG_MEMORY] = "memory by RLIMIT_DATA",
		[OC_CG_PIDS] = "pids by RLIMIT_NPROC",
		[OC_CG_CPU] = "cpu by affinity",
	};
	char text[sizeof r->child.detail[0]];
	size_t len = (size_t)snprintf(text, sizeof text, "%s%sstand-ins: ", r->cg.detail, r->cg.detail[0] ? "; " : "");

	r->child.state[OC_LAYER_CGROUP] = OC_STATE_PARTIAL;
	for (int i = OC_CG_COUNT - 1, n = 0; i >= 0; i--)
		if ((r->missing & OC_CG_BIT(i)) && len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", n++ ? ", " : "", by[i]);
	oc_child_detail(&r->child, OC_LAYER_CGROUP, text);
	if (r->missing & SAMPLED)
		oc_child_detail_add(&r->child, OC_LAYER_CGROUP, ", sampling");
	if (r->missing & OC_CG_BIT(OC_CG_PIDS))
		r->child.nproc_limit = (int)(r->plan->pids > 1000000 ? 1000000 : r->plan->pids);
	if (r->missing & OC_CG_BIT(OC_CG_MEMORY))
		r->child.data_limit = r->plan->memory_bytes;
	if (r->missing & OC_CG_BIT(OC_CG_CPU))
		r->child.cpu_limit = (int)((r->plan->cpu_millis + 999) / 1000);
}

/* The cgroup, or what stands in for it. */
static int limit(struct run *r, struct oc_err *err)
{
	struct oc_err why = {0};

	oc_cgroup_init(&r->cg);
#ifdef OC_TEST_WEAKEN
	if (r->child.drop && strcmp(r->child.drop, "cgroup") == 0)
		return 0;
#endif
	if (oc_cgroup_create(&r->cg, r->plan, &why) == 0) {
		oc_child_detail(&r->child, OC_LAYER_CGROUP, r->cg.detail);
		if (r->cg.kind == OC_CGROUP_V1)
			for (int i = 0; i < OC_CG_COUNT; i++)
				r->child.cgroup_tasks_fd[r->child.cgroup_tasks_count++] = r->cg.tasks[i];
		r->missing = r->cg.missing;
		if (!r->missing)
			return 0;
		for (int i = 0; i < OC_CG_COUNT; i++)
			if (r->missing & OC_CG_BIT(i))
				oc_fail(&why, 0, "no cgroup hands the %s controller to us", oc_cgroup_controller(i));
		oc_err_hint(&why, "see `oc-sandbox doctor`");
	} else {
		oc_cgroup_init(&r->cg);
		r->missing = OC_CG_ALL;
	}
	/*
	 * An ordinary user without delegation: the stand-ins, said aloud.  As root a cgroup is always to be had, so
	 * its absence is a failure like any other.
	 */
	bool missing = r->plan->may_be_missing & OC_LAYER_BIT(OC_LAYER_CGROUP);
	if (r->plan->require_cgroup || (r->child.privileged && !missing)) {
		*err = why;
		oc_err_step(err, oc_layer_info(OC_LAYER_CGROUP)->name);
		return -1;
	}
	stand_in(r);
	return 0;
}

/* The far side has failed already; why, is in the socket. */
static bool gone(int errnum)
{
	return errnum == EPIPE || errnum == ECONNRESET;
}

/* While somebody holds its mount namespace, the end of pid 1 does not wait for the mounts to be taken apart. */
static void hold_mounts(struct run *r)
{
	char path[64];

	if (!r->opt->exits_next)
		return;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)r->init);
	r->janitor.hold_fd = open(path, O_RDONLY | O_CLOEXEC);
}

static int start(struct run *r, struct oc_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return oc_fail(err, errno, "socketpair");
	r->sock = pair[0];
	r->child.status_fd = pair[1];
	r->init = oc_spawn(&r->child, &r->cg, &r->janitor.init_pidfd, err);
	if (r->init == 0) {
		close(pair[0]);
		oc_child_main(&r->child);
	}
	if (r->init < 0) {
		close(pair[1]);
		r->child.status_fd = -1;
		return -1;
	}
	/* First what the far side waits for. */
	if (r->child.privileged && (r->child.clone_flags & CLONE_NEWUSER)) {
		if (oc_ids_write_maps(r->init, r->plan, err) < 0) {
			oc_err_step(err, "user");
			return -1;
		}
		struct oc_msg go = {.type = OC_MSG_GO};
		if (oc_msg_send(r->sock, &go, -1) < 0 && !gone(errno))
			return oc_fail(err, errno, "cannot talk to pid 1");
	}
	close(pair[1]);
	r->child.status_fd = -1;
	hold_mounts(r);
	oc_prepare_close(&r->child);
	return 0;
}

static int send_cgroup(struct run *r, struct oc_err *err)
{
	struct oc_msg m = {.type = OC_MSG_CGROUP};

	if (oc_msg_send_fds(r->sock, &m, r->cg.tasks, OC_CG_COUNT) < 0 && !gone(errno))
		return oc_fail(err, errno, "cannot talk to pid 1");
	return 0;
}

/* The next message of pid 1 while it sets up: of the type wanted (0), or why not (-1, 1: the program). */
static int next_message(struct run *r, enum oc_msg_type wanted, struct oc_msg *m, int fds[OC_MSG_FDS],
			struct oc_err *err)
{
	ssize_t n = oc_msg_recv_fds(r->sock, m, fds);

	if (n <= 0) {
		oc_fail(err, n < 0 ? errno : 0, "pid 1 of the sandbox died while it was set up");
		oc_err_hint(err, "it may have been killed; see the kernel log");
		return oc_err_step(err, "pid");
	}
	if (m->type == OC_MSG_ERROR || m->type == OC_MSG_NOEXEC) {
		*err = m->err;
		if (m->type == OC_MSG_ERROR)
			return -1;
		/* The sandbox was fine, the program was not there or not executable. */
		r->res->error = m->err;
		r->res->status = m->err.errnum == ENOENT || m->err.errnum == ENOTDIR ? 127 : 126;
		return 1;
	}
	if (m->type != wanted)
		return oc_fail(err, EPROTO, "unexpected message %u from pid 1", m->type);
	return 0;
}

/* The sockets that were opened inside go to the broker; pid 1 waits before the payload until it serves. */
static int connect_net(struct run *r, struct oc_err *err)
{
	struct oc_msg m, go = {.type = OC_MSG_GO};
	int fds[OC_MSG_FDS];

	if (!r->egress.on)
		return 0;
	if (next_message(r, OC_MSG_NET, &m, fds, err) != 0)
		return -1;
	if (oc_egress_send(&r->egress, fds, err) < 0)
		return -1;
	if (oc_egress_ready(&r->egress, err) < 0)
		return -1;
	if (oc_msg_send(r->sock, &go, -1) < 0 && !gone(errno))
		return oc_fail(err, errno, "cannot talk to pid 1");
	return 0;
}

/* Until pid 1 says that the command runs, or why not. */
static int wait_ready(struct run *r, struct oc_err *err)
{
	struct oc_msg m;
	int fds[OC_MSG_FDS];
	int rc = next_message(r, OC_MSG_READY, &m, fds, err);

	if (rc != 0)
		return rc;
	memcpy(r->child.state, m.state, sizeof m.state);
	memcpy(r->child.detail, m.detail, sizeof m.detail);
	if (r->child.late_cgroup)
		oc_child_detail(&r->child, OC_LAYER_CGROUP, r->cg.detail);
	r->ready = true;
	oc_relay_start(&r->relay, fds[0]);
	oc_pipes_start(&r->pipes);
	/* For other commands, so not before this one runs. */
	oc_egress_open(&r->egress);
	return 0;
}

static void tell_signal(const struct run *r, int sig)
{
	struct oc_msg m = {.type = OC_MSG_SIGNAL, .value = sig};

	oc_msg_send(r->sock, &m, -1);
}

static void kill_all(const struct run *r)
{
	oc_sys_pidfd_send_signal(r->janitor.init_pidfd, SIGKILL, 0);
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

/* gone_tasks: how many were there that have ended. */
static void sample(struct run *r, unsigned gone_tasks)
{
	struct oc_sample s;

	oc_sampler_take(r->init, &s);
	if (s.memory_bytes > r->sampled_memory)
		r->sampled_memory = s.memory_bytes;
	if (s.tasks + gone_tasks > r->sampled_pids)
		r->sampled_pids = s.tasks + gone_tasks;
	if ((r->missing & OC_CG_BIT(OC_CG_MEMORY)) && s.memory_bytes > r->plan->memory_bytes && !r->over_memory) {
		r->over_memory = true;
		kill_all(r);
	}
}

/* pid 1 waits for it: what the payload has left is still there to be counted, all but itself. */
static void last_sample(struct run *r)
{
	struct oc_msg go = {.type = OC_MSG_GO};

	sample(r, 1);
	oc_msg_send(r->sock, &go, -1);
}

static void on_message(struct run *r)
{
	struct oc_msg m;
	int fd;
	ssize_t n = oc_msg_recv(r->sock, &m, &fd);

	if (n <= 0) {
		close(r->sock);
		r->sock = -1;
	} else if (m.type == OC_MSG_ERROR) {
		r->res->error = m.err;
	} else if (m.type == OC_MSG_EXIT) {
		r->reported = true;
		r->wait_status = m.value;
		/* While pid 1 takes the rest down: what is still there is killed by the same signal as the namespace. */
		oc_cgroup_usage(&r->cg, &r->usage);
		r->has_usage = true;
		r->res->user_us = (uint64_t)m.usage.ru_utime.tv_sec * 1000000 +
				  (uint64_t)m.usage.ru_utime.tv_usec;
		r->res->system_us = (uint64_t)m.usage.ru_stime.tv_sec * 1000000 +
				    (uint64_t)m.usage.ru_stime.tv_usec;
		if ((r->missing & OC_CG_BIT(OC_CG_MEMORY)) &&
		    (uint64_t)m.usage.ru_maxrss * 1024 > r->sampled_memory)
			r->sampled_memory = (uint64_t)m.usage.ru_maxrss * 1024;
		if (r->missing & SAMPLED)
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
		kill_all(r);
	}
	if (r->missing & SAMPLED)
		sample(r, 0);
}

static int poll_timeout(const struct run *r, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (r->deadline_us)
		next = r->deadline_us;
	if (r->kill_us && r->kill_us < next)
		next = r->kill_us;
	if ((r->missing & SAMPLED) && now + OC_SAMPLE_MS * 1000 < next)
		next = now + OC_SAMPLE_MS * 1000;
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
			{.fd = r->janitor.init_pidfd, .events = POLLIN},
			{.fd = r->sock, .events = POLLIN},
			{.fd = r->signal_fd, .events = POLLIN},
			{.fd = r->caller_fd, .events = POLLIN},
			{.fd = r->oom_fd, .events = POLLIN},
		};
		oc_pipes_poll(&r->pipes, p + 5);
		oc_relay_poll(&r->relay, p + 5 + OC_PIPES_POLL);
		/* Without a network these are not even looked at by the kernel. */
		oc_egress_poll(&r->egress, p + 5 + OC_PIPES_POLL + OC_RELAY_POLL);
		nfds_t n = r->egress.on ? sizeof p / sizeof p[0] : 5 + OC_PIPES_POLL + OC_RELAY_POLL;
		uint64_t now = now_us();
		if (poll(p, n, poll_timeout(r, now)) < 0 && errno != EINTR) {
			kill_all(r);
			return;
		}
		if (p[1].revents)
			on_message(r);
		if (p[2].revents)
			on_signals(r);
		if (p[4].revents) {
			/* As memory.oom.group does on v2: not one process out of the middle of the command, but the command. */
			close(r->oom_fd);
			r->oom_fd = -1;
			r->over_memory = true;
			kill_all(r);
		}
		if (p[3].revents) {
			close(r->caller_fd);
			r->caller_fd = -1;
			kill_all(r);
		}
		oc_pipes_run(&r->pipes, p + 5);
		oc_relay_run(&r->relay, p + 5 + OC_PIPES_POLL);
		oc_egress_run(&r->egress, p + 5 + OC_PIPES_POLL + OC_RELAY_POLL);
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
	} else if (res->status != 0 && (u->oom_kills > 0 || r->over_memory)) {
		res->cause = OC_CAUSE_OOM;
	} else if (res->status != 0 &&
		   (u->pids_refused > 0 || (r->child.nproc_limit > 0 &&
					    r->sampled_pids >= (uint64_t)r->child.nproc_limit))) {
		res->cause = OC_CAUSE_PIDS;
	}
	res->memory_peak_bytes = r->missing & OC_CG_BIT(OC_CG_MEMORY) ? r->sampled_memory : u->memory_peak;
	res->pids_peak = r->missing & OC_CG_BIT(OC_CG_PIDS) ? r->sampled_pids : u->pids_peak;
	if (u->cpu_user_us || u->cpu_system_us) {
		res->user_us = u->cpu_user_us;
		res->system_us = u->cpu_system_us;
	}
}

static void abandon(void *ctx)
{
	oc_egress_abandon(ctx);
}

static int run(struct run *r, struct oc_err *err)
{
	if (oc_relay_prepare(&r->relay, &r->child, r->plan, err) < 0 ||
	    oc_pipes_prepare(&r->pipes, &r->child, r->relay.inner, err) < 0)
		return oc_err_step(err, "streams");
	if (block_signals(r, err) < 0)
		return -1;
	watch_caller(r);
	r->janitor.cgroup = &r->cg;
	r->janitor.first = r->egress.on ? abandon : NULL;
	r->janitor.first_ctx = &r->egress;
	r->janitor.after = r->opt->after_death;
	r->janitor.ctx = r->opt->ctx;
	r->child.wait_for_net = r->egress.on;
	if (oc_janitor_start(&r->janitor, err) < 0)
		return -1;
	/*
	 * On v1 the cgroups are made while the far side makes the mounts.  Not where a stand-in may be needed (the far side must
	 * know it from its start), and not on v2, where it is born in its cgroup.
	 */
	r->child.late_cgroup = r->child.privileged && !oc_cgroup_unified() &&
			       !(r->plan->may_be_missing & OC_LAYER_BIT(OC_LAYER_CGROUP));
#ifdef OC_TEST_WEAKEN
	if (r->child.drop && strcmp(r->child.drop, "cgroup") == 0)
		r->child.late_cgroup = false;
#endif
	if (r->child.late_cgroup) {
		if (start(r, err) < 0 || limit(r, err) < 0 || send_cgroup(r, err) < 0)
			return -1;
	} else if (limit(r, err) < 0 || start(r, err) < 0) {
		return -1;
	}
	if (connect_net(r, err) < 0)
		return -1;
	int ready = wait_ready(r, err);
	if (ready < 0)
		return -1;
	if (ready > 0)
		return 0;
	if (r->plan->timeout_ms)
		r->deadline_us = r->started_us + r->plan->timeout_ms * 1000;
	r->oom_fd = oc_cgroup_oom_event(&r->cg);
	watch(r);
	return 0;
}

static void clean_up(struct run *r)
{
	if (r->init > 0) {
		kill_all(r);
		while (waitpid(r->init, NULL, __WALL) < 0 && errno == EINTR)
			;
		/* Its last words may still be in the socket. */
		while (r->ready && !r->reported && r->sock >= 0)
			on_message(r);
	}
	oc_egress_leave(&r->egress);
	oc_relay_finish(&r->relay);
	oc_pipes_finish(&r->pipes, !r->timed_out);
	if (!r->has_usage)
		oc_cgroup_usage(&r->cg, &r->usage);
	if (r->ready)
		judge(r, &r->usage);
	/* On v2 the broker may stand with us in a sub-group, which goes now. */
	if (r->cg.settled)
		oc_egress_end(&r->egress);
	oc_cgroup_remove(&r->cg);
	oc_egress_end(&r->egress);
	if (r->opt->exits_next)
		oc_janitor_release(&r->janitor);
	else
		oc_janitor_dismiss(&r->janitor);
	oc_prepare_close(&r->child);
	oc_closep(&r->sock);
	oc_closep(&r->child.status_fd);
	oc_closep(&r->caller_fd);
	oc_closep(&r->oom_fd);
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
	r->sock = r->signal_fd = r->caller_fd = r->oom_fd = -1;
	r->child.status_fd = -1;
	oc_cgroup_init(&r->cg);
	oc_janitor_init(&r->janitor);
	oc_egress_init(&r->egress, plan, &res->egress);
	r->relay.master = -1;
	r->pipes.null_fd = -1;
	for (int i = 0; i < 3; i++)
		r->pipes.caller[i] = r->pipes.ours[i] = r->pipes.inner[i] = -1;
	for (int i = 0; i < 3; i++)
		r->relay.tty[i] = r->relay.pipe_end[i] = r->relay.inner[i] = -1;
	r->relay.in.from = r->relay.out.from = r->relay.err.from = -1;
	r->started_us = now_us();

	int rc = oc_egress_spawn(&r->egress, err);
	if (rc == 0)
		rc = oc_prepare_child(&r->child, plan, opt, err);
	if (rc == 0)
		rc = run(r, err);
	clean_up(r);
	res->wall_us = now_us() - r->started_us;
	memcpy(res->layer, r->child.state, sizeof res->layer);
	memcpy(res->layer_detail, r->child.detail, sizeof res->layer_detail);
	if (rc < 0 || !r->ready)
		res->cause = OC_CAUSE_SETUP;
	if (rc < 0) {
		res->status = 125;
		res->error = *err;
	}
	return rc < 0 ? -1 : 0;
}
