# SPDX-License-Identifier: GPL-2.0-only
"""Bypass in a cluster: beside conntrack and a firewall, and at the hand-over between the two ways."""
import contextlib
import functools
import os
import socket
import struct
import threading
import time

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins

SINK = 9
CT_TIMEOUT = 10         # seconds: conntrack's, for UDP

_RULES = """
table {ip} fw {{
    counter invalid {{ }}
    counter closed {{ }}
    chain closing {{ }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        jump closing
        ct state invalid counter name invalid drop
        ct state established,related accept
        ct state new {ip} saddr {client} {ip} daddr {{ {backends} }} accept
    }}
}}
"""


class State:
    def __init__(self, plan, subset):
        self.cluster = c = Cluster(plan)
        self.net, self.plan = c.net, c.plan
        vip = c.plan.vip(110)
        self.web = Service("web", "tcp", 80, ["p21"], vip)
        self.echo = Service("echo", "udp", 53, ["p21"], vip)
        self.near = Service("near", "udp", 54, ["p11"], vip)
        self.stream = Service("stream", "udp", 55, ["p22"], vip, backend_port=SINK)
        self.file = c.nginx.file("long", (1 if subset else 4) << 20)
        self.rules = None

    def fresh(self, mode="snat", rules=False):
        """No flow, bypass on, and on the balancer a stateful firewall or none."""
        if self.rules != rules:
            self.net.run("n1", ["nft", "flush", "ruleset"])
            if rules:
                backends = ", ".join(self.plan.address(p) for p in ("p21", "p11", "p22"))
                self.nft(_RULES.format(ip=self.plan.ip, client=self.plan.client, backends=backends))
            self.rules = rules
        self.cluster.apply([self.web, self.echo, self.near, self.stream], f"mode {mode}")
        self.cluster.lbadm("n1", "flow flush")
        return self

    def nft(self, text):
        self.net.run("n1", ["nft", "-f", "-"], input=text)

    def counted(self, name):
        """Packets of the firewall's counter @name."""
        words = self.net.run("n1", ["nft", "list", "counter", self.plan.ip, "fw", name]).split()
        return int(words[words.index("packets") + 1])

    def stats(self):
        """Totals, what services count among the others."""
        stats = self.cluster.json("n1", "stats")["stats"]
        return {**stats.pop("counters"), **stats}

    def bypass(self, client):
        return self.cluster.flow_of("n1", (self.plan.client, client.local[1]))["bypass"]

    def talk(self, client):
        """Until both sides' packets take bypass."""
        def asked():
            client.ask()
            return self.bypass(client) == "both"
        eventually(asked, "bypass of both sides", 30)

    def tcp(self, timeout=30):
        return clients.Tcp(self.net, "c0", self.web.front(self.plan), timeout=timeout)

    def udp(self, service=None, timeout=10, port=0):
        return clients.Udp(self.net, "c0", (service or self.echo).front(self.plan), ("", port), timeout)


def stateful(state):
    """Conntrack has missed megabytes, and calls nothing invalid when it sees packets again."""
    s = state().fresh(rules=True)
    with s.tcp() as tcp, s.udp() as udp, s.udp(s.near) as near:
        for client in (tcp, udp, near):
            s.talk(client)
        for _ in range(2):
            before = s.stats()["bypassed"]
            check(tcp.ask("/files/long") == s.file, "what came is not the file")
            for client in (udp, near):
                client.ask()
            # with offloads off no packet has more than an Ethernet's worth of it
            least = len(s.file) // 1500
            check(s.stats()["bypassed"] > before + least, f"fewer than {least} packets took bypass")
            s.cluster.lbadm("n1", "set bypass off")
            before = s.stats()["bypassed"]
            for client in (tcp, udp, near):
                for _ in range(3):
                    client.ask()
            check(tcp.ask("/files/long") == s.file, "what came is not the file")
            equal(s.stats()["bypassed"], before, "packets that took bypass while it was off")
            s.cluster.lbadm("n1", "set bypass on")
            for client in (tcp, udp, near):
                s.talk(client)
        tcp.ask(last=True)
    equal(s.counted("invalid"), 0, "packets that conntrack calls invalid")


