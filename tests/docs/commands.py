# SPDX-License-Identifier: GPL-2.0-only
"""Each command that is shown is run, in a network namespace made for its block.

What such a block may count on is below. Programs in shim/ stand in for those that a guest hasn't got, and
end what would go on for ever.
"""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import text
from net import module, ns
from net.ktap import Failure, check, equal

BUILD = text.TOP / "build"
HERE = pathlib.Path(__file__).resolve().parent
SPACE = "docs"

# A node of a small cluster: its address is 192.168.0.11, its pods have 10.0.1.0/24.
LINKS = """
ip -batch - <<END
link set lo up
link add lan0 type dummy
link set lan0 up
addr add 192.168.0.11/24 dev lan0
addr add 10.0.1.1/24 dev lan0
addr add fd00::1/64 dev lan0 nodad
route add default via 192.168.0.1
END
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
mkdir -p /etc/bpflb /var/lib/prometheus/node-exporter
"""
STANDARD = """
cat >/etc/bpflb/bpflb.conf <<END
node add 192.168.0.11
node add 192.168.0.12
service add dns udp 203.0.113.10:53 affinity 1h
backend add dns 10.0.1.12:53 local
service add web tcp 203.0.113.10:80 nodeport:30080
backend add web 10.0.1.11:8080 node 192.168.0.11
backend add web 10.0.2.11:8080 node 192.168.0.12
END
lbadm apply /etc/bpflb/bpflb.conf
"""


class Place:
    """A namespace and a folder, as a block finds them."""

    def __init__(self, block):
        self.dir = tempfile.mkdtemp()
        if module.loaded() and any("modprobe" in line for line in block.lines):
            module.unload()
        elif not module.loaded():
            module.load()
        ns.create(SPACE)
        try:
            self.sh(LINKS + ("" if block.from_nothing else STANDARD) + block.before)
        except BaseException:
            self.close()
            raise

    def close(self):
        ns.delete(SPACE)
        shutil.rmtree(self.dir)

    def run(self, commands):
        path = f"{HERE}/shim:{BUILD}:/usr/sbin:/usr/bin:/sbin:/bin"
        with ns.inside(SPACE):
            return subprocess.run(["bash", "-euc", f"set -o pipefail\n{commands}"], cwd=self.dir, text=True, check=False,
                                  timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={**os.environ, "PATH": path, "LBADM": str(BUILD / "lbadm"), "LC_ALL": "C.UTF-8"})

    def sh(self, commands):
        done = self.run(commands)
        equal(done.returncode, 0, "exit status", [commands, *done.stdout.splitlines()])
        return done.stdout


def commands(place, block):
    """One after the other, so that it is known which of them has failed; lines may go on."""
    pending = ""
    for line in block.lines:
        pending += line + "\n"
        whole = subprocess.run(["bash", "-n", "-c", pending], capture_output=True, check=False)
        if line.endswith(("\\", "|")) or whole.returncode or b"here-document" in whole.stderr:
            continue
        place.sh(pending)
        pending = ""
    check(not pending, "a command has no end", pending.splitlines)


def console(place, block):
    """Commands behind "# ", and what they print."""
    steps = []
    for line in block.lines:
        if line.startswith("# "):
            steps.append((line.removeprefix("# "), []))
        else:
            check(steps, "no command before what is printed")
            steps[-1][1].append(line)
    for command, shown in steps:
        printed = place.run(command).stdout
        pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line).replace("…", ".*") + r"\n" for line in shown)
        check(re.fullmatch(pattern, printed), f"{command}: prints something else than is shown",
              ["shown:", *shown, "printed:", *printed.splitlines()])


def conf(place, block):
    path = pathlib.Path(place.dir, "bpflb.conf")
    path.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
    place.sh(f"lbadm apply {path}")


RUNNERS = {"sh": commands, "console": console, "conf": conf}
# What would be run if it were not said that a block is text.
COMMAND = re.compile(r"(?:[#$] )?(?:sudo )?(?:lbadm|modprobe|make|apt|apt-get|systemctl|sysctl|ip|nft|kubectl|ipvsadm)\s")


def run(block):
    check(not block.unknown, "comments that mean nothing", block.unknown)
    check(block.kind, "a block without a word that says what it is")
    if block.run_by:
        file, _, name = block.run_by.partition(": ")
        there = text.TOP / file
        check(there.is_file(), f"{file}: no such test")
        check(name in there.read_text(), f"{file} has no '{name}'")
        return
    if block.kind == "text":
        found = [line for line in block.lines if COMMAND.match(line)]
        check(not found, "commands in a block that is called text", found)
        return
    check(block.kind in RUNNERS, f"'{block.kind}', and no test is named that runs it")
    place = Place(block)
    try:
        RUNNERS[block.kind](place, block)
    finally:
        place.close()


@functools.cache
def help_of(*words):
    """The help for these words; empty if there is none."""
    return subprocess.run([BUILD / "lbadm", *words, "help"], capture_output=True, text=True, check=False).stdout


def words(path):
    """What begins with lbadm in the middle of a sentence has a noun, and a verb or another word, that there are."""
    wrong = []
    for number, span in text.spans(path):
        m = re.match(r"lbadm (?:-\w+ )*([a-z]+)(?: ([a-z]+))?", span)
        if m and m[1] != "help" and not (help_of(m[1]) and re.search(rf"\b{m[2] or ''}\b", help_of(m[1]))):
            wrong.append(f"line {number}: {span}")
    check(not wrong, "commands that there are not", wrong)


def says_what_fails():
    """A command that fails, one that prints something else, and one that is not there are found."""
    lines = ["lbadm service add web tcp 203.0.113.10:81"], ["# lbadm node list", "nothing"], ["no-such-command"]
    for kind, shown in zip(("sh", "console", "sh"), lines):
        try:
            run(text.Block("a document", "", 1, kind, shown, []))
        except Failure:
            continue
        raise Failure(f"nothing was found in {shown}")


def tests(subset):
    shown = [block for path in text.documents() for block in text.blocks(path)]
    shown += [block for path in text.pages() for block in text.examples(path)]
    if subset:
        shown = [block for block in shown if block.name.startswith("README.md")]
    return [("commands: what is wrong is found", says_what_fails)] + [
        (f"commands: in sentences of {path.relative_to(text.TOP)}", lambda path=path: words(path))
        for path in text.documents()] + [
        (block.name, lambda block=block: run(block)) for block in shown]
