"""A month in the life of the daemon, in virtual time: what befalls it, and the books."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from random import Random

from monitor.daemon.assembly import assembled
from monitor.jobs.local import LocalQueue
from monitor.sources.parse import ParsePool
from monitor.store.sqlite.writer import Operation, Writer, _Job
from tests.chaos.world import KEYWORD
from tests.fakeslack import FakeSlack, Faults
from tests.soak.site import DAY, Site
from tests.soak.virtual import VirtualClock, counted

WORD = re.compile(r"kqx(\d{6})")
START = datetime(2026, 3, 10, tzinfo=UTC)
MONTH = 30.0
POLLS = 3  # a day and feed, on average
TICK = 600.0  # seconds between rounds that come round more often in use
KEPT = 4 * DAY  # the fake forgets messages after so long
WARM = 4.0  # days after a start until memory is judged: stories live for three
SETTLE = 1.5  # days at the end in which nothing fails, until all must be told
HOUR = 1 / 24
BASELINE = "Now watching"  # how the message begins that lists what was there before
# What befalls the watch, in days of a month; each list is (when, how long).
SLACK_DOWN = ((2.2, 3 * HOUR), (6.6, 0.7 * HOUR), (13.3, 6 * HOUR), (25.1, 0.3 * HOUR))
DARK = ((3.5, 3 * HOUR), (17.0, 6 * HOUR))
RESTARTS = ((1.3, 0.02 * HOUR), (4.0, 2 * HOUR), (9.5, 0.2 * HOUR), (21.0, 0.02 * HOUR))
CLOCK_SET = ((5.5, 2 * HOUR), (7.1, -2 * HOUR), (9.502, -6 * HOUR), (11.2, 6 * HOUR))
SLEWED = tuple((day + 0.77, (2 if day % 2 else -2) / DAY) for day in range(30))
# Paris goes over to summer time on day 19; Sydney comes back from it on day 26.
ZONES = ("Europe/Paris", "Australia/Sydney")
MOVED = 22.5
CONFIG = """\
state: ./state
defaults: {{timezone: {zone}, channel: news}}
channels:
  news: {{slack: "#news-watch", throttle: 10 per hour}}
  desk: {{slack: "#syria-desk", digest: "daily 08:00, 17:30", live: false}}
  night: {{slack: "#general", quiet_hours: {{from: "22:00", to: "06:30"}}}}
  ops: {{slack: "#news-watch-ops"}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{budget_per_day: {polls}}}
feeds:
{feeds}
rules: [{{name: Fish, any: [{keyword}]}}]
routes:
  - {{when: {{tag: [desk]}}, to: desk}}
  - {{when: {{tag: [night]}}, to: night}}
