/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_net_http - any bytes as an HTTP request: the verdict must not depend on how they are cut, and an accepted head has one Host. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "netns/policy/check.h"
#include "netns/policy/http.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum oc_first show(struct oc_http_reader *r, const uint8_t *data, size_t n, struct oc_http_head *out)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum oc_first v;

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, n);
	v = oc_http_read(r, copy, n, out);
	free(copy);
	FUZZ_CHECK((v == OC_FIRST_BAD) == (r->why != NULL));
	return v;
}

/* Found in another way: lines by CR LF, the part before the colon by its length. */
static void check_head(const uint8_t *data, const struct oc_http_head *h)
{
	size_t hosts = 0;

	FUZZ_CHECK(h->length >= 4 && memcmp(data + h->length - 4, "\r\n\r\n", 4) == 0);
	FUZZ_CHECK(!memchr(data, 0, h->length));
	for (size_t i = 0; i < h->length; i++) {
		FUZZ_CHECK(data[i] != '\n' || data[i - 1] == '\r');
		FUZZ_CHECK(data[i] != '\r' || data[i + 1] == '\n');
		if (i > 0 && data[i - 1] == '\n' && h->length - i > 5 &&
		    strncasecmp((const char *)data + i, "host:", 5) == 0)
			hosts++;
	}
	FUZZ_CHECK(hosts == 1);
	FUZZ_CHECK((h->host.name[0] != '\0') != (h->host.addr.family != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oc_http_reader whole = {0}, pieces = {0};
	struct oc_http_head one, two = {0};
	enum oc_first v, w = OC_FIRST_MORE;
	size_t step;

	if (size == 0)
		return 0;
	step = data[0] % 61u + 1;
	data++;
	size--;
	v = show(&whole, data, size, &one);
	for (size_t n = 0; n < size && w == OC_FIRST_MORE;) {
		n = size - n < step ? size : n + step;
		w = show(&pieces, data, n, &two);
	}
	FUZZ_CHECK(v == w && whole.why == pieces.why && whole.two_names == pieces.two_names);
	if (v == OC_FIRST_OK) {
		FUZZ_CHECK(one.length == two.length && strcmp(one.host.name, two.host.name) == 0);
		check_head(data, &one);
	}

	/* The same bytes through the check: OK only for the name that is in them. */
	struct oc_check c = {0};
	struct oc_egress_answer a = {.allowed = true, .check = OC_EGRESS_CHECK_NAME};
	enum oc_egress_reason reason;

	w = oc_check_read(&c, &a, "a.example", NULL, data, size, &reason);
	FUZZ_CHECK((w == OC_FIRST_BAD) == (reason != OC_EGRESS_ALLOWED) && w != OC_FIRST_OTHER);
	if (w == OC_FIRST_OK)
		FUZZ_CHECK(strcmp(c.seen, "a.example") == 0);
	return 0;
}
