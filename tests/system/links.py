# SPDX-License-Identifier: GPL-2.0-only
"""Networks that are not one flat link: the standard cluster, rebuilt after it was made.

For networks.py. Each says of a packet on the wire whether it shows that it went the way that it was to.
"""
import contextlib
import ctypes
import itertools
import re
import socket
import struct

from net.cluster import PORTS, Cluster, Service
from net.ktap import check, equal
from net.layers import Wire
from net.tap import Taps
from net.topology import mac_of

SIZE = 1 << 18
SNAT, OPT, GENEVE, IPIP = ("snat",), ("dsr", "dispatch opt"), ("dsr", "dispatch geneve"), ("dsr", "dispatch ipip")
FRONT = 80
_SERVERS = {FRONT, *PORTS.values()}


def is_request(seen):
    return seen.last("tcp", "udp").dst in _SERVERS


def of_service(packets):
    """Those between clients and servers, whatever they are in."""
    return [s for s in packets if is_request(s) or s.last("tcp", "udp").src in _SERVERS]


class Network:
    """@modes: what it is asked by; @bypass: what at least bypasses the stack, by DSR; @settings: more, for the dispatch "opt";
    @more: (mode, backend, client, protocols) of further tests."""

    modes = SNAT, OPT, GENEVE, IPIP
    bypass = "client"
    settings = ()
    more = ()

    def __init__(self, plan):
        self.plan = plan
        self.cluster = Cluster(plan)
        self.net = self.cluster.net
        self.numbers = itertools.count(70)
        self.vips = []
        self.data = self.cluster.nginx.file("large", SIZE)
        self.build()

    def build(self):
        raise NotImplementedError

    def known_as(self):
        """More addresses that nodes are known by."""
        return ()

    def carried(self, seen, mode, request):
        """Whether this packet of the service, on the wire, went as it was to; None if it need not have."""
        raise NotImplementedError

    def proof(self, mode, seen, also):
        """More that shows it; @seen: by watch(), @also: by watch_also()."""

    def ip(self, place, *commands):
        for words in commands:
            self.net.run(place, ["ip", *words.split()])

    def serve(self, mode, backend="p21"):
        """TCP and UDP, one backend."""
        vip = self.plan.vip(next(self.numbers))
        self.vips.append(vip)
        services = [Service(proto, proto, FRONT, [backend], vip) for proto in PORTS]
        lines = self.cluster.config(services, [f"mode {mode[0]}", *mode[1:], *(self.settings if mode == OPT else ())])
        lines += "".join(f"node add {address}\n" for address in self.known_as())
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply", "-", config=lines)
        return vip

    def met(self, node):
        """Whether it knows whose MAC the balancer's is, where its packets come from."""
        return self.settings or "lladdr" in self.net.run(node, ["ip", "neigh", "show", self.plan.nodes["n1"]])

    def watch(self, node):
        """The cable of the backend's node: it is not one of that node's devices."""
        return Wire(self.net, "lan", node)

    def watch_also(self, node):
        """A second device; what passes it is for proof()."""
        return Wire(self.net, "lan", node)

    def node_routes(self, node, device="lan0", vrf=""):
        """As the cluster has them, by another device."""
        plan = self.plan
        self.ip(node, f"route replace default via {plan.lan_gw} dev {device} {vrf}",
                *(f"route replace {plan.pod_net(other)} via {address} dev {device} {vrf}"
                  for other, address in plan.nodes.items() if other != node))

    def pod_routes(self, node, device=None, vrf=""):
        for pod, address in self.plan.pods_of(node).items():
            self.ip(node, f"route replace {address}/{self.plan.host_len} dev {device or pod} "
                    f"src {self.plan.nodes[node]} {vrf}")

    def move(self, place, address, device):
        """The address of lan0, and what it routes, to another device of that place."""
        plan = self.plan
        self.ip(place, "addr flush dev lan0", f"addr add {address}/{plan.lan_len} dev {device}", f"link set {device} up")
        if place == "r0":
            self.ip("r0", f"route replace {plan.services} via {plan.nodes['n1']}")
            return
        self.node_routes(place, device)
        self.pod_routes(place)      # gone with the address, which they had as source

    def count(self, place, *matches, hook="forward", priority=-250):
        """Counts packets at a hook of netfilter's; for counted()."""
        rules = "".join(f"{match} counter\n" for match in matches)
        self.net.run(place, ["nft", "-f", "-"], input=f"table {self.plan.ip} seen {{ chain at {{ type filter hook {hook} "
                     f"priority {priority};\n{rules} }}; }}")

    def counted(self, place):
        text = self.net.run(place, ["nft", "list", "table", self.plan.ip, "seen"])
        return [int(n) for n in re.findall(r"counter packets (\d+)", text)]


