# SPDX-License-Identifier: GPL-2.0-only
"""The cluster with the module and lbadm: what it is given, and what it tells."""
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field

from . import module, servers
from .capture import Capture
from .ktap import eventually
from .plan import V4, endpoint
from .topology import BALANCER, Topology

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LBADM = os.environ.get("LBADM", f"{_TOP}/build/lbadm")
PORTS = {"tcp": servers.TCP_PORT, "udp": servers.UDP_PORT}


@dataclass
class Service:
    """@backends: places, or {place: weight}; @nodeport, @vip: 0 or "" for none."""
    name: str
    proto: str
    port: int
    backends: object
    vip: str = ""
    nodeport: int = 0
    policy: str = "cluster"
    backend_port: int = 0
    options: str = ""
    plain: bool = field(default=False)      # backends on machines without bpflb

    def lines(self, plan):
        fronts = [endpoint(self.vip, self.port)] if self.vip else []
        fronts += [f"nodeport:{self.nodeport}"] if self.nodeport else []
        yield (f"service add {self.name} {self.proto} {' '.join(fronts)} "
               f"policy {self.policy} {self.options}").strip()
        weights = self.backends if isinstance(self.backends, dict) else dict.fromkeys(self.backends, 1)
        for place, weight in weights.items():
            where = "" if self.plain else f" node {plan.nodes[plan.node_of(place)]}"
            yield f"backend add {self.name} {self.at(plan, place)}{where} weight {weight}"

    def at(self, plan, place):
        return endpoint(plan.address(place), self.backend_port or PORTS[self.proto])

    def front(self, plan, which="vip"):
        """(address, port) to ask at, through the balancer."""
        return (self.vip, self.port) if which == "vip" else (plan.nodes[BALANCER], self.nodeport)


def _endpoint(value):
    return value["address"], value["port"]


class Cluster:
    """The topology with the module, servers everywhere, and lbadm; one at a time.

    It has both families; @plan is the one of the services that apply() is given.
    """

    current = None

    def __init__(self, plan=V4, mode="snat", offloads=False, servers_at=None, topology=None, **params):
        if Cluster.current:
            Cluster.current.close()
        Cluster.current = self
        # There is something to close even if what follows fails.
        self.nginx = self.echo = None
        self.net = topology or Topology()
        module.reload(mode=mode, **params)
        self.net.setup(offloads)
        self.plan = plan
        places = [*self.plan.pods, *self.plan.nodes] if servers_at is None else servers_at
        self.nginx = servers.Nginx(self.net, places) if places else None
        self.echo = servers.UdpEcho(self.net, places) if places else None
        self._met = set()

    def capture(self, places=None):
        return Capture(self.net, places)

    def close(self):
        for server in (self.nginx, self.echo):
            if server:
                server.close()
        self.net.close()
        Cluster.current = None

    def config(self, services, settings=()):
        """What every node is given: the same."""
        lines = [f"set {s}" for s in settings]
        lines += [f"node add {address}" for address in self.plan.nodes.values()]
        for service in services:
            lines += service.lines(self.plan)
        return "\n".join(lines) + "\n"

    def apply(self, services, *settings, nodes=None):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(self.config(services, settings))
            f.flush()
            for node in nodes or self.plan.nodes:
                self.lbadm(node, "apply", f.name)
        if not nodes and self.plan not in self._met:
            self._meet()

    def _meet(self):
        """A node that has just been configured asks for the balancer's MAC, and believes no note until it
        has it: a datagram would be lost."""
        words = ["ip", "neigh", "show", self.plan.nodes[BALANCER], "dev", "lan0"]
        for node in self.plan.nodes:
            if node != BALANCER:
                eventually(lambda node=node: "lladdr" in self.net.run(node, words), f"{node} knows the balancer's MAC")
        self._met.add(self.plan)

    def lbadm(self, node, *words, config=None):
        """A string is many words. Returns what lbadm printed; a refusal is an error."""
        if len(words) == 1:
            words = words[0].split()
        argv = [LBADM, "-n", self.net.ns(node), *words]
        p = subprocess.run(argv, input=config, capture_output=True, text=True, check=False)
        if p.returncode:
            raise RuntimeError(f"{' '.join(argv)}: status {p.returncode}: {p.stderr.strip()}")
        return p.stdout

    def json(self, node, words):
        return json.loads(self.lbadm(node, f"-j {words}"))

    def drops(self, node):
        """{reason: packets}, without those that never happened."""
        drops = self.json(node, "stats")["stats"]["drops"]
        return {d["reason"]: d["packets"] for d in drops if d["packets"]}

    def flows(self, node, words=""):
        """Each with kind, state, service; client, frontend and backend as (address, port)."""
        flows = self.json(node, f"flow list {words}")["flows"]
        for flow in flows:
            for end in ("client", "frontend", "backend"):
                flow[end] = _endpoint(flow[end])
        return flows

    def flow_of(self, node, client):
        """The flow of the client's socket @client, or None. Of an earlier socket's with that port, it is the later."""
        flows = self.flows(node, f"client {endpoint(*client)}")
        return min(flows, key=lambda flow: flow["idle"], default=None)

    def counters(self, node, service, place):
        """Of the service's backend at @place."""
        return next(b["counters"] for b in self.json(node, f"backend list {service.name}")["backends"]
                    if b["address"] == self.plan.address(place))
