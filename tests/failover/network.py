# SPDX-License-Identifier: GPL-2.0-only
"""A cluster with more than one balancer, which may crash, and the means to see who balances what.

    c0 --- r0 --- lan (bridge) --- n1, n2, n3      balancers
                             +---- n2 --- p21      backends, on balancers
                             +---- n3 --- p31
                             +---- n4 --- p41      and elsewhere
                             +---- n5 --- p51
"""
import dataclasses
import json
import os

from net import plan as net_plan
from net.cluster import Cluster, Service
from net.ktap import eventually
from net.rtnl import running
from net.topology import Topology

BALANCERS = ("n1", "n2", "n3")
# Who is alive must not be taken for dead: where all is slow, since it is emulated or has debugging, daemons wait longer.
PATIENCE = 1 if os.environ.get("LAB_KERNEL") == "uml-up" else 4
PODS = ("p21", "p31", "p41", "p51")


def _plan(plan, node, pod):
    """@node, @pod: an address of each but for its number"""
    return dataclasses.replace(plan, nodes={f"n{n}": node.format(n) for n in range(1, 6)},
                               pods={p: (f"n{p[1]}", pod.format(p[1])) for p in PODS})


V4 = _plan(net_plan.V4, "192.168.0.1{}", "10.0.{}.11")
V6 = _plan(net_plan.V6, "2001:db8:1::1{}", "2001:db8:a{}::11")
PLANS = V4, V6

_SEEN = """
table inet seen {{
    set ports {{ type inet_proto . inet_service; size 65535; flags dynamic; }}
    chain look {{
        type filter hook prerouting priority -500;
        {ip} daddr {vip} meta l4proto {{ tcp, udp }} update @ports {{ meta l4proto . th sport }}
    }}
}}
"""


class Network(Topology):
    def __init__(self):
        super().__init__(PLANS)

    def setup(self, offloads=False):
        super().setup(offloads)
        # A packet that comes by veth has the hash which its socket gave it, and there another one after each
        # timeout: to a router that is another flow then. Of a packet that came by a wire it would be the same.
        self.sysctl("c0", {"core/txrehash": 0})
        return self

    def _route_services(self, p):
        """Nobody does so for good: that is what the tests are about."""


class Site(Cluster):
    """All nodes with the same configuration: at @vip a service of UDP and, for each of @dispatches, one of TCP."""

    def __init__(self, plan, mode, vip, dispatches):
        super().__init__(plan, mode, servers_at=PODS, topology=Network())
        self.udp = (vip, 53)
        self.tcp = [(vip, 80 + n) for n in range(len(dispatches))]
        self._services = [Service("echo", "udp", self.udp[1], PODS, vip, options="scheduler maglev")]
        self._services += [Service(f"web-{port}", "tcp", port, PODS, vip,
                                   options=f"scheduler maglev dispatch {dispatch}")
                           for dispatch, (_, port) in zip(dispatches, self.tcp)]
        self.apply(self._services)
        for node in BALANCERS:
            self.net.run(node, ["nft", "-f", "-"], input=_SEEN.format(ip=plan.ip, vip=vip))

    def _meet(self):
        """Whom a node is to believe notes from it has to know by its MAC."""
        for node in self.plan.nodes:
            for balancer in BALANCERS:
                words = ["ip", "neigh", "show", self.plan.nodes[balancer], "dev", "lan0"]
                if node != balancer:
                    eventually(lambda node=node, words=words: "lladdr" in self.net.run(node, words),
                               f"{node} knows {balancer}'s MAC")
        self._met.add(self.plan)

    def crash(self, node):
        """Nobody hears of it again, and it forgets all that it knew."""
        self.net.plug(node, False)
        self.lbadm(node, "apply", "/dev/null")
        self.lbadm(node, "flow flush")

    def boot(self, node):
        self.apply(self._services, nodes=[node])
        self.net.plug(node, True)
        eventually(lambda: running(self.net.ns(node)) and running(self.net.ns("lan")), f"{node}'s link runs")

    def seen(self):
        """{(protocol, client's port): the balancers that had a packet of it}, since it was asked last."""
        ports = {}
        for node in BALANCERS:
            out = self.net.run(node, ["nft", "-j", "list", "set", "inet", "seen", "ports"])
            self.net.run(node, ["nft", "flush", "set", "inet", "seen", "ports"])
            for proto, port in _elements(json.loads(out)):
                ports.setdefault((proto, port), set()).add(node)
        return ports


def _elements(listed):
    return [e["concat"] for o in listed["nftables"] if "set" in o for e in o["set"].get("elem", [])]
