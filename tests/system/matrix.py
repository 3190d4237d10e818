# SPDX-License-Identifier: GPL-2.0-only
"""Every mode × protocol × policy × place of the backend × kind of frontend, in both families.

One service for each backend and policy; the mode is changed at run time. The
topology stays, so a cell costs a connection and a few calls of lbadm.
"""
import functools
import itertools

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.packet import SYN
from net.plan import twins
from net.topology import BALANCER
from oracle import note, oracle

MODES = ("snat", "dsr", "hybrid")
PLACES = {"local": "p11", "remote": "p21", "local-host": "n1", "remote-host": "n2"}
FRONTS = ("vip", "nodeport")
_ports = itertools.count(20000)     # a client port of its own for each cell


class Matrix:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.capture = self.cluster.capture()
        self.mode = None
        self.seen = {}      # drops by node, as of the last look
        self.services = {}
        kinds = itertools.product(("cluster", "local"), PLACES)
        for n, (policy, where) in enumerate(kinds):
            for proto in ("tcp", "udp"):    # the same numbers for both: they don't meet
                self.services[proto, policy, where] = Service(
                    f"{proto}-{policy}-{where}", proto, 1000 + n, [PLACES[where]],
                    self.plan.vip(10), 30000 + n, policy)

    def set_mode(self, mode):
        if mode != self.mode:
            self.cluster.apply(self.services.values(), f"mode {mode}")
            self.mode = mode

    def nodes(self, service):
        """Those that have to do with it, once each."""
        return list(dict.fromkeys((BALANCER, self.plan.node_of(service.backends[0]))))

    def check_drops(self, service, want=None):
        """Since the last call, on n1, {reason: packets} of @want and nothing else."""
        for node in self.nodes(service):
            old = self.seen.get(node, {})
            self.seen[node] = self.cluster.drops(node)
            new = {k: v - old.get(k, 0) for k, v in self.seen[node].items() if v != old.get(k, 0)}
            equal(new, want or {} if node == BALANCER else {}, f"drops on {node}",
                  self.capture.dump)

    def counters(self, node, service):
        return self.cluster.counters(node, service, service.backends[0])


def cell(matrix, mode, proto, policy, where, front):
    m = matrix()
    m.set_mode(mode)
    service = m.services[proto, policy, where]
    to = service.front(m.plan, front)
    want = oracle(m.plan, mode, proto, policy, PLACES[where])
    m.capture.clear()
    (answered if want.answered else refused)(m, service, to, want)
    equal([str(p) for p in m.capture.bad()], [], "wrong packets")
    equal(m.capture.lost(), 0, "packets that the capture had no room for")


def answered(m, service, to, want):
    backend = service.backends[0]
    client = (m.plan.client, next(_ports))
    before = {node: m.counters(node, service) for node in m.nodes(service)}
    word = clients.token()
    if service.proto == "tcp":
        answer = clients.tcp_once(m.cluster.net, "c0", to, word, source=client)
    else:
        with clients.Udp(m.cluster.net, "c0", to, source=client) as udp:
            answer = udp.ask(word)
            equal(udp.source, to, "source of the datagram that answers")
    equal((answer.name, answer.token), (backend, word), "who answered what")
    equal(answer.client, want.client, "client that the backend saw", m.capture.dump)
    if want.same_port:
        equal(answer.client_port, client[1], "client's port that the backend saw")
    check_path(m, client, word, want)
    check_notes(m, service, to, client, want)
    check_counters(m, service, to, client, want, before)
    flow = m.cluster.flow_of(BALANCER, client)
    check(flow, "the balancer does not list the flow")
    equal((flow["kind"], flow["service"], flow["frontend"]), (want.kind, service.name, to),
          "flow on the balancer")
    there = m.cluster.flow_of(m.plan.node_of(backend), client) if want.dsr else None
    if want.dsr:
        equal(there and (there["kind"], there["frontend"]), ("dsr-in", to), "flow on the backend's node")
    m.check_drops(service)


