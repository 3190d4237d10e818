# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the sending side: the note, on which packets, and what if there is no room for it."""
from scapy.layers.inet import ICMP, IP, UDP

from dispatch import tcp, udp
from net.ktap import check, equal
from wire import (CLIENT, N1, REMOTE, VIP, changed, from_router, note, to_node, to_router,
                  with_options)

# port 80 and 203.0.113.10, least byte first: as other implementations have it on x86
WEB = bytes.fromhex("9a0850000a7100cb")


def reference(wire):
    """The bytes of the format's own example and of ours, so that note() can be trusted."""
    equal(note("10.0.0.1", 80).hex(), "9a0850000100000a", "note of 10.0.0.1:80")
    equal(note(VIP, 80).hex(), WEB.hex(), "note of the service")


def noted(packet, dport, what):
    return to_node(with_options(changed(packet, dst=REMOTE, dport=dport), what))


def syn(wire, mode):
    wire.set(mode)
    port = {"dsr": 22001, "hybrid": 22002}[mode]
    packet = tcp(port, "S")
    # again: the client sends it a second time if it hears nothing
    for _ in range(2):
        wire.expect("lan", from_router(packet), noted(packet, 8080, WEB))
    for later in (tcp(port, "A", ack=9001), tcp(port, "PA", data=b"x" * 333, ack=9001),
                  tcp(port, "FA", ack=9001)):
        wire.expect("lan", from_router(later), to_node(changed(later, dst=REMOTE, dport=8080)))


def node_port(wire):
    wire.set("dsr")
    packet = tcp(22003, "S", dst=N1, dport=30080)
    wire.expect("lan", from_router(packet), noted(packet, 8080, note(N1, 30080)))


def datagrams(wire):
    wire.set("dsr")
    for data in (b"", b"first", b"second one", b"odd"):
        packet = udp(22004, data)
        wire.expect("lan", from_router(packet), noted(packet, 5353, note(VIP, 53)))
    packet = udp(22005, b"unsummed", chksum=0)
    wire.expect("lan", from_router(packet), noted(packet, 5353, note(VIP, 53)))


def hybrid_udp(wire):
    wire.set("hybrid")
    packet = udp(22006, b"by snat")
    wire.expect("lan", from_router(packet), to_node(changed(packet, src=N1, dst=REMOTE, dport=5353)))


def mid_life(wire):
    """A connection that came from elsewhere: every packet of it has the note."""
    wire.set("dsr")
    for packet in (tcp(22007, "A", ack=1), tcp(22007, "PA", data=b"abc", ack=1), tcp(22007, "FA", ack=1)):
        wire.expect("lan", from_router(packet), noted(packet, 8080, WEB))


def other_options(wire):
    """Ours comes first, the others behind it unchanged, up to 40 bytes in all."""
    wire.set("dsr")
    for n, options in enumerate((b"\x94\x04\0\0", b"\x01" * 4, b"\x94\x04\0\0" + b"\x01" * 28)):
        plain = tcp(22010 + n, "S")
        packet = IP(with_options(plain, options))
        wire.expect("lan", from_router(packet), noted(plain, 8080, WEB + options))


def no_room(wire):
    wire.set("dsr")
    for size in (36, 40):
        packet = IP(with_options(udp(22020 + size, b"full"), b"\x94\x04\0\0" + b"\x01" * (size - 4)))
        wire.dropped("lan", from_router(packet), "note-no-room")


def too_big(wire):
    """A datagram that with its note is larger than the link: the client is told what fits."""
    wire.set("dsr")
    fits = udp(22030, b"f" * (1500 - 28 - 8), flags="DF")
    wire.expect("lan", from_router(fits), noted(fits, 5353, note(VIP, 53)))
    for more in (1, 8):
        packet = IP(bytes(udp(22030 + more, b"b" * (1500 - 28 - 8 + more), flags="DF")))
        before = wire.drops().get("note-too-big", 0)
        wire.send("lan", from_router(packet))
        link, frame = wire.receive()
        got = IP(frame[14:])
        equal((link, got.src, got.dst), ("lan", N1, CLIENT), "link, source and destination of the error")
        check(ICMP in got, f"not an ICMP error: {got.summary()}")
        equal((got[ICMP].type, got[ICMP].code, got[ICMP].nexthopmtu), (3, 4, 1492), "type, code, MTU")
        sum_got = got[ICMP].chksum
        del got[ICMP].chksum
        equal(IP(bytes(got))[ICMP].chksum, sum_got, "checksum of the error")
        quoted = bytes(got[ICMP].payload)
        check(len(quoted) >= 28, f"only {len(quoted)} bytes are quoted")
        equal(quoted.hex(), bytes(packet)[:len(quoted)].hex(), "what the error quotes")
        wire.quiet()
        equal(wire.drops().get("note-too-big", 0), before + 1, "note-too-big")


def plain_too_big(wire):
    """Without DF it is not lost: fragments, each with the note, make it up."""
    wire.set("dsr")
    packet = udp(22040, b"b" * (1500 - 28))
    wire.send("lan", from_router(packet))
    data, last = {}, False
    while not last:
        _, frame = wire.receive()
        got = IP(frame[14:14 + int.from_bytes(frame[16:18], "big")])
        head = got.ihl * 4
        equal(bytes(got)[20:28].hex(), note(VIP, 53).hex(), "first option")
        equal((got.src, got.dst), (CLIENT, REMOTE), "addresses")
        data[got.frag * 8] = bytes(got)[head:]
        last = not got.flags.MF
    whole = b"".join(data[k] for k in sorted(data))
    want = changed(packet, dst=REMOTE, dport=5353)
    equal(whole.hex(), bytes(want[UDP]).hex(), "datagram")


def unnoted_large(wire):
    """TCP beyond its SYN has no note, and so the whole link."""
    wire.set("dsr")
    first = tcp(22050, "S")
    wire.expect("lan", from_router(first), noted(first, 8080, WEB))
    packet = tcp(22050, "A", data=b"d" * 1460, ack=9001)
    wire.expect("lan", from_router(packet), to_node(changed(packet, dst=REMOTE, dport=8080)))
    wire.expect("lan", from_router(tcp(22051, "S", dst="192.0.2.9")),
                to_router(changed(tcp(22051, "S", dst="192.0.2.9"))))


TESTS = [
    ("the note's bytes", reference),
    ("dsr: SYN, SYN again, and what follows", lambda wire: syn(wire, "dsr")),
    ("hybrid: SYN, SYN again, and what follows", lambda wire: syn(wire, "hybrid")),
    ("dsr: node port", node_port),
    ("dsr: every datagram has the note", datagrams),
    ("hybrid: datagrams go by SNAT", hybrid_udp),
    ("dsr: a connection met in mid-life", mid_life),
    ("dsr: the note comes before other options", other_options),
    ("dsr: no room for the note", no_room),
    ("dsr: DF and too big with the note", too_big),
    ("dsr: too big with the note, without DF", plain_too_big),
    ("dsr: large packets without note", unnoted_large),
]
