# SPDX-License-Identifier: GPL-2.0-only
"""stats --watch: rates that are what was sent, as JSON, as lines, and on a terminal."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

from lb import LBADM, REFUSED, USAGE, fails, in_space, parsed
from net import ns
from net.ktap import Failure, check, equal

SERVER, CLIENT, VIP = ("10.1.0.1", 5353), "10.1.0.1", "192.0.2.10"
PAYLOAD = b"x" * 72         # 100 bytes with the headers


class Echo:
    """A UDP server in the namespace, and what a client of it sends."""

    def __init__(self, s):
        self._space = s
        s.connect(socket.SOCK_DGRAM, 1, ("10.1.0.9", 9))    # so that it has addresses
        s.do(f"service add echo udp {VIP}:53")
        s.do(f"backend add echo {SERVER[0]}:{SERVER[1]}")
        s.do(f"service add none udp {VIP}:54")
        self._socket = ns.make_socket(s.name, socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(SERVER)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.clients = 0

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                data, who = self._socket.recvfrom(2048)
                if not data:
                    return
                self._socket.sendto(data, who)

    def close(self):
        with ns.make_socket(self._space.name, socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", SERVER)
        self._thread.join()
        self._socket.close()

    def talk(self, count):
        """A new flow of @count packets there and back."""
        self.clients += 1
        with ns.make_socket(self._space.name, socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((CLIENT, 20000 + self.clients))
            s.settimeout(10)
            for _ in range(count):
                s.sendto(PAYLOAD, (VIP, 53))
                equal(s.recv(2048), PAYLOAD, "echo")

    def lose(self, count):
        """@count packets to a service that has no backend."""
        with ns.make_socket(self._space.name, socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(count):
                with contextlib.suppress(OSError):      # the ICMP error for the one before
                    s.sendto(PAYLOAD, (VIP, 54))


@contextlib.contextmanager
def echo(s):
    e = Echo(s)
    try:
        yield e
    finally:
        e.close()


class Watching:
    """lbadm stats --watch, whose output is no terminal."""

    def __init__(self, s, *words):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([LBADM, "-n", s.name, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._text = b""

    def until(self, end, timeout=30):
        """What it writes up to @end."""
        deadline = time.monotonic() + timeout
        while end not in self._text:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f"{timeout} s without {end!r}", [repr(self._text)])
            more = os.read(self.process.stdout.fileno(), 65536)
            check(more, "it has ended", [repr(self._text)])
            self._text += more
        text, self._text = self._text.split(end, 1)
        return text.decode()


@contextlib.contextmanager
def watching(s, *words):
    w = Watching(s, *words)
    try:
        yield w
    finally:
        w.process.kill()
        w.process.communicate()


def near(got, want, what, details=()):
    """Rates and seconds have three digits behind the point."""
    check(abs(got - want) < 0.05 + 0.002 * want, f"{what}: {got}, should be {want}", details)


def rates_are_what_was_sent(s):
    """Rates by the interval's length, summed up, are the packets: none lost between two intervals."""
    with echo(s) as e, watching(s, "-j", "stats", "--watch") as w:
        parsed(w.until(b"\n"))
        sums = {}
        for i in range(3):
            e.talk(50 + i)
            e.lose(7)
            got = parsed(w.until(b"\n"))
            check(got["watch"]["seconds"] > 0, "an interval of no time")
            add(sums, got)
        # The last of them may be told in the next one.
        add(sums, parsed(w.until(b"\n")))
        sent = 50 + 51 + 52
        for what in ("total",), ("echo",), ("echo", *SERVER):
            for key, want in (("flows", 3), ("packets_in", sent), ("packets_out", sent),
                              ("bytes_in", sent * 100), ("bytes_out", sent * 100)):
                near(sums[(*what, key)], want, f"{what} {key}", [str(sums)])
        near(sums["none", "drops"], 21, "drops of the service without a backend")
        near(sums["total", "drops"], 21, "drops")
        near(sums["reason", "no-backend"], 21, "drops by reason")


