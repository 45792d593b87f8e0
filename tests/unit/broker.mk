# tests of netns/setup and netns/broker
check_PROGRAMS += tests/lib/egress-run
BATS_TESTS += tests/integration/egress-broker.bats tests/integration/egress-run.bats

tests_lib_egress_run_SOURCES = tests/lib/egress-run.c
tests_lib_egress_run_LDADD = libocbroker.a libocnetsetup.a libocbase.a $(MD_LIBS)

EXTRA_DIST += tests/lib/egress_peers.py tests/lib/egress-outside
