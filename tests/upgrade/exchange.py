# SPDX-License-Identifier: GPL-2.0-only
"""A download, keep-alive clients and streams of datagrams go on while the module is exchanged."""
import functools
import re

from life import Lives
from net import clients, module
from net.ktap import KernelLog, check, equal
from net.plan import PLANS, endpoint, twins
from rig import VERSIONS, Rig, answers, file_of

WAYS = [("snat", "opt"), ("dsr", "opt"), ("dsr", "geneve"), ("dsr", "ipip"), ("hybrid", "opt")]
MANY = 10000


def carried(rig, to, code=0, words=(), said=""):
    """Under traffic: upgrade to variant @to; what lbadm says is returned."""
    log = KernelLog()
    with Lives(rig.cluster, rig.web, rig.echo) as lives, rig.cluster.capture() as capture:
        before = rig.flows(lives.ports())
        check(before["n1"], "no flows")
        status, out = rig.upgrade(*words, *([file_of(to)] if to else []), capture=capture)
        equal(status, code, "exit status", out.splitlines)
        check(said in out, f"said {said}", out.splitlines)
        lives.go_on()
        equal(rig.flows(lives.ports()), before, "flows", out.splitlines)
        check(not lives.download.done(), "the download was done before the upgrade")
        with lives.held():
            rig.nobody_answers_wrongly(capture)
        lives.download.faster()
        lives.download.whole()
        print(f"# {out.strip().splitlines()[0]}; datagrams lost: {sum(s.lost for s in lives.streams)} "
              f"of {sum(s.sent for s in lives.streams)}")
    check(answers(rig), "a new connection")
    equal([line for line in log.lines() if "martian" in line], [], "martians")
    rig.nothing_is_left()
    return out


def works(rig, to, code=0):
    status, out = rig.upgrade(*([file_of(to)] if to else []))
    equal(status, code, "exit status", out.splitlines)


def goes_on(rig, mode, dispatch):
    """To a newer module, all ways, on balancer and backends' nodes at once."""
    r = rig().begin(mode, dispatch)
    out = carried(r, "newer")
    equal(r.version(), VERSIONS["newer"], "version")
    check(re.search(r"bpflb 0.2.0, after 0.1.0: 3 network namespaces, \d+ flows and clients restored; "
                    r"packets of services were dropped for \d+ ms", out), f"said {out}")


def downgrade(rig, mode, dispatch):
    """To one that knows less; what it does not know no flow has here."""
    r = rig().begin(mode, dispatch)
    carried(r, "older")
    equal(r.version(), VERSIONS["older"], "version")
    carried(r, "newer")
    equal(r.version(), VERSIONS["newer"], "version")


def less_is_known(rig):
    """A flow that an older module could not understand is not made there, and that is said."""
    r = rig().begin("snat")
    with clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as open_, \
            clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as half:
        first = open_.ask().name
        half.ask()
        half.sock.shutdown(1)
        flows = r.cluster.flows("n1")
        check("tcp-fin" in {f["state"] for f in flows} or "tcp-time-wait" in {f["state"] for f in flows}, f"{flows}")
        status, out = r.upgrade(file_of("older"))
        equal(status, 2, "exit status", out.splitlines)
        check("not all flows could be restored" in out and "it is older than lbadm" in out, f"said {out}")
        equal(r.version(), VERSIONS["older"], "version")
        equal(open_.ask().name, first, "server of the one that it knows all of")
    r.nothing_is_left()


def parameters(rig):
    """Mode, sizes and settings are what they were."""
    r = rig().begin("hybrid", params={"mode": "dsr", "flows_max": 5000, "flow_buckets": 2048})
    r.cluster.lbadm("n2", "apply -", config="")
    for n, plan in enumerate(PLANS):    # each kind of what is dropped meanwhile
        r.cluster.lbadm("n1", f"service add wide{n} udp {endpoint(plan.vip(90), 5000)}-5010 "
                              f"{endpoint(plan.vip(91), 5000).replace('5000', '*')}")
        r.cluster.lbadm("n1", f"backend add wide{n} {endpoint(plan.address('p21'), 5000).replace('5000', '*')}")
    own = ",".join(f"{plan.nodes['n1']}/{plan.host_len}" for plan in PLANS)
    r.cluster.lbadm("n1", f"set nodeport-addresses {own}")
    before = {node: r.cluster.lbadm(node, "save") for node in r.plan.nodes}
    works(r, "newer")
    for name, value in (("mode", "dsr"), ("flows_max", "5000"), ("flow_buckets", "2048")):
        with open(f"/sys/module/bpflb/parameters/{name}") as f:
            equal(f.read().strip(), value, name)
    equal({node: r.cluster.lbadm(node, "save") for node in r.plan.nodes}, before, "configuration")
    equal(r.cluster.json("n2", "status")["status"]["mode"], "dsr", "mode where none is set")


