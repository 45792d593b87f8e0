/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - see overlay.h.  The store, and what a launch does with it before clone3.
 */
#include "runtime/launch/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/sys.h"

#define BENEATH	    (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define META	    "meta.json"
#define META_NEW    "meta.json.tmp"
#define META_MAX    (256u << 10)
#define VERSION	    1
#define MOUNTS_MAX  (16u << 20)
#define LOCK_NAME   "lock"
#define PROBE_XATTR "user.oc-sandbox.probe"

struct oc_overlay_stamp oc_overlay_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (struct oc_overlay_stamp){t.tv_sec, (uint32_t)t.tv_nsec};
}

void oc_overlay_close(struct oc_overlay_store *o)
{
	oc_closep(&o->lock_fd);
	oc_closep(&o->dir_fd);
	o->lock_fd = o->dir_fd = -1;
}

int oc_overlay_open(struct oc_overlay_store *o, const char *path, bool make, struct oc_err *err)
{
	struct stat st;

	*o = (struct oc_overlay_store){.dir_fd = -1, .lock_fd = -1, .path = path};
	oc_auto_close at = make ? oc_mkdir_path(path, 0700, err)
				: oc_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0,
					     RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (at < 0)
		return make ? -1 : oc_fail(err, errno, "%s", path);
	oc_auto_close fd = oc_openat2(at, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		oc_fail(err, EPERM, "%s belongs to somebody else or is open to others", path);
		return oc_err_hint(err, "find out who made it, and remove it");
	}
	o->dir_fd = oc_steal_fd(&fd);
	return 0;
}

