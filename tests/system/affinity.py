# SPDX-License-Identifier: GPL-2.0-only
"""A client has the backend again that it had."""
import contextlib
import functools
import ipaddress
import socket
import time

from net import clients, maglev
from net.cluster import PORTS, Cluster, Service
from net.ktap import check, equal
from net.plan import endpoint, twins

THREE = ["p11", "p21", "p31"]
ASK = {"udp": clients.udp_once, "tcp": clients.tcp_once}
NODEPORT = 30080
IP_PKTINFO, IP_FREEBIND, IPV6_FREEBIND = 8, 15, 78
# Of 16384 sets of 8 places some ten are asked for by more than 8 of them.
CLIENTS = 36000


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan, "dsr")
        self.plan = plan
        self.vips = [plan.vip(60), plan.vip(61)]

    def serve(self, options="scheduler rr affinity 1h", backends=THREE, **kw):
        """A service of each protocol at two addresses and a node port; nobody is remembered."""
        self.cluster.apply([])
        self.cluster.lbadm("n1", "flow flush")
        services = [Service(f"stick-{proto}", proto, 80, backends, self.vips[0], options=options, **kw)
                    for proto in ASK]
        self.cluster.apply(services)
        fronts = " ".join([*(endpoint(vip, 80) for vip in self.vips), f"nodeport:{NODEPORT}"])
        self.do(f"service set stick-PROTO address {fronts}")

    def do(self, words):
        for node in self.plan.nodes:
            for proto in ASK:
                self.cluster.lbadm(node, words.replace("PROTO", proto))

    def backend(self, words, place, more=""):
        for proto in ASK:
            at = endpoint(self.plan.address(place), PORTS[proto])
            self.cluster.lbadm("n1", f"backend {words} stick-{proto} {at} {more}")

    def fronts(self):
        return [*((vip, 80) for vip in self.vips), (self.plan.nodes["n1"], NODEPORT)]

    def who(self, proto, to=None, **kw):
        return ASK[proto](self.cluster.net, "c0", to or (self.vips[0], 80), **kw).name

    def clients(self, count):
        """So many addresses of the client's, one after the other."""
        for n in range(1, count + 1):
            address = self.plan.more(self.plan.client, n)
            self.cluster.net.run("c0", ["ip", "addr", "replace", f"{address}/{self.plan.client_len}", "dev", "eth0",
                                        *(["nodad"] if self.plan.ipv6 else [])])
            yield address


def every_address(state):
    """Each client has one backend at all addresses; the clients go round."""
    s = state()
    s.serve()
    for proto in ASK:
        chosen = []
        for client in s.clients(6):
            names = {s.who(proto, to, source=(client, 0)) for to in s.fronts() for _ in range(3)}
            equal(len(names), 1, f"backends of {client}: {names}")
            chosen += names
        equal(sorted(chosen), sorted(THREE * 2), f"backends of six clients in turn, {proto}")


def who_is_full(state):
    """A client whose backend is full gets another one, and keeps that when the first has room again."""
    s = state()
    s.serve()
    with clients.Udp(s.cluster.net, "c0", (s.vips[0], 80)) as first:
        before = first.ask().name
        s.backend("set", before, "flows-max 1")
        other = s.who("udp")
        check(other != before, f"{other} is full")
    s.cluster.lbadm("n1", "flow flush")
    equal([s.who("udp", to) for to in s.fronts()], [other] * 3, "who serves when there is room again")


def services_apart(state):
    """What a client has of one service says nothing about another one."""
    s = state()
    s.serve()
    for client, first in zip(s.clients(3), (True, False, False)):
        one = s.who("udp", source=(client, 0))
        if first:
            before = one
    check(s.who("udp", source=(s.plan.more(s.plan.client, 1), 0)) == before, "the first client's backend")
    names = [s.who("tcp", source=(client, 0)) for client in s.clients(3)]
    equal(sorted(names), THREE, "backends of three clients of the other service")


def new_flows_refresh(state):
    """What is said in a flow does not prolong it, a new flow does."""
    s = state()
    s.serve("scheduler rr affinity 2s")
    with clients.Tcp(s.cluster.net, "c0", (s.vips[0], 80)) as open_one:
        name = open_one.ask().name
        end = time.monotonic() + 4
        while time.monotonic() < end:
            equal(s.who("tcp"), name, "who answers new flows that are less than 2 s apart")
            time.sleep(0.5)
        end = time.monotonic() + 3.1
        while time.monotonic() < end:
            equal(open_one.ask().name, name, "who answers in the flow that there is")
            time.sleep(0.1)
        check(s.who("tcp") != name, f"{name} again, though no flow came for more than 3 s")