def rule_added(state):
    """A rule holds for new flows; for those that have bypass when they are flushed."""
    s = state().fresh(rules=True)
    with s.tcp(timeout=2) as tcp, s.udp(timeout=2) as udp:
        for client in (tcp, udp):
            s.talk(client)
        # by a RST, for another test would see the FIN again and again
        tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        ip = s.plan.ip
        s.nft(f"add rule {ip} fw closing {ip} daddr {s.plan.address('p21')} counter name closed drop")
        try:
            for client in (tcp, udp):
                for _ in range(3):
                    equal(client.ask().name, "p21", "server of a flow from before")
            equal(s.counted("closed"), 0, "packets that the rule has dropped")
            for proto in ("tcp", "udp"):
                service = {"tcp": s.web, "udp": s.echo}[proto]
                with clients.knock(s.net, "c0", service.front(s.plan), proto):
                    eventually(lambda: s.counted("closed"), f"a new {proto} flow is dropped")
                s.nft(f"reset counter {ip} fw closed")
            s.cluster.lbadm("n1", "flow flush")
            for client in (tcp, udp):
                before = s.counted("closed")
                (client.request if client is tcp else client.send)()
                eventually(lambda before=before: s.counted("closed") > before, "a flushed flow is dropped")
                client.sock.settimeout(0.2)
                try:
                    got = client.sock.recv(1)
                except TimeoutError:
                    continue
                check(False, f"a flow that was flushed still has an answer: {got}")
        finally:
            s.nft(f"flush chain {ip} fw closing")


class Stream(threading.Thread):
    """Numbered datagrams to a service and back, one after the other; .errors says what was wrong."""

    def __init__(self, state, service, place):
        super().__init__(daemon=True)
        plan = state.plan
        self._to = service.front(plan)
        self._client = state.net.socket("c0", plan.family, socket.SOCK_DGRAM)
        self._server = state.net.socket(place, plan.family, socket.SOCK_DGRAM)
        self._server.bind((plan.address(place), SINK))
        for s in (self._client, self._server):
            s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)    # SO_RCVBUFFORCE
            s.setblocking(False)
        self._end = threading.Event()
        self.sent = self.there = self.back = 0
        self.errors = []
        self.start()

    def _received(self, sock, want, what):
        """Every datagram that there is, to be numbered from @want on; the first that is not there yet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, peer = sock.recvfrom(2048)
                number = struct.unpack_from("!Q", data)[0]
                if number != want:
                    self.errors.append(f"{what}: number {number}, should be {want}")
                want = number + 1
                if sock is self._server:
                    sock.sendto(data, peer)
        return want

    def _take(self):
        self.there = self._received(self._server, self.there, "at the server")
        self.back = self._received(self._client, self.back, "at the client")

    def run(self):
        while not self._end.is_set() and len(self.errors) < 20:
            self._client.sendto(struct.pack("!Q", self.sent) + bytes(self.sent % 200), self._to)
            self.sent += 1
            self._take()

    def finish(self):
        """Ends it; all that was sent has come and gone back."""
        self._end.set()
        self.join()

        def all_back():
            self._take()
            return self.errors or self.back == self.sent
        try:
            eventually(all_back, f"all of {self.sent} datagrams", 10)
        finally:
            self._client.close()
            self._server.close()
        equal((self.errors, self.there, self.back), ([], self.sent, self.sent), "what was wrong, and datagrams")


@contextlib.contextmanager
def one_processor():
    """Frames of one processor keep their order by themselves: another order is our doing."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def changes(s, place, mtu):
    """What makes packets change from one way to the other: functions to call in turn."""
    n1, lbadm = functools.partial(s.net.run, "n1"), s.cluster.lbadm
    node = s.plan.nodes[s.plan.node_of(place)]
    pod_net = s.plan.pod_net(s.plan.node_of(place))

    def ip(words):
        return lambda: n1(["ip", *words.split()])

    def forget(address):
        """The neighbour; there may be none at the moment."""
        return lambda: n1(["sh", "-c", f"ip neigh del {address} dev lan0 2>&1 || ip neigh show {address}"])
    yield lambda: lbadm("n1", "set bypass off")
    yield lambda: lbadm("n1", "set bypass on")
    yield ip(f"route add {s.plan.address(place)} via {node}")
    yield ip(f"route replace {pod_net} via {node} mtu {mtu}")
    yield forget(node)
    yield ip(f"route del {s.plan.address(place)} via {node}")
    yield forget(s.plan.lan_gw)
    yield ip(f"route replace {pod_net} via {node}")
    yield lambda: lbadm("n1", "service set stream bypass off")
    yield lambda: lbadm("n1", "service set stream bypass on")
    if mtu < 1500:
        yield ip(f"link set lan0 mtu {mtu}")
        yield ip("link set lan0 mtu 1500")


