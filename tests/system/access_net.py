# SPDX-License-Identifier: GPL-2.0-only
"""The network of access.py, and how its clients ask: both families on the same links.

    client --- n1 (the balancer) --- n2 --- remote
       |        |                     |
       |      local                   |
       +------------------------------+   (answers in DSR)

Each backend says who it is and whom it sees; requests are of TCP and UDP.
"""
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

from net import module, ns
from net.cluster import LBADM, Cluster
from net.ktap import check, equal, eventually

PLACES = ("client", "n1", "n2", "local", "remote")
MODES = ("snat", "dsr", "hybrid")
PORT = 8080                 # of all backends


@dataclass(frozen=True)
class Family:
    name: str               # before a test's
    number: int
    length: int             # of a link's prefix
    at: dict                # place -> address
    gateway: dict           # place -> n1's or n2's address on its link
    back: tuple             # n2's and the client's address on theirs
    vip: str                # up to a last digit

    @property
    def host(self):
        return 32 if self.number == socket.AF_INET else 128

    def end(self, address, port):
        """As lbadm writes it."""
        return f"{address}:{port}" if self.number == socket.AF_INET else f"[{address}]:{port}"


V4 = Family("", socket.AF_INET, 24,
            {"client": "198.51.100.10", "n1": "192.168.0.11", "n2": "192.168.0.12",
             "local": "10.0.1.11", "remote": "10.0.2.11"},
            {"client": "198.51.100.1", "local": "10.0.1.1", "remote": "10.0.2.1"},
            ("198.51.101.1", "198.51.101.10"), "203.0.113.1")
V6 = Family("ipv6: ", socket.AF_INET6, 64,
            {"client": "2001:db8:c::10", "n1": "2001:db8:1::11", "n2": "2001:db8:1::12",
             "local": "2001:db8:3::11", "remote": "2001:db8:2::11"},
            {"client": "2001:db8:c::1", "local": "2001:db8:3::1", "remote": "2001:db8:2::1"},
            ("2001:db8:cc::1", "2001:db8:cc::10"), "2001:db8:f::1")
FAMILIES = V4, V6


def at(place):
    """The namespace: other tests' clusters in this guest have an n1, too."""
    return f"acc-{place}"


def ip(place, line, **kw):
    return subprocess.run(["ip", "-n", at(place), *line.split()], check=True, timeout=20, **kw)


