# unit tests of profiles/
check_PROGRAMS += tests/unit/test_filters tests/unit/test_seccompc tests/lib/with-filter
UNIT_TESTS += tests/unit/test_filters tests/unit/test_seccompc
BATS_TESTS += tests/integration/filters.bats

tests_unit_test_filters_SOURCES = tests/unit/test_filters.c
tests_unit_test_filters_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_filters_LDADD = libocfilters.a $(CMOCKA_LIBS)

tests_unit_test_seccompc_SOURCES = tests/unit/test_seccompc.c $(SECCOMPC_SOURCES)
nodist_tests_unit_test_seccompc_SOURCES = tests/unit/syscall_table.h
tests_unit_test_seccompc_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SECCOMP_CFLAGS)
tests_unit_test_seccompc_LDADD = libocfilters.a libocbase.a $(SECCOMP_LIBS) $(CMOCKA_LIBS)

tests_lib_with_filter_SOURCES = tests/lib/with-filter.c
tests_lib_with_filter_LDADD = libocfilters.a

tests/unit/test_seccompc-test_seccompc.$(OBJEXT): tests/unit/syscall_table.h
# The system calls that the kernel headers of the build machine know.
CLEANFILES += tests/unit/syscall_table.h
tests/unit/syscall_table.h:
	$(AM_V_GEN)$(MKDIR_P) tests/unit && echo '#include <asm/unistd.h>' | $(CC) $(CPPFLAGS) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/{"\1", __NR_\1},/p' > $@.tmp && test -s $@.tmp && mv $@.tmp $@
