#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What happens in a guest of tests/packages/run from one boot to the next; results go to the second serial
port, as "ok - NAME" or "not ok - NAME # WHY", and then "end".

The kernel parameter guest.stage names the function stage_... whose tests are run.
"""
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import lan                              # noqa: E402
from net import clients                 # noqa: E402
from net.ktap import Failure, KernelLog, check, equal, eventually  # noqa: E402

CONFIG = "/etc/bpflb/bpflb.conf"
CHECKOUT = "/root/bpflb"                # where the README's reader is
KERNEL = os.uname().release
SUDO = 'sudo() { "$@"; }\n'             # root has no need of it
OWN = "0.1.0"
NEWER = "0.2.0"


def sh(line, code=0, inside=None):
    """What @line said, in the namespace @inside."""
    argv = [*(["ip", "netns", "exec", inside] if inside else []), "bash", "-c", SUDO + line]
    began = time.monotonic()
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=CHECKOUT,
                       stdin=subprocess.DEVNULL)
    took = time.monotonic() - began
    if took > 10:
        print(f"# {took:.0f} s: {line}", flush=True)
    equal(p.returncode, code, f"exit status of {line}", p.stdout.splitlines()[-40:])
    return p.stdout


def shown(document, word):
    """The commands of the one block of @document that has @word."""
    with open(f"{HERE}/{document}", encoding="utf-8") as f:
        blocks = [b for b in re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S) if word in b]
    equal(len(blocks), 1, f"blocks of {document} that have '{word}'")
    return [line.split(" #")[0] for line in blocks[0].splitlines()]


def version_loaded():
    with open("/sys/module/bpflb/version") as f:
        return f.read().strip()


def show(unit, *names):
    out = sh(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in names))
    return dict(line.split("=", 1) for line in out.splitlines())


def status():
    return json.loads(sh("lbadm -j"))["status"]


def balances():
    """Both pods are reached, by DSR: they see the client."""
    seen = {lan.ask() for _ in range(40)}
    equal(seen, {("p1", "192.168.0.2"), ("p2", "192.168.0.2")}, "who answered, and whom they saw")


# The README, as far as a service that is balanced.

def readme_installs():
    fresh = sh("dpkg -l | awk '{ print $2 }'")
    check("bpflb" not in fresh and "lbadm" not in fresh, "bpflb was there before")
    for line in shown("README.md", "make deb"):
        if line == "make deb":      # was done where it takes no minutes
            check(glob.glob(f"{CHECKOUT}/build/deb/lbadm_*.deb"), "make deb left no packages")
            continue
        sh(line.replace("apt install", "apt-get -y install"))
    nothing_happens_unasked()
    print(*(f"# {line}" for line in sh("ccache -s").splitlines()), sep="\n")


def nothing_happens_unasked():
    check(not os.path.exists("/sys/module/bpflb"), "the module is loaded")
    for unit in "bpflb.service", "bpflb-metrics.socket", "bpflb-metrics-file.timer":
        got = show(unit, "UnitFileState", "ActiveState")
        equal(got, {"UnitFileState": "disabled", "ActiveState": "inactive"}, unit)
    equal(os.listdir("/etc/bpflb"), [], "what is in /etc/bpflb")
    equal(sh("find /etc/modprobe.d /etc/sysctl.d /etc/modules-load.d -name '*bpflb*'"), "", "configuration")
    check(f"bpflb/{OWN}, {KERNEL}, x86_64: installed" in sh("dkms status"), "what dkms says", [sh("dkms status")])
    check("/updates/dkms/bpflb.ko" in sh("modinfo -n bpflb"), "where the module is")


def readme_first_service():
    for line in shown("README.md", "node add"):
        sh(line)
        sh(line, inside="n2")
    equal(version_loaded(), OWN, "version")
    equal(lan.ask()[0], "p1", "who answers at the service's address")
    for node in lan.NODES:
        equal(lan.ask((node, 30080))[0], "p1", f"who answers at {node}'s port")
    text = sh("curl -sS --max-time 60 http://203.0.113.10/hello", inside="c0")
    answer = clients.Answer.parse(text)
    equal((answer.name, answer.client, answer.token), ("p1", "192.168.0.2", "/hello"), "curl")


def second_backend():
    for inside in None, "n2":
        sh(f"lbadm backend add web {lan.PODS['p2']}:{lan.PORT} node {lan.NODES[1]}", inside=inside)
    equal(status()["mode"], "hybrid", "mode")
    balances()


def autopkgtest():
    text = sh(f"{HERE}/balances")
    check("one" in text and "two" in text, "what it printed", text.splitlines)
    print("# " + "; ".join(text.split("\n")[:2]))


def readme_for_the_next_boot():
    lines = shown("README.md", "systemctl enable")
    equal(shown("install.md", "systemctl enable"), lines, "what docs/install.md says of it")
    for line in lines:
        sh(line)
    equal(sh("lbadm save"), open(CONFIG, encoding="utf-8").read(), "what was saved")


# After a boot.

def second_node():
    """What is a machine elsewhere: it does as this one has done by its service."""
    sh(f"sysctl -w net.ipv4.ip_forward=1; lbadm apply {CONFIG}", inside="n2")
    sh("sysctl -w net.ipv4.ip_forward=1")


def configuration_is_back():
    got = show("bpflb.service", "ActiveState", "UnitFileState", "Result")
    equal(got, {"ActiveState": "active", "UnitFileState": "enabled", "Result": "success"}, "bpflb.service",
          sh("journalctl -b -u bpflb --no-pager").splitlines)
    equal(sh("lbadm save"), open(CONFIG, encoding="utf-8").read(), "configuration")
    equal(status()["mode"], "hybrid", "mode")
    ours = int(show("bpflb.service", "ActiveEnterTimestampMonotonic")["ActiveEnterTimestampMonotonic"])
    network = int(show("network-pre.target", "ActiveEnterTimestampMonotonic")["ActiveEnterTimestampMonotonic"])
    check(0 < ours <= network, f"at {ours} us, and the network's beginning at {network}")
    second_node()
    balances()


def write_config(text):
    with open(CONFIG, "w", encoding="utf-8") as f:
        f.write(text)


def reload_is_atomic():
    with lan.Talk() as talk:
        before = sh("lbadm save")
        generation = status()["generation"]
        write_config(before + "service add other tcp 203.0.113.11:80\n")
        sh("systemctl reload bpflb")
        equal((status()["services"], status()["generation"]), (2, generation + 1), "services and generation")
        write_config(before + "service add good tcp 203.0.113.12:80\nservice add nonsense tpc 192.0.2.1:80\n")
        sh("systemctl reload bpflb", code=1)
        equal((status()["services"], status()["generation"]), (2, generation + 1), "after a reload of nonsense")
        write_config(before)
        sh("systemctl reload bpflb")
        equal(sh("lbadm save"), before, "configuration")
        log = sh("journalctl -b -u bpflb --no-pager")
        check("tpc" in log, "the journal does not name the wrong word", log.splitlines)
        answers = talk.answers
        eventually(lambda: talk.answers > answers + 5, "more answers", lan.TIMEOUT)
    equal(show("bpflb.service", "ActiveState")["ActiveState"], "active", "bpflb.service")


def stop_leaves_it():
    with lan.Talk():
        sh("systemctl stop bpflb")
        equal(show("bpflb.service", "ActiveState")["ActiveState"], "inactive", "bpflb.service")
        balances()
        sh("systemctl restart bpflb")
    balances()


def unit_is_hardened():
    out = sh("systemd-analyze verify --man=no /lib/systemd/system/bpflb*.service /lib/systemd/system/bpflb*.socket "
             "/lib/systemd/system/bpflb*.timer")
    equal(out, "", "what systemd-analyze verify says")
    out = sh("systemd-analyze security --no-pager bpflb.service")
    figure = float(re.search(r"exposure level for bpflb.service: ([\d.]+)", out).group(1))
    print(f"# exposure {figure}")
    check(figure <= 2.0, f"exposure {figure}", out.splitlines)


# What apt does to it.

def keeps_running_while_upgraded():
    with open("/etc/apt/sources.list", "w", encoding="utf-8") as f:
        f.write(f"deb [trusted=yes] file:{HERE}/newer ./\n")
    with lan.Talk() as talk:
        generation = status()["generation"]
        out = sh("apt-get update && apt-get -y upgrade")
        equal(sh("lbadm --version"), f"lbadm {NEWER}\n", "lbadm")
        equal(sh("modinfo -F version bpflb"), f"{NEWER}\n", "the module that is installed")
        equal(version_loaded(), OWN, "the module that runs")
        equal(status()["generation"], generation, "generation")
        check("until 'lbadm upgrade'" in out, "apt does not say so", out.splitlines()[-20:])
        answers = talk.answers
        eventually(lambda: talk.answers > answers + 5, "more answers", lan.TIMEOUT)
    check(glob.glob("/run/bpflb/loaded.ko*"), "no copy of the module that runs")
    balances()


def upgrade_keeps_connections():
    with lan.Talk() as talk:
        out = "".join(map(sh, shown("install.md", "lbadm upgrade")))
        equal(version_loaded(), NEWER, "version")
        answers = talk.answers
        eventually(lambda: talk.answers > answers + 5, "more answers", lan.TIMEOUT)
    print(f"# {out.strip()}")
    balances()


# Another kernel.

def cloud_packages(kind):
    return " ".join(map(shlex.quote, glob.glob(f"{HERE}/kernel/linux-{kind}-*.deb")))


def kernel_without_headers():
    out = sh(f"apt-get -y install {cloud_packages('image')}")
    print(*(f"# {line}" for line in out.splitlines() if "headers" in line), sep="\n")
    check("headers" in out, "nobody says that headers are missing", out.splitlines()[-40:])


def service_fails_loudly():
    check(not KERNEL.endswith("-amd64") or "cloud" in KERNEL, f"{KERNEL} runs")
    got = show("bpflb.service", "ActiveState", "Result")
    equal(got, {"ActiveState": "failed", "Result": "exit-code"}, "bpflb.service")
    text = f"module not built for this kernel, Linux {KERNEL}, whose headers are missing: install linux-headers-{KERNEL}"
    out = sh("systemctl status --no-pager bpflb", code=3)
    check(text in out, "systemctl status does not say why", out.splitlines)
    check("bpflb.service" in sh("systemctl --failed --no-pager"), "systemctl --failed")


def headers_mend_it():
    sh(f"apt-get -y install {cloud_packages('headers')}")
    check(f"{KERNEL}, x86_64: installed" in sh("dkms status bpflb"), "what dkms says", sh("dkms status").splitlines)
    sh("systemctl start bpflb")
    equal(sh("lbadm save"), open(CONFIG, encoding="utf-8").read(), "configuration")
    second_node()
    balances()


# The end.

def purge_leaves_nothing():
    sh("systemctl enable bpflb-metrics.socket; true")
    out = sh("apt-get -y purge bpflb-dkms lbadm")
    check("rmmod bpflb" in out, "nobody says that the module is still loaded", out.splitlines)
    balances()
    sh("rmmod bpflb; systemctl daemon-reload")
    # What the README has the administrator write is his, and not the packages'.
    sh("rm -f /etc/modprobe.d/bpflb.conf /etc/sysctl.d/bpflb.conf")
    # -xdev: the tests are on another file system
    left = sh(r"find / /run -xdev \( -name '*bpflb*' -o -name '*lbadm*' \) -not -path '/root/*' "
              r"-not -path '/var/log/*' "
              r"-not -path '/run/systemd/*' -not -path '/run/log/*' -not -path '/run/credentials/*'")
    equal(left.split(), [], "what is left")
    equal(sh("systemctl list-unit-files 'bpflb*' --no-legend --no-pager || true"), "", "units")
    out = sh("modprobe bpflb", code=1)
    check("not found" in out, out)


def stage_install():
    return [("the README's commands install it, and DKMS builds it", readme_installs),
            ("the README's commands lead to a service", readme_first_service),
            ("a second backend has its share", second_backend),
            ("debian/tests/balances passes", autopkgtest),
            ("the README's commands keep it for the next boot", readme_for_the_next_boot)]


def stage_again():
    return [("a reboot brings the configuration back, before the network", configuration_is_back),
            ("a reload is atomic and keeps connections", reload_is_atomic),
            ("stopping the unit stops no service", stop_leaves_it),
            ("the unit is hardened", unit_is_hardened),
            ("apt upgrade leaves the module that runs alone", keeps_running_while_upgraded),
            ("then lbadm upgrade keeps connections", upgrade_keeps_connections),
            ("a kernel without headers is installed, and apt says so", kernel_without_headers)]


def stage_cloud():
    return [("the unit says why there is no module", service_fails_loudly),
            ("with the headers DKMS builds it, and the unit starts", headers_mend_it),
            ("purge leaves nothing", purge_leaves_nothing)]


def stage_subset():
    """Of a guest where the packages were installed without emulation."""
    return [("a boot brings the configuration back, before the network", configuration_is_back),
            ("a reload is atomic and keeps connections", reload_is_atomic),
            ("stopping the unit stops no service", stop_leaves_it),
            ("the unit is hardened", unit_is_hardened),
            ("debian/tests/balances passes", autopkgtest),
            ("purge leaves nothing", purge_leaves_nothing)]


def main():
    stage = re.search(r"guest\.stage=(\w+)", open("/proc/cmdline", encoding="ascii").read()).group(1)
    os.environ |= {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root",
                   "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_COLORS": "0"}
    print("# begin", flush=True)
    log = KernelLog()
    lan.build()
    lan.Pods()
    tests = globals()[f"stage_{stage}"]()
    for name, function in [*tests, ("the kernel's log is clean", lambda: equal(log.splats(), [], "log"))]:
        began, why, details = time.monotonic(), "", []
        try:
            function()
        except Failure as e:
            why, details = str(e), e.details
        except Exception as e:
            why, details = repr(e), traceback.format_exc().splitlines()
        for line in details:
            print(f"# {line}")
        why = " ".join(why.split())
        print(f"{'not ok' if why else 'ok'} - {name}{f' # {why}' if why else ''}", flush=True)
        print(f"# {time.monotonic() - began:.0f} s", flush=True)
    print("end", flush=True)


main()
