# SPDX-License-Identifier: GPL-2.0-only
"""Notes at the edges of their formats: what is nearly one, and what may be otherwise than in ours.

What is compared with is Cilium's datapath: a note that it sends is taken, and what it would not take for a note is
none here.
"""
import struct

from bypass import _NEEDS_CSUM
from dispatch import back
from extensions import chained
from family import HOP, OPTIONS, PADDING, ROUTING, at, changed, note4, note6, parsed, with_extension, with_options
from net import ns
from net.ktap import equal
from scapy.layers.inet import TCP
from tunnel import inside, packed
from tunnelled import frame, fresh, geneve, udp, wrapped_again
from receive import answer, noted, tcp
from wire import FAR, from_node, from_pod, from_router, to_pod, to_router

_NOP = b"\x01"


def goes_on_as(wire, sport, packet, with_rest):
    """It reaches the pod with all that it has, has no flow, and the pod answers as itself."""
    before = wire.stats()
    wire.expect("lan", from_node(with_rest(packet)), to_pod(with_rest(changed(packet))))
    reply = back(at.pod, 8080, sport)
    wire.expect("pod", from_pod(reply), to_router(changed(reply)))
    equal(wire.flow(at.client, sport), None, "a flow")
    equal([wire.stats()[n] - before[n] for n in ("notes_taken", "notes_removed")], [0, 0], "notes taken and removed")


def no_option(wire):
    """IPv4: an option that is not the first, or has another length, or another type."""
    wire.set("dsr")
    note = note4(at.vip, 81)
    for n, options in enumerate((_NOP * 4 + note, b"\x94\x04\0\0" + note, b"\x9a\x07" + note[2:7] + _NOP,
                                 b"\x9a\x0a" + note[2:] + bytes(2) + _NOP * 2, b"\x9a\x04\0\0", b"\x1a" + note[1:], b"\x9b" + note[1:])):
        goes_on_as(wire, 23100 + n, tcp(23100 + n), lambda p, o=options: with_options(p, o))


def no_destination_option(wire):
    """IPv6: of another length, with another option before it, or of another type."""
    wire.set("dsr")
    rest = note6(at.vip, 81)
    for n, wrong in enumerate((b"\x03" + rest[1:] + b"\x01\x06" + bytes(6),     # the header is longer
                               rest[:2] + b"\x12" + rest[3:],                   # the option is shorter
                               b"\x03\x01\x06" + bytes(6) + rest[1:],           # PadN comes first
                               rest[:1] + b"\x1e" + rest[2:])):                 # another option
        goes_on_as(wire, 23110 + n, tcp(23110 + n), lambda p, w=wrong: with_extension(p, OPTIONS, w))


def all_options(wire):
    """IPv4: 40 bytes of options with the note are taken, and so many stay that there were before."""
    wire.set("dsr")
    packet = tcp(23120)
    others = b"\x94\x04\0\0" * 8
    wire.expect("lan", from_node(at.noted(packet, at.vip, 81, others)), to_pod(with_options(changed(packet), others)))
    answer(wire, 23120)


def padding_is_anything(wire):
    """IPv6: nobody looks at the two bytes behind the port."""
    wire.set("dsr")
    packet = tcp(23121)
    raw = bytearray(bytes(noted(packet)))
    raw[40 + 22:40 + 24] = b"\xde\xad"
    wire.expect("lan", from_node(bytes(raw)), to_pod(changed(packet)))
    answer(wire, 23121)


# What may be before a note, and what behind it.
PLACES = {
    "behind hop-by-hop options": ([(HOP, PADDING)], []),
    "before hop-by-hop options": ([], [(HOP, PADDING)]),
    "between others": ([(HOP, PADDING), (OPTIONS, PADDING)], [(ROUTING, b"\0\x28\0\0\0\0\0")]),
    "the eighth": ([(OPTIONS, PADDING)] * 7, []),
}


def placed(packet, before, behind, note):
    return chained(at.noted(chained(packet, behind), *note), before)


def other_places(wire, before, behind):
    """IPv6: wherever it is among the headers, it is taken, and all others stay as they are."""
    wire.set("dsr")
    sport = 23130 + list(PLACES.values()).index((before, behind))
    packet = tcp(sport)
    wire.expect("lan", from_node(placed(packet, before, behind, (at.vip, 81))),
                to_pod(chained(changed(packet), before + behind)))
    answer(wire, sport)


def forged_in_other_places(wire, before, behind):
    """IPv6: a client's own is taken off there, too: who looks for notes behind other headers must not find it."""
    wire.set("dsr")
    sport = 23140 + list(PLACES.values()).index((before, behind))
    packet = tcp(sport, dst=at.vip)
    packet[TCP].dport = 81
    wire.expect("lan", from_router(placed(packet, before, behind, (at.other_vip, 443))),
                to_pod(chained(changed(packet, dst=at.pod, dport=8080), before + behind)))
    answer(wire, sport)


