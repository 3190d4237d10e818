# SPDX-License-Identifier: GPL-2.0-only
"""The log of flows where there are more than it may tell, or than its reader can take; and why flows end."""
import contextlib
import re
import signal
import socket
import subprocess
import time

from lb import ABSENT, LBADM, in_space
from net import module, ns
from net.flowlog import FlowLog
from net.ktap import check, equal, eventually

VIP = "192.0.2.10", 53


def configured(s, *settings):
    """A service whose backend never answers; each of its flows is told of three times."""
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.2:5353")
    s.do(f"set timeout udp-unreplied 1h {' '.join(settings)}")
    s.connect(socket.SOCK_DGRAM, 1024, VIP)     # makes the devices
    s.do("flow flush")


def flood(s, ports):
    for port in ports:
        with ns.make_socket(s.name, socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.bind(("10.1.0.1", port))
            with contextlib.suppress(PermissionError):      # it is dropped
                c.sendto(b"?", VIP)


def told(log):
    return sum(x.get("object") == "flow" and x["event"] != "lost" for x in log.look())


def a_flood_is_bounded(s):
    bound, flows = 100, 1500
    configured(s, f"flow-events {bound}")
    before = s.json("stats")["stats"]
    with FlowLog(LBADM, s.name) as log:
        begun = time.monotonic()
        flood(s, range(2000, 2000 + flows))
        s.do("flow flush")
        seconds = time.monotonic() - begun
        eventually(lambda: told(log) + log.lost() >= 3 * flows, "all are told, or said to be lost", 30,
                   lambda: [f"{told(log)} told, {log.lost()} lost of {3 * flows}"])
        equal(told(log) + log.lost(), 3 * flows, "events, told and lost")
        check(0 < told(log) <= bound * (seconds + 2), "told more than it may",
              [f"{told(log)} in {seconds} s, {bound} a second"])
        after = s.json("stats")["stats"]
        equal(after["flow_events_lost"] - before["flow_events_lost"], log.lost(), "what stats says of it")
        equal(after["counters"]["flows"] - before["counters"]["flows"], flows, "flows")


def a_slow_reader_is_told(s):
    """The socket's buffer overflows: what it had no room for is counted, and no other event is lost by it."""
    flows = 3000
    configured(s, "flow-events 1000000")
    with FlowLog(LBADM, s.name, "node") as log:
        log.process.send_signal(signal.SIGSTOP)
        flood(s, range(2000, 2000 + flows))
        s.do("flow flush")
        s.do("node add 192.168.0.11")
        log.process.send_signal(signal.SIGCONT)
        eventually(lambda: told(log) + log.lost() >= 3 * flows, "all are told, or said to be lost", 60,
                   lambda: [f"{told(log)} told, {log.lost()} lost of {3 * flows}"])
        check(log.lost(), "nothing was lost")
        equal(told(log) + log.lost(), 3 * flows, "events, told and lost")
        equal(s.json("stats")["stats"]["flow_events_lost"], 0, "events that were not sent")
        log.first("add", None)
        equal([x["node"]["address"] for x in log.look() if x.get("object") == "node"], ["192.168.0.11"], "of nodes")
        check(not [x for x in log.lines if x["event"] == "lost" and x.get("object") != "flow"], "others were lost")


def nobody_listens(s):
    """What nobody would have been told is not lost."""
    configured(s, "flow-events 1")
    flood(s, range(2000, 2100))
    equal(s.json("stats")["stats"]["flow_events_lost"], 0, "events lost")


def in_words(s):
    configured(s, "flow-accounting on")
    with subprocess.Popen([LBADM, "-n", s.name, "monitor", "flow"], stdout=subprocess.PIPE, text=True) as monitor:
        with contextlib.closing(monitor.stdout) as lines:
            lines.readline()
            flood(s, [4000])
            s.do("flow flush")
            way = "dns udp 10.1.0.1:4000 > 192.0.2.10:53 > 10.1.0.2:5353 snat"
            for want in (f"flow add {way} udp-unreplied in 0 packets 0 bytes out 0 packets 0 bytes in 0.000s",
                         f"flow set {way} 10.1.0.1:PORT udp-unreplied in 1 packets 29 bytes"
                         " out 0 packets 0 bytes in 0.000s",
                         f"flow del {way} 10.1.0.1:PORT udp-unreplied end flushed in 1 packets 29 bytes"
                         " out 0 packets 0 bytes in 0.000s"):
                # The client's own port is a socket's of this node, and so not a source.
                equal(re.sub(r"(snat 10.1.0.1:)\d+", r"\1PORT", lines.readline()), f"{want}\n", "line")
            monitor.terminate()


def evicted(s):
    configured(s, "flows-max 1")
    with FlowLog(LBADM, s.name) as log:
        flood(s, [4000, 4001])
        equal(log.first("del", ("10.1.0.1", 4000))["end"], "evicted", "why the first has ended")
        log.first("add", ("10.1.0.1", 4001))


def timed_out(s):
    configured(s)
    s.do("set timeout udp-unreplied 1s")
    with FlowLog(LBADM, s.name) as log:
        flood(s, [4000])
        equal(log.first("del", ("10.1.0.1", 4000))["end"], "timeout", "why it has ended")


def without_a_source(s):
    """One port, which the first flow has."""
    configured(s, "snat-ports 1024-1024")
    with FlowLog(LBADM, s.name) as log:
        flood(s, [4000, 4001])
        equal(log.first("del", ("10.1.0.1", 4001))["end"], "source", "why the second has ended")
        equal(log.all(("10.1.0.1", 4000)), ["add", "set"], "events of the first")


def the_source_goes(s):
    configured(s)
    with FlowLog(LBADM, s.name) as log:
        flood(s, [4000])
        log.first("set", ("10.1.0.1", 4000))
        subprocess.run(["ip", "-n", s.name, "addr", "del", "10.1.0.1/24", "dev", "d0"], check=True)
        equal(log.first("del", ("10.1.0.1", 4000))["end"], "source", "why it has ended")


def the_backend_is_down(s):
    configured(s)
    with FlowLog(LBADM, s.name) as log:
        flood(s, [4000])
        s.do("backend add dns 10.1.0.3:5353")
        s.do("backend set dns 10.1.0.2:5353 state down")
        flood(s, [4000])
        equal(log.first("del", ("10.1.0.1", 4000))["end"], "backend", "why it has ended")
        equal([x["backend"]["address"] for x in log.of("add", ("10.1.0.1", 4000))], ["10.1.0.2", "10.1.0.3"], "backends")


def accounts_leave_with_their_flows(s):
    """And no account is left behind: module.leaves_nothing looks for that."""
    configured(s, "flow-accounting on")
    flood(s, range(2000, 2200))
    equal(s.json("flow list")["flows"][0]["packets_in"], 1, "packets in")
    s.do("set flow-accounting off")
    s.do("flow flush")
    flood(s, range(2000, 2010))
    equal({x["packets_in"] for x in s.json("flow list")["flows"]}, {None}, "packets in, off")


def the_module_goes(s):
    """Whoever watches learns that he sees nothing any more."""
    for what in ["flow"], ["flow", "node"], []:
        with subprocess.Popen([LBADM, "-n", s.name, "monitor", *what], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as monitor:
            check(monitor.stdout.readline().startswith("start"), "it does not start")
            module.unload()
            module.load()
            _, err = monitor.communicate(timeout=30)
            equal((monitor.returncode, "the module was unloaded" in err), (ABSENT, True), f"monitor {what}", [err])


def tests(_subset):
    return [(name, in_space(test)) for name, test in (
        ("flow log: a flood is bounded, losses are counted", a_flood_is_bounded),
        ("flow log: a slow reader", a_slow_reader_is_told),
        ("flow log: nobody listens", nobody_listens),
        ("flow log: in words", in_words),
        ("flow log: evicted", evicted),
        ("flow log: timed out", timed_out),
        ("flow log: no source", without_a_source),
        ("flow log: the source goes", the_source_goes),
        ("flow log: the backend is down", the_backend_is_down),
        ("flow log: the module goes", the_module_goes),
        ("flow log: accounts", accounts_leave_with_their_flows))]
