# SPDX-License-Identifier: GPL-2.0-only
"""The README's network in one guest: the guest is the node 192.168.0.11, and what else there is are
namespaces: the node n2 (192.168.0.12), its pods p1 and p2, the client c0, and the switch."""
import contextlib
import socket
import subprocess
import threading

from net import clients, ns
from net.ktap import Failure, check

SERVICE = "203.0.113.10", 80
NODES = "192.168.0.11", "192.168.0.12"
PODS = {"p1": "10.0.2.11", "p2": "10.0.2.12"}
PORT = 8080
TIMEOUT = 60    # of anything, on an emulated machine


def build():
    for name in ("sw", "n2", "c0", *PODS):
        ns.create(name)
    lines = ["link add br0 type bridge", "link set br0 up"]
    ip("sw", lines)
    for name, address in ((None, NODES[0]), ("n2", NODES[1]), ("c0", "192.168.0.2")):
        port = name or "n1"
        ip("sw", [f"link add {port} type veth peer name lan0 netns {name or 1}",
                  f"link set {port} master br0", f"link set {port} up"])
        ip(name, ["link set lo up", f"address add {address}/24 dev lan0", "link set lan0 up"])
    ip("n2", ["link add cni0 type bridge", "address add 10.0.2.1/24 dev cni0", "link set cni0 up"])
    for name, address in PODS.items():
        ip("n2", [f"link add {name} type veth peer name eth0 netns {name}",
                  f"link set {name} master cni0", f"link set {name} up"])
        ip(name, ["link set lo up", f"address add {address}/24 dev eth0", "link set eth0 up",
                  "route add default via 10.0.2.1"])
    ip(None, ["route add 10.0.2.0/24 via 192.168.0.12"])
    ip("c0", [f"route add {SERVICE[0]}/32 via {NODES[0]}"])


def ip(name, lines):
    """Lines for ip -batch, in the namespace @name; None: the guest's own."""
    command = ["ip", *(["-n", name] if name else []), "-batch", "-"]
    p = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    check(p.returncode == 0, f"ip in {name}", [*lines, *p.stderr.splitlines()])


class Pods:
    """Servers that say who they are and whom they see, as often as asked."""

    def __init__(self):
        for name, address in PODS.items():
            s = ns.make_socket(name, socket.AF_INET, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, PORT))
            s.listen(128)
            threading.Thread(target=self._accept, args=(s, name), daemon=True).start()

    def _accept(self, listener, name):
        while True:
            threading.Thread(target=self._serve, args=(*listener.accept(), name), daemon=True).start()

    def _serve(self, s, peer, name):
        """As tests/net's servers answer: clients.Answer."""
        data, last = b"", False
        with s, contextlib.suppress(OSError):
            while not last and (piece := s.recv(4096)):
                data += piece
                while b"\r\n\r\n" in data:
                    head, data = data.split(b"\r\n\r\n", 1)
                    body = " ".join(map(str, (*peer, *s.getsockname(), name, head.split()[1].decode()))) + "\n"
                    last = b"Connection: close" in head
                    s.sendall(("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}").encode())


class Places:
    """Of tests/net's topology what its clients need."""

    @staticmethod
    def socket(place, *args):
        return ns.make_socket(place, *args)


def ask(to=SERVICE):
    """(pod, whom it sees)"""
    answer = clients.tcp_once(Places, "c0", to, timeout=TIMEOUT)
    return answer.name, answer.client


class Talk:
    """One connection of the client that asks all the time, and must never be let down; with new ones beside it."""

    def __init__(self):
        self._end = threading.Event()
        self._wrong = None
        self.answers = 0
        self._connection = clients.Tcp(Places, "c0", SERVICE, timeout=TIMEOUT)
        self.first = self._connection.ask().name
        self._thread = threading.Thread(target=self._go, daemon=True)

    def _go(self):
        try:
            while not self._end.wait(0.1):
                if self._connection.ask().name != self.first:
                    raise Failure("another pod answered")
                if self.answers % 10 == 0:
                    ask()
                self.answers += 1
        except Exception as e:      # told when it ends
            self._wrong = repr(e)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *exc):
        self._end.set()
        self._thread.join()
        self._connection.close()
        if kind is None:
            check(self._wrong is None, f"after {self.answers} answers: {self._wrong}")
