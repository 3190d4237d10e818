# SPDX-License-Identifier: GPL-2.0-only
"""What is answered in a service's name: a RST for a backend that is down, an ICMP error for none."""
import contextlib

from scapy.layers.inet import TCP

from dispatch import tcp, udp
from family import V4, V6, at, changed, end, error, error_read, parsed, unpadded
from net.ktap import check, equal
from talk import DsrOut, Local, Snat
from wire import from_router, to_node, to_pod, to_router


BURST = 100                 # ICMP errors that a client may have at once
SERVICE = {("tcp", "remote"): "web", ("udp", "remote"): "dns", ("tcp", "local"): "near",
           ("udp", "local"): "near-dns"}


def quoted():
    """How many bytes of a packet an ICMP error has at most."""
    return {V4: 576, V6: 1280}[at.family] - at.head - 8


def turned(wire, proto, where, state):
    address = {"remote": at.remote, "local": at.pod}[where]
    wire.lbadm("backend", "set", SERVICE[proto, where], end(address, {"tcp": 8080, "udp": 5353}[proto]),
               "state", state)


@contextlib.contextmanager
def backend(wire, proto, where, state):
    """The only backend of the service is in @state meanwhile."""
    turned(wire, proto, where, state)
    try:
        yield
    finally:
        turned(wire, proto, where, "active")


@contextlib.contextmanager
def service(wire, words, *backends):
    wire.lbadm("service", "add", "none", *words.split())
    try:
        for words in backends:
            wire.lbadm("backend", "add", "none", *words.split())
        yield
    finally:
        wire.lbadm("service", "del", "none")


@contextlib.contextmanager
def dropping(wire, reason, count, answers=None):
    """So many packets are dropped for @reason meanwhile, so many of them answered."""
    before, sent = wire.drops().get(reason, 0), wire.stats()["answers"]
    yield
    equal(wire.drops().get(reason, 0) - before, count, f"drops for {reason}")
    equal(wire.stats()["answers"] - sent, count if answers is None else answers, "answers")


def rst(packet):
    """As RFC 9293 wants it, in the service's name."""
    asked = packet[TCP]
    head = at.ip(src=packet.dst, dst=packet.src, id=0, df=True)
    ports = {"sport": asked.dport, "dport": asked.sport, "window": 0}
    if asked.flags.A:
        return head / TCP(**ports, flags="R", seq=asked.ack, ack=0)
    length = len(asked.payload) + bool(asked.flags.S) + bool(asked.flags.F)
    return head / TCP(**ports, flags="RA", seq=0, ack=(asked.seq + length) % (1 << 32))


def unreachable(packet):
    """The error about it: all of a packet that fits."""
    packet = parsed(bytes(packet))
    raw = error(packet.dst, packet.src, bytes(packet)[:quoted()], at.closed, at.word(), ttl=64)
    answer = parsed(raw)
    if at.family is V6:
        answer.fl = 0
    else:
        answer.id, answer.flags, answer.tos, answer.chksum = 0, "DF", packet.tos & 0x1e | 0xc0, None
    return answer


def down(wire, kind, mode, where):
    """Bypass ends, and whatever the client sends is answered so that it believes it."""
    talk = kind(wire, "tcp")
    talk.mode = mode
    talk.open()
    with backend(wire, "tcp", where, "down"), wire.bypassing(0), dropping(wire, "backend-down", 4):
        for flags, data, seq, ack in (("A", b"", 1001, 0x80000001), ("PA", b"odd", 0xfffffffe, 7),
                                      ("P", b"no ACK", 0xfffffffd, 0), ("F", b"end", 5, 0)):
            packet = talk.segment(flags, data)
            packet[TCP].seq, packet[TCP].ack = seq, ack
            wire.expect("lan", from_router(packet), to_router(rst(packet)))
        equal(talk.flow()["state"], "tcp-closed", "state of the flow")


def down_and_backend_speaks(wire):
    """It is not as down as it was said to be: what it sends is delivered, and so is the client's RST."""
    talk = Snat(wire, "tcp").open()
    with backend(wire, "tcp", "remote", "down"), wire.bypassing(0), dropping(wire, "backend-down", 0):
        talk.say(talk.answer, data=b"still here")
        talk.say(talk.ask, flags="R")


