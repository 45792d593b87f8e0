/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conftext - the text loader of openclaw.json: file, JSON5, $include, ${ENV}.
 *
 * Reads files below the configuration's directory and the include roots, nothing else, and
 * judges them by descriptor: what was checked is what is read.  Knows nothing of the keys.
 * A small file must not become a large tree: files, bytes, values and substituted text are bounded.
 */
#define _GNU_SOURCE 1 /* mempcpy(3), O_PATH */
#include "base/conftext.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/utf8.h"

#define INCLUDE_KEY "$include"

enum {
	include_depth_max = 10,
	include_path_max = 4096,
	files_max = 256,
	bytes_max = 8 << 20, /* of all files, and of all substituted strings */
};

/* One file of the chain of includes that is being read. */
struct source {
	const struct source *up;
	const char *path; /* absolute; as named, not resolved */
	dev_t dev;
	ino_t ino;
	unsigned depth;
};

struct loader {
	struct oc_arena *arena;
	const struct oc_conf_options *opt;
	struct oc_err *err;
	const char *dir;    /* directory of the configuration, absolute; includes stay below */
	const char **roots; /* resolved directories below which includes may lie; NULL-terminated */
	unsigned files, nodes;
	size_t bytes, substituted;
};

static int process(struct loader *l, const struct source *src, unsigned depth,
		   struct oc_json **slot);

static const char *env(const struct oc_conf_options *opt, const char *name)
{
	const char *v;

	if (opt && opt->getenv)
		v = opt->getenv(opt->ctx, name);
	else
		v = getenv(name);
	return v && *v ? v : NULL;
}

/* --- ${NAME} --- */

