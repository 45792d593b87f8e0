# libocsandbox (runtime/client), against a monitor of our own.
check_PROGRAMS += tests/unit/test_client
UNIT_TESTS += tests/unit/test_client

tests_unit_test_client_SOURCES = tests/unit/test_client.c tests/unit/client_server.c tests/unit/client_server.h
tests_unit_test_client_LDADD = libocclient.a libocsession.a liboclaunch.a libocbase.a $(CMOCKA_LIBS)
tests_unit_test_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

BATS_TESTS += tests/integration/exec.bats tests/integration/library.bats
EXTRA_DIST += tests/lib/library.c tests/lib/sessions.bash
