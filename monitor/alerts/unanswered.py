"""Alerts that want an answer: when nobody reacts in time, another channel is told.

The question is a held outbox row of the other channel from the start (kind ``ask``), so it survives
a restart and any worker can take it up. A reaction withdraws it. Pure, but for the two functions
that read and write the reactions in the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from monitor.alerts.rows import ROOT_KINDS, outbox_row
from monitor.codec import alert_from_json, alert_to_json
from monitor.config.models import Settings, UnansweredSettings
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert

KIND = "ask"
BLOB = "alerts/answers"
KEPT = timedelta(days=7)  # longer than anyone waits for an answer


@dataclass(slots=True)
class Answer:
    """The reactions to one delivery ("read", "follow", "not_relevant"), and when the last came."""

    at: datetime
    reactions: list[str] = field(default_factory=list)


_ANSWERS = TypeAdapter(dict[str, Answer])


def questions(
    told: OutboxRow,
    alert: Alert,
    settings: Settings,
    asks: UnansweredSettings,
    prior: Sequence[OutboxRow],
    now: datetime,
) -> tuple[OutboxRow, ...]:
    """Return the held rows that tell other channels of ``told``, should nobody answer it.

    Args:
        told: the row that wants an answer, with its ``alert``.
        settings: for the other channels' mentions.
        asks: how long to wait, for what, and whom to tell.
        prior: the story's rows.
        now: the time.
    """
    rows = []
    for channel in asks.to:
        other = settings.channels.get(channel)
        question = replace(
            alert,
            kind="escalation",
            channel=channel,
            mention=tuple(other.mention) if other is not None else (),
            reason=f"unanswered in {told.channel}",
            revision=_next(prior, channel),
            group=f"{told.id}/{','.join(asks.unless)}",
        )
        why = f"unless answered in {told.channel} ({' or '.join(asks.unless)})"
        row = outbox_row(question, now, held_until=now + asks.after, why=why)
        rows.append(replace(row, kind=KIND))
    return tuple(rows)


def settled(
    question: OutboxRow,
    family: Sequence[OutboxRow],
    answers: Mapping[str, Collection[str]],
    now: datetime,
) -> OutboxRow | None:
    """Return the row that tells the other channel now, or None when the question is moot.

    It is moot when someone answered, when the alert was never told, and when the other channel has
    heard of the story meanwhile.
    """
    alert = alert_from_json(question.payload)
    asked_id, _, unless = alert.group.partition("/")
    asked = next((row for row in family if row.id == asked_id), None)
    if asked is None or asked.state == "dead":
        return None
    if set(answers.get(asked_id, ())) & set(unless.split(",")):
        return None
    there = [row for row in family if row.channel == question.channel and row.id != question.id]
    if any(
        row.kind in ROOT_KINDS and row.state != "dead" and row.severity >= question.severity
        for row in there
    ):
        return None
    told = replace(
        alert,
        reason=f"{alert.reason} for {_span(now - asked.created_at)}",
        revision=_next(there, question.channel),
        group="",
    )
    return replace(
        question,
        kind=told.kind,
        revision=told.revision,
        payload=alert_to_json(told),
        state="queued",
        not_before=now,
        error="",
    )


def read_answers(blob: bytes | None) -> Mapping[str, Collection[str]]:
    """Return the reactions by delivery id of a stored blob."""
    found = _ANSWERS.validate_json(blob) if blob else {}
    return {delivery: answer.reactions for delivery, answer in found.items()}


async def note_answer(store: Store, delivery: str, reaction: str, now: datetime) -> None:
    """Store that someone reacted to a delivery (called by a channel's buttons)."""
    blob = await store.blob(BLOB)
    answers = _ANSWERS.validate_json(blob) if blob else {}
    answers = {key: each for key, each in answers.items() if now - each.at < KEPT}
    answer = answers.setdefault(delivery, Answer(now))
    answer.at = now
    if reaction not in answer.reactions:
        answer.reactions.append(reaction)
    await store.put_blobs({BLOB: _ANSWERS.dump_json(answers)})


def _next(rows: Sequence[OutboxRow], channel: str) -> int:
    return 1 + max((row.revision for row in rows if row.channel == channel), default=-1)


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
