# SPDX-License-Identifier: GPL-2.0-only
"""Events as lbadm shows them."""
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import time

from apply import SAVED, big
from lb import LBADM, REFUSED, fails, in_space, parsed
from net import ns
from net.ktap import Failure, check, equal


class Monitor:
    """lbadm monitor, from the line on which says that it listens."""

    def __init__(self, s, *args):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([LBADM, "-n", s.name, "monitor", *args],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._text = b""
        self.start = self.line()

    def line(self, timeout=10):
        """The next line; a Failure if there is none in time."""
        end = time.monotonic() + timeout
        while b"\n" not in self._text:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Failure(f"{timeout} s without a line of monitor", [repr(self._text)])
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failure("monitor has ended", [repr(self._text)])
            self._text += more
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def end(self, signum=signal.SIGTERM):
        """Ends it; the exit status and what it said on standard error."""
        self.process.send_signal(signum)
        err = self.process.communicate(timeout=10)[1]
        return self.process.returncode, err


@contextlib.contextmanager
def monitor(s, *args):
    m = Monitor(s, *args)
    try:
        yield m
    finally:
        m.process.kill()
        m.process.communicate()


def every_change(s):
    with monitor(s) as m:
        equal(m.start, f"start generation {s.generation()}", "first line")
        for command, event in (
                ("node add 192.168.0.11", "node add 192.168.0.11"),
                ("service add web tcp 192.0.2.10:443 nodeport:30022",
                 "service add web tcp 192.0.2.10:443 nodeport:30022 scheduler random "
                 "affinity off mode default dispatch default policy cluster internal-policy cluster bypass on one-packet off allow any flows-max 0"),
                ("service set web policy local",
                 "service set web tcp 192.0.2.10:443 nodeport:30022 scheduler random "
                 "affinity off mode default dispatch default policy local internal-policy cluster bypass on one-packet off allow any flows-max 0"),
                ("backend add web 10.0.0.1:80 node 192.168.0.11",
                 "backend add web 10.0.0.1:80 node 192.168.0.11 weight 1 state active flows-max 0"),
                ("backend set web 10.0.0.1:80 weight 5",
                 "backend set web 10.0.0.1:80 node 192.168.0.11 weight 5 state active flows-max 0"),
                ("backend del web 10.0.0.1:80", "backend del web 10.0.0.1:80"),
                ("service del web", "service del web"),
                ("node del 192.168.0.11", "node del 192.168.0.11")):
            s.do(command)
            equal(m.line(), event, command)
        s.do("set mode dsr timeout tcp-fin 5s snat-address 10.0.0.1")
        line = m.line()
        for part in ("set mode dsr flows-max ", " tcp-fin 5s ", " snat-address 10.0.0.1 ",
                     " dsr-device none", " bypass on no-backend reject unknown-ports pass ping off nodeport-addresses any pods none masquerade remote refused-notes drop dispatch opt ipip-source none flow-accounting off flow-events 10000"):
            check(part in line, f"no {part!r}", [line])
        # What is shown can be said again, and then is no change.
        generation = s.generation()
        s.do(line)
        equal(s.generation(), generation, "generation")


def every_change_in_json(s):
    with monitor(s, "-j") as m:
        start = parsed(m.start)
        equal(start, {"event": "start", "bpflb": s.json("status")["bpflb"], "generation": s.generation()}, "first line")
        for i, (command, what, event) in enumerate((
                ("node add 192.168.0.11", "node", "add"),
                ("service add web tcp 192.0.2.10:443", "service", "add"),
                ("backend add web 10.0.0.1:80", "backend", "add"),
                ("backend set web 10.0.0.1:80 weight 5", "backend", "set"),
                ("set mode dsr", "settings", "set"))):
            s.do(command)
            got = parsed(m.line())
            equal((got["object"], got["event"], got["generation"]),
                  (what, event, start["generation"] + i + 1), command)
            shown = s.json("set" if what == "settings" else f"{what} list")
            shown = shown["settings"] if what == "settings" else shown[f"{what}s"][0]
            for key, value in got[what].items():
                if key not in ("counters", "backends", "backends_local", "flows"):
                    equal(value, shown[key], f"{key} of {command}")
        s.do("service del web")
        # The service takes its backend along: one change, two events.
        gone = [parsed(line) for line in m.lines(2)]
        equal(sorted((x["event"], x["object"], x["generation"]) for x in gone),
              [("del", "backend", start["generation"] + 6),
               ("del", "service", start["generation"] + 6)], "events")


def only_what_is_asked_for(s):
    with monitor(s, "node", "backend") as m:
        s.do("node add 10.0.0.1")
        s.do("service add web tcp 192.0.2.10:443")
        s.do("set mode dsr")
        s.do("backend add web 10.0.0.1:80")
        equal(m.lines(2), ["node add 10.0.0.1", "backend add web 10.0.0.1:80 weight 1 state active flows-max 0"], "events")


def flows_if_asked_for(s):
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    with monitor(s, "flow") as flows, monitor(s, "-j", "flow", "node") as both, monitor(s) as none:
        s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
        s.do("flow flush")
        what = "dns udp 10.1.0.1:4000 > 192.0.2.10:53 > 10.1.0.2:5353 snat"
        for verb in "add", "set", "del":
            check((line := flows.line()).startswith(f"flow {verb} {what}"), line)
            got = parsed(both.line())
            equal((got["event"], got["object"], got["flow"]["client"]),
                  (verb, "flow", {"address": "10.1.0.1", "port": 4000}), "event")
        s.do("node add 10.0.0.1")
        equal(parsed(both.line())["object"], "node", "what follows")
        equal(none.line(), "node add 10.0.0.1", "without flows")


def only_this_namespace(s):
    with monitor(s) as m:
        other = type(s)()
        try:
            other.do("node add 10.0.0.1")
        finally:
            other.close()
        s.do("node add 10.0.0.2")
        equal(m.line(), "node add 10.0.0.2", "first event")


def a_whole_configuration_is_one_change(s):
    with monitor(s, "-j") as m:
        generation = s.json("apply", s.file(SAVED))["generation"]
        # Settings together are one object.
        count = len([x for x in SAVED.splitlines() if not x.startswith("set ")]) + 1
        got = [parsed(line) for line in m.lines(count)]
        equal({x["generation"] for x in got}, {generation}, "generations of the events")
        # Again: nothing changes, and a refusal changes nothing; so the next event is the node's.
        s.do("apply", s.file(SAVED))
        fails(s.say("apply", "-", stdin="backend add nobody 10.0.0.1:80\n"), REFUSED, "", "nobody",
              "(stdin):1:13")
        fails(s.say("node add 9.0.0.1"), REFUSED, "", "9.0.0.1")
        s.do("node add 10.9.9.9")
        got = parsed(m.line())
        equal((got["object"], got["node"]["address"], got["generation"]),
              ("node", "10.9.9.9", generation + 1), "next event")


def only_what_differs(s):
    s.do("apply", s.file(SAVED))
    with monitor(s) as m:
        s.do("apply", s.file(SAVED.replace("node 192.168.0.11 weight 10", "node 192.168.0.11 weight 11")
                             .replace("backend add a-second 10.0.0.9:53 local\n", "")))
        equal(sorted(m.lines(2)),
              ["backend del a-second 10.0.0.9:53",
               "backend set web 10.0.0.1:81 node 192.168.0.11 weight 11 state draining flows-max 0"],
              "events")
        s.do("node add 10.9.9.9")
        equal(m.line(), "node add 10.9.9.9", "nothing else")


def with_the_time(s):
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}"
    with monitor(s, "-t") as m:
        s.do("node add 10.0.0.1")
        check(re.fullmatch(f"{stamp} node add 10.0.0.1", line := m.line()), line)
    with monitor(s, "-t", "-j") as m:
        s.do("node add 10.0.0.2")
        check(re.fullmatch(stamp, time_ := parsed(m.line())["time"]), time_)


