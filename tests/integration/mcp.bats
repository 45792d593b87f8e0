#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mcp - `oc-sandbox mcp`: raw JSON-RPC, what hostile files do to the file tools, and the official client.

bats_require_minimum_version 1.5.0

sdk=1.32.2

setup() {
	export HOME="$OC_TEST_TMP/home-$BATS_TEST_NUMBER"
	mkdir -p "$HOME"
	unset OPENCLAW_CONFIG_PATH OPENCLAW_STATE_DIR OPENCLAW_HOME OPENCLAW_PROFILE XDG_RUNTIME_DIR
	W="$OC_TEST_TMP/work-$BATS_TEST_NUMBER"
	mkdir -p "$W"
	hello='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}'
}

# Every sandbox of this test is in a state directory of its own.
teardown() {
	"$OC_SANDBOX" ps --json 2>/dev/null | python3 -c '
import json, os, subprocess, sys
try: rows = json.load(sys.stdin)
except ValueError: rows = []
rows = rows.get("sandboxes", rows) if isinstance(rows, dict) else rows
for r in rows:
    if "mcp-test" in str(r.get("agent")) + str(r.get("scopeKey")): subprocess.run([sys.argv[1], "stop", r["id"]])' "$OC_SANDBOX" || :
}

mcp() {
	timeout 60 "$OC_SANDBOX" mcp --workspace "$W" --access rw "$@"
}

# call ID TOOL ARGUMENTS: a line
call() {
	printf '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s","arguments":%s}}\n' "$1" "$2" "$3"
}

# answer ID: of what is in $output, the line with that id
answer() {
	printf '%s\n' "$output" | grep -F "\"id\":$1,"
}

@test "a session by hand: answers, and nothing else on standard output" {
	run --separate-stderr mcp < <(echo "$hello"; echo '{"jsonrpc":"2.0","method":"notifications/initialized"}'
		call 1 exec '{"command":"echo hello; exit 3"}'; echo '{"jsonrpc":"2.0","id":2,"method":"none"}'
		echo '{"jsonrpc":'; call '"x"' write '{"path":"f","content":"new"}')
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 5 ]
	[[ "$(answer 0)" == *'"protocolVersion":"2025-06-18"'* ]]
	[[ "$(answer 1)" == *'"hello\n"'*'Exit code 3 after'*'"isError":true'* ]]
	[[ "$(answer 2)" == *'"code":-32601'* ]]
	[[ "$(answer null)" == *'"code":-32700'* ]]
	[[ "$(answer '"x"')" == *'Created f: 3 bytes'* ]]
	[ "$(cat "$W/f")" = new ]
	[ "$stderr" = "" ]
}

@test "options: what is wrong with them is said at once; no command is taken" {
	run -125 mcp --memory nonsense < /dev/null
	[[ "$output" == *memory* ]]
	run -125 mcp -- ls < /dev/null
	[[ "$output" == *"mcp takes no command"* ]]
	run -125 mcp --tool x < /dev/null
	[[ "$output" == *"unknown option --tool"* ]]
	run -0 "$OC_SANDBOX" mcp --help
	[[ "$output" == *--workspace* ]]
	run -0 mcp < /dev/null
	[ "$output" = "" ]
}

@test "a sandbox that cannot be made is a result: step, cause and what to do" {
	mkdir "$W/gone"
	run -0 --separate-stderr mcp --bind "$W/gone:/gone" < <(echo "$hello"; sleep 0.5; rmdir "$W/gone"; call 1 exec '{"command":"true"}')
	[[ "$(answer 1)" == *'The sandbox could not be made'*gone*'"isError":true'* ]]
}

@test "with an agent the sandbox stays; without one it goes with its client" {
	run -0 --separate-stderr mcp --agent mcp-test-stay < <(call 1 exec '{"command":"echo kept > /tmp/kept"}')
	[[ "$(answer 1)" == *'"isError":false'* ]]
	run -0 --separate-stderr mcp --agent mcp-test-stay < <(call 1 exec '{"command":"cat /tmp/kept"}')
	[[ "$(answer 1)" == *'kept\n'* ]]
	run -0 "$OC_SANDBOX" stop mcp-test-stay
	coproc M { mcp; }
	pid=$M_PID
	call 1 exec '{"command":"echo once"}' >&"${M[1]}"
	read -r -t 20 line <&"${M[0]}"
	[[ "$line" == *'once\n'* ]]
	run -0 "$OC_SANDBOX" ps --json
	[[ "$output" == *"\"workspace\": \"$W\""* ]]
	exec {M[1]}>&-
	wait "$pid"
	run -0 "$OC_SANDBOX" ps --json
	[[ "$output" != *"$W"* ]]
}

