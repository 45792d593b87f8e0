#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# keep - the monitor of a kept sandbox as a client sees it that speaks its protocol raw (tests/lib/keep_client.py):
# commands, their end, the background, hostile messages, every way in which the sandbox ends.

bats_require_minimum_version 1.5.0

setup() {
	export HOME="$OC_TEST_TMP/home-$BATS_TEST_NUMBER" OPENCLAW_STATE_DIR="$OC_TEST_TMP/state-$BATS_TEST_NUMBER"
	mkdir -p "$HOME"
	unset OPENCLAW_CONFIG_PATH OPENCLAW_HOME OPENCLAW_PROFILE
	export XDG_RUNTIME_DIR="$OC_TEST_TMP/run-$BATS_TEST_NUMBER"
	mkdir -m 700 -p "$XDG_RUNTIME_DIR"
	W="$OC_TEST_TMP/work-$BATS_TEST_NUMBER"
	mkdir -p "$W"
	ID=
}

teardown() {
	[ -z "$ID" ] || [ ! -d "$D" ] || "$OC_SANDBOX" stop "$ID" || true
}

# start OPTION...: a sandbox; its id in ID, its directory in D, its monitor in MONITOR
start() {
	ID=$("$OC_SANDBOX" start "$@" 3>&-)
	for D in /run/oc-sandbox "$XDG_RUNTIME_DIR/oc-sandbox" "$OPENCLAW_STATE_DIR"/*; do
		[ ! -S "$D/$ID/control" ] || break
	done
	D=$D/$ID
	MONITOR=$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$D/info.json")
}

# client: a Python program with c, a client of the sandbox, D and W
client() {
	D=$D W=$W python3 -c 'import os, sys, time, json
sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/lib"))
from keep_client import *
D, W = os.environ["D"], os.environ["W"]
c = Client(D)
'"$(cat)"
}

# Until it is gone, for at most so many tenths of a second.
gone() {
	for ((i = 0; i < $2; i++)); do
		[ -e "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

@test "commands one after another: output, exit, signal, directory, environment" {
	start
	client <<-'E'
	for i in range(30):
	    out, r = c.run(["sh", "-c", f"echo {i}; exit {i}"], tag=i + 1)
	    assert out == f"{i}\n" and r["status"] == r["exit"] == i and r["cause"] == "exit", r
	    assert r["usage"]["wallUs"] > 0 and r["quarantined"] == [] and "error" not in r
	out, r = c.run(["sh", "-c", "kill -TERM $$"])
	assert (r["status"], r["cause"], r["signal"], r["exit"]) == (143, "signal", 15, None), r
	c.execute(["sleep", "100"], tag=60)
	assert c.request("signal", tag=60, signal=10)[0]["ok"]  # before it runs: it waits
	assert c.event("exit")[0]["result"]["signal"] == 10
	out, r = c.run(["sh", "-c", "echo $PWD $A $LANG; pwd"], cwd="/tmp", env=["A=1", "A=2", "LANG=de"])
	assert out == "/tmp 2 de\n/tmp\n", out
	out, r = c.run(["env"], flags=CLEAR_ENV, env=["ONLY=this"])
	assert out == "ONLY=this\n", out
	out, r = c.run(["sh", "-c", "echo $PWD $HOME"])
	assert out == "/workspace /workspace\n", out
	import fcntl
	m = os.memfd_create("program", os.MFD_ALLOW_SEALING)
	os.write(m, open("/bin/echo", "rb").read())
	fcntl.fcntl(m, 1033, 2 | 4 | 8)
	r, w = os.pipe()
	c.execute(["its-name", "by descriptor"], flags=PROGRAM, fds=(m, 0, w, w))
	assert c.event("exit")[0]["result"]["status"] == 0
	assert os.read(r, 100) == b"by descriptor\n"
	big = ["echo"] + ["x" * 1000] * 300
	out, r = c.run(big, flags=BLOB)
	assert len(out) == 300300 and r["status"] == 0
	E
}

@test "what cannot be executed: 127, 126, 125, and why" {
	start
	client <<-'E'
	for argv, how, status, word in [
	        (["no-such-program"], {}, 127, "no-such-program"), (["/etc/passwd"], {}, 126, "/etc/passwd"),
	        (["true"], {"cwd": "/nowhere"}, 125, "/nowhere"), (["true"], {"cwd": "tmp"}, 125, "absolute"),
	        (["true"], {"env": ["LD_PRELOAD=/x"]}, 125, "LD_PRELOAD"), (["true"], {"env": ["PATH=/x"]}, 125, "PATH"),
	        (["true"], {"env": ["novalue"]}, 125, "NAME=VALUE"), ([""], {}, 125, "empty"),
	        (["true"], {"memory": 4096}, 125, "4m")]:
	    out, r = c.run(argv, **how)
	    assert r["status"] == status and r["cause"] == "setup" and word in r["error"]["message"], r
	d = os.open("/", os.O_RDONLY)
	p = os.open("/etc/passwd", os.O_PATH)
	for fd in d, p:
	    c.execute(["cat"], fds=(fd, 1, 2))
	    assert "directory or a path reference" in c.event("exit")[0]["result"]["error"]["message"]
	c.execute(["true"], flags=PROGRAM, fds=(p, 0, 1, 2))
	assert "sealed" in c.event("exit")[0]["result"]["error"]["message"]
	assert c.run(["true"])[1]["status"] == 0
	E
}

@test "a command is over when all of it is: double forks die with it" {
	start
	client <<-'E'
	out, r = c.run(["sh", "-c", "(setsid sleep 1000 >/dev/null 2>&1 &) ; (sleep 1001 >/dev/null 2>&1 & sleep 1002 >/dev/null 2>&1 &)"])
	assert r["status"] == 0
	out, r = c.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])
	assert "sleep" not in out, out
	# The runner has the payload's user: killing it ends the call that does it, and nothing else.
	c.execute(["sleep", "3"], tag=50)
	out, r = c.run(["sh", "-c", "kill -9 $PPID; sleep 1"])
	assert r["status"] == 137, r
	assert c.run(["echo", "x"])[0] == "x\n"
	assert c.event("exit")[0]["result"]["status"] == 0
	E
}

@test "a command that stops everything inside does not stop the next ones" {
	start
	client <<-'E'
	assert c.run(["true"])[1]["status"] == 0
	c.execute(["sh", "-c", "sleep 0.3; kill -STOP -1; sleep 1000"], flags=BACKGROUND | NO_INPUT, tag=99)
	call = c.event("started")[0]["call"]
	time.sleep(0.6)
	out, r = c.run(["echo", "on"])
	assert out == "on\n" and r["status"] == 0, r
	assert c.request("kill", call=call)[0]["ok"]
	assert c.event("exit")[0]["result"]["status"] == 137
	assert c.run(["echo", "on"])[0] == "on\n"
	E
}

@test "time limit: TERM, then KILL" {
	start
	client <<-'E'
	t = time.time()
	out, r = c.run(["sleep", "30"], timeout=200)
	assert (r["status"], r["cause"], r["signal"]) == (124, "timeout", 15) and time.time() - t < 1.5, r
	t = time.time()
	out, r = c.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], timeout=200)
	assert (r["status"], r["cause"]) == (124, "timeout") and 2 < time.time() - t < 4, r
	E
}

@test "limits of one call, and the reason of its end" {
	start
	grep -q "^1" < <("$OC_SANDBOX" doctor --json | python3 -c 'import json,sys; print(1 if "stand-ins" not in json.dumps(json.load(sys.stdin)) else 0)') || skip "no cgroup here"
	client <<-'E'
	out, r = c.run(["python3", "-c", "x = bytearray(200 << 20)"], memory=50 << 20)
	if r["status"] == 125 or r["cause"] != "oom":
	    sys.exit(f"memory: {r}")
	out, r = c.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait"], pids=4)
	assert r["cause"] == "pids", r
	assert c.run(["true"])[1]["status"] == 0
	E
}

@test "a client's end is that of its commands, but not of those it detached" {
	start
	client <<-'E'
	d = Client(D)
	d.execute(["sleep", "1000"], tag=1)
	d.execute(["sleep", "1001"], tag=2)
	assert d.request("detach", tag=2)[0]["ok"]
	d.execute(["sleep", "1002"], tag=3, flags=BACKGROUND)
	d.event("started")
	assert len(c.request("calls")[0]["calls"]) == 3
	d.sock.close()
	for _ in range(50):
	    left = c.request("calls")[0]["calls"]
	    if len(left) == 2:
	        break
	    time.sleep(0.05)
	assert sorted(x["command"] for x in left) == ["sleep 1001", "sleep 1002"], left
	for x in left:
	    assert c.request("kill", call=x["call"])[0]["ok"]
	for _ in range(50):
	    left = [x for x in c.request("calls")[0]["calls"] if x["state"] == "running"]
	    if not left:
	        break
	    time.sleep(0.05)
	assert not left
	assert not c.request("kill", tag=1)[0]["ok"]
	assert not c.request("signal", call="no-such", signal=15)[0]["ok"]
	E
}

@test "background: logs, attach with input, end of input, clear" {
	start
	client <<-'E'
	c.execute(["sh", "-c", "echo out; echo err >&2; while read x; do echo got $x; done; exit 7"], flags=BACKGROUND, tag=9)
	call = c.event("started")[0]["call"]
	assert call.replace("-", "").isalpha() and call.count("-") == 1, call
	a, f = c.request("attach", call=call, input=True)
	assert a["ok"] and a["dropped"] == 0 and len(f) == 3
	b, g = c.request("attach", call=call, input=True)
	assert not b["ok"]
	b, g = c.request("attach", call=call)
	assert b["ok"] and len(g) == 2
	os.write(f[2], b"hello\n")
	assert not c.request("clear", call=call)[0]["ok"]
	time.sleep(0.2)
	assert c.request("eof", call=call)[0]["ok"]
	os.close(f[2])
	assert c.event("exit")[0]["result"]["status"] == 7
	def all_of(fd):
	    text = b""
	    while chunk := os.read(fd, 65536):
	        text += chunk
	    return text
	for fds in f, g:
	    assert (all_of(fds[0]), all_of(fds[1])) == (b"out\ngot hello\n", b"err\n")
	a, h = c.request("logs", call=call)
	assert sorted(all_of(h[0]).split()) == [b"err", b"got", b"hello", b"out"]
	row = c.request("calls")[0]["calls"][0]
	assert row["state"] == "exited" and row["result"]["status"] == 7 and row["output"] == 18, row
	assert c.request("clear", call=call)[0]["ok"] and not c.request("calls")[0]["calls"]
	E
}

@test "background: what is kept has bounds" {
	start
	client <<-'E'
	c.execute(["sh", "-c", "yes | head -c 3000000; echo end"], flags=BACKGROUND | NO_INPUT, tag=1)
	call = c.event("started")[0]["call"]
	c.event("exit")
	a, f = c.request("logs", call=call)
	assert a["dropped"] == 3000004 - 200000 and os.fstat(f[0]).st_size == 200000
	assert os.read(f[0], 300000).endswith(b"y\nend\n")
	for i in range(12):
	    c.execute(["sh", "-c", "yes | head -c 200000"], flags=BACKGROUND | NO_INPUT, tag=100 + i)
	    c.event("exit")
	rows = c.request("calls")[0]["calls"]
	assert len(rows) == 10 and sum(r["output"] for r in rows) == 2000000, rows
	for i in range(60):
	    c.execute(["true"], flags=BACKGROUND | NO_INPUT, tag=200 + i)
	    c.event("exit")
	assert len(c.request("calls")[0]["calls"]) == 50
	E
}

@test "background: of those that have ended the first to end is forgotten, not the first to begin" {
	start
	client <<-'E'
	c.execute(["sh", "-c", "echo long; exec sleep 100"], flags=BACKGROUND | NO_INPUT, tag=1)
	first = c.event("started")[0]["call"]
	for i in range(51):
	    c.execute(["true"], flags=BACKGROUND | NO_INPUT, tag=2 + i)
	    c.event("exit")
	assert c.request("kill", call=first)[0]["ok"]
	c.event("exit")
	a, f = c.request("logs", call=first)
	assert a["ok"] and os.read(f[0], 100) == b"long\n", a
	E
}

@test "terminals: size, input, in the background too" {
	start
	client <<-'E'
	c.execute(["sh", "-c", "tty; stty size; read x; echo got $x"], flags=PTY, rows=33, cols=44)
	e, f = c.event("started")
	os.write(f[0], b"abc\n")
	assert c.event("exit")[0]["result"]["status"] == 0
	text = os.read(f[0], 4096).decode()
	assert "/dev/pts/" in text and "33 44" in text and "got abc" in text, text
	c.execute(["sh", "-c", "read x; echo got $x"], flags=PTY | BACKGROUND, tag=2)
	call = c.event("started")[0]["call"]
	a, f = c.request("attach", call=call, input=True)
	assert len(f) == 3
	os.write(f[2], b"xyz\n")
	c.event("exit")
	text = b""
	while chunk := os.read(f[0], 4096):
	    text += chunk
	assert b"got xyz" in text, text
	# The duplicate of the master shares its flags with the monitor's: made blocking, nobody waits.
	import fcntl, select
	c.execute(["sh", "-c", "read x; echo got $x; sleep 100"], flags=PTY | BACKGROUND, tag=3)
	call = c.event("started")[0]["call"]
	a, f = c.request("attach", call=call, input=True)
	fcntl.fcntl(f[2], fcntl.F_SETFL, fcntl.fcntl(f[2], fcntl.F_GETFL) & ~os.O_NONBLOCK)
	os.write(f[2], b"uvw\n")
	text = b""
	while b"got uvw" not in text:
	    text += os.read(f[0], 4096)
	c.raw(b'{"op":"info"}')
	assert select.select([c.sock], [], [], 5)[0], "the monitor hangs"
	c.receive()
	assert c.request("kill", call=call)[0]["ok"]
	c.event("exit")
	E
}

@test "hostile messages: an answer or the end, and the monitor lives" {
	start
	client <<-'E'
	import random
	random.seed(4)
	c.run(["true"])
	def descriptors():
	    return len(os.listdir(f"/proc/{c.request('info')[0]['pid']}/fd"))
	before = descriptors()
	for i in range(400):
	    x = Client(D)
	    head, strings = map(bytearray, x.message(["true"]))
	    kind = i % 6
	    try:
	        if kind == 0:
	            x.raw(os.urandom(random.randrange(1, 3000)))
	        elif kind == 1:
	            x.raw(b"{" + os.urandom(50), (0, 1))
	        elif kind == 2:
	            head[random.randrange(len(head))] ^= 1 << random.randrange(8)
	            x.raw(bytes(head + strings), (0, 1, 2))
	        elif kind == 3:
	            x.raw(bytes(head + strings), (0,) * random.randrange(9))
	        elif kind == 4:
	            x.raw(bytes(head), (0, 1, 2))
	        else:
	            x.raw(b"{\"op\":\"attach\",\"call\":%d}" % i)
	            x.raw(b"{\"op\":\"signal\",\"tag\":1e99,\"signal\":-1}")
	            x.raw(b"{\"op\":\"logs\"}")
	            x.raw(b"{" * 60000)
	    except (BrokenPipeError, ConnectionResetError):
	        pass
	    x.sock.close()
	assert c.run(["echo", "fine"])[0] == "fine\n"
	time.sleep(0.3)
	assert descriptors() <= before + 7, (before, descriptors())
	assert not [r for r in c.request("calls")[0]["calls"] if r["state"] == "running"]
	E
}

@test "a full workspace of the host is swept after every command" {
	mkdir -p "$W/ws/.git/hooks"
	printf '[core]\n' > "$W/ws/.git/config"
	start --workspace "$W/ws" --access rw
	client <<-'E'
	out, r = c.run(["sh", "-c", "echo x > .bashrc; echo y > plain"])
	assert [q["path"] for q in r["quarantined"]] == [".bashrc"] and r["status"] == 0, r
	assert os.path.exists(r["quarantined"][0]["moved"]) and not os.path.exists(W + "/ws/.bashrc")
	# What the host does between two commands is the host's.
	open(W + "/ws/.profile", "w").write("host\n")
	os.chmod(W + "/ws/.profile", 0o666)
	out, r = c.run(["cat", ".profile"])
	assert out == "host\n" and r["quarantined"] == [], r
	out, r = c.run(["sh", "-c", "echo evil > .profile"])
	assert [q["path"] for q in r["quarantined"]] == [".profile"], r
	c.execute(["sh", "-c", "echo x > .zshrc; sleep 100"])
	while not os.path.exists(W + "/ws/.zshrc"):
	    time.sleep(0.05)
	c.request("stop")
	r = c.event("exit")[0]["result"]
	assert [q["path"] for q in r["quarantined"]] == [".zshrc"] and r["status"] == 137, r
	E
	[ -z "$(ls "$OPENCLAW_STATE_DIR/quarantine/pending")" ]
}

@test "after kill -9 of the monitor its janitor sweeps" {
	mkdir -p "$W/ws"
	start --workspace "$W/ws" --access rw
	client <<-'E'
	c.execute(["sh", "-c", "echo x > .bashrc; sleep 100"])
	while not os.path.exists(W + "/ws/.bashrc"):
	    time.sleep(0.05)
	E
	kill -9 "$MONITOR"
	gone "$D" 50
	gone "$W/ws/.bashrc" 50
}

@test "stop: the event, the exits, the end, nothing left" {
	start
	client <<-'E'
	c.execute(["sleep", "1000"], tag=5, flags=STARTED)
	c.event("started")
	assert c.request("stop")[0]["ok"]
	assert c.event("stopping")[0]["reason"] == "stop"
	assert c.event("exit")[0]["result"]["status"] == 137
	assert c.receive()[0] is None
	E
	gone "$D" 30
	gone "/proc/$MONITOR/fd/0" 30
}

@test "SIGTERM, the end of pid 1, idle time and age end it" {
	start
	kill -TERM "$MONITOR"
	gone "$D" 30

	start
	client <<-'E'
	mon = c.request("info")[0]["pid"]
	c.execute(["sleep", "1000"], flags=STARTED)
	c.event("started")
	for p in os.listdir("/proc"):
	    try:
	        status = open(f"/proc/{p}/status").read()
	    except (OSError, ValueError):
	        continue
	    if f"\nPPid:\t{mon}\n" in status and f"\nNSpid:\t{p}\t1\n" in status:
	        os.kill(int(p), 9)
	assert c.event("stopping")[0]["reason"] == "the end of pid 1"
	assert c.event("exit")[0]["result"]["status"] == 137
	E
	gone "$D" 30

	start --idle 1s
	client <<-'E'
	t = time.time()
	assert c.run(["sleep", "1.5"])[1]["status"] == 0
	c.request("info")
	assert c.event("stopping")[0]["reason"] == "idle"
	assert time.time() - t > 2.3
	E
	gone "$D" 30

	start --max-age 1s
	client <<-'E'
	assert c.run(["sleep", "1.3"])[1]["status"] == 0
	assert c.event("stopping")[0]["reason"] == "age"
	E
	gone "$D" 30
}

@test "one door: net.* of the broker, and with egress none an answer" {
	start
	client <<-'E'
	a = c.request("net.stats")[0]
	assert not a["ok"] and "no network" in a["error"]
	assert c.request("info")[0]["egress"] == "none"
	E
	"$OC_SANDBOX" stop "$ID"
	start --egress allowlist --allow example.com:443
	client <<-'E'
	assert c.request("net.rules")[0]["allow"] == ["example.com:443"]
	assert c.request("net.change", list="allow", remove=False, rules=["a.example:1"])[0]["ok"]
	assert c.request("net.stats")[0]["broker"] == "running"
	assert c.run(["true"])[1]["status"] == 0
	E
}

@test "a thousand commands leak nothing" {
	start
	client <<-'E'
	mon = c.request("info")[0]["pid"]
	def state():
	    anon = next(l for l in open(f"/proc/{mon}/status") if l.startswith("RssAnon"))
	    return len(os.listdir(f"/proc/{mon}/fd")), int(anon.split()[1])
	null = os.open("/dev/null", os.O_RDWR)
	def run(n):
	    for i in range(n):
	        c.execute(["true"], tag=i + 1, fds=(null, null, null))
	        assert c.event("exit")[0]["result"]["status"] == 0
	run(100)
	fds, anon = state()
	run(1000)
	after = state()
	assert after[0] <= fds and after[1] <= anon + 32, ((fds, anon), after)
	E
}
