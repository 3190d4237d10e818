# SPDX-License-Identifier: GPL-2.0-only
"""The flow table grows and shrinks while packets use it: no flow is lost, none found wrong."""
import contextlib
import functools
import ipaddress
import json
import socket
import struct
import threading

from net import clients, genl
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.packet import UDP
from net.topology import mac_of

SINK = 9
BUCKETS = 16            # that it begins with
SMALL = 256             # so small it gets: it knows the number of links to some tens a processor
CROWDED = 1 << 22       # so many that looking at all of them takes a good part of a second
BUCKET_LINKS = 7        # links to flows in a bucket's first line; each flow here has two
PER_ADDRESS = 1000      # flows of one client address
PLACES = "p11", "p12"   # on the balancer: there is no bound on ports, as SNAT has


def _sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


class Flood:
    """UDP from many clients, straight to the balancer from the router's place."""

    def __init__(self, cluster, to):
        self._link = cluster.net.socket("r0", socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._link.bind(("lan0", 0))
        octets = [bytes.fromhex(mac_of(place).replace(":", "")) for place in ("n1", "r0")]
        self._ether = b"".join(octets) + b"\x08\0"
        self._to = socket.inet_aton(to[0]), to[1]
        self._genl = genl.Genl("n1")
        self._room = 0

    def _has_room(self):
        """With two links to each flow, a bucket has two lines in the mean then: it will grow."""
        flows, buckets = self._genl.table()
        self._room = buckets * BUCKET_LINKS - flows
        return self._room > 0

    @staticmethod
    def client(number):
        """(address, port)"""
        host, port = divmod(number, PER_ADDRESS)
        return str(ipaddress.ip_address("198.18.0.1") + host), 10000 + port

    def begin(self):
        """With a small table."""
        self._room = 0

    def send(self, numbers, word=b"flood"):
        """One packet of each. A new flow waits until the table has grown for those before it: how many
        it can take before its worker comes to that is not what is tested."""
        for number in numbers:
            if self._room <= 0:
                eventually(self._has_room, "the table grows", 30)
            self._room -= 1
            host, port = self.client(number)
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(word), 0, 0, 64, UDP, 0,
                               socket.inet_aton(host), self._to[0])
            head = head[:10] + struct.pack("!H", _sum16(head)) + head[12:]
            self._link.send(self._ether + head + struct.pack("!4H", port, self._to[1], 8 + len(word), 0) + word)


