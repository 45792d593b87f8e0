/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json - any bytes to the JSON5 reader; what it accepts must survive writer and reader. */
#include <stdint.h>

#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	struct oc_err err = {0};
	struct oc_json *v;

	if (oc_json_parse(&a, (const char *)data, size, "in", &v, &err) < 0) {
		FUZZ_CHECK(!v && err.msg[0] && memchr(err.msg, 0, sizeof(err.msg)));
		return 0;
	}
	fuzz_check_tree(v, NULL, 0, 0);
	fuzz_check_writer(&a, v, 0);
	fuzz_check_writer(&a, v, 2);
	int64_t n;
	if (oc_json_int(&a, v, -100, 100, &n, &err) == 0)
		FUZZ_CHECK(n >= -100 && n <= 100);
	for (const struct oc_json *c = v; c; c = c->child) /* the leftmost path is as good as any */
		fuzz_check_text(oc_json_path(&a, c));
	return 0;
}
