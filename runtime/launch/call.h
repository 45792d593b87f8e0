/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - one command in a sandbox that is kept.
 *
 * pid 1 of such a sandbox (keeper.c) has put on every layer of the payload, the filter last of all, and
 * starts nothing itself but runners.  A runner (runner.c) is forked from it, so that it wears the same
 * layers without putting them on again, and runs one command after another for the monitor, which
 * talks to it by a socket of its own:
 *
 *     monitor -> runner   OC_CALL_RUN with descriptors; OC_CALL_SIGNAL
 *     runner -> monitor   OC_CALL_HELLO once; OC_CALL_STARTED or OC_CALL_NOEXEC; OC_CALL_EXIT
 *
 * A runner is the subreaper of its command: whoever double-forks comes to it, and it reaps them.  When
 * the command has ended and nothing is left below, it is free for the next.  If something is left it says
 * so and exits; then, as when it is killed, its orphans come to pid 1, which kills every child of its
 * own that is not a runner, until there is none, and says OC_MSG_GONE.  So a call is known by its
 * descent, which nobody can leave, with and without cgroups.
 *
 * The payload has the runner's user id and may kill it: it ends its own call by that; one that it stops goes on, pid 1 sees to that.  Nobody
 * inside can do either to pid 1, which does the killing.
 */
#ifndef OC_RUNTIME_LAUNCH_CALL_H
#define OC_RUNTIME_LAUNCH_CALL_H

#include <stdint.h>
#include <sys/resource.h>

#include "base/err.h"

enum oc_call_type {
	OC_CALL_RUN = 1,
	OC_CALL_SIGNAL, /* value: to the process group of the command */
	OC_CALL_HELLO,	/* with the sender's credentials where SO_PASSCRED is set: the pid on the host */
	OC_CALL_STARTED, /* value: pid inside; with the master of its terminal if there is one */
	OC_CALL_NOEXEC,	 /* err; the runner is free again */
	OC_CALL_EXIT,	 /* value: wait status; usage; left */
};

#define OC_CALL_PTY	(1u << 0) /* a terminal is made inside; no stream descriptors come */
#define OC_CALL_PROGRAM (1u << 1) /* a descriptor of the program to execute comes first */
#define OC_CALL_BLOB	(1u << 2) /* the strings are in a memfd, which comes before everything else */
#define OC_CALL_STREAMS (1u << 3) /* in, out and err come last */

/* Longest message with its strings; beyond it OC_CALL_BLOB. */
#define OC_CALL_INLINE_MAX (64u << 10)
/* Longest block of strings: ARG_MAX is about this much. */
#define OC_CALL_STRINGS_MAX (2u << 20)
#define OC_CALL_FDS 5

/* Then: working directory (absolute), argc arguments, envc variables, each ended by NUL. */
struct oc_call_run {
	uint32_t type, flags;
	uint32_t argc, envc;
	uint32_t strings; /* bytes of them, all NULs counted */
	uint16_t rows, cols; /* of the terminal; 0: 24 by 80 */
	uint64_t data_limit; /* RLIMIT_DATA if lower than the sandbox's, 0: none */
};
struct oc_call_signal {
	uint32_t type;
	int32_t value;
};
struct oc_call_reply {
	uint32_t type;
	int32_t value;
	uint32_t left; /* OC_CALL_EXIT: processes remain, wait for OC_MSG_GONE */
	struct rusage usage; /* of the command and all that it waited for */
	struct oc_err err;
};
/* Messages without a message of why are cut here: nothing of err is sent. */
#define OC_CALL_REPLY_SHORT offsetof(struct oc_call_reply, err)

#endif
