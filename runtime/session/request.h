/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - a command that a client asked to run (wire.h): looked at, and put together for the
 * runner (call.h).
 *
 * What comes here may have been put together by a model: sizes, counts, ends of strings, names of
 * variables are all checked before anything of it is used.  Pure: memory in, memory out.
 */
#ifndef OC_RUNTIME_SESSION_REQUEST_H
#define OC_RUNTIME_SESSION_REQUEST_H

#include "runtime/launch/call.h"
#include "runtime/plan/plan.h"
#include "runtime/session/wire.h"

struct oc_request {
	struct oc_wire_exec head;
	/* In the message or the blob, which have to stay: */
	const char *cwd;
	const char *argv, *env; /* blocks of strings, each ended by NUL */
	size_t argv_len, env_len;
};

/* Descriptors that must come with it: blob, program, streams. */
unsigned oc_request_fds(const struct oc_wire_exec *head);

/*
 * The fixed part.  -1: it is not a message of this kind at all, and who sent it does not speak our
 * language.
 */
int oc_request_head(const void *message, size_t len, size_t fds, struct oc_wire_exec *head,
		    struct oc_err *err);
/* The strings: behind the head, or out of the blob.  -1: this call is refused. */
int oc_request_parse(const struct oc_wire_exec *head, const char *strings, struct oc_request *out,
		     struct oc_err *err);
/*
 * Append struct oc_call_run and its strings to out: the sandbox's variables below, those of the
 * call above.  streams: three descriptors for them go along; blob and program are set by the
 * caller.
 */
int oc_request_build(const struct oc_request *r, const struct oc_plan *plan, struct oc_buf *out,
		     struct oc_err *err);

#endif
