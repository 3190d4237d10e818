# SPDX-License-Identifier: GPL-2.0-only
"""bpflb on nodes that Docker's and kube-proxy's rules are on at the same time (rulesets.py), one of them or several, for the same
addresses too: bpflb balances its services, and theirs go on. Where FORWARD drops what bpflb sends on, `lbadm doctor` says so, and
its command mends it.
"""
import functools
import json
import os
import subprocess

import rulesets
from net import clients
from net.cluster import LBADM, PORTS, Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import twins

MODES = ("snat",), ("dsr", "dispatch opt"), ("dsr", "dispatch geneve"), ("dsr", "dispatch ipip")
PATIENCE = 0.5
CONTAINER = "p12"       # on the balancer, behind Docker's bridge


class State:
    def __init__(self, plan):
        self.plan = plan
        self.cluster = Cluster(plan)
        self.net = self.cluster.net
        self.vip, self.own = plan.vip(80), plan.vip(81)
        self.services = [Service(proto, proto, 80, ["p21"], self.vip) for proto in PORTS]
        self.rules = None
        commands = ["link add docker0 type bridge", f"addr add {plan.pod_gw}/{plan.host_len} dev docker0", "link set docker0 up",
                    f"addr flush dev {CONTAINER}", f"link set {CONTAINER} master docker0",
                    f"route replace {plan.address(CONTAINER)}/{plan.host_len} dev docker0 src {plan.nodes['n1']}"]
        for words in commands:
            self.net.run("n1", ["ip", *words.split()])
        self.net.run(CONTAINER, ["ip", "neigh", "flush", "all"])

    @property
    def pods(self):
        """The network that all pods are in, for each node one."""
        return "2001:db8:a0::/44" if self.plan.ipv6 else "10.0.0.0/16"

    def text(self, which):
        plan = self.plan
        pods = [plan.address(p) for p in ("p31", "p32")]
        return {"docker": lambda: rulesets.docker(plan.address(CONTAINER), plan.host_len),
                "kube-proxy": lambda: rulesets.kube_iptables(self.vip, self.own, pods, plan.host_len),
                "flannel": lambda: rulesets.flannel(self.pods),
                "kube-proxy-nft": lambda: rulesets.kube_nft(plan.ip, self.vip, self.own, pods)}[which]()

    def load(self, *rules, settings=()):
        """These rules on each node, in that order; nothing else is there."""
        restore = ["ip6tables-nft-restore" if self.plan.ipv6 else "iptables-nft-restore", "--noflush"]
        for node in self.plan.nodes:
            self.net.run(node, ["nft", "flush", "ruleset"])
            for which in rules:
                self.net.run(node, ["nft", "-f", "-"] if which.endswith("nft") else restore, input=self.text(which))
        self.rules = rules

    def serve(self, mode):
        self.cluster.apply(self.services, f"mode {mode[0]}", *mode[1:])
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "flow flush")

    def asks(self, patience=5):
        """Whether bpflb's services are answered by their own backend, with more than a packet."""
        try:
            with clients.Tcp(self.net, "c0", (self.vip, 80), timeout=patience) as c:
                names = {c.ask().name for _ in range(3)}
            with clients.Udp(self.net, "c0", (self.vip, 80), timeout=patience) as c:
                names |= {c.ask().name for _ in range(3)}
        except OSError:
            return False
        equal(names, {"p21"}, "who has answered")
        return True

    def neighbours(self):
        """Others' services are answered."""
        if any(which.startswith("kube-proxy") for which in self.rules):
            answer = clients.tcp_once(self.net, "c0", (self.own, 80))
            check(answer.name in ("p31", "p32"), f"kube-proxy's service is answered by {answer.name}")
        if "docker" in self.rules:
            equal(clients.tcp_once(self.net, "c0", (self.plan.nodes["n1"], rulesets.PUBLISHED)).name, CONTAINER,
                  "who answers at a container's port")

    def doctor(self, node):
        """{id: finding} of what is wrong, but that kube-proxy balances the same address, which is meant."""
        p = subprocess.run([LBADM, "-n", self.net.ns(node), "-j", "doctor"], capture_output=True, text=True, check=False)
        equal(p.stderr, "", f"doctor's errors on {node}")
        return {f["id"]: f for f in json.loads(p.stdout)["findings"] if f["severity"] != "note" and f["id"] != "kube-proxy"}

    def mend(self, finding):
        env = dict(os.environ, PATH=f"{os.path.dirname(LBADM)}:{os.environ['PATH']}")
        subprocess.run(["sh", "-c", finding["mend"]], check=True, env=env, stdout=subprocess.DEVNULL)


def goes_on(state, rules, mode):
    """With all that is in no one's way."""
    s = state()
    s.load(*rules)
    s.serve(mode)
    check(s.asks(), "bpflb's service is not answered")
    s.neighbours()
    for node in ("n1", "n2"):
        equal(list(s.doctor(node).values()), [], f"findings on {node}")


def is_named(state, rules, mode, wrong):
    """@wrong: {node: what doctor says there}; after its commands there all works."""
    s = state()
    s.load(*rules)
    s.serve(mode)
    check(not s.asks(PATIENCE), "bpflb's service is answered all the same")
    for node, ids in wrong.items():
        found = s.doctor(node)
        equal(set(found), set(ids), f"findings on {node}", lambda found=found: [str(f) for f in found.values()])
        for finding in found.values():
            s.mend(finding)
        equal(list(s.doctor(node).values()), [], f"findings on {node}, mended")
    eventually(lambda: s.asks(PATIENCE), "an answer after it was mended", 10)
    s.neighbours()


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        found = []

        def add(test, rules, mode, *args):
            found.append((f"beside: {' and '.join(rules)}, {' '.join(mode)}{': named' if args else ''}",
                          functools.partial(test, state, rules, mode, *args)))
        for mode in MODES:
            dsr = mode[0] == "dsr"
            add(goes_on, ("kube-proxy-nft",), mode)
            if not dsr:
                add(goes_on, ("kube-proxy",), mode)
            else:       # the balancer sees half of each connection
                add(is_named, ("kube-proxy",), mode, {"n1": ["ct-invalid"]})
            add(is_named, ("docker",), mode, {"n1": ["forward-drop"], "n2": ["forward-drop"]})
            add(goes_on, ("docker", "flannel"), mode)
            add(goes_on, ("docker", "flannel", "kube-proxy"), mode)
            add(goes_on, ("docker", "flannel", "kube-proxy-nft"), mode)
            if dsr:
                add(is_named, ("kube-proxy", "docker", "flannel"), mode, {"n1": ["ct-invalid"]})
            else:
                add(goes_on, ("kube-proxy", "docker", "flannel"), mode)
        return found
    return twins(of_family)
