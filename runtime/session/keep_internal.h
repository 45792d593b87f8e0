/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep_internal - what the parts of the monitor (keep.h) share.
 *
 *   keep.c        the process: fork, loop, end
 *   runners.c     the processes inside that run commands: started, kept warm, ended
 *   calls.c       commands: begun, watched, judged, reported
 *   background.c  their output in rings, and who reads it
 *   ops.c         requests
 */
#ifndef OC_RUNTIME_SESSION_KEEP_INTERNAL_H
#define OC_RUNTIME_SESSION_KEEP_INTERNAL_H

#include <sys/resource.h>

#include "runtime/launch/call.h"
#include "runtime/launch/cgroup_call.h"
#include "runtime/launch/sandbox.h"
#include "runtime/session/activity.h"
#include "runtime/session/quarantine.h"
#include "runtime/session/recovery.h"
#include "runtime/session/request.h"
#include "runtime/session/ring.h"
#include "runtime/session/slug.h"

#define OC_KEEP_ANSWER_US      5000000u /* a runner that has not answered by then is ended */
#define OC_KEEP_GRACE_US       2000000u /* from SIGTERM to SIGKILL when the time is up */
#define OC_KEEP_SPARE_US       50000u	/* a command that takes longer has another runner started */
#define OC_KEEP_WARM	       2	/* runners that wait for a command; after a while one */
#define OC_KEEP_COOL_US	       60000000u
#define OC_KEEP_RUNNING	       200 /* commands at a time */
#define OC_KEEP_FINISHED       50  /* in the background, with their output, and for so long: */
#define OC_KEEP_FINISHED_BYTES 2000000u
#define OC_KEEP_FINISHED_US    (30ull * 60 * 1000000)
#define OC_KEEP_COMMAND	       160 /* of a command line for people */

enum oc_runner_state { OC_RUNNER_STARTING, OC_RUNNER_IDLE, OC_RUNNER_BUSY, OC_RUNNER_LEAVING };

struct oc_call;
struct oc_runner {
	unsigned number;
	enum oc_runner_state state;
	int sock;     /* -1: it has ended, or is told to */
	int oom_fd;   /* v1: of a call with a limit of memory of its own */
	bool limited; /* it takes no other command */
	bool used;    /* it had one before: peaks of its group may be that one's */
	bool gone;
	struct oc_cgroup_call leaf;
	uint64_t since_us; /* in this state */
	struct oc_call *call;
};

enum oc_call_state {
	OC_CALL_WAITING, /* for its runner */
	OC_CALL_SENT,
	OC_CALL_RUNNING,
	OC_CALL_LEAVING, /* the command has ended, or is told to: something of it may be left */
	OC_CALL_FINISHED /* in the background: its output is still here */
};

struct oc_background;
struct oc_call {
	struct oc_call *next, *previous;
	char id[OC_SLUG_MAX];
	char command[OC_KEEP_COMMAND];
	enum oc_call_state state;
	uint32_t tag, flags;
	int client; /* -1: nobody's */
	bool detached, unread, retried, stuck;
	bool timed_out, oom, disk, killed; /* why it was ended */
	struct oc_runner *runner;
	pid_t pid;	  /* inside */
	uint64_t signals; /* that are to be sent as soon as it runs: bit n - 1 for signal n */
	struct oc_call_limits limits;
	struct oc_buf run; /* for the runner, until it runs; with: */
	int fds[OC_CALL_FDS];
	unsigned fd_count;
	uint64_t timeout_us, started_us, ended_us, deadline_us, kill_us;
	int64_t started_ns, ended_ns; /* since the epoch */
	bool reported;
	int wait_status;
	struct rusage usage;
	struct oc_err *error; /* it was not executed; NULL */
	int error_status;     /* 125, 126, 127 */
	struct oc_background *background;
	struct oc_buf result; /* finished in the background: JSON */
};

struct oc_keep {
	const struct oc_plan *plan;
	struct oc_sandbox s;
	struct oc_egress_report report;
	struct oc_launch_options opt;
	struct oc_quarantine q;
	struct oc_recovery recovery;
	struct oc_control *door;
	struct oc_control_service service;
	struct oc_activity *activity;
	int signal_fd, null_fd;
	struct oc_runner *runner[OC_RUNNERS];
	unsigned runner_top;	      /* all behind it are NULL */
	struct oc_call *first, *last; /* in the order in which they came */
	struct oc_call *dead;	      /* to be freed when nobody can look at them any more */
	unsigned running, foreground, finished;
	size_t finished_bytes;
	uint64_t now_us, born_us, used_us;
	uint64_t oom_until_us, oom_next_us; /* memory ran out: whose command was it */
	uint64_t sample_us, spare_us;	    /* not before */
	uint64_t slugs;
	struct oc_buf out;   /* an event on its way */
	struct oc_buf spare; /* memory of the last call's message */
	const char *ending;  /* why; NULL: it goes on */
	char disk_why[160];
	struct oc_sweep early, last_sweep; /* found before it was made (told with the first call),
					      and at its end */
};

