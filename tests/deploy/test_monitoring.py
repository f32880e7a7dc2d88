"""Alert rules and the Grafana dashboard ask for what the processes count, by labels that they have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.reference import inventory

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "leadheat.json").read_text())
_NAME = re.compile(r"\bleadheat_\w+")
_PERSONAL = {"lead", "email", "account", "user", "name", "id", "key"}


def series() -> dict[str, set[str]]:
    """Return the labels of every series that a process offers."""
    found: dict[str, set[str]] = {}
    for metric in inventory():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.kind, [""])
        for suffix in suffixes:
            found[metric.name + suffix] = set(metric.labels) | ({"le"} if suffix == "_bucket" else set())
    return found


def expressions() -> list[str]:
    of_rules = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    return of_rules + [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_asks_for_what_there_is(expression: str) -> None:
    names = _NAME.findall(expression)
    assert names
    known = series()
    assert set(names) <= set(known)
    labels = re.findall(r"(\w+)\s*=~?\"", expression) + [
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")
    ]
    assert set(labels) <= set.union(*(known[name] for name in names))


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for expression in expressions() for name in _NAME.findall(expression)}
    bare = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
    assert {metric.name for metric in inventory()} <= bare


def test_metrics_have_base_units_and_no_personal_data() -> None:
    for metric in inventory():
        assert not re.search(r"_(ms|milliseconds|minutes|kb|percent)$", metric.name), metric.name
        assert not _PERSONAL & set(metric.labels), metric.name
        assert metric.documentation


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "alerts_test.yml").read_text())["tests"]
    tested = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert tested == {rule["alert"] for rule in rules}
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "remedy"}
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("arguments", [("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")])
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on the PATH (Debian's package is prometheus); the other tests have read the files")
    ran = subprocess.run(
        [promtool, *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
