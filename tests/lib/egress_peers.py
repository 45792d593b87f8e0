# SPDX-License-Identifier: Apache-2.0
"""Peers of the tests of oc-egress: a name server that counts, and servers of several manners.

    egress_peers.py DIRECTORY

Runs in a network namespace of its own, whose lo has the addresses below.  Makes DIRECTORY/ready when all listen; each question that the
name server gets is one line "NAME TYPE" of DIRECTORY/queries; each connection that a server accepts is one line of DIRECTORY/peers.
"""
import os
import resource
import socket
import ssl
import struct
import sys
import threading
import time

HERE = sys.argv[1]
# What is public and what is not is a matter of numbers; these are on lo of this namespace.
WEB, OTHER, DEAD = "93.184.216.34", "93.184.216.35", "93.184.216.36"
ZONE = {
    "web.example": ([WEB], ["2606:2800:220::34"]),
    "other.example": ([OTHER], []),
    "v6.example": ([], ["2606:2800:220::34"]),
    "slow6.example": ([WEB], ["2606:2800:220::dead"]),  # no route: the next address is taken
    "many.example": ([DEAD, OTHER, WEB], []),
    "private.example": (["10.1.2.3"], []),
    "loop.example": (["127.0.0.1"], ["::1"]),
    "metadata.example": (["169.254.169.254"], ["fd00:ec2::254"]),
    "mixed.example": (["127.0.0.1", WEB], []),
    "mapped.example": ([], ["::ffff:127.0.0.1"]),
    "empty.example": ([], []),
}
lock = threading.Lock()


def note(name, line):
    with lock, open(os.path.join(HERE, name), "a", encoding="ascii") as f:
        f.write(line + "\n")


def name_server():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 5300))
    rebound = 0
    while True:
        q, who = s.recvfrom(4096)
        labels, i = [], 12
        while q[i]:
            labels.append(q[i + 1 : i + 1 + q[i]].decode("ascii", "replace"))
            i += 1 + q[i]
        kind = struct.unpack(">H", q[i + 1 : i + 3])[0]
        question = q[12 : i + 5]
        name = ".".join(labels).lower()
        note("queries", f"{name} {kind}")
        if name == "silent.example":
            continue
        known = ZONE.get(name)
        ttl = 30
        if name == "rebind.example":
            # The first answer is public, all later ones are not; no time to live.
            rebound += kind == 1
            known, ttl = ([WEB] if rebound == 1 else ["127.0.0.1"], []), 0
        if known is None and name.endswith(".wild.example"):
            known = ([WEB], [])
        rows = [] if known is None else known[0] if kind == 1 else known[1] if kind == 28 else []
        answer = b""
        for a in rows:
            data = socket.inet_pton(socket.AF_INET if kind == 1 else socket.AF_INET6, a)
            answer += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
        flags = 0x8180 | (3 if known is None else 0)
        s.sendto(q[:2] + struct.pack(">HHHHH", flags, 1, len(rows), 0, 0) + question + answer, who)


def serve(address, port, manner, family=socket.AF_INET):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(4096)

    def run():
        while True:
            c, _ = s.accept()
            note("peers", f"{address} {port}")
            threading.Thread(target=guarded, args=(manner, c), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()


def guarded(manner, c):
    try:
        manner(c)
    except OSError:
        pass
    finally:
        c.close()


def echo(c):
    while True:
        data = c.recv(65536)
        if not data:
            break
        c.sendall(data)
    c.shutdown(socket.SHUT_WR)


def banner(c):
    c.sendall(b"SSH-2.0-test\r\n")
    echo(c)


def http(c):
    head = b""
    while b"\r\n\r\n" not in head:
        data = c.recv(65536)
        if not data:
            return
        head += data
    first = head.split(b"\r\n", 1)[0]
    body = b"hello from http: " + first + b"\n"
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def sink(c):
    total = 0
    while True:
        data = c.recv(1 << 20)
        if not data:
            break
        total += len(data)
    note("sink", str(total))
    c.sendall(b"%d\n" % total)


def flood(c):
    block = bytes(1 << 16)
    for _ in range(1024):
        c.sendall(block)


def half_close(c):
    """Says its piece when the client has said all of its own."""
    data = b""
    while True:
        more = c.recv(65536)
        if not more:
            break
        data += more
    c.sendall(b"got %d\n" % len(data))


def reset(c):
    c.recv(1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hold(c):
    c.recv(1 << 20)
    time.sleep(3600)


def main():
    # An ordinary user's soft limit of 1024 is less than the connections that one test opens.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.makedirs(HERE, exist_ok=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(HERE, "cert.pem"), os.path.join(HERE, "key.pem"))

    def tls(c):
        with context.wrap_socket(c, server_side=True) as t:
            http(t)

    threading.Thread(target=name_server, daemon=True).start()
    for address, family in ((WEB, socket.AF_INET), (OTHER, socket.AF_INET), ("2606:2800:220::34", socket.AF_INET6)):
        serve(address, 80, http, family)
        serve(address, 443, tls, family)
    for port, manner in ((22, banner), (7, echo), (9, sink), (19, flood), (25, half_close), (26, reset), (27, hold)):
        serve(WEB, port, manner)
    serve("127.0.0.1", 80, http)
    serve("127.0.0.1", 443, tls)
    serve("10.1.2.3", 5432, banner)
    note("ready", "ready")
    threading.Event().wait()


main()
