# SPDX-License-Identifier: GPL-2.0-only
"""Runs lbadm, and looks at what it says."""
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile

from net import module, ns
from net.ktap import check, equal

LBADM = os.environ.get("LBADM", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "lbadm"))

OK, USAGE, REFUSED, ABSENT, DIFFERS = range(5)


class Said:
    """How a run of lbadm has ended."""

    def __init__(self, args, done):
        self.args = args
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    def details(self):
        return [f"lbadm {' '.join(self.args)}", f"exit status {self.code}",
                *self.out.splitlines(), *self.err.splitlines()]


def lbadm(*args, stdin=b"", **options):
    """Runs lbadm with @args; one argument is split into words."""
    if len(args) == 1:
        args = args[0].split()
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([LBADM, *args], input=stdin, check=False,
                          capture_output=True, **options)
    return Said(list(args), done)


def works(said):
    equal(said.code, OK, "exit status", said.details)
    equal(said.err, "", "standard error", said.details)
    return said.out


def marked(lines):
    """The text above the mark ^~~ of an error's last two lines."""
    text, mark = lines[-2:]
    check(set(mark) <= set(" \t^~") and mark.count("^") == 1, f"no mark: {mark!r}")
    start = mark.index("^")
    return text[start:start + len(mark.lstrip())].rstrip("\n")


def fails(said, code, sentence, word=None, where="lbadm"):
    """@said must have failed with @code and @sentence (a part of it), the mark below @word.

    A @word of "" is one that is missing at the end; None is no mark.
    """
    lines = said.err.splitlines()
    equal(said.code, code, "exit status", said.details)
    equal(said.out, "", "standard output", said.details)
    check(lines and lines[0].startswith(f"{where}: error: "), f"error of {where}", said.details)
    check(sentence in lines[0], f"sentence: {sentence}", said.details)
    if word is None:
        check(not any("^" in line for line in lines[1:]), "no word marked", said.details)
    else:
        equal(len(lines), 3, "lines of the error", said.details)
        equal(marked(lines), word, "marked word", said.details)


def parsed(text):
    try:
        return json.loads(text)
    except ValueError as e:
        raise AssertionError(f"no JSON: {e}: {text!r}") from e


_numbers = itertools.count()


class Space:
    """A network namespace with a configuration of its own."""

    def __init__(self):
        self.name = f"cli{next(_numbers)}"
        if not module.loaded():
            module.load()
        ns.create(self.name)
        self.dir = tempfile.mkdtemp()
        self._wired = False

    def close(self):
        shutil.rmtree(self.dir)
        ns.delete(self.name)

    def say(self, *args, **options):
        if len(args) == 1:
            args = args[0].split()
        return lbadm("-n", self.name, *args, **options)

    def do(self, *args, **options):
        return works(self.say(*args, **options))

    def json(self, *args):
        answer = parsed(self.do("-j", *(args[0].split() if len(args) == 1 else args)))
        equal(answer["bpflb"]["schema"], 1, "schema")
        check(answer["bpflb"]["version"], "the module's version is missing")
        return answer

    def generation(self):
        return self.json("status")["status"]["generation"]

    def connect(self, kind, port, to):
        """Sends the first packet of a flow from 10.1.0.1, which has a way to everywhere."""
        if not self._wired:
            for line in ("link set lo up", "link add d0 type dummy", "link set d0 up",
                         "addr add 10.1.0.1/24 dev d0", "route add default dev d0"):
                subprocess.run(["ip", "-n", self.name, *line.split()], check=True)
            self._wired = True
        with ns.make_socket(self.name, socket.AF_INET, kind) as s:
            s.bind(("10.1.0.1", port))
            s.setblocking(False)
            s.connect_ex(to)
            if kind == socket.SOCK_DGRAM:
                s.send(b"?")

    def file(self, text):
        path = os.path.join(self.dir, f"file{next(_numbers)}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


@contextlib.contextmanager
def space():
    s = Space()
    try:
        yield s
    finally:
        s.close()


def in_space(function):
    """The test @function(space) as one without arguments."""
    def test():
        with space() as s:
            function(s)
    return test
