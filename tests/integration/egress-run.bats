#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# egress-run - `oc-sandbox run` with a network: who holds the sockets, what the result says, what happens when a part of it is
# missing or killed.  The world is that of egress-broker.bats; the name server of its resolv.conf listens on 127.0.0.1.

bats_require_minimum_version 1.5.0

setup() {
	src=$(cd "${top_srcdir:-$BATS_TEST_DIRNAME/../..}" && pwd)
	build=$(cd "${top_builddir:-$src}" && pwd)
	unset OPENCLAW_CONFIG_PATH OPENCLAW_STATE_DIR OPENCLAW_HOME OPENCLAW_PROFILE XDG_RUNTIME_DIR OC_TEST_DROP
	unshare -Urn true 2>/dev/null || skip "kernel: no user namespaces"
	# Reached by an ordinary user, too, and with a path that a UNIX socket has room for.
	W=$(mktemp -d /tmp/oc-egress.XXXXXX)
	mkdir "$W/bin" "$W/home" "$W/peers"
	cp "${OC_SANDBOX:-$build/oc-sandbox}" "$build/oc-egress" "$W/bin/"
	chmod -R a+rX "$W"
	chmod 777 "$W" "$W/home"
	export W D="$W/peers" HOME="$W/home" SANDBOX="$W/bin/oc-sandbox" RUN="$W/bin/oc-sandbox run --no-config"
	cat >"$W/functions" <<-'END'
		set -eu
		# The children of a process, and theirs.
		below() { for c in $(cat "/proc/$1/task/"*/children 2>/dev/null || true); do echo "$c"; below "$c"; done; }
		# By the first argument: until Linux 6.14 what execveat started had a number for a name.
		named() { for p in $(below "$1"); do [ "$(tr "\0" "\n" <"/proc/$p/cmdline" 2>/dev/null | head -n 1)" != "$2" ] || echo "$p"; done; }
		until_true() { for _ in $(seq 200); do if "$@" 2>/dev/null; then return 0; fi; sleep 0.05; done; echo "never: $*"; return 1; }
		gone() { ! kill -0 "$1" 2>/dev/null || [ "$(sed 's/.*) //' "/proc/$1/stat" | cut -c1)" = Z ]; }
		doors() { find /run/oc-sandbox "$HOME/.openclaw/run" -mindepth 1 -maxdepth 1 2>/dev/null || true; }
	END
	# A key of a result.
	cat >"$W/get" <<-'END'
		import json, sys
		v = json.load(open(sys.argv[1]))
		for k in sys.argv[2].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
		print(json.dumps(v) if not isinstance(v, str) else v)
	END
}

teardown() {
	[ -z "${W:-}" ] || rm -rf "$W"
}

get() {
	python3 "$W/get" "$W/result" "$1"
}

# world SCRIPT: bash, on the host of the peers, as root of that host if the tests are root's, else as an ordinary user.
world() {
	printf '. %q\n%s\n' "$W/functions" "$1" >"$W/script"
	cat >"$W/enter" <<-'END'
		echo 'nameserver 127.0.0.1' >"$D/resolv.conf"
		chmod 644 "$D/resolv.conf"
		mount --bind "$D/resolv.conf" /etc/resolv.conf
		mkdir -p /run/oc-sandbox 2>/dev/null && mount -t tmpfs -o mode=700 none /run/oc-sandbox || true
		exec "$@"
	END
	if [ "$(id -u)" = 0 ]; then
		unshare -nm "$src/tests/lib/egress-outside" --inside "$D" bash -e "$W/enter" ${AS:-} bash "$W/script"
	else
		unshare -Urnm "$src/tests/lib/egress-outside" --inside "$D" bash -e "$W/enter" \
			unshare -U --map-user="$(id -u)" --map-group="$(id -g)" bash "$W/script"
	fi
}

# As an ordinary user, whoever runs the tests.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		AS="setpriv --reuid 54321 --regid 54321 --clear-groups"
		chown 54321:54321 "$W/home"
	fi
	world "$@"
}