def hand_over(state, mode, rounds):
    """Each datagram arrives once, and in order, whatever way it and the one before it took."""
    s = state().fresh(mode)
    with one_processor():
        before = s.stats()["bypassed"], s.cluster.counters("n1", s.stream, "p22")
        stream = Stream(s, s.stream, "p22")
        try:
            for _ in range(rounds):
                for change in changes(s, "p22", 1280):
                    sent = stream.sent
                    change()
                    eventually(lambda sent=sent: stream.errors or stream.sent >= sent + 20, "it goes on")
        finally:
            stream.finish()
        after = s.stats()["bypassed"], s.cluster.counters("n1", s.stream, "p22")
    fast = after[0] - before[0]
    total = sum(after[1][k] - before[1][k] for k in ("packets_in", "packets_out"))
    print(f"# {stream.sent} datagrams, {fast} of {total} packets took bypass")
    # the balancer of DSR sees one direction only
    equal(total, stream.sent * (2 if mode == "snat" else 1), "packets counted")
    check(0 < fast < total, "not both ways were taken")


def download(state, rounds):
    """A connection sees nothing of it either."""
    s = state().fresh()
    wrong = []

    def load():
        with s.tcp(timeout=60) as tcp:
            while not wrong and not end.is_set():
                if tcp.ask("/files/long") != s.file:
                    wrong.append("what came is not the file")
                loads[0] += 1

    def watched():
        try:
            load()
        except Exception as e:      # its reason goes to the test
            wrong.append(f"{type(e).__name__}: {e}")
    end, loads = threading.Event(), [0]
    thread = threading.Thread(target=watched, daemon=True)
    thread.start()
    try:
        for _ in range(rounds):
            for change in changes(s, "p21", 1500):
                before = s.stats()["packets_out"]
                change()
                eventually(lambda before=before: wrong or s.stats()["packets_out"] > before, "it goes on", 30)
        eventually(lambda: wrong or loads[0], "a whole file", 60)
    finally:
        end.set()
        thread.join()
    equal(wrong, [], "what was wrong")


def refresh(state):
    """Conntrack keeps an entry whose packets it hardly sees."""
    s = state().fresh(rules=True)
    timeouts = [f"netfilter/nf_conntrack_udp_timeout{suffix}" for suffix in ("", "_stream")]
    before = {}
    with s.net.inside("n1"):
        for name in timeouts:
            with open(f"/proc/sys/net/{name}") as f:
                before[name] = f.read()
    s.net.sysctl("n1", dict.fromkeys(timeouts, CT_TIMEOUT))

    def entry(client):
        """Its number, which another entry of the same flow would not have."""
        out = s.net.run("n1", ["conntrack", "-L", "-f", "ipv6" if s.plan.ipv6 else "ipv4", "-p", "udp",
                               "-o", "id", "--sport", str(client.local[1])])
        return [word for word in out.split() if word.startswith("id=")]
    try:
        with s.udp() as udp:
            s.talk(udp)
            first = entry(udp)
            equal(len(first), 1, "entries")
            bypassed = s.stats()["bypassed"]
            end = time.monotonic() + 1.6 * CT_TIMEOUT
            asked = 0
            while time.monotonic() < end:
                for _ in range(5):
                    udp.ask()
                    asked += 1
                equal(entry(udp), first, "the entry of the flow")
            took = s.stats()["bypassed"] - bypassed
            check(took > asked, f"{took} of {2 * asked} packets took bypass")
    finally:
        s.net.sysctl("n1", before)
    equal(s.counted("invalid"), 0, "packets that conntrack calls invalid")


