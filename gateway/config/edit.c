/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit - change one value in the text of openclaw.json.
 *
 * The parser says what is there; this walks the text itself to find where.  It relies on the parser having accepted the whole,
 * and stays within the text even if it had not.
 */
#include "gateway/config/edit.h"

#include <string.h>

#include "gateway/config/path.h"

struct text {
	const char *s;
	size_t len;
};
struct span {
	size_t from, to;
};
/* Members of an object or elements of an array, in order. */
struct item {
	struct span key, value; /* key: empty in an array */
	size_t comma;		/* of the comma behind it; 0: none */
};

static bool space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* Behind white space and comments. */
static size_t skip(const struct text *t, size_t i)
{
	while (i < t->len) {
		if (space(t->s[i])) {
			i++;
		} else if (t->len - i >= 2 && memcmp(t->s + i, "\xC2\xA0", 2) == 0) {
			i += 2;
		} else if (t->len - i >= 3 && memcmp(t->s + i, "\xEF\xBB\xBF", 3) == 0) {
			i += 3;
		} else if (t->len - i >= 2 && t->s[i] == '/' && t->s[i + 1] == '/') {
			while (i < t->len && t->s[i] != '\n' && t->s[i] != '\r')
				i++;
		} else if (t->len - i >= 2 && t->s[i] == '/' && t->s[i + 1] == '*') {
			const char *end = memmem(t->s + i + 2, t->len - i - 2, "*/", 2);
			i = end ? (size_t)(end - t->s) + 2 : t->len;
		} else {
			break;
		}
	}
	return i;
}

static size_t string_end(const struct text *t, size_t i)
{
	char quote = t->s[i++];

	while (i < t->len && t->s[i] != quote)
		i += t->s[i] == '\\' ? 2 : 1;
	return i < t->len ? i + 1 : t->len;
}

static size_t value_end(const struct text *t, size_t i)
{
	unsigned depth = 0;

	while (i < t->len) {
		char c = t->s[i];
		size_t after = skip(t, i);
		if (after > i && depth > 0) {
			i = after;
			continue;
		}
		if (c == '"' || c == '\'') {
			i = string_end(t, i);
			if (depth == 0)
				return i;
		} else if (c == '{' || c == '[') {
			depth++;
			i++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return i;
			i++;
			if (--depth == 0)
				return i;
		} else if (depth == 0 && (c == ',' || c == ':' || after > i)) {
			return i;
		} else {
			i++;
		}
	}
	return t->len;
}

/* The item after position *i (behind the bracket or the last comma); false: there is none, *i stands on the closing bracket. */
static bool next_item(const struct text *t, size_t *i, bool object, struct item *out)
{
	*out = (struct item){0};
	*i = skip(t, *i);
	if (*i >= t->len || t->s[*i] == '}' || t->s[*i] == ']')
		return false;
	if (object) {
		out->key.from = *i;
		out->key.to = value_end(t, *i);
		*i = skip(t, out->key.to);
		if (*i < t->len)
			(*i)++; /* the colon */
		*i = skip(t, *i);
	}
	out->value.from = *i;
	out->value.to = value_end(t, *i);
	*i = skip(t, out->value.to);
	if (*i < t->len && t->s[*i] == ',')
		out->comma = (*i)++;
	return true;
}

/* --- finding the place --- */

struct place {
	size_t open;		      /* bracket of the innermost container that is there */
	const struct oc_json *parent; /* that container */
	size_t depth;		      /* steps that were found */
	bool found;		      /* the whole path */
	struct item item;	      /* of the last step that was found */
};

static int find(struct oc_arena *a, const struct text *t, const struct oc_json *root,
		const struct oc_config_path *path, struct place *out, struct oc_err *err)
{
	const struct oc_json *v = root;

	*out = (struct place){.parent = root, .open = skip(t, 0)};
	for (size_t n = 0; n < path->count; n++) {
		const struct oc_json *include = oc_json_get(v, "$include"),
				     *next = oc_config_path_step(v, &path->step[n]);
		if (include && !next) {
			oc_json_fail(a, include, err, "this part comes from included files");
			return oc_err_hint(err, "change %.200s by hand",
					   include->type == OC_JSON_STRING ? include->string : "them");
		}
		if (v->type != OC_JSON_OBJECT && v->type != OC_JSON_ARRAY)
			return oc_json_fail(a, v, err, "is %s and has no keys",
					    oc_json_type_name(v->type));
		out->parent = v;
		out->depth = n;
		if (n > 0)
			out->open = out->item.value.from;
		if (!next)
			return 0;
		size_t i = out->open + 1;
		for (unsigned k = 0; k <= next->index; k++)
			if (!next_item(t, &i, v->type == OC_JSON_OBJECT, &out->item))
				return oc_json_fail(a, v, err, "cannot be found in the text");
		v = next;
	}
	out->found = true;
	return 0;
}

