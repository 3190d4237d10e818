# SPDX-License-Identifier: GPL-2.0-only
"""IPv6 extension headers: whatever is between the header and the ports, it is stepped over and kept."""
from family import HOP, OPTIONS, PADDING, ROUTING, at, changed, error, error_read, parsed, payload, with_extension
from icmp import about_reply, about_request, to_behind
from net.ktap import equal
from reject import backend, dropping, rst
from talk import DsrIn, DsrOut, Local, Snat
from wire import from_node, from_router, to_node, to_router

KINDS = {"snat": Snat, "local": Local, "dsr": DsrOut, "dsr-in": DsrIn}
# Of a routing header: length, type (one that nobody knows), segments left, data
ROUTED, TO_BE_ROUTED = b"\0\x28\0\0\0\0\0", b"\0\x28\x01\0\0\0\0"
AUTHENTICATION, ESP, MOBILITY, NOTHING = 51, 50, 135, 59

CHAINS = {
    "hop-by-hop options": [(HOP, PADDING)],
    "destination options": [(OPTIONS, PADDING)],
    "options of 256 bytes": [(OPTIONS, b"\x1f\x01\xfc" + bytes(252))],
    "a routing header that has done its work": [(ROUTING, ROUTED)],
    "three of different kinds": [(HOP, PADDING), (OPTIONS, PADDING), (ROUTING, ROUTED)],
    "eight": [(HOP, PADDING)] + [(OPTIONS, PADDING)] * 7,
}


def chained(packet, chain):
    """@packet with these headers, in this order: bytes."""
    for kind, rest in reversed(chain):
        packet = with_extension(packet, kind, rest)
    return bytes(packet)


def framed(frame, chain):
    return bytes(frame)[:14] + chained(payload(frame), chain)


def kept(wire, kind, chain):
    """Translated both ways, on the stack's way, and counted as the flow's."""
    for proto in ("tcp", "udp"):
        talk = kind(wire, proto).open()
        sides = [talk.ask, talk.answer] if talk.both else [talk.ask]
        with wire.bypassing(0):
            for side in sides:
                if proto == "udp" and kind in (DsrOut, DsrIn) and side == talk.ask:
                    continue        # each has a note: see below
                for data in (b"", b"odd", b"x" * 600):
                    link, frame, (where, want) = side(data=data)
                    wire.expect(link, framed(frame, chain), (where, framed(want, chain)))
        talk.say(*sides, data=b"none")


def opens(wire, kind):
    """A connection that has them from its beginning."""
    talk, chain = kind(wire, "tcp"), CHAINS["destination options"]
    wire.set(talk.mode)
    for side, flags in ((talk.ask, "S"), (talk.answer, "S"), (talk.ask, "A"), (talk.ask, "FA"), (talk.answer, "FA")):
        link, frame, (where, want) = side(flags=flags)
        wire.expect(link, framed(frame, chain), (where, framed(want, chain)))
    equal(talk.flow()["state"], "tcp-time-wait", "state")


def noted(wire, chain):
    """The note comes first, the other headers behind it: at the balancer, and at the backend's node. But hop-by-hop
    options, which nothing may come before."""
    before, behind = (chain[:1], chain[1:]) if chain[0][0] == HOP else ([], chain)
    for proto, flags in (("tcp", "S"), ("udp", "")):
        out = DsrOut(wire, proto)
        wire.set("dsr")
        packet = out.segment(flags, b"" if flags else b"data")
        want = chained(out.translated(packet), behind)
        wire.expect("lan", from_router(chained(packet, chain)),
                    to_node(chained(at.noted(want, at.vip, out.front[proto]), before)))
        came = DsrIn(wire, proto)
        packet = came.segment(flags, b"" if flags else b"data", dst=at.pod)
        packet.payload.dport = came.server[proto]
        _, _, (where, want) = came.ask(flags=flags, data=b"" if flags else b"data")
        wire.expect("lan", from_node(chained(at.noted(chained(packet, behind), at.vip, came.front[proto]), before)),
                    (where, framed(want, chain)))
        came.say(came.answer, flags=flags or "PA")


def not_looked_at(wire, chain):
    """Nobody's ordinary packet: routed as what is for no service, and no flow is made of it."""
    for kind in (Snat, DsrOut):
        for proto in ("tcp", "udp"):
            talk = kind(wire, proto)
            wire.set(talk.mode)
            packet = parsed(chained(talk.segment("S"), chain))
            wire.expect("lan", from_router(packet), to_router(changed(packet)))
            equal(talk.flow(), None, "flow")


