#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# disk - what --disk bounds, how it says so, and what cannot get around it.

bats_require_minimum_version 1.5.0

setup() {
	export HOME="$OC_TEST_TMP/home-$BATS_TEST_NUMBER"
	mkdir -p "$HOME"
	unset OPENCLAW_CONFIG_PATH OPENCLAW_STATE_DIR OPENCLAW_HOME OPENCLAW_PROFILE
	W="$OC_TEST_TMP/work-$BATS_TEST_NUMBER"
	mkdir -p "$W"
	R="$OC_TEST_TMP/result-$BATS_TEST_NUMBER"
}

teardown() {
	[ -z "${id:-}" ] || "$OC_SANDBOX" stop "$id" || true
}

sandbox() {
	"$OC_SANDBOX" run --result "$R" "$@"
}

# Value of a key of the result.
result() {
	python3 -c 'import json,sys; v=json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v=v[k]
print(json.dumps(v) if not isinstance(v,str) else v)' "$R" "$1"
}

@test "in memory: the file system itself is that large" {
	run sandbox --disk 8m -- sh -c 'head -c 20m /dev/zero > f; stat -c %s f; exit 7'
	[ "$status" -eq 7 ]
	[[ "$output" == *"No space left on device"*8388608* ]]
	[ "$(result cause)" = disk ]
	[ "$(result error.message)" = "the disk limit of 8 MB was reached (8 MB)" ]
	[ "$(result limits.diskBound)" = hard ]
	[ "$(result usage.diskPeakBytes)" -eq 8388608 ]
	run sandbox --disk 8m -- sh -c 'head -c 6m /dev/zero > f'
	[ "$status" -eq 0 ]
	[ "$(result cause)" = exit ]
	[ "$(result usage.diskPeakBytes)" -eq 6291456 ]
	# It is larger than the usual scratch if that is wanted.
	run sandbox --disk 400m --memory 1g -- sh -c 'head -c 300m /dev/zero > f'
	[ "$status" -eq 0 ]
}

@test "on the host's disk: the command ends, with the reason" {
	run sandbox --agent a --disk 8m -- sh -c 'for i in 1 2 3; do head -c 6m /dev/zero > f$i; done; sleep 20'
	[ "$status" -eq 137 ]
	[ "$(result cause)" = disk ]
	[ "$(result limits.diskBound)" = sampled ]
	[[ "$(result error.message)" == "the disk limit of 8 MB was reached (1"*" MB)" ]]
	[[ "$output" == *"the disk limit of 8 MB was reached"* ]]
	[ "$(result usage.wallUs)" -lt 5000000 ]
	# It is over now: what is there may be removed, but not grow.
	run sandbox --agent a --disk 8m -- sh -c 'sleep 0.6; rm f2 f3; sleep 0.6; ls'
	[ "$status" -eq 0 ]
	[ "$output" = f1 ]
	[ "$(result cause)" = exit ]
	run sandbox --agent a --disk 8m -- sh -c 'head -c 6m /dev/zero > f2; sleep 20'
	[ "$(result cause)" = disk ]
	run sandbox --agent a --disk 8m -- sh -c 'sleep 0.6; head -c 6m /dev/zero > f3; sleep 20'
	[ "$(result cause)" = disk ]
}

@test "no single file is longer than all of it" {
	run sandbox --agent a --disk 8m -- sh -c 'trap "" XFSZ; head -c 30m /dev/zero > f; stat -c %s f'
	[[ "$output" == *"File too large"*8388608* ]]
}

@test "within the limit nothing ends; links count once, sparse files what they hold" {
	run sandbox --agent a --disk 8m -- sh -c '
		head -c 5m /dev/zero > f && for i in 1 2 3 4; do ln f l$i || exit; done
		truncate -s 8m sparse; mkdir -p a/b/c/d; sleep 1; exit 5'
	[ "$status" -eq 5 ]
	[ "$(result cause)" = exit ]
	peak=$(result usage.diskPeakBytes)
	[ "$peak" -gt 5242880 ] && [ "$peak" -lt 5500000 ]
}

@test "many empty files count" {
	run sandbox --agent a --disk 2m -- sh -c 'i=0; while [ $i -lt 4000 ]; do : > n$i; i=$((i+1)); done; sleep 20'
	[ "$(result cause)" = disk ]
}

@test "deleted files that are open count" {
	run sandbox --agent a --disk 8m -- sh -c 'exec 3>f1 4>f2 5>f3; rm f1 f2 f3
		for i in 3 4 5; do head -c 6m /dev/zero >&$i; done; sleep 20'
	[ "$(result cause)" = disk ]
	[[ "$(result error.message)" == "the disk limit of 8 MB was reached (18"* ]]
}

