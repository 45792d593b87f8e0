/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocsandbox - run commands in sandboxes, from a program of your own.  libocsandbox(3) says the
 * rest.
 *
 * The library does not make sandboxes itself: it starts the program oc-sandbox for that, and talks
 * to the sandbox's monitor by a socket.  A bug in the program that embeds it is not a bug in the
 * launcher.
 *
 * One thread at a time may use one ocs_sandbox; different ones are independent.  No signal handler
 * is installed, no global state is kept, SIGPIPE is never raised.  Every descriptor is
 * close-on-exec.
 *
 * Functions return 0, or -1 with *err filled (err may be NULL).  Strings and arrays that are given
 * are copied before a function returns; descriptors that are given stay the caller's.  A struct is
 * given its size first (`struct ocs_exec e = OCS_EXEC_INIT;`), so that it can grow.
 */
#ifndef OCSANDBOX_H
#define OCSANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ocs_error {
	int errnum; /* errno, 0 if it does not apply */
	int status; /* what oc-sandbox would exit with: 125 the sandbox, 126 and 127 the program */
	char step[32]; /* "seccomp", "cgroup", "connect", ... */
	char message[640];
	char hint[320];
};

typedef struct ocs_sandbox ocs_sandbox;

#define OCS_JOIN     1u /* only join: no sandbox is made */
#define OCS_RECREATE 2u /* one with another plan is stopped and made anew, even if just used */

struct ocs_open {
	size_t size;
	/* Path of oc-sandbox; NULL: the one that was installed with the library. */
	const char *program;
	/* Of `oc-sandbox run`, ended by NULL: "--agent", "main", ...; or NULL. */
	const char *const *options;
	/* In place of options: id, or agent's id, of a live one; or NULL. */
	const char *sandbox;
	const char *state_dir; /* NULL: the usual one */
	unsigned flags;
};
#define OCS_OPEN_INIT                                                                              \
	{                                                                                          \
		.size = sizeof(struct ocs_open)                                                    \
	}

/*
 * Begin to start or join one: returns at once.  OCS_EVENT_OPEN comes when it is ready,
 * OCS_EVENT_CLOSED if it could not be made.  Commands may be given before that: they wait.  -1:
 * what was given makes no sense, there is no such program, or no such sandbox.  SIGCHLD may come
 * while it opens; a handler that reaps any child does no harm.
 */
int ocs_open(const struct ocs_open *how, ocs_sandbox **out, struct ocs_error *err);
/*
 * Readable when ocs_next has something to do (an epoll descriptor: poll, select and epoll take it).
 * Stays the same for the life of the object; not to be read from or closed.
 */
int ocs_fd(const ocs_sandbox *s);

enum ocs_event_type {
	OCS_EVENT_NONE,	   /* nothing yet */
	OCS_EVENT_OPEN,	   /* id, joined */
	OCS_EVENT_STARTED, /* tag, call, pid; fd: master of its terminal, yours to close, or -1 */
	/* tag, call, result: every process of it is dead, and all of its output is in your pipes */
	OCS_EVENT_EXIT,
	/* error: the sandbox ended, or was never made; every call has had its EXIT */
	OCS_EVENT_CLOSED,
};
struct ocs_result {
	/* As oc-sandbox would exit: its own code, 124 time limit, 125, 126, 127, 128+n. */
	int status;
	const char *cause; /* "exit", "signal", "timeout", "oom", "pids", "disk", "setup" */
	int exit_code;	   /* -1: it did not exit by itself */
	int signal;	   /* 0: none */
	uint64_t wall_us, user_us, system_us;
	uint64_t memory_peak_bytes, pids_peak; /* 0: unknown */
	const char *error, *hint;	       /* why it could not be executed, or NULL */
	const char *json;		       /* all of it, as --result writes it */
};
struct ocs_event {
	enum ocs_event_type type;
	uint32_t tag;
	const char *id;	  /* of the sandbox, NULL: not known yet */
	const char *call; /* its name, for ocs_attach and ocs_logs; or NULL */
	bool joined;	  /* it was there already */
	pid_t pid;	  /* inside the sandbox; 0: unknown */
	int fd;		  /* -1: none */
	struct ocs_result result;
	struct ocs_error error;
};
/*
 * The next event; never waits.  Strings are valid until the next event is asked for.  Returns 1; 0
 * if there is none now: go on until then, or the descriptor stays readable; -1 after CLOSED.
 */
