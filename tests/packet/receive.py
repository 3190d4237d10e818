# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the receiving side: which notes are believed, and what is made of them."""
from scapy.layers.inet import IP, TCP, UDP

from dispatch import OPTIONS, back
from wire import CLIENT, N1, N2, POD, VIP, changed, from_node, from_pod, note, to_pod, to_router, with_options

WEB = note(VIP, 81)


def tcp(sport, flags="S", data=b"", dst=POD):
    return IP(src=CLIENT, dst=dst, id=0x1234, flags="DF", ttl=62) / \
        TCP(sport=sport, dport=8080, flags=flags, seq=1000, options=OPTIONS if flags == "S" else []) / data


def udp(sport, data, chksum=None):
    return IP(src=CLIENT, dst=POD, id=0x4321, ttl=62) / UDP(sport=sport, dport=5353, chksum=chksum) / data


def answer(wire, sport, src=VIP, dport=81):
    reply = back(POD, 8080, sport)
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=src, sport=dport)))


def connection(wire, mode):
    """The note goes, the rest stays; replies leave as the service's, with or without its mode."""
    wire.set(mode)
    port = {"snat": 23001, "dsr": 23002, "hybrid": 23003}[mode]
    packet = tcp(port)
    for _ in range(2):
        wire.expect("lan", from_node(with_options(packet, WEB)), to_pod(changed(packet)))
        answer(wire, port)
    for later in (tcp(port, "A"), tcp(port, "PA", b"odd"), tcp(port, "FA")):
        wire.expect("lan", from_node(later), to_pod(changed(later)))
        answer(wire, port)


def mid_life(wire):
    wire.set("dsr")
    for packet in (tcp(23004, "A"), tcp(23004, "PA", b"abc")):
        wire.expect("lan", from_node(with_options(packet, WEB)), to_pod(changed(packet)))
    answer(wire, 23004)


def datagrams(wire):
    wire.set("dsr")
    for packet in (udp(23005, b"one"), udp(23005, b"two!"), udp(23005, b"unsummed", chksum=0)):
        wire.expect("lan", from_node(with_options(packet, note(VIP, 54))), to_pod(changed(packet)))
        reply = IP(src=POD, dst=CLIENT) / UDP(sport=5353, dport=23005) / b"reply"
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=VIP, sport=54)))


def node_port(wire):
    """The address of the node that was asked: replies leave as that."""
    wire.set("dsr")
    packet = tcp(23006)
    wire.expect("lan", from_node(with_options(packet, note(N2, 30081))), to_pod(changed(packet)))
    answer(wire, 23006, src=N2, dport=30081)


def other_options(wire):
    wire.set("dsr")
    packet = tcp(23007)
    wire.expect("lan", from_node(with_options(packet, WEB + b"\x94\x04\0\0")),
                to_pod(with_options(changed(packet), b"\x94\x04\0\0")))
    answer(wire, 23007)


def wrong_mac(wire):
    wire.set("dsr")
    for n, mac in enumerate(("nobody", "r0")):
        wire.dropped("lan", from_node(with_options(tcp(23010 + n), WEB), mac=mac), "note-sender")


def any_sender(wire):
    wire.set("dsr", "dsr-sender any")
    packet = tcp(23012)
    wire.expect("lan", from_node(with_options(packet, WEB), mac="nobody"), to_pod(changed(packet)))
    answer(wire, 23012)


def sender_device(wire):
    wire.set("dsr", "dsr-sender device", "dsr-device lan0")
    packet = tcp(23013)
    wire.expect("lan", from_node(with_options(packet, WEB), mac="nobody"), to_pod(changed(packet)))
    wire.set("dsr", "dsr-sender device", "dsr-device pod0")
    wire.dropped("lan", from_node(with_options(tcp(23014), WEB)), "note-sender")


def unknown_service(wire):
    """A note can't make a backend speak from an address that is not its service's."""
    wire.set("dsr")
    for n, what in enumerate((note("203.0.113.99", 81), note(VIP, 9999),     # nobody's
                              note(VIP, 80),            # a service, but with another backend
                              note(VIP, 54),            # of the other protocol
                              note(CLIENT, 81), note("127.0.0.1", 30081), note("0.0.0.0", 30081),
                              note("0.0.0.0", 0))):
        wire.dropped("lan", from_node(with_options(tcp(23020 + n), what)), "note-service")


def not_a_backend(wire):
    """A real service's note on a packet to somebody who is not its backend here."""
    wire.set("dsr")
    wire.dropped("lan", from_node(with_options(tcp(23030, dst=N1), WEB)), "note-service")
    packet = tcp(23031)
    packet[TCP].dport = 8081
    wire.dropped("lan", from_node(with_options(packet, WEB)), "note-service")


def unnoted(wire):
    """Without a note nobody but the pod itself answers."""
    wire.set("dsr")
    packet = tcp(23040)
    wire.expect("lan", from_node(packet), to_pod(changed(packet)))
    reply = back(POD, 8080, 23040)
    wire.expect("pod", from_pod(reply), to_router(changed(reply)))


TESTS = [
    *((f"{mode}: a noted connection", lambda wire, mode=mode: connection(wire, mode))
      for mode in ("dsr", "hybrid", "snat")),
    ("a note in mid-life", mid_life),
    ("noted datagrams", datagrams),
    ("a note of another node's node port", node_port),
    ("options behind the note stay", other_options),
    ("a note from nobody's MAC address", wrong_mac),
    ("dsr-sender any", any_sender),
    ("dsr-sender device", sender_device),
    ("a note of no service of this backend", unknown_service),
    ("a note on a packet to no backend", not_a_backend),
    ("packets without note", unnoted),
]
