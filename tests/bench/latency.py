#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""latency.py [--quick]: the first packet of a flow, at few services and at many.

Runs in a guest with one processor (tests/lab/run uml-up), best itself on one
processor (taskset), MEM=4G; build tests/bench first. What is measured is a
connection's SYN, through the balancer to the service that was added last, and its
answer back. Services that are never asked have one backend, and nftables goes to it
without a choice (see services.nftables()). Prints a JSON record a line; one with
"error" is a case that failed.
"""
import argparse
import contextlib
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.dirname(HERE), HERE]

CONNECT = f"{TOP}/build/bench/connect"
FIELDS = {"bench": "latency", "unit": "us", "case": "first packet"}
SIZES = [1, 1000, 10000, 30000]
SAMPLES = 2000
FIRST_PORT, PORTS = 2000, 1000     # of the client, and how many for each turn
PARTS = 8       # a peer's samples are from several turns: what disturbs one doesn't shift all


def measure(path, address, port, first, samples):
    """How many us each of @samples new connections to @address took, from port @first on."""
    from net import ns
    from path import CLIENT, NODE
    from services import BACKEND_PORT
    out = path.run(CLIENT, [CONNECT, f"{ns.RUN}/{path.ns(CLIENT)}", f"{ns.RUN}/{path.ns(NODE)}",
                            str(BACKEND_PORT), address, str(port), str(first), str(samples)])
    return [int(line) / 1000 for line in out.split()]


def peers():
    """(name, what sets it up on a path)."""
    return [("bpflb", lambda path, many: path.bpflb(many)),
            ("ipvs", lambda path, many: path.ipvs(many)),
            ("ipvs masquerade", lambda path, many: path.ipvs(many, masquerade=True)),
            ("nftables", lambda path, many: path.nftables(many, choose=False)),
            ("iptables", lambda path, many: path.iptables(many))]


def tell(who, services, samples):
    from record import percentile, record, say
    say(f"first packet, {services} services, {who}: {percentile(samples, 50):.1f} us")
    for percent in (50, 99):
        record(**FIELDS, who=who, services=services, percentile=percent,
               value=round(percentile(samples, percent), 2), samples=len(samples))


def at(size, samples):
    """Each peer on a path of its own, all with @size services, asked in turn."""
    from path import SERVER, Path
    from record import record, say
    from services import BACKEND_PORT, many
    services = many(size, size, last=[SERVER])
    with contextlib.ExitStack() as stack:
        asked = [("routing", stack.enter_context(Path("routing-")), (SERVER, BACKEND_PORT))]
        for who, setup in peers():
            path = stack.enter_context(Path(f"{who.replace(' ', '-')}-"))
            start = time.monotonic()
            setup(path, services)
            say(f"{size} services, {who}: loaded in {time.monotonic() - start:.1f} s")
            asked.append((who, path, (services[-1].vip, services[-1].port)))
        times, errors = {who: [] for who, _, _ in asked}, {}
        for part in range(PARTS):
            for who, path, to in asked:
                if who in errors:
                    continue
                try:
                    times[who] += measure(path, *to, FIRST_PORT + PORTS * part, samples // PARTS)
                except (AssertionError, subprocess.TimeoutExpired) as e:
                    errors[who] = str(e).rsplit("\n", 1)[-1]
    for who, _, _ in asked:
        if who in errors:
            record(**FIELDS, who=who, services=size, error=errors[who])
        else:
            tell(who, size, times[who])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="with 1 and 1,000 services")
    args = parser.parse_args()
    from net import module
    module.reload(mode="snat")
    for size in SIZES[:2] if args.quick else SIZES:
        at(size, SAMPLES // 2 if args.quick else SAMPLES)


if __name__ == "__main__":
    main()
