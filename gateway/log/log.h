/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - the gateway's log: one JSON line an event, in a file of the day, and a short line on the
 * console.
 *
 * May append to, rename and remove files of its own names in its directory, which it holds open: it
 * works on inside the jail. Must never write a secret: who calls it passes none; text of clients is
 * escaped by the JSON writer and cut.  A write that fails is counted and told once on the console;
 * it stops nobody.
 */
#ifndef OC_GATEWAY_LOG_H
#define OC_GATEWAY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/config/config.h"

#define OC_LOG_MAX_BYTES 104857600u
#define OC_LOG_ARCHIVES	 5u

struct oc_log_options {
	const char *dir;  /* absolute; made with 0700; not used if file is set */
	const char *file; /* logging.file: absolute, or NULL for <dir>/openclaw-YYYY-MM-DD.log */
	enum oc_log_level level;   /* of the file */
	enum oc_log_level console; /* of console_fd */
	int console_fd;		   /* -1: none */
	uint64_t max_bytes;	   /* 0: OC_LOG_MAX_BYTES */
	int64_t (*now_ms)(void);   /* NULL: the wall clock */
};

struct oc_log;

int oc_log_open(struct oc_log **out, const struct oc_log_options *opt, struct oc_err *err);
void oc_log_close(struct oc_log *l);

/* l may be NULL: then nothing.  subsystem: "gateway/ws". */
__attribute__((format(printf, 4, 5))) void oc_log(struct oc_log *l, enum oc_log_level level,
						  const char *subsystem, const char *fmt, ...);

/* Path of the file of the moment. */
const char *oc_log_path(const struct oc_log *l);

/* --- reading, for logs.tail --- */
struct oc_log_tail {
	uint64_t cursor, size;
	bool truncated, reset;
	char *data; /* lines, each NUL-terminated, one behind the other; free() it */
	size_t count;
};

/*
 * The last limit lines of at most max_bytes; with have_cursor: those that were written after it.  A
 * cursor past the end is a file that was rotated: reset, and as if there were none.  No file:
 * zeros.
 */
int oc_log_read(const char *path, bool have_cursor, uint64_t cursor, size_t limit, size_t max_bytes,
		struct oc_log_tail *out, struct oc_err *err);

#endif
