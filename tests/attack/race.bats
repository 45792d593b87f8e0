#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# P13, P9: a directory and a link to the canary change places without end while sandboxes are made on them (CVE-2021-30465,
# CVE-2024-45310, CVE-2019-18837).  2,000 rounds in all, or as many as two minutes have room for (the count is printed);
# OC_RACE_SECONDS and OC_RACE_ROUNDS (of each of the twelve) give them more.

load lib
setup_file() {
	attack_setup
	mkdir "$A/share" "$A/share/source" "$A/share/source/real" "$A/share/tree" "$A/share/tree/.git" "$A/share/tree/.git/hooks"
	mkdir -p "$A/share/tree/sub/point" "$A/share/root/etc" "$A/share/root/bin" "$A/share/root/usr" "$A/share/tree/a/b"
	echo real >"$A/share/source/real/file"
	echo '[core]' >"$A/share/tree/.git/config"
	ln -s "$A/canary" "$A/share/source/link"
	ln -s "$A/canary" "$A/share/tree/link"
	ln -s "$A/canary" "$A/share/tree/sub/link"
	ln -s "$A/canary/dir" "$A/share/tree/.git/link"
	ln -s "$A/canary/file" "$A/share/tree/.git/file"
	ln -s "$A/canary/dir" "$A/share/tree/a/link"
	ln -s "$A/canary" "$A/share/root/link"
	cp "$A/payload" "$A/share/root/bin/payload"
	chmod -R a+rX "$A/share"
	own user "$A/share"
}
teardown_file() {
	awk '{ n += $1 } END { print "# " n + 0 " rounds in all" }' "$A/rounds" >&3
	attack_teardown
}

# Twelve races in all.
limit=${OC_RACE_SECONDS:-12}
rounds=${OC_RACE_ROUNDS:-170}

each_round=
# What the sweep after a run took away is put back for the next.
git_again() {
	local git=$A/share/tree/.git
	[ -e "$git/hooks" ] || mkdir "$git/hooks"
	[ -e "$git/config" ] || echo '[core]' >"$git/config"
	[ -e "$git/link" ] || ln -s "$A/canary/dir" "$git/link"
	[ -e "$git/file" ] || ln -s "$A/canary/file" "$git/file"
	own "$who" "$git"
}

# race WHO PAIRS -- OPTION... : launches until the time or the rounds are over; each one is refused or sees only what is real.
race() {
	local who=$1 n=0 refused=0 status end=$((SECONDS + limit)) pairs=()
	shift
	while [ "$1" != -- ]; do pairs+=("$1") && shift; done
	shift
	local before
	before=$(host_state)
	local mounts
	mounts=$(wc -l </proc/self/mountinfo)
	"$A/exchange" "$((limit + 2))" "${pairs[@]}" >"$A/swaps" 3>&- &
	local swapper=$!
	while [ "$n" -lt "$rounds" ] && [ "$SECONDS" -lt "$end" ]; do
		n=$((n + 1))
		status=0
		if [ -n "$each_round" ]; then "$each_round"; fi
		as "$who" "$A/oc-sandbox" run --no-config "$@" >"$A/out" 2>&1 </dev/null || status=$?
		case $status in
		0) ;;
		125) refused=$((refused + 1)) ;;
		*) echo "round $n: status $status" && cat "$A/out" && kill "$swapper" && return 1 ;;
		esac
		if grep -q -E 'CANARY|canary$|^BAD' "$A/out"; then
			echo "round $n: the canary was seen" && cat "$A/out" && kill "$swapper"
			return 1
		fi
	done
	kill "$swapper" 2>/dev/null || true
	wait "$swapper" || true
	echo "$who: $n rounds, $refused refused"
	echo "$n" >>"$A/rounds"
	[ "$n" -gt 20 ]
	unchanged "$before"
	[ "$(wc -l </proc/self/mountinfo)" = "$mounts" ]
	nothing_left
}

