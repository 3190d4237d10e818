# SPDX-License-Identifier: GPL-2.0-only
"""How long flows live, and what a changed configuration does to those that exist."""
import contextlib
import functools
import socket

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        vip = c.plan.vip(60)
        self.web = Service("web", "tcp", 80, ["p21"], vip)
        self.echo = Service("echo", "udp", 53, ["p21"], vip)
        self.mute = Service("mute", "udp", 54, ["p21"], vip, backend_port=9)
        # who gets what is sent to "mute", and never answers
        self.sink = c.net.socket("p21", plan.family, socket.SOCK_DGRAM)
        self.sink.bind((c.plan.address("p21"), 9))
        self.fresh()

    def fresh(self, *settings):
        """The services with these settings, the rest as by default, and no flow."""
        self.cluster.apply([self.web, self.echo, self.mute], *settings)
        self.cluster.lbadm("n1", "flow flush")
        return self

    def to(self, service):
        return service.front(self.cluster.plan)

    def tcp(self, service):
        return clients.Tcp(self.cluster.net, "c0", self.to(service))

    def udp(self, service):
        return clients.Udp(self.cluster.net, "c0", self.to(service))


def mode_switch(state, before, after):
    """A connection keeps the way that it began with; a new one takes the new way."""
    s = state().fresh(f"mode {before}")
    plan = s.cluster.plan
    client = {"snat": plan.nodes["n1"], "dsr": plan.client}
    with s.tcp(s.web) as old, s.udp(s.echo) as old_udp:
        equal(old.ask().client, client[before], f"client in {before}")
        old_udp.ask()
        for node in plan.nodes:
            s.cluster.lbadm(node, f"set mode {after}")
        with s.tcp(s.web) as new:
            for _ in range(2):
                equal(new.ask().client, client[after], f"client of a new connection in {after}")
                equal(old.ask().client, client[before], "client of the connection from before")
                equal(old_udp.ask().client, client[before], "client of the UDP flow from before")


def unreplied(state):
    """An unanswered UDP flow goes after its timeout, an answered one stays."""
    s = state().fresh("mode snat", "timeout udp-unreplied 1s")
    with s.udp(s.mute) as mute, s.udp(s.echo) as echo:
        mute.send()
        echo.ask()
        check(eventually(lambda: s.cluster.flow_of("n1", (s.cluster.plan.client, mute.local[1])),
                         "the unanswered flow is listed"), "")
        eventually(lambda: not s.cluster.flow_of("n1", (s.cluster.plan.client, mute.local[1])),
                   "the unanswered flow is gone", 20)
        check(s.cluster.flow_of("n1", (s.cluster.plan.client, echo.local[1])),
              "the answered flow is gone too")


def closed(state):
    """A TCP flow goes through its states, each with its timeout."""
    s = state().fresh("mode snat", "timeout tcp-time-wait 1s", "timeout tcp-fin 1s", "timeout tcp-closed 1s")
    with s.tcp(s.web) as c:
        c.ask()
        client = s.cluster.plan.client, c.local[1]
        equal(s.cluster.flow_of("n1", client)["state"], "tcp-established", "state")
        c.ask(last=True)
    eventually(lambda: not s.cluster.flow_of("n1", client), "the flow of a closed connection is gone", 20)


def flows_max(state):
    """The bound holds: answered flows stay, new ones are dropped and counted."""
    s = state().fresh("mode snat", "flows-max 10")
    before = s.cluster.drops("n1").get("table-full", 0)
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(s.udp(s.echo)) for _ in range(10)]
        for udp in old:
            udp.ask()
        for _ in range(5):
            stack.enter_context(s.udp(s.echo)).send()
        eventually(lambda: s.cluster.drops("n1").get("table-full", 0) == before + 5, "5 × table-full")
        equal(len(s.cluster.flows("n1")), 10, "flows")
        for udp in old:
            udp.ask()


def evicted(state):
    """Unanswered flows make room for a new one, so that a flood shuts nobody out."""
    s = state().fresh("mode snat", "flows-max 10")
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(s.udp(s.mute)).send()
        with s.udp(s.echo) as echo:
            equal(echo.ask().name, "p21", "server")
        check(len(s.cluster.flows("n1")) <= 10, "more flows than flows-max")


def backend_removed(state, mode):
    """UDP goes to another backend with its next packet, TCP stays where it is."""
    s = state().fresh(f"mode {mode}")
    two = {"tcp": Service("web", "tcp", 80, ["p21", "p31"], s.web.vip),
           "udp": Service("echo", "udp", 53, ["p21", "p31"], s.web.vip)}
    s.cluster.apply(two.values(), f"mode {mode}")
    with s.tcp(s.web) as tcp, s.udp(s.echo) as udp:
        gone = {"tcp": tcp.ask().name, "udp": udp.ask().name}
        for node in s.cluster.plan.nodes:
            for proto, service in two.items():
                s.cluster.lbadm(node, f"backend del {service.name} {service.at(s.cluster.plan, gone[proto])}")
        equal(tcp.ask().name, gone["tcp"], "server of the TCP connection")
        other = {"p21": "p31", "p31": "p21"}
        equal(udp.ask().name, other[gone["udp"]], "server of the UDP flow")
        with s.tcp(s.web) as new:
            equal(new.ask().name, other[gone["tcp"]], "server of a new TCP connection")


def flushed(state):
    """A flow that was flushed in mid-life is taken up again, in DSR and with its note."""
    s = state().fresh("mode dsr")
    with s.tcp(s.web) as c:
        c.ask()
        s.cluster.lbadm("n1", "flow flush")
        equal(s.cluster.flows("n1"), [], "flows after the flush")
        answer = c.ask()
        equal((answer.name, answer.client), ("p21", s.cluster.plan.client), "server and its client")


def tests(subset):
    return twins(functools.partial(of_family, subset))


def of_family(subset, plan):
    state = functools.lru_cache(functools.partial(State, plan))
    out = [("flows-max holds", functools.partial(flows_max, state)),
           ("an unanswered UDP flow times out", functools.partial(unreplied, state))]
    if subset:
        return [] if plan.ipv6 else out
    out += [("unanswered flows are evicted first", functools.partial(evicted, state)),
            ("a closed TCP flow times out", functools.partial(closed, state)),
            ("a flushed TCP flow goes on (dsr)", functools.partial(flushed, state))]
    for before, after in (("snat", "dsr"), ("dsr", "snat")):
        out.append((f"mode {before} to {after} at run time", functools.partial(mode_switch, state, before, after)))
    for mode in ("snat", "dsr", "hybrid"):
        out.append((f"{mode}: a backend is removed", functools.partial(backend_removed, state, mode)))
    return out
