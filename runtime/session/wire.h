/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - what a client and the monitor of a kept sandbox say to each other on the control socket.
 *
 * SOCK_SEQPACKET; who may connect: see runtime/launch/control.h.  A message that begins with '{' is a
 * request in JSON and has one answer, {"op":OP,"ok":BOOL,...}, in order.  One that begins with
 * OC_WIRE_MAGIC is a command to run; it has no answer but events, which may come between any two
 * answers and are told from them by "event" in place of "op".
 *
 * A call belongs to the connection that asked for it, under a tag that the client chose: when the
 * connection ends, so does every call of it that is neither in the background nor detached.
 *
 * Requests (members beyond "op"):
 *   info                                 what `inspect` prints: "id", "version", "planHash", "sandboxHash", "agent",
 *                                        "scopeKey", "created", "lastUsed" (RFC 3339), "idleMs", "ageMs", "pid",
 *                                        "calls" (running), "keep":true, "access", "workspace", "egress", "limits"
 *   calls                                {"calls":[{"call":ID,"command":TEXT,"state":"running"|"exited","background":B,
 *                                        "attached":B,"pid":N,"startedAt":T,"endedAt":T,"output":BYTES,"dropped":BYTES,
 *                                        "result":{...}}]}: running ones, and finished background ones that are still kept
 *   signal  tag|call, signal             to the process group
 *   kill    tag|call                     all of it, at once
 *   detach  tag                          the call stays when the connection goes
 *   logs    call                         the answer comes with a descriptor: a file with what its ring holds, and
 *                                        "dropped": bytes before that
 *   attach  call, input                  the answer comes with two descriptors, or three with "input":true:
 *                                        where its output from the ring's beginning on can be read; errors likewise
 *                                        (at its end at once with a terminal); where its input is written (with a
 *                                        terminal its master).  One attachment at a time takes input.
 *   eof     call                         in the background: its input ends (with a terminal write its VEOF instead)
 *   clear   call                         forget a finished one
 *   touch                                it counts as used
 *   stop                                 answered, then everything ends
 *   net.*                                as in runtime/launch/control.h
 *
 * Events:
 *   {"event":"started","tag":T,"call":ID,"pid":N}   if asked for, and always in the background or with a terminal; with a
 *                                        terminal that is not in the background its master comes along
 *   {"event":"exit","tag":T,"call":ID,"result":{"status","cause","exit","signal","usage","error":{...}}}
 *                                        result as in --result.  Every process of the call is dead by then.
 *   {"event":"stopping","reason":TEXT}   the sandbox ends: idle, age, stop, memory, signal, the end of pid 1; exit events follow for
 *                                        what ran, then the end of the connection
 *
 * Numbers are in the order of the machine: both ends are on it.
 */
#ifndef OC_RUNTIME_SESSION_WIRE_H
#define OC_RUNTIME_SESSION_WIRE_H

#include <stdint.h>

#define OC_WIRE_MAGIC 0x3158434fu /* "OCX1" */

#define OC_WIRE_PTY	   (1u << 0)
#define OC_WIRE_PROGRAM	   (1u << 1) /* a descriptor of the program comes before the streams: a sealed memfd */
#define OC_WIRE_BLOB	   (1u << 2) /* the strings are in a memfd, the first descriptor */
#define OC_WIRE_BACKGROUND (1u << 3) /* its output goes into rings; no streams come, input waits for attach */
#define OC_WIRE_STARTED	   (1u << 4)
#define OC_WIRE_CLEAR_ENV  (1u << 5) /* env is all of it, not laid over the sandbox's */
#define OC_WIRE_NO_INPUT   (1u << 6) /* in the background: its input is /dev/null */

/* Longest message with its strings; beyond it OC_WIRE_BLOB, up to OC_CALL_STRINGS_MAX (runtime/launch/call.h). */
#define OC_WIRE_MESSAGE_MAX (64u << 10)

/* Then: working directory ("" the sandbox's), argc arguments, envc variables K=V, each ended by NUL. */
struct oc_wire_exec {
	uint32_t magic, flags;
	uint32_t tag; /* not 0 */
	uint32_t argc, envc, strings;
	uint64_t timeout_ms; /* 0: the sandbox's own, if any */
	/* Of this call, within those of the sandbox; 0: none of its own. */
	uint64_t memory_bytes, pids, cpu_millis;
	uint16_t rows, cols;
	uint32_t reserved; /* 0 */
};

#endif
