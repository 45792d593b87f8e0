#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real clients, from the npm registry, against `openclaw gateway`: releases 2026.9.6 (protocol 4) and 2026.3.13 (protocol 3), and the
# reference client library.  OC_NPM_DIR is where tests/lib/fetch-npm has put them (1.4 GB):
# without it there is nothing to test here.

TOKEN=sekret-token-of-more-than-24-characters

have_clients() { [ -x "${OC_NPM_DIR:-}/node/node_modules/node/bin/node" ]; }

setup() {
	have_clients || skip "OC_NPM_DIR does not name the clients from npm (tests/lib/fetch-npm)"
}

setup_file() {
	if ! have_clients; then return 0; fi
	build=${top_builddir:-$BATS_TEST_DIRNAME/../..}
	build=$(cd "$build" && pwd)
	export state=$BATS_FILE_TMPDIR/state port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir -m 700 "$state"
	printf '{gateway: {mode: "local", bind: "loopback", auth: {mode: "token", token: "%s"}}}\n' "$TOKEN" >"$state/openclaw.json"
	chmod 600 "$state/openclaw.json"
	env -i PATH="$PATH" HOME="$state" OPENCLAW_STATE_DIR="$state" "${OPENCLAW:-$build/openclaw}" gateway --port "$port" >"$state/out" 2>&1 3>&- &
	export gateway=$!
	for _ in $(seq 200); do
		! grep -q 'gateway\] ready' "$state/out" || return 0
		sleep 0.05
	done
	cat "$state/out"
	return 1
}

teardown_file() {
	[ -z "${gateway:-}" ] || kill "$gateway"
}

# npm v4|v3 ARGUMENT...: only the first line of standard error is kept back
npm() {
	local home=$BATS_FILE_TMPDIR/home-$1 release=$OC_NPM_DIR/$1/node_modules/openclaw/openclaw.mjs node=$OC_NPM_DIR/node/node_modules/node/bin/node
	shift
	mkdir -p "$home/state" "$home/tmp"
	[ -e "$home/state/openclaw.json" ] ||
		echo '{"gateway":{"mode":"local","bind":"loopback","port":9},"discovery":{"mdns":{"mode":"off"}},"update":{"checkOnStart":false}}' >"$home/state/openclaw.json"
	env -i PATH="${node%/*}:/usr/bin:/bin" HOME="$home" OPENCLAW_STATE_DIR="$home/state" OPENCLAW_CONFIG_PATH="$home/state/openclaw.json" \
		OPENCLAW_DISABLE_BONJOUR=1 OPENCLAW_NO_AUTO_UPDATE=1 TMPDIR="$home/tmp" OPENCLAW_GATEWAY_URL="ws://127.0.0.1:$port" \
		OPENCLAW_GATEWAY_TOKEN="$TOKEN" timeout 110 "$node" "$release" "$@" 2>"$home/err"
}

# json EXPRESSION: of $output's object d, must be true
json() {
	python3 -c "
import json, sys
t = sys.stdin.read()
d = json.loads(t[t.index('{'):])
sys.exit(not ($1))" <<<"$output" || { echo "$output"; echo "not: $1"; return 1; }
}

@test "2026.9.6: gateway call health, gateway call status" {
	run npm v4 gateway call health --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	json 'd["ok"] is True and d["defaultAgentId"] == "main"'
	run npm v4 gateway call status --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	json "d['pid'] == $gateway"
}

@test "2026.9.6: gateway health, health, status" {
	run npm v4 gateway health --url "ws://127.0.0.1:$port" --token "$TOKEN"
	[[ $output == *OK* ]]
	run npm v4 health --json
	json 'd["ok"] is True'
	run npm v4 status --json
	json 'd["gateway"]["reachable"] is True'
}

@test "2026.9.6: gateway probe" {
	run npm v4 gateway probe --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	json '[t for t in d["targets"] if t["id"] == "explicit"][0]["connect"]["ok"] is True'
	json '[t for t in d["targets"] if t["id"] == "explicit"][0]["auth"]["capability"] == "connected_no_operator_scope"'
}

@test "2026.9.6: logs" {
	run npm v4 logs --limit 3 --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	[ "$status" -eq 0 ]
	[ "$(grep -c '"type":"log"' <<<"$output")" -eq 3 ]
}

@test "2026.9.6: an unknown method, and a token that is wrong" {
	run npm v4 gateway call no.such --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	[ "$status" -ne 0 ]
	[[ $output$(cat "$BATS_FILE_TMPDIR/home-v4/err") == *"unknown method: no.such"* ]]
	run npm v4 gateway call health --json --url "ws://127.0.0.1:$port" --token wrong
	[ "$status" -ne 0 ]
	[[ $output$(cat "$BATS_FILE_TMPDIR/home-v4/err") == *"token mismatch"* ]]
}

@test "2026.3.13 (protocol 3): gateway call health, logs" {
	run npm v3 gateway call health --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	json 'd["ok"] is True'
	run npm v3 logs --limit 2 --json --url "ws://127.0.0.1:$port" --token "$TOKEN"
	[ "$(grep -c '"type":"log"' <<<"$output")" -eq 2 ]
}
