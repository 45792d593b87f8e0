# SPDX-License-Identifier: Apache-2.0
"""What an ordinary Python program does with the network; prints nothing that differs between two runs.

    egress_client.py CA-FILE
"""
import asyncio
import hashlib
import smtplib
import socket
import ssl
import sys
import urllib.error
import urllib.request

CA = ssl.create_default_context(cafile=sys.argv[1])


def sha(data):
    return hashlib.sha256(data).hexdigest()


print("urllib", sha(urllib.request.urlopen("http://www.example/large", timeout=20).read()))
print("urllib", sha(urllib.request.urlopen("https://www.example/large", timeout=20, context=CA).read()))
put = urllib.request.Request("https://www.example/upload", bytes(range(256)) * 4096, method="PUT")
print("urllib", urllib.request.urlopen(put, timeout=20, context=CA).read().decode().strip())
try:
    urllib.request.urlopen("https://www.example/absent", timeout=20, context=CA)
except urllib.error.HTTPError as e:
    print("urllib", e.code)

with CA.wrap_socket(socket.create_connection(("www.example", 443), 20), server_hostname="www.example") as s:
    names = sorted(v for k, v in s.getpeercert()["subjectAltName"] if k == "DNS")
    print("ssl", s.version(), s.getpeername()[1], names)
    s.sendall(b"GET /who HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n")
    print("ssl", s.makefile("rb").read().split(b"\r\n\r\n")[1])


async def one(i):
    reader, writer = await asyncio.open_connection("www.example", 443, ssl=CA)
    writer.write(b"GET /large?%d HTTP/1.0\r\nHost: www.example\r\n\r\n" % i)
    data = await reader.read()
    writer.close()
    return sha(data.split(b"\r\n\r\n", 1)[1])


async def many():
    got = await asyncio.gather(*(one(i) for i in range(8)))
    print("asyncio", sorted(set(got)), len(got))


asyncio.run(many())

with smtplib.SMTP("web.example", 2525, timeout=20, local_hostname="client.example") as mail:
    mail.mail("a@client.example")
    mail.rcpt("b@mail.example")
    print("smtp", mail.data("line\r\n" * 5000))

with socket.create_connection(("web.example", 7), 20) as s:
    s.sendall(b"x" * 300000)
    s.shutdown(socket.SHUT_WR)
    data = b""
    while True:
        more = s.recv(65536)
        if not more:
            break
        data += more
    print("half-close", sha(data))

# Out of HTTP, as web sockets do.
with socket.create_connection(("web.example", 8090), 20) as s:
    s.sendall(b"GET / HTTP/1.1\r\nHost: web.example:8090\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1000)
    for frame in (b"\x81\x85\0\0\0\0hello", bytes(range(256)) * 300, b"\r\n\r\n\0GET /"):
        s.sendall(frame)
        got = b""
        while len(got) < len(frame):
            got += s.recv(65536)
        print("upgrade", head.split(b"\r\n")[0], got == frame)
