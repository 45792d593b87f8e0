#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# death - whichever process of a sandbox is killed, and whenever: nothing is left, and nobody else notices (tests/lib/death.py).
#
# OC_DEATH_ROUNDS: for all of them together; OC_DEATH_SEED: of a run that failed.

setup() {
	command -v python3 >/dev/null || skip "python3 is not installed"
}

die() {
	local rounds=$((${OC_DEATH_ROUNDS:-504} / 9))
	run python3 "$BATS_TEST_DIRNAME/../lib/death.py" --program "$OC_SANDBOX" --rounds "$rounds" ${OC_DEATH_SEED:+--seed "$OC_DEATH_SEED"} "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"# seed "*" $rounds rounds"* ]]
}

@test "the caller is killed" {
	die caller
}

@test "the monitor is killed" {
	die monitor
}

@test "pid 1 is killed" {
	die init
}

@test "the broker is killed" {
	die broker
}

@test "a runner is killed" {
	die runner
}

@test "a command is killed" {
	die payload
}

@test "the janitor is killed" {
	die janitor
}

@test "monitor and janitor are killed together" {
	die both
}

@test "one after the other in one scope" {
	die
}