class Vxlan(Network):
    """As flannel has it: a device for all other nodes, whose MACs and addresses are told beforehand."""

    VNI = 7

    def vtep(self, node):
        return self.plan.more(self.plan.pod_net(node).split("/")[0], 1 if self.plan.ipv6 else 0)

    def mac(self, node):
        return f"02:00:00:00:07:{node[1:]:0>2}"

    def known_as(self):
        return [self.vtep(node) for node in self.plan.nodes]

    def build(self):
        plan = self.plan
        for node, address in plan.nodes.items():
            self.ip(node, f"link add vx0 address {self.mac(node)} mtu 1430 type vxlan id {self.VNI} dstport 4789 local {address} "
                    "dev lan0 nolearning", f"addr add {self.vtep(node)}/{plan.host_len} dev vx0", "link set vx0 up")
            for other, remote in plan.nodes.items():
                if other == node:
                    continue
                self.net.run(node, ["bridge", "fdb", "append", self.mac(other), "dev", "vx0", "dst", remote])
                self.ip(node, f"neigh replace {self.vtep(other)} lladdr {self.mac(other)} dev vx0 nud permanent",
                        # 6.12 wants no other way to a router that is said to be on the link
                        f"route replace {self.vtep(other)}/{plan.host_len} dev vx0",
                        f"route replace {plan.pod_net(other)} via {self.vtep(other)} dev vx0 onlink")

    def carried(self, seen, mode, request):
        if not (request or mode == SNAT):
            return None         # to the client
        if mode == GENEVE:      # to the node itself
            return seen.has("geneve") and not seen.has("vxlan")
        return seen.first("vxlan").tag == self.VNI


class Tunl(Network):
    """As Calico has it: IP in IP to other nodes' pods, by one device for all (IPv6: one for each). It has no MACs, so notes are
    believed by device."""

    settings = ("dsr-sender device", "dsr-device tunl0 t1")

    def own(self, node):
        """The address of its device; and so the source of what bpflb itself tunnels by that."""
        return self.plan.more(self.plan.pod_net(node).split("/")[0], 1)

    def known_as(self):
        return [self.own(node) for node in self.plan.nodes]

    def build(self):
        plan = self.plan
        for node in plan.nodes:
            self.net.run(node, ["sh", "-c", "modprobe -q ipip; modprobe -q ip6_tunnel; true"])
        for node, here in plan.nodes.items():
            if not plan.ipv6:
                self.net.run(node, ["sh", "-c", "ip link show tunl0 >/dev/null 2>&1 || ip link add tunl0 type ipip"])
                self.ip(node, "link set tunl0 mtu 1480 up", f"addr add {self.own(node)}/32 dev tunl0")
                self.net.sysctl(node, {"ipv4/conf/tunl0/rp_filter": 0})
            for other, address in plan.nodes.items():
                if other == node:
                    continue
                device = "tunl0"
                if plan.ipv6:
                    device = f"t{other[1:]}"
                    self.ip(node, f"link add {device} type ip6tnl mode ip6ip6 local {here} remote {address} encaplimit none",
                            f"link set {device} up",
                            f"addr add {self.own(node)}/128 dev {device} nodad",
                            f"route replace {plan.pod_net(other)} dev {device}")
                else:
                    self.ip(node, f"route replace {plan.pod_net(other)} via {address} dev tunl0 onlink")

    def carried(self, seen, mode, request):
        if not (request or mode == SNAT):
            return None
        if mode == GENEVE:
            return seen.has("geneve")
        outer = seen.first("ip")
        ends = (self.plan.nodes["n1"], self.plan.nodes["n2"])
        # What bpflb puts into IP in IP itself is in it twice.
        return (outer.src, outer.dst) == (ends if request else ends[::-1]) and \
            sum(layer.kind == "ip" for layer in seen) == (3 if mode == IPIP else 2)


