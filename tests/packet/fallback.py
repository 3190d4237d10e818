# SPDX-License-Identifier: GPL-2.0-only
"""Every reason for which a packet of a flow that has bypass takes the stack's way.

What becomes of it there is what becomes of a packet that never had another; and
once the reason is gone, or the stack has let it through, there is bypass again.
"""
import contextlib
import socket

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr
from scapy.layers.l2 import ARP, Ether

from family import V4, at, changed, end, error_read, payload, pieces, unpadded
from net import ns
from net.ktap import Failure, check, equal
from talk import DsrIn, DsrOut, Local, Snat
from wire import FAR, MAC, NODE, from_alt, from_router, to_alt, to_node, to_router

_ETH_ARP = 0x0806
_ESP = 50


@contextlib.contextmanager
def state(wire, do, undo):
    """`ip DO` meanwhile; a list is of several."""
    try:
        for line in [do] if isinstance(do, str) else do:
            wire.ip(line)
        yield
    finally:
        for line in [undo] if isinstance(undo, str) else undo:
            wire.ip(line)


def slow(wire, link, frame, want):
    with wire.bypassing(0):
        wire.expect(link, frame, *want)


def fast(wire, link, frame, want):
    with wire.bypassing(1):
        wire.expect(link, frame, *want)


def slow_then_fast(wire, say):
    """One packet takes the stack's way, those that follow it bypass."""
    link, frame, *want = say(data=b"slow")
    slow(wire, link, frame, want)
    for n in range(2):
        link, frame, *want = say(data=b"fast %d" % n)
        fast(wire, link, frame, want)


def fast_again(wire, say):
    """What there was is there again: the first packet may have to find that out on the stack's way."""
    link, frame, want = say(data=b"may take either way")
    wire.expect(link, frame, want)
    link, frame, want = say(data=b"fast")
    fast(wire, link, frame, [want])


def icmp_error(wire, link, frame, to, kind):
    """@frame takes the stack's way, and an error comes back to @to; returns that."""
    with wire.bypassing(0):
        wire.send(link, frame)
        where, got = wire.receive()
        read = error_read(unpadded(got))
        check(read, f"not an ICMP error: {payload(got).summary()}")
        equal((where, payload(got).dst, read[0]), (*to, kind), "link, destination, type and code")
        wire.quiet()
    return payload(got)


def elsewhere(say, link, change):
    """What @say says, but where it comes out is @link, and the frame as @change has it."""
    def said(**kw):
        came, frame, (_, out) = say(**kw)
        return came, frame, (link, change(payload(out))[1])
    return said


def input_device(wire):
    talk = Snat(wire, "udp").open()

    def by_alt(**kw):
        _, frame, want = talk.ask(**kw)
        return "alt", from_alt(payload(frame)), want
    slow_then_fast(wire, by_alt)
    slow_then_fast(wire, talk.ask)
    for side in (by_alt, talk.ask, by_alt, talk.ask):
        link, frame, want = side(data=b"to and fro")
        slow(wire, link, frame, [want])


def route_replaced(wire, kind, proto):
    talk = kind(wire, proto).open()
    with state(wire, f"route replace {at.remote_net} via {at.alt_n2}", f"route replace {at.remote_net} via {at.n2}"):
        slow_then_fast(wire, elsewhere(talk.ask, "alt", to_alt))
    slow_then_fast(wire, talk.ask)


def route_back_replaced(wire, kind, proto):
    talk = kind(wire, proto).open()
    with state(wire, f"route replace default via {at.alt_router}", f"route replace default via {at.router}"):
        slow_then_fast(wire, elsewhere(talk.answer, "alt", lambda p: to_alt(p, "r1")))
    slow_then_fast(wire, talk.answer)


def route_added(wire):
    """One that is more specific."""
    talk = Snat(wire, "udp").open()
    with state(wire, f"route add {at.remote} via {at.alt_n2}", f"route del {at.remote}"):
        slow_then_fast(wire, elsewhere(talk.ask, "alt", to_alt))
    slow_then_fast(wire, talk.ask)


def rule_added(wire):
    """Policy routing that says otherwise."""
    talk = Snat(wire, "udp").open()
    with state(wire, (f"route add default via {at.alt_n2} table 7", f"rule add to {at.remote} lookup 7"),
               (f"rule del to {at.remote} lookup 7", "route flush table 7")):
        slow_then_fast(wire, elsewhere(talk.ask, "alt", to_alt))
    slow_then_fast(wire, talk.ask)


