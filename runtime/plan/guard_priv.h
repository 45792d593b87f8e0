/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_priv - what the files of guard share.  Nobody else includes it.
 *
 * guard.c: the two entry points, the walk over the tree and what is done with each name.
 * guard_base.c: the baseline: identities, comparison, JSON.   guard_git.c: git indirections.
 * guard_move.c: into the quarantine.   guard_names.c, guard_config.c: pure tables and readers.
 */
#ifndef OC_RUNTIME_PLAN_GUARD_PRIV_H
#define OC_RUNTIME_PLAN_GUARD_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "runtime/plan/guard.h"
#include "runtime/plan/guard_names.h"

/* One component or path below a directory of the workspace: no link, no "..", no other mount. */
#define OC_BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

#define OC_GUARD_HASH_MAX      (1u << 20) /* larger files are compared by identity and change time */
#define OC_GUARD_MAX_ROWS      10000	  /* the journal must fit into OC_JSON_MAX_BYTES */
#define OC_GUARD_MAX_GUARDS    10000	  /* mounts */
#define OC_GUARD_MAX_ITEMS     10000	  /* reported one by one */
#define OC_GUARD_MAX_ROW_BYTES (1800u << 10)
#define OC_GUARD_MAX_BYTES     (32u << 20) /* of paths in one list */
#define OC_GUARD_MAX_NAMES     (64u << 20) /* bytes of directory names that wait */
#define OC_GUARD_SCAN_MS       30000
#define OC_GUARD_SWEEP_MS      120000

enum oc_row_kind { OC_ROW_FILE, OC_ROW_DIR, OC_ROW_LINK, OC_ROW_OTHER, OC_ROW_UNREADABLE };

/* Identity of one object. */
struct oc_guard_row {
	const char *path; /* relative to the workspace; "" is the workspace */
	enum oc_row_kind kind;
	uint32_t mode; /* permission bits */
	uint64_t dev, ino, size, nlink;
	int64_t ctime_sec;
	uint32_t ctime_nsec;
	bool hashed;
	uint8_t hash[32];
};

struct oc_guard_baseline {
	struct oc_guard_row *rows;
	size_t count;
	int64_t sec; /* what changed later has a change time that is not earlier */
	uint32_t nsec;
	/* chains of row number + 1, made by oc_guard_base_index */
	uint32_t *path_head, *path_next, *id_head, *id_next, *hash_head, *hash_next;
	size_t mask;
};

struct oc_guard_ctx;

/* --- guard_base.c --- */
void oc_guard_row_fill(struct oc_guard_row *row, const struct stat *st);
/* lstat of dirfd/name and, with hash, the digest of a file or the text of a link.  -1 with errno.
 */
int oc_guard_identify(int dirfd, const char *name, bool hash, struct oc_guard_row *row);
int oc_guard_hash_fd(int fd, struct oc_guard_row *row);
void oc_guard_base_index(struct oc_arena *a, struct oc_guard_baseline *b);
const struct oc_guard_row *oc_guard_base_find(const struct oc_guard_baseline *b, const char *path);
/* Whether dirfd/name is an object of the baseline: same place, moved with its parent, or a copy
 * under the same name. */
bool oc_guard_known(const struct oc_guard_baseline *b, int dirfd, const char *name,
		    const char *path, struct oc_guard_row *cur);
/* A directory all of whose files are known; bounded. */
bool oc_guard_tree_known(const struct oc_guard_baseline *b, int dirfd, const char *name,
			 const char *path, bool samples_too);
bool oc_guard_before(const struct oc_guard_baseline *b, int64_t sec, uint32_t nsec);
bool oc_guard_is_sample(const char *name);

/* --- guard_move.c --- */
struct oc_guard_mover {
	struct oc_arena *a;
	const char *path; /* quarantine directory */
	int fd;		  /* -1 until there is something to move */
	bool failed;
	unsigned long seq;
};
/* Move dirfd/name away.  *moved: where to, or NULL if it was renamed in its directory to *renamed.
 * -1: it is still there. */
int oc_guard_move(struct oc_guard_mover *m, int dirfd, const char *name, const char *path,
		  const char **moved, const char **renamed);

/* --- guard.c: the context --- */
enum {		      /* of a directory */
       F_GITDIR = 1,  /* a git directory */
       F_HOOKS = 2,   /* a hooks directory: *.sample do not count */
       F_TREE = 4,    /* everything in it is guarded */
       F_PLAIN = 8,   /* objects, refs, logs: names without a leading dot are git's own */
       F_DEPS = 16,   /* below node_modules */
       F_REBASE = 32, /* a rebase in progress */
       F_LAZY = 64,   /* read-only if there is anything in it */
       F_DEAD = 128,  /* moved away or not to be entered */
};