/* Length of "{NAME}" at s, 0 if it is something else. */
static size_t reference(const char *s)
{
	size_t n = 1;

	if (s[0] != '{' || !((s[1] >= 'A' && s[1] <= 'Z') || s[1] == '_'))
		return 0;
	while ((s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' || (s[n] >= '0' && s[n] <= '9'))
		n++;
	return s[n] == '}' ? n + 1 : 0;
}

static int substitute(struct loader *l, struct oc_json *v)
{
	if (!strchr(v->string, '$'))
		return 0;

	oc_auto_buf b = {0};
	bool changed = false;
	for (const char *s = v->string; *s;) {
		size_t n;
		if (s[0] == '$' && s[1] == '$' && (n = reference(s + 2)) > 0) {
			oc_buf_add(&b, s + 1, n + 1);
			s += n + 2;
			changed = true;
		} else if (s[0] == '$' && (n = reference(s + 1)) > 0) {
			const char *name = oc_arena_strndup(l->arena, s + 2, n - 2),
				   *value = env(l->opt, name);
			if (value) {
				oc_buf_puts(&b, value);
				changed = true;
			} else if (l->opt && l->opt->keep_unset) {
				if (!v->unset_env)
					v->unset_env = name;
				oc_buf_add(&b, s, n + 1);
			} else {
				oc_json_fail(l->arena, v, l->err,
					     "the environment variable %.64s is unset or empty",
					     name);
				return oc_err_hint(
					l->err, "set %.64s, or write $${%.64s} for the text itself",
					name, name);
			}
			s += n + 1;
		} else {
			n = strcspn(s + 1, "$") + 1;
			oc_buf_add(&b, s, n);
			s += n;
		}
		if (b.len > bytes_max - l->substituted)
			return oc_json_fail(l->arena, v, l->err,
					    "substitution makes the texts larger than %d bytes",
					    bytes_max);
	}
	if (!changed)
		return 0;
	l->substituted += b.len;
	for (size_t i = 0, n; i < b.len; i += n) {
		n = oc_utf8_decode(b.data + i, b.len - i, NULL);
		if (n == 0)
			return oc_json_fail(l->arena, v, l->err,
					    "the value of an environment variable is not UTF-8");
	}
	v->string = oc_arena_strndup(l->arena, b.data, b.len);
	return 0;
}

/* --- merging --- */

/* Hash table from key to member: merging must not be quadratic in what a file holds. */
struct index {
	struct oc_json **slot;
	size_t mask;
};

static size_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static struct oc_json **index_find(const struct index *ix, const char *key)
{
	size_t i = hash(key) & ix->mask;
	while (ix->slot[i] && strcmp(ix->slot[i]->key, key) != 0)
		i = (i + 1) & ix->mask;
	return &ix->slot[i];
}

static void index_init(struct index *ix, const struct oc_json *obj, size_t more)
{
	size_t size = 16;
	while (size < ((size_t)obj->count + more) * 2)
		size *= 2;
	ix->slot = calloc(size, sizeof(*ix->slot));
	if (!ix->slot)
		oc_oom();
	ix->mask = size - 1;
	for (struct oc_json *c = obj->child; c; c = c->next)
		*index_find(ix, c->key) = c;
}

static void append(struct oc_json *parent, struct oc_json **tail, struct oc_json *v)
{
	v->parent = parent;
	v->index = parent->count++;
	v->next = NULL;
	*tail = v;
}

static struct oc_json **end_of(struct oc_json *v)
{
	struct oc_json **tail = &v->child;
	while (*tail)
		tail = &(*tail)->next;
	return tail;
}

static void adopt(struct oc_json *v)
{
	for (struct oc_json *c = v->child; c; c = c->next)
		c->parent = v;
}

/* Put the content of from into the place of v in its parent. */
static void replace(struct oc_json *v, const struct oc_json *from)
{
	struct oc_json place = *v;

	*v = *from;
	v->key = place.key;
	v->index = place.index;
	v->parent = place.parent;
	v->next = place.next;
	adopt(v);
}

/* Merge from into v; from is used up. Both are at most OC_JSON_MAX_DEPTH deep, and so is this. */
static void merge(struct oc_json *v, struct oc_json *from)
{
	struct oc_json *c, *next;

	if (v->type == OC_JSON_ARRAY && from->type == OC_JSON_ARRAY) {
		struct oc_json **tail = end_of(v);
		for (c = from->child; c; c = next) {
			next = c->next;
			append(v, tail, c);
			tail = &c->next;
		}
	} else if (v->type == OC_JSON_OBJECT && from->type == OC_JSON_OBJECT) {
		struct oc_json **tail = end_of(v);
		struct index ix;
		index_init(&ix, v, from->count);
		for (c = from->child; c; c = next) {
			next = c->next;
			struct oc_json **hit = index_find(&ix, c->key);
			if (*hit) {
				merge(*hit, c);
			} else {
				*hit = c;
				append(v, tail, c);
				tail = &c->next;
			}
		}
		free(ix.slot);
	} else {
		replace(v, from);
	}
}

/* --- files --- */

/* dir/name, cleaned lexically (".." too); NULL if it is too long. */
static const char *join_path(struct oc_arena *a, const char *dir, const char *name)
{
	char *raw =
		name[0] == '/' ? oc_arena_strdup(a, name) : oc_arena_printf(a, "%s/%s", dir, name);
	char *out = oc_arena_alloc(a, strlen(raw) + 2), *o = out;

	for (const char *p = raw;;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len == 0)
			break;
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (o > out && *--o != '/')
				;
		} else if (!(len == 1 && p[0] == '.')) {
			*o++ = '/';
			o = mempcpy(o, p, len);
		}
		p += len;
	}
	if (o == out)
		*o++ = '/';
	*o = 0;
	return (size_t)(o - out) < include_path_max ? out : NULL;
}

static const char *dir_of(struct oc_arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == path ? "/" : oc_arena_strndup(a, path, (size_t)(slash - path));
}

static const char *real_dir(struct oc_arena *a, const char *path)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, 0);
	return fd < 0 ? NULL : oc_fd_path(a, fd);
}