@test "a sandbox that is stopped is made anew by the next call" {
	coproc M { mcp --agent mcp-test-again; }
	pid=$M_PID
	call 1 exec '{"command":"echo 1"}' >&"${M[1]}"
	read -r -t 20 line <&"${M[0]}"
	[[ "$line" == *'1\n'* ]]
	call 2 exec '{"command":"sleep 100"}' >&"${M[1]}"
	sleep 0.3
	"$OC_SANDBOX" stop mcp-test-again
	read -r -t 20 line <&"${M[0]}"
	[[ "$line" == *'"id":2'*'"isError":true'* ]]
	call 3 exec '{"command":"echo 3"}' >&"${M[1]}"
	read -r -t 20 line <&"${M[0]}"
	[[ "$line" == *'"id":3'*'3\n'*'"isError":false'* ]]
	exec {M[1]}>&-
	wait "$pid"
}

@test "killed, it leaves no command behind" {
	coproc M { exec "$OC_SANDBOX" mcp --agent mcp-test-killed --workspace "$W" --access rw; }
	pid=$M_PID
	call 1 exec '{"command":"echo $$ > running; exec sleep 321"}' >&"${M[1]}"
	for _ in $(seq 100); do [ ! -s "$W/running" ] || break; sleep 0.05; done
	[ -s "$W/running" ]
	kill -9 "$pid"
	wait "$pid" || :
	for _ in $(seq 100); do
		run "$OC_SANDBOX" exec mcp-test-killed -- sh -c 'grep -lzx "32[1]" /proc/[0-9]*/cmdline'
		[ "$status" -eq 0 ] || break
		sleep 0.05
	done
	[ "$status" -ne 0 ]
	run -0 "$OC_SANDBOX" exec mcp-test-killed -- echo alive
	[ "$output" = alive ]
}

@test "links, FIFOs, sockets, devices and /proc: refused or within the sandbox, and never waited for" {
	echo secret > "$OC_TEST_TMP/secret"
	chmod 600 "$OC_TEST_TMP/secret"
	ln -s "$OC_TEST_TMP/secret" "$W/out"
	ln -s / "$W/root"
	ln -s ../../../../../../../.. "$W/up"
	ln -s /proc/1/root "$W/init"
	mkfifo "$W/fifo"
	ln -s fifo "$W/to-fifo"
	python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$W/socket"
	SECONDS=0
	run -0 --separate-stderr mcp < <(echo "$hello"
		call 1 read '{"path":"out"}'; call 2 read "{\"path\":\"root$OC_TEST_TMP/secret\"}"
		call 3 read "{\"path\":\"up$OC_TEST_TMP/secret\"}"; call 4 read "{\"path\":\"init$OC_TEST_TMP/secret\"}"
		call 5 read '{"path":"fifo"}'; call 6 write '{"path":"to-fifo","content":"x"}'
		call 7 edit '{"path":"fifo","oldText":"a","newText":"b"}'; call 8 read '{"path":"socket"}'
		call 9 read '{"path":"/dev/zero"}'; call 10 read '{"path":"/proc/self/mem"}'
		call 11 edit '{"path":"out","oldText":"secret","newText":"x"}'; call 12 write '{"path":"/proc/self/mem","content":"x"}'
		call 13 read '{"path":"/proc/1/environ"}'; call 14 read '{"path":"/etc/shadow"}'
		call 15 write '{"path":"/proc/sys/kernel/core_pattern","content":"x"}')
	[ "$SECONDS" -lt 10 ]
	for i in $(seq 15); do
		[[ "$(answer $i)" == *'"isError":true'* ]] || { echo "$i: $(answer $i)"; return 1; }
		[[ "$(answer $i)" != *'"secret'* ]]
	done
	[[ "$(answer 5)" == *"is a FIFO"* ]]
	[[ "$(answer 6)" == *"is a FIFO"* ]]
	[[ "$(answer 9)" == *"is a device"* ]]
	# What a link leads to inside is another directory of the same name, or none.
	run -0 --separate-stderr mcp < <(call 1 write '{"path":"out","content":"overwritten"}'
		call 2 write "{\"path\":\"init$OC_TEST_TMP/secret\",\"content\":\"overwritten\"}")
	[[ "$(answer 2)" == *'"isError":true'* ]]
	[ "$(cat "$OC_TEST_TMP/secret")" = secret ]
	[ -L "$W/out" ]
}

