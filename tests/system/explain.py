# SPDX-License-Identifier: GPL-2.0-only
"""lbadm explain says what a real packet, sent afterwards, then does."""
import contextlib
import functools
import itertools
import socket

from net import clients
from net.cluster import PORTS, Cluster
from net.ktap import check, equal, eventually
from net.plan import endpoint, twins

PORT, NODEPORT = 80, 30080
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_ports = itertools.count(21001)


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.net = self.cluster.net
        self.plan = plan
        self.vip = plan.vip(60)

    def backend(self, proto, place, words="", plain=False):
        where = "" if plain else f"node {self.plan.nodes[self.plan.node_of(place)]}"
        return f"{endpoint(self.plan.address(place), PORTS[proto])} {where} {words}"

    def apply(self, backends, words="", *settings, fronts=None, plain=False, flush=True):
        """One service of each protocol, on the balancer only: @backends {place: words}."""
        lines = [f"set {s}" for s in settings]
        lines += [f"node add {address}" for address in self.plan.nodes.values()]
        for proto in KINDS:
            lines.append(f"service add web-{proto} {proto} {fronts or self.fronts()} {words}")
            lines += [f"backend add web-{proto} {self.backend(proto, place, more, plain)}"
                      for place, more in backends.items()]
        self.cluster.lbadm("n1", "apply -", config="\n".join([*lines, ""]))
        if flush:
            self.cluster.lbadm("n1", "flow flush")

    def fronts(self):
        return f"{endpoint(self.vip, PORT)} nodeport:{NODEPORT}"

    def traces(self):
        """All that a packet could leave behind."""
        stats = self.cluster.json("n1", "stats")["stats"]
        return (stats, [{**f, "idle": 0, "expires": 0} for f in self.cluster.flows("n1")],
                [{**a, "idle": 0, "expires": 0} for a in self.cluster.json("n1", "affinity list")["affinity"]])

    def explain(self, proto, source, to, words=""):
        return self.cluster.json("n1", f"explain {proto} {endpoint(*source)} {endpoint(*to)} {words}")["explain"]

    def socket(self, proto, place, source):
        sock = self.net.socket(place, self.plan.family, KINDS[proto])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(source)
        sock.setblocking(False)
        return sock


def knock(sock, proto, to):
    with contextlib.suppress(PermissionError, OSError):
        if proto == "udp":
            sock.sendto(b"/explain", to)
        else:
            sock.connect_ex(to)


def chosen(said):
    return next((c for c in said["candidates"] if c["chosen"]), None)


def candidate_of(said, backend):
    for c in said["candidates"]:
        at = c["backend"]
        if (at["address"], at["port"] or said["asked"]["port"]) == backend:
            return c
    return None


def drop_reason(said):
    c = chosen(said)
    return said["reason"] or (c and c["reason"])


def compare(said, flow):
    """The flow that the packet has made is one that was told of."""
    told = candidate_of(said, flow["backend"])
    check(told, f"{flow['backend']} is none of {said['candidates']}")
    equal(told["fit"], "fit", "what was said of the backend that was chosen")
    check(told["share_millionths"] > 0, f"a share of nothing: {told}")
    if chosen(said):
        equal(told, chosen(said), "the backend that was chosen")
    for key in "kind", "dispatch":
        equal(flow[key], told[key], key)
    if told["kind"] == "snat":
        equal((flow["snat_address"], flow["snat_port"]), (told["snat_address"], told["snat_port"]), "source")


def predicts(s, proto, place="c0", to=None, want=None, source=None, words=""):
    """Explains a packet, sends it, and sees whether it does that. @want: the verdict. Returns what was said."""
    to = to or (s.vip, PORT)
    source = source or (s.plan.address(place), next(_ports))
    with s.socket(proto, place, source) as sock:
        said = s.explain(proto, source, to, words)
        drops = s.cluster.drops("n1")
        knock(sock, proto, to)
        reason = drop_reason(said)
        if reason:
            eventually(lambda: s.cluster.drops("n1").get(reason, 0) > drops.get(reason, 0),
                       f"{reason} counted", 10, lambda: [str(said), str(s.cluster.drops("n1"))])
            if said["reason"]:
                equal(s.cluster.flow_of("n1", source), None, "flow of a packet that was dropped")
        elif said["verdict"] == "balance":
            flow = eventually(lambda: settled(s, source), "a flow", 10,
                              lambda: [str(said), str(s.cluster.drops("n1"))])
            compare(said, flow)
        elif said["verdict"] == "pass":
            equal((s.cluster.flow_of("n1", source), s.cluster.drops("n1")), (None, drops), "what passes")
    if want:
        equal(reason or said["verdict"], want, "verdict")
    return said


