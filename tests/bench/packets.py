#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""packets.py PART... [options]: what a packet costs in bpflb, its peers and plain routing.

Runs in a guest (tests/lab/run) for whose kernel tests/bench/inject is built. The
parts:
  established   a packet of a flow that is known, in either direction
  connections   the first packet of a flow
  scaling       both, on one processor and on two at once (SMP=2)
  memory        bytes of a flow

Costs are net of the floor, which is what it costs to make such a packet and drop it
as early as netfilter can. Where ICOUNT=1 lets the clock count instructions that is
their unit. Prints a JSON record a line; one with "error" is a case that failed.
"""
import argparse
import contextlib
import itertools
import os
import statistics
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

# Packets of a round, and at least two of each flow. Instructions: so few that some rounds
# have no timer's work in them; natively: so many that caches are filled in few of them.
ROUND = {"instructions": 2048, "ns": 20480}
ROUNDS = 3          # at least


class Undelivered(Exception):
    """Packets got lost: then no figure means anything."""


def send(rig, injector, device, out, count=None, **how):
    """Injects by @device; all must leave by @out, None: nobody looks. ns for a packet."""
    before = out and rig.left(out)
    took = rig.inject(injector, device, count=count, **how)
    count = count or injector.count
    left = out and rig.left(out) - before
    if out and left != count:
        raise Undelivered(f"{left} of {count} packets left by {out}")
    return took / count


class Reference:
    """Two more nodes, for the floor and for plain routing: @again() is another round of both.

    A machine is not equally fast all the time. So each round of a case has one of these
    beside it, and its figures are compared with theirs.
    """

    def __init__(self, proto, flows, count, ipv6=False):
        from inject import Injector, flows as flows_to
        from rig import NOWHERE, NOWHERE6, ROUTED, ROUTED6, Rig
        self.count, self.floor, self.routing = count, [], []
        self._open = contextlib.ExitStack()
        self._parts = []
        for name, to in ("floor", NOWHERE6 if ipv6 else NOWHERE), ("routing", ROUTED6 if ipv6 else ROUTED):
            rig = self._open.enter_context(Rig(name, ipv6))
            injector = self._open.enter_context(Injector(flows_to(flows, to, proto)))
            self._parts.append((rig, injector))

    def __enter__(self):
        import peers
        peers.floor(self._parts[0][0])
        self.again()
        self.clear()
        return self

    def __exit__(self, *exc):
        self._open.close()

    def clear(self):
        self.floor, self.routing = [], []

    def again(self):
        from inject import ACK
        from rig import IN, OUT
        (drop, dropped), (route, routed) = self._parts
        self.floor.append(send(drop, dropped, IN, None, self.count, flags=ACK))
        self.routing.append(send(route, routed, IN, OUT, self.count, flags=ACK))


def establish(rig, peer, forward):
    """Both sides of every flow have spoken; an Injector of the answers, or None."""
    from inject import ACK, SYN, Injector
    from rig import IN, OUT
    learn = OUT if peer.answered else ""
    send(rig, forward, IN, OUT, flags=SYN, learn=learn, option=peer.first)
    reply = Injector(forward.answers()) if peer.answered else None
    if reply:
        send(rig, reply, OUT, IN, flags=SYN | ACK)
    # Twice: whoever takes a fast way only once all is set does so by then.
    for _ in range(2):
        send(rig, forward, IN, OUT, flags=ACK)
        if reply:
            send(rig, reply, OUT, IN, flags=ACK)
    return reply


def measure(peer, flows, reference, packets):
    """{case: [gross cost]} of established flows, in either direction."""
    from inject import ACK, PUSH, Injector, flows as flows_to
    from rig import IN, OUT, Rig
    samples = {name: [] for name in (peer.forward, peer.reply) if name}
    reference.clear()
    with Rig(ipv6=peer.ipv6) as rig, Injector(flows_to(flows, peer.to, peer.proto)) as forward:
        peer.up(rig)
        reply = establish(rig, peer, forward)
        for _ in range(max(ROUNDS, packets // reference.count)):
            reference.again()
            if peer.forward:
                samples[peer.forward].append(send(rig, forward, IN, OUT, reference.count, flags=ACK | PUSH))
            if peer.reply:
                samples[peer.reply].append(send(rig, reply, OUT, IN, reference.count, flags=ACK | PUSH))
        if reply:
            reply.close()
    return samples


def cost(samples):
    """What else the machine does can only add."""
    return min(samples)


def tell(bench, unit, peer, case, samples, reference, **more):
    from record import record, say
    floor = cost(reference.floor)
    value, routing = cost(samples) - floor, cost(reference.routing) - floor
    say(f"{bench}: {peer.who}, {case}: {value:.0f} {unit}, {value / routing:.2f} of routing")
    record(bench=bench, unit=unit, case=case, who=peer.who, proto=peer.proto, value=round(value, 1),
           gross=round(cost(samples), 1), routing=round(routing, 1), rounds=len(samples), **more)


def fail(bench, unit, peer, case, error, **more):
    from record import record, say
    say(f"{bench}: {peer.who}, {case}: {error}")
    record(bench=bench, unit=unit, case=case, who=peer.who, error=str(error), **more)


def established(args):
    """In many short rounds, so that some have the processor to themselves."""
    import peers
    for flows in args.flows:
        others = peers.PEERS if flows < 100000 else peers.MANY_FLOWS_PEERS
        who = [peers.ROUTING, peers.ROUTING6, *peers.OURS, *([] if args.ours else others)]
        count = max(ROUND[args.unit], 2 * flows)
        for ipv6, proto in itertools.product((False, True), ("udp", "tcp")):
            with Reference(proto, flows, count, ipv6) as reference:
                for peer in (peer for peer in who if (peer.ipv6, peer.proto) == (ipv6, proto)):
                    try:
                        for case, samples in measure(peer, flows, reference, args.packets).items():
                            tell("packets", args.unit, peer, case, samples, reference, flows=flows)
                    except (Undelivered, RuntimeError) as e:
                        fail("packets", args.unit, peer, peer.forward, e, flows=flows)


def connections(args):
    """Each packet is the first of a flow. The first round is to warm up."""
    import peers
    from inject import SYN, Injector, flows as flows_to
    from rig import IN, OUT, Rig

    def one(peer, reference):
        samples = []
        reference.clear()
        with Rig(ipv6=peer.ipv6) as rig:
            peer.up(rig)
            for i in range(args.rounds + 1):
                reference.again()
                with Injector(flows_to(args.new, peer.to, peer.proto, i * args.new)) as injector:
                    samples.append(send(rig, injector, IN, OUT, flags=SYN))
        return samples[1:]

    for ipv6, proto in itertools.product((False, True), ("udp", "tcp")):
        who = [(case, peer) for case, peer in [*peers.NEW, *([] if args.ours else peers.NEW_PEERS)]
               if (peer.ipv6, peer.proto) == (ipv6, proto)]
        with Reference(proto, args.new, args.new, ipv6) as reference:
            for case, peer in who:
                try:
                    tell("connections", args.unit, peer, case, one(peer, reference), reference)
                except (Undelivered, RuntimeError) as e:
                    fail("connections", args.unit, peer, case, e)


def together(rig, injectors, **how):
    """Packets a second of all injectors, each on a processor of its own."""
    import threading
    from net import ns
    from rig import IN
    ready, spans = threading.Barrier(len(injectors)), [None] * len(injectors)

    def one(i):
        os.sched_setaffinity(0, {i})
        with ns.inside(rig.name):
            ready.wait()
            spans[i] = injectors[i].run(IN, **how)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(injectors))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if None in spans:
        raise RuntimeError("a processor's packets were not injected")
    took = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return sum(how.get("count") or i.count for i in injectors) * 1e9 / took


def scaling(args):
    """Both processors come in by one device and leave by one, as queues of a network card do."""
    from record import record, say
    import peers
    for peer in (peers.ROUTING, peers.SNAT, peers.DSR):
        case = peer.forward
        for bench, rates in (("established", scale_established(peer, args)),
                             ("connections", scale_connections(peer, args) if peer is not peers.ROUTING else {})):
            for processors, samples in rates.items():
                rate = statistics.median(samples)
                say(f"scaling: {peer.who}, {case}, {bench}, {processors} processors: {rate:.0f} packets/s")
                record(bench="scaling", unit="packets/s", case=f"{case}, {bench}", who=peer.who,
                       processors=processors, value=round(rate), samples=[round(s) for s in samples])


def scale_established(peer, args):
    from inject import ACK, PUSH, Injector, flows as flows_to
    from rig import OUT, Rig
    rates = {1: [], 2: []}
    with Rig() as rig:
        peer.up(rig)
        injectors = [Injector(flows_to(1024, peer.to, peer.proto, i << 20)) for i in range(2)]
        for injector in injectors:
            reply = establish(rig, peer, injector)
            if reply:
                reply.close()
        for _ in range(args.rounds):
            for processors, samples in rates.items():
                before = rig.left(OUT)
                samples.append(together(rig, injectors[:processors], count=args.packets, flags=ACK | PUSH))
                if rig.left(OUT) - before != processors * args.packets:
                    raise Undelivered(f"{peer.who}: packets got lost on {processors} processors")
        for injector in injectors:
            injector.close()
    return rates


def scale_connections(peer, args):
    """The first turn, of either number, is to warm up."""
    from inject import SYN, Injector, flows as flows_to
    from rig import OUT, Rig
    rates = {1: [], 2: []}
    start = 0
    with Rig() as rig:
        peer.up(rig)
        for _ in range(args.rounds + 1):
            for processors, samples in rates.items():
                injectors = []
                for _ in range(processors):
                    injectors.append(Injector(flows_to(args.new, peer.to, peer.proto, start)))
                    start += args.new
                before = rig.left(OUT)
                samples.append(together(rig, injectors, flags=SYN))
                if rig.left(OUT) - before != processors * args.new:
                    raise Undelivered(f"{peer.who}: packets got lost on {processors} processors")
                for injector in injectors:
                    injector.close()
    return {processors: samples[1:] for processors, samples in rates.items()}


def memory(_args):
    import peers
    from record import record
    from rig import Rig, object_size
    sizes = {}
    with Rig() as rig:
        peers.SNAT.up(rig)
        sizes["bpflb"] = object_size("bpflb_flow")
    sizes["nftables"] = object_size("nf_conntrack")
    sizes["ipvs"] = object_size("ip_vs_conn")
    for who, size in sizes.items():
        if size:
            record(bench="memory", unit="bytes", case="flow", who=who, value=size)
        else:
            record(bench="memory", unit="bytes", case="flow", who=who, error="no cache of that name")


PARTS = {f.__name__: f for f in (established, connections, scaling, memory)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=PARTS)
    parser.add_argument("--unit", choices=["instructions", "ns"], default="ns")
    parser.add_argument("--flows", type=int, nargs="+", default=[1024], help="established flows")
    parser.add_argument("--packets", type=int, default=30720, help="of established flows, in all rounds of a case")
    parser.add_argument("--new", type=int, default=10000, help="new flows in a round")
    parser.add_argument("--rounds", type=int, default=3, help="of new flows, and of processors")
    parser.add_argument("--ours", action="store_true", help="bpflb and plain routing only")
    args = parser.parse_args()
    from rig import prepare
    prepare(max(args.flows + [args.new]) > 10000)
    for part in args.part:
        PARTS[part](args)


if __name__ == "__main__":
    main()
