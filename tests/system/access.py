# SPDX-License-Identifier: GPL-2.0-only
"""Who may ask a service, and where; the network is access_net's."""
import contextlib
import functools
import ipaddress
import itertools
import json
import socket
import time

from access_net import (ASK, Answer, FAMILIES, MODES, Net, PORT, V4, V6, at, connect, dropping, ip, own,
                        pings, refused, silent, tcp, udp)
from net import ns
from net.ktap import check, equal, eventually


def unknown_ports(state, family):
    """From a client, a pod and the node itself; ports that a service has are asked as ever."""
    net = state()
    for what in ("pass", "drop", "reject"):
        net.apply([f"set unknown-ports {what}", *net.services(family)])
        for proto in ASK:
            to = family.vip, 9999
            equal(ASK[proto]((family.vip, 80)).place, "local", "the service")
            for place in ("client", "local", "n1"):
                if what == "reject":
                    with dropping(net, "unknown-port", 1):
                        refused(proto, to, place=place)
                elif what == "drop":
                    silent(net, proto, to, "unknown-port", place=place)


def unknown_ports_of_own(state, family):
    """The node's own address is never closed: what listens there is reached."""
    net = state()
    for link in ("lo", "client"):
        with own(family, family.vip, link), ns.make_socket(at("n1"), family.number,
                                                           socket.SOCK_STREAM) as sshd:
            sshd.bind((family.vip, 22))
            sshd.listen()
            for what in ("pass", "drop", "reject"):
                net.apply([f"set unknown-ports {what}", *net.services(family)])
                with dropping(net, "unknown-port", 0):
                    connect((family.vip, 22)).close()
                    sshd.accept()[0].close()
                    refused("tcp", (family.vip, 9999))
                    for proto, ask in ASK.items():
                        equal(ask((family.vip, 80)).place, "local", f"{proto} of the service")


def ping(state, family):
    net = state()
    net.apply(list(net.services(family)))
    equal(pings("client", family.vip, timeout=0.5), False, "answered where ping is off")
    net.apply(["set ping on", *net.services(family)])
    before = net.answers()
    for place in ("client", "local", "n1"):
        equal(pings(place, family.vip), True, f"{place} is answered")
    equal(net.answers() - before, 3, "answers")
    with own(family, family.vip):
        equal(pings("client", family.vip), True, "answered where it is the node's own address")
        equal(net.answers() - before, 3, "answers, less those of the kernel")
    equal(pings("client", f"{family.vip}7", timeout=0.5), False, "answered at nobody's address")


def ping_large(state, family):
    """In fragments there and back."""
    net = state()
    net.apply(["set ping on", *net.services(family)])
    before = net.answers()
    equal(pings("client", family.vip, size=9000), True, "answered")
    equal(net.answers() - before, 1, "answers")


def own_address(state, family, mode):
    """A service address that is also on an interface of the node, or on lo: no difference."""
    net = state()
    net.apply(net.services(family, places=("remote",)), mode)
    want = family.at["n1" if mode == "snat" else "client"]
    for link in (None, "lo", "client"):
        with own(family, family.vip, link) if link else contextlib.nullcontext():
            answer = tcp((family.vip, 80))
            equal((answer.place, answer.client), ("remote", want), f"tcp, the address on {link}")
            answer = eventually(lambda: quietly(udp, (family.vip, 80)), "an answer by UDP")
            equal((answer.place, answer.client), ("remote", want if mode != "hybrid" else family.at["n1"]),
                  f"udp, the address on {link}")


def quietly(ask, to, **kw):
    """None if it is not answered soon: a note's sender has to be known first."""
    try:
        return ask(to, timeout=0.5, **kw)
    except TimeoutError:
        return None


