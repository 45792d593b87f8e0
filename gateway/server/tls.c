/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the context of gateway.tls: TLS 1.2 and later, one certificate.  Files are read here,
 * before the jail.
 */
#include <openssl/err.h>

#include "gateway/server/internal.h"

static int fail(SSL_CTX *ctx, struct oc_err *err, const char *what, const char *path)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof text);
	SSL_CTX_free(ctx);
	oc_fail(err, 0, "cannot use %s %s: %s", what, path, text);
	return oc_err_step(err, "tls");
}

int oc_tls_context(const struct oc_config *c, SSL_CTX **out, struct oc_err *err)
{
	SSL_CTX *ctx;

	*out = NULL;
	if (!c->tls.enabled)
		return 0;
	if (!c->tls.cert || !c->tls.key)
		return oc_fail(err, 0, "gateway.tls is enabled without certPath and keyPath");
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return fail(NULL, err, "TLS", "");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Buffers of idle connections go: they are 34 kB each. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_use_certificate_chain_file(ctx, c->tls.cert) != 1)
		return fail(ctx, err, "the certificate", c->tls.cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, c->tls.key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return fail(ctx, err, "the private key", c->tls.key);
	*out = ctx;
	return 0;
}
