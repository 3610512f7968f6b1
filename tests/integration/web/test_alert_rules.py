"""The dashboard and the alert rules that ship with the program ask for what it measures, and the
reference says all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from monitor.clock import SystemClock
from monitor.web.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]
_GIVEN = {"job", "instance", "le"}  # labels that Prometheus itself adds
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def measured() -> dict[str, tuple[str, frozenset[str]]]:
    """Return each series' name with its metric's kind and labels."""
    out = {}
    for collector in Metrics(SystemClock())._registry._collector_to_names:
        name, labels = collector._name, frozenset(collector._labelnames)  # type: ignore[attr-defined]
        kind = collector._type  # type: ignore[attr-defined]
        out.update({name + suffix: (kind, labels) for suffix in _SUFFIXES[kind]})
    return out


def dashboard() -> Iterator[tuple[str, str]]:
    data = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    for panel in data["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def alert_rules() -> Iterator[tuple[str, str]]:
    data = yaml.safe_load((ROOT / "deploy/prometheus-rules.yaml").read_text(encoding="utf-8"))
    for group in data["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("title", "expression"), [*dashboard(), *alert_rules()])
def test_expressions_name_what_is_measured(title: str, expression: str) -> None:
    there = measured()
    names = re.findall(r"\bnewswatch_\w+", expression)
    assert names, title
    assert set(names) <= set(there), title
    known = frozenset[str]().union(*(there[name][1] for name in names)) | _GIVEN
    grouped = re.findall(r"(?:by|without|ignoring) ?\(([^)]*)\)", expression)
    asked = {label.strip() for part in grouped for label in part.split(",") if label.strip()}
    asked |= set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    assert asked <= known, title


def test_every_panel_says_what_it_shows() -> None:
    data = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    panels = [panel for panel in data["panels"] if panel["type"] != "row"]
    assert all(
        panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels
    )
    assert len({panel["id"] for panel in data["panels"]}) == len(data["panels"])


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in dashboard())
    names = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in measured()}
    assert {name for name in names if name not in shown} == set()


def test_the_reference_lists_the_metrics_with_their_labels_and_nothing_else() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(newswatch_\w+)` \| (\w+)((?:, `\w+`)*) \|", page, re.MULTILINE)
    said = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    expected = {
        re.sub(r"_(bucket|sum|count)$", "", name): facts for name, facts in measured().items()
    }
    assert said == expected


def test_rules_without_end_share_a_series() -> None:
    metrics = Metrics(SystemClock())
    labels = {metrics.rule_label(f"Rule {number}") for number in range(5_000)}
    assert len(labels) == 1_001
    assert metrics.rule_label("Rule 0") == "Rule 0"
