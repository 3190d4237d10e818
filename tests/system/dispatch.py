# SPDX-License-Identifier: GPL-2.0-only
"""DSR by each dispatch, between real stacks: to pods on another node, and to a server without bpflb.

n2 is the other node; n3 is the server: bpflb has no configuration there, it has the service's address itself, and
takes packets out of IP in IP by the kernel's own devices.
"""
import contextlib
import functools
import hashlib
import itertools
import os
import socket
import struct

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins
from net.servers import Blocks

SERVER, PORT = "n3", 4000
TO_POD, TO_SERVER = ("geneve", "ipip"), ("ipip", "l2")
# On the backend's node, which sees both directions: what is new may only be new once.
_FIREWALL = """
table inet guard {
    chain forward {
        type filter hook forward priority filter; policy drop
        ct state invalid counter drop
        ct state established,related accept
        ct state new tcp flags & (fin | syn | rst | ack) == syn accept
        ct state new meta l4proto udp accept
        meta l4proto { icmp, ipv6-icmp } accept
    }
}
"""
# On the balancer, which sees one: conntrack is there, and believes what it sees.
_TRACKS = """
table inet guard {
    chain forward {
        type filter hook forward priority filter
        ct state new,established,related accept
    }
}
"""


class Digest(Blocks):
    """Says what the digest is of what it was sent, and by whom."""

    def answer(self, data, peer):
        return f"{peer[0]} {hashlib.sha256(data).hexdigest()}\n".encode()