class Routed(Network):
    """As Calico has it without tunnels, on nodes that a router is between: packets come in with its MAC."""

    settings = ("dsr-sender device", "dsr-device lan0")

    def build(self):
        plan = self.plan
        for node, other in (("n1", "n2"), ("n2", "n1")):
            for to in (f"{plan.nodes[other]}/{plan.host_len}", plan.pod_net(other)):
                self.ip(node, f"route replace {to} via {plan.lan_gw}")
            self.ip("r0", f"route replace {plan.pod_net(node)} via {plan.nodes[node]}")

    def carried(self, seen, mode, request):
        return (seen[0].src if request else seen[0].dst) == mac_of("r0")


class Vlan(Network):
    """Every machine of the LAN is in a VLAN of it."""

    def build(self):
        for place, address in [("r0", self.plan.lan_gw), *self.plan.nodes.items()]:
            self.ip(place, "link add link lan0 name lan0.10 type vlan id 10")
            self.move(place, address, "lan0.10")

    def carried(self, seen, mode, request):
        return seen[0].tag == 10


class Bond(Network):
    """Every node has two links, of which one carries all."""

    def build(self):
        plan = self.plan
        for node, address in plan.nodes.items():
            self.ip(node, f"link add lan1 type veth peer name {node}-1 netns {self.net.ns('lan')}",
                    "link add bond0 type bond mode active-backup miimon 50", "link set lan0 down",
                    "link set lan0 master bond0", "link set lan1 master bond0", "link set bond0 type bond primary lan0")
            self.ip("lan", f"link set {node}-1 master br0 up")
            self.move(node, address, "bond0")

    def carried(self, seen, mode, request):
        return True             # on lan0 it is

    def watch_also(self, node):
        return Wire(self.net, "lan", f"{node}-1")

    def proof(self, mode, seen, also):
        equal([str(s) for s in of_service(also)], [], "packets on the link that is to wait")
        check("currently active slave: lan0" in self.state("n2"), "the other link is in use", self.state("n2").splitlines)

    def state(self, node):
        with self.net.inside(node), open("/proc/thread-self/net/bonding/bond0") as f:
            return f.read().lower()


class Vrf(Network):
    """All links of every node are in a VRF: what comes in passes the hooks twice, and routes and addresses are not where they
    usually are. A server of the node itself listens in all VRFs."""

    more = tuple((mode, where, "c0", protos) for where, protos in (("p11", ("tcp", "udp")), ("n2", ("tcp",)))
                 for mode in (SNAT, OPT, GENEVE, IPIP))

    def build(self):
        for node in self.plan.nodes:
            self.ip(node, "link add vrf1 type vrf table 10", "link set vrf1 up", "link set lan0 master vrf1")
            self.node_routes(node, "lan0", "vrf vrf1")
            for pod in self.plan.pods_of(node):
                # goes down and up for that, and so loses an address of the link
                self.ip(node, f"link set {pod} master vrf1",
                        f"addr replace {self.plan.pod_gw}/{self.plan.host_len} dev {pod}")
            self.pod_routes(node, vrf="vrf vrf1")
            self.net.sysctl(node, {"ipv4/tcp_l3mdev_accept": 1})
            self.count(node, "iifname lan0", "iifname vrf1", hook="prerouting")

    def carried(self, seen, mode, request):
        return True

    def proof(self, mode, seen, also):
        lan0, vrf1 = self.counted("n2")
        check(lan0 and vrf1, f"packets in PREROUTING, of lan0 {lan0}, of the VRF {vrf1}")
        table = "-6" if self.plan.ipv6 else "-4"
        routes = self.net.run("n2", ["ip", table, "route", "show", "table", "main"])
        check("lan0" not in routes, "there are routes beside the VRF's", routes.splitlines)


