/* SPDX-License-Identifier: Apache-2.0 */
/* names - see names.h.  The Punycode part is RFC 3492 with the parameters of IDNA. */
#include "netns/policy/names.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "netns/policy/addr.h"

const char *oc_name_error_text(int error)
{
	switch (error) {
	case OC_NAME_EMPTY:
		return "it is empty";
	case OC_NAME_LONG:
		return "it is longer than 253 characters";
	case OC_NAME_LABEL_EMPTY:
		return "a label is empty";
	case OC_NAME_LABEL_LONG:
		return "a label is longer than 63 characters";
	case OC_NAME_BYTE:
		return "it has a character other than a letter, digit, hyphen or underscore";
	case OC_NAME_NOT_ASCII:
		return "it has a character outside ASCII";
	case OC_NAME_HYPHEN:
		return "a label starts or ends with a hyphen";
	case OC_NAME_NUMERIC:
		return "it ends in a number, which some programs take for an address";
	case OC_NAME_PUNYCODE:
		return "a label starts with xn-- and is not valid Punycode";
	default:
		return "it is not a host name";
	}
}

/* --- Punycode --- */

#define PUNY_POINTS 64

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / 700 : delta / 2;
	delta += delta / points;
	for (; delta > (36 - 1) * 26 / 2; k += 36)
		delta /= 36 - 1;
	return k + 36 * delta / (delta + 38);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
	if (k <= bias)
		return 1;
	return k >= bias + 26 ? 26 : k - bias;
}

/* Decode s[0..len) (lower case, without xn--).  Returns the number of code points, -1 if it is none. */
static int puny_decode(const char *s, size_t len, uint32_t cp[PUNY_POINTS])
{
	uint32_t n = 128, i = 0, bias = 72;
	size_t out = 0, at = 0;

	if (len > PUNY_POINTS)
		return -1;
	for (size_t j = len; j > 0; j--) {
		if (s[j - 1] != '-')
			continue;
		for (; out < j - 1; out++)
			cp[out] = (uint8_t)s[out];
		at = j;
		break;
	}
	while (at < len) {
		uint32_t old = i, w = 1;

		for (uint32_t k = 36;; k += 36) {
			uint32_t digit, t = threshold(k, bias);

			if (at >= len)
				return -1;
			if (s[at] >= 'a' && s[at] <= 'z')
				digit = (uint32_t)(s[at] - 'a');
			else if (s[at] >= '0' && s[at] <= '9')
				digit = (uint32_t)(s[at] - '0') + 26;
			else
				return -1;
			at++;
			if (digit > (UINT32_MAX - i) / w)
				return -1;
			i += digit * w;
			if (digit < t)
				break;
			if (w > UINT32_MAX / (36 - t))
				return -1;
			w *= 36 - t;
		}
		if (out >= PUNY_POINTS)
			return -1;
		out++;
		bias = adapt(i - old, (uint32_t)out, old == 0);
		if (i / out > UINT32_MAX - n)
			return -1;
		n += (uint32_t)(i / out);
		i %= (uint32_t)out;
		if (n > 0x10FFFF || (n >= 0xD800 && n <= 0xDFFF))
			return -1;
		memmove(cp + i + 1, cp + i, (out - 1 - i) * sizeof(*cp));
		cp[i++] = n;
	}
	return (int)out;
}

/* One variable-length number.  Returns the new length, 0 if there is no room. */
static size_t put_number(uint32_t q, uint32_t bias, char *out, size_t len, size_t size)
{
	for (uint32_t k = 36;; k += 36) {
		uint32_t t = threshold(k, bias), d = q < t ? q : t + (q - t) % (36 - t);

		if (len >= size)
			return 0;
		out[len++] = (char)(d < 26 ? 'a' + d : '0' + (d - 26));
		if (q < t)
			return len;
		q = (q - t) / (36 - t);
	}
}

/* The way back.  Returns the length (without xn--), or -1 if it is longer than size. */
static int puny_encode(const uint32_t *cp, size_t count, char *out, size_t size)
{
	uint32_t n = 128, delta = 0, bias = 72;
	size_t len = 0, basic = 0, done;

	for (size_t j = 0; j < count; j++) {
		if (cp[j] >= 128)
			continue;
		if (len >= size)
			return -1;
		out[len++] = (char)cp[j];
		basic++;
	}
	done = basic;
	if (basic > 0) {
		if (len >= size)
			return -1;
		out[len++] = '-';
	}
	while (done < count) {
		uint32_t m = UINT32_MAX;

		for (size_t j = 0; j < count; j++)
			if (cp[j] >= n && cp[j] < m)
				m = cp[j];
		/* count <= 64 and m < 2^21: no overflow */
		delta += (m - n) * (uint32_t)(done + 1);
		n = m;
		for (size_t j = 0; j < count; j++) {
			if (cp[j] < n)
				delta++;
			if (cp[j] != n)
				continue;
			len = put_number(delta, bias, out, len, size);
			if (len == 0)
				return -1;
			bias = adapt(delta, (uint32_t)(done + 1), done == basic);
			delta = 0;
			done++;
		}
		delta++;
		n++;
	}
	return (int)len;
}

