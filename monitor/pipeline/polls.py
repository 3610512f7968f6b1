"""What a poll brought, what it came to, and the commit in the making between the two."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.sources.outcome import FetchOutcome
from monitor.store.packed import Packed
from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    SeenKey,
    Store,
    StoredEntry,
)
from monitor.stories.error_items import is_error_item
from monitor.stories.identity import EntryKeys, Identified, all_keys
from monitor.stories.index import StoryIndex
from monitor.values import Entry, Feed, ParsedFeed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: a parsed feed, or the reason why there is none.

    ``parse_seconds`` includes the wait for a parsing worker.
    """

    feed: Feed
    state: FeedState
    outcome: FetchOutcome
    parsed: ParsedFeed | None = None
    parse_error: str = ""
    parse_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch of polls came to; ``commits`` is what was stored of it, poll by poll."""

    states: tuple[FeedState, ...]
    new_entries: int
    matched: int
    alerts: int
    commits: tuple[PollCommit, ...] = ()


def digests_name(state: FeedState) -> str:
    return f"digests/{state.id}"


async def seen(
    store: Store, state: FeedState, keys: Sequence[EntryKeys]
) -> Mapping[bytes, SeenKey]:
    """Return what a feed has seen of its entries' keys; before its first good poll, nothing."""
    if state.baselined_at is None:
        return {}
    wanted = {key for each in keys for key in all_keys(each)}
    return await store.seen(state.id, sorted(wanted)) if wanted else {}


def without_errors(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Part what a bridge posted for its own errors, as reasons in words, from entries."""
    reasons = [is_error_item(entry) for entry in entries]
    kept = tuple(e for e, reason in zip(entries, reasons, strict=True) if reason is None)
    return kept, tuple(reason for reason in reasons if reason is not None)


class Draft:
    """The commit of a parsed poll in the making: what it is about, and what is to be stored."""

    def __init__(self, feed: Feed, state: FeedState, parsed: ParsedFeed, now: datetime) -> None:
        self.feed = feed
        self.state = state
        self.parsed = parsed
        self.now = now
        self.entries: list[StoredEntry] = []
        self.matches: list[EntryMatch] = []
        self.outbox: list[OutboxRow] = []
        self._forget: list[str] = []
        self._seen: list[SeenKey] = []
        self._touched: list[bytes] = []
        self._blobs: list[tuple[str, bytes]] = []

    def keep_digests(self) -> None:
        """Keep the digests of the document's entries for the feed's next poll."""
        parsed = self.parsed
        if parsed.digests and parsed.entries:
            self._blobs.append((digests_name(self.state), b"".join(parsed.digests)))

    def remember(self, each: Identified) -> None:
        self._seen.extend(each.seen)
        if each.status != "new":
            self._touched.extend(all_keys(each.keys))

    def note(self, words: str) -> None:
        """Add to what became of the last entry."""
        last = self.entries[-1]
        self.entries[-1] = replace(last, outcome=f"{last.outcome} ({words})")

    def withdraw(self, rows: Sequence[str]) -> None:
        """Take back held rows by their ids, whether stored already or planned in this poll."""
        self.outbox = [row for row in self.outbox if row.id not in rows]
        self._forget.extend(rows)

    def finish(self, index: StoryIndex) -> PollCommit:
        return PollCommit(
            replace(self.state, extra=Packed.of(self.state.extra)),
            tuple(self.entries),
            tuple(self._seen),
            tuple(self._touched),
            tuple(self.matches),
            index.changed(),
            tuple(self.outbox),
            (*index.blobs(), *self._blobs),
            tuple(self._forget),
        )


def log_poll(polled: Polled, state: FeedState) -> bool:
    """Log one poll; returns True when it failed."""
    failed = state.failures > 0
    level = logging.WARNING if failed else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "feed failed" if failed else "feed polled",
            extra={"feed": polled.feed.name, "url": polled.feed.url, "status": state.last_status},
        )
    return failed
