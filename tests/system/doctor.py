# SPDX-License-Identifier: GPL-2.0-only
"""What `lbadm doctor` finds: each trouble is made, seen by a client, named, and mended by the
command that doctor prints, as it prints it.
"""
import contextlib
import functools
import json
import os
import socket
import subprocess
import time

import links
from net import clients
from net.cluster import LBADM, Cluster, Service
from net.ktap import check, equal, eventually
from net.plan import endpoint, twins
from net.rtnl import Rtnl

ASK = {"tcp": clients.tcp_once, "udp": clients.udp_once}
PATIENCE = 0.3          # seconds: an answer takes milliseconds
WELL, SICK = 0, 4


class State:
    def __init__(self, plan, cluster=None):
        self.cluster = cluster or Cluster(plan)
        self.net = self.cluster.net
        self.plan = plan
        self.services = {proto: Service(proto, proto, 80, ["p21"], plan.vip(60), 30080) for proto in ASK}

    def serve(self, mode, *settings, services=None):
        self.cluster.apply(services or self.services.values(), f"mode {mode}", *settings)
        self.flush()
        return self

    def flush(self):
        """No client of an earlier test is still waiting."""
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "flow flush")

    def works(self, to=None, proto="tcp", patience=5):
        try:
            ASK[proto](self.net, "c0", to or (self.plan.vip(60), 80), timeout=patience)
        except OSError:
            return False
        return True

    def doctor(self, node, words=""):
        """(exit status, findings)"""
        p = subprocess.run([LBADM, "-n", self.net.ns(node), "-j", "doctor", *words.split()],
                           capture_output=True, text=True, check=False)
        equal(p.stderr, "", f"doctor's errors on {node}")
        return p.returncode, json.loads(p.stdout)["findings"]

    def well(self, node, notes=None):
        """No error, no warning, and where @notes are given no note but those."""
        code, found = self.doctor(node)
        equal([f["id"] for f in found if f["severity"] != "note" or (notes is not None and f["id"] not in notes)], [],
              f"findings on {node}", lambda: [str(f) for f in found])
        equal(code, WELL, "exit status")

    def sick(self, node, what, *words, severity="error"):
        """Doctor has found @what, says the @words of it, and nothing else is wrong. Returns the finding."""
        code, found = self.doctor(node)
        details = [str(f) for f in found]
        equal({f["id"] for f in found if f["severity"] != "note" or f["id"] == what}, {what}, f"findings on {node}",
              details)
        f = next(f for f in found if f["id"] == what)
        equal(f["severity"], severity, "severity", details)
        equal(code, WELL if severity == "note" else SICK, "exit status")
        for word in words:
            check(word in f["sentence"], f"{what} does not say {word}", details)
        return f

    def mend(self, found, at="r0"):
        """What is for this node works from anywhere; what is for another machine is run @at it."""
        env = dict(os.environ, PATH=f"{os.path.dirname(LBADM)}:{os.environ['PATH']}")
        words = ["sh", "-c", found["mend"]]
        if found["where"] == "here":
            subprocess.run(words, check=True, env=env, stdout=subprocess.DEVNULL)
        else:
            self.net.popen(at, words, env=env, stdout=subprocess.DEVNULL).wait()

    def course(self, node, what, *words, severity="error", proto="tcp", to=None, fails=True):
        """It is broken: seen, found, mended, well, and seen to work."""
        if fails:
            check(not self.works(to, proto, PATIENCE), "the client is answered all the same")
        found = self.sick(node, what, *words, severity=severity)
        self.mend(found)
        # The kernel may take a moment, as with a new IPv6 address.
        eventually(lambda: self.doctor(node)[0] == WELL, f"{what} is mended", 5, lambda: [found["mend"]])
        self.well(node)
        # A router that has looked for a neighbour in vain may say so once more.
        eventually(lambda: self.works(to, proto), "an answer", 10, lambda: [found["mend"]])


@contextlib.contextmanager
def after(undo):
    try:
        yield
    finally:
        undo()


