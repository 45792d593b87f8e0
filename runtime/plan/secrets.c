/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets - which host paths must never be mounted into a sandbox, whoever asks.
 *
 * Reads /etc/passwd by hand (the launcher is static: no name service), the environment, and resolves links of
 * the places themselves.  All of it happens once, and only when a plan has a source of the user's.
 *
 * A path is refused when it is a blocked place, below one, or above one: a bind of the home directory
 * is a bind of ~/.ssh too.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/secrets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define PASSWD_MAX (4u << 20)
#define HOMES_MAX  4096
#define ENTRIES_MAX 65536
#define COUNT(x)   (sizeof(x) / sizeof(*(x)))

struct home {
	const char *path;
	size_t len;
	bool login; /* a person's (or root's): blocked whether or not the entries exist yet */
};

struct oc_homes {
	OC_VEC(struct home) list;
	OC_VEC(const char *) places; /* places beyond the fixed ones: link targets, agent sockets, our own files */
	const char *state;	     /* state directory, links resolved; NULL if there is none */
	const char *parent, *parent_real; /* last parent directory that was resolved */
};

static const char *const fixed[] = {
	"/etc",		"/private/etc",	     "/proc",	  "/sys", "/dev", "/boot", "/root", "/run", "/var/run",
	"/private/var/run", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/tmp/.X11-unix",
};

/* Credential entries of a home directory; spec tools-sandbox-audit 1.5 and the usual ones that it does not name. */
static const char *const entries[] = {
	".aws",	  ".azure", ".cargo",  ".config",  ".docker",	      ".gnupg",	 ".kube",	     ".mozilla",
	".netrc", ".npm",   ".npmrc",  ".openclaw", ".password-store", ".pgpass", ".git-credentials", ".pypirc",
	".ssh",	  ".vault-token", ".local/share/keyrings",
};

/*
 * The path with every link resolved, NULL if it does not exist.  Most paths have no link in them: the first
 * open says so and saves the way through /proc.
 */
static const char *real_path(struct oc_arena *a, const char *path)
{
	oc_auto_close straight = oc_openat2(AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_SYMLINKS);
	if (straight >= 0)
		return path;
	if (errno != ELOOP)
		return NULL;
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
	return fd < 0 ? NULL : oc_fd_path(a, fd);
}

static void add_place(struct oc_builder *b, struct oc_homes *h, const char *path)
{
	const char *clean = path && *path == '/' ? oc_path_clean(b->a, path) : NULL;
	/* a place so high that it would forbid everything is no secret */
	if (!clean || strcmp(clean, "/") == 0 || strcmp(clean, "/tmp") == 0)
		return;
	*oc_vec_add(b->a, &h->places) = clean;
	const char *real = real_path(b->a, clean);
	if (real && strcmp(real, clean) != 0)
		*oc_vec_add(b->a, &h->places) = real;
}

static bool add_one(struct oc_builder *b, struct oc_homes *h, const char *path, bool login)
{
	for (size_t i = 0; i < h->list.count; i++) {
		if (strcmp(h->list.items[i].path, path) == 0) {
			h->list.items[i].login |= login;
			return false;
		}
	}
	if (h->list.count < HOMES_MAX)
		*oc_vec_add(b->a, &h->list) = (struct home){ path, strlen(path), login };
	return true;
}

/*
 * A home is blocked under its name and under its real path; /home may be a link to another disk.
 * Most homes share their parent directory: it is resolved once.
 */
static void add_home(struct oc_builder *b, struct oc_homes *h, const char *path, bool login)
{
	const char *clean = path && *path == '/' ? oc_path_clean(b->a, path) : NULL;
	const char *slash = clean ? strrchr(clean, '/') : NULL;
	if (!clean || !clean[1])
		return;
	if (!add_one(b, h, clean, login))
		return;
	const char *real = NULL;
	if (login && h->list.count < 256) {
		real = real_path(b->a, clean);
	} else if (slash > clean) {
		const char *parent = oc_arena_strndup(b->a, clean, (size_t)(slash - clean));
		if (!h->parent || strcmp(parent, h->parent) != 0) {
			h->parent = parent;
			h->parent_real = real_path(b->a, parent);
		}
		if (h->parent_real)
			real = oc_arena_printf(b->a, "%s%s", h->parent_real, slash);
	}
	if (real && strcmp(real, clean) != 0 && real[1])
		add_one(b, h, real, login);
}

