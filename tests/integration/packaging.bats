#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What `make install` lays down, and what quickstart and check say when they cannot go on.

setup() {
	src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
	build=${top_builddir:-$src}
	dest=$BATS_TEST_TMPDIR/dest
}

# A copy of the build directory has a Makefile that points elsewhere: there is nothing to install from.
needs_makefile() {
	[ -f "$build/Makefile" ] || skip "not in a build directory"
	[ "$(sed -n 's/^abs_top_builddir = //p' "$build/Makefile")" = "$(cd "$build" && pwd -P)" ] || skip "a copy of a build directory"
	command -v make >/dev/null || skip "no make"
}

@test "make install DESTDIR lays everything down below the prefix, and what is installed works" {
	needs_makefile
	make -C "$build" install DESTDIR="$dest" prefix=/opt/oc >"$BATS_TEST_TMPDIR/log" 2>&1 || { cat "$BATS_TEST_TMPDIR/log"; false; }
	[ -x "$dest/opt/oc/bin/oc-sandbox" ]
	[ -f "$dest/opt/oc/share/man/man1/oc-sandbox.1" ]
	[ -f "$dest/opt/oc/share/man/man5/oc-sandbox.json.5" ]
	[ -f "$dest/opt/oc/share/bash-completion/completions/oc-sandbox" ]
	[ -f "$dest/opt/oc/share/oc-sandbox/apparmor/oc-sandbox" ]
	[ -f "$dest/opt/oc/share/doc/oc-sandbox/SECURITY.md" ]
	[ -f "$dest/opt/oc/include/ocsandbox.h" ]
	[ -f "$dest/opt/oc/lib/libocsandbox.a" ]
	[ -e "$dest/opt/oc/lib/libocsandbox.so" ]
	[ -f "$dest/opt/oc/lib/pkgconfig/ocsandbox.pc" ]
	[ -f "$dest/opt/oc/share/man/man3/libocsandbox.3" ]
	[ -z "$(find "$dest" -mindepth 1 -maxdepth 1 ! -name opt)" ]
	# nothing that is set-user-id, and nothing of the tests
	[ -z "$(find "$dest" -perm /6000)" ]
	[ -z "$(find "$dest" -name '*weak*' -o -name 'test_*')" ]
	run "$dest/opt/oc/bin/oc-sandbox" run --no-config -- /bin/echo "it works"
	[ "$status" -eq 0 ]
	[ "$output" = "it works" ]
}

@test "the examples build against what is installed, and their soname is there" {
	needs_makefile
	command -v pkg-config cc >/dev/null || skip "no compiler or no pkg-config"
	make -C "$build" install DESTDIR="$dest" prefix=/opt/oc >/dev/null 2>&1
	cp -r "$dest/opt/oc/share/doc/oc-sandbox/examples" "$BATS_TEST_TMPDIR/examples"
	# As a packager has it: the prefix of configure, below another root.
	pc=$dest/opt/oc/lib/pkgconfig
	sed -i "s|^prefix=.*|prefix=$dest/opt/oc|" "$pc/ocsandbox.pc"
	PKG_CONFIG_PATH=$pc make -C "$BATS_TEST_TMPDIR/examples"
	readelf -d "$BATS_TEST_TMPDIR/examples/run-one" | grep -q 'NEEDED.*libocsandbox.so.0'
	[ -e "$dest/opt/oc/lib/libocsandbox.so.0" ]
	[ "$(PKG_CONFIG_PATH=$pc pkg-config --modversion ocsandbox)" = "$("$OC_SANDBOX" --version | cut -d" " -f2)" ]
}

@test "make uninstall takes all of it away again" {
	needs_makefile
	make -C "$build" install DESTDIR="$dest" prefix=/opt/oc >/dev/null 2>&1
	make -C "$build" uninstall DESTDIR="$dest" prefix=/opt/oc >/dev/null 2>&1
	run find "$dest" ! -type d
	echo "$output"
	[ -z "$output" ]
}

@test "the launcher needs no shared library" {
	if grep -q -- '--disable-static-launcher\|--enable-sanitizers' "$build/config.log" 2>/dev/null; then skip "linked dynamically"; fi
	run ldd "$OC_SANDBOX"
	[[ $output == *"statically linked"* || $output == *"not a dynamic executable"* ]]
}

@test "check and quickstart refuse options that they do not have" {
	run "$src/contrib/check" --frobnicate
	[ "$status" -eq 1 ]
	[[ $output == *usage* ]]
	run "$src/contrib/quickstart" --frobnicate
	[ "$status" -eq 1 ]
	[[ $output == *usage* ]]
}

# A machine where nothing is installed and nothing can be: only what is missing is asked for, and the end is an error.
@test "quickstart says what is missing and stops when it cannot be installed" {
	bin=$BATS_TEST_TMPDIR/bin
	mkdir "$bin"
	for tool in sh dirname pwd cat mktemp tail rm head env; do
		ln -s "$(command -v "$tool")" "$bin/$tool"
	done
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nfor last; do :; done\n[ "$last" != libmd-dev ] && echo installed\nexit 0\n' >"$bin/dpkg-query"
	printf '#!/bin/sh\necho "E: apt-get $*"\nexit 100\n' >"$bin/apt-get"
	printf '#!/bin/sh\necho 0\n' >"$bin/id"
	chmod +x "$bin"/{dpkg-query,apt-get,id}
	PATH=$bin run "$src/contrib/quickstart" "$BATS_TEST_TMPDIR/build"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"installing: libmd-dev"* ]]
	[[ $output == *"could not install: libmd-dev"* ]]
	# as somebody else it needs sudo, and says so when there is none
	printf '#!/bin/sh\necho 1000\n' >"$bin/id"
	PATH=$bin run "$src/contrib/quickstart" "$BATS_TEST_TMPDIR/build"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"apt-get install libmd-dev"* ]]
}
