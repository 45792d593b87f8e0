/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start - see broker.h: the monitor's end of the control socket.  Linked into the launcher: no
 * stdio, no name service.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "netns/broker/broker.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000 /* musl 1.2.3 has it in linux/sched.h only */
#endif
#define FDS_MAX 5
#define ASK_MS	20000 /* the broker gives up before that */

static void write_list(struct oc_json_writer *w, const char *key, const char *const *list, size_t n)
{
	oc_jw_key(w, key);
	oc_jw_array(w);
	for (size_t i = 0; i < n; i++)
		oc_jw_string(w, list[i]);
	oc_jw_array_end(w);
}

static void write_number(struct oc_json_writer *w, const char *key, uint64_t n)
{
	if (n) {
		oc_jw_key(w, key);
		oc_jw_uint(w, n);
	}
}

static void write_budget(struct oc_json_writer *w, const struct oc_broker_budget *b)
{
	write_number(w, "uploadBytes", b->upload_bytes);
	write_number(w, "connections", b->connections);
	write_number(w, "names", b->names);
}

/* In the order in which the descriptors are sent. */
static size_t list_fds(const struct oc_net_sockets *s, int log_fd, const char *names[FDS_MAX],
		       int fds[FDS_MAX])
{
	const struct {
		const char *name;
		int fd;
	} all[FDS_MAX] = {{"tcp4", s->tcp4},
			  {"dns4", s->dns4},
			  {"tcp6", s->tcp6},
			  {"dns6", s->dns6},
			  {"log", log_fd}};
	size_t n = 0;

	for (size_t i = 0; i < FDS_MAX; i++)
		if (all[i].fd >= 0) {
			names[n] = all[i].name;
			fds[n++] = all[i].fd;
		}
	return n;
}

/* Of a first message. */
static void write_version(struct oc_json_writer *w, const struct oc_broker_config *c)
{
	oc_jw_key(w, "version");
	oc_jw_int(w, OC_BROKER_VERSION);
	if (c->resolver_count)
		write_list(w, "resolvers", c->resolvers, c->resolver_count);
}

static void write_rules(struct oc_json_writer *w, const struct oc_broker_config *c)
{
	oc_jw_key(w, "mode");
	oc_jw_string(w, c->mode);
	write_list(w, "allow", c->allow, c->allow_count);
	write_list(w, "deny", c->deny, c->deny_count);
	write_list(w, "allowPrivate", c->allow_private, c->allow_private_count);
}

static void write_start(struct oc_json_writer *w, const struct oc_broker_config *c,
			const struct oc_net_sockets *s, int log_fd)
{
	const char *names[FDS_MAX];
	int fds[FDS_MAX];

	write_list(w, "fds", names, list_fds(s, log_fd, names, fds));
	oc_jw_key(w, "limits");
	oc_jw_object(w);
	write_number(w, "connections", c->max_connections);
	write_number(w, "connectMs", c->connect_ms);
	write_number(w, "firstBytesMs", c->first_bytes_ms);
	write_number(w, "idleMs", c->idle_ms);
	write_number(w, "recordsPerSecond", c->records_per_second);
	oc_jw_object_end(w);
	oc_jw_key(w, "budgets");
	oc_jw_object(w);
	write_budget(w, &c->budget);
	oc_jw_key(w, "rule");
	oc_jw_object(w);
	write_budget(w, &c->rule_budget);
	oc_jw_object_end(w);
	oc_jw_object_end(w);
}

void oc_broker_config_write(struct oc_buf *out, const struct oc_broker_config *c,
			    const struct oc_net_sockets *sockets, int log_fd)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, sockets ? "start" : "rules");
	if (sockets) {
		write_version(&w, c);
		write_start(&w, c, sockets, log_fd);
	}
	write_rules(&w, c);
	oc_jw_object_end(&w);
}

struct child {
	int program_fd, control;
};