/* --- writing --- */

static bool plain_key(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$0123456789");
	return n > 0 && s[n] == 0 && !(*s >= '0' && *s <= '9');
}

static void put_key(struct oc_buf *b, const char *key, bool quote)
{
	struct oc_json_writer w;

	if (plain_key(key) && !quote) {
		oc_buf_puts(b, key);
		return;
	}
	oc_jw_init(&w, b, 0);
	oc_jw_string(&w, key);
}

/* The white space that a line of position i begins with. */
static struct span indent_of(const struct text *t, size_t i)
{
	size_t from = i, to;

	while (from > 0 && t->s[from - 1] != '\n')
		from--;
	for (to = from; to < t->len && (t->s[to] == ' ' || t->s[to] == '\t'); to++)
		;
	return (struct span){from, to};
}

static bool first_on_line(const struct text *t, size_t i)
{
	struct span s = indent_of(t, i);
	return s.to == i;
}

/* value inside the objects of the steps that are missing: {b: {c: value}} for a.b.c below a. */
static int nested(struct oc_buf *b, const struct oc_config_path *path, size_t from, const char *value,
		  bool quote, struct oc_err *err)
{
	size_t open = 0;

	for (size_t i = from; i < path->count; i++, open++) {
		if (!path->step[i].key)
			return oc_fail(err, 0, "there is no element [%u], and none before it",
				       path->step[i].index);
		oc_buf_puts(b, "{ ");
		put_key(b, path->step[i].key, quote);
		oc_buf_puts(b, ": ");
	}
	oc_buf_puts(b, value);
	while (open-- > 0)
		oc_buf_puts(b, " }");
	return 0;
}

/* Behind the comment that ends the line of i, if there is one: what is added must not part it from its value. */
static size_t behind_line_comment(const struct text *t, size_t i)
{
	size_t k = i;

	while (k < t->len && (t->s[k] == ' ' || t->s[k] == '\t'))
		k++;
	if (t->len - k < 2 || t->s[k] != '/' || (t->s[k + 1] != '/' && t->s[k + 1] != '*'))
		return i;
	if (t->s[k + 1] == '/') {
		while (k < t->len && t->s[k] != '\n' && t->s[k] != '\r')
			k++;
		return k;
	}
	const char *end = memmem(t->s + k, t->len - k, "*/", 2);
	const char *line = memchr(t->s + k, '\n', t->len - k);
	return end && (!line || end < line) ? (size_t)(end - t->s) + 2 : i;
}

static int insert(const struct text *t, const struct oc_config_path *path, const struct place *p,
		  const char *value, struct oc_buf *out, struct oc_err *err)
{
	const struct oc_config_step *step = &path->step[p->depth];
	bool object = p->parent->type == OC_JSON_OBJECT, quote = false;
	struct item item, last = {0}, first = {0};
	oc_auto_buf one = {0};
	size_t i = p->open + 1;

	for (unsigned n = 0; next_item(t, &i, object, &item); n++) {
		if (n == 0)
			first = item;
		last = item;
	}
	if (!object) {
		if (step->key || step->index != p->parent->count)
			return oc_fail(err, 0, "the array has %u elements: the next is [%u]",
				       p->parent->count, p->parent->count);
	}
	quote = object && last.value.to && t->s[first.key.from] == '"';
	if (object) {
		if (!step->key)
			return oc_fail(err, 0, "an object has keys, not [%u]", step->index);
		put_key(&one, step->key, quote);
		oc_buf_puts(&one, ": ");
	}
	if (nested(&one, path, p->depth + 1, value, quote, err) < 0)
		return -1;
	if (!last.value.to) { /* an empty container */
		struct span in = indent_of(t, p->open);
		oc_buf_add(out, t->s, p->open + 1);
		oc_buf_puts(out, "\n");
		oc_buf_add(out, t->s + in.from, in.to - in.from);
		oc_buf_puts(out, "  ");
		oc_buf_add(out, one.data, one.len);
		oc_buf_puts(out, ",\n");
		oc_buf_add(out, t->s + in.from, in.to - in.from);
		/* a comment that was inside stays behind the new key */
		size_t rest = p->open + 1;
		while (rest < t->len && space(t->s[rest]))
			rest++;
		oc_buf_add(out, t->s + rest, t->len - rest);
		return 0;
	}
	size_t at = object ? first.key.from : first.value.from;
	bool lines = first_on_line(t, at);
	size_t end = last.comma ? last.comma + 1 : last.value.to;
	size_t add = lines ? behind_line_comment(t, end) : end;
	struct span in = indent_of(t, at);
	oc_buf_add(out, t->s, end);
	if (!last.comma)
		oc_buf_puts(out, ",");
	oc_buf_add(out, t->s + end, add - end);
	if (lines) {
		oc_buf_puts(out, "\n");
		oc_buf_add(out, t->s + in.from, in.to - in.from);
	} else {
		oc_buf_puts(out, " ");
	}
	oc_buf_add(out, one.data, one.len);
	if (last.comma && lines)
		oc_buf_puts(out, ",");
	oc_buf_add(out, t->s + add, t->len - add);
	return 0;
}

