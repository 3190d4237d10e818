# SPDX-License-Identifier: GPL-2.0-only
"""ICMP errors about packets of flows: who gets them, and what they quote.

Each is sent as a router or a backend would make it from the packet as the link has it, and compared
with the one that whoever had sent the packet is to see.
"""
import struct

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS

from fallback import Neighbours, known, state
from family import (V4, at, changed, error, error_read, icmp_is_right, parsed, payload, piece_read,
                    with_fragment)
from net.ktap import check, equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router


SHORTEST, NO_TCP_SUM, WHOLE = 8, 16, 1000       # bytes of transport that are quoted: its ports, no sum, all
LENGTHS = (SHORTEST, SHORTEST + 1, NO_TCP_SUM, 18, 19, WHOLE)


def from_behind(talk, packet):
    """As if a router behind the node, or the backend, had sent it."""
    return ("pod", from_pod(packet)) if isinstance(talk, Local) else ("lan", from_node(packet))


def to_behind(talk, packet):
    return to_pod(packet) if isinstance(talk, Local) else to_node(packet)


def about_request(talk, length, src=None, kind=None, **kw):
    """An error about what the client has sent: as it comes, and as the client is to have it."""
    src, kind = src or at.middle, kind or at.too_big
    _, _, (_, out) = talk.ask(data=b"quoted in part", **kw)
    out = payload(out)
    noted = len(piece_read(bytes(out))[0]) > len(piece_read(bytes(talk.segment()))[0])
    less = at.note_len if noted else 0
    seen = changed(talk.segment(data=b"quoted in part", **kw))
    mtu = 1400 if kind == at.too_big else 0
    came = error(src, out.src, bytes(out)[:at.head + length + less], kind, at.word(mtu))
    wanted = error(at.vip if src in (at.remote, at.pod) else src, at.client, bytes(seen)[:at.head + length], kind,
                   at.word(mtu and mtu - less), ttl=59)
    return came, wanted


def behind(wire, kind, proto):
    """From a router behind the node, and from the backend itself."""
    talk = kind(wire, proto).open()
    backend = talk.reply_between()[0]
    for length in LENGTHS:
        for src in (at.middle, backend):
            came, wanted = about_request(talk, length, src)
            link, frame = from_behind(talk, came)
            wire.expect(link, frame, to_router(wanted))
    for what in (at.closed, at.expired, at.parameter):
        came, wanted = about_request(talk, NO_TCP_SUM, kind=what)
        link, frame = from_behind(talk, came)
        wire.expect(link, frame, to_router(wanted))
    check(talk.flow(), "the flow is gone")


def noted_syn(wire):
    """TCP's SYN has the note, which the client has not sent."""
    talk = DsrOut(wire, "tcp").open()
    for length in LENGTHS:
        came, wanted = about_request(talk, length, flags="S")
        wire.expect("lan", from_node(came), to_router(wanted))


def shared(wire):
    """Two connections of one client port with one backend: the note that is quoted tells them apart."""
    first = DsrOut(wire, "tcp").open()
    second = {flags: at.ip(src=at.client, dst=at.n1) / TCP(sport=first.port, dport=30080, flags=flags, seq=7) / data
              for flags, data in (("S", b""), ("A", b"second"))}
    for packet in second.values():
        out = changed(packet, dst=at.remote, dport=8080)
        wire.expect("lan", from_router(packet), to_node(at.noted(out, at.n1, 30080)))
        for length in LENGTHS:
            for src in (at.middle, at.remote):
                came = error(src, at.client, at.noted(out, at.n1, 30080)[:at.head + at.note_len + length])
                wanted = error(at.n1 if src == at.remote else src, at.client, bytes(changed(packet))[:at.head + length],
                               rest=at.word(1400 - at.note_len), ttl=59)
                wire.expect("lan", from_node(came), to_router(wanted))
                came, wanted = about_request(first, length, src)
                wire.expect("lan", from_node(came), to_router(wanted))
    # of what the service has sent the backend hears as if it were the first's: the way to the client is the same
    reply = at.ip(src=at.remote, dst=at.client, ttl=60) / TCP(sport=8080, dport=first.port, flags="A") / b"second's"
    quotes = changed(reply, src=at.n1, sport=30080), changed(reply)
    wire.expect("lan", from_router(error(at.before, at.n1, bytes(quotes[0]))),
                to_node(error(at.before, at.remote, bytes(quotes[1]), ttl=59)))


