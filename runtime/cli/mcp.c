/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp - `oc-sandbox mcp`: options and the loop; see mcp.h.
 *
 * One loop over standard input, standard output, the sandbox and the output of the calls that run.
 * On standard output there is the protocol and nothing else.
 */
#include "runtime/cli/mcp.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/mcp_calls.h"
#include "runtime/launch/helper.h"

#define LIMIT_MS (1800 * UINT64_C(1000)) /* tools.exec.timeoutSeconds */
/* After the end of input calls that run may still be answered; clients kill who takes two seconds.
 */
#define GRACE_MS 1500
#define PENDING_MAX                                                                                \
	(32u << 20)  /* answers that nobody reads: no further requests are taken meanwhile */
#define PIECE	4096 /* POLLOUT says that so much can be written (PIPE_BUF) */
#define COMPACT (256u << 10)

enum { IN, OUT, SANDBOX, SIGNALS, FIXED };

struct loop {
	struct oc_mcp_server s;
	size_t sent; /* of what is in s.rpc.out */
	int signal_fd;
	bool input_over, done;
	int64_t end_ms; /* when input_over */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void read_input(struct loop *l)
{
	char chunk[1u << 16];
	ssize_t n = read(0, chunk, sizeof chunk);

	if (n > 0) {
		oc_mcp_feed(&l->s.rpc, chunk, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		/* A last line that nobody ended. */
		oc_mcp_feed(&l->s.rpc, "\n", 1);
		l->input_over = true;
		l->end_ms = now_ms() + GRACE_MS;
	}
}

/* The descriptor is shared with who knows whom: it stays blocking, and takes what it has room for.
 */
static void write_output(struct loop *l)
{
	struct oc_buf *out = &l->s.rpc.out;
	const char *data = out->data + l->sent;
	size_t len = out->len - l->sent;
	ssize_t n = send(1, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(1, data, len < PIECE ? len : PIECE);
	if (n < 0) {
		l->done = errno != EINTR && errno != EAGAIN;
		return;
	}
	l->sent += (size_t)n;
	if (l->sent == out->len) {
		oc_buf_free(out);
		l->sent = 0;
	} else if (l->sent > COMPACT && l->sent > out->len / 2) {
		out->len -= l->sent;
		memmove(out->data, out->data + l->sent, out->len);
		l->sent = 0;
	}
}

static void turn(struct loop *l)
{
	struct pollfd p[FIXED + OC_MCP_CALLS_MAX * 2] = {
		[IN] = {.fd = l->input_over || l->s.rpc.out.len > PENDING_MAX ? -1 : 0,
			.events = POLLIN},
		[OUT] = {.fd = 1, .events = l->s.rpc.out.len ? POLLOUT : 0},
		[SANDBOX] = {.fd = l->s.sandbox ? ocs_fd(l->s.sandbox) : -1, .events = POLLIN},
		[SIGNALS] = {.fd = l->signal_fd, .events = POLLIN},
	};
	size_t calls = oc_mcp_calls_poll(&l->s, p + FIXED, OC_MCP_CALLS_MAX * 2);
	int64_t left = l->input_over ? l->end_ms - now_ms() : -1;

	if (poll(p, (nfds_t)(FIXED + calls), l->input_over ? (int)(left > 0 ? left : 0) : -1) < 0) {
		l->done = errno != EINTR;
		return;
	}
	/* Output first: the end of a call takes what is left of it. */
	oc_mcp_calls_read(&l->s, p + FIXED, calls);
	if (p[SANDBOX].revents)
		oc_mcp_calls_events(&l->s);
	if (p[IN].revents)
		read_input(l);
	if (p[OUT].revents & POLLOUT)
		write_output(l);
	else if (p[OUT].revents & (POLLERR | POLLHUP | POLLNVAL))
		l->done = true; /* nobody reads any more */
	if (p[SIGNALS].revents)
		l->done = true;
	if (l->input_over && ((!l->s.rpc.jobs && !l->s.rpc.out.len) || now_ms() >= l->end_ms))
		l->done = true;
}

static int serve(struct loop *l, struct oc_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return oc_fail(err, errno, "sigprocmask");
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0)
		return oc_fail(err, errno, "signalfd");
	while (!l->done)
		turn(l);
	close(l->signal_fd);
	oc_mcp_calls_end(&l->s);
	oc_mcp_close(&l->s.rpc);
	return 0;
}

static void usage(void)
{
	puts("usage: oc-sandbox mcp [OPTION...]\n\n"
	     "Speaks the Model Context Protocol on standard input and output: exec, read, write "
	     "and edit\n"
	     "in a sandbox that is kept.  See oc-sandbox-mcp(1).\n");
	oc_cli_print_options(OC_CLI_MCP);
}

/* The options as they were given, for whoever makes the sandbox. */
static const char *const *words(struct oc_arena *a, char **argv, char *const *end)
{
	size_t n = (size_t)(end - argv);

	if (n && strcmp(argv[n - 1], "--") == 0)
		n--;
	const char **w = oc_arena_array(a, n + 1, sizeof *w);
	for (size_t i = 0; i < n; i++)
		w[i] = argv[i];
	return w;
}

int oc_cmd_mcp(int argc, char **argv)
{
	static const struct oc_mcp_ops ops = {oc_mcp_call_begin, oc_mcp_call_cancel};
	oc_auto_arena a = {0};
	oc_auto_buf facts = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_err err = {0};
	struct loop l = {.signal_fd = -1};

	if (oc_cli_parse(argc, argv, OC_CLI_MCP, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		usage();
		return 0;
	}
	if (opt.argv[0]) {
		oc_fail(&err, 0, "mcp takes no command: \"%s\"", opt.argv[0]);
		oc_err_hint(&err, "the client on standard input says what to run");
		return oc_cli_fail(&err);
	}
	/* Now, and not at the first call: what is wrong with the options is a matter for who
	 * started us. */
	if (oc_plan_build(&plan, &a, &opt, &err) < 0)
		return oc_cli_fail(&err);
	for (const char *const *w = extra.quiet ? NULL : plan.warnings; w && *w; w++)
		dprintf(2, "oc-sandbox: %s\n", *w);
	l.s.limit_ms = plan.timeout_ms ? plan.timeout_ms : LIMIT_MS;
	l.s.workdir = plan.workdir;
	l.s.lasting = plan.scope_key != NULL;
	l.s.options = words(&a, argv + 1, opt.argv);
	oc_mcp_facts(&plan, l.s.limit_ms, &facts);
	oc_plan_close(&plan);
	oc_auto_close program = oc_helper_load("oc-fileop", &err);
	if (program < 0)
		return oc_cli_fail(&err);
	l.s.fileop = program;
	l.s.rpc.ops = &ops;
	l.s.rpc.ctx = &l.s;
	l.s.rpc.instructions = facts.data;
	return serve(&l, &err) < 0 ? oc_cli_fail(&err) : 0;
}
