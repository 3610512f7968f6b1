"""After an outage: what waited long comes as one message, urgent first, nothing left out.

Pure. A plain burst is not an outage: it goes out message by message, at the channel's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor.codec import alert_from_json
from monitor.delivery.slack.lists import PAGE_PREFIX
from monitor.delivery.wording import item_of
from monitor.store.port import OutboxRow
from monitor.values import Alert, AlertItem, Severity

STALE = timedelta(hours=6)  # old news is no alert
WAITED = timedelta(minutes=15)  # at one message a second a burst of 900 is still sent singly
MANY = 20
SINGLY = 2  # most urgent alerts that still come as messages of their own
MOST = 1000  # rows that one catch-up takes; payloads are bounded
COVERED = "in the catch-up message"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """One message for all of ``covered``."""

    alert: Alert
    covered: tuple[OutboxRow, ...]


def worth_a_look(rows: Sequence[OutboxRow], now: datetime) -> bool:
    """Tell whether the rows at the head of a channel's queue hint at an outage."""
    return any(_waiting(row, now) > WAITED for row in rows if _collapses(row))


def collapse(rows: Sequence[OutboxRow], now: datetime) -> CatchUp | None:
    """Return the catch-up for ``rows`` (all that is due in one channel, most urgent first), or
    None when they should go one by one."""
    waiting = [row for row in rows if _collapses(row)]
    stale = [row for row in waiting if _waiting(row, now) > STALE]
    outage = len(waiting) > MANY and worth_a_look(waiting, now)
    chosen = waiting if outage else stale
    if len(chosen) < 2:
        return None
    urgent = [row for row in chosen if row.severity >= Severity.HIGH and _is_story(row)][:SINGLY]
    covered = [row for row in chosen if row not in urgent]
    if len(covered) < 2:
        return None
    items = [item for row in covered for item in _items(row)]
    since = min(max(row.created_at, row.not_before) for row in covered)
    mentions = dict.fromkeys(
        who for row in covered for who in _alert(row).mention if _is_story(row)
    )
    channel = covered[0].channel
    alert = Alert(
        kind="catch_up",
        channel=channel,
        # Named by what it covers: made again after a crash, it is the same row.
        story_id=f"catch-up/{covered[0].id}",
        title="While this channel couldn't be reached",
        reason=f"{_count(len(items))} waited, the first for {_span(now - since)}",
        severity=Severity(max(row.severity for row in covered)),
        items=tuple(items),
        mention=tuple(mentions),
        first_seen=now,
    )
    return CatchUp(alert, tuple(covered))


def cover(row: OutboxRow) -> OutboxRow:
    """Return ``row`` as settled by a catch-up."""
    return replace(row, state="sent", receipt=None, error=COVERED)


def covered_ids(row: OutboxRow) -> frozenset[str]:
    """Return the rows that a stored catch-up stands for."""
    return frozenset(item.delivery for item in _alert(row).items if item.delivery)


def _collapses(row: OutboxRow) -> bool:
    return row.kind not in ("catch_up", "test") and not row.story_id.startswith(PAGE_PREFIX)


def _is_story(row: OutboxRow) -> bool:
    return row.kind in ("alert", "escalation")


def _waiting(row: OutboxRow, now: datetime) -> timedelta:
    return now - max(row.created_at, row.not_before)


def _alert(row: OutboxRow) -> Alert:
    try:
        return alert_from_json(row.payload)
    except ValueError:
        return Alert("ops", row.channel, row.story_id, f"An unreadable alert ({row.id})")


def _items(row: OutboxRow) -> list[AlertItem]:
    """Return the lines that stand for ``row``; every line names the row it settles."""
    alert = _alert(row)
    if alert.items:
        return [replace(item, delivery=row.id) for item in alert.items]
    item = replace(item_of(alert), delivery=row.id)
    return [item if alert.rules else replace(item, rule="About the watch")]


def _count(number: int) -> str:
    return f"{number} {'story' if number == 1 else 'stories'}"


def _span(waited: timedelta) -> str:
    minutes = int(waited.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    hours = minutes // 60
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
