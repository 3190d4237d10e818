# SPDX-License-Identifier: GPL-2.0-only
"""ICMP errors about packets of flows: who gets them, and what they quote.

Each is sent as a router or a backend would make it from the packet as the link has it, and compared
with the one that whoever had sent the packet is to see.
"""
import struct

from scapy.layers.inet import ICMP, IP, UDP
from scapy.utils import checksum

from fallback import Arp, KNOWN, state
from net.ktap import check, equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import (CLIENT, N1, N2, POD, REMOTE, VIP, changed, from_node, from_pod, from_router, note, to_node,
                  to_pod, to_router, with_options)

ROUTER, MIDDLE = "198.18.0.1", "198.18.0.2"     # before and behind the node
UNREACHABLE, TOO_BIG, EXPIRED, PARAMETER, REDIRECT = (3, 3), (3, 4), (11, 0), (12, 0), (5, 1)
SHORTEST, NO_TCP_SUM, WHOLE = 28, 36, 1000      # bytes that are quoted: 8 of transport, 16, all
LENGTHS = (SHORTEST, SHORTEST + 1, NO_TCP_SUM, 38, 39, WHOLE)


def error(src, dst, quote, kind=TOO_BIG, rest=struct.pack("!HH", 0, 1400), ttl=60):
    """The bytes of one, with all its checksums right."""
    head = bytes(kind) + b"\0\0" + rest
    total = checksum(head + quote)
    icmp = head[:2] + total.to_bytes(2, "big") + head[4:] + quote
    return bytes(IP(src=src, dst=dst, id=0x5151, ttl=ttl, proto=1) / icmp)


def payload(frame):
    return IP(bytes(frame)[14:])


def from_behind(talk, packet):
    """As if a router behind the node, or the backend, had sent it."""
    return ("pod", from_pod(packet)) if isinstance(talk, Local) else ("lan", from_node(packet))


def to_behind(talk, packet):
    return to_pod(packet) if isinstance(talk, Local) else to_node(packet)


def about_request(talk, length, src=MIDDLE, kind=TOO_BIG, **kw):
    """An error about what the client has sent: as it comes, and as the client is to have it."""
    _, _, (_, out) = talk.ask(data=b"quoted in part", **kw)
    out = payload(out)
    noted = 8 if out.ihl > 5 else 0
    seen = changed(talk.segment(data=b"quoted in part", **kw))
    mtu = 1400 if kind == TOO_BIG else 0
    came = error(src, out.src, bytes(out)[:length + noted], kind, struct.pack("!HH", 0, mtu))
    wanted = error(VIP if src in (REMOTE, POD) else src, CLIENT, bytes(seen)[:length], kind,
                   struct.pack("!HH", 0, mtu and mtu - noted), ttl=59)
    return came, wanted


def behind(wire, kind, proto):
    """From a router behind the node, and from the backend itself."""
    talk = kind(wire, proto).open()
    backend = talk.reply_between[0]
    for length in LENGTHS:
        for src in (MIDDLE, backend):
            came, wanted = about_request(talk, length, src)
            link, frame = from_behind(talk, came)
            wire.expect(link, frame, to_router(wanted))
    for what in (UNREACHABLE, EXPIRED, PARAMETER):
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


def about_reply(talk, length, src=ROUTER, kind=TOO_BIG, **kw):
    """An error about what the service has sent: as it comes, and as the backend is to have it."""
    reply = talk.reply(data=b"quoted in part", **kw)
    if isinstance(talk, DsrOut):
        reply.dst = CLIENT
    seen = changed(reply, src=VIP, dst=CLIENT, sport=talk.front[talk.proto])
    came = error(src, VIP, bytes(seen)[:length], kind)
    wanted = error(N1 if type(talk) is Snat else VIP if src == VIP else src, reply.src,
                   bytes(changed(reply))[:length], kind, ttl=59)
    return came, wanted


def before(wire, kind, proto):
    """From a router before the node, and from the client itself, to the service's address."""
    talk = kind(wire, proto).open()
    for length in LENGTHS:
        for src in (ROUTER, CLIENT):
            came, wanted = about_reply(talk, length, src)
            wire.expect("lan", from_router(came), to_behind(talk, wanted))
    check(talk.flow(), "the flow is gone")


def to_the_backend(wire, proto):
    """At the backend's node, what a balancer has translated already."""
    talk = DsrIn(wire, proto).open()
    quote = bytes(changed(talk.reply(data=b"quoted")))
    wire.expect("lan", from_node(error(ROUTER, POD, quote)), to_pod(error(ROUTER, POD, quote, ttl=59)))


def unsummed(wire):
    """UDP without a checksum stays so in the quote."""
    talk = Snat(wire, "udp").open()
    came, wanted = about_request(talk, WHOLE, chksum=0)
    equal(wanted[20 + 8 + 26:20 + 8 + 28], b"\0\0", "the quoted checksum")
    wire.expect("lan", from_node(came), to_router(wanted))
    came, wanted = about_reply(talk, WHOLE, chksum=0)
    wire.expect("lan", from_router(came), to_node(wanted))


