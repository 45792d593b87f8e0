#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# N9 to N12: the host's sockets and processes, and those of a second sandbox of the same user.

load lib
setup_file() {
	attack_setup
	# Servers of the host: an abstract name, paths in places that a sandbox may see, a port.
	socat "ABSTRACT-LISTEN:oc-attack-$$,fork" EXEC:/bin/true 3>&- &
	echo $! >"$A/servers"
	mkdir "$A/sockets"
	chmod 755 "$A/sockets"
	socat "UNIX-LISTEN:$A/sockets/server,fork,mode=666" EXEC:/bin/true 3>&- &
	echo $! >>"$A/servers"
	socat "TCP-LISTEN:0,bind=127.0.0.1,fork" EXEC:/bin/true 3>&- &
	echo $! >>"$A/servers"
	sleep 0.3
	OC_PORT=$(ss -ltnpH 2>/dev/null | sed -n "s/.*127\.0\.0\.1:\([0-9]*\) .*pid=$!,.*/\1/p")
	export OC_ABSTRACT=oc-attack-$$ OC_PORT
}
teardown_file() {
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$A/servers"
	attack_teardown
}

@test "N11: abstract sockets of the host" {
	both -- unix "@$OC_ABSTRACT" "@/tmp/.X11-unix/X0" "@/org/freedesktop/systemd1/notify"
	# It can be reached: the server lives.
	fails "$A/payload" unix "@$OC_ABSTRACT"
}

@test "N11: path sockets of the host, by the names that everybody knows" {
	both -- unix /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/dbus/system_bus_socket \
		/run/systemd/private /tmp/.X11-unix/X0 /run/user/0/bus "$A/sockets/server" /run/systemd/notify /dev/log
}

@test "N11: a socket in a directory that is shown to the sandbox" {
	for who in $(identities); do
		for access in ro rw; do
			attempt "$who" --bind "$A/sockets:/sockets:$access" -- unix /sockets/server
		done
	done
}

@test "N11: a socket as the source of a bind is refused" {
	for who in $(identities); do
		run sandbox "$who" --bind "$A/sockets/server:/s" -- /bin/true
		[ "$status" = 125 ]
		echo "$output" | grep -q socket
	done
}

@test "N8: the host's loopback, addresses of the world, vsock" {
	[ -n "$OC_PORT" ]
	fails "$A/payload" internet 127.0.0.1 "$OC_PORT"
	both -- internet 127.0.0.1 "$OC_PORT"
	both -- internet 192.0.2.1 80
	both -- internet 169.254.169.254 80
	for who in $(identities); do
		[ "$(sandbox "$who" -- cat /proc/net/dev </dev/null | grep -c :)" = 1 ]
	done
}

@test "N12: pid 1 and everybody else: trace, memory, descriptors, signals" {
	both -- others
	for who in $(identities); do
		# Nothing of a second sandbox of the same user, while it runs.
		sandbox "$who" --bind "$A/payload:/payload" -- /payload stays 3 >"$A/second" </dev/null &
		local job=$!
		for _ in {1..60}; do grep -q here "$A/second" && break; sleep 0.05; done
		attempt "$who" -- others 4096 </dev/null
		wait "$job"
	done
}

@test "N12: without Landlock pid 1 is still not to be traced or killed, without the filter neither" {
	for who in $(identities); do
		output=$(weak_attempt landlock "$who" -- others </dev/null) || true
		printf '%s\n' "$output"
		printf '%s\n' "$output" | grep -q '^ok pid 1 lives'
		printf '%s\n' "$output" | grep '^BAD' | none -v Landlock
		printf '%s\n' "$output" | grep -q '^BAD.*Landlock'
		output=$(weak_attempt seccomp "$who" -- others </dev/null) || true
		printf '%s\n' "$output"
		printf '%s\n' "$output" | none -E '^BAD (ptrace|process_vm|pidfd_getfd|descriptor|/proc)'
	done
}

@test "N12: in the build profile, which has ptrace, pid 1 is out of reach too" {
	for who in $(identities); do
		output=$(attempt "$who" --profile build -- others </dev/null) || true
		printf '%s\n' "$output" | grep '^BAD' | none -v kcmp
	done
}

@test "System V and POSIX IPC of the host are not seen" {
	local id
	id=$(ipcmk -M 4096 -p 666 | sed 's/.*: //')
	for who in $(identities); do
		run sandbox "$who" -- cat /proc/sysvipc/shm </dev/null
		[ "$(printf '%s\n' "$output" | wc -l)" = 1 ]
		OC_TEST_DROP=ipc as "$who" "$A/oc-sandbox-weak" run --no-config -- cat /proc/sysvipc/shm </dev/null | grep -q " $id "
	done
	ipcrm -m "$id"
}
