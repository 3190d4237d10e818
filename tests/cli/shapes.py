# SPDX-License-Identifier: GPL-2.0-only
"""What lbadm writes with -j is what docs/json/lbadm.schema.json says, and has no key that it does not know."""
import contextlib
import copy
import json
import os
import re
import socket

import jsonschema

from apply import SAVED
from lb import OK, in_space, lbadm, parsed, works
from monitor import lose_events, monitor
from net.ktap import check, equal
from rates import echo, watching

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "json", "lbadm.schema.json")
with open(SCHEMA, encoding="utf-8") as _f:
    schema = json.load(_f)
seen = set()

# Of all nouns, those that write no JSON, or whose is another suite's to look at.
ELSEWHERE = {"metrics", "upgrade", "import", "report"}


def shape(name):
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def faults(name, what):
    return [f"{'/'.join(str(x) for x in e.absolute_path)}: {e.message}" for e in shape(name).iter_errors(what)]


def fits(name, text):
    """@text is as the schema's @name says; and is not any more when there is a key too many anywhere."""
    what = parsed(text)
    found = faults(name, what)
    check(not found, f"{name}: {len(found)} faults", [*found[:20], text[:2000]])
    for path, there in list(objects(what)):
        there["surplus"] = 1
        check(faults(name, what), f"{name}: the schema takes any key at {path}")
        del there["surplus"]
    check(not jsonschema.Draft202012Validator(schema).is_valid({**what, "surplus": 1}), f"{name}: any key as a whole")
    seen.add(name)
    return what


def objects(what, path="top", limit=40):
    """Each object inside of @what, of long lists only the beginning."""
    if isinstance(what, dict):
        yield path, what
        for key, value in list(what.items()):
            yield from objects(value, f"{path}/{key}")
    if isinstance(what, list):
        for value in what[:limit]:
            yield from objects(value, path)


def the_schema_is_one(_s):
    jsonschema.Draft202012Validator.check_schema(schema)
    # Each answer is told of at the top, and nothing else is.
    top = {x["$ref"].rsplit("/", 1)[1] for x in schema["anyOf"]}
    parts = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps({k: schema["$defs"][k] for k in schema["$defs"]})))
    equal(top | parts, set(schema["$defs"]), "definitions that are used")
    missing = [path for path, what in objects(schema["$defs"], limit=1000) if what.get("type") == "object" and
               what.get("additionalProperties") is not False]
    equal(missing, [], "objects that may have any key")


def each_noun(s):
    text = SAVED.replace("set mode hybrid\n", "set mode snat\n").replace("set bypass off\n", "")
    s.do("apply", s.file(text))
    s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
    for words, name in (("", "status"), ("status", "status"), ("set", "settings"), ("set show", "settings"),
                        ("service", "services"), ("service list web", "services"), ("backend list", "backends"),
                        ("backend list web", "backends"), ("node list", "nodes"), ("flow list", "flows"),
                        ("affinity list", "affinity"), ("stats", "stats"), ("stats service web", "stats_service"),
                        ("save", "save"), ("flow flush", "flush")):
        fits(name, works(s.say("-j", *words.split())))
        equal(parsed(works(s.say("-j", "-p", *words.split()))).keys(), parsed(works(s.say("-j", *words.split()))).keys(),
              f"keys of {words} with -p")
    path = s.file(text + "node add 10.9.9.9\n")
    fits("check", works(s.say("-j", "check", path)))
    fits("diff", s.say("-j", "diff", path).out)
    fits("apply", works(s.say("-j", "apply", "--dry-run", path)))
    fits("apply", works(s.say("-j", "apply", path)))
    fits("diff", works(s.say("-j", "diff", path)))
    found = s.say("-j", "doctor")
    check(fits("doctor", found.out)["findings"], "nothing found by doctor")


def flows_and_clients(s):
    """Lists that have something in them, in each way there is to have a flow."""
    s.do("service add aff udp 192.0.2.10:54 affinity 1h")
    s.do("backend add aff 10.1.0.2:5353")
    s.do("node add 10.1.0.3")
    for mode in "snat", "dsr":
        s.do(f"service add {mode} udp 192.0.2.10:{80 if mode == 'snat' else 81} mode {mode}")
        s.do(f"backend add {mode} 10.1.0.3:80 node 10.1.0.3")
    for i, port in enumerate((54, 80, 81)):
        s.connect(socket.SOCK_DGRAM, 4000 + i, ("192.0.2.10", port))
    equal(len(fits("flows", works(s.say("-j flow list")))["flows"]), 3, "flows")
    equal(len(fits("affinity", works(s.say("-j affinity list")))["affinity"]), 1, "clients")


def errors(s):
    for words, stdin in (("service lits", ""), ("-n nowhere status", ""), ("node add 9.0.0.1 x", ""), ("apply -", "\nnode add x\n"),
                         ("apply -", "backend add nobody 10.0.0.1:80\n"), ("service del nobody", ""), ("apply", "")):
        said = s.say("-j", *words.split(), stdin=stdin)
        check(said.code != OK and not said.out, words, said.details)
        fits("error", said.err)


