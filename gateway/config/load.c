/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - from facts to a snapshot; a snapshot as text and back; what two snapshots differ in.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "gateway/config/internal.h"

enum { packed_max = 32 << 20 };

static struct oc_config *new_config(void)
{
	struct oc_config *c = calloc(1, sizeof(*c));

	if (!c)
		oc_oom();
	c->refs = 1;
	return c;
}

struct oc_config *oc_config_ref(struct oc_config *c)
{
	c->refs++;
	return c;
}

void oc_config_unref(struct oc_config *c)
{
	if (!c || --c->refs > 0)
		return;
	struct oc_arena arena = c->arena;
	free(c);
	oc_arena_free(&arena);
}

/* Pure: s is all there is. */
static int build(struct oc_config *c, const struct oc_config_source *s, struct oc_err *err)
{
	struct oc_config_build b = {.c = c, .s = s, .a = &c->arena};

	c->source = s;
	c->state_dir = s->state_dir;
	c->path = s->path;
	c->exists = s->exists;
	memcpy(c->hash, s->hash, sizeof(c->hash));
	c->root = s->root;
	c->files = s->files;
	c->own = s->own;
	c->own_count = s->own_count;
	if (oc_config_check_keys(&b, err) < 0 || oc_config_build_gateway(&b, err) < 0 ||
	    oc_config_build_auth(&b, err) < 0 || oc_config_build_rest(&b, err) < 0 ||
	    oc_config_guard(&b, err) < 0)
		return -1;
	oc_auto_buf text = {0};
	oc_config_pack(c, &text);
	oc_sha256_hex(text.data, text.len, c->applied_hash);
	explicit_bzero(text.data, text.len);
	return 0;
}

int oc_config_load(const struct oc_config_options *opt, struct oc_config **out, struct oc_err *err)
{
	oc_auto_config *c = new_config();
	struct oc_config_source *s = oc_arena_alloc(&c->arena, sizeof(*s));

	*out = NULL;
	if (oc_config_source_read(&c->arena, opt, s, err) < 0 || build(c, s, err) < 0)
		return oc_err_step(err, "config");
	*out = c;
	c = NULL;
	return 0;
}

/* --- as text --- */

static void unset_paths(struct oc_json_writer *w, struct oc_arena *a, const struct oc_json *v)
{
	if (v->unset_env) {
		oc_jw_string(w, oc_json_path(a, v));
		oc_jw_string(w, v->unset_env);
	}
	for (const struct oc_json *m = v->child; m; m = m->next)
		unset_paths(w, a, m);
}

static void member(struct oc_json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, value);
}

static void pack_flags(struct oc_json_writer *w, const struct oc_config_flags *f)
{
	oc_jw_key(w, "flags");
	oc_jw_object(w);
	member(w, "bind", f->bind);
	member(w, "token", f->token);
	member(w, "password", f->password);
	member(w, "auth", f->auth);
	if (f->port_set) {
		oc_jw_key(w, "port");
		oc_jw_uint(w, f->port);
	}
	oc_jw_key(w, "dev");
	oc_jw_bool(w, f->dev);
	oc_jw_object_end(w);
}

static void pack_addr(struct oc_json_writer *w, const struct oc_addr *addr)
{
	char text[OC_ADDR_TEXT_MAX];
	oc_jw_string(w, oc_addr_text(addr, text));
}

