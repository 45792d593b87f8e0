#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# overlay - --access overlay, diff, apply, discard: nothing reaches the host before apply, and then what the command left.

setup() {
	export HOME="$OC_TEST_TMP/home-$BATS_TEST_NUMBER"
	export OPENCLAW_STATE_DIR="$HOME/state"
	mkdir -p "$HOME"
	W="$OC_TEST_TMP/ws-$BATS_TEST_NUMBER"
	mkdir "$W"
}

# shellcheck disable=SC2120
inside() {
	"$OC_SANDBOX" run --access overlay -w "$W" -- "$@" < /dev/null
}

oc() {
	local command=$1
	shift
	"$OC_SANDBOX" "$command" -w "$W" "$@" < /dev/null
}

# Names, types, modes, contents and targets of a tree.
state_of() {
	(cd "$1" && find . -printf '%p %y %m %l\n' | sort && find . -type f -exec sha256sum {} + | sort -k2)
}

# The letters and names of diff, in a row.
names() {
	oc diff --names "$@" | sed 's/  \[.*//' | awk '{print $1 ":" $3}' | tr '\n' ' '
}

fill() {
	mkdir "$W/dir" "$W/gone" "$W/sub"
	printf 'one\ntwo\nthree\n' > "$W/text"
	echo b > "$W/b"
	echo x > "$W/dir/x"
	echo y > "$W/dir/y"
	echo g > "$W/gone/g"
	echo s > "$W/s"
	echo m > "$W/mode"
	chmod 644 "$W/mode" "$W/s" "$W/text" "$W/b" "$W"/*/*
	echo keep > "$W/sub/keep"
	ln -s text "$W/link"
	echo t > "$W/type"
}
CHANGES='printf "one\n2\nthree\n" > text; rm b; rm -r gone; rm -r dir; mkdir dir; echo new > dir/new; mv s s2
chmod 600 mode; ln -sfn b link; mkdir -p n/k; echo deep > n/k/f; rm type; mkdir type; echo in > type/in; echo a >> sub/keep'

@test "nothing on the host changes before apply, and a second run sees what the first did" {
	fill
	before=$(state_of "$W")
	inside sh -c "$CHANGES"
	[ "$(state_of "$W")" = "$before" ]
	run inside cat text dir/new n/k/f type/in
	[ "$status" -eq 0 ]
	[ "$output" = $'one\n2\nthree\nnew\ndeep\nin' ]
	run inside ls -A
	[ "$(echo $output)" = "dir link mode n s2 sub text type" ]
	[ "$(state_of "$W")" = "$before" ]
	[ -z "$(find "$W" -name '.oc-*')" ]
}

@test "diff names: added, modified, deleted, renamed, mode, link, a directory replaced, a type" {
	fill
	inside sh -c "$CHANGES"
	want='M:text D:b D:dir/x D:dir/y A:dir/new D:gone/ D:s A:s2 m:mode M:link A:n/ A:n/k/ A:n/k/f T:type/ A:type/in M:sub/keep '
	[ "$(names | tr ' ' '\n' | sort | tr -d '\n')" = "$(echo "$want" | tr ' ' '\n' | sort | tr -d '\n')" ]
	run oc diff --names
	[[ $output == *'m 0644->0600 mode'* ]]
	[[ $output == *'link -> b'* ]]
	# A copy that is still the same is no change.
	oc discard
	inside sh -c 'touch text; touch -d 2001-01-01 b; chmod 600 mode; chmod 644 mode'
	[ -z "$(names)" ]
}

@test "diff: a unified diff that patch takes, binary said so, one path alone" {
	command -v patch > /dev/null || skip "patch is not installed"
	seq 1 400 > "$W/long"
	printf 'no newline' > "$W/tail"
	printf 'a\0b' > "$W/bin"
	mkdir "$W/d"
	echo x > "$W/d/x"
	cp -a "$W" "$W.copy"
	inside sh -c 'sed -i "s/^7$/seven/; s/^200$/two hundred/; \$d" long; printf "no newline" >> tail; printf "\0c" >> bin; echo y > d/y; echo new > new; rm d/x'
	oc diff > "$HOME/patch"
	grep -q '^Binary or large: 3 -> 5 bytes$' "$HOME/patch"
	grep -q '^@@ -4,7 +4,7 @@$' "$HOME/patch"
	(cd "$W.copy" && patch -s -p1 < "$HOME/patch")
	printf '\0c' >> "$W.copy/bin"
	oc apply
	diff -r "$W" "$W.copy"
	inside sh -c 'echo 2 > d/y; echo 2 > new'
	run oc diff --names d
	[ "$output" = 'M 0644       d/y' ]
}

@test "diff --json" {
	command -v python3 > /dev/null || skip "python3 is not installed"
	fill
	inside sh -c "$CHANGES"
	oc diff --json > "$HOME/json"
	python3 - "$HOME/json" "$W" <<- 'P'
		import json, sys
		d = json.load(open(sys.argv[1]))
		assert d["workspace"] == sys.argv[2] and d["live"] is False and d["incomplete"] is None
		c = {x["path"]: x for x in d["changes"]}
		assert c["text"]["status"] == "modified" and c["text"]["diff"] == "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
		assert c["mode"]["status"] == "mode" and c["mode"]["old"]["mode"] == "0644" and c["mode"]["new"]["mode"] == "0600"
		assert c["b"]["status"] == "deleted" and c["b"]["new"] is None and c["b"]["old"]["type"] == "file"
		assert c["link"]["new"] == {"type": "symlink", "mode": "0777", "target": "b"} and c["link"]["old"]["target"] == "text"
		assert c["type"]["status"] == "type" and c["type"]["new"]["type"] == "directory"
		assert c["n"]["status"] == "added" and c["dir/x"]["status"] == "deleted" and c["gone"]["status"] == "deleted"
		assert not any("conflict" in x or "refused" in x or "risky" in x for x in d["changes"])
	P
	oc discard --json | python3 -c 'import json,sys; assert json.load(sys.stdin)["ok"]'
	oc diff --json | python3 -c 'import json,sys; assert json.load(sys.stdin)["changes"] == []'
}

@test "apply: the real tree is what the command saw, with its owner, and the overlay is gone" {
	fill
	chmod 750 "$W/sub"
	inside sh -c "$CHANGES"
	inside sh -c 'find . -printf "%p %y %m %l\n" | sort; find . -type f -exec sha256sum {} + | sort -k2' > "$HOME/inside"
	oc apply > "$HOME/applied"
	[ "$(grep -c . "$HOME/applied")" -eq 16 ]
	diff "$HOME/inside" <(state_of "$W")
	[ -z "$(find "$W" ! -uid "$(stat -c %u "$W")")" ]
	[ -z "$(names)" ]
	[ -z "$(ls -A "$OPENCLAW_STATE_DIR/sandboxes")" ]
	run oc apply
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "apply one path, then another: the rest stays, and can be changed again" {
	fill
	inside sh -c "$CHANGES"
	oc apply text n/k/f
	[ "$(cat "$W/text")" = $'one\n2\nthree' ]
	[ "$(cat "$W/n/k/f")" = deep ]
	[ -e "$W/b" ]
	[[ "$(names)" != *text* ]]
	[[ "$(names)" != *n/k* ]]
	# What was applied is the real one for the next run, no conflict.
	inside sh -c 'cat text > text2; echo again >> text; echo more >> n/k/f'
	oc apply text n
	[ "$(tail -n 1 "$W/text")" = again ]
	[ "$(tail -n 1 "$W/n/k/f")" = more ]
	run oc apply dir/new
	[ "$status" -eq 125 ]
	[[ $output == *'replaced as a whole'* ]]
	oc apply "$W/dir" /workspace/b
	[ ! -e "$W/b" ]
	[ "$(ls "$W/dir")" = new ]
	run oc apply no/such
	[ "$status" -eq 125 ]
	run oc apply ../x
	[ "$status" -eq 125 ]
	oc apply
	[ -z "$(names)" ]
	[ -d "$W/type" ]
}

@test "apply: a link becomes a directory, a directory a link, a file with holes stays small" {
	ln -s nowhere "$W/was-link"
	mkdir "$W/was-dir" "$W/was-dir/in"
	echo 1 > "$W/was-dir/in/f"
	inside sh -c 'rm was-link; mkdir was-link; echo f > was-link/f; rm -r was-dir; ln -s was-link was-dir; truncate -s 8G holes; echo end >> holes; ln was-link/f hard'
	oc apply > /dev/null
	[ -d "$W/was-link" ]
	[ "$(readlink "$W/was-dir")" = was-link ]
	[ "$(cat "$W/hard")" = f ]
	[ "$(stat -c %s "$W/holes")" -eq $((8 * 1024 * 1024 * 1024 + 4)) ]
	[ "$(stat -c %b "$W/holes")" -lt 1000 ]
	rm "$W/holes"
}

@test "conflicts: what changed below since is listed and nothing is applied" {
	fill
	inside sh -c "$CHANGES"
	echo other >> "$W/text"
	run oc apply
	[ "$status" -eq 1 ]
	[[ $output == *'text  [conflict: changed in the real tree since]'* ]]
	[ -e "$W/b" ]
	[ ! -e "$W/n" ]
	run oc apply b
	[ "$status" -eq 0 ]
	oc discard text
	oc apply
	[ "$(tail -n 1 "$W/text")" = other ]
}

@test "conflicts: a name that is there now, a file in a directory that goes, a file that was deleted below" {
	fill
	inside sh -c "$CHANGES"
	mkdir "$W/n"
	echo mine > "$W/n/k"
	echo late > "$W/gone/late"
	rm "$W/sub/keep"
	run oc apply --json
	[ "$status" -eq 1 ]
	[[ $output == *'"conflicts"'* ]]
	run oc diff --names
	[[ $output == *'gone/  [conflict: something in it changed'* ]]
	[[ $output == *'n/k/  [conflict: changed in the real tree since]'* ]]
	[[ $output == *'sub/keep  [conflict: may have been deleted'* ]]
	[ "$(cat "$W/n/k")" = mine ]
	[ -e "$W/gone/late" ]
	# A directory that both made is none, and the same change on both sides neither.
	oc discard
	rm -r "$W/n" "$W/gone"
	inside sh -c 'mkdir both; echo a > both/a; echo same > same; rm -f b'
	mkdir "$W/both"
	echo b > "$W/both/b"
	echo same > "$W/same"
	rm "$W/b"
	run oc apply
	[ "$status" -eq 0 ]
	[ "$(ls "$W/both" | tr '\n' ' ')" = "a b " ]
}

@test "no conflict: what changed below before the run that changed it above" {
	echo 1 > "$W/f"
	inside sh -c 'echo x > x'
	sleep 0.05
	echo 2 > "$W/f"
	inside sh -c '[ "$(cat f)" = 2 ] && echo 3 > f'
	run oc apply
	[ "$status" -eq 0 ]
	[ "$(cat "$W/f")" = 3 ]
}

@test "risky changes: listed, and applied only when it is said" {
	mkdir -p "$W/.git/hooks" "$W/node_modules/p"
	git init -q "$W" 2> /dev/null || skip "git is not installed"
	echo '{"name":"a","scripts":{"test":"x"},"version":"1"}' > "$W/package.json"
	echo '{"name":"b","version":"1"}' > "$W/other.json"
	printf 'text\n' > "$W/plain"
	printf '#!/bin/sh\n' > "$W/tool"
	chmod 755 "$W/tool"
	inside sh -c 'echo h > .git/hooks/post-commit; echo "[core]" >> .git/config; mkdir -p .github/workflows .vscode; echo c > .github/workflows/ci.yml
echo ok > .github/README; echo v > .vscode/tasks.json; echo "{\"name\":\"a\",\"scripts\":{\"test\":\"y\"}}" > package.json; echo m > Makefile; echo more >> tool
cp /bin/true exe; printf "#!/bin/sh\n" > script; ln -s ../../x out; ln -s /etc abs; ln -s plain in; echo more >> plain; echo e > .envrc; echo "{\"name\":\"c\"}" > other.json'
	before=$(state_of "$W")
	run oc apply
	[ "$status" -eq 1 ]
	[ "$(state_of "$W")" = "$before" ]
	for line in '.git/hooks/post-commit  [risky: git hook]' '.git/config  [risky: git configuration]' 'workflows/ci.yml  [risky: CI' \
		'.vscode/tasks.json  [risky: editor' 'package.json  [risky: package scripts]' 'Makefile  [risky: build file]' \
		'tool  [risky: executable]' 'exe  [risky: executable]' 'script  [risky: script]' 'out -> ../../x  [risky: link' \
		'abs -> /etc  [risky: link' '.envrc  [risky: shell'; do
		[[ $output == *"$line"* ]] || { echo "no $line"; return 1; }
	done
	[[ $output != *plain* ]]
	[[ $output != *README* ]]
	[[ $output != *other.json* ]]
	oc apply --skip-risky
	[ "$(tail -n 1 "$W/plain")" = more ]
	[ "$(cat "$W/.github/README")" = ok ]
	[ ! -e "$W/Makefile" ]
	[ ! -L "$W/out" ]
	# What of a package.json is no script is none.
	run oc apply --dry-run --accept-risky
	[ "$status" -eq 0 ]
	[ ! -e "$W/Makefile" ]
	oc apply --accept-risky
	[ -x "$W/exe" ]
	[ "$(cat "$W/.git/hooks/post-commit")" = h ]
	inside sh -c 'echo "{\"name\":\"z\",\"scripts\":{\"test\":\"y\"}}" > package.json'
	run oc apply
	[ "$status" -eq 0 ]
}

@test "discard: one path, all, and not while a sandbox is at work" {
	fill
	inside sh -c "$CHANGES"
	oc discard text n dir
	[[ "$(names)" != *text* ]]
	[[ "$(names)" != *n/k* ]]
	[[ "$(names)" == *D:b* ]]
	run inside sh -c 'cat text dir/x; ls n'
	[[ $output == *two*x* ]]
	mkfifo "$HOME/go"
	"$OC_SANDBOX" run --access overlay -w "$W" -- sh -c 'echo live > live; cat' < "$HOME/go" > "$HOME/out" 2>&1 &
	pid=$!
	exec 9> "$HOME/go"
	for _ in $(seq 100); do
		[[ "$(names 2> /dev/null)" != *A:live* ]] || break
		sleep 0.05
	done
	run oc diff --names
	[[ $output == *'A 0644       live'* ]]
	[[ $output == *'is at work'* ]]
	run oc apply
	[ "$status" -eq 125 ]
	[[ $output == *'at work'*'stop it'* ]]
	run oc discard
	[ "$status" -eq 125 ]
	run inside true
	[ "$status" -eq 125 ]
	[[ $output == *'another sandbox is at work'* ]]
	exec 9>&-
	wait "$pid"
	oc discard
	[ -z "$(names)" ]
	[ -e "$W/b" ]
	[ -z "$(ls -A "$OPENCLAW_STATE_DIR/sandboxes")" ]
}

@test "kill -9 of apply at any moment: the old or the new, never half, and a second apply finishes" {
	python=$(command -v python3) || skip "python3 is not installed"
	"$python" - "$OC_SANDBOX" "$W" "${OC_KILL_ROUNDS:-100}" <<- 'P'
		import os, random, subprocess, sys, time
		oc, ws, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
		N = 7
		def tree():
		    out = {}
		    for r, d, f in os.walk(ws):
		        for n in d + f:
		            p = os.path.join(r, n)
		            k = os.path.relpath(p, ws)
		            if os.path.islink(p): out[k] = ("l", os.readlink(p))
		            elif os.path.isdir(p): out[k] = ("d",)
		            else: out[k] = ("f", open(p, "rb").read())
		    return out
		def run(*a): return subprocess.run([oc, *a], stdin=subprocess.DEVNULL, capture_output=True, text=True)
		script = """
		i=0; while [ $i -lt %d ]; do
		  cat $i.txt $i.txt > t.$i; mv t.$i $i.txt; echo gen >> same.$i
		  rm -rf dir.$i; if [ $((i %% 2)) = 0 ]; then echo now a file > dir.$i; else mkdir dir.$i; echo new > dir.$i/new; fi
		  rm -f del.$i; mkdir -p new.$i/a/b; echo x%%s > new.$i/a/b/c; ln -sfn target%%s ln.$i
		  i=$((i+1)); done""" % N
		killed = 0
		for r in range(rounds):
		    subprocess.run(["sh", "-c", "rm -rf %s/* %s/.oc*" % (ws, ws)])
		    for i in range(N):
		        open(f"{ws}/{i}.txt", "w").write(f"old {i} {r}\n" * 500)
		        open(f"{ws}/same.{i}", "w").write("s\n")
		        os.mkdir(f"{ws}/dir.{i}"); open(f"{ws}/dir.{i}/f", "w").write("in dir\n"); os.mkdir(f"{ws}/dir.{i}/e")
		        open(f"{ws}/del.{i}", "w").write("del\n")
		    p = run("run", "--access", "overlay", "-w", ws, "--", "sh", "-c", script.replace("%s", str(r)))
		    assert p.returncode == 0, p.stderr
		    old = tree()
		    p = run("run", "--access", "overlay", "-w", ws, "--", "sh", "-c", "cp -a . /tmp/copy && cd /tmp/copy && find . -type f -exec sha256sum {} + | sort")
		    want_sums = p.stdout
		    a = subprocess.Popen([oc, "apply", "-w", ws], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		    time.sleep(random.random() * random.choice((0.005, 0.02, 0.06)))
		    a.kill(); killed += a.wait() == -9
		    mid = tree()
		    p = run("apply", "-w", ws)
		    assert p.returncode == 0, (r, p.stdout, p.stderr)
		    new = tree()
		    for k, v in mid.items():
		        if os.path.basename(k).startswith(".oc-") or "/.oc-" in k or k.startswith(".oc-"): continue
		        assert v in (old.get(k), new.get(k)), (r, k, v, old.get(k), new.get(k))
		    for k, v in old.items():
		        if new.get(k) == v: assert mid.get(k) == v, (r, k)
		    assert not any(os.path.basename(k).startswith(".oc-") for k in new), new.keys()
		    sums = subprocess.run("find . -type f -exec sha256sum {} + | sort", shell=True, cwd=ws, capture_output=True, text=True).stdout
		    assert sums == want_sums, (r, sums, want_sums)
		    p = run("diff", "-w", ws, "--names")
		    assert p.returncode == 0 and p.stdout == "", p.stdout
		print(killed, "of", rounds, "were killed")
		assert killed > rounds // 3
	P
}

@test "explain shows it, the hash has it, and an agent has an overlay of its own" {
	command -v python3 > /dev/null || skip "python3 is not installed"
	fill
	run "$OC_SANDBOX" explain --access overlay -w "$W"
	[[ $output == *'bind overlay of'* ]]
	[[ $output == *"changes       $OPENCLAW_STATE_DIR/sandboxes/"*".overlay"* ]]
	one=$("$OC_SANDBOX" explain --json --access overlay -w "$W" | python3 -c 'import json,sys; p=json.load(sys.stdin); print(p["planHash"], p["access"])')
	two=$("$OC_SANDBOX" explain --json --access rw -w "$W" | python3 -c 'import json,sys; p=json.load(sys.stdin); print(p["planHash"], p["access"])')
	[ "${one%% *}" != "${two%% *}" ]
	[ "${one##* }" = overlay ]
	"$OC_SANDBOX" run --agent a --access overlay -w "$W" -- sh -c 'echo of a > f'
	"$OC_SANDBOX" run --agent b --access overlay -w "$W" -- sh -c '[ ! -e f ] && echo of b > f'
	[ -z "$(names)" ]
	run "$OC_SANDBOX" diff --agent a -w "$W"
	[[ $output == *'+of a'* ]]
	"$OC_SANDBOX" apply --agent b -w "$W"
	[ "$(cat "$W/f")" = "of b" ]
	run "$OC_SANDBOX" apply --agent a -w "$W"
	[ "$status" -eq 1 ]
	# From the configuration.
	mkdir -p "$HOME/agentws"
	cat > "$HOME/c.json" <<- J
		{"agents": {"defaults": {"workspace": "$HOME/agentws", "sandbox": {"workspaceAccess": "overlay"}}, "list": [{"id": "c"}]}}
	J
	"$OC_SANDBOX" run --config "$HOME/c.json" --agent c -- sh -c 'echo c > c'
	[ ! -e "$HOME/agentws/c" ]
	"$OC_SANDBOX" apply --config "$HOME/c.json" --agent c
	[ -e "$HOME/agentws/c" ]
}

@test "what cannot be is an error that says what to do" {
	run "$OC_SANDBOX" run --access overlay -w / -- true
	[ "$status" -eq 125 ]
	OPENCLAW_STATE_DIR="$W/state" run "$OC_SANDBOX" run --access overlay -w "$W" -- true
	[ "$status" -eq 125 ]
	[[ $output == *"cannot be mounted: it contains $W/state"* ]]
	run "$OC_SANDBOX" run --access overlayed -w "$W" -- true
	[ "$status" -eq 125 ]
	inside sh -c 'echo x > x'
	mv "$W" "$W.moved"
	mkdir "$W"
	run inside true
	[ "$status" -eq 125 ]
	[[ $output == *'another directory'* ]]
	run oc apply
	[ "$status" -eq 125 ]
	oc discard
	inside true
}
