# SPDX-License-Identifier: GPL-2.0-only
"""TCP as a balancer has to take it: every segment of a flow is translated, states choose timeouts."""
from scapy.layers.inet import TCP

from dispatch import tcp
from family import at, end
from net.ktap import equal, eventually
from reject import dropping, rst
from talk import DsrOut, Local, Snat
from wire import from_router, to_node, to_router


def out_of_window(wire, kind, bypass):
    """Wild sequence numbers are the endpoints' to judge, on both ways."""
    talk = kind(wire, "tcp").open()
    wire.set(talk.mode, *([] if bypass else ["bypass off"]))
    for seq, ack in ((1, 1), (0x7fffffff, 5), (0xffffffff, 0xffffffff)):
        for make, way in ((talk.segment, talk.ask), (talk.reply, talk.answer)):
            link, frame, want = way(data=b"wild")
            for packet in (frame, want[1]):
                packet[TCP].seq, packet[TCP].ack = seq, ack
                del packet[TCP].chksum
            wire.expect(link, frame, want)


def syn_when_closing(wire):
    """A SYN on a closing flow is a new connection; on an established one it changes nothing."""
    talk = Snat(wire, "tcp").open()
    talk.say(talk.ask, flags="S")
    equal(talk.flow()["state"], "tcp-established", "state after a SYN in mid-life")
    talk.say(talk.ask, talk.answer, flags="FA")
    equal(talk.flow()["state"], "tcp-time-wait", "state")
    talk.say(talk.ask, flags="S")
    equal(talk.flow()["state"], "tcp-syn-sent", "state of the new one")


def expires(wire):
    """A flow lives as long as the timeout of its state."""
    wire.set("snat")
    flows = {}
    for state, steps in {"syn-sent": "", "syn-received": "s", "established": "sa", "fin": "saf",
                         "time-wait": "safF", "closed": "r"}.items():
        talk = flows[state] = Snat(wire, "tcp")
        talk.say(talk.ask, flags="S")
        for step in steps:
            way, flags = {"s": (talk.answer, "S"), "a": (talk.ask, "A"), "f": (talk.ask, "FA"),
                          "F": (talk.answer, "FA"), "r": (talk.answer, "RA")}[step]
            talk.say(way, flags=flags)
        equal(talk.flow()["state"], f"tcp-{state}", "state")
    wire._mode = None       # set() is to put the timeouts right for the next test
    for state, talk in flows.items():
        wire.lbadm("set", "timeout", f"tcp-{state}", "1s")
        eventually(lambda: talk.flow() is None, f"the flow in {state} ends")


def mid_life(wire):
    """A flow met in mid-life goes to a backend, and its RST reaches the client."""
    talk = Snat(wire, "tcp")
    wire.set("snat")
    talk.say(talk.ask, flags="A")
    talk.say(talk.answer, flags="R")
    equal(talk.flow()["state"], "tcp-closed", "state")


def mid_life_dsr(wire):
    """By DSR each packet has its note, so that the RST comes from the service's address."""
    talk = DsrOut(wire, "tcp")
    wire.set("dsr")
    for _ in range(2):
        packet = talk.segment(flags="A")
        link, frame, _ = talk.ask(flags="A")
        wire.expect(link, frame, to_node(at.noted(talk.translated(packet), at.vip, 80)))


def mid_life_lost(wire, mode):
    """Of two backends nobody can tell which one it was: the client is told that it is lost, and no flow made."""
    wire.set(mode)
    wire.lbadm("backend", "add", "web", end(at.pod, 8080), "local")
    try:
        for port, flags, data in ((27101, "A", b""), (27102, "PA", b"more"), (27103, "FA", b""), (27104, "SA", b"")):
            packet = tcp(port, flags)
            packet = packet / data if data else packet
            with dropping(wire, "no-flow", 1):
                wire.expect("lan", from_router(packet), to_router(rst(packet)))
            equal(wire.flow(at.client, port), None, "flow")
        with dropping(wire, "no-flow", 1, answers=0):
            wire.expect("lan", from_router(tcp(27105, "R")))
        packet = tcp(27106, "A")
        packet[TCP].chksum = 0x1234
        with dropping(wire, "no-flow", 1, answers=0):
            wire.expect("lan", from_router(packet))
    finally:
        wire.lbadm("backend", "del", "web", end(at.pod, 8080))


def mid_life_maglev(wire):
    """Maglev can: it goes on by SNAT from the client's own port, which it is likely to have had."""
    talk = Snat(wire, "tcp")
    wire.set("snat")
    wire.lbadm("service", "set", "web", "scheduler", "maglev")
    # as a second one, but for a place on no entry: the first one has them all
    wire.lbadm("backend", "add", "web", end(at.pod, 8080), "local", "weight", "0")
    try:
        talk.say(talk.ask, flags="A")
        talk.say(talk.answer, data=b"still here")
    finally:
        wire.lbadm("backend", "del", "web", end(at.pod, 8080))
        wire.lbadm("service", "set", "web", "scheduler", "random")


TESTS = [
    *((f"tcp: out of the window, {kind.__name__.lower()}, {'bypass' if b else 'slow way'}",
       lambda wire, kind=kind, b=b: out_of_window(wire, kind, b)) for kind in (Snat, Local) for b in (True, False)),
    ("tcp: a SYN on a closing flow is a new connection", syn_when_closing),
    ("tcp: each state's timeout", expires),
    ("tcp: met in mid-life: the backend's RST reaches the client", mid_life),
    ("tcp: met in mid-life, dsr: a note on each packet", mid_life_dsr),
    *((f"tcp: met in mid-life, {mode}: nobody knows its backend", lambda wire, mode=mode: mid_life_lost(wire, mode))
      for mode in ("snat", "dsr")),
    ("tcp: met in mid-life: maglev goes on", mid_life_maglev),
]