void oc_config_pack(const struct oc_config *c, struct oc_buf *out)
{
	const struct oc_config_source *s = c->source;
	struct oc_json_writer w;
	oc_auto_arena scratch = {0};

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	member(&w, "stateDir", s->state_dir);
	member(&w, "path", s->path);
	member(&w, "hash", s->hash);
	member(&w, "home", s->home);
	member(&w, "envPort", s->env_port);
	member(&w, "envToken", s->env_token);
	member(&w, "envPassword", s->env_password);
	member(&w, "envHandshake", s->env_handshake);
	member(&w, "envLogLevel", s->env_log_level);
	member(&w, "storedToken", s->stored_token);
	oc_jw_key(&w, "exists");
	oc_jw_bool(&w, s->exists);
	oc_jw_key(&w, "client");
	oc_jw_bool(&w, s->client);
	oc_jw_key(&w, "container");
	oc_jw_bool(&w, s->container);
	pack_flags(&w, &s->flags);
	oc_jw_key(&w, "files");
	oc_jw_array(&w);
	for (size_t i = 0; i < s->files.count; i++)
		oc_jw_string(&w, s->files.list[i]);
	oc_jw_array_end(&w);
	oc_jw_key(&w, "secrets");
	oc_jw_array(&w);
	for (size_t i = 0; i < s->secret_count; i++) {
		oc_jw_string(&w, s->secrets[i].path);
		oc_jw_string(&w, s->secrets[i].value);
	}
	oc_jw_array_end(&w);
	oc_jw_key(&w, "own");
	oc_jw_array(&w);
	for (size_t i = 0; i < s->own_count; i++)
		pack_addr(&w, &s->own[i]);
	oc_jw_array_end(&w);
	if (s->tailnet.family) {
		oc_jw_key(&w, "tailnet");
		pack_addr(&w, &s->tailnet);
	}
	oc_jw_key(&w, "unset");
	oc_jw_array(&w);
	unset_paths(&w, &scratch, s->root);
	oc_jw_array_end(&w);
	oc_jw_key(&w, "tree");
	oc_jw_value(&w, s->root);
	oc_jw_object_end(&w);
}

static const char *text_of(const struct oc_json *v, const char *key)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING ? v->string : NULL;
}

static bool flag_of(const struct oc_json *v, const char *key)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_BOOL && v->boolean;
}

/* The file names in messages and the marks of unset variables: back where they were. */
static void restore(struct oc_arena *a, struct oc_json *v, const struct oc_json *unset)
{
	v->file = NULL;
	if (v->type == OC_JSON_STRING && unset->count && strchr(v->string, '$')) {
		const char *path = oc_json_path(a, v);
		for (const struct oc_json *u = unset->child; u && u->next; u = u->next->next)
			if (strcmp(u->string, path) == 0)
				v->unset_env = u->next->string;
	}
	for (struct oc_json *m = v->child; m; m = m->next)
		restore(a, m, unset);
}

static bool all_texts(const struct oc_json *v)
{
	if (!v || v->type != OC_JSON_ARRAY)
		return false;
	for (const struct oc_json *m = v->child; m; m = m->next)
		if (m->type != OC_JSON_STRING)
			return false;
	return true;
}

static int unpack_lists(struct oc_arena *a, const struct oc_json *v, struct oc_config_source *s)
{
	const struct oc_json *files = oc_json_get(v, "files"), *own = oc_json_get(v, "own"),
			     *secrets = oc_json_get(v, "secrets"),
			     *unset = oc_json_get(v, "unset");

	if (!all_texts(files) || !all_texts(own) || !all_texts(secrets) || !all_texts(unset) ||
	    !s->root || s->root->type != OC_JSON_OBJECT)
		return -1;
	s->files.list = oc_arena_array(a, files->count, sizeof(*s->files.list));
	for (const struct oc_json *m = files->child; m; m = m->next)
		s->files.list[s->files.count++] = m->string;
	s->own = oc_arena_array(a, own->count, sizeof(*s->own));
	for (const struct oc_json *m = own->child; m; m = m->next)
		if (oc_addr_parse(m->string, strlen(m->string), &s->own[s->own_count++]) < 0)
			return -1;
	s->secrets = oc_arena_array(a, secrets->count, sizeof(*s->secrets));
	for (const struct oc_json *m = secrets->child; m && m->next; m = m->next->next)
		s->secrets[s->secret_count++] = (struct oc_config_secret){
			.path = m->string, .value = m->next->string};
	/* Cut off: paths in messages start at the tree. */
	s->root->parent = NULL;
	s->root->key = NULL;
	s->root->next = NULL;
	restore(a, s->root, unset);
	return 0;
}

