/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of oc-egress share.
 *
 * Theory of operation.  One thread, one epoll set, edge-triggered.  A connection is accepted from
 * the sandbox, its wanted address is mapped to a name, the rules decide, the name is resolved
 * (resolve.c), an address is dialled (dial.c), and meanwhile the client's first bytes are read and
 * checked (conn.c).  When both are done the bytes are moved by splice (relay.c).  Whatever goes
 * wrong ends in oc_conn_close with a reason, which resets the client's connection and writes a
 * record.
 *
 * All memory that the sandbox can make us take is bounded: connections by a number, first bytes by
 * first_bytes_max over all, resolver entries and names by their tables.  At a limit the new one is
 * refused, never an old one dropped.
 */
#ifndef OC_NETNS_BROKER_INTERNAL_H
#define OC_NETNS_BROKER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "netns/broker/broker.h"
#include "netns/policy/check.h"
#include "netns/policy/dns.h"
#include "netns/policy/record.h"
#include "netns/policy/rules.h"
#include "netns/policy/synth.h"
#include "netns/policy/watch.h"

struct oc_eg;

/* --- loop.c: events, timers, and what must not be freed while events that point at it may be
 * waiting --- */

struct oc_event {
	int fd; /* -1: not registered */
	void (*fn)(struct oc_eg *g, struct oc_event *e, uint32_t events);
};
struct oc_timer {
	uint64_t at;  /* microseconds of oc_eg.now */
	size_t place; /* in the heap, from 1; 0: not set */
	void (*fn)(struct oc_eg *g, struct oc_timer *t);
};
struct oc_list {
	struct oc_list *next, *prev;
};
static inline void oc_list_init(struct oc_list *head)
{
	head->next = head->prev = head;
}
static inline void oc_list_append(struct oc_list *head, struct oc_list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}
/* Does nothing to one that is in no list. */
static inline void oc_list_remove(struct oc_list *e)
{
	if (!e->next)
		return;
	e->next->prev = e->prev;
	e->prev->next = e->next;
	e->next = e->prev = NULL;
}
struct oc_loop {
	int epoll;
	struct oc_timer **heap; /* [0] is not used */
	size_t count, cap;
	struct oc_list ready; /* connections that stopped because their turn was over */
	struct oc_grave {
		struct oc_grave *next;
	} * graves;
};

int oc_loop_init(struct oc_loop *l, struct oc_err *err);
int oc_loop_add(struct oc_eg *g, struct oc_event *e, int fd, uint32_t events);
/* fd is in the set with another event, which is given up. */
int oc_loop_change(struct oc_eg *g, struct oc_event *e, int fd, uint32_t events);
/* Closes the descriptor, which takes it out of the set. */
void oc_loop_close(struct oc_event *e);
/* Returns -1 without memory. */
int oc_timer_set(struct oc_eg *g, struct oc_timer *t, uint64_t in_us);
void oc_timer_clear(struct oc_eg *g, struct oc_timer *t);
/* free() p, which starts with room for a struct oc_grave, after the events at hand. */
void oc_loop_bury(struct oc_eg *g, void *p);
void oc_loop_run(struct oc_eg *g);
/* Sets oc_eg.now, which oc_loop_run does by itself. */
void oc_loop_clock(struct oc_eg *g);

#define OC_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* --- budget.c --- */

struct oc_usage {
	uint64_t upload_bytes, connections, names;
};
/* What was used under one rule; outlives the rule's removal, so that taking it away and back gives
 * no new budget. */
struct oc_rule_use {
	char *text;
	struct oc_usage used;
};
struct oc_budgets {
	struct oc_broker_budget sandbox, rule;
	struct oc_usage used;
	struct oc_rule_use **rules;
	size_t rule_count, rule_cap;
	uint64_t *names; /* keyed hashes of (name) and (rule, name) that were counted */
	size_t name_count, name_cap;
	uint64_t key[2];
};

/* Take one connection (and name, if not NULL) from the budgets; ALLOWED or the reason.  *use is
 * where its bytes are counted. */
enum oc_egress_reason oc_budget_connection(struct oc_budgets *b, const struct oc_egress_rule *rule,
					   const char *name, struct oc_rule_use **use);
