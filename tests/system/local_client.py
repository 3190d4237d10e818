# SPDX-License-Identifier: GPL-2.0-only
"""Clients on the balancer itself (LOCAL_OUT), in its pods, and on other nodes."""
import functools
import itertools
import socket

from net import clients
from net.cluster import Cluster, Service
from net.ktap import Failure, equal
from net.plan import twins

PLACES = {"local": "p11", "remote": "p21", "local-host": "n1", "remote-host": "n2"}


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        self.mode = None
        self.services = {(proto, where): Service(f"{proto}-{where}", proto, 2000 + n, [place],
                                                 c.plan.vip(40), 31000 + n)
                         for proto in ("tcp", "udp") for n, (where, place) in enumerate(PLACES.items())}

    def set_mode(self, mode):
        if mode != self.mode:
            self.cluster.apply(self.services.values(), f"mode {mode}")
            self.mode = mode


def node_itself(state, mode, proto, where, front):
    """The backend sees the node, from which the request really came."""
    s = state()
    s.set_mode(mode)
    service = s.services[proto, where]
    to = service.front(s.cluster.plan, front)
    with s.cluster.capture() as capture:
        if proto == "tcp":
            answer = clients.tcp_once(s.cluster.net, "n1", to)
        else:
            with clients.Udp(s.cluster.net, "n1", to) as udp:
                answer = udp.ask()
                equal(udp.source, to, "source of the datagram that answers")
        equal(answer.name, PLACES[where], "server")
        equal(answer.client, s.cluster.plan.nodes["n1"], "client that it saw", capture.dump)
        equal([str(p) for p in capture.bad()], [], "wrong packets")


def loopback(state):
    """A node port answers at the node's addresses, not at 127/8 or ::1."""
    s = state()
    s.set_mode("snat")
    service = s.services["tcp", "remote"]
    try:
        clients.tcp_once(s.cluster.net, "n1", (s.cluster.plan.loopback, service.nodeport))
    except ConnectionRefusedError:
        return
    raise Failure(f"a service answered at {s.cluster.plan.loopback}")


def pod(state, mode):
    """A pod of the balancer asks for a service: its address is kept as a client's is."""
    s = state()
    s.set_mode(mode)
    for where in ("local", "remote"):
        answer = clients.tcp_once(s.cluster.net, "p12", s.services["tcp", where].front(s.cluster.plan))
        dsr_or_here = where == "local" or mode != "snat"
        equal((answer.name, answer.client),
              (PLACES[where], s.cluster.plan.address("p12" if dsr_or_here else "n1")), where)


def two_balancers(state, mode):
    """n3, which has the same services, asks n1's node port: the backend is on n2."""
    s = state()
    s.set_mode(mode)
    service = s.services["udp", "remote"]
    with clients.Udp(s.cluster.net, "n3", (s.cluster.plan.nodes["n1"], service.nodeport)) as udp:
        answer = udp.ask()
        equal(udp.source, (s.cluster.plan.nodes["n1"], service.nodeport), "source of the answer")
    seen = s.cluster.plan.nodes["n3" if mode == "dsr" else "n1"]
    equal((answer.name, answer.client), ("p21", seen), "server and the client that it saw")


def connected_udp(state):
    """A connected socket takes an answer from its peer alone: the reply is turned back before."""
    s = state()
    s.set_mode("snat")
    with s.cluster.net.socket("n1", s.cluster.plan.family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(s.services["udp", "remote"].front(s.cluster.plan))
        sock.send(b"/connected")
        equal(sock.recv(1000).split()[-1], b"/connected", "answer")


def tests(subset):
    return twins(of_family)


def of_family(plan):
    state = functools.lru_cache(functools.partial(State, plan))
    out = [("a loopback address is not a service's", functools.partial(loopback, state)),
           ("a connected UDP socket of the node", functools.partial(connected_udp, state))]
    for mode in ("snat", "dsr", "hybrid"):
        for c in itertools.product(("tcp", "udp"), PLACES, ("vip", "nodeport")):
            out.append((f"{mode} {' '.join(c)} from the balancer itself",
                        functools.partial(node_itself, state, mode, *c)))
        out.append((f"{mode} from a pod of the balancer", functools.partial(pod, state, mode)))
        out.append((f"{mode} from another node by node port", functools.partial(two_balancers, state, mode)))
    return out
