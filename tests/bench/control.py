#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""control.py [--quick]: a huge configuration loaded, changed and read, and the memory it takes.

Runs in a guest (tests/lab/run uml-up), best itself on one processor (taskset),
MEM=4G. bpflb gets the largest clusters' 44,000 services with 250,000 backends,
in --quick too. Then it and its peers get as many as the slowest of them loads in
seconds, in the shape that kube-proxy writes. Prints a JSON record a line.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

SERVICES, BACKENDS = 44_000, 250_000
PEERS_SERVICES, QUICK_PEERS_SERVICES = 2_000, 500
PEERS_BACKENDS = 3                      # of each service
UPDATES = 20
DUMPS = {"dump": ["save"], "dump, JSON": ["-j", "save"],
         "dump of services, JSON": ["-j", "service", "list"],
         "dump of backends, JSON": ["-j", "backend", "list"]}
_MEMORY = ("Slab:", "Percpu:", "VmallocUsed:")
_SPACE = "bench"


class Space:
    """A network namespace with nothing but lo, for programs to configure things in."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()

    def __enter__(self):
        from net import ns
        from net.rtnl import Rtnl
        ns.create(_SPACE)
        with Rtnl(_SPACE) as rtnl:
            rtnl.up("lo")
            rtnl.route("0.0.0.0/0", link="lo")      # IPVS wants to have a way to its servers
        return self

    def __exit__(self, *exc):
        from net import ns
        ns.delete(_SPACE)
        self.directory.cleanup()

    def file(self, name, lines):
        path = f"{self.directory.name}/{name}"
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"{line}\n" for line in lines)
        return path

    def run(self, argv, stdin=None):
        """Seconds that a program takes; it must succeed."""
        from net import ns
        with ns.inside(_SPACE), open(stdin or os.devnull, "rb") as source:
            start = time.monotonic()
            p = subprocess.run(argv, stdin=source, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, check=False)
            took = time.monotonic() - start
        if p.returncode:
            raise RuntimeError(f"{' '.join(argv)}: status {p.returncode}: {p.stderr[:500]}")
        return took


def tell(unit, case, who, value, services, backends, **fields):
    from record import record, say
    say(f"{case}, {who}, {services} services, {backends} backends: {value:.4g} {unit}")
    record(bench="control", unit=unit, case=case, who=who, services=services, backends=backends,
           value=float(f"{value:.4g}"), **fields)


def median_ms(change):
    """Of @change(n), which returns the seconds it took, or None to have its call timed."""
    times = []
    for n in range(UPDATES):
        start = time.monotonic()
        took = change(n)
        times.append(1000 * (took or time.monotonic() - start))
    return statistics.median(times)


def memory():
    """Bytes that the kernel's objects take, when what was freed is gone from them."""
    least, same = None, 0
    while same < 10:
        with open("/proc/meminfo", encoding="ascii") as f:
            now = sum(int(line.split()[1]) for line in f if line.startswith(_MEMORY))
        same = same + 1 if least is not None and now >= least else 0
        least = now if least is None else min(least, now)
        time.sleep(0.02)
    return 1024 * least


def bpflb_memory(space, many):
    """The configuration loaded for the first time, services first."""
    from net.cluster import LBADM
    from services import bpflb
    import dataclasses
    bare = space.file("bare", bpflb([dataclasses.replace(s, backends=()) for s in many]))
    size = {"services": SERVICES, "backends": BACKENDS, "cpus": os.cpu_count()}
    at = [memory()]
    for file in (bare, f"{space.directory.name}/full"):
        space.run([LBADM, "apply", file])
        at.append(memory())
    tell("bytes", "memory per service", "bpflb", (at[1] - at[0]) / SERVICES, **size)
    tell("bytes", "memory per backend", "bpflb", (at[2] - at[1]) / BACKENDS, **size)


def bpflb_large(space):
    from net import genl
    from net.cluster import LBADM
    import services
    many = services.many(SERVICES, BACKENDS)
    full = space.file("full", services.bpflb(many, f"node {services.NODES[1]}"))
    empty = space.file("empty", [])
    size = {"services": SERVICES, "backends": BACKENDS}
    bpflb_memory(space, many)
    space.run([LBADM, "apply", empty])
    tell("s", "apply 44k/250k", "bpflb", space.run([LBADM, "apply", full]), **size)
    tell("s", "apply again, nothing changed", "bpflb", space.run([LBADM, "apply", full]), **size)
    one = many[SERVICES // 2]
    writer = genl.Writer(_SPACE)
    tell("ms", "one update", "bpflb", median_ms(
        lambda n: writer.backend_set(one.name, one.backends[0], one.backend_port, 2 + n)), **size)
    writer.close()
    tell("ms", "one update, lbadm backend set", "bpflb", median_ms(lambda n: space.run(
        [LBADM, "backend", "set", one.name, f"{one.backends[0]}:{one.backend_port}",
         "weight", f"{2 + n}"])), **size)
    tell("ms", "one update, lbadm service set", "bpflb", median_ms(lambda n: space.run(
        [LBADM, "service", "set", one.name, "policy", ("local", "cluster")[n % 2]])), **size)
    tell("ms", "lbadm -V, for comparison", "bpflb", median_ms(lambda n: space.run([LBADM, "-V"])), **size)
    for case, words in DUMPS.items():
        tell("s", case, "bpflb", statistics.median(space.run([LBADM, *words]) for _ in range(3)), **size)
    space.run([LBADM, "apply", empty])


def peers(space, many):
    """(name, what loads all, what changes one service, what takes all away); each an argv, a file."""
    from net.cluster import LBADM
    import services
    one = many[len(many) // 2]
    chains = [f"flush chain ip kube-proxy service-{one.name}"]
    chains += [f"flush chain ip kube-proxy endpoint-{one.name}-{i}" for i in range(len(one.backends))]
    file = space.file
    return [
        ("bpflb", ([LBADM, "apply", file("bpflb", services.bpflb(many))], None),
         ([LBADM, "service", "set", one.name, "policy", "cluster"], None),
         ([LBADM, "apply", os.devnull], None)),
        ("nftables", (["nft", "-f", file("nftables", services.nftables(many))], None),
         (["nft", "-f", file("nftables-one", [*chains, *services.nftables_service(one)])], None),
         (["nft", "flush", "ruleset"], None)),
        ("iptables", (["iptables-legacy-restore", file("iptables", services.iptables(many))], None),
         (["iptables-legacy-restore", "--noflush", file("iptables-one", services.iptables_one(one))], None),
         (["iptables-legacy", "-t", "nat", "-F"], None)),
        ("ipvs", (["ipvsadm", "-R"], file("ipvs", services.ipvs(many))),
         (["ipvsadm", "-e", "-t", f"{one.vip}:{one.port}", "-r",
           f"{one.backends[0]}:{one.backend_port}", "-m", "-w", "2"], None),
         (["ipvsadm", "-C"], None))]


def compare(space, count):
    import services
    many = services.many(count, PEERS_BACKENDS * count)
    size = {"services": count, "backends": PEERS_BACKENDS * count}
    for who, load, update, clear in peers(space, many):
        tell("s", "load", who, space.run(*load), **size)
        tell("ms", "one update, by a program", who, median_ms(lambda n, u=update: space.run(*u)), **size)
        space.run(*clear)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="peers with fewer services")
    args = parser.parse_args()
    from net import module
    module.reload(mode="snat")
    with Space() as space:
        bpflb_large(space)
        compare(space, QUICK_PEERS_SERVICES if args.quick else PEERS_SERVICES)


if __name__ == "__main__":
    main()
