# SPDX-License-Identifier: GPL-2.0-only
"""A service that has a mode of its own, beside those that go by the settings'."""
import functools

from net import clients
from net.cluster import Cluster, Service
from net.ktap import equal
from net.plan import endpoint, twins

ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}
MODES = ("snat", "dsr", "hybrid")
PORTS = {"default": 80, "snat": 81, "dsr": 82, "hybrid": 83}


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(85)

    def serve(self, mode):
        """A service of each mode, all of one backend on another node; @mode is the settings'."""
        self.cluster.apply([Service(f"{own}-{proto}", proto, port, ["p21"], self.vip, options=f"mode {own}")
                            for own, port in PORTS.items() for proto in ASK], f"mode {mode}")

    def seen(self, proto, port):
        """Whom the backend sees: "dsr" or "snat"."""
        client = ASK[proto](self.cluster.net, "c0", (self.vip, port)).client
        return {self.plan.client: "dsr", self.plan.nodes["n1"]: "snat"}[client]


def is_dsr(mode, proto):
    return mode == "dsr" or (mode == "hybrid" and proto == "tcp")


def side_by_side(state, mode):
    s = state()
    s.serve(mode)
    for own, port in PORTS.items():
        for proto in ASK:
            equal(s.seen(proto, port), "dsr" if is_dsr(mode if own == "default" else own, proto) else "snat",
                  f"how {proto} of a service of mode {own} gets there")


def changed(state):
    """A new mode is for new flows: a connection goes on as it began."""
    s = state()
    s.serve("snat")
    with clients.Tcp(s.cluster.net, "c0", (s.vip, PORTS["default"])) as old:
        equal(old.ask().client, s.plan.nodes["n1"], "whom the backend sees")
        s.cluster.lbadm("n1", "service set default-tcp mode dsr")
        equal(s.seen("tcp", PORTS["default"]), "dsr", "how a new connection gets there")
        equal(old.ask().client, s.plan.nodes["n1"], "whom the backend sees in the old one")
        equal(s.cluster.flow_of("n1", old.local)["kind"], "snat", f"kind of the flow of {endpoint(*old.local)}")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"mode per service, where the settings say {mode}", functools.partial(side_by_side, state, mode))
                  for mode in MODES),
                ("mode per service: it changes", functools.partial(changed, state))]
    return twins(of_family)
