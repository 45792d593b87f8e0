/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delegate - a cgroup of our own from the systemd user manager.
 *
 * An ordinary user may write no cgroup above a login session.  His manager may: one call
 * (StartTransientUnit) over its private socket puts the caller into a new scope whose cgroup
 * belongs to the user.  No library and no new process: the message is fixed but for the unit's
 * name, and of the answers only three kinds matter.
 *
 * May: connect to the manager's socket, and wait OC_DELEGATE_MS.  Must not: trust a socket that
 * another user listens on; allocate.
 */
#ifndef OC_RUNTIME_LAUNCH_DELEGATE_H
#define OC_RUNTIME_LAUNCH_DELEGATE_H

#include <stddef.h>

#include "base/err.h"

/* An idle host answers in some 10 ms; but many at once wait in line, and the stand-ins are worse
 * than a wait. */
#define OC_DELEGATE_MS 5000

/*
 * Move this process into the new scope `unit` (ends in ".scope").  Returns when the manager says
 * that it is done, or when /proc/self/cgroup does.  The scope goes away by itself when its last
 * process has ended.
 */
int oc_delegate_scope(const char *unit, struct oc_err *err);

/* The same over the socket at path, within limit_ms. */
int oc_delegate_scope_at(const char *path, const char *unit, int limit_ms, struct oc_err *err);

/* What a message of the manager says about our request. */
enum oc_delegate_answer {
	OC_DELEGATE_OTHER,    /* nothing: a signal about something else */
	OC_DELEGATE_ACCEPTED, /* there will be a JobRemoved */
	OC_DELEGATE_DONE,
	OC_DELEGATE_REFUSED, /* text says why */
	OC_DELEGATE_BROKEN,  /* not D-Bus */
};
#define OC_DELEGATE_HEAD 16 /* bytes from which the size of a message is known */

/* Write the request; returns its length, 0 if it does not fit. */
size_t oc_delegate_request(unsigned char *out, size_t size, const char *unit);
/* Size of the message that starts with head[0..OC_DELEGATE_HEAD); 0: not D-Bus, or of the other
 * byte order. */
size_t oc_delegate_size(const unsigned char *head);
/* msg has exactly oc_delegate_size() bytes. */
enum oc_delegate_answer oc_delegate_parse(const unsigned char *msg, size_t len, const char *unit,
					  char *text, size_t text_size);

#endif
