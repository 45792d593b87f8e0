#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# work - real work runs inside, with the output bytes and the exit codes that it has outside.

setup() {
	export HOME="$OC_TEST_TMP/home"
	mkdir -p "$HOME"
	W="$OC_TEST_TMP/work-$BATS_TEST_NUMBER"
	mkdir -p "$W/out" "$W/in"
}

# Run the same words outside and inside, in copies of the same directory; compare output, exit code and files.
same() {
	local out_rc=0 in_rc=0
	(cd "$W/out" && env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$W/out" LANG=C.UTF-8 TMPDIR=/tmp "$@" > "$W/out.txt" 2> "$W/out.err" < /dev/null) || out_rc=$?
	"$OC_SANDBOX" run ${OPTIONS:-} --workspace "$W/in" -- "$@" > "$W/in.txt" 2> "$W/in.err" < /dev/null || in_rc=$?
	[ $out_rc -eq $in_rc ] || { echo "exit $out_rc outside, $in_rc inside"; cat "$W/in.err"; return 1; }
	cmp "$W/out.txt" "$W/in.txt" || { diff "$W/out.txt" "$W/in.txt" | head; cat "$W/in.err"; return 1; }
	diff -r "$W/out" "$W/in"
}

@test "shell, coreutils, pipes" {
	same sh -c 'seq 1 20000 | sort -rn | awk "{s+=\$1} END {print s}"; printf "%s\n" b a c | sort; ls /usr/bin | wc -l; exit 9'
}

@test "python3: files, threads, subprocesses, exit code" {
	command -v python3 > /dev/null || skip "python3 is not installed"
	same python3 -c '
import subprocess, threading, json, hashlib, multiprocessing, sys, os, tempfile, sqlite3
r = []
t = [threading.Thread(target=lambda i=i: r.append(i * i)) for i in range(20)]
[x.start() for x in t]; [x.join() for x in t]
print(sorted(r))
print(subprocess.run(["echo", "child"], capture_output=True).stdout)
with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2, 3]))
d = sqlite3.connect("db"); d.execute("create table t(a)"); d.execute("insert into t values(1)"); d.commit()
print(list(d.execute("select * from t"))); d.close(); os.unlink("db")
open("f", "w").write("x" * 1000)
sys.exit(17)'
}

@test "node: files, workers, child processes, exit code" {
	command -v node > /dev/null || skip "node is not installed"
	case $(readlink -f "$(command -v node)") in /usr/*) ;; *) skip "node is not below /usr" ;; esac
	same node -e '
const fs = require("fs"), cp = require("child_process"), { Worker } = require("worker_threads");
fs.writeFileSync("f", "hello");
console.log(fs.readFileSync("f", "utf8"), cp.execSync("echo child").toString());
const w = new Worker("require(\"worker_threads\").parentPort.postMessage(42)", { eval: true });
w.on("message", m => { console.log(m); process.exitCode = 11; });'
}

@test "git: init, commit, clone of a local repository, log, gc" {
	command -v git > /dev/null || skip "git is not installed"
	mkdir "$W/src"
	(cd "$W/src" && git init -q && for i in $(seq 50); do echo $i > f$i; done && git add . &&
		git -c user.name=a -c user.email=a@b commit -qm one)
	run "$OC_SANDBOX" run --bind "$W/src:/src" --workspace "$W/in" -- sh -c '
git config --global safe.directory "*" && git clone -q /src/.git r && cd r && git log --format=%s && ls | wc -l &&
echo new > new && git add new && git -c user.name=a -c user.email=a@b commit -qm two && git gc -q && git fsck && git log --format=%s | wc -l'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = one ]
	[ "${lines[1]}" = 50 ]
	git -c safe.directory='*' -C "$W/in/r" log --format=%s | grep -qx two
}

@test "tar and 10,000 small files" {
	same bash -c 'mkdir d && cd d && for i in $(seq 100); do mkdir $i; for k in $(seq 100); do echo $i.$k > $i/$k; done; done; cd .. &&
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf t.tar d && sha256sum t.tar && rm -r d && tar xf t.tar && find d -type f | wc -l && cat d/50/50'
}

@test "gcc and make: a program is built and runs" {
	command -v gcc > /dev/null || skip "gcc is not installed"
	OPTIONS="--profile build" same bash -c 'printf "#include <stdio.h>\nint main(void){puts(\"built\");return 3;}\n" > a.c && printf "a: a.c\n\tgcc -O1 -o a a.c\n" > Makefile && make -s && ./a'
}

@test "gdb stops at a breakpoint in profile build, and cannot trace in the default profile" {
	command -v gdb > /dev/null || skip "gdb is not installed"
	printf 'int f(int x){return x+1;}\nint main(void){return f(41);}\n' > "$W/in/a.c"
	run "$OC_SANDBOX" run --profile build --workspace "$W/in" -- sh -c 'gcc -g -O0 -o a a.c && gdb -q -batch -ex "break f" -ex run -ex "print x" -ex continue ./a'
	[[ "$output" == *'$1 = 41'* ]]
	[[ "$output" == *"exited with code 052"* ]]
	run "$OC_SANDBOX" run --workspace "$W/in" -- gdb -q -batch -ex run ./a
	[[ "$output" != *"exited with code 052"* ]]
}

@test "this project builds inside" {
	command -v autoreconf > /dev/null || skip "autoconf is not installed"
	[ -f "$top_srcdir/configure" ] || skip "the source tree has no configure script"
	OPTIONS="--profile build"
	run "$OC_SANDBOX" run --profile build --memory 3g --pids 512 --timeout 10m --bind "$top_srcdir:/src" --workspace "$W/in" -- \
		sh -c '/src/configure --quiet && make -s oc-sandbox && ./oc-sandbox --version'
	echo "$output" | tail -5
	[ "$status" -eq 0 ]
	[[ "$output" == *"oc-sandbox 0."* ]]
}
