# SPDX-License-Identifier: GPL-2.0-only
"""The client's side: many connections that must all go on, and a stream of datagrams."""
import contextlib
import itertools
import selectors
import socket
import threading
import time

from net.clients import token
from net.servers import Answer


class Flow:
    """A connection to the service, and who is at its other end."""

    def __init__(self, sock):
        self.sock = sock
        self.port = sock.getsockname()[1]
        self.answer = self.broken = None
        self._data, self._word = b"", None

    def ask(self):
        """One whose connection was reset meanwhile is told by read(), which is where flows break."""
        self._word, self._data = token(), b""
        with contextlib.suppress(OSError):
            self.sock.send(f"GET {self._word} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def read(self):
        """Return: whether there is no more to wait for, since it is answered or broken."""
        try:
            data = self.sock.recv(4096)
        except OSError as e:
            return self._break(e)
        if not data:
            return self._break("closed")
        self._data += data
        if not self._data.endswith(b"\n") or b"\r\n\r\n" not in self._data:
            return False
        answer = Answer.parse(self._data.split(b"\r\n\r\n", 1)[1].decode())
        if answer.token != self._word:
            return self._break(f"asked {self._word}, answered {answer.token}")
        if self.answer and answer.name != self.answer.name:
            return self._break(f"answered by {answer.name}, before by {self.answer.name}")
        self.answer = answer
        return True

    def give_up(self):
        self._break("not answered")

    def _break(self, why):
        self.broken = str(why)
        return True


class Flows:
    """@count connections from @place, to each of @targets as many as to the others; they stay until close()."""

    def __init__(self, topology, place, family, targets, count):
        self._topology, self._place, self._family = topology, place, family
        self._targets = itertools.cycle(targets)
        self._selector = selectors.DefaultSelector()
        self.all = []
        self._connect(count)

    def _connect(self, count):
        with self._topology.inside(self._place):
            for _ in range(count):
                s = socket.socket(self._family, socket.SOCK_STREAM)
                s.settimeout(20)
                # a port of its own, also beside connections to other targets: by that it is known here
                s.bind(("", 0))
                s.connect(next(self._targets))
                s.setblocking(False)
                self.all.append(Flow(s))
                self._selector.register(s, selectors.EVENT_READ, self.all[-1])

    def again(self):
        """Whose connection broke makes another one."""
        broken = [f for f in self.all if f.broken]
        self.all = [f for f in self.all if not f.broken]
        for flow in broken:
            flow.sock.close()
        self._connect(len(broken))

    def broken(self):
        return {f.port: f.broken for f in self.all if f.broken}

    def round(self, flows=None):
        """Each of @flows, or all, that isn't broken asks once and is answered, or is broken: as when
        none was answered for 10 s."""
        waiting = {f for f in (self.all if flows is None else flows) if not f.broken}
        for flow in waiting:
            flow.ask()
        while waiting and self._read(waiting, 10):
            pass
        for flow in waiting:
            flow.give_up()
            self._selector.unregister(flow.sock)

    def look(self):
        """Whoever is told anything without having asked is broken."""
        while self._read(set(), 0):
            pass

    def _read(self, waiting, timeout):
        """Return: whether there was anything to read. A connection that was reset can be read, too."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if key.data.read():
                waiting.discard(key.data)
            if key.data.broken:
                self._selector.unregister(key.fileobj)
        return ready

    def tenths(self):
        """One tenth of all after the other, without an end."""
        return (self.all[n::10] for n in itertools.cycle(range(10)))

    def close(self):
        for flow in self.all:
            flow.sock.close()
        self._selector.close()


class Stream:
    """A datagram each 20 ms from one port, whatever happens; an echo answers."""

    INTERVAL = 0.02

    def __init__(self, sock, to):
        self._sock, self._to = sock, to
        self._end = threading.Event()
        self.answers = {}       # number of a datagram: (when it was answered, Answer)
        self._sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._sock.getsockname()[1]

    def _run(self):
        due = time.monotonic()
        while not self._end.is_set():
            now = time.monotonic()
            if now >= due:
                # a router without a route says so to the socket
                with contextlib.suppress(OSError):
                    self._sock.sendto(str(self._sent).encode(), self._to)
                self._sent += 1
                due = max(due + self.INTERVAL, now)
            with contextlib.suppress(OSError):
                self._sock.settimeout(max(due - time.monotonic(), 0.001))
                answer = Answer.parse(self._sock.recv(4096).decode())
                self.answers[int(answer.token)] = (time.monotonic(), answer)

    def sent(self):
        return self._sent

    def since(self, number):
        """The answers to datagrams from @number on, in their order."""
        return [self.answers[n] for n in sorted(self.answers) if n >= number]

    def lost(self, first, last):
        return sum(n not in self.answers for n in range(first, last))

    def close(self):
        self._end.set()
        self._thread.join()
        self._sock.close()
