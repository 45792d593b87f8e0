/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - one immutable value that says everything about a sandbox before anything is done.
 *
 * Options, profile and configuration become a plan; `oc-sandbox explain` prints it; launch executes it.
 * Building one may read (files, /proc, the environment, stat) and may open descriptors on mount sources,
 * it must not change anything.  Strings live in the arena of the plan, descriptors are closed by oc_plan_close.
 */
#ifndef OC_RUNTIME_PLAN_PLAN_H
#define OC_RUNTIME_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "netns/policy/rules.h"
#include "runtime/plan/layer.h"

/* Where a value came from: "default", "profile strict", "--memory", "~/.openclaw/openclaw.json:12 agents.defaults.sandbox.docker.memory". */
typedef const char *oc_origin;

struct oc_guard_baseline;

enum oc_mount_kind {
	OC_MOUNT_BIND,	  /* source: absolute host path -> target, recursive */
	OC_MOUNT_TMPFS,	  /* empty tmpfs: size_bytes, inodes, mode */
	OC_MOUNT_FILE,	  /* read-only file made by us: content, content_len */
	OC_MOUNT_SYMLINK, /* link made by us: source is its text */
	OC_MOUNT_DIR,	  /* empty directory made by us: mode */
	OC_MOUNT_PROC,	  /* new procfs, read-only; implies the masks of launch */
	OC_MOUNT_DEV,	  /* /dev with null zero full random urandom tty pts ptmx shm fd stdin stdout stderr; size_bytes is that of shm */
	OC_MOUNT_SYSFS,	  /* read-only sysfs, with masks */
};

struct oc_mount {
	enum oc_mount_kind kind;
	const char *target; /* absolute, clean, inside */
	const char *source;
	const char *content;
	size_t content_len;
	uint64_t size_bytes;
	uint64_t inodes;
	mode_t mode;
	bool read_only;
	bool no_exec;
	bool optional;	/* built-in rows only: skipped when the source does not exist; fd is -1 then */
	bool map_owner; /* root only: the owner of the source appears as the payload's id (id-mapped mount) */
	bool workspace; /* the workspace */
	bool overlay;	/* an overlay: source lies below and is never written, plan.overlay_dir above */
	bool guarded;	/* plan.guards has rows for it */
	struct oc_guard_baseline *guard_baseline; /* writable directory of the host: what it looked like, for oc_guard_sweep; else NULL */
	/* Filled by oc_plan_open_sources for OC_MOUNT_BIND: what was checked is what is mounted. */
	int fd; /* O_PATH, or -1 */
	bool is_dir;
	uint64_t dev, ino;
	uid_t owner_uid;
	gid_t owner_gid;
	oc_origin origin;
};

enum oc_access { OC_ACCESS_NONE, OC_ACCESS_RO, OC_ACCESS_RW, OC_ACCESS_OVERLAY };
enum oc_tty_mode { OC_TTY_AUTO, OC_TTY_YES, OC_TTY_NO };
enum oc_rootfs { OC_ROOTFS_HOST, OC_ROOTFS_DIR };

struct oc_env_var {
	const char *name, *value;
	oc_origin origin;
};

struct oc_ulimit {
	int resource; /* RLIMIT_* */
	const char *name;
	rlim_t soft, hard;
	oc_origin origin;
};

/*
 * Path inside a writable workspace that the host would later run or trust.
 * GUARD_RO: bound read-only on itself.  GUARD_PIN: bound on itself, writable, so that it cannot be renamed away
 * and a new one put in its place.  GUARD_HIDE: a socket of the host, covered: a read-only mount does not stop connect(2).
 */
enum oc_guard_kind { OC_GUARD_RO, OC_GUARD_PIN, OC_GUARD_HIDE };
struct oc_guard {
	enum oc_guard_kind kind;
	const char *path; /* relative to the source of its mount, no "..", no links in it */
	size_t mount;	  /* index of that mount; set by oc_plan_build */
	bool is_dir;
	uint64_t dev, ino;
	const char *why; /* "git hooks", "core.hooksPath of .git/config", "shell start-up file", ... */
};

