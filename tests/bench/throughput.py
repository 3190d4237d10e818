#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""throughput.py [--quick]: iperf3, and wrk against nginx, through bpflb and through its peers.

Runs in a guest with one processor (tests/lab/run uml-up), best itself on one
processor (taskset): what is measured is all the work of client, balancer and
server together. All offloads are on, so TCP's packets are as large as GSO and GRO
make them. In DSR, bpflb's and IPVS', answers take a link of their own. Each path is
measured in several turns, and a value is their median. Prints a JSON record a line;
one with "error" is a case that failed.
"""
import argparse
import contextlib
import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

WEB_PORT, IPERF_PORT = 80, 5201
TURNS, SECONDS = 5, 1
QUICK = ("iperf3 tcp", "keep-alive")
HTTP = {"keep-alive": [], "connection per request": ["-H", "Connection: close"]}

_NGINX = """
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 4000; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{ listen {port}; location / {{ return 200 "hello\\n"; }} }}
}}
"""


def peers():
    """(name, answers take a way of their own, what sets it up)."""
    return [("routing", False, lambda path, many: None),
            ("bpflb snat", False, lambda path, many: path.bpflb(many)),
            ("bpflb dsr", True, lambda path, many: path.bpflb(many, mode="dsr")),
            ("bpflb local", False, lambda path, many: path.bpflb(many, local=True)),
            ("ipvs nat", False, lambda path, many: path.ipvs(many)),
            ("ipvs masquerade", False, lambda path, many: path.ipvs(many, masquerade=True)),
            ("ipvs dr", True, lambda path, many: path.ipvs(many, direct=True)),
            ("nftables", False, lambda path, many: path.nftables(many)),
            ("nftables flowtable", False, lambda path, many: path.nftables(many, flowtable=True))]


def services():
    """Their ports are also the backends': DR can't change them."""
    from path import SERVER
    from services import Service
    return [Service("web", "10.96.0.1", (SERVER,), WEB_PORT, WEB_PORT),
            Service("iperf", "10.96.0.2", (SERVER,), IPERF_PORT, IPERF_PORT)]


def serve(path, directory):
    """nginx and iperf3 on the node, at any address: with IPVS' DR it is asked at the service's."""
    from net import ns
    from net.ktap import eventually
    from path import NODE
    os.mkdir(directory)
    with open(f"{directory}/nginx.conf", "w", encoding="ascii") as f:
        f.write(_NGINX.format(dir=directory, port=WEB_PORT))
    path.popen(NODE, ["nginx", "-c", f"{directory}/nginx.conf"], stderr=subprocess.DEVNULL)
    path.popen(NODE, ["iperf3", "-s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for port in (WEB_PORT, IPERF_PORT):
        eventually(lambda port=port: ns.listens(path.ns(NODE), "tcp", port), f"port {port} listens")


def iperf(path, address):
    """Gbit/s, as the server has received."""
    from path import CLIENT
    out = json.loads(path.run(CLIENT, ["iperf3", "-c", address, "-p", str(IPERF_PORT), "-J",
                                       "-t", str(SECONDS), "-O", "0.2"], timeout=20))
    return out["end"]["sum_received"]["bits_per_second"] / 1e9


def wrk(path, address, options):
    """Requests per second."""
    from path import CLIENT
    out = path.run(CLIENT, ["wrk", "-t", "1", "-c", "16", "-d", f"{SECONDS}s", *options,
                            f"http://{address}:{WEB_PORT}/"], timeout=20)
    if "Non-2xx" in out:
        raise AssertionError(f"wrk: {out}")
    return float(re.search(r"^Requests/sec: *([0-9.]+)", out, re.MULTILINE).group(1))


def cases():
    """(fields of its records, name of the service, what measures it)."""
    yield {"bench": "throughput", "unit": "Gbit/s", "case": "iperf3 tcp"}, "iperf", iperf
    for name, options in HTTP.items():
        yield ({"bench": "http", "unit": "requests/s", "case": name}, "web",
               functools.partial(wrk, options=options))


def run_case(paths, turns, fields, service, measure):
    """Measures each path in turn; one that fails is asked no more, and recorded as that."""
    from path import SERVER
    from record import record, say
    vip = next(s.vip for s in services() if s.name == service)
    values, errors = {who: [] for who, _ in paths}, {}
    for turn in range(turns):
        for who, path in paths:
            if who in errors:
                continue
            try:
                values[who].append(measure(path, SERVER if who == "routing" else vip))
            except (AssertionError, subprocess.TimeoutExpired) as e:
                errors[who] = str(e)
            say(f"{fields['case']}, turn {turn + 1} of {turns}, {who}: "
                f"{errors.get(who) or format(values[who][-1], '.3g')} {fields['unit']}")
    for who, _ in paths:
        if who in errors:
            record(**fields, who=who, error=errors[who])
        else:
            record(**fields, who=who, value=round(statistics.median(values[who]), 3), turns=turns,
                   spread=round(max(values[who]) - min(values[who]), 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn, without a connection per request")
    args = parser.parse_args()
    from net import module
    from path import Path
    module.reload(mode="snat")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        paths = []
        for number, (who, direct, setup) in enumerate(peers()):
            path = stack.enter_context(Path(f"{number}-", direct))
            setup(path, services())
            serve(path, f"{directory}/{number}")
            paths.append((who, path))
        for fields, service, measure in cases():
            if not args.quick or fields["case"] in QUICK:
                run_case(paths, 1 if args.quick else TURNS, fields, service, measure)


if __name__ == "__main__":
    main()
