#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# egress-broker - oc-egress and the inside of a sandbox's network against real peers: a name server that counts, TLS, HTTP, and
# servers that speak first.  Two network namespaces, both made here: "outside" is the host and the world, "inside" the sandbox.

bats_require_minimum_version 1.5.0

setup() {
	src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
	build=${top_builddir:-$src}
	export D="$BATS_TEST_TMPDIR/peers" LOG="$BATS_TEST_TMPDIR/log" W="$BATS_TEST_TMPDIR"
	export RUN="$build/tests/lib/egress-run --program $build/oc-egress --log $LOG --resolver 127.0.0.1:5300"
	export TLS="$W/tls.py"
	unshare -Urn true 2>/dev/null || skip "kernel: no user namespaces"
	# A ClientHello of a real client, for pieces and for wrong names.
	cat >"$TLS" <<-'EOF'
		import socket, ssl, sys
		def hello(name):
		    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
		    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
		    t = c.wrap_bio(i, o, server_hostname=name)
		    try: t.do_handshake()
		    except ssl.SSLWantReadError: pass
		    return o.read()
		def dial(host, port, family=0):
		    return socket.create_connection((host, port), 10)
		def answer(s):
		    s.settimeout(10)
		    try: return s.recv(65536) or "end"
		    except ConnectionResetError: return "reset"
		def refused(host, port):
		    # The reset may come before connect() has returned, or after.
		    try: return answer(dial(host, port)) == "reset"
		    except ConnectionResetError: return True
	EOF
	export PYTHONPATH=$W
}

# outside SCRIPT: bash, in the namespace with the peers
outside() {
	"$src/tests/lib/egress-outside" "$D" bash -c "set -eu; $1"
}

# How many records have this text.
records() {
	grep -c -- "$1" "$LOG" || true
}

@test "allowed names are reached over HTTP and TLS, IPv4 and IPv6; others do not exist, and nobody is asked" {
	outside '
		$RUN --allow web.example --allow v6.example --allow "*.wild.example" -- bash -c "
			curl -sS -m 5 http://web.example/a && curl -sS -m 5 --cacert $D/cert.pem https://web.example/b &&
			curl -sS -m 5 http://v6.example/c && curl -sS -m 5 --cacert $D/cert.pem https://b.wild.example/d" >$W/out
		! $RUN --allow web.example -- curl -sS -m 5 http://other.example/ 2>$W/err
		! $RUN --allow "*.wild.example" -- curl -sS -m 5 http://wild.example/ 2>$W/err
		! $RUN --mode none -- curl -sS -m 5 http://web.example/ 2>>$W/err
		! $RUN -- curl -sS -m 5 http://web.example/ 2>>$W/err
		! $RUN --allow "*.wild.example" --deny "no.wild.example" -- curl -sS -m 5 http://no.wild.example/ 2>>$W/err'
	[ "$(cat "$W/out")" = "$(printf 'hello from http: GET /%s HTTP/1.1\n' a b c d)" ]
	[ "$(grep -c 'Could not resolve' "$W/err")" -eq 4 ]
	cat "$D/queries"
	run -1 grep -v -E '^(web.example|v6.example|b.wild.example) (1|28)$' "$D/queries"
	[ "$(records '"name":"other.example".*"reason":"name-not-allowed"')" -gt 0 ]
	[ "$(records '"name":"no.wild.example".*"reason":"denied"')" -gt 0 ]
	[ "$(records '"event":"close","decision":"allow","name":"web.example".*"protocol":"http".*"sent":[1-9].*"received":[1-9]')" -eq 1 ]
}

