#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# One table of options in the program; the manual page and the completion must say the same.

setup() {
	src=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
	sandbox=${OC_SANDBOX:-$src/oc-sandbox}
	man=$src/docs/oc-sandbox.1
	completion=$src/contrib/completion/oc-sandbox.bash
}

# The long options of a sub-command, and "-x" for short ones, from its own help.
from_help() {
	"$sandbox" "$@" --help | sed -n 's/^  *\(-[A-Za-z]\), \(--[a-z-]*\).*/\1\n\2/p; s/^  *\(--[a-z-]*\).*/\1/p' | sort -u
}

# The options that the manual page explains: the heads of its lists.
from_man() {
	awk '$1 == ".It" { for (i = 2; i < NF; i++) if ($i == "Fl") print "-" $(i + 1) }' "$man" | sort -u
}

# What the completion offers after a word of the command line.
complete_after() {
	# shellcheck disable=SC2016
	bash -c '
		. "$1"; shift
		COMP_WORDS=("$@" "") COMP_CWORD=$# COMP_LINE="$*" COMP_POINT=0
		[ "$WANT" = options ] && COMP_WORDS[COMP_CWORD]=--
		_oc_sandbox
		printf "%s\n" "${COMPREPLY[@]}"
	' - "$completion" "$@" | sort -u
}

same() {
	diff -u "$1" "$2" | tail -n +3
	cmp -s "$1" "$2"
}

@test "every option of the program is in the manual page, and no other" {
	for command in run start exec explain verify; do from_help "$command"; done | sort -u >"$BATS_TEST_TMPDIR/program"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/program")" -gt 20 ]
	echo --version >>"$BATS_TEST_TMPDIR/program"
	sort -u -o "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/program"
	from_man >"$BATS_TEST_TMPDIR/man"
	same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/man"
}

@test "every long option of the program is completed, for the sub-command that has it" {
	for command in run start exec mcp explain verify; do
		from_help "$command" | grep '^--' >"$BATS_TEST_TMPDIR/program"
		WANT=options complete_after oc-sandbox "$command" >"$BATS_TEST_TMPDIR/completed"
		same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed"
	done
}

@test "every sub-command has help, is in the manual page and is completed" {
	"$sandbox" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | sort >"$BATS_TEST_TMPDIR/program"
	grep -q run "$BATS_TEST_TMPDIR/program"
	WANT=words complete_after oc-sandbox | grep -v '^-' >"$BATS_TEST_TMPDIR/completed"
	same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed"
	while read -r command; do
		"$sandbox" "$command" --help
		grep -q "^\.It Cm $command\$" "$man"
	done <"$BATS_TEST_TMPDIR/program"
}

@test "the options of the commands about sandboxes that stay are completed" {
	for command in ps inspect stop rm prune recreate attach logs diff apply discard; do
		"$sandbox" "$command" --help | sed -nE 's/^  +(-[a-z], )?(--[a-z-]+).*/\2/p' | sort -u >"$BATS_TEST_TMPDIR/program"
		[ -s "$BATS_TEST_TMPDIR/program" ] || [ "$command" = inspect ]
		WANT=options complete_after oc-sandbox "$command" x >"$BATS_TEST_TMPDIR/completed"
		comm -23 "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed" >"$BATS_TEST_TMPDIR/missing"
		sed "s/^/$command: /" "$BATS_TEST_TMPDIR/missing"
		[ ! -s "$BATS_TEST_TMPDIR/missing" ]
	done
}

@test "the commands and options of net are completed, and the rules and names behind them are not taken for a program" {
	"$sandbox" net --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort >"$BATS_TEST_TMPDIR/program"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/program")" -ge 5 ]
	WANT=words complete_after oc-sandbox net | grep -v '^-' >"$BATS_TEST_TMPDIR/completed"
	same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed"
	while read -r command; do
		if [ "$command" = test ]; then
			from_help net test | grep '^--'
		else
			"$sandbox" net "$command" --help | sed -n 1p | grep -oE -- '--[a-z]+'
		fi | sort -u >"$BATS_TEST_TMPDIR/program"
		[ -s "$BATS_TEST_TMPDIR/program" ]
		WANT=options complete_after oc-sandbox net "$command" x >"$BATS_TEST_TMPDIR/completed"
		# All that the help names; the usage line leaves out --help and --config.
		comm -23 "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed" >"$BATS_TEST_TMPDIR/missing"
		cat "$BATS_TEST_TMPDIR/missing"
		[ ! -s "$BATS_TEST_TMPDIR/missing" ]
	done < <("$sandbox" net --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
}

@test "the layers that the completion offers are those of the program" {
	sed -n 's/.*\[OC_LAYER_[A-Z_]*\] *= *{ *"\([a-z-]*\)".*/\1/p' "$src/runtime/plan/layer.c" | sort >"$BATS_TEST_TMPDIR/program"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/program")" -gt 15 ]
	WANT=words complete_after oc-sandbox run --allow-missing >"$BATS_TEST_TMPDIR/completed"
	same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed"
}

