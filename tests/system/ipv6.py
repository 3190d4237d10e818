# SPDX-License-Identifier: GPL-2.0-only
"""Services of IPv6: every mode, protocol and place of the backend, on the slow way and on bypass.

    client --- n1 (the balancer) --- n2 --- remote
                |
              local
"""
import functools
import json
import socket
import subprocess

from net import module, ns
from net.cluster import LBADM, Cluster
from net.ktap import check, equal, eventually

NET = "2001:db8:%s::%s"
CLIENT, N1, N2 = NET % ("c", "10"), NET % ("1", "11"), NET % ("1", "12")
PODS = {"local": NET % ("3", "11"), "remote": NET % ("2", "11")}
VIP = NET % ("f", "1")
NODEPORT = 30006
KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
PLACES = ("client", "n1", "n2", "local", "remote")
LINKS = (("client", NET % ("c", "10"), "n1", NET % ("c", "1")),
         ("n1", N1, "n2", N2),
         ("n1", NET % ("3", "1"), "local", PODS["local"]),
         ("n2", NET % ("2", "1"), "remote", PODS["remote"]))
ROUTES = (("client", "default", NET % ("c", "1")), ("local", "default", NET % ("3", "1")),
          ("remote", "default", NET % ("2", "1")), ("n1", "2001:db8:2::/64", N2),
          ("n2", "default", N1))


def at(place):
    """The namespace: other tests' clusters in this guest have an n1, too."""
    return f"six-{place}"


def ip(place, line):
    subprocess.run(["ip", "-n", at(place), *line.split()], check=True, timeout=20)


class Net:
    """Made by the first test; its servers are sockets of this program."""

    def __init__(self):
        if Cluster.current:     # its programs go with it
            Cluster.current.close()
        module.reload()
        for place in PLACES:
            ns.create(at(place))
            ns.sysctl(at(place), {"ipv6/conf/all/forwarding": int(place in ("n1", "n2")),
                              "ipv6/conf/default/accept_dad": 0})
            ip(place, "link set lo up")
        for a, a_addr, b, b_addr in LINKS:
            ip(a, f"link add {b} type veth peer name {a} netns {at(b)}")
            for place, peer, addr in ((a, b, a_addr), (b, a, b_addr)):
                ip(place, f"addr add {addr}/64 dev {peer} nodad")
                ip(place, f"link set {peer} up")
        for place, to, via in ROUTES:
            ip(place, f"-6 route add {to} via {via}")
        self.servers = {(where, proto): self.server(where, addr, kind)
                        for where, addr in PODS.items() for proto, kind in KIND.items()}
        self.mode = None

    @staticmethod
    def server(where, addr, kind):
        sock = ns.make_socket(at(where), socket.AF_INET6, kind)
        sock.bind((addr, 8080))
        sock.settimeout(5)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    def lbadm(self, node, line, text=None):
        p = subprocess.run([LBADM, "-n", at(node), *line.split()], input=text, capture_output=True,
                           text=True, check=False, timeout=20)
        check(not p.returncode, f"{node}: lbadm {line}: {p.stderr}")
        return p.stdout

    def set_mode(self, mode):
        if mode == self.mode:
            return
        lines = [f"set mode {mode}", f"node add {N1}", f"node add {N2}"]
        for n, (where, addr) in enumerate(PODS.items()):
            node = {"local": N1, "remote": N2}[where]
            for proto in KIND:
                name = f"{proto}-{where}"
                lines += [f"service add {name} {proto} [{VIP}]:{80 + n} nodeport:{NODEPORT + n}",
                          f"backend add {name} [{addr}]:8080 node {node}"]
        for node in ("n1", "n2"):
            self.lbadm(node, "apply -", "\n".join(lines) + "\n")
        self.mode = mode

    def status(self, node, what):
        return json.loads(self.lbadm(node, f"-j {what}"))

    def bypassed(self):
        return self.status("n1", "stats")["stats"]["bypassed"]


def seen_source(mode, proto, where):
    """Whom the backend must see as its client."""
    dsr = mode == "dsr" or (mode == "hybrid" and proto == "tcp")
    return CLIENT if where == "local" or dsr else N1


def tcp(net, where, to, want):
    with ns.make_socket(at("client"), socket.AF_INET6, socket.SOCK_STREAM) as c:
        c.settimeout(10)
        c.connect(to)
        server, peer = net.servers[where, "tcp"].accept()
        with server:
            equal(peer[0], want, "client that the backend saw")
            before = net.bypassed()
            for n in range(4):
                for a, b in ((c, server), (server, c)):
                    a.sendall(b"message %d" % n)
                    equal(b.recv(100), b"message %d" % n, "what was received")
            check(net.bypassed() > before, "no packet took bypass")


def udp(net, where, to, want):
    """The first datagram may be lost: a note's sender has to be known first."""
    server = net.servers[where, "udp"]
    with ns.make_socket(at("client"), socket.AF_INET6, socket.SOCK_DGRAM) as c:
        c.settimeout(5)

        def asked(word=b"hello"):
            c.sendto(word, to)
            server.settimeout(0.5)
            try:
                asked.peer = server.recvfrom(100)
            except TimeoutError:
                return False
            return asked.peer[0] == word

        eventually(asked, "a datagram reaches the backend")
        equal(asked.peer[1][0], want, "client that the backend saw")
        before = net.bypassed()
        for n in range(4):
            check(asked(b"again %d" % n), "a later datagram was lost")
            server.sendto(b"answer %d" % n, asked.peer[1])
            data, source = c.recvfrom(100)
            equal((data, source[:2]), (b"answer %d" % n, to), "the answer and its source")
        check(net.bypassed() > before, "no packet took bypass")


def cell(state, mode, proto, where, front):
    net = state()
    net.set_mode(mode)
    n = list(PODS).index(where)
    to = (VIP, 80 + n) if front == "vip" else (N1, NODEPORT + n)
    drops = {node: net.status(node, "stats")["stats"]["drops"] for node in ("n1", "n2")}
    (tcp if proto == "tcp" else udp)(net, where, to, seen_source(mode, proto, where))
    for node, before in drops.items():
        new = [d for d in net.status(node, "stats")["stats"]["drops"]
               if d not in before and d["reason"] != "note-sender"]
        equal(new, [], f"drops on {node}")


def both_families(state):
    """A backend of IPv4 is none to a client of IPv6, however heavy."""
    net = state()
    net.set_mode("snat")
    net.lbadm("n1", "backend add tcp-local 192.0.2.1:8080 weight 60000")
    try:
        tcp(net, "local", (N1, NODEPORT), CLIENT)
    finally:
        net.lbadm("n1", "backend del tcp-local 192.0.2.1:8080")


def saved(state):
    """What save prints is what apply reads."""
    net = state()
    net.set_mode("dsr")
    text = net.lbadm("n1", "save")
    check(f"[{VIP}]:80" in text and f"node add {N1}" in text, f"not saved: {text}")
    net.lbadm("n1", "apply -", text)
    equal(net.lbadm("n1", "save"), text, "saved again")


def tests(subset):
    state = functools.lru_cache(Net)
    cells = [(mode, proto, where, front) for mode in ("snat", "dsr", "hybrid") for proto in KIND
             for where in PODS for front in ("vip", "nodeport")]
    if subset:
        cells = [c for c in cells if c[0] != "hybrid" and c[2:] == ("remote", "vip")]
    return [*((f"ipv6: {' '.join(c)}", functools.partial(cell, state, *c)) for c in cells),
            ("ipv6: backends of both families", functools.partial(both_families, state)),
            ("ipv6: saved and applied", functools.partial(saved, state))]
