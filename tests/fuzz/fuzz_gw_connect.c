/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gw_connect - any bytes as a frame and, if it is a request, its params as those of connect.
 * fuzz-sources: gateway/protocol/frame.c gateway/protocol/params.c
 */
#include <string.h>

#include "gateway/protocol/internal.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	oc_auto_buf b = {0};
	struct oc_frame f;
	struct oc_connect p;
	struct oc_json *again;
	const char *why = NULL;

	if (!oc_frame_parse(&a, (const char *)data, size, OC_GW_PREAUTH_BYTES, &f))
		return 0;
	FUZZ_CHECK(f.is_request == !f.wrong);
	if (f.is_request)
		FUZZ_CHECK(f.id && *f.id && f.method && *f.method && strcmp(f.type, "req") == 0);
	if (f.id) {
		oc_frame_error(&b, f.id, "INVALID_REQUEST", f.wrong ? f.wrong : "x", NULL, true, 5);
		FUZZ_CHECK(oc_json_parse_message(&a, b.data, b.len, "out", 1u << 20, &again,
						 NULL) == 0);
	}
	if (oc_connect_parse(&a, f.params, &p, &why) < 0) {
		FUZZ_CHECK(why && strncmp(why, "at /", 4) == 0);
		return 0;
	}
	FUZZ_CHECK(p.min >= 1 && p.max >= 1 && p.auth.client_id && p.auth.client_mode &&
		   p.auth.client_version && p.auth.platform);
	for (size_t i = 0; i < p.auth.scopes.count; i++)
		FUZZ_CHECK(*p.auth.scopes.list[i]);
	if (p.auth.device)
		FUZZ_CHECK(p.auth.device->id && p.auth.device->public_key &&
			   p.auth.device->signature && p.auth.device->nonce);
	return 0;
}
