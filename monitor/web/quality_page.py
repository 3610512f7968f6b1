"""Quality: what the rules' alerts were worth by what people said of them, and what comes in.

The figures take a second or more over a large store: they are gathered aside, kept for a minute,
and a page that comes before they are there says so and asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.alerts.stats import (
    Latencies,
    RuleStats,
    Week,
    latencies,
    precision,
    repeats,
    weeks,
)
from monitor.errors import StateError
from monitor.review.figures import figures_of, proposals, read_period
from monitor.review.proposals import Proposal
from monitor.store.port import DayCount, Store
from monitor.web.charts import Chart, Row, Spark, columns, spark
from monitor.web.render import Renderer
from monitor.web.source import Source

log = logging.getLogger(__name__)

DAYS = (7, 30, 90)
FRESH = timedelta(seconds=60)  # after which figures are gathered anew
PATIENCE = 0.04  # seconds that a page waits for figures
RULES = 100  # listed


@dataclass(frozen=True, slots=True)
class Figures:
    """What was gathered over ``days`` days, and when."""

    at: datetime
    rules: Sequence[RuleStats]
    silent: int
    alerts: int
    matched: int
    saved: int
    accepted: int
    rejected: int
    days: Sequence[DayCount]
    weeks: Sequence[Week]
    latencies: Latencies
    proposals: Mapping[str, Sequence[Proposal]]

    @property
    def precision(self) -> float | None:
        return precision(self.accepted, self.rejected)


class QualityPage:
    """The page of figures."""

    def __init__(self, source: Source, renderer: Renderer) -> None:
        self._source = source
        self._renderer = renderer
        self._figures: dict[int, Figures] = {}
        self._gathering: dict[int, asyncio.Task[None]] = {}
        self._days = DayCounts(source.store)

    def routes(self) -> list[Route]:
        """Return the route; it only reads."""
        return [Route("/quality", self._quality, methods=["GET"])]

    def close(self) -> None:
        """End what is being gathered."""
        for task in self._gathering.values():
            task.cancel()

    async def _quality(self, request: Request) -> Response:
        asked = request.query_params.get("days", "")
        days = int(asked) if asked in map(str, DAYS) else 30
        known, now = self._figures.get(days), self._source.clock.now()
        if known is None or now - known.at > FRESH:
            if days not in self._gathering or self._gathering[days].done():
                self._gathering[days] = asyncio.create_task(self._gather(days), name="quality")
            if known is None:
                await asyncio.wait([self._gathering[days]], timeout=PATIENCE)
                known = self._figures.get(days)
        return self._renderer.page(
            "quality",
            "/quality",
            days=days,
            choices=DAYS,
            figures=known,
            charts=_charts(known) if known else (),
            sparks={each.rule: _spark(each) for each in known.rules} if known else {},
        )

    async def _gather(self, days: int) -> None:
        watching, store = self._source.watching(), self._source.store
        now = self._source.clock.now()
        since = now - timedelta(days=days)
        try:
            by_day = await self._days.since(since, now)
            period = await read_period(store, since, now)
        except StateError as error:
            log.error("figures can't be gathered", extra={"reason": str(error)})
            return

        def work() -> Figures:
            rules = figures_of(watching.settings, period)
            alive = [r for r in rules if r.alerts or r.entries or sum(r.said.values())]
            roots = [each for each in period.sent if each.is_root]
            rejected = sum(each.rejected for each in period.feedback)
            configured = {rule.name: rule for rule in watching.settings.rules if rule.enabled}
            return Figures(
                now,
                alive[:RULES],
                len(rules) - len(alive),
                len(roots),
                len(period.entries),
                repeats(period.entries),
                len(period.feedback) - rejected,
                rejected,
                by_day,
                weeks(roots, period.feedback, since, now),
                latencies(roots),
                proposals(watching.settings, configured, watching.feeds, period),
            )

        self._figures[days] = await asyncio.to_thread(work)


class DayCounts:
    """How many entries each day brought. A day that is over doesn't change but by pruning: it is
    counted once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[date, DayCount] = {}

    async def since(self, since: datetime, now: datetime) -> tuple[DayCount, ...]:
        """Return each day from ``since`` to ``now``, those without entries too."""
        first = since.replace(hour=0, minute=0, second=0, microsecond=0)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        span = [(first + timedelta(days=n)).date() for n in range((today - first).days + 1)]
        missing = [day for day in span if day not in self._known]
        start = today if not missing else today - (today.date() - missing[0])
        found = {each.day: each for each in await self._store.days(start)}
        for day in span:
            if day >= start.date():
                self._known[day] = found.get(day, DayCount(day, {}))
        out = tuple(self._known[day] for day in span)
        del self._known[today.date()]
        return out


def _charts(figures: Figures) -> tuple[Chart, ...]:
    kinds = (("new", "first of a story"), ("update", "developments"), ("none", "more of a story"),
             ("duplicate", "copies"))  # fmt: skip
    by_day = [
        Row(f"{each.day:%-d %b}", tuple(each.kinds.get(kind, 0) for kind, _ in kinds))  # type: ignore[call-overload]
        for each in figures.days
    ]
    by_week = [Row(f"{week.starts:%-d %b}", (week.precision,)) for week in figures.weeks]
    alerts = [Row(f"{week.starts:%-d %b}", (week.alerts,)) for week in figures.weeks]
    names = [name for _, name in kinds]
    charts = [
        columns("Entries a day, by what they were for their story", "entries", names, by_day),
        columns("Alerts a week", "alerts", ["alerts"], alerts),
    ]
    if figures.precision is not None:
        title = "Precision by week: of the alerts that people judged, those they accepted"
        charts.append(columns(title, "", ["precision"], by_week, share=True))
    return tuple(charts)


def _spark(rule: RuleStats) -> Spark:
    shares = [week.precision for week in rule.weeks]
    words = ", ".join("—" if share is None else f"{share:.0%}" for share in shares)
    return spark([share or 0.0 for share in shares][-24:], f"Precision by week: {words}")
