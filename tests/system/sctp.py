# SPDX-License-Identifier: GPL-2.0-only
"""Real associations through a service: the kernel's own SCTP at both ends."""
import contextlib
import functools
import select
import socket
import subprocess
import threading

from explain import chosen, compare
from net.cluster import Cluster
from net.ktap import equal, eventually
from net.plan import endpoint, twins

PORT, SERVER = 5060, 7000
PLACES = ("p11", "p21", "p31")
MODES = ("snat", "dsr", "hybrid")


class Servers:
    """Each says who it is and whom it sees, and then sends back what comes."""

    def __init__(self, cluster, plan):
        self._end = threading.Event()
        self._names = {}
        for place in PLACES:
            s = sctp(cluster.net, place, plan)
            s.bind((plan.address(place), SERVER))
            s.listen(16)
            self._names[s] = place
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        talks = []
        while not self._end.is_set():
            for s in select.select([*self._names, *talks], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    if s in self._names:
                        talk, peer = s.accept()
                        talk.send(f"{self._names[s]} {peer[0]}".encode())
                        talks.append(talk)
                        continue
                    data = s.recv(65536)
                    if data:
                        s.send(data)
                        continue
                    talks.remove(s)
                    s.close()
        for s in [*self._names, *talks]:
            s.close()

    def close(self):
        self._end.set()
        self._thread.join()


class State:
    servers = None

    def __init__(self, plan):
        if State.servers:
            State.servers.close()
        subprocess.run(["modprobe", "-q", "sctp"], check=False)      # built in where there is no such
        self.cluster = Cluster(plan, servers_at=[])
        self.plan = plan
        self.vip = plan.vip(75)
        State.servers = Servers(self.cluster, plan)

    def serve(self, mode):
        nodes = [f"node add {address}" for address in self.plan.nodes.values()]
        backends = [f"backend add sig {endpoint(self.plan.address(p), SERVER)} node {self.plan.nodes[self.plan.node_of(p)]}"
                    for p in PLACES]
        text = "\n".join([f"set mode {mode}", *nodes,
                          f"service add sig sctp {endpoint(self.vip, PORT)} scheduler rr", *backends, ""])
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "apply", "-", config=text)
            self.cluster.lbadm(node, "flow flush")

    def connect(self, port=0):
        """An association, (socket, who serves it, whom that sees)."""
        s = sctp(self.cluster.net, "c0", self.plan)
        s.settimeout(20)
        s.bind((self.plan.client, port))
        s.connect((self.vip, PORT))
        return s, *s.recv(1000).decode().split()


def sctp(topology, place, plan):
    return topology.socket(place, plan.family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)


def associations(state, mode):
    """To each backend: small and large messages there and back, and an end that all agree on."""
    s = state()
    s.serve(mode)
    seen = {}
    for _ in PLACES:
        talk, who, seen[who] = s.connect()
        with talk:
            for data in (b"x", b"odd", bytes(range(256)) * 4, b"m" * 9000):
                talk.send(data)
                got = b""
                while len(got) < len(data):
                    got += talk.recv(65536)
                equal(got, data, f"echo of {len(data)} bytes from {who}")
            port = talk.getsockname()[1]
            flow = s.cluster.flow_of("n1", (s.plan.client, port))
            equal(flow["state"], "sctp-established", "state")
        eventually(lambda port=port: s.cluster.flow_of("n1", (s.plan.client, port))["state"] in
                   ("sctp-shutdown", "sctp-closed"), "the end is seen")
    equal(set(seen), set(PLACES), "who serves")
    far = s.plan.client if mode == "dsr" else s.plan.nodes["n1"]
    equal(seen, {"p11": s.plan.client, "p21": far, "p31": far}, "whom they see")


def down(state):
    """The client of a backend that is down learns it with its next message."""
    s = state()
    s.serve("snat")
    talk, who, _ = s.connect()
    with talk:
        at = endpoint(s.plan.address(who), SERVER)
        s.cluster.lbadm("n1", f"backend set sig {at} state down")
        try:
            talk.send(b"anybody?")
            equal(talk.recv(1000), b"", "what comes of it")
        except ConnectionError:
            pass
    other, now, _ = s.connect()
    other.close()
    equal(now != who, True, "another one serves the next")


def explained(state):
    """lbadm explain says what an INIT does that is sent afterwards; and then, what the flow is."""
    s = state()
    ask = f"explain sctp {endpoint(s.plan.client, 22001)} {endpoint(s.vip, PORT)}"
    for mode in MODES:
        s.serve(mode)
        said = s.cluster.json("n1", ask)["explain"]
        equal(said["verdict"], "balance", "verdict")
        talk, who, _ = s.connect(22001)
        with talk:
            flow = s.cluster.flow_of("n1", talk.getsockname()[:2])
            compare(said, flow)
            equal(chosen(said)["backend"]["address"], s.plan.address(who), "who was to serve")
            equal(s.cluster.json("n1", ask + " mid-life")["explain"]["verdict"], "flow", "of a later packet")
        eventually(lambda: s.cluster.flow_of("n1", (s.plan.client, 22001))["state"] in ("sctp-shutdown", "sctp-closed"),
                   "its end is seen")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"sctp: associations, {mode}", functools.partial(associations, state, mode)) for mode in MODES),
                ("sctp: a backend is down", functools.partial(down, state)),
                ("sctp: explained", functools.partial(explained, state))]
    return twins(of_family)
