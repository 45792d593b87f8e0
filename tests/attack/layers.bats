#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# C7: a host that cannot give a layer.  The launch stops with 125 and names it, nothing runs; with --allow-missing it runs and
# the result says so.  `without` makes the host poorer: by a system call filter, or by limits on namespaces.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# refused WHO LAYER OPTION-OF-WITHOUT...
refused() {
	local who=$1 layer=$2 status=0
	shift 2
	output=$(as "$who" "$A/without" "$@" -- "$A/oc-sandbox" run --no-config --result "$A/home-$who/result" \
		-- /bin/echo ran 2>&1 </dev/null) || status=$?
	printf '%s, without %s: %s: %s\n' "$who" "$*" "$status" "$output"
	[ "$status" = 125 ]
	printf '%s\n' "$output" | none -qx ran
	# "oc-sandbox: LAYER: ..."
	printf '%s\n' "$output" | grep -q -E "^oc-sandbox: ($layer): "
	field "$A/home-$who/result" step | grep -q -x -E "$layer"
	nothing_left
}

# allowed WHO LAYER OPTION...: runs, and the result says that it did without.
allowed() {
	local who=$1 layer=$2 status=0
	shift 2
	output=$(as "$who" "$A/without" "$@" -- "$A/oc-sandbox" run --no-config --allow-missing "$layer" --result "$A/home-$who/result" \
		-- /bin/echo ran 2>&1 </dev/null) || status=$?
	printf '%s, without %s, allowed: %s: %s\n' "$who" "$*" "$status" "$output"
	[ "$status" = 0 ]
	printf '%s\n' "$output" | grep -qx ran
	printf '%s\n' "$output" | grep -q "ran without the layer $layer"
	grep -q "\"$layer\":{\"state\":\"missing\"" "$A/home-$who/result"
	# Only that one.
	[ "$(grep -o '"state":"missing"' "$A/home-$who/result" | wc -l)" = 1 ]
}

each() {
	local who what=$1
	shift
	for who in $(identities); do "$what" "$who" "$@"; done
}

@test "C7: user namespaces" {
	each refused user --max user
	each refused user --call clone3
	each refused user --errno ENOSYS --call clone3
}

@test "C7: mount, pid and net namespaces" {
	# Root clones its sources beforehand, which needs one as well.
	each refused 'mount|rootfs' --max mnt
	each refused pid --max pid
	each refused net --max net
	each refused 'mount|rootfs' --call mount_setattr
	each refused net --call socket
}

@test "C7: ipc, uts and cgroup namespaces, and with --allow-missing" {
	each refused ipc --max ipc
	each refused uts --max uts
	each refused cgroup-namespace --max cgroup
	each refused uts --call sethostname
	each allowed ipc --max ipc
	each allowed uts --max uts
	each allowed cgroup-namespace --max cgroup
}

@test "C7: the root file system" {
	for call in fsopen fsmount fsconfig move_mount pivot_root umount2 symlinkat; do
		each refused rootfs --call "$call"
	done
	each refused user --call setresuid
}

@test "C7: capabilities, no_new_privs, descriptors" {
	each refused capabilities --call capset
	each refused capabilities --call prctl:24
	each refused no-new-privs --call prctl:38
	each refused descriptors --errno ENOSYS --call close_range
}

@test "C7: securebits, keyring, Landlock, filter, limits, and with --allow-missing" {
	each refused securebits --call prctl:28
	each allowed securebits --call prctl:28
	each refused keyring --call keyctl
	each allowed keyring --call keyctl
	each refused landlock --errno EOPNOTSUPP --call landlock_create_ruleset
	each refused landlock --errno ENOSYS --call landlock_create_ruleset
	each refused landlock --call landlock_add_rule
	each refused landlock --call landlock_restrict_self
	each allowed landlock --errno EOPNOTSUPP --call landlock_create_ruleset
	each allowed landlock --errno ENOSYS --call landlock_restrict_self
	each refused seccomp --call seccomp
	each allowed seccomp --call seccomp
	each refused rlimits --call prlimit64 --call setrlimit
	each allowed rlimits --call prlimit64 --call setrlimit
}

@test "C7: a host whose /proc is covered in part, as in most containers" {
	each refused proc --masked-proc
	# Without /proc there is no way to set the limit on namespaces: that is a layer of its own, and must not go silently.
	for who in $(identities); do
		run as "$who" "$A/without" --masked-proc -- "$A/oc-sandbox" run --no-config --allow-missing proc -- /bin/echo ran
		echo "$output"
		[ "$status" = 125 ]
		echo "$output" | grep -q '^oc-sandbox: nested: '
	done
	for who in $(identities); do
		status=0
		output=$(as "$who" "$A/without" --masked-proc -- "$A/oc-sandbox" run --no-config --allow-missing proc --allow-missing nested \
			--result "$A/home-$who/result" -- /bin/sh -c 'echo ran; test ! -e /proc/self' 2>&1 </dev/null) || status=$?
		echo "$status: $output"
		[ "$status" = 0 ]
		grep -q '"proc":{"state":"missing"' "$A/home-$who/result"
		grep -q '"nested":{"state":"missing"' "$A/home-$who/result"
	done
}

