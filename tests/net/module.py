# SPDX-License-Identifier: GPL-2.0-only
"""The kernel module: in, out, and whether anything of it is left."""
import os
import subprocess

from .ktap import check


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
    """The module's own caches. One that was merged with another's is a link, which may
    outlive the module: that says nothing (slab_nomerge makes all of them own ones)."""
    path = "/sys/kernel/slab"
    return [name for name in os.listdir(path)
            if name.startswith("bpflb") and not os.path.islink(f"{path}/{name}")]


def objects(cache):
    """How many objects of @cache are in use; None if it is merged with others."""
    with open("/proc/slabinfo") as f:
        line = next((line for line in f if line.startswith(f"{cache} ")), None)
    if not line:
        return None
    # Objects on a processor's own lists count as in use: ask for them back first.
    with open(f"/sys/kernel/slab/{cache}/shrink", "w") as shrink:
        shrink.write("1")
    with open("/proc/slabinfo") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(f"{cache} "))


def leaves_nothing():
    """A test to end with: the module goes, and with it all that it had.

    Flows that are in use are out of kmemleak's sight, for they are found by no pointer. A part that has
    no test on this kernel has not loaded it.
    """
    if loaded():
        unload()
    check(references() is None and not slabs(), f"left: {slabs()}")
