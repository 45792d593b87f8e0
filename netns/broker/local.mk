# The monitor's end, linked into the launcher.
noinst_LIBRARIES += libocbroker.a
libocbroker_a_SOURCES = netns/broker/broker.h netns/broker/start.c

pkglibexec_PROGRAMS += oc-egress
oc_egress_SOURCES = \
	netns/broker/ask.c \
	netns/broker/budget.c \
	netns/broker/conn.c \
	netns/broker/control.c \
	netns/broker/dial.c \
	netns/broker/end.c \
	netns/broker/internal.h \
	netns/broker/jail.c \
	netns/broker/log.c \
	netns/broker/loop.c \
	netns/broker/main.c \
	netns/broker/names.c \
	netns/broker/relay.c \
	netns/broker/resolve.c
oc_egress_CFLAGS = $(AM_CFLAGS) $(CARES_CFLAGS)
oc_egress_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack
# Without its jail: shows that verify sees that.  Never installed.
check_PROGRAMS += oc-egress-weak
oc_egress_weak_SOURCES = $(oc_egress_SOURCES)
oc_egress_weak_CPPFLAGS = $(AM_CPPFLAGS) -DOC_TEST_WEAKEN
oc_egress_weak_CFLAGS = $(oc_egress_CFLAGS)
oc_egress_weak_LDFLAGS = $(oc_egress_LDFLAGS)
oc_egress_weak_LDADD = $(oc_egress_LDADD)
oc_egress_LDADD = libocnetpolicy.a libocbase.a $(CARES_LIBS)

# Its system call filter, as rows of an array.
BUILT_SOURCES += netns/broker/filter.inc
CLEANFILES += netns/broker/filter.inc netns/broker/filter.inc.tmp
netns/broker/filter.inc: oc-seccompc$(EXEEXT) $(srcdir)/profiles/seccomp/egress.json
	$(AM_V_GEN)$(MKDIR_P) netns/broker && ./oc-seccompc$(EXEEXT) --emit-rows $(srcdir)/profiles/seccomp/egress.json > $@.tmp && mv $@.tmp $@