def route_deleted(wire):
    """The next packet goes by what route is left: it can't go the old way."""
    talk = Snat(wire, "udp").open()
    with state(wire, f"route del {at.remote_net}", f"route add {at.remote_net} via {at.n2}"):
        slow_then_fast(wire, elsewhere(talk.ask, "lan", to_router))
    slow_then_fast(wire, talk.ask)


def unreachable(wire):
    talk = Snat(wire, "udp").open()
    with state(wire, f"route add unreachable {at.remote}", f"route del unreachable {at.remote}"):
        for n in range(2):
            icmp_error(wire, *talk.ask(data=b"%d" % n)[:2], ("lan", at.client), at.no_route)
    slow_then_fast(wire, talk.ask)


class Neighbours:
    """What the node asks for on @link, and answers to it."""

    def __init__(self, link):
        kind = _ETH_ARP if at.family is V4 else at.ethertype
        self._socket = ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        self._socket.bind((link, kind))
        self._socket.settimeout(5)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._socket.close()

    def asked(self, address):
        """Waits until the node asks who has @address."""
        while True:
            try:
                frame = Ether(self._socket.recv(2048))
            except TimeoutError:
                raise Failure(f"nobody asked for {address}") from None
            if (ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == address) or \
                    (ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == address):
                return

    def tell(self, address, mac):
        if at.family is V4:
            told = ARP(op=2, hwsrc=MAC[mac], psrc=address, hwdst=MAC["n1"], pdst=at.n1)
        else:
            told = at.ip(src=address, dst=at.n1, ttl=255) / ICMPv6ND_NA(tgt=address, R=0, S=1, O=1) / \
                ICMPv6NDOptDstLLAddr(lladdr=MAC[mac])
        self._socket.send(bytes(Ether(src=MAC[mac], dst=MAC["n1"]) / told))


def known(mac="n2"):
    """As long as a test has not got another one, the neighbours are known for good."""
    return f"neigh replace {at.n2} lladdr {MAC[mac]} dev lan0 nud permanent"


def neighbour_gone(wire):
    """It is asked for anew, and the packet waits: it does not go to where it was."""
    talk = Snat(wire, "udp").open()
    with Neighbours("lan") as neighbours, state(wire, f"neigh del {at.n2} dev lan0", known()):
        link, frame, want = talk.ask(data=b"waits")
        with wire.bypassing(0):
            wire.expect(link, frame)
            neighbours.asked(at.n2)
            neighbours.tell(at.n2, "nobody")
            to_new = elsewhere(lambda **kw: (link, frame, want), "lan", to_nobody)
            wire.arrives(to_new()[2], frame)
            wire.quiet()
        for n in range(2):
            link, frame, want = elsewhere(talk.ask, "lan", to_nobody)(data=b"%d" % n)
            fast(wire, link, frame, [want])


def to_nobody(packet):
    return "lan", Ether(src=MAC["n1"], dst=MAC["nobody"], type=at.ethertype) / packet


def neighbour_silent(wire):
    """Nobody answers for it: the client is told."""
    talk = DsrOut(wire, "tcp").open()
    with wire.neigh("lan0", mcast_solicit=1, retrans_time_ms=20), Neighbours("lan") as neighbours, \
            state(wire, f"neigh del {at.n2} dev lan0", known()):
        with wire.bypassing(0):
            link, frame, _ = talk.ask(data=b"lost")
            wire.send(link, frame)
            neighbours.asked(at.n2)
            _, got = wire.receive()
            equal((payload(got).dst, error_read(unpadded(got))[0]), (at.client, at.unreachable), "the error")
    link, frame, want = talk.ask(data=b"there again")
    fast(wire, link, frame, [want])


def neighbour_moved(wire):
    """Its new address is taken with the next packet, and that is no reason to fall back."""
    talk = Snat(wire, "udp").open()
    with state(wire, known("nobody"), known()):
        link, frame, want = elsewhere(talk.ask, "lan", to_nobody)(data=b"moved")
        fast(wire, link, frame, [want])
    link, frame, want = talk.ask(data=b"back")
    fast(wire, link, frame, [want])


@contextlib.contextmanager
def tmp_device(wire):
    """One more link."""
    wire.link("tmp", MAC["alt"], "tmp")
    try:
        yield
    finally:
        wire.unlink("tmp")
        if "tmp0" in ns.links(NODE):        # else the test has deleted it
            wire.ip("link del tmp0")


