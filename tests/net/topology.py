# SPDX-License-Identifier: GPL-2.0-only
"""A cluster in one kernel: every machine is a network namespace.

    c0 --- r0 --- lan (bridge) --- n1 --- p11, p12
                             +---- n2 --- p21, p22
                             +---- n3 --- p31, p32

c0 is the client, r0 the router. r0 sends the service addresses to n1, so n1 is
the balancer; n2 and n3 are where its remote backends are. Every machine has an
address of each family (plan.py).
"""
import atexit
import contextlib
import subprocess

from . import ns
from .ktap import eventually
from .plan import PLANS
from .rtnl import Rtnl, running

BALANCER = "n1"
_CONF = ("all", "default")


def stop(process):
    """Ends a program that this one started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Topology:
    """Made by setup(), gone with close() or at the latest when the program ends.

    @prefix goes before each namespace's name, so that a development machine's
    own namespaces can't be met.
    """

    def __init__(self, plans=PLANS, prefix=""):
        self.plans = plans
        self.prefix = prefix
        self._running = []
        self._ends = []         # of all links: (place, link)
        self.routers = ["r0", *plans[0].nodes]
        self.places = ["c0", "r0", "lan", *plans[0].nodes, *plans[0].pods]

    def ns(self, place):
        return self.prefix + place

    def inside(self, place):
        return ns.inside(self.ns(place))

    def socket(self, place, *args):
        return ns.make_socket(self.ns(place), *args)

    def setup(self, offloads=False):
        atexit.register(self.close)
        for place in self.places:
            ns.create(self.ns(place))
            self._sysctl_first(place)
        with contextlib.ExitStack() as stack:
            rtnl = {place: stack.enter_context(Rtnl(self.ns(place))) for place in self.places}
            self._at = rtnl.__getitem__
            # A link's two ends are made at once, from one side: all links, then the rest.
            self._links()
            self._up()
            for plan in self.plans:
                self._addresses(plan)
        self.offloads(offloads)
        # A bridge forwards to a port only when the kernel's link watch has seen it,
        # which can take a second: an ARP request lost by then would take another.
        eventually(lambda: all(running(self.ns(place)) for place in self.places), "links run", 30)
        eventually(lambda: all(ns.can_ask(self.ns(place)) for place in self.places),
                   "links have addresses of their own", 30)
        return self

    def close(self):
        atexit.unregister(self.close)
        for process in self._running:
            stop(process)
        for place in self.places:
            ns.delete(self.ns(place))

    def __enter__(self):
        return self.setup()

    def __exit__(self, *exc):
        self.close()

    def offloads(self, on):
        for place in self.places:
            ns.offloads(self.ns(place), on)

    def sysctl(self, place, settings):
        ns.sysctl(self.ns(place), settings)

    def popen(self, place, argv, **kw):
        """Starts a program, which close() stops if nobody has by then."""
        with self.inside(place):
            process = subprocess.Popen(argv, **kw)
        self._running.append(process)
        return process

    def run(self, place, argv, **kw):
        """Runs a program in @place; it must succeed, and its output is returned."""
        p = self.popen(place, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       stdin=subprocess.PIPE if "input" in kw else subprocess.DEVNULL, text=True)
        out, _ = p.communicate(kw.get("input"), timeout=kw.get("timeout", 60))
        if p.returncode:
            raise AssertionError(f"{place}: {' '.join(argv)}: status {p.returncode}: {out.strip()}")
        return out

    def _sysctl_first(self, place):
        """Before there is a link, so that no link is ever without them."""
        ipv6 = any(plan.ipv6 for plan in self.plans) and place != "lan"
        for conf in _CONF:
            settings = {f"ipv6/conf/{conf}/disable_ipv6": int(not ipv6),
                        # nobody has our addresses, and nobody tells of routers; and they stay
                        # when a link goes down, as those of IPv4 do
                        f"ipv6/conf/{conf}/keep_addr_on_down": 1,
                        f"ipv6/conf/{conf}/accept_dad": 0, f"ipv6/conf/{conf}/accept_ra": 0,
                        f"ipv6/conf/{conf}/router_solicitations": 0}
            if place in self.routers:
                # Traffic of DSR is asymmetric. And a balancer sends out by the link that
                # it received by: to tell the client of a shorter way would be wrong.
                settings[f"ipv4/conf/{conf}/rp_filter"] = 0
                settings[f"ipv4/conf/{conf}/send_redirects"] = 0
            ns.sysctl(self.ns(place), settings)
        if place in self.routers:
            ns.sysctl(self.ns(place), {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})

    def _links(self):
        p, veth = self.plans[0], self._veth
        self._at("lan").bridge("br0")
        self._at("lan").up("br0")
        veth("c0", "eth0", mac_of("c0"), "r0", "wan0")
        veth("r0", "lan0", mac_of("r0"), "lan", "r0")
        for node in p.nodes:
            veth(node, "lan0", mac_of(node), "lan", node)
            for pod in p.pods_of(node):
                veth(node, pod, mac_of("gw"), pod, "eth0", mac_of(pod))

    def _veth(self, place, link, mac, peer, peer_link, peer_mac=None):
        self._at(place).veth(link, mac, self.ns(peer), peer_link, peer_mac)
        self._ends += (place, link), (peer, peer_link)

    def _up(self):
        for place in self.places:
            self._at(place).up("lo")
        for place, link in self._ends:
            self._at(place).up(link, master="br0" if place == "lan" else None)

    def _addresses(self, p):
        def link(place, name, address, length):
            self._at(place).address(name, address, length)

        link("c0", "eth0", p.client, p.client_len)
        self._at("c0").route(p.anywhere, via=p.client_gw)
        link("r0", "wan0", p.client_gw, p.client_len)
        link("r0", "lan0", p.lan_gw, p.lan_len)
        self._route_services(p)
        for node, address in p.nodes.items():
            link(node, "lan0", address, p.lan_len)
            self._at(node).route(p.anywhere, via=p.lan_gw)
            for other in p.nodes:
                if other != node and p.pods_of(other):
                    self._at(node).route(p.pod_net(other), via=p.nodes[other])
            for pod, pod_address in p.pods_of(node).items():
                link(node, pod, p.pod_gw, p.host_len)
                link(pod, "eth0", pod_address, p.host_len)
                self._at(node).route(f"{pod_address}/{p.host_len}", link=pod, source=address)
                self._at(pod).route(f"{p.pod_gw}/{p.host_len}", link="eth0")
                self._at(pod).route(p.anywhere, via=p.pod_gw, link="eth0")

    def _route_services(self, p):
        self._at("r0").route(p.services, via=p.nodes[BALANCER])

    def plug(self, node, in_):
        """The cable of @node's lan0 is in, or it is out: then its neighbours hear nothing of it, not even that."""
        with Rtnl(self.ns("lan")) as lan:
            (lan.up if in_ else lan.down)(node)


def mac_of(place):
    """Fixed, so that a capture can be read: 02:00:00:00:00:12 is n2's, …:01:21 p21's."""
    if place == "gw":
        return "02:00:00:00:02:01"
    kind, base = {"n": (0, 10), "p": (1, 0), "r": (3, 0), "c": (4, 0)}[place[0]]
    return f"02:00:00:00:{kind:02x}:{base + int(place[1:]):02d}"
