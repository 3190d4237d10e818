# SPDX-License-Identifier: GPL-2.0-only
"""What Tab makes of a beginning, in bash and in zsh; and that lbadm's parser takes what is offered."""
import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import time

from lb import LBADM, USAGE, fails, in_space, lbadm, works
from net.ktap import Failure, check, equal

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
CONFIGURATION = """\
node add 192.168.0.11
service add web tcp 192.0.2.10:443 [2001:db8::10]:443
service add shop/cart:http tcp 192.0.2.11:80
backend add web 10.0.0.1:80
backend add web [fd00::1]:80 node 192.168.0.11
backend add shop/cart:http 10.0.0.2:8080
"""


def asked(s, *words):
    """As a shell asks: the options are among the words."""
    return lbadm("complete", "-n", s.name, *words)


def offered(s, *words):
    """What lbadm answers; the last of @words is the beginning of what is wanted."""
    return works(asked(s, *words)).splitlines()


def words_of_every_command(s):
    """No verb, and no keyword, is missing or too many: the parser says itself which there are."""
    nouns = re.findall(r"^  (\w+)  ", works(s.say("help")).split("options", 1)[0], re.M)
    equal(offered(s, ""), [*nouns, "help"], "nouns")
    equal(offered(s, "s"), [n for n in nouns if n.startswith("s")], "nouns with s")
    equal(offered(s, "help", ""), nouns, "after help")
    for noun in nouns:
        usage = works(s.say("help", noun))
        verbs = re.findall(rf"^lbadm {noun} ([a-z]\w*)(?:$| )", usage, re.M)
        verbs = [v for v in verbs if s.say("help", noun, v).out.startswith(f"lbadm {noun} {v}")]
        got = offered(s, noun, "")
        check(set(verbs) <= set(got), f"{noun}: {got}, without some of {verbs}")
        for verb in verbs:
            equal(offered(s, noun, verb[:-1])[:1], [verb], f"{noun} {verb[:-1]}")
            equal(offered(s, "help", noun, verb), [verb], f"help {noun} {verb}")


# What stands before options, and a word that is none: the parser then lists those that are.
BEFORE_OPTIONS = (
    "service list name web", "service add new tcp 192.0.2.99:1 bypass on", "service set web", "backend list service web", "backend add web 10.0.0.9:80",
    "backend set web 10.0.0.1:80", "node list", "flow list", "flow flush", "affinity list", "affinity add web 10.7.0.1 10.0.0.1:80",
    "stats", "stats service web", "monitor", "set", "doctor", "apply x", "check x", "diff x", "metrics")


def keywords_are_the_parsers(s):
    for words in BEFORE_OPTIONS:
        # Any word may be a file's name, but for what begins as an option does.
        wrong = "--no-word" if words.endswith(" x") else "no-word"
        said = s.say(*words.split(), wrong)
        fails(said, USAGE, "valid here: ", wrong)
        valid = set(re.search(r"valid here: (.*)", said.err.splitlines()[0]).group(1).split(", ")) - {"FILE", "help"}
        got = set(offered(s, *words.split(), ""))
        given = set(words.split())
        # These the parser takes before it comes to that word: a verb, and what may stand anywhere.
        got -= {"set": {"show"}, "stats service web": {"--watch"}}.get(words, set())
        # What was given is not offered again; before a keyword there may be more addresses, or a service.
        equal(got - {"<file>", "-", "web", "shop/cart:http", "address"} - given, valid - given - {"address", "-"}, f"after {words}",
              said.details)


def values_are_the_parsers(s):
    """After each keyword of a choice: what the parser calls valid there."""
    checked = 0
    for words in BEFORE_OPTIONS:
        for keyword in set(offered(s, *words.split(), "")) - {"timeout"}:     # which goes on to other settings
            said = s.say(*words.split(), keyword, "no-word")
            got = re.search(r"; valid: (.*)", said.err.splitlines()[0] if said.err else "")
            if got:
                equal(set(offered(s, *words.split(), keyword, "")), set(got.group(1).split(", ")), f"after {words} {keyword}")
                checked += 1
    check(checked > 30, f"only {checked} keywords")
    states = s.say("set timeout no-word").err.splitlines()[0].split("valid: ")[1].split(", ")
    equal([x for x in offered(s, "set", "timeout", "") if "-" in x and x in states], states, "timeouts")
    equal(offered(s, "set", "timeout", "tcp-fin", "5s", "udp-r"), ["udp-replied"], "one more timeout")
    equal(offered(s, "service", "add", "new", ""), ["tcp", "udp", "sctp"], "protocols")


def names_of_what_there_is(s):
    s.do("apply", s.file(CONFIGURATION))
    services, nodes = ["shop/cart:http", "web"], ["192.168.0.11"]
    webs = ["10.0.0.1:80", "[fd00::1]:80"]
    for words, want in (
            ("service del", services), ("service set", services), ("backend add", services), ("backend del", services),
            ("stats service", services), ("flow list service", services), ("affinity add", services),
            ("backend set web", webs), ("backend del web", webs), ("backend del shop/cart:http", ["10.0.0.2:8080"]),
            ("flow list service web backend", webs), ("flow flush backend", [*webs, "10.0.0.2:8080"]), ("affinity add web 10.7.0.1", webs),
            ("node del", nodes), ("backend add web 10.0.0.3:80 node", nodes), ("backend list node", nodes), ("node list address", nodes),
            ("service add", []), ("backend add web", []), ("node add", []), ("apply --node", []), ("set dsr-device", ["none"])):
        equal(sorted(offered(s, *words.split(), "")), sorted(want), words)
    equal(offered(s, "service", "set", "w"), ["web"], "a beginning")
    check(set(services) < set(offered(s, "service", "list", "")), "services beside filters")
    check(s.name in works(lbadm("complete", "-n", "")).split(), "network namespaces")
    equal(works(lbadm("complete", "--netns", s.name, "service", "set", "we")).split(), ["web"], "with --netns")
    equal(works(lbadm("complete", "-jn", s.name, "service", "set", "we")).split(), ["web"], "with -jn")
    equal(works(lbadm("complete", "-n", s.name[:-1])).split() != [], True, "the beginning of a namespace's name")
    check("<file>" in offered(s, "apply", ""), "files")
    check({"--json", "--generation", "--dry-run"} <= set(offered(s, "apply", "x", "--")), "options")


