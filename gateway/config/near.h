/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OC_GATEWAY_CONFIG_NEAR_H
#define OC_GATEWAY_CONFIG_NEAR_H

#include <stddef.h>

/* The one of names that was probably meant, NULL. */
const char *oc_config_near(const char *word, const char *const *names, size_t count);

#endif
