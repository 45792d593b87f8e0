#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# P12: kill -9 at every step of a launch leaves no process, mount, cgroup or file.
#
# Every system call of the monitor is a step: strace counts them, and then delivers SIGKILL at the entry of each in turn.
# Nothing but the monitor is traced, so that the others go on as they would.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

workspace_state() {
	find "$A/ws-$1" -printf '%p %i %y %m %U %s %n %l\n' | sort
}

# steps WHO COMMAND...: "NAME N" of every call after the program's own start.
steps() {
	local who=$1
	shift
	as "$who" strace -qq -o "$A/trace-$who" -e 'signal=none' "$@" >/dev/null 2>&1 </dev/null
	sed -n 's/^\([a-z_0-9]*\)(.*/\1/p' "$A/trace-$who" | awk '{ n[$1]++; print $1, n[$1] }' |
		grep -v -E '^(execve|exit_group|brk|arch_prctl|set_tid_address|set_robust_list|rseq) '
}

# Kill at each step.  Every $STRIDE-th, beginning at $OFFSET: the two identities share the work, all steps of the far side included.
kill_all_steps() {
	local who=$1 name n total=0 bad=0
	shift
	local command=("$A/oc-sandbox" run --no-config --workspace "$A/ws-$who" --bind "$A/payload:/payload" -- /payload plant x f)
	local before
	before=$(host_state)
	steps "$who" "${command[@]}" >"$A/steps-$who"
	[ "$(wc -l <"$A/steps-$who")" -gt 100 ]
	rm -f "$A/ws-$who/f"
	local tree
	tree=$(workspace_state "$who")
	while read -r name n; do
		total=$((total + 1))
		as "$who" strace -qq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n" "${command[@]}" \
			>/dev/null 2>&1 </dev/null && true
		if ! nothing_left; then
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
	# And the next run finds nothing to stumble over.
	sandbox "$who" -- /bin/true
	[ -z "$(find "$A/state-$who" -type f)" ]
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
