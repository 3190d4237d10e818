# SPDX-License-Identifier: GPL-2.0-only
"""A client, a balancer, a node with the server: the way that every peer is measured on.

    c0 --- n1 --- n2            and with @direct c0 --- n2, which the answers take

c0 sends everything to n1. What balances is set up in n1 by one of the functions
here, and gets SERVICE's packets to n2.
"""
import socket
import struct
import tempfile

from net import ns
from net.cluster import LBADM
from net.plan import Plan
from net.topology import Topology, mac_of

import services

CLIENT, BALANCER, NODE = "c0", "n1", "n2"
SERVICES = "10.96.0.0/12"
_CLIENT_ON_DIRECT, _NODE_ON_DIRECT = "198.18.0.10", "198.18.0.12"

PLAN = Plan(
    family=socket.AF_INET,
    client="198.51.100.10", client_gw="198.51.100.1", client_len=24,
    lan_gw="192.168.0.11", lan_len=24,
    pod_gw="169.254.1.1", pod_len=24,
    services=SERVICES,
    nodes={BALANCER: "192.168.0.11", NODE: "192.168.0.12"},
    pods={},
)
SERVER = PLAN.nodes[NODE]


class Path(Topology):
    """@prefix tells apart the paths that there are at the same time."""

    def __init__(self, prefix="", direct=False):
        super().__init__((PLAN,), prefix)
        self.plan = PLAN
        self.routers = list(PLAN.nodes)
        self.places = [CLIENT, BALANCER, NODE]
        self._direct = direct

    def __enter__(self):
        return self.setup(offloads=True)

    def _links(self):
        def veth(place, link, peer, peer_link):
            self._veth(place, link, mac_of(place), peer, peer_link, mac_of(peer))

        veth(CLIENT, "eth0", BALANCER, "wan0")
        veth(BALANCER, "lan0", NODE, "lan0")
        if self._direct:
            veth(CLIENT, "eth1", NODE, "wan0")

    def _addresses(self, p):
        def link(place, name, address, length):
            self._at(place).address(name, address, length)

        link(CLIENT, "eth0", p.client, p.client_len)
        self._at(CLIENT).route(p.anywhere, via=p.client_gw)
        link(BALANCER, "wan0", p.client_gw, p.client_len)
        link(BALANCER, "lan0", p.nodes[BALANCER], p.lan_len)
        link(NODE, "lan0", p.nodes[NODE], p.lan_len)
        if self._direct:
            link(CLIENT, "eth1", _CLIENT_ON_DIRECT, 24)
            link(NODE, "wan0", _NODE_ON_DIRECT, 24)
            self._at(NODE).route(f"{p.client}/32", via=_CLIENT_ON_DIRECT)
        self._at(NODE).route(p.anywhere, via=p.nodes[BALANCER])

    def load(self, argv, lines, place=BALANCER):
        """Gives a program a file of @lines as its last argument."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.writelines(f"{line}\n" for line in lines)
            f.flush()
            self.run(place, [*argv, f.name], timeout=180)

    def bpflb(self, many, mode="snat", local=False):
        """In n1, and for DSR in n2 too."""
        where = "local" if local else f"node {SERVER}"
        self.load([LBADM, "apply"], services.bpflb(many, where, mode))
        if mode == "dsr":
            self.load([LBADM, "apply"], services.bpflb(many, where, mode), NODE)

    def iptables(self, many):
        self.load(["iptables-legacy-restore"], services.iptables(many))

    def nftables(self, many, flowtable=False, **shape):
        self.load(["nft", "-f"], services.nftables(many, **shape))
        if flowtable:
            self.load(["nft", "-f"], services.flowtable(["wan0", "lan0"]))

    def _own_services(self, place):
        """Addresses of services are @place's own, as IPVS wants it: kube-ipvs0 in one route."""
        self.run(place, ["ip", "route", "add", "local", SERVICES, "dev", "lo"])

    def ipvs(self, many, direct=False, masquerade=False):
        """By the calls of ipvsadm, but without its socket a command, which takes 1 ms each."""
        self._own_services(BALANCER)
        if masquerade:
            self.sysctl(BALANCER, {"ipv4/vs/conntrack": 1})
            self.load(["nft", "-f"], services.masquerade(f"{SERVER}/32"))
        if direct:
            self._own_services(NODE)
        with ns.make_socket(self.ns(BALANCER), socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
            for service in many:
                head = _ipvs_service(service)
                s.setsockopt(socket.IPPROTO_IP, _IP_VS_ADD, head)
                for backend in service.backends:
                    s.setsockopt(socket.IPPROTO_IP, _IP_VS_ADD_SERVER,
                                 head + _ipvs_server(service, backend, direct))


# linux/ip_vs.h
_IP_VS_ADD, _IP_VS_ADD_SERVER = 1152 + 2, 1152 + 7
_MASQUERADE, _DIRECT = 0, 3


def _ipvs_service(service):
    address, port = socket.inet_aton(service.vip), struct.pack("!H", service.port)
    return struct.pack("=H2x4s2s2xI16sII4s", socket.IPPROTO_TCP, address, port, 0, b"rr", 0, 0, b"\xff" * 4)


def _ipvs_server(service, backend, direct):
    port = struct.pack("!H", service.port if direct else service.backend_port)
    kind = _DIRECT if direct else _MASQUERADE
    return struct.pack("=4s2s2xIiII", socket.inet_aton(backend), port, kind, 1, 0, 0)
