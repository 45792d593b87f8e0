#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `doctor` on this host, and in surroundings that take something away: it must name what, why, and what to do.

setup() {
	build=${top_builddir:-$BATS_TEST_DIRNAME/../..}
	build=$(cd "$build" && pwd)
	sandbox=${OC_SANDBOX:-$build/oc-sandbox}
}

# Cgroups of sandboxes whose maker is dead.
dead_groups() {
	find /sys/fs/cgroup -maxdepth 8 -type d -name 'oc-sandbox-*' 2>/dev/null | while read -r d; do
		pid=${d##*/oc-sandbox-}
		[ -d "/proc/${pid%%-*}" ] || echo "$d"
	done | sort
}

# state NAME: of a row in $output
state() {
	awk -v n="$1" '$2 == n && /^(ok|limited|missing)/ { print $1 }' <<<"$output"
}

# tells NAME CAUSE CURE: the row is missing and says why and what to do
tells() {
	[ "$status" -eq 1 ] || { echo "status $status"; return 1; }
	text=$(awk -v n="$1" '/^(ok|limited|missing)/ { on = $2 == n } on' <<<"$output")
	[[ $text == missing* && $text == *"cause: "*$2* && $text == *"cure: "*$3* ]] || { echo "$text"; return 1; }
}

# A user namespace of the test's own, so that sysctls and mounts of the host are not touched.
inside() {
	unshare -Urm --propagation private bash -ec "$1" -- "$sandbox" doctor
}

@test "doctor has a row for every layer, and its exit code says whether all is there" {
	run "$sandbox" doctor
	for l in user mount pid ipc uts cgroup-namespace net rootfs proc dev masks nested capabilities securebits \
		no-new-privs landlock seccomp keyring descriptors rlimits cgroup egress-capture egress-broker; do
		[ -n "$(state "$l")" ] || { echo "no row $l"; return 1; }
	done
	if grep -Eq '^(missing|limited)' <<<"$output"; then
		[ "$status" -eq 1 ]
	else
		[ "$status" -eq 0 ]
		[[ $output == *"this host can give every layer"* ]]
	fi
}

@test "doctor agrees with the launcher: what it calls ok is enforced" {
	run "$sandbox" doctor
	[ "$status" -eq 0 ] || skip "this host lacks something: $(grep -Ev '^ok' <<<"$output" | head -n 1)"
	run "$sandbox" verify --no-config
	[ "$status" -eq 0 ]
}

@test "doctor --json" {
	run "$sandbox" doctor --json
	[ "$status" -le 1 ]
	if command -v jq >/dev/null; then
		[ "$(jq '.checks | length' <<<"$output")" -ge 21 ]
		[ "$(jq -r '.checks[] | select(.name == "no-new-privs") | .state' <<<"$output")" = ok ]
	fi
	grep -q '"name": "landlock"' <<<"$output"
}

@test "doctor: unknown argument" {
	run "$sandbox" doctor --fix
	[ "$status" -eq 125 ]
	[[ $output == *"--fix"* ]]
}

@test "doctor: user.max_user_namespaces=0" {
	run inside 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
	tells user "user.max_user_namespaces is 0" "sysctl -w user.max_user_namespaces="
	[ "$(state net)" = missing ]
}

@test "doctor: a limit of network namespaces" {
	run inside 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
	[ "$(state user)" = ok ]
	[ "$(state net)" = missing ]
	[[ $output == *"cannot make a network namespace"* ]]
}

@test "doctor: covered paths in /proc, as in a container" {
	run inside 'mount --bind /dev/null /proc/interrupts; mount -t tmpfs none /proc/scsi 2>/dev/null || true; exec "$@"'
	tells proc "/proc/interrupts" "systempaths=unconfined"
	[ "$(state net)" = ok ]
}

@test "doctor: a /dev that is not what it says" {
	run inside 'mount --bind /dev/zero /dev/random; exec "$@"'
	tells dev "/dev is incomplete" "mknod -m 666 /dev/random c 1 8"
}

@test "doctor: no nf_tables for the egress allowlist" {
	command -v strace >/dev/null || skip "program: strace"
	# The sixth socket that a try makes is the one of netfilter; no other try makes so many.
	run strace -qq -f -o /dev/null -e trace=socket -e inject=socket:error=EPERM:when=6 "$sandbox" doctor
	tells egress-capture "nf_tables" "modprobe -a nf_tables"
	[ "$(state net)" = ok ]
}

@test "doctor: no oc-egress" {
	cp "$sandbox" "$BATS_TEST_TMPDIR/oc-sandbox"
	run "$BATS_TEST_TMPDIR/oc-sandbox" doctor
	if [ "$(state egress-broker)" = ok ]; then skip "program: an installed oc-egress was found"; fi
	tells egress-broker "cannot be started" "installed together"
	cp /bin/false "$BATS_TEST_TMPDIR/oc-egress"
	run "$BATS_TEST_TMPDIR/oc-sandbox" doctor
	tells egress-broker "cannot be started" "andlock"
	[ "$(state egress-capture)" = ok ]
}

@test "doctor: inside of a sandbox of ours" {
	run "$sandbox" run --no-config --bind "$build:/b:ro" -- /b/oc-sandbox doctor
	tells user "filter" "filter"
	[ "$(state keyring)" = missing ]
	[ "$(state no-new-privs)" = ok ]
}

@test "doctor leaves nothing behind" {
	mounts=$(wc -l </proc/self/mountinfo)
	before=$(dead_groups)
	run "$sandbox" doctor
	[ "$mounts" = "$(wc -l </proc/self/mountinfo)" ]
	[ -z "$(comm -13 <(echo "$before") <(dead_groups))" ]
}
