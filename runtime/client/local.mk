# The client.  Its sources are part of oc-sandbox itself, and of libocsandbox, which is made of nothing else than these, the door
# of live sandboxes and base: no launch code.
noinst_LIBRARIES += libocclient.a
libocclient_a_SOURCES = \
	runtime/client/client.h \
	runtime/client/event.c \
	runtime/client/ocsandbox.h \
	runtime/client/open.c \
	runtime/client/receive.c \
	runtime/client/request.c \
	runtime/client/send.c

OC_LIBRARY_C = $(filter %.c,$(libocclient_a_SOURCES)) \
	base/arena.c base/conftext.c base/err.c base/fd.c base/json_read.c base/json_write.c base/utf8.c \
	runtime/launch/rundir.c \
	runtime/session/door.c runtime/session/door_call.c
OC_LIBRARY_OBJECTS = $(patsubst %.c,pic/%.o,$(OC_LIBRARY_C))
OC_LIBRARY_SONAME = libocsandbox.so.0
OC_LIBRARY_FILE = $(OC_LIBRARY_SONAME).1.0

# Both from the same objects, without libtool.  The static one is a single object, too, in which only ocs_* can be seen.
pic/%.o: %.c
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) -std=gnu17 $(WARN_CFLAGS) \
		$(HARDEN_CFLAGS) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<
$(OC_LIBRARY_FILE): $(OC_LIBRARY_OBJECTS) runtime/client/libocsandbox.map
	$(AM_V_CCLD)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(OC_LIBRARY_SONAME) \
		-Wl,--version-script=$(srcdir)/runtime/client/libocsandbox.map -Wl,-z,defs,-z,relro,-z,now,-z,noexecstack \
		-o $@ $(OC_LIBRARY_OBJECTS)
libocsandbox.a: $(OC_LIBRARY_OBJECTS)
	$(AM_V_AR)rm -f $@ && $(LD) -r -o pic/libocsandbox.o $(OC_LIBRARY_OBJECTS) && \
		$(OBJCOPY) --wildcard --keep-global-symbol='ocs_*' pic/libocsandbox.o && $(AR) $(ARFLAGS) $@ pic/libocsandbox.o
-include $(OC_LIBRARY_OBJECTS:.o=.d)

include_HEADERS = runtime/client/ocsandbox.h
oclibdir = $(libdir)
oclib_DATA = libocsandbox.a $(OC_LIBRARY_FILE)
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = runtime/client/ocsandbox.pc
EXTRA_DIST += runtime/client/libocsandbox.map

install-data-hook:
	cd $(DESTDIR)$(libdir) && ln -sf $(OC_LIBRARY_FILE) $(OC_LIBRARY_SONAME) && ln -sf $(OC_LIBRARY_SONAME) libocsandbox.so
uninstall-hook:
	rm -f $(DESTDIR)$(libdir)/$(OC_LIBRARY_SONAME) $(DESTDIR)$(libdir)/libocsandbox.so

CLEANFILES += libocsandbox.a $(OC_LIBRARY_FILE)
clean-pic:
	rm -rf pic
.PHONY: clean-pic
