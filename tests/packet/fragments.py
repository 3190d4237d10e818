# SPDX-License-Identifier: GPL-2.0-only
"""Fragments: put together before anybody looks at ports, and what is wrong with some of them."""
from scapy.layers.inet import IP, TCP, UDP, fragment

from fallback import payload, pieces
from net.ktap import equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import CLIENT, VIP, from_router

KINDS = {"snat": Snat, "local": Local, "dsr": DsrOut, "dsr-in": DsrIn}


def large(wire, kind):
    """A datagram of 4000 bytes: the same, translated, comes out in pieces that the link can take."""
    talk = kind(wire, "udp").open()
    data = bytes(n * 7 & 255 for n in range(4000))
    link, frame, (where, out) = talk.ask(data=data)
    want = payload(out)
    for piece in pieces(frame, 1400):
        wire.send(link, piece)
    parts, last = {}, False
    while not last:
        came, got = wire.receive()
        got = IP(got[14:14 + int.from_bytes(got[16:18], "big")])
        equal((came, got.src, got.dst, got.id), (where, want.src, want.dst, want.id), "link, addresses, id")
        equal(bytes(got)[20:got.ihl * 4].hex(), bytes(want)[20:want.ihl * 4].hex(), "options of a piece")
        parts[got.frag * 8] = bytes(got)[got.ihl * 4:]
        last = not got.flags.MF
    whole = b"".join(parts[at] for at in sorted(parts))
    equal(whole.hex(), bytes(want)[want.ihl * 4:].hex(), "datagram")
    wire.quiet()


def tiny(wire):
    """A TCP header in two pieces is none before both are there."""
    talk = Snat(wire, "tcp").open()
    link, frame, (where, out) = talk.ask(data=b"in pieces of eight")
    sent = payload(frame)
    first, *rest = fragment(sent, 8)
    wire.expect(link, from_router(IP(bytes(first))))
    for piece in rest[:-1]:
        wire.expect(link, from_router(IP(bytes(piece))))
    wire.send(link, from_router(IP(bytes(rest[-1]))))
    parts, last = b"", False
    while not last:
        came, got = wire.receive()
        got = IP(got[14:14 + int.from_bytes(got[16:18], "big")])
        equal((came, got.src, got.dst), (where, payload(out).src, payload(out).dst), "link and addresses")
        parts += bytes(got)[20:]
        last = not got.flags.MF
    equal(parts.hex(), bytes(payload(out))[20:].hex(), "segment")
    wire.quiet()


def piece_of(packet, offset, data, more):
    return from_router(IP(bytes(IP(src=CLIENT, dst=VIP, id=packet, proto=17, frag=offset // 8,
                                   flags="MF" if more else 0) / data)))


def overlapping(wire):
    """All that has to do with it is dropped, and no flow is made of it."""
    wire.set("snat")
    start = bytes(UDP(sport=25901, dport=53, len=1008, chksum=0))
    wire.expect("lan", piece_of(901, 0, start + b"a" * 792, True))
    wire.expect("lan", piece_of(901, 400, b"b" * 608, False))
    wire.expect("lan", piece_of(901, 800, b"c" * 208, False))
    equal(wire.flow(CLIENT, 25901), None, "flow")


def later_first(wire):
    """What looks like ports in a piece that is not the first is none."""
    wire.set("snat")
    bogus = bytes(UDP(sport=25902, dport=53, len=8, chksum=0))
    wire.expect("lan", piece_of(902, 800, bogus, False))
    wire.expect("lan", piece_of(902, 792, bogus, True))
    bogus = bytes(TCP(sport=25902, dport=80, flags="S"))
    packet = IP(bytes(IP(src=CLIENT, dst=VIP, id=903, proto=6, frag=1) / bogus))
    wire.expect("lan", from_router(packet))
    equal(wire.flow(CLIENT, 25902), None, "flow")


TESTS = [
    *((f"fragments: {name}: a datagram of 4000 bytes", lambda wire, k=k: large(wire, k))
      for name, k in KINDS.items()),
    ("fragments: a TCP header in pieces", tiny),
    ("fragments: overlapping", overlapping),
    ("fragments: pieces without the first", later_first),
]