def node_ports(state, family):
    """At all of the node's addresses, or only where they may be; elsewhere they are the node's own ports."""
    net = state()
    lan, front = (family.at["n1"], 30080), (family.gateway["client"], 30080)
    word = "127.0.0.0/8" if family is V4 else "::1"
    other = V6 if family is V4 else V4
    net_of_lan = ipaddress.ip_network(f"{lan[0]}/{family.length}", strict=False)
    for words, where in (("", {lan, front}), (f"{lan[0]}", {lan}), (f"{net_of_lan},{other.at['n1']}", {lan}),
                         (f"{other.at['n1']},{word}", set())):
        net.apply([f"set nodeport-addresses {words}"] * bool(words) +
                  [*net.services(family, fronts="nodeport:30080", places=("remote",))])
        for to in (lan, front):
            for proto, ask in ASK.items():
                for place in ("client", "n1"):
                    if to in where:
                        equal(ask(to, place=place).place, "remote", f"{place} by {proto} at {to}, {words}")
                    else:
                        refused(proto, to, place=place)
        refused("tcp", ("127.0.0.1" if family is V4 else "::1", 30080), place="n1")


def address_first(state, family):
    """A service at the node's own address goes before another one's node port; each protocol by itself."""
    net = state()
    lan, front = (family.at["n1"], 30080), (family.gateway["client"], 30080)
    net.apply([*net.services(family, "ports", fronts="nodeport:30080", places=("remote",)),
               f"service add there tcp {family.end(*lan)}",
               f"backend add there {family.end(family.at['local'], PORT)} node {family.at['n1']}"])
    for place in ("client", "n1"):
        equal(tcp(lan, place=place).place, "local", "the service at the address")
        equal(tcp(front, place=place).place, "remote", "the node port at another address")
        equal(udp(lan, place=place).place, "remote", "the node port of the other protocol")


def not_of_loopback(state):
    """What a neighbour sends to 127/8 of the node is no service's, even where the node takes it."""
    net = state()
    net.apply(["set nodeport-addresses 0.0.0.0/0", *net.services(V4, fronts="nodeport:30080")])
    ns.sysctl(at("n1"), {"ipv4/conf/client/route_localnet": 1})
    ip("client", "addr del 127.0.0.1/8 dev lo")
    ip("client", f"route add 127.0.0.0/8 via {V4.gateway['client']} src {V4.at['client']} table 7")
    ip("client", "rule add to 127.0.0.0/8 table 7 pref 0")
    ip("client", "rule add table local pref 1")
    ip("client", "rule del table local pref 0")
    ns.sysctl(at("client"), {"ipv4/conf/n1/route_localnet": 1})
    try:
        with ns.make_socket(at("n1"), socket.AF_INET, socket.SOCK_STREAM) as s:
            s.bind(("127.0.0.1", 30081))
            s.listen()
            connect(("127.0.0.1", 30081)).close()       # so packets do get there
        refused("tcp", ("127.0.0.1", 30080))
        refused("udp", ("127.0.0.1", 30080))
    finally:
        ip("client", "rule add table local pref 0")
        ip("client", "rule del table local pref 1")
        ip("client", "rule del to 127.0.0.0/8 table 7 pref 0")
        ip("client", "route flush table 7")
        ip("client", "addr add 127.0.0.1/8 dev lo")
        ns.sysctl(at("n1"), {"ipv4/conf/client/route_localnet": 0})


def external(state, family):
    """An address that nobody has, asked for by a client, a pod and the node; gone with its service."""
    net = state()
    to = (f"{family.vip}5", 443)
    for mode in MODES:
        net.apply(net.services(family, fronts=family.end(*to), places=("remote",)), mode)
        for proto, ask in ASK.items():
            for place in ("client", "local", "n1"):
                answer = eventually(lambda: quietly(ask, to, place=place), "an answer")  # noqa: B023
                equal(answer.place, "remote", f"{place} by {proto}, {mode}")
    net.apply(["set unknown-ports reject", *net.services(family)])
    try:
        connect(to, timeout=0.1).close()
    except ConnectionRefusedError:
        check(False, "it is still a service's address")
    except OSError:
        return
    check(False, "answered without a service")


