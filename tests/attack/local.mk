# The attacks: `make attack`.  Programs that they are made with, none of them installed.
check_PROGRAMS += tests/attack/payload tests/attack/without tests/attack/pty tests/attack/exchange
tests_attack_payload_SOURCES = \
	tests/attack/payload.c tests/attack/payload.h \
	tests/attack/payload_bombs.c \
	tests/attack/payload_files.c \
	tests/attack/payload_kernel.c \
	tests/attack/payload_network.c \
	tests/attack/payload_process.c \
	tests/attack/payload_sessions.c
# Static: the sandbox may have another C library than the host, or none.
tests_attack_payload_LDFLAGS = $(STATIC_LDFLAGS)
tests_attack_without_SOURCES = tests/attack/without.c
tests_attack_pty_SOURCES = tests/attack/pty.c
tests_attack_exchange_SOURCES = tests/attack/exchange.c
# Runs inside too.
tests_attack_exchange_LDFLAGS = $(STATIC_LDFLAGS)

ATTACK_TESTS += tests/attack/bombs.bats
ATTACK_TESTS += tests/attack/escape.bats
ATTACK_TESTS += tests/attack/injection.bats
ATTACK_TESTS += tests/attack/ipc.bats
ATTACK_TESTS += tests/attack/kernel.bats
ATTACK_TESTS += tests/attack/kill.bats
ATTACK_TESTS += tests/attack/layers.bats
ATTACK_TESTS += tests/attack/network.bats
ATTACK_TESTS += tests/attack/overlay.bats
ATTACK_TESTS += tests/attack/paths.bats
ATTACK_TESTS += tests/attack/race.bats
ATTACK_TESTS += tests/attack/rootfs.bats
ATTACK_TESTS += tests/attack/sessions.bats
ATTACK_TESTS += tests/attack/terminal.bats
EXTRA_DIST += tests/attack/lib.bash tests/attack/network.py

attack: tests/attack/payload$(EXEEXT) tests/attack/without$(EXEEXT) tests/attack/pty$(EXEEXT) \
	tests/attack/exchange$(EXEEXT) oc-sandbox-weak$(EXEEXT)