def nothing(state):
    """A cluster that is as it should be, in each mode."""
    s = state()
    for mode in ("snat", "hybrid", "dsr"):
        s.serve(mode)
        for proto in ASK:
            check(s.works(proto=proto), f"{proto} in mode {mode}")
        # A datagram of full size has no room for its note, which is worth a word.
        s.well("n1", ("mtu",) if mode == "dsr" else ())
        for node in "n2", "n3":
            s.well(node, ("service-unasked", "mtu"))
    for dispatch in "geneve", "ipip":
        s.serve("dsr", f"dispatch {dispatch}")
        check(s.works(), f"dispatch {dispatch}")
        for node in s.plan.nodes:
            s.well(node, ("service-unasked", "mtu"))
    s.serve("dsr", "dispatch opt")


def in_a_vrf(plan):
    """All links of the nodes are in one: there routes are asked for, and mended."""
    s = State(plan, links.Vrf(plan).cluster)
    nothing(lambda: s)
    s.serve("snat")
    to = f"{plan.address('p21')}/{plan.host_len}"
    s.net.run("n1", f"ip route add unreachable {to} vrf vrf1".split())
    s.course("n1", "backend-route", plan.address("p21"), plan.nodes["n2"])
    s.serve("dsr")
    s.net.run("n1", f"ip route add unreachable {plan.nodes['n3']}/{plan.host_len} vrf vrf1".split())
    s.course("n1", "node-route", plan.nodes["n3"], fails=False)


def forwarding(state):
    s = state().serve("dsr")
    names = {"n1": s.plan, "n2": s.plan}
    key = "ipv6/conf/all/forwarding" if s.plan.ipv6 else "ipv4/ip_forward"
    for node in names:
        with after(lambda node=node: s.net.sysctl(node, {key: 1})):
            s.net.sysctl(node, {key: 0})
            s.course(node, "ip-forward", "does not forward")


def forwarding_of_a_device(state):
    s = state().serve("dsr")
    key = "ipv4/conf/lan0/forwarding"
    with after(lambda: s.net.sysctl("n1", {key: 1})):
        s.net.sysctl("n1", {key: 0})
        s.course("n1", "ip-forward", "lan0 does not forward")


class TwoWays:
    """n2 answers by a link of its own to the router: requests come in by lan0, answers leave by up0."""

    def __init__(self, state):
        self.state, net = state, state.net
        self.router, here, length = ("fd16:9::1", "fd16:9::2", 64) if state.plan.ipv6 else ("172.16.9.1", "172.16.9.2", 24)
        with Rtnl(net.ns("n2")) as n2, Rtnl(net.ns("r0")) as r0:
            n2.veth("up0", "02:00:00:00:05:02", net.ns("r0"), "n2way", "02:00:00:00:05:01")
            n2.up("up0")
            r0.up("n2way")
            n2.address("up0", here, length)
            r0.address("n2way", self.router, length)
        net.run("n2", ["ip", "route", "replace", "default", "via", self.router])

    def close(self):
        net = self.state.net
        net.run("n2", ["ip", "route", "replace", "default", "via", self.state.plan.lan_gw])
        net.run("n2", "ip link del up0".split())


@contextlib.contextmanager
def two_ways(state):
    ways = TwoWays(state)
    with after(ways.close):
        yield


def rp_filter(state):
    s = state().serve("dsr")
    key = "ipv4/conf/lan0/rp_filter"
    with two_ways(s), after(lambda: s.net.sysctl("n2", {key: 0, "ipv4/conf/all/rp_filter": 0})):
        check(s.works(), "asymmetric traffic where nothing filters")
        for where in "lan0", "all":
            s.net.sysctl("n2", {key: 0, f"ipv4/conf/{where}/rp_filter": 1})
            # up0 is strict too, but nothing that it would refuse comes in there
            s.course("n2", "rp-filter", "lan0", "up0")


def rp_filter_of_one_client(state):
    """Only some clients' answers leave by another device: their flows tell of them."""
    s = state().serve("dsr")
    net, key = s.net, "ipv4/conf/lan0/rp_filter"
    with two_ways(s), after(lambda: net.sysctl("n2", {key: 0})):
        net.run("n2", ["ip", "route", "replace", "default", "via", s.plan.lan_gw])
        net.run("n2", ["ip", "route", "add", s.plan.client, "via", "172.16.9.1"])
        net.sysctl("n2", {key: 1})
        s.course("n2", "rp-filter", s.plan.client, "up0")


