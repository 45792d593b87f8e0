# openclaw.json as the gateway uses it.  Needs no library of its own.
if HAVE_GATEWAY
noinst_LIBRARIES += libocgwconfig.a
endif
libocgwconfig_a_SOURCES = \
	gateway/config/auth.c \
	gateway/config/config.h \
	gateway/config/edit.c gateway/config/edit.h \
	gateway/config/edit_file.c \
	gateway/config/gateway.c \
	gateway/config/internal.h \
	gateway/config/load.c \
	gateway/config/mask.c \
	gateway/config/near.c gateway/config/near.h \
	gateway/config/path.c gateway/config/path.h \
	gateway/config/read.c \
	gateway/config/rest.c \
	gateway/config/schema.c \
	gateway/config/secret.c \
	gateway/config/state.c gateway/config/state.h \
	gateway/config/values.c
