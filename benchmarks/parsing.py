"""Parsing against feedparser on real feeds, in one run: ``python -m benchmarks.parsing``.

Bytes to plain-text entries, each parser on each feed in turn (so that a noisy machine is noisy to
both), the best of ``--rounds``. "known" is a poll of a feed whose entries were all seen before.
The last part parses in the worker process as the daemon does, and watches the event loop meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import feedparser

from monitor.errors import ParseError
from monitor.sources.parse import ParsePool, parse
from monitor.sources.parse.draft import finish_feed
from monitor.sources.parse.reference import draft_of

_TICK = 0.001  # seconds between looks at the event loop


def by_feedparser(body: bytes, **options: bool) -> int:
    """feedparser and the same making of plain text from what it gives."""
    found = feedparser.parse(io.BytesIO(body), **options)
    return len(finish_feed(draft_of(found, None), None).entries)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    )
    words.add_argument("--rounds", type=int, default=3)
    options = words.parse_args()
    feeds = {
        path.name: body
        for path in sorted((options.data / "feeds").glob("*.gz"))
        if (body := gzip.decompress(path.read_bytes())).lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"<"
    }
    if not feeds:
        print(f"skipped: no feeds in {options.data / 'feeds'} (set NEWSWATCH_DATA or --data)")
        return 0
    known = {name: frozenset(parse(body).digests) for name, body in feeds.items()}
    ways: dict[str, Callable[[str], object]] = {
        "feedparser, default": lambda name: by_feedparser(feeds[name]),
        "feedparser, unsanitised": lambda name: by_feedparser(
            feeds[name], sanitize_html=False, resolve_relative_uris=False
        ),
        "newswatch": lambda name: parse(feeds[name]),
        "newswatch, entries known": lambda name: parse(feeds[name], known=known[name]),
    }
    best = {way: dict.fromkeys(feeds, float("inf")) for way in ways}
    for _ in range(options.rounds):
        for name in feeds:
            for way, run in ways.items():
                started = time.perf_counter()
                run(name)
                best[way][name] = min(best[way][name], time.perf_counter() - started)
    _table(best, sum(map(len, feeds.values())))
    _paths(feeds)
    asyncio.run(_in_worker(feeds))
    return 0


def _table(best: dict[str, dict[str, float]], size: int) -> None:
    base = best["feedparser, default"]
    print(f"{len(base)} feeds, {size / 1e6:.1f} MB\n")
    head = ("MB/s", "feeds/s", "median ms", "p99 ms", "total x", "median x")
    print(f"{'':26}" + "".join(f"{word:>11}" for word in head))
    for way, times in best.items():
        total = sum(times.values())
        ordered = sorted(times.values())
        figures = (
            size / 1e6 / total,
            len(times) / total,
            statistics.median(ordered) * 1e3,
            ordered[int(len(ordered) * 0.99)] * 1e3,
            sum(base.values()) / total,
            statistics.median(base[name] / times[name] for name in times),
        )
        print(f"{way:26}" + "".join(f"{figure:11.1f}" for figure in figures))


def _paths(feeds: dict[str, bytes]) -> None:
    reasons: Counter[str] = Counter()
    for body in feeds.values():
        notes = parse(body).notes
        reasons.update(
            note.removeprefix("read by feedparser: ")
            for note in notes
            if note.startswith("read by feedparser")
        )
        if any(note.startswith("too broken") for note in notes):
            reasons["salvaged"] += 1
    fast = len(feeds) - sum(reasons.values())
    print(f"\nfast path: {fast} of {len(feeds)} ({fast / len(feeds):.1%}); others: {dict(reasons)}")


async def _in_worker(feeds: dict[str, bytes]) -> None:
    gaps: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK)
            gaps.append(time.perf_counter() - before - _TICK)

    pool = ParsePool(max_entries=None)
    times = []
    try:
        await pool.parse(next(iter(feeds.values())))  # the worker has started
        watcher = asyncio.create_task(watch())
        for body in feeds.values():
            started = time.perf_counter()
            try:
                await pool.parse(body)
            except ParseError as error:
                print(error, file=sys.stderr)
            times.append(time.perf_counter() - started)
        watcher.cancel()
    finally:
        await pool.aclose()
    times.sort()
    print(
        f"in the worker: median {statistics.median(times) * 1e3:.1f} ms, "
        f"p99 {times[int(len(times) * 0.99)] * 1e3:.1f} ms, longest {times[-1] * 1e3:.1f} ms; "
        f"event loop held at most {max(gaps) * 1e3:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
