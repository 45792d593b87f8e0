/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_base - what the workspace looked like before: identities, comparison, and the journal.
 *
 * Reads below descriptors that it is given, bounded, following no link.  Changes nothing.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plan/guard_priv.h"

#define TREE_MAX_ENTRIES 4000
#define TREE_MAX_DEPTH	 16

void oc_guard_row_fill(struct oc_guard_row *row, const struct stat *st)
{
	*row = (struct oc_guard_row){
		.kind = S_ISREG(st->st_mode)   ? OC_ROW_FILE
			: S_ISDIR(st->st_mode) ? OC_ROW_DIR
			: S_ISLNK(st->st_mode) ? OC_ROW_LINK
					       : OC_ROW_OTHER,
		.mode = st->st_mode & 07777,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.nlink = st->st_nlink,
		.ctime_sec = st->st_ctim.tv_sec,
		.ctime_nsec = (uint32_t)st->st_ctim.tv_nsec,
	};
}

static void hash_bytes(struct oc_guard_row *row, const void *data, size_t len)
{
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, data, len);
	SHA256Final(row->hash, &sha);
	row->hashed = true;
}

int oc_guard_hash_fd(int fd, struct oc_guard_row *row)
{
	unsigned char chunk[16384];
	size_t total = 0;
	SHA2_CTX sha;

	SHA256Init(&sha);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		total += (size_t)n;
		if (total > OC_GUARD_HASH_MAX) {
			errno = EFBIG;
			return -1;
		}
		SHA256Update(&sha, chunk, (size_t)n);
	}
	SHA256Final(row->hash, &sha);
	row->hashed = true;
	return 0;
}

int oc_guard_identify(int dirfd, const char *name, bool hash, struct oc_guard_row *row)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	oc_guard_row_fill(row, &st);
	if (!hash)
		return 0;
	if (row->kind == OC_ROW_LINK) {
		char text[PATH_MAX];
		ssize_t n = readlinkat(dirfd, name, text, sizeof(text));
		if (n < 0)
			return -1;
		hash_bytes(row, text, (size_t)n);
	} else if (row->kind == OC_ROW_FILE && row->size <= OC_GUARD_HASH_MAX) {
		oc_auto_close fd =
			oc_openat2(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, OC_BENEATH);
		if (fd < 0)
			return errno == EACCES ? 0 : -1; /* compared by identity and change time */
		if (fstat(fd, &st) < 0)
			return -1;
		oc_guard_row_fill(row, &st);
		if (row->kind == OC_ROW_FILE && oc_guard_hash_fd(fd, row) < 0 && errno != EFBIG)
			return -1;
	}
	return 0;
}

bool oc_guard_is_sample(const char *name)
{
	size_t len = strlen(name);

	return len > 7 && strcmp(name + len - 7, ".sample") == 0;
}

/* --- look-up --- */

static size_t hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	return (size_t)x;
}
static size_t hash_path(const char *s)
{
	uint64_t h = 1469598103934665603ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return hash_mix(h);
}
static size_t hash_digest(const uint8_t *d)
{
	uint64_t h;

	memcpy(&h, d, sizeof(h));
	return hash_mix(h);
}

void oc_guard_base_index(struct oc_arena *a, struct oc_guard_baseline *b)
{
	size_t size = 16;

	while (size < b->count * 2)
		size *= 2;
	b->mask = size - 1;
	b->path_head = oc_arena_array(a, size, sizeof(uint32_t));
	b->id_head = oc_arena_array(a, size, sizeof(uint32_t));
	b->hash_head = oc_arena_array(a, size, sizeof(uint32_t));
	b->path_next = oc_arena_array(a, b->count, sizeof(uint32_t));
	b->id_next = oc_arena_array(a, b->count, sizeof(uint32_t));
	b->hash_next = oc_arena_array(a, b->count, sizeof(uint32_t));
	for (uint32_t i = 0; i < b->count; i++) {
		const struct oc_guard_row *r = &b->rows[i];
		uint32_t *head = &b->path_head[hash_path(r->path) & b->mask];
		b->path_next[i] = *head;
		*head = i + 1;
		head = &b->id_head[hash_mix(r->ino) & b->mask];
		b->id_next[i] = *head;
		*head = i + 1;
		if (!r->hashed)
			continue;
		head = &b->hash_head[hash_digest(r->hash) & b->mask];
		b->hash_next[i] = *head;
		*head = i + 1;
	}
}

const struct oc_guard_row *oc_guard_base_find(const struct oc_guard_baseline *b, const char *path)
{
	for (uint32_t i = b->path_head[hash_path(path) & b->mask]; i; i = b->path_next[i - 1])
		if (strcmp(b->rows[i - 1].path, path) == 0)
			return &b->rows[i - 1];
	return NULL;
}

