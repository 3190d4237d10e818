# SPDX-License-Identifier: GPL-2.0-only
"""Tracepoints: what docs/tracing.md says of their fields, and each command that it shows."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from lb import space
from net import ns
from net.ktap import Failure, check, equal, eventually

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRACING = "/sys/kernel/tracing"
EVENTS = f"{TRACING}/events"
NAMES = "bpflb_flow_new", "bpflb_flow_gone", "bpflb_drop"
ENDS = {4: ("10.2.0.1", "10.2.0.2", "10.3.0.2", "192.0.2.10"),
        6: ("2001:db8:2::1", "2001:db8:2::2", "2001:db8:3::2", "2001:db8::10")}


def doc():
    with open(f"{TOP}/docs/tracing.md", encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(f"{TRACING}/{path}", "w", encoding="ascii") as f:
        f.write(text)


def read(path):
    with open(f"{TRACING}/{path}", encoding="utf-8", errors="replace") as f:
        return f.read()


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Rig:
    """A balancer's namespace, and a client's on a cable of its own; backends that never answer."""

    def __init__(self, s):
        self.s, self.client = s, f"{s.name}c"
        ns.create(self.client)
        self.netns = os.stat(f"/run/netns/{s.name}").st_ino
        for line in (f"-n {s.name} link add v0 type veth peer name v1 netns {self.client}",
                     f"-n {s.name} link set v0 up", f"-n {self.client} link set v1 up",
                     f"-n {s.name} link add d0 type dummy", f"-n {s.name} link set d0 up",
                     f"-n {s.name} link set lo up"):
            self.ip(line)
        ns.sysctl(s.name, {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
        for here, client, backend, vip in ENDS.values():
            six = ":" in here
            length, nodad = (64, " nodad") if six else (24, "")
            family = "-6" if six else "-4"
            self.ip(f"-n {s.name} addr add {here}/{length} dev v0{nodad}")
            self.ip(f"-n {self.client} addr add {client}/{length} dev v1{nodad}")
            self.ip(f"-n {self.client} {family} route add default via {here}")
            self.ip(f"-n {s.name} addr add {backend[:-1]}1/{length} dev d0{nodad}")
            self.ip(f"-n {s.name} {family} route add default dev d0")
            self.ip(f"-n {s.name} neigh add {backend} lladdr 02:00:00:00:00:99 dev d0")
            self.config(vip, backend)

    def config(self, vip, backend):
        six = "6" if ":" in vip else ""
        self.s.do(f"service add dns{six} udp {at(vip, 53)} flows-max 2")
        self.s.do(f"backend add dns{six} {at(backend, 5353)}")
        self.s.do(f"service add empty{six} udp {at(vip, 54)}")
        self.s.do(f"service add closed{six} udp {at(vip, 55)} allow {'2001:db8:9::/48' if six else '10.9.0.0/16'}")
        self.s.do(f"backend add closed{six} {at(backend, 5353)}")
        self.s.do("set no-backend drop unknown-ports drop timeout udp-unreplied 1h flow-accounting on")

    @staticmethod
    def ip(line):
        subprocess.run(["ip", *line.split()], check=True)

    def send(self, version, sport, dport, name=None):
        """A datagram to the service address; from the client, or from namespace @name."""
        vip, client = ENDS[version][3], ENDS[version][1]
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        with ns.make_socket(name or self.client, family, socket.SOCK_DGRAM) as c:
            c.bind((client if name is None else "", sport))
            c.sendto(b"?", (vip, dport))

    def some_of_each(self, n=0):
        """Of each family flows made and gone, and a drop."""
        for version in ENDS:
            self.send(version, 4000 + n % 1000, 53)
            self.send(version, 4000 + n % 1000, 54)
        self.s.do("flow flush")

    def close(self):
        ns.delete(self.client)


@contextlib.contextmanager
def rig():
    """With nothing traced before, nor after."""
    with space() as s:
        r = Rig(s)
        try:
            quiet()
            yield r
        finally:
            quiet()
            r.close()


def in_rig(function):
    def test():
        with rig() as r:
            function(r)
    return test


def quiet():
    write("events/enable", "0")
    for name in NAMES:
        write(f"events/bpflb/{name}/filter", "0")
    write("trace", "")


def traced():
    """The events so far: (name, {field: value})."""
    events = []
    for line in read("trace").splitlines():
        match = re.match(r".*?: (\w+): (.*)", line)
        if match and not line.startswith("#"):
            events.append((match[1], dict(re.findall(r"(\w+)[=:] ?(\S+)", match[2]))))
    return events


def fields_are_as_documented():
    want = {}
    for section in doc().split("\n`bpflb:")[1:]:
        want[section.split("`")[0]] = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section.split("\n## ")[0], re.M)
    want["bpflb_flow_gone"] = want["bpflb_flow_new"] + want["bpflb_flow_gone"]
    for name in NAMES:
        declared = re.findall(r"field:(.+?);\s+offset", read(f"events/bpflb/{name}/format"))
        got = []
        for words in declared:
            kind, field = words.rsplit(" ", 1)
            array = re.fullmatch(r"(\w+)\[(\d+)\]", field)
            got.append((array[1], f"{kind}[{array[2]}]") if array else (field, kind))
        got = [x for x in got if not x[0].startswith("common_")]
        equal(got, want[name], f"fields of {name}")


def end(version, which, port):
    address = ENDS[version][which]
    return f"[{'' if version == 6 else '::ffff:'}{address}]:{port}"


def flows_and_drops(r):
    for name in NAMES:
        write(f"events/bpflb/{name}/enable", "1")
    for version in ENDS:
        write("trace", "")
        r.send(version, 4000, 53)
        r.send(version, 4001, 54)
        r.s.do("flow flush")
        flow = {"netns": str(r.netns), "family": "10" if version == 6 else "2", "proto": "17", "kind": "snat",
                "client": end(version, 1, 4000), "service": end(version, 3, 53), "backend": end(version, 2, 5353)}
        got = eventually(lambda: (lambda x: x if len(x) >= 3 else None)([e for e in traced() if e[0] in NAMES]),
                         "three events", 10)
        equal([name for name, _ in got], ["bpflb_flow_new", "bpflb_drop", "bpflb_flow_gone"], "events")
        for _, fields in got[0], got[2]:
            equal({key: fields.get(key) for key in flow}, flow, "a flow's fields")
        length = 49 if version == 6 else 29
        equal({key: got[2][1].get(key) for key in ("end", "accounted", "packets_in", "bytes_in", "packets_out")},
              {"end": "flushed", "accounted": "1", "packets_in": "1", "bytes_in": str(length), "packets_out": "0"},
              "what it carried")
        fields = dict(got[1][1])
        for key in "reason", "skbaddr":
            del fields[key]
        equal(fields, {"netns": str(r.netns), "family": flow["family"], "proto": "17", "name": "no-backend",
                       "src": end(version, 1, 4001), "dst": end(version, 3, 54), "len": str(length)}, "a drop's fields")


def function_at(location):
    """The function's name; older kernels print an address."""
    if not re.fullmatch(r"(0x)?[0-9a-f]{8,16}", location):
        return location.split("+")[0]
    address, best = int(location, 16), ("", 0)
    with open("/proc/kallsyms", encoding="ascii") as f:
        for line in f:
            start, _, name = line.split()[:3]
            if best[1] < int(start, 16) <= address:
                best = name, int(start, 16)
    return best[0]


