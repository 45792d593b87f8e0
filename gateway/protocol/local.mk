if HAVE_GATEWAY
noinst_LIBRARIES += libocgwlog.a libocgwprotocol.a
endif
libocgwprotocol_a_SOURCES = \
	gateway/protocol/connect.c \
	gateway/protocol/frame.c \
	gateway/protocol/hello.c \
	gateway/protocol/hub.c \
	gateway/protocol/internal.h \
	gateway/protocol/methods.c \
	gateway/protocol/params.c \
	gateway/protocol/presence.c \
	gateway/protocol/protocol.h \
	gateway/protocol/system.c
libocgwlog_a_SOURCES = gateway/log/log.c gateway/log/log.h gateway/log/tail.c
