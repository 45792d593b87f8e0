"""Small WebSocket client for the gateway's tests: frames by hand, so that wrong ones can be sent."""
import base64, json, os, socket, struct, sys, time

class Closed(Exception):
    def __init__(self, code, reason): super().__init__(f'{code} {reason}'); self.code, self.reason = code, reason

class WS:
    def __init__(self, port, path='/', headers=(), timeout=5, upgrade=True, host='127.0.0.1'):
        self.s = socket.create_connection((host, port), timeout)
        self.buf = b''
        if upgrade:
            k = base64.b64encode(os.urandom(16)).decode()
            h = [f'GET {path} HTTP/1.1', f'Host: {host}:{port}', 'Upgrade: websocket', 'Connection: Upgrade', f'Sec-WebSocket-Key: {k}', 'Sec-WebSocket-Version: 13', *headers]
            self.s.sendall(('\r\n'.join(h) + '\r\n\r\n').encode())
            self.head = self.read_head()
            if not self.head.startswith('HTTP/1.1 101'): raise Closed(0, self.head)
    def read_head(self):
        while b'\r\n\r\n' not in self.buf:
            d = self.s.recv(65536)
            if not d: raise Closed(1006, 'eof in head ' + repr(self.buf))
            self.buf += d
        h, self.buf = self.buf.split(b'\r\n\r\n', 1)
        return h.decode()
    def need(self, n):
        while len(self.buf) < n:
            d = self.s.recv(1 << 20)
            if not d: raise Closed(1006, 'eof')
            self.buf += d
        r, self.buf = self.buf[:n], self.buf[n:]
        return r
    def frame(self):
        a, b = self.need(2)
        n = b & 127
        if n == 126: n, = struct.unpack('>H', self.need(2))
        elif n == 127: n, = struct.unpack('>Q', self.need(8))
        return a, self.need(n)
    @staticmethod
    def make(op, data=b'', fin=True, mask=True, rsv=0, n=None):
        h = bytes([(128 if fin else 0) | rsv << 4 | op])
        n = len(data) if n is None else n
        m = 128 if mask else 0
        if n < 126: h += bytes([m | n])
        elif n < 65536: h += bytes([m | 126]) + struct.pack('>H', n)
        else: h += bytes([m | 127]) + struct.pack('>Q', n)
        if mask:
            k = os.urandom(4)
            h += k
            if data:
                kk = (k * (len(data) // 4 + 1))[:len(data)]
                data = (int.from_bytes(data, 'big') ^ int.from_bytes(kk, 'big')).to_bytes(len(data), 'big')
        return h + data
    def raw(self, b): self.s.sendall(b)
    def send(self, o): self.raw(self.make(1, o.encode() if isinstance(o, str) else json.dumps(o).encode()))
    def recv(self):
        while True:
            a, d = self.frame()
            op = a & 15
            if op == 8:
                raise Closed(struct.unpack('>H', d[:2])[0] if len(d) >= 2 else 1005, d[2:].decode())
            if op == 9: self.raw(self.make(10, d)); continue
            if op == 10: return ('pong', d)
            return json.loads(d)
    def challenge(self):
        e = self.recv(); assert e['event'] == 'connect.challenge', e
        return e['payload']
    def connect(self, token=None, min=4, max=4, id='cli', mode='cli', scopes=('operator.read',), **kw):
        p = {'minProtocol': min, 'maxProtocol': max, 'client': {'id': id, 'version': 't', 'platform': 'linux', 'mode': mode}, 'role': 'operator', 'scopes': list(scopes)}
        if token: p['auth'] = {'token': token}
        c = kw.pop('client', {}); p['client'].update(c)
        p.update(kw)
        self.send({'type': 'req', 'id': 'c', 'method': 'connect', 'params': p})
        return self.res('c')
    def res(self, id):
        while True:
            m = self.recv()
            if m.get('type') == 'res' and m['id'] == id: return m
    def call(self, method, params=None, id='1'):
        f = {'type': 'req', 'id': id, 'method': method}
        if params is not None: f['params'] = params
        self.send(f)
        return self.res(id)
    def close_code(self):
        try:
            while True: self.recv()
        except Closed as e: return e.code, e.reason
def opened(port, token, **kw):
    w = WS(port); w.challenge(); r = w.connect(token, **kw); assert r['ok'], r
    return w
