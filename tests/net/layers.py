# SPDX-License-Identifier: GPL-2.0-only
"""What a device carried, header by header: also what is in tunnels."""
import socket
import struct
from dataclasses import dataclass

from .packet import ETH_IPV4, ETH_IPV6

_TUNNELED = {4: ETH_IPV4, 41: ETH_IPV6}
_VXLAN, _GENEVE, _ETHERNET = 4789, 6081, 0x6558
_DESTINATION = 60
_SOL_PACKET, _AUXDATA, _STATISTICS = 263, 8, 6
_AUX = struct.Struct("=IIIHHHH")
_TAG_IS_VALID = 1 << 4
_OUTGOING = 4


@dataclass(frozen=True)
class Layer:
    """@kind: eth, ip, esp, vxlan, geneve, tcp, udp; @src, @dst: MAC addresses, IP addresses, ports; @tag: a VLAN's number, or
    a VXLAN's."""
    kind: str
    src: object = None
    dst: object = None
    tag: int = None


def _mac(data):
    return ":".join(f"{byte:02x}" for byte in data)


def _ports(kind, data):
    return Layer(kind, *struct.unpack_from("!HH", data)) if len(data) >= 4 else Layer(kind)


def _transport(proto, data):
    if proto in _TUNNELED:
        yield from _network(_TUNNELED[proto], data)
    elif proto == socket.IPPROTO_ESP:
        yield Layer("esp")
    elif proto == socket.IPPROTO_TCP:
        yield _ports("tcp", data)
    elif proto == socket.IPPROTO_UDP and len(data) >= 8:
        udp = _ports("udp", data)
        yield udp
        data = data[8:]
        if udp.dst == _VXLAN and len(data) > 8:
            yield Layer("vxlan", tag=int.from_bytes(data[4:7], "big"))
            yield from _frame(data[8:])
        elif udp.dst == _GENEVE and len(data) > 8:
            yield Layer("geneve")
            if struct.unpack_from("!H", data, 2)[0] == _ETHERNET:
                yield from _frame(data[8 + (data[0] & 63) * 4:])


def _network(kind, data):
    if kind == ETH_IPV4 and len(data) >= 20:
        yield Layer("ip", *(socket.inet_ntoa(data[at:at + 4]) for at in (12, 16)))
        if not struct.unpack_from("!H", data, 6)[0] & 0x1fff:
            yield from _transport(data[9], data[(data[0] & 15) * 4:])
    elif kind == ETH_IPV6 and len(data) >= 40:
        yield Layer("ip", *(socket.inet_ntop(socket.AF_INET6, data[at:at + 16]) for at in (8, 24)))
        proto, at = data[6], 40
        if proto == _DESTINATION:
            proto, at = data[40], 40 + (data[41] + 1) * 8
        yield from _transport(proto, data[at:])


def _frame(frame, vlan=None):
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    if kind == 0x8100:
        vlan, kind = struct.unpack_from("!HH", frame, 14)
        at = 18
    yield Layer("eth", _mac(frame[6:12]), _mac(frame[:6]), vlan and vlan & 0xfff)
    yield from _network(kind, frame[at:])


class Seen(tuple):
    """The layers of a packet, outermost first; .out: it left by the device."""

    def has(self, kind):
        return any(layer.kind == kind for layer in self)

    def first(self, kind):
        return next((layer for layer in self if layer.kind == kind), Layer(kind))

    def last(self, *kinds):
        return next((layer for layer in reversed(self) if layer.kind in kinds), Layer(kinds[0]))

    def __str__(self):
        text = " / ".join(f"{layer.kind} {layer.src}>{layer.dst}{'' if layer.tag is None else f' #{layer.tag}'}"
                          for layer in self)
        return f"{'>' if self.out else '<'} {text}"


class Wire:
    """What passes the device @link of @place from now on."""

    def __init__(self, topology, place, link):
        self.place, self.link = place, link
        self._socket = topology.socket(place, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)     # SO_RCVBUFFORCE
        self._socket.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        self._socket.setblocking(False)
        self._socket.bind((link, 3))                                 # ETH_P_ALL
        self._seen = []

    def read(self, most=1 << 20):
        """All packets so far, at @most so many new ones: where they go on coming there is no end."""
        for _ in range(most):
            try:
                data, control, _, (_, _, kind, *_) = self._socket.recvmsg(300, 256)
            except BlockingIOError:
                break
            aux = next((_AUX.unpack(data) for level, what, data in control if (level, what) == (_SOL_PACKET, _AUXDATA)), None)
            vlan = aux[5] if aux and aux[0] & _TAG_IS_VALID else None
            seen = Seen(_frame(data, vlan))
            seen.out = kind == _OUTGOING
            self._seen.append(seen)
        return self._seen

    def lost(self):
        """How many it had no room for."""
        return struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]

    def dump(self, limit=30):
        return [f"{self.place} {self.link} {seen}" for seen in self.read(limit)][:limit]

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
