# SPDX-License-Identifier: GPL-2.0-only
"""Offloads, and who else sees packets: taps, programs of tc, XDP; with bypass and without it, by each dispatch.

Offloads are switched on the way, from the client's device to the backend's node: who makes large packets of small
ones, small ones of large ones, and who finishes checksums. The last link to the server, and that to the client, has
none. So each packet is looked at there as any receiver would get it: complete, of a frame's size, its checksums
right, and its payload is compared byte by byte with what was sent. And real sockets at both ends agree.
"""
import contextlib
import functools
import os
import shlex
import socket
import struct

from net import clients, ns
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.packet import SYN, TCP, UDP
from net.plan import twins
from net.rtnl import Rtnl
from net.servers import Blocks
from links import xdp_pass

# How long a device waits for a packet to put to the one before it, ns: more where a sender needs more for the next.
GRO_WAIT = 1_000_000 if os.environ.get("LAB_KERNEL") == "uml-up" else 20_000_000
HOWS = "snat", "opt", "geneve", "ipip", "l2"
PORT, SERVER, POD = 7000, "n3", "p21"
_MTU = 1500
_UDP_SEGMENT, _SOL_UDP, _UDP_NO_CHECK6_TX, _UDP_NO_CHECK6_RX, _SO_NO_CHECK = 103, 17, 101, 102, 11
_XDP_GENERIC = 2
_BASIC = "rx", "tx", "sg", "tso", "gso", "gro", "tx-udp-segmentation", "rx-udp-gro-forwarding", "rx-gro-list"

# What is on: at the client's device; at all devices between. The rest of the above is off.
PROFILES = {
    "nothing": ((), ()),
    "checksums": (("rx", "tx"), ("rx", "tx")),
    "everything": (("rx", "tx", "sg", "tso", "gso", "tx-udp-segmentation"),
                   ("rx", "tx", "sg", "tso", "gso", "gro", "tx-udp-segmentation")),
    # the client's device cuts, others put together again
    "gro": (("rx", "tx", "sg"), ("rx", "tx", "sg", "tso", "gso", "gro")),
    "gro, checksums done": (("rx",), ("rx", "gro")),
    "gro of datagrams": (("rx", "tx", "sg"), ("rx", "tx", "sg", "tso", "gso", "gro", "tx-udp-segmentation",
                                              "rx-udp-gro-forwarding")),
    # finished by the client: a list of unfinished packets is one of the kernel's own blind spots
    "gro to lists": (("rx", "sg"), ("rx", "tx", "sg", "tso", "gso", "gro", "tx-udp-segmentation", "rx-gro-list")),
}
# Where these are to be seen to have made packets of several: TCP's, UDP's
LARGE = {"everything": (True, True), "gro": (True, False), "gro of datagrams": (True, True), "gro to lists": (True, True)}
BETWEEN = ("r0", "lan0"), ("lan", "r0"), ("lan", "n1"), ("n1", "lan0"), ("lan", "n2"), ("n2", "lan0")
INWARDS = ("r0", "wan0"),           # its other direction is the client's last link
LAST = (POD, "eth0"), ("n2", POD), ("lan", SERVER), (SERVER, "lan0"), ("c0", "eth0"), ("r0", "wan0")


class Echo(Blocks):
    """Sends back what it is sent."""

    def __init__(self, topology, place, address, port, family):
        super().__init__(topology, place, address, port, family)
        self.udp.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)     # SO_RCVBUFFORCE
        if family == socket.AF_INET6:
            self.udp.setsockopt(_SOL_UDP, _UDP_NO_CHECK6_RX, 1)

    def answer(self, data, peer):
        return data


