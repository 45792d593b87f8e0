#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run - one command in one sandbox: exit codes, streams, environment, file system, limits and their reasons.

bats_require_minimum_version 1.5.0

setup() {
	export HOME="$OC_TEST_TMP/home-$BATS_TEST_NUMBER"
	mkdir -p "$HOME"
	unset OPENCLAW_CONFIG_PATH OPENCLAW_STATE_DIR OPENCLAW_HOME OPENCLAW_PROFILE
	W="$OC_TEST_TMP/work-$BATS_TEST_NUMBER"
	mkdir -p "$W"
}

sandbox() {
	"$OC_SANDBOX" run "$@"
}

# Value of a key of the result.
result() {
	python3 -c 'import json,sys; v=json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v=v[k]
print(json.dumps(v) if not isinstance(v,str) else v)' "$1" "$2"
}

@test "the exit code is the command's" {
	for code in 0 1 3 124 125 126 127 255; do
		rc=0
		sandbox -- sh -c "exit $code" || rc=$?
		[ "$rc" -eq "$code" ]
	done
}

@test "a signal gives 128 plus its number, and the result says so" {
	run sandbox --result "$W/r" -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	[ "$(result "$W/r" cause)" = signal ]
	[ "$(result "$W/r" signal)" = 15 ]
	[ "$(result "$W/r" exit)" = null ]
}

@test "a program that is not there gives 127, one that is not executable 126" {
	run -127 sandbox -- no-such-program-anywhere
	[ "$status" -eq 127 ]
	[[ "$output" == *"no-such-program-anywhere"* ]]
	run sandbox -- /etc/passwd
	[ "$status" -eq 126 ]
	run sandbox -- /usr
	[ "$status" -eq 126 ]
}

@test "streams are passed as they are" {
	printf 'one\0two\n' > "$W/in"
	sandbox -- cat < "$W/in" > "$W/out"
	cmp "$W/in" "$W/out"
	run bash -c "\"$OC_SANDBOX\" run -- sh -c 'echo to-err >&2; echo to-out' 2>/dev/null"
	[ "$output" = to-out ]
	head -c 3000000 /dev/urandom > "$W/big"
	sandbox -- cat < "$W/big" | cmp - "$W/big"
}

@test "what the command does not read of a pipe stays there for the next reader" {
	run bash -c "printf abcdefghij | (\"$OC_SANDBOX\" run -- head -c 3; cat)"
	[ "$output" = abcdefghij ]
	run bash -c "printf abcdefghij | (\"$OC_SANDBOX\" run -- true; cat)"
	[ "$output" = abcdefghij ]
	run bash -c "(echo a; sleep 0.3; echo b) | \"$OC_SANDBOX\" run -- cat"
	[ "$output" = a$'\n'b ]
}

@test "pipes end as they should: no reader, no writer, both streams in one" {
	run timeout 20 bash -c "\"$OC_SANDBOX\" run -- yes | head -1"
	[ "$output" = y ]
	run timeout 20 bash -c "yes | \"$OC_SANDBOX\" run -- head -1"
	[ "$output" = y ]
	run bash -c "\"$OC_SANDBOX\" run -- bash -c 'for i in \$(seq 200); do echo o\$i; echo e\$i >&2; done' 2>&1 | cat"
	[ "$output" = "$(for i in $(seq 200); do echo o$i; echo e$i; done)" ]
	head -c 5000000 /dev/urandom > "$W/big"
	bash -c "cat '$W/big' | \"$OC_SANDBOX\" run -- cat | cat" | cmp - "$W/big"
	bash -c "cat '$W/big' | \"$OC_SANDBOX\" run -- sh -c 'sleep 0.2; cat' | (sleep 0.4; cat)" | cmp - "$W/big"
}

@test "the environment is built from nothing" {
	export SECRET_OF_CALLER=x PASSED=yes
	run sandbox --env-pass PASSED --env GIVEN=1=2 -- env
	[ "$status" -eq 0 ]
	[[ "$output" != *SECRET_OF_CALLER* ]]
	[[ "$output" == *PASSED=yes* ]]
	[[ "$output" == *GIVEN=1=2* ]]
	[[ "$output" == *HOME=/workspace* ]]
}

@test "dangerous variables are refused by both options" {
	for name in LD_PRELOAD BASH_ENV NODE_OPTIONS PYTHONPATH GIT_SSH_COMMAND DYLD_INSERT_LIBRARIES PROMPT_COMMAND; do
		run sandbox --env "$name=x" -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"$name"* ]]
		export "$name=x"
		run sandbox --env-pass "$name" -- true
		unset "$name"
		[ "$status" -eq 125 ]
	done
}

