# SPDX-License-Identifier: GPL-2.0-only
"""Path MTU discovery by real stacks, past a narrow link before the balancer, behind it, and behind the backend's node.

Every node has conntrack, and lets no ICMP error pass that it does not call related.
"""
import contextlib
import functools
import itertools
import socket

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually

NARROW = 1400
_IP_MTU_DISCOVER, _DO, _IP_MTU = 10, 2, 14
_RULES = """
table ip pmtu {
    chain forward {
        type filter hook forward priority filter
        icmp type destination-unreachable ct state != related counter drop
    }
}
"""


class State:
    def __init__(self):
        self.cluster = Cluster()
        self.plan = self.cluster.plan
        self.numbers = itertools.count(70)
        for node in self.plan.nodes:
            self.cluster.net.run(node, ["nft", "-f", "-"], input=_RULES)

    def ip(self, place, words):
        self.cluster.net.run(place, ["ip", *words.split()])

    @contextlib.contextmanager
    def narrow(self, where, pod):
        """@where is "front", "middle" or "pod"; only what comes in big from the other side is told."""
        plan = self.plan
        node = plan.node_of(pod)
        at, route = {"front": ("r0", f"{plan.client}/32 via {plan.client} dev wan0 onlink"),
                     "middle": ("n1", f"{plan.address(pod)}/32 via {plan.nodes[node]}"),
                     "pod": (node, f"{plan.address(pod)}/32 dev {pod} src {plan.nodes[node]}")}[where]
        self.ip(at, f"route replace {route} mtu {NARROW}")
        try:
            yield
        finally:
            if where == "pod":
                self.ip(at, f"route replace {route}")
            else:
                self.ip(at, f"route del {route}")
            for place in ("c0", pod):       # what they have learned
                self.ip(place, "route flush cache")

    def service(self, mode, proto, pod):
        """One whose address nobody has learned anything of."""
        number = next(self.numbers)
        service = Service(f"{proto}-{number}", proto, 4000, [pod], self.plan.vip(number))
        self.cluster.apply([service], f"mode {mode}")
        return service.front(self.plan)


def mtu_of(sock):
    return sock.getsockopt(socket.IPPROTO_IP, _IP_MTU)


def upload(state, mode, proto, where, pod):
    """The client learns what fits, and gets through with that."""
    s = state()
    to = s.service(mode, proto, pod)
    with s.narrow(where, pod), s.cluster.capture() as capture:
        if proto == "tcp":
            with clients.Tcp(s.cluster.net, "c0", to) as c:
                word = clients.token()
                c.sock.sendall(f"GET {word} HTTP/1.1\r\nHost: x\r\nX: {'x' * 5000}\r\n\r\n".encode())
                equal(c.answer().token, word, "answer", capture.dump)
                equal(mtu_of(c.sock), NARROW, "MTU that the client has learned")
            return
        with s.cluster.net.socket("c0", s.plan.family, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _DO)
            sock.settimeout(10)
            sock.connect(to)
            sock.send(b"x" * 1464)      # with a note the largest for an ordinary link
            eventually(lambda: mtu_of(sock) < 1492, "the client learns an MTU", 5, capture.dump)
            note = 8 if mode == "dsr" and where == "middle" else 0
            equal(mtu_of(sock), NARROW - note, "MTU that the client has learned")
            with contextlib.suppress(OSError):      # the error that the first has met
                sock.send(b"")
            word = b"y" * (mtu_of(sock) - 28)
            sock.send(word)
            check(sock.recv(65536).endswith(word), "no right answer", capture.dump)


def download(state, mode, proto, pod):
    """The backend learns what fits to the client."""
    s = state()
    to = s.service(mode, proto, pod)
    with s.narrow("front", pod), s.cluster.capture() as capture:
        if proto == "tcp":
            data = s.cluster.nginx.file("large", 20000)
            with clients.Tcp(s.cluster.net, "c0", to) as c:
                equal(c.ask("/files/large"), data, "file")
        else:
            with s.cluster.net.socket("c0", s.plan.family, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _DO)
                sock.settimeout(0.5)
                sock.connect(to)
                word = b"z" * (NARROW - 28)

                def answered():
                    sock.send(word)
                    with contextlib.suppress(TimeoutError):
                        return sock.recv(65536).endswith(word)
                eventually(answered, "an answer that is larger than the link", 5, capture.dump)
        told = [p for p in capture.matching(lambda p: p.proto == 1 and p.dst == s.plan.address(pod))]
        check(told, "nobody has told the backend", capture.dump)
        equal([str(p) for p in capture.bad()], [], "wrong packets")


def tests(subset):
    state = functools.lru_cache(State)
    out = []
    for mode in ("snat", "dsr", "hybrid"):
        for proto in ("tcp", "udp"):
            for where, pod in (("middle", "p21"), ("pod", "p21"), ("pod", "p11")):
                out.append((f"pmtu: {mode} {proto} to {pod}, narrow {where}",
                            functools.partial(upload, state, mode, proto, where, pod)))
            for pod in ("p21", "p11"):
                out.append((f"pmtu: {mode} {proto} from {pod}, narrow front",
                            functools.partial(download, state, mode, proto, pod)))
    return out