struct oc_egress_budget {
	uint64_t upload_bytes, connections, names; /* 0: none */
};
struct oc_egress_list_row {
	const char *text; /* normal form of a rule, or the name of a class */
	oc_origin origin;
};
/*
 * What the sandbox reaches.  OC_EGRESS_NONE, the default: lo only, no broker is started.  An allowlist without a rule is NONE.
 * Every rule was parsed when the plan was built (netns/policy/rules.h).
 */
struct oc_plan_egress {
	enum oc_egress_mode mode;
	struct oc_egress_list_row *allow, *deny, *allow_private;
	size_t allow_count, deny_count, allow_private_count;
	struct oc_egress_budget budget, rule_budget; /* of the sandbox; of each rule */
	const char *const *resolvers; /* "resolvers" of netns/broker/broker.h; none: those of the host */
	size_t resolver_count;
};

enum oc_value { /* index of plan.origin[]: scalars whose source is reported */
	OC_V_PROFILE, OC_V_AGENT, OC_V_SESSION, OC_V_SCOPE, OC_V_ROOTFS, OC_V_WORKSPACE, OC_V_ACCESS, OC_V_WORKDIR, OC_V_USER,
	OC_V_HOSTNAME, OC_V_MEMORY, OC_V_SWAP, OC_V_PIDS, OC_V_CPUS, OC_V_TIMEOUT, OC_V_TTY, OC_V_SECCOMP, OC_V_EGRESS,
	OC_V_READ_ONLY_ROOT, OC_V_DISK, OC_V_IDLE, OC_V_MAX_AGE, OC_V_COUNT
};

struct oc_plan {
	struct oc_arena *arena;
	const char *profile;
	const char *agent;	 /* NULL without --agent */
	const char *session;	 /* NULL without --session */
	const char *scope;	 /* "session", "agent", "shared"; NULL without agent: one-shot */
	const char *scope_key;	 /* NULL without agent */
	const char *slug;	 /* directory name of the scope; "oneshot" without agent */
	const char *state_dir;	 /* absolute; may not exist yet; NULL if there is no home and none is needed */
	/*
	 * Access overlay: directory of ours beside the scratch directories, that holds the payload's changes of the workspace (upper/, work/; runtime/session/overlay.h);
	 * made by launch; else NULL.
	 */
	const char *overlay_dir;
	const char *scratch_dir; /* host directory behind /workspace when access is none or ro and an agent was named; made by launch; else NULL */

	enum oc_rootfs rootfs;
	const char *rootfs_path; /* OC_ROOTFS_DIR: host path */
	bool read_only_root;
	const char *workspace; /* host path, NULL: private scratch in memory */
	enum oc_access access;
	const char *workdir; /* absolute, inside */
	const char *hostname;
	uid_t uid; /* inside */
	gid_t gid;
	uid_t host_uid; /* outside: the caller's, or for root an id that nobody has */
	gid_t host_gid;

	struct oc_mount *mounts; /* in order of execution: a parent before what is below it */
	size_t mount_count;
	struct oc_guard *guards;
	size_t guard_count;
	struct oc_env_var *env;
	size_t env_count;
	char *const *argv; /* NULL-terminated; empty for explain and doctor */

	uint64_t memory_bytes;	/* ceiling of the sandbox, never 0 */
	int64_t swap_bytes;	/* additional swap; -1 unlimited */
	uint64_t pids;		/* never 0 */
	uint64_t cpu_millis;	/* 1000 is one cpu, never 0 */
	uint64_t timeout_ms;	/* 0: none */
	struct oc_ulimit *ulimits;
	size_t ulimit_count;
	uint64_t tmpfs_bytes;
	uint64_t disk_bytes; /* ceiling of what a scratch or overlay workspace holds; 0: none but the file system's */
	uint64_t idle_ms, max_age_ms; /* of a sandbox that is kept: it ends by itself; 0: never */

	struct oc_plan_egress egress;

	enum oc_tty_mode tty;
	const char *seccomp; /* "default", "strict", "build", or an absolute path of an OCI JSON profile */
	bool debug_allowed;  /* profile build: ptrace and personality for debuggers */

	uint32_t required;	/* OC_LAYER_BIT mask: all of them, less what may be missing */
	uint32_t may_be_missing;
	bool require_cgroup;	/* --require cgroup: the stand-ins are not enough */

