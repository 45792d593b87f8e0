OC_SANDBOX_SOURCES = \
	runtime/cli/cli.h \
	runtime/cli/apply.c \
	runtime/cli/attach.c \
	runtime/cli/diff.c runtime/cli/discard.c \
	runtime/cli/doctor.c \
	runtime/cli/exec.c runtime/cli/exec.h \
	runtime/cli/exec_call.c \
	runtime/cli/explain.c \
	runtime/cli/inspect.c \
	runtime/cli/main.c \
	runtime/cli/mcp.c runtime/cli/mcp.h \
	runtime/cli/mcp_calls.c runtime/cli/mcp_calls.h \
	runtime/cli/mcp_facts.c \
	runtime/cli/mcp_rpc.c \
	runtime/cli/mcp_tools.c \
	runtime/cli/net.c runtime/cli/net.h \
	runtime/cli/net_log.c \
	runtime/cli/options.c \
	runtime/cli/overlay.c runtime/cli/overlay.h \
	runtime/cli/prune.c runtime/cli/ps.c \
	runtime/cli/recover.c runtime/cli/recreate.c \
	runtime/cli/result.c \
	runtime/cli/result_file.c \
	runtime/cli/rm.c runtime/cli/run.c \
	runtime/cli/sessions.c runtime/cli/sessions.h \
	runtime/cli/start.c runtime/cli/stop.c \
	runtime/cli/verify.c
OC_SANDBOX_LIBS = libocfilters.a libocplan.a libocnetsetup.a libocbroker.a libocnetpolicy.a libocbase.a $(MD_LIBS)

if HAVE_MUSL
# The launcher, all of it, with musl: objects below musl/, which the libraries of the tests have no part in.
# musl-gcc sees no header but musl's own; the kernel's and libmd's are shown to it through links.
MUSL_OBJECTS = $(patsubst %.c,musl/%.o,$(filter %.c,$(libocbase_a_SOURCES) $(libocnetpolicy_a_SOURCES) \
	$(libocnetsetup_a_SOURCES) $(libocbroker_a_SOURCES) $(libocplan_a_SOURCES) \
	$(OC_LAUNCH_SOURCES) $(libocsession_a_SOURCES) $(libocclient_a_SOURCES) $(libocverify_a_SOURCES) $(OC_SANDBOX_SOURCES)) \
	runtime/launch/filters.c)
MUSL_CFLAGS = -std=gnu17 $(WARN_CFLAGS) -Wno-conversion -Wno-sign-conversion -fstack-protector-strong -fPIE -isystem musl/include
EXTRA_DIST += $(OC_SANDBOX_SOURCES)
bin_SCRIPTS = oc-sandbox

musl/include/stamp:
	$(AM_V_GEN)$(MKDIR_P) musl/include && for d in linux asm-generic sha256.h sha2.h; do \
		ln -sfn /usr/include/$$d musl/include/$$d || exit 1; done && \
		if test -d /usr/include/$(MUSL_MULTIARCH)/asm; then ln -sfn /usr/include/$(MUSL_MULTIARCH)/asm musl/include/asm; \
		else ln -sfn /usr/include/asm musl/include/asm; fi && touch $@
$(MUSL_OBJECTS): musl/include/stamp | $(BUILT_SOURCES)
musl/%.o: %.c
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(MUSL_CC) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(MUSL_CFLAGS) $(CFLAGS) \
		-MMD -MP -c -o $@ $<
oc-sandbox: $(MUSL_OBJECTS)
	$(AM_V_CCLD)$(MUSL_CC) $(CFLAGS) $(LDFLAGS) $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $(MUSL_OBJECTS) $(LIBMD_A) $(MUSL_END)
-include $(MUSL_OBJECTS:.o=.d)

MUSL_CLEAN = clean-musl
clean-musl:
	rm -rf musl oc-sandbox
else
bin_PROGRAMS += oc-sandbox
oc_sandbox_SOURCES = $(OC_SANDBOX_SOURCES)
oc_sandbox_LDADD = libocclient.a libocsession.a libocverify.a liboclaunch.a $(OC_SANDBOX_LIBS)
oc_sandbox_LDFLAGS = $(LAUNCHER_LDFLAGS)
endif

# One layer is left out on request; only the tests use it.
check_PROGRAMS += oc-sandbox-weak
oc_sandbox_weak_SOURCES = $(OC_SANDBOX_SOURCES)
oc_sandbox_weak_LDADD = libocclient.a libocsession.a libocverify.a liboclaunch-weak.a $(OC_SANDBOX_LIBS)
oc_sandbox_weak_LDFLAGS = $(LAUNCHER_LDFLAGS)