@contextlib.contextmanager
def strict_router(s):
    """r0 takes from n2's way what it would send there only. IPv6 has no sysctl for that, but rules have."""
    if not s.plan.ipv6:
        s.net.sysctl("r0", {"ipv4/conf/n2way/rp_filter": 1})
        yield
        return
    text = "table ip6 urpf { chain pre { type filter hook prerouting priority raw; iifname n2way fib saddr . iif oif missing drop; }; }"
    s.net.run("r0", ["nft", "-f", "-"], input=text)
    with after(lambda: s.net.run("r0", ["nft", "delete", "table", "ip6", "urpf"])):
        yield


def loosen(s, found):
    """By the command that doctor has, or, where it can have none, by the rule: from where it is known by any way."""
    if not s.plan.ipv6:
        s.mend(found)
        return
    equal(found["mend"], None, "a command for a router whose rules are its own")
    s.net.run("r0", ["nft", "flush", "chain", "ip6", "urpf", "pre"])
    s.net.run("r0", "nft add rule ip6 urpf pre iifname n2way fib saddr oif missing drop".split())


def urpf(state):
    """The answers come to the router by another link than the service's address is routed to."""
    s = state().serve("dsr")
    with two_ways(s), contextlib.ExitStack() as router:
        check(s.works(), "asymmetric traffic where nothing filters")
        router.enter_context(strict_router(s))
        s.flush()
        socks = [clients.knock(s.net, "c0", (s.plan.vip(60), 80), "tcp") for _ in range(4)]
        check(not s.works(patience=PATIENCE), "the client is answered all the same")
        eventually(lambda: any(f["id"] == "dsr-answers-lost" for f in s.doctor("n2")[1]), "doctor's suspicion", 10)
        found = s.sick("n2", "dsr-answers-lost", "uRPF", severity="warning")
        equal(found["where"], "router", "where the router is mended")
        out = s.sick("n1", "dsr-unanswered", "lbadm doctor", severity="warning")
        # SNAT goes round a router that can't be changed.
        s.mend(out)
        check(s.works(), "the client is not answered by SNAT")
        s.serve("dsr")
        loosen(s, found)
        check(s.works(), "the client is not answered when the router is mended", lambda: [found["mend"]])
        for sock in socks:
            sock.close()
        s.flush()
        for node in "n1", "n2":
            s.well(node)


def no_route(state):
    s = state().serve("snat")
    to = f"{s.plan.address('p21')}/{s.plan.host_len}"
    with after(lambda: s.net.run("n1", ["ip", "route", "del", to])):
        s.net.run("n1", ["ip", "route", "add", "unreachable", to])
        s.course("n1", "backend-route", s.plan.address("p21"), s.plan.nodes["n2"])


def no_route_to_node(state):
    s = state().serve("dsr")
    to = f"{s.plan.nodes['n3']}/{s.plan.host_len}"
    with after(lambda: s.net.run("n1", ["ip", "route", "del", to])):
        s.net.run("n1", ["ip", "route", "add", "unreachable", to])
        s.course("n1", "node-route", s.plan.nodes["n3"], fails=False)


def self_is_missing(state):
    """The balancer is not in the list that all nodes have: its notes are refused."""
    s = state().serve("dsr")
    for node in s.plan.nodes:
        s.cluster.lbadm(node, f"node del {s.plan.nodes['n1']}")
    with after(lambda: s.serve("dsr")):
        check(not s.works(patience=PATIENCE), "the client is answered all the same")
        found = s.sick("n1", "node-self", s.plan.nodes["n1"], severity="warning")
        equal(found["where"], "nodes", "where it is mended")
        code, there = s.doctor("n2")
        equal((code, [f["id"] for f in there if f["id"] == "note-sender"]), (WELL, ["note-sender"]), "what n2 says",
              lambda: [str(f) for f in there])
        for node in s.plan.nodes:
            words = found["mend"].split()
            s.cluster.lbadm(node, *words[1:])
        s.well("n1")
        eventually(s.works, "an answer")


