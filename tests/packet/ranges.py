# SPDX-License-Identifier: GPL-2.0-only
"""Services that have many ports, and one whose datagrams are each for themselves."""
import contextlib

from scapy.layers.inet import UDP

from access import passes
from dispatch import udp
from family import at, changed, end, error
from icmp import LENGTHS, about_reply, about_request, from_behind, to_behind
from net.ktap import equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router

FIRST, LAST = 20000, 20999


@contextlib.contextmanager
def configured(wire, mode, *lines):
    """In @mode, with these lines of configuration besides what there always is."""
    wire.set(mode)
    for line in lines:
        wire.lbadm(*line.split())
    try:
        yield
    finally:
        for line in lines:
            if line.startswith("service"):
                wire.lbadm("service", "del", line.split()[2])
        wire.lbadm("flow", "flush")


def backend(name, where, port):
    return f"backend add {name} {end(getattr(at, where), port)} node {at.n2 if where == 'remote' else at.n1}"


def kept(wire, kind, proto):
    """The backend is asked at the port that the client asks at: the first, the last, any between."""
    where = "pod" if issubclass(kind, Local) else "remote"
    with configured(wire, kind.mode, f"service add many {proto} {end(at.vip, f'{FIRST}-{LAST}')}",
                    backend("many", where, "*")):
        for port in (FIRST, LAST, 20123):
            talk = kind(wire, proto)
            talk.front = talk.server = {proto: port}
            talk.open()
            for data in (b"", b"odd", bytes(1000)):
                with wire.bypassing((talk.both or kind is DsrOut) + talk.both - (kind is DsrIn and proto == "udp")):
                    talk.say(talk.ask, *[talk.answer] * talk.both, data=data)


def ends(wire):
    """What is beside a range is nobody's."""
    with configured(wire, "snat", f"service add many udp {end(at.vip, f'{FIRST}-{LAST}')}", backend("many", "pod", 9)):
        for port in (FIRST - 1, LAST + 1):
            passes(wire, udp(25101, b"x", dport=port))
        wire.expect("lan", from_router(packet := udp(25101, b"x", dport=LAST)),
                    to_pod(changed(packet, dst=at.pod, dport=9)))


def precedence(wire):
    """A single port goes before a range, a range before all ports, and these before none at all."""
    services = {"all": ("*", "pod", 7), "some": (f"{FIRST}-{LAST}", "pod", 8), "one": ("20500", "pod", 9)}
    with configured(wire, "snat", *(line for name, (ports, where, port) in services.items() for line in (
            f"service add {name} udp {end(at.vip, ports)}", backend(name, where, port)))):
        for source, (asked, server) in enumerate(((1, 7), (65535, 7), (FIRST, 8), (20499, 8), (20500, 9), (20501, 8),
                                                  (FIRST - 1, 7), (LAST, 8), (LAST + 1, 7), (80, 7)), 25110):
            packet = udp(source, b"x", dport=asked)
            wire.expect("lan", from_router(packet), to_pod(changed(packet, dst=at.pod, dport=server)))
        passes(wire, udp(25130, b"x", dport=20500, dst=at.other_vip))


def one_packet(wire, mode):
    """Each datagram goes to who is chosen for it, and whoever answers is heard."""
    ask, front = udp(25200, b"x", dport=60), 60
    here, there = backend("each", "pod", 5353), backend("each", "remote", 5353)
    with configured(wire, mode, f"service add each udp {end(at.vip, front)} one-packet on", here, there):

        def only(where):
            for line in (here, there):
                which = line.split()[3]
                wire.lbadm("backend", "set", "each", which, "weight", str(int(which == end(getattr(at, where), 5353))))

        to_here = to_pod(changed(ask, dst=at.pod, dport=5353))
        if mode == "dsr":
            to_there = to_node(at.noted(changed(ask, dst=at.remote, dport=5353), at.vip, front))
        else:
            to_there = to_node(changed(ask, src=at.n1, dst=at.remote, dport=5353))
        for where, want in (("pod", to_here), ("remote", to_there)) * 2:
            only(where)
            with wire.bypassing(0):
                wire.expect("lan", from_router(ask), want)
                wire.expect("lan", from_router(ask), want)
        answer = at.ip(src=at.pod, dst=at.client, ttl=60) / UDP(sport=5353, dport=25200) / b"y"
        wire.expect("pod", from_pod(answer), to_router(changed(answer, src=at.vip, sport=front)))
        if mode == "snat":
            answer = at.ip(src=at.remote, dst=at.n1, ttl=60) / UDP(sport=5353, dport=25200) / b"z"
            wire.expect("lan", from_node(answer), to_router(changed(answer, src=at.vip, dst=at.client, sport=front)))


