#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `openclaw gateway` on a port of its own: framing, limits, bad input, processes, jail.  The cases are in tests/lib/gateway_input.py.

TOKEN=sekret-token-of-more-than-24-characters

setup() {
	build=${top_builddir:-$BATS_TEST_DIRNAME/../..}
	build=$(cd "$build" && pwd)
	openclaw=${OPENCLAW:-$build/openclaw}
	lib=$BATS_TEST_DIRNAME/../lib
	state=$BATS_TEST_TMPDIR/state
	mkdir -m 700 "$state"
	port=$(free_port)
	config
}

teardown() {
	[ -z "${gateway:-}" ] || kill "$gateway" 2>/dev/null || true
	[ -z "${gateway:-}" ] || wait "$gateway" 2>/dev/null || true
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# config [MEMBERS [TOKEN]]: writes it, in one step
config() {
	printf '{gateway: {mode: "local", bind: "loopback", auth: {mode: "token", token: "%s"}%s}}\n' "${2:-$TOKEN}" "${1:+, $1}" >"$state/.new"
	chmod 600 "$state/.new"
	mv "$state/.new" "$state/openclaw.json"
}

# start [NAME=VALUE...]
start() {
	env -i PATH="$PATH" HOME="$state" OPENCLAW_STATE_DIR="$state" "$@" "$openclaw" gateway --port "$port" >"$state/out" 2>&1 3>&- &
	gateway=$!
	for _ in $(seq 200); do
		! grep -q 'gateway\] ready' "$state/out" || return 0
		kill -0 "$gateway" 2>/dev/null || break
		sleep 0.05
	done
	cat "$state/out"
	return 1
}

network() {
	tr -d ' ' <"/proc/$gateway/task/$gateway/children"
}

input() {
	run timeout 110 python3 "$lib/gateway_input.py" "$port" "$TOKEN" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
}

# python from standard input
client() {
	PYTHONPATH=$lib timeout 60 python3 - "$port" "$TOKEN"
}

# eventually COMMAND...: within a few seconds
eventually() {
	for _ in $(seq 100); do
		! "$@" || return 0
		sleep 0.05
	done
	echo "never: $*"
	return 1
}

@test "frames: what RFC 6455 lets a server refuse is refused, and the rest is put together" {
	start
	input framing control closing utf8
}

@test "sizes before and after authentication" {
	start
	input size
}

@test "connect: first frame, schema, protocol range, role" {
	start
	input handshake
}

@test "requests: closed envelope, unknown method, missing scope" {
	start
	input requests
}

@test "pipelined requests are answered in order, and who does not read is not read" {
	start
	before=$(awk '/^VmRSS/ { print $2 }' "/proc/$(network)/status")
	input pipelined
	after=$(awk '/^VmRSS/ { print $2 }' "/proc/$(network)/status")
	echo "resident: $before kB, then $after kB"
	[ $((after - before)) -lt 40000 ]
}

@test "HTTP: probes, headers, refusals of an upgrade, heads that two programs read differently" {
	start
	input http
}

@test "32 sockets of one address that are not authenticated, not more" {
	start
	input preauth
}

@test "slow heads and handshakes end, and others are served meanwhile" {
	start OPENCLAW_HANDSHAKE_TIMEOUT_MS=1500
	input slow
}

@test "random bytes and disconnects" {
	start
	input random
}

@test "idle clients cost at most 12 kB each" {
	ulimit -n "$(ulimit -Hn)"
	start
	n=$(($(ulimit -n) - 200))
	export OC_IDLE_CLIENTS=$((n < 5000 ? n : 5000)) OC_NETWORK_PID=
	OC_NETWORK_PID=$(network)
	input idle
	grep '^#' <<<"$output" >&3
}

@test "the network process has no exec, no capability and no dump" {
	start
	pid=$(network)
	field() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$pid/status"; }
	[ "$(field Seccomp)" = 2 ]
	[ "$(field NoNewPrivs)" = 1 ]
	[ "$(field CapEff)$(field CapPrm)" = 00000000000000000000000000000000 ]
	# A process that cannot be dumped belongs to root in /proc.
	[ "$(stat -c %u "/proc/$pid/environ")" = 0 ]
	grep -q 'gateway/jail.*no exec' "$state/out"
}

@test "death of either process is the end of both, and the next one starts at once" {
	start
	pid=$(network)
	kill -9 "$gateway"
	wait "$gateway" || true
	gone() { [ ! -e "/proc/$pid" ]; }
	eventually gone
	start
	kill -9 "$(network)"
	status=0
	wait "$gateway" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'network process was ended by signal 9' "$state/out"
	start
}

@test "a second gateway says who runs" {
	start
	run env -i PATH="$PATH" HOME="$state" OPENCLAW_STATE_DIR="$state" timeout 20 "$openclaw" gateway --port "$(free_port)"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"gateway already running (pid $gateway)"* ]]
}