def nothing_is_done(s):
    """Whatever is completed, nothing is changed, and nobody loads a module."""
    s.do("apply", s.file(CONFIGURATION))
    before = s.generation()
    for words in ("flow flush", "service del web", "upgrade", "apply -", "flow restore", "nonsense here", "set mode dsr", "help nonsense"):
        asked(s, *words.split(), "")
    equal(s.generation(), before, "generation")


class Shell:
    """A shell somebody types into."""

    def __init__(self, argv, environment):
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm", "PS1": "> ", **environment})
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 300, 0, 0))
        self._text = ""

    def type(self, text):
        os.write(self._fd, text.encode())

    def until(self, what, timeout=30):
        """Waits until @what was written."""
        deadline = time.monotonic() + timeout
        while what not in self._plain():
            if not select.select([self._fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f"{timeout} s without {what!r}", [repr(self._plain())])
            self._text += os.read(self._fd, 65536).decode(errors="replace")

    def _plain(self):
        text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]|\x07", "", self._text)
        while "\b" in text:     # what is written over
            text = re.sub("[^\b]?\b", "", text, count=1)
        return text

    def forget(self):
        self._text = ""

    def close(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


# Typed with Tab at its end, and what the line is then.
TYPED = (
    ("lbadm serv\t", "lbadm service "),
    ("lbadm service add new t\t", "lbadm service add new tcp "),
    ("lbadm -n NETNS service set we\t", "lbadm -n NETNS service set web "),
    ("lbadm -n NETNS service set sh\t", "lbadm -n NETNS service set shop/cart:http "),
    ("lbadm -n NETNS backend del shop/cart:http 10.0.0.2:\t", "lbadm -n NETNS backend del shop/cart:http 10.0.0.2:8080 "),
    ("lbadm -n NETNS service set shop/cart:h\t", "lbadm -n NETNS service set shop/cart:http "),
    ("lbadm -n NETNS node del 1\t", "lbadm -n NETNS node del 192.168.0.11 "),
    ("lbadm apply a-file\t", "lbadm apply a-file-of-mine "),
    ("lbadm save | lbadm dif\t", "lbadm save | lbadm diff "),
)


def in_a_shell(s, argv, environment, setup):
    s.do("apply", s.file(CONFIGURATION))
    here = tempfile.mkdtemp()
    os.symlink(os.path.realpath(LBADM), os.path.join(here, "lbadm"))
    with open(os.path.join(here, "a-file-of-mine"), "w", encoding="utf-8"):
        pass
    shell = Shell(argv, {"PATH": f"{here}:{os.environ['PATH']}", "HOME": here, "ZDOTDIR": here, **environment})
    try:
        for line in [f"cd {here}", *setup, "echo rea''dy"]:
            shell.type(line + "\n")
        shell.until("ready", 120)
        for typed, line in TYPED:
            typed, line = (x.replace("NETNS", s.name) for x in (typed, line))
            shell.forget()
            # The mark behind it comes after what Tab has made of it; ^U takes all of it away.
            shell.type(f"{typed}@")
            shell.until(f"{line}@")
            shell.type("\x15")
    finally:
        shell.close()
        shutil.rmtree(here)


def in_bash(s):
    in_a_shell(s, ["bash", "--norc", "--noprofile", "-i"], {}, [f"source {TOP}/dist/completion/lbadm.bash"])


# Of zsh's own functions only these are looked at, for all would take it long; it compiles what ends with a c.
ZSH = "/usr/share/zsh/functions/Completion"


def in_zsh(s):
    check(shutil.which("zsh"), "zsh is not installed")
    in_a_shell(s, ["zsh", "-f", "-i"], {}, [f"fpath=({TOP}/dist/completion {ZSH} {ZSH}/Base)", f"autoload -Uz {ZSH}/Unix/_*[^c]", "autoload -Uz compinit",
                                            "compinit -u -D", "unsetopt zle_bracketed_paste 2>/dev/null; PS1='> '"])


def installed(_s):
    where = tempfile.mkdtemp()
    try:
        # What is built is there already; where the checkout can't be written to nothing is.
        subprocess.run(["make", "-s", "-C", f"{TOP}/tools", "install", "-o", "all", f"DESTDIR={where}", "PREFIX=/usr"],
                       check=True, capture_output=True)
        for path, source in (("bash-completion/completions/lbadm", "lbadm.bash"), ("zsh/site-functions/_lbadm", "_lbadm")):
            with open(f"{where}/usr/share/{path}", encoding="utf-8") as got, open(f"{TOP}/dist/completion/{source}", encoding="utf-8") as want:
                equal(got.read(), want.read(), path)
    finally:
        shutil.rmtree(where)


def tests(_subset):
    return [(name, in_space(function)) for name, function in (
        ("completion knows nouns and verbs", words_of_every_command),
        ("completion knows the parser's keywords", keywords_are_the_parsers),
        ("completion knows the parser's values", values_are_the_parsers),
        ("completion knows the names of what there is", names_of_what_there_is),
        ("completion does nothing", nothing_is_done),
        ("completion in bash", in_bash),
        ("completion in zsh", in_zsh),
        ("completion is installed", installed),
    )]
