#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""steady.py CASE: packets of one case, and nothing else, until the guest is ended.

For tests/bench/profile. CASE is that of a record ("snat forward"), "routing", or
"new snat udp": the first packets of flows. Prints the kernel's symbols, then READY.
"""
import base64
import gzip
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

FLOWS = 1024
NEW = 400000


def ready():
    with open("/proc/sys/kernel/kptr_restrict", "w", encoding="ascii") as f:
        f.write("0")
    with open("/proc/kallsyms", encoding="ascii") as f:
        code = "".join(line for line in f if line.split()[1] in "tTwW")
    print("SYMBOLS", base64.b64encode(gzip.compress(code.encode())).decode())
    print("READY", flush=True)


def main():
    from inject import ACK, PUSH, SYN, Injector, flows as flows_to
    from packets import establish, send
    from rig import IN, OUT, Rig, prepare
    import peers
    case = sys.argv[1]
    subject = {p.forward: p for p in peers.OURS} | {p.reply: p for p in peers.OURS if p.reply} | \
        {f"new {case}": p for case, p in peers.NEW} | {"routing": peers.ROUTING}
    peer = subject[case]
    prepare(case.startswith("new"))
    with Rig(ipv6=peer.ipv6) as rig:
        peer.up(rig)
        if case.startswith("new"):
            warm = Injector(flows_to(20000, peer.to, peer.proto))
            send(rig, warm, IN, OUT, flags=SYN)
            packets, flags, device = Injector(flows_to(NEW, peer.to, peer.proto, 1 << 20)), SYN, IN
        else:
            packets, flags, device = Injector(flows_to(FLOWS, peer.to, peer.proto)), ACK | PUSH, IN
            reply = establish(rig, peer, packets)
            if case.endswith("reply"):
                packets, device = reply, OUT
        ready()
        while True:
            rig.inject(packets, device, count=packets.count if case.startswith("new") else 1 << 20,
                       flags=flags)


main()
