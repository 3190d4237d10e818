# SPDX-License-Identifier: GPL-2.0-only
"""What every link of the cluster carried, and whether all of it was right."""
import socket
import struct

from .packet import ETH_IPV4, ETH_IPV6, Packet

_ETH_ALL = 3
_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_OTHERHOST, _OUTGOING = 3, 4
_AUXDATA = struct.Struct("=IIIHHHH")     # struct tpacket_auxdata; its status comes first
_CHECKSUM_NOT_READY = 8
_TIMESTAMPNS = 35
_LARGEST = 65536 + 14       # a segmentation offload's packet


# The kernel takes times while anybody wants them, and patches its own code when the
# first begins and the last ends. QEMU, emulating two processors, has been seen to run
# into the half patched code and die of it: so this one begins once and never ends.
_clock = []


def _keep_clock_running():
    if not _clock:
        _clock.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        _clock[0].setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)


class Capture:
    """A packet socket in each of @places that sees all of its links.

    A link is a pair of devices with the same packets at both ends, so the
    routers' ends are all there is to see.
    """

    def __init__(self, topology, places=None):
        _keep_clock_running()
        self.packets = []
        self._sockets = []
        for place in places or topology.routers:
            s = topology.socket(place, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_ALL))
            s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)   # SO_RCVBUFFORCE
            s.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            s.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
            s.setblocking(False)
            self._sockets.append((place, s))

    def close(self):
        for _, s in self._sockets:
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def clear(self):
        self.read()
        self.packets = []

    def read(self):
        """Takes in what came since; returns all packets since clear(), in their order."""
        for place, s in self._sockets:
            while True:
                try:
                    frame, control, _, (link, proto, kind, *_) = s.recvmsg(_LARGEST, 256)
                except BlockingIOError:
                    break
                # OTHERHOST: a bridge that has not learned yet shows it to everyone.
                if proto not in (ETH_IPV4, ETH_IPV6) or kind == _OTHERHOST:
                    continue
                control = {level: data for level, _, data in control}
                partial = bool(_AUXDATA.unpack(control[_SOL_PACKET])[0] & _CHECKSUM_NOT_READY)
                packet = Packet(frame, place, link, kind == _OUTGOING, partial)
                if packet.of_the_link() and not packet.bad:
                    continue
                packet.time = struct.unpack("=qq", control[socket.SOL_SOCKET])
                self.packets.append(packet)
        self.packets.sort(key=lambda p: p.time)
        return self.packets

    def bad(self):
        return [p for p in self.read() if p.bad]

    def matching(self, test):
        return [p for p in self.read() if p.ip is not None and test(p)]

    def crossed(self, test):
        """The places that saw a packet for which @test holds."""
        return {p.place for p in self.matching(test)}

    def path(self, test):
        """Where the packets for which @test holds went: ["r0", "n1", …], in order."""
        order = []
        for p in self.matching(test):
            if p.place not in order:
                order.append(p.place)
        return order

    def lost(self):
        """How many packets the sockets had no room for: then nothing can be said."""
        total = 0
        for _, s in self._sockets:
            total += struct.unpack("=II", s.getsockopt(_SOL_PACKET, 6, 8))[1]
        return total

    def dump(self, limit=40):
        lines = [str(p) for p in self.read()]
        return lines[:limit] + ([f"… and {len(lines) - limit} more"] if len(lines) > limit else [])