int oc_config_unpack(const char *text, size_t len, struct oc_config **out, struct oc_err *err)
{
	oc_auto_config *c = new_config();
	struct oc_config_source *s = oc_arena_alloc(&c->arena, sizeof(*s));
	struct oc_json *v;
	const char *t;
	int64_t port = 0;

	*out = NULL;
	if (oc_json_parse_message(&c->arena, text, len, "snapshot", packed_max, &v, err) < 0)
		return oc_err_step(err, "config");
	s->root = oc_json_get(v, "tree");
	s->state_dir = text_of(v, "stateDir");
	s->path = text_of(v, "path");
	s->home = text_of(v, "home");
	s->env_port = text_of(v, "envPort");
	s->env_token = text_of(v, "envToken");
	s->env_password = text_of(v, "envPassword");
	s->env_handshake = text_of(v, "envHandshake");
	s->env_log_level = text_of(v, "envLogLevel");
	s->stored_token = text_of(v, "storedToken");
	s->exists = flag_of(v, "exists");
	s->client = flag_of(v, "client");
	s->container = flag_of(v, "container");
	const struct oc_json *flags = oc_json_get(v, "flags"), *p = oc_json_get(flags, "port");
	s->flags = (struct oc_config_flags){
		.bind = text_of(flags, "bind"),
		.token = text_of(flags, "token"),
		.password = text_of(flags, "password"),
		.auth = text_of(flags, "auth"),
		.dev = flag_of(flags, "dev"),
		.port_set = p != NULL,
	};
	if (p && oc_json_int(&c->arena, p, 0, 65535, &port, err) < 0)
		return oc_err_step(err, "config");
	s->flags.port = (unsigned)port;
	if ((t = text_of(v, "hash")) && strlen(t) == 64)
		memcpy(s->hash, t, 65);
	if ((t = text_of(v, "tailnet")) && oc_addr_parse(t, strlen(t), &s->tailnet) < 0)
		return oc_fail(err, 0, "snapshot: bad address");
	if (!s->state_dir || !s->path || unpack_lists(&c->arena, v, s) < 0) {
		oc_fail(err, 0, "snapshot: not one that oc_config_pack made");
		return oc_err_step(err, "config");
	}
	if (build(c, s, err) < 0)
		return oc_err_step(err, "config");
	*out = c;
	c = NULL;
	return 0;
}

/* --- two of them --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_tree(const struct oc_config *a, const struct oc_config *b, const char *path)
{
	oc_auto_buf x = {0}, y = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &x, 0);
	oc_jw_value(&w, oc_config_find(a->root, path));
	oc_jw_init(&w, &y, 0);
	oc_jw_value(&w, oc_config_find(b->root, path));
	return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

const char *oc_config_needs_restart(const struct oc_config *before, const struct oc_config *after)
{
	static const char *const trees[] = {"gateway.auth", "gateway.trustedProxies",
					    "gateway.tailscale"};

	if (before->port != after->port)
		return "gateway.port";
	if (before->listen_count != after->listen_count)
		return "gateway.bind";
	for (size_t i = 0; i < before->listen_count; i++)
		if (!oc_addr_equal(&before->listen[i].addr, &after->listen[i].addr))
			return "gateway.bind";
	if (before->tls.enabled != after->tls.enabled || !same_text(before->tls.cert, after->tls.cert) ||
	    !same_text(before->tls.key, after->tls.key) || !same_text(before->tls.ca, after->tls.ca))
		return "gateway.tls";
	if (!same_text(before->auth.token, after->auth.token) ||
	    !same_text(before->auth.password, after->auth.password) ||
	    before->auth.mode != after->auth.mode)
		return "gateway.auth";
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		if (!same_tree(before, after, trees[i]))
			return trees[i];
	if (!same_text(before->log.file, after->log.file))
		return "logging.file";
	return NULL;
}
