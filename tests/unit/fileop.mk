# unit tests of runtime/fileop/
check_PROGRAMS += tests/unit/test_fileop
UNIT_TESTS += tests/unit/test_fileop
tests_unit_test_fileop_SOURCES = tests/unit/test_fileop.c
tests_unit_test_fileop_LDADD = libocfileop.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_fileop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

EXTRA_DIST += tests/fuzz/fuzz_fileop.c tests/fuzz/fileop.dict tests/fuzz/corpus/fileop
