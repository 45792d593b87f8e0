/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_read - JSON5 reader (json5.org 1.0) and the accessors of the tree.
 *
 * Reads hostile text: the whole text is checked for UTF-8 and NUL first, depth and number of
 * values are bounded, and nothing is guessed.  Stricter than JSON5 on purpose: duplicate keys,
 * lone surrogates and NUL are errors, and an unquoted key is ASCII (\u escapes included).
 *
 * The same reader takes the messages of a protocol (oc_json_parse_message): RFC 8259 and no more.  There, a
 * peer waits for an answer, so what is JSON is read: NUL and half a surrogate pair in a string, too.
 */
#define _GNU_SOURCE 1 /* mempcpy(3) */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

struct reader {
	struct oc_arena *arena;
	const char *p, *end;
	const char *line_start;
	unsigned line, depth, nodes;
	bool message; /* RFC 8259 only */
	const char *file;
	struct oc_err *err;
};

static int parse_value(struct reader *r, struct oc_json *parent, const char *key,
		       struct oc_json **out);

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	oc_vfail(r->err, 0, fmt, ap);
	va_end(ap);
	return oc_err_context(r->err, "%s:%u:%u", r->file, r->line,
			      (unsigned)(r->p - r->line_start) + 1);
}

/* "unexpected ..." at the current place, naming what is there in printable form. */
static int unexpected(struct reader *r, const char *wanted)
{
	if (r->p == r->end)
		return fail(r, "unexpected end of file, expected %s", wanted);
	uint32_t c = 0;
	size_t n = oc_utf8_decode(r->p, (size_t)(r->end - r->p), &c);
	if (oc_utf8_unprintable(c))
		return fail(r, "unexpected character U+%04X, expected %s", (unsigned)c, wanted);
	return fail(r, "unexpected '%.*s', expected %s", (int)n, r->p, wanted);
}

static bool at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static bool looking_at(const struct reader *r, const char *s)
{
	size_t n = strlen(s);
	return (size_t)(r->end - r->p) >= n && memcmp(r->p, s, n) == 0;
}

/* Length of the line terminator at p (LF, CR, CR LF, U+2028, U+2029), 0 if there is none. */
static size_t terminator(const struct reader *r)
{
	if (at(r, '\n'))
		return 1;
	if (at(r, '\r'))
		return r->end - r->p > 1 && r->p[1] == '\n' ? 2 : 1;
	return looking_at(r, "\xE2\x80\xA8") || looking_at(r, "\xE2\x80\xA9") ? 3 : 0;
}

/* Step over a terminator of length n. U+2028 and U+2029 do not count as lines: editors agree. */
static void step_line(struct reader *r, size_t n)
{
	r->p += n;
	if (n < 3) {
		r->line++;
		r->line_start = r->p;
	}
}

/* White space of JSON5 beyond ASCII: U+FEFF and general category Zs. */
static bool is_space(uint32_t c)
{
	return c == 0xA0 || c == 0xFEFF || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
	       c == 0x202F || c == 0x205F || c == 0x3000;
}

static int skip_comment(struct reader *r)
{
	size_t n;

	if (r->p[1] == '/') {
		while (r->p < r->end && terminator(r) == 0)
			r->p++;
		return 0;
	}
	struct reader start = *r;
	for (r->p += 2; r->p < r->end;) {
		if (looking_at(r, "*/")) {
			r->p += 2;
			return 0;
		}
		if ((n = terminator(r)) > 0)
			step_line(r, n);
		else
			r->p++;
	}
	return fail(&start, "this comment has no end");
}