def remembered(rig, to):
    """By variant @to: a client of a service with affinity has its backend again; and a connection its removed one."""
    r = rig().begin("snat")
    first = clients.tcp_once(r.cluster.net, "c0", r.stick.front(r.plan)).name
    with clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as a, \
            clients.Tcp(r.cluster.net, "c0", r.stick.front(r.plan)) as b:
        name, other = a.ask().name, b.ask().name
        r.cluster.lbadm("n1", f"backend del web {endpoint(r.plan.address(name), 8080)}")
        saved = r.cluster.lbadm("n1", "save")
        # connections that are over are of a kind that the older one does not know
        works(r, to, 2 if to == "older" else 0)
        equal(r.version(), VERSIONS[to], "version")
        equal(r.cluster.lbadm("n1", "save"), saved, "configuration")
        equal((a.ask().name, b.ask().name), (name, other), "servers")
        for _ in range(6):
            equal(clients.tcp_once(r.cluster.net, "c0", r.stick.front(r.plan)).name, first, "whom the client has")
            check(clients.tcp_once(r.cluster.net, "c0", r.web.front(r.plan)).name != name, "the removed one serves")
        r.cluster.lbadm("n1", "service del stick")
        saved = r.cluster.lbadm("n1", "save")
        works(r, None)
        equal(r.cluster.lbadm("n1", "save"), saved, "configuration")
        equal((a.ask().name, b.ask().name), (name, other), "servers")


def accounted(rig, to):
    """Flows that count what they carry go on doing so, from 0."""
    r = rig().begin("snat", "opt", "flow-accounting on")
    with clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as c:
        name = c.ask().name
        for _ in range(5):
            c.ask()
        before = packets(r, c)
        works(r, to)
        equal(r.version(), VERSIONS[to], "version")
        equal(packets(r, c), 0, "packets of the flow that was restored")
        equal(c.ask().name, name, "server")
        check(0 < packets(r, c) < before, f"packets: {packets(r, c)}, and {before} before")
        check("set flow-accounting on" in r.cluster.lbadm("n1", "save"), "the setting")


def packets(rig, client):
    """How many of @client's its flow on the balancer has counted."""
    flow, = (f for f in rig.cluster.json("n1", "flow list")["flows"] if f["client"]["port"] == client.local[1])
    return flow["packets_in"]


def again(rig):
    """What is loaded already stays."""
    r = rig().begin("snat")
    equal(r.upgrade(), (0, "bpflb 0.1.0 is what is loaded already\n"), "said")
    works(r, "newer")
    carried(r, None, said="bpflb 0.1.0, after 0.2.0")
    equal(r.version(), VERSIONS["own"], "version")


def without(told):
    """How many namespaces were looked at is no matter here."""
    return {key: value for key, value in told.items() if key != "namespaces"}


def as_json(rig):
    """What a program reads: an exchange, one that there was no need for, and one that failed."""
    r = rig().begin("snat")
    own, newer = VERSIONS["own"], VERSIONS["newer"]
    nothing = {"from": own, "to": own, "namespaces": 3, "restored": 0, "milliseconds": None}
    equal(r.told(), nothing, "of what is loaded already")
    equal(without(r.told("--resume")), without(nothing), "resume")
    with clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as c:
        name = c.ask().name
        got = r.told(file_of("newer"))
        equal((got["from"], got["to"], got["namespaces"]), (own, newer, 3), "told")
        check(got["restored"] >= 1 and got["milliseconds"] is not None, f"told {got}")
        equal(c.ask().name, name, "server")
    r.told("--fast", name="error", status=1)
    module.unload()
    equal(without(r.told("--resume")), without({**nothing, "from": None, "to": None}), "without a module")


def many(rig):
    """Ten thousand flows, and for how long packets are dropped."""
    r = rig().begin("snat")
    to, backend, n1 = endpoint(*r.web.front(r.plan)), endpoint(r.plan.address("p21"), 8080), r.plan.nodes["n1"]
    lines = [f"flow add web tcp {endpoint(r.plan.more(r.plan.client, 1 + n % 2), 36000 + n // 2)} {to} {backend} "
             f"snat tcp-established source {endpoint(n1, 36000 + n)}" for n in range(MANY)]
    r.cluster.lbadm("n1", "flow restore -", config="\n".join(lines))
    out = carried(r, "newer")
    ports = range(36000, 36000 + MANY)
    there = [line for line in r.flows(ports)["n1"] if " tcp-established source " in line]
    check(there == sorted(lines), f"{len(there)} flows, or others")
    print(f"# with {MANY} flows: {out.strip()}")


def tests(_subset):
    def of_family(plan):
        rig = functools.lru_cache(functools.partial(Rig, plan))
        out = [(f"{mode} by {dispatch}: all go on", functools.partial(goes_on, rig, mode, dispatch))
               for mode, dispatch in WAYS]
        for to, way in ("newer", ""), ("older", " across a downgrade"):
            out += [(f"affinity, removed backends and services{way}", functools.partial(remembered, rig, to)),
                    (f"accounts of flows{way}", functools.partial(accounted, rig, to))]
        if plan.ipv6:
            return out
        out += [(f"{mode} by {dispatch}: all go on across a downgrade",
                 functools.partial(downgrade, rig, mode, dispatch)) for mode, dispatch in WAYS[:2]]
        return [*out, ("a flow that an older module does not understand", functools.partial(less_is_known, rig)),
                ("the module's parameters", functools.partial(parameters, rig)),
                ("what modprobe would load", functools.partial(again, rig)),
                ("what is told as JSON", functools.partial(as_json, rig)),
                ("ten thousand flows", functools.partial(many, rig))]
    return twins(of_family)
