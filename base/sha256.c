/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256 - see sha256.h.  Only the three basic functions of libmd are used: its others read files and allocate, and bring the
 * C library that libmd was built with into a launcher that is linked with another one.
 */
#include "base/sha256.h"

#include <sha256.h>
#include <stdint.h>

void oc_sha256_hex(const void *data, size_t len, char out[65])
{
	static const char digit[] = "0123456789abcdef";
	uint8_t raw[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, data, len);
	SHA256Final(raw, &ctx);
	for (size_t i = 0; i < sizeof raw; i++) {
		out[2 * i] = digit[raw[i] >> 4];
		out[2 * i + 1] = digit[raw[i] & 15];
	}
	out[64] = '\0';
}
