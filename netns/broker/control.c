/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - the messages of broker.h, on the side of the broker.
 *
 * The monitor is trusted; still a message that is not understood changes nothing.  Everything is
 * read into a new rule set first, which then takes the place of the old one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/internal.h"

#define FDS_MAX 8

static const struct {
	const char *name;
} fd_names[] = {{"log"}, {"tcp4"}, {"dns4"}, {"tcp6"}, {"dns6"}};
enum { FD_LOG, FD_TCP4, FD_DNS4, FD_TCP6, FD_DNS6, FD_COUNT };

/* Bytes, 0 at the end, -1 with errno.  More than room, or a cut one, is EMSGSIZE. */
static ssize_t receive(int sock, char *buf, size_t room, int fds[FDS_MAX], size_t *nfds)
{
	struct iovec iov = {.iov_base = buf, .iov_len = room};
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof control.bytes};
	ssize_t n;

	*nfds = 0;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			*nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
		}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < *nfds; i++)
			close(fds[i]);
		*nfds = 0;
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}

void oc_control_send(struct oc_eg *g, const struct oc_buf *b)
{
	/* The monitor waits for each answer, so there is room; if it does not, it has lost one. */
	(void)send(g->control.fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void oc_control_answer(struct oc_json_writer *w, struct oc_buf *b, const char *op, bool ok)
{
	oc_jw_init(w, b, 0);
	oc_jw_object(w);
	oc_jw_key(w, "op");
	oc_jw_string(w, op);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, ok);
}

static void answer_error(struct oc_eg *g, const char *op, const struct oc_err *err)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_control_answer(&w, &b, op, false);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err->msg);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, err->hint);
	oc_jw_object_end(&w);
	oc_control_send(g, &b);
}

/* --- reading --- */

static int read_list(struct oc_arena *a, const struct oc_json *list, struct oc_egress_rules *set,
		     unsigned flags, bool classes, struct oc_err *err)
{
	if (!list)
		return 0;
	if (list->type != OC_JSON_ARRAY)
		return oc_json_fail(a, list, err, "must be an array");
	for (const struct oc_json *e = list->child; e; e = e->next) {
		if (e->type != OC_JSON_STRING)
			return oc_json_fail(a, e, err, "must be a string");
		int r = classes ? oc_egress_class_add(&set->allow_classes, e->string, err)
				: oc_egress_rules_add(set, e->string, strlen(e->string), flags,
						      NULL, err);
		if (r < 0)
			return oc_err_context(err, "%s", oc_json_path(a, e));
	}
	return 0;
}

static int read_rules(struct oc_arena *a, const struct oc_json *m, struct oc_egress_rules *set,
		      struct oc_err *err)
{
	const struct oc_json *mode = oc_json_get(m, "mode");
	int n = mode && mode->type == OC_JSON_STRING ? oc_egress_mode_parse(mode->string) : -1;

	if (n < 0)
		return oc_json_fail(a, mode ? mode : m, err, "there is no mode");
	set->mode = (enum oc_egress_mode)n;
	if (read_list(a, oc_json_get(m, "allow"), set, 0, false, err) < 0 ||
	    read_list(a, oc_json_get(m, "deny"), set, OC_EGRESS_RULE_DENY, false, err) < 0)
		return -1;
	return read_list(a, oc_json_get(m, "allowPrivate"), set, 0, true, err);
}

static int read_number(struct oc_arena *a, const struct oc_json *object, const char *key,
		       uint64_t max, uint64_t usual, uint64_t *out, struct oc_err *err)
{
	const struct oc_json *v = oc_json_get(object, key);
	int64_t n = 0;

	if (v && oc_json_int(a, v, 0, (int64_t)max, &n, err) < 0)
		return -1;
	*out = n ? (uint64_t)n : usual;
	return 0;
}

static int read_budget(struct oc_arena *a, const struct oc_json *o, struct oc_broker_budget *b,
		       struct oc_err *err)
{
	const uint64_t max = 1ull << 52;

	if (read_number(a, o, "uploadBytes", max, 0, &b->upload_bytes, err) < 0 ||
	    read_number(a, o, "connections", max, 0, &b->connections, err) < 0)
		return -1;
	return read_number(a, o, "names", 1 << 16, 0, &b->names, err);
}

static int read_limits(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m,
		       struct oc_err *err)
{
	const struct oc_json *l = oc_json_get(m, "limits"), *b = oc_json_get(m, "budgets");
	const uint64_t day = 86400000;
	uint64_t connect_ms, first_ms, idle_ms;

