/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one decision as one line of JSON.
 *
 * {"time":"2026-01-02T03:04:05.678Z","event":"connect","decision":"allow","name":"a.example","address":"192.0.2.1","port":443,"protocol":"tls",
 *  "rule":"a.example","reason":"allowed","sent":1,"received":2,"duration_us":3400}
 * Keys that have no value are left out; "decision" and "reason" are always there.  The line ends with \n and has no other control byte,
 * nothing that is not UTF-8, and nothing that reorders text: it may be shown on a terminal as it is.
 */
#ifndef OC_NETNS_POLICY_RECORD_H
#define OC_NETNS_POLICY_RECORD_H

#include "base/arena.h"
#include "netns/policy/rules.h"

struct oc_record {
	int64_t time_ns;   /* since the epoch, UTC */
	const char *event; /* "query", "connect", "close", "packet", "rule", "drop" */
	bool allowed;
	enum oc_egress_reason reason;
	const char *name;	    /* as asked for: hostile text; NULL: none */
	const struct oc_addr *addr; /* NULL: none */
	uint16_t port;		    /* 0: none */
	const char *protocol;	    /* "tls", "http", "tcp", "dns", "udp", ...; NULL: none */
	const char *type;	    /* of a query; NULL */
	const char *rule;	    /* its text; NULL */
	const char *seen;	    /* name in the client's first bytes; NULL or "" */
	const char *detail;	    /* NULL */
	enum oc_addr_class addr_class; /* written if it is not PUBLIC */
	bool has_traffic;	    /* sent, received, duration_us are set */
	uint64_t sent, received;    /* bytes to and from the peer */
	uint64_t duration_us;
	uint64_t dropped;	    /* records left out before this one (rate limit); written if not 0 */
};

/* Append the line to out. */
void oc_record_write(struct oc_buf *out, const struct oc_record *r);

/* "2026-01-02T03:04:05.678Z"; out of range (before 1970, after 9999) is cut to the range. */
void oc_record_time(int64_t time_ns, char out[25]);

#endif
