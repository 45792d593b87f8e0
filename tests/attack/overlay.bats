#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What a command leaves in an overlay is hostile: diff, apply and discard read it, and somebody else may be at work in the real
# tree meanwhile.

load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

# As own of lib, the group too: what belongs to another id of the host cannot be changed above it (EOVERFLOW).
own() {
	local who=$1
	shift
	if [ "$(id -u)" = 0 ] && [ "$who" = user ]; then chown -hR "$TEST_USER:" "$@"; fi
}

# A new workspace of that identity.
workspace() {
	W=$A/ov-$1
	rm -rf "$W"
	as "$1" "$A/oc-sandbox" discard --no-config -w "$A/ov-$1" 2>/dev/null || true
	mkdir "$W"
	own "$1" "$W"
}

inside() {
	local who=$1
	shift
	as "$who" "$A/oc-sandbox" run --no-config --quiet --access overlay -w "$W" --bind "$A/payload:/payload" "$@" </dev/null
}

oc() {
	local who=$1 command=$2
	shift 2
	as "$who" "$A/oc-sandbox" "$command" --no-config -w "$W" "$@" </dev/null
}

upper_of() {
	as "$1" "$A/oc-sandbox" explain --no-config --access overlay -w "$W" |
		sed -n 's,^  changes  *\(/.*\.overlay\)$,\1/data/upper,p'
}

@test "sockets and fifos of the host are no way out through the overlay" {
	need_program python3
	for who in $(identities); do
		workspace "$who"
		as "$who" python3 - "$W" "$A/state-$who" <<-'P' &
			import os, socket, sys, time
			os.umask(0)
			s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + "/sock"); s.listen(1)
			os.mkfifo(sys.argv[1] + "/fifo")
			fd = os.open(sys.argv[1] + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
			open(sys.argv[1] + "/ready", "w")
			s.settimeout(8)
			try: s.accept(); open(sys.argv[2] + "/reached", "w")
			except OSError: pass
			if os.read(fd, 1): open(sys.argv[2] + "/reached", "w")
		P
		peer=$!
		for _ in $(seq 100); do [ -e "$W/ready" ] || sleep 0.05; done
		run inside "$who" -- python3 -c '
import os, socket, sys
bad = 0
try: socket.socket(socket.AF_UNIX).connect("sock"); bad = 1
except OSError as e: print(e)
try: os.write(os.open("fifo", os.O_WRONLY | os.O_NONBLOCK), b"x"); bad = 1
except OSError as e: print(e)
sys.exit(bad)'
		kill "$peer" 2>/dev/null || true
		wait "$peer" || true
		[ "$status" -eq 0 ]
		[ ! -e "$A/state-$who/reached" ]
	done
}

@test "marks of overlayfs that the command sets itself mean nothing" {
	need_program python3
	for who in $(identities); do
		workspace "$who"
		mkdir "$W/d"
		echo keep >"$W/d/keep"
		echo keep >"$W/keep"
		own "$who" "$W"
		inside "$who" -- python3 -c '
import os
os.mkdir("new"); open("f", "w").write("f")
for p in (".", "d", "new", "f", "keep"):
    for k in ("opaque", "whiteout", "whiteouts", "redirect", "metacopy", "origin", "impure", "nlink", "protattr"):
        for name in ("user.overlay." + k, "user.overlay.overlay." + k, "trusted.overlay." + k):
            try: os.setxattr(p, name, b"y")
            except OSError: pass
for n in ("keep2", "d/keep2"):
    try: os.mknod(n, 0o020600, 0); print("a whiteout was made")
    except OSError: pass
' >"$A/out-$who"
		[ ! -s "$A/out-$who" ]
		run oc "$who" diff --names
		[ "$status" -eq 0 ]
		none '^D' <<<"$output"
		oc "$who" apply --accept-risky
		[ "$(cat "$W/d/keep" "$W/keep")" = $'keep\nkeep' ]
		[ "$(cat "$W/f")" = f ]
	done
}

