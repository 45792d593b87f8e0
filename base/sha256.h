/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256 - a digest as 64 hex digits, over libmd.
 */
#ifndef OC_BASE_SHA256_H
#define OC_BASE_SHA256_H

#include <stddef.h>

void oc_sha256_hex(const void *data, size_t len, char out[65]);

#endif
