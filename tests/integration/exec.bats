#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# exec - commands in a live sandbox by the command line: exit codes, streams, signals, limits, terminals, the background.  As root
# and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../attack/lib
load ../lib/sessions

setup_file() {
	attack_setup
	# One of them has a network.
	# shellcheck disable=SC2154 # of lib.bash
	cp "$build/oc-egress" "$A/"
	world_begin
	for who in $(identities); do oc "$who" start --no-config --agent "$who" >"$A/id-$who"; done
}
teardown_file() {
	world_end
	attack_teardown
}
setup() {
	jobs_of_test=()
}
teardown() {
	local pid
	for pid in "${jobs_of_test[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
}

# ex WHO [OPTION...] -- COMMAND...: in the sandbox of that identity.
ex() {
	local who=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	oc "$who" exec "${options[@]}" "$(cat "$A/id-$who")" -- "$@"
}
# bg WHO COMMAND...: prints the call's id
bg() {
	local who=$1
	shift
	oc "$who" exec --background "$(cat "$A/id-$who")" -- "$@" </dev/null
}
result() {
	python3 -c 'import json,sys; v=json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v=v[k]
print(json.dumps(v) if not isinstance(v,str) else v)' "$1" "$2"
}
# Does a command with this word run anywhere?
runs() {
	pgrep -f -- "$1" >/dev/null
}
# until SECONDS COMMAND...
until_true() {
	local i
	for ((i = 0; i < $1 * 20; i++)); do
		if "${@:2}"; then return 0; fi
		sleep 0.05
	done
	return 1
}

@test "exit codes are those of run" {
	for who in $(identities); do
		for code in 0 1 124 125 126 255; do
			rc=0
			ex "$who" -- sh -c "exit $code" || rc=$?
			[ "$rc" -eq "$code" ]
		done
		# shellcheck disable=SC2016
		run ex "$who" -- sh -c 'kill -TERM $$'
		[ "$status" -eq 143 ]
		run -127 ex "$who" -- no-such-program
		[[ $output == *no-such-program* ]]
		run ex "$who" -- /etc/passwd
		[ "$status" -eq 126 ]
	done
}

@test "the sandbox is named by its id, the beginning of it, or its agent" {
	for who in $(identities); do
		id=$(cat "$A/id-$who")
		[ "$(oc "$who" exec "$id" echo one)" = one ]
		[ "$(oc "$who" exec "${id:0:6}" -- echo two)" = two ]
		[ "$(oc "$who" exec "$who" echo three)" = three ]
		# What follows belongs to the command, whatever it looks like.
		[ "$(oc "$who" exec "$id" echo --timeout -- 5)" = "--timeout -- 5" ]
		run oc "$who" exec nobody true
		[ "$status" -eq 125 ]
		[[ $output == *"no live sandbox nobody"* ]]
		run oc "$who" exec
		[ "$status" -eq 125 ]
		run oc "$who" exec "$id"
		[ "$status" -eq 125 ]
		[[ $output == *"no command"* ]]
		run oc "$who" exec --no-such "$id" true
		[ "$status" -eq 125 ]
		run oc "$who" exec --egress open "$id" true
		[ "$status" -eq 125 ]
	done
}

@test "streams: pipes, files, much of it, each where it belongs" {
	head -c 3000000 /dev/urandom >"$A/big"
	chmod 644 "$A/big"
	for who in $(identities); do
		[ "$(ex "$who" -- cat <"$A/big" | sha256sum)" = "$(sha256sum <"$A/big")" ]
		# shellcheck disable=SC2002
		[ "$(cat "$A/big" | ex "$who" -- cat | sha256sum)" = "$(sha256sum <"$A/big")" ]
		ex "$who" -- cat <"$A/big" >"$A/copy"
		cmp "$A/big" "$A/copy"
		ex "$who" -- sh -c 'echo out; echo err >&2' >"$A/o" 2>"$A/e"
		[ "$(cat "$A/o")" = out ]
		[ "$(cat "$A/e")" = err ]
		# One pipe for both keeps the order.
		[ "$(ex "$who" -- sh -c 'for i in 1 2 3 4; do echo $i; echo -$i >&2; done' 2>&1 | tr '\n' ' ')" = "1 -1 2 -2 3 -3 4 -4 " ]
		# A reader that goes ends the writer.
		[ "$(ex "$who" -- yes | head -n 1)" = y ]
	done
}

