# Who may enter.  libcrypto: SHA-256, HMAC, Ed25519.
if HAVE_GATEWAY
noinst_LIBRARIES += libocgwauth.a
endif
libocgwauth_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libocgwauth_a_SOURCES = \
	gateway/auth/auth.h \
	gateway/auth/call.c \
	gateway/auth/connect.c \
	gateway/auth/decide.c \
	gateway/auth/device.c \
	gateway/auth/http.c \
	gateway/auth/internal.h \
	gateway/auth/limit.c \
	gateway/auth/peer.c \
	gateway/auth/scopes.c \
	gateway/auth/secret.c \
	gateway/auth/store.c
