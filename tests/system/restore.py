# SPDX-License-Identifier: GPL-2.0-only
"""Flows are saved, the module is loaded anew, and they are made again: everybody goes on."""
import contextlib
import errno
import functools
import itertools
import re
import socket
import time

from net import clients, module
from net.cluster import Cluster, Service
from net.genl import FLOW_ADD, FLOW_ATTRS, FLOW_EXPIRES, Genl, attr
from net.ktap import check, equal
from net.plan import endpoint, twins

PLACES = ["p11", "p21", "p31"]
WAYS = [("snat", "opt"), ("dsr", "opt"), ("dsr", "geneve"), ("dsr", "ipip"), ("hybrid", "opt")]
MANY = 10000
_ports = itertools.count(20001)


class State:
    def __init__(self, plan):
        self.cluster = Cluster(plan)
        self.plan = plan
        rr = "scheduler rr"
        self.services = [Service("web", "tcp", 80, PLACES, plan.vip(80), 30080, options=rr),
                         Service("other", "tcp", 80, PLACES, plan.vip(81), options=rr),
                         Service("echo", "udp", 53, PLACES, plan.vip(80), options=rr),
                         Service("single", "udp", 54, PLACES, plan.vip(80), options=f"{rr} one-packet on"),
                         Service("stick", "tcp", 81, PLACES, plan.vip(80), options=f"{rr} affinity 1h")]

    def begin(self, mode, dispatch="opt"):
        self.cluster.apply(self.services, f"mode {mode}", f"dispatch {dispatch}")
        for node in self.plan.nodes:
            self.cluster.lbadm(node, "flow flush")

    def front(self, name, which="vip"):
        return next(s for s in self.services if s.name == name).front(self.plan, which)

    def save(self):
        return {node: self.cluster.lbadm(node, "flow save") for node in self.plan.nodes}

    def anew(self, mode, dispatch="opt"):
        """As after a module was loaded: the same services, and nothing else."""
        module.reload()
        self.cluster.apply(self.services, f"mode {mode}", f"dispatch {dispatch}")

    def restore(self, saved):
        return {node: self.cluster.lbadm(node, "flow restore -", config=text) for node, text in saved.items()}


def known(saved):
    """The lines without what passes; in an order of their own, which a table has not."""
    return {node: sorted(re.sub(r" idle \d+s", "", line) for line in text.splitlines())
            for node, text in saved.items()}


def same(got, want, what):
    for node, lines in want.items():
        equal(sorted(set(got[node]) ^ set(lines)), [], f"{what}, on {node}: the difference")


def goes_on(state, mode, dispatch):
    """TCP and UDP, node ports, two flows that look alike, and one-packet: on each node what was there,
    to the port, and who answered answers."""
    s = state()
    s.begin(mode, dispatch)
    with contextlib.ExitStack() as stack:
        def tcp(name, which="vip", port=None):
            return stack.enter_context(clients.Tcp(s.cluster.net, "c0", s.front(name, which),
                                                   source=("", port or next(_ports))))
        made = [(tcp("web"), None) for _ in range(6)]
        made += [(tcp("web", "nodeport"), None) for _ in range(3)]
        # a port of the client's is open to both services, and at the same backend sometimes
        made += [(tcp("other", port=c.local[1]), None) for c, _ in made[:6]]
        made += [(stack.enter_context(clients.Udp(s.cluster.net, "c0", s.front("echo"))), None)
                 for _ in range(6)]
        made = [(c, c.ask().name) for c, _ in made]
        single = stack.enter_context(clients.Udp(s.cluster.net, "c0", s.front("single")))
        equal({single.ask().name for _ in range(6)}, set(PLACES), "who answers datagrams")
        before = s.save()
        check(len(before["n1"].splitlines()) >= 24, "not all flows are saved", before["n1"].splitlines)
        s.anew(mode, dispatch)
        for node, said in s.restore(before).items():
            equal(said, f"{len(before[node].splitlines())} restored\n", f"restored on {node}")
        same(known(s.save()), known(before), "what is there")
        for c, name in made:
            equal([c.ask().name for _ in range(2)], [name] * 2, f"who answers {c.local}")
        equal({single.ask().name for _ in range(6)}, set(PLACES), "who answers datagrams")
        same(known(s.save()), known(before), "what is there after more packets")


