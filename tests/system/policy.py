# SPDX-License-Identifier: GPL-2.0-only
"""Which of a service's backends may answer whom, and whom they see."""
import contextlib
import functools
import itertools
import socket

from net import clients, ns
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import V4, V6, endpoint, twins
from net.rtnl import running

PORT, NODEPORT = 80, 30080
ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        self.vip = plan.vip(50)

    def apply(self, backends, words="", *settings, fronts=None, flush=True):
        """A service of each protocol: @backends {place: words}, @words of the service; on every node.

        Flows of before end, for a client may have the same port once more.
        """
        lines = [f"set {s}" for s in settings]
        lines += [f"node add {address}" for address in self.plan.nodes.values()]
        for proto in ASK:
            service = Service(f"web-{proto}", proto, PORT, [])
            lines.append(f"service add {service.name} {proto} {fronts or self.fronts()} {words}")
            lines += [f"backend add {service.name} {service.at(self.plan, place)} "
                      f"node {self.plan.nodes[self.plan.node_of(place)]} {more}"
                      for place, more in backends.items()]
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply -", config="\n".join([*lines, ""]))
            if flush:
                self.cluster.lbadm(node, "flow flush")

    def fronts(self):
        return f"{endpoint(self.vip, PORT)} nodeport:{NODEPORT}"

    def front(self, which, node="n1"):
        return (self.vip, PORT) if which == "vip" else (self.plan.nodes[node], NODEPORT)

    def ask(self, proto, place="c0", to=None, **kw):
        return ASK[proto](self.cluster.net, place, to or (self.vip, PORT), **kw)

    def answers(self, proto, want, what, place="c0", to=None):
        """All of @want answer if it is asked often enough, and nobody else does."""
        met = set()
        for n in range(64):
            met.add(self.ask(proto, place, to).name)
            if n >= 3 and met == want:
                return
        equal(met, want, f"who answers {proto} from {place}, {what}")

    def refused(self, proto, place="c0", to=None):
        """At once: an ICMP error tells that there is nobody."""
        with self.cluster.net.socket(place, self.plan.family, {"tcp": 1, "udp": 2}[proto]) as s:
            s.settimeout(5)
            try:
                s.connect(to or (self.vip, PORT))
                s.send(b"/nobody")
                s.recv(100)
            except ConnectionRefusedError:
                return
        check(False, f"{proto} from {place} was answered")


TERMINATING = "state terminating"


def terminating(state):
    """Those that are about to end serve where no other does: here and everywhere, each for itself."""
    s = state()
    for backends, cluster, local in (
            ({"p11": "", "p12": TERMINATING, "p21": TERMINATING}, {"p11"}, {"p11"}),
            ({"p11": TERMINATING, "p12": "state draining", "p21": ""}, {"p21"}, {"p11"}),
            ({"p11": TERMINATING, "p12": "state down", "p21": "weight 0"}, {"p11"}, {"p11"}),
            ({"p11": TERMINATING, "p12": TERMINATING, "p21": "state down"}, {"p11", "p12"}, {"p11", "p12"})):
        for words, want in (("policy cluster", cluster), ("policy local", local)):
            s.apply(backends, words)
            for proto in ASK:
                for front in "vip", "nodeport":
                    s.answers(proto, want, f"{words}, of {backends}", to=s.front(front))


def terminating_alone(state):
    """One that does not serve any more is used by nobody, though there is no other."""
    s = state()
    for words in "state draining", "state down", f"{TERMINATING} weight 0":
        s.apply({"p11": words, "p21": words})
        for proto in ASK:
            s.refused(proto)


def terminating_and_ready(state):
    """Whoever is there when a ready one comes stays; new ones go there."""
    s = state()
    s.apply({"p11": TERMINATING})
    with clients.Tcp(s.cluster.net, "c0", (s.vip, PORT)) as tcp, \
         clients.Udp(s.cluster.net, "c0", (s.vip, PORT)) as udp:
        for there in tcp, udp:
            equal(there.ask().name, "p11", "who answers while it is the only one")
        s.apply({"p11": TERMINATING, "p21": ""}, flush=False)
        for there in tcp, udp:
            equal({there.ask().name for _ in range(3)}, {"p11"}, "who answers whom it has answered before")
        for proto in ASK:
            s.answers(proto, {"p21"}, "new ones")


INTERNAL = 90       # the port of an internal address

HERE, NOBODY = {"p11"}, None


def fronts(s):
    """One external, one internal, and a node port."""
    return f"{s.fronts()} internal:{endpoint(s.vip, INTERNAL)}"