@test "names: A is synthetic, AAAA and all else is empty; over UDP, TCP, IPv6 and to any resolver; data labels go nowhere" {
	cat >"$W/q.py" <<-'EOF'
		import socket, struct
		def ask(name, kind, to=("9.9.9.9", 53), tcp=False, family=socket.AF_INET):
		    q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
		    s = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM); s.settimeout(3)
		    s.connect(to)
		    if tcp:
		        s.sendall(struct.pack(">H", len(q)) + q); r = s.recv(1000)[2:]
		    else:
		        s.send(q); r = s.recv(1000)
		    return r[3] & 15, struct.unpack(">H", r[6:8])[0], r[-4:]
		code, n, a = ask("web.example", 1)
		assert (code, n) == (0, 1) and a[0] == 198 and a[1] in (18, 19), (code, n, a)
		for kind in (28, 5, 2, 6, 15, 16, 33, 64, 65, 255, 12):
		    assert ask("web.example", kind)[:2] == (0, 0), kind
		for kind in (1, 28, 16, 65):
		    assert ask("secret-data." * 8 + "evil.example", kind)[:2] == (3, 0)
		assert ask("web.example", 1, tcp=True)[2] == a
		assert ask("web.example", 1, ("127.0.0.53", 53))[2] == a
		assert ask("web.example", 1, ("::1", 53), family=socket.AF_INET6)[2] == a
		assert ask("WEB.example", 1, ("2001:db8::53", 53), family=socket.AF_INET6)[2] == a
		assert ask("web.example", 1, ("2001:db8::53", 53), tcp=True, family=socket.AF_INET6)[2] == a
		for to in (("9.9.9.9", 853), ("9.9.9.9", 443), ("2001:db8::53", 853)):
		    try: assert not socket.create_connection(to, 3).recv(1)
		    except ConnectionResetError: pass
		for to in (("224.0.0.251", 5353), ("224.0.0.252", 5355), ("9.9.9.9", 784)):
		    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", to); assert False
		    except PermissionError: pass
		print("done")
	EOF
	run outside '$RUN --allow web.example -- python3 $W/q.py'
	echo "$output"
	[ "$output" = done ]
	[ ! -e "$D/queries" ]
}

@test "the first bytes must name the dialled name, or none of them goes out" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		def one(data):
		    s = dial("web.example", 9)
		    try: s.sendall(data)
		    except ConnectionError: return "reset"
		    return answer(s)
		assert one(hello("other.example")) == "reset"
		assert one(hello(None)) == "reset"
		assert one(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n") == "reset"
		assert one(b"GET / HTTP/1.1\r\nHost: web.example\r\nHost: other.example\r\n\r\n") == "reset"
		assert one(b"GET / HTTP/1.1\r\nHost: web.example\r\nHost: web.example\r\n\r\n") == "reset"
		assert one(b"GET http://other.example/ HTTP/1.1\r\nHost: web.example\r\n\r\n") == "reset"
		assert one(b"GET / HTTP/1.1\r\nHost: web.example\0.other.example\r\n\r\n") == "reset"
		assert one(b"GET / HTTP/1.0\r\n\r\n") == "reset"
		assert one(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "reset"
		assert one(b"SSH-2.0-x\r\n") == "reset"
		assert one(bytes(100000)) == "reset"
		print("done")
	EOF
	run outside '$RUN --allow web.example:9 -- python3 $W/t.py; sleep 0.3'
	echo "$output"
	[ "$output" = done ]
	run cat "$D/sink"
	echo "$output"
	[[ -z "$output" || -z "$(grep -v '^0$' <<<"$output")" ]] || [[ "$output" == *"No such file"* ]]
	for reason in name-mismatch no-name two-names; do [ "$(records "\"$reason\"")" -gt 0 ]; done
	[ "$(records '"seen":"other.example"')" -gt 0 ]
	[ "$(records '"decision":"allow"')" -eq 0 ]
}

@test "a ClientHello in pieces and a slow head of HTTP are read whole and passed on unchanged" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		import time
		h = hello("web.example")
		s = dial("web.example", 7)
		for i in range(0, len(h), 7): s.sendall(h[i:i + 7]); time.sleep(0.002)
		got = b""
		while len(got) < len(h): got += s.recv(65536)
		assert got == h
		s.sendall(b"more"); assert s.recv(9) == b"more"
		# split over records of one byte each
		body = h[5:]
		many = b"".join(h[:3] + b"\0\1" + body[i:i + 1] for i in range(len(body)))
		s = dial("web.example", 7); s.sendall(many)
		got = b""
		while len(got) < len(many): got += s.recv(65536)
		assert got == many
		head = b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\nHost: WEB.example:7\r\n\r\n"
		s = dial("web.example", 7)
		for i in range(0, len(head), 1000): s.sendall(head[i:i + 1000]); time.sleep(0.002)
		got = b""
		while len(got) < len(head): got += s.recv(65536)
		assert got == head
		print("done")
	EOF
	run outside '$RUN --allow web.example:7 -- python3 $W/t.py'
	echo "$output"; cat "$LOG"
	[ "$output" = done ]
}

