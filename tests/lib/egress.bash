# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# egress - a world for the sandboxes of a file of tests: egress-world in a namespace, and ways to run something in it, on the
# host's side and inside of a sandbox.  To be loaded behind tests/attack/lib.bash, whose place and identities it uses.

# What every user may run, and every sandbox sees.
SYSTEM_PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin

# world_start [SERVER...]: for setup_file, after attack_setup.
world_start() {
	local program PATH=$PATH:/usr/sbin:/sbin
	for program in nginx ip nsenter openssl python3 jq setpriv; do need_program "$program"; done
	for program; do
		case $program in
		git) need_program fcgiwrap ;;
		sshd) need_program sshd ;;
		postgres) ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || skip "no PostgreSQL on this machine" ;;
		esac
	done
	if [ "$(id -u)" != 0 ]; then unshare -Urnm true 2>/dev/null || skip "kernel: no user namespaces"; fi
	W=$A/world SHARE=$A/share
	export W SHARE
	mkdir "$W" "$SHARE" "$A/outside"
	chmod 755 "$W" "$SHARE"
	cp "$src/tests/lib/egress-world" "$src/tests/lib/egress_peers.py" "$A/outside/"
	cp "$build/oc-egress" "$A/oc-egress"
	if [ -x "$build/tests/lib/egress-run" ]; then cp "$build/tests/lib/egress-run" "$A/egress-run"; fi
	"$A/outside/egress-world" "$W" "$TEST_USER" "$@" >"$A/world.log" 2>&1 3>&- </dev/null &
	echo $! >"$A/world.job"
	for _ in {1..400}; do
		if [ -e "$W/world.pid" ]; then
			cp "$W/ca.pem" "$SHARE/"
			return 0
		fi
		kill -0 "$(cat "$A/world.job")" 2>/dev/null || break
		sleep 0.05
	done
	cat "$A/world.log" "$W/servers.err" "$W/nginx.err"
	return 1
}

# A static program of tests/lib/egress_client.go in $SHARE.  Compiled once for all who test this build.
go_client() {
	local to=$build/tests/lib/egress-go-client
	if [ ! -x "$to" ] || [ "$src/tests/lib/egress_client.go" -nt "$to" ]; then
		need_program go
		[ -w "$build/tests/lib" ] || to=$SHARE/go-client
		CGO_ENABLED=0 GOCACHE=$A/go-cache GOFLAGS=-mod=mod GO111MODULE=off GOPROXY=off \
			go build -trimpath -o "$to" "$src/tests/lib/egress_client.go"
		rm -rf "$A/go-cache"
	fi
	if [ "$to" != "$SHARE/go-client" ]; then cp "$to" "$SHARE/go-client"; fi
	chmod 755 "$SHARE/go-client"
}

# For teardown_file, before attack_teardown.
world_stop() {
	local pid
	[ -e "${A:-/nonexistent}/world.job" ] || return 0
	pid=$(cat "$A/world.job")
	kill "$pid" 2>/dev/null || true
	for _ in {1..60}; do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -9 "$pid" 2>/dev/null || true
}

# outside WHO COMMAND...: on the host's side of the world, as that identity.
outside() {
	local who=$1 ns=(nsenter -t "$(cat "$W/world.pid")" -n -m)
	shift
	if [ "$(id -u)" = 0 ]; then
		if [ "$who" = user ]; then
			ns+=(setpriv --reuid "$TEST_USER" --regid "$(id -g "$TEST_USER")" --clear-groups)
		fi
	else
		ns+=(-U --preserve-credentials unshare -U --map-user="$(id -u)" --map-group="$(id -g)")
	fi
	(cd / && exec "${ns[@]}" env -i LANG=C.UTF-8 PATH="$SYSTEM_PATH" HOME="$A/home-$who" OPENCLAW_STATE_DIR="$A/state-$who" "$@")
}

# inside WHO [OPTION...] -- COMMAND...: in a sandbox on that host; $SHARE is there, and the workspace is the working directory.
# Its result is $A/state-WHO/result.
inside() {
	local who=$1
	shift
	outside "$who" "$A/oc-sandbox" run --no-config --workspace "$A/ws-$who" --bind "$SHARE:$SHARE" \
		--result "$A/state-$who/result" "$@"
}

# reasons WHO ID...: all of these are in the result of the last sandbox.
reasons() {
	local who=$1 id
	shift
	for id; do
		if ! jq -e --arg id "$id" '.egress.reasons[$id] > 0' "$A/state-$who/result" >/dev/null; then
			echo "never the reason: $id"
			jq -c .egress "$A/state-$who/result"
			return 1
		fi
	done
}

# Nothing was asked, reached or recorded so far.
fresh() {
	rm -f "$W/queries" "$W/leaks" "$W/peers" "$W/sink"
}

# queried [EXTENDED-REGEX]: the name server was asked for these names and no other; without one, for none at all.
queried() {
	[ -e "$W/queries" ] || return 0
	if [ $# = 0 ] || grep -v -E "^($1) (1|28)\$" "$W/queries"; then
		echo "a question left the sandbox:"
		cat "$W/queries"
		return 1
	fi
}

# Nobody in the world noticed anything: no connection, no datagram, no question.
unnoticed() {
	local f
	for f in queries leaks peers; do
		if [ -s "$W/$f" ]; then
			echo "$f:"
			cat "$W/$f"
			return 1
		fi
	done
}
