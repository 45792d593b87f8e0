/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_net_control - any bytes as a message: to the broker (the first one, with and without descriptors; a later one),
 * to the door of a sandbox.  Each must be answered with one JSON object, or with the end.
 *
 * In a network namespace without any interface: "test" asks name servers that the message names.  And in a user
 * namespace, where root is nobody: the run directory of root has a fixed place.
 *
 * fuzz-sources: netns/broker/ask.c netns/broker/budget.c netns/broker/conn.c netns/broker/control.c
 * netns/broker/dial.c netns/broker/end.c netns/broker/log.c netns/broker/loop.c netns/broker/names.c netns/broker/relay.c
 * netns/broker/resolve.c runtime/launch/control.c runtime/launch/control_serve.c runtime/launch/rundir.c
 *
 * fuzz-libraries: -lcares
 */
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/internal.h"
#include "runtime/launch/control.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oc_eg *g;
static struct oc_control door;
static char top[] = "/tmp/oc-fuzz-control-XXXXXX";

static void clean(void)
{
	char path[64];

	oc_control_close(&door);
	snprintf(path, sizeof path, "%s/oc-sandbox", top);
	rmdir(path);
	rmdir(top);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char *none[] = {NULL};
	static struct oc_arena a;
	const struct oc_plan_options opt = {.no_config = true, .argv = none};
	static struct oc_plan plan;
	struct oc_err err = {0};

	(void)argc;
	(void)argv;
	FUZZ_CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && geteuid() != 0);
	FUZZ_CHECK(mkdtemp(top));
	setenv("XDG_RUNTIME_DIR", top, 1);
	setenv("HOME", top, 1);
	oc_control_init(&door);
	if (oc_plan_build(&plan, &a, &opt, &err) < 0 || oc_control_open(&door, &plan, &err) < 0) {
		oc_err_print(&err, "fuzz", 2);
		abort();
	}
	atexit(clean);
	g = calloc(1, sizeof *g);
	FUZZ_CHECK(g);
	oc_list_init(&g->conns);
	g->control.fd = g->log.fd = -1;
	g->synth = oc_synth_new();
	g->jail.fds = 1024;
	FUZZ_CHECK(oc_loop_init(&g->loop, &err) == 0 && oc_budget_init(&g->budgets, &err) == 0 &&
		   oc_resolver_open(g, &err) == 0);
	return 0;
}

/* The answer that waits at fd, which must be JSON with "op" and "ok"; false: there is none. */
static bool answered(int fd, bool *ok)
{
	static char buf[OC_CONTROL_ANSWER_MAX];
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err = {0};
	ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	FUZZ_CHECK(oc_json_parse(&a, buf, (size_t)n, "answer", &v, &err) == 0);
	const struct oc_json *o = oc_json_get(v, "ok"), *op = oc_json_get(v, "op");
	FUZZ_CHECK(o && o->type == OC_JSON_BOOL && op && op->type == OC_JSON_STRING);
	*ok = o->boolean;
	FUZZ_CHECK(*ok || oc_json_get(v, "error"));
	return true;
}

static void send_with(int sock, const uint8_t *data, size_t size, size_t nfds)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[8], pair[2];

	for (size_t i = 0; i < nfds; i += 2) {
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
		fds[i] = pair[0];
		fds[i + 1] = pair[1];
	}
	if (nfds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(nfds * sizeof(int)),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
	}
	FUZZ_CHECK(sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)size);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
}

/* Those that came along with a message that failed: the process would end now. */
static void close_datagrams(void)
{
	for (int fd = 3; fd < 256; fd++) {
		int type = 0;
		socklen_t len = sizeof type;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_DGRAM)
			continue;
		len = sizeof type;
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &len) == 0 && type == AF_UNIX)
			close(fd);
	}
}

static void to_broker(const uint8_t *data, size_t size, size_t nfds, bool first)
{
	struct oc_err err = {0};
	int pair[2];
	bool ok = false;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	send_with(pair[0], data, size, nfds);
	if (first) {
		int r = oc_control_start(g, pair[1], &err);
		bool any = answered(pair[0], &ok);
		/* "test" may still wait for a name server. */
		FUZZ_CHECK(r < 0 ? any && !ok : r == 0 ? !any : !any || ok);
	} else {
		g->control = (struct oc_event){.fd = -1, .fn = oc_control_event};
		FUZZ_CHECK(oc_loop_add(g, &g->control, pair[1], EPOLLIN) == 0);
		oc_control_event(g, &g->control, EPOLLIN);
		FUZZ_CHECK(answered(pair[0], &ok) || g->control.fd < 0);
	}
	for (int i = 0; i < 2; i++) {
		oc_loop_close(&g->listener[i]);
		oc_loop_close(&g->dns[i]);
	}
	oc_closep(&g->log.fd);
	g->log.fd = -1;
	if (g->control.fd >= 0)
		oc_loop_close(&g->control);
	close(pair[0]);
	oc_egress_rules_free(&g->rules);
	g->rules = (struct oc_egress_rules){0};
	if (nfds)
		close_datagrams();
}

static int echo(void *ctx, const char *op, const struct oc_json *request, struct oc_json_writer *w, struct oc_err *err)
{
	(void)ctx;
	if (op[0] == '!')
		return oc_fail(err, 0, "no %s", op);
	oc_jw_key(w, "request");
	oc_jw_value(w, request);
	return 0;
}

static void to_door(const uint8_t *data, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct pollfd p[OC_CONTROL_POLL];
	bool ok;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control", door.dir_fd);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0);
	FUZZ_CHECK(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	for (int turn = 0; turn < 2; turn++) {
		oc_control_poll(&door, p);
		FUZZ_CHECK(poll(p, OC_CONTROL_POLL, 0) > 0);
		oc_control_run(&door, p, echo, NULL);
	}
	FUZZ_CHECK(answered(fd, &ok));
	close(fd);
	oc_control_poll(&door, p);
	poll(p, OC_CONTROL_POLL, 0);
	oc_control_run(&door, p, echo, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > OC_CONTROL_MESSAGE_MAX)
		return 0;
	switch (data[0] % 4) {
	case 0:
		to_broker(data + 1, size - 1, 0, true);
		break;
	case 1:
		to_broker(data + 1, size - 1, 2 + data[0] / 4 % 4 * 2, true);
		break;
	case 2:
		to_broker(data + 1, size - 1, 0, false);
		break;
	default:
		to_door(data + 1, size - 1);
	}
	return 0;
}
