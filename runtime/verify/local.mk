# What oc-sandbox verify and doctor are made of, and the program that is run inside.
noinst_LIBRARIES += libocverify.a
libocverify_a_SOURCES = \
	runtime/verify/claims.c runtime/verify/claims.h \
	runtime/verify/claims_net.c \
	runtime/verify/host.c runtime/verify/host.h \
	runtime/verify/host_cgroup.c \
	runtime/verify/host_net.c \
	runtime/verify/host_try.c \
	runtime/verify/judge.c \
	runtime/verify/kept.c runtime/verify/kept.h \
	runtime/verify/outside.c runtime/verify/outside.h \
	runtime/verify/outside_net.c \
	runtime/verify/report.c \
	runtime/verify/verify.c runtime/verify/verify.h

pkglibexec_PROGRAMS += oc-probe
oc_probe_SOURCES = \
	runtime/verify/probe.c runtime/verify/probe.h \
	runtime/verify/probe_files.c \
	runtime/verify/probe_net.c \
	runtime/verify/probe_process.c \
	runtime/verify/probe_seccomp.c
oc_probe_LDFLAGS = $(LAUNCHER_LDFLAGS)
# It runs behind filter and limits: no sanitizer, in whatever way the rest is built.
oc_probe_CFLAGS = -std=gnu17 $(WARN_CFLAGS) $(HARDEN_CFLAGS)

include $(top_srcdir)/tests/unit/verify.mk