bool oc_guard_before(const struct oc_guard_baseline *b, int64_t sec, uint32_t nsec)
{
	return sec < b->sec || (sec == b->sec && nsec < b->nsec);
}

/*
 * The same object, untouched: the change time cannot be set by anybody who cannot set the clock, so
 * one that is older than the baseline proves that nothing was written since.
 */
static bool untouched(const struct oc_guard_baseline *b, const struct oc_guard_row *r,
		      const struct oc_guard_row *cur)
{
	return r->dev == cur->dev && r->ino == cur->ino && r->size == cur->size &&
	       r->ctime_sec == cur->ctime_sec && r->ctime_nsec == cur->ctime_nsec &&
	       oc_guard_before(b, r->ctime_sec, r->ctime_nsec);
}

static bool same_content(const struct oc_guard_row *r, const struct oc_guard_row *cur)
{
	return r->hashed && cur->hashed && r->kind == cur->kind && r->mode == cur->mode &&
	       r->size == cur->size && memcmp(r->hash, cur->hash, sizeof(r->hash)) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool oc_guard_known(const struct oc_guard_baseline *b, int dirfd, const char *name,
		    const char *path, struct oc_guard_row *cur)
{
	struct oc_guard_row scratch;

	if (!cur)
		cur = &scratch;
	if (oc_guard_identify(dirfd, name, false, cur) < 0)
		return false;
	for (uint32_t i = b->id_head[hash_mix(cur->ino) & b->mask]; i; i = b->id_next[i - 1]) {
		const struct oc_guard_row *r = &b->rows[i - 1];
		if (r->kind != cur->kind || r->dev != cur->dev || r->ino != cur->ino)
			continue;
		/* Under another name it would be another thing: hooks/pre-commit is not
		 * scripts/pre-commit.old. */
		if (strcmp(base_name(r->path), name) != 0)
			continue;
		if (cur->kind == OC_ROW_DIR || untouched(b, r, cur))
			return true;
	}
	if (cur->kind == OC_ROW_DIR)
		return false;
	if (oc_guard_identify(dirfd, name, true, cur) < 0 || !cur->hashed)
		return false;
	const struct oc_guard_row *r = oc_guard_base_find(b, path);
	if (r && same_content(r, cur))
		return true;
	/* A copy under the same name (a second worktree, a clone): the owner has this very content
	 * already. */
	for (uint32_t i = b->hash_head[hash_digest(cur->hash) & b->mask]; i;
	     i = b->hash_next[i - 1]) {
		r = &b->rows[i - 1];
		if (cur->kind == OC_ROW_FILE && same_content(r, cur) &&
		    strcmp(base_name(r->path), name) == 0)
			return true;
	}
	return false;
}

struct tree_walk {
	const struct oc_guard_baseline *b;
	unsigned entries;
	bool samples_too;
};

static bool tree_known(struct tree_walk *t, int parent, const char *name, const char *path,
		       unsigned depth)
{
	if (depth > TREE_MAX_DEPTH)
		return false;
	int fd = oc_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0,
			    OC_BENEATH);
	if (fd < 0)
		return false;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return false;
	}
	bool ok = true;
	while (ok) {
		errno = 0;
		const struct dirent *e = readdir(d);
		if (!e) {
			ok = errno == 0;
			break;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++t->entries > TREE_MAX_ENTRIES) {
			ok = false;
			break;
		}
		struct oc_guard_row cur;
		oc_auto_buf below = {0};
		oc_buf_printf(&below, "%s/%s", path, e->d_name);
		if (oc_guard_identify(dirfd(d), e->d_name, false, &cur) < 0)
			ok = false;
		else if (cur.kind == OC_ROW_DIR)
			ok = tree_known(t, dirfd(d), e->d_name, below.data, depth + 1);
		else if (!(t->samples_too && cur.kind == OC_ROW_FILE &&
			   oc_guard_is_sample(e->d_name)))
			ok = oc_guard_known(t->b, dirfd(d), e->d_name, below.data, NULL);
	}
	closedir(d);
	return ok;
}

bool oc_guard_tree_known(const struct oc_guard_baseline *b, int dirfd, const char *name,
			 const char *path, bool samples_too)
{
	struct tree_walk t = {.b = b, .samples_too = samples_too};

	return tree_known(&t, dirfd, name, path, 0);
}

/* --- journal --- */

static void escape(struct oc_buf *out, const char *path)
{
	for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '%')
			oc_buf_printf(out, "%%%02x", *p);
		else
			oc_buf_add(out, p, 1);
	}
}