def settled(s, source):
    """The flow, and of SNAT with its source, which it gets as it leaves."""
    flow = s.cluster.flow_of("n1", source)
    return flow and (flow["kind"] != "snat" or flow["snat_port"]) and flow


def no_trace(state):
    """It changes nothing: neither a counter, nor a flow, nor what it would say next, of whatever."""
    s = state()
    for words in "scheduler rr", "scheduler lc affinity 1h", "scheduler maglev", "scheduler random deny 0.0.0.0/0":
        s.apply({"p11": "", "p21": "", "p31": "weight 2"}, words)
        before = s.traces()
        for proto, place, port, more in itertools.product(KINDS, ("c0", "p12", "n1"), (PORT, 81), ("", "mid-life")):
            source = s.plan.address(place), 20001
            first = s.explain(proto, source, (s.vip, port), more)
            for _ in range(2):
                equal(s.explain(proto, source, (s.vip, port), more), first, "asked again")
        check(s.cluster.lbadm("n1", f"explain tcp {endpoint(*source)} {endpoint(s.vip, PORT)}").startswith("packet "),
              "an explanation for people")
        equal(s.traces(), before, "what it has left behind")


def schedulers(state):
    s = state()
    for scheduler, backends, sure in (
            ("random", {"p11": "weight 3", "p21": "", "p31": "state draining", "p12": "weight 0"}, False),
            ("rr", {"p11": "weight 2", "p21": "", "p31": ""}, True),
            ("lc", {"p11": "", "p21": "", "p22": "weight 5"}, False),
            ("maglev", {"p11": "", "p21": "weight 2", "p31": ""}, True),
            ("random", {"p21": ""}, True)):
        s.apply(backends, f"scheduler {scheduler}")
        for _ in range(3):
            for proto in KINDS:
                said = predicts(s, proto, want="balance")
                equal(bool(chosen(said)), sure, f"{scheduler}: one is chosen")
                total = sum(c.get("share_millionths", 0) for c in said["candidates"])
                check(abs(total - 1000000) < 10, f"{scheduler}: shares add up to {total}")


def states(state):
    s = state()
    for backends in ({"p11": "", "p21": "state terminating", "p31": "state down"},
                     {"p11": "state draining", "p21": "state terminating", "p31": "weight 0"},
                     {"p11": "state terminating weight 0", "p21": "state down"}, {}):
        for policy in "cluster", "local":
            s.apply(backends, f"policy {policy}")
            for proto in KINDS:
                said = predicts(s, proto)
                equal(len(said["candidates"]), len(backends), "backends that are told of")


def policies(state):
    s = state()
    internal = f"internal:{endpoint(s.vip, 90)}"
    inside = f"pods {s.plan.pod_net('n1')}"
    for backends in {"p11": "", "p21": ""}, {"p22": ""}:
        for settings in (), (inside,):
            s.apply(backends, "policy local internal-policy local", *settings, fronts=f"{s.fronts()} {internal}")
            for proto, place in itertools.product(KINDS, ("c0", "p12", "n1")):
                for to in (s.vip, PORT), (s.vip, 90), (s.plan.nodes["n1"], NODEPORT):
                    predicts(s, proto, place, to)


def modes(state):
    """Every kind of flow, and why; from everywhere."""
    s = state()
    inside = f"pods {s.plan.pod_net('n1')}"
    for mode, more in itertools.product(("snat", "dsr", "hybrid"), ((), (inside,), ("masquerade all",))):
        s.apply({"p11": "", "p21": "", "p31": ""}, "scheduler rr", f"mode {mode}", *more)
        # In turn, but beginning at any: in all everybody meets each.
        for proto, place in itertools.product(KINDS, ("c0", "p12", "n1")):
            predicts(s, proto, place, want="balance")


def dispatches(state):
    s = state()
    for dispatch, plain in itertools.product(("opt", "geneve", "ipip", "l2"), (False, True)):
        for place in "p21", "n2":
            port = {proto: PORTS[proto] for proto in KINDS}
            fronts = " ".join(endpoint(s.vip, p) for p in sorted(set(port.values())))
            s.apply({place: ""}, "", "mode dsr", f"dispatch {dispatch}", fronts=fronts, plain=plain)
            for proto in KINDS:
                said = predicts(s, proto, to=(s.vip, port[proto]))
                c = chosen(said)
                if c["kind"] == "dsr-out" and c["dispatch"] != "l2" and not c["reason"]:
                    check(c["head"] > 0 and c["mtu"] == 1500, f"room for a note: {c}")


