# SPDX-License-Identifier: GPL-2.0-only
"""The records of a run as tables and as plots."""
import svg
from budget import budgets, select
from peers import rivals_case

# Whom each row of a table of packets is compared with, besides routing
_COMPARED = ["nftables", "ipvs nat"]


def table(title, header, rows, left=2):
    """The first @left columns are words, the others are numbers."""
    if not rows:
        return
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, ["-" * w for w in widths], *rows]:
        cells = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())


def _kernel(records):
    return ", ".join(sorted({r["release"] for r in records if "release" in r}))


def _packets(records, unit):
    found = select(records, bench="packets", unit=unit)
    for flows in sorted({r["flows"] for r in found}):
        here = [r for r in found if r["flows"] == flows]
        peer = {(r["who"], r["case"]): r["value"] for r in here}
        rows = []
        for r in here:
            way = "ipv6: " * r["case"].startswith("ipv6: ") + ("reply" if r["case"].endswith("reply") else "forward")
            others = [peer.get((who, way)) for who in _COMPARED]
            rows.append([r["who"], r["case"], f"{r['gross']:.0f}", f"{r['value']:.0f}",
                         f"{r['value'] / r['routing']:.2f}",
                         *(f"{r['value'] / other:.2f}" if other else "" for other in others)])
        table(f"A packet of one of {flows:,} established flows, {unit} ({_kernel(here)})",
              ["who", "case", "gross", "net", "/ routing", *(f"/ {who}" for who in _COMPARED)], rows)


def _connections(records):
    found = select(records, bench="connections")
    for unit in sorted({r["unit"] for r in found}):
        here = [r for r in found if r["unit"] == unit]
        peer = {(r["who"], r["case"]): r["value"] for r in here}
        rows = []
        for r in here:
            others = [peer.get((who, rivals_case(r["case"]))) for who in _COMPARED]
            rows.append([r["who"], r["case"], f"{r['value']:.0f}", f"{1e6 / r['value']:.0f}" if unit == "ns" else "",
                         *(f"{other / r['value']:.2f}" if other else "" for other in others)])
        table(f"A new connection, {unit} ({_kernel(here)})",
              ["who", "case", "net", "1000/s", *(f"× {who}'s rate" for who in _COMPARED)], rows)


def _scaling(records):
    rows = []
    for one in select(records, bench="scaling", processors=1):
        for two in select(records, bench="scaling", who=one["who"], case=one["case"], processors=2):
            rows.append([one["who"], one["case"], f"{one['value'] / 1000:.0f}", f"{two['value'] / 1000:.0f}",
                         f"{two['value'] / one['value']:.2f}"])
    table(f"Processors, 1000 packets/s ({_kernel(select(records, bench='scaling'))})",
          ["who", "case", "1", "2", "2 / 1"], rows)


def _pivot(records, bench, column, title):
    """A row for each @who and unit, a column for each value of @column."""
    found = select(records, bench=bench)
    columns = list(dict.fromkeys(r[column] for r in found))
    cells = {}
    for r in found:
        name = r["who"] + (f", p{r['percentile']}" if "percentile" in r else "")
        cells.setdefault((name, r["unit"]), {})[r[column]] = r["value"]
    table(f"{title} ({_kernel(found)})", ["who", "unit", *(f"{c:,}" if isinstance(c, int) else c for c in columns)],
          [[*key, *(f"{row[c]:.4g}" if c in row else "" for c in columns)] for key, row in cells.items()])


def _control(records):
    found = select(records, bench="control") + select(records, bench="memory")
    table(f"Control plane and memory ({_kernel(found)})", ["who", "case", "services", "value", "unit"],
          [[r["who"], r["case"], f"{r['services']:,}" if "services" in r else "", f"{r['value']:.4g}", r["unit"]]
           for r in found])


def tables(records):
    for unit in "instructions", "ns":
        _packets(records, unit)
    _connections(records)
    _scaling(records)
    _pivot(records, "throughput", "case", "Throughput")
    _pivot(records, "http", "case", "Requests")
    _pivot(records, "latency", "services", "First packet of a flow, by number of services")
    _control(records)
    errors = [r for r in records if "error" in r]
    table("Not measured", ["who", "case", "why"], [[r["who"], r["case"], r["error"]] for r in errors], left=3)


def verdicts(records):
    """Prints whether each budget is met; the number of those that aren't."""
    found = budgets(records)
    table("Budgets: goals are reached for, bounds have to be met", ["", "budget", "figure", "goal", "bound", "worst"],
          [b.row() for b in found], left=6)
    return sum(b.verdict == "missed" for b in found)


def plots(records, directory):
    def label(r):
        return f"{r['who']} {r['case']}"

    for bench, unit in (("packets", "instructions"), ("packets", "ns"), ("connections", "instructions"),
                        ("connections", "ns")):
        found = select(records, bench=bench, unit=unit)
        if bench == "packets":
            found = [r for r in found if r["flows"] == 1024]
        values = sorted(((label(r), r["value"] / r["routing"]) for r in found), key=lambda v: v[1])
        if values:
            svg.bars(f"{directory}/{bench}-{unit}.svg", f"{bench}: cost / plain routing's, {unit} ({_kernel(found)})",
                     "", values, [name for name, _ in values if name.startswith("bpflb")])
    series = {}
    for r in select(records, bench="packets", unit="ns"):
        if r["case"] in ("forward", "snat forward", "snat reply", "dsr tcp forward", "dsr reply"):
            series.setdefault(label(r), []).append((r["flows"], r["value"] / r["routing"]))
    if series:
        svg.lines(f"{directory}/flows.svg", "cost / plain routing's, by number of flows, native", "flows", "", series)
    series = {}
    for r in sorted(select(records, bench="latency"), key=lambda r: (r["who"], r["percentile"])):
        series.setdefault(f"{r['who']} p{r['percentile']}", []).append((r["services"], r["value"]))
    if series:
        svg.lines(f"{directory}/latency.svg", "first packet of a flow, by number of services", "services", "us",
                  series, [label for label in series if not label.endswith("p50")])
    for bench in "throughput", "http":
        for case in dict.fromkeys(r["case"] for r in select(records, bench=bench)):
            found = select(records, bench=bench, case=case)
            svg.bars(f"{directory}/{bench}-{case.replace(' ', '-')}.svg", f"{bench}: {case}", found[0]["unit"],
                     [(r["who"], r["value"]) for r in found], [r["who"] for r in found if r["who"].startswith("bpflb")])
