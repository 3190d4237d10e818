# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the receiving side: notes that are lost, late, repeated, or say something else than before.

The services at ports 81 (TCP) and 54 (UDP) have one backend in common with the node ports 30081 and 30054.
"""
from scapy.layers.inet import TCP, UDP

from dispatch import back
from family import at, changed, payload
from net.ktap import check, equal
from receive import noted, tcp, udp
from wire import from_node, from_pod, to_pod, to_router


def arrives(wire, packet, note=None, sport=None):
    """The pod gets it, from another port of the client's where @sport says so."""
    frame = from_node(noted(packet, *note) if note else packet)
    wire.expect("lan", frame, to_pod(changed(packet, sport=sport)))


def reply(port, data=b"reply", flags="SA"):
    """What the pod sends."""
    if flags == "udp":
        return at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=port) / data
    return back(at.pod, 8080, port, flags)


def answered(wire, port, front=None, seen=None, flags="SA"):
    """What the pod sends to port @seen is for @port, and from @front; from itself where that is None."""
    packet = reply(seen or port, flags=flags)
    want = changed(packet, src=front[0], sport=front[1], dport=port) if front else changed(packet)
    wire.expect("pod", from_pod(packet), to_router(want))


def near():
    return at.vip, 81


def near_port():
    return at.n2, 30081


def near_dns():
    return at.vip, 54


def near_dns_port():
    return at.n2, 30054


def data_first(wire):
    """What overtakes its SYN reaches the pod all the same; from the note on the service answers."""
    wire.set("dsr")
    arrives(wire, tcp(29001, "PA", b"early"))
    equal(wire.flow(at.client, 29001), None, "flow of a packet without note")
    arrives(wire, tcp(29001), near())
    answered(wire, 29001, near())
    arrives(wire, tcp(29001, "PA", b"late"))
    answered(wire, 29001, near())


def syn_again(wire):
    """A SYN that comes late once more changes nothing, and there is still one flow."""
    wire.set("dsr")
    arrives(wire, tcp(29002), near())
    answered(wire, 29002, near())
    arrives(wire, tcp(29002, "A"))
    for _ in range(3):
        arrives(wire, tcp(29002), near())
        answered(wire, 29002, near(), flags="A")
        equal(wire.flow(at.client, 29002)["state"], "tcp-established", "state")


def syn_lost(wire):
    """Where the SYN never came with its note nobody but the pod answers; the repeated one puts it right."""
    wire.set("dsr")
    arrives(wire, tcp(29003))
    answered(wire, 29003)
    arrives(wire, tcp(29003), near())
    answered(wire, 29003, near())


def first_datagram(wire):
    """The note of the first datagram is lost: the second has one."""
    wire.set("dsr")
    arrives(wire, udp(29004, b"lost"))
    answered(wire, 29004, flags="udp")
    arrives(wire, udp(29004, b"noted"), near_dns())
    answered(wire, 29004, near_dns(), flags="udp")


def some_datagram(wire):
    """Once it is known, a datagram without note is part of the flow."""
    wire.set("dsr")
    arrives(wire, udp(29005, b"noted"), near_dns())
    arrives(wire, udp(29005, b"lost"))
    answered(wire, 29005, near_dns(), flags="udp")
    arrives(wire, udp(29005, b"noted"), near_dns())
    answered(wire, 29005, near_dns(), flags="udp")


def port_reused(wire):
    """The connection has ended, and the port asks for another service: that one answers."""
    wire.set("dsr")
    arrives(wire, tcp(29006), near())
    answered(wire, 29006, near())
    arrives(wire, tcp(29006, "FA"))
    answered(wire, 29006, near(), flags="FA")
    arrives(wire, tcp(29006), near_port())
    answered(wire, 29006, near_port())
    arrives(wire, tcp(29006, "PA", b"to the other"))
    answered(wire, 29006, near_port(), flags="PA")
    # and back again
    arrives(wire, tcp(29006, "R"))
    arrives(wire, tcp(29006), near())
    answered(wire, 29006, near())


def second(wire, packet, note):
    """A packet of a second flow from a port that has one; returns the port that the pod sees."""
    wire.send("lan", from_node(noted(packet, *note)))
    link, frame = wire.receive()
    sport = payload(frame).sport
    check(sport != packet.sport, "it is not told from the first")
    equal((link, frame.hex()), ("pod", bytes(to_pod(changed(packet, sport=sport))[1]).hex()), "what the pod gets")
    wire.quiet()
    return sport


def two_at_once(wire, port, make, first, other, flags):
    """One port talks to two services of the pod: each answers for itself, in whatever order their packets come."""
    wire.set("dsr")
    arrives(wire, make(port), first)
    answered(wire, port, first, flags=flags)
    seen = second(wire, make(port), other)
    answered(wire, port, other, seen, flags=flags)
    for _ in range(2):
        # a repeated note of either
        arrives(wire, make(port), first)
        arrives(wire, make(port), other, seen)
        answered(wire, port, first, flags=flags)
        answered(wire, port, other, seen, flags=flags)


def two_connections(wire):
    two_at_once(wire, 29007, tcp, near(), near_port(), "SA")


def two_streams(wire):
    two_at_once(wire, 29008, lambda port: udp(port, b"query"), near_dns(), near_dns_port(), "udp")


def own_talk(wire):
    """A SYN without note ends it: the client speaks to the pod itself. A note begins it anew."""
    wire.set("dsr")
    for _ in range(2):
        arrives(wire, tcp(29009), near())
        answered(wire, 29009, near())
        arrives(wire, tcp(29009))
        answered(wire, 29009)
        equal(wire.flow(at.client, 29009), None, "flow")


def fast_open(wire):
    """A SYN with data and a cookie, and again without."""
    wire.set("dsr")
    with_data = tcp(29010, "S", b"GET / HTTP/1.1\r\n\r\n")
    with_data[TCP].options = [*with_data[TCP].options, ("TFO", (0x01234567, 0x89abcdef))]
    del with_data[TCP].chksum
    for packet in (with_data, with_data, tcp(29010)):
        arrives(wire, packet, near())
        answered(wire, 29010, near())
        answered(wire, 29010, near(), flags="PA")
    arrives(wire, tcp(29010, "A"))
    equal(wire.flow(at.client, 29010)["state"], "tcp-established", "state")


def reset(wire):
    """The RST of a pod that knows nothing of a connection in mid-life is the service's."""
    wire.set("dsr")
    for packet in (tcp(29011, "PA", b"from elsewhere"), tcp(29011, "A")):
        arrives(wire, packet, near())
        answered(wire, 29011, near(), flags="R")


TESTS = [
    ("notes: data overtakes the SYN", data_first),
    ("notes: the SYN again", syn_again),
    ("notes: the SYN's is lost", syn_lost),
    ("notes: a first datagram's is lost", first_datagram),
    ("notes: a later datagram's is lost", some_datagram),
    ("notes: a port is used for another service, tcp", port_reused),
    ("notes: one port to two services at once, tcp", two_connections),
    ("notes: one port to two services at once, udp", two_streams),
    ("notes: the client speaks to the backend itself", own_talk),
    ("notes: a SYN with data and a cookie", fast_open),
    ("notes: the RST of a backend that knows nothing", reset),
]