@test "nothing of the host's private places is to be seen" {
	run sandbox -- sh -c 'for d in /home /root /srv /mnt /media /opt /boot /lost+found /var/lib /var/log /run/user /sys; do [ -e $d ] && echo $d; done; ls -A /var; ls -A /run'
	[ "$status" -eq 0 ]
	[ "$output" = tmp ]
}

@test "the workspace: rw is written through, ro and none are not" {
	echo host > "$W/file"
	sandbox --workspace "$W" -- sh -c 'echo inside > file; mkdir d; echo x > d/y'
	[ "$(cat "$W/file")" = inside ]
	[ "$(stat -c %u "$W/d/y")" = "$(stat -c %u "$W")" ]
	run sandbox --workspace "$W" --access ro -- sh -c 'echo no > file; echo no > new'
	[ "$status" -ne 0 ]
	[ "$(cat "$W/file")" = inside ]
	[ ! -e "$W/new" ]
	run sandbox -- sh -c 'echo private > /workspace/f && cat /workspace/f'
	[ "$output" = private ]
}

@test "binds are read-only unless said otherwise, files and directories, and land where they should" {
	mkdir "$W/a"
	echo data > "$W/a/f"
	run sandbox --bind "$W/a:/data" --bind "$W/a/f:/one/file" -- sh -c 'cat /data/f /one/file; echo x > /data/g'
	[[ "$output" == data$'\n'data* ]]
	[ "$status" -ne 0 ]
	[ ! -e "$W/a/g" ]
	sandbox --bind "$W/a:/data:rw" -- sh -c 'echo x > /data/g'
	[ "$(cat "$W/a/g")" = x ]
	run sandbox --tmpfs /scratch:size=1m -- sh -c 'head -c 2000000 /dev/zero > /scratch/f'
	[ "$status" -ne 0 ]
}

@test "time limit: 124, the reason, and everything inside is gone" {
	run sandbox --timeout 0.5s --result "$W/r" -- sh -c 'trap "" TERM; setsid sleep 98.7654 & sleep 98.7654'
	[ "$status" -eq 124 ]
	[ "$(result "$W/r" cause)" = timeout ]
	run pgrep -f 'sleep 98.7654'
	[ "$status" -ne 0 ]
}

@test "memory limit: the result says oom and a peak" {
	run sandbox --memory 64m --result "$W/r" -- python3 -c 'x = bytearray(400000000)'
	[ "$status" -ne 0 ]
	if [ "$(id -u)" = 0 ]; then
		[ "$(result "$W/r" cause)" = oom ]
		[ "$(result "$W/r" usage.memoryPeakBytes)" -gt 30000000 ]
	else
		[[ "$output" == *MemoryError* ]] || [ "$(result "$W/r" cause)" = oom ]
	fi
}

@test "process limit: forks are refused and the result says pids" {
	run sandbox --pids 20 --timeout 20 --result "$W/r" -- python3 -c '
import os, sys, time
n = 0
try:
    for i in range(60):
        if os.fork() == 0:
            time.sleep(2); os._exit(0)
        n += 1
except OSError:
    time.sleep(0.3)
    print(n)
    sys.exit(3)'
	[ "$status" -eq 3 ]
	[ "$output" -lt 20 ] || [[ "$output" == *"limit of 20 processes"* ]]
	[ "$(result "$W/r" cause)" = pids ]
}

@test "limits are there when nothing is set" {
	run sandbox -- sh -c 'ulimit -n; ulimit -c; ulimit -Hn'
	[ "${lines[0]}" = 1024 ]
	[ "${lines[1]}" = 0 ]
	[ "${lines[2]}" = 2048 ]
	run sandbox --ulimit nofile=64:64 --ulimit fsize=1000000 -- sh -c 'ulimit -n'
	[ "$output" = 64 ]
}

@test "--require cgroup is an error where there is none, and no change where there is one" {
	run sandbox --require cgroup -- true
	if [ "$(id -u)" = 0 ]; then
		[ "$status" -eq 0 ]
	elif [ "$status" -ne 0 ]; then
		[ "$status" -eq 125 ]
		[[ "$output" == *cgroup* ]]
	fi
}

@test "signals to the monitor reach the command" {
	mkfifo "$W/go"
	"$OC_SANDBOX" run --workspace "$W" -- sh -c 'trap "echo got-usr1 > sig; exit 7" USR1; echo > go; while :; do sleep 0.05; done' &
	pid=$!
	read -r _ < "$W/go"
	kill -USR1 $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 7 ]
	[ "$(cat "$W/sig")" = got-usr1 ]
}

