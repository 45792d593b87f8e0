#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# C1 and sandboxes that are kept: control sockets, runners, calls beside each other.
#
# As root with an empty /run in a mount namespace, so that nobody else's sandboxes are seen; as the user with a run directory of
# his own.

load lib
setup_file() {
	attack_setup
	mkdir "$A/run-user" "$A/run-root" "$A/run-other"
	chmod 700 "$A"/run-*
	own user "$A/run-user"
	if [ "$(id -u)" = 0 ]; then
		unshare --mount --propagation private sh -c 'mount -t tmpfs -o mode=755 none /run && echo $$ >"$1/holder" && exec sleep 10000' - "$A" 3>&- &
		for _ in {1..100}; do [ ! -s "$A/holder" ] || break; sleep 0.05; done
		OTHER_USER=oc-other-$$
		useradd --no-create-home --home-dir "$A/run-other" --shell /bin/sh "$OTHER_USER"
		chown "$OTHER_USER" "$A/run-other"
		export OTHER_USER
	fi
	for who in $(identities); do
		oc "$who" start --no-config --agent "$who" --bind "$A/payload:/payload" 3>&- >"$A/id-$who"
		oc "$who" start --no-config --agent "other-$who" --bind "$A/payload:/payload" 3>&- >"$A/id2-$who"
	done
}
teardown_file() {
	for who in $(identities); do oc "$who" stop --all || true; done
	[ ! -s "$A/holder" ] || kill "$(cat "$A/holder")"
	[ -z "${OTHER_USER:-}" ] || userdel "$OTHER_USER" || { sleep 1 && userdel "$OTHER_USER"; }
	attack_teardown
}

# In the mount namespace of this file's own /run.
inside_run() {
	if [ -s "$A/holder" ]; then nsenter --mount="/proc/$(cat "$A/holder")/ns/mnt" --wd="$A" "$@"; else "$@"; fi
}
as_here() {
	local who=$1
	shift
	if [ "$(id -u)" = 0 ] && [ "$who" = user ]; then
		inside_run setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups \
			env HOME="$A/home-user" OPENCLAW_STATE_DIR="$A/state-user" XDG_RUNTIME_DIR="$A/run-user" "$@"
	else
		inside_run env HOME="$A/home-$who" OPENCLAW_STATE_DIR="$A/state-$who" XDG_RUNTIME_DIR="$A/run-$who" "$@"
	fi
}
# oc WHO ARGUMENT...
oc() {
	local who=$1
	shift
	as_here "$who" timeout 60 "$A/oc-sandbox" "$@" </dev/null
}
id_of() {
	cat "$A/id-$1"
}
# The directory of that identity's sandboxes, as the host sees it.
run_of() {
	if [ "$1" = root ]; then echo /run/oc-sandbox; else echo "$A/run-user/oc-sandbox"; fi
}
# attack_in WHO [OPTION...] -- ATTEMPT...: in the kept sandbox; shows what it said.
attack_in() {
	local who=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	oc "$who" exec "${options[@]}" "$(id_of "$who")" -- /payload "$@"
}
# It answers, and is the one that it was.
still_there() {
	[ "$(oc "$1" exec "$(id_of "$1")" -- echo yes)" = yes ]
	[ "$(oc "$1" exec "$(cat "$A/id2-$1")" -- echo yes)" = yes ]
}
# The monitor's pid on the host.
monitor_of() {
	oc "$1" inspect "$(id_of "$1")" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1
}
# No call runs in it any more.
calls_are_over() {
	for _ in {1..60}; do
		if oc "$1" ps | awk -v id="$(id_of "$1")" '$1 == id && $(NF - 2) == 0 { ok = 1 } END { exit !ok }'; then return 0; fi
		sleep 0.1
	done
	oc "$1" ps
	return 1
}

@test "C1: a command cannot reach a control socket, its own included" {
	for who in $(identities); do
		run_dir=$(run_of "$who")
		own_id=$(id_of "$who") other_id=$(cat "$A/id2-$who")
		status=0
		output=$(attack_in "$who" -- control "$run_dir/$own_id/control" "$run_dir/$other_id/control" "/run/user/$(id -u)/oc-sandbox/$own_id/control") || status=$?
		printf '%s\n' "$output" | grep -v '^ok' || true
		[ "$status" = 0 ]
		# It is a socket, and whoever reaches it is answered.
		fails as_here "$who" "$A/payload" control "$run_dir/$own_id/control" >"$A/out-$who"
		grep -q '^BAD' "$A/out-$who"
	done
}