def idle(state):
    """Time goes on from where it was; and what has closed a side ends as it would have."""
    s = state()
    s.begin("snat")
    with clients.Tcp(s.cluster.net, "c0", s.front("web")) as c:
        c.ask()
        client = s.plan.client, c.local[1]
        at = re.search(r" idle \d+s|$", s.cluster.lbadm("n1", "flow save").strip())
        saved = s.save()
        saved["n1"] = saved["n1"].strip()[:at.start()] + " idle 300s\n"
        s.anew("snat")
        s.restore(saved)
        flow = s.cluster.flow_of("n1", client)
        check(300 <= flow["idle"] < 310 and 7690 < flow["expires"] <= 7700, f"times: {flow}")
        c.ask()
        check(s.cluster.flow_of("n1", client)["idle"] < 10, "a packet is no news")
        c.ask(last=True)
    equal(s.cluster.flow_of("n1", client)["state"], "tcp-time-wait", "state of the closed connection")


def clients_stay(state):
    """Who has a backend by affinity has it again; nobody's time begins anew."""
    s = state()
    s.begin("snat")
    first = clients.tcp_once(s.cluster.net, "c0", s.front("stick")).name
    rows = s.cluster.json("n1", "affinity list")["affinity"]
    equal([(r["service"], r["client"], r["backend"]["address"], r["timeout"]) for r in rows],
          [("stick", s.plan.client, s.plan.address(first), 3600)], "who is remembered")
    saved = s.save()
    stick = [line for line in saved["n1"].splitlines() if line.startswith("affinity add")]
    equal(len(stick), 1, "lines of affinity")
    s.anew("snat")
    equal(s.cluster.json("n1", "affinity list service stick")["affinity"], [], "who is remembered after a load")
    s.restore({"n1": f"{stick[0].split(' idle')[0]} idle 600s\n"})
    row = s.cluster.json("n1", "affinity list service stick")["affinity"][0]
    check(600 <= row["idle"] < 610, f"idle: {row}")
    equal(s.cluster.json("n1", "affinity list service web")["affinity"], [], "of another service")
    for _ in range(6):
        equal(clients.tcp_once(s.cluster.net, "c0", s.front("stick")).name, first, "whom the client has")


def twice(state):
    """What is there stays as it is, and nothing is there twice."""
    s = state()
    s.begin("snat")
    with clients.Udp(s.cluster.net, "c0", s.front("echo")) as c:
        c.ask()
        clients.tcp_once(s.cluster.net, "c0", s.front("stick"))
        saved = {"n1": s.save()["n1"]}
        equal(len(saved["n1"].splitlines()), 3, "two flows and a client")
        equal(s.restore(saved)["n1"], "0 restored, 3 were there\n", "the second time")
        equal(known(s.save())["n1"], known(saved)["n1"], "what is there")


def line(s, port, more="", **but):
    """A flow of SNAT from the client's @port, said rightly but for @but."""
    words = {"service": "web", "proto": "tcp", "client": endpoint(s.plan.client, port),
             "at": endpoint(*s.front("web")), "backend": endpoint(s.plan.address("p21"), 8080), "kind": "snat",
             "state": "tcp-established", "source": f"source {endpoint(s.plan.nodes['n1'], port)}", **but}
    return f"flow add {' '.join(words.values())}{more}"


def says(s, text, sentence):
    """lbadm refuses @text as it should."""
    try:
        s.cluster.lbadm("n1", text)
    except RuntimeError as e:
        check(sentence in str(e), f"{sentence}: said {e}")
    else:
        check(False, f"was not refused: {sentence}")


