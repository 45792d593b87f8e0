#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# R2, N9, N10: the doors of the kernel.  Closed twice where that is possible: the filter gone, the next layer still holds.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

@test "R2: entry system calls of kernel exploits are closed" {
	both -- entries
	# The table can fail: without the filter many of them answer.
	for who in $(identities); do
		output=$(weak_attempt seccomp "$who" -- entries </dev/null) || true
		[ "$(printf '%s\n' "$output" | grep -c '^BAD')" -gt 10 ]
	done
}

@test "R2: nor under other numbers" {
	both -- numbers
}

@test "R2, N9: i386 and x32 entry kill the caller" {
	both -- arches
	for who in $(identities); do fails as "$who" "$A/payload" arches; done
}

@test "R2: no namespace can be made or entered inside" {
	both -- namespaces
	for who in $(identities); do
		# Each of the two layers alone holds the user namespace back.
		output=$(weak_attempt seccomp "$who" -- namespaces </dev/null) || true
		printf '%s\n' "$output" | none '^BAD.*user'
		output=$(weak_attempt nested "$who" -- namespaces </dev/null) || true
		printf '%s\n' "$output" | none '^BAD'
		# A namespace of its own can be had outside: the attempt means something.
		fails as "$who" "$A/payload" namespaces
	done
}

@test "N9: socket families and protocols" {
	both -- families
	for who in $(identities); do
		output=$(weak_attempt seccomp "$who" -- families </dev/null) || true
		printf '%s\n' "$output" | grep -q '^BAD'
	done
}

@test "the same holds for every profile" {
	for profile in strict build; do
		for attempt in entries namespaces arches families mounts privileges; do
			for who in $(identities); do
				status=0
				output=$(attempt "$who" --profile "$profile" -- "$attempt" </dev/null 2>&1) || status=$?
				# What the build profile is for: debuggers.
				[ "$profile" = build ] && output=$(printf '%s\n' "$output" |
					grep -v -E '^BAD (ptrace|process_vm_readv|process_vm_writev|kcmp|personality)')
				printf '%s %s %s\n' "$profile" "$attempt" "$who"
				printf '%s\n' "$output" | none '^BAD'
				printf '%s\n' "$output" | grep -q '^ok'
			done
		done
	done
}
