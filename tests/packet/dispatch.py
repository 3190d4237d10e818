# SPDX-License-Identifier: GPL-2.0-only
"""SNAT and local backends: what is rewritten, and that nothing else is."""
from scapy.layers.inet import IP, TCP, UDP, defragment, fragment

from net.ktap import equal
from wire import (CLIENT, N1, POD, REMOTE, VIP, changed, from_node, from_pod, from_router, to_node,
                  to_pod, to_router, with_options)

# TCP options of a real SYN: MSS, SACK, timestamps, window scale
OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (305419896, 0)), ("NOP", None), ("WScale", 7)]


def tcp(sport, flags, dst=VIP, dport=80, data=b"", seq=1000, ack=0, **ip):
    options = OPTIONS if flags == "S" else []
    return IP(src=CLIENT, dst=dst, id=0x1234, flags="DF", ttl=64, tos=0x10, **ip) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=29200, options=options) / data


def udp(sport, data, dst=VIP, dport=53, chksum=None, **ip):
    return IP(src=CLIENT, dst=dst, id=0x4321, ttl=63, **ip) / \
        UDP(sport=sport, dport=dport, chksum=chksum) / data


def back(src, sport, dport, flags="SA", data=b"", dst=CLIENT):
    return IP(src=src, dst=dst, id=0x2222, ttl=60) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=9000, ack=1001) / data


def snat_tcp(wire):
    wire.set("snat")
    for packet in (tcp(21001, "S"), tcp(21001, "A", ack=9001),
                   tcp(21001, "PA", data=b"odd", ack=9001), tcp(21001, "FA", seq=1004, ack=9001)):
        wire.expect("lan", from_router(packet), to_node(changed(packet, src=N1, dst=REMOTE, dport=8080)))
        reply = back(REMOTE, 8080, 21001, "SA" if packet[TCP].flags == "S" else "A", dst=N1)
        wire.expect("lan", from_node(reply),
                    to_router(changed(reply, src=VIP, dst=CLIENT, sport=80)))


def snat_node_port(wire):
    wire.set("snat")
    packet = tcp(21002, "S", dst=N1, dport=30080)
    wire.expect("lan", from_router(packet), to_node(changed(packet, src=N1, dst=REMOTE, dport=8080)))
    reply = back(REMOTE, 8080, 21002, dst=N1)
    wire.expect("lan", from_node(reply), to_router(changed(reply, src=N1, dst=CLIENT, sport=30080)))


def snat_udp(wire):
    wire.set("snat")
    for n, data in enumerate((b"", b"x", b"even", b"odd length")):
        packet = udp(21010 + n, data)
        wire.expect("lan", from_router(packet), to_node(changed(packet, src=N1, dst=REMOTE, dport=5353)))
        reply = IP(src=REMOTE, dst=N1, id=7) / UDP(sport=5353, dport=21010 + n) / data
        wire.expect("lan", from_node(reply), to_router(changed(reply, src=VIP, dst=CLIENT, sport=53)))


def local(wire, mode):
    wire.set(mode)
    port = {"snat": 21020, "dsr": 21021, "hybrid": 21022}[mode]
    for flags in ("S", "A"):
        packet = tcp(port, flags, dport=81)
        wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=POD, dport=8080)))
        reply = back(POD, 8080, port)
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=VIP, sport=81)))
    packet = udp(port, b"query", dport=54)
    wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=POD, dport=5353)))
    reply = IP(src=POD, dst=CLIENT) / UDP(sport=5353, dport=port) / b"reply"
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=VIP, sport=54)))


def no_checksum(wire):
    """A UDP checksum of 0 says that there is none: it must not become one."""
    wire.set("snat")
    packet = udp(21030, b"unsummed", chksum=0)
    want = changed(packet, src=N1, dst=REMOTE, dport=5353)
    equal(want[UDP].chksum, 0, "checksum wanted")
    wire.expect("lan", from_router(packet), to_node(want))


def sum_is_zero(wire):
    """A sum that comes out as 0 is sent as 0xffff, for 0 would say that there is none."""
    wire.set("snat")

    def packet(word):
        return udp(21031, word.to_bytes(2, "big") + b"tail")

    def out(word):
        return changed(packet(word), src=N1, dst=REMOTE, dport=5353)
    word = out(0)[UDP].chksum
    equal(out(word)[UDP].chksum, 0xffff, "checksum wanted")
    wire.expect("lan", from_router(packet(word)), to_node(out(word)))
    # and a packet that comes with 0xffff
    word = IP(bytes(packet(0)))[UDP].chksum
    equal(IP(bytes(packet(word)))[UDP].chksum, 0xffff, "checksum sent")
    wire.expect("lan", from_router(packet(word)), to_node(out(word)))


def padded(wire):
    """What Ethernet padded is not the packet's."""
    wire.set("snat")
    packet = udp(21032, b"short")
    wire.expect("lan", bytes(from_router(packet)) + b"\xee" * 13,
                to_node(changed(packet, src=N1, dst=REMOTE, dport=5353)))


def options_kept(wire):
    """A packet with IP options is rewritten, its options stay."""
    wire.set("snat")
    packet = IP(with_options(udp(21033, b"options"), b"\x94\x04\0\0"))   # router alert
    want = with_options(changed(udp(21033, b"options"), src=N1, dst=REMOTE, dport=5353), b"\x94\x04\0\0")
    wire.expect("lan", from_router(packet), to_node(want))


def fragments(wire):
    """A datagram in fragments is one datagram to the backend, too."""
    wire.set("snat")
    data = bytes(range(256)) * 9
    packet = udp(21034, data)
    for piece in fragment(packet, 1400):
        wire.send("lan", from_router(piece))
    pieces = []
    while not pieces or pieces[-1].flags.MF:
        link, frame = wire.receive()
        equal(link, "lan", "link")
        pieces.append(IP(frame[14:14 + int.from_bytes(frame[16:18], "big")]))
    whole = [p for p in defragment(pieces) if UDP in p]
    equal(len(whole), 1, "datagrams")
    got = IP(bytes(whole[0]))
    equal((got.src, got.dst, got[UDP].sport, got[UDP].dport, bytes(got[UDP].payload)),
          (N1, REMOTE, 21034, 5353, data), "datagram")
    want = changed(packet, src=N1, dst=REMOTE, dport=5353)
    equal(got[UDP].chksum, want[UDP].chksum, "UDP checksum")


def unknown_rst(wire, mode):
    wire.set(mode)
    wire.dropped("lan", from_router(tcp(21040, "R")), "no-flow")
    wire.dropped("lan", from_router(tcp(21041, "RA", ack=5)), "no-flow")


def not_ours(wire):
    """Other ports and protocols of a service address, and all other addresses: untouched."""
    wire.set("snat")
    for packet in (tcp(21050, "S", dport=8000), udp(21051, b"x", dport=80), tcp(21052, "S", dst="192.0.2.1")):
        wire.expect("lan", from_router(packet), to_router(changed(packet)))
    strange = IP(src=REMOTE, dst=CLIENT, ttl=60) / TCP(sport=8080, dport=21053, flags="SA")
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
    ("snat: IP options are kept", options_kept),
    ("snat: a datagram in fragments", fragments),
    ("snat: RST of no flow is dropped", lambda wire: unknown_rst(wire, "snat")),
    ("dsr: RST of no flow is dropped", lambda wire: unknown_rst(wire, "dsr")),
    ("what is no service's is only routed", not_ours),
]
