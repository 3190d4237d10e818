# SPDX-License-Identifier: GPL-2.0-only
"""Packets that take bypass: byte by byte the same as on the stack's way."""
import contextlib
import struct

from scapy.layers.inet import IP, TCP

from family import V4, V6, at, changed, parsed, payload, piece_read, unpadded
from net import ns
from net.ktap import equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import FAR, from_router, to_node

DATA = b"", b"x", b"even", b"odd length:", bytes(range(256)) * 5


def both_ways(wire, kind, proto):
    """Of all lengths, with every field of IP's and TCP's header kept that is not translated."""
    talk = kind(wire, proto).open()
    sides = [talk.ask, talk.answer] if talk.both else [talk.ask]
    if kind is DsrIn and proto == "udp":    # whose note, an option, is the stack's to deal with
        sides = [talk.answer]
    kinds = [{"data": data} for data in DATA]
    kinds += [{"data": b"tos", "tos": tos, "id": 7, "df": df}
              for tos, df in ((0, False), (0x10, True), (0xb8, True), (3, True))]
    kinds += [{"data": b"ttl", "ttl": ttl} for ttl in (2, 3, 255)]
    if proto == "udp":
        kinds.append({"data": b"unsummed", "chksum": 0})
    for bypass in ("on", "off"):
        wire.lbadm("set", "bypass", bypass)
        try:
            with wire.bypassing(len(kinds) * len(sides) if bypass == "on" else 0):
                for kw in kinds:
                    for side in sides:
                        wire.expect(*side(**kw))
        finally:
            wire.lbadm("set", "bypass", "on")


def tcp_flags(wire):
    """All flags but SYN, FIN and RST."""
    talk = Snat(wire, "tcp").open()
    flags = "A", "PA", "UA", "EA", "CA", "P", ""
    with wire.bypassing(2 * len(flags)):
        for f in flags:
            talk.say(talk.ask, talk.answer, flags=f, data=b"flags")


def sum_is_zero(wire, kind):
    """A sum that comes out as 0 is sent as 0xffff, and one that came as 0xffff is right too."""
    talk = kind(wire, "udp").open()
    side = talk.answer if talk.both else talk.ask

    def packet(word):
        return side(data=word.to_bytes(2, "big") + b"tail")

    def sums(word):
        """As it comes, and as it is to leave: behind the header's two ports and length."""
        _, frame, (_, out) = packet(word)
        return [int.from_bytes(piece_read(unpadded(f))[3][6:8], "big") for f in (frame, out)]

    for end, word in enumerate(sums(0)):
        equal(sums(word)[end], 0xffff, "checksum")
        with wire.bypassing(1):
            wire.expect(*packet(word))


def padded(wire):
    talk = Snat(wire, "udp").open()
    link, frame, want = talk.ask(data=b"short")
    with wire.bypassing(1):
        wire.expect(link, bytes(frame) + b"\xee" * 13, want)


def note_always(wire):
    """A connection met in mid-life: the note is on each packet, on both ways."""
    wire.set("dsr")
    talk = DsrOut(wire, "tcp")
    packets = [talk.segment(data=data) for data in DATA]
    for n, packet in enumerate(packets):
        want = to_node(at.noted(talk.translated(packet), at.vip, 80))
        with wire.bypassing(min(n, 1)):
            wire.expect("lan", from_router(packet), want)


def counters(wire):
    """Services count the same packets and bytes on either way."""
    counted = []
    for bypass in ("on", "off"):
        for kind in (Snat, DsrOut, Local):
            talk = kind(wire, "udp").open()
            wire.lbadm("set", "bypass", bypass)
            before = wire.stats()
            for data in DATA:
                talk.say(talk.ask, data=data)
                if talk.both:
                    talk.say(talk.answer, data=data)
            wire.lbadm("set", "bypass", "on")
            after = wire.stats()
            counted.append({k: after[k] - before[k] for k in before
                            if k.startswith(("packets", "bytes", "notes"))})
    equal(counted[:3], counted[3:], "counted with bypass, and without")
    equal([c["packets_in"] for c in counted[:3]], [len(DATA)] * 3, "packets from the client")


# struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
_NEEDS_CSUM, _GSO_NONE, _GSO_TCP = 1, 0, {V4: 1, V6: 4}


