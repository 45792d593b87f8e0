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
 *                 "created":TIME}; of a sandbox that is kept version 2, with what it is
 *
 * Requests: {"op":"info"} (answered here: "planHash"); of the handler: {"op":"net.rules"},
 * {"op":"net.stats"},
 * {"op":"net.change","list":"allow"|"deny","remove":BOOL,"rules":[RULE...]}.
 * Answers: {"op":OP,"ok":true,...} or {"op":OP,"ok":false,"error":TEXT,"hint":TEXT}.  What is not a
 * request is answered, too, and then the client is closed.
 *
 * That of a sandbox that is kept (oc_control_keep) serves more clients, all operations are its
 * service's, messages may come and go with descriptors, and some are not JSON: see
 * runtime/session/wire.h.
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

#define OC_CONTROL_MESSAGE_MAX	(64u << 10)
#define OC_CONTROL_ANSWER_MAX	(256u << 10)
#define OC_CONTROL_CLIENTS	4
#define OC_CONTROL_POLL		(1 + OC_CONTROL_CLIENTS)
#define OC_CONTROL_KEPT_CLIENTS 128 /* of a sandbox that is kept */
#define OC_CONTROL_FDS		5   /* most that come with a message, or go with one */
/* What may wait for one client; beyond it he is dropped. */
#define OC_CONTROL_QUEUE_BYTES	  (1u << 20)
#define OC_CONTROL_QUEUE_MESSAGES 256

struct oc_control_waiting; /* a message that there was no room for */
struct oc_control_service;
struct oc_control_client {
	int fd; /* -1: free */
	unsigned queued;
	size_t queued_bytes;
	struct oc_control_waiting *first, *last;
};

struct oc_control {
	char id[OC_RUNDIR_ID_LEN + 1];
	const struct oc_plan *plan;
	int run_fd; /* the run directory */
	int dir_fd; /* ours in it, locked; or -1: not open */
	int listen_fd;
	const struct oc_control_service *service; /* of one that is kept, else NULL */
	struct oc_control_client few[OC_CONTROL_CLIENTS], *client;
	unsigned room, count; /* of client; used so far */
	bool deaf;	      /* no descriptor was left for one more: not asked for one turn */
	unsigned oldest;      /* the client that has to go when one more comes; kept: none has to */
	char *buf;	      /* OC_CONTROL_MESSAGE_MAX and a NUL; kept: stays */
};

/* Append the members of the answer to w (its object is open, "op" and "ok" are written by the
 * caller), or fail. */
typedef int (*oc_control_handler)(void *ctx, const char *op, const struct oc_json *request,
				  struct oc_json_writer *w, struct oc_err *err);

/* Of a sandbox that is kept.  None of these may open or close the door. */
struct oc_control_service {
	void *ctx;
	/* As oc_control_handler; fds (all -1) are what the answer comes with, closed by the
	 * caller. */
	int (*request)(void *ctx, unsigned client, const char *op, const struct oc_json *request,
		       struct oc_json_writer *w, int fds[OC_CONTROL_FDS], struct oc_err *err);
	/*
	 * One that does not begin with '{'.  What is left in fds is closed by the caller.  An error
	 * is sent, and then the client goes.
	 */
	int (*message)(void *ctx, unsigned client, char *data, size_t len, int fds[OC_CONTROL_FDS],
		       size_t count, struct oc_err *err);
	/* The client is no more.  Its number is soon somebody else's. */
	void (*gone)(void *ctx, unsigned client);
};

void oc_control_init(struct oc_control *c);
/* To be called after init and before open: the room is in the plan's arena. */
void oc_control_keep(struct oc_control *c, const struct oc_plan *plan,
		     const struct oc_control_service *service);
/* Make the directory, the socket and info.json.  On failure nothing is left. */
int oc_control_open(struct oc_control *c, const struct oc_plan *plan, struct oc_err *err);
/* Create egress.jsonl, which must not be there, for appending; the descriptor is the caller's. */
int oc_control_log(const struct oc_control *c, struct oc_err *err);
/* Fills OC_CONTROL_POLL entries; kept: so many as it returns, at most 1 + room. */
nfds_t oc_control_poll(const struct oc_control *c, struct pollfd *p);
void oc_control_run(struct oc_control *c, const struct pollfd p[OC_CONTROL_POLL],
		    oc_control_handler handler, void *ctx);
/* The same for one that is kept; n as oc_control_poll said. */
void oc_control_serve(struct oc_control *c, const struct pollfd *p, nfds_t n);
/*
 * An event for a client.  One that does not read is dropped (service->gone) once his queue is full.
 * The descriptors stay the caller's.
 */
void oc_control_tell(struct oc_control *c, unsigned client, const struct oc_buf *m, const int *fds,
		     size_t count);
/* What waits for the clients is sent as far as they take it, and they go. */
void oc_control_dismiss(struct oc_control *c);
/* Nobody comes in any more.  The directory stays, so that the sandbox still counts as alive. */
void oc_control_shut(struct oc_control *c);
/* Remove all of it.  System calls only: also the janitor of a killed monitor calls it.  Does
 * nothing to one that is not open. */
void oc_control_close(struct oc_control *c);

#endif