def options(wire):
    """Of the quoted packet."""
    talk = Snat(wire, "udp").open()
    came, wanted = about_request(talk, WHOLE)
    record = b"\x07\x07\x04\0\0\0\0\0"
    quotes = [with_options(IP(e[28:]), record)[:48] for e in (came, wanted)]
    wire.expect("lan", from_node(error(MIDDLE, N1, quotes[0])),
                to_router(error(MIDDLE, CLIENT, quotes[1], ttl=59)))


def extended(wire):
    """What RFC 4884 puts behind the quote stays; what says where it is counts without the note."""
    object_ = bytes.fromhex("2000fea9") + b"\0\x08\x01\x01\x12\x34\x51\x01"
    for kind in (Snat, DsrOut):
        talk = kind(wire, "udp").open()
        came, wanted = about_request(talk, WHOLE, kind=EXPIRED)
        noted = 8 if kind is DsrOut else 0
        quotes = came[28:].ljust(128 + noted, b"\0"), wanted[28:].ljust(128, b"\0")
        lengths = [struct.pack("!BBH", 0, len(q) // 4, 0) for q in quotes]
        wire.expect("lan", from_node(error(MIDDLE, payload(b"\0" * 14 + came).dst, quotes[0] + object_,
                                           EXPIRED, lengths[0])),
                    to_router(error(MIDDLE, CLIENT, quotes[1] + object_, EXPIRED, lengths[1], ttl=59)))


def own_forwarding(wire, kind):
    """Made by this node where the packet is client -> backend."""
    talk = kind(wire, "udp").open()
    link, frame, _ = talk.ask(data=b"last hop", ttl=1)
    wire.send(link, frame)
    where, got = wire.receive()
    got = payload(got)
    equal((where, got.src, got.dst), ("lan", N1, CLIENT), "link, source, destination")
    equal((got[ICMP].type, got[ICMP].code), EXPIRED, "type and code")
    right = bytes(changed(talk.segment(data=b"last hop", ttl=1), hops=0))
    equal(bytes(got)[28:].hex(), right.hex(), "what it quotes")
    total = got[ICMP].chksum
    equal(checksum(bytes(got)[20:]), 0, f"sum of all with checksum {total:#x}")
    wire.quiet()


def own_sending(wire, proto):
    """Made by this node where the packet is its own -> backend already: for the client all the same."""
    talk = Snat(wire, proto).open()
    with wire.neigh("lan0", mcast_solicit=1, retrans_time_ms=20), Arp("lan") as arp, \
            state(wire, f"neigh del {N2} dev lan0", KNOWN):
        link, frame, _ = talk.ask(data=b"lost")
        wire.send(link, frame)
        arp.asked(N2)
        where, got = wire.receive()
        got = payload(got)
        equal((where, got.src, got.dst), ("lan", N1, CLIENT), "link, source, destination")
        equal((got[ICMP].type, got[ICMP].code), (3, 1), "type and code")
        equal(bytes(got)[28:].hex(), bytes(changed(payload(frame))).hex(), "what it quotes")
        equal(checksum(bytes(got)[20:]), 0, "sum of all")


def untouched(wire):
    """What is not about a flow's packet, or not for its sender, is nobody's business here."""
    talk = DsrOut(wire, "udp").open()
    came, _ = about_reply(talk, WHOLE)
    quote = came[28:]

    def fragment_of(frag):
        q = IP(quote)
        q.frag, q.chksum = frag, None
        return bytes(q)

    def passes(packet):
        wire.expect("lan", from_node(packet), to_router(bytes(changed(IP(packet)))))

    other = IP(quote)
    other[UDP].dport = 9
    other.chksum = other[UDP].chksum = None
    passes(error(ROUTER, VIP, bytes(other)))
    equal(wire.flow(CLIENT, other[UDP].dport), None, "a flow of the error")
    passes(error(ROUTER, VIP, fragment_of(1)))
    passes(error(ROUTER, VIP, quote[:23]))          # half a pair of ports
    passes(error(ROUTER, VIP, quote[:12]))
    passes(error(ROUTER, VIP, b"\x44" + quote[1:]))     # a header of 16 bytes
    passes(error(ROUTER, VIP, b"\x65" + quote[1:]))
    passes(error(ROUTER, VIP, b""))
    passes(error(ROUTER, VIP, b"\x4f" + quote[1:20] + b"\x01" * 20))
    passes(error(ROUTER, VIP, quote, REDIRECT, b"\x0a\0\0\1"))
    passes(error(ROUTER, VIP, quote, (8, 0)))
    # to another address than the quoted packet's source
    passes(error(ROUTER, "203.0.113.99", quote))
    check(talk.flow(), "the flow is gone")


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
    ("icmp: quoted UDP without checksum", unsummed),
    ("icmp: quoted options", options),
    ("icmp: extensions behind the quote", extended),
    *((f"icmp: {name}: the node's own, from forwarding", lambda wire, k=k: own_forwarding(wire, k))
      for name, k in KINDS.items() if name != "dsr"),
    *((f"icmp: snat {proto}: the node's own, from sending", lambda wire, p=proto: own_sending(wire, p))
      for proto in PROTOS),
    ("icmp: what belongs to no flow is untouched", untouched),
]
