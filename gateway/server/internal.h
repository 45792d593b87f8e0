/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of this room share.
 */
#ifndef OC_GATEWAY_SERVER_INTERNAL_H
#define OC_GATEWAY_SERVER_INTERNAL_H

#include <openssl/ssl.h>
#include <uv.h>

#include "base/arena.h"
#include "gateway/auth/auth.h"
#include "gateway/log/log.h"
#include "gateway/protocol/protocol.h"
#include "gateway/server/server.h"
#include "gateway/server/wsframe.h"
#include "netns/policy/addr.h"
#include "netns/policy/http.h"

#define OC_LISTEN_MAX 4

/* --- between the two processes --- */
enum oc_note_type { OC_NOTE_READY = 1, OC_NOTE_FAILED, OC_NOTE_STOP, OC_NOTE_CONFIG };
struct oc_note {
	uint32_t type;
	struct oc_err err; /* FAILED; CONFIG without a descriptor: why the new one is not taken */
};
/* fd: passed along, -1: none. */
int oc_note_send(int sock, const struct oc_note *n, int fd);
/* 1: *out and *fd; 0: the other side is gone; -1: nothing now, or an error (errno). */
int oc_note_receive(int sock, struct oc_note *out, int *fd);

/* --- the lock and the listening sockets (launcher) --- */
int oc_lock_take(int state_fd, struct oc_err *err);
int oc_lock_tell(int lock_fd, uint16_t port, int64_t started_ms, struct oc_err *err);
/* fds in the order of config->listen; port: the one asked for, or the one that was free. */
int oc_listen(const struct oc_config *c, int fds[OC_LISTEN_MAX], size_t *count, uint16_t *port,
	      struct oc_err *err);

/* --- the jail --- */
struct oc_gw_jail {
	int landlock;	  /* ABI, 0: there is none */
	bool net, scopes; /* Landlock's rules for ports, and for signals and abstract sockets */
	unsigned long fds;
};
/* dirs: descriptors of directories that stay writable. */
int oc_gw_jail_enter(const int *dirs, size_t count, struct oc_gw_jail *out, struct oc_err *err);

/* --- the network process --- */
enum oc_sock_state {
	OC_SOCK_TLS, /* its handshake */
	OC_SOCK_HTTP,
	OC_SOCK_WS,
	OC_SOCK_LINGER, /* everything is said: wait for the other side to go, so that it gets to
			   read it */
	OC_SOCK_DEAD,
};

/* Sockets of one address that have not proven anything. */
struct oc_count {
	struct oc_count *next;
	struct oc_addr addr;
	unsigned n;
};
#define OC_COUNT_BUCKETS 256u
struct oc_counts {
	struct oc_count *bucket[OC_COUNT_BUCKETS];
};
/* NULL: max are there. */
struct oc_count *oc_count_take(struct oc_counts *t, const struct oc_addr *a, unsigned max);
void oc_count_drop(struct oc_counts *t, struct oc_count **c);

struct oc_ws {
	struct oc_ws_in in;
	struct oc_buf message;
	struct oc_gw_conn *conn;
	int64_t later; /* oc_gw_later is due, 0: not */
	bool close_sent, close_asked;
	unsigned close_code;
	char close_reason[124];
};

struct oc_sock {
	uv_poll_t poll;
	struct oc_server *srv;
	struct oc_sock *prev, *next;
	SSL *tls;
	int fd, events;
	enum oc_sock_state state;
	struct oc_addr peer;
	int64_t deadline; /* monotonic, 0: none */
	struct oc_buf in; /* bytes that wait: a head that is not complete, or what came while out
			     was full */
	struct oc_http_reader *reader; /* of that head */
	struct oc_buf out;
	size_t out_at;
	struct oc_count *heads, *preauth;
	struct oc_ws *ws;
	struct oc_sock *dirty_prev,
		*dirty_next; /* of those that have something to be flushed before the loop sleeps */
	bool tls_wants_write, close_after; /* when out is sent */
	bool eof, paused, dirty;
};

struct oc_server {
	uv_loop_t loop;
	uv_timer_t second, deadlines;
	uv_prepare_t before_sleep;
	uv_poll_t listen[OC_LISTEN_MAX], control;
	int listen_fd[OC_LISTEN_MAX], control_fd;
	size_t listen_count;
	struct oc_config *config;
	struct oc_log *log;
	struct oc_auth *auth;
	struct oc_gw *gw;
	SSL_CTX *tls;
	struct oc_sock *socks, *dirty;
	size_t sock_count, sock_max;
	struct oc_counts heads, preauth;
	bool stopping, accept_paused;
	int64_t stop_deadline, next_deadline;
	const char *version;
	struct oc_gw_jail jail;
	uint8_t input[65536];
};

/* The child's main; never returns. */
struct oc_network_start {
	const struct oc_server_options *opt;
	int control_fd;
	const int *listen_fds;
	size_t listen_count;
	uint16_t port;
	pid_t launcher;
};
_Noreturn void oc_network_main(const struct oc_network_start *start);

int64_t oc_mono_ms(void);
int64_t oc_wall_ms(void);
void oc_deadline_set(struct oc_sock *s, int64_t in_ms);
void oc_deadlines_arm(struct oc_server *srv, int64_t in_ms);

/* sock.c */
void oc_sock_accept(struct oc_server *srv, int listen_fd);
void oc_sock_close(struct oc_sock *s);	/* at once */
void oc_sock_finish(struct oc_sock *s); /* after out is sent, politely */
void oc_sock_queue(struct oc_sock *s, const void *data, size_t len);
size_t oc_sock_queued(const struct oc_sock *s);
void oc_sock_flush(struct oc_sock *s);
void oc_sock_mark(struct oc_sock *s); /* flush it before the loop sleeps */
void oc_sock_due(struct oc_sock *s, int64_t now);
#define OC_SOCK_PAUSE (1u << 20) /* above that nothing more is read of who does not read */

/* tls.c */
int oc_tls_context(const struct oc_config *c, SSL_CTX **out, struct oc_err *err);

/* http.c: p[0..n) came; heads are collected in s->in. */
void oc_http_bytes(struct oc_sock *s, const uint8_t *p, size_t n);
const char *oc_http_header(const uint8_t *head, size_t len, struct oc_arena *a, const char *name);
void oc_http_answer(struct oc_sock *s, int status, const char *type, const char *extra,
		    const char *body, bool head_only, bool close);

/* upgrade.c */
void oc_ws_upgrade(struct oc_sock *s, const uint8_t *head, const struct oc_http_head *h,
		   const char *path);

/* ws.c */
void oc_ws_start(struct oc_sock *s, const struct oc_auth_peer *peer);
void oc_ws_bytes(struct oc_sock *s, uint8_t *p, size_t n);
void oc_ws_gone(struct oc_sock *s);
extern const struct oc_gw_transport oc_ws_transport;

#endif
