# SPDX-License-Identifier: GPL-2.0-only
"""IPv4 and IPv6 in the same words: addresses, headers, ICMP errors, the note.

`at` is the family of the test that runs now; run has each test of both speak IPv4 first.
"""
import ipaddress
import logging
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)     # it misses addresses that nobody needs
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment              # noqa: E402
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6                  # noqa: E402
from scapy.packet import Raw                                            # noqa: E402
from scapy.utils import checksum                                        # noqa: E402

ICMP4, ICMP6 = 1, 58
HOP, ROUTING, FRAGMENT, OPTIONS = 0, 43, 44, 60     # IPv6 extension headers
# An IPv4 router alert; and of an IPv6 header of options its length, and PadN with 4 bytes.
ALERT, PADDING = b"\x94\x04\0\0", b"\0\x01\x04\0\0\0\0"


class V4:
    version, ethertype, head, icmp = 4, 0x0800, 20, ICMP4
    client, vip, pod, remote = "198.51.100.10", "203.0.113.10", "10.0.1.11", "10.0.2.11"
    remote_net, remote2 = "10.0.2.0/24", "10.0.2.12"
    router, n1, n2, lan = "192.168.0.1", "192.168.0.11", "192.168.0.12", 24
    alt_router, alt, alt_n2 = "192.168.1.1", "192.168.1.11", "192.168.1.12"
    tmp, tmp_n2, gateway, host = "192.168.2.11", "192.168.2.12", "169.254.1.1", 32
    server = "192.168.0.13"                             # without bpflb
    before, middle = "198.18.0.1", "198.18.0.2"         # routers before and behind the node
    elsewhere, other_vip = "192.0.2.1", "203.0.113.99"
    other_client = "198.51.100.77"
    loopback, anybody = "127.0.0.1", "0.0.0.0"
    # ICMP's types and codes: port unreachable, host unreachable, no route, ...
    closed, unreachable, no_route = (3, 3), (3, 1), (3, 1)
    too_big, expired, parameter, redirect, echo = (3, 4), (11, 0), (12, 0), (5, 1), (8, 0)
    note_len = 8

    @staticmethod
    def ip(ttl=64, tos=0, id=1, df=False, proto=None, **addresses):
        """@proto: where scapy does not know it from what follows."""
        more = {"proto": proto} if proto else {}
        return IP(**addresses, ttl=ttl, tos=tos, id=id, flags="DF" if df else 0, **more)

    @staticmethod
    def noted(packet, address, port, more=b""):
        """@packet with a note, and @more options behind that: bytes."""
        return with_options(packet, note4(address, port) + more)

    @staticmethod
    def noted_unusual(packet, address, port):
        """unusual() behind the note."""
        return with_options(packet, note4(address, port) + ALERT)

    @staticmethod
    def unusual(packet):
        """With something in its header that makes it no ordinary packet: bytes."""
        return with_options(packet, ALERT)

    @staticmethod
    def one_hop(packet):
        packet.ttl -= 1
        packet.chksum = None

    @staticmethod
    def ping(address):
        return IP(src=V4.client, dst=address, id=0x7777) / ICMP() / b"probe"

    @staticmethod
    def word(mtu=0):
        """The four bytes of an ICMP error before what it quotes."""
        return struct.pack("!HH", 0, mtu)

    @staticmethod
    def mtu(error):
        return error[ICMP].nexthopmtu

    @staticmethod
    def icmp_sum(_src, _dst, data):
        return checksum(data)


