#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# P1, P3, P4, P5, P9: what the command leaves in a workspace, and a host that then works there: git, a shell, the next sandbox.
#
# A canary program makes a mark when the host runs it.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# A git repository of that identity as its workspace.
repository() {
	local who=$1
	need_program git
	W=$A/repo-$who
	rm -rf "$W" "$A/home-$who/mark"
	mkdir "$W"
	own "$who" "$W"
	(
		cd "$W"
		as "$who" git init -q .
		echo one >file
		own "$who" file
		as "$who" git -c user.name=x -c user.email=x@x add file
		as "$who" git -c user.name=x -c user.email=x@x commit -q -m one
	)
	evil="#!/bin/sh
touch '$A/home-$who/mark'
"
}

# inside WHO OPTION... -- COMMAND
inside() {
	local who=$1
	shift
	as "$who" "$A/oc-sandbox" run --no-config --quiet --workspace "$W" --bind "$A/payload:/payload" "$@" </dev/null
}

# What people do in a repository.
host_works() {
	local who=$1
	(
		cd "$W"
		as "$who" timeout 10 git status >/dev/null 2>&1 || true
		echo "$RANDOM" >>file
		for command in "add -A" "diff --ext-diff" "log -1 --show-signature" "commit -q -m two" "checkout -q -b other" "stash" "gc --auto" \
			"submodule update" "fetch" "merge other" "blame file" "describe" "worktree list" "rebase HEAD~1" "push"; do
			# shellcheck disable=SC2086
			as "$who" timeout 10 git -c user.name=x -c user.email=x@x $command >/dev/null 2>&1 </dev/null || true
		done
	)
	if [ -e "$A/home-$who/mark" ]; then
		echo "$who: the host ran it"
		return 1
	fi
}

@test "the mark is made when a hook runs: the tests here can fail" {
	for who in $(identities); do
		repository "$who"
		printf '%s' "$evil" >"$W/.git/hooks/pre-commit"
		chmod 755 "$W/.git/hooks/pre-commit"
		own "$who" "$W"
		fails host_works "$who"
	done
}

@test "P3: hooks that did not exist, by every name" {
	for who in $(identities); do
		repository "$who"
		inside "$who" -- /payload plant "$evil" .git/hooks/{pre-commit,post-commit,commit-msg,prepare-commit-msg,post-checkout,post-merge,post-index-change} \
			.git/hooks/{reference-transaction,pre-push,post-rewrite,pre-auto-gc,fsmonitor-watchman,pre-rebase} || true
		host_works "$who"
	done
}

@test "P3: a whole repository where there was none" {
	for who in $(identities); do
		repository "$who"
		rm -rf "$W/.git"
		inside "$who" -- /payload plant "$evil" .git/hooks/pre-commit .git/hooks/post-index-change .git/hooks/post-checkout || true
		inside "$who" -- /bin/sh -c 'mkdir -p .git/objects .git/refs; echo ref: refs/heads/main >.git/HEAD
			printf "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = .git/hooks/pre-commit\n" >.git/config' || true
		host_works "$who"
	done
}

@test "P4: git configuration, by every way that leads to it" {
	for who in $(identities); do
		for text in '[core]\n\thooksPath = ../evil\n' '[core]\n\tfsmonitor = ../evil/post-commit\n' '[alias]\n\tstatus = !../evil/post-commit\n' \
			'[diff]\n\texternal = evil/post-commit\n' '[filter "x"]\n\tclean = evil/post-commit\n\tsmudge = evil/post-commit\n' \
			'[include]\n\tpath = ../evil/config\n' '[core]\n\tpager = evil/post-commit\n\teditor = evil/post-commit\n\tsshCommand = evil/post-commit\n' \
			'[gpg]\n\tprogram = evil/post-commit\n[commit]\n\tgpgSign = true\n' '[extensions]\n\tworktreeConfig = true\n'; do
			repository "$who"
			inside "$who" -- /payload plant "$evil" evil/post-commit evil/pre-commit evil/post-index-change || true
			# shellcheck disable=SC2016
			inside "$who" -- /bin/sh -c 'printf "$0" >>.git/config; printf "$0" >.git/config.worktree; echo "* filter=x diff=x merge=x" >.gitattributes
				mkdir -p .git/worktrees/x .git/modules/x; printf "$0" >.git/modules/x/config; printf "$0" >evil/config
				printf "../evil" >.git/commondir; mv .git/config .git/old && printf "$0" >.git/config; rm -f .git/config && printf "$0" >.git/config
				ln -sf ../evil/config .git/config; true' "$text" >/dev/null 2>&1 || true
			host_works "$who" || { printf '%s\n' "$text" && return 1; }
		done
	done
}