@test "servers that speak first: under tcp: they work, else the limit says what is needed" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		s = dial("web.example", 22); assert s.recv(99).startswith(b"SSH-2.0"); s.sendall(b"abc"); assert s.recv(9) == b"abc"
		print("done")
	EOF
	run outside '$RUN --allow tcp:web.example:22 -- python3 $W/t.py'
	[ "$output" = done ]
	run outside '$RUN --first-ms 300 --allow web.example:22 -- python3 $W/t.py'
	[[ "$output" == *ConnectionReset* ]]
	[ "$(records '"reason":"first-bytes-timeout".*tcp: rule')" -eq 1 ]
}

@test "all else is refused within milliseconds: UDP, ICMP, raw, SCTP, addresses without a name, the way to ourselves" {
	cat >"$W/t.py" <<-'EOF'
		import socket, time
		def fails(f, limit=0.1):
		    t = time.monotonic()
		    try: r = f()
		    except OSError: r = None
		    assert r is None, r
		    assert time.monotonic() - t < limit, time.monotonic() - t
		def udp(a, p, family=socket.AF_INET):
		    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(2); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
		    return s.sendto(b"x", (a, p))
		for a in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "224.0.0.251", "255.255.255.255", "198.18.0.1"): fails(lambda: udp(a, 443))
		for a in ("2001:db8::1", "fe80::1", "ff02::fb", "::ffff:8.8.8.8", "64:ff9b::808:808"): fails(lambda: udp(a, 443, socket.AF_INET6))
		def tcp(a, p, family=socket.AF_INET):
		    s = socket.socket(family); s.settimeout(2); s.connect((a, p)); s.sendall(b"GET / HTTP/1.1\r\n\r\n"); return s.recv(1) or None
		for a, p in (("8.8.8.8", 443), ("93.184.216.34", 80), ("10.1.2.3", 5432), ("169.254.169.254", 80), ("198.18.0.77", 80),
		             ("224.0.0.1", 80), ("127.0.0.1", 65501), ("127.0.0.1", 80), ("192.0.0.8", 80), ("0.0.0.0", 80)): fails(lambda: tcp(a, p))
		for a in ("2606:2800:220::34", "::1", "::ffff:93.184.216.34", "fe80::1", "fd00:ec2::254"): fails(lambda: tcp(a, 80, socket.AF_INET6))
		fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b"\x08" + bytes(7), ("8.8.8.8", 0)))
		fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(b"\x08" + bytes(7), ("8.8.8.8", 0)))
		fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).sendto(b"x", ("8.8.8.8", 1)))
		fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(("8.8.8.8", 1)))
		# Servers inside, for clients inside.
		for bind, to in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.1.2.3"), ("0.0.0.0", "192.0.0.8")):
		    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind((bind, 0)); l.listen()
		    c = socket.create_connection((to, l.getsockname()[1]), 2); a, _ = l.accept(); c.sendall(b"x"); assert a.recv(1) == b"x"
		u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.settimeout(2)
		socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", u.getsockname()); assert u.recv(9) == b"x"
		assert socket.getaddrinfo("web.example", 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
		print("done")
	EOF
	run outside '$RUN --allow web.example -- python3 $W/t.py'
	echo "$output"
	[ "$output" = done ]
	[ ! -e "$D/peers" ]
	[ "$(records '"reason":"address-not-allowed"')" -gt 5 ]
	[ "$(records '"reason":"unknown-synthetic"')" -eq 1 ]
}

