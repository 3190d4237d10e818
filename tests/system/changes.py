# SPDX-License-Identifier: GPL-2.0-only
"""The configuration, and what is below it, changes while clients go on talking.

A TCP connection never notices. A datagram goes to who is a backend at that moment, and nobody
else's go elsewhere for it.
"""
import contextlib
import functools

from net import clients, ns
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins
from net.rtnl import running

MODES = ("snat", "dsr", "hybrid")
PODS = ("p11", "p21")       # one here, one on another node


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        self.vip = c.plan.vip(90)
        self.clients = contextlib.ExitStack()

    def services(self, udp=PODS, tcp=PODS, vip=None):
        return [Service("echo", "udp", 53, udp, vip or self.vip), Service("web", "tcp", 53, tcp, vip or self.vip),
                Service("bystander", "udp", 54, ["p21"], self.vip)]

    def apply(self, mode, bypass, **kw):
        self.cluster.apply(self.services(**kw), f"mode {mode}", f"bypass {bypass}")

    def fresh(self, mode, bypass):
        self.clients.close()
        self.apply(mode, bypass)
        for node in self.cluster.plan.nodes:
            self.cluster.lbadm(node, "flow flush")
        return self

    def client(self, kind, port):
        return self.clients.enter_context(kind(self.cluster.net, "c0", (self.vip, port)))

    def talking(self, kind, port):
        """{backend: a client of it that has talked for a while}"""
        found = {}
        while len(found) < 2:
            client = self.client(kind, port)
            found.setdefault(client.ask().name, client)
        for client in found.values():
            for _ in range(3):
                client.ask()
        return found


def removed_and_returned(state, mode, bypass):
    """TCP goes on where it is. UDP of that backend moves with its next datagram, once, and all other stays."""
    s = state().fresh(mode, bypass)
    udp, tcp, bystander = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53), s.client(clients.Udp, 54)
    bystander.ask()
    for gone, left in (PODS, PODS[::-1]):
        before = bystander.ask().client_port
        s.apply(mode, bypass, udp=[left], tcp=[left])
        equal({udp[p].ask().name for p in PODS for _ in range(3)}, {left}, "who answers datagrams")
        equal([tcp[p].ask().name for p in PODS for _ in range(3)], [p for p in PODS for _ in range(3)],
              "who answers in connections")
        equal(bystander.ask().client_port, before, "the other service's flow")
        s.apply(mode, bypass)
        equal({udp[p].ask().name for p in PODS for _ in range(3)}, {left}, "who answers when all are back")
        equal([tcp[p].ask().name for p in PODS], list(PODS), "who answers in connections when all are back")
        udp = s.talking(clients.Udp, 53)


def scaled_to_none(state, mode, bypass):
    """Without backends, and without the service, a datagram goes nowhere; with one again, there."""
    s = state().fresh(mode, bypass)
    udp, tcp = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)

    def nothing():
        udp["p21"].send()
        eventually(lambda: s.cluster.flow_of("n1", (s.cluster.plan.client, udp["p21"].local[1])) is None,
                   "the flow has gone")

    for services in (s.services(udp=[], tcp=[]), s.services()[2:]):
        s.cluster.apply(services, f"mode {mode}", f"bypass {bypass}")
        nothing()
        equal([tcp[p].ask().name for p in PODS], list(PODS), "who answers in connections")
        s.apply(mode, bypass, udp=["p11"], tcp=["p11"])
        equal(udp["p21"].ask().name, "p11", "who answers now")
        equal([tcp[p].ask().name for p in PODS], list(PODS), "who answers in connections")
        s.apply(mode, bypass)
        udp = s.talking(clients.Udp, 53)


def reweighted(state, mode, bypass):
    """Who talks goes on with whom he talks to; new ones go by the new weights."""
    s = state().fresh(mode, bypass)
    udp, tcp = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)
    new = {"p11": 1, "p21": 0}
    s.apply(mode, bypass, udp=new, tcp=new)
    for talks in (udp, tcp):
        equal([talks[p].ask().name for p in PODS for _ in range(2)], [p for p in PODS for _ in range(2)],
              "who answers those who talked before")
    equal({s.client(clients.Udp, 53).ask().name for _ in range(10)}, {"p11"}, "who answers new datagrams")
    equal({s.client(clients.Tcp, 53).ask().name for _ in range(5)}, {"p11"}, "who answers new connections")


