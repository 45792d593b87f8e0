/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - decision records to the descriptor that the monitor gave: one write for each, never waited
 * for.
 *
 * The descriptor is a pipe, a regular file or a message socket.  A line is shorter than PIPE_BUF,
 * so a pipe takes all of it or nothing.  What is over the rate, or not taken, is counted and told
 * in the next record.
 */
#include <time.h>
#include <unistd.h>

#include "netns/broker/internal.h"

#define ONE 1000000u

static bool take_token(struct oc_eglog *l, uint64_t now)
{
	uint64_t most = l->per_second * 5 * ONE; /* a burst of five seconds */
	uint64_t passed = now - l->refilled;

	l->refilled = now;
	if (passed > 5 * ONE)
		passed = 5 * ONE;
	l->tokens += passed * l->per_second;
	if (l->tokens > most)
		l->tokens = most;
	if (l->tokens < ONE)
		return false;
	l->tokens -= ONE;
	return true;
}

void oc_eglog_write(struct oc_eg *g, struct oc_record *r)
{
	struct oc_eglog *l = &g->log;
	struct timespec ts;

	g->stats.by_reason[r->reason]++;
	if (l->fd < 0)
		return;
	if (!take_token(l, g->now)) {
		l->dropped++;
		l->dropped_unsaid++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	r->time_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	r->dropped = l->dropped_unsaid;
	l->line.len = 0;
	if (l->broken)
		oc_buf_puts(&l->line, "\n");
	oc_record_write(&l->line, r);
	ssize_t n = write(l->fd, l->line.data, l->line.len);
	if (n != (ssize_t)l->line.len) {
		l->broken = l->broken || n > 0;
		l->dropped++;
		l->dropped_unsaid++;
		return;
	}
	l->broken = false;
	l->written++;
	l->dropped_unsaid = 0;
}
