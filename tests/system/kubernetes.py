# SPDX-License-Identifier: GPL-2.0-only
"""What kubectl prints of a cluster, applied on each of its nodes, and then real traffic of both families."""
import functools
import socket

from net import clients, manifests as m
from net.cluster import PORTS, Cluster
from net.ktap import equal, eventually
from net.plan import PLANS, V4, endpoint

ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}
NODE_PORTS = {"tcp": 30080, "udp": 30053}
PORT = {"tcp": 80, "udp": 53}
MODES = {"SNAT": "snat", "DSR": "dsr", "Hybrid": "hybrid"}
# the n-th address of each plan's services
CLUSTER_IP, BALANCER_IP, EXTERNAL_IP, PROXY_IP = 60, 61, 62, 63


class State:
    """The cluster has nodes, and a service of TCP and UDP at addresses of every sort."""

    def __init__(self):
        self.cluster = Cluster(V4)
        self.net = self.cluster.net
        self.zones = {"n1": "east", "n2": "east", "n3": "west"}

    def nodes(self):
        return [m.node(n, [plan.nodes[n] for plan in PLANS], [plan.pod_net(n) for plan in PLANS], self.zones[n])
                for n in V4.nodes]

    def service(self, **spec):
        ingress = [{"ip": plan.vip(n), "ipMode": mode} for plan in PLANS
                   for n, mode in ((BALANCER_IP, "VIP"), (PROXY_IP, "Proxy"))]
        return m.service("web", [(proto, proto.upper(), PORT[proto], NODE_PORTS[proto]) for proto in ASK],
                         [plan.vip(CLUSTER_IP) for plan in PLANS], "LoadBalancer", ingress,
                         externalIPs=[plan.vip(EXTERNAL_IP) for plan in PLANS], **spec)

    def slices(self, endpoints):
        """@endpoints: {place: what else is said of it}."""
        return [m.endpoint_slice(f"web-{plan.family}", "web", [(p, p.upper(), PORTS[p]) for p in ASK],
                                 [m.endpoint(plan.address(place), plan.node_of(place), **more)
                                  for place, more in endpoints.items()], kind=f"IPv{6 if plan.ipv6 else 4}")
                for plan in PLANS]

    def apply(self, endpoints, mode="SNAT", objects=(), **spec):
        text = m.text([*self.nodes(), m.module_config(mode), self.service(**spec), *self.slices(endpoints), *objects])
        for node in V4.nodes:
            self.cluster.lbadm(node, f"apply --node {node} -", config=text)
            self.cluster.lbadm(node, "flow flush")
        for plan in PLANS:
            for node in ("n2", "n3"):
                self._meets(node, plan.nodes["n1"])

    def _meets(self, node, balancer):
        """Notes of a node are believed once its MAC is known."""
        eventually(lambda: "lladdr" in self.net.run(node, ["ip", "neigh", "show", balancer, "dev", "lan0"]),
                   f"{node} knows the balancer's MAC")

    def fronts(self, plan, proto):
        yield from ((plan.vip(n), PORT[proto]) for n in (CLUSTER_IP, BALANCER_IP, EXTERNAL_IP))
        yield plan.nodes["n1"], NODE_PORTS[proto]

    def answers(self, want, what, places=("c0",), fronts=None):
        """All of @want answer, and nobody else does, over both families and protocols."""
        for plan in PLANS:
            for proto, ask in ASK.items():
                for to in fronts(plan, proto) if fronts else self.fronts(plan, proto):
                    for place in places:
                        met = set()
                        for n in range(64):
                            met.add(ask(self.net, place, to).name)
                            if n >= 3 and met == want:
                                break
                        equal(met, want, f"who answers {place} at {proto} {endpoint(*to)}, {what}")


def drops(s, reason):
    return s.cluster.drops("n1").get(reason, 0)


