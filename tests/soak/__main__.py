"""``python -m tests.soak``: live through a month and print what came of it.

Exits with 1 if anything was lost, told twice or made up, or somebody was asked too often.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from monitor import logs
from monitor.daemon.eventloop import set_up_memory
from tests.chaos.ledger import table
from tests.soak.harness import START, Report, Soak, prepare
from tests.soak.virtual import run


def soak(place: Path, seed: int, feeds: int, days: float) -> Report:
    """Run a soak in this process; its files go to ``place``."""
    set_up_memory()
    prepare()
    return run(lambda clock: Soak(place, clock, seed, feeds, days).run(), START)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="Where the daemon's log goes.")
    given = parser.parse_args()
    if given.log:
        logging.basicConfig(filename=given.log, level=logging.INFO)
    else:
        logs.setup("critical")
    # In memory where that can be had: waiting for a disk proves nothing here.
    home = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="soak-", dir=home) as place:
        report = soak(Path(place), given.seed, given.feeds, given.days)
    print(table(report.rows()))
    if report.sound:
        return 0
    print(f"lost: {report.lost[:50]}\ndoubles: {report.doubles}\nfalse: {report.false[:50]}")
    print(f"manners: {report.notes}\njobs: {report.failed_jobs}\nrefused: {report.refused[:5]}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
