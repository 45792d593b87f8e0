noinst_LIBRARIES += libocbase.a
libocbase_a_SOURCES = \
	base/arena.c base/arena.h \
	base/conftext.c base/conftext.h \
	base/err.c base/err.h \
	base/fd.c base/fd.h \
	base/json.h base/json_read.c base/json_write.c \
	base/sha256.c base/sha256.h \
	base/utf8.c base/utf8.h