def not_to_be_had(state):
    """Who can't have its backend gets another one, and stays with that."""
    s = state()
    for change, back in (("weight 0", "weight 1"), ("state draining", "state active"), ("state down", "state active"),
                         ("", None)):
        s.serve()
        was = {proto: s.who(proto) for proto in ASK}
        for place in set(was.values()):
            s.backend("set" if change else "del", place, change)
        now = {proto: s.who(proto) for proto in ASK}
        for proto in ASK:
            check(now[proto] != was[proto], f"{proto}: still {was[proto]}, which has {change or 'gone'}")
        for place in set(was.values()):
            more = back or f"node {s.plan.nodes[s.plan.node_of(place)]}"
            s.backend("set" if change else "add", place, more)
        for proto in ASK:
            equal({s.who(proto) for _ in range(4)}, {now[proto]}, f"{proto}: who answers when all are back")


def sick(state):
    """One that does not answer, but is said to be there, keeps its clients."""
    s = state()
    s.serve(backend_port=4)
    for _ in range(6):
        clients.knock(s.cluster.net, "c0", (s.vips[0], 80), "udp").close()
    flows = s.cluster.flows("n1", "service stick-udp")
    equal((len(flows), len({f["backend"] for f in flows})), (6, 1), "flows, and their backends")


def by_policy(state):
    """A backend that the policy does not allow is not to be had."""
    s = state()
    s.serve(backends=["p21", "p31", "p11", "p12"])
    for client in s.clients(4):
        s.who("tcp", source=(client, 0))
    s.do("service set stick-PROTO policy local")
    for client in s.clients(4):
        names = {s.who("tcp", source=(client, 0)) for _ in range(4)}
        check(len(names) == 1 and names < {"p11", "p12"}, f"backends of {client}: {names}")


def by_maglev(state):
    """The client's port does not count then: the choice is Cilium's for a service with affinity."""
    s = state()
    s.serve("scheduler maglev affinity 1h")
    table = maglev.table({(s.plan.address(p), PORTS["udp"]): 1 for p in THREE}, "udp")
    at = {s.plan.address(p): p for p in THREE}
    for client in s.clients(6):
        want = at[table[maglev.packet_hash(client, 0, 80, "udp") % len(table)][0]]
        equal({s.who("udp", source=(client, 0)) for _ in range(4)}, {want}, f"backends of {client}")


def switched(state):
    """On and off while flows come."""
    s = state()
    s.serve("scheduler rr")
    for _ in range(2):
        equal(sorted(s.who("tcp") for _ in range(3)), THREE, "who answers without affinity")
        s.do("service set stick-PROTO affinity 1h")
        equal(len({s.who("tcp") for _ in range(4)}), 1, "backends with affinity")
        s.do("service set stick-PROTO affinity off")


def full(state):
    """Many more clients than there is room for: some are forgotten early, and counted."""
    s = state()
    s.serve("scheduler rr affinity 1d", backends=["p11"])
    net, six = s.cluster.net, s.plan.ipv6
    # To save time they are on the balancer, and their packets end there, after the choice.
    lost = s.plan.more(s.plan.address("p11"), 100)
    net.run("n1", ["ip", "route", "add", "blackhole", f"{lost}/{s.plan.host_len}"])
    s.cluster.lbadm("n1", f"backend add stick-udp {endpoint(lost, 1)} local")
    s.backend("set", "p11", "weight 0")
    many = ipaddress.ip_network("2001:db8:cc::/64" if six else "198.18.0.0/15")
    net.run("n1", ["ip", "route", "add", "local", str(many), "dev", "lo"])
    before = s.cluster.json("n1", "stats")["stats"]
    equal(before["affinity_evicted"], 0, "forgotten before")
    level, info, freebind = ((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, IPV6_FREEBIND) if six else
                             (socket.IPPROTO_IP, IP_PKTINFO, IP_FREEBIND))
    first = many.network_address.packed
    with net.socket("n1", s.plan.family, socket.SOCK_DGRAM) as one:
        one.setsockopt(level, freebind, 1)
        for n in range(1, CLIENTS + 1):
            source = first[:-4] + (int.from_bytes(first[-4:], "big") + n).to_bytes(4, "big")
            source = source + bytes(4) if six else bytes(4) + source + bytes(4)
            with contextlib.suppress(OSError):
                one.sendmsg([b"/x"], [(level, info, source)], 0, (s.vips[0], 80))
    after = s.cluster.json("n1", "stats")["stats"]
    made = after["counters"]["flows"] - before["counters"]["flows"]
    check(made > CLIENTS * 0.9, f"{made} flows of {CLIENTS} clients")
    check(0 < after["affinity_evicted"] < CLIENTS / 50, f"{after['affinity_evicted']} forgotten")
    s.cluster.lbadm("n1", "flow flush")


def tests(subset):
    return twins(functools.partial(of_family, subset))


def of_family(subset, plan):
    state = functools.lru_cache(functools.partial(State, plan))
    some = [("a client has one backend at all addresses", every_address),
            ("a backend that is not to be had", not_to_be_had),
            ("a backend that is full", who_is_full),
            ("services are apart", services_apart),
            ("only new flows refresh it", new_flows_refresh),
            ("a backend that does not answer", sick),
            ("policy local", by_policy),
            ("maglev", by_maglev),
            ("switched on and off", switched),
            ("more clients than there is room for", full)]
    return [(f"affinity: {name}", functools.partial(f, state)) for name, f in (some[:2] if subset else some)]
