/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress-run - a network namespace with oc-egress at its door, and a command in it; for the tests
 * of netns/.
 *
 *   egress-run [--program FILE] [--log FILE] [--commands FIFO --answers FILE] [--pid FILE] [OPTION
 * VALUE]... -- COMMAND...
 *
 * OPTION: --mode, --allow, --deny, --private, --resolver (all but mode repeatable), --connections,
 * --connect-ms, --first-ms, --idle-ms,
 * --records, --budget-bytes, --budget-connections, --budget-names, --rule-bytes,
 * --rule-connections, --rule-names. A line of FIFO is "allow RULE", "deny RULE", "forget RULE"
 * (from either list), "stats"; what came of it is one line of the answers.
 *
 * The caller's namespace stands for the host.  Uses the same functions as the launcher.  Exit
 * status: the command's, 125 if it did not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/broker.h"
#include "netns/setup/setup.h"

#define FAILED 125
#define LIST   5000

struct lists {
	const char *allow[LIST], *deny[LIST], *private_[64], *resolver[16];
	struct oc_broker_config c;
};

static _Noreturn void die(const struct oc_err *err)
{
	oc_err_print(err, "egress-run", STDERR_FILENO);
	exit(FAILED);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void append(const char **list, size_t *n, size_t max, const char *s)
{
	if (*n == max)
		exit(FAILED);
	list[(*n)++] = s;
}

static void forget(const char **list, size_t *n, const char *s)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(list[i], s) == 0) {
			list[i] = list[--*n];
			return;
		}
}

