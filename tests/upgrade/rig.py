# SPDX-License-Identifier: GPL-2.0-only
"""A cluster, other versions of the module, and what is seen while one gives way to another."""
import os
import re
import subprocess
import time

from net import clients, module
from net.cluster import LBADM, Cluster, Service
from net.ktap import check, equal
from net.packet import ICMP, ICMPV6, RST, TCP
from shapes import fits

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACES = ["p11", "p21", "p31"]
STATE = "/run/bpflb"
GENEVE = 6081
VERSIONS = {"own": "0.1.0", "newer": "0.2.0", "older": "0.0.9"}


def file_of(variant):
    """Where tests/upgrade/build has put it, for the kernel that runs."""
    name = next(n for n in os.listdir(f"{TOP}/build/kernels")
                if open(f"{TOP}/build/kernels/{n}/release").read().strip() == os.uname().release)
    return f"{TOP}/build/kmod/{name}.upgrade.{variant}/bpflb.ko"


class Rig:
    def __init__(self, plan):
        rr = "scheduler rr"
        self.cluster = Cluster(plan)
        self.plan = plan
        self.web = Service("web", "tcp", 80, PLACES, plan.vip(80), 30080, options=rr)
        self.echo = Service("echo", "udp", 53, PLACES, plan.vip(80), 30053, options=rr)
        self.stick = Service("stick", "tcp", 81, PLACES, plan.vip(80), options=f"{rr} affinity 1h")
        for node in plan.nodes:
            self.cluster.net.sysctl(node, {"ipv4/conf/all/log_martians": 1})

    def begin(self, mode="snat", dispatch="opt", *settings, params=None):
        """The module as installed, and the services."""
        subprocess.run(["rm", "-rf", f"{STATE}/upgrade", f"{STATE}/upgrade.new"], check=True)
        module.reload(**(params or {}))
        self.cluster.apply([self.web, self.echo, self.stick], f"mode {mode}", f"dispatch {dispatch}", *settings)
        return self

    def upgrade(self, *words, env=None, capture=None, options=()):
        """(exit status, what it said)"""
        p = subprocess.Popen([LBADM, *options, "upgrade", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, env=env)
        while capture and p.poll() is None:
            capture.read()
            time.sleep(0.02)
        out, _ = p.communicate(timeout=120)
        return p.returncode, out

    def told(self, *words, name="upgrade", status=0, **kw):
        """What it said as JSON, which is as the schema's @name says."""
        got, out = self.upgrade(*words, options=["-j"], **kw)
        equal(got, status, "exit status", out.splitlines)
        return fits(name, out)[name]

    def version(self):
        with open("/sys/module/bpflb/version") as f:
            return f.read().strip()

    def flows(self, ports):
        """By node, those of the client ports @ports, without what passes."""
        out = {}
        for node in self.plan.nodes:
            lines = [re.sub(r" idle \d+s", "", line) for line in self.cluster.lbadm(node, "flow save").splitlines()]
            out[node] = sorted(line for line in lines if line.startswith("flow")
                               and int(line.split()[4].rsplit(":", 1)[1]) in ports)
        return out

    def gates(self):
        """The nodes whose packets are dropped."""
        tables = {node: self.cluster.net.run(node, ["nft", "list", "tables"]) for node in self.plan.nodes}
        return [node for node, text in tables.items() if "bpflb_upgrade" in text]

    def nothing_is_left(self):
        equal(self.gates(), [], "nodes that drop packets")
        equal([name for name in os.listdir(STATE) if name.startswith("upgrade")], [], f"left in {STATE}")

    def nobody_answers_wrongly(self, capture):
        """No RST, no ICMP error, and to clients nobody speaks but who was asked."""
        packets = [p for p in capture.read() if p.ip is not None]
        equal(capture.lost(), 0, "packets that the capture has lost")
        bad = [p for p in packets if p.proto == TCP and p.flags & RST]
        bad += [p for p in packets if p.proto in (ICMP, ICMPV6) and p.transport[:1] and error(p)]
        bad += [p for p in packets if p.dst == self.plan.client and p.place in ("r0", "c0")
                and p.src not in (self.web.vip, self.plan.nodes["n1"])]
        # Geneve over IPv6 has no checksum of its own
        bad += [p for p in packets if p.bad and p.dport != GENEVE]
        equal([str(p) for p in bad[:20]], [], "wrong packets")
        check(packets, "nothing was captured")


def error(p):
    return p.transport[0] < 128 if p.proto == ICMPV6 else p.transport[0] in (3, 5, 11, 12)


def answers(rig, place="c0"):
    """A new connection is served."""
    return clients.tcp_once(rig.cluster.net, place, rig.web.front(rig.plan)).name in PLACES
