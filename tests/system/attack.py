# SPDX-License-Identifier: GPL-2.0-only
"""Forged notes, from outside, from the segment of the nodes, and from inside a pod.

Whatever is believed, everything that leaves a node is looked at: no backend speaks from an address that is
neither its own nor its service's. What is refused is counted by its reason, and no table grows beyond its bound.
"""
import functools
import itertools
import os
import socket
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "packet"))
import family                                           # noqa: E402
from scapy.layers.inet import TCP as Tcp, UDP as Udp    # noqa: E402

from net import clients                                 # noqa: E402
from net.cluster import PORTS, Cluster, Service         # noqa: E402
from net.ktap import check, equal, eventually           # noqa: E402
from net.packet import TCP, UDP                         # noqa: E402
from net.plan import twins                              # noqa: E402
from net.topology import mac_of                         # noqa: E402

OWN_MAC = "02:00:00:00:66:66"
WEB, OTHER = 80, 90         # ports of a service with p21, and of one with p31
FLOWS_MAX = 200
FLOOD = 1500


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


class State:
    def __init__(self, plan):
        self.cluster = c = Cluster(plan)
        self.plan = plan
        self.at = family.V6 if plan.ipv6 else family.V4
        self.vip, self.other_vip = plan.vip(160), plan.vip(161)
        self.services = [Service(f"{name}-{proto}", proto, port, [place], vip, nodeport)
                         for name, port, place, vip, nodeport in (("web", WEB, "p21", self.vip, 30160),
                                                                  ("other", OTHER, "p31", self.other_vip, 30161))
                         for proto in PORTS]
        # whom a backend may speak as: {place: {(address, port)}}, the node ports of any node
        self.allowed = {place: {(vip, port)} | {(node, nodeport) for node in plan.nodes.values()}
                        for place, vip, port, nodeport in (("p21", self.vip, WEB, 30160),
                                                           ("p31", self.other_vip, OTHER, 30161))}
        c.net.run("r0", ["ip", "route", "add", plan.pod_net("n2"), "via", plan.nodes["n2"]])
        self.ports = itertools.count(20000)
        self.links = {}
        shown = c.net.run("r0", ["ip", "-o", "link", "show", "wan0"])
        self.router = octets(shown.split("link/ether ")[1].split()[0])

    def serve(self, *settings):
        self.cluster.apply(self.services, "mode dsr", *settings)
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "flow flush")
        return self

    def packet(self, proto, to, port, client=None, flags="S"):
        sport = next(self.ports)
        head = self.at.ip(src=client or self.plan.client, dst=to, ttl=60)
        if proto == "tcp":
            return head / Tcp(sport=sport, dport=port, flags=flags, seq=sport)
        return head / Udp(sport=sport, dport=port) / f"forged{sport}".encode()

    def inject(self, where, packet, src=OWN_MAC, dst=mac_of("n2")):
        """From outside, the nodes' segment (there to @dst), or a pod of the backend's node."""
        place, link, to = {"outside": ("c0", "eth0", self.router), "segment": ("lan", "br0", octets(dst)),
                           "pod": ("p22", "eth0", octets(mac_of("gw")))}[where]
        sock = self.links.get(where)
        if not sock:
            sock = self.links[where] = self.cluster.net.socket(place, socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((link, 0))
        sock.send(to + octets(src) + self.at.ethertype.to_bytes(2, "big") + bytes(packet))

    def refused(self, node="n2"):
        """By reason, and those that were taken off."""
        drops = self.cluster.drops(node)
        return {**{reason: n for reason, n in drops.items() if reason.startswith("note")},
                "removed": self.cluster.json(node, "stats")["stats"]["notes_removed"]}


def new(before, after):
    return {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}


def spoken(capture, s):
    """Of all that backends have said: (place, source), as it left a node. @capture has seen all links of the nodes."""
    said, out = {}, []

    def mark(p):
        return (p.proto, p.dst, p.seq, p.ack, p.flags) if p.proto == TCP else (p.proto, p.dst, p.payload)
    for p in capture.matching(lambda p: p.proto in (TCP, UDP)):
        if p.link in s.allowed and not p.out:
            said[mark(p)] = p.link, (p.src, p.sport)
        elif p.link == "lan0" and p.out and mark(p) in said:
            out.append((*said[mark(p)], (p.src, p.sport)))
    return out


def no_lies(capture, s):
    """Returns the sources that backends have spoken from, other than their own."""
    as_services = set()
    for place, own, source in spoken(capture, s):
        if source != own:
            check(source in s.allowed[place], f"{place} speaks from {source}", capture.dump)
            as_services.add(source)
    return as_services


def notes(s):
    """What may be noted on a packet to p21: (what it is, note, whether p21 serves that)."""
    return [("its service", (s.vip, WEB), True),
            ("its node port", (s.plan.nodes["n3"], 30160), True),
            ("another one's service", (s.other_vip, OTHER), False),
            ("another one's node port", (s.plan.nodes["n1"], 30161), False),
            ("another port", (s.vip, 9999), False),
            ("nobody's address", (s.plan.vip(199), WEB), False),
            ("the client", (s.plan.client, WEB), False),
            ("the pod itself", (s.plan.address("p21"), PORTS["tcp"]), False),
            ("a node", (s.plan.nodes["n1"], 22), False),
            ("nothing", ("::" if s.plan.ipv6 else "0.0.0.0", 0), False)]


# Settings of whom to believe, and where a note of the pod's own service is believed from.
SENDERS = {"mac": (["dsr-sender mac"], {"spoofed"}),
           "device": (["dsr-sender device", "dsr-device lan0"], {"outside", "segment", "spoofed"}),
           "any": (["dsr-sender any"], {"outside", "segment", "spoofed", "pod"})}
WHERE = {"outside": ("outside", OWN_MAC), "segment": ("segment", OWN_MAC),
         "spoofed": ("segment", mac_of("n1")), "pod": ("pod", mac_of("p22"))}


def forged(state, sender, strip):
    """Straight to the backend, with each note, from everywhere."""
    s = state()
    settings, believed = SENDERS[sender]
    s.serve(*settings, *(["refused-notes strip"] if strip else []))
    for where, (place, mac) in WHERE.items():
        with s.cluster.capture(["n1", "n2", "n3"]) as capture:
            before, want, right = s.refused(), {}, set()
            for _, note, is_its in notes(s):
                for proto in PORTS:
                    packet = s.packet(proto, s.plan.address("p21"), PORTS[proto])
                    s.inject(place, s.at.noted(packet, *note), mac)
                    if is_its and where in believed:
                        right.add(note)
                        continue
                    reason = "removed" if strip else "note-sender" if is_its else "note-service"
                    want[reason] = want.get(reason, 0) + 1
            eventually(lambda: new(before, s.refused()) == want, f"{where}: {want} are counted", 5,
                       lambda: [str(new(before, s.refused())), *capture.dump()])
            eventually(lambda: no_lies(capture, s) == right, f"{where}: the pod speaks as {right}", 5, capture.dump)
            equal(capture.lost(), 0, "packets that the capture has lost")
            flows = s.cluster.flows("n2")
            equal({f["frontend"] for f in flows}, right, "frontends of flows")
        s.cluster.lbadm("n2", "flow flush")


def at_balancer(state):
    """To a service, with any note: it goes, and the service's backend answers."""
    s = state().serve()
    for where, place, mac in (("outside", "outside", OWN_MAC), ("segment", "segment", OWN_MAC),
                              ("a node's MAC", "segment", mac_of("n3"))):
        with s.cluster.capture(["n1", "n2", "n3"]) as capture:
            before = s.refused("n1")
            for _, note, _ in notes(s):
                for proto in PORTS:
                    s.inject(place, s.at.noted(s.packet(proto, s.vip, WEB), *note), mac, mac_of("n1"))
            count = 2 * len(notes(s))
            eventually(lambda: new(before, s.refused("n1")) == {"removed": count}, f"{where}: {count} notes are removed", 5,
                       lambda: [str(new(before, s.refused("n1"))), *capture.dump()])
            eventually(lambda: no_lies(capture, s) == {(s.vip, WEB)}, f"{where}: the service answers", 5, capture.dump)
        s.cluster.lbadm("n1", "flow flush")
        s.cluster.lbadm("n2", "flow flush")


def status(s):
    return s.cluster.json("n2", "status")["status"]["flows"]


def flood(state, proto):
    """Forged notes that are believed fill the table to its bound; who talks already goes on."""
    s = state().serve("dsr-sender any", f"flows-max {FLOWS_MAX}")
    net = s.cluster.net
    with clients.Tcp(net, "c0", (s.vip, WEB)) as tcp, clients.Udp(net, "c0", (s.vip, WEB)) as udp:
        ask = [lambda c=c: equal(c.ask().name, "p21", "who answers") for c in (tcp, udp)]
        for one in ask:
            one()
        most = 0
        for n in range(FLOOD):
            client = s.plan.more(s.plan.client, 1 + n % 200)
            packet = s.packet(proto, s.plan.address("p21"), PORTS[proto], client)
            s.inject("segment", s.at.noted(packet, s.vip, WEB))
            if n % 250 == 0:
                most = max(most, status(s))
                for one in ask:
                    one()
        most = max(most, status(s))
        for one in ask:
            one()
        check(FLOWS_MAX // 2 < most <= FLOWS_MAX + 2, f"{most} flows, should be {FLOWS_MAX} at most")
    s.serve("flows-max 100000")


def refused_flood(state):
    """Those that are not believed make no flow at all."""
    s = state().serve()
    before = s.refused().get("note-sender", 0)
    for n in range(FLOOD):
        client = s.plan.more(s.plan.client, 1 + n % 200)
        s.inject("segment", s.at.noted(s.packet("tcp", s.plan.address("p21"), PORTS["tcp"], client), s.vip, WEB))
    eventually(lambda: s.refused().get("note-sender", 0) - before == FLOOD, "all are counted", 5, lambda: [str(s.refused())])
    equal(s.cluster.flows("n2"), [], "flows")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"forged notes: to a backend, dsr-sender {sender}, {'strip' if strip else 'drop'}",
                   functools.partial(forged, state, sender, strip)) for sender in SENDERS for strip in (False, True)),
                ("forged notes: to a balancer", functools.partial(at_balancer, state)),
                *((f"forged notes: a flood of {proto} that is believed", functools.partial(flood, state, proto))
                  for proto in PORTS),
                ("forged notes: a flood that is refused", functools.partial(refused_flood, state))]
    return twins(of_family)
