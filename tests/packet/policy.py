# SPDX-License-Identifier: GPL-2.0-only
"""Whose address a backend sees, by who asks."""
from net.ktap import equal
from talk import Hairpin


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


TESTS = [
    *((f"hairpin: {mode} {proto}{' from the port that it serves at' * own}",
       lambda wire, mode=mode, proto=proto, own=own: hairpin(wire, proto, mode, own))
      for mode in ("snat", "dsr") for proto in ("tcp", "udp") for own in (False, True)),
]
