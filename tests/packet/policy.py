# SPDX-License-Identifier: GPL-2.0-only
"""Whose address a backend sees, by who asks."""
from family import FAMILIES
from net.ktap import equal
from talk import Direct, Hairpin, Masqueraded


def hairpin(wire, proto, mode, own):
    """From the pod and back to it, by the stack and by bypass; it sees the node."""
    talk = Hairpin(wire, proto, mode, own).open()
    flow = talk.flow()
    equal((flow["kind"], flow["state"]), ("snat", "tcp-established" if proto == "tcp" else "udp-replied"), "flow")
    for data in (b"", b"x", b"odd", bytes(1000)):
        with wire.bypassing(2):
            talk.say(talk.ask, talk.answer, data=data)
    if proto == "tcp":
        for side in (talk.ask, talk.answer):
            talk.say(side, flags="FA")
        talk.say(talk.ask, flags="A")
    wire.lbadm("flow", "flush")


def seen(wire, kind, proto, mode, setting, name):
    """By the stack and by bypass, both ways."""
    talk = kind(wire, proto)
    talk.mode, talk.settings = mode, (setting,)
    talk.open()
    equal(talk.flow()["kind"], name, "flow")
    for data in (b"", b"x", b"odd", bytes(1000)):
        with wire.bypassing(2):
            talk.say(talk.ask, talk.answer, data=data)
    if proto == "tcp":
        for side in (talk.ask, talk.answer):
            talk.say(side, flags="FA")
        talk.say(talk.ask, flags="A")


PODS = f"pods {','.join(f.pod for f in FAMILIES)}"

TESTS = [
    *((f"{mode}: a pod of this node is seen by a backend on another, {proto}",
       lambda wire, mode=mode, proto=proto: seen(wire, Direct, proto, mode, PODS, "direct"))
      for mode in ("snat", "dsr") for proto in ("tcp", "udp")),
    *((f"masquerade all: a backend on this node sees the node, {proto}",
       lambda wire, proto=proto: seen(wire, Masqueraded, proto, "snat", "masquerade all", "snat"))
      for proto in ("tcp", "udp")),
    *((f"hairpin: {mode} {proto}{' from the port that it serves at' * own}",
       lambda wire, mode=mode, proto=proto, own=own: hairpin(wire, proto, mode, own))
      for mode in ("snat", "dsr") for proto in ("tcp", "udp") for own in (False, True)),
]