def tmp_route(wire):
    """The remote backend is behind that one."""
    wire.running()
    wire.ip(f"neigh replace {at.tmp_n2} lladdr {MAC['alt-n2']} dev tmp0 nud permanent")
    wire.ip(f"route replace {at.remote} via {at.tmp_n2}")


def device_down(wire):
    talk = Snat(wire, "udp").open()
    with tmp_device(wire):
        for _ in range(2):
            tmp_route(wire)
            slow_then_fast(wire, elsewhere(talk.ask, "tmp", to_alt))
            wire.ip("link set tmp0 down")
            wire.running(NODE)
            slow_then_fast(wire, talk.ask)
            wire.ip("link set tmp0 up")


def device_deleted(wire):
    """Nothing of bypass keeps it: the kernel's log is watched for who waits for it, too."""
    talks = [Snat(wire, proto).open() for proto in ("udp", "tcp")]
    with tmp_device(wire):
        tmp_route(wire)
        for talk in talks:
            slow_then_fast(wire, elsewhere(talk.ask, "tmp", to_alt))
        wire.ip("link del tmp0")        # ends when nobody holds it any more; see Wire.ip()
        for talk in talks:
            slow_then_fast(wire, talk.ask)


def mtu(wire, change, restore, word="mtu"):
    """DF (as all of IPv6): its sender is told what fits. Without, fragments."""
    narrow = 1300   # a device with less than 1280 has no IPv6
    talks = [Local(wire, "udp").open(), Local(wire, "tcp").open()]
    with state(wire, f"{change} {word} {narrow}", restore):
        for talk in talks:
            link, frame, _ = talk.ask(data=b"d" * 1400, df=True)
            equal(at.mtu(icmp_error(wire, link, frame, ("lan", at.client), at.too_big)), narrow, "MTU told")
            link, frame, (where, whole) = talk.ask(data=b"f" * 1400)
            if at.family is V4:
                with wire.bypassing(0):
                    wire.expect(link, frame, *((where, piece) for piece in framed(whole, narrow)))
            fast_again(wire, lambda talk=talk, **kw: talk.ask(df=True, **kw))
            edge = narrow - at.head - (8 if talk.proto == "udp" else 32)
            fast(wire, *[*talk.ask(data=b"e" * edge, df=True)[:2], [talk.ask(data=b"e" * edge, df=True)[2]]])
            icmp_error(wire, *talk.ask(data=b"e" * (edge + 1), df=True)[:2], ("lan", at.client), at.too_big)
    for talk in talks:
        fast_again(wire, lambda talk=talk, **kw: talk.ask(**{**kw, "data": b"d" * 1400, "df": True}))


def framed(frame, size):
    """What the stack makes of a frame that is too large for it."""
    for piece in pieces(payload(frame), size):
        yield Ether(bytes(frame)[:14]) / piece


def note_fits(wire):
    """The note needs room too: what has just enough takes bypass."""
    talk = DsrOut(wire, "udp").open()
    most = 1500 - at.head - 8 - at.note_len
    link, frame, want = talk.ask(data=b"f" * most, df=True)
    fast(wire, link, frame, [want])
    for more in (1, 8):
        link, frame, _ = talk.ask(data=b"f" * (most + more), df=True)
        equal(at.mtu(icmp_error(wire, link, frame, ("lan", at.client), at.too_big)), 1500 - at.note_len, "MTU told")


def options(wire):
    """Or an extension header."""
    talk = Snat(wire, "udp").open()
    link, frame, (where, out) = talk.ask(data=b"options")
    slow(wire, link, from_router(at.unusual(payload(frame))), [to_node(at.unusual(payload(out)))])
    link, frame, want = talk.ask(data=b"no options")
    fast(wire, link, frame, [want])


def fragments(wire):
    """A datagram leaves in the pieces that it came in: a link beyond may need them small."""
    talk = Snat(wire, "udp").open()
    link, frame, want = talk.ask(data=bytes(range(256)) * 11)
    with wire.bypassing(0):
        for piece in framed(frame, 1300):
            wire.send(link, piece)
        wire.arrives_in_pieces(want, 1300, frame)
    link, frame, want = talk.ask(data=b"whole")
    fast(wire, link, frame, [want])


def ttl(wire, kind, side):
    """The last hop of a packet: its sender is told, unless nobody can be."""
    talk = kind(wire, "udp").open()
    say = getattr(talk, side)
    to = {"ask": ("lan", at.client), "answer": ("pod", at.pod)}[side]
    for left in (1, 1):
        link, frame, _ = say(data=b"last hop", ttl=left)
        icmp_error(wire, link, frame, to, at.expired)
    link, frame, want = say(data=b"one more", ttl=2)
    fast(wire, link, frame, [want])


