# SPDX-License-Identifier: GPL-2.0-only
"""ICMP errors about what a service has sent in a flow that this node knows nothing of.

It is another balancer's, or was lost. Where any node would choose the same backend, that one hears of it.
"""
import contextlib

from scapy.layers.inet import TCP, UDP

from family import at, end, error, payload
from icmp import LENGTHS, WHOLE, passes
from net.ktap import equal
from wire import from_router, to_node, to_pod

SERVICES = {"tcp": (80, 81), "udp": (53, 54)}       # ports: backend on another node, here
SERVER = {"tcp": 8080, "udp": 5353}


def sent(proto, sport, dport, src=None, dst=None):
    """What a service, or its backend, sends to a client."""
    ports = {"sport": sport, "dport": dport}
    return at.ip(src=src or at.vip, dst=dst or at.client, id=0x2222, ttl=60) / \
        (TCP(**ports, flags="PA", seq=7, ack=9) if proto == "tcp" else UDP(**ports)) / b"quoted in part"


def about(proto, front, port, backend, length=WHOLE, src=None, client=None):
    """An error to the service: as it comes, and as the backend is to have it."""
    cut = at.head + length
    came, wanted = (bytes(p)[:cut] for p in (
        sent(proto, front, port, dst=client), sent(proto, SERVER[proto], port, backend, client)))
    return error(src or at.before, at.vip, came), error(src or at.before, backend, wanted, ttl=59)


def heard(wire, mode, proto):
    """By the only backend, on another node and here, whatever of the packet is quoted."""
    wire.set(mode)
    remote, here = SERVICES[proto]
    for n, length in enumerate(LENGTHS):
        for src in (at.before, at.client):
            if mode != "snat":
                came, wanted = about(proto, remote, 26000 + n, at.remote, length, src)
                wire.expect("lan", from_router(came), to_node(wanted))
            came, wanted = about(proto, here, 26000 + n, at.pod, length, src)
            wire.expect("lan", from_router(came), to_pod(wanted))
        equal(wire.flow(at.client, 26000 + n), None, "a flow of the error")


def by_snat(wire, mode, proto):
    """What one node's SNAT has sent, no other one knows of."""
    wire.set(mode)
    passes(wire, about(proto, SERVICES[proto][0], 26010, at.remote)[0])


@contextlib.contextmanager
def two_backends(wire, mode, name, port, *settings):
    """The service has a second one on the other node."""
    wire.set(mode)
    for words in settings:
        wire.lbadm("service", "set", name, *words.split())
    wire.lbadm("backend", "add", name, end(at.remote2, port), "node", at.n2)
    try:
        yield
    finally:
        wire.lbadm("backend", "del", name, end(at.remote2, port))
        wire.lbadm("service", "set", name, "scheduler", "random", "affinity", "off")
        wire.lbadm("flow", "flush")


def chosen(wire, proto, port):
    """The backend that a client's first packet goes to, and its flow is gone again."""
    ports = {"sport": port, "dport": SERVICES[proto][0]}
    transport = TCP(**ports, flags="S") if proto == "tcp" else UDP(**ports)
    wire.send("lan", from_router(at.ip(src=at.client, dst=at.vip) / transport))
    dst = payload(wire.receive()[1]).dst
    wire.lbadm("flow", "flush")
    return dst


def by_maglev(wire, proto):
    """Of several backends the one that the client's flow has on any node."""
    name = {"tcp": "web", "udp": "dns"}[proto]
    with two_backends(wire, "dsr", name, SERVER[proto], "scheduler maglev"):
        seen = set()
        for port in range(26020, 26032):
            backend = chosen(wire, proto, port)
            seen.add(backend)
            came, wanted = about(proto, SERVICES[proto][0], port, backend)
            wire.expect("lan", from_router(came), to_node(wanted))
            equal(wire.flow(at.client, port), None, "a flow of the error")
        equal(seen, {at.remote, at.remote2}, "backends that were chosen")


def by_affinity(wire):
    """A client that is remembered has its backend, and that is not remembered anew for an error."""
    with two_backends(wire, "dsr", "web", 8080, "affinity 1h"):
        # first nobody is
        passes(wire, about("tcp", 80, 26040, at.remote, client=at.other_client)[0])
        backend = chosen(wire, "tcp", 26041)
        for port in range(26042, 26050):
            came, wanted = about("tcp", 80, port, backend)
            wire.expect("lan", from_router(came), to_node(wanted))


def nobody_knows(wire, proto):
    """Of several backends that are chosen at random it may be any."""
    name = {"tcp": "web", "udp": "dns"}[proto]
    with two_backends(wire, "dsr", name, SERVER[proto]):
        passes(wire, about(proto, SERVICES[proto][0], 26060, at.remote)[0])


def may_not_ask(wire):
    """A client that is refused has no flow anywhere."""
    wire.set("dsr")
    wire.lbadm("service", "set", "web", "deny", f"{at.client}/{at.host}")
    try:
        passes(wire, about("tcp", 80, 26070, at.remote)[0])
        came, wanted = about("tcp", 80, 26071, at.remote, client=at.other_client)
        wire.expect("lan", from_router(came), to_node(wanted))
    finally:
        wire.lbadm("service", "set", "web", "allow", "any")


def local_only(wire):
    """With policy local there is no backend elsewhere."""
    wire.set("dsr")
    wire.lbadm("service", "set", "web", "policy", "local")
    try:
        passes(wire, about("tcp", 80, 26080, at.remote)[0])
    finally:
        wire.lbadm("service", "set", "web", "policy", "cluster")


def node_port(wire):
    """Of this node."""
    wire.set("dsr")
    came, wanted = (error(at.before, dst, bytes(sent("tcp", sport, 26090, dst)), ttl=ttl)
                    for dst, sport, ttl in ((at.n1, 30080, 60), (at.remote, 8080, 59)))
    wire.expect("lan", from_router(came), to_node(wanted))


TESTS = [
    *((f"icmp elsewhere: {mode} {proto}: the only backend hears of it",
       lambda wire, m=mode, p=proto: heard(wire, m, p)) for mode in ("dsr", "hybrid", "snat")
      for proto in SERVICES if (mode, proto) != ("hybrid", "udp")),
    *((f"icmp elsewhere: {mode} {proto}: what goes by SNAT is one node's",
       lambda wire, m=mode, p=proto: by_snat(wire, m, p))
      for mode, proto in (("snat", "tcp"), ("snat", "udp"), ("hybrid", "udp"))),
    *((f"icmp elsewhere: {proto}: maglev's backend hears of it", lambda wire, p=proto: by_maglev(wire, p))
      for proto in SERVICES),
    ("icmp elsewhere: affinity", by_affinity),
    *((f"icmp elsewhere: {proto}: nobody knows its backend", lambda wire, p=proto: nobody_knows(wire, p))
      for proto in SERVICES),
    ("icmp elsewhere: a client that may not ask", may_not_ask),
    ("icmp elsewhere: policy local", local_only),
    ("icmp elsewhere: a node port", node_port),
]
