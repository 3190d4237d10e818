# SPDX-License-Identifier: GPL-2.0-only
"""TCP as a balancer has to take it: every segment of a flow is translated, states choose timeouts."""
from scapy.layers.inet import TCP

from family import at
from net.ktap import equal, eventually
from talk import DsrOut, Local, Snat
from wire import to_node


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


TESTS = [
    *((f"tcp: out of the window, {kind.__name__.lower()}, {'bypass' if b else 'slow way'}",
       lambda wire, kind=kind, b=b: out_of_window(wire, kind, b)) for kind in (Snat, Local) for b in (True, False)),
    ("tcp: a SYN on a closing flow is a new connection", syn_when_closing),
    ("tcp: each state's timeout", expires),
    ("tcp: met in mid-life: the backend's RST reaches the client", mid_life),
    ("tcp: met in mid-life, dsr: a note on each packet", mid_life_dsr),
]