static void cut(const struct text *t, const struct place *p, struct oc_buf *out)
{
	bool object = p->parent->type == OC_JSON_OBJECT;
	size_t from = object ? p->item.key.from : p->item.value.from, to = p->item.value.to;

	if (p->item.comma) {
		to = p->item.comma + 1;
	} else {
		/* The last one takes the comma before it along. */
		struct item item, before = {0};
		size_t i = p->open + 1;
		while (next_item(t, &i, object, &item) && item.value.from != p->item.value.from)
			before = item;
		if (before.comma) {
			oc_buf_add(out, t->s, before.comma);
			oc_buf_add(out, t->s + before.comma + 1, from - before.comma - 1);
			goto rest;
		}
	}
	oc_buf_add(out, t->s, from);
rest:
	/* The whole line, if nothing else stands on it. */
	if (first_on_line(t, from)) {
		size_t k = behind_line_comment(t, to);
		while (k < t->len && (t->s[k] == ' ' || t->s[k] == '\t' || t->s[k] == '\r'))
			k++;
		if (k < t->len && t->s[k] == '\n') {
			struct span in = indent_of(t, from);
			out->len -= in.to - in.from;
			out->data[out->len] = 0;
			to = k + 1;
		}
	}
	oc_buf_add(out, t->s + to, t->len - to);
}

int oc_config_edit(const char *text, size_t len, const char *file, const char *path,
		   const char *value, struct oc_buf *out, bool *changed, struct oc_err *err)
{
	struct text t = {.s = text, .len = len};
	struct oc_config_path steps;
	oc_auto_arena a = {0};
	struct oc_json *root, *check;
	struct place p;

	*changed = false;
	if (oc_config_path_parse(&a, path, &steps, err) < 0)
		return -1;
	if (skip(&t, 0) == t.len) { /* nothing, or only comments */
		if (!value)
			return 0;
		oc_buf_add(out, t.s, t.len);
		if (t.len && t.s[t.len - 1] != '\n')
			oc_buf_puts(out, "\n");
		if (nested(out, &steps, 0, value, false, err) < 0)
			return -1;
		oc_buf_puts(out, "\n");
		*changed = true;
		return oc_json_parse(&a, out->data, out->len, file, &check, err);
	}
	if (oc_json_parse(&a, text, len, file, &root, err) < 0)
		return -1;
	if (root->type != OC_JSON_OBJECT)
		return oc_json_fail(&a, root, err, "the configuration must be an object");
	if (find(&a, &t, root, &steps, &p, err) < 0)
		return -1;
	if (!p.found && !value)
		return 0;
	if (!value) {
		cut(&t, &p, out);
	} else if (p.found) {
		oc_buf_add(out, t.s, p.item.value.from);
		oc_buf_puts(out, value);
		oc_buf_add(out, t.s + p.item.value.to, t.len - p.item.value.to);
	} else if (insert(&t, &steps, &p, value, out, err) < 0) {
		return -1;
	}
	*changed = true;
	/* Never a file that cannot be read again. */
	if (oc_json_parse(&a, out->data ? out->data : "", out->len, file, &check, err) < 0)
		return oc_err_context(err, "the change cannot be made in this text");
	return 0;
}
