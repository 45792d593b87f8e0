#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Words that are taken for something else: options behind the command, ids, names of files, the environment of the launcher.

bats_require_minimum_version 1.5.0
load lib
setup_file() { attack_setup; }
teardown_file() { attack_teardown; }

@test "an argument of the command is never an option of ours (CVE-2024-32462)" {
	for who in $(identities); do
		run -127 sandbox "$who" -- --ro-bind / /host
		run sandbox "$who" -- /bin/echo --bind "$A/canary:/c" --allow-missing seccomp -- --user=0
		[ "$status" = 0 ]
		[ "$output" = "--bind $A/canary:/c --allow-missing seccomp -- --user=0" ]
		# Also without "--": from the first word that is no option.
		run as "$who" "$A/oc-sandbox" run --no-config /bin/echo --bind "$A/canary:/c"
		[ "$output" = "--bind $A/canary:/c" ]
		run as "$who" "$A/oc-sandbox" run --no-config -- /bin/sh -c 'test ! -e /c' --bind "$A/canary:/c"
		[ "$status" = 0 ]
		for word in -- - '' --help -h '-e' '--result=/etc/x'; do
			status=0
			output=$(sandbox "$who" -- "$word" x 2>&1) || status=$?
			[ "$status" != 0 ]
			echo "$output" | none -q '^usage'
		done
	done
}

@test "spellings of an id (CVE-2026-30892)" {
	for id in '' ' ' '+1' '-1' ' 1' '1 ' '1:' ':1' '1:2:3' '4294967295' '4294967296' '18446744073709551617' '0' '0:0' '1:0' '0:1' '00' '01' \
		'0x0' '0x1' '1e3' '1.0' 'root' '1:root' '1000 :0' $'1\n0' '١' '1,2' '1/0' '1:-1' '1:4294967296' '2147483648x'; do
		run as user "$A/oc-sandbox" run --no-config --user "$id" -- id -u
		printf '%q: %s: %s\n' "$id" "$status" "$output"
		[ "$status" = 125 ]
	done
	for id in 1 1:2 1234:1 65534 4294967294:4294967294; do
		run as user "$A/oc-sandbox" run --no-config --user "$id" -- /bin/sh -c 'echo $(id -u):$(id -g)'
		printf '%s: %s: %s\n' "$id" "$status" "$output"
		[ "$status" = 0 ]
		[ "${output%%:*}" = "${id%%:*}" ]
		case $id in *:*) [ "${output##*:}" = "${id##*:}" ] ;; esac
	done
}

@test "the environment of the caller does not reach the command, and does not steer the launcher (CVE-2021-21261)" {
	for who in $(identities); do
		output=$(LD_PRELOAD=$A/canary/file LD_LIBRARY_PATH=$A LD_AUDIT=x GCONV_PATH=$A CANARY=canary BASH_ENV=$A/canary/file ENV=$A/canary/file \
			MALLOC_CHECK_=7 GLIBC_TUNABLES=glibc.malloc.check=3 TMPDIR=$A/canary LOCPATH=$A NLSPATH=$A IFS=x PS4='$(id)' PYTHONPATH=$A \
			as "$who" "$A/oc-sandbox" run --no-config -- /usr/bin/env 2>/dev/null </dev/null)
		printf '%s\n' "$output"
		printf '%s\n' "$output" | none -E -i 'canary|preload|LD_|GCONV|MALLOC|TUNABLES|BASH_ENV|^ENV=|PYTHON|PS4|oc-attack'
		for name in LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV GCONV_PATH NODE_OPTIONS PYTHONSTARTUP GIT_SSH_COMMAND IFS PS4 LD_anything \
			'BASH_FUNC_x%%' '' '=' 'A B' $'A\nB' '-x'; do
			run sandbox "$who" --env "$name=x" -- /usr/bin/env
			printf '%q: %s\n' "$name" "$status"
			[ "$status" = 125 ]
		done
	done
}

