/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - the request of oc-fileop as a struct, and its answer.  Pure.
 */
#include <string.h>

#include "runtime/fileop/fileop.h"

#define LINES_MAX 1000000000

static int text_of(const struct oc_json *v, const char *key, struct oc_file_text *out,
		   struct oc_err *err)
{
	const struct oc_json *m = oc_json_get(v, key);

	if (!m || m->type != OC_JSON_STRING)
		return oc_fail(err, 0, "request: \"%s\" must be a text", key);
	*out = (struct oc_file_text){m->string, m->length};
	return 0;
}

static int number_of(struct oc_arena *a, const struct oc_json *v, const char *key, int64_t standard,
		     int64_t *out, struct oc_err *err)
{
	const struct oc_json *m = oc_json_get(v, key);

	*out = standard;
	return m ? oc_json_int(a, m, 1, LINES_MAX, out, err) : 0;
}

int oc_file_parse(struct oc_arena *a, const char *text, size_t len, struct oc_file_request *req,
		  struct oc_err *err)
{
	struct oc_json *v;
	struct oc_file_text op = {"", 0}, path = {"", 0};

	memset(req, 0, sizeof *req);
	if (oc_json_parse_message(a, text, len, "request", OC_FILE_REQUEST_MAX, &v, err) < 0 ||
	    text_of(v, "op", &op, err) < 0 || text_of(v, "path", &path, err) < 0)
		return -1;
	if (path.len == 0 || strlen(path.data) != path.len)
		return oc_fail(err, 0, "request: the path is empty or has a NUL in it");
	req->path = path.data;
	if (strcmp(op.data, "read") == 0) {
		req->op = OC_FILE_READ;
		if (number_of(a, v, "offset", 1, &req->offset, err) < 0)
			return -1;
		return number_of(a, v, "limit", OC_FILE_READ_LINES, &req->limit, err);
	}
	if (strcmp(op.data, "write") == 0) {
		req->op = OC_FILE_WRITE;
		return text_of(v, "content", &req->content, err);
	}
	if (strcmp(op.data, "edit") == 0) {
		const struct oc_json *all = oc_json_get(v, "replaceAll");
		req->op = OC_FILE_EDIT;
		if (all && all->type != OC_JSON_BOOL)
			return oc_fail(err, 0, "request: \"replaceAll\" must be true or false");
		req->replace_all = all && all->boolean;
		if (text_of(v, "oldText", &req->before, err) < 0)
			return -1;
		return text_of(v, "newText", &req->after, err);
	}
	return oc_fail(err, 0, "request: there is no operation \"%.40s\"", op.data);
}

void oc_file_run(const struct oc_file_request *req, struct oc_buf *answer)
{
	static int (*const run[])(const struct oc_file_request *, struct oc_json_writer *,
				  struct oc_err *) = {
		[OC_FILE_READ] = oc_file_read,
		[OC_FILE_WRITE] = oc_file_write,
		[OC_FILE_EDIT] = oc_file_edit,
	};
	struct oc_err err = {0};
	struct oc_json_writer w;
	oc_auto_buf body = {0};

	oc_jw_init(&w, &body, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, true);
	if (run[req->op](req, &w, &err) == 0) {
		oc_jw_object_end(&w);
		oc_buf_add(answer, body.data, body.len);
		return;
	}
	oc_jw_init(&w, answer, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, false);
	oc_jw_key(&w, "error");
	oc_jw_string(&w, err.msg);
	if (err.hint[0]) {
		oc_jw_key(&w, "hint");
		oc_jw_string(&w, err.hint);
	}
	oc_jw_object_end(&w);
}