@test "what the command does not read of the input is still there" {
	seq 1 20000 >"$A/lines"
	chmod 644 "$A/lines"
	for who in $(identities); do
		run bash -c "{ $(declare -f there oc ex as); ex $who -- sh -c 'read a; read b; echo \$a \$b'; read -r c; echo \$c; }" <"$A/lines"
		[ "$output" = $'1 2\n3' ]
		run bash -c "cat | { $(declare -f there oc ex as); ex $who -- sh -c 'read a; echo \$a'; read -r c; echo \$c; }" <"$A/lines"
		[ "$output" = $'1\n2' ]
	done
}

@test "the caller's input cannot be written by the command" {
	for who in $(identities); do
		echo "as it was" >"$A/home-$who/file"
		own "$who" "$A/home-$who/file"
		ex "$who" -- sh -c 'echo changed >/proc/self/fd/0; echo changed >>/dev/stdin' <"$A/home-$who/file" 2>/dev/null || true
		[ "$(cat "$A/home-$who/file")" = "as it was" ]
		# A pipe: the command could put words into it for whoever reads it next.
		there "$who" sh -c 'sleep 1 | { "$0" exec "$1" sh -c "echo injected >/proc/self/fd/0" 2>/dev/null; cat; }' \
			"$A/oc-sandbox" "$(cat "$A/id-$who")" >"$A/left"
		none injected "$A/left"
	done
}

@test "environment and working directory" {
	for who in $(identities); do
		[ "$(ex "$who" -e A=1 -e "B=two words" -- sh -c 'echo $A $B')" = "1 two words" ]
		[ "$(PASSED=yes oc "$who" exec --env-pass PASSED --env-pass NOT_SET "$who" sh -c 'echo $PASSED ${NOT_SET-unset}')" = "yes unset" ]
		[ "$(ex "$who" -C /tmp -- pwd)" = /tmp ]
		# What is set is of this call only.
		[ -z "$(ex "$who" -- sh -c 'echo $A')" ]
		for name in LD_PRELOAD=/x BASH_ENV=/x PATH=/x HOME=/x "A B=1" NOEQUALS; do
			run ex "$who" -e "$name" -- true
			[ "$status" -eq 125 ]
		done
		GITHUB_TOKEN=1 run oc "$who" exec --env-pass GITHUB_TOKEN "$who" true
		[ "$status" -eq 125 ]
		run ex "$who" -C relative -- true
		[ "$status" -eq 125 ]
		run ex "$who" -C /no/such/place -- true
		[ "$status" -ne 0 ]
		[[ $output == */no/such/place* ]]
	done
}

@test "limits of the call, and what the result says" {
	for who in $(identities); do
		r=$A/home-$who/r
		run ex "$who" --timeout 300ms --result "$r" -- sleep 30
		[ "$status" -eq 124 ]
		[[ $output == *"time limit of 0.3 s"* ]]
		[ "$(result "$r" cause)" = timeout ]
		run ex "$who" --quiet --timeout 300ms -- sleep 30
		[ "$status" -eq 124 ]
		[ -z "$output" ]
		ex "$who" --result "$r" -- true
		[ "$(result "$r" status)" = 0 ]
		[ "$(result "$r" exit)" = 0 ]
		[ "$(result "$r" signal)" = null ]
		[ "$(result "$r" usage.wallUs)" -gt 0 ]
		run ex "$who" --result "$r" -- no-such-program
		[ "$status" -eq 127 ]
		[[ "$(result "$r" error.message)" == *no-such-program* ]]
		[ "$(ex "$who" --result fd:1 -- true | python3 -c 'import json,sys; print(json.load(sys.stdin)["status"])')" = 0 ]
		run ex "$who" --result fd:77 -- true
		[ "$status" -eq 125 ]
		ln -sf "$A/canary/file" "$A/home-$who/link"
		run ex "$who" --result "$A/home-$who/link" -- true
		[ "$status" -eq 125 ]
		for bad in "--timeout x" "--memory 0" "--pids -1" "--cpus none"; do
			# shellcheck disable=SC2086
			run ex "$who" $bad -- true
			[ "$status" -eq 125 ]
		done
	done
	[ "$(cat "$A/canary/file")" = canary ]
}

