# SPDX-License-Identifier: GPL-2.0-only
"""DSR with real stacks: TCP Fast Open, and connections that come to another backend."""
import contextlib
import functools
import itertools
import select
import socket
import struct
import threading

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.packet import ACK, RST, SYN
from net.plan import twins

PORT = 7171
_FASTOPEN, _FASTOPEN_CONNECT, _MSG_FASTOPEN = 23, 30, 0x20000000
_SYN_DATA = 32          # of tcpi_options: the other side has taken what was in the SYN
_LOSE = """
table {ip} lose {{
    chain input {{
        type filter hook input priority filter
        tcp flags & (syn | ack) == syn | ack counter drop
    }}
}}
"""


class FastServer:
    """Takes data in a SYN, and says how much came in all; one connection after the other."""

    def __init__(self, net, place, plan):
        self.words = []
        self._listen = net.socket(place, plan.family, socket.SOCK_STREAM)
        self._listen.setsockopt(socket.IPPROTO_TCP, _FASTOPEN, 16)
        self._listen.bind((plan.address(place), PORT))
        self._listen.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self._listen.accept()
            with connection, contextlib.suppress(OSError):
                word = connection.recv(65536)
                self.words.append(word)
                connection.sendall(b"%d" % len(word))


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(150)
        for place in ("c0", "p21"):
            self.cluster.net.sysctl(place, {"ipv4/tcp_fastopen": 3})
        self.server = FastServer(self.cluster.net, "p21", plan)
        self.numbers = itertools.count(1)

    def serve(self, backend):
        self.cluster.apply([Service("fast", "tcp", 80, ["p21"], self.vip, backend_port=PORT),
                            Service("web", "tcp", 81, [backend], self.vip)], "mode dsr")

    def word(self):
        return b"%d" % next(self.numbers) + b"x" * 500

    @contextlib.contextmanager
    def client(self):
        with self.cluster.net.socket("c0", self.plan.family, socket.SOCK_STREAM) as sock:
            # not settimeout(), which would make it a non-blocking one
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("qq", 10, 0))
            yield sock


def sent_at_once(sock, to, word):
    sock.sendto(word, _MSG_FASTOPEN, to)


def sent_after_connect(sock, to, word):
    sock.setsockopt(socket.IPPROTO_TCP, _FASTOPEN_CONNECT, 1)
    sock.connect(to)
    sock.sendall(word)


def finish(sock, word):
    """The answer is right; was the data taken from the SYN?"""
    equal(sock.recv(100), b"%d" % len(word), "answer")
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & _SYN_DATA)


def syns(capture):
    """The client's, as n1 sends them on."""
    return capture.matching(lambda p: p.place == "n1" and p.out and p.dport == PORT and p.flags & (SYN | ACK) == SYN)


def noted(s, capture):
    """All SYNs that n1 has sent on have a note; returns what data they carry."""
    size = 23 if s.plan.ipv6 else 8
    equal({len(p.options) for p in syns(capture)}, {size}, "bytes of IP options of the SYNs", capture.dump)
    equal([str(p) for p in capture.bad()], [], "wrong packets")
    return [p.payload for p in syns(capture)]


def fast_open(state):
    """The first connection gets a cookie; from then on the server has the data with the SYN."""
    s = state()
    s.serve("p21")
    for n, send in enumerate((sent_at_once, sent_at_once, sent_after_connect)):
        with s.client() as sock, s.cluster.capture() as capture:
            word = s.word()
            send(sock, (s.vip, 80), word)
            equal(finish(sock, word), n > 0, "data was taken from the SYN", capture.dump)
            equal(noted(s, capture), [word if n else b""], "what the SYN has", capture.dump)
            equal(s.server.words.count(word), 1, "how often the server got it")


