/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_net_watch - any client, cut anywhere: what passes must not depend on how the bytes came, and no request with
 * another Host, and no second ClientHello with another name, passes while the watch goes on.
 *
 * The first two bytes of the input: how long the pieces are, and what the server says; then its answer (64 bytes, for TLS
 * and upgrades), then the client.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/watch.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct oc_egress_answer answer = {
	.allowed = true, .reason = OC_EGRESS_ALLOWED, .check = OC_EGRESS_CHECK_NAME};

struct end {
	size_t passed;
	enum oc_first verdict;
	enum oc_watch_state state;
};

/* The client's bytes in pieces; the server's answer when it is waited for. */
static struct end play(const uint8_t *p, size_t n, size_t piece, const uint8_t *server, size_t server_len)
{
	struct end e = {.verdict = OC_FIRST_MORE};
	struct oc_check first = {0};
	struct oc_watch w = {0};
	enum oc_egress_reason reason;
	size_t have = 0;

	while (e.verdict == OC_FIRST_MORE && have < n) {
		have = n - have < piece ? n : have + piece;
		e.verdict = oc_check_read(&first, &answer, "a.example", NULL, p, have, &reason);
	}
	if (e.verdict != OC_FIRST_OK)
		return e;
	FUZZ_CHECK(first.length > 0 && first.length <= have);
	oc_watch_begin(&w, &first, &answer);
	for (;;) {
		size_t step = w.state == OC_WATCH_OVER	    ? have - e.passed
			      : w.skip < have - e.passed ? (size_t)w.skip
							 : have - e.passed;
		e.passed += step;
		w.skip -= step < w.skip ? step : w.skip;
		e.state = w.state;
		if (e.passed == have && have == n)
			return e;
		if (!w.skip && oc_watch_waits(&w)) {
			while (!oc_watch_server(&w, server, server_len))
				;
			FUZZ_CHECK(!oc_watch_waits(&w));
			continue;
		}
		e.verdict = w.skip || w.state == OC_WATCH_OVER
				    ? OC_FIRST_MORE
				    : oc_watch_client(&w, &answer, "a.example", NULL, p + e.passed, have - e.passed, &reason);
		FUZZ_CHECK(e.verdict != OC_FIRST_OTHER);
		if (e.verdict == OC_FIRST_BAD) {
			FUZZ_CHECK(reason != OC_EGRESS_ALLOWED);
			return e;
		}
		if (e.verdict == OC_FIRST_OK) {
			FUZZ_CHECK(w.skip || w.state == OC_WATCH_OVER || w.state == OC_WATCH_HTTP_HEAD);
			continue;
		}
		if (have == n)
			return e;
		have = n - have < piece ? n : have + piece;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t server[OC_WATCH_SERVER_BYTES];

	if (size < 2 + sizeof server)
		return 0;
	memcpy(server, data + 2, sizeof server);
	size_t len = data[1] % (sizeof server + 1), n = size - 2 - sizeof server;
	/* A copy of its own: nothing behind the end may be read. */
	uint8_t *p = malloc(n ? n : 1);
	FUZZ_CHECK(p);
	memcpy(p, data + 2 + sizeof server, n);
	struct end whole = play(p, n, n + 1, server, len);
	struct end parts = play(p, n, 1u + data[0], server, len);
	FUZZ_CHECK((whole.verdict == OC_FIRST_BAD) == (parts.verdict == OC_FIRST_BAD));
	FUZZ_CHECK(whole.passed == parts.passed && whole.state == parts.state);
	free(p);
	return 0;
}
