# SPDX-License-Identifier: GPL-2.0-only
"""Source ports that SNAT chooses: which it may, each once, and what if none is left."""
import contextlib
import functools
import json
import select
import socket
import statistics
import subprocess
import time

from net import clients
from net.cluster import LBADM, Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins
from net.topology import stop

RESERVED = range(2000, 20000)
RANGE = range(21000, 21100)     # where only so many may be had


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        self.udp = Service("echo", "udp", 53, ["p21"], c.plan.vip(70))
        self.free = Service("free", "udp", 54, ["p22"], c.plan.vip(70))
        self.tcp = Service("web", "tcp", 80, ["p21"], c.plan.vip(70))
        c.net.sysctl("n1", {"ipv4/ip_local_reserved_ports": f"{RESERVED[0]}-{RESERVED[-1]}"})

    def fresh(self, *settings):
        self.cluster.apply([self.udp, self.free, self.tcp], "mode snat", *settings)
        self.cluster.lbadm("n1", "flow flush")
        return self

    @property
    def nodad(self):
        """Of an address of IPv6 that is to be used at once."""
        return ["nodad"] if self.cluster.plan.ipv6 else []

    def own_address(self, n):
        """One more of the balancer."""
        plan = self.cluster.plan
        address = plan.more(plan.nodes["n1"], n)
        self.cluster.net.run("n1", ["ip", "addr", "replace", f"{address}/{plan.host_len}", "dev", "lan0", *self.nodad])
        return address

    def client(self, port=0, service=None):
        to = (service or self.udp).front(self.cluster.plan)
        return clients.Udp(self.cluster.net, "c0", to, source=("", port))

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
    with c.net.socket("n1", c.plan.family, socket.SOCK_DGRAM) as bound:
        bound.bind(mine)
        answer = clients.udp_once(c.net, "c0", s.udp.front(c.plan), source=("", mine[1]))
        check(answer.client_port != mine[1], "the port of a bound UDP socket was used")
    # a TCP socket has its port for its peer alone; here that is the very backend
    with clients.Tcp(c.net, "n1", (c.plan.address("p21"), 8080), source=mine) as own:
        answer = clients.tcp_once(c.net, "c0", s.tcp.front(c.plan), source=("", mine[1]))
        check(answer.client_port != mine[1], "the port of a connected TCP socket was used")
        equal(own.ask().client_port, mine[1], "port of the balancer's own connection")


def of_a_bound_socket(state):
    """One that only is bound, for it may connect to the backend later; and one that listens."""
    s = state().fresh()
    c = s.cluster
    with c.net.socket("n1", c.plan.family, socket.SOCK_STREAM) as bound, \
            c.net.socket("n1", c.plan.family, socket.SOCK_STREAM) as listens:
        bound.bind((c.plan.nodes["n1"], 21601))
        listens.bind(("", 21602))
        listens.listen(1)
        for port in (21601, 21602):
            answer = clients.tcp_once(c.net, "c0", s.tcp.front(c.plan), source=("", port))
            check(answer.client_port != port, f"the port {port} of a socket was used")
    answer = clients.tcp_once(c.net, "c0", s.tcp.front(c.plan), source=("", 21603))
    equal(answer.client_port, 21603, "port that no socket has")


def ephemeral_moved(state):
    """Ports that sockets get from now on are left to them from now on."""
    s = state().fresh()
    with s.client(23000) as before:
        equal(before.ask().client_port, 23000, "port before")
    old = s.ephemeral()
    s.cluster.net.sysctl("n1", {"ipv4/ip_local_port_range": "22000 24000"})
    try:
        s.cluster.lbadm("n1", "flow flush")
        with contextlib.ExitStack() as stack:
            seen = [stack.enter_context(s.client(port)).ask().client_port for port in range(23000, 23050)]
            seen += [stack.enter_context(s.client(port)).ask().client_port for port in (40000, 40001)]
        equal([p for p in seen if 22000 <= p <= 24000], [], "ports that are ephemeral now")
        equal(seen[-2:], [40000, 40001], "ports that are not any more")
    finally:
        s.cluster.net.sysctl("n1", {"ipv4/ip_local_port_range": f"{old[0]} {old[-1]}"})


def filled(state):
    """Up to the last of 2001 ports, beside as many that are reserved, each flow gets one.

    The last 5 % take no longer than those to another backend, which has all its ports still.
    """
    first, last = 18000, 22000
    usable = [p for p in range(first, last + 1) if p not in RESERVED]
    s = state().fresh(f"snat-ports {first}-{last}")
    before = s.cluster.drops("n1").get("no-snat-port", 0)
    seen, took, other = [], [], []

    def asked(port, to, took):
        with s.client(port, to) as udp:
            begun = time.monotonic()
            answer = udp.ask()
            took.append(time.monotonic() - begun)
            return answer.client_port

    for n in range(len(usable)):
        seen.append(asked(40000 + n, s.udp, took))
        if n >= len(usable) - 100:
            asked(40000 + n, s.free, other)
    equal(sorted(seen), usable, "ports in use")
    equal(s.cluster.drops("n1").get("no-snat-port", 0), before, "flows without a port")
    full, free = statistics.median(took[-100:]), statistics.median(other)
    check(full < 1.5 * free, f"{full * 1e6:.0f} us for a flow, {free * 1e6:.0f} us where ports are free")


