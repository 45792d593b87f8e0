/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oc-egress - the egress broker of one sandbox.  Started by the monitor, see broker.h; nobody calls
 * it by hand.
 *
 * It reads the host's resolver configuration, jails itself, and only then reads its first message.
 * Everything that it does to the world afterwards is: ask the name servers for allowed names,
 * connect to allowed addresses, write records.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define PROGRAM "oc-egress"
#define FAILED	125

static int prepare(struct oc_eg *g, struct oc_err *err)
{
	oc_list_init(&g->conns);
	g->control.fd = g->log.fd = -1;
	g->pause.fn = oc_conn_listen_again;
	g->synth = oc_synth_new();
	if (!g->synth)
		oc_oom();
	if (oc_loop_init(&g->loop, err) < 0 || oc_budget_init(&g->budgets, err) < 0)
		return -1;
	return oc_resolver_open(g, err);
}

/* The control socket is not served yet: an error before the first message is told in its place. */
static void tell(const struct oc_err *err)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, "start");
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, false);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err->msg);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, err->hint);
	oc_jw_object_end(&w);
	(void)send(OC_BROKER_CONTROL_FD, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int main(int argc, char **argv)
{
	struct oc_err err = {0};
	int type = 0;
	socklen_t len = sizeof type;

	(void)argv;
	if (argc > 1 || getsockopt(OC_BROKER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET) {
		fprintf(stderr,
			"%s is started by oc-sandbox; it has no options and cannot be run by "
			"hand\n",
			PROGRAM);
		return 2;
	}
	struct oc_eg *g = calloc(1, sizeof *g);
	if (!g)
		oc_oom();
	signal(SIGPIPE, SIG_IGN);
	/* The group's interrupt is for the payload and the monitor, whose end ends us. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (syscall(SYS_close_range, OC_BROKER_CONTROL_FD + 1, ~0u, 0) < 0 ||
	    prepare(g, &err) < 0 || oc_jail_enter(&g->jail, &err) < 0) {
		tell(&err);
		_exit(FAILED);
	}
	int r = oc_control_start(g, OC_BROKER_CONTROL_FD, &err);
	if (r > 0)
		oc_loop_run(g);
	/* The kernel closes every socket; there is nothing else to put back. */
	_exit(r < 0 ? FAILED : 0);
}
