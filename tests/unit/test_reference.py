"""The command reference is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

from monitor.cli.manual import page as manual
from monitor.cli.reference import page

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_page_is_fresh() -> None:
    committed = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    assert committed == page(), "run: python -m monitor.cli.reference > docs/reference/commands.md"


def test_the_committed_manual_is_fresh() -> None:
    committed = (ROOT / "deploy/newswatch.1").read_text(encoding="utf-8")
    assert committed == manual(), "run: python -m monitor.cli.manual > deploy/newswatch.1"


def test_every_option_has_a_meaning() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    for row in rows:
        meaning = row.removesuffix("|").rpartition(" | ")[2].strip()
        assert meaning, row
        assert not meaning.startswith(("One of", "Default:")), row
