# SPDX-License-Identifier: GPL-2.0-only
"""Connections that the module meets in mid-life, because it was loaded anew on every node."""
import functools
import itertools

from net import clients, module
from net.cluster import Cluster, Service
from net.ktap import check, equal
from net.plan import twins

PLACES = ["p11", "p21", "p31"]
MODES = ("snat", "dsr", "hybrid")
_ports = itertools.count(20001)


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan

    def load(self, mode, scheduler, limits=()):
        """The module with nothing but this service; returns where that is asked."""
        module.reload(mode=mode)
        service = Service("web", "tcp", 80, PLACES, self.plan.vip(80), options=f"scheduler {scheduler}")
        self.cluster.apply([service])
        for place, words in zip(PLACES, limits):
            self.cluster.lbadm("n1", f"backend set web {service.at(self.plan, place)} {words}")
        return service.front(self.plan)

    def connect(self, to, count):
        """From ports that SNAT may keep."""
        made = [clients.Tcp(self.cluster.net, "c0", to, source=("", next(_ports))) for _ in range(count)]
        return [(c, c.ask().name) for c in made]


def goes_on(state, mode):
    """By maglev each connection finds the backend that it had, and that sees whom it saw.

    With SNAT that takes a client's port that was kept: others come from another port now, and their
    backend answers with a RST.
    """
    s = state()
    to = s.load(mode, "maglev")
    made = s.connect(to, 12)
    equal({name for _, name in made}, set(PLACES), "backends")
    equal(s.load(mode, "maglev"), to, "where the service is")
    equal(s.cluster.flows("n1"), [], "flows after it was loaded anew")
    for c, name in made:
        equal([c.ask().name for _ in range(2)], [name] * 2, "who answers")
        c.close()


def is_told(state, mode):
    """Where nobody can tell the backend the client learns at once that its connection is gone."""
    s = state()
    made = s.connect(s.load(mode, "random"), 6)
    s.load(mode, "random")
    for c, name in made:
        try:
            c.ask()
        except ConnectionError:
            continue
        check(False, f"a connection with {name} went on, by chance or not")
    for c, _ in made:
        c.close()


def is_full(state):
    """A limit is no reason to reset what goes on: who finds its backend full may try again."""
    s = state()
    made = s.connect(s.load("snat", "maglev"), 8)
    s.load("snat", "maglev", ["flows-max 1"] * len(PLACES))
    served, waiting = {}, []
    for c, name in made:
        c.sock.settimeout(0.5)
        try:
            equal(c.ask().name, name, "who answers")
            check(name not in served, f"{name} serves a second one")
            served[name] = c
        except TimeoutError:
            waiting.append(c)
    equal(len(waiting), len(made) - len(served), "who waits")
    check(s.cluster.drops("n1")["flows-max"] >= len(waiting), "drops are not counted")
    for c, _ in made:
        c.close()


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"loaded anew: connections go on, {mode}", functools.partial(goes_on, state, mode)) for mode in MODES),
                ("loaded anew: a full backend", functools.partial(is_full, state)),
                *((f"loaded anew: a client learns it at once, {mode}", functools.partial(is_told, state, mode))
                  for mode in MODES)]
    return twins(of_family)
