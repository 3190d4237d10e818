# SPDX-License-Identifier: GPL-2.0-only
"""bpflb in networks that are not one flat link (links.py).

Each is asked for a file and for datagrams, by SNAT and by DSR; and what was on the wire is looked at, whether it went the way
that it was to.
"""
import contextlib
import functools
import hashlib
import socket
import threading

from links import (FRONT, OPT, SNAT, Bond, Bridged, Ipsec, IpsecTunnels, Machines, Mirrored, Routed, Tunl, TwoLans, Vlan, Vrf,
                   Vxlan, Xdp, is_request, of_service)
from net import clients
from net.cluster import Service
from net.ktap import Failure, check, equal, eventually
from net.plan import endpoint, twins

KINDS = Vxlan, Tunl, Routed, Vlan, Bond, Vrf, Bridged, Machines, TwoLans, Ipsec, IpsecTunnels, Mirrored, Xdp


def is_file(s, connection):
    return hashlib.sha256(connection.ask("/files/large")).digest() == hashlib.sha256(s.data).digest()


def introduced(s, mode, dump=()):
    """The backend's node knows the balancer: its notes are believed."""
    if mode[0] == "dsr":
        eventually(lambda: s.met("n2") or clients.knock(s.net, "n2", (s.plan.nodes["n1"], 9), "udp"),
                   "n2 knows the balancer's MAC", 10, dump)


def by_tcp(s, to, backend, client, sees, dump):
    with clients.Tcp(s.net, client, to) as c:
        answer = c.ask()
        equal(answer.name, backend, "server", dump)
        check(sees in (None, answer.client), f"the server sees {answer.client}", dump)
        for _ in range(2):
            check(is_file(s, c), "another file than there is", dump)
        return s.cluster.flow_of(s.plan.node_of(client) if client != "c0" else "n1", c.local)


def by_udp(s, to, backend, client, dump):
    with clients.Udp(s.net, client, to) as c:
        for _ in range(5):
            equal(c.ask().name, backend, "server of a datagram", dump)


def went(s, mode, wire):
    """Everything of the service was on the wire as it should be."""
    seen = of_service(wire.read())
    equal(wire.lost(), 0, "packets that were not looked at")
    asked = [(packet, s.carried(packet, mode, is_request(packet))) for packet in seen]
    equal([str(packet) for packet, how in asked if how is False][:10], [], "went another way", wire.dump)
    check(sum(how is True for _, how in asked) > 10, "too few to tell", wire.dump)
    return seen


def works(state, mode, backend, client, protos):
    s = state()
    vip = s.serve(mode, backend)
    node = s.plan.node_of(backend)
    sees = s.plan.address(client) if mode[0] == "dsr" or node == "n1" or client != "c0" else None
    with s.watch(node) as wire, s.watch_also(node) as also:
        introduced(s, mode, wire.dump)
        if "tcp" in protos:
            flow = by_tcp(s, (vip, FRONT), backend, client, sees, wire.dump)
            check(not s.bypass or (backend, client) != ("p21", "c0") or flow["bypass"] in (s.bypass, "both"),
                  f"bypass of the flow: {flow['bypass']}")
        if "udp" in protos:
            by_udp(s, (vip, FRONT), backend, client, wire.dump)
        s.proof(mode, went(s, mode, wire), also.read())
    for node in ("n1", "n2"):
        equal({k: v for k, v in s.cluster.drops(node).items() if k != "note-too-big"}, {}, f"drops of {node}")


class Load:
    """Files, one after the other on one connection, and datagrams on one flow."""

    def __init__(self, s, vip):
        self._s, self._end = s, False
        self.files = self.datagrams = 0
        self.broken = []
        self._tcp = clients.Tcp(s.net, "c0", (vip, FRONT), timeout=30)
        self._udp = clients.Udp(s.net, "c0", (vip, FRONT), timeout=0.1)
        self._threads = [threading.Thread(target=f, daemon=True) for f in (self._ask_tcp, self._ask_udp)]
        for thread in self._threads:
            thread.start()

    def _ask_tcp(self):
        while not self._end:
            try:
                if not is_file(self._s, self._tcp):
                    self.broken.append("another file than there is")
            except OSError as e:
                self.broken.append(str(e))
            if self.broken:
                return
            self.files += 1

    def _ask_udp(self):
        while not self._end:
            with contextlib.suppress(OSError):
                self._udp.ask()
                self.datagrams += 1

    def goes_on(self, what, dump=()):
        """Some more of each come through."""
        files, datagrams = self.files + 3, self.datagrams + 3
        eventually(lambda: self.broken or (self.files >= files and self.datagrams >= datagrams), what, 40, dump)
        equal(self.broken, [], what)

    def close(self):
        self._end = True
        for thread in self._threads:
            thread.join()
        self._tcp.close()
        self._udp.close()


