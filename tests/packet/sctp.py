# SPDX-License-Identifier: GPL-2.0-only
"""SCTP: ports are rewritten, the CRC32c follows, and states go by the chunks.

The CRC is made here bit by bit, as RFC 9260, appendix A has it.
"""
import struct

from scapy.packet import Raw

from family import FAMILIES, at, end, error
from net.ktap import equal, eventually
from reject import dropping, unreachable
from wire import from_node, from_pod, from_router, to_node, to_pod, to_router


DATA, INIT, INIT_ACK, HEARTBEAT, ABORT = 0, 1, 2, 4, 6
SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, COMPLETE = 7, 8, 10, 11, 14

CONFIG = f"""
service add sig sctp {' '.join(end(f.vip, 132) for f in FAMILIES)} nodeport:30132
service add near-sig sctp {' '.join(end(f.vip, 133) for f in FAMILIES)}
""" + "".join(f"""
backend add sig {end(f.remote, 2905)} node {f.n2}
backend add near-sig {end(f.pod, 2905)} node {f.n1}
""" for f in FAMILIES)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def chunk(kind, data=b"", flags=0):
    return struct.pack("!BBH", kind, flags, 4 + len(data)) + data + bytes(-len(data) % 4)


def sctp(sport, dport, *chunks, tag=0x01020304, wrong=0):
    """An SCTP packet, its CRC @wrong by these bits."""
    head, rest = struct.pack("!HHI", sport, dport, tag), b"".join(chunks)
    return head + struct.pack("<I", crc32c(head + bytes(4) + rest) ^ wrong) + rest


def packet(src, dst, *what, ttl=64, **kw):
    return at.ip(src=src, dst=dst, id=0x1234, ttl=ttl, proto=132) / Raw(sctp(*what, **kw))


KINDS = {INIT: chunk(INIT, bytes(16)), DATA: chunk(DATA, b"\0" * 12 + b"odd", 3)}


class Association:
    """To the service on another node, by SNAT or DSR."""

    def __init__(self, wire, port, mode="snat", vport=132):
        wire.set(mode)
        with open("/tmp/sctp.conf", "w") as f:
            f.write(wire.lbadm("save") + CONFIG)
        if "sig" not in wire.lbadm("service", "list"):
            wire.lbadm("apply", "/tmp/sctp.conf")
        wire._mode = None       # set() is to put it right for the next test
        self.wire, self.port, self.mode, self.vport = wire, port, mode, vport

    def ask(self, *kinds, state=None, noted=False, data=None, wrong=0):
        chunks = [data or KINDS.get(k, chunk(k, bytes(4))) for k in kinds]
        sent = packet(at.client, at.vip, self.port, self.vport, *chunks, wrong=wrong)
        local = self.vport == 133
        src = at.client if local or self.mode == "dsr" else at.n1
        want = packet(src, at.pod if local else at.remote, self.port, 2905, *chunks, ttl=63)
        if wrong:
            want = packet(src, at.remote, self.port, 2905, *chunks, ttl=63, wrong=wrong)
        if noted:
            want = at.noted(want, at.vip, self.vport)
        self.wire.expect("lan", from_router(sent), (to_pod if local else to_node)(want))
        self.is_in(state)

    def answer(self, *kinds, state=None):
        chunks = [KINDS.get(k, chunk(k, bytes(4))) for k in kinds]
        if self.vport == 133:
            sent = packet(at.pod, at.client, 2905, self.port, *chunks)
            frame, link = from_pod(sent), "pod"
        else:
            sent = packet(at.remote, at.n1, 2905, self.port, *chunks)
            frame, link = from_node(sent), "lan"
        self.wire.expect(link, frame,
                         to_router(packet(at.vip, at.client, self.vport, self.port, *chunks, ttl=63)))
        self.is_in(state)

    def is_in(self, state):
        if state:
            equal(self.wire.flow(at.client, self.port)["state"], f"sctp-{state}", "state")

    def open(self):
        self.ask(INIT, state="init")
        self.answer(INIT_ACK, state="cookie")
        self.ask(COOKIE_ECHO, DATA, state="cookie")
        self.answer(COOKIE_ACK, state="established")
        return self


