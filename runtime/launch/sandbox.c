/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - see sandbox.h.
 *
 * oc_sandbox_up is the story: the janitor, the limits, clone3, the network, "ready".
 */
#include "runtime/launch/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/sampler.h"
#include "runtime/launch/spawn.h"
#include "runtime/launch/sys.h"

/* What stands in for the controllers that are not to be had. */
static void stand_in(struct oc_sandbox *s)
{
	static const char *const by[OC_CG_COUNT] = {
		[OC_CG_MEMORY] = "memory by RLIMIT_DATA",
		[OC_CG_PIDS] = "pids by RLIMIT_NPROC",
		[OC_CG_CPU] = "cpu by affinity",
	};
	char text[sizeof s->child.detail[0]];
	size_t len = (size_t)snprintf(text, sizeof text, "%s%sstand-ins: ", s->cg.detail, s->cg.detail[0] ? "; " : "");

	s->child.state[OC_LAYER_CGROUP] = OC_STATE_PARTIAL;
	for (int i = OC_CG_COUNT - 1, n = 0; i >= 0; i--)
		if ((s->missing & OC_CG_BIT(i)) && len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", n++ ? ", " : "", by[i]);
	oc_child_detail(&s->child, OC_LAYER_CGROUP, text);
	if (s->missing & OC_CG_SAMPLED)
		oc_child_detail_add(&s->child, OC_LAYER_CGROUP, ", sampling");
	if (s->missing & OC_CG_BIT(OC_CG_PIDS))
		s->child.nproc_limit = (int)(s->plan->pids > 1000000 ? 1000000 : s->plan->pids);
	if (s->missing & OC_CG_BIT(OC_CG_MEMORY))
		s->child.data_limit = s->plan->memory_bytes;
	if (s->missing & OC_CG_BIT(OC_CG_CPU))
		s->child.cpu_limit = (int)((s->plan->cpu_millis + 999) / 1000);
}

/* The cgroup, or what stands in for it. */
static int limit(struct oc_sandbox *s, struct oc_err *err)
{
	struct oc_err why = {0};

	oc_cgroup_init(&s->cg);
	s->cg.nested = s->opt->keep;
#ifdef OC_TEST_WEAKEN
	if (s->child.drop && strcmp(s->child.drop, "cgroup") == 0)
		return 0;
#endif
	if (oc_cgroup_create(&s->cg, s->plan, &why) == 0) {
		oc_child_detail(&s->child, OC_LAYER_CGROUP, s->cg.detail);
		if (s->cg.kind == OC_CGROUP_V1)
			for (int i = 0; i < OC_CG_COUNT; i++)
				s->child.cgroup_tasks_fd[s->child.cgroup_tasks_count++] = s->cg.tasks[i];
		s->missing = s->cg.missing;
		if (!s->missing)
			return 0;
		for (int i = 0; i < OC_CG_COUNT; i++)
			if (s->missing & OC_CG_BIT(i))
				oc_fail(&why, 0, "no cgroup hands the %s controller to us", oc_cgroup_controller(i));
		oc_err_hint(&why, "see `oc-sandbox doctor`");
	} else {
		oc_cgroup_init(&s->cg);
		s->missing = OC_CG_ALL;
	}
	/*
	 * An ordinary user without delegation: the stand-ins, said aloud.  As root a cgroup is always to be had, so
	 * its absence is a failure like any other.
	 */
	bool missing = s->plan->may_be_missing & OC_LAYER_BIT(OC_LAYER_CGROUP);
	if (s->plan->require_cgroup || (s->child.privileged && !missing)) {
		*err = why;
		oc_err_step(err, oc_layer_info(OC_LAYER_CGROUP)->name);
		return -1;
	}
	stand_in(s);
	return 0;
}

/* The far side has failed already; why, is in the socket. */
static bool gone(int errnum)
{
	return errnum == EPIPE || errnum == ECONNRESET;
}

/* While somebody holds its mount namespace, the end of pid 1 does not wait for the mounts to be taken apart. */
static void hold_mounts(struct oc_sandbox *s)
{
	char path[64];

	if (!s->opt->exits_next)
		return;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)s->init);
	s->janitor.hold_fd = open(path, O_RDONLY | O_CLOEXEC);
}

