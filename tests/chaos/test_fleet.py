"""Three workers on one PostgreSQL, and all that can befall them: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.fleet import EVENTS, Fleet
from tests.chaos.ledger import table
from tests.databaseserver import database_server

SEED = 11
KILLS = 12


def test_nothing_is_lost_or_told_twice_by_three_workers(tmp_path: Path) -> None:
    script = ["kill"] * KILLS
    for place, event in enumerate(each for each in EVENTS if each != "kill"):
        script.insert(2 * place + 1, event)
    with database_server() as server:
        ledger = Fleet(tmp_path, SEED, server).run(script=script)
    print(table(ledger.rows()))
    assert (ledger.lost, ledger.copies, ledger.false) == ([], {}, []), ledger.log
    assert ledger.check == "ok"
    assert ledger.refused == 0
    # The test is worth something: all that can happen did, and workers died inside their work.
    assert set(ledger.events) >= set(EVENTS)
    assert ledger.kills >= KILLS + 6
    assert sum(ledger.points.values()) >= KILLS // 2, ledger.points
    assert ledger.planted > 2 * KILLS
