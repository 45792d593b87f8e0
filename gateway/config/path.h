/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - the name of a place in the configuration: gateway.port, agents.list[0].id, env.vars["A.B"].
 */
#ifndef OC_GATEWAY_CONFIG_PATH_H
#define OC_GATEWAY_CONFIG_PATH_H

#include "base/json.h"

#define OC_CONFIG_PATH_MAX 32 /* steps */

struct oc_config_step {
	const char *key; /* NULL: an index */
	unsigned index;
};
struct oc_config_path {
	struct oc_config_step step[OC_CONFIG_PATH_MAX];
	size_t count;
};

/* A number between dots is an index too ("agents.list.0.id"), where it stands in an array. */
int oc_config_path_parse(struct oc_arena *a, const char *text, struct oc_config_path *out,
			 struct oc_err *err);
/* The value after one step, NULL. */
struct oc_json *oc_config_path_step(const struct oc_json *v, const struct oc_config_step *step);

#endif
