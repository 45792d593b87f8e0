#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# badinput - bad input gives exit 125 and a clear sentence, never a crash, and nothing stays behind.

setup() {
	export HOME="$OC_TEST_TMP/home"
	mkdir -p "$HOME"
	W="$OC_TEST_TMP/w"
	mkdir -p "$W"
}

# refused 'part of the message' WORDS...
refused() {
	local want=$1
	shift
	run "$OC_SANDBOX" run "$@" < /dev/null
	[ "$status" -eq 125 ] || { echo "status $status: $*"; echo "$output"; return 1; }
	[[ "$output" == *"$want"* ]] || { echo "no \"$want\" in: $output"; return 1; }
	[[ "$output" == oc-sandbox:* ]]
}

@test "no command, empty command, unknown options with a suggestion" {
	refused "no command"
	refused "no command" --
	refused "empty" -- ''
	refused "--memroy" --memroy 1g -- true
	[[ "$output" == *"--memory"* ]]
	refused "did you mean --allow?" --alow a.example -- true
	refused "did you mean --timeout?" --tiemout 5 -- true
	refused "every name is a rule of its own" --allow a.example,b.example -- true
	refused "needs" --memory
	refused "takes no value" --sysfs=1 -- true
	refused "twice" --memory 1g --memory 2g -- true
}

@test "paths: relative, dots, control bytes, missing, a link as the workspace" {
	refused "" --bind "relative:/x" -- true
	refused "" --bind "$W:relative" -- true
	refused "" --bind "$W:/a/../b" -- true
	refused "" --bind "$W/../w:/b" -- true
	refused "" --bind "$W"$'\n'":/b" -- true
	refused "$W/missing" --bind "$W/missing:/b" -- true
	refused "$W/missing" --workspace "$W/missing" -- true
	ln -s "$W" "$OC_TEST_TMP/link"
	refused "link" --workspace "$OC_TEST_TMP/link" -- true
	touch "$W/file"
	refused "" --workspace "$W/file" -- true
	refused "" --workdir relative -- true
	refused "/no/such" --workdir /no/such -- true
	refused "" --rootfs "$W/missing" -- true
}

@test "sizes, times, ids and limits out of range" {
	for v in 0 -1 1x '' 99999999999999999999g 1e3 ' 1g' '1g '; do refused "memory" --memory "$v" -- true; done
	for v in 0 -1 abc '' 99999999999999999999; do refused "pids" --pids "$v" -- true; done
	for v in 0 -1 abc ''; do refused "cpus" --cpus "$v" -- true; done
	for v in -1 abc '' 1y; do refused "timeout" --timeout "$v" -- true; done
	for v in 0 '' +1 ' 1' 1: 4294967295 4294967296 0x0 -1 1:-1 1:0x1 99999999999999999999 01; do refused "user" --user "$v" -- true; done
	for v in nofile nofile= nofile=x nosuch=1 nofile=5:4; do refused "" --ulimit "$v" -- true; done
}

@test "environment: no name, bad names, control bytes" {
	for v in '' =x '1A=x' 'A B=x' 'A-B=x' $'A\n=x'; do refused "" --env "$v" -- true; done
	run "$OC_SANDBOX" run --env-pass NO_SUCH_VARIABLE_HERE -- true < /dev/null
	[[ "$output" == *NO_SUCH_VARIABLE_HERE* ]]
}

@test "10,000 binds are refused quickly" {
	args=()
	for i in $(seq 10000); do args+=(--bind "$W:/b/$i"); done
	refused "bind" "${args[@]}" -- true
}

@test "2 MB of arguments: passed as they are, or refused" {
	args=()
	a=$(head -c 100000 /dev/zero | tr '\0' x)
	for i in $(seq 17); do args+=("$a"); done
	run "$OC_SANDBOX" run -- sh -c 'printf %s "$@" | wc -c' sh "${args[@]}" < /dev/null
	[ "$output" = 1700000 ] || [ "$status" -eq 125 ]
}

@test "closed streams and a directory as stream" {
	run bash -c "\"$OC_SANDBOX\" run -- true <&-"
	[ "$status" -eq 125 ]
	[[ "$output" == *input* ]]
	run bash -c "\"$OC_SANDBOX\" run -- true >&-"
	[ "$status" -eq 125 ]
	run bash -c "\"$OC_SANDBOX\" run -- true < /tmp"
	[ "$status" -eq 125 ]
	[[ "$output" == *directory* ]]
}

@test "a result that cannot be written is an error before anything runs" {
	refused "" --result /no/such/dir/r --workspace "$W" -- touch ran
	refused "" --result fd:99 --workspace "$W" -- touch ran
	refused "" --result fd:x --workspace "$W" -- touch ran
	[ ! -e "$W/ran" ]
}

@test "a full disk for the result is said, the exit code stays the command's" {
	[ -e /dev/full ] || skip "no /dev/full"
	run "$OC_SANDBOX" run --result /dev/full -- sh -c 'exit 3'
	[ "$status" -eq 3 ]
	[[ "$output" == *"result"* ]]
}

@test "a state directory that cannot be written" {
	touch "$OC_TEST_TMP/notdir"
	OPENCLAW_STATE_DIR="$OC_TEST_TMP/notdir" run "$OC_SANDBOX" run --agent main -- true
	[ "$status" -eq 125 ]
	OPENCLAW_STATE_DIR=/proc/nowhere run "$OC_SANDBOX" run --workspace "$W" -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"/proc/nowhere"* ]]
}

@test "unknown names of profiles, layers, filters, scopes" {
	refused "nosuch" --profile nosuch -- true
	refused "nosuch" --allow-missing nosuch -- true
	refused "nosuch" --require nosuch -- true
	refused "nosuch" --seccomp nosuch -- true
	refused "nosuch" --agent main --scope nosuch -- true
	refused "without it" --allow-missing mount -- true
}

@test "hostile text in a message is escaped" {
	run "$OC_SANDBOX" run --profile $'\033]0;evil\007' -- true
	[ "$status" -eq 125 ]
	[[ "$output" != *$'\033'* ]]
}

@test "a mount whose last writer is still looked at by somebody (EBUSY) is made read-only a moment later, or the launch stops" {
	local log="$OC_TEST_TMP/trace" pid n
	strace -f -qq -o "$log" -e trace=mount_setattr "$OC_SANDBOX" run --no-config -- true || skip "strace cannot trace here"
	# The last of pid 1 is the root's; the calls are counted for each process, and the monitor makes fewer.
	pid=$(awk '/mount_setattr\(/ { p = $1 } END { print p }' "$log")
	[ -n "$pid" ]
	n=$(awk -v p="$pid" '$1 == p && /mount_setattr\(/' "$log" | wc -l)
	run strace -f -qq -o "$log" -e inject=mount_setattr:error=EBUSY:when="$n" "$OC_SANDBOX" run --no-config -- true
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	grep -q INJECTED "$log"
	run strace -f -qq -o "$log" -e inject=mount_setattr:error=EBUSY:when="$n+" "$OC_SANDBOX" run --no-config -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"cannot make the root read-only"*"busy"* ]]
}

@test "the thread beside the launch may take its time to be gone (EINVAL)" {
	local log="$OC_TEST_TMP/trace"
	# The first call of pid 1 may be the one for its cgroup namespace.
	run strace -f -qq -o "$log" -e inject=unshare:error=EINVAL:when=2..40 "$OC_SANDBOX" run --no-config -- true
	[ "$status" -eq 0 ] || { echo "$output"; false; }
}
