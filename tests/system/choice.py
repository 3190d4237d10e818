# SPDX-License-Identifier: GPL-2.0-only
"""Which backend a new flow goes to, by each scheduler."""
import collections
import functools
import tempfile
import time

from net import clients, maglev
from net.cluster import LBADM, PORTS, Cluster, Service
from net.ktap import Failure, check, equal
from net.plan import endpoint, twins

THREE = ["p11", "p21", "p31"]


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan, "dsr")
        self.plan = plan

    def serve(self, name, proto, backends, options, nodeport=0):
        """One service, and nothing else; its counters begin anew."""
        service = Service(name, proto, 80, backends, self.plan.vip(30), nodeport, options=options)
        self.cluster.apply([])
        self.cluster.apply([service])
        return service.front(self.plan)

    def ask(self, to, count):
        """So many flows, one after the other: who answered."""
        return [clients.udp_once(self.cluster.net, "c0", to).name for _ in range(count)]

    def connect(self, to, count):
        """So many connections, which stay open."""
        made = []
        for _ in range(count):
            made.append(clients.Tcp(self.cluster.net, "c0", to))
            made[-1].name = made[-1].ask().name
        return made


def tally(made):
    return dict(collections.Counter(c.name for c in made))


def close(made):
    for c in made:
        c.close()


def in_turn(state):
    s = state()
    names = s.ask(s.serve("turns", "udp", THREE, "scheduler rr"), 12)
    equal(sorted(names[:3]), THREE, "the first three")
    equal(names[3:], names[:-3], "those that follow")


def in_weighted_turn(state):
    s = state()
    weights = {"p11": 30, "p21": 10, "p31": 20}
    names = s.ask(s.serve("turns", "udp", weights, "scheduler rr"), 18)
    for n in range(0, 18, 6):
        equal(dict(collections.Counter(names[n:n + 6])), {"p11": 3, "p21": 1, "p31": 2}, "a round")
    check(all(len(set(names[n:n + 3])) > 1 for n in range(16)), f"not in between: {names}")


def fewest(state):
    """One that is new gets all until it has as many as the others."""
    s = state()
    to = s.serve("least", "tcp", THREE, "scheduler lc")
    made = s.connect(to, 12)
    try:
        equal(tally(made), dict.fromkeys(THREE, 4), "connections")
        at = f"{endpoint(s.plan.address('p22'), 8080)} node {s.plan.nodes['n2']}"
        for node in s.plan.nodes:
            s.cluster.lbadm(node, f"backend add least {at}")
        more = s.connect(to, 3)
        made += more
        equal(tally(more), {"p22": 3}, "the next ones")
    finally:
        close(made)


def fewest_for_its_weight(state):
    s = state()
    made = s.connect(s.serve("least", "tcp", {"p11": 1, "p21": 2, "p31": 3}, "scheduler lc"), 18)
    try:
        equal(tally(made), {"p11": 3, "p21": 6, "p31": 9}, "connections")
    finally:
        close(made)


def by_tuple(state, weights, size):
    """Told beforehand for each client port; by the service's address and a node port."""
    s = state()
    c, plan = s.cluster, s.plan
    to = s.serve("tuple", "udp", weights, f"scheduler maglev table-size {size}", nodeport=80)
    at = {(plan.address(p), PORTS["udp"]): p for p in weights}
    table = maglev.table({end: weights[p] for end, p in at.items()}, "udp", size)
    for port in range(23000, 23040):
        want = at[table[maglev.packet_hash(plan.client, port, 80, "udp") % size]]
        for front in (to, (plan.nodes["n1"], 80)):
            answer = clients.udp_once(c.net, "c0", front, source=("", port))
            equal(answer.name, want, f"backend of {front} for port {port}")


def alike_everywhere(state):
    """Each node chooses the same for a client's port, whatever order its backends came in."""
    s = state()
    c, plan = s.cluster, s.plan
    s.serve("tuple", "udp", THREE, "scheduler maglev", nodeport=80)
    turned = Service("tuple", "udp", 80, THREE[::-1], plan.vip(30), 80, options="scheduler maglev")
    c.apply([], nodes=["n2"])
    c.apply([turned], nodes=["n2"])
    for port in range(23100, 23120):
        names = {clients.udp_once(c.net, "c0", (plan.nodes[node], 80), source=("", port)).name
                 for node in ("n1", "n2")}
        equal(len(names), 1, f"backends for port {port}: {names}")


def room(state):
    """Tables may not take all memory: what does not fit is refused, and nothing changes."""
    s = state()
    vip, pod = s.plan.vip(40), endpoint(s.plan.address("p21"), 80)
    lines = [f"service add m{n} tcp {endpoint(vip, n + 1)} scheduler maglev table-size 131071\n"
             f"backend add m{n} {pod}\n" for n in range(20000)]
    before = s.cluster.lbadm("n1", "save")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("".join(lines))
        f.flush()
        try:
            s.cluster.lbadm("n1", "apply", f.name)
        except RuntimeError as e:
            check("the tables of all services would take too much memory" in str(e), str(e))
        else:
            raise Failure("20000 tables of 262142 bytes were taken")
    equal(s.cluster.lbadm("n1", "save"), before, "configuration")


def built_aside(state):
    """Flows come and go on while two hundred of the largest tables are made."""
    s = state()
    to = s.serve("turns", "udp", THREE, "scheduler maglev")
    vip, pods = s.plan.vip(40), [endpoint(s.plan.address(p), 80) for p in THREE]
    lines = ["service add turns udp " + endpoint(*to) + " scheduler maglev"]
    lines += [f"backend add turns {endpoint(s.plan.address(p), PORTS['udp'])} local" for p in THREE[:1]]
    for n in range(200):
        lines.append(f"service add m{n} tcp {endpoint(vip, n + 1)} scheduler maglev table-size 131071")
        lines += [f"backend add m{n} {pod}" for pod in pods]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f, clients.Udp(s.cluster.net, "c0", to) as talks:
        f.write("\n".join([*lines, ""]))
        f.flush()
        talks.ask()
        apply = s.cluster.net.popen("n1", [LBADM, "apply", f.name])
        answered, slowest, start = 0, 0, time.monotonic()
        while apply.poll() is None:
            begin = time.monotonic()
            talks.ask()
            clients.udp_once(s.cluster.net, "c0", to)
            slowest = max(slowest, time.monotonic() - begin)
            answered += 1
        took = time.monotonic() - start
        equal(apply.returncode, 0, "status of apply")
    # A machine that is busy with something else holds up everybody now and then.
    told = f"{answered} times answered in {took:.1f} s, after {slowest:.3f} s at most"
    check(answered >= 5 and slowest < max(1, took / 4), told)
    print(f"# {told}")


def tests(subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [(f"choice: {name}", functools.partial(f, state)) for name, f in (
            ("round robin", in_turn),
            ("weighted round robin", in_weighted_turn),
            ("least connections", fewest),
            ("weighted least connections", fewest_for_its_weight),
            ("maglev", functools.partial(by_tuple, weights=dict.fromkeys(THREE, 1), size=16381)),
            ("weighted maglev", functools.partial(by_tuple, weights={"p11": 100, "p21": 300, "p31": 50},
                                                  size=251)),
            ("maglev chooses alike on all nodes", alike_everywhere),
            ("maglev: tables are made while flows go on", built_aside),
            ("maglev: too much for one namespace", room))]
    return twins(of_family)