@test "where a name may lead: private, loopback and metadata addresses only when they were named; rebinding gets nowhere" {
	outside '
		get() { "$@" -- bash -c "for n in private loop metadata mapped empty nowhere; do curl -sS -m 5 http://\$n.example/; done" 2>&1 | grep hello || true; }
		get $RUN --allow private.example --allow loop.example --allow metadata.example --allow mapped.example --allow empty.example --allow nowhere.example >$W/none
		$RUN --allow mixed.example -- curl -sS -m 5 http://mixed.example/ >$W/mixed
		$RUN --allow loop.example --private loopback -- curl -sS -m 5 http://loop.example/ >$W/loop
		$RUN --allow tcp:private.example:5432 --allow tcp:10.1.2.3:5432 -- bash -c "exec 3<>/dev/tcp/private.example/5432; head -c 7 <&3" >$W/private
		$RUN --allow tcp:10.1.2.0/24:5432 -- bash -c "exec 3<>/dev/tcp/10.1.2.3/5432; head -c 7 <&3" >$W/cidr
		$RUN --allow rebind.example -- bash -c "curl -sS -m 5 http://rebind.example/; sleep 1.2; ! curl -sS -m 5 http://rebind.example/ 2>/dev/null" >$W/rebind
		$RUN --allow many.example --allow slow6.example -- bash -c "curl -sS -m 5 http://many.example/; curl -sS -m 5 http://slow6.example/" >$W/many'
	[ ! -s "$W/none" ]
	for f in mixed loop rebind; do [ "$(grep -c hello "$W/$f")" -eq 1 ]; done
	[ "$(grep -c hello "$W/many")" -eq 2 ]
	[ "$(cat "$W/private")" = SSH-2.0 ]
	[ "$(cat "$W/cidr")" = SSH-2.0 ]
	for c in private loopback; do [ "$(records "\"class\":\"$c\".*\"reason\":\"address-class\"")" -gt 0 ]; done
	[ "$(records '"name":"metadata.example".*"reason":"address-class"')" -gt 0 ]
	[ "$(records '"name":"nowhere.example".*"reason":"no-such-name"')" -gt 0 ]
	# the peer on the host's own loopback was reached once, when it was allowed
	[ "$(grep -c '^127.0.0.1' "$D/peers")" -eq 1 ]
}

@test "2000 connections at once, slow readers among them; beyond the limit the refusal has a reason; memory stays bounded" {
	cat >"$W/t.py" <<-'EOF'
		import resource, socket, sys, time
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		slow = [socket.create_connection(("web.example", 19), 20) for _ in range(150)]
		open_ = []
		for i in range(1850):
		    s = socket.create_connection(("web.example", 7), 20); s.sendall(b"%d" % i); open_.append(s)
		for i, s in enumerate(open_): assert s.recv(9) == b"%d" % i, i
		try: assert not socket.create_connection(("web.example", 7), 20).recv(1)
		except ConnectionResetError: pass
		rss = [int(l.split()[1]) for l in open("/proc/%s/status" % open(sys.argv[1]).read().strip()) if l.startswith(("RssAnon", "VmData"))]
		print("rss", rss, file=sys.stderr); assert rss[1] < 16384, rss
		for i, s in enumerate(open_): s.sendall(b"again"); assert s.recv(9) == b"again", i
		# The slow ones have lost nothing.
		for s in slow[:3]:
		    n = 0
		    while True:
		        d = s.recv(1 << 20)
		        if not d: break
		        n += len(d)
		    assert n == 1 << 26, n
		print("done")
	EOF
	[ "$(ulimit -Hn)" -ge 12000 ] || skip "too few descriptors"
	run --separate-stderr outside 'ulimit -n $(ulimit -Hn); $RUN --records 10000 --connections 2000 --pid $W/pid --allow tcp:web.example:7 --allow tcp:web.example:19 -- python3 $W/t.py $W/pid'
	echo "$output $stderr"
	[ "$output" = done ]
	[ "$(records '"reason":"limit"')" -eq 1 ]
}

@test "half-closes and resets are passed on" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		s = dial("web.example", 25); s.sendall(b"x" * 100000); s.shutdown(socket.SHUT_WR); assert s.recv(99) == b"got 100000\n"; assert s.recv(9) == b""
		s = dial("web.example", 26); s.sendall(b"x"); assert answer(s) == "reset"
		s = dial("web.example", 7); s.shutdown(socket.SHUT_WR); assert s.recv(9) == b""
		s = dial("web.example", 7); s.sendall(b"y"); assert s.recv(9) == b"y"; s.close()
		assert refused("web.example", 1)
		s = dial("web.example", 27); s.sendall(b"x"); assert answer(s) == "reset"
		print("done")
	EOF
	run outside '$RUN --idle-ms 700 --allow tcp:web.example:1-30 -- python3 $W/t.py'
	echo "$output"; cat "$LOG"
	[ "$output" = done ]
	[ "$(records '"reason":"connect-failed"')" -eq 1 ]
	[ "$(records '"reason":"limit".*idle')" -eq 1 ]
}

