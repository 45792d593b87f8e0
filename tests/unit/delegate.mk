# The call to the systemd user manager (runtime/launch/delegate.c).
check_PROGRAMS += tests/unit/test_delegate
UNIT_TESTS += tests/unit/test_delegate

tests_unit_test_delegate_SOURCES = tests/unit/test_delegate.c
tests_unit_test_delegate_LDADD = liboclaunch.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_delegate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
