# SPDX-License-Identifier: GPL-2.0-only
"""The configuration is replaced again and again; no request notices."""
import functools
import threading

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal

ROUNDS = 12


class State:
    def __init__(self):
        self.cluster = c = Cluster()
        vip = c.plan.vip(80)
        # two versions that differ in backends, weights and policy of another service
        self.versions = [
            [Service("web", "tcp", 80, ["p11", "p21"], vip), Service("echo", "udp", 53, ["p21", "p31"], vip)],
            [Service("web", "tcp", 80, {"p21": 5, "p31": 2}, vip), Service("other", "tcp", 81, ["p11"], vip),
             Service("echo", "udp", 53, ["p11", "p31"], vip)]]
        self.both = [Service("web", "tcp", 80, ["p11", "p21", "p31"], vip),
                     Service("echo", "udp", 53, ["p11", "p21", "p31"], vip)]
        self.tcp, self.udp = (s.front(c.plan) for s in self.versions[0])


class Loop(threading.Thread):
    """Asks until told to stop; .errors says what went wrong."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self._ask, self._end = ask, threading.Event()
        self.count, self.errors = 0, []
        self.start()

    def run(self):
        while not self._end.is_set():
            try:
                self._ask()
                self.count += 1
            except Exception as e:      # its reason goes to the test
                self.errors.append(f"request {self.count + 1}: {type(e).__name__}: {e}")
                return

    def finish(self):
        self._end.set()
        self.join()
        return self.errors


def under_traffic(state, mode):
    s = state()
    net = s.cluster.net
    s.cluster.apply(s.versions[0], f"mode {mode}")
    kept = clients.Tcp(net, "c0", s.tcp)
    echo = clients.Udp(net, "c0", s.udp)
    first = kept.ask().name
    loops = [Loop(lambda: clients.tcp_once(net, "c0", s.tcp)),
             Loop(lambda: clients.udp_once(net, "c0", s.udp)), Loop(echo.ask)]
    address, port = s.tcp
    curl = net.popen("c0", ["curl", "-sSf", "-o", "/dev/null", "-w", "%{http_code}\n", "-m", "10",
                            "-H", "Connection: close", f"http://{address}:{port}/[1-300]"],
                     stdout=-1, stderr=-2, text=True)
    for n in range(ROUNDS):
        # A node must know a backend before it is sent to, and until nothing more is.
        after = s.versions[(n + 1) % 2]
        s.cluster.apply(s.both, f"mode {mode}", nodes=["n2", "n3"])
        s.cluster.apply(after, f"mode {mode}", nodes=["n1"])
        s.cluster.apply(after, f"mode {mode}", nodes=["n2", "n3"])
    codes = curl.communicate(timeout=120)[0].split()
    errors = sum((loop.finish() for loop in loops), [])
    equal(errors, [], "requests that failed")
    equal(codes, ["200"] * 300, "what curl got")
    equal(kept.ask().name, first, "server of the connection from before")
    check(all(loop.count > ROUNDS for loop in loops), f"too few requests: {[loop.count for loop in loops]}")
    kept.close()
    echo.close()


def tests(subset):
    state = functools.lru_cache(State)
    return [(f"{mode}: apply under traffic loses nothing", functools.partial(under_traffic, state, mode))
            for mode in ("snat", "dsr", "hybrid")]
