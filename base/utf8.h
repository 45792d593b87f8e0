/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - the one UTF-8 decoder (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
 */
#ifndef OC_BASE_UTF8_H
#define OC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length (1..4) of the well-formed sequence at s[0..len), 0 if there is none.  *cp is set on
 * success; it may be NULL.
 */
size_t oc_utf8_decode(const char *s, size_t len, uint32_t *cp);

/* Write cp (a scalar value, not a surrogate) to out, return the number of bytes. */
size_t oc_utf8_encode(uint32_t cp, char out[4]);

/*
 * Characters that a terminal or a reader would not show as they are: C0, DEL, C1 (U+009B is a
 * one-character CSI), line and paragraph separators, the byte order mark, and the bidirectional
 * controls with which a text can be made to read differently from what it is (CVE-2021-42574).
 */
static inline bool oc_utf8_unprintable(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

#endif
