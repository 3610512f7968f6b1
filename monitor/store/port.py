"""The Store port: what the pipeline, the deliverer and the commands ask of storage.

Two adapters implement it (SQLite, PostgreSQL) and pass one contract suite. A Store keeps facts and
makes groups of them atomic; it decides nothing. Times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from monitor.values import Entry, Feed, Match, Receipt, Story, StoryKind, Wording

OutboxState = Literal["queued", "held", "sending", "sent", "unknown", "dead"]
SeenKind = Literal["guid", "url", "title", "text"]


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to make the next request conditional, byte for byte.

    ``body_hash`` is the SHA-256 of the raw body last parsed cleanly.
    """

    etag: str | None = None
    last_modified: str | None = None
    body_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class FeedState:
    """What the store knows of a feed.

    ``added_at`` is when the feed was first seen in the configuration; ``baselined_at`` when its
    first good poll was committed (None: not yet). ``moved_to`` is an adopted permanent redirect.
    ``last_status`` is in plain words ("ok: 30 entries, 2 new", "HTTP 500"). ``extra`` holds what
    only the sources stage understands (rates, redirect counts), as JSON values.
    """

    id: int
    key: str
    added_at: datetime
    next_at: datetime
    baselined_at: datetime | None = None
    validators: Validators = Validators()
    last_poll_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_new_at: datetime | None = None
    last_status: str = "not polled yet"
    failures: int = 0
    entries_seen: int = 0
    moved_to: str | None = None
    disabled_reason: str | None = None
    title: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


class SeenKey(NamedTuple):  # many are made: as a dataclass it takes three times as long
    """One identity key of an entry in one feed, and the entry it belongs to.

    ``kind`` tells what was hashed: the raw GUID, the canonical URL, the normalised title, or the
    text; ``key`` is a BLAKE2b-128 digest. ``entry_id`` joins the keys of one entry.
    """

    kind: SeenKind
    key: bytes
    entry_id: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as kept: the feed's words, our clock, and the story it belongs to.

    ``id`` is a ULID. ``baseline`` entries were there on the first run and alert nothing.
    ``published`` is clamped; ``outcome`` says in plain words what became of it ("baselined",
    "no rule matched", "alert", "duplicate of …") for ``why-not``.
    """

    id: str
    feed_id: int
    entry: Entry
    first_seen: datetime
    published: datetime | None
    story_id: str
    story_kind: StoryKind = "new"
    duplicate_of: str | None = None
    baseline: bool = False
    outcome: str = ""
    source: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message owed to a channel.

    ``id`` is the delivery id (ULID); (story_id, channel, kind, revision) is unique, so that a
    logical double can't be queued. ``payload`` is the Alert as JSON. ``not_before`` holds a row
    back (quiet hours, Retry-After); ``attempts`` counts tries that may have reached the channel.
    ``looks`` counts history reads for an ``unknown`` row.
    """

    id: str
    channel: str
    kind: str
    story_id: str
    revision: int
    severity: int
    payload: str
    state: OutboxState
    created_at: datetime
    not_before: datetime
    attempts: int = 0
    first_try: datetime | None = None
    last_try: datetime | None = None
    looks: int = 0
    receipt: Receipt | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class StoryRow:
    """A story as kept. ``blob`` is what only the stories stage understands (its centroid)."""

    story: Story
    blob: bytes = b""


@dataclass(frozen=True, slots=True)
class EntryMatch:
    """A rule that held for a stored entry."""

    entry_id: str
    match: Match


