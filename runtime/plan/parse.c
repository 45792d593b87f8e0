/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse - numbers, sizes, times, ids, limits and paths of options and configuration.
 *
 * Pure: text in, value or error out.  Nothing is trimmed, rounded or guessed: what does not
 * round-trip is refused (CVE-2026-30892: an id that was read as another one).
 */
#include "runtime/plan/internal.h"

#include <limits.h>
#include <string.h>

#include "base/fd.h"

int oc_check_text(const char *what, const char *s, struct oc_err *err)
{
	if (!s || !*s)
		return oc_fail(err, 0, "%s is empty", what);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return oc_fail(err, 0, "%s contains a control byte (0x%02x): \"%.200s\"", what, *p, s);
	return 0;
}

int oc_parse_path(struct oc_arena *a, const char *what, const char *s, const char **out, struct oc_err *err)
{
	if (oc_check_text(what, s, err) < 0)
		return -1;
	if (*s != '/')
		return oc_fail(err, 0, "%s must be an absolute path, not \"%.200s\"", what, s);
	if (strnlen(s, PATH_MAX) >= PATH_MAX)
		return oc_fail(err, 0, "%s is longer than %d bytes", what, PATH_MAX - 1);
	*out = oc_path_clean(a, s);
	if (!*out)
		return oc_fail(err, 0, "%s must not contain \"..\": \"%.200s\"", what, s);
	return 0;
}

/* Decimal digits at s to *v; returns the first other byte, NULL on overflow or if there is no digit. */
static const char *digits(const char *s, uint64_t *v)
{
	if (*s < '0' || *s > '9')
		return NULL;
	for (*v = 0; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*v, 10u, v) || __builtin_add_overflow(*v, (unsigned)(*s - '0'), v))
			return NULL;
	return s;
}

/*
 * "digits[.digits]" at s as a multiple of unit, rounded down; at most nine fractional digits.
 * Returns the first byte after the number, NULL if it is no number or too big.  The unit is known
 * only after the number, so whole and fraction are handed out.
 */
struct decimal {
	uint64_t whole, fraction, scale;
};

static const char *decimal(const char *s, struct decimal *d)
{
	d->fraction = 0;
	d->scale = 1;
	s = digits(s, &d->whole);
	if (!s || *s != '.')
		return s;
	const char *first = ++s;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (s - first == 9)
			return NULL;
		d->fraction = d->fraction * 10 + (unsigned)(*s - '0');
		d->scale *= 10;
	}
	return s == first ? NULL : s;
}

static bool scaled(const struct decimal *d, uint64_t unit, uint64_t *out)
{
	uint64_t part;
	if (__builtin_mul_overflow(d->whole, unit, out))
		return false;
	/* fraction < scale <= 1e9 and unit <= 2^50: split so that the product cannot overflow */
	part = unit / d->scale * d->fraction + unit % d->scale * d->fraction / d->scale;
	return !__builtin_add_overflow(*out, part, out);
}

int oc_parse_size(const char *s, uint64_t *out, struct oc_err *err)
{
	struct decimal d;
	uint64_t unit = 1;
	const char *p = decimal(s, &d);
	if (!p)
		goto bad;
	switch (*p) {
	case 'b': case 'B': p++; break;
	case 'k': case 'K': unit = UINT64_C(1) << 10; p++; break;
	case 'm': case 'M': unit = UINT64_C(1) << 20; p++; break;
	case 'g': case 'G': unit = UINT64_C(1) << 30; p++; break;
	case 't': case 'T': unit = UINT64_C(1) << 40; p++; break;
	default: break;
	}
	if (unit > 1 && (*p == 'i' || *p == 'I') && (p[1] == 'b' || p[1] == 'B'))
		p += 2;
	else if (unit > 1 && (*p == 'b' || *p == 'B'))
		p++;
	/* above 2^62 no kernel interface takes it, and signed arithmetic on it would wrap */
	if (*p || !scaled(&d, unit, out) || *out == 0 || *out > UINT64_C(1) << 62)
		goto bad;
	return 0;
bad:
	oc_fail(err, 0, "\"%.200s\" is not a size", s);
	return oc_err_hint(err, "write bytes or a number with k, m, g or t, such as 512m or 1.5g");
}

int oc_parse_duration(const char *s, uint64_t *out, struct oc_err *err)
{
	struct decimal d;
	uint64_t unit = 1000;
	const char *p = decimal(s, &d);
	if (!p)
		goto bad;
	if (p[0] == 'm' && p[1] == 's' && !p[2])
		unit = 1;
	else if (p[0] == 's' && !p[1])
		unit = 1000;
	else if (p[0] == 'm' && !p[1])
		unit = 60 * 1000;
	else if (p[0] == 'h' && !p[1])
		unit = 3600 * 1000;
	else if (p[0])
		goto bad;
	/* a century is more than any timer needs and keeps every sum below 2^63 */
	if (!scaled(&d, unit, out) || *out == 0 || *out > OC_AGE_MAX_MS)
		goto bad;
	return 0;
bad:
	oc_fail(err, 0, "\"%.200s\" is not a time", s);
	return oc_err_hint(err, "write seconds or a number with ms, s, m or h, such as 90, 1.5s or 5m");
}

int oc_parse_age(const char *s, uint64_t *ms, struct oc_err *err)
{
	struct decimal d;
	const char *p;

	*ms = 0;
	if (strcmp(s, "0") == 0 || strcmp(s, "never") == 0)
		return 0;
	p = decimal(s, &d);
	if (p && p[0] == 'd' && !p[1]) {
		if (scaled(&d, OC_DAY_MS, ms) && *ms && *ms <= OC_AGE_MAX_MS)
			return 0;
	} else if (oc_parse_duration(s, ms, err) == 0) {
		return 0;
	}
	oc_fail(err, 0, "\"%.200s\" is not a time", s);
	return oc_err_hint(err, "write seconds or a number with s, m, h or d, such as 90m, 24h or 7d; 0 is never");
}

