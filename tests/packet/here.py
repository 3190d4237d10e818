# SPDX-License-Identifier: GPL-2.0-only
"""This node's own programs, a client of a service or the server of one: what they are told, and what is sent."""
import contextlib
import socket

from scapy.layers.inet import TCP, UDP

from family import V4, V6, at, changed, end, error, parsed, payload, pieces
from net import ns
from net.ktap import Failure, equal
from wire import NODE, from_node, from_router

SERVER = 9000           # the port of this node that is a backend
# socket options: IP_MTU, IPV6_MTU
MTU = {V4: (socket.IPPROTO_IP, 14), V6: (socket.IPPROTO_IPV6, 24)}


def open_socket(kind):
    s = ns.make_socket(NODE, socket.AF_INET if at.family is V4 else socket.AF_INET6, kind)
    s.settimeout(5)
    return s


@contextlib.contextmanager
def asking(wire):
    """A program has asked the service on another node: (its socket, what has left)."""
    wire.set("snat")
    with open_socket(socket.SOCK_DGRAM) as s:
        s.connect((at.vip, 53))
        s.send(b"asked")
        link, frame = wire.receive()
        out = payload(frame)
        equal((link, out.src, out.dst, out[UDP].dport, bytes(out[UDP].payload)),
              ("lan", at.n1, at.remote, 5353, b"asked"), "what leaves")
        equal(bytes(out), bytes(changed(out, dst=at.remote, hops=0)), "its checksums")
        yield s, out


def reply(out, data, **kw):
    return at.ip(src=at.remote, dst=at.n1, ttl=60) / UDP(sport=5353, dport=out[UDP].sport, **kw) / data


def client(wire):
    """A connected socket takes only what is from the service, and has right checksums."""
    with asking(wire) as (s, out):
        for data in (b"", b"odd", b"even", b"x" * 1200):
            wire.send("lan", from_node(reply(out, data)))
            equal(s.recv(2000), data, "what the program gets")
        wire.send("lan", from_node(at.unusual(reply(out, b"unusual"))))
        equal(s.recv(2000), b"unusual", "with IP options or an extension header")
        whole = reply(out, bytes(range(256)) * 12)
        for piece in pieces(whole, 1300):
            wire.send("lan", from_node(piece))
        equal(s.recv(4000), bytes(range(256)) * 12, "in fragments")
        # one that was damaged on its way is not mended
        wire.send("lan", from_node(reply(out, b"damaged", chksum=0x1234)))
        wire.send("lan", from_node(reply(out, b"right")))
        equal(s.recv(2000), b"right", "after a damaged one")
        wire.quiet()


def client_without_sum(wire):
    """UDP over IPv4 may have none."""
    with asking(wire) as (s, out):
        wire.send("lan", from_node(reply(out, b"unsummed", chksum=0)))
        equal(s.recv(2000), b"unsummed", "what the program gets")


def client_refused(wire):
    """An error about what the program has sent: by a router behind, and by the backend."""
    for src in (at.middle, at.remote):
        for length in (8, 1000):
            with asking(wire) as (s, out):
                quote = bytes(changed(out, hops=2))[:at.head + length]
                wire.send("lan", from_node(error(src, at.n1, quote, at.closed, at.word())))
                try:
                    raise Failure(f"received {s.recv(2000)}")
                except ConnectionRefusedError:
                    pass
            wire.quiet()


def client_too_big(wire):
    """What the way behind takes is what the program's own way to the service takes."""
    with asking(wire) as (s, out):
        quote = bytes(changed(out, hops=2))[:at.head + 1000]
        wire.send("lan", from_node(error(at.middle, at.n1, quote, rest=at.word(1390))))
        wire.quiet()
        equal(s.getsockopt(*MTU[at.family]), 1390, "MTU to the service")


