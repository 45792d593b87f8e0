# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# lib - what the attack tests share: a place, an ordinary user, one way to run a sandbox as root or as that user, and looking at
# the host afterwards.
#
# Each file of tests makes its own place $A (readable by all, below /tmp) and, as root, its own user; both are gone at
# the end, with every process of them.  Nothing outside of $A is written.

src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
build=${top_builddir:-$src}
attack=$build/tests/attack
launcher=${OC_SANDBOX:-$build/oc-sandbox}

# `! command` never ends a test: bash leaves it out of errexit.  These do.
# fails COMMAND...: it must not succeed.
fails() {
	if "$@"; then
		echo "succeeded: $*"
		return 1
	fi
}

# none GREP-ARGUMENT...: no such line.
none() {
	if grep "$@"; then return 1; fi
}

# The identities that a test is made as.
identities() {
	if [ "$(id -u)" = 0 ]; then echo root user; else echo user; fi
}

# For tests that are about root only; counted as skipped elsewhere.
need_root() {
	[ "$(id -u)" = 0 ] || skip "not root"
}

need_program() {
	command -v "$1" >/dev/null || skip "no $1 on this machine"
}

attack_setup() {
	A=$(mktemp -d /tmp/oc-attack.XXXXXX)
	chmod 755 "$A"
	TEST_USER=$(id -un)
	if [ "$(id -u)" = 0 ]; then
		TEST_USER=oc-attack-$$
		useradd --no-create-home --home-dir "$A/home-user" --shell /bin/sh "$TEST_USER"
	fi
	GROUP_PLACES=$(group_places | sort -u)
	export A TEST_USER GROUP_PLACES
	# Copies: the build directory may be closed to that user, and one test wants the launcher to belong to it.
	cp "$launcher" "$A/oc-sandbox"
	cp "$attack/payload" "$A/payload"
	if [ -x "$build/oc-sandbox-weak" ]; then cp "$build/oc-sandbox-weak" "$A/oc-sandbox-weak"; fi
	for program in without pty exchange; do
		if [ -x "$attack/$program" ]; then cp "$attack/$program" "$A/"; fi
	done
	mkdir "$A/canary" "$A/canary/dir"
	echo "canary" >"$A/canary/file"
	echo "$A/canary/file" >"$A/canary/dir/inner"
	ln -s file "$A/canary/link"
	for who in $(identities); do
		mkdir -p "$A/ws-$who" "$A/home-$who" "$A/state-$who"
		own "$who" "$A/ws-$who" "$A/home-$who" "$A/state-$who"
	done
}

# As BATS runs it even after a failure; by pid, and only what is ours.
attack_teardown() {
	local pid
	[ -n "${A:-}" ] || return 0
	for pid in $(ours); do kill -9 "$pid" 2>/dev/null || true; done
	if [ "$(id -u)" = 0 ] && [ -n "${TEST_USER:-}" ]; then
		for pid in $(ps -o pid= -u "$TEST_USER"); do kill -9 "$pid" 2>/dev/null || true; done
		userdel "$TEST_USER" 2>/dev/null || { sleep 1 && userdel "$TEST_USER"; }
	fi
	case $A in /tmp/oc-attack.*) chmod -R u+rwX "$A" && rm -rf "$A" ;; esac
}

# own WHO PATH...: the paths belong to that identity.
own() {
	local who=$1
	shift
	if [ "$(id -u)" = 0 ] && [ "$who" = user ]; then chown -R "$TEST_USER" "$@"; fi
}

# as WHO COMMAND...: run it as that identity, with a home of its own.
as() {
	local who=$1
	shift
	if [ "$(id -u)" = 0 ] && [ "$who" = user ]; then
		setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups \
			env HOME="$A/home-user" OPENCLAW_STATE_DIR="$A/state-user" "$@"
	else
		env HOME="$A/home-$who" OPENCLAW_STATE_DIR="$A/state-$who" "$@"
	fi
}

# sandbox WHO [OPTION...] -- COMMAND...: with the workspace of that identity, writable.
sandbox() {
	local who=$1
	shift
	as "$who" "$A/oc-sandbox" run --no-config --workspace "$A/ws-$who" "$@"
}

