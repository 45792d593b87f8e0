#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# sessions - sandboxes that stay between their commands: kept, joined, listed, ended.  As root and as an ordinary user, by the
# command line alone.

# What is in single quotes is for the shell inside.
# shellcheck disable=SC2016

bats_require_minimum_version 1.5.0
load ../attack/lib

setup_file() {
	attack_setup
	export WORLD=
	[ "$(id -u)" = 0 ] || return 0
	# Root's run directory has a fixed place: here it is one of this file's own.
	unshare -m sh -c 'mount -t tmpfs -o mode=755 none /run && touch "$1" && exec sleep 1000000' sh "$A/world" 3>&- &
	WORLD=$!
	for _ in {1..100}; do
		if [ -e "$A/world" ]; then return 0; fi
		sleep 0.05
	done
	return 1
}
teardown_file() {
	local who
	for who in $(identities); do oc "$who" stop --all >/dev/null 2>&1 || true; done
	if [ -n "$WORLD" ]; then kill -9 "$WORLD"; fi
	attack_teardown
}
setup() {
	jobs_of_test=()
}
teardown() {
	local pid who
	for pid in "${jobs_of_test[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
	for who in $(identities); do
		oc "$who" stop --all >/dev/null 2>&1 || true
		rm -rf "$A/state-$who/sandboxes"
	done
}

# there WHO COMMAND...: as that identity, on this file's /run, with no run directory of a login.
there() {
	local who=$1
	shift
	if [ -z "$WORLD" ]; then
		as "$who" env -u XDG_RUNTIME_DIR "$@"
	elif [ "$who" = user ]; then
		nsenter -t "$WORLD" -m -- setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups \
			env -u XDG_RUNTIME_DIR HOME="$A/home-user" OPENCLAW_STATE_DIR="$A/state-user" "$@"
	else
		nsenter -t "$WORLD" -m -- env HOME="$A/home-$who" OPENCLAW_STATE_DIR="$A/state-$who" "$@"
	fi
}
oc() {
	local who=$1
	shift
	there "$who" "$A/oc-sandbox" "$@"
}
# keep WHO [OPTION...] -- COMMAND...
keep() {
	local who=$1
	shift
	oc "$who" run --keep --no-config "$@"
}
ids() {
	oc "$1" ps --json | python3 -c 'import json, sys
for s in json.load(sys.stdin):
	if s["id"] and s["state"] != "error": print(s["id"])'
}
# member WHO ID NAME
member() {
	oc "$1" ps --json | python3 -c 'import json, sys
print([s for s in json.load(sys.stdin) if s["id"] == sys.argv[1]][0][sys.argv[2]])' "$2" "$3"
}
# The run directory of that identity.
registry() {
	if [ "$1" = root ]; then echo /run/oc-sandbox; else echo "$A/state-user/run"; fi
}
# none_left WHO: within some seconds
none_left() {
	local i
	for i in {1..100}; do
		if [ -z "$(ids "$1")" ]; then return 0; fi
		sleep 0.05
	done
	oc "$1" ps
	return 1
}
# age WHO ID SECONDS: as if it had not been used for so long
age() {
	there "$1" python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as f:
	f.seek(16)
	used, = struct.unpack("Q", f.read(8))
	f.seek(16)
	f.write(struct.pack("Q", max(0, used - int(sys.argv[2]) * 10**9)))' "$(registry "$1")/$2/activity" "$3"
}
# ended PID: within some seconds; whoever has to reap it may take his time
ended() {
	local i
	for i in {1..40}; do
		if ! grep -qs '^State:.[^Z]' "/proc/$1/status"; then return 0; fi
		sleep 0.05
	done
	return 1
}
# hold WHO ENTRY: a directory in the registry that a process has locked as a monitor does
hold() {
	there "$1" mkdir -m 700 -p "$(registry "$1")" "$(registry "$1")/$2"
	rm -f "$A/holder"
	there "$1" python3 -c 'import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)
print(os.getpid(), flush=True)
time.sleep(1000)' "$(registry "$1")/$2" >"$A/holder" 3>&- &
	for _ in {1..100}; do
		if [ -s "$A/holder" ]; then break; fi
		sleep 0.05
	done
	jobs_of_test+=("$(cat "$A/holder")")
}

