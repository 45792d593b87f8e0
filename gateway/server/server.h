/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the processes of `openclaw gateway` and its one port.
 *
 *   launcher   reads the config, holds the lock, opens the listening sockets, may start programs
 * (nothing asks it to yet), loads the config again when it changes; it never reads a byte of a
 * client network    serves HTTP and WebSocket; once it is ready it has no exec, no file outside the
 * state directory (Landlock), no socket that it did not get, and a system call filter of its own
 * (profiles/seccomp/gateway.json)
 *
 * Both are one program: the second is a fork of the first.  They talk over a SOCK_SEQPACKET pair,
 * one struct oc_note a message. Death of either is the end of both.
 */
#ifndef OC_GATEWAY_SERVER_H
#define OC_GATEWAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "gateway/config/config.h"

struct oc_server_options {
	struct oc_config *config; /* loaded and valid; the caller keeps its reference */
	struct oc_config_options
		load; /* to load it again, in the launcher, for SIGHUP or a changed file */
	int state_fd; /* of oc_state_open; stays the caller's */
	const char *version;
	bool verbose; /* debug on the console */
	int ready_fd; /* one byte is written there once clients are served; -1: none */
	/* Called in the launcher once clients are served; port is the real one (gateway.port may be
	 * 0). */
	void (*ready)(void *ctx, const struct oc_config *config, uint16_t port);
	void *ctx;
};

/*
 * Run until SIGTERM or SIGINT (0) or until something fails: err is filled, and the exit status is
 * 1, or OC_EXIT_CONFIG for what a restart would not mend.
 */
int oc_server_run(const struct oc_server_options *opt, struct oc_err *err);

/* --- the lock: <state>/gateway.lock, held by the launcher for its life --- */
struct oc_server_holder {
	pid_t pid;	    /* launcher, 0 if it is not known */
	uint16_t port;	    /* 0: not listening yet */
	int64_t started_ms; /* wall clock */
};

/* 1: a gateway runs for this state directory, *out says which; 0: none does; -1: cannot tell.  For
 * gateway status and stop. */
int oc_server_holder(int state_fd, struct oc_server_holder *out, struct oc_err *err);

/* What the network process could not give up here, for doctor: one line, NULL: nothing is missing.
 */
const char *oc_server_jail_missing(void);

#endif