def translated(wire, mode, vport, port):
    a = Association(wire, port, mode, vport).open()
    for n in (1, 2, 3, 4, 333, 1400):
        a.ask(DATA, data=chunk(DATA, bytes(12) + b"x" * n, 3), state="established")
    a.answer(DATA)
    a.answer(HEARTBEAT)
    a.ask(SHUTDOWN, state="shutdown")
    a.answer(SHUTDOWN_ACK, state="shutdown")
    a.ask(COMPLETE, state="closed")


def abort(wire):
    a = Association(wire, 26010).open()
    a.answer(ABORT, state="closed")
    b = Association(wire, 26011).open()
    b.ask(ABORT, state="closed")


def second(wire):
    """An INIT on a flow that is closing is a new association."""
    a = Association(wire, 26020).open()
    a.ask(SHUTDOWN, state="shutdown")
    a.ask(INIT, state="init")
    a.answer(INIT_ACK, state="cookie")


def wrong_crc(wire):
    """What was damaged before us is as damaged behind us, for the backend to see."""
    a = Association(wire, 26030).open()
    a.ask(DATA, wrong=0x00400001)


def noted(wire):
    """As for TCP: the note is on INIT, and on every packet of what was met in mid-life."""
    a = Association(wire, 26040, "dsr")
    a.ask(INIT, state="init", noted=True)
    a.ask(INIT, state="init", noted=True)
    a.ask(COOKIE_ECHO, state="established")
    a.ask(DATA, state="established")
    a.ask(SHUTDOWN_ACK, state="shutdown")
    b = Association(wire, 26041, "dsr")
    b.ask(DATA, state="established", noted=True)
    b.ask(DATA, noted=True)


def received(wire):
    """The node of the backend: a note on INIT, answers with the service's address."""
    a = Association(wire, 26050, "dsr", 133)
    for kind, with_note in ((INIT, True), (COOKIE_ECHO, False), (DATA, False)):
        c = KINDS.get(kind, chunk(kind, bytes(4)))
        sent = packet(at.client, at.pod, a.port, 2905, c)
        wire.expect("lan", from_node(at.noted(sent, at.vip, 133) if with_note else sent),
                    to_pod(packet(at.client, at.pod, a.port, 2905, c, ttl=63)))
        a.answer({INIT: INIT_ACK, COOKIE_ECHO: COOKIE_ACK, DATA: HEARTBEAT}[kind])
    a.is_in("established")


def hybrid(wire):
    Association(wire, 26060, "hybrid").open()


def unusual(wire):
    """With IP options, or an IPv6 extension header."""
    a = Association(wire, 26065).open()
    data = chunk(DATA, bytes(12) + b"odd", 3)
    wire.expect("lan", from_router(at.unusual(packet(at.client, at.vip, a.port, 132, data))),
                to_node(at.unusual(packet(at.n1, at.remote, a.port, 2905, data, ttl=63))))
    wire.expect("lan", from_node(at.unusual(packet(at.remote, at.n1, 2905, a.port, data))),
                to_router(at.unusual(packet(at.vip, at.client, 132, a.port, data, ttl=63))))


def nonsense(wire):
    """Chunks that make no sense tell nothing, and pass."""
    a = Association(wire, 26070).open()
    for data in (b"\x06\0\0\0", b"\x06\0\0", b"\xff\0\xff\xff" + bytes(8), b"\x03\0\0\x03" + bytes(4),
                 chunk(3) * 8 + chunk(ABORT)):
        a.ask(DATA, data=data, state="established")


def expires(wire):
    """A flow lives as long as the timeout of its state."""
    states = {"init": (), "cookie": (INIT_ACK,), "established": (INIT_ACK, COOKIE_ACK),
              "shutdown": (SHUTDOWN,), "closed": (ABORT,)}
    flows = {}
    for n, (state, answers) in enumerate(states.items()):
        a = flows[state] = Association(wire, 26080 + n)
        a.ask(INIT)
        for kind in answers:
            a.answer(kind)
        a.is_in(state)
    for state, a in flows.items():
        wire.lbadm("set", "timeout", f"sctp-{state}", "1s")
        eventually(lambda: wire.flow(at.client, a.port) is None, f"the flow in {state} ends")


