# SPDX-License-Identifier: GPL-2.0-only
"""What lbadm says without the module: help, wrong words, and that the module is not there."""
import os
import subprocess
import tempfile

from lb import ABSENT, DIFFERS, LBADM, OK, REFUSED, USAGE, fails, lbadm, parsed, space, works
from net import module
from net.ktap import check, equal

OBJECTS = {
    "status": [], "set": ["show"], "service": ["add", "set", "del", "list"],
    "backend": ["add", "set", "del", "list"], "node": ["add", "del", "list"],
    "flow": ["list", "flush", "add", "save", "restore"], "affinity": ["list", "add"], "stats": [], "metrics": [], "monitor": [], "save": [], "check": [], "diff": [], "apply": [],
    "import": ["ipvs"], "doctor": [], "explain": [], "report": [], "upgrade": [],
}

READS = ["", "status", "set", "set show", "set list", "service", "service list", "service show",
         "service list web", "backend", "backend list web", "node list", "flow list",
         "flow list proto tcp", "flow save", "affinity list", "stats", "stats service web", "metrics", "monitor", "monitor flow", "save",
         "doctor", "explain tcp 198.51.100.1:4000 192.0.2.10:443"]
WRITES = ["set mode dsr", "service add web tcp 10.0.0.1:80", "service set web policy local",
          "service del web", "backend add web 10.0.0.1:80", "backend set web 10.0.0.1:80 weight 2",
          "backend del web 10.0.0.1:80", "node add 10.0.0.1", "node del 10.0.0.1", "flow flush", "upgrade"]


def without_the_module():
    for line in READS + WRITES:
        fails(lbadm(*line.split()), ABSENT, "the bpflb module is not loaded")
    for command in "apply", "apply --dry-run", "diff":
        fails(lbadm(*command.split(), "-", stdin="node add 10.0.0.1\n"), ABSENT, "module is not loaded")
    equal(works(lbadm("check", "-", stdin="node add 10.0.0.1\n")),
          "the words are right; the module was not asked: it is not loaded\n", "check")
    fails(lbadm("check", "-", stdin="node add x\n"), USAGE, "'x' is no address", "x", "(stdin):1:10")
    # Asking the kernel for the family by name would have loaded it.
    check(not module.loaded(), "lbadm has loaded the module")


def without_the_module_in_json():
    said = lbadm("-j status")
    equal(said.code, ABSENT, "exit status", said.details)
    equal(said.out, "", "standard output")
    error = parsed(said.err)
    equal(error["bpflb"], {"schema": 1}, "schema")
    equal(error["error"]["kind"], "absent", "kind")


def version():
    for option in "-V", "--version":
        equal(works(lbadm(option)), "lbadm 0.1.0\n", option)


def help_for_all():
    text = works(lbadm("help"))
    for name in OBJECTS:
        check(f"\n  {name} " in text, f"help doesn't list {name}", text.splitlines)
    for line in "-h", "--help":
        equal(works(lbadm(line)), text, line)
    fails(lbadm("help help"), USAGE, "unknown word 'help'", "help")


def help_for_objects():
    for name, verbs in OBJECTS.items():
        text = works(lbadm(name, "help"))
        check(text.startswith(f"{name}: "), f"{name}: {text!r}")
        for verb in verbs:
            check(f"\nlbadm {name} {verb}" in text, f"{name} help doesn't list {verb}")
        if name not in ("service", "backend", "node", "flow", "import"):
            check(f"\nlbadm {name}" in text, f"{name} help has no usage line")
        equal(works(lbadm("help", name)), text, f"help {name}")
        equal(works(lbadm(name, "-h")), text, f"{name} -h")


def help_for_verbs():
    for name, verbs in OBJECTS.items():
        for verb in verbs:
            text = works(lbadm(name, verb, "help"))
            check(text.startswith(f"lbadm {name} {verb}"), f"{name} {verb}: {text!r}")
            equal(works(lbadm("help", name, verb)), text, f"help {name} {verb}")
            equal(works(lbadm(name, verb, "--help")), text, f"{name} {verb} --help")


def help_for_what_there_is_not():
    fails(lbadm("help nonsense"), USAGE, "unknown word 'nonsense'", "nonsense")
    fails(lbadm("help service nonsense"), USAGE, "unknown word 'nonsense'", "nonsense")


