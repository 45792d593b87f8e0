#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bench-net.sh - the network of a sandbox beside a direct connection, Debian's passt (pasta) and slirp4netns, in one
# interleaved run on the loopback of a network namespace of its own.
#
#   top_builddir=DIR bench-net.sh [ROUNDS [MS]]       (default 10 and 400; `make bench-net` calls it)
#
# Prints medians, ratios and what is to be reached, and passes no judgement.  Works as root and as an ordinary user.
# pasta: its tap device, as a program in it gets by default.  pasta -T: its other way, which it has for ports of the host's
# loopback that were named beforehand.  slirp4netns: --mtu=65520, as rootless containers use it.
set -eu
: "${top_builddir:?is set by make bench-net}"
rounds=${1:-${BENCH_ROUNDS:-10}}
ms=${2:-${BENCH_MS:-400}}
top_builddir=$(cd "$top_builddir" && pwd -P)
far=93.184.216.34 port=7001 name=bench.example

if [ "${3-}" != --inside ]; then
	# Root's sandboxes are made by root, a user's by a user (who is root in this namespace, and nowhere else).
	user=Ur
	[ "$(id -u)" -ne 0 ] || user=
	exec unshare "-${user}mn" "$0" "$rounds" "$ms" --inside "$(id -un)" "$(id -u)" "$(id -g)"
fi

net=$top_builddir/tests/bench/net
OC=${OC_SANDBOX:-$top_builddir/oc-sandbox}
[ -x "$OC" ] || { echo "bench-net.sh: $OC is not there" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/oc-bench-net.XXXXXX")
chmod 755 "$work"
server=
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	umount "$work/bin" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The world: one host with an address, a name for it that needs no name server, and a device with a route for pasta, which
# wants to look like one.
export OPENCLAW_STATE_DIR="$work/state" XDG_RUNTIME_DIR="$work/run" HOME="$work"
mkdir -p "$work/state" "$work/run" "$work/bin" "$work/ws"
chmod 700 "$work/run"
cp "$net" "$work/bin/net"
printf '127.0.0.1 localhost\n%s %s\n' "$far" "$name" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
ip link set lo up
ip address add "$far/32" dev lo
ip link add up0 type veth peer name up1
ip address add 10.77.0.2/24 dev up0
ip link set up0 up
ip link set up1 up
ip route add default via 10.77.0.1
sysctl -qw net.ipv4.ip_local_port_range='1025 65535' 2>/dev/null || :
mkfifo "$work/serve" "$work/listens"
"$net" serve "$port" 80 <"$work/serve" >"$work/listens" &
server=$!
exec 9>"$work/serve"
# It closes this when it listens.
cat "$work/listens"

echo "$(nproc) processors, Linux $(uname -r), $4, $rounds rounds of $ms ms"
near="$work/bin/net work $far $port $name 80"
# A user's sandboxes are made by the user again, not by the root of this namespace.
as=
[ "$5" -eq 0 ] || as="$(command -v unshare) -U --map-user=$5 --map-group=$6"
run="$as $OC run --no-config --workspace $work/ws --bind $work/bin:$work/bin:ro --allow tcp:$far:$port --allow $name:80 --"

# try COMMAND...: whether the load generator gets through it.
try() {
	echo 'first 1 0' | timeout 20 "$@" >"$work/try.out" 2>"$work/try.err" && sed -n 2p "$work/try.out" | grep -q .
}
# left_out NAME
left_out() {
	echo "$1 does not run here; left out: $(tail -n 1 "$work/try.err")"
}

tap=
if ! (: >>/dev/net/tun) 2>/dev/null; then
	tap=no
	echo "/dev/net/tun cannot be opened by this user; pasta and slirp4netns, which need it, are left out"
fi
# A list of words without spaces: a POSIX shell has no others.
# shellcheck disable=SC2086
set -- direct $near --- oc-sandbox=oc-egress $run $near
if [ -n "$tap" ]; then
	:
elif command -v pasta >/dev/null; then
	pasta --version 2>/dev/null | head -n 1
	pasta="pasta -q -f -l $work/pasta.log --config-net -a 10.77.0.2 -n 24 -g 10.77.0.1 -i up0 --runas 0 -t none -u none -U none"
	# shellcheck disable=SC2086
	if try $pasta -T none -- $near; then
		set -- "$@" --- pasta=pasta $pasta -T none -- $near
	else
		left_out pasta
	fi
	spliced="$work/bin/net work 127.0.0.1 $port 127.0.0.1 80"
	# shellcheck disable=SC2086
	if try $pasta -T "$port,80" -- $spliced; then
		set -- "$@" --- "pasta -T=pasta" $pasta -T "$port,80" -- $spliced
	fi
else
	echo "pasta is not installed (Debian: passt); left out"
fi
if [ -n "$tap" ]; then
	:
elif command -v slirp4netns >/dev/null; then
	slirp4netns --version | head -n 1
	# slirp4netns joins a namespace that is there: the shell makes it, waits for the device, and becomes the generator.
	cat >"$work/bin/slirp" <<-'S'
		#!/bin/sh
		exec 4<&0
		mkfifo "$1/slirp.go.$$"
		unshare -n sh -c 'read -r _ <"$1"; rm "$1"; shift; exec "$@"' - "$1/slirp.go.$$" "$2" work "$3" "$4" "$5" "$6" <&4 4<&- &
		inside=$!
		sleep 0.3
		slirp4netns --configure --mtu=65520 --ready-fd=3 "$inside" tap0 3>"$1/slirp.go.$$" >/dev/null 2>"$1/slirp.err" &
		slirp=$!
		wait "$inside"
		status=$?
		kill "$slirp"
		exit "$status"
	S
	chmod 755 "$work/bin/slirp"
	slirp="$work/bin/slirp $work $work/bin/net $far $port $name 80"
	# shellcheck disable=SC2086
	if try $slirp; then
		set -- "$@" --- slirp4netns=slirp4netns $slirp
	else
		left_out slirp4netns
	fi
else
	echo "slirp4netns is not installed; left out"
fi
"$net" compare "$rounds" "$ms" "$@"

echo
echo "start to end of /bin/true in a sandbox"
base="$as $OC run --no-config --workspace $work/ws"
# shellcheck disable=SC2086
"$net" launch "$((rounds * 20))" "without a network" $base -- /bin/true --- \
	"--allow $name" $base --allow "$name" -- /bin/true
