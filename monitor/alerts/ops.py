"""What ops is told besides feeds: configuration, dead letters, and a line each day.

``look`` and its kin are pure; ``OpsDesk`` is the thin shell that keeps their memory in the store.
Without a channel named `ops` nothing is posted: the log says the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from monitor.alerts.feedwatch import FeedWatch, Watched, look, may_be_silent
from monitor.alerts.route import OPS
from monitor.alerts.rows import ROOT_KINDS, outbox_row
from monitor.codec import alert_from_json
from monitor.config.diff import diff
from monitor.config.models import Settings
from monitor.errors import Problem
from monitor.store.port import FeedState, OutboxRow, Store
from monitor.values import Alert, Feed, Severity

log = logging.getLogger(__name__)

BLOB = "alerts/ops"
BECAME = "became"  # the note of a feed that has changed its character
LONGEST_HELD = timedelta(days=7)  # an alert that was held for longer is missing in the figures
DAILY_AT = 8  # o'clock, local: the line about the day before
NAMED = 5  # errors named in the words about a refused configuration


@dataclass(slots=True)
class Figures:
    """What was counted since the last daily line."""

    since: datetime | None = None
    polls: int = 0
    failed: int = 0
    entries: int = 0
    matched: int = 0
    alerts: int = 0


@dataclass(slots=True)
class Memory:
    """What ops has been told."""

    feeds: FeedWatch = field(default_factory=FeedWatch)
    figures: Figures = field(default_factory=Figures)
    told_day: date | None = None
    dead: int = 0
    became: dict[str, str] = field(default_factory=dict)  # feed → when the change told of was


_MEMORY = TypeAdapter(Memory)


class OpsDesk:
    """Watches the watch."""

    def __init__(self, store: Store, memory: Memory | None = None) -> None:
        self._store = store
        self.memory = memory or Memory()

    @classmethod
    async def load(cls, store: Store) -> OpsDesk:
        """Return the desk as it was last stored; raises ``StateError``."""
        stored = await store.blob(BLOB)
        return cls(store, _MEMORY.validate_json(stored) if stored else None)

    def count(self, *, polls: int, failed: int, entries: int, matched: int, alerts: int) -> None:
        """Add what a batch of polls came to."""
        figures = self.memory.figures
        figures.polls += polls
        figures.failed += failed
        figures.entries += entries
        figures.matched += matched
        figures.alerts += alerts

    async def run(
        self,
        settings: Settings,
        feeds: Iterable[tuple[Feed, FeedState]],
        now: datetime,
        per_day: Callable[[FeedState], float] = lambda state: 0.0,
    ) -> int:
        """Look at everything once; returns how many messages were queued.

        Args:
            settings: for the zone, and whether there is an ops channel.
            feeds: the active feeds.
            now: the time.
            per_day: how many entries a day a feed usually brings, 0 where that isn't known.
        """
        memory = self.memory
        memory.figures.since = memory.figures.since or now
        # A rate is read from a feed's notes: not for thousands of feeds twice a minute.
        watched = [
            Watched(feed, state, per_day(state) if may_be_silent(state, now) else 0.0)
            for feed, state in feeds
        ]
        rows = [ops_row(alert, now) for alert in look(memory.feeds, watched, OPS, now)]
        rows += self._changed(watched, now)
        rows += await self._dead(now)
        rows += await self._daily(settings, len(watched), now)
        return await self._keep(rows, settings)

    async def config_changed(self, old: Settings, new: Settings, now: datetime) -> int:
        """Tell that a changed configuration is in force."""
        lines = await asyncio.to_thread(diff, old, new)  # 100,000 rules take a while
        if not lines:
            return 0
        alert = _notice(
            f"config/changed/{int(now.timestamp())}",
            "Configuration changed",
            now,
            reason="\n".join(lines),
        )
        return await self._keep([ops_row(alert, now)], new)

    async def config_refused(
        self, problems: Sequence[Problem], settings: Settings, now: datetime
    ) -> int:
        """Tell that a changed configuration can't be used and the old one stays in force."""
        shown = [str(problem) for problem in problems if problem.level == "error"]
        more = f"\nand {len(shown) - NAMED} more" if len(shown) > NAMED else ""
        alert = _notice(
            f"config/refused/{int(now.timestamp())}",
            "Configuration refused: the last good one stays in force",
            now,
            reason="\n".join(shown[:NAMED]) + more,
            severity=Severity.HIGH,
        )
        return await self._keep([ops_row(alert, now)], settings)

    # Inside ------------------------------------------------------------------------------------

    async def _keep(self, rows: Sequence[OutboxRow], settings: Settings) -> int:
        """Queue the rows, if there is an ops channel, and store what was told."""
        for row in rows:
            log.info("ops", extra={"title": alert_from_json(row.payload).title})
        channel = settings.channels.get(OPS)
        queued = 0
        if rows and channel is not None and channel.enabled:
            queued = await self._store.enqueue(rows)
        await self._store.put_blobs({BLOB: _MEMORY.dump_json(self.memory)})
        return queued

    def _changed(self, watched: Sequence[Watched], now: datetime) -> list[OutboxRow]:
        """Tell of feeds that have become others (``monitor.sources.character``), once each."""
        known, rows = self.memory.became, []
        found = {each.feed.key: each for each in watched if BECAME in each.state.extra}
        for key, each in found.items():
            note = each.state.extra[BECAME]
            if not isinstance(note, dict) or known.get(key) == note.get("at"):
                continue
            known[key] = str(note.get("at"))
            alert = _notice(
                f"feeds/became/{key}/{known[key]}",
                f"Feed {each.feed.name} has changed",
                now,
                reason=f"{note.get('words')}. If it has other owners now, remove it.",
                severity=Severity.NORMAL,
            )
            rows.append(ops_row(alert, now))
        for key in known.keys() - found.keys():
            del known[key]
        return rows

    async def _dead(self, now: datetime) -> list[OutboxRow]:
        """Tell when the number of dead messages has grown."""
        dead = (await self._store.outbox_counts()).get("dead", 0)
        before, self.memory.dead = self.memory.dead, dead
        if dead <= before:
            return []
        what = "message was" if dead == 1 else "messages were"
        alert = _notice(
            f"dead/{now:%F}",
            f"{dead} {what} refused for good",
            now,
            reason="See them with: newswatch outbox list --state dead",
            severity=Severity.HIGH,
        )
        return [ops_row(alert, now)]

    async def _daily(self, settings: Settings, feeds: int, now: datetime) -> list[OutboxRow]:
        local = now.astimezone(ZoneInfo(settings.defaults.timezone))
        memory, figures = self.memory, self.memory.figures
        if memory.told_day is None and figures.since == now:
            memory.told_day = local.date()  # the first day is told about on the next
        if local.hour < DAILY_AT or memory.told_day == local.date():
            return []
        memory.told_day = local.date()
        since = figures.since or now - timedelta(days=1)
        sent = await self._store.outbox_rows(states=["sent"], since=since - LONGEST_HELD)
        alert = daily_alert(figures, feeds, latencies(sent, since), local.date(), now)
        memory.figures = Figures(since=now)
        return [ops_row(alert, now)]


