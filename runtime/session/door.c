/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - see door.h.
 */
#include "runtime/session/door.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define INFO_MAX  16384
#define NAMED_MAX 8  /* in a message */
#define BORN_S	  10 /* nothing takes longer to be made */
#define VERSION	  2  /* 1: only sandboxes for one command */

/* --- one of them --- */

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

static int number_of(struct oc_arena *a, const struct oc_json *v, const char *key, bool must,
		     int64_t min, int64_t *out, struct oc_err *err)
{
	const struct oc_json *m = oc_json_get(v, key);

	*out = 0;
	if (!m && !must)
		return 0;
	if (!m)
		return oc_fail(err, 0, "info.json has no \"%s\"", key);
	return oc_json_int(a, m, min, INT64_C(1) << 53, out, err);
}

static int read_kept(struct oc_arena *a, const struct oc_json *v, struct oc_door *d,
		     struct oc_err *err)
{
	const struct oc_json *keep = oc_json_get(v, "keep");
	int64_t idle, age;

	d->keep = keep && keep->type == OC_JSON_BOOL && keep->boolean;
	if (number_of(a, v, "idleMs", false, 0, &idle, err) < 0 ||
	    number_of(a, v, "maxAgeMs", false, 0, &age, err) < 0)
		return -1;
	d->idle_ms = (uint64_t)idle;
	d->max_age_ms = (uint64_t)age;
	d->sandbox_hash = text_of(v, "sandboxHash");
	d->access = text_of(v, "access");
	d->workspace = text_of(v, "workspace");
	d->scratch_dir = text_of(v, "scratchDir");
	d->overlay_dir = text_of(v, "overlayDir");
	d->egress = text_of(v, "egress");
	d->memory_file = text_of(v, "memoryFile");
	if (d->keep && !d->sandbox_hash)
		return oc_fail(err, 0, "info.json has no \"sandboxHash\"");
	return 0;
}

static int read_members(struct oc_arena *a, const struct oc_json *v, struct oc_door *d,
			struct oc_err *err)
{
	const struct oc_json *start = oc_json_get(v, "startTime");
	int64_t version, pid;

	if (number_of(a, v, "version", true, 1, &version, err) < 0)
		return -1;
	if (version > VERSION) {
		oc_fail(err, 0, "info.json has version %" PRId64 ", this program knows 1 to %d",
			version, VERSION);
		return oc_err_hint(err, "a newer oc-sandbox made it; use that one");
	}
	if (number_of(a, v, "pid", true, 1, &pid, err) < 0)
		return -1;
	if (pid > INT_MAX || !start || start->type != OC_JSON_NUMBER)
		return oc_fail(err, 0, "info.json does not say which process it is");
	d->pid = (pid_t)pid;
	d->start_time = strtoull(start->string, NULL, 10);
	d->agent = text_of(v, "agent");
	d->scope_key = text_of(v, "scopeKey");
	d->created = text_of(v, "created");
	if (!d->created)
		return oc_fail(err, 0, "info.json has no \"created\"");
	return version > 1 ? read_kept(a, v, d, err) : 0;
}

/* 0; 1: it is being made; -1. */
static int read_info(struct oc_arena *a, struct oc_door *d, struct oc_err *err)
{
	char text[INFO_MAX];
	struct oc_json *v;
	struct stat st;
	ssize_t n = oc_rundir_read(d->dir_fd, "info.json", text, sizeof text);

	if (n <= 0 && (n == 0 || errno == ENOENT)) {
		if (fstat(d->dir_fd, &st) < 0 || time(NULL) - st.st_mtime <= BORN_S)
			return 1;
		return oc_fail(err, 0, n ? "there is no info.json" : "info.json is empty");
	}
	if (n < 0)
		return oc_fail(err, errno == EINVAL ? 0 : errno,
			       errno == EINVAL ? "info.json is not a file" : "info.json");
	if (oc_json_parse(a, text, (size_t)n, "info.json", &v, err) < 0)
		return -1;
	return read_members(a, v, d, err);
}

static const char *path_of(struct oc_arena *a, int run_fd)
{
	const char *path = oc_fd_path(a, run_fd);

	return path ? path : "the run directory";
}

static int entry_failed(struct oc_arena *a, int run_fd, const char *id, int e, struct oc_err *err)
{
	const char *path = path_of(a, run_fd);

	if (e == ENOTEMPTY)
		oc_fail(err, 0,
			"%s/%s: its sandbox is dead, and there is something in it that is not ours",
			path, id);
	else if (e == ELOOP || e == ENOTDIR)
		oc_fail(err, 0, "%s/%s is not a directory, and so no sandbox of ours", path, id);
	else if (e == EPERM)
		oc_fail(err, 0, "%s/%s belongs to another user", path, id);
	else
		return oc_fail(err, e, "%s/%s", path, id);
	return oc_err_hint(err, "look at it, and remove it");
}

/* 0: open; 1: dead; 2: not there, or being made; -1. */
static int look_at(struct oc_arena *a, int run_fd, const char *id, struct oc_door *d,
		   struct oc_err *err)
{
	struct stat st;