def watched_rates(s):
    with echo(s) as e, watching(s, "-j", "stats", "--watch") as w, watching(s, "-j", "stats", "service", "echo", "--watch") as one:
        for _ in range(2):
            e.talk(3)
            e.lose(2)
            fits("watch", w.until(b"\n"))
            fits("watch", one.until(b"\n"))


def events(s):
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    for options in ([], ["-t"]):
        with monitor(s, "-j", *options, "service", "backend", "node", "settings", "flow") as m:
            equal(fits("monitor_start", m.start)["bpflb"]["schema"], 1, "schema in the first line")
            for line, name, count in (("node add 10.9.0.1", "node", 1), ("service add web tcp 192.0.2.11:80 allow 10.0.0.0/8", "service", 1),
                                      ("backend add web 10.0.0.1:80 node 10.9.0.1", "backend", 1), ("service set web policy local", "service", 1),
                                      ("backend set web 10.0.0.1:80 weight 3", "backend", 1), ("set ping on", "settings", 1),
                                      ("backend del web 10.0.0.1:80", "backend", 1), ("service del web", "service", 1),
                                      ("node del 10.9.0.1", "node", 1), ("set ping off", "settings", 1)):
                s.do(line)
                for _ in range(count):
                    equal("time" in fits(f"monitor_{name}", m.line()), bool(options), "time")
            s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
            s.do("flow flush")
            while fits("monitor_flow", m.line())["event"] != "del":
                pass


def flow_events_lost(s):
    """More than a second may have, and the flows of one that counts what it carries."""
    s.do("set flow-events 1 flow-accounting on")
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    with monitor(s, "-j", "flow") as m:
        for i in range(20):
            s.connect(socket.SOCK_DGRAM, 4000 + i, ("192.0.2.10", 53))
        while parsed(line := m.line())["event"] != "lost":
            fits("monitor_flow", line)
        fits("monitor_flows_lost", line)
    check(all(x["packets_in"] == 1 for x in fits("flows", works(s.say("-j flow list")))["flows"]), "packets counted")


def explanations(s):
    """Of a packet that is nobody's, one that would have a flow, one that has, and one that is dropped."""
    s.do("service add dns udp 192.0.2.10:53")
    verdicts = []
    for step in ("", "backend add dns 10.1.0.2:5353", "connect"):
        if step == "connect":
            s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
        elif step:
            s.do(step)
        flow = s.json("flow list")["flows"][0] if step == "connect" else None
        client = f"{flow['client']['address']}:4000" if flow else "198.51.100.7:4000"
        for at in "192.0.2.10:53", "192.0.2.99:53":
            got = fits("explain", works(s.say("-j", "explain", "udp", client, at)))
            verdicts.append(got["explain"]["verdict"])
    equal(verdicts, ["drop", "pass", "balance", "pass", "flow", "pass"], "verdicts")


def events_lost(s):
    with monitor(s, "-j", "node") as m:
        s_text = "".join(f"node add 10.5.{i >> 8}.{i & 255}\n" for i in range(1, 4000))
        lose_events(s, m, s_text, "node add 10.9.9.9\n")
        names = {"lost": "monitor_lost", "resync": "monitor_resync", "resynced": "monitor_resync"}
        while (got := parsed(line := m.line()))["event"] != "resynced":
            if got["event"] in names:
                fits(names[got["event"]], line)
        fits("monitor_resync", line)


def no_source_port(s):
    """The event that a flow was dropped for want of a port."""
    s.do("set snat-ports 2000-2000 mode snat")
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    with monitor(s, "-j", "snat") as m:
        for i in range(3):
            with contextlib.suppress(OSError):
                s.connect(socket.SOCK_DGRAM, 4000 + i, ("192.0.2.10", 53))
        fits("monitor_snat", m.line())


def nothing_is_left_out(_s):
    """Every noun of help, and everything that the schema has, was looked at."""
    nouns = re.findall(r"^  (\w+)  ", works(lbadm("help")).split("options", 1)[0], re.M)
    told = copy.deepcopy(schema["$defs"])
    descriptions = " ".join(x.get("description", "") for x in told.values())
    for noun in nouns:
        check(noun in ELSEWHERE or re.search(rf"(lbadm|^){noun}\b|lbadm {noun}\b|{noun}:", descriptions), f"the schema does not tell of {noun}")
    equal({x["$ref"].rsplit("/", 1)[1] for x in schema["anyOf"]} - seen, ELSEWHERE & set(schema["$defs"]), "never looked at")


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("the schema is one", the_schema_is_one),
        ("each noun's JSON", each_noun),
        ("flows and clients as JSON", flows_and_clients),
        ("errors as JSON", errors),
        ("rates as JSON", watched_rates),
        ("events as JSON", events),
        ("lost events as JSON", events_lost),
        ("events of flows as JSON, and how many are lost", flow_events_lost),
        ("explanations as JSON", explanations),
        ("an event about source ports as JSON", no_source_port),
        ("nothing is left out of the schema", nothing_is_left_out),
    )]
