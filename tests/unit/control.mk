# The door of a live sandbox (runtime/launch/control.c, rundir.c).
check_PROGRAMS += tests/unit/test_control
UNIT_TESTS += tests/unit/test_control

tests_unit_test_control_SOURCES = tests/unit/test_control.c tests/unit/plan_test.h
tests_unit_test_control_LDADD = liboclaunch.a $(PLAN_TEST_LIBS)
tests_unit_test_control_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

BATS_TESTS += tests/integration/net.bats
EXTRA_DIST += tests/lib/egress_steps.py