	*d = (struct oc_door){.dir_fd = oc_rundir_entry(run_fd, id)};
	if (d->dir_fd < 0)
		return errno == ENOENT ? 1 : entry_failed(a, run_fd, id, errno, err);
	memcpy(d->id, id, sizeof d->id);
	int r = read_info(a, d, err);
	if (r == 0 && (fstat(d->dir_fd, &st) < 0 || (st.st_mode & 077)))
		r = oc_fail(err, 0, "it is open to other users");
	if (r < 0) {
		oc_err_context(err, "%s/%s", path_of(a, run_fd), id);
		oc_err_hint(err, "a process holds it; if that is no sandbox of yours, end it, and "
				 "what it left is "
				 "removed");
	}
	if (r)
		oc_door_close(d);
	return r > 0 ? 2 : r;
}

int oc_door_open(struct oc_door *d)
{
	if (d->dir_fd >= 0)
		return 0;
	oc_auto_close run = oc_rundir_open(d->state_dir, d->place, NULL);
	if (run < 0) {
		errno = ENOENT;
		return -1;
	}
	d->dir_fd = oc_rundir_entry(run, d->id);
	return d->dir_fd < 0 ? -1 : 0;
}

void oc_door_close(struct oc_door *d)
{
	oc_closep(&d->dir_fd);
	d->dir_fd = -1;
}

/* --- all of them --- */

struct list {
	struct oc_arena *a;
	const char *state_dir;
	struct oc_door_scan *s;
	void (*look)(void *ctx, const struct oc_door *d);
	void *ctx;
	size_t cap, trouble_cap, dead_cap;
};

static void *grow(struct oc_arena *a, void *items, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return items;
	size_t more = *cap ? *cap * 2 : 16;
	void *bigger = oc_arena_array(a, more, size);
	if (count)
		memcpy(bigger, items, count * size);
	*cap = more;
	return bigger;
}

static void add(struct list *l, unsigned place, int run_fd, const char *id)
{
	struct oc_door_scan *s = l->s;
	struct oc_err why = {0};
	struct oc_door d;

	switch (look_at(l->a, run_fd, id, &d, &why)) {
	case 0:
		d.place = place;
		d.state_dir = l->state_dir;
		if (l->look)
			l->look(l->ctx, &d);
		/* Hundreds of them open at once are more than a process may have. */
		oc_door_close(&d);
		s->all = grow(l->a, s->all, s->count, &l->cap, sizeof *s->all);
		s->all[s->count++] = d;
		break;
	case 1:
		s->dead = grow(l->a, s->dead, s->dead_count, &l->dead_cap, sizeof *s->dead);
		memcpy(s->dead[s->dead_count++], id, sizeof d.id);
		break;
	case -1:
		s->trouble = grow(l->a, s->trouble, s->trouble_count, &l->trouble_cap,
				  sizeof *s->trouble);
		s->trouble[s->trouble_count].err = why;
		memcpy(s->trouble[s->trouble_count++].id, id, sizeof d.id);
		break;
	default:
		break;
	}
}

static int older(const void *x, const void *y)
{
	const struct oc_door *a = x, *b = y;
	int r = strcmp(a->created, b->created);

	return r ? r : strcmp(a->id, b->id);
}

/* The run directory of this place; -1 with why->errnum 0 if there is none. */
static int open_place(const char *state_dir, unsigned place, struct oc_err *why)
{
	int fd = oc_rundir_open(state_dir, place, why);

	if (fd < 0 && (why->errnum == ENOENT || why->errnum == ENOTDIR))
		why->errnum = 0;
	return fd;
}

int oc_door_scan(struct oc_arena *a, const char *state_dir,
		 void (*look)(void *ctx, const struct oc_door *d), void *ctx,
		 struct oc_door_scan *out, struct oc_err *err)
{
	struct list l = {.a = a, .state_dir = state_dir, .s = out, .look = look, .ctx = ctx};

	*out = (struct oc_door_scan){0};
	for (unsigned place = 0; place < OC_RUNDIR_PLACES; place++) {
		struct oc_err why = {0};
		oc_auto_close fd = open_place(state_dir, place, &why);
		if (fd < 0 && !why.errnum)
			continue;
		/* What cannot be trusted is not looked into, and the user is told. */
		int copy = fd < 0 ? -1 : oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		if (!d) {
			if (fd >= 0)
				oc_fail(&why, errno, "cannot list the run directory");
			*err = why;
			oc_closep(&copy);
			return -1;
		}
		for (struct dirent *e; (e = readdir(d));)
			if (oc_rundir_is_id(e->d_name))
				add(&l, place, fd, e->d_name);
			else if (strncmp(e->d_name, "scope-", 6) == 0)
				out->scope_files++;
		closedir(d);
	}
	if (out->count)
		qsort(out->all, out->count, sizeof *out->all, older);
	return 0;
}

