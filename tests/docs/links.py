# SPDX-License-Identifier: GPL-2.0-only
"""Links between the documents lead to files that are there, and to headings that these have."""
import re

import text
from net.ktap import check

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(path):
    """What GitHub makes of headings."""
    seen, found = {}, set()
    for heading in text.headings(path):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


def wrong(path):
    for number, line in text.outside_fences(path):
        for target in _LINK.findall(line):
            if re.match(r"https?:", target):
                continue
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            if not there.exists():
                yield f"line {number}: {target}: no such file"
            elif anchor and anchor not in anchors(there):
                yield f"line {number}: {target}: no such heading"


def linked():
    """Whoever begins with the README comes to each document."""
    seen, ahead = set(), [text.TOP / "README.md"]
    while ahead:
        path = ahead.pop()
        seen.add(path)
        for _, line in text.outside_fences(path):
            for target in _LINK.findall(line):
                there = (path.parent / target.partition("#")[0]).resolve()
                if there.suffix == ".md" and there not in seen and there.exists():
                    ahead.append(there)
    lost = [str(path.relative_to(text.TOP)) for path in text.documents() if path not in seen]
    check(not lost, "documents to which no link leads", lost)


def of(path):
    def test():
        lines = list(wrong(path))
        check(not lines, f"{len(lines)} links lead nowhere", lines)
    return test


def tests(_subset):
    files = [*text.documents(), text.TOP / "tests/README.md", text.TOP / "CHANGELOG.md"]
    return [(f"links: {path.relative_to(text.TOP)}", of(path)) for path in files] + [
        ("links: to each document", linked)]
