"""Every attack case of fetching is a test that bears its id, or is named here with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
CASES = {"SSRF": 72, "BOMB": 18, "SLOW": 7, "HTTP": 27, "POLITE": 14}
ELSEWHERE = {
    "SSRF-72": "Slack's address is the configuration's to judge: tests/unit/config",
}


def named() -> set[str]:
    """Return the ids in the tests of fetching: in tables, and in the tests' own names."""
    found: set[str] = set()
    for folder in (TESTS / "unit" / "sources", TESTS / "integration" / "fetch"):
        for path in folder.glob("test_*.py"):
            if path == Path(__file__):
                continue
            text = path.read_text(encoding="utf-8").upper()
            found.update(
                f"{area}-{number}"
                for area, number in re.findall(r"\b(SSRF|BOMB|SLOW|HTTP|POLITE)-(\d\d)\b", text)
            )
            for name in re.findall(r"DEF (TEST_\w+)", text):
                for area, numbers in re.findall(r"(SSRF|BOMB|SLOW|HTTP|POLITE)((?:_\d\d)+)", name):
                    found.update(f"{area}-{number}" for number in numbers[1:].split("_"))
    return found


@pytest.mark.parametrize("area", CASES)
def test_each_case_has_a_test(area: str) -> None:
    every = {f"{area}-{number:02}" for number in range(1, CASES[area] + 1)}
    assert every - named() - set(ELSEWHERE) == set()
