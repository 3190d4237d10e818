# SPDX-License-Identifier: GPL-2.0-only
"""BIRD on the router and the balancers: BGP that announces the service addresses, BFD that finds the dead."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from net.ktap import eventually
from network import BALANCERS, PATIENCE, PLANS

# A balancer counts as dead when nothing came from it for a second, or what PATIENCE makes of that.
_COMMON = """
log "{dir}/log" all;
router id {id};
protocol device {{ }}
protocol bfd {{
    interface "lan0" {{ interval {interval} ms; multiplier 5; }};
}}
template bgp peer {{
    local as {own};
    bfd on;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 1;
}}
"""

_KERNEL = """
protocol kernel {{
    merge paths on;
    {ip} {{ import none; export all; }};
}}
"""
_FROM_BALANCER = """
protocol bgp {node}_{ip} from peer {{
    neighbor {address} as 64513;
    {ip} {{ import where net ~ [ {services}{{{length},{length}}} ]; export none; }};
}}
"""
_TO_ROUTER = """
protocol static services_{ip} {{
    {ip};
    route {vip}/{length} blackhole;
}}
protocol bgp router_{ip} from peer {{
    neighbor {router} as 64512;
    {ip} {{ import none; export where source = RTS_STATIC; }};
}}
"""


def _ip(plan):
    return "ipv6" if plan.ipv6 else "ipv4"


def _router():
    text = "".join(_KERNEL.format(ip=_ip(plan)) for plan in PLANS)
    for plan in PLANS:
        for node in BALANCERS:
            text += _FROM_BALANCER.format(node=node, ip=_ip(plan), address=plan.nodes[node],
                                          services=plan.services, length=plan.host_len)
    return text


def _balancer(vips):
    return "".join(_TO_ROUTER.format(ip=_ip(plan), vip=vip, length=plan.host_len, router=plan.lan_gw)
                   for plan, vip in zip(PLANS, vips))


class Bird:
    """One daemon, in @place."""

    def __init__(self, topology, place, own, text):
        self._topology, self._place = topology, place
        self._dir = tempfile.mkdtemp(prefix="bird-")
        router_id = PLANS[0].nodes.get(place, PLANS[0].lan_gw)
        with open(self._file("conf"), "w") as f:
            f.write(_COMMON.format(dir=self._dir, id=router_id, own=own, interval=200 * PATIENCE) + text)
        self.start()

    def _file(self, name):
        return f"{self._dir}/{name}"

    def start(self):
        self._process = self._topology.popen(self._place, [
            "bird", "-f", "-c", self._file("conf"), "-s", self._file("control"), "-P", self._file("pid")])
        eventually(lambda: os.path.exists(self._file("pid")), f"{self._place}: bird runs")

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.unlink(self._file("pid"))

    def ask(self, *words):
        """What birdc prints."""
        return subprocess.run(["birdc", "-s", self._file("control"), *words], check=True,
                              capture_output=True, text=True).stdout

    def log(self):
        with open(self._file("log")) as f:
            return f.read().splitlines()

    def close(self):
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._dir)


class Routers:
    """All of them; the router sends each flow to one of the balancers that announce @vips (one of each family)."""

    def __init__(self, topology, vips):
        self._topology, self._vips = topology, vips
        topology.sysctl("r0", {"ipv4/fib_multipath_hash_policy": 1, "ipv6/fib_multipath_hash_policy": 1})
        self.router = Bird(topology, "r0", 64512, _router())
        self.of = {node: Bird(topology, node, 64513, _balancer(vips)) for node in BALANCERS}
        eventually(lambda: self.announced(BALANCERS), "routes by all balancers", 30, self.router.log)

    def announced(self, nodes):
        """Whether the router has routes of both families by way of @nodes and nobody else, and BFD watches these."""
        return all(self._ways(plan, vip) == len(nodes) for plan, vip in zip(PLANS, self._vips)) and \
            self.router.ask("show", "bfd", "sessions").count("Up") >= len(nodes) * len(PLANS)

    def _ways(self, plan, vip):
        routes = json.loads(self._topology.run("r0", ["ip", "-j", "-6" if plan.ipv6 else "-4", "route", "show", vip]))
        return sum(len(r.get("nexthops", [r])) for r in routes)

    def withdraw(self, node):
        """It announces nothing any more, and goes on balancing what still comes."""
        self.of[node].ask("disable", '"services*"')

    def lost_by_bfd(self, node, plan):
        """Whether it was BFD which told the router that @node is gone."""
        return "BFD session down" in self.router.ask("show", "protocols", "all", f"{node}_{_ip(plan)}")

    def close(self):
        for bird in (self.router, *self.of.values()):
            bird.close()
