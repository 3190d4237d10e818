# SPDX-License-Identifier: GPL-2.0-only
"""Packets that a program has looked at (NFQUEUE) go on in its process, where softirqs may come in between."""
import functools
import os
import re

from net import clients
from net.cluster import Cluster, Service
from net.ktap import check, equal
from net.nfqueue import Queue
from net.plan import endpoint, twins

TRACE = "/sys/kernel/tracing"
# processor, irqs and bottom halves off, need resched, softirq or hardirq
FLAGS = re.compile(r"\[\d+\] (.)(.)(.)\S* .*bpflb_flow_new: .*client=\[\S*\]:(\d+) ")


def write(path, text):
    with open(f"{TRACE}/{path}", "w") as f:
        f.write(text)


def queued(plan, proto):
    """In raw PREROUTING before bpflb, and in INPUT before it turns the answer to the node's own client."""
    cluster = Cluster(plan, "snat")
    service = Service("web", proto, 80, ["p11", "p21"], plan.vip(90))
    cluster.apply([service])
    ask = {"tcp": clients.Tcp, "udp": clients.Udp}[proto]
    net, to = cluster.net, service.front(plan)
    net.run("n1", ["nft", "-f", "-"], input=f"""table inet queued {{
        chain pre {{ type filter hook prerouting priority raw; meta l4proto {proto} queue num 5; }}
        chain in {{ type filter hook input priority filter; meta l4proto {proto} queue num 5; }}
    }}""")
    write("trace", "")
    write("events/bpflb/bpflb_flow_new/enable", "1")
    ports = []
    with Queue(net.ns("n1")) as queue:
        for place in ("c0", "n1"):
            for _ in range(4):
                with ask(net, place, to) as talk:
                    check(talk.ask().name in ("p11", "p21"), "who answers")
                    if proto == "udp":
                        equal(talk.source, to, "who is heard")
                    ports.append(talk.local[1])
        check(queue.seen >= 12, f"{queue.seen} packets were queued")
    write("events/bpflb/bpflb_flow_new/enable", "0")
    with open(f"{TRACE}/trace") as f:
        seen = {int(m[4]): (m[1], m[3]) for m in map(FLAGS.search, f) if m}
    equal(set(seen) >= set(ports), True, f"traced: {endpoint(*to)} of {ports} in {seen}")
    equal({p: flags for p, flags in seen.items() if flags[0] not in "bD" and flags[1] not in "shHz"}, {},
          "flows made with bottom halves on")


def tests(_subset):
    if os.environ["LAB_KERNEL"].startswith("uml"):      # its configuration has no NFQUEUE
        return []
    return twins(lambda plan: [(f"queued for a program: {proto}", functools.partial(queued, plan, proto))
                               for proto in ("tcp", "udp")])