def it_ends_quietly(s):
    for signum in signal.SIGTERM, signal.SIGINT:
        with monitor(s) as m:
            equal(m.end(signum), (0, b""), f"exit status and errors after {signum.name}")


def it_ends_with_its_reader(s):
    with monitor(s) as m:
        m.process.stdout.close()
        # Without any event that it could fail to write.
        equal(m.process.wait(timeout=10), 0, "exit status")
        equal(m.process.stderr.read(), b"", "errors")
        m.process.stdout = open(os.devnull, "rb")  # for communicate()


def dropped(s, pid):
    """Events that the kernel could not put into a socket of process @pid."""
    with ns.inside(s.name), open("/proc/thread-self/net/netlink", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    # A program's second socket has a number that ends with its pid in the lower 22 bits.
    return sum(int(row[8]) for row in rows if int(row[2]) & 0x3fffff == pid)


def lose_events(s, m, *configurations):
    """Stops @m and changes more than its socket's buffer can hold, to leave the last of @configurations."""
    paths = [s.file(text) for text in configurations]
    before = dropped(s, m.process.pid)
    m.process.send_signal(signal.SIGSTOP)
    for _ in range(100):
        for path in paths:
            s.do("apply", path)
        if dropped(s, m.process.pid) > before:
            break
    check(dropped(s, m.process.pid) > before, "no event was lost")
    m.process.send_signal(signal.SIGCONT)


def lost_events_are_told(s):
    with monitor(s, "node", "service") as m:
        lose_events(s, m, big(1000, 5000), "", "node add 10.0.0.2\nservice add web tcp 192.0.2.10:443\n")
        while m.line() != "events lost":
            pass
        # Told when it is over: all that there is follows, and from there on nothing is missing.
        generation = s.generation()
        equal(m.line(), f"resync generation {generation}", "next line")
        equal(m.line(), "node add 10.0.0.2", "the node")
        check((line := m.line()).startswith("service add web tcp 192.0.2.10:443 "), line)
        equal(m.line(), f"resynced generation {generation}", "the last of them")
        s.do("node add 10.0.0.1")
        equal(m.line(), "node add 10.0.0.1", "next event")


def lost_flows_are_told(s):
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    with monitor(s, "-j", "flow") as m:
        m.process.send_signal(signal.SIGSTOP)
        port = 1024
        while not dropped(s, m.process.pid):
            check(port < 60000, "no event was lost")
            for _ in range(1000):
                s.connect(socket.SOCK_DGRAM, port, ("192.0.2.10", 53))
                port += 1
            s.do("flow flush")
        m.process.send_signal(signal.SIGCONT)
        while (got := parsed(m.line()))["event"] != "lost":
            pass
        check(got["object"] == "flow" and got["count"] >= 1, got)
        # What was queued before comes first, and more may be lost meanwhile; there is no state to be shown.
        for port in range(1000, 1024):
            s.connect(socket.SOCK_DGRAM, port, ("192.0.2.10", 53))
            while (got := parsed(m.line()))["event"] != "lost":
                if got["event"] == "add" and got["flow"]["client"]["port"] == port:
                    return
        check(False, "flows are not told any more")


class Picture:
    """What somebody knows who reads monitor -j and nothing else."""

    COUNTED = "counters", "backends", "backends_local", "flows"

    def __init__(self):
        self.settings = None
        self.objects = {"node": {}, "service": {}, "backend": {}}
        self.lost = self.resynced = 0

    @classmethod
    def without_counts(cls, what):
        return {key: value for key, value in what.items() if key not in cls.COUNTED}

    @staticmethod
    def key(what):
        return tuple(what.get(key) for key in ("service", "name", "address", "port"))

    def take(self, event):
        if event["event"] == "resync":
            self.__init__()         # pylint: disable=unnecessary-dunder-call
        elif event["event"] in ("lost", "resynced"):
            setattr(self, event["event"], getattr(self, event["event"]) + 1)
        elif event.get("object") == "settings":
            self.settings = event["settings"]
        elif "object" in event:
            kind = event["object"]
            what = self.without_counts(event[kind])
            if event["event"] == "del":
                del self.objects[kind][self.key(what)]
            else:
                self.objects[kind][self.key(what)] = what

    def of(self, saved):
        """The same of what save says."""
        self.settings = saved["settings"]
        for kind, objects in self.objects.items():
            objects.update({self.key(what): self.without_counts(what) for what in saved[f"{kind}s"]})
        return self


def the_picture_is_right_again(s):
    """A reader so slow that events are lost, over and over, has the right picture at the end."""
    texts = [big(1000, 5000), big(500, 5000).replace("10.2.", "10.200."), "", SAVED]
    with monitor(s, "-j") as m:
        picture, resynced = Picture(), 0
        for _ in range(2):
            lose_events(s, m, *texts)
            # Changes go on while it catches up. None may be missing, and none of before the resync be taken for one.
            for i in range(20):
                s.do(f"service add churn{i} udp 192.0.2.99:{i + 1}")
                s.do(f"service del churn{i - 1}" if i else f"node add 10.8.0.{i + 1}")
            s.do("node add 10.9.9.9")
            want = Picture().of(s.json("save"))
            last = want.key({"address": "10.9.9.9"})
            while last not in picture.objects["node"] or not picture.resynced:
                picture.take(parsed(m.line(30)))
            resynced += picture.resynced
            equal(picture.objects, want.objects, "picture")
            equal(picture.settings, want.settings, "settings")
            s.do("node del 10.9.9.9")
            while last in picture.objects["node"]:
                picture.take(parsed(m.line()))
        check(resynced >= 2, f"{resynced} times resynced")


def tests(subset):
    return [(name, in_space(function)) for name, function in (
        ("every change", every_change),
        ("every change in JSON", every_change_in_json),
        ("only what is asked for", only_what_is_asked_for),
        ("flows if asked for", flows_if_asked_for),
        ("only this namespace", only_this_namespace),
        ("a whole configuration is one change", a_whole_configuration_is_one_change),
        ("an apply tells only what differs", only_what_differs),
        ("with the time", with_the_time),
        ("it ends quietly", it_ends_quietly),
        ("it ends with its reader", it_ends_with_its_reader),
        ("lost events are told", lost_events_are_told),
        *([] if subset else [("lost events of flows are told", lost_flows_are_told)]),
        ("after losses the picture is right again", the_picture_is_right_again),
    )]
