# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the sending side, by other dispatches than an option: in Geneve, in IP, and to the backend's MAC."""
import ipaddress
import struct

from bypass import offloads, segments, unfinished
from dispatch import tcp, udp
from fallback import tmp_device
from family import V4, V6, at, changed, end, error, error_read, icmp_is_right, payload, piece_read, unpadded
from net.ktap import check, equal
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from talk import TIMES
from wire import MAC, differences, from_router, to_node

# Servers without bpflb, at the service's own port, and a service on a node that is known by its IPv4 address.
PLAIN = "".join(f"service add plain-{name} {name} {end(V4.vip, port)} {end(V6.vip, port)}\n"
                f"backend add plain-{name} {end(V4.server, port)}\nbackend add plain-{name} {end(V6.server, port)}\n"
                for name, port in (("tcp", 90), ("udp", 91)))
MIXED = (f"service add mixed tcp {end(V6.vip, 92)}\n"
         f"backend add mixed {end(V6.remote, 8080)} node {V4.n2}\n")
# What the other implementation's own test packets have, for 203.0.113.10 port 80 and its twin: header and option
REFERENCE = {4: "03006558000002" "00" "014b8102" "cb00710a" "0050" "0000",
             6: "06006558000002" "00" "014b8105" "20010db8000f00000000000000000010" "0050" "0000"}
FRAME = bytes.fromhex("02627066" "6c01" "02627066" "6c00")


def geneve_header(note=None, version=None):
    """@note: packed address and port."""
    version = version or at.version
    option = b""
    if note:
        option = struct.pack("!HBB", 0x014b, 0x81, 2 if version == 4 else 5) + note[0] + struct.pack("!HH", note[1], 0)
    return struct.pack("!BBHI", len(option) // 4, 0, 0x6558, 2 << 8) + option


def packed(address):
    return ipaddress.ip_address(address).packed


def inside(packet, how, note=None):
    """What the outer header of @how carries: geneve or ipip."""
    raw = bytes(packet)
    if how == "ipip":
        return raw
    version = raw[0] >> 4
    return geneve_header(note, version) + FRAME + (b"\x08\0" if version == 4 else b"\x86\xdd") + raw


def wrapped(packet, how, src, dst, note=None, vary=0, whole=True, tos=0):
    """@packet in a tunnel from @src to @dst. @vary: Geneve's source port and IPv6's flow label."""
    data = inside(packet, how, note)
    sport, label = vary if vary else (0, 0)
    if how == "geneve":
        data = struct.pack("!HHHH", sport, 6081, 8 + len(data), 0) + data
    if ":" in dst:
        proto = 17 if how == "geneve" else 41
        return bytes(IPv6(src=src, dst=dst, hlim=64, fl=label, tc=tos, nh=proto, plen=len(data))) + data
    proto = 17 if how == "geneve" else 4
    return bytes(IP(src=src, dst=dst, ttl=64, id=0, tos=tos, flags="DF" if whole else 0, proto=proto,
                    len=20 + len(data)) / Raw(data))


def variable(raw):
    """(source port, flow label) of a tunnel's packet."""
    head, label = (40, int.from_bytes(raw[1:4], "big") & 0xfffff) if raw[0] >> 4 == 6 else (20, 0)
    return int.from_bytes(raw[head:head + 2], "big"), label


def arrives(wire, sent, packet, how, src=None, dst=None, note=None, mac="n2", tos=0):
    """The next frame is @packet in a tunnel; what may vary by flow is returned."""
    link, frame = wire.receive()
    raw = unpadded(frame)
    vary = variable(raw)
    right = wrapped(packet, how, src or at.n1, dst or at.n2, note, vary, tos=tos)
    want = bytes(Ether(src=MAC["n1"], dst=MAC[mac], type=int.from_bytes(frame[12:14], "big"))) + right
    check((link, frame[:14] + raw) == ("lan", want), "the packet differs",
          lambda: differences(sent, link, frame[:14] + raw, "lan", want))
    check(how != "geneve" or vary[0] >= 49152, f"source port {vary[0]}")
    return vary


def expect(wire, frame, packet, how, **kw):
    wire.send("lan", frame)
    vary = arrives(wire, frame, packet, how, **kw)
    wire.quiet()
    return vary


def configure(wire, how, *settings):
    """For new flows: what a test before has left goes another way."""
    wire.lbadm("flow", "flush")
    wire.set("dsr", f"dispatch {how}", *settings)
    wire.lbadm("apply", "-", config="".join(f"set {s}\n" for s in ("mode dsr", f"dispatch {how}", *settings)) +
               wire.config + PLAIN + MIXED)


def reference(_wire):
    equal(geneve_header((packed(at.vip), 80)).hex(), REFERENCE[at.version], "Geneve header of the service's note")


def geneve_tcp(wire):
    """The note is on the SYN only; the tunnel is around each packet, the same for the flow."""
    configure(wire, "geneve")
    first = tcp(41001, "S")
    note = packed(at.vip), 80
    vary = {expect(wire, from_router(first), changed(first, dst=at.remote, dport=8080), "geneve", note=note, tos=0x10)
            for _ in range(2)}
    for later in (tcp(41001, "A", ack=1), tcp(41001, "PA", data=b"odd", ack=1), tcp(41001, "FA", ack=1)):
        vary.add(expect(wire, from_router(later), changed(later, dst=at.remote, dport=8080), "geneve", tos=0x10))
    equal(len(vary), 1, "source ports and flow labels of the flow")
    equal(wire.flow(at.client, 41001)["dispatch"], "geneve", "what lbadm tells")


def geneve_udp(wire):
    configure(wire, "geneve")
    for data in (b"", b"first", b"second one"):
        packet = udp(41002, data)
        expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=5353), "geneve",
               note=(packed(at.vip), 53))
    packet = udp(41003, b"unsummed", chksum=0)
    expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=5353), "geneve", note=(packed(at.vip), 53))


