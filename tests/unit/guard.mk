# unit tests of runtime/plan/guard*.c
check_PROGRAMS += tests/unit/test_guard tests/unit/test_guard_git tests/unit/test_guard_text
UNIT_TESTS += tests/unit/test_guard tests/unit/test_guard_git tests/unit/test_guard_text

tests_unit_test_guard_SOURCES = tests/unit/test_guard.c tests/unit/guard_util.h
tests_unit_test_guard_LDADD = libocplan.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_guard_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_guard_git_SOURCES = tests/unit/test_guard_git.c tests/unit/guard_util.h
tests_unit_test_guard_git_LDADD = libocplan.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_guard_git_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

EXTRA_DIST += tests/fuzz/fuzz_gitconfig.c tests/fuzz/gitconfig.dict tests/fuzz/corpus/gitconfig

tests_unit_test_guard_text_SOURCES = tests/unit/test_guard_text.c tests/unit/guard_util.h
tests_unit_test_guard_text_LDADD = libocplan.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_guard_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