def add(sums, got):
    watch = got["watch"]

    def count(what, rates):
        for key, rate in rates.items():
            sums[(*what, key)] = sums.get((*what, key), 0) + rate * watch["seconds"]
    count(("total",), watch["total"]["rates"])
    for reason in watch["total"]["drops"]:
        count(("reason",), {reason["reason"]: reason["packets"]})
    for service in watch["services"]:
        count((service["name"],), service["rates"])
    for backend in watch["backends"]:
        count((backend["service"], backend["address"], backend["port"]), backend["rates"])


def of_one_service(s):
    with echo(s) as e, watching(s, "-j", "stats", "service", "echo", "--watch", "1s") as w:
        e.talk(5)
        watch = parsed(w.until(b"\n"))["watch"]
        equal([x["name"] for x in watch["services"]], ["echo"], "services")
        check("total" not in watch, "a total of one service")
        equal(watch["services"][0]["flows"], 1, "flows that there are")
        equal([x["port"] for x in watch["backends"]], [SERVER[1]], "backends")
    with echo_backends(s), watching(s, "-j", "stats", "service", "many", "state", "draining", "--watch") as w:
        equal([x["port"] for x in parsed(w.until(b"\n"))["watch"]["backends"]], [82], "backends that are draining")


@contextlib.contextmanager
def echo_backends(s):
    s.do("service add many udp 192.0.2.11:53")
    s.do("backend add many 10.1.0.2:81")
    s.do("backend add many 10.1.0.2:82 state draining")
    yield


def lines_for_people(s):
    """A table at each interval, of those that have had packets."""
    with echo(s) as e, watching(s, "stats", "--watch") as w:
        w.until(b"\n\n")
        e.talk(40)
        text = w.until(b"\n\n") + "\n" + w.until(b"\n\n")
        rows = [line.split() for line in text.splitlines()]
        check(any(r[0] == "echo" and len(r) > 6 for r in rows), "no row of the service", rows)
        check(any(r[:2] == ["echo", "10.1.0.1:5353"] for r in rows), "no row of the backend", rows)
        check(not any(r and r[0] == "none" for r in rows), "a row of a service without packets", rows)
        w.process.send_signal(signal.SIGINT)
        equal((w.process.wait(timeout=10), w.process.stderr.read()), (0, b""), "exit status and errors")


def it_ends_with_its_reader(s):
    with watching(s, "stats", "--watch", "1h") as w:
        # It waits for its first interval to end, and must see this before that.
        w.process.stdout.close()
        equal(w.process.wait(timeout=10), 0, "exit status")
        w.process.stdout = open(os.devnull, "rb")   # pylint: disable=consider-using-with


def wrong_words(s):
    fails(s.say("stats --watch 0"), USAGE, "'0' is no duration", "0")
    fails(s.say("stats --watch 2h"), USAGE, "an hour", "2h")
    fails(s.say("stats --watch soon"), USAGE, "unknown word 'soon'; valid here: service, --watch", "soon")
    fails(s.say("stats service"), USAGE, "service's name is missing", "")
    fails(s.say("stats service web colour red"), USAGE, "valid here: node, state, address", "colour")
    fails(s.say("stats service web --watch"), REFUSED, "no service of this name", "web")
    fails(s.say("stats service web --watch 1s"), REFUSED, "no service of this name", "web")


SCREEN_BEGIN, SCREEN_END, FRAME = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H"


