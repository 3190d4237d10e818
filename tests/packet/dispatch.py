# SPDX-License-Identifier: GPL-2.0-only
"""SNAT and local backends: what is rewritten, and that nothing else is."""
from scapy.layers.inet import TCP, UDP

from family import at, changed, parsed, pieces
from net.ktap import equal
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router

# TCP options of a real SYN: MSS, SACK, timestamps, window scale
OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (305419896, 0)), ("NOP", None), ("WScale", 7)]


def tcp(sport, flags, dst=None, dport=80, data=b"", seq=1000, ack=0):
    options = OPTIONS if flags == "S" else []
    return at.ip(src=at.client, dst=dst or at.vip, id=0x1234, df=True, tos=0x10) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=29200, options=options) / data


def udp(sport, data, dst=None, dport=53, chksum=None, df=False):
    return at.ip(src=at.client, dst=dst or at.vip, id=0x4321, ttl=63, df=df) / \
        UDP(sport=sport, dport=dport, chksum=chksum) / data


def back(src, sport, dport, flags="SA", data=b"", dst=None):
    return at.ip(src=src, dst=dst or at.client, id=0x2222, ttl=60) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=9000, ack=1001) / data


def snat_tcp(wire):
    wire.set("snat")
    for packet in (tcp(21001, "S"), tcp(21001, "A", ack=9001),
                   tcp(21001, "PA", data=b"odd", ack=9001), tcp(21001, "FA", seq=1004, ack=9001)):
        wire.expect("lan", from_router(packet), to_node(changed(packet, src=at.n1, dst=at.remote, dport=8080)))
        reply = back(at.remote, 8080, 21001, "SA" if packet[TCP].flags == "S" else "A", dst=at.n1)
        wire.expect("lan", from_node(reply),
                    to_router(changed(reply, src=at.vip, dst=at.client, sport=80)))


def snat_node_port(wire):
    wire.set("snat")
    packet = tcp(21002, "S", dst=at.n1, dport=30080)
    wire.expect("lan", from_router(packet), to_node(changed(packet, src=at.n1, dst=at.remote, dport=8080)))
    reply = back(at.remote, 8080, 21002, dst=at.n1)
    wire.expect("lan", from_node(reply), to_router(changed(reply, src=at.n1, dst=at.client, sport=30080)))


def snat_udp(wire):
    wire.set("snat")
    for n, data in enumerate((b"", b"x", b"even", b"odd length")):
        packet = udp(21010 + n, data)
        wire.expect("lan", from_router(packet), to_node(changed(packet, src=at.n1, dst=at.remote, dport=5353)))
        reply = at.ip(src=at.remote, dst=at.n1, id=7) / UDP(sport=5353, dport=21010 + n) / data
        wire.expect("lan", from_node(reply), to_router(changed(reply, src=at.vip, dst=at.client, sport=53)))


def local(wire, mode):
    wire.set(mode)
    port = {"snat": 21020, "dsr": 21021, "hybrid": 21022}[mode]
    for flags in ("S", "A"):
        packet = tcp(port, flags, dport=81)
        wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=at.pod, dport=8080)))
        reply = back(at.pod, 8080, port)
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.vip, sport=81)))
    packet = udp(port, b"query", dport=54)
    wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=at.pod, dport=5353)))
    reply = at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=port) / b"reply"
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.vip, sport=54)))


def no_checksum(wire):
    """A UDP checksum of 0 says that there is none: it must not become one."""
    wire.set("snat")
    packet = udp(21030, b"unsummed", chksum=0)
    want = changed(packet, src=at.n1, dst=at.remote, dport=5353)
    equal(want[UDP].chksum, 0, "checksum wanted")
    wire.expect("lan", from_router(packet), to_node(want))


def sum_is_zero(wire):
    """A sum that comes out as 0 is sent as 0xffff, for 0 would say that there is none."""
    wire.set("snat")

    def packet(word):
        return udp(21031, word.to_bytes(2, "big") + b"tail")

    def out(word):
        return changed(packet(word), src=at.n1, dst=at.remote, dport=5353)
    word = out(0)[UDP].chksum
    equal(out(word)[UDP].chksum, 0xffff, "checksum wanted")
    wire.expect("lan", from_router(packet(word)), to_node(out(word)))
    # and a packet that comes with 0xffff
    word = parsed(bytes(packet(0)))[UDP].chksum
    equal(parsed(bytes(packet(word)))[UDP].chksum, 0xffff, "checksum sent")
    wire.expect("lan", from_router(packet(word)), to_node(out(word)))


def padded(wire):
    """What Ethernet padded is not the packet's."""
    wire.set("snat")
    packet = udp(21032, b"short")
    wire.expect("lan", bytes(from_router(packet)) + b"\xee" * 13,
                to_node(changed(packet, src=at.n1, dst=at.remote, dport=5353)))


def options_kept(wire):
    """A packet with IP options is rewritten, its options stay."""
    wire.set("snat")
    packet = udp(21033, b"options")
    want = changed(packet, src=at.n1, dst=at.remote, dport=5353)
    wire.expect("lan", from_router(at.unusual(packet)), to_node(at.unusual(want)))


def fragments(wire):
    """A datagram in fragments is one datagram to the backend, too."""
    wire.set("snat")
    packet = udp(21034, bytes(range(256)) * 9)
    for piece in pieces(packet, 1420):
        wire.send("lan", from_router(piece))
    wire.arrives_in_pieces(to_node(changed(packet, src=at.n1, dst=at.remote, dport=5353)), 1420, packet)


def unknown_rst(wire, mode):
    wire.set(mode)
    wire.dropped("lan", from_router(tcp(21040, "R")), "no-flow")
    wire.dropped("lan", from_router(tcp(21041, "RA", ack=5)), "no-flow")


def not_ours(wire):
    """Other ports and protocols of a service address, and all other addresses: untouched."""
    wire.set("snat")
    for packet in (tcp(21050, "S", dport=8000), udp(21051, b"x", dport=80), tcp(21052, "S", dst=at.elsewhere)):
        wire.expect("lan", from_router(packet), to_router(changed(packet)))
    strange = at.ip(src=at.remote, dst=at.client, ttl=60) / TCP(sport=8080, dport=21053, flags="SA")
    wire.expect("lan", from_node(strange), to_router(changed(strange)))


TESTS = [
    ("snat: tcp, both ways", snat_tcp),
    ("snat: node port, both ways", snat_node_port),
    ("snat: udp of even and odd length, both ways", snat_udp),
    ("snat: local backend, both ways", lambda wire: local(wire, "snat")),
    ("dsr: local backend, both ways", lambda wire: local(wire, "dsr")),
    ("hybrid: local backend, both ways", lambda wire: local(wire, "hybrid")),
    ("snat: a UDP checksum of 0 stays 0", no_checksum),
    ("snat: a UDP sum of 0 is sent as 0xffff", sum_is_zero),
    ("snat: a padded frame", padded),
    ("snat: IP options or an extension header are kept", options_kept),
    ("snat: a datagram in fragments", fragments),
    ("snat: RST of no flow is dropped", lambda wire: unknown_rst(wire, "snat")),
    ("dsr: RST of no flow is dropped", lambda wire: unknown_rst(wire, "dsr")),
    ("what is no service's is only routed", not_ours),
]