@test "a sandbox is kept, and joined by run and exec; another agent has another" {
	for who in $(identities); do
		keep "$who" --agent main -- sh -c 'echo one >/tmp/mark'
		[ "$(keep "$who" --agent main -- cat /tmp/mark)" = one ]
		[ "$(oc "$who" run --no-config --agent main -- cat /tmp/mark)" = one ]
		[ "$(oc "$who" exec main -- cat /tmp/mark)" = one ]
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		# Nothing of it is in a sandbox that is not kept, nor in that of another agent.
		run oc "$who" run --no-config -- cat /tmp/mark
		[ "$status" -ne 0 ]
		run keep "$who" --agent other -- cat /tmp/mark
		[ "$status" -ne 0 ]
		[ "$(ids "$who" | wc -l)" -eq 2 ]
		# What belongs to one command does not make another sandbox: variables, directory, time limit, exit status.
		run keep "$who" --agent main --env "A=b c" --workdir /tmp --timeout 5s -- sh -c 'pwd; echo "$A"; cat mark; exit 3'
		[ "$status" -eq 3 ]
		[ "$output" = $'/tmp\nb c\none' ]
		run keep "$who" --agent main --timeout 0.3s -- sleep 20
		[ "$status" -eq 124 ]
		# Whoever makes the sandbox gives the next command nothing of that, either.
		keep "$who" --agent first --env A=x --workdir /tmp --timeout 0.5s -- true
		[ "$(oc "$who" exec first -- sh -c 'sleep 1; pwd; echo "[$A]"')" = $'/workspace\n[]' ]
		oc "$who" stop first
		[ "$(keep "$who" --agent main -- cat /tmp/mark)" = one ]
		oc "$who" stop --all
		none_left "$who"
		# The scratch directory is what remains.
		run keep "$who" --agent main -- cat /tmp/mark
		[ "$status" -ne 0 ]
		oc "$who" stop main
	done
}

@test "sessions and agents that share a scope share a sandbox" {
	for who in $(identities); do
		keep "$who" --agent main --session a --scope agent -- sh -c 'echo x >/tmp/mark'
		[ "$(keep "$who" --agent main --session b --scope agent -- cat /tmp/mark)" = x ]
		keep "$who" --agent one --scope shared -- sh -c 'echo y >/tmp/mark'
		keep "$who" --agent main --session a --scope session -- sh -c 'test ! -e /tmp/mark'
		keep "$who" --agent main --session b --scope session -- sh -c 'test ! -e /tmp/mark'
		[ "$(ids "$who" | wc -l)" -eq 4 ]
		run oc "$who" exec main -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"main could be 3 sandboxes:"*"agent:main:a"* ]]
		oc "$who" exec agent:main:a -- true
		# --agent: its own scope and those of its sessions; --session: exactly that one.
		run oc "$who" stop --session agent:main:a
		[ "$status" -eq 0 ]
		[ "$(ids "$who" | wc -l)" -eq 3 ]
		oc "$who" stop --agent main
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		oc "$who" stop shared
		none_left "$who"
	done
}

@test "without an agent every --keep makes one of its own, and says which" {
	for who in $(identities); do
		run --separate-stderr keep "$who" -- true
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		id=$(ids "$who")
		# shellcheck disable=SC2154
		[[ "$stderr" == *"the sandbox $id stays"* ]]
		run keep "$who" --quiet -- true
		[ -z "$output" ]
		[ "$(ids "$who" | wc -l)" -eq 2 ]
		# The beginning of an id is enough.
		oc "$who" exec "${id:0:8}" -- true
		oc "$who" stop "${id:0:8}"
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		oc "$who" stop --all
	done
}

