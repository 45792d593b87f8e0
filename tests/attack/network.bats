#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# N1 to N14, and what of C, R and P has to do with the network: a sandbox that may reach some names tries to reach others.  The
# world around it has servers that write down whoever reaches them, and a name server that writes down every question; what must
# not get out is judged by what they saw.  Each attack is first shown to work where nothing holds it back.

bats_require_minimum_version 1.5.0
load lib
load ../lib/egress

setup_file() {
	attack_setup
	world_start
	# Root's run directory has a fixed place: this world has one of its own.
	if [ "$(id -u)" = 0 ]; then nsenter -t "$(cat "$W/world.pid")" -m mount -t tmpfs -o mode=755 none /run; fi
	cp "$attack/payload" "$src/tests/attack/network.py" "$SHARE/"
	chmod 755 "$SHARE"/*
}
teardown_file() {
	world_stop
	attack_teardown
}
setup() { fresh; }

# network WHO [OPTION...] -- ATTEMPT...: network.py inside; 0 when nothing got through.
network() {
	local who=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	inside "$who" "${options[@]}" -- python3 "$SHARE/network.py" "$@" </dev/null
}

# held_back [OPTION...] -- ATTEMPT...: for every identity, and shows what was not.
held_back() {
	local who status
	for who in $(identities); do
		status=0
		output=$(network "$who" "$@" 2>&1) || status=$?
		printf '%s: status %s\n%s\n' "$who" "$status" "$(printf '%s\n' "$output" | grep -v '^ok ' | tail -n 30)"
		[ "$status" = 0 ]
	done
}

# The same program of attacks on the host's side: how many got through.
works_outside() {
	outside user python3 "$SHARE/network.py" "$@" </dev/null 2>&1 | grep -c '^BAD' || true
}

# payload_inside [OPTION...] -- ATTEMPT...: that of payload.c
payload_inside() {
	local who status options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	for who in $(identities); do
		status=0
		output=$(inside "$who" "${options[@]}" -- "$SHARE/payload" "$@" </dev/null 2>&1) || status=$?
		printf '%s: status %s\n%s\n' "$who" "$status" "$(printf '%s\n' "$output" | grep -v '^ok ' | tail -n 30)"
		[ "$status" = 0 ]
		printf '%s\n' "$output" | grep -q '^ok '
	done
}

# broker_of: the pid of the oc-egress that runs now
broker_of() {
	local want id name
	want=$(stat -c '%d:%i' "$A/oc-egress")
	stat -Lc '%d:%i %n' /proc/[0-9]*/exe 2>/dev/null | while read -r id name; do
		if [ "$id" = "$want" ]; then name=${name#/proc/} && echo "${name%/exe}"; fi
	done
}

@test "N1: NUL, CR, LF, blanks, @, %00, wide letters and over-long labels in questions" {
	held_back --allow web.example --allow '*.wild.example' -- names
	unnoticed
	for who in $(identities); do reasons "$who" bad-name bad-dns; done
}

@test "N1: the same in the text of a rule: an error that quotes it, without a byte that a terminal acts on" {
	for rule in 'web.example ' ' web.example' $'web.example\n' $'web.example\r' 'a@web.example' 'web.example%00' 'web..example' '.web.example' \
		'wéb.example' $'\e[31mweb.example' '*' '*.' '*.com' '*.co.uk' 'com' 'w*.example' '*.*.example' 'a.*.example' 'http://web.example' \
		'web.example/x' 'web.example:' 'web.example:0' 'web.example:65536' 'web.example:80-79' 'web.example:80,' 'web.example:080' \
		'127.1' '0x7f000001' '2130706433' '010.0.0.1' '1.2.3.4/33' '1.2.3.4/8' '::1' '[::1' '[::ffff:127.0.0.1]' 'tcp:web.example' 'tcp:' '' \
		'198.18.0.0/15' 'localhost' "$(head -c 300 /dev/zero | tr '\0' a).example" '0.0.0.0' '224.0.0.1' 'TCP:web.example:22'; do
		run inside user --allow "$rule" -- true
		printf '%q: %s\n' "$rule" "$output"
		[ "$status" = 125 ]
		printf '%s' "$output" | none -q -P '[\x00-\x09\x0b-\x1f\x7f]'
		case $rule in '' | *é* | *$'\e'* | *$'\n'* | *$'\r'*) ;; *) [[ ${#rule} -gt 200 || "$output" == *"\"$rule\""* ]] ;; esac
	done
	unnoticed
}

@test "N2: no rule is no network; a list that is not switched on is an error, not an open door" {
	for who in $(identities); do
		for options in '' '--egress none' '--egress allowlist' '--egress allowlist --deny web.example'; do
			# shellcheck disable=SC2086
			run inside "$who" $options -- bash -c 'exec 3<>/dev/tcp/93.184.216.34/80 && echo reached; exec 3<>/dev/tcp/web.example/80 && echo reached'
			printf '%s: %s %s\n' "$options" "$status" "$output"
			[[ "$output" != *reached* ]]
		done
		run inside "$who" --egress none --allow web.example -- true
		[ "$status" = 125 ]
		for egress in '{mode:"none",allow:["web.example"]}' '{allow:[]}' '{mode:"allowlist",allow:"web.example"}' '{mode:"Open"}' '{mode:true}' \
			'{mode:"allowlist",allow:["web.example"],budget:{}}'; do
			printf '{agents:{defaults:{sandbox:{mode:"all",native:{egress:%s}}}}}\n' "$egress" >"$SHARE/config"
			run outside "$who" "$A/oc-sandbox" run --config "$SHARE/config" --workspace "$A/ws-$who" -- \
				bash -c 'exec 3<>/dev/tcp/web.example/80 && echo reached'
			printf '%s: %s %s\n' "$egress" "$status" "$output"
			[ "$status" != 0 ]
			[[ "$output" != *reached* ]]
		done
	done
	unnoticed
	# The door can be open: then it is.
	inside user --egress open -- bash -c 'exec 3<>/dev/tcp/web.example/80 && echo reached' | grep -q reached
}

@test "N3: data in names: A, AAAA, TXT and all else, over UDP, TCP, DoT, DoH, DoQ, mDNS, LLMNR, other resolvers" {
	outside user python3 "$SHARE/network.py" leak >/dev/null
	cat "$W/leaks"
	# Every way out is a way out, where nobody stands in it.
	for way in 'udp 53' 'tcp 53' 'tcp 853' doh 'udp 784' 'udp 853'; do grep -q "^$way" "$W/leaks"; done
	[ "$(grep -c secret "$W/queries")" -gt 0 ]
	fresh
	held_back --allow web.example --allow tcp:web.example:7 -- leak
	unnoticed
	# Nor below a name that is allowed, and not by asking for one that is: only a connection resolves.
	for who in $(identities); do
		inside "$who" --allow web.example --allow '*.wild.example' -- bash -c '
			for n in secret.web.example secret.sub.wild.example; do getent ahosts $n; getent ahostsv6 $n; done' || true
	done
	unnoticed
}

@test "N3: a resolver that is allowed, for DoT: under its own name, and for nothing else" {
	for who in $(identities); do
		fresh
		network "$who" --allow web.example --allow resolver.example:853 -- leak resolver.example >/dev/null
		cat "$W/leaks"
		[ "$(wc -l <"$W/leaks")" = 1 ]
		grep -q 'tcp 853' "$W/leaks"
		queried resolver.example
		reasons "$who" no-name port-not-allowed name-not-allowed
	done
}

@test "N1, N5, N6: first bytes that name another, nobody, two, or are not to be read: none of them goes out" {
	[ "$(works_outside heads)" -gt 100 ]
	fresh
	held_back --allow web.example:9 -- heads
	queried web.example
	if [ -e "$W/sink" ]; then none -v '^0$' "$W/sink"; fi
	for who in $(identities); do
		reasons "$who" name-mismatch no-name two-names ech bad-tls bad-http http2-cleartext not-tls-or-http
		jq -r '.egress.records[] | tostring' "$A/state-$who/result" | none -P '[\x00-\x1f\x7f]'
	done
}

@test "N6: a ClientHello in pieces, in many records, larger than one, is read whole and arrives unchanged" {
	held_back --allow web.example:7 -- good_heads 7
}

@test "N6: ECH is let through where a rule says so, and its outer name is checked all the same" {
	for who in $(identities); do
		status=0
		output=$(network "$who" --allow ech:web.example:9 -- heads) || status=$?
		printf '%s\n' "$output" | grep BAD
		[ "$(printf '%s\n' "$output" | grep -c '^BAD')" -ge 3 ]
		printf '%s\n' "$output" | grep '^BAD' | none -v -E '^BAD TLS: (ECH|ECH in front|ECH of the inner kind|ESNI):'
	done
}

@test "N5: fronting: another page of the same server, by Host and by server name" {
	[ "$(works_outside fronts x)" -ge 2 ]
	fresh
	held_back --allow www.example -- fronts x
	queried www.example
	for who in $(identities); do reasons "$who" name-mismatch no-name; done
}

@test "N5: another name in the ClientHello that follows a HelloRetryRequest" {
	[ "$(works_outside retry x)" = 1 ]
	held_back --allow www.example -- retry x
}

@test "N5: requests that are smuggled behind or into another: by pipelining, bodies, chunks, codings, upgrades" {
	[ "$(works_outside smuggle)" -gt 50 ]
	held_back --allow www.example -- smuggle
	queried www.example
	for who in $(identities); do reasons "$who" name-mismatch bad-http; done
}

@test "N5: what cannot be looked at (Host within TLS) goes to the peer that was allowed, and to no other" {
	for who in $(identities); do
		network "$who" --allow www.example -- within x || true
		[ "$(jq '[.egress.records[] | select(.event == "connect" and .decision == "allow") | .name] | unique == ["www.example"]' "$A/state-$who/result")" = true ]
	done
	queried www.example
	# nginx's own server behind it may still be writing down what the test before has asked for.
	if [ -e "$W/peers" ]; then none -v '^127.0.0.1 8081$' "$W/peers"; fi
}

@test "N5: proxies: CONNECT and SOCKS, to one that is not allowed and to one that is" {
	[ "$(works_outside proxies)" = 6 ]
	fresh
	held_back --allow web.example:80,3128 -- proxies
	if [ -e "$W/leaks" ]; then false; fi
	# The environment of a program changes nothing about it.
	for who in $(identities); do
		for proxy in http://93.184.216.34:3128 http://web.example:3128 socks5h://web.example:3128; do
			run inside "$who" --allow web.example:80,3128 -e "http_proxy=$proxy" -e "https_proxy=$proxy" -e "all_proxy=$proxy" -- \
				curl -sSk -m 5 http://other.example/ https://other.example/
			printf '%s: %s\n' "$proxy" "$output"
			[ "$status" != 0 ]
			[[ "$output" != *hello* && "$output" != *through* ]]
		done
	done
	if [ -e "$W/leaks" ]; then false; fi
}

@test "N7: an allowed name leads to every kind of address that is not public, in every spelling" {
	leads=$(grep -c '"' <(sed -n '/^LEADS = \[/,/^\]/p' "$src/tests/lib/egress_peers.py" | tr ',' '\n' | grep '"'))
	[ "$leads" -gt 40 ]
	rules=()
	for i in $(seq 0 $((leads - 1))); do rules+=(--allow "lead$i.example:80,8080"); done
	# Some of them are servers of this host: they answer.
	[ "$(works_outside leads "$leads")" -gt 5 ]
	fresh
	held_back "${rules[@]}" -- leads "$leads"
	queried 'lead[0-9]+.example'
	if [ -e "$W/peers" ]; then cat "$W/peers"; false; fi
	for who in $(identities); do
		[ "$(jq '.egress.reasons["address-class"]' "$A/state-$who/result")" = $((leads * 2)) ]
	done
}

@test "N7: an alias to a private address, a name of the host's own hosts file, an answer that changes" {
	for who in $(identities); do
		run inside "$who" --allow alias.example --allow hosts-file.example --allow metadata.example --allow private.example -- \
			curl -sS -m 5 http://alias.example/ http://hosts-file.example/ http://metadata.example/ http://private.example/
		[ "$status" != 0 ]
		[[ "$output" != *hello* && "$output" != *credentials* ]]
		reasons "$who" address-class
		inside "$who" --allow good-alias.example -- curl -sS -m 5 http://good-alias.example/ | grep -q hello
	done
	# Public when it is asked for first, loopback ever after.
	status=0
	output=$(inside user --allow rebind.example -- bash -c '
		curl -sS -m 5 http://rebind.example/
		for i in 1 2 3 4; do sleep 0.4; curl -sS -m 5 http://rebind.example/; done' 2>&1) || status=$?
	echo "$output"
	[ "$(grep -c '^127' "$W/peers")" = 0 ]
	# They are servers; who names their address, or its class, gets there.
	inside user --allow private.example --allow-private private -- curl -sS -m 5 http://private.example/ | grep -q credentials
	inside user --allow metadata.example --allow 169.254.169.254/32:80 -- curl -sS -m 5 http://metadata.example/ | grep -q credentials
	run inside user --allow metadata.example --allow-private link-local -- curl -sS -m 5 http://metadata.example/
	[ "$status" != 0 ]
	run inside user --allow metadata.example --allow-private metadata -- true
	[ "$status" = 125 ]
}

@test "N7, N8: addresses by number, in every spelling, and names that are always this host" {
	[ "$(works_outside addresses)" -gt 20 ]
	fresh
	held_back --allow web.example --allow '*.wild.example' -- addresses
	unnoticed
	# An open door does not lead to the host either.
	for who in $(identities); do
		output=$(network "$who" --egress open -- addresses) || true
		printf '%s\n' "$output" | grep '^BAD' | none -v -E '^BAD (93\.184\.216\.34|1572395042|0x5db8d822|::ffff:93\.184\.216\.34|2606:2800:220::34) '
	done
	if [ -e "$W/peers" ]; then none -E '^(127|10\.|169\.|::1)' "$W/peers"; fi
	if [ -e "$W/queries" ]; then none -E 'localhost|internal' "$W/queries"; fi
	for name in loop metadata private alias hosts-file mapped; do
		run inside user --egress open -- curl -sS -m 5 "http://$name.example/"
		[ "$status" != 0 ]
		[[ "$output" != *hello* && "$output" != *credentials* ]]
	done
}

@test "N8: UDP, QUIC, ICMP, UDP-Lite, SCTP, DCCP, MPTCP, raw sockets, IPv6 in every form" {
	fails outside user "$SHARE/payload" protocols
	[ -s "$W/leaks" ]
	[ -s "$W/peers" ]
	fresh
	payload_inside --allow web.example -- protocols
	unnoticed
	# Nor where everything public is open: TCP it is, and nothing else.
	for who in $(identities); do
		output=$(inside "$who" --egress open -- "$SHARE/payload" protocols </dev/null) || true
		printf '%s\n' "$output" | grep '^BAD' | none -v -E '^BAD (MPTCP|TCP|TCP over IPv6|TCP, IPv4-mapped|TCP fast open):'
		[ "$(jq '.egress.packets.udp' "$A/state-$who/result")" -gt 0 ]
	done
	if [ -e "$W/leaks" ]; then false; fi
}

@test "N8: source routes, IPv6 extension headers" {
	payload_inside --allow web.example -- headers
	unnoticed
}

@test "N8: rules, routes, connections and settings of the namespace are not the payload's" {
	# In a namespace of its own, which it may spoil.
	[ "$(outside user unshare -Urn "$SHARE/payload" netadmin </dev/null | grep -c '^BAD')" -gt 10 ]
	payload_inside --allow web.example -- netadmin
	# The filter gone, there still is no capability.
	for who in $(identities); do
		mv "$A/oc-sandbox" "$A/oc-sandbox-strong"
		cp "$A/oc-sandbox-weak" "$A/oc-sandbox"
		status=0
		output=$(outside "$who" env OC_TEST_DROP=seccomp "$A/oc-sandbox" run --no-config --bind "$SHARE:$SHARE" --allow web.example -- \
			"$SHARE/payload" netadmin </dev/null) || status=$?
		mv -f "$A/oc-sandbox-strong" "$A/oc-sandbox"
		printf '%s\n' "$output" | grep '^BAD' | none -v 'network namespace of its own'
		printf '%s\n' "$output" | grep -q '^ok nft'
	done
}

@test "N9, N10: no other socket family and no io_uring with a network either" {
	payload_inside --allow web.example -- families
	payload_inside --allow web.example -- entries
	payload_inside --allow web.example -- arches
}

@test "N11: abstract sockets of the host, services on its loopback" {
	outside user bash -c "echo \$\$ >'$A/ws-user/server'; exec socat ABSTRACT-LISTEN:oc-network-$$,fork EXEC:/bin/true" \
		>/dev/null 2>&1 3>&- </dev/null &
	for _ in {1..60}; do grep -q "oc-network-$$" "/proc/$(cat "$W/world.pid")/net/unix" && break; sleep 0.05; done
	fails outside user "$SHARE/payload" unix "@oc-network-$$"
	payload_inside --allow web.example -- unix "@oc-network-$$" /run/oc-sandbox "$A/state-user/run" "$W/cgi.sock"
	for port in 80 443 8080 8081; do
		fails outside user "$SHARE/payload" internet 127.0.0.1 $port
		for who in $(identities); do
			inside "$who" --allow web.example -- "$SHARE/payload" internet 127.0.0.1 $port </dev/null
		done
	done
	kill "$(cat "$A/ws-user/server")"
}

@test "N12: the broker and the monitor are not to be seen, traced, signalled" {
	payload_inside --allow web.example -- others 4096
	for who in $(identities); do
		[ "$(inside "$who" --allow web.example -- bash -c 'cat /proc/[0-9]*/comm' </dev/null | grep -c -E 'oc-egress')" = 0 ]
	done
}

@test "the broker's own ports: bound first, shared, talked to, from whatever source" {
	payload_inside --allow web.example -- ports
	unnoticed
}

@test "synthetic addresses that nobody was given, and one source port for many destinations" {
	held_back --allow web.example -- guesses
	unnoticed
	for who in $(identities); do reasons "$who" unknown-synthetic; done
	held_back --allow www.example --allow other.example -- sources
	queried 'www.example|other.example'
}

@test "C1: another sandbox's network: its ports, its names, its addresses, its door" {
	for who in $(identities); do
		mkfifo "$A/ws-$who/go"
		own "$who" "$A/ws-$who/go"
		inside "$who" --allow web.example -- python3 -c '
import socket
socket.getaddrinfo("web.example", 80)
l = socket.create_server(("0.0.0.0", 7777)); a = socket.socket(socket.AF_UNIX); a.bind("\0oc-first"); a.listen()
print("up", flush=True); open("/workspace/go").read()' >"$A/first" &
		first=$!
		for _ in {1..600}; do grep -q up "$A/first" && break; sleep 0.05; done
		status=0
		output=$(inside "$who" --allow other.example -- bash -c '
			for a in 127.0.0.1 192.0.0.8 127.0.0.2; do exec 3<>/dev/tcp/$a/7777 && echo reached $a; done
			'"$SHARE"'/payload unix @oc-first || echo reached abstract
			exec 3<>/dev/tcp/198.18.0.1/80 && printf "GET / HTTP/1.1\r\nHost: web.example\r\n\r\n" >&3 && cat <&3
			ls -d /run/oc-sandbox '"$A/state-$who"'/run && echo reached the door' 2>&1) || status=$?
		echo "$output"
		timeout 5 bash -c "echo x >'$A/ws-$who/go'"
		wait "$first"
		rm "$A/ws-$who/go"
		[[ "$output" != *reached* && "$output" != *hello* ]]
	done
	unnoticed
}

@test "C1: the door of another sandbox, shown by mistake: it is not for a payload; its own is never shown" {
	for who in $(identities); do
		mkdir -m 700 "$A/door-$who"
		mkdir -m 755 "$A/door-$who/inner"
		own "$who" "$A/door-$who"
		# A sandbox whose run directory is where another state directory does not expect it.
		rm -f "$A/ws-$who"/flag*
		OC_DOOR=$A/door-$who outside "$who" env -u XDG_RUNTIME_DIR OPENCLAW_STATE_DIR="$A/door-$who" "$A/oc-sandbox" run --no-config \
			--workspace "$A/ws-$who" --bind "$SHARE:$SHARE" --allow web.example -- \
			bash -c 'touch flag.up; for i in {1..100}; do [ ! -e flag ] || exit 0; sleep 0.1; done' &
		job=$!
		for _ in {1..600}; do [ -e "$A/ws-$who/flag.up" ] && break; sleep 0.05; done
		for access in ro rw; do
			status=0
			output=$(network "$who" --bind "$A/door-$who:/door:$access" --allow www.example -- door /door) || status=$?
			printf '%s %s: %s\n' "$who" "$access" "$output"
			[ "$status" = 0 ]
		done
		# That it would be one: from the host's side it answers.
		if [ "$who" = user ]; then
			fails outside "$who" python3 "$SHARE/network.py" door "$A/door-$who"
		fi
		touch "$A/ws-$who/flag"
		wait "$job"
		# Its own: wherever it is, it cannot be mounted.
		run outside "$who" env OPENCLAW_STATE_DIR="$A/door-$who" "$A/oc-sandbox" run --no-config --bind "$A/door-$who:/door" \
			--allow web.example -- ls -R /door
		[ "$status" = 125 ]
	done
}

@test "N14: a connection does not outlive its rule" {
	for who in $(identities); do
		rm -f "$A/ws-$who"/flag*
		network "$who" --allow tcp:web.example:7 --allow other.example -- held_open /workspace/flag >"$A/held" 2>&1 &
		job=$!
		for _ in {1..600}; do [ -e "$A/ws-$who/flag.up" ] && break; sleep 0.05; done
		id=$(outside "$who" "$A/oc-sandbox" net list | tail -n 1 | cut -d' ' -f1)
		outside "$who" "$A/oc-sandbox" net deny "$id" web.example
		status=0
		wait "$job" || status=$?
		cat "$A/held"
		[ "$status" = 0 ]
		reasons "$who" rule-removed
	done
}

@test "P12: kill -9 of the monitor at any time: no broker, no door, no process is left, and nothing opens" {
	for who in $(identities); do
		for delay in 0 0.003 0.006 0.009 0.012 0.016 0.02 0.03 0.05 0.1 0.3; do
			rm -f "$A/ws-$who/pid"
			# shellcheck disable=SC2016
			outside "$who" bash -c 'echo $$ >"$0"; exec "$@"' "$A/ws-$who/pid" "$A/oc-sandbox" run --no-config --allow web.example -- \
				bash -c 'while :; do exec 3<>/dev/tcp/web.example/80; sleep 0.02; done' >/dev/null 2>&1 &
			job=$!
			for _ in {1..600}; do [ -s "$A/ws-$who/pid" ] && break; done
			sleep "$delay"
			kill -9 "$(cat "$A/ws-$who/pid")"
			wait "$job" 2>/dev/null || true
		done
		for _ in {1..60}; do
			left=$(broker_of)
			[ -n "$left" ] || break
			sleep 0.05
		done
		[ -z "$left" ]
		nothing_left
		[ "$(outside "$who" "$A/oc-sandbox" net list | wc -l)" -le 1 ]
		# Where it had its directory, in this world.
		place=$A/state-$who/run
		if [ "$who" = root ]; then place=/run/oc-sandbox; fi
		left=$(outside "$who" ls -A "$place")
		echo "$left"
		[ -z "$left" ]
	done
}

@test "C7: without the broker's program there is no sandbox; a broker that ends cuts the network and nothing opens" {
	for who in $(identities); do
		mv "$A/oc-egress" "$A/oc-egress-away"
		run inside "$who" --allow web.example -- echo ran
		mv "$A/oc-egress-away" "$A/oc-egress"
		echo "$output"
		[ "$status" = 125 ]
		[[ "$output" == *oc-egress* && "$output" != *ran* ]]
		printf '#!/bin/true\n' >"$A/fake" && chmod 755 "$A/fake"
		mv "$A/oc-egress" "$A/oc-egress-away"
		cp /bin/true "$A/oc-egress"
		run inside "$who" --allow web.example -- echo ran
		mv "$A/oc-egress-away" "$A/oc-egress"
		echo "$output"
		[ "$status" = 125 ]
		[[ "$output" != *ran* ]]
	done
	unnoticed
	for who in $(identities); do
		fresh
		rm -f "$A/ws-$who"/flag*
		network "$who" --allow tcp:web.example:7 --allow web.example -- bereaved /workspace/flag >"$A/bereaved" 2>&1 &
		job=$!
		for _ in {1..600}; do [ -e "$A/ws-$who/flag.up" ] && break; sleep 0.05; done
		kill -9 "$(broker_of)"
		rm -f "$W/peers"
		touch "$A/ws-$who/flag"
		status=0
		wait "$job" || status=$?
		cat "$A/bereaved"
		[ "$status" = 0 ]
		[ "$(jq -r .egress.broker "$A/state-$who/result")" != served ]
		[ ! -e "$W/peers" ]
		none -q BAD "$A/bereaved"
	done
}

@test "C7: a broker that hangs does not hold the time limit" {
	for who in $(identities); do
		rm -f "$A/ws-$who"/flag*
		SECONDS=0
		inside "$who" --timeout 3s --allow web.example -- bash -c '
			touch flag.up; sleep 0.5; exec 3<>/dev/tcp/web.example/80 && cat <&3; sleep 60' >"$A/hangs" 2>&1 &
		job=$!
		for _ in {1..600}; do [ -e "$A/ws-$who/flag.up" ] && break; sleep 0.02; done
		kill -STOP "$(broker_of)"
		id=$(outside "$who" "$A/oc-sandbox" net list | tail -n 1 | cut -d' ' -f1)
		run outside "$who" timeout 20 "$A/oc-sandbox" net deny "$id" web.example
		[ "$status" != 0 ]
		status=0
		wait "$job" || status=$?
		cat "$A/hangs"
		echo "status $status after $SECONDS s"
		[ "$status" = 124 ]
		[ "$SECONDS" -lt 8 ]
		[ -z "$(broker_of)" ]
		none -q hello "$A/hangs"
		[ "$(jq -r .egress.broker "$A/state-$who/result")" = ended ]
	done
}

@test "R1: half-open connections to the limit, slow heads: what is open goes on, the place comes back" {
	held_back --allow web.example --allow tcp:web.example:7 --ulimit nofile=4096 -- half_open 2300
	for who in $(identities); do reasons "$who" limit; done
}

@test "R1: 10,000 connections a minute" {
	held_back --allow web.example --allow tcp:web.example:7 -- rate 3000
	echo "$output"
}

@test "R1: a flood of questions" {
	held_back --allow web.example --allow '*.wild.example' -- questions 2
	queried web.example
}

@test "R1: connection tracking to its limit: the table is the sandbox's own, its neighbours and the host have theirs" {
	rm -f "$A/ws-user"/flag*
	inside user --allow web.example -- bash -c "$SHARE"'/payload tracking 280000; touch flag
		for i in $(seq 100); do [ ! -e flag.end ] || exit 0; sleep 0.1; done' &
	job=$!
	for _ in {1..600}; do [ -e "$A/ws-user/flag" ] && break; sleep 0.05; done
	[ -e "$A/ws-user/flag" ]
	for who in $(identities); do
		inside "$who" --allow web.example -- curl -sS -m 5 http://web.example/ | grep -q hello
		outside "$who" curl -sS -m 5 http://web.example/ | grep -q hello
	done
	touch "$A/ws-user/flag.end"
	wait "$job"
}

# tracked PROGRAM [DROP]: entries of connection tracking that one sandbox has after 60,000 datagrams, as the host sees it.
tracked() {
	local job pid
	rm -f "$A/ws-user"/flag*
	outside user env OC_TEST_DROP="${2-}" "$A/$1" run --no-config --workspace "$A/ws-user" --bind "$SHARE:$SHARE" --allow web.example -- \
		bash -c "$SHARE"'/payload tracking 60000; touch flag
		for i in $(seq 100); do [ ! -e flag.end ] || exit 0; sleep 0.1; done; : tracked' >/dev/null 2>&1 3>&- &
	job=$!
	for _ in {1..200}; do [ -e "$A/ws-user/flag" ] && break; sleep 0.05; done
	pid=$(pgrep -f '^bash -c .*tracking 60000.*: tracked$' | head -n 1)
	nsenter -t "$pid" -n cat /proc/sys/net/netfilter/nf_conntrack_count
	touch "$A/ws-user/flag.end"
	wait "$job"
}

@test "R1: connections of a sandbox that the kernel remembers are bounded; without the bound all are there" {
	[ "$(id -u)" = 0 ] || skip "not root: only root looks into another network namespace"
	local bounded all
	bounded=$(tracked oc-sandbox)
	all=$(tracked oc-sandbox-weak egress-tracking)
	echo "$bounded of $all"
	[ "$bounded" -lt 8000 ]
	[ "$all" -gt 50000 ]
}

@test "C11: what the sandbox writes into records does not get out of its line, and drops are counted" {
	for who in $(identities); do
		network "$who" --allow web.example --allow tcp:web.example:7 -- questions 1
		network "$who" --allow web.example --allow tcp:web.example:7 -- names || true
		jq -e '.egress.records | length > 10' "$A/state-$who/result" >/dev/null
		none -q -P '[\x00-\x09\x0b-\x1f\x7f\x{202e}]' "$A/state-$who/result"
	done
}
