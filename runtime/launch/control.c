/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - see control.h.
 */
#include "runtime/launch/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/policy/record.h"

#define OP_MAX	4096u /* of a request that is echoed */
#define BACKLOG 8

void oc_control_init(struct oc_control *c)
{
	*c = (struct oc_control){.run_fd = -1, .dir_fd = -1, .listen_fd = -1};
	for (int i = 0; i < OC_CONTROL_CLIENTS; i++)
		c->client[i] = -1;
}

/* --- making it --- */

static int write_info(const struct oc_control *c, const struct oc_plan *plan, struct oc_err *err)
{
	oc_auto_buf text = {0};
	struct oc_json_writer w;
	struct timespec now;
	char created[25];

	clock_gettime(CLOCK_REALTIME, &now);
	oc_record_time((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, created);
	oc_jw_init(&w, &text, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "version");
	oc_jw_int(&w, 1);
	oc_jw_key(&w, "id");
	oc_jw_string(&w, c->id);
	oc_jw_key(&w, "pid");
	oc_jw_int(&w, getpid());
	oc_jw_key(&w, "startTime");
	oc_jw_uint(&w, oc_rundir_start_time(getpid()));
	oc_jw_key(&w, "agent");
	oc_jw_string(&w, plan->agent);
	oc_jw_key(&w, "scopeKey");
	oc_jw_string(&w, plan->scope_key);
	oc_jw_key(&w, "created");
	oc_jw_string(&w, created);
	oc_jw_object_end(&w);
	oc_buf_puts(&text, "\n");
	oc_auto_close fd =
		oc_openat2(c->dir_fd, "info.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			   RESOLVE_BENEATH);
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0)
		return oc_fail(err, errno, "cannot write info.json of the sandbox");
	return 0;
}

static int listen_on(struct oc_control *c, struct oc_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	/* Through the descriptor: however long the path of the run directory is, this is short. */
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control", c->dir_fd);
	c->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0)
		return oc_fail(err, errno, "cannot make a socket");
	if (bind(c->listen_fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(c->dir_fd, "control", 0600, 0) < 0 || listen(c->listen_fd, BACKLOG) < 0)
		return oc_fail(err, errno, "cannot listen on the control socket of the sandbox");
	return 0;
}

int oc_control_open(struct oc_control *c, const struct oc_plan *plan, struct oc_err *err)
{
	c->plan = plan;
	c->run_fd = oc_rundir_make(plan->state_dir, err);
	if (c->run_fd >= 0) {
		oc_rundir_sweep(c->run_fd);
		c->dir_fd = oc_rundir_new(c->run_fd, c->id, err);
	}
	if (c->dir_fd >= 0 && listen_on(c, err) == 0 && write_info(c, plan, err) == 0)
		return 0;
	oc_control_close(c);
	return -1;
}

int oc_control_log(const struct oc_control *c, struct oc_err *err)
{
	int fd = oc_openat2(c->dir_fd, "egress.jsonl",
			    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600,
			    RESOLVE_BENEATH);

	return fd >= 0 ? fd : oc_fail(err, errno, "cannot make egress.jsonl of the sandbox");
}

void oc_control_close(struct oc_control *c)
{
	if (c->dir_fd >= 0)
		oc_rundir_remove(c->run_fd, c->dir_fd, c->id);
	else if (c->run_fd >= 0 && c->id[0])
		unlinkat(c->run_fd, c->id, AT_REMOVEDIR); /* killed while it was being made */
	for (int i = 0; i < OC_CONTROL_CLIENTS; i++)
		oc_closep(&c->client[i]);
	oc_closep(&c->listen_fd);
	oc_closep(&c->dir_fd);
	oc_closep(&c->run_fd);
	oc_control_init(c);
}

/* --- serving --- */

/*
 * A payload lives in a pid namespace below ours: there /proc/PID/status has more than one number in
 * NSpid (Linux 4.1).  It is the one thing about a process in another user namespace that we may
 * read.
 */
static bool in_our_pid_namespace(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (pid <= 0 || oc_read_file_at(AT_FDCWD, path, text, sizeof text) < 0)
		return false;
	const char *p = strstr(text, "\nNSpid:");
	if (!p)
		return false;
	p += sizeof "\nNSpid:" - 1;
	p += strspn(p, "\t ");
	p += strspn(p, "0123456789");
	return *p == '\n';
}

static bool welcome(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof peer)
		return false;
	return peer.uid == 0 || (peer.uid == geteuid() && in_our_pid_namespace(peer.pid));
}

