# tests of runtime/verify/
check_PROGRAMS += tests/unit/test_verify
UNIT_TESTS += tests/unit/test_verify
BATS_TESTS += tests/integration/doctor.bats tests/integration/verify.bats

tests_unit_test_verify_SOURCES = tests/unit/test_verify.c
tests_unit_test_verify_LDADD = libocverify.a liboclaunch.a libocfilters.a libocplan.a libocnetsetup.a libocbroker.a \
	libocnetpolicy.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_verify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