def unfinished(packet, gso_type=_GSO_NONE, size=0):
    """@packet with the sum of its pseudo header only, and what says so."""
    raw, head = bytearray(bytes(packet)), at.head
    proto, check = (6, 16) if TCP in packet else (17, 6)
    pseudo = raw[12 if at.family is V4 else 8:head] + struct.pack("!HH", proto, len(raw) - head)
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    raw[head + check:head + check + 2] = struct.pack("!H", total)
    headers = 14 + head + (packet[TCP].dataofs * 4 if TCP in packet else 8)
    return (from_router(bytes(raw)),
            struct.pack("=BBHHHH", _NEEDS_CSUM, gso_type, headers, size, 14 + head, check))


@contextlib.contextmanager
def offloads():
    """The far end may send what its device is to finish, and still sees each frame alone (no GRO)."""
    which = "tx", "sg", "tso", "gso"
    ns.offloads(FAR, True, which)
    try:
        yield
    finally:
        ns.offloads(FAR, False, which)


def partial(wire, kind, proto):
    """A checksum that was left to the device is right when it leaves."""
    talk = kind(wire, proto).open()
    for data in DATA:
        _, frame, want = talk.ask(data=data)
        with offloads(), wire.bypassing(1):
            wire.send_unfinished("lan", *unfinished(payload(frame)))
            wire.arrives(want, frame)
            wire.quiet()


def segments(packet, size):
    """What a device makes of a large segment, each numbered on."""
    data = bytes(packet[TCP].payload)
    for n in range(0, len(data), size):
        piece = packet.copy()
        piece[TCP].chksum = None
        if IP in piece:
            piece.len = piece.chksum = None
            piece.id += n // size
        else:
            piece.plen = None
        piece[TCP].remove_payload()
        piece[TCP].seq += n
        last = n + size >= len(data)
        piece[TCP].flags = packet[TCP].flags if last else str(packet[TCP].flags).replace("P", "")
        yield parsed(bytes(piece / data[n:n + size]))


def super_packet(wire, kind, noted=False):
    """A large segment (GSO) goes as one, and leaves in pieces that fit."""
    size = 1500 - at.head - 32 - (at.note_len if noted else 0)
    wire.set(kind.mode)
    talk = kind(wire, "tcp")
    if noted:       # met in mid-life: twice, so that the second may
        for n in range(2):
            packet = talk.segment(data=b"first")
            with wire.bypassing(n):
                wire.expect("lan", from_router(packet),
                            to_node(at.noted(talk.translated(packet), at.vip, 80)))
    else:
        talk.open()
    _, frame, (link, _) = talk.ask(data=bytes(range(256)) * 60, df=True)
    packet = payload(frame)
    with offloads(), wire.bypassing(1):
        wire.send_unfinished("lan", *unfinished(packet, _GSO_TCP[at.family], size))
        for piece in segments(packet, size):
            want = changed(piece, src=None if kind.mode == "dsr" else at.n1, dst=at.remote, dport=8080)
            wire.arrives((link, to_node(at.noted(want, at.vip, 80) if noted else want)[1]), frame)
        wire.quiet()


TESTS = [
    *((f"bypass: {name} {proto}", lambda wire, kind=kind, proto=proto: both_ways(wire, kind, proto))
      for name, kind in (("snat", Snat), ("local", Local), ("dsr", DsrOut), ("a backend's node", DsrIn))
      for proto in ("tcp", "udp")),
    ("bypass: tcp flags", tcp_flags),
    ("bypass: a UDP sum of 0 is sent as 0xffff, asking", lambda wire: sum_is_zero(wire, DsrOut)),
    ("bypass: a UDP sum of 0 is sent as 0xffff, answering", lambda wire: sum_is_zero(wire, Snat)),
    ("bypass: a padded frame", padded),
    ("bypass: a note on each packet of a connection met in mid-life", note_always),
    ("bypass: counters", counters),
    *((f"bypass: unfinished checksum, {name} {proto}",
       lambda wire, kind=kind, proto=proto: partial(wire, kind, proto))
      for name, kind in (("snat", Snat), ("dsr", DsrOut), ("local", Local)) for proto in ("tcp", "udp")),
    ("bypass: segmentation offload, snat", lambda wire: super_packet(wire, Snat)),
    ("bypass: segmentation offload, dsr", lambda wire: super_packet(wire, DsrOut)),
    ("bypass: segmentation offload, each piece noted", lambda wire: super_packet(wire, DsrOut, True)),
]