@test "SIGTERM: event shutdown, then 1012, then status 0" {
	start
	client >"$state/client" 2>&1 <<'E' &
import sys
from gateway_client import *
w = opened(int(sys.argv[1]), sys.argv[2])
print('in', flush=True)
e = w.recv()
while e.get('event') != 'shutdown':
    e = w.recv()
assert e['payload'] == {'reason': 'gateway stopping'}, e
assert w.close_code() == (1012, 'service restart')
print('told')
E
	c=$!
	eventually grep -q in "$state/client"
	kill "$gateway"
	wait "$gateway"
	gateway=
	wait "$c" || cat "$state/client"
	grep -q told "$state/client"
}

@test "a changed config is taken, an invalid one is not, and the log says why" {
	start
	another="another-token-of-more-than-24-characters"
	client >"$state/client" 2>&1 <<'E' &
import sys
from gateway_client import *
w = opened(int(sys.argv[1]), sys.argv[2])
print('in', flush=True)
assert w.close_code() == (1012, 'service restart')
print('out')
E
	c=$!
	eventually grep -q in "$state/client"
	config '' "$another"
	try() {
		client <<E
import sys
from gateway_client import *
w = WS(int(sys.argv[1]))
w.challenge()
sys.exit(not w.connect('$another')['ok'])
E
	}
	eventually grep -q 'config reloaded' "$state/out"
	try
	# Who came in by the old token has to come again.
	wait "$c" || cat "$state/client"
	grep -q out "$state/client"
	echo '{gateway: {port: "no port"}}' >"$state/openclaw.json"
	kill -HUP "$gateway"
	eventually grep -q 'config reload skipped.*gateway.port' "$state/out"
	try
}

@test "TLS on the same port" {
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$state/key.pem" -out "$state/cert.pem" -days 2 2>/dev/null
	config "tls: {enabled: true, certPath: \"$state/cert.pem\", keyPath: \"$state/key.pem\"}"
	start
	run curl -sk "https://127.0.0.1:$port/healthz"
	[ "$output" = '{"ok":true,"status":"live"}' ]
	run curl -s --max-time 5 "http://127.0.0.1:$port/healthz"
	[ "$status" -ne 0 ]
	client <<'E'
import socket, ssl, sys
import gateway_client as g
ctx = ssl.create_default_context()
ctx.check_hostname = False
ctx.verify_mode = ssl.CERT_NONE
plain = socket.create_connection
class S:
    create_connection = staticmethod(lambda *a: ctx.wrap_socket(plain(*a)))
g.socket = S
w = g.opened(int(sys.argv[1]), sys.argv[2])
m = b'{"type":"req","id":"b","method":"health","params":{"x":"' + b'y' * 3000000 + b'"}}'
w.raw(g.WS.make(1, m))
assert w.res('b')['ok']
for i in range(200):
    assert w.call('config.get')['ok']
E
}

@test "the log is cut at its size, and logs.tail goes on" {
	sed -i 's/}}$/}, logging: {maxFileBytes: 20000}}/' "$state/openclaw.json"
	start
	client <<'E'
import sys
from gateway_client import *
w = opened(int(sys.argv[1]), sys.argv[2])
for i in range(400):
    w.call('no.such.method.%d' % i)
r = w.call('logs.tail', {'limit': 3})['payload']
assert len(r['lines']) == 3 and all(json.loads(l)['_meta']['logLevelName'] for l in r['lines']), r
c = r['cursor']
w.call('one.more')
r = w.call('logs.tail', {'cursor': c})['payload']
assert any('one.more' in l for l in r['lines']), r
assert w.call('logs.tail', {'cursor': 1 << 40})['payload']['reset'] is True
E
	[ "$(find "$state/logs" -name '*.log.*' | wc -l)" -eq 5 ]
	[ "$(find "$state/logs" -size +30k | wc -l)" -eq 0 ]
}
