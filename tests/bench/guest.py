# SPDX-License-Identifier: GPL-2.0-only
"""Here, not in a guest: boots one for measurements, and collects what they print."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
_began = time.monotonic()


def say(text):
    """Progress, with the time since the beginning."""
    seconds = int(time.monotonic() - _began)
    print(f"[{seconds // 60:2d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)


def build(*kernels):
    """lbadm, this folder's programs, and bpflb and the injector for each kernel."""
    steps = [["make", "-s", "-C", "tools"]]
    if os.path.exists(f"{HERE}/Makefile"):
        steps.append(["make", "-s", "-C", "tests/bench"])
    for kernel in kernels:
        say(f"building for {kernel}")
        steps.append(["tests/lab/build", kernel])
        steps.append(["env", f"SRC={HERE}/inject", "tests/lab/build", kernel])
    for step in steps:
        subprocess.run(step, cwd=TOP, check=True, stdout=sys.stderr)


def package(kernel):
    """The Debian package of a stock kernel, or what a UML kernel was built from, and its version."""
    return os.path.basename(os.readlink(f"{TOP}/build/kernels/{kernel}/from"))


def release(kernel):
    with open(f"{TOP}/build/kernels/{kernel}/release", encoding="ascii") as f:
        return f.read().strip()


def run(kernel, command, **env):
    """Records of a command in a guest; a guest that fails adds one with an error."""
    argv = [f"{TOP}/tests/lab/run", kernel, *command]
    if kernel.startswith("uml"):
        # Kernel and program take turns: they are faster where they need not wake each other's processor.
        argv = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *argv]
    origin = {"kernel": kernel, "release": release(kernel)}
    records, last = [], ""
    with subprocess.Popen(argv, cwd=TOP, env={**os.environ, **env}, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        for line in p.stdout:
            line = line.rstrip()
            if line.startswith("{"):
                records.append({**json.loads(line), **origin})
            elif line:
                last = last if line.startswith("lab: ") else line
                say(line.removeprefix("# "))
    if p.returncode:
        records.append({"bench": "guest", "case": " ".join(command), "who": kernel,
                        "error": f"status {p.returncode}: {last}", **origin})
    return records
