/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth - who may enter, as what, with which scopes.
 *
 * The decision (oc_auth_decide) is a pure function of the facts of one connection, the configuration's snapshot, the device
 * store and the counters of failed attempts; tests/unit/test_auth.c goes through it row by row.  oc_auth_connect applies what it decided.
 * Nothing here reads a socket or sends a byte.  Nothing enters by default: a verdict starts as a refusal.
 * Secrets are compared by their SHA-256 in constant time, and never put into a message.
 *
 * Order for a WebSocket: oc_auth_peer_resolve (at the upgrade: who is this, may it go on at all) -> protocol range (the caller's) -> oc_auth_connect.
 * For HTTP: oc_auth_peer_resolve -> oc_auth_http.
 */
#ifndef OC_GATEWAY_AUTH_AUTH_H
#define OC_GATEWAY_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "gateway/config/config.h"
#include "netns/policy/addr.h"

/* --- scopes --- */

struct oc_scopes {
	const char **list;
	size_t count;
};
/* True if scopes grant need: exact, admin grants all of operator.*, write implies read and talk. */
bool oc_scopes_allow(const struct oc_scopes *s, const char *need);
/* True if everything in asked is granted by s. */
bool oc_scopes_cover(const struct oc_scopes *s, const struct oc_scopes *asked);
/* What a shared secret over HTTP gives: admin approvals pairing read talk.secrets write. */
extern const struct oc_scopes oc_scopes_full;

/* --- who is at the other end --- */

/* One request's head as the server parsed it; need not live longer than the call. */
struct oc_auth_request {
	struct oc_addr peer;  /* of the socket */
	struct oc_addr local; /* our end of it */
	/* Value of a header by its lower-case name, several joined with ", "; NULL: not there. */
	const char *(*header)(void *ctx, const char *name);
	void *ctx;
};

/* What is known of the other end from the head: plain data, may be copied; kept until `connect` is answered. */
struct oc_auth_peer {
	struct oc_addr ip;	     /* family 0: unknown */
	char text[OC_ADDR_TEXT_MAX]; /* "" if unknown */
	bool forwarded;		     /* a Forwarded, X-Forwarded-* or X-Real-IP header is there */
	bool from_proxy;	     /* the peer is in gateway.trustedProxies */
	bool loopback;		     /* ip is loopback */
	bool local_direct;	     /* loopback, nothing forwarded, Host names loopback */
	bool has_origin, origin_ok;  /* origin_ok is also true where no origin is needed */
	bool origin_foreign;	     /* there is one, and its host is not loopback */
	const char *origin_why;	     /* if not ok: for details.reason */
	char origin[160];	     /* normalised scheme://host[:port], "" if it cannot be parsed */
	char user[192];		     /* mode trusted-proxy: who the proxy says it is, "" if proxy_why */
	char proxy_why[128];	     /* mode trusted-proxy: why its word does not count, "" if it does */
	bool scopes_capped;	     /* x-openclaw-scopes is there */
	char scopes[512];	     /* its value */
	/* Not NULL: refuse now, HTTP 403 of that type ("proxy_attribution_required"); probes may be answered all the same. */
	const char *reject;
};
void oc_auth_peer_resolve(const struct oc_config *c, const struct oc_auth_request *r, struct oc_auth_peer *out);

/* --- the store of devices and the counters --- */

struct oc_auth; /* device store, pending requests, failed attempts; one per gateway */

/* Read <state>/devices.  state: descriptor of the state directory; it is kept open (a duplicate), and is all that is needed later. */
int oc_auth_open(int state, struct oc_auth **out, struct oc_err *err);
void oc_auth_close(struct oc_auth *a);

/* --- connect --- */

#define OC_AUTH_NONCE_MAX 64
struct oc_auth_device {
	const char *id, *public_key, *signature, *nonce;
	int64_t signed_at;
};
/* connect.params after the schema check (strings not NULL where the schema requires them). */
struct oc_auth_connect {
	const char *client_id, *client_mode, *client_version, *platform;
	const char *device_family, *display_name; /* NULL: absent */
	const char *role;			  /* NULL: operator */
	struct oc_scopes scopes;
	const char *token, *password, *device_token, *bootstrap_token; /* NULL: absent */
	const struct oc_auth_device *device;			       /* NULL: absent */
	const char *challenge;					       /* the nonce that was sent on this socket */
	int64_t now_ms;	 /* wall clock */
	int64_t mono_ms; /* monotonic clock, for the counters */
};

enum oc_auth_method {
	OC_AUTH_BY_NOTHING, /* mode none */
	OC_AUTH_BY_TOKEN,
	OC_AUTH_BY_PASSWORD,
	OC_AUTH_BY_DEVICE_TOKEN,
	OC_AUTH_BY_PROXY,
};
const char *oc_auth_method_name(enum oc_auth_method m); /* "none", "token", "password", "device-token", "trusted-proxy" */

/* All texts live in the arena that was given, or are constants. */
struct oc_auth_verdict {
	bool ok;

	/* ok */
	enum oc_auth_method method;
	const char *role;
	struct oc_scopes scopes; /* what dispatch enforces on this socket */
	const char *device_id;	 /* proven; NULL: none */
	const char *user;	 /* trusted-proxy; NULL */
	const char *device_token; /* to be sent in hello-ok.auth.deviceToken; NULL: none */
	int64_t device_token_issued_ms;
	bool owner; /* shared secret, mode none on loopback: the operator himself */

	/* not ok: one res, then close */
	const char *code, *message; /* error.code, error.message */
	const char *details;	    /* JSON object as text, NULL: none */
	bool retryable;
	unsigned retry_after_ms; /* 0: absent */
	unsigned close_code;
	const char *close_reason; /* at most 123 bytes */
	int http_status;	  /* for oc_auth_http: 401, 403, 429 */

	/* in both cases: payloads to broadcast, JSON texts, NULL: none */
	const char *pair_requested; /* device.pair.requested */
	const char *pair_resolved;  /* device.pair.resolved: an older request that this one replaced or an automatic approval */
	unsigned delay_ms;	    /* hold the answer back that long (wrong secret from loopback) */
	const char *log;	    /* one line for the log, without secrets */
};

/* Decide and apply: counters, pairing, tokens.  Writing the store is the only effect outside memory; if that fails: UNAVAILABLE. */
void oc_auth_connect(struct oc_auth *a, const struct oc_config *c, const struct oc_auth_peer *peer,
		     const struct oc_auth_connect *p, struct oc_arena *arena, struct oc_auth_verdict *out);

/* An HTTP request that needs authentication: authorization is that header or NULL. */
void oc_auth_http(struct oc_auth *a, const struct oc_config *c, const struct oc_auth_peer *peer, const char *authorization,
		  int64_t now_ms, int64_t mono_ms, struct oc_arena *arena, struct oc_auth_verdict *out);

/* --- device.* methods --- */

struct oc_auth_caller { /* who calls: from the verdict of the socket */
	struct oc_scopes scopes;
	const char *device_id; /* NULL: none */
	bool by_device_token;
};
struct oc_auth_answer {
	bool ok;
	const char *payload;	    /* ok: JSON */
	const char *code, *message; /* not ok */
	const char *details;	    /* JSON or NULL */
	const char *event, *event_payload; /* to broadcast: "device.pair.resolved" or NULL */
	const char *drop_device;    /* close the sockets of this device (revoked, removed, rotated); NULL */
	const char *drop_role;	    /* only those of this role; NULL: all */
};
/*
 * method: device.pair.list|approve|reject|remove|rename, device.token.rotate|revoke; the caller has operator.pairing (checked
 * here once more).  params may be NULL.  Returns false if there is no such method.
 */
bool oc_auth_call(struct oc_auth *a, const struct oc_auth_caller *caller, const char *method, const struct oc_json *params,
		  int64_t now_ms, struct oc_arena *arena, struct oc_auth_answer *out);
extern const char *const oc_auth_methods[]; /* NULL-terminated: for features.methods */

/* Drop expired pending requests and old counters; at most once a second is enough. */
void oc_auth_tick(struct oc_auth *a, int64_t now_ms, int64_t mono_ms);

#endif