def a_slave_fails(state, mode):
    """The link that carries all is cut, on the balancer and on the backend's node: the other one takes over, and no connection
    breaks."""
    s = state()
    vip = s.serve(mode)
    introduced(s, mode)
    with contextlib.closing(Load(s, vip)) as load:
        load.goes_on("traffic before")
        for node in ("n2", "n1"):
            with s.watch_also(node) as other:
                s.net.plug(node, False)
                try:
                    eventually(lambda node=node: "currently active slave: lan1" in s.state(node), "the other link takes over", 10,
                               lambda node=node: s.state(node).splitlines())
                    load.goes_on(f"traffic by the other link of {node}", other.dump)
                    check(len(of_service(other.read(200))) > 10, "nothing on the other link", other.dump)
                finally:
                    s.net.plug(node, True)
                eventually(lambda node=node: "currently active slave: lan0" in s.state(node), "the first link is back", 10)
            load.goes_on(f"traffic by the first link of {node} again")


def is_refused(state):
    """What a node sends of its own finds the client by the routes that the client's packets have come by: a RST, and the word
    that a datagram is too big with its note."""
    s = state()
    s.serve(OPT)
    vip = s.plan.vip(next(s.numbers))
    with s.watch("n1") as wire:
        s.cluster.lbadm("n1", "apply", "-", config=s.cluster.config([Service("none", "tcp", FRONT, [], vip)], ["mode dsr"]))
        try:
            clients.Tcp(s.net, "c0", (vip, FRONT), timeout=5).close()
            raise Failure("there is somebody", wire.dump())
        except ConnectionRefusedError:
            pass
        vip = s.serve(OPT)
        introduced(s, OPT, wire.dump)
        level, discover, mtu = (socket.IPPROTO_IPV6, 23, 24) if s.plan.ipv6 else (socket.IPPROTO_IP, 10, 14)
        with contextlib.closing(s.net.socket("c0", s.plan.family, socket.SOCK_DGRAM)) as c:
            c.setsockopt(level, discover, 2)
            c.connect((vip, FRONT))

            def told():
                with contextlib.suppress(OSError):
                    c.send(bytes(1500 - (48 if s.plan.ipv6 else 28)))
                return c.getsockopt(level, mtu) < 1500
            eventually(told, "the client is told that its datagram is too big", 10, wire.dump)


def is_explained(state):
    """lbadm explain asks the VRF's routes: a packet comes in, leaves and gets the source as it was told."""
    s = state()
    for mode in Vrf.modes:
        to = s.serve(mode), FRONT
        introduced(s, mode)
        with clients.Tcp(s.net, "c0", to) as c:
            c.ask()
            flow = s.cluster.flow_of("n1", c.local)
            s.cluster.lbadm("n1", "flow", "flush")
            said = s.cluster.json("n1", f"explain tcp {endpoint(*c.local)} {endpoint(*to)}")["explain"]
        told = said["candidates"][0]
        equal((said["device"], said["verdict"], told["chosen"], told["device"], told["reason"]),
              ("lan0", "balance", True, "lan0", None), f"what is told of {mode}")
        equal([flow[key] for key in ("kind", "dispatch", "snat_address")],
              [told[key] for key in ("kind", "dispatch", "snat_address")], f"flow by {mode}")
        said = s.cluster.json("n1", f"explain tcp {endpoint(s.plan.nodes['n1'], 21001)} {endpoint(*to)}")["explain"]
        told = said["candidates"][0]
        equal((said["local_out"], told["device"], told["reason"]), (True, "lan0", None), "from this node")


def tests(_subset):
    def of_family(plan):
        found = []
        for kind in KINDS:
            state = functools.lru_cache(functools.partial(kind, plan))
            name = f"networks: {kind.__name__.lower()}"
            cases = [(mode, "p21", "c0", ("tcp", "udp")) for mode in kind.modes] + list(kind.more)
            for case in cases:
                mode, backend, client, _ = case
                who = "" if (backend, client) == ("p21", "c0") else f", {client} to {backend}"
                found.append((f"{name}, {' '.join(mode)}{who}", functools.partial(works, state, *case)))
            if kind is Vrf:
                found += [(f"{name}, {what}", functools.partial(test, state))
                          for what, test in (("errors", is_refused), ("explained", is_explained))]
            if kind is Bond:
                found += [(f"{name}, {' '.join(mode)}, a slave fails", functools.partial(a_slave_fails, state, mode))
                          for mode in (SNAT, OPT)]
        return found
    return twins(of_family)