	if (read_number(a, l, "connections", 8000, 2048, &g->max_connections, err) < 0 ||
	    read_number(a, l, "connectMs", day, 10000, &connect_ms, err) < 0 ||
	    read_number(a, l, "firstBytesMs", day, 15000, &first_ms, err) < 0 ||
	    read_number(a, l, "idleMs", 30 * day, 900000, &idle_ms, err) < 0 ||
	    read_number(a, l, "recordsPerSecond", 1000000, 200, &g->log.per_second, err) < 0 ||
	    read_budget(a, b, &g->budgets.sandbox, err) < 0 ||
	    read_budget(a, oc_json_get(b, "rule"), &g->budgets.rule, err) < 0)
		return -1;
	g->connect_us = connect_ms * 1000;
	g->first_bytes_us = first_ms * 1000;
	g->idle_us = idle_ms * 1000;
	/* Two for each connection, the attempts of some that are being made, the pipes, and ours.
	 */
	uint64_t reserve = 2 * OC_PIPES_MAX + OC_DNS_TCP_MAX + 128;
	uint64_t most = g->jail.fds > reserve + 64 ? (g->jail.fds - reserve) / 2 : 32;
	if (g->max_connections > most)
		g->max_connections = most;
	return 0;
}

/* --- start --- */

static int name_fds(struct oc_arena *a, const struct oc_json *m, const int fds[], size_t n,
		    int out[FD_COUNT], struct oc_err *err)
{
	const struct oc_json *list = oc_json_get(m, "fds");
	size_t i = 0;

	for (int k = 0; k < FD_COUNT; k++)
		out[k] = -1;
	for (const struct oc_json *e = list ? list->child : NULL; e; e = e->next, i++) {
		int k = 0;
		while (k < FD_COUNT &&
		       (e->type != OC_JSON_STRING || strcmp(fd_names[k].name, e->string) != 0))
			k++;
		if (k == FD_COUNT || i >= n || out[k] >= 0)
			return oc_json_fail(a, e, err, "names no descriptor that came along");
		out[k] = fds[i];
	}
	if (i != n || out[FD_TCP4] < 0 || out[FD_DNS4] < 0)
		return oc_fail(err, 0,
			       "%zu descriptors came along, %zu are named, tcp4 and dns4 must be",
			       n, i);
	return 0;
}

static int serve(struct oc_eg *g, struct oc_event *e, int fd,
		 void (*fn)(struct oc_eg *, struct oc_event *, uint32_t), struct oc_err *err)
{
	*e = (struct oc_event){.fd = -1, .fn = fn};
	if (fd < 0)
		return 0;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    oc_loop_add(g, e, fd, EPOLLIN) < 0)
		return oc_fail(err, errno, "cannot watch a socket");
	return 0;
}

/*
 * For the connections that are accepted on it, which inherit them.  Their way is loopback: what the
 * kernel would put under way there for itself (megabytes) has left the caches before it is read,
 * and counts to the memory of the whole machine.  For what they send there is more room: reading it
 * in few large pieces costs less.  If the host allows that much (net.core.rmem_max), else the
 * kernel's own choice is the better one.
 */
static void listener_options(int fd)
{
	const int one = 1, from = 1 << 20, to = 128 << 10; /* the kernel doubles them */
	const int only_to = SOCK_SNDBUF_LOCK;
	int got = 0;
	socklen_t len = sizeof got;

	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &to, sizeof to);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &from, sizeof from);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got < from)
		(void)setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &only_to, sizeof only_to);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* What "start" and "test" have in common. */
static int configure(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m,
		     struct oc_err *err)
{
	const struct oc_json *resolvers = oc_json_get(m, "resolvers");
	uint64_t version;

	if (read_number(a, m, "version", 1000, 0, &version, err) < 0)
		return -1;
	if (version != OC_BROKER_VERSION)
		return oc_fail(err, 0, "the monitor speaks version %llu, this is %d",
			       (unsigned long long)version, OC_BROKER_VERSION);
	if (read_rules(a, m, &g->rules, err) < 0 || read_limits(g, a, m, err) < 0)
		return -1;
	return resolvers ? oc_resolver_servers(g->resolver, resolvers, a, err) : 0;
}

