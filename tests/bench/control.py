#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""control.py [--quick]: a huge configuration loaded, changed and read, and the memory it takes.

Runs in a guest (tests/lab/run uml-up), best itself on one processor (taskset),
MEM=4G. bpflb gets the largest clusters' 44,000 services with 250,000 backends,
in --quick too. Then it and its peers get as many as the slowest of them loads in
seconds, in the shape that kube-proxy writes. Prints a JSON record a line.
"""
import argparse
import dataclasses
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
UPDATES, DUMP_TURNS = 20, 3
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
    """Of @change(n), which makes a change for the n-th time."""
    times = []
    for n in range(UPDATES):
        start = time.monotonic()
        change(n)
        times.append(1000 * (time.monotonic() - start))
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


def bpflb_load(space, many, size):
    """Loads all for the first time, services first, and then at once."""
    from net.cluster import LBADM
    from services import NODES, bpflb
    where = f"node {NODES[1]}"
    full = space.file("full", bpflb(many, where))
    bare = space.file("bare", bpflb([dataclasses.replace(s, backends=()) for s in many], where))
    at = [memory()]
    for file in (bare, full):
        space.run([LBADM, "apply", file])
        at.append(memory())
    cpus = os.cpu_count()
    tell("bytes", "memory per service", "bpflb", (at[1] - at[0]) / SERVICES, **size, cpus=cpus)
    tell("bytes", "memory per backend", "bpflb", (at[2] - at[1]) / BACKENDS, **size, cpus=cpus)
    space.run([LBADM, "apply", os.devnull])
    tell("s", "apply 44k/250k", "bpflb", space.run([LBADM, "apply", full]), **size)
    tell("s", "apply again, nothing changed", "bpflb", space.run([LBADM, "apply", full]), **size)


def bpflb_update(space, one, size):
    """Changes service @one: by a message of our own, then with the start of a program."""
    from net import genl
    from net.cluster import LBADM
    backend, port = one.backends[0], one.backend_port
    writer = genl.Writer(_SPACE)

    def message(n):
        writer.backend_set(one.name, backend, port, 2 + n)

    def backend_set(n):
        space.run([LBADM, "backend", "set", one.name, f"{backend}:{port}", "weight", f"{2 + n}"])

    def service_set(n):
        space.run([LBADM, "service", "set", one.name, "policy", ("local", "cluster")[n % 2]])

    for case, change in (("one update", message), ("one update, lbadm backend set", backend_set),
                         ("one update, lbadm service set", service_set),
                         ("lbadm -V, for comparison", lambda n: space.run([LBADM, "-V"]))):
        tell("ms", case, "bpflb", median_ms(change), **size)
    writer.close()


def bpflb_large(space, turns):
    from net.cluster import LBADM
    import services
    many = services.many(SERVICES, BACKENDS)
    size = {"services": SERVICES, "backends": BACKENDS}
    bpflb_load(space, many, size)
    bpflb_update(space, many[SERVICES // 2], size)
    for case, words in DUMPS.items():
        times = [space.run([LBADM, *words]) for _ in range(turns)]
        tell("s", case, "bpflb", statistics.median(times), **size)
    space.run([LBADM, "apply", os.devnull])


def peers(space, many):
    """(name, what loads all, what changes one service for the n-th time, what takes all away)."""
    from net.cluster import LBADM
    import services
    one = many[len(many) // 2]
    backend = f"{one.backends[0]}:{one.backend_port}"
    bpflb = space.file("bpflb", services.bpflb(many))
    nft = space.file("nftables", services.nftables(many))
    nft_one = space.file("nftables-one", services.nftables_again(one))
    iptables = space.file("iptables", services.iptables(many))
    iptables_one = space.file("iptables-one", services.iptables_again(one))
    ipvs = space.file("ipvs", services.ipvs(many))
    return [("bpflb", lambda: space.run([LBADM, "apply", bpflb]),
             lambda n: space.run([LBADM, "backend", "set", one.name, backend, "weight", f"{2 + n}"]),
             lambda: space.run([LBADM, "apply", os.devnull])),
            ("nftables", lambda: space.run(["nft", "-f", nft]),
             lambda n: space.run(["nft", "-f", nft_one]),
             lambda: space.run(["nft", "flush", "ruleset"])),
            ("iptables", lambda: space.run(["iptables-legacy-restore", iptables]),
             lambda n: space.run(["iptables-legacy-restore", "--noflush", iptables_one]),
             lambda: space.run(["iptables-legacy", "-t", "nat", "-F"])),
            ("ipvs", lambda: space.run(["ipvsadm", "-R"], stdin=ipvs),
             lambda n: space.run(["ipvsadm", "-e", "-t", f"{one.vip}:{one.port}", "-r", backend,
                                  "-m", "-w", f"{2 + n}"]),
             lambda: space.run(["ipvsadm", "-C"]))]


def compare(space, count):
    import services
    many = services.many(count, PEERS_BACKENDS * count)
    size = {"services": count, "backends": PEERS_BACKENDS * count}
    for who, load, update, clear in peers(space, many):
        tell("s", "load", who, load(), **size)
        tell("ms", "one update, by a program", who, median_ms(update), **size)
        clear()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="peers with fewer services, one dump")
    args = parser.parse_args()
    from net import module
    module.reload(mode="snat")
    with Space() as space:
        bpflb_large(space, 1 if args.quick else DUMP_TURNS)
        compare(space, QUICK_PEERS_SERVICES if args.quick else PEERS_SERVICES)


if __name__ == "__main__":
    main()
