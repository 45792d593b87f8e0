# unit tests of netns/policy/
check_PROGRAMS += tests/unit/test_net_addr tests/unit/test_net_dns tests/unit/test_net_first tests/unit/test_net_record tests/unit/test_net_rules
UNIT_TESTS += tests/unit/test_net_addr tests/unit/test_net_dns tests/unit/test_net_first tests/unit/test_net_record tests/unit/test_net_rules

tests_unit_test_net_addr_SOURCES = tests/unit/test_net_addr.c
tests_unit_test_net_addr_LDADD = libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_net_addr_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_net_dns_SOURCES = tests/unit/test_net_dns.c
tests_unit_test_net_dns_LDADD = libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_net_dns_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_net_first_SOURCES = tests/unit/test_net_first.c
tests_unit_test_net_first_LDADD = libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_net_first_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_net_record_SOURCES = tests/unit/test_net_record.c
tests_unit_test_net_record_LDADD = libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_net_record_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_net_rules_SOURCES = tests/unit/test_net_rules.c
tests_unit_test_net_rules_LDADD = libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_net_rules_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
