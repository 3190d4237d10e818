# SPDX-License-Identifier: GPL-2.0-only
"""keepalived on two balancers: VRRP, by which one of them has the service's address."""
import json
import os
import shutil
import signal
import socket
import tempfile

from net.ktap import eventually
from network import PATIENCE

PAIR = ("n1", "n2")
_ETH_ARP = 0x0806
_ADVERTISEMENT = 136        # ICMPv6, of a neighbour
_ICMP6_FILTER = 1

_CONFIG = """
global_defs {{
    router_id {node}
    vrrp_version 3
}}
vrrp_instance services {{
    state BACKUP
    interface lan0
    virtual_router_id 51
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
{addresses}
    }}
}}
"""


def _addresses(plan, vip):
    """VRRP of IPv6 speaks from a link-local address, which moves too."""
    addresses = [f"{vip}/{plan.host_len} dev lan0"]
    if plan.ipv6:
        addresses.insert(0, "fe80::51/64 dev lan0")
    return "\n".join(f"        {a}" for a in addresses)


class Keepalived:
    def __init__(self, topology, node, plan, vip, priority):
        self._topology, self._node, self._vip, self._plan = topology, node, vip, plan
        self._dir = tempfile.mkdtemp(prefix="keepalived-")
        with open(f"{self._dir}/conf", "w") as f:
            f.write(_CONFIG.format(node=node, priority=priority, interval=0.2 * PATIENCE,
                                   addresses=_addresses(plan, vip)))
        self.start()

    def start(self):
        d = self._dir
        with open(f"{d}/log", "a") as log:
            self._process = self._topology.popen(self._node, [
                "keepalived", "--dont-fork", "--log-console", "--vrrp", "-f", f"{d}/conf", "-p", f"{d}/pid",
                "-r", f"{d}/vrrp.pid"], stdout=log, stderr=log)

    def has_address(self):
        version = "-6" if self._plan.ipv6 else "-4"
        links = json.loads(self._topology.run(self._node, ["ip", "-j", version, "addr", "show", "dev", "lan0"]))
        return any(a.get("local") == self._vip for link in links for a in link.get("addr_info", []))

    def kill(self):
        """As when the machine goes: no last word, and its addresses go with it."""
        with open(f"{self._dir}/vrrp.pid") as f:
            child = int(f.read())
        os.kill(child, signal.SIGSTOP)      # which would clean up when its parent dies
        self._process.kill()
        self._process.wait()
        os.kill(child, signal.SIGKILL)
        if self.has_address():
            for address in [self._vip, *(["fe80::51"] if self._plan.ipv6 else [])]:
                length = 64 if address.startswith("fe80") else self._plan.host_len
                self._topology.run(self._node, ["ip", "addr", "del", f"{address}/{length}", "dev", "lan0"])

    def log(self):
        with open(f"{self._dir}/log") as f:
            return f.read().splitlines()[-40:]

    def close(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self._dir)


class Pair:
    """n1 has the address as long as it lives; n2 otherwise."""

    def __init__(self, topology, plan, vip):
        self.of = {node: Keepalived(topology, node, plan, vip, priority)
                   for node, priority in zip(PAIR, (150, 100))}
        eventually(lambda: self.is_at("n1"), "n1 has the address", 20, self.of["n1"].log)

    def is_at(self, node):
        """Whether @node has the address, and the other one has not."""
        return [n for n, k in self.of.items() if k.has_address()] == [node]

    def close(self):
        for k in self.of.values():
            k.close()


class Told:
    """What the router is told, unasked, about whose MAC @vip has."""

    def __init__(self, topology, plan, vip):
        self._vip = socket.inet_pton(plan.family, vip)
        self._read = _of_advertisement if plan.ipv6 else _of_arp
        if plan.ipv6:
            self._socket = topology.socket("r0", socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            # a bit for each type; those of the set ones are not shown
            blocked = ~(1 << _ADVERTISEMENT) & ((1 << 256) - 1)
            self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, blocked.to_bytes(32, "little"))
        else:
            self._socket = topology.socket("r0", socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_ARP))
        self._socket.setblocking(False)

    def macs(self):
        """In the order they were told, since it was asked last."""
        macs = []
        while True:
            try:
                message = self._socket.recv(2048)
            except BlockingIOError:
                return macs
            about, mac = self._read(message)
            if about == self._vip:
                macs.append(mac.hex(":"))

    def close(self):
        self._socket.close()


def _of_arp(message):
    """A gratuitous one: its sender and its target are the same."""
    sender, target = message[14:18], message[24:28]
    return (sender, message[8:14]) if sender == target else (None, None)


def _of_advertisement(message):
    """An unsolicited one, which has the MAC in an option."""
    solicited = message[4] & 0x40
    return (None, None) if solicited else (message[8:24], message[26:32])
