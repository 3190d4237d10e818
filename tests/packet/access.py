# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a service's address but of no service: closed ports, and ping."""
import contextlib

from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

from dispatch import tcp, udp
from family import V6, at, changed, end, parsed, payload
from net.ktap import check, equal
from reject import dropping, rst, unreachable
from wire import from_router, to_router


def passes(wire, packet):
    """@packet goes on by the route, as if bpflb were not there."""
    wire.expect("lan", from_router(packet), to_router(changed(packet)))


def unknown_pass(wire):
    """What is nobody's is routed on."""
    wire.set("snat")
    with dropping(wire, "unknown-port", 0):
        passes(wire, tcp(25001, "S", dport=9999))
        passes(wire, udp(25001, b"x", dport=80))        # a service's port, of another protocol


def unknown_drop(wire):
    wire.set("snat", "unknown-ports drop")
    for packet in (tcp(25002, "S", dport=9999), tcp(25002, "A", dport=9999), udp(25002, b"x", dport=80)):
        wire.dropped("lan", from_router(packet), "unknown-port")
    passes(wire, tcp(25003, "S", dst=at.other_vip, dport=9999))


def unknown_reject(wire):
    """As a host does where nobody listens, but from the service's address."""
    wire.set("dsr", "unknown-ports reject")
    for flags, data, seq, ack in (("S", b"", 1000, 0), ("A", b"", 1001, 0x80000001),
                                  ("PA", b"odd", 0xfffffffe, 7), ("F", b"end", 5, 0)):
        packet = tcp(25004, flags, dport=9999, data=data, seq=seq, ack=ack)
        with dropping(wire, "unknown-port", 1):
            wire.expect("lan", from_router(packet), to_router(rst(packet)))
    for packet in (udp(25004, b"x", dport=80), udp(25004, b"y" * 900, dport=9999)):
        with dropping(wire, "unknown-port", 1):
            wire.expect("lan", from_router(packet), to_router(unreachable(packet)))


def unknown_reset(wire):
    """A RST is never answered, nor is what was damaged."""
    wire.set("snat", "unknown-ports reject")
    damaged = tcp(25005, "S", dport=9999)
    damaged[TCP].chksum = 0x1234
    with dropping(wire, "unknown-port", 2, answers=0):
        wire.expect("lan", from_router(tcp(25005, "R", dport=9999)))
        wire.expect("lan", from_router(damaged))


@contextlib.contextmanager
def own(wire, address):
    """@address is the node's own meanwhile."""
    words = f"{address}/{at.host} dev lo"
    wire.ip(f"addr add {words}" + " nodad" * (at.family is V6))
    try:
        yield
    finally:
        wire.ip(f"addr del {words}")


def kernels_own(wire, dst):
    """It is the kernel that answers at @dst."""
    packet = tcp(25006, "S", dst=dst, dport=9999)
    with dropping(wire, "unknown-port", 0):
        wire.send("lan", from_router(packet))
        got = payload(wire.receive()[1])
        equal((got.src, str(got[TCP].flags)), (dst, "RA"), "the answer")


def unknown_own(wire):
    """Addresses that a node has itself are never closed, this one's nor another one's."""
    wire.set("snat", "unknown-ports reject")
    with own(wire, at.vip):
        kernels_own(wire, at.vip)
    wire.lbadm("service", "add", "at-nodes", "tcp", end(at.n1, 90), end(at.n2, 90))
    try:
        kernels_own(wire, at.n1)
        with dropping(wire, "unknown-port", 0):
            wire.send("lan", from_router(tcp(25006, "S", dst=at.n2, dport=9999)))
            equal(payload(wire.receive()[1]).dst, at.n2, "destination of what goes on")
    finally:
        wire.lbadm("service", "del", "at-nodes")


def unknown_follows(wire):
    """An address is closed from its first service to its last."""
    wire.set("snat", "unknown-ports drop")
    packet = tcp(25007, "S", dst=at.other_vip, dport=9999)
    passes(wire, packet)
    wire.lbadm("service", "add", "one", "tcp", end(at.other_vip, 80))
    wire.lbadm("service", "add", "two", "udp", end(at.other_vip, 80))
    wire.dropped("lan", from_router(packet), "unknown-port")
    wire.lbadm("service", "del", "one")
    wire.dropped("lan", from_router(packet), "unknown-port")
    wire.lbadm("service", "set", "two", "address", end(at.vip, 9998))
    passes(wire, packet)
    wire.lbadm("service", "del", "two")


def echo(data=b"how are you", dst=None, reply=False, src=None, **kw):
    words = {"id": 0x1111, "seq": 7, **kw}
    if at.family is V6:
        icmp = (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(data=data, **words)
    else:
        icmp = ICMP(type=0 if reply else 8, **words) / data
    return at.ip(src=src or at.client, dst=dst or at.vip, id=0 if at.family is V6 else 0x3333, tos=0x48) / icmp


def answers(wire, data, asked=None):
    """The answer is right, but for its identification, which is the kernel's to choose."""
    want = echo(data, src=at.vip, dst=at.client, reply=True)
    wire.send("lan", from_router(asked or echo(data)))
    link, frame = wire.receive()
    got = payload(frame)
    if at.family is not V6:
        want.id = got.id
    equal((link, bytes(got).hex()), ("lan", bytes(want).hex()), "the answer")
    wire.quiet()


def ping(wire):
    """With the bytes and the TOS of the question, whatever headers that has."""
    wire.set("snat", "ping on")
    before = wire.stats()["answers"]
    for data in (b"", b"x", b"odd data", bytes(1400)):
        answers(wire, data)
    answers(wire, b"unusual", at.unusual(echo(b"unusual")))
    equal(wire.stats()["answers"] - before, 5, "answers")


def ping_not(wire):
    """Where it is off, what is no service's address, no echo request, or damaged."""
    wire.set("snat")
    passes(wire, echo())
    wire.set("snat", "ping on")
    for packet in (echo(dst=at.other_vip), echo(reply=True)):
        passes(wire, packet)
    wire.send("lan", from_router(echo(cksum=0x1234) if at.family is V6 else echo(chksum=0x1234)))
    got = parsed(bytes(payload(wire.receive()[1])))
    check(b"how are you" in bytes(got) and got.dst == at.vip, "a damaged packet did not go on")
    wire.quiet()


TESTS = [
    ("unknown port: pass", unknown_pass),
    ("unknown port: drop", unknown_drop),
    ("unknown port: reject", unknown_reject),
    ("unknown port: reject: no answer to a RST, nor to what is damaged", unknown_reset),
    ("unknown port: a node's own address is never closed", unknown_own),
    ("unknown port: an address is closed while a service has it", unknown_follows),
    ("ping: answered from the service's address", ping),
    ("ping: what is not answered", ping_not),
]
