#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tty - terminals: job control, Ctrl-C, resize, and a caller's terminal that the command cannot touch.

setup() {
	export HOME="$OC_TEST_TMP/home"
	mkdir -p "$HOME"
	command -v expect > /dev/null || skip "expect is not installed"
}

dialogue() {
	expect -c "set timeout 20
proc die {} { puts TIMEOUT; exit 9 }
$1"
}

@test "a terminal of its own: isatty, a pts inside, job control" {
	run dialogue 'spawn $env(OC_SANDBOX) run -- bash --norc -i
expect -re {\$ } {} timeout die
send "tty; test -t 0 && test -t 1 && echo is-a-tty\r"
expect -re {/dev/pts/\d+\r.*is-a-tty} {} timeout die
send "sleep 50 &\r"
expect -re {\[1\] \d+} {} timeout die
send "jobs; kill %1; wait; echo jobs-done\r"
expect -re {Running.*jobs-done} {} timeout die
send "sleep 60\r"
sleep 0.5
send "\032"
expect -re {Stopped} {} timeout die
send "kill %1; exit 5\r"
expect -re {There are|exit} {}
send "exit 5\r"
expect eof
lassign [wait] a b c code
exit $code'
	[ "$status" -eq 5 ]
}

@test "Ctrl-C interrupts the command, not the sandbox" {
	echo 'trap "echo got-int; exit 5" INT; echo started; sleep 100 & wait' > "$OC_TEST_TMP/script"
	run dialogue 'spawn $env(OC_SANDBOX) run --bind $env(OC_TEST_TMP)/script:/script -- bash --norc -i
expect -re {\$ } {} timeout die
send "sh /script\r"
expect -re {started\r\n} {} timeout die
send "\003"
expect -re {got-int\r\n} {} timeout die
send "exit 6\r"
expect eof
lassign [wait] a b c code
exit $code'
	echo "$output"
	[ "$status" -eq 6 ]
}

@test "the size of the window is passed, and its change" {
	run dialogue 'spawn -noecho bash --norc --noprofile
send "stty rows 33 cols 77; $env(OC_SANDBOX) run -- bash --norc -i\r"
sleep 1
send "stty size\r"
expect -re {33 77} {} timeout die
stty rows 44 columns 99 < $spawn_out(slave,name)
sleep 0.5
send "stty size\r"
expect -re {44 99} {} timeout die
send "exit\r"
sleep 0.3
send "exit\r"
expect eof'
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "the terminal is as it was when the command has ended" {
	run dialogue 'spawn -noecho bash --norc --noprofile
send "stty -g > $env(OC_TEST_TMP)/before; $env(OC_SANDBOX) run -- true; stty -g > $env(OC_TEST_TMP)/after; echo end-\$?\r"
expect -re {end-0} {} timeout die
send "exit\r"
expect eof'
	[ "$status" -eq 0 ]
	cmp "$OC_TEST_TMP/before" "$OC_TEST_TMP/after"
}

@test "only the output is a terminal: the input is passed, the output still is a terminal inside" {
	echo 'cat; test -t 0 || echo in-no-tty; test -t 1 && echo out-is-tty' > "$OC_TEST_TMP/script"
	run dialogue 'spawn -noecho bash --norc --noprofile
send "echo from-pipe | $env(OC_SANDBOX) run --bind $env(OC_TEST_TMP)/script:/script -- sh /script\r"
expect -re {from-pipe\r\n.*in-no-tty\r\n.*out-is-tty} {} timeout die
send "exit\r"
expect eof'
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "--no-tty: pipes, and the caller's terminal is still not passed" {
	echo 'test -t 1 || echo no-tty; readlink /proc/self/fd/1; echo to-err >&2' > "$OC_TEST_TMP/script"
	run dialogue 'spawn -noecho bash --norc --noprofile
send "$env(OC_SANDBOX) run --no-tty --bind $env(OC_TEST_TMP)/script:/script -- sh /script\r"
expect -re {no-tty\r\n.*pipe:} {} timeout die
expect -re {to-err} {} timeout die
send "exit\r"
expect eof'
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "--tty without a terminal is an error" {
	run "$OC_SANDBOX" run --tty -- true < /dev/null
	[ "$status" -eq 125 ]
	[[ "$output" == *tty* ]]
}
