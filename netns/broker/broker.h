/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker - oc-egress, the egress broker of one sandbox, as the monitor sees it.
 *
 * oc-egress runs on the host side with the descriptors that it was given, and nothing else.  It is
 * started by execveat of a descriptor, with an empty environment, /dev/null as its three streams
 * and the control socket as descriptor 3.
 *
 * The control socket is a UNIX SOCK_SEQPACKET pair; one message is one JSON object of at most
 * OC_BROKER_MESSAGE_MAX bytes.
 *
 * monitor -> broker
 *
 *   {"op":"start","version":1,"fds":["log","tcp4","dns4","tcp6","dns6"],
 *    "resolvers":["192.0.2.53","[2001:db8::1]:5353"],
 *    "mode":"allowlist","allow":[RULE...],"deny":[RULE...],"allowPrivate":[CLASS...],
 *    "limits":{"connections":N,"connectMs":N,"firstBytesMs":N,"idleMs":N,"recordsPerSecond":N},
 *    "budgets":{"uploadBytes":N,"connections":N,"names":N,
 *               "rule":{"uploadBytes":N,"connections":N,"names":N}}}
 *
 *   Once, first.  "fds" names the descriptors that come along (SCM_RIGHTS), in their order; tcp4
 *   and dns4 must be there.  "log" takes the decision records (netns/policy/record.h), without it
 *   there are none; it is a pipe, a regular file or a message socket, and is made non-blocking.
 *   Without "resolvers" those of the host's resolv.conf are asked.  A number that is missing or 0:
 *   for a limit the default, for a budget no budget.
 *
 *   {"op":"test","version":1,"resolvers":[...],"mode":...,"allow":[...],"deny":[...],
 *    "allowPrivate":[...],"name":NAME_OR_ADDRESS,"port":N}
 *
 *   First, in the place of "start": what would come of a connection.  Asks upstream for the name if
 *   the rules allow it, connects to nobody, answers and ends.
 *
 *   {"op":"rules","mode":...,"allow":[...],"deny":[...],"allowPrivate":[...]}
 *
 *   Replaces the rules, all or nothing.  Connections that the new rules would not allow are closed;
 *   budgets go on.
 *
 *   {"op":"stats"}
 *
 *   {"op":"end"}
 *
 *   The last one: every process inside is dead.  Nothing new is accepted; what the clients had sent
 *   goes out (for at most a second), every connection gets its record, then it answers and ends.
 *
 * broker -> monitor, one answer to each message, in order
 *
 *   {"op":"start","ok":true,"connections":N,"user":BOOL,"mount":BOOL,"landlock":ABI}
 *       It serves from now on, and was jailed before it read the message.  connections: how many at
 *       once, which may be fewer than was asked for where descriptors are few.
 *   {"op":"test","ok":true,"name":..,"port":N,"query":DECISION,"connect":DECISION,
 *    "addresses":[{"address":..,"allowed":BOOL,"reason":..,"class":..}...],
 *    "allowed":BOOL,"reason":..,"check":"name"|"address"|"none","text":..}
 *       DECISION is {"allowed":BOOL,"reason":..,"rule":RULE|null}; one that was not come to is not
 *       there, and an address has no query.  Names: one address that is allowed is enough.
 *   {"op":"rules","ok":true,"closed":N}
 *   {"op":"stats","ok":true,...}, {"op":"end",...} the same
 *       Counters, and under "reasons" how often each reason was given.
 *   {"op":OP,"ok":false,"error":TEXT,"hint":TEXT}
 *       Nothing was changed; after "start" and "test" the broker ends.
 *
 * When the control socket closes, or its parent ends, the broker ends.  When the broker ends, by
 * whatever cause, its sockets are closed by the kernel: every connection breaks, new ones and names
 * are refused.  The monitor must keep no copy of them.
 */
#ifndef OC_NETNS_BROKER_BROKER_H
#define OC_NETNS_BROKER_BROKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "netns/policy/rules.h"
#include "netns/setup/setup.h"

#define OC_BROKER_CONTROL_FD  3
#define OC_BROKER_VERSION     1
#define OC_BROKER_MESSAGE_MAX (OC_EGRESS_TEXT_ALL_MAX + (8u << 10)) /* rules; resolvers, limits, budgets */

struct oc_broker_budget {
	uint64_t upload_bytes, connections, names; /* 0: none */
};

struct oc_broker_config {
	const char *mode; /* "none", "allowlist", "open" */
	const char *const *allow, *const *deny, *const *allow_private;
	size_t allow_count, deny_count, allow_private_count;
	/* "start" only */
	const char *const *resolvers;
	size_t resolver_count;
	/* 0: the default */
	uint64_t max_connections, connect_ms, first_bytes_ms, idle_ms, records_per_second;
	struct oc_broker_budget budget, rule_budget;
};

/* The message "start" (with sockets) or "rules" (sockets NULL). */
void oc_broker_config_write(struct oc_buf *out, const struct oc_broker_config *c,
			    const struct oc_net_sockets *sockets, int log_fd);

struct oc_broker {
	pid_t pid;
	int pidfd;
	int control;
};
#define OC_BROKER_NONE                                                                             \
	{                                                                                          \
		-1, -1, -1                                                                         \
	}

/*
 * In three parts, so that the program starts while the sandbox is being made:
 * spawn    clone and execveat program_fd (oc-egress, opened by the caller).  The child is killed
 * when the calling thread ends. send     the start message with the sockets and log_fd (-1: no
 * records).  The caller closes its copies of the sockets afterwards. ready    waits for the answer,
 * at most timeout_ms. Each leaves a broker that failed to oc_broker_stop.
 */
int oc_broker_spawn(struct oc_broker *b, int program_fd, struct oc_err *err);
int oc_broker_send(struct oc_broker *b, const struct oc_broker_config *c,
		   const struct oc_net_sockets *sockets, int log_fd, struct oc_err *err);
int oc_broker_ready(struct oc_broker *b, int timeout_ms, struct oc_err *err);
/* All three; on failure nothing is left. */
int oc_broker_start(struct oc_broker *b, int program_fd, const struct oc_broker_config *c,
		    const struct oc_net_sockets *sockets, int log_fd, struct oc_err *err);

/* A broker that has not answered in time is not listened to any more: its control socket is shut.
 *
 * Send one message (no descriptors) and wait for its answer, which replaces *answer.  "ok":false is
 * an error here. */
int oc_broker_call(struct oc_broker *b, const struct oc_buf *message, struct oc_buf *answer,
		   int timeout_ms, struct oc_err *err);
/* Replace the rules; *closed (may be NULL) is the number of connections that ended by it. */
int oc_broker_rules(struct oc_broker *b, const struct oc_broker_config *c, int timeout_ms,
		    uint64_t *closed, struct oc_err *err);

/* A broker of its own for the message "test"; *answer as above. */
int oc_broker_ask(int program_fd, const struct oc_broker_config *c, const char *name, uint16_t port,
		  struct oc_buf *answer, struct oc_err *err);

/*
 * The message "end", and its answer: in two parts, so that the monitor can clean up meanwhile.  The
 * broker ends by itself when it has answered; oc_broker_stop follows either way.
 */
int oc_broker_end(struct oc_broker *b, struct oc_err *err);
int oc_broker_ended(struct oc_broker *b, struct oc_buf *answer, int timeout_ms, struct oc_err *err);

/* Kill it, reap it, close everything.  Does nothing to OC_BROKER_NONE. */
void oc_broker_stop(struct oc_broker *b);

#endif