@test "rules change while it runs: a rule taken away closes its connections, the others stay; a bad rule changes nothing" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		import os, time
		W = os.environ["W"]
		def tell(line):
		    before = open(W + "/answers").read()
		    with open(W + "/fifo", "w") as f: f.write(line + "\n")
		    while True:
		        now = open(W + "/answers").read()
		        if now.endswith("\n") and len(now) > len(before): return now[len(before):].strip()
		        time.sleep(0.01)
		a, b = dial("web.example", 7), dial("web.example", 22)
		for s in a, b: s.sendall(b"x"); s.recv(99)
		assert tell("forget tcp:web.example:22") == "closed 1"
		assert answer(b) in ("reset", b"x")
		a.sendall(b"z"); assert a.recv(9) == b"z"
		assert refused("web.example", 22)
		try: socket.getaddrinfo("other.example", 80); assert False
		except socket.gaierror: pass
		assert tell("allow other.example") == "closed 0"
		s = dial("other.example", 80); s.sendall(b"GET /new HTTP/1.1\r\nHost: other.example\r\n\r\n"); assert b"200 OK" in answer(s)
		assert tell("allow *.com").startswith("error"); assert tell("allow a b").startswith("error")
		a.sendall(b"z"); assert a.recv(9) == b"z"
		assert tell("deny web.example") == "closed 1"; assert answer(a) == "reset"
		assert '"open":' in tell("stats")
		print("done")
	EOF
	mkfifo "$W/fifo"
	: >"$W/answers"
	run outside '$RUN --commands $W/fifo --answers $W/answers --allow tcp:web.example:7 --allow tcp:web.example:22 -- python3 $W/t.py'
	echo "$output"; cat "$W/answers"
	[ "$output" = done ]
	[ "$(records '"event":"close".*"reason":"rule-removed"')" -eq 2 ]
}