static void begin(struct oc_json_writer *w, struct oc_buf *out, const char *op, bool ok)
{
	oc_jw_init(w, out, 0);
	oc_jw_object(w);
	oc_jw_key(w, "op");
	oc_jw_string(w, op);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, ok);
}

static void answer_error(struct oc_buf *out, const char *op, const struct oc_err *err)
{
	struct oc_json_writer w;

	out->len = 0;
	begin(&w, out, op, false);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err->msg);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, err->hint);
	oc_jw_object_end(&w);
}

static void drop(struct oc_control *c, unsigned i)
{
	oc_closep(&c->client[i]);
	c->client[i] = -1;
}

static void admit(struct oc_control *c, int fd)
{
	const int room = OC_CONTROL_ANSWER_MAX;
	unsigned i = 0;

	if (!welcome(fd)) {
		oc_auto_buf out = {0};
		struct oc_err err = {0};
		oc_fail(&err, EPERM, "not for this process");
		answer_error(&out, "", &err);
		(void)send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	while (i < OC_CONTROL_CLIENTS && c->client[i] >= 0)
		i++;
	/* Every request is answered at once, so that all of them only sit there. */
	if (i == OC_CONTROL_CLIENTS) {
		i = c->oldest;
		c->oldest = (i + 1) % OC_CONTROL_CLIENTS;
		drop(c, i);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	c->client[i] = fd;
}

/* The hash is not in info.json: it takes a while, and few ask. */
static void write_plan_hash(const struct oc_plan *plan, struct oc_json_writer *w)
{
	char hash[65];

	oc_plan_hash(plan, hash);
	oc_jw_key(w, "planHash");
	oc_jw_string(w, hash);
}

/* False: no request, the client goes once it is answered. */
static bool answer(const struct oc_control *c, const char *text, size_t len,
		   oc_control_handler handler, void *ctx, struct oc_buf *out)
{
	oc_auto_arena a = {0};
	struct oc_json_writer w;
	struct oc_err err = {0};
	struct oc_json *m = NULL;

	if (len > OC_CONTROL_MESSAGE_MAX)
		oc_fail(&err, 0, "the message is longer than %u bytes", OC_CONTROL_MESSAGE_MAX);
	else if (oc_json_parse(&a, text, len, "message", &m, &err) < 0)
		m = NULL;
	const struct oc_json *op = oc_json_get(m, "op");
	if (!op || op->type != OC_JSON_STRING || strlen(op->string) > OP_MAX) {
		if (m)
			oc_fail(&err, 0, "the message has no operation");
		answer_error(out, "", &err);
		return false;
	}
	begin(&w, out, op->string, true);
	if (strcmp(op->string, "info") == 0) {
		write_plan_hash(c->plan, &w);
	} else if (handler(ctx, op->string, m, &w, &err) < 0) {
		answer_error(out, op->string, &err);
		return true;
	}
	oc_jw_object_end(&w);
	if (out->len > OC_CONTROL_ANSWER_MAX) {
		oc_fail(&err, 0, "the answer is longer than %u bytes", OC_CONTROL_ANSWER_MAX);
		answer_error(out, op->string, &err);
	}
	return true;
}

static void serve(struct oc_control *c, unsigned i, oc_control_handler handler, void *ctx)
{
	oc_auto_buf out = {0};
	char *buf = malloc(OC_CONTROL_MESSAGE_MAX);

	if (!buf)
		oc_oom();
	/* Descriptors that come along are closed by the kernel: there is no room for them. */
	ssize_t n = recv(c->client[i], buf, OC_CONTROL_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
	bool keep = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (n > 0) {
		keep = answer(c, buf, (size_t)n, handler, ctx, &out);
		/* Who does not read his answers has no room for one more. */
		if (send(c->client[i], out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			keep = false;
	}
	free(buf);
	if (!keep)
		drop(c, i);
}

void oc_control_poll(const struct oc_control *c, struct pollfd p[OC_CONTROL_POLL])
{
	p[0] = (struct pollfd){.fd = c->listen_fd, .events = POLLIN};
	for (int i = 0; i < OC_CONTROL_CLIENTS; i++)
		p[1 + i] = (struct pollfd){.fd = c->client[i], .events = POLLIN};
}

void oc_control_run(struct oc_control *c, const struct pollfd p[OC_CONTROL_POLL],
		    oc_control_handler handler, void *ctx)
{
	for (unsigned i = 0; i < OC_CONTROL_CLIENTS; i++)
		if (c->client[i] >= 0 && p[1 + i].fd == c->client[i] && p[1 + i].revents)
			serve(c, i, handler, ctx);
	if (c->listen_fd < 0 || !(p[0].revents & POLLIN))
		return;
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		admit(c, fd);
}
