"""Findings about a configuration that loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.lint import lint
from tests.unit.config.samples import loaded

BASE = """\
feeds: ['https://a.org/']
channels: {news: {console: true}, pager: {console: true, mention: U012AB3CD}}
defaults: {channel: news}
rules:
  - {name: A, any: [x], to: pager}
"""

CASES = [
    ("nothing", BASE, []),
    ("no feed", BASE.replace("feeds: ['https://a.org/']", "feeds: []"), ["no feed to poll"]),
    (
        "no enabled rule",
        BASE.replace("to: pager", "to: pager, enabled: false"),
        ["there is no rule"],
    ),
    (
        "unreachable",
        BASE + "routes:\n  - {to: news}\n  - {when: {rule: A}, to: news}\n",
        ["never reached: route 1 takes every alert"],
    ),
    ("continued", BASE + "routes: [{to: news, continue: true}, {to: pager}]\n", []),
    ("off", BASE + "routes: [{to: news, enabled: false}, {to: pager}]\n", []),
    ("nowhere", BASE + "routes: [{when: {rule: A}}]\n", ["sends nowhere"]),
    ("unused", BASE.replace("to: pager", "to: news"), ["nothing sends to the channel `pager`"]),
    (
        "wakes nobody",
        BASE.replace(", mention: U012AB3CD", ""),
        ["nothing here could wake anyone"],
    ),
    (
        "critical wakes",
        BASE.replace(", mention: U012AB3CD", "").replace("to: p", "severity: critical, to: p"),
        [],
    ),
    ("no token", BASE.replace("{console: true}", "{slack: '#a'}", 1), ["there is no Slack token"]),
]


@pytest.mark.parametrize(
    ("text", "messages"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_findings(tmp_path: Path, text: str, messages: list[str]) -> None:
    found = lint(loaded(tmp_path, text))
    assert len(found) == len(messages), [str(problem) for problem in found]
    for problem, message in zip(found, messages, strict=True):
        assert message in problem.message
        assert problem.level in {"warning", "note"}
        assert problem.place is not None