class V6:
    version, ethertype, head, icmp = 6, 0x86dd, 40, ICMP6
    client, vip, pod, remote = "2001:db8:c::10", "2001:db8:f::10", "fd00:1::11", "fd00:2::11"
    remote_net, remote2 = "fd00:2::/64", "fd00:2::12"
    router, n1, n2, lan = "fd00::1", "fd00::11", "fd00::12", 64
    alt_router, alt, alt_n2 = "fd00:a::1", "fd00:a::11", "fd00:a::12"
    tmp, tmp_n2, gateway, host = "fd00:b::11", "fd00:b::12", "fd00:1::1", 128
    server = "fd00::13"
    before, middle = "2001:db8:1::1", "2001:db8:2::1"
    elsewhere, other_vip = "2001:db8:e::1", "2001:db8:f::99"
    other_client = "2001:db8:c::77"
    loopback, anybody = "::1", "::"
    closed, unreachable, no_route = (1, 4), (1, 3), (1, 0)
    too_big, expired, parameter, redirect, echo = (2, 0), (3, 0), (4, 1), (137, 0), (128, 0)
    note_len = 24

    @staticmethod
    def ip(ttl=64, tos=0, id=1, df=False, proto=None, **addresses):
        """@id is the flow label; @df is what all are."""
        more = {"nh": proto} if proto else {}
        return IPv6(**addresses, hlim=ttl, tc=tos, fl=id, **more)

    @staticmethod
    def noted(packet, address, port):
        return with_extension(packet, OPTIONS, note6(address, port))

    @staticmethod
    def noted_unusual(packet, address, port):
        return V6.noted(V6.unusual(packet), address, port)

    @staticmethod
    def unusual(packet):
        return with_extension(packet, OPTIONS, PADDING)

    @staticmethod
    def one_hop(packet):
        packet.hlim -= 1

    @staticmethod
    def ping(address):
        return IPv6(src=V6.client, dst=address) / ICMPv6EchoRequest(data=b"probe")

    @staticmethod
    def word(mtu=0):
        return struct.pack("!I", mtu)

    @staticmethod
    def mtu(error):
        return int.from_bytes(bytes(error)[V6.head + 4:][:4], "big")

    @staticmethod
    def icmp_sum(src, dst, data):
        return checksum(ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed +
                        struct.pack("!II", len(data), ICMP6) + data)


FAMILIES = V4, V6


class _At:
    family = V4

    def __getattr__(self, name):
        return getattr(self.family, name)


at = _At()


def speak(family):
    at.family = family


def end(address, port):
    """As lbadm writes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parsed(data):
    return (IPv6 if data[0] >> 4 == 6 else IP)(data)


def unpadded(frame):
    """The bytes of the IP packet in a frame, without what Ethernet has padded."""
    data = bytes(frame)[14:]
    length = 40 + int.from_bytes(data[4:6], "big") if data[0] >> 4 == 6 else int.from_bytes(data[2:4], "big")
    return data[:length]


def payload(frame):
    """The IP packet in a frame."""
    return parsed(unpadded(frame))


def note4(address, port):
    """Port and address with their least byte first, as other implementations have it on x86."""
    return b"\x9a\x08" + port.to_bytes(2, "little") + ipaddress.ip_address(address).packed[::-1]


def note6(address, port):
    """An extension header, but for its first byte, which says what is next."""
    return struct.pack("!BBB16sHH", 2, 0x1b, 20, ipaddress.ip_address(address).packed, port, 0)


def with_options(packet, options):
    """IPv4: @packet with exactly these bytes between header and payload."""
    raw = bytes(packet)
    head = bytearray(raw[:20])
    head[0] = 0x45 + len(options) // 4
    head[2:4] = (len(raw) + len(options)).to_bytes(2, "big")
    head[10:12] = b"\0\0"
    head[10:12] = checksum(bytes(head) + options).to_bytes(2, "big")
    return bytes(head) + options + raw[20:]


def with_extension(packet, kind, rest):
    """IPv6: @packet with one more header, of this kind, right behind the first one.

    @rest: all of it but its first byte.
    """
    raw = bytes(packet)
    length = int.from_bytes(raw[4:6], "big") + 1 + len(rest)
    return raw[:4] + struct.pack("!HBB", length, kind, raw[7]) + raw[8:40] + raw[6:7] + rest + raw[40:]


def _extensions_end(raw):
    """IPv6: where the byte is that says what follows the extension headers, and where that begins."""
    kind_at, where = 6, 40
    while raw[kind_at] in (HOP, ROUTING, OPTIONS):
        kind_at, where = where, where + (raw[where + 1] + 1) * 8
    return kind_at, where


def with_fragment(packet, offset, more, ident, data=None):
    """IPv6: a piece of @packet, @data of it, from @offset on; all its headers are before that."""
    raw = bytes(packet)
    kind_at, where = _extensions_end(raw)
    data = raw[where:] if data is None else data
    head = raw[:kind_at] + bytes([FRAGMENT]) + raw[kind_at + 1:where]
    return head[:4] + (where - 40 + 8 + len(data)).to_bytes(2, "big") + head[6:] + \
        struct.pack("!BBHI", raw[kind_at], 0, offset | more, ident) + data


def pieces(packet, size, ident=0x77):
    """The fragments, as packets, that @packet goes in where @size bytes fit."""
    raw = bytes(packet)
    head = (raw[0] & 15) * 4 if at.family is V4 else _extensions_end(raw)[1]
    size = (size - head - (8 if at.family is V6 else 0)) // 8 * 8
    if at.family is V4:
        return [parsed(bytes(p)) for p in fragment(packet, size)]
    data = raw[head:]
    return [parsed(with_fragment(packet, n, n + size < len(data), ident, data[n:n + size]))
            for n in range(0, len(data), size)]


def piece_read(raw):
    """Of a packet's bytes: (its headers as if it were whole, offset, whether more come, data, ident)."""
    if raw[0] >> 4 == 4:
        length = (raw[0] & 15) * 4
        frag = int.from_bytes(raw[6:8], "big")
        head = raw[:2] + b"\0\0" + raw[4:6] + (frag & 0x4000).to_bytes(2, "big") + raw[8:10] + b"\0\0"
        return head + raw[12:length], (frag & 0x1fff) * 8, bool(frag & 0x2000), raw[length:], None
    kind_at, where = _extensions_end(raw)
    head = bytearray(raw[:4] + b"\0\0" + raw[6:where])
    if raw[kind_at] != FRAGMENT:
        return bytes(head), 0, False, raw[where:], None
    head[kind_at], _, frag, ident = struct.unpack_from("!BBHI", raw, where)
    return bytes(head), frag & ~7, bool(frag & 1), raw[where + 8:], ident


