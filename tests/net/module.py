# SPDX-License-Identifier: GPL-2.0-only
"""The kernel module: in, out, and whether anything of it is left."""
import os
import subprocess


def loaded():
    return os.path.exists("/sys/module/bpflb")


def load(**params):
    """modprobe; a refusal is a RuntimeError with what modprobe said."""
    p = subprocess.run(["modprobe", "bpflb", *(f"{k}={v}" for k, v in params.items())],
                       capture_output=True, text=True, check=False)
    if p.returncode:
        raise RuntimeError(f"modprobe bpflb: {p.stderr.strip()}")


def unload():
    p = subprocess.run(["rmmod", "bpflb"], capture_output=True, text=True, check=False)
    if p.returncode:
        raise RuntimeError(f"rmmod bpflb: {p.stderr.strip()}")


def reload(**params):
    if loaded():
        unload()
    load(**params)


def references():
    with open("/proc/modules") as f:
        for line in f:
            words = line.split()
            if words[0] == "bpflb":
                return int(words[2])
    return None


def slabs():
    """The caches of objects that the module has."""
    try:
        with open("/proc/slabinfo") as f:
            return [line.split()[0] for line in f if line.startswith("bpflb")]
    except FileNotFoundError:       # a kernel without it
        return []
