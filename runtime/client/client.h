/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - the inside of libocsandbox.
 *
 *     open.c     a sandbox comes to be: oc-sandbox start, or a door that is there; then the
 * connection send.c     what goes out: commands, signals, requests; what the socket does not take
 * waits receive.c  what comes in: answers and events, told apart and checked event.c    one event
 * after another for the caller request.c  the calls that wait for an answer
 *
 * The monitor is trusted with the caller's descriptors and with nothing else: a message that is not
 * what wire.h says ends the connection.  Must never: wait, but for the calls that say so; raise
 * SIGPIPE; give away a descriptor that an exec of the caller would inherit.
 */
#ifndef OC_RUNTIME_CLIENT_CLIENT_H
#define OC_RUNTIME_CLIENT_CLIENT_H

#include "base/json.h"
#include "runtime/client/ocsandbox.h"
#include "runtime/session/door.h"

#define OC_CLIENT_ANSWER_MAX (512u << 10)
#define OC_CLIENT_FDS	     8 /* of a message */
#define OC_CLIENT_WAIT_MS    OC_DOOR_MS

enum oc_client_state {
	OC_CLIENT_STARTING,   /* oc-sandbox start runs */
	OC_CLIENT_CONNECTING, /* the monitor's queue is full: tried again */
	OC_CLIENT_LIVE,
	OC_CLIENT_ENDED, /* calls get their EXIT, then CLOSED is told */
	OC_CLIENT_DONE,
};

struct oc_client_message {
	struct oc_client_message *next;
	int fds[OC_CLIENT_FDS];
	size_t fd_count, len;
	char data[];
};
struct oc_client_queue {
	struct oc_client_message *first, *last;
};
struct oc_client_call {
	uint32_t tag;
	bool pty; /* its master has to come */
};

struct ocs_sandbox {
	enum oc_client_state state;
	int epoll_fd,
		wake_fd; /* wake_fd: readable while events wait that the socket does not know of */
	bool awake;
	bool open_due; /* OCS_EVENT_OPEN is to be told */
	bool opened;
	bool joined;
	struct oc_door door; /* id and dir_fd, -1 when connected */

	/* STARTING */
	pid_t pid; /* of oc-sandbox start, 0: reaped */
	int pid_fd, ready_fd;
	int said_fd; /* its standard error, a memfd */
	struct oc_buf line;
	/* CONNECTING */
	int timer_fd;
	int64_t give_up; /* ms, monotonic */

	int sock;
	bool want_out; /* EPOLLOUT is asked for */
	int null_fd;
	uint32_t last_tag;
	struct oc_client_call *calls;
	size_t call_count, call_cap;
	struct oc_client_queue out, in;
	uint64_t asked, answered; /* requests, in order */
	char *out_buf;		  /* OC_WIRE_MESSAGE_MAX */
	char *in_buf;		  /* OC_CLIENT_ANSWER_MAX */

	struct oc_arena event_arena; /* of the last event */
	struct oc_buf result;	     /* its JSON */
	struct oc_buf answer;
	char *reason; /* why it stops, as the monitor said */
	struct ocs_error why;
};

int64_t oc_client_now_ms(void);
/* Fill *err (which may be NULL); return -1. */
int oc_client_fail(struct ocs_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int oc_client_hint(struct ocs_error *err, const char *hint);
void oc_client_error(struct ocs_error *out, const struct oc_err *in, int status);

/* --- open.c --- */
/* STARTING, CONNECTING, or the program that was started is still to be reaped: do what can be done
 * now. */
void oc_client_advance(struct ocs_sandbox *s);
/* The connection is over, or never came to be; s->why is filled. */
void oc_client_end(struct ocs_sandbox *s);
/* wake_fd follows what waits. */
void oc_client_wake(struct ocs_sandbox *s);

/* --- send.c --- */
/* Send it, or keep a copy until it can be sent. */
int oc_client_send(struct ocs_sandbox *s, const void *data, size_t len, const int *fds,
		   size_t count, struct ocs_error *err);
/* What waits; LIVE only. */
void oc_client_flush(struct ocs_sandbox *s);
/* fds become the queue's. */
void oc_client_queue_add(struct oc_client_queue *q, const void *data, size_t len, const int *fds,
			 size_t count);
struct oc_client_message *oc_client_queue_take(struct oc_client_queue *q);
void oc_client_message_free(struct oc_client_message *m);
void oc_client_queue_clear(struct oc_client_queue *q);
struct oc_client_call *oc_client_call(struct ocs_sandbox *s, uint32_t tag);
void oc_client_forget(struct ocs_sandbox *s, struct oc_client_call *c);

/* --- receive.c --- */
struct oc_client_received {
	struct oc_json *json;
	const char *event; /* or NULL: an answer */
	const char *data;
	size_t len;
	int fds[OC_CLIENT_FDS];
	size_t fd_count;
};
/* One message, without waiting: 1; 0: there is none; -1: the connection is over (oc_client_end was
 * called). */
int oc_client_receive(struct ocs_sandbox *s, struct oc_arena *a, struct oc_client_received *r);
void oc_client_close_fds(int *fds, size_t count);

/* --- request.c --- */
/* Send a request and wait for its answer; fds: at most max come, *count did. */
int oc_client_ask(struct ocs_sandbox *s, const char *json, size_t len, int *fds, size_t max,
		  size_t *count, struct ocs_error *err);

#endif