def on_a_flow(wire):
    """Of an open flow, too; and it goes on by bypass."""
    talk = Snat(wire, "udp").open()
    packet = chained(talk.segment(data=b"unusual"), [(ROUTING, TO_BE_ROUTED)])
    with wire.bypassing(0):
        wire.expect("lan", from_router(packet), to_router(changed(packet)))
    with wire.bypassing(1):
        talk.say(talk.ask, data=b"ordinary")


def broken(wire):
    """Headers that say they are longer than the packet, or have nothing behind them."""
    wire.set("snat")
    packet = bytes(Snat(wire, "udp").segment(data=b"broken"))
    for wrong in (packet[:6] + bytes([OPTIONS]) + packet[7:40] + b"\x11\xff" + packet[42:],
                  chained(parsed(packet[:40]), [(OPTIONS, PADDING)] * 3),
                  with_extension(packet, NOTHING, b"")[:40] + packet[40:],
                  chained(packet[:4] + b"\0\x04" + packet[6:44], [(OPTIONS, PADDING)])):
        wrong = wrong[:4] + (len(wrong) - 40).to_bytes(2, "big") + wrong[6:]
        wire.expect("lan", from_router(wrong), to_router(wrong[:7] + bytes([wrong[7] - 1]) + wrong[8:]))


def reset(wire):
    """The RST for a segment with them has none, and counts only what the segment has of data."""
    talk = Snat(wire, "tcp").open()
    with backend(wire, "tcp", "remote", "down"), dropping(wire, "backend-down", 2):
        for flags, data in (("A", b""), ("P", b"five.")):
            packet = talk.segment(flags, data)
            wire.expect("lan", from_router(chained(packet, CHAINS["three of different kinds"])),
                        to_router(rst(packet)))


def error_has_them(wire):
    """An error that has some itself, behind the fixed header."""
    chain = CHAINS["destination options"]
    for kind in (Snat, DsrOut):
        talk = kind(wire, "udp").open()
        for length in (8, 1000):
            came, wanted = about_request(talk, length)
            wire.expect("lan", from_node(chained(came, chain)), to_router(chained(wanted, chain)))
        came, wanted = about_reply(talk, 1000)
        link, frame = to_behind(talk, wanted)
        wire.expect("lan", from_router(chained(came, chain)), (link, framed(frame, chain)))


def quoted(wire, kind, chain):
    """An error about a packet that has them: they are part of what it quotes."""
    talk = kind(wire, "udp").open()
    for make, send, to in ((about_request, from_node, to_router), (about_reply, from_router, None)):
        came, wanted = make(talk, 1000)
        if kind is DsrOut and make == about_request:
            # the note is in front of them, and goes
            told = error_read(wanted)[1]
            sent = chained(changed(parsed(told), dst=at.remote, dport=5353, hops=0), chain)
            came = error(at.middle, at.client, at.noted(sent, at.vip, 53))
            wanted = error(at.middle, at.client, chained(told, chain), rest=at.word(1400 - at.note_len), ttl=59)
        else:
            came, wanted = (error(parsed(e).src, parsed(e).dst, chained(error_read(e)[1], chain), ttl=ttl)
                            for e, ttl in ((came, 60), (wanted, 59)))
        if to:
            wire.expect("lan", send(came), to(wanted))
        else:
            wire.expect("lan", send(came), to_behind(talk, wanted))


TESTS6 = [
    *((f"extension headers: {name}: {words}", lambda wire, k=kind, c=chain: kept(wire, k, c))
      for name, kind in KINDS.items() for words, chain in CHAINS.items()),
    *((f"extension headers: {name}: from the first packet on", lambda wire, k=kind: opens(wire, k))
      for name, kind in (("snat", Snat), ("local", Local))),
    # with the note there may be eight
    *((f"extension headers: dsr: the note beside {words}", lambda wire, c=chain: noted(wire, c))
      for words, chain in CHAINS.items() if words != "eight"),
    *((f"extension headers: {words}: not looked at", lambda wire, c=chain: not_looked_at(wire, c))
      for words, chain in (("nine", [(HOP, PADDING)] + [(OPTIONS, PADDING)] * 8),
                           ("a routing header that leads on", [(ROUTING, TO_BE_ROUTED)]),
                           ("authentication", [(AUTHENTICATION, b"\x01\0\0" + bytes(8))]),
                           ("ESP", [(ESP, bytes(7))]),
                           ("mobility", [(MOBILITY, PADDING)]))),
    ("extension headers: a routing header that leads on, on an open flow", on_a_flow),
    ("extension headers: broken", broken),
    ("extension headers: a RST for a segment that has them", reset),
    ("extension headers: an ICMP error that has them", error_has_them),
    *((f"extension headers: {name}: an ICMP error that quotes them",
       lambda wire, k=kind: quoted(wire, k, CHAINS["three of different kinds"][1:]))
      for name, kind in KINDS.items() if kind is not DsrIn),
]
