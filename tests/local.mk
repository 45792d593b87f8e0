# Every test program of the tree is listed in UNIT_TESTS (built, cmocka), FRAME_TESTS, BATS_TESTS or ATTACK_TESTS (files of the
# source tree); tests/lib/check-tree fails when one is forgotten.  Each of tests/unit/*.mk belongs to the room of its name.
ATTACK_TESTS =
LINT_TESTS = tests/lib/check-arrows tests/lib/check-tree
# About the tree and its tools: the same for every user.
FRAME_TESTS = \
	tests/integration/arrows.bats \
	tests/integration/packaging.bats \
	tests/integration/runner.bats
BATS_TESTS += \
	tests/integration/badinput.bats \
	tests/integration/death.bats \
	tests/integration/disk.bats \
	tests/integration/egress-clients.bats \
	tests/integration/options.bats \
	tests/integration/overlay.bats \
	tests/integration/run.bats \
	tests/integration/tty.bats \
	tests/integration/work.bats

noinst_HEADERS += tests/unit/cm.h
include $(top_srcdir)/tests/unit/base.mk
include $(top_srcdir)/tests/unit/broker.mk
include $(top_srcdir)/tests/unit/client.mk
include $(top_srcdir)/tests/unit/cgroup.mk
include $(top_srcdir)/tests/unit/control.mk
include $(top_srcdir)/tests/unit/delegate.mk
include $(top_srcdir)/tests/unit/gateway-server.mk
include $(top_srcdir)/tests/unit/guard.mk
include $(top_srcdir)/tests/unit/gwconfig.mk
include $(top_srcdir)/tests/unit/mcp.mk
include $(top_srcdir)/tests/unit/keep.mk
include $(top_srcdir)/tests/unit/netns.mk
include $(top_srcdir)/tests/unit/overlay.mk
include $(top_srcdir)/tests/unit/plan.mk
include $(top_srcdir)/tests/unit/profiles.mk
include $(top_srcdir)/tests/unit/scope.mk
include $(top_srcdir)/tests/attack/local.mk

RUN_TESTS = $(top_srcdir)/tests/lib/run-tests --srcdir $(top_srcdir) --builddir $(top_builddir)
USER_TESTS = $(UNIT_TESTS) $(BATS_TESTS) $(ATTACK_TESTS)
ALL_TESTS = $(LINT_TESTS) $(FRAME_TESTS) $(USER_TESTS)

EXTRA_DIST += $(FRAME_TESTS) $(BATS_TESTS) $(ATTACK_TESTS) \
	tests/bench/bench.sh \
	tests/bench/bench-exec.sh \
	tests/bench/bench-net.sh \
	tests/lib/check-arrows \
	tests/lib/check-lint \
	tests/lib/check-tree \
	tests/lib/death.py \
	tests/lib/egress-world tests/lib/egress.bash tests/lib/egress_client.go tests/lib/egress_client.js tests/lib/egress_client.py \
	tests/lib/run-tests \
	tests/fuzz \
	tests/vm/as-root tests/vm/as-user tests/vm/guest tests/vm/lib tests/vm/run-vm

# T='tests/unit/test_err ...' runs only these.
check-local:
if HAVE_CMOCKA
	@OC_LISTED="$(ALL_TESTS)" OC_DISTFILES="$(DISTFILES)"; export OC_LISTED OC_DISTFILES; \
	$(RUN_TESTS) $${T:-$(ALL_TESTS)}
else
	@echo "make check needs cmocka (Debian: libcmocka-dev); configure did not find it" >&2; exit 1
endif

# The unit tests alone: what a build with --enable-sanitizers is for.  These two run themselves, or a program, under a filter
# or without /proc, which the run-time of ASan does not survive; the ordinary build runs them.
NOT_SANITIZED = tests/unit/test_filters tests/unit/test_verify
check-unit: $(check_PROGRAMS)
	@list=; for t in $(UNIT_TESTS); do case "$(SAN_CFLAGS) $(NOT_SANITIZED) " in \
		*fsanitize*" $$t "*) echo "not run under ASan: $$t" ;; *) list="$$list $$t" ;; esac; done; \
	$(RUN_TESTS) $$list

print-user-tests:
	@echo $(USER_TESTS)

lint: all
	@CPPFLAGS="$(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS)"; export CPPFLAGS; \
	$(RUN_TESTS) --time-limit 1800 tests/lib/check-lint

attack: all
	@$(RUN_TESTS) $(ATTACK_TESTS)

# On a pure cgroup v2 host with systemd and an older kernel, in a virtual machine: too heavy for `make check`.  OC_VM_DIR keeps
# its image (default: tests/vm/image in the build directory).
check-vm: all
	@$(RUN_TESTS) --time-limit 1800 tests/vm/run-vm

# Side by side with bubblewrap, crun and plain exec.  Not part of `make check`: it has no pass and no fail.
EXTRA_PROGRAMS = tests/bench/bench tests/bench/exec tests/bench/floor tests/bench/net tests/bench/nothing
tests_bench_bench_SOURCES = tests/bench/bench.c
tests_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_floor_LDFLAGS = $(STATIC_LDFLAGS)
BENCH_ROUNDS = 200
bench: all tests/bench/bench$(EXEEXT) tests/bench/floor$(EXEEXT)
	@top_builddir=$(abs_top_builddir) $(top_srcdir)/tests/bench/bench.sh $(BENCH_ROUNDS)

# The network beside a direct connection, pasta and slirp4netns.
tests_bench_net_SOURCES = tests/bench/net.c tests/bench/net.h tests/bench/net-launch.c tests/bench/net-load.c \
	tests/bench/net-serve.c
BENCH_NET_ROUNDS = 10
bench-net: all tests/bench/net$(EXEEXT)
	@top_builddir=$(abs_top_builddir) $(top_srcdir)/tests/bench/bench-net.sh $(BENCH_NET_ROUNDS)

# Commands in sandboxes that are kept.
tests_bench_exec_SOURCES = tests/bench/exec.c
tests_bench_exec_LDADD = libocsandbox.a
tests_bench_nothing_SOURCES = tests/bench/nothing.c
tests_bench_nothing_LDFLAGS = $(STATIC_LDFLAGS)
bench-exec: all tests/bench/exec$(EXEEXT) tests/bench/nothing$(EXEEXT)
	@top_builddir=$(abs_top_builddir) $(top_srcdir)/tests/bench/bench-exec.sh $(BENCH_EXEC)

# FUZZ_SECONDS is for all fuzzers together.
FUZZ_SECONDS = 3600
fuzz: $(BUILT_SOURCES)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
	$(top_srcdir)/tests/fuzz/run-fuzz
fuzz-smoke: $(BUILT_SOURCES)
	@FUZZ_SECONDS=60; export FUZZ_SECONDS; $(RUN_TESTS) --time-limit 900 tests/fuzz/run-fuzz

clean-local: clean-local-tests clean-pic $(MUSL_CLEAN)
clean-local-tests:
	rm -rf tests/log tests/bench/bench$(EXEEXT) tests/bench/exec$(EXEEXT) \
		tests/bench/floor$(EXEEXT) tests/bench/nothing$(EXEEXT) tests/lib/egress-go-client
distclean-local: distclean-local-vm
distclean-local-vm:
	rm -rf tests/vm/image tests/npm
.PHONY: attack bench bench-exec bench-net check-unit check-vm fuzz fuzz-smoke lint print-user-tests clean-local-tests distclean-local-vm
