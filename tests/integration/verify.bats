#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `verify` on the real launcher, and on one that leaves a layer out while it claims it (oc-sandbox-weak): each layer's
# probes must see that.  What the bare host answers to the probes is in tests/unit/test_verify.

setup() {
	build=${top_builddir:-$BATS_TEST_DIRNAME/../..}
	build=$(cd "$build" && pwd)
	sandbox=${OC_SANDBOX:-$build/oc-sandbox}
	weak=$build/oc-sandbox-weak
	export HOME=$BATS_TEST_TMPDIR
	unset OPENCLAW_CONFIG_PATH OPENCLAW_STATE_DIR OPENCLAW_HOME OPENCLAW_PROFILE OC_TEST_DROP
}

teardown() {
	if [ -n "${user_dir:-}" ]; then rm -rf "$user_dir"; fi
}

# A directory that an ordinary user can reach and owns, with the programs in it: that of bats is root's alone.
make_user_dir() {
	user_dir=$(mktemp -d /tmp/oc-verify.XXXXXX)
	cp "$build/oc-sandbox" "$build/oc-probe" "$user_dir"
	chmod 755 "$user_dir"
	if [ "$(id -u)" -eq 0 ]; then chown -R 54321:54321 "$user_dir"; fi
}

as_user() {
	if [ "$(id -u)" -eq 0 ]; then
		HOME=$user_dir setpriv --reuid 54321 --regid 54321 --clear-groups "$@"
	else
		"$@"
	fi
}

