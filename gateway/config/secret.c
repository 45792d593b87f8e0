/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - {source, provider, id} in place of a secret: looked up in the environment or in a file of the operator.
 *
 *   {source: "env", id: "NAME"}                          the variable
 *   {source: "file", provider: "P", id: "/a/b"}          in the JSON file secrets.providers.P.path, by JSON pointer
 *   {source: "file", provider: "P", id: "value"}         the whole file, with secrets.providers.P.mode "singleValue"
 *
 * Other sources would need a program to be started.  What cannot be had is an error: never "no secret".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "gateway/config/internal.h"

enum { secret_bytes_max = 1 << 20 };

const char *const oc_config_secret_paths[] = {
	"gateway.auth.token",	   "gateway.auth.password", "gateway.remote.token",
	"gateway.remote.password", "hooks.token",	    NULL,
};

static const char *conf_env(const struct oc_conf_options *conf, const char *name)
{
	const char *v = conf->getenv(conf->ctx, name);
	return v && *v ? v : NULL;
}

/* RFC 6901. */
static const struct oc_json *pointer(struct oc_arena *a, const struct oc_json *v, const char *p)
{
	while (v && *p == '/') {
		size_t n = strcspn(++p, "/");
		char *key = oc_arena_strndup(a, p, n), *o = key;
		for (const char *s = key; *s; s++) {
			if (s[0] == '~' && (s[1] == '0' || s[1] == '1'))
				*o++ = *++s == '0' ? '~' : '/';
			else
				*o++ = *s;
		}
		*o = 0;
		v = oc_json_get(v, key);
		p += n;
	}
	return *p ? NULL : v;
}

static int from_file(struct oc_arena *a, struct oc_config_source *s, const struct oc_json *ref,
		     const char *id, const char **out, struct oc_err *err)
{
	const char *name = oc_config_string(ref, "provider", "default");
	const struct oc_json *provider =
		oc_json_get(oc_config_find(s->root, "secrets.providers"), name);
	const char *path = oc_config_string(provider, "path", NULL),
		   *mode = oc_config_string(provider, "mode", "json");
	oc_auto_buf text = {0};
	struct oc_json *tree;
	struct stat st;

	if (!path)
		return oc_json_fail(a, ref, err, "there is no secrets.providers.%.60s.path", name);
	if (path[0] == '~' && path[1] == '/' && s->home)
		path = oc_arena_printf(a, "%s/%s", s->home, path + 2);
	if (path[0] != '/')
		return oc_json_fail(a, provider, err, "path must be absolute");
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_json_fail(a, ref, err, "cannot open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return oc_json_fail(a, ref, err, "'%s' is not a regular file", path);
	if (st.st_mode & 077) {
		oc_json_fail(a, ref, err, "'%s' is open to other users (mode %04o)", path,
			     (unsigned)st.st_mode & 07777);
		return oc_err_hint(err, "chmod 600 '%s'", path);
	}
	if (oc_read_all(fd, &text, secret_bytes_max) < 0)
		return oc_json_fail(a, ref, err, "cannot read '%s': %s", path, strerror(errno));
	if (strcmp(mode, "singleValue") == 0) {
		while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
			text.len--;
		*out = text.len ? oc_arena_strndup(a, text.data, text.len) : NULL;
	} else {
		if (oc_json_parse(a, text.len ? text.data : "", text.len, path, &tree, err) < 0)
			return oc_err_context(err, "%s:%u: %s", ref->file, ref->line,
					      oc_json_path(a, ref));
		const struct oc_json *v = pointer(a, tree, id);
		*out = v && v->type == OC_JSON_STRING && *v->string ? v->string : NULL;
	}
	return *out ? 0 : oc_json_fail(a, ref, err, "'%s' has no text at \"%.100s\"", path, id);
}

static int look_up(struct oc_arena *a, struct oc_config_source *s, const struct oc_json *ref,
		   const struct oc_conf_options *conf, const char **out, struct oc_err *err)
{
	const char *source = oc_config_string(ref, "source", ""),
		   *id = oc_config_string(ref, "id", NULL);

	if (!id)
		return oc_json_fail(a, ref, err, "a reference to a secret needs source and id");
	if (strcmp(source, "file") == 0)
		return from_file(a, s, ref, id, out, err);
	if (strcmp(source, "env") != 0) {
		oc_json_fail(a, ref, err, "source must be env or file, not \"%.40s\"", source);
		return oc_err_hint(err, "secrets from programs are not supported");
	}
	*out = conf_env(conf, id);
	if (!*out)
		return oc_json_fail(a, ref, err, "the environment variable %.64s is unset or empty",
				    id);
	*out = oc_arena_strdup(a, *out);
	return 0;
}

int oc_config_read_secrets(struct oc_arena *a, struct oc_config_source *s,
			   const struct oc_conf_options *conf, struct oc_err *err)
{
	size_t n = 0;

	while (oc_config_secret_paths[n])
		n++;
	s->secrets = oc_arena_array(a, n, sizeof(*s->secrets));
	for (size_t i = 0; i < n; i++) {
		const struct oc_json *v = oc_config_find(s->root, oc_config_secret_paths[i]);
		const char *value = NULL;
		/* A command that only connects may have another environment than the gateway. */
		if (!v || v->type != OC_JSON_OBJECT)
			continue;
		if (look_up(a, s, v, conf, &value, err) < 0) {
			if (s->client)
				continue;
			return -1;
		}
		s->secrets[s->secret_count++] = (struct oc_config_secret){
			.path = oc_config_secret_paths[i], .value = value};
	}
	return 0;
}
