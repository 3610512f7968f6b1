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

from tests.chaos.harness import Lane
from tests.chaos.ledger import Ledger, table
from tests.chaos.mutants import KILL_MUTANTS


def total(ledgers: list[Ledger]) -> Ledger:
    """Add up the lanes' books."""
    out = Ledger(min(each.seed for each in ledgers))
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
        out.evidence += each.evidence
        out.log = each.log if each.lost or each.copies or each.false else out.log
    return out


def play(
    place: Path,
    seed: int,
    lanes: int = 2,
    seconds: float = 0,
    cycles: int = 0,
    mutant: str = "",
    kills: int = 0,
    each: int = 0,
) -> Ledger:
    """Run ``lanes`` daemons side by side, each killed for ``seconds`` or ``cycles`` times, or
    together until they have been killed ``kills`` times, and ``each`` times at every point.

    Long runs start afresh every 400 cycles, with the next seed: what a lane published stays in its
    feeds, so that a lane grows slower with time. They end with the first turn that isn't sound.
    """
    done: list[Ledger] = []

    def goes_on(mine: list[Ledger]) -> bool:
        if not all(ledger.sound for ledger in done):
            return False
        if kills or each:
            sofar = total(done) if done else Ledger(seed)
            return sofar.kills < kills or min(sofar.points.values(), default=0) < each
        spent = sum(ledger.seconds for ledger in mine)
        return spent < seconds or sum(ledger.kills for ledger in mine) < cycles

    def lane(number: int) -> None:
        mine: list[Ledger] = []
        while goes_on(mine):
            its_seed = seed + number + 1000 * len(mine)
            turn = Lane(place / f"lane-{number}-{len(mine)}", its_seed, mutant)
            if kills or each:
                mine.append(turn.run(cycles=200))
            else:
                left = seconds - sum(ledger.seconds for ledger in mine)
                mine.append(turn.run(seconds=min(left, 240.0), cycles=min(cycles, 400)))
            done.append(mine[-1])
            ledger = mine[-1]
            print(
                f"seed {its_seed}: {ledger.kills} kills, {ledger.planted} stories, "
                f"{len(ledger.lost)} lost, {ledger.doubles} doubles, {len(ledger.false)} false",
                file=sys.stderr,
            )

    with ThreadPoolExecutor(lanes) as pool:
        for future in [pool.submit(lane, number) for number in range(lanes)]:
            future.result()
    return total(done)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=0, help="Go on until so many, instead.")
    parser.add_argument("--each", type=int, default=0, help="And so many at every point.")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    parser.add_argument("--mutant", default="", choices=["", *KILL_MUTANTS])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        ledger = play(
            Path(place),
            given.seed,
            given.lanes,
            seconds=given.seconds,
            mutant=given.mutant,
            kills=given.kills,
            each=given.each,
        )
    print(table(ledger.rows()))
    if ledger.sound:
        return 0
    print(f"lost: {ledger.lost}\ncopies: {ledger.copies}\nfalse: {ledger.false}\n{ledger.log}")
    print(*ledger.evidence, sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