static int start(struct oc_sandbox *s, struct oc_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return oc_fail(err, errno, "socketpair");
	s->sock = pair[0];
	s->child.status_fd = pair[1];
	s->init = oc_spawn(&s->child, &s->cg, &s->janitor.init_pidfd, err);
	if (s->init == 0) {
		close(pair[0]);
		oc_child_main(&s->child);
	}
	if (s->init < 0) {
		close(pair[1]);
		s->child.status_fd = -1;
		return -1;
	}
	/* First what the far side waits for. */
	if (s->child.privileged && (s->child.clone_flags & CLONE_NEWUSER)) {
		if (oc_ids_write_maps(s->init, s->plan, err) < 0) {
			oc_err_step(err, "user");
			return -1;
		}
		struct oc_msg go = {.type = OC_MSG_GO};
		if (oc_msg_send(s->sock, &go, -1) < 0 && !gone(errno))
			return oc_fail(err, errno, "cannot talk to pid 1");
	}
	close(pair[1]);
	s->child.status_fd = -1;
	hold_mounts(s);
	oc_prepare_close(&s->child);
	return 0;
}

static int send_cgroup(struct oc_sandbox *s, struct oc_err *err)
{
	struct oc_msg m = {.type = OC_MSG_CGROUP};

	if (oc_msg_send_fds(s->sock, &m, s->cg.tasks, OC_CG_COUNT) < 0 && !gone(errno))
		return oc_fail(err, errno, "cannot talk to pid 1");
	return 0;
}

/* The next message of pid 1 while it sets up: of the type wanted (0), or why not (-1, 1: the program). */
static int next_message(struct oc_sandbox *s, enum oc_msg_type wanted, struct oc_msg *m, int fds[OC_MSG_FDS],
			struct oc_err *err)
{
	ssize_t n = oc_msg_recv_fds(s->sock, m, fds);

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
		s->noexec = m->err;
		return 1;
	}
	if (m->type != wanted)
		return oc_fail(err, EPROTO, "unexpected message %u from pid 1", m->type);
	return 0;
}

/* The sockets that were opened inside go to the broker; pid 1 waits before the payload until it serves. */
static int connect_net(struct oc_sandbox *s, struct oc_err *err)
{
	struct oc_msg m, go = {.type = OC_MSG_GO};
	int fds[OC_MSG_FDS];

	if (!s->egress.on)
		return 0;
	if (next_message(s, OC_MSG_NET, &m, fds, err) != 0)
		return -1;
	if (oc_egress_send(&s->egress, fds, err) < 0)
		return -1;
	if (oc_egress_ready(&s->egress, err) < 0)
		return -1;
	if (oc_msg_send(s->sock, &go, -1) < 0 && !gone(errno))
		return oc_fail(err, errno, "cannot talk to pid 1");
	return 0;
}


/* Until pid 1 says that the command runs, or why not. */
static int wait_ready(struct oc_sandbox *s, int *pty, struct oc_err *err)
{
	struct oc_msg m;
	int fds[OC_MSG_FDS];
	int rc = next_message(s, OC_MSG_READY, &m, fds, err);

	if (rc != 0)
		return rc;
	memcpy(s->child.state, m.state, sizeof m.state);
	memcpy(s->child.detail, m.detail, sizeof m.detail);
	if (s->child.late_cgroup)
		oc_child_detail(&s->child, OC_LAYER_CGROUP, s->cg.detail);
	s->ready = true;
	/* The last one is the workspace's, see OC_MSG_READY. */
	int last = 0;
	while (last < OC_MSG_FDS - 1 && fds[last + 1] >= 0)
		last++;
	oc_disk_ready(&s->disk, s->init, m.value == 1 ? oc_steal_fd(&fds[last]) : -1);
	*pty = fds[0];
	return 0;
}

static void abandon(void *ctx)
{
	oc_egress_abandon(ctx);
}

int oc_sandbox_begin(struct oc_sandbox *s, const struct oc_plan *plan, const struct oc_launch_options *opt,
		     struct oc_egress_report *report, struct oc_err *err)
{
	memset(s, 0, sizeof *s);
	s->plan = plan;
	s->opt = opt;
	s->sock = s->oom_fd = s->disk.root = -1;
	s->child.status_fd = s->child.overlay.lock_fd = s->child.overlay.tree_fd = -1;
	oc_cgroup_init(&s->cg);
	oc_janitor_init(&s->janitor);
	oc_egress_init(&s->egress, plan, report);
	if (oc_egress_spawn(&s->egress, err) < 0)
		return -1;
	if (oc_prepare_child(&s->child, plan, opt, err) < 0)
		return -1;
	return oc_disk_begin(&s->disk, plan, err);
}

int oc_sandbox_watch_over(struct oc_sandbox *s, struct oc_err *err)
{
	if (s->janitor.pid > 0)
		return 0;
	s->janitor.cgroup = &s->cg;
	s->janitor.first = s->egress.on || s->opt->keep ? abandon : NULL;
	s->janitor.first_ctx = &s->egress;
	s->janitor.after = s->opt->after_death;
	s->janitor.ctx = s->opt->ctx;
	return oc_janitor_start(&s->janitor, err);
}

