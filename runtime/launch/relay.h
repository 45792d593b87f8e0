/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - terminals.  The payload never holds a descriptor of the caller's terminal.
 *
 * A stream that is a terminal is replaced: by a pseudo-terminal made inside the sandbox (the default), or by a pipe (--no-tty).  The
 * monitor copies.  Streams that are not terminals are passed as they are.
 *
 * Must not: leave the caller's terminal in raw mode when the command has ended; leave answers that the terminal gave to
 * the payload's questions in its input, where the caller's shell would read them as typed (C10).
 */
#ifndef OC_RUNTIME_LAUNCH_RELAY_H
#define OC_RUNTIME_LAUNCH_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <termios.h>

#include "runtime/launch/child.h"

#define OC_RELAY_BUFFER 16384

struct oc_pump {
	int from, to; /* -1: closed */
	char *buf; /* OC_RELAY_BUFFER bytes in the plan's arena, only where something is copied */
	size_t start, end;
	bool eof;
};
struct oc_relay {
	int tty[3];	 /* the caller's terminal behind stream i, or -1 */
	int pipe_end[3]; /* --no-tty: our end of the pipe of stream i, or -1 */
	int inner[3];	 /* --no-tty: the payload's end, closed after the launch */
	int master;	 /* of the pseudo-terminal, or -1 */
	bool raw;	 /* tty[0] is in raw mode */
	bool asked;	 /* the payload wrote a byte that can make a terminal answer */
	struct termios saved;
	struct oc_pump in, out, err;
};

/* Decide stream by stream; fills c->stdio, want_pty, termios and winsize. */
int oc_relay_prepare(struct oc_relay *r, struct oc_child *c, const struct oc_plan *plan, struct oc_err *err);
/* After the launch: master may be -1. Close the payload's ends, go raw. */
void oc_relay_start(struct oc_relay *r, int master);
#define OC_RELAY_POLL 6
void oc_relay_poll(struct oc_relay *r, struct pollfd p[OC_RELAY_POLL]);
void oc_relay_run(struct oc_relay *r, const struct pollfd p[OC_RELAY_POLL]);
void oc_relay_resize(struct oc_relay *r);
/* Copy what the payload wrote before it ended (bounded), restore the terminal, close. */
void oc_relay_finish(struct oc_relay *r);

#endif
