/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - tables of configuration keys: name, types, what a value does.  Shared by keys.c and docker.c.
 */
#ifndef OC_RUNTIME_PLAN_KEYS_H
#define OC_RUNTIME_PLAN_KEYS_H

#include "runtime/plan/internal.h"

struct oc_keys_ctx {
	struct oc_builder *b;
	struct oc_arena *a;
	struct oc_settings *s;
	const char *profile; /* a profile is read: its name; NULL for a configuration */
	bool skip_docker;
};

/* Types that a key takes, as a mask. */
#define OC_T_BOOL   (1u << OC_JSON_BOOL)
#define OC_T_NUMBER (1u << OC_JSON_NUMBER)
#define OC_T_STRING (1u << OC_JSON_STRING)
#define OC_T_ARRAY  (1u << OC_JSON_ARRAY)
#define OC_T_OBJECT (1u << OC_JSON_OBJECT)

struct oc_key {
	const char *name;
	unsigned types;
	/* NULL: accepted and not used by this program */
	int (*apply)(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
	int arg;
};

/* Walk an object over a table that ends with a NULL name. */
int oc_keys_walk(struct oc_keys_ctx *c, const struct oc_json *v, const struct oc_key *table, struct oc_err *err);
/* Put the place of v in front of an error that has none. */
int oc_keys_at(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_err *err);
oc_origin oc_keys_origin(struct oc_keys_ctx *c, const struct oc_json *v);
void oc_keys_set(struct oc_keys_ctx *c, int id, const char *text, uint64_t number, const struct oc_json *v);
/* Text of a string (trimmed) or number. */
const char *oc_keys_text(struct oc_keys_ctx *c, const struct oc_json *v);
/* Every element must be a string. */
int oc_keys_strings(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_err *err);

/* Values that docker.* and native keys have in common; arg is the enum oc_setting_id where there is one. */
int oc_key_bool(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_size(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_pids(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_cpus(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_user(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_path(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_tmpfs(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_env(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_ulimits(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
/* arg 1: docker's form (destination needed, writable without a mode). */
int oc_key_binds(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);

/* egress.c */
int oc_key_egress(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);
int oc_key_docker_network(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err);

extern const struct oc_key oc_keys_table_docker[];

#endif