def quoted(wire):
    """An ICMP error about a packet to the backend tells the client of its own packet."""
    a = Association(wire, 26090).open()
    init = chunk(DATA, bytes(12) + b"big", 3)
    inner = packet(at.n1, at.remote, a.port, 2905, init, ttl=63)
    theirs = packet(at.client, at.vip, a.port, 132, init, ttl=63)
    # CRC as it was quoted
    theirs = bytes(theirs)[:at.head + 8] + bytes(inner)[at.head + 8:]
    for cut in (8, 12, 1000):
        came, told = bytes(inner)[:at.head + cut], theirs[:at.head + cut]
        wire.expect("lan", from_node(error(at.middle, at.n1, came)),
                    to_router(error(at.middle, at.client, told, ttl=59)))


def end_of(sent, kind=ABORT):
    """What tells a client that there is no such association: its own tag, and the T bit (RFC 9260, section 8.4)."""
    sport, dport, tag = struct.unpack("!HHI", bytes(sent[Raw])[:8])
    return at.ip(src=sent.dst, dst=sent.src, id=0, df=True, proto=132) / Raw(sctp(dport, sport, chunk(kind, flags=1), tag=tag))


def backend_down(wire):
    """Whatever the client sends is answered so that it believes it; an INIT is a new association, to nobody."""
    a = Association(wire, 26100).open()
    a.wire.lbadm("backend", "set", "sig", end(at.remote, 2905), "state", "down")
    try:
        for kinds, answer in (((DATA,), ABORT), ((HEARTBEAT,), ABORT), ((SHUTDOWN_ACK,), COMPLETE)):
            sent = packet(at.client, at.vip, a.port, 132, *(KINDS.get(k, chunk(k, bytes(4))) for k in kinds), tag=0xdecade)
            with dropping(wire, "backend-down", 1):
                wire.expect("lan", from_router(sent), to_router(end_of(sent, answer)))
        a.is_in("closed")
        damaged = packet(at.client, at.vip, a.port, 132, KINDS[DATA], wrong=4)
        with dropping(wire, "backend-down", 1, answers=0):
            wire.expect("lan", from_router(damaged))
        init = packet(at.client, at.vip, a.port, 132, KINDS[INIT], tag=0)
        with dropping(wire, "no-backend", 1):
            wire.expect("lan", from_router(init), to_router(unreachable(init)))
    finally:
        a.wire.lbadm("backend", "set", "sig", end(at.remote, 2905), "state", "active")


def lost(wire):
    """Met in mid-life where any of two backends may have it: the client is told, and no flow made."""
    a = Association(wire, 26110)
    wire.lbadm("backend", "add", "sig", end(at.pod, 2905), "local")
    try:
        for n, (kind, answer) in enumerate(((DATA, ABORT), (COOKIE_ECHO, ABORT), (SHUTDOWN, ABORT),
                                            (SHUTDOWN_ACK, COMPLETE), (ABORT, None), (COMPLETE, None))):
            sent = packet(at.client, at.vip, 26110 + n, 132, KINDS.get(kind, chunk(kind, bytes(4))))
            with dropping(wire, "no-flow", 1, answers=int(answer is not None)):
                wire.expect("lan", from_router(sent), *([to_router(end_of(sent, answer))] if answer else []))
            equal(wire.flow(at.client, 26110 + n), None, "flow")
    finally:
        wire.lbadm("backend", "del", "sig", end(at.pod, 2905))


def not_loaded(_wire):
    """Nothing of this needs the kernel's SCTP."""
    with open("/proc/modules", encoding="ascii") as f:
        equal([line.split()[0] for line in f if line.split()[0] == "sctp"], [], "modules")


TESTS = [
    ("sctp: snat, both ways", lambda wire: translated(wire, "snat", 132, 26001)),
    ("sctp: snat, local backend, both ways", lambda wire: translated(wire, "snat", 133, 26002)),
    ("sctp: hybrid mode is SNAT", hybrid),
    ("sctp: ABORT of either side closes", abort),
    ("sctp: INIT on a closing flow is a new association", second),
    ("sctp: a wrong CRC stays wrong by the same bits", wrong_crc),
    ("sctp: dsr: a note on INIT, and on all of mid-life", noted),
    ("sctp: dsr: received at the backend's node", received),
    ("sctp: IP options or an extension header", unusual),
    ("sctp: chunks that make no sense", nonsense),
    ("sctp: an error is about the client's own packet", quoted),
    ("sctp: each state's timeout", expires),
    ("sctp: ABORT where the backend is down", backend_down),
    ("sctp: ABORT where nobody knows the backend", lost),
    ("sctp: the kernel's own module is not loaded", not_loaded),
]
