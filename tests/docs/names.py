# SPDX-License-Identifier: GPL-2.0-only
"""What the documents name is there: files, make's targets, and netlink's words, of which none is left out."""
import re

import text
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
    lines = [span for _, span in text.spans(path)]
    lines += [line for block in text.blocks(path) if block.kind == "sh" for line in block.lines]
    for line in lines:
        for target in re.findall(r"(?:^|[=\w] |&& )(?:sudo )?make ([a-z][a-z-]+)\b", line):
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


def tests(_subset):
    paths = [*text.documents(), text.TOP / "tests/README.md"]
    return [(f"names: {path.relative_to(text.TOP)}", of(path)) for path in paths] + [
        ("names: netlink's commands and attributes", netlink)]
