/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams - standard input, output and error of a payload, before it is started.
 *
 * Filled with the caller's by whoever starts it; relay.h and pipes.h replace those that the payload
 * must not hold.
 */
#ifndef OC_RUNTIME_LAUNCH_STREAMS_H
#define OC_RUNTIME_LAUNCH_STREAMS_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

struct oc_streams {
	int fd[3];	 /* -1: the terminal that is made inside */
	bool privileged; /* the payload's user id is not the caller's */
	bool copy_input; /* a regular file as input is copied: it cannot be opened again through a
			  * read-only mount (oc_step_input) */
	bool want_pty;
	bool copy_termios; /* of the caller's terminal: */
	struct termios termios;
	struct winsize winsize;
};

#endif
