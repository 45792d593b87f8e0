/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision on who may enter, row by row; the proof of a device against a vector; pairing, tokens and their rights; and
 * what becomes of the store when the gateway starts again.
 */
#include "tests/unit/cm.h"

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "gateway/auth/internal.h"

#define NOW   INT64_C(1760000000000)
#define NONCE "0b1c2d3e-0000-4000-8000-000000000001"
#define TOKEN "a-token-of-more-than-24-characters"

static char top[32];
static int state_fd = -1;
static struct oc_auth *auth;
static struct oc_arena arena;
static unsigned char seed[32];
static char device_key[64], device_id[65];

static int rm(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int begin(void **state)
{
	struct oc_err err;
	(void)state;
	strcpy(top, "/tmp/oc-auth-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	state_fd = open(top, O_RDONLY | O_DIRECTORY);
	return oc_auth_open(state_fd, &auth, &err);
}

static int end(void **state)
{
	(void)state;
	oc_auth_close(auth);
	auth = NULL;
	close(state_fd);
	oc_arena_free(&arena);
	arena = (struct oc_arena){0};
	return nftw(top, rm, 16, FTW_DEPTH | FTW_PHYS);
}

static void reopen(void)
{
	struct oc_err err;
	oc_auth_close(auth);
	assert_int_equal(oc_auth_open(state_fd, &auth, &err), 0);
}

/* --- facts --- */

static struct oc_config config(enum oc_config_auth_mode mode)
{
	struct oc_config c = {.port = 18789, .auto_approve_local = true};

	c.auth.mode = mode;
	c.auth.limit.max_attempts = 3;
	c.auth.limit.window_ms = 60000;
	c.auth.limit.lockout_ms = 300000;
	c.auth.limit.exempt_loopback = true;
	if (mode == OC_AUTH_TOKEN)
		c.auth.token = TOKEN;
	if (mode == OC_AUTH_PASSWORD)
		c.auth.password = "open sesame";
	return c;
}

static struct oc_addr addr(const char *s)
{
	struct oc_addr a;
	if (oc_addr_parse(s, strlen(s), &a) < 0)
		abort();
	return a;
}

/* name, value, ..., NULL */
static const char *header(void *ctx, const char *name)
{
	for (const char **h = ctx; h && h[0]; h += 2)
		if (strcmp(h[0], name) == 0)
			return h[1];
	return NULL;
}

static struct oc_auth_peer peer_of(const struct oc_config *c, const char *from, const char **headers)
{
	struct oc_auth_request r = {.peer = addr(from), .local = addr("127.0.0.1"), .header = header,
				    .ctx = headers};
	struct oc_auth_peer p;
	oc_auth_peer_resolve(c, &r, &p);
	return p;
}

static const char *local_headers[] = {"host", "127.0.0.1:18789", NULL};

static struct oc_auth_connect client(const char *id, const char *mode)
{
	static const char *asked[] = {"operator.read", "operator.write"};
	return (struct oc_auth_connect){
		.client_id = id, .client_mode = mode, .client_version = "1", .platform = "linux",
		.scopes = {.list = asked, .count = 2}, .challenge = NONCE, .now_ms = NOW, .mono_ms = 1000,
	};
}

/* --- a device --- */

static void make_keys(void)
{
	unsigned char raw[32], md[32];
	size_t n = 32;

	for (int i = 0; i < 32; i++)
		seed[i] = (unsigned char)i;
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	EVP_PKEY_get_raw_public_key(k, raw, &n);
	EVP_PKEY_free(k);
	oc_base64url_encode(raw, 32, device_key);
	SHA256(raw, 32, md);
	for (int i = 0; i < 32; i++)
		snprintf(device_id + 2 * i, 3, "%02x", md[i]);
}

static const char *sign(const char *text)
{
	unsigned char sig[64];
	static char out[96];
	size_t n = 64;

	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_DigestSignInit(ctx, NULL, NULL, NULL, k);
	EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text, strlen(text));
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	oc_base64url_encode(sig, 64, out);
	return out;
}

static struct oc_auth_device device;

/* p with the proof of our device. */
static void with_device(struct oc_auth_connect *p)
{
	device = (struct oc_auth_device){.id = device_id, .public_key = device_key, .signature = "",
					 .nonce = NONCE, .signed_at = NOW};
	p->device = &device;
	device.signature = sign(oc_device_payload(&arena, p, 3));
}

static struct oc_auth_verdict decide(const struct oc_config *c, const struct oc_auth_peer *peer,
				     const struct oc_auth_connect *p)
{
	struct oc_auth_verdict v;
	oc_auth_connect(auth, c, peer, p, &arena, &v);
	return v;
}

static void refused(const struct oc_auth_verdict *v, const char *code, const char *detail)
{
	assert_false(v->ok);
	assert_string_equal(v->code, code);
	if (detail) {
		assert_non_null(v->details);
		if (!strstr(v->details, oc_arena_printf(&arena, "\"%s\"", detail)))
			fail_msg("details %s without %s", v->details, detail);
	}
	assert_int_not_equal(v->close_code, 0);
	assert_true(strlen(v->close_reason) <= 123);
	assert_null(v->device_token);
	assert_int_equal(v->scopes.count, 0);
	if (v->details && strstr(v->details, TOKEN))
		fail_msg("a secret in the details");
}

/* --- the vector of the specification --- */

static void test_vector(void **state)
{
	(void)state;
	struct oc_auth_connect p = client("cli", "cli");
	struct oc_auth_device d = {
		.id = "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c",
		.public_key = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
		.nonce = NONCE, .signed_at = NOW};
	static const char *const good[] = {
		"Y289v6gRHfX8Futgyc3dX73AmLJnEyqQ-vBwPr_N4uEkqqpNKDtPOoyYe2wgFQ0WfO3PrdLFBp9La3L6o-KgDg",
		"GprNPLp9OhcfWTFRzx0FO8P7ozKswmAwuDiPELmm-gX8pURIdRV6DdEFaY8SUxmOiCE4pIFFpuvcYDfEMmh8CQ"};

	p.token = "sekret";
	p.device = &d;
	for (int i = 0; i < 2; i++) {
		d.signature = good[i];
		assert_null(oc_device_prove(&arena, &p).code);
		assert_string_equal(sign(oc_device_payload(&arena, &p, 3 - i)), good[i]);
	}
	assert_string_equal(device_id, d.id);
	/* The same key as PEM. */
	d.public_key = "-----BEGIN PUBLIC KEY-----\n"
		       "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n"
		       "-----END PUBLIC KEY-----\n";
	assert_null(oc_device_prove(&arena, &p).code);
	/* Platform is signed trimmed and in lower case, in v3. */
	d.signature = good[0];
	p.platform = "  LiNuX ";
	assert_null(oc_device_prove(&arena, &p).code);
	p.platform = "macos";
	assert_string_equal(oc_device_prove(&arena, &p).reason, "device-signature");
}

static void test_proof_rows(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer peer = peer_of(&c, "127.0.0.1", local_headers);
	static const struct {
		int what;
		const char *detail;
	} rows[] = {
		{0, "DEVICE_AUTH_DEVICE_ID_MISMATCH"}, {1, "DEVICE_AUTH_SIGNATURE_EXPIRED"},
		{2, "DEVICE_AUTH_SIGNATURE_EXPIRED"},  {3, "DEVICE_AUTH_NONCE_REQUIRED"},
		{4, "DEVICE_AUTH_NONCE_MISMATCH"},     {5, "DEVICE_AUTH_SIGNATURE_INVALID"},
		{6, "DEVICE_AUTH_PUBLIC_KEY_INVALID"}, {7, "DEVICE_AUTH_SIGNATURE_INVALID"},
		{8, "DEVICE_AUTH_SIGNATURE_INVALID"},  {9, NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oc_auth_connect p = client("openclaw-tui", "ui");
		static const char *more[] = {"operator.read", "operator.admin"};
		p.token = TOKEN;
		with_device(&p);
		switch (rows[i].what) {
		case 0:
			device.id = "0000000000000000000000000000000000000000000000000000000000000000";
			break;
		case 1:
			device.signed_at = NOW - 120001;
			break;
		case 2:
			device.signed_at = NOW + 120001;
			break;
		case 3:
			device.nonce = " ";
			break;
		case 4:
			device.nonce = "another";
			break;
		case 5:
			device.signature = "AAAA";
			break;
		case 6:
			device.public_key = "AAAA";
			break;
		case 7: /* scopes that were not signed */
			p.scopes.list = more;
			break;
		case 8: /* a role that was not signed */
			p.role = "node";
			break;
		default:
			break;
		}
		struct oc_auth_verdict v = decide(&c, &peer, &p);
		if (rows[i].detail)
			refused(&v, "INVALID_REQUEST", rows[i].detail);
		else
			assert_true(v.ok);
	}
}

/* --- the table without devices --- */

static void test_table(void **state)
{
	(void)state;
	static const char *proxied[] = {"host", "127.0.0.1:18789", "x-forwarded-for", "9.9.9.9", NULL};
	static const char *lan[] = {"host", "192.168.1.5:18789", NULL};
	static const char *rebound[] = {"host", "evil.example:18789", NULL};
	static const char *page[] = {"host", "127.0.0.1:18789", "origin", "http://127.0.0.1:18789", NULL};
	static const char *evil[] = {"host", "127.0.0.1:18789", "origin", "https://evil.example", NULL};
	static const char *null_origin[] = {"host", "127.0.0.1:18789", "origin", "null", NULL};
	enum { admitted = 1, emptied = 2 };
	static const struct row {
		enum oc_config_auth_mode mode;
		const char *from, **headers, *id, *client_mode, *role, *token, *password;
		int want; /* 0: refused */
		const char *code, *detail;
	} rows[] = {
		/* token, from here */
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", NULL, TOKEN, NULL, admitted, NULL, NULL},
		{OC_AUTH_TOKEN, "::1", local_headers, "cli", "cli", "operator", TOKEN, NULL, admitted, NULL, NULL},
		{OC_AUTH_TOKEN, "::ffff:127.0.0.1", local_headers, "cli", "cli", NULL, TOKEN, NULL, admitted, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "gateway-client", "backend", NULL, TOKEN, NULL, admitted, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "probe", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "openclaw-tui", "ui", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", rebound, "cli", "cli", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", NULL, "cli", "cli", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, NULL, 0, "INVALID_REQUEST", "AUTH_TOKEN_MISSING"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", NULL, "", NULL, 0, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", NULL, "wrong", NULL, 0, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, TOKEN, 0, "INVALID_REQUEST", "AUTH_TOKEN_MISSING"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", "node", TOKEN, NULL, 0, "NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "cli", "cli", "worker", TOKEN, NULL, 0, "INVALID_REQUEST", NULL},
		/* from elsewhere */
		{OC_AUTH_TOKEN, "192.168.1.9", lan, "cli", "cli", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "192.168.1.9", lan, "gateway-client", "backend", NULL, TOKEN, NULL, emptied, NULL, NULL},
		{OC_AUTH_TOKEN, "192.168.1.9", lan, "cli", "cli", "node", TOKEN, NULL, 0, "NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"},
		/* loopback with the headers of a proxy that nobody named: before any credential */
		{OC_AUTH_TOKEN, "127.0.0.1", proxied, "cli", "cli", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "proxy_attribution_required"},
		{OC_AUTH_NONE, "192.168.1.9", proxied, "cli", "cli", NULL, NULL, NULL, 0, "INVALID_REQUEST", "proxy_attribution_required"},
		/* browsers */
		{OC_AUTH_TOKEN, "127.0.0.1", page, "openclaw-control-ui", "webchat", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"},
		{OC_AUTH_TOKEN, "127.0.0.1", evil, "openclaw-control-ui", "webchat", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "CONTROL_UI_ORIGIN_NOT_ALLOWED"},
		{OC_AUTH_TOKEN, "127.0.0.1", evil, "cli", "cli", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "CONTROL_UI_ORIGIN_NOT_ALLOWED"},
		{OC_AUTH_TOKEN, "127.0.0.1", null_origin, "cli", "cli", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "CONTROL_UI_ORIGIN_NOT_ALLOWED"},
		{OC_AUTH_TOKEN, "127.0.0.1", local_headers, "openclaw-control-ui", "webchat", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "CONTROL_UI_ORIGIN_NOT_ALLOWED"},
		{OC_AUTH_TOKEN, "127.0.0.1", page, "cli", "cli", NULL, TOKEN, NULL, admitted, NULL, NULL},
		/* password */
		{OC_AUTH_PASSWORD, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, "open sesame", admitted, NULL, NULL},
		{OC_AUTH_PASSWORD, "127.0.0.1", local_headers, "cli", "cli", NULL, "open sesame", NULL, 0, "INVALID_REQUEST", "AUTH_PASSWORD_MISSING"},
		{OC_AUTH_PASSWORD, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, "Open sesame", 0, "INVALID_REQUEST", "AUTH_PASSWORD_MISMATCH"},
		{OC_AUTH_PASSWORD, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, NULL, 0, "INVALID_REQUEST", "AUTH_PASSWORD_MISSING"},
		/* none */
		{OC_AUTH_NONE, "127.0.0.1", local_headers, "cli", "cli", NULL, NULL, NULL, admitted, NULL, NULL},
		{OC_AUTH_NONE, "127.0.0.1", page, "cli", "cli", NULL, NULL, NULL, 0, "NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"},
		{OC_AUTH_NONE, "127.0.0.1", rebound, "cli", "cli", NULL, NULL, NULL, 0, "NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"},
		{OC_AUTH_NONE, "192.168.1.9", lan, "cli", "cli", NULL, NULL, NULL, 0, "NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"},
		/* trusted-proxy without a proxy */
		{OC_AUTH_TRUSTED_PROXY, "127.0.0.1", local_headers, "cli", "cli", NULL, TOKEN, NULL, 0, "INVALID_REQUEST", "trusted_proxy_config_missing"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct oc_config c = config(r->mode);
		struct oc_auth_peer peer = peer_of(&c, r->from, r->headers);
		struct oc_auth_connect p = client(r->id, r->client_mode);
		p.role = r->role;
		p.token = r->token;
		p.password = r->password;
		reopen(); /* no counters of the row before */
		struct oc_auth_verdict v = decide(&c, &peer, &p);
		print_message("# row %zu: %s\n", i, v.ok ? "admitted" : v.message);
		if (r->want) {
			assert_true(v.ok);
			assert_int_equal(v.scopes.count, r->want == admitted ? 2 : 0);
			assert_null(v.device_token);
		} else {
			refused(&v, r->code, r->detail);
		}
	}
}

static void test_no_credential(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer peer = peer_of(&c, "127.0.0.1", local_headers);
	struct oc_auth_connect p = client("cli", "cli");

	c.auth.token = NULL;
	p.token = "";
	struct oc_auth_verdict v = decide(&c, &peer, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_NOT_CONFIGURED");
	oc_auth_http(auth, &c, &peer, "Bearer ", NOW, 0, &arena, &v);
	assert_false(v.ok);
}

/* --- addresses --- */

static void test_addresses(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_config_net proxies[2] = {{.addr = addr("10.0.0.0"), .bits = 8},
					   {.addr = addr("127.0.0.1"), .bits = 32}};
	static const char *one[] = {"host", "x", "x-forwarded-for", "8.8.8.8, 9.9.9.9, 10.0.0.7", NULL};
	static const char *forged[] = {"host", "localhost", "x-forwarded-for", "127.0.0.1", NULL};
	static const char *ports[] = {"host", "x", "x-forwarded-for", "junk, \"[2001:db8::7]:4711\"", NULL};
	static const char *real[] = {"host", "x", "x-real-ip", "9.9.9.9", NULL};
	static const char *bare[] = {"host", "127.0.0.1", NULL};
	struct oc_auth_peer p;

	c.trusted_proxies = proxies;
	c.trusted_proxy_count = 2;
	p = peer_of(&c, "10.0.0.1", one);
	assert_string_equal(p.text, "9.9.9.9");
	assert_true(p.from_proxy && !p.local_direct && !p.reject);
	p = peer_of(&c, "10.0.0.1", ports);
	assert_string_equal(p.text, "2001:db8::7");
	/* A named proxy that says 127.0.0.1 is still no local connection. */
	c.trusted_proxies = &proxies[0];
	c.trusted_proxy_count = 1;
	p = peer_of(&c, "10.0.0.1", forged);
	assert_true(p.loopback && !p.local_direct);
	c.trusted_proxies = proxies;
	c.trusted_proxy_count = 2;
	p = peer_of(&c, "10.0.0.1", real);
	assert_string_equal(p.text, "");
	c.allow_real_ip = true;
	p = peer_of(&c, "10.0.0.1", real);
	assert_string_equal(p.text, "9.9.9.9");
	/* A proxy on this host that adds no header is not the operator. */
	p = peer_of(&c, "127.0.0.1", bare);
	assert_true(!p.local_direct && !p.loopback && p.text[0] == 0);
	/* Headers of others than proxies change nothing, but are noticed. */
	p = peer_of(&c, "9.9.9.9", one);
	assert_string_equal(p.text, "9.9.9.9");
	assert_true(p.forwarded && !p.from_proxy);
}

static void test_origins(void **state)
{
	(void)state;
	static const char *allowed[] = {"https://ui.example", "http://[::1]:5173/"};
	static const struct {
		const char *from, *host, *origin;
		bool fallback, exposed, ok;
	} rows[] = {
		{"127.0.0.1", "127.0.0.1:18789", "http://localhost:3000", false, false, true},
		{"127.0.0.1", "127.0.0.1:18789", "http://localhost.evil.example", false, false, false},
		{"127.0.0.1", "127.0.0.1:18789", "http://127.0.0.1.evil.example", false, false, false},
		{"9.9.9.9", "x:18789", "http://localhost:3000", false, false, false},
		{"9.9.9.9", "x:18789", "https://ui.example", false, false, true},
		{"9.9.9.9", "x:18789", "https://UI.example:443", false, false, true},
		{"9.9.9.9", "x:18789", "https://ui.example:444", false, false, false},
		{"9.9.9.9", "x:18789", "http://ui.example", false, false, false},
		{"9.9.9.9", "x:18789", "http://[::1]:5173", false, false, true},
		{"9.9.9.9", "gw.example", "https://gw.example", false, false, false},
		{"9.9.9.9", "gw.example:443", "https://gw.example", true, false, true},
		{"9.9.9.9", "gw.example", "https://other.example", true, false, false},
		{"192.168.1.9", "192.168.1.5:18789", "http://192.168.1.5:18789", false, false, true},
		{"192.168.1.9", "192.168.1.5:18789", "http://192.168.1.5:80", false, false, false},
		{"192.168.1.9", "gw.local:18789", "http://gw.local:18789", false, false, true},
		{"9.9.9.9", "8.8.8.8:18789", "http://8.8.8.8:18789", false, false, false},
		{"9.9.9.9", "x", "null", false, false, false},
		{"9.9.9.9", "x", "https://user@ui.example", false, false, false},
		{"9.9.9.9", "x", "https://", false, false, false},
		{"9.9.9.9", "x", "", false, false, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oc_config c = config(OC_AUTH_TOKEN);
		const char *headers[] = {"host", rows[i].host, "origin", rows[i].origin, NULL};
		c.ui.allowed_origins = (struct oc_config_strings){.list = allowed, .count = 2};
		c.ui.host_header_fallback = rows[i].fallback;
		struct oc_auth_peer p = peer_of(&c, rows[i].from, headers);
		print_message("# origin row %zu %s\n", i, rows[i].origin);
		assert_int_equal(p.origin_ok, rows[i].ok);
		assert_true(p.has_origin);
	}
}

/* --- trusted-proxy --- */

static void test_proxy_rows(void **state)
{
	(void)state;
	static const char *users[] = {"ann@example.org", "bob"};
	static const char *need[] = {"x-secret"};
	static const char *granted[] = {"operator.read", "operator.write"};
	static const struct {
		const char *from, *xff, *user, *secret;
		bool allow_loopback;
		const char *why; /* NULL: counts */
	} rows[] = {
		{"10.0.0.1", "9.9.9.9", "bob", "1", false, NULL},
		{"10.0.0.1", "9.9.9.9", " Ann@Example.ORG ", "1", false, NULL},
		{"10.0.0.1", "9.9.9.9", "eve", "1", false, "trusted_proxy_user_not_allowed"},
		{"10.0.0.1", "9.9.9.9", "BOB", "1", false, "trusted_proxy_user_not_allowed"},
		{"10.0.0.1", "9.9.9.9", "  ", "1", false, "trusted_proxy_user_missing"},
		{"10.0.0.1", "9.9.9.9", NULL, "1", false, "trusted_proxy_user_missing"},
		{"10.0.0.1", "9.9.9.9", "bob", NULL, false, "trusted_proxy_missing_header_x-secret"},
		{"10.0.0.1", "9.9.9.9", "bob", " ", false, "trusted_proxy_missing_header_x-secret"},
		{"10.0.0.1", "127.0.0.1", "bob", "1", false, "trusted_proxy_untrusted_source"},
		{"10.0.0.1", NULL, "bob", "1", false, "trusted_proxy_untrusted_source"},
		{"9.9.9.9", "8.8.8.8", "bob", "1", false, "trusted_proxy_untrusted_source"},
		{"127.0.0.1", "9.9.9.9", "bob", "1", false, "trusted_proxy_loopback_source"},
		{"127.0.0.1", "9.9.9.9", "bob", "1", true, NULL},
		{"10.0.0.99", "9.9.9.9", "bob", "1", false, "trusted_proxy_local_interface_source"},
	};
	struct oc_config_net proxies[2] = {{.addr = addr("10.0.0.0"), .bits = 8},
					   {.addr = addr("127.0.0.1"), .bits = 32}};
	struct oc_addr own = addr("10.0.0.99");
	struct oc_config_grant grant = {.user = "bob", .scopes = {.list = granted, .count = 2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oc_config c = config(OC_AUTH_TRUSTED_PROXY);
		const char *headers[] = {"host", "gw", "origin", "https://ui", NULL, NULL, NULL, NULL, NULL,
					 NULL, NULL};
		const char *any[] = {"*"};
		size_t n = 4;
		c.trusted_proxies = proxies;
		c.trusted_proxy_count = 2;
		c.own = &own;
		c.own_count = 1;
		c.ui.allowed_origins = (struct oc_config_strings){.list = any, .count = 1};
		c.auth.proxy.user_header = "x-user";
		c.auth.proxy.allow_users = (struct oc_config_strings){.list = users, .count = 2};
		c.auth.proxy.required_headers = (struct oc_config_strings){.list = need, .count = 1};
		c.auth.proxy.allow_loopback = rows[i].allow_loopback;
		c.auth.proxy.grants = &grant;
		c.auth.proxy.grant_count = 1;
		if (rows[i].xff) {
			headers[n++] = "x-forwarded-for";
			headers[n++] = rows[i].xff;
		}
		if (rows[i].user) {
			headers[n++] = "x-user";
			headers[n++] = rows[i].user;
		}
		if (rows[i].secret) {
			headers[n++] = "x-secret";
			headers[n++] = rows[i].secret;
		}
		struct oc_auth_peer peer = peer_of(&c, rows[i].from, headers);
		struct oc_auth_connect p = client("openclaw-control-ui", "webchat");
		struct oc_auth_verdict v = decide(&c, &peer, &p);
		print_message("# proxy row %zu: %s\n", i, v.ok ? v.user : v.message);
		if (rows[i].why) {
			refused(&v, "INVALID_REQUEST", peer.reject ? peer.reject : rows[i].why);
			assert_string_equal(peer.proxy_why, rows[i].why);
			assert_string_equal(peer.user, "");
		} else {
			assert_true(v.ok && v.method == OC_AUTH_BY_PROXY);
			assert_int_equal(v.scopes.count, strcmp(v.user, "bob") == 0 ? 2 : 0);
		}
	}
}

static void test_scopes_header(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_NONE);
	const char *capped[] = {"host", "localhost", "x-openclaw-scopes", "operator.read", NULL};
	const char *empty[] = {"host", "localhost", "x-openclaw-scopes", "", NULL};
	struct oc_auth_verdict v;

	struct oc_auth_peer p = peer_of(&c, "127.0.0.1", capped);
	oc_auth_http(auth, &c, &p, NULL, NOW, 0, &arena, &v);
	assert_true(v.ok);
	assert_int_equal(v.scopes.count, 1);
	p = peer_of(&c, "127.0.0.1", empty);
	oc_auth_http(auth, &c, &p, NULL, NOW, 0, &arena, &v);
	assert_true(v.ok);
	assert_int_equal(v.scopes.count, 0);
	/* A shared secret is the operator himself: the header does not matter. */
	c = config(OC_AUTH_TOKEN);
	p = peer_of(&c, "127.0.0.1", capped);
	oc_auth_http(auth, &c, &p, "bearer  " TOKEN, NOW, 0, &arena, &v);
	assert_true(v.ok && v.owner);
	assert_int_equal(v.scopes.count, 6);
	oc_auth_http(auth, &c, &p, "Basic " TOKEN, NOW, 0, &arena, &v);
	assert_int_equal(v.http_status, 401);
}

/* --- failed attempts --- */

static void test_limit(void **state)
{
	(void)state;
	static const char *lan[] = {"host", "192.168.1.5", NULL};
	static const char *page[] = {"host", "localhost", "origin", "http://localhost:3000", NULL};
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer far = peer_of(&c, "192.168.1.9", lan), here = peer_of(&c, "127.0.0.1", local_headers),
			    browser = peer_of(&c, "127.0.0.1", page);
	struct oc_auth_connect p = client("cli", "cli");
	struct oc_auth_verdict v;

	p.token = NULL; /* nothing given: does not count */
	for (int i = 0; i < 10; i++)
		v = decide(&c, &far, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_MISSING");
	for (int i = 0; i < 3; i++) {
		p.token = "wrong";
		v = decide(&c, &far, &p);
		refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH");
	}
	p.token = TOKEN; /* even the right one */
	v = decide(&c, &far, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_RATE_LIMITED");
	assert_int_equal(v.retry_after_ms, 300000);
	assert_true(v.retryable);
	oc_auth_http(auth, &c, &far, "Bearer " TOKEN, NOW, p.mono_ms, &arena, &v);
	assert_int_equal(v.http_status, 429);
	/* Others are not hit. */
	v = decide(&c, &here, &p);
	assert_true(v.ok);
	p.mono_ms += 300001;
	v = decide(&c, &far, &p);
	assert_true(v.ok);
	/* A success clears; a window that passed does too. */
	p.token = "wrong";
	decide(&c, &far, &p);
	decide(&c, &far, &p);
	p.mono_ms += 60001;
	decide(&c, &far, &p);
	p.token = TOKEN;
	v = decide(&c, &far, &p);
	assert_true(v.ok);
	/* Loopback is slowed, never locked; a page in a local browser is locked, by its origin. */
	p.token = "wrong";
	for (int i = 0; i < 20; i++)
		v = decide(&c, &here, &p);
	assert_int_equal(v.delay_ms, 1000);
	refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH");
	for (int i = 0; i < 4; i++)
		v = decide(&c, &browser, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_RATE_LIMITED");
	p.token = TOKEN;
	v = decide(&c, &here, &p);
	assert_true(v.ok);
}

static void test_limit_bounded(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_limit *l = oc_limit_new();
	char key[32];

	for (int i = 0; i < 3; i++)
		oc_limit_failed(l, &c, OC_LIMIT_SHARED, "victim", false, 1);
	for (int i = 0; i < 3 * OC_LIMIT_KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		oc_limit_failed(l, &c, OC_LIMIT_SHARED, key, false, 2 + i);
	}
	/* A flood of others does not free the one that is locked. */
	assert_int_not_equal(oc_limit_locked(l, OC_LIMIT_SHARED, "victim", 100), 0);
	assert_int_equal(oc_limit_locked(l, OC_LIMIT_SHARED, "k0", 100), 0);
	oc_limit_free(l);
}

/* --- devices --- */

static void test_pair_local(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer here = peer_of(&c, "127.0.0.1", local_headers);
	struct oc_auth_connect p = client("openclaw-tui", "ui");
	struct stat st;

	p.token = TOKEN;
	with_device(&p);
	struct oc_auth_verdict v = decide(&c, &here, &p);
	assert_true(v.ok);
	assert_string_equal(v.device_id, device_id);
	assert_int_equal(v.scopes.count, 2);
	assert_int_equal(strlen(v.device_token), 43);
	const char *token = v.device_token;
	/* The same token again, and after a restart. */
	v = decide(&c, &here, &p);
	assert_string_equal(v.device_token, token);
	reopen();
	v = decide(&c, &here, &p);
	assert_string_equal(v.device_token, token);
	/* It enters alone, from elsewhere too. */
	static const char *lan[] = {"host", "192.168.1.5", NULL};
	struct oc_auth_peer far = peer_of(&c, "192.168.1.9", lan);
	p.token = token;
	with_device(&p);
	v = decide(&c, &far, &p);
	assert_true(v.ok && v.method == OC_AUTH_BY_DEVICE_TOKEN && !v.owner);
	assert_string_equal(v.device_token, token);
	/* Not without the key of the device. */
	device.signature = "AAAA";
	v = decide(&c, &far, &p);
	refused(&v, "INVALID_REQUEST", "DEVICE_AUTH_SIGNATURE_INVALID");
	p.device = NULL;
	v = decide(&c, &far, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH");
	/* As a Bearer with its own scopes. */
	oc_auth_http(auth, &c, &far, oc_arena_printf(&arena, "Bearer %s", token), NOW, 0, &arena, &v);
	assert_true(v.ok && v.method == OC_AUTH_BY_DEVICE_TOKEN);
	assert_int_equal(v.scopes.count, 2);
	assert_false(oc_scopes_allow(&v.scopes, "operator.admin"));
	/* No token in the store, and nobody else reads it. */
	assert_int_equal(fstatat(state_fd, "devices/paired.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	oc_auto_buf text = {0};
	int fd = openat(state_fd, "devices/paired.json", O_RDONLY);
	assert_int_equal(oc_read_all(fd, &text, 1 << 20), 0);
	close(fd);
	assert_null(strstr(text.data, token));
}

static const char *json_text(const char *json, const char *key)
{
	struct oc_json *v;
	assert_int_equal(oc_json_parse(&arena, json, strlen(json), "x", &v, NULL), 0);
	v = oc_json_get(v, key);
	return v ? v->string : NULL;
}

static struct oc_auth_answer call(const struct oc_auth_caller *who, const char *method, const char *params)
{
	struct oc_auth_answer a;
	struct oc_json *v;
	assert_int_equal(oc_json_parse_message(&arena, params, strlen(params), "p", 1 << 20, &v, NULL), 0);
	assert_true(oc_auth_call(auth, who, method, v, NOW, &arena, &a));
	return a;
}

static const char *admin_list[] = {"operator.admin"};
static const char *pairing_list[] = {"operator.pairing", "operator.read"};
static const struct oc_auth_caller admin = {.scopes = {.list = admin_list, .count = 1}};

static void test_pair_far(void **state)
{
	(void)state;
	static const char *lan[] = {"host", "192.168.1.5", NULL};
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer far = peer_of(&c, "192.168.1.9", lan);
	struct oc_auth_connect p = client("openclaw-macos", "ui");

	p.token = TOKEN;
	with_device(&p);
	struct oc_auth_verdict v = decide(&c, &far, &p);
	refused(&v, "NOT_PAIRED", "PAIRING_REQUIRED");
	assert_string_equal(json_text(v.details, "reason"), "not-paired");
	assert_non_null(v.pair_requested);
	const char *id = json_text(v.details, "requestId");
	assert_non_null(strstr(v.close_reason, id));
	/* Again: the same request, not announced twice. */
	p.now_ms++;
	v = decide(&c, &far, &p);
	assert_string_equal(json_text(v.details, "requestId"), id);
	assert_null(v.pair_requested);
	/* Who may only pair cannot give what he has not. */
	struct oc_auth_caller weak = {.scopes = {.list = pairing_list, .count = 2}};
	struct oc_auth_answer a = call(&weak, "device.pair.approve", oc_arena_printf(&arena, "{\"requestId\":\"%s\"}", id));
	assert_false(a.ok);
	assert_string_equal(a.code, "FORBIDDEN");
	struct oc_auth_caller reader = {.scopes = {.list = pairing_list + 1, .count = 1}};
	a = call(&reader, "device.pair.list", "{}");
	assert_string_equal(a.message, "missing scope: operator.pairing");
	/* Another device's token sees nothing of it. */
	struct oc_auth_caller other = {.scopes = weak.scopes, .device_id = "x", .by_device_token = true};
	a = call(&other, "device.pair.list", "{}");
	assert_null(strstr(a.payload, id));
	a = call(&admin, "device.pair.list", "{}");
	assert_non_null(strstr(a.payload, id));
	a = call(&admin, "device.pair.approve", "{\"requestId\":\"nope\"}");
	assert_false(a.ok);
	a = call(&admin, "device.pair.approve", oc_arena_printf(&arena, "{\"requestId\":\"%s\",\"x\":1}", id));
	assert_false(a.ok);
	a = call(&admin, "device.pair.approve", oc_arena_printf(&arena, "{\"requestId\":\"%s\"}", id));
	assert_true(a.ok);
	assert_string_equal(a.event, "device.pair.resolved");
	assert_null(strstr(a.payload, "\"token\""));
	v = decide(&c, &far, &p);
	assert_true(v.ok && v.device_token);
	/* More scopes: a new request. */
	static const char *more[] = {"operator.read", "operator.admin"};
	p.scopes.list = more;
	with_device(&p);
	v = decide(&c, &far, &p);
	refused(&v, "NOT_PAIRED", "scope-upgrade");
	p.role = "node";
	with_device(&p);
	v = decide(&c, &far, &p);
	refused(&v, "NOT_PAIRED", "role-upgrade");
	assert_non_null(v.pair_resolved); /* the one before is replaced */
	p.role = NULL;
	p.scopes.count = 1;
	p.platform = "windows";
	with_device(&p);
	v = decide(&c, &far, &p);
	refused(&v, "NOT_PAIRED", "metadata-upgrade");
	/* Requests die. */
	oc_auth_tick(auth, p.now_ms + 300002, 0);
	a = call(&admin, "device.pair.list", "{}");
	assert_non_null(strstr(a.payload, "\"pending\":[]"));
}

static void test_auto_approve_rows(void **state)
{
	(void)state;
	static const char *page[] = {"host", "localhost:18789", "origin", "http://localhost:18789", NULL};
	static const char *foreign[] = {"host", "localhost:18789", "origin", "https://ui.example", NULL};
	static const char *allowed[] = {"https://ui.example"};
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_connect p = client("openclaw-control-ui", "webchat");
	struct oc_auth_verdict v;

	c.ui.allowed_origins = (struct oc_config_strings){.list = allowed, .count = 1};
	p.token = TOKEN;
	with_device(&p);
	struct oc_auth_peer peer = peer_of(&c, "127.0.0.1", foreign);
	v = decide(&c, &peer, &p);
	refused(&v, "NOT_PAIRED", "not-paired");
	peer = peer_of(&c, "127.0.0.1", page);
	v = decide(&c, &peer, &p);
	assert_true(v.ok);
	assert_non_null(v.pair_resolved);
	const char *token = v.device_token;
	/* A wider scope with the device token alone has to be approved, also here. */
	static const char *more[] = {"operator.read", "operator.admin"};
	p.scopes.list = more;
	p.token = token;
	with_device(&p);
	v = decide(&c, &peer, &p);
	refused(&v, "NOT_PAIRED", "scope-upgrade");
	p.token = TOKEN;
	with_device(&p);
	v = decide(&c, &peer, &p);
	assert_true(v.ok);
	/* Another platform: not from a browser, from a program of this host. */
	p.platform = "windows";
	with_device(&p);
	v = decide(&c, &peer, &p);
	refused(&v, "NOT_PAIRED", "metadata-upgrade");
	c.auto_approve_local = false;
	reopen();
	p.role = "node";
	with_device(&p);
	v = decide(&c, &peer, &p);
	refused(&v, "NOT_PAIRED", "role-upgrade");
}

static void test_tokens(void **state)
{
	(void)state;
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer here = peer_of(&c, "127.0.0.1", local_headers);
	struct oc_auth_connect p = client("openclaw-tui", "ui");
	const char *params = oc_arena_printf(&arena, "{\"deviceId\":\"%s\",\"role\":\"operator\"}", device_id);

	p.token = TOKEN;
	with_device(&p);
	struct oc_auth_verdict v = decide(&c, &here, &p);
	const char *first = v.device_token;
	/* Rotated by somebody else: not told, sockets dropped, old one worthless. */
	struct oc_auth_answer a = call(&admin, "device.token.rotate", params);
	assert_true(a.ok);
	assert_string_equal(json_text(a.payload, "tokenDelivery"), "withheld-cross-device");
	assert_null(json_text(a.payload, "token"));
	assert_string_equal(a.drop_device, device_id);
	p.token = first;
	with_device(&p);
	v = decide(&c, &here, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_TOKEN_MISMATCH");
	p.token = NULL;
	p.device_token = first;
	with_device(&p);
	v = decide(&c, &here, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_DEVICE_TOKEN_MISMATCH");
	/* By itself, with fewer scopes. */
	p.device_token = NULL;
	p.token = TOKEN;
	with_device(&p);
	v = decide(&c, &here, &p);
	struct oc_auth_caller self = {.scopes = {.list = pairing_list, .count = 2}, .device_id = device_id,
				      .by_device_token = true};
	a = call(&self, "device.token.rotate", params);
	assert_false(a.ok); /* write is more than it has */
	a = call(&self, "device.token.rotate",
		 oc_arena_printf(&arena, "{\"deviceId\":\"%s\",\"role\":\"operator\",\"scopes\":[\"operator.read\"]}", device_id));
	assert_true(a.ok);
	const char *own = json_text(a.payload, "token");
	assert_non_null(own);
	assert_null(a.drop_device);
	p.token = own;
	with_device(&p);
	v = decide(&c, &here, &p);
	refused(&v, "INVALID_REQUEST", "AUTH_SCOPE_MISMATCH");
	static const char *read[] = {"operator.read"};
	p.scopes = (struct oc_scopes){.list = read, .count = 1};
	with_device(&p);
	v = decide(&c, &here, &p);
	assert_true(v.ok);
	/* Revoked. */
	a = call(&admin, "device.token.revoke", params);
	assert_true(a.ok && a.drop_role);
	v = decide(&c, &here, &p);
	assert_false(v.ok);
	reopen();
	v = decide(&c, &here, &p);
	assert_false(v.ok);
	a = call(&admin, "device.pair.rename", oc_arena_printf(&arena, "{\"deviceId\":\"%s\",\"label\":\"my\\u001bphone\"}", device_id));
	assert_false(a.ok);
	a = call(&admin, "device.pair.rename", oc_arena_printf(&arena, "{\"deviceId\":\"%s\",\"label\":\"my phone\"}", device_id));
	assert_true(a.ok);
	a = call(&admin, "device.pair.remove", oc_arena_printf(&arena, "{\"deviceId\":\"%s\"}", device_id));
	assert_true(a.ok);
	assert_null(auth->devices);
}

static void test_store_hostile(void **state)
{
	(void)state;
	static const char *const bad[] = {"{", "[]x", "{\"a\":{}}", "{\"a\":{\"deviceId\":\"a\",\"publicKey\":\"AA\"}}"};
	struct oc_auth *a;
	struct oc_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = openat(state_fd, "devices/paired.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, bad[i], strlen(bad[i])), strlen(bad[i]));
		close(fd);
		assert_int_equal(oc_auth_open(state_fd, &a, &err), -1);
		assert_non_null(strstr(err.msg, "paired.json"));
	}
	/* Of another program, with a token as it is: the token goes on. */
	const char *old = oc_arena_printf(&arena,
		"{\"%s\":{\"deviceId\":\"%s\",\"publicKey\":\"%s\",\"role\":\"operator\",\"scopes\":[\"operator.read\","
		"\"operator.write\"],\"tokens\":{\"operator\":{\"token\":\"legacy-token\",\"role\":\"operator\",\"scopes\":"
		"[\"operator.read\",\"operator.write\"],\"createdAtMs\":1}}}}", device_id, device_id, device_key);
	int fd = openat(state_fd, "devices/paired.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, old, strlen(old)), strlen(old));
	close(fd);
	reopen();
	struct oc_config c = config(OC_AUTH_TOKEN);
	struct oc_auth_peer here = peer_of(&c, "127.0.0.1", local_headers);
	struct oc_auth_connect p = client("openclaw-tui", "ui");
	p.token = "legacy-token";
	with_device(&p);
	struct oc_auth_verdict v = decide(&c, &here, &p);
	assert_true(v.ok && v.method == OC_AUTH_BY_DEVICE_TOKEN);
	assert_string_equal(v.device_token, "legacy-token");
}

static void test_small(void **state)
{
	(void)state;
	unsigned char out[8];
	static const char *w[] = {"operator.write"};
	struct oc_scopes write = {.list = w, .count = 1};

	assert_int_equal(oc_base64_decode("-_-_", out, 8), 3);
	assert_int_equal(oc_base64_decode("+/+/", out, 8), 3);
	assert_int_equal(oc_base64_decode("AA==", out, 8), 1);
	assert_int_equal(oc_base64_decode("AA=", out, 8), -1);
	assert_int_equal(oc_base64_decode("A", out, 8), -1);
	assert_int_equal(oc_base64_decode("A A", out, 8), -1);
	assert_int_equal(oc_base64_decode("AAAAAAAAAAAAAAAA", out, 8), -1);
	assert_true(oc_secret_equal("abc", "abc"));
	assert_false(oc_secret_equal("abc", "abcd"));
	assert_false(oc_secret_equal("", ""));
	assert_false(oc_secret_equal(NULL, NULL));
	assert_true(oc_scopes_allow(&write, "operator.read"));
	assert_false(oc_scopes_allow(&write, "operator.approvals"));
	assert_true(oc_scopes_allow(&admin.scopes, "operator.anything"));
	assert_false(oc_scopes_allow(&admin.scopes, "node.x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vector, begin, end),
		cmocka_unit_test_setup_teardown(test_proof_rows, begin, end),
		cmocka_unit_test_setup_teardown(test_table, begin, end),
		cmocka_unit_test_setup_teardown(test_no_credential, begin, end),
		cmocka_unit_test_setup_teardown(test_addresses, begin, end),
		cmocka_unit_test_setup_teardown(test_origins, begin, end),
		cmocka_unit_test_setup_teardown(test_proxy_rows, begin, end),
		cmocka_unit_test_setup_teardown(test_scopes_header, begin, end),
		cmocka_unit_test_setup_teardown(test_limit, begin, end),
		cmocka_unit_test(test_limit_bounded),
		cmocka_unit_test_setup_teardown(test_pair_local, begin, end),
		cmocka_unit_test_setup_teardown(test_pair_far, begin, end),
		cmocka_unit_test_setup_teardown(test_auto_approve_rows, begin, end),
		cmocka_unit_test_setup_teardown(test_tokens, begin, end),
		cmocka_unit_test_setup_teardown(test_store_hostile, begin, end),
		cmocka_unit_test_setup_teardown(test_small, begin, end),
	};

	if (cm_skip_without_openat2())
		return 0;
	make_keys();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
