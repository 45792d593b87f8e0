# SPDX-License-Identifier: Apache-2.0
"""Peers of the tests of oc-egress: a name server that counts, and servers of several manners.

    egress_peers.py DIRECTORY

Runs in a network namespace of its own, whose lo has the addresses below.  Makes DIRECTORY/ready when all listen; each question that the
name server gets is one line "NAME TYPE" of DIRECTORY/queries; each connection that a server accepts is one line of DIRECTORY/peers; what
reached a foreign resolver (DNS, DoT, DoH, mDNS) or a UDP server is one line of DIRECTORY/leaks.
"""
import hashlib
import os
import re
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
RESOLVER, NGINX, INNER, METADATA = "93.184.216.53", "93.184.216.80", "10.1.2.3", "169.254.169.254"
WEB6 = "2606:2800:220::34"
ZONE = {
    "web.example": ([WEB], [WEB6]),
    "other.example": ([OTHER], []),
    "v6.example": ([], [WEB6]),
    "slow6.example": ([WEB], ["2606:2800:220::dead"]),  # no route: the next address is taken
    "many.example": ([DEAD, OTHER, WEB], []),
    "private.example": (["10.1.2.3"], []),
    "loop.example": (["127.0.0.1"], ["::1"]),
    "metadata.example": (["169.254.169.254"], ["fd00:ec2::254"]),
    "mixed.example": (["127.0.0.1", WEB], []),
    "mapped.example": ([], ["::ffff:127.0.0.1"]),
    "empty.example": ([], []),
    "www.example": ([NGINX], []),
    "hidden.example": ([NGINX], []),
    "git.example": ([NGINX], []),
    "resolver.example": ([RESOLVER], []),
    "db.example": (["10.1.2.4"], []),
}
# Where a name of somebody else may lead: every spelling of an address that is not the world's (tools-sandbox-audit.md 5.4).
LEADS = [
    "0.0.0.0", "127.0.0.1", "127.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.1.1", METADATA,
    "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a01:203", "64:ff9b::a9fe:a9fe", "64:ff9b::5db8:d822", "64:ff9b:1::7f00:1", "2002:7f00:1::",
    "2002:a01:203::1", "2002:5db8:d822::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "3fff::1", "100::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "fe80::5efe:127.0.0.1", "2606:2800:220::5efe:7f00:1", "4000::1", "5f00::1",
]
for number, lead in enumerate(LEADS):
    ZONE[f"lead{number}.example"] = ([], [lead]) if ":" in lead else ([lead], [])
# An alias: the answer to a name that was asked for is the address of another.
ALIAS = {"alias.example": "loop.example", "good-alias.example": "web.example"}
lock = threading.Lock()


def note(name, line):
    with lock, open(os.path.join(HERE, name), "a", encoding="ascii") as f:
        f.write(line + "\n")


def name_server(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
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
        target = b""
        if name in ALIAS:
            known = ZONE[ALIAS[name]]
            target = b"".join(bytes([len(x)]) + x.encode() for x in ALIAS[name].split(".")) + b"\0"
        rows = [] if known is None else known[0] if kind == 1 else known[1] if kind == 28 else []
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, ttl, len(target)) + target if target else b""
        for a in rows:
            data = socket.inet_pton(socket.AF_INET if kind == 1 else socket.AF_INET6, a)
            answer += (target or b"\xc0\x0c") + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
        flags = 0x8180 | (3 if known is None else 0)
        s.sendto(q[:2] + struct.pack(">HHHHH", flags, 1, len(rows) + bool(target), 0, 0) + question + answer, who)


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


def text_of(q):
    """The name of a DNS question, as text."""
    labels, i = [], 12
    while i < len(q) and q[i]:
        labels.append(q[i + 1 : i + 1 + q[i]].decode("ascii", "replace"))
        i += 1 + q[i]
    return ".".join(labels)


def datagrams(address, port, how):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))

    def run():
        while True:
            data, who = s.recvfrom(4096)
            note("leaks", f"udp {port} {text_of(data) if how == 'dns' else len(data)}")
            s.sendto(data[:2] + b"\x81\x85" + data[4:] if how == "dns" else data, who)

    threading.Thread(target=run, daemon=True).start()


