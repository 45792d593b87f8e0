/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipes - streams of the caller that are pipes, when the payload has the caller's user id.
 *
 * A pipe belongs to whoever made it.  An ordinary user's payload has that user's id on the host, so it may open its own
 * standard input again through /proc/self/fd/0, for writing, and put words into a pipe that the caller's shell
 * reads its commands from; or open its output for reading and take what others write there.  Landlock does not look at
 * pipes.  So the payload gets pipes of ours, and the monitor moves the bytes (tee and splice: it never touches them).
 *
 * Run by root this is not needed: the payload's id is nobody's, and the pipe is closed to it.
 *
 * The same holds for a regular file as input: opened again for writing, it is the caller's own file that is written.  Where it
 * cannot be passed through a read-only mount (a sandbox that is there already: streams.h, copy_input) it is copied, too.
 *
 * Must keep: what the payload does not read stays in the caller's pipe or file, for whoever reads it next.
 */
#ifndef OC_RUNTIME_LAUNCH_PIPES_H
#define OC_RUNTIME_LAUNCH_PIPES_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "runtime/launch/streams.h"

struct oc_pipes {
	int caller[3]; /* the caller's pipe behind stream i, or -1 */
	int ours[3];   /* our end of the payload's pipe, or -1 */
	int inner[3];  /* the payload's end, closed after the launch */
	size_t teed;   /* bytes of the input that are in the payload's pipe and still in the caller's */
	bool full[3];  /* the caller's pipe took nothing more: wait for it */
	int null_fd;
	bool file;     /* the input is a regular file: inner[0] stays open, to know in the end what was not read */
	bool unsplice; /* of a file system that cannot splice */
};

#define OC_PIPES_POLL 3

/* Nothing is open. */
void oc_pipes_init(struct oc_pipes *p);
/* Replace those of s->fd that are pipes of the caller's: not those that relay has made, whose numbers are in made[] (-1: none). */
int oc_pipes_prepare(struct oc_pipes *p, struct oc_streams *s, const int made[3], struct oc_err *err);
void oc_pipes_start(struct oc_pipes *p);
void oc_pipes_poll(const struct oc_pipes *p, struct pollfd fds[OC_PIPES_POLL]);
void oc_pipes_run(struct oc_pipes *p, const struct pollfd fds[OC_PIPES_POLL]);
/*
 * Everybody inside is dead: pass on the rest of the output, settle what of the input was read, close.  wait: for a reader that is slow;
 * not after the time limit, which is a limit for the whole.
 */
void oc_pipes_finish(struct oc_pipes *p, bool wait);

#endif
