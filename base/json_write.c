/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write - JSON writer (RFC 8259) into a buffer.
 *
 * Takes any bytes and always gives valid UTF-8.  Characters that a terminal would act on (C1,
 * bidirectional controls) are escaped, so that a result can be shown as it is.
 */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void oc_jw_init(struct oc_json_writer *w, struct oc_buf *out, unsigned indent)
{
	*w = (struct oc_json_writer){.out = out, .indent = indent};
}

static void new_line(struct oc_json_writer *w)
{
	if (w->indent == 0)
		return;
	oc_buf_add(w->out, "\n", 1);
	for (size_t n = (size_t)w->indent * w->depth; n > 0; n--)
		oc_buf_add(w->out, " ", 1);
}

/* What stands between the value or key that comes and what is there. */
static void separate(struct oc_json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth == 0)
		return;
	if (w->need_comma)
		oc_buf_add(w->out, ",", 1);
	new_line(w);
}

static void open_container(struct oc_json_writer *w, const char *c)
{
	separate(w);
	oc_buf_add(w->out, c, 1);
	w->depth++;
	w->need_comma = false;
}

static void close_container(struct oc_json_writer *w, const char *c)
{
	bool empty = !w->need_comma;

	w->depth--;
	if (!empty)
		new_line(w);
	oc_buf_add(w->out, c, 1);
	w->need_comma = true;
}

void oc_jw_object(struct oc_json_writer *w)
{
	open_container(w, "{");
}

void oc_jw_object_end(struct oc_json_writer *w)
{
	close_container(w, "}");
}

void oc_jw_array(struct oc_json_writer *w)
{
	open_container(w, "[");
}

void oc_jw_array_end(struct oc_json_writer *w)
{
	close_container(w, "]");
}

static void escape(struct oc_buf *out, uint32_t c)
{
	char e[16];
	const char *two = NULL;

	switch (c) {
	case '"':
		two = "\\\"";
		break;
	case '\\':
		two = "\\\\";
		break;
	case '\b':
		two = "\\b";
		break;
	case '\f':
		two = "\\f";
		break;
	case '\n':
		two = "\\n";
		break;
	case '\r':
		two = "\\r";
		break;
	case '\t':
		two = "\\t";
		break;
	default:
		snprintf(e, sizeof(e), "\\u%04x", (unsigned)(c & 0xFFFF));
		two = e;
	}
	oc_buf_puts(out, two);
}

static void quoted(struct oc_buf *out, const char *s, size_t len)
{
	size_t plain = 0;

	oc_buf_add(out, "\"", 1);
	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = oc_utf8_decode(s + i, len - i, &c);
		/* All unprintable characters are in the BMP: one \u escape is enough. */
		if (n > 0 && c != '"' && c != '\\' && !oc_utf8_unprintable(c)) {
			i += n;
			continue;
		}
		oc_buf_add(out, s + plain, i - plain);
		if (n > 0)
			escape(out, c);
		else
			oc_buf_puts(out, "\xEF\xBF\xBD");
		i += n > 0 ? n : 1;
		plain = i;
	}
	oc_buf_add(out, s + plain, len - plain);
	oc_buf_add(out, "\"", 1);
}

void oc_jw_key(struct oc_json_writer *w, const char *key)
{
	separate(w);
	quoted(w->out, key, strlen(key));
	oc_buf_puts(w->out, w->indent ? ": " : ":");
	w->after_key = true;
}

void oc_jw_string(struct oc_json_writer *w, const char *s)
{
	if (s)
		oc_jw_bytes(w, s, strlen(s));
	else
		oc_jw_null(w);
}

void oc_jw_bytes(struct oc_json_writer *w, const char *s, size_t len)
{
	separate(w);
	quoted(w->out, s, len);
	w->need_comma = true;
}

static void bare(struct oc_json_writer *w, const char *s)
{
	separate(w);
	oc_buf_puts(w->out, s);
	w->need_comma = true;
}

void oc_jw_int(struct oc_json_writer *w, int64_t n)
{
	char s[32];
	snprintf(s, sizeof(s), "%" PRId64, n);
	bare(w, s);
}

void oc_jw_uint(struct oc_json_writer *w, uint64_t n)
{
	char s[32];
	snprintf(s, sizeof(s), "%" PRIu64, n);
	bare(w, s);
}

void oc_jw_bool(struct oc_json_writer *w, bool b)
{
	bare(w, b ? "true" : "false");
}

void oc_jw_null(struct oc_json_writer *w)
{
	bare(w, "null");
}

/* True if the literal of a JSON5 number is a JSON number too: then it is kept, digit by digit. */
static bool is_json_number(const char *s)
{
	s += *s == '-';
	if (*s == '0' && s[1] >= '0' && s[1] <= '9')
		return false;
	size_t whole = strspn(s, "0123456789");
	s += whole;
	if (whole == 0)
		return false;
	if (*s == '.') {
		size_t n = strspn(s + 1, "0123456789");
		if (n == 0)
			return false;
		s += 1 + n;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		size_t n = strspn(s, "0123456789");
		if (n == 0)
			return false;
		s += n;
	}
	return *s == 0;
}

static void number(struct oc_json_writer *w, const struct oc_json *v)
{
	char s[40];

	/* JSON has no NaN and no infinity. */
	if (!isfinite(v->number)) {
		bare(w, "null");
	} else if (v->string && is_json_number(v->string)) {
		bare(w, v->string);
	} else {
		snprintf(s, sizeof(s), "%.17g", v->number);
		bare(w, s);
	}
}

void oc_jw_value(struct oc_json_writer *w, const struct oc_json *v)
{
	if (!v) {
		oc_jw_null(w);
		return;
	}
	switch (v->type) {
	case OC_JSON_NULL:
		oc_jw_null(w);
		break;
	case OC_JSON_BOOL:
		oc_jw_bool(w, v->boolean);
		break;
	case OC_JSON_NUMBER:
		number(w, v);
		break;
	case OC_JSON_STRING:
		oc_jw_string(w, v->string);
		break;
	case OC_JSON_ARRAY:
		oc_jw_array(w);
		for (const struct oc_json *c = v->child; c; c = c->next)
			oc_jw_value(w, c);
		oc_jw_array_end(w);
		break;
	case OC_JSON_OBJECT:
		oc_jw_object(w);
		for (const struct oc_json *c = v->child; c; c = c->next) {
			oc_jw_key(w, c->key);
			oc_jw_value(w, c);
		}
		oc_jw_object_end(w);
		break;
	}
}