static int hex(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *unescape(struct oc_arena *a, const char *s)
{
	char *out = oc_arena_alloc(a, strlen(s) + 1), *p = out;

	while (*s) {
		if (*s != '%') {
			*p++ = *s++;
			continue;
		}
		int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return NULL;
		*p++ = (char)(hi << 4 | lo);
		s += 3;
	}
	*p = '\0';
	return out;
}

/* One string per row: a journal of 10,000 rows stays below the reader's size limit. */
void oc_guard_baseline_write(const struct oc_guard_baseline *base, struct oc_json_writer *w)
{
	oc_auto_buf line = {0};

	oc_jw_object(w);
	oc_jw_key(w, "version");
	oc_jw_int(w, 1);
	oc_jw_key(w, "seconds");
	oc_jw_int(w, base->sec);
	oc_jw_key(w, "nanoseconds");
	oc_jw_int(w, base->nsec);
	oc_jw_key(w, "rows");
	oc_jw_array(w);
	for (size_t i = 0; i < base->count; i++) {
		const struct oc_guard_row *r = &base->rows[i];
		line.len = 0;
		oc_buf_printf(&line, "%d %o %llx %llx %llx %lld.%u ", (int)r->kind, r->mode,
			      (unsigned long long)r->dev, (unsigned long long)r->ino,
			      (unsigned long long)r->size, (long long)r->ctime_sec, r->ctime_nsec);
		if (!r->hashed)
			oc_buf_puts(&line, "-");
		for (size_t n = 0; r->hashed && n < sizeof(r->hash); n++)
			oc_buf_printf(&line, "%02x", r->hash[n]);
		oc_buf_puts(&line, " ");
		escape(&line, r->path);
		oc_jw_string(w, line.data);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}

static bool read_number(const char **s, int base, char end, unsigned long long max,
			unsigned long long *out)
{
	char *stop;

	if (hex((unsigned char)**s) < 0)
		return false;
	errno = 0;
	*out = strtoull(*s, &stop, base);
	if (errno != 0 || *stop != end || *out > max)
		return false;
	*s = stop + 1;
	return true;
}

static bool read_row(struct oc_arena *a, const char *s, struct oc_guard_row *r)
{
	unsigned long long kind, mode, dev, ino, size, sec, nsec;

	if (!read_number(&s, 10, ' ', OC_ROW_UNREADABLE, &kind) ||
	    !read_number(&s, 8, ' ', 07777, &mode) || !read_number(&s, 16, ' ', UINT64_MAX, &dev) ||
	    !read_number(&s, 16, ' ', UINT64_MAX, &ino) ||
	    !read_number(&s, 16, ' ', UINT64_MAX, &size))
		return false;
	bool negative = *s == '-';
	s += negative;
	if (!read_number(&s, 10, '.', INT64_MAX, &sec) ||
	    !read_number(&s, 10, ' ', 999999999, &nsec))
		return false;
	*r = (struct oc_guard_row){
		.kind = (enum oc_row_kind)kind,
		.mode = (uint32_t)mode,
		.dev = dev,
		.ino = ino,
		.size = size,
		.ctime_sec = negative ? -(int64_t)sec : (int64_t)sec,
		.ctime_nsec = (uint32_t)nsec,
		.nlink = 1,
	};
	if (*s == '-') {
		s++;
	} else {
		for (size_t n = 0; n < sizeof(r->hash); n++, s += 2) {
			int hi = hex((unsigned char)s[0]),
			    lo = hi < 0 ? -1 : hex((unsigned char)s[1]);
			if (lo < 0)
				return false;
			r->hash[n] = (uint8_t)(hi << 4 | lo);
		}
		r->hashed = true;
	}
	return *s == ' ' && (r->path = unescape(a, s + 1)) != NULL;
}

int oc_guard_baseline_read(struct oc_arena *a, const struct oc_json *v,
			   struct oc_guard_baseline **base, struct oc_err *err)
{
	struct oc_guard_baseline *b = oc_arena_alloc(a, sizeof(*b));
	int64_t n;
	const struct oc_json *version = oc_json_get(v, "version"), *rows = oc_json_get(v, "rows");
	const struct oc_json *sec = oc_json_get(v, "seconds"),
			     *nsec = oc_json_get(v, "nanoseconds");

	if (!version || !rows || rows->type != OC_JSON_ARRAY || !sec || !nsec)
		return oc_fail(err, 0,
			       "the journal of the workspace is damaged: a member is missing");
	if (oc_json_int(a, version, 1, 1, &n, err) < 0 ||
	    oc_json_int(a, sec, INT64_MIN / 2, INT64_MAX / 2, &b->sec, err) < 0)
		return -1;
	if (oc_json_int(a, nsec, 0, 999999999, &n, err) < 0)
		return -1;
	b->nsec = (uint32_t)n;
	b->rows = oc_arena_array(a, rows->count, sizeof(*b->rows));
	for (const struct oc_json *r = rows->child; r; r = r->next)
		if (r->type != OC_JSON_STRING || !read_row(a, r->string, &b->rows[b->count++]))
			return oc_json_fail(a, r, err,
					    "the journal of the workspace is damaged: not a row");
	oc_guard_base_index(a, b);
	*base = b;
	return 0;
}
