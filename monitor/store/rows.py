"""How values become columns, the same for every adapter: times, text, JSON.

Times are integers of microseconds since 1970 UTC. Text that no database takes (lone surrogates,
NUL) is replaced by U+FFFD on the way in. Contains no SQL.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

from monitor.store.packed import Packed
from monitor.store.port import (
    Beginning,
    DayCount,
    FeedState,
    FoundEntry,
    OutboxRow,
    SeenKey,
    SeenKind,
    StoredEntry,
    StoryRow,
    Validators,
)
from monitor.values import Entry, Feed, Hit, Match, Receipt, Story, StoryKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_MICROS = 86_400_000_000
SHARDS = 256
KINDS: tuple[SeenKind, ...] = get_args(SeenKind)


def micros(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


def maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def moment(value: int) -> datetime:
    """Return the aware UTC moment of ``micros``."""
    return EPOCH + value * MICROSECOND


def maybe_moment(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def text(value: str) -> str:
    """Return ``value`` with what no database stores as text replaced by U+FFFD."""
    if value.isascii():
        return value.replace("\0", "\ufffd")
    cleaned = value.replace("\0", "\ufffd")
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in cleaned)
    return cleaned


def maybe_text(value: str | None) -> str | None:
    return None if value is None else text(value)


_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps makes one at each call


def to_json(value: object) -> str:
    """Return compact JSON; ASCII only, so that it holds no lone surrogate."""
    return _encode(value)


def shard_of(feed: Feed) -> int:
    """Return the shard (0-255) of a feed: all feeds of one host share one."""
    try:
        host = urlsplit(feed.url).hostname or ""
    except ValueError:
        host = feed.url
    return hashlib.blake2b(text(host).encode(), digest_size=1).digest()[0]


# Feeds -------------------------------------------------------------------------------------------

FEED_COLUMNS = (
    "id, key, added_at, next_at, baselined_at, etag, last_modified, body_hash, last_poll_at, "
    "last_ok_at, last_new_at, last_status, failures, entries_seen, moved_to, disabled_reason, "
    "title, extra"
)


def feed_state(row: Sequence[Any]) -> FeedState:
    """Return the feed state of a row with ``FEED_COLUMNS``."""
    return FeedState(
        id=row[0],
        key=row[1],
        added_at=moment(row[2]),
        next_at=moment(row[3]),
        baselined_at=maybe_moment(row[4]),
        validators=_validators(*row[5:8]),
        last_poll_at=maybe_moment(row[8]),
        last_ok_at=maybe_moment(row[9]),
        last_new_at=maybe_moment(row[10]),
        last_status=sys.intern(row[11]),  # many feeds have the same
        failures=row[12],
        entries_seen=row[13],
        moved_to=row[14],
        disabled_reason=row[15],
        title=row[16],
        extra=Packed(row[17]),
    )


_NO_VALIDATORS = Validators()


def _validators(etag: str | None, last_modified: str | None, body: bytes | None) -> Validators:
    if etag is None and last_modified is None and body is None:
        return _NO_VALIDATORS
    return Validators(etag, last_modified, None if body is None else bytes(body))


def feed_change(state: FeedState) -> tuple[Any, ...]:
    """Return what of a feed's state may change, in the order of ``FEED_COLUMNS`` from next_at."""
    return (
        micros(state.next_at),
        maybe_micros(state.baselined_at),
        maybe_text(state.validators.etag),
        maybe_text(state.validators.last_modified),
        state.validators.body_hash,
        maybe_micros(state.last_poll_at),
        maybe_micros(state.last_ok_at),
        maybe_micros(state.last_new_at),
        text(state.last_status),
        state.failures,
        state.entries_seen,
        maybe_text(state.moved_to),
        maybe_text(state.disabled_reason),
        maybe_text(state.title),
        Packed.of(state.extra).text,
    )


def poll_day(state: FeedState) -> int:
    """Return the day (since 1970 UTC) of the poll that made ``state``."""
    return micros(state.last_poll_at or state.next_at) // DAY_MICROS


def seen_key(kind: int, key: bytes, entry_id: str) -> SeenKey:
    return SeenKey(KINDS[kind], bytes(key), entry_id)


# Entries -----------------------------------------------------------------------------------------

ENTRY_COLUMNS = (
    "id, feed_id, story_id, story_kind, duplicate_of, baseline, first_seen, published, url, title, "
    "summary, content, source, language, outcome, rest"
)


def entry_row(stored: StoredEntry) -> tuple[Any, ...]:
    """Return an entry's columns, in the order of ``ENTRY_COLUMNS``."""
    entry = stored.entry
    rest: dict[str, object] = {
        "raw_id": entry.raw_id,
        "published": maybe_micros(entry.published),
        "updated": maybe_micros(entry.updated),
        "authors": entry.authors,
        "categories": entry.categories,
        "language": entry.language,
        "source": entry.source,
        "source_url": entry.source_url,
    }
    return (
        stored.id,
        stored.feed_id,
        stored.story_id,
        stored.story_kind,
        stored.duplicate_of,
        int(stored.baseline),
        micros(stored.first_seen),
        maybe_micros(stored.published),
        maybe_text(entry.url),
        text(entry.title),
        text(entry.summary),
        text(entry.content),
        text(stored.source),
        maybe_text(stored.language),
        text(stored.outcome),
        to_json({key: value for key, value in rest.items() if value not in (None, ())}),
    )


