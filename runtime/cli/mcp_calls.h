/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_calls - tool calls of `oc-sandbox mcp` as commands in its sandbox; see mcp.h.
 */
#ifndef OC_RUNTIME_CLI_MCP_CALLS_H
#define OC_RUNTIME_CLI_MCP_CALLS_H

#include <poll.h>

#include "runtime/cli/mcp.h"
#include "runtime/client/ocsandbox.h"

struct oc_mcp_call;

struct oc_mcp_server {
	struct oc_mcp rpc;
	const char *const *options; /* of `oc-sandbox run`, for the sandbox */
	const char *workdir;	    /* inside */
	uint64_t limit_ms;	    /* of a command */
	bool lasting;		    /* the sandbox is somebody's: it stays when we end */
	int fileop;		    /* the program oc-fileop, a sealed memfd */
	ocs_sandbox *sandbox;	    /* NULL: none, or no more */
	bool opened;		    /* it was there */
	struct oc_mcp_call *calls;
};

/* For struct oc_mcp_ops; ctx is the server. */
void oc_mcp_call_begin(void *ctx, struct oc_mcp_job *job, enum oc_mcp_tool tool,
		       const struct oc_json *args);
void oc_mcp_call_cancel(void *ctx, struct oc_mcp_job *job);

/* Where output of calls comes: at most max of them; and what to do when some of them are ready. */
size_t oc_mcp_calls_poll(const struct oc_mcp_server *s, struct pollfd *fds, size_t max);
void oc_mcp_calls_read(struct oc_mcp_server *s, const struct pollfd *fds, size_t count);
/* ocs_fd was readable. */
void oc_mcp_calls_events(struct oc_mcp_server *s);
/* Nobody waits any more: every call ends, and the sandbox stays, or goes if it is nobody else's. */
void oc_mcp_calls_end(struct oc_mcp_server *s);

/* --- the parts, for tests --- */

#define OC_MCP_OUTPUT_MAX 200000 /* characters */
/* Where the last max characters of text begin. */
size_t oc_mcp_tail(const char *text, size_t len, size_t max);

#endif