/* Bytes that may still be sent under use (NULL: no rule, only the sandbox counts). */
uint64_t oc_budget_upload_left(const struct oc_budgets *b, const struct oc_rule_use *use);
void oc_budget_upload(struct oc_budgets *b, struct oc_rule_use *use, uint64_t bytes);
int oc_budget_init(struct oc_budgets *b, struct oc_err *err);

/* --- resolve.c --- */

#define OC_RESOLVE_ADDRS 16
struct oc_resolver;
/* One who waits for a name. */
struct oc_waiter {
	struct oc_list link; /* link.next NULL: not waiting */
	/* status: ALLOWED with count >= 1, or the reason.  addr is valid during the call. */
	void (*fn)(struct oc_eg *g, struct oc_waiter *w, enum oc_egress_reason status,
		   const struct oc_addr *addr, size_t count);
};
/* Reads the host's resolv.conf and hosts. */
int oc_resolver_open(struct oc_eg *g, struct oc_err *err);
/* Replaces the servers that were read, "address" or "address:port". */
int oc_resolver_servers(struct oc_resolver *r, const struct oc_json *list, struct oc_arena *a,
			struct oc_err *err);
/* May call w->fn before it returns. */
void oc_resolve(struct oc_eg *g, const char *name, struct oc_waiter *w);
void oc_resolve_cancel(struct oc_waiter *w);
uint64_t oc_resolver_queries(const struct oc_resolver *r);

/* --- log.c --- */

struct oc_eglog {
	int fd;
	uint64_t per_second, tokens, refilled; /* tokens in millionths */
	uint64_t written, dropped, dropped_unsaid;
	struct oc_buf line;
	bool broken; /* the last line was taken in part */
};
void oc_eglog_write(struct oc_eg *g, struct oc_record *r);

/* --- conn.c, dial.c, relay.c --- */

#define OC_DIAL_ATTEMPTS 6
struct oc_conn;
struct oc_attempt {
	struct oc_event event;
	struct oc_conn *conn;
	struct oc_addr addr;
};
struct oc_dial {
	struct oc_grave grave; /* first */
	struct oc_addr addr[OC_DIAL_ATTEMPTS];
	struct oc_attempt attempt[OC_DIAL_ATTEMPTS];
	size_t count, next, open;
	int last_errno;
	struct oc_timer stagger;
};
struct oc_pipe {
	struct oc_pipe *next;
	int fd[2]; /* read, write */
};
struct oc_flow {
	struct oc_pipe *pipe; /* while bytes are in it */
	size_t in_pipe;
	uint64_t bytes; /* that the far side took */
	bool eof, shut;
};
struct oc_side {
	struct oc_event event;
	bool readable, writable;
};
/*
 * What is needed as long as the client's bytes are looked into: data[0..len) has come, of it
 * [0..cleared) may be sent on, and [0..sent) was.
 */
struct oc_first_bytes {
	struct oc_check check;
	struct oc_watch watch;
	uint8_t *data;
	size_t len, cap, cleared, sent;
};

struct oc_conn {
	struct oc_grave grave; /* first */
	struct oc_list all, ready;
	struct oc_side client, peer;
	struct oc_flow flow[2]; /* 0: client to peer, 1: peer to client */
	struct oc_timer timer;	/* until it relays: the limits on setting up; then: idle */
	struct oc_waiter waiter;
	struct oc_addr dst;  /* as the client asked for it */
	struct oc_addr addr; /* of the peer */
	uint16_t port;
	bool held, named, checked, dialled, relaying, client_eof;
	enum oc_egress_check check;
	struct oc_rule_use *use;
	struct oc_egress_answer answer; /* its rule belongs to oc_eg.rules */
	struct oc_first_bytes *first;
	struct oc_dial *dial;
	uint64_t began, active;
	const char *protocol;
	char seen[OC_NAME_MAX + 1];
	char name[]; /* dialled name or "" */
};

/* A connection to a name (its synthetic address), or to dst itself where name is NULL. */
void oc_conn_decide(const struct oc_eg *g, const char *name, const struct oc_addr *dst,
		    uint16_t port, struct oc_egress_answer *a);
void oc_conn_listener(struct oc_eg *g, struct oc_event *e, uint32_t events);
void oc_conn_listen_again(struct oc_eg *g, struct oc_timer *t);
/* End it: record, reset or orderly close, release everything. */
void oc_conn_close(struct oc_eg *g, struct oc_conn *c, enum oc_egress_reason reason,
		   const char *detail);