def drops_are_freed_by_name(r):
    """skb:kfree_skb of the same packet tells the reason by its location, and one of the kernel's own."""
    with contextlib.suppress(OSError):
        write("trace_options", "nohash-ptr")
    write("events/bpflb/bpflb_drop/enable", "1")
    write("events/skb/kfree_skb/enable", "1")
    for version in ENDS:
        for sport, dport, name in ((4000, 54, "no-backend"), (4000, 55, "source-range"), (4000, 56, "unknown-port"),
                                   (4003, 53, "flows-max")):
            if name == "flows-max":
                r.send(version, 4001, 53)
                r.send(version, 4002, 53)
            write("trace", "")
            r.send(version, sport, dport)

            def both():
                drops = [x for e, x in traced() if e == "bpflb_drop"]
                freed = [x for e, x in traced() if e == "kfree_skb" and drops and x["skbaddr"] == drops[0]["skbaddr"]]
                return drops and freed and (drops, freed)
            drops, freed = eventually(both, f"a drop of {name}, and its end", 10, lambda: read("trace").splitlines())
            equal([x["name"] for x in drops], [name], "drops")
            equal([function_at(x["location"]) for x in freed], [f"bpflb_drop_{name.replace('-', '_')}"], "where it is freed")
            check("NETFILTER_DROP" in freed[0]["reason"], "the kernel's reason", [repr(freed)])


def senders_here_are_told(r):
    """A program of this node learns of a drop from its system call, whoever frees the packet."""
    for version in ENDS:
        with contextlib.suppress(PermissionError):
            r.send(version, 0, 54, r.s.name)
            raise Failure("the program learned nothing")


