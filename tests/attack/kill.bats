#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# P12: kill -9 at every step of a launch leaves no process, mount, cgroup or file.
#
# strace lists the system calls of a launch, and then delivers SIGKILL at one of them in each run.  Between two calls that
# change something outside of the process there is nothing to be seen, so the kill comes at the first call after each.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# Calls that leave everything as it was, but for the caller's own descriptors and memory.
quiet='close|read|pread64|newfstatat|statx|fstatfs|statfs|readlink|readlinkat|getuid|geteuid|getgid|getpid|fcntl|getdents64|lseek|poll|brk|mmap|munmap|mprotect|rt_sigprocmask|access|faccessat2?|getrandom|umask|prlimit64|arch_prctl|set_tid_address|set_robust_list|rseq|ioctl|wait4|recvmsg|gettid'

workspace_state() {
	find "$A/ws-$1" -printf '%p %i %y %m %U %s %n %l\n' | sort
}

fresh() {
	rm -rf "$A/state-$1" "$A/ws-$1/f"
	mkdir "$A/state-$1"
	own "$1" "$A/state-$1"
}

# steps WHO COMMAND...: "NAME N" of the first call after each that changes something.
steps() {
	local who=$1
	shift
	fresh "$who"
	as "$who" strace -qq -o "$A/home-$who/trace" -e signal=none "$@" >/dev/null 2>&1 </dev/null
	fresh "$who"
	awk -F'(' -v quiet="^($quiet)\$" '
		/^[a-z_0-9]+\(/ {
			n[$1]++
			if (after && $1 != "exit_group") { print $1, n[$1] }
			after = !($1 ~ quiet) && !($1 ~ /^open/ && $0 !~ /O_CREAT/) && $1 != "execve"
		}' "$A/home-$who/trace"
}

# Brokers and doors of sandboxes with a network.
no_net_left() {
	local try left
	[ -e "$A/oc-egress" ] || return 0
	for try in {1..60}; do
		left=$(stat -Lc '%d:%i %n' /proc/[0-9]*/exe 2>/dev/null | grep "^$(stat -c %d:%i "$A/oc-egress") ")
		left+=$(find "$A"/state-*/run -mindepth 1 -maxdepth 1 2>/dev/null)
		[ -n "$left" ] || return 0
		sleep 0.05
	done
	echo "left behind: $left"
	return 1
}

# kill_all_steps WHO [OPTION...]
kill_all_steps() {
	local who=$1 name n total=0 bad=0
	local command=("$A/oc-sandbox" run --no-config "${@:2}" --workspace "$A/ws-$who" --bind "$A/payload:/payload" -- /payload plant x f)
	local before tree
	before=$(host_state)
	steps "$who" "${command[@]}" >"$A/steps-$who"
	[ "$(wc -l <"$A/steps-$who")" -gt 12 ]
	tree=$(workspace_state "$who")
	while read -r name n; do
		total=$((total + 1))
		fresh "$who"
		as "$who" strace -qq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n" "${command[@]}" \
			>/dev/null 2>&1 </dev/null && true
		if ! nothing_left || ! no_net_left; then
			echo "after kill -9 at $name number $n ($who)"
			bad=$((bad + 1))
			for pid in $(ours); do kill -9 "$pid"; done
			for dir in $(dead_groups); do rmdir "$dir"; done
			[ "$bad" -lt 5 ] || break
		fi
		rm -f "$A/ws-$who/f"
		[ "$(workspace_state "$who")" = "$tree" ] || { echo "the workspace changed at $name $n" && bad=$((bad + 1)); }
	done <"$A/steps-$who"
	echo "$who: $total steps, $bad bad"
	[ "$bad" = 0 ]
	unchanged "$before"
}

@test "P12: kill -9 of the monitor at every step, as root" {
	need_root
	need_program strace
	kill_all_steps root
}

@test "P12: kill -9 of the monitor at every step, as a user" {
	need_program strace
	kill_all_steps user
}

@test "P12: kill -9 of the monitor at every step, as a user, with a network" {
	need_program strace
	cp "$build/oc-egress" "$A/oc-egress"
	chmod 755 "$A/oc-egress"
	as user "$A/oc-sandbox" run --no-config --allow web.example -- /bin/true
	kill_all_steps user --allow web.example
}

# The far side: calls that only it makes.
far='fsopen|fsconfig|fsmount|move_mount|mknodat|symlinkat|pivot_root|umount2|capset|prctl|landlock_add_rule|landlock_restrict_self|seccomp|setresuid|sethostname|unshare|keyctl|setsid|chdir|close_range'

@test "P12: the inside killed at every step: exit 125, and nothing left" {
	need_program strace
	local name n status
	for who in $(identities); do
		fresh "$who"
		as "$who" strace -f -qq -o "$A/home-$who/trace" -e signal=none "$A/oc-sandbox" run --no-config -- /bin/true </dev/null
		# Each process counts its own.
		sed -n 's/^\([0-9]*\) *\([a-z_0-9]*\)(.*/\1 \2/p' "$A/home-$who/trace" | awk '{ print $2, ++n[$1, $2] }' |
			sort -u | grep -E "^($far) " | awk 'NR % 3 == 1 || $2 == 1' >"$A/steps"
		[ "$(wc -l <"$A/steps")" -gt 20 ]
		while read -r name n; do
			status=0
			as "$who" strace -f -qq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n" \
				"$A/oc-sandbox" run --no-config -- /bin/true >"$A/out" 2>&1 </dev/null || status=$?
			# 137: the payload was killed when it was the command already.
			[ "$status" = 125 ] || [ "$status" = 137 ] || {
				echo "$who: status $status after the kill at $name number $n"
				cat "$A/out"
				return 1
			}
			nothing_left || { echo "$who: after the kill at $name number $n" && return 1; }
		done <"$A/steps"
	done
}

@test "P12: kill -9 of the monitor while the command runs ends the command" {
	for who in $(identities); do
		sandbox "$who" --bind "$A/payload:/payload" -- /payload stubborn 20 >"$A/out" 2>&1 </dev/null &
		local job=$!
		for _ in {1..100}; do grep -q stays "$A/out" && break; sleep 0.05; done
		grep -q stays "$A/out"
		# All of ours that are not inside: the oldest is the monitor, and the janitor shares its name.
		local monitor
		monitor=$(for p in $(ours); do echo "$(stat -c %Y "/proc/$p") $p"; done | sort -n | head -n 1 | cut -d' ' -f2)
		monitor=$(pgrep -o -f "^$A/oc-sandbox run" || echo "$monitor")
		kill -9 "$monitor"
		wait "$job" || true
		nothing_left
	done
}

@test "P12: the monitor and everything that looks like it killed at once: the next launch cleans up" {
	for who in $(identities); do
		sandbox "$who" --bind "$A/payload:/payload" -- /payload stubborn 20 >"$A/out" 2>&1 </dev/null &
		local job=$!
		for _ in {1..100}; do grep -q stays "$A/out" && break; sleep 0.05; done
		# shellcheck disable=SC2046
		kill -9 $(ours)
		wait "$job" || true
		sandbox "$who" -- /bin/true
		nothing_left
	done
}
