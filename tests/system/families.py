# SPDX-License-Identifier: GPL-2.0-only
"""One configuration for both families. What a family does by itself, the other parts show of each."""
import functools

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import PLANS, V4, V6, endpoint

NODEPORT = 30006
BACKENDS = {V4: "p11", V6: "p21"}


class State:
    def __init__(self):
        self.cluster = c = Cluster()
        self.config = "\n".join([
            "set mode dsr",
            *(f"node add {address}" for plan in PLANS for address in plan.nodes.values()),
            *self.service("web", "tcp"), *self.service("echo", "udp"), ""])
        for node in V4.nodes:
            c.lbadm(node, "apply -", config=self.config)

    @staticmethod
    def service(name, proto):
        """A service address and a backend of each family, however heavy; one node port for both."""
        fronts = " ".join(endpoint(plan.vip(1), 80) for plan in PLANS)
        yield f"service add {name} {proto} {fronts} nodeport:{NODEPORT}"
        for weight, (plan, pod) in zip((60000, 1), BACKENDS.items()):
            at = Service(name, proto, 80, [pod]).at(plan, pod)
            yield f"backend add {name} {at} node {plan.nodes[plan.node_of(pod)]} weight {weight}"


def of_its_own(state):
    """Who asks in one family gets a backend of it."""
    s = state()
    for plan, pod in BACKENDS.items():
        for to in ((plan.vip(1), 80), (plan.nodes["n1"], NODEPORT)):
            for _ in range(3):
                for ask in (clients.tcp_once, clients.udp_once):
                    answer = ask(s.cluster.net, "c0", to)
                    equal((answer.name, answer.client), (pod, plan.client), "who answered, and whom it saw")


def none_of_its_own(state):
    """Where the family has none, the other's is none either."""
    s = state()
    at, node = Service("echo", "udp", 80, []).at(V6, "p21"), V6.nodes["n2"]
    before = s.cluster.drops("n1").get("no-backend", 0)
    s.cluster.lbadm("n1", f"backend del echo {at}")
    try:
        for n, to in enumerate(((V6.vip(1), 80), (V6.nodes["n1"], NODEPORT)), 1):
            with clients.knock(s.cluster.net, "c0", to, "udp"):
                eventually(lambda n=n: s.cluster.drops("n1").get("no-backend", 0) == before + n, "no-backend counted")
        equal(clients.udp_once(s.cluster.net, "c0", (V4.vip(1), 80)).name, "p11", "who answers the other family")
    finally:
        s.cluster.lbadm("n1", f"backend add echo {at} node {node}")


def saved(state):
    """What save prints is what apply reads."""
    s = state()
    text = s.cluster.lbadm("n1", "save")
    for plan in PLANS:
        check(endpoint(plan.vip(1), 80) in text and f"node add {plan.nodes['n1']}" in text, f"not saved: {text}")
    s.cluster.lbadm("n1", "apply -", config=text)
    equal(s.cluster.lbadm("n1", "save"), text, "saved again")


def tests(subset):
    state = functools.lru_cache(State)
    return [(name, functools.partial(f, state)) for name, f in (
        ("both families: a client gets a backend of its own", of_its_own),
        ("both families: a client without a backend of its own", none_of_its_own),
        ("both families: saved and applied", saved))]