def fast_open_again(state):
    """The answer to the SYN is lost: it is sent again, noted again, and the data arrives once."""
    s = state()
    s.serve("p21")
    with s.client() as sock:        # has the cookie, or gets it
        sent_at_once(sock, (s.vip, 80), b"cookie")
        finish(sock, b"cookie")
    net = s.cluster.net
    net.run("c0", ["nft", "-f", "-"], input=_LOSE.format(ip=s.plan.ip))
    try:
        with s.client() as sock, s.cluster.capture() as capture:
            word = s.word()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sent_at_once(sock, (s.vip, 80), word)
            eventually(lambda: len(syns(capture)) > 1, "a second SYN", 10, capture.dump)
            net.run("c0", ["nft", "delete", "table", s.plan.ip, "lose"])
            check(select.select([sock], [], [], 10)[0], "no answer", capture.dump)
            finish(sock, word)
            check(word in noted(s, capture), "no SYN has the data", capture.dump)
            equal(s.server.words.count(word), 1, "how often the server got it")
    finally:
        net.run("c0", ["nft", "flush", "ruleset"])


def moved(state):
    """Its backend is another one now, which knows nothing of it: the client is told at once, by the service."""
    s = state()
    s.serve("p21")
    with clients.Tcp(s.cluster.net, "c0", (s.vip, 81)) as c, s.cluster.capture() as capture:
        equal(c.ask().name, "p21", "backend")
        s.serve("p31")
        s.cluster.lbadm("n1", "flow flush")
        capture.clear()
        try:
            c.ask()
        except ConnectionResetError:
            pass
        else:
            check(False, "the connection goes on", capture.dump)
        sent = capture.matching(lambda p: p.place == "n1" and p.out and p.dst == s.plan.address("p31"))
        check(sent and all(p.options for p in sent), "not each packet has a note", capture.dump)
        resets = capture.matching(lambda p: p.flags & RST and p.place == "r0")
        equal({(p.src, p.sport) for p in resets}, {(s.vip, 81)}, "who sends the RST", capture.dump)
        equal([str(p) for p in capture.bad()], [], "wrong packets")
    equal(clients.tcp_once(s.cluster.net, "c0", (s.vip, 81)).name, "p31", "backend of a new connection")


def tunnelled_here(state, kind):
    """A tunnel of this node has a service's address at its other end: its packets have the header of a frame only inside, and
    reach the backend with what was sent."""
    s = state()
    vip, port = s.plan.vip(151), 7172
    word = s.word()
    s.cluster.apply([Service("tunnel", "udp", port, ["p21"], vip, backend_port=port)], "mode dsr")
    net, frame = s.cluster.net, b"\2\0\0\0\0\7\2\0\0\0\0\x08\x88\xb5" + word
    with contextlib.closing(net.socket("p21", s.plan.family, socket.SOCK_DGRAM)) as backend:
        backend.bind((s.plan.address("p21"), port))
        backend.settimeout(10)
        net.run("n1", ["ip", "link", "add", "tun7", "type", kind, "id", "7", "remote", vip, "dstport", str(port)])
        try:
            net.run("n1", ["ip", "link", "set", "tun7", "up"])
            with contextlib.closing(net.socket("n1", socket.AF_PACKET, socket.SOCK_RAW)) as link:
                link.bind(("tun7", 0))
                link.send(frame)
            got = eventually(lambda: next((d for d in iter(lambda: backend.recv(4096), b"") if word in d), None), "the frame")
            equal(got[8:], frame, f"what was in {kind}")
        finally:
            net.run("n1", ["ip", "link", "del", "tun7"])
    flows = [f for f in s.cluster.flows("n1") if f["service"] == "tunnel"]
    equal({(f["kind"], f["dispatch"]) for f in flows}, {("dsr-out", "opt")}, "flows")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [("dsr: TCP Fast Open", functools.partial(fast_open, state)),
                ("dsr: TCP Fast Open, the SYN again", functools.partial(fast_open_again, state)),
                ("a connection is moved to another backend", functools.partial(moved, state)),
                *((f"dsr: {kind} of this node to a service", functools.partial(tunnelled_here, state, kind))
                  for kind in ("vxlan", "geneve"))]
    return twins(of_family)
