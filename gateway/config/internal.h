/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - between the files of config: the facts that were read (source), and what is made of them (build).
 */
#ifndef OC_GATEWAY_CONFIG_INTERNAL_H
#define OC_GATEWAY_CONFIG_INTERNAL_H

#include "gateway/config/config.h"
#include "gateway/config/near.h"

struct oc_config_secret { /* a SecretRef that was looked up */
	const char *path, *value;
};

/* All that the outside world contributed.  What is built from it needs nothing else. */
struct oc_config_source {
	const char *state_dir, *path;
	bool exists, client;
	char hash[65];
	struct oc_json *root;
	struct oc_config_strings files;
	struct oc_config_flags flags;
	/* of the environment: NULL where it is unset or empty */
	const char *env_port, *env_token, *env_password, *env_handshake, *env_log_level;
	const char *home; /* for "~/"; NULL: unknown */
	const char *stored_token;
	struct oc_config_secret *secrets;
	size_t secret_count;
	struct oc_addr tailnet; /* family 0: no such interface */
	struct oc_addr *own;	/* addresses of this host */
	size_t own_count;
	bool container;
};

/* A snapshot under construction. */
struct oc_config_build {
	struct oc_config *c;
	const struct oc_config_source *s;
	struct oc_arena *a;
	size_t warning_room;
};

__attribute__((format(printf, 3, 4))) void oc_config_warn(struct oc_config_build *b,
							  const struct oc_json *v,
							  const char *fmt, ...);

/* schema.c: types of the keys that are known; warns about the others. */
int oc_config_check_keys(struct oc_config_build *b, struct oc_err *err);

/* values.c: the value at a path below v, of the right type (schema.c saw to that); unset variables count as absent. */
const struct oc_json *oc_config_find(const struct oc_json *v, const char *path);
const char *oc_config_string(const struct oc_json *v, const char *path, const char *otherwise);
bool oc_config_bool(const struct oc_json *v, const char *path, bool otherwise);
int oc_config_uint(struct oc_config_build *b, const char *path, uint64_t min, uint64_t max,
		   uint64_t *value, struct oc_err *err);
int oc_config_strings_at(struct oc_config_build *b, const char *path, struct oc_config_strings *out,
			 struct oc_err *err);
/* Index of the value among names, with an error that lists them; absent: *value stays. */
int oc_config_enum(struct oc_config_build *b, const char *path, const char *const *names, size_t count,
		   unsigned *value, struct oc_err *err);
int oc_config_word(const char *what, const char *text, const char *const *names, size_t count,
		   unsigned *value, struct oc_err *err);
/* "10.0.0.0/8", "::1" */
int oc_config_net_parse(const char *text, struct oc_config_net *out);

/* gateway.c, auth.c, rest.c */
int oc_config_build_gateway(struct oc_config_build *b, struct oc_err *err);
int oc_config_build_auth(struct oc_config_build *b, struct oc_err *err);
int oc_config_build_rest(struct oc_config_build *b, struct oc_err *err);
int oc_config_guard(struct oc_config_build *b, struct oc_err *err);

/* read.c */
int oc_config_source_read(struct oc_arena *a, const struct oc_config_options *opt,
			  struct oc_config_source *s, struct oc_err *err);
/* secret.c: the paths that may hold a SecretRef are looked up. */
int oc_config_read_secrets(struct oc_arena *a, struct oc_config_source *s,
			   const struct oc_conf_options *conf, struct oc_err *err);
extern const char *const oc_config_secret_paths[]; /* NULL-terminated */


#endif
