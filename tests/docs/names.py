# SPDX-License-Identifier: GPL-2.0-only
"""What the documents name is there: files, make's targets, and netlink's words, of which none is left out."""
import pathlib
import re
import subprocess

import text
from net.cluster import LBADM
from net.ktap import check

_FILE = re.compile(r"(?:README\.md|CHANGELOG\.md|Kbuild|(?:\.ci|debian|dist|docs|include|kmod|tests|tools)/[\w./@-]*)$")


def files(path):
    """Files that a document names by their path; architecture.md's first block is a list of kmod's."""
    for number, span in text.spans(path):
        if _FILE.match(span) and not (text.TOP / span).exists():
            yield f"line {number}: {span}: no such file"
    if path.name != "architecture.md":
        return
    for name in re.findall(r"\b(\w+\.[ch])\b", path.read_text()):
        if not any((text.TOP / there / name).exists() for there in ("kmod", "tools", "kmod/compat")):
            yield f"{name}: neither in kmod nor in tools"


def targets(path):
    """make check-static and the like."""
    known = set(re.findall(r"^([a-z-]+):", (text.TOP / "Makefile").read_text(), re.M))
    lines = [span for _, span in text.spans(path) if re.match(r"(?:[A-Z]+=\S+ )?make ", span)]
    lines += [line for block in text.blocks(path) if block.kind == "sh" for line in block.lines]
    for line in lines:
        for target in re.findall(r"(?:^|&& )(?:sudo )?(?:[A-Z]+=\S+ )*make ([a-z][a-z-]+)\b", line):
            if target not in known:
                yield f"make {target}: no such target"


def of(path):
    def test():
        lines = [*files(path), *targets(path)]
        check(not lines, "what is named is not there", lines)
    return test


def enumerators(header):
    """Those of the header, by what they begin with: commands, and attributes."""
    found = {}
    for name in re.findall(r"^\tBPFLB_(\w+)", header, re.M):
        m = re.match(r"(CMD|(?:\w+_)?A)_(\w+)$", name) if not name.startswith("MCGRP") else None
        if m and m[2] not in ("UNSPEC", "PAD"):
            found.setdefault(f"BPFLB_{m[1]}_", set()).add(m[2])
    return found


def netlink():
    """Each row of a table in netlink.md whose first cell ends in * has the rest of names that begin so."""
    wanted = enumerators((text.TOP / "include/uapi/linux/bpflb.h").read_text())
    got = {}
    for line in (text.TOP / "docs/netlink.md").read_text().splitlines():
        if m := re.match(r"\| `(BPFLB_\w*_)\*` \|(.*)", line):
            got.setdefault(m[1], set()).update(re.findall(r"`([A-Z0-9_]+)`", m[2]))
    wrong = [f"{begin}{name} is not in netlink.md" for begin, names in wanted.items()
             for name in sorted(names - got.get(begin, set()))]
    wrong += [f"{begin}{name} is not in the header" for begin, names in got.items()
              for name in sorted(names - wanted.get(begin, set()))]
    check(wanted and not wrong, "netlink.md and bpflb.h differ", wrong)


def section(path, heading):
    return path.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def where_things_are():
    """development.md names each source file that knows of a scheduler, of a dispatch."""
    missing = []
    for heading, word in (("A scheduler", r"BPFLB_SCHEDULER_LC\b"), ("A dispatch", r"BPFLB_DISPATCH_(GENEVE|IPIP|L2)\b")):
        named = section(text.TOP / "docs/development.md", heading)
        knowing = [path for folder in ("kmod", "tools", "include/uapi/linux") for path in (text.TOP / folder).glob("*.[ch]")
                   if re.search(word, path.read_text())]
        check(knowing, f"nothing mentions {word}")
        missing += [f"{heading}: {path.relative_to(text.TOP)}" for path in knowing
                    if f"`{path.relative_to(text.TOP)}`" not in named]
    check(not missing, "files that are not named", missing)


def platforms():
    """platforms.md has each one that make check-platforms builds, and does not call it tested."""
    listed = re.findall(r"^(\d[\w.-]+) +(?:amd64|arm64) ", (text.TOP / "tests/static/platforms").read_text(), re.M)
    rows = (text.TOP / "docs/platforms.md").read_text().splitlines()
    named = {m[1]: m[2] for row in rows if (m := re.match(r"\| [^|]*`(\d[\w.-]+)`\) \| \w+ \| (\w+) \|", row))}
    check(listed and sorted(named) == sorted(listed), f"platforms.md names {[*named]}, tests/static/platforms {listed}")
    check("tested" not in named.values(), "platforms that are only built are called tested")


def sysctls():
    """Each sysctl of the example is there, also those that are commented out."""
    lines = (text.TOP / "dist/sysctl.d/bpflb.conf").read_text().splitlines()
    names = [m[1] for line in lines if (m := re.match(r"#?(net\.[\w.]+) = ", line))]
    missing = [name for name in names if not pathlib.Path("/proc/sys", name.replace(".", "/")).exists()]
    check(names and not missing, "sysctls that there are not", missing)


def parameters():
    """modprobe.d's example sets what the module has, and bpflb.conf's is a configuration."""
    lines = (text.TOP / "dist/modprobe.d/bpflb.conf").read_text().splitlines()
    set_ = [m[1] for line in lines if (m := re.match(r"#?options bpflb (\w+)=\w+$", line))]
    there = {m for path in (text.TOP / "kmod").glob("*.c") for m in re.findall(r"^module_param\((\w+),", path.read_text(), re.M)}
    check(set(set_) == there, f"the example has {set_}, the module {sorted(there)}")
    said = subprocess.run([LBADM, "check", text.TOP / "dist/bpflb/bpflb.conf"], capture_output=True, text=True, check=False)
    check(said.returncode == 0, "lbadm check of dist/bpflb/bpflb.conf", said.stderr.splitlines())


def tests(_subset):
    paths = [*text.documents(), text.TOP / "tests/README.md"]
    return [(f"names: {path.relative_to(text.TOP)}", of(path)) for path in paths] + [
        ("names: netlink's commands and attributes", netlink),
        ("names: where a scheduler and a dispatch are", where_things_are),
        ("names: platforms that it is built for", platforms),
        ("names: sysctls of the example", sysctls),
        ("names: the module's parameters, and the example of a configuration", parameters)]
