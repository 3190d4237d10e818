# SPDX-License-Identifier: GPL-2.0-only
"""Services of many ports, and one whose datagrams are each for themselves, in a whole cluster."""
import functools

from net import clients
from net.cluster import PORTS, Cluster, Service
from net.ktap import check, equal
from net.plan import endpoint, twins

ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}
FOUR = ["p11", "p21", "p22", "p31"]     # one here, two on one node, one on another
MODES = ("snat", "dsr", "hybrid")


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(70)

    def serve(self, mode, *lines):
        """What all nodes have, and nothing else."""
        nodes = [f"node add {address}" for address in self.plan.nodes.values()]
        text = "\n".join([f"set mode {mode}", *nodes, *lines, ""])
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply", "-", config=text)
            self.cluster.lbadm(node, "flow flush")

    def backends(self, name, places, port):
        return [f"backend add {name} {endpoint(self.plan.address(p), port)} node {self.plan.nodes[self.plan.node_of(p)]}"
                for p in places]

    def ask(self, proto, port):
        return ASK[proto](self.cluster.net, "c0", (self.vip, port))


def kept(state, mode, proto):
    """Backends that are asked at the port that the client asks at."""
    s, port = state(), PORTS[proto]
    s.serve(mode, f"service add many {proto} {endpoint(s.vip, f'{port - 5}-{port + 5}')} scheduler rr",
            *s.backends("many", FOUR, "*"))
    answers = [s.ask(proto, port) for _ in FOUR * 3]
    equal({a.name for a in answers}, set(FOUR), "who answers")
    if mode != "snat" and (mode, proto) != ("hybrid", "udp"):
        equal({a.client for a in answers}, {s.plan.client}, "whom they see")
    try:
        ASK["tcp"](s.cluster.net, "c0", (s.vip, port + 1))
    except OSError:
        return
    check(proto == "udp", "somebody answers where nobody listens")


def precedence(state, proto):
    """A single port, a range that has it, all ports; each in turn goes away."""
    s, server = state(), PORTS[proto]
    lines = {name: [f"service add {name} {proto} {endpoint(s.vip, ports)}", *s.backends(name, [place], server)]
             for name, ports, place in (("one", "8500", "p31"), ("some", "8000-8999", "p21"), ("all", "*", "p11"))}
    s.serve("dsr", *(line for more in lines.values() for line in more))
    equal([s.ask(proto, port).name for port in (8500, 8499, 8000, 8999, 7999, 9000, 1, 65535)],
          ["p31", "p21", "p21", "p21", "p11", "p11", "p11", "p11"], "who answers")
    s.serve("dsr", *lines["some"], *lines["all"])
    equal([s.ask(proto, port).name for port in (8500, 7999)], ["p21", "p11"], "without the single port")
    s.serve("dsr", *lines["all"])
    equal([s.ask(proto, port).name for port in (8500, 7999)], ["p11", "p11"], "without the range")


def each_afresh(state, mode):
    """One socket's datagrams go to all backends by turns, and the answers are all the service's."""
    s = state()
    s.serve(mode, f"service add each udp {endpoint(s.vip, 53)} one-packet on scheduler rr",
            *s.backends("each", FOUR, PORTS["udp"]))
    with clients.Udp(s.cluster.net, "c0", (s.vip, 53)) as one:
        answers = []
        for _ in range(16):
            answers.append(one.ask())
            equal(one.source, (s.vip, 53), "who is heard")
        equal(sorted(a.name for a in answers[:4]), FOUR, "the first four")
        equal([a.name for a in answers[4:]], [a.name for a in answers[:-4]], "those that follow")
        kinds = {"snat": "snat", "hybrid": "snat", "dsr": "dsr-out"}
        flows = s.cluster.flows("n1", f"client {endpoint(s.plan.client, one.local[1])}")
        equal(sorted(f["kind"] for f in flows), sorted(["local"] + [kinds[mode]] * 3), "flows")


def limits(state, where):
    """Flows that exist go on where there may be no more; one more client gets none."""
    s = state()
    lines = s.backends("each", FOUR[:2], PORTS["udp"])
    if where == "backends":
        lines = [f"{line} flows-max 1" for line in lines]
    options = "flows-max 2" * (where == "service")
    s.serve("snat", f"service add each udp {endpoint(s.vip, 53)} one-packet on scheduler rr {options}", *lines)
    before = s.cluster.drops("n1").get("flows-max", 0)
    with clients.Udp(s.cluster.net, "c0", (s.vip, 53)) as one, \
            clients.Udp(s.cluster.net, "c0", (s.vip, 53), timeout=0.5) as more:
        equal(sorted(one.ask().name for _ in range(8)), sorted(FOUR[:2] * 4), "who answers")
        try:
            more.ask()
        except TimeoutError:
            pass
        else:
            check(False, "one more client was served")
        equal([one.ask().name in FOUR[:2] for _ in range(4)], [True] * 4, "who answers then")
    equal(s.cluster.drops("n1").get("flows-max", 0) - before, 1, "datagrams dropped")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"a range of ports: kept, {mode} {proto}", functools.partial(kept, state, mode, proto))
                  for mode in MODES for proto in ASK),
                *((f"a range of ports: one port, a range, all, {proto}", functools.partial(precedence, state, proto))
                  for proto in ASK),
                *((f"one-packet, {mode}", functools.partial(each_afresh, state, mode)) for mode in MODES),
                *((f"one-packet, flows-max of the {where}", functools.partial(limits, state, where))
                  for where in ("service", "backends"))]
    return twins(of_family)