# The stack of 6.1 counts the octets of a forwarded IPv4 packet twice.
_TWICE = "OutOctets"


def snmp(s):
    """What the balancer's stack has counted of IP."""
    out = {}
    if s.plan.ipv6:
        with s.net.inside("n1"), open("/proc/thread-self/net/snmp6") as f:
            lines = [line.split() for line in f if line.startswith(("Ip6", "Icmp6InMsgs"))]
            return {name: int(value) for name, value in lines}
    with s.net.inside("n1"):
        for name in ("snmp", "netstat"):
            with open(f"/proc/thread-self/net/{name}") as f:
                lines = [line.split() for line in f if line.startswith("Ip")]
            for names, values in zip(lines[::2], lines[1::2]):
                out.update(zip(names[1:], map(int, values[1:])))
    return out


def counters(state, mode):
    """Ours and the stack's rise by the same for the same traffic, bypass or not."""
    s = state().fresh(mode)
    # the answers have SNAT's ports in them, which shall be as long as each other
    s.cluster.lbadm("n1", "set snat-ports 10000-29999")
    risen = {}
    for port, bypass in ((22001, "on"), (22003, "off")):
        s.cluster.lbadm("n1", f"set bypass {bypass}")
        # ports that SNAT keeps: they are in the answers, which are to have the same length each time
        with s.udp(port=port) as udp, s.udp(s.near, port=port + 1) as near:
            for _ in range(3):
                udp.ask(), near.ask()
            before = after = None
            # without neighbours that happen to ask for each other meanwhile
            while before is None or before.get("Icmp6InMsgs") != after.get("Icmp6InMsgs"):
                before = {**s.stats(), **snmp(s)}
                for _ in range(100):
                    udp.ask("/a-word-of-always-the-same-length"), near.ask("/another")
                after = {**s.stats(), **snmp(s)}
        risen[bypass] = {k: after[k] - before[k] for k in after
                         if k not in ("drops", _TWICE) and not k.startswith("flows")}
    fast = risen["on"].pop("bypassed")
    equal(risen["off"].pop("bypassed"), 0, "packets that took bypass while it was off")
    equal(fast, 400 if mode == "snat" else 300, "packets that took bypass")
    equal(risen["on"]["Ip6OutForwDatagrams" if s.plan.ipv6 else "ForwDatagrams"], fast, "datagrams forwarded")
    differ = {k: (v, risen["off"][k]) for k, v in risen["on"].items() if v != risen["off"][k]}
    equal(differ, {}, "counters that rose by something else than with bypass off")


def tests(subset):
    return twins(functools.partial(of_family, subset))


def of_family(subset, plan):
    state = functools.lru_cache(functools.partial(State, plan, subset))
    rounds = 1 if subset else 2
    out = [("bypass beside conntrack, and then without bypass", functools.partial(stateful, state)),
           ("a firewall rule added later", functools.partial(rule_added, state)),
           ("snat: datagrams keep their order at the hand-over", functools.partial(hand_over, state, "snat", rounds)),
           ("snat: the same counters", functools.partial(counters, state, "snat"))]
    if subset:
        return out[2:3] if plan.ipv6 else out
    out += [
        ("dsr: datagrams keep their order at the hand-over", functools.partial(hand_over, state, "dsr", rounds)),
        ("snat: a download at the hand-over", functools.partial(download, state, rounds)),
        ("dsr: the same counters", functools.partial(counters, state, "dsr"))]
    # long, and what decides it is the same for both families
    return out if plan.ipv6 else [*out, ("conntrack's entry is refreshed", functools.partial(refresh, state))]
