# The monitor of a sandbox that is kept (runtime/session/keep.h): its parts that need none.
KEEP_TESTS = tests/unit/test_request tests/unit/test_ring
check_PROGRAMS += $(KEEP_TESTS)
UNIT_TESTS += $(KEEP_TESTS)

tests_unit_test_request_SOURCES = tests/unit/test_request.c
tests_unit_test_request_LDADD = libocsession.a $(PLAN_TEST_LIBS)
tests_unit_test_request_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_ring_SOURCES = tests/unit/test_ring.c
tests_unit_test_ring_LDADD = libocsession.a $(PLAN_TEST_LIBS)
tests_unit_test_ring_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

BATS_TESTS += tests/integration/keep.bats
EXTRA_DIST += tests/lib/keep_client.py
