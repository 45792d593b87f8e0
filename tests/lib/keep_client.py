#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""keep_client - speaks runtime/session/wire.h with the monitor of a kept sandbox, raw.

For tests: it sends what no library of ours would send, too.  As a program it runs one command:

    keep_client.py DIR [--pty] [--background] [--timeout MS] [--env K=V]... [--cwd DIR] -- CMD [ARG]...

DIR is the directory of the sandbox (it holds "control").  Prints the exit event as JSON on fd 3 if that
is open, and exits with its status.
"""
import array
import json
import os
import socket
import struct
import sys

MAGIC = 0x3158434F
PTY, PROGRAM, BLOB, BACKGROUND, STARTED, CLEAR_ENV, NO_INPUT = (1 << i for i in range(7))
HEAD = struct.Struct("=IIIIIIQQQQHHI")


class Client:
    def __init__(self, directory):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        at = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{at}/control")
        finally:
            os.close(at)
        self.sock.settimeout(20)
        self.events = []

    def raw(self, data, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([data], anc)

    def receive(self):
        """(message, descriptors); (None, []) at the end."""
        data, anc, _flags, _addr = self.sock.recvmsg(1 << 18, socket.CMSG_SPACE(5 * 4))
        fds = []
        for level, kind, text in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += list(array.array("i", text[: len(text) // 4 * 4]))
        return (json.loads(data), fds) if data else (None, [])

    def request(self, op, **members):
        """The answer and its descriptors; events that come meanwhile are kept."""
        self.raw(json.dumps({"op": op, **members}).encode())
        while True:
            message, fds = self.receive()
            if message is None or "op" in message:
                return message, fds
            self.events.append((message, fds))

    def event(self, name=None):
        """The next event, of that name if one is given."""
        for i, (message, fds) in enumerate(self.events):
            if name in (None, message["event"]):
                del self.events[i]
                return message, fds
        while True:
            message, fds = self.receive()
            if message is None or name in (None, message.get("event", message.get("op"))):
                return message, fds
            self.events.append((message, fds))

    @staticmethod
    def message(argv, tag=1, flags=0, env=(), cwd="", timeout=0, memory=0, pids=0, cpus=0, rows=0,
                cols=0):
        strings = b"".join(s.encode("utf-8", "surrogateescape") + b"\0" for s in [cwd, *argv, *env])
        head = HEAD.pack(MAGIC, flags, tag, len(argv), len(env), len(strings), timeout, memory,
                         pids, cpus, rows, cols, 0)
        return head, strings

    def execute(self, argv, fds=(0, 1, 2), flags=0, **how):
        head, strings = self.message(argv, flags=flags, **how)
        if flags & (PTY | BACKGROUND):
            fds = ()
        if flags & BLOB:
            blob = os.memfd_create("strings")
            os.write(blob, strings)
            self.raw(head, (blob, *fds))
            os.close(blob)
        else:
            self.raw(head + strings, fds)

    def run(self, argv, **how):
        """Standard output as text, and the result."""
        r, w = os.pipe()
        null = os.open("/dev/null", os.O_RDWR)
        self.execute(argv, fds=(null, w, w), **how)
        os.close(w)
        os.close(null)
        out = b""
        while chunk := os.read(r, 65536):
            out += chunk
        os.close(r)
        return out.decode("utf-8", "replace"), self.event("exit")[0]["result"]


def main():
    args = sys.argv[1:]
    directory, flags, how, env = args.pop(0), 0, {}, []
    while args and args[0] != "--":
        word = args.pop(0)
        if word == "--pty":
            flags |= PTY
        elif word == "--background":
            flags |= BACKGROUND
        elif word == "--env":
            env.append(args.pop(0))
        elif word == "--cwd":
            how["cwd"] = args.pop(0)
        else:
            how[word[2:]] = int(args.pop(0))
    client = Client(directory)
    client.execute(args[1:], flags=flags, env=env, **how)
    event = client.event("started" if flags & BACKGROUND else "exit")[0]
    text = json.dumps(event)
    try:
        os.write(3, text.encode())
    except OSError:
        print(text, file=sys.stderr)
    sys.exit(event["result"]["status"] if "result" in event else 0)


if __name__ == "__main__":
    main()
