# sources of runtime/plan
noinst_LIBRARIES += libocplan.a
libocplan_a_SOURCES = \
	runtime/plan/config.c \
	runtime/plan/disk.c \
	runtime/plan/docker.c \
	runtime/plan/egress.c \
	runtime/plan/env.c \
	runtime/plan/etc.c \
	runtime/plan/identity.c \
	runtime/plan/internal.h \
	runtime/plan/keys.c runtime/plan/keys.h \
	runtime/plan/layer.c runtime/plan/layer.h \
	runtime/plan/mounts.c \
	runtime/plan/parse.c \
	runtime/plan/parse_mount.c \
	runtime/plan/plan.c runtime/plan/plan.h \
	runtime/plan/print.c \
	runtime/plan/profile.c \
	runtime/plan/rootfs.c \
	runtime/plan/secrets.c runtime/plan/secrets.h \
	runtime/plan/source.c \
	runtime/plan/target.c

# Profiles are C string literals in the program: nothing to find, nothing to be replaced at run time.
oc_profile_incs = \
	runtime/plan/profile-build.inc \
	runtime/plan/profile-default.inc \
	runtime/plan/profile-strict.inc
BUILT_SOURCES += $(oc_profile_incs)
CLEANFILES += $(oc_profile_incs)
oc_profile_rule = $(AM_V_GEN)$(MKDIR_P) runtime/plan && \
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/'
runtime/plan/profile-build.inc: $(top_srcdir)/profiles/build.json
	$(oc_profile_rule) $(top_srcdir)/profiles/build.json > $@.tmp && mv $@.tmp $@
runtime/plan/profile-default.inc: $(top_srcdir)/profiles/default.json
	$(oc_profile_rule) $(top_srcdir)/profiles/default.json > $@.tmp && mv $@.tmp $@
runtime/plan/profile-strict.inc: $(top_srcdir)/profiles/strict.json
	$(oc_profile_rule) $(top_srcdir)/profiles/strict.json > $@.tmp && mv $@.tmp $@
runtime/plan/profile.$(OBJEXT): $(oc_profile_incs)
dist_pkgdata_DATA += \
	profiles/build.json \
	profiles/default.json \
	profiles/strict.json
# what the host would later run or trust
libocplan_a_SOURCES += \
	runtime/plan/guard.c runtime/plan/guard.h \
	runtime/plan/guard_base.c \
	runtime/plan/guard_config.c runtime/plan/guard_config.h \
	runtime/plan/guard_git.c \
	runtime/plan/guard_move.c \
	runtime/plan/guard_names.c runtime/plan/guard_names.h \
	runtime/plan/guard_priv.h \
	runtime/plan/guard_walk.c
