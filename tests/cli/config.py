# SPDX-License-Identifier: GPL-2.0-only
"""What lbadm changes, and how it shows it."""
import os
import socket
import subprocess

from lb import LBADM, REFUSED, USAGE, fails, in_space, lbadm, parsed, space, works
from net import ns
from net.ktap import check, equal


def rows(text):
    """The rows of a table, as lists of words, without the header."""
    return [line.split() for line in text.splitlines()[1:]]


def status(s):
    before = s.json("status")["status"]
    equal([before[key] for key in ("services", "backends", "nodes", "flows", "drops")],
          [0] * 5, "counts of an empty namespace")
    equal((before["mode"], before["mode_origin"]), ("snat", "module"), "mode")
    check(before["flows_max"] > 0 and before["flow_buckets"] > 0, "no room for flows")
    s.do("node add 10.9.0.1")
    s.do("service add web tcp 192.0.2.10:443")
    s.do("service add dns udp 192.0.2.10:53")
    for i in range(3):
        s.do(f"backend add web 10.0.0.{i + 1}:80")
    s.do("set mode dsr")
    after = s.json("status")["status"]
    equal([after[key] for key in ("services", "backends", "nodes")], [2, 3, 1], "counts")
    equal((after["mode"], after["mode_origin"]), ("dsr", "set"), "mode")
    equal(after["generation"], before["generation"] + 7, "generation after seven changes")
    text = s.do("status")
    equal(s.do(), text, "lbadm alone")
    lines = {line.split()[0]: line.split(None, 1)[1] for line in text.splitlines()}
    equal(lines["mode"], "dsr, set here", "mode for people")
    equal(lines["services"], "2", "services for people")


def services(s):
    s.do("service add web tcp 192.0.2.10:443 192.0.2.11:443 nodeport:30022 policy local")
    s.do("service add a/b:c.d_e-f udp 192.0.2.10:443")
    listed = {x["name"]: x for x in s.json("service list")["services"]}
    equal(set(listed), {"web", "a/b:c.d_e-f"}, "names")
    web = listed["web"]
    equal([web[key] for key in ("proto", "scheduler", "policy", "backends", "backends_local")],
          ["tcp", "random", "local", 0, 0], "web")
    equal(web["frontends"], [
        {"address": "192.0.2.10", "port": 443, "last_port": 443, "nodeport": False, "open": False, "internal": False},
        {"address": "192.0.2.11", "port": 443, "last_port": 443, "nodeport": False, "open": False, "internal": False},
        {"address": None, "port": 30022, "last_port": 30022, "nodeport": True, "open": False, "internal": False}], "addresses")
    equal(set(web["counters"]), {"flows", "packets_in", "bytes_in", "packets_out", "bytes_out",
                                 "drops"}, "counters")
    equal(listed["a/b:c.d_e-f"]["policy"], "cluster", "default policy")
    equal(s.json("service list web")["services"], [web], "one of them")
    row = next(r for r in rows(s.do("service list")) if r[0] == "web")
    equal(row[:7], ["web", "tcp", "192.0.2.10:443,192.0.2.11:443,nodeport:30022", "random",
                    "local", "0", "0"], "row")
    equal(s.do("service show"), s.do("service"), "other words for list")
    s.do(f"service add {'n' * 143} tcp nodeport:30023")
    fails(s.say("service", "add", "n" * 144, "tcp", "nodeport:30024"), USAGE, "143 characters at most", "n" * 144)


def services_changed(s):
    s.do("service add web tcp 192.0.2.10:443 policy local")
    s.do("backend add web 10.0.0.1:80")
    s.do("service set web address 192.0.2.11:444 192.0.2.12:445")
    web = s.json("service list web")["services"][0]
    equal([(f["address"], f["port"]) for f in web["frontends"]],
          [("192.0.2.11", 444), ("192.0.2.12", 445)], "addresses are replaced")
    equal((web["policy"], web["backends"]), ("local", 1), "the rest stays")
    s.do("service set web policy cluster")
    web = s.json("service list web")["services"][0]
    equal((web["policy"], len(web["frontends"])), ("cluster", 2), "policy alone")
    equal(web["bypass"], True, "bypass by default")
    s.do("service set web bypass off")
    web = s.json("service list web")["services"][0]
    equal((web["policy"], web["bypass"]), ("cluster", False), "bypass alone")
    s.do("service del web")
    equal(s.json("service list")["services"], [], "services")
    equal(s.json("backend list")["backends"], [], "backends of a service that is gone")