@test "a set-user-id or capable copy of the launcher refuses to work (CVE-2016-8659, CVE-2026-41163)" {
	need_root
	cp "$A/oc-sandbox" "$A/suid"
	chmod 4755 "$A/suid"
	run as user "$A/suid" run --no-config -- /bin/echo ran
	[ "$status" = 125 ]
	echo "$output" | none -qx ran
	chmod 755 "$A/suid"
	if command -v setcap >/dev/null; then
		setcap cap_sys_admin+ep "$A/suid"
		run as user "$A/suid" run --no-config -- /bin/echo ran
		[ "$status" = 125 ]
		echo "$output" | none -qx ran
	fi
	rm "$A/suid"
	[ ! -u "$launcher" ]
}

@test "the launcher starts no shell, and opens no name in a directory that others write (CVE-2019-12439, P6)" {
	need_program strace
	for who in $(identities); do
		as "$who" strace -f -qq -e signal=none -o "$A/home-$who/trace" -e trace=execve,openat,open,openat2,mkdirat,mkdir,symlinkat,linkat,rename \
			"$A/oc-sandbox" run --no-config -- /bin/true </dev/null
		grep 'execve("' "$A/home-$who/trace"
		grep 'execve("' "$A/home-$who/trace" | none -v -E "execve\(\"($A/oc-sandbox|/bin/true)\""
		# Before the root of the sandbox is entered /tmp is the host's.
		sed '/pivot_root/q' "$A/home-$who/trace" | grep -E '"/(var/)?tmp/?[^"]*"' | grep -v "$A" | none -v O_PATH
	done
	none -n -E '\b(system|popen|wordexp|mktemp|tmpnam|tempnam)\(' "$src"/base/*.c "$src"/runtime/*/*.c
}

@test "P5: names that are no text: workspaces, arguments, results" {
	local name
	for who in $(identities); do
		for name in $'new\nline' $'\xff\xfe' '-dash' '--bind' 'a b' $'\e[31m' '$(id)' '`id`' '"quote"' "'" '*' $'\u202egpj' '.git' 'a,b' '%s%n'; do
			mkdir -p "$A/names-$who/$name"
			own "$who" "$A/names-$who"
			status=0
			output=$(as "$who" "$A/oc-sandbox" run --no-config --result "$A/home-$who/result" --workspace "$A/names-$who/$name" \
				--env "NAME=x" -- /bin/sh -c 'echo in > "$0" && cat -- "$0"' "./$name.txt" 2>&1 </dev/null) || status=$?
			printf '%q: %s: %q\n' "$name" "$status" "$output"
			# Either it works, on that directory and no other, or it is refused.
			if [ "$status" = 0 ]; then
				[ "$output" = in ]
				[ -f "$A/names-$who/$name/$name.txt" ]
			else
				[ "$status" = 125 ]
				printf '%s' "$output" | LC_ALL=C none -q $'[\e\x01-\x08]'
			fi
			[ "$(wc -l <"$A/home-$who/result")" = 1 ]
		done
		rm -rf "$A/names-$who"
	done
}

@test "P2: a link in the source of a bind leads nowhere that its target could not be named" {
	mkdir -p "$A/home-user/.ssh" "$A/home-root/.ssh" "$A/links"
	echo KEY >"$A/home-user/.ssh/id"
	echo KEY >"$A/home-root/.ssh/id"
	own user "$A/home-user"
	for who in $(identities); do
		ln -sfn "$A/home-$who/.ssh" "$A/links/ssh"
		ln -sfn "$A/home-$who" "$A/links/home"
		ln -sfn ssh "$A/links/chain"
		ln -sfn links/../home-"$who" "$A/links-up"
		ln -sfn /etc "$A/links/etc"
		ln -sfn / "$A/links/root"
		ln -sfn /proc "$A/links/proc"
		for source in "$A/links/ssh" "$A/links/home/.ssh" "$A/links/chain" "$A/links/chain/id" "$A/links-up/.ssh" "$A/links/ssh/../.ssh" \
			"$A/home-$who" "$A/home-$who/.ssh" "$A/links/etc" "$A/links/etc/ssh" "$A/links/root" "$A/links/root/etc" "$A/links/root/root" \
			"$A/links/proc/self/root" /proc/self/root /proc/self/cwd "/proc/self/fd/0" "$A/links/../home-$who/.ssh" / /etc /root /run /var/run \
			/dev /sys /proc "$A//home-$who/./.ssh" /etc/shadow; do
			status=0
			output=$(sandbox "$who" --bind "$source:/x" -- /bin/sh -c 'cat /x /x/id /x/.ssh/id 2>/dev/null; ls /x' 2>&1 </dev/null) || status=$?
			printf '%s: %s: %s\n' "$source" "$status" "$output"
			[ "$status" = 125 ]
			printf '%s\n' "$output" | none -q KEY
		done
	done
}

