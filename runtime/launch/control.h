/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - the door of a live sandbox for other commands of the same user: `oc-sandbox net log |
 * allow | deny`.
 *
 * A directory of its own in the run directory (rundir.h), named by the sandbox's id:
 *
 *   control       SOCK_SEQPACKET: one message is one JSON object of at most OC_CONTROL_MESSAGE_MAX
 *                 bytes, one answer to each, of at most OC_CONTROL_ANSWER_MAX
 *   egress.jsonl  the decision records (netns/policy/record.h); when it has grown large it becomes
 *                 egress.jsonl.1, and a new one takes its place
 *   info.json     {"version":1,"id":ID,"pid":N,"startTime":TICKS,"agent":..,"scopeKey":..,
 *                 "created":TIME}
 *
 * Requests: {"op":"info"} (answered here: "planHash"); of the handler: {"op":"net.rules"},
 * {"op":"net.stats"},
 * {"op":"net.change","list":"allow"|"deny","remove":BOOL,"rules":[RULE...]}.
 * Answers: {"op":OP,"ok":true,...} or {"op":OP,"ok":false,"error":TEXT,"hint":TEXT}.  What is not a
 * request is answered, too, and then the client is closed.
 *
 * The peer must be our own uid or root (SO_PEERCRED), whatever the modes say, and not in a pid
 * namespace below ours: an ordinary user's payload has that user's uid.  Nothing of this directory
 * is ever visible inside.  The monitor serves it from its poll loop: it must never block on a
 * client.
 */
#ifndef OC_RUNTIME_LAUNCH_CONTROL_H
#define OC_RUNTIME_LAUNCH_CONTROL_H

#include <poll.h>

#include "base/json.h"
#include "runtime/launch/rundir.h"
#include "runtime/plan/plan.h"

#define OC_CONTROL_MESSAGE_MAX (64u << 10)
#define OC_CONTROL_ANSWER_MAX  (256u << 10)
#define OC_CONTROL_CLIENTS     4
#define OC_CONTROL_POLL	       (1 + OC_CONTROL_CLIENTS)

struct oc_control {
	char id[OC_RUNDIR_ID_LEN + 1];
	const struct oc_plan *plan;
	int run_fd; /* the run directory */
	int dir_fd; /* ours in it, locked; or -1: not open */
	int listen_fd;
	int client[OC_CONTROL_CLIENTS];
	unsigned oldest; /* the client that has to go when one more comes */
};

/* Append the members of the answer to w (its object is open, "op" and "ok" are written by the
 * caller), or fail. */
typedef int (*oc_control_handler)(void *ctx, const char *op, const struct oc_json *request,
				  struct oc_json_writer *w, struct oc_err *err);

void oc_control_init(struct oc_control *c);
/* Make the directory, the socket and info.json.  On failure nothing is left. */
int oc_control_open(struct oc_control *c, const struct oc_plan *plan, struct oc_err *err);
/* Create egress.jsonl, which must not be there, for appending; the descriptor is the caller's. */
int oc_control_log(const struct oc_control *c, struct oc_err *err);
void oc_control_poll(const struct oc_control *c, struct pollfd p[OC_CONTROL_POLL]);
void oc_control_run(struct oc_control *c, const struct pollfd p[OC_CONTROL_POLL],
		    oc_control_handler handler, void *ctx);
/* Remove all of it.  System calls only: also the janitor of a killed monitor calls it.  Does
 * nothing to one that is not open. */
void oc_control_close(struct oc_control *c);

#endif