def internal_policy(s):
    def shown():
        web = s.json("service list web")["services"][0]
        return web["policy"], web["internal_policy"], [f["internal"] for f in web["frontends"]]
    s.do("service add web tcp 192.0.2.10:80 internal:10.96.0.1:80 open:internal:[2001:db8::1]:80 nodeport:30022")
    equal(shown(), ("cluster", "cluster", [False, True, True, False]), "as added")
    s.do("service set web internal-policy local")
    equal(shown()[:2], ("cluster", "local"), "the other policy stays")
    saved = s.do("save")
    equal(saved, "service add web tcp 192.0.2.10:80 internal:10.96.0.1:80 open:internal:[2001:db8::1]:80 "
          "nodeport:30022 internal-policy local\n", "saved")
    generation = s.generation()
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    equal(s.generation(), generation, "generation after no change")
    s.do("service set web address 192.0.2.10:80 10.96.0.1:80")
    equal(shown(), ("cluster", "local", [False, False]), "the address is not internal any more")
    equal(s.generation(), generation + 1, "generation after that")
    fails(s.say("service set web address internal:nodeport:30022"), USAGE, "is no address of a service",
          "internal:nodeport:30022")
    fails(s.say("service set web internal-policy here"), USAGE,
          "'here' is no internal-policy; valid: cluster, local", "here")


