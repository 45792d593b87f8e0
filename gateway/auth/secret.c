/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - comparison in constant time, base64, random names, keyed hashes.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/auth/internal.h"

bool oc_secret_equal(const char *a, const char *b)
{
	unsigned char x[SHA256_DIGEST_LENGTH], y[SHA256_DIGEST_LENGTH];

	if (!a || !b || !*a || !*b)
		return false;
	SHA256((const unsigned char *)a, strlen(a), x);
	SHA256((const unsigned char *)b, strlen(b), y);
	bool same = CRYPTO_memcmp(x, y, sizeof(x)) == 0;
	OPENSSL_cleanse(x, sizeof(x));
	OPENSSL_cleanse(y, sizeof(y));
	return same;
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-' || c == '+')
		return 62;
	return c == '_' || c == '/' ? 63 : -1;
}

int oc_base64_decode(const char *text, unsigned char *out, size_t size)
{
	unsigned acc = 0, bits = 0;
	size_t n = 0, digits = 0;

	for (; *text && *text != '='; text++, digits++) {
		int d = digit(*text);
		if (d < 0)
			return -1;
		acc = (acc << 6 | (unsigned)d) & 0xFFFFF;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (n == size)
				return -1;
			out[n++] = (unsigned char)(acc >> bits);
		}
	}
	size_t pad = strspn(text, "=");
	if (text[pad] || pad > 2 || digits % 4 == 1 || (pad && (digits + pad) % 4 != 0))
		return -1;
	return (int)n;
}

void oc_base64url_encode(const unsigned char *data, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t o = 0;

	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		size_t i = bit / 8;
		unsigned two = (unsigned)data[i] << 8 | (i + 1 < n ? data[i + 1] : 0u);
		out[o++] = digits[two >> (10 - bit % 8) & 63];
	}
	out[o] = 0;
}

void oc_uuid(char out[37])
{
	unsigned char b[16];

	/* Never fails for 16 bytes once the pool is ready (getrandom(2)). */
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		abort();
	b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
}

int oc_hmac_text(const unsigned char key[32], const char *text, char out[44])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), mac, &len) ||
	    len != 32)
		return -1;
	oc_base64url_encode(mac, len, out);
	OPENSSL_cleanse(mac, sizeof(mac));
	return 0;
}