def replaced(state, mode, bypass):
    """Another address instead: connections to the old one go on, new ones come to the new one only."""
    s = state().fresh(mode, bypass)
    tcp = s.talking(clients.Tcp, 53)
    new = s.cluster.plan.vip(91)
    s.apply(mode, bypass, vip=new)
    equal([tcp[p].ask().name for p in PODS for _ in range(2)], [p for p in PODS for _ in range(2)],
          "who answers in connections")
    clients.tcp_once(s.cluster.net, "c0", (new, 53))
    clients.udp_once(s.cluster.net, "c0", (new, 53))
    s.apply(mode, bypass)
    equal([tcp[p].ask().name for p in PODS], list(PODS), "who answers when the address is back")


def moved(state, mode, bypass):
    """A backend that was said to be here is on another node now: its datagrams go there and come back."""
    s = state().fresh(mode, bypass)
    c, plan = s.cluster, s.cluster.plan
    s.apply(mode, bypass, udp=["p21"])
    at = s.services()[0].at(plan, "p21")
    c.lbadm("n1", f"backend set echo {at} local")
    udp = s.client(clients.Udp, 53)
    for _ in range(3):
        udp.ask()
    # nobody turns the answer back: that is what "here" means for one that is not
    equal(udp.source, (plan.address("p21"), 9090), "who answers while it is not where it is said to be")
    c.lbadm("n1", f"backend set echo {at} node {plan.nodes['n2']}")
    for _ in range(3):
        equal((udp.ask().name, udp.source), ("p21", (s.vip, 53)), "who answers, from which address")


def mode_changed(state, bypass):
    """What talks goes on as it began, whatever the mode is by then."""
    s = state().fresh("snat", bypass)
    talks = []
    for mode in (*MODES, *MODES[::-1]):
        s.apply(mode, bypass)
        talks += [s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)]
        for talk in talks:
            equal([talk[p].ask().name for p in PODS], list(PODS), f"who answers in mode {mode}")


def lan_back(plan, node):
    """The words of ip by which the link of @node to the others goes down and comes back."""
    others = [n for n in plan.nodes if n != node]
    return ("link set lan0 down", "link set lan0 up", f"route replace {plan.anywhere} via {plan.lan_gw}",
            *(f"route replace {plan.pod_net(n)} via {plan.nodes[n]}" for n in others))


def interface_back(state, mode, bypass):
    """The pod's link, and the node's, go down and come back: those who talked go on."""
    s = state().fresh(mode, bypass)
    net, plan = s.cluster.net, s.cluster.plan
    udp, tcp = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)
    pod, node = plan.address("p11"), plan.nodes["n1"]
    # IPv6 does not keep an address of one link where that goes down
    nodad = "nodad" if plan.ipv6 else ""
    for line in ("link set p11 down", "link set p11 up",
                 f"addr replace {plan.pod_gw}/{plan.host_len} dev p11 {nodad}",
                 f"route replace {pod}/{plan.host_len} dev p11 src {node}", *lan_back(plan, "n1")):
        net.run("n1", ["ip", *line.split()])
    eventually(lambda: all(running(net.ns(place)) and ns.can_ask(net.ns(place))
                           for place in ("n1", "p11", "lan")), "links run")
    for talk in (udp, tcp):
        equal([talk[p].ask().name for p in PODS for _ in range(2)], [p for p in PODS for _ in range(2)],
              "who answers")


def node_back(state):
    """The node of a backend is back on the link, where it has forgotten whose notes it may believe."""
    s = state().fresh("dsr", "on")
    net, plan = s.cluster.net, s.cluster.plan

    def ip(line):
        return net.run("n2", ["ip", *line.split()])

    def known():
        return "lladdr" in ip(f"neigh show {plan.nodes['n1']} dev lan0")

    ip(f"neigh flush to {plan.nodes['n1']} dev lan0")
    s.apply("dsr", "on", tcp=["p21"])
    eventually(known, "the balancer is looked for as a new configuration says")
    for line in lan_back(plan, "n2"):
        ip(line)
    eventually(known, "the balancer is known again")
    eventually(lambda: all(running(net.ns(place)) for place in ("n2", "lan")), "links run")
    before = s.cluster.drops("n2")
    equal(clients.tcp_once(net, "c0", (s.vip, 53)).client, plan.client, "client that the backend saw")
    equal(s.cluster.drops("n2"), before, "drops")


