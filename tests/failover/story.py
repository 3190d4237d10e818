# SPDX-License-Identifier: GPL-2.0-only
"""A balancer dies under traffic and comes back; what became of the flows."""
import socket
from dataclasses import dataclass

from bird import Routers
from flows import Flows, Stream
from keepalived import Pair, Told
from net.ktap import check, eventually
from net.topology import mac_of
from network import BALANCERS, PLANS, Site

VICTIM = "n1"


@dataclass
class Event:
    """What happened, and to how many."""
    what: str
    flows: int              # that there were
    homes: dict             # client's port: its balancer before
    moved: set              # ports of flows that another balancer had a packet of
    broken: dict            # port: why
    after: dict             # port: its balancer afterwards
    lost: int               # datagrams of the stream
    silence: float          # the longest, in seconds
    stream: list            # Answers to the stream's datagrams
    evidence: object        # that it happened as it is told to have


class Story:
    """@count flows of @plan in @mode, in equal parts by each of @dispatches, and the stream."""

    network = None      # as a table calls it

    def __init__(self, plan, mode, count, dispatches=("default",)):
        self.plan, self.mode = plan, mode
        self.vip = self._vip(plan)
        self.site = Site(plan, mode, self.vip, dispatches)
        self._homes = {}
        self._begin()
        self.flows = Flows(self.site.net, "c0", plan.family, self.site.tcp, count)
        self.stream = Stream(self._by_victim(), self.site.udp)
        eventually(lambda: self.stream.since(0), "the stream is answered")

    def close(self):
        self.stream.close()
        self.flows.close()
        self._end()
        self.site.close()

    def die(self):
        """The machine is gone with all that ran on it."""
        def act():
            self.site.crash(VICTIM)
            self._daemon(VICTIM).kill()
        return self._event(f"{VICTIM} dies", act, self._is_gone)

    def back(self):
        def act():
            self.site.boot(VICTIM)
            self._daemon(VICTIM).start()
        return self._event(f"{VICTIM} is back", act, self._is_back)

    def leave(self):
        """In good order: it says that it will not be there."""
        return self._event(f"{VICTIM} withdraws", self._withdraw, self._is_gone)

    def _event(self, what, act, settled):
        """Flows ask and are answered before, all the while, and afterwards."""
        homes = self._find_homes()
        self._before()
        first = self.stream.sent()
        act()
        self.flows.round()
        some = self.flows.tenths()
        eventually(lambda: settled() or self.flows.round(next(some)), what, 60, self._log)
        seen = self._seen()
        self.flows.round()
        after = self._seen()
        last = self._stream_goes_on()
        self.flows.look()
        broken = self.flows.broken()
        # The port of a flow that broke may be another's next, by another way: IPv6 has flow labels.
        self._homes = {port: min(nodes) for port, nodes in after.items()
                       if len(nodes) == 1 and port not in broken}
        times = [when for when, _ in self.stream.since(first - 5)]
        return Event(what, len(homes), homes,
                     {p for p in homes if (seen.get(p, set()) | after.get(p, set())) - {homes[p]}},
                     broken, self._homes,
                     self.stream.lost(first, last), max(b - a for a, b in zip(times, times[1:])),
                     [a for _, a in self.stream.since(first)], self._evidence())

    def _by_victim(self):
        """A socket whose datagrams the router sends to the balancer that will die."""
        while True:
            s = self.site.net.socket("c0", self.plan.family, socket.SOCK_DGRAM)
            s.sendto(b"0", self.site.udp)
            who = ("udp", s.getsockname()[1])
            if eventually(self.site.seen, "a balancer sees the datagram").get(who) == {VICTIM}:
                return s
            s.close()

    def _seen(self):
        """{port of a flow: the balancers that had a packet of it}"""
        return {port: nodes for (proto, port), nodes in self.site.seen().items() if proto == "tcp"}

    def _find_homes(self):
        """{port: the one balancer of each flow}. Those that broke are made anew."""
        self.flows.again()
        self.site.seen()
        new = [f for f in self.flows.all if f.port not in self._homes]
        self.flows.round(new)
        seen = self._seen()
        check(not self.flows.broken(), f"{len(self.flows.broken())} flows break, and nothing has happened",
              lambda: sorted(set(self.flows.broken().values())))
        check(all(len(seen[f.port]) == 1 for f in new), "a flow has two balancers, and nothing has happened")
        self._homes |= {f.port: min(seen[f.port]) for f in new}
        return {f.port: self._homes[f.port] for f in self.flows.all}

    def _stream_goes_on(self):
        """Half a second's datagrams more are answered. Return: the first of them."""
        begun = self.stream.sent()
        eventually(lambda: len(self.stream.since(begun)) >= 25, "the stream goes on")
        return begun


class Ecmp(Story):
    """Three balancers announce the address, and the router sends each flow to one of them."""

    network = "BIRD: BGP, BFD, ECMP of 3"

    def _vip(self, plan):
        return plan.vip(70)

    def _begin(self):
        self._routers = Routers(self.site.net, [plan.vip(70) for plan in PLANS])

    def _daemon(self, node):
        return self._routers.of[node]

    def _withdraw(self):
        self._routers.withdraw(VICTIM)

    def _end(self):
        self._routers.close()

    def _before(self):
        pass

    def _is_gone(self):
        return self._routers.announced([n for n in BALANCERS if n != VICTIM])

    def _is_back(self):
        return self._routers.announced(BALANCERS)

    def _log(self):
        return self._routers.router.log()[-40:]

    def _evidence(self):
        """Whether it was BFD that found the dead one."""
        return self._routers.lost_by_bfd(VICTIM, self.plan)


class Vrrp(Story):
    """One of two balancers has the address."""

    network = "keepalived: VRRP of 2"

    def _vip(self, plan):
        """In the balancers' own network."""
        return plan.more(plan.lan_gw, 0x5f)

    def _begin(self):
        self._pair = Pair(self.site.net, self.plan, self.vip)
        self._told = Told(self.site.net, self.plan, self.vip)

    def _daemon(self, node):
        return self._pair.of[node]

    def _end(self):
        self._told.close()
        self._pair.close()

    def _before(self):
        self._told.macs()

    def _is_gone(self):
        return self._pair.is_at("n2")

    def _is_back(self):
        return self._pair.is_at("n1")

    def _log(self):
        return [line for k in self._pair.of.values() for line in k.log()]

    def _evidence(self):
        """Which balancer was the last to tell the router that it has the address. A master says so a second time after 5 s, and so
        may one that is about to hear that it is none any more."""
        nodes, told = {mac_of(n): n for n in BALANCERS}, []

        def has_heard():
            told.extend(nodes.get(mac, mac) for mac in self._told.macs())
            return told and self._pair.is_at(told[-1])
        eventually(has_heard, "the router is told of the master", 20, lambda: [str(told)])
        return told[-1]
