/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - can this host give each layer?  Found out by trying, in a child that is thrown away.
 *
 * May: make namespaces, mounts inside them and a cgroup of its own, all gone when the function
 * returns. Must not: conclude from version numbers, or change anything that outlives it.
 */
#ifndef OC_RUNTIME_VERIFY_HOST_H
#define OC_RUNTIME_VERIFY_HOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"

enum oc_host_state {
	OC_HOST_OK,
	OC_HOST_LIMITED, /* works, but less than it could: stand-ins, old Landlock */
	OC_HOST_MISSING,
};

/* Fixed size: a child fills it in shared memory. */
struct oc_host_row {
	const char *name; /* of a layer, or of something else that is needed */
	const char *summary;
	enum oc_host_state state;
	char detail[320]; /* what there is, or what failed */
	char cause[480];  /* why it is missing, "" if nothing is known or nothing is missing */
	char cure[480];
};

/* Fills *rows (arena). Returns how many are not OK, or -1 with errno if nothing could be tried. */
int oc_host_check(struct oc_arena *a, struct oc_host_row **rows, size_t *count);
void oc_host_text(const struct oc_host_row *rows, size_t count, struct oc_buf *out);
void oc_host_json(const struct oc_host_row *rows, size_t count, struct oc_json_writer *w);

/* --- inside of the room --- */

/* Runs in the child; r starts as OK. */
typedef void (*oc_host_fn)(struct oc_host_row *r);
struct oc_host_try {
	const char *name, *summary;
	oc_host_fn run;
};
extern const struct oc_host_try oc_host_tries[]; /* ends with name NULL */

__attribute__((format(printf, 2, 3))) void oc_host_detail(struct oc_host_row *r, const char *fmt,
							  ...);
__attribute__((format(printf, 2, 3))) void oc_host_cause(struct oc_host_row *r, const char *fmt,
							 ...);
__attribute__((format(printf, 2, 3))) void oc_host_cure(struct oc_host_row *r, const char *fmt,
							...);
/* State missing, detail "<what>: <errno as text>". */
void oc_host_failed(struct oc_host_row *r, int errnum, const char *what);
/* Why a user namespace or what needs one may have failed; fills cause and cure. */
void oc_host_why_user(struct oc_host_row *r, int errnum);
/*
 * Read a small file, write to one: by plain open(2), for the doctor must have something to say
 * where openat2 is missing. Return the length, or -1 with errno.
 */
long oc_host_read(const char *path, char *buf, size_t size);
long oc_host_write(int dir, const char *path, const char *text);
/*
 * Why any other call may have failed: not in this kernel (older than needs says) or hidden,
 * refused, or neither. Fills cause and cure where they are empty.
 */
void oc_host_why(struct oc_host_row *r, int errnum, const char *needs);
/* A number in a file of /proc/sys, -1 if there is none. */
long oc_host_sysctl(const char *path);

/* Into new namespaces (CLONE_NEW*) below a user namespace of its own; false: r says why not. */
bool oc_host_enter(struct oc_host_row *r, int flags, const char *what);

void oc_host_cgroup(struct oc_host_row *r);  /* host_cgroup.c */
void oc_host_capture(struct oc_host_row *r); /* host_net.c */
void oc_host_broker(struct oc_host_row *r);

#endif