class State:
    def __init__(self, subset):
        # Emulation is some 15 times slower; and a table that grows eight times has grown often.
        self.many = 3000 if subset else 40000
        self.cluster = c = Cluster(flow_buckets=BUCKETS)
        vip = c.plan.vip(120)
        self.web = Service("web", "tcp", 80, ["p21"], vip)
        self.echo = Service("echo", "udp", 53, ["p21"], vip)
        self.sink = Service("sink", "udp", 54, list(PLACES), vip, backend_port=SINK)
        self.sinks = {}
        for place in PLACES:
            s = self.sinks[place] = c.net.socket(place, socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((c.plan.address(place), SINK))
            s.setblocking(False)
        self.flood = Flood(c, self.sink.front(c.plan))

    def fresh(self, *settings):
        self.cluster.apply([self.web, self.echo, self.sink], "flows-max 1000000", "timeout udp-unreplied 1h", *settings)
        self.cluster.lbadm("n1", "flow flush")
        eventually(lambda: self.buckets() <= SMALL, "few buckets", 60, lambda: [str(self.status())])
        self.flood.begin()
        self.drops = self.cluster.drops("n1")
        return self

    def status(self):
        return self.cluster.json("n1", "status")["status"]

    def buckets(self):
        return self.status()["flow_buckets"]

    def grown(self, flows):
        eventually(lambda: self.buckets() * BUCKET_LINKS >= 2 * flows, f"buckets for {flows} flows", 30,
                   lambda: [str(self.status())])

    def shrunk(self, ask):
        """Until few flows have few buckets."""
        eventually(lambda: ask() or self.buckets() <= SMALL, "few buckets", 60, lambda: [str(self.status())])

    def listed(self):
        """{client: place} of the sink's flows; each is listed once, as the table is not being resized."""
        flows = self.cluster.flows("n1", "service sink")
        places = {self.cluster.plan.address(p): p for p in PLACES}
        out = {f["client"]: places[f["backend"][0]] for f in flows}
        equal(len(out), len(flows), "different flows that are listed")
        return out

    def arrived(self):
        """{client: place} of what the backends were sent, since they were asked last."""
        out = {}
        for place, s in self.sinks.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    out[s.recvfrom(100)[1]] = place
        return out

    @contextlib.contextmanager
    def chats(self, tcp=True):
        """Ordinary flows; asking them must go well at any time."""
        with contextlib.ExitStack() as stack:
            net, plan = self.cluster.net, self.cluster.plan
            all_ = [stack.enter_context(clients.Udp(net, "c0", self.echo.front(plan))) for _ in range(10)]
            if tcp:
                all_ += [stack.enter_context(clients.Tcp(net, "c0", self.web.front(plan))) for _ in range(5)]

            def ask():
                for client in all_:
                    equal(client.ask().name, "p21", "server")
            ask()
            yield ask

    def no_drops(self):
        equal(self.cluster.drops("n1"), self.drops, "drops")


def grows(state):
    """Every flow is there afterwards, with the backend that it had."""
    s = state().fresh()
    buckets = [s.buckets()]
    with s.chats() as ask:
        step = s.many // 20
        for first in range(0, s.many, step):
            s.flood.send(range(first, first + step))
            ask()
            buckets.append(s.buckets())
        s.grown(s.many)
        ask()
        s.no_drops()
        equal(buckets, sorted(buckets), "buckets, one time after the other")
        flows = s.listed()
        wanted = {s.flood.client(n) for n in range(s.many)}
        equal((sorted(wanted - flows.keys())[:5], sorted(flows.keys() - wanted)[:5]), ([], []),
              "flows that are missing, and those that nobody made")
        s.arrived()
        # as many as the sockets have room for, each with a second packet
        some = range(0, s.many, max(s.many // 100, 1))
        s.flood.send(some, b"again")
        second = {s.flood.client(n): flows[s.flood.client(n)] for n in some}
        got = {}
        eventually(lambda: got.update(s.arrived()) or got.keys() >= second.keys(), "all second packets")
        equal({c: p for c, p in got.items() if p != second[c]}, {}, "flows that came to another backend")
        equal(s.status()["flows"], s.many + 15, "flows")
    s.no_drops()


def shrinks(state):
    """With few flows left there are few buckets; those flows have been there all the time."""
    s = state().fresh()
    with s.chats() as ask:
        s.flood.send(range(s.many))
        s.grown(s.many)
        ask()
        s.cluster.lbadm("n1", "flow flush service sink")
        s.shrunk(ask)
        ask()
        equal(s.status()["flows"], 15, "flows")
    s.no_drops()


def expires(state):
    """Flows that idle out take their buckets with them."""
    s = state().fresh()
    with s.chats() as ask:
        s.flood.send(range(s.many))
        s.grown(s.many)
        for node in s.cluster.plan.nodes:
            s.cluster.lbadm(node, "set timeout udp-unreplied 1s")
        eventually(lambda: ask() or s.status()["flows"] == 15, "the ordinary flows only", 120,
                   lambda: [str(s.status())])
        s.shrunk(ask)
    s.no_drops()


class Growth(threading.Thread):
    """The flood, beside what a test does; .errors says what went wrong."""

    def __init__(self, state, numbers):
        super().__init__(daemon=True)
        self._flood, self._numbers = state.flood, numbers
        self.sent = 0       # that many have been
        self.errors = []
        self.start()

    def run(self):
        try:
            for number in self._numbers:
                self._flood.send((number,))
                self.sent = number + 1
        except OSError as e:
            self.errors.append(str(e))

    def finish(self):
        self.join()
        equal(self.errors, [], "errors")


def flushed(state):
    """Flushes while it grows; the one after it leaves nothing."""
    s = state().fresh()
    flushes = 0
    with s.chats(tcp=False) as ask:
        growth = Growth(s, range(s.many))
        while growth.is_alive():
            s.cluster.lbadm("n1", "flow flush")
            flushes += 1
            ask()
        growth.finish()
        s.cluster.lbadm("n1", "flow flush")
        equal((s.cluster.flows("n1"), s.status()["flows"]), ([], 0), "flows after the last flush")
        ask()
        equal(len(s.cluster.flows("n1")), 10, "flows that began anew")
    print(f"# {flushes} flushes while it grew")
    s.no_drops()


def listed_while(state):
    """What was there before a list began is in it, whatever becomes of the table meanwhile."""
    s = state().fresh()
    lists = []
    with s.chats() as ask:
        growth = Growth(s, range(s.many))
        while growth.is_alive():
            # read only when the table is at rest again, so that there are more of them while it is not
            lists.append((growth.sent, s.cluster.lbadm("n1", "-j flow list service sink")))
        growth.finish()
        ask()
    s.no_drops()
    check(any(sent > s.many // 2 for sent, _ in lists), "no list was made while it grew large")
    for n, (sent, text) in enumerate(lists):
        flows = {(f["client"]["address"], f["client"]["port"]) for f in json.loads(text)["flows"]}
        missing = {s.flood.client(number) for number in range(sent)} - flows
        equal(sorted(missing)[:5], [], f"list {n} of {len(lists)} lacks {len(missing)} of {sent} flows")
    print(f"# {len(lists)} lists while it grew")


def read_slowly(state):
    """Lists that are begun before it grows, and read on afterwards: what is there all the time is in each."""
    s = state().fresh()
    sent = s.many // 4
    s.flood.send(range(sent))
    wanted = {s.flood.client(n) for n in range(sent)}
    lists = []
    with contextlib.ExitStack() as stack:
        for n in range(8):
            parts = stack.enter_context(genl.Genl("n1")).dump(genl.FLOW_GET)
            lists.append((parts, [next(parts) for _ in range(n + 1)]))
        before = s.buckets()
        s.flood.send(range(sent, s.many))
        eventually(lambda: s.buckets() > before, "more buckets")
        s.no_drops()
        lacking = {}
        for n, (parts, read) in enumerate(lists):
            first = len(read)
            read += parts
            check(len(read) > first, f"list {n} was read before the table grew")
            a = [genl.attrs(message) for part in read for message in part]
            got = {(socket.inet_ntoa(m[genl.FLOW_CLIENT_ADDR]), int.from_bytes(m[genl.FLOW_CLIENT_PORT], "big"))
                   for m in a}
            if wanted - got:
                lacking[n] = len(wanted - got)
    equal(lacking, {}, "lists that lack flows, and how many")


def crowded():
    """Who has all the flows that it may have looks for one that could go in a part of the buckets: some are another's,
    and how many there are is not for a packet's time to depend on."""
    c = Cluster(flow_buckets=CROWDED)
    echo = Service("echo", "udp", 53, ["p21"], c.plan.vip(121))
    c.apply([echo], "flows-max 1")
    flood, packets = Flood(c, echo.front(c.plan)), 600
    with clients.Udp(c.net, "c0", echo.front(c.plan)) as client:
        client.ask()
        flood.begin()
        flood.send(range(packets))
        eventually(lambda: c.drops("n1").get("table-full") == packets, "all are refused", 10,
                   lambda: [str(c.drops("n1"))])
        equal(client.ask().name, "p21", "server of the flow that there is")


def tests(subset):
    state = functools.lru_cache(functools.partial(State, subset))
    return [(f"the table: {name}", functools.partial(f, state)) for name, f in (
        ("it grows", grows), ("it shrinks when flows are flushed", shrinks),
        ("it shrinks when flows expire", expires), ("flushes while it grows", flushed),
        ("lists while it grows", listed_while),
        ("it grows between the parts of a list", read_slowly))] + \
        [("the table: it is large, and who asks may have few flows", crowded)]
