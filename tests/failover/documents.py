# SPDX-License-Identifier: GPL-2.0-only
"""What docs/operations.md shows of BIRD and keepalived is what these take."""
import os
import re
import subprocess
import tempfile

from net import ns
from net.ktap import check, equal

_DOCUMENT = os.path.join(os.path.dirname(__file__), "../../docs/operations.md")
_SPACE = "documents"


def _shown(kind):
    with open(_DOCUMENT, encoding="utf-8") as f:
        found = re.findall(rf"^```{kind}\n(.*?)^```$", f.read(), re.M | re.S)
    check(found, f"no configuration of {kind} is shown")
    return found


def _accepts(command, text):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text)
        f.flush()
        done = subprocess.run([*command, f.name], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"exit status of {command[0]}", [*text.splitlines(), *done.stderr.splitlines()])


def bird():
    for text in _shown("bird"):
        # what each of BIRD's files must have is shown once
        _accepts(["bird", "-p", "-c"], text if "router id" in text else "router id 192.168.0.1; protocol device { }\n" + text)


def keepalived():
    ns.create(_SPACE)
    try:
        subprocess.run(["ip", "-n", _SPACE, "link", "add", "lan0", "type", "veth"], check=True)
        with ns.inside(_SPACE):
            for text in _shown("keepalived"):
                _accepts(["keepalived", "--config-test", "-f"], "global_defs { vrrp_version 3 }\n" + text)
    finally:
        ns.delete(_SPACE)


def tests():
    return [("BIRD takes what is shown", bird), ("keepalived takes what is shown", keepalived)]
