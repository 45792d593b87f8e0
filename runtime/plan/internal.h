/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of runtime/plan share and nobody else includes.
 *
 * A plan grows in two stages.  First every layer of configuration (built-in, profile, config defaults, agent,
 * flags) writes into one struct oc_settings; a later layer replaces what an earlier one said, and each value
 * keeps its origin.  Then the plan is made from the settings, sources are opened and checked.
 */
#ifndef OC_RUNTIME_PLAN_INTERNAL_H
#define OC_RUNTIME_PLAN_INTERNAL_H

#include "runtime/plan/plan.h"

#define OC_MAX_BINDS	512
#define OC_MAX_TMPFS	64
#define OC_MAX_ENV	1024
#define OC_MAX_ENV_LEN	131071 /* MAX_ARG_STRLEN of the kernel less one */
#define OC_MAX_WARNINGS 64

#define OC_DAY_MS     (UINT64_C(24) * 3600 * 1000)
#define OC_AGE_MAX_MS (100 * 366 * OC_DAY_MS) /* a century */

#define OC_NAME_SHORT 200 /* bytes of a hostile string quoted in a message: "%.200s" */

enum oc_setting_id {
	OC_S_PROFILE,
	OC_S_SCOPE,
	OC_S_ACCESS,
	OC_S_WORKSPACE_ROOT,
	OC_S_ROOTFS,
	OC_S_READ_ONLY_ROOT,
	OC_S_WORKDIR,
	OC_S_USER,
	OC_S_HOSTNAME,
	OC_S_MEMORY,
	OC_S_SWAP,
	OC_S_PIDS,
	OC_S_CPUS,
	OC_S_TIMEOUT,
	OC_S_IDLE,
	OC_S_MAX_AGE,
	OC_S_TMPFS_SIZE,
	OC_S_DISK,
	OC_S_SECCOMP,
	OC_S_SYSFS,
	OC_S_DEBUG,
	OC_S_RESERVED_TARGETS,
	OC_S_EXTERNAL_SOURCES,
	OC_S_COUNT
};

/* What the number in OC_S_SWAP means. */
enum oc_swap_unit { OC_SWAP_ADDITIONAL, OC_SWAP_TOTAL, OC_SWAP_UNLIMITED };

struct oc_setting {
	const char *text;
	uint64_t number;
	oc_origin origin; /* NULL: not set */
	bool docker;	  /* said by a docker.* key: memory and swap count as docker counts them */
	enum oc_swap_unit swap_unit;
};

struct oc_bind_spec {
	const char *source, *target;
	bool read_only;
	bool from_config; /* config: the source must be in an allowed root */
	oc_origin origin;
};

struct oc_tmpfs_spec {
	const char *target;
	uint64_t size_bytes; /* 0: not said */
	uint64_t inodes;     /* 0: not said */
	mode_t mode;	     /* (mode_t)-1: not said */
	bool exec;
	oc_origin origin;
};

struct oc_line {
	const char *text;
	oc_origin origin;
};

/* Growing array in the arena; elements are copied on growth. */
#define OC_VEC(type)                                                                               \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count, cap;                                                                 \
	}
/* Room for one more element at the end; returns a pointer to it, zeroed. */
#define oc_vec_add(a, v)                                                                           \
	((v)->items = oc_vec_grow_((a), (v)->items, (v)->count, &(v)->cap, sizeof(*(v)->items)),    \
	 &(v)->items[(v)->count++])
void *oc_vec_grow_(struct oc_arena *a, void *items, size_t count, size_t *cap, size_t size);

enum { OC_EGRESS_LISTS = 3 }; /* allow, deny, allowPrivate */
struct oc_egress_settings {
	enum oc_egress_mode mode;
	oc_origin mode_origin; /* NULL: no layer has said or implied one */
	bool mode_said;	       /* some layer has said one */
	struct oc_egress_rows {
		struct oc_egress_list_row *items; /* as OC_VEC */
		size_t count, cap;
	} list[OC_EGRESS_LISTS];
	struct oc_egress_budget budget, rule_budget;
	const struct oc_json *bridge; /* docker.network "bridge" */
};

struct oc_settings {
	struct oc_setting v[OC_S_COUNT];
	OC_VEC(struct oc_bind_spec) binds; /* concatenated over the layers */
	OC_VEC(struct oc_tmpfs_spec) tmpfs;
	bool tmpfs_set; /* a layer gave its own list: /tmp, /var/tmp and /run are not implied */
	OC_VEC(struct oc_env_var) env; /* a later layer replaces by name */
	OC_VEC(struct oc_ulimit) ulimits;
	OC_VEC(struct oc_line) dns;
	OC_VEC(struct oc_line) hosts; /* "name:ip" */
	struct oc_egress_settings egress;
	uint32_t may_be_missing;
	bool require_cgroup;
};