# attempt WHO [OPTION...] -- ATTEMPT [ARGUMENT...]: the payload inside; shows what it said.  Its status is 0 when nothing got
# through, and at least one thing was tried.
attempt() {
	local who=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	sandbox "$who" "${options[@]}" --bind "$A/payload:/payload" -- /payload "$@"
}

# The same with one layer silently left out: it must be seen to get through.
weak_attempt() {
	local layer=$1 who=$2
	shift 2
	[ -x "$A/oc-sandbox-weak" ] || skip "oc-sandbox-weak was not built"
	cp "$A/oc-sandbox" "$A/oc-sandbox-strong"
	cp "$A/oc-sandbox-weak" "$A/oc-sandbox.new" && mv "$A/oc-sandbox.new" "$A/oc-sandbox"
	local status=0
	OC_TEST_DROP=$layer attempt "$who" "$@" || status=$?
	mv "$A/oc-sandbox-strong" "$A/oc-sandbox"
	return "$status"
}

# both OPTION... -- ATTEMPT...: held back for every identity, the host unchanged.
both() {
	local who
	for who in $(identities); do
		before=$(host_state)
		status=0
		output=$(attempt "$who" "$@" </dev/null 2>&1) || status=$?
		printf '%s: status %s\n%s\n' "$who" "$status" "$(printf '%s\n' "$output" | grep -v '^ok ' | tail -n 30)"
		[ "$status" = 0 ]
		printf '%s\n' "$output" | grep -q '^ok '
		unchanged "$before"
	done
}

# Content, inode, type, mode and owner of everything that must not change, and the mounts of this namespace.
host_state() {
	{
		find "$A/canary" -printf '%p %i %y %m %U %G %s %n %l\n' | sort
		cat "$A/canary/file" "$A/canary/dir/inner"
		sha256sum <"$A/oc-sandbox"
		cut -d' ' -f3- /proc/self/mountinfo | sort | sha256sum
		cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname
		stat -c '%n %t:%T %a %u' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
	} 2>&1
}

unchanged() {
	diff <(printf '%s\n' "$1") <(host_state)
}

# Processes that run one of our two programs, in whatever namespace.
ours() {
	local want id name
	want=$(stat -c '%d:%i' "$A/oc-sandbox" "$A/payload" | tr '\n' ' ')
	stat -Lc '%d:%i %n' /proc/[0-9]*/exe 2>/dev/null | while read -r id name; do
		case " $want " in *" $id "*) name=${name#/proc/} && echo "${name%/exe}" ;; esac
	done
	return 0
}

# Where the launcher makes its groups: beside or below our own, in each hierarchy.
group_places() {
	local list path at
	while IFS=: read -r _ list path; do
		case $list in
		memory | pids | cpu | *,cpu | cpu,*) echo "/sys/fs/cgroup/${list%%,*}${path%/}" "/sys/fs/cgroup/$list${path%/}" ;;
		'')
			at=$path
			while [ -n "$at" ]; do
				echo "/sys/fs/cgroup${at%/}"
				at=${at%/*}
			done
			echo /sys/fs/cgroup
			;;
		esac
	done </proc/self/cgroup
}

# Groups whose maker is dead.
dead_groups() {
	local place dir pid
	for place in $GROUP_PLACES; do
		for dir in "$place"/oc-sandbox-*; do
			[ -d "$dir" ] || continue
			pid=${dir##*/oc-sandbox-}
			pid=${pid%%-*}
			[ -d "/proc/$pid" ] || echo "$dir"
		done
	done
	return 0
}

# Nothing of a sandbox is left: process, group, mount.  Waits for at most three seconds.
nothing_left() {
	local try left
	for try in {1..60}; do
		left="$(ours)$(dead_groups)"
		[ -z "$left" ] && break
		sleep 0.05
	done
	if [ -n "$left" ]; then
		echo "left behind: $left"
		for try in $(ours); do
			echo "$try: $(tr '\0' ' ' <"/proc/$try/cmdline") $(cat "/proc/$try/wchan" 2>/dev/null)"
		done
		return 1
	fi
	none -F "$A" /proc/self/mountinfo
}

# field FILE NAME: value of a key of the result, as text (strings without quotes).
field() {
	sed -n 's/.*"'"$2"'":\("\([^"]*\)"\|\([^,}]*\)\).*/\2\3/p' "$1" | head -n 1
}