def node_behind_router(state):
    """n1 and n2 reach each other by r0 only: notes come in with its MAC address."""
    s = state()
    s.serve("dsr")
    net, plan = s.net, s.plan
    routes = [("n1", f"{plan.address('p21')}/{plan.host_len}", plan.lan_gw),
              ("r0", f"{plan.address('p21')}/{plan.host_len}", plan.nodes["n2"]),
              ("n2", f"{plan.nodes['n1']}/{plan.host_len}", plan.lan_gw)]

    def undo():
        for place, to, _ in routes:
            net.run(place, ["ip", "route", "del", to])
        s.cluster.lbadm("n2", "set dsr-sender mac dsr-device none")
    for place, to, via in routes:
        net.run(place, ["ip", "route", "add", to, "via", via])
    with after(undo):
        check(not s.works(patience=PATIENCE), "the client is answered all the same")
        found = s.sick("n2", "dsr-sender", plan.nodes["n1"], "router")
        s.mend(found)
        s.well("n2")
        check(s.works(), "the client is not answered")


def silent_node(state):
    s = state().serve("dsr")
    net, n3 = s.net, s.plan.nodes["n3"]
    net.plug("n3", False)
    with after(lambda: net.plug("n3", True)):
        net.run("n2", ["ip", "neigh", "replace", n3, "dev", "lan0", "nud", "failed"])
        s.sick("n2", "node-silent", n3, "lan0", severity="warning")
    eventually(lambda: s.doctor("n2")[0] == WELL, "doctor hears the node")


def device_not_trusted(state):
    s = state().serve("dsr", "dsr-sender device", "dsr-device nowhere0")
    with after(lambda: s.serve("dsr", "dsr-sender mac", "dsr-device none")):
        check(not s.works(patience=PATIENCE), "the client is answered all the same")
        s.mend(s.sick("n2", "dsr-device", "lan0", severity="warning"))
        s.well("n2")
        check(s.works(), "the client is not answered")


def address_on_the_link(state):
    """A service's address of the nodes' own network, which nobody has."""
    s = state()
    vip = s.plan.more(s.plan.nodes["n1"], 80)
    s.serve("dsr", services=[Service("near", "tcp", 80, ["p21"], vip)])

    def undo():
        s.net.run("n1", ["ip", "addr", "del", f"{vip}/{s.plan.host_len}", "dev", "lan0"])
        s.serve("dsr")
    with after(undo):
        s.course("n1", "service-address", vip, "lan0", to=(vip, 80))
        # The others find it there.
        s.well("n3")


def address_not_routed(state):
    """The router does not know it: no packet has ever come."""
    s = state()
    other = str(s.plan.vip(1)).replace("203.0.113", "203.0.114").replace("db8:f", "db8:e")
    s.serve("dsr", services=[Service("far", "tcp", 80, ["p21"], other)])

    def undo():
        s.net.run("r0", ["ip", "route", "del", f"{other}/{s.plan.host_len}"])
        s.serve("dsr")
    with after(undo):
        check(not s.works((other, 80), patience=PATIENCE), "the client is answered all the same")
        found = s.sick("n1", "service-unasked", other, severity="note")
        equal(found["where"], "router", "where it is mended")
        s.mend(found)
        check(s.works((other, 80)), "the client is not answered", lambda: [found["mend"]])
        s.well("n1")


def frames_through_a_router(state):
    """Dispatch l2 sends frames, which no router takes on."""
    s = state()
    s.serve("dsr", services=[Service("plain", "tcp", 8080, ["p21"], s.plan.vip(60), plain=True,
                                     options="mode dsr dispatch l2")])
    with after(lambda: s.serve("dsr")):
        check(not s.works((s.plan.vip(60), 8080), patience=PATIENCE), "the client is answered all the same")
        s.mend(s.sick("n1", "dispatch-route", s.plan.address("p21"), "plain"))
        s.well("n1")


