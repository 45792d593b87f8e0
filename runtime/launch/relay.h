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

#include "runtime/launch/streams.h"
#include "runtime/plan/plan.h"

#define OC_RELAY_BUFFER 16384

struct oc_pump {
	int from, to; /* -1: closed */
	char *buf; /* OC_RELAY_BUFFER bytes in the arena, only where something is copied */
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
	bool keys;	 /* Ctrl-P Ctrl-Q is looked for in the input, and sets left */
	bool ctrl_p, left;
	struct termios saved;
	struct oc_pump in, out, err;
};

/* Nothing is relayed, nothing is open. */
void oc_relay_init(struct oc_relay *r);
/* Decide stream by stream; fills s->fd, want_pty, termios and winsize.  For a relay that was initialised. */
int oc_relay_prepare(struct oc_relay *r, struct oc_streams *s, struct oc_arena *a, enum oc_tty_mode tty,
		     struct oc_err *err);
/* After the launch: master may be -1. Close the payload's ends, go raw. */
void oc_relay_start(struct oc_relay *r, int master);
/*
 * In place of both, for a command that runs already: theirs are where its input goes and its output and
 * errors come from, -1: not; they become the relay's.  master: theirs[0] is that of its terminal.
 * The caller's are 0, 1 and 2.
 */
void oc_relay_join(struct oc_relay *r, struct oc_arena *a, const int theirs[3], bool master);
/* Is output still to come? */
bool oc_relay_flows(const struct oc_relay *r);
#define OC_RELAY_POLL 6
void oc_relay_poll(struct oc_relay *r, struct pollfd p[OC_RELAY_POLL]);
void oc_relay_run(struct oc_relay *r, const struct pollfd p[OC_RELAY_POLL]);
void oc_relay_resize(struct oc_relay *r);
/* Copy what the payload wrote before it ended (bounded), restore the terminal, close. */
void oc_relay_finish(struct oc_relay *r);

#endif
