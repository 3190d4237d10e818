# SPDX-License-Identifier: GPL-2.0-only
"""DSR, the sending side: the note, on which packets, and what if there is no room for it."""
import subprocess

from dispatch import tcp, udp
from family import ALERT, V4, at, changed, error_read, icmp_is_right, note4, payload, unpadded, with_options
from net import ns
from net.ktap import check, equal
from scapy.layers.inet import UDP
from wire import MAC, NODE, from_pod, from_router, to_node, to_pod, to_router

# 203.0.113.10 port 80, as other implementations have it: in IPv4 the least byte first (on x86), in
# IPv6 a header of 24 bytes, here before UDP
REFERENCE = {4: "9a0850000a7100cb",
             6: "11021b1420010db8000f0000000000000000001000500000"}


def reference(_wire):
    """The bytes of the format's own example and of ours, so that at.noted() can be trusted."""
    equal(note4("10.0.0.1", 80).hex(), "9a0850000100000a", "note of 10.0.0.1:80")
    packet = udp(22000, b"x")
    before, after = bytes(packet), at.noted(packet, at.vip, 80)
    equal(after[at.head:at.head + at.note_len].hex(), REFERENCE[at.version], "note of the service")
    equal(after[at.head + at.note_len:], before[at.head:], "what is behind it")
    addresses = slice(12 if at.family is V4 else 8, at.head)
    equal(after[addresses], before[addresses], "addresses")


def noted(packet, dport=8080, address=None, port=80):
    return to_node(at.noted(changed(packet, dst=at.remote, dport=dport), address or at.vip, port))


def syn(wire, mode):
    wire.set(mode)
    port = {"dsr": 22001, "hybrid": 22002}[mode]
    packet = tcp(port, "S")
    # again: the client sends it a second time if it hears nothing
    for _ in range(2):
        wire.expect("lan", from_router(packet), noted(packet))
    for later in (tcp(port, "A", ack=9001), tcp(port, "PA", data=b"x" * 333, ack=9001),
                  tcp(port, "FA", ack=9001)):
        wire.expect("lan", from_router(later), to_node(changed(later, dst=at.remote, dport=8080)))


def node_port(wire):
    wire.set("dsr")
    packet = tcp(22003, "S", dst=at.n1, dport=30080)
    wire.expect("lan", from_router(packet), noted(packet, 8080, at.n1, 30080))


def datagrams(wire):
    wire.set("dsr")
    for data in (b"", b"first", b"second one", b"odd"):
        packet = udp(22004, data)
        wire.expect("lan", from_router(packet), noted(packet, 5353, port=53))
    packet = udp(22005, b"unsummed", chksum=0)
    wire.expect("lan", from_router(packet), noted(packet, 5353, port=53))


def hybrid_udp(wire):
    wire.set("hybrid")
    packet = udp(22006, b"by snat")
    wire.expect("lan", from_router(packet), to_node(changed(packet, src=at.n1, dst=at.remote, dport=5353)))


def mid_life(wire):
    """A connection that came from elsewhere: every packet of it has the note."""
    wire.set("dsr")
    for packet in (tcp(22007, "A", ack=1), tcp(22007, "PA", data=b"abc", ack=1), tcp(22007, "FA", ack=1)):
        wire.expect("lan", from_router(packet), noted(packet))


def other_options(wire):
    """Ours comes first, the others behind it unchanged, up to 40 bytes in all."""
    wire.set("dsr")
    for n, options in enumerate((ALERT, b"\x01" * 4, ALERT + b"\x01" * 28)):
        plain = tcp(22010 + n, "S")
        wire.expect("lan", from_router(with_options(plain, options)), to_node(
            at.noted(changed(plain, dst=at.remote, dport=8080), at.vip, 80, options)))


def no_room(wire):
    wire.set("dsr")
    for size in (36, 40):
        packet = with_options(udp(22020 + size, b"full"), ALERT + b"\x01" * (size - 4))
        wire.dropped("lan", from_router(packet), "note-no-room")


def too_big(wire):
    """A datagram that with its note is larger than the link: the client is told what fits."""
    wire.set("dsr")
    most = 1500 - at.head - 8 - at.note_len
    fits = udp(22030, b"f" * most, df=True)
    wire.expect("lan", from_router(fits), noted(fits, 5353, port=53))
    for more in (1, 8):
        packet = udp(22030 + more, b"b" * (most + more), df=True)
        before = wire.drops().get("note-too-big", 0)
        wire.send("lan", from_router(packet))
        link, frame = wire.receive()
        got = payload(frame)
        equal((link, got.src, got.dst), ("lan", at.n1, at.client), "link, source and destination of the error")
        kind, quoted = error_read(unpadded(frame))
        equal((kind, at.mtu(got)), (at.too_big, 1500 - at.note_len), "type, code, MTU")
        check(icmp_is_right(got), "checksum of the error")
        check(len(quoted) >= at.head + 8, f"only {len(quoted)} bytes are quoted")
        equal(quoted.hex(), bytes(packet)[:len(quoted)].hex(), "what the error quotes")
        wire.quiet()
        equal(wire.drops().get("note-too-big", 0), before + 1, "note-too-big")