@test "links that change all the time lead nowhere else, and no half file is ever seen" {
	mkdir "$W/dir" "$OC_TEST_TMP/outside-$BATS_TEST_NUMBER"
	python3 - "$W" > "$OC_TEST_TMP/lines" <<'PY'
import json
def call(i, name, args): print(json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": name, "arguments": args}}))
swap = "end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ] && [ ! -e stop ]; do ln -sfn dir l; ln -sfn / l; ln -sfn /proc/1/root l; rm -rf l; mkdir l; rm -rf l; done; true"
look = "end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ] && [ ! -e stop ]; do n=$(wc -c < whole 2>/dev/null); case $n in ''|0|100000|200000) ;; *) echo half: $n; exit 1;; esac; done; true"
call(1, "exec", {"command": swap})
call(2, "write", {"path": "whole", "content": "a" * 100000})
call(3, "exec", {"command": look})
for i in range(10, 210): call(i, "write", {"path": "l/x%d" % (i % 7), "content": "x"}) if i % 2 else call(i, "write", {"path": "whole", "content": "b" * (100000 * (1 + i // 2 % 2))})
PY
	# Not more at once than are taken.
	run -0 --separate-stderr python3 - "$OC_SANDBOX" "$W" "$OC_TEST_TMP/lines" <<'PY'
import json, subprocess, sys
p = subprocess.Popen([sys.argv[1], "mcp", "--workspace", sys.argv[2], "--access", "rw"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
answers, waiting = {}, set()
def take():
    m = json.loads(p.stdout.readline()); answers[m["id"]] = m; waiting.discard(m["id"])
for line in open(sys.argv[3]):
    p.stdin.write(line); p.stdin.flush(); waiting.add(json.loads(line)["id"])
    while len(waiting) > 8: take()
open(sys.argv[2] + "/stop", "w").close()
while waiting: take()
p.stdin.close(); p.wait()
assert not answers[1]["result"]["isError"], answers[1]
assert not answers[3]["result"]["isError"], answers[3]
bad = [a for i, a in answers.items() if i >= 10 and i % 2 == 0 and a["result"]["isError"] and "meanwhile" not in str(a) and "replaced while" not in str(a)]
assert not bad, bad
PY
	# Whatever was written is within the workspace or the sandbox.
	[ -z "$(ls -A "$OC_TEST_TMP/outside-$BATS_TEST_NUMBER")" ]
	run bash -c 'ls -d /x[0-6]'
	[ "$status" -ne 0 ]
	run find "$W" -name '.oc-new-*'
	[ "$output" = "" ]
}

@test "an agent's limits are the model's limits: time and memory" {
	run -0 --separate-stderr mcp --timeout 1s --memory 64m < <(call 1 exec '{"command":"sleep 60","timeoutSeconds":50}'
		sleep 3; call 2 exec '{"command":"x=$(head -c 300m /dev/zero | tr \\\\0 x); echo ${#x}"}'; sleep 3)
	[[ "$(answer 1)" == *"time limit of 1 s was reached"* ]]
	[[ "$(answer 2)" == *'"isError":true'* ]]
}

# The package of the official client, in the build directory: installed once, not by every test.
official() {
	command -v node > /dev/null || skip "node is not installed"
	local dir="$top_builddir/tests/npm"
	if ! [ -d "$dir/node_modules/@modelcontextprotocol/sdk" ]; then
		command -v npm > /dev/null || skip "npm is not installed"
		mkdir -p "$dir"
		(cd "$dir" && echo '{"private":true}' > package.json && npm install --ignore-scripts --no-audit --no-fund \
			"@modelcontextprotocol/sdk@$sdk" > "$OC_TEST_TMP/npm.log" 2>&1) ||
			skip "npm cannot install @modelcontextprotocol/sdk: $(tail -n 1 "$OC_TEST_TMP/npm.log")"
	fi
	mkdir -p "$OC_TEST_TMP/client"
	cp "$top_srcdir/tests/lib/mcp-client.mjs" "$OC_TEST_TMP/client/"
	ln -sfn "$dir/node_modules" "$OC_TEST_TMP/client/node_modules"
}

@test "the official client: tools, calls at once, a call that is cancelled, the end" {
	official
	run -0 timeout 200 node "$OC_TEST_TMP/client/mcp-client.mjs" "$OC_SANDBOX" "$W"
	[[ "$output" == *"and has never said anything but the protocol"* ]]
}

@test "the official client, with an agent" {
	official
	run -0 timeout 200 node "$OC_TEST_TMP/client/mcp-client.mjs" "$OC_SANDBOX" "$W" --agent mcp-test-official
}
