#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input and load against a gateway on loopback: gateway_input.py PORT TOKEN CASE...   Prints what went wrong; exit 1."""
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway_client import WS, Closed, opened  # noqa: E402

PORT, TOKEN = int(sys.argv[1]), sys.argv[2]


def same(what, got, want):
    if got != want:
        raise AssertionError(f'{what}: {got!r}, expected {want!r}')


def code_of(*frames, auth=True):
    """Close code and reason after these raw bytes."""
    w = opened(PORT, TOKEN) if auth else WS(PORT)
    if not auth:
        w.challenge()
    for f in frames:
        w.raw(f)
    return w.close_code()


M = WS.make


def http(text, wait=3):
    s = socket.create_connection(('127.0.0.1', PORT), wait)
    s.sendall(text if isinstance(text, bytes) else text.encode())
    out = b''
    try:
        while True:
            d = s.recv(65536)
            if not d:
                break
            out += d
    except TimeoutError:
        pass
    return out.decode('latin1')


def alive():
    w = opened(PORT, TOKEN)
    same('health', w.call('health')['ok'], True)


def case_framing():
    for name, bits in (('rsv1', 4), ('rsv2', 2), ('rsv3', 1)):
        same(name, code_of(M(1, b'{}', rsv=bits))[0], 1002)
    for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        same(f'opcode {op}', code_of(M(op, b''))[0], 1002)
    same('no mask', code_of(M(1, b'{}', mask=False))[0], 1002)
    same('binary', code_of(M(2, b'{}'))[0], 1003)
    same('continuation of nothing', code_of(M(0, b'{}'))[0], 1002)
    same('text within text', code_of(M(1, b'{', fin=False), M(1, b'}'))[0], 1002)
    same('length not minimal, 16', code_of(bytes([0x81, 0x80 | 126, 0, 5]) + b'\0' * 4 + b'     ')[0], 1002)
    same('length not minimal, 64', code_of(bytes([0x81, 0x80 | 127]) + struct.pack('>Q', 5) + b'\0' * 4)[0], 1002)
    same('length with the top bit', code_of(bytes([0x81, 0xFF]) + b'\xff' * 8 + b'\0' * 4)[0], 1002)


def case_control():
    w = opened(PORT, TOKEN)
    for n in (0, 1, 125):
        w.raw(M(9, b'p' * n))
        a, d = w.frame()
        same('pong', (a & 15, d), (10, b'p' * n))
    w.raw(M(10, b'unasked'))
    w.raw(M(1, b'{"type":"req","id":"f","met', fin=False) + M(9, b'mid') + M(0, b'hod":"heal', fin=False) + M(0, b'th"}'))
    a, d = w.frame()
    same('ping within a message', (a & 15, d), (10, b'mid'))
    same('fragments', w.res('f')['ok'], True)
    for chunk in (1, 7):
        f = M(1, b'{"type":"req","id":"g","method":"health"}')
        for i in range(0, len(f), chunk):
            w.raw(f[i:i + chunk])
        same(f'by {chunk} bytes', w.res('g')['ok'], True)
    same('ping of 126', code_of(bytes([0x89, 0x80 | 126, 0, 126]) + b'\0' * 130)[0], 1002)
    same('ping in pieces', code_of(M(9, b'x', fin=False))[0], 1002)


def case_closing():
    for body, want in ((b'', 1000), (struct.pack('>H', 1000), 1000), (struct.pack('>H', 3000) + b'bye', 3000), (struct.pack('>H', 4999), 4999),
                       (b'\x03', 1002), (struct.pack('>H', 999), 1002), (struct.pack('>H', 1004), 1002), (struct.pack('>H', 1005), 1002),
                       (struct.pack('>H', 1006), 1002), (struct.pack('>H', 1015), 1002), (struct.pack('>H', 2999), 1002), (struct.pack('>H', 5000), 1002),
                       (struct.pack('>H', 1000) + b'\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80', 1007)):
        same(f'close {body!r}', code_of(M(8, body))[0], want)
    w = opened(PORT, TOKEN)
    w.raw(M(8, struct.pack('>H', 1000)) + M(1, b'{"type":"req","id":"x","method":"health"}') + M(9, b'x'))
    same('nothing after close', w.close_code()[0], 1000)
    same('then the end', w.s.recv(10), b'')