def check_path(m, client, word, want):
    """The answer itself, by its content, and every other packet to the client."""
    def reply(p):
        return word.encode() in p.payload and not p.payload.startswith((b"GET", word.encode()))
    equal(m.capture.crossed(reply) - {"r0"}, want.reply_nodes, "nodes that the reply crossed",
          m.capture.dump)
    if want.dsr:
        back = m.capture.matching(lambda p: p.place == BALANCER and (p.dst, p.dport) == client)
        equal([str(p) for p in back], [], "replies that crossed the balancer")


def check_notes(m, service, to, client, want):
    """DSR: on TCP's SYN and on every datagram; nothing of it beyond the backend's node."""
    def sent(p):
        return p.place == BALANCER and p.link == "lan0" and p.out and (p.src, p.sport) == client
    for p in m.capture.matching(sent):
        noted = want.dsr and (service.proto == "udp" or p.flags & SYN)
        equal(p.options.hex(), note(*to).hex() if noted else "", f"options of {p}")
    inside = m.capture.matching(lambda p: p.link in m.plan.pods and p.options)
    equal([str(p) for p in inside], [], "options that pods could see")


def check_counters(m, service, to, client, want, before):
    """Of the backend, against the packets that were captured; its last ACK may be on its way."""
    node = m.plan.node_of(service.backends[0])

    def moved():
        """Packets and bytes to the service and from it, as r0's link to the client saw them."""
        side = [p for p in m.capture.matching(lambda p: p.place == "r0" and p.link == "wan0")]
        there = [p for p in side if (p.src, p.sport, p.dst, p.dport) == (*client, *to)]
        back = [p for p in side if (p.dst, p.dport, p.src, p.sport) == (*client, *to)]
        return there, back

    def right():
        there, back = moved()
        wanted = {BALANCER: (len(there), 0 if want.dsr else len(back))}
        if want.dsr:
            wanted[node] = (len(there), len(back))
        got = {}
        for name in before:
            now, old = m.counters(name, service), before[name]
            got[name] = tuple(now[k] - old[k] for k in ("packets_in", "packets_out"))
            if name == BALANCER:
                size = now["bytes_in"] - old["bytes_in"]
        right.last = f"(in, out): {got}, should be {wanted}"
        return there and got == {n: wanted.get(n, (0, 0)) for n in before} and \
            size == sum(len(p.ip) for p in there)

    eventually(right, "counters of the backend as the links saw it", 5,
               lambda: [right.last, *m.capture.dump()])


def refused(m, service, to, want):
    """Each packet is dropped and counted, and nobody hears of it."""
    sock = clients.knock(m.cluster.net, "c0", to, service.proto)
    port = sock.getsockname()[1]
    sock.close()        # or it would ask again
    sent = []

    def counted():
        sent[:] = m.capture.matching(lambda p: p.place == BALANCER and p.sport == port)
        before = m.seen.get(BALANCER, {}).get("no-local-backend", 0)
        return sent and m.cluster.drops(BALANCER).get("no-local-backend", 0) - before == len(sent)

    eventually(counted, "as many no-local-backend as packets sent", 5, m.capture.dump)
    equal([str(p) for p in sent if p.out], [], "packets that went on")
    heard = m.capture.matching(lambda p: p.dst == m.plan.client)
    equal([str(p) for p in heard], [], "packets to the client")
    m.check_drops(service, {"no-local-backend": len(sent)})


def tests(subset):
    def of_family(plan):
        matrix = functools.lru_cache(functools.partial(Matrix, plan))       # made by the first cell
        cells = itertools.product(MODES, ("tcp", "udp"), ("cluster", "local"), PLACES, FRONTS)
        return [(" ".join(c), functools.partial(cell, matrix, *c)) for c in cells
                if not subset or c[2:] in SUBSET]
    return twins(of_family)


SUBSET = (("cluster", "remote", "vip"), ("cluster", "local", "nodeport"),
          ("local", "remote-host", "vip"))