class Servers:
    """One thread that answers at every address of every backend: place, address and port seen."""

    def __init__(self):
        self.sockets = {}
        for family in FAMILIES:
            for place in ("local", "remote", "n1"):
                self.add(family, place, family.at[place], PORT)
        threading.Thread(target=self.serve, daemon=True).start()

    def add(self, family, place, address, port):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = ns.make_socket(at(place), family.number, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            if kind == socket.SOCK_STREAM:
                s.listen(128)
            s.setblocking(False)
            self.sockets[s] = f"{place} {port}"

    def serve(self):
        while True:
            ready, _, _ = select.select(list(self.sockets), [], [], 0.2)
            for s in ready:
                with contextlib.suppress(OSError):
                    self.answer(s, self.sockets[s])

    def answer(self, s, who):
        if who is None:         # a connection: what comes is sent back
            data = s.recv(1000)
            if data:
                s.sendall(data)
                return
            del self.sockets[s]
            s.close()
        elif s.type == socket.SOCK_DGRAM:
            data, peer = s.recvfrom(1000)
            s.sendto(f"{who} {peer[0]} {peer[1]} ".encode() + data, peer)
        else:
            connection, peer = s.accept()
            connection.sendall(f"{who} {peer[0]} {peer[1]} \n".encode())
            connection.setblocking(False)
            self.sockets[connection] = None


class Net:
    """Made by the first test."""

    def __init__(self):
        if Cluster.current:     # its programs go with it
            Cluster.current.close()
        module.reload()
        for place in PLACES:
            ns.create(at(place))
            routes = int(place in ("n1", "n2"))
            ns.sysctl(at(place), {"ipv6/conf/all/forwarding": routes, "ipv6/conf/default/accept_dad": 0,
                                  "ipv4/ip_forward": routes, "ipv4/conf/all/rp_filter": 0,
                                  "ipv4/conf/default/rp_filter": 0, "ipv4/icmp_ratemask": 0,
                                  "ipv6/icmp/ratelimit": 0, "ipv4/conf/all/send_redirects": 0,
                                  "ipv4/conf/default/send_redirects": 0})
            ip(place, "link set lo up")
        for a, b in (("n1", "client"), ("n1", "n2"), ("n1", "local"), ("n2", "remote"), ("n2", "client")):
            ip(a, f"link add {b} type veth peer name {a} netns {at(b)}")
            for place, peer in ((a, b), (b, a)):
                for f in FAMILIES:
                    address = f.gateway.get(b, f.at[a]) if place == a else f.at[b]
                    if (a, b) == ("n2", "client"):
                        address = f.back[place == b]
                    ip(place, f"addr add {address}/{f.length} dev {peer} {'nodad' * (f is V6)}")
                ip(place, f"link set {peer} up")
        for f in FAMILIES:
            version = "-4" if f is V4 else "-6"
            for place, via in f.gateway.items():
                ip(place, f"{version} route add default via {via}")
            ip("n1", f"{version} route add {f.at['remote']}/{f.host} via {f.at['n2']}")
            ip("n1", f"{version} route add default via {f.at['n2']}")
            ip("n2", f"{version} route add default via {f.at['n1']}")
            ip("n2", f"{version} route add {f.at['client']}/{f.host} via {f.back[1]}")
        self.servers = Servers()

    @staticmethod
    def lbadm(line, node="n1", text=None):
        p = subprocess.run([LBADM, "-n", at(node), *line.split()], input=text, capture_output=True,
                           text=True, check=False, timeout=20)
        check(not p.returncode, f"{node}: lbadm {line}: {p.stderr}")
        return p.stdout

    def apply(self, lines, mode="snat"):
        """The same on both nodes; flows of before end."""
        head = [f"set mode {mode}"] + [f"node add {f.at[n]}" for f in FAMILIES for n in ("n1", "n2")]
        text = "\n".join([*head, *lines, ""])
        for node in ("n1", "n2"):
            self.lbadm("apply -", node, text)
            self.lbadm("flow flush", node)

    def drops(self, node="n1"):
        drops = json.loads(self.lbadm("-j stats", node))["stats"]["drops"]
        return {d["reason"]: d["packets"] for d in drops if d["packets"]}

    def answers(self):
        return json.loads(self.lbadm("-j stats"))["stats"]["answers"]

    def services(self, family, name="web", fronts=None, words="", places=("local",)):
        """Lines for one service of TCP and one of UDP, the same but for that."""
        for proto in ("tcp", "udp"):
            yield f"service add {name}-{proto} {proto} {fronts or family.end(family.vip, 80)} {words}"
            for place in places:
                where = {"local": f" node {family.at['n1']}", "remote": f" node {family.at['n2']}"}
                yield f"backend add {name}-{proto} {family.end(family.at[place], PORT)}{where.get(place, '')}"


class Answer:
    def __init__(self, data):
        place, port, client, client_port, *_ = data.decode().split()
        self.place, self.port, self.client, self.client_port = place, int(port), client, int(client_port)


def connect(to, place="client", source=("", 0), timeout=5, family=None):
    s = ns.make_socket(at(place), family.number if family else
                       socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(source)
        s.connect(to)
    except OSError:
        s.close()
        raise
    return s


def tcp(to, **kw):
    """Who answers a connection; what is said on it comes back."""
    with connect(to, **kw) as s:
        answer = Answer(s.recv(200))
        for word in (b"one", b"two"):
            s.sendall(word)
            equal(s.recv(100), word, "what comes back")
        return answer


def udp(to, place="client", source=("", 0), timeout=5):
    """Who answers a datagram; what it answers is from where it was asked."""
    with ns.make_socket(at(place), socket.AF_INET6 if ":" in to[0] else socket.AF_INET,
                        socket.SOCK_DGRAM) as s:
        s.bind(source)
        s.connect(to)       # so that an ICMP error is heard, and an answer from elsewhere is not
        s.settimeout(timeout)
        s.send(b"hello")
        return Answer(s.recv(200))


ASK = {"tcp": tcp, "udp": udp}


def refused(proto, to, **kw):
    """At once, by an answer from the service's address."""
    try:
        answer = ASK[proto](to, **kw)
    except ConnectionRefusedError:
        return
    check(False, f"{proto} to {to}: {answer.place} answered")


@contextlib.contextmanager
def dropping(net, reason, count=None, node="n1"):
    """So many packets are dropped for @reason meanwhile, or at least one; none for another."""
    before = net.drops(node)
    yield
    after = net.drops(node)
    new = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
    if count is None:
        check(set(new) == {reason}, f"drops: {new}, should be of {reason}")
    else:
        equal(new, {reason: count} if count else {}, "drops")


def silent(net, proto, to, reason, place="client", source=("", 0)):
    """What is asked is dropped for @reason, and nobody hears of it."""
    six = ":" in to[0]
    with ns.make_socket(at(place), socket.AF_INET6 if six else socket.AF_INET,
                        socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM) as s:
        s.bind(source)
        s.setblocking(False)
        before = net.drops()
        with contextlib.suppress(BlockingIOError, PermissionError):     # what the node's own are told
            s.connect(to)
            if proto == "udp":
                s.send(b"hello")
        eventually(lambda: net.drops() != before, f"{proto} to {to} from {source[0] or place}: no drop")
        new = {k: v - before.get(k, 0) for k, v in net.drops().items() if v != before.get(k, 0)}
        equal(set(new), {reason}, "drops")
        equal(select.select([s], [], [], 0.02)[0], [], "an answer")
        equal(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0, "an error")


def pings(place, address, size=56, timeout=10):
    """Whether a ping of @size bytes is answered, by the same bytes."""
    six = ":" in address
    data, kind = os.urandom(size), 128 if six else 8
    head = struct.pack("!BBHHH", kind, 0, 0, 0x1234, 1)
    if not six:
        words = struct.unpack(f"!{(8 + size) // 2}H", head + data)
        total = sum(words) % 0xffff
        head = struct.pack("!BBHHH", kind, 0, 0xffff - total, 0x1234, 1)
    with ns.make_socket(at(place), socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                        socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as s:
        if not six:
            s.setsockopt(socket.IPPROTO_IP, 10, 0)      # IP_MTU_DISCOVER: may be fragmented
        s.connect((address, 0))
        s.send(head + data)
        end = time.monotonic() + timeout
        while select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            got = s.recv(65536)[0 if six else 20:]
            if got[0] == (129 if six else 0):
                return got[4:] == head[4:] + data
    return False


@contextlib.contextmanager
def own(family, address, link="lo"):
    """@address is one of the balancer's own meanwhile."""
    nodad = " nodad" * (family is V6)
    ip("n1", f"addr add {address}/{family.host} dev {link}{nodad}")
    try:
        yield
    finally:
        ip("n1", f"addr del {address}/{family.host} dev {link}")
