# The seccomp profiles, and the program that turns them into filters: at build time for those that are linked into the
# launcher, at run time for --seccomp FILE.
seccompprofiledir = $(pkgdatadir)/seccomp
dist_seccompprofile_DATA = \
	profiles/seccomp/build.json \
	profiles/seccomp/default.json \
	profiles/seccomp/egress.json \
	profiles/seccomp/floor.json \
	profiles/seccomp/gateway.json \
	profiles/seccomp/init.json \
	profiles/seccomp/strict.json

SECCOMPC_SOURCES = \
	profiles/gen/check.c \
	profiles/gen/compile.c \
	profiles/gen/names.c \
	profiles/gen/read.c \
	profiles/gen/seccomp.h

pkglibexec_PROGRAMS += oc-seccompc
oc_seccompc_SOURCES = profiles/gen/oc-seccompc.c $(SECCOMPC_SOURCES)
oc_seccompc_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
oc_seccompc_LDADD = libocbase.a $(SECCOMP_LIBS)

noinst_LIBRARIES += libocfilters.a
libocfilters_a_SOURCES = runtime/launch/filters.h
nodist_libocfilters_a_SOURCES = runtime/launch/filters.c
BUILT_SOURCES += runtime/launch/filters.c
CLEANFILES += runtime/launch/filters.c runtime/launch/filters.c.tmp

runtime/launch/filters.c: oc-seccompc$(EXEEXT) $(dist_seccompprofile_DATA)
	$(AM_V_GEN)$(MKDIR_P) runtime/launch && ./oc-seccompc$(EXEEXT) --emit-c \
		default=$(srcdir)/profiles/seccomp/default.json strict=$(srcdir)/profiles/seccomp/strict.json \
		build=$(srcdir)/profiles/seccomp/build.json init=$(srcdir)/profiles/seccomp/init.json floor=$(srcdir)/profiles/seccomp/floor.json > $@.tmp && mv $@.tmp $@