static bool is_entry(const char *name)
{
	for (size_t i = 0; i < COUNT(entries); i++)
		if (strcmp(entries[i], name) == 0)
			return true;
	return false;
}

/*
 * The entries themselves may be links (~/.ssh -> /data/keys): their targets are blocked too.  One reading of the
 * directory is cheaper than one readlink(2) per entry; who may not read a home gets nothing from its links either.
 */
static void add_entry_targets(struct oc_builder *b, struct oc_homes *h, const char *home)
{
	int fd = oc_openat2(AT_FDCWD, home, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		oc_closep(&fd);
		return;
	}
	int n = 0;
	for (struct dirent *e; n < ENTRIES_MAX && (e = readdir(dir)); n++)
		if (e->d_name[0] == '.' && (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) && is_entry(e->d_name))
			add_place(b, h, real_path(b->a, oc_arena_printf(b->a, "%s/%s", home, e->d_name)));
	closedir(dir);
}

/* Services have homes in system directories: those hold programs, or are blocked as a whole. */
static bool may_hold_secrets(const char *home)
{
	static const char *const system[] = { "/bin", "/sbin", "/usr", "/dev", "/proc", "/run", "/nonexistent" };
	for (size_t i = 0; i < COUNT(system); i++)
		if (oc_path_below(home, system[i]))
			return false;
	return *home == '/';
}

static void read_passwd(struct oc_builder *b, struct oc_homes *h)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NOCTTY, 0, 0);
	oc_auto_buf text = { 0 };
	if (fd < 0 || oc_read_all(fd, &text, PASSWD_MAX) < 0 || !text.data)
		return;
	for (char *line = text.data, *next; line; line = next) {
		char *field[7];
		size_t n = 0;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (char *p = line; n < 7; n++) {
			field[n] = p;
			p = strchr(p, ':');
			if (!p) {
				n++;
				break;
			}
			*p++ = '\0';
		}
		if (n < 6 || !may_hold_secrets(field[5]))
			continue;
		unsigned long uid = strtoul(field[2], NULL, 10);
		bool login = uid == 0 || (uid >= 1000 && uid != 65534) || uid == getuid() ||
			     oc_path_below(field[5], "/home");
		add_home(b, h, oc_arena_strdup(b->a, field[5]), login);
	}
}

static const struct oc_homes *homes_get(struct oc_builder *b)
{
	if (b->homes)
		return b->homes;
	struct oc_homes *h = oc_arena_alloc(b->a, sizeof(*h));
	const char *home = getenv("HOME");
	read_passwd(b, h);
	add_home(b, h, "/root", true);
	add_home(b, h, home, true);
	add_home(b, h, getenv("OPENCLAW_HOME"), true);
	add_entry_targets(b, h, "/root");
	if (home && *home == '/' && strcmp(home, "/root") != 0)
		add_entry_targets(b, h, home);
	add_place(b, h, getenv("XDG_RUNTIME_DIR"));
	const char *agent = getenv("SSH_AUTH_SOCK"), *slash = agent ? strrchr(agent, '/') : NULL;
	if (slash)
		add_place(b, h, oc_arena_strndup(b->a, agent, (size_t)(slash - agent)));
	add_place(b, h, b->plan->config_path);
	if (b->plan->state_dir) {
		h->state = real_path(b->a, b->plan->state_dir);
		if (!h->state)
			h->state = b->plan->state_dir;
	}
	b->homes = h;
	return h;
}