@contextlib.contextmanager
def serving(wire, proto, mode):
    """This node itself is the backend of a service: its socket."""
    wire.set(mode)
    wire.lbadm("service", "add", "here", proto, end(at.vip, 55))
    wire.lbadm("backend", "add", "here", end(at.n1, SERVER), "local")
    try:
        with open_socket(socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((at.n1, SERVER))
            yield s
    finally:
        wire.lbadm("service", "del", "here")


def same(wire, want):
    """What comes out now is @want, but for what the kernel chooses: identification, flow label, DF."""
    link, frame = wire.receive()
    got = payload(frame)
    if at.family is V4:
        want.id, want.flags = got.id, got.flags
    else:
        want.fl = got.fl
    equal((link, bytes(got).hex()), ("lan", bytes(parsed(bytes(want))).hex()), "what comes out")


def asked(sport, data=b"", dst=None, dport=55):
    return at.ip(src=at.client, dst=dst or at.vip) / UDP(sport=sport, dport=dport) / data


def server(wire, mode):
    """The program sees the client, the client sees the service."""
    port = {"snat": 28001, "dsr": 28002}[mode]
    with serving(wire, "udp", mode) as s:
        for data in (b"", b"odd", b"x" * 1300):
            wire.send("lan", from_router(asked(port, data)))
            got, peer = s.recvfrom(2000)
            equal((got, peer[:2]), (data, (at.client, port)), "what the server gets")
            s.sendto(data[::-1], peer)
            same(wire, at.ip(src=at.vip, dst=at.client) / UDP(sport=55, dport=port) / data[::-1])
        for piece in pieces(asked(port, bytes(3000)), 1400):
            wire.send("lan", from_router(piece))
        equal(s.recv(4000), bytes(3000), "a datagram in fragments")
        wire.send("lan", from_router(at.unusual(asked(port, b"unusual"))))
        equal(s.recv(2000), b"unusual", "with IP options or an extension header")
        wire.quiet()


def server_noted(wire):
    """What another node's balancer has sent here: the note goes before the program sees it."""
    with serving(wire, "udp", "dsr") as s:
        for data in (b"odd", b"even"):
            packet = asked(28003, data, at.n1, SERVER)
            wire.send("lan", from_node(at.noted(packet, at.vip, 55)))
            got, peer = s.recvfrom(2000)
            equal((got, peer[:2]), (data, (at.client, 28003)), "what the server gets")
            s.sendto(b"answer", peer)
            same(wire, at.ip(src=at.vip, dst=at.client) / UDP(sport=55, dport=28003) / b"answer")
        wire.send("lan", from_node(at.noted_unusual(asked(28003, b"unusual", at.n1, SERVER), at.vip, 55)))
        equal(s.recv(2000), b"unusual", "with more options or headers")
        wire.quiet()


def server_told(wire):
    """An error to the service about an answer is the program's."""
    with serving(wire, "udp", "snat") as s:
        wire.send("lan", from_router(asked(28004, b"hello")))
        _, peer = s.recvfrom(2000)
        s.connect(peer)
        s.send(b"answer")
        answer = at.ip(src=at.vip, dst=at.client) / UDP(sport=55, dport=28004) / b"answer"
        same(wire, answer)
        wire.send("lan", from_router(error(at.client, at.vip, bytes(changed(answer)), at.closed, at.word())))
        try:
            raise Failure(f"received {s.recv(2000)}")
        except ConnectionRefusedError:
            pass


def server_gone(wire):
    """Nobody listens: the node's own error comes from the service, and quotes what the client has sent."""
    with serving(wire, "udp", "snat") as s:
        s.close()
        packet = asked(28005, b"anybody?")
        wire.send("lan", from_router(packet))
        link, frame = wire.receive()
        got = payload(frame)
        equal((link, got.src, got.dst), ("lan", at.vip, at.client), "link and addresses")
        wanted = parsed(error(at.vip, at.client, bytes(parsed(bytes(packet))), at.closed, at.word(), ttl=64))
        equal(bytes(got)[at.head:].hex(), bytes(wanted)[at.head:].hex(), "the error")


def server_tcp(wire):
    with serving(wire, "tcp", "snat") as s:
        s.listen()

        def segment(flags, seq, ack=0, data=b""):
            wire.send("lan", from_router(at.ip(src=at.client, dst=at.vip) / TCP(
                sport=28006, dport=55, flags=flags, seq=seq, ack=ack) / data))
        segment("S", 1000)
        _, frame = wire.receive()
        got = payload(frame)
        equal((got.src, got.dst, got[TCP].sport, str(got[TCP].flags), got[TCP].ack),
              (at.vip, at.client, 55, "SA", 1001), "the SYN-ACK")
        equal(bytes(got), bytes(changed(got, src=at.vip, hops=0)), "its checksums")
        segment("A", 1001, got[TCP].seq + 1)
        peer, who = s.accept()
        with peer:
            equal(who[:2], (at.client, 28006), "whom the server sees")
            segment("PA", 1001, got[TCP].seq + 1, b"request")
            peer.settimeout(5)
            equal(peer.recv(100), b"request", "what the server gets")
            _, frame = wire.receive()
            got = payload(frame)
            equal((got.src, got[TCP].sport, str(got[TCP].flags), got[TCP].ack), (at.vip, 55, "A", 1008), "the ACK")
            equal(bytes(got), bytes(changed(got, src=at.vip, hops=0)), "its checksums")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        _, frame = wire.receive()
        equal((payload(frame).src, str(payload(frame)[TCP].flags)), (at.vip, "RA"), "the RST")
        wire.quiet()


TESTS = [
    ("here: a client, by SNAT", client),
    ("here: a client is told of errors", client_refused),
    ("here: a client is told of an MTU", client_too_big),
    ("here: a server, snat", lambda wire: server(wire, "snat")),
    ("here: a server, dsr", lambda wire: server(wire, "dsr")),
    ("here: a server behind another node's balancer", server_noted),
    ("here: a server is told of errors", server_told),
    ("here: a server that is gone", server_gone),
    ("here: a TCP server", server_tcp),
]
TESTS4 = [("here: a client, datagrams without checksum", client_without_sum)]