@test "what is hidden in a directory without rights or too deep ends it too" {
	# Root is stopped by no mode: there it simply counts.
	run sandbox --agent a --disk 8m -- sh -c 'mkdir d; for i in 1 2 3; do head -c 6m /dev/zero > d/f$i; done; chmod 0 d; sleep 20'
	[ "$(result cause)" = disk ]
	run sandbox --agent b --disk 8m -- python3 -c '
import os,time
for i in range(300):
    os.mkdir("d"); os.chdir("d")
time.sleep(20)'
	[ "$(result cause)" = disk ]
	[ "$(result error.message)" = "the disk limit cannot be watched: directories are nested too deeply" ]
	chmod -R u+rwx "$HOME/.openclaw"
	rm -rf "$HOME/.openclaw"
}

@test "a directory without rights that passes does not" {
	run sandbox --agent a --disk 8m -- sh -c 'mkdir d; chmod 0 d; sleep 0.1; rmdir d; sleep 0.7'
	[ "$status" -eq 0 ]
}

@test "the changes of an overlay are counted" {
	head -c 20m /dev/zero > "$W/large"
	run sandbox -w "$W" --access overlay --disk 8m -- sh -c 'ls; echo x > small; sleep 0.5'
	[ "$status" -eq 0 ]
	run sandbox -w "$W" --access overlay --disk 8m -- sh -c 'for i in 1 2 3; do head -c 6m /dev/zero > f$i; done; sleep 20'
	[ "$(result cause)" = disk ]
}

@test "in a sandbox that is kept the command ends, and the sandbox stays" {
	export XDG_RUNTIME_DIR="$W"
	chmod 700 "$W"
	id=$("$OC_SANDBOX" start --no-config --agent "disk-$$" --disk 8m)
	run "$OC_SANDBOX" exec --result "$R" "$id" -- sh -c 'for i in 1 2 3; do head -c 6m /dev/zero > f$i; done; sleep 20'
	[ "$status" -eq 137 ]
	[ "$(result cause)" = disk ]
	[[ "$(result error.message)" == "the disk limit of 8 MB was reached ("* ]]
	run "$OC_SANDBOX" exec "$id" -- sh -c 'rm f2 f3; sleep 1; ls'
	[ "$status" -eq 0 ]
	[ "$output" = f1 ]
	run "$OC_SANDBOX" exec --result "$R" "$id" -- sh -c 'head -c 4m /dev/zero > f2; sleep 20'
	[ "$(result cause)" = disk ]
	"$OC_SANDBOX" stop "$id"
	id=""
	# In memory.
	id=$("$OC_SANDBOX" start --no-config --disk 8m)
	run "$OC_SANDBOX" exec --result "$R" "$id" -- sh -c 'head -c 9m /dev/zero > f || exit 3'
	[ "$status" -eq 3 ]
	[ "$(result cause)" = disk ]
	run "$OC_SANDBOX" exec --result "$R" "$id" -- sh -c 'rm f; exit 4'
	[ "$status" -eq 4 ]
	[ "$(result cause)" = exit ]
}

@test "where there is nothing to bound it is refused" {
	run sandbox -w "$W" --disk 8m -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"--disk: there is nothing that a disk limit could bound: the workspace is a directory of the host"* ]]
	run sandbox -w "$W" --access ro --disk 8m -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"the workspace is read-only"* ]]
	run sandbox --disk 8k -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"below the smallest"* ]]
	run sandbox --disk 8q -- true
	[ "$status" -eq 125 ]
}

@test "from the configuration; none takes it out" {
	mkdir -p "$HOME/.openclaw"
	cat > "$HOME/.openclaw/openclaw.json" <<-'JSON'
		{ agents: { defaults: { sandbox: { native: { disk: "16m" } } },
		            list: [ { id: "a" }, { id: "b", sandbox: { native: { disk: "none" } } } ] } }
	JSON
	run "$OC_SANDBOX" explain --agent a -- true
	[[ "$output" == *"disk "*"16m, sampled"*"agents.defaults.sandbox.native.disk"* ]]
	run "$OC_SANDBOX" explain --agent b -- true
	[[ "$output" != *sampled* ]]
	run "$OC_SANDBOX" explain --agent a --disk 1m -- true
	[[ "$output" == *"1m, sampled"*"(--disk)"* ]]
	run "$OC_SANDBOX" explain --json --disk 16m -- true
	[[ "$output" == *'"diskBound": "hard"'* ]]
}