static int skip_space(struct reader *r)
{
	while (r->p < r->end) {
		unsigned char c = (unsigned char)*r->p;
		uint32_t cp = 0;
		size_t n;

		if (r->message && c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		if (c == ' ' || c == '\t' || c == '\v' || c == '\f') {
			r->p++;
		} else if (c == '/' && r->end - r->p > 1 && (r->p[1] == '/' || r->p[1] == '*')) {
			if (skip_comment(r) < 0)
				return -1;
		} else if ((n = terminator(r)) > 0) {
			step_line(r, n);
		} else if (c >= 0x80 &&
			   (n = oc_utf8_decode(r->p, (size_t)(r->end - r->p), &cp)) > 0 &&
			   is_space(cp)) {
			r->p += n;
		} else {
			break;
		}
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The n hex digits of an escape at p. */
static int parse_hex(struct reader *r, unsigned n, uint32_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++, r->p++) {
		int d = r->p < r->end ? hex_digit(*r->p) : -1;
		if (d < 0)
			return unexpected(r, "a hexadecimal digit");
		*out = *out << 4 | (uint32_t)d;
	}
	return 0;
}

/* What follows "\u"; two escapes that are a surrogate pair give one character. */
static int parse_unicode_escape(struct reader *r, uint32_t *out)
{
	uint32_t low;

	if (parse_hex(r, 4, out) < 0)
		return -1;
	if (*out == 0 && !r->message)
		return fail(r, "a NUL character is not allowed");
	if (*out < 0xD800 || *out > 0xDFFF)
		return 0;
	if (*out <= 0xDBFF && looking_at(r, "\\u")) {
		const char *second = r->p;
		r->p += 2;
		if (parse_hex(r, 4, &low) < 0)
			return -1;
		if (low >= 0xDC00 && low <= 0xDFFF) {
			*out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
			return 0;
		}
		/* The second may be a character of its own. */
		if (r->message)
			r->p = second;
	}
	if (r->message) {
		*out = 0xFFFD;
		return 0;
	}
	return fail(r, "half of a surrogate pair is not a character");
}

/* RFC 8259 section 7: these and no others. */
static int parse_message_escape(struct reader *r, char **o)
{
	static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
	uint32_t cp = 0;
	const char *hit = r->p < r->end && *r->p ? strchr(from, *r->p) : NULL;

	if (hit) {
		*(*o)++ = to[hit - from];
		r->p++;
		return 0;
	}
	if (!at(r, 'u'))
		return unexpected(r, "an escape");
	r->p++;
	if (parse_unicode_escape(r, &cp) < 0)
		return -1;
	*o += oc_utf8_encode(cp, *o);
	return 0;
}

/* What follows a backslash in a string, appended to o. */
static int parse_escape(struct reader *r, char **o)
{
	static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
	uint32_t cp = 0;
	const char *hit;
	size_t n;

	if (r->message)
		return parse_message_escape(r, o);
	if (r->p == r->end)
		return unexpected(r, "an escape");
	if ((n = terminator(r)) > 0) {
		step_line(r, n);
		return 0;
	}
	char c = *r->p;
	if (c == 'u' || c == 'x') {
		r->p++;
		if ((c == 'u' ? parse_unicode_escape(r, &cp) : parse_hex(r, 2, &cp)) < 0)
			return -1;
		if (cp == 0)
			return fail(r, "a NUL character is not allowed");
		*o += oc_utf8_encode(cp, *o);
		return 0;
	}
	if (c == '0' && !(r->end - r->p > 1 && r->p[1] >= '0' && r->p[1] <= '9'))
		return fail(r, "a NUL character is not allowed");
	if (c >= '0' && c <= '9')
		return fail(r, "octal escapes are not allowed");
	if ((hit = strchr(from, c)) != NULL) {
		*(*o)++ = to[hit - from];
		r->p++;
		return 0;
	}
	/* Any other character stands for itself. */
	n = oc_utf8_decode(r->p, (size_t)(r->end - r->p), NULL);
	*o = mempcpy(*o, r->p, n);
	r->p += n;
	return 0;
}

static int parse_string(struct reader *r, const char **out, size_t *length)
{
	struct reader start = *r;
	char quote = *r->p++;

	/* Find the end first: the decoded text is never longer than the written one. */
	const char *e = r->p;
	while (e < r->end && *e != quote) {
		if (*e == '\\' && r->end - e > 1)
			e++;
		e++;
	}
	if (e >= r->end)
		return fail(&start, "this string has no end");
	char *s = oc_arena_alloc(r->arena, (size_t)(e - r->p) + 1), *o = s;
	while (*r->p != quote) {
		if (r->message && (unsigned char)*r->p < 0x20)
			return unexpected(r, "its escape");
		if (*r->p == '\n' || *r->p == '\r')
			return fail(r, "a string cannot go over the end of the line (write \\n, or "
				       "end the line with \\)");
		if (*r->p == '\\') {
			r->p++;
			if (parse_escape(r, &o) < 0)
				return -1;
		} else {
			*o++ = *r->p++;
		}
	}
	r->p++;
	*o = 0;
	*out = s;
	*length = (size_t)(o - s);
	return 0;
}

static bool is_key_char(uint32_t c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
	       (!first && c >= '0' && c <= '9');
}

static int parse_key(struct reader *r, const char **out)
{
	size_t length = 0;

	if (at(r, '"') || (at(r, '\'') && !r->message)) {
		struct reader start = *r;
		if (parse_string(r, out, &length) < 0)
			return -1;
		return strlen(*out) == length ? 0 : fail(&start, "a NUL character is not allowed");
	}
	if (r->message)
		return unexpected(r, "a key");

	size_t max = 0;
	while ((size_t)(r->end - r->p) > max &&
	       (is_key_char((unsigned char)r->p[max], false) || r->p[max] == '\\'))
		max++;
	char *s = oc_arena_alloc(r->arena, max + 1), *o = s;
	while (r->p < r->end) {
		uint32_t c = (unsigned char)*r->p;
		struct reader place = *r;
		if (c == '\\') {
			r->p++;
			if (!at(r, 'u'))
				return unexpected(r, "'u'");
			r->p++;
			if (parse_unicode_escape(r, &c) < 0)
				return -1;
			if (!is_key_char(c, o == s))
				return fail(
					&place,
					"this character is not allowed in a key without quotes");
		} else if (is_key_char(c, o == s)) {
			r->p++;
		} else if (c >= 0x80) {
			uint32_t cp = 0;
			oc_utf8_decode(r->p, (size_t)(r->end - r->p), &cp);
			if (is_space(cp) || terminator(r) > 0)
				break;
			return fail(r, "a key with characters beyond ASCII needs quotes");
		} else {
			break;
		}
		*o++ = (char)c;
	}
	if (o == s)
		return unexpected(r, "a key or '}'");
	*o = 0;
	*out = s;
	return 0;
}

static size_t digits(const char *p, const char *end)
{
	size_t n = 0;
	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* Length of the decimal literal at p (no sign), 0 if there is none. */
static size_t decimal(const char *p, const char *end)
{
	const char *s = p;
	size_t whole = digits(p, end), fraction = 0;

	if (whole > 1 && *p == '0')
		return 0;
	p += whole;
	if (p < end && *p == '.') {
		fraction = digits(p + 1, end);
		p += 1 + fraction;
	}
	if (whole + fraction == 0)
		return 0;
	if (p < end && (*p == 'e' || *p == 'E')) {
		const char *x = p + 1;
		if (x < end && (*x == '+' || *x == '-'))
			x++;
		size_t n = digits(x, end);
		if (n == 0)
			return 0;
		p = x + n;
	}
	return (size_t)(p - s);
}

static int parse_number(struct reader *r, struct oc_json *v)
{
	const char *s = r->p, *p = s;
	bool negative = *p == '-';
	struct reader rest = *r;
	double d;

	if (*p == '+' || *p == '-')
		p++;
	rest.p = p;
	if (r->message) {
		size_t n = decimal(p, r->end);
		/* JSON5 takes ".5", "5." and "+5", too. */
		const char *dot = n ? memchr(p, '.', n) : NULL;
		if (n == 0 || *s == '+' || dot == p || (dot && digits(dot + 1, p + n) == 0))
			return fail(r, "malformed number");
		d = strtod(oc_arena_strndup(r->arena, p, n), NULL);
		p += n;
	} else if (looking_at(&rest, "Infinity")) {
		p += 8;
		d = HUGE_VAL;
	} else if (looking_at(&rest, "NaN")) {
		p += 3;
		d = (double)NAN;
	} else if (looking_at(&rest, "0x") || looking_at(&rest, "0X")) {
		const char *h = p + 2;
		while (h < r->end && hex_digit(*h) >= 0)
			h++;
		rest.p = h;
		if (h == p + 2)
			return unexpected(&rest, "a hexadecimal digit");
		d = strtod(oc_arena_strndup(r->arena, p, (size_t)(h - p)), NULL);
		p = h;
	} else {
		size_t n = decimal(p, r->end);
		if (n == 0)
			return fail(r, "malformed number");
		/* The program never calls setlocale(3): the decimal point is '.'. */
		d = strtod(oc_arena_strndup(r->arena, p, n), NULL);
		p += n;
	}
	v->type = OC_JSON_NUMBER;
	v->number = negative ? -d : d;
	v->string = oc_arena_strndup(r->arena, s, (size_t)(p - s));
	r->p = p;
	return 0;
}

static bool word(struct reader *r, const char *w)
{
	size_t n = strlen(w);

	if (!looking_at(r, w) || (r->p + n < r->end && is_key_char((unsigned char)r->p[n], false)))
		return false;
	r->p += n;
	return true;
}

static int parse_array(struct reader *r, struct oc_json *v)
{
	struct oc_json **tail = &v->child;

	v->type = OC_JSON_ARRAY;
	r->p++;
	for (;;) {
		if (skip_space(r) < 0)
			return -1;
		if (at(r, ']') && !(r->message && v->count))
			break;
		if (parse_value(r, v, NULL, tail) < 0)
			return -1;
		(*tail)->index = v->count++;
		tail = &(*tail)->next;
		if (skip_space(r) < 0)
			return -1;
		if (at(r, ']'))
			break;
		if (!at(r, ','))
			return unexpected(r, "',' or ']'");
		r->p++;
	}
	r->p++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct oc_json *const *x = a, *const *y = b;
	int c = strcmp((*x)->key, (*y)->key);
	return c ? c : ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

/*
 * Two readers that take different ones of two equal keys see different documents; so nobody gets
 * to see one.  Sorting keeps an object of 100000 keys cheap.
 */
static int check_duplicates(struct reader *r, const struct oc_json *obj)
{
	const struct oc_json *small[32], **keys = small, *found = NULL, *c;
	size_t n = 0;

	if (obj->count < 2)
		return 0;
	if (obj->count > sizeof(small) / sizeof(small[0])) {
		keys = malloc(obj->count * sizeof(struct oc_json *));
		if (!keys)
			oc_oom();
	}
	for (c = obj->child; c; c = c->next)
		keys[n++] = c;
	qsort(keys, n, sizeof(struct oc_json *), by_key);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(keys[i - 1]->key, keys[i]->key) &&
		    (!found || keys[i]->index < found->index))
			found = keys[i];
	if (keys != small)
		free(keys);
	return found ? oc_json_fail(r->arena, found, r->err, "this key is there twice") : 0;
}

static int parse_object(struct reader *r, struct oc_json *v)
{
	struct oc_json **tail = &v->child;
	const char *key = NULL;

	v->type = OC_JSON_OBJECT;
	r->p++;
	for (;;) {
		if (skip_space(r) < 0)
			return -1;
		if (at(r, '}') && !(r->message && v->count))
			break;
		if (parse_key(r, &key) < 0 || skip_space(r) < 0)
			return -1;
		if (!at(r, ':'))
			return unexpected(r, "':'");
		r->p++;
		if (skip_space(r) < 0 || parse_value(r, v, key, tail) < 0)
			return -1;
		(*tail)->index = v->count++;
		tail = &(*tail)->next;
		if (skip_space(r) < 0)
			return -1;
		if (at(r, '}'))
			break;
		if (!at(r, ','))
			return unexpected(r, "',' or '}'");
		r->p++;
	}
	r->p++;
	return check_duplicates(r, v);
}

static int parse_container(struct reader *r, struct oc_json *v)
{
	if (r->depth == OC_JSON_MAX_DEPTH)
		return fail(r, "nested deeper than %d levels", OC_JSON_MAX_DEPTH);
	r->depth++;
	int rc = *r->p == '[' ? parse_array(r, v) : parse_object(r, v);
	r->depth--;
	return rc;
}

/* Parse the value at p into *out, which is set as soon as the value is known to start. */
static int parse_value(struct reader *r, struct oc_json *parent, const char *key,
		       struct oc_json **out)
{
	if (r->p == r->end)
		return unexpected(r, "a value");
	if (r->nodes == OC_JSON_MAX_NODES)
		return fail(r, "more than %u values", OC_JSON_MAX_NODES);
	r->nodes++;
	struct oc_json *v = oc_arena_alloc(r->arena, sizeof(*v));
	v->line = r->line;
	v->column = (unsigned)(r->p - r->line_start) + 1;
	v->file = r->file;
	v->key = key;
	v->parent = parent;
	*out = v;

	char c = *r->p;
	if (c == '{' || c == '[')
		return parse_container(r, v);
	if (c == '"' || (c == '\'' && !r->message)) {
		v->type = OC_JSON_STRING;
		return parse_string(r, &v->string, &v->length);
	}
	if (c == '+' || c == '-' || c == '.' || (c >= '0' && c <= '9') || c == 'I' || c == 'N')
		return parse_number(r, v);
	if (word(r, "null")) {
		v->type = OC_JSON_NULL;
		return 0;
	}
	if (word(r, "true") || word(r, "false")) {
		v->type = OC_JSON_BOOL;
		v->boolean = r->p[-2] == 'u';
		return 0;
	}
	return unexpected(r, "a value");
}

/* One pass over the text: valid UTF-8 without NUL. Afterwards every step can rely on it. */
static int check_text(struct reader *r)
{
	struct reader c = *r;

	while (c.p < c.end) {
		unsigned char b = (unsigned char)*c.p;
		if (b == '\n' || b == '\r') {
			step_line(&c, terminator(&c));
		} else if (b == 0) {
			return fail(&c, "a NUL character is not allowed");
		} else {
			size_t n = b < 0x80 ? 1 : oc_utf8_decode(c.p, (size_t)(c.end - c.p), NULL);
			if (n == 0)
				return fail(&c, "byte 0x%02x: the text is not UTF-8", b);
			c.p += n;
		}
	}
	return 0;
}

static int parse(struct reader *r, const char *text, size_t len, size_t max, struct oc_json **out)
{
	struct oc_json *root = NULL;

	*out = NULL;
	r->p = r->line_start = text;
	r->end = text + len;
	r->line = 1;
	if (len > max)
		return oc_fail(r->err, 0, "%s: larger than %zu bytes", r->file, max);
	if (check_text(r) < 0 || skip_space(r) < 0 || parse_value(r, NULL, NULL, &root) < 0 ||
	    skip_space(r) < 0)
		return -1;
	if (r->p < r->end)
		return unexpected(r, "the end of the file");
	*out = root;
	return 0;
}

int oc_json_parse(struct oc_arena *a, const char *text, size_t len, const char *file,
		  struct oc_json **out, struct oc_err *err)
{
	struct reader r = {.arena = a, .err = err, .file = oc_arena_strdup(a, file)};

	return parse(&r, text, len, OC_JSON_MAX_BYTES, out);
}

int oc_json_parse_message(struct oc_arena *a, const char *text, size_t len, const char *name,
			  size_t max, struct oc_json **out, struct oc_err *err)
{
	struct reader r = {
		.arena = a, .err = err, .message = true, .file = oc_arena_strdup(a, name)};

	return parse(&r, text, len, max, out);
}

struct oc_json *oc_json_get(const struct oc_json *v, const char *key)
{
	if (!v || v->type != OC_JSON_OBJECT)
		return NULL;
	for (struct oc_json *c = v->child; c; c = c->next)
		if (!strcmp(c->key, key))
			return c;
	return NULL;
}

static bool plain_key(const char *key)
{
	for (const char *p = key; *p; p++)
		if (!is_key_char((unsigned char)*p, false) && *p != '-')
			return false;
	return *key != 0;
}

const char *oc_json_path(struct oc_arena *a, const struct oc_json *v)
{
	size_t n = 0, k;
	oc_auto_buf b = {0};

	for (const struct oc_json *p = v; p->parent; p = p->parent)
		n++;
	if (n == 0)
		return "";
	const struct oc_json **chain = oc_arena_array(a, n, sizeof(struct oc_json *)), *up = v;
	for (k = n; k > 0; up = up->parent)
		chain[--k] = up;
	for (; k < n; k++) {
		const struct oc_json *p = chain[k];
		if (!p->key) {
			oc_buf_printf(&b, "[%u]", p->index);
		} else if (plain_key(p->key)) {
			oc_buf_printf(&b, "%s%s", b.len ? "." : "", p->key);
		} else {
			struct oc_json_writer w;
			oc_jw_init(&w, &b, 0);
			oc_buf_puts(&b, "[");
			oc_jw_string(&w, p->key);
			oc_buf_puts(&b, "]");
		}
	}
	return oc_arena_strndup(a, b.data, b.len);
}

const char *oc_json_type_name(enum oc_json_type t)
{
	switch (t) {
	case OC_JSON_NULL:
		return "null";
	case OC_JSON_BOOL:
		return "boolean";
	case OC_JSON_NUMBER:
		return "number";
	case OC_JSON_STRING:
		return "string";
	case OC_JSON_ARRAY:
		return "array";
	case OC_JSON_OBJECT:
		return "object";
	}
	return "unknown";
}

int oc_json_fail(struct oc_arena *a, const struct oc_json *v, struct oc_err *err, const char *fmt,
		 ...)
{
	const char *path = oc_json_path(a, v);
	va_list ap;

	va_start(ap, fmt);
	oc_vfail(err, 0, fmt, ap);
	va_end(ap);
	return oc_err_context(err, "%s:%u%s%s", v->file, v->line, *path ? ": " : "", path);
}

int oc_json_int(struct oc_arena *a, const struct oc_json *v, int64_t min, int64_t max, int64_t *out,
		struct oc_err *err)
{
	/* Beyond 2^53 a double no longer tells neighbours apart. */
	const double exact = 9007199254740992.0;

	if (v->type != OC_JSON_NUMBER)
		return oc_json_fail(a, v, err, "expected a whole number, found %s",
				    oc_json_type_name(v->type));
	if (!(v->number > -exact && v->number < exact) || v->number != (double)(int64_t)v->number)
		return oc_json_fail(a, v, err, "expected a whole number, found %.40s", v->string);
	int64_t n = (int64_t)v->number;
	if (n < min || n > max)
		return oc_json_fail(a, v, err, "%lld is not between %lld and %lld", (long long)n,
				    (long long)min, (long long)max);
	*out = n;
	return 0;
}
