# SPDX-License-Identifier: Apache-2.0
"""Inside of a sandbox, step by step: each line of the standard input is one step, each prints one line.

    open NAME PORT   a connection that stays; "open" if what it echoes comes back, else "refused"
    wait             until the last one is closed by the other side: "closed"
    name NAME        "known" or "unknown"
"""
import socket
import sys

kept = []


def opens(name, port):
    try:
        s = socket.create_connection((name, port), 10)
        s.sendall(b"x")
        if s.recv(1) != b"x":
            return False
    except OSError:
        return False
    kept.append(s)
    return True


def closes():
    kept[-1].settimeout(10)
    try:
        return kept[-1].recv(1) == b""
    except ConnectionResetError:
        return True
    except OSError:
        return False


def known(name):
    try:
        return bool(socket.gethostbyname(name))
    except OSError:
        return False


print("ready", flush=True)
for line in sys.stdin:
    step, *words = line.split()
    if step == "open":
        said = "open" if opens(words[0], int(words[1])) else "refused"
    elif step == "wait":
        said = "closed" if closes() else "still open"
    else:
        said = "known" if known(words[0]) else "unknown"
    print(said, flush=True)
