/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - everything that a snapshot needs of the outside world: files, environment, addresses of this host.
 *
 * Decides nothing.  The order of the environment: the process's, then <state>/.env.  A .env of the working directory is not
 * read: whoever may write there would choose the gateway's settings.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "gateway/config/internal.h"
#include "gateway/config/state.h"

enum { dotenv_bytes_max = 256 << 10, dotenv_max = 1024, own_max = 256 };

struct env {
	const struct oc_config_options *opt;
	struct {
		const char *name, *value;
	} *file;
	size_t count;
};

static const char *process_env(const struct oc_config_options *opt, const char *name)
{
	const char *v = opt->getenv ? opt->getenv(opt->ctx, name) : getenv(name);
	return v && *v ? v : NULL;
}

static const char *get(void *ctx, const char *name)
{
	const struct env *e = ctx;
	const char *v = process_env(e->opt, name);

	for (size_t i = 0; i < e->count && !v; i++)
		if (strcmp(e->file[i].name, name) == 0 && *e->file[i].value)
			v = e->file[i].value;
	return v;
}

/* One line: [export ]NAME=value, 'value' or "value" with \n \" \\; "#" starts a comment. */
static void dotenv_line(struct oc_arena *a, struct env *e, char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "export ", 7) == 0)
		line += 7;
	size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
	if (n == 0 || line[n] != '=' || e->count == dotenv_max)
		return;
	const char *name = oc_arena_strndup(a, line, n), *p = line + n + 1;
	p += strspn(p, " \t");
	char *out = oc_arena_alloc(a, strlen(p) + 1), *o = out, quote = 0;
	if (*p == '\'' || *p == '"')
		quote = *p++;
	for (; *p && *p != quote; p++) {
		if (!quote && *p == '#' && (o == out || p[-1] == ' ' || p[-1] == '\t'))
			break;
		if (quote == '"' && *p == '\\' && p[1])
			*o++ = (char)(*++p == 'n' ? '\n' : *p);
		else
			*o++ = *p;
	}
	while (!quote && o > out && (o[-1] == ' ' || o[-1] == '\t' || o[-1] == '\r'))
		o--;
	*o = 0;
	e->file[e->count].name = name;
	e->file[e->count++].value = out;
}

static int read_dotenv(struct oc_arena *a, struct env *e, const char *state_dir, struct oc_err *err)
{
	const char *path = oc_arena_printf(a, "%s/.env", state_dir);
	oc_auto_buf text = {0};
	struct stat st;

	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, 0);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return oc_fail(err, 0, "'%s' is not a regular file", path);
	if (oc_read_all(fd, &text, dotenv_bytes_max) < 0)
		return oc_fail(err, errno, "cannot read '%s'", path);
	e->file = oc_arena_array(a, dotenv_max, sizeof(*e->file));
	for (char *line = text.data, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		dotenv_line(a, e, line);
	}
	return 0;
}

/* --- paths --- */

static int find_paths(struct oc_arena *a, const struct oc_config_options *opt,
		      const struct oc_conf_options *conf, struct oc_config_source *s,
		      struct oc_err *err)
{
	const char *home = process_env(opt, "OPENCLAW_HOME");

	s->home = home ? home : process_env(opt, "HOME");
	if (oc_conf_state_dir(a, conf, &s->state_dir, err) < 0)
		return -1;
	if (opt->flags.dev && !process_env(opt, "OPENCLAW_STATE_DIR") &&
	    !process_env(opt, "OPENCLAW_PROFILE"))
		s->state_dir = oc_arena_printf(a, "%s-dev", s->state_dir);
	if (opt->flags.config_path) {
		s->path = oc_path_clean(a, opt->flags.config_path);
		if (!s->path)
			return oc_fail(err, 0, "'%s' is not an absolute path without '..'",
				       opt->flags.config_path);
	} else if (process_env(opt, "OPENCLAW_CONFIG_PATH")) {
		return oc_conf_path(a, conf, &s->path, err);
	} else {
		s->path = oc_arena_printf(a, "%s/openclaw.json",
					  s->state_dir[1] ? s->state_dir : "");
	}
	return 0;
}

static void note_file(struct oc_arena *a, struct oc_config_source *s, size_t *room, const char *file)
{
	for (size_t i = s->files.count; i-- > 0;)
		if (s->files.list[i] == file || strcmp(s->files.list[i], file) == 0)
			return;
	if (s->files.count == *room) {
		*room = *room ? 2 * *room : 8;
		const char **list = oc_arena_array(a, *room, sizeof(*list));
		if (s->files.count)
			memcpy(list, s->files.list, s->files.count * sizeof(*list));
		s->files.list = list;
	}
	s->files.list[s->files.count++] = file;
}