def dropped(s, proto, place, to):
    """It is not answered, and it is counted. No client is told, but a program of the node is by its system call."""
    before = s.cluster.drops("n1").get("no-local-backend", 0)
    with contextlib.suppress(PermissionError):
        clients.knock(s.cluster.net, place, to, proto).close()
    eventually(lambda: s.cluster.drops("n1").get("no-local-backend", 0) > before,
               f"no-local-backend counted, {proto} from {place} to {to}")


def asked(s, proto, place, front, want):
    to = (s.vip, INTERNAL) if front == "internal" else s.front(front)
    if want is NOBODY:
        dropped(s, proto, place, to)
    else:
        s.answers(proto, want, f"at {to}", place, to)


def policies(state, mode):
    """Each of its own: who asks at an external address, and who asks at an internal one."""
    s = state()
    for backends, here in (({"p11": "", "p21": ""}, HERE), ({"p22": "", "p21": ""}, NOBODY)):
        everywhere = set(backends)
        for policy, internal in itertools.product(("cluster", "local"), repeat=2):
            s.apply(backends, f"policy {policy} internal-policy {internal}", f"mode {mode}", fronts=fronts(s))
            for proto in ASK:
                for front in "vip", "nodeport":
                    asked(s, proto, "c0", front, here if policy == "local" else everywhere)
                    asked(s, proto, "n1", front, everywhere)
                for place in "c0", "p12", "n1":
                    asked(s, proto, place, "internal", here if internal == "local" else everywhere)


def pods_of_n1(s, *more):
    return f"pods {s.plan.pod_net('n1')}", *more


def pods(state, mode):
    """A pod of this node is inside, wherever it asks; one of another node that asks here is not."""
    s = state()
    for backends, here in (({"p11": "", "p21": ""}, HERE), ({"p22": "", "p21": ""}, NOBODY)):
        for settings, inside in ((pods_of_n1(s), set(backends)), ((), here)):
            s.apply(backends, "policy local", f"mode {mode}", *settings, fronts=fronts(s))
            for proto in ASK:
                for front in "vip", "nodeport":
                    asked(s, proto, "p12", front, inside)
                asked(s, proto, "p31", "nodeport", here)


def pod_is_seen(state, mode):
    """A backend on another node sees the pod of this one that asks, in each mode and by each way."""
    s = state()
    s.apply({"p21": ""}, "", f"mode {mode}", *pods_of_n1(s), fronts=fronts(s))
    pod = s.plan.address("p12")
    for to in (s.vip, PORT), (s.vip, INTERNAL), (s.plan.nodes["n1"], NODEPORT):
        for kind in clients.Tcp, clients.Udp:
            with kind(s.cluster.net, "p12", to, source=(pod, 0)) as client:
                port = client.local[1]
                for _ in range(10):
                    answer = client.ask()
                    equal((answer.name, answer.client, answer.client_port), ("p21", pod, port), "who saw whom")
                equal(s.cluster.flow_of("n1", (pod, port))["kind"], "direct", "flow")
                equal(s.cluster.flow_of("n2", (pod, port)), None, "flow on the backend's node")


def masquerade(state, mode, proto):
    """To backends on this node, too, where that is set: but not by DSR, nor where the policy is local."""
    s = state()
    client, node = s.plan.client, s.plan.nodes["n1"]
    ours = [node, BRIDGE[s.plan][1]] if s.plan.ipv6 else [s.plan.pod_gw]
    dsr = mode == "dsr" or (mode == "hybrid" and proto == "tcp")
    for what, words, place, want in (
            ("remote", "policy cluster", "p11", [client]),
            ("all", "policy cluster", "p11", [client] if dsr else ours),
            ("all", "policy local", "p11", [client]),
            ("all", "policy cluster", "n1", [client]),
            ("all", "policy cluster", "p21", [client if dsr else node])):
        s.apply({place: ""}, words, f"mode {mode}", f"masquerade {what}")
        for front in "vip", "nodeport":
            answer = s.ask(proto, to=s.front(front))
            equal(answer.name, place, "who answers")
            check(answer.client in want, f"masquerade {what}, {words}: {place} saw {answer.client}, not {want}")


BRIDGED = "pb"
# by family: the pod's address, and the bridge's
BRIDGE = {V4: ("10.0.9.11", "10.0.9.1"), V6: ("2001:db8:a9::11", "2001:db8:a9::1")}


