# SPDX-License-Identifier: GPL-2.0-only
"""What apply would do, before it does it: check, diff, apply --dry-run."""
import os
import random
import re
import subprocess

import yaml

from apply import SAVED
from lb import DIFFERS, LBADM, OK, REFUSED, USAGE, fails, in_space, lbadm, parsed, works
from net import genl, manifests
from net.ktap import check, equal

CLUSTER = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.11}]}}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: default}
  spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], type: ClusterIP, ports: [{port: 80, protocol: TCP}]}
"""

# Each makes no sense beside a line before it, which the module is not needed for. The last word is the wrong one.
SENSELESS = (
    ("node add 10.0.0.1\nnode add 10.0.0.1", "this node is here already", "10.0.0.1"),
    ("service add web tcp 192.0.2.1:80\nservice add web udp 192.0.2.1:80",
     "there is a service of this name already", "web"),
    ("service add web tcp 192.0.2.1:80\nservice add b tcp 192.0.2.2:80 192.0.2.1:80 nodeport:30000",
     "a service has one of these addresses already", "192.0.2.1:80"),
    ("service add web tcp 192.0.2.1:80\nbackend add web 10.0.0.1:80\nbackend add web 10.0.0.1:80 weight 3",
     "the service has this backend already", "10.0.0.1:80"),
    ("service add web tcp 192.0.2.1:80\nbackend add wbe 10.0.0.1:80", "adds a service of this name", "wbe"),
    ("backend add web 10.0.0.1:80\nservice add web tcp 192.0.2.1:80", "adds a service of this name", "web"),
    ("service add web tcp 192.0.2.1:80\nbackend add web 10.0.0.1:80 node 10.0.0.9",
     "adds a node of this address", "10.0.0.9"),
)


def faulty(text, word):
    """Which line and column of @text has @word in it for the last time."""
    number, line = next((i, line) for i, line in reversed(list(enumerate(text.splitlines(), 1))) if word in line)
    return number, line.rindex(f" {word}") + 2


def lines_that_make_no_sense(s):
    for text, sentence, word in SENSELESS:
        number, column = faulty(text, word)
        number, column = (1, 13) if text.startswith("backend") else (number, column)
        path = s.file(text + "\n")
        for say in s.say, lbadm:
            fails(say("check", path), USAGE, sentence, word, f"{path}:{number}:{column}")
        fails(s.say("diff", path), USAGE, sentence, word, f"{path}:{number}:{column}")
        # The module sees it too, whatever it says.
        fails(s.say("apply", path), REFUSED, "", word, f"{path}:{number}:{column}")


def check_asks_the_module(s):
    s.do("service add web tcp 192.0.2.10:443")
    before, generation = s.do("save"), s.generation()
    equal(s.do("check", s.file(SAVED)), "", "what is fine")
    equal(s.json("check", s.file(SAVED))["check"], {"asked": True, "why_not": None}, "what is fine, in JSON")
    path = s.file("node add 10.0.0.1\nservice add dns udp 192.0.2.10:53 affinity 86401\n")
    for command in "check", "apply --dry-run", "apply":
        fails(s.say(*command.split(), path), REFUSED, "at most 86400 seconds", "86401", f"{path}:2:44")
    error = parsed(s.say("-j", "check", path).err)["error"]
    equal([error[key] for key in ("kind", "file", "line", "column", "word")],
          ["refused", path, 2, 44, "86401"], "error")
    fails(s.say("check", "-", stdin="node add x\n"), USAGE, "'x' is no address", "x", "(stdin):1:10")
    equal((s.do("save"), s.generation()), (before, generation), "configuration and generation")


def check_without_privilege(s):
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    path = s.file(SAVED)
    os.chmod(os.path.dirname(path), 0o755)
    for words, code, out, err in (
            (["check", path], OK, "the words are right; the module was not asked: that needs CAP_NET_ADMIN\n", ""),
            (["diff", path], DIFFERS, "\n+set mode hybrid\n", ""),
            (["apply", "--dry-run", path], REFUSED, "", "needs CAP_NET_ADMIN")):
        p = subprocess.run(["ip", "netns", "exec", s.name, *nobody, LBADM, *words], capture_output=True, text=True, check=False)
        equal(p.returncode, code, f"exit status of {words[0]}", [p.stdout, p.stderr])
        check(out in p.stdout and err in p.stderr, f"{words[0]}: {p.stdout!r} {p.stderr!r}")


def a_dry_run_changes_nothing(s):
    s.do("apply", s.file("node add 10.0.0.1\nservice add web tcp 192.0.2.10:443\nbackend add web 10.0.0.2:80\n"))
    before, generation = s.do("save"), s.generation()
    for _ in range(2):
        equal(s.do("apply", s.file(SAVED), "--dry-run"), "", "output")
        equal(s.json("apply", "--dry-run", s.file(SAVED))["generation"], generation, "generation")
    equal((s.do("save"), s.generation()), (before, generation), "configuration and generation")
    fails(s.say("apply", "--dry-run", "-", "--generation", str(generation + 1)), REFUSED, "another generation",
          str(generation + 1))
    s.do("apply", s.file(SAVED), "--generation", str(generation))
    equal(s.generation(), generation + 1, "generation after the real one")


def a_dry_run_takes_hooks_and_tables_back(s):
    """Where there is no service hooks are not registered; who has only tried has none."""
    with genl.Genl(s.name) as g:
        text = "".join(f"service add m{n} tcp 192.0.2.10:{n + 1} scheduler maglev table-size 131071\n"
                       f"backend add m{n} 10.0.0.2:80\n" for n in range(200))
        for _ in range(4):      # together more than the tables of a namespace may take
            s.do("apply", "--dry-run", "-", stdin=text)
        check(genl.STATUS_ACTIVE not in genl.attrs(g.ask(genl.STATUS_GET)), "hooks are registered")
        s.do("apply", "-", stdin=text)
        check(genl.STATUS_ACTIVE in genl.attrs(g.ask(genl.STATUS_GET)), "no hooks are registered")


def a_refusal_at_the_end(s):
    """Only the commit finds that tables have no room: for that, too, the line is named."""
    lines = []
    for n in range(20000):
        lines += [f"service add m{n} tcp 192.0.2.10:{n + 1} scheduler maglev table-size 131071\n",
                  f"backend add m{n} 10.0.0.1:80\n"]
    path = s.file("".join(lines))
    before = s.do("save"), s.generation()
    said = [s.say(*words, path) for words in (["apply", "--dry-run"], ["check"], ["apply"])]
    number = int(re.match(re.escape(path) + r":(\d+):13: error: the tables of all services would take too much memory",
                          said[0].err).group(1))
    name = lines[number - 1].split()[2]
    for one in said:
        fails(one, REFUSED, "would take too much memory", name, f"{path}:{number}:13")
    equal((s.do("save"), s.generation()), before, "configuration and generation")
    # It is that very line: without it there is room.
    works(s.say("check", "-", stdin="".join(lines[:number - 1])))
    fails(s.say("check", "-", stdin="".join(lines[:number + 1])), REFUSED, "", name, f"(stdin):{number}:13")
    error = parsed(s.say("-j", "check", path).err)["error"]
    equal((error["line"], error["column"], error["word"]), (number, 13, name), "error in JSON")


def sides(text):
    """What a diff takes away, and what it adds."""
    lines = text.splitlines()
    return [sorted(line[1:] for line in lines if line[0] == sign and line[1] != sign) for sign in "-+"]


def nothing_differs(s):
    for text in "", SAVED:
        s.do("apply", "-", stdin=text)
        equal(s.do("diff", s.file(text)), "", "output")
        equal(s.json("diff", s.file(text))["differences"], [], "differences")
        equal(s.do("diff", s.file(s.do("save"))), "", "what is saved")


def each_way_to_differ(s):
    s.do("apply", s.file(SAVED))
    text = SAVED.replace("set ping on\n", "").replace("tcp-fin 120s", "tcp-fin 121s").replace("node add 9.0.0.1\n", "")
    text = text.replace("backend add web 9.0.0.2:80\n", "backend add web 9.0.0.3:80\n").replace("weight 0", "weight 4")
    text += "set no-backend reject\nservice add new udp [2001:db8::1]:53\n"
    path = s.file(text)
    said = s.say("diff", path)
    equal((said.code, said.err), (DIFFERS, ""), "exit status and errors", said.details)
    equal(said.out.splitlines()[:2], [f"--- in force, generation {s.generation()}", f"+++ {path}"], "head")
    equal(said.out.splitlines()[2:], [
        "-set timeout tcp-fin 120s", "+set timeout tcp-fin 121s", "-set no-backend drop", "-set ping on",
        "-node add 9.0.0.1",
        "+service add new udp [2001:db8::1]:53",
        "-backend add web 9.0.0.2:80", "+backend add web 9.0.0.3:80",
        "-backend add web 10.0.0.1:80 weight 0", "+backend add web 10.0.0.1:80 weight 4"], "lines")
    said = s.say("-j", "diff", path)
    equal(said.code, DIFFERS, "exit status in JSON")
    answer = parsed(said.out)
    equal(answer["generation"], s.generation(), "generation")
    equal([(x["object"], x["change"], x["old"], x["new"]) for x in answer["differences"]][-2:],
          [("backend", "add", None, "backend add web 9.0.0.3:80"),
           ("backend", "set", "backend add web 10.0.0.1:80 weight 0", "backend add web 10.0.0.1:80 weight 4")], "in JSON")
    equal(s.do("save"), SAVED, "configuration")


def some_configuration(rng):
    """Lines of all kinds, in words that save would not use."""
    def some(values, most=3):
        return rng.sample(values, rng.randint(0, min(most, len(values))))
    settings = ["mode snat", "mode hybrid", "flows-max 5000", "timeout tcp-fin 1m udp-replied 1h", "timeout tcp-fin 60",
                "snat-address 2001:db8::5 10.0.0.1", "snat-address none", "snat-ports 1024-65535", "nodeports 30000-31000",
                "dsr-device eth0", "dsr-device none", "bypass off", "bypass on", "no-backend drop", "unknown-ports pass", "ping on",
                "nodeport-addresses 192.0.2.0/24", "nodeport-addresses any", "pods fd00::/64,10.1.0.0/16", "masquerade all",
                "refused-notes strip", "dispatch l2", "ipip-source fd99::/64,10.99.0.0/16", "ipip-source none"]
    options = ["scheduler maglev table-size 251", "scheduler rr", "affinity 1m", "affinity off", "mode default", "mode dsr",
               "dispatch geneve", "policy local", "policy cluster", "internal-policy local", "bypass off", "allow any",
               "deny 10.0.0.0/8,2001:db8::/32", "flows-max 7", "flows-max 0", "one-packet off"]
    lines = [f"set {x}" for x in some(settings, 8)]
    nodes = some([f"10.8.0.{i}" for i in range(4)] + ["fd08::1"], 5)
    lines += [f"node add {x}" for x in nodes]
    for name in some([f"s{i}" for i in range(6)], 6):
        n = int(name[1])
        chosen = {x.split()[0].replace("deny", "allow"): x for x in some(options, 5)}
        lines.append(" ".join([f"service add {name} {rng.choice(['tcp', 'udp'])}", f"192.0.2.{n}:80"]
                              + some([f"nodeport:3000{n}", f"[2001:DB8:0::{n}]:80", f"internal:10.96.0.{n}:80-90"]) + list(chosen.values())))
        for at in some([f"10.1.0.{i}:80" for i in range(4)] + ["[fd01:0::1]:80", "10.1.0.9:*"], 5):
            place = some(["local", "plain"] + [f"node {x}" for x in nodes], 1)
            lines.append(" ".join([f"backend add {name} {at}", *place, *some(["weight 1", "state draining", "flows-max 3"], 2)]))
    return "\n".join([*lines, ""])


def what_diff_says_apply_does(s):
    """Of random pairs of configurations: what differs is what save shows to have changed."""
    rng = random.Random(6)
    differed = 0
    for i in range(60):
        text = some_configuration(rng)
        path = s.file(text)
        before, generation = s.do("save").splitlines(), s.generation()
        said = s.say("diff", path)
        equal(s.generation(), generation, "generation after diff")
        s.do("apply", path)
        after, changed = s.do("save").splitlines(), s.generation() != generation
        details = [f"round {i}", *text.splitlines(), "said", *said.out.splitlines()]
        equal((said.code, said.err), (DIFFERS if changed else OK, ""), "exit status and errors", details)
        equal(sides(said.out), [sorted(set(before) - set(after)), sorted(set(after) - set(before))], "lines", details)
        equal(works(s.say("diff", path)), "", "after apply")
        differed += changed
    check(differed > 30, f"only {differed} pairs differed")


def several_files_and_clusters(s):
    settings, cluster, mode = s.file("set ping on\n"), s.file(CLUSTER), s.file(yaml.dump(manifests.module_config("DSR")))
    fails(s.say("diff", cluster), USAGE, "--node")
    fails(s.say("check", cluster), USAGE, "--node")
    words = [settings, cluster, "--node", "n1"]
    equal(s.do("check", *words), "", "check")
    s.do("apply", "--dry-run", *words)
    said = s.say("diff", *words)
    equal(said.code, DIFFERS, "exit status", said.details)
    equal(said.out.splitlines()[1], f"+++ {settings} {cluster}", "the files")
    gone, come = sides(said.out)
    check(not gone and "set ping on" in come and any("internal:10.96.0.1:80" in x for x in come), said.out)
    s.do("apply", *words)
    equal(s.do("diff", *words), "", "after apply")
    # What sets the mode alone leaves the rest as it is.
    equal(sides(s.say("diff", mode).out), [[], ["set mode dsr"]], "mode alone")
    s.do("check", mode)
    s.do("apply", "--dry-run", mode)
    s.do("apply", mode)
    equal(s.do("diff", mode), "", "mode alone, after apply")


def wrong_words(s):
    for command in "check", "diff":
        fails(s.say(command), USAGE, "name of the file is missing", "")
        fails(s.say(f"{command} - --dry-run"), USAGE, "valid here: FILE, --node", "--dry-run")
        fails(s.say(f"{command} - --generation 1"), USAGE, "valid here: FILE, --node", "--generation")
        fails(s.say(f"{command} /nowhere/at/all"), USAGE, "No such file")
    fails(s.say("apply - --dry"), USAGE, "valid here: FILE, --node, --generation, --dry-run", "--dry")


def tests(subset):
    return [(name, in_space(function)) for name, function in (
        ("lines that make no sense together", lines_that_make_no_sense),
        ("check asks the module", check_asks_the_module),
        ("check and diff without privilege", check_without_privilege),
        ("a dry run changes nothing", a_dry_run_changes_nothing),
        *([] if subset else [("a dry run takes hooks and tables back", a_dry_run_takes_hooks_and_tables_back)]),
        ("a refusal at the end of a transaction", a_refusal_at_the_end),
        ("nothing differs", nothing_differs),
        ("each way to differ", each_way_to_differ),
        ("what diff says is what apply does", what_diff_says_apply_does),
        ("several files, and clusters", several_files_and_clusters),
        ("wrong words of check and diff", wrong_words),
    )]
