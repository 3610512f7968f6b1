"""The first-run message: what was there already, and what of it would have matched.

Many feeds added at once give one message. What has been counted so far is stored with the polls
that counted it, so that a crash in between loses none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from monitor.ids import new_id
from monitor.values import AlertItem, Document, Match

BLOB = "baseline/pending"
SHOWN = 5  # entries that would have matched, listed in the message (design: first run)
# Feeds that hang or fail must not keep the message back for ever.
PATIENCE = timedelta(seconds=60)


@dataclass(slots=True)
class Pending:
    """What a baseline has counted so far. ``id`` names the message to come."""

    id: str
    since: datetime
    feeds: dict[str, int] = field(default_factory=dict)
    matching: int = 0
    items: list[AlertItem] = field(default_factory=list)


_PENDING = TypeAdapter(Pending)


class BaselineLog:
    """Counts baselined feeds until the message about them is due."""

    def __init__(self, stored: bytes | None = None) -> None:
        self.pending: Pending | None = _PENDING.validate_json(stored) if stored else None
        self._matching: list[AlertItem] = []
        self._changed = False

    def would_match(self, document: Document, matches: Sequence[Match]) -> None:
        """Note a baselined entry that a rule would have matched."""
        self._matching.append(
            AlertItem(
                document.title,
                document.url,
                document.source or "",
                matches[0].rule,
                document.published,
            )
        )

    def count(self, feed: str, entries: int, now: datetime) -> None:
        """Note that ``feed`` was baselined with so many entries."""
        if self.pending is None:
            self.pending = Pending(new_id(now), now)
        self.pending.feeds[feed] = entries
        self.pending.matching += len(self._matching)
        self.pending.items = (self.pending.items + self._matching)[:SHOWN]
        self._matching.clear()
        self._changed = True

    def blobs(self) -> tuple[tuple[str, bytes], ...]:
        """Return what is to be stored with the poll that was counted last."""
        if not self._changed or self.pending is None:
            return ()
        self._changed = False
        return ((BLOB, _PENDING.dump_json(self.pending)),)

    def due(self, now: datetime, feeds_waiting: int) -> Pending | None:
        """Return the finished baseline once no feed waits for its first poll, or patience ends."""
        if self.pending is None or (feeds_waiting and now - self.pending.since < PATIENCE):
            return None
        return self.pending

    def done(self) -> None:
        """Start afresh: the message is queued."""
        self.pending = None