def unknown_words_list_the_valid_ones():
    said = lbadm("servcie list")
    fails(said, USAGE, "unknown word 'servcie'", "servcie")
    for name in OBJECTS:
        check(name in said.err.splitlines()[0], f"{name} is not listed", said.details)
    said = lbadm("service remove web")
    fails(said, USAGE, "unknown word 'remove'", "remove")
    for verb in OBJECTS["service"]:
        check(verb in said.err.splitlines()[0], f"{verb} is not listed", said.details)
    fails(lbadm("set mdoe dsr"), USAGE, "flows-max, timeout, snat-address", "mdoe")
    fails(lbadm("set mode fast"), USAGE, "snat, dsr, hybrid", "fast")
    fails(lbadm("set timeout tcp-open 5"), USAGE, "tcp-syn-sent, tcp-syn-received", "tcp-open")
    fails(lbadm("flow list port 80"), USAGE, "service, proto, client, backend, kind", "port")
    fails(lbadm("monitor flows"), USAGE, "service, backend, node, settings, flow", "flows")
    fails(lbadm("status now"), USAGE, "nothing may follow", "now")
    fails(lbadm("save all"), USAGE, "nothing may follow", "all")
    fails(lbadm("doctor now"), USAGE, "unknown word 'now'", "now")
    fails(lbadm("doctor watch 5s n1"), USAGE, "nothing may follow", "n1")
    fails(lbadm("doctor watch 2h"), USAGE, "an hour", "2h")
    fails(lbadm("explain icmp"), USAGE, "'icmp' is no protocol; valid: tcp, udp, sctp", "icmp")
    fails(lbadm("explain tcp 10.0.0.1 10.0.0.2:80"), USAGE, "a packet has ports", "10.0.0.1")
    fails(lbadm("explain tcp 10.0.0.1:1 10.0.0.2:80 by"), USAGE, "unknown word 'by'; valid here: from, mid-life", "by")


def the_wrong_word_is_marked():
    fails(lbadm("backend add web 10.0.1.11:8443 weight 70000 local"), USAGE,
          "weight must be 0 to 65535", "70000")
    fails(lbadm("service add web tcp 192.0.2.10"), USAGE, "'192.0.2.10'", "192.0.2.10")
    fails(lbadm("service add web tcp 2001:db8::1:443"), USAGE, "[2001:db8::1]:443",
          "2001:db8::1:443")
    fails(lbadm("node add wörker"), USAGE, "'wörker'", "wörker")
    fails(lbadm("node", "add", "a b"), USAGE, "'a b'", "a b")
    # Options count for where a word is, though they are no part of the command.
    fails(lbadm("-t node -t add x"), USAGE, "'x' is no address", "x")


def a_missing_word_is_marked_at_the_end():
    for line, sentence in (("service add", "name is missing"),
                           ("service add web tcp", "address and port are missing"),
                           ("node add", "address of the node is missing"),
                           ("set mode", "snat, dsr, hybrid"),
                           ("apply", "name of the file is missing"),
                           ("service set web", "a word is missing")):
        said = lbadm(line)
        fails(said, USAGE, sentence, "")
        text, mark = said.err.splitlines()[1:]
        equal(mark.index("^"), len(text) + 1, f"column of the mark after '{line}'")


def options():
    # A usage error shows that the words have been found, wherever the options stand.
    for line in ("-j node add x", "node -j add x", "node add x -j", "--json node add x",
                 "-tj node add x", "-n nowhere -j node add x"):
        said = lbadm(line)
        equal(said.code, USAGE, line, said.details)
        parsed(said.err)
    equal(lbadm("-jp node add x").err.count("\n") > 5, True, "-p indents")
    equal(lbadm("-j node add x").err.count("\n"), 1, "lines of JSON without -p")
    fails(lbadm("status -n"), USAGE, "network namespace is missing", "")
    fails(lbadm("status -n nowhere"), USAGE, "no network namespace 'nowhere'")
    fails(lbadm("status -n /nowhere/at/all"), USAGE, "no network namespace")
    fails(lbadm("--nonsense"), USAGE, "unknown word '--nonsense'", "--nonsense")
    fails(lbadm("-x status"), USAGE, "unknown word '-x'", "-x")


def errors_in_json():
    line = "lbadm -j backend add web 10.0.1.11:8443 weight 70000"
    equal(parsed(lbadm(*line.split()[1:]).err)["error"], {
        "kind": "usage", "message": "weight must be 0 to 65535", "word": "70000",
        "column": line.index("70000") + 1, "text": line}, "error")
    error = parsed(lbadm("-j", "apply", "-", stdin="\n\tnode add \"é\n").err)["error"]
    equal([error[key] for key in ("kind", "file", "line", "column", "word", "text")],
          ["usage", "(stdin)", 2, 11, '"é', '\tnode add "é'], "error")


