# SPDX-License-Identifier: GPL-2.0-only
"""Fragments: put together before anybody looks at ports, and what is wrong with some of them."""
from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from family import V4, at, changed, payload, pieces, with_fragment
from fallback import framed
from net.ktap import equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import from_router, to_router


KINDS = {"snat": Snat, "local": Local, "dsr": DsrOut, "dsr-in": DsrIn}


def large(wire, kind, mode=None):
    """A datagram of 4000 bytes: the same, translated, comes out in pieces that the link can take."""
    talk = kind(wire, "udp")
    talk.mode = mode or talk.mode
    talk.open()
    link, frame, want = talk.ask(data=bytes(n * 7 & 255 for n in range(4000)))
    for size in (1400, 1500):
        for piece in framed(frame, size):
            wire.send(link, piece)
        # a note comes on top, if the link has room
        wire.arrives_in_pieces(want, min(1500, size + at.note_len) if kind is DsrOut else size, frame)


def largest(wire):
    """A datagram that is as large as can be with a note, and one byte more."""
    most = 0xffff - at.note_len - 8 - (at.head if at.family is V4 else 0)
    talk = DsrOut(wire, "udp").open()
    link, frame, want = talk.ask(data=bytes(most))
    for piece in framed(frame, 1400):
        wire.send(link, piece)
    wire.arrives_in_pieces(want, 1400 + at.note_len, frame)
    packet = talk.segment(data=bytes(most + 1))
    *first, last = pieces(packet, 1400)
    for piece in first:
        wire.send(link, from_router(piece))
    wire.dropped(link, from_router(last), "note-no-room")


def uncut(wire, kind):
    """Of pieces with DF: they go on as pieces, no larger than the largest that came. (Where the
    stack can cut them as they were cut it forgets DF; with a note it can't.)"""
    talk = kind(wire, "udp").open()
    link, frame, want = talk.ask(data=bytes(n * 7 & 255 for n in range(4000)), df=kind is DsrOut)
    for size in (1000, 1400, 1500):
        for piece in framed(frame, size):
            piece.payload.flags = "DF+MF" if piece.payload.flags.MF else "DF"
            del piece.payload.chksum
            wire.send(link, piece)
        wire.arrives_in_pieces(want, min(1500, size + at.note_len) if kind is DsrOut else size, frame)


def tiny(wire):
    """A TCP header in pieces is none before all are there. (In IPv6 its options are the second piece.)"""
    talk = Snat(wire, "tcp").open()
    link, frame, want = talk.ask(data=b"in pieces of eight")
    *first, last = pieces(payload(frame), at.head + (8 if at.family is V4 else 8 + 24))
    for piece in first:
        wire.expect(link, from_router(piece))
    wire.send(link, from_router(last))
    wire.arrives_in_pieces(want, 1280, frame)


def incomplete(wire):
    """A first piece without a whole header: no packet for a service, but what any other address gets."""
    wire.set("snat")
    piece = piece_of(904, 0, bytes(TCP(sport=25903, dport=80, flags="S"))[:8], True, 6)
    wire.expect("lan", piece, to_router(changed(payload(piece))))
    equal(wire.flow(at.client, 25903), None, "flow")


def piece_of(ident, offset, data, more, proto=17):
    if at.family is V4:
        packet = at.ip(src=at.client, dst=at.vip, id=ident, proto=proto)
        packet.frag, packet.flags = offset // 8, "MF" if more else 0
        return from_router(bytes(packet / Raw(data)))
    packet = at.ip(src=at.client, dst=at.vip, proto=proto)
    return from_router(with_fragment(packet, offset, more, ident, data))


def overlapping(wire):
    """All that has to do with it is dropped, and no flow is made of it."""
    wire.set("snat")
    start = bytes(UDP(sport=25901, dport=53, len=1008, chksum=0))
    wire.expect("lan", piece_of(901, 0, start + b"a" * 792, True))
    wire.expect("lan", piece_of(901, 400, b"b" * 608, False))
    wire.expect("lan", piece_of(901, 800, b"c" * 208, False))
    equal(wire.flow(at.client, 25901), None, "flow")


def later_first(wire):
    """What looks like ports in a piece that is not the first is none."""
    wire.set("snat")
    bogus = bytes(UDP(sport=25902, dport=53, len=8, chksum=0))
    wire.expect("lan", piece_of(902, 800, bogus, False))
    wire.expect("lan", piece_of(902, 792, bogus, True))
    bogus = bytes(TCP(sport=25902, dport=80, flags="S"))
    wire.expect("lan", piece_of(903, 8, bogus, False, 6))
    equal(wire.flow(at.client, 25902), None, "flow")


def atomic(wire, kind):
    """A fragment that is all of its packet is treated as that; with a note it stays a fragment."""
    talk = kind(wire, "udp").open()
    for data in (b"", b"whole", b"x" * 1300):
        link, frame, want = talk.ask(data=data)
        piece = with_fragment(payload(frame), 0, 0, 0x99)
        if kind is DsrOut:
            wire.send(link, from_router(piece))
            wire.arrives_in_pieces(want, 1400, frame, 1)
        else:
            wire.expect(link, from_router(piece), want)


TESTS = [
    *((f"fragments: {name}: a datagram of 4000 bytes", lambda wire, k=k: large(wire, k))
      for name, k in KINDS.items()),
    ("fragments: hybrid: a datagram of 4000 bytes", lambda wire: large(wire, Snat, "hybrid")),
    ("fragments: dsr: the largest datagram that can have a note", largest),
    ("fragments: a TCP header in pieces", tiny),
    ("fragments: overlapping", overlapping),
    ("fragments: pieces without the first", later_first),
]
TESTS4 = [
    *((f"fragments: {name}: pieces that may not be cut further", lambda wire, k=k: uncut(wire, k))
      for name, k in KINDS.items()),
]
TESTS6 = [
    ("fragments: a first piece without all of its header", incomplete),
    *((f"fragments: {name}: the only one of its packet", lambda wire, k=k: atomic(wire, k))
      for name, k in KINDS.items()),
]
