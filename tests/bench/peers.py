# SPDX-License-Identifier: GPL-2.0-only
"""Whoever is measured: how it is set up on a rig, and what is sent to it."""
import ipaddress
import struct
from dataclasses import dataclass
from typing import Callable

from rig import BACKEND_PORT, BACKENDS, BACKENDS6, IN, OUT, PORT, ROUTED, ROUTED6, VIP, VIP6

_HOUR = 3600
FRONT, FRONT6 = (VIP, PORT), (VIP6, PORT)


@dataclass(frozen=True)
class Peer:
    """@forward, @reply: names of the cases, "" for a direction that is not measured.

    @to: where clients send. @first: options of a flow's first packet, as the injector has them.
    """
    who: str
    up: Callable
    forward: str = "forward"
    reply: str = ""
    proto: str = "udp"
    to: tuple = FRONT
    first: bytes = b""
    answered: bool = True

    @property
    def ipv6(self):
        return ":" in self.to[0]


def at(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _of(ipv6):
    """Service address and backends of a family."""
    return (VIP6, BACKENDS6) if ipv6 else (VIP, BACKENDS)


def _nothing(_rig):
    pass


def floor(rig):
    """Dropped as early as netfilter can."""
    rig.nft("""table inet floor { chain pre {
        type filter hook prerouting priority -400
        ip daddr 10.8.8.8 drop
        ip6 daddr 2001:db8:8::8 drop
    }; }""" if rig.ipv6 else """table ip floor { chain pre {
        type filter hook prerouting priority -400
        ip daddr 10.8.8.8 drop
    }; }""")


def _ipvs(how, ipv6=False):
    def up(rig):
        vip, backends = _of(ipv6)
        port = BACKEND_PORT if how == "-m" else PORT
        lines = []
        for proto in "-u", "-t":
            lines.append(f"-A {proto} {at(vip)} -s rr")
            lines += [f"-a {proto} {at(vip)} -r {at(b, port)} {how}" for b in backends]
        rig.run("ipvsadm", "-R", stdin="\n".join(lines) + "\n")
        rig.run("ipvsadm", "--set", str(_HOUR), str(_HOUR), str(_HOUR))
    return up


def _keep_long(rig):
    rig.sysctl({"netfilter/nf_conntrack_udp_timeout": _HOUR,
                "netfilter/nf_conntrack_udp_timeout_stream": _HOUR})


def _nftables(rig, ipv6=False):
    vip, backends = _of(ipv6)
    ip, near = ("ip6", "2001:db8:2::/64") if ipv6 else ("ip", "10.2.0.0/16")
    targets = ", ".join(f"{i} : {b} . {BACKEND_PORT}" for i, b in enumerate(backends))
    rig.nft(f"""table {ip} lb {{
        chain pre {{
            type nat hook prerouting priority dstnat
            {ip} daddr {vip} meta l4proto {{ tcp, udp }} th dport {PORT} \
                dnat {ip} addr . port to numgen random mod {len(backends)} map {{ {targets} }}
        }}
        chain post {{
            type nat hook postrouting priority srcnat
            {ip} daddr {near} masquerade
        }}
    }}""")
    _keep_long(rig)


def _nftables6(rig):
    _nftables(rig, True)


def _flowtable(rig):
    _nftables(rig)
    rig.nft(f"""table ip fast {{
        flowtable f {{ hook ingress priority 0; devices = {{ {IN}, {OUT} }}; }}
        chain forward {{
            type filter hook forward priority filter
            meta l4proto {{ tcp, udp }} flow add @f
        }}
    }}""")
    rig.sysctl({"netfilter/nf_flowtable_udp_timeout": _HOUR})


def _iptables(rig):
    lines = ["*nat"]
    for i, b in enumerate(BACKENDS):
        chance = f"-m statistic --mode random --probability {1 / (len(BACKENDS) - i):.9f} "
        lines += [f"-A PREROUTING -d {VIP} -p {proto} --dport {PORT} "
                  f"{chance if i + 1 < len(BACKENDS) else ''}-j DNAT --to-destination {b}:{BACKEND_PORT}"
                  for proto in ("tcp", "udp")]
    lines += ["-A POSTROUTING -d 10.2.0.0/16 -j MASQUERADE", "COMMIT"]
    rig.run("iptables-restore", stdin="\n".join(lines) + "\n")
    _keep_long(rig)


def _bpflb(mode, where="", *settings, ipv6=False, port=BACKEND_PORT):
    def up(rig):
        vip, backends = _of(ipv6)
        place = f"node {backends[0]}" if where == "node" else where
        lines = [f"set mode {mode}", "set flows-max 4000000",
                 f"set timeout udp-unreplied {_HOUR} udp-replied {_HOUR}",
                 *(f"set {s}" for s in settings), f"node add {backends[0]}"]
        for proto in "tcp", "udp":
            lines.append(f"service add {proto} {proto} {at(vip)}")
            lines += [f"backend add {proto} {at(b, port)} {place}" for b in backends]
        rig.bpflb(lines)
    return up


_snat, _snat6 = (_bpflb("snat", ipv6=six) for six in (False, True))
_local, _local6 = (_bpflb("snat", "local", ipv6=six) for six in (False, True))
_dsr, _dsr6 = (_bpflb("dsr", "node", ipv6=six) for six in (False, True))
_dsr_in, _dsr_in6 = (_bpflb("dsr", "local", "dsr-sender any", ipv6=six) for six in (False, True))
# an IPv4 option, and an IPv6 header of destination options
_NOTE = struct.pack("<BBHI", 0x9a, 8, PORT, int(ipaddress.ip_address(VIP)))
_NOTE6 = struct.pack("!BBBB16sHH", 0, 2, 0x1b, 20, ipaddress.ip_address(VIP6).packed, PORT, 0)

ROUTING = Peer("routing", _nothing, to=ROUTED, answered=False)
IPVS_NAT = Peer("ipvs nat", _ipvs("-m"), reply="reply")
IPVS_NAT_TCP = Peer("ipvs nat", _ipvs("-m"), "tcp forward", "tcp reply", "tcp")
IPVS_DR = Peer("ipvs dr", _ipvs("-g"), answered=False)
IPVS_TUN = Peer("ipvs tun", _ipvs("-i"), answered=False)
NFTABLES = Peer("nftables", _nftables, reply="reply")
NFTABLES_TCP = Peer("nftables", _nftables, "tcp forward", "tcp reply", "tcp")
FLOWTABLE = Peer("nftables flowtable", _flowtable, reply="reply")
IPTABLES = Peer("iptables", _iptables, reply="reply")

SNAT = Peer("bpflb", _snat, "snat forward", "snat reply")
SNAT_TCP = Peer("bpflb", _snat, "snat tcp forward", "snat tcp reply", "tcp")
LOCAL = Peer("bpflb", _local, "local forward", "local reply")
DSR = Peer("bpflb", _dsr, "dsr tcp forward", proto="tcp", answered=False)
DSR_UDP = Peer("bpflb", _dsr, "dsr udp forward", answered=False)
DSR_IN = Peer("bpflb", _dsr_in, "dsr arriving", "dsr reply", "tcp",
              to=(BACKENDS[0], BACKEND_PORT), first=_NOTE)
DISPATCHES = [Peer("bpflb", _bpflb("dsr", where, f"dispatch {how}", ipv6=to == FRONT6, port=PORT),
                   f"{'ipv6: ' if to == FRONT6 else ''}{how} {proto} forward", proto=proto, to=to, answered=False)
              for to in (FRONT, FRONT6)
              for how, where, proto in (("geneve", "node", "tcp"), ("geneve", "node", "udp"), ("ipip", "node", "tcp"),
                                        ("l2", "", "tcp"))]
BYSTANDER = Peer("bpflb", _snat, "bystander", to=ROUTED, answered=False)

ROUTING6 = Peer("routing", _nothing, "ipv6: forward", to=ROUTED6, answered=False)
IPVS_NAT6 = Peer("ipvs nat", _ipvs("-m", True), "ipv6: forward", "ipv6: reply", to=FRONT6)
NFTABLES6 = Peer("nftables", _nftables6, "ipv6: forward", "ipv6: reply", to=FRONT6)
SNAT6 = Peer("bpflb", _snat6, "ipv6: snat forward", "ipv6: snat reply", to=FRONT6)
SNAT_TCP6 = Peer("bpflb", _snat6, "ipv6: snat tcp forward", "ipv6: snat tcp reply", "tcp", to=FRONT6)
LOCAL6 = Peer("bpflb", _local6, "ipv6: local forward", "ipv6: local reply", to=FRONT6)
DSR6 = Peer("bpflb", _dsr6, "ipv6: dsr tcp forward", proto="tcp", to=FRONT6, answered=False)
DSR_UDP6 = Peer("bpflb", _dsr6, "ipv6: dsr udp forward", to=FRONT6, answered=False)
DSR_IN6 = Peer("bpflb", _dsr_in6, "ipv6: dsr arriving", "ipv6: dsr reply", "tcp",
               to=(BACKENDS6[0], BACKEND_PORT), first=_NOTE6)
BYSTANDER6 = Peer("bpflb", _snat6, "ipv6: bystander", to=ROUTED6, answered=False)

OURS = [SNAT, SNAT_TCP, LOCAL, DSR, DSR_UDP, DSR_IN, BYSTANDER,
        SNAT6, SNAT_TCP6, LOCAL6, DSR6, DSR_UDP6, DSR_IN6, BYSTANDER6, *DISPATCHES]
PEERS = [NFTABLES, FLOWTABLE, IPTABLES, IPVS_NAT, IPVS_DR, IPVS_TUN, NFTABLES_TCP, IPVS_NAT_TCP, NFTABLES6, IPVS_NAT6]
# With a great many flows: they take long to set up, and the others are no faster
MANY_FLOWS_PEERS = [NFTABLES, FLOWTABLE, IPVS_NAT, IPVS_DR]

# Cases of established flows that take a fast way, by the budget that is theirs
SNAT_CASES = [case for peer in (SNAT, SNAT_TCP, LOCAL) for case in (peer.forward, peer.reply)]
DSR_CASES = [DSR.forward, DSR_UDP.forward, DSR_IN.reply]
IPV6_CASES = [f"ipv6: {case}" for case in SNAT_CASES + DSR_CASES]

# Whoever gets the first packets of flows, by case
NEW = [("snat udp", SNAT), ("dsr udp", DSR_UDP), ("snat tcp", SNAT_TCP), ("dsr tcp", DSR),
       ("ipv6: snat udp", SNAT6), ("ipv6: dsr udp", DSR_UDP6), ("ipv6: snat tcp", SNAT_TCP6), ("ipv6: dsr tcp", DSR6)]
NEW_PEERS = [("udp", NFTABLES), ("udp", IPVS_NAT), ("tcp", NFTABLES_TCP), ("tcp", IPVS_NAT_TCP),
             ("ipv6: udp", NFTABLES6), ("ipv6: udp", IPVS_NAT6)]


def rivals_case(case):
    """What one of NEW is called of NEW_PEERS."""
    return " ".join(word for word in case.split() if word not in ("snat", "dsr"))