@test "a call's own ceiling of memory ends the call and not the sandbox" {
	for who in $(identities); do
		r=$A/home-$who/r
		run ex "$who" --memory 64m --result "$r" -- sh -c 'x=$(head -c 300000000 /dev/zero | tr "\0" x); echo ${#x}'
		echo "$output"
		[ "$status" -ne 0 ]
		[ "$(ex "$who" -- echo alive)" = alive ]
	done
}

@test "signals go to the command" {
	for who in $(identities); do
		for sig in TERM INT HUP QUIT USR1 USR2; do
			rm -f "$A/sig"
			# shellcheck disable=SC2016
			there "$who" "$A/oc-sandbox" exec "$who" \
				sh -c 'trap "echo got '$sig'; exit 9" '$sig'; echo ready; while :; do sleep 0.05; done' </dev/null >"$A/sig" &
			job=$!
			jobs_of_test+=("$job")
			until_true 10 grep -q ready "$A/sig"
			pid=$(pgrep -P "$job" -f 'oc-sandbox exec' || echo "$job")
			kill -"$sig" "$pid"
			rc=0
			wait "$job" || rc=$?
			[ "$rc" -eq 9 ]
			grep -q "got $sig" "$A/sig"
		done
	done
}

@test "who goes takes the call along, with all that came of it" {
	for who in $(identities); do
		there "$who" "$A/oc-sandbox" exec "$who" sh -c '(setsid sleep 4141 &) ; sleep 4142' </dev/null &
		job=$!
		jobs_of_test+=("$job")
		until_true 10 runs 'sleep 414[1]'
		until_true 10 runs 'sleep 414[2]'
		kill -9 "$(pgrep -P "$job" -f 'oc-sandbox exec' || echo "$job")"
		until_true 10 fails runs 'sleep 414[12]' >/dev/null
		# The process that started it ends.
		there "$who" sh -c '"$0" exec "$1" sleep 4143 </dev/null & sleep 0.5; kill -9 $$' "$A/oc-sandbox" "$who" || true
		until_true 10 fails runs 'sleep 414[3]' >/dev/null
		[ "$(ex "$who" -- echo alive)" = alive ]
	done
}

@test "in the background: logs, attach with its exit status, input, kill" {
	for who in $(identities); do
		call=$(bg "$who" sh -c 'echo first; echo second >&2; while read x; do echo got $x; done; echo end; exit 6')
		[ -n "$call" ]
		until_true 5 bash -c "$(declare -f there oc as); oc $who logs $who $call | grep -q second"
		run oc "$who" logs "$who" "$call"
		[[ $output == *first* ]]
		printf 'one\ntwo\n' >"$A/in"
		rc=0
		oc "$who" attach "$who" "$call" <"$A/in" >"$A/out" 2>"$A/err" || rc=$?
		cat "$A/out" "$A/err"
		[ "$rc" -eq 6 ]
		[ "$(tr '\n' ' ' <"$A/out")" = "first got one got two end " ]
		grep -q second "$A/err"
		# It has ended, and its output is still there.
		run oc "$who" logs "$who" "$call"
		[[ $output == *"got two"* ]]
		call=$(bg "$who" sh -c 'echo x; exec sleep 4144')
		oc "$who" logs --follow "$who" "$call" </dev/null >"$A/follow" &
		job=$!
		jobs_of_test+=("$job")
		until_true 5 grep -q x "$A/follow"
		oc "$who" kill "$who" "$call"
		rc=0
		wait "$job" || rc=$?
		[ "$rc" -eq 137 ]
		# A reader that goes ends it, too, and not the call.
		call=$(bg "$who" sh -c 'while :; do echo y; sleep 0.02; done')
		[ "$(oc "$who" attach "$who" "$call" </dev/null | head -n 1)" = y ]
		oc "$who" kill "$who" "$call"
		call=$(bg "$who" sh -c 'trap "echo caught; exit 3" USR1; echo ready; while :; do sleep 0.05; done')
		until_true 5 bash -c "$(declare -f there oc as); oc $who logs $who $call | grep -q ready"
		oc "$who" kill "$who" "$call" USR1
		rc=0
		oc "$who" attach --no-input "$who" "$call" </dev/null >"$A/out" || rc=$?
		[ "$rc" -eq 3 ]
		grep -q caught "$A/out"
		for command in attach logs kill; do
			run oc "$who" "$command" "$who" no-such-call
			[ "$status" -eq 125 ]
			[[ $output == *no-such-call* ]]
			run oc "$who" "$command" "$who"
			[ "$status" -eq 125 ]
		done
		run oc "$who" kill "$who" "$call" NOSUCH
		[ "$status" -eq 125 ]
		run -127 bg "$who" no-such-program
		run oc "$who" exec --background --result "$A/r" "$who" true
		[ "$status" -eq 125 ]
	done
}