def dns_stream(c):
    q = c.recv(4096)
    note("leaks", f"tcp {c.getsockname()[1]} {text_of(q[2:])}")
    c.sendall(q[:4] + b"\x81\x85" + q[6:])


def doh(c):
    head = c.recv(65536)
    note("leaks", "doh " + head.split(b"\r\n")[0].decode("ascii", "replace"))
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\ndoh")


def proxy(c):
    """An HTTP proxy with CONNECT, a SOCKS5 proxy without passwords: whatever the client speaks."""
    first = c.recv(1, socket.MSG_PEEK)
    if first == b"\x05":
        c.recv(64)
        c.sendall(b"\x05\x00")
        request = c.recv(300)
        where = (request[5 : 5 + request[4]].decode(), struct.unpack(">H", request[-2:])[0])
    else:
        where = c.recv(4096).split()[1].decode().rsplit(":", 1)
    note("leaks", f"proxy {where[0]} {where[1]}")
    c.sendall(b"\x05\x00\x00\x01" + bytes(6) if first == b"\x05" else b"HTTP/1.1 200 OK\r\n\r\n")
    c.sendall(b"through the proxy\n")


def secret(c):
    c.recv(4096)
    body = b"credentials of the host\n"
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def digest(c):
    """The SHA-256 of what was put; for a client that gives the length first."""
    data, want = b"", None
    while want is None or len(body) < want:
        more = c.recv(65536)
        if not more:
            return
        data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        want = (int(length[1]) if length else 0) if b"\r\n\r\n" in data else None
    answer = hashlib.sha256(body).hexdigest().encode() + b"\n"
    c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def upgrade(c):
    """Agrees to leave HTTP when it is asked to; counts the requests of a connection otherwise."""
    for n in range(1, 100):
        head = b""
        while b"\r\n\r\n" not in head:
            more = c.recv(65536)
            if not more:
                return
            head += more
        if b"\r\nupgrade:" in head.lower():
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            return echo(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%d\n" % n)


def mail(c):
    """SMTP: the server speaks first."""
    f = c.makefile("rwb")

    def say(line):
        f.write(line + b"\r\n")
        f.flush()

    say(b"220 mail.example ESMTP")
    text, within = [], False
    for line in f:
        line = line.rstrip(b"\r\n")
        if within and line != b".":
            text.append(line)
        elif within:
            within = False
            say(b"250 " + hashlib.sha256(b"\n".join(text)).hexdigest().encode())
        elif line[:4].upper() == b"DATA":
            within = True
            say(b"354 go on")
        elif line[:4].upper() == b"QUIT":
            return say(b"221 bye")
        else:
            say(b"250 mail.example")


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

    for port in (53, 5300):
        threading.Thread(target=name_server, args=(port,), daemon=True).start()
    for address, family in ((WEB, socket.AF_INET), (OTHER, socket.AF_INET), (WEB6, socket.AF_INET6)):
        serve(address, 80, http, family)
        serve(address, 443, tls, family)
    for port, manner in ((22, banner), (7, echo), (9, sink), (19, flood), (25, half_close), (26, reset), (27, hold)):
        serve(WEB, port, manner)
    serve("127.0.0.1", 80, http)
    serve("127.0.0.1", 443, tls)
    serve(INNER, 5432, banner)

    def within_tls(manner):
        def run(c):
            with context.wrap_socket(c, server_side=True) as t:
                manner(t)

        return run

    for address in (METADATA, INNER):
        serve(address, 80, secret)
    for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        serve(address, 8080, secret, family)
    serve(RESOLVER, 53, dns_stream)
    serve(RESOLVER, 853, within_tls(dns_stream))
    serve(RESOLVER, 443, within_tls(doh))
    serve(WEB, 3128, proxy)
    serve(WEB, 2525, mail)
    serve(WEB, 8090, upgrade)
    serve("127.0.0.1", 8081, digest)
    for address in (RESOLVER, WEB6):
        datagrams(address, 53, "dns")
    for address, port in ((WEB, 7), (WEB, 443), (RESOLVER, 784), (RESOLVER, 853), (WEB6, 443), (METADATA, 80), (INNER, 7)):
        datagrams(address, port, "echo")
    for address, port in (("224.0.0.251", 5353), ("224.0.0.252", 5355)):
        datagrams(address, port, "dns")
    note("ready", "ready")
    threading.Event().wait()


main()