def geneve_node_port(wire):
    configure(wire, "geneve")
    packet = tcp(41004, "S", dst=at.n1, dport=30080)
    expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), "geneve",
           note=(packed(at.n1), 30080), tos=0x10)


def geneve_mid_life(wire):
    configure(wire, "geneve")
    for packet in (tcp(41005, "A", ack=1), tcp(41005, "PA", data=b"abc", ack=1)):
        expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), "geneve",
               note=(packed(at.vip), 80), tos=0x10)


def geneve_mixed(wire):
    """IPv6 in IPv4, as where nodes have only that."""
    configure(wire, "geneve")
    for n, packet in enumerate((tcp(41006, "S", dport=92), tcp(41006, "A", dport=92, ack=1))):
        expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), "geneve", src=V4.n1, dst=V4.n2,
               note=None if n else (packed(at.vip), 92), tos=0x10)


def ipip_node(wire):
    """To a backend of a node: the client's packet as it is, but for its TTL."""
    configure(wire, "ipip")
    for packet in (tcp(41010, "S"), tcp(41010, "A", ack=1), tcp(41010, "PA", data=b"odd", ack=1)):
        expect(wire, from_router(packet), changed(packet), "ipip", dst=at.remote, tos=0x10)
    packet = udp(41011, b"datagram")
    expect(wire, from_router(packet), changed(packet), "ipip", dst=at.remote)


def ipip_plain(wire):
    configure(wire, "ipip")
    for packet in (tcp(41012, "S", dport=90), tcp(41012, "A", dport=90, ack=1)):
        expect(wire, from_router(packet), changed(packet), "ipip", dst=at.server, mac="server", tos=0x10)


def ipip_sources(wire):
    """From a prefix, so that receivers can spread flows: one address for each."""
    prefixes = {4: "10.99.0.0/16", 6: "fd99::/112"}
    configure(wire, "ipip", f"ipip-source {prefixes[4]},{prefixes[6]}")
    seen = {}
    for port in range(41020, 41030):
        for packet in (tcp(port, "S"), tcp(port, "A", ack=1), tcp(port, "PA", data=b"more", ack=1)):
            wire.send("lan", from_router(packet))
            _, frame = wire.receive()
            src = payload(frame).src
            right = wrapped(changed(packet), "ipip", src, at.remote, vary=variable(unpadded(frame)), tos=0x10)
            equal(unpadded(frame).hex(), right.hex(), "the packet")
            wire.quiet()
            seen.setdefault(port, set()).add(src)
    check(all(len(sources) == 1 for sources in seen.values()), "one source for a flow", lambda: [str(seen)])
    sources = set.union(*seen.values())
    check(len(sources) > 5 and all(ipaddress.ip_address(a) in ipaddress.ip_network(prefixes[at.version])
                                   for a in sources), f"sources {sources}")