def hairpin(state):
    s = state()
    for mode in "snat", "dsr":
        s.apply({"p11": ""}, "", f"mode {mode}")
        for proto in KINDS:
            said = predicts(s, proto, "p11", want="balance")
            equal(chosen(said)["why"], "hairpin", "why")


def who_may(state):
    s = state()
    for rule in "deny", "allow":
        for whom in s.plan.client, s.plan.address("p12"):
            fronts = f"{endpoint(s.vip, PORT)} open:nodeport:{NODEPORT}"
            s.apply({"p11": ""}, f"{rule} {whom}", fronts=fronts)
            for proto, place in itertools.product(KINDS, ("c0", "p12")):
                predicts(s, proto, place, want="balance" if (rule == "allow") == (s.plan.address(place) == whom)
                         else "source-range")
                predicts(s, proto, place, (s.plan.nodes["n1"], NODEPORT), want="balance")


def where(state):
    """One port, a range, all ports, none."""
    s = state()
    at = f"[{s.vip}]" if s.plan.ipv6 else s.vip
    for fronts, settings, wants in (
            (f"{at}:80 {at}:8000-8100", (), {80: "balance", 8050: "balance", 81: "pass"}),
            (f"{at}:80 {at}:*", (), {80: "balance", 9999: "balance"}),
            (f"{at}:80", ("unknown-ports drop",), {81: "unknown-port"}),
            (f"{at}:80", ("unknown-ports reject",), {81: "unknown-port"})):
        s.apply({"p11": ""}, "", *settings, fronts=fronts)
        for proto, (port, want) in itertools.product(KINDS, wants.items()):
            said = predicts(s, proto, to=(s.vip, port), want=want)
            equal(said["service_address"], True, "it is an address of services")


def full(state):
    s = state()
    for proto in KINDS:
        s.apply({"p11": "flows-max 1", "p21": "flows-max 1"}, "scheduler rr")
        for want in "balance", "balance", "flows-max":
            predicts(s, proto, want=want)
        s.apply({"p11": ""}, "flows-max 2")
        for want in "balance", "balance", "flows-max":
            predicts(s, proto, want=want)
        s.apply({"p21": ""}, "", "snat-ports 61001-61001")
        for want in "balance", "no-snat-port":
            predicts(s, proto, want=want)


def affinity(state):
    s = state()
    for scheduler in "random", "maglev":
        s.apply({"p11": "", "p21": "", "p31": ""}, f"affinity 1h scheduler {scheduler}")
        for proto in KINDS:
            predicts(s, proto, want="balance")
            for _ in range(3):
                equal(predicts(s, proto, want="balance")["choice"], "affinity", "who chooses")


def one_packet(state):
    s = state()
    s.cluster.lbadm("n1", "apply -", config=(
        f"node add {s.plan.nodes['n2']}\nservice add web-udp udp {s.fronts()} one-packet on scheduler maglev\n"
        f"backend add web-udp {s.backend('udp', 'p21')}\nbackend add web-udp {s.backend('udp', 'p22')}\n"))
    s.cluster.lbadm("n1", "flow flush")
    source = (s.plan.client, next(_ports))
    predicts(s, "udp", source=source, want="balance")
    equal(s.explain("udp", source, (s.vip, PORT))["verdict"], "flow", "the next datagram's")


def goes_on(state):
    """Of a flow that exists: what it is, and what becomes of its packets."""
    s = state()
    s.apply({"p11": "", "p21": ""})
    for kind, proto in (clients.Tcp, "tcp"), (clients.Udp, "udp"):
        with kind(s.net, "c0", (s.vip, PORT), source=(s.plan.client, next(_ports))) as client:
            place = client.ask().name
            flow = s.cluster.flow_of("n1", client.local)
            said = s.explain(proto, client.local, (s.vip, PORT), "mid-life")
            equal(said["verdict"], "flow", "verdict")
            equal([said["flow"][k] for k in ("kind", "snat_address", "snat_port", "bypass")],
                  [flow[k] for k in ("kind", "snat_address", "snat_port", "bypass")], "flow")
            equal(client.ask().name, place, "who answers")
            if proto == "udp":
                continue
            at = endpoint(*flow["backend"])
            s.cluster.lbadm("n1", f"backend set web-tcp {at} state down")
            said = s.explain(proto, client.local, (s.vip, PORT), "mid-life")
            equal(said["reason"], "backend-down", "of a connection whose backend is down")
            said = s.explain(proto, client.local, (s.vip, PORT))
            equal((said["verdict"], said["flow_ends"]), ("balance", True), "of a new one from its port")
            drops = s.cluster.drops("n1").get("backend-down", 0)
            client.request()
            eventually(lambda: s.cluster.drops("n1").get("backend-down", 0) > drops, "backend-down counted")


