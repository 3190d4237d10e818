# SPDX-License-Identifier: GPL-2.0-only
"""Prometheus' text format, by its own parser, and PromQL, by its own tool."""
import os
import re
import subprocess
import tempfile

from prometheus_client.parser import text_string_to_metric_families

from net.ktap import check, equal

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Metrics:
    """What lbadm metrics says: .value(name, label=value...), .types, .labels."""

    def __init__(self, text):
        self.text = text
        self.types, self.labels, self._values = {}, {}, {}
        for family in text_string_to_metric_families(text):
            # The parser takes "_total" off the names of counters.
            name = family.name + "_total" * (family.type == "counter")
            check(name not in self.types, f"{name} comes twice")
            check(family.documentation, f"{name} without HELP")
            self.types[name] = family.type
            self.labels[name] = {frozenset(sample.labels) for sample in family.samples}
            for sample in family.samples:
                equal(sample.name, name, "name of the sample")
                key = name, frozenset(sample.labels.items())
                check(key not in self._values, f"{key} comes twice")
                self._values[key] = sample.value

    def value(self, name, **labels):
        return self._values[name, frozenset(labels.items())]

    def all(self, name):
        """[(labels, value)] of @name."""
        return [(dict(labels), value) for (n, labels), value in self._values.items() if n == name]


def promtool(*args, **options):
    done = subprocess.run(["promtool", *args], capture_output=True, text=True, check=False, **options)
    equal(done.returncode, 0, "exit status of promtool", (done.stdout + done.stderr).splitlines)
    return done


# What a scrape adds to what lbadm metrics says.
_TARGET = {"instance", "job"}
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def foreign(expr, metrics):
    """Names in @expr of PromQL that are no metric of @metrics, or a label that it has not."""
    wrong = []
    labels = _TARGET.union(*[one for each in metrics.labels.values() for one in each])
    for name, matchers in re.findall(r"\b((?:bpflb|node|up)\w*)(?:\{([^}]*)\})?", expr):
        if name in ("up", "node_textfile_mtime_seconds", "node"):
            continue
        if name not in metrics.types:
            wrong.append(name)
            continue
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in _TARGET.union(*metrics.labels[name]):
                wrong.append(f"{name}{{{label}}}")
    for listed in re.findall(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)", expr):
        wrong += [f"({label})" for label in _WORD.findall(listed) if label not in labels]
    return wrong


def parse_exprs(exprs):
    """@exprs must be PromQL."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        f.write("groups:\n- name: all\n  rules:\n")
        for i, expr in enumerate(exprs):
            f.write(f"  - record: r{i}\n    expr: {expr!r}\n")
        f.flush()
        promtool("check", "rules", f.name)
