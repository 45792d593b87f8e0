#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# openclaw's own command line: config, help, and a gateway that nobody configured.

setup() {
	OC=$top_builddir/openclaw
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME"
	unset OPENCLAW_STATE_DIR OPENCLAW_CONFIG_PATH OPENCLAW_HOME OPENCLAW_PROFILE
	unset OPENCLAW_GATEWAY_TOKEN OPENCLAW_GATEWAY_PASSWORD OPENCLAW_GATEWAY_URL OPENCLAW_GATEWAY_PORT
	STATE=$HOME/.openclaw
	PID=
}

teardown() {
	[ -z "$PID" ] || kill "$PID" 2>/dev/null || true
}

# start OPTIONS...: a gateway on a free port, ready
start() {
	"$OC" gateway --port 0 "$@" 2>"$BATS_TEST_TMPDIR/gateway.err" 3>&- &
	PID=$!
	for _ in $(seq 100); do
		grep -q 'openclaw: ready' "$BATS_TEST_TMPDIR/gateway.err" && return 0
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/gateway.err"
	return 1
}

@test "every command has help, and a slip gets a hint" {
	for c in "" gateway config devices "config set" "gateway run" "gateway status" "gateway call" health status logs \
		"devices approve" "gateway install" "gateway stop"; do
		# shellcheck disable=SC2086
		run "$OC" $c --help
		[ "$status" -eq 0 ]
		[[ $output == usage:* ]]
	done
	run "$OC" confg
	[ "$status" -eq 2 ]
	[[ $output == *'did you mean `openclaw config`'* ]]
	run "$OC" health --tiemout 5
	[ "$status" -eq 2 ]
	[[ $output == *'did you mean --timeout'* ]]
}

@test "config set, get, unset: comments stay, a wrong file is not written" {
	mkdir -p "$STATE"
	printf '{\n  // mine\n  gateway: {\n    port: 4000, // and this\n  },\n}\n' >"$STATE/openclaw.json"
	run "$OC" config set gateway.auth.token aaaaaaaaaaaaaaaaaaaaaaaaaaaa
	[ "$status" -eq 0 ]
	grep -q '// mine' "$STATE/openclaw.json"
	grep -q 'port: 4000, // and this' "$STATE/openclaw.json"
	[ "$(stat -c %a "$STATE/openclaw.json")" = 600 ]
	run "$OC" config get gateway.port
	[ "$output" = 4000 ]
	run "$OC" config get
	[[ $output != *aaaaaaa* ]]
	[[ $output == *__OPENCLAW_REDACTED__* ]]
	before=$(sha256sum "$STATE/openclaw.json")
	run "$OC" config set gateway.bind loopbak
	[ "$status" -eq 1 ]
	[[ $output == *'did you mean "loopback"'* ]]
	[ "$before" = "$(sha256sum "$STATE/openclaw.json")" ]
	[ "$(find "$STATE" -name '*.try-*' | wc -l)" -eq 0 ]
	run "$OC" config unset gateway.auth
	[ "$status" -eq 0 ]
	run "$OC" config get gateway.auth
	[ "$status" -eq 1 ]
	run "$OC" config validate --json
	[ "$status" -eq 0 ]
}

@test "a wrong configuration: file, line and key, exit status 78" {
	mkdir -p "$STATE"
	printf '{\n gateway: {\n  auth: { tokne: "x" } } }\n' >"$STATE/openclaw.json"
	run "$OC" config validate
	[ "$status" -eq 78 ]
	[[ $output == *"openclaw.json:3: gateway.auth.tokne"* ]]
	[[ $output == *'did you mean "token"'* ]]
	run "$OC" gateway --port 0
	[ "$status" -eq 78 ]
}

@test "no configuration: a token is made, kept private, and the commands of this host use it" {
	start
	[ "$(stat -c %a "$STATE")" = 700 ]
	[ "$(stat -c %a "$STATE/credentials/gateway-token")" = 600 ]
	grep -q 'auth-token --show' "$BATS_TEST_TMPDIR/gateway.err"
	run grep -F "$(cat "$STATE/credentials/gateway-token")" "$BATS_TEST_TMPDIR/gateway.err"
	[ "$status" -ne 0 ]
	run "$OC" health
	[ "$status" -eq 0 ]
	[[ $output == "Gateway: ok"* ]]
	run "$OC" gateway status --json
	[ "$status" -eq 0 ]
	[[ $output == *'"capability": "admin_capable"'* ]]
	run "$OC" gateway call no.such
	[ "$status" -eq 1 ]
	[[ $output == *"unknown method: no.such"* ]]
	run "$OC" devices list
	[ "$status" -eq 0 ]
	[[ $output == *"Paired: 0"* ]]
	run "$OC" health --json --token wrong
	[ "$status" -eq 1 ]
	[[ $output == *'"ok":false'* ]]
	run "$OC" gateway stop
	[ "$output" = stopped ]
	run "$OC" gateway status
	[ "$status" -eq 1 ]
	run "$OC" health
	[ "$status" -eq 1 ]
}

@test "--url sends no stored credential" {
	start
	url=$(sed -n 's/^openclaw: ready: \(ws:[^ ]*\).*/\1/p' "$BATS_TEST_TMPDIR/gateway.err")
	run "$OC" health --url "$url"
	[ "$status" -eq 1 ]
	[[ $output == *AUTH_TOKEN_MISSING* || $output == *"token missing"* ]]
	run "$OC" health --url "$url" --token "$(cat "$STATE/credentials/gateway-token")"
	[ "$status" -eq 0 ]
}

@test "the unit of install is one that systemd reads" {
	run "$OC" gateway install --print
	[ "$status" -eq 0 ]
	[[ $output == *"RestartPreventExitStatus=78"* ]]
}