@test "an upper tree that no kernel wrote: links for directories, devices, set-user-id, hard links, odd marks" {
	need_program python3
	for who in $(identities); do
		workspace "$who"
		mkdir -p "$W/dir/sub" "$W/real"
		echo real >"$W/real/file"
		echo 1 >"$W/dir/sub/1"
		own "$who" "$W"
		inside "$who" -- sh -c 'echo x >x'
		U=$(upper_of "$who")
		before=$(host_state)
		as "$who" python3 - "$U" "$A/canary" <<-'P'
			import os, socket, sys
			u, canary = sys.argv[1:]
			os.symlink(canary, u + "/dir")
			os.symlink(canary + "/dir", u + "/real")
			os.mkfifo(u + "/fifo")
			s = socket.socket(socket.AF_UNIX)
			try: s.bind(u + "/sock")
			except OSError: pass
			open(u + "/suid", "w").write("#!/bin/sh\n"); os.chmod(u + "/suid", 0o6755)
			open(u + "/mark", "w").close()
			for k in ("whiteout", "redirect", "metacopy"):
			    try: os.setxattr(u + "/mark", "user.overlay." + k, b"/../../etc/passwd")
			    except OSError: pass
			os.mkdir(u + "/redirected"); os.setxattr(u + "/redirected", "user.overlay.redirect", b"/real")
			os.setxattr(u + "/redirected", "user.overlay.opaque", b"yes")
			if os.getuid() == 0:
			    os.mknod(u + "/sda", 0o060666, os.makedev(8, 0)); os.mknod(u + "/null", 0o020666, os.makedev(1, 3))
			for n in (b"a\nb", b"\x1b]0;title\x07", b"\xff\xfe", "\u202etxt.exe".encode(), b"-rf", b"x" * 255):
			    open(u.encode() + b"/" + n, "w").write("\x1b[31m red \u202e\u2066 \x9b1m \x07\n")
			os.mkdir(u + "/none"); open(u + "/none/f", "w").write("f"); os.chmod(u + "/none", 0)
			open(u + "/noread", "w").write("f"); os.chmod(u + "/noread", 0)
		P
		oc "$who" diff >"$A/diff-$who"
		oc "$who" diff --json >"$A/json-$who"
		python3 - "$A/diff-$who" "$A/json-$who" <<-'P'
			import json, sys
			t = open(sys.argv[1], "rb").read().decode()
			assert not any((c < " " and c not in "\t\n") or "\x7f" <= c < "\xa0" or c in "\u202e\u2066" for c in t), "raw controls"
			assert "canary" not in t.replace("/canary", "").replace("canary/", ""), t
			j = json.load(open(sys.argv[2]))
			c = {x.get("pathHex", x["path"]): x for x in j["changes"]}
			assert c["dir"]["status"] == "type" and "outside" in c["dir"]["risky"] and c["real"]["status"] == "type"
			assert not any(p.startswith(("dir/", "real/")) for p in c)
			assert "fifo" in c["fifo"]["refused"] and "set-user-id" in c["suid"]["refused"]
			assert c["mark"]["status"] == "added" and c["mark"]["new"]["size"] == 0
			assert c["fffe"]["status"] == "added"
		P
		run oc "$who" apply
		[ "$status" -eq 1 ]
		[ "$(cat "$W/real/file")" = real ]
		unchanged "$before"
		oc "$who" apply --accept-risky >/dev/null
		unchanged "$before"
		[ -L "$W/dir" ]
		[ ! -e "$W/suid" ]
		[ ! -e "$W/sda" ]
		[ ! -p "$W/fifo" ]
		[ -z "$(find "$W" -perm /6000)" ]
		oc "$who" discard
		unchanged "$before"
	done
}

@test "links are swapped into the real tree while apply writes: nothing is written or removed outside" {
	for who in $(identities); do
		for round in 1 2 3 4 5 6; do
			workspace "$who"
			mkdir "$W/d" "$W/d/e"
			for i in $(seq 40); do echo old >"$W/d/f$i"; echo old >"$W/d/e/g$i"; done
			ln -s "$A/canary/dir" "$W/l"
			ln -s "$A/canary/dir" "$W/l2"
			own "$who" "$W"
			chmod -R a+rwX "$A/canary"
			inside "$who" -- sh -c 'for i in $(seq 40); do echo new >d/f$i; rm d/e/g$i; echo n >d/inner$i; done; echo bad >d/inner; rm -rf d/e'
			before=$(host_state)
			as "$who" "$A/exchange" 2 "$W/d" "$W/l" >/dev/null &
			racer=$!
			for _ in $(seq 30); do oc "$who" apply >/dev/null 2>&1 || true; done
			unchanged "$before"
			wait "$racer" || true
			[ "$round" -lt 6 ] || chmod -R go-w "$A/canary"
		done
	done
}

@test "the command swaps directories for links while diff reads: no byte from outside is shown" {
	for who in $(identities); do
		workspace "$who"
		echo SECRET-CANARY >"$A/canary/dir/zz"
		chmod a+r "$A/canary/dir/zz"
		cp "$A/exchange" "$A/exchange-in"
		as "$who" "$A/oc-sandbox" run --no-config --quiet --access overlay -w "$W" --bind "$A/exchange-in:/exchange" -- \
			sh -c "mkdir d d/e; echo in >d/zz; echo in >d/e/zz; ln -s '$A/canary/dir' l; echo f >f; ln -s '$A/canary/dir/zz' fl; /exchange 4 d l f fl" \
			</dev/null >/dev/null &
		running=$!
		end=$(($(date +%s) + 4))
		n=0
		while [ "$(date +%s)" -lt "$end" ]; do
			oc "$who" diff >"$A/race-out" 2>&1 || true
			none -F SECRET-CANARY "$A/race-out"
			n=$((n + 1))
		done
		wait "$running" || true
		[ "$n" -gt 10 ]
		oc "$who" discard
		rm "$A/canary/dir/zz"
	done
}

