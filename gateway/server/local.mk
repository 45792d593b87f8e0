if HAVE_GATEWAY
noinst_LIBRARIES += libocgwserver.a
endif
libocgwserver_a_SOURCES = \
	gateway/server/count.c \
	gateway/server/http.c \
	gateway/server/internal.h \
	gateway/server/jail.c \
	gateway/server/launcher.c \
	gateway/server/listen.c \
	gateway/server/lock.c \
	gateway/server/network.c \
	gateway/server/note.c \
	gateway/server/server.h \
	gateway/server/sock.c \
	gateway/server/tls.c \
	gateway/server/upgrade.c \
	gateway/server/ws.c \
	gateway/server/wsframe.c \
	gateway/server/wsframe.h
libocgwserver_a_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)

# The system call filter of the network process, as rows of an array.
if HAVE_GATEWAY
BUILT_SOURCES += gateway/server/filter.inc
endif
CLEANFILES += gateway/server/filter.inc gateway/server/filter.inc.tmp
gateway/server/filter.inc: oc-seccompc$(EXEEXT) $(srcdir)/profiles/seccomp/gateway.json
	$(AM_V_GEN)$(MKDIR_P) gateway/server && ./oc-seccompc$(EXEEXT) --emit-rows $(srcdir)/profiles/seccomp/gateway.json > $@.tmp && mv $@.tmp $@
