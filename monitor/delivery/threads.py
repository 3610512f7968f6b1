"""Which call a row becomes: a new message, an answer in a thread, an edit, or none.

One story is one root message per channel. Another source edits the root; a development (an update
with a summary) or a further rule answers in its thread; an escalation is always a new message and
the root from then on. Pure functions over the rows of one story in one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitor.codec import alert_from_json
from monitor.delivery.sender import Outgoing
from monitor.store.port import OutboxRow
from monitor.values import Alert, Receipt, Severity

EDIT_EVERY = timedelta(minutes=5)  # more edits than this read as flicker
ROOT_LIFE = timedelta(hours=48)  # a thread nobody scrolls back to is no notification
ROOT_WAIT = timedelta(seconds=5)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

# How a sent update was delivered; kept in the row's `error` column, where `outbox list` shows it.
AS_ROOT = "posted as a new message"
AS_EDIT = "edited the message"
AS_REPLY = "answered in the thread"


@dataclass(frozen=True, slots=True)
class Post:
    """Make this call; ``note`` is kept with the row."""

    message: Outgoing
    note: str = ""
    edit: Outgoing | None = None  # the root, brought up to date after an answer


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again at ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing to send; the row is settled as sent, with ``note``."""

    note: str


Plan = Post | Wait | Skip


def plan(
    row: OutboxRow, alert: Alert, siblings: Sequence[OutboxRow], now: datetime, threads: bool
) -> Plan:
    """Decide what ``row`` becomes.

    ``siblings`` are the other rows of the same story and channel; ``threads`` tells whether the
    channel can edit and answer.
    """
    siblings = [each for each in siblings if alert_from_json(each.payload).key == alert.key]
    root = _newest_root(siblings)
    if alert.kind == "escalation":
        earlier = root.receipt if root is not None and root.state == "sent" else None
        return Post(Outgoing(row.id, alert, earlier=earlier if threads else None))
    if alert.kind != "update":
        return Post(Outgoing(row.id, alert))
    tells = alert.summary is not None or bool(root and _new_rules(alert, root))
    if root is not None and root.state in ("queued", "sending", "unknown", "held"):
        return Wait(now + (ROOT_WAIT if root.state != "held" else EDIT_EVERY))
    if not threads:
        if tells or root is None or root.state == "dead":
            return Post(Outgoing(row.id, alert))
        return Skip("another source; this channel can't edit messages")
    if root is None or root.state == "dead":
        return Post(Outgoing(row.id, alert), AS_ROOT)
    if root.receipt is None:  # it went out in a digest or catch-up: there is no message to edit
        return Post(Outgoing(row.id, alert), AS_ROOT) if tells else Skip("the story is in a digest")
    posted = root.first_try or root.created_at
    if now - posted > ROOT_LIFE:
        if not tells:
            return Skip("another source, more than 48 hours after the message")
        return Post(Outgoing(row.id, alert, earlier=root.receipt), AS_ROOT)
    updates = [each for each in siblings if each.kind == "update"]
    whole = Outgoing(row.id, merged(root, [*updates, row]), root=root.receipt, edit=True)
    wait = edit_due(root.receipt, updates) - now
    if tells:
        reply = Outgoing(row.id, alert, root=root.receipt)
        return Post(reply, AS_REPLY, whole if wait <= timedelta(0) else None)
    if any(each.state == "queued" and each.revision > row.revision for each in updates):
        return Skip("a later edit covers it")
    return Wait(now + wait) if wait > timedelta(0) else Post(whole, AS_EDIT)


def plan_notice(
    row: OutboxRow, alert: Alert, siblings: Sequence[OutboxRow], now: datetime, threads: bool
) -> Plan:
    """Decide what the edit of an ops message becomes: a row of kind ``update`` whose alert replaces
    the message whole. Where there is nothing to edit it is a new message."""
    roots = [each for each in siblings if each.kind == "ops" and each.state != "dead"]
    root = max(roots, key=lambda each: each.created_at, default=None)
    if any(each.kind == "update" and each.revision > row.revision for each in siblings):
        return Skip("a later edit covers it")
    if root is not None and root.state in ("queued", "sending", "unknown"):
        return Wait(now + ROOT_WAIT)
    if root is None or root.receipt is None or not threads:
        return Post(Outgoing(row.id, alert))
    return Post(Outgoing(row.id, alert, root=root.receipt, edit=True), AS_EDIT)


def plan_page(row: OutboxRow, alert: Alert, root: OutboxRow | None, now: datetime) -> Plan:
    """Decide what a further page of a list becomes; ``root`` is the first page's row."""
    if root is not None and root.state in ("queued", "sending", "unknown"):
        return Wait(now + ROOT_WAIT)
    return Post(Outgoing(row.id, alert, root=root.receipt if root is not None else None))


def page_root(story_id: str) -> tuple[str, str]:
    """Return (delivery id, story id) of the first page, from a further page's story id."""
    _, root_id, root_story = story_id.split("/", 2)
    return root_id, root_story


def root_of(row: OutboxRow, family: Sequence[OutboxRow]) -> OutboxRow | None:
    """Return the row whose message ``row`` belongs to, among its story's rows in its channel.
    A rule's ``key:`` keeps apart what is one story otherwise."""
    key = alert_from_json(row.payload).key
    return _newest_root(
        [each for each in family if each.id != row.id and alert_from_json(each.payload).key == key]
    )


def _newest_root(siblings: Sequence[OutboxRow]) -> OutboxRow | None:
    """Return the newest of the rows that are messages of their own, dead ones only if there is
    no other."""
    roots = [
        row
        for row in siblings
        if row.kind in ("alert", "escalation")
        or (row.kind == "update" and row.state == "sent" and row.error == AS_ROOT)
    ]
    alive = [row for row in roots if row.state != "dead"]
    return max(alive or roots, key=lambda row: (row.created_at, row.revision), default=None)


def edit_due(root: Receipt, updates: Sequence[OutboxRow]) -> datetime:
    """Return when the root may be edited next."""
    edits = [
        row.last_try
        for row in updates
        if row.state == "sent"
        and row.last_try is not None
        and row.error == AS_EDIT
        and row.receipt == root
    ]
    latest = max(edits, default=None)
    return latest + EDIT_EVERY if latest else LONG_AGO


def merged(root: OutboxRow, updates: Sequence[OutboxRow]) -> Alert:
    """Return the root's alert with the sources, rules, terms and severity of its updates."""
    alert = alert_from_json(root.payload)
    for row in sorted(updates, key=lambda each: each.revision):
        if row.state == "dead" or row.created_at < root.created_at:
            continue
        later = alert_from_json(row.payload)
        alert = replace(
            alert,
            sources=_union(alert.sources, later.sources),
            rules=_union(alert.rules, later.rules),
            terms=_union(alert.terms, later.terms),
            entities=_union(alert.entities, later.entities),
            severity=Severity(max(alert.severity, later.severity)),
            revision=max(alert.revision, later.revision),
        )
    return alert


def _new_rules(alert: Alert, root: OutboxRow) -> bool:
    return not set(alert.rules) <= set(alert_from_json(root.payload).rules)


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
