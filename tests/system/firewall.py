# SPDX-License-Identifier: GPL-2.0-only
"""conntrack and a stateful firewall beside us, whichever came first.

FORWARD must see one story: client → backend, with the real client, and what
comes back as its reply. A DSR balancer sees one half of each connection only,
so there the rule for client → backend, not the state, lets it through.
"""
import functools

from net import clients, module
from net.cluster import Cluster, Service
from net.ktap import equal
from net.plan import twins
from oracle import oracle

PLACES = ("p11", "p21")

_RULES = """
table {ip} fw {{
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state established,related counter accept
        {ip} saddr {clients} {ip} daddr {{ {backends} }} tcp dport 8080 counter accept
        {ip} saddr {clients} {ip} daddr {{ {backends} }} udp dport 9090 counter accept
        counter
    }}
}}
"""


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.set_up = None
        self.services = {(proto, place): Service(f"{proto}-{place}", proto, 3000 + n, [place],
                                                 self.cluster.plan.vip(50), 31500 + n)
                         for proto in ("tcp", "udp") for n, place in enumerate(PLACES)}

    def arrange(self, first, mode):
        """@first has its hooks before the other has them."""
        if self.set_up == (first, mode):
            return
        c = self.cluster
        for node in c.plan.nodes:
            c.net.run(node, ["nft", "flush", "ruleset"])
        if first == "conntrack":
            module.unload()
            self.rules(mode)
            module.load(mode=mode)
        else:
            module.reload(mode=mode)
        c.apply(self.services.values(), f"mode {mode}")
        if first != "conntrack":
            self.rules(mode)
        self.set_up = first, mode

    def rules(self, mode):
        plan = self.cluster.plan
        # who a node's firewall takes for the client
        seen = {"n1": plan.client}
        seen["n2"] = {"snat": plan.nodes["n1"], "dsr": plan.client,
                      "hybrid": f"{{ {plan.client}, {plan.nodes['n1']} }}"}[mode]
        backends = ", ".join(plan.address(p) for p in PLACES)
        for node, who in seen.items():
            self.cluster.net.run(node, ["nft", "-f", "-"],
                                 input=_RULES.format(ip=plan.ip, clients=who, backends=backends))


def through(state, first, mode, proto, place, front):
    s = state()
    s.arrange(first, mode)
    to = s.services[proto, place].front(s.cluster.plan, front)
    with s.cluster.capture() as capture:
        if proto == "tcp":      # long enough for the firewall to have seen an established one
            with clients.Tcp(s.cluster.net, "c0", to) as c:
                for _ in range(3):
                    answer = c.ask()
        else:
            with clients.Udp(s.cluster.net, "c0", to) as c:
                for _ in range(3):
                    answer = c.ask()
        want = oracle(s.cluster.plan, mode, proto, "cluster", place)
        equal((answer.name, answer.client), (place, want.client), "server and the client that it saw",
              capture.dump)
        equal([str(p) for p in capture.bad()], [], "wrong packets")


def tests(subset):
    return twins(of_family)


def of_family(plan):
    state = functools.lru_cache(functools.partial(State, plan))
    out = []
    for first in ("conntrack", "bpflb"):
        for mode in ("snat", "dsr", "hybrid"):
            for proto in ("tcp", "udp"):
                for place in PLACES:
                    for front in ("vip", "nodeport"):
                        out.append((f"{first} first: {mode} {proto} {place} {front} through a firewall",
                                    functools.partial(through, state, first, mode, proto, place, front)))
    return out