int oc_overlay_lock(struct oc_overlay_store *o, int wait_ms, struct oc_err *err)
{
	const struct timespec moment = {.tv_nsec = 10000000};

	for (;;) {
		struct stat st, named;
		oc_auto_close fd = oc_openat2(o->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW,
					      0600, BENEATH);
		if (fd < 0)
			return oc_fail(err, errno, "cannot open %s/" LOCK_NAME, o->path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return oc_fail(err, errno, "cannot lock %s", o->path);
			if (wait_ms <= 0)
				return 1;
			wait_ms -= 10;
			nanosleep(&moment, NULL);
			continue;
		}
		/* Whoever held it may have removed the whole store. */
		if (fstat(fd, &st) == 0 &&
		    fstatat(o->dir_fd, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == named.st_ino && st.st_dev == named.st_dev) {
			o->lock_fd = oc_steal_fd(&fd);
			return 0;
		}
		if (fstat(o->dir_fd, &st) < 0 || st.st_nlink == 0)
			return oc_fail(err, ENOENT, "%s was removed just now", o->path);
	}
}

static int stamp_read(struct oc_arena *a, const struct oc_json *v, struct oc_overlay_stamp *s,
		      struct oc_err *err)
{
	int64_t nsec;

	if (!v || v->type != OC_JSON_ARRAY || v->count != 2)
		return oc_fail(err, EPROTO, "a time in it is none");
	if (oc_json_int(a, v->child, 0, INT64_C(1) << 50, &s->sec, err) < 0 ||
	    oc_json_int(a, v->child->next, 0, 999999999, &nsec, err) < 0)
		return -1;
	s->nsec = (uint32_t)nsec;
	return 0;
}

static int meta_parse(struct oc_overlay_store *o, struct oc_arena *a, const struct oc_json *v,
		      struct oc_err *err)
{
	const struct oc_json *path = oc_json_get(v, "workspace"), *id = oc_json_get(v, "id");
	const struct oc_json *dev = oc_json_get(v, "dev"), *ino = oc_json_get(v, "ino");
	const struct oc_json *version = oc_json_get(v, "version"),
			     *epochs = oc_json_get(v, "epochs");
	int64_t n;

	if (!version || !path || path->type != OC_JSON_STRING || !id ||
	    id->type != OC_JSON_STRING || !dev || dev->type != OC_JSON_STRING || !ino ||
	    ino->type != OC_JSON_STRING || !epochs || epochs->type != OC_JSON_ARRAY ||
	    strlen(id->string) != OC_OVERLAY_ID_LEN ||
	    strspn(id->string, "0123456789abcdef") != OC_OVERLAY_ID_LEN)
		return oc_fail(err, EPROTO, "it is not ours");
	if (oc_json_int(a, version, VERSION, VERSION, &n, err) < 0)
		return oc_err_hint(err, "another version of oc-sandbox made it");
	o->workspace = path->string;
	o->dev = strtoull(dev->string, NULL, 10);
	o->ino = strtoull(ino->string, NULL, 10);
	memcpy(o->id, id->string, sizeof o->id);
	o->epoch_count = 0;
	for (const struct oc_json *e = epochs->child; e && o->epoch_count < OC_OVERLAY_EPOCHS;
	     e = e->next)
		if (stamp_read(a, e, &o->epochs[o->epoch_count++], err) < 0)
			return -1;
	if (o->epoch_count == 0)
		return oc_fail(err, EPROTO, "it has no beginning");
	const struct oc_json *applied = oc_json_get(v, "applied"),
			     *applying = oc_json_get(v, "applying");
	if (applied && stamp_read(a, applied, &o->applied, err) < 0)
		return -1;
	o->applying = applying && applying->type == OC_JSON_BOOL && applying->boolean;
	return 0;
}

int oc_overlay_meta_read(struct oc_overlay_store *o, struct oc_arena *a, struct oc_err *err)
{
	oc_auto_close fd = oc_openat2(o->dir_fd, META, O_RDONLY | O_NOFOLLOW, 0, BENEATH);
	oc_auto_buf text = {0};
	struct oc_json *v;

	if (fd < 0)
		return oc_fail(err, errno, "%s/" META, o->path);
	if (oc_read_all(fd, &text, META_MAX) < 0)
		return oc_fail(err, errno, "cannot read %s/" META, o->path);
	if (oc_json_parse(a, text.data ? text.data : "", text.len, META, &v, err) < 0 ||
	    meta_parse(o, a, v, err) < 0) {
		if (err->errnum == ENOENT)
			err->errnum = EPROTO;
		oc_err_context(err, "%s", o->path);
		return oc_err_hint(err, "`oc-sandbox discard` removes it, with all changes in it");
	}
	return 0;
}

static void stamp_write(struct oc_json_writer *w, struct oc_overlay_stamp s)
{
	oc_jw_array(w);
	oc_jw_int(w, s.sec);
	oc_jw_uint(w, s.nsec);
	oc_jw_array_end(w);
}

int oc_overlay_meta_write(const struct oc_overlay_store *o, struct oc_err *err)
{
	char text[24];
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "version");
	oc_jw_int(&w, VERSION);
	oc_jw_key(&w, "workspace");
	oc_jw_string(&w, o->workspace);
	/* As text: a JSON number has room for 53 bits. */
	oc_jw_key(&w, "dev");
	oc_jw_string(&w, oc_digits(text, o->dev));
	oc_jw_key(&w, "ino");
	oc_jw_string(&w, oc_digits(text, o->ino));
	oc_jw_key(&w, "id");
	oc_jw_string(&w, o->id);
	oc_jw_key(&w, "epochs");
	oc_jw_array(&w);
	for (size_t i = 0; i < o->epoch_count; i++)
		stamp_write(&w, o->epochs[i]);
	oc_jw_array_end(&w);
	oc_jw_key(&w, "applied");
	stamp_write(&w, o->applied);
	oc_jw_key(&w, "applying");
	oc_jw_bool(&w, o->applying);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	/* No fsync: it has to outlive processes; after a crash of the machine an old one is read,
	 * or none. */
	unlinkat(o->dir_fd, META_NEW, 0);
	oc_auto_close fd = oc_openat2(o->dir_fd, META_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				      0600, BENEATH);
	if (fd < 0 || oc_write_all(fd, out.data, out.len) < 0 ||
	    renameat(o->dir_fd, META_NEW, o->dir_fd, META) < 0)
		return oc_fail(err, errno, "cannot write %s/" META, o->path);
	return 0;
}

