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
from net.packet import ICMP, ICMPV6
from net.plan import twins

NARROW = 1400
_DO = 2
_RULES = """
table {ip} pmtu {{
    chain forward {{
        type filter hook forward priority filter
        {error} ct state != related counter drop
    }}
}}
"""


class Family:
    """What differs: @head is an IP header and UDP's, @note is what DSR puts on a packet."""

    def __init__(self, plan):
        if plan.ipv6:
            self.level, self.discover, self.mtu = socket.IPPROTO_IPV6, 23, 24
            self.error, self.head, self.note = "icmpv6 type packet-too-big", 48, 24
        else:
            self.level, self.discover, self.mtu = socket.IPPROTO_IP, 10, 14
            self.error, self.head, self.note = "icmp type destination-unreachable", 28, 8

    def never_fragment(self, sock):
        sock.setsockopt(self.level, self.discover, _DO)

    def mtu_of(self, sock):
        return sock.getsockopt(self.level, self.mtu)


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.family = Family(plan)
        self.numbers = itertools.count(70)
        for node in self.plan.nodes:
            self.cluster.net.run(node, ["nft", "-f", "-"], input=_RULES.format(ip=plan.ip, error=self.family.error))

    def ip(self, place, words):
        self.cluster.net.run(place, ["ip", *words.split()])

    @contextlib.contextmanager
    def narrow(self, where, pod):
        """@where is "front", "middle" or "pod"; only what comes in big from the other side is told."""
        plan = self.plan
        node = plan.node_of(pod)
        client, to = f"{plan.client}/{plan.host_len}", f"{plan.address(pod)}/{plan.host_len}"
        at, route = {"front": ("r0", f"{client} dev wan0"),
                     "middle": ("n1", f"{to} via {plan.nodes[node]}"),
                     "pod": (node, f"{to} dev {pod} src {plan.nodes[node]}")}[where]
        # locked: what IPv6 forwards heeds no other
        self.ip(at, f"route replace {route} mtu lock {NARROW}")
        try:
            yield
        finally:
            if where == "pod":
                self.ip(at, f"route replace {route}")
            else:
                self.ip(at, f"route del {route}")
            for place in ("c0", pod):       # what they have learned
                self.ip(place, f"{'-6' if plan.ipv6 else '-4'} route flush cache")

    def service(self, mode, proto, pod):
        """One whose address nobody has learned anything of."""
        number = next(self.numbers)
        service = Service(f"{proto}-{number}", proto, 4000, [pod], self.plan.vip(number))
        self.cluster.apply([service], f"mode {mode}")
        return service.front(self.plan)


def upload(state, mode, proto, where, pod):
    """The client learns what fits, and gets through with that."""
    s = state()
    to, family = s.service(mode, proto, pod), s.family
    with s.narrow(where, pod), s.cluster.capture() as capture:
        if proto == "tcp":
            with clients.Tcp(s.cluster.net, "c0", to) as c:
                word = clients.token()
                c.sock.sendall(f"GET {word} HTTP/1.1\r\nHost: x\r\nX: {'x' * 5000}\r\n\r\n".encode())
                equal(c.answer().token, word, "answer", capture.dump)
                equal(family.mtu_of(c.sock), NARROW, "MTU that the client has learned", capture.dump)
            return
        with s.cluster.net.socket("c0", s.plan.family, socket.SOCK_DGRAM) as sock:
            family.never_fragment(sock)
            sock.settimeout(10)
            sock.connect(to)
            largest = 1500 - family.note        # for an ordinary link, if it gets a note
            sock.send(b"x" * (largest - family.head))
            eventually(lambda: family.mtu_of(sock) < largest, "the client learns an MTU", 5, capture.dump)
            note = family.note if mode == "dsr" and where == "middle" else 0
            equal(family.mtu_of(sock), NARROW - note, "MTU that the client has learned")
            with contextlib.suppress(OSError):      # the error that the first has met
                sock.send(b"")
            word = b"y" * (family.mtu_of(sock) - family.head)
            sock.send(word)
            check(sock.recv(65536).endswith(word), "no right answer", capture.dump)


def download(state, mode, proto, pod):
    """The backend learns what fits to the client."""
    s = state()
    to, family = s.service(mode, proto, pod), s.family
    with s.narrow("front", pod), s.cluster.capture() as capture:
        if proto == "tcp":
            data = s.cluster.nginx.file("large", 20000)
            with clients.Tcp(s.cluster.net, "c0", to) as c:
                equal(c.ask("/files/large"), data, "file")
        else:
            with s.cluster.net.socket("c0", s.plan.family, socket.SOCK_DGRAM) as sock:
                family.never_fragment(sock)
                sock.settimeout(0.1)
                sock.connect(to)
                word = b"z" * (NARROW - family.head)

                def answered():
                    sock.send(word)
                    with contextlib.suppress(TimeoutError):
                        return sock.recv(65536).endswith(word)
                eventually(answered, "an answer that is larger than the link", 5, capture.dump)
        told = [p for p in capture.matching(lambda p: p.proto in (ICMP, ICMPV6) and p.dst == s.plan.address(pod))]
        check(told, "nobody has told the backend", capture.dump)
        equal([str(p) for p in capture.bad()], [], "wrong packets")


def tests(subset):
    return twins(of_family)


def of_family(plan):
    state = functools.lru_cache(functools.partial(State, plan))
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
