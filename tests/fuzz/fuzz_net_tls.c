/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_net_tls - any bytes as the start of a TLS connection: the verdict must not depend on how they are cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/tls.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of what has come, so that a read behind it is seen. */
static enum oc_first show(struct oc_tls_reader *r, const uint8_t *data, size_t n, struct oc_tls_hello *out)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum oc_first v;

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, n);
	v = oc_tls_read(r, copy, n, out);
	free(copy);
	FUZZ_CHECK((v == OC_FIRST_BAD) == (r->why != NULL));
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oc_tls_reader whole = {0}, pieces = {0};
	struct oc_tls_hello one, two = {0};
	enum oc_first v, w = OC_FIRST_MORE;
	char again[OC_NAME_MAX + 1];
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
	if (v != OC_FIRST_OK)
		return 0;
	FUZZ_CHECK(strcmp(one.name, two.name) == 0 && one.ech == two.ech && one.length == two.length);
	FUZZ_CHECK(one.has_name == (one.name[0] != '\0') && one.length <= size);
	if (one.has_name)
		FUZZ_CHECK(oc_name_normalize(one.name, strlen(one.name), again) > 0 &&
			   strcmp(again, one.name) == 0);
	return 0;
}
