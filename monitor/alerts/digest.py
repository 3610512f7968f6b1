"""Releasing what was held: as messages of their own, or many as one digest. Pure.

A digest is made in one row that was stored before (its *carrier*, held and empty), so that the
carrier's filling and the settling of all it carries are one store transaction: a crash neither
loses nor doubles a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.alerts.hold import EACH
from monitor.alerts.rows import ROOT_KINDS, item_of, outbox_row
from monitor.alerts.unanswered import KIND as ASK
from monitor.codec import alert_from_json, alert_to_json
from monitor.store.port import OutboxRow
from monitor.values import Alert, AlertItem, Severity

CARRIER = "digest/"  # how the story id of a digest row begins
IN_DIGEST = "in digest"  # how the `error` of a row begins that a digest carries
# What one digest lists; beyond it only the number is told (a row is one JSON text).
MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows of one channel that are released together."""

    channel: str
    group: str
    rows: tuple[OutboxRow, ...]


def is_carrier(row: OutboxRow) -> bool:
    """Tell whether a row is a digest, filled or not."""
    return row.kind == "digest" and row.story_id.startswith(CARRIER)


def due_buckets(held: Iterable[OutboxRow], now: datetime) -> tuple[Bucket, ...]:
    """Return what of the held rows is due, by channel and group, oldest first."""
    found: dict[tuple[str, str], list[OutboxRow]] = {}
    for row in held:
        waits = row.state == "held" and row.kind != ASK
        if waits and row.not_before <= now and not is_carrier(row):
            group = alert_from_json(row.payload).group
            found.setdefault((row.channel, group), []).append(row)
    return tuple(Bucket(channel, group, tuple(rows)) for (channel, group), rows in found.items())


def singly(
    bucket: Bucket, now: datetime, *, digest_only: bool, rooted: frozenset[str] = frozenset()
) -> tuple[tuple[OutboxRow, ...], Bucket]:
    """Return (rows queued as messages of their own, what is left for a digest).

    Args:
        bucket: rows that are due.
        now: becomes their due time.
        digest_only: whether the channel posts digests alone; there a lone story is a digest too.
        rooted: ids of held updates whose story has a message in the channel: they belong to it.
    """
    own = [row for row in bucket.rows if row.id in rooted]
    rest = [row for row in bucket.rows if row.id not in rooted]
    alone = len({row.story_id for row in rest}) == 1 and not digest_only
    if alone or bucket.group.startswith(EACH):
        own, rest = own + rest, []
    return (
        tuple(replace(row, state="queued", not_before=now, error="") for row in own),
        replace(bucket, rows=tuple(rest)),
    )


def carrier(channel: str, group: str, at: datetime, now: datetime) -> OutboxRow:
    """Return an empty digest row, held until it is filled; ``at`` tells it from others."""
    alert = Alert(
        kind="digest",
        channel=channel,
        story_id=carrier_id(channel, group),
        title="Digest",
        revision=int(at.timestamp()),
        group=group,
    )
    return outbox_row(alert, now, held_until=now, why="waits for its stories")


def carrier_id(channel: str, group: str) -> str:
    """Return the story id of a channel's (or group's) digests."""
    return f"{CARRIER}{channel}" + (f"/{group}" if group else "")


def fill(
    empty: OutboxRow,
    held: Sequence[OutboxRow],
    now: datetime,
    *,
    title: str,
    live: Sequence[OutboxRow] = (),
) -> tuple[OutboxRow, ...]:
    """Return the carrier ``empty`` filled and queued, and the ``held`` rows settled by it.

    ``live`` are rows that were posted already and are summed up once more.
    """
    lines = _lines((*live, *held))
    alerts = [alert_from_json(row.payload) for row in held]
    whys = dict.fromkeys(row.error for row in held if row.error)
    count = len(lines)
    totals = [("story" if count == 1 else "stories", str(count))]
    if count > MOST_ITEMS:
        totals.append(("not listed here (see `outbox list`)", str(count - MOST_ITEMS)))
    base = alert_from_json(empty.payload)
    digest = replace(
        base,
        title=title,
        reason=f"Held: {', '.join(whys)}" if whys else "",
        severity=max((line.severity for line in lines), default=Severity.NORMAL),
        rules=tuple(dict.fromkeys(rule for alert in alerts for rule in alert.rules)),
        mention=tuple(dict.fromkeys(who for alert in alerts for who in alert.mention)),
        items=lines[:MOST_ITEMS],
        totals=tuple(totals),
        first_seen=now,
    )
    filled = replace(
        empty,
        state="queued",
        not_before=now,
        severity=int(digest.severity),
        payload=alert_to_json(digest),
        error="",
    )
    settled = (
        replace(row, state="sent", last_try=now, error=f"{IN_DIGEST} {empty.id}") for row in held
    )
    return (filled, *settled)


def heartbeat(channel: str, since: datetime, slot: datetime, title: str) -> OutboxRow:
    """Return the line for a digest that has nothing to tell."""
    return outbox_row(
        Alert(
            kind="digest",
            channel=channel,
            story_id=carrier_id(channel, ""),
            title=title,
            reason=f"Nothing matched since {since:%F %R} UTC. The watch is running.",
            severity=Severity.INFO,
            revision=int(slot.timestamp()),
        ),
        slot,
    )


def posted_between(
    rows: Iterable[OutboxRow], since: datetime, slot: datetime
) -> tuple[OutboxRow, ...]:
    """Return the stories among ``rows`` that stood in their channel as messages of their own after
    ``since`` and until ``slot``, for the digest of a channel that also posts live.

    A digest that comes late leaves what came after its time to the next one."""
    return tuple(
        row
        for row in rows
        if row.kind in ROOT_KINDS
        and row.state not in ("dead", "held")
        and since < row.created_at <= slot
        and not row.error.startswith(IN_DIGEST)
    )


def digest_title(count: int, slot: datetime, zone: ZoneInfo, group: str = "") -> str:
    """Return a digest's title: the group, or the local date and time."""
    stories = f"{count} {'story' if count == 1 else 'stories'}"
    if group:
        return f"{stories}: {group}"
    return f"Digest, {slot.astimezone(zone):%a %-d %b %H:%M}"


def stories_in(rows: Iterable[OutboxRow]) -> int:
    """Return how many lines ``rows`` come to in a digest."""
    return len(_lines(rows))


def _lines(rows: Iterable[OutboxRow]) -> tuple[AlertItem, ...]:
    """Return one line for each story (and `key:`), in order of first appearance, with the
    sources, rules and severity of all its rows; volume alerts give their stories' lines."""
    first: dict[tuple[str, str], tuple[OutboxRow, Alert]] = {}
    nested: list[AlertItem] = []
    for row in rows:
        alert = alert_from_json(row.payload)
        if alert.items:
            nested.extend(alert.items)
            continue
        place = (alert.story_id, alert.key)
        if place in first:
            kept, old = first[place]
            first[place] = (kept, _united(old, alert))
        else:
            first[place] = (row, alert)
    lines = [item_of(alert, row.id) for row, alert in first.values()]
    return (*lines, *nested)


def _united(first: Alert, later: Alert) -> Alert:
    united: Mapping[str, tuple[str, ...]] = {
        name: tuple(dict.fromkeys((*getattr(first, name), *getattr(later, name))))
        for name in ("sources", "rules")
    }
    return replace(
        first,
        sources=united["sources"],
        rules=united["rules"],
        severity=Severity(max(first.severity, later.severity)),
    )
