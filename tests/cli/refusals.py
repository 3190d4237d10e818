# SPDX-License-Identifier: GPL-2.0-only
"""Each failure says in a sentence what to do, whatever was asked."""
import os
import subprocess

from lb import LBADM, REFUSED, Said, USAGE, fails, in_space
from net import genl
from net.ktap import check, equal
from words import READS, WRITES

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
# What names clients is not for everybody either.
SECRET = {"explain tcp 198.51.100.1:4000 192.0.2.10:443", "flow list", "flow list proto tcp", "flow save", "affinity list", "monitor", "monitor flow"}
# These look at more than the module, or go on until they are stopped.
OTHERS = {"doctor", "upgrade"}


def as_nobody(s, *words):
    argv = ["ip", "netns", "exec", s.name, *NOBODY, LBADM, *words]
    return Said(words, subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL))


def one_sentence(said, sentence):
    """An error, the line it is about, and perhaps a mark: no more, and nothing of libraries."""
    equal(said.code, REFUSED, "exit status", said.details)
    lines = said.err.splitlines()
    check(len(lines) <= 3 and lines[0].startswith("lbadm: error: "), "lines", said.details)
    check(sentence in lines[0], sentence, said.details)
    for word in "nl_", "libnl", "genl", "errno", "Unspecific":
        check(word not in said.err, f"{word} is nothing to tell people", said.details)


def without_privilege(s):
    s.do("service add web tcp 192.0.2.10:443")
    for words in READS:
        if words in OTHERS:
            continue
        said = as_nobody(s, *words.split())
        if words in SECRET:
            one_sentence(said, "CAP_NET_ADMIN")
        else:
            equal((said.code, said.err), (0, ""), f"{words!r} as nobody", said.details)
    for words in WRITES:
        if words not in OTHERS:
            one_sentence(as_nobody(s, *words.split()), "CAP_NET_ADMIN")
    path = s.file("node add 10.0.0.1\n")
    os.chmod(os.path.dirname(path), 0o755)
    one_sentence(as_nobody(s, "apply", path), "CAP_NET_ADMIN")
    one_sentence(as_nobody(s, "apply", "--dry-run", path), "CAP_NET_ADMIN")
    one_sentence(Said([], subprocess.run([*NOBODY, LBADM, "-n", s.name, "status"], capture_output=True, check=False)),
                 f"to enter network namespace '{s.name}' needs CAP_SYS_ADMIN")


def no_such_namespace(s):
    for words in ("status", "service list", "apply -", "monitor"):
        fails(s.say("-n", "nowhere", *words.split()), USAGE, "there is no network namespace 'nowhere'; 'ip netns list' shows")
    fails(s.say("-n", "/etc/passwd", "status"), USAGE, "'/etc/passwd' is no network namespace")


def somebody_else_writes(s):
    writer = genl.Writer(s.name)
    writer.begin()
    for words in ("node add 10.0.0.2", "set mode dsr", "service add web tcp 192.0.2.10:443"):
        one_sentence(s.say(*words.split()), "another program has a transaction open; try again when it is done")
    one_sentence(s.say("check", "-", stdin="node add 10.0.0.2\n"), "another program has had a transaction open for 5 seconds")
    # Who only reads is let through.
    equal(s.json("node list")["nodes"], [], "nodes")
    writer.close()
    s.do("node add 10.0.0.2")


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("without privilege", without_privilege),
        ("no such network namespace", no_such_namespace),
        ("while somebody else writes", somebody_else_writes),
    )]
