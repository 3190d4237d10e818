# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the receiving side of its tunnels: whose are opened, and what is made of what is in them."""
import struct

from dispatch import OPTIONS, back
from family import V4, V6, at, changed, end, error, error_read, parsed, payload, pieces, unpadded, with_options
from net import ns
from net.ktap import check, equal
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from tunnel import inside, packed, wrapped
from wire import MAC, NODE, from_node, from_pod, to_pod, to_router

VARY = 55555, 0x12345


def tcp(sport, flags="S", data=b"", dst=None, dport=8080, **ip):
    return at.ip(src=at.client, dst=dst or at.pod, id=0x1234, df=True, ttl=62, **ip) / \
        TCP(sport=sport, dport=dport, flags=flags, seq=1000, options=OPTIONS if flags == "S" else []) / data


def udp(sport, data, dst=None, dport=5353, chksum=None):
    return at.ip(src=at.client, dst=dst or at.pod, id=0x4321, ttl=62) / \
        UDP(sport=sport, dport=dport, chksum=chksum) / data


def frame(packet, mac="n2"):
    """From another node, or whoever has this MAC; of the outer packet's family."""
    raw = bytes(packet)
    return bytes(Ether(src=MAC[mac], dst=MAC["n1"], type=0x86dd if raw[0] >> 4 == 6 else 0x0800)) + raw


def geneve(packet, port=None, address=None, src=None, dst=None, **kw):
    """@port: of the service that the note names; without one there is no note."""
    note = (packed(address or at.vip), port) if port else None
    return wrapped(packet, "geneve", src or at.n2, dst or at.n1, note, VARY, **kw)


def ipip(packet, src=None, dst=None, **kw):
    return wrapped(packet, "ipip", src or at.n2, dst or at.pod, None, VARY, **kw)


def answer(wire, sport, src=None, dport=81):
    reply = back(at.pod, 8080, sport)
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=src or at.vip, sport=dport)))


def fresh(wire, mode="dsr", *settings):
    wire.set(mode, *settings)
    wire.lbadm("flow", "flush")


def geneve_connection(wire, mode):
    """The SYN has a note, the rest has none; the mode is the sender's affair."""
    fresh(wire, mode)
    port = {"snat": 42001, "dsr": 42002}[mode]
    packet = tcp(port)
    for _ in range(2):
        wire.expect("lan", frame(geneve(packet, 81)), to_pod(changed(packet)))
        answer(wire, port)
    for later in (tcp(port, "A"), tcp(port, "PA", b"odd"), tcp(port, "FA")):
        wire.expect("lan", frame(geneve(later)), to_pod(changed(later)))
        answer(wire, port)


def geneve_bypass(wire):
    """What follows on an established connection takes bypass once it is out of the tunnel."""
    fresh(wire)
    packet = tcp(42003)
    wire.expect("lan", frame(geneve(packet, 81)), to_pod(changed(packet)))
    answer(wire, 42003)
    for n in range(3):
        later = tcp(42003, "A", b"x" * n)
        with wire.bypassing(min(n, 1)):
            wire.expect("lan", frame(geneve(later)), to_pod(changed(later)))


def geneve_datagrams(wire):
    fresh(wire)
    for packet in (udp(42004, b"one"), udp(42004, b"two!"), udp(42004, b"unsummed", chksum=0)):
        wire.expect("lan", frame(geneve(packet, 54)), to_pod(changed(packet)))
        reply = at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=42004) / b"reply"
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.vip, sport=54)))


def geneve_node_port(wire):
    fresh(wire)
    packet = tcp(42005)
    wire.expect("lan", frame(geneve(packet, 30081, at.n2)), to_pod(changed(packet)))
    answer(wire, 42005, src=at.n2, dport=30081)