def in_a_file(text, sentence, word, where):
    with tempfile.NamedTemporaryFile("wb", suffix=".conf") as f:
        f.write(text)
        f.flush()
        fails(lbadm("apply", f.name), USAGE, sentence, word, f"{f.name}:{where}")


def errors_in_a_file():
    head = b"# one\n\nnode add 10.0.0.1\n"
    in_a_file(head + b"backend add web 10.0.0.1:80 weight x\n", "weight must be 0 to 65535", "x",
              "4:36")
    in_a_file(head + b"\tnode\tadd\tx # why\n", "'x' is no address", "x", "4:11")
    in_a_file(head + b"node add x", "'x' is no address", "x", "4:10")
    in_a_file(head + b"node add x\r\n", "'x' is no address", "x", "4:10")
    in_a_file(head + "node add é x".encode(), "'é' is no address", "é", "4:10")
    in_a_file(head + b"service add web tcp # 10.0.0.1:80", "address and port are missing", "#",
              "4:21")
    in_a_file(head + b"node add 10.0.\x000.1\n", "control character", "10.0.", "4:10")
    in_a_file(b"\x7fELF\x01\x02\n", "control character", "?", "1:1")
    # The first error counts, though all of it is read.
    in_a_file(head + b"node add x\nnode add y\n", "'x' is no address", "x", "4:10")


def only_what_there_shall_be():
    for line in ("service del web", "node del 10.0.0.1", "service set web policy local",
                 "backend set web 10.0.0.1:80 weight 2", "flow flush", "set show", "set", "save",
                 "service list", "service", "apply x", "status", "monitor"):
        said = lbadm("apply", "-", stdin=line + "\n")
        fails(said, USAGE, "a file has only set, node add, service add and backend add",
              line.split()[0], "(stdin):1:1")
    fails(lbadm("apply", "-", stdin="lbadm node add 10.0.0.1\n"), USAGE, "unknown word 'lbadm'",
          "lbadm", "(stdin):1:1")


def files_that_cannot_be_read():
    fails(lbadm("apply /nowhere/at/all"), USAGE, "No such file")
    fails(lbadm("apply /"), USAGE, "directory")
    fails(lbadm("apply / --frob"), USAGE, "unknown word '--frob'", "--frob")
    fails(lbadm("apply" + 17 * " f"), USAGE, "at most 16 files", "f")
    fails(lbadm("apply - --generation x"), USAGE, "--generation must be", "x")
    fails(lbadm("apply - --generation"), USAGE, "--generation is missing", "")


def doctor_alone():
    """Nothing is configured: nothing is wrong. Then there is one thing."""
    with space() as s:
        equal(s.do("doctor"), "nothing found\n", "what doctor says")
        equal(s.json("doctor")["findings"], [], "findings")
        s.do("service add web tcp 192.0.2.10:80")
        s.do("backend add web 10.9.0.1:80")
        said = s.say("-j doctor")
        equal(said.code, DIFFERS, "exit status", said.details)
        found = parsed(said.out)["findings"][0]
        equal({k: found[k] for k in ("severity", "id", "mend", "where")},
              {"severity": "error", "id": "backend-route", "mend": None, "where": "here"}, "finding")
        check("10.9.0.1" in found["sentence"] and "web" in found["sentence"], found["sentence"])
        said = s.say("doctor")
        check(said.out.startswith("error: backend-route: there is no route to backend 10.9.0.1"), said.out)


def output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([LBADM, "help"], stdout=full, stderr=subprocess.PIPE, check=False)
    equal(done.returncode, REFUSED, "exit status")
    check(b"can't write the output" in done.stderr, f"{done.stderr!r}")
    # Whoever has read enough need not be told.
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([LBADM, "help"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    equal((done.returncode, done.stderr), (OK, b""), "exit status and errors")


def tests(_subset):
    return [
        ("nothing works or loads the module while it is not loaded", without_the_module),
        ("that it is not loaded, in JSON", without_the_module_in_json),
        ("version", version),
        ("help for all", help_for_all),
        ("help for objects", help_for_objects),
        ("help for verbs", help_for_verbs),
        ("help for what there is not", help_for_what_there_is_not),
        ("unknown words list the valid ones", unknown_words_list_the_valid_ones),
        ("the wrong word is marked", the_wrong_word_is_marked),
        ("a missing word is marked at the end", a_missing_word_is_marked_at_the_end),
        ("options stand anywhere", options),
        ("errors in JSON", errors_in_json),
        ("errors in a file", errors_in_a_file),
        ("a file says only what there shall be", only_what_there_shall_be),
        ("files that cannot be read", files_that_cannot_be_read),
        ("doctor without a network", doctor_alone),
        ("output that cannot be written", output_that_cannot_be_written),
    ]
