# gateway/config and gateway/auth
if HAVE_GATEWAY
check_PROGRAMS += tests/unit/test_gwconfig tests/unit/test_gwauth
UNIT_TESTS += tests/unit/test_gwconfig tests/unit/test_gwauth
BATS_TESTS += tests/integration/gateway-config.bats
endif
tests_unit_test_gwconfig_SOURCES = tests/unit/test_gwconfig.c
tests_unit_test_gwconfig_LDADD = libocgwconfig.a libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_gwconfig_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_gwauth_SOURCES = tests/unit/test_gwauth.c
tests_unit_test_gwauth_LDADD = libocgwauth.a libocgwconfig.a libocnetpolicy.a libocbase.a $(CRYPTO_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_gwauth_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CRYPTO_CFLAGS)
