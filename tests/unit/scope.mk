# Who serves a scope, and what is in the registry (runtime/session/scope.c, door.c, activity.c, remove.c).
check_PROGRAMS += tests/unit/test_scope
UNIT_TESTS += tests/unit/test_scope

tests_unit_test_scope_SOURCES = tests/unit/test_scope.c tests/unit/plan_test.h
tests_unit_test_scope_LDADD = libocsession.a liboclaunch.a $(PLAN_TEST_LIBS)
tests_unit_test_scope_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

BATS_TESTS += tests/integration/sessions.bats
