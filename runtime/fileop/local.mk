# oc-fileop: what the file tools of `oc-sandbox mcp` run inside a sandbox.
OC_FILEOP_PARTS = \
	runtime/fileop/edit.c \
	runtime/fileop/fileop.h \
	runtime/fileop/place.c \
	runtime/fileop/read.c \
	runtime/fileop/request.c \
	runtime/fileop/write.c
noinst_LIBRARIES += libocfileop.a
libocfileop_a_SOURCES = $(OC_FILEOP_PARTS)

if HAVE_MUSL
# Small, and quick to start, for the reason that the launcher is; rules and flags are those of runtime/cli/local.mk.
FILEOP_OBJECTS = $(patsubst %.c,musl/%.o,runtime/fileop/main.c $(filter %.c,$(OC_FILEOP_PARTS)) \
	base/arena.c base/err.c base/fd.c base/json_read.c base/json_write.c base/utf8.c)
EXTRA_DIST += runtime/fileop/main.c
pkglibexec_SCRIPTS = oc-fileop
$(filter musl/runtime/fileop/%,$(FILEOP_OBJECTS)): musl/include/stamp | $(BUILT_SOURCES)
oc-fileop: $(FILEOP_OBJECTS)
	$(AM_V_CCLD)$(MUSL_CC) $(CFLAGS) $(LDFLAGS) $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $(FILEOP_OBJECTS) $(MUSL_END)
-include $(FILEOP_OBJECTS:.o=.d)
CLEANFILES += oc-fileop
else
pkglibexec_PROGRAMS += oc-fileop
oc_fileop_SOURCES = runtime/fileop/main.c
oc_fileop_LDADD = libocfileop.a libocbase.a
oc_fileop_LDFLAGS = $(LAUNCHER_LDFLAGS)
endif

include $(top_srcdir)/tests/unit/fileop.mk