class State:
    """One service of each protocol for each dispatch; that of l2 is a server's without bpflb."""

    def __init__(self, plan):
        self.plan = plan
        self.cluster = Cluster(plan, servers_at=())
        self.net = self.cluster.net
        self._profile = None
        services = []
        for n, how in enumerate(HOWS, 120):
            vip, port, where = plan.vip(n), PORT + n, self.where(how)
            if where == SERVER:
                self.net.run(SERVER, ["ip", "addr", "add", f"{vip}/{plan.host_len}", "dev", "lo",
                                      *(["nodad"] if plan.ipv6 else [])])
            Echo(self.net, where, vip if where == SERVER else plan.address(where), port, plan.family)
            options = "mode snat" if how == "snat" else f"mode dsr dispatch {how}"
            services += [Service(f"{proto}-{how}", proto, port, [where], vip, backend_port=port, options=options,
                                 plain=where == SERVER) for proto in ("tcp", "udp")]
        self.cluster.apply(services, nodes=["n1", "n2"])
        # a note is believed from a node whose MAC is known
        eventually(self._met, "n2 knows the balancer's MAC")

    def _met(self):
        words = ["ip", "neigh", "show", self.plan.nodes["n1"], "dev", "lan0"]
        return "lladdr" in self.net.run("n2", words) or \
            clients.knock(self.net, "n2", (self.plan.nodes["n1"], 9), "udp").close()

    @staticmethod
    def where(how):
        return SERVER if how == "l2" else POD

    def front(self, how):
        n = 120 + HOWS.index(how)
        return self.plan.vip(n), PORT + n

    def _set(self, place, link, on):
        for state in "off", "on":       # some want others, so first those away, then others on
            words = [f"{name} {state}" for name in _BASIC if (name in on) == (state == "on")]
            ns.features(self.net.ns(place), link, " ".join(words))

    def profile(self, name):
        if name == self._profile:
            return
        client, between = PROFILES[name]
        for place, link in BETWEEN:
            self._set(place, link, between)
        for place, link in LAST:
            self._set(place, link, ())
        # it receives from the client what it may put together, but sends nothing unfinished
        for place, link in INWARDS:
            self._set(place, link, [word for word in between if word.startswith("rx") or word == "gro"])
        self._set("c0", "eth0", [word for word in client if word != "gro"])
        # The router, the first that puts packets together, waits for more: else it is up to how fast they come.
        for place, link in INWARDS:
            ns.device(self.net.ns(place), link, {"gro_flush_timeout": GRO_WAIT if "gro" in between else 0})
        self._profile = name

    def has(self, place, link, feature):
        return f"{feature}: on" in self.net.run(place, ["ethtool", "-k", link])

    def connect(self, how, proto):
        s = self.net.socket("c0", self.plan.family, {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[proto])
        s.settimeout(10)
        s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
        s.connect(self.front(how))
        return s

    def flow(self, sock):
        return self.cluster.flow_of("n1", sock.getsockname()[:2])

    @contextlib.contextmanager
    def nothing_dropped(self):
        """But what was too big, which was told to the client."""
        before = [self.cluster.drops(node) for node in ("n1", "n2")]
        yield
        for node, old in zip(("n1", "n2"), before):
            new = self.cluster.drops(node)
            equal({k: v - old.get(k, 0) for k, v in new.items() if v != old.get(k, 0) and k != "note-too-big"}, {},
                  f"drops of {node}")

    @contextlib.contextmanager
    def bypass(self, on):
        self.cluster.lbadm("n1", f"set bypass {'on' if on else 'off'}")
        self.cluster.lbadm("n1", "flow flush")
        before = self.cluster.json("n1", "stats")["stats"]["bypassed"]
        yield
        took = self.cluster.json("n1", "stats")["stats"]["bypassed"] - before
        check(bool(took) == on, f"{took} packets took bypass")


def echoed(sock, data):
    """A block of TCP, there and back."""
    back = bytearray()
    sock.sendall(struct.pack("!I", len(data)) + data)
    while len(back) < len(data):
        piece = sock.recv(1 << 18)
        check(piece, "the server has closed the connection")
        back += piece
    check(bytes(back) == data, "what came back is not what was sent")


def datagrams_echoed(sock, data, size):
    """Datagrams of @size, sent as one if there are several."""
    pieces = [data[n:n + size] for n in range(0, len(data), size)]
    if len(pieces) > 1:
        sock.setsockopt(_SOL_UDP, _UDP_SEGMENT, size)
        try:
            sock.send(data)
        except OSError:     # 6.1 wants a device that finishes checksums
            sock.setsockopt(_SOL_UDP, _UDP_SEGMENT, 0)
            for piece in pieces:
                sock.send(piece)
        sock.setsockopt(_SOL_UDP, _UDP_SEGMENT, 0)
    else:
        sock.send(data)
    equal(sorted(sock.recv(65536) for _ in pieces), sorted(pieces), "datagrams that came back")


def whole(packets, what, capture):
    """Packets as a receiver has them: of a frame's size, complete, no notes on them."""
    check(packets, f"no packets {what}", capture.dump)
    for p in packets:
        check(not p.bad and not p.partial, f"{what}: {p.bad or 'unfinished'}", lambda p=p: [str(p), p.frame.hex()])
        check(len(p.ip) <= _MTU, f"{what}: {len(p.ip)} bytes", lambda p=p: [str(p)])
        check(not p.options, f"{what}: options", lambda p=p: [str(p)])


def stream_of(packets):
    """What the segments make up; those that were sent twice agree."""
    first = next(p.seq for p in packets if p.flags & SYN)
    data = bytearray()
    for where, payload in sorted(((p.seq - first - 1) & 0xffffffff, p.payload) for p in packets if p.payload):
        check(where <= len(data), f"nothing from byte {len(data)} to {where}")
        again = len(data) - where
        check(data[where:where + len(payload)] == payload[:again], f"segments differ behind byte {where}")
        data += payload[again:]
    return bytes(data)


def seen_by(s, how, capture, proto, sock):
    """Packets to the server and to the client as these get them."""
    client, place, flow = sock.getsockname()[:2], s.where(how), s.flow(sock)
    source = (flow["snat_address"], flow["snat_port"]) if how == "snat" else client
    packets = [p for p in capture.read() if p.ip is not None and not p.out and p.proto == proto]
    return ([p for p in packets if p.place == place and (p.src, p.sport) == source],
            [p for p in packets if p.place == "c0" and (p.dst, p.dport) == client])


def tapped(capture, proto, sock):
    """What the balancer's tap has seen come in of the client's."""
    client = sock.getsockname()[:2]
    return [p for p in capture.read() if p.place == "n1" and not p.out and p.ip is not None and p.proto == proto and
            (p.src, p.sport) == client]


def put_together(packets):
    return any(len(p.ip) > _MTU for p in packets)


def tap_is_true(s, how, capture, proto, sock, sent):
    """What the balancer's tap has seen come in is what the client has sent, whatever became of it then."""
    front, seen = s.front(how), tapped(capture, proto, sock)
    check(seen, "the tap has seen nothing", capture.dump)
    for p in seen:
        equal((p.dst, p.dport), front, "the destination that the tap has seen", lambda p=p: [str(p)])
        check(p.payload == b"" or p.payload in sent, "the tap has seen another payload", lambda p=p: [str(p)])
    return seen


def talk(s, how, proto, bypass, large):
    """Blocks and datagrams there and back; packets at their ends are what was sent, and so is what taps see."""
    size = 1200
    number = {"tcp": TCP, "udp": UDP}[proto]
    with s.nothing_dropped(), s.bypass(bypass), s.cluster.capture([s.where(how), "c0", "n1"]) as capture, \
            s.connect(how, proto) as sock:
        sent = b""
        for n in (1, 700, 701):         # the first ones, by the stack's way
            data = os.urandom(n)
            (echoed if proto == "tcp" else functools.partial(datagrams_echoed, size=2000))(sock, data)
            sent += (struct.pack("!I", n) if proto == "tcp" else b"") + data
        for n in range(40):
            if n >= 3 and (not large or put_together(tapped(capture, number, sock))):
                break               # what is put together is up to how fast it comes
            data = os.urandom(64 << 10 if proto == "tcp" else 20 * size + 77)
            (echoed if proto == "tcp" else functools.partial(datagrams_echoed, size=size))(sock, data)
            sent += (struct.pack("!I", len(data)) if proto == "tcp" else b"") + data
        there, back = seen_by(s, how, capture, number, sock)
        whole(there, "to the server", capture)
        whole(back, "to the client", capture)
        if proto == "tcp":
            check(stream_of(there) == sent, "the payload at the server is not what was sent")
        else:
            check(b"".join(p.payload for p in there) == sent, "the payload at the server is not what was sent")
        seen = tap_is_true(s, how, capture, number, sock, sent)
        if large:
            check(put_together(seen), "nothing was put together on the way", capture.dump)
        equal(capture.lost(), 0, "packets that were not seen")


def cell(state, profile, how, bypass):
    s = state()
    s.profile(profile)
    for proto, large in zip(("tcp", "udp"), LARGE.get(profile, (False, False))):
        if "list" in profile:
            large &= s.has("n1", "lan0", "rx-gro-list")
        talk(s, how, proto, bypass, large)


@contextlib.contextmanager
def larger_packets(s):
    """Each device of the way may have packets of 190 kB, and the client sends such, however slow it is."""
    def set_all(size):
        for place, link in (("c0", "eth0"), *INWARDS, *BETWEEN):
            with Rtnl(s.net.ns(place)) as rtnl:
                rtnl.packets(link, size)

    def client(mtu, rtt_log):
        s.net.run("c0", ["ip", "link", "set", "eth0", "mtu", str(mtu)])
        ns.sysctl(s.net.ns("c0"), {"ipv4/tcp_tso_rtt_log": rtt_log})

    try:
        # Kernels which give IPv6's a header with their length count it in each frame that a router is to make of them.
        client(_MTU - 8, 31)
        set_all(190_000)
        yield
    finally:
        set_all(65536)
        client(_MTU, 9)


def big(state, how, bypass):
    """TCP in packets of more than 64 KiB, whose IP headers have no length (BIG TCP)."""
    s = state()
    s.profile("everything")
    with s.nothing_dropped(), s.bypass(bypass), larger_packets(s), \
            ns.make_socket(s.net.ns("n1"), socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap, \
            s.connect(how, "tcp") as sock:
        tap.bind(("lan0", 0))
        tap.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        tap.setblocking(False)
        largest = 0
        for n in (1, 700, *[2 << 20] * 10):     # windows grow
            if largest > 65536 + 14:
                break
            echoed(sock, os.urandom(n))
            with contextlib.suppress(BlockingIOError):
                while True:
                    largest = max(largest, tap.recv_into(bytearray(1), 1, socket.MSG_TRUNC))
        check(largest > 65536 + 14, f"the largest packet had {largest} bytes")


def without_sum(state, how, bypass):
    """UDP without a checksum: it stays without in IPv4, and in IPv6 where it has come so."""
    s = state()
    s.profile("nothing")
    with s.nothing_dropped(), s.bypass(bypass), s.cluster.capture([s.where(how)]) as capture, \
            s.connect(how, "udp") as sock:
        if s.plan.ipv6:
            sock.setsockopt(_SOL_UDP, _UDP_NO_CHECK6_TX, 1)
            sock.setsockopt(_SOL_UDP, _UDP_NO_CHECK6_RX, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
        for n in (1, 1000, 1001):
            datagrams_echoed(sock, os.urandom(n), 2000)
        there = [p for p in capture.read() if not p.out and p.proto == UDP and p.ip is not None]
        check(there, "no packets to the server", capture.dump)
        for p in there:
            equal(p.transport[6:8], b"\0\0", "checksum", lambda p=p: [str(p)])


@contextlib.contextmanager
def tc(s, *filters):
    """These filters, (direction, words), at the balancer's link."""
    s.net.run("n1", ["tc", "qdisc", "add", "dev", "lan0", "clsact"])
    try:
        for way, words in filters:
            s.net.run("n1", ["tc", "filter", "add", "dev", "lan0", way, *shlex.split(words)])
        yield
    finally:
        s.net.run("n1", ["tc", "qdisc", "del", "dev", "lan0", "clsact"])


def hits(s, way):
    """How often tc's actions of the direction were run."""
    text = s.net.run("n1", ["tc", "-s", "filter", "show", "dev", "lan0", way])
    return sum(int(line.split()[line.split().index("bytes") + 1]) for line in text.splitlines() if "Sent" in line)


def beside_tc(state, how, bypass):
    """Filters of tc that copy each packet, look at it, and count it, on both ways of the link."""
    s = state()
    s.profile("everything")
    s.net.run("n1", ["sh", "-c", "ip link add copy0 type dummy 2>/dev/null; ip link set copy0 up"])
    proto = "ipv6" if s.plan.ipv6 else "ip"
    backend = s.plan.nodes["n2"] if how in ("geneve",) else \
        s.front(how)[0] if how == "l2" else s.plan.address(s.where(how))
    match = f"protocol {proto} prio 3 u32 match {'ip6' if s.plan.ipv6 else 'ip'} dst {backend} action continue"
    copy = f"protocol {proto} prio 1 matchall action mirred egress mirror dev copy0 continue"
    # classic BPF that says nothing of any packet but that it has seen it: return -1, "go on"
    program = f"protocol {proto} prio 2 bpf da bytecode '1,6 0 0 4294967295,'"
    with tc(s, ("ingress", copy), ("ingress", program), ("egress", copy), ("egress", program), ("egress", match)):
        before = hits(s, "egress")
        for proto in ("tcp", "udp"):
            talk(s, how, proto, bypass, True)
        check(hits(s, "egress") - before > 40, "packets that tc's filters have seen leave")


def redirected(state, how, bypass):
    """tc sends what leaves by lan0 on by another device, and takes what comes by that for lan0's."""
    s = state()
    s.profile("everything")
    net = s.net
    net.run("n1", ["ip", "link", "add", "side0", "type", "veth", "peer", "name", "side1"])
    net.run("n1", ["sh", "-c", "ip link set side0 up; ip link set side1 up"])
    try:
        with tc(s, ("egress", "matchall action mirred egress redirect dev side0")):
            # side1 hears it all: and gives it to the cable
            net.run("n1", ["ip", "link", "set", "side1", "netns", net.ns("lan")])
            net.run("lan", ["sh", "-c", "ip link set side1 master br0; ip link set side1 up; bridge link set dev side1 learning off"])
            for proto in ("tcp", "udp"):
                talk(s, how, proto, bypass, True)
    finally:
        net.run("n1", ["ip", "link", "del", "side0"])


def beside_xdp(state, how, bypass):
    """A program of XDP that runs on what the stack has made already (generic mode)."""
    s = state()
    s.profile("everything")
    try:
        link = xdp_pass(s.net, "n1", "lan0", _XDP_GENERIC)
    except OSError as e:
        check(False, f"no XDP: {e}")
    try:
        for proto in ("tcp", "udp"):
            talk(s, how, proto, bypass, False)
    finally:
        os.close(link)


def tests(subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        out = []
        for profile in PROFILES:
            out += [(f"offload: {profile}: {how}, {'bypass' if on else 'the stack'}'s way",
                     functools.partial(cell, state, profile, how, on)) for how in HOWS for on in (True, False)]
        for name, f in (("UDP without checksum", without_sum), ("tc copies and counts", beside_tc),
                        ("tc redirects", redirected), ("XDP, generic", beside_xdp)):
            out += [(f"offload: {name}: {how}, {'bypass' if on else 'the stack'}'s way", functools.partial(f, state, how, on))
                    for how in HOWS for on in (True, False)]
        if plan.ipv6 or tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 3):
            out += [(f"offload: BIG TCP: {how}, {'bypass' if on else 'the stack'}'s way", functools.partial(big, state, how, on))
                    for how in HOWS for on in (True, False)]
        return out
    return twins(of_family)
