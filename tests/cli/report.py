# SPDX-License-Identifier: GPL-2.0-only
"""lbadm report: what it has, what it does not have unless asked, and that nothing keeps it from being written."""
import os
import re
import socket
import stat
import subprocess

from lb import LBADM, REFUSED, USAGE, fails, in_space, works
from net.ktap import check, equal


def sections(text):
    """{title: lines}"""
    parts = re.split(r"^==== (.*) ====$", text, flags=re.M)
    return dict(zip(parts[1::2], (p.strip("\n") for p in parts[2::2])))


def configure(s):
    s.do("set mode hybrid timeout udp-unreplied 1h")
    s.do("node add 10.9.0.1")
    s.do("service add web tcp 192.0.2.10:443 scheduler maglev")
    s.do("backend add web 10.1.0.77:8443 node 10.9.0.1 weight 7")
    s.do("service add dns udp 192.0.2.10:53")
    s.do("backend add dns 10.1.0.78:53")
    s.connect(socket.SOCK_DGRAM, 20001, ("192.0.2.10", 53))


def contents(s):
    """Sections are what the commands say that they are named by."""
    configure(s)
    found = sections(s.do("report"))
    for title in ("lbadm --version", "uname -a", "lbadm status", "lbadm save", "lbadm set show", "lbadm stats",
                  "lbadm service list", "lbadm backend list", "lbadm node list", "ip -d address", "ip neighbour",
                  "ip -4 rule", "ip -6 route show table all", "nft list ruleset", "iptables-save -c", "ipvsadm -Sn",
                  "/proc/modules", "dmesg", "sysctls of IPv4 and IPv6", "/sys/module/bpflb/parameters/*"):
        check(title in found, f"no section {title}", sorted(found))
    for command in "--version", "save", "set show", "node list", "backend list":
        equal(found[f"lbadm {command}"], s.do(command).strip("\n"), command)
    address = subprocess.run(["ip", "-n", s.name, "-d", "address"], capture_output=True, text=True, check=True).stdout
    equal(re.sub(r"\s+", " ", found["ip -d address"]).strip(), re.sub(r"\s+", " ", address).strip(), "addresses")
    check("/proc/sys/net/ipv4/ip_forward: " in found["sysctls of IPv4 and IPv6"], "ip_forward")
    check("/proc/sys/net/ipv4/conf/d0/rp_filter: " in found["sysctls of IPv4 and IPv6"], "rp_filter of a device")
    check("/sys/module/bpflb/parameters/mode: " in found["/sys/module/bpflb/parameters/*"], "the module's parameters")
    check('"findings"' in found["lbadm -j -p doctor"], "what doctor finds")
    check(re.search(r"\bbpflb \d+ ", found["/proc/modules"]), "the module among modules")


def clients(s):
    """Flows are counted; who they are from is told only to those who ask."""
    configure(s)
    counted = sections(s.do("report"))
    row = counted["flows, counted by kind and state"].splitlines()[1].split()
    equal(row[1:], ["udp-unreplied", "1"], "flows")
    check("lbadm flow list" not in counted, "flows are there unasked")
    check("20001" not in s.do("report"), "a client's port is there unasked")
    found = sections(s.do("report --flows"))
    check("10.1.0.1:20001" in found["lbadm flow list"], "the client is missing", found["lbadm flow list"].splitlines())


def into_a_file(s):
    configure(s)
    path = os.path.join(s.dir, "report")
    said = s.say("report", path)
    equal((said.code, said.out), (0, ""), "exit status, output", said.details)
    check("names no clients" in said.err, "what is in it", said.details)
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of the file")
    with open(path, encoding="utf-8") as f:
        equal(sections(f.read()).keys(), sections(s.do("report")).keys(), "sections")
    fails(s.say("report", "/nowhere/at/all"), REFUSED, "can't write /nowhere/at/all")
    fails(s.say("report", "a", "b"), USAGE, "unknown word 'b'; valid here: --flows", "b")
    equal(s.say("-j", "report").code, USAGE, "with -j")


def without_anything(s):
    """No other program is there, nobody may do anything: there is a report, and it says so."""
    env = {**os.environ, "PATH": s.dir}
    text = works(s.say("report", env=env))
    found = sections(text)
    equal(found["nft list ruleset"], "(can't be had: nft is not there)", "nft")
    check("(can't be had" not in found["lbadm save"], "lbadm is there in any case")
    check(re.search(r"^end: \d+ of \d+ sections could not be had", list(found)[-1]), f"the end: {list(found)[-1]}")
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", LBADM, "report"]
    p = subprocess.run(["ip", "netns", "exec", s.name, *nobody], capture_output=True, text=True, check=False)
    equal((p.returncode, p.stderr), (0, ""), "as nobody")
    check("(exit status 2)" in sections(p.stdout)["flows, counted by kind and state"], "flows are for root")


def tests(subset):
    return [(f"report: {name}", in_space(function)) for name, function in (
        ("contents", contents), ("clients", clients), ("into a file", into_a_file),
        ("without anything", without_anything))]
