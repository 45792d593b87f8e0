#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# check-arrows must find each thing that it forbids, in a tree that has just that one thing wrong.

setup() {
	src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
	tree=$BATS_TEST_TMPDIR
	mkdir -p "$tree"/{base,netns/policy,runtime/{plan,launch,cli,client},gateway/{server,tools},profiles/gen}
	echo 'int x; /* system("no") is only talked about; so is "../up.h" */' >"$tree/base/ok.c"
}

# wrong FILE LINE: the tree with this line in this file must fail, and the message names the file.
wrong() {
	printf '%s\n' "$2" >"$tree/$1"
	run "$src/tests/lib/check-arrows" "$tree"
	rm "$tree/$1"
	if [ "$status" -ne 1 ] || [[ $output != *"# $1:"* ]]; then
		echo "not found: $1: $2"
		echo "$output"
		return 1
	fi
}

right() {
	printf '%s\n' "$2" >"$tree/$1"
	run "$src/tests/lib/check-arrows" "$tree"
	rm "$tree/$1"
	if [ "$status" -ne 0 ]; then
		echo "complained of: $1: $2"
		echo "$output"
		return 1
	fi
}

@test "an include that looks up is found" {
	wrong base/a.c '#include "runtime/plan/plan.h"'
	wrong base/a.h '# include "netns/policy/rule.h"'
	wrong netns/policy/a.c '#include "runtime/launch/launch.h"'
	wrong runtime/plan/a.c '#include "runtime/launch/launch.h"'
	wrong runtime/plan/a.c '#include "runtime/session/registry.h"'
	wrong runtime/plan/a.c '#include "runtime/cli/cli.h"'
	wrong runtime/plan/a.c '#include "runtime/verify/verify.h"'
	wrong runtime/launch/a.c '#include "runtime/cli/cli.h"'
	wrong runtime/cli/a.c '#include "gateway/server/http.h"'
	wrong gateway/server/a.c '#include "runtime/launch/launch.h"'
	wrong gateway/server/a.c '#include "runtime/plan/plan.h"'
	wrong profiles/gen/a.c '#include "runtime/launch/launch.h"'
}

@test "an include that goes down is fine" {
	right runtime/plan/a.c '#include "base/err.h"'
	right runtime/launch/a.c '#include "netns/policy/rule.h"'
	right runtime/cli/a.c '#include "runtime/verify/verify.h"'
	right gateway/tools/a.c '#include "runtime/client/ocsandbox.h"'
	right base/a.c '#include <runtime/plan/plan.h>'
	right base/a.c '#include "config.h"'
}

@test "an include that is not written from the top is found" {
	wrong base/a.c '#include "err.h"'
	wrong runtime/plan/a.c '#include "../launch/launch.h"'
	wrong runtime/plan/a.c '#include "base/../runtime/launch/launch.h"'
}

@test "a shell is found however it is called" {
	wrong base/a.c '	return system("ls");'
	wrong base/a.c '	f = popen (cmd, "r");'
	wrong runtime/launch/a.c '	execvp(argv[0], argv);'
	wrong runtime/launch/a.c '	execl("/bin/sh", "sh", "-c", cmd, NULL);'
	wrong runtime/launch/a.c '	char *argv[] = { "sh", "-c", cmd, NULL };'
	wrong netns/policy/a.c '	wordexp(s, &w, 0);'
	wrong runtime/launch/a.c '	/* fine */ x = "/*"; system("ls");'
}

@test "a string function without a bound is found" {
	wrong base/a.c '	strcpy(a, b);'
	wrong base/a.c '	n = sprintf(a, "%d", b);'
	wrong runtime/plan/a.c '	vsprintf(a, f, ap);'
	right base/a.c '	n = snprintf(a, sizeof(a), "%d", b);'
	right base/a.c '	oc_strcpy(a, "strcpy(a, b)"); // strcpy(a, b)'
}

@test "comments over several lines are not code" {
	right base/a.c '/* one
 * system("x")
 */ int y;'
	wrong base/a.c '/* one
 */ int y = system("x");'
}

@test "a tree without sources is an error" {
	run "$src/tests/lib/check-arrows" "$tree/profiles"
	[ "$status" -ne 0 ]
}
