"""What a server itself asked for: until when it is not to be polled, whoever asks.

Apart from our own schedule, so that a poll out of turn (`once`) can pass over the schedule and
still obey the server.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.sources.outcome import FetchOutcome
from monitor.store.packed import Packed
from monitor.store.port import FeedState

KEY = "held_until"
# Without Retry-After, 401, 403 and 429 mean "leave me alone for a while" (Unread Cloud, 2024-08).
REFUSED = timedelta(hours=4)


def with_hold(state: FeedState, outcome: FetchOutcome, now: datetime) -> FeedState:
    """Return ``state`` with what the answer asks for, in place of what an earlier one asked."""
    extra = {name: value for name, value in state.extra.items() if name != KEY}
    if outcome.retry_after is not None:
        extra[KEY] = outcome.retry_after.isoformat()
    elif outcome.http_status in (401, 403, 429):
        extra[KEY] = (now + REFUSED).isoformat()
    return replace(state, extra=Packed.of(extra))


def held_until(state: FeedState) -> datetime | None:
    """Return until when the feed's server asked not to be polled, or None."""
    value = state.extra.get(KEY)
    return datetime.fromisoformat(value) if isinstance(value, str) else None
