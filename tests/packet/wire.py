# SPDX-License-Identifier: GPL-2.0-only
"""One node and the ends of its links.

    lan0: the router (r0), another node (n2), and a server without bpflb      pod0: a pod
    alt0: another router (r1), which no route uses, and n2 once more

The far ends have no address: what they send is written here byte by byte, what
they receive is compared byte by byte, and neighbours are known for good.
"""
import contextlib
import json
import os
import select
import socket
import struct
import subprocess

from family import FAMILIES, V6, at, end, error_read, payload, piece_read, unpadded     # first: it quietens scapy
from scapy.layers.l2 import Ether
from scapy.utils import checksum

from net import module, ns
from net.cluster import LBADM
from net.genl import Genl
from net.ktap import Failure, check, equal, eventually
from net.rtnl import Rtnl, running

NODE, FAR = "n1", "far"
MAC = {"n1": "02:00:00:00:00:11", "n2": "02:00:00:00:00:12", "r0": "02:00:00:00:03:00",
       "gw": "02:00:00:00:02:01", "pod": "02:00:00:00:01:11", "nobody": "02:00:00:00:09:09",
       "server": "02:00:00:00:00:13", "alt": "02:00:00:00:04:11", "r1": "02:00:00:00:04:01", "alt-n2": "02:00:00:00:04:12"}


def _config():
    """Services of both families at once: one's packets must not meet the other's backends."""
    lines = [f"node add {f.n1}\nnode add {f.n2}" for f in FAMILIES]
    for name, proto, port, words, where, target in (
            ("web", "tcp", 80, "nodeport:30080", "remote", 8080), ("dns", "udp", 53, "", "remote", 5353),
            ("near", "tcp", 81, "nodeport:30081", "pod", 8080),
            ("near-dns", "udp", 54, "nodeport:30054", "pod", 5353)):
        vips = " ".join(end(f.vip, port) for f in FAMILIES)
        lines.append(f"service add {name} {proto} {vips} {words}")
        lines += [f"backend add {name} {end(getattr(f, where), target)} node {f.n2 if where == 'remote' else f.n1}"
                  for f in FAMILIES]
    return "\n".join(lines) + "\n"


CONFIG = _config()
_SOL_PACKET, _AUXDATA, _VNET_HDR, _IGNORE_OUTGOING = 263, 8, 15, 23
_CSUM_VALID = 1 << 7        # TP_STATUS_CSUM_VALID of linux/if_packet.h
_RCVBUFFORCE = 33


