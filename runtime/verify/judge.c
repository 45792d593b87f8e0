/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge - does what was observed fulfil what was claimed?  Pure.
 *
 * An answer of an unknown kind, or one that does not parse, fulfils nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/verify/claims.h"

static bool one_of(const char *s, const char *a, const char *b, const char *c)
{
	return strcmp(s, a) == 0 || (b && strcmp(s, b) == 0) || (c && strcmp(s, c) == 0);
}

/* Is the word [w, w+n) among the words of list? */
static bool has_word(const char *list, const char *sep, const char *w, size_t n)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, sep);

		if (len == n && memcmp(p, w, n) == 0)
			return true;
		p += len;
		p += strspn(p, sep);
	}
	return false;
}

static bool has_words(const char *list, const char *words, const char *sep)
{
	for (const char *p = words; *p;) {
		size_t len = strcspn(p, sep);

		if (len && !has_word(list, sep, p, len))
			return false;
		p += len;
		p += strspn(p, sep);
	}
	return true;
}

static bool at_most(const char *value, const char *limit)
{
	char *end, *lend;
	unsigned long long v = strtoull(value, &end, 10), l = strtoull(limit, &lend, 10);

	return *value >= '0' && *value <= '9' && *end == '\0' && *lend == '\0' && v <= l;
}

static bool rlimit(const char *value, const char *limit)
{
	unsigned long long soft, hard, max_soft, max_hard;

	return sscanf(value, "%llu:%llu", &soft, &hard) == 2 &&
	       sscanf(limit, "%llu:%llu", &max_soft, &max_hard) == 2 && soft <= max_soft &&
	       hard <= max_hard;
}

static bool devices(const struct oc_plan *plan, const char *value, const char *expected)
{
	if (!has_words(value, expected, " "))
		return false;
	for (const char *p = value; *p;) {
		size_t len = strcspn(p, " "), name = strcspn(p, "=");
		bool ok = has_word(expected, " ", p, len);

		for (size_t i = 0; i < plan->mount_count && !ok; i++) {
			const char *t = plan->mounts[i].target;

			ok = strncmp(t, "/dev/", 5) == 0 && strncmp(t + 5, p, name) == 0 &&
			     (t[5 + name] == '\0' || t[5 + name] == '/');
		}
		if (!ok)
			return false;
		p += len;
		p += strspn(p, " ");
	}
	return true;
}

/* "uid=... gid=... groups=a,b": without privilege the caller's groups stay, but as nobody's. */
static bool groups(const struct oc_plan *plan, const char *value, const char *ids)
{
	size_t len = strlen(ids);
	const char *p;

	if (strncmp(value, ids, len) != 0 || strncmp(value + len, " groups=", 8) != 0)
		return false;
	for (p = value + len + 8; *p;) {
		char *end;
		unsigned long g = strtoul(p, &end, 10);

		if (end == p || (g != plan->gid && g != 65534))
			return false;
		p = *end == ',' ? end + 1 : end;
	}
	return true;
}

static bool cpu(const char *value, const char *millis)
{
	unsigned long long used, wall, quota = strtoull(millis, NULL, 10);
	unsigned workers;

	if (sscanf(value, "cpu_ms=%llu wall_ms=%llu workers=%u", &used, &wall, &workers) != 3 ||
	    wall == 0)
		return false;
	/* Quota is handed out in periods of 100 ms: one period more than the wall shows, and some
	 * room for rounding. */
	return used * 1000 <= (wall + 130) * quota * 12 / 10;
}

bool oc_claim_holds(const struct oc_claim *c, const struct oc_plan *plan, const char *observed,
		    const char *detail)
{
	const bool value = strcmp(observed, "value") == 0;

	switch (c->expect) {
	case OC_EXPECT_REFUSED:
		return one_of(observed, "denied", "absent", "killed");
	case OC_EXPECT_REFUSED_AS:
		return strcmp(observed, "denied") == 0 &&
		       strncmp(detail, c->text, strlen(c->text)) == 0;
	case OC_EXPECT_KILLED:
		return strcmp(observed, "killed") == 0;
	case OC_EXPECT_ALLOWED:
		return strcmp(observed, "allowed") == 0;
	case OC_EXPECT_IS:
		return value && strcmp(detail, c->text) == 0;
	case OC_EXPECT_IS_NOT:
		return value && *detail && *c->text && strcmp(detail, c->text) != 0;
	case OC_EXPECT_HAS:
		return value && has_words(detail, c->text, ", ");
	case OC_EXPECT_AT_MOST:
		return value && at_most(detail, c->text);
	case OC_EXPECT_HIDDEN:
		return one_of(observed, "absent", "masked", NULL);
	case OC_EXPECT_EMPTY:
		return one_of(observed, "absent", "empty", NULL);
	case OC_EXPECT_NOT_HOST:
		return one_of(observed, "absent", "empty", "other") ||
		       strcmp(observed, "denied") == 0;
	case OC_EXPECT_RLIMIT:
		return value && rlimit(detail, c->text);
	case OC_EXPECT_DEVICES:
		return value && devices(plan, detail, c->text);
	case OC_EXPECT_GROUPS:
		return value && groups(plan, detail, c->text);
	case OC_EXPECT_KEYRING:
		return strcmp(observed, "denied") == 0 || (value && strcmp(detail, c->text) != 0);
	case OC_EXPECT_CPU:
		return value && cpu(detail, c->text);
	}
	return false;
}
