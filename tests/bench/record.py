# SPDX-License-Identifier: GPL-2.0-only
"""What a measurement prints: a JSON record a line for tests/bench/run, and progress for people."""
import json
import sys


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def record(**fields):
    print(json.dumps(fields), flush=True)


def percentile(samples, percent):
    """Of samples; the smallest that at least @percent per cent are not above."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
