# Groups of calls below a sandbox's leaf (runtime/launch/cgroup_call.c).
check_PROGRAMS += tests/unit/test_cgroup_call
UNIT_TESTS += tests/unit/test_cgroup_call

tests_unit_test_cgroup_call_SOURCES = tests/unit/test_cgroup_call.c
tests_unit_test_cgroup_call_LDADD = liboclaunch.a $(PLAN_TEST_LIBS)
tests_unit_test_cgroup_call_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