@test "P4, P9: .git renamed away, replaced by a file, a link, another directory" {
	for who in $(identities); do
		# shellcheck disable=SC2016
		for script in 'mv .git old; mkdir -p .git; cp -r old/* .git/; cp -r evil/* .git/hooks/' 'mv .git old; echo "gitdir: fake" >.git' \
			'mv .git old; cp -r old fake; cp evil/* fake/hooks/; ln -s fake .git' 'cp -r .git fake; cp evil/* fake/hooks/; echo "gitdir: fake" >.git' \
			'cp -r .git fake; cp evil/* fake/hooks/; mv -T fake .git' 'cp -r .git fake; cp evil/* fake/hooks/; rm -rf .git; mv fake .git' \
			'mv .git/hooks .git/h; mkdir .git/hooks; cp evil/* .git/hooks/' 'rm -rf .git/hooks; ln -s ../evil .git/hooks' \
			'cd .git && mv hooks ../h && cp -r ../evil hooks' 'ln -f evil/pre-commit .git/hooks/pre-commit' \
			'cp -r .git .GIT; cp evil/* .GIT/hooks/; mv .GIT .git'; do
			repository "$who"
			inside "$who" -- /payload plant "$evil" evil/post-commit evil/pre-commit evil/post-index-change evil/post-checkout || true
			inside "$who" -- /bin/sh -c "$script" >/dev/null 2>&1 || true
			host_works "$who" || { printf '%s\n' "$script" && return 1; }
		done
	done
}

@test "P4: a repository in the repository, a submodule, a worktree" {
	for who in $(identities); do
		repository "$who"
		inside "$who" -- /payload plant "$evil" sub/.git/hooks/pre-commit sub/.git/hooks/post-index-change .git/modules/sub/hooks/post-checkout \
			.git/modules/sub/hooks/pre-commit a/b/c/.git/hooks/pre-commit evil/post-index-change || true
		inside "$who" -- /bin/sh -c 'for d in sub a/b/c .git/modules/sub; do mkdir -p $d/.git; g=$d/.git; [ $d = .git/modules/sub ] && g=$d
			mkdir -p $g/objects $g/refs; echo ref: refs/heads/main >$g/HEAD
			printf "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = /bin/false\n\thooksPath = hooks\n" >$g/config; done' >/dev/null 2>&1 || true
		for dir in sub a/b/c; do
			(cd "$W/$dir" 2>/dev/null && as "$who" git status && touch x && as "$who" git add x) >/dev/null 2>&1 || true
		done
		host_works "$who"
	done
}

@test "P9: guarded paths cannot be written, linked, renamed or replaced from inside" {
	for who in $(identities); do
		repository "$who"
		inside "$who" -- /payload tamper .git/config .git/hooks
		[ -z "$(find "$W" -name '*.moved' -o -name 'hard' -o -name '*.hard')" ]
	done
}

@test "P9: a guarded file that has another name in the workspace is refused" {
	for who in $(identities); do
		repository "$who"
		ln "$W/.git/config" "$W/innocent"
		run inside "$who" -- /bin/sh -c 'printf "[core]\n\tfsmonitor = /bin/touch\n" >>innocent'
		echo "$status: $output"
		[ "$status" = 125 ]
		none fsmonitor "$W/.git/config"
	done
}

@test "P3: start-up files and configuration of shells, editors and agents do not come to life" {
	local files=(.bashrc .profile .bash_profile .zshrc .zshenv .envrc .vscode/tasks.json .vscode/settings.json .idea/workspace.xml .vimrc .exrc
		.claude/settings.json .mcp.json .cursor/mcp.json .npmrc)
	for who in $(identities); do
		repository "$who"
		inside "$who" -- /payload plant "$evil" "${files[@]}" || true
		for file in "${files[@]}"; do
			[ "$file" != .git/info/attributes ] || continue
			if [ -e "$W/$file" ]; then echo "$who: $file"; bad=1; fi
		done
		[ -z "${bad:-}" ]
	done
}

@test "P1: links that the command leaves where the launcher and its sweep work lead nobody out" {
	for who in $(identities); do
		repository "$who"
		own user "$A/canary"
		before=$(host_state)
		inside "$who" -- /bin/sh -c "mkdir -p .git/hooks x; ln -s '$A/canary/file' .git/hooks/post-commit; ln -s '$A/canary' .git/modules
			ln -s '$A/canary/dir' .vscode; ln -s '$A/canary' .claude; ln -s '$A/canary/file' .bashrc; ln -s '$A/canary/file' .gitmodules
			ln -s '$A/canary' sub; ln -s / root; ln -s . loop; ln -s '$A/canary/file' .envrc; mkdir -p deep; ln -s '$A/canary' deep/.git" || true
		inside "$who" -- /bin/true || true
		inside "$who" -- /bin/sh -c 'rm -rf .vscode; mkdir .vscode; echo x >.vscode/tasks.json; true' || true
		inside "$who" -- /bin/true || true
		unchanged "$before"
	done
}

@test "P5: the same names in other letters" {
	for who in $(identities); do
		repository "$who"
		inside "$who" -- /payload plant "$evil" .GIT/hooks/pre-commit .Git/hooks/pre-commit $'.g\u200cit/hooks/pre-commit' '.git /hooks/pre-commit' \
			GIT~1/hooks/pre-commit .git./hooks/pre-commit || true
		host_works "$who"
	done
}