@test "C7: devices and masks" {
	each refused dev --call mknodat
	for who in $(identities); do
		# The last clones of a tree are those of the masks.
		as "$who" strace -f -qq -o "$A/home-$who/trace" -e trace=open_tree,pivot_root "$A/oc-sandbox" run --no-config -- /bin/true </dev/null
		n=$(awk '/open_tree/ && ++n[$1] > most { most = n[$1] } END { print most }' "$A/home-$who/trace")
		status=0
		output=$(as "$who" strace -f -qq -o /dev/null -e trace=open_tree -e "inject=open_tree:error=EPERM:when=$n" \
			"$A/oc-sandbox" run --no-config -- /bin/true 2>&1 </dev/null) || status=$?
		echo "$who: $n: $status: $output"
		[ "$status" = 125 ]
		printf '%s\n' "$output" | grep -q '^oc-sandbox: masks: '
	done
}

@test "C7: cgroups: root stops; a user gets the stand-ins, says so, and stops with --require cgroup" {
	if [ "$(id -u)" = 0 ]; then refused root cgroup --call mkdirat; fi
	as user "$A/oc-sandbox" run --no-config --result "$A/home-user/result" -- /bin/true </dev/null
	if grep -q '"cgroup":{"state":"partial"' "$A/home-user/result"; then
		run as user "$A/oc-sandbox" run --no-config --require cgroup -- /bin/true
		[ "$status" = 125 ]
		echo "$output" | grep -q '^oc-sandbox: cgroup: '
	fi
}

@test "C7: an essential layer cannot be allowed to be missing" {
	for layer in user mount pid net rootfs capabilities no-new-privs descriptors; do
		run as user "$A/oc-sandbox" run --no-config --allow-missing "$layer" -- /bin/true
		[ "$status" = 125 ]
		echo "$output" | grep -q "$layer"
	done
	run as user "$A/oc-sandbox" run --no-config --allow-missing everything -- /bin/true
	[ "$status" = 125 ]
}

# Every call of the launch fails once.  Either the launch stops, or the command is held as ever: nothing in between.
# With two identities each takes every second call; OC_ATTACK_FULL=1: all of them.
@test "C7: each system call of the launch made to fail in turn: stopped, or complete" {
	need_program strace
	local name n total=0 ran=0 status step half=0
	local calls='fsopen|fsconfig|fsmount|open_tree|move_mount|mount_setattr|mknodat|mkdirat|symlinkat|fchdir|chdir|pivot_root|umount2|capset|prctl|landlock_create_ruleset|landlock_add_rule|landlock_restrict_self|seccomp|setresuid|setresgid|setgroups|sethostname|setdomainname|unshare|keyctl|setsid|close_range|socket|ioctl|prlimit64|clone3|dup2'
	for who in $(identities); do
		as "$who" strace -f -qq -o "$A/home-$who/trace" -e signal=none "$A/oc-sandbox" run --no-config -- /bin/true </dev/null
		sed -n 's/^\([0-9]*\) *\([a-z_0-9]*\)(.*/\1 \2/p' "$A/home-$who/trace" | awk '{ print $2, ++n[$1, $2] }' | sort -u |
			grep -E "^($calls) " >"$A/steps"
		[ "$(wc -l <"$A/steps")" -gt 60 ]
		step=0 half=$((1 - half))
		while read -r name n; do
			# The bounding set is forty calls of one kind: some of them.
			[ "$name" != prctl ] || [ $((n % 8)) = 1 ] || [ "$n" -gt 40 ] || [ "$n" -lt 5 ] || continue
			step=$((step + 1))
			[ -n "${OC_ATTACK_FULL:-}" ] || [ "$(identities)" = user ] || [ $((step % 2)) = "$half" ] || continue
			total=$((total + 1))
			status=0
			output=$(as "$who" strace -f -qq -o /dev/null -e "trace=$name" -e "inject=$name:error=EPERM:when=$n" \
				"$A/oc-sandbox" run --no-config --bind "$A/payload:/payload" -- /payload privileges 2>&1 </dev/null) || status=$?
			case $status in
			125)
				printf '%s\n' "$output" | grep -q '^oc-sandbox: [a-z-]*: ' || {
					echo "$who: $name $n: no layer is named: $output"
					return 1
				}
				;;
			0) ran=$((ran + 1)) ;;
			*) echo "$who: $name $n: status $status: $output" && return 1 ;;
			esac
			printf '%s\n' "$output" | none '^BAD' || { echo "$who: $name $n" && return 1; }
		done <"$A/steps"
	done
	echo "$total calls, $ran of them did not stop the launch"
	[ "$ran" -lt $((total / 2)) ]
	nothing_left
}
