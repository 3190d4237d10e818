# SPDX-License-Identifier: GPL-2.0-only
"""Clients that go on and on, and notice whatever happens to them."""
import contextlib
import itertools
import socket
import threading
import time

from net import clients
from net.ktap import check, equal, eventually

_ports = itertools.count(21001)
DOWNLOAD = 8 << 20
PACE = 0.05       # of each, so that a capture can follow


class Life:
    """A thread that does round() until end(); the first mistake stays."""

    def __init__(self):
        self.rounds = 0
        self.failed = None
        self._end = threading.Event()
        self.held = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def _loop(self):
        try:
            while not self._end.is_set() and self.round():
                self.rounds += 1
                while self.held.is_set() and not self._end.is_set():
                    time.sleep(PACE)
        except Exception as e:      # whatever it is, the test wants to hear of it
            self.failed = e

    def alive(self):
        if self.failed:
            raise AssertionError(f"{self}: {type(self.failed).__name__}: {self.failed}")
        return self.rounds

    def end(self):
        self._end.set()
        self._thread.join(60)


class KeepAlive(Life):
    """Requests on one connection; it is always the same server, and that sees the same client."""

    def __init__(self, cluster, place, to):
        super().__init__()
        self.client = clients.Tcp(cluster.net, place, to, source=("", next(_ports)), timeout=30)
        self.local = self.client.local
        self.first = self.client.ask()
        self._place, self._to = place, to

    def __str__(self):
        return f"keep-alive {self._place}:{self.local[1]} to {self._to}, by {self.first.name}"

    def round(self):
        answer = self.client.ask()
        equal((answer.name, answer.client, answer.client_port),
              (self.first.name, self.first.client, self.first.client_port), "server, and the client it sees")
        time.sleep(PACE)
        return True

    def close(self):
        self.client.close()


class Stream(Life):
    """Datagrams, which may be lost; who answers is the same, sees the same, and speaks as the service."""

    def __init__(self, cluster, place, to):
        super().__init__()
        self.client = clients.Udp(cluster.net, place, to, source=("", next(_ports)), timeout=0.01)
        self.local = self.client.sock.getsockname()[:2]
        self.sent = self.lost = 0
        self.first = eventually(self._ask, "an answer by UDP")
        self._to = to

    def __str__(self):
        return f"UDP {self.local[1]} to {self._to}, by {self.first.name}"

    def _ask(self):
        self.sent += 1
        self.client.send()
        try:
            return self.client.receive()
        except socket.timeout:
            self.lost += 1
            return None

    def round(self):
        answer = None
        while not answer and not self._end.is_set():
            answer = self._ask()
        if answer:
            equal((answer.name, answer.client, answer.client_port, self.client.source),
                  (self.first.name, self.first.client, self.first.client_port, tuple(self._to)),
                  "server, the client it sees, and who answers")
        time.sleep(PACE)
        return True

    def close(self):
        self.client.close()


class Download(Life):
    """One large file, read slowly until faster() is called."""

    def __init__(self, cluster, to, data):
        super().__init__()
        self.client = clients.Tcp(cluster.net, "c0", to, source=("", next(_ports)), timeout=30)
        self.local = self.client.local
        # what is not read yet waits at the server
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._data, self._got, self._fast = data, bytearray(), threading.Event()
        self.client.request("/files/large")
        self._length = None

    def __str__(self):
        return f"download, {len(self._got)} of {len(self._data)} bytes"

    def round(self):
        piece = self.client.sock.recv(16384)
        check(piece, "the download ends too soon")
        self._got += piece
        if self._length is None and b"\r\n\r\n" in self._got:
            head, _, rest = bytes(self._got).partition(b"\r\n\r\n")
            self._length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self._got = bytearray(rest)
        if not self._fast.is_set():
            time.sleep(PACE)
        return not self.done()

    def done(self):
        return self._length is not None and len(self._got) >= self._length

    def faster(self):
        self._fast.set()

    def whole(self):
        eventually(lambda: self.done() or self.alive() < 0, "the download is done", 60)
        check(bytes(self._got) == self._data, "the file has other bytes")

    def close(self):
        self.client.close()


class Lives:
    """All of them, from c0 and from a program of the balancer's, at a service's address and a node port."""

    def __init__(self, cluster, web, echo):
        data = cluster.nginx.file("large", DOWNLOAD)
        self.plan = cluster.plan
        fronts = [web.front(cluster.plan, which) for which in ("vip", "vip", "nodeport")]
        self.download = Download(cluster, web.front(cluster.plan), data)
        self.keep = [KeepAlive(cluster, "c0", front) for front in fronts]
        self.keep.append(KeepAlive(cluster, "n1", web.front(cluster.plan)))
        self.streams = [Stream(cluster, "c0", echo.front(cluster.plan, which)) for which in ("vip", "vip", "nodeport")]
        self.all = [self.download, *self.keep, *self.streams]

    def __enter__(self):
        for life in self.all:
            life.start()
        self.go_on()
        return self

    def __exit__(self, *exc):
        for life in self.all:
            life.end()
            life.close()

    @contextlib.contextmanager
    def held(self):
        """They wait, so that a capture can be read to its end."""
        for life in self.all:
            life.held.set()
        yield
        for life in self.all:
            life.held.clear()

    def ports(self):
        """Of the clients, whose flows have to be there all the time."""
        return {life.local[1] for life in self.all}

    def go_on(self):
        """Each has come on since."""
        before = {life: life.rounds for life in self.all}
        for life in self.all:
            eventually(lambda life=life: life.alive() >= before[life] + 3, f"it goes on: {life}", 60)
