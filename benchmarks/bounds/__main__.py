"""The bounds that hold whatever feeds, rules and pages bring, measured.

    python -m benchmarks.bounds [fetch] [dials] [loop]

``fetch``: memory and time that each hostile answer takes, fetched and parsed in a process of its
own. ``dials``: connections tried to 100,000 generated addresses inside. ``loop``: the longest turn
of the real daemon's event loop, with its status page asked all the while. Exits with 1 where a
bound is broken: 32 MiB, 0.2 s past the deadline, no connection, 100 ms of CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.bounds.answers import refused, taken
from benchmarks.bounds.fetching import dials
from benchmarks.bounds.fetching import taken as fetched
from benchmarks.bounds.living import lived
from benchmarks.bounds.server import served
from monitor import logs
from monitor.sources.outcome import FetchLimits

MEMORY = 32 << 20  # bytes
OVERRUN = 0.2  # seconds
TURN = 0.1  # seconds of CPU
DEADLINE = 2.0  # seconds, for what ends only there
LONG = 30.0  # seconds, for what is large


def fetch() -> bool:
    """Print what each answer takes; returns whether all kept within their bounds."""
    answers = refused()
    large = {name for name in answers if name.startswith(("512", "100"))} | taken().keys()
    answers |= {name: make() for name, make in taken().items()}
    worst, late = 0, 0.0
    print(f"{'answer':<40} {'MiB':>6} {'s':>6}  came to")
    with served(answers) as where:
        for name, url in where.urls.items():
            deadline = LONG if name in large else DEADLINE
            rise, took, said = fetched(url, FetchLimits(deadline=deadline))
            worst, late = max(worst, rise), max(late, took - deadline)
            print(f"{name:<40} {rise / 2**20:>6.1f} {took:>6.2f}  {said}", flush=True)
    print(f"{len(answers)} answers: at most {worst / 2**20:.1f} MiB, {late:+.3f} s past a deadline")
    return worst < MEMORY and late < OVERRUN


def dialled(count: int = 100_000) -> bool:
    """Print how many connections were tried; returns whether none was."""
    kept, tried = dials(count)
    print(f"{count:,} generated hosts: {kept:,} refused, {tried} connections tried")
    return tried == 0 and kept == count


def loop() -> bool:
    """Print the longest turn for each answer; returns whether all kept within their bound."""
    answers = {name: make() for name, make in taken().items()}
    worst = 0.0
    print(f"{'answer':<40} {'ms CPU':>6} {'ms':>6}  came to")
    with served(answers) as where, tempfile.TemporaryDirectory() as place:
        for name, url in where.urls.items():
            turns, status = asyncio.run(lived(Path(place), name, url, where))
            worst = max(worst, turns.cpu)
            print(
                f"{name:<40} {turns.cpu * 1000:>6.0f} {turns.wall * 1000:>6.0f}  {status}",
                flush=True,
            )
            for line in turns.worst(1) if turns.cpu > TURN / 2 else ():
                print(f"    {line}")
    print(f"the longest turn took {worst * 1000:.0f} ms of CPU")
    return worst < TURN


def main() -> int:
    parts = {"fetch": fetch, "dials": dialled, "loop": loop}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounds", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *parts], default=[])
    logs.setup("error")
    chosen = parser.parse_args().parts or list(parts)
    kept = [parts[name]() for name in chosen]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
