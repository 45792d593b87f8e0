#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# P11, P13, P14: out of the root by descriptors, the working directory, /proc, devices; what the host sees of it.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# 200 descriptors of directories of the host, numbers 20 to 219, and then the command.
with_descriptors() {
	local fd
	(
		for fd in {20..219}; do eval "exec $fd<\"$A/canary\""; done
		"$@"
	)
}

@test "P14: 200 inherited descriptors do not reach the command (CVE-2024-21626)" {
	for who in $(identities); do
		output=$(with_descriptors attempt "$who" -- fds </dev/null)
		printf '%s\n' "$output"
		printf '%s\n' "$output" | none "^BAD"
		printf '%s\n' "$output" | grep -q '^ok'
	done
}

@test "P14: without the layer, and without a sandbox, they do: the attempt can succeed" {
	for who in $(identities); do
		fails with_descriptors as "$who" "$A/payload" fds </dev/null
		output=$(with_descriptors weak_attempt descriptors "$who" -- fds </dev/null || true)
		printf '%s\n' "$output" | grep -q "^BAD.*canary"
	done
}

@test "P14: no way up from any directory that can be opened" {
	both -- climb "$A/canary/file"
	fails "$A/payload" climb "$A/canary/file" >/dev/null
}

@test "P14: no working directory by descriptor: /proc/self/fd/N, /proc/1/cwd, links to them" {
	for who in $(identities); do
		ln -sfn /proc/self/fd/9 "$A/ws-$who/nine"
		for dir in /proc/self/fd/{0..40} /proc/1/cwd /proc/1/root /proc/self/cwd/.. /workspace/nine /proc/thread-self/fd/7; do
			status=0
			output=$(with_descriptors sandbox "$who" --workdir "$dir" --bind "$A/payload:/payload" -- /payload climb "$A/canary/file" \
				</dev/null 2>&1) || status=$?
			# Refused, or inside all the same.
			[ "$status" = 125 ] || [ "$status" = 0 ] || { printf '%s: %s\n%s\n' "$dir" "$status" "$output" && return 1; }
			printf '%s\n' "$output" | none "^BAD"
		done
		rm "$A/ws-$who/nine"
	done
	nothing_left
}

@test "P14: the launcher's program file cannot be opened for writing (CVE-2019-5736)" {
	local sum
	sum=$(sha256sum <"$A/oc-sandbox")
	own user "$A/oc-sandbox"
	for who in $(identities); do
		for _ in {1..5}; do attempt "$who" -- exes 40 </dev/null; done
		# The launcher as the command, by its magic link, and behind a script.
		printf '#!/proc/self/exe\n' >"$A/ws-$who/script"
		chmod 755 "$A/ws-$who/script"
		for command in /proc/self/exe /proc/1/exe /workspace/script /proc/thread-self/exe; do
			status=0
			output=$(sandbox "$who" -- "$command" --version </dev/null 2>&1) || status=$?
			echo "$command: $status: $output"
			[ "$status" = 126 ] || [ "$status" = 127 ]
		done
		rm "$A/ws-$who/script"
	done
	[ "$(sha256sum <"$A/oc-sandbox")" = "$sum" ]
	if [ "$(id -u)" = 0 ]; then chown 0:0 "$A/oc-sandbox"; fi
}

@test "P14: a file given as standard input stays as it is, also when the layer below would let it be opened again" {
	for who in $(identities); do
		echo "the caller's" >"$A/in-$who"
		chmod 666 "$A/in-$who"
		output=$(attempt "$who" -- reopen <"$A/in-$who")
		printf '%s\n' "$output"
		[ "$(cat "$A/in-$who")" = "the caller's" ]
		# A here-document is a file without a name.
		attempt "$who" -- reopen <<<"$(head -c 100000 /dev/zero | tr '\0' x)" | grep -c '^ok'
		if [ "$(stat -c %u "$A/in-$who")" = "$(as "$who" id -u)" ] && [ "$(id -u)" != 0 ]; then
			# The user's own file is held twice: either layer alone keeps its content, and the mount its mode.
			weak_attempt landlock "$who" -- reopen <"$A/in-$who"
			fails weak_attempt input "$who" -- reopen <"$A/in-$who"
		else
			fails weak_attempt landlock "$who" -- reopen <"$A/in-$who"
			[ "$(cat "$A/in-$who")" != "the caller's" ]
		fi
	done
}

