# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# sessions - for tests of sandboxes that stay; after attack/lib.bash.  Root's run directory has a fixed place: a file of tests has
# one of its own, in a mount namespace that lives as long as it.

# world_begin in setup_file, world_end in teardown_file (before attack_teardown).
world_begin() {
	export WORLD=
	[ "$(id -u)" = 0 ] || return 0
	unshare -m sh -c 'mount -t tmpfs -o mode=755 none /run && touch "$1" && exec sleep 1000000' sh "$A/world" 3>&- &
	WORLD=$!
	for _ in {1..100}; do
		if [ -e "$A/world" ]; then return 0; fi
		sleep 0.05
	done
	return 1
}
world_end() {
	local who
	for who in $(identities); do oc "$who" stop --all >/dev/null 2>&1 || true; done
	if [ -n "$WORLD" ]; then kill -9 "$WORLD"; fi
}

# there WHO COMMAND...: as that identity, on this file's /run, with no run directory of a login.
there() {
	local who=$1
	shift
	if [ -z "$WORLD" ]; then
		as "$who" env -u XDG_RUNTIME_DIR "$@"
	elif [ "$who" = user ]; then
		nsenter -t "$WORLD" -m -- setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups \
			env -u XDG_RUNTIME_DIR HOME="$A/home-user" OPENCLAW_STATE_DIR="$A/state-user" "$@"
	else
		nsenter -t "$WORLD" -m -- env HOME="$A/home-$who" OPENCLAW_STATE_DIR="$A/state-$who" "$@"
	fi
}
oc() {
	local who=$1
	shift
	there "$who" "$A/oc-sandbox" "$@"
}
