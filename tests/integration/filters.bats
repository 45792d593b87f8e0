#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Real programs under each filter of the launcher: output and exit code are those without it.

setup() {
	top_builddir=${top_builddir:-.} top_srcdir=${top_srcdir:-.}
	wf=$(cd "$top_builddir" && pwd)/tests/lib/with-filter
	compiler=$(cd "$top_builddir" && pwd)/oc-seccompc
	profiles=$(cd "$top_srcdir" && pwd)/profiles/seccomp
	cd "$BATS_TEST_TMPDIR"
	export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
	export HOME=$BATS_TEST_TMPDIR GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null LC_ALL=C
}

need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# same FILTERS SCRIPT: each run in an empty directory of the same name
same() {
	local filters="$1" script="$2" f
	printf '%s\n' "$script" >script
	for f in none $filters; do
		rm -rf w && mkdir w
		(cd w && "$wf" "$f" bash ../script) >"out.$f" 2>&1 && echo 0 >"code.$f" || echo $? >"code.$f"
		[ -s "out.$f" ] || { echo "$f printed nothing"; return 1; }
		diff -u out.none "out.$f" && diff code.none "code.$f" || { echo "filter $f"; return 1; }
	done
}
all="default strict build"

@test "bash: pipes, jobs, here documents, exit code" {
	same "$all" 'set -o pipefail; seq 1 1000 | sort -r | head -n 3 || true; (sleep 0.05; echo later) & wait; cat <<X
here
X
mkfifo p; echo fifo >p & cat p; ulimit -n; exit 7'
	[ "$(cat code.none)" = 7 ]
}

@test "coreutils: copies, modes, links" {
	same "$all" 'umask 022; echo x >a; cp -a a b; ln a c; ln -s a d; mv b e; install -m 755 a f; chmod 1777 .; truncate -s 10M big; cp --sparse=always big big2
touch -d 2001-01-01 a; stat -c "%n %a %s %h" *; df . >/dev/null; du -s --apparent-size big; rm -r ./*; ls -A; echo done'
}

@test "git: init, commit, clone, log" {
	need git
	same "$all" 'git init -q -b main r; cd r; git config user.name n; git config user.email e@x
export GIT_AUTHOR_DATE="2001-01-01T00:00:00Z" GIT_COMMITTER_DATE="2001-01-01T00:00:00Z"
for i in 1 2 3; do echo $i >f$i; git add .; git commit -q -m c$i; done
git gc -q; git clone -q . ../c; cd ../c; git log --format=%H%s; git status --short; git fsck; cat f3'
}

@test "python3: threads, subprocess, sockets, sqlite, multiprocessing" {
	need python3
	cat >t.py <<'P'
import subprocess, threading, socket, os, tempfile, multiprocessing, hashlib, time
t = [threading.Thread(target=lambda: time.sleep(0.01)) for _ in range(20)]
[x.start() for x in t]; [x.join() for x in t]
print(subprocess.run(["sh", "-c", "echo sub; exit 3"], capture_output=True))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
c = socket.create_connection(s.getsockname()); a, _ = s.accept(); c.sendall(b"hi"); print(a.recv(2))
with tempfile.TemporaryDirectory() as d:
    open(d + "/x", "w").write("y"); os.chmod(d + "/x", 0o755); print(os.stat(d + "/x").st_mode)
if __name__ == "__main__":
    with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2, 3]))
    try:
        import sqlite3; k = sqlite3.connect("db"); k.execute("create table t(a)"); k.commit(); print("sqlite")
    except ImportError: print("no sqlite")
P
	same "$all" 'python3 ../t.py'
	grep -q sub out.none
}

@test "node: timers, files, child, worker, http" {
	need node
	cat >t.js <<'J'
const http = require('http'), fs = require('fs'), cp = require('child_process'), { Worker } = require('worker_threads');
fs.writeFileSync('a', 'x'); fs.watch('.').close(); console.log(fs.statSync('a').size, cp.execSync('echo child').toString());
new Worker('console.log("worker")', { eval: true }).on('exit', (c) => {
  const s = http.createServer((q, r) => r.end('http')).listen(0, '127.0.0.1', () =>
    http.get(s.address(), { port: s.address().port }, (r) => { r.on('data', (d) => console.log('' + d)); r.on('end', () => s.close()); }));
});
J
	same "$all" 'node ../t.js'
	grep -q http out.none
}

@test "java" {
	need java
	echo 'public class T { public static void main(String[] a) throws Exception { Thread t = new Thread(() -> System.out.println("t")); t.start(); t.join(); System.gc(); System.out.println(Runtime.version().feature()); } }' >T.java
	same "$all" 'java -Xmx128m ../T.java'
}

@test "gcc and make: hello, world" {
	need gcc && need make
	same "$all" 'echo "#include <stdio.h>
int main(void){puts(\"hello\");return 3;}" >h.c; echo "h: h.c" >Makefile; make -s -j2 CFLAGS=-O2 h; ./h'
	[ "$(cat code.none)" = 3 ]
}

@test "rustc" {
	need rustc
	rustc --version >/dev/null 2>&1 || skip "rustc has no toolchain for this home"
	same "$all" 'echo "fn main(){println!(\"hello\");}" >h.rs; rustc h.rs && ./h'
}

@test "tar: pack and unpack 2000 files" {
	need tar
	same "$all" 'mkdir d; for i in $(seq 2000); do echo $i >d/$i; done; tar -czf t.tgz --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner d; rm -r d; tar -xzf t.tgz; ls d | wc -l; cat d/1999; tar -tzf t.tgz | sha256sum'
}

@test "tar refuses to make a setuid file, and says so" {
	need tar
	: >s && chmod 4755 s && tar -cf s.tar s && rm s
	run "$wf" none tar -xpf s.tar
	[ "$status" -eq 0 ]
	[ -u s ]
	rm -f s
	run "$wf" default tar -xpf s.tar
	[ "$status" -ne 0 ]
	[ ! -u s ]
}

@test "gdb under build, not under default" {
	need gdb && need gcc
	printf 'int main(void){return 42;}\n' >g.c && gcc -g g.c -o g
	same build 'gdb -nx -q -batch -ex "break main" -ex run -ex "p 6*7" -ex continue ../g 2>&1 | grep -v -e "^warning" -e debuginfod -e 0x -e "process [0-9]"'
	grep -q '= 42' out.build
	run "$wf" default gdb -nx -q -batch -ex run ./g
	[[ "$output" != *"exited with code 052"* ]]
}

@test "compiler: raw program for the launcher, errors with place and 125" {
	run bash -c '"$1" "$2" | wc -c' - "$compiler" "$profiles/default.json"
	[ "$status" -eq 0 ]
	[ "$output" -gt 800 ]
	[ $((output % 8)) -eq 0 ]
	printf '{"defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [{"names": ["nosuch"], "action": "SCMP_ACT_ERRNO"}]}' >bad.json
	run "$compiler" bad.json
	[ "$status" -eq 125 ]
	[[ "$output" == *bad.json:2:*nosuch* ]]
	run "$compiler" missing.json
	[ "$status" -eq 125 ]
	run "$compiler" /dev/zero
	[ "$status" -eq 125 ]
	run "$compiler" --emit-c 'a b=bad.json'
	[ "$status" -eq 125 ]
	run bash -c '"$1" "$2" >/dev/full' - "$compiler" "$profiles/default.json"
	[ "$status" -eq 125 ]
}
