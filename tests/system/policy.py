# SPDX-License-Identifier: GPL-2.0-only
"""Which of a service's backends may answer whom, and whom they see."""
import functools

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal
from net.plan import endpoint, twins

PORT, NODEPORT = 80, 30080
ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(50)

    def apply(self, backends, words="", *settings, fronts=None):
        """A service of each protocol: @backends {place: words}, @words of the service; on every node."""
        lines = [f"set {s}" for s in settings]
        lines += [f"node add {address}" for address in self.plan.nodes.values()]
        for proto in ASK:
            service = Service(f"web-{proto}", proto, PORT, [])
            lines.append(f"service add {service.name} {proto} {fronts or self.fronts()} {words}")
            lines += [f"backend add {service.name} {service.at(self.plan, place)} "
                      f"node {self.plan.nodes[self.plan.node_of(place)]} {more}"
                      for place, more in backends.items()]
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply -", config="\n".join([*lines, ""]))

    def fronts(self):
        return f"{endpoint(self.vip, PORT)} nodeport:{NODEPORT}"

    def front(self, which, node="n1"):
        return (self.vip, PORT) if which == "vip" else (self.plan.nodes[node], NODEPORT)

    def ask(self, proto, place="c0", to=None, **kw):
        return ASK[proto](self.cluster.net, place, to or (self.vip, PORT), **kw)

    def who(self, proto, place="c0", to=None, enough=16):
        """Who answers, of so many that are asked; with two to choose from, each is met all but surely."""
        return {self.ask(proto, place, to).name for _ in range(enough)}

    def refused(self, proto, place="c0", to=None):
        """At once: an ICMP error tells that there is nobody."""
        with self.cluster.net.socket(place, self.plan.family, {"tcp": 1, "udp": 2}[proto]) as s:
            s.settimeout(5)
            try:
                s.connect(to or (self.vip, PORT))
                s.send(b"/nobody")
                s.recv(100)
            except ConnectionRefusedError:
                return
        check(False, f"{proto} from {place} was answered")


TERMINATING = "state terminating"


def terminating(state):
    """Those that are about to end serve where no other does: here and everywhere, each for itself."""
    s = state()
    for backends, cluster, local in (
            ({"p11": "", "p12": TERMINATING, "p21": TERMINATING}, {"p11"}, {"p11"}),
            ({"p11": TERMINATING, "p12": "state draining", "p21": ""}, {"p21"}, {"p11"}),
            ({"p11": TERMINATING, "p12": "state down", "p21": "weight 0"}, {"p11"}, {"p11"}),
            ({"p11": TERMINATING, "p12": TERMINATING, "p21": "state down"}, {"p11", "p12"}, {"p11", "p12"})):
        for words, want in (("policy cluster", cluster), ("policy local", local)):
            s.apply(backends, words)
            for proto in ASK:
                for front in "vip", "nodeport":
                    equal(s.who(proto, to=s.front(front)), want, f"who answers {proto}, {words}, of {backends}")


def terminating_alone(state):
    """One that does not serve any more is used by nobody, though there is no other."""
    s = state()
    for words in "state draining", "state down", f"{TERMINATING} weight 0":
        s.apply({"p11": words, "p21": words})
        for proto in ASK:
            s.refused(proto)


def terminating_and_ready(state):
    """Whoever is there when a ready one comes stays; new ones go there."""
    s = state()
    s.apply({"p11": TERMINATING})
    with clients.Tcp(s.cluster.net, "c0", (s.vip, PORT)) as tcp, \
         clients.Udp(s.cluster.net, "c0", (s.vip, PORT)) as udp:
        for there in tcp, udp:
            equal(there.ask().name, "p11", "who answers while it is the only one")
        s.apply({"p11": TERMINATING, "p21": ""})
        for there in tcp, udp:
            equal({there.ask().name for _ in range(3)}, {"p11"}, "who answers whom it has answered before")
        for proto in ASK:
            equal(s.who(proto, enough=5), {"p21"}, f"who answers new {proto}")


def tests(subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        cases = [("terminating backends serve where no other does", terminating),
                 ("backends that do not serve are never used", terminating_alone),
                 ("terminating: flows stay, new ones go to a ready backend", terminating_and_ready)]
        if subset:
            cases = cases[:1]
        return [(name, functools.partial(function, state)) for name, function in cases]
    return twins(of_family)