def bound_udp(family, source, to):
    s = ns.make_socket(at("client"), family.number, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(source)
    s.connect(to)       # takes answers from there alone
    s.settimeout(5)
    return s


def shared_backend(state, family, mode, place):
    """One client port open to three services and a node port with one backend: all at the same time."""
    net = state()
    vip, other = family.vip, f"{family.vip}0"
    ends = [(vip, 80), (family.at["n1"], 30080), (other, 80), (vip, 81)]
    lines = [*net.services(family, "a", f"{family.end(vip, 80)} nodeport:30080", places=(place,)),
             *net.services(family, "b", family.end(other, 80), places=(place,)),
             *net.services(family, "c", family.end(vip, 81), places=(place,))]
    net.apply(lines, mode)
    eventually(lambda: quietly(udp, ends[0]), "the sender of notes is known")
    source = ("", 23456)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(connect(to, source=source, family=family)) for to in ends]
        seen = [Answer(s.recv(200)) for s in streams]
        equal([a.place for a in seen], [place] * 4, "who answers")
        equal(len({(a.client, a.client_port) for a in seen}), 4, "clients that the backend sees")
        for n in range(3):
            for k, s in enumerate(streams):
                s.sendall(b"%d to %d" % (n, k))
            for k, s in enumerate(streams):
                equal(s.recv(100), b"%d to %d" % (n, k), f"what comes back from {ends[k]}")
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(bound_udp(family, source, to)) for to in ends]
        seen = set()
        for n in range(3):
            for k, s in enumerate(sockets):
                s.send(b"%d-to-%d" % (n, k))
            for k, s in enumerate(sockets):
                data = s.recv(200)
                equal(data.split()[-1], b"%d-to-%d" % (n, k), f"what comes back from {ends[k]}")
                seen.add((Answer(data).client, Answer(data).client_port))
        equal(len(seen), 4, "clients that the backend sees")


def limit_of_backends(state, family, mode):
    """A backend that is full is not chosen, others are; all full: nobody gets through until one ends."""
    net = state()
    # a port of its own: what connections of other tests still say to each other would count
    to = family.vip, 85 + MODES.index(mode)
    net.apply(net.services(family, fronts=family.end(*to), places=("local", "remote")), mode)
    for proto in ASK:
        for place, most in (("local", 3), ("remote", 2)):
            net.lbadm(f"backend set web-{proto} {family.end(family.at[place], PORT)} flows-max {most}")
    eventually(lambda: quietly(udp, to), "the sender of notes is known")
    net.lbadm("flow flush")
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(connect(to)) for _ in range(5)]
        places = [Answer(s.recv(200)).place for s in streams]
        equal(sorted(places), ["local"] * 3 + ["remote"] * 2, "backends of five connections")
        silent(net, "tcp", to, "flows-max")
        udp_places = [udp(to, source=("", 24000 + n)).place for n in range(5)]
        equal(sorted(udp_places), ["local"] * 3 + ["remote"] * 2, "backends of five UDP flows")
        silent(net, "udp", to, "flows-max", source=("", 24100))
        equal(udp(to, source=("", 24000)).place, udp_places[0], "who has a flow is served")
        gone = streams[places.index("remote")].getsockname()
        net.lbadm(f"flow flush client {family.end(gone[0], gone[1])}")
        equal(eventually(lambda: quietly(tcp, to), "room for one").place, "remote", "who answers now")