# Cgroups of sandboxes whose maker is dead.
dead_groups() {
	find /sys/fs/cgroup -maxdepth 8 -type d -name 'oc-sandbox-*' 2>/dev/null | while read -r d; do
		pid=${d##*/oc-sandbox-}
		[ -d "/proc/${pid%%-*}" ] || echo "$d"
	done | sort
}

all_as_claimed() {
	if [ "$status" -ne 0 ]; then
		grep -v '^ok' <<<"$output"
		return 1
	fi
	[[ ${lines[${#lines[@]} - 1]} =~ ^[0-9]{3,}\ tried:\ [0-9]+\ as\ claimed,\ 0\ not ]]
}

@test "verify: default profile, all as claimed" {
	run "$sandbox" verify --no-config
	all_as_claimed
}

@test "verify: default profile as an ordinary user, all as claimed" {
	make_user_dir
	run as_user "$user_dir/oc-sandbox" verify --no-config
	all_as_claimed
}

@test "verify: writable workspace as an ordinary user, all as claimed" {
	make_user_dir
	as_user mkdir -p "$user_dir/ws/.git/hooks"
	run as_user "$user_dir/oc-sandbox" verify --no-config --workspace "$user_dir/ws" --access rw --memory 96m
	all_as_claimed
	grep -q '^ok  *mount.write /workspace ' <<<"$output"
}

@test "verify: profile strict, all as claimed" {
	run "$sandbox" verify --no-config --profile strict
	all_as_claimed
}

@test "verify: profile build, all as claimed, and ptrace is not claimed to be refused" {
	run "$sandbox" verify --no-config --profile build
	all_as_claimed
	! grep -q 'seccomp\.ptrace' <<<"$output"
	grep -q 'seccomp\.bpf' <<<"$output"
}

@test "verify: writable workspace, guarded paths, binds, tmpfs, sysfs and small limits" {
	ws=$BATS_TEST_TMPDIR/ws
	mkdir -p "$ws/.git/hooks" "$ws/.vscode" "$BATS_TEST_TMPDIR/data"
	printf '[core]\n\trepositoryformatversion = 0\n' >"$ws/.git/config"
	echo 'ref: refs/heads/main' >"$ws/.git/HEAD"
	touch "$ws/.bashrc" "$BATS_TEST_TMPDIR/file"
	before=$(cd "$ws" && find . -printf '%p %i %m %s\n' | sort)
	run "$sandbox" verify --no-config --workspace "$ws" --access rw --bind "$BATS_TEST_TMPDIR/data:/data:ro" \
		--bind "$BATS_TEST_TMPDIR/file:/etc/extra" --tmpfs /scratch:size=1m --sysfs --memory 64m --pids 24 --cpus 0.5
	all_as_claimed
	grep -q '^ok  *mount.write /data ' <<<"$output"
	grep -q '^ok  *mount.write /workspace/.git/hooks .*EROFS' <<<"$output"
	grep -q '^ok  *mount.point /workspace/.git/config ' <<<"$output"
	grep -q '^ok  *masks.object /sys/firmware' <<<"$output"
	grep -q '^ok  *cgroup.memory  *at most 64 MiB  *\(killed\|denied\)' <<<"$output"
	[ "$before" = "$(cd "$ws" && find . -printf '%p %i %m %s\n' | sort)" ]
}

@test "verify --json" {
	run "$sandbox" verify --no-config --json
	[ "$status" -eq 0 ]
	grep -q '"ok": true' <<<"$output"
	if command -v jq >/dev/null; then
		[ "$(jq -r '.rows[] | select(.probe == "seccomp.keyctl") | .layer + " " + .observed + " " + .verdict' <<<"$output")" = "seccomp denied ok" ]
		[ "$(jq '[.rows[] | select(.verdict != "ok" and .verdict != "missing")] | length' <<<"$output")" -eq 0 ]
	fi
}

@test "verify: no oc-probe is an error, not a success" {
	cp "$build/oc-sandbox" "$BATS_TEST_TMPDIR"
	run "$BATS_TEST_TMPDIR/oc-sandbox" verify --no-config
	if [[ $output == *" tried: "* ]]; then
		skip "an installed oc-probe was found"
	fi
	[ "$status" -eq 125 ]
	[[ $output == *"oc-probe"* ]]
}

@test "run --verify runs the command when all is as claimed" {
	run "$sandbox" run --no-config --verify -- /bin/echo it ran
	[ "$status" -eq 0 ]
	[[ $output == *"it ran"* ]]
}

@test "run --verify does not run the command when something differs" {
	run env OC_TEST_DROP=seccomp "$weak" run --no-config --verify -- /bin/echo it ran
	[ "$status" -eq 125 ]
	[[ $output != *"it ran"* ]]
	[[ $output == *"seccomp.mount"* ]]
}

@test "verify leaves no process and no cgroup behind" {
	before=$(dead_groups)
	run "$sandbox" verify --no-config
	[ "$status" -eq 0 ]
	[ -z "$(comm -13 <(echo "$before") <(dead_groups))" ]
}

# dropped LAYER: without it either its own probes say so, or no sandbox comes up at all; the same for a command of a
# sandbox that is kept, which has its layers from pid 1.
dropped() {
	dropped_one "$@" || return 1
	dropped_one "$@" --keep
}

dropped_one() {
	local layer=$1 may_stop= keep=()
	shift
	for word; do
		case $word in
		may-stop) may_stop=yes ;;
		--keep) keep=(--keep) ;;
		esac
	done
	run env OC_TEST_DROP="$layer" "$weak" verify --no-config "${keep[@]}"
	if [ "$status" -eq 125 ]; then
		# what is built on the layer fails
		[[ $output != *" tried: "* ]] || return 1
		echo "# $layer ${keep[*]}: ${lines[0]}" >&3
		[ -n "$may_stop" ]
		return
	fi
	[ "$status" -eq 1 ] || return 1
	grep -Eq "^(differs|untried)  *$layer\." <<<"$output" || {
		grep -v '^ok' <<<"$output"
		return 1
	}
}

@test "verify: a command of a sandbox that is kept, all as claimed" {
	for profile in default strict build; do
		run "$sandbox" verify --no-config --keep --profile "$profile"
		all_as_claimed || return 1
		grep -q "^ok  *pid.init-signals " <<<"$output" || return 1
	done
}

@test "verify: a command of a sandbox that is kept, with a network" {
	run "$sandbox" verify --no-config --keep --allow web.example
	all_as_claimed
	grep -q "^ok  *net.name-recorded " <<<"$output"
}

@test "verify: a command of a sandbox that is kept, as an ordinary user" {
	make_user_dir
	run as_user "$user_dir/oc-sandbox" verify --no-config --keep
	all_as_claimed
}

@test "verify: a network with an allowlist, all as claimed" {
	run "$sandbox" verify --no-config --allow web.example --allow '*.example.com' --allow 'tcp:192.0.2.0/24:1-65535'
	all_as_claimed
	for claim in name address datagram raw sockets broker-filter broker-capabilities name-recorded address-recorded; do
		grep -q "^ok  *net.$claim " <<<"$output" || { echo "no claim net.$claim"; return 1; }
	done
}

@test "verify: the same as an ordinary user" {
	make_user_dir
	cp "$build/oc-egress" "$user_dir"
	run as_user "$user_dir/oc-sandbox" verify --no-config --allow web.example
	all_as_claimed
	grep -q "^ok  *net.broker-filter " <<<"$output"
}

@test "verify: egress open, all as claimed" {
	run "$sandbox" verify --no-config --egress open
	all_as_claimed
	grep -q "^ok  *net.address " <<<"$output"
}

# differs_net WHAT CLAIM...: without WHAT exactly these are not as claimed
differs_net() {
	run env OC_TEST_DROP="$1" "$weak" verify --no-config --allow web.example
	[ "$status" -eq 1 ] || { echo "$output"; return 1; }
	shift
	[ "$(grep -E '^(differs|untried)' <<<"$output" | awk '{ print $2 }' | sort -u | xargs)" = "$*" ] || {
		grep -v '^ok' <<<"$output"
		return 1
	}
}

@test "without the broker's rules it shows" { differs_net egress-rules net.address-recorded net.name net.name-recorded; }
@test "without the broker's jail it shows" {
	if [ "$(id -u)" -eq 0 ]; then
		differs_net egress-jail net.broker-capabilities net.broker-filter net.broker-namespaces net.broker-no-new-privs net.broker-user
	else
		differs_net egress-jail net.broker-filter net.broker-no-new-privs
	fi
}
@test "without the refusals of the capture it shows" { differs_net egress-filter net.datagram; }
@test "with a copy of a socket in the monitor it shows" { differs_net egress-sockets net.sockets; }

# Made beside the other steps (runtime/launch/aside.h): the host's root must be gone all the same.
@test "with the host's root still mounted it shows" {
	run env OC_TEST_DROP=old-root "$weak" verify --no-config
	[ "$status" -eq 1 ]
	[ "$(grep -E '^(differs|untried)' <<<"$output" | awk '{ print $2 }')" = mount.table ] || {
		grep -v '^ok' <<<"$output"
		false
	}
}

@test "without layer user it shows" { dropped user may-stop; }
@test "without layer mount it shows" { dropped mount may-stop; }
@test "without layer pid it shows" { dropped pid may-stop; }
@test "without layer ipc it shows" { dropped ipc; }
@test "without layer uts it shows" { dropped uts; }
@test "without layer cgroup-namespace it shows" { dropped cgroup-namespace; }
@test "without layer net it shows" { dropped net; }
@test "without layer rootfs it shows" { dropped rootfs may-stop; }
@test "without layer proc it shows" { dropped_one proc && dropped_one proc --keep may-stop; }
@test "without layer dev it shows" { dropped dev may-stop; }
@test "without layer masks it shows" { dropped masks; }
@test "without layer nested it shows" { dropped nested; }
@test "without layer capabilities it shows" { dropped capabilities; }
@test "without layer securebits it shows" { dropped securebits; }
@test "without layer no-new-privs it shows" { dropped no-new-privs may-stop; }
@test "without layer landlock it shows" { dropped landlock; }
@test "without layer seccomp it shows" { dropped seccomp; }
@test "without layer keyring it shows" { dropped keyring; }
@test "without layer descriptors it shows" { dropped descriptors may-stop; }
@test "without layer rlimits it shows" { dropped rlimits; }
@test "without layer cgroup it shows" { dropped cgroup; }