/* The first include resolves the directories. */
static int find_roots(struct loader *l)
{
	const char *list = l->opt && l->opt->include_roots ? l->opt->include_roots : "";
	size_t n = 0;

	if (l->roots)
		return 0;
	size_t most = 3;
	for (const char *p = list; *p; p++)
		most += *p == ':';
	const char **roots = oc_arena_array(l->arena, most, sizeof(*roots));
	roots[n] = real_dir(l->arena, l->dir);
	if (!roots[n++])
		return oc_fail(l->err, errno, "cannot resolve the configuration's directory '%s'",
			       l->dir);
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ":");
		const char *one = oc_arena_strndup(l->arena, p, len);
		p += len + (p[len] == ':');
		if (len == 0)
			continue;
		if (one[0] != '/') {
			oc_fail(l->err, 0, "OPENCLAW_INCLUDE_ROOTS: '%s' is not an absolute path",
				one);
			return oc_err_hint(
				l->err,
				"name directories by their full path, with ':' between them");
		}
		/* A root that does not exist has nothing below it. */
		roots[n] = real_dir(l->arena, one);
		if (roots[n])
			n++;
	}
	l->roots = roots;
	return 0;
}

/*
 * Open path as O_PATH, judge it (kind, size, for an include: place), then open that very file for
 * reading through procfs.  O_PATH opens no device and waits for no FIFO.
 */
static int read_source(struct loader *l, struct source *src, struct oc_buf *text)
{
	struct stat st;
	char proc[32];

	oc_auto_close at = oc_openat2(AT_FDCWD, src->path, O_PATH, 0, 0);
	if (at < 0)
		return oc_fail(l->err, errno, "cannot open '%s'", src->path);
	if (fstat(at, &st) < 0)
		return oc_fail(l->err, errno, "cannot read '%s'", src->path);
	if (!S_ISREG(st.st_mode))
		return oc_fail(l->err, 0, "'%s' is not a regular file", src->path);
	if (src->up) {
		const char *real = oc_fd_path(l->arena, at);
		bool inside = false;
		if (!real)
			return oc_fail(l->err, errno, "cannot resolve '%s'", src->path);
		for (const char **r = l->roots; *r && !inside; r++)
			inside = oc_path_below(real, *r);
		if (!inside) {
			oc_fail(l->err, 0, "'%s' is outside the configuration's directory '%s'",
				real, l->roots[0]);
			return oc_err_hint(l->err,
					   "move the file below it, or add its directory to "
					   "OPENCLAW_INCLUDE_ROOTS");
		}
		/* A second name would let a file from elsewhere pass as one of ours. */
		if (st.st_nlink != 1) {
			oc_fail(l->err, 0, "'%s' has %llu hard links", real,
				(unsigned long long)st.st_nlink);
			return oc_err_hint(l->err, "an included file must have one name: copy it");
		}
	}
	src->dev = st.st_dev;
	src->ino = st.st_ino;
	for (const struct source *s = src->up; s; s = s->up)
		if (s->dev == src->dev && s->ino == src->ino)
			return oc_fail(l->err, 0, "circular include: '%s' is being read already",
				       src->path);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", at);
	oc_auto_close fd = oc_openat2(AT_FDCWD, proc, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, 0);
	if (fd < 0 || oc_read_all(fd, text, OC_JSON_MAX_BYTES) < 0) {
		if (errno == EFBIG)
			return oc_fail(l->err, 0, "'%s' is larger than %u bytes", src->path,
				       OC_JSON_MAX_BYTES);
		return oc_fail(l->err, errno, "cannot read '%s'", src->path);
	}
	l->bytes += text->len;
	if (++l->files > files_max || l->bytes > bytes_max)
		return oc_fail(l->err, 0,
			       "the configuration is made of more than %d files or %d bytes",
			       files_max, bytes_max);
	return 0;
}

/* NULL on failure. */
static struct oc_json *parse_source(struct loader *l, struct source *src)
{
	oc_auto_buf text = {0};
	struct oc_json *v = NULL;

	if (read_source(l, src, &text) < 0 ||
	    oc_json_parse(l->arena, text.len ? text.data : "", text.len, src->path, &v, l->err) < 0)
		return NULL;
	return v;
}

/* --- $include --- */

/* Put "<file>:<line>: <path>: " of the directive in front of an error below it. */
static int include_failed(struct loader *l, const struct oc_json *v)
{
	const char *path = oc_json_path(l->arena, v);
	return oc_err_context(l->err, "%s:%u: %s", v->file, v->line, path);
}

