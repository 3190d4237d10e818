# SPDX-License-Identifier: GPL-2.0-only
"""lbadm metrics: the numbers, their names, and that docs/metrics.md has all of them."""
import contextlib
import os
import re
import socket
import stat
import subprocess
import threading
import time

from apply import big
from exposition import TOP, Metrics, promtool
from lb import LBADM, REFUSED, USAGE, fails, in_space
from net.ktap import check, equal

CONFIG = """node add 192.168.0.11
service add web tcp 192.0.2.10:443 nodeport:30443 scheduler rr flows-max 70
backend add web 10.1.0.2:8443 weight 3 flows-max 9
backend add web 10.1.0.3:8443 node 192.168.0.11 state draining
backend add web 10.1.0.4:8443 local
service add dns udp 192.0.2.10:53 [2001:db8::10]:53 policy local
backend add dns [2001:db8::2]:5353 local
service add kube-system/dns:metrics_9.x udp 192.0.2.10:54
backend add kube-system/dns:metrics_9.x 10.1.0.2:5353
set mode hybrid snat-address 10.1.0.1 10.1.0.9 flows-max 100000
"""


def configured(s):
    """Some of everything, and traffic that is counted."""
    s.do("apply", s.file(CONFIG))
    for port in 4000, 4001, 4002:
        s.connect(socket.SOCK_DGRAM, port, ("192.0.2.10", 54))
    for port in 4003, 4004:
        with contextlib.suppress(ConnectionRefusedError):
            s.connect(socket.SOCK_DGRAM, port, ("192.0.2.10", 53))     # no backend of IPv4
    return Metrics(s.do("metrics"))


def promtool_accepts_it(s):
    done = promtool("check", "metrics", input=configured(s).text)
    equal(done.stdout + done.stderr, "", "what promtool check metrics has to say")


def counters_are(m, prefix, want, **labels):
    for name, key in ("flows_created_total", "flows"), ("dropped_packets_total", "drops"):
        if key in want:
            equal(m.value(f"{prefix}{name}", **labels), want[key], f"{prefix}{name} of {labels}")
    for what in "packets", "bytes":
        for direction in "in", "out":
            equal(m.value(f"{prefix}{what}_total", direction=direction, **labels),
                  want[f"{what}_{direction}"], f"{prefix}{what}_total {direction} of {labels}")


def the_numbers_are_those_of_the_lists(s):
    m = configured(s)
    status, stats = s.json("status")["status"], s.json("stats")["stats"]
    version = s.json("status")["bpflb"]["version"]
    equal(m.all("bpflb_info"), [({"version": version, "mode": "hybrid"}, 1)], "bpflb_info")
    for key in "generation", "services", "backends", "nodes", "flows", "flows_max", "flow_buckets":
        equal(m.value(f"bpflb_{key}"), status[key], key)
    counters_are(m, "bpflb_", stats["counters"])
    check(stats["counters"]["flows"] == 3 == stats["counters"]["packets_in"], "no traffic", [repr(stats)])
    for key, name in (("notes_sent", "dsr_notes_sent"), ("notes_taken", "dsr_notes_taken"),
                      ("notes_removed", "dsr_notes_removed"), ("bypassed", "bypassed_packets"),
                      ("answers", "answers_sent"), ("affinity_evicted", "affinity_evictions"),
                      ("flow_events_lost", "flow_events_lost")):
        equal(m.value(f"bpflb_{name}_total"), stats[key], name)
    equal(sorted((x["reason"], v) for x, v in m.all("bpflb_dropped_packets_total")),
          sorted((drop["reason"], drop["packets"]) for drop in stats["drops"]), "drops")
    equal(m.value("bpflb_dropped_packets_total", reason="no-backend"), 2, "dropped")
    equal(m.value("bpflb_snat_addresses"), 2, "SNAT addresses")
    equal(m.value("bpflb_snat_ports"), 65535 - 1024 + 1 - 2768, "SNAT ports")
    for service in s.json("service list")["services"]:
        name = service["name"]
        counters_are(m, "bpflb_service_", service["counters"], service=name)
        equal(m.value("bpflb_service_info", service=name,
                      **{key: service[key] for key in ("proto", "scheduler", "policy")}), 1, name)
        equal((m.value("bpflb_service_backends", service=name),
               m.value("bpflb_service_local_backends", service=name),
               m.value("bpflb_service_flows_max", service=name)),
              (service["backends"], service["backends_local"], service["flows_max"]), name)
    for backend in s.json("backend list")["backends"]:
        form = "[%s]:%u" if ":" in backend["address"] else "%s:%u"
        which = {"service": backend["service"], "backend": form % (backend["address"], backend["port"])}
        counters_are(m, "bpflb_backend_", backend["counters"], **which)
        equal(m.value("bpflb_backend_info", state=backend["state"], node=backend["node"] or "", **which), 1,
              str(which))
        for key in "weight", "flows", "flows_max":
            equal(m.value(f"bpflb_backend_{key}", **which), backend[key], f"{key} of {which}")
    equal(len(m.all("bpflb_backend_flows")), status["backends"], "backends")
    equal(len(m.all("bpflb_service_backends")), status["services"], "services")