def stored_entry(row: Sequence[Any]) -> StoredEntry:
    """Return the entry of a row with ``ENTRY_COLUMNS``."""
    rest: Mapping[str, Any] = json.loads(row[15])
    return StoredEntry(
        id=row[0],
        feed_id=row[1],
        entry=Entry(
            raw_id=rest.get("raw_id"),
            url=row[8],
            title=row[9],
            summary=row[10],
            content=row[11],
            published=maybe_moment(rest.get("published")),
            updated=maybe_moment(rest.get("updated")),
            authors=tuple(rest.get("authors", ())),
            categories=tuple(rest.get("categories", ())),
            language=rest.get("language"),
            source=rest.get("source"),
            source_url=rest.get("source_url"),
        ),
        first_seen=moment(row[6]),
        published=maybe_moment(row[7]),
        story_id=row[2],
        story_kind=row[3],
        duplicate_of=row[4],
        baseline=bool(row[5]),
        outcome=row[14],
        source=row[12],
        language=row[13],
    )


def found_entry(row: Sequence[Any]) -> FoundEntry:
    """Return the found entry of ``ENTRY_COLUMNS``, the feed's key, and a JSON array of rules."""
    return FoundEntry(stored_entry(row), row[16] or "", tuple(json.loads(row[17])))


def day_counts(rows: Iterable[Sequence[Any]]) -> tuple[DayCount, ...]:
    """Return the days of rows with the day since 1970, the kind, and the number; day by day."""
    days: dict[int, dict[StoryKind, int]] = {}
    for day, kind, count in rows:
        days.setdefault(day, {})[kind] = count
    return tuple(
        DayCount((EPOCH + timedelta(days=day)).date(), kinds) for day, kinds in days.items()
    )


BEGINNING_COLUMNS = (
    "id, title, substr(summary, 1, 400), substr(content, 1, 400), first_seen, published"
)


def beginning(row: Sequence[Any]) -> Beginning:
    """Return the beginning of a row with ``BEGINNING_COLUMNS``."""
    text = row[2] if len(row[2]) >= 400 else f"{row[2]}\n{row[3]}"
    return Beginning(row[0], row[1], text, moment(row[4]), maybe_moment(row[5]))


def match_row(entry_id: str, match: Match) -> tuple[Any, ...]:
    """Return the columns entry_id, rule, score, key, hits."""
    hits = [asdict(hit) for hit in match.hits]
    return (entry_id, text(match.rule), match.score, maybe_text(match.key), to_json(hits))


def match_of(row: Sequence[Any]) -> Match:
    """Return the match of a row with rule, score, key, hits."""
    return Match(row[0], row[1], tuple(Hit(**hit) for hit in json.loads(row[3])), row[2])


def url_spellings(url: str) -> tuple[str, ...]:
    """Return the spellings under which a URL may be stored: http/https, slash, www, fragment."""
    url = text(url)
    try:
        parts = urlsplit(url)
    except ValueError:  # "http://[bad": not an address, but it may have been stored as one
        return (url,)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return (url,)
    host = parts.netloc.removeprefix("www.")
    path = parts.path.rstrip("/")
    spelled = product(("https", "http"), (host, f"www.{host}"), (path, f"{path}/"))
    others = (urlunsplit((*each, parts.query, "")) for each in spelled)
    return tuple(dict.fromkeys((url, *others)))


# Stories -----------------------------------------------------------------------------------------

STORY_COLUMNS = "id, title, first_seen, last_seen, sources, entries, blob"


def story_columns(row: StoryRow) -> tuple[Any, ...]:
    """Return a story's columns, in the order of ``STORY_COLUMNS``."""
    story = row.story
    return (
        story.id,
        text(story.title),
        micros(story.first_seen),
        micros(story.last_seen),
        to_json(story.sources),
        story.entries,
        row.blob,
    )


def story_row(row: Sequence[Any]) -> StoryRow:
    """Return the story of a row with ``STORY_COLUMNS``."""
    story = Story(row[0], row[1], moment(row[2]), moment(row[3]), tuple(json.loads(row[4])), row[5])
    return StoryRow(story, bytes(row[6]))


# Outbox ------------------------------------------------------------------------------------------

OUTBOX_COLUMNS = (
    "id, channel, kind, story_id, revision, severity, payload, state, created_at, not_before, "
    "attempts, first_try, last_try, looks, receipt_ts, receipt_channel, error"
)


def outbox_columns(row: OutboxRow) -> tuple[Any, ...]:
    """Return an outbox row's columns, in the order of ``OUTBOX_COLUMNS``."""
    receipt = row.receipt
    return (
        row.id,
        text(row.channel),
        row.kind,
        row.story_id,
        row.revision,
        row.severity,
        text(row.payload),
        row.state,
        micros(row.created_at),
        micros(row.not_before),
        row.attempts,
        maybe_micros(row.first_try),
        maybe_micros(row.last_try),
        row.looks,
        receipt.ts if receipt else None,
        receipt.channel_id if receipt else None,
        text(row.error),
    )


def outbox_row(row: Sequence[Any]) -> OutboxRow:
    """Return the outbox row of ``OUTBOX_COLUMNS``."""
    return OutboxRow(
        id=row[0],
        channel=row[1],
        kind=row[2],
        story_id=row[3],
        revision=row[4],
        severity=row[5],
        payload=row[6],
        state=row[7],
        created_at=moment(row[8]),
        not_before=moment(row[9]),
        attempts=row[10],
        first_try=maybe_moment(row[11]),
        last_try=maybe_moment(row[12]),
        looks=row[13],
        receipt=None if row[14] is None else Receipt(row[14], row[15]),
        error=row[16],
    )