@test "fifty at once" {
	for who in $(identities); do
		pids=()
		for i in {1..50}; do
			there "$who" "$A/oc-sandbox" exec "$who" sh -c "sleep 0.1; exit $((i % 7))" </dev/null &
			pids+=("$!")
		done
		i=0
		for pid in "${pids[@]}"; do
			i=$((i + 1)) rc=0
			wait "$pid" || rc=$?
			[ "$rc" -eq $((i % 7)) ]
		done
	done
}

@test "a sandbox for one command is not one for others" {
	for who in $(identities); do
		mkfifo "$A/hold-$who"
		there "$who" "$A/oc-sandbox" run --no-config --allow example.com -- sh -c 'echo up; read x' <>"$A/hold-$who" >"$A/up-$who" 3>&- &
		job=$!
		jobs_of_test+=("$job")
		until_true 10 grep -q up "$A/up-$who"
		id=$(oc "$who" net list --json | python3 -c 'import json,sys; print([s["id"] for s in json.load(sys.stdin)][-1])')
		if [ "$id" != "$(cat "$A/id-$who")" ]; then
			run oc "$who" exec "$id" true
			[ "$status" -eq 125 ]
			[[ $output == *"one command only"* ]]
		fi
		echo >"$A/hold-$who"
		wait "$job"
	done
}

# --- terminals ---

dialogue() {
	local who=$1
	shift
	command -v expect >/dev/null || skip "expect is not installed"
	export EXEC_WHO=$who
	there "$who" env OC="$A/oc-sandbox" SB="$(cat "$A/id-$who")" expect -c "set timeout 20
proc die {} { puts TIMEOUT; exit 9 }
$1"
}

@test "a terminal of its own: isatty, size, Ctrl-C, exit code" {
	for who in $(identities); do
		run dialogue "$who" 'spawn -noecho bash --norc --noprofile
send "stty rows 33 cols 77; \$OC exec \$SB sh\r"
expect -re {[\$#] $} {} timeout die
send "test -t 0 && test -t 1 && test -t 2 && echo is-a-tty; stty size\r"
expect -re {is-a-tty\r\n33 77} {} timeout die
send "sleep 60\r"
sleep 0.5
send "\003"
expect -re {[\$#] $} {} timeout die
send "exit 5\r"
sleep 0.5
send "echo status=\$?; stty -a | grep -q -- -icanon || echo cooked\r"
expect -re {status=5} {} timeout die
expect -re {cooked\r} {} timeout die
send "exit 0\r"
expect eof'
		echo "$output"
		[ "$status" -eq 0 ]
	done
}

@test "Ctrl-P Ctrl-Q leaves an attached call running, and its terminal keeps its size" {
	for who in $(identities); do
		call=$(oc "$who" exec --background --tty "$who" -- sh </dev/null)
		run dialogue "$who" "spawn \$env(OC) attach \$env(SB) $call
send \"echo one\\\$((1+1)) \\020x\\r\"
expect -re {one2} {} timeout die
send \"\\020\\021\"
expect -re {detached} {} timeout die
expect eof
lassign [wait] a b c code
exit \$code"
		echo "$output"
		[ "$status" -eq 0 ]
		run dialogue "$who" "spawn \$env(OC) attach \$env(SB) $call
send \"exit 4\\r\"
expect eof
lassign [wait] a b c code
exit \$code"
		echo "$output"
		[ "$status" -eq 4 ]
	done
}

@test "answers of the terminal to questions of the command are not left for the shell" {
	for who in $(identities); do
		for streams in 012 12 1 01; do
			there "$who" "$A/pty" "$streams" 0 "$A/home-$who/shown" -- \
				"$A/oc-sandbox" exec "$who" printf '\033[6n\033[c\005'
		done
		there "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- \
			"$A/oc-sandbox" exec --no-tty "$who" printf '\033[6n\033[c\005'
		call=$(bg "$who" printf '\033[6n\033[c\005')
		there "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- "$A/oc-sandbox" logs "$who" "$call"
		there "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- "$A/oc-sandbox" attach "$who" "$call"
	done
}
