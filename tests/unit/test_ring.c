/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of background commands, against a model that keeps everything; and the names of calls.
 */
#include "tests/unit/cm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/ring.h"
#include "runtime/session/slug.h"

/* All output ever, one byte a cell. */
struct model {
	unsigned char *byte;
	unsigned char *stream;
	size_t count, cap;
};

static void model_add(struct model *m, enum oc_ring_stream s, const unsigned char *data, size_t n)
{
	while (m->count + n > m->cap) {
		m->cap = m->cap ? m->cap * 2 : 1 << 16;
		m->byte = realloc(m->byte, m->cap);
		m->stream = realloc(m->stream, m->cap);
		assert_true(m->byte && m->stream);
	}
	memcpy(m->byte + m->count, data, n);
	memset(m->stream + m->count, (int)s, n);
	m->count += n;
}

struct walk {
	const struct model *m;
	size_t at;
};

static bool compare(void *ctx, const void *data, size_t len)
{
	struct walk *w = ctx;

	assert_true(w->at + len <= w->m->count);
	assert_memory_equal(data, w->m->byte + w->at, len);
	w->at += len;
	return true;
}

static void check(const struct oc_ring *r, const struct model *m)
{
	struct walk w = {m, m->count - oc_ring_held(r)};

	assert_true(oc_ring_held(r) <= OC_RING_BYTES);
	assert_true(r->cap <= OC_RING_STORE);
	assert_true(oc_ring_held(r) + oc_ring_dropped(r) == m->count);
	assert_true(oc_ring_walk(r, compare, &w));
	assert_int_equal(w.at, m->count);
}

/* Byte number n of a stream, in all that was ever written to it. */
static unsigned char nth(const struct model *m, enum oc_ring_stream s, uint64_t n)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->stream[i] == s && n-- == 0)
			return m->byte[i];
	fail();
	return 0;
}

