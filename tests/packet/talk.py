# SPDX-License-Identifier: GPL-2.0-only
"""Flows of every kind that bypass serves: what either side sends, and what must come out.

ask() and answer() give (link, frame, wanted), ready for Wire.expect(); keywords are those of at.ip().
"""
import itertools

from scapy.layers.inet import TCP, UDP

from family import at, changed
from net.ktap import equal
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router

_ports = itertools.count(24001)
TIMES = [("NOP", None), ("NOP", None), ("Timestamp", (305419896, 19088743))]


class Talk:
    """One flow; open() says everything that comes before bypass.

    @front, @server: ports of the service and of the backend, by protocol. @both: the answers come by
    here too.
    """

    mode, both, front, server, settings = "snat", True, {}, {}, ()

    def __init__(self, wire, proto):
        self.wire, self.proto = wire, proto
        self.port = next(_ports)

    def _packet(self, ip, ports, flags, data, df, chksum):
        if self.proto == "udp":
            return at.ip(**ip, df=df) / UDP(**ports, chksum=chksum) / data
        return at.ip(**ip, df=df) / TCP(**ports, flags=flags, window=29200, options=TIMES) / data

    def segment(self, flags="PA", data=b"", df=False, chksum=None, **ip):
        """What the client sends."""
        return self._packet({"src": at.client, "dst": at.vip, "id": 0x1234, "ttl": 64, **ip},
                            {"sport": self.port, "dport": self.front[self.proto]}, flags, data, df, chksum)

    def reply(self, flags="PA", data=b"", df=False, chksum=None, **ip):
        """What the backend sends."""
        src, dst = self.reply_between()
        return self._packet({"src": src, "dst": dst, "id": 0x2222, "ttl": 60, **ip},
                            {"sport": self.server[self.proto], "dport": self.port}, flags, data, df, chksum)

    def say(self, *sides, **kw):
        """One packet of each side, all right when they come out."""
        for side in sides:
            self.wire.expect(*side(**kw))

    def open(self):
        """Until every packet that may take bypass will."""
        self.wire.set(self.mode, *self.settings)
        with self.wire.bypassing(0):
            if self.proto == "udp":
                self.say(self.ask, data=b"first")
            elif self.both:
                self.say(self.ask, self.answer, flags="S")
                self.say(self.ask, flags="A")
            else:
                self.say(self.ask, flags="S")
                self.say(self.ask, flags="A")
            if self.both:
                self.say(self.answer, data=b"first", flags="A")
        equal(self.flow()["bypass"], "both" if self.both else "client", "bypass of the flow")
        return self

    def flow(self):
        return self.wire.flow(at.client, self.port)


class Snat(Talk):
    """To a backend on another node."""

    front, server = {"tcp": 80, "udp": 53}, {"tcp": 8080, "udp": 5353}

    @staticmethod
    def reply_between():
        return at.remote, at.n1

    def translated(self, packet):
        return changed(packet, src=at.n1, dst=at.remote, dport=self.server[self.proto])

    def ask(self, **kw):
        packet = self.segment(**kw)
        return "lan", from_router(packet), to_node(self.translated(packet))

    def answer(self, flags="PA", **kw):
        packet = self.reply("SA" if flags == "S" else flags, **kw)
        return "lan", from_node(packet), to_router(
            changed(packet, src=at.vip, dst=at.client, sport=self.front[self.proto]))


class Local(Talk):
    """To a pod on this node."""

    front, server = {"tcp": 81, "udp": 54}, {"tcp": 8080, "udp": 5353}

    @staticmethod
    def reply_between():
        return at.pod, at.client

    def ask(self, **kw):
        packet = self.segment(**kw)
        return "lan", from_router(packet), to_pod(
            changed(packet, dst=at.pod, dport=self.server[self.proto]))

    def answer(self, flags="PA", **kw):
        packet = self.reply("SA" if flags == "S" else flags, **kw)
        return "pod", from_pod(packet), to_router(
            changed(packet, src=at.vip, sport=self.front[self.proto]))


class Hairpin(Talk):
    """A pod asks for a service whose backend it is itself: what it gets is from the node.

    @own: from the very port that it serves at.
    """

    front, server = {"tcp": 81, "udp": 54}, {"tcp": 8080, "udp": 5353}

    def __init__(self, wire, proto, mode="snat", own=False):
        super().__init__(wire, proto)
        self.mode = mode
        if own:
            self.port = self.server[proto]

    @staticmethod
    def reply_between():
        return at.pod, at.gateway

    def ask(self, **kw):
        packet = self.segment(src=at.pod, **kw)
        return "pod", from_pod(packet), to_pod(
            changed(packet, src=at.gateway, dst=at.pod, dport=self.server[self.proto]))

    def answer(self, flags="PA", **kw):
        packet = self.reply("SA" if flags == "S" else flags, **kw)
        return "pod", from_pod(packet), to_pod(
            changed(packet, src=at.vip, dst=at.pod, sport=self.front[self.proto]))

    def flow(self):
        return self.wire.flow(at.pod, self.port)


class Masqueraded(Local):
    """To a pod on this node, which sees the node."""

    @staticmethod
    def reply_between():
        return at.pod, at.gateway

    def ask(self, **kw):
        packet = self.segment(**kw)
        return "lan", from_router(packet), to_pod(
            changed(packet, src=at.gateway, dst=at.pod, dport=self.server[self.proto]))

    def answer(self, flags="PA", **kw):
        packet = self.reply("SA" if flags == "S" else flags, **kw)
        return "pod", from_pod(packet), to_router(
            changed(packet, src=at.vip, dst=at.client, sport=self.front[self.proto]))


class Direct(Talk):
    """A pod of this node asks a backend on another, which sees the pod."""

    front, server = {"tcp": 80, "udp": 53}, {"tcp": 8080, "udp": 5353}

    @staticmethod
    def reply_between():
        return at.remote, at.pod

    def ask(self, **kw):
        packet = self.segment(src=at.pod, **kw)
        return "pod", from_pod(packet), to_node(changed(packet, dst=at.remote, dport=self.server[self.proto]))

    def answer(self, flags="PA", **kw):
        packet = self.reply("SA" if flags == "S" else flags, **kw)
        return "lan", from_node(packet), to_pod(changed(packet, src=at.vip, sport=self.front[self.proto]))

    def flow(self):
        return self.wire.flow(at.pod, self.port)


class DsrOut(Snat):
    """To a backend whose node answers by itself. UDP has the note on every packet."""

    mode, both = "dsr", False

    def translated(self, packet):
        return changed(packet, dst=at.remote, dport=self.server[self.proto])

    def ask(self, flags="PA", **kw):
        packet = self.segment(flags=flags, **kw)
        want = self.translated(packet)
        if self.proto == "udp" or flags == "S":
            want = at.noted(want, at.vip, self.front[self.proto])
        return "lan", from_router(packet), to_node(want)


class DsrIn(Local):
    """From a balancer to a pod on this node: the client's SYN, or each datagram, has the note.

    With that it takes the stack's way.
    """

    mode = "dsr"

    def ask(self, flags="PA", **kw):
        packet = self.segment(flags=flags, **{"dst": at.pod, **kw})
        packet.payload.dport = self.server[self.proto]
        frame = from_node(packet)
        if self.proto == "udp" or flags == "S":
            frame = from_node(at.noted(packet, at.vip, self.front[self.proto]))
        return "lan", frame, to_pod(changed(packet))