def l2(wire):
    """The client's packet as it is, to the server's MAC."""
    configure(wire, "l2")
    for packet in (tcp(41030, "S", dport=90), tcp(41030, "A", dport=90, ack=1), tcp(41030, "PA", dport=90, data=b"x"),
                   udp(41031, b"datagram", dport=91)):
        wire.expect("lan", from_router(packet), to_server(changed(packet)))
    # to a node it would be balanced again
    packet = tcp(41032, "S")
    wire.expect("lan", from_router(packet), to_node(at.noted(changed(packet, dst=at.remote, dport=8080), at.vip, 80)))


def l2_behind_a_router(wire):
    configure(wire, "l2")
    wire.lbadm("service", "add", "far", "tcp", end(at.vip, 95))
    wire.lbadm("backend", "add", "far", end(at.elsewhere, 95))
    wire.dropped("lan", from_router(tcp(41033, "S", dport=95)), "dispatch-route")


def plain_by_snat(wire):
    """What a server without bpflb would not understand goes by SNAT: a note, or another port."""
    for n, (how, port) in enumerate((("opt", 90), ("geneve", 90), ("ipip", 96), ("l2", 96))):
        configure(wire, how)
        wire.lbadm("service", "add", "other", "tcp", end(at.vip, 96))
        wire.lbadm("backend", "add", "other", end(at.server, 97))
        packet = tcp(21940 + n, "S", dport=port)
        wire.expect("lan", from_router(packet), to_server(
            changed(packet, src=at.n1, dst=at.server, dport=97 if port == 96 else 90)))


def of_a_service(wire):
    """A service's own dispatch holds."""
    configure(wire, "opt")
    wire.lbadm("service", "set", "web", "dispatch", "geneve")
    packet = tcp(41045, "S")
    expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), "geneve", note=(packed(at.vip), 80),
           tos=0x10)
    wire.lbadm("service", "set", "web", "dispatch", "default")
    packet = tcp(41046, "S")
    wire.expect("lan", from_router(packet), to_node(at.noted(changed(packet, dst=at.remote, dport=8080), at.vip, 80)))


def to_server(packet):
    return "lan", bytes(Ether(src=MAC["n1"], dst=MAC["server"], type=at.ethertype)) + bytes(packet)


def heads(how):
    """What a tunnel adds without and with a note."""
    outer = at.head
    if how == "ipip":
        return outer, outer
    return outer + 8 + 8 + 14, outer + 8 + 8 + 14 + (24 if at.version == 6 else 12)


def too_big(wire, how):
    """The client is told what fits: of a datagram with the note, of TCP without."""
    configure(wire, how)
    plain, noted = heads(how)
    wire.send("lan", from_router(tcp(41050, "S")))
    wire.receive()
    for proto, head, make in (
            ("tcp", plain, lambda n: tcp(41050, "A", data=b"t" * (n - at.head - 20), ack=1)),
            ("udp", noted, lambda n: udp(41051, b"u" * (n - at.head - 8), df=True))):
        most = 1500 - head
        fits = make(most)
        target = {"dst": at.remote, "dport": {"tcp": 8080, "udp": 5353}[proto]} if how == "geneve" else {}
        note = (packed(at.vip), 53) if proto == "udp" and how == "geneve" else None
        expect(wire, from_router(fits), changed(fits, **target), how, note=note,
               dst=None if how == "geneve" else at.remote, tos=0x10 if proto == "tcp" else 0)
        packet = make(most + 1)
        before = wire.drops().get("note-too-big", 0)
        wire.send("lan", from_router(packet))
        _, frame = wire.receive()
        got = payload(frame)
        kind, quoted = error_read(unpadded(frame))
        equal((got.src, got.dst, kind, at.mtu(got)), (at.n1, at.client, at.too_big, most), f"the error, {proto}")
        check(icmp_is_right(got), "checksum of the error")
        equal(quoted.hex(), bytes(packet)[:len(quoted)].hex(), "what the error quotes")
        wire.quiet()
        equal(wire.drops().get("note-too-big", 0), before + 1, "note-too-big")


