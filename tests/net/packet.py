# SPDX-License-Identifier: GPL-2.0-only
"""Just enough of Ethernet, IPv4, IPv6, ICMP, TCP and UDP to follow a packet and check it."""
import socket
import struct

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
ICMP, ICMPV6 = socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETH_IPV4, ETH_IPV6 = 0x0800, 0x86dd
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_GROUPS_AND_NEIGHBOURS = {130, 131, 132, 133, 134, 135, 136, 143}     # ICMPv6 types, all of one link


def sum_ok(data):
    """A ones' complement sum with its checksum in it is a multiple of 0xffff."""
    if len(data) % 2:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xffff == 0


class Packet:
    """One frame as a link saw it; .bad says what is wrong with it, or is empty.

    @partial: the sender left the transport checksum to the device, so that it
    must be the sum of the pseudo header only. What IPv4 has as options is in IPv6
    a header of destination options, from its length on.
    """

    def __init__(self, frame, place="", link="", out=False, partial=False):
        self.place, self.link, self.out, self.partial = place, link, out, partial
        self.frame = frame
        self.mac_dst, self.mac_src = frame[:6], frame[6:12]
        self.bad = ""
        self.proto, self.sport, self.dport, self.flags, self.payload = 0, 0, 0, 0, b""
        self.options, self.transport = b"", b""
        self.ip = None
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == ETH_IPV4:
            self._ipv4(frame[14:])
        elif kind == ETH_IPV6:
            self._ipv6(frame[14:])

    def _ipv4(self, data):
        head = (data[0] & 15) * 4
        _, _, length, self.id, frag, self.ttl, self.proto = struct.unpack_from("!BBHHHBB", data)
        if data[0] >> 4 != 4 or head < 20 or not head <= length <= len(data):
            self.bad = "IPv4 header or length"
            return
        self.ip = data[:length]     # without what Ethernet padded
        self.src, self.dst = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
        self._addresses = data[12:20]
        self.options = data[20:head]
        self.fragment = frag & 0x3fff
        if not sum_ok(data[:head]):
            self.bad = "IPv4 header checksum"
        elif not self.fragment:
            self._transport(data[head:length])

    def _ipv6(self, data):
        word, length, self.proto, self.ttl = struct.unpack_from("!IHBB", data)
        length += 40
        self.id, self.fragment = 0, 0
        if word >> 28 != 6 or length > len(data):
            self.bad = "IPv6 header or length"
            return
        self.ip = data[:length]
        self.src = socket.inet_ntop(socket.AF_INET6, data[8:24])
        self.dst = socket.inet_ntop(socket.AF_INET6, data[24:40])
        self._addresses = data[8:40]
        at = self._extensions(40)
        if not self.bad and not self.fragment:
            self._transport(self.ip[at:])

    def _extensions(self, at):
        """Where what is behind them begins."""
        while self.proto in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION):
            size = 8 if self.proto == _FRAGMENT else (self.ip[at + 1] + 1) * 8
            if at + size > len(self.ip):
                self.bad = "IPv6 extension header"
                return at
            if self.proto == _FRAGMENT:
                self.fragment = struct.unpack_from("!H", self.ip, at + 2)[0]
            elif self.proto == _DESTINATION:
                self.options = self.ip[at + 1:at + size]
            self.proto = self.ip[at]
            at += size
        return at

    def of_the_link(self):
        """It is what ARP is to IPv4."""
        return self.proto == ICMPV6 and self.transport[:1] and self.transport[0] in _GROUPS_AND_NEIGHBOURS

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
            elif check or len(self._addresses) > 8:
                self._checksum(data, 6, "UDP")
        elif self.proto == ICMPV6:
            self._checksum(data, 2, "ICMPv6")
        elif self.proto == ICMP and not sum_ok(data):
            self.bad = "ICMP checksum"

    def _checksum(self, data, at, name):
        pseudo = self._addresses + struct.pack("!HH", self.proto, len(data))
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
            return f"{where} not IP"
        names = "".join(c for bit, c in ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "."))
                        if self.flags & bit)
        kind = {TCP: f"tcp {names}", UDP: "udp"}.get(self.proto, f"proto {self.proto}")
        if self.proto in (ICMP, ICMPV6) and self.transport:
            kind = f"icmp {self.transport[0]}/{self.transport[1]}"
        note = f" options {self.options.hex()}" if self.options else ""
        bad = f" BAD {self.bad}" if self.bad else ""
        return (f"{where} {self.src}:{self.sport} > {self.dst}:{self.dport} {kind} "
                f"ttl {self.ttl} length {len(self.payload)}{note}{bad}")
