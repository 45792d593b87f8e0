/* SPDX-License-Identifier: Apache-2.0 */
/*
 * values - typed access to a checked tree.
 *
 * A text with a ${NAME} whose variable is unset or empty counts as absent: the defaults, which are the strict ones, apply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/internal.h"

const struct oc_json *oc_config_find(const struct oc_json *v, const char *path)
{
	char key[64];

	while (v && *path) {
		size_t n = strcspn(path, ".");
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = 0;
		v = oc_json_get(v, key);
		path += n + (path[n] == '.');
	}
	if (!v || v->unset_env || v->type == OC_JSON_NULL)
		return NULL;
	return v;
}

const char *oc_config_string(const struct oc_json *v, const char *path, const char *otherwise)
{
	v = oc_config_find(v, path);
	return v && v->type == OC_JSON_STRING && *v->string ? v->string : otherwise;
}

bool oc_config_bool(const struct oc_json *v, const char *path, bool otherwise)
{
	v = oc_config_find(v, path);
	return v && v->type == OC_JSON_BOOL ? v->boolean : otherwise;
}

int oc_config_uint(struct oc_config_build *b, const char *path, uint64_t min, uint64_t max,
		   uint64_t *value, struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, path);
	int64_t n;

	if (!v)
		return 0;
	if (oc_json_int(b->a, v, (int64_t)min, (int64_t)max, &n, err) < 0)
		return -1;
	*value = (uint64_t)n;
	return 0;
}

int oc_config_strings_at(struct oc_config_build *b, const char *path, struct oc_config_strings *out,
			 struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, path);

	if (!v)
		return 0;
	out->list = oc_arena_array(b->a, v->count, sizeof(*out->list));
	out->count = 0;
	for (const struct oc_json *e = v->child; e; e = e->next) {
		if (e->unset_env)
			continue;
		if (e->type != OC_JSON_STRING || !*e->string)
			return oc_json_fail(b->a, e, err, "must be a text that is not empty");
		out->list[out->count++] = e->string;
	}
	return 0;
}

static void list_names(char *out, size_t size, const char *const *names, size_t count)
{
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < count && used < size; i++) {
		const char *sep = i == 0 ? "" : i + 1 == count ? " or " : ", ";
		int n = snprintf(out + used, size - used, "%s%s", sep, names[i]);
		used += n > 0 ? (size_t)n : 0;
	}
}

int oc_config_word(const char *what, const char *text, const char *const *names, size_t count,
		   unsigned *value, struct oc_err *err)
{
	char all[160];

	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], text) == 0) {
			*value = (unsigned)i;
			return 0;
		}
	list_names(all, sizeof(all), names, count);
	oc_fail(err, 0, "%s: must be %s, not \"%.60s\"", what, all, text);
	const char *near = oc_config_near(text, names, count);
	if (near)
		oc_err_hint(err, "did you mean \"%s\"?", near);
	return -1;
}

int oc_config_enum(struct oc_config_build *b, const char *path, const char *const *names, size_t count,
		   unsigned *value, struct oc_err *err)
{
	const struct oc_json *v = oc_config_find(b->s->root, path);

	if (!v)
		return 0;
	const char *what = oc_arena_printf(b->a, "%s:%u: %s", v->file, v->line, path);
	return oc_config_word(what, v->string, names, count, value, err);
}

int oc_config_net_parse(const char *text, struct oc_config_net *out)
{
	size_t n = strcspn(text, "/");
	unsigned most;

	if (oc_addr_parse(text, n, &out->addr) < 0)
		return -1;
	most = out->addr.family == 4 ? 32 : 128;
	out->bits = most;
	if (text[n] == '/') {
		const char *p = text + n + 1;
		size_t digits = strspn(p, "0123456789");
		if (digits == 0 || digits > 3 || p[digits] || (p[0] == '0' && digits > 1))
			return -1;
		out->bits = (unsigned)strtoul(p, NULL, 10);
		if (out->bits > most)
			return -1;
	}
	/* ::ffff:10.0.0.0/104 is 10.0.0.0/8 */
	struct oc_addr v4 = oc_addr_unmap(&out->addr);
	if (v4.family != out->addr.family) {
		if (out->bits < 96)
			return -1;
		out->addr = v4;
		out->bits -= 96;
	}
	return 0;
}
