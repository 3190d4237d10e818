# SPDX-License-Identifier: GPL-2.0-only
"""lbadm import ipvs: what real IPVS has is configured, saved, imported and applied; and bad lines."""
import functools
import re
import subprocess

from lb import USAGE, fails, in_space, lbadm, works
from net.ktap import check, equal

# (ipvsadm's service, its scheduler, its servers): what the kernel is given
SERVICES = [
    ("-t 192.0.2.10:80", "-s wrr", ["-r 10.0.0.1:8080 -m -w 1", "-r 10.0.0.2:8080 -m -w 5", "-r 10.0.0.3:80 -m -w 0"]),
    ("-u 192.0.2.10:53", "-s rr -o", ["-r 10.0.0.1:53 -g -w 1", "-r 10.0.0.2:53 -g -w 1"]),
    ("-t 192.0.2.11:443", "-s lc -p 600 -M 255.255.255.0", ["-r 10.0.0.1:443 -i -w 1"]),
    ("-t 192.0.2.12:80", "-s mh -b mh-port", ["-r 10.0.0.1:80 -g -w 2", "-r 10.0.0.2:80 -g -w 3"]),
    ("-t 192.0.2.13:80", "-s sh", ["-r 10.0.0.1:80 -m -w 1"]),
    ("-t 192.0.2.14:0", "-s rr -p 360", ["-r 10.0.0.1:0 -m -w 1"]),
    ("-t [2001:db8::1]:443", "-s wrr", ["-r [2001:db8:1::1]:8443 -m -w 7", "-r [2001:db8:1::2]:8443 -m -w 9"]),
    ("-u [2001:db8::1]:53", "-s rr", []),
]
WANT = {"rr": "rr", "wrr": "rr", "lc": "lc", "mh": "maglev", "sh": "maglev"}


def run(s, *argv):
    p = subprocess.run(["ip", "netns", "exec", s.name, *argv], capture_output=True, text=True, check=False)
    equal(p.returncode, 0, " ".join(argv), [p.stderr])
    return p.stdout


def saved(s):
    """What IPVS says that it has, once it has been told. Without an address of the space it takes none for a server's."""
    run(s, "ip", "link", "set", "lo", "up")
    for service, how, servers in SERVICES:
        run(s, "ipvsadm", "-A", *service.split(), *how.split())
        for server in servers:
            run(s, "ipvsadm", "-a", *service.split(), *server.split())
    run(s, "ipvsadm", "-A", "-f", "7", "-s", "rr")
    run(s, "ipvsadm", "-a", "-f", "7", "-r", "10.0.0.9:0", "-g")
    return run(s, "ipvsadm", "-Sn")


def split(at):
    """[2001:db8::1]:443 as ("2001:db8::1", 443)."""
    address, port = at.rsplit(":", 1)
    return address.strip("[]"), int(port)


def by_a_naive_eye(text):
    """{(proto, address, port): (scheduler, {(address, port): weight})} of ipvsadm's own lines."""
    services = {}
    for line in text.splitlines():
        where = re.search(r" (-[tu]) (\S+)", line)
        if not where:
            continue
        key = ("tcp" if where[1] == "-t" else "udp", *split(where[2]))
        if line.startswith("-A"):
            services[key] = (re.search(r"-s (\S+)", line)[1], {})
        else:
            services[key][1][split(re.search(r"-r (\S+)", line)[1])] = int(re.search(r"-w (\d+)", line)[1])
    return services


def by_lbadm(s):
    services = {}
    for service in s.json("service list")["services"]:
        front = service["frontends"][0]
        port = 0 if (front["port"], front["last_port"]) == (1, 65535) else front["port"]
        backends = {(b["address"], b["port"] or 0): b["weight"]
                    for b in s.json("backend", "list", service["name"])["backends"]}
        services[service["proto"], front["address"], port] = (service["scheduler"], backends)
    return services


def real(s):
    subprocess.run(["modprobe", "-q", "ip_vs"], check=False)
    text = saved(s)
    want = {key: (WANT[scheduler], backends) for key, (scheduler, backends) in by_a_naive_eye(text).items()}
    equal(len(want), len(SERVICES), "services that IPVS has by an address", text.splitlines)
    imported = works(lbadm("import ipvs", stdin=text))
    works(s.say("apply", "-", stdin=imported))
    equal(by_lbadm(s), want, "services", imported.splitlines)
    shown = {x["frontends"][0]["address"]: x for x in s.json("service list")["services"] if x["proto"] == "tcp"}
    for address, mode, dispatch, affinity in (
            ("192.0.2.10", "snat", "default", 0), ("192.0.2.11", "dsr", "ipip", 600),
            ("192.0.2.12", "dsr", "l2", 0), ("192.0.2.13", "snat", "default", 300), ("192.0.2.14", "snat", "default", 360)):
        x = shown[address]
        equal((x["mode"], x["dispatch"], x["affinity"]), (mode, dispatch, affinity), f"of {address}")
    for what in "left out: -f 7:", "-M: affinity is of whole addresses", "-s sh: sh is maglev here":
        check(what in imported, f"no comment on {what}", imported.splitlines)
    # The same file again changes nothing; and what was saved of it is as good.
    generation = s.generation()
    works(s.say("apply", "-", stdin=imported))
    equal(s.generation(), generation, "generation after no change")
    path = s.file(text)
    equal(works(lbadm("import", "ipvs", path)).replace(path, "(stdin)"), imported, "from a file")


def bad_lines():
    good = "-A -t 192.0.2.10:80 -s rr\n"
    for text, sentence, word, where in (
            ("-A -t 192.0.2.10:80 -s rr -q 4\n", "unknown word '-q'; valid here: -A, -a", "-q", "1:27"),
            (good + "-a -t 192.0.2.10:80 -r rs1:80 -m\n", "'rs1:80' is no address and port", "rs1:80", "2:24"),
            (good + "\n-a -t 192.0.2.10:80 -r 10.0.0.1:80 -w x", "--weight must be 0 to", "x", "3:39"),
            (good + "-a -t 192.0.2.10:80", "the server is missing", "", "2:21"),
            ("-A -t", "the value of --tcp-service is missing", "", "1:7"),
            ("-t 192.0.2.10:80\n", "these begin with -A or -a", "-t", "1:1"),
            (good + good, "was added before", None, "2"),
            ("-a -t 192.0.2.10:80 -r 10.0.0.1:80\n", "no -A line before this one", None, "1"),
            ("-A -t 192.0.2.10:80\0\n", "control character", "192.0.2.10:80", "1:7")):
        fails(lbadm("import ipvs", stdin=text), USAGE, sentence, word, f"(stdin):{where}")
    fails(lbadm("import ipvs /nowhere/at/all"), USAGE, "No such file")
    fails(lbadm("import ipvs a b"), USAGE, "nothing may follow", "b")
    fails(lbadm("import iptables"), USAGE, "unknown word 'iptables'", "iptables")


def tests(subset):
    return [("import ipvs: bad lines", bad_lines),
            ("import ipvs: real IPVS, saved, imported and applied", in_space(functools.partial(real)))]
