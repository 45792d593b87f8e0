/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - the state directory (0700) and the stored gateway token.
 *
 * Files are 0600 and written atomically.  Never follows a link that somebody else could have placed: a directory that others
 * may write to, or that belongs to somebody else, is refused.
 */
#ifndef OC_GATEWAY_CONFIG_STATE_H
#define OC_GATEWAY_CONFIG_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/* Make it if it is not there and judge it.  Returns a descriptor. */
int oc_state_open(const char *path, struct oc_err *err);
/* A directory below it: made 0700 if it is not there. */
int oc_state_subdir(int state, const char *name, struct oc_err *err);

/* Below the state directory. */
#define OC_STATE_TOKEN_FILE "credentials/gateway-token"
/*
 * The token of a gateway that nobody configured one for: *out in the arena, NULL if there is none and make is false.
 * *made says that it is new.  make: 32 random bytes as base64url, stored 0600.
 */
int oc_state_token(struct oc_arena *a, const char *state_dir, bool make, const char **out, bool *made, struct oc_err *err);

#endif
