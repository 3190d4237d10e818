# SPDX-License-Identifier: GPL-2.0-only
"""The rules that Docker, kube-proxy and flannel make on a node, as they make them; for beside.py.

All are texts for iptables-restore, but kube-proxy's of its nftables mode. What they name beside the plan's addresses is theirs.
"""
from net.plan import endpoint

# What kube-proxy calls a service is a digest of its name; these are as long.
_API, _WEB, _OWN = "NPX46M4PTMTKRN6Y", "XGLOHA7QRQ3V22RZ", "TCOU7JCQXEZGVUNU"
MARK = "0x4000/0x4000"
PUBLISHED = 8088        # a container's port, at the node's addresses


def _text(tables):
    """{table: (chains, rules)} as iptables-restore reads it; a chain is NAME or (NAME, policy)."""
    lines = []
    for table, (chains, rules) in tables.items():
        lines.append(f"*{table}")
        lines += [f":{c[0]} {c[1]} [0:0]" if isinstance(c, tuple) else f":{c} - [0:0]" for c in chains]
        lines += [f"-A {rule}" for rule in rules]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def docker(container, length, bridge="docker0"):
    """One container, which has a port published; FORWARD drops the rest."""
    net = f"{container}/{length}"
    return _text({
        "nat": (["DOCKER"], [
            "PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "OUTPUT -m addrtype --dst-type LOCAL -j DOCKER",
            f"POSTROUTING -s {net} ! -o {bridge} -j MASQUERADE",
            f"DOCKER -i {bridge} -j RETURN",
            f"DOCKER ! -i {bridge} -p tcp -m tcp --dport {PUBLISHED} -j DNAT --to-destination {endpoint(container, 8080)}"]),
        "filter": ([("FORWARD", "DROP"), "DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER"], [
            "FORWARD -j DOCKER-USER",
            "FORWARD -j DOCKER-ISOLATION-STAGE-1",
            f"FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"FORWARD -o {bridge} -j DOCKER",
            f"FORWARD -i {bridge} ! -o {bridge} -j ACCEPT",
            f"FORWARD -i {bridge} -o {bridge} -j ACCEPT",
            f"DOCKER -d {net} ! -i {bridge} -o {bridge} -p tcp -m tcp --dport 8080 -j ACCEPT",
            f"DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2",
            "DOCKER-ISOLATION-STAGE-1 -j RETURN",
            f"DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP",
            "DOCKER-ISOLATION-STAGE-2 -j RETURN",
            "DOCKER-USER -j RETURN"])})


def _cluster_ip(name, address, length, pods):
    """A service's rules; each pod's is a chain of its own."""
    yield f"KUBE-SERVICES -d {address}/{length} -p tcp -m tcp --dport 80 -j KUBE-EXT-{name}"
    yield f"KUBE-EXT-{name} -j KUBE-MARK-MASQ"
    yield f"KUBE-EXT-{name} -j KUBE-SVC-{name}"
    for n, pod in enumerate(pods):
        odds = f"-m statistic --mode random --probability {1 / (len(pods) - n):.10f}" if n < len(pods) - 1 else ""
        yield f"KUBE-SVC-{name} {odds} -j KUBE-SEP-{name}{n}"
        yield f"KUBE-SEP-{name}{n} -s {pod}/{length} -j KUBE-MARK-MASQ"
        yield f"KUBE-SEP-{name}{n} -p tcp -m tcp -j DNAT --to-destination {endpoint(pod, 8080)}"


def kube_iptables(shared, own, pods, length):
    """kube-proxy's iptables mode: @shared is an address that bpflb balances too, @own is not; both for @pods."""
    seps = [f"KUBE-SEP-{name}{n}" for name in (_WEB, _OWN) for n in range(len(pods))]
    loopback = "::1/128" if ":" in own else "127.0.0.0/8"
    return _text({
        "nat": (["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY",
                 *(f"KUBE-{kind}-{name}" for name in (_WEB, _OWN) for kind in ("EXT", "SVC")), *seps], [
            "PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING",
            f"KUBE-MARK-MASQ -j MARK --set-xmark {MARK}",
            f"KUBE-POSTROUTING -m mark ! --mark {MARK} -j RETURN",
            "KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
            "KUBE-POSTROUTING -j MASQUERADE --random-fully",
            *_cluster_ip(_WEB, shared, length, pods), *_cluster_ip(_OWN, own, length, pods),
            "KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
            f"KUBE-NODEPORTS -p tcp -m tcp --dport 30999 -j KUBE-EXT-{_OWN}"]),
        "filter": (["KUBE-FORWARD", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-FIREWALL",
                    "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY"], [
            "INPUT -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL",
            "INPUT -j KUBE-NODEPORTS",
            "INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES",
            "INPUT -j KUBE-FIREWALL",
            "FORWARD -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL",
            "FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD",
            "FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES",
            "FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES",
            "OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES",
            f"KUBE-FIREWALL ! -s {loopback} -d {loopback} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
            "KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
            f"KUBE-FORWARD -m mark --mark {MARK} -j ACCEPT",
            "KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"])})


def flannel(pods):
    """It accepts what is from or for pods; @pods: their network."""
    return _text({"filter": (["FLANNEL-FWD"], ["FORWARD -j FLANNEL-FWD", f"FLANNEL-FWD -s {pods} -j ACCEPT",
                                               f"FLANNEL-FWD -d {pods} -j ACCEPT"])})


def kube_nft(ip, shared, own, pods):
    """kube-proxy's nftables mode, for `nft -f`."""
    kind = f"ipv{6 if ip == 'ip6' else 4}_addr"
    chains, elements = "", []
    for name, address in ((_WEB, shared), (_OWN, own)):
        service = f"service-{name}-ns1/svc/tcp/http"
        targets = []
        for n, pod in enumerate(pods):
            endpoint_chain = f"endpoint-{name}{n}-ns1/svc/tcp/http__{n}"
            targets.append(f"{n} : goto {endpoint_chain}")
            chains += f"""
    chain {endpoint_chain} {{
        {ip} saddr {pod} jump mark-for-masquerade
        meta l4proto tcp dnat to {endpoint(pod, 8080)}
    }}"""
        chains += f"""
    chain {service} {{
        jump mark-for-masquerade
        numgen random mod {len(pods)} vmap {{ {", ".join(targets)} }}
    }}"""
        elements.append(f"{address} . tcp . 80 : goto {service}")
    return f"""
table {ip} kube-proxy {{
    chain mark-for-masquerade {{ meta mark set mark or 0x4000; }}
    chain masquerading {{
        mark and 0x4000 == 0 return
        meta mark set mark xor 0x4000
        masquerade fully-random
    }}
{chains}
    map service-ips {{ type {kind} . inet_proto . inet_service : verdict; elements = {{ {", ".join(elements)} }}; }}
    map no-endpoint-services {{ type {kind} . inet_proto . inet_service : verdict; }}
    set cluster-ips {{ type {kind}; elements = {{ {own} }}; }}
    chain reject-chain {{ reject; }}
    chain service-endpoints-check {{ {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services; }}
    chain cluster-ips-check {{ {ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"; }}
    chain services {{ {ip} daddr . meta l4proto . th dport vmap @service-ips; }}
    chain filter-prerouting {{ type filter hook prerouting priority -110; ct state new jump service-endpoints-check; }}
    chain filter-input {{ type filter hook input priority -110; ct state new jump service-endpoints-check; }}
    chain filter-forward {{ type filter hook forward priority -110;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain filter-output {{ type filter hook output priority -110;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
    chain nat-output {{ type nat hook output priority -100; jump services; }}
    chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
}}
"""