/* What is passed around while a plan is made. */
struct oc_builder {
	struct oc_plan *plan;
	struct oc_arena *a;
	const struct oc_plan_options *opt;
	struct oc_settings s;
	OC_VEC(struct oc_mount) mounts;
	OC_VEC(const char *) warnings;
	const char *agent_workspace; /* from the configuration, or the default place */
	oc_origin agent_workspace_origin;
	const struct oc_json *defaults;	     /* agents.defaults, NULL if there is none */
	const struct oc_json *agent_entry;   /* of the agent that was asked for, NULL if there is none */
	const struct oc_json **agent_entries; /* all of them, in order */
	const char **agent_ids;
	size_t agent_count;
	const struct oc_homes *homes; /* filled on first use */
};

__attribute__((format(printf, 2, 3))) void oc_warn(struct oc_builder *b, const char *fmt, ...);

/* --- parse.c, parse_mount.c --- */

/* No control bytes, not empty.  what names the value in the message. */
int oc_check_text(const char *what, const char *s, struct oc_err *err);
/* Clean absolute path inside or outside; "..", relative, control bytes and over-long are errors. */
int oc_parse_path(struct oc_arena *a, const char *what, const char *s, const char **out, struct oc_err *err);
int oc_parse_uint(const char *what, const char *s, uint64_t min, uint64_t max, uint64_t *out, struct oc_err *err);
/* "0.5", "2" -> thousandths. */
int oc_parse_cpus(const char *s, uint64_t *millis, struct oc_err *err);
int oc_parse_hostname(const char *s, struct oc_err *err);
/* Resource of a name as docker spells it ("nofile"), or -1. */
int oc_ulimit_resource(const char *name);
/* value: "N", "S:H", "unlimited", "-1". */
int oc_parse_ulimit_value(const char *name, const char *value, struct oc_ulimit *out, struct oc_err *err);
/* "name=soft[:hard]" */
int oc_parse_ulimit(struct oc_arena *a, const char *spec, struct oc_ulimit *out, struct oc_err *err);
/* SRC[:DST][:ro|rw]; docker: the destination must be there. */
int oc_parse_bind(struct oc_arena *a, const char *spec, bool docker, struct oc_bind_spec *out, struct oc_err *err);
/* DST[:opt,opt] with size=, mode=, nr_inodes=, rw, exec, noexec, nosuid, nodev. */
int oc_parse_tmpfs(struct oc_arena *a, const char *spec, struct oc_tmpfs_spec *out, struct oc_err *err);

/* --- plan.c --- */

void oc_ulimit_put(struct oc_arena *a, struct oc_settings *s, const struct oc_ulimit *u);
void oc_tmpfs_put(struct oc_arena *a, struct oc_settings *s, const struct oc_tmpfs_spec *t);
/* c may be NULL. */
bool oc_one_of(const char *s, const char *a, const char *b, const char *c);
/* "default", "strict", "build" or an absolute path, which is cleaned. */
int oc_check_seccomp(struct oc_arena *a, const char **name, struct oc_err *err);
/* Path of the command line; a relative one begins at the current directory. */
int oc_path_given(struct oc_builder *b, const char *what, const char *s, const char **out, struct oc_err *err);

/* Ceiling of the workspace in memory or on the host's disk; its rows are made. */
int oc_disk_finish(struct oc_builder *b, struct oc_err *err);

/* --- env.c --- */

bool oc_env_name_valid(const char *name);
/* True for names that look like a credential (API_KEY, TOKEN, ...): never inherited. */
bool oc_env_secret(const char *name);
int oc_env_value_check(const char *name, const char *value, struct oc_err *err);
/* Add or replace by name. */
void oc_env_put(struct oc_arena *a, struct oc_settings *s, const char *name, const char *value, oc_origin origin);
int oc_env_flags(struct oc_builder *b, struct oc_err *err);
/* docker.env entry written by the administrator. */
int oc_env_config(struct oc_builder *b, struct oc_settings *s, const char *name, const char *value, oc_origin origin,
		  struct oc_err *err);
/* Settings on top of what the sandbox sets itself -> plan->env. */
int oc_env_finish(struct oc_builder *b, struct oc_err *err);

