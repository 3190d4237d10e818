# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the receiving side: which notes are believed, and what is made of them."""
from scapy.layers.inet import TCP, UDP

from dispatch import OPTIONS, back
from family import at, changed, note4, with_options
from net.ktap import equal
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router


def tcp(sport, flags="S", data=b"", dst=None):
    return at.ip(src=at.client, dst=dst or at.pod, id=0x1234, df=True, ttl=62) / \
        TCP(sport=sport, dport=8080, flags=flags, seq=1000, options=OPTIONS if flags == "S" else []) / data


def udp(sport, data, chksum=None):
    return at.ip(src=at.client, dst=at.pod, id=0x4321, ttl=62) / UDP(sport=sport, dport=5353, chksum=chksum) / data


def noted(packet, address=None, port=81):
    return at.noted(packet, address or at.vip, port)


def answer(wire, sport, src=None, dport=81):
    reply = back(at.pod, 8080, sport)
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=src or at.vip, sport=dport)))


def connection(wire, mode):
    """The note goes, the rest stays; replies leave as the service's, with or without its mode."""
    wire.set(mode)
    port = {"snat": 23001, "dsr": 23002, "hybrid": 23003}[mode]
    packet = tcp(port)
    for _ in range(2):
        wire.expect("lan", from_node(noted(packet)), to_pod(changed(packet)))
        answer(wire, port)
    for later in (tcp(port, "A"), tcp(port, "PA", b"odd"), tcp(port, "FA")):
        wire.expect("lan", from_node(later), to_pod(changed(later)))
        answer(wire, port)


def mid_life(wire):
    wire.set("dsr")
    for packet in (tcp(23004, "A"), tcp(23004, "PA", b"abc")):
        wire.expect("lan", from_node(noted(packet)), to_pod(changed(packet)))
    answer(wire, 23004)


def datagrams(wire):
    wire.set("dsr")
    for packet in (udp(23005, b"one"), udp(23005, b"two!"), udp(23005, b"unsummed", chksum=0)):
        wire.expect("lan", from_node(noted(packet, port=54)), to_pod(changed(packet)))
        reply = at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=23005) / b"reply"
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.vip, sport=54)))


def node_port(wire):
    """The address of the node that was asked: replies leave as that."""
    wire.set("dsr")
    packet = tcp(23006)
    wire.expect("lan", from_node(noted(packet, at.n2, 30081)), to_pod(changed(packet)))
    answer(wire, 23006, src=at.n2, dport=30081)


def other_options(wire):
    wire.set("dsr")
    packet = tcp(23007)
    wire.expect("lan", from_node(at.noted_unusual(packet, at.vip, 81)), to_pod(at.unusual(changed(packet))))
    answer(wire, 23007)


def wrong_mac(wire):
    wire.set("dsr")
    for n, mac in enumerate(("nobody", "r0")):
        wire.dropped("lan", from_node(noted(tcp(23010 + n)), mac=mac), "note-sender")


def any_sender(wire):
    wire.set("dsr", "dsr-sender any")
    packet = tcp(23012)
    wire.expect("lan", from_node(noted(packet), mac="nobody"), to_pod(changed(packet)))
    answer(wire, 23012)


def sender_device(wire):
    wire.set("dsr", "dsr-sender device", "dsr-device lan0")
    packet = tcp(23013)
    wire.expect("lan", from_node(noted(packet), mac="nobody"), to_pod(changed(packet)))
    wire.set("dsr", "dsr-sender device", "dsr-device pod0")
    wire.dropped("lan", from_node(noted(tcp(23014))), "note-sender")


def unknown_service(wire):
    """A note can't make a backend speak from an address that is not its service's."""
    wire.set("dsr")
    for n, (address, port) in enumerate((
            (at.other_vip, 81), (at.vip, 9999),     # nobody's
            (at.vip, 80),           # a service, but with another backend
            (at.vip, 54),           # of the other protocol
            (at.client, 81), (at.loopback, 30081), (at.anybody, 30081), (at.anybody, 0))):
        wire.dropped("lan", from_node(noted(tcp(23020 + n), address, port)), "note-service")


