# SPDX-License-Identifier: GPL-2.0-only
"""Clusters of Kubernetes as configurations; what is made of random ones is held against a naive model."""
import ipaddress
import itertools
import random

from lb import USAGE, REFUSED, fails, in_space, space
from net import manifests as m
from net.ktap import check, equal
from net.plan import endpoint

NODES = ["n1", "n2", "n3"]
ZONES = [None, "z1", "z2"]
PORTS = [("", "TCP", 80), ("http", "TCP", 80), ("dns", "UDP", 53), ("sig", "SCTP", 36412)]


# The model: for each port of each service, the sets that KEP-1669, KEP-2433 and kube-proxy's documents tell of.

def ours(service):
    labels, spec = service["metadata"]["labels"], service["spec"]
    return (spec["type"] != "ExternalName" and spec["clusterIP"] not in (None, "", "None") and
            not {"service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"} & set(labels))


def hinted(endpoints, node):
    """Of the ready ones of a family, those for the node."""
    for key, mine in (("forNodes", node["metadata"]["name"]), ("forZones", node["metadata"]["labels"].get(m.ZONE))):
        of = [{h["name"] for h in e.get("hints", {}).get(key, [])} for e in endpoints]
        if of and all(of) and any(mine in names for names in of):
            return [e for e, names in zip(endpoints, of) if mine in names]
    return endpoints


def backends_of(service, port, slices, nodes, self):
    spec, meta = service["spec"], service["metadata"]
    mine = next(n for n in nodes if n["metadata"]["name"] == self)
    outside = spec["type"] != "ClusterIP" or spec.get("externalIPs")
    local_counts = (spec.get("internalTrafficPolicy") == "Local" or
                    outside and spec.get("externalTrafficPolicy") == "Local")
    found = {}
    for s in slices:
        if s["metadata"]["labels"].get(m.SERVICE_NAME) != meta["name"] or \
                s["metadata"]["namespace"] != meta["namespace"]:
            continue
        numbers = [p["port"] for p in s["ports"] if (p["name"], p["protocol"]) == (port["name"], port["protocol"])]
        for e in s["endpoints"] if numbers else ():
            c = e["conditions"]
            if c["ready"] or c["serving"] and c["terminating"]:
                at = e["addresses"][0], numbers[0]
                rank = e.get("nodeName") == self, c["ready"]
                if at not in found or rank > found[at][0]:
                    found[at] = rank, e
    for version in 4, 6:
        those = {at: e for at, (_, e) in found.items() if ipaddress.ip_address(at[0]).version == version}
        ready = [e for e in those.values() if e["conditions"]["ready"]]
        chosen = hinted(ready, mine)
        for at, e in those.items():
            here = e.get("nodeName") == self
            if not e["conditions"]["ready"] or e in chosen or here and local_counts:
                yield at, e, here


def place(e, here, nodes):
    if here:
        return "local"
    version = ipaddress.ip_address(e["addresses"][0]).version
    for n in nodes:
        for a in n["status"]["addresses"] if n["metadata"]["name"] == e.get("nodeName") else ():
            if a["type"] == "InternalIP" and ipaddress.ip_address(a["address"]).version == version:
                return f"node {a['address']}"
    return "plain"


def fronts_of(service, port):
    spec = service["spec"]
    ranges = [r.strip() for r in spec.get("loadBalancerSourceRanges", [])]
    guarded = {ipaddress.ip_network(r).version for r in ranges}
    vips = [i["ip"] for i in service["status"]["loadBalancer"].get("ingress", ())
            if i.get("ip") and i.get("ipMode") != "Proxy"]
    closed = {ip for ip in vips if ipaddress.ip_address(ip).version in guarded}
    opened = "open:" if closed else ""
    fronts = [f"{opened}internal:{endpoint(ip, port['port'])}" for ip in spec["clusterIPs"]]
    if port.get("nodePort"):
        fronts.append(f"{opened}nodeport:{port['nodePort']}")
    for ip in dict.fromkeys([*vips, *spec.get("externalIPs", ())]):
        fronts.append(("" if ip in closed else opened) + endpoint(ip, port["port"]))
    return fronts, ranges if closed else []