both='
	rc=0
	$RUN --allow web.example --result $W/result -- python3 - >$W/out 2>$W/err <<-"END" || rc=$?
		import errno, socket, time, urllib.request
		print(urllib.request.urlopen("http://web.example/a", timeout=5).read().decode().strip())
		def refused(what, f):
		    t = time.monotonic()
		    try: f(); print(what, "went through")
		    except OSError as e: print(what, errno.errorcode[e.errno] if isinstance(e.errno, int) and e.errno > 0 else "no name")
		    if time.monotonic() - t > 1: print(what, "took its time")
		def tcp(to):
		    s = socket.create_connection(to, 3)
		    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
		    if not s.recv(1): raise OSError(errno.ECONNRESET, "end")
		def udp(family, to):
		    socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (to, 4500))
		def connected(family, to):
		    s = socket.socket(family, socket.SOCK_DGRAM); s.connect((to, 4500)); s.send(b"x")
		refused("name", lambda: socket.getaddrinfo("other.example", 80))
		refused("tcp4", lambda: tcp(("93.184.216.35", 80)))
		refused("tcp6", lambda: tcp(("2606:2800:220::34", 80)))
		refused("udp4", lambda: udp(socket.AF_INET, "93.184.216.34"))
		refused("udp6", lambda: udp(socket.AF_INET6, "2606:2800:220::34"))
		refused("connected4", lambda: connected(socket.AF_INET, "93.184.216.34"))
		refused("connected6", lambda: connected(socket.AF_INET6, "2606:2800:220::34"))
		refused("mapped", lambda: udp(socket.AF_INET6, "::ffff:93.184.216.34"))
		refused("local", lambda: udp(socket.AF_INET6, "fe80::1%1"))
		refused("many", lambda: udp(socket.AF_INET6, "ff02::1%1"))
	END
	cat $W/out $W/err
	[ $rc = 0 ]
	[ -z "$(doors)" ]
	[ "$(cat $W/out)" = "hello from http: GET /a HTTP/1.1
name no name
tcp4 ECONNRESET
tcp6 ECONNRESET
udp4 EPERM
udp6 EPERM
connected4 EPERM
connected6 EPERM
mapped EPERM
local EPERM
many EPERM" ]'

check_both() {
	[ "$(get egress.mode)" = allowlist ]
	[ "$(get egress.broker)" = served ]
	[ "$(get egress.connections.accepted)" = 3 ]
	[ "$(get egress.connections.allowed)" = 1 ]
	[ "$(get egress.connections.refused)" = 2 ]
	[ "$(get egress.bytes.sent)" -gt 50 ]
	[ "$(get egress.bytes.received)" -gt 50 ]
	[ "$(get egress.reasons.name-not-allowed)" -ge 1 ]
	[ "$(get egress.reasons.address-not-allowed)" = 2 ]
	get egress.packets
	[ "$(get egress.packets)" = '{"udp": 7, "icmp": 0, "tcp": 0, "other": 0, "ipv6": 4}' ]
	[ "$(get egress.recordsBefore)" = 0 ]
	[ "$(get egress.records.0.decision)" = allow ]
	[ "$(get egress.records.0.name)" = web.example ]
}

@test "an allowed name is reached, all else fails at once with an error, and the result counts it" {
	world "$both"
	check_both
}

@test "as an ordinary user: allowed names and nothing else" {
	as_user "$both"
	check_both
}

@test "mode none: no broker, no door, and the result says so" {
	world '
		$RUN --result $W/result -- sleep 1 & pid=$!
		until_true test -n "$(named $pid sleep)$(sleep 0.3)"
		[ -z "$(named $pid oc-egress)" ]
		[ -z "$(doors)" ]
		wait $pid'
	[ "$(get egress)" = '{"mode": "none"}' ]
}

# The listeners inside have these inodes; only the broker may hold them.
holders='
	$RUN --allow web.example -- sleep 30 & pid=$!
	inside() { [ -n "$(named $pid sleep)" ]; }
	until_true inside
	sleep=$(named $pid sleep) broker=$(named $pid oc-egress) init=$(cut -d" " -f4 /proc/$(named $pid sleep)/stat)
	[ "$(echo $broker | wc -w)" = 1 ]
	sockets=$(awk "\$2 ~ /:FF(DD|DE)\$/ { print \"socket:[\" \$10 \"]\" }" /proc/$sleep/net/tcp /proc/$sleep/net/tcp6 /proc/$sleep/net/udp /proc/$sleep/net/udp6)
	echo sockets $sockets
	[ "$(echo $sockets | wc -w)" = 4 ]
	holds() { for s in $sockets; do find "/proc/$1/fd" -lname "$(echo $s | sed "s/[][]/\\\\&/g")"; done; }'

@test "only the broker holds the sockets that were opened inside" {
	if [ "$(id -u)" != 0 ]; then skip "not root: only root sees the descriptors of pid 1 and of the broker"; fi
	world "$holders"'
		[ "$(holds $broker | wc -l)" = 4 ]
		for p in $pid $init $sleep $(below $pid); do
			[ $p = $broker ] || [ -z "$(holds $p)" ] || { echo "$p $(cat /proc/$p/comm) holds $(holds $p)"; exit 1; }
		done
		# And nothing of the host that the broker would not need: streams, control, epoll, sockets, log.
		ls -l /proc/$broker/fd
		[ "$(ls /proc/$broker/fd | wc -l)" -le 12 ]
		[ -z "$(find /proc/$broker/fd -lname "/[^d]*")" ]
		kill $pid; wait $pid || true'
}

@test "the broker is a child of the monitor, outside of the sandbox's cgroup, in a session of its own" {
	world "$holders"'
		[ "$(cut -d" " -f4 /proc/$broker/stat)" = $pid ]
		[ "$(cut -d" " -f6 /proc/$broker/stat)" = $broker ]
		cmp /proc/$broker/cgroup /proc/self/cgroup
		! cmp -s /proc/$broker/cgroup /proc/$init/cgroup
		grep -q "^Seccomp:.2" /proc/$broker/status
		grep -q "^NoNewPrivs:.1" /proc/$broker/status
		grep -q "^CapPrm:.0000000000000000" /proc/$broker/status
		kill $pid; wait $pid || true
		until_true gone $broker'
}

@test "kill -9 of the broker cuts the network, the command goes on, and the sandbox says so" {
	world '
		cat >$W/loop.py <<-"END"
			import socket, sys, time
			s = socket.create_connection(("web.example", 9), 5)
			s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
			print("connected", flush=True)
			s.settimeout(20)
			try: print("end" if not s.recv(1 << 20) else "data", flush=True)
			except ConnectionResetError: print("reset", flush=True)
			for name in ("web.example", "other.example"):
			    try: socket.create_connection((name, 80), 3); print("open", flush=True)
			    except OSError as e: print("closed", flush=True)
			try: socket.create_connection(("93.184.216.34", 80), 3); print("open", flush=True)
			except ConnectionRefusedError: print("refused", flush=True)
		END
		$RUN --allow tcp:web.example:9 --allow web.example --bind $W/loop.py:/loop.py --result $W/result -- python3 /loop.py >$W/out 2>$W/err & pid=$!
		until_true grep -q connected $W/out
		kill -9 $(named $pid oc-egress)
		rc=0
		wait $pid || rc=$?
		cat $W/out $W/err
		[ $rc = 0 ]
		! grep -q open $W/out
		grep -q refused $W/out
		grep -q "oc-sandbox: the network of the sandbox was cut: oc-egress ended (signal 9)" $W/err
		[ -z "$(doors)" ]'
	[ "$(get status)" = 0 ]
	[ "$(get egress.broker)" = ended ]
	[ "$(get egress.ended)" = "signal 9" ]
	[ "$(get egress.records.0.name)" = web.example ]
}

@test "a broker that hangs is ended: nobody waits for it" {
	world '
		cat >$W/ask.py <<-"END"
			import socket, sys, time
			s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
			s.connect(sys.argv[1] + "/control")
			t = time.monotonic()
			s.send(b"{\"op\":\"net.stats\"}")
			print(s.recv(1 << 20).decode())
			assert time.monotonic() - t < 4
		END
		$RUN --allow web.example --result $W/result -- sleep 4 2>$W/err & pid=$!
		inside() { [ -n "$(named $pid sleep)" ] && [ -n "$(doors)" ]; }
		until_true inside
		kill -STOP $(named $pid oc-egress)
		python3 $W/ask.py $(doors) >$W/answer
		cat $W/answer
		grep -q "\"ok\":false,\"error\":\"oc-egress has not answered" $W/answer
		[ -z "$(named $pid oc-egress)" ]
		wait $pid
		grep -q "the network of the sandbox was cut: oc-egress ended (it did not answer)" $W/err'
	[ "$(get egress.ended)" = "it did not answer" ]
}

@test "what a command had sent when it ended still arrives" {
	world '
		$RUN --allow tcp:web.example:9 --result $W/result -- python3 -c "
import os, socket
s = socket.create_connection((\"web.example\", 9), 5)
s.sendall(bytes(3000000))
os._exit(0)"
		arrived() { grep -qx 3000000 $D/sink; }
		until_true arrived'
	[ "$(get egress.bytes.sent)" = 3000000 ]
	[ "$(get egress.records.-1.event)" = close ]
	[ "$(get egress.records.-1.sent)" = 3000000 ]
}

killed='
	$RUN --allow web.example -- sleep 60 & pid=$!
	inside() { [ -n "$(named $pid sleep)" ] && [ -n "$(doors)" ]; }
	until_true inside
	all=$(below $pid)
	[ "$(echo $all | wc -w)" -ge 4 ]
	kill -9 $pid
	wait $pid || true
	for p in $all; do until_true gone $p; done
	no_door() { [ -z "$(doors)" ]; }
	until_true no_door'

@test "kill -9 of the monitor: the broker, the command and the door go with it" {
	world "$killed"
}

@test "as an ordinary user: kill -9 of the monitor" {
	as_user "$killed"
}

@test "a signal to the process group ends the command, not the network first" {
	world '
		cat >$W/last.py <<-"END"
			import signal, sys, urllib.request
			def last(*_):
			    print(urllib.request.urlopen("http://web.example/last", timeout=5).read().decode(), flush=True)
			    sys.exit(3)
			signal.signal(signal.SIGTERM, last)
			print("ready", flush=True)
			signal.pause()
		END
		setsid $RUN --allow web.example --bind $W/last.py:/last.py -- python3 /last.py >$W/out & pid=$!
		until_true grep -q ready $W/out
		kill -TERM -$pid
		rc=0
		wait $pid || rc=$?
		cat $W/out
		[ $rc = 3 ]
		grep -q "GET /last" $W/out'
}

# stops RUN-OPTIONS: with status 125, at the step net
stops() {
	cat "$W/err"
	grep -q "^oc-sandbox: net: " "$W/err"
	[ ! -e "$W/ran" ]
}

@test "without oc-egress, or with one that does not serve, nothing runs" {
	rm "$W/bin/oc-egress"
	world 'rc=0; $RUN --allow web.example --result $W/result -- touch $W/ran 2>$W/err || rc=$?; [ $rc = 125 ]'
	stops
	grep -q "cannot open .*oc-egress" "$W/err"
	grep -q "hint: it is installed together with oc-sandbox" "$W/err"
	[ "$(get error.step)" = net ]
	cp /bin/false "$W/bin/oc-egress"
	world 'rc=0; $RUN --allow web.example -- touch $W/ran 2>$W/err || rc=$?; [ $rc = 125 ]'
	stops
	grep -q "oc-egress has ended" "$W/err"
	printf '#!/bin/sh\nexit 0\n' >"$W/bin/oc-egress"
	world 'rc=0; $RUN --allow web.example -- touch $W/ran 2>$W/err || rc=$?; [ $rc = 125 ]'
	stops
	grep -q "cannot execute oc-egress" "$W/err"
}

@test "no network namespace, or no nf_tables in it: nothing runs, whatever may be missing" {
	world '
		rc=0; $RUN --allow web.example --allow-missing net -- touch $W/ran 2>$W/err || rc=$?; [ $rc = 125 ]
		grep -q "allow-missing net: without it there is no sandbox" $W/err
		unshare -Um --map-root-user sh -c "echo 0 >/proc/sys/user/max_net_namespaces && exec \"\$@\"" - \
			unshare -U --map-user=1234 --map-group=1234 sh -c "
			rc=0; $RUN --allow web.example -- touch $W/ran 2>$W/err || rc=\$?; [ \$rc = 125 ]"'
	stops
	grep -q "cannot make a net namespace" "$W/err"
	command -v strace >/dev/null || skip "program: strace"
	# The kernel without nf_tables: a request for a table is not understood.
	world '
		rc=0
		strace -qq -f -o $W/trace -e trace=socket -e "inject=socket:error=EPERM:when=6" $RUN --allow web.example -- \
			touch $W/ran 2>$W/err || rc=$?
		cat $W/trace
		[ $rc = 125 ]'
	stops
}

@test "the result has the last 256 records and says how many came before" {
	world '
		$RUN --allow web.example --result $W/result -- python3 -c "
import socket
for i in range(300):
    try: socket.getaddrinfo(\"n%d.example\" % i, 80, socket.AF_INET)
    except OSError: pass"'
	[ "$(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["egress"]["records"]))' "$W/result")" = 256 ]
	[ "$(get egress.reasons.name-not-allowed)" -ge 300 ]
	[ "$(get egress.recordsBefore)" = "$(($(get egress.reasons.name-not-allowed) - 256))" ]
	[ "$(get egress.records.255.name)" = n299.example ]
}

@test "an agent's records stay after the end, in a file that is turned over at 8 MB" {
	mkdir -p "$W/home/ws"
	world '
		run() { OPENCLAW_STATE_DIR=$W/home/state $RUN --agent a1 --allow web.example -- curl -sS -m 5 "http://$1.example/" || true; }
		run web; run other
		f=$(echo $W/home/state/egress/*/egress.jsonl)
		[ -f "$f" ]
		[ "$(stat -c %a "$f")" = 600 ]
		grep -q "\"decision\":\"allow\",\"name\":\"web.example\"" $f
		grep -q "\"decision\":\"deny\",\"name\":\"other.example\"" $f
		python3 -c "import json,sys; [json.loads(l) for l in open(sys.argv[1])]" $f
		head -c 8388608 /dev/zero | tr "\0" x >>$f
		run other
		[ "$(stat -c %s $f.1)" -ge 8388608 ]
		[ "$(stat -c %s $f)" -lt 10000 ]
		grep -q other.example $f'
}

@test "the door: rules as they are, numbers, and a rule that is taken away closes its connection" {
	world '
		cat >$W/slow.py <<-"END"
			import socket
			s = socket.create_connection(("web.example", 9), 5)
			s.sendall(b"x")
			print("connected", flush=True)
			s.settimeout(20)
			while True:
			    try: d = s.recv(100)
			    except ConnectionResetError: break
			    if not d: break
			print("closed", flush=True)
		END
		cat >$W/ask.py <<-"END"
			import json, socket, sys
			s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
			s.connect(sys.argv[1] + "/control")
			for q in sys.argv[2:]:
			    s.send(q.encode())
			    print(s.recv(1 << 20).decode())
		END
		$RUN --allow tcp:web.example:9 --allow web.example --deny no.example --bind $W/slow.py:/slow.py --result $W/result -- python3 /slow.py >$W/out & pid=$!
		until_true grep -q connected $W/out
		d=$(doors)
		python3 $W/ask.py $d "{\"op\":\"net.rules\"}" "{\"op\":\"net.stats\"}" \
			"{\"op\":\"net.change\",\"list\":\"allow\",\"remove\":true,\"rules\":[\"nobody.example\"]}" \
			"{\"op\":\"net.change\",\"list\":\"allow\",\"remove\":false,\"rules\":[\"new.example:8443\",\"*.com\"]}" \
			"{\"op\":\"net.change\",\"list\":\"allow\",\"remove\":false,\"rules\":[\"NEW.example:8443\",\"web.example\"]}" \
			"{\"op\":\"net.change\",\"list\":\"allow\",\"remove\":true,\"rules\":[\"tcp:web.example:9\"]}" \
			"{\"op\":\"net.rules\"}" >$W/answers
		cat $W/answers
		wait $pid
		grep -q "connected" $W/out
		grep -q closed $W/out
		[ -z "$(doors)" ]'
	sed -n 1p "$W/answers" | grep -q '"ok":true,"mode":"allowlist","allow":\["tcp:web.example:9","web.example"\],"deny":\["no.example"\]'
	sed -n 2p "$W/answers" | grep -q '"ok":true,"mode":"allowlist","broker":"running","open":1,.*"packets":{"udp":0'
	sed -n 3p "$W/answers" | grep -q '"ok":false,"error":"the rule nobody.example is not in the list'
	sed -n 4p "$W/answers" | grep -q '"ok":false,.*com'
	sed -n 5p "$W/answers" | grep -q '"ok":true,"changed":\["new.example:8443"\],"closed":0'
	sed -n 6p "$W/answers" | grep -q '"ok":true,"changed":\["tcp:web.example:9"\],"closed":1'
	sed -n 7p "$W/answers" | grep -q '"allow":\["web.example","new.example:8443"\]'
	[ "$(get egress.reasons.rule-removed)" = 1 ]
}
