/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of this room share.
 */
#ifndef OC_GATEWAY_PROTOCOL_INTERNAL_H
#define OC_GATEWAY_PROTOCOL_INTERNAL_H

#include "base/arena.h"
#include "base/json.h"
#include "gateway/protocol/protocol.h"

#define OC_UUID_SIZE 37

enum oc_conn_state {
	OC_CONN_CHALLENGED, /* waits for connect */
	OC_CONN_HELD,	    /* refused; the answer goes out in a moment */
	OC_CONN_OPEN,	    /* hello-ok was sent */
	OC_CONN_CLOSING,    /* close was asked for: nothing is sent or heard any more */
};

/* What a connection knows once it is open: one allocation with its texts behind it, for there are
 * thousands of them. */
struct oc_identity {
	const char *role;
	struct oc_scopes scopes;
	const char *device_id, *user; /* NULL: none */
	enum oc_auth_method method;
	bool owner;
	const char *client_id, *mode, *version, *platform, *device_family, *display_name,
		*instance_id;
	const char *ip; /* NULL: loopback or unknown */
};

struct oc_gw_conn {
	struct oc_gw *gw;
	struct oc_gw_conn *prev, *next;
	void *socket;
	enum oc_conn_state state;
	unsigned protocol;
	unsigned wrong_role; /* in a row */
	uint64_t seq;
	int64_t since_ms;
	char id[OC_UUID_SIZE];
	struct oc_challenge *challenge; /* until hello */
	struct oc_identity *who;	/* from hello on */
};

struct oc_challenge {
	char nonce[OC_UUID_SIZE];
	struct oc_auth_peer peer;
	/* An answer that is held back. */
	char *held;
	unsigned held_code;
	char held_reason[124];
};

/* Of somebody who has gone. */
struct oc_left {
	char key[80], host[80], version[32], platform[48], family[48], mode[16], instance[64],
		device[72];
	int64_t ts;
};
#define OC_PRESENCE_MAX	   200u
#define OC_PRESENCE_TTL_MS 300000

struct oc_gw {
	struct oc_gw_options opt;
	struct oc_config *config;
	struct oc_gw_conn *conns;
	struct oc_gw_counts counts;
	bool ready, stopping, presence_changed;
	int64_t started_mono, next_tick, next_presence, next_health;
	uint64_t presence_version, health_version;
	struct oc_left *left; /* OC_PRESENCE_MAX, oldest is overwritten */
	size_t left_count;
	unsigned char hash_key[32];
	char boot_id[OC_UUID_SIZE], host[65], platform[96];
};

/* --- calls --- */
struct oc_gw_call {
	struct oc_gw *gw;
	struct oc_gw_conn *conn;
	const char *method, *id;
	const struct oc_json *params; /* NULL: absent, or an object */
	struct oc_arena *arena;
	struct oc_json_writer *out; /* the handler writes exactly one value: the payload */
	/* Failure; texts live in the arena or are constants. */
	const char *code, *message, *details; /* details: JSON text or NULL */
	bool retryable;
	unsigned retry_after_ms;
	bool wrong_role; /* another of those counts towards the limit */
	/* After the answer: close the sockets of that device (of one role, or NULL). */
	const char *drop_device, *drop_role;
};
/* 0: the payload is written; -1: code and message are set. */
typedef int oc_gw_handler(struct oc_gw_call *call);

struct oc_gw_method {
	const char *name;
	const char *scope; /* NULL: every authenticated operator */
	oc_gw_handler *fn;
};
extern const struct oc_gw_method oc_gw_method_table[];
const struct oc_gw_method *oc_gw_method_find(const char *name);
__attribute__((format(printf, 3, 4))) int oc_gw_refuse(struct oc_gw_call *call, const char *code,
						       const char *fmt, ...);
/* "invalid <method> params: at /<key>: <text>" */
__attribute__((format(printf, 3, 4))) int oc_gw_bad_param(struct oc_gw_call *call, const char *key,
							  const char *fmt, ...);
/* An optional whole number; *have says whether it was there. */
int oc_gw_param_int(struct oc_gw_call *call, const char *key, int64_t min, int64_t max, bool *have,
		    int64_t *out);
int oc_gw_param_bool(struct oc_gw_call *call, const char *key, bool *out);

oc_gw_handler oc_m_health, oc_m_status, oc_m_presence, oc_m_last_heartbeat, oc_m_config_get,
	oc_m_logs_tail, oc_m_device, oc_m_agents_list;
void oc_gw_write_health(struct oc_gw *g, struct oc_json_writer *w);
void oc_gw_write_presence(struct oc_gw *g, struct oc_json_writer *w);
void oc_gw_write_defaults(struct oc_gw *g, struct oc_json_writer *w);
const char *oc_gw_config_hash(struct oc_gw *g, struct oc_arena *a, const char *hash);

/* --- frames --- */
struct oc_frame {
	const char *type, *id, *method;
	const struct oc_json *params;
	bool is_request;   /* type is req and everything is as the schema says */
	const char *wrong; /* why it is not */
};
/* Pure.  False: not JSON, or not an object. */
bool oc_frame_parse(struct oc_arena *a, const char *text, size_t len, size_t max,
		    struct oc_frame *out);
void oc_frame_error(struct oc_buf *b, const char *id, const char *code, const char *message,
		    const char *details, bool retryable, unsigned retry_after_ms);
/* {"type":"res","id":..,"ok":true,"payload": */
void oc_frame_result(struct oc_json_writer *w, struct oc_buf *b, const char *id);
void oc_jw_text(struct oc_json_writer *w, const char *json);
void oc_jw_member(struct oc_json_writer *w, const char *key,
		  const char *value); /* nothing if value is NULL */

/* --- connect --- */
struct oc_connect {
	int64_t min, max;
	struct oc_auth_connect auth;
	struct oc_auth_device device;
	const char *instance_id;
};
/* Pure: 0, or -1 and why ("at /client/id: ..."). */
int oc_connect_parse(struct oc_arena *a, const struct oc_json *params, struct oc_connect *out,
		     const char **why);
void oc_gw_connect(struct oc_gw_conn *c, const struct oc_frame *f, struct oc_arena *a);
void oc_gw_hello(struct oc_gw_conn *c, const char *id, const struct oc_auth_verdict *v,
		 struct oc_buf *b);

/* --- the hub --- */
/* False: nothing more may be sent to c. */
bool oc_gw_send(struct oc_gw_conn *c, const struct oc_buf *b);
void oc_gw_close(struct oc_gw_conn *c, unsigned code, const char *reason);
/* payload: JSON text.  version: with stateVersion. */
void oc_gw_broadcast(struct oc_gw *g, const char *event, const char *payload, bool version);
void oc_gw_dispatch(struct oc_gw_conn *c, const struct oc_frame *f, struct oc_arena *a);
void oc_gw_remember_left(struct oc_gw *g, const struct oc_gw_conn *c);
bool oc_gw_shows_presence(const struct oc_gw_conn *c);
/* Close the sockets of a device (of one role, or NULL). */
void oc_gw_drop_device(struct oc_gw *g, const char *device, const char *role);
void oc_gw_uuid(char out[OC_UUID_SIZE]);
/* Pure: does an event go to somebody with these scopes and role? */
bool oc_gw_event_allowed(const char *event, const char *role, const struct oc_scopes *scopes);

#endif