def not_a_backend(wire):
    """A real service's note on a packet to somebody who is not its backend here."""
    wire.set("dsr")
    wire.dropped("lan", from_node(noted(tcp(23030, dst=at.n1))), "note-service")
    packet = tcp(23031)
    packet[TCP].dport = 8081
    wire.dropped("lan", from_node(noted(packet)), "note-service")


def forged_by_client(wire):
    """What a client notes on a packet to a service is taken off, and the packet balanced."""
    for n, (mode, settings) in enumerate((("dsr", ()), ("snat", ()), ("snat", ("refused-notes strip",)))):
        wire.set(mode, *settings)
        before = wire.stats()["notes_removed"]
        for m, (address, port) in enumerate(((at.vip, 81), (at.vip, 80), (at.other_vip, 443), (at.pod, 8080))):
            packet = tcp(23050 + 10 * n + m, dst=at.vip)
            packet[TCP].dport = 81
            wire.expect("lan", from_router(noted(packet, address, port)),
                        to_pod(changed(packet, dst=at.pod, dport=8080)))
            answer(wire, packet[TCP].sport)
        equal(wire.stats()["notes_removed"] - before, 4, "notes that were removed")


def several(packet, *notes):
    """@packet with all of these (address, port), the first one in front: bytes."""
    if at.version == 4:
        return with_options(packet, b"".join(note4(*note) for note in notes))
    for note in reversed(notes):
        packet = at.noted(packet, *note)
    return packet


def several_forged(wire):
    """All of a client's notes go: one that was left would leave with this node's MAC, and be believed."""
    for n, (mode, source) in enumerate((("snat", at.n1), ("dsr", at.client))):
        wire.set(mode)
        syn, later = (changed(tcp(23070 + n, flags, dst=at.vip), dport=80) for flags in ("S", "A"))
        sent = changed(syn, src=source, dst=at.remote, dport=8080)
        wire.expect("lan", from_router(syn), to_node(at.noted(sent, at.vip, 80) if mode == "dsr" else sent))
        before = wire.stats()["notes_removed"]
        wire.expect("lan", from_router(several(later, (at.vip, 81), (at.vip, 80), (at.other_vip, 443))),
                    to_node(changed(later, src=source, dst=at.remote, dport=8080)))
        equal(wire.stats()["notes_removed"] - before, 3, "notes that were removed")


def several_of_a_node(wire):
    """What is behind the first one is none of the node's: it goes, and the backend sees none."""
    wire.set("dsr")
    packet = tcp(23085)
    before = wire.stats()
    wire.expect("lan", from_node(several(packet, (at.vip, 81), (at.other_vip, 443))), to_pod(changed(packet)))
    equal([wire.stats()[n] - before[n] for n in ("notes_taken", "notes_removed")], [1, 1], "notes taken and removed")
    answer(wire, 23085)


def stripped(wire):
    """As is set, a note that is not believed goes, and its packet stays: the backend answers for itself."""
    wire.set("dsr", "refused-notes strip")
    for n, frame in enumerate((lambda p: from_node(noted(p), mac="nobody"), lambda p: from_node(noted(p, at.other_vip)),
                               lambda p: from_node(noted(p, at.vip, 80)))):
        packet = tcp(23090 + n)
        wire.expect("lan", frame(packet), to_pod(changed(packet)))
        reply = back(at.pod, 8080, 23090 + n)
        wire.expect("pod", from_pod(reply), to_router(changed(reply)))
        equal(wire.flow(at.client, 23090 + n), None, "a flow")


def unnoted(wire):
    """Without a note nobody but the pod itself answers."""
    wire.set("dsr")
    packet = tcp(23040)
    wire.expect("lan", from_node(packet), to_pod(changed(packet)))
    reply = back(at.pod, 8080, 23040)
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
    ("a note of the client's own", forged_by_client),
    ("several notes of the client's own", several_forged),
    ("several notes on a packet of a node", several_of_a_node),
    ("refused notes are taken off", stripped),
    ("packets without note", unnoted),
]