int oc_overlay_upper(const struct oc_overlay_store *o)
{
	return oc_openat2(o->dir_fd, "data/upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BENEATH);
}

/* --- before clone3 --- */

static bool is_empty(int dir)
{
	int copy = oc_openat2(dir, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	bool empty = d != NULL;

	if (!d) {
		oc_closep(&copy);
		return false;
	}
	for (struct dirent *e; empty && (e = readdir(d));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return empty;
}

/*
 * What is mounted below the workspace would not be seen through the overlay, but what it covers
 * would: the kernel refuses that where it can tell, with EINVAL and no word; this says which.
 */
static int nothing_below(const char *path, struct oc_err *err)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY, 0, 0);
	oc_auto_buf text = {0};
	size_t len = strlen(path);

	if (fd < 0 || oc_read_all(fd, &text, MOUNTS_MAX) < 0)
		return oc_fail(err, errno, "cannot read the list of mounts");
	for (char *line = text.data, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		/* id parent major:minor root POINT */
		char *p = line;
		for (int i = 0; p && i < 4; i++)
			p = (p = strchr(p, ' ')) ? p + 1 : NULL;
		if (!p)
			continue;
		p[strcspn(p, " ")] = '\0';
		char *to = p;
		for (const char *from = p; *from; to++) {
			if (from[0] == '\\' && from[1] && from[2] && from[3]) {
				*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
					     (from[3] - '0'));
				from += 4;
			} else {
				*to = *from++;
			}
		}
		*to = '\0';
		if (strncmp(p, path, len) == 0 && p[len] == '/' && len > 1) {
			oc_fail(err, 0,
				"%s is mounted below the workspace, an overlay cannot show it", p);
			return oc_err_hint(err, "unmount it, or use --access rw or ro");
		}
	}
	return 0;
}

/* Directory name below dir, of ours, handed to the owner of the workspace. */
static int make_dir(int dir, const char *name, const struct oc_mount *row, mode_t mode,
		    struct oc_err *err)
{
	bool made = mkdirat(dir, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return oc_fail(err, errno, "cannot make %s", name);
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BENEATH);
	if (fd < 0)
		return oc_fail(err, errno, "cannot open %s", name);
	if (geteuid() == 0 && fchown(fd, row->owner_uid, row->owner_gid) < 0)
		return oc_fail(err, errno, "cannot give %s to the owner of the workspace", name);
	if (made && fchmod(fd, mode) < 0)
		return oc_fail(err, errno, "cannot set the mode of %s", name);
	return oc_steal_fd(&fd);
}

/* Without them no directory could be replaced. */
static int check_xattrs(int upper, const char *path, struct oc_err *err)
{
	if (fsetxattr(upper, PROBE_XATTR, "y", 1, 0) == 0) {
		fremovexattr(upper, PROBE_XATTR);
		return 0;
	}
	oc_fail(err, errno, "the file system of %s has no user attributes, which an overlay needs",
		path);
	return oc_err_hint(err, "set OPENCLAW_STATE_DIR to a directory on ext4, xfs or btrfs "
				"(tmpfs from kernel 6.6 on)");
}

static int new_id(struct oc_overlay_store *o, struct oc_err *err)
{
	uint64_t r;

	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		return oc_fail(err, errno, "getrandom");
	snprintf(o->id, sizeof o->id, "%016llx", (unsigned long long)r);
	return 0;
}