@test "two callers at once get one sandbox: 20 rounds of 4" {
	for who in $(identities); do
		for round in {1..20}; do
			rm -f "$A"/got.*
			for i in 1 2 3 4; do
				keep "$who" --agent "r$((round % 4))" -- sh -c 'echo $$; cat /proc/sys/kernel/hostname' >"$A/got.$i" 3>&- &
			done
			wait
			for i in 1 2 3 4; do [ "$(wc -l <"$A/got.$i")" -eq 2 ]; done
			[ "$(ids "$who" | wc -l)" -eq 1 ]
			oc "$who" stop --all
		done
	done
}

@test "start: prints the id, or one line of JSON where it is told to" {
	for who in $(identities); do
		run oc "$who" start --no-config --agent main --join-only
		[ "$status" -eq 125 ]
		[[ "$output" == *"no live sandbox of agent:main to join"* ]]
		id=$(oc "$who" start --no-config --agent main)
		[ "$id" = "$(ids "$who")" ]
		[ "$(oc "$who" start --no-config --agent main --join-only)" = "$id" ]
		line=$(oc "$who" start --no-config --agent main --ready-fd 5 5>&1 >/dev/null)
		[ "$line" = "{\"ok\":true,\"id\":\"$id\",\"dir\":\"$(registry "$who")/$id\",\"joined\":true}" ]
		# An error is there, too, and nowhere else.
		run --separate-stderr oc "$who" start --no-config --agent main --memory 300m --ready-fd 1
		[ "$status" -eq 125 ]
		[ -z "$stderr" ]
		python3 -c 'import json, sys
v = json.loads(sys.argv[1])
assert v["ok"] is False and v["status"] == 125 and v["step"] == "scope", v
assert "another plan" in v["error"] and "oc-sandbox recreate --agent main" in v["hint"], v' "$output"
		new=$(oc "$who" start --no-config --agent main --memory 300m --recreate)
		[ "$new" != "$id" ]
		[ "$(ids "$who")" = "$new" ]
		for wrong in "--ready-fd 77" "--ready-fd x" "--join-only --recreate --agent main" "-- true" "--readyfd 1"; do
			# shellcheck disable=SC2086
			run oc "$who" start --no-config $wrong
			[ "$status" -eq 125 ]
		done
		[[ "$output" == *"did you mean --ready-fd?"* ]]
		oc "$who" stop --all
	done
}

@test "another plan: refused while the sandbox is in use, with the command that helps; made anew when it is not" {
	for who in $(identities); do
		keep "$who" --agent main -- sh -c 'echo x >/tmp/mark'
		id=$(ids "$who")
		run keep "$who" --agent main --memory 300m -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"the sandbox $id of agent:main was made from another plan, and was used "*" s ago"* ]]
		[[ "$output" == *"oc-sandbox recreate --agent main"* ]]
		# So is a run that only wanted to join: it would run in something else than it asked for.
		run oc "$who" run --no-config --agent main --memory 300m -- true
		[ "$status" -eq 125 ]
		[ "$(ids "$who")" = "$id" ]
		# Not used for five minutes: nobody minds.
		age "$who" "$id" 290
		run keep "$who" --agent main --memory 300m -- true
		[ "$status" -eq 125 ]
		age "$who" "$id" 20
		run keep "$who" --agent main --memory 300m -- sh -c 'test ! -e /tmp/mark'
		[ "$status" -eq 0 ]
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		[ "$(ids "$who")" != "$id" ]
		# A command runs: however long ago it began.
		id=$(ids "$who")
		oc "$who" exec --background main -- sleep 100
		age "$who" "$id" 400
		run keep "$who" --agent main -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"and 1 command runs in it"* ]]
		[ "$(member "$who" "$id" state)" = busy ]
		# The command of the hint.
		run oc "$who" recreate --agent main --force
		[ "$status" -eq 0 ]
		[[ "$output" == *"$id"*"Done: 1 removed, 0 failed"* ]]
		keep "$who" --agent main -- true
		oc "$who" stop --all
	done
}