def pool(state):
    """Clients are spread over several addresses; where one is full, the next is taken."""
    s, c = state(), state().cluster
    addresses = [s.own_address(n) for n in (110, 111, 112)]
    more = [c.plan.more(c.plan.client, n) for n in range(40, 70)]
    for address in more:
        c.net.run("c0", ["ip", "addr", "replace", f"{address}/{c.plan.client_len}", "dev", "eth0", *s.nodad])
    s.fresh(f"snat-address {' '.join(addresses)}", "snat-ports 21000-21009")
    with contextlib.ExitStack() as stack:
        by_client = {}
        for address in more:
            udp = stack.enter_context(clients.Udp(c.net, "c0", s.udp.front(c.plan), source=(address, 0)))
            by_client[address] = udp.ask().client
        equal(sorted(set(by_client.values())), addresses, "addresses in use")
        c.lbadm("n1", "flow flush")
        seen = []
        for _ in range(30):     # of one client, three times what an address has
            answer = stack.enter_context(s.client()).ask()
            seen.append((answer.client, answer.client_port))
        equal(len({address for address, _ in seen[:10]}), 1, "addresses while one was enough")
        equal(sorted(set(seen)), [(a, p) for a in addresses for p in range(21000, 21010)], "address and port")
        before = c.drops("n1").get("no-snat-port", 0)
        stack.enter_context(s.client()).send()
        eventually(lambda: c.drops("n1").get("no-snat-port", 0) == before + 1, "no-snat-port counted")


def told(state):
    """Who watches is told that ports are exhausted, once for many flows."""
    s = state().fresh("snat-ports 21000-21000")
    with s.client() as one, contextlib.ExitStack() as stack:
        one.ask()
        watch = s.cluster.net.popen("n1", [LBADM, "-j", "monitor", "snat"], stdout=subprocess.PIPE, text=True)
        stack.callback(stop, watch)
        equal(json.loads(watch.stdout.readline())["event"], "start", "first line")

        def told():
            for _ in range(20):
                stack.enter_context(s.client()).send()
            return select.select([watch.stdout], [], [], 0.1)[0]

        # the test before may have been told of a moment ago
        eventually(told, "an event")
        begun = time.monotonic()
        event = json.loads(watch.stdout.readline())
        equal((event["object"], event["event"], event["flow"]["service"], event["flow"]["backend"]["address"]),
              ("snat", "full", "echo", s.cluster.plan.address("p21")), "event")
        told()
        again = select.select([watch.stdout], [], [], 0)[0]
        check(not again or time.monotonic() - begun > 0.9, "a second event within the second")
        equal(one.ask().client_port, 21000, "port of the flow that has one")


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
    address = s.own_address(100)
    s.fresh(f"snat-address {address}")
    with s.client() as udp:
        equal(udp.ask().client, address, "client that the backend saw")


def chosen(state):
    """Of several addresses of the device the one that is nearer to the next hop; of IPv6, to the
    backend (RFC 6724), and not while it is deprecated."""
    s = state().fresh()
    net, plan = s.cluster.net, s.cluster.plan

    def seen():
        s.cluster.lbadm("n1", "flow flush")
        with s.client() as udp:
            return udp.ask().client

    def ip(place, words):
        return functools.partial(net.run, place, ["ip", *words.split()])
    backend = plan.address("p21")
    near = plan.more(backend, 0x80) if plan.ipv6 else "172.16.0.11"
    if plan.ipv6:
        steps = ((ip("n1", f"addr add {near}/128 dev lan0 nodad"), ip("n1", f"addr del {near}/128 dev lan0")),
                 (ip("n2", f"route add {near} via {plan.nodes['n1']}"), ip("n2", f"route del {near}")))
    else:
        steps = ((ip("n1", f"addr add {near}/24 dev lan0"), ip("n1", f"addr del {near}/24 dev lan0")),
                 (ip("n2", "addr add 172.16.0.12/24 dev lan0"), ip("n2", "addr del 172.16.0.12/24 dev lan0")),
                 (ip("n1", f"route add {backend} via 172.16.0.12"), ip("n1", f"route del {backend}")))
    before = seen()
    with contextlib.ExitStack() as stack:
        for do, undo in steps:
            do()
            stack.callback(undo)
        equal(seen(), near, "client that the backend saw, with a nearer address")
        if plan.ipv6:
            ip("n1", f"addr change {near}/128 dev lan0 preferred_lft 0")()
            equal(seen(), before, "client that the backend saw, with a deprecated address")


def tests(subset):
    return twins(of_family)


def of_family(plan):
    state = functools.lru_cache(functools.partial(State, plan))
    return [(name, functools.partial(f, state)) for name, f in (
        ("unique and never in a range that is somebody's", allowed),
        ("a client's port is kept where it may be", kept),
        ("a socket's port is left to it", of_a_socket),
        ("a port that a TCP socket has bound or listens at", of_a_bound_socket),
        ("the ephemeral ports are moved", ephemeral_moved),
        ("2001 ports beside reserved ones, to the last, at the same cost", filled),
        ("several addresses, and the next where one is full", pool),
        ("exhaustion is told", told),
        ("every port of a small range is found, and then none", exhausted),
        ("an address of our own for SNAT", given_address),
        ("the address that the kernel would choose", chosen))]
