# SPDX-License-Identifier: GPL-2.0-only
"""The log of flows beside what the client's link, the clients and the servers know of them."""
import contextlib
import functools
import socket
import struct
import time

import sctp
from net import clients
from net.cluster import LBADM, PORTS, Cluster, Service
from net.flowlog import FlowLog, end_of
from net.ktap import check, equal, eventually
from net.plan import twins

MODES = ("snat", "dsr", "hybrid")
PLACES = ("p11", "p21")
SHORT = " ".join(f"{state} 1s" for state in ("tcp-fin", "tcp-time-wait", "tcp-closed", "udp-unreplied", "udp-replied",
                                             "sctp-shutdown", "sctp-closed"))
LINGER_NOT = struct.pack("ii", 1, 0)        # close() breaks off
SOON = 10                                   # ms: how exact the module's clock is, at 100 Hz


class State:
    """A service for each place and protocol, so that it is known who serves."""

    def __init__(self, plan):
        if sctp.State.servers:
            sctp.State.servers.close()
            sctp.State.servers = None
        self.cluster = c = Cluster(plan)
        self.plan = plan
        sctp.State.servers = sctp.Servers(c, plan)
        self.services = {}
        for i, place in enumerate(PLACES):
            vip = plan.vip(90 + i)
            self.services["tcp", place] = Service(f"web-{place}", "tcp", 80, [place], vip)
            self.services["udp", place] = Service(f"echo-{place}", "udp", 53, [place], vip)
            self.services["sctp", place] = Service(f"sig-{place}", "sctp", 5060, [place], vip, backend_port=sctp.SERVER)

    def fresh(self, mode, *settings):
        self.cluster.apply(self.services.values(), f"mode {mode}", "flow-accounting on", f"timeout {SHORT}", *settings)
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "flow flush")
        return self

    def front(self, proto, place):
        return self.services[proto, place].front(self.plan)

    def log(self, node):
        return FlowLog(LBADM, self.cluster.net.ns(node))


class Seen:
    """What the client's link carries between client and service, by direction: packets, and their bytes."""

    def __init__(self, s, proto, front):
        number = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}[proto]
        self._capture = s.cluster.capture(["c0"])
        self._is = [lambda p: p.proto == number and (p.src, p.dst) == (s.plan.client, front[0]),
                    lambda p: p.proto == number and (p.src, p.dst) == (front[0], s.plan.client)]

    def counts(self):
        both = [self._capture.matching(test) for test in self._is]
        return [(len(packets), sum(len(p.ip) for p in packets)) for packets in both]

    def close(self):
        equal(self._capture.lost(), 0, "packets that the capture had no room for")
        self._capture.close()


def talk_tcp(s, front):
    with clients.Tcp(s.cluster.net, "c0", front) as c:
        first = c.ask()
        begun = time.monotonic()
        for _ in range(9):
            c.ask()
        lasted = time.monotonic() - begun
        c.ask(last=True)
        return (s.plan.client, c.local[1]), (first.client, first.client_port), lasted


def talk_udp(s, front):
    with clients.Udp(s.cluster.net, "c0", front) as c:
        first = c.ask()
        begun = time.monotonic()
        for _ in range(8):
            c.ask("x" * 700)
        # Whoever balances by DSR does not see the answers.
        lasted = time.monotonic() - begun
        c.ask("x" * 700)
        return (s.plan.client, c.local[1]), (first.client, first.client_port), lasted


def talk_sctp(s, front):
    with sctp.sctp(s.cluster.net, "c0", s.plan) as c:
        c.settimeout(20)
        c.bind((s.plan.client, 0))
        c.connect(front)
        _, seen = c.recv(1000).decode().split()
        begun = time.monotonic()
        for _ in range(5):
            c.send(b"m" * 3000)
            got = 0
            while got < 3000:
                got += len(c.recv(65536))
        return (s.plan.client, c.getsockname()[1]), (seen, None), time.monotonic() - begun


TALKS = {"tcp": talk_tcp, "udp": talk_udp, "sctp": talk_sctp}


def counted(flow):
    return [(flow["packets_in"], flow["bytes_in"]), (flow["packets_out"], flow["bytes_out"])]


def is_of(s, flow, proto, place, kind):
    service = s.services[proto, place]
    equal((flow["service"], flow["proto"], flow["kind"]), (service.name, proto, kind), "whose flow it is")
    equal(end_of(flow["frontend"]), s.front(proto, place), "frontend")
    equal(end_of(flow["backend"]), (s.plan.address(place), service.backend_port or PORTS[proto]), "backend")


