/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr_text - addresses from text and to text.
 *
 * inet_pton(3) would do for most of it; it is here because the strictness is the point, and must not
 * depend on the C library.  The unit test holds both against each other.
 */
#include <stdio.h>
#include <string.h>

#include "netns/policy/addr.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_v4(const char *s, size_t len, uint8_t out[4])
{
	size_t i = 0;

	for (int part = 0; part < 4; part++) {
		unsigned value = 0;
		size_t start = i;

		if (part > 0) {
			if (i >= len || s[i] != '.')
				return -1;
			start = ++i;
		}
		while (i < len && is_digit(s[i]) && i - start < 3)
			value = value * 10 + (unsigned)(s[i++] - '0');
		/* A leading zero is octal for some: CVE-2021-29921, CVE-2021-28918. */
		if (i == start || value > 255 || (i - start > 1 && s[start] == '0'))
			return -1;
		out[part] = (uint8_t)value;
	}
	return i == len ? 0 : -1;
}

static int parse_v6(const char *s, size_t len, uint8_t out[16])
{
	uint8_t b[16] = {0};
	size_t n = 0, i = 0;
	int gap = -1;

	if (len >= 2 && s[0] == ':' && s[1] == ':') {
		gap = 0;
		i = 2;
	}
	while (i < len) {
		size_t start = i;
		unsigned value = 0;

		if (n >= 16)
			return -1;
		while (i < len && hex_value(s[i]) >= 0 && i - start < 4)
			value = value * 16 + (unsigned)hex_value(s[i++]);
		if (i == start)
			return -1;
		if (i < len && s[i] == '.') { /* the last 32 bits, dotted */
			if (n > 12 || parse_v4(s + start, len - start, b + n) < 0)
				return -1;
			n += 4;
			break;
		}
		b[n++] = (uint8_t)(value >> 8);
		b[n++] = (uint8_t)value;
		if (i == len)
			break;
		if (s[i++] != ':')
			return -1;
		if (i == len)
			return -1; /* ends with one colon */
		if (s[i] == ':') {
			if (gap >= 0)
				return -1;
			gap = (int)n;
			i++;
		}
	}
	if (gap < 0 ? n != 16 : n > 14) /* "::" is at least one group */
		return -1;
	if (gap >= 0) {
		size_t tail = n - (size_t)gap;

		memmove(b + 16 - tail, b + gap, tail);
		memset(b + gap, 0, 16 - tail - (size_t)gap);
	}
	memcpy(out, b, 16);
	return 0;
}

int oc_addr_parse(const char *s, size_t len, struct oc_addr *out)
{
	struct oc_addr a = {0};

	memset(out, 0, sizeof(*out));
	if (len < 2 || len >= OC_ADDR_TEXT_MAX)
		return -1;
	if (memchr(s, ':', len)) {
		a.family = 6;
		if (parse_v6(s, len, a.b) < 0)
			return -1;
	} else {
		a.family = 4;
		if (parse_v4(s, len, a.b) < 0)
			return -1;
	}
	*out = a;
	return 0;
}

bool oc_addr_looks_numeric(const char *s, size_t len)
{
	size_t start;

	if (len > 0 && s[len - 1] == '.')
		len--;
	for (start = len; start > 0 && s[start - 1] != '.';)
		start--;
	s += start;
	len -= start;
	if (len == 0)
		return false;
	/* "0x" alone is 0 for inet_aton(3). */
	if (len >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		for (size_t i = 2; i < len; i++)
			if (hex_value(s[i]) < 0)
				return false;
		return true;
	}
	for (size_t i = 0; i < len; i++)
		if (!is_digit(s[i]))
			return false;
	return true;
}

static unsigned group(const struct oc_addr *a, int i)
{
	return (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
}

const char *oc_addr_text(const struct oc_addr *a, char out[OC_ADDR_TEXT_MAX])
{
	int best = -1, best_len = 1; /* RFC 5952 4.2.2: one group is not shortened */
	size_t n = 0;

	if (a->family == 4) {
		snprintf(out, OC_ADDR_TEXT_MAX, "%u.%u.%u.%u", a->b[0], a->b[1], a->b[2], a->b[3]);
		return out;
	}
	if (a->family != 6) {
		out[0] = '\0';
		return out;
	}
	if (oc_addr_embedded(a, NULL) == OC_ADDR_FORM_MAPPED) {
		snprintf(out, OC_ADDR_TEXT_MAX, "::ffff:%u.%u.%u.%u", a->b[12], a->b[13], a->b[14],
			 a->b[15]);
		return out;
	}
	for (int i = 0; i < 8; i++) {
		int len = 0;

		while (i + len < 8 && group(a, i + len) == 0)
			len++;
		if (len > best_len) {
			best = i;
			best_len = len;
		}
		if (len > 0)
			i += len - 1;
	}
	for (int i = 0; i < 8; i++) {
		int w;

		if (i == best) {
			w = snprintf(out + n, OC_ADDR_TEXT_MAX - n, "::");
			i += best_len - 1;
		} else {
			w = snprintf(out + n, OC_ADDR_TEXT_MAX - n, "%s%x",
				     i > 0 && i != best + best_len ? ":" : "", group(a, i));
		}
		n += (size_t)w;
	}
	return out;
}
