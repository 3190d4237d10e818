# SPDX-License-Identifier: GPL-2.0-only
"""One node, in a namespace of its own, between clients and backends that aren't there.

    clients 10.1.0.0/16 --- in0  [node]  out0 --- backends 10.2.0.0/16
            2001:db8:c::/64                       2001:db8:2::/64

Packets are put in by one dummy device and counted as they leave by the other. All
neighbours are known.
"""
import os
import subprocess
import tempfile

from net import ktap, module, ns
from net.cluster import LBADM

IN, OUT = "in0", "out0"
VIP, PORT = "10.9.0.1", 80
BACKEND_PORT = 8080
BACKENDS = [f"10.2.0.{i}" for i in range(2, 66)]        # enough for the SNAT ports of 2 million flows
ROUTED = ("10.2.1.1", 80)                               # forwarded, and nobody's service
NOWHERE = ("10.8.8.8", 80)                              # dropped on arrival
_OWN, _GATEWAY = "10.2.0.1", "10.3.0.2"

VIP6 = "2001:db8:f::1"
BACKENDS6 = [f"2001:db8:2::{i:x}" for i in range(2, 66)]
ROUTED6 = ("2001:db8:2::1:1", 80)
NOWHERE6 = ("2001:db8:8::8", 80)
_OWN6, _GATEWAY6 = "2001:db8:2::1", "2001:db8:3::2"

# What a case leaves behind, by the cache it is in.
_LEFT = ["nf_conntrack", "ip_vs_conn"]


def prepare(large):
    """Once in a guest. @large: peers' tables that have room for a million flows."""
    for name in ("dummy", "nf_conntrack", "ip_vs"):
        # built in where modprobe knows nothing of it; UML is told on its command line
        words = {"dummy": ["numdummies=0"], "ip_vs": ["conn_tab_bits=20"] if large else []}
        subprocess.run(["modprobe", "-q", name, *words.get(name, [])], check=False)
    subprocess.run(["modprobe", "bpflb_inject"], check=True)
    _global("netfilter/nf_conntrack_max", 8 << 20)
    if large:
        _global("netfilter/nf_conntrack_buckets", 1 << 20)


def _global(name, value):
    with open(f"/proc/sys/net/{name}", "w") as f:
        f.write(str(value))


def _objects(cache):
    with open("/proc/slabinfo") as f:
        return next((int(line.split()[1]) for line in f if line.startswith(f"{cache} ")), 0)


def object_size(cache):
    """Bytes, or None where the cache is merged with others (slab_nomerge prevents that)."""
    with open("/proc/slabinfo") as f:
        return next((int(line.split()[3]) for line in f if line.startswith(f"{cache} ")), None)


class Rig:
    """@name: of its namespace. @ipv6: it has that too."""

    def __init__(self, name="bench", ipv6=False):
        self.name, self.ipv6 = name, ipv6
        self._has_bpflb = False

    def __enter__(self):
        self._before = {cache: _objects(cache) for cache in _LEFT}
        ns.create(self.name)
        ns.sysctl(self.name, {"ipv4/ip_forward": 1, "ipv4/conf/all/rp_filter": 0,
                         "ipv4/conf/default/rp_filter": 0, "ipv4/conf/all/send_redirects": 0,
                         "ipv4/conf/default/send_redirects": 0})
        if self.ipv6:
            ns.sysctl(self.name, {"ipv6/conf/all/forwarding": 1, "ipv6/conf/default/accept_dad": 0})
        elif os.path.exists("/proc/sys/net/ipv6"):
            ns.sysctl(self.name, {"ipv6/conf/all/disable_ipv6": 1, "ipv6/conf/default/disable_ipv6": 1})
        lines = [f"link add {IN} type dummy", f"link add {OUT} type dummy", "link set lo up",
                 f"link set {IN} up", f"link set {OUT} up",
                 f"addr add 10.3.0.1/16 dev {IN}", f"addr add {_OWN}/16 dev {OUT}",
                 f"addr add {VIP}/32 dev lo",       # IPVS has only what is local
                 f"neigh add {_GATEWAY} lladdr 02:00:00:00:01:01 dev {IN} nud permanent",
                 f"route add 10.1.0.0/16 via {_GATEWAY} dev {IN}"]
        near = [*BACKENDS, ROUTED[0]]
        if self.ipv6:
            lines += [f"addr add 2001:db8:3::1/64 dev {IN} nodad", f"addr add {_OWN6}/64 dev {OUT} nodad",
                      f"addr add {VIP6}/128 dev lo nodad",
                      f"neigh add {_GATEWAY6} lladdr 02:00:00:00:01:01 dev {IN} nud permanent",
                      f"route add 2001:db8:c::/64 via {_GATEWAY6} dev {IN}"]
            near += [*BACKENDS6, ROUTED6[0]]
        lines += [f"neigh add {address} lladdr 02:00:00:00:02:{i:02x} dev {OUT} nud permanent"
                  for i, address in enumerate(near)]
        self.run("ip", "-batch", "-", stdin="\n".join(lines))
        return self

    def __exit__(self, kind, *exc):
        ns.delete(self.name)
        if self._has_bpflb:
            module.unload()
        if kind:
            return
        # Namespaces end in the background: what is freed must not cost the next case anything.
        for cache, before in self._before.items():
            ktap.eventually(lambda: _objects(cache) <= before + 2000, f"end of {cache}", timeout=60)

    def run(self, *argv, stdin=None):
        """A program in the node; it must succeed."""
        with ns.inside(self.name):
            p = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if p.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {(p.stderr or p.stdout).strip()}")
        return p.stdout

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)

    def bpflb(self, lines):
        """Loads the module and applies the lines."""
        module.load()
        self._has_bpflb = True
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("\n".join(lines) + "\n")
            f.flush()
            self.run(LBADM, "apply", f.name)

    def sysctl(self, settings):
        ns.sysctl(self.name, settings)

    def left(self, device):
        """Packets that have left by @device."""
        with ns.inside(self.name), open("/proc/thread-self/net/dev") as f:
            return next(int(line.split()[10]) for line in f if line.lstrip().startswith(f"{device}:"))

    def inject(self, injector, device=IN, **how):
        """ns that it took; (begin, end) of Injector.run is for those who compare clocks."""
        with ns.inside(self.name):
            begin, end = injector.run(device, **how)
        return end - begin
