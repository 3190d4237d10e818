# SPDX-License-Identifier: GPL-2.0-only
"""Whose address a backend sees, by who asks."""
from family import FAMILIES
from net.ktap import equal
from talk import Direct, Hairpin, Masqueraded


def there_and_back(talk):
    """By the stack and by bypass, both ways."""
    talk.open()
    for data in (b"", b"x", b"odd", bytes(1000)):
        with talk.wire.bypassing(2):
            talk.say(talk.ask, talk.answer, data=data)
    flow = talk.flow()
    if talk.proto == "tcp":
        for side in (talk.ask, talk.answer):
            talk.say(side, flags="FA")
        talk.say(talk.ask, flags="A")
    return flow


def hairpin(wire, proto, mode, own):
    """From the pod and back to it; it sees the node."""
    flow = there_and_back(Hairpin(wire, proto, mode, own))
    equal((flow["kind"], flow["state"]), ("snat", "tcp-established" if proto == "tcp" else "udp-replied"), "flow")
    wire.lbadm("flow", "flush")


def seen(wire, kind, proto, mode, setting, name):
    talk = kind(wire, proto)
    talk.mode, talk.settings = mode, (setting,)
    equal(there_and_back(talk)["kind"], name, "flow")


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