def limit_of_service(state, family):
    """Whatever its backends may have."""
    net = state()
    to = family.vip, 88
    net.apply(net.services(family, fronts=family.end(*to), words="flows-max 4", places=("local", "remote")))
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect(to))
        silent(net, "tcp", to, "flows-max")
        equal([udp(to, source=("", 24200 + n)).port for n in range(4)], [PORT] * 4, "another service")
        silent(net, "udp", to, "flows-max", source=("", 24300))
        net.lbadm("service set web-tcp flows-max 5")
        tcp(to)
        net.lbadm("service set web-udp flows-max 0")
        equal(udp(to, source=("", 24300)).port, PORT, "who answers without a limit")
    net.lbadm("flow flush")
    net.lbadm("service set web-udp flows-max 1")
    equal(udp(to, source=("", 24301)).port, PORT, "who answers when all flows have ended")
    silent(net, "udp", to, "flows-max", source=("", 24302))


@contextlib.contextmanager
def more_addresses(family, count):
    """So many more of the client's, meanwhile."""
    base = family.at["client"]
    more = [base[:-1] + str(n + 1) for n in range(count)]
    for address in more:
        ip("client", f"addr add {address}/{family.host} dev lo" + " nodad" * (family is V6))
        ip("n1", f"route add {address}/{family.host} via {base}")
        ip("n2", f"route add {address}/{family.host} via {family.back[1]}")
    try:
        yield more
    finally:
        for address in more:
            ip("client", f"addr del {address}/{family.host} dev lo")
            for node in ("n1", "n2"):
                ip(node, f"route del {address}/{family.host}")


def sources(state, family, rule, mode):
    """Of two clients one may ask, wherever the backend is; at an open address both may."""
    net = state()
    bits, open_to = family.host, f"{family.vip}0"
    with more_addresses(family, 2) as (one, two):
        allowed, denied = (one, two) if rule == "allow" else (two, one)
        # the other family's ranges are of no interest to this one
        ranges = f"{rule} {one}/{bits},{'::/0' if family is V4 else '0.0.0.0/0'}"
        for place in ("local", "remote"):
            fronts = f"{family.end(family.vip, 80)} nodeport:30080 open:{family.end(open_to, 80)}"
            net.apply(net.services(family, fronts=fronts, words=ranges, places=(place,)), mode)
            for proto, ask in ASK.items():
                for to in ((family.vip, 80), (family.at["n1"], 30080)):
                    answer = eventually(lambda: quietly(ask, to, source=(allowed, 0)), "an answer")  # noqa: B023
                    equal(answer.place, place, f"who answers {allowed}")
                    silent(net, proto, to, "source-range", source=(denied, 0))
                for source in (allowed, denied):
                    equal(ask((open_to, 80), source=(source, 0)).place, place, f"at the open address, {source}")


def sources_of_node(state, family):
    """Programs of the node, with its own address or the service's where that is the node's, and pods."""
    net = state()
    to, me, pod = (family.vip, 80), family.at["n1"], family.at["local"]
    for local in (False, True):
        with own(family, family.vip) if local else contextlib.nullcontext():
            net.apply(net.services(family, words=f"allow {me}/{family.host},{pod}/{family.host}",
                                   places=("remote",)))
            for proto, ask in ASK.items():
                for place in ("n1", "local"):
                    equal(ask(to, place=place).place, "remote", f"who answers {place}")
                silent(net, proto, to, "source-range")
            net.apply(net.services(family, words=f"deny {me}/{family.host},{pod}/{family.host}"
                                   f",{family.vip}/{family.host}", places=("remote",)))
            for proto, ask in ASK.items():
                for place in ("n1", "local"):
                    silent(net, proto, to, "source-range", place=place)
                equal(ask(to).place, "remote", "who answers the client")


def sources_changed(state, family):
    """Concerns new flows; a service without backends tells those that may not ask nothing."""
    net = state()
    net.apply(net.services(family))
    to, me = (family.vip, 80), family.at["client"]
    with connect(to) as s:
        s.recv(200)
        for rule in (f"deny {me}", f"allow {family.at['n2']}"):
            net.lbadm(f"service set web-tcp {rule}")
            silent(net, "tcp", to, "source-range")
            s.sendall(b"still")
            equal(s.recv(100), b"still", "what a connection of before hears")
        net.lbadm("service set web-tcp allow any")
        equal(tcp(to).place, "local", "who answers again")
    net.lbadm(f"service set web-tcp deny {me}")
    net.lbadm(f"backend del web-tcp {family.end(family.at['local'], PORT)}")
    silent(net, "tcp", to, "source-range")
    net.lbadm("service set web-tcp allow any")
    refused("tcp", to)


