"""kill -9 in 120 cycles with failing feeds and a failing Slack: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.__main__ import play
from tests.chaos.harness import POINTS
from tests.chaos.ledger import table

SEED = 20
CYCLES = 60  # a lane; two lanes


def test_nothing_is_lost_or_told_twice(tmp_path: Path) -> None:
    ledger = play(tmp_path, SEED, lanes=2, cycles=CYCLES)
    print(table(ledger.rows()))
    assert (ledger.lost, ledger.copies, ledger.false) == ([], {}, []), ledger.log
    assert ledger.check == "ok"
    assert ledger.refused == 0
    # Only a process that dies with the 429 in its hands can forget it.
    assert ledger.early <= ledger.kills // 20
    # The test is worth something: it killed everywhere, and feeds and Slack did fail.
    assert ledger.kills >= 2 * CYCLES
    assert set(ledger.points) == set(POINTS)
    assert min(ledger.points.values()) >= 5, ledger.points
    assert ledger.lost_answers > 0
    assert {"error", "busy", "page", "cut", "cut_gzip"} <= set(ledger.feed_faults)
