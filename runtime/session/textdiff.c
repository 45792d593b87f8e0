/* SPDX-License-Identifier: Apache-2.0 */
/*
 * textdiff - see textdiff.h.  Pure.
 */
#include "runtime/session/textdiff.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define CONTEXT	  3
#define EDITS_MAX 2000 /* memory grows with its square: 16 MB */
#define STEPS_MAX (UINT64_C(40) << 20)

struct line {
	const char *s;
	size_t len; /* with its newline */
	uint32_t hash;
};
struct side {
	struct line *lines;
	size_t count;
	bool *changed;
};
struct diff {
	struct side a, b;
	size_t first, a_end, b_end; /* what is not common at both ends */
	int **trace; /* of each number of edits, the furthest place on each diagonal */
	int edits;
};

static void *more(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		oc_oom();
	return p;
}

bool oc_textdiff_is_text(const char *data, size_t len)
{
	return len == 0 || !memchr(data, 0, len);
}

void oc_textdiff_escape(const char *s, size_t len, struct oc_buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < len;) {
		uint32_t cp = 0;
		size_t n = oc_utf8_decode(s + i, len - i, &cp);
		if (n && (cp == '\t' || !oc_utf8_unprintable(cp))) {
			i += n;
			continue;
		}
		oc_buf_add(out, s + from, i - from);
		for (size_t k = n ? n : 1; k > 0; k--, i++)
			oc_buf_printf(out, "\\x%02x", (unsigned char)s[i]);
		from = i;
	}
	oc_buf_add(out, s + from, len - from);
}