@test "bad input: exit 125, a message, nothing left" {
	local who=user long
	long=$(head -c 100000 /dev/zero | tr '\0' a)
	for option in "--bind=$A/../../etc:/x" "--bind=$A:relative" "--bind=$A:/x/../../y" "--bind=:/x" "--bind=$A:/" "--bind=$A:/proc" "--bind=$A:/dev/x" \
		"--bind=$A/absent" "--bind=$long" "--workdir=relative" "--workdir=/absent" "--tmpfs=relative" "--tmpfs=/x:size=-1" "--tmpfs=/x:mode=9" "--memory=-1" \
		"--memory=99999999999999999999g" "--pids=0" "--pids=-1" "--cpus=0" "--timeout=-1" "--ulimit=nofile=x" "--hostname=$long" "--hostname=a/b" \
		"--rootfs=$A/absent" "--rootfs=/" "--workspace=$A/absent" "--seccomp=none" "--seccomp=unconfined" "--profile=../../x" "--result=/proc/x" \
		"--env=A" "--unknown" "--workspace=/" "--workspace=$A/canary/link" "--access=rx"; do
		run as "$who" "$A/oc-sandbox" run --no-config "$option" -- /bin/echo ran
		printf '%.60s: %s: %.200s\n' "$option" "$status" "$output"
		[ "$status" = 125 ]
		echo "$output" | grep -q '^oc-sandbox: '
	done
	local many=()
	for i in {1..10000}; do many+=(--bind "$A/canary:/b/$i"); done
	run as "$who" "$A/oc-sandbox" run --no-config "${many[@]}" -- /bin/true
	[ "$status" = 125 ]
	nothing_left
}

@test "P1, P6: the result is not written through a link, nor forged by the command" {
	for who in $(identities); do
		before=$(host_state)
		ln -s "$A/canary/file" "$A/ws-$who/result"
		own user "$A/canary/file"
		before=$(host_state)
		run sandbox "$who" --result "$A/ws-$who/result" -- /bin/true
		[ "$status" = 125 ]
		unchanged "$before"
		rm "$A/ws-$who/result"
		status=0
		sandbox "$who" --result "$A/ws-$who/result" -- /bin/sh -c 'ls; for i in 1 2 3 4 5 6 7 8 9; do
			printf "%2000d\n" 1; done > result; rm -f result; ln -s /etc/passwd result' >/dev/null 2>&1 </dev/null || status=$?
		[ "$status" = 125 ] || [ -L "$A/ws-$who/result" ]
		unchanged "$before"
		rm -f "$A/ws-$who/result"
		sandbox "$who" --result "$A/ws-$who/result" -- /bin/sh -c 'printf "%20000s\n" FORGED >> result' >/dev/null 2>&1 </dev/null || true
		[ ! -e "$A/ws-$who/result" ] || [ "$(grep -c FORGED "$A/ws-$who/result")" = 0 ]
		rm -f "$A/ws-$who/result"
	done
}

@test "P8: the order of mounts on the command line does not matter" {
	mkdir -p "$A/order/sub"
	chmod -R a+rX "$A/order"
	a=$(as user "$A/oc-sandbox" run --no-config --bind "$A/order:/x" --tmpfs /x/sub -- /bin/sh -c 'ls -a /x /x/sub; touch /x/f; touch /x/sub/f; ls /x/sub' 2>&1) || true
	b=$(as user "$A/oc-sandbox" run --no-config --tmpfs /x/sub --bind "$A/order:/x" -- /bin/sh -c 'ls -a /x /x/sub; touch /x/f; touch /x/sub/f; ls /x/sub' 2>&1) || true
	echo "$a"
	[ "$a" = "$b" ]
}