/* On the far side of clone: system calls only. */
static int child(void *arg)
{
	const struct child *c = arg;
	char name[] = "oc-egress";
	char *argv[] = {name, NULL}, *envp[] = {NULL};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* A signal to the caller's process group is for the command, which may want to say goodbye.
	 */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Both above the places that they go to, whatever the caller has open there. */
	int program = fcntl(c->program_fd, F_DUPFD_CLOEXEC, OC_BROKER_CONTROL_FD + 2);
	int sock = fcntl(c->control, F_DUPFD_CLOEXEC, OC_BROKER_CONTROL_FD + 2);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (program < 0 || sock < 0 || null < 0)
		_exit(126);
	for (int i = 0; i < 3; i++) {
		/* dup2 onto itself leaves close-on-exec set. */
		if ((null == i ? fcntl(i, F_SETFD, 0) : dup2(null, i)) < 0)
			_exit(126);
	}
	if (dup2(sock, OC_BROKER_CONTROL_FD) < 0)
		_exit(126);
	syscall(SYS_close_range, OC_BROKER_CONTROL_FD + 1, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

int oc_broker_spawn(struct oc_broker *b, int program_fd, struct oc_err *err)
{
	_Alignas(16) char stack[32768];
	int pair[2], size = 4 * (int)OC_BROKER_MESSAGE_MAX;

	*b = (struct oc_broker)OC_BROKER_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return oc_fail(err, errno, "cannot make the control socket of oc-egress");
	/* A message is sent in one piece; the default of most systems has room for it already. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	/*
	 * Not CLONE_VFORK: copying the page tables of a small program takes less than waiting for
	 * its execveat, and the launch goes on meanwhile.  The signals stay blocked, because a
	 * handler of ours must not run in the child.
	 */
	struct child c = {.program_fd = program_fd, .control = pair[1]};
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = clone(child, stack + sizeof stack, CLONE_PIDFD | SIGCHLD, &c, &b->pidfd);
	int saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		*b = (struct oc_broker)OC_BROKER_NONE;
		return oc_fail(err, saved, "cannot start oc-egress");
	}
	b->pid = pid;
	b->control = pair[0];
	return 0;
}

static int send_message(const struct oc_broker *b, const struct oc_buf *m, const int fds[],
			size_t nfds, struct oc_err *err)
{
	struct iovec iov = {.iov_base = m->data, .iov_len = m->len};
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (m->len > OC_BROKER_MESSAGE_MAX) {
		oc_fail(err, 0, "the rules are %zu bytes long, the most is %u", m->len,
			OC_BROKER_MESSAGE_MAX);
		return oc_err_hint(err, "use fewer rules, or *.name for many names");
	}
	if (nfds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = &control.align; /* as CMSG_FIRSTHDR, for which nothing else is
						       possible here */
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(b->control, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return oc_fail(err, errno,
			       errno == EPIPE ? "oc-egress has ended" : "cannot send to oc-egress");
	return 0;
}

int oc_broker_send(struct oc_broker *b, const struct oc_broker_config *c,
		   const struct oc_net_sockets *sockets, int log_fd, struct oc_err *err)
{
	const char *names[FDS_MAX];
	int fds[FDS_MAX];
	oc_auto_buf m = {0};
	size_t n = list_fds(sockets, log_fd, names, fds);

	oc_broker_config_write(&m, c, sockets, log_fd);
	return send_message(b, &m, fds, n, err);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One message, NUL-terminated in out. */
static int receive(const struct oc_broker *b, struct oc_buf *out, int timeout_ms,
		   struct oc_err *err)
{
	struct pollfd p = {.fd = b->control, .events = POLLIN};
	int64_t end = now_ms() + timeout_ms;
	char buf[16384];

	for (;;) {
		int64_t left = end - now_ms();
		int r = poll(&p, 1, left < 0 ? 0 : (int)left);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return oc_fail(err, errno, "cannot wait for oc-egress");
		if (r == 0) {
			/* What comes after this would be taken for the answer to the next message.
			 */
			(void)shutdown(b->control, SHUT_RDWR);
			return oc_fail(err, 0, "oc-egress has not answered for %d ms", timeout_ms);
		}
		ssize_t n = recv(b->control, buf, sizeof buf, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return oc_fail(err, errno, "cannot read from oc-egress");
		if (n == 0) {
			oc_fail(err, 0, "oc-egress has ended");
			return oc_err_hint(
				err, "it needs Landlock and seccomp, see `oc-sandbox doctor`");
		}
		out->len = 0;
		oc_buf_add(out, buf, (size_t)n);
		return 0;
	}
}

/* "ok":false becomes the error. */
static int read_answer(struct oc_arena *a, const struct oc_buf *answer, struct oc_json **out,
		       struct oc_err *err)
{
	if (oc_json_parse(a, answer->data, answer->len, "answer of oc-egress", out, err) < 0)
		return -1;
	const struct oc_json *ok = oc_json_get(*out, "ok");
	if (ok && ok->type == OC_JSON_BOOL && ok->boolean)
		return 0;
	const struct oc_json *text = oc_json_get(*out, "error"), *hint = oc_json_get(*out, "hint");
	oc_fail(err, 0, "%s",
		text && text->type == OC_JSON_STRING ? text->string : "oc-egress refuses");
	if (hint && hint->type == OC_JSON_STRING && hint->string[0])
		oc_err_hint(err, "%s", hint->string);
	return -1;
}

int oc_broker_ready(struct oc_broker *b, int timeout_ms, struct oc_err *err)
{
	oc_auto_arena a = {0};
	oc_auto_buf answer = {0};
	struct oc_json *v;

	if (receive(b, &answer, timeout_ms, err) < 0)
		return -1;
	return read_answer(&a, &answer, &v, err);
}

int oc_broker_call(struct oc_broker *b, const struct oc_buf *message, struct oc_buf *answer,
		   int timeout_ms, struct oc_err *err)
{
	oc_auto_arena a = {0};
	struct oc_json *v;

	if (send_message(b, message, NULL, 0, err) < 0 || receive(b, answer, timeout_ms, err) < 0)
		return -1;
	return read_answer(&a, answer, &v, err);
}

int oc_broker_rules(struct oc_broker *b, const struct oc_broker_config *c, int timeout_ms,
		    uint64_t *closed, struct oc_err *err)
{
	oc_auto_arena a = {0};
	oc_auto_buf m = {0}, answer = {0};
	struct oc_json *v;
	int64_t n = 0;

	oc_broker_config_write(&m, c, NULL, -1);
	if (send_message(b, &m, NULL, 0, err) < 0 || receive(b, &answer, timeout_ms, err) < 0 ||
	    read_answer(&a, &answer, &v, err) < 0)
		return -1;
	const struct oc_json *count = oc_json_get(v, "closed");
	if (!count || oc_json_int(&a, count, 0, INT64_MAX / 2048, &n, err) < 0)
		return count ? -1
			     : oc_fail(err, 0,
				       "oc-egress does not say how many connections it closed");
	if (closed)
		*closed = (uint64_t)n;
	return 0;
}

int oc_broker_start(struct oc_broker *b, int program_fd, const struct oc_broker_config *c,
		    const struct oc_net_sockets *sockets, int log_fd, struct oc_err *err)
{
	if (oc_broker_spawn(b, program_fd, err) < 0)
		return -1;
	if (oc_broker_send(b, c, sockets, log_fd, err) == 0 && oc_broker_ready(b, 10000, err) == 0)
		return 0;
	oc_broker_stop(b);
	return -1;
}

int oc_broker_ask(int program_fd, const struct oc_broker_config *c, const char *name, uint16_t port,
		  struct oc_buf *answer, struct oc_err *err)
{
	oc_auto_buf m = {0};
	struct oc_json_writer w;
	struct oc_broker b;

	oc_jw_init(&w, &m, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, "test");
	write_version(&w, c);
	write_rules(&w, c);
	oc_jw_key(&w, "name");
	oc_jw_string(&w, name);
	oc_jw_key(&w, "port");
	oc_jw_uint(&w, port);
	oc_jw_object_end(&w);
	if (oc_broker_spawn(&b, program_fd, err) < 0)
		return -1;
	int r = oc_broker_call(&b, &m, answer, ASK_MS, err);
	oc_broker_stop(&b);
	return r;
}

int oc_broker_end(struct oc_broker *b, struct oc_err *err)
{
	oc_auto_buf m = {0};

	oc_buf_puts(&m, "{\"op\":\"end\"}");
	return send_message(b, &m, NULL, 0, err);
}

int oc_broker_ended(struct oc_broker *b, struct oc_buf *answer, int timeout_ms, struct oc_err *err)
{
	oc_auto_arena a = {0};
	struct oc_json *v;

	if (receive(b, answer, timeout_ms, err) < 0)
		return -1;
	return read_answer(&a, answer, &v, err);
}

void oc_broker_stop(struct oc_broker *b)
{
	if (b->pid > 0) {
		kill(b->pid, SIGKILL);
		while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	oc_closep(&b->pidfd);
	oc_closep(&b->control);
	*b = (struct oc_broker)OC_BROKER_NONE;
}
