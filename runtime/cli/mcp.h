/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp - the Model Context Protocol on standard input and output (https://modelcontextprotocol.io,
 * transport stdio).
 *
 *     mcp_rpc.c     lines -> JSON-RPC 2.0 -> methods; answers, batches, cancellation.  Knows no
 * sandbox mcp_tools.c   the tools: their schemas and the check of their arguments, from one table
 *     mcp_calls.c   a tool call as a command in the sandbox, to its result
 *     mcp_facts.c   what the model is told of the sandbox
 *     mcp.c         options and the loop
 *
 * The client (an agent program) is trusted as the user is who started it; what its model asks for
 * is not, nor is anything that comes from inside: it is text that is handed on, never a path or a
 * command for the host.
 */
#ifndef OC_RUNTIME_CLI_MCP_H
#define OC_RUNTIME_CLI_MCP_H

#include "base/json.h"

#define OC_MCP_LINE_MAX	 (8u << 20)
#define OC_MCP_CALLS_MAX 32 /* at once */
#define OC_MCP_ID_MAX	 256
#define OC_MCP_BATCH_MAX 64

/* --- mcp_tools.c --- */

enum oc_mcp_tool { OC_MCP_EXEC, OC_MCP_READ, OC_MCP_WRITE, OC_MCP_EDIT, OC_MCP_TOOLS };

/* OC_MCP_TOOLS: there is none of that name. */
enum oc_mcp_tool oc_mcp_tool_find(const char *name);
const char *oc_mcp_tool_name(enum oc_mcp_tool t);
/* The member "tools" of the answer to tools/list. */
void oc_mcp_tools_write(struct oc_json_writer *w, bool annotations);
/* args: the object, or NULL.  After this its members have the types that the schema says. */
int oc_mcp_tool_check(enum oc_mcp_tool t, const struct oc_json *args, struct oc_err *err);

/* --- mcp_facts.c --- */

struct oc_plan;
/* Workspace, network, limits, layers, in words.  limit_ms: of a command. */
void oc_mcp_facts(const struct oc_plan *plan, uint64_t limit_ms, struct oc_buf *out);

/* --- mcp_rpc.c --- */

struct oc_mcp_batch;
/* A tools/call that has had no answer yet. */
struct oc_mcp_job {
	struct oc_mcp_job *next;
	struct oc_mcp_batch *batch; /* or NULL */
	void *own;		    /* whatever the callee keeps of it */
	char id[OC_MCP_ID_MAX];	    /* as JSON */
};

struct oc_mcp_ops {
	/* Begin it.  args as checked, valid during the call only.  oc_mcp_finish ends the job,
	 * within this or later. */
	void (*call)(void *ctx, struct oc_mcp_job *job, enum oc_mcp_tool tool,
		     const struct oc_json *args);
	/* Nobody waits for it any more.  oc_mcp_finish with NULL ends it. */
	void (*cancel)(void *ctx, struct oc_mcp_job *job);
};

struct oc_mcp {
	const struct oc_mcp_ops *ops;
	void *ctx;
	const char *instructions;
	struct oc_buf in;  /* of a line that has no end yet */
	struct oc_buf out; /* what is to be written; the owner takes it from its beginning */
	bool skipping;	   /* the rest of a line that is too long */
	bool initialized;
	unsigned version; /* index in the table of them; the newest until another is asked for */
	struct oc_mcp_job *jobs;
	unsigned job_count;
};
/* Zero it but for ops, ctx and instructions first. */
void oc_mcp_feed(struct oc_mcp *m, const char *data, size_t len);
/* result: the object, as JSON; NULL: no answer. The job is gone then. */
void oc_mcp_finish(struct oc_mcp *m, struct oc_mcp_job *job, const struct oc_buf *result);
/* The same with a text, and isError. */
void oc_mcp_finish_error(struct oc_mcp *m, struct oc_mcp_job *job, const char *text);
/* Everything is let go; jobs must have been finished. */
void oc_mcp_close(struct oc_mcp *m);
/* {"type":"text","text":...} as an element of the array "content". */
void oc_mcp_text(struct oc_json_writer *w, const char *text, size_t len);

#endif
