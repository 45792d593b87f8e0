# unit tests of runtime/session/overlay*.c and textdiff.c
check_PROGRAMS += tests/unit/test_textdiff tests/unit/test_overlay_risk
UNIT_TESTS += tests/unit/test_textdiff tests/unit/test_overlay_risk

tests_unit_test_textdiff_SOURCES = tests/unit/test_textdiff.c
tests_unit_test_textdiff_LDADD = libocsession.a libocbase.a $(CMOCKA_LIBS)
tests_unit_test_textdiff_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_overlay_risk_SOURCES = tests/unit/test_overlay_risk.c
tests_unit_test_overlay_risk_LDADD = libocsession.a libocplan.a libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_overlay_risk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