	oc_origin origin[OC_V_COUNT];
	struct oc_json *config; /* the loaded openclaw.json, or NULL */
	const char *config_path;
	const char *const *warnings; /* sentences for stderr and the result; NULL-terminated or NULL */
};

/* Options of the command line, as given; strings are not copied.  Arrays have explicit counts. */
struct oc_plan_options {
	const char *profile, *profile_file;
	const char *agent, *session, *scope;
	const char *rootfs, *workspace, *access, *workdir, *user, *hostname;
	const char *memory, *swap, *pids, *cpus, *timeout;
	const char *disk, *idle, *max_age;
	const char *seccomp;
	const char *const *binds; size_t bind_count;	  /* SRC[:DST][:ro|rw] */
	const char *const *tmpfs; size_t tmpfs_count;	  /* DST[:size=N,mode=N] */
	const char *const *env; size_t env_count;	  /* K=V */
	const char *const *env_pass; size_t env_pass_count; /* K */
	const char *const *ulimits; size_t ulimit_count;  /* name=soft[:hard] */
	const char *egress; /* "none", "allowlist", "open" */
	const char *const *allow; size_t allow_count;	  /* egress rules */
	const char *const *deny; size_t deny_count;
	const char *const *allow_private; size_t allow_private_count; /* address classes */
	const char *const *allow_missing; size_t allow_missing_count;
	const char *const *require; size_t require_count;
	const char *config; /* --config FILE, else the usual place */
	bool no_config;	    /* --no-config */
	bool sysfs;
	enum oc_tty_mode tty;
	char *const *argv;
};

/*
 * How disk_bytes is held: by the file system (what is over it fails with ENOSPC), or by counting (what is over it ends).
 */
enum oc_disk_bound { OC_DISK_NONE, OC_DISK_HARD, OC_DISK_SAMPLED };
enum oc_disk_bound oc_plan_disk_bound(const struct oc_plan *plan);

/* Build the plan, open and validate the sources, find the guarded paths.  plan is zeroed first. */
int oc_plan_build(struct oc_plan *plan, struct oc_arena *a, const struct oc_plan_options *opt, struct oc_err *err);
/* Close the descriptors. */
void oc_plan_close(struct oc_plan *plan);

/* Canonical JSON (keys in fixed order, no descriptors, no origins) -> SHA-256 as 64 hex digits + NUL. */
void oc_plan_hash(const struct oc_plan *plan, char out[65]);
/*
 * The same of what belongs to a sandbox and not to one command in it: without argv, --env and --env-pass, working directory, time limit, terminal, and without
 * who asks (agent and session are in the scope key) and what is guarded in the workspace at this moment.
 * Who joins a live sandbox wants it to be equal.
 */
void oc_plan_sandbox_hash(const struct oc_plan *plan, char out[65]);
/* The whole plan with the origin of each value, as JSON or as text for people. */
void oc_plan_json(const struct oc_plan *plan, struct oc_json_writer *w);
void oc_plan_text(const struct oc_plan *plan, struct oc_buf *out);

/* trim, lower case, other characters to '-', at most 64, empty -> "main". */
const char *oc_agent_id(struct oc_arena *a, const char *raw);
/* Directory name of a scope key: spec tools-sandbox-audit 1.3. */
const char *oc_scope_slug(struct oc_arena *a, const char *key);

/* --- the parts, for tests --- */

/* "1g", "512m", "64k", "123", "1.5g"; bytes; 0 and overflow are errors. */
int oc_parse_size(const char *s, uint64_t *out, struct oc_err *err);
/* "90", "90s", "5m", "2h", "1.5s", "250ms" -> milliseconds; bare number: seconds. */
int oc_parse_duration(const char *s, uint64_t *out, struct oc_err *err);
/* The same, or days ("7d"); "0" and "never" are 0. */
int oc_parse_age(const char *s, uint64_t *ms, struct oc_err *err);
/* "uid[:gid]": decimal, no sign, no space, no leading zero, at most 4294967294, not 0. */
int oc_parse_user(const char *s, uid_t *uid, gid_t *gid, struct oc_err *err);
/* Environment name rules of spec tools-sandbox-audit 3.3; false: refused, *why says which rule. */
bool oc_env_allowed(const char *name, const char **why);

#endif