static uint32_t seed = 1;
static uint32_t draw(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* Reads up to n bytes and compares the first of each piece. */
static void read_some(const struct oc_ring *r, const struct model *m, struct oc_ring_place *p,
		      size_t n)
{
	const char *data;
	size_t have;

	while (n && (have = oc_ring_peek(r, p, &data)) > 0) {
		have = have < n ? have : n;
		assert_int_equal((unsigned char)data[0], nth(m, p->stream, p->seen));
		assert_int_equal((unsigned char)data[have - 1],
				 nth(m, p->stream, p->seen + have - 1));
		oc_ring_take(p, have);
		n -= have;
	}
}

static void against_the_model(void **state)
{
	static unsigned char data[70000];
	struct oc_ring r = {0};
	struct model m = {0};
	struct oc_ring_place p[2];

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	oc_ring_begin(&r, OC_RING_OUT, &p[0]);
	oc_ring_begin(&r, OC_RING_ERR, &p[1]);
	for (int round = 0; round < 600; round++) {
		size_t n = round % 10 == 0 ? draw(sizeof data) : draw(300);
		enum oc_ring_stream s = draw(3) ? OC_RING_OUT : OC_RING_ERR;
		const unsigned char *from = data + draw((uint32_t)(sizeof data - n));
		oc_ring_add(&r, s, from, n);
		model_add(&m, s, from, n);
		for (int i = 0; i < 2; i++)
			if (draw(4) == 0)
				read_some(&r, &m, &p[i], draw(20000));
		if (round % 20 == 0)
			check(&r, &m);
	}
	for (int i = 0; i < 2; i++) {
		uint64_t before = p[i].seen;
		read_some(&r, &m, &p[i], SIZE_MAX);
		assert_true(p[i].seen == r.added[i] && p[i].seen >= before);
	}
	oc_ring_finish(&r);
	check(&r, &m);
	oc_ring_free(&r);
	assert_int_equal(oc_ring_held(&r), 0);
	free(m.byte);
	free(m.stream);
}

static void single_bytes_alternate(void **state)
{
	struct oc_ring r = {0};
	struct model m = {0};

	(void)state;
	for (unsigned i = 0; i < 150000; i++) {
		unsigned char b = (unsigned char)i;
		oc_ring_add(&r, i & 1 ? OC_RING_ERR : OC_RING_OUT, &b, 1);
		model_add(&m, i & 1 ? OC_RING_ERR : OC_RING_OUT, &b, 1);
	}
	/* What tells the streams apart costs more than the output: still bounded. */
	assert_true(oc_ring_held(&r) <= OC_RING_STORE / 5 + 1);
	assert_true(oc_ring_held(&r) >= OC_RING_STORE / 5 - 5);
	check(&r, &m);
	oc_ring_free(&r);
	free(m.byte);
	free(m.stream);
}

static void more_than_it_holds_at_once(void **state)
{
	static char much[3 * OC_RING_BYTES];
	struct oc_ring r = {0};
	struct oc_ring_place p;
	const char *data;

	(void)state;
	memset(much, 'a', sizeof much);
	much[sizeof much - 1] = 'z';
	oc_ring_begin(&r, OC_RING_OUT, &p);
	oc_ring_add(&r, OC_RING_OUT, much, sizeof much);
	assert_int_equal(oc_ring_held(&r), OC_RING_BYTES);
	assert_int_equal(oc_ring_dropped(&r), 2 * OC_RING_BYTES);
	assert_true(oc_ring_peek(&r, &p, &data) > 0);
	assert_int_equal(p.dropped, 2 * OC_RING_BYTES);
	oc_ring_free(&r);
}

static void a_reader_that_lags(void **state)
{
	static char text[OC_RING_PENDING];
	struct oc_ring r = {0};
	struct oc_ring_place p;
	const char *data;
	size_t n;

	(void)state;
	memset(text, 'o', sizeof text);
	for (int i = 0; i < 4; i++)
		oc_ring_add(&r, OC_RING_OUT, text, sizeof text);
	/* What was there before it came is not cut. */
	oc_ring_begin(&r, OC_RING_OUT, &p);
	oc_ring_add(&r, OC_RING_OUT, text, 10);
	oc_ring_trim(&r, &p);
	assert_int_equal(p.dropped, 0);
	while ((n = oc_ring_peek(&r, &p, &data)) > 0)
		oc_ring_take(&p, n);
	assert_int_equal(p.seen, r.added[OC_RING_OUT]);
	/* From then on it is. */
	oc_ring_add(&r, OC_RING_OUT, text, sizeof text);
	oc_ring_add(&r, OC_RING_ERR, text, sizeof text);
	oc_ring_trim(&r, &p);
	assert_int_equal(p.dropped, 0);
	oc_ring_add(&r, OC_RING_OUT, "xyz", 3);
	oc_ring_trim(&r, &p);
	assert_int_equal(p.dropped, 3);
	assert_int_equal(r.added[OC_RING_OUT] - p.seen, OC_RING_PENDING);
	size_t total = 0;
	char last = 0;
	while ((n = oc_ring_peek(&r, &p, &data)) > 0) {
		total += n;
		last = data[n - 1];
		oc_ring_take(&p, n);
	}
	assert_int_equal(total, OC_RING_PENDING);
	assert_int_equal(last, 'z');
	oc_ring_free(&r);
}

static void memory_follows_the_output(void **state)
{
	struct oc_ring r = {0};

	(void)state;
	assert_null(r.store);
	oc_ring_add(&r, OC_RING_OUT, "", 0);
	assert_null(r.store);
	oc_ring_add(&r, OC_RING_OUT, "hello", 5);
	assert_true(r.cap <= 4096);
	oc_ring_finish(&r);
	assert_true(r.cap <= 16);
	oc_ring_add(&r, OC_RING_ERR, "more", 4);
	assert_int_equal(oc_ring_held(&r), 9);
	oc_ring_free(&r);
}

struct names {
	char name[60][OC_SLUG_MAX];
	unsigned count;
	unsigned refuse; /* so many first */
};

static bool taken(void *ctx, const char *slug)
{
	struct names *n = ctx;

	if (n->refuse) {
		n->refuse--;
		return true;
	}
	for (unsigned i = 0; i < n->count; i++)
		if (strcmp(n->name[i], slug) == 0)
			return true;
	return false;
}

static unsigned dashes(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '-';
	return n;
}

static void names_differ(void **state)
{
	struct names n = {0};
	uint64_t rng = 42;

	(void)state;
	for (n.count = 0; n.count < 60; n.count++) {
		char out[OC_SLUG_MAX];
		n.refuse = 0;
		oc_slug_make(&rng, taken, &n, out);
		memcpy(n.name[n.count], out, sizeof out);
		assert_int_equal(strspn(out, "abcdefghijklmnopqrstuvwxyz-"), strlen(out));
		assert_int_equal(dashes(out), 1);
	}
	char out[OC_SLUG_MAX];
	n.refuse = 2;
	oc_slug_make(&rng, taken, &n, out);
	assert_int_equal(dashes(out), 2);
	n.refuse = 100;
	oc_slug_make(&rng, taken, &n, out);
	assert_int_equal(dashes(out), 2);
	assert_int_equal(strlen(strrchr(out, '-')), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_the_model),
		cmocka_unit_test(single_bytes_alternate),
		cmocka_unit_test(more_than_it_holds_at_once),
		cmocka_unit_test(a_reader_that_lags),
		cmocka_unit_test(memory_follows_the_output),
		cmocka_unit_test(names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
