# SPDX-License-Identifier: GPL-2.0-only
"""Source ports that SNAT chooses: which it may, each once, and what if none is left."""
import contextlib
import functools
import socket

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually

RESERVED = range(2000, 20000)
RANGE = range(21000, 21100)     # where only so many may be had


class State:
    def __init__(self):
        self.cluster = c = Cluster()
        self.udp = Service("echo", "udp", 53, ["p21"], c.plan.vip(70))
        self.tcp = Service("web", "tcp", 80, ["p21"], c.plan.vip(70))
        c.net.sysctl("n1", {"ipv4/ip_local_reserved_ports": f"{RESERVED[0]}-{RESERVED[-1]}"})

    def fresh(self, *settings):
        self.cluster.apply([self.udp, self.tcp], "mode snat", *settings)
        self.cluster.lbadm("n1", "flow flush")
        return self

    def client(self, port=0):
        return clients.Udp(self.cluster.net, "c0", self.udp.front(self.cluster.plan), source=("", port))

    def ephemeral(self):
        with self.cluster.net.inside("n1"), open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            first, last = map(int, f.read().split())
        return range(first, last + 1)


def allowed(state):
    """Clients' ports that the balancer may not use are replaced; none is used twice."""
    s = state().fresh()
    never = [s.ephemeral(), RESERVED, range(30000, 32768), range(0, 1024)]
    with contextlib.ExitStack() as stack:
        seen = []
        for port in [*range(33000, 33150), *range(2000, 2050), *range(30000, 30050)]:
            seen.append(stack.enter_context(s.client(port)).ask().client_port)
        equal(len(set(seen)), len(seen), "different ports")
        wrong = [p for p in seen if any(p in r for r in never)]
        equal(wrong, [], "ports that may not be used")
        listed = {f["snat_port"] for f in s.cluster.flows("n1")}
        equal(listed, set(seen), "ports that lbadm lists")


def kept(state):
    s = state().fresh()
    with s.client(21500) as udp:
        equal(udp.ask().client_port, 21500, "port of a client that may keep its own")


def of_a_socket(state):
    """A port that a socket of the balancer itself has is not taken from it."""
    s = state().fresh()
    c, mine = s.cluster, (s.cluster.plan.nodes["n1"], 21600)
    with c.net.socket("n1", socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(mine)
        answer = clients.udp_once(c.net, "c0", s.udp.front(c.plan), source=("", mine[1]))
        check(answer.client_port != mine[1], "the port of a bound UDP socket was used")
    # a TCP socket has its port for its peer alone; here that is the very backend
    with clients.Tcp(c.net, "n1", (c.plan.address("p21"), 8080), source=mine) as own:
        answer = clients.tcp_once(c.net, "c0", s.tcp.front(c.plan), source=("", mine[1]))
        check(answer.client_port != mine[1], "the port of a connected TCP socket was used")
        equal(own.ask().client_port, mine[1], "port of the balancer's own connection")


def exhausted(state):
    """Each of few ports is found; then the new flow is dropped and counted, the old go on."""
    s = state().fresh(f"snat-ports {RANGE[0]}-{RANGE[-1]}")
    before = s.cluster.drops("n1").get("no-snat-port", 0)
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(s.client()) for _ in RANGE]
        seen = {udp.ask().client_port for udp in many}
        equal(seen, set(RANGE), "ports in use")
        stack.enter_context(s.client()).send()
        eventually(lambda: s.cluster.drops("n1").get("no-snat-port", 0) == before + 1, "no-snat-port counted")
        many[0].ask()
        # another protocol has ports of its own
        clients.tcp_once(s.cluster.net, "c0", s.tcp.front(s.cluster.plan))


def given_address(state):
    """An address set for SNAT is used instead of the device's."""
    s = state()
    address = "192.168.0.111"
    s.cluster.net.run("n1", ["ip", "addr", "replace", f"{address}/32", "dev", "lan0"])
    s.fresh(f"snat-address {address}")
    with s.client() as udp:
        equal(udp.ask().client, address, "client that the backend saw")


def tests(subset):
    state = functools.lru_cache(State)
    return [(name, functools.partial(f, state)) for name, f in (
        ("unique and never in a range that is somebody's", allowed),
        ("a client's port is kept where it may be", kept),
        ("a socket's port is left to it", of_a_socket),
        ("every port of a small range is found, and then none", exhausted),
        ("an address of our own for SNAT", given_address))]
