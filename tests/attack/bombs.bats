#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# R1: bombs.  The host stays usable, everything ends in time, nothing is left, and the result says what ended it.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# bomb WHO CAUSE OPTION... -- ATTEMPT...: within 20 seconds; CAUSE "" if there is none to name.
bomb() {
	local who=$1 cause=$2 options=()
	shift 2
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	local status=0 begin=$SECONDS
	output=$(as "$who" timeout -k 1 25 "$A/oc-sandbox" run --no-config --result "$A/home-$who/result" "${options[@]}" \
		--bind "$A/payload:/payload" -- /payload "$@" 2>&1 </dev/null) || status=$?
	printf '%s: %s: status %s after %s s: %s\n' "$who" "$*" "$status" "$((SECONDS - begin))" "$(printf '%s\n' "$output" | tail -n 5)"
	[ $((SECONDS - begin)) -lt 20 ]
	printf '%s\n' "$output" | none '^BAD'
	[ -z "$cause" ] || [ "$(field "$A/home-$who/result" cause)" = "$cause" ]
	# The host still starts processes.
	[ "$(echo alive | cat)" = alive ]
	nothing_left
}

each() {
	local who
	for who in $(identities); do bomb "$who" "$@"; done
}

limited_by_cgroup() {
	as "$1" "$A/oc-sandbox" run --no-config --result "$A/home-$1/result" -- /bin/true </dev/null
	grep -q '"cgroup":{"state":"enforced"' "$A/home-$1/result"
}

@test "R1: processes and threads" {
	each pids --pids 64 -- forks 200
	each pids --pids 64 -- threads 200
}

@test "R1: a fork bomb" {
	each '' --pids 64 --timeout 6 -- fork-bomb 2
	each '' --timeout 6 -- fork-bomb 2
}

@test "R1: without the limits they get through" {
	output=$(OC_TEST_DROP=cgroup as root "$A/oc-sandbox-weak" run --no-config --pids 64 --bind "$A/payload:/payload" -- \
		/payload forks 200 </dev/null) || need_root
	printf '%s\n' "$output" | grep '^BAD' || need_root
}

@test "R1: memory of one process and of many" {
	for who in $(identities); do
		if limited_by_cgroup "$who"; then
			bomb "$who" oom --memory 64m -- memory 200
			bomb "$who" oom --memory 64m -- memory-many 16 16
		else
			bomb "$who" '' --memory 64m -- memory 200
			bomb "$who" oom --memory 64m -- memory-many 16 16
		fi
	done
}

@test "R1: memory that is in no process: memory files, shared segments" {
	for who in $(identities); do
		for kind in memfd memfds shm; do bomb "$who" '' --memory 64m -- hidden-memory "$kind" 200; done
	done
}

@test "R1: file systems in memory: bytes and inodes" {
	each '' -- hidden-memory /tmp 400
	each '' -- hidden-memory /dev/shm 400
	each '' -- hidden-memory /workspace 400
	each '' --tmpfs /t:size=8m -- hidden-memory /t 20
	each '' -- inodes /tmp 70000
	each '' -- inodes /dev/shm 70000
}

@test "R1: descriptors, in a table and in flight" {
	each '' -- descriptors 5000
}

@test "R1: no core file" {
	for who in $(identities); do
		status=0
		attempt "$who" --ulimit core=0 -- core </dev/null || status=$?
		[ "$status" = 139 ]
		[ -z "$(find "$A/ws-$who" -name 'core*')" ]
	done
}

@test "R1: a command that does not want to end ends at its time limit" {
	for who in $(identities); do
		bomb "$who" timeout --timeout 1 -- stubborn 60
		[ "$(field "$A/home-$who/result" status)" = 124 ]
	done
}

@test "R1: orphans without end are reaped by pid 1" {
	each '' --timeout 15 -- orphans 1000
}

@test "R1: output that nobody reads does not keep the sandbox beyond its time" {
	local fifo=$A/fifo begin=$SECONDS
	mkfifo "$fifo"
	exec 7<>"$fifo"
	as "$(identities | tail -n 1)" "$A/oc-sandbox" run --no-config --timeout 1 --bind "$A/payload:/payload" -- /payload flood 8 >&7 2>/dev/null </dev/null || true
	exec 7>&-
	[ $((SECONDS - begin)) -lt 10 ]
	nothing_left
}

@test "R1: the stand-in for processors is not taken off by the command" {
	for who in $(identities); do
		if limited_by_cgroup "$who"; then continue; fi
		attempt "$who" --cpus 1 -- affinity 1 </dev/null
	done
}