def in_pieces(wire, how):
    """Without DF it is not lost: the tunnel is cut."""
    configure(wire, how)
    packet = udp(41055, b"b" * (1500 - 28))
    target = {"dst": at.remote, "dport": 5353} if how == "geneve" else {}
    wire.send("lan", from_router(packet))
    parts, more = {}, True
    while more:
        link, frame = wire.receive()
        check(len(unpadded(frame)) <= 1500, "too large a piece")
        head, where, more, parts[where], _ = piece_read(unpadded(frame))
    data = b"".join(parts[n] for n in sorted(parts))
    sport = int.from_bytes(data[:2], "big")
    right = wrapped(changed(packet, **target), how, at.n1, at.n2 if how == "geneve" else at.remote,
                    (packed(at.vip), 53) if how == "geneve" else None, (sport, 0), whole=False)
    head = head[:4] + b"\0\0" + head[6:]
    equal((link, head.hex()), ("lan", piece_read(right)[0].hex()), "link and header of the pieces")
    check(data == right[20:], "what they make up differs", lambda: [data.hex(), right[20:].hex()])
    wire.quiet()


def bypassed(wire, how):
    """The same bytes on either way."""
    configure(wire, how)
    kind = {"geneve": ({"dst": at.remote, "dport": 8080}, {}), "ipip": ({}, {"dst": at.remote})}[how]
    for bypass in ("on", "off"):
        wire.lbadm("set", "bypass", bypass)
        port = {"on": 41060, "off": 41061}[bypass]
        for flags in ("S", "A"):
            packet = tcp(port, flags, ack=0 if flags == "S" else 1)
            expect(wire, from_router(packet), changed(packet, **kind[0]), how, tos=0x10, **kind[1],
                   **({"note": (packed(at.vip), 80)} if how == "geneve" and flags == "S" else {}))
        packets = [tcp(port, "PA", data=data, ack=1) for data in (b"", b"x", b"odd length:", bytes(range(256)) * 5)]
        with wire.bypassing(len(packets) if bypass == "on" else 0):
            vary = {expect(wire, from_router(p), changed(p, **kind[0]), how, tos=0x10, **kind[1]) for p in packets}
        equal(len(vary), 1, "what varies")
        datagrams = [udp(port, data) for data in (b"first", b"second", b"third!")]
        target = {"dst": at.remote, "dport": 5353} if how == "geneve" else {}
        note = {"note": (packed(at.vip), 53)} if how == "geneve" else {}
        with wire.bypassing(2 if bypass == "on" else 0):
            for p in datagrams:
                expect(wire, from_router(p), changed(p, **target), how, **kind[1], **note)
    wire.lbadm("set", "bypass", "on")


def bypassed_l2(wire):
    configure(wire, "l2")
    for flags in ("S", "A"):
        packet = tcp(41065, flags, dport=90)
        wire.expect("lan", from_router(packet), to_server(changed(packet)))
    with wire.bypassing(3):
        for data in (b"", b"x", b"odd"):
            packet = tcp(41065, "PA", dport=90, data=data, ack=1)
            wire.expect("lan", from_router(packet), to_server(changed(packet)))


def super_packet(wire, how):
    """A large segment goes into the tunnel as one, and leaves in pieces that fit."""
    configure(wire, how)
    for flags in ("S", "A"):
        wire.send("lan", from_router(at.ip(src=at.client, dst=at.vip, df=True) / TCP(
            sport=41070, dport=80, flags=flags, options=TIMES)))
        wire.receive()
    size = 1500 - heads(how)[0] - at.head - 32
    packet = payload(from_router(at.ip(src=at.client, dst=at.vip, id=0x1234, df=True) / TCP(
        sport=41070, dport=80, flags="PA", window=29200, options=TIMES) / (bytes(range(256)) * 60)))
    target = {"dst": at.remote, "dport": 8080} if how == "geneve" else {}
    with offloads(), wire.bypassing(1):
        wire.send_unfinished("lan", *unfinished(packet, {4: 1, 6: 4}[at.version], size))
        for piece in segments(packet, size):
            _, frame = wire.receive()
            raw = unpadded(frame)
            right = wrapped(changed(piece, **target), how, at.n1, at.n2 if how == "geneve" else at.remote,
                            vary=variable(raw))
            if at.version == 4:     # of what has DF, nobody looks at the identification
                right = right[:4] + raw[4:6] + right[6:10] + raw[10:12] + right[12:]
                check(sum(struct.unpack("!10H", raw[:20])) % 0xffff == 0, "checksum of the outer header")
            equal(raw.hex(), right.hex(), "a segment")
        wire.quiet()