def about_reply(talk, length, src=None, **kw):
    """An error about what the service has sent: as it comes, and as the backend is to have it."""
    src = src or at.before
    reply = talk.reply(data=b"quoted in part", **kw)
    if isinstance(talk, DsrOut):
        reply.dst = at.client
    seen = changed(reply, src=at.vip, dst=at.client, sport=talk.front[talk.proto])
    came = error(src, at.vip, bytes(seen)[:at.head + length])
    wanted = error(at.n1 if type(talk) is Snat else at.vip if src == at.vip else src, reply.src,
                   bytes(changed(reply))[:at.head + length], ttl=59)
    return came, wanted


def before(wire, kind, proto):
    """From a router before the node, and from the client itself, to the service's address."""
    talk = kind(wire, proto).open()
    for length in LENGTHS:
        for src in (at.before, at.client):
            came, wanted = about_reply(talk, length, src)
            wire.expect("lan", from_router(came), to_behind(talk, wanted))
    check(talk.flow(), "the flow is gone")


def to_the_backend(wire, proto):
    """At the backend's node, what a balancer has translated already."""
    talk = DsrIn(wire, proto).open()
    quote = bytes(changed(talk.reply(data=b"quoted")))
    wire.expect("lan", from_node(error(at.before, at.pod, quote)), to_pod(error(at.before, at.pod, quote, ttl=59)))


def unsummed(wire):
    """UDP without a checksum stays so in the quote."""
    talk = Snat(wire, "udp").open()
    came, wanted = about_request(talk, WHOLE, chksum=0)
    equal(error_read(wanted)[1][at.head + 6:][:2], b"\0\0", "the quoted checksum")
    wire.expect("lan", from_node(came), to_router(wanted))
    came, wanted = about_reply(talk, WHOLE, chksum=0)
    wire.expect("lan", from_router(came), to_node(wanted))


def options(wire):
    """Of the quoted packet; in IPv6 an extension header."""
    talk = Snat(wire, "udp").open()
    came, wanted = (parsed(error_read(e)[1]) for e in about_request(talk, WHOLE))
    for cut in (8, 12, 1000):
        quotes = [at.unusual(q) for q in (came, wanted)]
        quotes = [q[:len(q) - len(bytes(came)) + at.head + cut] for q in quotes]
        wire.expect("lan", from_node(error(at.middle, at.n1, quotes[0])),
                    to_router(error(at.middle, at.client, quotes[1], ttl=59)))