def mtu(state):
    """A datagram of full size by DSR is refused with an ICMP error, until its path is wider."""
    s = state().serve("dsr")
    net, vip = s.net, s.plan.vip(60)
    size = 1500 - (48 if s.plan.ipv6 else 28)

    def arrives():
        with clients.Udp(net, "c0", (vip, 80), timeout=PATIENCE) as udp:
            try:
                for _ in range(2):      # the first one may be answered by the error, the second then is refused
                    udp.sock.setsockopt(*((socket.IPPROTO_IPV6, 23, 2) if s.plan.ipv6 else (socket.IPPROTO_IP, 10, 2)))
                    udp.sock.sendto(b"x" * size, udp.to)
                    return len(udp.sock.recv(65536)) > 0
            except OSError:
                return False
    wide = [("lan", "n1"), ("lan", "n2"), ("n2", "lan0"), ("lan", "br0")]

    def undo():
        for place, link in [("n1", "lan0"), *reversed(wide)]:
            net.run(place, ["ip", "link", "set", "dev", link, "mtu", "1500"])
        net.run("c0", ["ip", "route", "flush", "cache"])
        net.run("c0", ["ip", "-6", "route", "flush", "cache"])
    with after(undo):
        check(not arrives(), "a datagram of full size arrives")
        found = s.sick("n1", "mtu", "lan0", "1500", severity="note")
        for place, link in wide:
            net.run(place, ["ip", "link", "set", "dev", link, "mtu", "1600"])
        s.mend(found)
        net.run("c0", ["ip", "route", "flush", "cache"])
        net.run("c0", ["ip", "-6", "route", "flush", "cache"])
        s.well("n1")
        check("mtu" not in [f["id"] for f in s.doctor("n1")[1]], "doctor still speaks of the MTU")
        check(arrives(), "a datagram of full size does not arrive")


def local_ports(state):
    s = state().serve("snat")
    keys = {"ipv4/ip_local_port_range": "32768 60999", "ipv4/ip_local_reserved_ports": ""}
    with after(lambda: s.net.sysctl("n1", keys)):
        s.net.sysctl("n1", {"ipv4/ip_local_port_range": "20000 50000", "ipv4/ip_local_reserved_ports": "30010,31000-31010"})
        s.course("n1", "local-ports", "30080-30080", "20000-50000", severity="warning", fails=False)
        with s.net.inside("n1"), open("/proc/sys/net/ipv4/ip_local_reserved_ports", encoding="ascii") as f:
            equal(f.read().strip(), "30010,30080,31000-31010", "reserved ports")


def snat_ports(state):
    s = state().serve("snat")
    with after(lambda: s.net.sysctl("n1", {"ipv4/ip_local_port_range": "32768 60999"})):
        s.net.sysctl("n1", {"ipv4/ip_local_port_range": "1024 65535", "ipv4/ip_local_reserved_ports": "30080"})
        s.course("n1", "snat-ports", "0 source ports", s.plan.address("p21"), proto="udp")
    s.net.sysctl("n1", {"ipv4/ip_local_reserved_ports": ""})
    s.cluster.lbadm("n1", "set snat-ports 2000-2099")
    s.course("n1", "snat-ports", "100 source ports", severity="warning", fails=False)


def nodeport_range(state):
    s = state().serve("snat", "nodeports 31000-32000")
    with after(lambda: s.serve("snat", "nodeports 30000-32767")):
        s.course("n1", "nodeport-range", "30080", "31000-32000", severity="warning", fails=False)


def localnet(state):
    s = state().serve("snat")
    for where in "lan0", "all":
        key = f"ipv4/conf/{where}/route_localnet"
        with after(lambda key=key: s.net.sysctl("n1", {key: 0})):
            s.net.sysctl("n1", {key: 1})
            s.course("n1", "route-localnet", where, severity="warning", fails=False)