/* A label of lower case that starts with xn--: decodes to something outside ASCII, and back to itself. */
static bool puny_ok(const char *label, size_t len)
{
	uint32_t cp[PUNY_POINTS];
	char again[OC_NAME_LABEL_MAX];
	int n, back;
	bool wide = false;

	n = puny_decode(label + 4, len - 4, cp);
	if (n <= 0)
		return false;
	for (int i = 0; i < n; i++) {
		if (cp[i] >= 0x80 && cp[i] < 0xA0)
			return false; /* control characters */
		wide |= cp[i] >= 0x80;
	}
	if (!wide)
		return false;
	back = puny_encode(cp, (size_t)n, again, sizeof(again));
	return back == (int)len - 4 && memcmp(again, label + 4, len - 4) == 0;
}

/* --- names --- */

static int label_check(const char *label, size_t len)
{
	if (len == 0)
		return OC_NAME_LABEL_EMPTY;
	if (len > OC_NAME_LABEL_MAX)
		return OC_NAME_LABEL_LONG;
	if (label[0] == '-' || label[len - 1] == '-')
		return OC_NAME_HYPHEN;
	if (len >= 4 && memcmp(label, "xn--", 4) == 0 && !puny_ok(label, len))
		return OC_NAME_PUNYCODE;
	return 0;
}

int oc_name_normalize(const char *in, size_t len, char out[OC_NAME_MAX + 1])
{
	size_t start = 0;
	int bad = 0;

	out[0] = '\0';
	if (len > 1 && in[len - 1] == '.')
		len--;
	if (len == 0)
		return OC_NAME_EMPTY;
	for (size_t i = 0; i < len; i++)
		if (in[i] & 0x80)
			return OC_NAME_NOT_ASCII;
	if (len > OC_NAME_MAX)
		return OC_NAME_LONG;
	for (size_t i = 0; i < len; i++) {
		char c = in[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			   c == '_' || c == '.'))
			bad = OC_NAME_BYTE;
		out[i] = c;
	}
	out[len] = '\0';
	for (size_t i = 0; i <= len && bad == 0; i++) {
		if (i < len && out[i] != '.')
			continue;
		bad = label_check(out + start, i - start);
		start = i + 1;
	}
	if (bad == 0 && oc_addr_looks_numeric(out, len))
		bad = OC_NAME_NUMERIC;
	if (bad < 0)
		out[0] = '\0';
	return bad < 0 ? bad : (int)len;
}

/* Letters that UTS 46 leaves as they are.  A part of them is enough: this is for a hint. */
static bool unmapped(uint32_t c)
{
	static const struct {
		uint32_t lo, hi;
	} range[] = {
		{0xDF, 0xF6},	  {0xF8, 0xFF},	    {0x3AC, 0x3CE},   {0x430, 0x45F},
		{0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3},
	};

	if (c < 128)
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	if (c >= 0x101 && c <= 0x137)
		return c % 2 == 1 && c != 0x133;
	for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++)
		if (c >= range[i].lo && c <= range[i].hi)
			return true;
	return false;
}

int oc_name_to_ascii(const char *in, size_t len, char out[OC_NAME_MAX + 1])
{
	char ascii[OC_NAME_MAX + 1];
	size_t n = 0, i = 0;

	out[0] = '\0';
	while (i < len) {
		uint32_t cp[PUNY_POINTS];
		size_t points = 0;
		bool wide = false;
		int w;

		while (i < len && in[i] != '.') {
			size_t step = oc_utf8_decode(in + i, len - i, &cp[points]);

			if (step == 1 && in[i] >= 'A' && in[i] <= 'Z')
				cp[points] += 'a' - 'A';
			if (step == 0 || !unmapped(cp[points]) || ++points == PUNY_POINTS)
				return OC_NAME_NOT_ASCII;
			wide |= step > 1;
			i += step;
		}
		if (n + 5 > OC_NAME_MAX)
			return OC_NAME_LONG;
		if (wide) {
			memcpy(ascii + n, "xn--", 4);
			n += 4;
			w = puny_encode(cp, points, ascii + n, OC_NAME_MAX - n);
			if (w < 0)
				return OC_NAME_LONG;
			n += (size_t)w;
		} else {
			for (size_t j = 0; j < points; j++) {
				if (n == OC_NAME_MAX)
					return OC_NAME_LONG;
				ascii[n++] = (char)cp[j];
			}
		}
		if (i < len) {
			if (n == OC_NAME_MAX)
				return OC_NAME_LONG;
			ascii[n++] = '.';
			i++;
		}
	}
	return oc_name_normalize(ascii, n, out);
}

bool oc_name_below(const char *name, const char *parent)
{
	size_t n = strlen(name), p = strlen(parent);

	return n > p + 1 && p > 0 && name[n - p - 1] == '.' && memcmp(name + n - p, parent, p) == 0;
}

bool oc_name_is_localhost(const char *name)
{
	return strcmp(name, "localhost") == 0 || strcmp(name, "localhost.localdomain") == 0 ||
	       oc_name_below(name, "localhost");
}

bool oc_name_is_special(const char *name)
{
	/* RFC 6761, 6762, 7686, 8375; "internal" is reserved by ICANN, "lan" by use. */
	static const char *const top[] = {"local", "internal", "home.arpa", "lan", "onion"};

	if (oc_name_is_localhost(name))
		return true;
	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		if (strcmp(name, top[i]) == 0 || oc_name_below(name, top[i]))
			return true;
	return false;
}