@test "plain HTTP: every request of a connection is checked, and its body has one end for all servers" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		def one(*parts, port=7):
		    """What came back of the parts, which an echo sends back; "reset" if it was closed for what it said."""
		    s = dial("web.example", port); s.settimeout(10); got = b""
		    for p in parts:
		        try:
		            s.sendall(p)
		            while len(got) < sum(len(x) for x in parts[:parts.index(p) + 1]):
		                d = s.recv(65536)
		                if not d: return got, "end"
		                got += d
		        except (ConnectionResetError, BrokenPipeError): return got, "reset"
		    return got, "open"
		def get(host, more=b"", method=b"GET"):
		    return method + b" / HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"
		good, evil = get(b"web.example"), get(b"other.example")
		def passes(*parts):
		    r = one(*parts); assert r == (b"".join(parts), "open"), (parts, r)
		def stops(*parts):
		    r = one(*parts); assert r == (b"".join(parts[:-1]), "reset"), (parts, r)
		post = lambda n: get(b"web.example", b"Content-Length: %d\r\n" % n, b"POST")
		chunked = get(b"web.example", b"Transfer-Encoding: chunked\r\n", b"PUT")
		passes(good, good + b"", b"\r\n" + good)
		passes(good + good + good)
		passes(post(len(evil)) + evil, good)
		passes(post(300000) + b"x" * 300000, good)
		passes(chunked, b"5;a=b\r\nhello\r\n", b"a\r\n0123456789\r\n0\r\nHost: other.example\r\n\r\n", good)
		stops(good, evil)
		stops(post(4) + b"1234", evil)
		stops(chunked, b"3\r\nabc\r\n0\r\n\r\n", evil)
		stops(good, b"anything at all\r\n\r\n")
		for head in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 5\r\n",
		             b"Content-Length: +5\r\n", b"Content-Length: 0x5\r\n", b"Transfer-Encoding: xchunked\r\n",
		             b"Transfer-Encoding: chunked, identity\r\n", b"Content-Length: 5, 5\r\n"):
		    stops(get(b"web.example", head, b"POST"))
		    stops(good, get(b"web.example", head, b"POST"))
		stops(chunked, b"3\nabc\r\n"); stops(chunked, b"-3\r\n"); stops(chunked, b"3\r\nabcd\r\n"); stops(chunked, b"\r\n")
		# An upgrade that the server did not agree to (it echoes) opens nothing; nor one that is not the first.
		ask = get(b"web.example", b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n")
		stops(ask, evil); stops(ask, b"\x00\x01frames"); stops(good, ask, b"\x00\x01frames")
		passes(ask, good)
		# Other protocols would carry names of their own.
		for what in (b"h2c", b"websocket, h2c", b"TLS/1.0"):
		    other = get(b"web.example", b"Connection: Upgrade\r\nUpgrade: " + what + b"\r\n")
		    passes(other, good)
		    s = dial("web.example", 8101); s.settimeout(10); s.sendall(other); s.recv(100)
		    try: s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); assert s.recv(100) == b"reset"
		    except ConnectionResetError: pass
		# One that it agrees to: what it says itself is the answer.
		s = dial("web.example", 8101); s.settimeout(10); s.sendall(ask); a = s.recv(100)
		assert a.startswith(b"HTTP/1.1 101 "), a
		s.sendall(b"\x00\x01frames"); assert s.recv(100) == b"\x00\x01frames"
		print("done")
	EOF
	cat >"$W/upgrade.py" <<-'EOF'
		import socket
		l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("93.184.216.34", 8101)); l.listen(5)
		while True:
		    c, _ = l.accept(); c.recv(4096); c.settimeout(5)
		    try: c.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"); c.sendall(c.recv(4096)); c.recv(1)
		    except OSError: pass
	EOF
	run outside 'python3 $W/upgrade.py 3>&- & server=$!; sleep 0.3
		$RUN --allow web.example:7,8101 -- python3 $W/t.py; kill $server'
	echo "$output"
	[ "$output" = done ]
	[ "$(records '"event":"close".*"reason":"name-mismatch".*"seen":"other.example","detail":"Host"')" -ge 4 ]
}

@test "budgets: bytes, connections and distinct names, of the sandbox and of a rule" {
	cat >"$W/bytes.py" <<-'EOF'
		from tls import *
		s = dial("web.example", 7); s.sendall(b"x" * 4000)
		n = 0
		while n < 4000: n += len(s.recv(4000))
		s.sendall(b"y" * 4000)
		try:
		    while True:
		        d = s.recv(4000)
		        if not d: break
		        n += len(d)
		except ConnectionResetError: pass
		assert n <= 5000, n
		assert refused("web.example", 7)
		print("done")
	EOF
	run outside '$RUN --budget-bytes 5000 --allow tcp:web.example:7 -- python3 $W/bytes.py; $RUN --rule-bytes 5000 --allow tcp:web.example:7 -- python3 $W/bytes.py'
	echo "$output"
	[ "$output" = $'done\ndone' ]
	[ "$(records '"reason":"budget-bytes"')" -eq 4 ]
	run outside 'rm -f $LOG; $RUN --budget-names 3 --allow "*.wild.example" -- bash -c "for n in a b c d a e; do curl -sS -m 5 http://\$n.wild.example/ 2>/dev/null; done; true" | grep -c hello
		$RUN --rule-connections 2 --allow web.example --allow other.example -- bash -c "for n in web web web other; do curl -sS -m 5 http://\$n.example/ 2>/dev/null; done; true" | grep -c hello'
	echo "$output"
	[ "$output" = $'4\n3' ]
	[ "$(records '"reason":"budget-names"')" -eq 2 ]
	[ "$(records '"reason":"budget-connections"')" -eq 1 ]
	run ! grep -E '^(d|e).wild' "$D/queries"
}