def sources(s):
    def shown():
        web = s.json("service list web")["services"][0]
        return web["sources"], web["source_ranges"], [f["open"] for f in web["frontends"]]
    s.do("service add web tcp 192.0.2.10:443 open:nodeport:30022 allow 10.0.0.0/8,2001:db8::/32,192.0.2.1")
    equal(shown(), ("allow", ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"], [False, True]), "as added")
    line = "web tcp 192.0.2.10:443 open:nodeport:30022 allow 10.0.0.0/8,2001:db8::/32,192.0.2.1/32\n"
    equal(s.do("save"), f"service add {line}", "saved")
    generation = s.generation()
    works(lbadm("-n", s.name, "apply", "-", stdin=s.do("save")))
    s.do("service set web allow 10.0.0.0/8,2001:db8::/32,192.0.2.1/32")
    equal(s.generation(), generation, "generation after no change")
    s.do("service set web policy local")
    equal(shown()[0], "allow", "what is not mentioned stays")
    s.do("service set web deny ::/0 address open:192.0.2.10:443")
    equal(shown(), ("deny", ["::/0"], [True]), "both replaced")
    s.do("service set web address 192.0.2.10:443")
    equal(shown(), ("deny", ["::/0"], [False]), "the address is not open any more")
    equal(s.generation(), generation + 3, "generation after three changes")
    s.do("service set web allow any")
    equal(shown(), ("any", [], [False]), "everybody")
    for words, sentence, word in (
            ("allow 10.0.0.1/8", "'10.0.0.1/8' has bits set beyond its length", "10.0.0.1/8"),
            ("deny 10.0.0.0/8,x", "'x' is no prefix; deny must be such as", "10.0.0.0/8,x"),
            ("deny any", "'any' is no prefix", "any"),
            ("allow 10.0.0.0/8 deny 10.0.0.0/8", "allow or deny may come once only", "deny"),
            ("allow", "the prefixes of allow are missing", "")):
        fails(s.say(f"service set web {words}"), USAGE, sentence, word)


def schedulers(s):
    s.do("service add web tcp 192.0.2.10:443")
    for scheduler in ("random", "rr", "lc", "maglev"):
        s.do(f"service set web scheduler {scheduler}")
        web = s.json("service list web")["services"][0]
        equal((web["scheduler"], web["table_size"]), (scheduler, 16381), "scheduler")
    s.do("service set web table-size 65521")
    equal(s.json("service list web")["services"][0]["table_size"], 65521, "table size")
    saved = s.do("save")
    check("scheduler maglev table-size 65521" in saved, f"saved: {saved}")


def affinity(s):
    def shown():
        return s.json("service list web")["services"][0]["affinity"]
    s.do("service add web tcp 192.0.2.10:443")
    equal(shown(), 0, "affinity where nothing is said")
    s.do("service set web affinity 3h")
    equal(shown(), 10800, "affinity")
    equal(s.do("save"), "service add web tcp 192.0.2.10:443 affinity 10800s\n", "saved")
    generation = s.generation()
    works(lbadm("-n", s.name, "apply", "-", stdin=s.do("save")))
    equal(s.generation(), generation, "generation after no change")
    s.do("service set web policy local")
    equal(shown(), 10800, "what is not mentioned stays")
    s.do("service set web affinity 1d")
    fails(s.say("service set web affinity 86401"), REFUSED, "at most 86400 seconds", "86401")
    for word in "0", "never":
        fails(s.say(f"service set web affinity {word}"), USAGE, f"'{word}' is no duration", word)
    fails(s.say("service set web affinity 5 affinity 5"), USAGE, "affinity is here twice", "affinity")
    equal(shown(), 86400, "affinity after what was refused")
    s.do("service set web affinity off")
    equal(shown(), 0, "affinity when it is off")


def one_packet(s):
    def shown():
        return s.json("service list dns")["services"][0]["one_packet"]
    s.do("service add dns udp 192.0.2.10:53")
    equal(shown(), False, "where nothing is said")
    s.do("service set dns one-packet on")
    s.do("service set dns policy local")
    equal(shown(), True, "what is not mentioned stays")
    equal(s.do("save"), "service add dns udp 192.0.2.10:53 policy local one-packet on\n", "saved")
    generation = s.generation()
    works(lbadm("-n", s.name, "apply", "-", stdin=s.do("save")))
    equal(s.generation(), generation, "generation after no change")
    fails(s.say("service set dns affinity 1h"), REFUSED, "with one-packet a client has no backend to keep", "1h")
    s.do("service set dns one-packet off affinity 1h")
    fails(s.say("service set dns one-packet on"), REFUSED, "with one-packet a client has no backend to keep", "on")
    fails(s.say("service add web tcp 192.0.2.10:80 one-packet on"), REFUSED, "only UDP can be balanced", "on")
    fails(s.say("service set dns one-packet maybe"), USAGE, "one-packet", "maybe")
    equal(shown(), False, "after what was refused")


def its_own(s, word, values):
    """A service's own @word, or that of the settings."""
    def shown():
        return s.json("service list web")["services"][0][word]
    s.do("service add web tcp 192.0.2.10:80")
    equal(shown(), "default", "where nothing is said")
    for value in values:
        s.do(f"service set web {word} {value}")
        s.do("service set web bypass on")
        equal(shown(), value, word)
        equal(s.do("save"), f"service add web tcp 192.0.2.10:80 {word} {value}\n", "saved")
        generation = s.generation()
        works(lbadm("-n", s.name, "apply", "-", stdin=s.do("save")))
        equal(s.generation(), generation, "generation after no change")
    fails(s.say(f"service set web {word} nat"), USAGE, word, "nat")
    first, second = values[:2]
    fails(s.say(f"service set web {word} {first} {word} {second}"), USAGE, f"{word} is here twice", word)
    s.do(f"service set web {word} default")
    equal(s.do("save"), "service add web tcp 192.0.2.10:80\n", "saved")


def modes_of_services(s):
    its_own(s, "mode", ("snat", "dsr", "hybrid"))


def dispatches_of_services(s):
    its_own(s, "dispatch", ("opt", "geneve", "ipip", "l2"))


def one_source_of_a_family(s):
    for status, sentence, words in ((REFUSED, "more than one source prefix of a family", "10.99.0.0/16,10.98.0.0/16"),
                                    (USAGE, "ipip-source", "10.99.0.0/16,fd99::/64,fd98::/64")):
        fails(s.say(f"set ipip-source {words}"), status, sentence, words)
    equal(s.json("set")["settings"]["ipip_sources"], [], "after what was refused")


def ranges_of_ports(s):
    def ports():
        return [(f["port"], f["last_port"]) for x in s.json("service list")["services"] for f in x["frontends"]]
    saved = ("service add all tcp 192.0.2.10:* [2001:db8::1]:*\n"
             "backend add all 10.0.0.1:*\nbackend add all 10.0.0.1:80\n"
             "service add one tcp 192.0.2.10:8500\n"
             "service add some tcp 192.0.2.10:8000-8999 192.0.2.10:9001-9002\n"
             "service add udp udp 192.0.2.10:8000-65535\n")
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    equal(s.do("save"), saved, "saved")
    equal(ports(), [(1, 65535), (1, 65535), (8500, 8500), (8000, 8999), (9001, 9002), (8000, 65535)], "ports")
    equal([b["port"] for b in s.json("backend list all")["backends"]], [0, 80], "the backends' ports")
    generation = s.generation()
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    for word in "192.0.2.10:8999-9000", "192.0.2.10:1-8000", "192.0.2.10:8100-8200", "192.0.2.10:9000-9003":
        fails(s.say(f"service add more tcp {word}"), REFUSED, "a service has ports of this range already", word)
    for word in "192.0.2.10:*", "192.0.2.10:8000-8999":
        fails(s.say(f"service add more tcp {word}"), REFUSED, "a service has ports of this range already", word)
    fails(s.say("service add more tcp 192.0.2.11:1-9 192.0.2.11:9-10"), REFUSED, "has ports of this range", "192.0.2.11:9-10")
    for word in "192.0.2.10:80-80", "192.0.2.10:90-80", "nodeport:30000-30001", "nodeport:*":
        fails(s.say(f"service add more tcp {word}"), USAGE, f"'{word}' is no address of a service", word)
    fails(s.say("backend add all 10.0.0.1:80-90"), USAGE, "'10.0.0.1:80-90' is no address and port", "10.0.0.1:80-90")
    equal(s.generation(), generation, "generation after no change, and refusals")
    def many(first):
        ends = [f"192.0.2.20:{n}-{n + 1}" for n in range(first, first + 512, 2)]
        return "".join(f"service add many{n} udp {' '.join(ends[n * 64:][:64])}\n" for n in range(4))
    works(lbadm("-n", s.name, "apply", "-", stdin=saved + many(2)))
    fails(s.say("service add more udp 192.0.2.20:600-601"), REFUSED, "an address has at most 256 ranges of ports",
          "192.0.2.20:600-601")
    works(lbadm("-n", s.name, "apply", "-", stdin=saved + many(1000)))      # as many others in their place
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    s.do("service set some address 192.0.2.10:8999-9000")
    s.do("service add more tcp 192.0.2.10:8000-8998 192.0.2.10:9001-9100")
    s.do("backend del all 10.0.0.1:*")
    equal([b["port"] for b in s.json("backend list all")["backends"]], [80], "the backends that are left")


def limits(s):
    s.do("service add web tcp 192.0.2.10:443 flows-max 1000")
    s.do("backend add web 10.0.0.1:80 flows-max 4294967295")
    saved = "service add web tcp 192.0.2.10:443 flows-max 1000\nbackend add web 10.0.0.1:80 flows-max 4294967295\n"
    equal(s.do("save"), saved, "saved")
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    generation = s.generation()
    s.do("service set web policy cluster")
    s.do("backend set web 10.0.0.1:80 flows-max 4294967295")
    equal(s.generation(), generation, "generation after no change")
    s.do("service set web flows-max 0")
    s.do("backend set web 10.0.0.1:80 flows-max 5")
    equal((s.json("service list")["services"][0]["flows_max"], s.json("backend list")["backends"][0]["flows_max"]),
          (0, 5), "changed limits")
    fails(s.say("service set web flows-max many"), USAGE, "flows-max must be 0 to 4294967295", "many")
    fails(s.say("backend set web 10.0.0.1:80 flows-max -1"), USAGE, "flows-max must be 0 to 4294967295", "-1")


def backends(s):
    s.do("node add 192.168.0.11")
    s.do("service add web tcp 192.0.2.10:443")
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add web 10.0.0.1:80")
    s.do("backend add web 10.0.0.2:80 local weight 0")
    s.do("backend add web 10.0.0.3:80 node 192.168.0.11 weight 65535")
    s.do("backend add dns 10.0.0.1:80")
    listed = {x["address"]: x for x in s.json("backend list web")["backends"]}
    equal({a: (b["port"], b["weight"], b["local"], b["node"], b["here"], b["flows"])
           for a, b in listed.items()},
          {"10.0.0.1": (80, 1, False, None, False, 0),
           "10.0.0.2": (80, 0, True, None, True, 0),
           "10.0.0.3": (80, 65535, False, "192.168.0.11", False, 0)}, "backends of web")
    equal(len(s.json("backend list")["backends"]), 4, "backends of all")
    table = {r[1]: r for r in rows(s.do("backend list web"))}
    equal(table["10.0.0.1:80"][:4], ["web", "10.0.0.1:80", "plain", "1"], "row")
    equal(table["10.0.0.2:80"][2:4], ["local", "0"], "row")
    equal(table["10.0.0.3:80"][2:5], ["node", "192.168.0.11", "65535"], "row")

    s.do("backend set web 10.0.0.3:80 weight 7")
    s.do("backend set web 10.0.0.2:80 node 192.168.0.11")
    s.do("backend set web 10.0.0.1:80 local")
    s.do("backend del dns 10.0.0.1:80")
    equal({x["address"]: (x["weight"], x["local"], x["node"])
           for x in s.json("backend list")["backends"]},
          {"10.0.0.1": (1, True, None), "10.0.0.2": (0, False, "192.168.0.11"),
           "10.0.0.3": (7, False, "192.168.0.11")}, "changed backends")
    for address in ("10.0.0.1", "10.0.0.3"):
        s.do(f"backend set web {address}:80 plain")
    equal({x["address"]: (x["weight"], x["local"], x["node"])
           for x in s.json("backend list")["backends"]},
          {"10.0.0.1": (1, False, None), "10.0.0.2": (0, False, "192.168.0.11"),
           "10.0.0.3": (7, False, None)}, "plain backends")


def backend_states(s):
    s.do("service add web tcp 192.0.2.10:443")
    s.do("backend add web 10.0.0.1:80")
    s.do("backend add web 10.0.0.2:80 state draining weight 3")

    def states():
        return [x["state"] for x in s.json("backend list")["backends"]]
    equal(states(), ["active", "draining"], "states")
    equal([r[4] for r in rows(s.do("backend list"))], ["active", "draining"], "column of the table")
    generation = s.generation()
    for state in ("down", "terminating", "draining", "active"):
        s.do(f"backend set web 10.0.0.2:80 state {state}")
        equal(states(), ["active", state], "changed state")
        saved = s.do("save")
        check((f"web 10.0.0.2:80 weight 3 state {state}\n" in saved) is (state != "active"), saved)
    equal(s.generation(), generation + 4, "generation after four changes")
    s.do("backend set web 10.0.0.2:80 state active")
    equal(s.generation(), generation + 4, "generation after no change")
    s.do("backend set web 10.0.0.1:80 state down")
    saved = s.do("save")
    s.do("backend set web 10.0.0.1:80 weight 2")
    equal(states(), ["down", "active"], "what is not mentioned stays")
    works(lbadm("-n", s.name, "apply", "-", stdin=saved))
    equal(s.do("save"), saved, "saved and applied")
    fails(s.say("backend set web 10.0.0.1:80 state up"), USAGE,
          "'up' is no state; valid: active, draining, down, terminating", "up")
    fails(s.say("backend set web 10.0.0.1:80 state"), USAGE, "the state is missing", "")


def nodes(s):
    s.do("node add 192.168.0.12")
    s.do("node add 192.168.0.11")
    s.do("node add 192.168.0.13")
    s.do("node del 192.168.0.13")
    s.do("service add web tcp 192.0.2.10:443")
    s.do("backend add web 10.0.0.1:80 node 192.168.0.11")
    equal({x["address"]: (x["self"], x["backends"]) for x in s.json("node list")["nodes"]},
          {"192.168.0.11": (False, 1), "192.168.0.12": (False, 0)}, "nodes")
    equal(sorted(r[0] for r in rows(s.do("node"))), ["192.168.0.11", "192.168.0.12"], "table")


def settings(s):
    before = s.json("set")["settings"]
    equal(before["timeouts"], {
        "tcp_syn_sent": 60, "tcp_syn_received": 60, "tcp_established": 8000, "tcp_fin": 60,
        "tcp_time_wait": 60, "tcp_closed": 10, "udp_unreplied": 30, "udp_replied": 180,
        "sctp_init": 60, "sctp_cookie": 60, "sctp_established": 8000, "sctp_shutdown": 60, "sctp_closed": 10},
          "default timeouts")
    equal([before[key] for key in ("snat_addresses", "snat_ports", "nodeports", "dsr_sender",
                                   "dsr_devices", "bypass", "no_backend", "unknown_ports", "ping", "nodeport_addresses",
                                   "pods", "masquerade", "refused_notes", "dispatch", "ipip_sources",
                                   "flow_accounting", "flow_events")],
          [[], {"first": 1024, "last": 65535}, {"first": 30000, "last": 32767}, "mac", [], True,
           "reject", "pass", False, [], [], "remote", "drop", "opt", [], False, 10000],
          "defaults")
    s.do("set mode hybrid flows-max 4096 timeout tcp-fin 2m udp-replied 1h "
         "snat-address 10.0.0.1 10.0.0.2 snat-ports 2000-3000 nodeports 31000-31999 "
         "dsr-device eth0 eth1 dsr-sender device bypass off no-backend drop "
         "unknown-ports reject ping on nodeport-addresses 192.0.2.0/24,2001:db8::1 "
         "pods 10.244.1.0/24,fd00::/64 masquerade all refused-notes strip dispatch geneve ipip-source 10.99.0.0/16,fd99::/64 "
         "flow-accounting on flow-events 77")
    want = dict(before, mode="hybrid", mode_origin="set", flows_max=4096,
                timeouts=dict(before["timeouts"], tcp_fin=120, udp_replied=3600),
                snat_addresses=["10.0.0.1", "10.0.0.2"],
                snat_ports={"first": 2000, "last": 3000},
                nodeports={"first": 31000, "last": 31999}, dsr_sender="device",
                dsr_devices=["eth0", "eth1"], bypass=False, no_backend="drop", unknown_ports="reject", ping=True,
                nodeport_addresses=["192.0.2.0/24", "2001:db8::1/128"],
                pods=["10.244.1.0/24", "fd00::/64"], masquerade="all", refused_notes="strip",
                dispatch="geneve", ipip_sources=["10.99.0.0/16", "fd99::/64"],
                flow_accounting=True, flow_events=77)
    equal(s.json("set show")["settings"], want, "all at once")
    works(lbadm("-n", s.name, "apply", "-", stdin=s.do("save")))
    equal(s.json("set show")["settings"], want, "saved and applied")
    s.do("set snat-address none nodeport-addresses 10.0.0.0/8")
    equal(s.json("set show")["settings"]["nodeport_addresses"], ["10.0.0.0/8"], "other ones")
    s.do("set nodeport-addresses any pods none ipip-source none")
    s.do("set dsr-device eth2")
    s.do("set timeout tcp-fin 90")
    want.update(snat_addresses=[], dsr_devices=["eth2"], nodeport_addresses=[], pods=[], ipip_sources=[])
    want["timeouts"]["tcp_fin"] = 90
    equal(s.json("set show")["settings"], want, "what is not mentioned stays")
    text = s.do("set")
    for words in (["mode", "hybrid,", "set", "here"], ["tcp-fin", "90s"], ["snat-address", "none"],
                  ["nodeports", "31000-31999"], ["dsr-device", "eth2"], ["bypass", "off"],
                  ["no-backend", "drop"], ["unknown-ports", "reject"], ["ping", "on"],
                  ["nodeport-addresses", "any"], ["pods", "none"], ["masquerade", "all"],
                  ["refused-notes", "strip"], ["dispatch", "geneve"], ["ipip-source", "none"],
                  ["flow-accounting", "on"], ["flow-events", "77"]):
        check(any(line.split() == words for line in text.splitlines()),
              f"not shown: {' '.join(words)}", text.splitlines)


def refusals(s):
    s.do("node add 192.168.0.11")
    s.do("service add web tcp 192.0.2.10:443")
    s.do("backend add web 10.0.0.1:80 node 192.168.0.11")
    s.do("set nodeports 30000-30999")
    generation = s.generation()
    for line, word in (
            ("service add web tcp 192.0.2.11:443", "web"),
            ("service add web2 tcp 192.0.2.11:443 192.0.2.10:443", "192.0.2.10:443"),
            ("service add web2 tcp 192.0.2.11:443 192.0.2.11:443 policy local", "192.0.2.11:443"),
            ("service set nobody policy local", "nobody"),
            ("service del nobody", "nobody"),
            ("service set web scheduler maglev table-size 1000", "1000"),
            ("service list nobody", "nobody"),
            ("stats service nobody", "nobody"),
            ("backend list nobody", "nobody"),
            ("backend add nobody 10.0.0.1:80", "nobody"),
            ("backend add web 10.0.0.1:80", "10.0.0.1:80"),
            ("backend add web 10.0.0.2:80 weight 5 node 192.168.0.99", "192.168.0.99"),
            ("backend set web 10.0.0.9:80 weight 1", "10.0.0.9:80"),
            ("backend del web 10.0.0.9:80", "10.0.0.9:80"),
            ("node add 192.168.0.11", "192.168.0.11"),
            ("node del 192.168.0.11", "192.168.0.11"),
            ("node del 192.168.0.99", "192.168.0.99"),
    ):
        said = s.say(line)
        fails(said, REFUSED, "", word)
        # A sentence of the module, not the name of an errno.
        for vague in "the kernel says", "no such object", "exists already", "Invalid":
            check(vague not in said.err, f"'{line}' is refused without a reason", said.details)
    equal(s.generation(), generation, "generation after refusals alone")


def refusals_in_json(s):
    said = s.say("-j service del nobody")
    equal(said.code, REFUSED, "exit status")
    error = parsed(said.err)["error"]
    equal((error["kind"], error["word"]), ("refused", "nobody"), "error")


def namespaces_are_apart(_):
    with space() as a, space() as b:
        a.do("node add 10.0.0.1")
        equal([n["address"] for n in a.json("node list")["nodes"]], ["10.0.0.1"], "there")
        equal(b.json("node list")["nodes"], [], "elsewhere")
        path = os.path.join(ns.RUN, a.name)
        equal(lbadm("-n", path, "node", "list").out, a.do("node list"), "by a path")
        with ns.inside(a.name):
            equal(lbadm("node list").out, a.do("node list"), "from inside")


def without_privilege(s):
    s.do("node add 10.0.0.1")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", LBADM]
    with ns.inside(s.name):
        done = subprocess.run([*nobody, "node", "add", "10.0.0.2"], capture_output=True, check=False)
        check(b"CAP_NET_ADMIN" in done.stderr, f"said {done.stderr!r}")
        equal(done.returncode, REFUSED, "exit status")
        done = subprocess.run([*nobody, "node", "list"], capture_output=True, check=False)
        equal((done.returncode, b"10.0.0.1" in done.stdout), (0, True), "anybody may look")
        done = subprocess.run([*nobody, "apply", "-"], input=b"", capture_output=True, check=False)
        equal(done.returncode, REFUSED, "exit status of apply")
        check(b"CAP_NET_ADMIN" in done.stderr, f"said {done.stderr!r}")
    done = subprocess.run([*nobody, "-n", s.name, "status"], capture_output=True, check=False)
    equal(done.returncode, REFUSED, "exit status of another namespace")
    equal(len(s.json("node list")["nodes"]), 1, "nodes")


def two_flows(s):
    """One by UDP and one by TCP, neither of which is ever answered."""
    s.do("service add dns udp 192.0.2.10:53")
    s.do("service add web tcp nodeport:30080 192.0.2.10:80")
    s.do("backend add dns 10.1.0.2:5353")
    s.do("backend add web 10.1.0.3:8080")
    s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
    s.connect(socket.SOCK_STREAM, 4001, ("192.0.2.10", 80))


def flows(s):
    two_flows(s)
    dns, web = sorted(s.json("flow list")["flows"], key=lambda flow: flow["service"])
    equal({key: web[key] for key in ("service", "proto", "kind", "state", "client", "frontend",
                                     "backend", "snat_address")},
          {"service": "web", "proto": "tcp", "kind": "snat", "state": "tcp-syn-sent",
           "client": {"address": "10.1.0.1", "port": 4001},
           "frontend": {"address": "192.0.2.10", "port": 80},
           "backend": {"address": "10.1.0.3", "port": 8080}, "snat_address": "10.1.0.1"}, "web")
    equal((dns["proto"], dns["state"]), ("udp", "udp-unreplied"), "dns")
    check(dns["idle"] <= 30 and 0 < dns["expires"] <= 30, f"times of dns: {dns}")
    row = next(r for r in rows(s.do("flow list")) if r[0] == "web")
    equal(row[:8], ["web", "tcp", "10.1.0.1:4001", "192.0.2.10:80", "10.1.0.3:8080", "snat",
                    f"10.1.0.1:{web['snat_port']}", "tcp-syn-sent"], "row")
    one = s.json("backend list dns")["backends"][0]
    equal((one["flows"], one["counters"]["flows"], one["counters"]["packets_in"]), (1, 1, 1),
          "counters of a backend")


def flows_again(s):
    """What save prints restore makes; a mistake in a word costs nothing, and is shown."""
    two_flows(s)
    saved = s.do("flow save")
    web = next(line for line in saved.splitlines() if " web " in line)
    check(web.startswith("flow add web tcp 10.1.0.1:4001 192.0.2.10:80 10.1.0.3:8080 snat tcp-syn-sent "
                         "source 10.1.0.1:"), f"saved: {web}")
    s.do("flow flush")
    equal(s.do("flow", "restore", "-", stdin=saved), "2 restored\n", "restored")
    equal(sorted(flow["service"] for flow in s.json("flow list")["flows"]), ["dns", "web"], "flows")
    s.do("flow flush")
    words = web.split()[2:]
    for wrong, right, sentence in (("4001", "10.1.0.1:4001", "no address and port"),
                                   ("nat", "snat", "is no kind"), ("open", "tcp-syn-sent", "is no state"),
                                   ("source 10.1.0.1", "source", "no address and port")):
        line, marked = "flow add " + " ".join(words).replace(right, wrong, 1), wrong.split()[-1]
        fails(s.say(line), USAGE, sentence, marked)
        fails(s.say("flow", "restore", "-", stdin=f"\n{line}\n"), USAGE, sentence, marked,
              where=f"(stdin):2:{f'{line} '.index(f' {marked} ') + 2}")
    fails(s.say("flow", "add", *words, "noted", "noted"), USAGE, "noted is here twice", "noted")
    fails(s.say("flow", "add", *words, "idle", "1s", "idle", "2s"), USAGE, "idle is here twice", "idle")
    fails(s.say("flow", "restore", "-", stdin="node add 192.0.2.1\n"), USAGE, "flow add, affinity add", "node",
          where="(stdin):1:1")
    equal(s.json("flow list")["flows"], [], "flows")


def filters_of_flows(s):
    two_flows(s)
    for filters, found in (
            ("service web", ["web"]), ("service nobody", []), ("proto udp", ["dns"]),
            ("client 10.1.0.1", ["dns", "web"]), ("client 10.1.0.1:4000", ["dns"]),
            ("client 10.1.0.1:4002", []), ("client 10.1.0.2", []),
            ("backend 10.1.0.3", ["web"]), ("backend 10.1.0.3:8080", ["web"]),
            ("backend 10.1.0.3:8081", []), ("kind snat", ["dns", "web"]), ("kind dsr-in", []),
            ("state tcp-syn-sent", ["web"]), ("state udp-replied", []),
            ("service web proto tcp client 10.1.0.1:4001 backend 10.1.0.3:8080 kind snat "
             "state tcp-syn-sent", ["web"]),
            ("service web proto udp", [])):
        equal(sorted(flow["service"] for flow in s.json(f"flow list {filters}")["flows"]), found,
              f"flow list {filters}")
    equal(s.do("flow flush proto udp client 10.1.0.9"), "0 flows removed\n", "none")
    equal(s.do("flow flush backend 10.1.0.2:5353"), "1 flow removed\n", "one")
    equal([flow["service"] for flow in s.json("flow list")["flows"]], ["web"], "what is left")
    equal(s.json("flow flush")["flows_removed"], 1, "all")
    equal(s.json("flow list")["flows"], [], "nothing left")
    fails(s.say("flow list service web client 10.0.0.1:80:90"), USAGE, "client must be",
          "10.0.0.1:80:90")


def stats(s):
    s.do("service add web tcp 192.0.2.10:443")
    s.do("backend add web 10.0.0.1:80")
    answer = s.json("stats")["stats"]
    names = [drop["reason"] for drop in answer["drops"]]
    for name in "no-backend", "table-full", "no-snat-port", "note-sender":
        check(name in names, f"no reason {name}", names)
    equal(len(set(names)), len(names), "names of reasons that differ")
    equal([drop["packets"] for drop in answer["drops"]], [0] * len(names), "drops")
    text = s.do("stats")
    check("drops        0\n" in text and "no-backend" not in text, "reasons that did not occur",
          text.splitlines)
    s.connect(socket.SOCK_STREAM, 4001, ("192.0.2.11", 80))
    s.do("service add none tcp 192.0.2.11:80")
    s.connect(socket.SOCK_STREAM, 4002, ("192.0.2.11", 80))
    drops = {drop["reason"]: drop["packets"] for drop in s.json("stats")["stats"]["drops"]}
    equal({name for name, packets in drops.items() if packets}, {"no-backend"}, "reasons")
    check([line.split() for line in s.do("stats").splitlines()][-1] ==
          ["drops", "no-backend", str(drops["no-backend"])], "drops for people")
    equal(s.json("status")["status"]["drops"], drops["no-backend"], "drops of all reasons")
    one = s.json("stats service web")
    equal((one["service"]["name"], [b["address"] for b in one["backends"]]),
          ("web", ["10.0.0.1"]), "one service")
    check("10.0.0.1:80" in s.do("stats service web"), "its backend for people")


def nothing_to_show(s):
    for name in "service", "backend", "node", "flow":
        equal(s.do(name, "list"), "", f"a program is told of no {name}")
        shown = subprocess.run(["script", "-qec", f"{LBADM} -n {s.name} {name} list", "/dev/null"],
                               stdin=subprocess.DEVNULL, capture_output=True, check=True)
        equal(shown.stdout, f"no {name}s\r\n".encode(), f"a person is told of no {name}")


def colours(s):
    s.do("node add 10.0.0.1")
    command = ["script", "-qec", f"{LBADM} -n {s.name} node list", "/dev/null"]
    for env, colour in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                        ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True,
                               env={"PATH": os.environ["PATH"], **env})
        equal(b"\x1b[" in shown.stdout, colour, f"colours with {env}")
    check("\x1b" not in s.do("node list"), "colours in a pipe")


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("status", status),
        ("services", services),
        ("services changed", services_changed),
        ("internal addresses and their policy", internal_policy),
        ("source ranges of services", sources),
        ("schedulers", schedulers),
        ("affinity", affinity),
        ("one-packet", one_packet),
        ("modes of services", modes_of_services),
        ("dispatches of services", dispatches_of_services),
        ("sources of ipip", one_source_of_a_family),
        ("ranges of ports", ranges_of_ports),
        ("limits of services and backends", limits),
        ("backends", backends),
        ("states of backends", backend_states),
        ("nodes", nodes),
        ("settings", settings),
        ("refusals mark the word they are about and change nothing", refusals),
        ("refusals in JSON", refusals_in_json),
        ("namespaces are apart", namespaces_are_apart),
        ("without privilege", without_privilege),
        ("flows", flows),
        ("filters of flows", filters_of_flows),
        ("flows are saved and made again", flows_again),
        ("stats", stats),
        ("nothing to show", nothing_to_show),
        ("colours for terminals only", colours),
    )]