def logged(state, proto, mode):
    """A talk to a backend here and to one elsewhere: the log has what link, client and server know of it."""
    s = state().fresh(mode)
    far = {"snat": "snat", "dsr": "dsr-out", "hybrid": "dsr-out" if proto == "tcp" else "snat"}[mode]
    for place, kind in ("p11", "local"), ("p21", far):
        front = s.front(proto, place)
        with contextlib.closing(Seen(s, proto, front)) as seen, s.log("n1") as log, s.log("n2") as other:
            begun = time.monotonic()
            client, at_server, lasted = TALKS[proto](s, front)
            gone = log.first("del", client)
            took = time.monotonic() - begun
            equal(log.all(client), ["add", "set", "del"] if kind == "snat" else ["add", "del"], "events")
            for flow in log.of("add", client)[0], gone:
                is_of(s, flow, proto, place, kind)
            equal(gone["end"], "timeout" if proto == "udp" else "fin", "why it has ended")
            check(lasted * 1000 - SOON <= gone["duration"] <= took * 1000 + SOON, "duration",
                  [f"{gone['duration']} ms, within {lasted} s and {took} s"])
            if kind == "snat":
                source = log.of("set", client)[0]
                for flow in source, gone:
                    equal((flow["snat_address"], flow["snat_port"]), (at_server[0], at_server[1] or flow["snat_port"]),
                          "source that the server saw")
            there, back = seen.counts()
            check(there[0] >= 10 and back[0] >= 10, "nothing was seen", [repr((there, back))])
            if kind == "dsr-out":
                equal(counted(gone), [there, (0, 0)], "packets and bytes of n1")
                gone = other.first("del", client)
                is_of(s, gone, proto, place, "dsr-in")
                equal(gone["end"], "timeout" if proto == "udp" else "fin", "why it has ended on n2")
                equal(gone["packets_in"], there[0], "packets in, n2")
                equal((gone["packets_out"], gone["bytes_out"]), back, "packets and bytes out, n2")
            else:
                equal(counted(gone), [there, back], "packets and bytes of n1")
                equal(other.all(client), [], "events of n2")


def listed(state):
    """flow list -j has the same counts while the flow lives; a flow made without accounting has none."""
    s = state().fresh("snat")
    front = s.front("tcp", "p21")
    with contextlib.closing(Seen(s, "tcp", front)) as seen, clients.Tcp(s.cluster.net, "c0", front) as c:
        c.ask()
        client = s.plan.client, c.local[1]
        eventually(lambda: counted(s.cluster.flow_of("n1", client)) == seen.counts(), "the list has what the link had",
                   10, lambda: [repr((s.cluster.flow_of("n1", client), seen.counts()))])
        for node in s.plan.nodes:
            s.cluster.lbadm(node, "set flow-accounting off")
        before = counted(s.cluster.flow_of("n1", client))
        c.ask()
        check(counted(s.cluster.flow_of("n1", client))[0][0] > before[0][0], "it counts no more")
        with s.log("n1") as log, clients.Tcp(s.cluster.net, "c0", front) as without:
            without.ask()
            client = s.plan.client, without.local[1]
            s.cluster.lbadm("n1", "flow flush")
            gone = log.first("del", client)
            equal((counted(gone), gone["duration"]), ([(None, None), (None, None)], None), "counts without accounting")


def broken_off(state, proto):
    s = state().fresh("snat")
    with s.log("n1") as log:
        if proto == "tcp":
            c = clients.Tcp(s.cluster.net, "c0", s.front("tcp", "p21"))
            c.ask()
            port, sock = c.local[1], c.sock
        else:
            sock = sctp.sctp(s.cluster.net, "c0", s.plan)
            sock.settimeout(20)
            sock.bind((s.plan.client, 0))
            sock.connect(s.front("sctp", "p21"))
            sock.recv(1000)
            port = sock.getsockname()[1]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        sock.close()
        equal(log.first("del", (s.plan.client, port))["end"], "rst", "why it has ended")


def other_ends(state):
    """A flush, and a backend that is removed: the next datagram has another flow."""
    s = state().fresh("snat")
    net, plan, lbadm = s.cluster.net, s.plan, s.cluster.lbadm
    with s.log("n1") as log:
        with clients.Udp(net, "c0", s.front("udp", "p21")) as c:
            client = plan.client, c.local[1]
            c.ask()
            lbadm("n1", "flow flush")
            equal(log.first("del", client)["end"], "flushed", "after a flush")
            c.ask()
            service = s.services["udp", "p21"]
            lbadm("n1", f"backend add {service.name} {service.at(plan, 'p11')} node {plan.nodes['n1']}")
            lbadm("n1", f"backend del {service.name} {service.at(plan, 'p21')}")
            equal(c.ask().name, "p11", "who serves then")
            eventually(lambda: len(log.of("del", client)) == 2, "its end", 10)
            equal(log.of("del", client)[1]["end"], "backend", "after its backend's removal")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"flow log: {proto}, {mode}", functools.partial(logged, state, proto, mode))
                  for proto in TALKS for mode in MODES),
                ("flow log: counts in the list", functools.partial(listed, state)),
                *((f"flow log: {proto} broken off", functools.partial(broken_off, state, proto))
                  for proto in ("tcp", "sctp")),
                ("flow log: other ends", functools.partial(other_ends, state))]
    return twins(of_family)