def refused(state):
    """Whatever could not be, is not, and a sentence tells why."""
    s = state()
    s.begin("snat")
    n1, n2, p21 = s.plan.nodes["n1"], s.plan.nodes["n2"], s.plan.address("p21")
    with s.cluster.net.socket("n1", s.plan.family, socket.SOCK_STREAM) as taken:
        taken.bind((n1, 20500))
        for sentence, more, but in (
                ("no service of this name", "", {"service": "nobody"}),
                ("the service has another protocol", "", {"proto": "udp", "state": "udp-replied"}),
                ("no such backend", "", {"backend": endpoint(s.plan.address("p12"), 8080)}),
                ("a state of another protocol", "", {"state": "udp-replied"}),
                ("not an address of this node", "", {"source": f"source {endpoint(n2, 20001)}"}),
                ("another flow or a socket", "", {"source": f"source {endpoint(n1, 20500)}"}),
                ("only dsr-out has a dispatch", " dispatch geneve", {}),
                ("only dsr-out sends notes", " noted", {}),
                ("only UDP is balanced packet by packet", " one-packet", {}),
                ("idle for longer", " idle 8000s", {}),
                ("could not be told from what comes back", "", {"client": endpoint(p21, 8080)}),
                ("only snat has another address", "", {"kind": "local"})):
            says(s, line(s, 20100, more, **but), sentence)
    equal(s.cluster.flows("n1"), [], "flows")
    # one that is right, and one that would have its port
    s.cluster.lbadm("n1", line(s, 20101))
    says(s, line(s, 20104, source=f"source {endpoint(n1, 20101)}"), "another flow or a socket")
    says(s, line(s, 20101), "looks like it")
    s.cluster.lbadm("n1", "set flows-max 1")
    says(s, line(s, 20105), "flows-max")
    equal([f["client"][1] for f in s.cluster.flows("n1")], [20101], "flows")


def alone(state):
    """A flow that is refused keeps none of the others out; the first one is told of."""
    s = state()
    s.begin("snat")
    text = "\n".join(["# flows", line(s, 20102, service="nobody"), line(s, 20101), line(s, 20103, " idle 9000s")])
    try:
        s.cluster.lbadm("n1", "flow restore -", config=text)
    except RuntimeError as e:
        check("status 2" in str(e) and "(stdin):2: there is no service of this name" in str(e), f"said {e}")
    else:
        check(False, "a flow of a service that is not there was made")
    equal([f["client"][1] for f in s.cluster.flows("n1")], [20101], "flows")
    says(s, "flow restore /nowhere", "can't read /nowhere")


def unknown(state):
    """What a module does not know it does not make: a newer one's flow may mean something else."""
    s = state()
    s.begin("snat")
    with Genl(s.cluster.net.ns("n1")) as genl:
        for kind in (FLOW_ATTRS, FLOW_EXPIRES):
            try:
                genl.ask(FLOW_ADD, attr(kind, bytes(4)))
            except OSError as e:
                equal(e.errno, errno.EINVAL, "error")
            else:
                check(False, f"attribute {kind} was taken")


def many(state):
    """Ten thousand, and what that takes."""
    s = state()
    s.begin("snat")
    n1 = s.plan.nodes["n1"]
    text = "\n".join(line(s, 1024 + n, client=endpoint(s.plan.more(s.plan.client, 1 + n % 2), 20000 + n // 2),
                          source=f"source {endpoint(n1, 20000 + n)}") for n in range(MANY))
    begun = time.monotonic()
    equal(s.restore({"n1": text})["n1"], f"{MANY} restored\n", "restored")
    took = time.monotonic() - begun
    begun = time.monotonic()
    saved = s.cluster.lbadm("n1", "flow save")
    print(f"# {MANY} flows: restored in {took * 1000:.0f} ms, saved in {(time.monotonic() - begun) * 1000:.0f} ms")
    same({"n1": [flow for flow in known({"n1": saved})["n1"] if flow.startswith("flow")]},
         {"n1": text.splitlines()}, "saved")
    equal(s.cluster.lbadm("n1", "flow flush"), f"{MANY} flows removed\n", "removed")


def tests(_subset):
    def of_family(plan):
        state = functools.lru_cache(functools.partial(State, plan))
        return [*((f"restored: flows go on, {mode} by {dispatch}", functools.partial(goes_on, state, mode, dispatch))
                  for mode, dispatch in WAYS),
                ("restored: time goes on", functools.partial(idle, state)),
                ("restored: affinity", functools.partial(clients_stay, state)),
                ("restored: what is there stays", functools.partial(twice, state)),
                ("restored: what could not be is refused", functools.partial(refused, state)),
                ("restored: each for itself", functools.partial(alone, state)),
                ("restored: what the module does not know", functools.partial(unknown, state)),
                ("restored: ten thousand flows", functools.partial(many, state))]
    return twins(of_family)