def plain_too_big(wire):
    """Without DF it is not lost: fragments, each with the note, make it up."""
    wire.set("dsr")
    packet = udp(22040, b"b" * (1500 - 28))
    wire.send("lan", from_router(packet))
    wire.arrives_in_pieces(noted(packet, 5353, port=53), 1500, packet)


def unnoted_large(wire):
    """TCP beyond its SYN has no note, and so the whole link."""
    wire.set("dsr")
    first = tcp(22050, "S")
    wire.expect("lan", from_router(first), noted(first))
    packet = tcp(22050, "A", data=b"d" * (1500 - at.head - 20), ack=9001)
    wire.expect("lan", from_router(packet), to_node(changed(packet, dst=at.remote, dport=8080)))
    packet = tcp(22051, "S", dst=at.elsewhere)
    wire.expect("lan", from_router(packet), to_router(changed(packet)))


def keeps_its_frame(wire):
    """Rules behind us still see from which MAC a noted packet has come."""
    wire.set("dsr")
    rules = f"table inet frame {{ chain forward {{ type filter hook forward priority 0; ether saddr {MAC['r0']} counter; }}; }}"
    with ns.inside(NODE):
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=60)
    try:
        for n in range(3):
            packet = tcp(43900 + n, "S")
            wire.expect("lan", from_router(packet), to_node(at.noted(changed(packet, dst=at.remote, dport=8080), at.vip, 80)))
        with ns.inside(NODE):
            listed = subprocess.run(["nft", "list", "table", "inet", "frame"], capture_output=True, text=True, check=True,
                                    timeout=60).stdout
        check("counter packets 3 " in listed, "its frame's header is another", listed.splitlines)
    finally:
        with ns.inside(NODE):
            subprocess.run(["nft", "delete", "table", "inet", "frame"], check=True, timeout=60)


def without_flow(wire):
    """Where the table is full of answered flows, Maglev goes on with no flow: each packet finds the same backend, and has the note.
    Others can't."""
    wire.set("dsr", "flows-max 1")
    wire.lbadm("flow", "flush")
    query = at.ip(src=at.client, dst=at.vip, id=0x4321, ttl=62) / UDP(sport=22090, dport=54) / b"query"
    wire.expect("lan", from_router(query), to_pod(changed(query, dst=at.pod, dport=5353)))
    answer = at.ip(src=at.pod, dst=at.client) / UDP(sport=5353, dport=22090) / b"answer"
    wire.expect("pod", from_pod(answer), to_router(changed(answer, src=at.vip, sport=54)))
    wire.dropped("lan", from_router(tcp(22091, "S")), "table-full")
    for name in "web", "dns":
        wire.lbadm("service", "set", name, "scheduler", "maglev")
    try:
        for packet in (tcp(22091, "S"), tcp(22091, "A", ack=9001), tcp(22091, "PA", data=b"odd", ack=9001), tcp(22092, "FA", ack=1)):
            wire.expect("lan", from_router(packet), noted(packet))
        for data in b"one", b"two!":
            packet = udp(22093, data)
            wire.expect("lan", from_router(packet), noted(packet, 5353, port=53))
        equal([wire.flow(at.client, port) for port in (22091, 22092, 22093)], [None] * 3, "flows")
        # what is needed when it leaves is a flow's
        wire.lbadm("service", "set", "web", "dispatch", "geneve")
        wire.dropped("lan", from_router(tcp(22094, "S")), "table-full")
    finally:
        for name in "web", "dns":
            wire.lbadm("service", "set", name, "scheduler", "random")
        wire.lbadm("service", "set", "web", "dispatch", "default")


TESTS = [
    ("the note's bytes", reference),
    ("dsr: SYN, SYN again, and what follows", lambda wire: syn(wire, "dsr")),
    ("hybrid: SYN, SYN again, and what follows", lambda wire: syn(wire, "hybrid")),
    ("dsr: node port", node_port),
    ("dsr: every datagram has the note", datagrams),
    ("hybrid: datagrams go by SNAT", hybrid_udp),
    ("dsr: a connection met in mid-life", mid_life),
    ("dsr: DF and too big with the note", too_big),
    ("dsr: large packets without note", unnoted_large),
    ("dsr: a noted packet keeps its frame's header", keeps_its_frame),
    ("dsr: no room for a flow", without_flow),
]
TESTS4 = [
    ("dsr: the note comes before other options", other_options),
    ("dsr: no room for the note", no_room),
    ("dsr: too big with the note, without DF", plain_too_big),
]