/* The descriptors go over one socket, as the launcher's child sends them. */
static void give(int sock, const struct oc_net_sockets *s)
{
	int fds[4] = {s->tcp4, s->dns4, s->tcp6, s->dns6}, n = s->tcp6 < 0 ? 2 : 4;
	union {
		char bytes[CMSG_SPACE(sizeof fds)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = fds, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(FAILED);
}

static int take(int sock, struct oc_net_sockets *s)
{
	char byte;
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof control.bytes};
	int fds[4] = {-1, -1, -1, -1};

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return -1;
	memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	*s = (struct oc_net_sockets){
		.tcp4 = fds[0], .dns4 = fds[1], .tcp6 = fds[2], .dns6 = fds[3]};
	return 0;
}

static _Noreturn void inside(int sock, char **argv)
{
	struct oc_net_sockets s;
	struct oc_err err;
	char go;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("egress-run: unshare");
		_exit(FAILED);
	}
	double before = now();
	if (oc_net_setup(&s, &err) < 0)
		die(&err);
	if (getenv("EGRESS_RUN_TIMES"))
		fprintf(stderr, "setup %.3f ms\n", now() - before);
	give(sock, &s);
	oc_net_sockets_close(&s);
	if (recv(sock, &go, 1, 0) != 1)
		_exit(FAILED);
	close(sock);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static void run_line(struct oc_broker *b, struct lists *l, char *line, FILE *out)
{
	char *word = strchr(line, ' '), *rule = word ? strdup(word + 1) : NULL;
	struct oc_err err = {0};
	uint64_t closed = 0;

	if (word)
		*word = '\0';
	if (strcmp(line, "stats") == 0) {
		oc_auto_buf m = {0}, answer = {0};
		oc_buf_puts(&m, "{\"op\":\"stats\"}");
		if (oc_broker_call(b, &m, &answer, 5000, &err) < 0)
			fprintf(out, "error %s\n", err.msg);
		else
			fprintf(out, "%s\n", answer.data);
		return;
	}
	if (rule && strcmp(line, "allow") == 0)
		append(l->allow, &l->c.allow_count, LIST, rule);
	else if (rule && strcmp(line, "deny") == 0)
		append(l->deny, &l->c.deny_count, LIST, rule);
	else if (rule) {
		forget(l->allow, &l->c.allow_count, rule);
		forget(l->deny, &l->c.deny_count, rule);
	}
	if (oc_broker_rules(b, &l->c, 10000, &closed, &err) < 0) {
		fprintf(out, "error %s\n", err.msg);
		forget(l->allow, &l->c.allow_count, rule ? rule : "");
		forget(l->deny, &l->c.deny_count, rule ? rule : "");
	} else {
		fprintf(out, "closed %llu\n", (unsigned long long)closed);
	}
}

/* Until the command ends. */
static int serve(struct oc_broker *b, struct lists *l, pid_t pid, const char *fifo,
		 const char *answers)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status;
	int in = fifo ? open(fifo, O_RDWR | O_CLOEXEC) : -1;
	FILE *out = answers ? fopen(answers, "ae") : NULL;
	char buf[4096];
	size_t have = 0;

	for (;;) {
		struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN},
				      {.fd = in, .events = POLLIN}};
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			break;
		ssize_t n = read(in, buf + have, sizeof buf - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		for (char *nl; (nl = memchr(buf, '\n', have));) {
			*nl = '\0';
			if (out) {
				run_line(b, l, buf, out);
				fflush(out);
			}
			have -= (size_t)(nl + 1 - buf);
			memmove(buf, nl + 1, have);
		}
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool number(struct oc_broker_config *c, const char *name, const char *value)
{
	const struct {
		const char *name;
		uint64_t *to;
	} rows[] = {{"--connections", &c->max_connections},
		    {"--connect-ms", &c->connect_ms},
		    {"--first-ms", &c->first_bytes_ms},
		    {"--idle-ms", &c->idle_ms},
		    {"--records", &c->records_per_second},
		    {"--budget-bytes", &c->budget.upload_bytes},
		    {"--budget-connections", &c->budget.connections},
		    {"--budget-names", &c->budget.names},
		    {"--rule-bytes", &c->rule_budget.upload_bytes},
		    {"--rule-connections", &c->rule_budget.connections},
		    {"--rule-names", &c->rule_budget.names}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].name, name) == 0) {
			*rows[i].to = strtoull(value, NULL, 10);
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	static struct lists l;
	struct oc_broker b = OC_BROKER_NONE;
	struct oc_net_sockets s;
	struct oc_err err;
	const char *program = "./oc-egress", *log = NULL, *fifo = NULL, *answers = NULL,
		   *pidfile = NULL;
	int i = 1, pair[2], log_fd = -1;

	l.c = (struct oc_broker_config){.mode = "allowlist",
					.allow = l.allow,
					.deny = l.deny,
					.allow_private = l.private_,
					.resolvers = l.resolver};
	for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		const char *v = argv[i + 1];
		if (strcmp(argv[i], "--program") == 0)
			program = v;
		else if (strcmp(argv[i], "--log") == 0)
			log = v;
		else if (strcmp(argv[i], "--commands") == 0)
			fifo = v;
		else if (strcmp(argv[i], "--answers") == 0)
			answers = v;
		else if (strcmp(argv[i], "--pid") == 0)
			pidfile = v;
		else if (strcmp(argv[i], "--mode") == 0)
			l.c.mode = v;
		else if (strcmp(argv[i], "--allow") == 0)
			append(l.allow, &l.c.allow_count, LIST, v);
		else if (strcmp(argv[i], "--deny") == 0)
			append(l.deny, &l.c.deny_count, LIST, v);
		else if (strcmp(argv[i], "--private") == 0)
			append(l.private_, &l.c.allow_private_count, 64, v);
		else if (strcmp(argv[i], "--resolver") == 0)
			append(l.resolver, &l.c.resolver_count, 16, v);
		else if (!number(&l.c, argv[i], v))
			break;
	}
	if (i + 1 >= argc || strcmp(argv[i], "--") != 0) {
		fprintf(stderr, "egress-run: bad option %s\n", i < argc ? argv[i] : "");
		return FAILED;
	}
	int program_fd = open(program, O_RDONLY | O_CLOEXEC);
	if (program_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    (log && (log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)) {
		perror("egress-run");
		return FAILED;
	}
	double begin = now();
	if (oc_broker_spawn(&b, program_fd, &err) < 0)
		die(&err);
	double spawned = now();
	pid_t pid = fork();
	if (pid == 0) {
		/* Else it would wait for itself when this end is gone. */
		close(pair[0]);
		inside(pair[1], argv + i + 1);
	}
	close(pair[1]);
	if (take(pair[0], &s) < 0) {
		fprintf(stderr, "egress-run: no sockets came\n");
		return FAILED;
	}
	double made = now();
	if (oc_broker_send(&b, &l.c, &s, log_fd, &err) < 0 || oc_broker_ready(&b, 10000, &err) < 0)
		die(&err);
	if (getenv("EGRESS_RUN_TIMES"))
		fprintf(stderr, "spawn %.3f ms, to the sockets %.3f ms, ready after %.3f ms more\n",
			spawned - begin, made - spawned, now() - made);
	oc_net_sockets_close(&s);
	if (pidfile) {
		FILE *f = fopen(pidfile, "we");
		if (f) {
			fprintf(f, "%d\n", (int)b.pid);
			fclose(f);
		}
	}
	if (send(pair[0], "", 1, MSG_NOSIGNAL) != 1)
		return FAILED;
	int status = serve(&b, &l, pid, fifo, answers);
	oc_broker_stop(&b);
	return status;
}