int ocs_next(ocs_sandbox *s, struct ocs_event *ev);
/* The same, waiting up to timeout_ms (-1: for ever).  0, too, when a signal handler ran. */
int ocs_wait(ocs_sandbox *s, int timeout_ms, struct ocs_event *ev);

#define OCS_PTY	       1u  /* a terminal inside, whose master comes with STARTED: no in, out, err */
#define OCS_BACKGROUND 2u  /* output goes into a ring of the sandbox: ocs_attach, ocs_logs */
#define OCS_STARTED    4u  /* OCS_EVENT_STARTED is wanted (always with the two above) */
#define OCS_CLEAR_ENV  8u  /* env is all of it, not laid over the sandbox's */
#define OCS_NO_INPUT   16u /* in the background: input is /dev/null */

struct ocs_exec {
	size_t size;
	const char *const *argv; /* ended by NULL; argv[0] is looked for in the sandbox's PATH */
	const char *const *env;	 /* "K=V", ended by NULL, or NULL; dangerous names are refused */
	const char *cwd;	 /* inside; NULL: the sandbox's */
	/*
	 * -1: /dev/null.  No directories.  Make pipes for it: a payload of an ordinary user has
	 * that user's id and can open its streams again through /proc/self/fd in the other
	 * direction, so never give it a terminal, a file or a pipe that somebody else reads, too.
	 */
	int in, out, err;
	unsigned flags;
	uint16_t rows, cols;
	uint64_t timeout_ms, memory_bytes, pids, cpu_millis; /* 0: as the sandbox has it */
	int program; /* a sealed memfd to execute in place of argv[0], or -1 */
};
#define OCS_EXEC_INIT                                                                              \
	{                                                                                          \
		.size = sizeof(struct ocs_exec), .in = -1, .out = -1, .err = -1, .program = -1     \
	}

/* Run a command; never waits.  *tag (it may be NULL) names it in events and below; never 0. */
int ocs_exec(ocs_sandbox *s, const struct ocs_exec *e, uint32_t *tag, struct ocs_error *err);
/* To its process group. */
int ocs_signal(ocs_sandbox *s, uint32_t tag, int sig, struct ocs_error *err);
/* All of its processes, at once. */
int ocs_kill(ocs_sandbox *s, uint32_t tag, struct ocs_error *err);
/* master: as it came with STARTED. */
int ocs_resize(int master, uint16_t rows, uint16_t cols, struct ocs_error *err);
/* It goes on when this connection ends. */
int ocs_detach(ocs_sandbox *s, uint32_t tag, struct ocs_error *err);

/* --- calls in the background, of any connection: these wait for an answer, a moment --- */

struct ocs_streams {
	/* Yours to close.  in: -1 unless asked for; with a terminal its master, and err is empty. */
	int in, out, err;
	uint64_t dropped; /* bytes of output that the ring no longer had */
};
int ocs_attach(ocs_sandbox *s, const char *call, bool input, struct ocs_streams *out,
	       struct ocs_error *err);
/* Its input ends: closing streams.in is not enough.  With a terminal write its VEOF character. */
int ocs_eof(ocs_sandbox *s, const char *call, struct ocs_error *err);
/* A descriptor, yours to close, of a file with what is kept; *dropped bytes came before that. */
int ocs_logs(ocs_sandbox *s, const char *call, uint64_t *dropped, struct ocs_error *err);
/*
 * One request as JSON: {"op":"info"}, {"op":"calls"}, {"op":"net.rules"}, ... (libocsandbox(3)
 * lists them).  The answer, also JSON, is valid until the next of these functions; NULL if none
 * came.
 */
int ocs_request(ocs_sandbox *s, const char *json, const char **answer, struct ocs_error *err);

/* End the sandbox and everything in it.  OCS_EVENT_CLOSED follows. */
int ocs_stop(ocs_sandbox *s, struct ocs_error *err);
/* Let go of it: calls that are not in the background end, the sandbox stays. */
void ocs_close(ocs_sandbox *s);
const char *ocs_version(void);

#ifdef __cplusplus
}
#endif
#endif