int oc_door_list(struct oc_arena *a, const char *state_dir, struct oc_door **out, size_t *count,
		 struct oc_err *err)
{
	struct oc_door_scan s;

	if (oc_door_scan(a, state_dir, NULL, NULL, &s, err) < 0)
		return -1;
	*out = s.all;
	*count = s.count;
	return 0;
}

/* --- the one that is meant --- */

/*
 * How well a word fits: 4 an id, 3 the agent or scope of one that stays, 2 of one that ends with
 * its command, 1 the beginning of an id.
 */
static int fits(const struct oc_door *d, const char *word)
{
	if (strcmp(d->id, word) == 0)
		return 4;
	if ((d->agent && strcmp(d->agent, word) == 0) ||
	    (d->scope_key && strcmp(d->scope_key, word) == 0))
		return d->keep ? 3 : 2;
	return word[0] && strncmp(d->id, word, strlen(word)) == 0 ? 1 : 0;
}

static int was_killed(const char *id, struct oc_err *err)
{
	oc_fail(err, 0, "the sandbox %s has ended: its monitor was killed", id);
	return oc_err_hint(err, "what it left behind is removed");
}

static int not_found(const struct oc_door_scan *s, const char *word, struct oc_err *err)
{
	for (size_t i = 0; word && word[0] && i < s->trouble_count; i++)
		if (strncmp(s->trouble[i].id, word, strlen(word)) == 0) {
			*err = s->trouble[i].err;
			return -1;
		}
	for (size_t i = 0; word && word[0] && i < s->dead_count; i++)
		if (strncmp(s->dead[i], word, strlen(word)) == 0)
			return was_killed(s->dead[i], err);
	if (!word)
		oc_fail(err, 0, "there is no live sandbox with a network");
	else
		oc_fail(err, 0, "there is no live sandbox %s", word);
	return oc_err_hint(
		err, "`oc-sandbox ps` lists them; `run --keep` and `start` make one that stays");
}

static bool has_network(const struct oc_door *d)
{
	return !d->keep || !d->egress || strcmp(d->egress, "none") != 0;
}

/* For a message: the scope key says the agent, but it reads better if that is all it says. */
static void put_name(struct oc_buf *out, const struct oc_door *d)
{
	const char *key = d->scope_key;

	oc_buf_puts(out, d->id);
	if (d->agent &&
	    (!key || (strncmp(key, "agent:", 6) == 0 && strcmp(key + 6, d->agent) == 0)))
		oc_buf_printf(out, " (agent %s)", d->agent);
	else if (key)
		oc_buf_printf(out, " (%s)", key);
}

static int ambiguous(const struct oc_door_scan *s, const char *word, int best, struct oc_err *err)
{
	oc_auto_buf names = {0};
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct oc_door *d = &s->all[i];
		if (word ? fits(d, word) != best : !has_network(d))
			continue;
		if (n++ >= NAMED_MAX)
			continue;
		oc_buf_puts(&names, n > 1 ? ", " : "");
		put_name(&names, d);
	}
	if (n > NAMED_MAX)
		oc_buf_printf(&names, ", and %zu more", n - NAMED_MAX);
	if (word)
		oc_fail(err, 0, "%s could be %zu sandboxes: %s", word, n, names.data);
	else
		oc_fail(err, 0, "which of %zu sandboxes? %s", n, names.data);
	return oc_err_hint(err, "name one by its id; `oc-sandbox ps` lists them");
}

/* Needs no list: there may be hundreds. */
int oc_door_by_id(struct oc_arena *a, const char *state_dir, const char *id, struct oc_door *out,
		  struct oc_err *err)
{
	for (unsigned place = 0; place < OC_RUNDIR_PLACES; place++) {
		oc_auto_close run = oc_rundir_open(state_dir, place, NULL);
		struct stat st;
		if (run < 0 || fstatat(run, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		int r = look_at(a, run, id, out, err);
		out->place = place;
		out->state_dir = state_dir;
		if (r == 1)
			was_killed(id, err);
		if (r < 2)
			return r;
	}
	return 2;
}

int oc_door_find(struct oc_arena *a, const char *state_dir, const char *word, struct oc_door *out,
		 struct oc_err *err)
{
	struct oc_door_scan s;
	size_t matches = 0;
	int best = 1;

	int r = word && oc_rundir_is_id(word) ? oc_door_by_id(a, state_dir, word, out, err) : 2;
	if (r < 2)
		return r ? -1 : 0;
	if (oc_door_scan(a, state_dir, NULL, NULL, &s, err) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		int fit = word ? fits(&s.all[i], word) : has_network(&s.all[i]);
		if (fit < best)
			continue;
		matches = fit > best ? 1 : matches + 1;
		best = fit;
		*out = s.all[i];
	}
	if (matches > 1)
		return ambiguous(&s, word, best, err);
	if (!matches)
		return not_found(&s, word, err);
	if (oc_door_open(out) < 0)
		return oc_fail(err, 0, "the sandbox %s has ended", out->id);
	return 0;
}