@test "the address classes that the completion offers are those that the program takes" {
	WANT=words complete_after oc-sandbox run --allow-private >"$BATS_TEST_TMPDIR/completed"
	sed -n '/^static const char \*const class_names/,/^};/s/.*= "\([a-z0-9-]*\)",*$/\1/p' "$src/netns/policy/addr.c" |
		sort >"$BATS_TEST_TMPDIR/classes"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/classes")" -gt 12 ]
	while read -r class; do
		if "$sandbox" explain --no-config --egress open --allow-private "$class" >/dev/null 2>&1; then echo "$class"; fi
	done <"$BATS_TEST_TMPDIR/classes" >"$BATS_TEST_TMPDIR/program"
	same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/completed"
}

@test "options of the network: explain says the mode and each rule with its source, a bad rule is quoted" {
	run "$sandbox" explain --no-config --allow Registry.Example --allow tcp:10.1.2.3:5432 --deny bad.registry.example --allow-private private
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output =~ network\ +allowlist.*\(--allow\) ]]
	[[ $output =~ allow\ +registry\.example\ +\(--allow\) ]]
	[[ $output =~ allow\ +tcp:10\.1\.2\.3/32:5432\ +\(--allow\) ]]
	[[ $output =~ deny\ +bad\.registry\.example\ +\(--deny\) ]]
	[[ $output =~ private\ +private\ +\(--allow-private\) ]]
	# without an option there is none
	[ "$("$sandbox" explain --no-config --json | jq -c '[.egress, .origins.egress]')" = '[{"mode":"none"},"default"]' ]
	[ "$("$sandbox" explain --no-config --json --egress=open | jq -r .egress.mode)" = open ]
	for bad in 'x y.example' '*' '*.com' 'user@host.example' 'https://host.example' 'host.example:0' ''; do
		run "$sandbox" run --no-config --allow "$bad" -- /bin/true
		echo "$bad: $output"
		[ "$status" -eq 125 ]
		[[ $output == *"--allow: egress rule \"$bad\": "* ]]
	done
	run "$sandbox" run --no-config --egress none --allow host.example -- /bin/true
	[ "$status" -eq 125 ]
	[[ $output == *"--egress none and --allow contradict each other"* ]]
	run "$sandbox" run --no-config --egress allowlist -- /bin/true
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"has no rule, so the sandbox has no network"* ]]
}

@test "options that take a value do not hide the command from the completion" {
	cd "$BATS_TEST_TMPDIR"
	touch a-file-of-the-command
	# shellcheck disable=SC2016
	run env WANT=words bash -c '. "$1"; COMP_WORDS=(oc-sandbox run --memory 1g -- cat a-file) COMP_CWORD=6; _oc_sandbox
		printf "%s\n" "${COMPREPLY[@]}"' - "$completion"
	[[ $output == *a-file-of-the-command* ]]
}

@test "every member of the result is in the manual page" {
	"$sandbox" run --no-config --result "$BATS_TEST_TMPDIR/result" -- /bin/true
	jq -r keys[] "$BATS_TEST_TMPDIR/result" >"$BATS_TEST_TMPDIR/keys"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/keys")" -ge 8 ]
	while read -r key; do
		grep -qx ".It Li $key" "$man" || { echo "not in the manual page: $key"; return 1; }
	done <"$BATS_TEST_TMPDIR/keys"
	jq -r '.usage, .limits | keys[]' "$BATS_TEST_TMPDIR/result" >"$BATS_TEST_TMPDIR/keys"
	while read -r key; do
		sed -n '/^\.Sh RESULT/,/^\.Sh ENV/p' "$man" | grep -qw "$key" || { echo "not in the manual page: $key"; return 1; }
	done <"$BATS_TEST_TMPDIR/keys"
}

# The keys of one table of the source, and those that one section of the manual page explains.
keys_of() {
	sed -n "/struct oc_key $2\[\]/,/^};/p" "$src/runtime/plan/$1" | grep -o '{ "[a-zA-Z]*", OC_T' | cut -d '"' -f 2 | sort -u
}
keys_in_man() {
	sed -n "/^\.Ss $1\$/,/^\\.S[sh]/{/^\.It Li /p}" "$src/docs/oc-sandbox.json.5" | sed 's/^\.It Li //; s/ , /\n/g' | sort -u
}

@test "every key of the configuration is in its manual page, and no other" {
	while read -r section file table least; do
		keys_of "$file" "$table" >"$BATS_TEST_TMPDIR/program"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/program")" -ge "$least" ]
		keys_in_man "$section" >"$BATS_TEST_TMPDIR/man"
		same "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/man"
	done <<-'E'
		sandbox keys.c sandbox_table 10
		sandbox.docker docker.c oc_keys_table_docker 10
		sandbox.native keys.c native_table 10
		sandbox.native.egress egress.c egress_table 5
	E
}

@test "the example of the manual page is a configuration that is understood" {
	sed -n '/^\.Bd -literal/,/^\.Ed/{/^\./!p}' "$src/docs/oc-sandbox.json.5" >"$BATS_TEST_TMPDIR/openclaw.json"
	mkdir -p "$BATS_TEST_TMPDIR/assistant" "$BATS_TEST_TMPDIR/papers"
	for agent in main reader; do
		HOME=$BATS_TEST_TMPDIR run "$sandbox" explain --config "$BATS_TEST_TMPDIR/openclaw.json" --agent "$agent" --json
		echo "$output"
		[ "$status" -eq 0 ]
	done
}

@test "the manual pages are well-formed" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	for page in "$src"/docs/*.[1-8]; do
		run mandoc -T lint -W warning "$page"
		echo "$output"
		[ "$status" -eq 0 ]
	done
}
