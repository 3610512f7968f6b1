"""``python -m tests.chaos``: kill the daemon for a while and print what came of it.

Exits with 1 if a story was lost, told twice or made up. A seed that is printed replays the same
stories, faults and kills; how far each daemon gets before its kill depends on the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

from tests.chaos.harness import Lane, Ledger, table
from tests.chaos.mutants import KILL_MUTANTS


def total(ledgers: list[Ledger]) -> Ledger:
    """Add up the lanes' books."""
    out = Ledger(ledgers[0].seed)
    for each in ledgers:
        out.seconds = max(out.seconds, each.seconds)
        out.kills += each.kills
        out.planted += each.planted
        out.lost += each.lost
        out.false += each.false
        out.copies |= {f"{each.seed}/{word}": count for word, count in each.copies.items()}
        out.early += each.early
        out.refused += each.refused
        out.lost_answers += each.lost_answers
        out.late += each.late
        for mine, theirs in (
            (out.points, each.points),
            (out.feed_faults, each.feed_faults),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        out.check = each.check if out.check in ("", "ok") else out.check
        out.log = each.log if each.lost or each.copies or each.false else out.log
    return out


def play(
    place: Path,
    seed: int,
    lanes: int = 2,
    seconds: float = 0,
    cycles: int = 0,
    mutant: str = "",
) -> Ledger:
    """Run ``lanes`` daemons side by side, each killed for ``seconds`` or ``cycles`` times.

    Long runs start afresh every 400 cycles, with the next seed: what a lane published stays in its
    feeds, so that a lane grows slower with time.
    """

    def lane(number: int) -> list[Ledger]:
        done: list[Ledger] = []
        left, todo = seconds, cycles
        while left > 0 or todo > 0:
            its_seed = seed + number + 1000 * len(done)
            turn = Lane(place / f"lane-{number}-{len(done)}", its_seed, mutant)
            done.append(turn.run(seconds=min(left, 240.0), cycles=min(todo, 400)))
            left -= done[-1].seconds
            todo -= done[-1].kills if cycles else 0
        return done

    with ThreadPoolExecutor(lanes) as pool:
        futures = [pool.submit(lane, number) for number in range(lanes)]
        return total([ledger for future in futures for ledger in future.result()])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    parser.add_argument("--mutant", default="", choices=["", *KILL_MUTANTS])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        ledger = play(
            Path(place), given.seed, given.lanes, seconds=given.seconds, mutant=given.mutant
        )
    print(table(ledger.rows()))
    if ledger.sound:
        return 0
    print(f"lost: {ledger.lost}\ncopies: {ledger.copies}\nfalse: {ledger.false}\n{ledger.log}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
