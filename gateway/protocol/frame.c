/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - the envelope of a message, read and written.  Pure.
 */
#include <string.h>

#include "gateway/protocol/internal.h"

#define TRACEPARENT_MAX 128u

/* A string without a NUL in it, and not empty. */
static const char *text_of(const struct oc_json *v)
{
	if (!v || v->type != OC_JSON_STRING || v->length == 0 || strlen(v->string) != v->length)
		return NULL;
	return v->string;
}

static const char *check(const struct oc_json *root, struct oc_frame *f)
{
	for (const struct oc_json *m = root->child; m; m = m->next) {
		if (strcmp(m->key, "type") == 0 || strcmp(m->key, "params") == 0)
			continue;
		if (strcmp(m->key, "id") == 0 || strcmp(m->key, "method") == 0) {
			if (!text_of(m))
				return "id and method must be texts that are not empty";
		} else if (strcmp(m->key, "traceparent") == 0) {
			if (!text_of(m) || m->length > TRACEPARENT_MAX)
				return "traceparent must be a text of at most 128 characters";
		} else {
			return "there is a member that a request does not have";
		}
	}
	if (!f->id || !f->method)
		return "id or method is missing";
	if (strcmp(f->method, "connect") == 0 && oc_json_get(root, "traceparent"))
		return "connect has no traceparent";
	return NULL;
}

bool oc_frame_parse(struct oc_arena *a, const char *text, size_t len, size_t max,
		    struct oc_frame *out)
{
	struct oc_json *root;

	*out = (struct oc_frame){0};
	if (oc_json_parse_message(a, text, len, "frame", max, &root, NULL) < 0 ||
	    root->type != OC_JSON_OBJECT)
		return false;
	out->type = text_of(oc_json_get(root, "type"));
	out->id = text_of(oc_json_get(root, "id"));
	out->method = text_of(oc_json_get(root, "method"));
	out->params = oc_json_get(root, "params");
	if (!out->type || strcmp(out->type, "req") != 0) {
		out->wrong = "not a request";
		return true;
	}
	out->wrong = check(root, out);
	out->is_request = !out->wrong;
	return true;
}

void oc_jw_text(struct oc_json_writer *w, const char *json)
{
	oc_buf_puts(w->out, json);
	w->after_key = false;
	w->need_comma = true;
}

void oc_jw_member(struct oc_json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, value);
}

void oc_frame_result(struct oc_json_writer *w, struct oc_buf *b, const char *id)
{
	oc_jw_init(w, b, 0);
	oc_jw_object(w);
	oc_jw_member(w, "type", "res");
	oc_jw_member(w, "id", id);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, true);
	oc_jw_key(w, "payload");
}

void oc_frame_error(struct oc_buf *b, const char *id, const char *code, const char *message,
		    const char *details, bool retryable, unsigned retry_after_ms)
{
	struct oc_json_writer w;

	oc_jw_init(&w, b, 0);
	oc_jw_object(&w);
	oc_jw_member(&w, "type", "res");
	oc_jw_member(&w, "id", id);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, false);
	oc_jw_key(&w, "error");
	oc_jw_object(&w);
	oc_jw_member(&w, "code", code);
	oc_jw_member(&w, "message", message);
	if (details) {
		oc_jw_key(&w, "details");
		oc_jw_text(&w, details);
	}
	if (retryable) {
		oc_jw_key(&w, "retryable");
		oc_jw_bool(&w, true);
	}
	if (retry_after_ms) {
		oc_jw_key(&w, "retryAfterMs");
		oc_jw_uint(&w, retry_after_ms);
	}
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
}
