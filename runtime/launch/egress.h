/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress - the network of one sandbox, on the monitor's side: its broker, its records, its door.
 *
 * The broker (oc-egress) is a child of the monitor.  It is not in the sandbox's cgroup: its memory
 * has bounds of its own (netns/broker/jail.c), and one that the payload can fill must not decide
 * when the broker dies.  Records come through a pipe and are written by the monitor, so that no
 * file can grow beyond its bound whatever the broker does.
 *
 * With egress mode none every function is a no-operation, but for the door of a sandbox that is kept
 * (oc_egress_keep_door): it is there always.
 *
 * Must not: keep a copy of a socket that the broker serves; let the payload start before it serves;
 * start a second broker when the first has ended.
 */
#ifndef OC_RUNTIME_LAUNCH_EGRESS_H
#define OC_RUNTIME_LAUNCH_EGRESS_H

#include <poll.h>
#include <stdbool.h>

#include "netns/broker/broker.h"
#include "runtime/launch/child.h"
#include "runtime/launch/control.h"
#include "runtime/launch/launch.h"

#define OC_EGRESS_POLL (2 + OC_CONTROL_POLL)
/* Longest line of a record that is kept. */
#define OC_EGRESS_LINE 4096

/* A file that records are appended to; at a size it becomes NAME.1, and a new one is begun. */
struct oc_egress_file {
	int dir, fd; /* -1: none */
	uint64_t size;
};

/* A list of rules, with memory of its own. */
struct oc_egress_texts {
	struct oc_arena arena;
	const char **text;
	size_t count, cap;
};

struct oc_egress {
	const struct oc_plan *plan;
	bool on, stays; /* stays: the sandbox is kept */
	struct oc_broker broker;
	int rules;   /* netlink socket of the sandbox's namespace, or -1 */
	int records; /* our end of the pipe from the broker, or -1 */
	struct oc_control door;
	struct oc_egress_file live, kept;   /* in the door's directory; in the agent's */
	struct oc_broker_config config;	    /* as the broker has it now */
	struct oc_egress_texts allow, deny; /* behind it, once they were changed */
	struct oc_buf line;		    /* what has come of the next record */
	bool skip;			    /* the rest of a line that is too long */
	char *last[OC_EGRESS_RECORDS];
	bool leaving;
	const char *drop; /* test build only, as in struct oc_child */
	struct oc_egress_report *report;
};

/* What a plan says to its broker; arrays in the plan's arena. */
void oc_egress_config(const struct oc_plan *plan, struct oc_broker_config *out);

void oc_egress_init(struct oc_egress *e, const struct oc_plan *plan,
		    struct oc_egress_report *report);
/* Start the broker: as early as possible, for it needs longer than the rest. */
int oc_egress_spawn(struct oc_egress *e, struct oc_err *err);
/* Open the door and the files.  A sandbox is none the worse without: report->no_door says why. */
void oc_egress_open(struct oc_egress *e);
/*
 * Before oc_sandbox_up: the sandbox is kept, and its door is for all that is asked of it.  Opens the
 * door and the files; without the door it fails.  service hands what begins with "net." to
 * oc_egress_handle; the caller polls and serves the door itself.
 */
int oc_egress_keep_door(struct oc_egress *e, const struct oc_control_service *service,
			struct oc_err *err);
/* An oc_control_handler; ctx is the struct oc_egress. */
int oc_egress_handle(void *ctx, const char *op, const struct oc_json *request,
		     struct oc_json_writer *w, struct oc_err *err);
/* OC_MSG_NET has come: pass its descriptors on.  They are closed here, whatever happens. */
int oc_egress_send(struct oc_egress *e, const int fds[OC_MSG_FDS], struct oc_err *err);
/* Wait until it serves. */
int oc_egress_ready(struct oc_egress *e, struct oc_err *err);

/* The broker alone: the first OC_EGRESS_BROKER_POLL of the entries below. */
#define OC_EGRESS_BROKER_POLL 2
void oc_egress_broker_poll(const struct oc_egress *e, struct pollfd p[OC_EGRESS_BROKER_POLL]);
void oc_egress_broker_run(struct oc_egress *e, const struct pollfd p[OC_EGRESS_BROKER_POLL]);
void oc_egress_poll(const struct oc_egress *e, struct pollfd p[OC_EGRESS_POLL]);
void oc_egress_run(struct oc_egress *e, const struct pollfd p[OC_EGRESS_POLL]);

/*
 * Every process inside is dead.  leave: the broker is told to end, and does so while the monitor
 * cleans up.  end: take its numbers and the last records, reap it, close everything.
 */
void oc_egress_leave(struct oc_egress *e);
void oc_egress_end(struct oc_egress *e);
/* The same for the janitor of a killed monitor: system calls only. */
void oc_egress_abandon(struct oc_egress *e);

#endif