def down_and_options(wire):
    """They are not part of what the RST acknowledges."""
    talk = Snat(wire, "tcp").open()
    with backend(wire, "tcp", "remote", "down"), dropping(wire, "backend-down", 1):
        packet = talk.segment("P", b"five.")
        wire.expect("lan", from_router(at.unusual(packet)), to_router(rst(packet)))


def down_and_syn(wire):
    """A new connection by the same port is no part of the lost one."""
    talk = Snat(wire, "tcp").open()
    with backend(wire, "tcp", "remote", "down"):
        packet = talk.segment("A")
        wire.expect("lan", from_router(packet), to_router(rst(packet)))
        packet = talk.segment("S")
        with dropping(wire, "no-backend", 1):
            wire.expect("lan", from_router(packet), to_router(unreachable(packet)))
    talk.say(talk.ask, talk.answer, flags="S")


def unanswered_syn(wire):
    """The SYN was lost with the backend: when it comes again it goes to another one."""
    wire.set("snat")
    packet = tcp(27001, "S")
    wire.expect("lan", from_router(packet), to_node(changed(packet, src=at.n1, dst=at.remote, dport=8080)))
    wire.lbadm("backend", "add", "web", end(at.pod, 8080), "local")
    try:
        with backend(wire, "tcp", "remote", "down"):
            wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=at.pod, dport=8080)))
    finally:
        wire.lbadm("backend", "del", "web", end(at.pod, 8080))


def down_moves_udp(wire, mode):
    """The next datagram of a UDP flow goes to another backend."""
    kind = {"snat": Snat, "dsr": DsrOut}[mode]
    talk = kind(wire, "udp").open()
    wire.lbadm("backend", "add", "dns", end(at.pod, 5353), "local")
    try:
        with backend(wire, "udp", "remote", "down"), wire.bypassing(0):
            packet = talk.segment(data=b"moved")
            wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=at.pod, dport=5353)))
    finally:
        wire.lbadm("backend", "del", "dns", end(at.pod, 5353))


def draining(wire, state):
    """What there is goes on, by bypass; what is new comes only to who is about to end, where no other is."""
    tcp_talk, udp_talk = Snat(wire, "tcp").open(), Snat(wire, "udp").open()
    with backend(wire, "tcp", "remote", state), backend(wire, "udp", "remote", state):
        for talk in (tcp_talk, udp_talk):
            with wire.bypassing(2):
                talk.say(talk.ask, talk.answer, data=b"on and on")
        for packet, port in ((tcp(27010, "S"), 8080), (udp(27011, b"new"), 5353)):
            wire.expect("lan", from_router(packet), to_router(unreachable(packet)) if state == "draining" else
                        to_node(changed(packet, src=at.n1, dst=at.remote, dport=port)))


def nobody(wire, mode):
    wire.set(mode)
    with service(wire, f"tcp {end(at.vip, 90)} nodeport:30090"):
        with dropping(wire, "no-backend", 3):
            for packet in (tcp(27020, "S", dport=90), tcp(27021, "A", dport=90, ack=5, data=b"x" * 800),
                           tcp(27022, "S", dst=at.n1, dport=30090)):
                wire.expect("lan", from_router(packet), to_router(unreachable(packet)))
    with service(wire, f"udp {end(at.vip, 90)}"):
        with dropping(wire, "no-backend", 5):
            for length in (0, 1, quoted() - at.head - 8, quoted() - at.head - 7, 1400):
                packet = udp(27023, bytes(length), dport=90)
                wire.expect("lan", from_router(packet), to_router(unreachable(packet)))


def options_quoted(wire):
    """The error quotes the packet as it was sent, with its IP options or extension headers."""
    wire.set("snat")
    with service(wire, f"udp {end(at.vip, 90)}"):
        packet = at.unusual(udp(27024, b"options", dport=90))
        wire.expect("lan", from_router(packet), to_router(unreachable(packet)))


def damaged(wire):
    """A packet with a wrong checksum is nobody's: no answer. In IPv4 one without is right."""
    wire.set("snat")
    with service(wire, f"udp {end(at.vip, 90)}"):
        with dropping(wire, "no-backend", 1, answers=0):
            wire.expect("lan", from_router(udp(27025, b"wrong", dport=90, chksum=0x1234)))
        packet = udp(27025, b"without", dport=90, chksum=0)
        with dropping(wire, "no-backend", 1, answers=at.family is V4):
            wire.expect("lan", from_router(packet), *[to_router(unreachable(packet))] * (at.family is V4))
    talk = Snat(wire, "tcp").open()
    with backend(wire, "tcp", "remote", "down"), dropping(wire, "backend-down", 1, answers=0):
        packet = talk.segment("A")
        packet[TCP].chksum = 0x1234
        wire.expect("lan", from_router(packet))