int oc_sandbox_up(struct oc_sandbox *s, int *pty, struct oc_err *err)
{
	*pty = -1;
	s->child.wait_for_net = s->egress.on;
	if (oc_sandbox_watch_over(s, err) < 0)
		return -1;
	/*
	 * On v1 the cgroups are made while the far side makes the mounts.  Not where a stand-in may be needed (the far side must
	 * know it from its start), and not on v2, where it is born in its cgroup.
	 */
	s->child.late_cgroup = s->child.privileged && !oc_cgroup_unified() &&
			       !(s->plan->may_be_missing & OC_LAYER_BIT(OC_LAYER_CGROUP));
#ifdef OC_TEST_WEAKEN
	if (s->child.drop && strcmp(s->child.drop, "cgroup") == 0)
		s->child.late_cgroup = false;
#endif
	if (s->child.late_cgroup) {
		if (start(s, err) < 0 || limit(s, err) < 0 || send_cgroup(s, err) < 0)
			return -1;
	} else if (limit(s, err) < 0 || start(s, err) < 0) {
		return -1;
	}
	if (connect_net(s, err) < 0)
		return -1;
	int rc = wait_ready(s, pty, err);
	if (rc == 0)
		s->oom_fd = oc_cgroup_oom_event(&s->cg);
	return rc;
}

void oc_sandbox_kill(const struct oc_sandbox *s)
{
	if (s->janitor.init_pidfd >= 0)
		oc_sys_pidfd_send_signal(s->janitor.init_pidfd, SIGKILL, 0);
}

void oc_sandbox_sample(struct oc_sandbox *s, unsigned gone_tasks)
{
	struct oc_sample now;

	if (!(s->missing & OC_CG_SAMPLED))
		return;
	oc_sampler_take(s->init, &now);
	if (now.memory_bytes > s->sampled_memory)
		s->sampled_memory = now.memory_bytes;
	if (now.tasks + gone_tasks > s->sampled_pids)
		s->sampled_pids = now.tasks + gone_tasks;
	if ((s->missing & OC_CG_BIT(OC_CG_MEMORY)) && now.memory_bytes > s->plan->memory_bytes &&
	    !s->over_memory) {
		s->over_memory = true;
		oc_sandbox_kill(s);
	}
}

void oc_sandbox_oom(struct oc_sandbox *s)
{
	/* As memory.oom.group does on v2: not one process out of the middle of the command, but the command. */
	oc_closep(&s->oom_fd);
	s->oom_fd = -1;
	s->over_memory = true;
	oc_sandbox_kill(s);
}

void oc_sandbox_down(struct oc_sandbox *s)
{
	if (s->init > 0) {
		oc_sandbox_kill(s);
		while (waitpid(s->init, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	oc_egress_leave(&s->egress);
}

void oc_sandbox_remove(struct oc_sandbox *s)
{
	/* On v2 the broker may stand with us in a sub-group, which goes now. */
	if (s->cg.settled)
		oc_egress_end(&s->egress);
	oc_cgroup_remove(&s->cg);
	oc_egress_end(&s->egress);
	if (s->opt->exits_next)
		oc_janitor_release(&s->janitor);
	else
		oc_janitor_dismiss(&s->janitor);
	oc_disk_end(&s->disk);
	oc_prepare_close(&s->child);
	oc_closep(&s->sock);
	oc_closep(&s->child.status_fd);
	oc_closep(&s->oom_fd);
	oc_closep(&s->child.overlay.lock_fd);
	s->sock = s->child.status_fd = s->oom_fd = s->child.overlay.lock_fd = -1;
}

int oc_sandbox_runner(struct oc_sandbox *s, unsigned number, int sock, const int *tasks, size_t count,
		      struct oc_err *err)
{
	struct oc_msg m = {.type = OC_MSG_RUNNER, .value = (int32_t)number};
	int fds[OC_MSG_FDS];

	if (count > OC_MSG_FDS - 1)
		return oc_fail(err, EINVAL, "too many descriptors for a runner");
	fds[0] = sock;
	for (size_t i = 0; i < count; i++)
		fds[1 + i] = tasks[i];
	if (oc_msg_send_fds(s->sock, &m, fds, 1 + count) < 0)
		return oc_fail(err, errno, "cannot talk to pid 1 of the sandbox");
	return 0;
}

void oc_sandbox_end_runner(struct oc_sandbox *s, unsigned number)
{
	struct oc_msg m = {.type = OC_MSG_END, .value = (int32_t)number};

	oc_msg_send(s->sock, &m, -1);
}