@test "variables of the configuration belong to the sandbox" {
	for who in $(identities); do
		for value in one two; do
			echo "{agents: {defaults: {sandbox: {docker: {env: {V: \"$value\", PATH: \"/usr/bin:/bin:/$value\"}}}}}}" >"$A/config.json"
			chmod 644 "$A/config.json"
			run --separate-stderr oc "$who" run --keep --config "$A/config.json" --agent main -e W=w -- sh -c 'echo $V $W $PATH'
			if [ $value = two ]; then
				[ "$status" -eq 125 ]
				oc "$who" recreate --agent main --force
				run --separate-stderr oc "$who" run --keep --config "$A/config.json" --agent main -e W=w -- sh -c 'echo $V $W $PATH'
			fi
			[ "$status" -eq 0 ]
			[ "$output" = "$value w /usr/bin:/bin:/$value" ]
			[ "$(oc "$who" run --config "$A/config.json" --agent main -- sh -c 'echo $V$W')" = "$value" ]
		done
		oc "$who" stop --all
	done
}

@test "files that come to life in the workspace do not make another plan" {
	for who in $(identities); do
		keep "$who" --agent main --workspace "$A/ws-$who" --access rw -- true
		id=$(ids "$who")
		there "$who" mkdir -p "$A/ws-$who/.git/hooks"
		run keep "$who" --agent main --workspace "$A/ws-$who" --access rw -- true
		[ "$status" -eq 0 ]
		[ "$(ids "$who")" = "$id" ]
		oc "$who" stop --all
		rm -rf "$A/ws-$who/.git"
	done
}

@test "idle time and age end a sandbox; used or of no limit it stays" {
	for who in $(identities); do
		keep "$who" --quiet --idle 1s -- true
		keep "$who" --quiet --max-age 1s -- true
		keep "$who" --agent main --idle 0 --max-age 0 -- true
		keep "$who" --agent used --idle 4s -- true
		oc "$who" exec --background used -- sleep 7
		sleep 6
		[ "$(oc "$who" ps | awk 'NR > 1 { print $2 }' | sort | xargs)" = "agent:main agent:used" ]
		for _ in {1..20}; do
			left=$(oc "$who" ps | awk 'NR > 1 { print $2 }' | sort | xargs)
			if [ "$left" = agent:main ]; then break; fi
			sleep 0.5
		done
		[ "$left" = agent:main ]
		# Nothing is left of those that ended.
		[ "$(there "$who" ls "$(registry "$who")" | wc -l)" -eq 2 ]
		oc "$who" stop --all
		run oc "$who" run --no-config --idle 1s -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"add --keep"* ]]
	done
}

@test "the limits come from the configuration, and explain says so" {
	who=user
	cat >"$A/config.json" <<'END'
{agents: {defaults: {sandbox: {prune: {idleHours: 0.5, maxAgeDays: 0}}}, list: [{id: "main"}, {id: "b", sandbox: {prune: {maxAgeDays: 3}}}]}}
END
	chmod 644 "$A/config.json"
	run oc $who explain --config "$A/config.json" --agent main
	[[ "$output" == *"idle          30m "*"config.json:1 agents.defaults.sandbox.prune.idleHours"* ]]
	[[ "$output" == *"max age       never "* ]]
	run oc $who explain --json --config "$A/config.json" --agent b --idle 2d
	python3 -c 'import json, sys
v = json.loads(sys.argv[1])
assert v["limits"]["idleMs"] == 2 * 86400000 and v["limits"]["maxAgeMs"] == 3 * 86400000, v["limits"]
assert v["origins"]["idle"] == "--idle" and "agents.list[1].sandbox.prune.maxAgeDays" in v["origins"]["maxAge"]' "$output"
	# In a shared scope what one agent says does not count.
	run oc $who explain --config "$A/config.json" --agent b --scope shared
	[[ "$output" == *"max age       never "* ]]
	run oc $who explain --no-config
	[[ "$output" == *"idle          24h "*"(default)"* ]]
	[[ "$output" == *"max age       7d "* ]]
	for wrong in "-1" 1x "" 200000d 1.5.5; do
		run oc $who explain --no-config --idle "$wrong"
		[ "$status" -eq 125 ]
	done
	echo '{agents: {defaults: {sandbox: {prune: {idleHours: 1e300}}}}}' >"$A/config.json"
	run oc $who explain --config "$A/config.json"
	[ "$status" -eq 125 ]
}

