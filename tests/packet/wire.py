# SPDX-License-Identifier: GPL-2.0-only
"""One node and the ends of its links.

    lan0: the router (r0) and another node (n2)      pod0: a pod
    alt0: another router (r1), which no route uses, and n2 once more

The far ends have no address: what they send is written here byte by byte, what
they receive is compared byte by byte, and neighbours are known for good.
"""
import contextlib
import json
import logging
import os
import select
import socket
import subprocess

logging.getLogger("scapy").setLevel(logging.ERROR)     # it misses addresses that nobody needs
from scapy.layers.inet import ICMP, IP, UDP     # noqa: E402
from scapy.layers.l2 import Ether               # noqa: E402
from scapy.utils import checksum                # noqa: E402

from net import module, ns                      # noqa: E402
from net.cluster import LBADM                   # noqa: E402
from net.genl import Genl                       # noqa: E402
from net.ktap import Failure, check, equal, eventually      # noqa: E402
from net.rtnl import Rtnl, running                       # noqa: E402

NODE, FAR = "n1", "far"
CLIENT, VIP, POD, REMOTE = "198.51.100.10", "203.0.113.10", "10.0.1.11", "10.0.2.11"
N1, N2 = "192.168.0.11", "192.168.0.12"
ALT, ALT_N2, ALT_ROUTER = "192.168.1.11", "192.168.1.12", "192.168.1.1"
MAC = {"n1": "02:00:00:00:00:11", "n2": "02:00:00:00:00:12", "r0": "02:00:00:00:03:00",
       "gw": "02:00:00:00:02:01", "pod": "02:00:00:00:01:11", "nobody": "02:00:00:00:09:09",
       "alt": "02:00:00:00:04:11", "r1": "02:00:00:00:04:01", "alt-n2": "02:00:00:00:04:12"}

CONFIG = f"""
node add {N1}
node add {N2}
service add web tcp {VIP}:80 nodeport:30080
backend add web {REMOTE}:8080 node {N2}
service add dns udp {VIP}:53
backend add dns {REMOTE}:5353 node {N2}
service add near tcp {VIP}:81 nodeport:30081
backend add near {POD}:8080 node {N1}
service add near-dns udp {VIP}:54 nodeport:30054
backend add near-dns {POD}:5353 node {N1}
"""

_VNET_HDR = 15      # PACKET_VNET_HDR


