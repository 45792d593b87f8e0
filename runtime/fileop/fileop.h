/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fileop - oc-fileop: one read, write or edit of a file, inside a sandbox.
 *
 * oc-sandbox mcp executes it in place of a command: one request on standard input, one answer on
 * standard output, both JSON.  It runs under the layers of the payload and so reaches what the
 * payload reaches, whatever links, FIFOs and mounts a hostile workspace is made of; nothing on the
 * host's side opens a file by a name from inside.
 *
 *   {"op":"read","path":P,"offset":N,"limit":N}      lines, from 1
 *   {"op":"write","path":P,"content":TEXT}
 *   {"op":"edit","path":P,"oldText":T,"newText":T,"replaceAll":B}
 *   -> {"ok":true,"text":T,"notice":T}               of a text, or what was done
 *      {"ok":true,"mimeType":M,"data":BASE64}        of an image
 *      {"ok":false,"error":T,"hint":T}
 *
 * May: read and write files of its own root directory.
 * Must not: block on a special file, leave half a file, or read more than it has a bound for.
 */
#ifndef OC_RUNTIME_FILEOP_FILEOP_H
#define OC_RUNTIME_FILEOP_FILEOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* A request has a whole file in it at most twice, and every byte of that as \u00XX. */
#define OC_FILE_REQUEST_MAX (16u << 20)
#define OC_FILE_EDIT_MAX    (8u << 20)
#define OC_FILE_IMAGE_MAX   (3840u << 10) /* 5 MiB in base64 */
#define OC_FILE_READ_LINES  2000
#define OC_FILE_READ_BYTES  (50u << 10)
/* Lines are counted in so much of a file. */
#define OC_FILE_SCAN_MAX (256u << 20)
/* The answer of any request is shorter than this: an image, or a text with each byte escaped. */
#define OC_FILE_ANSWER_MAX (6u << 20)

enum oc_file_op { OC_FILE_READ, OC_FILE_WRITE, OC_FILE_EDIT };

struct oc_file_text {
	const char *data; /* NUL at the end, and maybe within */
	size_t len;
};

struct oc_file_request {
	enum oc_file_op op;
	const char *path;
	int64_t offset, limit;		   /* read */
	struct oc_file_text content;	   /* write */
	struct oc_file_text before, after; /* edit */
	bool replace_all;
};

/* The request lives in the arena. */
int oc_file_parse(struct oc_arena *a, const char *text, size_t len, struct oc_file_request *req,
		  struct oc_err *err);
/* Do it; the answer is one object. */
void oc_file_run(const struct oc_file_request *req, struct oc_buf *answer);

/* --- the operations: an answer that is ok is written into the open object w --- */
int oc_file_read(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err);
int oc_file_write(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err);
int oc_file_edit(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err);

/* --- what they share --- */

/* Where a file is: its directory, and a name in it that was no link when it was looked at. */
struct oc_place {
	int dir; /* O_PATH */
	char name[256];
	bool exists;
	struct stat st; /* of a regular file, if it exists */
};
#define OC_PLACE_INIT                                                                              \
	{                                                                                          \
		.dir = -1                                                                          \
	}
void oc_place_close(struct oc_place *p);
#define oc_auto_place __attribute__((cleanup(oc_place_close))) struct oc_place
/* Follow the links at the end of path; those before it are the kernel's business. make: make the
 * directories. */
int oc_place_find(const char *path, bool make, struct oc_place *p, struct oc_err *err);
/*
 * Put data into it, all or nothing: a new file that takes its place, with its permissions; or,
 * where no file can be made beside it, over it (*in_place).  It must be as it was in p->st.
 */
int oc_place_put(const struct oc_place *p, const char *path, struct oc_file_text data,
		 bool *in_place, struct oc_err *err);

/* Opened for reading, a regular file, without waiting for anybody; or -1 with *err. */
int oc_file_open(int dir, const char *name, const char *path, struct stat *st, struct oc_err *err);
/* "path is a directory", ... */
int oc_file_refuse(mode_t mode, const char *path, struct oc_err *err);
/* Lines of a text; what is after the last newline counts. */
size_t oc_file_lines(const char *data, size_t len);

#endif
