noinst_LIBRARIES += libocnetpolicy.a
libocnetpolicy_a_SOURCES = \
	netns/policy/addr.c netns/policy/addr.h \
	netns/policy/addr_text.c \
	netns/policy/check.c netns/policy/check.h \
	netns/policy/dns.c netns/policy/dns.h \
	netns/policy/http.c netns/policy/http.h \
	netns/policy/names.c netns/policy/names.h \
	netns/policy/reason.c \
	netns/policy/record.c netns/policy/record.h \
	netns/policy/rule_parse.c \
	netns/policy/rules.c netns/policy/rules.h \
	netns/policy/suffix.c \
	netns/policy/synth.c netns/policy/synth.h \
	netns/policy/tls.c netns/policy/tls.h \
	netns/policy/watch.c netns/policy/watch.h
