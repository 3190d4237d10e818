# SPDX-License-Identifier: GPL-2.0-only
"""Many backends and many connections."""
import collections
import functools
import select

from net import clients, ns, servers
from net.cluster import Cluster, Service
from net.ktap import Failure, check, equal, eventually
from net.plan import endpoint, twins
from net.topology import stop

# A right scheduler fails this once in a million runs (3 degrees of freedom).
CHI_SQUARE = 30.7


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        vip = c.plan.vip(20)
        self.all = Service("all", "tcp", 80, list(c.plan.pods), vip)
        self.weighted = Service("weighted", "udp", 53,
                                {"p11": 1, "p21": 2, "p22": 3, "p31": 4, "p32": 0}, vip)
        self.empty = Service("empty", "udp", 54, [], vip)
        self.plain = Service("plain", "tcp", 81, ["p21"], vip, plain=True)
        self.mode = None

    def set_mode(self, mode):
        self.cluster.apply([self.all, self.weighted, self.empty, self.plain], f"mode {mode}")

    def ask_all(self, count):
        """So many connections, all open at once; Counter of who answered."""
        net, to, opened = self.cluster.net, self.all.front(self.cluster.plan), []
        try:
            for _ in range(count):
                opened.append(clients.Tcp(net, "c0", to, timeout=30))
            return collections.Counter(c.ask(last=True).name for c in opened)
        except TimeoutError:
            raise Failure("no answer in 30 s", list(self.where_they_are(opened))) from None
        finally:
            for c in opened:
                c.close()

    def where_they_are(self, opened):
        """For whoever has to find out why one got no answer."""
        ports = [c.local[1] for c in opened]
        yield f"{len(opened)} connected, by the ports {ports}"
        for node in self.cluster.plan.nodes:
            yield f"{node} drops {self.cluster.drops(node)}, and has of flows that are not closing:"
            yield from (str(f) for f in self.cluster.flows(node)
                        if f["state"] in ("tcp-syn-sent", "tcp-syn-received", "tcp-established"))


def every_backend(state, mode):
    s = state()
    s.set_mode(mode)
    names = s.ask_all(100)
    # 100 to 6 backends: one of them gets none in one of 14 million runs
    equal(sorted(names), sorted(s.all.backends), "backends that answered")
    equal(sum(names.values()), 100, "answers")


def weights(state):
    s = state()
    s.set_mode("snat")
    sent, to = 1000, s.weighted.front(s.cluster.plan)
    names = collections.Counter()
    for _ in range(sent):
        names[clients.udp_once(s.cluster.net, "c0", to).name] += 1
    total = sum(s.weighted.backends.values())
    equal(names["p32"], 0, "flows to a backend of weight 0")
    wanted = {p: sent * w / total for p, w in s.weighted.backends.items() if w}
    chi = sum((names[p] - n) ** 2 / n for p, n in wanted.items())
    check(chi < CHI_SQUARE, f"{dict(names)} is not {wanted}: chi-square {chi:.1f}")


def no_backend(state):
    s = state()
    s.set_mode("dsr")
    before = s.cluster.drops("n1").get("no-backend", 0)
    clients.knock(s.cluster.net, "c0", s.empty.front(s.cluster.plan), "udp").close()
    eventually(lambda: s.cluster.drops("n1").get("no-backend", 0) == before + 1, "no-backend counted")


def plain_server(state, mode):
    """A backend that no node is named for can't take a note: SNAT in every mode."""
    s = state()
    s.set_mode(mode)
    answer = clients.tcp_once(s.cluster.net, "c0", s.plain.front(s.cluster.plan))
    equal((answer.name, answer.client), ("p21", s.cluster.plan.nodes["n1"]), "server and its client")


def forking(state, proto):
    """A server with a process for each request, asked at the same moment by many."""
    s = state()
    net, plan = s.cluster.net, s.cluster.plan
    service = Service("fork", proto, 82, ["p22"], plan.vip(23), backend_port=7070)
    s.cluster.apply([service], "mode dsr")
    server = servers.socat_echo(net, "p22", proto, plan=plan)
    eventually(lambda: ns.listens("p22", proto, 7070), "socat listens", 30)
    line = f"{clients.token()}\n"
    kind = {"tcp": "TCP", "udp": "UDP"}[proto]
    asking = [net.popen("c0", ["socat", "-t60", "-T60", "-", f"{kind}:{endpoint(service.vip, 82)}"], text=True,
                        stdin=-1, stdout=-1) for _ in range(5)]

    def ask(client):
        client.stdin.write(line)
        client.stdin.flush()

    for client in asking:
        ask(client)
    for client in asking:
        # socat may lose a datagram that comes while it forks; a UDP client asks again.
        while proto == "udp" and not select.select([client.stdout], [], [], 5)[0]:
            ask(client)
        answer = servers.Answer.parse(client.stdout.readline())
        equal((answer.name, answer.client, answer.token), ("p22", plan.client, line.strip()),
              "server, its client and what it was asked")
        stop(client)
    stop(server)


def two_services_one_backend(state, mode):
    """One client port to two service addresses before one backend: both are answered."""
    s = state()
    vips = [s.cluster.plan.vip(n) for n in (21, 22)]
    both = [Service(f"twin{n}", "tcp", 80, ["p21"], vip) for n, vip in enumerate(vips)]
    s.cluster.apply(both, f"mode {mode}")
    source = "", 21000 + ("snat", "dsr", "hybrid").index(mode)
    with clients.Tcp(s.cluster.net, "c0", (vips[0], 80), source=source) as one, \
            clients.Tcp(s.cluster.net, "c0", (vips[1], 80), source=source) as two:
        for connection in (one, two, one, two):
            equal(connection.ask().name, "p21", "server")


def tests(subset):
    return twins(functools.partial(of_family, subset))


def of_family(subset, plan):
    state = functools.lru_cache(functools.partial(State, plan))
    some = [("udp by weight", functools.partial(weights, state)),
            ("a service without backends", functools.partial(no_backend, state)),
            ("udp server that forks", functools.partial(forking, state, "udp")),
            ("tcp server that forks", functools.partial(forking, state, "tcp"))]
    for mode in ("dsr",) if subset else ("snat", "dsr", "hybrid"):
        some += [(f"{mode}: {name}", functools.partial(f, state, mode)) for name, f in (
            ("100 parallel connections reach every backend", every_backend),
            ("a backend on a plain server", plain_server),
            ("the same client port to two services of one backend", two_services_one_backend))]
    return some[-2:] if subset and plan.ipv6 else some