def closing(wire, kind, flags, becomes):
    """The stack sees the end of a connection, from its first packet on."""
    talk = kind(wire, "tcp").open()
    link, frame, want = talk.ask(flags=flags)
    slow(wire, link, frame, [want])
    flow = talk.flow()
    equal((flow["state"], flow["bypass"]), (becomes, "none"), "state and bypass of the flow")
    for _ in range(2):
        for side in ([talk.ask, talk.answer] if talk.both else [talk.ask]):
            link, frame, want = side(flags="A")
            slow(wire, link, frame, [want])


def syn_again(wire):
    """An old SYN of a connection that is open."""
    talk = Snat(wire, "tcp").open()
    link, frame, want = talk.ask(flags="S")
    slow(wire, link, frame, [want])
    equal(talk.flow()["state"], "tcp-established", "state")
    link, frame, want = talk.ask(data=b"goes on")
    fast(wire, link, frame, [want])


def policy(wire, direction):
    """A policy that forbids what is forwarded."""
    talk = Snat(wire, "udp").open()
    what = f"src {at.client} dst {at.remote} dir {direction}"
    with state(wire, f"xfrm policy add {what} action block", f"xfrm policy del {what}"):
        for n in range(2):
            link, frame, _ = talk.ask(data=b"%d" % n)
            slow(wire, link, frame, [])
    slow_then_fast(wire, talk.ask)


def tunnel(wire):
    """A policy that encrypts what is forwarded: it must not leave in clear."""
    talk = Snat(wire, "udp").open()
    what = f"src {at.client} dst {at.remote} dir out"
    sa = f"src {at.n1} dst {at.n2} proto esp spi 0x100"
    with state(wire, (f"xfrm state add {sa} mode tunnel enc cbc(aes) 0x{'11' * 16} "
                      f"auth-trunc hmac(sha256) 0x{'22' * 32} 128",
                      f"xfrm policy add {what} tmpl src {at.n1} dst {at.n2} proto esp mode tunnel"),
               (f"xfrm policy del {what}", f"xfrm state del {sa}")):
        for n in range(3):
            link, frame, _ = talk.ask(data=b"in clear?")
            with wire.bypassing(0):
                wire.send(link, frame)
                where, got = wire.receive()
                packet = payload(got)
                kind = packet.proto if at.family is V4 else packet.nh
                equal((where, packet.src, packet.dst, kind), ("lan", at.n1, at.n2, _ESP), "the tunnel's packet")
                check(b"in clear?" not in got, f"packet {n} can be read")
                wire.quiet()
    slow_then_fast(wire, talk.ask)


def forwarding_off(wire):
    talks = [Snat(wire, "udp").open(), Local(wire, "tcp").open()]
    forwarding = "ip_forward" if at.family is V4 else "conf/all/forwarding"
    sides = [talk.ask for talk in talks] + [talk.answer for talk in talks]
    wire.sysctl(**{forwarding: 0})
    try:
        for say in sides:
            link, frame, _ = say(data=b"nowhere")
            with wire.bypassing(0):
                wire.send(link, frame)
                wire.nothing_but_errors()
    finally:
        wire.sysctl(**{forwarding: 1})
        ns.sysctl(NODE, {"ipv4/conf/all/send_redirects": 0})
    for say in sides:
        fast_again(wire, say)


def switched_off(wire, off, on):
    talks = [Snat(wire, "udp").open(), Snat(wire, "tcp").open()]
    wire.lbadm(*off.split())
    try:
        for talk in talks[:1] if "dns" in off else talks:
            for n in range(2):
                for side in (talk.ask, talk.answer):
                    link, frame, want = side(data=b"%d" % n)
                    slow(wire, link, frame, [want])
        if "dns" in off:        # the other service has it still
            link, frame, want = talks[1].ask(data=b"web")
            fast(wire, link, frame, [want])
            new = Snat(wire, "udp")
            with wire.bypassing(0):
                for n in range(3):
                    new.say(new.ask, new.answer, data=b"%d" % n)
            equal(new.flow()["bypass"], "none", "bypass of a new flow")
    finally:
        wire.lbadm(*on.split())
    for talk in talks:
        for side in (talk.ask, talk.answer):
            fast_again(wire, side)