class Terminal:
    """A terminal in which lbadm runs."""

    def __init__(self, s, *words, lines=24, columns=120):
        ready, go = os.pipe()
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.read(ready, 1)
            os.execv(LBADM, [LBADM, "-n", s.name, *words])
        self._before = termios.tcgetattr(self._fd)
        self.text = ""
        self.status = None
        self.resize(lines, columns)
        os.write(go, b"!")
        os.close(ready)
        os.close(go)

    def resize(self, lines, columns):
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self._fd, keys.encode())

    def _read(self, deadline):
        if not select.select([self._fd], [], [], max(0, deadline - time.monotonic()))[0]:
            raise Failure("nothing comes of it", [repr(self.text[-2000:])])
        try:
            more = os.read(self._fd, 65536)
        except OSError:         # nobody has the other end any more
            return False
        self.text += more.decode(errors="replace")
        return bool(more)

    def frames(self):
        """Lines of each whole picture so far, without the codes."""
        parts = self.text.split(FRAME)[1:]
        return [re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", part).split("\r\n") for part in parts if part.endswith("\x1b[J")]

    def until(self, shows, what, timeout=30):
        """The first frame from now on that is as it should be."""
        seen, deadline = len(self.frames()), time.monotonic() + timeout
        while True:
            for frame in self.frames()[seen:]:
                if shows(frame):
                    return frame
            check(time.monotonic() < deadline and self._read(deadline), f"no picture with {what}",
                  lambda: (self.frames() or [["none"]])[-1])

    def ended(self, timeout=30):
        """Waits until it ends; its exit status. The terminal must be as it was."""
        deadline = time.monotonic() + timeout
        # Its modes can be asked for as long as we have our end.
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        check(SCREEN_END in self.text, "the screen is not given back", [repr(self.text[-200:])])
        equal(self.text.count(SCREEN_BEGIN), self.text.count(SCREEN_END), "screens taken and given back")
        equal(termios.tcgetattr(self._fd)[:4], self._before[:4], "modes of the terminal")
        return self.status

    def signal(self, signum):
        os.kill(self.pid, signum)

    def close(self):
        if self.status is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        os.close(self._fd)


@contextlib.contextmanager
def terminal(s, *words, **size):
    t = Terminal(s, *words, **size)
    try:
        yield t
    finally:
        t.close()


def names(frame):
    """First words of the rows."""
    return [line.split()[0] for line in frame[3:-1] if line.strip()]


def seconds_of(frame):
    return float(re.search(r"in ([0-9.]+) s", frame[1]).group(1))


def services_on_a_terminal(s):
    """What the pictures say, summed up, is what was sent; by which the services are sorted."""
    s.do("service add zero udp 192.0.2.12:53")
    with echo(s) as e, terminal(s, "stats", "--watch") as t:
        t.until(lambda f: names(f) == ["echo", "none", "zero"], "services by name, without packets")
        begun = len(t.frames())
        for i in range(3):
            e.talk(100 + i)
            e.lose(200)
            t.until(lambda f: True, "the next interval")
        t.until(lambda f: f[3].split()[2:4] == ["0", "0"], "nothing any more")
        frames = t.frames()[begun:]
        packets = sum(float(f[names(f).index("echo") + 3].split()[3]) * seconds_of(f) for f in frames)
        check(abs(packets - 303) < 303 * 0.03 + 2 * len(frames), f"{packets} packets, not 303", frames)
        drops = sum(float(f[names(f).index("none") + 3].split()[-1]) * seconds_of(f) for f in frames)
        check(abs(drops - 600) < 600 * 0.03 + 2 * len(frames), f"{drops} drops, not 600", frames)
        check(any(names(f)[0] == "echo" and float(f[3].split()[3]) > 0 for f in frames), "never first", frames)
        t.press("q")
        equal(t.ended(), 0, "exit status")


def keys_on_a_terminal(s):
    for i in range(30):
        s.do(f"service add s{i:02} udp 192.0.2.20:{i + 1}")
    s.do("backend add s07 10.1.0.7:77")
    with terminal(s, "stats", "--watch", lines=14) as t:
        first = t.until(lambda f: True, "anything")
        equal((len(first), names(first)), (14, [f"s{i:02}" for i in range(10)]), "lines, and rows that fit")
        check("30 services, by packets" in first[1] and "q quit" in first[-1], "head and foot", first)
        t.press("nr")
        equal(names(t.until(lambda f: "by name, reversed" in f[1], "another order"))[0], "s29", "first")
        t.press("r")
        t.until(lambda f: "by name, in" in f[1], "the order as it was")
        t.press("\x1b[6~")
        t.until(lambda f: names(f)[0] == "s10", "the next page")
        t.press("\x1b[B")
        t.until(lambda f: names(f)[0] == "s11", "a line further down")
        t.press("\x1b[6~\x1b[6~")
        t.press("\x1b[6~")
        t.press("\x1b[6~")
        t.until(lambda f: names(f)[-1] == "s29", "the end")
        t.press("b")
        frame = t.until(lambda f: "1 backends" in f[1], "backends")
        equal(frame[3].split()[:2], ["s07", "10.1.0.7:77"], "the backend")
        for key, name in zip("yfadp", ("bytes", "flows", "active", "drops", "packets")):
            t.press(key)
            t.until(lambda f, name=name: f"by {name}" in f[1], f"another order by {key}")
        t.press("q")
        equal(t.ended(), 0, "exit status")


def resized_terminal(s):
    for i in range(30):
        s.do(f"service add a-service-with-a-name-{i:02} udp 192.0.2.20:{i + 1}")
    with terminal(s, "stats", "--watch", "1h") as t:
        t.until(lambda f: len(f) == 24, "24 lines")
        # Its interval is an hour: what comes is for the size.
        for lines, columns in ((10, 60), (40, 200), (5, 20), (24, 80), (2, 3)):
            t.resize(lines, columns)
            frame = t.until(lambda f, n=lines: len(f) == max(n, 4), f"{lines} lines")
            check(all(len(line) <= columns for line in frame), f"lines longer than {columns}", frame)
        t.press("q")
        equal(t.ended(), 0, "exit status")


def the_terminal_is_given_back(s):
    for signum in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT:
        with terminal(s, "stats", "--watch") as t:
            t.until(lambda f: True, "anything")
            t.signal(signum)
            equal(t.ended(), 0, f"exit status after {signum.name}")
    with terminal(s, "stats", "--watch") as t:
        t.until(lambda f: True, "anything")
        t.press("\x03")
        equal(t.ended(), 0, "exit status after ^C")
    # An error is to be seen, so the screen goes first.
    s.do("service add web udp 192.0.2.20:53")
    with terminal(s, "stats", "service", "web", "--watch") as t:
        t.until(lambda f: True, "anything")
        s.do("service del web")
        equal(t.ended(), REFUSED, "exit status after an error")
        check("there is no service of this name" in t.text.split(SCREEN_END)[-1], "no error", [repr(t.text[-300:])])


def suspended(s):
    with terminal(s, "stats", "--watch") as t:
        t.until(lambda f: True, "anything")
        t.signal(signal.SIGTSTP)
        _, status = os.waitpid(t.pid, os.WUNTRACED)
        check(os.WIFSTOPPED(status), "not stopped")
        t.signal(signal.SIGCONT)
        t.until(lambda f: True, "anything, again")
        equal(t.text.count(SCREEN_BEGIN), 2, "screens taken")
        t.press("q")
        equal(t.ended(), 0, "exit status")


def tests(subset):
    some = [
        ("rates are what was sent", rates_are_what_was_sent),
        ("rates of one service", of_one_service),
        ("rates as lines for people", lines_for_people),
        ("watching ends with its reader", it_ends_with_its_reader),
        ("wrong words for watching", wrong_words),
        ("services on a terminal", services_on_a_terminal),
        ("keys on a terminal", keys_on_a_terminal),
    ]
    more = [
        ("a terminal of another size", resized_terminal),
        ("the terminal is given back", the_terminal_is_given_back),
        ("suspended, and on again", suspended),
    ]
    return [(name, in_space(function)) for name, function in some + ([] if subset else more)]
