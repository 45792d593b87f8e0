bin_PROGRAMS += oc-sandbox
OC_SANDBOX_SOURCES = \
	runtime/cli/cli.h \
	runtime/cli/doctor.c \
	runtime/cli/explain.c \
	runtime/cli/main.c \
	runtime/cli/options.c \
	runtime/cli/recover.c \
	runtime/cli/result.c \
	runtime/cli/run.c \
	runtime/cli/verify.c
oc_sandbox_SOURCES = $(OC_SANDBOX_SOURCES)
oc_sandbox_LDADD = libocsession.a libocverify.a liboclaunch.a libocfilters.a libocplan.a libocbase.a $(MD_LIBS)
oc_sandbox_LDFLAGS = $(LAUNCHER_LDFLAGS)

# One layer is left out on request; only the tests use it.
check_PROGRAMS += oc-sandbox-weak
oc_sandbox_weak_SOURCES = $(OC_SANDBOX_SOURCES)
oc_sandbox_weak_LDADD = libocsession.a libocverify.a liboclaunch-weak.a libocfilters.a libocplan.a libocbase.a $(MD_LIBS)
oc_sandbox_weak_LDFLAGS = $(LAUNCHER_LDFLAGS)