@test "prune: idle, old and dead ones" {
	for who in $(identities); do
		keep "$who" --agent main -- true
		keep "$who" --agent busy -- true
		keep "$who" --agent fresh -- true
		main=$(member_id "$who" agent:main) busy=$(member_id "$who" agent:busy)
		oc "$who" exec --background busy -- sleep 100
		age "$who" "$main" 90
		age "$who" "$busy" 90
		run oc "$who" prune --idle 1m --dry-run
		[ "$status" -eq 0 ]
		[[ "$output" == *"$main  idle: 9"?"s"*"1 would be removed"* ]]
		[ "$(ids "$who" | wc -l)" -eq 3 ]
		run oc "$who" prune --json
		[[ "$output" == *'"pruned": []'* ]]
		run oc "$who" prune --idle 1m --json
		python3 -c 'import json, sys
v = json.loads(sys.argv[1])
assert [p["id"] for p in v["pruned"]] == [sys.argv[2]] and v["pruned"][0]["reason"] == "idle", v
assert v["pruned"][0]["how"] == "stopped" and not v["dryRun"], v' "$output" "$main"
		[ "$(ids "$who" | wc -l)" -eq 2 ]
		sleep 1.1
		# Too old: in use or not.
		run oc "$who" prune --idle 0 --max-age 1s
		[[ "$output" == *"old: "*"Done: 2 removed, 0 failed"* ]]
		none_left "$who"
		run oc "$who" prune --max-age 1x
		[ "$status" -eq 125 ]
	done
}
member_id() {
	oc "$1" ps --json | python3 -c 'import json, sys
print([s for s in json.load(sys.stdin) if s["scopeKey"] == sys.argv[1]][0]["id"])' "$2"
}

@test "ps and inspect: what is said, as text and as JSON" {
	for who in $(identities); do
		run oc "$who" ps
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		[ "$(oc "$who" ps --json)" = "[]" ]
		keep "$who" --agent main --workspace "$A/ws-$who" --access rw --idle 3h -- true
		keep "$who" --agent gone -- true
		oc "$who" stop gone
		id=$(ids "$who")
		oc "$who" exec --background main -- sleep 100
		run oc "$who" ps
		[[ "${lines[0]}" == "ID "*"SCOPE "*"STATE "*"CALLS "*"AGE "*"IDLE"* ]]
		[[ "${lines[1]}" =~ ^$id\ \ agent:main\ +busy\ +1\ +[0-9]+s\ +0s ]]
		[ "${#lines[@]}" -eq 2 ]
		oc "$who" ps --all | grep -q "^scratch .*/state-$who/sandboxes/agent-gone-"
		oc "$who" ps --all --json | python3 -c 'import json, sys
live, stored = json.load(sys.stdin)
assert live["id"] == sys.argv[1] and live["keep"] and live["calls"] == 1 and live["state"] == "busy", live
assert live["scopeKey"] == "agent:main" and live["agent"] == "main" and live["access"] == "rw", live
assert live["idleLimitMs"] == 3 * 3600000 and live["maxAgeMs"] == 7 * 86400000 and live["ageMs"] < 60000, live
assert stored["id"] is None and stored["state"] == "stored" and stored["kind"] == "scratch", stored' "$id"
		oc "$who" inspect main | python3 -c 'import json, sys
v = json.load(sys.stdin)
assert v["id"] == sys.argv[1] and v["keep"] and v["calls"] == 1 and len(v["planHash"]) == 64, v
assert v["directory"].endswith(sys.argv[1]) and v["state"] == "busy", v
assert [c["state"] for c in v["commands"]] == ["running"], v' "$id"
		run oc "$who" inspect nobody
		[ "$status" -eq 125 ]
		[[ "$output" == *"there is no live sandbox nobody"*"oc-sandbox ps"* ]]
		run oc "$who" ps --jsn
		[ "$status" -eq 125 ]
		[[ "$output" == *"did you mean --json?"* ]]
		oc "$who" stop --all
	done
}

