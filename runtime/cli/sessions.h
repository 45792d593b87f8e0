/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions - what the commands about sandboxes that stay have in common: ps, inspect, stop, rm,
 * prune, recreate.
 */
#ifndef OC_RUNTIME_CLI_SESSIONS_H
#define OC_RUNTIME_CLI_SESSIONS_H

#include "runtime/session/activity.h"
#include "runtime/session/door.h"
#include "runtime/session/end.h"

enum {
	OC_ARG_JSON = 1,
	OC_ARG_ALL = 2,
	OC_ARG_FORCE = 4,
	OC_ARG_DRY_RUN = 8,
	OC_ARG_AGENT = 16,
	OC_ARG_SESSION = 32,
	OC_ARG_IDLE = 64,
	OC_ARG_MAX_AGE = 128,
	OC_ARG_WORDS = 256,
};
struct oc_session_args {
	unsigned given; /* OC_ARG_* */
	const char *agent, *session, *idle, *max_age;
	char **words; /* of the caller's argv */
	size_t count;
};
/*
 * takes: OC_ARG_* that the command has.  help begins with the usage, one line.  False: it is over,
 * and *status is what to exit with.
 */
bool oc_session_args(int argc, char **argv, unsigned takes, const char *help,
		     struct oc_session_args *out, int *status);

/* A sandbox and what it does at this moment. */
struct oc_seen {
	struct oc_door door;
	bool known; /* activity is */
	struct oc_activity activity;
	uint64_t age_ms, idle_ms;
	uint64_t memory;   /* 0: unknown */
	const char *state; /* "starting", "idle", "busy", "stopping"; "command": it ends with its
			      command */
};
struct oc_seen_all {
	const char *state_dir; /* NULL: there is none */
	struct oc_door_scan scan;
	struct oc_seen *all;
	size_t count;
	size_t scope_files; /* of dead ones, removed */
};
int oc_seen_all(struct oc_arena *a, struct oc_seen_all *out, struct oc_err *err);
/* door is open; the rest is filled. */
void oc_seen_look(struct oc_seen *s);
/* Say on standard error what could not be understood. */
void oc_seen_troubles(const struct oc_seen_all *s);
/* --agent ID: the scope of the agent and those of its sessions; --session KEY: exactly that scope.
 */
bool oc_seen_selected(struct oc_arena *a, const struct oc_seen *s,
		      const struct oc_session_args *args);

/* "12s", "3m", "5h", "6d". */
const char *oc_age_text(char out[32], uint64_t ms);
/* The table of ps, or its beginning. */
void oc_seen_table(struct oc_buf *out, const struct oc_seen *const *rows, size_t count);
void oc_seen_json(struct oc_json_writer *w, const struct oc_seen *s);

/* Ask on the terminal: 1 yes, 0 no, -1: there is no terminal (*err says what to do instead). */
int oc_confirm(const char *question, struct oc_err *err);
/* End them and print what became of each; returns how many did not end. */
size_t oc_end_and_tell(struct oc_ending *e, size_t count, const char *done);

#endif
