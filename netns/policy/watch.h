/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - what else a client says on a connection whose first bytes were accepted.
 *
 * A name that was checked once can be changed later, in the open:
 *
 * TLS   After HelloRetryRequest the client sends a second ClientHello, and servers take the name of
 *       that one.  So nothing goes on to the server until its first message is seen; if that may be
 *       a HelloRetryRequest (RFC 8446 4.1.3), the second ClientHello is checked like the first.
 * HTTP  A connection is kept alive: every request is checked.  What frames a request differently
 *       for two servers (Content-Length with Transfer-Encoding, other codings, bare LF) is refused.
 *       A request for a WebSocket, or CONNECT, is held until the server has agreed or not: only the
 *       first request of a connection may be one, and only without a body.  Any other upgrade (h2c
 *       and TLS carry names of their own) may be asked for, but what follows must be HTTP/1 still.
 *
 * Pure.  The caller shows the client's bytes that were not let pass yet, from the first of them.
 */
#ifndef OC_NETNS_POLICY_WATCH_H
#define OC_NETNS_POLICY_WATCH_H

#include "netns/policy/check.h"

#define OC_WATCH_SERVER_BYTES 64u /* are always enough for oc_watch_server */

enum oc_watch_state {
	OC_WATCH_OVER, /* everything passes from here on */
	OC_WATCH_TLS_SERVER,
	OC_WATCH_TLS_RETRY,
	OC_WATCH_HTTP_SERVER,
	OC_WATCH_HTTP_HEAD,
	OC_WATCH_HTTP_CHUNK,
	OC_WATCH_HTTP_CHUNK_END,
	OC_WATCH_HTTP_TRAILER,
};

struct oc_watch {
	enum oc_watch_state state;
	uint64_t skip; /* bytes of the client that pass unseen, before the state is looked at */
	struct oc_check check;
	size_t server_seen, trailer;
	bool early_data, retry, connect;
};

/* c: has just returned OK.  skip is the length of what it read then. */
void oc_watch_begin(struct oc_watch *w, const struct oc_check *c, const struct oc_egress_answer *a);
/*
 * skip is 0 and the watch is not over; p[0..n): what has come next.  OK: skip or state has changed.
 * MORE: not enough, or it is the server's turn.  BAD: with *reason; check.detail and check.seen.
 */
enum oc_first oc_watch_client(struct oc_watch *w, const struct oc_egress_answer *a,
			      const char *name, const struct oc_addr *addr, const uint8_t *p,
			      size_t n, enum oc_egress_reason *reason);
/* Nothing of the server's may be passed on before oc_watch_server has said true. */
bool oc_watch_waits(const struct oc_watch *w);
/* p[0..n): the first bytes of the server, n 0: its end.  False: show me more of them. */
bool oc_watch_server(struct oc_watch *w, const uint8_t *p, size_t n);

#endif
