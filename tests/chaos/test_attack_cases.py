"""Each of the 327 attack cases has a test, or a reason why it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.attack_cases import COUNTS, HELD_BY, NOT_RUN, every_case

TESTS = Path(__file__).resolve().parents[1]
AREAS = "|".join(COUNTS)
LISTS = {Path(__file__).name, "attack_cases.py", "test_fetch_cases.py"}


def named() -> frozenset[str]:
    """Return the ids that tests bear: in their tables, or in their own names."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        if path.name in LISTS:
            continue
        text = path.read_text(encoding="utf-8").upper()
        found.update(re.findall(rf"\b(?:{AREAS})-\d\d\b", text))
        for name in re.findall(r"DEF (TEST_\w+)", text):
            pattern = rf"({AREAS})((?:-\d\d)+)(?!\d)"
            for area, numbers in re.findall(pattern, name.replace("_", "-")):
                found.update(f"{area}-{number}" for number in numbers[1:].split("-"))
    return frozenset(found)


NAMED = named()


def test_there_are_327() -> None:
    assert len(every_case()) == len(set(every_case())) == 327


@pytest.mark.parametrize("case", every_case())
def test_a_case_is_held_or_its_absence_explained(case: str) -> None:
    ways = [case in NAMED, case in HELD_BY, case in NOT_RUN]
    assert sum(ways) == 1, f"{case}: named, held by, not run: {ways}"


@pytest.mark.parametrize("case", HELD_BY)
def test_the_test_that_holds_it_exists(case: str) -> None:
    path, name = HELD_BY[case].split("::")
    assert re.search(rf"def {name}\(", (TESTS / path).read_text(encoding="utf-8"))


def test_what_cannot_run_is_counted() -> None:
    assert len(NOT_RUN) == 0
    assert set(NOT_RUN) <= set(every_case())
    assert all(len(reason) > 15 for reason in NOT_RUN.values())
