# SPDX-License-Identifier: GPL-2.0-only
"""Many services, as bpflb and each of its peers is told of them.

The rule sets for iptables and nftables have the shape of those that kube-proxy
writes: a dispatch by address and port, a chain a service that chooses, a chain
an endpoint that translates, and a mark that masquerades.
"""
import ipaddress
from dataclasses import dataclass

_VIPS, _BACKENDS = (int(ipaddress.ip_address(a)) for a in ("10.96.0.0", "10.128.0.0"))
PORT, BACKEND_PORT = 80, 8080
NODES = ("192.168.0.11", "192.168.0.12")        # that the module runs on; the first is the balancer
_MARK = "0x4000"


@dataclass(frozen=True)
class Service:
    """@backends: addresses; all listen at @backend_port."""
    name: str
    vip: str
    backends: tuple
    port: int = PORT
    backend_port: int = BACKEND_PORT


def many(services, backends, last=None):
    """@services that share @backends evenly; the last one's are @last, if given."""
    out, used = [], 0
    for i in range(services):
        end = backends * (i + 1) // services
        addresses = tuple(str(ipaddress.ip_address(_BACKENDS + 1 + b)) for b in range(used, end))
        vip = str(ipaddress.ip_address(_VIPS + 1 + i))
        if last and i == services - 1:
            addresses = tuple(last)
        out.append(Service(f"svc-{i:05d}", vip, addresses))
        used = end
    return out


def bpflb(services, where="plain", mode="snat"):
    """What `lbadm apply` reads. @where: all backends are."""
    yield f"set mode {mode}"
    yield from (f"node add {node}" for node in NODES)
    for s in services:
        yield f"service add {s.name} tcp {s.vip}:{s.port}"
        yield from (f"backend add {s.name} {b}:{s.backend_port} {where}" for b in s.backends)


def ipvs(services):
    """What `ipvsadm -R` reads: masquerading, as kube-proxy uses it."""
    for s in services:
        yield f"-A -t {s.vip}:{s.port} -s rr"
        for b in s.backends:
            yield f"-a -t {s.vip}:{s.port} -r {b}:{s.backend_port} -m -w 1"


def _chain(kind, s, i=""):
    return f"KUBE-{kind}-{s.name.upper()}{f'-{i}' if i != '' else ''}"


def _iptables_service(s):
    svc, n = _chain("SVC", s), len(s.backends)
    yield f"-A {svc} -m comment --comment \"{s.name} cluster IP\" -j KUBE-MARK-MASQ"
    for i, b in enumerate(s.backends):
        sep = _chain("SEP", s, i)
        choose = f" -m statistic --mode random --probability {1 / (n - i):.10f}" if i < n - 1 else ""
        yield f"-A {svc} -m comment --comment \"{s.name} -> {b}:{s.backend_port}\"{choose} -j {sep}"
        yield f"-A {sep} -s {b}/32 -m comment --comment {s.name} -j KUBE-MARK-MASQ"
        yield (f"-A {sep} -p tcp -m comment --comment {s.name} -m tcp -j DNAT "
               f"--to-destination {b}:{s.backend_port}")


