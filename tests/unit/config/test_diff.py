"""What changed, in plain words, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.diff import diff
from tests.unit.config.samples import FULL, loaded

ENV = {"PAGER_URL": "json://example.org/canary", "SLACK_BOT_TOKEN": "xoxb-1-canary"}

CHANGES = [
    ("nothing", "x", "x", ()),
    ("severity: high\n", "severity: high\n", "severity: critical\n",
     ("rule changed: Arms deals with Syria (severity high → critical)",)),
    ("a rule", "  - name: Sanctions near Russian banks", "  - name: Sanctions",
     ("rule added: Sanctions", "rule removed: Sanctions near Russian banks")),
    ("a feed", "  - https://example.org/world/rss.xml\n", "",
     ("feed removed: example.org",)),
    ("a feed's setting", "    every: 10m\n", "    every: 20m\n",
     ("feed changed: Example Wire (every)",)),
    ("a channel", "throttle: 10 per hour", "throttle: 5 per hour",
     ("channel changed: syria (throttle 10 per hour → 5 per hour)",)),
    ("a list", '"=Yak-130"', '"=Yak-131"', ("list changed: arms",)),
    ("an entity", "extend: true, ", "", ("entity changed: Syria (extend)",)),
    ("routes", "    mention: [S0DESK]\n", "", ("routes changed",)),
    ("ignore", "[sport, horoscopes]", "[sport]", ("what is ignored changed",)),
    ("defaults", "Europe/Paris", "Europe/Berlin",
     ("`defaults` changed: timezone Europe/Paris → Europe/Berlin",)),
    ("state", "state: ./state", "state: ./other", ("`state` changed",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "lines"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_changes(tmp_path: Path, old: str, new: str, lines: tuple[str, ...]) -> None:
    before = loaded(tmp_path, FULL, ENV).settings
    after = loaded(tmp_path, FULL.replace(old, new), ENV).settings
    assert diff(before, after) == lines


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    before = loaded(tmp_path, FULL, ENV).settings
    env = {"PAGER_URL": "json://example.org/canary2", "SLACK_BOT_TOKEN": "xoxb-2-canary"}
    lines = diff(before, loaded(tmp_path, FULL, env).settings)
    assert lines == ("channel changed: pager (apprise)", "`slack` changed: token")
    assert "canary" not in "".join(lines)


def test_many_changes_are_counted(tmp_path: Path) -> None:
    rules = "".join(f"  - {{name: R{n}, any: [x]}}\n" for n in range(20))
    empty = loaded(tmp_path, "rules: []\n").settings
    full = loaded(tmp_path, f"rules:\n{rules}").settings
    assert diff(empty, full) == ("20 rules added: R0, R1, R2, R3, R4 and 15 more",)
