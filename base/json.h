/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - JSON5 reader and JSON writer.
 *
 * The reader takes JSON and JSON5 (comments, trailing commas, unquoted keys, single quotes, hex,
 * +/-Infinity, NaN, line continuations) and keeps the place of every value, so that whoever
 * rejects one can say file, line and path.  Hostile input is expected: depth, size and node count
 * are bounded, strings must be valid UTF-8, a NUL (raw or as \0, \x00 or \u0000) is an error, and so is a
 * duplicate key.
 */
#ifndef OC_BASE_JSON_H
#define OC_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum oc_json_type { OC_JSON_NULL, OC_JSON_BOOL, OC_JSON_NUMBER, OC_JSON_STRING, OC_JSON_ARRAY, OC_JSON_OBJECT };

struct oc_json {
	enum oc_json_type type;
	unsigned line, column;	 /* from 1; of the value's first byte */
	const char *file;	 /* name as given to the parser; owned by the arena */
	const char *key;	 /* name, if the parent is an object */
	unsigned index;		 /* place in the parent, from 0 */
	struct oc_json *parent;	 /* NULL for the root */
	struct oc_json *next;	 /* next sibling */
	struct oc_json *child;	 /* first member or element */
	unsigned count;		 /* number of members or elements */
	const char *string;	 /* OC_JSON_STRING: NUL-terminated UTF-8; OC_JSON_NUMBER: its text */
	size_t length;		 /* OC_JSON_STRING of oc_json_parse_message, which may have NULs in it */
	double number;
	bool boolean;
	/* OC_JSON_STRING that oc_conf_load left with a ${NAME} in it (keep_unset): the first such NAME. */
	const char *unset_env;
};

#define OC_JSON_MAX_DEPTH 64
#define OC_JSON_MAX_BYTES (2u << 20)
#define OC_JSON_MAX_NODES 200000u

/* Parse text[0..len).  The tree lives in the arena.  The error carries "file:line:column". */
int oc_json_parse(struct oc_arena *a, const char *text, size_t len, const char *file, struct oc_json **out,
		  struct oc_err *err);

/*
 * One message of a protocol, of at most max bytes: RFC 8259, nothing of JSON5.  A string may have NULs in it: whoever
 * uses it as a C string compares strlen with length first.  Half a surrogate pair becomes U+FFFD.
 */
int oc_json_parse_message(struct oc_arena *a, const char *text, size_t len, const char *name, size_t max,
			  struct oc_json **out, struct oc_err *err);

/* Member of an object, NULL if v is NULL, not an object, or has no such key. */
struct oc_json *oc_json_get(const struct oc_json *v, const char *key);

/* "agents.list[0].sandbox.docker.binds[1]"; "" for the root.  In the arena. */
const char *oc_json_path(struct oc_arena *a, const struct oc_json *v);

/* Name of a type for messages: "null", "boolean", "number", "string", "array", "object". */
const char *oc_json_type_name(enum oc_json_type t);

/* Fill err with "<file>:<line>: <path>: <formatted>"; returns -1. */
__attribute__((format(printf, 4, 5))) int oc_json_fail(struct oc_arena *a, const struct oc_json *v, struct oc_err *err,
						       const char *fmt, ...);

/* Whole number in [min, max] exactly representable; error otherwise. */
int oc_json_int(struct oc_arena *a, const struct oc_json *v, int64_t min, int64_t max, int64_t *out,
		struct oc_err *err);

/* --- writer: compact when indent is 0, else that many spaces; output is always valid UTF-8 JSON --- */
struct oc_json_writer {
	struct oc_buf *out;
	unsigned indent, depth;
	bool need_comma, after_key;
};
void oc_jw_init(struct oc_json_writer *w, struct oc_buf *out, unsigned indent);
void oc_jw_object(struct oc_json_writer *w);
void oc_jw_object_end(struct oc_json_writer *w);
void oc_jw_array(struct oc_json_writer *w);
void oc_jw_array_end(struct oc_json_writer *w);
void oc_jw_key(struct oc_json_writer *w, const char *key);
/* Bytes that are not UTF-8 are written as U+FFFD.  NULL is written as null. */
void oc_jw_string(struct oc_json_writer *w, const char *s);
/* The same of len bytes, NULs included. */
void oc_jw_bytes(struct oc_json_writer *w, const char *s, size_t len);
void oc_jw_int(struct oc_json_writer *w, int64_t n);
void oc_jw_uint(struct oc_json_writer *w, uint64_t n);
void oc_jw_bool(struct oc_json_writer *w, bool b);
void oc_jw_null(struct oc_json_writer *w);
/* Copy of a parsed value. */
void oc_jw_value(struct oc_json_writer *w, const struct oc_json *v);

#endif
