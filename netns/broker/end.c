/* SPDX-License-Identifier: Apache-2.0 */
/*
 * end - the last message: every process of the sandbox is dead.
 *
 * Nothing new is taken.  What a command sent before it ended still goes out, as it would from a
 * host without us: a connection is closed when its client's bytes, and then the end of them, have
 * gone to the peer.  One second is all there is for that.
 */
#include <unistd.h>

#include "netns/broker/internal.h"

#define LAST_US	 1000000u
#define AGAIN_US 1000u

static bool all_sent(const struct oc_conn *c)
{
	return c->relaying && c->flow[0].shut;
}

/* Close what is done, or all of it; then say the last word and end. */
static void look(struct oc_eg *g)
{
	bool late = g->now >= g->end_by;

	for (struct oc_list *p = g->conns.next, *next; p != &g->conns; p = next) {
		struct oc_conn *c = OC_CONTAINER(p, struct oc_conn, all);
		next = p->next;
		if (late || all_sent(c))
			oc_conn_close(g, c, OC_EGRESS_ALLOWED, "the sandbox ended");
	}
	if (g->conn_count == 0 || oc_timer_set(g, &g->end, AGAIN_US) < 0) {
		oc_control_stats(g, "end");
		_exit(0);
	}
}

static void again(struct oc_eg *g, struct oc_timer *t)
{
	(void)t;
	look(g);
}

void oc_end(struct oc_eg *g)
{
	if (g->end.fn)
		return;
	for (int i = 0; i < 2; i++) {
		/* Those that the kernel has accepted already. */
		if (g->listener[i].fd >= 0)
			oc_conn_listener(g, &g->listener[i], 0);
		oc_loop_close(&g->listener[i]);
		oc_loop_close(&g->dns[i]);
	}
	oc_timer_clear(g, &g->pause);
	g->end.fn = again;
	g->end_by = g->now + LAST_US;
	look(g);
}