def extended(wire):
    """What RFC 4884 puts behind the quote stays; what says where it is counts without the note."""
    object_ = bytes.fromhex("2000fea9") + b"\0\x08\x01\x01\x12\x34\x51\x01"
    for kind in (Snat, DsrOut):
        talk = kind(wire, "udp").open()
        came, wanted = about_request(talk, WHOLE, kind=at.expired)
        noted = at.note_len if kind is DsrOut else 0
        quotes = error_read(came)[1].ljust(128 + noted, b"\0"), error_read(wanted)[1].ljust(128, b"\0")
        lengths = [struct.pack("!BBH", 0, len(q) // 4, 0) if at.family is V4 else
                   struct.pack("!BBH", len(q) // 8, 0, 0) for q in quotes]
        wire.expect("lan", from_node(error(at.middle, parsed(came).dst, quotes[0] + object_, at.expired, lengths[0])),
                    to_router(error(at.middle, at.client, quotes[1] + object_, at.expired, lengths[1], ttl=59)))


def pointer(wire):
    """What a parameter problem points at counts without the note."""
    talk = DsrOut(wire, "udp").open()
    came, wanted = (error_read(e)[1] for e in about_request(talk, WHOLE))

    def rest(at_byte):
        return struct.pack("!BBH", at_byte, 0, 0) if at.family is V4 else struct.pack("!I", at_byte)
    for where, told in ((4, 4), (at.head + at.note_len + 4, at.head + 4)):
        wire.expect("lan", from_node(error(at.middle, at.client, came, at.parameter, rest(where))),
                    to_router(error(at.middle, at.client, wanted, at.parameter, rest(told), ttl=59)))


def is_error(frame, where, kind, quoted):
    """@frame is this node's, of this kind, about the packet @quoted, to the client."""
    got = payload(frame)
    equal((where, got.src, got.dst), ("lan", at.n1, at.client), "link, source, destination")
    equal(error_read(bytes(got))[0], kind, "type and code")
    equal(error_read(bytes(got))[1].hex(), bytes(quoted).hex(), "what it quotes")
    check(icmp_is_right(got), "its checksum")


def own_forwarding(wire, kind):
    """Made by this node where the packet is client -> backend."""
    talk = kind(wire, "udp").open()
    link, frame, _ = talk.ask(data=b"last hop", ttl=1)
    wire.send(link, frame)
    where, got = wire.receive()
    is_error(got, where, at.expired, changed(talk.segment(data=b"last hop", ttl=1), hops=0))
    wire.quiet()


def own_sending(wire, proto):
    """Made by this node where the packet is its own -> backend already: for the client all the same."""
    talk = Snat(wire, proto).open()
    with wire.neigh("lan0", mcast_solicit=1, retrans_time_ms=20), Neighbours("lan") as neighbours, \
            state(wire, f"neigh del {at.n2} dev lan0", known()):
        link, frame, _ = talk.ask(data=b"lost")
        wire.send(link, frame)
        neighbours.asked(at.n2)
        where, got = wire.receive()
        is_error(got, where, at.unreachable, changed(payload(frame)))


def passes(wire, packet):
    wire.expect("lan", from_node(packet), to_router(bytes(changed(bytes(packet)))))


def untouched(wire):
    """What is not about a service's packet, or not for its sender, is nobody's business here."""
    talk = DsrOut(wire, "udp").open()
    quote = error_read(about_reply(talk, WHOLE)[0])[1]
    other = parsed(quote)
    other[UDP].sport, other[UDP].dport = 9, 9
    other[UDP].chksum = None
    passes(wire, error(at.before, at.vip, bytes(changed(other, hops=0))))
    equal(wire.flow(at.client, 9), None, "a flow of the error")
    for cut in (at.head + 3, at.head, at.head - 8, 4, 0):       # half a pair of ports, ...
        passes(wire, error(at.before, at.vip, quote[:cut]))
    passes(wire, error(at.before, at.vip, quote, at.redirect, b"\x0a\0\0\1"))
    passes(wire, error(at.before, at.vip, quote, at.echo))
    # to another address than the quoted packet's source
    passes(wire, error(at.before, at.other_vip, quote))
    check(talk.flow(), "the flow is gone")


def untouched4(wire):
    """Headers that are no IPv4 header, and a piece of a packet without its ports."""
    talk = DsrOut(wire, "udp").open()
    quote = error_read(about_reply(talk, WHOLE)[0])[1]
    piece = parsed(quote)
    piece.frag, piece.chksum = 1, None
    for wrong in (bytes(piece), b"\x44" + quote[1:], b"\x65" + quote[1:], b"\x4f" + quote[1:20] + b"\x01" * 20):
        passes(wire, error(at.before, at.vip, wrong))


def untouched6(wire):
    """The same of IPv6; and a packet whose sender is another one than its header says."""
    talk = DsrOut(wire, "udp").open()
    quote = error_read(about_reply(talk, WHOLE)[0])[1]
    for wrong in (with_fragment(quote, 8, 1, 7), b"\x45" + quote[1:],
                  # options that reach beyond the quote, and headers that end in the middle
                  at.noted(quote, at.vip, 53)[:66], quote[:6] + b"\x3c" + quote[7:40] + b"\x11\xff" + quote[42:],
                  quote[:6] + b"\x3b" + quote[7:], quote[:6] + b"\x32" + quote[7:]):
        passes(wire, error(at.before, at.vip, wrong))
    check(talk.flow(), "the flow is gone")


def first_fragment(wire):
    """Of a packet that left in pieces it is the first that has the ports."""
    for kind in (Snat, Local):
        talk = kind(wire, "udp").open()
        came, wanted = about_reply(talk, WHOLE)
        quotes = [with_fragment(error_read(e)[1], 0, 1, 0x77) for e in (came, wanted)]
        wire.expect("lan", from_router(error(at.before, at.vip, quotes[0])),
                    to_behind(talk, error(parsed(wanted).src, parsed(wanted).dst, quotes[1], ttl=59)))


def small_mtu(wire):
    """No link has less than 1280, whatever room a note needs."""
    talk = DsrOut(wire, "udp").open()
    came, wanted = (error_read(e)[1] for e in about_request(talk, WHOLE))
    for mtu, told in ((1280, 1280), (1303, 1280), (1304, 1280), (1305, 1281), (0, 1280)):
        wire.expect("lan", from_node(error(at.middle, at.client, came, at.too_big, at.word(mtu))),
                    to_router(error(at.middle, at.client, wanted, at.too_big, at.word(told), ttl=59)))


def discovery(wire):
    """What neighbours say to each other is theirs: asked for an address, this node answers, or not."""
    wire.set("dsr")
    for target, known_here in ((at.n1, True), (at.vip, False), (at.remote, False)):
        ask = at.ip(src=at.router, dst=at.n1, ttl=255) / ICMPv6ND_NS(tgt=target)
        if not known_here:
            wire.expect("lan", from_router(ask))
            continue
        answer = at.ip(src=target, dst=at.router, ttl=255, id=0) / ICMPv6ND_NA(tgt=target, R=1, S=1, O=0)
        wire.expect("lan", from_router(ask), to_router(answer))


KINDS = {"snat": Snat, "local": Local, "dsr": DsrOut, "dsr-in": DsrIn}
PROTOS = ("tcp", "udp")

TESTS = [
    *((f"icmp: {name} {proto}: from behind to the client", lambda wire, k=k, p=proto: behind(wire, k, p))
      for name, k in KINDS.items() for proto in PROTOS),
    *((f"icmp: {name} {proto}: from before to the backend", lambda wire, k=k, p=proto: before(wire, k, p))
      for name, k in KINDS.items() if name != "dsr-in" for proto in PROTOS),
    *((f"icmp: dsr-in {proto}: from a balancer to the backend", lambda wire, p=proto: to_the_backend(wire, p))
      for proto in PROTOS),
    ("icmp: a quoted SYN loses its note", noted_syn),
    ("icmp: dsr: of two connections that share client and backend", shared),
    ("icmp: quoted UDP without checksum", unsummed),
    ("icmp: quoted options", options),
    ("icmp: extensions behind the quote", extended),
    ("icmp: what a parameter problem points at", pointer),
    *((f"icmp: {name}: the node's own, from forwarding", lambda wire, k=k: own_forwarding(wire, k))
      for name, k in KINDS.items() if name != "dsr"),
    *((f"icmp: snat {proto}: the node's own, from sending", lambda wire, p=proto: own_sending(wire, p))
      for proto in PROTOS),
    ("icmp: what belongs to no service is untouched", untouched),
]
TESTS4 = [("icmp: what is no header is untouched", untouched4)]
TESTS6 = [
    ("icmp: what is no header is untouched", untouched6),
    ("icmp: a quoted fragment", first_fragment),
    ("icmp: an MTU is never less than 1280", small_mtu),
    ("icmp: neighbours are asked and answer", discovery),
]
