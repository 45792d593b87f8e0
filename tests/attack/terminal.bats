#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# C10: nothing that the command does puts a character into the input of the caller's terminal.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# on_terminal WHO STREAMS DELAY [pty OPTION...] -- OPTION... -- ATTEMPT...
on_terminal() {
	local who=$1 streams=$2 delay=$3 more=() options=()
	shift 3
	while [ "$1" != -- ]; do more+=("$1") && shift; done
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	as "$who" "$A/pty" "$streams" "$delay" "$A/home-$who/shown" "${more[@]}" -- \
		"$A/oc-sandbox" run --no-config "${options[@]}" --bind "$A/payload:/payload" -- /payload "$@"
}

@test "C10: TIOCSTI, TIOCLINUX and the like, also with high bits (CVE-2017-5226)" {
	for who in $(identities); do
		on_terminal "$who" 012 0 -- -- tiocsti
		none "^BAD" "$A/home-$who/shown"
		grep -q ok "$A/home-$who/shown"
		on_terminal "$who" 012 0 -- --no-tty -- tiocsti
		none "^BAD" "$A/home-$who/shown"
		# Streams that are not the terminal: the terminal is not to be had by other names either.
		on_terminal "$who" 2 0 -- -- tiocsti
	done
}

@test "C10: without a sandbox characters get in, where the kernel lets them" {
	if [ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 0 ] && [ "$(id -u)" != 0 ]; then
		skip "kernel: dev.tty.legacy_tiocsti is 0"
	fi
	run "$A/pty" 012 0 "$A/shown" -- "$A/payload" tiocsti
	echo "$output" | grep -q '^left:'
}

@test "C10: without the filter the pseudo-terminal still keeps the caller's terminal clean" {
	for who in $(identities); do
		OC_TEST_DROP=seccomp as "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- \
			"$A/oc-sandbox-weak" run --no-config --bind "$A/payload:/payload" -- /payload tiocsti || true
		grep -q 'BAD TIOCSTI' "$A/home-$who/shown"
		OC_TEST_DROP=seccomp run as "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- \
			"$A/oc-sandbox-weak" run --no-config --bind "$A/payload:/payload" -- /payload tiocsti
		echo "$output" | none '^left:'
	done
}

@test "C10: answers of the terminal to questions of the command" {
	run "$A/pty" 012 0 "$A/shown" -- "$A/payload" ask 1
	echo "$output" | grep -q '^left:'
	for who in $(identities); do
		for streams in 012 12 1 02 01; do
			on_terminal "$who" "$streams" 0 -- -- ask "${streams#0}"
		done
	done
}

@test "C10: answers when only standard error is the terminal" {
	for who in $(identities); do on_terminal "$who" 2 0 -- -- ask 2; done
}

@test "C10: answers without a pseudo-terminal (--no-tty)" {
	for who in $(identities); do on_terminal "$who" 012 0 -- --no-tty -- ask 12; done
}

@test "C10: answers of a terminal behind a slow line (150 ms)" {
	on_terminal user 012 150 -- -- ask 1
}

@test "C10: the monitor survives a command that does not read its input" {
	for who in $(identities); do
		run on_terminal "$who" 012 0 --type "$(printf 'a line\na line\n')" -- --no-tty -- stays 0.3
		echo "$output"
		echo "$output" | none signal
	done
}

@test "C10: kill -9 of the monitor: the terminal has its settings again" {
	# pty says so when they differ; the shell in between kills the monitor.
	# shellcheck disable=SC2016
	run "$A/pty" 012 0 "$A/shown" -- sh -c '"$0" run --no-config -- sleep 5 & p=$!; sleep 0.5; kill -9 $p; sleep 0.5' "$A/oc-sandbox"
	echo "$output"
	echo "$output" | none settings
}