def geneve_summed(wire):
    """An outer checksum may be there, and must be right then."""
    fresh(wire)
    for right in (True, False):
        packet = tcp(42006 + right)
        raw = bytearray(geneve(packet, 81))
        udp_at = at.head
        src, dst = packed(at.n2), packed(at.n1)
        raw[udp_at + 6:udp_at + 8] = b"\0\0"
        body = bytes(raw[udp_at:])
        total = sum(struct.unpack(f"!{(len(body) + 1) // 2}H", body + b"\0" * (len(body) % 2)))
        total += sum(struct.unpack(f"!{len(src + dst) // 2}H", src + dst)) + 17 + len(body)
        while total > 0xffff:
            total = (total & 0xffff) + (total >> 16)
        value = (~total & 0xffff) or 0xffff
        raw[udp_at + 6:udp_at + 8] = struct.pack("!H", value if right else value ^ 0x0101)
        wire.send("lan", frame(bytes(raw)))
        if right:
            wire.arrives(to_pod(changed(packet)), raw)
            wire.quiet()
        else:
            wire.nothing_but_errors()


def geneve_unsummed(wire):
    """A receiver that counts no outer checksum as a right one (GRO) has not looked at what is inside."""
    fresh(wire)
    raw = bytearray(bytes(tcp(42008)))
    raw[-1] ^= 1
    ns.features(NODE, "lan0", "gro on")
    try:
        with wire.believed("pod") as believed:
            wire.expect("lan", frame(geneve(bytes(raw), 81)), to_pod(changed(bytes(raw))))
            check(not believed(), "the backend takes a wrong checksum for right")
    finally:
        ns.features(NODE, "lan0", "gro off")


def geneve_mixed(wire):
    """IPv6 in IPv4: it comes in a second time, as a packet of its own."""
    fresh(wire)
    packet = tcp(42008)
    wire.send("lan", frame(geneve(packet, 81, src=V4.n2, dst=V4.n1)))
    wire.arrives(to_pod(changed(packet)), packet)
    wire.quiet()
    answer(wire, 42008)
    later = tcp(42008, "A", b"more")
    wire.send("lan", frame(geneve(later, src=V4.n2, dst=V4.n1)))
    wire.arrives(to_pod(changed(later)), later)
    wire.quiet()
    packet = udp(42009, b"datagram")
    for _ in range(2):
        wire.send("lan", frame(geneve(packet, 54, src=V4.n2, dst=V4.n1)))
        wire.arrives(to_pod(changed(packet)), packet)
        wire.quiet()


