# SPDX-License-Identifier: GPL-2.0-only
"""lbadm with a module that is older or newer than itself: it works, or says why not."""
import subprocess

from lb import DIFFERS, LBADM, OK, REFUSED, fails, parsed, space
from net import module
from net.ktap import check, equal
from rig import VERSIONS, file_of

CONFIGURATION = """\
set mode hybrid
node add 10.8.0.1
service add web tcp 192.0.2.10:443 scheduler maglev policy local
backend add web 10.0.0.1:80 node 10.8.0.1 weight 3
backend add web [2001:db8::1]:80 state draining
"""
LISTS = ("status", "set", "service list", "backend list", "node list", "flow list", "affinity list", "save")


def load(variant):
    if module.loaded():
        module.unload()
    if variant == "own":
        module.load()
    else:
        subprocess.run(["insmod", file_of(variant)], check=True)


def shown(s):
    """All lists, without what tells of the version."""
    answers = {}
    for words in LISTS:
        answer = parsed(s.do("-j", *words.split()))
        equal(answer["bpflb"]["schema"], 1, "schema")
        answers[words] = {key: value for key, value in answer.items() if key != "bpflb"}
        answers[f"{words}, for people"] = s.do(*words.split()).replace(parsed(s.do("-j status"))["bpflb"]["version"], "")
    return answers


def works_with(s):
    """What every version can do."""
    s.do("apply", "-", stdin=CONFIGURATION)
    equal(s.do("save"), CONFIGURATION, "saved")
    equal(s.do("diff", s.file(CONFIGURATION)), "", "diff")
    equal(s.say("diff", s.file(CONFIGURATION + "node add 10.8.0.2\n")).code, DIFFERS, "diff of something else")
    generation = s.generation()
    bad = s.file(CONFIGURATION + "service add more tcp 192.0.2.11:80 affinity 90000\n")
    for words in ("check",), ("apply", "--dry-run"):
        equal(s.do(*words, s.file("node add 10.8.0.9\n")), "", f"{words}")
        fails(s.say(*words, bad), REFUSED, "at most 86400 seconds", "90000", f"{bad}:6:45")
    equal(s.generation(), generation, "generation after trying")
    return shown(s)


def other_versions():
    seen = {}
    for variant in ("own", "newer", "older"):
        load(variant)
        with space() as s:
            equal(parsed(s.do("-j status"))["bpflb"]["version"], VERSIONS[variant], "version")
            seen[variant] = works_with(s)
    for words, answer in seen["own"].items():
        equal(seen["newer"][words], answer, f"{words}, by a newer module")
        if words.startswith("set"):     # it has no ping; what it does not tell is off
            continue
        equal(seen["older"][words], answer, f"{words}, by an older module")


def monitored():
    """Events of a newer module."""
    load("newer")
    with space() as s:
        p = subprocess.Popen([LBADM, "-n", s.name, "monitor"], stdout=subprocess.PIPE, text=True)
        try:
            check(p.stdout.readline().startswith("start generation"), "no first line")
            s.do("node add 10.8.0.1")
            equal(p.stdout.readline(), "node add 10.8.0.1\n", "event")
        finally:
            p.kill()
            p.communicate()


def what_an_older_one_lacks():
    load("older")
    with space() as s:
        fails(s.say("set ping on"), REFUSED, "the module does not know this: it is older than lbadm", "on")
        fails(s.say("stats"), REFUSED, "the module does not know this command: it is older than lbadm")
        path = s.file("node add 10.8.0.1\nset ping on\n")
        for words in ("apply",), ("check",), ("apply", "--dry-run"):
            fails(s.say(*words, path), REFUSED, "it is older than lbadm", "on", f"{path}:2:10")
        equal(s.say("node list").code, OK, "it goes on")
        equal(s.do("save"), "", "nothing has changed")


def tests(_subset):
    return [
        ("lists, files and transactions of other versions", other_versions),
        ("events of a newer module", monitored),
        ("what an older module lacks is said", what_an_older_one_lacks),
    ]