def geneve_with(packet, change):
    """@packet in Geneve with a note, what is behind UDP's header as @change(bytes, size of the option) makes it."""
    raw = inside(packet, "geneve", (packed(at.vip), 81))
    return frame(wrapped_again(geneve(packet, 81), change(bytearray(raw), 12 if at.version == 4 else 24)))


def patch(at_byte, data):
    def change(raw, size):
        where = at_byte if at_byte >= 0 else 8 + size + at_byte
        return bytes(raw[:where]) + data + bytes(raw[where + len(data):])
    return change


def geneve_may_differ(wire):
    """VNI, flags, what is reserved, and the frame's addresses are anybody's choice, and what pads the note."""
    fresh(wire)
    for n, change in enumerate((patch(4, b"\xff\xff\xff"), patch(7, b"\xff"), patch(1, b"\x40"), patch(1, b"\xff"),
                                patch(-2, b"\xbe\xef"),
                                lambda raw, size: bytes(raw[:8 + size]) + bytes(range(12)) + bytes(raw[20 + size:]))):
        packet = tcp(23150 + n)
        wire.expect("lan", geneve_with(packet, change), to_pod(changed(packet)))
        answer(wire, 23150 + n)


def geneve_no_note(wire):
    """Of another class, type or length, in another version, without a frame in it, or cut off: none of ours."""
    fresh(wire)
    size = 12 if at.version == 4 else 24
    drops = wire.drops()
    for n, change in enumerate((patch(8, b"\x01\x4c"), patch(10, b"\x01"), patch(10, b"\x82"),
                                patch(11, bytes([size // 4])), patch(11, bytes([size // 4 - 2])),
                                patch(0, bytes([0x40 | size // 4])), patch(2, b"\x08\x00"),
                                patch(0, bytes([size // 4 - 1])), patch(0, b"\x3f"),
                                lambda raw, size: bytes(raw[:8 + size + 13]), lambda raw, size: bytes(raw[:8 + size - 1]),
                                lambda raw, size: bytes(raw[:7]))):
        wire.send("lan", geneve_with(tcp(23170 + n), change))
        wire.nothing_but_errors()
        equal(wire.flow(at.client, 23170 + n), None, f"a flow of the packet {n}")
    equal(wire.drops(), drops, "drops")


_GSO_UDP_L4 = 5


def geneve_put_together(wire):
    """Several datagrams that a device has made one of, each with a packet in a tunnel in it."""
    fresh(wire)
    packets = [udp(23190, bytes([n]) * 600) for n in range(3)]
    outers = [bytearray(bytes(geneve(p, 54))) for p in packets]
    head = at.head + 8
    raw = outers[0][:head] + b"".join(bytes(o[head:]) for o in outers)
    raw[at.head + 4:at.head + 6] = struct.pack("!H", len(raw) - at.head)
    if at.version == 4:
        raw[2:4] = struct.pack("!H", len(raw))
        whole = parsed(bytes(raw))
        whole.chksum = None
        raw = bytearray(bytes(whole))
    else:
        raw[4:6] = struct.pack("!H", len(raw) - 40)
    pseudo = raw[12 if at.version == 4 else 8:at.head] + struct.pack("!HH", 17, len(raw) - at.head)
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    raw[at.head + 6:head] = struct.pack("!H", total)
    # it must get to the node as one
    which = "tx", "sg", "tso", "gso"
    ns.offloads(FAR, True, which)
    ns.features(FAR, "lan", "tx-udp-segmentation on")
    try:
        try:
            wire.send_unfinished("lan", frame(bytes(raw)), struct.pack("=BBHHHH", _NEEDS_CSUM, _GSO_UDP_L4, 14 + head,
                                                                       len(outers[0]) - head, 14 + at.head, 6))
        except OSError:
            return      # 6.1 can't be given such packets
        for packet in packets:
            wire.arrives(to_pod(changed(packet)), packet)
        wire.quiet()
    finally:
        ns.offloads(FAR, False, which)


TESTS = [
    ("corners: geneve: what may differ", geneve_may_differ),
    ("corners: geneve: what is no note", geneve_no_note),
    ("corners: geneve: datagrams put together", geneve_put_together),
]
TESTS4 = [("corners: opt: what is no note", no_option), ("corners: opt: all the room for options", all_options)]
TESTS6 = [
    ("corners: opt: what is no note", no_destination_option),
    ("corners: opt: padding", padding_is_anything),
    *((f"corners: opt: a note {where}", lambda wire, p=place: other_places(wire, *p)) for where, place in PLACES.items()),
    *((f"corners: opt: a client's own note {where}", lambda wire, p=place: forged_in_other_places(wire, *p))
      for where, place in PLACES.items()),
]