class Wire:
    config = CONFIG

    def __init__(self):
        # Frames of one processor keep their order: what follows a packet that is to be
        # dropped shows that nothing came of it.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        module.reload(mode="snat")
        for name in (NODE, FAR):
            ns.create(name)
        ns.sysctl(FAR, {"ipv6/conf/all/disable_ipv6": 1, "ipv6/conf/default/disable_ipv6": 1})
        ns.sysctl(NODE, {"ipv4/ip_forward": 1, "ipv4/conf/all/rp_filter": 0,
                         "ipv4/conf/default/rp_filter": 0, "ipv4/conf/all/send_redirects": 0,
                         "ipv4/conf/default/send_redirects": 0, "ipv4/icmp_ratemask": 0,
                         "ipv6/conf/all/forwarding": 1, "ipv6/icmp/ratemask": "\n",
                         "ipv6/conf/default/accept_dad": 0, "ipv6/conf/default/keep_addr_on_down": 1})
        self._sockets = {}
        for link, mac, where in (("lan", "n1", "n1"), ("pod", "gw", "gateway"), ("alt", "alt", "alt")):
            self.link(link, MAC[mac], where)
        with Rtnl(NODE) as node:
            node.up("lo")
            for f in FAMILIES:
                node.route("::/0" if f is V6 else "0.0.0.0/0", via=f.router)
                node.route(f.remote_net, via=f.n2)
                node.route(f"{f.pod}/{f.host}", link="pod0", source=f.n1)
                for link, address, mac in (("lan0", f.router, "r0"), ("lan0", f.n2, "n2"), ("pod0", f.pod, "pod"),
                                           ("lan0", f.server, "server"),
                                           ("alt0", f.alt_router, "r1"), ("alt0", f.alt_n2, "alt-n2")):
                    node.neighbour(link, address, MAC[mac])
        # one processor: a frame that was sent later must not overtake (see quiet())
        os.sched_setaffinity(0, {0})
        self.running()
        self._genl = Genl(NODE)
        self._mode = None

    def link(self, name, mac, where):
        """One more: NAME0 at the node with its addresses @where, NAME at the far end."""
        with Rtnl(FAR) as far, Rtnl(NODE) as node:
            node.veth(f"{name}0", mac, FAR, name)
            far.up(name)
            node.up(f"{name}0")
            for f in FAMILIES:
                node.address(f"{name}0", getattr(f, where), f.host if where == "gateway" else f.lan)
        for where in (NODE, FAR):
            ns.offloads(where, False)
        for f in FAMILIES:
            s = ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(f.ethertype))
            s.bind((name, f.ethertype))
            s.setblocking(False)
            s.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            s.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 22)
            self._sockets[name, f.version] = s

    def unlink(self, name):
        """Forgets the far end of a link, whose device the test has deleted."""
        for f in FAMILIES:
            self._sockets.pop((name, f.version)).close()

    def running(self, *names):
        """Awaits all that the kernel tells of links going up or down, in a short while."""
        eventually(lambda: all(running(name) for name in names or (NODE, FAR)), "links are what they are to be")

    @staticmethod
    def ip(line):
        """`ip LINE` at the node."""
        subprocess.run(["ip", "-n", NODE, f"-{at.version}", *line.split()], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    @staticmethod
    def sysctl(**settings):
        """Of net.ipv4 or net.ipv6 at the node."""
        ns.sysctl(NODE, {f"ipv{at.version}/{k}": v for k, v in settings.items()})

    @staticmethod
    @contextlib.contextmanager
    def neigh(link, **settings):
        """These of net.ipv4.neigh (or IPv6's) at the node meanwhile."""
        where = f"ipv{at.version}/neigh/{link}"
        paths = {name: f"/proc/sys/net/{where}/{name}" for name in settings}
        with ns.inside(NODE):
            before = {name: open(path).read() for name, path in paths.items()}
        ns.sysctl(NODE, {f"{where}/{k}": v for k, v in settings.items()})
        try:
            yield
        finally:
            ns.sysctl(NODE, {f"{where}/{k}": v for k, v in before.items()})

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
        flows = json.loads(self.lbadm("-j", "flow", "list", "client", end(address, port)))["flows"]
        return flows[0] if flows else None

    @contextlib.contextmanager
    def bypassing(self, packets):
        """So many packets take bypass meanwhile."""
        before = self._genl.bypassed()
        yield
        equal(self._genl.bypassed() - before, packets, "packets that took bypass")

    def send(self, link, frame):
        self._sockets[link, at.version].send(bytes(frame))

    @staticmethod
    def send_unfinished(link, frame, header):
        """@frame as a guest's or a local sender's: @header is a struct virtio_net_hdr."""
        with ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.setsockopt(_SOL_PACKET, _VNET_HDR, 1)
            s.bind((link, 0))
            s.send(header + bytes(frame))

    @staticmethod
    @contextlib.contextmanager
    def believed(link):
        """A function: is the checksum of the next frame at that far end one that nobody will look at?"""
        def read():
            _, [(_, _, status)], _, _ = s.recvmsg(0, socket.CMSG_SPACE(20))
            return bool(struct.unpack_from("=I", status)[0] & _CSUM_VALID)

        with ns.make_socket(FAR, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(at.ethertype)) as s:
            s.settimeout(5)
            s.bind((link, at.ethertype))
            s.setsockopt(_SOL_PACKET, _AUXDATA, 1)
            s.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            yield read

    def receive(self, timeout=5):
        """The next frame at either end: (link, bytes)."""
        ready, _, _ = select.select(list(self._sockets.values()), [], [], timeout)
        if not ready:
            raise Failure(f"nothing came out in {timeout} s")
        link = next(k for k, s in self._sockets.items() if s is ready[0])[0]
        frame = ready[0].recv(65536)
        # The node tells all who want to know which IPv6 groups it is in, and asks for neighbours; and it tells
        # a pod that reaches itself of the shorter way.
        skip = frame.startswith(b"\x33\x33") or _is_redirect6(frame)
        return self.receive(timeout) if skip else (link, frame)

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
        got = got[:14] + unpadded(got)
        check((got_where, got) == (where, right), "the packet differs",
              lambda: differences(sent, got_where, got, where, right))

    def arrives_in_pieces(self, want, size, sent, least=2):
        """The next frames, @least so many, are fragments of @size bytes at most, and make up @want."""
        where, right = want[0], bytes(want[1])
        head, _, _, whole, _ = piece_read(right[14:])
        parts, idents, more = {}, set(), True
        while more:
            link, frame = self.receive()
            raw = unpadded(frame)
            got, at_byte, more, parts[at_byte], ident = piece_read(raw)
            idents.add(ident)
            check((link, frame[:14], got) == (where, right[:14], head), "a piece's headers differ",
                  lambda: differences(sent, link, frame, where, right))
            check(len(raw) <= size, f"a piece of {len(raw)} bytes")
            check(raw[0] >> 4 == 6 or checksum(raw[:(raw[0] & 15) * 4]) == 0, "a piece's header checksum")
        check(len(parts) >= least and None not in idents or at.version == 4, "it is whole")
        equal(len(idents), 1, "identifications")
        equal(b"".join(parts[n] for n in sorted(parts)).hex(), whole.hex(), "what the pieces make up")
        self.quiet()

    def quiet(self):
        """Nothing else is on its way: the answer to a ping sent now is the next to come out."""
        self.send("lan", from_router(at.ping(at.n1)))
        link, got = self.receive()
        if b"probe" in got:
            # by another link it was there before, but that one may have been looked at first
            link, got = self._waiting()
        check(not got, "something else came out", lambda: [f"{link}: {Ether(got).summary()}", got.hex()])

    def _waiting(self):
        """What receive() would return at once, if anything."""
        try:
            return self.receive(0)
        except (Failure, OSError):      # OSError: of a link that the test has deleted
            return None, b""

    def nothing_but_errors(self):
        """As quiet(), but for ICMP errors of the node itself."""
        self.send("lan", from_router(at.ping(at.n1)))
        while True:
            link, got = self.receive()
            if b"probe" in got:
                return
            error = error_read(payload(got))
            check(error and error[0][0] == at.closed[0], "something came out",
                  lambda: [f"{link}: {Ether(got).summary()}", got.hex()])

    def dropped(self, link, frame, reason):
        """@frame into @link: nothing comes out, and one drop is counted, for @reason."""
        before = self.drops()
        self.expect(link, frame)
        after = self.drops()
        new = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        check(new == {reason: 1}, f"drops: {new}, should be one {reason}")


def _is_redirect6(frame):
    """Made by the node's kernel, from its address on the link."""
    return frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[22:24] == b"\xfe\x80" and frame[54] == 137


def differences(sent, got_where, got, where, right):
    first = next((n for n, (a, b) in enumerate(zip(got, right)) if a != b), min(len(got), len(right)))
    lines = [f"{what}: {len(data)} bytes, {data.hex()[:400]}" for what, data in (
        ("sent", bytes(sent)), (f"got  {got_where}", got), (f"want {where}", right))]
    lines.append(f"they differ from byte {first} on")
    for label, data in (("got ", got), ("want", right)):
        lines += [f"{label} {line[:120]}" for line in Ether(data).show(dump=True).splitlines() if "=" in line]
    return lines


def _frame(src, dst, packet):
    return Ether(src=MAC[src], dst=MAC[dst], type=at.ethertype) / packet


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