def dropped(s, reason, to, proto, place="c0"):
    before = drops(s, reason)
    clients.knock(s.net, place, to, proto).close()
    eventually(lambda: drops(s, reason) > before, f"{reason} counted, {proto} to {to}")


def everywhere(state, mode):
    """From outside and from pods, at each sort of address; a remote backend sees whom the mode has it see."""
    s = state()
    s.apply({"p11": {}, "p21": {}, "p31": {}}, mode)
    s.answers({"p11", "p21", "p31"}, mode, ("c0", "p12"))
    s.apply({"p21": {}}, mode)
    for plan in PLANS:
        for proto, ask in ASK.items():
            direct = MODES[mode] == "dsr" or MODES[mode] == "hybrid" and proto == "tcp"
            for to in s.fronts(plan, proto):
                equal(ask(s.net, "c0", to).client, plan.client if direct else plan.nodes["n1"],
                      f"who is seen by {proto} at {endpoint(*to)}")


def not_ours(state):
    """An address of another balancer (ipMode Proxy), a headless and a foreign service are nobody's here."""
    s = state()
    other = [m.service("headless", [("", "TCP", 80, 0)], ["None"]),
             m.service("foreign", [("", "TCP", 80, 0)], [V4.vip(70)],
                       labels={"service.kubernetes.io/service-proxy-name": "else"})]
    s.apply({"p11": {}}, objects=other)
    names = [x["name"] for x in s.cluster.json("n1", "service list")["services"]]
    equal(sorted(names), ["default/web:tcp", "default/web:udp"], "services")
    for address in (*(plan.vip(PROXY_IP) for plan in PLANS), V4.vip(70)):
        sock = clients.knock(s.net, "n1", (address, 80), "tcp")
        flow = s.cluster.flow_of("n1", sock.getsockname()[:2])
        sock.close()
        equal(flow, None, f"flow to {address}")


def local_policies(state):
    """From outside only backends on the node, for which the client's address is kept; from inside all."""
    s = state()
    outside = [(n, p) for n in (BALANCER_IP, EXTERNAL_IP) for p in ASK]

    def external(plan, proto):
        yield from ((plan.vip(n), PORT[proto]) for n, p in outside if p == proto)
        yield plan.nodes["n1"], NODE_PORTS[proto]

    def internal(plan, proto):
        yield plan.vip(CLUSTER_IP), PORT[proto]

    s.apply({"p11": {}, "p21": {}}, externalTrafficPolicy="Local")
    s.answers({"p11"}, "external policy Local", fronts=external)
    s.answers({"p11", "p21"}, "external policy Local, from a pod of the node", ("p12",), external)
    s.answers({"p11", "p21"}, "external policy Local, inside", ("p12",), internal)
    s.apply({"p11": {}, "p21": {}}, internalTrafficPolicy="Local")
    s.answers({"p11"}, "internal policy Local", ("p12",), internal)
    s.answers({"p11", "p21"}, "internal policy Local, outside", fronts=external)
    s.apply({"p21": {}}, externalTrafficPolicy="Local")
    for plan in PLANS:
        for proto in ASK:
            for to in external(plan, proto):
                dropped(s, "no-local-backend", to, proto)


def conditions(state):
    """Who is not ready gets nothing; who ends only where no other is."""
    s = state()
    ending = {"ready": False, "terminating": True}
    unready = {"ready": False}
    gone = {"ready": False, "serving": False, "terminating": True}
    s.apply({"p11": {}, "p21": ending, "p31": unready})
    s.answers({"p11"}, "one is ready")
    s.apply({"p11": gone, "p21": ending, "p31": unready})
    s.answers({"p21"}, "one still serves")
    s.apply({"p11": gone, "p31": unready})
    for plan in PLANS:
        for proto in ASK:
            for to in s.fronts(plan, proto):
                with s.net.socket("c0", plan.family, socket.SOCK_STREAM) as sock:
                    sock.settimeout(5)
                    equal(sock.connect_ex((to[0], PORT["tcp"] if to[1] == PORT[proto] else NODE_PORTS["tcp"])),
                          111, f"connect to {endpoint(*to)} of no backend")