int oc_parse_uint(const char *what, const char *s, uint64_t min, uint64_t max, uint64_t *out, struct oc_err *err)
{
	const char *p = digits(s, out);
	if (!p || *p || (s[0] == '0' && s[1]) || *out < min || *out > max)
		return oc_fail(err, 0, "%s must be a whole number from %llu to %llu, not \"%.200s\"", what,
			       (unsigned long long)min, (unsigned long long)max, s);
	return 0;
}

int oc_parse_cpus(const char *s, uint64_t *millis, struct oc_err *err)
{
	struct decimal d;
	const char *p = decimal(s, &d);
	/* the scheduler takes no quota below 1 ms in 100 ms */
	if (!p || *p || !scaled(&d, 1000, millis) || *millis < 10 || *millis > 4096 * 1000) {
		oc_fail(err, 0, "\"%.200s\" is not a number of cpus", s);
		return oc_err_hint(err, "write a number from 0.01 to 4096, such as 0.5 or 2");
	}
	return 0;
}

int oc_parse_user(const char *s, uid_t *uid, gid_t *gid, struct oc_err *err)
{
	uint64_t v[2];
	const char *p = s;
	for (int i = 0; i < 2; i++) {
		if (p[0] == '0' && p[1] >= '0' && p[1] <= '9')
			goto bad;
		p = digits(p, &v[i]);
		/* 4294967295 is (uid_t)-1: "leave as it is" to every set*id call */
		if (!p || v[i] > UINT32_MAX - 1)
			goto bad;
		if (v[i] == 0) {
			oc_fail(err, 0, "\"%.200s\": id 0 is not possible inside a sandbox", s);
			return oc_err_hint(err, "use an ordinary id such as 1000:1000");
		}
		if (i == 0 && !*p) {
			v[1] = v[0];
			break;
		}
		if (i == 0 && *p++ != ':')
			goto bad;
		if (i == 1 && *p)
			goto bad;
	}
	*uid = (uid_t)v[0];
	*gid = (gid_t)v[1];
	return 0;
bad:
	oc_fail(err, 0, "\"%.200s\" is not a user id", s);
	return oc_err_hint(err, "write uid or uid:gid in decimal, such as 1000:1000; names are not looked up");
}

int oc_parse_hostname(const char *s, struct oc_err *err)
{
	size_t len = strnlen(s, 65);
	bool good = len > 0 && len <= 63 && s[0] != '-' && s[0] != '.';
	for (const char *p = s; good && *p; p++)
		good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
		       *p == '-' || *p == '.' || *p == '_';
	if (!good)
		return oc_fail(err, 0, "\"%.200s\" is not a host name (1 to 63 letters, digits, '-', '.', '_')", s);
	return 0;
}

static const struct {
	const char *name;
	int resource;
} ulimit_names[] = {
	{ "as", RLIMIT_AS },	     { "core", RLIMIT_CORE },	      { "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },     { "fsize", RLIMIT_FSIZE },	      { "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },	      { "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO }, { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

int oc_ulimit_resource(const char *name)
{
	for (size_t i = 0; i < sizeof(ulimit_names) / sizeof(*ulimit_names); i++)
		if (strcmp(ulimit_names[i].name, name) == 0)
			return ulimit_names[i].resource;
	return -1;
}

static const char *ulimit_number(const char *s, rlim_t *out)
{
	static const char *const words[] = { "unlimited", "-1" };
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(words[i]);
		if (strncmp(s, words[i], n) == 0) {
			*out = RLIM_INFINITY;
			return s + n;
		}
	}
	uint64_t v = 0;
	s = digits(s, &v);
	if (s && v >= RLIM_INFINITY)
		return NULL;
	*out = (rlim_t)v;
	return s;
}

int oc_parse_ulimit_value(const char *name, const char *value, struct oc_ulimit *out, struct oc_err *err)
{
	out->resource = -1;
	for (size_t i = 0; i < sizeof(ulimit_names) / sizeof(*ulimit_names); i++) {
		if (strcmp(ulimit_names[i].name, name) != 0)
			continue;
		out->resource = ulimit_names[i].resource;
		out->name = ulimit_names[i].name;
	}
	if (out->resource < 0) {
		oc_fail(err, 0, "\"%.200s\" is not a resource limit", name);
		return oc_err_hint(err, "known: as core cpu data fsize locks memlock msgqueue nice nofile nproc rss "
					"rtprio rttime sigpending stack");
	}
	const char *p = ulimit_number(value, &out->soft);
	if (p)
		out->hard = out->soft;
	if (p && *p == ':')
		p = ulimit_number(p + 1, &out->hard);
	if (!p || *p)
		return oc_fail(err, 0, "ulimit %s: \"%.200s\" is not soft[:hard]", name, value);
	if (out->soft > out->hard)
		return oc_fail(err, 0, "ulimit %s: the soft limit is above the hard limit: \"%.200s\"", name, value);
	return 0;
}

int oc_parse_ulimit(struct oc_arena *a, const char *spec, struct oc_ulimit *out, struct oc_err *err)
{
	const char *eq = strchr(spec, '=');
	if (!eq)
		return oc_fail(err, 0, "\"%.200s\" is not name=soft[:hard]", spec);
	return oc_parse_ulimit_value(oc_arena_strndup(a, spec, (size_t)(eq - spec)), eq + 1, out, err);
}