def ops_row(alert: Alert, now: datetime) -> OutboxRow:
    """Return the row of an ops message; an alert with a revision above 0 is an edit of the one
    before (row kind ``update``)."""
    row = outbox_row(alert, now)
    return replace(row, kind="update") if alert.revision else row


def _notice(
    story_id: str,
    title: str,
    now: datetime,
    *,
    reason: str = "",
    severity: Severity = Severity.INFO,
    totals: tuple[tuple[str, str], ...] = (),
) -> Alert:
    return Alert(
        kind="ops",
        channel=OPS,
        story_id=story_id,
        title=title,
        reason=reason,
        first_seen=now,
        severity=severity,
        totals=totals,
    )


# The daily line ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds at two percentiles, over ``count`` alerts."""

    count: int
    half: float
    most: float


def latencies(sent: Iterable[OutboxRow], since: datetime) -> tuple[Latency | None, Latency | None]:
    """Return how long alerts took (from publication to our first sight, from there to the channel)
    among the rows sent since then; None where there is none. Held ones don't count."""
    seen: list[float] = []
    posted: list[float] = []
    for row in sent:
        if row.kind not in ROOT_KINDS or row.last_try is None or row.last_try < since:
            continue
        if row.receipt is None:  # in a digest
            continue
        alert = alert_from_json(row.payload)
        posted.append((row.last_try - row.created_at).total_seconds())
        if alert.first_seen is not None and alert.published is not None:
            seen.append((alert.first_seen - alert.published).total_seconds())
    return _latency(seen), _latency(posted)


def _latency(values: list[float]) -> Latency | None:
    if not values:
        return None
    ranked = sorted(max(0.0, each) for each in values)
    return Latency(len(ranked), _percentile(ranked, 0.5), _percentile(ranked, 0.95))


def _percentile(ranked: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile."""
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def daily_alert(
    figures: Figures,
    feeds: int,
    latency: tuple[Latency | None, Latency | None],
    day: date,
    now: datetime,
) -> Alert:
    """Return the line about the last day."""
    failed = f" ({figures.failed} failed)" if figures.failed else ""
    totals = [
        ("Feeds", str(feeds)),
        ("Polls", f"{figures.polls}{failed}"),
        ("New entries", str(figures.entries)),
        ("Matched", str(figures.matched)),
        ("Alerts", str(figures.alerts)),
    ]
    for name, each in zip(("Published to seen", "Seen to posted"), latency, strict=True):
        if each is not None:
            totals.append((name, f"half within {_time(each.half)}, 95 % within {_time(each.most)}"))
    since = f"{figures.since:%F %R} UTC" if figures.since else "the start"
    return _notice(
        f"daily/{day.isoformat()}",
        "The watch is running",
        now,
        reason=f"Since {since}:",
        totals=tuple(totals),
    )


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
