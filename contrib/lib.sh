# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - what contrib/quickstart and contrib/check share; sourced by them with $top set to the source tree.
#
# May install Debian packages and write below the build directory; must never ask a question, remove anything that
# it did not make, or need the source tree to be writable.

say() { printf '==> %s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

build_packages='autoconf automake gcc libc6-dev libc-ares-dev libssl-dev libuv1-dev make musl-tools pkg-config
	libmd-dev libseccomp-dev libcmocka-dev'
check_packages="$build_packages
	bats clang clang-tidy curl expect fcgiwrap gdb git golang-go iproute2 jq libclang-rt-14-dev mandoc nginx-light nodejs
	openssh-client openssh-server openssl postgresql postgresql-client procps python3 shellcheck socat strace util-linux xz-utils"
# Some builds of nodejs bring npm along, Debian's does not.
command -v npm >/dev/null || check_packages="$check_packages npm"

# install_missing PACKAGE...: says what is missing and installs it; silent when nothing is.
install_missing() {
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "not a Debian system: nothing is installed here; wanted (by their Debian names):" "$@"
		return 0
	fi
	missing=
	for package; do
		state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1) || :
		[ "$state" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "missing:$missing; there is no sudo here, so please run as root: apt-get install$missing"
		# Without a terminal there is nobody to type a password.
		as_root=sudo
		[ -t 0 ] || as_root='sudo -n'
	fi
	say "installing${as_root:+ (with sudo)}:$missing"
	# Programs are wanted, not services that start by themselves: the usual way to say so, unless somebody has said something.
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' | $as_root sh -c "cat >$policy && chmod 755 $policy" || die "cannot write $policy"
	fi
	log=$(mktemp "${TMPDIR:-/tmp}/oc-apt.XXXXXX") || exit 1
	if ! {
		# shellcheck disable=SC2086
		$as_root apt-get -q update && $as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install $missing
	} </dev/null >"$log" 2>&1; then
		[ -z "$policy" ] || $as_root rm -f "$policy"
		tail -n 30 "$log" >&2
		die "could not install:$missing (the whole output is in $log)"
	fi
	[ -z "$policy" ] || $as_root rm -f "$policy"
	rm -f "$log"
}

# make_build_dir DIR: makes the build directory and prints its absolute path.  A source tree that cannot be written to
# gets one below the user's cache.
make_build_dir() {
	dir=$1
	if [ -z "$dir" ]; then
		dir=$top/build
		if ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ]; then
			dir=${XDG_CACHE_HOME:-${HOME:?}/.cache}/oc-sandbox-build
		fi
	fi
	mkdir -p "$dir" && (cd "$dir" && pwd -P)
}

# prepare_source BUILD: makes the configure script and sets $source to the tree it is in: the source tree itself, or a copy
# below the build directory when that is read-only or was configured in place.
prepare_source() {
	source=$top
	if [ ! -w "$top" ] || [ -e "$top/config.status" ]; then
		source=$1/source
		mkdir -p "$source"
		(cd "$top" && tar -cf - --exclude=./.git --exclude=./build --exclude="./${1#"$top"/}" --exclude=./config.status \
			--exclude=./config.h --exclude=./Makefile --exclude='*.o' --exclude='*.a' .) | (cd "$source" && tar -xf -)
		chmod -R u+w "$source"
	fi
	# Later changes are the business of the Makefile's own rules.
	if [ ! -e "$source/configure" ] || [ ! -e "$source/Makefile.in" ]; then
		(cd "$source" && quietly "$1/autoreconf.log" autoreconf -fi)
	fi
}

# quietly LOG COMMAND...: output goes to the log, and is shown when the command fails.
quietly() {
	quiet_log=$1
	shift
	if ! "$@" >"$quiet_log" 2>&1 </dev/null; then
		tail -n 60 "$quiet_log" >&2
		printf '%s: failed: %s (the whole output is in %s)\n' "${0##*/}" "$*" "$quiet_log" >&2
		return 1
	fi
}

# configure_and_make DIR CONFIGURE-OPTION...
configure_and_make() {
	build_here=$1
	shift
	mkdir -p "$build_here"
	(
		cd "$build_here" || exit 1
		if [ ! -e config.status ] || [ "$(cat .configured 2>/dev/null)" != "$source $*" ]; then
			quietly configure.log "$source/configure" "$@" || exit 1
			printf '%s\n' "$source $*" >.configured
		fi
		quietly make.log make -j"$(nproc)" all
	)
}