@test "stop: more than one, unknown ones, none; whoever does not end is killed" {
	for who in $(identities); do
		keep "$who" --agent a -- true
		keep "$who" --agent b -- true
		run oc "$who" stop a nobody b
		[ "$status" -eq 125 ]
		[[ "$output" == *"no live sandbox nobody"* ]]
		none_left "$who"
		for wrong in "" "--all x" "--agent x --session y" "--agent nobody"; do
			# shellcheck disable=SC2086
			run oc "$who" stop $wrong
			[ "$status" -eq 125 ]
		done
		run oc "$who" stop --all
		[ "$status" -eq 0 ]
	done
	who=user
	keep $who --agent a -- true
	pid=$(member $who "$(ids $who)" pid)
	there $who kill -STOP "$pid"
	run oc $who stop a
	[ "$status" -eq 0 ]
	[[ "$output" == *"did not end within 10 s, and was killed"* ]]
	none_left $who
	ended "$pid"
}

@test "a monitor that was killed: its sandbox is gone, and the next command makes another" {
	for who in $(identities); do
		keep "$who" --agent main -- sh -c 'echo x >/tmp/mark'
		id=$(ids "$who")
		there "$who" kill -9 "$(member "$who" "$id" pid)"
		none_left "$who"
		run keep "$who" --agent main -- sh -c 'test ! -e /tmp/mark'
		[ "$status" -eq 0 ]
		# Monitor and janitor at once: what is left is cleaned up by whoever comes first.
		id=$(ids "$who")
		mapfile -t processes < <(there "$who" pgrep -f "^$A/oc-sandbox|^oc-sandbox" || true)
		there "$who" kill -9 "$(member "$who" "$id" pid)" "${processes[@]}" 2>/dev/null || true
		sleep 0.2
		run oc "$who" stop "$id"
		[ "$status" -eq 125 ]
		[[ "$output" == *"$id"* ]]
		[ -z "$(ids "$who")" ]
		run oc "$who" run --no-config --agent main -- echo alone
		[ "$output" = alone ]
		keep "$who" --agent main -- true
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		oc "$who" stop --all
		[ -z "$(there "$who" ls "$(registry "$who")")" ]
	done
}

@test "one registry for a login and for a service of the same user" {
	need_root
	uid=$(id -u "$TEST_USER")
	there root sh -c 'mkdir -p /run/user && mkdir -m 700 "/run/user/$1" && chown "$1" "/run/user/$1"' sh "$uid"
	keep user --agent main -- true
	id=$(ids user)
	there root test -d "/run/user/$uid/oc-sandbox/$id"
	there user env XDG_RUNTIME_DIR="/run/user/$uid" "$A/oc-sandbox" ps | grep -q "^$id "
	there user env XDG_RUNTIME_DIR="/run/user/$uid" "$A/oc-sandbox" run --keep --no-config --agent main -- true
	[ "$(ids user)" = "$id" ]
	oc user stop --all
	# One that others can write is none.
	there root chmod 777 "/run/user/$uid"
	keep user --agent main -- true
	[ -d "$A/state-user/run/$(ids user)" ]
	oc user stop --all
	there root rm -r /run/user
}