def output_of(r, command, want, seconds):
    """What the command prints. Meanwhile there are events: until all of @want match, or it has ended, or it has
    had these @seconds since it said something; then it is interrupted, for what sums up prints only then."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(["bash", "-c", command], stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, start_new_session=True)

        def printed():
            out.seek(0)
            return out.read()
        try:
            begun, rounds = None, 0
            while process.poll() is None and not all(re.search(x, printed(), re.M) for x in want):
                rounds += 1
                r.some_of_each(rounds)
                if begun is None and (printed() or "perf trace" in command):
                    begun = time.monotonic()
                if "sleep" not in command and begun is not None and time.monotonic() > begun + seconds:
                    break
            if process.poll() is None and "sleep" not in command:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return printed()


NEW = r"bpflb_flow_new: .*client=\[::ffff:10\.2\.0\.2\]:\d+ service=\[::ffff:192\.0\.2\.10\]:53"
GONE = r"bpflb_flow_gone: .*client=\[2001:db8:2::2\]:\d+ .*end=flushed"
DROP = r"bpflb_drop: .*name=no-backend src=\[2001:db8:2::2\]:\d+ dst=\[2001:db8::10\]:54"

# By how a command begins, in the order of the document: what it has to print.
SHELL = [
    ("mount -t tracefs", None),
    ("echo 1 > /sys/kernel/tracing/events/bpflb/enable; cat", [NEW, GONE, DROP]),
    ("echo 0 > /sys/kernel/tracing/events/bpflb/enable", None),
    ("cd /sys/kernel/tracing/events;", [DROP, r"kfree_skb: "]),
]
PERF = [
    ("perf stat", [rf"^ +[1-9]\d* +bpflb:{name}" for name in NAMES]),
    ("perf trace", [r"bpflb:bpflb_flow_new\(.*service", r"bpflb:bpflb_drop\("]),
    ("perf record", [r"bpflb:bpflb_drop: .*name=no-backend", r"\[bpflb\]"]),
]
BPFTRACE = [
    ("bpftrace -e 'tracepoint:bpflb:bpflb_drop { @[args", [r"^@\[no-backend\]: \d+"]),
    ("bpftrace -e 'tracepoint:bpflb:bpflb_drop { printf", [r"^no-backend ::ffff:10\.2\.0\.2 > ::ffff:192\.0\.2\.10:54$",
                                                          r"^no-backend 2001:db8:2::2 > 2001:db8::10:54$"]),
    ("bpftrace -e 'tracepoint:bpflb:bpflb_flow_new", [r"^@\[::ffff:192\.0\.2\.10, 53, ::ffff:10\.3\.0\.2, 5353\]: \d+",
                                                      r"^@\[2001:db8::10, 53, 2001:db8:3::2, 5353\]: \d+"]),
    ("bpftrace -e 'tracepoint:bpflb:bpflb_flow_gone", [r"^@\[3\]:"]),
    ("bpftrace -e 'tracepoint:skb:kfree_skb", [r"bpflb_drop_no_backend"]),
]


def commands():
    return re.findall(r"^```sh\n(.*?)\n```$", doc(), re.M | re.S)


def all_commands_are_known():
    begins = [begin for begin, _ in SHELL + PERF + BPFTRACE]
    got = commands()
    equal(len(got), len(begins), "commands in docs/tracing.md", got)
    for command, begin in zip(got, begins):
        check(command.startswith(begin), f"{command}: should begin with {begin}")


def shown(begin, want):
    def test(r):
        command = next(c for c in commands() if c.startswith(begin))
        if want is None:
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
            check(done.returncode == 0 or "already mounted" in done.stderr or "busy" in done.stderr, command, [done.stderr])
            return
        # How long it takes until it really looks depends on the machine.
        for seconds in 3, 10, 30, 90:
            out = output_of(r, command, want, seconds)
            if all(re.search(pattern, out, re.M) for pattern in want):
                return
        for pattern in want:
            check(re.search(pattern, out, re.M), f"{command}: nothing matches {pattern}", out.splitlines()[-60:])
    return test




def tests(_subset):
    here = [("tracing: the commands are those that are tested", all_commands_are_known)]
    subprocess.run(["mount", "-t", "tracefs", "nodev", TRACING], capture_output=True, check=False)
    if not os.path.isdir(EVENTS):
        return here         # a kernel without tracepoints
    here += [
        ("tracing: fields", in_rig(lambda r: fields_are_as_documented())),
        ("tracing: flows and drops", in_rig(flows_and_drops)),
        ("tracing: drops are freed by name", in_rig(drops_are_freed_by_name)),
        ("tracing: senders here are told", in_rig(senders_here_are_told)),
    ]
    here += [(f"tracing: {begin[:60]}", in_rig(shown(begin, want))) for begin, want in SHELL]
    if not os.path.exists("/proc/sys/kernel/perf_event_paranoid"):
        return here         # UML has no perf events
    return here + [(f"tracing: {begin[:60]}", in_rig(shown(begin, want))) for begin, want in PERF + BPFTRACE]
