#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The test runner is trusted to fail when it should: each test here gives it a program that is
# broken in one way, and looks at what it counts.

setup() {
	src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
	dir=$BATS_TEST_TMPDIR
	unset OC_MUST_RUN
}

# fake NAME: makes a test program of the shell lines on standard input.
fake() {
	{ echo '#!/bin/sh'; cat; } >"$dir/$1"
	chmod +x "$dir/$1"
}

runner() {
	# bats puts its own inner programs first on PATH: a bats within bats must not find those
	PATH=/usr/local/bin:/usr/bin:/bin run "$src/tests/lib/run-tests" --srcdir "$dir" --builddir "$dir" --logs "$dir/log" --time-limit 2 "$@"
	last=${lines[${#lines[@]} - 1]}
}

# expect STATUS "LAST LINE"
expect() {
	if [ "$status" -ne "$1" ] || [ "$last" != "$2" ]; then
		echo "wanted status $1 and '$2', got $status and:"
		echo "$output"
		return 1
	fi
}

@test "passed tests of several programs are added up" {
	fake a <<<'echo 1..2; echo ok 1 - x; echo ok 2 - y'
	fake b <<<'echo ok 1; echo 1..1'
	runner a b
	expect 0 "3 passed, 0 failed, 0 skipped"
}

@test "a failed test fails the run and its output is shown" {
	fake a <<<'echo 1..2; echo ok 1 - x; echo not ok 2 - the reason why; echo "# detail"; exit 1'
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
	[[ $output == *"not ok: the reason why"* && $output == *"| # detail"* ]]
}

@test "a failed test counts although the program exits 0" {
	fake a <<<'echo 1..1; echo not ok 1 - x; exit 0'
	runner a
	expect 1 "0 passed, 1 failed, 0 skipped"
}

@test "a failure is not hidden by what stands after it" {
	fake a <<<'echo 1..2; echo not ok 1 - x "# skip no"; echo "not ok 2 - x # TODO later"; exit 1'
	fake b <<<'echo 1..1; echo ok 1 - x'
	runner a b
	expect 1 "1 passed, 2 failed, 0 skipped"
}

@test "a program that prints no plan fails" {
	fake a <<<'echo ok 1 - x'
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
}

@test "a program that prints nothing fails" {
	fake a <<<'exit 0'
	runner a
	expect 1 "0 passed, 1 failed, 0 skipped"
}

@test "tests that were planned and did not run are failures" {
	fake a <<<'echo 1..5; echo ok 1 - x; echo ok 2 - y; exit 0'
	runner a
	expect 1 "2 passed, 3 failed, 0 skipped"
}

@test "more tests than planned are a failure" {
	fake a <<<'echo 1..1; echo ok 1 - x; echo ok 2 - y'
	runner a
	expect 1 "2 passed, 1 failed, 0 skipped"
}

@test "two plans do not lend each other tests" {
	fake a <<<'echo 1..1; echo ok 1 - x; echo ok 2 - y; echo 1..2; echo ok 1 - z'
	runner a
	expect 1 "3 passed, 2 failed, 0 skipped"
}

@test "a plan of nothing is a failure, unless it says why" {
	fake a <<<'echo 1..0'
	runner a
	expect 1 "0 passed, 1 failed, 0 skipped"
	fake a <<<'echo "1..0 # SKIP needs a printer"'
	runner a
	expect 0 "0 passed, 0 failed, 1 skipped"
	[[ $output == *"needs a printer"* ]]
}

@test "a crash fails, also after the last test" {
	fake a <<<'echo 1..1; echo ok 1 - x; kill -SEGV $$'
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
	[[ $output == *"killed by signal 11"* ]]
}

@test "a non-zero exit without a failed test fails" {
	fake a <<<'echo 1..1; echo ok 1 - x; exit 3'
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
	[[ $output == *"exit status 3"* ]]
}

@test "the time limit ends a test and fails it" {
	fake a <<<'echo 1..2; echo ok 1 - x; exec sleep 60'
	SECONDS=0
	runner a
	expect 1 "1 passed, 2 failed, 0 skipped"
	[ "$SECONDS" -lt 20 ]
	[[ $output == *"time limit"* ]]
}

@test "the time limit ends a test that ignores SIGTERM, and its children" {
	fake a <<-E
		trap '' TERM
		echo 1..1
		echo ok 1 - x
		(trap '' TERM; echo \$BASHPID >$dir/child; sleep 61; sleep 61) &
		sleep 61; sleep 61
	E
	sed -i '1s,.*,#!/bin/bash,' "$dir/a"
	SECONDS=0
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
	[ "$SECONDS" -lt 30 ]
	child=$(cat "$dir/child")
	for _ in 1 2 3 4 5; do
		[ -e "/proc/$child" ] || return 0
		sleep 0.2
	done
	grep -q '^State:.*Z' "/proc/$child/status"
}

@test "a program that is not there, or not executable, fails" {
	echo >"$dir/plain"
	runner nothing plain
	expect 1 "0 passed, 2 failed, 0 skipped"
}

@test "no test at all is a failure" {
	runner
	expect 1 "0 passed, 1 failed, 0 skipped"
}

@test "skips are counted and their reasons shown" {
	fake a <<<'echo 1..3; echo "ok 1 x # skip no expect"; echo "ok 2 y # SKIP"; echo ok 3 - z'
	runner a
	expect 0 "1 passed, 0 failed, 2 skipped"
	[[ $output == *"skip: x (no expect)"* ]]
}

@test "in CI a skipped kernel feature is a failure, another skip is not" {
	fake a <<<'echo 1..2; echo "ok 1 x # skip kernel: no Landlock"; echo "ok 2 y # skip no expect"'
	OC_MUST_RUN=1 runner a
	expect 1 "0 passed, 1 failed, 1 skipped"
	runner a
	expect 0 "0 passed, 0 failed, 2 skipped"
}

@test "the skip of cmocka is understood, with the reason from the comment before it" {
	fake a <<<'echo 1..2; echo "not ok 1 # SKIP test_x"; echo "# kernel: no pidfd"; echo "not ok 2 # SKIP test_y"; exit 0'
	runner a
	expect 0 "0 passed, 0 failed, 2 skipped"
	OC_MUST_RUN=1 runner a
	expect 1 "0 passed, 1 failed, 1 skipped"
}

@test "tests out of order are a failure" {
	fake a <<<'echo 1..2; echo ok 1 - x; echo ok 1 - x'
	runner a
	expect 1 "2 passed, 1 failed, 0 skipped"
}

@test "giving up half way is a failure" {
	fake a <<<'echo 1..1; echo ok 1 - x; echo "Bail out! disk on fire"'
	runner a
	expect 1 "1 passed, 1 failed, 0 skipped"
}

@test "bats files are run by bats" {
	# bats takes every line that begins with its keyword, also in a here-document
	sed 's/^T /@test /' >"$dir/t.bats" <<-'E'
		T "good" { [ -n "$OC_TEST_TMP" ] && [ -d "$OC_TEST_TMP" ] && [ -n "$OC_SANDBOX" ]; }
		T "bad" { false; }
		T "skipped" { skip "kernel: none"; }
	E
	runner t.bats
	expect 1 "1 passed, 1 failed, 1 skipped"
	[ -s "$dir/log/t.bats.log" ]
}

@test "a bats file that bats cannot read fails" {
	echo '@test "x" { if' >"$dir/t.bats"
	runner t.bats
	[ "$status" -eq 1 ]
	[[ $last != *" 0 failed,"* ]]
}

@test "programs get no standard input and an environment for cmocka" {
	# shellcheck disable=SC2016
	fake a <<<'echo 1..1; if read -r x || [ "$CMOCKA_MESSAGE_OUTPUT" != TAP ]; then echo not ok 1; else echo ok 1; fi'
	runner a <<<"input"
	expect 0 "1 passed, 0 failed, 0 skipped"
}
