# unit tests of base/
check_PROGRAMS += tests/unit/test_err tests/unit/test_arena tests/unit/test_fd tests/unit/test_json tests/unit/test_conftext
UNIT_TESTS += tests/unit/test_err tests/unit/test_arena tests/unit/test_fd tests/unit/test_json tests/unit/test_conftext

tests_unit_test_err_SOURCES = tests/unit/test_err.c
tests_unit_test_err_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_err_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_arena_SOURCES = tests/unit/test_arena.c
tests_unit_test_arena_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_arena_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_fd_SOURCES = tests/unit/test_fd.c
tests_unit_test_fd_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_fd_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_json_SOURCES = tests/unit/test_json.c
tests_unit_test_json_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_json_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_conftext_SOURCES = tests/unit/test_conftext.c
tests_unit_test_conftext_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_conftext_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

noinst_HEADERS += tests/unit/cm.h tests/fuzz/fuzz_tree.h
EXTRA_DIST += \
	tests/fuzz/fuzz_json.c tests/fuzz/json.dict tests/fuzz/corpus/json \
	tests/fuzz/fuzz_conftext.c tests/fuzz/conftext.dict tests/fuzz/corpus/conftext
