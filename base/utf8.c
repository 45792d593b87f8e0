/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - the one UTF-8 decoder, for texts of unknown origin.  Pure functions, no state.
 */
#include "base/utf8.h"

size_t oc_utf8_decode(const char *s, size_t len, uint32_t *cp)
{
	/* Bounds of the second byte; they exclude overlong forms, surrogates and > U+10FFFF. */
	unsigned char lo = 0x80, hi = 0xBF;
	size_t n;
	uint32_t c;

	if (len == 0)
		return 0;
	unsigned char b = (unsigned char)s[0];
	if (b < 0x80) {
		if (cp)
			*cp = b;
		return 1;
	}
	if (b >= 0xC2 && b <= 0xDF) {
		n = 2;
		c = b & 0x1Fu;
	} else if (b >= 0xE0 && b <= 0xEF) {
		n = 3;
		c = b & 0x0Fu;
		if (b == 0xE0)
			lo = 0xA0;
		else if (b == 0xED)
			hi = 0x9F;
	} else if (b >= 0xF0 && b <= 0xF4) {
		n = 4;
		c = b & 0x07u;
		if (b == 0xF0)
			lo = 0x90;
		else if (b == 0xF4)
			hi = 0x8F;
	} else {
		return 0;
	}
	if (len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		b = (unsigned char)s[i];
		if (b < lo || b > hi)
			return 0;
		c = c << 6 | (b & 0x3Fu);
		lo = 0x80;
		hi = 0xBF;
	}
	if (cp)
		*cp = c;
	return n;
}

size_t oc_utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}