/* The rules have changed: returns how many connections were closed. */
uint64_t oc_conn_recheck(struct oc_eg *g);
/*
 * Bound what the kernel holds for a socket, when many are open: what is sent by a server and not
 * read inside counts to the TCP memory of the whole machine, and not to the sandbox.
 */
void oc_conn_buffers(const struct oc_eg *g, int fd, bool inside);
/* Room behind data[0..len), NULL: there is none. */
uint8_t *oc_conn_room(struct oc_eg *g, struct oc_first_bytes *b);
/* dial.c: oc_conn_dialled is called when one address answers, oc_conn_close when none does. */
void oc_dial_start(struct oc_eg *g, struct oc_conn *c, const struct oc_addr *addr, size_t count);
void oc_dial_end(struct oc_eg *g, struct oc_conn *c);
void oc_conn_dialled(struct oc_eg *g, struct oc_conn *c, int fd, const struct oc_addr *addr);
/* relay.c */
void oc_relay_pump(struct oc_eg *g, struct oc_conn *c);
void oc_relay_end(struct oc_eg *g, struct oc_conn *c);

/* --- names.c: the DNS that the sandbox sees --- */

void oc_names_udp(struct oc_eg *g, struct oc_event *e, uint32_t events);
/* Takes over fd; refuses at its limits. */
void oc_names_tcp(struct oc_eg *g, int fd);

/* --- jail.c --- */

struct oc_jail {
	bool user, mount;
	int landlock; /* ABI, 0: none */
	uint64_t fds; /* that may be open */
};
/* All of it; only the namespaces may be missing. */
int oc_jail_enter(struct oc_jail *j, struct oc_err *err);

/* --- control.c --- */

/* Reads the first message from descriptor fd, and answers it.  1: there is something to do. */
int oc_control_start(struct oc_eg *g, int fd, struct oc_err *err);
void oc_control_event(struct oc_eg *g, struct oc_event *e, uint32_t events);
/* The answer to "stats", under that name or another. */
void oc_control_stats(struct oc_eg *g, const char *op);

/* --- end.c --- */

void oc_end(struct oc_eg *g);
/* Begin an answer: its object is open, "op" and "ok" are in it; send it (does not close it). */
void oc_control_answer(struct oc_json_writer *w, struct oc_buf *b, const char *op, bool ok);
void oc_control_send(struct oc_eg *g, const struct oc_buf *b);

/* --- ask.c: the message "test", once the rules are read and the control socket is watched --- */

int oc_ask(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m, struct oc_err *err);
/* Nothing but the end is expected from the monitor. */
void oc_ask_event(struct oc_eg *g, struct oc_event *e, uint32_t events);

/* --- all of it --- */

#define OC_PIPES_IDLE 8 /* kept open for reuse */
#define OC_PIPES_MAX                                                                               \
	256 /* held by connections whose far side is slow; beyond it bytes are copied */
#define OC_FIRST_BYTES_MAX (16u << 20)
#define OC_DNS_TCP_MAX	   64u

struct oc_eg {
	struct oc_jail jail;
	uint64_t now; /* microseconds of CLOCK_MONOTONIC, read once for each batch of events */
	struct oc_loop loop;
	struct oc_event control, listener[2], dns[2];
	struct oc_timer pause; /* of the listeners, when accept fails */
	struct oc_timer end;   /* its fn is set from the message "end" on */
	uint64_t end_by;
	struct oc_egress_rules rules;
	struct oc_synth *synth;
	struct oc_budgets budgets;
	struct oc_resolver *resolver;
	struct oc_eglog log;

	uint64_t max_connections, connect_us, first_bytes_us, idle_us;

	struct oc_list conns;
	uint64_t conn_count, dns_tcp_count;
	size_t first_bytes;
	struct oc_pipe *pipes;
	unsigned pipes_idle, pipes_open;
	struct {
		uint64_t accepted, allowed, refused, queries, answered, sent, received;
		uint64_t by_reason[OC_EGRESS_REASONS];
	} stats;
};

/* RST instead of FIN: the program sees an error, not the end of a stream. */
void oc_conn_reset(int fd);

#endif