struct oc_guard_ctx {
	struct oc_arena *a; /* of the caller: what is handed back */
	struct oc_arena *s; /* until the end of one directory: paths can be long and many */
	struct oc_err *err;
	bool sweep;
	int root;
	uint64_t root_dev, root_ino;
	char *host_path;		/* of the workspace, NULL if it has none */
	struct oc_guard_baseline *base; /* scan: rows are added at the end; sweep: the one before */
	struct oc_buf rows;		/* struct oc_guard_row */
	struct oc_buf guards;		/* struct oc_guard */
	struct oc_buf extra; /* struct oc_guard_extra: directories to walk as guarded trees */
	struct oc_buf items; /* struct oc_quarantined */
	struct oc_guard_mover mover;
	size_t row_bytes, guard_bytes, item_bytes;
	const char *last_pin;
	unsigned long unlisted;
	const char *incomplete;
	const char *skip; /* the quarantine, if it is in the workspace */
	int64_t deadline_ms;
};
struct oc_guard_extra {
	const char *path;
	unsigned flags;
	const char *why;
};

/* --- guard_walk.c --- */
struct oc_guard_hit { /* an entry that is more than a name */
	const char *name;
	unsigned char type; /* DT_* */
	struct oc_name_class cls;
	unsigned *flags; /* if it is a directory: F_* that its visit will have */
	const char **why;
};
struct oc_guard_dir {
	int fd;
	const char *path;
	unsigned flags;
	const char *why;
	size_t entries;
};
/* Every directory below start, a parent before what is below it.  visit is called once per
 * directory. */
typedef int (*oc_guard_visit_fn)(struct oc_guard_ctx *c, const struct oc_guard_dir *d,
				 struct oc_guard_hit *hits, size_t n);
/* An entry that is no directory.  <0 ends the walk. */
typedef int (*oc_guard_entry_fn)(struct oc_guard_ctx *c, int dirfd, const char *dir,
				  const char *name, unsigned char type);
struct oc_guard_walk_ops {
	oc_guard_visit_fn visit;
	oc_guard_entry_fn entry; /* may be NULL */
};
int oc_guard_walk(struct oc_guard_ctx *c, const char *start, unsigned flags, const char *why,
		  const struct oc_guard_walk_ops *ops);

/* --- guard.c --- */
int oc_guard_add_row(struct oc_guard_ctx *c, const struct oc_guard_row *row, const char *path);
int oc_guard_add_guard(struct oc_guard_ctx *c, enum oc_guard_kind kind, const char *path,
		       const char *why);
/* Pin path and every directory above it. */
int oc_guard_add_pins(struct oc_guard_ctx *c, const char *path, const char *why);
void oc_guard_add_extra(struct oc_guard_ctx *c, const char *path, unsigned flags, const char *why);
/* Sweep: out of the workspace with it. */
void oc_guard_out(struct oc_guard_ctx *c, int dirfd, const char *name, const char *path,
		  const char *why);
void oc_guard_incomplete(struct oc_guard_ctx *c, const char *why);
/* Scan: a file that has a second name is an error. */
int oc_guard_one_link(struct oc_guard_ctx *c, const struct oc_guard_row *row, const char *path,
		      const char *why);

/* --- guard_git.c --- */
char *oc_guard_join(struct oc_arena *a, const char *dir, const char *name);
/* Path that value means in directory base: relative to the workspace, or NULL and *outside the
 * absolute path. */
char *oc_guard_resolve(struct oc_guard_ctx *c, const char *base, const char *value, char **outside);
/* Path of an object that the host uses: scan guards it, sweep compares it.  tree: it may be a
 * directory. */
int oc_guard_target(struct oc_guard_ctx *c, const char *path, bool tree, const char *why);
/* What the configuration of the repository whose .git (directory, file or link) is in directory
 * work names. work NULL: bare. */
int oc_guard_git_targets(struct oc_guard_ctx *c, const char *work, const char *gitdir);
/* Target of a .git file, as a path in the workspace; NULL and *outside if it is elsewhere; both
 * NULL: not a pointer. */
char *oc_guard_git_pointer(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			   char **outside);
/* Judge what is new or changed; false: *why says what is wrong. */
bool oc_guard_git_pointer_ok(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			     const char **why);
bool oc_guard_git_config_ok(struct oc_guard_ctx *c, int dirfd, const char *name, const char *dir,
			    const char **why);
bool oc_guard_git_commondir_ok(int dirfd, const char *name, const char *dir);
bool oc_guard_git_todo_ok(int dirfd, const char *name);

#endif