def hints(state):
    """By zone, and by node, where all have hints."""
    s = state()
    by_zone = {"p11": {"zones": ["west"]}, "p21": {"zones": ["east"]}, "p31": {"zones": ["west"]}}
    s.apply(by_zone)
    s.answers({"p21"}, "zone east")
    by_zone["p31"] = {}
    s.apply(by_zone)
    s.answers({"p11", "p21", "p31"}, "one without a hint")
    s.apply({"p11": {"nodes": ["n3"], "zones": ["east"]}, "p21": {"nodes": ["n2"], "zones": ["east"]},
             "p31": {"nodes": ["n1", "n2"], "zones": ["west"]}})
    s.answers({"p31"}, "node n1")


def source_ranges(state):
    """What a load balancer gave out is for some; all else is for everybody."""
    s = state()
    elsewhere = ["10.99.0.0/16", "fd99::/64"]
    s.apply({"p11": {}}, loadBalancerSourceRanges=elsewhere)
    others = [CLUSTER_IP, EXTERNAL_IP]

    def opened(plan, proto):
        yield from ((plan.vip(n), PORT[proto]) for n in others)
        yield plan.nodes["n1"], NODE_PORTS[proto]

    s.answers({"p11"}, "where no range counts", fronts=opened)
    for plan in PLANS:
        for proto in ASK:
            dropped(s, "source-range", (plan.vip(BALANCER_IP), PORT[proto]), proto)
    s.apply({"p11": {}}, loadBalancerSourceRanges=[f" {plan.client}/{plan.host_len} " for plan in PLANS])
    s.answers({"p11"}, "the client's own range")


def affinity(state):
    s = state()
    s.apply({"p11": {}, "p21": {}, "p31": {}}, sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    for plan in PLANS:
        for proto, ask in ASK.items():
            met = {ask(s.net, "c0", to).name for _ in range(8) for to in s.fronts(plan, proto)}
            equal(len(met), 1, f"backends of one client, {proto}")


def changes_keep_flows(state):
    """The cluster again, with one endpoint more: a connection goes on, and sees nothing."""
    s = state()
    s.apply({"p21": {}}, "DSR")
    with clients.Tcp(s.net, "c0", (V4.vip(BALANCER_IP), 80)) as tcp:
        equal(tcp.ask().name, "p21", "who answers")
        text = m.text([*s.nodes(), m.module_config("DSR"), s.service(), *s.slices({"p21": {}, "p11": {}})], "json")
        for node in V4.nodes:
            s.cluster.lbadm(node, f"apply --node {node} -", config=text)
        equal({tcp.ask().name for _ in range(5)}, {"p21"}, "who answers after the change")
    names = {ASK["tcp"](s.net, "c0", (V4.vip(BALANCER_IP), 80)).name for _ in range(40)}
    equal(names, {"p11", "p21"}, "who answers new connections")
    before = s.cluster.json("n1", "status")["status"]["generation"]
    s.cluster.lbadm("n1", "apply --node n1 -", config=text)
    equal(s.cluster.json("n1", "status")["status"]["generation"], before, "generation after the same once more")


def tests(subset):
    state = functools.lru_cache(State)
    cases = [*((f"kubernetes: {mode}: at every sort of address", functools.partial(everywhere, mode=mode))
               for mode in MODES),
             ("kubernetes: what is not ours", not_ours),
             ("kubernetes: external and internal policy", local_policies),
             ("kubernetes: ready, terminating, not ready", conditions),
             ("kubernetes: hints", hints),
             ("kubernetes: source ranges", source_ranges),
             ("kubernetes: affinity", affinity),
             ("kubernetes: the same cluster with one endpoint more", changes_keep_flows)]
    return [(name, functools.partial(function, state)) for name, function in (cases[:1] if subset else cases)]
