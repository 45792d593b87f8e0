/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_delegate - any bytes as a message of the systemd user manager.
 * fuzz-sources: runtime/launch/delegate.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/launch/delegate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[64];
	unsigned char copy[1024];

	memset(text, 'x', sizeof text);
	enum oc_delegate_answer a =
		oc_delegate_parse(data, size, "oc-sandbox-7-1.scope", text, sizeof text);
	if (!memchr(text, 0, sizeof text) || (a == OC_DELEGATE_REFUSED) < (text[0] != '\0'))
		abort();
	/* The sizes in the head are the first thing that a fuzzer gets wrong: put them right and
	 * look deeper. */
	if (size < OC_DELEGATE_HEAD || size > sizeof copy)
		return 0;
	memcpy(copy, data, size);
	copy[0] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 'l' : 'B';
	copy[3] = 1;
	uint32_t fields, body;
	memcpy(&fields, copy + 12, 4);
	fields %= (uint32_t)size;
	if (OC_DELEGATE_HEAD + (fields + 7) / 8 * 8 > size)
		return 0;
	body = (uint32_t)size - OC_DELEGATE_HEAD - (fields + 7) / 8 * 8;
	memcpy(copy + 4, &body, 4);
	memcpy(copy + 12, &fields, 4);
	if (oc_delegate_size(copy) != size)
		abort();
	oc_delegate_parse(copy, size, "oc-sandbox-7-1.scope", text, sizeof text);
	return 0;
}