def strange_source(wire):
    """Nobody is answered whom no packet can come from."""
    wire.set("snat")
    # (the kernel itself drops IPv6 packets from a group)
    sources = {V4: ("224.0.0.1", "255.255.255.255", "192.168.0.255"), V6: ("::",)}[at.family]
    with service(wire, f"udp {end(at.vip, 90)}"), dropping(wire, "no-backend", len(sources), answers=0):
        for source in sources:
            packet = udp(27026, b"x", dport=90)
            packet.src = source
            wire.expect("lan", from_router(packet))


def limited(wire):
    """So many ICMP errors a client, and another one does not suffer from it."""
    wire.set("snat")
    sent, other = 3 * BURST, at.other_client
    with service(wire, f"udp {end(at.vip, 90)}"):
        before = wire.drops().get("no-backend", 0)
        flood = [bytes(from_router(udp(23000 + n, b"flood", dport=90))) for n in range(sent)]
        for frame in flood:
            wire.send("lan", frame)
        packet = udp(27027, b"other", dport=90)
        packet.src = other
        wire.send("lan", from_router(packet))
        got = []
        wire.send("lan", from_router(at.ping(at.n1)))
        while not got or b"probe" not in got[-1]:
            got.append(wire.receive()[1])
        errors = [parsed(unpadded(frame)) for frame in got[:-1]]
        equal({(e.src, error_read(bytes(e))[0]) for e in errors}, {(at.vip, at.closed)}, "errors")
        mine = [e for e in errors if e.dst == at.client]
        check(BURST <= len(mine) < sent, f"{len(mine)} errors for {sent} packets")
        equal(len([e for e in errors if e.dst == other]), 1, "errors for the other client")
        equal(wire.drops()["no-backend"] - before, sent + 1, "drops")


def silent(wire):
    """As the administrator wishes."""
    wire.set("snat", "no-backend drop")
    with service(wire, f"udp {end(at.vip, 90)}"), dropping(wire, "no-backend", 1, answers=0):
        wire.expect("lan", from_router(udp(27028, b"x", dport=90)))


def policy_local(wire):
    """None here, but one elsewhere: nobody hears of it. None at all: the client does."""
    wire.set("snat")
    packet = udp(27029, b"x", dport=90)
    with service(wire, f"udp {end(at.vip, 90)} policy local",
                 f"{end(at.remote, 5353)} node {at.n2}"):
        wire.dropped("lan", from_router(packet), "no-local-backend")
        wire.lbadm("backend", "set", "none", end(at.remote, 5353), "state", "draining")
        wire.expect("lan", from_router(packet), to_router(unreachable(packet)))


TESTS = [
    ("down: snat tcp on bypass is answered by a RST", lambda wire: down(wire, Snat, "snat", "remote")),
    ("down: dsr tcp on bypass is answered by a RST", lambda wire: down(wire, DsrOut, "dsr", "remote")),
    ("down: local tcp on bypass is answered by a RST", lambda wire: down(wire, Local, "snat", "local")),
    ("down: the backend still speaks, the client's RST reaches it", down_and_backend_speaks),
    ("down: a SYN is a new connection", down_and_syn),
    ("down: a SYN that was not answered goes to another backend", unanswered_syn),
    ("down: snat udp on bypass moves", lambda wire: down_moves_udp(wire, "snat")),
    ("down: dsr udp on bypass moves", lambda wire: down_moves_udp(wire, "dsr")),
    ("draining: flows stay on bypass, none come", lambda wire: draining(wire, "draining")),
    ("terminating: flows stay on bypass, and come where no other backend is", lambda wire: draining(wire, "terminating")),
    ("snat: no backend: port unreachable from the service's address", lambda wire: nobody(wire, "snat")),
    ("dsr: no backend: port unreachable from the service's address", lambda wire: nobody(wire, "dsr")),
    ("no backend: IP options or an extension header are quoted", options_quoted),
    ("a damaged packet is not answered", damaged),
    ("no backend: no answer to a multicast or broadcast source", strange_source),
    ("no backend: answers are limited for each client", limited),
    ("no backend: dropped in silence where that is set", silent),
    ("no backend: policy local", policy_local),
    ("down: a segment with IP options or an extension header", down_and_options),
]