/*
 * What the file that v names holds, NULL on failure; it will stand at place, the object with the
 * directive.
 */
static struct oc_json *load_include(struct loader *l, const struct source *up, unsigned depth,
				    const struct oc_json *v, const struct oc_json *place)
{
	struct source src = {.up = up, .depth = up->depth + 1};
	const char *why = NULL;

	if (v->type != OC_JSON_STRING) {
		oc_json_fail(l->arena, v, l->err, "expected a file name, found %s",
			     oc_json_type_name(v->type));
		return NULL;
	}
	if (!*v->string)
		why = "the file name is empty";
	else if (src.depth > include_depth_max)
		why = "includes are nested deeper than 10 levels";
	else if (strlen(v->string) >= include_path_max ||
		 !(src.path = join_path(l->arena, dir_of(l->arena, up->path), v->string)))
		why = "the file name is longer than 4095 bytes";
	if (why) {
		oc_json_fail(l->arena, v, l->err, "%s", why);
		return NULL;
	}
	struct oc_json *loaded = find_roots(l) < 0 ? NULL : parse_source(l, &src);
	if (!loaded) {
		include_failed(l, v);
		return NULL;
	}
	/* Paths in messages start from there. */
	loaded->parent = place->parent;
	loaded->key = place->key;
	loaded->index = place->index;
	return process(l, &src, depth, &loaded) < 0 ? NULL : loaded;
}

/* v is an object with a $include: *slot becomes what it stands for. */
static int process_include(struct loader *l, const struct source *src, unsigned depth,
			   struct oc_json *directive, struct oc_json **slot)
{
	struct oc_json *v = *slot, *included;
	struct oc_json place = *v;

	if (directive->type == OC_JSON_ARRAY) {
		included = oc_arena_alloc(l->arena, sizeof(*included));
		included->type = OC_JSON_OBJECT;
		included->file = v->file;
		included->line = v->line;
		included->column = v->column;
		for (const struct oc_json *c = directive->child; c; c = c->next) {
			struct oc_json *one = load_include(l, src, depth, c, v);
			if (!one)
				return -1;
			merge(included, one);
		}
	} else {
		included = load_include(l, src, depth, directive, v);
		if (!included)
			return -1;
	}

	/* The other keys, without the directive. */
	struct oc_json **link = &v->child;
	while (*link != directive)
		link = &(*link)->next;
	*link = directive->next;
	v->count--;
	unsigned i = 0;
	for (link = &v->child; *link; link = &(*link)->next) {
		if (process(l, src, depth + 1, link) < 0)
			return -1;
		(*link)->index = i++;
	}
	if (v->count > 0 && included->type != OC_JSON_OBJECT)
		return oc_json_fail(
			l->arena, v, l->err,
			"keys beside $include need an included object, and this one is of type %s",
			oc_json_type_name(included->type));
	if (v->count > 0)
		merge(included, v);
	included->key = place.key;
	included->index = place.index;
	included->parent = place.parent;
	included->next = place.next;
	*slot = included;
	return 0;
}

/* Resolve includes and variables in *slot and below; depth is the number of containers above it. */
static int process(struct loader *l, const struct source *src, unsigned depth,
		   struct oc_json **slot)
{
	struct oc_json *v = *slot;

	if (++l->nodes > 2 * OC_JSON_MAX_NODES)
		return oc_json_fail(l->arena, v, l->err,
				    "the configuration has more than %u values",
				    2 * OC_JSON_MAX_NODES);
	if (v->type == OC_JSON_STRING)
		return substitute(l, v);
	if (v->type != OC_JSON_ARRAY && v->type != OC_JSON_OBJECT)
		return 0;
	if (depth >= OC_JSON_MAX_DEPTH)
		return oc_json_fail(l->arena, v, l->err,
				    "with its includes nested deeper than %d levels",
				    OC_JSON_MAX_DEPTH);
	struct oc_json *directive = oc_json_get(v, INCLUDE_KEY);
	if (directive)
		return process_include(l, src, depth, directive, slot);
	for (struct oc_json **link = &v->child; *link; link = &(*link)->next)
		if (process(l, src, depth + 1, link) < 0)
			return -1;
	return 0;
}