"""


@dataclass(slots=True)
class Report:
    """What a soak came to. Memory is in bytes, times in seconds unless said otherwise."""

    seed: int
    feeds: int
    days: float
    wall: float = 0.0
    jumps: int = 0
    entries: int = 0
    must: int = 0
    lost: list[str] = field(default_factory=list)
    doubles: dict[str, int] = field(default_factory=dict)
    false: list[str] = field(default_factory=list)
    early_slack: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    lost_answers: int = 0
    ops_messages: int = 0
    late: list[float] = field(default_factory=list)
    polls: int = 0
    unchanged: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    bad_manners: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    samples: list[tuple[float, int]] = field(default_factory=list)  # (day, resident bytes)
    stretches: list[tuple[float, float]] = field(default_factory=list)  # days without a restart
    descriptors: tuple[int, int] = (0, 0)  # open after the first day, and at the end
    database: tuple[int, int] = (0, 0)  # bytes half-way, and at the end
    failed_jobs: Counter[str] = field(default_factory=Counter)
    check: Sequence[str] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or made up, and nobody was asked too often."""
        broken = self.lost or self.doubles or self.false or self.bad_manners or self.refused
        return not (broken or self.early_slack or self.failed_jobs or self.check)

    @property
    def slopes(self) -> list[float]:
        """Growth of memory in MB a day over each stretch that is long enough to tell."""
        out = []
        for begin, end in self.stretches:
            points = [(day, size) for day, size in self.samples if begin + WARM <= day <= end]
            if len(points) >= 4:
                out.append(slope(points) / 1e6)
        return out

    def rows(self) -> list[tuple[str, str]]:
        """Return the table's lines."""
        late = sorted(self.late) or [0.0]
        told = (late[len(late) // 2], late[int(len(late) * 0.95)], late[-1])
        return [
            ("seed", str(self.seed)),
            ("feeds", str(self.feeds)),
            ("simulated days", f"{self.days:g}"),
            ("seconds", f"{self.wall:.0f}"),
            ("times faster than life", f"{self.days * DAY / self.wall:,.0f}"),
            ("polls", f"{self.polls:,}"),
            ("  of them unchanged", f"{self.unchanged:,}"),
            *((f"  answered with: {name}", f"{n:,}") for name, n in sorted(self.answers.items())),
            ("entries published", f"{self.entries:,}"),
            ("stories that must be told", f"{self.must:,}"),
            ("lost", str(len(self.lost))),
            ("doubles", str(len(self.doubles))),
            ("false alerts", str(len(self.false))),
            ("bad manners", ", ".join(f"{k}: {n}" for k, n in self.bad_manners.items()) or "0"),
            ("messages to ops", str(self.ops_messages)),
            ("messages Slack refused", str(len(self.refused))),
            ("messages whose answer was lost", str(self.lost_answers)),
            ("requests before Slack's Retry-After", str(self.early_slack)),
            ("told at once after, s (median, 95 %, most)", ", ".join(f"{x:,.0f}" for x in told)),
            ("jobs failed", str(sum(self.failed_jobs.values()))),
            ("memory, MB a day over each stretch", ", ".join(f"{x:+.2f}" for x in self.slopes)),
            ("memory at the end, MB", f"{self.samples[-1][1] / 1e6:.0f}" if self.samples else "?"),
            ("open descriptors, day 1 and end", f"{self.descriptors[0]}, {self.descriptors[1]}"),
            ("database, MB half-way and at the end", _pair(self.database)),
            ("database check", "; ".join(self.check) or "ok"),
        ]


def _pair(sizes: tuple[int, int]) -> str:
    return f"{sizes[0] / 1e6:.1f}, {sizes[1] / 1e6:.1f}"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the rise of a least-squares line through (x, y) points."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def prepare() -> None:
    """Let the database's threads work in the loop's own and the parser's process stop its time, and
    slow down the rounds that come twice a second for nothing: most of a month would be spent on
    them. In this process alone."""
    Writer.write = _write_at_once  # type: ignore[assignment, method-assign]
    ParsePool._call = counted(ParsePool._call)  # type: ignore[method-assign]
    ParsePool.aclose = counted(ParsePool.aclose)  # type: ignore[method-assign]
    every = LocalQueue.every

    def slower(self: LocalQueue, interval: timedelta, name: str, key: str = "") -> None:
        every(self, max(interval, timedelta(seconds=TICK)), name, key)

    LocalQueue.every = slower  # type: ignore[method-assign]


async def _write_at_once(self: Writer, operation: Operation) -> object:
    job = _Job(operation, asyncio.get_running_loop())
    self._run_group([job])
    return await job.future


class Soak:
    """One run; ``days`` besides the last ones, in which nothing fails any more."""

    def __init__(
        self, place: Path, clock: VirtualClock, seed: int, feeds: int, days: float
    ) -> None:
        self._place = place
        self._clock = clock
        self._random = Random(seed)
        self._days = days
        self._site = Site(seed, feeds, days, clock)
        self._faults = Faults(seed, unclear=0.05, limited=0.02, late=40.0)
        self._slack: FakeSlack
        self._told: Counter[int] = Counter()
        self._ours = {item.number: item for item in self._site.items}
        self._began = clock.monotonic()
        self.report = Report(seed, feeds, days)

    async def run(self) -> Report:
        """Live through all of it and return the books."""
        started = time.monotonic()
        part = self._days / MONTH
        slack = FakeSlack(self._faults, history_lag=2.0, clock=_TrueClock(self._clock))
        async with self._site, slack:
            self._slack = slack
            self._configure(ZONES[0])
            befalls = [
                *(self._at(at * part, self._slack_down, long) for at, long in SLACK_DOWN),
                *(self._at(at * part, self._dark, long) for at, long in DARK),
                *(self._at(at * part, self._set_clock, by) for at, by in (*CLOCK_SET, *SLEWED)),
                *(self._at(day, self._sample, day) for day in _days(self._days + SETTLE)),
                self._at(MOVED * part, self._move, 0.0),
                self._at(self._days, self._calm, 0.0),
            ]
            running = asyncio.gather(*befalls)
            for at, pause in (*((at * part, pause) for at, pause in RESTARTS), (inf, 0.0)):
                await self._live(min(at, self._days + SETTLE))
                await asyncio.sleep(pause * DAY)
            await running
            self._sweep(inf)
            self._audit()
        self.report.wall = time.monotonic() - started
        return self.report

    # Life --------------------------------------------------------------------------------------

    @property
    def _day(self) -> float:
        return (self._clock.monotonic() - self._began) / DAY

    async def _live(self, until: float) -> None:
        """Run one daemon until that day, then end it as SIGTERM does."""
        begin, config = self._day, self._place / "config.yaml"
        token = {"SLACK_BOT_TOKEN": self._slack.token}
        async with assembled(
            config, token, clock=self._clock, random=Random(self._random.random())
        ) as daemon:
            running = asyncio.create_task(daemon.run())
            await asyncio.sleep((until - self._day) * DAY)
            daemon.stop()
            await running
            queue = daemon._queue
            assert isinstance(queue, LocalQueue)
            self.report.failed_jobs += queue.failures
            if until > self._days:
                self.report.check = await daemon._store.check()
        self.report.stretches.append((begin, until))

    def _configure(self, zone: str) -> None:
        tags = ("news", "desk", "night")
        feeds = "\n".join(
            f"  - {{url: 'http://127.0.0.1:{self._site.port}/{name}', name: {name}, "
            f"tags: [{tags[n % 3]}]}}"
            for n, name in enumerate(feed.name for feed in self._site.feeds.values())
        )
        (self._place / "config.yaml").write_text(
            CONFIG.format(
                zone=zone,
                slack=self._slack.url,
                polls=POLLS * len(self._site.feeds),
                feeds=feeds,
                keyword=KEYWORD,
            )
        )

    # What befalls it ---------------------------------------------------------------------------

    async def _at(
        self, day: float, happens: Callable[[float], Awaitable[None]], about: float
    ) -> None:
        await asyncio.sleep(max(0.0, day - self._day) * DAY)
        await happens(about)

    async def _slack_down(self, days: float) -> None:
        self._slack.workspace.down = self._random.choice(["refuse", "reset"])
        await asyncio.sleep(days * DAY)
        self._slack.workspace.down = ""

    async def _dark(self, days: float) -> None:
        self._site.dark = True
        await asyncio.sleep(days * DAY)
        self._site.dark = False

    async def _set_clock(self, days: float) -> None:
        self._clock.set_by(timedelta(days=days))
        if abs(days) > 60 / DAY:
            # Set ahead, every feed may be due; set back, waits are counted anew.
            self._site.excused_until = self._clock.monotonic() + 3600.0

    async def _move(self, _: float) -> None:
        """The desk moves to the other side of the world, while the daemon runs."""
        self._configure(ZONES[1])

    async def _calm(self, _: float) -> None:
        self._site.calm = True
        self._faults.unclear = self._faults.limited = 0.0

    async def _sample(self, day: float) -> None:
        self._sweep(self._clock.monotonic() - KEPT)
        report = self.report
        report.samples.append((day, resident()))
        open_ = len(os.listdir("/proc/self/fd"))
        report.descriptors = (report.descriptors[0] or open_, open_)
        size = sum(path.stat().st_size for path in self._place.rglob("newswatch.db*"))
        report.database = (size if day <= self._days / 2 else report.database[0], size)

    # Books -------------------------------------------------------------------------------------

    def _sweep(self, before: float) -> None:
        """Enter the messages that were stored before then, and let the fake forget them."""
        space, report = self._slack.workspace, self.report
        for channel in space.channels.values():
            old = [message for message in channel.messages if message.stored_at < before]
            channel.messages = [
                message for message in channel.messages if message.stored_at >= before
            ]
            for message in old:
                if channel.name == "news-watch-ops":
                    report.ops_messages += 1
                if channel.name == "news-watch-ops" or message.text.startswith(BASELINE):
                    continue
                numbers = {int(found) for found in WORD.findall(json.dumps(message.body))}
                self._told.update(numbers)
                if channel.name == "news-watch":
                    report.late += [
                        message.stored_at - self._began - self._ours[n].at for n in numbers
                    ]
        report.early_slack += len(space.early)
        space.early.clear()
        space.calls.clear()

    def _audit(self) -> None:
        report, site, told = self.report, self._site, self._told
        due = {item.number for item in site.due(self._days * DAY)}
        wanted = {item.number for item in site.items if item.wanted and item.at >= 0}
        report.entries = sum(item.at >= 0 for item in site.items)
        report.must = len(due)
        report.lost = [
            f"{n} at day {self._ours[n].at / DAY:.3f}" for n in sorted(due - told.keys())
        ]
        report.false = [str(n) for n in sorted(told.keys() - wanted)]
        report.doubles = {str(n): count for n, count in sorted(told.items()) if count > 1}
        report.refused = self._slack.workspace.refused
        report.lost_answers = self._faults.lost_answers
        report.polls, report.unchanged = site.manners.requests, site.manners.unchanged
        report.answers = site.answers
        report.bad_manners, report.notes = site.manners.faults, site.manners.notes


class _TrueClock:
    """The time as it is, whatever the watch's machine believes."""

    def __init__(self, clock: VirtualClock) -> None:
        self.now = clock.true
        self.monotonic = clock.monotonic


def _days(until: float) -> list[float]:
    return [float(day) for day in range(1, int(until) + 1)]