def one_packet_noted(wire):
    """Two backends on one node get a client's datagrams by turns: the answers of both are the service's."""
    ports = 5353, 5354
    with configured(wire, "dsr", f"service add each udp {end(at.vip, 60)} one-packet on",
                    *(backend("each", "pod", port) for port in ports)):
        for port in ports * 2:
            packet = at.ip(src=at.client, dst=at.pod) / UDP(sport=25201, dport=port) / b"x"
            wire.expect("lan", from_node(at.noted(packet, at.vip, 60)), to_pod(changed(packet)))
        for port in ports * 2:
            answer = at.ip(src=at.pod, dst=at.client, ttl=60) / UDP(sport=port, dport=25201) / b"y"
            wire.expect("pod", from_pod(answer), to_router(changed(answer, src=at.vip, sport=60)))
        flows = wire.flow(at.client, 25201)
        equal(flows["kind"], "dsr-in", "kind of the flows")


@contextlib.contextmanager
def switch(wire, name):
    """A function that switches one-packet of a service on and off; off in the end."""
    try:
        yield lambda what: wire.lbadm("service", "set", name, "one-packet", what)
    finally:
        wire.lbadm("service", "set", name, "one-packet", "off")
        wire.lbadm("flow", "flush")


def switched(wire):
    """A client's flow goes on at the backend's node, from the port that it has, whatever is switched meanwhile."""
    wire.set("dsr")
    for turns in (("off", "on", "off", "on"), ("on", "off", "on")):
        talk = DsrIn(wire, "udp")
        with switch(wire, "near-dns") as one_packet:
            for turn in turns:
                one_packet(turn)
                talk.say(talk.ask, talk.answer, data=turn.encode())


def errors(wire, kind):
    """ICMP errors about either side's datagrams find the flow that no datagram is found by."""
    talk = kind(wire, "udp")
    wire.set(talk.mode)
    with switch(wire, "near-dns" if issubclass(kind, Local) else "dns") as one_packet:
        one_packet("on")
        talk.say(talk.ask, data=b"first")
        for length in LENGTHS:
            came, wanted = about_request(talk, length)
            link, frame = from_behind(talk, came)
            wire.expect(link, frame, to_router(wanted))
            if kind is not DsrIn:       # to a backend's node they come from the balancer, translated
                came, wanted = about_reply(talk, length)
                wire.expect("lan", from_router(came), to_behind(talk, wanted))


def errors_of_two(wire):
    """Of two services' datagrams, one client port's to one backend, the note that is quoted tells which is meant."""
    first = DsrOut(wire, "udp").open()
    packet = udp(first.port, b"quoted in part", dport=60)
    out = at.noted(changed(packet, dst=at.remote, dport=5353), at.vip, 60)
    wire.set("dsr")
    wire.lbadm(*f"service add each udp {end(at.vip, 60)} one-packet on".split())
    try:
        wire.lbadm(*backend("each", "remote", 5353).split())
        wire.expect("lan", from_router(packet), to_node(out))
        for length in LENGTHS:
            came = error(at.remote, at.client, out[:at.head + at.note_len + length])
            wanted = error(at.vip, at.client, bytes(changed(packet))[:at.head + length],
                           rest=at.word(1400 - at.note_len), ttl=59)
            wire.expect("lan", from_node(came), to_router(wanted))
    finally:
        wire.lbadm("service", "del", "each")
        wire.lbadm("flow", "flush")


TESTS = [
    *((f"a range of ports, kept: {name}, {proto}", lambda wire, kind=kind, proto=proto: kept(wire, kind, proto))
      for name, kind in (("snat", Snat), ("local", Local), ("dsr", DsrOut), ("a backend's node", DsrIn))
      for proto in ("tcp", "udp")),
    ("a range of ports: what is beside it", ends),
    ("one port, a range, all ports", precedence),
    *((f"one-packet, {mode}", lambda wire, mode=mode: one_packet(wire, mode)) for mode in ("snat", "dsr")),
    ("one-packet, a backend's node", one_packet_noted),
    ("one-packet is switched on and off", switched),
    *((f"one-packet, icmp: {name}", lambda wire, kind=kind: errors(wire, kind))
      for name, kind in (("snat", Snat), ("local", Local), ("dsr", DsrOut), ("a backend's node", DsrIn))),
    ("one-packet, icmp: two services of one backend", errors_of_two),
]
