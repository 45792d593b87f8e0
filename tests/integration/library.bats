#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# library - libocsandbox as it is installed, and a program that is built with what pkg-config says of it (tests/lib/library.c).  As
# root and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../attack/lib
load ../lib/sessions

setup_file() {
	attack_setup
	world_begin
	# The build directory may be a copy, whose Makefile leads elsewhere: packaging.bats has `make install`.
	mkdir "$A/prefix" "$A/prefix/lib" "$A/prefix/include"
	cp "$build"/libocsandbox.so.0.* "$build/libocsandbox.a" "$A/prefix/lib"
	ln -s "$(basename "$build"/libocsandbox.so.0.*)" "$A/prefix/lib/libocsandbox.so.0"
	ln -s libocsandbox.so.0 "$A/prefix/lib/libocsandbox.so"
	cp "$src/runtime/client/ocsandbox.h" "$A/prefix/include"
	export PKG_CONFIG_PATH=$build/runtime/client
	flags() { pkg-config --define-variable=prefix="$A/prefix" --define-variable=libdir="$A/prefix/lib" \
		--define-variable=includedir="$A/prefix/include" "$@" ocsandbox; }
	if command -v cc pkg-config >/dev/null; then
		# shellcheck disable=SC2046
		cc -Wall -Wextra -Werror -o "$A/library" "$src/tests/lib/library.c" $(flags --cflags --libs) -Wl,-rpath,"$A/prefix/lib"
		# shellcheck disable=SC2046
		for example in run-one event-loop; do
			cc -Wall -Wextra -Werror -o "$A/$example" "$src/contrib/examples/$example.c" $(flags --cflags --libs) \
				-Wl,-rpath,"$A/prefix/lib"
		done
		# shellcheck disable=SC2046
		cc -o "$A/library-static" "$src/tests/lib/library.c" $(flags --cflags) "$A/prefix/lib/libocsandbox.a"
	fi
}
teardown_file() {
	world_end
	attack_teardown
}
setup() {
	[ -x "$A/library" ] || skip "no compiler or no pkg-config"
}

library() {
	for who in $(identities); do
		run there "$who" timeout 120 "$A/library" "$1" "$A/oc-sandbox"
		echo "$who: $output"
		[ "$status" -eq 0 ]
	done
}

@test "only its own functions are to be seen" {
	command -v nm >/dev/null || skip "no nm"
	nm -D --defined-only "$A/prefix/lib/libocsandbox.so" >"$A/shown"
	grep -q ' T ocs_open' "$A/shown"
	none -v ' ocs_\| OCSANDBOX_0$' "$A/shown"
	nm "$A/prefix/lib/libocsandbox.a" 2>/dev/null | grep ' [TDBRC] ' >"$A/shown"
	none -v ' ocs_' "$A/shown"
	# Nothing of what makes sandboxes.
	nm -D --undefined-only "$A/prefix/lib/libocsandbox.so" >"$A/needed"
	none -E 'clone|unshare|setns|mount|seccomp|prctl|capset|fork$' "$A/needed"
}

@test "the header is one of C++, too" {
	command -v c++ >/dev/null || skip "no C++ compiler"
	printf '#include <ocsandbox.h>\nint main() { return ocs_version() == nullptr; }\n' >"$A/header.cc"
	c++ -Wall -Wextra -Werror -I"$A/prefix/include" -o "$A/header" "$A/header.cc" -L"$A/prefix/lib" -locsandbox -Wl,-rpath,"$A/prefix/lib"
	"$A/header"
}

@test "events: environment, streams, signals, limits, what cannot be, two connections" { library events; }
@test "fifty calls at once from one poll loop" { library many; }
@test "a terminal: its size, its change, Ctrl-C" { library terminal; }
@test "in the background: attach, logs, end of input; detached" { library background; }
@test "an agent's sandbox: joined, not joined, made anew" { library agent; }
@test "the monitor is killed: every call has its end, and it is told" { library killed; }
@test "2000 warm calls leave nothing" { library warm; }

@test "the static library does the same" {
	run there user "$A/library-static" many "$A/oc-sandbox"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "the examples" {
	for who in $(identities); do
		run there "$who" env OC_SANDBOX="$A/oc-sandbox" "$A/run-one" sh -c 'echo hello; exit 3'
		echo "$output"
		[ "$status" -eq 3 ]
		[[ $output == *hello* ]]
		run there "$who" env OC_SANDBOX="$A/oc-sandbox" "$A/event-loop" < <(printf 'sleep 0.5; echo slow\necho quick; exit 2\n')
		echo "$output"
		[ "$status" -eq 0 ]
		[[ $output == *"[2] quick"*"[2] exit 2"*"[1] slow"*"[1] exit 0"* ]]
		[ -z "$(oc "$who" ps --json | grep '"id"')" ]
	done
}
