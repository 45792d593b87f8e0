/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - the proof that a client holds the key of the device that it says it is (Ed25519, RFC 8032).  Pure.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/internal.h"

enum { key_bytes = 32, signature_bytes = 64 };

/* RFC 8410: what stands before the 32 bytes in a SubjectPublicKeyInfo. */
static const unsigned char spki_head[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

static int key_of_pem(const char *text, unsigned char out[32])
{
	char body[96];
	unsigned char der[64];
	size_t n = 0;
	const char *p = strstr(text, "-----BEGIN PUBLIC KEY-----");

	if (!p)
		return -1;
	p += strlen("-----BEGIN PUBLIC KEY-----");
	for (; *p && *p != '-'; p++) {
		if (*p == '\n' || *p == '\r' || *p == ' ')
			continue;
		if (n + 1 >= sizeof(body))
			return -1;
		body[n++] = *p;
	}
	body[n] = 0;
	if (strncmp(p, "-----END PUBLIC KEY-----", 24) != 0 ||
	    oc_base64_decode(body, der, sizeof(der)) != (int)sizeof(spki_head) + key_bytes ||
	    memcmp(der, spki_head, sizeof(spki_head)) != 0)
		return -1;
	memcpy(out, der + sizeof(spki_head), key_bytes);
	return 0;
}

int oc_device_key(const char *text, unsigned char out[32])
{
	unsigned char raw[key_bytes];

	if (strstr(text, "BEGIN"))
		return key_of_pem(text, out);
	if (oc_base64_decode(text, raw, sizeof(raw)) != key_bytes)
		return -1;
	memcpy(out, raw, key_bytes);
	return 0;
}

const char *oc_device_plain(struct oc_arena *a, const char *s)
{
	if (!s)
		return "";
	s += strspn(s, " \t\r\n\v\f");
	size_t n = strlen(s);
	while (n > 0 && strchr(" \t\r\n\v\f", s[n - 1]))
		n--;
	char *out = oc_arena_strndup(a, s, n);
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return out;
}

const char *oc_device_payload(struct oc_arena *a, const struct oc_auth_connect *p, int version)
{
	const struct oc_auth_device *d = p->device;
	const char *token = p->token	       ? p->token
			    : p->device_token  ? p->device_token
			    : p->bootstrap_token ? p->bootstrap_token
						 : "";
	oc_auto_buf b = {0};

	oc_buf_printf(&b, "v%d|%s|%s|%s|%s|", version, d->id, p->client_id, p->client_mode,
		      p->role ? p->role : "operator");
	for (size_t i = 0; i < p->scopes.count; i++)
		oc_buf_printf(&b, "%s%s", i ? "," : "", p->scopes.list[i]);
	oc_buf_printf(&b, "|%lld|%s|%s", (long long)d->signed_at, token, d->nonce);
	if (version == 3)
		oc_buf_printf(&b, "|%s|%s", oc_device_plain(a, p->platform),
			      oc_device_plain(a, p->device_family));
	return oc_arena_strndup(a, b.data, b.len);
}

static bool verify(const unsigned char key[32], const unsigned char *sig, const char *text)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, key_bytes);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestVerify(ctx, sig, signature_bytes, (const unsigned char *)text,
				   strlen(text)) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

static void fingerprint(const unsigned char key[32], char out[65])
{
	unsigned char md[SHA256_DIGEST_LENGTH];

	SHA256(key, key_bytes, md);
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(out + 2 * i, 3, "%02x", md[i]);
}

struct oc_proof oc_device_prove(struct oc_arena *a, const struct oc_auth_connect *p)
{
	const struct oc_auth_device *d = p->device;
	unsigned char key[key_bytes], sig[signature_bytes];
	char id[65];

	/* Whoever cannot be read cannot be the device either; the key's own message comes first. */
	if (oc_device_key(d->public_key, key) < 0)
		return (struct oc_proof){"DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key",
					 "device public key invalid"};
	fingerprint(key, id);
	if (strcmp(id, d->id) != 0)
		return (struct oc_proof){"DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch",
					 "device identity mismatch"};
	if (d->signed_at > p->now_ms + OC_DEVICE_SKEW_MS ||
	    d->signed_at < p->now_ms - OC_DEVICE_SKEW_MS)
		return (struct oc_proof){"DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale",
					 "device signature expired"};
	if (!d->nonce || d->nonce[strspn(d->nonce, " \t")] == 0)
		return (struct oc_proof){"DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing",
					 "device nonce required"};
	if (!p->challenge || strcmp(d->nonce, p->challenge) != 0)
		return (struct oc_proof){"DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch",
					 "device nonce mismatch"};
	if (oc_base64_decode(d->signature, sig, sizeof(sig)) != signature_bytes ||
	    (!verify(key, sig, oc_device_payload(a, p, 3)) &&
	     !verify(key, sig, oc_device_payload(a, p, 2))))
		return (struct oc_proof){"DEVICE_AUTH_SIGNATURE_INVALID", "device-signature",
					 "device signature invalid"};
	return (struct oc_proof){0};
}