def geneve_other_options(wire):
    """Options of others, before ours and behind it; but not critical ones."""
    fresh(wire)
    for n, (before, behind) in enumerate((("01020001" "aabbccdd", ""), ("", "01020001" "aabbccdd"),
                                          ("01020000", "0102001f" + "00" * 124))):
        packet = tcp(42010 + n)
        raw = inside(packet, "geneve", (packed(at.vip), 81))
        size = 12 if at.version == 4 else 24
        options = bytes.fromhex(before) + raw[8:8 + size] + bytes.fromhex(behind)
        data = bytes([len(options) // 4]) + raw[1:8] + options + raw[8 + size:]
        outer = geneve(packet, 81)
        whole = wrapped_again(outer, data)
        wire.expect("lan", frame(whole), to_pod(changed(packet)))
    packet = tcp(42014)
    raw = inside(packet, "geneve", (packed(at.vip), 81))
    size = 12 if at.version == 4 else 24
    options = bytes.fromhex("01028000") + raw[8:8 + size]
    data = bytes([len(options) // 4]) + raw[1:8] + options + raw[8 + size:]
    wire.send("lan", frame(wrapped_again(geneve(packet, 81), data)))
    wire.nothing_but_errors()


def wrapped_again(outer, data):
    """@outer's headers around another Geneve packet's bytes."""
    head = bytearray(outer[:at.head])
    datagram = struct.pack("!HHHH", VARY[0], 6081, 8 + len(data), 0) + data
    if at.version == 6:
        head[4:6] = len(datagram).to_bytes(2, "big")
        return bytes(head) + datagram
    p = IP(bytes(head))
    p.len, p.chksum = 20 + len(datagram), None
    return bytes(p)[:20] + datagram


def strangers(wire):
    """Nobody but a node is believed, and no note for what has no backend here."""
    fresh(wire)
    for n, kw in enumerate(({"src": at.router}, {"src": at.client})):
        wire.dropped("lan", frame(geneve(tcp(42020 + n), 81, **kw)), "note-sender")
    for n, (address, port) in enumerate(((at.other_vip, 81), (at.vip, 9999), (at.vip, 80), (at.vip, 54),
                                         (at.client, 81), (at.loopback, 30081))):
        wire.dropped("lan", frame(geneve(tcp(42030 + n), port, address)), "note-service")
    packet = tcp(42040)
    wire.dropped("lan", frame(ipip(tcp(42041, dst=at.vip, dport=81), src=at.client)), "note-sender")
    # what it may have for a MAC is of no matter: the outer source tells
    wire.expect("lan", frame(geneve(packet, 81), "r0"), to_pod(changed(packet)))


def stripped(wire):
    """Where that is set what is refused goes on without its tunnel."""
    fresh(wire, "dsr", "refused-notes strip")
    before = wire.stats()["notes_removed"]
    packet = tcp(42045)
    wire.expect("lan", frame(geneve(packet, 9999)), to_pod(changed(packet)))
    reply = back(at.pod, 8080, 42045)
    wire.expect("pod", from_pod(reply), to_router(changed(reply)))
    equal(wire.stats()["notes_removed"] - before, 1, "notes removed")


def none_of_ours(wire):
    """Without a note, and of no flow, it is for whoever else listens: nobody, who says so (of IPv6 only if it
    had a checksum)."""
    fresh(wire)
    drops = wire.drops()
    wire.send("lan", frame(geneve(tcp(42050, "A"))))
    if at.version == 4:
        _, got = wire.receive()
        kind, _ = error_read(unpadded(got))
        equal((payload(got).src, payload(got).dst, kind), (at.n1, at.n2, at.closed), "the answer")
    wire.quiet()
    wire.send("lan", frame(ipip(tcp(42051, dst=at.elsewhere))))
    wire.nothing_but_errors()
    equal(wire.drops(), drops, "drops")


def ipip_connection(wire):
    """Each packet names its service itself."""
    fresh(wire)
    first = tcp(42060, dst=at.vip, dport=81)
    for packet in (first, first, tcp(42060, "A", dst=at.vip, dport=81), tcp(42060, "PA", b"odd", dst=at.vip, dport=81)):
        wire.expect("lan", frame(ipip(packet)), to_pod(changed(packet, dst=at.pod, dport=8080)))
        answer(wire, 42060)
    with wire.bypassing(1):
        packet = tcp(42060, "PA", b"again", dst=at.vip, dport=81)
        wire.expect("lan", frame(ipip(packet)), to_pod(changed(packet, dst=at.pod, dport=8080)))


def ipip_datagrams(wire):
    fresh(wire)
    for packet in (udp(42061, b"one", at.vip, 54), udp(42061, b"two", at.vip, 54)):
        wire.expect("lan", frame(ipip(packet)), to_pod(changed(packet, dst=at.pod, dport=5353)))
        reply = at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=42061) / b"reply"
        wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.vip, sport=54)))


def ipip_prefix(wire):
    """Sources of the prefix that nodes have for it are nodes'."""
    prefixes = "10.99.0.0/16,fd99::/64"
    fresh(wire, "dsr", f"ipip-source {prefixes}")
    source = {4: "10.99.1.2", 6: "fd99::1:2"}[at.version]
    packet = tcp(42065, dst=at.vip, dport=81)
    wire.expect("lan", frame(ipip(packet, src=source)), to_pod(changed(packet, dst=at.pod, dport=8080)))


def ipip_error(wire):
    """An ICMP error for the service, sent on by the balancer, gets to the backend."""
    fresh(wire)
    packet = tcp(42066, dst=at.vip, dport=81)
    wire.expect("lan", frame(ipip(packet)), to_pod(changed(packet, dst=at.pod, dport=8080)))
    said = at.ip(src=at.vip, dst=at.client, ttl=60) / TCP(sport=81, dport=42066, flags="A") / (b"d" * 100)
    heard = at.ip(src=at.pod, dst=at.client, ttl=60) / TCP(sport=8080, dport=42066, flags="A") / (b"d" * 100)
    about = error(at.middle, at.vip, bytes(said))
    wire.expect("lan", frame(ipip(about)),
                to_pod(changed(error(at.middle, at.pod, bytes(heard)))))