def mid_life(state):
    """Of a connection that is not known: by maglev it goes on, else it is reset."""
    s = state()
    for words, want in ("scheduler random", "no-flow"), ("scheduler maglev", None):
        s.apply({"p11": "", "p12": ""}, words)
        with clients.Tcp(s.net, "c0", (s.vip, PORT), source=(s.plan.client, next(_ports))) as client:
            name = client.ask().name
            s.cluster.lbadm("n1", "flow flush")
            said = s.explain("tcp", client.local, (s.vip, PORT), "mid-life")
            equal(said["reason"], want, "of a later packet")
            drops = s.cluster.drops("n1").get("no-flow", 0)
            client.request()
            if want:
                eventually(lambda: s.cluster.drops("n1").get("no-flow", 0) > drops, "no-flow counted")
                continue
            equal(client.answer().name, name, "who goes on")
            compare(said, s.cluster.flow_of("n1", client.local))


def alike(state):
    """One client port to two services of one backend: another port has to take its place."""
    s = state()
    s.cluster.lbadm("n1", "apply -", config="".join(
        f"service add {name}-{proto} {proto} {endpoint(s.vip, port)}\n"
        f"backend add {name}-{proto} {s.backend(proto, 'p11', 'local', True)}\n"
        for proto in KINDS for name, port in (("a", 80), ("b", 81))))
    s.cluster.lbadm("n1", "flow flush")
    for proto in KINDS:
        source = (s.plan.client, next(_ports))
        for port, other in (80, False), (81, True):
            said = predicts(s, proto, to=(s.vip, port), source=source, want="balance") if port == 80 else \
                s.explain(proto, source, (s.vip, port))
            equal(chosen(said)["other_port"], other, f"at port {port}")


def no_way(state):
    """A backend that no route leads to: the module drops what this node sends, the stack all else."""
    s = state()
    nowhere = "2001:db8:ff::1" if s.plan.ipv6 else "198.18.0.1"
    s.net.run("n1", ["ip", "-6" if s.plan.ipv6 else "-4", "route", "add", "unreachable", nowhere])
    lines = "".join(f"service add web-{proto} {proto} {s.fronts()}\n"
                    f"backend add web-{proto} {endpoint(nowhere, 80)}\n" for proto in KINDS)
    s.cluster.lbadm("n1", "apply -", config=lines)
    for proto in KINDS:
        said = s.explain(proto, (s.plan.client, next(_ports)), (s.vip, PORT))
        equal((chosen(said)["no_route"], chosen(said)["reason"]), (True, None), "from outside")
        equal(drop_reason(s.explain(proto, (s.plan.nodes["n1"], next(_ports)), (s.vip, PORT))), "reroute",
              "from this node")
        drops = s.cluster.drops("n1").get("reroute", 0)
        with s.socket(proto, "n1", (s.plan.nodes["n1"], next(_ports))) as sock:
            knock(sock, proto, (s.vip, PORT))
            eventually(lambda: s.cluster.drops("n1").get("reroute", 0) > drops, "reroute counted")


def tests(subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        cases = [("explain: no trace", no_trace), ("explain: schedulers", schedulers), ("explain: states and weights", states),
                 ("explain: policies", policies), ("explain: modes", modes), ("explain: dispatches", dispatches),
                 ("explain: hairpin", hairpin), ("explain: sources", who_may), ("explain: addresses and ports", where),
                 ("explain: limits", full), ("explain: affinity", affinity), ("explain: one packet", one_packet),
                 ("explain: a flow that exists", goes_on), ("explain: mid-life", mid_life),
                 ("explain: flows that look alike", alike), ("explain: no way", no_way)]
        if subset:
            cases = cases[:1]
        return [(name, functools.partial(function, state)) for name, function in cases]
    return twins(of_family)