class State:
    def __init__(self, plan):
        self.plan = plan
        self.cluster = Cluster(plan, offloads=True)
        self.net = self.cluster.net
        self.numbers = itertools.count(60)
        self.net.run(SERVER, ["sh", "-c", "modprobe -q ipip; modprobe -q ip6_tunnel; true"])
        device = "ip6tnl0" if plan.ipv6 else "tunl0"
        self.net.run(SERVER, ["sh", "-c", f"ip link show {device} >/dev/null 2>&1 || ip link add {device} type "
                              f"{'ip6tnl mode any' if plan.ipv6 else 'ipip'}"])
        self.net.run(SERVER, ["ip", "link", "set", device, "up"])
        if not plan.ipv6:
            self.net.sysctl(SERVER, {f"ipv4/conf/{device}/rp_filter": 0})
        for node, rules in (("n1", _TRACKS), ("n2", _FIREWALL)):
            self.net.run(node, ["nft", "-f", "-"], input=rules)

    def serve(self, how, where):
        """A new service of TCP and of UDP, with one server; its address and port."""
        number = next(self.numbers)
        vip, port = self.plan.vip(number), PORT + number
        if where == SERVER:
            self.net.run(SERVER, ["ip", "addr", "add", f"{vip}/{self.plan.host_len}", "dev", "lo",
                                  *(["nodad"] if self.plan.ipv6 else [])])
        Digest(self.net, where, vip if where == SERVER else self.plan.address(where), port, self.plan.family)
        self.cluster.apply([Service(proto, proto, port, [where], vip, backend_port=port, plain=where == SERVER)
                            for proto in ("tcp", "udp")],
                           "mode dsr", f"dispatch {how}", nodes=["n1", "n2"])
        return vip, port

    @contextlib.contextmanager
    def nothing_dropped(self, but=()):
        """On either node, for any reason but these."""
        before = [self.cluster.drops(node) for node in ("n1", "n2")]
        yield
        for node, old in zip(("n1", "n2"), before):
            new = self.cluster.drops(node)
            equal({k: v - old.get(k, 0) for k, v in new.items() if v != old.get(k, 0) and k not in but}, {},
                  f"drops of {node}")

    def connect(self, to, proto):
        s = self.net.socket("c0", self.plan.family, {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[proto])
        s.settimeout(10)
        s.connect(to)
        return s


def said(sock):
    data = b""
    while not data.endswith(b"\n"):
        piece = sock.recv(65536)
        check(piece, "the server has closed the connection")
        data += piece
    return data.decode().split()


def exchange(state, how, where):
    """The server sees the client, and answers it directly; nothing is lost."""
    s = state()
    to = s.serve(how, where)
    for proto in ("tcp", "udp"):
        with s.nothing_dropped(), s.cluster.capture() as capture, s.connect(to, proto) as sock:
            for size in (1, 100, 1000):
                data = os.urandom(size)
                sock.sendall((struct.pack("!I", size) if proto == "tcp" else b"") + data)
                equal(said(sock), [s.plan.client, hashlib.sha256(data).hexdigest()],
                      f"what the server has got, {proto}", capture.dump)
            flow = s.cluster.flow_of("n1", sock.getsockname()[:2])
            equal((flow["kind"], flow["dispatch"]), ("dsr-out", how), f"flow on the balancer, {proto}")
            words = ["conntrack", "-L", "-f", "ipv6" if s.plan.ipv6 else "ipv4", "-p", proto, "--dport", str(to[1])]
            check(s.plan.client in s.net.run("n1", words), f"conntrack on the balancer does not know it, {proto}")

def upload(state, how, where):
    """Megabytes, as large as the client's device likes, most of it in bypass."""
    s = state()
    to = s.serve(how, where)
    data = os.urandom(4 << 20)
    before = s.cluster.json("n1", "stats")["stats"]["bypassed"]
    # what is too big is told to the client, which learns from it
    with s.nothing_dropped({"note-too-big"}), s.cluster.capture() as capture, s.connect(to, "tcp") as sock:
        sock.sendall(struct.pack("!I", len(data)))
        sock.sendall(data)
        equal(said(sock)[1], hashlib.sha256(data).hexdigest(), "digest of what the server has got", capture.dump)
        eventually(lambda: s.cluster.flow_of("n1", sock.getsockname()[:2])["bypass"] == "client", "it takes bypass")
    check(s.cluster.json("n1", "stats")["stats"]["bypassed"] - before > 20, "packets that took bypass")


def large_datagrams(state, how, where):
    """Larger than the link, in the client's fragments; and what just fits the link, without DF."""
    s = state()
    to = s.serve(how, where)
    level, discover = (socket.IPPROTO_IPV6, 23) if s.plan.ipv6 else (socket.IPPROTO_IP, 10)
    with s.nothing_dropped({"note-too-big"}), s.cluster.capture() as capture, s.connect(to, "udp") as sock:
        sock.setsockopt(level, discover, 0)     # no path MTU discovery
        for size in (1500 - (48 if s.plan.ipv6 else 28), 4000):
            data = os.urandom(size)
            # IPv6 is never fragmented on the way: the client is told, and sends fragments
            for attempt in range(3):
                with contextlib.suppress(OSError):
                    sock.send(data)
                sock.settimeout(10 if attempt else 1)
                try:
                    answer = said(sock)
                    break
                except TimeoutError:
                    check(s.plan.ipv6 and not attempt, "no answer", capture.dump)
            equal(answer, [s.plan.client, hashlib.sha256(data).hexdigest()], f"what the server has got of {size}",
                  capture.dump)


def changed(state):
    """A new dispatch is for new flows: a connection goes on as it began."""
    s = state()
    to = s.serve("geneve", "p21")
    with s.connect(to, "tcp") as old:
        for how in ("ipip", "opt", "geneve"):
            old.sendall(struct.pack("!I", 1) + b"x")
            said(old)
            for node in ("n1", "n2"):
                s.cluster.lbadm(node, f"set dispatch {how}")
            with s.connect(to, "tcp") as new:
                new.sendall(struct.pack("!I", 1) + b"y")
                equal(said(new)[0], s.plan.client, "whom the server sees")
                equal(s.cluster.flow_of("n1", new.getsockname()[:2])["dispatch"], how, "a new flow's dispatch")
        equal(s.cluster.flow_of("n1", old.getsockname()[:2])["dispatch"], "geneve", "the old flow's")


def by_snat(state):
    """A server without bpflb that could not make anything of it gets packets by SNAT."""
    s = state()
    for how in ("opt", "geneve"):
        s.cluster.apply([Service("tcp", "tcp", 80, [SERVER], s.plan.vip(59), plain=True)], "mode dsr",
                        f"dispatch {how}", nodes=["n1", "n2"])
        answer = clients.tcp_once(s.net, "c0", (s.plan.vip(59), 80))
        equal((answer.client, answer.name), (s.plan.nodes["n1"], SERVER), f"whom the server sees, {how}")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        cases = [*((how, "p21", "a pod") for how in TO_POD),
                 *((how, SERVER, "a server without bpflb") for how in TO_SERVER)]
        what = (("both protocols", exchange), ("upload", upload), ("large datagrams", large_datagrams))
        return [*((f"dispatch: {how} to {name}: {title}", functools.partial(f, state, how, where))
                  for how, where, name in cases for title, f in what),
                ("dispatch: it changes", functools.partial(changed, state)),
                ("dispatch: servers without bpflb, else", functools.partial(by_snat, state))]
    return twins(of_family)
