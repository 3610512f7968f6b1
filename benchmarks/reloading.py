"""How long a changed configuration takes to be in force, and what that does to the event loop.

    python -m benchmarks.reloading [--rules 1000,10000,100000] [--data ../shared/data]

Runs the daemon with a local feed, writes one rule anew, then a list that all may use, and waits
each time until the daemon works by it. Beside it a task asks for the loop every 5 ms: ``lag`` is by
how much it came too late, at most. The seconds are of wall clock and include the two looks, a
second apart, that a change must outlast. ``work`` is CPU time of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.matching import corpus
from monitor.daemon.assembly import assembled
from monitor.daemon.daemon import Daemon

SIZES = (1_000, 10_000, 100_000)
PER_FILE = 10_000
STEP = 0.005
FEED = """<rss version="2.0"><channel><title>T</title><link>https://example.org/</link>
<item><title>Arms deal</title><guid>1</guid></item></channel></rss>"""


class Lag:
    """The longest that a task waited for its turn since it was last asked, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(STEP)
            self.longest = max(self.longest, time.perf_counter() - start - STEP)


def write(folder: Path, rules: Sequence[dict[str, Any]], listed: str = "arms deal") -> None:
    """Write a configuration of ``rules``, so many a file, in JSON's spelling of YAML."""
    (folder / "rules.d").mkdir(exist_ok=True)
    (folder / "feed.xml").write_text(FEED)
    head = {
        "feeds": [{"url": "file:feed.xml"}],
        "channels": {"news": {"console": True}},
        "lists": {"arms": [listed]},
        "include": ["rules.d/*.yaml"],
    }
    (folder / "config.yaml").write_text(json.dumps(head))
    for start in range(0, len(rules), PER_FILE):
        write_file(folder, rules, start)


def write_file(folder: Path, rules: Sequence[dict[str, Any]], start: int) -> None:
    """Write the file whose first rule is the one at ``start``."""
    lines = "".join(f"  - {json.dumps(rule)}\n" for rule in rules[start : start + PER_FILE])
    (folder / "rules.d" / f"{start:07}.yaml").write_text(f"rules:\n{lines}")


@contextmanager
def measured(out: dict[str, Any], name: str, lag: Lag) -> Iterator[None]:
    """Keep wall clock, CPU time and the longest lag of what is done within."""
    lag.longest = 0.0
    start, work = time.perf_counter(), time.process_time()
    yield
    out[name] = {
        "seconds": time.perf_counter() - start,
        "work": time.process_time() - work,
        "lag": lag.longest,
    }


async def in_force(daemon: Daemon, known: object) -> None:
    """Return when the daemon works by another configuration than ``known``, and has settled."""
    while daemon.current_watching() is known:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(STEP)
    await asyncio.sleep(3.0)  # the preview of the changed rules


async def run(folder: Path, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one size."""
    write(folder, rules)
    out: dict[str, Any] = {"rules": len(rules)}
    lag = Lag()
    async with assembled(folder / "config.yaml", dict(os.environ)) as daemon:
        running = [asyncio.create_task(daemon.run()), asyncio.create_task(lag.watch())]
        await asyncio.sleep(3.0)
        with measured(out, "idle", lag):
            await asyncio.sleep(5.0)
        middle = len(rules) // 2
        rules[middle] = {"name": rules[middle]["name"], "any": ["an altogether new phrase"]}
        with measured(out, "one rule", lag):
            known = daemon.current_watching()
            await asyncio.to_thread(write_file, folder, rules, middle // PER_FILE * PER_FILE)
            await in_force(daemon, known)
        with measured(out, "all rules", lag):
            known = daemon.current_watching()
            await asyncio.to_thread(write, folder, [], "weapons sale")
            await in_force(daemon, known)
        daemon.stop()
        await running[0]
        running[1].cancel()
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default=",".join(map(str, SIZES)))
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    data = given.data or Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    if given.one:
        logging.basicConfig(level=logging.ERROR)
        stories, _ = corpus.stories(data if data.is_dir() else None, 4_000)
        rules = corpus.rules(stories, given.one)
        del stories
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(run(Path(folder), rules))))
        return
    names = ("idle", "one rule", "all rules")
    print(
        f"{'rules':>8}" + "".join(f"{name + ': s':>14}{'work s':>8}{'lag ms':>8}" for name in names)
    )
    for size in map(int, given.rules.split(",")):
        command = [sys.executable, "-m", "benchmarks.reloading"]
        command += ["--one", str(size), "--data", str(data)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        cells = [row[name] for name in names]
        shown = (f"{c['seconds']:>14.1f}{c['work']:>8.2f}{c['lag'] * 1000:>8.0f}" for c in cells)
        print(f"{size:>8,}" + "".join(shown), flush=True)


if __name__ == "__main__":
    main()
