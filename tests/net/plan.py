# SPDX-License-Identifier: GPL-2.0-only
"""Who has which address: a Plan for each family, with the same places."""
import ipaddress
import socket
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    family: int
    client: str
    client_gw: str
    client_len: int
    lan_gw: str
    lan_len: int
    pod_gw: str                 # what every pod has its default route to, on its own link
    pod_len: int                # length of a node's pod network
    services: str
    nodes: dict = field(hash=False)     # name -> address
    pods: dict = field(hash=False)      # name -> (node, address)

    @property
    def ipv6(self):
        return self.family == socket.AF_INET6

    @property
    def ip(self):
        """What nft calls the family."""
        return "ip6" if self.ipv6 else "ip"

    @property
    def loopback(self):
        return "::1" if self.ipv6 else "127.0.0.1"

    @property
    def host_len(self):
        return 128 if self.ipv6 else 32

    @property
    def anywhere(self):
        return "::/0" if self.ipv6 else "0.0.0.0/0"

    def pod_net(self, node):
        pod = next(addr for n, addr in self.pods.values() if n == node)
        return str(ipaddress.ip_network(f"{pod}/{self.pod_len}", strict=False))

    def more(self, address, n):
        """The @n-th after @address, which nobody has."""
        return str(ipaddress.ip_address(address) + n)

    def vip(self, n):
        """The @n-th service address."""
        return str(ipaddress.ip_network(self.services)[n])

    def pods_of(self, node):
        return {pod: addr for pod, (n, addr) in self.pods.items() if n == node}

    def address(self, place):
        """Of a pod, of a node, or of the client."""
        if place == "c0":
            return self.client
        return self.nodes[place] if place in self.nodes else self.pods[place][1]

    def node_of(self, place):
        return place if place in self.nodes else self.pods[place][0]


V4 = Plan(
    family=socket.AF_INET,
    client="198.51.100.10", client_gw="198.51.100.1", client_len=24,
    lan_gw="192.168.0.1", lan_len=24,
    pod_gw="169.254.1.1", pod_len=24,
    services="203.0.113.0/24",
    nodes={"n1": "192.168.0.11", "n2": "192.168.0.12", "n3": "192.168.0.13"},
    pods={"p11": ("n1", "10.0.1.11"), "p12": ("n1", "10.0.1.12"),
          "p21": ("n2", "10.0.2.11"), "p22": ("n2", "10.0.2.12"),
          "p31": ("n3", "10.0.3.11"), "p32": ("n3", "10.0.3.12")},
)

V6 = Plan(
    family=socket.AF_INET6,
    client="2001:db8:c::10", client_gw="2001:db8:c::1", client_len=64,
    lan_gw="2001:db8:1::1", lan_len=64,
    pod_gw="fe80::1", pod_len=64,
    services="2001:db8:f::/64",
    nodes={"n1": "2001:db8:1::11", "n2": "2001:db8:1::12", "n3": "2001:db8:1::13"},
    pods={"p11": ("n1", "2001:db8:a1::11"), "p12": ("n1", "2001:db8:a1::12"),
          "p21": ("n2", "2001:db8:a2::11"), "p22": ("n2", "2001:db8:a2::12"),
          "p31": ("n3", "2001:db8:a3::11"), "p32": ("n3", "2001:db8:a3::12")},
)

PLANS = V4, V6


def endpoint(address, port):
    """As lbadm, nginx and the like write it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def twins(tests):
    """What @tests(plan) lists, (name, function), for each family; the names of IPv6's tell so."""
    return [(f"{'ipv6: ' if plan.ipv6 else ''}{name}", f) for plan in PLANS for name, f in tests(plan)]