class Wire:
    def __init__(self):
        # Frames of one processor keep their order: what follows a packet that is to be
        # dropped shows that nothing came of it.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        module.reload(mode="snat")
        for name in (NODE, FAR):
            ns.create(name)
            ns.sysctl(name, {"ipv6/conf/all/disable_ipv6": 1, "ipv6/conf/default/disable_ipv6": 1})
        ns.sysctl(NODE, {"ipv4/ip_forward": 1, "ipv4/conf/all/rp_filter": 0,
                         "ipv4/conf/default/rp_filter": 0, "ipv4/conf/all/send_redirects": 0,
                         "ipv4/conf/default/send_redirects": 0, "ipv4/icmp_ratemask": 0})
        self._sockets = {}
        self.link("lan", MAC["n1"], N1, 24)
        self.link("pod", MAC["gw"], "169.254.1.1", 32)
        self.link("alt", MAC["alt"], ALT, 24)
        with Rtnl(NODE) as node:
            node.up("lo")
            node.route("0.0.0.0/0", via="192.168.0.1")
            node.route("10.0.2.0/24", via=N2)
            node.route(f"{POD}/32", link="pod0", source=N1)
            node.neighbour("lan0", "192.168.0.1", MAC["r0"])
            node.neighbour("lan0", N2, MAC["n2"])
            node.neighbour("pod0", POD, MAC["pod"])
            node.neighbour("alt0", ALT_ROUTER, MAC["r1"])
            node.neighbour("alt0", ALT_N2, MAC["alt-n2"])
        # one processor: a frame that was sent later must not overtake (see quiet())
        os.sched_setaffinity(0, {0})
        self.running()
        self._genl = Genl(NODE)
        self._mode = None

    def link(self, name, mac, address, length):
        """One more: NAME0 at the node, NAME at the far end."""
        with Rtnl(FAR) as far, Rtnl(NODE) as node:
            node.veth(f"{name}0", mac, FAR, name)
            far.up(name)
            node.address(f"{name}0", address, length)
            node.up(f"{name}0")
        for where in (NODE, FAR):
            ns.offloads(where, False)
        s = ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        s.bind((name, 0x0800))
        s.setblocking(False)
        self._sockets[name] = s

    def unlink(self, name):
        """Forgets the far end of a link, whose device the test has deleted."""
        self._sockets.pop(name).close()

    def running(self):
        eventually(lambda: running(NODE) and running(FAR), "links are up")

    @staticmethod
    def ip(line):
        """`ip LINE` at the node."""
        subprocess.run(["ip", "-n", NODE, *line.split()], check=True, timeout=20,
                       stdout=subprocess.DEVNULL)

    @staticmethod
    def sysctl(**settings):
        """Of net.ipv4 at the node."""
        ns.sysctl(NODE, {f"ipv4/{k}": v for k, v in settings.items()})

    @staticmethod
    @contextlib.contextmanager
    def neigh(link, **settings):
        """These of net.ipv4.neigh at the node meanwhile."""
        paths = {name: f"/proc/sys/net/ipv4/neigh/{link}/{name}" for name in settings}
        with ns.inside(NODE):
            before = {name: open(path).read() for name, path in paths.items()}
        ns.sysctl(NODE, {f"ipv4/neigh/{link}/{k}": v for k, v in settings.items()})
        try:
            yield
        finally:
            ns.sysctl(NODE, {f"ipv4/neigh/{link}/{k}": v for k, v in before.items()})

    def lbadm(self, *words, config=None):
        p = subprocess.run([LBADM, "-n", NODE, *words], input=config, text=True,
                           capture_output=True, check=False)
        if p.returncode:
            raise RuntimeError(f"lbadm {' '.join(words)}: status {p.returncode}: {p.stderr.strip()}")
        return p.stdout

    def set(self, mode, *settings):
        """@mode and these settings, all others as by default; flows stay."""
        if self._mode != (mode, settings):
            text = "".join(f"set {s}\n" for s in (f"mode {mode}", *settings)) + CONFIG
            with open("/tmp/packet.conf", "w") as f:
                f.write(text)
            self.lbadm("apply", "/tmp/packet.conf")
            self._mode = (mode, settings)

    def stats(self):
        """Totals, what services count among the others."""
        stats = json.loads(self.lbadm("-j", "stats"))["stats"]
        return {**stats.pop("counters"), **stats}

    def drops(self):
        return {d["reason"]: d["packets"] for d in self.stats()["drops"] if d["packets"]}

    def flow(self, address, port):
        """What lbadm tells of the flow of this client; None if there is none."""
        flows = json.loads(self.lbadm("-j", "flow", "list", "client", f"{address}:{port}"))["flows"]
        return flows[0] if flows else None

    @contextlib.contextmanager
    def bypassing(self, packets):
        """So many packets take bypass meanwhile."""
        before = self._genl.bypassed()
        yield
        equal(self._genl.bypassed() - before, packets, "packets that took bypass")

    def send(self, link, frame):
        self._sockets[link].send(bytes(frame))

    @staticmethod
    def send_unfinished(link, frame, header):
        """@frame as a guest's or a local sender's: @header is a struct virtio_net_hdr."""
        with ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.setsockopt(263, _VNET_HDR, 1)
            s.bind((link, 0))
            s.send(header + bytes(frame))

    def receive(self, timeout=5):
        """The next frame at either end: (link, bytes)."""
        ready, _, _ = select.select(list(self._sockets.values()), [], [], timeout)
        if not ready:
            raise Failure(f"nothing came out in {timeout} s")
        link = next(k for k, s in self._sockets.items() if s is ready[0])
        frame, (_, _, kind, *_) = ready[0].recvfrom(65536)
        # what we sent ourselves is seen by the packet socket of the link too
        return self.receive(timeout) if kind == socket.PACKET_OUTGOING else (link, frame)

    def drained(self):
        """Without what a test that failed has left."""
        while select.select(list(self._sockets.values()), [], [], 0)[0]:
            for s in self._sockets.values():
                with contextlib.suppress(BlockingIOError):
                    s.recv(65536)
        return self

    def expect(self, link, frame, *want):
        """@frame into @link: exactly the frames @want come out, each a (link, frame)."""
        self.send(link, frame)
        for one in want:
            self.arrives(one, frame)
        self.quiet()

    def arrives(self, want, sent):
        """The next frame is @want, a (link, frame)."""
        where, right = want[0], bytes(want[1])
        got_where, got = self.receive()
        # Ethernet's padding is nobody's
        got = got[:14 + int.from_bytes(got[16:18], "big")]
        check((got_where, got) == (where, right), "the packet differs",
              lambda: differences(sent, got_where, got, where, right))

    def quiet(self):
        """Nothing else is on its way: the answer to a ping sent now is the next to come out."""
        self.send("lan", from_router(IP(src=CLIENT, dst=N1, id=0x7777) / ICMP() / b"probe"))
        link, got = self.receive()
        check(b"probe" in got, "something else came out",
              lambda: [f"{link}: {Ether(got).summary()}", got.hex()])

    def nothing_but_errors(self):
        """As quiet(), but for ICMP errors of the node itself."""
        self.send("lan", from_router(IP(src=CLIENT, dst=N1, id=0x7777) / ICMP() / b"probe"))
        while True:
            link, got = self.receive()
            packet = IP(got[14:])
            if b"probe" in got:
                return
            check(ICMP in packet and packet[ICMP].type == 3, "something came out",
                  lambda: [f"{link}: {Ether(got).summary()}", got.hex()])

    def dropped(self, link, frame, reason):
        """@frame into @link: nothing comes out, and one drop is counted, for @reason."""
        before = self.drops()
        self.expect(link, frame)
        after = self.drops()
        new = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        check(new == {reason: 1}, f"drops: {new}, should be one {reason}")