def unfinished_sum(wire, how):
    """A checksum that was left to the device is right when it leaves."""
    configure(wire, how)
    packet = udp(41075, b"left to the device")
    target = {"dst": at.remote, "dport": 5353} if how == "geneve" else {}
    for bypassed_too in (0, 1):
        with offloads(), wire.bypassing(bypassed_too):
            wire.send_unfinished("lan", *unfinished(packet))
            arrives(wire, packet, changed(packet, **target), how, dst=None if how == "geneve" else at.remote,
                    note=(packed(at.vip), 53) if how == "geneve" else None)
            wire.quiet()


def narrower_path(wire, how):
    """A router on the way says what fits: then the client is told, less the tunnel."""
    configure(wire, how)
    dst = at.n2 if how == "geneve" else at.remote
    target = {"dst": at.remote, "dport": 5353} if how == "geneve" else {}
    note = (packed(at.vip), 53) if how == "geneve" else None
    port = 41080
    packet = udp(port, b"p" * (1400 - at.head - 8), df=True)
    vary = expect(wire, from_router(packet), changed(packet, **target), how, dst=dst, note=note)
    quote = wrapped(changed(packet, **target), how, at.n1, dst, note, vary)
    wire.send("lan", from_router(error(at.middle, at.n1, quote[:548], at.too_big, at.word(1380))))
    try:
        for _ in range(2):
            wire.send("lan", from_router(packet))
            _, frame = wire.receive()
            got = payload(frame)
            kind, _quoted = error_read(unpadded(frame))
            equal((got.dst, kind, at.mtu(got)), (at.client, at.too_big, 1380 - heads(how)[1]), "the error")
            wire.quiet()
    finally:
        wire.ip("route flush cache")


def errors_for_servers(wire, how):
    """An ICMP error about what a server sent in the service's name gets to it as one about that."""
    configure(wire, how)
    ask = tcp(41085, "S", dport=90)
    wire.send("lan", from_router(ask))
    wire.receive()
    answer = at.ip(src=at.vip, dst=at.client, ttl=60) / TCP(sport=90, dport=41085, flags="A") / (b"d" * 1000)
    packet = error(at.middle, at.vip, bytes(answer)[:200], at.too_big, at.word(1300))
    wire.send("lan", from_router(packet))
    if how == "ipip":
        arrives(wire, packet, changed(packet), how, dst=at.server, mac="server")
    else:
        wire.arrives(to_server(changed(packet)), packet)
    wire.quiet()


def one_port_two_services(wire, how):
    """Two services have one backend, and a client asks both from one port: each packet tells which."""
    configure(wire, how)
    wire.lbadm("service", "add", "twin", "tcp", end(at.other_vip, 80))
    wire.lbadm("backend", "add", "twin", end(at.remote, 8080), "node", at.n2)
    for flags in ("S", "A"):
        for n, vip in enumerate((at.vip, at.other_vip)):
            packet = tcp(41090, flags, dst=vip)
            if how == "ipip":
                expect(wire, from_router(packet), changed(packet), how, dst=at.remote, tos=0x10)
            else:
                expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), how, tos=0x10,
                       note=(packed(vip), 80) if n or flags == "S" else None)


