"""What a period's alerts were worth: what is stored of it, its figures, and what would help.

Joins the store, the alerts' statistics and the rules' proposals, for `stats` and the status page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.alerts.stats import (
    ENOUGH,
    Feedback,
    RuleStats,
    Told,
    read_feedback,
    rule_stats,
    told,
    verdicts,
)
from monitor.config.models import RuleSettings, Settings
from monitor.daemon.reactions import FEEDBACK_BLOB
from monitor.pipeline.documents import document_of_stored
from monitor.review.proposals import Proposal, propose
from monitor.store.port import FoundEntry, Store
from monitor.values import Document, Feed

HELD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Period:
    """What the store holds of a period."""

    since: datetime
    now: datetime
    sent: Sequence[Told]
    feedback: Sequence[Feedback]
    entries: Sequence[FoundEntry]


async def read_period(store: Store, since: datetime, now: datetime) -> Period:
    """Return what the store holds of the time from ``since`` to ``now``."""
    # A message may have been held for a while before it was sent.
    rows = await store.outbox_rows(states=["sent"], since=since - HELD)
    blob = await store.blob(FEEDBACK_BLOB)
    found = await store.matched_entries(since)

    def read() -> Period:
        entries = [each for each in found if not each.entry.baseline]
        return Period(since, now, told(rows, since), read_feedback(blob, rows, since), entries)

    return await asyncio.to_thread(read)  # a month of alerts takes a good part of a second


def figures_of(settings: Settings, period: Period) -> tuple[RuleStats, ...]:
    """Return each rule's figures, most alerts first."""
    return rule_stats(
        [rule.name for rule in settings.rules if rule.enabled],
        period.sent,
        period.feedback,
        period.entries,
        period.since,
        period.now,
    )


def proposals(
    settings: Settings,
    rules: Mapping[str, RuleSettings],
    feeds: Mapping[str, Feed],
    period: Period,
) -> dict[str, tuple[Proposal, ...]]:
    """Return terms for `none` by rule, for the rules with enough that was rejected. Takes CPU."""
    out: dict[str, tuple[Proposal, ...]] = {}
    for name, rule in rules.items():
        said = verdicts(period.feedback, name)
        if sum(said.values()) < ENOUGH:
            continue
        if found := propose(settings, rule, said, _stories(period.entries, name, feeds)):
            out[name] = found
    return out


def _stories(
    entries: Iterable[FoundEntry], rule: str, feeds: Mapping[str, Feed]
) -> dict[str, list[Document]]:
    stories: dict[str, list[Document]] = {}
    for each in entries:
        if rule in each.rules:
            document = document_of_stored(each, feeds)
            stories.setdefault(each.entry.story_id, []).append(document)
    return stories
