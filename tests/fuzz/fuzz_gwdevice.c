/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gwdevice - what a client says of its device, of its origin and address, and the scopes' header.  Nobody without a key enters.
 *
 * fuzz-sources: gateway/auth/device.c gateway/auth/peer.c gateway/auth/scopes.c gateway/auth/secret.c
 * fuzz-libraries: -lcrypto
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fields[8];

static const char *header(void *ctx, const char *name)
{
	static const char *const names[] = {"host", "origin", "x-forwarded-for", "x-real-ip", "x-user", "x-openclaw-scopes"};
	(void)ctx;
	for (size_t i = 0; i < 6; i++)
		if (strcmp(names[i], name) == 0)
			return *fields[i] ? fields[i] : NULL;
	return NULL;
}

static void peers(void)
{
	struct oc_config_net proxy = {.addr = oc_addr_v4(10, 0, 0, 0), .bits = 8};
	struct oc_config c = {.trusted_proxies = &proxy, .trusted_proxy_count = 1, .allow_real_ip = true};
	struct oc_auth_peer p;

	c.auth.mode = OC_AUTH_TRUSTED_PROXY;
	c.auth.proxy.user_header = "x-user";
	for (uint8_t first = 9; first <= 10; first++) {
		struct oc_auth_request r = {.peer = oc_addr_v4(first, 0, 0, 1), .header = header};
		oc_auth_peer_resolve(&c, &r, &p);
		if (p.local_direct || (first == 9 && p.user[0]) || memchr(p.user, 0, sizeof(p.user)) == NULL)
			abort();
		oc_auto_arena a = {0};
		oc_scopes_parse(&a, p.scopes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	char *text = oc_arena_alloc(&a, size + 1);

	if (size)
		memcpy(text, data, size);
	for (size_t i = 0; i < 8; i++) {
		fields[i] = text;
		char *end = strchr(text, '\n');
		if (end) {
			*end = 0;
			text = end + 1;
		} else {
			text += strlen(text);
		}
	}
	peers();
	struct oc_auth_device d = {.id = fields[0], .public_key = fields[1], .signature = fields[2], .nonce = fields[3],
				   .signed_at = 1000};
	struct oc_auth_connect p = {.client_id = "cli", .client_mode = "cli", .platform = fields[4], .device_family = fields[5],
				    .token = fields[6], .device = &d, .challenge = fields[3], .now_ms = 1000};
	struct oc_proof proof = oc_device_prove(&a, &p);
	if (!proof.code || !proof.reason || !proof.message)
		abort();
	return 0;
}