def iptables(services):
    """What `iptables-restore` reads."""
    yield from ("*filter", ":KUBE-FORWARD - [0:0]",
                "-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD",
                "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
                f"-A KUBE-FORWARD -m mark --mark {_MARK}/{_MARK} -j ACCEPT",
                "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "COMMIT", "*nat")
    yield from (f":{chain} - [0:0]" for chain in ("KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"))
    for s in services:
        yield f":{_chain('SVC', s)} - [0:0]"
        yield from (f":{_chain('SEP', s, i)} - [0:0]" for i in range(len(s.backends)))
    for hook in ("PREROUTING", "OUTPUT"):
        yield f"-A {hook} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"
    yield "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING"
    yield f"-A KUBE-MARK-MASQ -j MARK --or-mark {_MARK}"
    yield f"-A KUBE-POSTROUTING -m mark ! --mark {_MARK}/{_MARK} -j RETURN"
    yield f"-A KUBE-POSTROUTING -j MARK --xor-mark {_MARK}"
    yield "-A KUBE-POSTROUTING -j MASQUERADE --random-fully"
    for s in services:
        yield (f"-A KUBE-SERVICES -d {s.vip}/32 -p tcp -m comment --comment \"{s.name} cluster IP\" "
               f"-m tcp --dport {s.port} -j {_chain('SVC', s)}")
    for s in services:
        yield from _iptables_service(s)
    yield "COMMIT"


def iptables_again(s):
    """What `iptables-restore --noflush` reads to write one service's chains again."""
    yield "*nat"
    yield f":{_chain('SVC', s)} - [0:0]"
    yield from (f":{_chain('SEP', s, i)} - [0:0]" for i in range(len(s.backends)))
    yield from _iptables_service(s)
    yield "COMMIT"


_NFTABLES = f"""
table ip kube-proxy {{
	map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
	chain mark-for-masquerade {{ meta mark set meta mark or {_MARK}; }}
	chain masquerading {{
		meta mark and {_MARK} == 0 return
		meta mark set meta mark xor {_MARK}
		masquerade fully-random
	}}
	chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips; }}
	chain filter-forward {{
		type filter hook forward priority -110; policy accept;
		ct state invalid drop
	}}
	chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
	chain nat-output {{ type nat hook output priority -100; jump services; }}
	chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
}}
"""


def nftables_service(s, choose=True):
    """The rules of one service. @choose: as kube-proxy writes it, even if there is no choice."""
    yield f"add rule ip kube-proxy service-{s.name} jump mark-for-masquerade"
    if choose or len(s.backends) > 1:
        numbers = ", ".join(f"{i} : goto endpoint-{s.name}-{i}" for i in range(len(s.backends)))
        yield (f"add rule ip kube-proxy service-{s.name} numgen random mod {len(s.backends)} "
               f"vmap {{ {numbers} }}")
    else:
        yield f"add rule ip kube-proxy service-{s.name} goto endpoint-{s.name}-0"
    for i, b in enumerate(s.backends):
        chain = f"endpoint-{s.name}-{i}"
        yield f"add rule ip kube-proxy {chain} ip saddr {b} jump mark-for-masquerade"
        yield f"add rule ip kube-proxy {chain} meta l4proto tcp dnat to {b}:{s.backend_port}"


def nftables_again(s):
    """What `nft -f` reads to write one service's chains again."""
    yield f"flush chain ip kube-proxy service-{s.name}"
    yield from (f"flush chain ip kube-proxy endpoint-{s.name}-{i}" for i in range(len(s.backends)))
    yield from nftables_service(s)


def nftables(services, choose=True):
    """What `nft -f` reads. Without @choose it loads in seconds where it took minutes: nftables
    gives each map without a name a number that it looks for among all others'."""
    yield _NFTABLES
    for s in services:
        yield f"add chain ip kube-proxy service-{s.name}"
        yield from (f"add chain ip kube-proxy endpoint-{s.name}-{i}" for i in range(len(s.backends)))
    for s in services:
        yield from nftables_service(s, choose)
    for s in services:
        yield (f"add element ip kube-proxy service-ips "
               f"{{ {s.vip} . tcp . {s.port} : goto service-{s.name} }}")


def masquerade(to):
    """What `nft -f` reads to masquerade all that IPVS sends to a network."""
    return [f"""
table ip bench {{
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr {to} masquerade fully-random
	}}
}}"""]


def flowtable(devices):
    """What `nft -f` reads to let established flows pass by the rules."""
    return [f"""
table ip bench {{
	flowtable fast {{ hook ingress priority filter; devices = {{ {', '.join(devices)} }}; }}
	chain forward {{
		type filter hook forward priority 0; policy accept;
		ct state established flow add @fast
	}}
}}"""]
