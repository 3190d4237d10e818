# SPDX-License-Identifier: GPL-2.0-only
"""Requests from a place to a service; each is told apart by its token."""
import itertools
import socket

from .plan import family_of
from .servers import Answer

_tokens = itertools.count(1)


def token():
    """A path that occurs in no other request, nor inside another token."""
    return f"/t{next(_tokens):06d}"


class Tcp:
    """A connection, whose server is asked as often as wished."""

    def __init__(self, topology, place, to, source=("", 0), timeout=10):
        self.sock = topology.socket(place, family_of(to[0]), socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(source)
        try:
            self.sock.connect(to)
        except OSError:
            self.sock.close()
            raise
        self.local = self.sock.getsockname()[:2]
        self.peer = self.sock.getpeername()[:2]

    def ask(self, word=None, last=False):
        self.request(word, last)
        return self.answer(last)

    def request(self, word=None, last=False):
        close = "Connection: close\r\n" if last else ""
        self.sock.sendall(f"GET {word or token()} HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())

    def answer(self, last=False):
        """An Answer, or the bytes of a file."""
        data = self._read(lambda data: b"\r\n\r\n" in data)
        head, body = data.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = self._read(lambda data: len(data) >= length, body)
        if last and self.sock.recv(1):
            raise ConnectionError("more than was asked for")
        return Answer.parse(body.decode()) if b"text/plain" in head and length < 200 else body

    def _read(self, enough, data=b""):
        data = bytearray(data)
        while not enough(data):
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError(f"closed after {len(data)} bytes")
            data += piece
        return bytes(data)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Udp:
    """An unconnected socket, so that an answer from anybody is seen; .source is whose it was."""

    def __init__(self, topology, place, to, source=("", 0), timeout=10):
        self.sock = topology.socket(place, family_of(to[0]), socket.SOCK_DGRAM)
        self.sock.settimeout(timeout)
        self.sock.bind(source)
        self.to, self.source = to, None

    @property
    def local(self):
        return self.sock.getsockname()[:2]

    def send(self, word=None):
        self.sock.sendto((word or token()).encode(), self.to)

    def receive(self):
        data, source = self.sock.recvfrom(65536)
        self.source = source[:2]
        return Answer.parse(data.decode())

    def ask(self, word=None):
        self.send(word)
        return self.receive()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def tcp_once(topology, place, to, word=None, **kw):
    """One connection, one request, closed by both sides."""
    with Tcp(topology, place, to, **kw) as c:
        return c.ask(word, last=True)


def udp_once(topology, place, to, word=None, **kw):
    with Udp(topology, place, to, **kw) as c:
        return c.ask(word)


def knock(topology, place, to, proto):
    """Begins to talk and does not wait: one packet is on its way. Returns the socket."""
    if proto == "udp":
        s = topology.socket(place, family_of(to[0]), socket.SOCK_DGRAM)
        s.setblocking(False)
        s.sendto(token().encode(), to)
    else:
        s = topology.socket(place, family_of(to[0]), socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex(to)
    return s