@test "whoever makes a sandbox holds the others for some time, not for ever" {
	who=user
	keep $who --agent main -- true
	scope=$(there $who ls "$(registry $who)" | grep ^scope-)
	# As a launch that hangs.
	there $who python3 -c 'import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX)
print(os.getpid(), flush=True)
time.sleep(30)' "$(registry $who)/$scope" >"$A/locker" 3>&- &
	sleep 0.5
	local locker
	locker=$(cat "$A/locker")
	run keep $who --agent main -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"another oc-sandbox has been making the sandbox of agent:main for 15 s"* ]]
	# Without the lock everything else goes on.
	oc $who exec main -- true
	oc $who stop main
	kill -9 "$locker"
}

@test "what is in the registry and not ours: told, left alone, and nobody else suffers" {
	for who in $(identities); do
		keep "$who" --agent main -- true
		id=$(ids "$who")
		# From a newer version.
		hold "$who" aaaaaaaaaaaa
		there "$who" sh -c 'umask 077; echo "{\"version\":9}" >"$1"' sh "$(registry "$who")/aaaaaaaaaaaa/info.json"
		run --separate-stderr oc "$who" ps
		[ "$status" -eq 0 ]
		[[ "$output" == *"$id"* ]]
		[[ "$stderr" == *"$(registry "$who")/aaaaaaaaaaaa: info.json has version 9"*"newer oc-sandbox"* ]]
		oc "$who" ps --json | grep -q '"error": ".*version 9'
		run oc "$who" exec aaaaaaaaaaaa -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"version 9"* ]]
		oc "$who" exec main -- true
		keep "$who" --agent main -- true
		# Garbage; and a socket that nobody listens on.
		there "$who" sh -c 'umask 077; echo garbage >"$1"' sh "$(registry "$who")/aaaaaaaaaaaa/info.json"
		run oc "$who" ps
		[[ "$output" == *"aaaaaaaaaaaa"*"info.json"* ]]
		there "$who" python3 - "$(registry "$who")/aaaaaaaaaaaa" "$$" <<'END'
import json, os, socket, sys
os.umask(0o77)
os.chdir(sys.argv[1])
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind("control")
json.dump({"version": 2, "id": "aaaaaaaaaaaa", "pid": int(sys.argv[2]), "startTime": 1, "agent": "stale", "scopeKey": "agent:stale",
	"created": "2026-01-01T00:00:00.000Z", "keep": True, "sandboxHash": "x"}, open("info.json", "w"))
END
		run oc "$who" exec stale -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"has ended"* ]]
		# The pid is this test's, the start time is not: nobody is sent a signal.
		kill -9 "${jobs_of_test[@]}"
		sleep 0.2
		run oc "$who" ps
		[[ "$output" != *aaaaaaaaaaaa* ]]
		there "$who" sh -c '! test -e "$1"' sh "$(registry "$who")/aaaaaaaaaaaa"
		# A link, a file, and something in a dead one.
		there "$who" sh -c 'cd "$1" && ln -s /etc bbbbbbbbbbbb && : >cccccccccccc && mkdir -m 700 dddddddddddd && : >dddddddddddd/x' sh "$(registry "$who")"
		run --separate-stderr oc "$who" ps
		[ "$status" -eq 0 ]
		[[ "$output" == *"$id"* ]]
		for entry in bbbbbbbbbbbb cccccccccccc dddddddddddd; do [[ "$stderr" == *"$(registry "$who")/$entry"* ]]; done
		there "$who" sh -c 'cd "$1" && test -L bbbbbbbbbbbb && rm -r bbbbbbbbbbbb cccccccccccc dddddddddddd' sh "$(registry "$who")"
		# The file of a scope.
		scope=$(there "$who" ls "$(registry "$who")" | grep ^scope-)
		oc "$who" stop --all
		for make in 'echo garbage >"$1"' 'ln -s /etc/passwd "$1"' 'mkdir "$1"' ': >"$1"; chmod 666 "$1"'; do
			there "$who" sh -c "$make" sh "$(registry "$who")/$scope"
			run keep "$who" --agent main -- true
			[ "$status" -eq 125 ]
			[[ "$output" == *"$(registry "$who")/$scope"*"look at the file, and remove it"* ]]
			# Another scope, and a sandbox of its own, are not touched by that.
			keep "$who" --agent other -- true
			oc "$who" run --no-config --agent main -- true
			there "$who" rm -rf "$(registry "$who")/$scope"
		done
		keep "$who" --agent main -- true
		oc "$who" stop --all
	done
}

