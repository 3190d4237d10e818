# SPDX-License-Identifier: GPL-2.0-only
"""The example alerts and the dashboard: what they ask for is there."""
import json
import os
import re
import tempfile

import yaml

from exposition import TOP, foreign, parse_exprs, promtool
from lb import in_space
from metrics import configured
from net.ktap import check, equal

RULES = os.path.join(TOP, "docs/prometheus/bpflb.rules.yml")
TESTS = os.path.join(TOP, "docs/prometheus/bpflb.rules.test.yml")
DASHBOARD = os.path.join(TOP, "docs/grafana/bpflb.json")


def load(path):
    with open(path, encoding="utf-8") as f:
        return yaml.safe_load(f) if path.endswith(".yml") else json.load(f)


def promtool_accepts_the_rules():
    promtool("check", "rules", RULES)


def promtool_accepts_what_the_document_shows():
    """The scrape configuration of docs/metrics.md."""
    with open(os.path.join(TOP, "docs/metrics.md"), encoding="utf-8") as f:
        shown, = re.findall(r"^```yaml\n(scrape_configs:.*?)^```$", f.read(), re.M | re.S)
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        f.write(shown)
        f.flush()
        promtool("check", "config", f.name)


def each_alert_fires_and_keeps_silent():
    promtool("test", "rules", os.path.basename(TESTS), cwd=os.path.dirname(TESTS))
    alerts = {rule["alert"] for group in load(RULES)["groups"] for rule in group["rules"]}
    fires, silent = set(), set()
    for test in load(TESTS)["tests"]:
        for case in test["alert_rule_test"]:
            (fires if case.get("exp_alerts") else silent).add(case["alertname"])
    equal((fires, silent), (alerts, alerts), "alerts that are tested")


def rules_know_the_metrics(s):
    m = configured(s)
    for group in load(RULES)["groups"]:
        for rule in group["rules"]:
            equal(foreign(rule["expr"], m), [], f"unknown in {rule['alert']}")
    check(foreign('rate(bpflb_nonsense{service="a"}[5m])', m) == ["bpflb_nonsense"] and
          foreign('sum by (servcie) (bpflb_flows{color="a"})', m) == ["bpflb_flows{color}", "(servcie)"],
          "nothing would be found")
    # Reasons are words of the module's.
    reasons = {labels["reason"] for labels, _ in m.all("bpflb_dropped_packets_total")}
    for name in re.findall(r'reason!?=~?"([^"]*)"', open(RULES, encoding="utf-8").read()):
        equal(set(name.split("|")) - reasons, set(), "unknown reasons")


def exprs_of(dashboard):
    """(where, PromQL) of all queries, with what Grafana puts for variables."""
    found = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]
    found += [(a["name"], a["expr"]) for a in dashboard["annotations"]["list"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            found.append((variable["name"], f"count by ({label}) ({metric})"))
    values = {"$__rate_interval": "1m"} | {
        f"${variable['name']}": ".*" for variable in dashboard["templating"]["list"]}
    for where, expr in found:
        for name, value in values.items():
            expr = expr.replace(name, value)
        check("$" not in expr, f"unknown variable in {where}: {expr}")
        yield where, expr


def the_dashboard_asks_for_what_there_is(s):
    m = configured(s)
    exprs = list(exprs_of(load(DASHBOARD)))
    parse_exprs([expr for _, expr in exprs])
    for where, expr in exprs:
        equal(foreign(expr, m), [], f"unknown in {where}")
    # Names in legends are labels that the query leaves.
    for panel in load(DASHBOARD)["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                check(label == "instance" or label in target["expr"], f"{label} in {panel['title']}")


def the_dashboard_is_one():
    dashboard = load(DASHBOARD)
    for key, kind in (("title", str), ("uid", str), ("schemaVersion", int), ("panels", list),
                      ("templating", dict), ("time", dict), ("annotations", dict), ("refresh", str)):
        check(isinstance(dashboard[key], kind), f"{key}: {dashboard[key]!r}")
    check("id" not in dashboard, "an id of some server's is in it")
    panels = dashboard["panels"]
    equal(sorted({panel["id"] for panel in panels}), list(range(1, len(panels) + 1)), "ids")
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        check(not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} is in another's place")
        taken |= cells
        check(panel["type"] in ("stat", "timeseries", "table"), panel["type"])
        equal([target["refId"] for target in panel["targets"]],
              [chr(65 + i) for i in range(len(panel["targets"]))], "refIds")
        check(panel["fieldConfig"]["defaults"]["unit"] in ("short", "percentunit", "ops", "pps", "Bps"),
              f"unit of {panel['title']}")
        for each in [panel, *panel["targets"]]:
            equal(each["datasource"], {"type": "prometheus", "uid": "${datasource}"}, "source")


def tests(_subset):
    return [
        ("promtool accepts the rules", promtool_accepts_the_rules),
        ("promtool accepts the scrape configuration shown", promtool_accepts_what_the_document_shows),
        ("each alert fires, and keeps silent", each_alert_fires_and_keeps_silent),
        ("rules ask for what there is", in_space(rules_know_the_metrics)),
        ("the dashboard is one", the_dashboard_is_one),
        ("the dashboard asks for what there is", in_space(the_dashboard_asks_for_what_there_is)),
    ]