@test "a one-shot sandbox ends with its caller, unless told to outlive it" {
	bash -c "\"$OC_SANDBOX\" run --workspace '$W' -- sh -c 'echo > up; exec sleep 76.543' & while [ ! -e '$W/up' ]; do sleep 0.05; done; kill -9 \$\$" || true
	for i in $(seq 50); do pgrep -f 'sleep 76.543' > /dev/null || break; sleep 0.1; done
	run pgrep -f 'sleep 76.543'
	[ "$status" -ne 0 ]
	bash -c "\"$OC_SANDBOX\" run --outlive-caller --workspace '$W' -- sh -c 'sleep 1; echo > survived' & sleep 0.3"
	for i in $(seq 50); do [ -e "$W/survived" ] && break; sleep 0.1; done
	[ -e "$W/survived" ]
}

@test "what the caller ignored or blocked is default inside" {
	run bash -c "trap '' PIPE TERM INT; \"$OC_SANDBOX\" run -- grep -E 'Sig(Ign|Blk|Cgt)' /proc/self/status"
	[[ "$output" == *"SigIgn:"*"0000000000000000"* ]]
	[[ "$output" == *"SigBlk:"*"0000000000000000"* ]]
}

@test "the umask is the caller's" {
	run bash -c "umask 027; \"$OC_SANDBOX\" run -- sh -c umask"
	[ "$output" = 0027 ]
}

@test "a background process does not outlive the command" {
	run sandbox -- sh -c 'setsid sleep 87.654 > /dev/null 2>&1 & exit 4'
	[ "$status" -eq 4 ]
	run pgrep -f 'sleep 87.654'
	[ "$status" -ne 0 ]
}

@test "nothing stays behind" {
	before=$(find /sys/fs/cgroup -name 'oc-sandbox-*' 2>/dev/null | wc -l)
	for i in 1 2 3; do sandbox --workspace "$W" -- true; done
	after=$(find /sys/fs/cgroup -name 'oc-sandbox-*' 2>/dev/null | wc -l)
	[ "$before" -eq "$after" ]
	[ -z "$(ls -A "$W")" ]
	[ -z "$(ls -A "$HOME/.openclaw/quarantine/pending" 2>/dev/null)" ]
}

@test "words after -- belong to the command" {
	run sandbox -- echo --bind /:/ --help
	[ "$output" = "--bind /:/ --help" ]
	run sandbox echo --memory 1
	[ "$output" = "--memory 1" ]
}

@test "the result is written to a descriptor too, and is one object" {
	run bash -c "\"$OC_SANDBOX\" run --result fd:5 -- true 5>\"$W/r\""
	[ "$status" -eq 0 ]
	[ "$(result "$W/r" layers.seccomp.state)" = enforced ]
	[ "$(wc -l < "$W/r")" -eq 1 ]
}

@test "an agent's scratch directory is kept between runs, and is private" {
	sandbox --agent main -- sh -c 'echo kept > /workspace/f'
	run sandbox --agent main -- cat /workspace/f
	[ "$output" = kept ]
	run sandbox --agent other -- cat /workspace/f
	[ "$status" -ne 0 ]
	[ "$(stat -c %a "$(dirname "$(find "$HOME/.openclaw/sandboxes" -name f)")")" = 700 ]
}

@test "an unpacked image is the root" {
	command -v busybox > /dev/null || skip "busybox is not installed"
	mkdir -p "$W/img/bin" "$W/img/etc"
	cp "$(command -v busybox)" "$W/img/bin/busybox"
	ln -s busybox "$W/img/bin/sh"
	ldd "$W/img/bin/busybox" 2>/dev/null | grep -q '=>' && skip "busybox is not static"
	run sandbox --rootfs "$W/img" -- /bin/sh -c 'echo in image; /bin/busybox ls /; [ -e /usr ] && echo usr'
	[[ "$output" == "in image"* ]]
	[[ "$output" != *usr* ]]
	[ ! -e "$W/img/proc" ]
	[ ! -e "$W/img/workspace" ]
}

@test "a limit of processes that ends a command within a moment is named, with a cgroup or without" {
	run "$OC_SANDBOX" run --no-config --pids 16 --result "$OC_TEST_TMP/result" -- sh -c '
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 20 & done; exit 3'
	[ "$status" -ne 0 ]
	[ "$(jq -r .cause "$OC_TEST_TMP/result")" = pids ]
	[ "$(jq -r .usage.pidsPeak "$OC_TEST_TMP/result")" -ge 15 ]
}
