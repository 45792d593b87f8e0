# The hub of the gateway (gateway/protocol) and the jail of its network process (gateway/server).
if HAVE_GATEWAY
check_PROGRAMS += tests/unit/test_gateway_hub tests/unit/test_gateway_jail
UNIT_TESTS += tests/unit/test_gateway_hub tests/unit/test_gateway_jail
BATS_TESTS += tests/integration/gateway-npm.bats tests/integration/gateway-server.bats
endif
tests_unit_test_gateway_hub_SOURCES = tests/unit/test_gateway_hub.c
tests_unit_test_gateway_hub_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_gateway_hub_LDADD = libocgwprotocol.a libocgwlog.a libocgwauth.a libocgwconfig.a libocnetpolicy.a libocbase.a \
	$(CMOCKA_LIBS) $(CRYPTO_LIBS) $(MD_LIBS)
tests_unit_test_gateway_jail_SOURCES = tests/unit/test_gateway_jail.c
tests_unit_test_gateway_jail_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_gateway_jail_LDADD = libocgwserver.a libocgwprotocol.a libocgwlog.a libocgwauth.a libocgwconfig.a libocnetpolicy.a \
	libocbase.a $(CMOCKA_LIBS) $(UV_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(MD_LIBS)
EXTRA_DIST += tests/lib/fetch-npm tests/lib/gateway_client.py tests/lib/gateway_input.py
