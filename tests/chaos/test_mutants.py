"""Twelve faults, planted one by one: each must be noticed, or the tests are worth nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.checks import CHECKS
from tests.chaos.harness import Lane
from tests.chaos.ledger import Ledger
from tests.chaos.mutants import KILL_MUTANTS, STILL_MUTANTS

WHERE = {
    "seen-before-post": ("after_sending_committed", "after_post"),
    "validators-before-commit": ("before_commit", "in_txn"),
    "reconcile-off": ("after_post", "before_receipt_committed"),
}
CYCLES = 8


def test_there_are_twelve() -> None:
    assert len(KILL_MUTANTS) + len(STILL_MUTANTS) == 12
    assert STILL_MUTANTS.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_the_product_holds(name: str, tmp_path: Path) -> None:
    CHECKS[name](tmp_path)


@pytest.mark.parametrize("name", STILL_MUTANTS)
def test_a_planted_fault_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    STILL_MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError):
        CHECKS[name](tmp_path)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ledger]:
    """Run the three that need a crash at the same time: they mostly wait."""
    place = tmp_path_factory.mktemp("mutants")

    def play(name: str) -> Ledger:
        lane = Lane(place / name, 5, name, WHERE[name], settle=12.0)
        return lane.run(cycles=CYCLES)

    with ThreadPoolExecutor(len(KILL_MUTANTS)) as pool:
        running = {name: pool.submit(play, name) for name in KILL_MUTANTS}
        return {name: future.result() for name, future in running.items()}


@pytest.mark.parametrize("name", KILL_MUTANTS)
def test_a_fault_that_a_crash_shows_is_noticed(name: str, ledgers: dict[str, Ledger]) -> None:
    ledger = ledgers[name]
    assert not ledger.sound
    if name == "reconcile-off":
        assert ledger.doubles > 0
    else:
        assert ledger.lost
