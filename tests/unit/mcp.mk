# unit tests of `oc-sandbox mcp`: what needs no sandbox
check_PROGRAMS += tests/unit/test_mcp
UNIT_TESTS += tests/unit/test_mcp
BATS_TESTS += tests/integration/mcp.bats
tests_unit_test_mcp_SOURCES = tests/unit/test_mcp.c runtime/cli/mcp_rpc.c runtime/cli/mcp_tools.c
tests_unit_test_mcp_LDADD = libocbase.a $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_mcp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

EXTRA_DIST += tests/lib/mcp-client.mjs tests/fuzz/fuzz_mcp.c tests/fuzz/mcp.dict tests/fuzz/corpus/mcp