def make_bridged(s):
    """One more pod of n1, on a bridge as the simplest CNI makes it: (place, address, what the node has there)."""
    net, plan, ip = s.cluster.net, s.plan, "-6" if s.plan.ipv6 else "-4"
    pod, gateway = BRIDGE[plan]
    if BRIDGED not in net.places:
        net.places.append(BRIDGED)      # it goes with the others
        ns.create(net.ns(BRIDGED))
        ns.sysctl(net.ns(BRIDGED), {"ipv6/conf/default/accept_dad": 0})
        for line in ("link add cbr0 type bridge", f"link add {BRIDGED} type veth peer name eth0 netns {net.ns(BRIDGED)}",
                     f"link set {BRIDGED} master cbr0 up", f"link set {BRIDGED} type bridge_slave hairpin on",
                     "link set cbr0 up"):
            net.run("n1", ["ip", *line.split()])
        for link in "lo", "eth0":
            net.run(BRIDGED, ["ip", "link", "set", link, "up"])
    nodad = ["nodad"] * plan.ipv6
    net.run("n1", ["ip", ip, "addr", "replace", f"{gateway}/{plan.pod_len}", "dev", "cbr0", *nodad])
    net.run(BRIDGED, ["ip", ip, "addr", "replace", f"{pod}/{plan.pod_len}", "dev", "eth0", *nodad])
    net.run(BRIDGED, ["ip", ip, "route", "replace", "default", "via", gateway])
    eventually(lambda: running(net.ns("n1")) and running(net.ns(BRIDGED)), "the bridge runs")
    return BRIDGED, pod, gateway


def bound(s, place, kind, address, port):
    sock = s.cluster.net.socket(place, s.plan.family, kind)
    sock.settimeout(5)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
    sock.bind((address, port))
    return sock


def itself_tcp(s, place, pod, to, sees):
    with bound(s, place, socket.SOCK_STREAM, pod, 7000) as server, \
         bound(s, place, socket.SOCK_STREAM, pod, 0) as client:
        server.listen()
        client.connect(to)
        connection, peer = server.accept()
        with connection:
            check(peer[0] in sees, f"the client that the pod sees: {peer[0]}, should be of {sees}")
            for n in range(10):     # on bypass, too
                for a, b in ((client, connection), (connection, client)):
                    a.sendall(b"%d" % n)
                    equal(b.recv(10), b"%d" % n, "what comes")


def itself_udp(s, place, pod, to, sees):
    """From a port of its own, and from the very port that it serves at."""
    with bound(s, place, socket.SOCK_DGRAM, pod, 7000) as server, \
         bound(s, place, socket.SOCK_DGRAM, pod, 0) as other:
        for client in other, server:
            for n in range(10):
                client.sendto(b"%d" % n, to)
                data, peer = server.recvfrom(10)
                equal(data, b"%d" % n, "what the pod gets")
                check(peer[0] in sees, f"the client that the pod sees: {peer[0]}, should be of {sees}")
                server.sendto(data, peer)
                data, peer = client.recvfrom(10)
                equal((data, peer[:2]), (b"%d" % n, to), "what comes back, from where")


def hairpin(state, mode, bridge):
    """A pod that is its service's only backend reaches itself, and sees the node ask."""
    s = state()
    plan = s.plan
    if bridge:
        place, pod, *sees = make_bridged(s)
    else:
        place, pod = "p11", plan.address("p11")
        # what is on the link, but for IPv6 that is a link's own: then any that the node has
        sees = [plan.nodes["n1"], BRIDGE[plan][1]] if plan.ipv6 else [plan.pod_gw]
    s.cluster.lbadm("n1", "apply -", config="\n".join(
        [f"set mode {mode}", f"node add {plan.nodes['n1']}",
         *(line for proto in ASK for line in (
             f"service add web-{proto} {proto} {s.fronts()}",
             f"backend add web-{proto} {endpoint(pod, 7000)} node {plan.nodes['n1']}")), ""]))
    for front in "vip", "nodeport":
        for ask in itself_tcp, itself_udp:
            ask(s, place, pod, s.front(front), sees)


def tests(subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        cases = [("terminating backends serve where no other does", terminating),
                 ("backends that do not serve are never used", terminating_alone),
                 ("terminating: flows stay, new ones go to a ready backend", terminating_and_ready)]
        cases += [(f"{mode}: external and internal policy", functools.partial(policies, mode=mode))
                  for mode in ("snat", "dsr", "hybrid")]
        for mode in "snat", "dsr", "hybrid":
            cases += [(f"{mode}: pods of this node and of another, policy local", functools.partial(pods, mode=mode)),
                      (f"{mode}: a pod of this node is seen elsewhere", functools.partial(pod_is_seen, mode=mode))]
            cases += [(f"{mode}: masquerade, {proto}", functools.partial(masquerade, mode=mode, proto=proto))
                      for proto in ASK]
        cases += [(f"{mode}: hairpin by {how}", functools.partial(hairpin, mode=mode, bridge=how == "bridge"))
                  for mode in ("snat", "dsr", "hybrid") for how in ("veth", "bridge")]
        if subset:
            cases = cases[:1]
        return [(name, functools.partial(function, state)) for name, function in cases]
    return twins(of_family)