static int start(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m, const int fds[],
		 size_t nfds, struct oc_err *err)
{
	int fd[FD_COUNT];

	if (configure(g, a, m, err) < 0 || name_fds(a, m, fds, nfds, fd, err) < 0)
		return -1;
	g->log.fd = fd[FD_LOG];
	int flags = g->log.fd >= 0 ? fcntl(g->log.fd, F_GETFL) : 0;
	if (flags < 0 || (g->log.fd >= 0 && fcntl(g->log.fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return oc_fail(err, errno, "cannot use the log descriptor");
	listener_options(fd[FD_TCP4]);
	listener_options(fd[FD_TCP6]);
	if (serve(g, &g->listener[0], fd[FD_TCP4], oc_conn_listener, err) < 0 ||
	    serve(g, &g->listener[1], fd[FD_TCP6], oc_conn_listener, err) < 0 ||
	    serve(g, &g->dns[0], fd[FD_DNS4], oc_names_udp, err) < 0 ||
	    serve(g, &g->dns[1], fd[FD_DNS6], oc_names_udp, err) < 0)
		return -1;
	return 0;
}

static const char *op_of(const struct oc_json *m)
{
	const struct oc_json *op = oc_json_get(m, "op");

	return op && op->type == OC_JSON_STRING ? op->string : "";
}

static void answer_start(struct oc_eg *g)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_control_answer(&w, &b, "start", true);
	oc_jw_key(&w, "connections");
	oc_jw_uint(&w, g->max_connections);
	oc_jw_key(&w, "user");
	oc_jw_bool(&w, g->jail.user);
	oc_jw_key(&w, "mount");
	oc_jw_bool(&w, g->jail.mount);
	oc_jw_key(&w, "landlock");
	oc_jw_int(&w, g->jail.landlock);
	oc_jw_object_end(&w);
	oc_control_send(g, &b);
}

int oc_control_start(struct oc_eg *g, int sock, struct oc_err *err)
{
	oc_auto_arena a = {0};
	char *buf = malloc(OC_BROKER_MESSAGE_MAX);
	struct oc_json *m = NULL;
	int fds[FDS_MAX];
	size_t nfds = 0;

	if (!buf)
		oc_oom();
	ssize_t n = receive(sock, buf, OC_BROKER_MESSAGE_MAX, fds, &nfds);
	if (n == 0) {
		free(buf);
		return 0;
	}
	int r = n < 0 ? oc_fail(err, errno, "cannot read the first message")
		      : oc_json_parse(&a, buf, (size_t)n, "message", &m, err);
	free(buf);
	bool test = strcmp(op_of(m), "test") == 0;
	if (r == 0 && !test && strcmp(op_of(m), "start") != 0)
		r = oc_fail(err, 0, "the first message must be \"start\" or \"test\"");
	if (r == 0)
		r = serve(g, &g->control, sock, test ? oc_ask_event : oc_control_event, err);
	if (r == 0 && test)
		r = configure(g, &a, m, err) < 0 ? -1 : oc_ask(g, &a, m, err);
	else if (r == 0)
		r = start(g, &a, m, fds, nfds, err);
	if (r < 0) {
		g->control.fd = sock;
		answer_error(g, test ? "test" : "start", err);
		return -1;
	}
	if (!test)
		answer_start(g);
	return 1;
}

/* --- later --- */

static int replace_rules(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m,
			 struct oc_err *err)
{
	struct oc_egress_rules next = {0};

	if (read_rules(a, m, &next, err) < 0) {
		oc_egress_rules_free(&next);
		return -1;
	}
	struct oc_egress_rules old = g->rules;
	g->rules = next;
	uint64_t closed = oc_conn_recheck(g);
	oc_egress_rules_free(&old);

	oc_auto_buf b = {0};
	struct oc_json_writer w;
	oc_control_answer(&w, &b, "rules", true);
	oc_jw_key(&w, "closed");
	oc_jw_uint(&w, closed);
	oc_jw_object_end(&w);
	oc_control_send(g, &b);
	return 0;
}

void oc_control_stats(struct oc_eg *g, const char *op)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{"open", g->conn_count},
		{"accepted", g->stats.accepted},
		{"allowed", g->stats.allowed},
		{"refused", g->stats.refused},
		{"queries", g->stats.queries},
		{"answered", g->stats.answered},
		{"resolved", oc_resolver_queries(g->resolver)},
		{"names", oc_synth_count(g->synth)},
		{"sentBytes", g->stats.sent},
		{"receivedBytes", g->stats.received},
		{"firstBytesHeld", g->first_bytes},
		{"pipes", g->pipes_open},
		{"records", g->log.written},
		{"recordsDropped", g->log.dropped},
	};
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_control_answer(&w, &b, op, true);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		oc_jw_key(&w, rows[i].key);
		oc_jw_uint(&w, rows[i].value);
	}
	oc_jw_key(&w, "reasons");
	oc_jw_object(&w);
	for (unsigned i = 0; i < OC_EGRESS_REASONS; i++)
		if (g->stats.by_reason[i]) {
			oc_jw_key(&w, oc_egress_reason_id((enum oc_egress_reason)i));
			oc_jw_uint(&w, g->stats.by_reason[i]);
		}
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	oc_control_send(g, &b);
}

void oc_control_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	oc_auto_arena a = {0};
	struct oc_err err = {0};
	struct oc_json *m = NULL;
	int fds[FDS_MAX];
	size_t nfds;
	char *buf = malloc(OC_BROKER_MESSAGE_MAX);

	(void)events;
	if (!buf)
		oc_oom();
	ssize_t n = receive(e->fd, buf, OC_BROKER_MESSAGE_MAX, fds, &nfds);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EMSGSIZE)) {
		/* The monitor is gone: so are we. */
		oc_loop_close(e);
		free(buf);
		return;
	}
	int r = 0;
	if (n < 0 && errno == EMSGSIZE)
		r = oc_fail(&err, 0, "the message is longer than %u bytes", OC_BROKER_MESSAGE_MAX);
	else if (n > 0)
		r = oc_json_parse(&a, buf, (size_t)n, "message", &m, &err);
	free(buf);
	const char *op = m ? op_of(m) : "";
	if (r == 0 && m) {
		if (strcmp(op, "rules") == 0)
			r = replace_rules(g, &a, m, &err);
		else if (strcmp(op, "stats") == 0)
			oc_control_stats(g, op);
		else if (strcmp(op, "end") == 0)
			oc_end(g);
		else
			r = oc_fail(&err, 0, "unknown operation");
	}
	if (r < 0)
		answer_error(g, op, &err);
}
