# SPDX-License-Identifier: GPL-2.0-only
"""What bpflb has to reach, and whether it does, by the records of one run."""
from dataclasses import dataclass

from peers import DSR_CASES, IPV6_CASES, SNAT_CASES, rivals_case

MET, MISSED, UNKNOWN = "met", "missed", "not measured"
# To seconds
_SECONDS = {"s": 1, "ms": 1e-3, "us": 1e-6}


@dataclass
class Budget:
    """@figures: [(value, of what)]; the worst one counts. The bound must be met, the goal may be."""
    what: str
    figures: list
    bound: float
    goal: float = None
    at_least: bool = False
    unit: str = ""

    @property
    def worst(self):
        return (min if self.at_least else max)(self.figures) if self.figures else None

    @property
    def verdict(self):
        if not self.figures:
            return UNKNOWN
        value = self.worst[0]
        return MET if (value >= self.bound if self.at_least else value <= self.bound) else MISSED

    def row(self):
        sign = "≥" if self.at_least else "≤"
        value, of = self.worst or (None, "")
        return [self.verdict, self.what, "" if value is None else f"{value:.3g}{self.unit}",
                "" if self.goal is None else f"{sign} {self.goal:g}{self.unit}",
                f"{sign} {self.bound:g}{self.unit}", of]


def select(records, **fields):
    return [r for r in records if "error" not in r and all(r.get(k) == v for k, v in fields.items())]


def _packets(records, unit, flows, cases):
    """Of routing's cost in the same rounds."""
    found = select(records, bench="packets", unit=unit, flows=flows, who="bpflb")
    return [(r["value"] / r["routing"], r["case"]) for r in found if r["case"] in cases]


def _connections(records, unit, who):
    """How many times as many by SNAT as @who, for UDP and TCP of both families."""
    out = []
    for ours in select(records, bench="connections", unit=unit, who="bpflb"):
        if "snat" in ours["case"].split():
            theirs = select(records, bench="connections", unit=unit, who=who, case=rivals_case(ours["case"]))
            out += [(t["value"] / ours["value"], ours["case"]) for t in theirs]
    return out


def _scaling(records, kind):
    out = []
    for one in select(records, bench="scaling", who="bpflb", processors=1):
        if one["case"].endswith(kind):
            two = select(records, bench="scaling", who="bpflb", case=one["case"], processors=2)
            out += [(t["value"] / one["value"], one["case"]) for t in two]
    return out


def _latency(records):
    """Median at most services to that at one."""
    found = select(records, bench="latency", who="bpflb", percentile=50)
    at = {r["services"]: r["value"] for r in found}
    if len(at) < 2:
        return []
    most = max(at)
    return [(at[most] / at[min(at)], f"at {most:,} services")]


def _control(records, case, unit):
    return [(r["value"] * _SECONDS[r["unit"]] / _SECONDS[unit], "")
            for r in select(records, bench="control", who="bpflb", case=case)]


def budgets(records):
    out = []
    for kind, cases in ("SNAT", SNAT_CASES), ("DSR", DSR_CASES), ("IPv6", IPV6_CASES):
        for flows, unit, goal, bound in ((1024, "instructions", 0.62, 0.70), (1024, "ns", 0.55, 0.70),
                                         (65536, "ns", None, 1.3), (1048576, "ns", None, 2.0)):
            out.append(Budget(f"{kind}, {flows:,} flows, {unit} / routing",
                              _packets(records, unit, flows, cases), bound, goal))
    for unit in "instructions", "ns":
        for who, bound in ("nftables", 2), ("ipvs nat", 1.5):
            out.append(Budget(f"new connections / {who}, by {unit}",
                              _connections(records, unit, who), bound, at_least=True))
    out.append(Budget("1 → 2 processors, established", _scaling(records, "established"), 1.9, at_least=True))
    out.append(Budget("1 → 2 processors, new connections", _scaling(records, "connections"), 1.7, at_least=True))
    out.append(Budget("a flow", [(r["value"], "") for r in select(records, bench="memory", who="bpflb", case="flow")],
                      128, unit=" bytes"))
    out.append(Budget("first packet, many services / 1", _latency(records), 1.1))
    for what, case, unit, bound in (("load 44,000 services, 250,000 backends", "apply 44k/250k", "s", 10),
                                    ("one update among them", "one update", "ms", 10),
                                    ("dump of them", "dump", "s", 3)):
        out.append(Budget(what, _control(records, case, unit), bound, unit=f" {unit}"))
    return out
