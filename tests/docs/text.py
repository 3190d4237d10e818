# SPDX-License-Identifier: GPL-2.0-only
"""What there is in the documents: headings, links, blocks and what is said of these.

A fenced block says by a word what it is:

    sh        commands
    console   commands, each behind "# ", and below each what it prints; "..." is any lines, "…" any text
    conf      lines for "lbadm apply"
    text      nothing that could be run
    others    what another program reads (bird, yaml)

and comments above it, which readers don't see, say how it is run:

    <!-- run by tests/SUITE/FILE -->    by that test, and not here: it must be there
    <!-- from nothing -->               in a namespace without services; else there are those of commands.STANDARD
    <!-- before: COMMANDS -->           after these, which may be several lines

In a manual page the examples are .Dl lines and .Bd -literal -offset indent, and a comment is .\\" from nothing.
"""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.S)
_FENCE = re.compile(r"^```(.*)$")


class Block:
    """A fenced block: where it is, what it is, and how it is run."""

    def __init__(self, document, heading, number, kind, lines, comments):
        self.name = f"{document}: {heading or 'the beginning'}" + (f" ({number})" if number > 1 else "")
        self.kind = kind
        self.lines = lines
        self.run_by = None
        self.from_nothing = False
        self.before = ""
        self.unknown = []
        for comment in comments:
            self._take(comment)

    def _take(self, comment):
        if comment.startswith("run by "):
            self.run_by = comment.removeprefix("run by ")
        elif comment == "from nothing":
            self.from_nothing = True
        elif comment.startswith("before:"):
            self.before = comment.removeprefix("before:").strip()
        else:
            self.unknown.append(comment)


def documents():
    return [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]


def pages():
    return sorted((TOP / "docs/man").glob("*.[0-9]"))


def outside_fences(path):
    """(line number, line) of what is prose."""
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def headings(path):
    return [m[1] for _, line in outside_fences(path) if (m := re.match(r"#+ (.*)", line))]


def blocks(path):
    """The fenced blocks of a Markdown file."""
    document, heading, count = path.relative_to(TOP), "", 0
    lines = path.read_text().splitlines()
    comments, i = [], 0
    while i < len(lines):
        if lines[i].startswith("<!--"):
            end = next(n for n in range(i, len(lines)) if "-->" in lines[n])
            comments.append(_COMMENT.match("\n".join(lines[i:end + 1]))[1])
            i = end
        elif m := _FENCE.match(lines[i]):
            end = next(n for n in range(i + 1, len(lines)) if lines[n] == "```")
            count += 1
            yield Block(document, heading, count, m[1], lines[i + 1:end], comments)
            comments, i = [], end
        elif m := re.match(r"#+ (.*)", lines[i]):
            heading, count, comments = m[1], 0, []
        elif lines[i]:
            comments = []
        i += 1


def _unroff(line):
    return line.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


def examples(path):
    """The examples of a manual page, as blocks."""
    document, count, inside, comments = path.relative_to(TOP), 0, None, []
    kind = "conf" if path.suffix == ".5" else "sh"
    for line in path.read_text().splitlines():
        if inside is not None and line != ".Ed":
            inside.append(_unroff(line))
        elif inside is not None or line.startswith(".Dl "):
            count += 1
            shown = [_unroff(line.removeprefix(".Dl "))] if inside is None else inside
            yield Block(document, "examples", count, kind if len(shown) > 1 else "sh", shown, comments)
            inside, comments = None, []
        elif line == ".Bd -literal -offset indent":
            inside = []
        elif m := re.match(r'\.\\" (from nothing|run by .*|before: .*)', line):
            comments.append(m[1])


def spans(path):
    """(line number, text) of what stands between single backticks."""
    for number, line in outside_fences(path):
        for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
            yield number, text