def an_empty_namespace(s):
    m = Metrics(s.do("metrics"))
    promtool("check", "metrics", input=m.text)
    equal((m.value("bpflb_services"), m.all("bpflb_service_info")), (0, []), "services")
    equal(m.value("bpflb_snat_addresses"), 0, "SNAT addresses")
    s.do("set snat-ports 40000-40009")
    equal(Metrics(s.do("metrics")).value("bpflb_snat_ports"), 10, "SNAT ports without node ports among them")
    s.do("set snat-ports 32760-32769")
    equal(Metrics(s.do("metrics")).value("bpflb_snat_ports"), 2, "with some")


def documented():
    """{name: (type, labels)} of docs/metrics.md."""
    table = {}
    with open(os.path.join(TOP, "docs/metrics.md"), encoding="utf-8") as f:
        for name, kind, labels in re.findall(r"^\| `(bpflb_\w+)` \| (\w+) \|([^|]*)\|", f.read(), re.M):
            check(name not in table, f"{name} is there twice")
            table[name] = kind, frozenset(re.findall(r"`(\w+)`", labels))
    return table


def the_document_has_all(s):
    m, table = configured(s), documented()
    equal(set(m.types) ^ set(table), set(), "metrics that one has and the other has not")
    for name, (kind, labels) in table.items():
        equal(m.types[name], kind, f"type of {name}")
        equal(m.labels[name], {labels}, f"labels of {name}")


def many_services(s):
    count = 10000
    s.do("apply", s.file(big(count, count)))
    path = os.path.join(s.dir, "bpflb.prom")
    began = time.monotonic()
    s.do("metrics", "--output", path)
    took = time.monotonic() - began
    with open(path, encoding="ascii") as f:
        text = f.read()
    print(f"# {count} services: {text.count(chr(10))} lines, {len(text) >> 10} KiB, {took:.2f} s")
    check(took < 60, f"it took {took:.1f} s")
    for name in "bpflb_service_info{", "bpflb_service_bytes_total{", "bpflb_backend_flows{":
        equal(text.count(f"\n{name}"), count << ("bytes" in name), name)


def of_one_generation(s):
    """While services come and go, none is counted that is not there."""
    paths = [s.file(big(n, n)) for n in (20, 300)]
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for path in paths:
                s.do("apply", path)

    s.do("apply", paths[0])
    thread = threading.Thread(target=churn)
    thread.start()
    seen = {}
    try:
        for _ in range(30):
            said = s.say("metrics")
            if said.code:       # changed each of ten times: rather nothing than something wrong
                fails(said, REFUSED, "the configuration changed")
                continue
            m = Metrics(said.out)
            services = len(m.all("bpflb_service_info"))
            equal((services, len(m.all("bpflb_backend_info"))),
                  (m.value("bpflb_services"), m.value("bpflb_backends")), "rows")
            check(services in (20, 300), f"{services} services")
            seen[services] = True
    finally:
        stop.set()
        thread.join()
    check(seen, "it never came to an answer")


