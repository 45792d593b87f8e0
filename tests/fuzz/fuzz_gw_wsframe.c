/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gw_wsframe - any bytes to the WebSocket reader.  fuzz-sources: gateway/server/wsframe.c
 *
 * However the bytes are cut into reads, the events are the same; a message is at most its limit and
 * always UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "gateway/server/wsframe.h"
#include "tests/fuzz/fuzz_tree.h"

#define MAX 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct oc_buf *m)
{
	FUZZ_CHECK(m->len <= MAX);
	for (size_t i = 0; i < m->len;) {
		size_t n = oc_utf8_decode(m->data + i, m->len - i, NULL);
		FUZZ_CHECK(n > 0);
		i += n;
	}
}

/* What came out, as one text that does not depend on how the input was cut. */
static void run(const uint8_t *data, size_t size, size_t step, struct oc_buf *out)
{
	struct oc_ws_in in;
	oc_auto_buf message = {0};

	oc_ws_init(&in, MAX);
	for (size_t from = 0; from < size; from += step) {
		size_t n = size - from < step ? size - from : step, at = 0;
		uint8_t *copy = malloc(n);
		FUZZ_CHECK(copy);
		memcpy(copy, data + from, n);
		for (;;) {
			struct oc_ws_out o;
			size_t before = at;
			oc_ws_next(&in, copy, n, &at, &o);
			FUZZ_CHECK(at >= before && at <= n);
			if (o.event == OC_WS_MORE)
				break;
			if (o.event == OC_WS_DATA) {
				oc_buf_add(&message, o.data, o.len);
				FUZZ_CHECK(message.len <= MAX);
				if (!o.last)
					continue;
				check_text(&message);
				oc_buf_printf(out, "message %zu ", message.len);
				oc_buf_add(out, message.data ? message.data : "", message.len);
				message.len = 0;
				continue;
			}
			FUZZ_CHECK(o.event == OC_WS_BAD || o.len <= 125);
			if (o.event == OC_WS_CLOSE)
				FUZZ_CHECK(o.code == 1005 || oc_ws_code_valid(o.code));
			oc_buf_printf(out, "event %d code %u ", (int)o.event, o.code);
			if (o.event != OC_WS_BAD)
				oc_buf_add(out, o.data, o.len);
		}
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_buf whole = {0}, bytes = {0}, some = {0};

	run(data, size, size ? size : 1, &whole);
	run(data, size, 1, &bytes);
	run(data, size, 7, &some);
	FUZZ_CHECK(whole.len == bytes.len && whole.len == some.len);
	FUZZ_CHECK(whole.len == 0 || (memcmp(whole.data, bytes.data, whole.len) == 0 &&
				      memcmp(whole.data, some.data, whole.len) == 0));
	return 0;
}