def drops_that_rise(state):
    """What was dropped is a note; what is dropped while doctor looks is a warning."""
    s = state().serve("dsr", "dsr-sender device", "dsr-device nowhere0")
    with after(lambda: s.serve("dsr", "dsr-sender mac", "dsr-device none")):
        watching = s.net.popen("n2", [LBADM, "-j", "doctor", "watch", "2"], stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            s.works(proto="udp", patience=0.2)
        found = json.loads(watching.communicate(timeout=20)[0])["findings"]
        equal({f["id"]: f["severity"] for f in found if f["id"] == "note-sender"}, {"note-sender": "warning"}, "found",
              lambda: [str(f) for f in found])
        code, found = s.doctor("n2", "watch 1")
        equal((code, [f["id"] for f in found if f["id"] == "note-sender"]), (SICK, []), "found when nothing is sent")


@contextlib.contextmanager
def rules(s, node, text):
    """What is given to nft in @node, for a while."""
    with after(lambda: s.net.run(node, ["nft", "flush", "ruleset"])):
        s.net.run(node, ["nft", "-f", "-"], input=text)
        yield


def nat_of_backend(state):
    """Somebody else's rule rewrites what has got the backend's address from bpflb."""
    s = state().serve("snat")
    pre = f"table {s.plan.ip} other {{ chain pre {{ type nat hook prerouting priority dstnat; %s; }}; }}"
    nowhere = f"[{s.plan.vip(9)}]:9" if s.plan.ipv6 else f"{s.plan.vip(9)}:9"
    backend = s.plan.address("p21")
    for match in f"{s.plan.ip} daddr {backend} tcp dport 8080", "tcp dport { 8000-8099, 9000 }":
        with rules(s, "n1", pre % f"{match} counter dnat to {nowhere}"):
            s.course("n1", "nat-backend", f"{s.plan.ip} other pre", backend)


def nat_of_service(state):
    """A second balancer for the same address; bpflb is before it, and so traffic works."""
    s = state().serve("snat")
    ip, vip, at = s.plan.ip, s.plan.vip(60), s.plan.address("p21")
    pre = f"table {ip} other {{ chain to {{ }}; chain pre {{ type nat hook prerouting priority dstnat; %s; }}; }}"
    for rule in (f"{ip} daddr {vip} tcp dport 80 dnat to {at}", f"{ip} daddr {vip} dnat to {at}",
                 f"{ip} daddr {{ {s.plan.vip(1)}, {vip} }} udp dport {{ 53, 80 }} jump to",
                 f"fib daddr type local tcp dport 30000-30100 dnat to {at}"):
        with rules(s, "n1", pre % rule):
            s.course("n1", "nat-service", f"{ip} other pre", severity="warning", fails=False)


def rules_that_are_none_of_ours(state):
    s = state().serve("snat")
    ip, vip = s.plan.ip, s.plan.vip(60)
    text = f"""
table {ip} other {{
    chain to {{ }}
    chain DOCKER {{ iifname != "docker0" tcp dport 8080 dnat to {s.plan.vip(9)}; }}
    chain pre {{ type nat hook prerouting priority dstnat;
        fib daddr type local jump DOCKER
        fib daddr type local tcp dport 8080 dnat to {s.plan.vip(9)}
        {ip} daddr {s.plan.vip(61)} tcp dport 80 dnat to {s.plan.vip(9)}
        {ip} daddr {vip} tcp dport 81 dnat to {s.plan.vip(9)}
        {ip} daddr {vip} sctp dport 80 dnat to {s.plan.vip(9)}
        {ip} daddr != {vip} tcp dport 80 dnat to {s.plan.vip(9)}
        tcp dport 30081 dnat to {s.plan.vip(9)}
    }}
    chain post {{ type nat hook postrouting priority srcnat; {ip} saddr {s.plan.client} masquerade; }}
}}
table inet fw {{
    chain to {{ }}
    chain forward {{ type filter hook forward priority filter; {ip} daddr {vip} tcp dport 80 jump to; ct state invalid drop; }}
    chain input {{ type filter hook input priority filter; ct state invalid drop; }}
}}
"""
    check(s.works(), "traffic before")
    with rules(s, "n1", text):
        s.well("n1")


KUBE_NFT = """
table {ip} kube-proxy {{
    chain to {{ }}
    map service-ips {{
        type {type} . inet_proto . inet_service : verdict
        elements = {{ {other} . tcp . 443 : goto to, {other} . udp . 53 : goto to,
                     {vip} . tcp . 80 : goto to }}
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat;
        {ip} daddr . meta l4proto . th dport vmap @service-ips
    }}
}}
"""


def kube_proxy(state):
    s = state().serve("snat")
    plan, vip = s.plan, s.plan.vip(60)

    def found():
        f = s.sick("n1", "kube-proxy", vip, severity="warning")
        check(f["mend"].endswith("kube-proxy --cleanup"), f["mend"])
    with rules(s, "n1", KUBE_NFT.format(ip=plan.ip, vip=vip, other=plan.vip(1), type=f"ipv{6 if plan.ipv6 else 4}_addr")):
        found()
    iptables = "ip6tables" if plan.ipv6 else "iptables"
    with rules(s, "n1", ""):
        for words in ("-N KUBE-SERVICES", "-N KUBE-SVC-A", "-A PREROUTING -j KUBE-SERVICES",
                      f"-A KUBE-SERVICES -d {vip}/{plan.host_len} -p tcp -m tcp --dport 80 -j KUBE-SVC-A"):
            s.net.run("n1", [f"{iptables}-nft", "-t", "nat", *words.split()])
        found()
    s.well("n1")


def legacy_iptables(state):
    s = state().serve("snat")
    iptables = "ip6tables-legacy" if s.plan.ipv6 else "iptables-legacy"
    vip, nowhere = s.plan.vip(60), s.plan.vip(9)
    with after(lambda: s.net.run("n1", [iptables, "-t", "nat", "-F"])):
        for match, what in ((f"-d {vip} -p tcp --dport 80", "nat-service"),
                            (f"-d {s.plan.address('p21')} -p tcp --dport 8080", "nat-backend")):
            s.net.run("n1", f"{iptables} -t nat -A PREROUTING {match} -j DNAT --to-destination {nowhere}".split())
            s.course("n1", what, "nat PREROUTING", severity="warning" if what == "nat-service" else "error",
                     fails=what == "nat-backend")


def ipvs(state):
    s = state().serve("snat")
    at = endpoint(s.plan.vip(60), 80)
    with after(lambda: s.net.run("n1", ["ipvsadm", "-C"])):
        s.net.run("n1", ["ipvsadm", "-A", "-t", at, "-s", "rr"])
        s.course("n1", "ipvs", at, severity="warning", fails=False)


def invalid_is_dropped(state):
    """A DSR balancer sees one half of each connection, which conntrack takes for invalid."""
    s = state().serve("dsr")
    for family in "inet", s.plan.ip:
        with rules(s, "n1", f"table {family} fw {{ chain forward {{ type filter hook forward priority filter; ct state invalid drop; }}; }}"):
            s.flush()
            s.course("n1", "ct-invalid", f"{family} fw forward", s.plan.address("p21"))
        s.serve("snat").well("n1")
        s.serve("dsr")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))

        def named(tests):
            return [(f"doctor: {name}", functools.partial(function, state)) for name, function in tests]
        both = [("nothing where all is well", nothing), ("forwarding is off", forwarding),
                ("no route to a backend", no_route), ("no route to a node", no_route_to_node),
                ("this node is not listed", self_is_missing), ("a node behind a router", node_behind_router),
                ("a silent node", silent_node), ("a device that is not trusted", device_not_trusted),
                ("an address on the link that nobody has", address_on_the_link),
                ("an address that nobody routes here", address_not_routed), ("no room for the note", mtu),
                ("frames through a router", frames_through_a_router),
                ("a NAT rule for what goes to a backend", nat_of_backend), ("a NAT rule for a service", nat_of_service),
                ("rules that are none of ours", rules_that_are_none_of_ours), ("kube-proxy", kube_proxy),
                ("IPVS", ipvs), ("uRPF on the router", urpf),
                ("what conntrack calls invalid is dropped", invalid_is_dropped)]
        four = [("forwarding of a device is off", forwarding_of_a_device), ("rp_filter", rp_filter),
                ("rp_filter, some clients only", rp_filter_of_one_client),
                ("node ports that programs may have", local_ports), ("no ports left for SNAT", snat_ports),
                ("a node port beyond the range", nodeport_range), ("loopback open to neighbours", localnet),
                ("rules of iptables-legacy", legacy_iptables), ("drops that rise", drops_that_rise)]
        # The last one has a cluster of its own.
        return [*named(both + ([] if plan.ipv6 else four)), ("doctor: in a VRF", functools.partial(in_a_vrf, plan))]
    return twins(of_family)
