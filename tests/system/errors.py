# SPDX-License-Identifier: GPL-2.0-only
"""Two balancers: what a router says of an answer arrives at the one that never saw the connection.

r0 is given the clients' packets for n1, and its own for n2. Its link to the client is narrow: a download
comes to an end only if the backend hears of it.
"""
import contextlib
import functools
import itertools

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal
from net.packet import ICMP, ICMPV6
from net.plan import twins

NARROW = 1400
TABLE = 77
BACKENDS = "p11", "p21", "p31", "p32"      # at the one balancer, at the other, and elsewhere


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(140)
        self.ports = itertools.count(41000)     # none twice: what a node remembers of a closed one is of no use here
        self.data = self.cluster.nginx.file("large", 60000)

    def ip(self, place, words):
        return self.cluster.net.run(place, ["ip", "-6" if self.plan.ipv6 else "-4", *words.split()])

    def serve(self, mode, *backends):
        self.cluster.apply([Service("web", "tcp", 80, backends, self.vip, options="scheduler maglev")], f"mode {mode}")

    @contextlib.contextmanager
    def told_elsewhere(self):
        plan = self.plan
        client = f"{plan.client}/{plan.host_len} dev wan0"
        self.ip("r0", f"route replace {client} mtu lock {NARROW}")
        self.ip("r0", f"route add {plan.services} via {plan.nodes['n2']} table {TABLE}")
        self.ip("r0", f"rule add iif lo to {plan.services} lookup {TABLE} priority 100")
        try:
            yield
        finally:
            self.ip("r0", f"rule del iif lo to {plan.services} lookup {TABLE} priority 100")
            self.ip("r0", f"route del {plan.services} via {plan.nodes['n2']} table {TABLE}")
            self.ip("r0", f"route del {client} mtu lock {NARROW}")
            self.forget()

    def forget(self):
        """What backends and the client have learned."""
        for place in (*BACKENDS, "c0"):
            self.ip(place, "route flush cache")

    def download(self, port):
        """Returns the pod that served it."""
        with clients.Tcp(self.cluster.net, "c0", (self.vip, 80), ("", port)) as c:
            pod = c.ask().name
            equal(c.ask("/files/large"), self.data, "file")
        return pod


def download(state, mode, backends, wanted):
    """Whichever backend it is from, n2 finds that, and nobody else hears of it."""
    s = state()
    s.serve(mode, *backends)
    with s.told_elsewhere(), s.cluster.capture() as capture:
        served = set()
        for port in itertools.islice(s.ports, 40):
            s.forget()
            capture.clear()
            pod = s.download(port)
            served.add(pod)
            told = [p for p in capture.matching(lambda p: p.proto in (ICMP, ICMPV6)) if p.place == "r0" and p.out]
            check(told, "r0 has told nobody", capture.dump)
            equal({p.mac_dst[-1] for p in told}, {0x12}, "whom r0 has told: n2", capture.dump)
            heard = {p.dst for p in capture.matching(lambda p: p.proto in (ICMP, ICMPV6) and p.dst != s.vip)}
            equal(heard, {s.plan.address(pod)}, "who has heard of it", capture.dump)
            equal([str(p) for p in capture.bad()], [], "wrong packets")
            if served == wanted:
                break
        equal(served, wanted, "backends that have served")
    equal([f for f in s.cluster.flows("n2") if f["kind"] != "dsr-in"], [], "flows at n2 but those that n1 has told of")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [(f"pmtu: another balancer is told, {mode} from {', '.join(wanted)}",
                 functools.partial(download, state, mode, wanted, set(wanted)))
                for mode, wanted in (("dsr", ("p31",)), ("dsr", BACKENDS), ("hybrid", ("p31", "p32")))]
    return twins(of_family)