def changed(packet, src=None, dst=None, sport=None, dport=None, hops=1):
    """@packet as a router with these rewrites sends it on; scapy makes the checksums."""
    p = parsed(bytes(packet)) if isinstance(packet, bytes) else packet.copy()
    for _ in range(hops):
        (V6 if IPv6 in p else V4).one_hop(p)
    if src:
        p.src = src
    if dst:
        p.dst = dst
    if IP in p:
        p.chksum = None
    transport = p.getlayer(TCP) or p.getlayer(UDP)
    if transport and (src or dst or sport or dport):
        transport.sport, transport.dport = sport or transport.sport, dport or transport.dport
        if not (UDP in p and transport.chksum == 0):
            transport.chksum = None
    return parsed(bytes(p))


def error(src, dst, quote, kind=None, rest=None, ttl=60):
    """The bytes of an ICMP error about the packet @quote, with all its checksums right."""
    kind, rest = kind or at.too_big, at.word(1400) if rest is None else rest
    head = bytes(kind) + b"\0\0" + rest
    total = at.icmp_sum(src, dst, head + quote)
    icmp = head[:2] + total.to_bytes(2, "big") + head[4:] + quote
    if at.family is V6:
        return bytes(IPv6(src=src, dst=dst, fl=0x5151, hlim=ttl, nh=ICMP6, plen=len(icmp))) + icmp
    return bytes(IP(src=src, dst=dst, id=0x5151, ttl=ttl, proto=ICMP4) / Raw(icmp))


def error_read(packet):
    """Type and code of an ICMP error, and what it quotes; None if @packet is no ICMP packet."""
    raw = bytes(packet)
    if raw[6 if at.family is V6 else 9] != at.icmp:
        return None
    icmp = raw[at.head:]
    return (icmp[0], icmp[1]), icmp[8:]


def icmp_is_right(packet):
    """Whether its checksum is."""
    return at.icmp_sum(packet.src, packet.dst, bytes(packet)[at.head:]) == 0
