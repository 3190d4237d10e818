# SPDX-License-Identifier: GPL-2.0-only
"""bpflb in networks that are not one flat link: the standard cluster, rebuilt after it was made.

Each network is asked for a file and for datagrams, by SNAT and by DSR; IPv4.
"""
import contextlib
import ctypes
import functools
import hashlib
import re
import socket
import struct

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

    def proof(self):
        """That packets have gone the way that they were to."""

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


class Ipsec(Network):
    """What goes to another node's pods is encrypted, whoever it is from."""

    modes = ("snat",), ("dsr", "dispatch opt")
    bypass = None           # encryption is the stack's
    mode = "tunnel"

    def what(self, _src, dst):
        return f"src 0.0.0.0/0 dst {self.plan.pod_net(dst)}"

    def build(self):
        nodes = self.plan.nodes
        for n, (src, dst) in enumerate((("n1", "n2"), ("n2", "n1"))):
            ends = ["src", nodes[src], "dst", nodes[dst], "proto", "esp"]
            for place in (src, dst):
                self.net.run(place, ["ip", "xfrm", "state", "add", *ends, "spi", str(0x1000 + n), "reqid", "1",
                                     "mode", self.mode, "enc", "ecb(cipher_null)", "", "auth", "digest_null", ""])
            for place, way in ((src, "out"), (dst, "in"), (dst, "fwd")):
                self.ip(place, f"xfrm policy add {self.what(src, dst)} dir {way} tmpl {' '.join(ends)} reqid 1 "
                        f"mode {self.mode}")

    def proof(self):
        text = self.net.run("n2", ["ip", "-s", "xfrm", "state", "list", "src", self.plan.nodes["n1"]])
        check(sum(map(int, re.findall(r"(\d+)\(packets\)", text))) > 10, "nothing was encrypted", text.splitlines)


class IpsecTunnels(Ipsec):
    """What nodes send each other in Geneve is encrypted."""

    modes = (("dsr", "dispatch geneve"),)
    mode = "transport"

    def what(self, src, dst):
        return f"src {self.plan.nodes[src]} dst {self.plan.nodes[dst]} proto udp dport 6081"


class Mirrored(Network):
    """tc copies each packet of the nodes' links to somebody else: bpflb must not write to what is shared."""

    def build(self):
        for node in self.plan.nodes:
            self.ip(node, "link add copy0 type dummy", "link set copy0 up")
            self.net.run(node, ["tc", "qdisc", "add", "dev", "lan0", "clsact"])
            for way in "ingress", "egress":
                self.net.run(node, ["tc", "filter", "add", "dev", "lan0", way, "matchall", "action", "mirred", "egress",
                                    "mirror", "dev", "copy0"])


class Xdp(Network):
    """A program at each node's link that lets all pass: packets come in from its pages, in driver mode."""

    def build(self):
        self._links = [xdp_pass(self.net, node, "lan0") for node in self.plan.nodes]


class KubeProxy(Network):
    """Its rules are there, for the same addresses: bpflb is first, and its packets are none of theirs."""

    modes = (("snat",),)

    def build(self):
        lines = ["*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-MARK-MASQ - [0:0]", ":KUBE-POSTROUTING - [0:0]", ":KUBE-SEP - [0:0]",
                 "-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES", "-A POSTROUTING -j KUBE-POSTROUTING",
                 "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
                 "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
                 "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0", "-A KUBE-POSTROUTING -j MASQUERADE",
                 f"-A KUBE-SERVICES -d {self.plan.services} -p tcp -j KUBE-MARK-MASQ",
                 f"-A KUBE-SERVICES -d {self.plan.services} -p tcp -j KUBE-SEP",
                 f"-A KUBE-SEP -p tcp -j DNAT --to-destination {self.plan.address('p31')}:8080", "COMMIT",
                 "*filter", ":KUBE-FORWARD - [0:0]", "-A FORWARD -j KUBE-FORWARD",
                 "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
                 "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
                 "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "COMMIT"]
        for node in self.plan.nodes:
            self.net.run(node, ["iptables-nft-restore"], input="\n".join(lines) + "\n")


# bpf(2): the number of the call on x86, commands, types
_BPF, _PROG_LOAD, _LINK_CREATE, _TYPE_XDP, _ATTACH_XDP, _XDP_PASS = 321, 5, 28, 6, 37, 2


def xdp_pass(net, place, link, flags=0):
    """A program that says XDP_PASS, at a link for as long as the file descriptor that is returned lives."""
    libc = ctypes.CDLL(None, use_errno=True)

    def bpf(command, attr):
        fd = libc.syscall(_BPF, command, attr, len(attr))
        if fd < 0:
            raise OSError(ctypes.get_errno(), f"bpf command {command}")
        return fd

    # mov r0, XDP_PASS; exit
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, _XDP_PASS, 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"GPL")
    program = bpf(_PROG_LOAD, struct.pack("<IIQQ", _TYPE_XDP, 2, ctypes.addressof(code), ctypes.addressof(licence)) +
                  bytes(24))
    with net.inside(place):
        return bpf(_LINK_CREATE, struct.pack("<IIII", program, socket.if_nametoindex(link), _ATTACH_XDP, flags))


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
    s.proof()
    for node in ("n1", "n2"):
        equal({k: v for k, v in s.cluster.drops(node).items() if k != "note-too-big"}, {}, f"drops of {node}")


def tests(_subset):
    found = []
    for kind in (Vxlan, Vlan, Bond, Vrf, Bridged, TwoLans, Ipsec, IpsecTunnels, Mirrored, Xdp, KubeProxy):
        state = functools.lru_cache(kind)
        found += [(f"networks: {kind.__name__.lower()}, {' '.join(mode)}", functools.partial(works, state, *mode))
                  for mode in kind.modes]
    return found
