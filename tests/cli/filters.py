# SPDX-License-Identifier: GPL-2.0-only
"""Filters of lists: what is left is what Python leaves of the whole list."""
import itertools
import random

from lb import REFUSED, USAGE, fails, in_space
from net.ktap import check, equal

SERVICES = """\
service add web tcp 192.0.2.10:443 [2001:db8::10]:443 nodeport:30022 scheduler maglev mode dsr policy local
service add web-2 tcp 192.0.2.11:8000-8999 scheduler rr dispatch geneve
service add dns udp 192.0.2.10:53 scheduler maglev
service add proto udp 192.0.2.12:* mode snat policy local
service add sig sctp 192.0.2.10:2905 scheduler lc mode hybrid dispatch l2
"""
BACKENDS = """\
node add 10.8.0.1
node add 10.8.0.2
node add 10.1.0.1
backend add web 10.0.0.1:80 node 10.8.0.1
backend add web 10.0.0.1:81 node 10.8.0.2 state draining
backend add web 10.0.0.2:80
backend add web [fd00::1]:80 node 10.8.0.1 state down
backend add proto 10.0.0.1:80 state terminating
backend add dns 10.0.0.3:53 node 10.8.0.1 state draining
"""


def has(address, port=None):
    """Has a service the address, and the port?"""
    return lambda x: any(f["address"] == address and (port is None or f["port"] <= port <= f["last_port"])
                         for f in x["frontends"])


def is_at(address, port=None):
    return lambda x: x["address"] == address and port in (None, x["port"])


def value(key, want):
    return lambda x: x[key] == want


# words, and what an object must be like to stay
OF_SERVICES = [
    *((f"proto {p}", value("proto", p)) for p in ("tcp", "udp", "sctp")),
    *((f"scheduler {v}", value("scheduler", v)) for v in ("random", "rr", "lc", "maglev")),
    *((f"mode {v}", value("mode", v)) for v in ("snat", "dsr", "hybrid", "default")),
    *((f"dispatch {v}", value("dispatch", v)) for v in ("opt", "geneve", "ipip", "l2", "default")),
    *((f"policy {v}", value("policy", v)) for v in ("cluster", "local")),
    ("address 192.0.2.10", has("192.0.2.10")), ("address 192.0.2.10:443", has("192.0.2.10", 443)),
    ("address 192.0.2.11:8500", has("192.0.2.11", 8500)), ("address 192.0.2.11:9000", has("192.0.2.11", 9000)),
    ("address 2001:DB8:0::10", has("2001:db8::10")), ("address [2001:db8::10]:443", has("2001:db8::10", 443)),
    ("address 192.0.2.99", has("192.0.2.99")), ("address 192.0.2.12:65535", has("192.0.2.12", 65535)),
]
OF_BACKENDS = [
    *((f"node {n}", value("node", n)) for n in ("10.8.0.1", "10.8.0.2", "10.8.0.3")),
    *((f"state {v}", value("state", v)) for v in ("active", "draining", "down", "terminating")),
    ("address 10.0.0.1", is_at("10.0.0.1")), ("address 10.0.0.1:80", is_at("10.0.0.1", 80)),
    ("address [fd00::1]:80", is_at("fd00::1", 80)), ("address fd00::1", is_at("fd00::1")),
]


def combined(s, command, what, filters, rng, most=2, key="name"):
    """Each filter alone, and some of two: as objects, and as rows of the table."""
    everything = s.json(command)[what]
    pairs = [p for p in itertools.combinations(filters, 2) if p[0][0].split()[0] != p[1][0].split()[0]]
    left = 0
    for chosen in [(f,) for f in filters] + rng.sample(pairs, min(len(pairs), 12 * (most - 1))):
        words = " ".join(f[0] for f in chosen)
        want = [x for x in everything if all(f[1](x) for f in chosen)]
        answer = s.json(f"{command} {words}")
        equal(answer[what], want, words)
        equal(answer["generation"], s.generation(), f"generation with {words}")
        rows = s.do(f"{command} {words}").splitlines()[1:]
        equal([r.split()[0] for r in rows], [x[key] for x in want], f"rows with {words}")
        left += bool(want)
    check(left > len(filters) / 2, "most filters leave nothing")


def of_services(s):
    s.do("apply", s.file(SERVICES))
    combined(s, "service list", "services", OF_SERVICES, random.Random(1))
    equal([x["name"] for x in s.json("service list web scheduler maglev")["services"]], ["web"], "one that matches")
    equal(s.json("service list web scheduler rr")["services"], [], "one that does not")
    equal([x["name"] for x in s.json("service list name proto")["services"]], ["proto"], "named as a filter")