@test "P14: a pipe given as standard input cannot be written by the command: its other readers are on the host" {
	for who in $(identities); do
		# A shell of the host that reads its commands from a pipe, as `curl ... | sh` does.
		cat >"$A/pipe.sh" <<-EOF
			printf '%s\n' "'$A/oc-sandbox' run --no-config --bind '$A/payload:/payload' -- /payload stdin-pipe 'touch $A/home-$who/PWNED
			'" 'echo second' | sh
		EOF
		output=$(as "$who" sh "$A/pipe.sh")
		printf '%s\n' "$output"
		# It may write into a pipe that nobody else reads.
		[ ! -e "$A/home-$who/PWNED" ]
		# What the command did not read is still there for the shell.
		printf '%s\n' "$output" | grep -qx second
	done
}

@test "P14: directories as standard streams, and closed ones, are refused" {
	for who in $(identities); do
		status=0
		output=$(as "$who" "$A/oc-sandbox" run --no-config -- /bin/true <"$A/canary" 2>&1) || status=$?
		[ "$status" = 125 ]
		# What the launcher itself opens must not become a stream of the command.
		for fd in 0 1 2; do
			status=0
			# shellcheck disable=SC2016
			as "$who" sh -c 'exec "$@" '"$fd"'>&-' - "$A/oc-sandbox" run --no-config --result "$A/home-$who/result" -- \
				/bin/sh -c 'echo FORGED; echo FORGED >&2' </dev/null >"$A/out" 2>"$A/err" || status=$?
			echo "$who, $fd closed: $status: $(cat "$A/err")"
			[ "$status" = 125 ]
			none FORGED "$A/home-$who/result" "$A/out" "$A/err"
			[ "$fd" = 2 ] || grep -q "standard $([ "$fd" = 0 ] && echo input || echo output) is closed" "$A/err"
		done
	done
}

@test "P13: kernel switches are read-only, masked paths are empty and not writable (CVE-2025-31133, P8)" {
	both -- procfs
	for who in $(identities); do
		fails weak_attempt masks "$who" -- procfs </dev/null
	done
}

@test "P11, P13: no device but the six, none made, none changed" {
	for who in $(identities); do mkdir -p "$A/ws-$who/dev" && own "$who" "$A/ws-$who/dev"; done
	both -- devices /workspace/dev
	for who in $(identities); do
		[ -z "$(find "$A/ws-$who" -type b -o -type c)" ]
	done
}

@test "P11: no set-user-id file, no file capability reaches the host through a workspace" {
	both -- suid
	for who in $(identities); do
		[ -n "$(find "$A/ws-$who" -type f -name 's0-*')" ]
		[ -z "$(find "$A/ws-$who" -perm /6000)" ]
		[ -z "$(getcap -r "$A/ws-$who" 2>/dev/null)" ]
		rm -rf "$A/ws-$who"/*
		# And without the filter there would be some.
		weak_attempt seccomp "$who" -- suid </dev/null && return 1
		[ -n "$(find "$A/ws-$who" -perm /6000)" ]
		rm -rf "$A/ws-$who"/*
	done
}

@test "P11: set-user-id programs, devices and file capabilities on a bind source give nothing" {
	need_root
	mkdir -p "$A/tricks"
	cp "$(command -v id)" "$A/tricks/suid-id"
	chmod 6755 "$A/tricks/suid-id"
	mknod "$A/tricks/memory" c 1 1
	mknod "$A/tricks/disk" b 254 0
	mknod "$A/tricks/null" c 1 3
	chmod 666 "$A/tricks/memory" "$A/tricks/disk" "$A/tricks/null"
	for who in $(identities); do
		for access in ro rw; do
			# shellcheck disable=SC2016
			output=$(sandbox "$who" --bind "$A/tricks:/tricks:$access" -- /bin/sh -c '
				/tricks/suid-id -u; /tricks/suid-id -ru
				for d in memory disk null; do head -c 1 /tricks/$d >/dev/null 2>&1 && echo opened $d; done; true' </dev/null)
			echo "$who $access: $output"
			[ "$(printf '%s\n' "$output" | sort -u | wc -l)" = 1 ]
			printf '%s\n' "$output" | none -q -x 0
		done
		for source in memory disk null; do
			run sandbox "$who" --bind "$A/tricks/$source:/x" -- /bin/true
			[ "$status" = 125 ]
		done
	done
	rm -rf "$A/tricks"
}

@test "everything outside of the workspace is read-only, and the host's secrets are not there" {
	both -- readonly
}

@test "R2, 2: capabilities, ids, securebits and limits cannot be got back" {
	both -- privileges
}

@test "mounts of the sandbox cannot be changed, new ones cannot be made" {
	both -- mounts
}
