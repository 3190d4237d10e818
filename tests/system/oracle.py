# SPDX-License-Identifier: GPL-2.0-only
"""What should happen, from the meaning of the modes alone: no test knows it by heart."""
import socket
import struct
from dataclasses import dataclass

from net.topology import BALANCER


@dataclass
class Want:
    answered: bool
    kind: str               # what lbadm calls the flow on the balancer
    client: str             # address that the backend sees
    same_port: bool         # and whether with the client's own port
    reply_nodes: set        # that the reply crosses, besides the router
    dsr: bool


def oracle(plan, mode, proto, policy, place):
    """For a request from c0 to a service of one backend, at @place."""
    node = plan.node_of(place)
    if node == BALANCER:
        return Want(True, "local", plan.client, True, {BALANCER}, False)
    if policy == "local":
        return Want(False, "", "", False, set(), False)
    if mode == "dsr" or (mode == "hybrid" and proto == "tcp"):
        return Want(True, "dsr-out", plan.client, True, {node}, True)
    return Want(True, "snat", plan.nodes[BALANCER], False, {node, BALANCER}, False)


def note(address, port):
    """What a DSR packet carries. IPv4: an option with port and address, least byte first.
    IPv6: a header of destination options, from its length on."""
    if ":" in address:
        return b"\x02\x1b\x14" + socket.inet_pton(socket.AF_INET6, address) + struct.pack("!HH", port, 0)
    octets = bytes(int(x) for x in address.split("."))
    return b"\x9a\x08" + port.to_bytes(2, "little") + octets[::-1]
