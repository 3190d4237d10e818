# SPDX-License-Identifier: GPL-2.0-only
"""Just enough of Ethernet, IPv4, ICMP, TCP and UDP to follow a packet and check it."""
import socket
import struct

TCP, UDP, ICMP = socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETH_IPV4 = 0x0800


def sum_ok(data):
    """A ones' complement sum with its checksum in it is a multiple of 0xffff."""
    if len(data) % 2:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xffff == 0


class Packet:
    """One frame as a link saw it; .bad says what is wrong with it, or is empty.

    @partial: the sender left the transport checksum to the device, so that it
    must be the sum of the pseudo header only.
    """

    def __init__(self, frame, place="", link="", out=False, partial=False):
        self.place, self.link, self.out, self.partial = place, link, out, partial
        self.frame = frame
        self.mac_dst, self.mac_src = frame[:6], frame[6:12]
        self.bad = ""
        self.proto, self.sport, self.dport, self.flags, self.payload = 0, 0, 0, 0, b""
        self.ip = None
        if struct.unpack_from("!H", frame, 12)[0] == ETH_IPV4:
            self._ip(frame[14:])

    def _ip(self, data):
        head = (data[0] & 15) * 4
        _, _, length, self.id, frag, self.ttl, self.proto = struct.unpack_from("!BBHHHBB", data)
        if data[0] >> 4 != 4 or head < 20 or not head <= length <= len(data):
            self.bad = "IPv4 header or length"
            return
        self.ip = data[:length]     # without what Ethernet padded
        self.src, self.dst = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
        self.options = data[20:head]
        self.fragment = frag & 0x3fff
        if not sum_ok(data[:head]):
            self.bad = "IPv4 header checksum"
        elif not self.fragment:
            self._transport(data[head:length])

    def _transport(self, data):
        self.transport = data
        if self.proto == TCP:
            self.sport, self.dport, self.seq, self.ack, offset, self.flags = \
                struct.unpack_from("!HHIIBB", data)
            self.payload = data[(offset >> 4) * 4:]
            self._checksum(data, 16, "TCP")
        elif self.proto == UDP:
            self.sport, self.dport, length, check = struct.unpack_from("!HHHH", data)
            self.payload = data[8:]
            if length != len(data):
                self.bad = "UDP length"
            elif check:
                self._checksum(data, 6, "UDP")
        elif self.proto == ICMP and not sum_ok(data):
            self.bad = "ICMP checksum"

    def _checksum(self, data, at, name):
        pseudo = self.ip[12:20] + struct.pack("!HH", self.proto, len(data))
        if not self.partial:
            right = sum_ok(pseudo + data)
        else:   # the field holds the pseudo header's sum, not its complement
            field = int.from_bytes(data[at:at + 2], "big")
            right = (int.from_bytes(pseudo, "big") - field) % 0xffff == 0
        if not right:
            self.bad = f"{name} checksum{' (partial)' if self.partial else ''}"

    def ends(self):
        """The two (address, port) that it is between."""
        return (self.src, self.sport), (self.dst, self.dport)

    def __str__(self):
        where = f"{self.place:4}{self.link:5}{'>' if self.out else '<'}"
        if self.ip is None:
            return f"{where} not IPv4"
        names = "".join(c for bit, c in ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "."))
                        if self.flags & bit)
        kind = {TCP: f"tcp {names}", UDP: "udp"}.get(self.proto, f"proto {self.proto}")
        if self.proto == ICMP:
            kind = f"icmp {self.transport[0]}/{self.transport[1]}"
        note = f" options {self.options.hex()}" if self.options else ""
        bad = f" BAD {self.bad}" if self.bad else ""
        return (f"{where} {self.src}:{self.sport} > {self.dst}:{self.dport} {kind} "
                f"ttl {self.ttl} length {len(self.payload)}{note}{bad}")