def case_utf8():
    bad = [b'\xc0\xaf', b'\xe0\x80\xaf', b'\xf0\x80\x80\xaf', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\x80', b'\xff', b'\xce\xba\xe1']
    for b in bad:
        same(f'text {b!r}', code_of(M(1, b))[0], 1007)
        for cut in range(1, len(b)):
            same(f'text {b!r} cut at {cut}', code_of(M(1, b[:cut], fin=False), M(0, b[cut:]))[0], 1007)
    w = opened(PORT, TOKEN)
    m = '{"type":"req","id":"κόσμε\U0001F600","method":"health"}'.encode()
    for cut in range(1, len(m)):
        w.raw(M(1, m[:cut], fin=False) + M(0, m[cut:]))
        same(f'cut at {cut}', w.res('κόσμε\U0001F600')['ok'], True)


def case_size():
    same('64 KiB + 1 at first', code_of(M(1, b' ' * 65537), auth=False), (1009, 'preauth payload too large'))
    same('in pieces', code_of(M(1, b' ' * 40000, fin=False), M(0, b' ' * 40000), auth=False)[0], 1009)
    same('only its head', code_of(M(1, b'', n=65537), auth=False)[0], 1009)
    same('25 MiB + 1', code_of(M(1, b'', n=26214401))[0], 1009)
    same('2^62', code_of(M(1, b'', n=1 << 62))[0], 1009)
    w = opened(PORT, TOKEN)
    m = b'{"type":"req","id":"big","method":"health","params":{"x":"' + b'y' * (26214400 - 61) + b'"}}'
    w.raw(M(1, m[:26214400]))
    same('25 MiB', w.res('big')['ok'], True)
    alive()


def case_handshake():
    same('text first', code_of(M(1, b'hello'), auth=False), (1008, 'invalid request frame'))
    same('array first', code_of(M(1, b'[]'), auth=False), (1008, 'invalid request frame'))
    same('event first', code_of(M(1, b'{"type":"event","event":"x"}'), auth=False), (1008, 'invalid request frame'))
    w = WS(PORT)
    w.challenge()
    w.send({'type': 'req', 'id': '1', 'method': 'health'})
    same('health first', w.res('1')['error']['code'], 'INVALID_REQUEST')
    same('its close', w.close_code(), (1008, 'invalid handshake: first request must be connect'))
    for bad in ({'minProtocol': 0}, {'client': {}}, {'client': {'id': 'nobody'}}, {'auth': {'token': 't', 'x': 1}}, {'device': {}}, {'scopes': [1]},
                {'scopes': 'operator.admin'}, {'role': 7}, {'auth': []}, {'caps': [None]}):
        w = WS(PORT)
        w.challenge()
        p = {'minProtocol': 4, 'maxProtocol': 4, 'client': {'id': 'cli', 'version': 't', 'platform': 'linux', 'mode': 'cli'}, 'auth': {'token': TOKEN}}
        for k, v in bad.items():
            p[k] = {**p['client'], **v} if k == 'client' and v else v
        w.send({'type': 'req', 'id': 'c', 'method': 'connect', 'params': p})
        r = w.res('c')
        same(f'{bad} code', r['error']['code'], 'INVALID_REQUEST')
        if not r['error']['message'].startswith('invalid connect params: at /'):
            raise AssertionError(r)
        same(f'{bad} close', w.close_code()[0], 1008)
    for lo, hi, want in ((5, 9, None), (1, 2, None), (4, 3, None), (3, 3, 3), (3, 4, 4), (4, 4, 4), (2, 7, 4)):
        w = WS(PORT)
        w.challenge()
        r = w.connect(TOKEN, min=lo, max=hi)
        same(f'protocol {lo}..{hi}', r['payload']['protocol'] if r['ok'] else None, want)
        if not want:
            same('details', r['error']['details']['code'], 'PROTOCOL_MISMATCH')
            same('close', w.close_code()[0], 1002)
    w = WS(PORT)
    w.challenge()
    r = w.connect(TOKEN, role='boss')
    same('role', (r['error']['message'], w.close_code()[0]), ('invalid role', 1008))


def case_requests():
    w = opened(PORT, TOKEN)
    same('second connect', w.connect(TOKEN)['error']['code'], 'INVALID_REQUEST')
    for bad in ({'id': ''}, {'method': 7}, {'extra': 1}, {'traceparent': 'x' * 129}):
        f = {'type': 'req', 'id': '1', 'method': 'health', **bad}
        w.send(f)
        if f['id']:
            same(f'{bad}', w.res('1')['error']['code'], 'INVALID_REQUEST')
    w.send('not json')
    w.send({'type': 'cancel', 'id': '9'})
    w.send('{"type":"req","type":"req","id":"d","method":"health"}')
    r = w.call('no.such')
    same('unknown', (r['error']['code'], r['error']['message']), ('INVALID_REQUEST', 'unknown method: no.such'))
    same('params', w.call('logs.tail', {'limit': 'x'})['error']['code'], 'INVALID_REQUEST')
    same('params array', w.call('logs.tail', [])['error']['code'], 'INVALID_REQUEST')
    w = opened(PORT, TOKEN, scopes=())
    same('health without scope', w.call('health')['ok'], True)
    r = w.call('status')
    same('missing scope', (r['error']['code'], r['error']['message'], r['error']['details']['missingScope']),
         ('FORBIDDEN', 'missing scope: operator.read', 'operator.read'))


def case_pipelined():
    w = opened(PORT, TOKEN)
    n = 3000
    w.raw(b''.join(M(1, b'{"type":"req","id":"%d","method":"health"}' % i) for i in range(n)))
    for i in range(n):
        same('in order', w.recv()['id'], str(i))
    # A client that asks and never reads: its own requests stop, others are served, memory is bounded.
    lazy = opened(PORT, TOKEN)
    lazy.s.settimeout(1)
    f = b''.join(M(1, b'{"type":"req","id":"%d","method":"config.get"}' % i) for i in range(1000))
    sent = 0
    try:
        for _ in range(400):
            sent += lazy.s.send(f)
    except TimeoutError:
        pass
    else:
        raise AssertionError('the gateway went on reading of who does not read')
    alive()


def case_http():
    for path in ('/health', '/healthz', '/startup', '/startupz', '/ready', '/readyz'):
        r = http(f'GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        same(path, r.split('\r\n')[0], 'HTTP/1.1 200 OK')
        for h in ('X-Content-Type-Options: nosniff', 'Referrer-Policy: no-referrer', 'Permissions-Policy: ', 'Cache-Control: no-store', 'Content-Length: '):
            same(h, h in r, True)
    r = http('HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    same('HEAD', (r.startswith('HTTP/1.1 200'), r.endswith('\r\n\r\n'), 'Content-Length: 27' in r), (True, True, True))
    r = http('POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc')
    same('POST', (r.startswith('HTTP/1.1 405'), 'Allow: GET, HEAD' in r), (True, True))
    r = http('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n' * 50 + 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    same('pipelined', (r.count('HTTP/1.1 200'), r.count('HTTP/1.1 404')), (50, 1))
    up = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n'
    same('worker', http(up.replace('GET /', 'GET /__openclaw__/worker') + '\r\n').split(' ')[1], '501')
    same('version', http(up.replace('13', '8') + '\r\n').split(' ')[1], '426')
    for bad in (up.replace('AAAA==', 'AAA=='), up.replace('Connection: Upgrade', 'Connection: close'), up.replace('GET', 'POST'), up.replace('HTTP/1.1', 'HTTP/1.0'),
                up + 'Content-Length: 5\r\n', up.replace('Host: a', 'Host: a\r\nHost: b'), 'GET / HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nHost : a\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n b\r\n',
                'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n', 'GET http://a/ HTTP/1.1\r\nHost: a\r\n', 'BREW\r\n', 'GET / HTTP/3\r\nHost: a\r\n',
                'GET / HTTP/1.1\nHost: a\n'):
        r = http(bad + '\r\n')
        same(f'{bad!r}', r.split(' ')[1] if r else r, '400')
    same('unknown upgrade twice on one connection', http('GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: foo\r\n\r\n').count('404'), 2)
    same('large head', http('GET / HTTP/1.1\r\nHost: a\r\nX: ' + 'y' * 20000 + '\r\n\r\n').split(' ')[1], '431')
    same('TLS hello', http(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + os.urandom(200))[:12], 'HTTP/1.1 400')
    r = http(up + 'X-Forwarded-For: 8.8.8.8\r\n\r\n')
    same('proxy that is not known', (r.split(' ')[1], 'proxy_attribution_required' in r), ('403', True))
    w = WS(PORT, headers=['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits', 'Sec-WebSocket-Protocol: x'])
    same('no extension, no subprotocol', 'xtension' in w.head or 'rotocol:' in w.head, False)
    # A WebSocket's first bytes together with its request.
    w = WS(PORT, upgrade=False)
    w.raw((up + '\r\n').encode() + M(9, b'early'))
    w.read_head()
    w.challenge()
    a, d = w.frame()
    same('early ping', (a & 15, d), (10, b'early'))


def case_preauth():
    held = [WS(PORT) for _ in range(32)]
    try:
        WS(PORT)
        raise AssertionError('the 33rd socket that is not authenticated got in')
    except Closed as e:
        same('503', e.reason.split(' ')[1], '503')
    held.pop().s.close()
    time.sleep(0.2)
    w = opened(PORT, TOKEN)
    same('others', w.call('health')['ok'], True)
    for h in held:
        h.s.close()
    time.sleep(0.2)


def case_slow():
    """A head, and a handshake, that never end: others are served; the deadlines are said by the caller's config."""
    socks = []
    for _ in range(200):
        s = socket.create_connection(('127.0.0.1', PORT))
        s.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nX')
        socks.append(s)
    w = WS(PORT)
    w.challenge()
    start = time.monotonic()
    while time.monotonic() - start < 3:
        for s in socks[:20]:
            s.sendall(b'-')
        alive()
        time.sleep(0.1)
    code, reason = w.close_code()
    same('handshake', (code, reason), (1000, 'handshake timeout'))
    socks[0].settimeout(12)
    same('slow head', socks[0].recv(100)[:0], b'')
    for s in socks:
        s.close()


def case_random():
    rng = random.Random(7)
    for i in range(400):
        w = WS(PORT) if i % 2 else opened(PORT, TOKEN)
        kind = rng.randrange(5)
        try:
            if kind == 0:
                w.raw(os.urandom(rng.randrange(1, 2000)))
            elif kind == 1:
                f = M(1, b'{"type":"req","id":"1","method":"health"}')
                w.raw(f[:rng.randrange(len(f))])
            elif kind == 2:
                w.raw(M(1, b'x' * 100, n=60000))
            elif kind == 3:
                w.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                w.raw(M(1, b'{"type":"req","id":"1","method":"logs.tail","params":{"limit":5000}}') * 20)
            else:
                w.raw(M(8, b''))
        except OSError:
            pass
        w.s.close()
    time.sleep(0.3)
    alive()


def anon(pid):
    for x in open(f'/proc/{pid}/status'):
        if x.startswith('RssAnon:'):
            return int(x.split()[1])


def case_idle():
    """N idle clients: prints what each costs."""
    n = int(os.environ.get('OC_IDLE_CLIENTS', '1000'))
    pid = int(os.environ['OC_NETWORK_PID'])
    alive()
    before = anon(pid)
    held = [opened(PORT, TOKEN) for _ in range(n)]
    after = anon(pid)
    each = (after - before) / n
    print(f'# {n} idle clients: {each:.2f} kB each, {after} kB in all')
    start = time.monotonic()
    w = opened(PORT, TOKEN)
    for _ in range(100):
        same('health', w.call('health')['ok'], True)
    print(f'# health beside them: {(time.monotonic() - start) * 10:.3f} ms')
    same('at most 12 kB each', each <= 12, True)
    for h in held:
        h.s.close()
    time.sleep(0.5)
    alive()


for name in sys.argv[3:] or [k[5:] for k in list(globals()) if k.startswith('case_') and k not in ('case_idle', 'case_slow')]:
    try:
        globals()['case_' + name]()
        print(f'ok {name}')
    except Exception as e:  # noqa: BLE001
        print(f'not ok {name}: {type(e).__name__}: {e}')
        sys.exit(1)