def into_a_file(s):
    configured(s)
    path = os.path.join(s.dir, "bpflb.prom")
    equal(s.do("metrics", "--output", path), "", "output")
    with open(path, encoding="ascii") as f:
        first = f.read()
        equal(set(Metrics(first).types), set(documented()), "metrics in the file")
        s.do("service del web")
        s.do("metrics", "--output", path)
        f.seek(0)
        equal(f.read(), first, "what a reader of the old one sees")
    with open(path, encoding="ascii") as f:
        check('service="web"' not in f.read(), "the file is not new")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o644, "mode of the file")
    equal([x for x in os.listdir(s.dir) if "prom" in x], ["bpflb.prom"], "files")


def a_file_that_cannot_be_written(s):
    missing = os.path.join(s.dir, "none", "bpflb.prom")
    fails(s.say("metrics", "--output", missing), REFUSED, f"can't write '{missing}': No such file")
    # A directory that is full: nothing is left of the attempt.
    small = os.path.join(s.dir, "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], check=True)
    try:
        path = os.path.join(small, "bpflb.prom")
        with open(path, "w", encoding="ascii") as f:
            f.write("old\n")
        fails(s.say("metrics", "--output", path), REFUSED, "No space left")
        equal(os.listdir(small), ["bpflb.prom"], "files")
        with open(path, encoding="ascii") as f:
            equal(f.read(), "old\n", "the old file")
    finally:
        subprocess.run(["umount", small], check=True)


def wrong_words(s):
    fails(s.say("metrics --output"), USAGE, "name of the file is missing", "")
    fails(s.say("metrics web"), USAGE, "unknown word 'web'", "web")
    fails(s.say("metrics --http now"), USAGE, "nothing may follow", "now")
    said = s.say("-j metrics")
    equal(said.code, USAGE, "exit status", said.details)
    check("lbadm -j stats" in said.err, "no word of what to do", said.details)


def without_privilege(s):
    """A user that has none sees the counters."""
    configured(s)
    done = subprocess.run(["ip", "netns", "exec", s.name, "setpriv", "--reuid=65534", "--regid=65534",
                           "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", LBADM, "metrics"],
                          capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""), "exit status and errors")
    equal(Metrics(done.stdout).value("bpflb_service_flows_created_total",
                                     service="kube-system/dns:metrics_9.x"), 3, "flows")


def when_counters_reset(s):
    """An apply leaves them alone; a service keeps what its removed backends counted; a new one begins at 0."""
    name = "kube-system/dns:metrics_9.x"

    def created(kind, **labels):
        return Metrics(s.do("metrics")).value(f"bpflb_{kind}_flows_created_total", **labels)

    def of_backend():
        return created("backend", service=name, backend="10.1.0.2:5353")

    configured(s)
    s.do("apply", s.file(CONFIG + "service add more udp 192.0.2.11:54\n"))
    equal((created("service", service=name), of_backend()), (3, 3), "flows created, after an apply")
    s.do(f"backend del {name} 10.1.0.2:5353")
    equal(created("service", service=name), 3, "flows created, after the backend was removed")
    s.do(f"backend add {name} 10.1.0.2:5353")
    equal((created("service", service=name), of_backend()), (3, 0), "flows created, with the backend anew")
    s.do(f"service del {name}")
    s.do("apply", s.file(CONFIG))
    equal((created("service", service=name), of_backend()), (0, 0), "flows created, with the service anew")


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("promtool accepts the metrics", promtool_accepts_it),
        ("the numbers are those of the lists", the_numbers_are_those_of_the_lists),
        ("an empty namespace", an_empty_namespace),
        ("docs/metrics.md has all metrics, and no others", the_document_has_all),
        ("ten thousand services", many_services),
        ("all of one generation", of_one_generation),
        ("when counters reset", when_counters_reset),
        ("into a file, as a whole", into_a_file),
        ("a file that cannot be written", a_file_that_cannot_be_written),
        ("wrong words", wrong_words),
        ("without privilege", without_privilege),
    )]