/* Poll entries, collected anew in every turn. */
struct oc_polls {
	struct pollfd *p;
	size_t count, cap;
};
size_t oc_polls_add(struct oc_polls *s, int fd, short events);

uint64_t oc_keep_now_us(void);
int64_t oc_keep_time_ns(void);
void oc_keep_end(struct oc_keep *k, const char *why);
/* Somebody uses it. */
void oc_keep_used(struct oc_keep *k);
/* k->out to a client. */
void oc_keep_tell(struct oc_keep *k, int client, const int *fds, size_t count);

/* --- runners.c --- */

/* A warm one takes the call, or a new one; the call is failed if there is none. */
void oc_runner_give(struct oc_keep *k, struct oc_call *c);
int oc_runner_new(struct oc_keep *k, struct oc_call *c, struct oc_err *err);
/* All of its command is killed, OC_MSG_GONE follows. */
void oc_runner_end(struct oc_keep *k, struct oc_runner *r);
void oc_runner_signal(struct oc_keep *k, struct oc_runner *r, int sig);
/* Its socket is readable. */
void oc_runner_read(struct oc_keep *k, struct oc_runner *r);
/* pid 1 says that it is dead, with everything below it; why: NULL, or it could not be started. */
void oc_runner_gone(struct oc_keep *k, unsigned number, const struct oc_err *why);
/* Time has passed.  Returns when to look again (UINT64_MAX: never). */
uint64_t oc_runner_time(struct oc_keep *k);
/* Memory has run out somewhere. */
void oc_runner_oom(struct oc_keep *k);

/* --- calls.c --- */

/* A message of wire.h. */
int oc_call_message(void *ctx, unsigned client, char *data, size_t len, int fds[OC_CONTROL_FDS],
		    size_t count, struct oc_err *err);
/* What its runner says. */
void oc_call_started(struct oc_keep *k, struct oc_call *c, pid_t pid, int pty);
void oc_call_failed(struct oc_keep *k, struct oc_call *c, int status, const struct oc_err *why);
void oc_call_exited(struct oc_keep *k, struct oc_call *c, const struct oc_call_reply *m);
/* Everything of it is dead: report it.  c is not to be used any more. */
void oc_call_finish(struct oc_keep *k, struct oc_call *c);
/* End it at once. */
void oc_call_kill(struct oc_keep *k, struct oc_call *c);
/* One that is finished. */
void oc_call_forget(struct oc_keep *k, struct oc_call *c);
void oc_call_client_gone(void *ctx, unsigned client);
uint64_t oc_call_time(struct oc_keep *k);
/* Free what was forgotten. */
void oc_call_reap(struct oc_keep *k);
static inline bool oc_call_runs(const struct oc_call *c)
{
	return c->state != OC_CALL_FINISHED;
}

/* --- background.c --- */

/* Its streams, in place of the client's: c->fds are filled. */
int oc_background_begin(struct oc_keep *k, struct oc_call *c, struct oc_err *err);
void oc_background_terminal(struct oc_call *c, int master);
void oc_background_poll(const struct oc_call *c, struct oc_polls *s);
/* p: the entries that oc_background_poll made for it. Returns how many these were. */
size_t oc_background_run(struct oc_call *c, const struct pollfd *p);
/* Nothing can write any more: take the rest. */
void oc_background_end(struct oc_call *c);
void oc_background_free(struct oc_call *c);
size_t oc_background_held(const struct oc_call *c);
uint64_t oc_background_dropped(const struct oc_call *c);
bool oc_background_attached(const struct oc_call *c);
int oc_background_attach(struct oc_call *c, bool input, int fds[OC_CONTROL_FDS],
			 struct oc_err *err);
/* A file with what its ring holds, or -1. */
int oc_background_logs(const struct oc_call *c, struct oc_err *err);
/* Its input ends. */
void oc_background_eof(struct oc_call *c);

/* --- ops.c --- */

int oc_keep_request(void *ctx, unsigned client, const char *op, const struct oc_json *request,
		    struct oc_json_writer *w, int fds[OC_CONTROL_FDS], struct oc_err *err);

#endif