static void note_files(struct oc_arena *a, struct oc_config_source *s, size_t *room,
		       const struct oc_json *v)
{
	if (v->file)
		note_file(a, s, room, v->file);
	for (const struct oc_json *m = v->child; m; m = m->next)
		note_files(a, s, room, m);
}

static int read_tree(struct oc_arena *a, const struct oc_conf_options *conf,
		     struct oc_config_source *s, struct oc_err *err)
{
	oc_auto_buf text = {0};
	size_t room = 0;

	if (oc_conf_load(a, s->path, conf, &s->root, err) < 0)
		return -1;
	s->exists = s->root != NULL;
	note_file(a, s, &room, s->path);
	if (s->exists) {
		oc_auto_close fd =
			oc_openat2(AT_FDCWD, s->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, 0);
		if (fd < 0 || oc_read_all(fd, &text, OC_JSON_MAX_BYTES) < 0)
			return oc_fail(err, errno, "cannot read '%s'", s->path);
		note_files(a, s, &room, s->root);
	} else {
		s->root = oc_arena_alloc(a, sizeof(*s->root));
		s->root->type = OC_JSON_OBJECT;
	}
	oc_sha256_hex(text.len ? text.data : "", text.len, s->hash);
	return 0;
}

/* --- this host --- */

static void own_addresses(struct oc_arena *a, struct oc_config_source *s)
{
	struct ifaddrs *all, *i;

	s->own = oc_arena_array(a, own_max, sizeof(*s->own));
	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i && s->own_count < own_max; i = i->ifa_next) {
		struct oc_addr addr;
		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in in;
			memcpy(&in, i->ifa_addr, sizeof(in));
			uint32_t n = ntohl(in.sin_addr.s_addr);
			addr = oc_addr_v4((uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
					  (uint8_t)n);
			if (oc_addr_classify(&addr) == OC_ADDR_CGNAT && !s->tailnet.family)
				s->tailnet = addr;
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 in6;
			memcpy(&in6, i->ifa_addr, sizeof(in6));
			addr = oc_addr_v6(in6.sin6_addr.s6_addr);
		} else {
			continue;
		}
		s->own[s->own_count++] = addr;
	}
	freeifaddrs(all);
}

static bool in_container(const struct oc_config_options *opt)
{
	return process_env(opt, "container") || access("/.dockerenv", F_OK) == 0 ||
	       access("/run/.containerenv", F_OK) == 0;
}

static const char *copy(struct oc_arena *a, const char *s)
{
	return s && *s ? oc_arena_strdup(a, s) : NULL;
}

int oc_config_source_read(struct oc_arena *a, const struct oc_config_options *opt,
			  struct oc_config_source *s, struct oc_err *err)
{
	struct env env = {.opt = opt};
	struct oc_conf_options conf = {.getenv = get, .ctx = &env, .keep_unset = true};

	conf.include_roots = process_env(opt, "OPENCLAW_INCLUDE_ROOTS");
	s->client = opt->client;
	if (find_paths(a, opt, &conf, s, err) < 0 || read_dotenv(a, &env, s->state_dir, err) < 0 ||
	    read_tree(a, &conf, s, err) < 0 || oc_config_read_secrets(a, s, &conf, err) < 0 ||
	    oc_state_token(a, s->state_dir, false, &s->stored_token, NULL, err) < 0)
		return -1;
	s->home = copy(a, s->home);
	s->flags = opt->flags;
	s->flags.config_path = NULL;
	const char *profile = process_env(opt, "OPENCLAW_PROFILE");
	s->flags.dev |= profile && strcmp(profile, "dev") == 0;
	s->flags.bind = copy(a, opt->flags.bind);
	s->flags.token = copy(a, opt->flags.token);
	s->flags.password = copy(a, opt->flags.password);
	s->flags.auth = copy(a, opt->flags.auth);
	s->env_port = copy(a, get(&env, "OPENCLAW_GATEWAY_PORT"));
	s->env_token = copy(a, get(&env, "OPENCLAW_GATEWAY_TOKEN"));
	s->env_password = copy(a, get(&env, "OPENCLAW_GATEWAY_PASSWORD"));
	s->env_handshake = copy(a, get(&env, "OPENCLAW_HANDSHAKE_TIMEOUT_MS"));
	s->env_log_level = copy(a, get(&env, "OPENCLAW_LOG_LEVEL"));
	if (!opt->client)
		own_addresses(a, s);
	s->container = in_container(opt);
	return 0;
}
