#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# net - `oc-sandbox net`: what rules would do, and the doors of live sandboxes.  As root and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../attack/lib
load ../lib/egress

setup_file() {
	attack_setup
	world_start
	# Root's run directory has a fixed place: this world has one of its own.
	if [ "$(id -u)" = 0 ]; then nsenter -t "$(cat "$W/world.pid")" -m mount -t tmpfs -o mode=755 none /run; fi
	cp "$src/tests/lib/egress_steps.py" "$SHARE/"
	chmod 644 "$SHARE"/*
}
teardown_file() {
	world_stop
	attack_teardown
}
setup() {
	fresh
	jobs_of_test=()
}
teardown() {
	local pid
	for pid in "${jobs_of_test[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
}

net() {
	local who=$1
	shift
	outside "$who" "$A/oc-sandbox" net "$@"
}

# try WHO STATUS [OPTION...] TARGET: net test; the text is in $output
try() {
	local who=$1 want=$2
	shift 2
	run net "$who" test --no-config "$@"
	echo "$output"
	[ "$status" -eq "$want" ]
}

# live WHO NAME [OPTION...]: a sandbox that does steps; its lines are in $A/NAME.out, its door is waited for
live() {
	local who=$1 name=$2 i
	shift 2
	rm -f "$A/$name.in" "$A/$name.out"
	mkfifo "$A/$name.in"
	inside "$who" "$@" -- python3 "$SHARE/egress_steps.py" <>"$A/$name.in" >"$A/$name.out" 2>"$A/$name.err" 3>&- &
	jobs_of_test+=($!)
	for i in {1..200}; do
		if [ -s "$A/$name.out" ]; then return 0; fi
		sleep 0.05
	done
	cat "$A/$name.err"
	return 1
}

# step NAME WORD...: the answer is in $output
step() {
	local name=$1 before i
	shift
	before=$(wc -l <"$A/$name.out")
	echo "$*" >"$A/$name.in"
	for i in {1..300}; do
		if [ "$(wc -l <"$A/$name.out")" -gt "$before" ]; then
			output=$(tail -n 1 "$A/$name.out")
			return 0
		fi
		sleep 0.05
	done
	return 1
}

# The ids of the live sandboxes, the oldest first.
ids() {
	net "$1" list | sed 1d | cut -d' ' -f1
}

# gone WHO: all sandboxes have ended
gone() {
	local i
	for i in {1..200}; do
		if [ -z "$(ids "$1")" ]; then return 0; fi
		sleep 0.05
	done
	return 1
}

# The directory of a live sandbox, as seen on the host's side.
door() {
	outside "$1" sh -c 'ls -d /run/oc-sandbox/"$1" "$OPENCLAW_STATE_DIR/run/$1" 2>/dev/null || true' sh "$2"
}

monitor() {
	net "$1" list | awk -v id="$2" '$1 == id { print $3 }'
}

@test "net test: what would happen and why; nobody is connected to, and asked only for what is allowed" {
	for who in $(identities); do
		fresh
		try "$who" 0 --allow web.example web.example
		[[ "$output" == *"web.example:443: allowed if the first bytes are TLS or HTTP for this name"* ]]
		[[ "$output" == *"rule web.example"* ]]
		[[ "$output" == *"address  93.184.216.34 (public) allowed"* ]]
		[[ "$output" == *"address  2606:2800:220::34 (public) allowed"* ]]
		try "$who" 0 --allow 'tcp:*.wild.example:22' a.b.wild.example:22
		[[ "$output" == *"allowed, and not looked into"* ]]
		# One of its addresses is enough, as for a sandbox.
		try "$who" 0 --allow mixed.example mixed.example:80
		[[ "$output" == *"127.0.0.1 (loopback) an address of this class"* ]]
		queried 'web.example|a.b.wild.example|mixed.example'
		fresh
		try "$who" 1 --allow web.example other.example
		[[ "$output" == *"other.example:443: refused: no rule allows this name"* ]]
		try "$who" 1 --allow web.example web.example:8443
		[[ "$output" == *"refused: "*"name     allowed, rule web.example"* ]]
		try "$who" 1 --allow '*.wild.example' --deny a.wild.example a.wild.example
		[[ "$output" == *"rule a.wild.example"* ]]
		try "$who" 1 web.example
		try "$who" 1 --egress open localhost
		try "$who" 0 --allow 10.0.0.0/8:5432 10.1.2.3:5432
		try "$who" 1 --allow 10.0.0.0/8:5432 10.1.2.3:5433
		try "$who" 1 --allow 0.0.0.0/0 127.0.0.1
		try "$who" 1 --egress open '[::1]:80'
		try "$who" 0 --allow '[2606:2800:220::]/48' 2606:2800:220::34
		unnoticed
		try "$who" 1 --allow loop.example loop.example
		[[ "$output" == *"127.0.0.1 (loopback) an address of this class is only reached"* ]]
		try "$who" 0 --allow loop.example --allow-private loopback loop.example
		try "$who" 1 --allow absent.example absent.example
		[[ "$output" == *"absent.example:443: refused: "* ]]
		queried 'loop.example|absent.example'
		[ ! -e "$W/peers" ]
	done
}

@test "net test: JSON, the user's configuration, and words that are no target" {
	mkdir -p "$SHARE/conf"
	echo '{agents: {defaults: {sandbox: {native: {egress: {mode: "allowlist", allow: ["web.example"]}}}}}}' >"$SHARE/conf/openclaw.json"
	chmod -R a+rX "$SHARE/conf"
	for who in $(identities); do
		run -0 net "$who" test --config "$SHARE/conf/openclaw.json" --json web.example:80
		python3 - "$output" <<-'EOF'
			import json, sys
			v = json.loads(sys.argv[1])
			assert v["allowed"] is True and v["reason"] == "allowed" and v["check"] == "name", v
			assert v["query"] == {"allowed": True, "reason": "allowed", "rule": "web.example"} == v["connect"], v
			assert sorted(a["address"] for a in v["addresses"]) == ["2606:2800:220::34", "93.184.216.34"], v
			assert all(a["allowed"] and a["class"] == "public" for a in v["addresses"]), v
		EOF
		run -1 net "$who" test --config "$SHARE/conf/openclaw.json" --json other.example
		python3 - "$output" <<-'EOF'
			import json, sys
			v = json.loads(sys.argv[1])
			assert v["allowed"] is False and v["reason"] == "name-not-allowed" and v["addresses"] == [], v
			assert v["query"]["allowed"] is False and "connect" not in v, v
		EOF
		for bad in '' ':443' 'a.example:' 'a.example:0' 'a.example:65536' 'a.example:80x' '[::1' '[::1]x' '[a.example]:80'; do
			try "$who" 125 "$bad"
		done
		try "$who" 125
		try "$who" 125 a.example b.example
		try "$who" 125 --allow '*.com' a.example
		try "$who" 1 --allow a.example $'a\e[31m.example'
		[[ "$output" != *$'\e'* ]]
		[[ "$output" == *'\x1B'* ]]
	done
}

@test "net list: the live ones, by the user who made them; without a network there is no door" {
	for who in $(identities); do
		[ -z "$(ids "$who")" ]
		run -0 net "$who" list --json
		[ "$output" = '[]' ]
		live "$who" none
		[ -z "$(ids "$who")" ]
		run -125 net "$who" log
		[[ "$output" == *"there is no live sandbox with a network"* ]]
		live "$who" one --allow tcp:web.example:7
		live "$who" two --agent tester --allow tcp:web.example:7
		[ "$(ids "$who" | wc -l)" -eq 2 ]
		net "$who" list
		net "$who" list | grep -q 'tester$'
		net "$who" list --json | python3 -c 'if True:
			import json, os, re, sys
			v = json.load(sys.stdin)
			assert [e["agent"] for e in v] == [None, "tester"], v
			assert all(re.fullmatch("[0-9a-f]{12}", e["id"]) for e in v), v
			assert all(os.path.exists("/proc/%d" % e["pid"]) for e in v), v'
		for other in $(identities); do
			if [ "$other" != "$who" ]; then [ -z "$(ids "$other")" ]; fi
		done
		first=$(ids "$who" | head -n 1)
		# Which one?
		run -125 net "$who" log
		[[ "$output" == *"which of 2 sandboxes? $first"*"(agent tester)"* ]]
		# One that stays, and has no network, is not meant.
		outside "$who" "$A/oc-sandbox" start --no-config --agent kept
		[ "$(ids "$who" | wc -l)" -eq 2 ]
		run -125 net "$who" log
		[[ "$output" == *"which of 2 sandboxes?"* ]]
		outside "$who" "$A/oc-sandbox" stop kept
		run -125 net "$who" log nobody
		[[ "$output" == *"there is no live sandbox nobody"* ]]
		run -125 net "$who" deny "" a.example
		run -0 net "$who" log "${first%????}"
		run -0 net "$who" log tester
		for pid in "${jobs_of_test[@]}"; do kill "$pid" 2>/dev/null || true; done
		for id in $(ids "$who"); do kill "$(monitor "$who" "$id")"; done
		gone "$who"
	done
}

@test "net allow, deny: a live sandbox is given names and loses them, connections with them" {
	for who in $(identities); do
		live "$who" s --agent worker --allow tcp:other.example:7
		id=$(ids "$who")
		step s name web.example
		[ "$output" = unknown ]
		run net "$who" allow "$id" tcp:WEB.example:7 tcp:web.example:22
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$output" = "$(printf '%s: allow + tcp:web.example:%s\n' "$id" 7 "$id" 22)"$'\n'"$id: 0 connections closed" ]
		step s open web.example 7
		[ "$output" = open ]
		run -0 net "$who" allow worker tcp:web.example:7
		[[ "$output" == *"nothing to change in allow"* ]]
		# A deny rule wins, and ends what is open.
		run -0 net "$who" deny "$id" web.example
		[[ "$output" == *"$id: 1 connection closed" ]]
		step s wait
		[ "$output" = closed ]
		step s open web.example 7
		[ "$output" = refused ]
		run -0 net "$who" deny --remove --json "$id" web.example
		[[ "$output" == *'"changed":["web.example"],"closed":0'* ]]
		step s open web.example 7
		[ "$output" = open ]
		run -0 net "$who" allow --remove "${id%?}" tcp:web.example:7
		[[ "$output" == *"$id: allow - tcp:web.example:7"*"$id: 1 connection closed" ]]
		step s wait
		[ "$output" = closed ]
		step s name web.example
		[ "$output" = known ]
		# What is no rule, or not there, changes nothing.
		run -125 net "$who" allow "$id" good.example '*.com'
		[[ "$output" == *'*.com'* ]]
		step s name good.example
		[ "$output" = unknown ]
		run -125 net "$who" allow --remove "$id" absent.example
		[[ "$output" == *absent.example* ]]
		run -125 net "$who" allow "$id"
		run -125 net "$who" allow
		run -125 net "$who" allow --wrong "$id" a.example
		# Without its broker the network is cut, and the door says so.
		pid=$(pgrep -P "$(monitor "$who" "$id")" -x oc-egress)
		kill -9 "$pid"
		sleep 0.3
		run -125 net "$who" allow "$id" a.example
		echo "$output"
		[[ "$output" == *"$id"* ]]
		kill "$(monitor "$who" "$id")"
		gone "$who"
	done
}

@test "net log: for people and as JSON, hostile names escaped; --follow sees what comes, a new file, and the end" {
	for who in $(identities); do
		live "$who" s --agent logged --allow tcp:web.example:7
		id=$(ids "$who")
		net "$who" log --follow "$id" >"$A/follow" 2>&1 3>&- &
		follower=$!
		jobs_of_test+=("$follower")
		step s open web.example 7
		step s name other.example
		for i in {1..100}; do
			if grep -q other.example "$A/follow"; then break; fi
			sleep 0.05
		done
		net "$who" log
		run -0 net "$who" log "$id"
		echo "$output" | grep -E '^20..-..-..T..:..:..\....Z  allow   connect web\.example:7 \([0-9a-f.:]+\) tcp: rule tcp:web\.example:7$'
		echo "$output" | grep -E '  refuse  query other\.example dns A+: no rule allows this name$'
		run -0 net "$who" log --json "$id"
		echo "$output" | python3 -c 'if True:
			import json, sys
			seen = [json.loads(line)["reason"] for line in sys.stdin]
			assert "allowed" in seen and "name-not-allowed" in seen, seen'
		# As when the file has grown too large; and a line that a sandbox would like to have in there.
		d=$(door "$who" "$id")
		outside "$who" sh -c 'cd "$1" && mv egress.jsonl egress.jsonl.1 &&
			printf "%s\n" "{\"time\":\"x\",\"event\":\"query\",\"decision\":\"deny\",\"name\":\"rotated\\u001b]0;a\\u0007\\u202e.example\",\"reason\":\"bad-name\"}" \
				"no record" >egress.jsonl' sh "$d"
		for i in {1..100}; do
			if grep -q rotated "$A/follow"; then break; fi
			sleep 0.05
		done
		grep -F 'rotated\x1B]0;a\x07\u{202E}.example' "$A/follow"
		run -0 net "$who" log "$id"
		[[ "$output" == *web.example*rotated* ]]
		[[ "$output" != *$'\e'* ]]
		run -0 net "$who" log --json "$id"
		[[ "$output" != *$'\e'* ]]
		kill -0 "$follower"
		kill "$(monitor "$who" "$id")"
		wait "$follower"
		[ "$(grep -c 'connect web.example:7' "$A/follow")" -eq 1 ]
		gone "$who"
		# What an agent's sandboxes leave can be read afterwards.
		run -125 net "$who" log "$id"
		run -0 net "$who" log --agent logged
		[[ "$output" == *"close web.example:7"*"sent 1 B, received 1 B"* ]]
		run -0 timeout 20 "$BASH" -c "$(declare -f net outside); net $who log --follow --agent logged"
	done
}

@test "a monitor that was killed, or does not answer" {
	for who in $(identities); do
		live "$who" s --allow tcp:web.example:7
		id=$(ids "$who")
		net "$who" log --follow >"$A/follow" 2>&1 3>&- &
		follower=$!
		jobs_of_test+=("$follower")
		pid=$(monitor "$who" "$id")
		d=$(door "$who" "$id")
		kill -STOP "$pid"
		run -125 net "$who" allow "$id" a.example
		[[ "$output" == *"(pid $pid) does not answer"* ]]
		kill -KILL "$pid"
		gone "$who"
		[ -z "$(door "$who" "$id")" ]
		wait "$follower"
		run -125 net "$who" deny "$id" a.example
		[[ "$output" == *"there is no live sandbox $id"* ]]
		# Its janitor was killed, too: who comes next removes it, and says what it was.
		outside "$who" sh -c 'mkdir -m 700 -p "$1" && touch "$1/control" "$1/egress.jsonl" "$1/info.json"' sh "$d"
		run -125 net "$who" deny "$id" a.example
		[[ "$output" == *"the sandbox $id has ended"* ]]
		[ -z "$(door "$who" "$id")" ]
	done
}