static struct side split(const char *s, size_t len)
{
	struct side side = {0};
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '\n' || i + 1 == len;
	side.lines = more(n, sizeof *side.lines);
	side.changed = more(n, sizeof *side.changed);
	for (const char *p = s, *end = s + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *next = nl ? nl + 1 : end;
		struct line *l = &side.lines[side.count++];
		l->s = p;
		l->len = (size_t)(next - p);
		l->hash = 2166136261u; /* FNV-1a */
		for (; p < next; p++)
			l->hash = (l->hash ^ (unsigned char)*p) * 16777619u;
	}
	return side;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->hash == b->hash && a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* How far the same lines go on from there. */
static int slide(const struct diff *d, int x, int y, int n, int m)
{
	const struct line *a = d->a.lines + d->first, *b = d->b.lines + d->first;

	while (x < n && y < m && same(&a[x], &b[y]))
		x++, y++;
	return x;
}

#define NOWHERE (INT_MIN / 2)

/*
 * The furthest place on diagonal k with e edits, by the places with one fewer on its neighbours:
 * down is a line of b more, else one of a less.  NOWHERE if both lie outside of the texts.
 */
static int step(const int *mid, int e, int k, int n, int m, bool *down)
{
	int right = k > -e ? mid[k - 1] + 1 : NOWHERE;
	int below = k < e ? mid[k + 1] : NOWHERE;

	if (right < 0 || right > n)
		right = NOWHERE;
	if (below < 0 || below - k > m)
		below = NOWHERE;
	*down = below >= right && below >= 0;
	return *down ? below : right;
}

/* Find the number of edits; false: too many. */
static bool search(struct diff *d)
{
	int n = (int)(d->a_end - d->first), m = (int)(d->b_end - d->first);
	int most = n + m < EDITS_MAX ? n + m : EDITS_MAX;
	uint64_t steps = 0;
	int *v = more(2 * (size_t)most + 3, sizeof *v), *mid = v + most + 1;
	bool found = false, down;

	d->trace = more((size_t)most + 1, sizeof *d->trace);
	for (int e = 0; e <= most && !found && steps < STEPS_MAX; e++) {
		for (int k = -e; k <= e && !found; k += 2) {
			int x = e == 0 ? 0 : step(mid, e, k, n, m, &down);
			if (x >= 0) {
				int to = slide(d, x, x - k, n, m);
				steps += (uint64_t)(to - x) + 1;
				x = to;
			}
			mid[k] = x;
			found = x == n && x - k == m;
		}
		d->trace[e] = more(2 * (size_t)e + 1, sizeof(int));
		memcpy(d->trace[e], mid - e, (2 * (size_t)e + 1) * sizeof(int));
		d->edits = e;
	}
	free(v);
	return found;
}

/* From the end back: which lines went and came. */
static void mark(struct diff *d)
{
	int n = (int)(d->a_end - d->first), m = (int)(d->b_end - d->first);
	int x = n, y = m;

	for (int e = d->edits; e > 0; e--) {
		bool down;
		int k = x - y;
		x = step(d->trace[e - 1] + (e - 1), e, k, n, m, &down);
		y = x - k;
		if (down)
			d->b.changed[d->first + (size_t)--y] = true;
		else
			d->a.changed[d->first + (size_t)--x] = true;
	}
}

static void compare(struct diff *d)
{
	size_t a = d->a.count, b = d->b.count, i = 0;

	while (i < a && i < b && same(&d->a.lines[i], &d->b.lines[i]))
		i++;
	d->first = i;
	while (a > i && b > i && same(&d->a.lines[a - 1], &d->b.lines[b - 1]))
		a--, b--;
	d->a_end = a;
	d->b_end = b;
	if (a == i || b == i || !search(d)) {
		memset(d->a.changed + i, 1, a - i);
		memset(d->b.changed + i, 1, b - i);
	} else {
		mark(d);
	}
}

static void put_line(struct oc_buf *out, char sign, const struct line *l)
{
	bool nl = l->len && l->s[l->len - 1] == '\n';

	oc_buf_add(out, &sign, 1);
	oc_textdiff_escape(l->s, l->len - nl, out);
	oc_buf_puts(out, nl ? "\n" : "\n\\ No newline at end of file\n");
}

static void put_range(struct oc_buf *out, char sign, size_t from, size_t count)
{
	oc_buf_printf(out, " %c%zu", sign, count ? from + 1 : from);
	if (count != 1)
		oc_buf_printf(out, ",%zu", count);
}

/* The lines from (i, j) to (i_end, j_end). */
static void put_hunk(const struct diff *d, struct oc_buf *out, size_t i, size_t j, size_t i_end,
		     size_t j_end)
{
	oc_buf_puts(out, "@@");
	put_range(out, '-', i, i_end - i);
	put_range(out, '+', j, j_end - j);
	oc_buf_puts(out, " @@\n");
	while (i < i_end || j < j_end) {
		if (i < i_end && d->a.changed[i])
			put_line(out, '-', &d->a.lines[i++]);
		else if (j < j_end && d->b.changed[j])
			put_line(out, '+', &d->b.lines[j++]);
		else
			put_line(out, ' ', &d->a.lines[i++]), j++;
	}
}

static void put_hunks(const struct diff *d, struct oc_buf *out)
{
	size_t i = 0, j = 0, na = d->a.count, nb = d->b.count;

	while (i < na || j < nb) {
		if (!((i < na && d->a.changed[i]) || (j < nb && d->b.changed[j]))) {
			i++, j++;
			continue;
		}
		size_t back = i < CONTEXT ? i : CONTEXT, i0 = i - back, j0 = j - back, quiet = 0;
		while ((i < na || j < nb) && quiet <= 2 * CONTEXT) {
			if (i < na && d->a.changed[i])
				i++, quiet = 0;
			else if (j < nb && d->b.changed[j])
				j++, quiet = 0;
			else
				i++, j++, quiet++;
		}
		size_t over = quiet > CONTEXT ? quiet - CONTEXT : 0;
		put_hunk(d, out, i0, j0, i - over, j - over);
	}
}

void oc_textdiff(const char *a, size_t a_len, const char *b, size_t b_len, struct oc_buf *out)
{
	struct diff d = {.a = split(a, a_len), .b = split(b, b_len)};

	compare(&d);
	put_hunks(&d, out);
	for (int e = 0; d.trace && e <= d.edits; e++)
		free(d.trace[e]);
	free(d.trace);
	free(d.a.lines);
	free(d.a.changed);
	free(d.b.lines);
	free(d.b.changed);
}
