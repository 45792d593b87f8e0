/* SPDX-License-Identifier: Apache-2.0 */
/*
 * end - ends sandboxes: asks their monitors, waits for their end, and kills who does not end.
 *
 * A process is named by a descriptor of it (pidfd) that was opened before its start time was
 * compared: a number that is somebody else's by now is never sent a signal.
 */
#ifndef OC_RUNTIME_SESSION_END_H
#define OC_RUNTIME_SESSION_END_H

#include "runtime/session/door.h"

#define OC_END_ASKED_MS	 10000 /* from asking to killing */
#define OC_END_KILLED_MS 5000  /* for the janitor of a killed one */

enum oc_end {
	OC_END_ASKED, /* it ended by itself */
	OC_END_KILLED,
	OC_END_GONE, /* it was not there any more */
	OC_END_FAILED
};

struct oc_ending {
	struct oc_door door; /* of the caller; need not be open, and is left as it is */
	enum oc_end how;
	struct oc_err err; /* OC_END_FAILED */
	/* private */
	int dir_fd, pid_fd, sock;
	bool over;
};

/* All of them at the same time; what became of each is in its how. */
void oc_end_sandboxes(struct oc_ending *e, size_t count);

#endif
