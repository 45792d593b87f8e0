/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - between the files of auth.
 */
#ifndef OC_GATEWAY_AUTH_INTERNAL_H
#define OC_GATEWAY_AUTH_INTERNAL_H

#include "gateway/auth/auth.h"

/* --- secret.c: comparison, encoding, randomness --- */

/* Constant time, and no length shows: both sides are hashed first.  NULL or "" never equals anything. */
bool oc_secret_equal(const char *a, const char *b);
/* Base64, either alphabet, with or without padding.  Returns the number of bytes, -1. */
int oc_base64_decode(const char *text, unsigned char *out, size_t size);
/* Base64url without padding, NUL-terminated; out has room for 4 * ((n + 2) / 3) + 1. */
void oc_base64url_encode(const unsigned char *data, size_t n, char *out);
/* UUID v4 as text.  Ends the process if the kernel has no random bytes. */
void oc_uuid(char out[37]);
/* HMAC-SHA256 as base64url (43 characters). */
int oc_hmac_text(const unsigned char key[32], const char *text, char out[44]);

/* --- device.c: proof of a device --- */

struct oc_proof { /* NULL code: proven */
	const char *code, *reason, *message;
};
#define OC_DEVICE_SKEW_MS 120000
/* id, token, role and scopes as in spec 1.6; now_ms is the server's clock. */
struct oc_proof oc_device_prove(struct oc_arena *a, const struct oc_auth_connect *p);
/* Text that is signed; version 2 or 3. */
const char *oc_device_payload(struct oc_arena *a, const struct oc_auth_connect *p, int version);
/* 32 raw bytes of base64url or of a PEM SPKI text; -1. */
int oc_device_key(const char *text, unsigned char out[32]);
/* Trimmed, A-Z to a-z, "" for NULL. */
const char *oc_device_plain(struct oc_arena *a, const char *s);

/* --- limit.c: failed attempts --- */

enum oc_limit_class { OC_LIMIT_SHARED, OC_LIMIT_DEVICE, OC_LIMIT_CLASSES };
#define OC_LIMIT_KEYS 4096
struct oc_limit;
struct oc_limit *oc_limit_new(void);
void oc_limit_free(struct oc_limit *l);
/* Milliseconds until that key may try again, 0: now. */
unsigned oc_limit_locked(const struct oc_limit *l, enum oc_limit_class class, const char *key, int64_t mono_ms);
/* Count one wrong credential; exempt: never locks.  Returns how long to hold the answer back. */
unsigned oc_limit_failed(struct oc_limit *l, const struct oc_config *c, enum oc_limit_class class,
			 const char *key, bool exempt, int64_t mono_ms);
void oc_limit_passed(struct oc_limit *l, enum oc_limit_class class, const char *key);
void oc_limit_tick(struct oc_limit *l, int64_t mono_ms);

/* --- store.c: paired devices and pending requests --- */

enum { oc_devices_max = 1024, oc_pending_max = 64, oc_pending_ms = 300000 };

struct oc_token { /* of one device in one role */
	char *role, *serial;
	char *legacy; /* a token that another program stored as it is; NULL: derived from the serial */
	struct oc_scopes scopes;
	int64_t created_ms, rotated_ms, used_ms, revoked_ms; /* 0: never */
	struct oc_token *next;
};
struct oc_device {
	char *id, *key, *name, *label, *platform, *family, *client_id, *client_mode, *ip;
	struct oc_scopes roles, scopes; /* approved */
	int64_t created_ms, approved_ms;
	struct oc_token *tokens;
	struct oc_device *next;
};
struct oc_pending {
	char id[37];
	char *device, *key, *name, *platform, *family, *client_id, *client_mode, *ip, *role;
	const char *reason;
	struct oc_scopes scopes;
	bool repair; /* the device is known */
	int64_t created_ms, seen_ms;
	struct oc_pending *next;
};
struct oc_auth {
	int dir; /* <state>/devices */
	unsigned char key[32];
	struct oc_device *devices;
	struct oc_pending *pending;
	struct oc_limit *limit;
	bool dirty; /* something small changed that need not be on disk at once */
};

