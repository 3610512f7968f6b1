"""How long a published entry waits to be seen, per poll spent: a simulation.

Drives the product's own ``after_poll`` over invented and recorded posting times and compares it,
at equal polls a day, with a fixed 15 minutes and with Miniflux's entry-frequency formula
(interval = 7 days / (entries of the last week x factor), between 5 minutes and 24 hours).

    python -m benchmarks.scheduling [--feeds 120] [--data ../shared/data] [--seed 1]

Prints a table a rhythm: polls per feed and day, and the wait in minutes. Seven days warm up, seven
are measured. No policy sees more than what its polls found.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import os
import re
import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random

from monitor.config.models import PollingSettings
from monitor.sources.outcome import FetchOutcome
from monitor.sources.schedule import after_poll, common_pace
from monitor.store.port import FeedState
from monitor.values import Entry, Feed, ParsedFeed

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
WARM, MEASURED = 7.0, 7.0  # days
MINUTE = timedelta(minutes=1)
Stream = list[float]  # minutes after START, ascending


# Rhythms ---------------------------------------------------------------------------------------


def invented(feeds: int, sigma: float, seed: int, *, day_and_night: bool) -> list[Stream]:
    """Return log-normal rates (median 5 a day, or 24 for even ones), with bursts."""
    dice = Random(seed)
    streams: list[Stream] = []
    for _ in range(feeds):
        rate = dice.lognormvariate(0.0, sigma) * (5.0 if sigma else 24.0)
        peak = dice.uniform(8, 16)
        streams.append(_posts(rate, peak, dice, day_and_night))
    return streams


def _posts(rate: float, peak: float, dice: Random, day_and_night: bool) -> Stream:
    end = (WARM + MEASURED) * 1440
    high = rate * (2.2 if day_and_night else 1.0) / 1440
    posts: Stream = []
    at = 0.0
    while (at := at + dice.expovariate(high)) < end:
        if day_and_night:
            hour = at / 60 % 24
            away = min(abs(hour - peak), 24 - abs(hour - peak))
            shape = 1 / 6 + (5 / 6) * max(0.0, 1 - away / 9)
            weekend = 0.5 if at // 1440 % 7 >= 5 else 1.0
            if dice.random() > shape * weekend:
                continue
        posts.append(at)
        if day_and_night and dice.random() < 0.03:  # something happened: a burst within the hour
            posts.extend(at + dice.uniform(1, 60) for _ in range(dice.randint(2, 6)))
    return sorted(post for post in posts if post < end)


_DATE = re.compile(rb"<(?:pubDate|published|updated|dc:date)>([^<]{10,40})<")


def recorded(folder: Path) -> list[Stream]:
    """Return the posting times of real feeds: each feed's own window of dates, repeated."""
    streams: list[Stream] = []
    for path in sorted(folder.iterdir()):
        dates = sorted({d for raw in _DATE.findall(_bytes(path)) if (d := _date(raw))})
        if len(dates) < 8 or dates[-1] - dates[0] < timedelta(hours=12):
            continue
        # The window is repeated in whole weeks or days, so that the hours stay in their place.
        span = dates[-1] - dates[0]
        unit = timedelta(days=7) if span > timedelta(days=4) else timedelta(days=1)
        period = unit * (span // unit + 1)
        if period > timedelta(days=60):
            continue
        midnight = dates[0].replace(hour=0, minute=0, second=0, microsecond=0)
        offsets = [(date - midnight) / MINUTE for date in dates]
        turn, end = period / MINUTE, (WARM + MEASURED) * 1440
        posts = [o + k * turn for k in range(int(end / turn) + 2) for o in offsets]
        streams.append(sorted(post for post in posts if post < end))
    return streams


def _bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else b""


def _date(raw: bytes) -> datetime | None:
    text = raw.decode("latin-1").strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if found.year > 1990 else None


# Policies --------------------------------------------------------------------------------------


@dataclass
class Result:
    """Polls per feed and day, and waits (minutes) of the entries of the measured days."""

    polls: float
    waits: list[float]

    def row(self, name: str) -> str:
        waits = sorted(self.waits)
        cut = [waits[min(int(len(waits) * q), len(waits) - 1)] for q in (0.5, 0.95, 0.99)]
        return f"{name:34} {self.polls:8.1f} {statistics.fmean(waits):8.2f} " + " ".join(
            f"{c:8.1f}" for c in cut
        )

    @property
    def mean(self) -> float:
        return statistics.fmean(self.waits)

    @property
    def p95(self) -> float:
        return sorted(self.waits)[int(len(self.waits) * 0.95)]


Poll = Callable[[int, float, float, int], float]  # feed, previous poll, now, new -> next poll


def simulate(streams: Sequence[Stream], poll: Poll, seed: int) -> Result:
    """Run all feeds through ``poll``; times in minutes after START."""
    dice = Random(seed)
    end = (WARM + MEASURED) * 1440
    queue = [(dice.uniform(0, 15), number, 0.0) for number in range(len(streams))]
    heapq.heapify(queue)
    taken = [0] * len(streams)
    polls = 0
    waits: list[float] = []
    while queue and queue[0][0] < end:
        now, number, before = heapq.heappop(queue)
        upto = bisect_right(streams[number], now)
        new = streams[number][taken[number] : upto]
        taken[number] = upto
        if now >= WARM * 1440:
            polls += 1
            waits.extend(now - post for post in new if post >= WARM * 1440)
        heapq.heappush(queue, (poll(number, before, now, len(new)), number, now))
    return Result(polls / len(streams) / MEASURED, waits)


def fixed(minutes: float) -> Poll:
    return lambda _number, _before, now, _new: now + minutes


def miniflux(streams: Sequence[Stream], factor: float) -> Poll:
    def poll(number: int, _before: float, now: float, _new: int) -> float:
        stream = streams[number]
        weekly = bisect_right(stream, now) - bisect_right(stream, now - 7 * 1440)
        # In its first week it knows a week's entries from the feed's own window as well.
        weekly = round(weekly * 7 * 1440 / min(now, 7 * 1440)) if now > 0 else 0
        wait = 7 * 1440 / (weekly * factor) if weekly else 1440.0
        return now + min(max(wait, 5.0), 1440.0)

    return poll


def ours(streams: Sequence[Stream], budget: float, seed: int, shortest: float = 1.0) -> Poll:
    """The product's scheduler under a budget of ``budget`` polls per feed and day, and a
    shortest interval of ``shortest`` minutes."""
    dice = Random(seed)
    polling = PollingSettings(
        min=timedelta(minutes=shortest), budget_per_day=round(budget * len(streams))
    )
    feeds = {
        str(n): Feed(key=str(n), url=f"http://feed/{n}", name=str(n)) for n in range(len(streams))
    }
    states = {key: FeedState(n, key, START, START) for n, key in enumerate(feeds)}
    paced = {"pace": common_pace(states.values(), feeds, polling), "at": 0.0}

    def poll(number: int, before: float, now: float, new: int) -> float:
        if now - paced["at"] >= 60:
            paced["pace"] = common_pace(states.values(), feeds, polling)
            paced["at"] = now
        key, at = str(number), START + now * MINUTE
        entry = Entry(raw_id=None, url=None, title="", published=None)
        parsed = ParsedFeed(entries=(entry,) * 20) if new or before == 0.0 else None
        outcome = FetchOutcome("ok" if parsed else "not_modified", feeds[key].url, http_status=200)
        states[key] = after_poll(
            states[key],
            feeds[key],
            outcome,
            parsed,
            new if before else 0,
            at,
            polling,
            dice,
            pace=paced["pace"],
        )
        return (states[key].next_at - START) / MINUTE

    return poll


def compare(title: str, streams: Sequence[Stream], seed: int) -> tuple[Result, Result]:
    """Print one rhythm's table; returns (fixed 15 minutes, ours at the same polls)."""
    rate = sum(map(len, streams)) / len(streams) / (WARM + MEASURED)
    print(f"\n{title}: {len(streams)} feeds, {rate:.1f} entries a day each")
    print(f"{'policy':34} {'polls/d':>8} {'mean':>8} {'p50':>8} {'p95':>8} {'p99':>8}   (minutes)")
    base = simulate(streams, fixed(15), seed)
    print(base.row("fixed 15 min"))
    same = simulate(streams, ours(streams, base.polls, seed), seed)
    print(same.row("ours, polls of fixed 15"))
    five = simulate(streams, ours(streams, base.polls, seed, 5.0), seed)
    print(five.row("ours, never under 5 min"))
    for factor in (1.0, 4.0):
        theirs = simulate(streams, miniflux(streams, factor), seed)
        print(theirs.row(f"Miniflux entry frequency, x{factor:g}"))
        print(
            simulate(streams, ours(streams, theirs.polls, seed), seed).row("ours, the same polls")
        )
    ratio, tail = same.mean / base.mean, same.p95 / base.p95
    print(
        f"ours / fixed 15: mean x{ratio:.3f}, p95 x{tail:.2f}, polls x{same.polls / base.polls:.3f}"
    )
    return base, same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--feeds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    for title, sigma, seed, hours in (
        ("skewed rates (sigma 1.6)", 1.6, options.seed, True),
        ("skewed rates (sigma 1.6), another draw", 1.6, options.seed + 2, True),
        ("mildly skewed rates (sigma 1.0)", 1.0, options.seed + 1, True),
        ("even rates, day and night", 0.0, options.seed, True),
        ("even rates, no pattern at all", 0.0, options.seed, False),
    ):
        compare(title, invented(options.feeds, sigma, seed, day_and_night=hours), options.seed)
    folder = options.data / "feeds"
    if folder.is_dir():
        streams = recorded(folder)
        compare("recorded posting times", streams, options.seed)
    else:
        print(f"\nrecorded posting times: skipped, there is no {folder}")


if __name__ == "__main__":
    main()
