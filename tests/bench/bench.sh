#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh - oc-sandbox beside Debian's bubblewrap, crun and plain exec, on this machine, in one interleaved run.
#
#   top_builddir=DIR bench.sh [ROUNDS]       (default 200; `make bench` calls it)
#
# Prints medians and ratios and passes no judgement.  All of them run /bin/true on the host's own programs.
# bubblewrap: --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp.
# namespaces alone: the same namespaces with nothing set up in them, the least that the kernel asks for (floor.c).
# crun: a bundle with the same namespaces, /usr read-only, /proc, /dev, /tmp; where the host has hybrid cgroups,
# which crun refuses, in a mount namespace without the unified mount.
set -eu
: "${top_builddir:?is set by make bench}"
rounds=${1:-${BENCH_ROUNDS:-200}}
top_builddir=$(cd "$top_builddir" && pwd -P)
bench=$top_builddir/tests/bench/bench
floor=$top_builddir/tests/bench/floor
OC=${OC_SANDBOX:-$top_builddir/oc-sandbox}
[ -x "$OC" ] || { echo "bench.sh: $OC is not there" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/oc-bench.XXXXXX")
holder=
cleanup() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "$(nproc) processors, Linux $(uname -r), $(id -un), $rounds rounds"
have_bwrap='' have_crun='' crun_name=crun
if command -v bwrap >/dev/null; then
	have_bwrap=1
	bwrap --version
else
	echo "bubblewrap is not installed (Debian: bubblewrap); left out"
fi
if command -v crun >/dev/null; then
	crun --version | head -n 1
	mkdir -p "$work/bundle/rootfs/usr" "$work/bundle/rootfs/proc" "$work/bundle/rootfs/dev" "$work/bundle/rootfs/tmp" "$work/crun"
	for link in bin sbin lib lib64; do
		[ ! -L "/$link" ] || ln -s "usr/$link" "$work/bundle/rootfs/$link"
	done
	cat >"$work/bundle/config.json" <<-'J'
		{ "ociVersion": "1.0.2",
		  "process": { "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": [ "/bin/true" ], "cwd": "/",
		    "env": [ "PATH=/usr/bin:/bin" ], "capabilities": {}, "noNewPrivileges": true },
		  "root": { "path": "rootfs", "readonly": true },
		  "mounts": [
		    { "destination": "/usr", "source": "/usr", "type": "bind", "options": [ "rbind", "ro", "nosuid", "nodev" ] },
		    { "destination": "/proc", "type": "proc", "source": "proc" },
		    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "nosuid", "mode=755", "size=64k" ] },
		    { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": [ "newinstance", "ptmxmode=0666" ] },
		    { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [ "nosuid", "nodev" ] } ],
		  "linux": { "namespaces": [ { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
		    { "type": "network" }, { "type": "cgroup" } ] } }
	J
	if [ "$(id -u)" -eq 0 ] && [ -d /sys/fs/cgroup/unified ]; then
		mkfifo "$work/ready"
		# shellcheck disable=SC2016
		unshare -m sh -c 'umount /sys/fs/cgroup/unified; echo ready >"$1"; exec sleep 86400' - "$work/ready" &
		holder=$!
		read -r _ <"$work/ready"
		crun_name=crun@/proc/$holder/ns/mnt
	fi
	if "$bench" -n 1 -w 0 "$crun_name" "$(command -v crun)" --root "$work/crun" run -b "$work/bundle" try >/dev/null 2>"$work/crun.err"; then
		have_crun=1
	else
		echo "crun does not run here; left out: $(head -n 1 "$work/crun.err")"
	fi
else
	echo "crun is not installed; left out"
fi

# table PAYLOAD: all of them with this payload.  $how: options of bench; $binds, $bwrap_binds: more binds.
how='' binds='' bwrap_binds=''
# shellcheck disable=SC2086  # lists of words without spaces: a POSIX shell has no others
table() {
	payload=$1
	set -- oc-sandbox "$OC" run --no-config $binds -- $payload
	if [ -n "$have_bwrap" ]; then
		set -- bwrap "$(command -v bwrap)" --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp \
			$bwrap_binds $payload --- "$@"
	fi
	if [ -n "$have_crun" ] && [ -z "$binds" ] && [ "$payload" = /bin/true ]; then
		set -- "$@" --- "$crun_name" "$(command -v crun)" --root "$work/crun" run -b "$work/bundle" "oc-bench-$$-@N@"
	fi
	"$bench" $how "$@" --- "namespaces alone" "$floor" run $payload --- "plain exec" $payload
}

echo
echo "start to end of /bin/true, one after another; ratios are to the first line"
how="-n $rounds"
table /bin/true
echo
echo "the same, each after 200 ms in which the machine was idle"
how="-n $((rounds / 5 + 1)) -w 1 -i 200"
table /bin/true
echo
echo "8 at once: runs for each second"
how="-n $((rounds / 20 + 1)) -w 1 -j 8 -b 64"
table /bin/true
echo
echo "20 more read-only binds"
bwrap_binds='--tmpfs /mnt'
i=0
while [ "$i" -lt 20 ]; do
	i=$((i + 1))
	mkdir -p "$work/extra/$i"
	binds="$binds --bind $work/extra/$i:/mnt/$i:ro"
	bwrap_binds="$bwrap_binds --ro-bind $work/extra/$i /mnt/$i"
done
how="-n $rounds"
table /bin/true
echo
echo "oc-sandbox without and with these, in turn"
# shellcheck disable=SC2086
"$bench" -n "$rounds" without "$OC" run --no-config -- /bin/true --- "with 20 binds" "$OC" run --no-config $binds -- /bin/true
"$floor" binds "$work/extra" || echo "(needs root)"
binds='' bwrap_binds=''
echo
echo "memory of the launcher while its command sleeps"
how='-m -n 3'
table "/bin/sleep 0.5"
