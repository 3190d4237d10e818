# SPDX-License-Identifier: GPL-2.0-only
"""Who may see what: counters everybody, clients only who administrates the namespace."""
import json
import socket
import subprocess

from endpoint import INSTALLED, installed
from lb import OK, REFUSED, in_space, lbadm
from net import module
from net.ktap import check, equal, eventually

COUNTERS = ["status", "stats", "stats service dns", "metrics", "service list", "backend list", "node list",
            "set show", "save"]
CLIENTS = ["flow list", "flow save", "affinity list", "monitor", "monitor flow", "explain udp 10.1.0.9:4000 192.0.2.10:53"]
CHANGES = ["service del dns", "flow flush", "set mode dsr"]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]


def run(s, prefix, line):
    return subprocess.run(["ip", "netns", "exec", s.name, *prefix, "timeout", "10", INSTALLED, *line.split()],
                          capture_output=True, text=True, check=False)


def configured(s):
    s.do("service add dns udp 192.0.2.10:53 affinity 1m")
    s.do("backend add dns 10.1.0.2:5353")
    s.connect(socket.SOCK_DGRAM, 4000, ("192.0.2.10", 53))
    check("10.1.0.1" in s.do("flow list") and "10.1.0.1" in s.do("affinity list"), "there is no client")


def seen_by(s, prefix):
    configured(s)
    for line in COUNTERS:
        done = run(s, prefix, line)
        equal((done.returncode, done.stderr), (OK, ""), line)
        check("10.1.0.1" not in done.stdout, f"{line} names the client", done.stdout.splitlines())
    generation = s.generation()
    for line in CLIENTS + CHANGES:
        done = run(s, prefix, line)
        equal(done.returncode, REFUSED, line, (done.stdout + done.stderr).splitlines())
        check("CAP_NET_ADMIN" in done.stderr and "10.1.0.1" not in done.stdout + done.stderr, line,
              (done.stdout + done.stderr).splitlines())
    equal(s.generation(), generation, "generation")


def without(s):
    with installed():
        seen_by(s, NOBODY)


def root_of_another_user_namespace(s):
    """All capabilities, but not over this network namespace."""
    with installed():
        seen_by(s, ["unshare", "--user", "--map-root-user"])


def root_of_its_own():
    """In a network namespace of its own an unprivileged user's root does everything, as in nftables."""
    script = f"""set -e
        {INSTALLED} service add dns udp 192.0.2.10:53
        {INSTALLED} backend add dns 10.1.0.2:5353
        {INSTALLED} flow list
        {INSTALLED} metrics | grep -c '^bpflb_service_info{{service="dns"'"""
    with installed():
        done = subprocess.run([*NOBODY[:4], "unshare", "--user", "--map-root-user", "--net", "bash", "-c", script],
                              capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""), "what it could do")
    check("dns" not in lbadm("service list").out, "it has changed this namespace")


FLOWS_MAX, FLOWS = 100, 60


def strangers_share_a_bound():
    """What packets take is charged to no control group: namespaces of other users have together no more of it than one namespace
    of the machine's has by default, whatever they set; SNAT's ports count, too. The machine's own don't feel it."""
    setup = f"""ip addr add 10.1.0.1/24 dev lo
        {INSTALLED} service add dns udp 192.0.2.10:53
        {INSTALLED} backend add dns 10.1.0.2:5353
        {INSTALLED} set flows-max 1000"""

    def flows(rest):
        return f"""for n in {{1..{FLOWS}}}; do
                echo "flow add dns udp 10.1.0.9:$((4000 + n)) 192.0.2.10:53 10.1.0.2:5353 {rest}"
            done | {INSTALLED} flow restore - >&2 || true
            {INSTALLED} -j status"""

    def had(prefix, script):
        done = subprocess.run([*prefix, "unshare", "--net", "bash", "-ec", script], capture_output=True, text=True, check=True)
        return [json.loads(line)["status"]["flows"] for line in done.stdout.splitlines()], done.stderr
    own, snat = (f"{setup}\n{flows(rest)}" for rest in ("direct udp-replied",
                                                        "snat udp-replied source 10.1.0.1:$((1024 + n * 1000))"))
    nobody = [*NOBODY[:4], "unshare", "--user", "--map-root-user"]
    module.reload(flows_max=FLOWS_MAX)
    with installed():
        seen, told = had(nobody, f"{own}\nunshare --net bash -ec '{own}'\n{flows('direct udp-replied')}")
        equal((seen[0], seen[2]), (FLOWS, FLOWS), "flows of the first", told.splitlines)
        check(20 < seen[1] <= FLOWS_MAX - FLOWS and "the table is full" in told, f"{seen[1]} flows of the second", told.splitlines)
        equal(had([], own)[0], [FLOWS], "flows of the machine's own")
        equal(had([], snat)[0], [FLOWS], "flows by SNAT of the machine's own")
        eventually(lambda: had(nobody, own)[0] == [FLOWS], "what is gone counts no more", 30)
        eventually(lambda: 20 < had(nobody, snat)[0][0] < FLOWS, "SNAT's ports count", 30)


def tests(_subset):
    alone = [("who has no privilege", in_space(without))]
    # Who is in a chroot, as some guests are, can't have one.
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        return alone
    return alone + [
        ("root of another user namespace", in_space(root_of_another_user_namespace)),
        ("root of its own namespaces", root_of_its_own),
        ("strangers share a bound of flows", strangers_share_a_bound),
    ]