def model(objects, self):
    """The configuration of the node @self, in lines."""
    kinds = {kind: [o for o in objects if o["kind"] == kind] for kind in ("Service", "EndpointSlice", "Node")}
    nodes = kinds["Node"]
    for n in nodes:
        for a in n["status"]["addresses"]:
            if a["type"] == "InternalIP":
                yield f"node add {a['address']}"
        if n["metadata"]["name"] == self and n["spec"].get("podCIDRs"):
            yield f"set pods {','.join(n['spec']['podCIDRs'])}"
    for s in filter(ours, kinds["Service"]):
        spec, meta = s["spec"], s["metadata"]
        for port in spec["ports"]:
            name = f"{meta['namespace']}/{meta['name']}" + (f":{port['name']}" if port["name"] else "")
            fronts, ranges = fronts_of(s, port)
            words = []
            if spec.get("externalTrafficPolicy") == "Local" and (spec["type"] != "ClusterIP" or spec.get("externalIPs")):
                words.append("policy local")
            if spec.get("internalTrafficPolicy") == "Local":
                words.append("internal-policy local")
            if spec.get("sessionAffinity") == "ClientIP":
                config = spec.get("sessionAffinityConfig", {}).get("clientIP", {})
                words.append(f"affinity {config.get('timeoutSeconds', 10800)}")
            if ranges:
                words.append(f"allow {','.join(ranges)}")
            yield " ".join(["service add", name, port["protocol"].lower(), *fronts, *words])
            for at, e, here in backends_of(s, port, kinds["EndpointSlice"], nodes, self):
                state = "active" if e["conditions"]["ready"] else "terminating"
                yield f"backend add {name} {endpoint(*at)} {place(e, here, nodes)} state {state}"


class Cluster:
    """A random one."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = itertools.count(1)

    def some(self, values, least=0):
        return self.random.sample(values, self.random.randint(least, len(values)))

    def maybe(self, value, chance=0.5):
        return value if self.random.random() < chance else None

    def fresh(self, net4, net6, version):
        return str(ipaddress.ip_network(net4 if version == 4 else net6)[next(self.numbers)])

    def node(self, n, name):
        families = self.random.choice([[4], [4, 6], [4, 6]])
        addresses = [f"192.168.0.{n}" if v == 4 else f"fd00::{n}" for v in families]
        pods = [f"10.244.{n}.0/24", f"fd00:244:{n}::/64"][:len(families)]
        return m.node(name, addresses, self.maybe(pods) or (), self.random.choice(ZONES))

    def service(self, name, namespace):
        kind = self.random.choice(["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])
        versions = self.random.choice([[4], [6], [4, 6]])
        ips = [self.fresh("10.96.0.0/16", "fd00:96::/64", v) for v in versions]
        named = self.some(PORTS[1:], 1) if self.random.random() < 0.6 else [PORTS[0]]
        ports = [(*p, 30000 + next(self.numbers) if kind in ("NodePort", "LoadBalancer") else 0) for p in named]
        spec = {"externalIPs": [self.fresh("203.0.113.0/24", "fd00:113::/64", v) for v in versions]} \
            if self.random.random() < 0.3 else {}
        ingress = []
        if kind == "LoadBalancer":
            ingress = [{"ip": self.fresh("192.0.2.0/24", "fd00:2::/64", self.random.choice(versions)),
                        **({"ipMode": self.random.choice(["VIP", "Proxy"])} if self.random.random() < 0.5 else {})}
                       for _ in range(self.random.randint(0, 2))] + [{"hostname": "lb.example.com"}]
            if ingress[0].get("ip") and self.maybe(True, 0.3):
                spec.setdefault("externalIPs", []).append(ingress[0]["ip"])
            if self.maybe(True):
                spec["loadBalancerSourceRanges"] = self.some([" 198.51.100.0/24", "10.0.0.0/8 ", "2001:db8::/32"], 1)
        for key in ("externalTrafficPolicy", "internalTrafficPolicy"):
            if self.maybe(True):
                spec[key] = self.random.choice(["Cluster", "Local"])
        if self.maybe(True, 0.3):
            spec["sessionAffinity"] = "ClientIP"
            if self.maybe(True):
                spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": self.random.randint(1, 86400)}}
        if self.maybe(True, 0.1):
            ips = ["None"]
        labels = self.random.choice([{}] * 5 + [{"service.kubernetes.io/service-proxy-name": "else"},
                                                {"service.kubernetes.io/headless": ""}])
        return m.service(name, ports, ips, kind, ingress, namespace, labels, **spec)

    def endpoint(self, net, version, hints):
        address = self.fresh("10.244.0.0/16", "fd00:244::/64", version) if not net or self.maybe(True, 0.8) \
            else self.random.choice(net)
        ready = self.random.random() < 0.7
        zones = self.some(["z1", "z2"], 1) if "zones" in hints and self.maybe(True, 0.9) else ()
        nodes = self.some(NODES, 1) if "nodes" in hints and self.maybe(True, 0.9) else ()
        return m.endpoint(address, self.random.choice([*NODES, "gone", None]), ready,
                          ready or self.random.random() < 0.7, not ready and self.random.random() < 0.7, zones, nodes)

    def slices(self, name, namespace):
        hints = self.random.choice([(), ("zones",), ("nodes",), ("zones", "nodes")])
        for n in range(self.random.randint(0, 3)):
            version = self.random.choice([4, 6])
            listed, addresses = [], []
            for _ in range(self.random.randint(0, 5)):
                listed.append(self.endpoint([a for a in addresses if ipaddress.ip_address(a).version == version],
                                            version, hints))
                addresses.append(listed[-1]["addresses"][0])
            ports = [(n, proto, port + 8000) for n, proto, port in self.some(PORTS, 1)]
            yield m.endpoint_slice(f"{name}-{n}", name, ports, listed, namespace, f"IPv{version}")

    def objects(self):
        result = [self.node(n, name) for n, name in enumerate(NODES, 11)]
        for n, namespace in itertools.product(range(8), ("default", "kube-system")):
            result += [self.service(f"s{n}", namespace), *self.slices(f"s{n}", namespace)]
        self.random.shuffle(result)
        return result


def as_the_model(form):
    """Six clusters, seen from one node or another."""
    with space() as s, space() as naive:
        for seed in range(6):
            objects = Cluster(f"{form} {seed}").objects()
            node = NODES[seed % 3]
            naive.do("apply", naive.file("\n".join([*model(objects, node), ""])))
            s.do("apply", "--node", node, s.file(m.text(objects, form)))
            equal(s.do("save"), naive.do("save"), f"configuration of {node} by the cluster of seed {seed}")
            check("backend add" in s.do("save"), "a cluster without backends shows nothing")


WEB = m.service("web", [("", "TCP", 80, 30080)], ["10.96.0.1"], "NodePort")
SLICE = m.endpoint_slice("web-1", "web", [("", "TCP", 8080)], [m.endpoint("10.244.1.1", "n1")])
NODE = m.node("n1", ["192.168.0.11"])


def changed(base, **changes):
    """@base with other fields; a name's levels are parted by __."""
    result = {k: changed(v) if isinstance(v, dict) else v for k, v in base.items()}
    for path, value in changes.items():
        *levels, last = path.split("__")
        at = result
        for level in levels:
            at = at[level]
        at[last] = value
    return result