@test "rm: asks, and removes the scratch directory; recreate does not" {
	for who in $(identities); do
		keep "$who" --agent main -- sh -c 'echo kept >/workspace/file; mkdir -p d/e; chmod 0 d/e d; ln -s /etc/passwd link'
		scratch=$(echo "$A/state-$who"/sandboxes/agent-main-*)
		[ -d "$scratch" ]
		run oc "$who" recreate --all </dev/null
		[ "$status" -eq 125 ]
		[[ "$output" == *"agent:main"*"--force"* ]]
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		oc "$who" recreate --all --force
		none_left "$who"
		[ "$(keep "$who" --agent main -- cat /workspace/file)" = kept ]
		run oc "$who" rm main </dev/null
		[ "$status" -eq 125 ]
		[[ "$output" == *"To be removed:"*"$scratch"*"--force"* ]]
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		# On a terminal: no, then yes.
		answer "$who" n rm main
		[ -d "$scratch" ]
		[ "$(ids "$who" | wc -l)" -eq 1 ]
		answer "$who" y rm main
		[ ! -e "$scratch" ]
		none_left "$who"
		# What nobody lives in, by agent and by name.
		for word in agent agent:main name; do
			keep "$who" --agent main -- touch /workspace/file
			oc "$who" stop main
			[ "$word" = agent ] && word=main
			[ "$word" = name ] && word=$(basename "$scratch")
			run oc "$who" rm --force "$word"
			[ "$status" -eq 0 ]
			[ ! -e "$scratch" ]
		done
		for wrong in nobody "" ../sandboxes . "main nobody"; do
			# shellcheck disable=SC2086
			run oc "$who" rm --force $wrong
			[ "$status" -eq 125 ]
		done
		[ -z "$(there "$who" ls -A "$A/state-$who/sandboxes")" ]
	done
}

@test "rm: the changes of an overlay are named, and removed with the rest" {
	for who in $(identities); do
		there "$who" sh -c 'echo real >"$1"' sh "$A/ws-$who/file"
		run keep "$who" --agent main --workspace "$A/ws-$who" --access overlay -- sh -c 'echo changed >file; mkdir -p a/b'
		if [ "$status" -eq 125 ]; then
			echo "$output"
			skip "no overlay here"
		fi
		echo "$output"
		[ "$status" -eq 0 ]
		run oc "$who" rm main </dev/null
		[ "$status" -eq 125 ]
		[[ "$output" == *"changes "*"/state-$who/sandboxes/agent-main-"*".overlay"* ]]
		oc "$who" stop main
		[ "$(keep "$who" --agent main --workspace "$A/ws-$who" --access overlay -- cat file)" = changed ]
		oc "$who" stop main
		oc "$who" ps --all | grep -q '^overlay '
		oc "$who" rm --force main
		[ -z "$(there "$who" ls -A "$A/state-$who/sandboxes")" ]
		[ "$(cat "$A/ws-$who/file")" = real ]
		rm -f "$A/ws-$who/file"
	done
}
# answer WHO WORD COMMAND...: on a terminal
answer() {
	local who=$1 word=$2
	shift 2
	there "$who" python3 - "$word" "$A/oc-sandbox" "$@" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b""
while b"[y/N]" not in seen:
    seen += os.read(fd, 4096)
os.write(fd, sys.argv[1].encode() + b"\n")
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
os.waitpid(pid, 0)
END
}
