#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# P13 and the table of CVEs: hostile root file systems.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# An image with the payload in it.
image() {
	rm -rf "$A/image"
	mkdir -p "$A/image/bin" "$A/image/usr/bin" "$A/image/etc" "$A/image/lib"
	cp "$A/payload" "$A/image/bin/payload"
	echo 'root:x:0:0::/:/bin/sh' >"$A/image/etc/passwd"
	chmod -R a+rX "$A/image"
}

image_state() {
	find "$A/image" -printf '%p %i %y %m %U %s %n %l\n' | sort
}

# inside WHO ATTEMPT...
inside() {
	local who=$1
	shift
	as "$who" "$A/oc-sandbox" run --no-config --rootfs "$A/image" -- /bin/payload "$@" </dev/null
}

# Nothing outside changed, and nothing in the image.  "works": it must run; "quick": two attempts only.
held_back() {
	local before tree status attempts=("climb $A/canary/file" "devices /tmp" procfs fds)
	[ "${1:-}" != quick ] || attempts=("${attempts[@]:0:2}")
	for who in $(identities); do
		before=$(host_state)
		tree=$(image_state)
		for attempt in "${attempts[@]}"; do
			status=0
			# shellcheck disable=SC2086
			output=$(inside "$who" $attempt 2>&1) || status=$?
			printf '%s %s: %s: %s\n' "$who" "$attempt" "$status" "$(printf '%s\n' "$output" | grep -v '^ok')"
			# An image may be refused, in words; what runs is held.
			[ "$status" = 0 ] || { [ "$status" = 125 ] && printf '%s\n' "$output" | grep -q '^oc-sandbox: '; }
			[ "${1:-}" != works ] || [ "$status" = 0 ]
		done
		unchanged "$before"
		diff <(printf '%s\n' "$tree") <(image_state)
	done
	nothing_left
}

@test "an honest image works" {
	image
	held_back works
}

@test "CVE-2026-41579, CVE-2026-47766: /dev, /proc, /sys, /etc, /tmp, /run as links to a canary" {
	for name in dev proc sys etc tmp run workspace var bin/../lib home root; do
		image
		rm -rf "$A/image/$name"
		ln -s "$A/canary" "$A/image/$name"
		held_back quick
		rm -f "$A/image/$name"
		ln -s ../../../../../../../../../../"${A#/}/canary" "$A/image/$name"
		held_back quick
	done
	image
	for name in dev proc sys tmp run workspace; do ln -s "$A/canary" "$A/image/$name"; done
	held_back works
}

@test "CVE-2025-31133: /dev/null of the image leads to a switch of the kernel" {
	image
	mkdir "$A/image/dev"
	ln -s /proc/sys/kernel/core_pattern "$A/image/dev/null"
	ln -s "$A/canary/file" "$A/image/dev/zero"
	held_back works
	if [ "$(id -u)" = 0 ]; then
		rm "$A/image/dev/null"
		mknod "$A/image/dev/null" c 1 1
		mknod "$A/image/kmem" c 1 2
		chmod 666 "$A/image/dev/null" "$A/image/kmem"
		held_back works
		run as user "$A/oc-sandbox" run --no-config --rootfs "$A/image" -- /bin/payload internet 127.0.0.1 1
		[ "$status" = 0 ]
	fi
}

@test "CVE-2025-52565: entries of /dev/pts in the image" {
	image
	mkdir -p "$A/image/dev/pts"
	for n in 0 1 ptmx; do ln -s "$A/canary/file" "$A/image/dev/pts/$n"; done
	ln -s "$A/canary/file" "$A/image/dev/console"
	ln -s "$A/canary/file" "$A/image/dev/ptmx"
	ln -s "$A/canary/file" "$A/image/dev/tty"
	for who in $(identities); do
		before=$(host_state)
		as "$who" "$A/pty" 012 0 "$A/home-$who/shown" -- "$A/oc-sandbox" run --no-config --rootfs "$A/image" -- /bin/payload devices /tmp
		none '^BAD' "$A/home-$who/shown"
		unchanged "$before"
	done
	held_back works
}

@test "CVE-2025-52881, CVE-2019-16884: a false /proc in the image" {
	image
	mkdir -p "$A/image/proc/sys/kernel" "$A/image/proc/self/attr"
	ln -s "$A/canary/file" "$A/image/proc/sys/kernel/hostname"
	ln -s "$A/canary/file" "$A/image/proc/self/attr/exec"
	ln -s "$A/canary/file" "$A/image/proc/keys"
	held_back works
}

@test "CVE-2025-24965: files of ours over links of the image" {
	image
	for name in hosts resolv.conf hostname passwd group nsswitch.conf localtime mtab; do
		ln -sf "$A/canary/file" "$A/image/etc/$name"
	done
	held_back
	image
	rm -rf "$A/image/etc"
	ln -s "$A/canary/dir" "$A/image/etc"
	held_back
	image
	mkfifo "$A/image/etc/group" "$A/image/pipe"
	rm "$A/image/etc/passwd"
	mkfifo "$A/image/etc/passwd"
	held_back
}

@test "names in the image that are no names" {
	image
	mkdir "$A/image/"$'new\nline' "$A/image/"$'\xff' "$A/image/-dash" "$A/image/ " "$A/image/\$(id)" 2>/dev/null
	held_back
	image
	for i in {1..300}; do mkdir "$A/image/d$i"; done
	held_back
}

@test "a program of the image that is a link out of it" {
	image
	ln -s "$A/canary/file" "$A/image/bin/out"
	ln -s /proc/self/exe "$A/image/bin/self"
	cp "$A/payload" "$A/canary-program"
	ln -s "$A/canary-program" "$A/image/bin/program"
	for who in $(identities); do
		for program in out self program; do
			status=0
			as "$who" "$A/oc-sandbox" run --no-config --rootfs "$A/image" -- "/bin/$program" list </dev/null || status=$?
			[ "$status" = 126 ] || [ "$status" = 127 ]
		done
	done
}

@test "a writable root is a root in memory: nothing of it reaches the image" {
	image
	for who in $(identities); do
		tree=$(image_state)
		as "$who" "$A/oc-sandbox" run --no-config --rootfs "$A/image" -- /bin/payload plant x /new /etc/new /bin/new /bin/payload /tmp/new </dev/null
		diff <(printf '%s\n' "$tree") <(image_state)
	done
}