def backend_removed(wire, proto):
    """A connection goes on as it was; a datagram goes to who is left."""
    service, port = {"tcp": ("web", "8080"), "udp": ("dns", "5353")}[proto]
    talk = Snat(wire, proto).open()
    wire.lbadm("backend", "add", service, end(at.remote2, port), "node", at.n2)
    wire.lbadm("backend", "del", service, end(at.remote, port))
    try:
        if proto == "tcp":
            link, frame, want = talk.ask(data=b"goes on")
            fast(wire, link, frame, [want])
        else:
            slow_then_fast(wire, elsewhere(talk.ask, "lan", to_other_backend))
    finally:
        wire.lbadm("apply", "/tmp/packet.conf")


def to_other_backend(packet):
    packet = changed(packet, dst=at.remote2, hops=0)
    return to_node(packet)


def flushed(wire, proto):
    talk = Snat(wire, proto).open()
    wire.lbadm("flow", "flush")
    equal(talk.flow(), None, "flow after the flush")
    for side in (talk.ask, talk.answer, talk.ask, talk.answer):
        talk.say(side, data=b"taken up again")
    for side in (talk.ask, talk.answer):
        link, frame, want = side(data=b"bypass again")
        fast(wire, link, frame, [want])


TESTS = [
    ("input device changed", input_device),
    *((f"route replaced, {name}", lambda wire, kind=kind, proto=proto: route_replaced(wire, kind, proto))
      for name, kind, proto in (("snat udp", Snat, "udp"), ("snat tcp", Snat, "tcp"),
                                ("dsr udp", DsrOut, "udp"), ("dsr tcp", DsrOut, "tcp"))),
    *((f"route back replaced, {name}", lambda wire, kind=kind, proto=proto: route_back_replaced(wire, kind, proto))
      for name, kind, proto in (("snat udp", Snat, "udp"), ("local tcp", Local, "tcp"),
                                ("a backend's node", DsrIn, "tcp"))),
    ("more specific route added", route_added),
    ("routing rule added", rule_added),
    ("route deleted", route_deleted),
    ("route is unreachable", unreachable),
    ("neighbour gone", neighbour_gone),
    ("neighbour gone and silent", neighbour_silent),
    ("neighbour has another address", neighbour_moved),
    ("output device down", device_down),
    ("output device deleted", device_deleted),
    ("MTU of the device", lambda wire: mtu(wire, "link set pod0", "link set pod0 mtu 1500")),
    # what IPv6 forwards minds a route's MTU only if that is locked
    ("MTU of the route", lambda wire: mtu(wire, f"route replace {at.pod} dev pod0 src {at.n1}",
                                          f"route replace {at.pod} dev pod0 src {at.n1}",
                                          "mtu" if at.family is V4 else "mtu lock")),
    ("too large with the note", note_fits),
    ("IP options or an extension header", options),
    ("fragments", fragments),
    *((f"TTL 1, {name}", lambda wire, kind=kind, side=side: ttl(wire, kind, side))
      for name, kind, side in (("snat", Snat, "ask"), ("dsr", DsrOut, "ask"), ("local", Local, "ask"),
                               ("a backend's node", DsrIn, "answer"))),
    *((f"{flags} ends it, {name}",
       lambda wire, kind=kind, flags=flags, becomes=becomes: closing(wire, kind, flags, becomes))
      for name, kind in (("snat", Snat), ("dsr", DsrOut), ("a backend's node", DsrIn))
      for flags, becomes in (("FA", "tcp-fin"), ("R", "tcp-closed"))),
    ("a SYN again", syn_again),
    ("xfrm policy blocks, out", lambda wire: policy(wire, "out")),
    ("xfrm policy blocks, fwd", lambda wire: policy(wire, "fwd")),
    ("xfrm policy encrypts", tunnel),
    ("forwarding switched off", forwarding_off),
    ("bypass off", lambda wire: switched_off(wire, "set bypass off", "set bypass on")),
    ("bypass off for a service",
     lambda wire: switched_off(wire, "service set dns bypass off", "service set dns bypass on")),
    ("backend removed, tcp", lambda wire: backend_removed(wire, "tcp")),
    ("backend removed, udp", lambda wire: backend_removed(wire, "udp")),
    ("flows flushed, udp", lambda wire: flushed(wire, "udp")),
    ("flows flushed, tcp", lambda wire: flushed(wire, "tcp")),
]
TESTS = [(f"fall back: {name}", f) for name, f in TESTS]
