#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# egress-clients - programs as people use them go through a sandbox's allowlist unchanged: what they print inside is what they
# print on the host, byte for byte.  Real servers in a world of their own; as root and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../attack/lib
load ../lib/egress

setup_file() {
	attack_setup
	world_start git sshd postgres
	cp "$src"/tests/lib/egress_client.* "$W/known_hosts" "$SHARE/"
	printf '%s\n' 'all of it' "$(head -c 100000 /dev/urandom | base64)" >"$SHARE/upload"
	chmod 644 "$SHARE"/*
}
teardown_file() {
	world_stop
	attack_teardown
}
setup() { fresh; }

# same [OPTION...] -- SCRIPT: the script, which finds $SHARE and $WHO, prints the same on both sides, and something.
same() {
	local who options=() vars=(SHARE="$SHARE" SSH_USER="$TEST_USER" REPOSITORY="$W/repositories/repo.git" A_WS="$A/ws")
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	for who in $(identities); do
		outside "$who" env "${vars[@]}" WHO="$who" SIDE=outside bash -euc "$2" >"$A/expected" </dev/null
		[ -s "$A/expected" ]
		fresh
		inside "$who" "${options[@]}" -- env "${vars[@]}" WHO="$who" SIDE=inside bash -euc "$2" >"$A/got" </dev/null
		diff "$A/expected" "$A/got"
	done
}

@test "curl: HTTP/1.1 and HTTP/2, with and without TLS, over IPv6, up and down, many on one connection" {
	same --allow www.example --allow v6.example --allow web.example -- '
		c="curl -sS --max-time 20 --cacert $SHARE/ca.pem"
		$c http://www.example/large | sha256sum
		for version in --http1.0 --http1.1 --http2 --tls-max\ 1.2; do
			$c $version https://www.example/large | sha256sum
			$c $version -o /dev/null -w "%{http_version} %{http_code} %{ssl_verify_result} %{size_download}\n" https://www.example/large
		done
		$c -T $SHARE/upload https://www.example/upload
		$c -T $SHARE/upload http://www.example/upload
		for url in http https; do
			$c --http1.1 -T - $url://www.example/upload <$SHARE/upload
			$c --http1.1 -T - $url://www.example/who -T - $url://www.example/upload <$SHARE/upload -o /dev/null -w "%{http_code}\n"
			$c --http1.1 -I $url://www.example/who $url://www.example/absent -w "%{num_connects}\n" | grep -v ^Date
		done
		$c --http2 http://www.example/who
		$c -H "Expect: 100-continue" -d @$SHARE/upload https://www.example/upload
		$c https://www.example/who https://www.example/who http://www.example/who -w "%{num_connects}\n"
		$c --parallel $(seq -f "https://www.example/who?%g" 20) | sort | uniq -c
		$c http://v6.example/six
		$c https://v6.example/six
		$c -o /dev/null -w "%{http_code}\n" https://www.example/absent'
	queried 'www.example|v6.example'
}

@test "git over https: clone, fetch, push" {
	same --allow git.example:443 -- '
		export GIT_SSL_CAINFO=$SHARE/ca.pem GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 HOME=$(mktemp -d)
		export GIT_AUTHOR_DATE="2026-01-01 00:00:00 +0000" GIT_COMMITTER_DATE="2026-01-01 00:00:00 +0000"
		git config --global user.name a && git config --global user.email a@a.example
		cd "$HOME"
		git clone -q https://git.example/git/repo.git clone
		cd clone
		git rev-parse HEAD && git fsck --full 2>&1 && sha256sum numbers bytes
		git checkout -q -b "by-https-$SIDE-$WHO"
		seq 50000 >more && git add more && git commit -qm more
		git push -q origin HEAD
		git ls-remote origin "refs/heads/by-https-$SIDE-$WHO" | cut -f1'
	queried git.example
}

@test "git over ssh: clone and push under a tcp: rule" {
	for who in $(identities); do
		install -m 600 "$W/client_key" "$A/ws-$who/key"
		own "$who" "$A/ws-$who/key"
	done
	same --allow tcp:git.example:22 -- '
		[ $SIDE = inside ] && key=$PWD/key || key=$A_WS-$WHO/key
		export HOME=$(mktemp -d) GIT_CONFIG_NOSYSTEM=1
		export GIT_SSH_COMMAND="ssh -F none -i $key -o IdentitiesOnly=yes -o UserKnownHostsFile=$SHARE/known_hosts"
		export GIT_AUTHOR_DATE="2026-01-01 00:00:00 +0000" GIT_COMMITTER_DATE="2026-01-01 00:00:00 +0000"
		git config --global user.name a && git config --global user.email a@a.example
		cd "$HOME"
		git clone -q "ssh://$SSH_USER@git.example$REPOSITORY" clone
		cd clone
		git rev-parse HEAD && sha256sum numbers bytes
		git checkout -q -b "by-ssh-$SIDE-$WHO"
		seq 60000 >more && git add more && git commit -qm more
		git push -q origin HEAD
		git ls-remote origin "refs/heads/by-ssh-$SIDE-$WHO" | cut -f1'
	queried git.example
}

@test "python: urllib, ssl, asyncio, smtplib, half-closes" {
	same --allow www.example --allow tcp:web.example:7,2525 --allow web.example:8090 -- 'python3 $SHARE/egress_client.py $SHARE/ca.pem'
	queried 'www.example|web.example'
}

@test "node: fetch, https with keep-alive, http2" {
	need_program node
	same --allow www.example -- 'NODE_EXTRA_CA_CERTS=$SHARE/ca.pem node $SHARE/egress_client.js'
	queried www.example
}

@test "a static Go program with a resolver of its own" {
	go_client
	same --allow www.example -- '$SHARE/go-client $SHARE/ca.pem'
	queried www.example
}

@test "the same in a root file system that has nothing else: no resolv.conf, no hosts file, no library" {
	go_client
	mkdir -p "$A/rootfs"
	cp "$SHARE/go-client" "$SHARE/ca.pem" "$A/rootfs/"
	for who in $(identities); do
		outside "$who" "$SHARE/go-client" "$SHARE/ca.pem" >"$A/expected"
		outside "$who" "$A/oc-sandbox" run --no-config --rootfs "$A/rootfs" --allow www.example -- /go-client /ca.pem >"$A/got"
		diff "$A/expected" "$A/got"
	done
}

@test "servers of the sandbox's own, on its loopback, are its own as before" {
	same --allow www.example -- '
		mkdir -p /tmp/own.$$ && cd /tmp/own.$$ && echo "own page" >page
		python3 -m http.server --bind 127.0.0.1 38080 >/dev/null 2>&1 & a=$!
		python3 -m http.server --bind ::1 38081 >/dev/null 2>&1 & b=$!
		for url in http://localhost:38080 http://127.0.0.1:38080 "http://[::1]:38081"; do
			for i in {1..100}; do curl -sf $url/page && break; sleep 0.05; done
		done
		kill $a $b'
	queried
}

@test "psql: with TLS and without, by name and by address, under tcp: rules" {
	need_program psql
	same --allow tcp:db.example:5432 --allow tcp:10.1.2.4/32:5432 -- '
		q="select count(*), md5(string_agg(m, chr(44) order by i)) from t"
		psql -X "host=db.example user=tls dbname=postgres sslmode=verify-full sslrootcert=$SHARE/ca.pem" -c "$q" \
			-c "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
		psql -X "host=10.1.2.4 user=tls dbname=postgres sslmode=require" -c "$q"
		for host in db.example 10.1.2.4; do psql -X "host=$host user=plain dbname=postgres sslmode=disable" -c "$q"; done
		psql -X "host=db.example user=tls dbname=postgres" -c "copy (select * from t order by i) to stdout" | sha256sum
		seq 1 30000 | psql -X "host=db.example user=tls dbname=postgres" -q -c "create temp table n (i int)" \
			-c "copy n from stdin" -c "select sum(i) from n"'
	queried db.example
}