def sources_other_family(state, family):
    """An allow list that has none of a client's family does not have the client."""
    net = state()
    other = V6 if family is V4 else V4
    for rule, place in (("allow", None), ("deny", "local")):
        net.apply(net.services(family, words=f"{rule} {other.at['client']}/{other.host}"))
        for proto, ask in ASK.items():
            if place:
                equal(ask((family.vip, 80)).place, place, "who answers")
            else:
                silent(net, proto, (family.vip, 80), "source-range")


def sources_many(state):
    """As many as there may be, saved, applied and shown; and found."""
    net = state()
    ranges = [f"2001:db8:{n:x}::/48" for n in range(1, 701)] + [f"10.{n % 256}.{n // 256 * 64}.0/18" for n in range(323)]
    net.apply(net.services(V4, words=f"allow {','.join([*ranges, '198.51.100.10/32'])}"))
    equal(tcp((V4.vip, 80)).place, "local", "who answers")
    text = net.lbadm("save")
    check(all(r in text for r in ranges), "some are not saved")
    net.lbadm("apply -", text=text)
    equal(net.lbadm("save"), text, "saved again")
    listed = json.loads(net.lbadm("-j service list web-udp"))["services"][0]
    equal((listed["sources"], len(listed["source_ranges"])), ("allow", 1024), "ranges shown")
    equal(len(json.loads(net.lbadm("-j service list"))["services"]), 2, "services in a list")
    try:
        net.lbadm(f"service set web-tcp deny {','.join([*ranges, '10.0.0.0/8', '11.0.0.0/8'])}")
    except AssertionError as e:
        check("1024 prefixes at most" in str(e), f"refused otherwise: {e}")
    else:
        check(False, "1025 were taken")


def tests(subset):
    state = functools.lru_cache(Net)
    cases = [("unknown ports: pass, drop, reject", unknown_ports),
             ("unknown ports: a node's own address is never closed", unknown_ports_of_own),
             ("ping of a service address", ping),
             ("ping of a service address, in fragments", ping_large)]
    cases += [(f"a service address on an interface: {mode}", functools.partial(own_address, mode=mode))
              for mode in MODES]
    cases += [(f"one client port to services of one backend: {mode} {place}",
               functools.partial(shared_backend, mode=mode, place=place))
              for mode, place in itertools.product(MODES, ("local", "remote"))]
    cases += [(f"flow limits: of backends, {mode}", functools.partial(limit_of_backends, mode=mode))
              for mode in ("snat", "dsr")]
    cases += [("flow limits: of a service", limit_of_service)]
    cases += [("an address goes before a node port", address_first),
              ("node ports at some addresses", node_ports),
              ("an external address", external)]
    cases += [(f"source ranges: {rule}, {mode}", functools.partial(sources, rule=rule, mode=mode))
              for rule, mode in (("allow", "snat"), ("allow", "dsr"), ("deny", "hybrid"))]
    cases += [("source ranges: the node's own programs and pods", sources_of_node),
              ("source ranges: a change is for new flows", sources_changed),
              ("source ranges: of the other family alone", sources_other_family)]
    if subset:
        cases = [c for c in cases if c[0] in SUBSET]
    out = [(f.name + name, functools.partial(function, state, f)) for f in FAMILIES for name, function in cases]
    return out if subset else [*out, ("node ports are never of 127/8", functools.partial(not_of_loopback, state)),
                                  ("source ranges: 1024 of both families", functools.partial(sources_many, state))]


SUBSET = ("unknown ports: pass, drop, reject", "source ranges: allow, dsr")