def differences(sent, got_where, got, where, right):
    first = next((n for n, (a, b) in enumerate(zip(got, right)) if a != b), min(len(got), len(right)))
    lines = [f"{what}: {len(data)} bytes, {data.hex()[:400]}" for what, data in (
        ("in  ", bytes(sent)), (f"got  {got_where}", got), (f"want {where}", right))]
    lines.append(f"they differ from byte {first} on")
    for label, data in (("got ", got), ("want", right)):
        lines += [f"{label} {line[:120]}" for line in Ether(data).show(dump=True).splitlines() if "=" in line]
    return lines


def _frame(src, dst, packet):
    return Ether(src=MAC[src], dst=MAC[dst], type=0x0800) / packet


def from_router(packet):
    return _frame("r0", "n1", packet)


def from_node(packet, mac="n2"):
    return _frame(mac, "n1", packet)


def from_pod(packet):
    return _frame("pod", "gw", packet)


def to_router(packet):
    return "lan", _frame("n1", "r0", packet)


def to_node(packet):
    return "lan", _frame("n1", "n2", packet)


def to_pod(packet):
    return "pod", _frame("gw", "pod", packet)


def from_alt(packet):
    return _frame("r1", "alt", packet)


def to_alt(packet, mac="alt-n2"):
    return "alt", _frame("alt", mac, packet)


def note(address, port):
    octets = bytes(int(x) for x in address.split("."))
    return b"\x9a\x08" + port.to_bytes(2, "little") + octets[::-1]


def with_options(packet, options):
    """@packet with exactly these bytes between header and payload."""
    raw = bytes(packet)
    head = bytearray(raw[:20])
    head[0] = 0x45 + len(options) // 4
    head[2:4] = (len(raw) + len(options)).to_bytes(2, "big")
    head[10:12] = b"\0\0"
    head[10:12] = checksum(bytes(head) + options).to_bytes(2, "big")
    return bytes(head) + options + raw[20:]


def changed(packet, src=None, dst=None, sport=None, dport=None, hops=1):
    """@packet as a router with these rewrites sends it on; scapy makes the checksums."""
    p = packet.copy()
    p.ttl -= hops
    p.chksum = None
    if src:
        p.src = src
    if dst:
        p.dst = dst
    if sport:
        p.payload.sport = sport
    if dport:
        p.payload.dport = dport
    if not (UDP in p and p[UDP].chksum == 0):
        p.payload.chksum = None
    return IP(bytes(p))
