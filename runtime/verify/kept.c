/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept - see kept.h.  A monitor of the smallest kind: one sandbox, one runner, one command, no clients.
 */
#include "runtime/verify/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/call.h"
#include "runtime/launch/sampler.h"
#include "runtime/launch/sandbox.h"

struct kept {
	struct oc_sandbox s;
	struct oc_result *res;
	int runner; /* our end of its socket */
	bool ended;
	int status; /* of waitpid */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void add(struct oc_buf *b, const char *s)
{
	oc_buf_add(b, s, strlen(s) + 1);
}

static int send_call(const struct kept *k, const struct oc_launch_options *opt, struct oc_err *err)
{
	const struct oc_plan *plan = k->s.plan;
	struct oc_call_run head = {.type = OC_CALL_RUN,
				   .flags = OC_CALL_PROGRAM | OC_CALL_STREAMS,
				   .envc = (uint32_t)plan->env_count};
	oc_auto_buf text = {0};
	const int fds[4] = {opt->exec_fd, opt->in, opt->out, opt->err};
	union {
		char buf[CMSG_SPACE(sizeof fds)];
		struct cmsghdr align;
	} control = {0};

	add(&text, plan->workdir);
	for (; plan->argv[head.argc]; head.argc++)
		add(&text, plan->argv[head.argc]);
	for (size_t i = 0; i < plan->env_count; i++) {
		oc_buf_printf(&text, "%s=%s", plan->env[i].name, plan->env[i].value);
		oc_buf_add(&text, "", 1);
	}
	head.strings = (uint32_t)text.len;
	struct iovec iov[2] = {{.iov_base = &head, .iov_len = sizeof head},
			       {.iov_base = text.data, .iov_len = text.len}};
	struct msghdr h = {.msg_iov = iov,
			   .msg_iovlen = 2,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(cm), fds, sizeof fds);
	if (text.len > OC_CALL_INLINE_MAX || sendmsg(k->runner, &h, MSG_NOSIGNAL) < 0)
		return oc_fail(err, text.len > OC_CALL_INLINE_MAX ? E2BIG : errno,
			       "cannot hand the probe to the sandbox");
	return 0;
}

static void take_reply(struct kept *k)
{
	struct oc_call_reply r = {0};
	ssize_t n = recv(k->runner, &r, sizeof r, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)OC_CALL_REPLY_SHORT) {
		oc_closep(&k->runner); /* it was killed; pid 1 takes the rest */
		k->runner = -1;
		k->ended = true;
		k->status = SIGKILL;
	} else if (r.type == OC_CALL_EXIT) {
		k->ended = true;
		k->status = r.value;
	} else if (r.type == OC_CALL_NOEXEC) {
		k->ended = true;
		k->res->error = r.err;
		k->status = (r.err.errnum == ENOENT ? 127 : 126) << 8;
	}
}

static void watch(struct kept *k, uint64_t deadline)
{
	while (!k->ended) {
		struct pollfd p[4 + OC_EGRESS_POLL] = {
			{.fd = k->s.janitor.init_pidfd, .events = POLLIN},
			{.fd = k->runner, .events = POLLIN},
			{.fd = k->s.oom_fd, .events = POLLIN},
			{.fd = -1},
		};
		oc_egress_poll(&k->s.egress, p + 4);
		nfds_t n = k->s.egress.on ? sizeof p / sizeof p[0] : 4;
		uint64_t now = now_ms();
		uint64_t wait = deadline > now ? deadline - now : 0;
		if ((k->s.missing & OC_CG_SAMPLED) && wait > OC_SAMPLE_MS)
			wait = OC_SAMPLE_MS;
		if (poll(p, n, (int)(wait > 1000 ? 1000 : wait)) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			take_reply(k);
		if (p[2].revents)
			oc_sandbox_oom(&k->s);
		if (k->s.egress.on)
			oc_egress_run(&k->s.egress, p + 4);
		oc_sandbox_sample(&k->s, 0);
		if (p[0].revents && !k->ended) {
			k->ended = true;
			k->status = SIGKILL;
		}
		if (now_ms() >= deadline) {
			k->res->cause = OC_CAUSE_TIMEOUT;
			return;
		}
	}
}

static void judge(struct kept *k)
{
	struct oc_result *res = k->res;
	struct oc_cgroup_usage u = {0};

	oc_cgroup_usage(&k->s.cg, &u);
	res->exit_code = WIFEXITED(k->status) ? WEXITSTATUS(k->status) : -1;
	res->signal = WIFSIGNALED(k->status) ? WTERMSIG(k->status) : 0;
	if (res->cause == OC_CAUSE_TIMEOUT) {
		res->status = 124;
		return;
	}
	res->status = res->signal ? 128 + res->signal : res->exit_code;
	res->cause = res->signal ? OC_CAUSE_SIGNAL : OC_CAUSE_EXIT;
	if (res->status != 0 && (u.oom_kills > 0 || k->s.over_memory))
		res->cause = OC_CAUSE_OOM;
	else if (res->status != 0 && u.pids_refused > 0)
		res->cause = OC_CAUSE_PIDS;
}

static int run(struct kept *k, const struct oc_launch_options *opt, struct oc_err *err)
{
	int pty, pair[2];

	if (oc_sandbox_up(&k->s, &pty, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return oc_fail(err, errno, "socketpair");
	k->runner = pair[0];
	int rc = oc_sandbox_runner(&k->s, 0, pair[1], NULL, 0, err);
	close(pair[1]);
	if (rc < 0 || send_call(k, opt, err) < 0)
		return -1;
	watch(k, now_ms() + (k->s.plan->timeout_ms ? k->s.plan->timeout_ms : 3600000));
	return 0;
}

int oc_verify_run_kept(const struct oc_plan *plan, const struct oc_launch_options *opt,
		       struct oc_result *res, struct oc_err *err)
{
	struct kept *k = oc_arena_alloc(plan->arena, sizeof *k);
	struct oc_launch_options with = *opt;
	sigset_t set, old;

	*k = (struct kept){.res = res, .runner = -1};
	memset(res, 0, sizeof *res);
	res->exit_code = -1;
	oc_auto_close null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return oc_fail(err, errno, "/dev/null");
	with.in = with.out = with.err = null;
	with.exec_fd = -1;
	with.keep = true;
	/* pid 1 reaps by SIGCHLD, and is born with what is blocked here. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, &old);
	int rc = oc_sandbox_begin(&k->s, plan, &with, &res->egress, err);
	if (rc == 0)
		rc = run(k, opt, err);
	oc_sandbox_down(&k->s);
	if (rc == 0)
		judge(k);
	memcpy(res->layer, k->s.child.state, sizeof res->layer);
	memcpy(res->layer_detail, k->s.child.detail, sizeof res->layer_detail);
	oc_sandbox_remove(&k->s);
	oc_closep(&k->runner);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (rc < 0) {
		res->cause = OC_CAUSE_SETUP;
		res->status = 125;
		res->error = *err;
	}
	return rc;
}