static int note_beginning(struct oc_overlay_store *o, struct oc_arena *a,
			  const struct oc_mount *row, bool empty, struct oc_err *err)
{
	struct oc_err own = {0};
	int r = oc_overlay_meta_read(o, a, &own);

	if (r < 0 && !empty) {
		*err = own;
		oc_err_hint(err, "`oc-sandbox discard` removes it, with all changes in it");
		return -1;
	}
	if (r == 0 && !empty && o->ino != row->ino) {
		oc_fail(err, 0, "%s holds changes of another directory, the one that was %s before",
			o->path, o->workspace);
		return oc_err_hint(err, "`oc-sandbox discard` removes them");
	}
	if (r < 0 && new_id(o, err) < 0)
		return -1;
	o->workspace = row->source;
	o->dev = row->dev;
	o->ino = row->ino;
	if (empty || r < 0) {
		o->epoch_count = 0;
		o->applied = (struct oc_overlay_stamp){0};
		o->applying = false;
	}
	if (o->epoch_count == OC_OVERLAY_EPOCHS) {
		/* What one of the middle changed counts from the one before: more conflicts, never
		 * fewer. */
		memmove(&o->epochs[1], &o->epochs[2],
			(OC_OVERLAY_EPOCHS - 2) * sizeof o->epochs[0]);
		o->epoch_count--;
	}
	o->epochs[o->epoch_count++] = oc_overlay_now();
	return oc_overlay_meta_write(o, err);
}

static int prepare(struct oc_child *c, const struct oc_mount *row, struct oc_overlay_store *o,
		   struct oc_err *err)
{
	struct oc_arena *a = c->plan->arena;
	struct stat st;

	if (nothing_below(row->source, err) < 0 ||
	    oc_overlay_open(o, c->plan->overlay_dir, true, err) < 0)
		return -1;
	int busy = oc_overlay_lock(o, OC_OVERLAY_WAIT_MS, err);
	if (busy < 0)
		return -1;
	if (busy) {
		oc_fail(err, 0, "another sandbox is at work on the overlay of %s", row->source);
		return oc_err_hint(
			err, "wait for it, stop it, or join it (`oc-sandbox exec`); an agent or a "
			     "session of its own has an overlay of its own");
	}
	if (fstat(row->fd, &st) < 0)
		return oc_fail(err, errno, "%s", row->source);
	oc_auto_close data = make_dir(o->dir_fd, "data", row, 0700, err);
	oc_auto_close upper = data < 0 ? -1 : make_dir(data, "upper", row, 0700, err);
	oc_auto_close work = upper < 0 ? -1 : make_dir(data, "work", row, 0700, err);
	if (work < 0)
		return oc_err_context(err, "%s", o->path);
	bool empty = is_empty(upper);
	/* The attributes of the top are those above. */
	if (empty && fchmod(upper, st.st_mode & 0777) < 0)
		return oc_fail(err, errno, "%s", o->path);
	if (check_xattrs(upper, o->path, err) < 0 || note_beginning(o, a, row, empty, err) < 0)
		return -1;
	if (fstat(data, &st) < 0)
		return oc_fail(err, errno, "%s", o->path);
	c->overlay.data = oc_arena_printf(a, "%s/data", o->path);
	c->overlay.dev = st.st_dev;
	c->overlay.ino = st.st_ino;
	if (c->privileged) {
		struct oc_mount as = *row;
		as.source = c->overlay.data;
		as.read_only = false;
		if (oc_prepare_tree(c, &as, data, &c->overlay.tree_fd, err) < 0)
			return -1;
	}
	c->overlay.lock_fd = oc_steal_fd(&o->lock_fd);
	return 0;
}

int oc_overlay_prepare(struct oc_child *c, const struct oc_mount *row, struct oc_err *err)
{
	struct oc_overlay_store o = {.dir_fd = -1, .lock_fd = -1};
	int r = prepare(c, row, &o, err);

	oc_overlay_close(&o);
	return r < 0 ? oc_err_context(err, "overlay") : 0;
}
