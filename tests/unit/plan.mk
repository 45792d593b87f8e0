# unit tests of runtime/plan (the guards have their own)
PLAN_TESTS = \
	tests/unit/test_plan_build \
	tests/unit/test_plan_config \
	tests/unit/test_plan_egress \
	tests/unit/test_plan_env \
	tests/unit/test_plan_parse \
	tests/unit/test_plan_source
check_PROGRAMS += $(PLAN_TESTS)
UNIT_TESTS += $(PLAN_TESTS)
PLAN_TEST_LIBS = libocplan.a libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)

tests_unit_test_plan_build_SOURCES = tests/unit/test_plan_build.c tests/unit/plan_test.h
tests_unit_test_plan_build_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_build_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_plan_config_SOURCES = tests/unit/test_plan_config.c tests/unit/plan_test.h
tests_unit_test_plan_config_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_plan_egress_SOURCES = tests/unit/test_plan_egress.c tests/unit/plan_test.h
tests_unit_test_plan_egress_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_egress_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_plan_env_SOURCES = tests/unit/test_plan_env.c tests/unit/plan_test.h
tests_unit_test_plan_env_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_env_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_plan_parse_SOURCES = tests/unit/test_plan_parse.c tests/unit/plan_test.h
tests_unit_test_plan_parse_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_parse_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_plan_source_SOURCES = tests/unit/test_plan_source.c tests/unit/plan_test.h
tests_unit_test_plan_source_LDADD = $(PLAN_TEST_LIBS)
tests_unit_test_plan_source_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

noinst_HEADERS += tests/fuzz/fuzz_egress.h
EXTRA_DIST += \
	tests/fuzz/fuzz_plan_config.c tests/fuzz/plan_config.dict tests/fuzz/corpus/plan_config \
	tests/fuzz/fuzz_plan_args.c tests/fuzz/corpus/plan_args
