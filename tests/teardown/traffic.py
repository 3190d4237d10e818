# SPDX-License-Identifier: GPL-2.0-only
"""Clients that talk all the time and don't mind when nobody answers."""
import contextlib
import itertools
import socket
import threading

from net import clients
from net.ktap import eventually


class Traffic:
    """New UDP flows, old ones, and TCP connections, each from a thread of its own."""

    def __init__(self, cluster):
        self._net = cluster.net
        plan = cluster.plan
        self._family = plan.family
        self._web, self._udp, self._ghost = ((plan.vip(90), port) for port in (80, 53, 54))
        self._port = (plan.nodes["n1"], 30091)
        self._end = threading.Event()
        self._rounds = dict.fromkeys(("new", "old", "tcp"), 0)

    def __enter__(self):
        self._threads = [threading.Thread(target=self._loop, args=(kind,), daemon=True)
                         for kind in self._rounds]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def wait(self, rounds=5):
        """Until every kind of it flows, however slow the machine."""
        start = dict(self._rounds)
        eventually(lambda: all(n >= start[k] + rounds for k, n in self._rounds.items()),
                   "traffic flows", 60, [f"rounds: {self._rounds}"])

    def _loop(self, kind):
        old = self._net.socket("c0", self._family, socket.SOCK_DGRAM)
        old.setblocking(False)
        for port in itertools.cycle(range(10000, 20000)):
            if self._end.is_set():
                break
            with contextlib.suppress(OSError):
                getattr(self, f"_{kind}")(port, old)
            self._rounds[kind] += 1
        old.close()

    def _new(self, port, _):
        with self._net.socket("c0", self._family, socket.SOCK_DGRAM) as s:
            s.bind(("", port))
            for to in (self._udp, self._ghost, self._port):
                s.sendto(b"/new", to)

    def _old(self, _, old):
        for _ in range(20):
            old.sendto(b"/old", self._udp)
            old.sendto(b"/old", self._port)

    def _tcp(self, *_):
        clients.tcp_once(self._net, "c0", self._web, timeout=1)