# The last place was swapped an unknown number of times: put it right for the next race.
settle() {
	local real=$1 link=$2
	[ -L "$link" ] || "$A/exchange" 0 "$real" "$link" >/dev/null || mv -T --exchange "$real" "$link" 2>/dev/null || {
		mv -T "$real" "$real.x" && mv -T "$link" "$real" && mv -T "$real.x" "$link"
	}
}

@test "P13: the source of a bind" {
	for who in $(identities); do
		race "$who" "$A/share/source/real" "$A/share/source/link" -- --bind "$A/share/source/real:/x:rw" -- \
			/bin/sh -c 'cat /x/file; echo CANARY > /x/pwned 2>/dev/null; cat /x/pwned 2>/dev/null | grep -c . >/dev/null; rm -f /x/pwned; true'
		settle "$A/share/source/real" "$A/share/source/link"
	done
}

@test "P13: the place that a bind is mounted on, in a workspace" {
	for who in $(identities); do
		race "$who" "$A/share/tree/sub" "$A/share/tree/link" "$A/share/tree/sub/point" "$A/share/tree/sub/link" -- \
			--workspace "$A/share/tree" --bind "$A/share/source:/workspace/sub/point" -- /bin/cat /workspace/sub/point/file
		settle "$A/share/tree/sub" "$A/share/tree/link"
		settle "$A/share/tree/sub/point" "$A/share/tree/sub/link"
	done
}

@test "P13, P9: guarded paths of a workspace" {
	each_round=git_again
	for who in $(identities); do
		race "$who" "$A/share/tree/.git/hooks" "$A/share/tree/.git/link" "$A/share/tree/.git/config" "$A/share/tree/.git/file" -- \
			--workspace "$A/share/tree" -- /bin/sh -c 'cat .git/config .git/hooks/* 2>/dev/null; true'
		rm -rf "$A/share/tree/.git"
		mkdir "$A/share/tree/.git"
	done
}

@test "P13: the workspace itself" {
	for who in $(identities); do
		race "$who" "$A/share/tree/a" "$A/share/tree/link" "$A/share/tree/a/b" "$A/share/tree/a/link" -- \
			--workspace "$A/share/tree/a/b" -- /bin/sh -c 'cat file inner 2>/dev/null; touch f; true'
		settle "$A/share/tree/a" "$A/share/tree/link"
		settle "$A/share/tree/a/b" "$A/share/tree/a/link"
	done
}

@test "P13: the parts of a root file system" {
	for who in $(identities); do
		race "$who" "$A/share/root/etc" "$A/share/root/link" -- --rootfs "$A/share/root" -- /bin/payload climb "$A/canary/file"
		settle "$A/share/root/etc" "$A/share/root/link"
	done
}

@test "P13: by the inside of one sandbox, against the next on the same workspace" {
	# The swaps are made by the payload of a first sandbox: what it may do is all that it can.
	mkdir "$A/share/two" "$A/share/two/real"
	echo x >"$A/share/two/real/file"
	ln -s "$A/canary" "$A/share/two/link"
	own user "$A/share/two"
	local before
	before=$(host_state)
	for who in $(identities); do
		as "$who" "$A/oc-sandbox" run --no-config --workspace "$A/share/two" --bind "$A/exchange:/exchange" -- \
			/exchange "$limit" real link >"$A/swaps" 2>&1 </dev/null 3>&- &
		local job=$! n=0 end=$((SECONDS + limit - 1))
		while [ "$SECONDS" -lt "$end" ] && [ "$n" -lt "$rounds" ]; do
			n=$((n + 1))
			status=0
			output=$(as "$who" "$A/oc-sandbox" run --no-config --workspace "$A/share/two" --bind "$A/share/two/real:/x:rw" -- \
				/bin/sh -c 'touch /x/mark; ls /x' 2>&1 </dev/null) || status=$?
			[ "$status" = 0 ] || [ "$status" = 125 ] || [ "$status" = 1 ] || { echo "round $n: $status: $output" && return 1; }
			printf '%s\n' "$output" | none -x -E 'dir|inner'
		done
		wait "$job" || true
		echo "$n" >>"$A/rounds"
		cat "$A/swaps"
		[ "$(tail -n 1 "$A/swaps")" -gt 100 ]
	done
	unchanged "$before"
}