@test "C1: not even with the directory of the sockets bound into it" {
	for who in $(identities); do
		run oc "$who" run --no-config --bind "$(run_of "$who"):/door" --bind "$A/payload:/payload" -- \
			/payload control "/door/$(id_of "$who")/control"
		echo "$output"
		# Refused when it is planned, or the socket is hidden, or its peer is not ours.
		[ "$status" = 125 ] || [ "$status" = 0 ]
		none '^BAD' <<<"$output"
	done
}

@test "C1: no descriptor comes along that a command could talk by" {
	for who in $(identities); do
		attack_in "$who" -- inherited
		attack_in "$who" --no-tty -- inherited
		call=$(oc "$who" exec --background "$(id_of "$who")" -- /payload inherited)
		sleep 0.5
		none '^BAD' <<<"$(oc "$who" logs "$(id_of "$who")" "$call")"
		oc "$who" logs "$(id_of "$who")" "$call" | grep -q '^ok'
	done
	# Outside, the test has one more.
	fails "$A/payload" inherited 9</dev/null >/dev/null
}

@test "C1: pid 1 and the runner cannot be taken over" {
	for who in $(identities); do
		status=0
		output=$(attack_in "$who" -- overseers) || status=$?
		printf '%s\n' "$output" | grep -v '^ok' || true
		[ "$status" = 0 ]
		still_there "$who"
	done
	# Outside, any process can be.
	sleep 50 3>&- &
	fails "$A/payload" overseers $! >"$A/out"
	grep -q 'BAD ptrace attach' "$A/out"
	kill -9 $!
}

@test "C1: nor through descriptors of another sandbox's command" {
	for who in $(identities); do
		# Its processes do not exist here, its abstract names neither.
		oc "$who" exec --background "$(cat "$A/id2-$who")" -- python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0oc-attack-listen"); s.listen(); time.sleep(30)' >/dev/null
		sleep 0.5
		attack_in "$who" -- unix @oc-attack-listen
		oc "$who" exec "$(cat "$A/id2-$who")" -- python3 -c '
import socket
socket.socket(socket.AF_UNIX).connect("\0oc-attack-listen")'
	done
}

@test "C1: another user cannot reach it, whatever the modes are" {
	need_root
	other="setpriv --reuid $OTHER_USER --regid $(id -g "$OTHER_USER") --clear-groups"
	for who in root user; do
		socket=$(run_of "$who")/$(id_of "$who")/control
		# shellcheck disable=SC2086
		inside_run $other "$A/payload" control "$socket"
		# With the first fence down the second holds: the peer's uid.
		inside_run chmod o+rx "$(run_of "$who")" "$(run_of "$who")/$(id_of "$who")" "$A/run-user"
		inside_run chmod o+rw "$socket"
		# shellcheck disable=SC2086
		inside_run $other "$A/payload" control "$socket"
		inside_run chmod o-rwx "$(run_of "$who")/$(id_of "$who")" "$(run_of "$who")" "$A/run-user" "$socket"
		still_there "$who"
	done
	# The user to root, and not even the names of the other's are shown.
	fails as_here user "$A/oc-sandbox" exec "$(id_of root)" -- true
	as_here user "$A/oc-sandbox" ps | none "$(id_of root)"
	socket=$(run_of root)/$(id_of root)/control
	inside_run chmod o+rx "$(run_of root)" "$(run_of root)/$(id_of root)"
	inside_run chmod o+rw "$socket"
	as_here user "$A/payload" control "$socket"
	inside_run chmod o-rwx "$(run_of root)/$(id_of root)" "$(run_of root)" "$socket"
}

@test "C1: another user's run directory or scope file is not used" {
	need_root
	# A directory that others own or can write, in place of the user's.
	mkdir "$A/run-other/oc-sandbox"
	chmod 777 "$A/run-other" "$A/run-other/oc-sandbox"
	run inside_run setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups env HOME="$A/home-user" \
		OPENCLAW_STATE_DIR="$A/state-third" XDG_RUNTIME_DIR="$A/run-other" "$A/oc-sandbox" ps
	none "$(id_of user)" <<<"$output"
	[ -z "$(ls -A "$A/run-other/oc-sandbox")" ]
}