struct oc_device *oc_store_find(const struct oc_auth *a, const char *id);
struct oc_token *oc_store_token(const struct oc_device *d, const char *role);
/* The token's text. */
int oc_store_token_text(const struct oc_auth *a, const struct oc_device *d, const struct oc_token *t,
			struct oc_arena *arena, const char **out);
int oc_store_save(struct oc_auth *a, struct oc_err *err);
/* Make or widen a device so that it has role and scopes; the token of that role gets them too.  Not saved. */
struct oc_device *oc_store_approve(struct oc_auth *a, const struct oc_pending *p, int64_t now_ms);
/* A token for role, made if it is not there or revoked.  Not saved. */
struct oc_token *oc_store_issue(struct oc_device *d, const char *role, const struct oc_scopes *scopes,
				int64_t now_ms, bool *made);
void oc_store_new_serial(struct oc_token *t);
void oc_store_remove(struct oc_auth *a, struct oc_device *d);
void oc_device_free(struct oc_device *d);
struct oc_pending *oc_pending_find(const struct oc_auth *a, const char *id);
struct oc_pending *oc_pending_of(const struct oc_auth *a, const char *device);
/* The request of this device: the old one if nothing changed, else a new one; *replaced gets the id of the one that is gone. */
struct oc_pending *oc_pending_put(struct oc_auth *a, const struct oc_pending *like, int64_t now_ms,
				  char replaced[37]);
void oc_pending_drop(struct oc_auth *a, struct oc_pending *p);
void oc_pending_clear(struct oc_pending *p);

void oc_store_rename(struct oc_device *d, const char *label);
/* The token is worthless, and the role has to be approved again. */
void oc_store_revoke(struct oc_device *d, struct oc_token *t, int64_t now_ms);

/* --- connect.c: texts --- */
void oc_pending_write(struct oc_json_writer *w, const struct oc_pending *p);
const char *oc_pending_text(struct oc_arena *a, const struct oc_pending *p);
const char *oc_resolved_text(struct oc_arena *a, const char *request, const char *device,
			     const char *decision, int64_t now_ms);

/* --- scopes.c --- */
bool oc_scopes_has(const struct oc_scopes *s, const char *one);
struct oc_scopes oc_scopes_copy(const struct oc_scopes *s); /* on the heap */
void oc_scopes_free(struct oc_scopes *s);
/* Add what is not there, on the heap. */
void oc_scopes_add(struct oc_scopes *s, const struct oc_scopes *more);
/* Of asked what by grants, in the arena. */
struct oc_scopes oc_scopes_within(struct oc_arena *a, const struct oc_scopes *asked, const struct oc_scopes *by);
/* "a, b" */
struct oc_scopes oc_scopes_parse(struct oc_arena *a, const char *text);
void oc_scopes_write(struct oc_json_writer *w, const struct oc_scopes *s);
/* What the proxy's user may do: grants of the configuration, capped by x-openclaw-scopes. */
struct oc_scopes oc_scopes_of_user(struct oc_arena *a, const struct oc_config *c, const struct oc_auth_peer *peer);
struct oc_scopes oc_scopes_capped(struct oc_arena *a, const struct oc_scopes *s, const struct oc_auth_peer *peer);

/* --- decide.c --- */

enum oc_pair_op { OC_PAIR_NONE, OC_PAIR_ASK, OC_PAIR_APPROVE };
struct oc_auth_effects {
	int failed, passed; /* enum oc_limit_class, -1: none */
	bool exempt;	    /* a failure never locks */
	char key[200];	    /* of the counters */
	enum oc_pair_op pair;
	const char *reason; /* not-paired, ... */
	bool issue;	    /* hand out the token of (device, role) */
};
/* Pure.  With OC_PAIR_ASK the verdict is a refusal whose details the caller writes. */
void oc_auth_decide(const struct oc_auth *a, const struct oc_config *c, const struct oc_auth_peer *peer,
		    const struct oc_auth_connect *p, struct oc_arena *arena, struct oc_auth_verdict *v,
		    struct oc_auth_effects *fx);
/* Key of the counters for this client, and whether it is exempt. */
void oc_auth_limit_key(const struct oc_config *c, const struct oc_auth_peer *peer, struct oc_auth_effects *fx);

#endif