def of_backends(s):
    s.do("apply", s.file(SERVICES + BACKENDS))
    combined(s, "backend list", "backends", OF_BACKENDS, random.Random(2), key="service")
    equal([x["port"] for x in s.json("backend list web state draining")["backends"]], [81], "of a service")
    equal(len(s.json("backend list service proto")["backends"]), 1, "of one that is named as a filter of another list")
    equal(s.json("backend list dns node 10.8.0.2")["backends"], [], "none")


def of_nodes(s):
    s.do("apply", s.file(SERVICES + BACKENDS))
    s.connect(2, 1, ("10.1.0.9", 9))        # so that it has an address, and is a node
    check(any(x["self"] for x in s.json("node list")["nodes"]), "this node is not among them")
    combined(s, "node list", "nodes", [
        ("where here", value("self", True)), ("where elsewhere", value("self", False)),
        ("address 10.8.0.1", value("address", "10.8.0.1")), ("address 10.1.0.1", value("address", "10.1.0.1"))],
             random.Random(3), key="address")


def of_affinity(s):
    s.do("apply", s.file("service add a tcp 192.0.2.10:443 affinity 1h\nservice add b tcp 192.0.2.10:444 affinity 1h\n"
                         "backend add a 10.0.0.1:80\nbackend add a 10.0.0.1:81\nbackend add b 10.0.0.1:80\n"))
    for i, (service, port) in enumerate((("a", 80), ("a", 81), ("b", 80), ("b", 80))):
        s.do(f"affinity add {service} 10.7.0.{i} 10.0.0.1:{port}")
    everything = sorted(s.json("affinity list")["affinity"], key=str)
    equal(len(everything), 4, "clients")
    for words, keeps in (("service a", value("service", "a")), ("client 10.7.0.2", value("client", "10.7.0.2")),
                         ("backend 10.0.0.1", lambda x: True), ("backend 10.0.0.1:81", lambda x: x["backend"]["port"] == 81),
                         ("service b client 10.7.0.3", lambda x: x["client"] == "10.7.0.3"),
                         ("service a client 10.7.0.3", lambda x: False)):
        got = sorted(s.json(f"affinity list {words}")["affinity"], key=str)
        equal([(x["service"], x["client"]) for x in got],
              [(x["service"], x["client"]) for x in everything if keeps(x)], words)
        equal(len(s.do(f"affinity list {words}").splitlines()[1:]), len(got), f"rows with {words}")


def of_stats(s):
    s.do("apply", s.file(SERVICES + BACKENDS))
    for words, keeps in OF_BACKENDS:
        everything = s.json("stats service web")["backends"]
        equal(s.json(f"stats service web {words}")["backends"], [x for x in everything if keeps(x)], words)


def wrong_filters(s):
    for words, sentence, word in (
            ("service list web colour", "valid here: name, proto, address, scheduler, mode, dispatch, policy", "colour"),
            ("service list scheduler fast", "valid: random, rr, lc, maglev", "fast"),
            ("service list proto tcp proto udp", "proto is here twice", "proto"),
            ("service list address", "address is missing", ""), ("service list address x", "'x' is no address", "x"),
            ("service list mode opt", "valid: snat, dsr, hybrid, default", "opt"),
            ("backend list web stat", "valid here: service, node, state, address", "stat"),
            ("backend list state up", "valid: active, draining, down, terminating", "up"),
            ("backend list node n1", "'n1' is no address", "n1"), ("backend list node", "address of the node is missing", ""),
            ("node list n1", "valid here: address, where", "n1"), ("node list where there", "valid: here, elsewhere", "there"),
            ("affinity list web", "valid here: service, client, backend", "web"),
            ("affinity list client x", "'x' is no address", "x"),
            ("stats service web service web", "valid here: node, state, address", "service")):
        fails(s.say(words), USAGE, sentence, word)
    fails(s.say("service list nobody proto tcp"), REFUSED, "no service of this name", "nobody")
    fails(s.say("backend list nobody state down"), REFUSED, "no service of this name", "nobody")


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("filters of services", of_services),
        ("filters of backends", of_backends),
        ("filters of nodes", of_nodes),
        ("filters of affinity", of_affinity),
        ("filters of stats", of_stats),
        ("wrong filters", wrong_filters),
    )]