@test "C10: TIOCSTI and the like into the terminal of exec and attach" {
	for who in $(identities); do
		shown=$A/home-$who/shown
		as_here "$who" "$A/pty" 012 0 "$shown" -- "$A/oc-sandbox" exec --tty "$(id_of "$who")" -- /payload tiocsti
		none '^BAD' "$shown"
		grep -q ok "$shown"
		call=$(as_here "$who" "$A/oc-sandbox" exec --background --tty "$(id_of "$who")" -- sh -c 'sleep 1; /payload tiocsti' </dev/null)
		as_here "$who" "$A/pty" 012 0 "$shown" -- "$A/oc-sandbox" attach "$(id_of "$who")" "$call" || true
		none '^BAD' "$shown"
	done
}

@test "C1: a command that stops or kills its runner ends its own call, and no other" {
	for who in $(identities); do
		id=$(id_of "$who")
		call=$(oc "$who" exec --background "$id" -- sleep 60)
		run oc "$who" exec --timeout 1s "$id" -- sh -c 'kill -STOP $PPID; sleep 100'
		echo "stop: $status $output"
		[ "$status" -ne 0 ]
		# Its command has ended: it is set going again, or it ends.
		start=$(date +%s)
		oc "$who" exec "$id" -- sh -c 'kill -STOP $PPID' || true
		[ $(($(date +%s) - start)) -lt 15 ]
		run oc "$who" exec "$id" -- sh -c 'kill -KILL $PPID; sleep 100'
		echo "kill: $status $output"
		[ "$status" -ne 0 ]
		still_there "$who"
		oc "$who" exec "$id" -- sh -c 'ps -e -o args= 2>/dev/null || cat /proc/[0-9]*/cmdline | tr "\0" " "' >"$A/list-$who"
		grep -q "sleep 60" "$A/list-$who"
		none "sleep 100" "$A/list-$who"
		oc "$who" kill "$id" "$call"
	done
}

@test "C1: kill -9 -1 leaves pid 1 and a sandbox that works" {
	for who in $(identities); do
		run oc "$who" exec "$(id_of "$who")" -- sh -c 'kill -9 -1; sleep 100'
		[ "$status" -ne 0 ]
		still_there "$who"
	done
	# Outside it takes all of a user: in a pid namespace, to see that.
	if [ "$(id -u)" = 0 ]; then
		run unshare --pid --fork --kill-child sh -c 'sleep 50 & setpriv --reuid 65533 sleep 50 & setpriv --reuid 65533 sh -c "kill -9 -1"; sleep 0.2; kill -0 %2'
		[ "$status" -ne 0 ]
	fi
}

