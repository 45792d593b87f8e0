#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bench-exec.sh - commands in sandboxes that are kept: time of one, memory of idle ones, what many leave behind.
#
#   top_builddir=DIR bench-exec.sh [ROUNDS [IDLE [MANY]]]      (`make bench-exec`)
#
# Prints figures and passes no judgement.  Uses a state and a run directory of its own where it is no run of root's.
set -eu
: "${top_builddir:?is set by make bench-exec}"
rounds=${1:-1000} idle=${2:-500} many=${3:-10000}
top_builddir=$(cd "$top_builddir" && pwd -P)
bench=$top_builddir/tests/bench/exec
OC=${OC_SANDBOX:-$top_builddir/oc-sandbox}
[ -x "$OC" ] || { echo "bench-exec.sh: $OC is not there" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/oc-bench.XXXXXX")
cleanup() {
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -m 700 "$work/run" "$work/state"
export OPENCLAW_STATE_DIR="$work/state" XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$work/run}" HOME="$work"
# The sandbox shows it to an id that is not ours.
chmod 755 "$work"
cp "$top_builddir/tests/bench/nothing" "$work/nothing"

echo "$(nproc) processors, Linux $(uname -r), $(id -un)"
"$bench" latency "$OC" "$work/nothing" "$rounds"
"$bench" idle "$OC" "$idle"
"$bench" many "$OC" "$work/nothing" "$many"
