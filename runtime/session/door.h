/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - finds the live sandboxes of this user and talks to their monitors
 * (runtime/launch/control.h, runtime/session/wire.h).
 *
 * What a dead one left behind is removed by whoever finds it.  What is not understood (from another
 * version, damaged, not ours) is told and left alone, and nothing else suffers from it.  Must never
 * wait for a monitor longer than OC_DOOR_MS.
 *
 * The client library links it: nothing but base and runtime/launch/rundir.c may be needed.
 */
#ifndef OC_RUNTIME_SESSION_DOOR_H
#define OC_RUNTIME_SESSION_DOOR_H

#include "base/json.h"
#include "runtime/launch/rundir.h"

#define OC_DOOR_MS 8000

struct oc_door {
	char id[OC_RUNDIR_ID_LEN + 1];
	int dir_fd;	       /* its directory, or -1: oc_door_open */
	const char *state_dir; /* as it was looked for, not copied */
	unsigned place;	       /* of the run directory */
	pid_t pid;	       /* of the monitor, as it wrote it */
	unsigned long long start_time;
	const char *agent, *scope_key; /* NULL: none */
	const char *created;
	/* Of one that stays between its commands; one for a single command has none of this. */
	bool keep;
	const char *sandbox_hash;
	const char *access, *workspace, *scratch_dir, *overlay_dir, *egress; /* NULL: none */
	const char *memory_file;      /* its use of memory, in bytes, can be read there; or NULL */
	uint64_t idle_ms, max_age_ms; /* 0: never */
};

/* Entry of a run directory that cannot be used, and why; the message names it. */
struct oc_door_trouble {
	char id[OC_RUNDIR_ID_LEN + 1];
	struct oc_err err;
};

struct oc_door_scan {
	struct oc_door *all; /* the oldest first; none is open */
	size_t count;
	struct oc_door_trouble *trouble;
	size_t trouble_count;
	/* Ids of those that turned out to be dead: what they left is removed. */
	char (*dead)[OC_RUNDIR_ID_LEN + 1];
	size_t dead_count;
	size_t scope_files; /* see runtime/session/scope.h */
};

/*
 * Look at every entry.  state_dir may be NULL; it must live as long as what is found.  look, if it
 * is there, sees each one that can be used while it is open.
 */
int oc_door_scan(struct oc_arena *a, const char *state_dir,
		 void (*look)(void *ctx, const struct oc_door *d), void *ctx,
		 struct oc_door_scan *out, struct oc_err *err);
/* Those of a scan that can be used. */
int oc_door_list(struct oc_arena *a, const char *state_dir, struct oc_door **out, size_t *count,
		 struct oc_err *err);
/*
 * The one that word stands for: an id, an agent's id, a scope key, or the beginning of an id; NULL:
 * the only one that has a network.  It is open.  An error names those that it could be.
 */
int oc_door_find(struct oc_arena *a, const char *state_dir, const char *word, struct oc_door *out,
		 struct oc_err *err);
/* The one of this id: 0 and it is open; 1: it turned out to be dead (*err says so); 2: there is
 * none; -1. */
int oc_door_by_id(struct oc_arena *a, const char *state_dir, const char *id, struct oc_door *out,
		  struct oc_err *err);
/* -1 with errno as of oc_rundir_entry: ENOENT if it has ended. */
int oc_door_open(struct oc_door *d);
void oc_door_close(struct oc_door *d);

/* A non-blocking, connected socket; errnum EAGAIN: its queue is full, or it is stopped. */
int oc_door_dial(const struct oc_door *d, struct oc_err *err);
/* One request, one answer; "ok":false is an error here. */
int oc_door_call(struct oc_arena *a, const struct oc_door *d, const struct oc_buf *request,
		 struct oc_json **answer, struct oc_err *err);
/* A descriptor that is readable when the monitor has ended; -1 if it cannot be seen from here. */
int oc_door_watch(const struct oc_door *d);

#endif