def congestion(wire):
    """Marked in the tunnel: the packet is, if it may be (RFC 6040)."""
    fresh(wire)
    for n, (inner, outer, after) in enumerate(((0xb9, 0xbb, 0xbb), (0xba, 0xba, 0xba), (0xbb, 0xba, 0xbb))):
        packet = tcp(42070 + n, tos=inner)
        marked = changed(packet)
        if at.version == 4:
            marked.tos, marked.chksum = after, None
        else:
            marked.tc = after
        wire.expect("lan", frame(geneve(packet, 81, tos=outer)), to_pod(marked))
    wire.dropped("lan", frame(geneve(tcp(42075, tos=0xb8), 81, tos=0xbb)), "tunnel-packet")


def cut(wire, how):
    """A tunnel that was cut, for what is in it may be: so it may again."""
    fresh(wire)
    packet = udp(42088, b"c" * 2000, *((at.vip, 54) if how == "ipip" else ()))
    outer = geneve(packet, 54, whole=False) if how == "geneve" else ipip(packet, whole=False)
    for piece in pieces(parsed(outer), 1400):
        wire.send("lan", frame(piece))
    wire.arrives_in_pieces(to_pod(changed(packet, dst=at.pod, dport=5353)), 1400, packet)


def broken(wire):
    """What is no packet is not delivered."""
    fresh(wire)
    good = tcp(42080)
    raw = bytearray(bytes(good))
    if at.version == 4:
        raw[10] ^= 0xff                     # header checksum
    else:
        raw[4:6] = b"\xff\xff"              # longer than what there is
    wire.dropped("lan", frame(geneve(bytes(raw), 81)), "tunnel-packet")


def with_its_options(wire):
    fresh(wire)
    packet = tcp(42085)
    odd = with_options(packet, b"\x94\x04\0\0")
    wire.expect("lan", frame(geneve(odd, 81)), to_pod(with_options(changed(packet), b"\x94\x04\0\0")))


def one_port_two_services(wire):
    """One client port, two services, this backend: each answer is from the service that was asked."""
    fresh(wire)
    wire.lbadm("service", "add", "twin", "tcp", end(at.other_vip, 81))
    wire.lbadm("backend", "add", "twin", end(at.pod, 8080), "node", at.n1)
    packet = tcp(42090)
    wire.expect("lan", frame(geneve(packet, 81)), to_pod(changed(packet)))
    answer(wire, 42090)
    wire.send("lan", frame(geneve(packet, 81, at.other_vip)))
    link, got = wire.receive()
    other = payload(got)
    port = other[TCP].sport
    equal((link, other.src, other.dst, other[TCP].dport), ("pod", at.client, at.pod, 8080), "where the second goes")
    check(port != 42090, "the second has the same port")
    wire.quiet()
    reply = back(at.pod, 8080, port)
    wire.expect("pod", from_pod(reply), to_router(changed(reply, src=at.other_vip, sport=81, dport=42090)))
    answer(wire, 42090)


TESTS = [
    *((f"geneve in: connection, {mode}", lambda wire, mode=mode: geneve_connection(wire, mode))
      for mode in ("dsr", "snat")),
    ("geneve in: bypass", geneve_bypass),
    ("geneve in: datagrams", geneve_datagrams),
    ("geneve in: node port", geneve_node_port),
    ("geneve in: with an outer checksum", geneve_summed),
    ("geneve in: without an outer checksum", geneve_unsummed),
    ("geneve in: other options", geneve_other_options),
    ("tunnel in: strangers", strangers),
    ("tunnel in: refused, and opened", stripped),
    ("tunnel in: none of ours", none_of_ours),
    ("ipip in: connection", ipip_connection),
    ("ipip in: datagrams", ipip_datagrams),
    ("ipip in: sources of a prefix", ipip_prefix),
    ("ipip in: an ICMP error", ipip_error),
    ("tunnel in: marked congestion", congestion),
    *((f"{how} in: a tunnel that was cut", lambda wire, how=how: cut(wire, how)) for how in ("geneve", "ipip")),
    ("tunnel in: no packet", broken),
    ("geneve in: one client port, two services", one_port_two_services),
]
TESTS4 = [("tunnel in: with IP options", with_its_options)]
TESTS6 = [("geneve in: IPv6 in IPv4", geneve_mixed)]