@dataclass(frozen=True, slots=True)
class PollCommit:
    """Everything one poll of one feed changes; all of it is stored, or none.

    ``state`` is the feed's new state (validators and ``next_at`` included). ``touched`` are keys
    still in the feed, whose last-seen day is to be refreshed. ``blobs`` are named values of the
    stages' own ("stories/df"). ``forget`` lists outbox rows to withdraw (still queued or held).
    """

    state: FeedState
    entries: tuple[StoredEntry, ...] = ()
    seen: tuple[SeenKey, ...] = ()
    touched: tuple[bytes, ...] = ()
    matches: tuple[EntryMatch, ...] = ()
    stories: tuple[StoryRow, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    blobs: tuple[tuple[str, bytes], ...] = ()
    forget: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """A stored entry with its feed's key and the rules that matched it."""

    entry: StoredEntry
    feed_key: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DayCount:
    """What one day (UTC) brought: ``entries`` in all, by what each was for its story."""

    day: date
    kinds: Mapping[StoryKind, int]

    @property
    def entries(self) -> int:
        return sum(self.kinds.values())


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a stored entry: ``text`` is some 400 characters of summary and content."""

    id: str
    title: str
    text: str
    first_seen: datetime
    published: datetime | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning removed, and the size of the store after it, in bytes."""

    entries: int
    stories: int
    seen: int
    outbox: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, and the bound on disk in bytes.

    ``refreshed`` is how rarely the keys of an entry that stays in its feed are refreshed.
    """

    stories: timedelta
    alerts: timedelta
    seen: timedelta
    max_bytes: int
    refreshed: timedelta = timedelta(0)


class Store(Protocol):
    """Durable facts. All methods may raise ``StateError``."""

    async def close(self) -> None: ...

    # Feeds -------------------------------------------------------------------------------------
    async def sync_feeds(self, feeds: Sequence[Feed], now: datetime) -> Mapping[str, FeedState]:
        """Make exactly ``feeds`` active (new ones are due at once); returns states by key.
        A feed no longer listed is kept, with what it has seen, but never due."""

    async def feed_states(self, polled_since: datetime | None = None) -> Mapping[str, FeedState]:
        """Return the states of all active feeds by key, or of those polled then or later."""

    async def due(
        self, now: datetime, limit: int, retry_at: datetime, shard: int | None = None
    ) -> Sequence[FeedState]:
        """Claim up to ``limit`` feeds with ``next_at <= now``, longest overdue first, moving their
        ``next_at`` to ``retry_at`` so that a crash in the poll delays them, no more. The states
        returned carry the ``next_at`` they were due at. ``shard`` (0-255, by the URL's host)
        claims from one shard only."""

    async def due_shards(self, now: datetime) -> Sequence[int]:
        """Return the shards that have a feed due, the longest overdue first."""

    async def next_due(self) -> datetime | None:
        """Return the earliest ``next_at`` of the active feeds."""

    async def update_feed(self, state: FeedState) -> None:
        """Store a feed's state outside a poll (a failed fetch, an operator's wish).

        Here and in ``commit_polls``, a feed that is baselined stays so, whatever an old state
        says: the poll of a worker that was away for a while must not make news the past."""

    async def make_due(self, key: str, at: datetime) -> bool:
        """Make an active feed due at ``at`` where it was due later; tells whether it is there."""

    # Polls -------------------------------------------------------------------------------------
    async def seen(self, feed_id: int, keys: Sequence[bytes]) -> Mapping[bytes, SeenKey]:
        """Return those of ``keys`` that the feed has seen."""

    async def commit_polls(self, polls: Sequence[PollCommit]) -> None:
        """Store all of ``polls`` in one transaction. An outbox row whose (story, channel, kind,
        revision) exists already is left as it was."""

    # Stories and entries -----------------------------------------------------------------------
    async def stories_since(self, since: datetime) -> Sequence[StoryRow]:
        """Return stories last seen at or after ``since``, oldest first."""

    async def entries_since(
        self, since: datetime, limit: int | None = None
    ) -> Sequence[FoundEntry]:
        """Return entries first seen at or after ``since``, oldest first."""

    async def matched_entries(
        self,
        since: datetime,
        rules: Sequence[str] = (),
        *,
        after: str = "",
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[FoundEntry]:
        """Return entries that any of ``rules`` matched (default: any rule), first seen after
        ``since``, or at it with an id above ``after``: oldest first, or with ``newest`` the newest
        first."""

    async def baselined(self, since: datetime, limit: int) -> Sequence[Beginning]:
        """Return the last ``limit`` entries of first runs that were first seen since, oldest
        first."""

    async def entries_of_story(self, story_id: str) -> Sequence[FoundEntry]: ...

    async def matches_of(self, entry_id: str) -> Sequence[Match]:
        """Return the matches of a stored entry with their hits, by rule."""

    async def find_entries(self, text_or_url: str, limit: int = 20) -> Sequence[FoundEntry]:
        """Return entries whose URL or id is exactly this (any spelling of the URL stored)."""

    async def numbers_since(
        self, since: datetime, wording: Wording | None = None, limit: int | None = None
    ) -> Sequence[int]:
        """Return the numbers of entries first seen at or after ``since``, newest first; with
        ``wording`` of those whose text has it, and of those of which that isn't known yet."""

    async def texts_numbered(
        self, numbers: Sequence[int]
    ) -> Sequence[tuple[int, tuple[str, str, str]]]:
        """Return the titles, summaries and contents of the entries of ``numbers`` that are still
        there, by number, in no order."""

    async def entries_numbered(self, numbers: Sequence[int]) -> Sequence[FoundEntry]:
        """Return the entries of ``numbers`` that are still there, in that order."""

    async def days(self, since: datetime) -> Sequence[DayCount]:
        """Return how many entries each day (UTC) brought from ``since`` on, oldest first; those
        that were there on a feed's first run don't count."""

    async def blob(self, name: str) -> bytes | None: ...

    async def put_blobs(self, blobs: Mapping[str, bytes | None]) -> None:
        """Store named values in one transaction; None removes one."""

    # Outbox ------------------------------------------------------------------------------------
    async def enqueue(self, rows: Sequence[OutboxRow]) -> int:
        """Add outbox rows that belong to no poll (ops, test, digest); returns how many were new."""

    async def outbox_due(
        self, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[OutboxRow]:
        """Return ``queued`` rows with ``not_before <= now``: most severe first, then oldest."""

    async def outbox_rows(
        self,
        states: Sequence[OutboxState] | None = None,
        channel: str | None = None,
        story_id: str | None = None,
        limit: int | None = None,
        newest: bool = False,
        since: datetime | None = None,
    ) -> Sequence[OutboxRow]:
        """Return rows, oldest first; with ``newest`` by id, the newest first; with ``since`` those
        made then or later."""

    async def outbox_forget(self, ids: Sequence[str]) -> int:
        """Remove rows by an operator's wish, but none ``sending`` or ``sent``; returns how many."""

    async def outbox_next(self) -> datetime | None:
        """Return the earliest ``not_before`` of the queued rows."""

    async def outbox_put(self, rows: Sequence[OutboxRow]) -> None:
        """Store new versions of existing rows, in one transaction (durable when this returns)."""

    async def outbox_stranded(self, channels: Sequence[str] | None = None) -> Sequence[OutboxRow]:
        """Return rows that are ``sending`` though nobody sends them any more: their process has
        died, or lost the store. They are the caller's to settle now. With one process, at its
        start, these are all that are ``sending``.

        With ``channels`` only those there, of which the caller must be sending none itself.
        """

    async def outbox_holds(self, row_id: str) -> bool:
        """Tell whether a row that we made ``sending`` is ours still: somebody else may take it
        when we have not been heard of for long. Ours for as long as there is one process."""

    async def outbox_counts(self) -> Mapping[OutboxState, int]: ...

    # Upkeep ------------------------------------------------------------------------------------
    async def prune(self, now: datetime, retention: Retention) -> Pruned:
        """Remove what is past its retention; then, while the store is larger than its bound, the
        oldest entries. Never removes an outbox row that is not ``sent`` or ``dead``."""

    async def backup(self, target: str) -> None:
        """Write a consistent copy of the store to ``target`` while it is in use."""

    async def check(self) -> Sequence[str]:
        """Return what is wrong with the store's file, in plain words; empty when it is sound."""