def address_changed(state, mode, bypass):
    """One more address on the balancer's link, and it goes again: nobody who talks notices."""
    s = state().fresh(mode, bypass)
    udp, tcp = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)
    address = s.cluster.plan.more(s.cluster.plan.nodes["n1"], 100)
    for line in (f"addr add {address}/{s.cluster.plan.lan_len} dev lan0",
                 f"addr del {address}/{s.cluster.plan.lan_len} dev lan0"):
        s.cluster.net.run("n1", ["ip", *line.split()])
        for talk in (udp, tcp):
            equal([talk[p].ask().name for p in PODS for _ in range(2)], [p for p in PODS for _ in range(2)],
                  f"who answers after {line}")


def address_lost(state, bypass):
    """What came from it ends: datagrams go on from another address, a connection learns it at once."""
    s = state().fresh("snat", bypass)
    plan = s.cluster.plan
    lost, nodad = plan.more(plan.nodes["n1"], 101), "nodad" if plan.ipv6 else ""
    ip = f"{lost}/{plan.host_len} dev lan0"
    s.cluster.net.run("n1", ["ip", *f"addr add {ip} {nodad}".split()])
    try:
        s.cluster.lbadm("n1", f"set snat-address {lost}")
        udp, tcp = s.talking(clients.Udp, 53), s.talking(clients.Tcp, 53)
        for talk in (udp, tcp):
            equal(talk["p21"].ask().client, lost, "client that the backend saw")
        s.apply("snat", bypass, udp=["p21"])
        for talk in (udp, tcp):
            equal(talk["p21"].ask().client, lost, "client of what talked before")
    finally:
        s.cluster.net.run("n1", ["ip", *f"addr del {ip}".split()])
    # for a while its neighbours may still send to it
    udp["p21"].sock.settimeout(0.2)

    def answered():
        with contextlib.suppress(TimeoutError):
            return udp["p21"].ask().client == plan.nodes["n1"]

    eventually(answered, "datagrams from another address")
    try:
        tcp["p21"].ask()
        check(False, "a connection from an address that nobody has was answered")
    except ConnectionResetError:
        pass
    equal(tcp["p11"].ask().name, "p11", "who answers in a connection without SNAT")


def address_preferred(state):
    """Of two addresses a new flow has the one that is preferred at that moment (RFC 6724)."""
    s = state().fresh("snat", "on")
    plan = s.cluster.plan
    node, other = plan.nodes["n1"], plan.more(plan.nodes["n1"], 103)

    def lifetime(verb, address, preferred):
        s.cluster.net.run("n1", ["ip", *f"addr {verb} {address}/{plan.lan_len} dev lan0 nodad valid_lft forever "
                                        f"preferred_lft {preferred}".split()])

    def seen():
        return s.client(clients.Udp, 54).ask().client

    lifetime("add", other, 0)
    try:
        for now, not_now in ((node, other), (other, node), (node, other)):
            lifetime("change", now, "forever")
            lifetime("change", not_now, 0)
            equal([seen() for _ in range(3)], [now] * 3, "client that the backend sees")
    finally:
        lifetime("change", node, "forever")
        s.cluster.net.run("n1", ["ip", *f"addr del {other}/{plan.lan_len} dev lan0".split()])


def tests(subset):
    return twins(functools.partial(of_family, subset))


def of_family(subset, plan):
    state = functools.lru_cache(functools.partial(State, plan))
    some = []
    # hybrid is the others' ways put together, by protocol: seen in one family
    modes = ("dsr",) if subset else MODES[:2] if plan.ipv6 else MODES
    for bypass in ("on",) if subset else ("on", "off"):
        for mode in modes:
            some += [(f"{mode}, bypass {bypass}: {name}", functools.partial(f, state, mode, bypass))
                     for name, f in (("a backend is removed and returns", removed_and_returned),
                                     ("backends scaled to none, the service deleted", scaled_to_none),
                                     ("backends have other weights", reweighted),
                                     ("the service has another address", replaced),
                                     ("a backend moves to another node", moved),
                                     ("the node's links go and come back", interface_back),
                                     ("the node gets an address and loses it", address_changed))]
        some += [(f"bypass {bypass}: the mode changes", functools.partial(mode_changed, state, bypass)),
                 (f"bypass {bypass}: the node loses the address that SNAT uses",
                  functools.partial(address_lost, state, bypass))]
    some.append(("a backend's node is back on the link", functools.partial(node_back, state)))
    if plan.ipv6:
        some.append(("a new flow has the address that is preferred", functools.partial(address_preferred, state)))
    return some
