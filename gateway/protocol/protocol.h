/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol - what is said on a WebSocket: handshake, requests, responses, events.
 *
 * A hub (struct oc_gw) holds the connections; a connection is given whole messages and gives back
 * whole messages through the transport it was opened with.  It knows config and auth, and neither
 * sockets nor HTTP: a test drives it without any. It decides nothing about who may enter: that is
 * gateway/auth.  It must never start a program, and opens no file but the log (for logs.tail);
 * files of devices are gateway/auth's.
 *
 * One thread.  Every message is hostile until `connect` has succeeded, and well-formed at most
 * afterwards.
 */
#ifndef OC_GATEWAY_PROTOCOL_H
#define OC_GATEWAY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "gateway/auth/auth.h"
#include "gateway/config/config.h"
#include "gateway/log/log.h"

#define OC_GW_PROTOCOL	   4u
#define OC_GW_PROTOCOL_MIN 3u

/* Limits of one connection, in bytes and milliseconds. */
#define OC_GW_PREAUTH_BYTES   65536u
#define OC_GW_MAX_PAYLOAD     26214400u
#define OC_GW_MAX_BUFFERED    52428800u
#define OC_GW_HANDSHAKE_MS    15000u
#define OC_GW_TICK_MS	      30000u
#define OC_GW_CLOSE_GRACE_MS  1000u
#define OC_GW_PREAUTH_SOCKETS 32u /* of one address */

/* Close codes (RFC 6455 7.4 and IANA). */
enum oc_gw_close {
	OC_GW_CLOSE_NORMAL = 1000,
	OC_GW_CLOSE_PROTOCOL = 1002,
	OC_GW_CLOSE_DATA = 1003,
	OC_GW_CLOSE_UTF8 = 1007,
	OC_GW_CLOSE_POLICY = 1008,
	OC_GW_CLOSE_TOO_BIG = 1009,
	OC_GW_CLOSE_RESTART = 1012,
	OC_GW_CLOSE_LATER = 1013,
};

struct oc_gw;
struct oc_gw_conn;

/*
 * Of whoever holds the socket.  None of them may call back into the hub: they queue.  close() is
 * called at most once for a connection, after which nothing more is sent; oc_gw_closed follows from
 * the holder.
 */
struct oc_gw_transport {
	/* One text message; the bytes are copied.  False: it cannot be queued (out of memory); the
	 * holder closes. */
	bool (*send)(void *socket, const char *text, size_t len);
	/* Bytes queued and not yet given to the kernel. */
	size_t (*queued)(const void *socket);
	/* reason: UTF-8, at most 123 bytes. */
	void (*close)(void *socket, unsigned code, const char *reason);
	/* The handshake succeeded: large messages from now on, no deadline. */
	void (*authenticated)(void *socket);
	/* Call oc_gw_later after that time, once. */
	void (*later)(void *socket, unsigned ms);
};

struct oc_gw_options {
	struct oc_config *config; /* the snapshot at start; the hub takes a reference */
	struct oc_auth *auth;	  /* devices, limiter; not owned */
	const char *version;	  /* of the product, as in hello and status */
	struct oc_log *log;	  /* NULL: none; logs.tail reads its file */
	const struct oc_gw_transport *transport;
	int64_t (*now_ms)(void); /* wall clock */
	int64_t (*mono_ms)(void);
	pid_t launcher; /* pid that `status` tells */
};

struct oc_gw *oc_gw_new(const struct oc_gw_options *opt);
void oc_gw_free(struct oc_gw *g);

/* A reloaded snapshot: from now on.  Tells `config.changed`. */
void oc_gw_set_config(struct oc_gw *g, struct oc_config *config);

/* Until it is ready, `connect` is answered with UNAVAILABLE and 1013. */
void oc_gw_set_ready(struct oc_gw *g, bool ready);

/* An upgraded socket: sends connect.challenge.  facts is copied.  NULL: out of memory. */
struct oc_gw_conn *oc_gw_open(struct oc_gw *g, void *socket, const struct oc_auth_peer *facts);

/* One whole message, valid UTF-8 or not, of at most the bytes that its state allows (the holder saw
 * to that). */
void oc_gw_message(struct oc_gw_conn *c, const char *text, size_t len);

/* The socket is gone; c is freed. */
void oc_gw_closed(struct oc_gw_conn *c);

/* What was asked for by transport->later: an answer that was held back. */
void oc_gw_later(struct oc_gw_conn *c);

bool oc_gw_authenticated(const struct oc_gw_conn *c);

/* About once a second: `tick`, `presence` and `health` when they are due; requests of devices grow
 * old. */
void oc_gw_second(struct oc_gw *g);

/* Broadcast `shutdown`, admit no more, close all with 1012.  restart_ms < 0: a stop for good. */
void oc_gw_shutdown(struct oc_gw *g, const char *reason, int64_t restart_ms);

/* Numbers for /readyz and the log. */
struct oc_gw_counts {
	size_t connections, authenticated;
	uint64_t requests, events, dropped;
	int64_t uptime_ms;
};
void oc_gw_counts(const struct oc_gw *g, struct oc_gw_counts *out);

#endif