@test "4096 levels: read, applied, dropped" {
	need_program python3
	for who in $(identities); do
		workspace "$who"
		inside "$who" -- python3 -c '
import os
for i in range(4096):
    os.mkdir("d"); os.chdir("d")
open("f", "w").write("deep")'
		run oc "$who" diff --names
		[ "$status" -eq 0 ]
		[ "$(wc -l <<<"$output")" -eq 4097 ]
		timeout 120 "$BASH" -c "$(declare -f as oc); A='$A' W='$W' TEST_USER='$TEST_USER'; oc $who apply" >/dev/null
		[ "$(find "$W" -name f -type f | wc -l)" -eq 1 ]
		# Removed above (the kernel takes long for each level of that), then below.
		rm -r "$W/d"
		for _ in $(seq 400); do printf 'd/'; done >"$A/deep"
		mkdir -p "$W/$(cat "$A/deep")"
		own "$who" "$W"
		inside "$who" -- sh -c 'rm -r d'
		run oc "$who" apply
		[ "$status" -eq 0 ]
		[ ! -e "$W/d" ]
		inside "$who" -- python3 -c '
import os
for i in range(4096):
    os.mkdir("d"); os.chdir("d")'
		oc "$who" discard
		[ -z "$(ls -A "$A/state-$who/sandboxes")" ]
	done
}

@test "100,000 files: read, applied in part and dropped within a bounded time" {
	need_program python3
	who=user
	workspace "$who"
	# Links are made faster than files; below they become files of their own.
	inside "$who" --timeout 200 -- python3 -c '
import os
for d in range(100):
    os.mkdir(f"d{d}"); open(f"d{d}/0", "w").write(str(d))
    for f in range(1, 1000): os.link(f"d{d}/0", f"d{d}/{f}")'
	start=$(date +%s)
	[ "$(oc "$who" diff --names | wc -l)" -eq 100100 ]
	oc "$who" apply d7 d42 | tail -n 1
	[ "$(find "$W" -type f -links 1 | wc -l)" -eq 2000 ]
	[ "$(cat "$W/d7/999")" = 7 ]
	[ "$(oc "$who" diff --names | wc -l)" -eq 98098 ]
	oc "$who" discard
	took=$(($(date +%s) - start))
	echo "took $took s"
	[ "$took" -lt 120 ]
	[ -z "$(oc "$who" diff --names)" ]
}

@test "an upper tree that grows while diff reads: it ends" {
	for who in $(identities); do
		workspace "$who"
		inside "$who" --timeout 6 -- sh -c 'i=0; while :; do mkdir -p g$((i % 50)); echo $i >g$((i % 50))/$i; echo $i >>big; i=$((i + 1)); done' >/dev/null 2>&1 &
		running=$!
		sleep 0.5
		for _ in 1 2 3 4 5 6; do
			status=0
			timeout 20 "$BASH" -c "$(declare -f as oc); A='$A' W='$W' TEST_USER='$TEST_USER'; oc $who diff" >/dev/null 2>&1 || status=$?
			[ "$status" != 124 ]
			[ "$status" -lt 126 ]
		done
		wait "$running" || true
		oc "$who" discard
	done
}

@test "a directory that becomes one of git in two rounds: what makes it one is risky" {
	for who in $(identities); do
		workspace "$who"
		# shellcheck disable=SC2016
		inside "$who" -- sh -c 'mkdir /workspace/x && printf "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = \"echo OWNED >&2; false\"\n" >/workspace/x/config'
		# Not yet: to git it is nothing.
		oc "$who" apply
		inside "$who" -- sh -c 'cd /workspace/x && mkdir -p objects/info refs/heads && echo k >objects/info/k && echo k >refs/heads/k && echo "ref: refs/heads/master" >HEAD'
		run oc "$who" apply
		[ "$status" -eq 1 ] || { echo "$output"; return 1; }
		[[ $output == *"x/HEAD"*"makes its directory one of git"* ]] || { echo "$output"; return 1; }
		[ ! -e "$W/x/HEAD" ]
		# All at once it is so, too; and with the word for it it is done, and git does what it says.
		run as "$who" git -C "$W/x" status
		[[ $output != *OWNED* ]]
		oc "$who" apply --accept-risky
		run as "$who" git -C "$W/x" -c safe.directory='*' status
		[[ $output == *OWNED* ]] || { echo "no exploit: $output"; return 1; }
	done
}

@test "a file of the name that apply uses for itself stops nothing else" {
	for who in $(identities); do
		workspace "$who"
		inside "$who" -- sh -c 'echo one >/workspace/one'
		upper=$(upper_of "$who")
		id=$(sed -n 's/.*"id":[ ]*"\([0-9a-f]*\)".*/\1/p' "${upper%/data/upper}/meta.json")
		[ -n "$id" ]
		inside "$who" -- sh -c "echo two >/workspace/.oc-$id.tmp"
		run oc "$who" apply
		echo "$output"
		[ "$(cat "$W/one")" = one ]
		[ ! -e "$W/.oc-$id.tmp" ]
	done
}