class Bridged(Network):
    """Pods behind a bridge, and bridged packets are shown to netfilter. Where pods of one bridge answer each other without the
    node's routing, that is all that turns answers back."""

    port_of_p21 = "p21"
    more = tuple((mode, "p21", "p22", ("tcp", "udp")) for mode in (SNAT, OPT))

    def build(self):
        plan = self.plan
        self.net.run("n2", ["sh", "-c", "modprobe -q br_netfilter; true"])
        for node in plan.nodes:
            self.ip(node, f"link add cni0 address {mac_of('gw')} type bridge mcast_snooping 0",
                    f"addr add {plan.pod_gw}/{plan.host_len} dev cni0", "link set cni0 up")
            for pod in plan.pods_of(node):
                self.port(node, pod)
            self.pod_routes(node, "cni0")
        self.net.sysctl("n2", {"bridge/bridge-nf-call-iptables": 1, "bridge/bridge-nf-call-ip6tables": 1})
        for pod, other in (("p21", "p22"), ("p22", "p21")):
            self.ip(pod, f"route add {plan.address(other)}/{plan.host_len} dev eth0")
        self.count("n2", f"{plan.ip} saddr {plan.address('p21')} {plan.ip} daddr {plan.address('p22')}")

    def port(self, node, pod):
        self.ip(node, f"addr flush dev {pod}", f"link set {pod} master cni0")

    def watch(self, node):
        return Wire(self.net, node, self.port_of_p21)

    def carried(self, seen, mode, request):
        # to and from the bridge's own MAC, or from the other pod's
        return (seen[0].dst if request else seen[0].src) == mac_of("p21")

    def proof(self, mode, seen, also):
        """What is bridged is forwarded, by netfilter's view."""
        before, = self.counted("n2")
        with contextlib.suppress(OSError):
            s = self.net.socket("p21", self.plan.family, socket.SOCK_STREAM)
            with contextlib.closing(s):
                s.settimeout(5)
                s.connect((self.plan.address("p22"), PORTS["tcp"]))
        after, = self.counted("n2")
        check(after > before, "bridged packets are not shown to netfilter")


class Machines(Bridged):
    """Virtual machines in the place of pods: a tap is the bridge's port, and frames come from a program."""

    port_of_p21 = "vm21"
    _taps = ()

    def port(self, node, pod):
        plan = self.plan
        if pod not in ("p21", "p22"):
            return super().port(node, pod)
        self.net.run(node, ["sh", "-c", "modprobe -q tun; true"])
        vm = f"vm{pod[1:]}"
        self.ip(node, f"link del {pod}")
        self._taps = (*self._taps, Taps(self.net, (node, vm), (pod, "eth0")))
        self.ip(node, f"link set {vm} master cni0 up")
        self.ip(pod, f"link set eth0 address {mac_of(pod)} up", f"addr add {plan.address(pod)}/{plan.host_len} dev eth0",
                f"route add {plan.pod_gw}/{plan.host_len} dev eth0", f"route add default via {plan.pod_gw} dev eth0")
        return None


