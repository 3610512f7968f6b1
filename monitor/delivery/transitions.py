"""How an outbox row changes: ``queued → sending → sent``, besides ``unknown`` and ``dead``.

Pure functions over rows; the shell in ``outbox`` stores what they return. See
docs/explanation/delivery.md for the picture.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.delivery.sender import (
    ChannelRefused,
    MessageRefused,
    NotReached,
    RateLimited,
    Result,
    RootGone,
    Sent,
    TryLater,
    Unclear,
)
from monitor.store.port import OutboxRow
from monitor.values import Receipt

# Slack's history can lag behind chat.postMessage (korotovsky/slack-mcp-server#284), so "not there"
# at once proves nothing: three looks, each later than the one before.
LOOKS_AFTER = (timedelta(seconds=15), timedelta(seconds=30), timedelta(seconds=60))
# A channel without a readable history gets an unclear message once more after this long.
RESEND_AFTER = timedelta(seconds=60)
MOST_TRIES = 5  # for refusals whose reason we don't know
TRY_LATER = timedelta(seconds=30)


def starting(row: OutboxRow, now: datetime) -> OutboxRow:
    """Return ``row`` as it must be stored before the call is made."""
    return replace(
        row,
        state="sending",
        attempts=row.attempts + 1,
        first_try=row.first_try or now,
        last_try=now,
        error="",
    )


def not_started(row: OutboxRow, reason: str = "") -> OutboxRow:
    """Undo ``starting`` for a call that didn't reach the channel: no attempt is counted."""
    attempts = max(0, row.attempts - 1)
    return replace(
        row,
        state="queued",
        attempts=attempts,
        first_try=row.first_try if attempts else None,
        error=reason,
    )


def unclear(row: OutboxRow, now: datetime, reason: str, wait: timedelta) -> OutboxRow:
    """Return ``row`` as unknown, to be looked for (or sent again) after ``wait``."""
    return replace(row, state="unknown", looks=0, not_before=now + wait, error=reason)


def after(row: OutboxRow, result: Result, now: datetime, wait: timedelta) -> OutboxRow:
    """Return a ``sending`` row after ``result``; ``wait`` is as for ``unclear``."""
    match result:
        case Sent(receipt):
            return replace(row, state="sent", receipt=receipt, error="")
        case RateLimited(retry_after):
            return not_started(row, f"rate limited for {retry_after:g} s")
        case NotReached(reason):
            return not_started(row, reason)
        case ChannelRefused(reason):
            return not_started(row, reason)
        case Unclear(reason):
            return unclear(row, now, reason, wait)
        case TryLater(reason):
            if row.attempts >= MOST_TRIES:
                return replace(row, state="dead", error=f"{reason} ({row.attempts} tries)")
            wait = TRY_LATER * 2 ** (row.attempts - 1)
            return replace(row, state="queued", not_before=now + wait, error=reason)
        case MessageRefused(reason) | RootGone(reason):
            return replace(row, state="dead", error=reason)


def found(row: OutboxRow, receipt: Receipt, note: str) -> OutboxRow:
    """Return an ``unknown`` row whose message was seen in the channel; ``note`` is kept with it."""
    return replace(row, state="sent", receipt=receipt, error=note)


def missed(row: OutboxRow, now: datetime, waits: tuple[timedelta, ...]) -> OutboxRow:
    """Return an ``unknown`` row after a complete look that didn't find it.

    ``waits`` are the times of the looks, each counted from the unclear try; after the last one the
    row is queued again under the same delivery id.
    """
    looks = row.looks + 1
    if looks >= len(waits):
        return replace(
            row,
            state="queued",
            looks=looks,
            not_before=now,
            error=f"not in the channel after {looks} looks: sent again",
        )
    return replace(row, looks=looks, not_before=now + (waits[looks] - waits[looks - 1]))


def resend(row: OutboxRow, now: datetime) -> OutboxRow:
    """Return an ``unknown`` row of a channel without history as queued once more."""
    return replace(
        row, state="queued", not_before=now, error="outcome unknown, sent again (may be a double)"
    )
