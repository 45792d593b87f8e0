/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slug - names of calls that people can read and say: adjective-noun, three words when that is
 * taken, then with three random characters.
 *
 * Not secret, and no two at the same time.  Pure.
 */
#ifndef OC_RUNTIME_SESSION_SLUG_H
#define OC_RUNTIME_SESSION_SLUG_H

#include <stdbool.h>
#include <stdint.h>

#define OC_SLUG_MAX 40

/* state: any number to begin with, it goes on from call to call. */
void oc_slug_make(uint64_t *state, bool (*taken)(void *ctx, const char *slug), void *ctx,
		  char out[OC_SLUG_MAX]);

#endif