def refusals(s):
    s.do("apply", "--node", "n1", s.file(m.text([WEB, SLICE, NODE])))
    before = s.do("save"), s.generation()
    for objects, field, word in (
            ([changed(WEB, spec__type="Nodeport"), NODE], "spec.type", "Nodeport"),
            ([changed(WEB, spec__externalTrafficPolicy="local"), NODE], "spec.externalTrafficPolicy", "local"),
            ([changed(WEB, spec__sessionAffinity="Cookie"), NODE], "spec.sessionAffinity", "Cookie"),
            ([changed(WEB, spec__externalIPs=["10.0.0.300"]), NODE], "spec.externalIPs[0]", "10.0.0.300"),
            ([changed(WEB, spec__ports=[{"port": 80, "protocol": "DCCP"}]), NODE], "spec.ports[0].protocol", "DCCP"),
            ([changed(WEB, spec__ports=[{"port": 80808}]), NODE], "spec.ports[0].port", "80808"),
            ([changed(WEB, spec__loadBalancerSourceRanges=["10.0.0.0/33"]), NODE],
             "spec.loadBalancerSourceRanges[0]", "10.0.0.0/33"),
            ([changed(WEB, status__loadBalancer={"ingress": [{"ip": "192.0.2.1", "ipMode": "DSR"}]}), NODE],
             "status.loadBalancer.ingress[0].ipMode", "DSR"),
            ([changed(SLICE, addressType="IPX"), NODE], "addressType", "IPX"),
            ([changed(SLICE, endpoints=[{"addresses": ["fd00::1"]}]), NODE], "endpoints[0].addresses[0]", "fd00::1"),
            ([changed(SLICE, endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": "yes"}}]), NODE],
             "endpoints[0].conditions.ready", "'yes'"),
            ([changed(SLICE, apiVersion="discovery.k8s.io/v1beta1"), NODE], "apiVersion", "discovery.k8s.io/v1beta1"),
            ([changed(NODE, status__addresses=[{"type": "InternalIP", "address": "here"}])],
             "status.addresses[0].address", "here"),
            ([m.module_config("Direct"), NODE], "spec.settings.bpfLBMode", "Direct"),
            ([changed(WEB, kind="Endpoints"), NODE], "kind", "Endpoints")):
        text = m.text(objects, "documents")
        number = next(n for n, line in enumerate(text.splitlines(), 1) if line.endswith((f" {word}", f'"{word}"')))
        column = text.splitlines()[number - 1].index(word) + 1
        path = s.file(text)
        fails(s.say("apply", "--node", "n1", path), USAGE, f"{field}: ", word, where=f"{path}:{number}:{column}")
        equal((s.do("save"), s.generation()), before, f"after {field} {word}")


def refusals_of_the_whole(s):
    """What no field is to blame for."""
    good = s.file(m.text([WEB, SLICE, NODE]))
    fails(s.say("apply", good), USAGE, "--node NAME")
    fails(s.say("apply", "--node", "n2", good), USAGE, "no Node of the name 'n2'")
    fails(s.say("apply", good, "--node"), USAGE, "name is missing", "")
    twice = s.file(m.text([WEB, NODE, WEB], "documents"))
    said = s.say("apply", "--node", "n1", twice)
    equal(said.code, USAGE, "exit status", said.details)
    with open(twice, encoding="utf-8") as f:
        third = [n for n, line in enumerate(f, 1) if line == "apiVersion: v1\n"][2]
    check(said.err.startswith(f"{twice}:{third}:1: error: the Service default/web is also in line 1"),
          "which one is twice", said.details)
    for text, sentence in (('{"apiVersion": "v1", "kind": "List", "items": [', "neither YAML nor JSON"),
                           ("apiVersion: v1\nkind: *x\n", "aliases"),
                           ("*x\napiVersion: v1\n", "aliases"),
                           ("apiVersion: v1\nkind: Service\nkind: Node\n", "second time"),
                           ("apiVersion: v1\n- x\n", "neither YAML nor JSON"),
                           ("apiVersion: v1\nkind: ServiceList\nitems: []\n", "must be a List"),
                           ("apiVersion: v1\nitems: []\nkind: ServiceList\n", "must be a List"),
                           ("apiVersion: v1\nmetadata: {}\n", "kind is missing"),
                           ("apiVersion: v1\nkind: Service\nmetadata: []\n", "metadata: must be fields"),
                           ("apiVersion: " + "[" * 1000, "levels deep")):
        said = s.say("apply", "--node", "n1", s.file(text))
        equal(said.code, USAGE, f"exit status for {text[:60]!r}", said.details)
        check(sentence in said.err, f"sentence: {sentence}", said.details)
    equal(s.json("service list")["services"], [], "services after nothing but refusals")


def refused_by_the_kernel(s):
    """The line of the object that it is about, and the word of what was made of it: in the order of names."""
    other = m.service("other", [("", "TCP", 80, 30080)], ["10.96.0.2"], "NodePort")
    path = s.file(m.text([NODE, WEB, other], "documents"))
    with open(path, encoding="utf-8") as f:
        second = [n for n, line in enumerate(f, 1) if line == "apiVersion: v1\n"][1]
    fails(s.say("apply", "--node", "n1", path), REFUSED, "has this address already", "nodeport:30080",
          where=f"{path}:{second}")


def module_configs(s):
    """Alone, it is nothing but the mode; that of another module, or of a disabled one, is nothing."""
    s.do("apply", "--node", "n1", s.file(m.text([WEB, SLICE, NODE])))
    rest = [line for line in s.do("save").splitlines() if not line.startswith("set mode")]
    for word, mode in (("DSR", "dsr"), ("Hybrid", "hybrid"), ("SNAT", "snat")):
        s.do("apply", s.file(m.text([m.module_config(word)], "documents")))
        settings = s.json("set show")["settings"]
        equal((settings["mode"], settings["mode_origin"]), (mode, "set"), "mode")
        equal([line for line in s.do("save").splitlines() if not line.startswith("set mode")], rest, "all else")
    s.do("apply", s.file(m.text([m.module_config("DSR", enabled=False)], "documents")))
    equal(s.json("set show")["settings"]["mode"], "snat", "after that of a disabled module")
    other = changed(m.module_config("DSR"), spec__settings={"policyCIDRMatchMode": []})
    s.do("apply", "--node", "n1", s.file(m.text([other, m.module_config("Hybrid"), WEB, SLICE, NODE])))
    equal(s.json("set show")["settings"]["mode"], "hybrid", "mode with a cluster")


def several_files(s):
    """Settings of one's own beside a cluster; together they are the configuration, from whichever input."""
    base = s.file("set mode dsr\nset dispatch geneve\nservice add own tcp 192.0.2.99:80\n")
    cluster = m.text([WEB, SLICE, NODE], "json")
    s.do("apply", base, "--node", "n1", "-", stdin=cluster)
    both = s.do("save").splitlines()
    check({"set mode dsr", "set dispatch geneve", "backend add default/web 10.244.1.1:8080 local"} <= set(both),
          f"both files: {both}")
    equal({x["name"] for x in s.json("service list")["services"]}, {"default/web", "own"}, "services")
    s.do("apply", base)
    equal([x["name"] for x in s.json("service list")["services"]], ["own"], "services of one file")
    bad = s.file("service add own tcp 192.0.2.98:80\n")
    fails(s.say("apply", base, bad), REFUSED, "", "own", where=f"{bad}:1:13")


def annotations(s):
    """Cilium's words for what Kubernetes has none for."""
    for scheduler, mode, rule, want in (("least-conn", "dsr", "deny", ("lc", "dsr", "deny")),
                                        ("maglev", "snat", "allow", ("maglev", "snat", "allow"))):
        web = m.service("web", [("", "TCP", 80, 30080)], ["10.96.0.1"], "LoadBalancer", [{"ip": "192.0.2.1"}],
                        annotations={"service.cilium.io/lb-algorithm": scheduler,
                                     "service.cilium.io/forwarding-mode": mode,
                                     "service.cilium.io/src-ranges-policy": rule},
                        loadBalancerSourceRanges=["10.0.0.0/8"])
        s.do("apply", "--node", "n1", s.file(m.text([web, NODE])))
        line = next(x for x in s.do("save").splitlines() if x.startswith("service add")).split()
        equal((line[line.index("scheduler") + 1], line[line.index("mode") + 1], line[-2]), want, "of annotations")
    web = m.service("web", [("", "TCP", 80, 30080)], ["10.96.0.1"],
                    annotations={"service.cilium.io/lb-algorithm": "wlc"})
    said = s.say("apply", "--node", "n1", s.file(m.text([web, NODE])))
    check("metadata.annotations.service.cilium.io/lb-algorithm: 'wlc' is not known; valid: random, maglev, least-conn"
          in said.err, "unknown algorithm", said.details)


def health_checks(s):
    """Who waits for them learns that nobody answers, and where that is asked for."""
    web = m.service("web", [("", "TCP", 80, 30080)], ["10.96.0.1"], "LoadBalancer", [{"ip": "192.0.2.1"}],
                    externalTrafficPolicy="Local", healthCheckNodePort=32001)
    text = m.text([NODE, web], "documents")
    path, line = s.file(text), text.splitlines().index("---") + 2
    said = s.say("apply", "--node", "n1", path)
    equal((said.code, said.err),
          (0, f"{path}:{line}: note: default/web: health checks at node port 32001 are not answered by bpflb\n"), "what is said")
    equal([x["policy"] for x in s.json("service list")["services"]], ["local"], "policies")


def longest_names(s):
    """What Kubernetes allows can be named."""
    namespace, name, port = "n" * 63, "s" * 63, "p" * 15
    web = m.service(name, [(port, "TCP", 80, 0)], ["10.96.0.1"], namespace=namespace)
    s.do("apply", "--node", "n1", s.file(m.text([web, NODE])))
    full = f"{namespace}/{name}:{port}"
    equal([x["name"] for x in s.json("service list")["services"]], [full], "name")
    equal(s.json(f"service list {full}")["services"][0]["name"], full, "by its name")


def tests(subset):
    forms = ("yaml",) if subset else ("yaml", "json", "documents")
    return [*((f"kubernetes: six clusters as a naive model has them, {form}",
               lambda form=form: as_the_model(form)) for form in forms),
            ("kubernetes: refusals name the line and the field", in_space(refusals)),
            ("kubernetes: refusals of what is no cluster", in_space(refusals_of_the_whole)),
            ("kubernetes: refused by the kernel", in_space(refused_by_the_kernel)),
            ("kubernetes: a ModuleConfig", in_space(module_configs)),
            ("kubernetes: several files are one configuration", in_space(several_files)),
            ("kubernetes: annotations", in_space(annotations)),
            ("kubernetes: health checks that nobody answers", in_space(health_checks)),
            ("kubernetes: the longest names", in_space(longest_names))]
