# SPDX-License-Identifier: GPL-2.0-only
"""bpflb in networks that are not one flat link: the standard cluster, rebuilt after it was made.

Each network is asked for a file and for datagrams, by SNAT and by DSR; IPv4.
"""
import contextlib
import functools
import hashlib

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import V4

SIZE = 1 << 20


class Network:
    """@nodes: addresses that nodes are known by beside their own."""

    modes = ("snat",), ("dsr", "dispatch opt"), ("dsr", "dispatch geneve"), ("dsr", "dispatch ipip")
    bypass = "client"       # at least, by DSR

    def __init__(self):
        self.plan = V4
        self.cluster = Cluster(V4)
        self.net = self.cluster.net
        self.numbers = iter(range(70, 120))
        self.data = self.cluster.nginx.file("large", SIZE)
        self.build()

    def build(self):
        raise NotImplementedError

    def known_as(self):
        """More addresses that nodes are known by."""
        return ()

    def ip(self, place, *commands):
        for words in commands:
            self.net.run(place, ["ip", *words.split()])

    def serve(self, mode, *settings):
        """TCP and UDP, one backend on another node."""
        vip = self.plan.vip(next(self.numbers))
        services = [Service(proto, proto, 80, ["p21"], vip) for proto in ("tcp", "udp")]
        lines = self.cluster.config(services, [f"mode {mode}", *settings])
        lines += "".join(f"node add {address}\n" for address in self.known_as())
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply", "-", config=lines)
        return vip

    def met(self, node):
        """Whether it knows whose MAC the balancer's is, where its packets come from."""
        return "lladdr" in self.net.run(node, ["ip", "neigh", "show", self.plan.nodes["n1"]])

    def node_routes(self, node, device="lan0", vrf=""):
        """As the cluster has them, by another device."""
        plan = self.plan
        self.ip(node, f"route replace default via {plan.lan_gw} dev {device} {vrf}",
                *(f"route replace {plan.pod_net(other)} via {address} dev {device} {vrf}"
                  for other, address in plan.nodes.items() if other != node))


def move(network, place, address, device):
    """The address of lan0, and what it routes, to another device of that place."""
    net, plan = network, V4
    net.ip(place, "addr flush dev lan0", f"addr add {address}/{plan.lan_len} dev {device}", f"link set {device} up")
    if place == "r0":
        net.ip("r0", f"route replace {plan.services} via {plan.nodes['n1']}")
        return
    net.node_routes(place, device)
    for pod, pod_address in plan.pods_of(place).items():        # gone with the address, which they had as source
        net.ip(place, f"route replace {pod_address}/32 dev {pod} src {address}")


class Vxlan(Network):
    """As flannel has it: a device for all other nodes, whose MACs and addresses are told beforehand."""

    def vtep(self, node):
        return self.plan.more(self.plan.pod_net(node).split("/")[0], 0)

    def mac(self, node):
        return f"02:00:00:00:07:{node[1:]:0>2}"

    def known_as(self):
        return [self.vtep(node) for node in self.plan.nodes]

    def build(self):
        for node, address in self.plan.nodes.items():
            self.ip(node, f"link add vx0 address {self.mac(node)} mtu 1450 type vxlan id 7 dstport 4789 local {address} "
                    "dev lan0 nolearning", f"addr add {self.vtep(node)}/32 dev vx0", "link set vx0 up")
            for other, remote in self.plan.nodes.items():
                if other == node:
                    continue
                self.net.run(node, ["bridge", "fdb", "append", self.mac(other), "dev", "vx0", "dst", remote])
                self.ip(node, f"neigh replace {self.vtep(other)} lladdr {self.mac(other)} dev vx0 nud permanent",
                        f"route replace {self.plan.pod_net(other)} via {self.vtep(other)} dev vx0 onlink")


class Vlan(Network):
    """Every machine of the LAN is in a VLAN of it."""

    def build(self):
        for place, address in [("r0", self.plan.lan_gw), *self.plan.nodes.items()]:
            self.ip(place, "link add link lan0 name lan0.10 type vlan id 10")
            move(self, place, address, "lan0.10")