@test "C1: nothing of a call survives it" {
	for who in $(identities); do
		oc "$who" exec "$(id_of "$who")" -- /payload outlive /workspace/dots
		size=$(oc "$who" exec "$(id_of "$who")" -- sh -c 'stat -c %s /workspace/dots 2>/dev/null || echo 0')
		sleep 0.5
		[ "$(oc "$who" exec "$(id_of "$who")" -- sh -c 'stat -c %s /workspace/dots 2>/dev/null || echo 0')" = "$size" ]
	done
	# Outside it does.
	"$A/payload" outlive "$A/dots" 3>&-
	sleep 0.5
	size=$(stat -c %s "$A/dots")
	sleep 0.5
	[ "$(stat -c %s "$A/dots")" -gt "$size" ]
	for pid in $(ours); do
		[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" != "$A/payload outlive $A/dots " ] || kill -9 "$pid"
	done
}

@test "C1: chains of processes that fork faster than one can kill do not survive it" {
	for who in $(identities); do
		id=$(oc "$who" start --no-config --pids 64 --bind "$A/payload:/payload" 3>&-)
		for kind in '' bomb; do
			# shellcheck disable=SC2086
			run oc "$who" exec --timeout 1 "$id" -- /payload chains 8 $kind
			[ "$status" -eq 124 ] || { echo "$output"; return 1; }
			# Pid 1 and runners do not show: the shell, ls and wc are all that is there.
			run oc "$who" exec "$id" -- sh -c 'ls -d /proc/[0-9]* | wc -l'
			[ "$output" -le 3 ] || { echo "$output processes"; return 1; }
		done
		oc "$who" stop "$id"
	done
}

@test "R1: streams that are held open do not hold the call" {
	for who in $(identities); do
		start=$(date +%s)
		run oc "$who" exec "$(id_of "$who")" -- sh -c 'setsid sleep 50 & sleep 51 & exit 9'
		[ "$status" -eq 9 ]
		[ $(($(date +%s) - start)) -lt 10 ]
	done
}

@test "R1: output without end fills a ring and nothing else" {
	for who in $(identities); do
		id=$(id_of "$who")
		monitor=$(monitor_of "$who")
		[ -n "$monitor" ]
		call=$(oc "$who" exec --background "$id" -- sh -c 'yes | head -c 200000000; sleep 60')
		sleep 3
		rss=$(awk '/VmRSS/ { print $2 }' "/proc/$monitor/status")
		echo "monitor: $rss KiB"
		[ "$rss" -lt 32768 ]
		[ "$(oc "$who" logs "$id" "$call" | wc -c)" -le 16777216 ]
		[ "$(oc "$who" logs "$id" "$call" | wc -c)" -ge 10000 ]
		still_there "$who"
		oc "$who" kill "$id" "$call"
	done
}

@test "R1: a fork bomb in a call that has a limit of its own" {
	for who in $(identities); do
		id=$(id_of "$who")
		run oc "$who" exec --pids 8 "$id" -- /payload children 100
		echo "$output"
		if [ "$status" -eq 125 ]; then
			# Without a cgroup nobody can hold it: that is said.
			[[ "$output" == *"limit of processes"*"cgroup"* ]]
			[ "$who" = user ]
			continue
		fi
		[[ "$output" == *"ok 7 children"* ]]
		# Not the next one, on the same runner, and not one beside it.
		call=$(oc "$who" exec --background --pids 8 "$id" -- /payload children 100 stay)
		sleep 0.3
		oc "$who" exec "$id" -- /payload children 60 | grep 'ok 60 children'
		# Raising it is refused, and changes nothing on the host.
		oc "$who" exec --pids 8 "$id" -- /payload limits
		run oc "$who" exec --pids 8 "$id" -- /payload children 100
		[[ "$output" == *"ok 7 children"* ]]
		oc "$who" kill "$id" "$call"
		run oc "$who" exec --memory 32m "$id" -- sh -c 'head -c 100m /dev/zero | tail | wc -c'
		[ "$status" -ne 0 ] || [ "$output" != 104857600 ]
		[ "$(oc "$who" exec "$id" -- sh -c 'head -c 100m /dev/zero | tail | wc -c')" = 104857600 ]
	done
}

@test "R1: where no process is left the next command says so, and when there is one again it runs" {
	for who in $(identities); do
		id=$(oc "$who" start --no-config --pids 20 --bind "$A/payload:/payload")
		call=$(oc "$who" exec --background "$id" -- /payload children 100 stay)
		sleep 0.5
		oc "$who" logs "$id" "$call"
		run oc "$who" exec "$id" -- true
		echo "$status $output"
		# Where RLIMIT_NPROC stands in for a cgroup, it binds the commands, and not pid 1, which starts them.
		if [ "$status" -ne 0 ] || [ "$who" = root ]; then
			[ "$status" -eq 125 ]
			[[ "$output" == *"cannot start a process in the sandbox"*"its limit of processes is reached"* ]]
		else
			fails oc "$who" exec "$id" -- sh -c 'true | cat'
		fi
		oc "$who" kill "$id" "$call"
		oc "$who" exec "$id" -- true
		oc "$who" stop "$id"
	done
}

@test "R1: whatever was tried, nothing but the sandboxes is there, and after them nothing" {
	for who in $(identities); do
		still_there "$who"
		calls_are_over "$who"
		oc "$who" stop --all
		run oc "$who" ps
		none "$(id_of "$who")" <<<"$output"
		[ -z "$(inside_run ls -A "$(run_of "$who")")" ]
	done
	nothing_left
}
