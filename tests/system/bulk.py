# SPDX-License-Identifier: GPL-2.0-only
"""Much data through each mode with all offloads on: packets of up to 64 KiB (GSO, GRO)."""
import functools
import hashlib
import json
import socket
import struct

from net import clients, ns
from net.cluster import Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import endpoint, twins
from net.topology import stop

SIZE = 5 << 20
SINK = 9
_UDP_SEGMENT = 103


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan, offloads=True)
        vip = c.plan.vip(30)
        self.web = Service("web", "tcp", 80, ["p21"], vip)
        self.near = Service("near", "tcp", 81, ["p11"], vip)
        self.iperf = Service("iperf", "tcp", 5201, ["p22"], vip, backend_port=5201)
        self.sink = Service("sink", "udp", 82, ["p22"], vip, backend_port=SINK)
        self.data = c.nginx.file("data", SIZE)

    def set_mode(self, mode):
        self.cluster.apply([self.web, self.near, self.iperf, self.sink], f"mode {mode}")


def download(state, mode, which):
    s = state()
    s.set_mode(mode)
    at = endpoint(*getattr(s, which).front(s.cluster.plan))
    with s.cluster.capture(["n1", "n2"]) as capture:
        curl = s.cluster.net.popen("c0", ["curl", "-sf", "-m", "60", f"http://{at}/files/data"],
                                   stdout=-1)
        got, _ = curl.communicate()
        equal(curl.returncode, 0, "curl's status")
        equal((len(got), hashlib.sha256(got).hexdigest()),
              (SIZE, hashlib.sha256(s.data).hexdigest()), "size and sha256 of what came")
        # Its sockets may lose packets here: what they have must be right.
        check(any(len(p.payload) > 1500 for p in capture.read()), "no large packet: offloads are off?")
        equal([str(p) for p in capture.bad()][:20], [], "wrong packets")


def iperf(state, mode, *options):
    s = state()
    s.set_mode(mode)
    address, port = s.iperf.front(s.cluster.plan)
    server = s.cluster.net.popen("p22", ["iperf3", "-s", "-1"], stdout=-3)
    try:
        eventually(lambda: ns.listens("p22", "tcp", port), "iperf3 listens", 30)
        out = json.loads(s.cluster.net.run(
            "c0", ["iperf3", "-c", address, "-J", "-n", "20M", *options], timeout=120))
    finally:
        stop(server)
    check("error" not in out, out.get("error"))
    # what the receiver has not read when the sender says that it is done, it doesn't count
    check(out["end"]["sum_sent"]["bytes"] >= 20 << 20, f"sent {out['end']['sum_sent']['bytes']} bytes")
    total = out["end"]["sum_received"]
    check(total["bytes"] >= 10 << 20, f"received {total['bytes']} bytes")
    print(f"# {total['bits_per_second'] / 1e6:.0f} Mbit/s")


def parallel(state, mode):
    """Many downloads at the same time, each whole."""
    s = state()
    s.set_mode(mode)
    piece = s.cluster.nginx.file("piece", 100_000)
    to = s.web.front(s.cluster.plan)
    opened = [clients.Tcp(s.cluster.net, "c0", to, timeout=60) for _ in range(40)]
    for c in opened:
        c.request("/files/piece")
    try:
        for c in opened:
            check(c.answer() == piece, "a download is not what was asked for")
    finally:
        for c in opened:
            c.close()


def datagrams(state, mode):
    """Many datagrams that are one packet on their way: what QUIC sends. With notes, each needs its own."""
    s = state()
    s.set_mode(mode)
    net, plan = s.cluster.net, s.cluster.plan
    pieces = [bytes([n]) * 1000 for n in range(20)]

    def send(sock, to):
        sock.sendmsg([b"".join(pieces)], [(socket.SOL_UDP, _UDP_SEGMENT, struct.pack("=H", 1000))], 0, to)
    with s.cluster.capture(["n1", "n2"]) as capture, \
            net.socket("c0", plan.family, socket.SOCK_DGRAM) as client, \
            net.socket("p22", plan.family, socket.SOCK_DGRAM) as server:
        server.bind((plan.address("p22"), SINK))
        for sock in (client, server):
            sock.settimeout(10)
        send(client, s.sink.front(plan))
        got = [server.recvfrom(65536) for _ in pieces]
        equal([data for data, _ in got], pieces, "datagrams at the server", capture.dump)
        equal({source[0] for _, source in got}, {plan.client if mode == "dsr" else plan.nodes["n1"]},
              "client that the backend saw")
        send(server, got[0][1])
        got = [client.recvfrom(65536) for _ in pieces]
        equal([data for data, _ in got], pieces, "datagrams at the client", capture.dump)
        equal({source[:2] for _, source in got}, {s.sink.front(plan)}, "source of the answers")
        check(any(len(p.payload) > 1500 for p in capture.read()), "no large packet: offloads are off?")
        equal([str(p) for p in capture.bad()][:20], [], "wrong packets")


def tests(subset):
    return twins(of_family)


def of_family(plan):
    state = functools.lru_cache(functools.partial(State, plan))
    out = []
    for mode in ("snat", "dsr", "hybrid"):
        for name, f in (("download, remote", functools.partial(download, state, mode, "web")),
                        ("download, local", functools.partial(download, state, mode, "near")),
                        ("iperf3 to the server", functools.partial(iperf, state, mode)),
                        ("iperf3 from the server", functools.partial(iperf, state, mode, "-R")),
                        ("40 parallel downloads", functools.partial(parallel, state, mode)),
                        ("datagrams in one packet", functools.partial(datagrams, state, mode))):
            out.append((f"{mode}: {name}", f))
    return out