class TwoLans(Network):
    """Nothing is answered on the link that it was asked on: by SNAT the backend's node answers the balancer by another LAN, and
    that the client; by DSR the backend's node the client."""

    # By the routing table the balancer is on the other LAN, so there its MAC is looked for.
    settings = ("dsr-sender device", "dsr-device lan0")
    more = tuple((mode, where, "c0", ("tcp", "udp")) for mode in (SNAT, OPT) for where in ("p11", "n2"))

    def build(self):
        plan = self.plan
        net, length = ("fd77::", 64) if plan.ipv6 else ("192.168.77.", 24)
        alt = {"r0": f"{net}1", "n1": f"{net}11", "n2": f"{net}12"}
        self.ip("lan", "link add br1 type bridge mcast_snooping 0", "link set br1 up")
        for place, address in alt.items():
            self.ip(place, f"link add alt0 type veth peer name {place}-2 netns {self.net.ns('lan')}")
            self.ip("lan", f"link set {place}-2 master br1 up")
            self.ip(place, "link set alt0 up", f"addr add {address}/{length} dev alt0 {'nodad' if plan.ipv6 else ''}")
        for node in ("n1", "n2"):
            self.ip(node, f"route replace {plan.client}/{plan.host_len} via {alt['r0']} dev alt0")
        self.ip("n2", f"route replace {plan.nodes['n1']}/{plan.host_len} via {alt['n1']} dev alt0")

    def watch_also(self, node):
        return Wire(self.net, "lan", f"{node}-2")

    def carried(self, seen, mode, request):
        return request

    def proof(self, mode, seen, also):
        also = of_service(also)
        check(len(also) > 10 and not any(is_request(s) for s in also), "the other LAN has not all answers, and nothing else",
              lambda: [str(s) for s in also][:20])


class Ipsec(Network):
    """What goes to another node's pods is encrypted, whoever it is from."""

    modes = SNAT, OPT
    bypass = None               # encryption is the stack's
    mode = "tunnel"

    def what(self, _src, dst):
        return f"src {self.plan.anywhere} dst {self.plan.pod_net(dst)}"

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

    def carried(self, seen, mode, request):
        # A packet that can be read on its way to the backend is not encrypted; what is, can't be told from others.
        return not request

    def proof(self, mode, seen, also):
        text = self.net.run("n2", ["ip", "-s", "xfrm", "state", "list", "src", self.plan.nodes["n1"]])
        check(sum(map(int, re.findall(r"(\d+)\(packets\)", text))) > 10, "nothing was encrypted", text.splitlines)


class IpsecTunnels(Ipsec):
    """What nodes send each other in Geneve is encrypted."""

    modes = (GENEVE,)
    mode = "transport"

    def what(self, src, dst):
        return f"src {self.plan.nodes[src]} dst {self.plan.nodes[dst]} proto udp dport 6081"


class Mirrored(Network):
    """tc copies each packet of the nodes' links to somebody else: bpflb must not write to what is shared."""

    def watch_also(self, node):
        return Wire(self.net, "n1", "copy0")

    def build(self):
        for node in self.plan.nodes:
            self.ip(node, "link add copy0 type dummy", "link set copy0 up")
            self.net.run(node, ["tc", "qdisc", "add", "dev", "lan0", "clsact"])
            for way in "ingress", "egress":
                self.net.run(node, ["tc", "filter", "add", "dev", "lan0", way, "matchall", "action", "mirred", "egress",
                                    "mirror", "dev", "copy0"])

    def carried(self, seen, mode, request):
        return True

    def proof(self, mode, seen, also):
        """What came in is copied as it came, and what left as it left."""
        also = of_service(also)
        came = [s for s in also if is_request(s) and len([layer for layer in s if layer.kind == "ip"]) == 1 and
                s.last("ip").dst in self.vips]
        check(came and len(also) > len(came), f"{len(also)} copies, {len(came)} of them for the service")


class Xdp(Network):
    """A program at each node's link that lets all pass: packets come in from its pages, in driver mode."""

    def build(self):
        self._links = [xdp_pass(self.net, node, "lan0") for node in self.plan.nodes]

    def carried(self, seen, mode, request):
        return True

    def proof(self, mode, seen, also):
        text = self.net.run("n2", ["ip", "-d", "link", "show", "dev", "lan0"])
        check(re.search(r"\bxdp\b", text), "there is no program in driver mode", text.splitlines)


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