def by_note_beside(wire, how):
    """The same, and the second service is dispatched by an option: that is not in the first one's way."""
    configure(wire, "opt" if how == "snat" else how)
    wire.lbadm("service", "set", "web", "mode", "snat" if how == "snat" else "dsr")
    wire.lbadm("service", "add", "twin", "tcp", end(at.other_vip, 80), "dispatch", "opt")
    wire.lbadm("backend", "add", "twin", end(at.remote, 8080), "node", at.n2)
    for flags in ("S", "A"):
        packet = tcp(41091, flags)
        if how == "snat":
            wire.send("lan", from_router(packet))
            equal(payload(wire.receive()[1]).src, at.n1, "source of the first")
            wire.quiet()
        elif how == "ipip":
            expect(wire, from_router(packet), changed(packet), how, dst=at.remote, tos=0x10)
        else:
            expect(wire, from_router(packet), changed(packet, dst=at.remote, dport=8080), how, tos=0x10,
                   note=(packed(at.vip), 80) if flags == "S" else None)
        packet = tcp(41091, flags, dst=at.other_vip)
        wire.expect("lan", from_router(packet),
                    to_node(at.noted(changed(packet, dst=at.remote, dport=8080), at.other_vip, 80)))


def congestion(wire, how):
    """Marked already: the tunnel can be marked on its own (RFC 6040)."""
    configure(wire, how)
    target = {"dst": at.remote, "dport": 5353} if how == "geneve" else {}
    for tos, outer in ((0xb8, 0xb8), (0xb9, 0xb9), (0xba, 0xba), (0xbb, 0xba)):
        packet = at.ip(src=at.client, dst=at.vip, tos=tos) / UDP(sport=41095, dport=53) / b"ecn"
        expect(wire, from_router(packet), changed(packet, **target), how, tos=outer,
               dst=None if how == "geneve" else at.remote, note=(packed(at.vip), 53) if how == "geneve" else None)


def device_deleted(wire, how):
    """No flow keeps the device that it left by: the kernel's log is watched for who waits for it, too."""
    configure(wire, how)
    dst = {"l2": at.server, "ipip": at.remote, "geneve": at.n2}[how]
    port = 90 if how == "l2" else 80
    number = 41098

    def say(flags, link):
        wire.send("lan", from_router(tcp(number, flags, dport=port, ack=0 if flags == "S" else 1)))
        equal(wire.receive()[0], link, f"link that {flags} leaves by")
        wire.quiet()

    with tmp_device(wire):
        wire.running()
        wire.ip(f"neigh replace {dst} lladdr {MAC['alt-n2']} dev tmp0 nud permanent")
        wire.ip(f"route replace {dst}/{at.host} dev tmp0")
        say("S", "tmp")
        say("A", "tmp")
        with wire.bypassing(1):
            say("PA", "tmp")
        wire.ip("link del tmp0")
        say("PA", "lan")
        with wire.bypassing(1):
            say("PA", "lan")


def _both(name, f):
    return [(f"{how}: {name}", lambda wire, how=how: f(wire, how)) for how in ("geneve", "ipip")]


TESTS = [
    ("geneve: the note's bytes", reference),
    ("geneve: SYN, SYN again, and what follows", geneve_tcp),
    ("geneve: every datagram has the note", geneve_udp),
    ("geneve: node port", geneve_node_port),
    ("geneve: a connection met in mid-life", geneve_mid_life),
    ("ipip: to a node's backend", ipip_node),
    ("ipip: to a server without bpflb", ipip_plain),
    ("ipip: a source for each flow", ipip_sources),
    ("l2: to the server's MAC", l2),
    ("l2: not through a router", l2_behind_a_router),
    ("dispatch: servers without bpflb that would not understand", plain_by_snat),
    ("dispatch: of a service", of_a_service),
    *_both("too big", too_big),
    *_both("bypass", bypassed),
    ("l2: bypass", bypassed_l2),
    *_both("segmentation offload", super_packet),
    *_both("unfinished checksum", unfinished_sum),
    *_both("a path that is narrower", narrower_path),
    *[(f"{how}: ICMP errors for servers", lambda wire, how=how: errors_for_servers(wire, how))
      for how in ("ipip", "l2")],
    *_both("one client port, two services, one backend", one_port_two_services),
    *[(f"{how}: one client port, the second service by an option", lambda wire, how=how: by_note_beside(wire, how))
      for how in ("geneve", "ipip", "snat")],
    *_both("marked congestion", congestion),
]
TESTS += [(f"{how}: a device is deleted", lambda wire, how=how: device_deleted(wire, how))
          for how in ("geneve", "ipip", "l2")]
TESTS4 = _both("too big, without DF", in_pieces)
TESTS6 = [("geneve: IPv6 in IPv4", geneve_mixed)]
