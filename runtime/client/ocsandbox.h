/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocsandbox - run commands in sandboxes, from a program of your own.
 *
 * The library does not make sandboxes itself: it starts the program oc-sandbox for that, and talks to
 * the sandbox's monitor by a socket.  A bug in the program that embeds it is not a bug in the launcher.
 *
 * One thread at a time may use one ocs_sandbox; different ones are independent.  No signal handler is
 * installed, no global state is kept, SIGPIPE is never raised.  Every descriptor is close-on-exec.
 *
 * Functions return 0, or -1 with *err filled (err may be NULL).  A struct is given its size first
 * (`struct ocs_exec e = OCS_EXEC_INIT;`), so that it can grow.
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
	int errnum;	  /* errno, 0 if it does not apply */
	int status;	  /* what oc-sandbox would exit with: 125 the sandbox, 126 and 127 the program */
	char step[32];	  /* "seccomp", "cgroup", "connect", ... */
	char message[640];
	char hint[256];
};

typedef struct ocs_sandbox ocs_sandbox;

#define OCS_JOIN     1u /* only join: no sandbox is made */
#define OCS_RECREATE 2u /* one with another plan is stopped and made anew, however recently it was used */

struct ocs_open {
	size_t size;
	const char *program;		/* path of oc-sandbox; NULL: the one that was installed with the library */
	const char *const *options;	/* of `oc-sandbox run`, ended by NULL: "--agent", "main", ...; NULL: none */
	const char *sandbox;		/* id, or agent's id, of a live one to join in place of options; or NULL */
	const char *state_dir;		/* NULL: the usual one */
	unsigned flags;
};
#define OCS_OPEN_INIT {.size = sizeof(struct ocs_open)}

/*
 * Begin to start or join one: returns at once.  OCS_EVENT_OPEN comes when it is ready, OCS_EVENT_CLOSED if it could not be
 * made.  Commands may be given before that: they wait.
 */
int ocs_open(const struct ocs_open *how, ocs_sandbox **out, struct ocs_error *err);
/* Readable when ocs_next has something to do.  Stays the same descriptor for the life of the object. */
int ocs_fd(const ocs_sandbox *s);

enum ocs_event_type {
	OCS_EVENT_NONE,	   /* nothing yet */
	OCS_EVENT_OPEN,	   /* id, joined */
	OCS_EVENT_STARTED, /* tag, call, pid; fd: master of its terminal, yours to close, or -1 */
	OCS_EVENT_EXIT,	   /* tag, call, result */
	OCS_EVENT_CLOSED,  /* error: the sandbox ended, or was never made; calls that ran have had their EXIT */
};
struct ocs_result {
	int status;	   /* 0..255 as oc-sandbox would exit: its own code, 124 time limit, 125, 126, 127, 128+n */
	const char *cause; /* "exit", "signal", "timeout", "oom", "pids", "disk", "setup" */
	int exit_code;	   /* -1: it did not exit by itself */
	int signal;	   /* 0: none */
	uint64_t wall_us, user_us, system_us;
	uint64_t memory_peak_bytes, pids_peak; /* 0: unknown */
	const char *error, *hint; /* why it could not be executed, or NULL */
	const char *json;	  /* all of it, as --result writes it */
};
struct ocs_event {
	enum ocs_event_type type;
	uint32_t tag;
	const char *id, *call;
	bool joined;
	pid_t pid; /* inside the sandbox */
	int fd;
	struct ocs_result result;
	struct ocs_error error;
};
/* The next event; never waits.  Strings are valid until the next call.  Returns 1, 0 if there is none, -1 after CLOSED. */
int ocs_next(ocs_sandbox *s, struct ocs_event *ev);
/* The same, waiting up to timeout_ms (-1: for ever). */
int ocs_wait(ocs_sandbox *s, int timeout_ms, struct ocs_event *ev);

#define OCS_PTY	       1u /* a terminal inside; in, out and err are not used, the master comes with STARTED */
#define OCS_BACKGROUND 2u /* output goes into a ring of the sandbox; see ocs_attach and ocs_logs */
#define OCS_STARTED    4u /* OCS_EVENT_STARTED is wanted (always with the two above) */
#define OCS_CLEAR_ENV  8u /* env is all of it, not laid over the sandbox's */
#define OCS_NO_INPUT  16u /* in the background: input is /dev/null */

struct ocs_exec {
	size_t size;
	const char *const *argv; /* ended by NULL; argv[0] is looked for in the sandbox's PATH */
	const char *const *env;	 /* "K=V", ended by NULL, or NULL; dangerous names are refused */
	const char *cwd;	 /* inside; NULL: the sandbox's */
	/*
	 * -1: /dev/null.  They stay yours.  Make pipes for it: a payload of an ordinary user has that user's id and can open its streams
	 * again through /proc/self/fd in the other direction.
	 */
	int in, out, err;
	unsigned flags;
	uint16_t rows, cols;
	uint64_t timeout_ms, memory_bytes, pids, cpu_millis; /* 0: as the sandbox has it */
	int program; /* a sealed memfd to execute in place of argv[0], or -1 */
};
#define OCS_EXEC_INIT {.size = sizeof(struct ocs_exec), .in = -1, .out = -1, .err = -1, .program = -1}

/* Run a command.  *tag names it in events and below. */
int ocs_exec(ocs_sandbox *s, const struct ocs_exec *e, uint32_t *tag, struct ocs_error *err);
int ocs_signal(ocs_sandbox *s, uint32_t tag, int sig, struct ocs_error *err);
/* All of its processes, at once. */
int ocs_kill(ocs_sandbox *s, uint32_t tag, struct ocs_error *err);
/* master: as it came with STARTED. */
int ocs_resize(int master, uint16_t rows, uint16_t cols, struct ocs_error *err);
/* It goes on when this connection ends. */
int ocs_detach(ocs_sandbox *s, uint32_t tag, struct ocs_error *err);

/* --- calls in the background, of any connection.  These wait for the monitor's answer, a moment. --- */

struct ocs_streams {
	int in, out, err; /* yours to close; in is -1 unless asked for; with a terminal in is its master and err is at its end */
	uint64_t dropped; /* bytes of output that the ring no longer had */
};
int ocs_attach(ocs_sandbox *s, const char *call, bool input, struct ocs_streams *out, struct ocs_error *err);
/* A descriptor of a file with the output that is kept; *dropped bytes came before it. */
int ocs_logs(ocs_sandbox *s, const char *call, uint64_t *dropped, struct ocs_error *err);
/* One request of runtime/session/wire.h, as JSON; the answer is valid until the next call on s. */
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
