# The program: its commands, and all that the server needs.
if HAVE_GATEWAY
bin_PROGRAMS += openclaw
endif
openclaw_SOURCES = \
	gateway/cli/args.c \
	gateway/cli/call.c \
	gateway/cli/cli.h \
	gateway/cli/config.c \
	gateway/cli/devices.c \
	gateway/cli/health.c \
	gateway/cli/out.c \
	gateway/cli/run.c \
	gateway/cli/service.c \
	gateway/cli/ws.c \
	gateway/main.c
openclaw_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS) $(SSL_CFLAGS) $(UV_CFLAGS)
openclaw_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack
openclaw_LDADD = libocgwserver.a libocgwprotocol.a libocgwlog.a libocgwauth.a libocgwconfig.a \
	libocnetpolicy.a libocbase.a $(UV_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(MD_LIBS)