static int refuse(struct oc_err *err, const char *path, const char *why, const char *place)
{
	oc_fail(err, 0, "%.300s cannot be mounted: %s %.200s", path, why, place);
	return oc_err_hint(err, "give a directory of its own to the sandbox; this rule has no override");
}

static int check_place(const char *path, const char *place, struct oc_err *err)
{
	if (oc_path_below(path, place))
		return refuse(err, path, "it is in", place);
	if (oc_path_below(place, path))
		return refuse(err, path, "it contains", place);
	return 0;
}

/* Whether any entry exists: asked only for homes of services, which lie below places that may well be mounted. */
static bool has_entries(const char *home)
{
	oc_auto_close dir = oc_openat2(AT_FDCWD, home, O_PATH | O_DIRECTORY, 0, 0);
	for (size_t i = 0; dir >= 0 && i < COUNT(entries); i++)
		if (faccessat(dir, entries[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* relative path is dir or below it */
static bool prefix(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

static int check_home(struct oc_arena *a, const char *path, const struct home *home, struct oc_err *err)
{
	if (oc_path_below(home->path, path)) {
		if (home->login || has_entries(home->path))
			return refuse(err, path, "it contains the credentials of the home directory", home->path);
		return 0;
	}
	if (strncmp(path, home->path, home->len) != 0 || path[home->len] != '/')
		return 0;
	const char *rest = path + home->len + 1;
	for (size_t i = 0; i < COUNT(entries); i++) {
		if (!prefix(rest, entries[i]) && !prefix(entries[i], rest))
			continue;
		return check_place(path, oc_arena_printf(a, "%s/%s", home->path, entries[i]), err);
	}
	return 0;
}

/* Own state: everything but sandboxes/, and, as a workspace, the agents' default workspaces. */
static int check_state(const char *path, const char *state, bool workspace, struct oc_err *err)
{
	if (!state)
		return 0;
	if (oc_path_below(state, path))
		return refuse(err, path, "it contains the state directory", state);
	if (!oc_path_below(path, state))
		return 0;
	const char *rest = path + strlen(state) + 1;
	size_t first = strcspn(rest, "/");
	if (first == 9 && strncmp(rest, "sandboxes", 9) == 0)
		return 0;
	if (workspace && strncmp(rest, "workspace", 9) == 0 && (first == 9 || rest[9] == '-'))
		return 0;
	return refuse(err, path, "it is in the state directory", state);
}

static bool in_own_tree(const struct oc_builder *b, const struct oc_homes *h, const char *path)
{
	if (b->plan->workspace && oc_path_below(path, b->plan->workspace))
		return true;
	if (!h->state || !oc_path_below(path, h->state) || strlen(path) == strlen(h->state))
		return false;
	return strncmp(path + strlen(h->state) + 1, "sandboxes/", 10) == 0;
}

int oc_secrets_check(struct oc_builder *b, const char *path, enum oc_source_rule rule, struct oc_err *err)
{
	const struct oc_homes *h = homes_get(b);
	bool bind = rule == OC_SOURCE_BIND;
	bool own = bind && in_own_tree(b, h, path);

	if (strcmp(path, "/") == 0)
		return refuse(err, path, "it is the whole file system", "");
	for (size_t i = 0; i < COUNT(fixed); i++) {
		/* root's own workspace is below /root; what is secret there is checked as a home */
		bool root_home = strcmp(fixed[i], "/root") == 0;
		if (root_home && (own || !bind) && oc_path_below(path, "/root"))
			continue;
		if (check_place(path, fixed[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->places.count; i++)
		if (check_place(path, h->places.items[i], err) < 0)
			return -1;
	if (!own && check_state(path, h->state, !bind, err) < 0)
		return -1;
	for (size_t i = 0; i < h->list.count; i++) {
		/* ~/.openclaw is among the entries of a home; our own trees in it were decided above */
		bool state_in_home = h->state && oc_path_below(path, h->state) &&
				     oc_path_below(h->state, h->list.items[i].path);
		if (!state_in_home && check_home(b->a, path, &h->list.items[i], err) < 0)
			return -1;
	}
	return 0;
}