class Bond(Network):
    """Every node has a bond of its link."""

    def build(self):
        for node, address in self.plan.nodes.items():
            self.ip(node, "link add bond0 type bond mode active-backup miimon 100", "link set lan0 down",
                    "link set lan0 master bond0")
            move(self, node, address, "bond0")


class Vrf(Network):
    """All links of every node are in a VRF: what comes in passes the hooks twice. Not by DSR: an address in a VRF is not
    recognised as the node's own."""

    modes = (("snat",),)
    bypass = None           # a packet that comes by one device the second time by another takes the stack's way

    def build(self):
        for node in self.plan.nodes:
            self.ip(node, "link add vrf1 type vrf table 10", "link set vrf1 up", "link set lan0 master vrf1")
            self.node_routes(node, "lan0", "vrf vrf1")
            for pod, address in self.plan.pods_of(node).items():
                self.ip(node, f"link set {pod} master vrf1",
                        f"route replace {address}/32 dev {pod} src {self.plan.nodes[node]} vrf vrf1")


class Bridged(Network):
    """Pods behind a bridge, as virtual machines are, and bridged packets are shown to netfilter."""

    def build(self):
        self.net.run("n2", ["sh", "-c", "modprobe -q br_netfilter; true"])
        for node in self.plan.nodes:
            pods = self.plan.pods_of(node)
            self.ip(node, "link add cni0 type bridge", f"addr add {self.plan.pod_gw}/32 dev cni0", "link set cni0 up")
            for pod, address in pods.items():
                self.ip(node, f"addr flush dev {pod}", f"link set {pod} master cni0",
                        f"route replace {address}/32 dev cni0 src {self.plan.nodes[node]}")
                # the gateway's MAC is another one
                self.ip(pod, "neigh flush all")
        with contextlib.suppress(Exception):
            self.net.sysctl("n2", {"bridge/bridge-nf-call-iptables": 1})


class TwoLans(Network):
    """Replies leave the backend's node by another interface than requests come in by."""

    def build(self):
        self.net._at = None
        self.ip("n2", "link add alt0 type veth peer name alt1 netns r0")
        self.ip("n2", "addr add 192.168.77.2/24 dev alt0", "link set alt0 up")
        self.ip("r0", "addr add 192.168.77.1/24 dev alt1", "link set alt1 up")
        self.net.sysctl("r0", {"ipv4/conf/alt1/rp_filter": 0})
        self.ip("n2", f"route replace {self.plan.client}/32 via 192.168.77.1 dev alt0")


def works(state, mode, *settings):
    s = state()
    vip = s.serve(mode, *settings)
    with s.cluster.capture() as capture:
        if mode == "dsr":
            eventually(lambda: s.met("n2") or clients.knock(s.net, "n2", (s.plan.nodes["n1"], 9), "udp"),
                       "n2 knows the balancer's MAC", 10, capture.dump)
        sees = s.plan.client if mode == "dsr" else None
        with clients.Tcp(s.net, "c0", (vip, 80)) as c:
            answer = c.ask()
            check(sees in (None, answer.client), f"the server sees {answer.client}", capture.dump)
            equal(answer.name, "p21", "server")
            for _ in range(3):
                equal(hashlib.sha256(c.ask("/files/large")).hexdigest(), hashlib.sha256(s.data).hexdigest(), "the file",
                      capture.dump)
            flow = s.cluster.flow_of("n1", c.local)
            check(not s.bypass or flow["bypass"] in (s.bypass, "both"), f"bypass of the flow: {flow['bypass']}")
        with clients.Udp(s.net, "c0", (vip, 80)) as c:
            for _ in range(5):
                equal(c.ask().name, "p21", "server of a datagram", capture.dump)
    for node in ("n1", "n2"):
        equal({k: v for k, v in s.cluster.drops(node).items() if k != "note-too-big"}, {}, f"drops of {node}")


def tests(_subset):
    found = []
    for kind in (Vxlan, Vlan, Bond, Vrf, Bridged, TwoLans):
        state = functools.lru_cache(kind)
        found += [(f"networks: {kind.__name__.lower()}, {' '.join(mode)}", functools.partial(works, state, *mode))
                  for mode in kind.modes]
    return found