int oc_conf_load(struct oc_arena *a, const char *path, const struct oc_conf_options *opt,
		 struct oc_json **out, struct oc_err *err)
{
	struct loader l = {.arena = a, .opt = opt, .err = err};
	struct source src = {0};

	*out = NULL;
	if (path[0] != '/')
		return oc_fail(err, EINVAL, "configuration '%s': the path is not absolute", path);
	src.path = join_path(a, "/", path);
	if (!src.path)
		return oc_fail(err, ENAMETOOLONG, "configuration '%s'", path);
	l.dir = dir_of(a, src.path);

	oc_auto_close probe = oc_openat2(AT_FDCWD, src.path, O_PATH, 0, 0);
	if (probe < 0 && errno == ENOENT) {
		/* Only a file that is not there means "use the defaults": a dangling link is a
		 * mistake. */
		oc_auto_close link = oc_openat2(AT_FDCWD, src.path, O_PATH | O_NOFOLLOW, 0, 0);
		if (link < 0 && errno == ENOENT)
			return 0;
		return oc_fail(err, 0, "configuration '%s' is a link that leads nowhere", src.path);
	}
	struct oc_json *root = parse_source(&l, &src);
	if (!root || process(&l, &src, 0, &root) < 0)
		return -1;
	if (root->type != OC_JSON_OBJECT)
		return oc_json_fail(a, root, err, "the configuration must be an object, not %s",
				    oc_json_type_name(root->type));
	*out = root;
	return 0;
}

/* --- where it is --- */

static int bad_env_path(struct oc_err *err, const char *name, const char *value)
{
	oc_fail(err, 0, "%s: '%s' is not an absolute path without '..'", name, value);
	oc_err_hint(err, "set %s to a full path", name);
	return -1;
}

static bool valid_profile(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n <= 64 && s[n] == 0;
}

int oc_conf_state_dir(struct oc_arena *a, const struct oc_conf_options *opt, const char **out,
		      struct oc_err *err)
{
	const char *value = env(opt, "OPENCLAW_STATE_DIR"), *profile = env(opt, "OPENCLAW_PROFILE"),
		   *name;

	*out = NULL;
	if (value) {
		*out = oc_path_clean(a, value);
		return *out ? 0 : bad_env_path(err, "OPENCLAW_STATE_DIR", value);
	}
	if (profile && !valid_profile(profile)) {
		oc_fail(err, 0, "OPENCLAW_PROFILE: '%s' is not a profile name", profile);
		return oc_err_hint(err, "use at most 64 letters, digits, '-' and '_'");
	}
	name = "OPENCLAW_HOME";
	if (!(value = env(opt, name))) {
		name = "HOME";
		value = env(opt, name);
	}
	if (!value) {
		oc_fail(err, 0, "no home directory: HOME and OPENCLAW_HOME are unset");
		return oc_err_hint(err, "set HOME, or OPENCLAW_STATE_DIR");
	}
	const char *home = oc_path_clean(a, value);
	if (!home)
		return bad_env_path(err, name, value);
	/* The profile "default" is the one without a name. */
	bool named = profile && strcmp(profile, "default") != 0;
	*out = oc_arena_printf(a, "%s/.openclaw%s%s", home[1] ? home : "", named ? "-" : "",
			       named ? profile : "");
	return 0;
}

int oc_conf_path(struct oc_arena *a, const struct oc_conf_options *opt, const char **out,
		 struct oc_err *err)
{
	const char *value = env(opt, "OPENCLAW_CONFIG_PATH"), *dir;

	*out = NULL;
	if (value) {
		*out = oc_path_clean(a, value);
		return *out ? 0 : bad_env_path(err, "OPENCLAW_CONFIG_PATH", value);
	}
	if (oc_conf_state_dir(a, opt, &dir, err) < 0 || !dir)
		return -1;
	*out = oc_arena_printf(a, "%s/openclaw.json", dir[1] ? dir : "");
	return 0;
}
