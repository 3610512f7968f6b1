"""The alert rules that ship with the program ask for metrics that it has."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

from monitor.clock import SystemClock
from monitor.web.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]


def test_the_rules_name_metrics_that_exist() -> None:
    text = Metrics(SystemClock()).text({}, {}, {}, datetime.now(UTC)).decode()
    there = set(re.findall(r"# TYPE (\w+)", text))
    data = yaml.safe_load((ROOT / "deploy/prometheus-rules.yaml").read_text(encoding="utf-8"))
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"newswatch_\w+", rule["expr"])}
    assert asked
    assert asked <= there


def test_every_metric_is_documented() -> None:
    text = Metrics(SystemClock()).text({}, {}, {}, datetime.now(UTC)).decode()
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    names = {each for each in re.findall(r"# TYPE (\w+)", text) if not each.endswith("_created")}
    assert {name for name in names if f"`{name}`" not in page} == set()
