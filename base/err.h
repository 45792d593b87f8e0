/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the one error type.
 *
 * A function that can fail returns <0 and fills a struct oc_err; its caller may add context; the
 * edge of the program prints it once.  The struct is plain data of fixed size, so that a child
 * process can send it over a socket as it is.
 */
#ifndef OC_BASE_ERR_H
#define OC_BASE_ERR_H

#include <stdarg.h>

/* glibc gives resources of limits a type of their own; musl does not. */
#ifdef __GLIBC__
#define OC_RLIMIT(resource) ((__rlimit_resource_t)(resource))
#else
#define OC_RLIMIT(resource) (resource)
#endif

struct oc_err {
	int errnum;	/* errno of the cause, 0 if there is none */
	char step[32];	/* the layer or step that failed, "" if none: "landlock", "config", ... */
	char msg[640];	/* what failed, on which object, and why; one line */
	char hint[320]; /* what to do about it, "" if nothing is known */
};

/*
 * Fill *err with "<formatted>: <strerror(errnum)>" (the tail only if errnum is not 0) and return -1.
 * err may be NULL.  step and hint are cleared.
 */
__attribute__((format(printf, 3, 4))) int oc_fail(struct oc_err *err, int errnum, const char *fmt, ...);
int oc_vfail(struct oc_err *err, int errnum, const char *fmt, va_list ap);

/* Put "<formatted>: " in front of the message.  Returns -1, so that it can end a function. */
__attribute__((format(printf, 2, 3))) int oc_err_context(struct oc_err *err, const char *fmt, ...);

/* Set the hint, the first one that is set stays.  Returns -1. */
__attribute__((format(printf, 2, 3))) int oc_err_hint(struct oc_err *err, const char *fmt, ...);

/* Set the step, the first one that is set stays.  Returns -1. */
int oc_err_step(struct oc_err *err, const char *step);

/*
 * Print "<program>: [<step>: ]<msg>" and, if there is one, "<program>: hint: <hint>" to fd, with
 * control bytes and bytes that are not UTF-8 escaped (\xHH): a message may quote hostile input.
 */
void oc_err_print(const struct oc_err *err, const char *program, int fd);

/* "EPERM"; "?" for a number that system calls on files, processes and sockets do not give. */
const char *oc_errno_name(int errnum);

#endif