@test "kill -9 of the broker cuts the network, kill -9 of the monitor takes the broker along" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		import os, signal, sys, time
		s = dial("web.example", 7); s.sendall(b"x"); assert s.recv(1) == b"x"
		open(sys.argv[2], "w").write("up")
		while not os.path.exists(sys.argv[2] + ".killed"): time.sleep(0.01)
		assert answer(s) in ("reset", "end")
		for host in ("web.example", "198.18.0.1", "8.8.8.8", "2001:db8::1"):
		    t = time.monotonic()
		    try: dial(host, 7); assert False
		    except OSError: pass
		    # the resolver of the C library tries twice
		    assert time.monotonic() - t < 25
		print("done")
	EOF
	run outside '
		ip address show lo >/dev/null
		( while [ ! -s $W/up ]; do sleep 0.05; done; kill -9 $(cat $W/pid); touch $W/up.killed ) &
		$RUN --pid $W/pid --allow tcp:web.example:7 -- python3 $W/t.py $W/pid $W/up'
	echo "$output"
	[ "$output" = done ]
	run outside '
		$RUN --pid $W/pid2 --allow web.example -- sleep 60 & m=$!
		while [ ! -s $W/pid2 ]; do sleep 0.05; done
		p=$(cat $W/pid2); kill -0 $p; c=$(pgrep -P $m sleep); kill -9 $m; kill $c
		for i in $(seq 40); do kill -0 $p 2>/dev/null || { echo gone; exit 0; }; sleep 0.05; done'
	echo "$output"
	[[ "$output" == *gone* ]]
}

@test "the broker is jailed before it hears the first word" {
	run outside '$RUN --pid $W/pid --allow web.example -- bash -c "
		curl -sS -m 5 http://web.example/ >/dev/null
		p=/proc/\$(cat $W/pid)
		grep -E \"^(Seccomp|NoNewPrivs|CapEff|CapPrm|CapBnd|Threads):\" \$p/status | tr -s \"\\t \" \" \"
		grep -E \"^Max (open files|processes|core file size|locked memory)\" \$p/limits"'
	echo "$output"
	[[ "$output" == *"Seccomp: 2"* && "$output" == *"NoNewPrivs: 1"* && "$output" == *"CapEff: 0000000000000000"* && "$output" == *"CapPrm: 0000000000000000"* ]]
	[[ "$output" == *"Threads: 1"* ]]
	[[ "$output" =~ Max\ processes\ +0\  ]]
	[[ "$output" =~ Max\ locked\ memory\ +0\  ]]
	# and refuses to be run by hand
	run "$build/oc-egress"
	[ "$status" -eq 2 ]
	[[ "$output" == *"started by oc-sandbox"* ]]
}

@test "a flood of questions and of connections leaves it alive and small, and records are counted when they are dropped" {
	cat >"$W/t.py" <<-'EOF'
		from tls import *
		import sys, time
		socket.getaddrinfo("web.example", 80)
		u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.setblocking(False)
		q = lambda i: b"\0\1\1\0\0\1\0\0\0\0\0\0\5n%04d\4wild\7example\0\0\1\0\1" % (i % 10000)
		end = time.monotonic() + 2; n = 0
		while time.monotonic() < end:
		    try: u.sendto(q(n) if n % 3 else b"junk" * 10, ("8.8.8.8", 53)); n += 1
		    except BlockingIOError: pass
		    try: u.recv(999)
		    except BlockingIOError: pass
		end = time.monotonic() + 3; m = 0
		while time.monotonic() < end:
		    m += 1
		    try: socket.create_connection(("8.8.8.8", 443), 5).close()
		    except ConnectionResetError: pass
		s = dial("web.example", 80); s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n"); assert b"200 OK" in answer(s)
		# The table of names is full: a new one is refused, the old ones stay.
		try: socket.getaddrinfo("new.wild.example", 80); assert False
		except socket.gaierror: pass
		rss = [int(l.split()[1]) for l in open("/proc/%s/status" % open(sys.argv[1]).read().strip()) if l.startswith("RssAnon")][0]
		assert rss < 8192, rss
		assert m * 20 > 10000, m
		print("done", file=sys.stdout)
	EOF
	run outside '$RUN --records 20 --pid $W/pid --allow "*.wild.example" --allow web.example -- python3 $W/t.py $W/pid'
	echo "$output"
	[ "$output" = done ]
	[ "$(records '"dropped":[1-9]')" -gt 0 ]
	[ "$(wc -l <"$LOG")" -lt 400 ]
	[ "$(grep -c wild "$D/queries" || true)" -eq 0 ]
}