/* --- source.c, target.c --- */

enum oc_source_rule {
	OC_SOURCE_BUILTIN, /* a row of ours */
	OC_SOURCE_BIND,
	OC_SOURCE_WORKSPACE,
	OC_SOURCE_ROOTFS,
};
/*
 * Open m->source as O_PATH and fill fd, identity and owner.  For rules other than BUILTIN: refuse what must never
 * be mounted.  m->source becomes the path that the kernel has for the descriptor.
 */
int oc_source_open(struct oc_builder *b, struct oc_mount *m, enum oc_source_rule rule, bool allow_outside,
		   struct oc_err *err);
/* m->fd is open already: fill identity and owner, refuse what is neither file nor directory. */
int oc_source_identify(struct oc_mount *m, struct oc_err *err);
/* Target of a bind or tmpfs of the user: reserved and kernel directories. */
int oc_target_check(const char *target, bool allow_reserved, struct oc_err *err);
/* Order all rows (parents first), refuse duplicates and mount points that do not exist below a bind. */
int oc_targets_arrange(struct oc_builder *b, struct oc_err *err);

/* --- egress.c --- */

/* --egress, --allow, --deny, --allow-private. */
int oc_egress_flags(struct oc_builder *b, struct oc_err *err);
/* Settings of all layers -> plan->egress. */
int oc_egress_finish(struct oc_builder *b, struct oc_err *err);

/* --- keys.c, config.c, profile.c --- */

/* Apply a sandbox object (config) to s.  Strict about every key.  skip_docker: docker.* is checked, not used. */
int oc_keys_sandbox(struct oc_builder *b, struct oc_settings *s, const struct oc_json *v, bool skip_docker,
		    struct oc_err *err);
/* <0 if a string of v or below it names an environment variable that is not set. */
int oc_keys_no_unset(struct oc_arena *a, const struct oc_json *v, struct oc_err *err);
/* A whole profile file: the native keys; profile is its name, for the origins. */
int oc_keys_native(struct oc_builder *b, struct oc_settings *s, const struct oc_json *v, const char *profile,
		   struct oc_err *err);
/* Config: finds and loads the file, then the agent; fills b->s with defaults and agent. */
int oc_config_load(struct oc_builder *b, struct oc_err *err);
int oc_config_apply(struct oc_builder *b, struct oc_err *err);
/* Name of the profile that flags or configuration ask for, before anything is applied. */
int oc_config_profile(struct oc_builder *b, const char **name, oc_origin *origin, struct oc_err *err);
int oc_profile_apply(struct oc_builder *b, const char *name, oc_origin origin, struct oc_err *err);
/* Origin of a value of a parsed file: "file:line path". */
oc_origin oc_origin_json(struct oc_arena *a, const struct oc_json *v);
/* Nearest of names (NULL-terminated) by edit distance, NULL if none is near. */
const char *oc_nearest(const char *word, const char *const *names);

/* Text of a profile that is compiled in, NULL if there is none of that name. */
const char *oc_profile_builtin(const char *name, size_t *len);
extern const char *const oc_profile_names[];

/* --- identity.c --- */

int oc_identity_scope(struct oc_builder *b, struct oc_err *err);
/* After the workspace is open: uid, gid, host ids. */
int oc_identity_ids(struct oc_builder *b, const struct oc_mount *workspace, struct oc_err *err);

/* --- etc.c, rootfs.c, mounts.c --- */

int oc_etc_rows(struct oc_builder *b, struct oc_err *err);
/* Text of our files; uid and gid must be known. */
const char *oc_etc_passwd(struct oc_builder *b);
const char *oc_etc_group(struct oc_builder *b);
const char *oc_etc_hosts(struct oc_builder *b);
const char *oc_etc_resolv(struct oc_builder *b);
int oc_rootfs_rows(struct oc_builder *b, struct oc_err *err);
struct oc_mount *oc_mount_add(struct oc_builder *b, enum oc_mount_kind kind, const char *target, const char *source,
			      oc_origin origin);
/* Optional read-only bind of a host path on itself: no row when it does not exist. */
int oc_mount_host(struct oc_builder *b, const char *path, struct oc_err *err);
void oc_mount_file(struct oc_builder *b, const char *target, const char *content, size_t len);
/* Workspace, scratch, tmpfs, binds, /proc, /dev. */
int oc_mounts_workspace(struct oc_builder *b, struct oc_err *err);
int oc_mounts_finish(struct oc_builder *b, struct oc_err *err);

#endif
